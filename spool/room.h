/* SPDX-License-Identifier: MIT */
/*
 * What the files of this room share. Threads, and what guards what:
 *
 *   a loop's thread    a message that comes in, until it is handed over
 *   body threads       each a queue of messages, its lock guards what a loop and it share (body.h)
 *   the writer         works that are handed to it: writer.lock (writer.h); its connection is its own
 *   the mover          its connection; signals: mover.lock (checkpoint.h)
 *   couriers, people   claims: claims.lock (claim.h); the shared connection for reading: reader.lock
 *
 * Locks are held for moments, except reader.lock (during a read) and mover.busy (during a checkpoint). Order:
 * reader.lock or writer.lock before claims.lock; writer.lock or a body thread's lock before a loop's own. No
 * other two are held together.
 */
#ifndef GP_SPOOL_ROOM_H
#define GP_SPOOL_ROOM_H

#include "spool/body.h"
#include "spool/checkpoint.h"
#include "spool/claim.h"
#include "spool/db.h"
#include "spool/folder.h"
#include "spool/id.h"
#include "spool/writer.h"

struct reader {
    pthread_mutex_t lock;
    struct db db; /* opened when needed */
};

struct spool {
    struct settings_cell *cell;
    struct folder folder;
    struct id_maker ids;
    struct claims claims;
    struct reader reader;
    struct writer writer;
    struct mover mover;
    struct body_threads bodies;
    _Atomic uint64_t memory; /* bytes of messages that come in */
};

/* ---- spool.c ---- */
/* Is less free than queue.min_free, and what the log may need to be moved? Any thread. */
bool space_short(struct spool *spool);

/* ---- outgoing.c ---- */
void reader_close(struct spool *spool); /* the next read opens it again */

/* ---- message.c ---- */
struct new_message {
    const char *id, *sender, *account, *client;
    const char *const *recipients;
    size_t recipient_count;
    uint64_t size;
    bool eight_bit;
    bool in_file;
    const char *body; /* size bytes, unless in_file */
};
/* Adds the rows of a message, due now. For works of the writer. */
enum db_outcome message_add(struct spool *spool, const struct new_message *message, struct effects *fx);
/* Removes the row of a message that has no recipients any more, and later its file. */
enum db_outcome message_drop_if_done(struct spool *spool, int64_t message, struct effects *fx);
/* Removes a message, whatever its recipients are. */
enum db_outcome message_drop(struct spool *spool, int64_t message, struct effects *fx);

/* ---- recover.c ---- */
/* After database_open at the start: what a crash left. Texts in *report for what an administrator must know.
 * False: cannot be done. */
bool recover(struct spool *spool, struct buf *report);

#endif
