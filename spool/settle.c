/* SPDX-License-Identifier: MIT */
/*
 * Settlements: what became of deliveries. One that cannot be written (disk full, database lost) is kept in
 * memory, with its claims, and written as soon as that can be done: what was delivered must not be delivered
 * again.
 */
#include <stdlib.h>

#include "spool/room.h"

struct settle_work {
    struct work work;
    const struct settlement *list;
    size_t n;
    const struct bounce *bounce; /* NULL: none */
    enum spool_result result;
    bool told;  /* the courier; then all it gave is its own again */
    bool tried; /* a commit failed: it may yet turn out to be on disk */
};

/* ---- in the transaction ---- */

static enum db_outcome settle_one(struct db *db, const struct settlement *s, struct effects *fx)
{
    if (s->outcome == SETTLE_RELEASE)
        return DB_OK;
    if (s->outcome == SETTLE_RETRY) {
        effects_due(fx, s->next_at, clock_wall());
        const char *answer = s->answer != NULL ? s->answer : "";
        return db_run(db, DO_RECIPIENT_RETRY,
                      DB_ARGS(db_int(s->recipient_row), db_int(s->next_at), db_text(answer)));
    }
    enum db_outcome outcome = db_run(db, DO_RECIPIENT_DROP, DB_ARGS(db_int(s->recipient_row)));
    fx->recipients -= outcome == DB_OK ? sqlite3_changes(db->handle) : 0;
    return outcome;
}

static bool has_eight_bit(const struct bounce *bounce)
{
    for (size_t i = 0; i < bounce->n; i++)
        if ((unsigned char)bounce->data[i] >= 0x80)
            return true;
    return false;
}

static enum db_outcome add_bounce(struct spool *spool, const struct bounce *bounce, bool tried,
                                  struct effects *fx)
{
    int64_t key = 0;
    if (tried) {
        enum db_outcome outcome =
            db_number(&spool->writer.db, DO_MESSAGE_KNOWN, DB_ARGS(db_text(bounce->id_r)), &key);
        if (outcome != DB_OK || key != 0)
            return outcome;
    }
    return message_add(spool,
                       &(struct new_message){
                           .id = bounce->id_r,
                           .sender = "",
                           .account = "",
                           .client = "",
                           .recipients = &bounce->recipient,
                           .recipient_count = 1,
                           .size = bounce->n,
                           .eight_bit = has_eight_bit(bounce),
                           .body = bounce->data,
                       },
                       fx);
}

static enum db_outcome settle_run(struct spool *spool, struct work *work, struct effects *fx)
{
    struct settle_work *settle = CONTAINER_OF(work, struct settle_work, work);
    enum db_outcome outcome = DB_OK;
    for (size_t i = 0; i < settle->n && outcome == DB_OK; i++) {
        const struct settlement *s = &settle->list[i];
        int64_t message = key_message(s->recipient_row), messages = fx->messages;
        outcome = settle_one(&spool->writer.db, s, fx);
        bool last = i + 1 == settle->n || key_message(s[1].recipient_row) != message;
        if (outcome == DB_OK && last)
            outcome = message_drop_if_done(spool, message, fx);
        if (s->completed_r != NULL)
            *s->completed_r = fx->messages < messages;
    }
    if (outcome == DB_OK && settle->bounce != NULL)
        outcome = add_bounce(spool, settle->bounce, settle->tried, fx);
    return outcome;
}

/* ---- afterwards ---- */

static void end_claims(struct spool *spool, const struct settlement *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].outcome != SETTLE_RELEASE)
            claims_end(&spool->claims, list[i].recipient_row, 0, 0);
}

static void settle_tell(struct spool *spool, struct work *work);
static void kept_tell(struct spool *spool, struct work *work);
static void kept_drop(struct work *work);

static const struct work_type SETTLE_WORK = {.run = settle_run, .tell = settle_tell};
static const struct work_type KEPT_WORK = {.run = settle_run, .tell = kept_tell, .drop = kept_drop};

static size_t text_size(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 0;
}

static const void *put(char **at, const void *data, size_t n)
{
    if (data == NULL)
        return NULL;
    void *copy = memcpy(*at, data, n);
    *at += n;
    return copy;
}

struct kept {
    struct settle_work settle;
    struct bounce bounce;
    struct settlement list[];
};

/* A copy that owns all it needs. */
static struct settle_work *copy_settle(const struct settle_work *from)
{
    const struct bounce *bounce = from->bounce;
    size_t list = from->n * sizeof(struct settlement);
    size_t texts = bounce != NULL ? text_size(bounce->recipient) + bounce->n : 0;
    for (size_t i = 0; i < from->n; i++)
        texts += text_size(from->list[i].answer);
    struct kept *kept = xcalloc(1, sizeof *kept + list + texts);
    char *at = (char *)kept->list + list;
    memcpy(kept->list, from->list, list);
    for (size_t i = 0; i < from->n; i++) {
        kept->list[i].answer = put(&at, from->list[i].answer, text_size(from->list[i].answer));
        kept->list[i].completed_r = NULL; /* the courier's, which goes on */
    }
    if (bounce != NULL) {
        kept->bounce = *bounce;
        kept->bounce.recipient = put(&at, bounce->recipient, text_size(bounce->recipient));
        kept->bounce.data = put(&at, bounce->data, bounce->n);
    }
    kept->settle = (struct settle_work){
        .work = {.type = &KEPT_WORK, .bytes = from->work.bytes},
        .list = kept->list,
        .n = from->n,
        .bounce = bounce != NULL ? &kept->bounce : NULL,
        .tried = true,
    };
    return &kept->settle;
}

static void settle_tell(struct spool *spool, struct work *work)
{
    struct settle_work *settle = CONTAINER_OF(work, struct settle_work, work);
    settle->result = db_result(work->outcome);
    if (work->outcome == DB_OK)
        end_claims(spool, settle->list, settle->n);
    else
        writer_keep(spool, &copy_settle(settle)->work);
    settle->told = true;
}

static void kept_tell(struct spool *spool, struct work *work)
{
    const struct settle_work *settle = CONTAINER_OF(work, struct settle_work, work);
    if (work->outcome != DB_OK) {
        writer_keep(spool, work);
        return;
    }
    end_claims(spool, settle->list, settle->n);
    kept_drop(work);
}

static void kept_drop(struct work *work)
{
    struct settle_work *settle = CONTAINER_OF(work, struct settle_work, work);
    free(CONTAINER_OF(settle, struct kept, settle));
}

/* ---- the courier's call ---- */

/* Claims that are given back touch nothing on disk. Returns how many settlements are left to be written. */
static size_t release(struct spool *spool, const struct settlement *list, size_t n)
{
    int64_t now = clock_wall();
    size_t left = n;
    bool due_now = false;
    for (size_t i = 0; i < n; i++) {
        if (list[i].outcome != SETTLE_RELEASE)
            continue;
        claims_end(&spool->claims, list[i].recipient_row, now, list[i].next_at);
        if (list[i].completed_r != NULL)
            *list[i].completed_r = false;
        due_now |= list[i].next_at <= now;
        left--;
    }
    if (due_now)
        claims_due(&spool->claims, 0);
    return left;
}

enum spool_result spool_settle(struct spool *spool, const struct settlement *list, size_t n,
                               struct bounce *bounce)
{
    if (release(spool, list, n) == 0 && bounce == NULL)
        return SPOOL_OK;
    if (bounce != NULL)
        id_make(&spool->ids, bounce->id_r);
    struct settle_work settle = {
        .work = {.type = &SETTLE_WORK, .bytes = bounce != NULL ? bounce->n : 0},
        .list = list,
        .n = n,
        .bounce = bounce,
    };
    writer_put_and_wait(spool, &settle.work, &settle.told);
    for (size_t i = 0; i < n && settle.result != SPOOL_OK; i++)
        if (list[i].completed_r != NULL)
            *list[i].completed_r = false; /* a transaction got that far, but was not committed */
    return settle.result;
}
