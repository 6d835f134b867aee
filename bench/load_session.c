/* SPDX-License-Identifier: MIT */
/*
 * The conversation: a table says for each step which reply code is right and what comes next. Functions
 * return false when the session has failed and been counted.
 */
#include "load_session.h"

#include "load_reply.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#define CHUNKS_PER_EVENT 16 /* then other sessions get their turn */
#define NANOSECONDS      1000000000U

uint64_t load_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NANOSECONDS + (uint64_t)now.tv_nsec;
}

/* ---- how it ends ---- */

void load_session_cut(struct load_session *s)
{
    load_stream_close(&s->stream); /* leaves the epoll set with it */
    s->outcome = LOAD_DONE;
}

static bool fail(struct load_session *s, struct load_run *run, int code, const char *what)
{
    load_stats_error(run->stats, s->step, code, what);
    load_session_cut(s);
    s->outcome = LOAD_FAILED;
    return false;
}

static bool fail_io(struct load_session *s, struct load_run *run, enum load_io io)
{
    char why[128] = "closed by the server";
    if (io == LOAD_IO_FAILED) {
        load_stream_why(why, sizeof why);
    }
    return fail(s, run, 0, why);
}

static bool fail_reply(struct load_session *s, struct load_run *run, const struct load_reply *reply)
{
    char text[160];
    snprintf(text, sizeof text, "%.*s", (int)strcspn(reply->text, "\r"), reply->text);
    return fail(s, run, reply->code, text);
}

/* A server that refuses and closes makes our write fail: what it said is the error then. */
static bool fail_write(struct load_session *s, struct load_run *run, enum load_io io)
{
    char why[128] = "closed by the server";
    if (io == LOAD_IO_FAILED) {
        load_stream_why(why, sizeof why);
    }
    size_t n = 0;
    struct load_reply reply;
    io = load_stream_read(&s->stream, s->in + s->in_n, sizeof s->in - s->in_n, &n);
    if (io == LOAD_IO_OK &&
        load_reply_parse(s->in + s->in_at, s->in_n + n - s->in_at, &reply) == LOAD_PARSE_OK) {
        return fail_reply(s, run, &reply);
    }
    return fail(s, run, 0, why);
}

/* ---- writing ---- */

static bool unsent(const struct load_session *s)
{
    return s->sent < s->out_n + s->body_n;
}

static bool watch(struct load_session *s, struct load_run *run, uint64_t number)
{
    bool writing = s->step == STEP_CONNECT || s->stream.wants_write || unsent(s);
    uint32_t events = writing ? EPOLLIN | EPOLLOUT : EPOLLIN;
    if (events == s->events) {
        return true;
    }
    struct epoll_event event = {.events = events, .data.u64 = number};
    int how = s->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(run->epoll, how, s->stream.fd, &event) != 0) {
        return fail_io(s, run, LOAD_IO_FAILED);
    }
    s->events = events;
    return true;
}

/* The next bytes to write, at most a record: from head or body where they lie, or copied together where they
 * meet. */
static const char *next_chunk(const struct load_session *s, struct load_run *run, size_t *n_r)
{
    const struct load_text *body = &run->mail.body;
    size_t left = s->out_n + s->body_n - s->sent;
    size_t n = left < LOAD_CHUNK_MAX ? left : LOAD_CHUNK_MAX;
    *n_r = n;
    if (s->sent >= s->out_n) {
        return body->p + (s->sent - s->out_n);
    }
    size_t head = s->out_n - s->sent;
    if (n <= head) {
        return s->out + s->sent;
    }
    memcpy(run->chunk, s->out + s->sent, head);
    memcpy(run->chunk + head, body->p, n - head);
    return run->chunk;
}

static bool flush(struct load_session *s, struct load_run *run)
{
    size_t total = s->out_n + s->body_n;
    for (int i = 0; i < CHUNKS_PER_EVENT && s->sent < total; i++) {
        size_t n, done = 0;
        const char *chunk = next_chunk(s, run, &n);
        s->moved = load_now();
        enum load_io io = load_stream_write(&s->stream, chunk, n, &done);
        if (io == LOAD_IO_AGAIN) {
            return true;
        }
        if (io != LOAD_IO_OK) {
            return fail_write(s, run, io);
        }
        s->sent += done;
    }
    if (s->body_n > 0 && s->sent == total) {
        run->bytes += total;
        s->body_n = s->out_n = s->sent = 0;
        s->step_began = s->moved; /* just before the write of the last bytes */
        s->ended_message = true;
    }
    return true;
}

/* Sends a command (or several); step is the one whose reply comes next. */
static bool send_text(struct load_session *s, struct load_run *run, const struct load_text *text,
                      enum load_step step, unsigned replies)
{
    s->out = text->p;
    s->out_n = text->n;
    s->body_n = s->sent = 0;
    s->owed += replies;
    s->step = step;
    s->step_began = load_now();
    return flush(s, run);
}

static bool send_message(struct load_session *s, struct load_run *run)
{
    s->out = s->head;
    s->out_n = load_mail_header(&run->mail, run->numbered++, s->head);
    s->body_n = run->mail.body.n;
    s->sent = 0;
    s->ended_message = false;
    s->owed++;
    s->step = STEP_END_OF_DATA;
    return flush(s, run);
}

/* ---- what comes next ---- */

static bool next_message(struct load_session *s, struct load_run *run)
{
    if (s->pipelining) { /* one write (RFC 2920, 3.1) */
        return send_text(s, run, &run->mail.envelope, STEP_MAIL, 3);
    }
    return send_text(s, run, &run->mail.mail, STEP_MAIL, 1);
}

static bool logged_in(struct load_session *s, struct load_run *run)
{
    if (run->options->hold) {
        s->step = STEP_HELD;
        s->outcome = LOAD_HOLDING;
        return true;
    }
    return next_message(s, run);
}

static bool after_banner(struct load_session *s, struct load_run *run, const struct load_reply *reply)
{
    (void)reply;
    return send_text(s, run, &run->mail.ehlo, STEP_EHLO, 1);
}

static bool after_ehlo(struct load_session *s, struct load_run *run, const struct load_reply *reply)
{
    if (run->options->tls == LOAD_TLS_STARTTLS && !s->stream.ssl) {
        return load_reply_offers(reply, "STARTTLS", NULL)
                   ? send_text(s, run, &run->mail.starttls, STEP_STARTTLS, 1)
                   : fail(s, run, 0, "STARTTLS is not offered");
    }
    s->pipelining = !run->options->no_pipelining && load_reply_offers(reply, "PIPELINING", NULL);
    if (!run->options->user) {
        return logged_in(s, run);
    }
    if (!load_reply_offers(reply, "AUTH", "PLAIN")) {
        return fail(s, run, 0, "AUTH PLAIN is not offered");
    }
    bool ok = send_text(s, run, &run->mail.auth, STEP_AUTH, 1);
    s->login_began = s->step_began;
    return ok;
}

static bool shake_hands(struct load_session *s, struct load_run *run)
{
    enum load_io io = load_stream_handshake(&s->stream);
    s->moved = load_now();
    if (io != LOAD_IO_OK) {
        return io == LOAD_IO_AGAIN || fail_io(s, run, io);
    }
    load_stats_took(run->stats, STEP_TLS, s->moved - s->step_began);
    run->resumed += (uint64_t)SSL_session_reused(s->stream.ssl);
    if (run->options->tls == LOAD_TLS_STARTTLS) {
        return send_text(s, run, &run->mail.ehlo, STEP_EHLO, 1);
    }
    s->step = STEP_BANNER;
    s->step_began = s->moved;
    s->owed = 1;
    return true;
}

/* The step's time goes on from STARTTLS, or from the connection. */
static bool start_tls(struct load_session *s, struct load_run *run)
{
    if (s->in_n > 0) {
        return fail(s, run, 0, "plain bytes behind the reply to STARTTLS");
    }
    enum load_io io = load_stream_start_tls(&s->stream, run->tls);
    return io == LOAD_IO_OK ? shake_hands(s, run) : fail_io(s, run, io);
}

static bool after_starttls(struct load_session *s, struct load_run *run, const struct load_reply *reply)
{
    (void)run;
    (void)reply;
    s->step = STEP_TLS; /* start_tls() follows when the reply has left the buffer */
    return true;
}

static bool after_auth(struct load_session *s, struct load_run *run, const struct load_reply *reply)
{
    (void)reply;
    return logged_in(s, run);
}

static bool after_mail(struct load_session *s, struct load_run *run, const struct load_reply *reply)
{
    (void)reply;
    s->step = STEP_RCPT;
    return s->pipelining || send_text(s, run, &run->mail.rcpt, STEP_RCPT, 1);
}

static bool after_rcpt(struct load_session *s, struct load_run *run, const struct load_reply *reply)
{
    (void)reply;
    s->step = STEP_DATA;
    return s->pipelining || send_text(s, run, &run->mail.data, STEP_DATA, 1);
}

static bool after_data(struct load_session *s, struct load_run *run, const struct load_reply *reply)
{
    (void)reply;
    return send_message(s, run);
}

static bool after_message(struct load_session *s, struct load_run *run, const struct load_reply *reply)
{
    (void)reply;
    if (s->messages++ == 0 && run->options->user) {
        load_stats_took(run->stats, STEP_LOGIN_TO_OK, s->moved - s->login_began);
    }
    run->messages++;
    if (s->messages < run->options->messages) {
        return next_message(s, run);
    }
    return send_text(s, run, &run->mail.quit, STEP_QUIT, 1);
}

static bool after_quit(struct load_session *s, struct load_run *run, const struct load_reply *reply)
{
    (void)reply;
    load_stats_took(run->stats, STEP_SESSION, s->moved - s->began);
    s->step = STEP_CLOSE; /* the server closes first (RFC 5321, 4.1.1.10) */
    s->step_began = s->moved;
    return true;
}

static const struct {
    int code;
    bool (*then)(struct load_session *s, struct load_run *run, const struct load_reply *reply);
} rules[STEP_COUNT] = {
    [STEP_BANNER] = {220, after_banner},     [STEP_EHLO] = {250, after_ehlo},
    [STEP_STARTTLS] = {220, after_starttls}, [STEP_AUTH] = {235, after_auth},
    [STEP_MAIL] = {250, after_mail},         [STEP_RCPT] = {250, after_rcpt},
    [STEP_DATA] = {354, after_data},         [STEP_END_OF_DATA] = {250, after_message},
    [STEP_QUIT] = {221, after_quit},
};

/* ---- reading ---- */

static bool take_reply(struct load_session *s, struct load_run *run, const struct load_reply *reply)
{
    enum load_step step = s->step;
    if (reply->code != rules[step].code) {
        return fail_reply(s, run, reply);
    }
    if (step == STEP_END_OF_DATA && !s->ended_message) {
        return fail(s, run, 0, "250 before the end of the message");
    }
    load_stats_took(run->stats, step, s->moved - s->step_began);
    s->owed--;
    return rules[step].then(s, run, reply);
}

/* Takes the replies that have come; only those to what had been sent before they came. */
static bool take_replies(struct load_session *s, struct load_run *run)
{
    unsigned expected = s->owed;
    while (s->in_at < s->in_n && s->step != STEP_TLS) {
        struct load_reply reply;
        enum load_parse parse = load_reply_parse(s->in + s->in_at, s->in_n - s->in_at, &reply);
        if (parse == LOAD_PARSE_MORE && s->in_n - s->in_at < sizeof s->in) {
            break;
        }
        if (parse != LOAD_PARSE_OK) {
            return fail(s, run, 0, "not a reply");
        }
        if (expected == 0) {
            return fail(s, run, reply.code, "reply without a command");
        }
        expected--;
        s->in_at += reply.bytes;
        if (!take_reply(s, run, &reply)) {
            return false;
        }
    }
    s->in_n -= s->in_at;
    memmove(s->in, s->in + s->in_at, s->in_n);
    s->in_at = 0;
    return s->step != STEP_TLS || start_tls(s, run);
}

static bool read_input(struct load_session *s, struct load_run *run)
{
    do {
        size_t n = 0;
        enum load_io io = load_stream_read(&s->stream, s->in + s->in_n, sizeof s->in - s->in_n, &n);
        if (io == LOAD_IO_AGAIN) {
            return true;
        }
        if (io == LOAD_IO_CLOSED && s->step == STEP_CLOSE) {
            load_stats_took(run->stats, STEP_CLOSE, load_now() - s->step_began);
            load_session_cut(s);
            return true;
        }
        if (io != LOAD_IO_OK) {
            return fail_io(s, run, io);
        }
        s->moved = load_now();
        s->in_n += n;
        if (!take_replies(s, run)) {
            return false;
        }
    } while (s->step == STEP_CLOSE || load_stream_pending(&s->stream));
    return true;
}

/* ---- from outside ---- */

static bool connected(struct load_session *s, struct load_run *run)
{
    s->moved = load_now();
    load_stats_took(run->stats, STEP_CONNECT, s->moved - s->began);
    s->step = STEP_BANNER;
    s->step_began = s->moved;
    s->owed = 1;
    if (run->options->tls != LOAD_TLS_IMPLICIT) {
        return true;
    }
    s->step = STEP_TLS;
    return start_tls(s, run);
}

void load_session_start(struct load_session *s, struct load_run *run, uint64_t number)
{
    s->outcome = LOAD_RUNNING;
    s->step = STEP_CONNECT;
    s->events = 0;
    s->owed = 0;
    s->messages = 0;
    s->pipelining = false;
    s->in_at = s->in_n = s->out_n = s->body_n = s->sent = 0;
    s->began = s->step_began = s->moved = load_now();
    enum load_io io = load_stream_connect(&s->stream, (struct sockaddr *)&run->address, run->address_n);
    if (io == LOAD_IO_FAILED) {
        fail_io(s, run, io);
        return;
    }
    if (io == LOAD_IO_OK && !connected(s, run)) {
        return;
    }
    watch(s, run, number);
}

static bool advance(struct load_session *s, struct load_run *run)
{
    if (s->step == STEP_CONNECT) {
        enum load_io io = load_stream_connected(&s->stream);
        return io == LOAD_IO_OK ? connected(s, run) : fail_io(s, run, io);
    }
    if (s->step == STEP_TLS) {
        return shake_hands(s, run);
    }
    bool writing = unsent(s);
    if (!read_input(s, run)) { /* first: a reply amid the message is a refusal */
        return false;
    }
    return !writing || s->outcome != LOAD_RUNNING || flush(s, run);
}

void load_session_event(struct load_session *s, struct load_run *run, uint64_t number)
{
    if (advance(s, run) && s->outcome != LOAD_DONE) {
        watch(s, run, number);
    }
}

void load_session_check(struct load_session *s, struct load_run *run, uint64_t now)
{
    if (s->outcome == LOAD_RUNNING && now > s->moved &&
        now - s->moved > run->options->timeout * NANOSECONDS) {
        fail(s, run, 0, "timeout");
    }
}
