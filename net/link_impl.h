/* SPDX-License-Identifier: MIT */
/* What the files of net/link share. Only for them. */
#ifndef GP_NET_LINK_IMPL_H
#define GP_NET_LINK_IMPL_H

#include <openssl/ssl.h>
#include <poll.h>

#include "net/link.h"

struct link {
    int fd, cancel_fd;
    SSL *ssl;        /* NULL while plain */
    bool tls_broken; /* a fatal TLS error happened: no close_notify */
    struct addr peer;
    size_t start, end; /* what was read and not yet taken: in[start, end) */
    char error[256];
    char tls_text[96];
    char in[LINK_LINE_MAX + 2];
};

/* Notes the text, returns result. */
enum link_result link_fail(struct link *link, enum link_result result, const char *text);
/* Waits for events on fd; OK, TIMEOUT, CANCELLED, or ERROR with errno. */
enum link_result link_wait_fds(int fd, short events, int cancel_fd, uint64_t deadline);
/* The same on the link's socket, the reason noted. */
enum link_result link_wait(struct link *link, short events, uint64_t deadline);

enum link_result link_tls_read(struct link *link, char *out, size_t n, size_t *got_r, uint64_t deadline);
enum link_result link_tls_write(struct link *link, const char *data, size_t n, uint64_t deadline);
bool link_tls_is_quiet(struct link *link);
void link_tls_end(struct link *link); /* does nothing while plain */

#endif
