/* SPDX-License-Identifier: MIT */
/* See load_reply.h. */
#include "load_reply.h"

#include <string.h>
#include <strings.h>

/* The code of one line of n bytes, the CRLF not among them; 0 if it is none. */
static int line_code(const char *p, size_t n, bool *last_r)
{
    if (n < 3 || p[0] < '2' || p[0] > '5' || p[1] < '0' || p[1] > '5' || p[2] < '0' || p[2] > '9') {
        return 0;
    }
    if (n > 3 && p[3] != ' ' && p[3] != '-') {
        return 0;
    }
    *last_r = n == 3 || p[3] == ' ';
    return (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
}

enum load_parse load_reply_parse(const char *p, size_t n, struct load_reply *reply_r)
{
    int code = 0;
    bool last = false;
    size_t at = 0;
    while (!last) {
        const char *end = memchr(p + at, '\n', n - at);
        if (!end) {
            return LOAD_PARSE_MORE;
        }
        size_t length = (size_t)(end - (p + at));
        if (length == 0 || end[-1] != '\r') {
            return LOAD_PARSE_BAD;
        }
        int line = line_code(p + at, length - 1, &last);
        if (line == 0 || (code && line != code)) {
            return LOAD_PARSE_BAD; /* all lines have the same code (RFC 5321, 4.2.1) */
        }
        code = line;
        at += length + 1;
    }
    *reply_r = (struct load_reply){.code = code, .bytes = at, .text = p};
    return LOAD_PARSE_OK;
}

/* Whether the words of a line, which has n bytes, begin with keyword and (if asked for) have the parameter.
 */
static bool line_offers(const char *line, size_t n, const char *keyword, const char *parameter)
{
    bool first = true, named = false;
    while (n > 0) {
        const char *space = memchr(line, ' ', n);
        size_t length = space ? (size_t)(space - line) : n;
        const char *wanted = first ? keyword : parameter;
        bool same = strlen(wanted) == length && strncasecmp(line, wanted, length) == 0;
        if (first && (!same || !parameter)) {
            return same;
        }
        named = named || (!first && same);
        first = false;
        size_t taken = space ? length + 1 : length;
        line += taken;
        n -= taken;
    }
    return named;
}

bool load_reply_offers(const struct load_reply *reply, const char *keyword, const char *parameter)
{
    const char *line = reply->text, *past = reply->text + reply->bytes;
    while (line < past) { /* the parser saw to it that every line is a code, maybe text, and CRLF */
        const char *end = memchr(line, '\n', (size_t)(past - line));
        size_t n = (size_t)(end - line) - 1;
        if (n > 4 && line_offers(line + 4, n - 4, keyword, parameter)) {
            return true;
        }
        line = end + 1;
    }
    return false;
}
