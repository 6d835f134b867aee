/* SPDX-License-Identifier: MIT */
/* Sessions that come to a limit, to the wrong port, or to the end of somebody's patience. */
#include "smtp_help.h"

static struct identity identity;

/* Milliseconds until the server ends the connection; *reply has the last line before that. */
static uint64_t time_to_end(struct client *c, char reply[600])
{
    uint64_t before = clock_mono_ms();
    char line[600];
    reply[0] = '\0';
    while (hear(c, line)[0] != '\0')
        snprintf(reply, 600, "%s", line);
    client_close(c);
    return clock_mono_ms() - before;
}

static void assert_starts(const char *text, const char *start)
{
    if (strncmp(text, start, strlen(start)) != 0)
        fail_msg("expected %s, not %s", start, text);
}

static void envelope(struct client *c, const char *sender)
{
    char line[400];
    snprintf(line, sizeof line, "MAIL FROM:<%s>", sender);
    ask(c, line, "250 ");
    ask(c, "RCPT TO:<demo@example.com>", "250 ");
    ask(c, "DATA", "354 ");
}

/* ---- wrong ports ---- */

static void other_protocols_are_told_so(void **state)
{
    (void)state;
    static const struct {
        const char *say, *hear;
        enum listener_kind kind;
        enum cause_id cause;
    } rows[] = {
        {"EHLO laptop\r\n", "554 Port ", LISTENER_SUBMISSIONS, CAUSE_PLAIN_ON_TLS_PORT},
        {"GET / HTTP/1.1\r\n\r\n", "554 This is a mail server", LISTENER_SUBMISSIONS,
         CAUSE_HTTP_ON_MAIL_PORT},
        {"GET / HTTP/1.1\r\nEHLO x\r\n", "554 This is a mail server", LISTENER_SUBMISSION,
         CAUSE_HTTP_ON_MAIL_PORT},
        {"CONNECT x:25 HTTP/1.1\r\n", "554 This is a mail server", LISTENER_SMTP, CAUSE_HTTP_ON_MAIL_PORT},
        {"\x16\x03\x01\x02", "554 Port ", LISTENER_SUBMISSION, CAUSE_TLS_ON_PLAIN_PORT},
        {"\x16", "554 Port ", LISTENER_SMTP, CAUSE_TLS_ON_PLAIN_PORT},
    };
    struct office *o = open_office("", &identity);
    uint64_t counts[CAUSE_COUNT] = {0};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct client c = call(o, rows[i].kind);
        if (rows[i].kind != LISTENER_SUBMISSIONS)
            expect(&c, "220 ");
        client_say(&c, rows[i].say);
        expect(&c, rows[i].hear);
        expect_end(&c);
        await_cause(o, rows[i].cause, ++counts[rows[i].cause]);
    }
    close_office(&o);
}

static void silence_is_answered_where_tls_should_come(void **state)
{
    (void)state;
    struct office *o = open_office("tls.silence = 1s\n", &identity);
    struct client c = call(o, LISTENER_SUBMISSIONS);
    char reply[600];
    uint64_t took = time_to_end(&c, reply);
    assert_true(took >= 900 && took < 10000);
    assert_starts(reply, "554 Port ");
    await_cause(o, CAUSE_SILENCE_ON_TLS_PORT, 1);
    close_office(&o);
}

/* ---- waits ---- */

static void every_wait_has_an_end(void **state)
{
    (void)state;
    struct office *o =
        open_office("limit.command_wait = 1s\nlimit.login_wait = 1s\nlimit.data_wait = 1s\n", &identity);
    struct client clients[] = {greet(o, LISTENER_SMTP),        greet(o, LISTENER_SUBMISSION),
                               greet(o, LISTENER_SUBMISSIONS), greet(o, LISTENER_SMTP),
                               greet(o, LISTENER_SUBMISSION),  greet(o, LISTENER_SUBMISSIONS)};
    static const char *const REPLIES[] = {"421 4.4.2 mail.example.com SMTP command timeout",
                                          "421 4.4.2 mail.example.com SMTP command timeout",
                                          "421 4.4.2 mail.example.com No login in time",
                                          "421 4.4.2 mail.example.com SMTP incoming data timeout",
                                          "",
                                          "421 4.4.2 mail.example.com SMTP command timeout"};
    ask(&clients[2], "AUTH LOGIN", "334 ");
    envelope(&clients[3], "a@example.org");
    client_say(&clients[3], "Subject: stuck\r\n");
    ask(&clients[4], "STARTTLS", "220 ");
    client_say(&clients[5], "NOO"); /* half a command is none */
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        char reply[600];
        assert_true(time_to_end(&clients[i], reply) < 10000);
        assert_starts(reply, REPLIES[i]);
    }
    await_cause(o, CAUSE_COMMAND_TIMEOUT, 3);
    await_cause(o, CAUSE_LOGIN_TIMEOUT, 1);
    await_cause(o, CAUSE_DATA_TIMEOUT, 1);
    await_cause(o, CAUSE_TLS_TIMEOUT, 1);
    assert_queue(o, "");
    close_office(&o);
}

static void single_bytes_do_not_lengthen_a_wait(void **state)
{
    (void)state;
    struct office *o = open_office("limit.command_wait = 1s\n", &identity);
    struct client c = greet(o, LISTENER_SMTP);
    uint64_t before = clock_mono_ms();
    while (client_write(&c, "x", 1) && clock_mono_ms() - before < 5000) {
        struct pollfd readable = {c.fd, POLLIN, 0};
        if (poll(&readable, 1, 100) == 1)
            break;
    }
    expect(&c, "421 4.4.2");
    assert_true(clock_mono_ms() - before < 3000);
    client_close(&c);
    close_office(&o);
}

static void failed_logins_are_answered_in_their_time(void **state)
{
    (void)state;
    struct office *o = open_office("auth.failure_delay = 1s\nlimit.auth_failures = 2\n", &identity);
    struct client c = greet(o, LISTENER_SUBMISSIONS);
    uint64_t before = clock_mono_ms();
    log_in(&c, "wrong", "535 5.7.8 Incorrect authentication data");
    uint64_t took = clock_mono_ms() - before;
    assert_true(took >= 950 && took < 5000);
    log_in(&c, "wrong again", "535 5.7.8");
    expect(&c, "421 4.7.0 mail.example.com Too many failed logins");
    expect_end(&c);
    close_office(&o);
}

/* ---- connections ---- */

static void connections_are_counted(void **state)
{
    (void)state;
    struct office *o = open_office("limit.connections = 3\nlimit.connections_per_address = 2\n", &identity);
    struct client one = greet(o, LISTENER_SMTP), two = greet(o, LISTENER_SMTP),
                  three = call(o, LISTENER_SMTP);
    expect(&three, "421 mail.example.com Too many concurrent SMTP connections from this IP address");
    expect_end(&three);
    three = call(o, LISTENER_SUBMISSIONS); /* a plain line could not be read there */
    char byte;
    assert_int_equal(client_read(&three, &byte, 1), 0);
    client_close(&three);
    await_cause(o, CAUSE_CONNECTIONS_ADDRESS, 2);
    assert_int_equal(smtp_connections(o->smtp), 2);
    ask(&one, "QUIT", "221 ");
    expect_end(&one);
    for (int i = 0; i < PATIENCE_S * 100 && smtp_connections(o->smtp) > 1; i++)
        pause_ms(10);
    one = greet(o, LISTENER_SMTP); /* there is room again */
    client_close(&one);
    client_close(&two);
    close_office(&o);
}

/* ---- lines ---- */

static void long_lines_are_passed_over(void **state)
{
    (void)state;
    static char text[20000];
    struct office *o = open_office("limit.command_line = 512\nlimit.auth_line = 1K\n", &identity);
    struct client c = greet(o, LISTENER_SUBMISSIONS);
    memset(text, 'x', sizeof text - 1);
    for (size_t n = 600; n < sizeof text; n *= 3) {
        char *line = xstrndup(text, n);
        ask(&c, line, "500 5.5.2 Line too long");
        ask(&c, "NOOP", "250 ");
        memcpy(line, "AUTH PLAIN ", 11);
        ask(&c, line, n < 1024 ? "501 5.5.2" : "500 5.5.6");
        ask(&c, "AUTH LOGIN", "334 ");
        ask(&c, line + 11, n < 1024 ? "501 5.5.2" : "500 5.5.6");
        free(line);
    }
    client_close(&c);
    close_office(&o);
}

/* ---- messages ---- */

static void messages_that_are_refused_at_their_end(void **state)
{
    (void)state;
    static char long_line[1200], many_fields[6000], received[400];
    static const struct {
        const char *text, *reply;
    } rows[] = {
        {"x: y\r\n\r\nbare\nline\r\n", "550 5.6.0"},
        {"x: y\r\n\r\n\n.\n\r\nbare\r\n", "550 5.6.0"},
        {"x: y\r\n\r\nbare\rreturn\r\n", "550 5.6.0"},
        {long_line, "500 5.6.0"},
        {many_fields, "552 5.3.4"},
        {received, "554 5.4.6"},
        {"x: y\r\n\r\ngood\r\n", "250 2.0.0"},
    };
    memset(long_line, 'x', sizeof long_line - 3);
    memcpy(long_line + sizeof long_line - 3, "\r\n", 3);
    for (size_t n = 0; n + 20 < sizeof many_fields; n += 10)
        memcpy(many_fields + n, "X: abcde\r\n", 11);
    for (size_t n = 0; n < 6 * strlen("Received: by x; y\r\n"); n += strlen("Received: by x; y\r\n"))
        snprintf(received + n, sizeof received - n, "Received: by x; y\r\n");
    struct office *o = open_office(
        "limit.text_line = 1000\nlimit.header = 4K\nlimit.received = 5\nlimit.messages = 7\n", &identity);
    struct client c = greet(o, LISTENER_SMTP);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        envelope(&c, "a@example.org");
        client_say(&c, rows[i].text);
        char line[600];
        client_say(&c, ".\r\n");
        if (strncmp(hear(&c, line), rows[i].reply, strlen(rows[i].reply)) != 0)
            fail_msg("%zu: %s", i, line);
    }
    ask(&c, "MAIL FROM:<a@example.org>", "421 4.7.0 mail.example.com Too many messages");
    expect_end(&c);
    assert_queue(o, "<a@example.org> demo@example.com\n");
    close_office(&o);
}

static void a_mail_program_may_have_bare_line_ends(void **state)
{
    (void)state;
    struct office *o = open_office("", &identity);
    struct client c = greet(o, LISTENER_SUBMISSIONS);
    log_in(&c, PASSWORD, "235 ");
    ask(&c, "MAIL FROM:<other@example.com>", "553 5.7.1");
    envelope(&c, DEMO);
    ask(&c, "x: y\r\n\r\nbare\nline\n.\nMAIL FROM:<evil@example.com>\r\n.", "250 2.0.0");
    client_close(&c);
    assert_queue(o, "<demo@example.com> demo@example.com\n");
    close_office(&o);
}

static void large_messages_wait_for_the_disk(void **state)
{
    (void)state;
    enum { LINES = 300000 }; /* of 40 bytes */
    struct office *o = open_office("", &identity);
    struct client c = greet(o, LISTENER_SUBMISSIONS);
    struct buf text = BUF_INIT(1 << 24);
    log_in(&c, PASSWORD, "235 ");
    envelope(&c, DEMO);
    buf_add_str(&text, "Subject: large\r\n\r\n");
    for (int i = 0; i < LINES; i++)
        buf_printf(&text, "%s%036d\r\n", i % 10 == 0 ? "." : "", i);
    client_say(&c, buf_str(&text));
    client_say(&c, ".\r\nNOOP\r\n");
    expect(&c, "250 2.0.0 OK id=");
    expect(&c, "250 2.0.0 OK");
    client_close(&c);
    buf_free(&text);
    close_office(&o);
}

static void a_full_disk_is_told(void **state)
{
    (void)state;
    struct office *o = open_office("queue.min_free = 1024G\n", &identity);
    struct client c = greet(o, LISTENER_SMTP);
    envelope(&c, "a@example.org");
    ask(&c, "x: y\r\n\r\nz\r\n.", "452 4.3.1");
    ask(&c, "NOOP", "250 ");
    client_close(&c);
    await_cause(o, CAUSE_SPOOL_FULL, 1);
    close_office(&o);
}

static int setup(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    make_identity(&identity);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_protocols_are_told_so),
        cmocka_unit_test(silence_is_answered_where_tls_should_come),
        cmocka_unit_test(every_wait_has_an_end),
        cmocka_unit_test(single_bytes_do_not_lengthen_a_wait),
        cmocka_unit_test(failed_logins_are_answered_in_their_time),
        cmocka_unit_test(connections_are_counted),
        cmocka_unit_test(long_lines_are_passed_over),
        cmocka_unit_test(messages_that_are_refused_at_their_end),
        cmocka_unit_test(a_mail_program_may_have_bare_line_ends),
        cmocka_unit_test(large_messages_wait_for_the_disk),
        cmocka_unit_test(a_full_disk_is_told),
    };
    return cmocka_run_group_tests_name("smtp_limits", tests, setup, NULL);
}
