/* SPDX-License-Identifier: MIT */
/* Log lines: each type of event to the letter, and strangers' texts that try to be more than text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <time.h>

#include "journal/line.h"

#define AT     1795557472000LL /* 2026-11-24 21:57:52 UTC */
#define STAMP  "2026-11-24 21:57:52 "
#define CIPHER "TLS1.3:TLS_AES_256_GCM_SHA384:256"

static struct event make(enum event_type type, enum cause_id cause)
{
    struct event e = {.type = type, .cause = cause, .time_ms = AT, .helo = "laptop"};
    assert_true(addr_parse("192.0.2.7", &e.peer));
    assert_true(addr_parse("192.0.2.1", &e.local));
    e.peer.port = 37803;
    e.local.port = 587;
    return e;
}

static void check(const struct event *e, const char *expected)
{
    struct buf line = BUF_INIT(LINE_MAX_BYTES);
    event_line(e, &line);
    assert_string_equal(buf_str(&line), expected);
    buf_free(&line);
}

static void server_lines(void **state)
{
    (void)state;
    struct event e = {.type = EVENT_STARTED, .time_ms = AT, .detail = "gatepost 0.1.0 started: *:587"};
    check(&e, STAMP "gatepost 0.1.0 started: *:587\n");
    e = (struct event){.type = EVENT_STOPPED, .time_ms = AT};
    check(&e, STAMP "gatepost stopped\n");
    e = (struct event){.type = EVENT_SETTINGS, .time_ms = AT, .detail = "reloaded"};
    check(&e, STAMP "settings: reloaded\n");
    e = (struct event){.type = EVENT_WARNING, .time_ms = AT, .detail = "tls.min_version is unsafe"};
    check(&e, STAMP "warning: tls.min_version is unsafe\n");
}

static void connections_refused(void **state)
{
    (void)state;
    struct event e = make(EVENT_CONNECT_REFUSED, CAUSE_CONNECTIONS_ALL);
    e.helo = NULL;
    check(&e, STAMP
          "Connection from [192.0.2.7]:37803 refused: too many connections (cause=limit-connections)\n");
    e.cause = CAUSE_CONNECTIONS_ADDRESS;
    check(&e, STAMP "Connection from [192.0.2.7]:37803 refused: too many connections from that IP address "
                    "(cause=limit-connections-per-address)\n");
}

static void logins(void **state)
{
    (void)state;
    struct event e = make(EVENT_LOGIN, CAUSE_NONE);
    e.mechanism = "plain";
    e.login = "mail@example.com";
    e.tls = CIPHER;
    check(&e, STAMP "plain authenticator succeeded for (laptop) [192.0.2.7]:37803 X=" CIPHER
                    " CV=no (set_id=\"mail@example.com\")\n");
    e = make(EVENT_LOGIN_FAILED, CAUSE_AUTH_WRONG);
    e.mechanism = "plain";
    e.account = "mail@example.com ";
    check(&e, STAMP
          "plain authenticator failed for (laptop) [192.0.2.7]:37803: 535 Incorrect authentication data "
          "(set_id=\"mail@example.com \") (cause=auth-wrong)\n");
    e.cause = CAUSE_AUTH_STALE;
    check(&e, STAMP
          "plain authenticator failed for (laptop) [192.0.2.7]:37803: 535 Incorrect authentication data: an "
          "earlier password (set_id=\"mail@example.com \") (cause=auth-stale-password)\n");
    e.cause = CAUSE_AUTH_UNAVAILABLE;
    e.mechanism = "SCRAM-SHA-256";
    check(&e, STAMP
          "scram_sha_256 authenticator failed for (laptop) [192.0.2.7]:37803: 454 Temporary authentication "
          "failure (set_id=\"mail@example.com \") (cause=auth-unavailable)\n");
    e = make(EVENT_LOGIN_FAILED, CAUSE_AUTH_BASE64);
    e.mechanism = "login";
    check(&e, STAMP "login authenticator failed for (laptop) [192.0.2.7]:37803: 501 Invalid base64 data "
                    "(cause=auth-base64)\n");
}

static void tls_failures(void **state)
{
    (void)state;
    struct event e = make(EVENT_TLS_FAILED, CAUSE_TLS_TOO_OLD);
    e.detail = "unsupported protocol";
    e.tls_versions = "TLSv1.0";
    e.tls_ciphers = "AES128-SHA DES-CBC3-SHA";
    e.tls_server_name = "mail.example.com";
    check(&e, STAMP
          "TLS error on connection from (laptop) [192.0.2.7]:37803 (SSL_accept): unsupported protocol "
          "(offered: "
          "TLSv1.0; ciphers: AES128-SHA DES-CBC3-SHA; server name: mail.example.com) (cause=tls-too-old)\n");
    e = make(EVENT_TLS_FAILED, CAUSE_TLS_GAVE_UP);
    e.helo = "";
    e.detail = "unexpected eof";
    e.tls_server_name = "mail.example.com";
    check(&e,
          STAMP "TLS error on connection from [192.0.2.7]:37803 (SSL_accept): unexpected eof (server name: "
                "mail.example.com) (cause=tls-gave-up)\n");
}

static void wrong_ports(void **state)
{
    (void)state;
    struct event e = make(EVENT_WRONG_PORT, CAUSE_TLS_ON_PLAIN_PORT);
    e.helo = NULL;
    e.listener = "submission";
    e.input = "\026\003\001";
    check(&e, STAMP "SMTP protocol synchronization error (input sent without waiting for greeting): rejected "
                    "connection from "
                    "H=[192.0.2.7]:37803 input=\"\\026\\003\\001\" (cause=tls-on-plain-port)\n");
    e.cause = CAUSE_PLAIN_ON_TLS_PORT;
    e.listener = "submissions";
    e.input = "EHLO x\r\n";
    check(&e, STAMP
          "TLS error on connection from [192.0.2.7]:37803 (SSL_accept): wrong version number input=\"EHLO "
          "x\\r\\n\" (cause=plain-on-tls-port)\n");
    e.cause = CAUSE_HTTP_ON_MAIL_PORT;
    e.input = NULL;
    check(&e, STAMP "TLS error on connection from [192.0.2.7]:37803 (SSL_accept): http request "
                    "(cause=http-on-mail-port)\n");
    e.cause = CAUSE_SILENCE_ON_TLS_PORT;
    check(&e, STAMP "TLS error on connection from [192.0.2.7]:37803 (SSL_accept): timed out "
                    "(cause=silence-on-tls-port)\n");
}

static void refused_commands(void **state)
{
    (void)state;
    struct event e = make(EVENT_REFUSED, CAUSE_RELAY_NO_LOGIN);
    e.sender = "a@b";
    e.command = "RCPT <x@y>";
    check(&e, STAMP "H=(laptop) [192.0.2.7]:37803 F=<a@b> rejected RCPT <x@y>: Please turn on SMTP "
                    "Authentication in your "
                    "mail client (cause=relay-no-login)\n");
    e = make(EVENT_REFUSED, CAUSE_SUBMISSION_NO_LOGIN);
    e.command = "MAIL <a@b>";
    check(&e, STAMP "H=(laptop) [192.0.2.7]:37803 rejected MAIL <a@b>: SMTP AUTH is required for message "
                    "submission on port "
                    "587 (cause=submission-no-login)\n");
    e = make(EVENT_REFUSED, CAUSE_RECIPIENT_UNKNOWN);
    e.tls = CIPHER;
    e.login = "a@b";
    e.mechanism = "login";
    e.command = "rcpt to: <x@y>";
    e.recipient = "x@y";
    check(&e, STAMP "H=(laptop) [192.0.2.7]:37803 X=" CIPHER
                    " CV=no F=<> A=login:a@b rejected RCPT <x@y>: <x@y>: Unknown "
                    "user (cause=recipient-unknown)\n");
    e = make(EVENT_REFUSED, CAUSE_SPOOL_FULL);
    e.sender = "a@b";
    e.command = "after DATA";
    check(&e, STAMP
          "H=(laptop) [192.0.2.7]:37803 F=<a@b> temporarily rejected after DATA: Insufficient system storage "
          "(cause=spool-full)\n");
    e = make(EVENT_REFUSED, CAUSE_TLS_REQUIRED_FOR_AUTH);
    e.command = "AUTH PLAIN";
    check(&e, STAMP "H=(laptop) [192.0.2.7]:37803 rejected AUTH PLAIN: Must issue a STARTTLS command first "
                    "(cause=auth-before-tls)\n");
}

static void malformed_commands(void **state)
{
    (void)state;
    struct event e = make(EVENT_REFUSED, CAUSE_AUTH_NOT_OFFERED);
    e.command = "AUTH PLAIN";
    check(&e, STAMP
          "SMTP protocol error in \"AUTH PLAIN\" H=(laptop) [192.0.2.7]:37803 AUTH command used when not "
          "advertised (cause=auth-not-offered)\n");
    e = make(EVENT_REFUSED, CAUSE_COMMAND_UNKNOWN);
    e.command = "FOO \"bar\"";
    check(&e,
          STAMP "SMTP syntax error in \"FOO \\\"bar\\\"\" H=(laptop) [192.0.2.7]:37803 Unrecognized command "
                "(cause=command-unknown)\n");
    e = make(EVENT_REFUSED, CAUSE_EARLY_TALKER);
    e.helo = NULL;
    e.input = "EHLO x\r\n";
    check(&e, STAMP "SMTP protocol synchronization error (input sent without waiting for greeting): rejected "
                    "connection from "
                    "H=[192.0.2.7]:37803 input=\"EHLO x\\r\\n\" (cause=spoke-too-early)\n");
    e = make(EVENT_REFUSED, CAUSE_COMMAND_ORDER);
    e.command = "RCPT <x@y>";
    e.reply = "Bad sequence of commands: MAIL first";
    check(&e, STAMP
          "SMTP protocol error in \"RCPT <x@y>\" H=(laptop) [192.0.2.7]:37803 Bad sequence of commands: MAIL "
          "first (cause=command-order)\n");
}

static void ends(void **state)
{
    (void)state;
    struct event e = make(EVENT_CLOSED, CAUSE_LOST_CONNECTION);
    e.elapsed_ms = 3999;
    check(&e, STAMP "SMTP connection from (laptop) [192.0.2.7]:37803 lost D=3s (cause=lost-connection)\n");
    e.sender = "a@b";
    e.detail = "Connection reset by peer";
    check(&e, STAMP "unexpected disconnection while reading SMTP command from (laptop) [192.0.2.7]:37803 "
                    "(Connection "
                    "reset by peer) D=3s (cause=lost-connection)\n");
    e.command = "DATA";
    e.detail = NULL;
    check(&e, STAMP "SMTP connection from (laptop) [192.0.2.7]:37803 lost while reading message data D=3s "
                    "(cause=lost-connection)\n");
    e = make(EVENT_CLOSED, CAUSE_COMMAND_TIMEOUT);
    e.elapsed_ms = 300000;
    e.tls = CIPHER;
    check(&e, STAMP "SMTP command timeout on TLS connection from (laptop) [192.0.2.7]:37803 D=5m "
                    "(cause=command-timeout)\n");
    e = make(EVENT_CLOSED, CAUSE_DATA_TIMEOUT);
    e.elapsed_ms = 3723000;
    e.sender = "a@b";
    check(&e, STAMP "SMTP data timeout (message abandoned) on connection from (laptop) [192.0.2.7]:37803 "
                    "F=<a@b> D=1h2m3s "
                    "(cause=data-timeout)\n");
    e = make(EVENT_CLOSED, CAUSE_TOO_MANY_IDLE_COMMANDS);
    e.elapsed_ms = 1;
    e.command = "NOOP";
    check(&e, STAMP "SMTP call from (laptop) [192.0.2.7]:37803 dropped: too many nonmail commands (last was "
                    "\"NOOP\") D=0s "
                    "(cause=too-many-idle-commands)\n");
    e = make(EVENT_CLOSED, CAUSE_STARTTLS_INJECTION);
    check(&e, STAMP
          "SMTP call from (laptop) [192.0.2.7]:37803 dropped: Commands behind STARTTLS refused: wait for the "
          "handshake (cause=starttls-injection)\n");
}

static void received(void **state)
{
    (void)state;
    struct event e = make(EVENT_RECEIVED, CAUSE_NONE);
    e.id = "1wKkTo-000001-0A";
    e.sender = "user@example.com";
    e.recipient = "a@example.net b@example.net";
    e.protocol = "esmtpsa";
    e.tls = CIPHER;
    e.mechanism = "plain";
    e.login = "user@example.com";
    e.size = 278;
    e.message_id = "<a1@x>";
    e.subject = "hi \"there\"";
    check(&e, STAMP "1wKkTo-000001-0A <= user@example.com H=(laptop) [192.0.2.7]:37803 P=esmtpsa X=" CIPHER
                    " CV=no A=plain:user@example.com S=278 id=a1@x T=\"hi \\\"there\\\"\" for a@example.net "
                    "b@example.net\n");
    e = (struct event){.type = EVENT_RECEIVED, .time_ms = AT, .id = "1wKkTo-000002-0A", .protocol = "local"};
    e.reference = "1wKkTo-000001-0A";
    e.size = 1;
    e.recipient = "user@example.com";
    check(&e, STAMP "1wKkTo-000002-0A <= <> R=1wKkTo-000001-0A P=local S=1 for user@example.com\n");
}

static void deliveries(void **state)
{
    (void)state;
    struct event e = {
        .type = EVENT_DELIVERED, .time_ms = AT, .id = "1wKkTo-000001-0A", .sender = "user@example.com"};
    e.recipient = "a@example.net";
    e.route = "smarthost";
    e.transport = "smtp";
    e.remote = "H=mx.example.net [198.51.100.4]:25";
    e.answer = "250 2.0.0 OK \"1\"";
    check(&e,
          STAMP "1wKkTo-000001-0A => a@example.net F=<user@example.com> R=smarthost T=smtp H=mx.example.net "
                "[198.51.100.4]:25 C=\"250 2.0.0 OK \\\"1\\\"\"\n");
    e.further = true;
    e.remote = e.answer = NULL;
    e.transport = "maildir";
    check(&e, STAMP "1wKkTo-000001-0A -> a@example.net F=<user@example.com> R=smarthost T=maildir\n");
    e.type = EVENT_DEFERRED;
    e.cause = CAUSE_DELIVERY_UNREACHABLE;
    e.code = 111;
    e.detail = "Connection refused";
    check(&e, STAMP "1wKkTo-000001-0A == a@example.net R=smarthost T=maildir defer (111): Connection refused "
                    "(cause=delivery-unreachable)\n");
    e.type = EVENT_FAILED;
    e.cause = CAUSE_DELIVERY_REFUSED;
    e.remote = "H=mx.example.net [198.51.100.4]:25";
    e.answer = "550 5.1.1 no such user\nsorry";
    check(&e, STAMP
          "1wKkTo-000001-0A ** a@example.net F=<user@example.com> R=smarthost T=maildir H=mx.example.net "
          "[198.51.100.4]:25: 550 5.1.1 no such user\\nsorry (cause=delivery-refused)\n");
    e = (struct event){.type = EVENT_COMPLETED, .time_ms = AT, .id = "1wKkTo-000001-0A"};
    check(&e, STAMP "1wKkTo-000001-0A Completed\n");
}

static void hosts(void **state)
{
    (void)state;
    struct event e = make(EVENT_CLOSED, CAUSE_NONE);
    e.helo = "[192.0.2.7]";
    check(&e, STAMP "SMTP connection from [192.0.2.7]:37803 lost\n");
    e.helo = "[192.0.2.8]";
    check(&e, STAMP "SMTP connection from ([192.0.2.8]) [192.0.2.7]:37803 lost\n");
    assert_true(addr_parse("2001:db8::7", &e.peer));
    e.peer.port = 0;
    e.helo = "[IPv6:2001:DB8:0::7]";
    check(&e, STAMP "SMTP connection from [2001:db8::7] lost\n");
    e.helo = "x) [198.51.100.9]:25";
    check(&e, STAMP "SMTP connection from (x)\\040[198.51.100.9]:25) [2001:db8::7] lost\n");
}

/* ---- strangers' texts ---- */

static char *filled(const char *unit, size_t times)
{
    size_t n = strlen(unit);
    char *text = xmalloc(n * times + 1);
    for (size_t i = 0; i < times; i++)
        memcpy(text + i * n, unit, n);
    text[n * times] = '\0';
    return text;
}

static void set_all(struct event *e, const char *text)
{
    e->helo = e->listener = e->protocol = e->tls = e->mechanism = e->account = e->login = e->command = text;
    e->reply = e->input = e->id = e->sender = e->recipient = e->message_id = e->subject = e->reference = text;
    e->route = e->transport = e->remote = e->answer = e->tls_versions = e->tls_ciphers = e->tls_server_name =
        text;
    e->detail = text;
}

/* Whatever comes: one line of printable characters, true stamp, true cause at the end, of bounded length. */
static void any_text_stays_text(void **state)
{
    (void)state;
    static const char *const units[] = {
        "\r\n2026-11-24 21:57:52 forged",
        "\"",
        "\\",
        "\x1b[2J",
        "\x01\x02\x7f\t\v\f",
        "\xe9\xff\xc0\x80",
        "\xc2\x85\xe2\x80\xa8",
        ") [203.0.113.5]: 535 Incorrect authentication data (set_id=x)",
        " (cause=none)\n",
        "A",
    };
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        char *text = filled(units[i], 100000 / strlen(units[i]));
        for (unsigned type = 0; type < EVENT_TYPE_COUNT; type++) {
            struct event e = make((enum event_type)type, CAUSE_AUTH_WRONG);
            set_all(&e, text);
            struct buf line = BUF_INIT(LINE_MAX_BYTES);
            event_line(&e, &line);
            static const char end[] = " (cause=auth-wrong)\n";
            assert_false(line.overflow);
            assert_true(line.len > strlen(STAMP) + strlen(end));
            assert_memory_equal(line.data, STAMP, strlen(STAMP));
            assert_memory_equal(line.data + line.len - strlen(end), end, strlen(end));
            for (size_t at = 0; at + 1 < line.len; at++)
                assert_true((unsigned char)line.data[at] >= ' ' && line.data[at] != 0x7f);
            buf_free(&line);
        }
        free(text);
    }
}

/* In what stands between quotation marks no mark stands alone, so that nothing ends early. */
static void quotations_hold(void **state)
{
    (void)state;
    struct event e = make(EVENT_LOGIN_FAILED, CAUSE_AUTH_WRONG);
    e.mechanism = "plain";
    e.account = "a\") (cause=fine) \\\" x\\";
    check(&e, STAMP
          "plain authenticator failed for (laptop) [192.0.2.7]:37803: 535 Incorrect authentication data "
          "(set_id=\"a\\\") (cause=fine) \\\\\\\" x\\\\\") (cause=auth-wrong)\n");
}

static void words_have_no_blanks(void **state)
{
    (void)state;
    struct event e = make(EVENT_RECEIVED, CAUSE_NONE);
    e.id = "1wKkTo-000001-0A";
    e.sender = "\"a H=[203.0.113.5] A=plain:root\"@x";
    e.helo = "h\xc2\xa0i";
    check(&e, STAMP "1wKkTo-000001-0A <= \\\"a\\040H=[203.0.113.5]\\040A=plain:root\\\"@x H=(h\\302\\240i) "
                    "[192.0.2.7]:37803 S=0\n");
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_lines),
        cmocka_unit_test(connections_refused),
        cmocka_unit_test(logins),
        cmocka_unit_test(tls_failures),
        cmocka_unit_test(wrong_ports),
        cmocka_unit_test(refused_commands),
        cmocka_unit_test(malformed_commands),
        cmocka_unit_test(ends),
        cmocka_unit_test(received),
        cmocka_unit_test(deliveries),
        cmocka_unit_test(hosts),
        cmocka_unit_test(any_text_stays_text),
        cmocka_unit_test(quotations_hold),
        cmocka_unit_test(words_have_no_blanks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
