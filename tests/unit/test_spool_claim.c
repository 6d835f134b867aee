/* SPDX-License-Identifier: MIT */
/* Claims: what is given out, in which order, once only; waiting for what is due; settlements. */
#include "test_spool_support.h"

/* ---- the set by itself ---- */

static void the_set_is_what_a_plain_list_would_be(void **state)
{
    (void)state;
    enum { KEYS = 600, STEPS = 200000 };
    static bool model[KEYS];
    struct claims claims;
    size_t held = 0;
    claims_init(&claims);
    memset(model, 0, sizeof model);
    for (unsigned i = 0; i < STEPS; i++) {
        size_t k = (size_t)random_below(KEYS);
        int64_t key = key_recipient((int64_t)(k / 3) + 1, (int64_t)(k % 3)); /* neighbours, as in life */
        if (random_below(2) == 0) {
            assert_int_equal(claims_take(&claims, key), !model[k]);
            held += !model[k];
            model[k] = true;
        } else {
            claims_end(&claims, key, 0, 0);
            held -= model[k];
            model[k] = false;
        }
        assert_int_equal(claims_has(&claims, key), model[k]);
        assert_int_equal(claims.used, held);
    }
    claims_free(&claims);
}

static void a_claim_that_ends_in_a_scan_stays_in_its_way(void **state)
{
    (void)state;
    struct claims claims;
    claims_init(&claims);
    assert_true(claims_take(&claims, 7));
    assert_true(claims_scan_begin(&claims, 1000));
    claims_end(&claims, 7, 1000, 0); /* settled; the scan reads the queue as it was before */
    assert_false(claims_take(&claims, 7));
    assert_true(claims_taken(&claims, 7));
    assert_false(claims_has(&claims, 7));
    claims_scan_end(&claims, false, INT64_MAX);
    assert_false(claims_taken(&claims, 7));
    assert_int_equal(claims.used, 0);
    claims_free(&claims);
}

static void parked_claims_come_back_in_time(void **state)
{
    (void)state;
    struct claims claims;
    claims_init(&claims);
    for (int64_t key = 1; key <= 1000; key++) {
        assert_true(claims_take(&claims, key));
        claims_end(&claims, key, 1000, 1000 + key);
    }
    assert_int_equal(claims.parked_next, 1001);
    assert_true(claims_scan_begin(&claims, 1500));
    for (int64_t key = 1; key <= 1000; key++)
        assert_int_equal(claims_taken(&claims, key), key > 500);
    claims_scan_end(&claims, false, INT64_MAX);
    assert_int_equal(claims.parked_next, 1501);
    claims_unpark(&claims);
    assert_int_equal(claims.used, 0);
    assert_true(claims.size < 2048); /* shrinks by and by */
    claims_free(&claims);
}

/* ---- what is given out ---- */

static void recipients_of_a_message_come_together(void **state)
{
    (void)state;
    static const char *const TO[] = {"a@example.net", "b@example.net", "c@example.net", "d@example.net"};
    struct place p;
    struct delivery d[16];
    struct envelope e = TEST_ENVELOPE;
    char ids[3][QUEUE_ID_MAX];
    e.recipients = TO;
    e.recipient_count = COUNT_OF(TO);
    place_make(&p, "");
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        assert_int_equal(send_one(&p, 100, &e, ids[i]), SPOOL_OK);
    assert_int_equal(spool_claim(p.spool, clock_wall(), d, 6), 6);
    assert_int_equal(spool_claim(p.spool, clock_wall(), d + 6, 10), 6);
    assert_int_equal(spool_claim(p.spool, clock_wall(), d + 12, 4), 0);
    for (size_t i = 0; i < 12; i++) {
        assert_string_equal(d[i].id, ids[i / 4]);
        assert_string_equal(d[i].recipient, TO[i % 4]);
        delivery_free(&d[i]);
    }
    place_free(&p);
}

static void an_answer_is_kept_and_the_attempt_counted(void **state)
{
    (void)state;
    struct place p;
    struct delivery d;
    place_make(&p, "");
    assert_int_equal(send_one(&p, 100, NULL, NULL), SPOOL_OK);
    for (unsigned attempt = 0; attempt < 3; attempt++) {
        assert_true(claim_one(&p, &d));
        assert_int_equal(d.attempts, attempt);
        assert_int_equal(settle_one(&p, d.recipient_row, SETTLE_RETRY, clock_wall(), "451 later"), SPOOL_OK);
        delivery_free(&d);
    }
    assert_true(claim_one(&p, &d));
    assert_int_equal(settle_one(&p, d.recipient_row, SETTLE_RETRY, clock_wall() + 3600, "451 later"),
                     SPOOL_OK);
    delivery_free(&d);
    assert_false(claim_one(&p, &d));
    assert_int_equal(spool_claim(p.spool, clock_wall() + 3600, &d, 1), 1);
    assert_int_equal(d.attempts, 4);
    assert_int_equal(settle_one(&p, d.recipient_row, SETTLE_FAILED, 0, "550 no"), SPOOL_OK);
    delivery_free(&d);
    assert_int_equal(stats_of(&p).messages, 0);
    place_free(&p);
}

static void a_claim_is_forgotten_by_a_restart(void **state)
{
    (void)state;
    struct place p;
    struct delivery d;
    place_make(&p, "");
    assert_int_equal(send_one(&p, 100, NULL, NULL), SPOOL_OK);
    assert_true(claim_one(&p, &d));
    delivery_free(&d);
    assert_false(claim_one(&p, &d));
    place_reopen(&p);
    assert_true(claim_one(&p, &d));
    delivery_free(&d);
    place_free(&p);
}

static void what_is_given_back_is_due_again(void **state)
{
    (void)state;
    struct place p;
    struct delivery d;
    struct buf error = BUF_INIT(1024);
    place_make(&p, "");
    assert_int_equal(send_one(&p, 100, NULL, NULL), SPOOL_OK);
    uint64_t commits = stats_of(&p).commits;
    assert_true(claim_one(&p, &d));
    assert_int_equal(settle_one(&p, d.recipient_row, SETTLE_RELEASE, 0, NULL), SPOOL_OK);
    delivery_free(&d);
    assert_true(claim_one(&p, &d));
    assert_int_equal(d.attempts, 0);
    assert_int_equal(settle_one(&p, d.recipient_row, SETTLE_RELEASE, clock_wall() + 100, NULL), SPOOL_OK);
    delivery_free(&d);
    assert_false(claim_one(&p, &d));
    assert_int_equal(stats_of(&p).commits, commits); /* nothing was written */
    assert_int_equal(spool_act(p.spool, QUEUE_RETRY, NULL, &error), 1);
    assert_true(claim_one(&p, &d));
    delivery_free(&d);
    place_free(&p);
}

/* Puts rows for n messages of one recipient each into the closed queue. */
static void fill_queue(const struct place *p, int64_t n)
{
    char path[PLACE_PATH_MAX + 32], id[QUEUE_ID_MAX];
    struct db db;
    struct buf error = BUF_INIT(1024);
    struct id_maker ids;
    id_maker_init(&ids);
    snprintf(path, sizeof path, "%s/queue.db", p->dir);
    assert_true(db_open(&db, path, DB_WRITE, &error));
    assert_int_equal(db_run(&db, DO_BEGIN, DB_NONE), DB_OK);
    for (int64_t key = 1; key <= n; key++) {
        id_make(&ids, id);
        assert_int_equal(db_run(&db, DO_MESSAGE_ADD,
                                DB_ARGS(db_int(key), db_text(id), db_text("s@example.com"), db_text(""),
                                        db_text(""), db_int(1000), db_int(3), db_int(0), db_blob("abc", 3))),
                         DB_OK);
        assert_int_equal(
            db_run(&db, DO_RECIPIENT_ADD,
                   DB_ARGS(db_int(key_recipient(key, 0)), db_text("r@example.net"), db_int(1000 + key % 7))),
            DB_OK);
    }
    assert_int_equal(db_run(&db, DO_COMMIT, DB_NONE), DB_OK);
    db_close(&db, true);
}

/* 100,000 are due, thousands of them claimed: each claim stays cheap, and each message is given out once. */
static void a_long_queue_is_given_out_once(void **state)
{
    (void)state;
    enum { N = 100000, AT_ONCE = 50, TAKEN = 5000 };
    struct place p;
    struct delivery d[AT_ONCE];
    place_make(&p, "");
    spool_close(&p.spool);
    fill_queue(&p, N);
    place_open(&p, NULL);
    bool *seen = xcalloc(N + 1, sizeof *seen);
    uint64_t start = clock_mono_us();
    for (unsigned taken = 0; taken < TAKEN; taken += AT_ONCE) {
        assert_int_equal(spool_claim(p.spool, clock_wall(), d, AT_ONCE), AT_ONCE);
        for (unsigned i = 0; i < AT_ONCE; i++) {
            int64_t key = key_message(d[i].recipient_row);
            assert_false(seen[key]);
            seen[key] = true;
            delivery_free(&d[i]);
        }
    }
    uint64_t each = (clock_mono_us() - start) / (TAKEN / AT_ONCE);
    print_message("a claim of %d beside up to %d: %llu us\n", AT_ONCE, TAKEN, (unsigned long long)each);
    assert_true(each < 100000);
    free(seen);
    place_free(&p);
}

/* ---- waiting ---- */

struct waiter {
    struct spool *spool;
    uint64_t timeout_ms, took_ms;
    pthread_t thread;
};

static void *wait_main(void *arg)
{
    struct waiter *w = arg;
    uint64_t start = clock_mono_ms();
    spool_wait_due(w->spool, w->timeout_ms);
    w->took_ms = clock_mono_ms() - start;
    return NULL;
}

static void waiter_start(struct waiter *w, struct place *p, uint64_t timeout_ms)
{
    *w = (struct waiter){.spool = p->spool, .timeout_ms = timeout_ms};
    assert_int_equal(pthread_create(&w->thread, NULL, wait_main, w), 0);
}

static uint64_t waiter_end(struct waiter *w)
{
    assert_int_equal(pthread_join(w->thread, NULL), 0);
    return w->took_ms;
}

static void waiting_ends_when_it_should(void **state)
{
    (void)state;
    struct place p;
    struct waiter a, b;
    struct delivery d, none;
    place_make(&p, "");
    assert_false(claim_one(&p, &d)); /* now it is known that nothing is due */

    waiter_start(&a, &p, 300);
    assert_true(waiter_end(&a) >= 290);

    waiter_start(&a, &p, 30000);
    waiter_start(&b, &p, 30000);
    sleep_ms(50);
    spool_wake(p.spool);
    assert_true(waiter_end(&a) < 20000);
    assert_true(waiter_end(&b) < 20000);

    spool_wake(p.spool); /* one that comes too early is not lost */
    waiter_start(&a, &p, 30000);
    assert_true(waiter_end(&a) < 20000);

    waiter_start(&a, &p, 30000);
    sleep_ms(50);
    assert_int_equal(send_one(&p, 100, NULL, NULL), SPOOL_OK);
    assert_true(waiter_end(&a) < 20000);
    waiter_start(&a, &p, 30000); /* nobody has claimed it: at once */
    assert_true(waiter_end(&a) < 20000);

    assert_true(claim_one(&p, &d));
    assert_int_equal(spool_claim(p.spool, clock_wall(), &none, 1), 0); /* and nothing else is due */
    waiter_start(&a, &p, 30000);
    sleep_ms(50);
    assert_int_equal(settle_one(&p, d.recipient_row, SETTLE_RETRY, clock_wall() + 2, "later"), SPOOL_OK);
    delivery_free(&d);
    assert_true(waiter_end(&a) < 20000); /* due in 2 seconds: sooner than it knew */
    assert_true(claim_one(&p, &d));
    assert_int_equal(spool_claim(p.spool, clock_wall(), &none, 1), 0); /* and nothing else is due */
    waiter_start(&a, &p, 30000);
    sleep_ms(50);
    assert_int_equal(settle_one(&p, d.recipient_row, SETTLE_RELEASE, clock_wall() + 2, NULL), SPOOL_OK);
    delivery_free(&d);
    assert_true(waiter_end(&a) < 20000);
    assert_true(claim_one(&p, &d));
    delivery_free(&d);
    place_free(&p);
}

static void the_next_due_time_is_known_after_a_restart(void **state)
{
    (void)state;
    struct place p;
    struct waiter w;
    struct delivery d;
    place_make(&p, "");
    assert_int_equal(send_one(&p, 100, NULL, NULL), SPOOL_OK);
    assert_true(claim_one(&p, &d));
    assert_int_equal(settle_one(&p, d.recipient_row, SETTLE_RETRY, clock_wall() + 2, "later"), SPOOL_OK);
    delivery_free(&d);
    place_reopen(&p);
    assert_false(claim_one(&p, &d));
    waiter_start(&w, &p, 30000);
    assert_true(waiter_end(&w) < 20000);
    assert_true(claim_one(&p, &d));
    delivery_free(&d);
    place_free(&p);
}

/* ---- settlements ---- */

static void a_bounce_comes_with_its_settlement(void **state)
{
    (void)state;
    static const char TEXT[] = "From: <>\r\nSubject: Gr\xc3\xbc\xc3\x9f\x65\r\n\r\nbody\r\n";
    struct place p;
    struct delivery d;
    char bytes[200];
    struct buf error = BUF_INIT(1024);
    struct bounce bounce = {.recipient = "demo@example.com", .data = TEXT, .n = sizeof TEXT - 1};
    place_make(&p, "");
    assert_int_equal(send_one(&p, 100000, NULL, NULL), SPOOL_OK);
    assert_true(claim_one(&p, &d));
    struct settlement s = {.recipient_row = d.recipient_row, .outcome = SETTLE_FAILED, .answer = "550 no"};
    assert_int_equal(spool_settle(p.spool, &s, 1, &bounce), SPOOL_OK);
    delivery_free(&d);
    assert_true(id_valid(bounce.id_r));
    assert_int_equal(stats_of(&p).messages, 1);
    assert_body_files(&p, 0);
    assert_true(claim_one(&p, &d));
    assert_string_equal(d.id, bounce.id_r);
    assert_string_equal(d.sender, "");
    assert_string_equal(d.recipient, "demo@example.com");
    assert_true(d.eight_bit); /* by what is in it */
    struct spool_body *body = spool_body_open(p.spool, d.id, &error);
    assert_non_null(body);
    assert_int_equal(spool_body_read(body, bytes, sizeof bytes), sizeof TEXT - 1);
    assert_memory_equal(bytes, TEXT, sizeof TEXT - 1);
    spool_body_close(&body);
    delivery_free(&d);
    place_free(&p);
}

static void the_last_settlement_completes_the_message(void **state)
{
    (void)state;
    static const char *const TO[] = {"a@example.net", "b@example.net", "c@example.net"};
    struct place p;
    struct delivery d[3];
    struct envelope e = TEST_ENVELOPE;
    bool complete[3] = {true, true, true};
    e.recipients = TO;
    e.recipient_count = COUNT_OF(TO);
    place_make(&p, "");
    assert_int_equal(send_one(&p, 100, &e, NULL), SPOOL_OK);
    assert_int_equal(spool_claim(p.spool, clock_wall(), d, 3), 3);
    struct settlement s[3];
    for (size_t i = 0; i < 3; i++) {
        s[i] = (struct settlement){
            .recipient_row = d[i].recipient_row, .outcome = SETTLE_DONE, .completed_r = &complete[i]};
        delivery_free(&d[i]);
    }
    assert_int_equal(spool_settle(p.spool, s, 1, NULL), SPOOL_OK);
    assert_false(complete[0]);
    assert_int_equal(spool_settle(p.spool, s + 1, 2, NULL), SPOOL_OK);
    assert_false(complete[1]);
    assert_true(complete[2]);
    place_free(&p);
}

static void what_was_removed_meanwhile_may_be_settled(void **state)
{
    (void)state;
    struct place p;
    struct delivery d;
    struct buf error = BUF_INIT(1024);
    place_make(&p, "");
    assert_int_equal(send_one(&p, 100, NULL, NULL), SPOOL_OK);
    assert_true(claim_one(&p, &d));
    assert_int_equal(spool_act(p.spool, QUEUE_REMOVE, d.id, &error), 1);
    assert_int_equal(settle_one(&p, d.recipient_row, SETTLE_RETRY, clock_wall(), "451 later"), SPOOL_OK);
    assert_int_equal(settle_one(&p, d.recipient_row, SETTLE_DONE, 0, NULL), SPOOL_OK);
    delivery_free(&d);
    assert_int_equal(stats_of(&p).messages, 0);
    assert_int_equal(stats_of(&p).recipients, 0);
    place_free(&p);
}

/* ---- many at once ---- */

struct courier {
    struct place *p;
    pthread_t thread;
    _Atomic unsigned *delivered;
    unsigned total;
    unsigned random;
};

static unsigned next_random(unsigned *x)
{
    *x = *x * 1664525U + 1013904223U;
    return *x >> 16;
}

static void *courier_main(void *arg)
{
    enum { AT_ONCE = 7 };
    struct courier *c = arg;
    struct delivery d[AT_ONCE];
    struct settlement s[AT_ONCE];
    while (atomic_load(c->delivered) < c->total) {
        int n = spool_claim(c->p->spool, clock_wall(), d, AT_ONCE);
        if (n <= 0) {
            spool_wait_due(c->p->spool, 100);
            continue;
        }
        unsigned done = 0;
        for (int i = 0; i < n; i++) {
            struct buf text = BUF_INIT(1024);
            if (body_fault(c->p->spool, d[i].id, d[i].size, &text) != NULL)
                abort();
            unsigned dice = next_random(&c->random) % 10;
            s[i] = (struct settlement){.recipient_row = d[i].recipient_row,
                                       .outcome = dice == 0   ? SETTLE_RELEASE
                                                  : dice == 1 ? SETTLE_RETRY
                                                              : SETTLE_DONE,
                                       .next_at = dice == 1 ? clock_wall() : 0,
                                       .answer = "451 perhaps"};
            done += s[i].outcome == SETTLE_DONE;
            delivery_free(&d[i]);
        }
        if (spool_settle(c->p->spool, s, (size_t)n, NULL) != SPOOL_OK)
            abort();
        atomic_fetch_add(c->delivered, done);
    }
    return NULL;
}

/* If anything were given out twice, or not at all, the count would never be met exactly and the queue be
 * empty. */
static void couriers_and_senders_at_once(void **state)
{
    (void)state;
    enum { N = 600, COURIERS = 4 };
    static const char *const TO[] = {"a@example.net", "b@example.net"};
    struct place p;
    struct courier couriers[COURIERS];
    struct sent *sent = xcalloc(N, sizeof *sent);
    struct envelope e = TEST_ENVELOPE;
    _Atomic unsigned delivered = 0;
    e.recipients = TO;
    e.recipient_count = COUNT_OF(TO);
    place_make(&p, "");
    for (unsigned i = 0; i < COURIERS; i++) {
        couriers[i] =
            (struct courier){.p = &p, .delivered = &delivered, .total = N * COUNT_OF(TO), .random = i};
        assert_int_equal(pthread_create(&couriers[i].thread, NULL, courier_main, &couriers[i]), 0);
    }
    for (unsigned i = 0; i < N; i++)
        sent_start(&p, &sent[i], i % 20 == 0 ? 90000 : 3000, &e);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(sent_wait(&sent[i]), SPOOL_OK);
    for (unsigned i = 0; i < COURIERS; i++)
        assert_int_equal(pthread_join(couriers[i].thread, NULL), 0);
    struct spool_stats stats = stats_of(&p);
    assert_int_equal(atomic_load(&delivered), N * COUNT_OF(TO));
    assert_int_equal(stats.messages, 0);
    assert_int_equal(stats.recipients, 0);
    assert_int_equal(stats.bytes, 0);
    assert_int_equal(p.spool->claims.used, 0);
    spool_close(&p.spool);
    assert_body_files(&p, 0);
    place_open(&p, NULL);
    free(sent);
    place_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_set_is_what_a_plain_list_would_be),
        cmocka_unit_test(a_claim_that_ends_in_a_scan_stays_in_its_way),
        cmocka_unit_test(parked_claims_come_back_in_time),
        cmocka_unit_test(recipients_of_a_message_come_together),
        cmocka_unit_test(an_answer_is_kept_and_the_attempt_counted),
        cmocka_unit_test(a_claim_is_forgotten_by_a_restart),
        cmocka_unit_test(what_is_given_back_is_due_again),
        cmocka_unit_test(a_long_queue_is_given_out_once),
        cmocka_unit_test(waiting_ends_when_it_should),
        cmocka_unit_test(the_next_due_time_is_known_after_a_restart),
        cmocka_unit_test(a_bounce_comes_with_its_settlement),
        cmocka_unit_test(the_last_settlement_completes_the_message),
        cmocka_unit_test(what_was_removed_meanwhile_may_be_settled),
        cmocka_unit_test(couriers_and_senders_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
