/* SPDX-License-Identifier: MIT */
/*
 * The end of a message and its dots (RFC 5321, section 4.5.2), in both directions.
 *
 * What servers disagree on here lets one message smuggle another one past them. So, for the decoder, a line
 * starts behind CRLF and nowhere else (section 2.3.8): only there a dot means something. What comes out has
 * no line end but CRLF, and the encoder stuffs each line of it that starts with a dot: the next server sees
 * the same single message, however it reads stray CR and LF.
 *
 * Mail is mostly lines that pass as they are: clean_run() finds how far they go, and they are copied in one
 * go. Only the byte at which a run stops is looked at by a state machine.
 */
#include "wire/wire.h"

enum {
    LINE_START, /* nothing of the line was read yet, and a dot would mean something */
    IN_LINE,    /* for the decoder also at the start of a line that a bare CR or LF made */
    AFTER_CR,   /* a CR came, and nothing was written for it yet */
    AFTER_DOT,  /* decoder: a dot at the start of a line, the end mark or stuffing, never part of the message
                 */
    AFTER_DOT_CR, /* decoder */
    ENDED,        /* decoder */
};

/* The bytes of one call, and where in the line p stands. */
struct scan {
    const char *p, *end;
    const char *lf; /* the first LF behind the last search, end when there is none; NULL before the first */
    unsigned state;
    size_t line_len, line_max;
};

/*
 * The first CR or LF at or behind s->p, or the end. The place of the LF is remembered, so that even in a text
 * of nothing but CRs each byte is looked at only twice.
 */
static const char *line_break(struct scan *s)
{
    if (s->lf == NULL || s->lf < s->p) {
        s->lf = memchr(s->p, '\n', (size_t)(s->end - s->p));
        if (s->lf == NULL)
            s->lf = s->end;
    }
    const char *cr = memchr(s->p, '\r', (size_t)(s->lf - s->p));
    return cr != NULL ? cr : s->lf;
}

/*
 * Moves s->p over all that passes as it is: lines with CRLF, and text. Stops at a dot at the start of a line,
 * at a bare CR or LF, at a CR whose next byte is not here yet, or at the end. Only in LINE_START and IN_LINE.
 */
static void clean_run(struct scan *s)
{
    while (s->p < s->end && !(s->state == LINE_START && *s->p == '.')) {
        const char *stop = line_break(s);
        if (stop > s->p)
            s->state = IN_LINE;
        s->line_len += (size_t)(stop - s->p);
        if (s->line_len > s->line_max)
            s->line_max = s->line_len;
        s->p = stop;
        if (s->end - stop < 2 || stop[0] != '\r' || stop[1] != '\n')
            return;
        s->p = stop + 2;
        s->state = LINE_START;
        s->line_len = 0;
    }
}

static bool in_text(const struct scan *s)
{
    return s->state == LINE_START || s->state == IN_LINE;
}

/* ---- what comes in ---- */

void dot_decoder_init(struct dot_decoder *d)
{
    *d = (struct dot_decoder){.state = LINE_START};
}

/* One step of the machine, at a byte where a run stopped. True: a line of the message ends here. */
static bool decode_byte(struct dot_decoder *d, struct scan *s)
{
    char c = *s->p;
    bool known = true; /* whether c is dealt with, or to be looked at again in the new state */
    bool line_end = false;
    switch (s->state) {
    case LINE_START:
    case IN_LINE:
        line_end = c == '\n';
        d->bare_lf |= line_end;
        s->state = c == '\r' ? AFTER_CR : c == '.' ? AFTER_DOT : IN_LINE;
        break;
    case AFTER_CR:
        known = c == '\n';
        line_end = true;
        d->bare_cr |= !known;
        s->state = known ? LINE_START : IN_LINE;
        break;
    case AFTER_DOT:
        known = c == '\r';
        s->state = known ? AFTER_DOT_CR : IN_LINE;
        break;
    case AFTER_DOT_CR:
        known = c == '\n';
        line_end = !known;
        d->bare_cr |= !known;
        s->state = known ? ENDED : IN_LINE;
        break;
    default: break;
    }
    s->p += known;
    return line_end;
}

size_t dot_decode(struct dot_decoder *d, const char *in, size_t n, char *out, size_t *out_n_r, bool *end_r)
{
    struct scan s = {.p = in,
                     .end = n > 0 ? in + n : in,
                     .state = d->state,
                     .line_len = d->line_len,
                     .line_max = d->line_max_seen};
    char *to = out;
    while (s.p < s.end && s.state != ENDED) {
        const char *from = s.p;
        if (in_text(&s)) {
            clean_run(&s);
            memcpy(to, from, (size_t)(s.p - from));
            to += s.p - from;
        }
        if (s.p < s.end && decode_byte(d, &s)) {
            *to++ = '\r';
            *to++ = '\n';
            s.line_len = 0;
        }
    }
    d->state = s.state;
    d->line_len = s.line_len;
    d->line_max_seen = s.line_max;
    *out_n_r = (size_t)(to - out);
    *end_r = s.state == ENDED;
    return (size_t)(s.p - in);
}

/* ---- what goes out ---- */

void dot_encoder_init(struct dot_encoder *e)
{
    *e = (struct dot_encoder){.state = LINE_START};
}

/* One step at a byte where a run stopped. Unlike the decoder's, each of our line ends starts a line. */
static bool encode_byte(struct scan *s, struct buf *out)
{
    char c = *s->p;
    if (s->state == AFTER_CR) {
        s->p += c == '\n';
        s->state = LINE_START;
        return buf_add(out, "\r\n", 2);
    }
    s->p++;
    if (c == '.') {
        s->state = IN_LINE;
        return buf_add(out, "..", 2);
    }
    s->state = c == '\r' ? AFTER_CR : LINE_START;
    return c == '\r' || buf_add(out, "\r\n", 2);
}

bool dot_encode(struct dot_encoder *e, const char *in, size_t n, struct buf *out)
{
    struct scan s = {.p = in, .end = n > 0 ? in + n : in, .state = e->state};
    bool ok = true;
    while (s.p < s.end && ok) {
        const char *from = s.p;
        if (in_text(&s))
            clean_run(&s);
        if (s.p > from)
            ok = buf_add(out, from, (size_t)(s.p - from));
        if (ok && s.p < s.end)
            ok = encode_byte(&s, out);
    }
    e->state = s.state;
    return ok;
}

bool dot_encode_end(struct dot_encoder *e, struct buf *out)
{
    bool line_open = e->state != LINE_START;
    dot_encoder_init(e);
    return (!line_open || buf_add(out, "\r\n", 2)) && buf_add(out, ".\r\n", 3);
}
