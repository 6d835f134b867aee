/* SPDX-License-Identifier: MIT */
/* Writes down what became of deliveries: in the queue, with bounces where they are due, and in the journal.
 */
#ifndef GP_COURIER_RECORD_H
#define GP_COURIER_RECORD_H

#include <stdatomic.h>

#include "courier/work.h"
#include "journal/journal.h"

struct record {
    struct spool *spool;
    struct journal *journal;
    const char *hostname;
    atomic_uint_fast64_t delivered, deferred, failed, bounces;
};

/* What the parcels of one job have in common. */
struct attempt {
    enum route_kind kind;
    const char *host; /* the other server's name, "" when there is none */
    const char *name; /* "HOST [ADDRESS]:PORT", or the socket's path; "" when there is none */
    const char *tls;  /* as in the log; "" without */
};

/*
 * Settles the parcels (in any order) and frees them. NONE is released; DEFERRED waits by the settings'
 * schedule, or, past queue.lifetime, becomes FAILED; what FAILED gives one bounce for each message, in the
 * same transaction, unless its sender is null. May block on the disk.
 */
void record_parcels(struct record *record, const struct settings *settings, const struct attempt *attempt,
                    struct parcel *list);

#endif
