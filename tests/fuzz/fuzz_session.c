/* SPDX-License-Identifier: MIT */
/*
 * The whole SMTP session, from its socket: real loop, accounts, spool and journal, in a folder of their own.
 * The first byte picks listener, TLS and whether logins need it, the second how the rest is cut into pieces;
 * what follows is what the client says. What the server says must be replies, and what it took must be in the
 * queue.
 */
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "smtp/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    PATIENCE_MS = 8000,
    CLEAN_AFTER = 500, /* messages */
    PIECES_MAX = 400,
};

static const char SETTINGS[] = "hostname = mail.example.com\n"
                               "log.file = /dev/null\n"
                               "history.events = 1000\n"
                               "local.domains = example.com example.net\n"
                               "relay.smarthost = 127.0.0.1:9\n"
                               "help.url = https://mail.example.com\n"
                               "queue.inline_max = 1K\n"
                               "message.max_size = 4K\n"
                               "limit.idle_commands = 10\n"
                               "limit.command_line = 512\n"
                               "limit.auth_line = 1K\n"
                               "limit.text_line = 1000\n"
                               "limit.header = 4K\n"
                               "limit.received = 5\n"
                               "limit.messages = 5\n";

/* All that outlives one input: made at the first one. */
struct bench {
    char dir[64];
    const struct settings *sets[2]; /* logins need TLS; they do not */
    struct settings_cell *cell;
    struct journal *journal;
    struct auth *auth;
    struct spool *spool;
    struct smtp *smtp;
    struct smtp_loop *home;
    SSL_CTX *client;
    unsigned taken; /* messages since the queue was emptied */
};
static struct bench bench;

static void must(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "fuzz_session: %s\n", what);
    abort();
}

/* ---- the bench ---- */

static const struct settings *make_settings(const char *more)
{
    struct buf text = BUF_INIT(8192), error = BUF_INIT(4096);
    char path[128];
    snprintf(path, sizeof path, "%s/conf", bench.dir);
    buf_printf(&text, "%sdata_dir = %s/data\n%s", SETTINGS, bench.dir, more);
    must(file_replace(path, text.data, text.len, 0600) == 0, "cannot write the settings");
    const struct settings *s = settings_load(path, &error);
    must(s != NULL, buf_str(&error));
    buf_free(&text);
    buf_free(&error);
    return s;
}

static struct span bio_text(BIO *bio)
{
    char *data = NULL;
    long n = BIO_get_mem_data(bio, &data);
    return span_from(data, (size_t)n);
}

static struct tls_policy *make_policy(const struct settings *settings)
{
    struct buf error = BUF_INIT(1024);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 864000);
    X509_set_pubkey(x, key);
    X509_sign(x, key, EVP_sha256());
    BIO *certificate_pem = BIO_new(BIO_s_mem()), *key_pem = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(certificate_pem, x);
    PEM_write_bio_PrivateKey(key_pem, key, NULL, NULL, 0, NULL, NULL);
    struct tls_policy *policy =
        tls_policy_make(settings, bio_text(certificate_pem), bio_text(key_pem), &error);
    must(policy != NULL, buf_str(&error));
    BIO_free(certificate_pem);
    BIO_free(key_pem);
    X509_free(x);
    EVP_PKEY_free(key);
    buf_free(&error);
    return policy;
}

static void add_accounts(void)
{
    struct buf why = BUF_INIT(1024);
    account_add(bench.auth, "demo@example.com", span_of("secret"), &why);
    account_add(bench.auth, "off@example.com", span_of("secret"), &why);
    account_disable(bench.auth, "off@example.com", true, &why);
    buf_free(&why);
}

static void take_down(void)
{
    char command[128];
    auth_close(&bench.auth);
    spool_close(&bench.spool);
    smtp_free(&bench.smtp);
    journal_close(&bench.journal);
    settings_cell_free(&bench.cell);
    settings_release(&bench.sets[0]);
    settings_release(&bench.sets[1]);
    SSL_CTX_free(bench.client);
    snprintf(command, sizeof command, "rm -rf '%s'", bench.dir);
    must(system(command) == 0, "cannot remove the folder");
}

static void set_up(void)
{
    struct buf error = BUF_INIT(4096);
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"; /* no disk to wait for */
    snprintf(bench.dir, sizeof bench.dir, "%s/gatepost-fuzz-XXXXXX", base);
    must(mkdtemp(bench.dir) != NULL, "cannot make a folder");
    signal(SIGPIPE, SIG_IGN);
    bench.sets[0] = make_settings("");
    bench.sets[1] = make_settings("tls.required_for_auth = no\n");
    must(dir_make(bench.sets[0]->data_dir, 0700) == 0, "cannot make data_dir");
    bench.cell = settings_cell_make(settings_hold(bench.sets[0]));
    bench.journal = journal_open(bench.cell, &error);
    bench.auth = auth_open(bench.cell, &error);
    bench.spool = spool_open(bench.cell, &error);
    must(error.len == 0, buf_str(&error));
    struct smtp_parts parts = {bench.cell, bench.auth, bench.spool, bench.journal, "mail.example.com"};
    bench.smtp = smtp_make(&parts, 1);
    must(bench.smtp != NULL, "cannot make the server");
    bench.home = &bench.smtp->loops[0];
    smtp_set_tls(bench.smtp, make_policy(bench.sets[0]));
    bench.client = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(bench.client, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    add_accounts();
    atexit(take_down);
    buf_free(&error);
}

/* ---- the client ---- */

struct client {
    int fd;
    SSL *ssl;
    bool speaks_tls; /* at the right moment */
    bool deaf;       /* what comes from now on is no plain reply */
    struct buf line;
    struct reply reply;
};

static void turn(void)
{
    uv_run(loop_uv(bench.home->loop), UV_RUN_NOWAIT);
}

static void hear_line(struct client *c, struct span line)
{
    must(line.n <= 512 && line.n >= 2 && line.p[line.n - 2] == '\r', "a malformed line");
    if (c->reply.complete)
        reply_clear(&c->reply);
    line.n -= 2;
    for (size_t i = 0; i < line.n; i++)
        must(line.p[i] == '\t' || (line.p[i] >= ' ' && line.p[i] <= '~'), "a reply with strange bytes");
    must(reply_add_line(&c->reply, line), "no reply");
    bench.taken += span_starts_nocase(line, "250 2.0.0 OK id=");
    c->deaf = c->ssl == NULL && span_starts_nocase(line, "220 2.0.0 Ready to start TLS");
}

static void hear(struct client *c)
{
    char chunk[16384];
    size_t got = 0;
    ssize_t n = 0;
    if (c->ssl != NULL) {
        ERR_clear_error();
        n = SSL_read_ex(c->ssl, chunk, sizeof chunk, &got) == 1 ? (ssize_t)got : 0;
    } else {
        n = recv(c->fd, chunk, sizeof chunk, MSG_DONTWAIT);
    }
    if (n <= 0 || c->deaf)
        return;
    must(buf_add(&c->line, chunk, (size_t)n), "more replies than can be");
    struct span rest = span_from(c->line.data, c->line.len);
    while (span_contains(rest, '\n') && !c->deaf) {
        const char *end = memchr(rest.p, '\n', rest.n);
        struct span line = span_from(rest.p, (size_t)(end - rest.p) + 1);
        hear_line(c, line);
        rest = span_skip(rest, line.n);
    }
    buf_consume(&c->line, c->line.len - rest.n);
}

static void say(struct client *c, const uint8_t *data, size_t n)
{
    for (int tries = 0; n > 0 && tries < 100; tries++) {
        size_t done = 0;
        ssize_t sent = 0;
        ERR_clear_error();
        if (c->ssl != NULL)
            sent = SSL_write_ex(c->ssl, data, n, &done) == 1 ? (ssize_t)done : 0;
        else
            sent = send(c->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            data += sent;
            n -= (size_t)sent;
        }
        turn();
        hear(c);
    }
}

static void begin_tls(struct client *c)
{
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    c->deaf = false;
    c->ssl = SSL_new(bench.client);
    SSL_set_fd(c->ssl, c->fd);
    for (int tries = 0; tries < 20 && SSL_connect(c->ssl) != 1; tries++) {
        ERR_clear_error();
        turn();
    }
    turn();
}

/* ---- one input ---- */

/* Does it wait for the client, or for a time that we do not wait for? */
static bool settled(bool abandon)
{
    const struct session *s = bench.home->sessions;
    if (s == NULL || (abandon && s->state == SESSION_CHECK))
        return true;
    return s->state != SESSION_CHECK && s->state != SESSION_SPOOL && s->state != SESSION_COMMIT;
}

/* The answer to a failed login, sooner. */
static void hurry(struct client *c)
{
    struct session *s = bench.home->sessions;
    if (s == NULL || s->state != SESSION_PENALTY || s->conn == NULL)
        return;
    conn_set_timeout(s->conn, 1);
    usleep(1500);
    turn();
    hear(c);
}

static void settle(struct client *c, bool abandon)
{
    uint64_t until = clock_mono_ms() + PATIENCE_MS;
    do {
        while (!settled(abandon)) {
            must(clock_mono_ms() < until, "a session that waits for ever");
            usleep(200);
            turn();
            hear(c);
        }
        if (!abandon)
            hurry(c);
        for (int i = 0; i < 3; i++) { /* what was kept goes on */
            turn();
            hear(c);
        }
    } while (!settled(abandon));
}

/* Pieces of all lengths: single bytes, lines, whatever the second byte gives. */
static size_t piece(uint8_t cut, unsigned *seed, const uint8_t *data, size_t n)
{
    const uint8_t *end = NULL;
    *seed = *seed * 1103515245U + 12345U;
    switch (cut % 4) {
    case 0: return n;
    case 1: end = memchr(data, '\n', n); return end != NULL ? (size_t)(end - data) + 1 : n;
    case 2: return 1;
    default: return 1 + (*seed >> 16) % (n < 600 ? n : 600);
    }
}

static void talk(struct client *c, uint8_t cut, const uint8_t *data, size_t size)
{
    unsigned seed = cut;
    for (int pieces = 0; size > 0 && bench.home->sessions != NULL; pieces++) {
        size_t n = pieces < PIECES_MAX ? piece(cut, &seed, data, size) : size;
        say(c, data, n);
        if (c->deaf && c->speaks_tls && c->ssl == NULL)
            begin_tls(c);
        if (cut & 4)
            settle(c, cut & 8);
        data += n;
        size -= n;
    }
}

static void count_row(void *arg, const struct queue_row *row)
{
    (void)row;
    ++*(unsigned *)arg;
}

static void empty_queue(void)
{
    struct buf error = BUF_INIT(1024);
    unsigned there = 0;
    must(spool_each(bench.spool, NULL, 1 << 20, count_row, &there, &error) >= 0, buf_str(&error));
    must(there >= bench.taken, "a message that was taken is not in the queue");
    must(spool_act(bench.spool, QUEUE_REMOVE, NULL, &error) >= 0, buf_str(&error));
    bench.taken = 0;
    buf_free(&error);
}

static void end_session(struct client *c)
{
    uint64_t until = clock_mono_ms() + PATIENCE_MS;
    if (bench.home->sessions != NULL && bench.home->sessions->conn != NULL)
        conn_abort(bench.home->sessions->conn);
    while (bench.home->sessions != NULL) {
        turn();
        must(clock_mono_ms() < until, "a session that does not end");
    }
    turn();
    must(smtp_connections(bench.smtp) == 0, "the census counts who is gone");
    SSL_free(c->ssl);
    close(c->fd);
    buf_free(&c->line);
    buf_free(&c->reply.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum listener_kind KINDS[] = {LISTENER_SMTP, LISTENER_SUBMISSION, LISTENER_SUBMISSIONS,
                                               LISTENER_SUBMISSION};
    struct addr peer = {.family = AF_INET, .bytes = {192, 0, 2, 7}, .port = 40000},
                local = {.family = AF_INET, .port = 587};
    int fds[2];
    if (bench.smtp == NULL)
        set_up();
    if (size < 2 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        return 0;
    enum listener_kind kind = KINDS[data[0] & 3];
    struct client c = {.fd = fds[1], .line = BUF_INIT(1 << 20), .reply = REPLY_INIT};
    settings_cell_set(bench.cell, settings_hold(bench.sets[(data[0] >> 2) & 1]));
    census_enter(bench.smtp->census, &peer, 10, 10);
    session_open(bench.home, kind, fds[0], &peer, &local);
    c.speaks_tls = data[0] & 8;
    if (c.speaks_tls && kind == LISTENER_SUBMISSIONS)
        begin_tls(&c);
    bool by_hand = size > 2 && (data[2] == 0x16 || data[2] >= 0x80); /* TLS: no replies to expect */
    c.deaf = kind == LISTENER_SUBMISSIONS && c.ssl == NULL && by_hand;
    talk(&c, data[1], data + 2, size - 2);
    if (data[0] & 32)
        shutdown(c.fd, SHUT_WR);
    turn();
    hear(&c);
    settle(&c, data[1] & 8);
    end_session(&c);
    if (bench.taken >= CLEAN_AFTER)
        empty_queue();
    return 0;
}
