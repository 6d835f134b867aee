/* SPDX-License-Identifier: MIT */
/* The writer's thread: works are put, taken, and kept when they could not be written. */
#include <stdlib.h>
#include <time.h>

#include "spool/room.h"

enum { BATCH_WORKS = 256, BATCH_BYTES = 8 << 20, KEPT_WAIT_MS = 1000 };

void writer_init(struct spool *spool)
{
    struct writer *w = &spool->writer;
    w->lock_fd = -1;
    w->next_key = 1;
    w->last = &w->first;
    w->kept_last = &w->kept;
    w->backoff_ms = DATABASE_BACKOFF_MS;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->told, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &attr);
    pthread_condattr_destroy(&attr);
}

/* ---- the thread ---- */

/* When the writer has something to do of its own: milliseconds, UINT64_MAX for never. */
static uint64_t next_duty(const struct writer *w)
{
    if (atomic_load(&w->lost))
        return w->reopen_at;
    return w->kept != NULL ? w->kept_at : UINT64_MAX;
}

static void wait_for_work(struct writer *w)
{
    uint64_t duty = next_duty(w);
    while (w->first == NULL && !w->stopping && clock_mono_ms() < duty) {
        if (duty == UINT64_MAX) {
            pthread_cond_wait(&w->wake, &w->lock);
        } else {
            struct timespec at = {.tv_sec = (time_t)(duty / 1000), .tv_nsec = (long)(duty % 1000) * 1000000};
            pthread_cond_timedwait(&w->wake, &w->lock, &at);
        }
    }
}

static struct work *take_works(struct writer *w)
{
    struct work *works = w->first, *work = works;
    if (works == NULL)
        return NULL;
    size_t count = 1, bytes = work->bytes;
    while (work->next != NULL && count < BATCH_WORKS && bytes + work->next->bytes <= BATCH_BYTES) {
        work = work->next;
        count++;
        bytes += work->bytes;
    }
    w->first = work->next;
    if (w->first == NULL)
        w->last = &w->first;
    work->next = NULL;
    return works;
}

/* Puts what was kept, if its time has come, before the works. */
static struct work *with_kept(struct writer *w, struct work *works, bool stopping)
{
    if (w->kept == NULL || w->db.handle == NULL || (!stopping && clock_mono_ms() < w->kept_at))
        return works;
    struct work *first = w->kept;
    *w->kept_last = works;
    w->kept = NULL;
    w->kept_last = &w->kept;
    return first;
}

static void *writer_main(void *arg)
{
    struct spool *spool = arg;
    struct writer *w = &spool->writer;
    bool stopping = false;
    pthread_setname_np(pthread_self(), "spool-writer");
    while (!stopping) {
        pthread_mutex_lock(&w->lock);
        wait_for_work(w);
        struct work *works = take_works(w);
        stopping = w->stopping && works == NULL;
        pthread_mutex_unlock(&w->lock);
        database_reopen_if_due(spool);
        works = with_kept(w, works, stopping);
        if (works != NULL)
            batch_run(spool, works);
        else
            claims_block(&spool->claims, w->kept != NULL || w->db.handle == NULL);
    }
    return NULL;
}

int writer_start(struct spool *spool)
{
    return -pthread_create(&spool->writer.thread, NULL, writer_main, spool);
}

void writer_stop(struct spool *spool)
{
    struct writer *w = &spool->writer;
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
}

void writer_close(struct spool *spool)
{
    struct writer *w = &spool->writer;
    for (struct work *work = w->kept; work != NULL;) {
        struct work *next = work->next;
        work->type->drop(work);
        work = next;
    }
    database_close(spool, true);
    free(w->fx.files);
    free(w->sum.files);
    pthread_cond_destroy(&w->wake);
    pthread_cond_destroy(&w->told);
    pthread_mutex_destroy(&w->lock);
}

/* ---- from other threads ---- */

static void put(struct writer *w, struct work *work)
{
    work->next = NULL;
    if (w->first == NULL)
        pthread_cond_signal(&w->wake);
    *w->last = work;
    w->last = &work->next;
}

void writer_put(struct spool *spool, struct work *work)
{
    struct writer *w = &spool->writer;
    pthread_mutex_lock(&w->lock);
    put(w, work);
    pthread_mutex_unlock(&w->lock);
}

void writer_put_and_wait(struct spool *spool, struct work *work, const bool *told)
{
    struct writer *w = &spool->writer;
    pthread_mutex_lock(&w->lock);
    put(w, work);
    while (!*told)
        pthread_cond_wait(&w->told, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

/* ---- from tell ---- */

void writer_keep(struct spool *spool, struct work *work)
{
    struct writer *w = &spool->writer;
    work->next = NULL;
    *w->kept_last = work;
    w->kept_last = &work->next;
    w->kept_at = clock_mono_ms() + KEPT_WAIT_MS;
    claims_block(&spool->claims, true); /* before its courier is told */
}

void writer_remove_file(struct spool *spool, const char *id)
{
    effects_file(&spool->writer.sum, id);
}
