/* SPDX-License-Identifier: MIT */
/* The work at hand, by destination. */
#include "courier/work.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "courier/destination.h"
#include "courier/transaction.h"

enum { BUCKETS = 1024, IDLE_MS = 5000, LOOK_MS = 1000, CLIENT_MESSAGES_MAX = 100 };

struct work {
    pthread_mutex_t lock; /* guards all that follows, and all destinations */
    pthread_cond_t job;   /* something can be taken, or it is over */
    pthread_cond_t room;  /* jobs ended */
    struct destination *buckets[BUCKETS];
    struct destination ready; /* ring of those that have something to take; ready_next is the next one */
    unsigned per_destination;
    size_t waiting, in_jobs, jobs, idle_clients, waiting_threads;
    bool stopped;
};

/* ---- destinations ---- */

static struct destination **bucket_of(struct work *w, const char *key)
{
    unsigned h = 2166136261U; /* FNV-1a */
    for (; *key != '\0'; key++)
        h = (h ^ (unsigned char)*key) * 16777619U;
    return &w->buckets[h % BUCKETS];
}

static struct destination *destination_of(struct work *w, const struct route *route)
{
    struct buf key = BUF_INIT(ROUTE_PATH_MAX + 300);
    destination_key(route, &key);
    struct destination **bucket = bucket_of(w, buf_str(&key)), *d = *bucket;
    while (d != NULL && strcmp(d->key, buf_str(&key)) != 0)
        d = d->next;
    if (d == NULL) {
        d = destination_make(buf_str(&key), route);
        d->next = *bucket;
        *bucket = d;
    }
    buf_free(&key);
    return d;
}

static void forget(struct work *w, struct destination *d)
{
    struct destination **at = bucket_of(w, d->key);
    while (*at != d)
        at = &(*at)->next;
    *at = d->next;
    destination_free(d);
}

static unsigned limit_of(const struct work *w, const struct destination *d)
{
    /* One lane as long as it keeps up: what comes meanwhile makes the next batch larger, and so cheaper. */
    if (destination_is_batched(d))
        return d->waiting >= MAILDIR_BATCH ? MAILDIR_LANES : 1;
    return d->window > 0 && d->window < w->per_destination ? d->window : w->per_destination;
}

static void leave_ring(struct destination *d)
{
    d->ready_prev->ready_next = d->ready_next;
    d->ready_next->ready_prev = d->ready_prev;
    d->ready = false;
}

static void join_ring(struct work *w, struct destination *d)
{
    d->ready_next = &w->ready;
    d->ready_prev = w->ready.ready_prev;
    d->ready_prev->ready_next = d;
    w->ready.ready_prev = d;
    d->ready = true;
}

/* After each change: is in the ring if and only if something can be taken; is forgotten when there is nothing
 * to remember. */
static void update(struct work *w, struct destination *d)
{
    bool ready = d->waiting > 0 && d->active < limit_of(w, d);
    if (ready && !d->ready)
        join_ring(w, d);
    else if (!ready && d->ready)
        leave_ring(d);
    if (ready)
        pthread_cond_signal(&w->job);
    else if (d->waiting == 0 && d->active == 0 && d->idle == NULL)
        forget(w, d);
}

/* ---- jobs ---- */

static void begin_job(struct work *w, struct destination *d, struct job *job)
{
    size_t max = destination_is_batched(d) ? MAILDIR_BATCH : TRANSACTION_RECIPIENTS_MAX;
    *job = (struct job){.to = d, .route = d->route, .parcels = destination_take(d, max)};
    job->count = parcels_count(job->parcels);
    job->client = destination_take_client(d);
    job->connected = job->client != NULL;
    w->idle_clients -= job->connected ? 1U : 0U;
    w->waiting -= job->count;
    w->in_jobs += job->count;
    w->jobs++;
    d->active++;
    d->open += job->connected ? 1U : 0U;
    update(w, d);
}

static void end_job(struct work *w, struct job *job)
{
    struct destination *d = job->to;
    d->active--;
    d->open -= job->connected ? 1U : 0U;
    w->jobs--;
    w->in_jobs -= job->count;
    pthread_cond_broadcast(&w->room);
    update(w, d);
}

static struct client *take_expired(struct work *w)
{
    uint64_t now = clock_mono_ms();
    for (size_t i = 0; w->idle_clients > 0 && i < BUCKETS; i++) {
        for (struct destination *d = w->buckets[i]; d != NULL; d = d->next) {
            struct client *client = destination_take_expired(d, now);
            if (client == NULL)
                continue;
            w->idle_clients--;
            update(w, d);
            return client;
        }
    }
    return NULL;
}

static void wait_until(struct work *w, pthread_cond_t *cond, uint64_t deadline_ms)
{
    struct timespec ts = {.tv_sec = (time_t)(deadline_ms / 1000),
                          .tv_nsec = (long)(deadline_ms % 1000) * 1000000L};
    pthread_cond_timedwait(cond, &w->lock, &ts);
}

static enum work_result take_now(struct work *w, struct job *job_r)
{
    struct destination *d = w->ready.ready_next;
    if (w->stopped)
        return WORK_STOPPED;
    if (d != &w->ready) {
        leave_ring(d); /* joins again at the end: each destination in turn */
        begin_job(w, d, job_r);
        return WORK_JOB;
    }
    job_r->client = take_expired(w);
    return job_r->client != NULL ? WORK_EXPIRED : WORK_NOTHING;
}

enum work_result work_take(struct work *work, struct job *job_r, uint64_t wait_ms)
{
    uint64_t deadline = clock_mono_ms() + wait_ms, now;
    enum work_result r;
    pthread_mutex_lock(&work->lock);
    while ((r = take_now(work, job_r)) == WORK_NOTHING && (now = clock_mono_ms()) < deadline) {
        uint64_t look = work->idle_clients > 0 && now + LOOK_MS < deadline ? now + LOOK_MS : deadline;
        work->waiting_threads++;
        wait_until(work, &work->job, look);
        work->waiting_threads--;
    }
    pthread_mutex_unlock(&work->lock);
    return r;
}

void work_connected(struct work *work, struct job *job)
{
    pthread_mutex_lock(&work->lock);
    job->to->open += job->connected ? 0U : 1U;
    job->connected = true;
    pthread_mutex_unlock(&work->lock);
}

/* Opens a narrowed window again, by one for each windowful that went well. */
static void note_success(struct work *w, struct destination *d)
{
    if (d->window == 0 || ++d->successes < d->window)
        return;
    d->successes = 0;
    if (++d->window >= w->per_destination)
        d->window = 0;
}

void work_done(struct work *work, struct job *job)
{
    if (job->client != NULL && job->client->messages >= CLIENT_MESSAGES_MAX)
        client_close(&job->client);
    pthread_mutex_lock(&work->lock);
    if (job->connected)
        note_success(work, job->to);
    if (job->client != NULL) {
        destination_keep(job->to, job->client, clock_mono_ms() + IDLE_MS);
        work->idle_clients++;
    }
    job->client = NULL;
    end_job(work, job);
    pthread_mutex_unlock(&work->lock);
}

struct parcel *work_unreachable(struct work *work, struct job *job)
{
    struct destination *d = job->to;
    struct parcel *list = job->parcels, **last = &list;
    pthread_mutex_lock(&work->lock);
    d->open -= job->connected ? 1U : 0U;
    job->connected = false;
    if ((d->open > 0 || d->idle != NULL) && !work->stopped) {
        d->window = d->open > 0 ? d->open : 1;
        d->successes = 0;
        work->waiting += job->count;
        destination_put_back(d, list);
        list = NULL;
    } else {
        while (*last != NULL)
            last = &(*last)->next;
        work->waiting -= d->waiting;
        *last = destination_take_all(d);
    }
    job->parcels = NULL;
    end_job(work, job);
    pthread_mutex_unlock(&work->lock);
    return list;
}

/* ---- the whole ---- */

struct work *work_make(void)
{
    struct work *w = xcalloc(1, sizeof *w);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->job, &attr);
    pthread_cond_init(&w->room, &attr);
    pthread_condattr_destroy(&attr);
    w->ready.ready_next = w->ready.ready_prev = &w->ready;
    w->per_destination = 1;
    return w;
}

void work_free(struct work **work)
{
    struct work *w = *work;
    if (w == NULL)
        return;
    *work = NULL;
    parcels_free(work_drain(w));
    for (size_t i = 0; i < BUCKETS; i++) {
        while (w->buckets[i] != NULL) { /* only idle connections are left, and update forgets what has none */
            struct client *client = destination_take_client(w->buckets[i]);
            client_close(&client);
            update(w, w->buckets[i]);
        }
    }
    pthread_cond_destroy(&w->job);
    pthread_cond_destroy(&w->room);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

bool work_add(struct work *work, const struct route *route, struct parcel *parcel, uint64_t now_ms)
{
    pthread_mutex_lock(&work->lock);
    struct destination *d = destination_of(work, route);
    bool take = d->first == NULL || now_ms < d->first->since_ms + WORK_PATIENCE_MS;
    if (take) {
        parcel->since_ms = now_ms;
        destination_append(d, parcel);
        work->waiting++;
        update(work, d);
    }
    pthread_mutex_unlock(&work->lock);
    return take;
}

void work_set_limit(struct work *work, unsigned per_destination)
{
    pthread_mutex_lock(&work->lock);
    work->per_destination = per_destination;
    pthread_mutex_unlock(&work->lock);
}

void work_stop(struct work *work)
{
    pthread_mutex_lock(&work->lock);
    work->stopped = true;
    pthread_cond_broadcast(&work->job);
    pthread_cond_broadcast(&work->room);
    pthread_mutex_unlock(&work->lock);
}

struct parcel *work_drain(struct work *work)
{
    struct parcel *list = NULL, **last = &list;
    pthread_mutex_lock(&work->lock);
    for (size_t i = 0; i < BUCKETS && work->waiting > 0; i++) {
        for (struct destination *d = work->buckets[i], *next; d != NULL; d = next) {
            next = d->next;
            work->waiting -= d->waiting;
            *last = destination_take_all(d);
            while (*last != NULL)
                last = &(*last)->next;
            update(work, d);
        }
    }
    pthread_mutex_unlock(&work->lock);
    return list;
}

bool work_wait_quiet(struct work *work, uint64_t wait_ms)
{
    uint64_t deadline = clock_mono_ms() + wait_ms;
    pthread_mutex_lock(&work->lock);
    while (work->jobs > 0 && clock_mono_ms() < deadline)
        wait_until(work, &work->room, deadline);
    bool quiet = work->jobs == 0;
    pthread_mutex_unlock(&work->lock);
    return quiet;
}

size_t work_wait_room(struct work *work, size_t max, uint64_t wait_ms)
{
    uint64_t deadline = clock_mono_ms() + wait_ms;
    pthread_mutex_lock(&work->lock);
    while (work->waiting + work->in_jobs >= max && !work->stopped && clock_mono_ms() < deadline)
        wait_until(work, &work->room, deadline);
    size_t n = work->waiting + work->in_jobs;
    pthread_mutex_unlock(&work->lock);
    return n;
}

bool work_is_short_of_hands(struct work *work)
{
    pthread_mutex_lock(&work->lock);
    bool is_short = work->ready.ready_next != &work->ready && work->waiting_threads == 0;
    pthread_mutex_unlock(&work->lock);
    return is_short;
}

void work_counts(struct work *work, struct work_counts *out_r)
{
    pthread_mutex_lock(&work->lock);
    *out_r = (struct work_counts){work->waiting, work->jobs, work->idle_clients};
    pthread_mutex_unlock(&work->lock);
}
