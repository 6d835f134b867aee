/* SPDX-License-Identifier: MIT */
/*
 * A login against the local store. A broken store answers AUTH_UNAVAILABLE for every login, verified lately
 * or not: whoever took the file away, or put another one there, may have meant just those logins.
 */
#include "auth/local.h"

static uint64_t cache_lifetime_ms(struct auth *auth)
{
    const struct settings *settings = settings_cell_get(auth->cell);
    uint64_t seconds = settings->auth_cache;
    settings_release(&settings);
    return seconds * 1000;
}

static void fill_known(struct auth_answer *answer, const char *account, enum auth_verdict verdict)
{
    answer->account_exists = true;
    snprintf(answer->account, sizeof answer->account, "%s", account);
    answer->verdict = verdict;
}

bool local_recall(struct auth *auth, struct span account, struct span password, struct auth_answer *answer_r)
{
    if (!store_good(auth->store)) {
        answer_r->verdict = AUTH_UNAVAILABLE;
        return true;
    }
    struct directory_entry entry;
    uint64_t lifetime = cache_lifetime_ms(auth);
    if (lifetime == 0 || !directory_find(auth->directory, account, &entry) ||
        !cache_has(auth->cache, account, password, entry.version, clock_mono_ms(), lifetime))
        return false;
    atomic_fetch_add_explicit(&auth->cache_hits, 1, memory_order_relaxed);
    fill_known(answer_r, entry.address, entry.disabled ? AUTH_DISABLED : AUTH_OK);
    return true;
}

/* Was it the password before, and not longer ago than such are kept? */
static bool is_stale(struct auth *auth, const struct store_row *row, const char *password)
{
    int64_t oldest = clock_wall() - OLD_PASSWORDS_KEPT_S;
    for (size_t i = 0; i < OLD_PASSWORDS; i++) {
        if (row->old[i].hash[0] != '\0' && row->old[i].replaced_at >= oldest &&
            hash_check(&auth->hasher, row->old[i].hash, password) == HASH_MATCH)
            return true;
    }
    return false;
}

static void judge(struct auth *auth, const struct store_row *row, const char *password,
                  struct auth_answer *answer_r)
{
    switch (hash_check(&auth->hasher, row->hash, password)) {
    case HASH_MATCH:
        fill_known(answer_r, row->address, row->disabled ? AUTH_DISABLED : AUTH_OK);
        if (cache_lifetime_ms(auth) > 0)
            cache_put(auth->cache, span_of(row->address), span_of(password),
                      directory_version(auth->directory, row->hash), clock_mono_ms());
        break;
    case HASH_DIFFERENT:
        fill_known(answer_r, row->address, is_stale(auth, row, password) ? AUTH_STALE : AUTH_WRONG);
        answer_r->changed_at = answer_r->verdict == AUTH_STALE ? row->changed_at : 0;
        break;
    case HASH_UNUSABLE: fill_known(answer_r, row->address, AUTH_UNAVAILABLE); break;
    }
}

void local_check(void *ctx, struct span account, const char *password, struct auth_answer *answer_r)
{
    struct auth *auth = ctx;
    struct store_row row;
    switch (store_find(auth->store, account, &row)) {
    case STORE_OK: judge(auth, &row, password, answer_r); break;
    case STORE_NONE:
        hash_spend(&auth->hasher, password);
        answer_r->verdict = AUTH_WRONG;
        break;
    default: answer_r->verdict = AUTH_UNAVAILABLE; break;
    }
    explicit_bzero(&row, sizeof row);
}
