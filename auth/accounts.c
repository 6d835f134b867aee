/* SPDX-License-Identifier: MIT */
/*
 * The accounts themselves: add, change the password, disable, remove, list. Hashes are computed here outside
 * the store's lock; a row that somebody else changed meanwhile is read again.
 */
#include "auth/local.h"

enum { ATTEMPTS = 5 };

static enum account_result refuse(struct buf *why, enum account_result result, const char *subject,
                                  const char *what)
{
    buf_printf(why, "%s%s", subject, what);
    return result;
}

/* What a store's answer is to people. */
static enum account_result result_of(struct auth *auth, enum store_result result, const char *address,
                                     struct buf *why)
{
    switch (result) {
    case STORE_OK: return ACCOUNT_OK;
    case STORE_NONE: return refuse(why, ACCOUNT_UNKNOWN, address, ": no such account");
    case STORE_EXISTS: return refuse(why, ACCOUNT_EXISTS, address, ": there is such an account already");
    case STORE_BUSY: return refuse(why, ACCOUNT_STORE, "", "the accounts are locked by another process");
    case STORE_FAILED:
    case STORE_BROKEN: break;
    }
    struct buf trouble = BUF_INIT(8192);
    store_trouble(auth->store, &trouble);
    buf_printf(why, "the accounts cannot be %s%s%s", result == STORE_FAILED ? "changed" : "used",
               trouble.len > 0 ? ": " : "", buf_str(&trouble));
    buf_free(&trouble);
    return ACCOUNT_STORE;
}

static enum account_result check_password(struct span password, struct buf *why)
{
    if (password.n == 0)
        return refuse(why, ACCOUNT_BAD_PASSWORD, "", "the password is empty");
    if (password.n > PASSWORD_MAX) {
        buf_printf(why, "the password is too long (at most %d bytes)", PASSWORD_MAX);
        return ACCOUNT_BAD_PASSWORD;
    }
    if (span_contains(password, '\0') || span_contains(password, '\r') || span_contains(password, '\n'))
        return refuse(why, ACCOUNT_BAD_PASSWORD, "", "the password contains a line end or a NUL byte");
    return ACCOUNT_OK;
}

/* A checked password as a C string for libcrypt. */
static void copy_password(struct span password, char out[PASSWORD_MAX + 1])
{
    memcpy(out, password.p, password.n);
    out[password.n] = '\0';
}

/* ---- adding ---- */

static enum account_result add_row(struct auth *auth, struct store_row *row, const char *password,
                                   struct buf *why)
{
    if (!hash_make(&auth->hasher, password, row->hash))
        return refuse(why, ACCOUNT_STORE, "", "libcrypt cannot hash the password");
    row->created_at = row->changed_at = clock_wall();
    return result_of(auth, store_add(auth->store, row), row->address, why);
}

enum account_result account_add(struct auth *auth, const char *address, struct span password, struct buf *why)
{
    struct address parsed;
    const char *wrong = "";
    if (!address_parse(span_of(address), &parsed, &wrong)) {
        buf_printf(why, "%s: not an address: %s", address, wrong);
        return ACCOUNT_BAD_ADDRESS;
    }
    enum account_result result = check_password(password, why);
    if (result != ACCOUNT_OK)
        return result;
    address_fold_domain(&parsed);
    struct store_row row = {.disabled = false};
    snprintf(row.address, sizeof row.address, "%s", parsed.text);
    char copy[PASSWORD_MAX + 1];
    copy_password(password, copy);
    result = add_row(auth, &row, copy, why);
    explicit_bzero(copy, sizeof copy);
    explicit_bzero(&row, sizeof row);
    return result;
}

/* ---- changing the password ---- */

/*
 * The hashes that stay: the present one and its predecessors, the latest first, but none of the password that
 * comes now.
 */
static void keep_old(struct auth *auth, const struct store_row *was, struct store_row *row,
                     const char *password)
{
    int64_t now = clock_wall(), oldest = now - OLD_PASSWORDS_KEPT_S;
    memset(row->old, 0, sizeof row->old);
    memcpy(row->old[0].hash, was->hash, sizeof was->hash);
    row->old[0].replaced_at = now;
    size_t n = 1;
    for (size_t i = 0; i < OLD_PASSWORDS && n < OLD_PASSWORDS; i++) {
        if (was->old[i].hash[0] != '\0' && was->old[i].replaced_at >= oldest &&
            hash_check(&auth->hasher, was->old[i].hash, password) != HASH_MATCH)
            row->old[n++] = was->old[i];
    }
    row->changed_at = now;
}

/*
 * The same password again is hashed anew (it may have been kept by an older method), and nothing else
 * changes.
 */
static enum store_result set_password(struct auth *auth, const struct store_row *was, const char *password)
{
    struct store_row row = *was;
    enum store_result result = STORE_FAILED;
    if (hash_check(&auth->hasher, was->hash, password) != HASH_MATCH)
        keep_old(auth, was, &row, password);
    if (hash_make(&auth->hasher, password, row.hash))
        result = store_set(auth->store, &row, was->hash);
    explicit_bzero(&row, sizeof row);
    return result;
}

typedef enum store_result row_change(struct auth *auth, const struct store_row *was, void *arg);

/* One change of a row: reads it, changes it, and does it again when somebody else was faster. */
static enum account_result change_row(struct auth *auth, const char *address, struct buf *why,
                                      row_change *change, void *arg)
{
    struct store_row was;
    enum store_result result = STORE_BUSY;
    for (int i = 0; i < ATTEMPTS && result == STORE_BUSY; i++) {
        result = store_find(auth->store, span_of(address), &was);
        if (result == STORE_OK && (result = change(auth, &was, arg)) == STORE_NONE)
            result = STORE_BUSY; /* no longer that row */
    }
    explicit_bzero(&was, sizeof was);
    return result_of(auth, result, address, why);
}

static enum store_result change_password(struct auth *auth, const struct store_row *was, void *arg)
{
    return set_password(auth, was, arg);
}

enum account_result account_password(struct auth *auth, const char *address, struct span password,
                                     struct buf *why)
{
    enum account_result result = check_password(password, why);
    if (result != ACCOUNT_OK)
        return result;
    char copy[PASSWORD_MAX + 1];
    copy_password(password, copy);
    result = change_row(auth, address, why, change_password, copy);
    explicit_bzero(copy, sizeof copy);
    return result;
}

/* ---- the rest ---- */

static enum store_result change_disabled(struct auth *auth, const struct store_row *was, void *arg)
{
    bool disabled = *(const bool *)arg;
    if (disabled == was->disabled)
        return STORE_OK;
    struct store_row row = *was;
    row.disabled = disabled;
    enum store_result result = store_set(auth->store, &row, was->hash);
    explicit_bzero(&row, sizeof row);
    return result;
}

enum account_result account_disable(struct auth *auth, const char *address, bool disabled, struct buf *why)
{
    return change_row(auth, address, why, change_disabled, &disabled);
}

enum account_result account_remove(struct auth *auth, const char *address, struct buf *why)
{
    return result_of(auth, store_remove(auth->store, address), address, why);
}

static unsigned old_passwords(const struct store_row *row)
{
    int64_t oldest = clock_wall() - OLD_PASSWORDS_KEPT_S;
    unsigned n = 0;
    for (size_t i = 0; i < OLD_PASSWORDS; i++)
        n += row->old[i].hash[0] != '\0' && row->old[i].replaced_at >= oldest;
    return n;
}

enum account_result account_each(struct auth *auth, void (*each)(void *arg, const struct account_row *row),
                                 void *arg, struct buf *why)
{
    char after[ADDRESS_MAX + 1] = "";
    struct store_row row;
    enum store_result result;
    while ((result = store_next(auth->store, after, &row)) == STORE_OK) {
        memcpy(after, row.address, sizeof after);
        struct account_row shown = {row.address, row.disabled, row.created_at, row.changed_at,
                                    old_passwords(&row)};
        each(arg, &shown);
    }
    explicit_bzero(&row, sizeof row);
    return result == STORE_NONE ? ACCOUNT_OK : result_of(auth, result, "", why);
}
