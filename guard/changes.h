/* SPDX-License-Identifier: MIT */
/*
 * What changed, in order, until someone takes it. Of fixed size: when nobody takes them in time they are all
 * dropped, and one that says so stands in their place.
 */
#ifndef GP_GUARD_CHANGES_H
#define GP_GUARD_CHANGES_H

#include "guard/guard.h"

struct changes;
struct changes *changes_make(uint32_t max);
void changes_free(struct changes **changes);
/* Nothing is kept before someone subscribed. */
void changes_subscribe(struct changes *changes, void (*wake)(void *arg), void *arg);
/* A new change of that kind, zeroed, to be filled in at once; NULL if nobody wants it. */
struct guard_change *changes_add(struct changes *changes, enum guard_change_kind kind);
size_t changes_take(struct changes *changes, struct guard_change *out_r, size_t max);
uint64_t changes_lost(const struct changes *changes);
size_t changes_bytes(const struct changes *changes);

#endif
