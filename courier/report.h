/* SPDX-License-Identifier: MIT */
/* The bounce: tells a sender that, and why, a message could not be delivered (RFC 3464, RFC 6522). Pure. */
#ifndef GP_COURIER_REPORT_H
#define GP_COURIER_REPORT_H

#include "courier/outcome.h"

struct report_failure {
    const char *recipient;
    const char *remote; /* the other server's name, or "" when none was asked */
    const char *text;   /* what happened, in full; NULL: no more than the outcome's cause */
    const struct outcome *outcome;
};

struct report {
    const char *hostname; /* this server's */
    const char *id;       /* queue id of the message that failed */
    const char *sender;   /* its sender: gets the report; never the null sender (RFC 5321, section 4.5.5) */
    int64_t queued_at, now;
    struct span
        header; /* the header of the message, CRLF lines; cut to REPORT_HEADER_MAX at the end of a line */
    const struct report_failure *failures;
    size_t failure_count;
};

enum { REPORT_HEADER_MAX = 32768, REPORT_MAX = 4 << 20 };

/* Appends the whole message with CRLF lines. False when out is too small (REPORT_MAX is enough for 256
 * failures). */
bool report_write(const struct report *report, struct buf *out);

#endif
