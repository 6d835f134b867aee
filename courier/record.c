/* SPDX-License-Identifier: MIT */
/* Settlements, bounces and events of deliveries. */
#include "courier/record.h"

#include <stdlib.h>

#include "courier/report.h"

struct recording {
    struct record *record;
    const struct settings *settings;
    const struct attempt *attempt;
    int64_t now;
};

/* A parcel with what is said about it. */
struct line {
    struct parcel *parcel;
    size_t place;   /* in the job: keeps recipients in their order */
    bool bounces;   /* its sender is told */
    bool completed; /* with it the message left the queue */
    char *answer;   /* for `queue show` and the bounce; NULL: none */
};

/* ---- deciding ---- */

static void expire(const struct settings *settings, struct parcel *p)
{
    char lifetime[NUMBER_TEXT_MAX];
    struct outcome last = p->outcome;
    format_duration(settings->queue_lifetime, lifetime);
    p->outcome = (struct outcome){.verdict = VERDICT_NONE};
    outcome_set(&p->outcome, VERDICT_FAILED, CAUSE_DELIVERY_EXPIRED,
                "given up after %s; the last attempt: %s", lifetime, last.text != NULL ? last.text : "-");
    p->outcome.reply = last.reply != NULL ? xstrdup(last.reply) : NULL;
    snprintf(p->outcome.status, sizeof p->outcome.status,
             "4.4.7"); /* RFC 3463: class 4 with "failed" says it may work another day */
    outcome_clear(&last);
}

static char *answer_text(const struct attempt *attempt, const struct outcome *o)
{
    struct buf text = BUF_INIT(32768);
    if (o->text == NULL)
        return NULL;
    buf_printf(&text, "%s%s%s", attempt->name, attempt->name[0] != '\0' ? ": " : "", o->text);
    return text.data;
}

static bool has_failed(const struct line *line)
{
    return line->parcel->outcome.verdict == VERDICT_FAILED;
}

static void decide(const struct recording *r, struct line *line)
{
    struct parcel *p = line->parcel;
    if (p->outcome.verdict == VERDICT_DEFERRED && retry_expired(r->settings, p->delivery.queued_at, r->now))
        expire(r->settings, p);
    /* Never to the null sender: bounces about bounces would go round for ever (RFC 5321, section 6.1). */
    line->bounces = has_failed(line) && p->delivery.sender[0] != '\0';
    if (p->outcome.verdict != VERDICT_DELIVERED)
        line->answer = answer_text(r->attempt, &p->outcome);
}

static struct settlement settlement_of(const struct recording *r, struct line *line)
{
    static const enum settle_outcome settle[] = {[VERDICT_NONE] = SETTLE_RELEASE,
                                                 [VERDICT_DELIVERED] = SETTLE_DONE,
                                                 [VERDICT_DEFERRED] = SETTLE_RETRY,
                                                 [VERDICT_FAILED] = SETTLE_FAILED};
    const struct outcome *o = &line->parcel->outcome;
    const struct delivery *d = &line->parcel->delivery;
    struct settlement s = {.recipient_row = d->recipient_row,
                           .outcome = settle[o->verdict],
                           .answer = line->answer,
                           .completed_r = &line->completed};
    if (o->again_s > 0)
        s.next_at = r->now + o->again_s;
    else if (o->verdict == VERDICT_DEFERRED)
        s.next_at = retry_at(r->settings, d->queued_at, d->attempts, r->now);
    return s;
}

static bool same_message(const struct line *a, const struct line *b)
{
    return strcmp(a->parcel->delivery.id, b->parcel->delivery.id) == 0;
}

/* First all that need no bounce, then the others; the recipients of a message side by side, as the spool
 * wants them. */
static int compare_lines(const void *x, const void *y)
{
    const struct line *a = x, *b = y;
    int r = strcmp(a->parcel->delivery.id, b->parcel->delivery.id);
    if (a->bounces != b->bounces)
        return a->bounces ? 1 : -1;
    return r != 0 ? r : a->place < b->place ? -1 : 1;
}

/* ---- events ---- */

static void write_event(const struct recording *r, const struct line *line, bool further)
{
    static const enum event_type types[] = {[VERDICT_DELIVERED] = EVENT_DELIVERED,
                                            [VERDICT_DEFERRED] = EVENT_DEFERRED,
                                            [VERDICT_FAILED] = EVENT_FAILED};
    const struct outcome *o = &line->parcel->outcome;
    const struct delivery *d = &line->parcel->delivery;
    struct buf remote = BUF_INIT(600), answer = BUF_INIT(32768);
    if (r->attempt->name[0] != '\0')
        buf_printf(&remote, "H=%s", r->attempt->name);
    if (o->text != NULL)
        buf_add_str(&answer, o->text);
    if (has_failed(line) && !line->bounces)
        buf_add_str(&answer, " (dropped: nobody to tell, the sender is null)");
    journal_write(r->record->journal, &(struct event){.type = types[o->verdict],
                                                      .cause = o->cause,
                                                      .code = o->verdict == VERDICT_DEFERRED ? o->error : 0,
                                                      .id = d->id,
                                                      .sender = d->sender,
                                                      .recipient = d->recipient,
                                                      .route = route_router(r->attempt->kind),
                                                      .transport = route_transport(r->attempt->kind),
                                                      .remote = buf_str(&remote),
                                                      .tls = r->attempt->tls,
                                                      .answer = buf_str(&answer),
                                                      .further = further});
    buf_free(&remote);
    buf_free(&answer);
}

static void count(struct record *record, enum verdict verdict)
{
    if (verdict == VERDICT_DELIVERED)
        atomic_fetch_add(&record->delivered, 1);
    else if (verdict == VERDICT_DEFERRED)
        atomic_fetch_add(&record->deferred, 1);
    else if (verdict == VERDICT_FAILED)
        atomic_fetch_add(&record->failed, 1);
}

static void write_events(const struct recording *r, const struct line *lines, size_t n)
{
    const struct line *delivered = NULL; /* the last one */
    for (size_t i = 0; i < n; i++) {
        const struct outcome *o = &lines[i].parcel->outcome;
        count(r->record, o->verdict);
        if (o->verdict == VERDICT_NONE)
            continue;
        write_event(r, &lines[i], delivered != NULL && same_message(delivered, &lines[i]));
        if (o->verdict == VERDICT_DELIVERED)
            delivered = &lines[i];
    }
}

/* ---- bounces ---- */

/* The header of the message; nothing when it cannot be read: a bounce without it is better than none. */
static void read_header(struct spool *spool, const char *id, struct buf *out)
{
    struct buf error = BUF_INIT(512);
    struct spool_body *body = spool_body_open(spool, id, &error);
    buf_free(&error);
    if (body == NULL)
        return;
    char *at, *end = NULL;
    ssize_t n = 0;
    while (end == NULL && (at = buf_reserve(out, 4096)) != NULL &&
           (n = spool_body_read(body, at, 4096)) > 0) {
        size_t from = out->len > 3 ? out->len - 3 : 0;
        buf_commit(out, (size_t)n);
        end = memmem(out->data + from, out->len - from, "\r\n\r\n", 4);
    }
    if (end != NULL)
        out->len = (size_t)(end - out->data) + 2;
    spool_body_close(&body);
}

static void make_report(const struct recording *r, const struct line *lines, size_t n, struct buf *out)
{
    const struct delivery *d = &lines[0].parcel->delivery;
    struct report_failure *failures = xcalloc(n, sizeof *failures);
    struct buf header = BUF_INIT(REPORT_HEADER_MAX + 8192);
    for (size_t i = 0; i < n; i++)
        failures[i] = (struct report_failure){.recipient = lines[i].parcel->delivery.recipient,
                                              .remote = r->attempt->host,
                                              .text = lines[i].answer,
                                              .outcome = &lines[i].parcel->outcome};
    read_header(r->record->spool, d->id, &header);
    report_write(&(struct report){.hostname = r->record->hostname,
                                  .id = d->id,
                                  .sender = d->sender,
                                  .queued_at = d->queued_at,
                                  .now = r->now,
                                  .header = span_from(header.data, header.len),
                                  .failures = failures,
                                  .failure_count = n},
                 out);
    buf_free(&header);
    free(failures);
}

static void write_bounce_event(const struct recording *r, const struct bounce *bounce, const char *about)
{
    atomic_fetch_add(&r->record->bounces, 1);
    journal_write(r->record->journal, &(struct event){.type = EVENT_RECEIVED,
                                                      .id = bounce->id_r,
                                                      .reference = about,
                                                      .recipient = bounce->recipient,
                                                      .protocol = "local",
                                                      .size = bounce->n});
}

/* ---- settling ---- */

/* All or none of the lines bounce; if they do, they are of one message. What the spool cannot write now it
 * keeps, and writes later. */
static void settle(const struct recording *r, struct line *lines, size_t n)
{
    const struct delivery *first = &lines[0].parcel->delivery;
    struct settlement *list = xcalloc(n, sizeof *list);
    struct buf text = BUF_INIT(REPORT_MAX);
    struct bounce bounce = {.recipient = first->sender};
    for (size_t i = 0; i < n; i++)
        list[i] = settlement_of(r, &lines[i]);
    if (lines[0].bounces) {
        make_report(r, lines, n, &text);
        bounce.data = text.data;
        bounce.n = text.len;
    }
    spool_settle(r->record->spool, list, n, lines[0].bounces ? &bounce : NULL);
    write_events(r, lines, n);
    if (lines[0].bounces)
        write_bounce_event(r, &bounce, first->id);
    for (size_t i = 0; i < n; i++)
        if (lines[i].completed)
            journal_write(r->record->journal,
                          &(struct event){.type = EVENT_COMPLETED, .id = lines[i].parcel->delivery.id});
    buf_free(&text);
    free(list);
}

void record_parcels(struct record *record, const struct settings *settings, const struct attempt *attempt,
                    struct parcel *list)
{
    const struct recording r = {record, settings, attempt, clock_wall()};
    size_t n = parcels_count(list), to;
    struct line *lines = xcalloc(n, sizeof *lines);
    struct parcel *p = list;
    for (size_t i = 0; i < n; i++, p = p->next) {
        lines[i] = (struct line){.parcel = p, .place = i};
        decide(&r, &lines[i]);
    }
    qsort(lines, n, sizeof *lines, compare_lines);
    for (size_t from = 0; from < n; from = to) {
        to = from + 1;
        while (to < n && lines[to].bounces == lines[from].bounces &&
               (!lines[from].bounces || same_message(&lines[from], &lines[to])))
            to++;
        settle(&r, lines + from, to - from);
    }
    for (size_t i = 0; i < n; i++)
        free(lines[i].answer);
    free(lines);
    parcels_free(list);
}
