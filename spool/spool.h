/* SPDX-License-Identifier: MIT */
// clang-format off
/*
 * spool: what was accepted. SQLite (WAL, synchronous=FULL) written by one thread that commits all that is ready in one
 * transaction; small bodies in the database, larger ones in files that a few body threads write as they arrive. Nothing
 * is acknowledged before its commit, and with it its body, is on disk.
 *
 * The legal states of a message, and what a crash there leaves:
 *
 *   state      database         body file               after a crash
 *   incoming   no row           may exist, any part     the file is removed at the next start; the client was not answered
 *                                                       and sends again
 *   queued     message row,     whole and synced, or    delivery goes on
 *              recipient rows   inline in the row
 *   settled    recipient rows   may still exist         nothing is lost: rows go in the commit, the file after it; a file
 *              and row gone                             without row is removed at the next start
 *   damaged    message row,     missing or cut (not     found at the next start: its recipients are held, with a text that
 *              recipient rows   by us: a broken disk)   says why, and the report of spool_open names it
 *
 * A recipient is due (next_at <= now), waiting (next_at > now) or held; while a courier works on it, it is claimed, which is
 * known in memory only: after a crash it is due again, and the courier finds out what it had done before (Maildir file
 * names come from queue id and recipient).
 *
 * When the disk is full, or the database is lost (read-only, I/O errors, damaged), mail is refused and nothing is claimed; all
 * goes on by itself when the cause is gone. A lost database is closed, so that its file system can be unmounted and mended.
 */
// clang-format on
#ifndef GP_SPOOL_H
#define GP_SPOOL_H

#include "base/base.h"
#include "net/loop.h"
#include "settings/settings.h"

struct spool;
#define QUEUE_ID_MAX 20 /* "xxxxxx-xxxxxx-xx" and NUL */

/*
 * Opens (or makes) queue.db and the folder of body files in data_dir, cleans up what a crash left, starts the
 * threads. One process at a time: waits a few seconds for another to let go. NULL with a text in *error;
 * otherwise *error may hold warnings, a line each (damaged messages).
 */
struct spool *spool_open(struct settings_cell *cell, struct buf *error);
/* Commits what was handed over, then ends. Nothing may come in any more; the loops of messages whose done is
   to be called must still be there (stop them afterwards). */
void spool_close(struct spool **spool);

/* ---- coming in: from one loop, never blocks ---- */
struct envelope {
    const char *sender;            /* "" for the null sender */
    const char *const *recipients; /* addresses, folded, without duplicates */
    size_t recipient_count;
    const char *account; /* who logged in, or "" */
    const char *client;  /* for people: "H=(laptop) [192.0.2.7]:37803" */
    bool eight_bit;      /* BODY=8BITMIME was said */
};
enum spool_result {
    SPOOL_OK,
    SPOOL_FULL,   /* no space (or quota) on the disk: 452 4.3.1 */
    SPOOL_BROKEN, /* read-only, I/O error, damaged: 451 4.3.0 */
};
enum spool_flow { SPOOL_GO, SPOOL_WAIT /* stop feeding until drained */ };

struct spool_in; /* a message that is coming in */
struct spool_in_events {
    void (*drained)(void *arg);                        /* go on after SPOOL_WAIT */
    void (*done)(void *arg, enum spool_result result); /* answer to commit: on disk, or not */
};
/* Gives it an id at once. Callbacks come on the loop's thread. */
struct spool_in *spool_in_open(struct spool *spool, struct loop *loop, const struct spool_in_events *events,
                               void *arg);
const char *spool_in_id(const struct spool_in *in); /* valid until done or abort */
/*
 * Adds message bytes (n: some 64 KiB at most); no more than 256 KiB of a message are in memory at a time:
 * what comes after SPOOL_WAIT nonetheless is kept up to that, then the message fails. After a failure it
 * swallows the rest and commit tells. When all messages that come in fill 256 MiB, they go to files from the
 * first byte on, and each waits for the disk.
 */
enum spool_flow spool_in_add(struct spool_in *in, const char *data, size_t n);
uint64_t spool_in_size(const struct spool_in *in);
/* Hands it over (also while drained is awaited; it is not called any more); envelope is copied: 1 to 131,072
   recipients. done comes later; then in is gone. */
void spool_in_commit(struct spool_in *in, const struct envelope *envelope);
/* The client went away or was refused: all of it is dropped. After commit: the message stays, only done is
 * not called. Nulls the pointer. */
void spool_in_abort(struct spool_in **in);

/* ---- going out: from courier threads, may block ---- */
struct delivery {
    int64_t recipient_row; /* key of the recipient in the queue */
    char id[QUEUE_ID_MAX];
    char *sender, *recipient; /* owned by the delivery */
    char *account;
    uint64_t size;
    int64_t queued_at; /* wall seconds */
    unsigned attempts; /* made before this one */
    bool eight_bit;
};
/* Waits at most timeout_ms until something may be due (at once when a claim would give something), or
 * spool_wake. */
void spool_wait_due(struct spool *spool, uint64_t timeout_ms);
void spool_wake(struct spool *spool);
/* Claims up to max due deliveries, oldest first, those of one message together. Returns how many. -1 when the
   queue cannot be read, and while it cannot be written: what could not be settled would be delivered twice.
 */
int spool_claim(struct spool *spool, int64_t now, struct delivery *out, int max);
void delivery_free(struct delivery *d); /* frees what it owns; the claim stays until settled */

struct spool_body; /* a message being read */
struct spool_body *spool_body_open(struct spool *spool, const char *id, struct buf *error);
ssize_t spool_body_read(struct spool_body *body, char *out, size_t n); /* bytes, 0 at the end, -1 on error */
int spool_body_rewind(struct spool_body *body);
void spool_body_close(struct spool_body **body);

enum settle_outcome {
    SETTLE_DONE,   /* delivered: the recipient leaves the queue */
    SETTLE_RETRY,  /* again at next_at */
    SETTLE_FAILED, /* given up: leaves the queue, together with the bounce if there is one */
    SETTLE_RELEASE /* not tried after all: nothing is counted or written; due again, at next_at if that is
                      later than now */
};
struct settlement {
    int64_t recipient_row;
    enum settle_outcome outcome;
    int64_t next_at;    /* SETTLE_RETRY, SETTLE_RELEASE */
    const char *answer; /* the remote server's last answer in full, or the reason; kept for `queue show` */
    bool *completed_r;  /* NULL, or: set to whether the message left the queue with this one. False unless
                           spool_settle returns SPOOL_OK */
};
struct bounce {            /* a message to queue in the same transaction */
    const char *recipient; /* the sender is always null */
    const char *data;
    size_t n;
    char id_r[QUEUE_ID_MAX]; /* out */
};
/*
 * All or nothing, on disk when it returns SPOOL_OK, and the claims are over. Otherwise it is kept in memory
 * with its claims (and nothing is given out) until it can be written: the courier has nothing more to do for
 * it. Recipients of one message stand together in list. bounce may be NULL; its body lies in the database
 * whatever its size.
 */
enum spool_result spool_settle(struct spool *spool, const struct settlement *list, size_t n,
                               struct bounce *bounce);

/* ---- for people: may block, never from a loop ---- */
struct queue_recipient {
    const char *address, *state; /* "due", "waiting", "held", "delivering" */
    const char *last_answer;     /* "" when not tried yet */
    int64_t next_at;
    unsigned attempts;
};
struct queue_row {
    const char *id, *sender, *account, *client;
    uint64_t size;
    int64_t queued_at;
    const struct queue_recipient *recipients;
    size_t recipient_count;
};
/* Calls row for each message (or only for id, if not NULL), oldest first, at most limit. Returns how many, -1
 * on error with *error. */
int spool_each(struct spool *spool, const char *id, int limit,
               void (*row)(void *arg, const struct queue_row *row), void *arg, struct buf *error);
enum queue_action { QUEUE_RETRY, QUEUE_HOLD, QUEUE_REMOVE };
/* On the message id, or on all for NULL. retry also releases held ones. Returns how many messages, -1 on
 * error with *error. */
int spool_act(struct spool *spool, enum queue_action action, const char *id, struct buf *error);

struct spool_stats {
    uint64_t messages, recipients, bytes, commits, committed_messages;
    enum spool_result state; /* what became of the last that was to be written */
};
void spool_stats(struct spool *spool, struct spool_stats *out_r);

#endif
