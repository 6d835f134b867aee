/* SPDX-License-Identifier: MIT */
/* Jobs: Maildir batches, transactions with other servers, and what has no way at all. */
#include "courier/deliver.h"

#include <stdlib.h>

#include "courier/maildir.h"
#include "courier/transaction.h"

struct doing {
    struct deliver *deliver;
    struct job *job;
    const struct settings *settings;
};

/* ---- Maildirs ---- */

/*
 * A parcel needs the look for an earlier delivery when there may have been one that was not settled: before
 * this process started, or in an attempt of this one whose sync failed. A message from the future was queued
 * before the clock was set back.
 */
static bool may_exist(const struct deliver *deliver, const struct delivery *d, int64_t now)
{
    return d->queued_at <= deliver->started_at || d->attempts > 0 || d->queued_at > now;
}

static void do_maildirs(struct doing *x)
{
    struct job *job = x->job;
    struct maildir_item *items = xcalloc(job->count, sizeof *items);
    int64_t now = clock_wall();
    size_t n = 0;
    for (struct parcel *p = job->parcels; p != NULL; p = p->next)
        items[n++] = (struct maildir_item){.folder = p->folder,
                                           .delivery = &p->delivery,
                                           .look = may_exist(x->deliver, &p->delivery, now),
                                           .outcome = &p->outcome};
    maildir_deliver(x->deliver->record->spool, x->deliver->record->hostname, items, n);
    free(items);
    struct parcel *list = job->parcels;
    work_done(x->deliver->work, job);
    record_parcels(x->deliver->record, x->settings, &(struct attempt){ROUTE_MAILDIR, "", "", ""}, list);
}

/* ---- no way ---- */

static void do_none(struct doing *x)
{
    for (struct parcel *p = x->job->parcels; p != NULL; p = p->next) {
        const char *at = strrchr(p->delivery.recipient, '@');
        outcome_set(&p->outcome, VERDICT_FAILED, CAUSE_DELIVERY_NO_ROUTE,
                    "no way to %s: it is not among local.domains, and there is no relay.smarthost",
                    at != NULL ? at + 1 : "a recipient without a domain");
    }
    struct parcel *list = x->job->parcels;
    work_done(x->deliver->work, x->job);
    record_parcels(x->deliver->record, x->settings, &(struct attempt){ROUTE_NONE, "", "", ""}, list);
}

/* ---- other servers ---- */

static struct client *connect_client(struct doing *x, struct outcome *why_r, struct buf *name_r)
{
    const struct route *route = &x->job->route;
    const struct settings *s = x->settings;
    bool lmtp = route->kind == ROUTE_LMTP;
    struct buf password = BUF_INIT(1024);
    const struct client_target target = {.protocol = lmtp ? CLIENT_LMTP : CLIENT_SMTP,
                                         .path = route->path,
                                         .host = route->host,
                                         .port = route->port};
    struct client_policy policy = {.tls = lmtp ? CLIENT_TLS_NONE : (enum client_tls)s->relay_tls,
                                   .ca_file = s->relay_ca_file,
                                   .hostname = x->deliver->record->hostname,
                                   .user = lmtp ? "" : s->relay_user,
                                   .cancel_fd = x->deliver->cancel_fd,
                                   .waits = &CLIENT_WAITS};
    if (policy.user[0] != '\0')
        relay_password_get(x->deliver->password, s->relay_password_file, &password);
    policy.password = span_from(password.data, password.len);
    struct client *client = client_open(&target, &policy, why_r, name_r);
    buf_cleanse(&password);
    return client;
}

static void set_all(struct parcel *list, const struct outcome *outcome)
{
    for (; list != NULL; list = list->next)
        outcome_copy(&list->outcome, outcome);
}

static void record_remote(struct doing *x, const char *name, const char *tls, struct parcel *list)
{
    const struct route *route = &x->job->route;
    const struct attempt attempt = {route->kind, route->host, name, tls};
    record_parcels(x->deliver->record, x->settings, &attempt, list);
}

/* False: there is none; then the job is over. */
static bool get_client(struct doing *x)
{
    struct job *job = x->job;
    if (job->client != NULL && !client_is_alive(job->client)) {
        job->client->broken = true; /* it has ended: no QUIT */
        client_close(&job->client);
    }
    if (job->client != NULL)
        return true;
    struct outcome why = {.verdict = VERDICT_NONE};
    struct buf name = BUF_INIT(600);
    job->client = connect_client(x, &why, &name);
    if (job->client != NULL) {
        work_connected(x->deliver->work, job);
    } else {
        struct parcel *list = work_unreachable(x->deliver->work, job);
        set_all(list, &why);
        if (list != NULL)
            record_remote(x, buf_str(&name), "", list);
    }
    outcome_clear(&why);
    buf_free(&name);
    return job->client != NULL;
}

static bool transact(struct doing *x, struct spool_body *body)
{
    struct addressee to[TRANSACTION_RECIPIENTS_MAX];
    struct parcel *p = x->job->parcels;
    const struct delivery *d = &p->delivery;
    size_t n = 0;
    do { /* a job has at least one parcel */
        to[n++] = (struct addressee){.address = p->delivery.recipient, .outcome = &p->outcome};
        p = p->next;
    } while (p != NULL && n < COUNT_OF(to));
    const struct message message = {
        .sender = d->sender, .size = d->size, .eight_bit = d->eight_bit, .body = body};
    return transaction_run(x->job->client, &message, to, n);
}

static void end_remote(struct doing *x)
{
    struct job *job = x->job;
    struct parcel *list = job->parcels;
    char name[sizeof job->client->name] = "", tls[128] = "";
    if (job->client != NULL) {
        snprintf(name, sizeof name, "%s", job->client->name);
        snprintf(tls, sizeof tls, "%s", link_tls_text(job->client->link));
        if (job->client->broken)
            client_close(&job->client);
    }
    work_done(x->deliver->work, job);
    record_remote(x, name, tls, list);
}

static void do_remote(struct doing *x)
{
    struct buf error = BUF_INIT(512);
    struct spool_body *body =
        spool_body_open(x->deliver->record->spool, x->job->parcels->delivery.id, &error);
    if (body == NULL) {
        struct outcome why = {.verdict = VERDICT_NONE};
        outcome_set(&why, VERDICT_DEFERRED, CAUSE_SPOOL_BROKEN,
                    "the message cannot be read from the queue: %s", buf_str(&error));
        set_all(x->job->parcels, &why);
        outcome_clear(&why);
        end_remote(x);
    }
    bool done = body == NULL;
    while (!done && get_client(x)) {
        done = transact(x, body);
        if (done)
            end_remote(x);
        else /* it was kept open, and ended meanwhile */
            client_close(&x->job->client);
    }
    spool_body_close(&body);
    buf_free(&error);
}

/* courier.hold was set meanwhile: back into the queue, nothing counted. */
static void give_back(struct doing *x)
{
    struct parcel *list = x->job->parcels;
    work_done(x->deliver->work, x->job);
    record_parcels(x->deliver->record, x->settings, &(struct attempt){x->job->route.kind, "", "", ""}, list);
}

void deliver_job(struct deliver *deliver, struct job *job)
{
    static void (*const ways[])(struct doing *) = {[ROUTE_NONE] = do_none,
                                                   [ROUTE_MAILDIR] = do_maildirs,
                                                   [ROUTE_LMTP] = do_remote,
                                                   [ROUTE_SMTP] = do_remote};
    struct doing x = {.deliver = deliver, .job = job, .settings = settings_cell_get(deliver->cell)};
    if (x.settings->courier_hold)
        give_back(&x);
    else
        ways[job->route.kind](&x);
    settings_release(&x.settings);
}
