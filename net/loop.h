/* SPDX-License-Identifier: MIT */
/*
 * Event loops: each a thread with a libuv loop, a mailbox for other threads, and timers. What belongs to a
 * loop is touched by its thread only; other threads hand it tasks.
 */
#ifndef GP_NET_LOOP_H
#define GP_NET_LOOP_H

#include <uv.h>

#include "base/base.h"

struct loop;

/* A note to a loop. Lies in its owner's memory and must stay there until run was called; never in two
 * mailboxes at once. */
struct loop_task {
    void (*run)(struct loop_task *task); /* on the loop's thread */
    struct loop_task *next;              /* the mailbox's */
};

/* A loop without a thread yet; NULL when the system refuses. */
struct loop *loop_make(const char *thread_name);
/* Starts its thread. 0 or -errno. */
int loop_start(struct loop *loop);
/* Runs it on the calling thread until loop_stop (for a process' main loop). */
void loop_run(struct loop *loop);
/*
 * Any thread: runs what is in the mailbox, closes it, and lets the loop end once nothing is open in it.
 * Nothing may be posted from another thread any more.
 */
void loop_stop(struct loop *loop);
/* After loop_stop: waits for the thread, frees the loop. One that never had a thread runs here to its end.
 * Nulls the pointer. */
void loop_free(struct loop **loop);
/* Any thread, never blocks: the task runs on the loop's thread, tasks of one sender in order. */
void loop_post(struct loop *loop, struct loop_task *task);
/* The libuv loop, for what lives on it. */
uv_loop_t *loop_uv(struct loop *loop);

#endif
