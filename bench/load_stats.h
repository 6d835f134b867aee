/* SPDX-License-Identifier: MIT */
/* What the load generator saw: a histogram of durations a step, and every error by step and reply code. */
#ifndef BENCH_LOAD_STATS_H
#define BENCH_LOAD_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The steps of a session, in the order of the conversation. */
enum load_step {
    STEP_CONNECT,  /* connect() until the connection stands */
    STEP_BANNER,   /* connected (implicit: handshake done) until 220 */
    STEP_EHLO,     /* both EHLOs, before and in TLS */
    STEP_STARTTLS, /* STARTTLS sent until 220 */
    STEP_TLS,      /* STARTTLS sent (or connected, if TLS is implicit) until the handshake is done */
    STEP_AUTH,     /* AUTH PLAIN sent until 235 */
    STEP_MAIL,     /* this and the next two: from the write that carried the command until its reply; with */
    STEP_RCPT,     /* PIPELINING that is one write */
    STEP_DATA,     /* until 354 */
    STEP_END_OF_DATA, /* last byte of the message written until 250 */
    STEP_QUIT,        /* until 221 */
    STEP_CLOSE,       /* 221 until the server has closed */
    STEP_HELD,        /* idle behind the login; for errors only */
    STEP_LOGIN_TO_OK, /* AUTH PLAIN sent until the 250 of the session's first message */
    STEP_SESSION,     /* connect() until 221 */
    STEP_COUNT
};

const char *load_step_name(enum load_step step);

struct load_stats;

struct load_stats *load_stats_open(void);
void load_stats_close(struct load_stats **sp);

void load_stats_took(struct load_stats *s, enum load_step step, uint64_t nanoseconds);
/* code is the reply code, 0 if there was no reply; what says it in words and is copied (shortened). */
void load_stats_error(struct load_stats *s, enum load_step step, int code, const char *what);

/* The rows of the report, as text or as the members "steps" and "errors" of a JSON object. */
void load_stats_print(const struct load_stats *s, FILE *out);
void load_stats_print_json(const struct load_stats *s, FILE *out);

#endif
