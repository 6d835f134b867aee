/* SPDX-License-Identifier: MIT */
/*
 * One connection to an SMTP (RFC 5321) or LMTP (RFC 2033) server, brought to where a message may be sent:
 * connected, greeted, inside TLS if that is wanted, logged in. transaction.h sends messages over it. For
 * threads that may wait.
 */
#ifndef GP_COURIER_CLIENT_H
#define GP_COURIER_CLIENT_H

#include "courier/outcome.h"
#include "net/link.h"
#include "wire/wire.h"

enum client_protocol { CLIENT_SMTP, CLIENT_LMTP };

/* In the order of relay.tls's words. */
enum client_tls {
    CLIENT_TLS_STARTTLS,      /* certificate checked; never without */
    CLIENT_TLS_IMPLICIT,      /* the same, from the first byte (RFC 8314) */
    CLIENT_TLS_OPPORTUNISTIC, /* if offered, unchecked; else without */
    CLIENT_TLS_NONE
};

/* How long to wait, milliseconds. */
struct client_waits {
    uint64_t lookup, connect, handshake;
    uint64_t greeting, command, data_start, data_block, data_end, quit;
};
extern const struct client_waits CLIENT_WAITS; /* RFC 5321, section 4.5.3.2 */

struct client_target {
    enum client_protocol protocol;
    const char *path; /* of a UNIX socket; "": host and port */
    const char *host;
    uint16_t port;
};

struct client_policy {
    enum client_tls tls;
    const char *ca_file;  /* "": the system's authorities */
    const char *hostname; /* ours */
    const char *user;     /* "": no login */
    struct span password;
    int cancel_fd; /* readable: give up; or -1 */
    const struct client_waits *waits;
};

enum client_feature {
    FEATURE_STARTTLS = 1 << 0,
    FEATURE_PIPELINING = 1 << 1, /* RFC 2920 */
    FEATURE_8BITMIME = 1 << 2,   /* RFC 6152 */
    FEATURE_SIZE = 1 << 3,       /* RFC 1870 */
    FEATURE_AUTH_PLAIN = 1 << 4, /* RFC 4954 */
    FEATURE_AUTH_LOGIN = 1 << 5,
    FEATURE_EHLO = 1 << 6 /* it understood EHLO or LHLO */
};

/* Belongs to the thread that has it at the time. */
struct client {
    struct link *link;
    enum client_protocol protocol;
    struct client_waits waits;
    char *host;         /* as in the settings, or the socket's path */
    char name[512];     /* "HOST [ADDRESS]:PORT", for people */
    unsigned features;  /* of enum client_feature */
    uint64_t size_max;  /* by SIZE; 0: it does not say */
    struct reply reply; /* the last one, if client_hear was true */
    unsigned messages;  /* sent so far */
    bool needs_rset;    /* the last transaction did not end with DATA */
    bool broken;        /* of no more use: only client_close */
    bool cancelled;     /* cancel_fd became readable */
};

/*
 * Opens one. NULL: *why_r is DEFERRED (or NONE when cancelled): what comes before MAIL concerns the server,
 * never the message, so even a 5xx there is no reason to give a message up. name_r (may be NULL) gets the
 * name of what was tried last.
 */
struct client *client_open(const struct client_target *target, const struct client_policy *policy,
                           struct outcome *why_r, struct buf *name_r);
/* Says QUIT if that makes sense, frees it, nulls the pointer. */
void client_close(struct client **client);
/* Whether a connection that was idle can still be used. */
bool client_is_alive(struct client *client);

/* Sends bytes that are whole commands or part of a message. False: broken. */
bool client_say(struct client *c, const void *data, size_t n, uint64_t wait_ms);
/* Reads one reply into c->reply. False: broken; client_trouble says why. A 421 is heard, and breaks the
 * connection (RFC 5321, section 3.8). */
bool client_hear(struct client *c, uint64_t wait_ms);
/* "timed out", "the connection was closed", "not an SMTP reply". */
const char *client_trouble(const struct client *c);
/* The enhanced status code of the last reply if it fits its code (RFC 2034), else "". */
const char *client_status(const struct client *c);

#endif
