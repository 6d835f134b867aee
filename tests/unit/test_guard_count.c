/* SPDX-License-Identifier: MIT */
/* guard: which failed logins count, which are spared, and what they lead to. */
#include "guard_help.h"

static const char HOME[] = "192.0.2.7", OTHER[] = "192.0.2.8";

/* ---- the plain rule ---- */

static void five_failures_within_an_hour_block(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_block block;
    fixture_make(&f);
    for (int i = 0; i < 4; i++) {
        struct guard_result r = fail_login(&f, HOME, "User@Example.com ");
        assert_int_equal(r.count, GUARD_COUNTED);
        assert_int_equal(r.cause, CAUSE_AUTH_WRONG);
        assert_false(r.blocked);
        assert_int_equal(ask(&f, HOME, &block), GUARD_OPEN);
        assert_int_equal(look(&f, HOME).left, 4 - i);
        pass(&f, 10);
    }
    struct guard_result r = fail_login(&f, HOME, "User@Example.com ");
    assert_true(r.blocked);
    assert_int_equal(r.block.cause, CAUSE_BLOCKED_FAILURES);
    assert_int_equal(r.block.failures, 5);
    assert_int_equal(ask(&f, HOME, &block), GUARD_BLOCKED);
    assert_string_equal(block.account, "User@Example.com ");
    assert_string_equal(block.helo, "laptop");
    assert_int_equal(block.since, wall(&f));
    assert_int_equal(block.until, wall(&f) + HOUR);
    assert_int_equal(block.times, 1);
    assert_int_equal(block.net.bits, 32);
    assert_false(block.pair);
    assert_int_equal(ask(&f, OTHER, &block), GUARD_OPEN);
    fail_login(&f, HOME, "user@example.com");
    assert_int_equal(f.why.cause, CAUSE_BLOCKED_FAILURES);
    assert_string_equal(f.why.block.account, "User@Example.com ");
    pass(&f, HOUR - 1);
    assert_int_equal(ask(&f, HOME, &block), GUARD_BLOCKED);
    pass(&f, 1);
    assert_int_equal(ask(&f, HOME, &block), GUARD_OPEN);
    assert_int_equal(look(&f, HOME).failures, 0); /* the block used them up */
    guard_free(&f.guard);
    assert_null(f.guard);
    guard_free(&f.guard);
}

static void the_hour_slides(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f);
    for (int i = 0; i < 20; i++) { /* never more than four in an hour */
        assert_false(fail_login(&f, HOME, "a@example.com").blocked);
        pass(&f, 900);
    }
    assert_int_equal(look(&f, HOME).failures, 3);
    pass(&f, 5000);
    assert_int_equal(look(&f, HOME).failures, 0);
    for (int i = 0; i < 4; i++)
        fail_login(&f, HOME, "a@example.com");
    pass(&f, HOUR - 1);
    assert_true(fail_login(&f, HOME, "a@example.com").blocked);
    guard_free(&f.guard);
}

static void success_neither_wipes_nor_adds(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f);
    for (int i = 0; i < 4; i++)
        fail_login(&f, HOME, "a@example.com");
    for (int i = 0; i < 50; i++)
        good_login(&f, HOME, "a@example.com", "right");
    assert_int_equal(look(&f, HOME).failures, 4);
    assert_true(fail_login(&f, HOME, "a@example.com").blocked);
    guard_free(&f.guard);
}

static void addresses_count_by_prefix(void **state)
{
    (void)state;
    struct fixture f;
    fixture_rules(&f);
    f.rules.ipv4_prefix = 24;
    fixture_start(&f);
    static const char *const v6[] = {"2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::", "2001:db8::4"};
    for (size_t i = 0; i < COUNT_OF(v6); i++)
        assert_false(fail_login(&f, v6[i], "a@example.com").blocked);
    assert_int_equal(look(&f, "2001:db8:0:1::1").failures, 0);
    struct guard_result r = fail_login(&f, "2001:db8::5", "a@example.com");
    assert_true(r.blocked);
    assert_int_equal(r.block.net.bits, 64);
    assert_true(is_blocked(&f, "2001:db8::99"));
    assert_false(is_blocked(&f, "2001:db8:0:1::1"));
    for (int i = 0; i < 5; i++)
        fail_login(&f, i % 2 ? "192.0.2.1" : "192.0.2.200", "a@example.com");
    assert_true(is_blocked(&f, "192.0.2.77"));
    assert_false(is_blocked(&f, "192.0.3.1"));
    guard_free(&f.guard);
}

static void distinct_counts_a_wrong_password_once(void **state)
{
    (void)state;
    struct fixture f;
    fixture_rules(&f);
    f.rules.distinct = true;
    fixture_start(&f);
    for (int i = 0; i < 30; i++) {
        struct guard_result r = login(&f, HOME, "a@example.com", "typo", GUARD_WRONG);
        assert_int_equal(r.count, i == 0 ? GUARD_COUNTED : GUARD_REPEATED);
        assert_false(r.blocked);
    }
    assert_int_equal(login(&f, HOME, "b@example.com", "typo", GUARD_WRONG).count, GUARD_COUNTED);
    assert_int_equal(login(&f, HOME, "b@example.com", NULL, GUARD_WRONG).count, GUARD_COUNTED);
    assert_int_equal(login(&f, HOME, "b@example.com", NULL, GUARD_WRONG).count, GUARD_COUNTED);
    assert_true(login(&f, HOME, "b@example.com", "other", GUARD_WRONG).blocked);
    pass(&f, HOUR + 1);
    assert_int_equal(login(&f, HOME, "a@example.com", "typo", GUARD_WRONG).count, GUARD_COUNTED);
    guard_free(&f.guard);
}

static void three_names_that_do_not_exist_block(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f);
    assert_false(fail_unknown(&f, HOME, "x@example.com").blocked);
    assert_false(fail_unknown(&f, HOME, "X@example.com").blocked); /* the same name */
    assert_false(fail_unknown(&f, HOME, "y@example.com").blocked);
    struct guard_result r = fail_unknown(&f, HOME, "z@example.com");
    assert_true(r.blocked);
    assert_int_equal(r.block.cause, CAUSE_BLOCKED_UNKNOWN);
    assert_int_equal(r.block.failures, 4);
    /* names that exist, or may, do not shorten it */
    for (int i = 0; i < 4; i++)
        assert_false(fail_login(&f, OTHER, i % 2 ? "a@example.com" : "b@example.com").blocked);
    guard_free(&f.guard);
}

/* ---- not counted ---- */

static void what_is_nobodys_fault_never_counts(void **state)
{
    (void)state;
    static const struct {
        enum guard_outcome outcome;
        enum cause_id cause;
    } rows[] = {{GUARD_DISABLED, CAUSE_AUTH_DISABLED},
                {GUARD_UNAVAILABLE, CAUSE_AUTH_UNAVAILABLE},
                {GUARD_POLICY, CAUSE_AUTH_POLICY},
                {GUARD_ABANDONED, CAUSE_NONE}};
    struct fixture f;
    fixture_make(&f);
    for (size_t i = 0; i < COUNT_OF(rows) * 20; i++) {
        struct guard_result r = login(&f, HOME, "a@example.com", "p", rows[i % COUNT_OF(rows)].outcome);
        assert_int_equal(r.count, GUARD_NOT_COUNTED);
        assert_int_equal(r.cause, rows[i % COUNT_OF(rows)].cause);
        assert_false(r.blocked);
    }
    assert_int_equal(look(&f, HOME).failures + look(&f, HOME).spared, 0);
    guard_free(&f.guard);
}

static void a_stale_password_is_spared_up_to_a_bound(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_try t = attempt(HOME, "a@example.com", "old");
    const struct guard_facts facts = {.changed_at = 1234};
    fixture_make(&f);
    for (int i = 0; i < 200; i++) {
        struct guard_result r = login_with(&f, &t, GUARD_STALE, facts);
        assert_int_equal(r.count, GUARD_SPARED);
        assert_int_equal(r.cause, CAUSE_AUTH_STALE);
        assert_int_equal(r.changed_at, 1234);
        assert_false(r.tell_changed); /* a stranger must not learn it */
    }
    assert_int_equal(look(&f, HOME).spared, 200);
    assert_int_equal(look(&f, HOME).failures, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(login_with(&f, &t, GUARD_STALE, facts).count, GUARD_COUNTED);
    assert_true(is_blocked(&f, HOME));
    guard_free(&f.guard);
}

static void without_forgiveness_a_stale_password_counts(void **state)
{
    (void)state;
    struct fixture f;
    fixture_rules(&f);
    f.rules.forgive_stale = false;
    fixture_start(&f);
    good_login(&f, OTHER, "a@example.com", "old");
    good_login(&f, OTHER, "a@example.com", "new");
    assert_int_equal(login(&f, HOME, "a@example.com", "old", GUARD_STALE).count, GUARD_COUNTED);
    assert_int_equal(login(&f, HOME, "a@example.com", "old", GUARD_WRONG).count, GUARD_COUNTED);
    assert_int_equal(login(&f, HOME, "a@example.com", "new", GUARD_WRONG).count,
                     GUARD_SPARED); /* the store's fault */
    guard_free(&f.guard);
}

/* The store does not know old passwords: the guard remembers prints of those that were right. */
static void a_password_that_was_right_is_known_again(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f);
    struct guard_try imap = attempt(HOME, "a@example.com", "old");
    struct guard_result r;
    imap.password_print = 0; /* Dovecot tells pwhash only */
    guard_report(f.guard, f.now_ms, &imap, GUARD_GOOD, &(struct guard_facts){0}, &r);
    pass(&f, 5 * DAY);
    int64_t changed = wall(&f);
    good_login(&f, HOME, "A@example.com", "new");
    pass(&f, DAY);
    for (int i = 0; i < 20; i++) {
        r = login(&f, HOME, "a@example.com", "old", GUARD_WRONG);
        assert_int_equal(r.count, GUARD_SPARED);
        assert_int_equal(r.cause, CAUSE_AUTH_STALE);
        assert_true(r.tell_changed);
        assert_int_equal(r.changed_at, changed);
    }
    r = login(&f, OTHER, "a@example.com", "old", GUARD_WRONG);
    assert_int_equal(r.count, GUARD_SPARED);
    assert_false(r.tell_changed);
    assert_int_equal(login(&f, HOME, "a@example.com", "never", GUARD_WRONG).count, GUARD_COUNTED);
    assert_int_equal(login(&f, HOME, "b@example.com", "old", GUARD_WRONG).count, GUARD_COUNTED);
    pass(&f, 91 * DAY);
    assert_int_equal(login(&f, OTHER, "a@example.com", "old", GUARD_WRONG).count, GUARD_COUNTED);
    guard_free(&f.guard);
}

/* Dovecot reports a broken passdb as a plain failure. */
static void a_report_with_the_last_good_password_is_not_counted(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f);
    struct guard_try t = attempt(HOME, "a@example.com", "right");
    struct guard_result r;
    t.password_print = 0;
    guard_report(f.guard, f.now_ms, &t, GUARD_GOOD, &(struct guard_facts){0}, &r);
    assert_int_equal(r.cause, CAUSE_NONE);
    for (int i = 0; i < 20; i++) {
        guard_report(f.guard, f.now_ms, &t, GUARD_WRONG, &(struct guard_facts){0}, &r);
        assert_int_equal(r.count, GUARD_SPARED);
        assert_int_equal(r.cause, CAUSE_AUTH_KNOWN);
        guard_report(f.guard, f.now_ms, &t, GUARD_POLICY, &(struct guard_facts){0}, &r);
        assert_int_equal(r.count, GUARD_NOT_COUNTED);
    }
    t.pwhash = (t.pwhash + 1) & 0xfff;
    for (int i = 0; i < 5; i++)
        guard_report(f.guard, f.now_ms, &t, GUARD_WRONG, &(struct guard_facts){0}, &r);
    assert_true(r.blocked);
    guard_free(&f.guard);
}

static void a_login_that_comes_twice_counts_once(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_result r;
    const struct guard_facts twice = {.reported_twice = true};
    fixture_make(&f);
    for (int i = 0; i < 4; i++) {
        struct guard_try t = wrong_try(&f, address(HOME), "a@example.com"), report = t;
        report.password_print = 0;
        if (i % 2 == 0)
            guard_report(f.guard, f.now_ms, &report, GUARD_WRONG, &twice, &r);
        r = login_with(&f, &t, GUARD_WRONG, twice);
        assert_int_equal(r.count, i % 2 == 0 ? GUARD_NOT_COUNTED : GUARD_COUNTED);
        assert_int_equal(r.cause, CAUSE_AUTH_WRONG);
        pass(&f, 15);
        if (i % 2 == 1)
            guard_report(f.guard, f.now_ms, &report, GUARD_WRONG, &twice, &r);
        assert_int_equal(r.count, GUARD_NOT_COUNTED);
        assert_int_equal(look(&f, HOME).failures, i + 1);
    }
    /* the same password again is another login, and an echo that is a minute late is none */
    struct guard_try t = attempt(OTHER, "a@example.com", "same");
    for (unsigned i = 0; i < 3; i++) {
        login_with(&f, &t, GUARD_WRONG, twice);
        login_with(&f, &t, GUARD_WRONG, twice);
        guard_report(f.guard, f.now_ms, &t, GUARD_WRONG, &twice, &r);
        guard_report(f.guard, f.now_ms, &t, GUARD_WRONG, &twice, &r);
        if (i < 2)
            assert_int_equal(look(&f, OTHER).failures, 2 * (i + 1));
    }
    assert_true(is_blocked(&f, OTHER));
    t = attempt("192.0.2.9", "a@example.com", "late");
    login_with(&f, &t, GUARD_WRONG, twice);
    pass(&f, 61);
    guard_report(f.guard, f.now_ms, &t, GUARD_WRONG, &twice, &r);
    assert_int_equal(r.count, GUARD_COUNTED);
    guard_free(&f.guard);
}

/* Another server on the host may have the same client with the same password: that is another try. */
static void logins_at_two_servers_count_twice(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_result r;
    struct guard_try t = attempt(HOME, "a@example.com", "wrong");
    fixture_make(&f);
    login_with(&f, &t, GUARD_WRONG, (struct guard_facts){0});
    guard_report(f.guard, f.now_ms, &t, GUARD_WRONG, &(struct guard_facts){0}, &r);
    assert_int_equal(r.count, GUARD_COUNTED);
    assert_int_equal(look(&f, HOME).failures, 2);
    guard_free(&f.guard);
}

static void a_reported_stale_password_is_called_so(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_result r;
    struct guard_try t = attempt(HOME, "a@example.com", "old");
    fixture_make(&f);
    good_login(&f, HOME, "a@example.com", "old");
    good_login(&f, HOME, "a@example.com", "new");
    guard_report(f.guard, f.now_ms, &t, GUARD_WRONG, &(struct guard_facts){0}, &r);
    assert_int_equal(r.count, GUARD_SPARED);
    assert_int_equal(r.cause, CAUSE_AUTH_STALE);
    guard_free(&f.guard);
}

/* ---- the delay ---- */

static void answers_to_failures_get_slower(void **state)
{
    (void)state;
    static const unsigned least[] = {1000, 2000, 4000, 8000, 11250, 11250};
    static const unsigned most[] = {1250, 2500, 5000, 10000, 15000, 15000};
    struct fixture f;
    fixture_rules(&f);
    f.rules.max_failures = 100;
    fixture_start(&f);
    for (size_t i = 0; i < COUNT_OF(least); i++) {
        /* a stale one slows down as a wrong one does: the time must not tell which it was */
        struct guard_result r = i % 2 ? login(&f, HOME, "a@example.com", "old", GUARD_STALE)
                                      : fail_login(&f, HOME, "a@example.com");
        assert_in_range(r.delay_ms, least[i], most[i]);
    }
    assert_in_range(login(&f, OTHER, "a@example.com", "x", GUARD_UNAVAILABLE).delay_ms, 1000, 1250);
    uint64_t first = fail_login(&f, OTHER, "a@example.com").delay_ms, differ = 0;
    for (uint32_t i = 0; i < 50; i++)
        differ += fail_from(&f, numbered(i), "a@example.com").delay_ms != first;
    assert_true(differ > 30);
    guard_free(&f.guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_failures_within_an_hour_block),
        cmocka_unit_test(the_hour_slides),
        cmocka_unit_test(success_neither_wipes_nor_adds),
        cmocka_unit_test(addresses_count_by_prefix),
        cmocka_unit_test(distinct_counts_a_wrong_password_once),
        cmocka_unit_test(three_names_that_do_not_exist_block),
        cmocka_unit_test(what_is_nobodys_fault_never_counts),
        cmocka_unit_test(a_stale_password_is_spared_up_to_a_bound),
        cmocka_unit_test(without_forgiveness_a_stale_password_counts),
        cmocka_unit_test(a_password_that_was_right_is_known_again),
        cmocka_unit_test(a_report_with_the_last_good_password_is_not_counted),
        cmocka_unit_test(a_login_that_comes_twice_counts_once),
        cmocka_unit_test(logins_at_two_servers_count_twice),
        cmocka_unit_test(a_reported_stale_password_is_called_so),
        cmocka_unit_test(answers_to_failures_get_slower),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
