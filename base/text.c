/* SPDX-License-Identifier: MIT */
/* Text from outside: spans, numbers, durations, sizes, escaping, likeness. */
#include "base/text.h"

#include <stdlib.h>

#include "base/base.h"

char ascii_lower(char c)
{
    if (c < 'A' || c > 'Z')
        return c;
    return (char)(c + ('a' - 'A'));
}

bool ascii_is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool ascii_is_alnum(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c);
}

bool ascii_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

void ascii_lower_str(char *s)
{
    for (; *s != '\0'; s++)
        *s = ascii_lower(*s);
}

bool span_starts_nocase(struct span a, const char *prefix)
{
    for (size_t i = 0; prefix[i] != '\0'; i++)
        if (i >= a.n || ascii_lower(a.p[i]) != ascii_lower(prefix[i]))
            return false;
    return true;
}

bool span_equal_nocase(struct span a, const char *b)
{
    return strlen(b) == a.n && span_starts_nocase(a, b);
}

bool span_equal(struct span a, const char *b)
{
    return strlen(b) == a.n && (a.n == 0 || memcmp(a.p, b, a.n) == 0);
}

bool text_equal_nocase(const char *a, const char *b)
{
    return span_equal_nocase(span_of(a), b);
}

struct span span_skip(struct span a, size_t n)
{
    if (n > a.n)
        n = a.n;
    return n == 0 ? a : (struct span){a.p + n, a.n - n}; /* an empty span may have no address to add to */
}

struct span span_trim(struct span a)
{
    while (a.n > 0 && ascii_is_blank(a.p[0]))
        a = span_skip(a, 1);
    while (a.n > 0 && ascii_is_blank(a.p[a.n - 1]))
        a.n--;
    return a;
}

struct span span_take(struct span *rest, char stop)
{
    const char *at = rest->n > 0 ? memchr(rest->p, stop, rest->n) : NULL;
    struct span word = *rest;
    if (at == NULL) {
        *rest = span_skip(*rest, rest->n);
        return word;
    }
    word.n = (size_t)(at - rest->p);
    *rest = span_skip(*rest, word.n + 1);
    return word;
}

bool span_contains(struct span a, char c)
{
    return a.n > 0 && memchr(a.p, c, a.n) != NULL;
}

char *span_dup(struct span a)
{
    char *s = xmalloc(a.n + 1);
    if (a.n > 0)
        memcpy(s, a.p, a.n);
    s[a.n] = '\0';
    return s;
}

bool parse_uint(struct span text, uint64_t min, uint64_t max, uint64_t *out_r)
{
    uint64_t value = 0;
    if (text.n == 0)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (!ascii_is_digit(text.p[i]) || __builtin_mul_overflow(value, 10U, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.p[i] - '0'), &value))
            return false;
    }
    if (value < min || value > max)
        return false;
    *out_r = value;
    return true;
}

struct unit {
    char letter;
    uint64_t factor;
};

/* Largest first: the formatter takes the first unit that divides the value. */
static const struct unit TIME_UNITS[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
static const struct unit SIZE_UNITS[] = {{'G', 1U << 30}, {'M', 1U << 20}, {'K', 1U << 10}};

static bool parse_unit(struct span text, const struct unit *units, size_t n, uint64_t max, uint64_t *out_r)
{
    uint64_t factor = 1;
    if (text.n > 0 && !ascii_is_digit(text.p[text.n - 1])) {
        char letter = ascii_lower(text.p[text.n - 1]);
        size_t i = 0;
        while (i < n && ascii_lower(units[i].letter) != letter)
            i++;
        if (i == n)
            return false;
        factor = units[i].factor;
        text.n--;
    }
    uint64_t value = 0;
    if (!parse_uint(text, 0, max / factor, &value))
        return false;
    *out_r = value * factor;
    return true;
}

bool parse_duration(struct span text, uint64_t *seconds_r)
{
    return parse_unit(text, TIME_UNITS, COUNT_OF(TIME_UNITS), 100ULL * 366 * 86400, seconds_r);
}

bool parse_size(struct span text, uint64_t *bytes_r)
{
    return parse_unit(text, SIZE_UNITS, COUNT_OF(SIZE_UNITS), 1ULL << 53, bytes_r);
}

static void format_unit(uint64_t value, const struct unit *units, size_t n, char out[NUMBER_TEXT_MAX])
{
    for (size_t i = 0; i < n; i++) {
        if (value != 0 && value % units[i].factor == 0) {
            snprintf(out, NUMBER_TEXT_MAX, "%llu%c", (unsigned long long)(value / units[i].factor),
                     units[i].letter);
            return;
        }
    }
    snprintf(out, NUMBER_TEXT_MAX, "%llu", (unsigned long long)value);
}

void format_duration(uint64_t seconds, char out[NUMBER_TEXT_MAX])
{
    format_unit(seconds, TIME_UNITS, COUNT_OF(TIME_UNITS), out);
}

void format_size(uint64_t bytes, char out[NUMBER_TEXT_MAX])
{
    format_unit(bytes, SIZE_UNITS, COUNT_OF(SIZE_UNITS), out);
}

/* How many bytes at p are one valid multi-byte UTF-8 character (RFC 3629); 0 when they are none. */
static size_t utf8_length(const char *text, size_t n)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t len = 0;
    if (p[0] >= 0xC2 && p[0] <= 0xDF)
        len = 2;
    else if ((p[0] & 0xF0) == 0xE0)
        len = 3;
    else if (p[0] >= 0xF0 && p[0] <= 0xF4)
        len = 4;
    if (len == 0 || len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    bool overlong = (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xF0 && p[1] < 0x90);
    bool outside = (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF4 && p[1] > 0x8F);
    bool control = p[0] == 0xC2 && p[1] < 0xA0; /* C1 controls move a terminal's cursor */
    return overlong || outside || control ? 0 : len;
}

static void escape_byte(struct buf *out, char c)
{
    static const char named[] = "\n\r\t\\\"";
    static const char letters[] = "nrt\\\"";
    const char *at = c != '\0' ? strchr(named, c) : NULL;
    if (at != NULL)
        buf_printf(out, "\\%c", letters[at - named]);
    else if (c >= ' ' && c <= '~')
        buf_add_char(out, c);
    else
        buf_printf(out, "\\%03o", (unsigned)(unsigned char)c);
}

void text_escape(struct buf *out, struct span text, size_t max_bytes)
{
    size_t shown = text.n < max_bytes ? text.n : max_bytes;
    for (size_t i = 0; i < shown;) {
        size_t len = utf8_length(text.p + i, shown - i);
        if (len > 0) {
            buf_add(out, text.p + i, len);
            i += len;
        } else {
            escape_byte(out, text.p[i]);
            i++;
        }
    }
    if (shown < text.n)
        buf_add_str(out, "...");
}

static unsigned min2(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Optimal string alignment over three rows. */
unsigned text_distance(const char *a, const char *b, unsigned limit)
{
    enum { MAX = 255 };
    size_t la = strlen(a), lb = strlen(b);
    size_t gap = la > lb ? la - lb : lb - la;
    if (la > MAX || lb > MAX || gap > limit)
        return limit + 1;
    unsigned rows[3][MAX + 1];
    for (size_t j = 0; j <= lb; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= la; i++) {
        unsigned *now = rows[i % 3], *one = rows[(i + 2) % 3], *two = rows[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= lb; j++) {
            unsigned same = one[j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U);
            now[j] = min2(same, min2(one[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = min2(now[j], two[j - 2] + 1);
        }
    }
    unsigned distance = rows[la % 3][lb];
    return distance > limit ? limit + 1 : distance;
}
