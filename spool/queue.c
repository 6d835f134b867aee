/* SPDX-License-Identifier: MIT */
/* The queue for people: listing, retry, hold, remove, figures. */
#include <stdlib.h>

#include "spool/room.h"

/* ---- listing ---- */

/*
 * One message at a time is read as a whole, copied, and shown when nothing is open any more: neither a slow
 * reader of the list nor a long queue holds back the write-ahead log.
 */
struct listing {
    struct spool *spool;
    struct db db;
    struct queue_row row; /* the message */
    int64_t key;
    struct queue_recipient *recipients;
    size_t recipient_room;
    char **texts; /* all of its texts */
    size_t text_count, text_room;
};

static void *make_room(void *list, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return list;
    *room = *room == 0 ? 16 : *room * 2;
    return xrealloc(list, *room * size);
}

static const char *keep_text(struct listing *l, const char *text)
{
    l->texts = make_room(l->texts, l->text_count, &l->text_room, sizeof *l->texts);
    return l->texts[l->text_count++] = xstrdup(text);
}

static void forget_message(struct listing *l)
{
    for (size_t i = 0; i < l->text_count; i++)
        free(l->texts[i]);
    l->text_count = 0;
    l->row = (struct queue_row){0};
}

static const char *recipient_state(struct spool *spool, int64_t key, bool held, int64_t next_at)
{
    if (claims_has(&spool->claims, key))
        return "delivering";
    if (held)
        return "held";
    return next_at <= clock_wall() ? "due" : "waiting";
}

static void keep_recipient(struct listing *l, sqlite3_stmt *rows)
{
    bool held = sqlite3_column_type(rows, 2) == SQLITE_NULL;
    int64_t next_at = sqlite3_column_int64(rows, 2);
    l->recipients =
        make_room(l->recipients, l->row.recipient_count, &l->recipient_room, sizeof *l->recipients);
    l->recipients[l->row.recipient_count++] = (struct queue_recipient){
        .address = keep_text(l, db_column_text(rows, 1)),
        .state = recipient_state(l->spool, sqlite3_column_int64(rows, 0), held, next_at),
        .last_answer = keep_text(l, db_column_text(rows, 4)),
        .next_at = next_at,
        .attempts = (unsigned)sqlite3_column_int(rows, 3),
    };
}

static void keep_message(struct listing *l, sqlite3_stmt *rows)
{
    l->key = sqlite3_column_int64(rows, 0);
    l->row = (struct queue_row){
        .id = keep_text(l, db_column_text(rows, 1)),
        .sender = keep_text(l, db_column_text(rows, 2)),
        .account = keep_text(l, db_column_text(rows, 3)),
        .client = keep_text(l, db_column_text(rows, 4)),
        .size = (uint64_t)sqlite3_column_int64(rows, 5),
        .queued_at = sqlite3_column_int64(rows, 6),
    };
}

static enum db_row read_recipients(struct listing *l)
{
    enum db_row row = DB_ERROR;
    sqlite3_stmt *rows = db_query(&l->db, DO_RECIPIENTS_OF, DB_ARGS(KEY_RANGE(l->key)));
    if (rows == NULL)
        return DB_ERROR;
    while ((row = db_next(rows)) == DB_ROW)
        keep_recipient(l, rows);
    db_end(rows);
    l->row.recipients = l->recipients;
    return row == DB_END ? DB_ROW : DB_ERROR;
}

/* The message with this id, or (NULL) the one after the last. Both statements see the queue at one moment. */
static enum db_row read_message(struct listing *l, const char *id)
{
    sqlite3_stmt *rows = id != NULL ? db_query(&l->db, DO_MESSAGE_BY_ID, DB_ARGS(db_text(id)))
                                    : db_query(&l->db, DO_MESSAGE_AFTER, DB_ARGS(db_int(l->key)));
    enum db_row row = rows != NULL ? db_next(rows) : DB_ERROR;
    if (row == DB_ROW) {
        keep_message(l, rows);
        row = read_recipients(l);
    }
    if (rows != NULL)
        db_end(rows);
    return row;
}

int spool_each(struct spool *spool, const char *id, int limit,
               void (*row)(void *arg, const struct queue_row *row), void *arg, struct buf *error)
{
    struct listing l = {.spool = spool};
    int shown = 0;
    if (atomic_load(&spool->writer.lost)) {
        buf_add_str(error, "the queue's database cannot be used at present");
        return -1;
    }
    if (!db_open(&l.db, spool->folder.database, DB_READ, error))
        return -1;
    enum db_row got = DB_ROW;
    while (shown < limit && (got = read_message(&l, id)) == DB_ROW) {
        row(arg, &l.row);
        forget_message(&l);
        shown++;
        if (id != NULL)
            break;
    }
    if (got == DB_ERROR)
        buf_printf(error, "the queue cannot be read: %s", sqlite3_errmsg(l.db.handle));
    forget_message(&l);
    db_close(&l.db, false);
    free(l.recipients);
    free(l.texts);
    return got == DB_ERROR ? -1 : shown;
}

/* ---- retry, hold, remove ---- */

/* A long queue is worked on in slices, so that mail comes in meanwhile. */
enum { SLICE = 200 };

struct act_work {
    struct work work;
    enum queue_action action;
    const char *id;   /* NULL: all */
    int64_t after;    /* key of the last message done */
    int64_t key_done; /* of this slice; "after" is moved only once it is on disk */
    int count;        /* messages of this slice */
    bool told;
};

static enum db_outcome act_on(struct spool *spool, enum queue_action action, int64_t message,
                              struct effects *fx)
{
    struct db *db = &spool->writer.db;
    switch (action) {
    case QUEUE_RETRY:
        fx->due_now = true;
        return db_run(db, DO_RECIPIENTS_RETRY, DB_ARGS(KEY_RANGE(message), db_int(clock_wall())));
    case QUEUE_HOLD: return db_run(db, DO_RECIPIENTS_HOLD, DB_ARGS(KEY_RANGE(message)));
    case QUEUE_REMOVE: break;
    }
    return message_drop(spool, message, fx);
}

/* The key of the message that comes next; 0 when there is none. */
static enum db_outcome next_message(struct spool *spool, const struct act_work *act, int64_t *key_r)
{
    struct db *db = &spool->writer.db;
    *key_r = 0;
    if (act->id == NULL)
        return db_number(db, DO_MESSAGE_AFTER, DB_ARGS(db_int(act->key_done)), key_r);
    return act->count == 0 ? db_number(db, DO_MESSAGE_KNOWN, DB_ARGS(db_text(act->id)), key_r) : DB_OK;
}

static enum db_outcome act_run(struct spool *spool, struct work *work, struct effects *fx)
{
    struct act_work *act = CONTAINER_OF(work, struct act_work, work);
    enum db_outcome outcome = DB_OK;
    act->key_done = act->after;
    act->count = 0;
    while (act->count < SLICE && outcome == DB_OK) {
        int64_t key = 0;
        outcome = next_message(spool, act, &key);
        if (key == 0)
            break;
        if (outcome == DB_OK)
            outcome = act_on(spool, act->action, key, fx);
        act->key_done = key;
        act->count++;
    }
    return outcome;
}

static void act_tell(struct spool *spool, struct work *work)
{
    (void)spool;
    struct act_work *act = CONTAINER_OF(work, struct act_work, work);
    act->after = act->key_done;
    act->told = true;
}

static const struct work_type ACT_WORK = {.run = act_run, .tell = act_tell};

int spool_act(struct spool *spool, enum queue_action action, const char *id, struct buf *error)
{
    struct act_work act = {.action = action, .id = id};
    int count = 0;
    do {
        act.work = (struct work){.type = &ACT_WORK};
        act.told = false;
        writer_put_and_wait(spool, &act.work, &act.told);
        if (act.work.outcome != DB_OK) {
            buf_add_str(error,
                        act.work.outcome == DB_FULL ? "the disk is full" : "the queue cannot be written");
            return -1;
        }
        count += act.count;
    } while (act.count == SLICE);
    if (action == QUEUE_RETRY)
        claims_unpark(&spool->claims);
    return count;
}

/* ---- figures ---- */

void spool_stats(struct spool *spool, struct spool_stats *out_r)
{
    pthread_mutex_lock(&spool->writer.lock);
    *out_r = spool->writer.stats;
    pthread_mutex_unlock(&spool->writer.lock);
}
