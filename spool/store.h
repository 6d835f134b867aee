/* SPDX-License-Identifier: MIT */
/*
 * The folder of body files: data_dir/queue/F/ID, F one of a few hash folders. Paths and system calls only;
 * who may do what when is told in body.h and writer.h. Functions return 0 (or what is said) or -errno.
 */
#ifndef GP_SPOOL_STORE_H
#define GP_SPOOL_STORE_H

#include "spool/id.h"

struct store {
    char *root;     /* data_dir/queue */
    char *database; /* data_dir/queue.db */
};

void store_init(struct store *store, const char *data_dir);
void store_free(struct store *store);
/* Makes the folders, what is missing above them, and an empty database file, each with its name on disk. */
int store_make(const struct store *store);
/*
 * Takes the queue for this process: a second one would take bodies that are coming in for left-overs. Waits
 * up to wait_ms for another to let go. The descriptor holds the lock; -EWOULDBLOCK when another keeps it.
 */
int store_lock(const struct store *store, uint64_t wait_ms);

/* A new file for a body, not yet synced: a descriptor. */
int store_create(const struct store *store, const char *id);
/* A body for reading: a descriptor, and the file's size. */
int body_file_open(const struct store *store, const char *id, uint64_t *size_r);
/* Puts the file's name on disk. */
int store_sync_folder(const struct store *store, const char *id);
/* Nothing to be done when it fails: the next start removes what has no row. */
void body_file_remove(const struct store *store, const char *id);
/* Bytes that are free for us on the file system; UINT64_MAX when it cannot tell. */
uint64_t store_space(const struct store *store);
/* Calls file for each body file in the folders. */
int store_each(const struct store *store, void (*file)(void *arg, const char *id), void *arg);
/* Where it lies, for people. */
void store_path(const struct store *store, const char *id, struct buf *out);

#endif
