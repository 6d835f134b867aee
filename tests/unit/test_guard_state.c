/* SPDX-License-Identifier: MIT */
/* guard: what others are told of it, what it takes back from a store, the wall clock, and POP-before-SMTP. */
#include "guard_help.h"

static const char HOME[] = "192.0.2.7", OTHER[] = "192.0.2.8", OFFICE[] = "198.51.100.1";

enum { CHANGES_MAX = 2000 };

/* What came last. */
static struct {
    struct guard_change list[CHANGES_MAX];
    size_t n;
} store;

static void drain(struct fixture *f)
{
    store.n = guard_changes(f->guard, store.list, CHANGES_MAX);
    assert_true(store.n < CHANGES_MAX);
}

static size_t count_kind(enum guard_change_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < store.n; i++)
        n += store.list[i].kind == kind;
    return n;
}

static const struct guard_change *first_of(enum guard_change_kind kind)
{
    for (size_t i = 0; i < store.n; i++)
        if (store.list[i].kind == kind)
            return &store.list[i];
    fail_msg("no change of kind %d", (int)kind);
    return NULL;
}

static void subscribed(struct fixture *f)
{
    fixture_make(f);
    guard_subscribe(f->guard, on_wake, f);
}

/* ---- changes ---- */

static void each_failure_and_its_block_is_told(void **state)
{
    (void)state;
    struct fixture f;
    subscribed(&f);
    assert_int_equal(f.woken, 0);
    fail_unknown(&f, HOME, "Nobody@example.com");
    assert_int_equal(f.woken, 1);
    login(&f, HOME, "a@example.com", "old", GUARD_STALE);
    assert_int_equal(f.woken, 1); /* until someone took them */
    drain(&f);
    assert_int_equal(store.n, 2);
    assert_int_equal(store.list[0].kind, GUARD_CHANGE_FAILED);
    assert_true(store.list[0].failure.account_unknown);
    assert_false(store.list[0].failure.spared);
    assert_int_equal(store.list[0].failure.at, wall(&f));
    assert_int_equal(store.list[0].failure.account_print,
                     guard_account_print(f.guard, span_of("nobody@example.com")));
    assert_true(store.list[1].failure.spared);
    drain(&f);
    assert_int_equal(store.n, 0);
    struct guard_block b;
    for (int i = 0; i < 4; i++)
        fail_login(&f, HOME, "a@example.com");
    assert_int_equal(f.woken, 2);
    for (int i = 0; i < 21; i++)
        ask(&f, HOME, &b);
    pass(&f, HOUR);
    guard_tick(f.guard, f.now_ms, wall(&f));
    drain(&f);
    assert_int_equal(count_kind(GUARD_CHANGE_FAILED), 4);
    assert_int_equal(first_of(GUARD_CHANGE_BLOCKED)->block.failures, 5);
    assert_int_equal(first_of(GUARD_CHANGE_DROPPED)->block.hits, 20);
    assert_int_equal(first_of(GUARD_CHANGE_UNBLOCKED)->why, GUARD_END_TIME);
    assert_int_equal(first_of(GUARD_CHANGE_UNBLOCKED)->block.hits, 21);
    assert_int_equal(store.n, 7);
    guard_free(&f.guard);
}

static void what_administrators_do_is_told(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_block b;
    struct guard_net home = network(HOME), other = network(OTHER);
    subscribed(&f);
    guard_block(f.guard, f.now_ms, &home, 60, "why", &b);
    guard_unblock(f.guard, f.now_ms, &home, NULL, 0);
    guard_allow(f.guard, f.now_ms, &other, "printer");
    guard_disallow(f.guard, f.now_ms, &other);
    guard_unblock(f.guard, f.now_ms, NULL, NULL, 0);
    drain(&f);
    static const enum guard_change_kind kinds[] = {
        GUARD_CHANGE_BLOCKED,    GUARD_CHANGE_UNBLOCKED, GUARD_CHANGE_CLEARED, GUARD_CHANGE_ALLOWED,
        GUARD_CHANGE_DISALLOWED, GUARD_CHANGE_CLEARED,   GUARD_CHANGE_CLEARED};
    assert_int_equal(store.n, COUNT_OF(kinds));
    for (size_t i = 0; i < store.n; i++)
        assert_int_equal(store.list[i].kind, kinds[i]);
    assert_string_equal(store.list[0].block.reason, "why");
    assert_int_equal(store.list[1].why, GUARD_END_LIFTED);
    assert_true(addr_equal(&store.list[2].net.address, &home.address));
    assert_string_equal(store.list[3].allow.note, "printer");
    assert_int_equal(store.list[6].net.address.family, 0);
    guard_free(&f.guard);
}

static void a_login_is_told_at_most_every_15_minutes(void **state)
{
    (void)state;
    struct fixture f;
    subscribed(&f);
    int64_t start = wall(&f);
    for (int i = 0; i < 60; i++) { /* an hour */
        good_login(&f, HOME, "a@example.com", "right");
        pass(&f, 60);
    }
    drain(&f);
    assert_int_equal(store.n, 4);
    assert_int_equal(store.list[3].login.first_at, start);
    assert_int_equal(store.list[3].login.last_at, start + 45 * 60);
    good_login(&f, HOME, "a@example.com", "new"); /* but a new password at once */
    good_login(&f, OTHER, "a@example.com", "new");
    drain(&f);
    assert_int_equal(store.n, 2);
    guard_free(&f.guard);
}

static void lost_changes_are_said_to_be_lost(void **state)
{
    (void)state;
    struct fixture f;
    fixture_rules(&f);
    f.rules.sizes.changes = 10;
    fixture_start(&f);
    guard_subscribe(f.guard, on_wake, &f);
    for (uint32_t i = 0; i < 10; i++)
        fail_from(&f, numbered(i), "a@example.com");
    drain(&f);
    assert_int_equal(count_kind(GUARD_CHANGE_RESYNC), 0);
    for (uint32_t i = 0; i < 12; i++)
        fail_from(&f, numbered(i), "a@example.com");
    drain(&f);
    assert_int_equal(store.n, 3);
    assert_int_equal(store.list[0].kind, GUARD_CHANGE_RESYNC);
    struct guard_stats stats;
    guard_stats(f.guard, &stats);
    assert_int_equal(stats.changes_lost, 10);
    guard_free(&f.guard);
}

/* ---- back from a store ---- */

/* What a store does: a block uses up the failures of its address. */
static bool is_used_up(size_t failure)
{
    for (size_t i = failure; i < store.n; i++)
        if (store.list[i].kind == GUARD_CHANGE_BLOCKED && !store.list[i].block.pair &&
            addr_equal(&store.list[i].block.net.address, &store.list[failure].failure.address))
            return true;
    return false;
}

static void put_back(struct fixture *f)
{
    for (size_t i = 0; i < store.n; i++)
        if (store.list[i].kind == GUARD_CHANGE_FAILED && !is_used_up(i))
            guard_put_failure(f->guard, f->now_ms, &store.list[i].failure);
    for (size_t i = 0; i < store.n; i++) {
        const struct guard_change *c = &store.list[i];
        if (c->kind == GUARD_CHANGE_BLOCKED)
            guard_put_block(f->guard, f->now_ms, &c->block);
        if (c->kind == GUARD_CHANGE_ALLOWED)
            assert_true(guard_put_allow(f->guard, f->now_ms, &c->allow));
        if (c->kind == GUARD_CHANGE_LOGIN)
            assert_true(guard_put_login(f->guard, f->now_ms, &c->login));
    }
}

/* Another process, after some time, with all that changed since the first began; its CLOCK_MONOTONIC begins
 * elsewhere. */
static void restart(struct fixture *f, uint64_t seconds)
{
    int64_t now = wall(f) + (int64_t)seconds;
    drain(f);
    guard_free(&f->guard);
    f->now_ms = 77000;
    f->wall_ahead = 0;
    f->wall_ahead = now - wall(f);
    fixture_start(f);
    guard_subscribe(f->guard, on_wake, f);
    put_back(f);
    drain(f);
    assert_int_equal(store.n, 0); /* what came from the store does not go there again */
}

static void a_restart_forgets_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_block before, after;
    struct guard_net printer = network("203.0.113.9");
    subscribed(&f);
    good_login(&f, OFFICE, "other@example.com", "right");
    for (int i = 0; i < 5; i++)
        fail_login(&f, OFFICE, "a@example.com"); /* a pair */
    for (int i = 0; i < 4; i++)
        fail_login(&f, OTHER, "b@example.com");
    good_login(&f, OTHER, "c@example.com", "old");
    guard_allow(f.guard, f.now_ms, &printer, "printer");
    pass(&f, 10);
    good_login(&f, OTHER, "c@example.com", "new");
    before = block_by_failures(&f, "2001:db8::1");
    restart(&f, 100);

    assert_int_equal(ask(&f, "2001:db8::99", &after), GUARD_BLOCKED);
    assert_int_equal(after.since, before.since);
    assert_int_equal(after.until, before.until);
    assert_string_equal(after.account, before.account);
    assert_int_equal(look(&f, "2001:db8::1").failures, 0);
    fail_login(&f, OFFICE, "a@example.com");
    assert_int_equal(f.why.cause, CAUSE_BLOCKED_PAIR);
    assert_int_equal(look(&f, OFFICE).failures, 5);
    assert_int_equal(look(&f, OTHER).failures, 4);
    assert_true(look(&f, "203.0.113.9").allowed);
    struct guard_result r = login(&f, OTHER, "c@example.com", "old", GUARD_WRONG);
    assert_int_equal(r.count, GUARD_SPARED);
    assert_true(r.tell_changed);
    assert_int_equal(r.changed_at, before.since);
    struct guard_failure old = {address(HOME), 1, 1, false, false, wall(&f) - HOUR};
    assert_false(guard_put_failure(f.guard, f.now_ms, &old)); /* over */
    drain(&f);
    good_login(&f, OFFICE, "other@example.com", NULL);
    drain(&f);
    assert_int_equal(count_kind(GUARD_CHANGE_LOGIN), 0); /* the store has it from a moment ago */
    pass(&f, HOUR - 101);
    assert_true(is_blocked(&f, "2001:db8::1"));
    pass(&f, 1);
    assert_false(is_blocked(&f, "2001:db8::1"));
    assert_int_equal(look(&f, OTHER).failures, 0);
    guard_free(&f.guard);
}

static void a_pair_put_back_does_not_count_again(void **state)
{
    (void)state;
    struct fixture f;
    fixture_rules(&f);
    f.rules.block_for = 600;
    fixture_start(&f);
    guard_subscribe(f.guard, on_wake, &f);
    good_login(&f, OFFICE, "other@example.com", "right");
    for (int i = 0; i < 5; i++)
        fail_login(&f, OFFICE, "a@example.com");
    restart(&f, 60);
    pass(&f, 600);
    assert_false(fail_login(&f, OFFICE, "a@example.com").blocked);
    guard_free(&f.guard);
}

static void blocks_that_ended_still_make_the_next_one_longer(void **state)
{
    (void)state;
    struct fixture f;
    subscribed(&f);
    block_by_failures(&f, HOME);
    restart(&f, 5 * HOUR);
    assert_false(is_blocked(&f, HOME));
    struct guard_block b = block_by_failures(&f, HOME);
    assert_int_equal(b.times, 2);
    assert_int_equal(b.until - b.since, 4 * HOUR);
    guard_free(&f.guard);
}

/* ---- the wall clock ---- */

static void a_step_of_the_clock_changes_no_block(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_block b;
    subscribed(&f);
    block_by_failures(&f, HOME);
    for (int i = 0; i < 100; i++) { /* it may drift a little */
        pass(&f, 1);
        guard_tick(f.guard, f.now_ms + 500, wall(&f) + 1);
    }
    drain(&f);
    assert_int_equal(count_kind(GUARD_CHANGE_RESYNC), 0);
    f.wall_ahead = 365LL * DAY;
    guard_tick(f.guard, f.now_ms, wall(&f));
    drain(&f);
    assert_int_equal(count_kind(GUARD_CHANGE_RESYNC), 1);
    assert_int_equal(ask(&f, HOME, &b), GUARD_BLOCKED);
    assert_int_equal(b.until, wall(&f) + HOUR - 100);
    f.wall_ahead = -400LL * DAY;
    guard_tick(f.guard, f.now_ms, wall(&f));
    pass(&f, HOUR - 101);
    assert_true(is_blocked(&f, HOME));
    pass(&f, 1);
    assert_false(is_blocked(&f, HOME));
    /* a call that took its time before another does not turn time back */
    block_by_failures(&f, OTHER);
    struct addr other = address(OTHER);
    assert_int_equal(guard_ask(f.guard, f.now_ms - 5000000, &other, &b), GUARD_BLOCKED);
    assert_int_equal(guard_ask(f.guard, 0, &other, &b), GUARD_BLOCKED);
    struct guard_net net = network(OFFICE);
    guard_block(f.guard, f.now_ms - 60000, &net, 60, "", &b);
    assert_int_equal(b.since, look(&f, OTHER).block.since);
    guard_free(&f.guard);
}

static void a_stored_block_lasts_no_longer_than_its_length(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_block b = {.net = network(HOME), .cause = CAUSE_BLOCKED_FAILURES, .times = 1}, now;
    fixture_make(&f);
    b.since = wall(&f) + 1000LL * DAY; /* made while the clock was wrong */
    b.until = b.since + HOUR;
    assert_true(guard_put_block(f.guard, f.now_ms, &b));
    assert_int_equal(ask(&f, HOME, &now), GUARD_BLOCKED);
    assert_int_equal(now.until, wall(&f) + HOUR);
    b.since = wall(&f) - 2 * HOUR;
    b.until = b.since + HOUR;
    assert_false(guard_put_block(f.guard, f.now_ms, &b));
    b.until = 0;
    b.net = network(OTHER);
    assert_true(guard_put_block(f.guard, f.now_ms, &b));
    pass(&f, 400ULL * DAY);
    assert_true(is_blocked(&f, OTHER));
    assert_false(is_blocked(&f, HOME));
    guard_free(&f.guard);
}

/* ---- POP-before-SMTP ---- */

static void imap(struct fixture *f, const char *from, const char *account)
{
    struct guard_try t = attempt(from, account, "right");
    struct guard_result r;
    guard_report(f->guard, f->now_ms, &t, GUARD_GOOD, &(struct guard_facts){.mailbox = true}, &r);
}

static enum guard_grant_state granted(struct fixture *f, const char *from, const char *account)
{
    struct addr a = address(from);
    return guard_granted(f->guard, f->now_ms, &a, account);
}

static void granting(struct fixture *f)
{
    fixture_rules(f);
    f->rules.grants = true;
    fixture_start(f);
}

static void a_mailbox_login_grants_for_an_hour(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_grant list[4];
    size_t cursor = 0;
    granting(&f);
    imap(&f, "2001:db8::5", "A@example.com");
    assert_int_equal(granted(&f, "2001:db8::5", "a@example.com"), GUARD_GRANT_LIVE);
    assert_int_equal(granted(&f, "2001:db8::5", NULL), GUARD_GRANT_LIVE);
    assert_int_equal(granted(&f, "2001:db8::5", "b@example.com"),
                     GUARD_GRANT_NONE); /* as that account only */
    assert_int_equal(granted(&f, "2001:db8::6", "a@example.com"), GUARD_GRANT_NONE); /* never a prefix */
    imap(&f, "2001:db8::5", "b@example.com");
    pass(&f, 1800);
    imap(&f, "2001:db8::5", "b@example.com");
    assert_int_equal(guard_list_grants(f.guard, f.now_ms, &cursor, list, 4), 2);
    assert_string_equal(list[0].account, "A@example.com");
    assert_int_equal(list[0].until, wall(&f) + 1800);
    pass(&f, 1800);
    assert_int_equal(granted(&f, "2001:db8::5", "a@example.com"), GUARD_GRANT_OVER);
    assert_int_equal(granted(&f, "2001:db8::5", "b@example.com"), GUARD_GRANT_LIVE);
    for (int i = 0; i < DAY + HOUR; i++) {
        pass(&f, 1);
        guard_tick(f.guard, f.now_ms, wall(&f));
    }
    assert_int_equal(granted(&f, "2001:db8::5", "a@example.com"), GUARD_GRANT_NONE);
    struct guard_stats stats;
    guard_stats(f.guard, &stats);
    assert_int_equal(stats.grants, 0);
    guard_free(&f.guard);
}

static void block_office(struct fixture *f, const char *from)
{
    static const char *const accounts[] = {"u@example.com", "v@example.com", "w@example.com",
                                           "x@example.com"};
    for (size_t i = 0; i < 15; i++)
        fail_login(f, from, accounts[i % COUNT_OF(accounts)]);
    assert_true(is_blocked(f, from));
}

static void grants_end_with_password_and_block(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_block b;
    struct guard_net wide = network("198.51.100.0/24");
    granting(&f);
    imap(&f, HOME, "a@example.com");
    imap(&f, HOME, "b@example.com");
    imap(&f, OTHER, "a@example.com");
    imap(&f, OFFICE, "c@example.com");
    imap(&f, "2001:db8::5", "c@example.com");
    guard_account_changed(f.guard, f.now_ms, span_of("A@EXAMPLE.COM"));
    assert_int_equal(granted(&f, HOME, "a@example.com"), GUARD_GRANT_OVER);
    assert_int_equal(granted(&f, OTHER, "a@example.com"), GUARD_GRANT_OVER);
    assert_int_equal(granted(&f, HOME, "b@example.com"), GUARD_GRANT_LIVE);
    block_office(&f, HOME);
    assert_int_equal(granted(&f, HOME, "b@example.com"), GUARD_GRANT_OVER);
    guard_block(f.guard, f.now_ms, &wide, 0, "", &b);
    assert_int_equal(granted(&f, OFFICE, "c@example.com"), GUARD_GRANT_OVER);
    imap(&f, OFFICE, "c@example.com"); /* reported although it is blocked: no new one */
    assert_int_equal(granted(&f, OFFICE, "c@example.com"), GUARD_GRANT_OVER);
    block_office(&f, "2001:db8::77");
    assert_int_equal(granted(&f, "2001:db8::5", "c@example.com"), GUARD_GRANT_OVER);
    guard_free(&f.guard);
}

static void this_host_gets_no_grants(void **state)
{
    (void)state;
    static char *items[] = {"loopback", "203.0.113.0/24"};
    struct fixture f;
    struct addr own = address(HOME);
    fixture_make(&f);
    imap(&f, OTHER, "a@example.com"); /* it is off by default */
    f.rules.grants = true;
    f.rules.never = (struct setting_list){items, COUNT_OF(items)};
    guard_configure(f.guard, f.now_ms, &f.rules);
    guard_set_own(f.guard, f.now_ms, &own, 1);
    static const char *const none[] = {"127.0.0.1", "::1", HOME, "203.0.113.1"};
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        imap(&f, none[i], "a@example.com");
        assert_int_equal(granted(&f, none[i], "a@example.com"), GUARD_GRANT_NONE);
    }
    f.rules.grants_local = true;
    guard_configure(f.guard, f.now_ms, &f.rules);
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        imap(&f, none[i], "a@example.com");
        assert_int_equal(granted(&f, none[i], "a@example.com"), GUARD_GRANT_LIVE);
    }
    assert_int_equal(granted(&f, OTHER, "a@example.com"), GUARD_GRANT_NONE);
    f.rules.grants = false;
    guard_configure(f.guard, f.now_ms, &f.rules);
    assert_int_equal(granted(&f, HOME, "a@example.com"), GUARD_GRANT_NONE);
    guard_free(&f.guard);
}

static void grants_are_bounded(void **state)
{
    (void)state;
    struct fixture f;
    char account[32];
    struct guard_stats stats;
    granting(&f);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(account, sizeof account, "u%u@example.com", i);
        imap(&f, i % 2 ? HOME : OTHER, account);
        assert_int_equal(granted(&f, i % 2 ? HOME : OTHER, account), GUARD_GRANT_LIVE);
        pass(&f, 1);
    }
    guard_stats(f.guard, &stats);
    assert_int_equal(stats.grants, 100);
    guard_free(&f.guard);
    fixture_rules(&f); /* one place has no more than its share */
    f.rules.grants = true;
    f.rules.sizes.grants = 1000;
    fixture_start(&f);
    for (unsigned i = 0; i < 500; i++) {
        snprintf(account, sizeof account, "u%u@example.com", i);
        imap(&f, HOME, account);
    }
    guard_stats(f.guard, &stats);
    assert_int_equal(stats.grants, 256);
    guard_free(&f.guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_failure_and_its_block_is_told),
        cmocka_unit_test(what_administrators_do_is_told),
        cmocka_unit_test(a_login_is_told_at_most_every_15_minutes),
        cmocka_unit_test(lost_changes_are_said_to_be_lost),
        cmocka_unit_test(a_restart_forgets_nothing),
        cmocka_unit_test(a_pair_put_back_does_not_count_again),
        cmocka_unit_test(blocks_that_ended_still_make_the_next_one_longer),
        cmocka_unit_test(a_step_of_the_clock_changes_no_block),
        cmocka_unit_test(a_stored_block_lasts_no_longer_than_its_length),
        cmocka_unit_test(a_mailbox_login_grants_for_an_hour),
        cmocka_unit_test(grants_end_with_password_and_block),
        cmocka_unit_test(this_host_gets_no_grants),
        cmocka_unit_test(grants_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
