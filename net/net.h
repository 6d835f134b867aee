/* SPDX-License-Identifier: MIT */
/*
 * net: loops (loop.h), TLS policy, connections (plain or TLS behind one interface), listeners, and the census
 * of who is connected. Knows nothing of mail.
 */
#ifndef GP_NET_H
#define GP_NET_H

#include "base/base.h"
#include "causes/causes.h"
#include "net/loop.h"
#include "settings/settings.h"

/* ---- TLS policy: certificate, key, versions, ciphers; immutable, shared by all loops ---- */
struct tls_policy;
/*
 * Makes the policy out of the settings and the PEM texts. NULL with the reason, naming the setting, in
 * *error; else *error may hold a warning ("" if none). The caller holds the result.
 */
struct tls_policy *tls_policy_make(const struct settings *settings, struct span certificate, struct span key,
                                   struct buf *error);
struct tls_policy *tls_policy_hold(struct tls_policy *policy);
void tls_policy_release(struct tls_policy **policy);

/* What the client said it can do, read from its ClientHello (RFC 8446, section 4.1.2). */
struct tls_offer {
    char versions[64];     /* "TLSv1.2 TLSv1.3" */
    char ciphers[512];     /* OpenSSL's names, or hex; cut with "..." */
    char server_name[256]; /* "" when it named none */
};

/* ---- connections ---- */
struct conn;

enum conn_end {
    CONN_CLOSED_BY_PEER, /* its side has ended */
    CONN_RESET,          /* socket error, or a broken TLS record */
    CONN_TLS_FAILED,     /* the handshake: conn_tls_failure tells */
    CONN_DONE,           /* conn_close: all was said */
};

/* Each is called on the loop's thread, never from within a function of conn that is called from outside one.
 */
struct conn_events {
    /* After conn_await_first: the first bytes that came (at most 8). They were only looked at. */
    void (*first)(void *arg, const char *bytes, size_t n);
    /* Bytes came, with what was left over before them. Returns how many it used; the rest is kept and shown
       again with the next bytes or after conn_resume. */
    size_t (*data)(void *arg, const char *bytes, size_t n);
    void (*tls_ready)(void *arg);                 /* the handshake is done */
    void (*timeout)(void *arg);                   /* conn_set_timeout's time is over */
    void (*closed)(void *arg, enum conn_end end); /* last call; the connection frees itself */
};

/* Takes over the connected socket fd (non-blocking is set here). Starts with reading paused. NULL (fd closed)
 * when the system refuses. */
struct conn *conn_open(struct loop *loop, int fd, const struct conn_events *events, void *arg);
/* Appends to what is to be sent; sent when the callback under way returns, or at once outside of one. While a
   peer does not read what it was sent, it is not read from either; more than 64 KiB unsent ends the
   connection (CONN_RESET). */
void conn_write(struct conn *c, const void *data, size_t n);
/*
 * So much is unsent that the peer should read first: data then best returns, also in the middle of what it
 * was shown. The rest is shown again once all is sent.
 */
bool conn_congested(const struct conn *c);
/* Stops and starts reading. Resume shows kept bytes first (not from within conn_resume, but from the loop).
 */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);
/* One timer a connection, in milliseconds from now; 0 stops it. */
void conn_set_timeout(struct conn *c, uint64_t ms);
/* Sends what is unsent, then starts the server side of a handshake. What came before it and was not used is
 * dropped (RFC 3207, section 4.2). */
void conn_start_tls(struct conn *c, struct tls_policy *policy);
/* Right after conn_open: waits for the first bytes and leaves them where they are, so that TLS or data may
 * begin with them. */
void conn_await_first(struct conn *c);
/*
 * Sends what is unsent, then closes: lets the peer read it first (half-closes and drops its input for at most
 * 2 s). The closed event comes later, in any case. Reading stops.
 */
void conn_close(struct conn *c);
/* Closes at once and drops what is unsent; for the end of the process. The closed event comes later. */
void conn_abort(struct conn *c);
bool conn_is_tls(const struct conn *c); /* the handshake is done */
/* "TLS1.3:TLS_AES_256_GCM_SHA384:256", Exim's form; "" without TLS. Returns out. */
#define TLS_TEXT_MAX 96
const char *conn_tls_text(const struct conn *c, char out[TLS_TEXT_MAX]);

struct tls_failure {
    enum cause_id cause;
    char reason[128];              /* OpenSSL's: "unsupported protocol" */
    const struct tls_offer *offer; /* NULL when no ClientHello was read */
};
/* After CONN_TLS_FAILED, or when a handshake under way is given up (then cause and reason are the
 * time-out's). Valid within closed. */
const struct tls_failure *conn_tls_failure(struct conn *c);

/* ---- listeners ---- */
struct listener;
/* Called for each connection on the loop's thread; takes over fd. */
typedef void accept_fn(void *arg, int fd, const struct addr *peer, const struct addr *local);
/* Takes over the listening socket. NULL when the system refuses. */
struct listener *listener_open(struct loop *loop, int fd, accept_fn *accepted, void *arg);
/* On the loop's thread: stops accepting, closes the socket, frees itself. Nulls the pointer. */
void listener_close(struct listener **listener);
/*
 * Binds and listens: "HOST:PORT", "*:PORT" (IPv6 socket that takes IPv4, too; IPv4 only where there is no
 * IPv6), SO_REUSEPORT. Returns the descriptor, or -errno with a text in *error.
 */
int listener_bind(const char *address, struct buf *error);

/* ---- census: how many connections there are, in all and by address (an IPv6 /64 counts as one) ---- */
struct census;
enum census_answer { CENSUS_OK, CENSUS_ALL_FULL, CENSUS_ADDRESS_FULL };
struct census *census_make(void);
void census_free(struct census **census);
/* Any thread. On OK the caller says census_leave once. */
enum census_answer census_enter(struct census *census, const struct addr *peer, uint64_t limit_all,
                                uint64_t limit_address);
void census_leave(struct census *census, const struct addr *peer);
uint64_t census_count(struct census *census);

#endif
