/* SPDX-License-Identifier: MIT */
/* What the load generator is asked to do: the command line as data. */
#ifndef BENCH_LOAD_OPTIONS_H
#define BENCH_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum load_tls { LOAD_TLS_STARTTLS, LOAD_TLS_IMPLICIT, LOAD_TLS_NONE };

struct load_options {
    const char *host; /* a numeric address */
    uint64_t port;
    enum load_tls tls;
    uint64_t connections; /* at once */
    uint64_t sessions;    /* in all; without meaning with hold or duration */
    uint64_t messages;    /* a session */
    uint64_t size;        /* bytes of one message: header and body, without the end-of-data mark */
    const char *user;     /* NULL: no login */
    const char *password_file;
    const char *from;
    const char *to;
    uint64_t hold;         /* 0: off; else so many connections are opened and kept idle behind the login */
    uint64_t hold_seconds; /* at most so long */
    uint64_t duration;     /* 0: off; else sessions follow each other for so many seconds */
    uint64_t timeout;      /* seconds without progress after which a session has failed */
    uint64_t max_errors;   /* so many failed sessions end the run */
    bool resume;           /* TLS session resumption */
    bool no_pipelining;
    bool json;
};

/* Fills *o from the command line. False (and a text on stderr) when it makes no sense. */
bool load_options_read(struct load_options *o, int argc, char **argv);

#endif
