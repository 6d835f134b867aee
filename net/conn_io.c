/* SPDX-License-Identifier: MIT */
/* A connection's bytes: sending, receiving, and what is kept between the two. */
#include "net/conn_impl.h"

enum { CONGESTED = 16384 };

/* ---- sending ---- */

void conn_flush(struct conn *c)
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
    conn_flush(c);
    if (c->failed)
        conn_post(c);
    else
        conn_ask_more(c);
}

/* ---- receiving ---- */

bool conn_may_read(const struct conn *c)
{
    return c->state == CONN_OPEN && !c->paused && c->unsent.len == 0 && !c->failed;
}

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

/* One read; false when there is nothing more for now, or the connection has ended. */
static bool read_once(struct conn *c)
{
    char chunk[CONN_CHUNK];
    size_t n = 0;
    enum stream_step step = stream_read(&c->stream, chunk, sizeof chunk, &n);
    if (step == STREAM_END)
        stream_end(&c->stream);
    if (step == STREAM_END || step == STREAM_FAILED)
        conn_finish(c, step == STREAM_END ? CONN_CLOSED_BY_PEER : CONN_RESET);
    if (step != STREAM_OK)
        return false;
    take(c, chunk, n);
    explicit_bzero(chunk, n);
    return n == sizeof chunk ||
           stream_pending(&c->stream); /* else poll will tell of more, for one system call less */
}

void conn_read_input(struct conn *c)
{
    bool more = true;
    for (int i = 0; i < CONN_ROUNDS && more && conn_may_read(c); i++) {
        if (c->again)
            show_kept(c);
        else
            more = read_once(c);
        if (c->state != CONN_ENDED)
            conn_flush(c);
    }
    if (more && conn_may_read(c) && stream_pending(&c->stream))
        conn_post(c);
}
