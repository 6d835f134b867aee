/* SPDX-License-Identifier: MIT */
/* Where mail goes, when it is tried again, line ends: the pure parts of the courier. */
#include "courier/crlf.h"
#include "courier/outcome.h"
#include "courier/route.h"

#include "test_courier_support.h"

/* ---- routes ---- */

static struct settings_cell *settings_of(const char *lines)
{
    char path[] = "/tmp/gp-route-XXXXXX";
    struct buf error = BUF_INIT(4096);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, lines, strlen(lines)), 0);
    const struct settings *s = settings_load_fd(fd, path, &error);
    assert_string_equal(buf_str(&error), "");
    fd_close(&fd);
    unlink(path);
    buf_free(&error);
    return settings_cell_make(s);
}

/* "maildir /path", "lmtp /socket", "lmtp host:24", "smtp host:25", "none". */
static void assert_route(const char *lines, const char *recipient, const char *wanted)
{
    struct settings_cell *cell = settings_of(lines);
    const struct settings *s = settings_cell_get(cell);
    struct router *router = router_make(s);
    struct route route;
    struct buf text = BUF_INIT(8192);
    router_find(router, recipient, &route);
    buf_add_str(&text, route_transport(route.kind));
    if (route.path[0] != '\0')
        buf_printf(&text, " %s", route.path);
    if (route.host[0] != '\0')
        buf_printf(&text, " %s:%u", route.host, route.port);
    assert_string_equal(buf_str(&text), wanted);
    buf_free(&text);
    router_free(&router);
    settings_release(&s);
    settings_cell_free(&cell);
}

#define LOCAL "local.domains = example.com b.example a.example\nlocal.delivery = maildir:/m/%d/%n\n"

static void domains_decide(void **state)
{
    (void)state;
    assert_route(LOCAL, "joe@example.com", "maildir /m/example.com/joe");
    assert_route(LOCAL, "Joe@B.Example", "maildir /m/b.example/joe");
    assert_route(LOCAL, "joe@sub.example.com", "none");
    assert_route(LOCAL, "postmaster", "none");
    assert_route(LOCAL "relay.smarthost = relay.example.net\n", "x@elsewhere.example",
                 "smtp relay.example.net:25");
    assert_route(LOCAL "relay.smarthost = [2001:db8::1]:587\n", "x@elsewhere.example",
                 "smtp 2001:db8::1:587");
    assert_route(LOCAL "relay.smarthost = relay.example.net\n", "x@example.com", "maildir /m/example.com/x");
    assert_route("local.domains = a.example\nlocal.delivery = lmtp:unix:/run/lmtp\n", "x@a.example",
                 "lmtp /run/lmtp");
    assert_route("local.domains = a.example\nlocal.delivery = lmtp:127.0.0.1:24\n", "x@a.example",
                 "lmtp 127.0.0.1:24");
    assert_route("", "x@a.example", "none");
}

/* Nothing in an address leads out of the folder, and no two addresses lead to the same one. */
static void values_are_made_safe(void **state)
{
    (void)state;
    assert_route(LOCAL, "../../etc/passwd@example.com", "maildir /m/example.com/%2e.%2f..%2fetc%2fpasswd");
    assert_route(LOCAL, "..@example.com", "maildir /m/example.com/%2e.");
    assert_route(LOCAL, ".@example.com", "maildir /m/example.com/%2e");
    assert_route(LOCAL, "a%2fb@example.com", "maildir /m/example.com/a%252fb");
    assert_route(LOCAL, "\"a b\"@example.com", "maildir /m/example.com/\"a%20b\"");
    assert_route(LOCAL, "a\xC3\xA4@example.com", "maildir /m/example.com/a%c3%a4");
    assert_route(LOCAL, "a.b@c@example.com", "maildir /m/example.com/a.b@c");
    assert_route("local.domains = a.example\nlocal.delivery = maildir:/m/.%n\n", ".@a.example",
                 "maildir /m/.%2e");
    assert_route("local.domains = a.example\nlocal.delivery = maildir:/m/%u\n", "Joe@A.Example",
                 "maildir /m/joe@a.example");
}

/* ---- the schedule ---- */

static void waits_follow_the_setting(void **state)
{
    (void)state;
    struct settings_cell *cell = settings_of("queue.retry = 1m 5m 15m\nqueue.lifetime = 2h\n");
    const struct settings *s = settings_cell_get(cell);
    const struct {
        int64_t age;
        unsigned attempts;
        int64_t wait;
    } cases[] = {
        {0, 0, 60},     {60, 1, 300},   {360, 2, 900},
        {1260, 3, 900}, {3600, 0, 60},  /* the first attempt comes late: as if it were in time */
        {3600, 9, 900}, {10, 5, 60},    /* an administrator who tries again and again makes nobody wait */
        {61, 5, 300},   {7100, 9, 100}, /* once more at the end of its life */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(retry_at(s, 1000, cases[i].attempts, 1000 + cases[i].age),
                         1000 + cases[i].age + cases[i].wait);
    assert_false(retry_expired(s, 1000, 1000 + 7199));
    assert_true(retry_expired(s, 1000, 1000 + 7200));
    settings_release(&s);
    settings_cell_free(&cell);
}

/* ---- outcomes ---- */

static void outcomes_have_a_status(void **state)
{
    (void)state;
    struct outcome o = {.verdict = VERDICT_NONE}, copy = {.verdict = VERDICT_NONE};
    outcome_set(&o, VERDICT_FAILED, CAUSE_DELIVERY_NO_ROUTE, "no way to %s", "x");
    assert_string_equal(outcome_status(&o), "5.4.4");
    assert_string_equal(o.text, "no way to x");
    outcome_set_reply(&o, VERDICT_FAILED, CAUSE_DELIVERY_REFUSED, "after RCPT", "550-a\n550 b", "5.1.1");
    assert_string_equal(outcome_status(&o), "5.1.1");
    assert_string_equal(o.text, "after RCPT: 550-a\n550 b");
    outcome_copy(&copy, &o);
    outcome_clear(&o);
    assert_string_equal(copy.reply, "550-a\n550 b");
    outcome_set(&copy, VERDICT_DEFERRED, CAUSE_NONE, "-");
    assert_string_equal(outcome_status(&copy), "4.0.0");
    outcome_clear(&copy);
}

/* ---- line ends ---- */

static void fold(const char *in, size_t piece, struct buf *out)
{
    struct crlf_folder f = {0};
    char part[256];
    size_t n = strlen(in);
    for (size_t i = 0; i < n; i += piece)
        buf_add(out, part, crlf_fold(&f, in + i, n - i < piece ? n - i : piece, part));
    buf_add(out, part, crlf_fold_end(&f, part));
}

static void line_ends_are_folded_in_any_pieces(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"a\r\nb\r\n", "a\nb\n"}, {"\r\r\n\r", "\r\n\r"},
                                           {"a\rb\nc", "a\rb\nc"},   {"\r\n\r\n", "\n\n"},
                                           {"\r\r\r", "\r\r\r"},     {"", ""}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t piece = 1; piece < 8; piece++) {
            struct buf out = BUF_INIT(256);
            fold(cases[i][0], piece, &out);
            assert_string_equal(buf_str(&out), cases[i][1]);
            buf_free(&out);
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(domains_decide),
        cmocka_unit_test(values_are_made_safe),
        cmocka_unit_test(waits_follow_the_setting),
        cmocka_unit_test(outcomes_have_a_status),
        cmocka_unit_test(line_ends_are_folded_in_any_pieces),
    };
    return cmocka_run_group_tests_name("courier.route", tests, NULL, NULL);
}
