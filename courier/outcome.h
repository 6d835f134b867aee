/* SPDX-License-Identifier: MIT */
/* What became of one recipient's delivery, and when it is tried again. Pure. */
#ifndef GP_COURIER_OUTCOME_H
#define GP_COURIER_OUTCOME_H

#include "causes/causes.h"
#include "settings/settings.h"

enum verdict {
    VERDICT_NONE,      /* not tried after all: due again, nothing is counted */
    VERDICT_DELIVERED, /* the next server, or the Maildir, has it */
    VERDICT_DEFERRED,  /* again later */
    VERDICT_FAILED     /* never */
};

enum { STATUS_MAX = 12 };

struct outcome {
    enum verdict verdict;
    enum cause_id cause;     /* CAUSE_NONE when delivered */
    char status[STATUS_MAX]; /* enhanced status code of the other server (RFC 3463); "": take the cause's */
    int error;               /* errno, or 0 */
    unsigned again_s; /* DEFERRED, NONE: after that many seconds; 0: DEFERRED by queue.retry, NONE at once */
    char *text;       /* for people: where and why, with the other server's reply in full; NULL: none */
    char *reply;      /* the other server's reply alone, lines separated by \n; NULL: none */
};

/* Sets verdict, cause and text; drops what was there. */
void outcome_set(struct outcome *o, enum verdict verdict, enum cause_id cause, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same out of another server's reply; text is `where` (NULL: none) and the reply. status may be "". */
void outcome_set_reply(struct outcome *o, enum verdict verdict, enum cause_id cause, const char *where,
                       const char *reply, const char *status);
void outcome_copy(struct outcome *to, const struct outcome *from); /* drops what was in to */
void outcome_clear(struct outcome *o);                             /* frees; verdict is NONE */

/* "4.4.1": the server's, else the cause's, else the verdict's class with ".0.0". */
const char *outcome_status(const struct outcome *o);

/*
 * When to try again (wall seconds) after an attempt that failed at now. The waits are those of queue.retry,
 * the last one repeats; which one is told by the attempts made before this one and by the message's age,
 * whichever gives the shorter wait: neither an administrator's `queue retry` nor a server that was switched
 * off for a day makes a message wait longer. Never later than the end of its lifetime.
 */
int64_t retry_at(const struct settings *settings, int64_t queued_at, unsigned attempts, int64_t now);
/* Whether queue.lifetime is over. */
bool retry_expired(const struct settings *settings, int64_t queued_at, int64_t now);

#endif
