/* SPDX-License-Identifier: MIT */
/* guard: addresses that people share, accounts that many attack, passwords that are tried on many accounts.
 */
#include "guard_help.h"

static const char OFFICE[] = "192.0.2.7", HOME[] = "198.51.100.1", AWAY[] = "203.0.113.5";

/* ---- the office ---- */

static void in_an_office_only_the_account_is_shut_out(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_result r = {0};
    fixture_make(&f);
    good_login(&f, OFFICE, "other@example.com", "right");
    for (int i = 0; i < 5; i++) {
        assert_false(r.blocked);
        r = fail_login(&f, OFFICE, "a@example.com");
    }
    assert_true(r.blocked);
    assert_true(r.block.pair);
    assert_int_equal(r.block.cause, CAUSE_BLOCKED_PAIR);
    assert_int_equal(r.block.failures, 5);
    assert_int_equal(r.block.account_print, guard_account_print(f.guard, span_of("A@example.com")));
    assert_false(is_blocked(&f, OFFICE));
    fail_login(&f, OFFICE, "A@example.com");
    assert_int_equal(f.why.cause, CAUSE_BLOCKED_PAIR);
    good_login(&f, OFFICE, "other@example.com", "right");
    good_login(&f, HOME, "a@example.com", "right");
    pass(&f, HOUR);
    good_login(&f, OFFICE, "a@example.com", "right");
    guard_free(&f.guard);
}

static void fifteen_failures_block_an_office(void **state)
{
    (void)state;
    struct fixture f;
    char account[32];
    fixture_make(&f);
    good_login(&f, OFFICE, "other@example.com", "right");
    for (int i = 0; i < 14; i++) {
        snprintf(account, sizeof account, "u%d@example.com", i % 5);
        assert_false(fail_login(&f, OFFICE, account).blocked);
    }
    struct guard_result r = fail_login(&f, OFFICE, "last@example.com");
    assert_true(r.blocked);
    assert_false(r.block.pair);
    assert_int_equal(r.block.cause, CAUSE_BLOCKED_FAILURES);
    assert_int_equal(r.block.failures, 15);
    guard_free(&f.guard);
}

static void three_accounts_shut_out_block_an_office(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_result r = {0};
    fixture_rules(&f);
    f.rules.office_failures = 1000;
    fixture_start(&f);
    good_login(&f, OFFICE, "other@example.com", "right");
    for (int i = 0; i < 14; i++)
        r = fail_login(&f, OFFICE, i < 5 ? "a@example.com" : i < 10 ? "b@example.com" : "c@example.com");
    assert_false(r.blocked);
    r = fail_login(&f, OFFICE, "c@example.com");
    assert_true(r.blocked);
    assert_true(is_blocked(&f, OFFICE));
    assert_int_equal(look(&f, OFFICE).block.failures, 15);
    guard_free(&f.guard);
}

static void a_pair_is_used_up_once(void **state)
{
    (void)state;
    struct fixture f;
    fixture_rules(&f);
    f.rules.block_for = 600;
    fixture_start(&f);
    good_login(&f, OFFICE, "other@example.com", "right");
    for (int i = 0; i < 5; i++)
        fail_login(&f, OFFICE, "a@example.com");
    pass(&f, 600); /* its failures still count for the address, not for the next refusal */
    for (int i = 0; i < 4; i++)
        assert_false(fail_login(&f, OFFICE, "a@example.com").blocked);
    struct guard_result r = fail_login(&f, OFFICE, "a@example.com");
    assert_true(r.block.pair);
    assert_int_equal(r.block.times, 2);
    assert_int_equal(r.block.until - r.block.since, 4 * 600);
    assert_int_equal(look(&f, OFFICE).failures, 10);
    guard_free(&f.guard);
}

static void the_only_account_of_an_address_blocks_it(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f);
    good_login(&f, HOME, "a@example.com", "right");
    for (int i = 0; i < 4; i++)
        assert_false(fail_login(&f, HOME, "a@example.com").blocked);
    struct guard_result r = fail_login(&f, HOME, "a@example.com");
    assert_true(r.blocked);
    assert_false(r.block.pair);
    guard_free(&f.guard);
}

static void an_office_is_one_for_a_day(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f);
    good_login(&f, OFFICE, "other@example.com", "right");
    pass(&f, DAY - 1);
    for (int i = 0; i < 4; i++)
        fail_login(&f, OFFICE, i % 2 ? "a@example.com" : "b@example.com");
    pass(&f, 1);
    struct guard_result r = fail_login(&f, OFFICE, "b@example.com");
    assert_true(r.blocked);
    assert_false(r.block.pair);
    guard_free(&f.guard);
}

/* Eight devices behind one address, one of them stale, all day long. */
static void a_stale_device_harms_nobody_in_the_office(void **state)
{
    (void)state;
    struct fixture f;
    char account[32];
    fixture_make(&f);
    good_login(&f, OFFICE, "u0@example.com", "old");
    for (int minute = 0; minute < 24 * 60; minute++) {
        for (int i = 1; i < 8; i++) {
            snprintf(account, sizeof account, "u%d@example.com", i);
            if (minute % 15 == i)
                good_login(&f, OFFICE, account, "right");
        }
        if (minute == 60)
            good_login(&f, HOME, "u0@example.com", "new");
        if (minute > 60 && minute % 3 == 0) {
            struct guard_result r = login(&f, OFFICE, "u0@example.com", "old", GUARD_WRONG);
            assert_int_equal(r.count, GUARD_SPARED);
            assert_true(r.tell_changed);
        }
        pass(&f, 60);
    }
    assert_false(is_blocked(&f, OFFICE));
    guard_free(&f.guard);
}

/* ---- the botnet ---- */

static unsigned attack(struct fixture *f, uint32_t first, uint32_t n, const char *account)
{
    unsigned hashes = 0;
    for (uint32_t i = first; i < first + n; i++) {
        fail_from(f, numbered(i), account);
        hashes += f->why.cause == CAUSE_NONE;
    }
    return hashes;
}

static void a_botnet_reaches_fifty_hashes(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f);
    good_login(&f, HOME, "victim@example.com", "right");
    assert_int_equal(attack(&f, 0, 2000, "victim@example.com"), 50);
    assert_int_equal(f.why.cause, CAUSE_BLOCKED_BOTNET);
    assert_string_equal(f.why.block.account, "victim@example.com");
    assert_int_equal(f.why.block.failures, 1);
    struct guard_stats stats;
    guard_stats(f.guard, &stats);
    assert_int_equal(stats.blocks, 1950);
    /* the owner: from where it is known, and with the right password from anywhere */
    fail_login(&f, HOME, "victim@example.com");
    assert_int_equal(f.why.cause, CAUSE_NONE);
    assert_false(is_blocked(&f, HOME));
    good_login(&f, HOME, "victim@example.com", "right");
    good_login(&f, AWAY, "victim@example.com", "right");
    /* other accounts are not concerned */
    assert_int_equal(attack(&f, 50000, 10, "other@example.com"), 10);
    guard_free(&f.guard);
}

static void a_crowd_lasts_while_it_keeps_coming(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f);
    attack(&f, 0, 60, "victim@example.com");
    for (uint32_t i = 0; i < 100; i++) {
        pass(&f, 60);
        assert_int_equal(attack(&f, 1000 + i, 1, "victim@example.com"), 0);
    }
    pass(&f, HOUR);
    assert_int_equal(attack(&f, 5000, 100, "victim@example.com"), 50);
    guard_free(&f.guard);
}

static void fifty_addresses_are_no_crowd_yet(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f);
    for (int round = 0; round < 4; round++) /* the same ones again make it no larger */
        assert_int_equal(attack(&f, 0, 50, "victim@example.com"), 50);
    assert_int_equal(look(&f, "198.18.0.1").failures, 4);
    assert_int_equal(attack(&f, 50, 1, "victim@example.com"), 0);
    assert_int_equal(attack(&f, 0, 50, "victim@example.com"), 0);
    assert_int_equal(f.why.block.failures, 5);
    guard_free(&f.guard);
}

static void where_the_password_is_not_seen_the_first_failure_tells(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_result r;
    struct guard_try t = attempt(AWAY, "victim@example.com", NULL);
    fixture_make(&f);
    attack(&f, 0, 60, "victim@example.com");
    assert_int_equal(guard_may(f.guard, f.now_ms, &t, &f.why), GUARD_GO);
    guard_report(f.guard, f.now_ms, &t, GUARD_WRONG, &(struct guard_facts){0}, &r);
    assert_true(r.blocked);
    assert_int_equal(r.block.cause, CAUSE_BLOCKED_BOTNET);
    t = attempt("203.0.113.6", "victim@example.com", "guess");
    assert_int_equal(guard_may(f.guard, f.now_ms, &t, &f.why), GUARD_REFUSED);
    assert_int_equal(f.why.cause, CAUSE_BLOCKED_BOTNET);
    guard_free(&f.guard);
}

/* After a restart only pwhash is known, and it is good enough to let the owner try. */
static void pwhash_lets_the_owner_through_a_crowd(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_result r;
    struct guard_try t = attempt(HOME, "victim@example.com", "right");
    fixture_make(&f);
    t.password_print = 0;
    guard_report(f.guard, f.now_ms, &t, GUARD_GOOD, &(struct guard_facts){0}, &r);
    attack(&f, 0, 60, "victim@example.com");
    good_login(&f, AWAY, "victim@example.com", "right");
    guard_free(&f.guard);
}

static void known_addresses_are_known_for_thirty_days(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f);
    good_login(&f, HOME, "victim@example.com", "right");
    good_login(&f, OFFICE, "victim@example.com", "right");
    pass(&f, 15 * DAY);
    good_login(&f, OFFICE, "victim@example.com", "right");
    pass(&f, 15 * DAY);
    attack(&f, 0, 60, "victim@example.com");
    fail_login(&f, OFFICE, "victim@example.com");
    assert_int_equal(f.why.cause, CAUSE_NONE);
    fail_login(&f, HOME, "victim@example.com");
    assert_int_equal(f.why.cause, CAUSE_BLOCKED_BOTNET);
    guard_free(&f.guard);
}

/* ---- spraying ---- */

static void one_password_on_many_accounts(void **state)
{
    (void)state;
    struct fixture f;
    char account[32];
    unsigned hashes = 0;
    fixture_make(&f);
    good_login(&f, HOME, "u70@example.com", "summer");
    for (uint32_t i = 0; i < 300; i++) {
        snprintf(account, sizeof account, "u%u@example.com", i);
        struct guard_try t = attempt_from(numbered(i), account, "Summer2024");
        login_with(&f, &t, GUARD_WRONG, (struct guard_facts){0});
        hashes += f.why.cause == CAUSE_NONE;
    }
    assert_int_equal(hashes, 50);
    assert_int_equal(f.why.cause, CAUSE_BLOCKED_SPRAY);
    /* where the account is known it may have mistyped; another password is another matter */
    login(&f, HOME, "u70@example.com", "Summer2024", GUARD_WRONG);
    assert_int_equal(f.why.cause, CAUSE_NONE);
    assert_false(is_blocked(&f, HOME));
    login(&f, AWAY, "u70@example.com", "Winter2024", GUARD_WRONG);
    assert_int_equal(f.why.cause, CAUSE_NONE);
    guard_free(&f.guard);
}

static void crowds_can_be_turned_off(void **state)
{
    (void)state;
    struct fixture f;
    fixture_rules(&f);
    f.rules.botnet_addresses = f.rules.spray_accounts = 0;
    fixture_start(&f);
    assert_int_equal(attack(&f, 0, 500, "victim@example.com"), 500);
    f.rules.botnet_addresses = 10;
    guard_configure(f.guard, f.now_ms, &f.rules);
    assert_int_equal(attack(&f, 1000, 500, "victim@example.com"), 10);
    guard_free(&f.guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_an_office_only_the_account_is_shut_out),
        cmocka_unit_test(fifteen_failures_block_an_office),
        cmocka_unit_test(three_accounts_shut_out_block_an_office),
        cmocka_unit_test(a_pair_is_used_up_once),
        cmocka_unit_test(the_only_account_of_an_address_blocks_it),
        cmocka_unit_test(an_office_is_one_for_a_day),
        cmocka_unit_test(a_stale_device_harms_nobody_in_the_office),
        cmocka_unit_test(a_botnet_reaches_fifty_hashes),
        cmocka_unit_test(a_crowd_lasts_while_it_keeps_coming),
        cmocka_unit_test(fifty_addresses_are_no_crowd_yet),
        cmocka_unit_test(where_the_password_is_not_seen_the_first_failure_tells),
        cmocka_unit_test(pwhash_lets_the_owner_through_a_crowd),
        cmocka_unit_test(known_addresses_are_known_for_thirty_days),
        cmocka_unit_test(one_password_on_many_accounts),
        cmocka_unit_test(crowds_can_be_turned_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
