/* SPDX-License-Identifier: MIT */
/*
 * The journal and its thread, which takes what was written at most ten times a second: one write to the log,
 * one transaction in history. What the disk does not take is counted, told of in the log once it can be, and
 * holds up nobody.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "journal/event.h"
#include "journal/history.h"
#include "journal/line.h"
#include "journal/log.h"
#include "journal/queue.h"

enum {
    QUEUE_BYTES = 16 * 1024 * 1024, /* of events that are not yet done with */
    BATCH_MS = 100,                 /* between batches */
    IDLE_MS = 1000,                 /* between looks at what is to be told or tried again */
    PRUNE_MS = 60000,               /* between looks at history while nothing happens */
    WRITE_BYTES = 1024 * 1024,      /* of lines in one write */
};

struct journal {
    struct settings_cell *cell;
    struct queue *queue;
    pthread_t thread;
    _Atomic uint64_t by_type[EVENT_TYPE_COUNT], by_cause[CAUSE_COUNT];
    _Atomic uint64_t lost_lines, lost_history;

    /* What only the thread touches once it runs. */
    struct log *log;
    struct history *history;
    struct buf lines;
    struct line_clock clock;
    struct item *held, **held_end; /* in the log, not yet in history */
    uint64_t next_store_ms;
    uint64_t untold_lines;   /* lost and not told of yet */
    int untold_why;          /* errno of that */
    uint64_t untold_history; /* lost in the present outage of history */
    bool history_broken;
};

static void count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* ---- any thread ---- */

void journal_write(struct journal *journal, const struct event *event)
{
    count(&journal->by_type[event->type], 1);
    if (event->cause != CAUSE_NONE)
        count(&journal->by_cause[event->cause], 1);
    struct item *item = item_make(event);
    if (queue_push(journal->queue, item))
        return;
    count(&journal->lost_lines, 1);
    count(&journal->lost_history, 1);
    free(item);
}

void journal_reopen(struct journal *journal)
{
    queue_ask_reopen(journal->queue);
}

bool journal_flush(struct journal *journal, uint64_t timeout_ms)
{
    return queue_flush(journal->queue, timeout_ms);
}

void journal_counts(struct journal *journal, struct journal_counts *out_r)
{
    for (size_t i = 0; i < EVENT_TYPE_COUNT; i++)
        out_r->by_type[i] = atomic_load_explicit(&journal->by_type[i], memory_order_relaxed);
    for (size_t i = 0; i < CAUSE_COUNT; i++)
        out_r->by_cause[i] = atomic_load_explicit(&journal->by_cause[i], memory_order_relaxed);
    out_r->lost_lines = atomic_load_explicit(&journal->lost_lines, memory_order_relaxed);
    out_r->lost_history = atomic_load_explicit(&journal->lost_history, memory_order_relaxed);
}

int history_each(struct journal *journal, const struct history_filter *filter,
                 void (*row)(void *arg, const struct history_row *row), void *arg, struct buf *error)
{
    enum { FLUSH_WAIT_MS = 2000 }; /* then an answer without the last moments is better than none */
    journal_flush(journal, FLUSH_WAIT_MS);
    return history_query(history_path(journal->history), filter, row, arg, error);
}

/* ---- the thread ---- */

/* Writes what is in j->lines; what is lost is counted. */
static void write_lines(struct journal *j)
{
    size_t lost = log_put(j->log, buf_str(&j->lines), j->lines.len, &j->untold_why);
    j->untold_lines += lost;
    count(&j->lost_lines, lost);
    buf_clear(&j->lines);
}

/* A line of the journal itself. False when it could not be written; then it does not count as lost. */
static bool tell(struct journal *j, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool tell(struct journal *j, const char *format, ...)
{
    struct buf text = BUF_INIT(16384), line = BUF_INIT(LINE_MAX_BYTES);
    va_list ap;
    va_start(ap, format);
    buf_vprintf(&text, format, ap);
    va_end(ap);
    const struct event warning = {.type = EVENT_WARNING, .detail = buf_str(&text)};
    int why = 0;
    event_line(&warning, &line);
    bool written = log_put(j->log, buf_str(&line), line.len, &why) == 0;
    if (written)
        count(&j->by_type[EVENT_WARNING], 1);
    buf_free(&text);
    buf_free(&line);
    return written;
}

/* Tells of what was lost, once the log takes lines again. */
static void tell_lost_lines(struct journal *j)
{
    if (j->untold_lines > 0 &&
        tell(j, "%llu log lines were lost: %s", (unsigned long long)j->untold_lines, strerror(j->untold_why)))
        j->untold_lines = 0;
}

static void log_items(struct journal *j, const struct item *items)
{
    for (; items != NULL; items = items->next) {
        line_add(&items->event, &j->clock, &j->lines);
        if (j->lines.len >= WRITE_BYTES)
            write_lines(j);
    }
    if (j->lines.len > 0)
        write_lines(j);
}

/* Frees what was held for history. Returns how many that were. */
static uint64_t free_held(struct journal *j)
{
    uint64_t n = 0;
    size_t bytes = 0;
    for (struct item *item = j->held, *next = NULL; item != NULL; item = next, n++) {
        next = item->next;
        bytes += item->bytes;
        free(item);
    }
    j->held = NULL;
    j->held_end = &j->held;
    queue_give_back(j->queue, bytes);
    return n;
}

static void tell_history_is_back(struct journal *j)
{
    if (j->history_broken)
        tell(j, "history is stored again; %llu events of it were lost",
             (unsigned long long)j->untold_history);
    j->history_broken = false;
    j->untold_history = 0;
}

/* Keeps what could not be stored for the next attempt, unless memory or time is short. */
static void history_failed(struct journal *j, const char *why, bool last)
{
    if (!j->history_broken)
        tell(j, "history cannot be stored: %s", why);
    j->history_broken = true;
    j->next_store_ms = clock_mono_ms() + IDLE_MS;
    if (!last && !queue_crowded(j->queue))
        return;
    uint64_t lost = free_held(j);
    j->untold_history += lost;
    count(&j->lost_history, lost);
    if (last && lost > 0)
        tell(j, "%llu events are not in history", (unsigned long long)j->untold_history);
}

static void store_items(struct journal *j, bool last)
{
    const struct settings *s = settings_cell_get(j->cell);
    const struct history_limits limits = {.keep_s = s->history_keep, .events = s->history_events};
    settings_release(&s);
    struct buf note = BUF_INIT(16384);
    bool stored = history_store(j->history, j->held, &limits, &note);
    if (stored) {
        free_held(j);
        j->next_store_ms = clock_mono_ms() + PRUNE_MS;
        history_take_note(j->history, &note);
        if (note.len > 0)
            tell(j, "%s", buf_str(&note));
        tell_history_is_back(j);
    } else {
        history_failed(j, buf_str(&note), last);
    }
    buf_free(&note);
}

static void hold(struct journal *j, struct item *items)
{
    *j->held_end = items;
    while (*j->held_end != NULL)
        j->held_end = &(*j->held_end)->next;
}

static void handle(struct journal *j, const struct batch *batch)
{
    if (batch->reopen) {
        int rc = log_reopen(j->log);
        if (rc < 0)
            tell(j, "log.file cannot be opened again, the old one stays in use: %s", strerror(-rc));
    }
    tell_lost_lines(j);
    log_items(j, batch->items);
    if (batch->dropped > 0)
        tell(j, "%llu events were lost: they came faster than they could be written",
             (unsigned long long)batch->dropped);
    hold(j, batch->items);
    bool pressing = batch->flush || batch->stop || queue_crowded(j->queue);
    if ((j->held != NULL && (pressing || !j->history_broken)) || clock_mono_ms() >= j->next_store_ms)
        store_items(j, batch->stop);
}

static void *run(void *arg)
{
    struct journal *j = arg;
    pthread_setname_np(pthread_self(), "journal");
    for (bool stop = false; !stop;) {
        struct batch batch = queue_take(j->queue, BATCH_MS, IDLE_MS);
        handle(j, &batch);
        queue_done(j->queue, &batch);
        stop = batch.stop;
    }
    return NULL;
}

/* ---- beginning and end ---- */

static void journal_free(struct journal *j)
{
    log_close(&j->log);
    history_close(&j->history);
    buf_free(&j->lines);
    queue_free(&j->queue);
    free(j);
}

/* No signal is the journal's: not those of the process, and a closed pipe is an error of its write. */
static int start_thread(struct journal *j)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&j->thread, NULL, run, j);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static struct journal *journal_make(struct settings_cell *cell)
{
    struct journal *j = xcalloc(1, sizeof *j);
    j->cell = cell;
    j->queue = queue_make(QUEUE_BYTES);
    j->held_end = &j->held;
    buf_init(&j->lines, WRITE_BYTES + LINE_MAX_BYTES);
    return j;
}

struct journal *journal_open(struct settings_cell *cell, struct buf *error)
{
    struct journal *j = journal_make(cell);
    const struct settings *s = settings_cell_get(cell);
    j->log = log_open(s->log_file, error);
    if (j->log != NULL)
        j->history = history_open(s->data_dir, error);
    settings_release(&s);
    bool opened = j->history != NULL;
    int rc = opened ? start_thread(j) : 0;
    if (rc != 0)
        buf_printf(error, "journal: no thread: %s", strerror(rc));
    if (!opened || rc != 0) {
        journal_free(j);
        return NULL;
    }
    return j;
}

void journal_close(struct journal **journal)
{
    struct journal *j = *journal;
    *journal = NULL;
    if (j == NULL)
        return;
    queue_ask_stop(j->queue);
    pthread_join(j->thread, NULL);
    journal_free(j);
}
