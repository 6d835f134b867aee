/* SPDX-License-Identifier: MIT */
/* What stands behind a path (RFC 5321, section 4.1.2), xtext, and the name that a client gives itself. */
#include "wire/wire.h"

enum { HELO_MAX = 255 }; /* RFC 5321, section 4.5.3.1.2 */

/* esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-") */
static bool keyword_valid(struct span key)
{
    if (key.n == 0 || key.p[0] == '-')
        return false;
    for (size_t i = 0; i < key.n; i++)
        if (!ascii_is_alnum(key.p[i]) && key.p[i] != '-')
            return false;
    return true;
}

static bool printable(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= ' ' || text.p[i] > '~') /* where char is signed, 8-bit bytes are below the blank */
            return false;
    return true;
}

bool param_next(struct span *rest, struct span *key_r, struct span *value_r, const char **why_r)
{
    struct span s = *rest;
    *why_r = NULL;
    while (s.n > 0 && ascii_is_blank(s.p[0]))
        s = span_skip(s, 1);
    if (s.n == 0)
        return false;
    size_t n = 0;
    while (n < s.n && !ascii_is_blank(s.p[n]))
        n++;
    struct span value = span_from(s.p, n);
    bool has_value = span_contains(value, '=');
    struct span key = span_take(&value, '=');
    if (!keyword_valid(key))
        *why_r = "malformed parameter name";
    else if (has_value && (value.n == 0 || span_contains(value, '=') || !printable(value)))
        *why_r = "malformed parameter value"; /* esmtp-value = 1*(%d33-60 / %d62-126) */
    if (*why_r != NULL)
        return false;
    *key_r = key;
    *value_r = value;
    *rest = span_skip(s, n);
    return true;
}

/* Hexadecimal digits of xtext are upper-case only. 16 when it is none. */
static unsigned hex_value(char c)
{
    if (ascii_is_digit(c))
        return (unsigned)(c - '0');
    return c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10 : 16;
}

bool xtext_decode(struct span text, struct buf *out)
{
    size_t n = 0;
    char *to = buf_reserve(out, text.n);
    if (to == NULL)
        return false;
    bool ok = printable(text) && !span_contains(text, '=');
    while (ok && text.n > 0) {
        char c = text.p[0];
        size_t used = 1;
        if (c == '+') {
            unsigned high = text.n >= 3 ? hex_value(text.p[1]) : 16;
            unsigned low = text.n >= 3 ? hex_value(text.p[2]) : 16;
            ok = high < 16 && low < 16;
            c = (char)(unsigned char)(high << 4 | low);
            used = 3;
        }
        to[n++] = c;
        text = span_skip(text, used);
    }
    buf_commit(out, ok ? n : 0);
    return ok;
}

bool helo_valid(struct span text)
{
    return text.n >= 1 && text.n <= HELO_MAX && printable(text);
}
