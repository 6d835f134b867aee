/* SPDX-License-Identifier: MIT */
/* What the tests of smtp share: a server with all its rooms in a folder of its own, and what is said to it.
 */
#ifndef GP_TEST_SMTP_HELP_H
#define GP_TEST_SMTP_HELP_H

#include "net_help.h"
#include "smtp/server.h"

#define DEMO     "demo@example.com"
#define PASSWORD "the right password"

struct office {
    char dir[64];
    struct settings_cell *cell;
    struct journal *journal;
    struct auth *auth;
    struct spool *spool;
    struct smtp *smtp;
    uint16_t ports[LISTENER_KINDS];
};

static inline void office_write_settings(struct office *o, const char *more)
{
    struct buf text = BUF_INIT(8192);
    buf_printf(&text,
               "hostname = mail.example.com\ndata_dir = %s\nlog.file = %s/log\nlocal.domains = example.com\n"
               "relay.smarthost = 127.0.0.1:9\n%s",
               o->dir, o->dir, more);
    o->cell = settings_cell_make(settings_of(buf_str(&text)));
    buf_free(&text);
}

/* Listens and serves on one loop; identity may be NULL (then there is no TLS). */
static inline struct office *open_office(const char *settings, const struct identity *identity)
{
    struct office *o = xcalloc(1, sizeof *o);
    struct buf error = BUF_INIT(4096);
    snprintf(o->dir, sizeof o->dir, "/tmp/gatepost-smtp-XXXXXX");
    assert_non_null(mkdtemp(o->dir));
    office_write_settings(o, settings);
    o->journal = journal_open(o->cell, &error);
    o->auth = auth_open(o->cell, &error);
    o->spool = spool_open(o->cell, &error);
    if (error.len > 0)
        fail_msg("%s", buf_str(&error));
    struct smtp_parts parts = {o->cell, o->auth, o->spool, o->journal, "mail.example.com"};
    o->smtp = smtp_make(&parts, 1);
    assert_non_null(o->smtp);
    for (unsigned kind = 0; kind < LISTENER_KINDS; kind++) {
        char address[32];
        o->ports[kind] = free_port(AF_INET);
        snprintf(address, sizeof address, "127.0.0.1:%u", o->ports[kind]);
        int fd = listener_bind(address, &error);
        assert_true(fd >= 0);
        assert_true(smtp_listen(o->smtp, 0, (enum listener_kind)kind, fd));
    }
    if (identity != NULL)
        smtp_set_tls(o->smtp, policy_of("", identity));
    assert_int_equal(smtp_start(o->smtp), 0);
    account_add(o->auth, DEMO, span_of(PASSWORD), &error);
    buf_free(&error);
    return o;
}

static inline void close_office(struct office **office)
{
    struct office *o = *office;
    char command[128];
    smtp_end(o->smtp);
    assert_int_equal(smtp_connections(o->smtp), 0);
    auth_close(&o->auth);
    spool_close(&o->spool);
    smtp_free(&o->smtp);
    journal_close(&o->journal);
    settings_cell_free(&o->cell);
    snprintf(command, sizeof command, "rm -rf '%s'", o->dir);
    assert_int_equal(system(command), 0);
    free(o);
    *office = NULL;
}

static inline uint64_t count_cause(struct office *o, enum cause_id cause)
{
    struct journal_counts counts;
    journal_counts(o->journal, &counts);
    return counts.by_cause[cause];
}

static inline void await_cause(struct office *o, enum cause_id cause, uint64_t n)
{
    for (int i = 0; i < PATIENCE_S * 100 && count_cause(o, cause) < n; i++)
        pause_ms(10);
    if (count_cause(o, cause) != n)
        fail_msg("%s: %llu times", cause_get(cause)->id, (unsigned long long)count_cause(o, cause));
}

/* ---- what is queued ---- */

static inline void add_row(void *arg, const struct queue_row *row)
{
    struct buf *out = arg;
    buf_printf(out, "<%s>", row->sender);
    for (size_t i = 0; i < row->recipient_count; i++)
        buf_printf(out, " %s", row->recipients[i].address);
    buf_add_str(out, "\n");
}

/* A line a message: "<sender> recipient ...". */
static inline void assert_queue(struct office *o, const char *expected)
{
    struct buf out = BUF_INIT(1 << 20), error = BUF_INIT(1024);
    assert_true(spool_each(o->spool, NULL, 10000, add_row, &out, &error) >= 0);
    assert_string_equal(buf_str(&out), expected);
    buf_free(&out);
    buf_free(&error);
}

/* ---- conversations ---- */

static inline struct client call(struct office *o, enum listener_kind kind)
{
    struct client c = {.fd = tcp_connect("127.0.0.1", o->ports[kind])};
    assert_true(c.fd >= 0);
    return c;
}

/* Reads one reply, and gives its last line; "" at the end. */
static inline const char *hear(struct client *c, char line[600])
{
    do
        client_line(c, line, 600);
    while (strlen(line) > 3 && line[3] == '-');
    return line;
}

static inline void expect(struct client *c, const char *start)
{
    char line[600];
    if (strncmp(hear(c, line), start, strlen(start)) != 0)
        fail_msg("expected %s, not %s", start, line);
}

static inline void ask(struct client *c, const char *command, const char *start)
{
    client_say(c, command);
    client_say(c, "\r\n");
    expect(c, start);
}

static inline void expect_end(struct client *c)
{
    char byte;
    assert_int_equal(client_read(c, &byte, 1), 0);
    assert_true(c->ended);
    client_close(c);
}

/* A client that has said EHLO, inside TLS where the listener wants it. */
static inline struct client greet(struct office *o, enum listener_kind kind)
{
    struct client c = call(o, kind);
    if (kind == LISTENER_SUBMISSIONS)
        client_tls(&c);
    expect(&c, "220 mail.example.com");
    ask(&c, "EHLO laptop", "250 ");
    return c;
}

static inline void plain_line(const char *account, const char *password, struct buf *out)
{
    struct buf secret = BUF_INIT(512);
    buf_add_char(&secret, '\0');
    buf_add_str(&secret, account);
    buf_add_char(&secret, '\0');
    buf_add_str(&secret, password);
    buf_add_str(out, "AUTH PLAIN ");
    base64_encode(span_from(secret.data, secret.len), out);
    buf_free(&secret);
}

static inline void log_in(struct client *c, const char *password, const char *start)
{
    struct buf line = BUF_INIT(1024);
    plain_line(DEMO, password, &line);
    ask(c, buf_str(&line), start);
    buf_free(&line);
}

#endif
