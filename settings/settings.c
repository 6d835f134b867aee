/* SPDX-License-Identifier: MIT */
/* Sets of settings: made, shared by counting holders, exchanged; read from a file. */
#include "settings/settings.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "settings/rows.h"

/* What settings_hold counts lies beside the set, so that those who read settings cannot touch it. */
struct shared_settings {
    struct settings settings;
    atomic_size_t holders;
};

static struct shared_settings *shared_of(const struct settings *s)
{
    return CONTAINER_OF((struct settings *)s, struct shared_settings, settings);
}

struct settings *settings_make(const char *path)
{
    struct shared_settings *shared = xcalloc(1, sizeof *shared);
    atomic_init(&shared->holders, 1);
    shared->settings.path = xstrdup(path);
    for (enum row_index i = 0; i < ROW_COUNT; i++) {
        const struct row *row = &SETTING_ROWS[i];
        struct buf why = BUF_INIT(WHY_MAX);
        struct span text = span_of(row->fallback);
        if (row->kind == KIND_WORD)
            text = span_take(&text, '|');
        bool fits = value_set(&shared->settings, i, text, &why);
        assert(fits); /* each default meets its own row: tests/unit/test_settings.c */
        (void)fits;
        buf_free(&why);
    }
    return &shared->settings;
}

const struct settings *settings_defaults(void)
{
    return settings_make("");
}

const struct settings *settings_hold(const struct settings *s)
{
    atomic_fetch_add_explicit(&shared_of(s)->holders, 1, memory_order_relaxed);
    return s;
}

void settings_release(const struct settings **s)
{
    if (*s == NULL)
        return;
    struct shared_settings *shared = shared_of(*s);
    *s = NULL;
    if (atomic_fetch_sub_explicit(&shared->holders, 1, memory_order_acq_rel) > 1)
        return;
    for (enum row_index i = 0; i < ROW_COUNT; i++)
        value_clear(&shared->settings, i);
    free(shared->settings.path);
    free(shared);
}

/* ---- the settings in force ---- */

struct settings_cell {
    pthread_mutex_t lock; /* guards now */
    const struct settings *now;
};

struct settings_cell *settings_cell_make(const struct settings *first)
{
    struct settings_cell *cell = xcalloc(1, sizeof *cell);
    pthread_mutex_init(&cell->lock, NULL);
    cell->now = first;
    return cell;
}

void settings_cell_free(struct settings_cell **cell)
{
    struct settings_cell *gone = *cell;
    *cell = NULL;
    if (gone == NULL)
        return;
    settings_release(&gone->now);
    pthread_mutex_destroy(&gone->lock);
    free(gone);
}

const struct settings *settings_cell_get(struct settings_cell *cell)
{
    pthread_mutex_lock(&cell->lock);
    const struct settings *now = settings_hold(cell->now);
    pthread_mutex_unlock(&cell->lock);
    return now;
}

void settings_cell_set(struct settings_cell *cell, const struct settings *next)
{
    pthread_mutex_lock(&cell->lock);
    const struct settings *old = cell->now;
    cell->now = next;
    pthread_mutex_unlock(&cell->lock);
    settings_release(&old); /* frees outside the lock */
}

/* ---- files ---- */

const struct settings *settings_load_fd(int fd, const char *path, struct buf *error)
{
    struct buf text;
    int r = file_read_fd(fd, FILE_SIZE_MAX, &text);
    const struct settings *s = NULL;
    if (r == -EFBIG)
        buf_printf(error, "%s: larger than %d bytes", path, FILE_SIZE_MAX);
    else if (r != 0)
        buf_printf(error, "%s: %s", path, strerrordesc_np(-r));
    else
        s = settings_parse(span_from(buf_str(&text), text.len), path, error);
    buf_free(&text);
    return s;
}

const struct settings *settings_load(const char *path, struct buf *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not make us wait */
    if (fd < 0) {
        buf_printf(error, "%s: %s", path, strerrordesc_np(errno));
        return NULL;
    }
    const struct settings *s = settings_load_fd(fd, path, error);
    fd_close(&fd);
    return s;
}

void settings_value(const struct settings *s, size_t i, struct buf *out)
{
    struct buf text = BUF_INIT(FILE_SIZE_MAX);
    value_print(s, (enum row_index)i, &text);
    value_quote(span_from(buf_str(&text), text.len), out);
    buf_free(&text);
}
