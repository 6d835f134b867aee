/* SPDX-License-Identifier: MIT */
/* TLS on client connections: whom to trust, handshake, reading and writing with deadlines. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "net/link_impl.h"

/* OpenSSL's last reason, and, where the certificate is the reason, what is wrong with it. */
static enum link_result fail_tls(struct link *link)
{
    char text[sizeof link->error];
    long verify = SSL_get_verify_result(link->ssl);
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);
    link->tls_broken = true;
    if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED && verify != X509_V_OK)
        snprintf(text, sizeof text, "the certificate is not to be trusted: %s",
                 X509_verify_cert_error_string(verify));
    else
        snprintf(text, sizeof text, "%s", reason != NULL ? reason : "broken connection");
    ERR_clear_error();
    return link_fail(link, LINK_ERROR, text);
}

/* After an SSL_* call that returned r <= 0: waits for what it wants (OK: try again), or says why not. */
static enum link_result settle(struct link *link, int r, uint64_t deadline)
{
    int saved = errno;
    switch (SSL_get_error(link->ssl, r)) {
    case SSL_ERROR_WANT_READ: return link_wait(link, POLLIN, deadline);
    case SSL_ERROR_WANT_WRITE: return link_wait(link, POLLOUT, deadline);
    case SSL_ERROR_ZERO_RETURN: return link_fail(link, LINK_CLOSED, "the connection was closed");
    case SSL_ERROR_SYSCALL:
        link->tls_broken = true;
        return link_fail(link, LINK_CLOSED, saved != 0 ? strerror(saved) : "the connection was closed");
    default: return fail_tls(link);
    }
}

static bool set_name(SSL *ssl, const char *name, enum link_check check)
{
    struct addr literal;
    bool is_address = addr_parse(name, &literal);
    if (!is_address &&
        SSL_set_tlsext_host_name(ssl, name) != 1) /* RFC 6066, section 3: no addresses in SNI */
        return false;
    if (check == LINK_CHECK_NONE)
        return true;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS); /* RFC 9525, section 6.3 */
    SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    return is_address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1
                      : SSL_set1_host(ssl, name) == 1;
}

static bool set_trust(SSL_CTX *ctx, enum link_check check, const char *ca_file)
{
    if (check == LINK_CHECK_NONE)
        return true;
    return ca_file[0] != '\0' ? SSL_CTX_load_verify_file(ctx, ca_file) == 1
                              : SSL_CTX_set_default_verify_paths(ctx) == 1;
}

static enum link_result make_ssl(struct link *link, const char *name, enum link_check check,
                                 const char *ca_file)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL)
        return link_fail(link, LINK_ERROR, "no memory for TLS");
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    /* SMTP has its own ends of lines and messages; many servers close without close_notify. */
    SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    bool trusted = set_trust(ctx, check, ca_file);
    SSL *ssl = trusted ? SSL_new(ctx) : NULL;
    SSL_CTX_free(ctx); /* the SSL holds it */
    if (!trusted)
        return link_fail(link, LINK_ERROR, "the file of trusted authorities cannot be read");
    if (ssl == NULL || !set_name(ssl, name, check) || SSL_set_fd(ssl, link->fd) != 1) {
        SSL_free(ssl);
        return link_fail(link, LINK_ERROR, "the server's name cannot be used");
    }
    link->ssl = ssl;
    return LINK_OK;
}

/* "TLS1.3:TLS_AES_256_GCM_SHA384:256", as Exim writes it. */
static void note_tls(struct link *link)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(link->ssl);
    const char *version = SSL_get_version(link->ssl); /* "TLSv1.3" */
    const char *number = strncmp(version, "TLSv", 4) == 0 ? version + 4 : version;
    snprintf(link->tls_text, sizeof link->tls_text, "TLS%s:%s:%d", number, SSL_CIPHER_get_name(cipher),
             SSL_CIPHER_get_bits(cipher, NULL));
}

enum link_result link_start_tls(struct link *link, const char *name, enum link_check check,
                                const char *ca_file, uint64_t wait_ms)
{
    uint64_t deadline = clock_mono_ms() + wait_ms;
    if (link->start != link->end)
        return link_fail(link, LINK_ERROR, "the server sent something before the handshake");
    ERR_clear_error();
    enum link_result r = make_ssl(link, name, check, ca_file);
    while (r == LINK_OK) {
        ERR_clear_error();
        errno = 0;
        int n = SSL_connect(link->ssl);
        if (n == 1) {
            note_tls(link);
            return LINK_OK;
        }
        r = settle(link, n, deadline);
    }
    ERR_clear_error();
    link->tls_broken = true;
    return r;
}

enum link_result link_tls_read(struct link *link, char *out, size_t n, size_t *got_r, uint64_t deadline)
{
    enum link_result r = LINK_OK;
    while (r == LINK_OK) {
        ERR_clear_error();
        errno = 0;
        int got = SSL_read_ex(link->ssl, out, n, got_r);
        if (got == 1)
            return LINK_OK;
        r = settle(link, got, deadline);
    }
    return r;
}

enum link_result link_tls_write(struct link *link, const char *data, size_t n, uint64_t deadline)
{
    enum link_result r = LINK_OK;
    while (r == LINK_OK && n > 0) {
        size_t done = 0;
        ERR_clear_error();
        errno = 0;
        int ok = SSL_write_ex(link->ssl, data, n, &done);
        if (ok == 1) {
            data += done;
            n -= done;
        } else {
            r = settle(link, ok, deadline);
        }
    }
    return r;
}

bool link_tls_is_quiet(struct link *link)
{
    char byte;
    ERR_clear_error();
    /* Session tickets of TLS 1.3 may lie here; SSL_peek takes them in and then wants more. */
    int n = SSL_peek(link->ssl, &byte, 1);
    bool quiet = n <= 0 && SSL_get_error(link->ssl, n) == SSL_ERROR_WANT_READ;
    ERR_clear_error();
    return quiet;
}

void link_tls_end(struct link *link)
{
    if (link->ssl == NULL)
        return;
    if (!link->tls_broken)
        SSL_shutdown(link->ssl);
    SSL_free(link->ssl);
    link->ssl = NULL;
    ERR_clear_error();
}
