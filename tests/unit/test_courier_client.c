/* SPDX-License-Identifier: MIT */
/* Conversations with other servers: good ones, and whatever else they may do. Both sides are told step by
 * step. */
#include "courier/transaction.h"

#include <sys/eventfd.h>

#include "test_courier_peer.h"

enum { RECIPIENTS = 3 };

static const struct client_waits PATIENT = {.lookup = 20000,
                                            .connect = 20000,
                                            .handshake = 20000,
                                            .greeting = 20000,
                                            .command = 20000,
                                            .data_start = 20000,
                                            .data_block = 20000,
                                            .data_end = 20000,
                                            .quit = 20000};
/* For tests in which a wait is to end. */
static const struct client_waits IMPATIENT = {.lookup = 20000,
                                              .connect = 20000,
                                              .handshake = 20000,
                                              .greeting = 300,
                                              .command = 300,
                                              .data_start = 300,
                                              .data_block = 300,
                                              .data_end = 300,
                                              .quit = 300};

struct talk {
    struct world world;
    struct spool_body *body;
    struct peer peer;
    struct client *client;
    struct client_policy policy;
    struct outcome why; /* of client_open */
    struct outcome outcomes[RECIPIENTS];
};

static const char *const ADDRESSES[RECIPIENTS] = {"a@b.example", "c@d.example", "e@f.example"};

static int make_talk(void **state)
{
    struct talk *t = test_calloc(1, sizeof *t);
    char id[QUEUE_ID_MAX];
    struct buf error = BUF_INIT(512);
    t->world = world_make("");
    world_submit_one(&t->world, "joe@example.com", "a@b.example", id);
    t->body = spool_body_open(t->world.spool, id, &error);
    assert_non_null(t->body);
    *state = t;
    return 0;
}

static int free_talk(void **state)
{
    struct talk *t = *state;
    spool_body_close(&t->body);
    world_remove(&t->world);
    test_free(t);
    return 0;
}

/* Starts the peer and opens a connection to it with the policy as it stands. */
static void begin(struct talk *t, enum client_protocol protocol, const struct identity *identity,
                  const char *const *script)
{
    peer_start(&t->peer, NULL, identity, script);
    const struct client_target target = {
        .protocol = protocol, .path = "", .host = "127.0.0.1", .port = t->peer.port};
    t->client = client_open(&target, &t->policy, &t->why, NULL);
}

static bool send_to(struct talk *t, size_t n)
{
    struct addressee to[RECIPIENTS];
    assert_int_equal(spool_body_rewind(t->body), 0);
    for (size_t i = 0; i < n; i++) {
        outcome_clear(&t->outcomes[i]);
        to[i] = (struct addressee){ADDRESSES[i], &t->outcomes[i]};
    }
    const struct message message = {
        .sender = "joe@example.com", .size = 70, .eight_bit = true, .body = t->body};
    return transaction_run(t->client, &message, to, n);
}

static void end(struct talk *t)
{
    client_close(&t->client);
    peer_end(&t->peer);
    peer_free(&t->peer);
    outcome_clear(&t->why);
    for (size_t i = 0; i < RECIPIENTS; i++)
        outcome_clear(&t->outcomes[i]);
}

static void plain_policy(struct talk *t, const struct client_waits *waits)
{
    t->policy = (struct client_policy){.tls = CLIENT_TLS_NONE,
                                       .ca_file = "",
                                       .hostname = "mail.example.com",
                                       .user = "",
                                       .cancel_fd = -1,
                                       .waits = waits};
}

static void converse_within(struct talk *t, enum client_protocol protocol, size_t n,
                            const char *const *script, const struct client_waits *waits)
{
    plain_policy(t, waits);
    begin(t, protocol, NULL, script);
    assert_non_null(t->client);
    assert_true(send_to(t, n));
}

/* Opens and sends to n recipients: the usual test. */
static void converse(struct talk *t, enum client_protocol protocol, size_t n, const char *const *script)
{
    converse_within(t, protocol, n, script, &PATIENT);
}

static void assert_outcome(const struct outcome *o, enum verdict verdict, enum cause_id cause,
                           const char *text)
{
    assert_int_equal(o->verdict, verdict);
    assert_string_equal(cause_get(o->cause)->id, cause_get(cause)->id);
    assert_string_equal(o->text != NULL ? o->text : "", text);
}

#define GREETING   "> 220 mx.example.net ESMTP", "< EHLO mail.example.com"
#define PLAIN_EHLO GREETING, "> 250 mx.example.net"
#define PIPELINING_EHLO                                                                                      \
    GREETING, "> 250-mx.example.net", "> 250-PIPELINING", "> 250-8BITMIME", "> 250 SIZE 1000000"
#define MAIL "< MAIL FROM:<joe@example.com>"
#define BYE  "< QUIT", "> 221 bye"

/* ---- as it should be ---- */

static void a_message_goes_step_by_step(void **state)
{
    struct talk *t = *state;
    static const char *const script[] = {
        PLAIN_EHLO,    MAIL,   "> 250 ok",          "< RCPT TO:<a@b.example>", "> 250 ok", "< DATA",
        "> 354 go on", "data", "> 250-2.0.0 taken", "> 250 2.0.0 as 17",       BYE,        NULL};
    converse(t, CLIENT_SMTP, 1, script);
    assert_outcome(&t->outcomes[0], VERDICT_DELIVERED, CAUSE_NONE, "250-2.0.0 taken\n250 2.0.0 as 17");
    assert_false(t->client->broken);
    assert_string_equal(buf_str(&t->peer.data),
                        "From: a@example.com\r\nSubject: hello\r\n\r\n..one\r\n...two\r\nthree\r\n.\r\n");
    end(t);
}

static void commands_go_together_where_they_may(void **state)
{
    struct talk *t = *state;
    static const char *const script[] = {PIPELINING_EHLO,
                                         "< MAIL FROM:<joe@example.com> SIZE=70 BODY=8BITMIME",
                                         "< RCPT TO:<a@b.example>",
                                         "< RCPT TO:<c@d.example>",
                                         "< DATA", /* no reply was needed to get here */
                                         "> 250 ok",
                                         "> 550 5.1.1 no",
                                         "> 250 ok",
                                         "> 354 go",
                                         "data",
                                         "> 250 ok",
                                         BYE,
                                         NULL};
    converse(t, CLIENT_SMTP, 2, script);
    assert_outcome(&t->outcomes[0], VERDICT_FAILED, CAUSE_DELIVERY_REFUSED,
                   "SMTP error from remote mail server after RCPT TO:<a@b.example>: 550 5.1.1 no");
    assert_string_equal(outcome_status(&t->outcomes[0]), "5.1.1");
    assert_string_equal(t->outcomes[0].reply, "550 5.1.1 no");
    assert_outcome(&t->outcomes[1], VERDICT_DELIVERED, CAUSE_NONE, "250 ok");
    end(t);
}

static void lmtp_answers_for_each_recipient(void **state)
{
    struct talk *t = *state;
    static const char *const script[] = {"> 220 lmtp",
                                         "< LHLO mail.example.com",
                                         "> 250-lmtp",
                                         "> 250 PIPELINING",
                                         MAIL,
                                         "< RCPT TO:<a@b.example>",
                                         "< RCPT TO:<c@d.example>",
                                         "< RCPT TO:<e@f.example>",
                                         "< DATA",
                                         "> 250 ok",
                                         "> 250 ok",
                                         "> 550 5.1.1 who",
                                         "> 250 ok",
                                         "> 354 go",
                                         "data",
                                         "> 250 2.0.0 saved",
                                         "> 452 4.2.2 full",
                                         BYE,
                                         NULL};
    converse(t, CLIENT_LMTP, 3, script);
    assert_outcome(&t->outcomes[0], VERDICT_DELIVERED, CAUSE_NONE, "250 2.0.0 saved");
    assert_int_equal(t->outcomes[1].verdict, VERDICT_FAILED);
    assert_outcome(&t->outcomes[2], VERDICT_DEFERRED, CAUSE_DELIVERY_DEFERRED,
                   "SMTP error from remote mail server after end of data: 452 4.2.2 full");
    assert_string_equal(outcome_status(&t->outcomes[2]), "4.2.2");
    end(t);
}

static void a_connection_carries_several_messages(void **state)
{
    struct talk *t = *state;
    static const char *const script[] = {PLAIN_EHLO, MAIL,
                                         "> 250 ok", "< RCPT TO:<a@b.example>",
                                         "> 250 ok", "< DATA",
                                         "> 354 go", "data",
                                         "> 250 ok", MAIL,
                                         "> 250 ok", "< RCPT TO:<a@b.example>",
                                         "> 550 no", "< RSET",
                                         "> 250 ok", MAIL,
                                         "> 250 ok", "< RCPT TO:<a@b.example>",
                                         "> 250 ok", "< DATA",
                                         "> 354 go", "data",
                                         "> 250 ok", BYE,
                                         NULL};
    converse(t, CLIENT_SMTP, 1, script);
    assert_int_equal(t->outcomes[0].verdict, VERDICT_DELIVERED);
    assert_true(client_is_alive(t->client));
    assert_true(send_to(t, 1));
    assert_int_equal(t->outcomes[0].verdict, VERDICT_FAILED);
    assert_true(send_to(t, 1)); /* the transaction before it was not ended by DATA: RSET */
    assert_int_equal(t->outcomes[0].verdict, VERDICT_DELIVERED);
    end(t);
}

static void an_old_server_gets_helo(void **state)
{
    struct talk *t = *state;
    static const char *const script[] = {"> 220 old",
                                         "< EHLO mail.example.com",
                                         "> 500 what",
                                         "< HELO mail.example.com",
                                         "> 250 hello",
                                         MAIL,
                                         "> 250 ok",
                                         "< RCPT TO:<a@b.example>",
                                         "> 251 forwarded",
                                         "< DATA",
                                         "> 354 go",
                                         "data",
                                         "> 250 ok",
                                         BYE,
                                         NULL};
    converse(t, CLIENT_SMTP, 1, script);
    assert_int_equal(t->outcomes[0].verdict, VERDICT_DELIVERED);
    end(t);
}

/* ---- refusals ---- */

static void a_refused_sender_ends_it(void **state)
{
    struct talk *t = *state;
    static const char *const plain[] = {PLAIN_EHLO, MAIL, "> 553 5.1.8 who are you", BYE, NULL};
    static const char *const pipelined[] = {
        PIPELINING_EHLO, "< MAIL *", "< RCPT *", "< RCPT *", "< DATA", "> 451 4.7.1 later",
        "> 503 no",      "> 503 no", "> 503 no", BYE,        NULL};
    converse(t, CLIENT_SMTP, 2, plain);
    for (size_t i = 0; i < 2; i++)
        assert_outcome(
            &t->outcomes[i], VERDICT_FAILED, CAUSE_DELIVERY_REFUSED,
            "SMTP error from remote mail server after MAIL FROM:<joe@example.com>: 553 5.1.8 who are you");
    end(t);
    converse(t, CLIENT_SMTP, 2, pipelined);
    for (size_t i = 0; i < 2; i++)
        assert_outcome(
            &t->outcomes[i], VERDICT_DEFERRED, CAUSE_DELIVERY_DEFERRED,
            "SMTP error from remote mail server after MAIL FROM:<joe@example.com>: 451 4.7.1 later");
    end(t);
}

/* RFC 4954, section 6: "Authentication required" is a matter of our settings; no message is given up for it.
 */
static void a_missing_login_is_not_the_messages_fault(void **state)
{
    struct talk *t = *state;
    static const char *const script[] = {PLAIN_EHLO, MAIL, "> 530 5.7.0 Authentication required", BYE, NULL};
    converse(t, CLIENT_SMTP, 1, script);
    assert_int_equal(t->outcomes[0].verdict, VERDICT_DEFERRED);
    assert_int_equal(t->outcomes[0].cause, CAUSE_DELIVERY_LOGIN);
    assert_string_equal(outcome_status(&t->outcomes[0]), "4.7.8");
    end(t);
}

static void a_refused_message_fails_for_all_that_were_taken(void **state)
{
    struct talk *t = *state;
    static const char *const script[] = {
        PLAIN_EHLO, MAIL,       "> 250 ok", "< RCPT *",         "> 250 ok", "< RCPT *", "> 450 4.2.1 later",
        "< DATA",   "> 354 go", "data",     "> 554 5.7.1 spam", BYE,        NULL};
    converse(t, CLIENT_SMTP, 2, script);
    assert_outcome(&t->outcomes[0], VERDICT_FAILED, CAUSE_DELIVERY_REFUSED,
                   "SMTP error from remote mail server after end of data: 554 5.7.1 spam");
    assert_outcome(&t->outcomes[1], VERDICT_DEFERRED, CAUSE_DELIVERY_DEFERRED,
                   "SMTP error from remote mail server after RCPT TO:<c@d.example>: 450 4.2.1 later");
    end(t);
}

static void data_may_be_refused(void **state)
{
    struct talk *t = *state;
    static const char *const script[] = {
        PLAIN_EHLO, MAIL, "> 250 ok", "< RCPT *", "> 250 ok", "< DATA", "> 451 4.3.0 no room", BYE, NULL};
    converse(t, CLIENT_SMTP, 1, script);
    assert_outcome(&t->outcomes[0], VERDICT_DEFERRED, CAUSE_DELIVERY_DEFERRED,
                   "SMTP error from remote mail server after DATA: 451 4.3.0 no room");
    end(t);
}

/* RFC 5321, section 4.5.3.1.10: the others go at once in a transaction of their own. */
static void too_many_recipients_are_sent_the_rest_at_once(void **state)
{
    struct talk *t = *state;
    static const char *const script[] = {PLAIN_EHLO,
                                         MAIL,
                                         "> 250 ok",
                                         "< RCPT *",
                                         "> 250 ok",
                                         "< RCPT *",
                                         "> 452 4.5.3 too many",
                                         "< RCPT *",
                                         "> 552 5.5.3 too many",
                                         "< DATA",
                                         "> 354 go",
                                         "data",
                                         "> 250 ok",
                                         BYE,
                                         NULL};
    converse(t, CLIENT_SMTP, 3, script);
    assert_int_equal(t->outcomes[0].verdict, VERDICT_DELIVERED);
    for (size_t i = 1; i < 3; i++) {
        assert_int_equal(t->outcomes[i].verdict, VERDICT_DEFERRED);
        assert_int_equal(t->outcomes[i].again_s, 1);
        assert_int_equal(outcome_status(&t->outcomes[i])[0], '4');
    }
    end(t);
}

/* RFC 2920, section 3.1: 354 although nobody was accepted; the message is not sent. */
static void a_message_for_nobody_is_only_a_dot(void **state)
{
    struct talk *t = *state;
    static const char *const script[] = {
        PIPELINING_EHLO,       "< MAIL *", "< RCPT *", "< DATA", "> 250 ok", "> 550 no", "> 354 go", "< .",
        "> 554 no recipients", BYE,        NULL};
    converse(t, CLIENT_SMTP, 1, script);
    assert_int_equal(t->outcomes[0].verdict, VERDICT_FAILED);
    assert_false(t->client->broken);
    end(t);
}

static void a_size_that_is_too_large_is_not_tried(void **state)
{
    struct talk *t = *state;
    static const char *const script[] = {GREETING, "> 250-mx", "> 250 SIZE 69", BYE, NULL};
    converse(t, CLIENT_SMTP, 1, script);
    assert_int_equal(t->outcomes[0].verdict, VERDICT_FAILED);
    assert_string_equal(outcome_status(&t->outcomes[0]), "5.3.4");
    end(t);
}

/* ---- broken connections ---- */

static void a_lost_connection_is_tried_again(void **state)
{
    struct talk *t = *state;
    static const char *const script[] = {PLAIN_EHLO,       MAIL,       "> 250 ok", "< RCPT *",
                                         "> 550 5.1.1 no", "< RCPT *", "close",    NULL};
    converse(t, CLIENT_SMTP, 2, script);
    assert_int_equal(t->outcomes[0].verdict, VERDICT_FAILED);
    assert_outcome(&t->outcomes[1], VERDICT_DEFERRED, CAUSE_DELIVERY_UNREACHABLE,
                   "connection lost after RCPT TO:<c@d.example>: the connection was closed");
    assert_true(t->client->broken);
    end(t);
}

static void a_421_is_for_all_that_is_open(void **state)
{
    struct talk *t = *state;
    static const char *const script[] = {
        PLAIN_EHLO, MAIL, "> 250 ok", "< RCPT *", "> 250 ok", "< RCPT *", "> 421 4.3.2 going down",
        "close",    NULL};
    converse(t, CLIENT_SMTP, 3, script);
    for (size_t i = 0; i < 3; i++)
        assert_outcome(
            &t->outcomes[i], VERDICT_DEFERRED, CAUSE_DELIVERY_DEFERRED,
            "SMTP error from remote mail server after RCPT TO:<c@d.example>: 421 4.3.2 going down");
    assert_true(t->client->broken);
    end(t);
}

static void silence_is_not_waited_for_for_ever(void **state)
{
    struct talk *t = *state;
    static const char *const script[] = {PLAIN_EHLO, MAIL, "stay", NULL};
    converse_within(t, CLIENT_SMTP, 1, script, &IMPATIENT);
    assert_outcome(&t->outcomes[0], VERDICT_DEFERRED, CAUSE_DELIVERY_UNREACHABLE,
                   "connection lost after MAIL FROM:<joe@example.com>: timed out");
    end(t);
}

/* A line now and then: the wait is for the whole reply. */
static void a_reply_that_drips_is_cut_off(void **state)
{
    struct talk *t = *state;
    static const char *const script[] = {PLAIN_EHLO,  MAIL,      "> 250-a",   "pause 120", "> 250-b",
                                         "pause 120", "> 250-c", "pause 120", "> 250-d",   "pause 120",
                                         "> 250 e",   "stay",    NULL};
    converse_within(t, CLIENT_SMTP, 1, script, &IMPATIENT);
    assert_outcome(&t->outcomes[0], VERDICT_DEFERRED, CAUSE_DELIVERY_UNREACHABLE,
                   "connection lost after MAIL FROM:<joe@example.com>: timed out");
    end(t);
}

static void after_the_end_of_data_nobody_knows(void **state)
{
    struct talk *t = *state;
    static const char *const script[] = {PLAIN_EHLO, MAIL,       "> 250 ok", "< RCPT *", "> 250 ok",
                                         "< DATA",   "> 354 go", "data",     "close",    NULL};
    static const char *const lmtp[] = {"> 220 l",  "< LHLO *", "> 250 l",     MAIL,       "> 250 ok",
                                       "< RCPT *", "> 250 ok", "< RCPT *",    "> 250 ok", "< DATA",
                                       "> 354 go", "data",     "> 250 saved", "close",    NULL};
    converse(t, CLIENT_SMTP, 1, script);
    assert_outcome(&t->outcomes[0], VERDICT_DEFERRED, CAUSE_DELIVERY_UNREACHABLE,
                   "connection lost after the end of data: the connection was closed; the server may have "
                   "taken the message, so that it "
                   "may arrive twice");
    end(t);
    converse(t, CLIENT_LMTP, 2, lmtp);
    assert_int_equal(t->outcomes[0].verdict, VERDICT_DELIVERED);
    assert_int_equal(t->outcomes[1].verdict, VERDICT_DEFERRED);
    assert_contains(t->outcomes[1].text, "may arrive twice");
    end(t);
}

/* A kept connection that has ended meanwhile: nothing was tried, and it is not the destination's fault. */
static void an_idle_connection_may_be_gone(void **state)
{
    struct talk *t = *state;
    static const char *const gone[] = {PLAIN_EHLO, MAIL,   "> 250 ok", "< RCPT *", "> 250 ok", "< DATA",
                                       "> 354 go", "data", "> 250 ok", MAIL,       "close",    NULL};
    static const char *const full[] = {PIPELINING_EHLO, "< MAIL *", "< RCPT *",     "< DATA",   "> 250 ok",
                                       "> 250 ok",      "> 354 go", "data",         "> 250 ok", "< MAIL *",
                                       "< RCPT *",      "< DATA",   "> 421 enough", "close",    NULL};
    const char *const *const scripts[] = {gone, full};
    for (size_t i = 0; i < COUNT_OF(scripts); i++) {
        converse(t, CLIENT_SMTP, 1, scripts[i]);
        assert_int_equal(t->outcomes[0].verdict, VERDICT_DELIVERED);
        assert_false(send_to(t, 1));
        assert_int_equal(t->outcomes[0].verdict, VERDICT_NONE);
        assert_true(t->client->broken);
        end(t);
    }
}

static void what_is_no_reply_breaks_the_connection(void **state)
{
    struct talk *t = *state;
    static const char *const replies[] = {
        "> <html>", "> 25", "> 250-a\r\n550 b", "times 10000 250-on and on", "raw \xFF\xFF\n", "> "};
    for (size_t i = 0; i < COUNT_OF(replies); i++) {
        const char *const script[] = {PLAIN_EHLO, MAIL, replies[i], "stay", NULL};
        converse(t, CLIENT_SMTP, 1, script);
        assert_outcome(&t->outcomes[0], VERDICT_DEFERRED, CAUSE_DELIVERY_UNREACHABLE,
                       "connection lost after MAIL FROM:<joe@example.com>: what it said is no reply of SMTP");
        assert_true(t->client->broken);
        end(t);
    }
}

static void a_line_without_end_breaks_the_connection(void **state)
{
    struct talk *t = *state;
    char flood[20000];
    snprintf(flood, sizeof flood, "raw 250 %019980d", 0);
    const char *const script[] = {PLAIN_EHLO, MAIL, flood, "stay", NULL};
    converse(t, CLIENT_SMTP, 1, script);
    assert_outcome(&t->outcomes[0], VERDICT_DEFERRED, CAUSE_DELIVERY_UNREACHABLE,
                   "connection lost after MAIL FROM:<joe@example.com>: a line is too long");
    end(t);
}

/* It has enough in the middle of the message, and says why. */
static void an_early_refusal_is_heard(void **state)
{
    struct talk *t = *state;
    static const char *const script[] = {PLAIN_EHLO,  MAIL,     "> 250 ok", "< RCPT *",
                                         "> 250 ok",  "< DATA", "> 354 go", "> 552 5.3.4 too much",
                                         "pause 600", NULL};
    const char *to = "a@b.example";
    struct buf much = BUF_INIT(64 << 20), error = BUF_INIT(512);
    char id[QUEUE_ID_MAX];
    for (int i = 0; i < 400000; i++)
        buf_add_str(&much, "a line of a long message, which never ends, and so on\r\n");
    world_submit(&t->world, "joe@example.com", &to, 1, span_from(much.data, much.len), id);
    spool_body_close(&t->body);
    t->body = spool_body_open(t->world.spool, id, &error);
    converse(t, CLIENT_SMTP, 1, script);
    assert_outcome(&t->outcomes[0], VERDICT_FAILED, CAUSE_DELIVERY_REFUSED,
                   "SMTP error from remote mail server after sending data block: 552 5.3.4 too much");
    assert_true(t->client->broken);
    end(t);
    buf_free(&much);
    buf_free(&error);
}

static void stopping_breaks_it_off_and_counts_nothing(void **state)
{
    struct talk *t = *state;
    static const char *const script[] = {PLAIN_EHLO, MAIL, "stay", NULL};
    int cancel = eventfd(0, EFD_CLOEXEC);
    plain_policy(t, &PATIENT);
    t->policy.cancel_fd = cancel;
    begin(t, CLIENT_SMTP, NULL, script);
    assert_non_null(t->client);
    assert_int_equal(eventfd_write(cancel, 1), 0);
    assert_true(send_to(t, 1));
    assert_int_equal(t->outcomes[0].verdict, VERDICT_NONE);
    end(t);
    fd_close(&cancel);
}

/* ---- before MAIL: never the message's fault ---- */

static void assert_refused(struct talk *t, enum cause_id cause, const char *text, const char *const *script)
{
    begin(t, CLIENT_SMTP, NULL, script);
    assert_null(t->client);
    assert_outcome(&t->why, VERDICT_DEFERRED, cause, text);
    end(t);
}

static void a_server_may_not_want_us(void **state)
{
    struct talk *t = *state;
    static const char *const no_service[] = {"> 554 5.7.1 go away", "< QUIT", NULL};
    static const char *const silent[] = {"stay", NULL};
    static const char *const garbage[] = {"> SSH-2.0-OpenSSH_9.2", "stay", NULL};
    static const char *const busy[] = {"> 220 mx", "< EHLO *", "> 421 4.3.2 busy", "close", NULL};
    static const char *const no_hello[] = {
        "> 220 mx", "< EHLO *", "> 550 5.7.1 no", "< HELO *", "> 550 5.7.1 no", "< QUIT", NULL};
    plain_policy(t, &PATIENT);
    assert_refused(t, CAUSE_DELIVERY_UNREACHABLE, "the greeting was: 554 5.7.1 go away", no_service);
    assert_refused(t, CAUSE_DELIVERY_UNREACHABLE,
                   "waiting for the greeting: what it said is no reply of SMTP", garbage);
    assert_refused(t, CAUSE_DELIVERY_UNREACHABLE, "after EHLO: 421 4.3.2 busy", busy);
    assert_refused(t, CAUSE_DELIVERY_UNREACHABLE, "after HELO: 550 5.7.1 no", no_hello);
    plain_policy(t, &IMPATIENT);
    assert_refused(t, CAUSE_DELIVERY_UNREACHABLE, "waiting for the greeting: timed out", silent);
}

static void nobody_listens(void **state)
{
    struct talk *t = *state;
    struct buf name = BUF_INIT(512);
    plain_policy(t, &PATIENT);
    const struct client_target target = {.path = "", .host = "127.0.0.1", .port = 1};
    assert_null(client_open(&target, &t->policy, &t->why, &name));
    assert_outcome(&t->why, VERDICT_DEFERRED, CAUSE_DELIVERY_UNREACHABLE, "Connection refused");
    assert_string_equal(buf_str(&name), "127.0.0.1 [127.0.0.1]:1");
    outcome_clear(&t->why);
    buf_free(&name);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_talk, free_talk)
    static const struct CMUnitTest tests[] = {
        TEST(a_message_goes_step_by_step),
        TEST(commands_go_together_where_they_may),
        TEST(lmtp_answers_for_each_recipient),
        TEST(a_connection_carries_several_messages),
        TEST(an_old_server_gets_helo),
        TEST(a_refused_sender_ends_it),
        TEST(a_missing_login_is_not_the_messages_fault),
        TEST(a_refused_message_fails_for_all_that_were_taken),
        TEST(data_may_be_refused),
        TEST(too_many_recipients_are_sent_the_rest_at_once),
        TEST(a_message_for_nobody_is_only_a_dot),
        TEST(a_size_that_is_too_large_is_not_tried),
        TEST(a_lost_connection_is_tried_again),
        TEST(a_421_is_for_all_that_is_open),
        TEST(silence_is_not_waited_for_for_ever),
        TEST(a_reply_that_drips_is_cut_off),
        TEST(after_the_end_of_data_nobody_knows),
        TEST(an_idle_connection_may_be_gone),
        TEST(what_is_no_reply_breaks_the_connection),
        TEST(a_line_without_end_breaks_the_connection),
        TEST(an_early_refusal_is_heard),
        TEST(stopping_breaks_it_off_and_counts_nothing),
        TEST(a_server_may_not_want_us),
        TEST(nobody_listens),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("courier.client", tests, NULL, NULL);
}
