/* SPDX-License-Identifier: MIT */
/*
 * What the bytes behind DATA mean, written down in the plainest way (whole text in memory, rule by rule), for
 * the tests to compare wire/dot.c with.
 */
#ifndef GP_TESTS_DOT_REFERENCE_H
#define GP_TESTS_DOT_REFERENCE_H

#include "base/base.h"

struct dot_reference {
    struct buf message;
    size_t used; /* bytes up to and with the end mark */
    bool bare_cr, bare_lf;
};

static inline bool dot_reference_at(const char *in, size_t n, size_t i, const char *text)
{
    return strlen(text) <= n - i && memcmp(in + i, text, strlen(text)) == 0;
}

/* Whether position i is the start or stands behind CRLF: the only places where a dot means something. */
static inline bool dot_reference_line_start(const char *in, size_t i)
{
    return i == 0 || (i >= 2 && in[i - 2] == '\r' && in[i - 1] == '\n');
}

/* False when there is no end mark. */
static inline bool dot_reference_decode(const char *in, size_t n, struct dot_reference *r)
{
    size_t end = 0;
    while (end < n && !(dot_reference_line_start(in, end) && dot_reference_at(in, n, end, ".\r\n")))
        end++;
    if (end == n)
        return false;
    r->used = end + 3;
    for (size_t i = 0; i < end; i++) {
        bool crlf = dot_reference_at(in, end, i, "\r\n");
        if (in[i] == '.' && dot_reference_line_start(in, i))
            continue;
        if (crlf || in[i] == '\r' || in[i] == '\n')
            buf_add_str(&r->message, "\r\n");
        else
            buf_add_char(&r->message, in[i]);
        r->bare_cr |= in[i] == '\r' && !crlf;
        r->bare_lf |= in[i] == '\n';
        i += crlf;
    }
    return true;
}

/*
 * Whether the bytes sent on hold one message for any server: they end with the end mark, no CR or LF stands
 * alone, and no dot stands alone on a line before.
 */
static inline bool dot_reference_is_safe(const char *wire, size_t n)
{
    if (n < 3 || !dot_reference_at(wire, n, n - 3, ".\r\n") || !dot_reference_line_start(wire, n - 3))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (wire[i] == '\r' && (i + 1 == n || wire[i + 1] != '\n'))
            return false;
        if (wire[i] == '\n' && (i == 0 || wire[i - 1] != '\r'))
            return false;
        if (i < n - 3 && wire[i] == '.' && dot_reference_line_start(wire, i) && wire[i + 1] != '.')
            return false;
    }
    return true;
}

#endif
