/* SPDX-License-Identifier: MIT */
/* Replies (RFC 5321, section 4.2): ours, made of a text, and a peer's, read line by line. */
#include "wire/wire.h"

#include <assert.h>

enum {
    LINE_MAX_LEN = 512, /* RFC 5321, section 4.5.3.1.5: with code and CRLF */
    LINES_MAX = 200,
};

/* ---- ours ---- */

/* textstring = 1*(%d09 / %d32-126): our extensions do not allow more (SMTPUTF8 would). */
static bool add_text(struct buf *out, struct span text)
{
    char *to = buf_reserve(out, text.n);
    if (to == NULL)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        bool allowed = text.p[i] == '\t' || (text.p[i] >= ' ' && text.p[i] <= '~');
        to[i] = '?';
        if (allowed)
            to[i] = text.p[i];
    }
    buf_commit(out, text.n);
    return true;
}

/* Takes what fits in a reply line off *rest: up to a line end or, where that is too far, up to the last
 * blank. */
static struct span take_line(struct span *rest, size_t room)
{
    struct span after = *rest;
    struct span line = span_take(&after, '\n');
    if (line.n > room) {
        line.n = room;
        while (line.n > room / 2 && rest->p[line.n] != ' ')
            line.n--;
        if (rest->p[line.n] != ' ')
            line.n = room; /* one long word */
        after = span_skip(*rest, line.n + (rest->p[line.n] == ' '));
    }
    *rest = after;
    return line;
}

bool reply_format(struct buf *out, int code, const char *enhanced, const char *text)
{
    assert(code >= 200 && code <= 599);
    size_t start = out->len;
    size_t head = strlen("550 ") + (enhanced[0] != '\0' ? strlen(enhanced) + 1 : 0);
    assert(head < 64);
    struct span rest = span_of(text);
    bool ok = true;
    do {
        struct span line = take_line(&rest, LINE_MAX_LEN - 2 - head);
        ok = buf_printf(out, "%d%c%s%s", code, rest.n > 0 ? '-' : ' ', enhanced,
                        enhanced[0] != '\0' ? " " : "") &&
             add_text(out, line) && buf_add(out, "\r\n", 2);
    } while (ok && rest.n > 0);
    if (!ok && out->data != NULL) {
        out->len = start;
        out->data[start] = '\0';
    }
    return ok;
}

/* ---- a peer's ---- */

void reply_clear(struct reply *r)
{
    buf_clear(&r->text);
    *r = (struct reply){.text = r->text};
}

/* Takes 1 to 3 digits off the start of s. */
static bool take_number(struct span *s)
{
    size_t n = 0;
    while (n < s->n && n < 3 && ascii_is_digit(s->p[n]))
        n++;
    *s = span_skip(*s, n);
    return n > 0;
}

static bool take_dot(struct span *s)
{
    bool dot = s->n > 0 && s->p[0] == '.';
    *s = span_skip(*s, dot);
    return dot;
}

/*
 * The enhanced code (RFC 3463, section 2) at the start of a text, if there is one and it agrees with the code
 * (RFC 2034, section 4: its class is the code's first digit).
 */
static void read_enhanced(struct reply *r, struct span text)
{
    struct span s = span_skip(text, 1);
    if (text.n == 0 || text.p[0] != (char)('0' + r->code / 100) || text.p[0] == '3')
        return;
    if (!take_dot(&s) || !take_number(&s) || !take_dot(&s) || !take_number(&s) || (s.n > 0 && s.p[0] != ' '))
        return;
    memcpy(r->enhanced, text.p, text.n - s.n); /* 9 characters at most */
    r->enhanced[text.n - s.n] = '\0';
}

/* Reply-code = %x32-35 %x30-35 %x30-39; the second digit is left to the peer. 0 when there is none. */
static int read_code(struct span line)
{
    if (line.n < 3 || line.p[0] < '2' || line.p[0] > '5' || !ascii_is_digit(line.p[1]) ||
        !ascii_is_digit(line.p[2]))
        return 0;
    return (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + (line.p[2] - '0');
}

bool reply_add_line(struct reply *r, struct span line)
{
    int code = read_code(line);
    if (code == 0 || r->complete || r->lines == LINES_MAX || (r->lines > 0 && code != r->code))
        return false;
    bool more = line.n > 3 && line.p[3] == '-';
    if (line.n > 3 && line.p[3] != ' ' && !more) /* the code alone is a last line, too */
        return false;
    if ((r->lines > 0 && !buf_add_char(&r->text, '\n')) || !buf_add(&r->text, line.p, line.n))
        return false;
    r->code = code;
    r->lines++;
    r->complete = !more;
    if (r->lines == 1)
        read_enhanced(r, span_skip(line, 4));
    return true;
}
