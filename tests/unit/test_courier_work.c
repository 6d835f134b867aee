/* SPDX-License-Identifier: MIT */
/* The work at hand: order, limits, fairness, what happens when a destination cannot be reached. */
#include "courier/work.h"

#include "test_courier_support.h"

static const struct route MAILDIR = {.kind = ROUTE_MAILDIR, .path = "/m/a"};
static const struct route RELAY = {.kind = ROUTE_SMTP, .host = "relay.example.net", .port = 25};
static const struct route OTHER = {.kind = ROUTE_LMTP, .path = "/run/lmtp"};

/* Adds a parcel of message number m. */
static bool add_at(struct work *w, const struct route *route, int m, uint64_t now_ms)
{
    struct delivery d = {.recipient_row = m};
    snprintf(d.id, sizeof d.id, "%06d-000000-00", m);
    struct parcel *p = parcel_make(&d);
    bool taken = work_add(w, route, p, now_ms);
    if (!taken)
        parcels_free(p);
    return taken;
}

static void add(struct work *w, const struct route *route, int m)
{
    assert_true(add_at(w, route, m, clock_mono_ms()));
}

static struct job take(struct work *w)
{
    struct job job;
    assert_int_equal(work_take(w, &job, 0), WORK_JOB);
    return job;
}

static void assert_nothing(struct work *w)
{
    struct job job;
    assert_int_equal(work_take(w, &job, 0), WORK_NOTHING);
}

static void finish(struct work *w, struct job *job)
{
    parcels_free(job->parcels);
    work_done(w, job);
}

static struct work *make(unsigned per_destination)
{
    struct work *w = work_make();
    work_set_limit(w, per_destination);
    return w;
}

static void recipients_of_a_message_go_together(void **state)
{
    (void)state;
    struct work *w = make(10);
    add(w, &RELAY, 1);
    add(w, &RELAY, 1);
    add(w, &RELAY, 2);
    struct job one = take(w), two = take(w);
    assert_int_equal(one.count, 2);
    assert_int_equal(parcels_count(one.parcels), 2);
    assert_int_equal(two.count, 1);
    assert_int_equal(two.parcels->delivery.recipient_row, 2);
    assert_nothing(w);
    finish(w, &one);
    finish(w, &two);
    work_free(&w);
    assert_null(w);
}

static void a_message_with_many_recipients_is_divided(void **state)
{
    (void)state;
    struct work *w = make(10);
    for (int i = 0; i < 250; i++)
        add(w, &RELAY, 1);
    static const size_t wanted[] = {100, 100, 50};
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        struct job job = take(w);
        assert_int_equal(job.count, wanted[i]);
        finish(w, &job);
    }
    work_free(&w);
}

static void maildirs_are_filled_in_batches(void **state)
{
    (void)state;
    struct work *w = make(10);
    struct job jobs[MAILDIR_LANES];
    for (int i = 0; i < MAILDIR_BATCH * (MAILDIR_LANES + 1); i++)
        add(w, &MAILDIR, i);
    for (size_t i = 0; i < MAILDIR_LANES; i++) {
        jobs[i] = take(w);
        assert_int_equal(jobs[i].count, MAILDIR_BATCH);
    }
    assert_nothing(w); /* no more lanes */
    finish(w, &jobs[0]);
    jobs[0] = take(w);
    assert_int_equal(jobs[0].count, MAILDIR_BATCH);
    for (size_t i = 0; i < MAILDIR_LANES; i++)
        finish(w, &jobs[i]);
    work_free(&w);
}

/* What comes while a batch is written waits for the next one, until that is full. */
static void small_batches_wait_for_each_other(void **state)
{
    (void)state;
    struct work *w = make(10);
    int m = 0;
    for (; m < 3; m++)
        add(w, &MAILDIR, m);
    struct job one = take(w);
    assert_int_equal(one.count, 3);
    for (; m < 3 + MAILDIR_BATCH - 1; m++)
        add(w, &MAILDIR, m);
    assert_nothing(w);
    add(w, &MAILDIR, m);
    struct job two = take(w);
    assert_int_equal(two.count, MAILDIR_BATCH);
    add(w, &MAILDIR, m + 1);
    finish(w, &one);
    assert_nothing(w);
    finish(w, &two);
    one = take(w);
    assert_int_equal(one.count, 1);
    finish(w, &one);
    work_free(&w);
}

static void limits_hold_and_destinations_take_turns(void **state)
{
    (void)state;
    struct work *w = make(2);
    struct job jobs[4];
    for (int i = 0; i < 5; i++)
        add(w, &RELAY, i);
    for (int i = 5; i < 7; i++)
        add(w, &OTHER, i);
    for (size_t i = 0; i < 4; i++)
        jobs[i] = take(w);
    assert_int_equal(jobs[0].route.kind, ROUTE_SMTP);
    assert_int_equal(jobs[1].route.kind, ROUTE_LMTP);
    assert_int_equal(jobs[2].route.kind, ROUTE_SMTP);
    assert_int_equal(jobs[3].route.kind, ROUTE_LMTP);
    assert_nothing(w);
    for (size_t i = 0; i < 4; i++)
        finish(w, &jobs[i]);
    work_free(&w); /* with three that still wait */
}

static void all_share_the_fate_of_an_unreachable_destination(void **state)
{
    (void)state;
    struct work *w = make(2);
    for (int i = 0; i < 5; i++)
        add(w, &RELAY, i);
    struct job job = take(w);
    struct parcel *list = work_unreachable(w, &job);
    assert_int_equal(parcels_count(list), 5);
    assert_int_equal(list->delivery.recipient_row, 0);
    parcels_free(list);
    assert_nothing(w);
    struct work_counts counts;
    work_counts(w, &counts);
    assert_int_equal(counts.waiting + counts.jobs, 0);
    work_free(&w);
}

/* A server that takes two connections at a time and no third one: the third waits for its turn. */
static void a_destination_gets_the_connections_that_it_bears(void **state)
{
    (void)state;
    struct work *w = make(10);
    for (int i = 0; i < 20; i++)
        add(w, &RELAY, i);
    struct job one = take(w), two = take(w), three = take(w);
    work_connected(w, &one);
    work_connected(w, &two);
    assert_null(work_unreachable(w, &three));
    assert_nothing(w);
    finish(w, &one);
    one = take(w);
    assert_int_equal(one.parcels->delivery.recipient_row, 2); /* what was put back comes first */
    assert_nothing(w);
    work_connected(w, &one);
    finish(w, &one); /* two in a row went well: a third one may try */
    one = take(w);
    three = take(w);
    assert_nothing(w);
    finish(w, &one);
    finish(w, &two);
    finish(w, &three);
    work_free(&w);
}

static void a_slow_destination_is_not_filled_up(void **state)
{
    (void)state;
    struct work *w = make(1);
    assert_true(add_at(w, &RELAY, 1, 1000));
    assert_true(add_at(w, &RELAY, 2, 1000 + WORK_PATIENCE_MS - 1));
    assert_false(add_at(w, &RELAY, 3, 1000 + WORK_PATIENCE_MS));
    assert_true(add_at(w, &OTHER, 3, 1000 + WORK_PATIENCE_MS));
    work_free(&w);
}

static void stopping_leaves_nothing_to_take(void **state)
{
    (void)state;
    struct work *w = make(10);
    struct job job;
    for (int i = 0; i < 3; i++)
        add(w, i < 2 ? &RELAY : &MAILDIR, i);
    struct job under_way = take(w);
    assert_false(work_wait_quiet(w, 10));
    assert_int_equal(work_wait_room(w, 3, 10), 3);
    work_stop(w);
    assert_int_equal(work_take(w, &job, 10000), WORK_STOPPED);
    struct parcel *list = work_drain(w);
    assert_int_equal(parcels_count(list), 2);
    parcels_free(list);
    finish(w, &under_way);
    assert_true(work_wait_quiet(w, 10000));
    assert_int_equal(work_wait_room(w, 3, 10000), 0);
    work_free(&w);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(recipients_of_a_message_go_together),
        cmocka_unit_test(a_message_with_many_recipients_is_divided),
        cmocka_unit_test(maildirs_are_filled_in_batches),
        cmocka_unit_test(small_batches_wait_for_each_other),
        cmocka_unit_test(limits_hold_and_destinations_take_turns),
        cmocka_unit_test(all_share_the_fate_of_an_unreachable_destination),
        cmocka_unit_test(a_destination_gets_the_connections_that_it_bears),
        cmocka_unit_test(a_slow_destination_is_not_filled_up),
        cmocka_unit_test(stopping_leaves_nothing_to_take),
    };
    return cmocka_run_group_tests_name("courier.work", tests, NULL, NULL);
}
