/* SPDX-License-Identifier: MIT */
/*
 * A message that comes in. It belongs to its session on a loop; while a thread works on it or a task of it
 * lies in the loop's mailbox, these hold it, too, and the last one frees it.
 */
#ifndef GP_SPOOL_INCOMING_H
#define GP_SPOOL_INCOMING_H

#include "spool/room.h"

enum {
    IN_MEMORY_MAX = 256 * 1024,  /* of one message */
    IN_WAIT = IN_MEMORY_MAX / 2, /* more than this not yet written: SPOOL_WAIT */
    IN_HAND_OVER = 64 * 1024,    /* collected before a body thread gets it */
    IN_ADD_MAX = 8 << 20,        /* added at a time */
};
#define IN_MEMORY_TOTAL                                                                                      \
    (256ULL << 20) /* of all messages: past it they go to files from the first byte on                       \
                    */

struct chunk {
    struct chunk *next;
    struct buf bytes;
};

struct envelope_copy {
    struct envelope envelope;
    char *memory; /* all of its strings */
};

struct spool_in {
    _Atomic unsigned holders;
    struct spool *spool;
    struct loop *loop;
    struct spool_in_events events;
    void *arg;
    char id[QUEUE_ID_MAX];

    /* the loop's until committed; then the writer's */
    uint64_t size, inline_max;
    struct buf fill; /* the whole message, or what no body thread has yet */
    struct envelope_copy envelope;
    struct work work;

    /* the loop's */
    bool committed;
    bool swallow; /* it failed: more bytes are not kept */
    bool told_to_wait;
    struct loop_task drained, done;

    /* writer.lock */
    bool abandoned; /* nobody wants to know */

    /* bound to a body thread */
    struct body_thread *body; /* NULL: not bound */
    /* body->lock */
    struct spool_in *next;
    struct chunk *chunks, **chunks_last;
    size_t handed; /* bytes in chunks and in writing */
    bool listed;   /* in the thread's list */
    bool waiting;  /* drained is to be posted when all is written */
    bool finish, drop;
    enum db_outcome failed;
    /* the thread's */
    int fd;
    unsigned epoch; /* of the database, when the file was made */
    uint64_t written, pushed;
};

/* True when messages that come in fill more memory than they may. */
bool in_memory_short(struct spool *spool);
/* Bytes come or go. */
void in_memory_add(struct spool *spool, size_t n);
void in_memory_sub(struct spool *spool, size_t n);
/* From its loop: nothing of it will be acknowledged, and what comes is not kept. */
void in_fail(struct spool_in *in, enum db_outcome outcome);
/* One holder less. */
void in_release(struct spool_in *in);
/* Tells the session, unless it went away, and lets go. Under the writer's lock. */
void in_tell_done(struct spool_in *in);

#endif
