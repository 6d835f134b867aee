/* SPDX-License-Identifier: MIT */
/*
 * Password hashes by crypt(3): yescrypt for new ones, whatever libcrypt knows for those that are there. Slow
 * by intent (milliseconds), so never on a loop's thread.
 */
#ifndef GP_AUTH_HASH_H
#define GP_AUTH_HASH_H

#include <stdatomic.h>

#include "base/base.h"

enum {
    HASH_TEXT_MAX = 384, /* a hash with its NUL, as crypt(3) promises */
    HASH_SALT_MAX = 192, /* a setting for crypt(3) with its NUL */
    PASSWORD_MAX = 511,  /* bytes; libcrypt takes no more */
};

struct hasher {
    char idle_setting[HASH_SALT_MAX]; /* what is hashed with when there is no account to compare with */
    atomic_uint_fast64_t count;       /* hashes computed */
};

/* False when libcrypt cannot make yescrypt settings. */
bool hasher_init(struct hasher *hasher);

enum hash_result {
    HASH_MATCH,
    HASH_DIFFERENT,
    HASH_UNUSABLE, /* libcrypt does not know this hash, or had no memory: says nothing about the password */
};
/*
 * Compares in constant time. password NULL stands for bytes that can be nobody's password (too long, a NUL
 * inside): it costs as much as one, and is DIFFERENT. A hash that begins with '!' or '*' matches nothing, as
 * in shadow(5).
 */
enum hash_result hash_check(struct hasher *hasher, const char *hash, const char *password);
/* Spends the time of one hash, for accounts that do not exist. */
void hash_spend(struct hasher *hasher, const char *password);
/* Hashes a new password with a new salt. False when libcrypt fails. */
bool hash_make(struct hasher *hasher, const char *password, char out[HASH_TEXT_MAX]);

#endif
