/* SPDX-License-Identifier: MIT */
/*
 * What the tests of net and smtp share: loops and functions that run on them, sockets, certificates made on
 * the spot, and a client that speaks plain or through OpenSSL, as slowly as a test wants.
 */
#ifndef GP_TEST_NET_HELP_H
#define GP_TEST_NET_HELP_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/net.h"

enum { PATIENCE_S = 30 };

/* ---- threads ---- */

/* Lets one thread wait for what another does. */
struct signpost {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int count;
};
#define SIGNPOST_INIT                                                                                        \
    {                                                                                                        \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0                                               \
    }

static inline void signpost_raise(struct signpost *post)
{
    pthread_mutex_lock(&post->lock);
    post->count++;
    pthread_cond_broadcast(&post->changed);
    pthread_mutex_unlock(&post->lock);
}

static inline int signpost_count(struct signpost *post)
{
    pthread_mutex_lock(&post->lock);
    int count = post->count;
    pthread_mutex_unlock(&post->lock);
    return count;
}

/* Until it was raised so often, or the time is over. */
static inline bool signpost_wait_ms(struct signpost *post, int count, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (ms + until.tv_nsec / 1000000) / 1000;
    until.tv_nsec = (ms * 1000000 + until.tv_nsec) % 1000000000;
    int r = 0;
    pthread_mutex_lock(&post->lock);
    while (post->count < count && r == 0)
        r = pthread_cond_clockwait(&post->changed, &post->lock, CLOCK_MONOTONIC, &until);
    bool there = post->count >= count;
    pthread_mutex_unlock(&post->lock);
    return there;
}

static inline void signpost_wait(struct signpost *post, int count)
{
    assert_true(signpost_wait_ms(post, count, (int64_t)PATIENCE_S * 1000));
}

static inline void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

struct errand {
    struct loop_task task;
    void (*run)(void *arg);
    void *arg;
    struct signpost finished;
};

static inline void errand_run(struct loop_task *task)
{
    struct errand *e = CONTAINER_OF(task, struct errand, task);
    e->run(e->arg);
    signpost_raise(&e->finished);
}

/* Runs a function on the loop's thread and waits until it returned. */
static inline void on_loop(struct loop *loop, void (*run)(void *arg), void *arg)
{
    struct errand e = {{errand_run, NULL}, run, arg, SIGNPOST_INIT};
    loop_post(loop, &e.task);
    signpost_wait(&e.finished, 1);
    pthread_mutex_lock(&e.finished.lock); /* the loop has let go of it */
    pthread_mutex_unlock(&e.finished.lock);
}

static inline struct loop *start_loop(void)
{
    struct loop *loop = loop_make("test");
    assert_non_null(loop);
    assert_int_equal(loop_start(loop), 0);
    return loop;
}

static inline void end_loop(struct loop **loop)
{
    loop_stop(*loop);
    loop_free(loop);
}

/* ---- sockets ---- */

/* A TCP connection over loopback; buffer (0: the system's choice) is what each socket keeps of either
 * direction. */
static inline void tcp_pair(int fds_r[2], int buffer)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof sin;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fds_r[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    for (int i = 0; i < 2 && buffer > 0; i++) {
        int fd = i == 0 ? listener : fds_r[1];
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer), 0);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer), 0);
    }
    assert_int_equal(bind(listener, (struct sockaddr *)&sin, sizeof sin), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&sin, &n), 0);
    assert_int_equal(connect(fds_r[1], (struct sockaddr *)&sin, sizeof sin), 0);
    fds_r[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fds_r[0] >= 0);
    close(listener);
}

/* A loopback port that is free now. */
static inline uint16_t free_port(int family)
{
    struct sockaddr_storage ss;
    struct addr a = {.family = (uint8_t)family};
    socklen_t n = addr_to_sockaddr(&a, &ss);
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&ss, n), 0);
    n = sizeof ss;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &n), 0);
    close(fd);
    return addr_from_sockaddr((struct sockaddr *)&ss).port;
}

/* -1 when nobody is there. */
static inline int tcp_connect(const char *ip, uint16_t port)
{
    struct addr a;
    struct sockaddr_storage ss;
    assert_true(addr_parse(ip, &a));
    a.port = port;
    socklen_t n = addr_to_sockaddr(&a, &ss);
    int fd = socket(a.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (struct sockaddr *)&ss, n) == 0)
        return fd;
    close(fd);
    return -1;
}

/* The peer sees a reset. */
static inline void close_hard(int *fd)
{
    struct linger hard = {1, 0};
    setsockopt(*fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    fd_close(fd);
}

/* ---- certificates ---- */

struct identity {
    char certificate[4096], key[4096]; /* PEM */
};

static inline void read_bio(BIO *bio, char out[4096])
{
    char *data = NULL;
    long n = BIO_get_mem_data(bio, &data);
    assert_true(n > 0 && n < 4096);
    memcpy(out, data, (size_t)n);
    out[n] = '\0';
    BIO_free(bio);
}

/* Self-signed, ECDSA P-256. */
static inline void make_identity(struct identity *out)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    assert_non_null(key);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"mail.example.com", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_set_pubkey(x, key);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(bio, x), 1);
    read_bio(bio, out->certificate);
    bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    read_bio(bio, out->key);
    X509_free(x);
    EVP_PKEY_free(key);
}

/* Settings out of lines; release them. */
static inline const struct settings *settings_of(const char *lines)
{
    struct buf error = BUF_INIT(4096);
    char path[] = "/tmp/gatepost-net-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(file_write_all(fd, lines, strlen(lines)), 0);
    const struct settings *s = settings_load(path, &error);
    close(fd);
    unlink(path);
    if (s == NULL)
        fail_msg("%s", buf_str(&error));
    buf_free(&error);
    return s;
}

static inline struct tls_policy *policy_of(const char *lines, const struct identity *identity)
{
    const struct settings *s = settings_of(lines);
    struct buf error = BUF_INIT(4096);
    struct tls_policy *policy =
        tls_policy_make(s, span_of(identity->certificate), span_of(identity->key), &error);
    if (policy == NULL)
        fail_msg("%s", buf_str(&error));
    buf_free(&error);
    settings_release(&s);
    return policy;
}

/* ---- a client ---- */

struct client {
    int fd;
    SSL *ssl;
    bool ended; /* the server's side: its end was read, in TLS with close_notify */
    bool broken;
};

static inline SSL_CTX *client_context(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return ctx;
}

/* An SSL on the client's socket; the handshake is yet to come. */
static inline void client_prepare(struct client *c, SSL_CTX *ctx)
{
    c->ssl = SSL_new(ctx);
    assert_int_equal(SSL_set_fd(c->ssl, c->fd), 1);
}

static inline void client_tls(struct client *c)
{
    SSL_CTX *ctx = client_context();
    client_prepare(c, ctx);
    SSL_CTX_free(ctx);
    ERR_clear_error();
    assert_int_equal(SSL_connect(c->ssl), 1);
}

static inline void client_close(struct client *c)
{
    SSL_free(c->ssl);
    c->ssl = NULL;
    fd_close(&c->fd);
}

/* Both block and give up after PATIENCE_S; 0 is the end. */
static inline size_t client_read(struct client *c, char *out, size_t n)
{
    struct timeval patience = {PATIENCE_S, 0};
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (c->ssl == NULL) {
        ssize_t got = recv(c->fd, out, n, 0);
        c->ended |= got == 0;
        c->broken |= got < 0;
        return got > 0 ? (size_t)got : 0;
    }
    size_t got = 0;
    ERR_clear_error();
    int r = SSL_read_ex(c->ssl, out, n, &got);
    int error = r == 1 ? 0 : SSL_get_error(c->ssl, r);
    c->ended |= error == SSL_ERROR_ZERO_RETURN;
    c->broken |= error != 0 && error != SSL_ERROR_ZERO_RETURN;
    return got;
}

static inline bool client_write(struct client *c, const void *data, size_t n)
{
    size_t done = 0;
    while (done < n) {
        size_t step = 0;
        ssize_t sent = 0;
        if (c->ssl != NULL && SSL_write_ex(c->ssl, (const char *)data + done, n - done, &step) != 1)
            return false;
        if (c->ssl == NULL && (sent = send(c->fd, (const char *)data + done, n - done, MSG_NOSIGNAL)) < 0)
            return false;
        done += step + (size_t)sent;
    }
    return true;
}

static inline void client_say(struct client *c, const char *text)
{
    assert_true(client_write(c, text, strlen(text)));
}

/* No more will be written: close_notify in TLS, and the end of the socket's side. */
static inline void client_finish(struct client *c)
{
    if (c->ssl != NULL)
        SSL_shutdown(c->ssl);
    shutdown(c->fd, SHUT_WR);
}

/* Reads until the end (or max bytes). */
static inline void client_read_all(struct client *c, struct buf *out)
{
    char chunk[16384];
    size_t n = 0;
    while ((n = client_read(c, chunk, sizeof chunk)) > 0 && buf_add(out, chunk, n))
        continue;
}

/* Reads a line, without its end; it must come. */
static inline void client_line(struct client *c, char *out, size_t size)
{
    size_t n = 0;
    while (n + 1 < size && client_read(c, out + n, 1) == 1 && out[n] != '\n')
        n++;
    if (n > 0 && out[n - 1] == '\r')
        n--;
    out[n] = '\0';
}

#endif
