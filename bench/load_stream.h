/* SPDX-License-Identifier: MIT */
/* One non-blocking client connection, plain or TLS. The certificate is not verified: this is a bench. */
#ifndef BENCH_LOAD_STREAM_H
#define BENCH_LOAD_STREAM_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum load_io {
    LOAD_IO_OK,
    LOAD_IO_AGAIN, /* wait for the socket: writable if wants_write, else readable */
    LOAD_IO_CLOSED,
    LOAD_IO_FAILED /* load_stream_why() says it, if asked at once */
};

struct load_stream {
    int fd;   /* -1: none */
    SSL *ssl; /* NULL while plain */
    bool wants_write;
    SSL_SESSION *session; /* of the last connection, if it may be resumed; outlives the connection */
};

#define LOAD_STREAM_INIT ((struct load_stream){.fd = -1})

/* The TLS side of all streams. resume: keep sessions. idle: give buffers back while nothing is read or
 * written. NULL on failure. The caller frees it after the last stream. */
SSL_CTX *load_tls_open(bool resume, bool idle);

/* OK and AGAIN both mean that connecting has begun; ask load_stream_connected() when the socket is writable.
 */
enum load_io load_stream_connect(struct load_stream *st, const struct sockaddr *address, socklen_t n);
enum load_io load_stream_connected(struct load_stream *st);

/* Puts TLS on the connection; then call handshake until it says other than AGAIN. */
enum load_io load_stream_start_tls(struct load_stream *st, SSL_CTX *tls);
enum load_io load_stream_handshake(struct load_stream *st);

/* At most n bytes; *done_r is set (above 0) with OK only. A write that said AGAIN must be tried again with
 * the same bytes. */
enum load_io load_stream_read(struct load_stream *st, void *to, size_t n, size_t *done_r);
enum load_io load_stream_write(struct load_stream *st, const void *from, size_t n, size_t *done_r);
/* Whether TLS has bytes that the socket no longer announces. */
bool load_stream_pending(const struct load_stream *st);

/* What went wrong in the call that just said FAILED. */
void load_stream_why(char *out, size_t n);

/* Closes the connection; the session for the next one is kept until load_stream_forget(). */
void load_stream_close(struct load_stream *st);
void load_stream_forget(struct load_stream *st);

#endif
