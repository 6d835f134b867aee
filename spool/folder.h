/* SPDX-License-Identifier: MIT */
/*
 * The folder of body files: data_dir/queue/F/ID, F one of a few hash folders. Paths and system calls only;
 * who may do what when is told in body.h and writer.h. Functions return 0 (or what is said) or -errno.
 */
#ifndef GP_SPOOL_FOLDER_H
#define GP_SPOOL_FOLDER_H

#include "spool/id.h"

struct folder {
    char *root;     /* data_dir/queue */
    char *database; /* data_dir/queue.db */
};

void folder_init(struct folder *folder, const char *data_dir);
void folder_free(struct folder *folder);
/* Makes the folders, what is missing above them, and an empty database file, each with its name on disk. */
int folder_make(const struct folder *folder);
/*
 * Takes the queue for this process: a second one would take bodies that are coming in for left-overs. Waits
 * up to wait_ms for another to let go. The descriptor holds the lock; -EWOULDBLOCK when another keeps it.
 */
int folder_lock(const struct folder *folder, uint64_t wait_ms);

/* A new file for a body, not yet synced: a descriptor. */
int folder_create(const struct folder *folder, const char *id);
/* A body for reading: a descriptor, and the file's size. */
int folder_open(const struct folder *folder, const char *id, uint64_t *size_r);
/* Puts the file's name on disk. */
int folder_sync(const struct folder *folder, const char *id);
/* Nothing to be done when it fails: the next start removes what has no row. */
void folder_remove(const struct folder *folder, const char *id);
/* Bytes that are free for us on the file system; UINT64_MAX when it cannot tell. */
uint64_t folder_space(const struct folder *folder);
/* Calls file for each body file in the folders. */
int folder_each(const struct folder *folder, void (*file)(void *arg, const char *id), void *arg);
/* Where it lies, for people. */
void folder_path(const struct folder *folder, const char *id, struct buf *out);

#endif
