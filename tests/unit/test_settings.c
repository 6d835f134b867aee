/* SPDX-License-Identifier: MIT */
/*
 * settings: the table against itself, the parser, its messages, changes of a file, and the two files made
 * from the table. Run with --write (in the project's folder) it makes these two anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "settings/rows.h"

static const struct settings *parse(const char *text, struct buf *error)
{
    return settings_parse(span_of(text), "f", error);
}

/* The text must be right. */
static const struct settings *parse_good(const char *text)
{
    struct buf error = BUF_INIT(65536);
    const struct settings *s = parse(text, &error);
    if (s == NULL)
        fail_msg("%s", buf_str(&error));
    assert_int_equal(error.len, 0);
    return s;
}

static void assert_mistakes(const char *text, const char *expected)
{
    struct buf error = BUF_INIT(65536);
    const struct settings *s = parse(text, &error);
    assert_string_equal(buf_str(&error), expected);
    assert_null(s);
    buf_free(&error);
}

static char *value_of(const struct settings *s, size_t i)
{
    struct buf out = BUF_INIT(65536);
    settings_value(s, i, &out);
    char *text = xstrdup(buf_str(&out));
    buf_free(&out);
    return text;
}

/* ---- the table ---- */

static void every_default_meets_its_own_row(void **state)
{
    (void)state;
    const struct settings *s = settings_defaults();
    struct settings *again = settings_make("");
    for (enum row_index i = 0; i < ROW_COUNT; i++) {
        const struct row *row = &SETTING_ROWS[i];
        struct span text = span_of(row->fallback);
        struct buf why = BUF_INIT(WHY_MAX);
        if (row->kind == KIND_WORD)
            text = span_take(&text, '|');
        value_clear(again, i);
        if (!value_set(again, i, text, &why))
            fail_msg("%s: %s", row->name, buf_str(&why));
        char *a = value_of(s, i), *b = value_of(again, i);
        assert_string_equal(a, b);
        free(a);
        free(b);
        buf_free(&why);
    }
    const struct settings *gone = again;
    settings_release(&gone);
    settings_release(&s);
    assert_null(s);
}

static void every_row_is_complete(void **state)
{
    (void)state;
    for (size_t i = 0; i < settings_count(); i++) {
        const struct setting_info *info = settings_info(i);
        size_t len = strlen(info->text);
        assert_true(len > 10 && info->text[len - 1] == '.');
        assert_true(info->kind[0] != '\0');
        assert_string_equal(info->name, SETTING_ROWS[i].name);
        assert_int_equal(settings_find(info->name, NULL), (int)i);
        for (const char *c = info->name; *c != '\0'; c++)
            assert_true((*c >= 'a' && *c <= 'z') || ascii_is_digit(*c) || *c == '_' || *c == '.');
    }
}

static void values_print_as_the_file_has_them(void **state)
{
    (void)state;
    static const char text[] =
        "loops = 4\n"
        "tls.min_version = 1.3\n"
        "tls.required_for_auth = no\n"
        "tls.silence = 90s\n"
        "message.max_size = 1536K\n"
        "queue.retry = 60s, 5m,1h\n"
        "relay.user = \"a # b\"\nrelay.password_file = /p\nrelay.smarthost = smtp.example.com\n";
    static const struct {
        const char *name, *value;
    } expected[] = {{"loops", "4"},
                    {"tls.min_version", "1.3"},
                    {"tls.required_for_auth", "no"},
                    {"tls.silence", "90s"},
                    {"message.max_size", "1536K"},
                    {"queue.retry", "60s 5m 1h"},
                    {"relay.user", "\"a # b\""},
                    {"help.url", ""}};
    const struct settings *s = parse_good(text);
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        char *value = value_of(s, (size_t)settings_find(expected[i].name, NULL));
        assert_string_equal(value, expected[i].value);
        free(value);
    }
    assert_int_equal(s->loops, 4);
    assert_int_equal(s->tls_min_version, 1);
    assert_false(s->tls_required_for_auth);
    assert_int_equal(s->message_max_size, 1536 * 1024);
    assert_string_equal(s->relay_user, "a # b");
    assert_string_equal(s->path, "f");
    settings_release(&s);
}

/* ---- syntax ---- */

static void lines_are_read_as_documented(void **state)
{
    (void)state;
    static const struct {
        const char *text, *user;
    } rows[] = {
        {"user=mail", "mail"},
        {"  user\t=  mail \t", "mail"},
        {"user = mail # the system's", "mail"},
        {"user = mail#1", "mail#1"},
        {"user = \"mail # 1\" # not this", "mail # 1"},
        {"user = \"  a \\\"b\\\" \\\\ \\c \"", "  a \"b\" \\ \\c "},
        {"user = a=b", "a=b"},
        {"user = mail\r\n# end\r\n", "mail"},
        {"\n\n   \n# user = other\n#user = x\nuser = mail\n", "mail"},
        {"user = p\303\266st", "p\303\266st"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct settings *s = parse_good(rows[i].text);
        assert_string_equal(s->user, rows[i].user);
        settings_release(&s);
    }
}

static void lists_add_up(void **state)
{
    (void)state;
    const struct settings *s = parse_good("listen.smtp = *:25, 192.0.2.1:26\nlisten.smtp = [2001:db8::1]:27\n"
                                          "queue.retry = 7s\nlocal.domains =\n");
    assert_int_equal(s->listen_smtp.n, 3);
    assert_string_equal(s->listen_smtp.items[2], "[2001:db8::1]:27");
    assert_int_equal(s->queue_retry.n, 1); /* in place of the default */
    assert_string_equal(s->queue_retry.items[0], "7s");
    assert_int_equal(s->local_domains.n, 0);
    settings_release(&s);
}

static void every_mistake_has_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *mistakes;
    } rows[] = {
        {"hostnme = a.example", "f:1: unknown setting \"hostnme\"; did you mean hostname?"},
        {"certificate = /c", "f:1: unknown setting \"certificate\"; did you mean tls.certificate?"},
        {"tls.cert = /c", "f:1: unknown setting \"tls.cert\"; did you mean tls.certificate?"},
        {"frobnicate = 1", "f:1: unknown setting \"frobnicate\""},
        {"\nuser", "f:2: there is no \"=\" (a line is: name = value)"},
        {"= x", "f:1: there is no name of a setting before \"=\""},
        {"us er = x", "f:1: there is no name of a setting before \"=\""},
        {"user = \"x", "f:1: the closing quote is missing"},
        {"user = \"x\\\"", "f:1: the closing quote is missing"},
        {"user = \"x\" y", "f:1: there is text behind the closing quote"},
        {"user = a\ruser", "f:1: the line has a control character"},
        {"user = a\nuser = b", "f:2: user is set a second time (line 1 sets it, too)"},
        {"loops = many", "f:1: loops must be a number, not \"many\""},
        {"loops = -1", "f:1: loops must be a number, not \"-1\""},
        {"loops =", "f:1: loops needs a value"},
        {"loops = 257", "f:1: loops must be 0 to 256, not \"257\""},
        {"loops = 99999999999999999999", "f:1: loops must be a number, not \"99999999999999999999\""},
        {"tls.silence = 6m", "f:1: tls.silence must be 1s to 5m, not \"6m\""},
        {"tls.silence = soon",
         "f:1: tls.silence must be a duration such as 90s, 10m, 1h or 5d, not \"soon\""},
        {"message.max_size = 1", "f:1: message.max_size must be 1K to 4G, not \"1\""},
        {"message.max_size = 5MB",
         "f:1: message.max_size must be a size such as 512, 64K, 50M or 2G, not \"5MB\""},
        {"courier.hold = maybe", "f:1: courier.hold must be yes or no, not \"maybe\""},
        {"tls.min_version = 1.4", "f:1: tls.min_version must be 1.2, 1.3, 1.1 or 1.0, not \"1.4\""},
        {"hostname = my host\nloops = x\nx = y",
         "f:1: hostname must be a domain such as example.com, not \"my host\"\n"
         "f:2: loops must be a number, not \"x\"\n"
         "f:3: unknown setting \"x\""},
        {"local.domains = example.com\nlocal.domains = -x",
         "f:2: local.domains must be a domain such as example.com, not \"-x\""},
        {"queue.retry =", "f:1: queue.retry has 0 items; it must have 1 to 32"},
        {"queue.retry = 1m 0s", "f:1: queue.retry must have durations between 1s and 30d, not \"0s\""},
        {"listen.smtp = 25", "f:1: listen.smtp must be an address with a port, such as *:587, 192.0.2.1:587 "
                             "or [2001:db8::1]:587, not \"25\""},
        {"listen.smtp = *:25\n\nlisten.smtp = *:25", "f:3: listen.smtp has *:25, which it has, too"},
        {"local.delivery = mbox:/x", "f:1: local.delivery must be maildir:/PATH, lmtp:unix:/PATH or "
                                     "lmtp:HOST:PORT (in PATH only %u, %n and %d), not \"mbox:/x\""},
        {"local.postmaster = me",
         "f:1: local.postmaster must be an address such as postmaster@example.com, not \"me\""},
        {"help.url = example.com",
         "f:1: help.url must be an address such as https://example.com, not \"example.com\""},
        {"relay.smarthost = smtp.example.com:99999",
         "f:1: relay.smarthost must be HOST or HOST:PORT, such as smtp.example.com:587, not "
         "\"smtp.example.com:99999\""},
        {"guard.block_for = 0s",
         "f:1: guard.block_for must be a duration between 1s and 366d, such as 1h, or "
         "forever, not \"0s\""},
        {"guard.allow = 192.0.2.0/24 a.example 192.0.2.1/33",
         "f:1: guard.allow must have addresses, networks such as 192.0.2.0/24, or host names, not "
         "\"192.0.2.1/33\""},
        {"guard.never = own, everything",
         "f:1: guard.never must have addresses, networks such as 192.0.2.0/24, "
         "or the words loopback and own, not \"everything\""},
        {"x\177y = 1", "f:1: the line has a control character"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_mistakes(rows[i].text, rows[i].mistakes);
}

static void rows_are_checked_together(void **state)
{
    (void)state;
    static const char submission[] = "listen.smtp = *:25\nlisten.submission = *:587\n";
    assert_mistakes(submission, "f:2: listen.submission needs TLS: set tls.certificate and tls.key");
    assert_mistakes("tls.key = /k\n", "f:1: tls.key needs tls.certificate, too");
    assert_mistakes("user = x\ntls.certificate = /c\n", "f:2: tls.certificate needs tls.key, too");
    assert_mistakes("listen.smtp = *:25\nlisten.submission = *:25\ntls.certificate = /c\ntls.key = /k",
                    "f:2: listen.submission has *:25, which listen.smtp has, too");
    assert_mistakes("relay.user = me\n",
                    "f:1: relay.user needs relay.password_file\nf:1: relay.user needs relay.smarthost");
    struct buf text = BUF_INIT(4096);
    buf_printf(&text, "data_dir = /%0120d", 1);
    assert_mistakes(
        buf_str(&text),
        "f:1: data_dir is too long to hold the control socket: set control.socket to a shorter path");
    buf_printf(&text, "\ncontrol.socket = /s");
    const struct settings *s = parse_good(buf_str(&text));
    settings_release(&s);
    buf_free(&text);
    s = parse_good("tls.certificate = /c\ntls.key = /k\nlisten.submissions = *:465");
    settings_release(&s);
}

static void strange_bytes_are_refused_and_escaped(void **state)
{
    (void)state;
    struct buf error = BUF_INIT(65536), text = BUF_INIT(FILE_SIZE_MAX);
    assert_null(settings_parse(span_from("user = a\0b", 10), "f", &error));
    assert_string_equal(buf_str(&error), "f:1: the line has a NUL byte");

    buf_clear(&error);
    assert_null(settings_parse(span_from("loops = \xff\"\n", 11), "f", &error));
    assert_string_equal(buf_str(&error), "f:1: loops must be a number, not \"\\377\\\"\"");

    buf_clear(&error);
    buf_printf(&text, "user = %0*d\n", LINE_LEN_MAX, 1);
    assert_null(parse(buf_str(&text), &error));
    assert_string_equal(buf_str(&error), "f:1: the line is too long");

    buf_clear(&error);
    buf_clear(&text);
    for (int i = 0; i < 60; i++)
        buf_add_str(&text, "x\n");
    assert_null(parse(buf_str(&text), &error));
    assert_non_null(strstr(buf_str(&error), "f:50: there is no"));
    assert_null(strstr(buf_str(&error), "f:51:"));
    assert_non_null(strstr(buf_str(&error), "\nf: and 10 more"));
    buf_free(&error);
    buf_free(&text);
}

static void values_keep_through_quotes(void **state)
{
    (void)state;
    static const char *const values[] = {"",   "a",     " a",  "a ",    "\"",  "\"a\"",    "a\"b",
                                         "\\", "a\\\"", "# a", "a # b", "a#b", "\" # \\\\"};
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct buf text = BUF_INIT(256);
        buf_add_str(&text, "relay.ca_file = ");
        value_quote(span_of(values[i]), &text);
        buf_add_str(&text, " # comment\n");
        const struct settings *s = parse_good(buf_str(&text));
        assert_string_equal(s->relay_ca_file, values[i]);
        settings_release(&s);
        buf_free(&text);
    }
}

/* ---- hosts and ports ---- */

static void listen_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        uint16_t port;
    } good[] = {{"*:25", "*", 25},
                {"127.0.0.1:2525", "127.0.0.1", 2525},
                {"[::1]:65535", "::1", 65535},
                {"localhost:1", "localhost", 1},
                {"mail_1.example.com:587", "mail_1.example.com", 587}};
    static const char *const bad[] = {"",        ":25",         "*",           "*:",       "*:0",
                                      "*:65536", "*:25x",       "* :25",       "::1:25",   "[::1]",
                                      "[::1]25", "[::1:25",     "[1.2.3.4]:5", "1.2.3:25", "a",
                                      "a:",      "a b:25",      "-a:25",       "*:-1",     "a:25:26",
                                      "[]:25",   "1.2.3.256:25"};
    char host[64];
    uint16_t port;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(settings_parse_listen(good[i].text, host, &port));
        assert_string_equal(host, good[i].host);
        assert_int_equal(port, good[i].port);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (settings_parse_listen(bad[i], host, &port))
            fail_msg("\"%s\" was taken", bad[i]);
    char longest[80];
    snprintf(longest, sizeof longest, "%063d.a:25", 0); /* 65 bytes of host */
    assert_false(settings_parse_listen(longest, host, &port));
}

static void hosts_with_a_fallback_port(void **state)
{
    (void)state;
    char host[HOST_TEXT_MAX];
    uint16_t port = 0;
    assert_true(settings_parse_host(span_of("smtp.example.com"), 25, host, &port));
    assert_string_equal(host, "smtp.example.com");
    assert_int_equal(port, 25);
    assert_true(settings_parse_host(span_of("[2001:db8::1]"), 25, host, &port));
    assert_string_equal(host, "2001:db8::1");
    assert_true(settings_parse_host(span_of("h:465"), 25, host, &port));
    assert_int_equal(port, 465);
    assert_false(settings_parse_host(span_of("h"), 0, host, &port));
    assert_false(settings_parse_host(span_of("h:"), 25, host, &port));
    assert_false(settings_parse_host(span_from("h\0:25", 5), 25, host, &port));
}

static void forms_of_delivery_and_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum row_index row;
        bool ok;
    } rows[] = {
        {"maildir:/var/mail/%d/%n", ROW_local_delivery, true},
        {"maildir:/m/%u", ROW_local_delivery, true},
        {"maildir:mail", ROW_local_delivery, false},
        {"maildir:/m/%x", ROW_local_delivery, false},
        {"maildir:/m/%", ROW_local_delivery, false},
        {"lmtp:unix:/run/lmtp", ROW_local_delivery, true},
        {"lmtp:unix:lmtp", ROW_local_delivery, false},
        {"lmtp:127.0.0.1:24", ROW_local_delivery, true},
        {"lmtp:[::1]:24", ROW_local_delivery, true},
        {"lmtp:localhost", ROW_local_delivery, false},
        {"", ROW_local_delivery, false},
        {"a.b+c@example.com", ROW_local_postmaster, true},
        {"", ROW_local_postmaster, true},
        {"a..b@example.com", ROW_local_postmaster, false},
        {".a@example.com", ROW_local_postmaster, false},
        {"a.@example.com", ROW_local_postmaster, false},
        {"a b@example.com", ROW_local_postmaster, false},
        {"a@b@c", ROW_local_postmaster, false},
        {"@example.com", ROW_local_postmaster, false},
        {"a@1.2.3.4", ROW_local_postmaster, false},
        {"mail.example.com", ROW_hostname, true},
        {"localhost", ROW_hostname, true},
        {"a..b", ROW_hostname, false},
        {"example.com.", ROW_hostname, false},
        {"https://example.com/help", ROW_help_url, true},
        {"https://example.com/a b", ROW_help_url, false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf why = BUF_INIT(WHY_MAX);
        if (check_value(rows[i].row, span_of(rows[i].text), &why) != rows[i].ok)
            fail_msg("%s", rows[i].text);
        assert_true(rows[i].ok == (why.len == 0));
        buf_free(&why);
    }
}

static void networks(void **state)
{
    (void)state;
    static const struct {
        const char *text, *address; /* NULL: refused */
        unsigned bits;
    } rows[] = {
        {"192.0.2.7", "192.0.2.7", 32},
        {"192.0.2.7/32", "192.0.2.7", 32},
        {"192.0.2.7/24", "192.0.2.0", 24},
        {"192.0.2.255/25", "192.0.2.128", 25},
        {"203.0.113.9/0", "0.0.0.0", 0},
        {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", 128},
        {"2001:db8:1:2:3:4:5:6/61", "2001:db8:1::", 61},
        {"2001:db8::1/0", "::", 0},
        {"::ffff:192.0.2.7", "192.0.2.7", 32},
        {"::ffff:192.0.2.7/120", "192.0.2.0", 24},
        {"::ffff:192.0.2.7/95", NULL, 0},
        {"192.0.2.7/33", NULL, 0},
        {"2001:db8::/129", NULL, 0},
        {"192.0.2.7/", NULL, 0},
        {"192.0.2.7/-1", NULL, 0},
        {"192.0.2.7/24/24", NULL, 0},
        {"192.0.2.7/255.255.255.0", NULL, 0},
        {"/24", NULL, 0},
        {"", NULL, 0},
        {"192.0.2", NULL, 0},
        {"example.com", NULL, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct addr address = {0};
        unsigned bits = 77;
        char text[ADDR_TEXT_MAX];
        bool ok = settings_parse_network(span_of(rows[i].text), &address, &bits);
        if (ok != (rows[i].address != NULL))
            fail_msg("%s", rows[i].text);
        assert_string_equal(addr_text(&address, text), ok ? rows[i].address : "-");
        assert_int_equal(bits, ok ? rows[i].bits : 77);
    }
    struct addr address;
    unsigned bits;
    assert_false(settings_parse_network(span_from("192.0.2.7\0x", 11), &address, &bits));
}

static void lists_of_the_guard_may_be_emptied(void **state)
{
    (void)state;
    const struct settings *s =
        parse_good("guard.never =\nguard.block_for = forever\nguard.allow = a.example ::1");
    assert_int_equal(s->guard_never.n, 0);
    assert_int_equal(s->guard_allow.n, 2);
    assert_string_equal(s->guard_block_for, "forever");
    settings_release(&s);
}

/* ---- sharing ---- */

enum { ROUNDS = 2000, READERS = 4 };

static void *read_often(void *arg)
{
    struct settings_cell *cell = arg;
    size_t sum = 0;
    for (int i = 0; i < ROUNDS; i++) {
        const struct settings *s = settings_cell_get(cell);
        sum += strlen(s->hostname) + s->queue_retry.n;
        settings_release(&s);
    }
    return sum > 0 ? cell : NULL;
}

static void a_reload_leaves_holders_in_peace(void **state)
{
    (void)state;
    pthread_t readers[READERS];
    struct settings_cell *cell = settings_cell_make(parse_good("hostname = first.example"));
    const struct settings *first = settings_cell_get(cell);
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_often, cell), 0);
    for (int i = 0; i < ROUNDS / 20; i++)
        settings_cell_set(cell, parse_good("hostname = later.example\nqueue.retry = 1m"));
    for (size_t i = 0; i < READERS; i++) {
        void *result = NULL;
        pthread_join(readers[i], &result);
        assert_ptr_equal(result, cell);
    }
    assert_string_equal(first->hostname, "first.example");
    const struct settings *now = settings_cell_get(cell);
    settings_cell_free(&cell);
    assert_null(cell);
    assert_string_equal(now->hostname, "later.example");
    const struct settings *second = settings_hold(now);
    settings_release(&now);
    assert_string_equal(second->hostname, "later.example");
    settings_release(&second);
    settings_release(&second); /* of nothing */
    settings_release(&first);
}

/* ---- changing a file ---- */

static void edits_keep_the_rest(void **state)
{
    (void)state;
    static const struct {
        const char *before, *name, *value, *after;
    } rows[] = {
        {"", "user", "x", "user = x\n"},
        {"# a", "user", "x", "# a\nuser = x\n"},
        {"# a\n", "user", "x", "# a\nuser = x\n"},
        {"user = a # why\n\nloops = 1\n", "user", "x", "user = x # why\n\nloops = 1\n"},
        {"  user=a\n", "user", "x", "  user= x\n"},
        {"user =\n", "user", "x", "user = x\n"},
        {"user = # none\n", "user", "x", "user = x # none\n"},
        {"user = a", "user", "x", "user = x"},
        {"user = \"a # b\"# c\n", "user", "x y", "user = x y # c\n"},
        {"#user = gatepost\nloops = 1\n", "user", "x", "#user = gatepost\nuser = x\nloops = 1\n"},
        {"#user = gatepost", "user", "x", "#user = gatepost\nuser = x\n"},
        {"#user = gatepost\nuser = a\n", "user", NULL, "#user = gatepost\n"},
        {"#user = gatepost\n", "user", NULL, "#user = gatepost\n"},
        {"# user is who it runs as\nloops = 1\n", "user", "x",
         "# user is who it runs as\nloops = 1\nuser = x\n"},
        {"listen.smtp = a:1 # one\nuser = a\nlisten.smtp = b:2 # two\n", "listen.smtp", "*:25",
         "listen.smtp = *:25 # one\nuser = a\n"},
        {"listen.smtp = a:1\nuser = a\nlisten.smtp = b:2\n", "listen.smtp", NULL, "user = a\n"},
        {"#user = a\r\nloops = 1\r\n", "user", "x", "#user = a\r\nuser = x\r\nloops = 1\r\n"},
        {"user = a\r\n", "user", "x", "user = x\r\n"},
        {"loops = 1\r\n", "user", "x", "loops = 1\r\nuser = x\r\n"},
        {"help.url =\n", "relay.user", "# odd", "help.url =\nrelay.user = \"# odd\"\n"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf out = BUF_INIT(4096);
        settings_edit(span_of(rows[i].before), (enum row_index)settings_find(rows[i].name, NULL),
                      rows[i].value, &out);
        assert_string_equal(buf_str(&out), rows[i].after);
        buf_free(&out);
    }
}

struct place {
    char folder[64], file[96], link[96];
};

static void place_make(struct place *p, const char *text, mode_t mode)
{
    snprintf(p->folder, sizeof p->folder, "/tmp/gatepost-settings-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->file, sizeof p->file, "%s/gatepost.conf", p->folder);
    snprintf(p->link, sizeof p->link, "%s/link.conf", p->folder);
    assert_int_equal(file_replace(p->file, text, strlen(text), mode), 0);
    assert_int_equal(symlink("gatepost.conf", p->link), 0);
}

static void place_free(struct place *p)
{
    unlink(p->link);
    unlink(p->file);
    assert_int_equal(rmdir(p->folder), 0); /* nothing was left behind */
}

static void assert_content(const char *path, const char *text)
{
    struct buf content;
    assert_int_equal(file_read(path, FILE_SIZE_MAX, &content), 0);
    assert_string_equal(buf_str(&content), text);
    buf_free(&content);
}

static void a_change_keeps_file_mode_and_owner(void **state)
{
    (void)state;
    struct place p;
    struct stat st;
    struct buf error = BUF_INIT(4096);
    place_make(&p, "# ours\n#user = gatepost\n", 0640);
    if (geteuid() == 0)
        assert_int_equal(chown(p.file, 12345, 23456), 0);
    assert_int_equal(settings_file_set(p.link, "user", "mail", &error), 0);
    assert_int_equal(error.len, 0);
    assert_content(p.file, "# ours\n#user = gatepost\nuser = mail\n");
    assert_int_equal(lstat(p.link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat(p.file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(st.st_uid, geteuid() == 0 ? 12345 : geteuid());
    if (geteuid() == 0)
        assert_int_equal(st.st_gid, 23456);
    assert_int_equal(settings_file_set(p.file, "user", NULL, &error), 0);
    assert_content(p.file, "# ours\n#user = gatepost\n");
    place_free(&p);
}

static void a_wrong_change_leaves_the_file(void **state)
{
    (void)state;
    static const char text[] = "user = mail\n";
    static const struct {
        const char *name, *value, *error;
    } rows[] = {
        {"loops", "many", ":2: loops must be a number, not \"many\""},
        {"listen.submission", "*:587", ":2: listen.submission needs TLS: set tls.certificate and tls.key"},
        {"usr", "x", "unknown setting \"usr\"; did you mean user?"},
        {"user", "a\nloops = 1", "the value has a line end or another control character"},
        {"user", "", ":1: user needs a value"},
    };
    struct place p;
    place_make(&p, text, 0600);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf error = BUF_INIT(4096);
        assert_int_equal(settings_file_set(p.file, rows[i].name, rows[i].value, &error), -1);
        assert_non_null(strstr(buf_str(&error), rows[i].error));
        assert_content(p.file, text);
        buf_free(&error);
    }
    place_free(&p);
    struct buf error = BUF_INIT(4096);
    assert_int_equal(settings_file_set(p.file, "user", "x", &error), -1);
    assert_non_null(strstr(buf_str(&error), "No such file or directory"));
    buf_free(&error);
}

static void *set_one(void *arg)
{
    struct buf error = BUF_INIT(4096);
    const char *const *job = arg;
    int r = settings_file_set(job[0], job[1], job[2], &error);
    buf_free(&error);
    return r == 0 ? arg : NULL;
}

/* Two who change the file at once must not undo each other's change. */
static void changes_at_once_all_stay(void **state)
{
    (void)state;
    static const char *const changes[][2] = {
        {"user", "u"},         {"loops", "3"},     {"help.url", "https://h"}, {"courier.hold", "yes"},
        {"tls.silence", "5s"}, {"log.file", "/l"}, {"hostname", "h"},         {"auth.cache", "1m"}};
    struct place p;
    pthread_t threads[COUNT_OF(changes)];
    const char *jobs[COUNT_OF(changes)][3];
    place_make(&p, "", 0600);
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        jobs[i][0] = p.file;
        jobs[i][1] = changes[i][0];
        jobs[i][2] = changes[i][1];
        assert_int_equal(pthread_create(&threads[i], NULL, set_one, jobs[i]), 0);
    }
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        void *result = NULL;
        pthread_join(threads[i], &result);
        assert_ptr_equal(result, jobs[i]);
    }
    struct buf error = BUF_INIT(4096);
    const struct settings *s = settings_load(p.file, &error);
    assert_non_null(s);
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        char *value = value_of(s, (size_t)settings_find(changes[i][0], NULL));
        assert_string_equal(value, changes[i][1]);
        free(value);
    }
    settings_release(&s);
    place_free(&p);
}

static void files_are_loaded_or_refused(void **state)
{
    (void)state;
    struct place p;
    struct buf error = BUF_INIT(4096), large = BUF_INIT((size_t)2 * FILE_SIZE_MAX), expected = BUF_INIT(256);
    place_make(&p, "user = mail\n", 0600);
    const struct settings *s = settings_load(p.file, &error);
    assert_non_null(s);
    assert_string_equal(s->user, "mail");
    assert_string_equal(s->path, p.file);
    settings_release(&s);
    int fd = open(p.file, O_RDONLY | O_CLOEXEC);
    s = settings_load_fd(fd, "name", &error);
    assert_string_equal(s->path, "name");
    settings_release(&s);
    fd_close(&fd);

    while (large.len <= FILE_SIZE_MAX)
        buf_add_str(&large, "# a comment of some length that fills the file\n");
    assert_int_equal(file_replace(p.file, large.data, large.len, 0600), 0);
    assert_null(settings_load(p.file, &error));
    buf_printf(&expected, "%s: larger than %d bytes", p.file, FILE_SIZE_MAX);
    assert_string_equal(buf_str(&error), buf_str(&expected));
    buf_clear(&error);
    assert_null(settings_load(p.folder, &error));
    assert_non_null(strstr(buf_str(&error), "Is a directory"));
    place_free(&p);
    buf_free(&error);
    buf_free(&large);
    buf_free(&expected);
}

/* ---- what is made from the table ---- */

static const struct {
    const char *path;
    void (*make)(struct buf *out);
} DOCUMENTS[] = {{"doc/settings.md", settings_manual}, {"doc/gatepost.conf.sample", settings_sample}};

static void documents_are_what_the_table_makes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(DOCUMENTS); i++) {
        struct buf made = BUF_INIT(FILE_SIZE_MAX), there;
        DOCUMENTS[i].make(&made);
        assert_false(made.overflow);
        if (file_read(DOCUMENTS[i].path, FILE_SIZE_MAX, &there) != 0 ||
            strcmp(buf_str(&made), buf_str(&there)) != 0)
            fail_msg("%s is not what settings/table.h makes: run test_settings --write", DOCUMENTS[i].path);
        buf_free(&made);
        buf_free(&there);
    }
}

static int write_documents(void)
{
    for (size_t i = 0; i < COUNT_OF(DOCUMENTS); i++) {
        struct buf made = BUF_INIT(FILE_SIZE_MAX);
        DOCUMENTS[i].make(&made);
        int r = file_replace(DOCUMENTS[i].path, made.data, made.len, 0644);
        buf_free(&made);
        if (r != 0) {
            fprintf(stderr, "%s: %s\n", DOCUMENTS[i].path, strerrordesc_np(-r));
            return 1;
        }
    }
    return 0;
}

/* Each line of the sample may be taken into force: its # off, the file is right and says what it said before.
 */
static void the_sample_is_a_file_of_defaults(void **state)
{
    (void)state;
    struct buf sample = BUF_INIT(FILE_SIZE_MAX), active = BUF_INIT(FILE_SIZE_MAX);
    settings_sample(&sample);
    struct span rest = span_from(sample.data, sample.len), end;
    size_t found = 0;
    while (rest.n > 0) {
        struct span line = line_take(&rest, &end);
        if (line.n > 1 && line.p[1] != ' ' && line_commented_name(line).n > 0) {
            line = span_skip(line, 1);
            found++;
        }
        buf_add(&active, line.p, line.n);
        buf_add_char(&active, '\n');
    }
    assert_int_equal(found, ROW_COUNT);
    const struct settings *plain = parse_good(buf_str(&sample)), *uncommented = parse_good(buf_str(&active));
    for (size_t i = 0; i < ROW_COUNT; i++) {
        char *a = value_of(plain, i), *b = value_of(uncommented, i);
        assert_string_equal(a, b);
        free(a);
        free(b);
    }
    settings_release(&plain);
    settings_release(&uncommented);
    buf_free(&sample);
    buf_free(&active);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default_meets_its_own_row),
        cmocka_unit_test(every_row_is_complete),
        cmocka_unit_test(values_print_as_the_file_has_them),
        cmocka_unit_test(lines_are_read_as_documented),
        cmocka_unit_test(lists_add_up),
        cmocka_unit_test(every_mistake_has_its_line),
        cmocka_unit_test(rows_are_checked_together),
        cmocka_unit_test(strange_bytes_are_refused_and_escaped),
        cmocka_unit_test(values_keep_through_quotes),
        cmocka_unit_test(listen_addresses),
        cmocka_unit_test(hosts_with_a_fallback_port),
        cmocka_unit_test(forms_of_delivery_and_addresses),
        cmocka_unit_test(networks),
        cmocka_unit_test(lists_of_the_guard_may_be_emptied),
        cmocka_unit_test(a_reload_leaves_holders_in_peace),
        cmocka_unit_test(edits_keep_the_rest),
        cmocka_unit_test(a_change_keeps_file_mode_and_owner),
        cmocka_unit_test(a_wrong_change_leaves_the_file),
        cmocka_unit_test(changes_at_once_all_stay),
        cmocka_unit_test(files_are_loaded_or_refused),
        cmocka_unit_test(documents_are_what_the_table_makes),
        cmocka_unit_test(the_sample_is_a_file_of_defaults),
    };
    if (argc == 2 && strcmp(argv[1], "--write") == 0)
        return write_documents();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
