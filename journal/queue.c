/* SPDX-License-Identifier: MIT */
/* The bounded queue between all threads and the journal's. */
#include "journal/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct queue {
    size_t max;
    uint64_t next_batch_ms, next_told_ms; /* the taker's */
    pthread_mutex_t lock;                 /* guards all that follows */
    pthread_cond_t wake;                  /* for the taker */
    pthread_cond_t done;                  /* for queue_flush */
    struct item *first, **end;
    size_t bytes;             /* here and with the taker */
    uint64_t pushed, handled; /* items so far */
    uint64_t dropped;
    uint64_t flush_to; /* someone waits for handled to reach this */
    bool sleeping;     /* the taker waits for an item */
    bool reopen, stop;
};

struct queue *queue_make(size_t max_bytes)
{
    struct queue *q = xcalloc(1, sizeof *q);
    pthread_condattr_t mono;
    q->max = max_bytes;
    q->end = &q->first;
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_init(&mono);
    pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
    pthread_cond_init(&q->wake, &mono);
    pthread_cond_init(&q->done, &mono);
    pthread_condattr_destroy(&mono);
    return q;
}

void queue_free(struct queue **queue)
{
    struct queue *q = *queue;
    *queue = NULL;
    if (q == NULL)
        return;
    for (struct item *item = q->first, *next = NULL; item != NULL; item = next) {
        next = item->next;
        free(item);
    }
    pthread_cond_destroy(&q->done);
    pthread_cond_destroy(&q->wake);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

static bool crowded(const struct queue *q)
{
    return q->bytes >= q->max / 2;
}

bool queue_push(struct queue *queue, struct item *item)
{
    pthread_mutex_lock(&queue->lock);
    bool fits = item->bytes <= queue->max - queue->bytes;
    bool wake = false;
    if (fits) {
        bool was_crowded = crowded(queue);
        *queue->end = item;
        queue->end = &item->next;
        queue->bytes += item->bytes;
        queue->pushed++;
        wake = queue->sleeping || (!was_crowded && crowded(queue));
        queue->sleeping = false;
    } else {
        queue->dropped++;
    }
    pthread_mutex_unlock(&queue->lock);
    if (wake)
        pthread_cond_signal(&queue->wake);
    return fits;
}

static void ask(struct queue *queue, bool *what)
{
    pthread_mutex_lock(&queue->lock);
    *what = true;
    pthread_mutex_unlock(&queue->lock);
    pthread_cond_signal(&queue->wake);
}

void queue_ask_reopen(struct queue *queue)
{
    ask(queue, &queue->reopen);
}

void queue_ask_stop(struct queue *queue)
{
    ask(queue, &queue->stop);
}

static struct timespec mono_time(uint64_t ms)
{
    return (struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000L};
}

bool queue_flush(struct queue *queue, uint64_t timeout_ms)
{
    struct timespec end = mono_time(clock_mono_ms() + timeout_ms);
    pthread_mutex_lock(&queue->lock);
    uint64_t target = queue->pushed;
    queue->flush_to = target;
    pthread_cond_signal(&queue->wake);
    int rc = 0;
    while (queue->handled < target && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&queue->done, &queue->lock, &end);
    bool all = queue->handled >= target;
    pthread_mutex_unlock(&queue->lock);
    return all;
}

/* ---- the taker ---- */

static bool is_urgent(const struct queue *q)
{
    return q->stop || q->reopen || q->flush_to > q->handled || (q->first != NULL && crowded(q));
}

static void wait_for_work(struct queue *q, uint64_t idle_ms)
{
    for (bool idled = false; !is_urgent(q);) {
        uint64_t now = clock_mono_ms();
        bool paused = now >= q->next_batch_ms;
        if (paused && (idled || q->first != NULL))
            break;
        idled = paused;
        q->sleeping = paused;
        struct timespec end = mono_time(paused ? now + idle_ms : q->next_batch_ms);
        pthread_cond_timedwait(&q->wake, &q->lock, &end);
    }
    q->sleeping = false;
}

struct batch queue_take(struct queue *queue, uint64_t pause_ms, uint64_t idle_ms)
{
    pthread_mutex_lock(&queue->lock);
    wait_for_work(queue, idle_ms);
    uint64_t now = clock_mono_ms();
    struct batch batch = {
        .items = queue->first,
        .count = queue->pushed - queue->handled,
        .reopen = queue->reopen,
        .stop = queue->stop,
        .flush = queue->flush_to > queue->handled,
    };
    if (queue->dropped > 0 && (now >= queue->next_told_ms || queue->stop)) { /* not ten times a second */
        batch.dropped = queue->dropped;
        queue->dropped = 0;
        queue->next_told_ms = now + idle_ms;
    }
    queue->first = NULL;
    queue->end = &queue->first;
    queue->reopen = false;
    pthread_mutex_unlock(&queue->lock);
    queue->next_batch_ms = now + pause_ms;
    return batch;
}

void queue_done(struct queue *queue, const struct batch *batch)
{
    pthread_mutex_lock(&queue->lock);
    queue->handled += batch->count;
    pthread_cond_broadcast(&queue->done);
    pthread_mutex_unlock(&queue->lock);
}

void queue_give_back(struct queue *queue, size_t bytes)
{
    pthread_mutex_lock(&queue->lock);
    queue->bytes -= bytes;
    pthread_mutex_unlock(&queue->lock);
}

bool queue_crowded(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool answer = crowded(queue);
    pthread_mutex_unlock(&queue->lock);
    return answer;
}
