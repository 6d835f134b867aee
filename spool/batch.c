/* SPDX-License-Identifier: MIT */
/* A batch of works: one transaction if that can be, one for each if not; then each is told. */
#include <stdlib.h>

#include "spool/room.h"

enum { TRIM_WAIT_MS = 1000 };

/* ---- effects ---- */

void effects_due(struct effects *fx, int64_t at, int64_t now)
{
    if (at <= now)
        fx->due_now = true;
    else if (at < fx->next_due)
        fx->next_due = at;
}

void effects_file(struct effects *fx, const char *id)
{
    if (fx->file_count == fx->file_room) {
        fx->file_room = fx->file_room == 0 ? 64 : fx->file_room * 2;
        fx->files = xrealloc(fx->files, fx->file_room * sizeof *fx->files);
    }
    snprintf(fx->files[fx->file_count++], QUEUE_ID_MAX, "%s", id);
}

static void effects_clear(struct effects *fx)
{
    *fx = (struct effects){.next_due = INT64_MAX, .files = fx->files, .file_room = fx->file_room};
}

/* Adds those of one transaction to those of the batch. */
static void effects_merge(struct effects *sum, const struct effects *fx)
{
    sum->messages += fx->messages;
    sum->recipients += fx->recipients;
    sum->bytes += fx->bytes;
    sum->added += fx->added;
    sum->due_now |= fx->due_now;
    if (fx->next_due < sum->next_due)
        sum->next_due = fx->next_due;
    for (size_t i = 0; i < fx->file_count; i++)
        effects_file(sum, fx->files[i]);
}

/* ---- one transaction ---- */

static enum db_outcome roll_back(struct writer *w, enum db_outcome outcome)
{
    if (w->db.handle == NULL || sqlite3_get_autocommit(w->db.handle) != 0)
        return outcome; /* SQLite has done it */
    return db_run(&w->db, DO_ROLLBACK, DB_NONE) == DB_OK ? outcome : DB_LOST;
}

/* Works from first up to end (not included). */
static enum db_outcome transact(struct spool *spool, struct work *first, const struct work *end)
{
    struct writer *w = &spool->writer;
    effects_clear(&w->fx);
    enum db_outcome outcome = db_run(&w->db, DO_BEGIN, DB_NONE);
    for (struct work *work = first; work != end && outcome == DB_OK; work = work->next)
        outcome = work->type->run(spool, work, &w->fx);
    if (outcome == DB_OK)
        outcome = db_run(&w->db, DO_COMMIT, DB_NONE);
    if (outcome != DB_OK)
        return roll_back(w, outcome);
    effects_merge(&w->sum, &w->fx);
    w->backoff_ms = DATABASE_BACKOFF_MS;
    return DB_OK;
}

/* ---- one batch ---- */

/* Sets the outcome of each work. Returns that of the last transaction. */
static enum db_outcome commit_works(struct spool *spool, struct work *works)
{
    struct writer *w = &spool->writer;
    enum db_outcome outcome = w->db.handle != NULL ? transact(spool, works, NULL) : DB_LOST;
    bool apart = works->next != NULL && (outcome == DB_FULL || outcome == DB_REFUSED);
    for (struct work *work = works; work != NULL; work = work->next) {
        if (apart && outcome != DB_LOST)
            outcome = transact(spool, work, work->next);
        work->outcome = outcome;
    }
    if (outcome == DB_LOST && w->db.handle != NULL)
        database_lose(spool);
    return outcome;
}

/* Takes the works that bring mail out of the list, and refuses them. */
static struct work *refuse_mail(struct work **works)
{
    struct work *refused = NULL, **last = &refused;
    for (struct work **at = works; *at != NULL;) {
        struct work *work = *at;
        if (!work->type->brings_mail) {
            at = &work->next;
            continue;
        }
        *at = work->next;
        work->next = NULL;
        work->outcome = DB_FULL;
        *last = work;
        last = &work->next;
    }
    return refused;
}

static void tell(struct spool *spool, struct work *works)
{
    while (works != NULL) {
        struct work *next = works->next; /* tell may free it */
        works->type->tell(spool, works);
        works = next;
    }
}

/* outcome: of the last transaction, if there was one. */
static void tell_all(struct spool *spool, struct work *works, struct work *refused, enum db_outcome outcome)
{
    struct writer *w = &spool->writer;
    const struct effects *sum = &w->sum;
    pthread_mutex_lock(&w->lock);
    w->stats.messages += (uint64_t)sum->messages;
    w->stats.recipients += (uint64_t)sum->recipients;
    w->stats.bytes += (uint64_t)sum->bytes;
    w->stats.committed_messages += sum->added;
    w->stats.commits += works != NULL && outcome == DB_OK;
    w->stats.state = db_result(refused != NULL && outcome == DB_OK ? DB_FULL : outcome);
    tell(spool, refused);
    tell(spool, works);
    pthread_cond_broadcast(&w->told);
    pthread_mutex_unlock(&w->lock);
}

static void make_known(struct spool *spool)
{
    struct writer *w = &spool->writer;
    claims_block(&spool->claims, w->kept != NULL || w->db.handle == NULL);
    /* After the claims' end, which tell saw to: else a courier would look too early. */
    if (w->sum.due_now)
        claims_due(&spool->claims, 0);
    if (w->sum.next_due != INT64_MAX)
        claims_due(&spool->claims, w->sum.next_due);
    for (size_t i = 0; i < w->sum.file_count; i++)
        folder_remove(&spool->folder, w->sum.files[i]);
}

/* The log's length is most of what can be given back: that is tried before mail is refused. */
static void trim_if_due(struct spool *spool)
{
    struct writer *w = &spool->writer;
    if (clock_mono_ms() < w->trim_at)
        return;
    checkpoint_trim(spool);
    w->trim_at = clock_mono_ms() + TRIM_WAIT_MS;
}

static bool find_space(struct spool *spool)
{
    if (!space_short(spool))
        return true;
    trim_if_due(spool);
    return !space_short(spool);
}

void batch_run(struct spool *spool, struct work *works)
{
    struct writer *w = &spool->writer;
    effects_clear(&w->sum);
    w->space_short = w->db.handle != NULL && !find_space(spool);
    struct work *refused = w->space_short ? refuse_mail(&works) : NULL;
    enum db_outcome outcome = works != NULL ? commit_works(spool, works) : DB_OK;
    tell_all(spool, works, refused, outcome);
    make_known(spool);
    if (outcome == DB_FULL)
        trim_if_due(spool);
    checkpoint_after_batch(spool);
}
