/* SPDX-License-Identifier: MIT */
/* One SMTP session as a mail client has it: connect, TLS, login, messages, QUIT. Any reply but the right one
 * ends it. */
#ifndef BENCH_LOAD_SESSION_H
#define BENCH_LOAD_SESSION_H

#include "load_mail.h"
#include "load_options.h"
#include "load_stats.h"
#include "load_stream.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define LOAD_INPUT_MAX 4096  /* the longest reply */
#define LOAD_CHUNK_MAX 16384 /* one TLS record */

/* What all sessions share. */
struct load_run {
    const struct load_options *options;
    struct load_mail mail;
    struct load_stats *stats;
    SSL_CTX *tls;
    struct sockaddr_storage address;
    socklen_t address_n;
    int epoll;
    uint64_t messages; /* acknowledged */
    uint64_t bytes;    /* of messages, written */
    uint64_t numbered; /* messages begun */
    uint64_t resumed;  /* TLS sessions */
    char chunk[LOAD_CHUNK_MAX];
};

enum load_outcome { LOAD_RUNNING, LOAD_HOLDING, LOAD_DONE, LOAD_FAILED };

struct load_session {
    struct load_stream stream;
    enum load_step step;
    enum load_outcome outcome;
    uint32_t events;    /* that epoll watches for */
    bool pipelining;    /* offered by the last EHLO, and not forbidden */
    bool ended_message; /* the message is written, its end included */
    unsigned owed;      /* replies to what has been sent */
    uint64_t messages;  /* acknowledged in this session */
    uint64_t began;     /* these times: nanoseconds on the monotonic clock */
    uint64_t login_began;
    uint64_t step_began;
    uint64_t moved; /* when bytes last went either way */

    const char *out; /* what is to be written: first these bytes ... */
    size_t out_n;
    size_t body_n; /* ... then so many of the message's body */
    size_t sent;   /* of both together */
    char head[LOAD_HEAD_MAX];

    size_t in_at, in_n; /* what has come and is not yet taken lies between these */
    char in[LOAD_INPUT_MAX];
};

uint64_t load_now(void);

/* Starts on a session that is not running; afterwards, and after each event, look at s->outcome. number is
 * the caller's name for it in the epoll set. */
void load_session_start(struct load_session *s, struct load_run *run, uint64_t number);
void load_session_event(struct load_session *s, struct load_run *run, uint64_t number);
/* Fails a session that has not moved for so long. */
void load_session_check(struct load_session *s, struct load_run *run, uint64_t now);
/* Closes the connection, whatever state it is in; no error is counted. */
void load_session_cut(struct load_session *s);

#endif
