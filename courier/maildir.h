/* SPDX-License-Identifier: MIT */
/*
 * Delivery into Maildirs, many messages at a time: all files are written and synced in tmp/, renamed to new/,
 * and each new/ is synced once for the batch. A message that was reported as delivered is on disk, name and
 * all.
 *
 * A file's name is made from queue id and recipient, so that a second delivery of the same message is
 * recognised.
 */
#ifndef GP_COURIER_MAILDIR_H
#define GP_COURIER_MAILDIR_H

#include "courier/outcome.h"
#include "spool/spool.h"

struct maildir_item {
    const char *folder; /* path of the Maildir; made if missing, mode 0700 */
    const struct delivery *delivery;
    /*
     * It may have been delivered before: look into new/ and cur/ first. (new/ always shows it, as the rename
     * does not overwrite; but a mail program moves messages to cur/, and reading that for each message would
     * cost too much.)
     */
    bool look;
    struct outcome *outcome; /* out: DELIVERED or DEFERRED */
};

/* Delivers all; may block on the disk. hostname ends the names. */
void maildir_deliver(struct spool *spool, const char *hostname, struct maildir_item *items, size_t n);

enum { MAILDIR_NAME_MAX = 256 };
/* The name in new/: "1795553872.xxxxxx-xxxxxx-xx.0123456789abcdef01234567.mail.example.com". */
void maildir_name(const struct delivery *delivery, const char *hostname, char out[MAILDIR_NAME_MAX]);

#endif
