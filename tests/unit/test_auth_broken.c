/* SPDX-License-Identifier: MIT */
/*
 * auth: what becomes of the real accounts.db while the server runs: removed, damaged, unreadable, exchanged.
 * Every login is answered AUTH_UNAVAILABLE (never AUTH_WRONG) until the file is good again, and then right
 * and wrong as before.
 */
#include "auth_help.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct fixture {
    struct place place;
    char file[256], aside[256];
    struct buf good;
    struct auth *auth;
    struct loop *loop;
};

static void add(struct fixture *f, const char *address, const char *password)
{
    struct buf why = BUF_INIT(1024);
    if (account_add(f->auth, address, span_of(password), &why) != ACCOUNT_OK)
        fail_msg("%s", buf_str(&why));
}

static struct fixture start(const char *settings)
{
    struct fixture f = {.place = make_place(settings)};
    path_in(&f.place, "data/accounts.db", f.file);
    path_in(&f.place, "aside", f.aside);
    f.auth = open_auth(&f.place);
    f.loop = start_loop();
    add(&f, "mail@example.com", "right");
    add(&f, "other@example.com", "right");
    assert_int_equal(file_read(f.file, 1 << 20, &f.good), 0); /* what a backup would have */
    return f;
}

static void finish(struct fixture *f)
{
    end_loop(&f->loop);
    auth_close(&f->auth);
    buf_free(&f->good);
    remove_place(&f->place);
}

/* Nothing is answered but "unavailable", and changes are refused with the reason. */
static void expect_broken(struct fixture *f)
{
    struct buf why = BUF_INIT(4096);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "wrong"), AUTH_UNAVAILABLE);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "right"), AUTH_UNAVAILABLE);
    assert_int_equal(verdict(f->auth, f->loop, "nobody@example.com", "x"), AUTH_UNAVAILABLE);
    assert_int_equal(account_add(f->auth, "new@example.com", span_of("x"), &why), ACCOUNT_STORE);
    assert_non_null(strstr(buf_str(&why), f->file));
    buf_clear(&why);
    assert_false(auth_store_good(f->auth, &why));
    assert_non_null(strstr(buf_str(&why), f->file));
    assert_int_equal(auth_mailbox(f->auth, "mail@example.com"), MAILBOX_ACTIVE); /* as last known */
    print_message("  %s\n", strrchr(buf_str(&why), '/') + 1);
    buf_free(&why);
}

static void expect_good(struct fixture *f)
{
    struct buf why = BUF_INIT(4096);
    for (int i = 0; i < 100 && !auth_store_good(f->auth, &why); i++)
        pause_ms(50);
    assert_true(auth_store_good(f->auth, &why));
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "right"), AUTH_OK);
    assert_int_equal(verdict(f->auth, f->loop, "mail@example.com", "wrong"), AUTH_WRONG);
    assert_int_equal(verdict(f->auth, f->loop, "nobody@example.com", "x"), AUTH_WRONG);
    assert_int_equal(account_disable(f->auth, "other@example.com", true, &why), ACCOUNT_OK);
    assert_int_equal(verdict(f->auth, f->loop, "other@example.com", "right"), AUTH_DISABLED);
    assert_int_equal(account_disable(f->auth, "other@example.com", false, &why), ACCOUNT_OK);
    buf_free(&why);
}

/* ---- ways to break it; each leaves the path in some state that restore_* can cope with ---- */

static void do_remove(struct fixture *f)
{
    assert_int_equal(unlink(f->file), 0);
}

static void do_move_away(struct fixture *f)
{
    assert_int_equal(rename(f->file, f->aside), 0);
}

static void do_exchange(struct fixture *f)
{
    char garbage[20000];
    random_bytes(garbage, sizeof garbage);
    put_file(f->file, garbage, sizeof garbage);
}

static void write_at(struct fixture *f, off_t at, const void *data, size_t n)
{
    int fd = open(f->file, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, n, at), (ssize_t)n);
    close(
        fd); /* drops the POSIX locks that SQLite has on it in this process: as any damage, it asks nobody */
}

static void do_overwrite(struct fixture *f)
{
    char *garbage = xmalloc(f->good.len);
    random_bytes(garbage, f->good.len);
    write_at(f, 0, garbage, f->good.len);
    free(garbage);
}

static void do_zero_a_page(struct fixture *f)
{
    static const char zeros[4096];
    write_at(f, 4096, zeros, sizeof zeros);
}

/* The two hashes of the accounts, everything else whole. */
static void do_change_hashes(struct fixture *f)
{
    for (size_t i = 0; i + 3 < f->good.len; i++)
        if (memcmp(f->good.data + i, "$y$", 3) == 0)
            write_at(f, (off_t)i + 40, "AAAA", 4);
}

static void do_empty(struct fixture *f)
{
    assert_int_equal(truncate(f->file, 0), 0);
}

static void do_cut(struct fixture *f)
{
    assert_int_equal(truncate(f->file, (off_t)f->good.len - 4096), 0);
}

static void do_folder(struct fixture *f)
{
    do_remove(f);
    assert_int_equal(mkdir(f->file, 0700), 0);
}

static void do_other_database(struct fixture *f)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f->aside, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE accounts (address TEXT, hash TEXT)", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(rename(f->aside, f->file), 0);
}

/* ---- ways to put it right ---- */

static void restore_new(struct fixture *f)
{
    put_file(f->file, f->good.data, f->good.len);
}

static void restore_in_place(struct fixture *f)
{
    write_at(f, 0, f->good.data, f->good.len);
}

static void restore_folder(struct fixture *f)
{
    assert_int_equal(rmdir(f->file), 0);
    restore_new(f);
}

static void restore_moved(struct fixture *f)
{
    assert_int_equal(rename(f->aside, f->file), 0);
}

static const struct {
    const char *name;
    void (*apply)(struct fixture *f);
    void (*restore)(struct fixture *f);
} breakages[] = {
    {"removed, restored", do_remove, restore_new},
    {"moved away and back", do_move_away, restore_moved},
    {"exchanged for garbage", do_exchange, restore_new},
    {"overwritten with garbage, exchanged", do_overwrite, restore_new},
    {"overwritten with garbage, restored in place", do_overwrite, restore_in_place},
    {"a page zeroed", do_zero_a_page, restore_in_place},
    {"hashes changed", do_change_hashes, restore_in_place},
    {"emptied", do_empty, restore_in_place},
    {"cut short", do_cut, restore_in_place},
    {"a folder in its place", do_folder, restore_folder},
    {"another program's database", do_other_database, restore_new},
};

static void broken_is_never_wrong_and_heals(void **state)
{
    (void)state;
    struct fixture f = start("auth.cache = 0s\n");
    for (size_t i = 0; i < COUNT_OF(breakages); i++) {
        print_message("%s\n", breakages[i].name);
        expect_good(&f);
        assert_int_equal(account_disable(f.auth, "other@example.com", false, &(struct buf){.max = 100}),
                         ACCOUNT_OK);
        buf_free(&f.good);
        assert_int_equal(file_read(f.file, 1 << 20, &f.good), 0);
        breakages[i].apply(&f);
        expect_broken(&f);
        breakages[i].restore(&f);
        expect_good(&f);
    }
    finish(&f);
}

static void a_backup_of_before_is_taken_as_it_is(void **state)
{
    (void)state;
    struct fixture f = start("");
    struct buf why = BUF_INIT(1024);
    assert_int_equal(verdict(f.auth, f.loop, "mail@example.com", "right"), AUTH_OK);
    assert_int_equal(account_password(f.auth, "mail@example.com", span_of("new"), &why), ACCOUNT_OK);
    add(&f, "later@example.com", "x");
    assert_int_equal(verdict(f.auth, f.loop, "mail@example.com", "new"), AUTH_OK); /* cached */
    restore_new(&f);
    for (int i = 0; i < 100 && auth_mailbox(f.auth, "later@example.com") != MAILBOX_NONE; i++)
        pause_ms(50);
    assert_int_equal(auth_mailbox(f.auth, "later@example.com"), MAILBOX_NONE);
    assert_int_equal(verdict(f.auth, f.loop, "mail@example.com", "new"),
                     AUTH_WRONG); /* what was cached is of another version */
    assert_int_equal(verdict(f.auth, f.loop, "mail@example.com", "right"), AUTH_OK);
    finish(&f);
}

/* Logins verified lately go on until the damage is noticed, a second at most, and not beyond. */
static void the_cache_ends_with_the_store(void **state)
{
    (void)state;
    struct fixture f = start("");
    assert_int_equal(verdict(f.auth, f.loop, "mail@example.com", "right"), AUTH_OK);
    do_move_away(&f);
    uint64_t since = clock_mono_ms();
    enum auth_verdict v;
    while ((v = verdict(f.auth, f.loop, "mail@example.com", "right")) == AUTH_OK &&
           clock_mono_ms() - since < 5000)
        pause_ms(20);
    assert_int_equal(v, AUTH_UNAVAILABLE);
    assert_true(clock_mono_ms() - since < 2500);
    restore_moved(&f);
    expect_good(&f);
    finish(&f);
}

/* The write-ahead log is empty but for moments, so nothing of it is missed. */
static void the_log_may_be_damaged_or_removed(void **state)
{
    (void)state;
    struct fixture f = start("auth.cache = 0s\n");
    char wal[300], garbage[9000];
    snprintf(wal, sizeof wal, "%s-wal", f.file);
    random_bytes(garbage, sizeof garbage);
    for (int round = 0; round < 2; round++) {
        int fd = open(wal, O_WRONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, garbage, sizeof garbage), sizeof garbage);
        close(fd);
        expect_good(&f);
        assert_int_equal(unlink(wal), 0);
        expect_good(&f);
        add(&f, round == 0 ? "one@example.com" : "two@example.com", "x");
        auth_close(&f.auth);
        f.auth = open_auth(&f.place);
        assert_int_equal(verdict(f.auth, f.loop, round == 0 ? "one@example.com" : "two@example.com", "x"),
                         AUTH_OK);
    }
    finish(&f);
}

/* Root reads everything, so this is for an ordinary user: a process of its own that gave up its rights. */
static int unreadable_as_a_user(void)
{
    struct fixture f = start("auth.cache = 0s\n");
    expect_good(&f);
    assert_int_equal(chmod(f.file, 0), 0);
    expect_broken(&f);
    assert_int_equal(chmod(f.file, 0600), 0);
    expect_good(&f);
    finish(&f);
    return 0;
}

static void unreadable(void **state)
{
    (void)state;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
            _exit(2);
        _exit(unreadable_as_a_user());
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_broken_store_stops_the_start(void **state)
{
    (void)state;
    struct fixture f = start("");
    auth_close(&f.auth);
    do_overwrite(&f);
    struct buf error = BUF_INIT(4096);
    assert_null(auth_open(f.place.cell, &error));
    assert_non_null(strstr(buf_str(&error), f.file));
    assert_non_null(strstr(buf_str(&error), "not a database"));
    buf_free(&error);
    restore_new(&f);
    f.auth = open_auth(&f.place);
    expect_good(&f);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unreadable), /* first: it forks, and must not do so with threads around */
        cmocka_unit_test(broken_is_never_wrong_and_heals),
        cmocka_unit_test(a_backup_of_before_is_taken_as_it_is),
        cmocka_unit_test(the_cache_ends_with_the_store),
        cmocka_unit_test(the_log_may_be_damaged_or_removed),
        cmocka_unit_test(a_broken_store_stops_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
