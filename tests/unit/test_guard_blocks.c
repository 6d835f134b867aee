/* SPDX-License-Identifier: MIT */
/* guard: blocks: how long, of what, who is exempt, and what administrators do about them. */
#include "guard_help.h"

static const char HOME[] = "192.0.2.7", OTHER[] = "192.0.2.8";

static struct guard_stats stats_of(struct fixture *f)
{
    struct guard_stats stats;
    guard_stats(f->guard, &stats);
    return stats;
}

/* ---- how long ---- */

static void repeated_blocks_last_four_times_longer(void **state)
{
    (void)state;
    static const uint32_t hours[] = {1, 4, 16, 64, 168, 168};
    struct fixture f;
    fixture_make(&f);
    for (size_t i = 0; i < COUNT_OF(hours); i++) {
        struct guard_block b = block_by_failures(&f, HOME);
        assert_int_equal(b.times, i + 1);
        assert_int_equal(b.until - b.since, hours[i] * HOUR);
        pass(&f, hours[i] * HOUR - 1);
        assert_true(is_blocked(&f, HOME));
        pass(&f, 1);
        assert_false(is_blocked(&f, HOME));
        pass(&f, DAY - 1); /* within a day of its end */
    }
    pass(&f, 1);
    struct guard_block b = block_by_failures(&f, HOME);
    assert_int_equal(b.times, 1);
    assert_int_equal(b.until - b.since, HOUR);
    guard_free(&f.guard);
}

static void forever_has_no_end(void **state)
{
    (void)state;
    struct fixture f;
    fixture_rules(&f);
    f.rules.block_for = GUARD_FOREVER;
    fixture_start(&f);
    struct guard_block b = block_by_failures(&f, HOME);
    assert_int_equal(b.until, 0);
    pass(&f, 3650ULL * DAY);
    assert_true(is_blocked(&f, HOME));
    guard_free(&f.guard);
}

static void a_long_block_for_is_not_cut_to_a_week(void **state)
{
    (void)state;
    struct fixture f;
    fixture_rules(&f);
    f.rules.block_for = 30 * DAY;
    fixture_start(&f);
    struct guard_block b = block_by_failures(&f, HOME);
    assert_int_equal(b.until - b.since, 30 * DAY);
    guard_free(&f.guard);
}

static void when_full_the_one_that_ends_soonest_goes(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_block b;
    struct guard_net net = {.bits = 32};
    fixture_rules(&f);
    f.rules.sizes.blocks = 100;
    fixture_start(&f);
    for (uint32_t i = 0; i < 300; i++) {
        net.address = numbered(i);
        /* the later ones end sooner, but for a few that never end */
        uint32_t seconds = i % 50 == 0 ? GUARD_FOREVER : 100000 - i;
        assert_int_equal(guard_block(f.guard, f.now_ms, &net, seconds, "", &b), GUARD_DONE);
        assert_int_equal(guard_ask(f.guard, f.now_ms, &net.address, &b), GUARD_BLOCKED);
    }
    assert_int_equal(stats_of(&f).blocks, 100);
    assert_int_equal(stats_of(&f).blocks_displaced, 200);
    for (uint32_t i = 0; i < 300; i++) {
        struct addr a = numbered(i);
        bool stays = i % 50 == 0 || i < 95 || i == 299; /* 2 of the 6 endless ones are among the first 95 */
        assert_int_equal(guard_ask(f.guard, f.now_ms, &a, &b), stays ? GUARD_BLOCKED : GUARD_OPEN);
    }
    guard_free(&f.guard);
}

static void blocks_that_are_over_are_not_displaced(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_block b;
    struct guard_net net = {.bits = 32};
    fixture_rules(&f);
    f.rules.sizes.blocks = 100;
    fixture_start(&f);
    for (uint32_t i = 0; i < 200; i++) {
        net.address = numbered(i);
        guard_block(f.guard, f.now_ms, &net, 60, "", &b);
        if (i == 99)
            pass(&f, 60);
    }
    assert_int_equal(stats_of(&f).blocks_displaced, 0);
    guard_free(&f.guard);
}

/* It was under way when the block came, or another server let it try. */
static void late_failures_belong_to_the_block(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_block b;
    struct guard_result r;
    struct guard_ticket *ticket;
    struct guard_net home = network(HOME);
    struct guard_try t = attempt(HOME, "late@example.com", "wrong");
    fixture_make(&f);
    assert_int_equal(guard_reserve(f.guard, f.now_ms, &t, on_wake, &f, &ticket, &f.why), GUARD_GO);
    guard_block(f.guard, f.now_ms, &home, 60, "", &b);
    guard_settle(f.guard, f.now_ms, &ticket, GUARD_WRONG, &(struct guard_facts){0}, &r);
    assert_true(r.blocked);
    assert_int_equal(r.block.failures, 1);
    guard_report(f.guard, f.now_ms, &t, GUARD_WRONG, &(struct guard_facts){0}, &r);
    assert_int_equal(r.count, GUARD_COUNTED);
    assert_int_equal(r.block.failures, 2);
    assert_string_equal(r.block.account, "late@example.com");
    pass(&f, 60);
    assert_int_equal(look(&f, HOME).failures, 0);
    guard_free(&f.guard);
}

/* ---- telling and dropping ---- */

static void who_hammers_gets_no_answer(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_block b;
    fixture_make(&f);
    block_by_failures(&f, HOME);
    for (int i = 0; i < 120; i++) { /* 12 a minute: told each time */
        assert_int_equal(ask(&f, HOME, &b), GUARD_BLOCKED);
        pass(&f, 5);
    }
    pass(&f, 120);
    for (int i = 0; i < 20; i++)
        assert_int_equal(ask(&f, HOME, &b), GUARD_BLOCKED);
    assert_true(b.dropped);
    assert_int_equal(b.hits, 140);
    assert_int_equal(ask(&f, HOME, &b), GUARD_DROP);
    pass(&f, 600);
    assert_int_equal(ask(&f, HOME, &b), GUARD_DROP); /* to the end of the block */
    pass(&f, HOUR);
    assert_int_equal(ask(&f, HOME, &b), GUARD_OPEN);
    guard_free(&f.guard);
}

/* Wherever the minute begins. */
static void hammering_is_seen_across_minutes(void **state)
{
    (void)state;
    for (unsigned second = 0; second < 60; second += 3) {
        struct fixture f;
        struct guard_block b = {0};
        unsigned asked = 0;
        fixture_make(&f);
        pass(&f, second);
        block_by_failures(&f, HOME);
        for (; !b.dropped && asked < 40; asked++) {
            ask(&f, HOME, &b);
            pass(&f, 1);
        }
        assert_int_equal(asked, 20);
        guard_free(&f.guard);
    }
}

static void action_drop_never_answers(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_block b;
    fixture_make(&f);
    block_by_failures(&f, HOME);
    f.rules.drop = true;
    guard_configure(f.guard, f.now_ms, &f.rules);
    assert_int_equal(ask(&f, HOME, &b), GUARD_DROP); /* also where it began before */
    assert_true(block_by_failures(&f, OTHER).dropped);
    assert_int_equal(ask(&f, OTHER, &b), GUARD_DROP);
    f.rules.drop = false;
    f.rules.drop_after = 0;
    guard_configure(f.guard, f.now_ms, &f.rules);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(ask(&f, HOME, &b), GUARD_BLOCKED);
    guard_free(&f.guard);
}

/* ---- IPv6 ---- */

static void block_v6(struct fixture *f, unsigned site, unsigned area, unsigned subnet)
{
    char text[ADDR_TEXT_MAX];
    snprintf(text, sizeof text, "2001:db8:%x:%x::1", site, area << 8 | subnet);
    for (int i = 0; i < 5; i++)
        fail_login(f, text, "victim@example.com");
}

static void ipv6_widens_by_itself(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_block b;
    fixture_rules(&f);
    f.rules.botnet_addresses = 0;
    fixture_start(&f);
    for (unsigned i = 0; i < 7; i++)
        block_v6(&f, 0, 0, i);
    assert_int_equal(ask(&f, "2001:db8::77:0:0:0:1", &b), GUARD_OPEN);
    block_v6(&f, 0, 0, 7);
    assert_int_equal(ask(&f, "2001:db8:0:77::1", &b), GUARD_BLOCKED);
    assert_int_equal(b.net.bits, 56);
    assert_int_equal(b.cause, CAUSE_BLOCKED_NETWORK);
    assert_int_equal(ask(&f, "2001:db8:0:100::1", &b), GUARD_OPEN);
    for (unsigned area = 1; area < 8; area++)
        for (unsigned i = 0; i < 8; i++)
            block_v6(&f, 0, area, i);
    assert_int_equal(ask(&f, "2001:db8:0:ffff::1", &b), GUARD_BLOCKED);
    assert_int_equal(b.net.bits, 48);
    assert_int_equal(ask(&f, "2001:db8:1::1", &b), GUARD_OPEN);
    for (unsigned site = 1; site < 8; site++)
        for (unsigned area = 0; area < 8; area++)
            for (unsigned i = 0; i < 8; i++)
                block_v6(&f, site, area, i);
    assert_int_equal(ask(&f, "2001:db8:ffff::1", &b), GUARD_BLOCKED);
    assert_int_equal(b.net.bits, 32);
    assert_int_equal(ask(&f, "2001:db9::1", &b), GUARD_OPEN);
    /* who asks for one address to be let in means it */
    struct guard_net net = network("2001:db8:ffff::1");
    assert_int_equal(guard_unblock(f.guard, f.now_ms, &net, &b, 1), 1);
    assert_int_equal(b.net.bits, 32);
    assert_int_equal(ask(&f, "2001:db8:ffff::1", &b), GUARD_OPEN);
    guard_free(&f.guard);
}

static void parts_that_ended_do_not_widen(void **state)
{
    (void)state;
    struct fixture f;
    fixture_make(&f);
    for (unsigned i = 0; i < 7; i++)
        block_v6(&f, 0, 0, i);
    pass(&f, HOUR);
    for (unsigned i = 10; i < 17; i++)
        block_v6(&f, 0, 0, i);
    assert_false(is_blocked(&f, "2001:db8:0:77::1"));
    guard_free(&f.guard);
    fixture_rules(&f);
    f.rules.widen = 0;
    fixture_start(&f);
    for (unsigned i = 0; i < 40; i++)
        block_v6(&f, 0, 0, i);
    assert_false(is_blocked(&f, "2001:db8:0:77::1"));
    guard_free(&f.guard);
    fixture_make(&f); /* an administrator means what was said, and no more */
    for (unsigned i = 0; i < 8; i++) {
        char text[ADDR_TEXT_MAX];
        struct guard_block b;
        snprintf(text, sizeof text, "2001:db8:0:%u::/64", i);
        struct guard_net net = network(text);
        guard_block(f.guard, f.now_ms, &net, 0, "", &b);
    }
    block_v6(&f, 0, 0, 9);
    assert_false(is_blocked(&f, "2001:db8:0:77::1"));
    guard_free(&f.guard);
}

/* ---- exempt ---- */

static void allow_always_wins(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_block b;
    struct guard_net home = network(HOME), around = network("192.0.2.0/24"), v6 = network("2001:db8::5");
    fixture_make(&f);
    block_by_failures(&f, HOME);
    assert_int_equal(guard_allow(f.guard, f.now_ms, &home, "the printer"), GUARD_DONE);
    assert_int_equal(stats_of(&f).blocks, 0); /* adding lifts the block */
    assert_int_equal(ask(&f, HOME, &b), GUARD_OPEN);
    for (int i = 0; i < 50; i++) {
        assert_false(fail_login(&f, HOME, "a@example.com").blocked);
        pass(&f, 10);
    }
    assert_int_equal(guard_block(f.guard, f.now_ms, &home, 0, "", &b), GUARD_IN_ALLOW);
    assert_int_equal(guard_block(f.guard, f.now_ms, &around, 0, "", &b), GUARD_DONE);
    assert_int_equal(ask(&f, HOME, &b), GUARD_OPEN);
    assert_int_equal(ask(&f, OTHER, &b), GUARD_BLOCKED);
    assert_int_equal(guard_disallow(f.guard, f.now_ms, &home), GUARD_DONE);
    assert_int_equal(guard_disallow(f.guard, f.now_ms, &home), GUARD_NOT_FOUND);
    assert_int_equal(ask(&f, HOME, &b), GUARD_BLOCKED);
    guard_allow(f.guard, f.now_ms, &home, ""); /* lets in one, the network's block goes on */
    assert_int_equal(ask(&f, HOME, &b), GUARD_OPEN);
    assert_int_equal(ask(&f, OTHER, &b), GUARD_BLOCKED);
    /* one address of a blocked /64; its failures are its own */
    block_by_failures(&f, "2001:db8::1");
    assert_int_equal(guard_allow(f.guard, f.now_ms, &v6, ""), GUARD_DONE);
    assert_int_equal(ask(&f, "2001:db8::1", &b), GUARD_OPEN);
    for (int i = 0; i < 20; i++)
        fail_login(&f, "2001:db8::5", "a@example.com");
    assert_int_equal(look(&f, "2001:db8::1").failures, 0);
    assert_int_equal(look(&f, "2001:db8::5").failures, 20);
    assert_true(look(&f, "2001:db8::5").allowed);
    guard_free(&f.guard);
}

static void settings_have_their_own_entries(void **state)
{
    (void)state;
    static char *items[] = {"198.51.100.0/24", "dyn.example.com", "2001:db8::/48"};
    struct fixture f;
    struct guard_allow list[10];
    struct addr dynamic = address("203.0.113.5"), next = address("203.0.113.6");
    size_t cursor = 0;
    fixture_make(&f);
    block_by_failures(&f, "198.51.100.9");
    f.rules.allow = (struct setting_list){items, COUNT_OF(items)};
    guard_configure(f.guard, f.now_ms, &f.rules);
    assert_false(is_blocked(&f, "198.51.100.9"));
    assert_true(look(&f, "2001:db8:0:7::1").allowed);
    block_by_failures(&f, "203.0.113.5");
    assert_int_equal(guard_allow_host(f.guard, f.now_ms, "dyn.example.com", &dynamic, 1), GUARD_DONE);
    assert_false(is_blocked(&f, "203.0.113.5"));
    assert_int_equal(guard_list_allow(f.guard, f.now_ms, &cursor, list, 2), 2);
    assert_int_equal(guard_list_allow(f.guard, f.now_ms, &cursor, list + 2, 8), 1);
    assert_int_equal(guard_list_allow(f.guard, f.now_ms, &cursor, list, 8), 0);
    assert_int_equal(list[2].source, GUARD_ALLOW_HOST);
    assert_string_equal(list[2].note, "dyn.example.com");
    guard_allow_host(f.guard, f.now_ms, "DYN.example.com", &next, 1);
    assert_false(look(&f, "203.0.113.5").allowed);
    assert_true(look(&f, "203.0.113.6").allowed);
    struct guard_net net = network("198.51.100.0/24"); /* the settings' is not the command's */
    assert_int_equal(guard_disallow(f.guard, f.now_ms, &net), GUARD_NOT_FOUND);
    f.rules.allow.n = 0;
    guard_configure(f.guard, f.now_ms, &f.rules);
    assert_int_equal(stats_of(&f).allowed, 0);
    guard_free(&f.guard);
}

static void never_is_not_looked_at(void **state)
{
    (void)state;
    static char *items[] = {"loopback", "own", "198.51.100.0/24"};
    static const char *const never[] = {"127.0.0.1", "127.9.9.9", "::1", "198.51.100.200", "203.0.113.5"};
    struct fixture f;
    struct guard_block b;
    struct addr own = address("203.0.113.5");
    fixture_rules(&f);
    f.rules.never = (struct setting_list){items, COUNT_OF(items)};
    fixture_start(&f);
    guard_set_own(f.guard, f.now_ms, &own, 1);
    for (size_t i = 0; i < COUNT_OF(never); i++) {
        for (int k = 0; k < 100; k++) {
            struct guard_result r = fail_login(&f, never[i], "a@example.com");
            assert_int_equal(r.count, GUARD_NOT_COUNTED);
            assert_int_equal(r.cause, CAUSE_AUTH_WRONG);
            assert_in_range(r.delay_ms, 1000, 1250);
        }
        struct guard_net net = network(never[i]);
        assert_int_equal(guard_block(f.guard, f.now_ms, &net, 0, "", &b), GUARD_IN_NEVER);
        assert_true(look(&f, never[i]).never);
    }
    struct guard_net wide = network("203.0.113.0/24");
    assert_int_equal(guard_block(f.guard, f.now_ms, &wide, 0, "", &b), GUARD_IN_NEVER);
    assert_int_equal(stats_of(&f).failures, 0);
    struct addr none = {0}; /* a UNIX socket */
    assert_int_equal(guard_ask(f.guard, f.now_ms, &none, &b), GUARD_OPEN);
    assert_int_equal(fail_from(&f, none, "a@example.com").count, GUARD_NOT_COUNTED);
    guard_free(&f.guard);
    fixture_make(&f); /* the demo: an empty list */
    block_by_failures(&f, "127.0.0.1");
    guard_free(&f.guard);
}

/* ---- by hand ---- */

static void administrators_block_and_unblock(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_block b, removed[4];
    struct guard_net home = network(HOME), around = network("192.0.2.0/24"),
                     elsewhere = network("198.51.100.0/25");
    fixture_make(&f);
    assert_int_equal(guard_block(f.guard, f.now_ms, &around, 7200, "abuse", &b), GUARD_DONE);
    assert_int_equal(b.cause, CAUSE_BLOCKED_BY_HAND);
    assert_string_equal(b.reason, "abuse");
    assert_int_equal(b.until, wall(&f) + 7200);
    assert_int_equal(ask(&f, HOME, &b), GUARD_BLOCKED);
    assert_int_equal(b.net.bits, 24);
    assert_int_equal(guard_block(f.guard, f.now_ms, &home, GUARD_FOREVER, "", &b), GUARD_DONE);
    assert_int_equal(guard_block(f.guard, f.now_ms, &home, 60, "again", &b), GUARD_DONE); /* in its place */
    assert_int_equal(guard_block(f.guard, f.now_ms, &elsewhere, 0, "", &b), GUARD_DONE);
    assert_int_equal(b.until, wall(&f) + HOUR);
    assert_int_equal(stats_of(&f).blocks, 3);
    assert_int_equal(guard_unblock(f.guard, f.now_ms, &home, removed, 4), 2); /* it, and what covers it */
    assert_int_equal(ask(&f, HOME, &b), GUARD_OPEN);
    assert_int_equal(guard_unblock(f.guard, f.now_ms, &home, removed, 4), 0);
    assert_int_equal(guard_unblock(f.guard, f.now_ms, NULL, NULL, 0), 1);
    assert_int_equal(stats_of(&f).blocks, 0);
    guard_free(&f.guard);
}

static void unblocking_clears_counts_and_past(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_net home = network(HOME), v6 = network("2001:db8::1"), around = network("192.0.2.0/24");
    fixture_make(&f);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(block_by_failures(&f, HOME).times, 1);
        guard_unblock(f.guard, f.now_ms, i == 2 ? NULL : &home, NULL, 0);
        assert_false(is_blocked(&f, HOME));
    }
    for (int i = 0; i < 4; i++) {
        fail_login(&f, HOME, "a@example.com");
        fail_login(&f, "2001:db8::1", "a@example.com");
    }
    guard_unblock(f.guard, f.now_ms, &around, NULL, 0);
    guard_unblock(f.guard, f.now_ms, &v6, NULL, 0);
    assert_int_equal(stats_of(&f).addresses, 0);
    good_login(&f, OTHER, "b@example.com", "right");
    for (int i = 0; i < 5; i++)
        fail_login(&f, OTHER, "a@example.com");
    struct guard_net other = network(OTHER);
    struct guard_block removed;
    assert_int_equal(guard_unblock(f.guard, f.now_ms, &other, &removed, 1), 1);
    assert_true(removed.pair);
    assert_int_equal(fail_login(&f, OTHER, "a@example.com").count, GUARD_COUNTED);
    guard_free(&f.guard);
}

static void lists_come_in_pieces(void **state)
{
    (void)state;
    struct fixture f;
    struct guard_block b, piece[7];
    struct guard_net net = {.bits = 32};
    bool seen[50] = {false};
    size_t cursor = 0, n, all = 0;
    fixture_make(&f);
    for (uint32_t i = 0; i < COUNT_OF(seen); i++) {
        net.address = numbered(i);
        guard_block(f.guard, f.now_ms, &net, i < 10 ? 60 : 600, "x", &b);
    }
    pass(&f, 60);
    while ((n = guard_list_blocks(f.guard, f.now_ms, &cursor, piece, COUNT_OF(piece))) > 0)
        for (size_t i = 0; i < n; i++, all++)
            seen[piece[i].net.address.bytes[3]] = true;
    assert_int_equal(all, 40);
    for (size_t i = 0; i < COUNT_OF(seen); i++)
        assert_true(seen[i] == (i >= 10));
    guard_free(&f.guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeated_blocks_last_four_times_longer),
        cmocka_unit_test(forever_has_no_end),
        cmocka_unit_test(a_long_block_for_is_not_cut_to_a_week),
        cmocka_unit_test(when_full_the_one_that_ends_soonest_goes),
        cmocka_unit_test(blocks_that_are_over_are_not_displaced),
        cmocka_unit_test(late_failures_belong_to_the_block),
        cmocka_unit_test(who_hammers_gets_no_answer),
        cmocka_unit_test(hammering_is_seen_across_minutes),
        cmocka_unit_test(action_drop_never_answers),
        cmocka_unit_test(ipv6_widens_by_itself),
        cmocka_unit_test(parts_that_ended_do_not_widen),
        cmocka_unit_test(allow_always_wins),
        cmocka_unit_test(settings_have_their_own_entries),
        cmocka_unit_test(never_is_not_looked_at),
        cmocka_unit_test(administrators_block_and_unblock),
        cmocka_unit_test(unblocking_clears_counts_and_past),
        cmocka_unit_test(lists_come_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
