/* SPDX-License-Identifier: MIT */
/*
 * Moving the write-ahead log into the database. The mover, a thread with a connection of its own, does the
 * long part while the writer goes on; the log begins again only when all of it was moved, so the writer moves
 * the short rest between two batches when the log has become long.
 */
#ifndef GP_SPOOL_CHECKPOINT_H
#define GP_SPOOL_CHECKPOINT_H

#include <pthread.h>

#include "spool/db.h"

struct mover {
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* guards wanted and stopping */
    pthread_cond_t wake;
    bool wanted, stopping;
    pthread_mutex_t busy; /* guards db; held during a checkpoint */
    struct db db;         /* opened when needed */
    _Atomic int moved;    /* frames of the log that are in the database */
    /* Bytes by which the database may grow when the rest is moved: space that must be kept for it, else the
       log could never begin again, and what is delivered could not be written down. */
    _Atomic uint64_t debt;
};

void mover_init(struct spool *spool);
void mover_free(struct spool *spool);
int mover_start(struct spool *spool); /* 0 or -errno */
void mover_stop(struct spool *spool);
/* Lets go of the database, after a checkpoint under way; the next one opens it again. */
void mover_close(struct spool *spool);
/* The writer's, after a batch. */
void checkpoint_after_batch(struct spool *spool);
/* The writer's, when space is short: gives the log's space back, as far as no reader needs it. */
void checkpoint_trim(struct spool *spool);

#endif
