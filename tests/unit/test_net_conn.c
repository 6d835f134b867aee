/* SPDX-License-Identifier: MIT */
/* Connections, plain and inside TLS, against a client on the other end of a real socket. */
#include "net_help.h"

/* ---- the end under test: what a connection told, and what it is to do then ---- */

struct side;
typedef size_t data_fn(struct side *side, const char *bytes, size_t n);

struct side {
    struct loop *loop;
    struct conn *conn;
    struct tls_policy *policy;
    data_fn *data;
    void (*ready)(struct side *side);
    int fd;
    bool await, aborting;
    size_t size; /* of what is to be written */
    /* touched by the loop's thread, and read behind a signpost */
    struct buf seen;
    char first[9];
    char tls[TLS_TEXT_MAX];
    enum conn_end end;
    size_t calls;
    struct signpost firsts, datas, readies, timeouts, closes;
};

static void on_first(void *arg, const char *bytes, size_t n)
{
    struct side *s = arg;
    memcpy(s->first, bytes, n);
    signpost_raise(&s->firsts);
}

static size_t on_data(void *arg, const char *bytes, size_t n)
{
    struct side *s = arg;
    s->calls++;
    size_t used = s->data(s, bytes, n);
    signpost_raise(&s->datas);
    return used;
}

static void on_ready(void *arg)
{
    struct side *s = arg;
    assert_true(conn_is_tls(s->conn));
    conn_tls_text(s->conn, s->tls);
    if (s->ready != NULL)
        s->ready(s);
    conn_resume(s->conn);
    signpost_raise(&s->readies);
}

static void on_timeout(void *arg)
{
    struct side *s = arg;
    signpost_raise(&s->timeouts);
}

static void on_closed(void *arg, enum conn_end end)
{
    struct side *s = arg;
    s->end = end;
    s->conn = NULL;
    signpost_raise(&s->closes);
}

static const struct conn_events EVENTS = {on_first, on_data, on_ready, on_timeout, on_closed};

static size_t keep_seen(struct side *s, const char *bytes, size_t n)
{
    assert_true(buf_add(&s->seen, bytes, n));
    return n;
}

/* ---- both ends ---- */

static struct identity identity;

struct pair {
    struct side *side;
    struct client client;
};

static void open_side(void *arg)
{
    struct side *s = arg;
    s->conn = conn_open(s->loop, s->fd, &EVENTS, s);
    assert_non_null(s->conn);
    if (s->await)
        conn_await_first(s->conn);
    else if (s->policy != NULL)
        conn_start_tls(s->conn, s->policy);
    else
        conn_resume(s->conn);
}

/* With a policy the connection begins with TLS. buffer: see tcp_pair. */
static struct pair make_pair(data_fn *data, bool tls, int buffer)
{
    int fds[2];
    tcp_pair(fds, buffer);
    struct side *s = xcalloc(1, sizeof *s);
    *s = (struct side){.loop = start_loop(), .data = data, .fd = fds[0], .seen = BUF_INIT(1 << 26)};
    struct signpost post = SIGNPOST_INIT;
    s->firsts = s->datas = s->readies = s->timeouts = s->closes = post;
    s->policy = tls ? policy_of("", &identity) : NULL;
    return (struct pair){s, {.fd = fds[1]}};
}

static void begin(struct pair *p)
{
    on_loop(p->side->loop, open_side, p->side);
    if (p->side->policy == NULL)
        return;
    client_tls(&p->client);
    signpost_wait(&p->side->readies, 1); /* TLS 1.3: the client is done first */
}

static void abort_side(void *arg)
{
    struct side *s = arg;
    if (s->conn != NULL)
        conn_abort(s->conn);
}

static void end_pair(struct pair *p)
{
    struct side *s = p->side;
    on_loop(s->loop, abort_side, s);
    signpost_wait(&s->closes, 1);
    end_loop(&s->loop);
    assert_int_equal(s->closes.count, 1);
    client_close(&p->client);
    tls_policy_release(&s->policy);
    buf_free(&s->seen);
    free(s);
}

static void resume(void *arg)
{
    struct side *s = arg;
    if (s->conn != NULL)
        conn_resume(s->conn);
}

static void pause_side(void *arg)
{
    struct side *s = arg;
    conn_pause(s->conn);
}

static void close_side(void *arg)
{
    struct side *s = arg;
    conn_close(s->conn);
}

/* Bytes that are not all the same, to be told apart. */
static void fill(char *out, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        out[i] = (char)(seed >> 56);
    }
}

/* ---- both directions at once ---- */

static size_t echo(struct side *s, const char *bytes, size_t n)
{
    size_t step = 1000, used = 0;
    while (used < n && !conn_congested(s->conn)) {
        step = n - used < step ? n - used : step;
        conn_write(s->conn, bytes + used, step);
        used += step;
    }
    return used;
}

static bool wants(int error)
{
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

/* One step of a client that never blocks; -1 when the connection is broken. */
static ssize_t step(struct client *c, bool write, char *data, size_t n)
{
    size_t done = 0;
    if (c->ssl == NULL) {
        ssize_t r = write ? send(c->fd, data, n, MSG_NOSIGNAL) : recv(c->fd, data, n, 0);
        return r > 0 ? r : r < 0 && errno == EAGAIN ? 0 : -1;
    }
    ERR_clear_error();
    int r = write ? SSL_write_ex(c->ssl, data, n, &done) : SSL_read_ex(c->ssl, data, n, &done);
    return r == 1 ? (ssize_t)done : wants(SSL_get_error(c->ssl, r)) ? 0 : -1;
}

/* Sends as fast as it goes, and reads only a little now and then; all must come back. */
static void exchange(struct client *c, size_t size, bool slow)
{
    char *out = xmalloc(size), *in = xmalloc(size);
    size_t sent = 0, got = 0;
    fill(out, size, 7);
    fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
    for (unsigned turn = 0; got < size; turn++) {
        ssize_t n = sent < size ? step(c, true, out + sent, size - sent) : 0;
        assert_true(n >= 0);
        sent += (size_t)n;
        bool reads = !slow || n == 0 || turn % 16 == 0;
        size_t room = slow && size - got > 5000 ? 5000 : size - got;
        ssize_t r = reads ? step(c, false, in + got, room) : 0;
        assert_true(r >= 0);
        got += (size_t)r;
        struct pollfd poll_fd = {c->fd, (short)(POLLIN | (sent < size ? POLLOUT : 0)), 0};
        if (n == 0 && r == 0)
            assert_int_equal(poll(&poll_fd, 1, PATIENCE_S * 1000), 1);
    }
    fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) & ~O_NONBLOCK);
    assert_memory_equal(in, out, size);
    free(out);
    free(in);
}

static void echo_of_many_megabytes(void **state)
{
    (void)state;
    enum {
        SMALL = 65536
    }; /* two segments of loopback: with less, TCP itself may stall until its next window probe */
    static const struct {
        bool tls, slow;
        int buffer;
        size_t size;
    } rows[] = {{false, false, 0, 16 << 20},
                {false, true, SMALL, 4 << 20},
                {true, false, 0, 16 << 20},
                {true, true, SMALL, 4 << 20}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct pair p = make_pair(echo, rows[i].tls, rows[i].buffer);
        begin(&p);
        exchange(&p.client, rows[i].size, rows[i].slow);
        end_pair(&p);
    }
}

/* ---- what the peer is told about, and what not ---- */

/* Answers each byte with 200: more than the cap for what comes in one read. */
static size_t answer_much(struct side *s, const char *bytes, size_t n)
{
    static const char answer[200] = {'a'};
    size_t used = 0;
    (void)bytes;
    while (used < n && !conn_congested(s->conn)) {
        conn_write(s->conn, answer, sizeof answer);
        used++;
    }
    return used;
}

static void answers_beyond_the_cap_wait_for_the_reader(void **state)
{
    (void)state;
    enum { QUESTIONS = 16000 };
    static char questions[QUESTIONS];
    for (int tls = 0; tls < 2; tls++) {
        struct pair p = make_pair(answer_much, tls, 0);
        begin(&p);
        assert_true(client_write(&p.client, questions, sizeof questions));
        pause_ms(50);
        client_finish(&p.client); /* what was asked before the end is answered */
        struct buf answers = BUF_INIT(1 << 24);
        client_read_all(&p.client, &answers);
        assert_int_equal(answers.len, QUESTIONS * (size_t)200);
        assert_true(p.client.ended);
        assert_false(p.client.broken);
        buf_free(&answers);
        end_pair(&p);
    }
}

static void write_size(void *arg)
{
    struct side *s = arg;
    char *data = xcalloc(1, s->size);
    if (s->conn != NULL)
        conn_write(s->conn, data, s->size);
    free(data);
}

static void a_reader_that_never_reads_is_let_go(void **state)
{
    (void)state;
    struct pair p = make_pair(keep_seen, false, 4096);
    begin(&p);
    p.side->size = 60000;
    on_loop(p.side->loop, write_size, p.side); /* fits, whatever the kernel took */
    assert_int_equal(signpost_count(&p.side->closes), 0);
    on_loop(p.side->loop, write_size, p.side);
    on_loop(p.side->loop, write_size, p.side);
    signpost_wait(&p.side->closes, 1);
    assert_int_equal(p.side->end, CONN_RESET);
    end_pair(&p);
}

static void nothing_is_read_while_something_is_unsent(void **state)
{
    (void)state;
    struct pair p = make_pair(keep_seen, false, 4096);
    begin(&p);
    p.side->size = 60000;
    on_loop(p.side->loop, write_size, p.side);
    client_say(&p.client, "waits");
    pause_ms(50);
    assert_int_equal(signpost_count(&p.side->datas), 0);
    char bytes[60000];
    for (size_t n = 0; n < sizeof bytes;)
        n += client_read(&p.client, bytes, sizeof bytes - n);
    signpost_wait(&p.side->datas, 1);
    assert_string_equal(buf_str(&p.side->seen), "waits");
    end_pair(&p);
}

/* ---- pause, resume, what is kept ---- */

/* Takes one line at a time, and then waits to be asked. */
static size_t take_line(struct side *s, const char *bytes, size_t n)
{
    const char *end = memchr(bytes, '\n', n);
    if (end == NULL)
        return 0;
    size_t len = (size_t)(end - bytes) + 1;
    buf_add(&s->seen, bytes, len);
    conn_write(s->conn, bytes, len);
    conn_pause(s->conn);
    return len;
}

static void kept_bytes_are_shown_before_the_end(void **state)
{
    (void)state;
    static const char lines[] = "one\ntwo\nthree\nfour\nfive\n";
    for (int round = 0; round < 60; round++) {
        struct pair p = make_pair(take_line, round % 2 == 1, 0);
        begin(&p);
        client_say(&p.client, lines);
        client_finish(&p.client); /* and the end of its side is there, too */
        for (int line = 1; line <= 5; line++) {
            signpost_wait(&p.side->datas, line);
            if (round % 3 == 0)
                pause_ms(1);
            on_loop(p.side->loop, resume, p.side);
        }
        struct buf answers = BUF_INIT(1024);
        client_read_all(&p.client, &answers);
        assert_string_equal(buf_str(&answers), lines);
        assert_true(p.client.ended); /* in TLS: with close_notify */
        signpost_wait(&p.side->closes, 1);
        assert_int_equal(p.side->end, CONN_CLOSED_BY_PEER);
        assert_string_equal(buf_str(&p.side->seen), lines);
        buf_free(&answers);
        end_pair(&p);
    }
}

static size_t take_nothing(struct side *s, const char *bytes, size_t n)
{
    buf_clear(&s->seen);
    buf_add(&s->seen, bytes, n);
    return 0;
}

static void what_is_left_over_comes_again_with_the_next(void **state)
{
    (void)state;
    struct pair p = make_pair(take_nothing, false, 0);
    begin(&p);
    client_say(&p.client, "ab");
    signpost_wait(&p.side->datas, 1);
    assert_string_equal(buf_str(&p.side->seen), "ab");
    client_say(&p.client, "cd");
    signpost_wait(&p.side->datas, 2);
    assert_string_equal(buf_str(&p.side->seen), "abcd");
    on_loop(p.side->loop, pause_side, p.side);
    client_say(&p.client, "ef");
    pause_ms(50);
    assert_int_equal(signpost_count(&p.side->datas), 2);
    on_loop(p.side->loop, resume, p.side);
    signpost_wait(&p.side->datas, 4); /* what was kept, then all */
    assert_string_equal(buf_str(&p.side->seen), "abcdef");
    end_pair(&p);
}

static void what_is_kept_has_an_end(void **state)
{
    (void)state;
    struct pair p = make_pair(take_nothing, false, 0);
    begin(&p);
    char *much = xcalloc(1, 1 << 20);
    client_write(&p.client, much, 1 << 20);
    free(much);
    signpost_wait(&p.side->closes, 1);
    assert_int_equal(p.side->end, CONN_RESET);
    end_pair(&p);
}

/* ---- ends ---- */

static size_t close_at_once(struct side *s, const char *bytes, size_t n)
{
    (void)bytes;
    conn_write(s->conn, "421 the last word\r\n", strlen("421 the last word\r\n"));
    conn_close(s->conn);
    conn_write(s->conn, "too late", strlen("too late"));
    return n;
}

static void the_last_word_reaches_one_that_still_sends(void **state)
{
    (void)state;
    static char much[400000];
    for (int tls = 0; tls < 2; tls++) {
        struct pair p = make_pair(close_at_once, tls, 0);
        struct buf answer = BUF_INIT(1024);
        begin(&p);
        assert_true(client_write(&p.client, much, sizeof much));
        client_read_all(&p.client, &answer);
        assert_string_equal(buf_str(&answer), "421 the last word\r\n");
        assert_true(p.client.ended); /* in TLS: with close_notify */
        assert_true(client_write(&p.client, much, 1000) || tls);
        client_close(&p.client);
        signpost_wait(&p.side->closes, 1);
        assert_int_equal(p.side->end, CONN_DONE);
        buf_free(&answer);
        end_pair(&p);
    }
}

static void a_peer_that_never_closes_is_not_waited_for(void **state)
{
    (void)state;
    struct pair p = make_pair(close_at_once, false, 0);
    begin(&p);
    client_say(&p.client, "x");
    uint64_t before = clock_mono_ms();
    signpost_wait(&p.side->closes, 1);
    uint64_t waited = clock_mono_ms() - before;
    assert_true(waited >= 1500 && waited < 8000);
    assert_int_equal(p.side->end, CONN_DONE);
    end_pair(&p);
}

static void unsent_bytes_go_before_the_close(void **state)
{
    (void)state;
    struct pair p = make_pair(keep_seen, false, 4096);
    struct buf got = BUF_INIT(1 << 20);
    begin(&p);
    p.side->size = 60000;
    on_loop(p.side->loop, write_size, p.side);
    on_loop(p.side->loop, close_side, p.side);
    on_loop(p.side->loop, close_side, p.side); /* twice is once */
    pause_ms(50);
    client_read_all(&p.client, &got);
    assert_int_equal(got.len, 60000);
    client_close(&p.client);
    signpost_wait(&p.side->closes, 1);
    assert_int_equal(p.side->end, CONN_DONE);
    buf_free(&got);
    end_pair(&p);
}

static void an_abort_waits_for_nobody(void **state)
{
    (void)state;
    struct pair p = make_pair(keep_seen, false, 4096);
    begin(&p);
    p.side->size = 60000;
    on_loop(p.side->loop, write_size, p.side);
    on_loop(p.side->loop, abort_side, p.side);
    signpost_wait(&p.side->closes, 1);
    assert_int_equal(p.side->end, CONN_DONE);
    end_pair(&p);
}

static void a_reset_is_told(void **state)
{
    (void)state;
    for (int tls = 0; tls < 2; tls++) {
        struct pair p = make_pair(keep_seen, tls, 0);
        begin(&p);
        close_hard(&p.client.fd);
        signpost_wait(&p.side->closes, 1);
        assert_int_equal(p.side->end, CONN_RESET);
        end_pair(&p);
    }
}

/* Perhaps at once, at the latest after the pause. */
static void a_reset_while_paused_is_told(void **state)
{
    (void)state;
    struct pair p = make_pair(take_line, false, 0);
    begin(&p);
    client_say(&p.client, "one\ntwo\n");
    signpost_wait(&p.side->datas, 1);
    close_hard(&p.client.fd);
    pause_ms(50);
    on_loop(p.side->loop, resume, p.side);
    signpost_wait(&p.side->closes, 1);
    assert_int_equal(p.side->end, CONN_RESET);
    end_pair(&p);
}

static void tls_that_ends_without_a_word_is_an_end(void **state)
{
    (void)state;
    struct pair p = make_pair(keep_seen, true, 0);
    begin(&p);
    client_say(&p.client, "x");
    shutdown(p.client.fd, SHUT_WR);
    signpost_wait(&p.side->closes, 1);
    assert_int_equal(p.side->end, CONN_CLOSED_BY_PEER);
    end_pair(&p);
}

static void a_broken_record_is_a_reset(void **state)
{
    (void)state;
    struct pair p = make_pair(keep_seen, true, 0);
    begin(&p);
    static const char record[] = "\x17\x03\x03\x00\x20"
                                 "01234567890123456789012345678901";
    assert_int_equal(send(p.client.fd, record, sizeof record - 1, 0), sizeof record - 1);
    signpost_wait(&p.side->closes, 1);
    assert_int_equal(p.side->end, CONN_RESET);
    assert_int_equal(p.side->seen.len, 0);
    end_pair(&p);
}

/* ---- time ---- */

static void set_time(void *arg)
{
    struct side *s = arg;
    conn_set_timeout(s->conn, 5000);
    conn_set_timeout(s->conn, 0);
    conn_set_timeout(s->conn, 40);
}

static void stop_time(void *arg)
{
    struct side *s = arg;
    conn_set_timeout(s->conn, 30);
    conn_set_timeout(s->conn, 0);
}

static void time_is_told_once(void **state)
{
    (void)state;
    struct pair p = make_pair(keep_seen, false, 0);
    begin(&p);
    on_loop(p.side->loop, set_time, p.side);
    signpost_wait(&p.side->timeouts, 1);
    on_loop(p.side->loop, stop_time, p.side);
    pause_ms(80);
    assert_int_equal(signpost_count(&p.side->timeouts), 1);
    end_pair(&p);
}

/* ---- STARTTLS, and TLS from the first byte ---- */

static size_t start_tls_at_line(struct side *s, const char *bytes, size_t n)
{
    if (conn_is_tls(s->conn))
        return keep_seen(s, bytes, n);
    const char *end = memchr(bytes, '\n', n);
    if (end == NULL)
        return 0;
    conn_write(s->conn, "go\n", 3);
    conn_pause(s->conn);
    conn_start_tls(s->conn, s->policy);
    return (size_t)(end - bytes) + 1;
}

static void nothing_from_before_survives_the_handshake(void **state)
{
    (void)state;
    struct pair p = make_pair(start_tls_at_line, false, 0);
    char line[16];
    begin(&p);
    p.side->policy = policy_of("", &identity);
    client_say(&p.client, "STARTTLS\nEVIL\n");
    client_line(&p.client, line, sizeof line);
    assert_string_equal(line, "go");
    client_tls(&p.client);
    client_say(&p.client, "GOOD\n");
    signpost_wait(&p.side->datas, 2);
    assert_string_equal(buf_str(&p.side->seen), "GOOD\n");
    assert_string_equal(p.side->tls, "TLS1.3:TLS_AES_256_GCM_SHA384:256");
    end_pair(&p);
}

static void send_held_back(struct client *c, BIO *out)
{
    char *data = NULL;
    long n = BIO_get_mem_data(out, &data);
    assert_true(n > 0);
    assert_int_equal(send(c->fd, data, (size_t)n, 0), n);
    assert_int_equal(BIO_reset(out), 1);
}

/* The client's last flight and its first words in one segment: the words are not lost. */
static void words_with_the_last_flight_are_heard(void **state)
{
    (void)state;
    struct pair p = make_pair(keep_seen, true, 0);
    SSL_CTX *ctx = client_context();
    on_loop(p.side->loop, open_side, p.side);
    p.client.ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL_set_bio(p.client.ssl, in, out);
    SSL_set_connect_state(p.client.ssl);
    assert_true(SSL_do_handshake(p.client.ssl) != 1);
    send_held_back(&p.client, out);
    while (SSL_do_handshake(p.client.ssl) != 1) {
        char chunk[4096];
        ssize_t n = recv(p.client.fd, chunk, sizeof chunk, 0);
        assert_true(n > 0);
        BIO_write(in, chunk, (int)n);
    }
    size_t used = 0;
    assert_int_equal(SSL_write_ex(p.client.ssl, "EHLO x\r\n", 8, &used), 1);
    send_held_back(&p.client, out);
    signpost_wait(&p.side->datas, 1);
    assert_string_equal(buf_str(&p.side->seen), "EHLO x\r\n");
    end_pair(&p);
}

static void start_side_tls(void *arg)
{
    struct side *s = arg;
    conn_start_tls(s->conn, s->policy);
}

static void the_first_bytes_are_only_looked_at(void **state)
{
    (void)state;
    struct pair p = make_pair(keep_seen, false, 0);
    p.side->await = true;
    begin(&p);
    pause_ms(20);
    assert_int_equal(signpost_count(&p.side->firsts), 0);
    client_say(&p.client, "EHLO laptop\r\n");
    signpost_wait(&p.side->firsts, 1);
    assert_memory_equal(p.side->first, "EHLO lap", strlen(p.side->first));
    assert_true(p.side->first[0] == 'E');
    on_loop(p.side->loop, resume, p.side);
    signpost_wait(&p.side->datas, 1);
    assert_string_equal(buf_str(&p.side->seen), "EHLO laptop\r\n");
    end_pair(&p);
}

static void *connect_tls(void *arg)
{
    client_tls(arg);
    return NULL;
}

static void tls_may_begin_with_the_first_bytes(void **state)
{
    (void)state;
    struct pair p = make_pair(keep_seen, false, 0);
    pthread_t thread;
    p.side->await = true;
    begin(&p);
    p.side->policy = policy_of("tls.min_version = 1.3\n", &identity);
    pthread_create(&thread, NULL, connect_tls, &p.client);
    signpost_wait(&p.side->firsts, 1);
    assert_int_equal(p.side->first[0], 0x16);
    on_loop(p.side->loop, start_side_tls, p.side);
    pthread_join(thread, NULL);
    client_say(&p.client, "hello");
    signpost_wait(&p.side->datas, 1);
    assert_string_equal(buf_str(&p.side->seen), "hello");
    end_pair(&p);
}

static void the_first_bytes_may_never_come(void **state)
{
    (void)state;
    struct pair p = make_pair(keep_seen, false, 0);
    p.side->await = true;
    begin(&p);
    fd_close(&p.client.fd);
    signpost_wait(&p.side->closes, 1);
    assert_int_equal(p.side->end, CONN_CLOSED_BY_PEER);
    end_pair(&p);
}

/* ---- TLS that needs the other direction ---- */

/* Asks for new keys again and again, as fast as it goes. */
static void key_updates_without_end_have_an_end(void **state)
{
    (void)state;
    struct pair p = make_pair(keep_seen, true, 0);
    begin(&p);
    for (int i = 0; i < 20; i++) { /* some are fine */
        assert_int_equal(SSL_key_update(p.client.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        client_say(&p.client, "x");
    }
    signpost_wait(&p.side->datas, 20);
    int sent = 0;
    while (sent < 1000000 && SSL_key_update(p.client.ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1 &&
           SSL_do_handshake(p.client.ssl) == 1)
        sent++;
    assert_true(sent < 1000000);
    signpost_wait(&p.side->closes, 1);
    assert_true(p.side->end == CONN_RESET || p.side->end == CONN_CLOSED_BY_PEER);
    end_pair(&p);
}

static size_t answer_each_call(struct side *s, const char *bytes, size_t n)
{
    static const char answer[9000] = {'a'};
    (void)bytes;
    conn_write(s->conn, answer, sizeof answer);
    return n;
}

/* They came in one segment, and OpenSSL holds them while the answers to the first ones are unsent. */
static void records_behind_a_slow_reader_are_heard(void **state)
{
    (void)state;
    enum { RECORDS = 40 };
    struct pair p = make_pair(answer_each_call, true, 4096);
    begin(&p);
    BIO *out = BIO_new(BIO_s_mem()), *socket = SSL_get_wbio(p.client.ssl);
    BIO_up_ref(socket);
    SSL_set0_wbio(p.client.ssl, out);
    for (int i = 0; i < RECORDS; i++)
        client_say(&p.client, "x");
    send_held_back(&p.client, out);
    SSL_set0_wbio(p.client.ssl, socket);
    char chunk[16384];
    size_t got = 0;
    while (got < (size_t)RECORDS * 9000) {
        size_t n = client_read(&p.client, chunk, sizeof chunk);
        assert_true(n > 0);
        got += n;
        pause_ms(1);
    }
    assert_int_equal(got, RECORDS * 9000);
    end_pair(&p);
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
        cmocka_unit_test(echo_of_many_megabytes),
        cmocka_unit_test(answers_beyond_the_cap_wait_for_the_reader),
        cmocka_unit_test(a_reader_that_never_reads_is_let_go),
        cmocka_unit_test(nothing_is_read_while_something_is_unsent),
        cmocka_unit_test(kept_bytes_are_shown_before_the_end),
        cmocka_unit_test(what_is_left_over_comes_again_with_the_next),
        cmocka_unit_test(what_is_kept_has_an_end),
        cmocka_unit_test(the_last_word_reaches_one_that_still_sends),
        cmocka_unit_test(a_peer_that_never_closes_is_not_waited_for),
        cmocka_unit_test(unsent_bytes_go_before_the_close),
        cmocka_unit_test(an_abort_waits_for_nobody),
        cmocka_unit_test(a_reset_is_told),
        cmocka_unit_test(a_reset_while_paused_is_told),
        cmocka_unit_test(tls_that_ends_without_a_word_is_an_end),
        cmocka_unit_test(a_broken_record_is_a_reset),
        cmocka_unit_test(time_is_told_once),
        cmocka_unit_test(nothing_from_before_survives_the_handshake),
        cmocka_unit_test(words_with_the_last_flight_are_heard),
        cmocka_unit_test(the_first_bytes_are_only_looked_at),
        cmocka_unit_test(tls_may_begin_with_the_first_bytes),
        cmocka_unit_test(the_first_bytes_may_never_come),
        cmocka_unit_test(key_updates_without_end_have_an_end),
        cmocka_unit_test(records_behind_a_slow_reader_are_heard),
    };
    return cmocka_run_group_tests_name("net_conn", tests, setup, NULL);
}
