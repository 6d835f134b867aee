/* SPDX-License-Identifier: MIT */
/* The writer's database: opened, lost, opened again. */
#include <errno.h>

#include "spool/room.h"

enum { LOCK_WAIT_MS = 5000, BACKOFF_LAST_MS = 5000 };

static int on_commit(void *arg, sqlite3 *handle, const char *name, int frames)
{
    (void)handle, (void)name;
    struct writer *w = arg;
    w->log_frames = frames;
    return SQLITE_OK;
}

static enum db_outcome load_totals(struct writer *w)
{
    int64_t last = 0, recipients = 0;
    enum db_outcome outcome = db_number(&w->db, DO_KEY_LAST, DB_NONE, &last);
    if (outcome == DB_OK)
        outcome = db_number(&w->db, DO_RECIPIENT_COUNT, DB_NONE, &recipients);
    if (outcome != DB_OK)
        return outcome;
    sqlite3_stmt *rows = db_query(&w->db, DO_MESSAGE_SUM, DB_NONE);
    if (rows == NULL || db_next(rows) != DB_ROW) {
        outcome = db_outcome(&w->db);
        if (rows != NULL)
            db_end(rows);
        return outcome == DB_OK ? DB_LOST : outcome;
    }
    pthread_mutex_lock(&w->lock);
    w->stats.messages = (uint64_t)sqlite3_column_int64(rows, 0);
    w->stats.bytes = (uint64_t)sqlite3_column_int64(rows, 1);
    w->stats.recipients = (uint64_t)recipients;
    w->stats.state = SPOOL_OK;
    pthread_mutex_unlock(&w->lock);
    db_end(rows);
    if (w->next_key <= last) /* keys that were used in this life are not used again */
        w->next_key = last + 1;
    return DB_OK;
}

void database_close(struct spool *spool, bool checkpoint)
{
    struct writer *w = &spool->writer;
    db_close(&w->db, checkpoint);
    fd_close(&w->lock_fd);
}

bool database_open(struct spool *spool, bool create, struct buf *error)
{
    struct writer *w = &spool->writer;
    w->lock_fd = folder_lock(&spool->folder, create ? LOCK_WAIT_MS : 0);
    if (w->lock_fd < 0) {
        int code = -w->lock_fd;
        w->lock_fd = -1;
        buf_printf(error, "%s: %s", spool->folder.root,
                   code == EWOULDBLOCK ? "another process has the queue open" : strerror(code));
        return false;
    }
    if (!db_open(&w->db, spool->folder.database, create ? DB_CREATE : DB_WRITE, error)) {
        fd_close(&w->lock_fd);
        return false;
    }
    if (load_totals(w) != DB_OK) {
        buf_printf(error, "%s: %s", spool->folder.database, sqlite3_errmsg(w->db.handle));
        database_close(spool, false);
        return false;
    }
    w->log_frames = 0;
    sqlite3_wal_hook(w->db.handle, on_commit, w);
    atomic_fetch_add(&w->epoch, 1);
    atomic_store(&w->lost, false);
    return true;
}

void database_lose(struct spool *spool)
{
    struct writer *w = &spool->writer;
    atomic_store(&w->lost, true);
    claims_block(&spool->claims, true);
    reader_close(spool);
    mover_close(spool);
    database_close(spool, false);
    w->reopen_at = clock_mono_ms() + w->backoff_ms;
    w->backoff_ms = w->backoff_ms * 2 < BACKOFF_LAST_MS ? w->backoff_ms * 2 : BACKOFF_LAST_MS;
}

void database_reopen_if_due(struct spool *spool)
{
    struct writer *w = &spool->writer;
    if (!atomic_load(&w->lost) || clock_mono_ms() < w->reopen_at)
        return;
    struct buf why = BUF_INIT(1024);
    if (!database_open(spool, false, &why))
        database_lose(spool);
    buf_free(&why);
}
