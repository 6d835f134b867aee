/* SPDX-License-Identifier: MIT */
/*
 * The writer: one thread that owns the connection which changes the queue. Others hand it works; it takes all
 * that are ready, makes them one transaction, and tells each what became of it. When one work spoils the
 * transaction, each gets one of its own. When the database is lost, everything on its file system is closed
 * (so that it can be unmounted and mended), works fail at once, and the database is opened again as soon as
 * that can be done.
 */
#ifndef GP_SPOOL_WRITER_H
#define GP_SPOOL_WRITER_H

#include <pthread.h>

#include "spool/db.h"

struct work;

/* What is true once the transaction is on disk. */
struct effects {
    int64_t messages, recipients, bytes; /* changes of the totals */
    uint64_t added;                      /* messages that came in */
    bool due_now;
    int64_t next_due;            /* INT64_MAX: nothing */
    char (*files)[QUEUE_ID_MAX]; /* bodies whose rows went */
    size_t file_count, file_room;
};
void effects_due(struct effects *fx, int64_t at, int64_t now);
void effects_file(struct effects *fx, const char *id);

struct work_type {
    bool brings_mail; /* is refused while space is short */
    /* Inside the transaction; may be called again in another one when that one failed. */
    enum db_outcome (*run)(struct spool *spool, struct work *work, struct effects *fx);
    /* Under the writer's lock: work->outcome says what became of it. The work belongs to its owner again. */
    void (*tell)(struct spool *spool, struct work *work);
    /* Of works that may be kept: frees one that could not be written before the spool was closed. */
    void (*drop)(struct work *work);
};
struct work {
    const struct work_type *type;
    struct work *next;
    size_t bytes; /* what it adds to the transaction, roughly */
    enum db_outcome outcome;
};

struct writer {
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows, and what the works' owners say */
    pthread_cond_t wake;  /* something to do */
    pthread_cond_t told;  /* a batch was told */
    struct work *first, **last;
    bool stopping;
    struct spool_stats stats;

    /* any thread */
    _Atomic unsigned epoch; /* counts how often the database was opened */
    _Atomic bool lost;      /* it is closed: nobody may open a connection or a file */

    /* the thread's own (the opener's before it runs, the closer's after) */
    struct db db;
    int lock_fd; /* the queue is ours */
    int64_t next_key;
    struct work *kept, **kept_last; /* settlements to be written when that can be done */
    uint64_t kept_at;               /* milliseconds: not before */
    uint64_t reopen_at, backoff_ms;
    uint64_t trim_at;
    bool space_short;       /* when the last batch began */
    int log_frames;         /* in the write-ahead log after the last commit */
    struct effects fx, sum; /* of one transaction; of the batch */
};

void writer_init(struct spool *spool);
/* The thread; 0 or -errno. writer_stop lets it commit what it has and ends it. */
int writer_start(struct spool *spool);
void writer_stop(struct spool *spool);
/* Once it does not run: closes the database, frees all. */
void writer_close(struct spool *spool);

/* Any thread, never blocks. */
void writer_put(struct spool *spool, struct work *work);
/* The same, and waits until *told (which the work's tell sets). Not from a loop. */
void writer_put_and_wait(struct spool *spool, struct work *work, const bool *told);
/* From tell: keep the work, and try it again until it succeeds. */
void writer_keep(struct spool *spool, struct work *work);
/* From tell: a body file to be removed. */
void writer_remove_file(struct spool *spool, const char *id);

/* ---- batch.c: the writer's ---- */
/* Commits the works, and tells them. */
void batch_run(struct spool *spool, struct work *works);

/* ---- database.c: the writer's (the opener's before the thread runs) ---- */
enum { DATABASE_BACKOFF_MS = 100 }; /* the first wait before a lost one is opened again */
/* Takes the queue for this process and opens the database; create: it may be new. False with a text in
 * *error. */
bool database_open(struct spool *spool, bool create, struct buf *error);
void database_close(struct spool *spool, bool checkpoint);
/* Closes all that is open on its file system, so that it can be unmounted, checked and mounted again. */
void database_lose(struct spool *spool);
void database_reopen_if_due(struct spool *spool);

#endif
