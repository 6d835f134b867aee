/* SPDX-License-Identifier: MIT */
/*
 * Bounces: a part in plain words, one for programs, and the header of the original. What other servers and
 * senders wrote is escaped, so that it can neither end a line nor a part; lines are kept far below the 998
 * bytes of RFC 5322, section 2.1.1.
 */
#include "courier/report.h"

#include "wire/wire.h"

enum { ANSWER_SHOWN = 2000, LINE_SHOWN = 76 };

static void add_line(struct buf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add_line(struct buf *out, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    buf_vprintf(out, format, ap);
    va_end(ap);
    buf_add(out, "\r\n", 2);
}

/* ASCII only: these places can hold nothing else (RFC 3464, section 2.1.1). */
static void add_ascii(struct buf *out, struct span text)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        buf_add(out, c >= ' ' && c <= '~' ? &c : "?", 1);
    }
}

/* Text in lines that begin with indent, broken at spaces where that is possible; a line break in text is one
 * here, too. */
static void add_wrapped(struct buf *out, const char *indent, struct span text)
{
    while (text.n > 0) {
        const char *lf = memchr(text.p, '\n', text.n);
        size_t room = LINE_SHOWN - strlen(indent);
        size_t line = lf != NULL ? (size_t)(lf - text.p) : text.n;
        size_t n = line;
        if (n > room) {
            n = room;
            while (n > 0 && text.p[n] != ' ')
                n--;
            if (n == 0)
                n = room; /* one long word */
        }
        if (n > 0) { /* a line of blanks alone ends a field for some programs */
            buf_add_str(out, indent);
            add_ascii(out, span_from(text.p, n));
            buf_add(out, "\r\n", 2);
        }
        bool at_break = n < text.n && (text.p[n] == ' ' || text.p[n] == '\n');
        text = span_skip(text, n + (at_break ? 1 : 0));
    }
}

static struct span cut(const char *text)
{
    struct span s = span_of(text);
    s.n = s.n > ANSWER_SHOWN ? ANSWER_SHOWN : s.n;
    return s;
}

/* ---- the message's own header ---- */

static void add_header(struct buf *out, const struct report *r, const char *boundary)
{
    char date[DATE_TEXT_MAX];
    date_rfc5322(r->now, date);
    add_line(out, "Date: %s", date);
    add_line(out, "From: Mail Delivery System <mailer-daemon@%s>", r->hostname);
    add_line(out, "To: <%s>", r->sender);
    add_line(out, "Subject: Your message could not be delivered");
    add_line(out, "Message-ID: <%s.report@%s>", boundary, r->hostname);
    add_line(out, "Auto-Submitted: auto-replied"); /* RFC 3834, section 5.1: keeps vacation programs quiet */
    add_line(out, "MIME-Version: 1.0");
    add_line(out, "Content-Type: multipart/report; report-type=delivery-status;"); /* RFC 6522, section 3 */
    add_line(out, " boundary=\"%s\"", boundary);
    add_line(out, "%s", "");
}

static void add_part(struct buf *out, const char *boundary, const char *type, bool eight_bit)
{
    add_line(out, "--%s", boundary);
    add_line(out, "Content-Type: %s", type);
    if (eight_bit)
        add_line(out, "Content-Transfer-Encoding: 8bit");
    add_line(out, "%s", "");
}

/* ---- in plain words ---- */

static void add_for_people(struct buf *out, const struct report *r)
{
    char date[DATE_TEXT_MAX];
    date_rfc5322(r->queued_at, date);
    add_line(out, "This is the mail server %s.", r->hostname);
    add_line(out, "%s", "");
    add_line(out, "A message that you sent could not be delivered to %s below.",
             r->failure_count == 1 ? "the address" : "the addresses");
    add_line(out, "It will not be tried again.");
    for (size_t i = 0; i < r->failure_count; i++) {
        const struct report_failure *f = &r->failures[i];
        const struct cause *cause = cause_get(f->outcome->cause);
        add_line(out, "%s", "");
        add_line(out, "<%s>", f->recipient);
        if (f->outcome->cause != CAUSE_NONE)
            add_line(out, "  %s.", cause->title);
        add_wrapped(out, "    ", cut(f->text != NULL ? f->text : ""));
        if (cause->user_fix[0] != '\0') {
            add_line(out, "  What you can do:");
            add_wrapped(out, "    ", span_of(cause->user_fix));
        }
    }
    add_line(out, "%s", "");
    add_line(out, "The message was handed in on %s", date);
    add_line(out, "and has the number %s in the server's log.", r->id);
    add_line(out, "%s", "");
}

/* ---- for programs: RFC 3464, sections 2.2 and 2.3 ---- */

/* A field's value in one line: the breaks of a reply become spaces. Folded, so that no line is too long. */
static void add_diagnostic(struct buf *out, const char *reply)
{
    struct span rest = cut(reply);
    buf_add_str(out, "Diagnostic-Code: smtp;\r\n");
    add_wrapped(out, " ", rest);
}

static void add_for_programs(struct buf *out, const struct report *r)
{
    char date[DATE_TEXT_MAX];
    add_line(out, "Reporting-MTA: dns; %s", r->hostname);
    date_rfc5322(r->queued_at, date);
    add_line(out, "Arrival-Date: %s", date);
    for (size_t i = 0; i < r->failure_count; i++) {
        const struct report_failure *f = &r->failures[i];
        add_line(out, "%s", "");
        add_line(out, "Final-Recipient: rfc822; %s", f->recipient);
        add_line(out, "Action: failed");
        add_line(out, "Status: %s", outcome_status(f->outcome));
        if (f->remote[0] != '\0')
            add_line(out, "Remote-MTA: dns; %s", f->remote);
        if (f->outcome->reply != NULL)
            add_diagnostic(out, f->outcome->reply);
        date_rfc5322(r->now, date);
        add_line(out, "Last-Attempt-Date: %s", date);
    }
    add_line(out, "%s", "");
}

/* ---- the original's header ---- */

static struct span whole_lines(struct span header)
{
    if (header.n > REPORT_HEADER_MAX)
        header.n = REPORT_HEADER_MAX;
    while (header.n > 0 && header.p[header.n - 1] != '\n')
        header.n--;
    return header;
}

static bool has_eight_bit(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] > 127)
            return true;
    return false;
}

bool report_write(const struct report *report, struct buf *out)
{
    uint64_t random[2];
    char boundary[40];
    random_bytes(random, sizeof random); /* so that no header of an original can hold it */
    snprintf(boundary, sizeof boundary, "%016llx%016llx", (unsigned long long)random[0],
             (unsigned long long)random[1]);
    struct span header = whole_lines(report->header);
    add_header(out, report, boundary);
    add_part(out, boundary, "text/plain; charset=us-ascii", false);
    add_for_people(out, report);
    add_part(out, boundary, "message/delivery-status", false);
    add_for_programs(out, report);
    if (header.n > 0) {
        add_part(out, boundary, "text/rfc822-headers", has_eight_bit(header)); /* RFC 6522, section 4 */
        buf_add(out, header.p, header.n);
        add_line(out, "%s", "");
    }
    add_line(out, "--%s--", boundary);
    return !out->overflow;
}
