/* SPDX-License-Identifier: MIT */
/* The way of a message through the spool: in, on disk, out. */
#include "test_spool_support.h"

static void a_small_message_lies_in_the_database(void **state)
{
    (void)state;
    struct place p;
    char id[QUEUE_ID_MAX];
    struct delivery d;
    place_make(&p, "");
    int64_t before = clock_wall();
    assert_int_equal(send_one(&p, 4096, NULL, id), SPOOL_OK);
    assert_body_files(&p, 0);
    place_reopen(&p);

    assert_true(claim_one(&p, &d));
    assert_string_equal(d.id, id);
    assert_string_equal(d.sender, "demo@example.com");
    assert_string_equal(d.recipient, "anna@example.net");
    assert_string_equal(d.account, "demo@example.com");
    assert_int_equal(d.size, 4096);
    assert_true(d.queued_at >= before && d.queued_at <= clock_wall());
    assert_int_equal(d.attempts, 0);
    assert_false(d.eight_bit);
    assert_body(p.spool, id, 4096);

    assert_int_equal(settle_one(&p, d.recipient_row, SETTLE_DONE, 0, "250 OK"), SPOOL_OK);
    delivery_free(&d);
    assert_false(claim_one(&p, &d));
    assert_int_equal(stats_of(&p).messages, 0);
    assert_int_equal(stats_of(&p).recipients, 0);
    assert_int_equal(stats_of(&p).bytes, 0);
    place_free(&p);
}

static void a_large_message_lies_in_a_file(void **state)
{
    (void)state;
    enum { SIZE = 5000000 };
    struct place p;
    struct sent s;
    struct delivery d;
    struct stat st;
    struct buf path = BUF_INIT(1024);
    place_make(&p, "");
    sent_start(&p, &s, SIZE, NULL);
    assert_int_equal(sent_wait(&s), SPOOL_OK);
    assert_body_files(&p, 1);
    folder_path(&p.spool->folder, s.id, &path);
    assert_int_equal(stat(buf_str(&path), &st), 0);
    assert_int_equal(st.st_size, SIZE);
    assert_int_equal(st.st_mode & 0777, 0600);
    place_reopen(&p);

    assert_true(claim_one(&p, &d));
    assert_body(p.spool, s.id, SIZE);
    struct spool_body *body = spool_body_open(p.spool, s.id, &path);
    char a[100], b[100];
    assert_int_equal(spool_body_read(body, a, sizeof a), sizeof a);
    assert_int_equal(spool_body_rewind(body), 0);
    assert_int_equal(spool_body_read(body, b, sizeof b), sizeof b);
    assert_memory_equal(a, b, sizeof a);
    spool_body_close(&body);
    assert_null(body);
    assert_int_equal(settle_one(&p, d.recipient_row, SETTLE_DONE, 0, NULL), SPOOL_OK);
    delivery_free(&d);
    spool_close(&p.spool);
    assert_body_files(&p, 0);
    place_open(&p, NULL);
    buf_free(&path);
    place_free(&p);
}

static void the_size_decides_where_it_lies(void **state)
{
    (void)state;
    struct place p;
    char id[QUEUE_ID_MAX];
    place_make(&p, "queue.inline_max = 20000\n");
    static const struct {
        uint64_t size;
        unsigned files;
    } CASES[] = {{0, 0}, {1, 0}, {20000, 0}, {20001, 1}, {65536, 2}, {262144, 3}, {262145, 4}};
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        assert_int_equal(send_one(&p, CASES[i].size, NULL, id), SPOOL_OK);
        assert_body_files(&p, CASES[i].files);
        assert_body(p.spool, id, CASES[i].size);
    }
    assert_int_equal(stats_of(&p).messages, COUNT_OF(CASES));
    place_free(&p);
}

static void nobody_else_may_read_the_queue(void **state)
{
    (void)state;
    struct place p;
    struct stat st;
    char path[PLACE_PATH_MAX + 32];
    static const char *const NAMES[] = {"queue.db", "queue.db-wal", "queue.db-shm", "queue"};
    place_make(&p, "");
    assert_int_equal(send_one(&p, 100, NULL, NULL), SPOOL_OK);
    for (size_t i = 0; i < COUNT_OF(NAMES); i++) {
        snprintf(path, sizeof path, "%s/%s", p.dir, NAMES[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 077, 0);
    }
    place_free(&p);
}

static void an_envelope_comes_back_as_it_was(void **state)
{
    (void)state;
    struct place p;
    struct delivery d[4];
    static const char *const TO[] = {"anna@example.net", "\"b c\"@example.org", "x@[192.0.2.1]"};
    static const struct envelope NULL_SENDER = {.sender = "",
                                                .recipients = TO,
                                                .recipient_count = COUNT_OF(TO),
                                                .account = "",
                                                .client = "",
                                                .eight_bit = true};
    place_make(&p, "");
    assert_int_equal(send_one(&p, 10, &NULL_SENDER, NULL), SPOOL_OK);
    assert_int_equal(spool_claim(p.spool, clock_wall(), d, 4), COUNT_OF(TO));
    for (size_t i = 0; i < COUNT_OF(TO); i++) {
        assert_string_equal(d[i].recipient, TO[i]);
        assert_string_equal(d[i].sender, "");
        assert_string_equal(d[i].account, "");
        assert_true(d[i].eight_bit);
        delivery_free(&d[i]);
    }
    place_free(&p);
}

/* ---- flow ---- */

/* The last bit of it goes after done was called. */
static void assert_memory_given_back(struct place *p)
{
    for (unsigned waited = 0; atomic_load(&p->spool->memory) != 0 && waited < PLACE_WAIT_MS; waited++)
        sleep_ms(1);
    assert_int_equal(atomic_load(&p->spool->memory), 0);
}

static void a_fast_sender_is_told_to_wait(void **state)
{
    (void)state;
    enum { N = 8, SIZE = 8 << 20 };
    struct place p;
    struct sent s[N];
    unsigned waits = 0;
    place_make(&p, "");
    for (size_t i = 0; i < N; i++)
        sent_start(&p, &s[i], SIZE, NULL);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(sent_wait(&s[i]), SPOOL_OK);
        waits += s[i].waits;
    }
    assert_true(waits > 0);
    for (size_t i = 0; i < N; i++)
        assert_body(p.spool, s[i].id, SIZE);
    assert_memory_given_back(&p);
    place_free(&p);
}

struct deaf {
    struct sent sent;
    unsigned after_wait; /* bytes fed once it was told to wait */
    bool abort;
};

/* Feeds on although it was told to wait. In one turn of the loop: drained cannot come in between. */
static void run_deaf(void *arg)
{
    static const char bytes[FEED_BYTES];
    struct deaf *deaf = arg;
    struct spool_in *in = spool_in_open(deaf->sent.spool, deaf->sent.loop, &SENT_EVENTS, &deaf->sent);
    snprintf(deaf->sent.id, sizeof deaf->sent.id, "%s", spool_in_id(in));
    while (spool_in_add(in, bytes, sizeof bytes) == SPOOL_GO)
        continue; /* the disk may be as fast as we are, for a while */
    for (unsigned fed = 0; fed < deaf->after_wait; fed += FEED_BYTES)
        spool_in_add(in, bytes, sizeof bytes);
    if (deaf->abort)
        spool_in_abort(&in);
    else
        spool_in_commit(in, &TEST_ENVELOPE);
}

static void deaf_start(struct place *p, struct deaf *deaf, unsigned after_wait)
{
    *deaf = (struct deaf){.sent = {.spool = p->spool, .loop = p->loop}, .after_wait = after_wait};
    pthread_mutex_init(&deaf->sent.lock, NULL);
    pthread_cond_init(&deaf->sent.wake, NULL);
    run_on_loop(p, run_deaf, deaf);
}

static void who_does_not_wait_is_refused(void **state)
{
    (void)state;
    struct place p;
    struct deaf deaf;
    place_make(&p, "");
    deaf_start(&p, &deaf, IN_MEMORY_MAX - IN_WAIT);
    assert_int_equal(sent_wait(&deaf.sent), SPOOL_OK); /* what was in its hands may come */
    deaf_start(&p, &deaf, 1 << 20);
    assert_int_equal(sent_wait(&deaf.sent), SPOOL_BROKEN);
    assert_int_equal(stats_of(&p).messages, 1);
    assert_body_files(&p, 1);
    assert_memory_given_back(&p);
    place_free(&p);
}

static void when_memory_is_short_all_goes_to_files(void **state)
{
    (void)state;
    enum { N = 20 };
    struct place p;
    struct sent s[N];
    place_make(&p, "");
    in_memory_add(p.spool, IN_MEMORY_TOTAL + 1);
    for (size_t i = 0; i < N; i++)
        sent_start(&p, &s[i], i % 2 == 0 ? 1000 : 500000, NULL);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(sent_wait(&s[i]), SPOOL_OK);
        assert_true(s[i].waits > 0);
        assert_body(p.spool, s[i].id, s[i].size);
    }
    assert_body_files(&p, N);
    in_memory_sub(p.spool, IN_MEMORY_TOTAL + 1);
    assert_int_equal(send_one(&p, 1000, NULL, NULL), SPOOL_OK);
    assert_body_files(&p, N);
    assert_memory_given_back(&p);
    place_free(&p);
}

/* ---- going away ---- */

static void never(void *arg, enum spool_result result)
{
    (void)arg, (void)result;
    abort();
}

static void never_drained(void *arg)
{
    (void)arg;
    abort();
}

struct leaving {
    struct place *place;
    uint64_t size;
    bool commit;
};

static void run_leaving(void *arg)
{
    static const struct spool_in_events EVENTS = {never_drained, never};
    static const char bytes[FEED_BYTES];
    const struct leaving *l = arg;
    struct spool_in *in = spool_in_open(l->place->spool, l->place->loop, &EVENTS, NULL);
    enum spool_flow flow = SPOOL_GO;
    for (uint64_t fed = 0; fed < l->size && flow == SPOOL_GO; fed += sizeof bytes)
        flow = spool_in_add(in, bytes, sizeof bytes);
    if (l->commit)
        spool_in_commit(in, &TEST_ENVELOPE);
    spool_in_abort(&in);
    assert_null(in);
    spool_in_abort(&in); /* nothing to do */
}

static void what_is_aborted_leaves_nothing(void **state)
{
    (void)state;
    static const uint64_t SIZES[] = {0, FEED_BYTES, 100000, 8 << 20};
    struct place p;
    place_make(&p, "");
    for (unsigned i = 0; i < 200; i++) {
        struct leaving l = {&p, SIZES[i % COUNT_OF(SIZES)], false};
        run_on_loop(&p, run_leaving, &l);
    }
    place_reopen(&p);
    assert_int_equal(stats_of(&p).messages, 0);
    assert_body_files(&p, 0);
    assert_memory_given_back(&p);
    place_free(&p);
}

static void abort_after_commit_only_stops_the_answer(void **state)
{
    (void)state;
    enum { N = 100 };
    static const uint64_t SIZES[] = {FEED_BYTES, 100000};
    struct place p;
    place_make(&p, "");
    for (unsigned i = 0; i < N; i++) {
        struct leaving l = {&p, SIZES[i % COUNT_OF(SIZES)], true};
        run_on_loop(&p, run_leaving, &l);
    }
    place_reopen(&p);
    assert_int_equal(stats_of(&p).messages, N);
    assert_body_files(&p, N / 2);
    place_free(&p);
}

/* ---- what one message may do to others ---- */

static void recipients_are_bounded(void **state)
{
    (void)state;
    struct place p;
    place_make(&p, "");
    const char **to = xcalloc(RECIPIENTS_MAX + 1, sizeof *to);
    for (size_t i = 0; i <= RECIPIENTS_MAX; i++)
        to[i] = "anna@example.net";
    struct envelope e = TEST_ENVELOPE;
    e.recipients = to;
    static const struct {
        size_t n;
        uint64_t size;
        enum spool_result result;
    } CASES[] = {{0, 100, SPOOL_BROKEN},
                 {0, 100000, SPOOL_BROKEN},
                 {RECIPIENTS_MAX + 1, 100, SPOOL_BROKEN},
                 {RECIPIENTS_MAX, 100, SPOOL_OK}};
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        e.recipient_count = CASES[i].n;
        assert_int_equal(send_one(&p, CASES[i].size, &e, NULL), CASES[i].result);
    }
    assert_int_equal(send_one(&p, 100, NULL, NULL), SPOOL_OK);
    assert_int_equal(stats_of(&p).messages, 2);
    assert_int_equal(stats_of(&p).recipients, RECIPIENTS_MAX + 1);
    assert_body_files(&p, 0);
    free(to);
    place_free(&p);
}

struct burst {
    struct sent *sent;
    size_t n;
};

static void burst_make(struct place *p, struct sent *s, size_t n, uint64_t size)
{
    for (size_t i = 0; i < n; i++) {
        s[i] = (struct sent){.spool = p->spool, .loop = p->loop, .size = size, .envelope = &TEST_ENVELOPE};
        pthread_mutex_init(&s[i].lock, NULL);
        pthread_cond_init(&s[i].wake, NULL);
    }
}

static void run_burst(void *arg)
{
    const struct burst *b = arg;
    for (size_t i = 0; i < b->n; i++)
        sent_run(&b->sent[i].task);
}

static void messages_that_are_ready_share_a_commit(void **state)
{
    (void)state;
    enum { N = 500 };
    struct place p;
    struct sent *s = xcalloc(N, sizeof *s);
    place_make(&p, "");
    burst_make(&p, s, N, 4096);
    struct burst burst = {s, N};
    run_on_loop(&p, run_burst, &burst);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(sent_wait(&s[i]), SPOOL_OK);
    struct spool_stats stats = stats_of(&p);
    assert_int_equal(stats.committed_messages, N);
    assert_true(stats.commits <= N / 2);
    free(s);
    place_free(&p);
}

static void take_a_used_id(struct spool_in *in)
{
    snprintf(in->id, sizeof in->id, "000000-000000-00");
}

/* Three of many have the same id: one of them gets in, the two others fail, and nobody else does. */
static void one_bad_message_does_not_harm_the_others(void **state)
{
    (void)state;
    enum { N = 300 };
    struct place p;
    struct sent *s = xcalloc(N, sizeof *s);
    place_make(&p, "");
    burst_make(&p, s, N, 2000);
    for (size_t i = 99; i < N; i += 100)
        s[i].before_commit = take_a_used_id;
    struct burst burst = {s, N};
    run_on_loop(&p, run_burst, &burst);
    unsigned failed = 0;
    for (size_t i = 0; i < N; i++) {
        enum spool_result result = sent_wait(&s[i]);
        assert_true(result == SPOOL_OK || s[i].before_commit != NULL);
        failed += result == SPOOL_BROKEN;
    }
    struct spool_stats stats = stats_of(&p);
    assert_int_equal(failed, 2);
    assert_int_equal(stats.messages, N - 2);
    assert_int_equal(stats.committed_messages, N - 2);
    free(s);
    place_free(&p);
}

/* ---- opening ---- */

static void one_process_has_the_queue(void **state)
{
    (void)state;
    struct place p;
    struct buf error = BUF_INIT(1024);
    place_make(&p, "");
    assert_null(spool_open(p.cell, &error));
    assert_non_null(strstr(buf_str(&error), "another process has the queue open"));
    buf_free(&error);
    place_free(&p);
}

static void write_text(const char *path, const char *text)
{
    assert_int_equal(file_replace(path, text, strlen(text), 0600), 0);
}

static void a_queue_that_cannot_be_read_is_told_of(void **state)
{
    (void)state;
    struct place p;
    char path[PLACE_PATH_MAX + 32];
    struct buf error = BUF_INIT(1024);
    place_make(&p, "");
    spool_close(&p.spool);
    snprintf(path, sizeof path, "%s/queue.db", p.dir);
    write_text(
        path,
        "this is a text, and not at all a database of SQLite; it is long enough to be taken for one though. "
        "............................................................................................");
    assert_null(spool_open(p.cell, &error));
    assert_non_null(strstr(buf_str(&error), "not a database"));
    buf_clear(&error);

    assert_int_equal(unlink(path), 0);
    place_open(&p, NULL);
    assert_int_equal(sqlite3_exec(p.spool->writer.db.handle, "PRAGMA user_version = 99", NULL, NULL, NULL),
                     SQLITE_OK);
    spool_close(&p.spool);
    assert_null(spool_open(p.cell, &error));
    assert_non_null(strstr(buf_str(&error), "version is 99"));
    buf_free(&error);
    place_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_message_lies_in_the_database),
        cmocka_unit_test(a_large_message_lies_in_a_file),
        cmocka_unit_test(the_size_decides_where_it_lies),
        cmocka_unit_test(nobody_else_may_read_the_queue),
        cmocka_unit_test(an_envelope_comes_back_as_it_was),
        cmocka_unit_test(a_fast_sender_is_told_to_wait),
        cmocka_unit_test(who_does_not_wait_is_refused),
        cmocka_unit_test(when_memory_is_short_all_goes_to_files),
        cmocka_unit_test(what_is_aborted_leaves_nothing),
        cmocka_unit_test(abort_after_commit_only_stops_the_answer),
        cmocka_unit_test(recipients_are_bounded),
        cmocka_unit_test(one_bad_message_does_not_harm_the_others),
        cmocka_unit_test(messages_that_are_ready_share_a_commit),
        cmocka_unit_test(one_process_has_the_queue),
        cmocka_unit_test(a_queue_that_cannot_be_read_is_told_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
