/* SPDX-License-Identifier: MIT */
/*
 * The cache of verified logins: spares a client that comes again within minutes the price of the hash. It
 * holds no password and no hash, only HMAC-SHA256(key, account NUL password) with a key that never leaves the
 * process. An entry is good for one version of the account (directory.h), so whatever changes the password
 * ends it at once, and for a time counted from the verification, which hits do not extend.
 */
#ifndef GP_AUTH_CACHE_H
#define GP_AUTH_CACHE_H

#include "base/base.h"

struct cache;

/* For at most max entries (> 0); the oldest go first. NULL when OpenSSL has no HMAC-SHA256. */
struct cache *cache_make(size_t max);
void cache_free(struct cache **cache);

/* Any thread. account in any case. now_ms: CLOCK_MONOTONIC. */
void cache_put(struct cache *cache, struct span account, struct span password, uint64_t version,
               uint64_t now_ms);
/* Was it verified for this version, less than lifetime_ms ago? */
bool cache_has(struct cache *cache, struct span account, struct span password, uint64_t version,
               uint64_t now_ms, uint64_t lifetime_ms);

#endif
