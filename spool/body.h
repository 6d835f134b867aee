/* SPDX-License-Identifier: MIT */
/*
 * Body files and the threads that write them. A message is bound to one of them when it becomes too large for
 * the database; that thread alone touches its file, from making it to its sync, and then hands the message to
 * the writer.
 */
#ifndef GP_SPOOL_BODY_H
#define GP_SPOOL_BODY_H

#include <pthread.h>

#include "spool/spool.h"

enum { BODY_THREADS = 2 };

struct body_thread {
    struct spool *spool;
    pthread_t thread;
    pthread_mutex_t
        lock; /* guards what follows, and the part of each bound message that says so (incoming.h) */
    pthread_cond_t wake;
    struct spool_in *first, **last; /* messages with something to do */
    bool stopping;
};
struct body_threads {
    struct body_thread threads[BODY_THREADS];
    unsigned started;
    _Atomic unsigned next; /* which one takes the next message */
};

int bodies_start(struct spool *spool); /* 0 or -errno */
void bodies_stop(struct spool *spool); /* after all that was handed over */

/* From the message's loop. Binds it to a thread. */
void body_bind(struct spool_in *in);
/* Hands over what was collected; SPOOL_WAIT: drained will be posted. */
enum spool_flow body_hand_over(struct spool_in *in);
/* The last of it: sync, and on to the writer. */
void body_finish(struct spool_in *in);
/* All of it is dropped; the thread lets go of in when it has removed the file. */
void body_drop(struct spool_in *in);

#endif
