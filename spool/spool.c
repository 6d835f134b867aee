/* SPDX-License-Identifier: MIT */
/* The spool as a whole: opened, and closed. */
#include <errno.h>
#include <stdlib.h>

#include "spool/room.h"

static struct spool *make(struct settings_cell *cell)
{
    struct spool *spool = xcalloc(1, sizeof *spool);
    const struct settings *s = settings_cell_get(cell);
    spool->cell = cell;
    folder_init(&spool->folder, s->data_dir);
    settings_release(&s);
    id_maker_init(&spool->ids);
    claims_init(&spool->claims);
    pthread_mutex_init(&spool->reader.lock, NULL);
    writer_init(spool);
    mover_init(spool);
    return spool;
}

static void unmake(struct spool **spool)
{
    struct spool *it = *spool;
    *spool = NULL;
    mover_close(it);
    reader_close(it);
    writer_close(it); /* last: it moves the log into the database */
    mover_free(it);
    pthread_mutex_destroy(&it->reader.lock);
    claims_free(&it->claims);
    folder_free(&it->folder);
    free(it);
}

bool space_short(struct spool *spool)
{
    const struct settings *s = settings_cell_get(spool->cell);
    uint64_t needed = s->queue_min_free + atomic_load(&spool->mover.debt);
    settings_release(&s);
    return folder_space(&spool->folder) < needed;
}

static bool open_store(struct spool *spool, struct buf *error)
{
    int r = folder_make(&spool->folder);
    if (r != 0) {
        buf_printf(error, "%s: %s", spool->folder.root, strerror(-r));
        return false;
    }
    return database_open(spool, true, error) && recover(spool, error);
}

static bool start_threads(struct spool *spool, struct buf *error)
{
    int r = bodies_start(spool);
    if (r == 0)
        r = mover_start(spool);
    if (r == 0)
        r = writer_start(spool);
    if (r == 0)
        return true;
    bodies_stop(spool);
    mover_stop(spool);
    buf_printf(error, "the queue's threads cannot be started: %s", strerror(-r));
    return false;
}

struct spool *spool_open(struct settings_cell *cell, struct buf *error)
{
    struct spool *spool = make(cell);
    if (!open_store(spool, error) || !start_threads(spool, error))
        unmake(&spool);
    return spool;
}

void spool_close(struct spool **spool)
{
    if (*spool == NULL)
        return;
    bodies_stop(*spool); /* hands its last messages to the writer */
    writer_stop(*spool);
    mover_stop(*spool);
    unmake(spool);
}
