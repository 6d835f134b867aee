/* SPDX-License-Identifier: MIT */
/* What the load generator sends: the command lines, made once, and the message. */
#ifndef BENCH_LOAD_MAIL_H
#define BENCH_LOAD_MAIL_H

#include "load_options.h"

#include <stddef.h>

#define LOAD_HEAD_MAX 1024 /* bytes of the longest thing that is written for a session alone */

struct load_text {
    char *p;
    size_t n;
};

struct load_mail {
    struct load_text ehlo, starttls, auth, mail, rcpt, data, quit;
    struct load_text envelope; /* MAIL, RCPT and DATA in one, for PIPELINING */
    struct load_text body;     /* behind the header, end-of-data mark included; no line begins with a dot */
    struct load_text header_rest; /* all of the header but the Message-ID */
    char nonce[17];               /* of this run, so that no two messages have one Message-ID */
};

/* False (and a text on stderr) if the options make no message. auth is empty without a user. */
bool load_mail_open(struct load_mail *m, const struct load_options *o);
void load_mail_close(struct load_mail *m);

/* Writes the header of message number `number`, always of one length; returns that. */
size_t load_mail_header(const struct load_mail *m, uint64_t number, char out[LOAD_HEAD_MAX]);

#endif
