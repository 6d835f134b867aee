/* SPDX-License-Identifier: MIT */
/* Outcomes of deliveries, and the schedule of retries. */
#include "courier/outcome.h"

#include <stdarg.h>
#include <stdlib.h>

enum { TEXT_MAX = 20480 /* a reply of 16 KiB, and where it was said */ };

void outcome_clear(struct outcome *o)
{
    free(o->text);
    free(o->reply);
    *o = (struct outcome){.verdict = VERDICT_NONE};
}

void outcome_set(struct outcome *o, enum verdict verdict, enum cause_id cause, const char *format, ...)
{
    struct buf text = BUF_INIT(TEXT_MAX);
    va_list ap;
    va_start(ap, format);
    buf_vprintf(&text, format, ap);
    va_end(ap);
    outcome_clear(o);
    o->verdict = verdict;
    o->cause = cause;
    o->text = xstrdup(buf_str(&text));
    buf_free(&text);
}

void outcome_set_reply(struct outcome *o, enum verdict verdict, enum cause_id cause, const char *where,
                       const char *reply, const char *status)
{
    outcome_set(o, verdict, cause, "%s%s%s", where != NULL ? where : "", where != NULL ? ": " : "", reply);
    o->reply = xstrdup(reply);
    snprintf(o->status, sizeof o->status, "%s", status);
}

void outcome_copy(struct outcome *to, const struct outcome *from)
{
    outcome_clear(to);
    *to = *from;
    to->text = from->text != NULL ? xstrdup(from->text) : NULL;
    to->reply = from->reply != NULL ? xstrdup(from->reply) : NULL;
}

const char *outcome_status(const struct outcome *o)
{
    static const char *const by_verdict[] = {[VERDICT_NONE] = "4.0.0",
                                             [VERDICT_DELIVERED] = "2.0.0",
                                             [VERDICT_DEFERRED] = "4.0.0",
                                             [VERDICT_FAILED] = "5.0.0"};
    if (o->status[0] != '\0')
        return o->status;
    const char *status = cause_get(o->cause)->enhanced;
    return status[0] != '\0' ? status : by_verdict[o->verdict];
}

bool retry_expired(const struct settings *settings, int64_t queued_at, int64_t now)
{
    return now >= queued_at + (int64_t)settings->queue_lifetime;
}

int64_t retry_at(const struct settings *settings, int64_t queued_at, unsigned attempts, int64_t now)
{
    const struct setting_list *waits = &settings->queue_retry;
    int64_t end = queued_at + (int64_t)settings->queue_lifetime;
    int64_t age = now - queued_at, passed = 0;
    uint64_t wait = 60;
    for (size_t i = 0; i < waits->n; i++) {
        if (!parse_duration(span_of(waits->items[i]), &wait) || i >= attempts || age < passed + (int64_t)wait)
            break;
        passed += (int64_t)wait;
    }
    int64_t at = now + (int64_t)(wait > 0 ? wait : 1); /* 0s would be a busy loop */
    return at > end && end > now ? end : at;
}
