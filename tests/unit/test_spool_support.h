/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the spool share: a folder with settings, a loop and a spool; messages that are put in
 * from the loop; bodies that can be made again from the queue id, so that a message read back proves itself.
 */
#ifndef GP_TEST_SPOOL_SUPPORT_H
#define GP_TEST_SPOOL_SUPPORT_H

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
#include <time.h>
#include <unistd.h>

#include "spool/incoming.h"

enum { PLACE_PATH_MAX = 512, PLACE_WAIT_MS = 60000, FEED_BYTES = 16384 };

struct place {
    char dir[PLACE_PATH_MAX];
    struct settings_cell *cell;
    struct loop *loop;
    struct spool *spool;
};

/* ---- the place ---- */

static inline const struct settings *place_load(const struct place *p, const char *lines)
{
    char path[PLACE_PATH_MAX + 32];
    struct buf text = BUF_INIT(8192), error = BUF_INIT(8192);
    snprintf(path, sizeof path, "%s/gatepost.conf", p->dir);
    buf_printf(&text, "hostname = mail.example.com\ndata_dir = %s\n%s", p->dir, lines);
    assert_int_equal(file_replace(path, text.data, text.len, 0600), 0);
    const struct settings *s = settings_load(path, &error);
    assert_string_equal(buf_str(&error), "");
    buf_free(&text);
    buf_free(&error);
    return s;
}

static inline void place_settings(struct place *p, const char *lines)
{
    const struct settings *s = place_load(p, lines);
    if (p->cell == NULL)
        p->cell = settings_cell_make(s);
    else
        settings_cell_set(p->cell, s);
}

/* report: what spool_open says besides; NULL when it must be nothing. */
static inline void place_open(struct place *p, struct buf *report)
{
    struct buf text = BUF_INIT(65536);
    p->spool = spool_open(p->cell, report != NULL ? report : &text);
    if (p->spool == NULL)
        fail_msg("%s", buf_str(report != NULL ? report : &text));
    assert_string_equal(buf_str(&text), "");
    buf_free(&text);
}

static inline void place_start(struct place *p, const char *lines)
{
    place_settings(p, lines);
    p->loop = loop_make("test");
    assert_non_null(p->loop);
    assert_int_equal(loop_start(p->loop), 0);
    place_open(p, NULL);
}

static inline void place_make(struct place *p, const char *lines)
{
    *p = (struct place){0};
    snprintf(p->dir, sizeof p->dir, "/tmp/gatepost-spool-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    place_start(p, lines);
}

static inline void place_reopen(struct place *p)
{
    spool_close(&p->spool);
    place_open(p, NULL);
}

static inline void place_stop(struct place *p)
{
    spool_close(&p->spool);
    assert_null(p->spool);
    loop_stop(p->loop);
    loop_free(&p->loop);
    settings_cell_free(&p->cell);
}

static inline int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static inline void place_remove(const char *dir)
{
    nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void place_free(struct place *p)
{
    place_stop(p);
    place_remove(p->dir);
}

static inline void sleep_ms(unsigned ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000}, NULL);
}

/* ---- bodies ---- */

static inline uint64_t body_seed(const char *id)
{
    uint64_t seed = 0xcbf29ce484222325ULL; /* FNV-1a */
    for (; *id != '\0'; id++)
        seed = (seed ^ (unsigned char)*id) * 0x100000001b3ULL;
    return seed;
}

/* The bytes from offset on of the body that belongs to the id. */
static inline void body_make(const char *id, uint64_t offset, char *out, size_t n)
{
    uint64_t seed = body_seed(id);
    for (size_t i = 0; i < n; i++) {
        uint64_t x = (seed + (offset + i) / 8) * 0x9E3779B97F4A7C15ULL;
        out[i] = (char)(x >> (8 * ((offset + i) % 8)));
    }
}

/* Reads the message's body; NULL when it is what it must be, else what is wrong. */
static inline const char *body_fault(struct spool *spool, const char *id, uint64_t size, struct buf *text)
{
    char got[4096], want[4096];
    struct spool_body *body = spool_body_open(spool, id, text);
    if (body == NULL)
        return buf_str(text);
    uint64_t at = 0;
    ssize_t n;
    const char *fault = NULL;
    while (fault == NULL && (n = spool_body_read(body, got, sizeof got)) != 0) {
        if (n < 0)
            fault = "cannot be read";
        else if (body_make(id, at, want, (size_t)n), memcmp(got, want, (size_t)n) != 0)
            fault = "other bytes";
        else
            at += (uint64_t)n;
    }
    spool_body_close(&body);
    return fault != NULL ? fault : at == size ? NULL : "another size";
}

static inline void assert_body(struct spool *spool, const char *id, uint64_t size)
{
    struct buf text = BUF_INIT(4096);
    const char *fault = body_fault(spool, id, size, &text);
    if (fault != NULL)
        fail_msg("%s: %s", id, fault);
    buf_free(&text);
}

/* How many body files there are. */
static inline void count_file(void *arg, const char *id)
{
    (void)id;
    ++*(unsigned *)arg;
}

static inline unsigned body_files(const struct place *p)
{
    struct folder folder;
    unsigned n = 0;
    folder_init(&folder, p->dir);
    assert_int_equal(folder_each(&folder, count_file, &n), 0);
    folder_free(&folder);
    return n;
}

/* Files go after what was told: a little later. */
static inline void assert_body_files(const struct place *p, unsigned n)
{
    for (unsigned waited = 0; body_files(p) != n && waited < 5000; waited += 10)
        sleep_ms(10);
    assert_int_equal(body_files(p), n);
}

/* ---- putting messages in ---- */

struct sent {
    struct spool *spool;
    struct loop *loop;
    uint64_t size, fed;
    const struct envelope *envelope;
    void (*before_commit)(struct spool_in *in); /* NULL: nothing */
    struct spool_in *in;
    char id[QUEUE_ID_MAX];
    struct loop_task task;
    unsigned waits;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    bool done;
    enum spool_result result;
};

static const char *const TEST_RECIPIENTS[] = {"anna@example.net"};
static const struct envelope TEST_ENVELOPE = {
    .sender = "demo@example.com",
    .recipients = TEST_RECIPIENTS,
    .recipient_count = 1,
    .account = "demo@example.com",
    .client = "H=(laptop) [192.0.2.7]:37803",
};

static inline void sent_feed(void *arg)
{
    struct sent *s = arg;
    char bytes[FEED_BYTES];
    while (s->fed < s->size) {
        size_t n = s->size - s->fed < sizeof bytes ? (size_t)(s->size - s->fed) : sizeof bytes;
        body_make(s->id, s->fed, bytes, n);
        s->fed += n;
        if (spool_in_add(s->in, bytes, n) == SPOOL_WAIT) {
            s->waits++;
            if (s->fed < s->size)
                return; /* drained goes on */
        }
    }
    if (s->before_commit != NULL)
        s->before_commit(s->in);
    spool_in_commit(s->in, s->envelope);
}

static inline void sent_done(void *arg, enum spool_result result)
{
    struct sent *s = arg;
    pthread_mutex_lock(&s->lock);
    s->done = true;
    s->result = result;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

static const struct spool_in_events SENT_EVENTS = {sent_feed, sent_done};

static inline void sent_run(struct loop_task *task)
{
    struct sent *s = CONTAINER_OF(task, struct sent, task);
    s->in = spool_in_open(s->spool, s->loop, &SENT_EVENTS, s);
    snprintf(s->id, sizeof s->id, "%s", spool_in_id(s->in));
    sent_feed(s);
}

/* Begins; the outcome is waited for with sent_wait. */
static inline void sent_start(struct place *p, struct sent *s, uint64_t size, const struct envelope *envelope)
{
    *s = (struct sent){.spool = p->spool, .loop = p->loop, .size = size, .task.run = sent_run};
    s->envelope = envelope != NULL ? envelope : &TEST_ENVELOPE;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    loop_post(p->loop, &s->task);
}

static inline enum spool_result sent_wait(struct sent *s)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PLACE_WAIT_MS / 1000;
    pthread_mutex_lock(&s->lock);
    while (!s->done)
        if (pthread_cond_timedwait(&s->wake, &s->lock, &until) != 0)
            break;
    bool done = s->done;
    pthread_mutex_unlock(&s->lock);
    assert_true(done);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    return s->result;
}

/* One message, and its outcome. id_r may be NULL. */
static inline enum spool_result send_one(struct place *p, uint64_t size, const struct envelope *envelope,
                                         char id_r[QUEUE_ID_MAX])
{
    struct sent s;
    sent_start(p, &s, size, envelope);
    enum spool_result result = sent_wait(&s);
    if (id_r != NULL)
        memcpy(id_r, s.id, QUEUE_ID_MAX);
    return result;
}

/* Runs something on the loop and waits for its end. */
struct on_loop {
    struct loop_task task;
    void (*run)(void *arg);
    void *arg;
    _Atomic bool done;
};

static inline void on_loop_run(struct loop_task *task)
{
    struct on_loop *it = CONTAINER_OF(task, struct on_loop, task);
    it->run(it->arg);
    atomic_store(&it->done, true);
}

static inline void run_on_loop(struct place *p, void (*run)(void *arg), void *arg)
{
    struct on_loop it = {.task.run = on_loop_run, .run = run, .arg = arg};
    loop_post(p->loop, &it.task);
    for (unsigned waited = 0; !atomic_load(&it.done) && waited < PLACE_WAIT_MS; waited++)
        sleep_ms(1);
    assert_true(atomic_load(&it.done));
}

/* ---- taking messages out ---- */

/* Claims what is due, one delivery at most; false when nothing is. */
static inline bool claim_one(struct place *p, struct delivery *d_r)
{
    int n = spool_claim(p->spool, clock_wall(), d_r, 1);
    assert_true(n >= 0);
    return n == 1;
}

static inline enum spool_result settle_one(struct place *p, int64_t row, enum settle_outcome outcome,
                                           int64_t next_at, const char *answer)
{
    struct settlement s = {.recipient_row = row, .outcome = outcome, .next_at = next_at, .answer = answer};
    return spool_settle(p->spool, &s, 1, NULL);
}

static inline struct spool_stats stats_of(struct place *p)
{
    struct spool_stats stats;
    spool_stats(p->spool, &stats);
    return stats;
}

#endif
