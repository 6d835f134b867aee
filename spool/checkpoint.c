/* SPDX-License-Identifier: MIT */
/* Moving the write-ahead log into the database. */
#include "spool/room.h"

/*
 * Frames are pages. Small steps: the sync of a step keeps those of the log waiting (measured at full load:
 * 256 frames at a time, the slowest of a thousand commits takes 4 to 9 ms, with 4096 frames 40 ms, at the
 * same throughput). A log of 8 MiB stays in the caches, and is soon long enough to be written over instead of
 * grown.
 */
enum {
    FRAME_BYTES = 4096,
    MOVE_FRAMES = 256,  /* so many not yet moved: the mover is asked */
    LONG_FRAMES = 2048, /* the log is long: the writer moves the rest as soon as that is short */
    REST_FRAMES = 256,
    TOO_LONG_FRAMES = 2 * LONG_FRAMES, /* the rest does not get short: the writer moves it all the same */
    TIGHT_FRAMES = 256,                /* space is short: the log must not grow, it begins again and again */
};

/* The mover's under busy, or the writer's with its own connection. Returns whether the connection can still
 * be used. */
static bool move(struct mover *mover, struct db *db, int mode)
{
    int frames = 0, moved = 0;
    int code = sqlite3_wal_checkpoint_v2(db->handle, NULL, mode, &frames, &moved);
    if (code == SQLITE_OK && moved >= 0)
        atomic_store(&mover->moved, moved);
    return code == SQLITE_OK || db_outcome(db) != DB_LOST;
}

static void mover_move(struct spool *spool)
{
    struct mover *mover = &spool->mover;
    struct buf why = BUF_INIT(1024);
    pthread_mutex_lock(&mover->busy);
    if (!atomic_load(&spool->writer.lost) &&
        (mover->db.handle != NULL || db_open(&mover->db, spool->folder.database, DB_WRITE, &why))) {
        if (!move(mover, &mover->db, SQLITE_CHECKPOINT_PASSIVE))
            db_close(&mover->db, false);
    }
    pthread_mutex_unlock(&mover->busy);
    buf_free(&why); /* the writer meets the same trouble and tells of it */
}

static void *mover_main(void *arg)
{
    struct spool *spool = arg;
    struct mover *mover = &spool->mover;
    pthread_setname_np(pthread_self(), "spool-mover");
    for (;;) {
        pthread_mutex_lock(&mover->lock);
        while (!mover->wanted && !mover->stopping)
            pthread_cond_wait(&mover->wake, &mover->lock);
        bool stopping = mover->stopping;
        mover->wanted = false;
        pthread_mutex_unlock(&mover->lock);
        if (stopping)
            return NULL;
        mover_move(spool);
    }
}

void mover_init(struct spool *spool)
{
    struct mover *mover = &spool->mover;
    pthread_mutex_init(&mover->lock, NULL);
    pthread_mutex_init(&mover->busy, NULL);
    pthread_cond_init(&mover->wake, NULL);
}

void mover_free(struct spool *spool)
{
    struct mover *mover = &spool->mover;
    pthread_cond_destroy(&mover->wake);
    pthread_mutex_destroy(&mover->busy);
    pthread_mutex_destroy(&mover->lock);
}

int mover_start(struct spool *spool)
{
    struct mover *mover = &spool->mover;
    int error = pthread_create(&mover->thread, NULL, mover_main, spool);
    mover->started = error == 0;
    return -error;
}

static void signal_mover(struct mover *mover, bool stop)
{
    pthread_mutex_lock(&mover->lock);
    if (stop)
        mover->stopping = true;
    mover->wanted = true;
    pthread_cond_signal(&mover->wake);
    pthread_mutex_unlock(&mover->lock);
}

void mover_stop(struct spool *spool)
{
    struct mover *mover = &spool->mover;
    if (!mover->started)
        return;
    signal_mover(mover, true);
    pthread_join(mover->thread, NULL);
    mover->started = false;
}

void mover_close(struct spool *spool)
{
    struct mover *mover = &spool->mover;
    pthread_mutex_lock(&mover->busy);
    db_close(&mover->db, false);
    atomic_store(&mover->moved, 0);
    pthread_mutex_unlock(&mover->busy);
}

/* Frames of the log that are not in the database yet. */
static int unmoved(const struct spool *spool)
{
    int frames = spool->writer.log_frames, moved = atomic_load(&spool->mover.moved);
    return frames >= moved ? frames - moved : frames; /* fewer: the log began again */
}

static bool move_here(const struct spool *spool)
{
    int frames = spool->writer.log_frames;
    if (spool->writer.space_short)
        return frames >= TIGHT_FRAMES;
    return frames >= TOO_LONG_FRAMES || (frames >= LONG_FRAMES && unmoved(spool) <= REST_FRAMES);
}

void checkpoint_after_batch(struct spool *spool)
{
    struct writer *w = &spool->writer;
    struct mover *mover = &spool->mover;
    if (w->db.handle == NULL)
        return;
    if (move_here(spool))
        move(mover, &w->db, SQLITE_CHECKPOINT_PASSIVE); /* SQLITE_BUSY while the mover is at it: next time */
    else if (unmoved(spool) >= MOVE_FRAMES)
        signal_mover(mover, false);
    atomic_store(&mover->debt, (uint64_t)unmoved(spool) * FRAME_BYTES);
}

void checkpoint_trim(struct spool *spool)
{
    struct writer *w = &spool->writer;
    if (w->db.handle == NULL || !move(&spool->mover, &w->db, SQLITE_CHECKPOINT_TRUNCATE))
        return;
    if (atomic_load(&spool->mover.moved) == 0) /* SQLite says so when it has cut the log */
        w->log_frames = 0;
    atomic_store(&spool->mover.debt, (uint64_t)unmoved(spool) * FRAME_BYTES);
}
