/* SPDX-License-Identifier: MIT */
/* Log lines; of this room only. */
#ifndef GP_JOURNAL_LINE_H
#define GP_JOURNAL_LINE_H

#include "journal/journal.h"

/* The time stamp of the last line: most lines share it, and local time is dear. Zeroed at first. */
struct line_clock {
    int64_t second;
    size_t n;
    char text[32]; /* "YYYY-MM-DD HH:MM:SS " */
};

/* No line is longer than this, whatever the texts of the event are. */
#define LINE_MAX_BYTES ((size_t)256 * 1024)

/* event_line with a clock that the caller keeps. */
void line_add(const struct event *event, struct line_clock *clock, struct buf *out);

/* The lines of connections (line_session.c), without time stamp and cause. */
void line_connect_refused(const struct event *e, struct buf *out);
void line_tls_failed(const struct event *e, struct buf *out);
void line_wrong_port(const struct event *e, struct buf *out);
void line_login(const struct event *e, struct buf *out);
void line_login_failed(const struct event *e, struct buf *out);
void line_refused(const struct event *e, struct buf *out);
void line_closed(const struct event *e, struct buf *out);

#endif
