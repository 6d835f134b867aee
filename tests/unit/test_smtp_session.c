/* SPDX-License-Identifier: MIT */
/* Sessions in a whole server: what clients do to them that a polite test would not. */
#include "smtp_help.h"

static struct identity identity;

/* ---- clients that do not wait for answers ---- */

static const char TWO_MESSAGES[] = "EHLO mx.example.org\r\n"
                                   "MAIL FROM:<a@example.org>\r\nRCPT TO:<demo@example.com>\r\nDATA\r\n"
                                   "Subject: one\r\n\r\nfirst\r\n.\r\n"
                                   "MAIL FROM:<>\r\nRCPT TO:<demo@example.com>\r\nDATA\r\n"
                                   "Subject: two\r\n\r\nsecond\r\n.\r\n"
                                   "NOOP\r\n";

/* Says all of it, ends its side, and only then reads. */
static void says_all_and_listens(struct office *o, struct client c, const char *last)
{
    char line[600];
    client_say(&c, TWO_MESSAGES);
    client_say(&c, last);
    client_finish(&c);
    pause_ms(20);
    expect(&c, "220 ");
    expect(&c, "250 HELP");
    for (int message = 0; message < 2; message++) {
        expect(&c, "250 2.1.0");
        expect(&c, "250 2.1.5");
        expect(&c, "354 ");
        expect(&c, "250 2.0.0 OK id=");
    }
    expect(&c, "250 2.0.0 OK"); /* NOOP */
    assert_string_equal(hear(&c, line),
                        last[0] != '\0' ? "221 2.0.0 mail.example.com closing connection" : "");
    assert_true(c.ended || last[0] != '\0');
    if (!c.ended)
        expect_end(&c);
    else
        client_close(&c);
    (void)o;
}

static void a_client_that_ends_its_side_gets_its_answers(void **state)
{
    (void)state;
    struct office *o = open_office("limit.messages = 1000\n", &identity);
    for (int round = 0; round < 20; round++)
        says_all_and_listens(o, call(o, LISTENER_SMTP), round % 2 == 0 ? "QUIT\r\n" : "");
    for (int i = 0; i < PATIENCE_S * 100 && smtp_connections(o->smtp) > 0; i++)
        pause_ms(10);
    assert_int_equal(count_cause(o, CAUSE_LOST_CONNECTION), 10);
    close_office(&o);
}

static void the_same_inside_tls(void **state)
{
    (void)state;
    struct office *o = open_office("", &identity);
    for (int round = 0; round < 10; round++) {
        struct client c = greet(o, LISTENER_SUBMISSIONS);
        struct buf line = BUF_INIT(1024);
        plain_line(DEMO, PASSWORD, &line);
        buf_add_str(&line, "\r\nMAIL FROM:<demo@example.com>\r\nRCPT TO:<demo@example.com>\r\nDATA\r\nx: "
                           "y\r\n\r\nz\r\n.\r\n");
        client_say(&c, buf_str(&line));
        client_finish(&c); /* with close_notify */
        expect(&c, "235 ");
        expect(&c, "250 2.1.0");
        expect(&c, "250 2.1.5");
        expect(&c, "354 ");
        expect(&c, "250 2.0.0 OK id=");
        expect_end(&c); /* with ours */
        buf_free(&line);
    }
    close_office(&o);
}

static void answers_that_nobody_reads_yet_are_not_lost(void **state)
{
    (void)state;
    enum { COMMANDS = 9000 }; /* more than two megabytes of answers */
    struct office *o = open_office("limit.idle_commands = 10000\n", &identity);
    struct client c = greet(o, LISTENER_SMTP);
    struct buf commands = BUF_INIT(1 << 20);
    for (int i = 0; i < COMMANDS; i++)
        buf_add_str(&commands, "HELP\r\n");
    client_say(&c, buf_str(&commands));
    pause_ms(100);
    for (int i = 0; i < COMMANDS; i++)
        expect(&c, "214 2.0.0");
    ask(&c, "QUIT", "221 ");
    expect_end(&c);
    buf_free(&commands);
    close_office(&o);
}

static void a_thousand_recipients_in_one_go(void **state)
{
    (void)state;
    struct office *o = open_office("", &identity);
    struct client c = greet(o, LISTENER_SUBMISSIONS);
    struct buf commands = BUF_INIT(1 << 20);
    log_in(&c, PASSWORD, "235 ");
    buf_add_str(&commands, "MAIL FROM:<demo@example.com>\r\n");
    for (int i = 0; i < 1000; i++)
        buf_printf(&commands, "RCPT TO:<someone-with-a-long-name-%d@example.org>\r\n", i);
    buf_add_str(&commands, "RCPT TO:<one-too-many@example.org>\r\nRSET\r\n");
    client_say(&c, buf_str(&commands));
    expect(&c, "250 2.1.0");
    for (int i = 0; i < 1000; i++)
        expect(&c, "250 2.1.5");
    expect(&c, "452 4.5.3");
    expect(&c, "250 2.0.0");
    client_close(&c);
    buf_free(&commands);
    close_office(&o);
}

/* ---- STARTTLS ---- */

static void nothing_said_before_starttls_counts(void **state)
{
    (void)state;
    struct office *o = open_office("tls.required_for_auth = no\n", &identity);
    struct client c = greet(o, LISTENER_SUBMISSION);
    log_in(&c, PASSWORD, "235 ");
    ask(&c, "MAIL FROM:<demo@example.com>", "250 ");
    ask(&c, "STARTTLS", "220 2.0.0");
    client_tls(&c);
    ask(&c, "RCPT TO:<demo@example.com>", "550 5.7.1");
    ask(&c, "MAIL FROM:<demo@example.com>", "550 5.7.1 Use the same");
    ask(&c, "AUTH PLAIN", "503 5.5.1");
    ask(&c, "EHLO laptop", "250 ");
    log_in(&c, PASSWORD, "235 ");
    ask(&c, "MAIL FROM:<demo@example.com>", "250 ");
    ask(&c, "STARTTLS", "503 5.5.1 TLS already active");
    client_close(&c);
    close_office(&o);
}

static void commands_behind_starttls_are_an_attack(void **state)
{
    (void)state;
    struct office *o = open_office("", &identity);
    struct client c = greet(o, LISTENER_SUBMISSION);
    client_say(&c, "STARTTLS\r\nEHLO evil\r\n");
    expect(&c, "554 5.5.1");
    expect_end(&c);
    await_cause(o, CAUSE_STARTTLS_INJECTION, 1);
    /* behind the answer they are no ClientHello */
    c = greet(o, LISTENER_SUBMISSION);
    ask(&c, "STARTTLS", "220 ");
    client_say(&c, "EHLO evil\r\n");
    char byte;
    while (client_read(&c, &byte, 1) == 1) /* an alert, perhaps */
        continue;
    client_close(&c);
    await_cause(o, CAUSE_TLS_OTHER, 1); /* the port was right */
    assert_int_equal(count_cause(o, CAUSE_PLAIN_ON_TLS_PORT), 0);
    close_office(&o);
}

static void starttls_without_a_certificate(void **state)
{
    (void)state;
    struct office *o = open_office("", NULL);
    struct client c = greet(o, LISTENER_SUBMISSION);
    ask(&c, "STARTTLS", "454 4.7.0");
    ask(&c, "STARTTLS now", "501 5.5.4");
    smtp_set_tls(o->smtp, policy_of("", &identity)); /* a reload mends it */
    ask(&c, "STARTTLS", "220 ");
    client_tls(&c);
    ask(&c, "EHLO laptop", "250 ");
    client_close(&c);
    close_office(&o);
}

/* ---- codes ---- */

static void replies_of_the_rfcs(void **state)
{
    (void)state;
    static const struct {
        const char *say, *hear;
    } rows[] = {
        {"HELO", "501 Syntactically invalid"},
        {"MAIL FROM:<a@example.org>", "503 5.5.1 HELO"},
        {"AUTH PLAIN", "530 5.7.0"},
        {"HELO x", "250 mail.example.com"},
        {"EXPN staff", "502 5.5.1"},
        {"TURN", "502 5.5.1"},
        {"BDAT 10 LAST", "502 5.5.1"},
        {"XYZ", "500 5.5.1"},
        {"EHLO x", "250 HELP"},
        {"VRFY postmaster", "252 2.0.0"},
        {"NOOP whatever", "250 2.0.0"},
        {"RSET x", "501 5.5.4"},
        {"RCPT TO:<demo@example.com>", "503 5.5.1"},
        {"DATA", "503 5.5.1"},
        {"MAIL FROM:a@", "501 5.1.7"},
        {"MAIL FROM:<a@example.org> SIZE=99999999999999999999", "552 5.3.4"},
        {"MAIL FROM:<a@example.org> SIZE=1x", "501 5.5.4"},
        {"MAIL FROM:<a@example.org> SIZE=", "501 5.5.4"},
        {"MAIL FROM:<a@example.org> BODY=BINARYMIME", "501 5.5.4"},
        {"MAIL FROM:<a@example.org> SMTPUTF8", "555 5.5.4"},
        {"MAIL FROM:<a@example.org> SIZE=10 BODY=8BITMIME AUTH=<>", "250 2.1.0"},
        {"MAIL FROM:<a@example.org>", "503 5.5.1"},
        {"DATA", "554 5.5.1 No valid recipients"},
        {"RCPT TO:<demo@example.com> NOTIFY=NEVER", "555 5.5.4"},
        {"RCPT TO:<nobody@example.com>", "550 5.1.1"},
        {"RCPT TO:<x@example.org>", "550 5.7.1"},
        {"RCPT TO:<DEMO@EXAMPLE.COM>", "250 2.1.5"},
        {"RCPT TO:<Postmaster>", "250 2.1.5"},
        {"RSET", "250 2.0.0"},
        {"RCPT TO:<demo@example.com>", "503 5.5.1"},
    };
    struct office *o = open_office("limit.errors = 100\n", &identity);
    struct client c = call(o, LISTENER_SMTP);
    expect(&c, "220 ");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char line[600];
        client_say(&c, rows[i].say);
        client_say(&c, "\r\n");
        do /* of a reply with a fix the first line counts */
            client_line(&c, line, sizeof line);
        while (rows[i].say[0] == 'E' && line[3] == '-');
        char first[600];
        snprintf(first, sizeof first, "%s", line);
        while (line[3] == '-')
            client_line(&c, line, sizeof line);
        if (first[3] == '-')
            first[3] = ' ';
        if (strncmp(first, rows[i].hear, strlen(rows[i].hear)) != 0)
            fail_msg("%s: %s", rows[i].say, first);
    }
    client_close(&c);
    close_office(&o);
}

static void logins_out_of_place(void **state)
{
    (void)state;
    struct office *o = open_office("", &identity);
    struct client c = call(o, LISTENER_SUBMISSIONS);
    client_tls(&c);
    expect(&c, "220 ");
    ask(&c, "AUTH PLAIN", "503 5.5.1 AUTH command used when not advertised");
    ask(&c, "EHLO laptop", "250 ");
    ask(&c, "AUTH", "501 5.5.4");
    ask(&c, "AUTH cGFzc3dvcmQ=", "501 5.5.4 Syntax error: AUTH and a mechanism expected");
    ask(&c, "AUTH NTLM", "504 5.5.4");
    log_in(&c, PASSWORD, "235 2.7.0");
    ask(&c, "AUTH PLAIN", "503 5.5.1 already authenticated");
    client_close(&c);
    c = greet(o, LISTENER_SMTP);
    ask(&c, "STARTTLS", "220 ");
    client_tls(&c);
    ask(&c, "EHLO laptop", "250 ");
    ask(&c, "MAIL FROM:<a@example.org>", "250 ");
    ask(&c, "AUTH PLAIN", "503 5.5.1 not permitted in mail transaction");
    client_close(&c);
    close_office(&o);
}

static void others_local_parts_keep_their_case(void **state)
{
    (void)state;
    struct office *o = open_office("", &identity);
    struct client c = greet(o, LISTENER_SUBMISSIONS);
    log_in(&c, PASSWORD, "235 ");
    ask(&c, "MAIL FROM:<Demo@Example.com>", "250 ");
    ask(&c, "RCPT TO:<Some.One@Example.ORG>", "250 ");
    ask(&c, "RCPT TO:<some.one@example.org>", "250 ");
    ask(&c, "RCPT TO:<Some.One@example.org>", "250 ");
    ask(&c, "RCPT TO:<DEMO@Example.Com>", "250 ");
    ask(&c, "RCPT TO:<demo@example.com>", "250 ");
    ask(&c, "DATA", "354 ");
    ask(&c, "x: y\r\n\r\nz\r\n.", "250 ");
    client_close(&c);
    assert_queue(o, "<Demo@Example.com> Some.One@example.org demo@example.com some.one@example.org\n");
    close_office(&o);
}

/* ---- limits ---- */

static void talk_without_mail_has_an_end(void **state)
{
    (void)state;
    struct office *o = open_office("limit.idle_commands = 10\n", &identity);
    struct client c = greet(o, LISTENER_SMTP); /* EHLO is the first */
    for (int i = 0; i < 9; i++) {
        ask(&c, "MAIL FROM:<a@example.org>", "250 ");
        ask(&c, "RSET", "250 ");
    }
    ask(&c, "RSET", "421 4.7.0 mail.example.com Too many nonmail commands");
    expect_end(&c);
    close_office(&o);
}

static void logins_that_come_to_nothing_have_an_end(void **state)
{
    (void)state;
    struct office *o = open_office("limit.errors = 5\n", &identity);
    struct client c = greet(o, LISTENER_SUBMISSIONS);
    for (int i = 0; i < 5; i++) {
        ask(&c, "AUTH LOGIN", "334 ");
        ask(&c, i % 2 == 0 ? "*" : "not base64", "501 5.");
    }
    expect(&c, "421 4.7.0 mail.example.com Too many syntax or protocol errors");
    expect_end(&c);
    close_office(&o);
}

static void be_an_hour_older(void *arg)
{
    struct office *o = arg;
    for (struct session *s = o->smtp->loops[0].sessions; s != NULL; s = s->next)
        s->opened_ms -= 3600000;
}

static void who_talks_all_the_time_is_ended_too(void **state)
{
    (void)state;
    struct office *o = open_office("", &identity);
    struct client c = greet(o, LISTENER_SMTP);
    ask(&c, "NOOP", "250 ");
    on_loop(o->smtp->loops[0].loop, be_an_hour_older, o);
    ask(&c, "NOOP", "421 4.4.2 mail.example.com Connection lasted too long");
    expect_end(&c);
    await_cause(o, CAUSE_SESSION_TIMEOUT, 1);
    close_office(&o);
}

/* RFC 1870, section 3: what the client sends counts, not what we add. */
static void a_message_may_be_as_large_as_we_said(void **state)
{
    (void)state;
    struct office *o = open_office("message.max_size = 2000\n", &identity);
    struct client c = greet(o, LISTENER_SMTP);
    for (size_t more = 0; more < 2; more++) {
        struct buf text = BUF_INIT(2100);
        buf_add_str(&text, "Subject: x\r\n\r\n");
        while (text.len < 1900)
            buf_add_str(&text, "a line of twenty-four..\r\n");
        while (text.len < 1998 + more)
            buf_add_char(&text, 'x');
        buf_add_str(&text, "\r\n");
        ask(&c, "MAIL FROM:<a@example.org> SIZE=2000", "250 ");
        ask(&c, "RCPT TO:<demo@example.com>", "250 ");
        ask(&c, "DATA", "354 ");
        client_say(&c, buf_str(&text));
        buf_free(&text);
        ask(&c, ".", more == 0 ? "250 2.0.0 OK" : "552 5.3.4");
    }
    client_close(&c);
    close_office(&o);
}

/* ---- secrets ---- */

static void what_follows_auth_is_in_no_log(void **state)
{
    (void)state;
    static const char *const SECRETS[] = {"c2VjcmV0cGFzc3dvcmQ=", "AGRlbW9AZXhhbXBsZS5jb20Ac2VjcmV0"};
    struct office *o = open_office("", &identity);
    struct buf log = {0};
    char path[128];
    struct client c = greet(o, LISTENER_SUBMISSION);
    ask(&c, "AUTH LOGIN", "530 "); /* no TLS; a rude client goes on all the same */
    ask(&c, SECRETS[0], "500 5.5.1");
    ask(&c, SECRETS[1], "500 5.5.1");
    ask(&c, "NOOP", "250 ");
    ask(&c, "visible nonsense", "500 5.5.1");
    client_close(&c);
    assert_true(journal_flush(o->journal, (uint64_t)PATIENCE_S * 1000));
    snprintf(path, sizeof path, "%s/log", o->dir);
    assert_int_equal(file_read(path, 1 << 20, &log), 0);
    for (size_t i = 0; i < COUNT_OF(SECRETS); i++)
        assert_null(strstr(buf_str(&log), SECRETS[i]));
    assert_non_null(strstr(buf_str(&log), "visible nonsense"));
    buf_free(&log);
    close_office(&o);
}

/* ---- clients that go away, and a server that does ---- */

static void clients_that_vanish_at_any_moment(void **state)
{
    (void)state;
    struct office *o = open_office("", &identity);
    struct buf login = BUF_INIT(1024);
    plain_line(DEMO, "wrong", &login);
    for (int round = 0; round < 60; round++) {
        struct client c = greet(o, round % 4 == 3 ? LISTENER_SUBMISSIONS : LISTENER_SMTP);
        if (round % 4 == 3) {
            client_say(&c, buf_str(&login)); /* while its hash is computed, or its answer waits */
            client_say(&c, "\r\n");
        } else {
            ask(&c, "MAIL FROM:<a@example.org>", "250 ");
            ask(&c, "RCPT TO:<demo@example.com>", "250 ");
            ask(&c, "DATA", "354 ");
            client_say(&c, round % 4 == 0 ? "x: y\r\n\r\nz\r\n.\r\n"
                                          : "x: y\r\n\r\nz\r\n"); /* while it is committed */
        }
        if (round % 3 == 0)
            pause_ms(round % 5);
        close_hard(&c.fd);
        client_close(&c);
    }
    for (int i = 0; i < PATIENCE_S * 100 && smtp_connections(o->smtp) > 0; i++)
        pause_ms(10);
    assert_int_equal(smtp_connections(o->smtp), 0);
    buf_free(&login);
    close_office(&o);
}

static void draining_lets_a_message_be_finished(void **state)
{
    (void)state;
    struct office *o = open_office("", &identity);
    struct client idle = greet(o, LISTENER_SMTP), sending = greet(o, LISTENER_SMTP),
                  silent = call(o, LISTENER_SUBMISSIONS);
    struct client shaking = greet(o, LISTENER_SUBMISSION), login = greet(o, LISTENER_SUBMISSIONS);
    ask(&shaking, "STARTTLS", "220 ");
    ask(&login, "AUTH LOGIN", "334 ");
    ask(&sending, "MAIL FROM:<a@example.org>", "250 ");
    ask(&sending, "RCPT TO:<demo@example.com>", "250 ");
    ask(&sending, "DATA", "354 ");
    smtp_drain(o->smtp);
    smtp_drain(o->smtp); /* twice is once */
    expect(&idle, "421 4.3.2");
    expect_end(&idle);
    expect(&login, "421 4.3.2");
    expect_end(&login);
    char byte;
    assert_int_equal(client_read(&silent, &byte, 1), 0);
    assert_int_equal(client_read(&shaking, &byte, 1), 0);
    client_close(&silent);
    client_close(&shaking);
    assert_int_equal(tcp_connect("127.0.0.1", o->ports[LISTENER_SMTP]), -1);
    ask(&sending, "x: y\r\n\r\nz\r\n.", "250 2.0.0 OK id=");
    expect(&sending, "421 4.3.2");
    expect_end(&sending);
    assert_queue(o, "<a@example.org> demo@example.com\n");
    close_office(&o);
}

static void an_end_amid_everything(void **state)
{
    (void)state;
    for (int round = 0; round < 8; round++) {
        struct office *o = open_office("", &identity);
        struct client clients[6] = {greet(o, LISTENER_SMTP),        greet(o, LISTENER_SMTP),
                                    call(o, LISTENER_SUBMISSIONS),  greet(o, LISTENER_SUBMISSION),
                                    greet(o, LISTENER_SUBMISSIONS), greet(o, LISTENER_SMTP)};
        struct buf login = BUF_INIT(1024);
        for (size_t i = 0; i < 6; i += 5) {
            ask(&clients[i], "MAIL FROM:<a@example.org>", "250 ");
            ask(&clients[i], "RCPT TO:<demo@example.com>", "250 ");
            ask(&clients[i], "DATA", "354 ");
        }
        ask(&clients[3], "STARTTLS", "220 ");
        plain_line(DEMO, "wrong", &login);
        buf_add_str(&login, "\r\n");
        client_say(&clients[4], buf_str(&login));
        client_say(&clients[5], "x: y\r\n\r\nz\r\n.\r\n");
        pause_ms((long)round * 4);
        close_office(&o);
        for (size_t i = 0; i < COUNT_OF(clients); i++)
            client_close(&clients[i]);
        buf_free(&login);
    }
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
        cmocka_unit_test(a_client_that_ends_its_side_gets_its_answers),
        cmocka_unit_test(the_same_inside_tls),
        cmocka_unit_test(answers_that_nobody_reads_yet_are_not_lost),
        cmocka_unit_test(a_thousand_recipients_in_one_go),
        cmocka_unit_test(nothing_said_before_starttls_counts),
        cmocka_unit_test(commands_behind_starttls_are_an_attack),
        cmocka_unit_test(starttls_without_a_certificate),
        cmocka_unit_test(replies_of_the_rfcs),
        cmocka_unit_test(logins_out_of_place),
        cmocka_unit_test(others_local_parts_keep_their_case),
        cmocka_unit_test(talk_without_mail_has_an_end),
        cmocka_unit_test(logins_that_come_to_nothing_have_an_end),
        cmocka_unit_test(who_talks_all_the_time_is_ended_too),
        cmocka_unit_test(a_message_may_be_as_large_as_we_said),
        cmocka_unit_test(what_follows_auth_is_in_no_log),
        cmocka_unit_test(clients_that_vanish_at_any_moment),
        cmocka_unit_test(draining_lets_a_message_be_finished),
        cmocka_unit_test(an_end_amid_everything),
    };
    return cmocka_run_group_tests_name("smtp_session", tests, setup, NULL);
}
