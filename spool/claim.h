/* SPDX-License-Identifier: MIT */
/*
 * What couriers work on, known in memory only, and the wait for what is due. A recipient is in the set while
 * a courier has it (claimed), or while it was given back for a time (parked). The set has its own lock, which
 * is held for moments only.
 */
#ifndef GP_SPOOL_CLAIM_H
#define GP_SPOOL_CLAIM_H

#include <pthread.h>

#include "spool/spool.h"

struct claim {
    int64_t key;   /* 0: empty place */
    int64_t until; /* CLAIM_HELD, CLAIM_ENDED, or the wall second until which it is parked */
};
#define CLAIM_HELD  INT64_MAX
#define CLAIM_ENDED INT64_MIN

struct claims {
    pthread_mutex_t lock; /* guards all of it */
    pthread_cond_t wake;
    struct claim *places; /* open addressing, at most half full */
    size_t size, used;    /* size: a power of two */
    size_t held;
    int64_t parked_next; /* nothing parked is due before */
    /*
     * A scan reads the queue as it was when the scan began. A claim that ends meanwhile must stay in its way:
     * the scan still sees the recipient as due. So it is only marked, and leaves the set when the scan ends.
     */
    bool scanning;
    size_t ended;
    bool blocked; /* the queue cannot be written: nothing is given out */
    bool maybe_due;
    int64_t next_due; /* nothing in the queue is due before, unless maybe_due */
    uint64_t pokes;   /* spool_wake, counted */
    uint64_t pokes_seen;
};

void claims_init(struct claims *claims);
void claims_free(struct claims *claims);

/* Scans: one at a time (the reader's lock sees to it). False when nothing may be given out. */
bool claims_scan_begin(struct claims *claims, int64_t now);
/* Is the key taken or parked? */
bool claims_taken(struct claims *claims, int64_t key);
/* Takes it; false when it is. */
bool claims_take(struct claims *claims, int64_t key);
/* more: the scan stopped before the end. next_due: what will be due first, as the scan saw it (INT64_MAX:
 * nothing). */
void claims_scan_end(struct claims *claims, bool more, int64_t next_due);

/* Is a courier working on it? */
bool claims_has(struct claims *claims, int64_t key);
/* The claim is over; parked_until > now keeps it out of scans until then. */
void claims_end(struct claims *claims, int64_t key, int64_t now, int64_t parked_until);
/* Nothing is parked any more. */
void claims_unpark(struct claims *claims);
void claims_block(struct claims *claims, bool blocked);
/* Something in the queue becomes due at the time (0: now). */
void claims_due(struct claims *claims, int64_t at);
void claims_poke(struct claims *claims);
/* Until something may be due, a poke, or timeout_ms. */
void claims_wait(struct claims *claims, uint64_t timeout_ms);

#endif
