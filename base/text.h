/* SPDX-License-Identifier: MIT */
/*
 * Text from outside: spans of bytes, comparison without regard to case (ASCII only, never the locale's),
 * numbers with range, durations and sizes, and the escaping of what strangers wrote.
 */
#ifndef GP_TEXT_H
#define GP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf;

/* Bytes that belong to someone else; not NUL-terminated. */
struct span {
    const char *p;
    size_t n;
};

static inline struct span span_of(const char *s)
{
    return (struct span){s, strlen(s)};
}
static inline struct span span_from(const void *p, size_t n)
{
    return (struct span){p, n};
}
bool span_equal(struct span a, const char *b);
bool span_equal_nocase(struct span a, const char *b);
bool span_starts_nocase(struct span a, const char *prefix);
struct span span_skip(struct span a, size_t n); /* without the first n bytes (all, if it has fewer) */
struct span span_trim(struct span a);           /* without spaces and tabs at both ends */
/* Takes the word before the first byte of stop off *rest (and that byte); the whole rest if there is none. */
struct span span_take(struct span *rest, char stop);
bool span_contains(struct span a, char c);
char *span_dup(struct span a); /* NUL-terminated copy, xmalloc'ed */

char ascii_lower(char c);
bool ascii_is_alpha(char c);
bool ascii_is_digit(char c);
bool ascii_is_alnum(char c);
bool ascii_is_blank(char c); /* space or tab */
void ascii_lower_str(char *s);
bool text_equal_nocase(const char *a, const char *b);

/* Decimal digits only, whole span, within [min, max]. False and *out_r untouched otherwise. */
bool parse_uint(struct span text, uint64_t min, uint64_t max, uint64_t *out_r);
/* "90s", "10m", "1h", "5d", "90" (seconds). Result in seconds. False when malformed or past 100 years. */
bool parse_duration(struct span text, uint64_t *seconds_r);
/* "512", "64K", "50M", "2G" (powers of 1024). False when malformed or past 2^53. */
bool parse_size(struct span text, uint64_t *bytes_r);
/* The shortest text that parses back to the value. out holds at least NUMBER_TEXT_MAX bytes. */
#define NUMBER_TEXT_MAX 32
void format_duration(uint64_t seconds, char out[NUMBER_TEXT_MAX]);
void format_size(uint64_t bytes, char out[NUMBER_TEXT_MAX]);

/*
 * Appends text with every byte that is not printable ASCII (and `"` and `\`) written as in Exim's log: as \n,
 * \r, \t, \\, \", or three octal digits; valid UTF-8 passes. At most max_bytes of it are shown, then "...".
 */
void text_escape(struct buf *out, struct span text, size_t max_bytes);

/*
 * How many single edits (insert, delete, replace, swap of neighbours) turn a into b; gives up above limit and
 * returns limit + 1.
 */
unsigned text_distance(const char *a, const char *b, unsigned limit);

#endif
