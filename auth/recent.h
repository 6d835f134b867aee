/* SPDX-License-Identifier: MIT */
/*
 * Which accounts logged in from where lately: fingerprints of (network, account) with the time of the last
 * good login. Of fixed size; where it is full the oldest mark in the way is overwritten. Its only use is
 * order: a mark lost costs a wait, no login.
 */
#ifndef GP_AUTH_RECENT_H
#define GP_AUTH_RECENT_H

#include "base/base.h"

/*
 * One client as the queue sees it: an IPv4 address, or the /64 of an IPv6 one (its owner picks addresses
 * freely within it).
 */
struct network {
    uint8_t bytes[17]; /* family, then the bytes that count; the rest 0 */
};
struct network network_of(const struct addr *from);

struct recent;
struct recent *recent_make(void);
void recent_free(struct recent **recent);
/* The caller keeps calls apart. now_ms: CLOCK_MONOTONIC. account in any case. */
void recent_mark(struct recent *recent, const struct network *from, struct span account, uint64_t now_ms);
bool recent_has(const struct recent *recent, const struct network *from, struct span account,
                uint64_t now_ms);

#endif
