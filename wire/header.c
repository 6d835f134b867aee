/* SPDX-License-Identifier: MIT */
/*
 * The header of a message that comes in (RFC 5322, section 2.2; RFC 6409, section 8), looked at line by line
 * as it arrives; the body passes with nothing but its line lengths looked at.
 *
 * A line is looked at in the caller's bytes when it is there as a whole, and gathered in f->line when it is
 * not.
 */
#include "wire/wire.h"

#include <stdlib.h>

enum { SHOWN_MAX = 255 };

/* A field that is kept for the log, too. */
struct shown {
    char text[SHOWN_MAX + 1];
    size_t n;
    bool seen; /* only the first one of its kind is kept */
};

struct header_filter {
    struct header_rules rules;
    enum header_result result;
    bool in_header;
    bool dropping;  /* the field under way is dropped; its folded lines are, too */
    bool any_field; /* there is one that a folded line may belong to */
    bool has_date;
    struct shown *showing; /* where folded lines of the field under way are added, or NULL */
    struct shown message_id, subject;
    unsigned received;
    size_t header_len;
    size_t body_line_len; /* bytes of the body's line under way */
    struct buf line;      /* start of a header line whose end is not here yet */
};

struct header_filter *header_filter_make(const struct header_rules *rules)
{
    struct header_filter *f = xcalloc(1, sizeof *f);
    f->rules = *rules;
    f->in_header = true;
    buf_init(&f->line, rules->max_line);
    return f;
}

void header_filter_free(struct header_filter **f)
{
    if (*f == NULL)
        return;
    buf_free(&(*f)->line);
    free(*f);
    *f = NULL;
}

static void fail(struct header_filter *f, enum header_result result)
{
    if (f->result == HEADER_OK)
        f->result = result;
}

static void keep(struct header_filter *f, struct buf *out, const char *data, size_t n)
{
    if (f->result == HEADER_OK && !buf_add(out, data, n))
        fail(f, HEADER_FULL);
}

/* ---- fields that are shown ---- */

/* Adds a line without its end; leading blanks of the field are left out. */
static void show(struct shown *shown, struct span text)
{
    for (size_t i = 0; i < text.n && shown->n < SHOWN_MAX; i++) {
        if (shown->n == 0 && ascii_is_blank(text.p[i]))
            continue;
        shown->text[shown->n] = text.p[i];
        if (text.p[i] == '\0') /* is read as a C string */
            shown->text[shown->n] = ' ';
        shown->n++;
    }
}

static void shown_trim(struct shown *shown)
{
    while (shown->n > 0 && ascii_is_blank(shown->text[shown->n - 1]))
        shown->n--;
    shown->text[shown->n] = '\0';
}

/* Only what is in the brackets, brackets included, when there are any: comments may stand around them. */
static void shown_brackets(struct shown *shown)
{
    char *open = memchr(shown->text, '<', shown->n);
    if (open == NULL)
        return;
    char *close = memchr(open, '>', shown->n - (size_t)(open - shown->text));
    if (close == NULL)
        return;
    shown->n = (size_t)(close + 1 - open);
    memmove(shown->text, open, shown->n);
    shown->text[shown->n] = '\0';
}

static void field_ends(struct header_filter *f)
{
    if (f->showing == NULL)
        return;
    shown_trim(f->showing);
    if (f->showing == &f->message_id)
        shown_brackets(f->showing);
    f->showing = NULL;
}

/* ---- fields ---- */

static void meet_date(struct header_filter *f, struct span value)
{
    (void)value;
    f->has_date = true;
}

static void meet_received(struct header_filter *f, struct span value)
{
    (void)value;
    if (++f->received > f->rules.max_received) /* RFC 5321, section 6.3 */
        fail(f, HEADER_LOOP);
}

static void meet_shown(struct header_filter *f, struct shown *shown, struct span value)
{
    if (shown->seen)
        return;
    shown->seen = true;
    f->showing = shown;
    show(shown, value);
}

static void meet_message_id(struct header_filter *f, struct span value)
{
    meet_shown(f, &f->message_id, value);
}

static void meet_subject(struct header_filter *f, struct span value)
{
    meet_shown(f, &f->subject, value);
}

/* RFC 6409 allows a submission server to complete a message; who got a blind copy must not leave it (RFC
 * 5322, 3.6.3). */
static void meet_private(struct header_filter *f, struct span value)
{
    (void)value;
    f->dropping = f->rules.complete;
}

static const struct {
    const char *name;
    void (*meet)(struct header_filter *f, struct span value);
} FIELDS[] = {
    {"Date", meet_date},         {"Message-ID", meet_message_id}, {"Subject", meet_subject},
    {"Bcc", meet_private},       {"Resent-Bcc", meet_private},    {"Return-Path", meet_private},
    {"Received", meet_received},
};

/*
 * Takes the name off the start of a line (RFC 5322, section 2.2: printable but the colon); blanks before the
 * colon are the obsolete syntax (section 4.5). False when the line is no field.
 */
static bool take_name(struct span *line, struct span *name_r)
{
    size_t n = 0;
    while (n < line->n && line->p[n] > ' ' && line->p[n] <= '~' && line->p[n] != ':')
        n++;
    *name_r = span_from(line->p, n);
    struct span s = span_skip(*line, n);
    while (s.n > 0 && ascii_is_blank(s.p[0]))
        s = span_skip(s, 1);
    if (n == 0 || s.n == 0 || s.p[0] != ':')
        return false;
    *line = span_skip(s, 1);
    return true;
}

static void field_starts(struct header_filter *f, struct span name, struct span value)
{
    f->any_field = true;
    f->dropping = false;
    for (size_t i = 0; i < COUNT_OF(FIELDS); i++) {
        if (span_equal_nocase(name, FIELDS[i].name)) {
            FIELDS[i].meet(f, value);
            return;
        }
    }
}

/* ---- body ---- */

/*
 * Only a stretch of more than max_line bytes without LF matters, so the last LF of each stretch is looked for
 * from its end: nearly nothing is read. Whatever one search had to read in vain the next stretch starts
 * behind, so no byte is read more than twice.
 */
static void body_bytes(struct header_filter *f, struct span rest, struct buf *out)
{
    const char *data = rest.p;
    size_t n = rest.n;
    while (rest.n > 0) {
        size_t room = f->rules.max_line - f->body_line_len;
        size_t stretch = rest.n < room ? rest.n : room;
        const char *lf = stretch > 0 ? memrchr(rest.p, '\n', stretch) : NULL;
        if (lf == NULL && stretch < rest.n) {
            fail(f, HEADER_LINE_TOO_LONG);
            return;
        }
        if (lf == NULL) {
            f->body_line_len += stretch;
            break;
        }
        f->body_line_len = 0;
        rest = span_skip(rest, (size_t)(lf + 1 - rest.p));
    }
    keep(f, out, data, n);
}

/* ---- header ---- */

static void add_missing(struct header_filter *f, struct buf *out)
{
    if (!f->rules.complete)
        return;
    if (!f->has_date) {
        char date[DATE_TEXT_MAX];
        date_rfc5322(f->rules.now, date);
        if (!buf_printf(out, "Date: %s\r\n", date))
            fail(f, HEADER_FULL);
    }
    if (!f->message_id.seen) {
        if (!buf_printf(out, "Message-ID: <%s@%s>\r\n", f->rules.id, f->rules.hostname))
            fail(f, HEADER_FULL);
        snprintf(f->message_id.text, sizeof f->message_id.text, "<%s@%s>", f->rules.id, f->rules.hostname);
    }
}

static void header_ends(struct header_filter *f, struct buf *out)
{
    field_ends(f);
    f->in_header = false;
    add_missing(f, out);
}

/* One whole line of the header, with its line end. */
static void header_line(struct header_filter *f, struct span line, struct buf *out)
{
    struct span text = line, name;
    while (text.n > 0 && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
        text.n--;
    bool folded = f->any_field && text.n > 0 && ascii_is_blank(text.p[0]);
    if (folded && f->showing != NULL)
        show(f->showing, text);
    if (!folded) {
        struct span value = text;
        field_ends(f);
        if (!take_name(&value, &name)) {
            header_ends(f, out);
            keep(f, out, "\r\n", 2);
            if (text.n > 0)
                body_bytes(f, line, out);
            return;
        }
        field_starts(f, name, value);
    }
    f->header_len += line.n;
    if (f->header_len > f->rules.max_header)
        fail(f, HEADER_TOO_LARGE);
    if (!f->dropping)
        keep(f, out, line.p, line.n);
}

/* Takes the bytes up to the next LF off *rest. */
static void header_bytes(struct header_filter *f, struct span *rest, struct buf *out)
{
    const char *lf = memchr(rest->p, '\n', rest->n);
    struct span piece = span_from(rest->p, lf != NULL ? (size_t)(lf + 1 - rest->p) : rest->n);
    *rest = span_skip(*rest, piece.n);
    bool whole = lf != NULL && f->line.len == 0;
    if (whole ? piece.n > f->rules.max_line : !buf_add(&f->line, piece.p, piece.n)) {
        fail(f, HEADER_LINE_TOO_LONG);
        return;
    }
    if (lf == NULL)
        return;
    header_line(f, whole ? piece : span_from(f->line.data, f->line.len), out);
    buf_clear(&f->line);
}

enum header_result header_filter_add(struct header_filter *f, const char *data, size_t n, struct buf *out)
{
    struct span rest = span_from(data, n);
    while (f->in_header && rest.n > 0 && f->result == HEADER_OK)
        header_bytes(f, &rest, out);
    if (rest.n > 0 && f->result == HEADER_OK)
        body_bytes(f, rest, out);
    return f->result;
}

enum header_result header_filter_end(struct header_filter *f, struct buf *out)
{
    if (f->in_header && f->line.len > 0 && f->result == HEADER_OK)
        header_filter_add(f, "\r\n", 2, out);
    if (f->in_header && f->result == HEADER_OK)
        header_ends(f, out);
    return f->result;
}

const char *header_filter_message_id(const struct header_filter *f)
{
    return f->message_id.text;
}

const char *header_filter_subject(const struct header_filter *f)
{
    return f->subject.text;
}
