/* SPDX-License-Identifier: MIT */
/*
 * What good logins taught: from which addresses an account logged in, and prints of the passwords that were
 * right for it. Accounts and places (addresses as the guard counts them) are prints. Per account and in all
 * bounded; the oldest gives way, an account's own first, so that a stolen one cannot wash out the others.
 */
#ifndef GP_GUARD_MEMORY_H
#define GP_GUARD_MEMORY_H

#include "guard/key.h"
#include "guard/passwords.h"

enum { MEMORY_STORE_EVERY = 900 }; /* seconds between two notices to the store about one login */

struct memory;
struct memory *memory_make(uint32_t accounts, uint32_t logins);
void memory_free(struct memory **memory);

/*
 * A good login: what is known of its password in *used (print, pwhash; first and last are `now`, or those of
 * an earlier process). True when the store should hear of it: then *used is what is now remembered.
 */
bool memory_login(struct memory *memory, uint64_t account, uint64_t place, struct password *used,
                  uint32_t now);
/* Either of them alone, from a store. */
void memory_put_place(struct memory *memory, uint64_t account, uint64_t place, uint32_t last);
void memory_put_password(struct memory *memory, uint64_t account, const struct password *password);

/* Did account log in from place after that second? */
bool memory_knows(const struct memory *memory, uint64_t account, uint64_t place, uint32_t after);
/* Who logged in from there after that second: this account alone, or (also) another one? */
enum memory_who { MEMORY_NOBODY, MEMORY_SAME, MEMORY_OTHER };
enum memory_who memory_who(const struct memory *memory, uint64_t account, uint64_t place, uint32_t after);
void memory_prefetch(const struct memory *memory, uint64_t account, uint64_t place, enum key_look look);

/* Was this password right for the account? As passwords_have. */
bool memory_password(const struct memory *memory, uint64_t account, const struct password *tried,
                     uint32_t now, bool *surely_r, uint32_t *replaced_r);

struct memory_size {
    size_t bytes;
    uint32_t accounts, logins;
};
struct memory_size memory_size(const struct memory *memory);

#endif
