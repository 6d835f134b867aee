/* SPDX-License-Identifier: MIT */
/* Password hashes: libcrypt behind three questions, everything that held a password or a hash cleansed. */
#include "auth/hash.h"

#include <assert.h>
#include <crypt.h>
#include <stdlib.h>

static_assert(HASH_TEXT_MAX >= CRYPT_OUTPUT_SIZE, "room for every hash");
static_assert(HASH_SALT_MAX >= CRYPT_GENSALT_OUTPUT_SIZE, "room for every setting");
static_assert(PASSWORD_MAX < CRYPT_MAX_PASSPHRASE_SIZE, "no longer than libcrypt takes");

/* A setting with a new salt from the kernel and libcrypt's present cost. */
static bool new_setting(char out[HASH_SALT_MAX])
{
    return crypt_gensalt_rn("$y$", 0, NULL, 0, out, HASH_SALT_MAX) != NULL;
}

bool hasher_init(struct hasher *hasher)
{
    atomic_init(&hasher->count, 0);
    return new_setting(hasher->idle_setting);
}

static bool compute(struct hasher *hasher, const char *password, const char *setting, char out[HASH_TEXT_MAX])
{
    struct crypt_data *data = xcalloc(1, sizeof *data);
    const char *hash = crypt_rn(password, setting, data, sizeof *data);
    atomic_fetch_add_explicit(&hasher->count, 1, memory_order_relaxed);
    bool ok = hash != NULL && strlen(hash) < HASH_TEXT_MAX;
    if (ok)
        memcpy(out, hash, strlen(hash) + 1);
    explicit_bzero(data, sizeof *data);
    free(data);
    return ok;
}

/* Looks at every byte of both, whatever the first ones are. */
static bool equal_constant_time(const char *a, const char *b)
{
    size_t n = strlen(a);
    if (n != strlen(b)) /* the length tells the kind of hash, nothing of the password */
        return false;
    volatile unsigned char differ = 0;
    for (size_t i = 0; i < n; i++)
        differ = (unsigned char)(differ | (unsigned char)(a[i] ^ b[i]));
    return differ == 0;
}

void hash_spend(struct hasher *hasher, const char *password)
{
    char out[HASH_TEXT_MAX];
    compute(hasher, password != NULL ? password : "", hasher->idle_setting, out);
    explicit_bzero(out, sizeof out);
}

enum hash_result hash_check(struct hasher *hasher, const char *hash, const char *password)
{
    if (password == NULL || hash[0] == '!' || hash[0] == '*') {
        hash_spend(hasher, password);
        return HASH_DIFFERENT;
    }
    char out[HASH_TEXT_MAX];
    enum hash_result result = HASH_UNUSABLE;
    if (compute(hasher, password, hash, out))
        result = equal_constant_time(out, hash) ? HASH_MATCH : HASH_DIFFERENT;
    explicit_bzero(out, sizeof out);
    return result;
}

bool hash_make(struct hasher *hasher, const char *password, char out[HASH_TEXT_MAX])
{
    char setting[HASH_SALT_MAX];
    return new_setting(setting) && compute(hasher, password, setting, out);
}
