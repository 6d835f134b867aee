/* SPDX-License-Identifier: MIT */
/*
 * The accounts as loops see them: which addresses are mailboxes, whether they are disabled, and a fingerprint
 * of the present password's hash. In memory, behind a read-write lock; the store fills it and keeps it true.
 */
#ifndef GP_AUTH_DIRECTORY_H
#define GP_AUTH_DIRECTORY_H

#include "wire/wire.h"

struct directory;
struct directory_table; /* a whole new content, being collected */

struct directory_entry {
    uint64_t version; /* of the present password's hash: another password, or an account made anew, is another
                         version */
    bool disabled;
    char address[ADDRESS_MAX + 1]; /* as stored */
};

struct directory *directory_make(void);
void directory_free(struct directory **dir);

/* The version that goes with a stored hash. */
uint64_t directory_version(const struct directory *dir, const char *hash);

/*
 * Any thread. address in any case, any bytes. False and *out_r untouched when it is no account; out_r may be
 * NULL.
 */
bool directory_find(struct directory *dir, struct span address, struct directory_entry *out_r);

/* One account: added or changed; gone. */
void directory_put(struct directory *dir, const struct directory_entry *entry);
void directory_remove(struct directory *dir, const char *address);

/* All of them: collected aside, then exchanged in one step. directory_replace takes over the table. */
struct directory_table *directory_table_make(const struct directory *dir);
void directory_table_free(struct directory_table **table);
void directory_table_put(struct directory_table *table, const struct directory_entry *entry);
void directory_replace(struct directory *dir, struct directory_table **table);

#endif
