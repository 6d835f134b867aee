/* SPDX-License-Identifier: MIT */
/* The verifiers and their queue: two rings of lanes, a lane for each network that has checks waiting. */
#include "auth/pool.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "auth/fingerprint.h"
#include "auth/thread.h"
#include "auth/ticket.h"

enum {
    BUCKETS = 1024,
    GOOD_IN_A_ROW = 4, /* so many checks of the first ring, then one of the other */
    NICENESS = 10,     /* loops come first */
};

enum ring_kind { RING_GOOD, RING_REST, RINGS };

struct lane {
    struct network network;
    enum ring_kind kind;
    struct auth_ticket *first, **last;
    uint64_t n;
    struct lane *turn_next;   /* behind it in its ring */
    struct lane *bucket_next; /* in the same bucket */
};

struct ring { /* lanes in the order of their turns */
    struct lane *first, **last;
};

struct pool {
    pool_check *check;
    void *ctx;
    struct gate *gate;
    pthread_t *threads;
    unsigned n_threads;
    uint64_t seed;

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t work;
    bool closing;
    struct ring rings[RINGS];
    unsigned good_streak;
    struct lane *buckets[BUCKETS];
    struct recent *recent;
    uint64_t queued, waiting, busy;
};

/* ---- lanes; all with the lock held ---- */

static struct lane **lane_place(struct pool *p, const struct network *network, enum ring_kind kind)
{
    uint64_t print = fingerprint(p->seed + kind, network->bytes, sizeof network->bytes);
    struct lane **place = &p->buckets[print % BUCKETS];
    while (*place != NULL &&
           !((*place)->kind == kind && memcmp(&(*place)->network, network, sizeof *network) == 0))
        place = &(*place)->bucket_next;
    return place;
}

static void ring_append(struct ring *ring, struct lane *lane)
{
    lane->turn_next = NULL;
    *ring->last = lane;
    ring->last = &lane->turn_next;
}

static struct lane *ring_take(struct ring *ring)
{
    struct lane *lane = ring->first;
    ring->first = lane->turn_next;
    if (ring->first == NULL)
        ring->last = &ring->first;
    return lane;
}

static struct lane *lane_make(struct pool *p, const struct network *network, enum ring_kind kind)
{
    struct lane *lane = xcalloc(1, sizeof *lane);
    lane->network = *network;
    lane->kind = kind;
    lane->last = &lane->first;
    ring_append(&p->rings[kind], lane);
    return lane;
}

static void enqueue(struct pool *p, enum ring_kind kind, struct auth_ticket *t)
{
    struct lane **place = lane_place(p, &t->network, kind);
    if (*place == NULL)
        *place = lane_make(p, &t->network, kind);
    struct lane *lane = *place;
    t->next = NULL;
    *lane->last = t;
    lane->last = &t->next;
    lane->n++;
    p->waiting++;
    p->queued++;
}

static enum ring_kind next_ring(struct pool *p)
{
    bool good = p->rings[RING_GOOD].first != NULL, rest = p->rings[RING_REST].first != NULL;
    if (good && (!rest || p->good_streak < GOOD_IN_A_ROW)) {
        p->good_streak++;
        return RING_GOOD;
    }
    p->good_streak = 0;
    return RING_REST;
}

/* The next check: from the lane whose turn it is, which then goes to the end of its ring. Something waits. */
static struct auth_ticket *dequeue(struct pool *p)
{
    struct ring *ring = &p->rings[next_ring(p)];
    struct lane *lane = ring_take(ring);
    struct auth_ticket *t = lane->first;
    lane->first = t->next;
    lane->n--;
    p->waiting--;
    if (lane->first != NULL) {
        ring_append(ring, lane);
    } else {
        *lane_place(p, &lane->network, lane->kind) = lane->bucket_next;
        free(lane);
    }
    return t;
}

static bool has_room(struct pool *p, const struct network *network, enum ring_kind kind, uint64_t limit)
{
    uint64_t quarter = limit / 4;
    const struct lane *lane = *lane_place(p, network, kind);
    return p->waiting < (kind == RING_GOOD ? limit : limit - quarter) &&
           (lane == NULL || lane->n < (quarter > 0 ? quarter : 1));
}

/* ---- threads ---- */

static void check_one(struct pool *p, struct auth_ticket *t)
{
    p->check(p->ctx, ticket_account(t), ticket_password(t), &t->answer);
    if (t->answer.verdict == AUTH_OK) {
        pthread_mutex_lock(&p->lock);
        recent_mark(p->recent, &t->network, ticket_account(t), clock_mono_ms());
        pthread_mutex_unlock(&p->lock);
    }
    ticket_cleanse(t);
    ticket_finish(t);
}

static void *verifier_main(void *arg)
{
    struct pool *p = arg;
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS); /* on Linux a thread has its own; refused: no harm */
    for (;;) {
        pthread_mutex_lock(&p->lock);
        while (p->waiting == 0 && !p->closing)
            pthread_cond_wait(&p->work, &p->lock);
        struct auth_ticket *t = p->closing ? NULL : dequeue(p);
        pthread_mutex_unlock(&p->lock);
        if (t == NULL)
            return NULL;
        check_one(p, t);
    }
}

static bool start_threads(struct pool *p, unsigned threads, struct buf *error)
{
    p->threads = xcalloc(threads, sizeof *p->threads);
    int r = 0;
    while (p->n_threads < threads && r == 0) {
        r = thread_start(&p->threads[p->n_threads], "verifier", verifier_main, p);
        p->n_threads += r == 0;
    }
    if (p->n_threads == 0)
        buf_printf(error, "cannot start a thread for password hashes: %s", strerror(-r));
    return p->n_threads > 0;
}

struct pool *pool_make(unsigned threads, pool_check *check, void *ctx, struct buf *error)
{
    struct pool *p = xcalloc(1, sizeof *p);
    p->check = check;
    p->ctx = ctx;
    p->gate = gate_make();
    random_bytes(&p->seed, sizeof p->seed);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    for (size_t i = 0; i < RINGS; i++)
        p->rings[i].last = &p->rings[i].first;
    p->recent = recent_make();
    if (!start_threads(p, threads, error))
        pool_close(&p);
    return p;
}

void pool_close(struct pool **pool)
{
    struct pool *p = *pool;
    if (p == NULL)
        return;
    *pool = NULL;
    atomic_store(&p->gate->closed, true);
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->n_threads; i++)
        pthread_join(p->threads[i], NULL);
    while (p->waiting > 0)
        ticket_drop(dequeue(p));
    gate_release(&p->gate);
    recent_free(&p->recent);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    free(p->threads);
    free(p);
}

struct auth_ticket *pool_submit(struct pool *p, const struct pool_order *order, uint64_t limit)
{
    struct auth_ticket *t = ticket_make(order, p->gate);
    pthread_mutex_lock(&p->lock);
    bool good = recent_has(p->recent, &t->network, ticket_account(t), clock_mono_ms());
    enum ring_kind kind = good ? RING_GOOD : RING_REST;
    bool room = has_room(p, &t->network, kind, limit);
    if (room) {
        enqueue(p, kind, t);
        pthread_cond_signal(&p->work);
    } else {
        p->busy++;
    }
    pthread_mutex_unlock(&p->lock);
    if (!room) {
        ticket_free(t);
        t = NULL;
    }
    return t;
}

void pool_stats(struct pool *p, struct auth_stats *out_r)
{
    pthread_mutex_lock(&p->lock);
    out_r->queued = p->queued;
    out_r->waiting = p->waiting;
    out_r->busy = p->busy;
    pthread_mutex_unlock(&p->lock);
}
