/* SPDX-License-Identifier: MIT */
/*
 * The room's door: opening and closing, a check's way to memory or to the verifiers, the watcher of the
 * store.
 */
#include "auth/auth.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "auth/local.h"
#include "auth/thread.h"

enum { CACHE_ENTRIES = 100000, WATCH_EVERY_S = 1 };

/* ---- the watcher: one thread, looks after the store once a second, since it is not ours alone ---- */

static bool wait_closing(struct auth *auth)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WATCH_EVERY_S;
    pthread_mutex_lock(&auth->lock);
    int r = 0;
    while (!auth->closing && r != ETIMEDOUT)
        r = pthread_cond_clockwait(&auth->wake, &auth->lock, CLOCK_MONOTONIC, &until);
    bool closing = auth->closing;
    pthread_mutex_unlock(&auth->lock);
    return closing;
}

static void *watcher_main(void *arg)
{
    struct auth *auth = arg;
    while (!wait_closing(auth))
        store_tick(auth->store);
    return NULL;
}

static void stop_watcher(struct auth *auth)
{
    pthread_mutex_lock(&auth->lock);
    auth->closing = true;
    pthread_cond_signal(&auth->wake);
    pthread_mutex_unlock(&auth->lock);
    if (auth->has_watcher)
        pthread_join(auth->watcher, NULL);
}

/* ---- opening and closing ---- */

static unsigned verifiers_wanted(const struct settings *settings)
{
    cpu_set_t cpus; /* those that this process may use */
    int cores = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
    if (settings->auth_verifiers > 0)
        return (unsigned)settings->auth_verifiers;
    return cores > 1 ? (unsigned)cores - 1 : 1;
}

static bool open_store(struct auth *auth, const char *data_dir, struct buf *error)
{
    struct buf path = BUF_INIT(4096);
    int r = dir_make(data_dir, 0700);
    if (r != 0)
        buf_printf(error, "cannot make %s: %s", data_dir, strerror(-r));
    else if (!buf_printf(&path, "%s/accounts.db", data_dir))
        buf_add_str(error, "data_dir is too long");
    else
        auth->store = store_open(buf_str(&path), auth->directory, error);
    buf_free(&path);
    return auth->store != NULL;
}

static bool open_parts(struct auth *auth, const struct settings *settings, struct buf *error)
{
    auth->directory = directory_make();
    auth->cache = cache_make(CACHE_ENTRIES);
    if (auth->cache == NULL || !hasher_init(&auth->hasher)) {
        buf_add_str(error, auth->cache == NULL ? "OpenSSL has no HMAC-SHA256"
                                               : "libcrypt cannot make yescrypt hashes");
        return false;
    }
    if (!open_store(auth, settings->data_dir, error))
        return false;
    auth->pool = pool_make(verifiers_wanted(settings), local_check, auth, error);
    if (auth->pool == NULL)
        return false;
    int r = thread_start(&auth->watcher, "accounts", watcher_main, auth);
    auth->has_watcher = r == 0;
    if (r != 0)
        buf_printf(error, "cannot start a thread for the accounts: %s", strerror(-r));
    return r == 0;
}

struct auth *auth_open(struct settings_cell *cell, struct buf *error)
{
    struct auth *auth = xcalloc(1, sizeof *auth);
    auth->cell = cell;
    atomic_init(&auth->cache_hits, 0);
    pthread_mutex_init(&auth->lock, NULL);
    pthread_cond_init(&auth->wake, NULL);
    const struct settings *settings = settings_cell_get(cell);
    if (!open_parts(auth, settings, error))
        auth_close(&auth);
    settings_release(&settings);
    return auth;
}

void auth_close(struct auth **auth)
{
    struct auth *a = *auth;
    if (a == NULL)
        return;
    *auth = NULL;
    stop_watcher(a);
    pool_close(&a->pool);
    store_close(&a->store);
    cache_free(&a->cache);
    directory_free(&a->directory);
    pthread_cond_destroy(&a->wake);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

/* ---- questions ---- */

static uint64_t queue_limit(struct auth *auth)
{
    const struct settings *settings = settings_cell_get(auth->cell);
    uint64_t limit = settings->limit_auth_queue;
    settings_release(&settings);
    return limit;
}

struct auth_ticket *auth_check(struct auth *auth, struct loop *loop, const struct addr *from,
                               struct span account, struct span password,
                               void (*done)(void *arg, const struct auth_answer *answer), void *arg)
{
    struct auth_answer answer = {.verdict = AUTH_BUSY};
    if (!local_recall(auth, account, password, &answer)) {
        struct pool_order order = {loop, from, account, password, done, arg};
        struct auth_ticket *ticket = pool_submit(auth->pool, &order, queue_limit(auth));
        if (ticket != NULL)
            return ticket;
    }
    done(arg, &answer);
    return NULL;
}

enum auth_mailbox auth_mailbox(struct auth *auth, const char *address)
{
    struct directory_entry entry;
    if (!directory_find(auth->directory, span_of(address), &entry))
        return store_good(auth->store) ? MAILBOX_NONE : MAILBOX_UNSURE;
    return entry.disabled ? MAILBOX_DISABLED : MAILBOX_ACTIVE;
}

bool auth_store_good(struct auth *auth, struct buf *why)
{
    bool good = store_good(auth->store);
    if (!good)
        store_trouble(auth->store, why);
    return good;
}

void auth_stats(struct auth *auth, struct auth_stats *out_r)
{
    *out_r = (struct auth_stats){.hashes = atomic_load(&auth->hasher.count),
                                 .cache_hits = atomic_load(&auth->cache_hits)};
    pool_stats(auth->pool, out_r);
}
