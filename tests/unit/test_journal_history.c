/* SPDX-License-Identifier: MIT */
/* History: what comes back by address, account and id; pruning in small steps; full disks and damaged files.
 */
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include "journal/history.h"
#include "tests/unit/test_journal_support.h"

static struct event sample(enum event_type type, const char *address)
{
    struct event e = {.type = type, .helo = "laptop"};
    assert_true(addr_parse(address, &e.peer));
    e.peer.port = 37803;
    return e;
}

/* ---- questions ---- */

struct found {
    char ids[1024];      /* of the rows, in order, each with a blank behind it */
    char accounts[1024]; /* as sent, from the JSON */
    char last[1024];     /* "type cause address account helo sender recipient" of the last row */
};

static void collect(void *arg, const struct history_row *row)
{
    struct found *f = arg;
    json_t *more = json_loads(row->more, 0, NULL);
    const char *account = json_string_value(json_object_get(more, "account"));
    size_t ids = strlen(f->ids), accounts = strlen(f->accounts);
    assert_non_null(more);
    assert_true(row->time_ms > 0);
    snprintf(f->ids + ids, sizeof f->ids - ids, "%s ", row->id);
    snprintf(f->accounts + accounts, sizeof f->accounts - accounts, "[%s]", account != NULL ? account : "");
    snprintf(f->last, sizeof f->last, "%s %s %s %s %s %s %s", row->type, row->cause, row->address,
             row->account, row->helo, row->sender, row->recipient);
    json_decref(more);
}

static struct found ask(struct journal *journal, struct history_filter filter, int expected)
{
    struct found f = {.ids = ""};
    struct buf error = BUF_INIT(4096);
    int n = history_each(journal, &filter, collect, &f, &error);
    assert_string_equal(buf_str(&error), "");
    assert_int_equal(n, expected);
    buf_free(&error);
    return f;
}

static void write_samples(struct journal *journal, int64_t base_ms)
{
    struct event e = sample(EVENT_LOGIN_FAILED, "192.0.2.7");
    e.cause = CAUSE_AUTH_WRONG;
    e.account = "Mail@Example.com ";
    e.time_ms = base_ms + 1;
    journal_write(journal, &e);
    e = sample(EVENT_RECEIVED, "2001:db8::1");
    e.login = "mail@example.com";
    e.id = "1wKkTo-000001-0A";
    e.sender = "mail@example.com";
    e.recipient = "a@b c@d";
    e.time_ms = base_ms + 2;
    journal_write(journal, &e);
    e = (struct event){.type = EVENT_COMPLETED, .id = "1wKkTo-000001-0A", .time_ms = base_ms + 3};
    journal_write(journal, &e);
    e = sample(EVENT_LOGIN_FAILED, "192.0.2.7");
    e.account = "caf\xe9\x01\"";
    e.id = "1wKkTo-000002-0A";
    e.time_ms = base_ms + 4;
    journal_write(journal, &e);
}

static void answers_questions(void **state)
{
    (void)state;
    struct place p = place_make("");
    struct journal *journal = place_open(&p);
    struct addr v4, v6;
    int64_t base_ms = clock_wall_ms() - 60000;
    assert_true(addr_parse("192.0.2.7", &v4) && addr_parse("2001:DB8:0::1", &v6));
    write_samples(journal, base_ms);
    struct found f = ask(journal, (struct history_filter){.limit = 10}, 4);
    assert_string_equal(f.ids, "1wKkTo-000002-0A 1wKkTo-000001-0A 1wKkTo-000001-0A  ");
    f = ask(journal, (struct history_filter){.address = &v4, .limit = 10}, 2);
    assert_string_equal(f.accounts, "[caf\xc3\xa9\x01\"][Mail@Example.com ]");
    assert_string_equal(f.last, "login-failed auth-wrong 192.0.2.7 mail@example.com laptop  ");
    f = ask(journal, (struct history_filter){.address = &v6, .limit = 10}, 1);
    assert_string_equal(f.last, "received  2001:db8::1 mail@example.com laptop mail@example.com a@b c@d");
    ask(journal, (struct history_filter){.account = " MAIL@example.com", .limit = 10}, 2);
    ask(journal, (struct history_filter){.account = "nobody", .limit = 10}, 0);
    ask(journal, (struct history_filter){.id = "1wKkTo-000001-0A", .limit = 10}, 2);
    ask(journal, (struct history_filter){.id = "1wKkTo-000001-0A", .address = &v4, .limit = 10}, 0);
    ask(journal, (struct history_filter){.since_ms = base_ms + 3, .limit = 10}, 2);
    ask(journal, (struct history_filter){.account = "", .id = "", .limit = 1}, 1);
    journal_close(&journal);
    place_remove(&p);
}

/* What is asked most is found by an index, also in the order that is wanted. */
static void questions_use_indexes(void **state)
{
    (void)state;
    static const char *const plans[][2] = {{"address = '192.0.2.7'", "event_address"},
                                           {"account = 'a@b'", "event_account"},
                                           {"id = 'x'", "event_id"}};
    struct place p = place_make("");
    struct journal *journal = place_open(&p);
    journal_close(&journal);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(p.db, &db), SQLITE_OK);
    for (size_t i = 0; i < COUNT_OF(plans); i++) {
        struct buf sql = BUF_INIT(1024);
        sqlite3_stmt *plan = NULL;
        buf_printf(&sql, "EXPLAIN QUERY PLAN SELECT * FROM event WHERE %s ORDER BY seq DESC LIMIT 5",
                   plans[i][0]);
        assert_int_equal(sqlite3_prepare_v2(db, buf_str(&sql), -1, &plan, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(plan), SQLITE_ROW);
        assert_non_null(strstr((const char *)sqlite3_column_text(plan, 3), plans[i][1]));
        assert_int_equal(sqlite3_step(plan), SQLITE_DONE); /* no sorting behind it */
        sqlite3_finalize(plan);
        buf_free(&sql);
    }
    sqlite3_close(db);
    place_remove(&p);
}

/* ---- pruning, over the room's own interface ---- */

static const struct history_limits NO_LIMITS = {.keep_s = 1000000000, .events = 1000000000};

static struct history *open_history(const struct place *p)
{
    struct buf error = BUF_INIT(4096);
    struct history *h = history_open(p->dir, &error);
    assert_string_equal(buf_str(&error), "");
    assert_non_null(h);
    buf_free(&error);
    return h;
}

static void store(struct history *h, size_t n, int64_t time_ms, struct history_limits limits)
{
    struct buf error = BUF_INIT(4096);
    struct event e = sample(EVENT_LOGIN, "192.0.2.7");
    e.time_ms = time_ms;
    struct item *items = NULL;
    for (size_t i = 0; i < n; i++) {
        struct item *item = item_make(&e);
        item->next = items;
        items = item;
    }
    bool stored = history_store(h, items, &limits, &error);
    assert_string_equal(buf_str(&error), "");
    assert_true(stored);
    for (struct item *next = NULL; items != NULL; items = next) {
        next = items->next;
        free(items);
    }
    buf_free(&error);
}

static void ignore_row(void *arg, const struct history_row *row)
{
    (void)arg;
    (void)row;
}

static int rows(struct history *h)
{
    struct buf error = BUF_INIT(4096);
    const struct history_filter all = {.limit = 1000000};
    int n = history_query(history_path(h), &all, ignore_row, NULL, &error);
    assert_string_equal(buf_str(&error), "");
    buf_free(&error);
    return n;
}

static void prunes_by_number_in_steps(void **state)
{
    (void)state;
    struct place p = place_make("");
    struct history *h = open_history(&p);
    struct history_limits few = NO_LIMITS;
    few.events = 100;
    store(h, 2000, 0, NO_LIMITS);
    assert_int_equal(rows(h), 2000);
    store(h, 0, 0, few);
    assert_int_equal(rows(h), 1500);
    store(h, 10, 0, few);
    assert_int_equal(rows(h), 1010);
    history_close(&h); /* and it goes on where it was */
    h = open_history(&p);
    for (int i = 0; i < 3; i++)
        store(h, 0, 0, few);
    assert_int_equal(rows(h), 100);
    store(h, 5, 0, few);
    assert_int_equal(rows(h), 100);
    history_close(&h);
    place_remove(&p);
}

static void prunes_by_age(void **state)
{
    (void)state;
    struct place p = place_make("");
    struct history *h = open_history(&p);
    struct history_limits hour = NO_LIMITS;
    int64_t now = clock_wall_ms();
    hour.keep_s = 3600;
    store(h, 3, now - 7200000, NO_LIMITS);
    store(h, 2, now + 300 * 86400000LL, NO_LIMITS); /* a clock that was wrong */
    store(h, 5, now - 60000, NO_LIMITS);
    assert_int_equal(rows(h), 10);
    store(h, 1, 0, hour);
    assert_int_equal(rows(h), 6);
    history_close(&h);
    place_remove(&p);
}

/* ---- trouble ---- */

static void spoil(const char *path, off_t from, size_t n)
{
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    char *junk = xcalloc(n, 1);
    memset(junk, 0xA5, n);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, junk, n, from), n);
    free(junk);
    fd_close(&fd);
}

static void sets_a_file_aside_that_is_no_database(void **state)
{
    (void)state;
    struct place p = place_make("");
    spoil(p.db, 0, 10000);
    struct journal *journal = place_open(&p);
    write_samples(journal, clock_wall_ms());
    ask(journal, (struct history_filter){.limit = 10}, 4);
    journal_close(&journal);
    char *log = slurp(p.log);
    assert_non_null(strstr(log, "warning: "));
    assert_non_null(strstr(log, "history.db.damaged; history begins anew\n"));
    free(log);
    place_remove(&p);
}

static void sets_a_file_aside_that_is_damaged_within(void **state)
{
    (void)state;
    struct place p = place_make("");
    struct history *h = open_history(&p);
    store(h, 5000, 0, NO_LIMITS);
    history_close(&h);
    spoil(p.db, 4096L * 2, 409600);
    h = open_history(&p);
    store(h, 10, 0, NO_LIMITS);
    assert_int_equal(rows(h), 10);
    struct buf note = BUF_INIT(4096);
    history_take_note(h, &note);
    assert_non_null(strstr(buf_str(&note), "was damaged"));
    buf_free(&note);
    history_close(&h);
    place_remove(&p);
}

static void refuses_a_newer_file(void **state)
{
    (void)state;
    struct place p = place_make("");
    struct buf error = BUF_INIT(4096);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(p.db, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_null(journal_open(p.cell, &error));
    assert_non_null(strstr(buf_str(&error), "newer version"));
    buf_free(&error);
    place_remove(&p);
}

/* Lets no file of this process grow beyond bytes: what a full disk looks like. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void write_many(struct journal *journal, int n, const char *detail)
{
    struct event e = sample(EVENT_LOGIN, "192.0.2.7");
    e.detail = detail;
    for (int i = 0; i < n; i++)
        journal_write(journal, &e);
}

static void keeps_events_while_the_disk_is_full(void **state)
{
    (void)state;
    struct place p = place_make("");
    struct journal *journal = place_open(&p);
    struct journal_counts counts;
    write_many(journal, 10, "");
    assert_true(journal_flush(journal, FLUSH_MS));
    limit_files(100000); /* room for the lines, not for the rows */
    write_many(journal, 500, "0123456789012345678901234567890123456789012345678901234567890123456789");
    assert_true(journal_flush(journal, FLUSH_MS));
    limit_files(RLIM_INFINITY);
    write_many(journal, 1, "");
    ask(journal, (struct history_filter){.limit = 10000}, 511);
    journal_counts(journal, &counts);
    assert_int_equal(counts.lost_history, 0);
    assert_int_equal(counts.lost_lines, 0);
    journal_close(&journal);
    char *log = slurp(p.log);
    assert_int_equal(count_of(log, "warning: history cannot be stored: "), 1);
    assert_int_equal(count_of(log, "warning: history is stored again; 0 events of it were lost\n"), 1);
    free(log);
    place_remove(&p);
}

static void gives_up_events_before_memory(void **state)
{
    (void)state;
    struct place p = place_make("");
    snprintf(p.log, sizeof p.log, "/dev/null");
    place_settings(&p, "");
    struct journal *journal = place_open(&p);
    struct journal_counts counts;
    char *text = xcalloc(2001, 1);
    memset(text, 'x', 2000);
    limit_files(100000);
    for (int i = 0; i < 10; i++) { /* 25 MB in all, at most 16 of them at a time */
        write_many(journal, 1000, text);
        assert_true(journal_flush(journal, FLUSH_MS));
    }
    limit_files(RLIM_INFINITY);
    journal_counts(journal, &counts);
    assert_true(counts.lost_history > 0 && counts.lost_history < 10000);
    write_many(journal, 1, "");
    ask(journal, (struct history_filter){.limit = 20000}, (int)(10001 - counts.lost_history));
    journal_close(&journal);
    free(text);
    place_remove(&p);
}

int main(void)
{
    signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_questions),
        cmocka_unit_test(questions_use_indexes),
        cmocka_unit_test(prunes_by_number_in_steps),
        cmocka_unit_test(prunes_by_age),
        cmocka_unit_test(sets_a_file_aside_that_is_no_database),
        cmocka_unit_test(sets_a_file_aside_that_is_damaged_within),
        cmocka_unit_test(refuses_a_newer_file),
        cmocka_unit_test(keeps_events_while_the_disk_is_full),
        cmocka_unit_test(gives_up_events_before_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
