/* SPDX-License-Identifier: MIT */
/* Mail that goes out: claims, and reading bodies. One connection for reading is shared under reader.lock. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "spool/room.h"

/* ---- the shared connection ---- */

/* Takes the lock and gives the connection, or NULL (and no lock) with a text in *error. */
static struct db *reader_take(struct spool *spool, struct buf *error)
{
    struct reader *reader = &spool->reader;
    pthread_mutex_lock(&reader->lock);
    if (atomic_load(&spool->writer.lost))
        buf_add_str(error, "the queue's database cannot be used at present");
    else if (reader->db.handle != NULL || db_open(&reader->db, spool->folder.database, DB_READ, error))
        return &reader->db;
    pthread_mutex_unlock(&reader->lock);
    return NULL;
}

static void reader_give(struct spool *spool, bool failed)
{
    if (failed)
        db_close(&spool->reader.db, false);
    pthread_mutex_unlock(&spool->reader.lock);
}

void reader_close(struct spool *spool)
{
    pthread_mutex_lock(&spool->reader.lock);
    db_close(&spool->reader.db, false);
    pthread_mutex_unlock(&spool->reader.lock);
}

/* ---- claims ---- */

void spool_wait_due(struct spool *spool, uint64_t timeout_ms)
{
    claims_wait(&spool->claims, timeout_ms);
}

void spool_wake(struct spool *spool)
{
    claims_poke(&spool->claims);
}

void delivery_free(struct delivery *d)
{
    free(d->sender);
    free(d->recipient);
    free(d->account);
    *d = (struct delivery){0};
}

struct scan {
    struct spool *spool;
    struct db *db;
    int64_t now;
    struct delivery *out;
    int max, n;
    bool failed;
};

/* What all deliveries of a message share. False when there is no such message, or on failure. */
static bool get_message(struct scan *scan, int64_t message, struct delivery *out_r)
{
    sqlite3_stmt *rows = db_query(scan->db, DO_MESSAGE_GET, DB_ARGS(db_int(message)));
    enum db_row row = rows != NULL ? db_next(rows) : DB_ERROR;
    if (row == DB_ROW) {
        *out_r = (struct delivery){
            .sender = xstrdup(db_column_text(rows, 1)),
            .account = xstrdup(db_column_text(rows, 2)),
            .queued_at = sqlite3_column_int64(rows, 3),
            .size = (uint64_t)sqlite3_column_int64(rows, 4),
            .eight_bit = sqlite3_column_int(rows, 5) != 0,
        };
        snprintf(out_r->id, sizeof out_r->id, "%s", db_column_text(rows, 0));
    }
    if (rows != NULL)
        db_end(rows);
    scan->failed |= row == DB_ERROR;
    return row == DB_ROW;
}

/* Claims what is due of one message. */
static void claim_message(struct scan *scan, int64_t message)
{
    struct delivery common;
    if (!get_message(scan, message, &common))
        return;
    sqlite3_stmt *rows =
        db_query(scan->db, DO_DUE_OF_MESSAGE, DB_ARGS(KEY_RANGE(message), db_int(scan->now)));
    enum db_row row = rows != NULL ? DB_ROW : DB_ERROR;
    while (row == DB_ROW && scan->n < scan->max && (row = db_next(rows)) == DB_ROW) {
        int64_t key = sqlite3_column_int64(rows, 0);
        if (!claims_take(&scan->spool->claims, key))
            continue;
        struct delivery *d = &scan->out[scan->n++];
        *d = common;
        d->recipient_row = key;
        d->sender = xstrdup(common.sender);
        d->account = xstrdup(common.account);
        d->recipient = xstrdup(db_column_text(rows, 1));
        d->attempts = (unsigned)sqlite3_column_int(rows, 2);
    }
    if (rows != NULL)
        db_end(rows);
    scan->failed |= row == DB_ERROR;
    delivery_free(&common);
}

/* Goes through what is due. Returns whether the end was seen; then *next_r is when the next will be due. */
static bool scan_due(struct scan *scan, int64_t *next_r)
{
    int64_t seen = 0;
    sqlite3_stmt *rows = db_query(scan->db, DO_DUE, DB_ARGS(db_int(scan->now)));
    enum db_row row = rows != NULL ? DB_ROW : DB_ERROR;
    while (row == DB_ROW && scan->n < scan->max && !scan->failed && (row = db_next(rows)) == DB_ROW) {
        int64_t key = sqlite3_column_int64(rows, 0), message = key_message(key);
        if (message == seen || claims_taken(&scan->spool->claims, key))
            continue;
        seen = message;
        claim_message(scan, message);
    }
    /* Still within the statement's view of the queue: what is committed meanwhile tells claims by itself. */
    if (row == DB_END && db_number(scan->db, DO_DUE_NEXT, DB_ARGS(db_int(scan->now)), next_r) != DB_OK)
        row = DB_ERROR;
    if (rows != NULL)
        db_end(rows);
    scan->failed |= row == DB_ERROR;
    return row == DB_END;
}

int spool_claim(struct spool *spool, int64_t now, struct delivery *out, int max)
{
    struct buf why = BUF_INIT(1024);
    struct scan scan = {.spool = spool, .now = now, .out = out, .max = max};
    int64_t next = INT64_MAX;
    scan.db = reader_take(spool, &why);
    buf_free(&why);
    if (scan.db == NULL)
        return -1;
    if (!claims_scan_begin(&spool->claims, now)) {
        reader_give(spool, false);
        return -1;
    }
    bool complete = scan_due(&scan, &next);
    claims_scan_end(&spool->claims, !complete, next);
    reader_give(spool, scan.failed);
    return scan.failed && scan.n == 0 ? -1 : scan.n;
}

/* ---- bodies ---- */

struct spool_body {
    int fd; /* -1: in memory */
    char *data;
    uint64_t size;
    uint64_t at;
};

/* Reads the row. False: no such row, or failure. */
static bool get_body(struct db *db, const char *id, struct spool_body *body, bool *failed_r,
                     struct buf *error)
{
    sqlite3_stmt *rows = db_query(db, DO_BODY_GET, DB_ARGS(db_text(id)));
    enum db_row row = rows != NULL ? db_next(rows) : DB_ERROR;
    *failed_r = row == DB_ERROR;
    if (row == DB_ERROR)
        buf_printf(error, "the queue cannot be read: %s", sqlite3_errmsg(db->handle));
    else if (row == DB_END)
        buf_printf(error, "no message %s in the queue", id);
    if (row == DB_ROW) {
        body->size = (uint64_t)sqlite3_column_int64(rows, 0);
        if (sqlite3_column_type(rows, 1) != SQLITE_NULL) {
            const void *bytes = sqlite3_column_blob(rows, 1);
            size_t n = (size_t)sqlite3_column_bytes(rows, 1);
            body->size = n;
            body->data = xmalloc(n);
            if (n > 0)
                memcpy(body->data, bytes, n);
        }
    }
    if (rows != NULL)
        db_end(rows);
    return row == DB_ROW;
}

static bool open_file(struct spool *spool, const char *id, struct spool_body *body, struct buf *error)
{
    uint64_t size = 0;
    body->fd = folder_open(&spool->folder, id, &size);
    if (body->fd >= 0 && size == body->size)
        return true;
    folder_path(&spool->folder, id, error);
    if (body->fd < 0)
        buf_printf(error, ": %s", strerror(-body->fd));
    else
        buf_printf(error, ": has %llu bytes, not %llu", (unsigned long long)size,
                   (unsigned long long)body->size);
    return false;
}

struct spool_body *spool_body_open(struct spool *spool, const char *id, struct buf *error)
{
    struct db *db = reader_take(spool, error);
    if (db == NULL)
        return NULL;
    struct spool_body *body = xcalloc(1, sizeof *body);
    bool failed = false;
    body->fd = -1;
    bool ok = get_body(db, id, body, &failed, error);
    reader_give(spool, failed);
    if (ok && body->data == NULL)
        ok = open_file(spool, id, body, error);
    if (!ok)
        spool_body_close(&body);
    return body;
}

ssize_t spool_body_read(struct spool_body *body, char *out, size_t n)
{
    uint64_t left = body->size - body->at;
    if (n > left)
        n = (size_t)left;
    if (n == 0)
        return 0;
    ssize_t got = (ssize_t)n;
    if (body->data != NULL) {
        memcpy(out, body->data + body->at, n);
    } else {
        do
            got = pread(body->fd, out, n, (off_t)body->at);
        while (got < 0 && errno == EINTR);
        if (got <= 0) /* an end before the end is an error, too */
            return -1;
    }
    body->at += (uint64_t)got;
    return got;
}

int spool_body_rewind(struct spool_body *body)
{
    body->at = 0;
    return 0;
}

void spool_body_close(struct spool_body **body)
{
    if (*body == NULL)
        return;
    fd_close(&(*body)->fd);
    free((*body)->data);
    free(*body);
    *body = NULL;
}
