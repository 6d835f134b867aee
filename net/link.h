/* SPDX-License-Identifier: MIT */
/*
 * A connection of our own to a server, for threads that may wait: TCP or a UNIX socket, plain or TLS. Inside,
 * sockets never block; every wait is a poll with a deadline, and ends at once when the owner's cancel
 * descriptor becomes readable. One thread at a time.
 *
 * SIGPIPE must be ignored by the process, or blocked in the calling thread: OpenSSL writes with write(2).
 */
#ifndef GP_NET_LINK_H
#define GP_NET_LINK_H

#include "base/base.h"

struct link;

enum link_result {
    LINK_OK,
    LINK_TIMEOUT,
    LINK_CLOSED,   /* the other side ended the connection */
    LINK_TOO_LONG, /* a line beyond the cap */
    LINK_ERROR,    /* anything else: link_error says what */
    LINK_CANCELLED /* cancel_fd became readable */
};

enum { LINK_ADDRESSES_MAX = 16, LINK_LINE_MAX = 8192 };

/*
 * Addresses of host (a name, or an IPv4 or IPv6 address) in the order in which they are to be tried (RFC
 * 6724), each with the port. Returns how many (at most max), or -1 with a text in *error. Waits at most
 * wait_ms: a resolver that hangs is left behind. cancel_fd may be -1 (here and below).
 */
int link_resolve(const char *host, uint16_t port, uint64_t wait_ms, int cancel_fd, struct addr *out,
                 size_t max, struct buf *error);

/* Connects with TCP_NODELAY; NULL with a text in *error ("Connection refused") and errno. cancel_fd stays
 * the caller's. */
struct link *link_connect(const struct addr *to, uint64_t wait_ms, int cancel_fd, struct buf *error);
struct link *link_connect_unix(const char *path, uint64_t wait_ms, int cancel_fd, struct buf *error);
/* Ends it, with TLS's close_notify where that is possible without waiting. Nulls the pointer. */
void link_close(struct link **link);

enum link_check {
    LINK_CHECK,     /* chain and name must be right (RFC 9525) */
    LINK_CHECK_NONE /* encrypts, proves nothing */
};
/*
 * Speaks TLS (1.2 or later) from here on. name is the server's: sent as SNI and checked (an IP address is
 * checked only). ca_file: PEM of the authorities to trust, "" for the system's. Bytes that came in before the
 * handshake make it fail (they would be read as if protected: CVE-2011-0411).
 */
enum link_result link_start_tls(struct link *link, const char *name, enum link_check check,
                                const char *ca_file, uint64_t wait_ms);

/*
 * Reads a line (ends with LF; LF and a CR before it are taken off) of at most max bytes (<= LINK_LINE_MAX),
 * waiting at most wait_ms for all of it. *line_r is valid until the next call. After anything but OK the link
 * is of no more use.
 */
enum link_result link_read_line(struct link *link, size_t max, uint64_t wait_ms, struct span *line_r);
/* Writes all n bytes within wait_ms. */
enum link_result link_write(struct link *link, const void *data, size_t n, uint64_t wait_ms);
/* Whether a link that should be silent still is: nothing came in, and the other side has not ended it. Never
 * waits. */
bool link_is_quiet(struct link *link);

/* What went wrong last, for people; "" when nothing did. Valid until the next call. */
const char *link_error(const struct link *link);
/* "TLS1.3:TLS_AES_256_GCM_SHA384:256", or "" without TLS. Valid until link_close. */
const char *link_tls_text(const struct link *link);
/* The other side; family 0 for a UNIX socket. */
struct addr link_peer(const struct link *link);

#endif
