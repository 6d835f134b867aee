/* SPDX-License-Identifier: MIT */
/*
 * Plain and TLS reading and writing on a socket. In TLS either may need the other direction first: a key
 * update (RFC 8446, section 4.6.3) is answered while reading, and half of one must be read before anything is
 * written.
 */
#include <errno.h>
#include <openssl/err.h>

#include "net/stream.h"

/* What an OpenSSL call that did not do it says; wants_other is set when it waits for the other direction. */
static enum stream_step settle(const struct stream *s, int r, int other, bool *wants_other)
{
    int error = SSL_get_error(s->ssl, r);
    *wants_other = error == other;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return STREAM_BLOCKED;
    bool cut =
        error == SSL_ERROR_SSL && ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
    return error == SSL_ERROR_ZERO_RETURN || cut ? STREAM_END : STREAM_FAILED;
}

static enum stream_step settle_plain(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? STREAM_BLOCKED : STREAM_FAILED;
}

enum stream_step stream_read(struct stream *s, char *out, size_t n, size_t *got_r)
{
    *got_r = 0;
    if (s->ssl != NULL) {
        ERR_clear_error();
        int r = SSL_read_ex(s->ssl, out, n, got_r);
        s->read_wants_write = false;
        return r == 1 ? STREAM_OK : settle(s, r, SSL_ERROR_WANT_WRITE, &s->read_wants_write);
    }
    ssize_t got = recv(s->fd, out, n, 0);
    if (got < 0)
        return settle_plain();
    *got_r = (size_t)got;
    return got > 0 ? STREAM_OK : STREAM_END;
}

enum stream_step stream_write(struct stream *s, const char *data, size_t n, size_t *done_r)
{
    *done_r = 0;
    if (s->ssl != NULL) {
        ERR_clear_error();
        int r = SSL_write_ex(s->ssl, data, n, done_r);
        s->write_wants_read = false;
        if (r == 1)
            return STREAM_OK;
        enum stream_step step = settle(s, r, SSL_ERROR_WANT_READ, &s->write_wants_read);
        return step == STREAM_BLOCKED ? STREAM_BLOCKED : STREAM_FAILED;
    }
    ssize_t done = send(s->fd, data, n, MSG_NOSIGNAL);
    if (done < 0)
        return settle_plain();
    *done_r = (size_t)done;
    return STREAM_OK;
}

enum stream_step stream_handshake(struct stream *s)
{
    ERR_clear_error();
    int r = SSL_do_handshake(s->ssl);
    s->read_wants_write = false;
    if (r == 1)
        return STREAM_OK;
    enum stream_step step = settle(s, r, SSL_ERROR_WANT_WRITE, &s->read_wants_write);
    return step == STREAM_BLOCKED ? STREAM_BLOCKED : STREAM_FAILED;
}

void stream_end(struct stream *s)
{
    if (s->ssl == NULL || !SSL_is_init_finished(s->ssl))
        return;
    ERR_clear_error();
    SSL_shutdown(s->ssl); /* the peer's close_notify is not waited for */
    ERR_clear_error();
}

bool stream_pending(const struct stream *s)
{
    return s->ssl != NULL && SSL_has_pending(s->ssl);
}

int stream_read_needs(const struct stream *s)
{
    return s->read_wants_write ? UV_WRITABLE : UV_READABLE;
}

int stream_write_needs(const struct stream *s)
{
    return s->write_wants_read ? UV_READABLE : UV_WRITABLE;
}

void stream_free(struct stream *s)
{
    SSL_free(s->ssl);
    s->ssl = NULL;
}
