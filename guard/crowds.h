/* SPDX-License-Identifier: MIT */
/*
 * Crowds: how many different members a name gathered within a time. Addresses that fail on one account are
 * one, accounts that fail with one password another. Of each crowd the members seen last are kept, one more
 * than the limit: so whether there are more than the limit is exact. Where a table is full, the smallest
 * crowd gives way.
 */
#ifndef GP_GUARD_CROWDS_H
#define GP_GUARD_CROWDS_H

#include "guard/key.h"

struct crowds;
/* Crowds of up to limit + 1 members each, as many as have space for that many members in all. */
struct crowds *crowds_make(uint32_t members, uint32_t limit);
void crowds_free(struct crowds **crowds);

/* Names (never 0) and members are prints. now: seconds, never going back. Members at or before `until` do not
 * count. */
void crowds_add(struct crowds *crowds, uint64_t name, uint64_t member, uint32_t now, uint32_t until);
/* Members of a name, `except` aside; never more than limit + 1. */
uint32_t crowds_others(const struct crowds *crowds, uint64_t name, uint64_t except, uint32_t until);
void crowds_prefetch(const struct crowds *crowds, uint64_t name, enum key_look look);
size_t crowds_bytes(const struct crowds *crowds);

#endif
