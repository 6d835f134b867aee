/* SPDX-License-Identifier: MIT */
/* Does a job: delivers its parcels, and has it recorded what became of them. */
#ifndef GP_COURIER_DELIVER_H
#define GP_COURIER_DELIVER_H

#include "courier/record.h"

struct relay_password; /* the password for relay.user: given by the keeper, or read from its file */
struct relay_password *relay_password_make(void);
void relay_password_free(struct relay_password **password);
void relay_password_set(struct relay_password *password, struct span text);
/* Appends it to out (cleanse that). When none was set: the first line of the file at path, nothing when that
 * cannot be read. */
void relay_password_get(struct relay_password *password, const char *path, struct buf *out);

struct deliver {
    struct record *record;
    struct work *work;
    struct settings_cell *cell;
    struct relay_password *password;
    int cancel_fd;      /* readable: break off */
    int64_t started_at; /* wall seconds: what was queued before may have been delivered before */
};

/* Ends the job. */
void deliver_job(struct deliver *deliver, struct job *job);

#endif
