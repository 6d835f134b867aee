/* SPDX-License-Identifier: MIT */
/*
 * Connections: a socket on a loop, plain or TLS, behind conn_events.
 *
 * Poll events are dropped lazily: a paused connection stays registered until an event comes that nobody
 * wants, so that the usual pause (waiting for a commit while the client waits for its reply) costs no system
 * call.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/stream.h"

enum {
    CHUNK = 16384, /* one TLS record at most: stream_read */
    ROUNDS = 4,    /* reads of one connection before the others' turn */
    CONGESTED = 16384,
    UNSENT_MAX = 65536,
    UNUSED_MAX = 131072, /* a line of the largest limit, and a chunk */
    LINGER_MS = 2000,
    LINGER_BYTES = 1 << 20,
};

enum conn_state {
    CONN_AWAITING, /* for the first bytes */
    CONN_OPEN,
    CONN_TO_TLS, /* handshake starts when all is sent */
    CONN_HANDSHAKE,
    CONN_CLOSING,   /* closes when all is sent */
    CONN_LINGERING, /* all is sent, the peer may still be sending */
    CONN_ENDED,     /* only handles are left */
};

struct conn {
    uv_poll_t poll;
    uv_timer_t timer;
    struct loop_task task; /* what must not happen inside a caller's call: resume, failure */
    struct loop *loop;
    const struct conn_events *events;
    void *arg;
    struct stream stream;
    struct tls_policy *policy; /* from conn_start_tls until the handshake starts */
    struct tls_offer *offer;   /* until the handshake is done */
    struct tls_failure failure;
    struct buf unused, unsent;
    size_t sent; /* of unsent */
    size_t lingered;
    int polled;    /* events that libuv was asked for */
    unsigned refs; /* open handles, posted task */
    enum conn_state state;
    enum conn_end end;
    bool paused, in_callback, posted, failed, aborted;
    bool
        again; /* reading had to stop: what is kept is to be shown again, and what OpenSSL holds to be read */
};

static void on_poll(uv_poll_t *poll, int status, int events);
static void on_task(struct loop_task *task);
static void go_on(struct conn *c);

/* ---- life ---- */

static void drop_ref(struct conn *c)
{
    if (--c->refs > 0)
        return;
    free(c);
}

static void on_handle_closed(uv_handle_t *handle)
{
    drop_ref(handle->data);
}

struct conn *conn_open(struct loop *loop, int fd, const struct conn_events *events, void *arg)
{
    int on = 1;
    struct conn *c = xcalloc(1, sizeof *c);
    c->loop = loop;
    c->stream.fd = fd;
    c->state = CONN_OPEN;
    c->events = events;
    c->arg = arg;
    c->paused = true;
    c->task.run = on_task;
    c->unused = BUF_INIT_SECRET(UNUSED_MAX); /* may hold a password */
    buf_init(&c->unsent, UNSENT_MAX);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (uv_poll_init(loop_uv(loop), &c->poll, fd) != 0) { /* sets O_NONBLOCK */
        close(fd);
        free(c);
        return NULL;
    }
    uv_timer_init(loop_uv(loop), &c->timer);
    c->poll.data = c->timer.data = c;
    c->refs = 2;
    return c;
}

static void post(struct conn *c)
{
    if (c->posted)
        return;
    c->posted = true;
    c->refs++;
    loop_post(c->loop, &c->task);
}

/* The one place where a connection ends. Never inside a caller's call. */
static void finish(struct conn *c, enum conn_end end)
{
    if (c->state == CONN_ENDED)
        return;
    c->state = CONN_ENDED;
    c->events->closed(c->arg, end);
    stream_free(&c->stream);
    free(c->offer);
    tls_policy_release(&c->policy);
    buf_cleanse(&c->unused);
    buf_free(&c->unsent);
    uv_close((uv_handle_t *)&c->poll, on_handle_closed);
    uv_close((uv_handle_t *)&c->timer, on_handle_closed);
    close(c->stream.fd);
}

/* The same after a socket error, with what can be said of a handshake that was under way. */
static void finish_failed(struct conn *c)
{
    if (c->state == CONN_TO_TLS || c->state == CONN_HANDSHAKE)
        c->failure = (struct tls_failure){CAUSE_TLS_GAVE_UP, "connection reset by peer", c->offer};
    finish(c, CONN_RESET);
}

/* ---- polling ---- */

static int wanted(const struct conn *c)
{
    int write = c->unsent.len > 0 ? stream_write_needs(&c->stream) : 0;
    switch (c->state) {
    case CONN_OPEN: return write != 0 ? write : c->paused ? 0 : stream_read_needs(&c->stream);
    case CONN_HANDSHAKE: return stream_read_needs(&c->stream);
    case CONN_TO_TLS:
    case CONN_CLOSING: return write;
    case CONN_AWAITING:
    case CONN_LINGERING: return UV_READABLE;
    case CONN_ENDED: break;
    }
    return 0;
}

static void ask(struct conn *c, int events)
{
    if (events == c->polled || c->state == CONN_ENDED)
        return;
    c->polled = events;
    if (events == 0)
        uv_poll_stop(&c->poll);
    else
        uv_poll_start(&c->poll, events, on_poll);
}

/* Asks for what is missing; what is too much is dropped when it happens. */
static void ask_more(struct conn *c)
{
    int want = wanted(c);
    if ((c->polled & want) != want)
        ask(c, c->polled | want);
}

/* ---- sending ---- */

static void flush(struct conn *c)
{
    while (c->sent < c->unsent.len && !c->failed) {
        size_t done = 0;
        enum stream_step step =
            stream_write(&c->stream, c->unsent.data + c->sent, c->unsent.len - c->sent, &done);
        c->sent += done;
        if (step == STREAM_BLOCKED) {
            c->again = true; /* nothing is read until it is sent */
            return;
        }
        c->failed = step == STREAM_FAILED;
    }
    buf_free(&c->unsent); /* an idle connection keeps no buffer */
    c->sent = 0;
}

bool conn_congested(const struct conn *c)
{
    return c->unsent.len - c->sent >= CONGESTED;
}

void conn_write(struct conn *c, const void *data, size_t n)
{
    if (c->state > CONN_OPEN)
        return;
    if (!buf_add(&c->unsent, data, n))
        c->failed = true;
    if (c->in_callback)
        return;
    flush(c);
    if (c->failed)
        post(c);
    else
        ask_more(c);
}

/* ---- closing ---- */

static void on_timer(uv_timer_t *timer);

static void linger(struct conn *c)
{
    stream_end(&c->stream);
    shutdown(c->stream.fd, SHUT_WR);
    c->state = CONN_LINGERING;
    uv_timer_start(&c->timer, on_timer, LINGER_MS, 0);
}

/* Raw bytes, also under TLS: nobody will look at them. */
static void discard_input(struct conn *c)
{
    char chunk[CHUNK];
    for (int i = 0; i < ROUNDS; i++) {
        ssize_t n = recv(c->stream.fd, chunk, sizeof chunk, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n > 0)
            c->lingered += (size_t)n;
        if (n <= 0 || c->lingered > LINGER_BYTES) {
            finish(c, CONN_DONE);
            return;
        }
    }
}

void conn_close(struct conn *c)
{
    if (c->state >= CONN_CLOSING)
        return;
    c->state = CONN_CLOSING;
    uv_timer_start(&c->timer, on_timer, LINGER_MS, 0); /* also for what is unsent */
    if (!c->in_callback)
        post(c);
}

void conn_abort(struct conn *c)
{
    if (c->state == CONN_ENDED)
        return;
    c->aborted = true;
    post(c);
}

/* ---- TLS ---- */

void conn_start_tls(struct conn *c, struct tls_policy *policy)
{
    c->policy = tls_policy_hold(policy);
    c->state = CONN_TO_TLS;
    if (!c->in_callback)
        post(c);
}

static void handshake(struct conn *c)
{
    enum stream_step step = stream_handshake(&c->stream);
    if (step == STREAM_OK) {
        free(c->offer);
        c->offer = NULL;
        c->state = CONN_OPEN;
        c->in_callback = true;
        c->events->tls_ready(c->arg);
        c->in_callback = false;
        go_on(c);
        return;
    }
    if (step == STREAM_BLOCKED)
        return;
    tls_explain(&c->failure);
    c->failure.offer = c->offer;
    finish(c, CONN_TLS_FAILED);
}

static void begin_handshake(struct conn *c)
{
    buf_cleanse(&c->unused);
    c->stream.ssl = tls_server(c->policy, c->stream.fd, &c->offer);
    tls_policy_release(&c->policy);
    if (c->stream.ssl == NULL) {
        c->failure = (struct tls_failure){CAUSE_TLS_OTHER, "out of memory", NULL};
        finish(c, CONN_TLS_FAILED);
        return;
    }
    c->state = CONN_HANDSHAKE;
    handshake(c);
}

bool conn_is_tls(const struct conn *c)
{
    return c->stream.ssl != NULL && c->state != CONN_HANDSHAKE;
}

const char *conn_tls_text(const struct conn *c, char out[TLS_TEXT_MAX])
{
    out[0] = '\0';
    if (conn_is_tls(c)) {
        SSL *ssl = c->stream.ssl;
        const char *version = SSL_get_version(ssl); /* "TLSv1.3": Exim writes it without the v */
        snprintf(out, TLS_TEXT_MAX, "TLS%s:%s:%d", version + (strncmp(version, "TLSv", 4) == 0 ? 4 : 0),
                 SSL_get_cipher_name(ssl), SSL_get_cipher_bits(ssl, NULL));
    }
    return out;
}

const struct tls_failure *conn_tls_failure(struct conn *c)
{
    if (c->failure.cause == CAUSE_NONE) {
        c->failure = (struct tls_failure){CAUSE_TLS_TIMEOUT, "timed out", c->offer};
    }
    return &c->failure;
}

/* ---- receiving ---- */

static size_t show(struct conn *c, const char *bytes, size_t n)
{
    c->in_callback = true;
    size_t used = c->events->data(c->arg, bytes, n);
    c->in_callback = false;
    c->again |= conn_congested(c); /* it may have stopped for that */
    return used;
}

static void show_kept(struct conn *c)
{
    c->again = false;
    if (c->unused.len > 0)
        buf_consume(&c->unused, show(c, c->unused.data, c->unused.len));
    if (c->unused.len == 0)
        buf_cleanse(&c->unused);
}

static void take(struct conn *c, const char *bytes, size_t n)
{
    size_t used = c->unused.len == 0 ? show(c, bytes, n) : 0;
    bool kept_before = c->unused.len > 0;
    if (used < n && !buf_add(&c->unused, bytes + used, n - used))
        c->failed = true;
    else if (kept_before)
        show_kept(c);
}

static bool may_read(const struct conn *c)
{
    return c->state == CONN_OPEN && !c->paused && c->unsent.len == 0 && !c->failed;
}

/* One read; false when there is nothing more for now, or the connection has ended. */
static bool read_once(struct conn *c)
{
    char chunk[CHUNK];
    size_t n = 0;
    enum stream_step step = stream_read(&c->stream, chunk, sizeof chunk, &n);
    if (step == STREAM_END)
        stream_end(&c->stream);
    if (step == STREAM_END || step == STREAM_FAILED)
        finish(c, step == STREAM_END ? CONN_CLOSED_BY_PEER : CONN_RESET);
    if (step != STREAM_OK)
        return false;
    take(c, chunk, n);
    explicit_bzero(chunk, n);
    return n == sizeof chunk ||
           stream_pending(&c->stream); /* else poll will tell of more, for one system call less */
}

/*
 * What is kept goes first, so that a peer that sent much and then ended its side (the end is read like bytes)
 * gets all its answers.
 */
static void read_input(struct conn *c)
{
    bool more = true;
    for (int i = 0; i < ROUNDS && more && may_read(c); i++) {
        if (c->again)
            show_kept(c);
        else
            more = read_once(c);
        if (c->state != CONN_ENDED)
            flush(c);
    }
    if (more && may_read(c) && stream_pending(&c->stream))
        post(c);
}

/* After anything happened: sends, and does what the state asks for. */
static void go_on(struct conn *c)
{
    if (c->state == CONN_ENDED)
        return;
    flush(c);
    if (c->aborted)
        finish(c, CONN_DONE);
    else if (c->failed)
        finish_failed(c);
    else if (c->unsent.len == 0 && c->state == CONN_TO_TLS)
        begin_handshake(c);
    else if (c->unsent.len == 0 && c->state == CONN_CLOSING)
        linger(c);
    if (may_read(c) && c->again && (c->unused.len > 0 || stream_pending(&c->stream)))
        post(c);
    if (c->state != CONN_ENDED)
        ask_more(c);
}

static void look_at_first(struct conn *c)
{
    char bytes[8];
    ssize_t n = recv(c->stream.fd, bytes, sizeof bytes, MSG_PEEK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        finish(c, n == 0 ? CONN_CLOSED_BY_PEER : CONN_RESET);
        return;
    }
    c->state = CONN_OPEN;
    c->in_callback = true;
    c->events->first(c->arg, bytes, (size_t)n);
    c->in_callback = false;
}

/* libuv has stopped the handle, which it does when the socket has an error. What came before the error still
   counts: a client that refuses our certificate says so in an alert, and often resets the connection right
   behind it. */
static void poll_failed(struct conn *c)
{
    c->polled = 0;
    if (c->state == CONN_LINGERING)
        finish(c, CONN_DONE);
    else if (c->state == CONN_HANDSHAKE)
        handshake(c);
    else if (c->state == CONN_OPEN && c->unsent.len == 0)
        read_input(c);
    if (c->state != CONN_ENDED)
        c->failed = true;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct conn *c = poll->data;
    int want = wanted(c);
    if (status < 0)
        poll_failed(c);
    else if ((events & want) == 0)
        ask(c, want); /* nobody wants it: ask for less */
    else if (c->state == CONN_LINGERING)
        discard_input(c);
    else if (c->state == CONN_AWAITING)
        look_at_first(c);
    else if (c->state == CONN_HANDSHAKE)
        handshake(c);
    else if (c->unsent.len == 0)
        read_input(c);
    go_on(c); /* sends */
}

static void on_task(struct loop_task *task)
{
    struct conn *c = CONTAINER_OF(task, struct conn, task);
    c->posted = false;
    if (may_read(c) && (c->again || stream_pending(&c->stream)))
        read_input(c);
    go_on(c);
    drop_ref(c);
}

void conn_pause(struct conn *c)
{
    c->paused = true;
}

void conn_resume(struct conn *c)
{
    if (!c->paused || c->state == CONN_ENDED)
        return;
    c->paused = false;
    c->again = true;
    if (c->unused.len > 0 || stream_pending(&c->stream))
        post(c);
    ask_more(c);
}

static void on_timer(uv_timer_t *timer)
{
    struct conn *c = timer->data;
    if (c->state == CONN_CLOSING || c->state == CONN_LINGERING) {
        finish(c, CONN_DONE);
        return;
    }
    c->in_callback = true;
    c->events->timeout(c->arg);
    c->in_callback = false;
    go_on(c);
}

void conn_set_timeout(struct conn *c, uint64_t ms)
{
    if (c->state >= CONN_CLOSING) /* then the timer is ours */
        return;
    if (ms == 0)
        uv_timer_stop(&c->timer);
    else
        uv_timer_start(&c->timer, on_timer, ms, 0);
}

void conn_await_first(struct conn *c)
{
    c->state = CONN_AWAITING;
    ask_more(c);
}
