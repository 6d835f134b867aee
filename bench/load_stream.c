/* SPDX-License-Identifier: MIT */
/* See load_stream.h. OpenSSL works on the socket itself. */
#include "load_stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>
#include <unistd.h>

/* Stands for the check of the chain, which would cost time and tell nothing about the server. */
static int accept_any_certificate(X509_STORE_CTX *chain, void *unused)
{
    (void)chain;
    (void)unused;
    return 1;
}

/* OpenSSL hands us a reference when we return 1. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct load_stream *st = SSL_get_app_data(ssl);
    SSL_SESSION_free(st->session);
    st->session = session;
    return 1;
}

SSL_CTX *load_tls_open(bool resume, bool idle)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (!tls) {
        return NULL;
    }
    SSL_CTX_set_cert_verify_callback(tls, accept_any_certificate, NULL);
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(tls, SSL_OP_IGNORE_UNEXPECTED_EOF); /* many servers just close after 221 */
    SSL_CTX_set_quiet_shutdown(tls, 1);
    if (resume) {
        SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(tls, keep_session);
    } else {
        SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    }
    if (idle) {
        SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    } else {
        SSL_CTX_set_read_ahead(tls, 1); /* a record in one read instead of two */
    }
    return tls;
}

enum load_io load_stream_connect(struct load_stream *st, const struct sockaddr *address, socklen_t n)
{
    int on = 1;
    st->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (st->fd < 0) {
        return LOAD_IO_FAILED;
    }
    setsockopt(st->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(st->fd, address, n) == 0) {
        return LOAD_IO_OK;
    }
    return errno == EINPROGRESS ? LOAD_IO_AGAIN : LOAD_IO_FAILED;
}

enum load_io load_stream_connected(struct load_stream *st)
{
    int error = 0;
    socklen_t n = sizeof error;
    if (getsockopt(st->fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error == 0) {
        return LOAD_IO_OK;
    }
    errno = error ? error : errno;
    return LOAD_IO_FAILED;
}

static enum load_io tls_result(struct load_stream *st, int result)
{
    switch (SSL_get_error(st->ssl, result)) {
    case SSL_ERROR_WANT_READ: return LOAD_IO_AGAIN;
    case SSL_ERROR_WANT_WRITE: st->wants_write = true; return LOAD_IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN: return LOAD_IO_CLOSED;
    default: return LOAD_IO_FAILED;
    }
}

enum load_io load_stream_start_tls(struct load_stream *st, SSL_CTX *tls)
{
    st->ssl = SSL_new(tls);
    if (!st->ssl || SSL_set_fd(st->ssl, st->fd) != 1) {
        return LOAD_IO_FAILED;
    }
    SSL_set_app_data(st->ssl, st);
    SSL_set_connect_state(st->ssl);
    if (st->session) {
        SSL_set_session(st->ssl, st->session); /* takes a reference of its own */
    }
    return LOAD_IO_OK;
}

enum load_io load_stream_handshake(struct load_stream *st)
{
    st->wants_write = false;
    ERR_clear_error();
    int result = SSL_do_handshake(st->ssl);
    return result == 1 ? LOAD_IO_OK : tls_result(st, result);
}

/* What recv() or send() returned, as load_io. */
static enum load_io plain_result(ssize_t n, size_t *done_r)
{
    if (n > 0) {
        *done_r = (size_t)n;
        return LOAD_IO_OK;
    }
    if (n == 0) {
        return LOAD_IO_CLOSED;
    }
    return errno == EAGAIN || errno == EINTR ? LOAD_IO_AGAIN : LOAD_IO_FAILED;
}

enum load_io load_stream_read(struct load_stream *st, void *to, size_t n, size_t *done_r)
{
    if (!st->ssl) {
        return plain_result(recv(st->fd, to, n, 0), done_r);
    }
    ERR_clear_error();
    int result = SSL_read_ex(st->ssl, to, n, done_r);
    return result == 1 ? LOAD_IO_OK : tls_result(st, result);
}

enum load_io load_stream_write(struct load_stream *st, const void *from, size_t n, size_t *done_r)
{
    st->wants_write = false;
    if (!st->ssl) {
        enum load_io io = plain_result(send(st->fd, from, n, MSG_NOSIGNAL), done_r);
        st->wants_write = io == LOAD_IO_AGAIN;
        return io;
    }
    ERR_clear_error();
    int result = SSL_write_ex(st->ssl, from, n, done_r);
    return result == 1 ? LOAD_IO_OK : tls_result(st, result);
}

bool load_stream_pending(const struct load_stream *st)
{
    return st->ssl && SSL_has_pending(st->ssl);
}

void load_stream_why(char *out, size_t n)
{
    int system_error = errno;
    unsigned long error = ERR_peek_last_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;
    OPENSSL_strlcpy(out, reason ? reason : strerror(system_error), n);
}

void load_stream_close(struct load_stream *st)
{
    if (st->ssl) {
        SSL_shutdown(st->ssl); /* quiet: writes nothing, but leaves the session fit to be resumed */
        SSL_free(st->ssl);
        st->ssl = NULL;
    }
    if (st->fd >= 0) {
        close(st->fd);
        st->fd = -1;
    }
    st->wants_write = false;
}

void load_stream_forget(struct load_stream *st)
{
    SSL_SESSION_free(st->session);
    st->session = NULL;
}
