/* SPDX-License-Identifier: MIT */
/* guard: logins under way. However many come at once, no more are checked than may still fail. */
#include "guard_help.h"

#include <pthread.h>
#include <stdatomic.h>

static const char HOME[] = "192.0.2.7", OFFICE[] = "192.0.2.8";

/* A client that has sent its credentials. */
struct client {
    struct guard_ticket *ticket;
    enum guard_turn turn;
    bool woken, checked;
};

static void on_turn(void *arg)
{
    struct client *c = arg;
    assert_false(c->woken);
    c->woken = true;
}

static void arrive(struct fixture *f, struct client *c, const struct guard_try *t)
{
    *c = (struct client){0};
    c->turn = guard_reserve(f->guard, f->now_ms, t, on_turn, c, &c->ticket, &f->why);
}

/* What a session does when it was woken. */
static void hear(struct fixture *f, struct client *c)
{
    if (!c->woken)
        return;
    c->woken = false;
    c->turn = guard_turn(f->guard, f->now_ms, c->ticket, &f->why);
}

static void settle(struct fixture *f, struct client *c, enum guard_outcome outcome)
{
    struct guard_result r;
    guard_settle(f->guard, f->now_ms, &c->ticket, outcome, &(struct guard_facts){0}, &r);
}

static unsigned count_turns(const struct client *clients, size_t n, enum guard_turn turn)
{
    unsigned count = 0;
    for (size_t i = 0; i < n; i++)
        count += clients[i].turn == turn;
    return count;
}

/* Lets one after the other of those who may go fail, until nobody waits. Returns how many were checked. */
static unsigned run_down(struct fixture *f, struct client *clients, size_t n)
{
    unsigned checked = 0;
    for (bool again = true; again;) {
        again = false;
        for (size_t i = 0; i < n; i++) {
            hear(f, &clients[i]);
            if (clients[i].ticket == NULL || clients[i].turn == GUARD_WAIT)
                continue;
            checked += clients[i].turn == GUARD_GO;
            settle(f, &clients[i], clients[i].turn == GUARD_GO ? GUARD_WRONG : GUARD_ABANDONED);
            again = true;
        }
    }
    for (size_t i = 0; i < n; i++)
        assert_null(clients[i].ticket);
    return checked;
}

static void assert_nobody_left(struct fixture *f)
{
    struct guard_stats stats;
    guard_stats(f->guard, &stats);
    assert_int_equal(stats.under_way, 0);
    assert_int_equal(stats.waiting, 0);
    guard_free(&f->guard); /* which asserts that no desk is left */
}

/* ---- one address ---- */

static void of_500_at_once_five_are_checked(void **state)
{
    (void)state;
    static struct client clients[500];
    struct fixture f;
    struct guard_stats stats;
    fixture_make(&f);
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        struct guard_try t = wrong_try(&f, address(HOME), "a@example.com");
        arrive(&f, &clients[i], &t);
    }
    assert_int_equal(count_turns(clients, COUNT_OF(clients), GUARD_GO), 5);
    assert_int_equal(count_turns(clients, COUNT_OF(clients), GUARD_WAIT), 495);
    guard_stats(f.guard, &stats);
    assert_int_equal(stats.under_way, 5);
    assert_int_equal(stats.waiting, 495);
    assert_int_equal(run_down(&f, clients, COUNT_OF(clients)), 5);
    assert_true(is_blocked(&f, HOME));
    assert_int_equal(f.why.cause, CAUSE_BLOCKED_FAILURES);
    assert_int_equal(look(&f, HOME).block.failures, 5);
    assert_nobody_left(&f);
}

static void earlier_failures_take_their_seats(void **state)
{
    (void)state;
    static struct client clients[20];
    struct fixture f;
    fixture_make(&f);
    for (int i = 0; i < 3; i++)
        fail_login(&f, HOME, "a@example.com");
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        struct guard_try t = wrong_try(&f, address(HOME), i % 2 ? "a@example.com" : "b@example.com");
        arrive(&f, &clients[i], &t);
    }
    assert_int_equal(count_turns(clients, COUNT_OF(clients), GUARD_GO), 2);
    assert_int_equal(run_down(&f, clients, COUNT_OF(clients)), 2);
    assert_nobody_left(&f);
}

static void a_seat_that_gets_free_wakes_the_next_in_order(void **state)
{
    (void)state;
    static struct client clients[12];
    static const enum guard_outcome harmless[] = {GUARD_GOOD, GUARD_UNAVAILABLE, GUARD_DISABLED,
                                                  GUARD_ABANDONED, GUARD_STALE};
    struct fixture f;
    fixture_make(&f);
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        struct guard_try t = attempt(HOME, "a@example.com", NULL);
        arrive(&f, &clients[i], &t);
    }
    for (size_t i = 0; i < COUNT_OF(harmless); i++) {
        assert_int_equal(clients[5 + i].turn, GUARD_WAIT);
        settle(&f, &clients[i], harmless[i]);
        assert_true(clients[5 + i].woken);
        assert_false(clients[6 + i].woken);
        hear(&f, &clients[5 + i]);
        assert_int_equal(clients[5 + i].turn, GUARD_GO);
    }
    settle(&f, &clients[10], GUARD_ABANDONED); /* one that waits goes away */
    settle(&f, &clients[5], GUARD_GOOD);
    assert_true(clients[11].woken);
    assert_int_equal(run_down(&f, clients, COUNT_OF(clients)), 5); /* 6 to 9, and 11 */
    assert_nobody_left(&f);
}

static void others_do_not_wait_for_them(void **state)
{
    (void)state;
    static struct client clients[50];
    struct fixture f;
    fixture_make(&f);
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        struct guard_try t = wrong_try(&f, address(HOME), "a@example.com");
        arrive(&f, &clients[i], &t);
    }
    good_login(&f, OFFICE, "a@example.com", "right");
    run_down(&f, clients, COUNT_OF(clients));
    assert_nobody_left(&f);
}

/* Right, or a failure that will not count: either way it takes nothing from the others. */
static void a_password_that_is_known_needs_no_seat(void **state)
{
    (void)state;
    static struct client clients[50], good[20];
    struct fixture f;
    fixture_make(&f);
    good_login(&f, HOME, "a@example.com", "right");
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        struct guard_try t = wrong_try(&f, address(HOME), "a@example.com");
        arrive(&f, &clients[i], &t);
    }
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct guard_try t = attempt(HOME, "a@example.com", "right");
        arrive(&f, &good[i], &t);
        assert_int_equal(good[i].turn, GUARD_GO);
    }
    for (size_t i = 0; i < COUNT_OF(good); i++)
        settle(&f, &good[i], GUARD_GOOD);
    assert_int_equal(count_turns(clients, COUNT_OF(clients), GUARD_GO), 5);
    assert_int_equal(run_down(&f, clients, COUNT_OF(clients)), 5);
    assert_nobody_left(&f);
}

static void a_stale_password_needs_one(void **state)
{
    (void)state;
    static struct client clients[20];
    struct fixture f;
    struct guard_try t = attempt(HOME, "a@example.com", "old");
    fixture_make(&f);
    good_login(&f, HOME, "a@example.com", "old");
    good_login(&f, HOME, "a@example.com", "new");
    for (size_t i = 0; i < COUNT_OF(clients); i++)
        arrive(&f, &clients[i], &t);
    assert_int_equal(count_turns(clients, COUNT_OF(clients), GUARD_GO), 5);
    assert_int_equal(run_down(&f, clients, COUNT_OF(clients)), 20); /* but spends none */
    assert_int_equal(look(&f, HOME).spared, 20);
    assert_nobody_left(&f);
}

/* 12 bits are no proof: who guesses them must not get past the seats. */
static void a_password_known_by_pwhash_needs_one(void **state)
{
    (void)state;
    static struct client clients[20];
    struct fixture f;
    struct guard_try t = attempt(HOME, "a@example.com", "right");
    fixture_make(&f);
    t.password_print = 0;
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        if (i == 0)
            login_with(&f, &t, GUARD_GOOD, (struct guard_facts){0});
        arrive(&f, &clients[i], &t);
    }
    assert_int_equal(count_turns(clients, COUNT_OF(clients), GUARD_GO), 5);
    run_down(&f, clients, COUNT_OF(clients));
    assert_nobody_left(&f);
}

static void in_an_office_each_account_has_its_seats(void **state)
{
    (void)state;
    static struct client clients[60];
    static const char *const accounts[] = {"a@example.com", "b@example.com", "c@example.com",
                                           "d@example.com"};
    struct fixture f;
    fixture_make(&f);
    good_login(&f, OFFICE, "other@example.com", "right");
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        struct guard_try t = wrong_try(&f, address(OFFICE), accounts[i * 4 / COUNT_OF(clients)]);
        arrive(&f, &clients[i], &t);
    }
    assert_int_equal(count_turns(clients, 15, GUARD_GO), 5);
    assert_int_equal(count_turns(clients, COUNT_OF(clients), GUARD_GO), 15);
    assert_int_equal(run_down(&f, clients, COUNT_OF(clients)), 15);
    assert_true(is_blocked(&f, OFFICE));
    assert_nobody_left(&f);
}

/* ---- a crowd ---- */

static void a_crowd_at_once_is_checked_fifty_times(void **state)
{
    (void)state;
    static struct client clients[2000];
    struct fixture f;
    fixture_make(&f);
    good_login(&f, HOME, "victim@example.com", "right");
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        struct guard_try t = wrong_try(&f, numbered((uint32_t)i), "victim@example.com");
        arrive(&f, &clients[i], &t);
    }
    assert_int_equal(count_turns(clients, COUNT_OF(clients), GUARD_GO), 50);
    struct client owner; /* does not wait behind them, also with a mistyped password */
    struct guard_try t = wrong_try(&f, address(HOME), "victim@example.com");
    arrive(&f, &owner, &t);
    assert_int_equal(owner.turn, GUARD_GO);
    settle(&f, &owner, GUARD_ABANDONED);
    assert_int_equal(run_down(&f, clients, COUNT_OF(clients)), 50);
    assert_int_equal(f.why.cause, CAUSE_BLOCKED_BOTNET);
    assert_nobody_left(&f);
}

static void one_password_at_once_is_checked_fifty_times(void **state)
{
    (void)state;
    static struct client clients[500];
    static char accounts[500][24];
    struct fixture f;
    fixture_make(&f);
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        snprintf(accounts[i], sizeof accounts[i], "u%zu@example.com", i);
        struct guard_try t = attempt_from(numbered((uint32_t)i), accounts[i], "Summer2024");
        arrive(&f, &clients[i], &t);
    }
    assert_int_equal(run_down(&f, clients, COUNT_OF(clients)), 50);
    assert_int_equal(f.why.cause, CAUSE_BLOCKED_SPRAY);
    assert_nobody_left(&f);
}

/* ---- allowed ---- */

static void an_allowed_address_has_thirty_failures_a_minute(void **state)
{
    (void)state;
    static struct client clients[100];
    struct fixture f;
    struct guard_net net = network(HOME);
    fixture_make(&f);
    assert_int_equal(guard_allow(f.guard, f.now_ms, &net, "printer"), GUARD_DONE);
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        struct guard_try t = wrong_try(&f, address(HOME), "a@example.com");
        arrive(&f, &clients[i], &t);
    }
    assert_int_equal(count_turns(clients, COUNT_OF(clients), GUARD_GO), 30);
    assert_int_equal(run_down(&f, clients, COUNT_OF(clients)), 30);
    assert_int_equal(f.why.cause, CAUSE_AUTH_TOO_FAST);
    pass(&f, 59);
    fail_login(&f, HOME, "a@example.com");
    assert_int_equal(f.why.cause, CAUSE_AUTH_TOO_FAST);
    pass(&f, 1);
    assert_int_equal(login(&f, HOME, "a@example.com", "old", GUARD_STALE).count, GUARD_SPARED);
    for (int i = 1; i < 30; i++)
        assert_int_equal(fail_login(&f, HOME, "a@example.com").count, GUARD_COUNTED);
    fail_login(&f, HOME, "a@example.com");
    assert_int_equal(f.why.cause, CAUSE_AUTH_TOO_FAST);
    assert_false(is_blocked(&f, HOME));
    /* let go, it begins anew */
    assert_int_equal(guard_disallow(f.guard, f.now_ms, &net), GUARD_DONE);
    assert_false(fail_login(&f, HOME, "a@example.com").blocked);
    assert_nobody_left(&f);
}

/* ---- at random ---- */

enum { RANDOM_ADDRESSES = 5, RANDOM_CLIENTS = 60 };

/* What must hold for each address at any time. */
static void assert_within_limits(struct fixture *f, const struct client *clients, const unsigned *address_of,
                                 const unsigned *failed)
{
    static const char *const texts[RANDOM_ADDRESSES] = {"198.18.0.0", "198.18.0.1", "198.18.0.2",
                                                        "198.18.0.3", "198.18.0.4"};
    for (unsigned a = 0; a < RANDOM_ADDRESSES; a++) {
        unsigned under_way = 0, waiting = 0;
        for (size_t i = 0; i < RANDOM_CLIENTS; i++) {
            bool there = clients[i].ticket != NULL && address_of[i] == a;
            under_way += there && clients[i].turn == GUARD_GO;
            waiting += there && clients[i].turn == GUARD_WAIT && !clients[i].woken;
        }
        if (failed[a] + under_way > 5)
            fail_msg("%u failed, %u under way", failed[a], under_way);
        if (waiting > 0 && failed[a] + under_way < 5) /* nobody waits for nothing */
            fail_msg("%u wait although %u failed and %u are under way", waiting, failed[a], under_way);
        assert_true(is_blocked(f, texts[a]) ==
                    (failed[a] == 5)); /* never below the threshold, always at it */
    }
}

static void random_order_never_passes_the_limit(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct client clients[RANDOM_CLIENTS] = {{0}};
        unsigned address_of[RANDOM_CLIENTS] = {0}, failed[RANDOM_ADDRESSES] = {0};
        uint64_t random = seed;
        struct fixture f;
        fixture_make(&f);
        for (int step = 0; step < 400; step++) {
            random = random * 6364136223846793005ULL + 1442695040888963407ULL;
            struct client *c = &clients[(random >> 33) % RANDOM_CLIENTS];
            unsigned *address = &address_of[c - clients];
            unsigned dice = (unsigned)(random >> 56);
            hear(&f, c);
            if (c->ticket == NULL) {
                *address = dice % RANDOM_ADDRESSES;
                struct guard_try t =
                    wrong_try(&f, numbered(*address), dice % 3 ? "a@example.com" : "b@example.com");
                arrive(&f, c, &t);
            } else if (c->turn == GUARD_GO && dice % 3) {
                bool wrong = dice % 4 == 0;
                failed[*address] += wrong;
                settle(&f, c, wrong ? GUARD_WRONG : dice % 2 ? GUARD_UNAVAILABLE : GUARD_ABANDONED);
            } else if (c->turn != GUARD_GO && dice % 7 == 0) {
                settle(&f, c, GUARD_ABANDONED);
            }
            for (size_t i = 0; i < RANDOM_CLIENTS; i++)
                hear(&f, &clients[i]);
            assert_within_limits(&f, clients, address_of, failed);
        }
        run_down(&f, clients, RANDOM_CLIENTS);
        assert_nobody_left(&f);
    }
}

/* ---- threads ---- */

enum { THREADS = 4, ROUNDS = 3000 };

struct worker {
    struct guard *guard;
    unsigned number;
    atomic_uint woken;
};

static void on_wake_of_thread(void *arg)
{
    struct worker *w = arg;
    atomic_fetch_add(&w->woken, 1);
}

static enum guard_turn wait_for_turn(struct worker *w, struct guard_ticket *ticket, unsigned before,
                                     struct guard_refusal *why)
{
    for (;;) {
        while (atomic_load(&w->woken) == before)
            sched_yield();
        before = atomic_load(&w->woken);
        enum guard_turn turn = guard_turn(w->guard, clock_mono_ms(), ticket, why);
        if (turn != GUARD_WAIT)
            return turn;
    }
}

static void *come_and_go(void *arg)
{
    struct worker *w = arg;
    struct guard_result r;
    struct guard_refusal why;
    struct guard_block block;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct guard_try t = attempt_from(numbered(i % 7), i % 3 ? "a@example.com" : "b@example.com", NULL);
        struct guard_ticket *ticket = NULL;
        unsigned before = atomic_load(&w->woken);
        guard_ask(w->guard, clock_mono_ms(), &t.from, &block);
        enum guard_turn turn =
            guard_reserve(w->guard, clock_mono_ms(), &t, on_wake_of_thread, w, &ticket, &why);
        if (turn == GUARD_WAIT)
            turn = wait_for_turn(w, ticket, before, &why);
        enum guard_outcome outcome = i % 5 == w->number ? GUARD_WRONG : GUARD_GOOD;
        if (ticket != NULL)
            guard_settle(w->guard, clock_mono_ms(), &ticket, turn == GUARD_GO ? outcome : GUARD_ABANDONED,
                         &(struct guard_facts){0}, &r);
        if (i % 100 == 0)
            guard_unblock(w->guard, clock_mono_ms(), NULL, NULL, 0);
        guard_tick(w->guard, clock_mono_ms(), clock_wall());
    }
    return NULL;
}

static void many_threads_come_and_go(void **state)
{
    (void)state;
    struct fixture f;
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    fixture_rules(&f);
    f.now_ms = clock_mono_ms();
    f.rules.max_failures = f.rules.office_failures = 2; /* so that some wait, and some are refused */
    fixture_start(&f);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i].guard = f.guard;
        workers[i].number = i;
        atomic_init(&workers[i].woken, 0);
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_nobody_left(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_500_at_once_five_are_checked),
        cmocka_unit_test(earlier_failures_take_their_seats),
        cmocka_unit_test(a_seat_that_gets_free_wakes_the_next_in_order),
        cmocka_unit_test(others_do_not_wait_for_them),
        cmocka_unit_test(a_password_that_is_known_needs_no_seat),
        cmocka_unit_test(a_stale_password_needs_one),
        cmocka_unit_test(a_password_known_by_pwhash_needs_one),
        cmocka_unit_test(in_an_office_each_account_has_its_seats),
        cmocka_unit_test(a_crowd_at_once_is_checked_fifty_times),
        cmocka_unit_test(one_password_at_once_is_checked_fifty_times),
        cmocka_unit_test(an_allowed_address_has_thirty_failures_a_minute),
        cmocka_unit_test(random_order_never_passes_the_limit),
        cmocka_unit_test(many_threads_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
