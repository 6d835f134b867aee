/* SPDX-License-Identifier: MIT */
/* auth: logins and accounts through the room's door: real SQLite, real yescrypt, a real loop. */
#include "auth_help.h"

#include <crypt.h>
#include <sqlite3.h>
#include <sys/stat.h>

struct fixture {
    struct place place;
    struct auth *auth;
    struct loop *loop;
};

static int setup_with(void **state, const char *settings)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->place = make_place(settings);
    f->auth = open_auth(&f->place);
    f->loop = start_loop();
    *state = f;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, "");
}

static int setup_without_cache(void **state)
{
    return setup_with(state, "auth.cache = 0s\n");
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    end_loop(&f->loop);
    auth_close(&f->auth);
    remove_place(&f->place);
    free(f);
    return 0;
}

static void expect(enum account_result result, enum account_result expected, struct buf *why)
{
    if (result != expected)
        fail_msg("%d, not %d: %s", result, expected, buf_str(why));
    assert_int_equal(why->len > 0, expected != ACCOUNT_OK);
    buf_free(why);
}

static void add(struct fixture *f, const char *address, const char *password)
{
    struct buf why = BUF_INIT(1024);
    expect(account_add(f->auth, address, span_of(password), &why), ACCOUNT_OK, &why);
}

static void change(struct fixture *f, const char *address, const char *password)
{
    struct buf why = BUF_INIT(1024);
    expect(account_password(f->auth, address, span_of(password), &why), ACCOUNT_OK, &why);
}

static void disable(struct fixture *f, const char *address, bool disabled)
{
    struct buf why = BUF_INIT(1024);
    expect(account_disable(f->auth, address, disabled, &why), ACCOUNT_OK, &why);
}

static uint64_t hashes(struct fixture *f)
{
    struct auth_stats stats;
    auth_stats(f->auth, &stats);
    return stats.hashes;
}

static uint64_t hits(struct fixture *f)
{
    struct auth_stats stats;
    auth_stats(f->auth, &stats);
    return stats.cache_hits;
}

/* ---- logins ---- */

static void right_and_wrong(void **state)
{
    struct fixture *f = *state;
    add(f, "Mail@Example.COM", "s3cret pass");
    struct auth_answer a = ask(f->auth, f->loop, "mAIL@example.com", "s3cret pass");
    assert_int_equal(a.verdict, AUTH_OK);
    assert_true(a.account_exists);
    assert_string_equal(a.account, "Mail@example.com"); /* the domain has no case of its own */
    a = ask(f->auth, f->loop, "mail@example.com", "s3cret pass ");
    assert_int_equal(a.verdict, AUTH_WRONG);
    assert_true(a.account_exists);
    a = ask(f->auth, f->loop, "mail@example.com ", "s3cret pass");
    assert_int_equal(a.verdict, AUTH_WRONG);
    assert_false(a.account_exists);
    assert_string_equal(a.account, "");
    const char *const nobodys[] = {"", "x", "mail@example.co", "%", "mail"};
    for (size_t i = 0; i < COUNT_OF(nobodys); i++)
        assert_int_equal(verdict(f->auth, f->loop, nobodys[i], "s3cret pass"), AUTH_WRONG);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", ""), AUTH_WRONG);
    assert_int_equal(
        ask_bytes(f->auth, f->loop, "192.0.2.1", span_of("mail@example.com"), span_from("s3cret pass\0x", 13))
            .verdict,
        AUTH_WRONG);
}

static void an_unknown_account_costs_a_hash(void **state)
{
    struct fixture *f = *state;
    add(f, "mail@example.com", "s3cret");
    uint64_t before = hashes(f);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "wrong"), AUTH_WRONG);
    uint64_t known = hashes(f) - before;
    assert_int_equal(verdict(f->auth, f->loop, "nobody@example.com", "wrong"), AUTH_WRONG);
    assert_int_equal(hashes(f) - before - known, known);
    assert_int_equal(known, 1);
}

static void an_answer_from_memory_comes_before_auth_check_returns(void **state)
{
    struct fixture *f = *state;
    add(f, "mail@example.com", "s3cret");
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "s3cret"), AUTH_OK);
    struct question q = {f->auth,           f->loop, {.family = 0},          span_of("MAIL@example.com"),
                         span_of("s3cret"), NULL,    {.verdict = AUTH_BUSY}, SIGNPOST_INIT};
    put_question(&q); /* this thread plays the loop */
    assert_null(q.ticket);
    assert_int_equal(signpost_count(&q.answered), 1);
    assert_int_equal(q.answer.verdict, AUTH_OK);
    assert_string_equal(q.answer.account, "mail@example.com");
}

static void the_cache_spares_the_hash_for_right_logins_only(void **state)
{
    struct fixture *f = *state;
    add(f, "mail@example.com", "s3cret");
    uint64_t before = hashes(f);
    for (int i = 0; i < 5; i++)
        assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "s3cret"), AUTH_OK);
    assert_int_equal(hashes(f) - before, 1);
    assert_int_equal(hits(f), 4);
    for (int i = 0; i < 3; i++)
        assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "wrong"), AUTH_WRONG);
    assert_int_equal(hashes(f) - before, 4);
    assert_int_equal(hits(f), 4);
}

static void the_cache_can_be_off_and_ends_with_its_setting(void **state)
{
    struct fixture *f = *state;
    add(f, "mail@example.com", "s3cret");
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "s3cret"), AUTH_OK);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "s3cret"), AUTH_OK);
    assert_int_equal(hits(f), 1);
    settings_cell_set(f->place.cell, make_settings(&f->place, "auth.cache = 1s\n"));
    pause_ms(600);
    uint64_t before = hashes(f);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "s3cret"), AUTH_OK);
    assert_int_equal(hashes(f), before); /* a hit, which must not extend it */
    pause_ms(600);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "s3cret"), AUTH_OK);
    assert_int_equal(hashes(f), before + 1);
    settings_cell_set(f->place.cell, make_settings(&f->place, "auth.cache = 0s\n"));
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "s3cret"), AUTH_OK);
    assert_int_equal(hashes(f), before + 2);
}

static void a_change_ends_what_was_cached_at_once(void **state)
{
    struct fixture *f = *state;
    struct buf why = BUF_INIT(1024);
    add(f, "mail@example.com", "one");
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "one"), AUTH_OK);
    change(f, "MAIL@example.com", "two");
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "one"), AUTH_STALE);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "two"), AUTH_OK);
    disable(f, "mail@example.com", true);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "two"), AUTH_DISABLED);
    assert_int_equal(auth_mailbox(f->auth, "mail@example.com"), MAILBOX_DISABLED);
    disable(f, "mail@example.com", false);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "two"), AUTH_OK);
    expect(account_remove(f->auth, "Mail@example.com", &why), ACCOUNT_OK, &why);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "two"), AUTH_WRONG);
    assert_int_equal(auth_mailbox(f->auth, "mail@example.com"), MAILBOX_NONE);
    add(f, "mail@example.com", "three"); /* another account of the same name */
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "two"), AUTH_WRONG);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "one"), AUTH_WRONG);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "three"), AUTH_OK);
}

static void hashes_of_other_programs_are_verified(void **state)
{
    struct fixture *f = *state;
    char path[256], sql[1024];
    struct crypt_data data = {.initialized = 0};
    const char *hash = crypt_rn("imported", "$6$saltsalt", &data, sizeof data);
    assert_non_null(hash);
    snprintf(
        sql, sizeof sql,
        "INSERT INTO accounts (address, hash, created_at, changed_at) VALUES ('old@example.com', '%s', 1, 1),"
        " ('odd@example.com', 'no hash at all', 1, 1)",
        hash);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path_in(&f->place, "data/accounts.db", path), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(verdict(f->auth, f->loop, "old@example.com", "imported"), AUTH_OK);
    assert_int_equal(verdict(f->auth, f->loop, "old@example.com", "Imported"), AUTH_WRONG);
    assert_int_equal(verdict(f->auth, f->loop, "odd@example.com", "imported"), AUTH_UNAVAILABLE);
    for (int i = 0; i < 100 && auth_mailbox(f->auth, "old@example.com") == MAILBOX_NONE; i++)
        pause_ms(50);
    assert_int_equal(auth_mailbox(f->auth, "OLD@example.com"), MAILBOX_ACTIVE);
    change(f, "old@example.com", "imported"); /* the same again: hashed anew, nothing stale */
    assert_int_equal(verdict(f->auth, f->loop, "old@example.com", "imported"), AUTH_OK);
}

static void a_full_queue_is_busy(void **state)
{
    struct fixture *f = *state;
    enum { N = 40 };
    settings_cell_set(f->place.cell, make_settings(&f->place, "auth.cache = 0s\nlimit.auth_queue = 8\n"));
    struct question q[N];
    int busy = 0;
    for (int i = 0; i < N; i++) {
        q[i] = (struct question){f->auth,      f->loop, {.family = 0},        span_of("a@example.com"),
                                 span_of("x"), NULL,    {.verdict = AUTH_OK}, SIGNPOST_INIT};
        assert_true(addr_parse("192.0.2.66", &q[i].from));
        on_loop(f->loop, put_question, &q[i]);
    }
    for (int i = 0; i < N; i++) {
        signpost_wait(&q[i].answered, 1);
        busy += q[i].answer.verdict == AUTH_BUSY;
        assert_true(q[i].answer.verdict == AUTH_BUSY || q[i].answer.verdict == AUTH_WRONG);
    }
    struct auth_stats stats;
    auth_stats(f->auth, &stats);
    assert_true(busy > 0 && busy < N);
    assert_int_equal(stats.busy, busy);
    assert_int_equal(stats.queued, N - busy);
    assert_int_equal(stats.waiting, 0);
}

/* ---- old passwords ---- */

static void old_passwords_are_stale_the_last_two(void **state)
{
    struct fixture *f = *state;
    int64_t before = clock_wall();
    add(f, "mail@example.com", "one");
    change(f, "mail@example.com", "two");
    struct auth_answer a = ask(f->auth, f->loop, "mail@example.com", "one");
    assert_int_equal(a.verdict, AUTH_STALE);
    assert_true(a.account_exists && a.changed_at >= before && a.changed_at <= clock_wall());
    assert_string_equal(a.account, "mail@example.com");
    change(f, "mail@example.com", "three");
    change(f, "mail@example.com", "four");
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "one"), AUTH_WRONG);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "two"), AUTH_STALE);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "three"), AUTH_STALE);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "four"), AUTH_OK);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "five"), AUTH_WRONG);
}

static void count_old(void *arg, const struct account_row *row)
{
    *(unsigned *)arg = row->old_passwords;
}

static unsigned old_of_the_only_account(struct fixture *f)
{
    struct buf why = BUF_INIT(1024);
    unsigned n = 99;
    expect(account_each(f->auth, count_old, &n, &why), ACCOUNT_OK, &why);
    return n;
}

static void the_same_password_again_makes_nothing_stale(void **state)
{
    struct fixture *f = *state;
    add(f, "mail@example.com", "one");
    change(f, "mail@example.com", "one");
    assert_int_equal(old_of_the_only_account(f), 0);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "one"), AUTH_OK);
    change(f, "mail@example.com", "two");
    assert_int_equal(old_of_the_only_account(f), 1);
    change(f, "mail@example.com", "two");
    assert_int_equal(old_of_the_only_account(f), 1);
    change(f, "mail@example.com", "one"); /* back: no longer an old one */
    assert_int_equal(old_of_the_only_account(f), 1);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "one"), AUTH_OK);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "two"), AUTH_STALE);
}

static void old_passwords_of_long_ago_are_wrong(void **state)
{
    struct fixture *f = *state;
    char path[256];
    add(f, "mail@example.com", "one");
    change(f, "mail@example.com", "two");
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "one"), AUTH_STALE);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path_in(&f->place, "data/accounts.db", path), &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "UPDATE accounts SET old1_at = old1_at - 90 * 86400 - 60", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "one"), AUTH_WRONG);
    assert_int_equal(old_of_the_only_account(f), 0);
}

static void disabled_accounts(void **state)
{
    struct fixture *f = *state;
    add(f, "mail@example.com", "one");
    change(f, "mail@example.com", "two");
    disable(f, "mail@example.com", true);
    disable(f, "mail@example.com", true);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "two"), AUTH_DISABLED);
    uint64_t before = hashes(f);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "two"), AUTH_DISABLED);
    assert_int_equal(hashes(f), before); /* a device that keeps trying costs no hash */
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "wrong"), AUTH_WRONG);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "one"), AUTH_STALE);
}

/* ---- accounts ---- */

static void addresses_and_passwords_are_checked(void **state)
{
    struct fixture *f = *state;
    static const char *const bad_addresses[] = {"",
                                                "mail",
                                                "mail@",
                                                "@example.com",
                                                "a b@example.com",
                                                "mail@example.com ",
                                                "<mail@example.com>",
                                                "mail@exa mple.com"};
    struct buf why = BUF_INIT(1024);
    for (size_t i = 0; i < COUNT_OF(bad_addresses); i++)
        expect(account_add(f->auth, bad_addresses[i], span_of("pw"), &why), ACCOUNT_BAD_ADDRESS, &why);
    char big[512];
    memset(big, 'x', sizeof big);
    const struct span bad_passwords[] = {span_of(""), span_from(big, 512), span_from("a\0b", 3),
                                         span_of("a\n"), span_of("a\rb")};
    add(f, "a@example.com", "pw");
    for (size_t i = 0; i < COUNT_OF(bad_passwords); i++) {
        expect(account_add(f->auth, "b@example.com", bad_passwords[i], &why), ACCOUNT_BAD_PASSWORD, &why);
        expect(account_password(f->auth, "a@example.com", bad_passwords[i], &why), ACCOUNT_BAD_PASSWORD,
               &why);
    }
    expect(account_add(f->auth, "long@example.com", span_from(big, 511), &why), ACCOUNT_OK, &why);
    assert_int_equal(
        ask_bytes(f->auth, f->loop, "192.0.2.1", span_of("long@example.com"), span_from(big, 511)).verdict,
        AUTH_OK);
    assert_int_equal(
        ask_bytes(f->auth, f->loop, "192.0.2.1", span_of("long@example.com"), span_from(big, 512)).verdict,
        AUTH_WRONG);
    expect(account_add(f->auth, "A@EXAMPLE.COM", span_of("pw"), &why), ACCOUNT_EXISTS, &why);
    expect(account_password(f->auth, "c@example.com", span_of("pw"), &why), ACCOUNT_UNKNOWN, &why);
    expect(account_disable(f->auth, "c@example.com", true, &why), ACCOUNT_UNKNOWN, &why);
    expect(account_remove(f->auth, "c@example.com", &why), ACCOUNT_UNKNOWN, &why);
}

struct listing {
    struct fixture *f;
    struct buf text;
};

/* Accounts may be changed from within. */
static void list_row(void *arg, const struct account_row *row)
{
    struct listing *l = arg;
    assert_true(row->created_at > 0 && row->changed_at >= row->created_at);
    buf_printf(&l->text, "%s %d %u\n", row->address, row->disabled, row->old_passwords);
    disable(l->f, row->address, !row->disabled);
}

static void listing_is_in_order(void **state)
{
    struct fixture *f = *state;
    struct buf why = BUF_INIT(1024);
    struct listing l = {f, BUF_INIT(1024)};
    add(f, "c@example.com", "x");
    add(f, "B@example.com", "x");
    add(f, "a@example.com", "x");
    change(f, "b@example.com", "y");
    disable(f, "a@example.com", true);
    expect(account_each(f->auth, list_row, &l, &why), ACCOUNT_OK, &why);
    assert_string_equal(buf_str(&l.text), "a@example.com 1 0\nB@example.com 0 1\nc@example.com 0 0\n");
    assert_int_equal(auth_mailbox(f->auth, "b@example.com"), MAILBOX_DISABLED);
    buf_free(&l.text);
}

static void accounts_outlive_the_process(void **state)
{
    struct fixture *f = *state;
    add(f, "mail@example.com", "one");
    change(f, "mail@example.com", "two");
    auth_close(&f->auth);
    f->auth = open_auth(&f->place);
    assert_int_equal(auth_mailbox(f->auth, "mail@example.com"), MAILBOX_ACTIVE);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "two"), AUTH_OK);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "one"), AUTH_STALE);
    char path[256];
    struct buf bytes;
    assert_int_equal(file_read(path_in(&f->place, "data/accounts.db", path), 1 << 20, &bytes), 0);
    assert_non_null(memmem(bytes.data, bytes.len, "$y$", 3));
    buf_free(&bytes);
}

/* ---- many at once (for the thread sanitizer) ---- */

static void *ask_often(void *arg)
{
    struct fixture *f = arg;
    struct loop *loop = start_loop();
    for (int i = 0; i < 40; i++) {
        enum auth_verdict v = verdict(f->auth, loop, "mail@example.com", i % 4 == 0 ? "wrong" : "one");
        assert_true(v == AUTH_OK || v == AUTH_DISABLED || v == AUTH_WRONG);
        assert_int_not_equal(auth_mailbox(f->auth, "MAIL@example.com"), MAILBOX_NONE);
    }
    end_loop(&loop);
    return NULL;
}

static void loops_verifiers_and_changes_together(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[3];
    add(f, "mail@example.com", "one");
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, f), 0);
    for (int i = 0; i < 20; i++) {
        char address[32];
        snprintf(address, sizeof address, "u%d@example.com", i);
        add(f, address, "pw");
        change(f, "mail@example.com", "one");
        disable(f, "mail@example.com", i % 2 == 0);
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
#define WITH(start, test) cmocka_unit_test_setup_teardown(test, start, teardown)
    const struct CMUnitTest tests[] = {
        WITH(setup, right_and_wrong),
        WITH(setup, an_unknown_account_costs_a_hash),
        WITH(setup, an_answer_from_memory_comes_before_auth_check_returns),
        WITH(setup, the_cache_spares_the_hash_for_right_logins_only),
        WITH(setup, the_cache_can_be_off_and_ends_with_its_setting),
        WITH(setup, a_change_ends_what_was_cached_at_once),
        WITH(setup, hashes_of_other_programs_are_verified),
        WITH(setup, a_full_queue_is_busy),
        WITH(setup_without_cache, old_passwords_are_stale_the_last_two),
        WITH(setup, the_same_password_again_makes_nothing_stale),
        WITH(setup, old_passwords_of_long_ago_are_wrong),
        WITH(setup, disabled_accounts),
        WITH(setup, addresses_and_passwords_are_checked),
        WITH(setup, listing_is_in_order),
        WITH(setup, accounts_outlive_the_process),
        WITH(setup, loops_verifiers_and_changes_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
