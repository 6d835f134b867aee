/* SPDX-License-Identifier: MIT */
/* The whole courier with a real queue and journal: what is handed in arrives, comes later, or comes back. */
#include "courier/courier.h"

#include "courier/maildir.h"
#include "courier/record.h"
#include "test_courier_peer.h"

#define LOCAL "local.domains = example.com\nlocal.delivery = maildir:%s/mail/%n\n"
#define HELLO "> 220 mx", "< EHLO mail.example.com", "> 250 mx"

/* The answer that `queue show` has for the only recipient, and its state. */
struct shown {
    char answer[4096], state[32];
    unsigned attempts;
};

static void note_shown(void *arg, const struct queue_row *row)
{
    struct shown *s = arg;
    snprintf(s->answer, sizeof s->answer, "%s", row->recipients[0].last_answer);
    snprintf(s->state, sizeof s->state, "%s", row->recipients[0].state);
    s->attempts = row->recipients[0].attempts;
}

static struct shown show(struct world *w, const char *id)
{
    struct shown s = {.answer = ""};
    struct buf error = BUF_INIT(512);
    assert_int_equal(spool_each(w->spool, id, 1, note_shown, &s, &error), 1);
    buf_free(&error);
    return s;
}

static bool is_waiting(struct world *w, const char *id, unsigned attempts)
{
    struct shown s = show(w, id);
    return strcmp(s.state, "waiting") == 0 && s.attempts == attempts;
}

static void use_relay(struct world *w, const struct peer *p, const char *more)
{
    char lines[2048];
    snprintf(lines, sizeof lines, "%srelay.smarthost = 127.0.0.1:%u\nrelay.tls = none\n%s", LOCAL, p->port,
             more);
    world_settings(w, lines);
}

static void local_mail_arrives(void **state)
{
    (void)state;
    struct world w = world_make(LOCAL);
    char id[QUEUE_ID_MAX], wanted[128];
    world_start(&w);
    world_submit_one(&w, "joe@example.com", "ann@example.com", id);
    WAIT_FOR(world_is_empty(&w));
    assert_int_equal(world_count(&w, "mail/ann/new", NULL), 1);
    snprintf(wanted, sizeof wanted, "%s => ann@example.com", id);
    courier_stop(&w.courier, 5000); /* all that was done is in the journal */
    assert_log(&w, wanted);
    assert_log(&w, "R=local T=maildir");
    snprintf(wanted, sizeof wanted, "%s Completed", id);
    assert_log(&w, wanted);
    world_remove(&w);
}

static void much_mail_arrives_once(void **state)
{
    (void)state;
    enum { MANY = 300 };
    static const char *const to[] = {"ann@example.com", "bob@example.com"};
    struct world w = world_make(LOCAL "courier.hold = yes\n");
    world_start(&w);
    for (int i = 0; i < MANY; i++)
        world_submit(&w, "", to, 2, span_of(MESSAGE_TEXT), NULL);
    assert_int_equal(world_count(&w, "mail/ann/new", NULL), 0); /* held */
    world_settings(&w, LOCAL);
    WAIT_FOR(world_is_empty(&w));
    assert_int_equal(world_count(&w, "mail/ann/new", NULL), MANY);
    assert_int_equal(world_count(&w, "mail/bob/new", NULL), MANY);
    struct courier_stats stats;
    WAIT_FOR((courier_stats(w.courier, &stats), stats.delivered == (uint64_t)2 * MANY));
    world_remove(&w);
}

/* The process dies between delivery and settlement; a mail program moves one of the messages meanwhile. */
static void after_a_crash_nothing_comes_twice(void **state)
{
    (void)state;
    struct world w = world_make(LOCAL);
    struct delivery deliveries[3];
    struct outcome outcomes[3] = {{.verdict = VERDICT_NONE}};
    struct maildir_item items[3];
    char folder[WORLD_PATH_MAX + 16], name[WORLD_PATH_MAX], from[3 * WORLD_PATH_MAX], to[3 * WORLD_PATH_MAX];
    for (int i = 0; i < 3; i++)
        world_submit_one(&w, "joe@example.com", "ann@example.com", NULL);
    assert_int_equal(spool_claim(w.spool, clock_wall(), deliveries, 3), 3);
    snprintf(folder, sizeof folder, "%s/mail/ann", w.dir);
    for (size_t i = 0; i < 3; i++)
        items[i] = (struct maildir_item){folder, &deliveries[i], false, &outcomes[i]};
    maildir_deliver(w.spool, "mail.example.com", items, 2);
    world_count(&w, "mail/ann/new", name);
    snprintf(from, sizeof from, "%s/new/%s", folder, name);
    snprintf(to, sizeof to, "%s/cur/%s:2,S", folder, name);
    assert_int_equal(rename(from, to), 0);
    world_close(&w);
    world_open(&w);
    world_start(&w);
    WAIT_FOR(world_is_empty(&w));
    assert_int_equal(world_count(&w, "mail/ann/new", NULL), 2);
    assert_int_equal(world_count(&w, "mail/ann/cur", NULL), 1);
    for (size_t i = 0; i < 3; i++)
        delivery_free(&deliveries[i]);
    world_remove(&w);
}

/* ---- smarthost ---- */

static void what_is_refused_comes_back(void **state)
{
    (void)state;
    static const char *const script[] = {HELLO,
                                         "< MAIL FROM:<joe@example.com>",
                                         "> 250 ok",
                                         "< RCPT TO:<a@b.example>",
                                         "> 250 ok",
                                         "< RCPT TO:<c@b.example>",
                                         "> 550-5.1.1 no such",
                                         "> 550 5.1.1 user",
                                         "< DATA",
                                         "> 354 go",
                                         "data",
                                         "> 250 as 17",
                                         "stay",
                                         NULL};
    static const char *const to[] = {"a@b.example", "c@b.example"};
    struct world w = world_make(LOCAL);
    struct peer p;
    char id[QUEUE_ID_MAX], name[WORLD_PATH_MAX], wanted[256];
    peer_start(&p, NULL, NULL, script);
    use_relay(&w, &p, "");
    world_start(&w);
    world_submit(&w, "joe@example.com", to, 2, span_of(MESSAGE_TEXT), id);
    WAIT_FOR(world_is_empty(&w) && world_count(&w, "mail/joe/new", name) == 1);
    struct buf text = world_read(&w, "mail/joe/new", name);
    assert_contains(buf_str(&text), "Return-Path: <>\nDelivered-To: joe@example.com\n");
    assert_contains(buf_str(&text), "<c@b.example>\n");
    assert_contains(buf_str(&text), "Diagnostic-Code: smtp;\n 550-5.1.1 no such\n 550 5.1.1 user\n");
    assert_contains(buf_str(&text), "Status: 5.1.1\nRemote-MTA: dns; 127.0.0.1\n");
    assert_contains(buf_str(&text), "\nFrom: a@example.com\nSubject: hello\n");
    assert_null(strstr(buf_str(&text), ".one"));
    assert_null(strstr(buf_str(&text), "<a@b.example>"));
    buf_free(&text);
    courier_stop(&w.courier, 5000);
    snprintf(wanted, sizeof wanted, "%s => a@b.example", id);
    assert_log(&w, wanted);
    assert_log(&w, "C=\"250 as 17\"");
    snprintf(wanted, sizeof wanted, "%s ** c@b.example", id);
    assert_log(&w, wanted);
    snprintf(wanted, sizeof wanted, " <= <> R=%s P=local", id);
    assert_log(&w, wanted);
    peer_end(&p);
    peer_free(&p);
    world_remove(&w);
}

static void nothing_comes_back_to_nobody(void **state)
{
    (void)state;
    struct world w = world_make(LOCAL);
    world_start(&w);
    world_submit_one(&w, "", "a@b.example", NULL);
    WAIT_FOR(world_is_empty(&w));
    courier_stop(&w.courier, 5000);
    assert_log(&w, " ** a@b.example");
    assert_log(&w, "the sender is null");
    struct buf log = world_log(&w);
    assert_null(strstr(buf_str(&log), " <= "));
    buf_free(&log);
    world_remove(&w);
}

static void without_a_way_it_comes_back(void **state)
{
    (void)state;
    struct world w = world_make(LOCAL);
    char name[WORLD_PATH_MAX];
    world_start(&w);
    world_submit_one(&w, "joe@example.com", "a@b.example", NULL);
    WAIT_FOR(world_is_empty(&w));
    assert_int_equal(world_count(&w, "mail/joe/new", name), 1);
    struct buf text = world_read(&w, "mail/joe/new", name);
    assert_contains(buf_str(&text), "Status: 5.4.4\n");
    assert_contains(buf_str(&text), "relay.smarthost");
    buf_free(&text);
    world_remove(&w);
}

static void what_is_put_off_is_tried_again(void **state)
{
    (void)state;
    static const char *const script[] = {HELLO,
                                         "< MAIL *",
                                         "> 250 ok",
                                         "< RCPT *",
                                         "> 450-4.2.1 full",
                                         "> 450 4.2.1 later",
                                         "< RSET",
                                         "> 250 ok",
                                         "< MAIL *",
                                         "> 250 ok",
                                         "< RCPT *",
                                         "> 250 ok",
                                         "< DATA",
                                         "> 354 go",
                                         "data",
                                         "> 250 ok",
                                         "stay",
                                         NULL};
    struct world w = world_make(LOCAL);
    struct peer p;
    char id[QUEUE_ID_MAX];
    struct buf error = BUF_INIT(512);
    peer_start(&p, NULL, NULL, script);
    use_relay(&w, &p, "queue.retry = 1h\n");
    world_start(&w);
    world_submit_one(&w, "joe@example.com", "a@b.example", id);
    WAIT_FOR(is_waiting(&w, id, 1));
    struct shown s = show(&w, id);
    assert_contains(s.answer, "127.0.0.1 [127.0.0.1]:");
    assert_contains(
        s.answer,
        ": SMTP error from remote mail server after RCPT TO:<a@b.example>: 450-4.2.1 full\n450 4.2.1 later");
    assert_log(&w, " == a@b.example R=smarthost T=smtp defer (0)");
    assert_int_equal(spool_act(w.spool, QUEUE_RETRY, id, &error), 1);
    WAIT_FOR(world_is_empty(&w)); /* over the connection that was kept */
    courier_stop(&w.courier, 5000);
    peer_end(&p);
    peer_free(&p);
    buf_free(&error);
    world_remove(&w);
}

static size_t count_in_log(struct world *w, const char *part)
{
    struct buf log = world_log(w);
    size_t n = 0;
    for (const char *at = buf_str(&log); (at = strstr(at, part)) != NULL; at++)
        n++;
    buf_free(&log);
    return n;
}

/* Two ways, two times: the message is complete when the last recipient has it. */
static void a_message_is_complete_once(void **state)
{
    (void)state;
    static const char *const to[] = {"ann@example.com", "a@b.example", "bob@example.com"};
    struct world w = world_make(LOCAL);
    struct peer p = {.port = 1};
    char id[QUEUE_ID_MAX];
    struct buf error = BUF_INIT(512);
    use_relay(&w, &p, "");
    world_start(&w);
    world_submit(&w, "joe@example.com", to, 3, span_of(MESSAGE_TEXT), id);
    WAIT_FOR(is_waiting(&w, id, 1) && world_count(&w, "mail/bob/new", NULL) == 1);
    assert_int_equal(count_in_log(&w, " Completed\n"), 0);
    world_settings(&w, LOCAL);
    assert_int_equal(spool_act(w.spool, QUEUE_RETRY, id, &error), 1);
    WAIT_FOR(world_is_empty(&w)); /* with the bounce */
    courier_stop(&w.courier, 5000);
    assert_int_equal(count_in_log(&w, " Completed\n"), 2);
    buf_free(&error);
    world_remove(&w);
}

static void a_relay_that_is_down_puts_all_off(void **state)
{
    (void)state;
    struct world w = world_make(LOCAL);
    struct peer p = {.port = 1};
    char id[QUEUE_ID_MAX];
    use_relay(&w, &p, "");
    for (int i = 0; i < 20; i++)
        world_submit_one(&w, "joe@example.com", "a@b.example", id);
    world_start(&w);
    WAIT_FOR(is_waiting(&w, id, 1));
    assert_string_equal(show(&w, id).answer, "127.0.0.1 [127.0.0.1]:1: Connection refused");
    assert_log(
        &w, "T=smtp defer (111) H=127.0.0.1 [127.0.0.1]:1: Connection refused (cause=delivery-unreachable)");
    struct courier_stats stats;
    WAIT_FOR((courier_stats(w.courier, &stats), stats.deferred == 20));
    world_remove(&w);
}

static void lmtp_takes_messages_over_one_connection(void **state)
{
    (void)state;
    static const char *const script[] = {"> 220 l",
                                         "< LHLO *",
                                         "> 250 l",
                                         "< MAIL *",
                                         "> 250 ok",
                                         "< RCPT TO:<ann@example.com>",
                                         "> 250 ok",
                                         "< RCPT TO:<bob@example.com>",
                                         "> 250 ok",
                                         "< DATA",
                                         "> 354 go",
                                         "data",
                                         "> 250 2.0.0 ann",
                                         "> 452 4.2.2 bob",
                                         "< MAIL *",
                                         "> 250 ok",
                                         "< RCPT *",
                                         "> 250 ok",
                                         "< DATA",
                                         "> 354 go",
                                         "data",
                                         "> 250 2.0.0 cat",
                                         "stay",
                                         NULL};
    static const char *const to[] = {"ann@example.com", "bob@example.com"};
    struct world w = world_make("local.domains = example.com\nlocal.delivery = lmtp:unix:%s/socket\n");
    struct peer p;
    char path[WORLD_PATH_MAX + 16], id[QUEUE_ID_MAX];
    snprintf(path, sizeof path, "%s/socket", w.dir);
    peer_start(&p, path, NULL, script);
    world_start(&w);
    world_submit(&w, "joe@example.com", to, 2, span_of(MESSAGE_TEXT), id);
    WAIT_FOR(is_waiting(&w, id, 1));
    assert_string_equal(buf_str(&p.data),
                        "From: a@example.com\r\nSubject: hello\r\n\r\n..one\r\n...two\r\nthree\r\n.\r\n");
    world_submit_one(&w, "joe@example.com", "cat@example.com", NULL);
    struct spool_stats stats;
    WAIT_FOR((spool_stats(w.spool, &stats), stats.messages == 1));
    courier_stop(&w.courier, 5000);
    peer_end(&p);
    peer_free(&p);
    world_remove(&w);
}

/* ---- the password ---- */

static void passwords_come_from_the_file_or_are_given(void **state)
{
    (void)state;
    static const char *const script[] = {"> 220 mx",
                                         "< EHLO *",
                                         "> 250-mx",
                                         "> 250 AUTH PLAIN",
                                         "< AUTH PLAIN AHVzZXIAc2VjcmV0",
                                         "> 535 no",
                                         "< QUIT",
                                         "> 221 bye",
                                         "accept",
                                         "> 220 mx",
                                         "< EHLO *",
                                         "> 250-mx",
                                         "> 250 AUTH PLAIN",
                                         "< AUTH PLAIN AHVzZXIAb3RoZXI=",
                                         "> 535 no",
                                         "< QUIT",
                                         "> 221 bye",
                                         NULL};
    struct world w = world_make(LOCAL);
    struct peer p;
    char id[QUEUE_ID_MAX], lines[2 * WORLD_PATH_MAX], path[WORLD_PATH_MAX + 16];
    struct buf error = BUF_INIT(512);
    snprintf(path, sizeof path, "%s/password", w.dir);
    assert_int_equal(file_replace(path, "secret\r\nsecond line\n", 20, 0600), 0);
    snprintf(lines, sizeof lines, "relay.user = user\nrelay.password_file = %s\n", path);
    peer_start(&p, NULL, NULL, script);
    use_relay(&w, &p, lines);
    world_start(&w);
    world_submit_one(&w, "joe@example.com", "a@b.example", id);
    WAIT_FOR(is_waiting(&w, id, 1));
    courier_set_password(w.courier, span_of("other"));
    assert_int_equal(spool_act(w.spool, QUEUE_RETRY, id, &error), 1);
    WAIT_FOR(is_waiting(&w, id, 2));
    struct buf log = world_log(&w);
    assert_null(strstr(buf_str(&log), "secret"));
    assert_contains(buf_str(&log), "(cause=delivery-login)");
    buf_free(&log);
    buf_free(&error);
    peer_end(&p);
    peer_free(&p);
    world_remove(&w);
}

/* ---- end of life, end of work ---- */

static void what_is_too_old_comes_back(void **state)
{
    (void)state;
    struct world w = world_make(LOCAL);
    struct delivery d;
    char name[WORLD_PATH_MAX];
    world_submit_one(&w, "joe@example.com", "a@b.example", NULL);
    assert_int_equal(spool_claim(w.spool, clock_wall(), &d, 1), 1);
    d.queued_at -= INT64_C(6) * 86400;
    struct parcel *p = parcel_make(&d);
    outcome_set_reply(&p->outcome, VERDICT_DEFERRED, CAUSE_DELIVERY_DEFERRED, "after MAIL", "451 4.3.0 later",
                      "4.3.0");
    struct record record = {.spool = w.spool, .journal = w.journal, .hostname = "mail.example.com"};
    const struct settings *settings = settings_cell_get(w.cell);
    record_parcels(&record, settings,
                   &(struct attempt){ROUTE_SMTP, "relay.example.net", "relay.example.net [192.0.2.1]:25", ""},
                   p);
    settings_release(&settings);
    assert_log(&w, " ** a@b.example");
    assert_log(&w,
               "given up after 5d; the last attempt: after MAIL: 451 4.3.0 later (cause=delivery-expired)");
    world_start(&w);
    WAIT_FOR(world_is_empty(&w));
    assert_int_equal(world_count(&w, "mail/joe/new", name), 1);
    struct buf text = world_read(&w, "mail/joe/new", name);
    assert_contains(buf_str(&text), "Status: 4.4.7\n");
    assert_contains(buf_str(&text), " 451 4.3.0 later\n");
    buf_free(&text);
    world_remove(&w);
}

static void stopping_breaks_off_what_hangs(void **state)
{
    (void)state;
    static const char *const script[] = {HELLO, "< MAIL *", "stay", NULL};
    struct world w = world_make(LOCAL);
    struct peer p;
    char id[QUEUE_ID_MAX];
    peer_start(&p, NULL, NULL, script);
    use_relay(&w, &p, "");
    world_start(&w);
    world_submit_one(&w, "joe@example.com", "a@b.example", id);
    struct courier_stats stats;
    WAIT_FOR((courier_stats(w.courier, &stats), stats.under_way == 1));
    uint64_t before = clock_mono_ms();
    courier_stop(&w.courier, 200);
    assert_null(w.courier);
    assert_true(clock_mono_ms() - before < 10000);
    struct shown s = show(&w, id);
    assert_string_equal(s.state, "due");
    assert_int_equal(s.attempts, 0);
    peer_end(&p);
    peer_free(&p);
    world_remove(&w);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(local_mail_arrives),
        cmocka_unit_test(much_mail_arrives_once),
        cmocka_unit_test(after_a_crash_nothing_comes_twice),
        cmocka_unit_test(what_is_refused_comes_back),
        cmocka_unit_test(nothing_comes_back_to_nobody),
        cmocka_unit_test(without_a_way_it_comes_back),
        cmocka_unit_test(what_is_put_off_is_tried_again),
        cmocka_unit_test(a_message_is_complete_once),
        cmocka_unit_test(a_relay_that_is_down_puts_all_off),
        cmocka_unit_test(lmtp_takes_messages_over_one_connection),
        cmocka_unit_test(passwords_come_from_the_file_or_are_given),
        cmocka_unit_test(what_is_too_old_comes_back),
        cmocka_unit_test(stopping_breaks_off_what_hangs),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("courier.delivery", tests, NULL, NULL);
}
