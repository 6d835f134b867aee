/* SPDX-License-Identifier: MIT */
/*
 * auth: the verifiers' queue: fair, bounded, and safe when askers or the pool go away. Checks are real
 * yescrypt, or wait.
 */
#include "auth_help.h"

#include <sys/resource.h>

#include "auth/hash.h"
#include "auth/pool.h"

enum { LIMIT = 2000, QUARTER = LIMIT / 4 };

/* ---- checks ---- */

static void check_by_hash(void *ctx, struct span account, const char *password, struct auth_answer *answer_r)
{
    (void)account;
    hash_spend(ctx, password);
    answer_r->verdict = AUTH_WRONG;
}

/* Holds the verifier until the test lets it go on; the password "good" is right. */
struct barrier {
    struct signpost begun, go;
};

static void check_at_barrier(void *ctx, struct span account, const char *password,
                             struct auth_answer *answer_r)
{
    struct barrier *b = ctx;
    signpost_raise(&b->begun);
    signpost_wait(&b->go, signpost_count(&b->begun));
    snprintf(answer_r->account, sizeof answer_r->account, "%.*s", (int)account.n, account.p);
    answer_r->verdict = password != NULL && strcmp(password, "good") == 0 ? AUTH_OK : AUTH_WRONG;
}

static struct pool *make(unsigned threads, pool_check *check, void *ctx)
{
    struct buf error = BUF_INIT(256);
    struct pool *pool = pool_make(threads, check, ctx, &error);
    assert_non_null(pool);
    return pool;
}

/* ---- askers: all of them on the loop ---- */

struct asker {
    struct scene *scene;
    char from[32], account[32], password[32];
    struct auth_ticket *ticket;
    int order; /* which answer it was, 0: none yet */
    struct auth_answer answer;
};

struct scene {
    struct pool *pool;
    struct loop *loop;
    uint64_t limit;
    struct asker *askers;
    int n, refused; /* on the loop */
    int answers;    /* on the loop */
    struct signpost answered;
};

static void take(void *arg, const struct auth_answer *answer)
{
    struct asker *a = arg;
    a->ticket = NULL;
    a->answer = *answer;
    a->order = ++a->scene->answers;
    signpost_raise(&a->scene->answered);
}

static void submit_range(struct scene *s, int from, int to)
{
    for (int i = from; i < to; i++) {
        struct asker *a = &s->askers[i];
        struct addr address;
        assert_true(addr_parse(a->from, &address));
        struct pool_order order = {s->loop, &address, span_of(a->account), span_of(a->password), take, a};
        a->scene = s;
        a->ticket = pool_submit(s->pool, &order, s->limit);
        s->refused += a->ticket == NULL;
    }
}

static void submit_all(void *arg)
{
    struct scene *s = arg;
    submit_range(s, 0, s->n);
}

static void submit_first(void *arg)
{
    submit_range(arg, 0, 1);
}

static void submit_rest(void *arg)
{
    struct scene *s = arg;
    submit_range(s, 1, s->n);
}

static void forget_all(void *arg)
{
    struct scene *s = arg;
    for (int i = 0; i < s->n; i++)
        auth_forget(&s->askers[i].ticket);
}

static void set(struct asker *a, const char *from, const char *account, const char *password)
{
    *a = (struct asker){.order = 0};
    snprintf(a->from, sizeof a->from, "%s", from);
    snprintf(a->account, sizeof a->account, "%s", account);
    snprintf(a->password, sizeof a->password, "%s", password);
}

/* So many from one address. */
static struct asker *flood(int n, const char *from)
{
    struct asker *askers = xcalloc((size_t)n, sizeof *askers);
    for (int i = 0; i < n; i++)
        set(&askers[i], from, "victim@example.com", "guess");
    return askers;
}

static struct scene scene_of(struct pool *pool, struct loop *loop, struct asker *askers, int n)
{
    return (struct scene){pool, loop, LIMIT, askers, n, 0, 0, SIGNPOST_INIT};
}

/* ---- fairness ---- */

/* The first of them keeps the only verifier until all others wait. Until all are answered. */
static void submit_behind_the_first(struct scene *s, struct barrier *b)
{
    int begun = signpost_count(&b->begun);
    on_loop(s->loop, submit_first, s);
    signpost_wait(&b->begun, begun + 1);
    on_loop(s->loop, submit_rest, s);
    for (int i = 0; i < s->n; i++)
        signpost_raise(&b->go);
    signpost_wait(&s->answered, s->n);
}

static void another_address_waits_for_a_few_hashes_only(void **state)
{
    (void)state;
    enum { FLOOD = 400, FEW = 8 };
    struct hasher hasher;
    assert_true(hasher_init(&hasher));
    struct pool *pool = make(1, check_by_hash, &hasher);
    struct loop *loop = start_loop();
    struct asker *askers = flood(FLOOD, "192.0.2.66"), customer;
    set(&customer, "192.0.2.7", "mail@example.com", "s3cret");
    struct scene s = scene_of(pool, loop, askers, FLOOD), one = scene_of(pool, loop, &customer, 1);
    on_loop(loop, submit_all, &s);
    uint64_t before = atomic_load(&hasher.count);
    on_loop(loop, submit_all, &one);
    signpost_wait(&one.answered, 1);
    uint64_t waited = atomic_load(&hasher.count) - before;
    print_message("answered behind %d hashes\n", (int)waited);
    assert_true(waited <= FEW);
    signpost_wait(&s.answered, FLOOD);
    assert_int_equal(s.refused, 0);
    pool_close(&pool);
    end_loop(&loop);
    free(askers);
}

static int order_of(const struct asker *a)
{
    assert_true(a->order > 0);
    return a->order;
}

static void addresses_take_turns(void **state)
{
    (void)state;
    enum { EACH = 20, TWICE = 2 * EACH, ALL = 3 * EACH, N = ALL + 1 };
    struct barrier b = {SIGNPOST_INIT, SIGNPOST_INIT};
    struct pool *pool = make(1, check_at_barrier, &b);
    struct loop *loop = start_loop();
    struct asker *askers = flood(N, "192.0.2.1"); /* the first one keeps the verifier busy */
    for (int i = 1; i < N; i++)
        set(&askers[i],
            i <= EACH       ? "192.0.2.1"
            : i <= 2 * EACH ? "2001:db8::1"
                            : "2001:db8:0:0:1::1",
            "a@example.com", "guess");
    struct scene s = scene_of(pool, loop, askers, N);
    submit_behind_the_first(&s, &b);
    /* Two networks (the IPv6 addresses are one /64) alternate: the first 20 of both are done after about 40.
     */
    assert_true(order_of(&askers[EACH]) <= 2 * EACH + 1);
    assert_true(order_of(&askers[TWICE]) <= 2 * EACH + 1);
    assert_true(order_of(&askers[ALL]) == N);
    pool_close(&pool);
    end_loop(&loop);
    free(askers);
}

static void logins_good_lately_go_first_but_not_only(void **state)
{
    (void)state;
    enum { GOOD = 10, REST = 10, FIRST = 1, N = FIRST + REST + GOOD };
    struct barrier b = {SIGNPOST_INIT, SIGNPOST_INIT};
    struct pool *pool = make(1, check_at_barrier, &b);
    struct loop *loop = start_loop();

    struct asker known;
    set(&known, "192.0.2.7", "mail@example.com", "good");
    struct scene before = scene_of(pool, loop, &known, 1);
    signpost_raise(&b.go);
    on_loop(loop, submit_all, &before);
    signpost_wait(&before.answered, 1);
    assert_int_equal(known.answer.verdict, AUTH_OK);

    struct asker *askers = flood(N, "192.0.2.66");
    for (int i = FIRST; i < FIRST + REST; i++)
        snprintf(askers[i].from, sizeof askers[i].from, "198.51.100.%d", i);
    for (int i = FIRST + REST; i < N; i++)
        set(&askers[i], "192.0.2.7", "Mail@EXAMPLE.com", "good");
    struct scene s = scene_of(pool, loop, askers, N);
    submit_behind_the_first(&s, &b);
    assert_true(order_of(&askers[FIRST + REST]) <= 3);
    assert_true(order_of(&askers[N - 1]) <= FIRST + GOOD + GOOD / 4 + 1);
    assert_true(order_of(&askers[FIRST]) <= FIRST + 6); /* the others are not starved */
    pool_close(&pool);
    end_loop(&loop);
    free(askers);
}

/* ---- bounds ---- */

static void bounds_by_network_and_in_all(void **state)
{
    (void)state;
    struct barrier b = {SIGNPOST_INIT, SIGNPOST_INIT};
    struct pool *pool = make(1, check_at_barrier, &b);
    struct loop *loop = start_loop();
    struct asker *one = flood(QUARTER + 50, "192.0.2.66"), *many = flood(LIMIT, "");
    struct scene first = scene_of(pool, loop, one, 1); /* keeps the verifier busy */
    on_loop(loop, submit_all, &first);
    signpost_wait(&b.begun, 1);
    struct scene by_one = scene_of(pool, loop, one + 1, QUARTER + 49);
    on_loop(loop, submit_all, &by_one);
    assert_int_equal(by_one.refused, 49);

    for (int i = 0; i < LIMIT; i++)
        snprintf(many[i].from, sizeof many[i].from, "10.0.%d.%d", i / 250, i % 250);
    struct scene by_many = scene_of(pool, loop, many, LIMIT);
    on_loop(loop, submit_all, &by_many);
    assert_int_equal(by_many.n - by_many.refused,
                     LIMIT - QUARTER - QUARTER); /* a quarter is kept for known logins */

    struct auth_stats stats;
    pool_stats(pool, &stats);
    assert_int_equal(stats.waiting, LIMIT - QUARTER);
    assert_int_equal(stats.queued, stats.waiting + 1);
    assert_int_equal(stats.busy, by_one.refused + by_many.refused);
    for (int i = 0; i < LIMIT; i++)
        signpost_raise(&b.go);
    signpost_wait(&by_many.answered, by_many.n - by_many.refused);
    signpost_wait(&by_one.answered, QUARTER);
    pool_stats(pool, &stats);
    assert_int_equal(stats.waiting, 0);
    pool_close(&pool);
    end_loop(&loop);
    free(one);
    free(many);
}

static void the_smallest_queue_takes_one(void **state)
{
    (void)state;
    struct barrier b = {SIGNPOST_INIT, SIGNPOST_INIT};
    struct pool *pool = make(1, check_at_barrier, &b);
    struct loop *loop = start_loop();
    struct asker *askers = flood(3, "192.0.2.66");
    struct scene s = scene_of(pool, loop, askers, 1), rest = scene_of(pool, loop, askers + 1, 2);
    s.limit = rest.limit = 1;
    on_loop(loop, submit_all, &s);
    signpost_wait(&b.begun, 1);
    on_loop(loop, submit_all, &rest);
    assert_int_equal(rest.refused, 1);
    signpost_raise(&b.go);
    signpost_raise(&b.go);
    signpost_wait(&rest.answered, 1);
    pool_close(&pool);
    end_loop(&loop);
    free(askers);
}

/* ---- going away ---- */

static void forgotten_checks_run_to_their_end(void **state)
{
    (void)state;
    enum { N = 3 };
    struct barrier b = {SIGNPOST_INIT, SIGNPOST_INIT};
    struct pool *pool = make(1, check_at_barrier, &b);
    struct loop *loop = start_loop();
    struct asker *askers = flood(N, "192.0.2.66");
    struct scene s = scene_of(pool, loop, askers, N);
    on_loop(loop, submit_all, &s);
    signpost_wait(&b.begun, 1);
    on_loop(loop, forget_all, &s); /* one under way, two queued */
    for (int i = 0; i < N; i++)
        assert_null(askers[i].ticket);
    for (int i = 0; i < N; i++)
        signpost_raise(&b.go);
    signpost_wait(&b.begun, N);
    end_loop(&loop); /* a forgotten check does not touch its loop */
    pool_close(&pool);
    assert_int_equal(s.answers, 0);
    assert_int_equal(signpost_count(&b.begun), N);
    free(askers);
}

/* Forgets while the answer lies in the loop's own mailbox: the answer must not come. */
static void wait_and_forget(void *arg)
{
    struct scene *s = arg;
    submit_all(s);
    struct auth_stats stats;
    do {
        pause_ms(1);
        pool_stats(s->pool, &stats);
    } while (stats.waiting > 0);
    pause_ms(20); /* the last one is posted about now; either way is right */
    forget_all(s);
}

static void forgotten_with_the_answer_in_the_mailbox(void **state)
{
    (void)state;
    enum { N = 5 };
    struct barrier b = {SIGNPOST_INIT, SIGNPOST_INIT};
    struct pool *pool = make(2, check_at_barrier, &b);
    struct loop *loop = start_loop();
    struct asker *askers = flood(N, "192.0.2.66");
    struct scene s = scene_of(pool, loop, askers, N);
    for (int i = 0; i < N; i++)
        signpost_raise(&b.go);
    on_loop(loop, wait_and_forget, &s);
    pool_close(&pool);
    end_loop(&loop);
    assert_int_equal(s.answers, 0);
    free(askers);
}

struct closing {
    struct pool *pool;
    struct signpost closed;
};

static void *close_pool(void *arg)
{
    struct closing *c = arg;
    pool_close(&c->pool);
    signpost_raise(&c->closed);
    return NULL;
}

static void closing_waits_for_hashes_and_drops_the_queue(void **state)
{
    (void)state;
    enum { N = 50 };
    struct barrier b = {SIGNPOST_INIT, SIGNPOST_INIT};
    struct closing closing = {make(2, check_at_barrier, &b), SIGNPOST_INIT};
    struct loop *loop = start_loop();
    struct asker *askers = flood(N, "192.0.2.66");
    struct scene s = scene_of(closing.pool, loop, askers, N),
                 half = scene_of(NULL, loop, askers + N / 2, N - N / 2);
    on_loop(loop, submit_all, &s);
    signpost_wait(&b.begun, 2);
    on_loop(loop, forget_all, &half);
    pthread_t closer;
    assert_int_equal(pthread_create(&closer, NULL, close_pool, &closing), 0);
    pause_ms(50);
    assert_int_equal(signpost_count(&closing.closed), 0); /* two are under way */
    signpost_raise(&b.go);
    signpost_raise(&b.go);
    signpost_wait(&closing.closed, 1);
    pthread_join(closer, NULL);
    assert_int_equal(signpost_count(&b.begun), 2);
    on_loop(loop, forget_all, &s); /* tickets without an answer are still their askers' */
    end_loop(&loop);
    assert_int_equal(s.answers, 0);
    free(askers);
}

static void passwords_that_can_be_nobodys(void **state)
{
    (void)state;
    struct hasher hasher;
    assert_true(hasher_init(&hasher));
    struct pool *pool = make(1, check_by_hash, &hasher);
    struct loop *loop = start_loop();
    char big[5000];
    memset(big, 'x', sizeof big);
    const struct {
        struct span account, password;
    } cases[] = {{span_of("a"), span_from(big, sizeof big)},
                 {span_from(big, sizeof big), span_of("pw")},
                 {span_from("a\0b", 3), span_from("p\0w", 3)},
                 {span_of(""), span_of("")}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct addr from = {.family = 0};
        struct asker a;
        set(&a, "192.0.2.1", "", "");
        struct scene s = scene_of(pool, loop, &a, 1);
        a.scene = &s;
        struct pool_order order = {loop, &from, cases[i].account, cases[i].password, take, &a};
        assert_non_null(pool_submit(pool, &order, LIMIT));
        signpost_wait(&s.answered, 1);
        assert_int_equal(a.answer.verdict, AUTH_WRONG);
    }
    assert_int_equal(atomic_load(&hasher.count), COUNT_OF(cases)); /* the price is that of any other */
    pool_close(&pool);
    end_loop(&loop);
}

static void check_niceness(void *ctx, struct span account, const char *password, struct auth_answer *answer_r)
{
    (void)ctx;
    (void)account;
    (void)password;
    answer_r->verdict = AUTH_WRONG;
    answer_r->changed_at = getpriority(PRIO_PROCESS, (id_t)gettid());
}

static void verifiers_are_nice(void **state)
{
    (void)state;
    struct pool *pool = make(1, check_niceness, NULL);
    struct loop *loop = start_loop();
    struct asker *a = flood(1, "192.0.2.1");
    struct scene s = scene_of(pool, loop, a, 1);
    on_loop(loop, submit_all, &s);
    signpost_wait(&s.answered, 1);
    assert_true(a->answer.changed_at >= 10);
    assert_true(getpriority(PRIO_PROCESS, (id_t)gettid()) < 10 || a->answer.changed_at > 10);
    pool_close(&pool);
    end_loop(&loop);
    free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_address_waits_for_a_few_hashes_only),
        cmocka_unit_test(addresses_take_turns),
        cmocka_unit_test(logins_good_lately_go_first_but_not_only),
        cmocka_unit_test(bounds_by_network_and_in_all),
        cmocka_unit_test(the_smallest_queue_takes_one),
        cmocka_unit_test(forgotten_checks_run_to_their_end),
        cmocka_unit_test(forgotten_with_the_answer_in_the_mailbox),
        cmocka_unit_test(closing_waits_for_hashes_and_drops_the_queue),
        cmocka_unit_test(passwords_that_can_be_nobodys),
        cmocka_unit_test(verifiers_are_nice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
