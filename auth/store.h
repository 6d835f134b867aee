/* SPDX-License-Identifier: MIT */
/*
 * accounts.db: the local store. One SQLite connection behind one lock, which is held for microseconds (a
 * lookup) or for one commit; the hashes are computed outside it. Every function may be called from any thread
 * but a loop's.
 *
 * A store that cannot be trusted answers STORE_BROKEN, never "no such account". It is trusted while the file
 * under its path is the one that was checked as a whole (PRAGMA integrity_check), byte for byte as far as
 * stat(2) tells: same inode, size, and times. Any other file there, or any error while reading, has it
 * checked again, with a new connection. store_tick, called about once a second, is what finds a broken store
 * good again.
 *
 * For that the main file must always have everything: each change is moved from the WAL into it right behind
 * its commit.
 */
#ifndef GP_AUTH_STORE_H
#define GP_AUTH_STORE_H

#include "auth/directory.h"
#include "auth/hash.h"

enum { OLD_PASSWORDS = 2, OLD_PASSWORDS_KEPT_S = 90 * 86400 };

struct store_row {
    char address[ADDRESS_MAX + 1]; /* local part as it was given, domain in lower case */
    char hash[HASH_TEXT_MAX];
    bool disabled;
    int64_t created_at, changed_at; /* wall seconds; changed_at: of the password */
    struct {
        char hash[HASH_TEXT_MAX];
        int64_t replaced_at;
    } old[OLD_PASSWORDS]; /* the latest first; "" behind the last one */
};

enum store_result {
    STORE_OK,
    STORE_NONE, /* no such account (or, for store_set, no longer with that hash) */
    STORE_EXISTS,
    STORE_BUSY,   /* another process keeps it locked */
    STORE_FAILED, /* this change could not be written (disk full, read-only); what was there stays good */
    STORE_BROKEN,
};

struct store;

/*
 * Opens the file at path, or makes it. Fills the directory and keeps it true from then on. NULL with a text
 * in *error.
 */
struct store *store_open(const char *path, struct directory *dir, struct buf *error);
void store_close(struct store **store);

/* Is it good as far as is known? Any thread, a loop's too. */
bool store_good(const struct store *store);
/* What is, or was last, wrong with it; with the path. Nothing when nothing was. */
void store_trouble(struct store *store, struct buf *out);
/*
 * What is to be done about once a second: notices what others did to the file, forgets passwords that are too
 * old.
 */
void store_tick(struct store *store);

/*
 * STORE_OK, STORE_NONE, STORE_BUSY or STORE_BROKEN. The row has hashes: cleanse it. account in any case, any
 * bytes.
 */
enum store_result store_find(struct store *store, struct span account, struct store_row *row_r);
/* The first account behind address in their order ("" for the first), to go through all of them. */
enum store_result store_next(struct store *store, const char *address, struct store_row *row_r);

/*
 * Changes are on disk, and in the directory, when they return STORE_OK. They wait for other processes for at
 * most 5 s.
 */
enum store_result store_add(struct store *store, const struct store_row *row);
/* Writes the whole row, if the stored one still has the hash was_hash. */
enum store_result store_set(struct store *store, const struct store_row *row, const char *was_hash);
enum store_result store_remove(struct store *store, const char *address);

#endif
