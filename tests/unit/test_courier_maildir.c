/* SPDX-License-Identifier: MIT */
/* Maildirs: what is written, and that a message comes once, whatever happened before. */
#include "courier/maildir.h"

#include <signal.h>
#include <sys/resource.h>

#include "test_courier_support.h"

enum { CLAIMS = 64 };

/* What is claimed of the queue, and where it goes. */
struct claimed {
    struct delivery deliveries[CLAIMS];
    struct outcome outcomes[CLAIMS];
    struct maildir_item items[CLAIMS];
    size_t n;
};

static struct claimed *claim(struct world *w, const char *folder, bool look)
{
    struct claimed *c = test_calloc(1, sizeof *c);
    int n = spool_claim(w->spool, clock_wall(), c->deliveries, CLAIMS);
    assert_in_range(n, 1, CLAIMS);
    c->n = (size_t)n;
    for (size_t i = 0; i < c->n; i++)
        c->items[i] = (struct maildir_item){folder, &c->deliveries[i], look, &c->outcomes[i]};
    return c;
}

static void deliver(struct world *w, struct claimed *c)
{
    for (size_t i = 0; i < c->n; i++)
        outcome_clear(&c->outcomes[i]);
    maildir_deliver(w->spool, "mail.example.com", c->items, c->n);
}

/* The claims are left as a crash would leave them. */
static void drop(struct claimed *c)
{
    for (size_t i = 0; i < c->n; i++) {
        delivery_free(&c->deliveries[i]);
        outcome_clear(&c->outcomes[i]);
    }
    test_free(c);
}

static void assert_all(const struct claimed *c, enum verdict verdict)
{
    for (size_t i = 0; i < c->n; i++)
        assert_int_equal(c->outcomes[i].verdict, verdict);
}

static void move_to_cur(const struct world *w, const char *folder, const char *flags)
{
    char name[WORLD_PATH_MAX], from[3 * WORLD_PATH_MAX], to[3 * WORLD_PATH_MAX], sub[WORLD_PATH_MAX];
    snprintf(sub, sizeof sub, "%s/new", folder);
    assert_int_equal(world_count(w, sub, name), 1);
    snprintf(from, sizeof from, "%s/%s/%s", w->dir, sub, name);
    snprintf(to, sizeof to, "%s/%s/cur/%s%s", w->dir, folder, name, flags);
    assert_int_equal(rename(from, to), 0);
}

static const char *in(const struct world *w, char out[WORLD_LONG_PATH_MAX], const char *folder)
{
    snprintf(out, WORLD_LONG_PATH_MAX, "%s/%.255s", w->dir, folder);
    return out;
}

static mode_t mode_of(const struct world *w, const char *path)
{
    char at[WORLD_LONG_PATH_MAX];
    struct stat st;
    assert_int_equal(stat(in(w, at, path), &st), 0);
    return st.st_mode & 07777;
}

static void a_message_is_written(void **state)
{
    (void)state;
    struct world w = world_make("");
    char folder[WORLD_LONG_PATH_MAX], name[WORLD_PATH_MAX], wanted[MAILDIR_NAME_MAX],
        path[3 * WORLD_PATH_MAX];
    world_submit_one(&w, "joe@example.com", "ann@b.example", NULL);
    struct claimed *c = claim(&w, in(&w, folder, "deep/down/box"), false);
    deliver(&w, c);
    assert_all(c, VERDICT_DELIVERED);
    assert_int_equal(world_count(&w, "deep/down/box/new", name), 1);
    assert_int_equal(world_count(&w, "deep/down/box/tmp", NULL), 0);
    maildir_name(&c->deliveries[0], "mail.example.com", wanted);
    assert_string_equal(name, wanted);
    struct buf text = world_read(&w, "deep/down/box/new", name);
    assert_string_equal(buf_str(&text), "Return-Path: <joe@example.com>\nDelivered-To: ann@b.example\n"
                                        "From: a@example.com\nSubject: hello\n\n.one\n..two\nthree\n");
    snprintf(path, sizeof path, "deep/down/box/new/%s", name);
    assert_int_equal(mode_of(&w, path), 0600);
    assert_int_equal(mode_of(&w, "deep"), 0700);
    assert_int_equal(mode_of(&w, "deep/down/box"), 0700);
    assert_int_equal(mode_of(&w, "deep/down/box/cur"), 0700);
    buf_free(&text);
    drop(c);
    world_remove(&w);
}

static void names_tell_messages_and_recipients_apart(void **state)
{
    (void)state;
    struct delivery d = {.id = "1abcde-000001-AB", .recipient = "ann@b.example", .queued_at = 1795553872};
    char one[MAILDIR_NAME_MAX], other[MAILDIR_NAME_MAX];
    maildir_name(&d, "mail.example.com", one);
    assert_string_equal(one, "1795553872.1abcde-000001-AB.8ff94cc2d3c242e39ec1140e.mail.example.com");
    d.recipient = "bob@b.example";
    maildir_name(&d, "mail.example.com", other);
    assert_string_not_equal(one, other);
    maildir_name(&d, "a/b:c\n", other);
    assert_string_equal(strrchr(other, '.'), ".a_b_c_");
}

static void a_batch_goes_to_several_folders(void **state)
{
    (void)state;
    struct world w = world_make("");
    static const char *const to[] = {"a@b.example", "c@b.example", "d@b.example"};
    char one[WORLD_LONG_PATH_MAX], two[WORLD_LONG_PATH_MAX];
    world_submit(&w, "", to, 3, span_of(MESSAGE_TEXT), NULL);
    world_submit(&w, "x@y.example", to, 2, span_of("Subject: other\r\n\r\n"), NULL);
    struct claimed *c = claim(&w, in(&w, one, "one"), false);
    assert_int_equal(c->n, 5);
    c->items[1].folder = in(&w, two, "two");
    deliver(&w, c);
    assert_all(c, VERDICT_DELIVERED);
    assert_int_equal(world_count(&w, "one/new", NULL), 4);
    assert_int_equal(world_count(&w, "two/new", NULL), 1);
    drop(c);
    world_remove(&w);
}

/* Delivered, then the power goes before the queue knows: whatever a mail program does meanwhile, it comes
 * once. */
static void a_crash_leaves_no_second_copy(void **state)
{
    (void)state;
    static const char *const flags[] = {"", ":2,", ":2,RS"};
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        struct world w = world_make("");
        char folder[WORLD_LONG_PATH_MAX];
        world_submit_one(&w, "joe@example.com", "ann@b.example", NULL);
        struct claimed *c = claim(&w, in(&w, folder, "box"), false);
        deliver(&w, c);
        c->items[0].look = true;
        deliver(&w, c);
        assert_all(c, VERDICT_DELIVERED);
        assert_int_equal(world_count(&w, "box/new", NULL), 1);
        move_to_cur(&w, "box", flags[i]);
        deliver(&w, c);
        assert_all(c, VERDICT_DELIVERED);
        assert_int_equal(world_count(&w, "box/new", NULL), 0);
        assert_int_equal(world_count(&w, "box/cur", NULL), 1);
        assert_int_equal(world_count(&w, "box/tmp", NULL), 0);
        drop(c);
        world_remove(&w);
    }
}

/* Without a look the name in new/ is enough. */
static void a_name_is_never_overwritten(void **state)
{
    (void)state;
    struct world w = world_make("");
    char folder[WORLD_LONG_PATH_MAX], name[WORLD_PATH_MAX], path[3 * WORLD_PATH_MAX];
    struct stat before, after;
    world_submit_one(&w, "joe@example.com", "ann@b.example", NULL);
    struct claimed *c = claim(&w, in(&w, folder, "box"), false);
    deliver(&w, c);
    world_count(&w, "box/new", name);
    snprintf(path, sizeof path, "%s/box/new/%s", w.dir, name);
    assert_int_equal(stat(path, &before), 0);
    deliver(&w, c);
    assert_all(c, VERDICT_DELIVERED);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(world_count(&w, "box/tmp", NULL), 0);
    drop(c);
    world_remove(&w);
}

static void leftovers_in_tmp_are_replaced(void **state)
{
    (void)state;
    struct world w = world_make("");
    char folder[WORLD_LONG_PATH_MAX], name[MAILDIR_NAME_MAX], path[3 * WORLD_PATH_MAX], much[4096];
    world_submit_one(&w, "joe@example.com", "ann@b.example", NULL);
    struct claimed *c = claim(&w, in(&w, folder, "box"), true);
    snprintf(path, sizeof path, "%s/box/tmp", w.dir);
    assert_int_equal(dir_make(path, 0700), 0);
    maildir_name(&c->deliveries[0], "mail.example.com", name);
    snprintf(path, sizeof path, "%s/box/tmp/%s", w.dir, name);
    memset(much, '#', sizeof much);
    assert_int_equal(file_replace(path, much, sizeof much, 0600), 0);
    deliver(&w, c);
    assert_all(c, VERDICT_DELIVERED);
    struct buf text = world_read(&w, "box/new", name);
    assert_null(strchr(buf_str(&text), '#'));
    buf_free(&text);
    drop(c);
    world_remove(&w);
}

static void a_bad_folder_fails_alone(void **state)
{
    (void)state;
    struct world w = world_make("");
    static const char *const to[] = {"a@b.example", "c@b.example"};
    char good[WORLD_LONG_PATH_MAX], bad[WORLD_LONG_PATH_MAX];
    world_submit(&w, "joe@example.com", to, 2, span_of(MESSAGE_TEXT), NULL);
    struct claimed *c = claim(&w, in(&w, good, "box"), true);
    c->items[0].folder = in(&w, bad, "gatepost.conf/box");
    deliver(&w, c);
    assert_int_equal(c->outcomes[0].verdict, VERDICT_DEFERRED);
    assert_int_equal(c->outcomes[0].cause, CAUSE_DELIVERY_MAILDIR);
    assert_int_equal(c->outcomes[0].error, ENOTDIR);
    assert_contains(c->outcomes[0].text, "gatepost.conf/box: Not a directory");
    assert_int_equal(c->outcomes[1].verdict, VERDICT_DELIVERED);
    drop(c);
    world_remove(&w);
}

static void a_full_disk_leaves_nothing_half(void **state)
{
    (void)state;
    struct world w = world_make("");
    char folder[WORLD_LONG_PATH_MAX];
    struct rlimit before, small;
    world_submit_one(&w, "joe@example.com", "ann@b.example", NULL);
    struct claimed *c = claim(&w, in(&w, folder, "box"), false);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){.rlim_cur = 20, .rlim_max = before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    deliver(&w, c);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_all(c, VERDICT_DEFERRED);
    assert_int_equal(c->outcomes[0].error, EFBIG);
    assert_int_equal(world_count(&w, "box/tmp", NULL), 0);
    assert_int_equal(world_count(&w, "box/new", NULL), 0);
    deliver(&w, c);
    assert_all(c, VERDICT_DELIVERED);
    drop(c);
    world_remove(&w);
}

static void a_large_message_arrives_whole(void **state)
{
    (void)state;
    struct world w = world_make("");
    const char *to = "ann@b.example";
    char folder[WORLD_LONG_PATH_MAX], name[WORLD_PATH_MAX];
    enum { LINES = 50000 };
    struct buf message = BUF_INIT(16 << 20), wanted = BUF_INIT(16 << 20);
    buf_add_str(&wanted, "Return-Path: <joe@example.com>\nDelivered-To: ann@b.example\n");
    for (int i = 0; i < LINES; i++) {
        buf_printf(&message, "%d %.*s\r\n", i, i % 60,
                   "-----------------------------------------------------------");
        buf_printf(&wanted, "%d %.*s\n", i, i % 60,
                   "-----------------------------------------------------------");
    }
    world_submit(&w, "joe@example.com", &to, 1, span_from(message.data, message.len), NULL);
    struct claimed *c = claim(&w, in(&w, folder, "box"), false);
    deliver(&w, c);
    assert_all(c, VERDICT_DELIVERED);
    world_count(&w, "box/new", name);
    struct buf text = world_read(&w, "box/new", name);
    assert_int_equal(text.len, wanted.len);
    assert_memory_equal(text.data, wanted.data, wanted.len);
    buf_free(&text);
    buf_free(&message);
    buf_free(&wanted);
    drop(c);
    world_remove(&w);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_written),
        cmocka_unit_test(names_tell_messages_and_recipients_apart),
        cmocka_unit_test(a_batch_goes_to_several_folders),
        cmocka_unit_test(a_crash_leaves_no_second_copy),
        cmocka_unit_test(a_name_is_never_overwritten),
        cmocka_unit_test(leftovers_in_tmp_are_replaced),
        cmocka_unit_test(a_bad_folder_fails_alone),
        cmocka_unit_test(a_full_disk_leaves_nothing_half),
        cmocka_unit_test(a_large_message_arrives_whole),
    };
    return cmocka_run_group_tests_name("courier.maildir", tests, NULL, NULL);
}
