/* SPDX-License-Identifier: MIT */
/* Messages that come in: the side of the loops. Nothing here waits or touches a disk. */
#include "spool/incoming.h"

#include <stdlib.h>

/* ---- memory ---- */

bool in_memory_short(struct spool *spool)
{
    return atomic_load_explicit(&spool->memory, memory_order_relaxed) > IN_MEMORY_TOTAL;
}

void in_memory_add(struct spool *spool, size_t n)
{
    atomic_fetch_add_explicit(&spool->memory, n, memory_order_relaxed);
}

void in_memory_sub(struct spool *spool, size_t n)
{
    atomic_fetch_sub_explicit(&spool->memory, n, memory_order_relaxed);
}

void in_release(struct spool_in *in)
{
    if (atomic_fetch_sub_explicit(&in->holders, 1, memory_order_acq_rel) != 1)
        return;
    in_memory_sub(in->spool, in->fill.len);
    buf_free(&in->fill);
    free(in->envelope.memory);
    free(in);
}

/* ---- tasks on the loop ---- */

static void run_done(struct loop_task *task)
{
    struct spool_in *in = CONTAINER_OF(task, struct spool_in, done);
    if (!in->abandoned) /* set on this thread only */
        in->events.done(in->arg, db_result(in->work.outcome));
    in_release(in);
}

static void run_drained(struct loop_task *task)
{
    struct spool_in *in = CONTAINER_OF(task, struct spool_in, drained);
    in->told_to_wait = false;
    if (!in->abandoned && !in->committed)
        in->events.drained(in->arg);
    in_release(in);
}

void in_tell_done(struct spool_in *in)
{
    if (in->abandoned)
        in_release(in);
    else
        loop_post(in->loop, &in->done); /* it holds it now */
}

/* ---- the writer's work ---- */

static enum db_outcome message_run(struct spool *spool, struct work *work, struct effects *fx)
{
    const struct spool_in *in = CONTAINER_OF(work, struct spool_in, work);
    const struct envelope *e = &in->envelope.envelope;
    /* A file that was made before the database was lost may not have come back with it. */
    if (in->body != NULL && in->epoch != atomic_load(&spool->writer.epoch))
        return DB_REFUSED;
    return message_add(spool,
                       &(struct new_message){
                           .id = in->id,
                           .sender = e->sender,
                           .account = e->account,
                           .client = e->client,
                           .recipients = e->recipients,
                           .recipient_count = e->recipient_count,
                           .size = in->size,
                           .eight_bit = e->eight_bit,
                           .in_file = in->body != NULL,
                           .body = buf_str(&in->fill),
                       },
                       fx);
}

static void message_tell(struct spool *spool, struct work *work)
{
    struct spool_in *in = CONTAINER_OF(work, struct spool_in, work);
    /* A commit that failed when the database was lost may turn out to be on disk: then the file belongs to
     * it. */
    if (in->body != NULL && (work->outcome == DB_FULL || work->outcome == DB_REFUSED))
        writer_remove_file(spool, in->id);
    in_tell_done(in);
}

static const struct work_type MESSAGE_WORK = {.brings_mail = true, .run = message_run, .tell = message_tell};

/* ---- the session's calls ---- */

struct spool_in *spool_in_open(struct spool *spool, struct loop *loop, const struct spool_in_events *events,
                               void *arg)
{
    struct spool_in *in = xcalloc(1, sizeof *in);
    atomic_init(&in->holders, 1);
    in->spool = spool;
    in->loop = loop;
    in->events = *events;
    in->arg = arg;
    in->fill = BUF_INIT(IN_ADD_MAX);
    in->work.type = &MESSAGE_WORK;
    in->drained.run = run_drained;
    in->done.run = run_done;
    in->chunks_last = &in->chunks;
    in->fd = -1;
    const struct settings *s = settings_cell_get(spool->cell);
    in->inline_max = s->queue_inline_max;
    settings_release(&s);
    id_make(&spool->ids, in->id);
    return in;
}

const char *spool_in_id(const struct spool_in *in)
{
    return in->id;
}

uint64_t spool_in_size(const struct spool_in *in)
{
    return in->size;
}

/* Nothing of it will be acknowledged: what is collected need not be kept. */
void in_fail(struct spool_in *in, enum db_outcome outcome)
{
    in->swallow = true;
    in->told_to_wait = false;
    in->work.outcome = outcome;
    in_memory_sub(in->spool, in->fill.len);
    buf_free(&in->fill);
}

enum spool_flow spool_in_add(struct spool_in *in, const char *data, size_t n)
{
    in->size += n;
    if (in->swallow || n == 0)
        return in->told_to_wait ? SPOOL_WAIT : SPOOL_GO;
    bool ignored = in->told_to_wait && in->fill.len + n > IN_MEMORY_MAX - IN_WAIT;
    if (ignored || !buf_add(&in->fill, data, n)) {
        in_fail(in, DB_REFUSED);
        return SPOOL_GO;
    }
    in_memory_add(in->spool, n);
    if (in->told_to_wait)
        return SPOOL_WAIT;
    bool is_short = in_memory_short(in->spool);
    if (in->body == NULL && (in->fill.len > in->inline_max || is_short))
        body_bind(in);
    if (in->body != NULL && (in->fill.len >= IN_HAND_OVER || is_short))
        in->told_to_wait = body_hand_over(in) == SPOOL_WAIT;
    return in->told_to_wait ? SPOOL_WAIT : SPOOL_GO;
}

static size_t text_size(const char *text)
{
    return strlen(text) + 1;
}

static const char *put_text(char **at, const char *text)
{
    size_t n = text_size(text);
    const char *copy = memcpy(*at, text, n);
    *at += n;
    return copy;
}

/* One piece of memory: first the list of recipients, then all texts. */
static void copy_envelope(struct envelope_copy *copy, const struct envelope *e)
{
    size_t list = e->recipient_count * sizeof(char *);
    size_t size = list + text_size(e->sender) + text_size(e->account) + text_size(e->client);
    for (size_t i = 0; i < e->recipient_count; i++)
        size += text_size(e->recipients[i]);
    copy->memory = xmalloc(size);
    const char **recipients = (const char **)(void *)copy->memory;
    char *at = copy->memory + list;
    for (size_t i = 0; i < e->recipient_count; i++)
        recipients[i] = put_text(&at, e->recipients[i]);
    copy->envelope = (struct envelope){
        .sender = put_text(&at, e->sender),
        .recipients = recipients,
        .recipient_count = e->recipient_count,
        .account = put_text(&at, e->account),
        .client = put_text(&at, e->client),
        .eight_bit = e->eight_bit,
    };
}

void spool_in_commit(struct spool_in *in, const struct envelope *envelope)
{
    in->committed = true;
    if (envelope->recipient_count == 0 || envelope->recipient_count > RECIPIENTS_MAX)
        in_fail(in, DB_REFUSED); /* without recipients nothing would ever remove it */
    else
        copy_envelope(&in->envelope, envelope);
    in->work.bytes = in->body == NULL ? in->fill.len : 0;
    if (in->body != NULL)
        body_finish(in);
    else if (in->swallow)
        loop_post(in->loop, &in->done);
    else
        writer_put(in->spool, &in->work);
}

void spool_in_abort(struct spool_in **in)
{
    struct spool_in *it = *in;
    if (it == NULL)
        return;
    *in = NULL;
    struct spool *spool = it->spool;
    bool committed = it->committed;
    pthread_mutex_lock(&spool->writer.lock);
    it->abandoned = true;
    pthread_mutex_unlock(&spool->writer.lock);
    if (committed)
        return; /* whoever has it lets go of it, and may have done so by now */
    if (it->body != NULL)
        body_drop(it); /* so does the thread */
    else
        in_release(it);
}
