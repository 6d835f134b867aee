/* SPDX-License-Identifier: MIT */
/*
 * What the tests of auth share: a folder of their own, settings in it, a real loop on a real thread, and
 * waiting.
 */
#ifndef GP_TEST_AUTH_HELP_H
#define GP_TEST_AUTH_HELP_H

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "auth/auth.h"

enum { PATIENCE_S = 30 };

/* Lets one thread wait for what another does. */
struct signpost {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int count;
};
#define SIGNPOST_INIT                                                                                        \
    {                                                                                                        \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0                                               \
    }

static inline void signpost_raise(struct signpost *post)
{
    pthread_mutex_lock(&post->lock);
    post->count++;
    pthread_cond_broadcast(&post->changed);
    pthread_mutex_unlock(&post->lock);
}

static inline int signpost_count(struct signpost *post)
{
    pthread_mutex_lock(&post->lock);
    int count = post->count;
    pthread_mutex_unlock(&post->lock);
    return count;
}

/* Until it was raised so often; fails the test when that takes too long. */
static inline void signpost_wait(struct signpost *post, int count)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&post->lock);
    int r = 0;
    while (post->count < count && r == 0)
        r = pthread_cond_clockwait(&post->changed, &post->lock, CLOCK_MONOTONIC, &until);
    int seen = post->count;
    pthread_mutex_unlock(&post->lock);
    assert_true(seen >= count);
}

/* Dice that fall the same way in every run (SplitMix64). */
struct dice {
    uint64_t state;
};

static inline unsigned roll(struct dice *dice, unsigned sides)
{
    uint64_t z = dice->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (unsigned)((z ^ (z >> 31)) % sides);
}

static inline void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

/* ---- a loop, and functions that run on it ---- */

struct errand {
    struct loop_task task;
    void (*run)(void *arg);
    void *arg;
    struct signpost finished;
};

static inline void errand_run(struct loop_task *task)
{
    struct errand *e = CONTAINER_OF(task, struct errand, task);
    e->run(e->arg);
    signpost_raise(&e->finished);
}

static inline void on_loop(struct loop *loop, void (*run)(void *arg), void *arg)
{
    struct errand e = {{errand_run, NULL}, run, arg, SIGNPOST_INIT};
    loop_post(loop, &e.task);
    signpost_wait(&e.finished, 1);
    pthread_mutex_lock(&e.finished.lock); /* the loop has let go of it */
    pthread_mutex_unlock(&e.finished.lock);
}

static inline struct loop *start_loop(void)
{
    struct loop *loop = loop_make("test");
    assert_non_null(loop);
    assert_int_equal(loop_start(loop), 0);
    return loop;
}

static inline void end_loop(struct loop **loop)
{
    loop_stop(*loop);
    loop_free(loop);
}

/* ---- a folder with settings ---- */

struct place {
    char dir[64];
    struct settings_cell *cell;
};

static inline void put_file(const char *path, const void *data, size_t n)
{
    assert_int_equal(file_replace(path, data, n, 0600), 0);
}

static inline const char *path_in(const struct place *place, const char *name, char out[256])
{
    snprintf(out, 256, "%s/%s", place->dir, name);
    return out;
}

static inline const struct settings *make_settings(const struct place *place, const char *more)
{
    char path[256];
    struct buf text = BUF_INIT(4096), error = BUF_INIT(4096);
    buf_printf(&text, "data_dir = %s/data\n%s", place->dir, more);
    path_in(place, "conf", path);
    put_file(path, buf_str(&text), text.len);
    const struct settings *settings = settings_load(path, &error);
    if (settings == NULL)
        fail_msg("%s", buf_str(&error));
    buf_free(&text);
    buf_free(&error);
    return settings;
}

static inline struct place make_place(const char *more)
{
    struct place place = {"/tmp/gatepost-auth-XXXXXX", NULL};
    assert_non_null(mkdtemp(place.dir));
    place.cell = settings_cell_make(make_settings(&place, more));
    return place;
}

static inline void remove_place(struct place *place)
{
    char command[128];
    settings_cell_free(&place->cell);
    snprintf(command, sizeof command, "rm -rf '%s'", place->dir);
    assert_int_equal(system(command), 0);
}

static inline struct auth *open_auth(const struct place *place)
{
    struct buf error = BUF_INIT(4096);
    struct auth *auth = auth_open(place->cell, &error);
    if (auth == NULL)
        fail_msg("%s", buf_str(&error));
    buf_free(&error);
    return auth;
}

/* ---- asking ---- */

struct question {
    struct auth *auth;
    struct loop *loop;
    struct addr from;
    struct span account, password;
    struct auth_ticket *ticket;
    struct auth_answer answer;
    struct signpost answered;
};

static inline void take_answer(void *arg, const struct auth_answer *answer)
{
    struct question *q = arg;
    q->ticket = NULL;
    q->answer = *answer;
    signpost_raise(&q->answered);
}

static inline void put_question(void *arg)
{
    struct question *q = arg;
    q->ticket = auth_check(q->auth, q->loop, &q->from, q->account, q->password, take_answer, q);
}

static inline struct auth_answer ask_bytes(struct auth *auth, struct loop *loop, const char *from,
                                           struct span account, struct span password)
{
    struct question q = {auth,     loop, {.family = 0},          account,
                         password, NULL, {.verdict = AUTH_BUSY}, SIGNPOST_INIT};
    assert_true(addr_parse(from, &q.from));
    on_loop(loop, put_question, &q);
    signpost_wait(&q.answered, 1);
    assert_int_equal(signpost_count(&q.answered), 1);
    return q.answer;
}

static inline struct auth_answer ask(struct auth *auth, struct loop *loop, const char *account,
                                     const char *password)
{
    return ask_bytes(auth, loop, "192.0.2.7", span_of(account), span_of(password));
}

static inline enum auth_verdict verdict(struct auth *auth, struct loop *loop, const char *account,
                                        const char *password)
{
    return ask(auth, loop, account, password).verdict;
}

#endif
