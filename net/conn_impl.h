/* SPDX-License-Identifier: MIT */
/* Connections from inside: what their files share. */
#ifndef GP_NET_CONN_IMPL_H
#define GP_NET_CONN_IMPL_H

#include "net/stream.h"

enum {
    CONN_CHUNK = 16384, /* one TLS record at most (RFC 8446, section 5.1) */
    CONN_ROUNDS = 4,    /* reads of one connection before the others' turn */
};

enum conn_state {
    CONN_AWAITING, /* for the first bytes */
    CONN_OPEN,
    CONN_TO_TLS, /* handshake starts when all is sent */
    CONN_HANDSHAKE,
    CONN_CLOSING,   /* closes when all is sent */
    CONN_LINGERING, /* all is sent, the peer may still be sending */
    CONN_ENDED,     /* only handles are left */
};

struct conn {
    uv_poll_t poll;
    uv_timer_t timer;
    struct loop_task task; /* what must not happen inside a caller's call: resume, failure */
    struct loop *loop;
    const struct conn_events *events;
    void *arg;
    struct stream stream;
    struct tls_policy *policy; /* from conn_start_tls until the handshake starts */
    struct tls_offer *offer;   /* until the handshake is done */
    struct tls_failure failure;
    struct buf unused, unsent;
    size_t sent; /* of unsent */
    size_t lingered;
    int polled;    /* events that libuv was asked for */
    unsigned refs; /* open handles, posted task */
    enum conn_state state;
    bool paused, in_callback, posted, failed, aborted;
    bool encrypted; /* the handshake is done */
    bool again; /* reading had to stop: then what is kept is shown again, and what OpenSSL holds is read */
};

/* ---- conn.c ---- */
/* The one place where a connection ends. Never inside a caller's call. */
void conn_finish(struct conn *c, enum conn_end end);
/* Goes on from the loop: conn_go_on, after what is kept was shown. */
void conn_post(struct conn *c);
/* After anything happened: sends, and does what the state asks for. */
void conn_go_on(struct conn *c);
/* Asks poll for what is missing; what is too much is dropped when it happens. */
void conn_ask_more(struct conn *c);

/* ---- conn_io.c ---- */
void conn_flush(struct conn *c);
bool conn_may_read(const struct conn *c);
/*
 * What is kept goes first, so that a peer that sent much and then ended its side (the end is read like bytes)
 * gets all its answers.
 */
void conn_read_input(struct conn *c);

/* ---- conn_tls.c ---- */
void conn_begin_handshake(struct conn *c);
void conn_handshake(struct conn *c); /* goes on with it */

#endif
