/* SPDX-License-Identifier: MIT */
/* The room's own view of struct auth: the local store with its verifiers and what they keep in memory. */
#ifndef GP_AUTH_LOCAL_H
#define GP_AUTH_LOCAL_H

#include <pthread.h>

#include "auth/auth.h"
#include "auth/cache.h"
#include "auth/directory.h"
#include "auth/hash.h"
#include "auth/pool.h"
#include "auth/store.h"

struct auth {
    struct settings_cell *cell; /* the caller's */
    struct hasher hasher;
    struct directory *directory;
    struct cache *cache;
    struct store *store;
    struct pool *pool;
    atomic_uint_fast64_t cache_hits;

    pthread_t watcher;
    bool has_watcher;
    pthread_mutex_t lock; /* guards closing */
    pthread_cond_t wake;
    bool closing;
};

/* A pool_check against the local store; ctx is the struct auth. */
void local_check(void *ctx, struct span account, const char *password, struct auth_answer *answer_r);
/* The answer, if it is in memory: a login verified lately, or a store that is known to be broken. */
bool local_recall(struct auth *auth, struct span account, struct span password, struct auth_answer *answer_r);

#endif
