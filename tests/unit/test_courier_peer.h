/* SPDX-License-Identifier: MIT */
/*
 * A server that follows a script, for the tests of the courier. Each line of the script is one step:
 *
 *   accept             takes the next connection (the first one is taken by itself)
 *   > TEXT             sends the line TEXT
 *   < TEXT             expects the line TEXT; a "*" at its end stands for anything
 *   data               reads a message up to its end mark; peer.data has its raw bytes
 *   tls                does the server's side of a handshake
 *   times N TEXT       sends the line TEXT N times
 *   raw TEXT           sends TEXT without a line end
 *   some               reads what comes next, whatever it is
 *   pause N            waits N milliseconds
 *   stay               reads until the other side closes
 *   close              closes the connection (also done at the end)
 */
#ifndef GP_TEST_COURIER_PEER_H
#define GP_TEST_COURIER_PEER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "test_courier_support.h"

struct peer {
    int listener, fd;
    uint16_t port;
    const char *const *script; /* NULL-terminated */
    pthread_t thread;
    SSL_CTX *ctx;
    SSL *ssl;
    struct buf in;
    struct buf data;  /* of the last message */
    char error[1024]; /* what was not as expected */
};

/* ---- certificates ---- */

struct identity {
    EVP_PKEY *key;
    X509 *certificate;
};

/* issuer NULL: signs itself. days < 0: has expired. */
static inline struct identity identity_make(const char *name, const struct identity *issuer, int days)
{
    struct identity id = {.key = EVP_EC_gen("P-256"), .certificate = X509_new()};
    X509 *c = id.certificate;
    char san[300];
    struct addr literal;
    X509V3_CTX v3;
    X509_set_version(c, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c), (long)random_below(1U << 30));
    X509_gmtime_adj(X509_getm_notBefore(c), -10L * 86400);
    X509_gmtime_adj(X509_getm_notAfter(c), days * 86400L);
    X509_set_pubkey(c, id.key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
                               -1, 0);
    X509_set_issuer_name(c, X509_get_subject_name(issuer != NULL ? issuer->certificate : c));
    X509V3_set_ctx(&v3, issuer != NULL ? issuer->certificate : c, c, NULL, NULL, 0);
    snprintf(san, sizeof san, "%s:%s", addr_parse(name, &literal) ? "IP" : "DNS", name);
    const struct {
        int nid;
        const char *value;
    } extensions[] = {{NID_subject_alt_name, san},
                      {NID_basic_constraints, issuer == NULL ? "CA:TRUE" : "CA:FALSE"}};
    for (size_t i = 0; i < COUNT_OF(extensions); i++) {
        X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &v3, extensions[i].nid, extensions[i].value);
        assert_non_null(e);
        X509_add_ext(c, e, -1);
        X509_EXTENSION_free(e);
    }
    assert_true(X509_sign(c, issuer != NULL ? issuer->key : id.key, EVP_sha256()) > 0);
    return id;
}

static inline void identity_free(struct identity *id)
{
    EVP_PKEY_free(id->key);
    X509_free(id->certificate);
}

static inline void identity_save(const struct identity *id, const char *path)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, id->certificate), 1);
    assert_int_equal(fclose(f), 0);
}

/* ---- the connection ---- */

static inline void peer_fail(struct peer *p, const char *what, const char *text)
{
    if (p->error[0] == '\0')
        snprintf(p->error, sizeof p->error, "%s: %s", what, text);
}

static inline void peer_send(struct peer *p, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t done = p->ssl != NULL ? SSL_write(p->ssl, text, (int)n) : send(p->fd, text, n, MSG_NOSIGNAL);
        if (done <= 0)
            return;
        text += done;
        n -= (size_t)done;
    }
}

/* More bytes into p->in; false at the end. */
static inline bool peer_fill(struct peer *p)
{
    char *to = buf_reserve(&p->in, 4096);
    if (to == NULL)
        return false;
    ssize_t n = p->ssl != NULL ? SSL_read(p->ssl, to, 4096) : recv(p->fd, to, 4096, 0);
    if (n <= 0)
        return false;
    buf_commit(&p->in, (size_t)n);
    return true;
}

static inline void peer_expect(struct peer *p, const char *wanted)
{
    const char *lf;
    while ((lf = p->in.len > 0 ? memchr(p->in.data, '\n', p->in.len) : NULL) == NULL)
        if (!peer_fill(p)) {
            peer_fail(p, "the client closed instead of saying", wanted);
            return;
        }
    size_t n = (size_t)(lf - p->in.data), w = strlen(wanted);
    char line[2048];
    snprintf(line, sizeof line, "%.*s", (int)(n > 0 && p->in.data[n - 1] == '\r' ? n - 1 : n), p->in.data);
    bool as_wanted =
        w > 0 && wanted[w - 1] == '*' ? strncmp(line, wanted, w - 1) == 0 : strcmp(line, wanted) == 0;
    if (!as_wanted) {
        char text[900];
        snprintf(text, sizeof text, "%.400s (wanted: %.400s)", line, wanted);
        peer_fail(p, "the client said", text);
    }
    buf_consume(&p->in, n + 1);
}

static inline void peer_data(struct peer *p)
{
    buf_clear(&p->data);
    for (;;) {
        bool empty = p->in.len >= 3 && memcmp(p->in.data, ".\r\n", 3) == 0;
        char *end = empty ? p->in.data : p->in.len > 0 ? memmem(p->in.data, p->in.len, "\r\n.\r\n", 5) : NULL;
        if (end != NULL) {
            size_t n = (size_t)(end - p->in.data) + (empty ? 3 : 5);
            buf_add(&p->data, p->in.data, n);
            buf_consume(&p->in, n);
            return;
        }
        if (!peer_fill(p)) {
            peer_fail(p, "the client closed", "before the end of data");
            return;
        }
    }
}

static inline void peer_tls(struct peer *p)
{
    SSL *ssl = SSL_new(p->ctx);
    SSL_set_fd(ssl, p->fd);
    if (SSL_accept(ssl) == 1)
        p->ssl = ssl;
    else
        SSL_free(ssl);
    ERR_clear_error();
}

static inline void peer_hang_up(struct peer *p)
{
    if (p->ssl != NULL) {
        SSL_shutdown(p->ssl);
        SSL_free(p->ssl);
        p->ssl = NULL;
    }
    fd_close(&p->fd);
    buf_clear(&p->in);
}

static inline void peer_accept(struct peer *p)
{
    peer_hang_up(p);
    p->fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
    setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = 20}, sizeof(struct timeval));
}

static inline void peer_step(struct peer *p, const char *step)
{
    char line[4096];
    if (strncmp(step, "> ", 2) == 0) {
        snprintf(line, sizeof line, "%s\r\n", step + 2);
        peer_send(p, line, strlen(line));
    } else if (strncmp(step, "< ", 2) == 0) {
        peer_expect(p, step + 2);
    } else if (strncmp(step, "times ", 6) == 0) {
        char *text;
        long n = strtol(step + 6, &text, 10);
        snprintf(line, sizeof line, "%s\r\n", text + 1);
        for (long i = 0; i < n; i++)
            peer_send(p, line, strlen(line));
    } else if (strncmp(step, "raw ", 4) == 0) {
        peer_send(p, step + 4, strlen(step + 4));
    } else if (strncmp(step, "pause ", 6) == 0) {
        usleep((useconds_t)strtoul(step + 6, NULL, 10) * 1000);
    } else if (strcmp(step, "some") == 0) {
        peer_fill(p);
    } else if (strcmp(step, "data") == 0) {
        peer_data(p);
    } else if (strcmp(step, "tls") == 0) {
        peer_tls(p);
    } else if (strcmp(step, "accept") == 0) {
        peer_accept(p);
    } else if (strcmp(step, "close") == 0) {
        peer_hang_up(p);
    } else if (strcmp(step, "stay") == 0) {
        while (peer_fill(p))
            buf_clear(&p->in);
    }
}

static inline void *peer_main(void *arg)
{
    struct peer *p = arg;
    sigset_t pipes;
    sigemptyset(&pipes);
    sigaddset(&pipes, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipes, NULL);
    peer_accept(p);
    for (size_t i = 0; p->script[i] != NULL; i++)
        peer_step(p, p->script[i]);
    peer_hang_up(p);
    return NULL;
}

/* ---- starting and ending ---- */

static inline void peer_listen(struct peer *p, const char *path)
{
    if (path != NULL) {
        struct sockaddr_un sa = {.sun_family = AF_UNIX};
        assert_true(strlen(path) < sizeof sa.sun_path);
        memcpy(sa.sun_path, path, strlen(path) + 1);
        p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(p->listener, (struct sockaddr *)&sa, sizeof sa), 0);
    } else {
        struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t n = sizeof sa;
        p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(p->listener, (struct sockaddr *)&sa, sizeof sa), 0);
        assert_int_equal(getsockname(p->listener, (struct sockaddr *)&sa, &n), 0);
        p->port = ntohs(sa.sin_port);
    }
    assert_int_equal(listen(p->listener, 16), 0);
}

/* path NULL: TCP on 127.0.0.1 at p->port. identity NULL: no TLS. The peer must stay where it is. */
static inline void peer_start(struct peer *p, const char *path, const struct identity *identity,
                              const char *const *script)
{
    *p = (struct peer){
        .listener = -1, .fd = -1, .script = script, .in = BUF_INIT(1 << 20), .data = BUF_INIT(64 << 20)};
    p->in.max = 64 << 20;
    if (identity != NULL) {
        p->ctx = SSL_CTX_new(TLS_server_method());
        assert_int_equal(SSL_CTX_use_certificate(p->ctx, identity->certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(p->ctx, identity->key), 1);
    }
    peer_listen(p, path);
    assert_int_equal(pthread_create(&p->thread, NULL, peer_main, p), 0);
}

/* Waits for the end of the script; the test fails if something was not as expected. */
static inline void peer_end(struct peer *p)
{
    pthread_join(p->thread, NULL);
    fd_close(&p->listener);
    SSL_CTX_free(p->ctx);
    p->ctx = NULL;
    assert_string_equal(p->error, "");
}

static inline void peer_free(struct peer *p)
{
    buf_free(&p->in);
    buf_free(&p->data);
}

#endif
