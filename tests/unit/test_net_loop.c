/* SPDX-License-Identifier: MIT */
/* Loops: the order of tasks from several threads, tasks that post tasks, and the end. */
#include "net_help.h"

enum { SENDERS = 4, TASKS = 5000 };

struct numbered {
    struct loop_task task;
    int sender, number;
};

/* Touched by the loop's thread only, until it has ended. */
static int last_of[SENDERS];
static int out_of_order, seen;

static void on_numbered(struct loop_task *task)
{
    struct numbered *n = CONTAINER_OF(task, struct numbered, task);
    out_of_order += n->number != last_of[n->sender] + 1;
    last_of[n->sender] = n->number;
    seen++;
    free(n); /* run may free it */
}

struct sender {
    pthread_t thread;
    struct loop *loop;
    int id;
};

static void *send_all(void *arg)
{
    struct sender *s = arg;
    for (int i = 1; i <= TASKS; i++) {
        struct numbered *n = xcalloc(1, sizeof *n);
        *n = (struct numbered){{on_numbered, NULL}, s->id, i};
        loop_post(s->loop, &n->task);
    }
    return NULL;
}

static void tasks_of_a_sender_keep_their_order(void **state)
{
    (void)state;
    struct loop *loop = start_loop();
    struct sender senders[SENDERS];
    seen = out_of_order = 0;
    memset(last_of, 0, sizeof last_of);
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.loop = loop, .id = i};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]), 0);
    }
    for (int i = 0; i < SENDERS; i++)
        pthread_join(senders[i].thread, NULL);
    end_loop(&loop); /* runs what is left first */
    assert_null(loop);
    assert_int_equal(seen, SENDERS * TASKS);
    assert_int_equal(out_of_order, 0);
}

struct chain {
    struct loop_task task;
    struct loop *loop;
    int left;
};

static void on_chain(struct loop_task *task)
{
    struct chain *c = CONTAINER_OF(task, struct chain, task);
    if (--c->left > 0)
        loop_post(c->loop, task);
}

static void a_task_may_post_itself_again(void **state)
{
    (void)state;
    struct loop *loop = start_loop();
    struct chain chain = {{on_chain, NULL}, loop, 1000};
    loop_post(loop, &chain.task);
    end_loop(&loop); /* the end waits for the last link */
    assert_int_equal(chain.left, 0);
}

static void a_loop_without_a_thread_runs_what_was_posted(void **state)
{
    (void)state;
    struct loop *loop = loop_make("idle");
    struct chain chain = {{on_chain, NULL}, loop, 3};
    loop_post(loop, &chain.task);
    loop_free(&loop);
    assert_null(loop);
    assert_int_equal(chain.left, 0);
    loop_free(&loop); /* nothing to do */
}

static void *run(void *arg)
{
    loop_run(arg);
    return NULL;
}

static void raise_post(void *arg)
{
    signpost_raise(arg);
}

static void another_thread_may_run_it(void **state)
{
    (void)state;
    struct loop *loop = loop_make("a name that is longer than fifteen bytes");
    struct signpost ran = SIGNPOST_INIT;
    pthread_t thread;
    pthread_create(&thread, NULL, run, loop);
    on_loop(loop, raise_post, &ran);
    loop_stop(loop);
    pthread_join(thread, NULL);
    loop_free(&loop);
    assert_int_equal(ran.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_of_a_sender_keep_their_order),
        cmocka_unit_test(a_task_may_post_itself_again),
        cmocka_unit_test(a_loop_without_a_thread_runs_what_was_posted),
        cmocka_unit_test(another_thread_may_run_it),
    };
    return cmocka_run_group_tests_name("net_loop", tests, NULL, NULL);
}
