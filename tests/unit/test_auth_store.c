/* SPDX-License-Identifier: MIT */
/*
 * auth: accounts.db with real SQLite: what is kept, what others change, and that a damaged file never answers
 * wrongly.
 */
#include "auth_help.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include "auth/store.h"

struct fixture {
    struct place place;
    char path[256];
    struct directory *dir;
    struct store *store;
};

static void setup(struct fixture *f)
{
    char data[256];
    *f = (struct fixture){.place = make_place("")};
    assert_int_equal(dir_make(path_in(&f->place, "data", data), 0700), 0);
    path_in(&f->place, "data/accounts.db", f->path);
    f->dir = directory_make();
    struct buf error = BUF_INIT(4096);
    f->store = store_open(f->path, f->dir, &error);
    if (f->store == NULL)
        fail_msg("%s", buf_str(&error));
}

static void teardown(struct fixture *f)
{
    store_close(&f->store);
    directory_free(&f->dir);
    remove_place(&f->place);
}

static struct store_row row_of(const char *address, const char *hash)
{
    struct store_row row = {.created_at = 1000, .changed_at = 2000};
    snprintf(row.address, sizeof row.address, "%s", address);
    snprintf(row.hash, sizeof row.hash, "%s", hash);
    return row;
}

static void add(struct store *store, const char *address, const char *hash)
{
    struct store_row row = row_of(address, hash);
    assert_int_equal(store_add(store, &row), STORE_OK);
}

static enum store_result find(struct store *store, const char *address, struct store_row *row)
{
    return store_find(store, span_of(address), row);
}

/* Another program at work on the same file. */
static void by_hand(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    char *error = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s", error);
    sqlite3_close(db);
}

static void expect_refusal(const char *path, const char *reason)
{
    struct buf error = BUF_INIT(4096);
    struct directory *dir = directory_make();
    assert_null(store_open(path, dir, &error));
    if (strstr(buf_str(&error), reason) == NULL || strstr(buf_str(&error), path) == NULL)
        fail_msg("%s", buf_str(&error));
    buf_free(&error);
    directory_free(&dir);
}

/* ---- what is kept ---- */

static void a_new_file_is_private_and_complete(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    struct stat st;
    assert_int_equal(stat(f.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    add(f.store, "a@example.com", "$y$x");
    char beside[300];
    snprintf(beside, sizeof beside, "%s-wal", f.path);
    assert_int_equal(stat(beside, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, 0); /* the change is in the file itself */
    assert_int_equal(chmod(f.path, 0644), 0);
    store_close(&f.store);
    struct buf error = BUF_INIT(4096);
    f.store = store_open(f.path, f.dir, &error);
    assert_non_null(f.store);
    assert_int_equal(stat(f.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    teardown(&f);
}

static void a_row_comes_back_as_it_was(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    struct store_row row = row_of("Mail@example.com", "$y$one"), back;
    assert_int_equal(store_add(f.store, &row), STORE_OK);
    assert_int_equal(store_add(f.store, &row), STORE_EXISTS);
    snprintf(row.address, sizeof row.address, "%s", "mAIL@example.com");
    assert_int_equal(store_add(f.store, &row), STORE_EXISTS);
    assert_int_equal(find(f.store, "MAIL@EXAMPLE.COM", &back), STORE_OK);
    assert_string_equal(back.address, "Mail@example.com");
    assert_string_equal(back.hash, "$y$one");
    assert_true(!back.disabled && back.created_at == 1000 && back.changed_at == 2000 &&
                back.old[0].hash[0] == '\0');

    back.disabled = true;
    back.changed_at = 3000;
    snprintf(back.hash, sizeof back.hash, "$y$two");
    snprintf(back.old[0].hash, sizeof back.old[0].hash, "$y$one");
    back.old[0].replaced_at = 3000;
    assert_int_equal(store_set(f.store, &back, "$y$other"), STORE_NONE); /* somebody was faster */
    assert_int_equal(store_set(f.store, &back, "$y$one"), STORE_OK);
    store_close(&f.store);
    struct buf error = BUF_INIT(4096);
    f.store = store_open(f.path, f.dir, &error);
    struct store_row again;
    assert_int_equal(find(f.store, "mail@example.com", &again), STORE_OK);
    assert_string_equal(again.hash, "$y$two");
    assert_string_equal(again.old[0].hash, "$y$one");
    assert_string_equal(again.old[1].hash, "");
    assert_true(again.disabled && again.changed_at == 3000 && again.old[0].replaced_at == 3000);

    assert_int_equal(store_remove(f.store, "MAIL@example.com"), STORE_OK);
    assert_int_equal(store_remove(f.store, "mail@example.com"), STORE_NONE);
    assert_int_equal(find(f.store, "mail@example.com", &again), STORE_NONE);
    teardown(&f);
}

static void names_are_bytes(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    add(f.store, "mail@example.com", "$y$x");
    struct store_row row;
    char big[2000];
    memset(big, 'm', sizeof big);
    const struct span none[] = {span_of("mail@example.com "),
                                span_of(" mail@example.com"),
                                span_of("mail@example.co"),
                                span_from("mail@example.com", 17),
                                span_of(""),
                                span_from(NULL, 0),
                                span_of("mail@ex\xc3\xa4mple.com"),
                                span_of("%"),
                                span_of("' OR 1 --"),
                                span_from(big, sizeof big)};
    for (size_t i = 0; i < COUNT_OF(none); i++)
        assert_int_equal(store_find(f.store, none[i], &row), STORE_NONE);
    teardown(&f);
}

static void the_directory_follows_at_once(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    struct directory_entry entry;
    add(f.store, "Mail@example.com", "$y$one");
    assert_true(directory_find(f.dir, span_of("mail@example.com"), &entry));
    assert_string_equal(entry.address, "Mail@example.com");
    uint64_t first = entry.version;
    struct store_row row = row_of("Mail@example.com", "$y$two");
    row.disabled = true;
    assert_int_equal(store_set(f.store, &row, "$y$one"), STORE_OK);
    assert_true(directory_find(f.dir, span_of("mail@example.com"), &entry));
    assert_true(entry.disabled && entry.version != first);
    assert_int_equal(store_remove(f.store, "mail@EXAMPLE.com"), STORE_OK);
    assert_false(directory_find(f.dir, span_of("mail@example.com"), NULL));
    teardown(&f);
}

static void going_through_all_of_them(void **state)
{
    (void)state;
    enum { N = 250 };
    struct fixture f;
    setup(&f);
    char address[ADDRESS_MAX + 1];
    for (int i = N - 1; i >= 0; i--) {
        snprintf(address, sizeof address, "%s%03d@example.com", i % 2 == 0 ? "U" : "u", i);
        add(f.store, address, "$y$x");
    }
    struct store_row row;
    int n = 0;
    address[0] = '\0';
    while (store_next(f.store, address, &row) == STORE_OK) {
        assert_int_equal(strtol(row.address + 1, NULL, 10), n++);
        memcpy(address, row.address, sizeof address);
    }
    assert_int_equal(n, N);
    teardown(&f);
}

static void old_passwords_go_after_90_days(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    int64_t now = clock_wall(), day = 86400;
    struct store_row row = row_of("a@example.com", "$y$a"), back;
    snprintf(row.old[0].hash, sizeof row.old[0].hash, "$y$young");
    snprintf(row.old[1].hash, sizeof row.old[1].hash, "$y$old");
    row.old[0].replaced_at = now - 89 * day;
    row.old[1].replaced_at = now - 91 * day;
    assert_int_equal(store_add(f.store, &row), STORE_OK);
    snprintf(row.address, sizeof row.address, "b@example.com");
    row.old[0].replaced_at = now - 91 * day;
    assert_int_equal(store_add(f.store, &row), STORE_OK);
    store_tick(f.store);
    assert_int_equal(find(f.store, "a@example.com", &back), STORE_OK);
    assert_string_equal(back.old[0].hash, "$y$young");
    assert_string_equal(back.old[1].hash, "");
    assert_int_equal(find(f.store, "b@example.com", &back), STORE_OK);
    assert_string_equal(back.old[0].hash, "");
    assert_string_equal(back.old[1].hash, "");
    struct buf bytes;
    assert_int_equal(file_read(f.path, 1 << 20, &bytes), 0);
    assert_null(memmem(bytes.data, bytes.len, "$y$old", 6)); /* nor do they stay behind in the file */
    assert_non_null(memmem(bytes.data, bytes.len, "$y$young", 8));
    buf_free(&bytes);
    teardown(&f);
}

/* ---- what others do ---- */

static void changes_of_another_process_are_seen(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    struct store_row row;
    add(f.store, "a@example.com", "$y$a");
    add(f.store, "b@example.com", "$y$b");
    by_hand(
        f.path,
        "INSERT INTO accounts (address, hash, created_at, changed_at) VALUES ('c@example.com', '$6$c', 1, 1);"
        "UPDATE accounts SET disabled = 1 WHERE address = 'A@example.com';"
        "DELETE FROM accounts WHERE address = 'b@example.com';");
    assert_int_equal(find(f.store, "c@example.com", &row), STORE_OK); /* at once */
    assert_int_equal(find(f.store, "a@example.com", &row), STORE_OK);
    assert_true(row.disabled);
    assert_int_equal(find(f.store, "b@example.com", &row), STORE_NONE);
    store_tick(f.store);
    struct directory_entry entry;
    assert_true(directory_find(f.dir, span_of("c@example.com"), NULL));
    assert_false(directory_find(f.dir, span_of("b@example.com"), NULL));
    assert_true(directory_find(f.dir, span_of("a@example.com"), &entry) && entry.disabled);
    assert_true(store_good(f.store));
    /* What was edited by hand has its sum again: damage to it would show. */
    by_hand(f.path, "CREATE TABLE t (n INTEGER CHECK (n = 0));"
                    "INSERT INTO t SELECT count(*) FROM accounts WHERE sum IS NULL; DROP TABLE t;");
    teardown(&f);
}

static void a_lock_of_another_process_is_waited_for(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    struct store_row row;
    add(f.store, "a@example.com", "$y$a");
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(find(f.store, "a@example.com", &row), STORE_OK); /* reading goes on */
    assert_int_equal(find(f.store, "b@example.com", &row), STORE_NONE);
    struct store_row more = row_of("b@example.com", "$y$b");
    uint64_t before = clock_mono_ms();
    assert_int_equal(store_add(f.store, &more), STORE_BUSY);
    assert_in_range(clock_mono_ms() - before, 4500, 8000);
    assert_true(store_good(f.store));
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(store_add(f.store, &more), STORE_OK);
    sqlite3_close(db);
    teardown(&f);
}

static void two_openers_share_a_file(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    struct buf error = BUF_INIT(4096);
    struct directory *dir = directory_make();
    struct store *other = store_open(f.path, dir, &error);
    struct store_row row;
    assert_non_null(other);
    for (int i = 0; i < 50; i++) {
        char address[32];
        snprintf(address, sizeof address, "u%d@example.com", i);
        add(i % 2 == 0 ? f.store : other, address, "$y$x");
        assert_int_equal(find(i % 2 == 0 ? other : f.store, address, &row), STORE_OK);
    }
    store_tick(f.store);
    store_tick(other);
    assert_true(directory_find(dir, span_of("u48@example.com"), NULL));
    assert_true(directory_find(f.dir, span_of("u49@example.com"), NULL));
    store_close(&other);
    assert_int_equal(find(f.store, "u1@example.com", &row), STORE_OK);
    directory_free(&dir);
    teardown(&f);
}

/* ---- what is refused at start ---- */

static void files_that_are_no_store_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    char other[256];
    path_in(&f.place, "data/other.db", other);
    put_file(other, "", 0);
    expect_refusal(other, "not a store of accounts"); /* and not taken for a new one */
    put_file(
        other,
        "something else altogether, but long enough to be a header of a database file, and then some more",
        96);
    expect_refusal(other, "not a database");
    unlink(other);
    assert_int_equal(mkdir(other, 0700), 0);
    expect_refusal(other, "not a regular file");
    rmdir(other);
    store_close(&f.store);
    by_hand(f.path, "PRAGMA user_version = 2");
    expect_refusal(f.path, "another version");
    by_hand(f.path, "PRAGMA application_id = 1");
    expect_refusal(f.path, "not a store of accounts");
    expect_refusal("/nonexistent/accounts.db", "No such file");
    teardown(&f);
}

static void a_lost_file_is_not_made_anew_beside_its_log(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    store_close(&f.store);
    char wal[300];
    snprintf(wal, sizeof wal, "%s-wal", f.path);
    assert_int_equal(unlink(f.path), 0);
    put_file(wal, "frames", 6);
    expect_refusal(f.path, "put the file back");
    assert_int_equal(access(f.path, F_OK), -1);
    teardown(&f);
}

/* ---- damage ---- */

enum { ACCOUNTS = 40 };

static void hash_of(int i, char out[HASH_TEXT_MAX])
{
    snprintf(out, HASH_TEXT_MAX, "$y$j9T$%022d$%043d", i * 7919, i * 104729);
}

static char damaged(struct dice *dice, char was, unsigned kind)
{
    if (kind == 0)
        return '\0';
    if (kind == 1)
        return (char)(was ^ 1);
    return (char)(' ' + roll(dice, 95));
}

/* Some bytes zeroed, with a bit flipped, or exchanged for text; a few of them or whole pages; or the end cut
 * off. */
static void damage(struct dice *dice, const struct buf *good, struct buf *bad)
{
    buf_clear(bad);
    buf_add(bad, good->data, good->len);
    size_t n = 1 + (roll(dice, 4) == 0 ? roll(dice, 5000) : roll(dice, 4));
    size_t at = roll(dice, (unsigned)bad->len);
    unsigned kind = roll(dice, 8);
    for (size_t i = at; i < bad->len && i < at + n; i++)
        bad->data[i] = damaged(dice, bad->data[i], kind);
    if (kind == 2)
        bad->len = at;
}

/* Right, or broken: never another row, never "no such account". How often it was broken. */
static int ask_all(struct store *store)
{
    int broken = 0;
    for (int i = 0; i < ACCOUNTS; i++) {
        char address[32], hash[HASH_TEXT_MAX];
        struct store_row row;
        snprintf(address, sizeof address, "user%d@example.com", i);
        hash_of(i, hash);
        enum store_result result = find(store, address, &row);
        broken += result == STORE_BROKEN;
        if (result == STORE_BROKEN)
            continue;
        assert_int_equal(result, STORE_OK);
        assert_string_equal(row.address, address);
        assert_string_equal(row.hash, hash);
        assert_true(!row.disabled && row.created_at == 1000 && row.changed_at == 2000);
    }
    return broken;
}

static void overwrite(const char *path, const struct buf *bytes)
{
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), 0), 0);
    assert_int_equal(fwrite(bytes->data, 1, bytes->len, file), bytes->len);
    assert_int_equal(fclose(file), 0);
}

static void random_damage_never_answers_wrongly(void **state)
{
    (void)state;
    enum { ROUNDS = 300 };
    struct fixture f;
    setup(&f);
    for (int i = 0; i < ACCOUNTS; i++) {
        char address[32], hash[HASH_TEXT_MAX];
        snprintf(address, sizeof address, "user%d@example.com", i);
        hash_of(i, hash);
        add(f.store, address, hash);
    }
    struct buf good, bad = BUF_INIT(1 << 20);
    assert_int_equal(file_read(f.path, 1 << 20, &good), 0);
    int broken = 0;
    struct dice dice = {7};
    for (int round = 0; round < ROUNDS; round++) {
        assert_int_equal(ask_all(f.store), 0);
        damage(&dice, &good, &bad);
        if (round % 2 == 0)
            overwrite(f.path, &bad);
        else
            put_file(f.path, bad.data, bad.len); /* another file in its place */
        broken += ask_all(f.store) > 0;
        store_tick(f.store);
        ask_all(f.store);
        if (round % 3 == 0)
            overwrite(f.path, &good);
        else
            put_file(f.path, good.data, good.len);
        store_tick(f.store);
        assert_true(store_good(f.store));
    }
    print_message("%d of %d damages made the store unusable until it was restored, the others hit nothing\n",
                  broken, ROUNDS);
    assert_true(broken > ROUNDS / 4);
    buf_free(&good);
    buf_free(&bad);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_file_is_private_and_complete),
        cmocka_unit_test(a_row_comes_back_as_it_was),
        cmocka_unit_test(names_are_bytes),
        cmocka_unit_test(the_directory_follows_at_once),
        cmocka_unit_test(going_through_all_of_them),
        cmocka_unit_test(old_passwords_go_after_90_days),
        cmocka_unit_test(changes_of_another_process_are_seen),
        cmocka_unit_test(a_lock_of_another_process_is_waited_for),
        cmocka_unit_test(two_openers_share_a_file),
        cmocka_unit_test(files_that_are_no_store_are_refused),
        cmocka_unit_test(a_lost_file_is_not_made_anew_beside_its_log),
        cmocka_unit_test(random_damage_never_answers_wrongly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
