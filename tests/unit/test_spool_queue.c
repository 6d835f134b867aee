/* SPDX-License-Identifier: MIT */
/* The queue for people, and what is found at the start. */
#include "test_spool_support.h"

/* ---- listing ---- */

struct shown {
    struct buf text; /* a line each: id sender account client size recipients */
    char ids[64][QUEUE_ID_MAX];
    size_t n;
};

static void show(void *arg, const struct queue_row *row)
{
    struct shown *shown = arg;
    buf_printf(&shown->text, "%s|%s|%s|%llu|", row->sender, row->account, row->client,
               (unsigned long long)row->size);
    for (size_t i = 0; i < row->recipient_count; i++)
        buf_printf(&shown->text, "%s:%s:%u:%s;", row->recipients[i].address, row->recipients[i].state,
                   row->recipients[i].attempts, row->recipients[i].last_answer);
    buf_add_str(&shown->text, "\n");
    assert_true(row->queued_at > 0);
    if (shown->n < COUNT_OF(shown->ids))
        snprintf(shown->ids[shown->n++], QUEUE_ID_MAX, "%s", row->id);
}

static int list(struct place *p, const char *id, int limit, struct shown *shown)
{
    struct buf error = BUF_INIT(1024);
    buf_free(&shown->text);
    *shown = (struct shown){.text = BUF_INIT(65536)};
    int n = spool_each(p->spool, id, limit, show, shown, &error);
    assert_string_equal(buf_str(&error), "");
    return n;
}

static int act(struct place *p, enum queue_action action, const char *id)
{
    struct buf error = BUF_INIT(1024);
    int n = spool_act(p->spool, action, id, &error);
    assert_string_equal(buf_str(&error), "");
    return n;
}

static void a_listing_tells_all(void **state)
{
    (void)state;
    static const char *const TO[] = {"a@example.net", "b@example.net", "c@example.net", "d@example.net"};
    struct place p;
    struct delivery d[4];
    struct shown shown = {0};
    struct envelope e = TEST_ENVELOPE;
    e.recipients = TO;
    e.recipient_count = COUNT_OF(TO);
    place_make(&p, "");
    assert_int_equal(list(&p, NULL, 10, &shown), 0);
    assert_int_equal(send_one(&p, 123, &e, NULL), SPOOL_OK);
    assert_int_equal(spool_claim(p.spool, clock_wall(), d, 4), 4);
    struct settlement s[] = {
        {.recipient_row = d[0].recipient_row,
         .outcome = SETTLE_RETRY,
         .next_at = clock_wall() + 3600,
         .answer = "451-4.3.0 busy\n451 4.3.0 come back"},
        {.recipient_row = d[1].recipient_row, .outcome = SETTLE_RELEASE},
        {.recipient_row = d[2].recipient_row, .outcome = SETTLE_DONE},
    };
    assert_int_equal(spool_settle(p.spool, s, COUNT_OF(s), NULL), SPOOL_OK);
    assert_int_equal(list(&p, NULL, 10, &shown), 1);
    assert_string_equal(buf_str(&shown.text),
                        "demo@example.com|demo@example.com|H=(laptop) [192.0.2.7]:37803|123|"
                        "a@example.net:waiting:1:451-4.3.0 busy\n451 4.3.0 come back;"
                        "b@example.net:due:0:;"
                        "d@example.net:delivering:0:;\n");
    for (size_t i = 0; i < 4; i++)
        delivery_free(&d[i]);
    buf_free(&shown.text);
    place_free(&p);
}

static void the_oldest_comes_first_and_the_limit_holds(void **state)
{
    (void)state;
    struct place p;
    struct shown shown = {0};
    char ids[20][QUEUE_ID_MAX];
    place_make(&p, "");
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        assert_int_equal(send_one(&p, 10, NULL, ids[i]), SPOOL_OK);
    assert_int_equal(list(&p, NULL, 7, &shown), 7);
    assert_int_equal(list(&p, NULL, 1000, &shown), COUNT_OF(ids));
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        assert_string_equal(shown.ids[i], ids[i]);
    assert_int_equal(list(&p, ids[5], 1000, &shown), 1);
    assert_string_equal(shown.ids[0], ids[5]);
    assert_int_equal(list(&p, "1xW0rb-OdsG96-6U", 1000, &shown), 0);
    assert_int_equal(list(&p, "' OR 1 --", 1000, &shown), 0);
    buf_free(&shown.text);
    place_free(&p);
}

/* ---- retry, hold, remove ---- */

static void a_held_message_is_not_given_out(void **state)
{
    (void)state;
    struct place p;
    struct delivery d;
    struct shown shown = {0};
    char id[QUEUE_ID_MAX];
    place_make(&p, "");
    assert_int_equal(send_one(&p, 10, NULL, id), SPOOL_OK);
    assert_int_equal(act(&p, QUEUE_HOLD, id), 1);
    assert_false(claim_one(&p, &d));
    assert_int_equal(list(&p, id, 1, &shown), 1);
    assert_non_null(strstr(buf_str(&shown.text), "anna@example.net:held:0:;"));
    place_reopen(&p);
    assert_false(claim_one(&p, &d));
    assert_int_equal(act(&p, QUEUE_RETRY, id), 1);
    assert_true(claim_one(&p, &d));

    /* Held while a courier has it: it stays held when that gives up for now. */
    assert_int_equal(act(&p, QUEUE_HOLD, NULL), 1);
    assert_int_equal(settle_one(&p, d.recipient_row, SETTLE_RETRY, clock_wall(), "451 later"), SPOOL_OK);
    delivery_free(&d);
    assert_false(claim_one(&p, &d));
    assert_int_equal(list(&p, id, 1, &shown), 1);
    assert_non_null(strstr(buf_str(&shown.text), "anna@example.net:held:1:451 later;"));
    buf_free(&shown.text);
    place_free(&p);
}

static void retry_makes_what_waits_due(void **state)
{
    (void)state;
    struct place p;
    struct delivery d;
    char id[QUEUE_ID_MAX];
    place_make(&p, "");
    assert_int_equal(send_one(&p, 10, NULL, id), SPOOL_OK);
    assert_true(claim_one(&p, &d));
    assert_int_equal(settle_one(&p, d.recipient_row, SETTLE_RETRY, clock_wall() + 3600, "451 later"),
                     SPOOL_OK);
    delivery_free(&d);
    assert_false(claim_one(&p, &d));
    assert_int_equal(act(&p, QUEUE_RETRY, "1xW0rb-OdsG96-6U"), 0);
    assert_false(claim_one(&p, &d));
    assert_int_equal(act(&p, QUEUE_RETRY, NULL), 1);
    assert_true(claim_one(&p, &d));
    delivery_free(&d);
    place_free(&p);
}

static void removed_messages_leave_nothing(void **state)
{
    (void)state;
    enum { N = 450 };
    struct place p;
    struct sent *s = xcalloc(N, sizeof *s);
    char id[QUEUE_ID_MAX];
    place_make(&p, "queue.inline_max = 2000\n");
    assert_int_equal(send_one(&p, 3000, NULL, id), SPOOL_OK);
    for (size_t i = 0; i < N; i++)
        sent_start(&p, &s[i], i % 10 == 0 ? 3000 : 300, NULL);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(sent_wait(&s[i]), SPOOL_OK);
    assert_body_files(&p, N / 10 + 1);
    assert_int_equal(act(&p, QUEUE_REMOVE, id), 1);
    assert_int_equal(act(&p, QUEUE_REMOVE, id), 0);
    assert_int_equal(stats_of(&p).messages, N);
    assert_int_equal(act(&p, QUEUE_REMOVE, NULL), N); /* more than one slice */
    assert_int_equal(stats_of(&p).messages, 0);
    assert_int_equal(stats_of(&p).recipients, 0);
    assert_int_equal(stats_of(&p).bytes, 0);
    spool_close(&p.spool);
    assert_body_files(&p, 0);
    place_open(&p, NULL);
    free(s);
    place_free(&p);
}

/* ---- at the start ---- */

static void write_file(const struct place *p, const char *id, size_t n)
{
    struct folder folder;
    static const char bytes[100];
    folder_init(&folder, p->dir);
    int fd = folder_create(&folder, id);
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, bytes, n), 0);
    fd_close(&fd);
    folder_free(&folder);
}

static void files_without_a_row_are_removed(void **state)
{
    (void)state;
    struct place p;
    char id[QUEUE_ID_MAX], path[PLACE_PATH_MAX + 64];
    place_make(&p, "");
    assert_int_equal(send_one(&p, 100000, NULL, id), SPOOL_OK);
    assert_int_equal(send_one(&p, 100, NULL, NULL), SPOOL_OK);
    spool_close(&p.spool);
    write_file(&p, "1xW0rb-OdsG96-6U", 50);
    write_file(&p, "1xW0rb-OdsG97-6U", 0);
    snprintf(path, sizeof path, "%s/queue/0/README", p.dir);
    assert_int_equal(file_replace(path, "mine", 4, 0600), 0);
    place_open(&p, NULL);
    assert_body_files(&p, 1);
    assert_body(p.spool, id, 100000);
    assert_int_equal(access(path, F_OK), 0); /* what is not ours stays */
    place_free(&p);
}

/* The body file of the id: 0: gone, else cut to so many bytes. */
static void damage(const struct place *p, const char *id, off_t size)
{
    struct folder folder;
    struct buf path = BUF_INIT(1024);
    folder_init(&folder, p->dir);
    folder_path(&folder, id, &path);
    assert_int_equal(size == 0 ? unlink(buf_str(&path)) : truncate(buf_str(&path), size), 0);
    buf_free(&path);
    folder_free(&folder);
}

static void a_row_without_its_body_is_held_and_told_of(void **state)
{
    (void)state;
    struct place p;
    struct delivery d;
    struct shown shown = {0};
    struct buf report = BUF_INIT(65536);
    char gone[QUEUE_ID_MAX], cut[QUEUE_ID_MAX], whole[QUEUE_ID_MAX];
    place_make(&p, "");
    assert_int_equal(send_one(&p, 100000, NULL, gone), SPOOL_OK);
    assert_int_equal(send_one(&p, 100000, NULL, cut), SPOOL_OK);
    assert_int_equal(send_one(&p, 100000, NULL, whole), SPOOL_OK);
    spool_close(&p.spool);
    damage(&p, gone, 0);
    damage(&p, cut, 5000);
    place_open(&p, &report);
    assert_non_null(strstr(buf_str(&report), gone));
    assert_non_null(strstr(buf_str(&report), "No such file or directory"));
    assert_non_null(strstr(buf_str(&report), cut));
    assert_non_null(strstr(buf_str(&report), "has 5000 bytes, not 100000"));
    assert_null(strstr(buf_str(&report), whole));
    assert_int_equal(list(&p, gone, 1, &shown), 1);
    assert_non_null(strstr(buf_str(&shown.text), "anna@example.net:held:0:the body file "));
    assert_true(claim_one(&p, &d));
    assert_string_equal(d.id, whole);
    delivery_free(&d);
    assert_false(claim_one(&p, &d));
    buf_clear(&report);
    assert_null(spool_body_open(p.spool, gone, &report));
    assert_null(spool_body_open(p.spool, cut, &report));
    assert_int_equal(act(&p, QUEUE_REMOVE, gone), 1);
    buf_free(&report);
    buf_free(&shown.text);
    place_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listing_tells_all),
        cmocka_unit_test(the_oldest_comes_first_and_the_limit_holds),
        cmocka_unit_test(a_held_message_is_not_given_out),
        cmocka_unit_test(retry_makes_what_waits_due),
        cmocka_unit_test(removed_messages_leave_nothing),
        cmocka_unit_test(files_without_a_row_are_removed),
        cmocka_unit_test(a_row_without_its_body_is_held_and_told_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
