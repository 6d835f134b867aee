/* SPDX-License-Identifier: MIT */
/*
 * The way of events from all threads to the journal's; of this room only. Bounded by bytes, which count until
 * the taker gives them back. Writers hold one lock for a moment, and wake the taker only when it sleeps for
 * want of work.
 */
#ifndef GP_JOURNAL_QUEUE_H
#define GP_JOURNAL_QUEUE_H

#include "journal/event.h"

struct queue;

struct queue *queue_make(size_t max_bytes);
/* Frees it with what is in it. Nulls the pointer. */
void queue_free(struct queue **queue);

/* ---- any thread ---- */
/* Takes the item over. False when there is no room: it stays the caller's, and counts as dropped. */
bool queue_push(struct queue *queue, struct item *item);
void queue_ask_reopen(struct queue *queue);
void queue_ask_stop(struct queue *queue);
/* Waits until what was pushed before is done. False after timeout_ms. */
bool queue_flush(struct queue *queue, uint64_t timeout_ms);

/* ---- the taker ---- */
struct batch {
    struct item *items; /* the taker's; may be NULL */
    uint64_t count;     /* of items */
    uint64_t dropped;   /* for want of room, since the last batch that told of any */
    bool reopen, stop;  /* someone asked for that */
    bool flush;         /* someone waits for this batch */
};
/* Waits until there is work, but lets pause_ms pass since the last batch unless it is urgent, and at most
 * idle_ms. Takes all there is. */
struct batch queue_take(struct queue *queue, uint64_t pause_ms, uint64_t idle_ms);
/* The batch is done with. */
void queue_done(struct queue *queue, const struct batch *batch);
/* So many bytes of items were freed. */
void queue_give_back(struct queue *queue, size_t bytes);
/* More than half of the room is taken. */
bool queue_crowded(struct queue *queue);

#endif
