/* SPDX-License-Identifier: MIT */
/*
 * The work at hand: what was claimed, in a queue for each destination; and who may work on which. Keeps the
 * limits, is fair between destinations, keeps open connections for the next message. Has its own lock; any
 * thread.
 */
#ifndef GP_COURIER_WORK_H
#define GP_COURIER_WORK_H

#include "courier/client.h"
#include "courier/parcel.h"
#include "courier/route.h"

enum { MAILDIR_BATCH = 256, MAILDIR_LANES = 4 };

struct destination; /* opaque */

/* What a worker does in one go: a batch into Maildirs, or one message over one connection. */
struct job {
    struct destination *to;
    struct route route;
    struct parcel *parcels;
    struct client
        *client;    /* an open connection to it, or NULL; whoever has the job closes it or gives it back */
    size_t count;   /* of parcels, when it was taken */
    bool connected; /* counted as an open connection */
};

struct work;
struct work *work_make(void);
void work_free(struct work **work); /* nobody may be at work; what waits is freed, connections are closed */

/*
 * Adds a parcel. False, and nothing taken: this destination is slow, its oldest parcel has waited for
 * WORK_PATIENCE_MS; more would only keep those for other destinations out.
 */
enum { WORK_PATIENCE_MS = 60000 };
bool work_add(struct work *work, const struct route *route, struct parcel *parcel, uint64_t now_ms);

/* How many jobs for one destination may be under way (Maildirs: one, or MAILDIR_LANES while whole batches
 * wait). */
void work_set_limit(struct work *work, unsigned per_destination);

enum work_result {
    WORK_JOB,
    WORK_EXPIRED /* job->client was idle for too long: close it */,
    WORK_NOTHING,
    WORK_STOPPED
};
/* Takes the next job, or waits for one at most wait_ms. */
enum work_result work_take(struct work *work, struct job *job_r, uint64_t wait_ms);
/* The job has a connection, job->client. */
void work_connected(struct work *work, struct job *job);
/* The job is over, its parcels are the caller's. job->client, if it is not NULL, is kept for the next one. */
void work_done(struct work *work, struct job *job);
/*
 * The destination could not be reached; ends the job. While other connections to it work, it gets no more
 * than those at a time from now on, and the job's parcels go back to wait: NULL. Else all that wait for it
 * share the fate: returns them, behind those of the job.
 */
struct parcel *work_unreachable(struct work *work, struct job *job);

/* From now on work_take says STOPPED, at once. */
void work_stop(struct work *work);
/* Takes out all that wait. */
struct parcel *work_drain(struct work *work);
/* Waits until no job is under way, at most wait_ms. */
bool work_wait_quiet(struct work *work, uint64_t wait_ms);
/* Waits until fewer than max parcels are waiting or in jobs, or work_stop, or wait_ms are over. Returns how
 * many there are. */
size_t work_wait_room(struct work *work, size_t max, uint64_t wait_ms);
/* Whether a job could be taken and no thread is waiting for one. */
bool work_is_short_of_hands(struct work *work);

struct work_counts {
    size_t waiting, jobs, idle_clients;
};
void work_counts(struct work *work, struct work_counts *out_r);

#endif
