/* SPDX-License-Identifier: MIT */
/* Body files, written as they arrive by a few threads. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "spool/incoming.h"

enum { PUSH_BYTES = 1 << 20 }; /* written before the kernel is asked to begin with the disk */

/* ---- files: the thread's ---- */

static enum db_outcome file_outcome(int error)
{
    return error == -ENOSPC || error == -EDQUOT ? DB_FULL : DB_REFUSED;
}

static enum db_outcome make_file(struct spool_in *in)
{
    struct spool *spool = in->spool;
    if (atomic_load(&spool->writer.lost))
        return DB_LOST;
    if (space_short(spool))
        return DB_FULL;
    in->epoch = atomic_load(&spool->writer.epoch);
    in->fd = folder_create(&spool->folder, in->id);
    return in->fd >= 0 ? DB_OK : file_outcome(in->fd);
}

/* Begins to write to the disk early: the sync at the end is shorter, and the log's syncs do not wait behind a
 * heap of dirty pages. */
static void push(struct spool_in *in)
{
    if (in->written - in->pushed < PUSH_BYTES)
        return;
    sync_file_range(in->fd, (off_t)in->pushed, (off_t)(in->written - in->pushed), SYNC_FILE_RANGE_WRITE);
    in->pushed = in->written;
}

static enum db_outcome write_chunk(struct spool_in *in, const struct buf *bytes)
{
    enum db_outcome outcome = in->fd < 0 ? make_file(in) : DB_OK;
    if (outcome != DB_OK)
        return outcome;
    int r = file_write_all(in->fd, bytes->data, bytes->len);
    if (r != 0)
        return file_outcome(r);
    uint64_t before = in->written;
    in->written += bytes->len;
    push(in);
    /* Large ones watch the space as they grow, by the step. */
    bool step = before / PUSH_BYTES != in->written / PUSH_BYTES;
    return step && space_short(in->spool) ? DB_FULL : DB_OK;
}

static void discard_file(struct spool_in *in)
{
    if (in->fd < 0)
        return;
    fd_close(&in->fd);
    folder_remove(&in->spool->folder, in->id);
}

/* All of the file, and its name, on disk. */
static enum db_outcome sync_file(struct spool_in *in)
{
    int r = fsync(in->fd) == 0 ? 0 : -errno;
    fd_close(&in->fd);
    if (r == 0)
        r = folder_sync(&in->spool->folder, in->id);
    if (r == 0)
        return DB_OK;
    folder_remove(&in->spool->folder, in->id);
    return file_outcome(r);
}

/* ---- one message's turn ---- */

struct turn {
    struct chunk *chunks;
    bool finish, drop;
    enum db_outcome failed;
};

static enum db_outcome write_chunks(struct spool_in *in, const struct turn *turn, size_t *bytes_r)
{
    enum db_outcome outcome = turn->failed;
    for (struct chunk *chunk = turn->chunks; chunk != NULL;) {
        struct chunk *next = chunk->next;
        if (outcome == DB_OK && !turn->drop)
            outcome = write_chunk(in, &chunk->bytes);
        *bytes_r += chunk->bytes.len;
        buf_free(&chunk->bytes);
        free(chunk);
        chunk = next;
    }
    in_memory_sub(in->spool, *bytes_r);
    return outcome;
}

/* Notes what was done; the session goes on when all is written. */
static void settle_turn(struct body_thread *thread, struct spool_in *in, enum db_outcome outcome,
                        size_t bytes)
{
    pthread_mutex_lock(&thread->lock);
    if (outcome != DB_OK) /* never the other way: the loop may have failed it meanwhile */
        in->failed = outcome;
    in->handed -= bytes;
    if (in->waiting && in->handed == 0) {
        in->waiting = false;
        atomic_fetch_add(&in->holders, 1);
        loop_post(in->loop, &in->drained);
    }
    pthread_mutex_unlock(&thread->lock);
}

static void finish(struct spool *spool, struct spool_in *in, enum db_outcome outcome)
{
    if (outcome == DB_OK)
        outcome = sync_file(in);
    if (outcome == DB_OK) {
        writer_put(spool, &in->work);
        return;
    }
    discard_file(in);
    in->work.outcome = outcome;
    pthread_mutex_lock(&spool->writer.lock);
    spool->writer.stats.state = db_result(outcome);
    in_tell_done(in);
    pthread_mutex_unlock(&spool->writer.lock);
}

static void take_turn(struct body_thread *thread, struct spool_in *in, const struct turn *turn)
{
    size_t bytes = 0;
    enum db_outcome outcome = write_chunks(in, turn, &bytes);
    if (turn->drop) {
        discard_file(in);
        in_release(in);
        return;
    }
    if (outcome != DB_OK && turn->failed == DB_OK)
        discard_file(in); /* its space may be what others lack */
    if (turn->finish)
        finish(thread->spool, in, outcome);
    else
        settle_turn(thread, in, outcome, bytes);
}

/* ---- the threads ---- */

static struct spool_in *next_message(struct body_thread *thread, struct turn *turn_r)
{
    pthread_mutex_lock(&thread->lock);
    while (thread->first == NULL && !thread->stopping)
        pthread_cond_wait(&thread->wake, &thread->lock);
    struct spool_in *in = thread->first;
    if (in != NULL) {
        thread->first = in->next;
        if (thread->first == NULL)
            thread->last = &thread->first;
        in->listed = false;
        *turn_r = (struct turn){in->chunks, in->finish, in->drop, in->failed};
        in->chunks = NULL;
        in->chunks_last = &in->chunks;
    }
    pthread_mutex_unlock(&thread->lock);
    return in;
}

static void *thread_main(void *arg)
{
    struct body_thread *thread = arg;
    struct turn turn;
    struct spool_in *in;
    pthread_setname_np(pthread_self(), "spool-body");
    while ((in = next_message(thread, &turn)) != NULL)
        take_turn(thread, in, &turn);
    return NULL;
}

int bodies_start(struct spool *spool)
{
    struct body_threads *bodies = &spool->bodies;
    for (; bodies->started < BODY_THREADS; bodies->started++) {
        struct body_thread *thread = &bodies->threads[bodies->started];
        thread->spool = spool;
        thread->last = &thread->first;
        pthread_mutex_init(&thread->lock, NULL);
        pthread_cond_init(&thread->wake, NULL);
        int error = pthread_create(&thread->thread, NULL, thread_main, thread);
        if (error != 0) {
            pthread_cond_destroy(&thread->wake);
            pthread_mutex_destroy(&thread->lock);
            return -error;
        }
    }
    return 0;
}

void bodies_stop(struct spool *spool)
{
    struct body_threads *bodies = &spool->bodies;
    for (unsigned i = 0; i < bodies->started; i++) {
        struct body_thread *thread = &bodies->threads[i];
        pthread_mutex_lock(&thread->lock);
        thread->stopping = true;
        pthread_cond_signal(&thread->wake);
        pthread_mutex_unlock(&thread->lock);
        pthread_join(thread->thread, NULL);
        pthread_cond_destroy(&thread->wake);
        pthread_mutex_destroy(&thread->lock);
    }
    bodies->started = 0;
}

/* ---- the loops' side ---- */

void body_bind(struct spool_in *in)
{
    struct body_threads *bodies = &in->spool->bodies;
    unsigned i = atomic_fetch_add_explicit(&bodies->next, 1, memory_order_relaxed);
    in->body = &bodies->threads[i % BODY_THREADS];
}

/* Under the thread's lock. */
static void list(struct body_thread *thread, struct spool_in *in)
{
    if (in->listed)
        return;
    in->listed = true;
    in->next = NULL;
    *thread->last = in;
    thread->last = &in->next;
    pthread_cond_signal(&thread->wake);
}

static struct chunk *take_fill(struct spool_in *in)
{
    if (in->fill.len == 0)
        return NULL;
    struct chunk *chunk = xcalloc(1, sizeof *chunk);
    chunk->bytes = in->fill;
    in->fill = BUF_INIT(IN_ADD_MAX);
    return chunk;
}

static void append(struct spool_in *in, struct chunk *chunk)
{
    if (chunk == NULL)
        return;
    *in->chunks_last = chunk;
    in->chunks_last = &chunk->next;
    in->handed += chunk->bytes.len;
}

enum spool_flow body_hand_over(struct spool_in *in)
{
    struct body_thread *thread = in->body;
    struct chunk *chunk = take_fill(in);
    bool is_short = in_memory_short(in->spool);
    pthread_mutex_lock(&thread->lock);
    enum db_outcome failed = in->failed;
    append(in, chunk);
    list(thread, in);
    in->waiting = failed == DB_OK && (in->handed > IN_WAIT || is_short);
    enum spool_flow flow = in->waiting ? SPOOL_WAIT : SPOOL_GO;
    pthread_mutex_unlock(&thread->lock);
    if (failed != DB_OK)
        in_fail(in, failed);
    return flow;
}

void body_finish(struct spool_in *in)
{
    struct body_thread *thread = in->body;
    struct chunk *chunk = take_fill(in);
    pthread_mutex_lock(&thread->lock);
    append(in, chunk);
    if (in->swallow && in->failed == DB_OK)
        in->failed = in->work.outcome;
    in->finish = true;
    in->waiting = false;
    list(thread, in);
    pthread_mutex_unlock(&thread->lock);
}

void body_drop(struct spool_in *in)
{
    struct body_thread *thread = in->body;
    pthread_mutex_lock(&thread->lock);
    in->drop = true;
    in->waiting = false;
    list(thread, in);
    pthread_mutex_unlock(&thread->lock);
}
