/* SPDX-License-Identifier: MIT */
/* guard: its tables, each against a plain list that does the same slowly; and what happens where they are
 * full. */
#include "guard/blocks.h"
#include "guard/counts.h"
#include "guard/crowds.h"
#include "guard/memory.h"
#include "guard/netset.h"
#include "guard/past.h"
#include "guard/siphash.h"
#include "guard_help.h"

static uint64_t seed = 1;

static uint32_t roll(uint32_t below)
{
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(seed >> 33) % below;
}

static struct key_net net_text(const char *text)
{
    struct guard_net net = network(text);
    struct key_net key;
    assert_true(key_net_of(&net, &key));
    return key;
}

/* Few, close to each other, of both families. */
static struct key random_key(void)
{
    struct addr a = {.family = roll(2) ? AF_INET : AF_INET6};
    for (size_t i = 0; i < 4; i++)
        a.bytes[i] = (uint8_t)(roll(2) ? 0 : 0xff);
    return key_of(&a);
}

static struct key_net random_net(void)
{
    struct key k = random_key();
    unsigned bits = key_is_v4(&k) ? KEY_V4_BITS + roll(33) : roll(4) ? roll(33) : 128;
    return (struct key_net){key_cut(&k, bits), bits};
}

static struct place place_of_net(const struct key_net *net)
{
    return (struct place){*net, siphash(TEST_KEY, net->key.bytes, sizeof net->key.bytes)};
}

/* ---- keys ---- */

/* The reference vectors: key 00 01 .. 0f, input 00 01 .. of so many bytes. */
static void siphash_is_siphash(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        uint64_t hash;
    } rows[] = {{0, 0x726fdb47dd0e0e31U}, {1, 0x74f839c593dc67fdU},  {7, 0xab0200f58b01d137U},
                {8, 0x93f5f5799a932462U}, {15, 0xa129ca6149be45e5U}, {63, 0x958a324ceb064572U}};
    uint8_t key[16], bytes[64];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    memcpy(key, bytes, sizeof key);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_true(siphash(key, bytes, rows[i].n) == rows[i].hash);
    assert_true(siphash_nocase(key, span_of("A@Example.COM")) == siphash(key, "a@example.com", 13));
    assert_true(siphash_nocase(key, span_of("a@example.com ")) != siphash(key, "a@example.com", 13));
}

static void keys_are_cut_and_shown(void **state)
{
    (void)state;
    static const char *const nets[] = {"192.0.2.0/24",  "0.0.0.0/0",         "255.255.255.255/32",
                                       "2001:db8::/33", "2001:db8::1:2/128", "::/0",
                                       "198.18.0.0/15", "2001:db8:ff80::/41"};
    for (size_t i = 0; i < COUNT_OF(nets); i++) {
        struct guard_net net = network(nets[i]), shown;
        struct key_net key = net_text(nets[i]);
        shown = key_net_show(&key);
        assert_true(addr_equal(&shown.address, &net.address));
        assert_int_equal(shown.bits, net.bits);
    }
    struct key_net inner = net_text("192.0.2.64/26"), outer = net_text("192.0.2.0/25"),
                   all = net_text("::/0");
    assert_true(key_net_inside(&inner, &outer));
    assert_true(key_net_inside(&inner, &inner));
    assert_false(key_net_inside(&outer, &inner));
    assert_false(key_net_inside(&inner, &all)); /* all of IPv6 has no IPv4 */
    struct guard_net bad = {{.family = AF_INET}, 33};
    assert_false(key_net_of(&bad, &inner));
    bad = (struct guard_net){{.family = 0}, 0};
    assert_false(key_net_of(&bad, &inner));
}

static void a_set_of_networks_is_their_union(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        struct key_net nets[12];
        struct netset set = {{NULL, 0}, {NULL, 0}};
        size_t n = roll(COUNT_OF(nets) + 1);
        for (size_t i = 0; i < n; i++)
            nets[i] = random_net();
        netset_build(&set, nets, n);
        for (int k = 0; k < 100; k++) {
            struct key_net one = {random_key(), KEY_BITS}, net = random_net();
            bool in = false, any = false;
            for (size_t i = 0; i < n; i++) {
                in = in || key_net_inside(&one, &nets[i]);
                any = any || key_net_inside(&net, &nets[i]) || key_net_inside(&nets[i], &net);
            }
            assert_int_equal(netset_has(&set, &one.key), in);
            assert_int_equal(netset_has_any(&set, &net), any);
            if (netset_has_all(&set, &net))
                assert_true(any);
        }
        netset_free(&set);
    }
    /* halves make a whole */
    struct key_net halves[] = {net_text("192.0.2.128/25"), net_text("192.0.2.0/25"),
                               net_text("192.0.3.0/25")};
    struct key_net whole = net_text("192.0.2.0/24"), more = net_text("192.0.2.0/23");
    struct netset set = {{NULL, 0}, {NULL, 0}};
    netset_build(&set, halves, COUNT_OF(halves));
    assert_true(netset_has_all(&set, &whole));
    assert_false(netset_has_all(&set, &more));
    netset_free(&set);
}

/* ---- counts ---- */

enum { RING = 40, TRACKED = 12, KEYS = 20 };

struct listed {
    uint32_t at;
    unsigned key;
    enum failure_kind kind;
    bool gone;
};

/* The ring as a list: the oldest go for want of time, of failures, or of addresses. */
struct list {
    struct listed failures[4000];
    size_t oldest, n;
};

static uint32_t listed(const struct list *l, unsigned key, enum failure_kind kind)
{
    uint32_t count = 0;
    for (size_t i = l->oldest; i < l->n; i++)
        count += !l->failures[i].gone && l->failures[i].key == key && l->failures[i].kind == kind;
    return count;
}

static unsigned tracked(const struct list *l)
{
    unsigned n = 0;
    for (unsigned key = 0; key < KEYS; key++)
        n += listed(l, key, FAILURE_COUNTED) + listed(l, key, FAILURE_SPARED) > 0;
    return n;
}

static void list_add(struct list *l, unsigned key, enum failure_kind kind, uint32_t now)
{
    if (l->n - l->oldest == RING)
        l->oldest++;
    if (listed(l, key, FAILURE_COUNTED) + listed(l, key, FAILURE_SPARED) == 0)
        while (tracked(l) == TRACKED)
            l->oldest++;
    l->failures[l->n++] = (struct listed){now, key, kind, false};
}

static void counts_are_those_of_a_list(void **state)
{
    (void)state;
    static struct list list;
    struct place places[KEYS];
    for (unsigned i = 0; i < KEYS; i++) {
        struct addr a = numbered(i);
        places[i] = place_of_net(&(struct key_net){key_of(&a), KEY_BITS});
    }
    for (int round = 0; round < 30; round++) {
        struct counts *counts = counts_make(TRACKED, RING, TEST_KEY);
        uint32_t now = 1000, window = 1 + roll(300);
        list.oldest = list.n = 0;
        for (int step = 0; step < 3000; step++) {
            unsigned key = roll(roll(4) ? 4 : KEYS);
            enum failure_kind kind = roll(3) ? FAILURE_COUNTED : FAILURE_SPARED;
            const struct failure failure = {.at = now, .kind = (uint8_t)kind, .account = key};
            now += roll(8);
            counts_expire(counts, now - window);
            while (list.oldest < list.n && list.failures[list.oldest].at <= now - window)
                list.oldest++;
            if (roll(15) == 0) {
                counts_clear(counts, &places[key]);
                for (size_t i = list.oldest; i < list.n; i++)
                    list.failures[i].gone = list.failures[i].gone || list.failures[i].key == key;
            } else {
                struct failure at = failure;
                at.at = now;
                counts_add(counts, &places[key], &at);
                list_add(&list, key, kind, now);
            }
            for (unsigned i = 0; i < KEYS; i++)
                for (enum failure_kind k = 0; k < FAILURE_KINDS; k++)
                    assert_int_equal(counts_of(counts, &places[i], k), listed(&list, i, k));
            struct counts_walk walk = counts_walk(counts, &places[key], kind);
            uint32_t before = UINT32_MAX;
            for (const struct failure *f; (f = counts_next(&walk)) != NULL; before = f->at) {
                assert_true(f->at <= before && f->at > now - window);
                assert_int_equal(f->account, key);
                assert_int_equal(f->kind, kind);
            }
            assert_int_equal(counts_size(counts).addresses, tracked(&list));
        }
        counts_clear_all(counts);
        assert_int_equal(counts_size(counts).failures + counts_size(counts).addresses, 0);
        counts_free(&counts);
        assert_null(counts);
    }
}

/* ---- blocks ---- */

enum { BLOCKS = 40 };

static void blocks_are_those_of_a_list(void **state)
{
    (void)state;
    static struct block list[BLOCKS];
    size_t n = 0;
    struct blocks *blocks = blocks_make(BLOCKS, TEST_KEY);
    for (int step = 0; step < 30000; step++) {
        struct block one = {
            .net = random_net(), .account = roll(3) ? 0 : roll(3) + 1, .until = 1000 + roll(50)};
        size_t at = 0;
        while (at < n && (list[at].account != one.account || list[at].net.bits != one.net.bits ||
                          !key_equal(&list[at].net.key, &one.net.key)))
            at++;
        struct block *there = blocks_find(blocks, &one.net, one.account);
        assert_int_equal(there != NULL, at < n);
        if (there != NULL && roll(2)) {
            there->until = list[at].until = one.until;
            blocks_moved(blocks, there);
        } else if (there != NULL || (n > 0 && roll(3) == 0)) {
            at = there != NULL ? at : roll((uint32_t)n);
            blocks_remove(blocks, blocks_find(blocks, &list[at].net, list[at].account));
            list[at] = list[--n];
        } else {
            one.part = one.account == 0;
            one.reason = xstrdup("why");
            assert_int_equal(blocks_add(blocks, &one) != NULL, n < BLOCKS);
            if (n < BLOCKS)
                list[n++] = one;
            else
                free(one.reason);
        }
        assert_int_equal(blocks_count(blocks), n);

        /* what covers, what ends first, parts and pairs */
        struct key k = random_key();
        struct key_net whole = random_net();
        struct place here = place_of_net(&(struct key_net){k, KEY_BITS});
        uint32_t now = 1000 + roll(50), soonest = UINT32_MAX, parts = 0, pairs = 0;
        const struct block *longest = NULL;
        for (size_t i = 0; i < n; i++) {
            struct key_net self = {k, KEY_BITS}, wide;
            bool live = list[i].until > now;
            if (live && list[i].account == 0 && key_net_inside(&self, &list[i].net) &&
                (longest == NULL || list[i].net.bits > longest->net.bits))
                longest = &list[i];
            soonest = list[i].until < soonest ? list[i].until : soonest;
            parts += live && list[i].account == 0 && blocks_wider(&list[i].net, &wide) &&
                     wide.bits == whole.bits && key_equal(&wide.key, &whole.key);
            pairs += live && list[i].account != 0 && list[i].net.bits == whole.bits &&
                     key_equal(&list[i].net.key, &whole.key);
        }
        const struct block *cover = blocks_cover(blocks, &k, &here, 0, now), *first = blocks_first(blocks);
        assert_int_equal(cover != NULL, longest != NULL);
        if (cover != NULL && longest != NULL)
            assert_int_equal(cover->net.bits, longest->net.bits);
        const struct block *pair = blocks_find(blocks, &here.net, 2);
        if (cover == NULL)
            cover = pair != NULL && pair->until > now ? pair : NULL;
        assert_ptr_equal(blocks_cover(blocks, &k, &here, 2, now), cover);
        assert_true(first == NULL ? n == 0 : first->until == soonest);
        assert_int_equal(blocks_parts(blocks, &whole, now), parts);
        assert_int_equal(blocks_pairs(blocks, &whole, now), pairs);
        uint32_t cursor = 0, all = 0;
        while (blocks_next(blocks, &cursor) != NULL)
            all++;
        assert_int_equal(all, n);
    }
    blocks_free(&blocks);
    assert_null(blocks);
}

/* ---- crowds, past ---- */

static void small_crowds_give_way_to_new_ones(void **state)
{
    (void)state;
    struct crowds *crowds = crowds_make(8 * 11, 10); /* eight crowds, all in each other's way */
    for (uint64_t member = 1; member <= 8; member++)
        crowds_add(crowds, 77, member, 100, 0);
    for (uint64_t name = 1000; name < 3000; name++) /* noise */
        crowds_add(crowds, name, name, 101, 0);
    assert_int_equal(crowds_others(crowds, 77, 1, 0), 7);
    for (uint64_t member = 1; member <= 30; member++)
        crowds_add(crowds, 77, member, 102, 0);
    assert_int_equal(crowds_others(crowds, 77, 0, 0), 11); /* more than the limit is all it has to know */
    assert_int_equal(crowds_others(crowds, 77, 0, 102), 0);
    for (uint64_t name = 1; name <= 8; name++) /* one that is over is worth nothing */
        crowds_add(crowds, name, name, 200, 150);
    assert_int_equal(crowds_others(crowds, 77, 0, 0), 0);
    crowds_free(&crowds);
}

static void the_past_has_bounds(void **state)
{
    (void)state;
    struct past *past = past_make(8);
    for (uint64_t name = 1; name <= 100; name++)
        past_put(past, name, 3, (uint32_t)name);
    assert_int_equal(past_times(past, 100, 0), 3);
    assert_int_equal(past_times(past, 93, 0), 3);
    assert_int_equal(past_times(past, 92, 0), 0);
    assert_int_equal(past_times(past, 100, 100), 0);
    past_forget(past, 100);
    assert_int_equal(past_times(past, 100, 0), 0);
    past_free(&past);
}

/* ---- memory ---- */

static void learn(struct memory *m, uint64_t account, uint64_t place, uint32_t print, uint32_t now)
{
    struct password used = {print, now, now, PASSWORD_NO_PWHASH};
    memory_login(m, account, place, &used, now);
}

static bool knows_password(struct memory *m, uint64_t account, uint32_t print, uint32_t now)
{
    const struct password tried = {.print = print, .pwhash = PASSWORD_NO_PWHASH};
    bool surely;
    uint32_t replaced;
    return memory_password(m, account, &tried, now, &surely, &replaced);
}

static void a_stolen_account_cannot_wash_out_others(void **state)
{
    (void)state;
    struct memory *m = memory_make(100, 1000);
    for (uint64_t account = 1; account <= 50; account++)
        for (uint64_t place = 1; place <= 10; place++)
            learn(m, account, account * 100 + place, 7, 1000);
    for (uint64_t i = 0; i < 20000; i++)
        learn(m, 99, 1000000 + i, (uint32_t)i + 1, 2000 + (uint32_t)i);
    for (uint64_t account = 1; account <= 50; account++) {
        assert_true(knows_password(m, account, 7, 3000));
        for (uint64_t place = 1; place <= 10; place++)
            assert_true(memory_knows(m, account, account * 100 + place, 0));
    }
    assert_int_equal(memory_size(m).logins, 500 + 64);
    assert_true(memory_knows(m, 99, 1000000 + 19999, 0));
    assert_false(memory_knows(m, 99, 1000000 + 10000, 0));
    assert_true(knows_password(m, 99, 20000, 30000));
    assert_true(knows_password(m, 99, 19997, 30000));
    assert_false(knows_password(m, 99, 19996, 30000));
    memory_free(&m);
    assert_null(m);
}

static void memory_is_bounded(void **state)
{
    (void)state;
    struct memory *m = memory_make(50, 200);
    size_t bytes = memory_size(m).bytes;
    for (uint32_t i = 0; i < 50000; i++) {
        uint64_t account = 1 + roll(200), place = 1 + roll(300);
        learn(m, account, place, 1 + roll(10), 1000 + i);
        assert_true(memory_knows(m, account, place, 999 + i));
        if (roll(10) == 0)
            memory_put_place(m, 1 + roll(200), 1 + roll(300), 1000 + roll(i + 1)); /* older than others */
        assert_in_range(memory_size(m).accounts, 1, 50);
        assert_in_range(memory_size(m).logins, 1, 200);
    }
    assert_int_equal(memory_size(m).bytes, bytes);
    memory_free(&m);
}

/* Who else was there lately, against a list; nothing gives way here. */
static void who_else_was_there(void **state)
{
    (void)state;
    enum { NAMES = 12, AT = 8 };
    uint32_t last[NAMES][AT] = {{0}};
    struct memory *m = memory_make(100, 1000);
    uint32_t now = 1000;
    for (int step = 0; step < 20000; step++) {
        uint64_t account = roll(NAMES), place = roll(AT);
        now += roll(3);
        if (roll(8) == 0) {
            uint32_t earlier = 1 + roll(now);
            memory_put_place(m, account + 1, place + 1, earlier);
            last[account][place] = earlier > last[account][place] ? earlier : last[account][place];
        } else {
            learn(m, account + 1, place + 1, 0, now);
            last[account][place] = now;
        }
        uint32_t after = now - roll(100);
        account = roll(NAMES), place = roll(AT);
        bool other = false;
        for (uint64_t i = 0; i < NAMES; i++)
            other = other || (i != account && last[i][place] > after);
        assert_int_equal(memory_who(m, account + 1, place + 1, after) == MEMORY_OTHER, other);
        assert_int_equal(memory_knows(m, account + 1, place + 1, after), last[account][place] > after);
    }
    memory_free(&m);
}

static void passwords_are_told_apart(void **state)
{
    (void)state;
    struct passwords known = {0};
    bool surely;
    uint32_t replaced;
    struct password p = {0, 100, 100, 0x123};
    assert_true(passwords_mark(&known, &p));
    p = (struct password){0, 200, 200, 0x123};
    assert_false(passwords_mark(&known, &p));
    assert_int_equal(p.first, 100);
    p = (struct password){77, 300, 300, 0x123}; /* the same, seen better */
    assert_true(passwords_mark(&known, &p));
    p = (struct password){88, 400, 400, 0x456};
    assert_true(passwords_mark(&known, &p));
    const struct password by_pwhash = {.pwhash = 0x123},
                          by_print = {.print = 77, .pwhash = PASSWORD_NO_PWHASH},
                          chance = {.print = 99, .pwhash = 0x123}, last = {.print = 88, .pwhash = 0x456},
                          none = {.pwhash = PASSWORD_NO_PWHASH};
    assert_true(passwords_have(&known, &by_pwhash, 500, &surely, &replaced));
    assert_false(surely);
    assert_int_equal(replaced, 400);
    assert_true(passwords_have(&known, &by_print, 500, &surely, &replaced));
    assert_true(surely);
    assert_false(
        passwords_have(&known, &chance, 500, &surely, &replaced)); /* 12 bits alone would be fooled */
    assert_true(passwords_have(&known, &last, 500, &surely, &replaced));
    assert_int_equal(replaced, 0);
    assert_false(passwords_have(&known, &none, 500, &surely, &replaced));
    assert_false(passwords_have(&known, &by_print, 300 + PASSWORD_KEPT_FOR, &surely, &replaced));
    p = (struct password){77, 600, 600, 0x123}; /* back to the first */
    passwords_mark(&known, &p);
    assert_true(passwords_have(&known, &last, 700, &surely, &replaced));
    assert_int_equal(replaced, 100);
    for (uint32_t i = 0; i < 2; i++) {
        p = (struct password){100 + i, 700, 700, PASSWORD_NO_PWHASH};
        passwords_mark(&known, &p);
    }
    p = (struct password){111, 50, 50, PASSWORD_NO_PWHASH}; /* a store puts back one that is older than all */
    assert_false(passwords_mark(&known, &p));
    assert_true(passwords_have(&known, &last, 700, &surely, &replaced));
    p = (struct password){112, 800, 800, PASSWORD_NO_PWHASH};
    assert_true(passwords_mark(&known, &p)); /* a new one takes its place */
    assert_false(passwords_have(&known, &last, 800, &surely, &replaced));
}

/* ---- a flood ---- */

static void nothing_grows_without_bound(void **state)
{
    (void)state;
    struct fixture f;
    char account[300];
    struct guard_stats before, after;
    fixture_rules(&f);
    f.rules.grants = true;
    f.rules.sizes = (struct guard_sizes){.addresses = 500,
                                         .failures = 600,
                                         .blocks = 100,
                                         .allowed = 10,
                                         .accounts = 50,
                                         .logins = 200,
                                         .members = 2000,
                                         .grants = 100,
                                         .changes = 100};
    fixture_start(&f);
    guard_subscribe(f.guard, on_wake, &f);
    guard_stats(f.guard, &before);
    memset(account, 'x', sizeof account);
    for (uint32_t i = 0; i < 100000; i++) {
        struct addr from = numbered(roll(20000));
        int n = snprintf(account, sizeof account - 1, "%u", roll(5000));
        account[n] = roll(2) ? 'x' : '\0'; /* some have 299 bytes */
        account[sizeof account - 1] = '\0';
        struct guard_try t = attempt_from(from, account, roll(2) ? "p" : account);
        struct guard_result r;
        struct guard_net net = {from, 32};
        if (roll(4) == 0)
            guard_report(f.guard, f.now_ms, &t, GUARD_GOOD, &(struct guard_facts){.mailbox = true}, &r);
        else if (roll(100) == 0)
            guard_allow(f.guard, f.now_ms, &net, account);
        else
            login_with(&f, &t, GUARD_WRONG, (struct guard_facts){.account_unknown = true});
        f.now_ms += roll(500);
    }
    guard_stats(f.guard, &after);
    assert_in_range(after.addresses, 1, 500);
    assert_in_range(after.failures, 1, 600);
    assert_in_range(after.blocks, 1, 100);
    assert_in_range(after.accounts, 1, 50);
    assert_in_range(after.logins, 1, 200);
    assert_in_range(after.grants, 1, 100);
    assert_in_range(after.allowed, 0, 10);
    assert_in_range(after.bytes, before.bytes, before.bytes + 100 * 300); /* names of grants */
    assert_true(after.failures_displaced > 0 && after.blocks_displaced > 0 && after.changes_lost > 0);
    guard_free(&f.guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_is_siphash),
        cmocka_unit_test(keys_are_cut_and_shown),
        cmocka_unit_test(a_set_of_networks_is_their_union),
        cmocka_unit_test(counts_are_those_of_a_list),
        cmocka_unit_test(blocks_are_those_of_a_list),
        cmocka_unit_test(small_crowds_give_way_to_new_ones),
        cmocka_unit_test(the_past_has_bounds),
        cmocka_unit_test(a_stolen_account_cannot_wash_out_others),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(who_else_was_there),
        cmocka_unit_test(passwords_are_told_apart),
        cmocka_unit_test(nothing_grows_without_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
