/* SPDX-License-Identifier: MIT */
/*
 * stream: the bytes of a socket that never blocks, plain or inside TLS, behind the same few functions. Of
 * this room only.
 */
#ifndef GP_NET_STREAM_H
#define GP_NET_STREAM_H

#include "net/tls.h"

enum stream_step {
    STREAM_OK,
    STREAM_BLOCKED, /* nothing for now; what to wait for: stream_read_needs, stream_write_needs */
    STREAM_END,     /* reading: the peer has ended its side */
    STREAM_FAILED,
};

struct stream {
    int fd;
    SSL *ssl; /* NULL: plain */
    bool read_wants_write, write_wants_read;
};

/* Reads up to n bytes into out, *got_r says how many (OK: at least one). Further
 * records may wait inside OpenSSL (stream_pending). */
enum stream_step stream_read(struct stream *s, char *out, size_t n, size_t *got_r);
/* Writes up to n bytes, *done_r says how many. */
enum stream_step stream_write(struct stream *s, const char *data, size_t n, size_t *done_r);
/* Goes on with the handshake. OK: it is done. FAILED: OpenSSL's error queue has the reason. */
enum stream_step stream_handshake(struct stream *s);
/* Says that nothing more will be written: close_notify, if there was a handshake (RFC 8446, section 6.1). */
void stream_end(struct stream *s);
/* Bytes that poll knows nothing of wait inside OpenSSL (perhaps only a part of a record: then reading is
 * blocked). */
bool stream_pending(const struct stream *s);
/* The poll event (UV_READABLE, UV_WRITABLE) that a blocked read or write, or the handshake, waits for. */
int stream_read_needs(const struct stream *s);
int stream_write_needs(const struct stream *s);
/* Frees the SSL; the socket stays open. */
void stream_free(struct stream *s);

#endif
