/* SPDX-License-Identifier: MIT */
/* Start and stop; the thread that claims and routes, and the threads that deliver. */
#include "courier/courier.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "courier/deliver.h"

enum {
    CLAIM_BATCH = 512,
    CLAIMED_MAX =
        2048,    /* recipients in memory: enough to keep all busy; a claim looks at all of them again */
    PACE_MS = 5, /* while others wait, claims are collected: many small ones cost more than the wait */
    IDLE_WAIT_MS = 60000, /* the spool wakes us when something is due */
    PAUSE_MS = 1000,      /* courier.hold, or a queue that is broken or full hands: look again */
    WORKER_WAIT_MS = 60000,
    PUT_OFF_S = 30
};

/* Settings with what is made of them; the dispatcher's. */
struct routing {
    const struct settings *settings;
    struct router *router;
};

struct courier {
    struct spool *spool;
    struct settings_cell *cell;
    char *hostname;
    struct record record;
    struct deliver deliver;
    struct work *work;
    pthread_t dispatcher;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t stop;
    bool stopping;
    pthread_t *workers;
    size_t worker_count, worker_max;
};

static bool is_stopping(struct courier *c)
{
    pthread_mutex_lock(&c->lock);
    bool stopping = c->stopping;
    pthread_mutex_unlock(&c->lock);
    return stopping;
}

/* ---- workers ---- */

static void add_worker_if_needed(struct courier *c);

static void *worker_main(void *arg)
{
    struct courier *c = arg;
    enum work_result r;
    struct job job = {0};
    while ((r = work_take(c->work, &job, WORKER_WAIT_MS)) != WORK_STOPPED) {
        if (r == WORK_EXPIRED)
            client_close(&job.client);
        if (r != WORK_JOB)
            continue;
        add_worker_if_needed(c);
        deliver_job(&c->deliver, &job);
    }
    return NULL;
}

static int start_thread(pthread_t *thread, void *(*main)(void *), struct courier *c, const char *name)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's; SIGPIPE is nobody's */
    int error = pthread_create(thread, NULL, main, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_setname_np(*thread, name);
    return error;
}

/* Threads are started as they are needed, up to courier.connections. */
static void add_worker_if_needed(struct courier *c)
{
    if (!work_is_short_of_hands(c->work))
        return;
    pthread_mutex_lock(&c->lock);
    if (c->worker_count < c->worker_max && !c->stopping &&
        start_thread(&c->workers[c->worker_count], worker_main, c, "courier") == 0)
        c->worker_count++;
    pthread_mutex_unlock(&c->lock);
}

/* ---- dispatcher ---- */

/* Gives parcels back to the queue: due again after that many seconds. */
static void give_back(struct courier *c, const struct settings *settings, struct parcel *list,
                      unsigned again_s)
{
    for (struct parcel *p = list; p != NULL; p = p->next)
        p->outcome.again_s = again_s;
    if (list != NULL)
        record_parcels(&c->record, settings, &(struct attempt){ROUTE_NONE, "", "", ""}, list);
}

static void hand_out(struct courier *c, const struct routing *routing, struct delivery *deliveries, size_t n)
{
    struct route *route = xmalloc(sizeof *route);
    struct parcel *unwanted = NULL;
    uint64_t now = clock_mono_ms();
    for (size_t i = 0; i < n; i++) {
        struct parcel *p = parcel_make(&deliveries[i]);
        router_find(routing->router, p->delivery.recipient, route);
        if (route->kind == ROUTE_MAILDIR)
            p->folder = xstrdup(route->path);
        if (!work_add(c->work, route, p, now)) {
            p->next = unwanted;
            unwanted = p;
        }
    }
    free(route);
    give_back(c, routing->settings, unwanted, PUT_OFF_S);
    add_worker_if_needed(c);
}

static void update_routing(struct courier *c, struct routing *routing)
{
    const struct settings *now = settings_cell_get(c->cell);
    if (routing->settings != NULL && now == routing->settings) {
        settings_release(&now);
        return;
    }
    router_free(&routing->router);
    settings_release(&routing->settings);
    routing->settings = now;
    routing->router = router_make(now);
    work_set_limit(c->work, (unsigned)now->courier_per_destination);
}

static void pause_dispatcher(struct courier *c, uint64_t ms)
{
    struct timespec until;
    uint64_t deadline = clock_mono_ms() + ms;
    until =
        (struct timespec){.tv_sec = (time_t)(deadline / 1000), .tv_nsec = (long)(deadline % 1000) * 1000000L};
    pthread_mutex_lock(&c->lock);
    if (!c->stopping)
        pthread_cond_timedwait(&c->stop, &c->lock, &until);
    pthread_mutex_unlock(&c->lock);
}

static void dispatch_once(struct courier *c, const struct routing *routing, struct delivery *deliveries)
{
    if (routing->settings->courier_hold) {
        give_back(c, routing->settings, work_drain(c->work), 0);
        pause_dispatcher(c, PAUSE_MS);
        return;
    }
    if (work_wait_room(c->work, CLAIMED_MAX, PAUSE_MS) >= CLAIMED_MAX)
        return;
    struct work_counts counts;
    work_counts(c->work, &counts);
    if (counts.waiting > 0)
        pause_dispatcher(c, PACE_MS);
    int n = spool_claim(c->spool, clock_wall(), deliveries, CLAIM_BATCH);
    if (n > 0)
        hand_out(c, routing, deliveries, (size_t)n);
    else if (n == 0)
        spool_wait_due(c->spool, IDLE_WAIT_MS);
    else
        pause_dispatcher(c, PAUSE_MS);
}

static void *dispatcher_main(void *arg)
{
    struct courier *c = arg;
    struct routing routing = {0};
    struct delivery *deliveries = xcalloc(CLAIM_BATCH, sizeof *deliveries);
    while (!is_stopping(c)) {
        update_routing(c, &routing);
        dispatch_once(c, &routing, deliveries);
    }
    free(deliveries);
    router_free(&routing.router);
    settings_release(&routing.settings);
    return NULL;
}

/* ---- start and stop ---- */

static struct courier *make_courier(struct spool *spool, struct journal *journal, struct settings_cell *cell,
                                    const char *hostname)
{
    struct courier *c = xcalloc(1, sizeof *c);
    const struct settings *settings = settings_cell_get(cell);
    pthread_condattr_t attr;
    c->spool = spool;
    c->cell = cell;
    c->hostname = xstrdup(hostname);
    c->work = work_make();
    c->worker_max = settings->courier_connections;
    c->workers = xcalloc(c->worker_max, sizeof *c->workers);
    c->record = (struct record){.spool = spool, .journal = journal, .hostname = c->hostname};
    c->deliver = (struct deliver){.record = &c->record,
                                  .work = c->work,
                                  .cell = cell,
                                  .password = relay_password_make(),
                                  .cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                                  .started_at = clock_wall()};
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->stop, &attr);
    pthread_condattr_destroy(&attr);
    settings_release(&settings);
    return c;
}

static void free_courier(struct courier *c)
{
    work_free(&c->work);
    relay_password_free(&c->deliver.password);
    fd_close(&c->deliver.cancel_fd);
    pthread_cond_destroy(&c->stop);
    pthread_mutex_destroy(&c->lock);
    free(c->workers);
    free(c->hostname);
    free(c);
}

struct courier *courier_start(struct spool *spool, struct journal *journal, struct settings_cell *cell,
                              const char *hostname, struct buf *error)
{
    struct courier *c = make_courier(spool, journal, cell, hostname);
    int failed =
        c->deliver.cancel_fd < 0 ? errno : start_thread(&c->dispatcher, dispatcher_main, c, "dispatcher");
    if (failed == 0)
        return c;
    buf_printf(error, "the courier cannot start: %s", strerror(failed));
    free_courier(c);
    return NULL;
}

static void cancel_deliveries(struct courier *c)
{
    uint64_t one = 1;
    ssize_t n = write(c->deliver.cancel_fd, &one, sizeof one);
    (void)n; /* an eventfd at 0 takes it */
}

void courier_stop(struct courier **courier, uint64_t wait_ms)
{
    struct courier *c = *courier;
    if (c == NULL)
        return;
    *courier = NULL;
    const struct settings *settings = settings_cell_get(c->cell);
    uint64_t deadline = clock_mono_ms() + wait_ms;
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    pthread_cond_broadcast(&c->stop);
    pthread_mutex_unlock(&c->lock);
    work_stop(c->work);
    spool_wake(c->spool);
    pthread_join(c->dispatcher, NULL);
    give_back(c, settings, work_drain(c->work), 0);
    uint64_t now = clock_mono_ms();
    work_wait_quiet(c->work, deadline > now ? deadline - now : 0);
    cancel_deliveries(c);
    for (size_t i = 0; i < c->worker_count; i++) /* nobody adds to them any more */
        pthread_join(c->workers[i], NULL);
    settings_release(&settings);
    free_courier(c);
}

void courier_set_password(struct courier *courier, struct span password)
{
    relay_password_set(courier->deliver.password, password);
}

void courier_stats(struct courier *courier, struct courier_stats *out_r)
{
    struct work_counts counts;
    work_counts(courier->work, &counts);
    *out_r = (struct courier_stats){.delivered = atomic_load(&courier->record.delivered),
                                    .deferred = atomic_load(&courier->record.deferred),
                                    .failed = atomic_load(&courier->record.failed),
                                    .bounces = atomic_load(&courier->record.bounces),
                                    .waiting = counts.waiting,
                                    .under_way = counts.jobs,
                                    .idle_connections = counts.idle_clients};
}
