/* SPDX-License-Identifier: MIT */
/* Our log in the eyes of programs that read Exim's: fail2ban-regex with its exim filter, and exigrep. */
#include "tests/unit/test_journal_support.h"

#define FILTER "/etc/fail2ban/filter.d/exim.conf"

static struct event client(enum event_type type, enum cause_id cause, const char *address)
{
    struct event e = {.type = type, .cause = cause, .helo = "laptop"};
    assert_true(addr_parse(address, &e.peer));
    e.peer.port = 37803;
    e.local.port = 587;
    return e;
}

static bool have(const char *program)
{
    const char *path = getenv("PATH");
    char file[PLACE_TEXT_MAX];
    struct span rest = span_of(path != NULL ? path : "/usr/sbin:/usr/bin");
    while (rest.n > 0) {
        struct span dir = span_take(&rest, ':');
        snprintf(file, sizeof file, "%.*s/%s", (int)dir.n, dir.p, program);
        if (access(file, X_OK) == 0)
            return true;
    }
    return false;
}

/* What the program says; the caller frees it. */
static char *output_of(const char *command)
{
    struct buf out = BUF_INIT(READ_MAX);
    FILE *pipe = popen(command, "r"); /* NOLINT(cert-env33-c): a fixed command over a path of our own */
    assert_non_null(pipe);
    char part[4096];
    size_t n = 0;
    while ((n = fread(part, 1, sizeof part, pipe)) > 0)
        buf_add(&out, part, n);
    pclose(pipe);
    char *copy = xstrndup(buf_str(&out), out.len);
    buf_free(&out);
    return copy;
}

/* The addresses that fail2ban takes for attackers, one a line, in the order of the log. */
static char *banned(const struct event *events, size_t n)
{
    struct place p = place_make("");
    struct journal *journal = place_open(&p);
    for (size_t i = 0; i < n; i++)
        journal_write(journal, &events[i]);
    journal_close(&journal);
    char command[PLACE_TEXT_MAX * 2];
    snprintf(command, sizeof command, "fail2ban-regex -o ip '%s' '" FILTER "[mode=aggressive]' 2>&1", p.log);
    char *text = output_of(command);
    place_remove(&p);
    return text;
}

static void fail2ban_sees_wrong_passwords(void **state)
{
    (void)state;
    if (!have("fail2ban-regex") || access(FILTER, R_OK) != 0)
        skip();
    struct event list[] = {
        client(EVENT_LOGIN_FAILED, CAUSE_AUTH_WRONG, "192.0.2.1"),
        client(EVENT_LOGIN_FAILED, CAUSE_AUTH_WRONG, "192.0.2.2"),
        client(EVENT_LOGIN_FAILED, CAUSE_AUTH_WRONG, "2001:db8::3"),
        client(EVENT_LOGIN_FAILED, CAUSE_AUTH_WRONG, "192.0.2.4"),
        client(EVENT_LOGIN_FAILED, CAUSE_AUTH_WRONG, "192.0.2.5"),
        client(EVENT_LOGIN_FAILED, CAUSE_AUTH_WRONG, "192.0.2.6"),
        client(EVENT_LOGIN_FAILED, CAUSE_AUTH_WRONG, "192.0.2.7"),
    };
    for (size_t i = 0; i < COUNT_OF(list); i++) {
        list[i].mechanism = "plain";
        list[i].account = "mail@example.com ";
    }
    list[1].helo = NULL;
    list[2].mechanism = "SCRAM-SHA-256";
    /* Those who would rather not be seen, or have someone else seen. */
    list[3].helo = "x) [203.0.113.9]: 535 Incorrect authentication data (set_id=y";
    list[4].helo = "a\xc2\xa0"
                   "b\xe2\x80\xa8"
                   "c";
    list[5].account =
        "x\")\r\n2026-11-24 21:57:52 plain authenticator failed for [203.0.113.9]: 535 Incorrect "
        "authentication data";
    list[6].account = "\xff\xfe(((\\\"";
    char *text = banned(list, COUNT_OF(list));
    assert_string_equal(text,
                        "192.0.2.1\n192.0.2.2\n2001:db8::3\n192.0.2.4\n192.0.2.5\n192.0.2.6\n192.0.2.7\n");
    free(text);
}

/* Every cause with every type of event: nobody is taken for an attacker but those with a wrong password. */
static void fail2ban_spares_all_others(void **state)
{
    (void)state;
    if (!have("fail2ban-regex") || access(FILTER, R_OK) != 0)
        skip();
    struct event list[EVENT_TYPE_COUNT * CAUSE_COUNT];
    size_t n = 0;
    for (unsigned type = 0; type < EVENT_TYPE_COUNT; type++) {
        for (unsigned cause = 0; cause < CAUSE_COUNT; cause++) {
            bool attacker = type == EVENT_LOGIN_FAILED && cause == CAUSE_AUTH_WRONG;
            bool nonsense = type == EVENT_WRONG_PORT && cause == CAUSE_NONE;
            if (attacker || nonsense)
                continue;
            struct event e = client((enum event_type)type, (enum cause_id)cause, "192.0.2.9");
            e.mechanism = "plain";
            e.login = e.account = e.sender = e.recipient = "mail@example.com";
            e.command = "RCPT <a@b>: relay not permitted";
            e.input = "EHLO x\r\n";
            e.id = "1wKkTo-000001-0A";
            list[n++] = e;
        }
    }
    char *text = banned(list, n);
    assert_string_equal(text, "");
    free(text);
}

static void write_message(struct journal *journal, const char *id, const char *sender, bool completed)
{
    struct event e = client(EVENT_RECEIVED, CAUSE_NONE, "192.0.2.7");
    e.id = id;
    e.sender = sender;
    e.recipient = "a@example.net b@example.net";
    e.protocol = "esmtpsa";
    e.subject = "2026-11-24 21:57:52 1wKkTo-000009-0A rejected\r\nCc: x";
    journal_write(journal, &e);
    e.type = EVENT_DEFERRED;
    e.recipient = "a@example.net";
    e.answer = "451 later";
    journal_write(journal, &e);
    e.type = EVENT_DELIVERED;
    e.answer = "250 OK";
    journal_write(journal, &e);
    e.recipient = "b@example.net";
    e.further = true;
    journal_write(journal, &e);
    e.type = EVENT_COMPLETED;
    if (completed)
        journal_write(journal, &e);
}

static void exigrep_groups_a_message(void **state)
{
    (void)state;
    if (!have("exigrep"))
        skip();
    struct place p = place_make("");
    struct journal *journal = place_open(&p);
    write_message(journal, "1wKkTo-000001-0A", "one@example.com", true);
    write_message(journal, "1wKkTo-000002-0A", "two@example.com", true);
    write_message(journal, "1wKkTo-000003-0A", "three@example.com", false);
    journal_close(&journal);
    char command[PLACE_TEXT_MAX * 2];
    snprintf(command, sizeof command, "exigrep --no-pager 'A two@example|<= two@example' '%s' 2>&1", p.log);
    char *text = output_of(command);
    assert_int_equal(count_of(text, "1wKkTo-000002-0A"), 5);
    assert_int_equal(count_of(text, "\n"), 6); /* five lines and an empty one */
    assert_non_null(strstr(text, " <= two@example.com H=(laptop) [192.0.2.7]:37803 P=esmtpsa "));
    assert_non_null(strstr(text, " -> b@example.net F=<two@example.com>"));
    assert_non_null(strstr(text, "1wKkTo-000002-0A Completed\n"));
    free(text);
    snprintf(command, sizeof command, "exigrep --no-pager three@example '%s' 2>&1", p.log);
    text = output_of(command);
    assert_non_null(strstr(text, "+++ 1wKkTo-000003-0A has not completed +++"));
    assert_int_equal(count_of(text, "1wKkTo-000003-0A "), 5);
    free(text);
    place_remove(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail2ban_sees_wrong_passwords),
        cmocka_unit_test(fail2ban_spares_all_others),
        cmocka_unit_test(exigrep_groups_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
