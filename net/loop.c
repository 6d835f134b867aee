/* SPDX-License-Identifier: MIT */
/* Event loops: thread, mailbox and end of a libuv loop. */
#include "net/loop.h"

#include <pthread.h>
#include <stdlib.h>

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    pthread_t thread;
    bool has_thread;
    char name[16];
    pthread_mutex_t lock; /* guards what follows */
    struct loop_task *first, **last;
    bool stopping;
};

static void close_wake(struct loop *loop)
{
    if (!uv_is_closing((uv_handle_t *)&loop->wake))
        uv_close((uv_handle_t *)&loop->wake, NULL);
}

static void on_wake(uv_async_t *wake)
{
    struct loop *loop = wake->data;
    pthread_mutex_lock(&loop->lock);
    struct loop_task *task = loop->first;
    loop->first = NULL;
    loop->last = &loop->first;
    pthread_mutex_unlock(&loop->lock);
    while (task != NULL) {
        struct loop_task *next = task->next; /* run may free the task or post it again */
        task->run(task);
        task = next;
    }
    pthread_mutex_lock(&loop->lock);
    bool done = loop->stopping && loop->first == NULL; /* what the tasks posted still runs */
    pthread_mutex_unlock(&loop->lock);
    if (done)
        close_wake(loop);
}

struct loop *loop_make(const char *thread_name)
{
    struct loop *loop = xcalloc(1, sizeof *loop);
    snprintf(loop->name, sizeof loop->name, "%s", thread_name);
    if (uv_loop_init(&loop->uv) != 0) {
        free(loop);
        return NULL;
    }
    if (uv_async_init(&loop->uv, &loop->wake, on_wake) != 0) {
        uv_loop_close(&loop->uv);
        free(loop);
        return NULL;
    }
    pthread_mutex_init(&loop->lock, NULL);
    loop->last = &loop->first;
    loop->wake.data = loop;
    return loop;
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

static void *thread_main(void *arg)
{
    struct loop *loop = arg;
    pthread_setname_np(pthread_self(), loop->name);
    loop_run(loop);
    return NULL;
}

int loop_start(struct loop *loop)
{
    int error = pthread_create(&loop->thread, NULL, thread_main, loop);
    loop->has_thread = error == 0;
    return -error;
}

void loop_post(struct loop *loop, struct loop_task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&loop->lock);
    bool was_empty = loop->first == NULL;
    *loop->last = task;
    loop->last = &task->next;
    pthread_mutex_unlock(&loop->lock);
    if (was_empty)
        uv_async_send(&loop->wake);
}

void loop_stop(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->stopping = true;
    pthread_mutex_unlock(&loop->lock);
    uv_async_send(&loop->wake);
}

void loop_free(struct loop **loop)
{
    struct loop *l = *loop;
    if (l == NULL)
        return;
    *loop = NULL;
    if (l->has_thread) {
        pthread_join(l->thread, NULL);
    } else {
        if (!uv_is_closing((uv_handle_t *)&l->wake))
            loop_stop(l);
        loop_run(l);
    }
    uv_loop_close(&l->uv);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

uv_loop_t *loop_uv(struct loop *loop)
{
    return &loop->uv;
}
