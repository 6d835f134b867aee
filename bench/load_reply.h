/* SPDX-License-Identifier: MIT */
/* Strict reading of SMTP replies (RFC 5321, 4.2). */
#ifndef BENCH_LOAD_REPLY_H
#define BENCH_LOAD_REPLY_H

#include <stdbool.h>
#include <stddef.h>

struct load_reply {
    int code;
    size_t bytes; /* of all its lines, ends of line included */
    const char *text;
};

enum load_parse {
    LOAD_PARSE_OK,
    LOAD_PARSE_MORE, /* good so far */
    LOAD_PARSE_BAD
};

/* Reads one whole reply, of one or more lines, off the n bytes at p. *reply_r points into them. */
enum load_parse load_reply_parse(const char *p, size_t n, struct load_reply *reply_r);

/* Whether a reply to EHLO has a line for the keyword, and (if parameter is not NULL) with that parameter (RFC
 * 5321, 4.1.1.1). */
bool load_reply_offers(const struct load_reply *reply, const char *keyword, const char *parameter);

#endif
