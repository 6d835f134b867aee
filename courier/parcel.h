/* SPDX-License-Identifier: MIT */
/* One recipient's delivery in the courier's hands. A parcel belongs to whoever has the list that it is in. */
#ifndef GP_COURIER_PARCEL_H
#define GP_COURIER_PARCEL_H

#include "courier/outcome.h"
#include "spool/spool.h"

struct parcel {
    struct parcel *next;
    struct delivery delivery;
    char *folder;           /* the Maildir; NULL otherwise */
    struct outcome outcome; /* NONE until it was tried */
    uint64_t since_ms;      /* in its queue since (clock_mono_ms) */
};

struct parcel *parcel_make(struct delivery *delivery); /* takes it over */
void parcels_free(struct parcel *list);                /* the claims stay */
size_t parcels_count(const struct parcel *list);

#endif
