/* SPDX-License-Identifier: MIT */
/* What the tests of the courier share: a folder with settings, a real spool and journal, messages to put in,
 * files to look at. */
#ifndef GP_TEST_COURIER_SUPPORT_H
#define GP_TEST_COURIER_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "courier/courier.h"
#include "net/loop.h"

enum { WORLD_PATH_MAX = 512, WORLD_LONG_PATH_MAX = 1024, WORLD_WAIT_MS = 30000 };

struct world {
    char dir[WORLD_PATH_MAX];
    struct settings_cell *cell;
    struct loop *loop;
    struct spool *spool;
    struct journal *journal;
    struct courier *courier;
};

/* lines: settings of this test; "%s" may stand once for the folder. */
static inline void world_settings(struct world *w, const char *lines)
{
    char path[WORLD_PATH_MAX + 32];
    struct buf text = BUF_INIT(8192), error = BUF_INIT(8192);
    snprintf(path, sizeof path, "%s/gatepost.conf", w->dir);
    buf_printf(&text, "hostname = mail.example.com\ndata_dir = %s\nlog.file = %s/main.log\n", w->dir, w->dir);
    const char *at = strstr(lines, "%s");
    if (at != NULL)
        buf_add(&text, lines, (size_t)(at - lines)), buf_add_str(&text, w->dir), buf_add_str(&text, at + 2);
    else
        buf_add_str(&text, lines);
    assert_int_equal(file_replace(path, text.data, text.len, 0600), 0);
    const struct settings *s = settings_load(path, &error);
    assert_string_equal(buf_str(&error), "");
    if (w->cell == NULL)
        w->cell = settings_cell_make(s);
    else
        settings_cell_set(w->cell, s);
    buf_free(&text);
    buf_free(&error);
}

static inline void world_open(struct world *w)
{
    struct buf error = BUF_INIT(8192);
    w->loop = loop_make("test");
    assert_int_equal(loop_start(w->loop), 0);
    w->spool = spool_open(w->cell, &error);
    w->journal = journal_open(w->cell, &error);
    assert_string_equal(buf_str(&error), "");
    assert_non_null(w->spool);
    assert_non_null(w->journal);
    buf_free(&error);
}

static inline struct world world_make(const char *lines)
{
    struct world w = {.cell = NULL};
    const char *base = getenv("TMPDIR");
    snprintf(w.dir, sizeof w.dir, "%s/gp-courier-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(w.dir));
    world_settings(&w, lines);
    world_open(&w);
    return w;
}

static inline void world_start(struct world *w)
{
    struct buf error = BUF_INIT(1024);
    w->courier = courier_start(w->spool, w->journal, w->cell, "mail.example.com", &error);
    assert_string_equal(buf_str(&error), "");
    assert_non_null(w->courier);
}

static inline void world_close(struct world *w)
{
    courier_stop(&w->courier, 5000);
    spool_close(&w->spool);
    journal_close(&w->journal);
    loop_stop(w->loop);
    loop_free(&w->loop);
}

static inline int world_unlink(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static inline void world_remove(struct world *w)
{
    world_close(w);
    settings_cell_free(&w->cell);
    assert_int_equal(nftw(w->dir, world_unlink, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* ---- messages ---- */

struct submission {
    struct loop_task task;
    struct spool *spool;
    struct loop *loop;
    const char *sender, *const *recipients;
    size_t recipient_count;
    struct span text;
    struct spool_in *in;
    char id[QUEUE_ID_MAX];
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done;
    enum spool_result result;
};

static inline void submission_done(void *arg, enum spool_result result)
{
    struct submission *s = arg;
    pthread_mutex_lock(&s->lock);
    s->result = result;
    s->is_done = true;
    pthread_cond_signal(&s->done);
    pthread_mutex_unlock(&s->lock);
}

/* Feeds what it may; goes on when the spool has room again. */
static inline void submission_feed(void *arg)
{
    struct submission *s = arg;
    enum { PIECE = 65536 };
    while (s->text.n > 0) {
        size_t n = s->text.n < PIECE ? s->text.n : PIECE;
        enum spool_flow flow = spool_in_add(s->in, s->text.p, n);
        s->text = span_skip(s->text, n);
        if (flow == SPOOL_WAIT)
            return;
    }
    spool_in_commit(s->in, &(struct envelope){.sender = s->sender,
                                              .recipients = s->recipients,
                                              .recipient_count = s->recipient_count,
                                              .account = "",
                                              .client = "test"});
}

static inline void submission_run(struct loop_task *task)
{
    static const struct spool_in_events events = {.drained = submission_feed, .done = submission_done};
    struct submission *s = CONTAINER_OF(task, struct submission, task);
    s->in = spool_in_open(s->spool, s->loop, &events, s);
    snprintf(s->id, sizeof s->id, "%s", spool_in_id(s->in));
    submission_feed(s);
}

/* Queues a message; id_r may be NULL. */
static inline void world_submit(struct world *w, const char *sender, const char *const *recipients, size_t n,
                                struct span text, char id_r[QUEUE_ID_MAX])
{
    struct submission s = {.task = {.run = submission_run},
                           .spool = w->spool,
                           .loop = w->loop,
                           .sender = sender,
                           .recipients = recipients,
                           .recipient_count = n,
                           .text = text};
    pthread_mutex_init(&s.lock, NULL);
    pthread_cond_init(&s.done, NULL);
    loop_post(w->loop, &s.task);
    pthread_mutex_lock(&s.lock);
    while (!s.is_done)
        pthread_cond_wait(&s.done, &s.lock);
    pthread_mutex_unlock(&s.lock);
    pthread_cond_destroy(&s.done);
    pthread_mutex_destroy(&s.lock);
    assert_int_equal(s.result, SPOOL_OK);
    if (id_r != NULL)
        memcpy(id_r, s.id, QUEUE_ID_MAX);
}

#define MESSAGE_TEXT "From: a@example.com\r\nSubject: hello\r\n\r\n.one\r\n..two\r\nthree\r\n"

static inline void world_submit_one(struct world *w, const char *sender, const char *recipient,
                                    char id_r[QUEUE_ID_MAX])
{
    world_submit(w, sender, &recipient, 1, span_of(MESSAGE_TEXT), id_r);
}

static inline bool world_is_empty(struct world *w)
{
    struct spool_stats stats;
    spool_stats(w->spool, &stats);
    return stats.messages == 0;
}

#define WAIT_FOR(condition)                                                                                  \
    do {                                                                                                     \
        uint64_t wait_until_ms = clock_mono_ms() + WORLD_WAIT_MS;                                            \
        while (!(condition)) {                                                                               \
            assert_true(clock_mono_ms() < wait_until_ms);                                                    \
            usleep(5000);                                                                                    \
        }                                                                                                    \
    } while (0)

/* ---- files ---- */

/* Number of files in the folder; the name of the last one seen goes to name_r, if that is not NULL. */
static inline int world_count(const struct world *w, const char *folder, char name_r[WORLD_PATH_MAX])
{
    char path[2 * WORLD_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", w->dir, folder);
    DIR *dir = opendir(path);
    int n = 0;
    for (struct dirent *d; dir != NULL && (d = readdir(dir)) != NULL;) {
        if (d->d_name[0] == '.')
            continue;
        n++;
        if (name_r != NULL)
            snprintf(name_r, WORLD_PATH_MAX, "%s", d->d_name);
    }
    if (dir != NULL)
        closedir(dir);
    return n;
}

/* The file's content; free it with buf_free. */
static inline struct buf world_read(const struct world *w, const char *folder, const char *name)
{
    char path[3 * WORLD_PATH_MAX];
    struct buf text;
    snprintf(path, sizeof path, "%s/%s%s%s", w->dir, folder, folder[0] != '\0' ? "/" : "", name);
    assert_int_equal(file_read(path, 64 << 20, &text), 0);
    return text;
}

static inline struct buf world_log(struct world *w)
{
    assert_true(journal_flush(w->journal, WORLD_WAIT_MS));
    return world_read(w, "", "main.log");
}

static inline void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static inline void assert_log(struct world *w, const char *part)
{
    struct buf log = world_log(w);
    assert_contains(buf_str(&log), part);
    buf_free(&log);
}

#endif
