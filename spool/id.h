/* SPDX-License-Identifier: MIT */
/*
 * Queue ids: "xxxxxx-xxxxxx-xx", digits of base 62 in the order 0-9 A-Z a-z, so that they sort by time and
 * Exim's tools read them. First group: seconds since 1970; second: a counter that begins anywhere; third: the
 * fraction of the second.
 */
#ifndef GP_SPOOL_ID_H
#define GP_SPOOL_ID_H

#include <stdatomic.h>

#include "spool/spool.h"

struct id_maker {
    _Atomic uint64_t counter;
};

/* Begins at a random number, so that a restart within the same second repeats nothing. */
void id_maker_init(struct id_maker *maker);
/* Any thread. Two calls on one maker never give the same id; two makers do with a chance of one in 62^6 at
 * most. */
void id_make(struct id_maker *maker, char out[QUEUE_ID_MAX]);
/* Has text the shape of a queue id? */
bool id_valid(const char *text);
/* The hash folder of a valid id: 0 to ID_FOLDERS - 1, spread evenly over ids that follow each other. */
#define ID_FOLDERS 16
unsigned id_folder(const char *id);

#endif
