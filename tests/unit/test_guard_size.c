/* SPDX-License-Identifier: MIT */
/*
 * guard: its size and speed when everything is full, with the sizes of the default settings: a million
 * tracked addresses within 128 MiB, a verdict within a microsecond. Both are printed. The time is held
 * against its mark in optimized builds without sanitizers only.
 */
#include <pthread.h>

#include "guard_help.h"

#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
enum { TIMED = 1, TRACKED = 1000000, ASKED = 1000000, THREADS = 2 };
#else
enum { TIMED = 0, TRACKED = 60000, ASKED = 20000, THREADS = 2 };
#endif

enum { FIRST_BLOCKED = 0x40000000, FIRST_KNOWN = 0x20000000, FIRST_UNKNOWN = 0x60000000 }; /* strangers */
enum { MEMORY_MARK = 128 << 20, VERDICT_MARK_NS = 1000 };

static struct fixture fixture;

/* Half of them IPv4, half IPv6, spread as strangers are. */
static struct addr stranger(uint32_t i)
{
    uint32_t spread = i * 2654435761U;
    struct addr a = {.family = i % 2 ? AF_INET : AF_INET6};
    if (i % 2 == 0)
        memcpy(a.bytes, (uint8_t[]){0x20, 1, (uint8_t)(i >> 24), (uint8_t)(i >> 16)}, 4);
    memcpy(a.bytes + (i % 2 ? 0 : 4), &spread, sizeof spread);
    return a;
}

static struct guard_try stranger_try(uint32_t i, char account[32], uint32_t accounts)
{
    snprintf(account, 32, "user%u@example.com", i % accounts);
    struct guard_try t = {stranger(i), span_of(account), span_of("laptop"), (int)(i % 4096), i + 1};
    return t;
}

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static size_t resident(void)
{
    struct buf text;
    size_t pages = 0, all = 0;
    assert_int_equal(file_read("/proc/self/statm", 4096, &text), 0);
    assert_int_equal(sscanf(buf_str(&text), "%zu %zu", &all, &pages), 2);
    buf_free(&text);
    return pages * 4096;
}

/* ---- everything full ---- */

static void fill_blocks(struct fixture *f)
{
    static const char reason[] = "";
    struct guard_block b;
    for (uint32_t i = 0; i < f->rules.sizes.blocks; i++) {
        struct guard_net net = {stranger(FIRST_BLOCKED + i), i % 2 ? 32 : 64};
        memset(net.address.bytes + 8, 0, 8);
        guard_block(f->guard, f->now_ms, &net, 3000 + i % 500, reason, &b);
    }
}

static void fill_logins(struct fixture *f)
{
    char account[32];
    struct guard_result r;
    for (uint32_t i = 0; i < f->rules.sizes.logins; i++) {
        struct guard_try t = stranger_try(FIRST_KNOWN + i, account, f->rules.sizes.accounts);
        guard_report(f->guard, f->now_ms, &t, GUARD_GOOD, &(struct guard_facts){.mailbox = true}, &r);
    }
}

static void fill_failures(struct fixture *f)
{
    char account[32];
    struct guard_result r;
    for (uint32_t i = 0; i < TRACKED; i++) {
        struct guard_try t = stranger_try(i, account, 100000);
        guard_report(f->guard, f->now_ms, &t, GUARD_WRONG, &(struct guard_facts){0}, &r);
    }
}

static int fill(void **state)
{
    (void)state;
    struct fixture *f = &fixture;
    const struct settings *s = settings_defaults();
    fixture_rules(f);
    guard_rules_read(s, &f->rules);
    f->rules.never.n = 0;
    f->rules.grants = true;
    fixture_start(f);
    guard_subscribe(f->guard, on_wake, f);
    fill_blocks(f);
    fill_logins(f);
    fill_failures(f);
    settings_release(&s);
    return 0;
}

static int empty(void **state)
{
    (void)state;
    guard_free(&fixture.guard);
    return 0;
}

static void a_million_addresses_fit(void **state)
{
    (void)state;
    struct guard_stats s;
    guard_stats(fixture.guard, &s);
    print_message(
        "%u addresses, %u failures, %u blocks, %u logins of %u accounts, %u grants: tables %.1f MiB, "
        "resident %.1f MiB\n",
        s.addresses, s.failures, s.blocks, s.logins, s.accounts, s.grants, (double)s.bytes / (1 << 20),
        (double)resident() / (1 << 20));
    assert_int_equal(s.addresses, TRACKED);
    assert_int_equal(s.blocks, fixture.rules.sizes.blocks);
    assert_true(s.logins > fixture.rules.sizes.logins * 9 / 10);
    assert_true(s.bytes <= MEMORY_MARK);
}

/* ---- speed ---- */

enum { ROUNDS = 3 }; /* the quickest counts: others share the machine */

static void tell(const char *what, const uint64_t ns[ROUNDS], uint32_t n, uint64_t mark)
{
    uint64_t best = UINT64_MAX;
    for (size_t i = 0; i < ROUNDS; i++)
        best = ns[i] < best ? ns[i] : best;
    print_message("%-36s %5llu ns\n", what, (unsigned long long)(best / n));
    if (TIMED && mark > 0)
        assert_true(best / n < mark);
}

static uint64_t ask_all(uint32_t first, uint32_t n, bool blocked)
{
    struct guard_block b;
    uint32_t refused = 0;
    uint64_t start = cpu_ns();
    for (uint32_t i = 0; i < ASKED; i++) {
        struct addr a = stranger(first + i % n);
        refused += guard_ask(fixture.guard, fixture.now_ms, &a, &b) != GUARD_OPEN;
    }
    uint64_t ns = cpu_ns() - start;
    assert_int_equal(refused, blocked ? ASKED : 0);
    return ns;
}

static void a_verdict_takes_less_than_a_microsecond(void **state)
{
    (void)state;
    uint64_t tracked[ROUNDS], blocked[ROUNDS], unknown[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        tracked[i] = ask_all(0, TRACKED, false);
        blocked[i] = ask_all(FIRST_BLOCKED, fixture.rules.sizes.blocks, true);
        unknown[i] = ask_all(FIRST_UNKNOWN, TRACKED, false);
    }
    tell("at accept, tracked addresses", tracked, ASKED, VERDICT_MARK_NS);
    tell("at accept, blocked addresses", blocked, ASKED, VERDICT_MARK_NS);
    tell("at accept, unknown addresses", unknown, ASKED, VERDICT_MARK_NS);
}

/* Logins of tracked addresses, a piece at a time under way; half of them fail. */
static void log_in_all(uint64_t *before, uint64_t *after)
{
    enum { PIECE = 500 };
    static char accounts[PIECE][32];
    struct fixture *f = &fixture;
    struct guard_try tries[PIECE];
    struct guard_ticket *tickets[PIECE];
    struct guard_refusal why;
    struct guard_result r;
    uint32_t gone = 0;
    for (uint32_t i = 0; i < ASKED / 4; i += PIECE) {
        for (uint32_t k = 0; k < PIECE; k++)
            tries[k] = stranger_try((i + k) * 7 % TRACKED, accounts[k], 100000);
        uint64_t start = cpu_ns();
        for (uint32_t k = 0; k < PIECE; k++)
            gone += guard_reserve(f->guard, f->now_ms, &tries[k], on_wake, f, &tickets[k], &why) == GUARD_GO;
        uint64_t reserved = cpu_ns();
        for (uint32_t k = 0; k < PIECE; k++)
            guard_settle(f->guard, f->now_ms, &tickets[k], k % 2 ? GUARD_WRONG : GUARD_GOOD,
                         &(struct guard_facts){.account_unknown = true}, &r);
        *before += reserved - start;
        *after += cpu_ns() - reserved;
    }
    assert_int_equal(gone, ASKED / 4);
}

/* A verdict is asked before each login, too: it has the same mark. */
static void a_login_costs_little_more(void **state)
{
    (void)state;
    uint64_t before[ROUNDS] = {0}, after[ROUNDS] = {0};
    for (size_t i = 0; i < ROUNDS; i++)
        log_in_all(&before[i], &after[i]);
    tell("before a login", before, ASKED / 4, VERDICT_MARK_NS);
    tell("after it", after, ASKED / 4, 0);
}

/* ---- threads ---- */

static void *ask_often(void *arg)
{
    struct fixture *f = arg;
    struct guard_block b;
    for (uint32_t i = 0; i < ASKED; i++) {
        struct addr a = stranger(i % 3 ? i % TRACKED : FIRST_BLOCKED + i % f->rules.sizes.blocks);
        guard_ask(f->guard, f->now_ms, &a, &b);
    }
    return NULL;
}

static void one_lock_serves_all_loops(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    uint64_t start = clock_mono_us();
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &fixture), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    uint64_t us = clock_mono_us() - start;
    print_message("%d threads at once: %llu verdicts a second in all\n", THREADS,
                  (unsigned long long)THREADS * ASKED * 1000000 / (us + 1));
}

static void a_million_that_are_over_go_quickly(void **state)
{
    (void)state;
    struct fixture *f = &fixture;
    struct guard_stats s;
    uint64_t start = cpu_ns();
    pass(f, 2 * HOUR); /* nobody called meanwhile */
    guard_tick(f->guard, f->now_ms, wall(f));
    print_message("all failures and 20,000 blocks over at once: %.1f ms\n", (double)(cpu_ns() - start) / 1e6);
    start = cpu_ns();
    size_t lifted = guard_unblock(f->guard, f->now_ms, NULL, NULL, 0);
    print_message("the other blocks put away: %.1f ms\n", (double)(cpu_ns() - start) / 1e6);
    assert_int_equal(lifted, 0);
    guard_stats(f->guard, &s);
    assert_int_equal(s.failures + s.addresses + s.blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_addresses_fit),
        cmocka_unit_test(a_verdict_takes_less_than_a_microsecond),
        cmocka_unit_test(a_login_costs_little_more),
        cmocka_unit_test(one_lock_serves_all_loops),
        cmocka_unit_test(a_million_that_are_over_go_quickly),
    };
    return cmocka_run_group_tests(tests, fill, empty);
}
