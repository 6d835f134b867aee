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

#include "net/conn_impl.h"

enum {
    UNSENT_MAX = 65536,
    UNUSED_MAX = 131072, /* a line of the largest limit, and a chunk */
    LINGER_MS = 2000,
    LINGER_BYTES = 1 << 20,
};

static void on_poll(uv_poll_t *poll, int status, int events);
static void on_task(struct loop_task *task);

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

void conn_post(struct conn *c)
{
    if (c->posted)
        return;
    c->posted = true;
    c->refs++;
    loop_post(c->loop, &c->task);
}

void conn_finish(struct conn *c, enum conn_end end)
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
    conn_finish(c, CONN_RESET);
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

void conn_ask_more(struct conn *c)
{
    int want = wanted(c);
    if ((c->polled & want) != want)
        ask(c, c->polled | want);
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
    char chunk[CONN_CHUNK];
    for (int i = 0; i < CONN_ROUNDS; i++) {
        ssize_t n = recv(c->stream.fd, chunk, sizeof chunk, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n > 0)
            c->lingered += (size_t)n;
        if (n <= 0 || c->lingered > LINGER_BYTES) {
            conn_finish(c, CONN_DONE);
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
        conn_post(c);
}

void conn_abort(struct conn *c)
{
    if (c->state == CONN_ENDED)
        return;
    c->aborted = true;
    conn_post(c);
}

void conn_go_on(struct conn *c)
{
    if (c->state == CONN_ENDED)
        return;
    conn_flush(c);
    if (c->aborted)
        conn_finish(c, CONN_DONE);
    else if (c->failed)
        finish_failed(c);
    else if (c->unsent.len == 0 && c->state == CONN_TO_TLS)
        conn_begin_handshake(c);
    else if (c->unsent.len == 0 && c->state == CONN_CLOSING)
        linger(c);
    if (conn_may_read(c) && c->again && (c->unused.len > 0 || stream_pending(&c->stream)))
        conn_post(c);
    if (c->state != CONN_ENDED)
        conn_ask_more(c);
}

static void look_at_first(struct conn *c)
{
    char bytes[8];
    ssize_t n = recv(c->stream.fd, bytes, sizeof bytes, MSG_PEEK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        conn_finish(c, n == 0 ? CONN_CLOSED_BY_PEER : CONN_RESET);
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
        conn_finish(c, CONN_DONE);
    else if (c->state == CONN_HANDSHAKE)
        conn_handshake(c);
    else if (c->state == CONN_OPEN && c->unsent.len == 0)
        conn_read_input(c);
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
        conn_handshake(c);
    else if (c->unsent.len == 0)
        conn_read_input(c);
    conn_go_on(c); /* sends */
}

static void on_task(struct loop_task *task)
{
    struct conn *c = CONTAINER_OF(task, struct conn, task);
    c->posted = false;
    if (conn_may_read(c) && (c->again || stream_pending(&c->stream)))
        conn_read_input(c);
    conn_go_on(c);
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
        conn_post(c);
    conn_ask_more(c);
}

static void on_timer(uv_timer_t *timer)
{
    struct conn *c = timer->data;
    if (c->state == CONN_CLOSING || c->state == CONN_LINGERING) {
        conn_finish(c, CONN_DONE);
        return;
    }
    c->in_callback = true;
    c->events->timeout(c->arg);
    c->in_callback = false;
    conn_go_on(c);
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
    conn_ask_more(c);
}
