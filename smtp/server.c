/* SPDX-License-Identifier: MIT */
/* The loops with their listeners: start, accept, drain, stop. */
#include "smtp/server.h"

#include <stdlib.h>
#include <unistd.h>

/* A listener and what it is for. */
struct seat {
    struct seat *next;
    struct smtp_loop *home;
    enum listener_kind kind;
    struct listener *listener;
};

const char *listener_kind_name(enum listener_kind kind)
{
    static const char *const NAMES[LISTENER_KINDS] = {"smtp", "submission", "submissions"};
    return NAMES[kind];
}

/* ---- accepting ---- */

/* Said without a session: a plain line, sent if the socket takes it at once. */
static void turn_away(struct smtp_loop *home, enum listener_kind kind, int fd, const struct addr *peer,
                      const struct addr *local, enum cause_id cause)
{
    struct event event = {.type = EVENT_CONNECT_REFUSED,
                          .cause = cause,
                          .peer = *peer,
                          .local = *local,
                          .listener = listener_kind_name(kind),
                          .code = cause_get(cause)->code};
    journal_write(home->smtp->parts.journal, &event);
    if (kind != LISTENER_SUBMISSIONS) { /* inside TLS it could not be read, and a handshake is what there is
                                           too much of */
        struct cause_arg args[] = {{"hostname", home->smtp->parts.hostname}};
        struct buf text = BUF_INIT(1024), reply = BUF_INIT(1024);
        cause_fill(&text, cause_get(cause)->text, args, COUNT_OF(args));
        reply_format(&reply, cause_get(cause)->code, "", buf_str(&text));
        if (send(fd, buf_str(&reply), reply.len, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
            shutdown(fd, SHUT_WR);
        buf_free(&text);
        buf_free(&reply);
    }
    close(fd);
}

static void on_accept(void *arg, int fd, const struct addr *peer, const struct addr *local)
{
    static const enum cause_id CAUSES[] = {
        [CENSUS_ALL_FULL] = CAUSE_CONNECTIONS_ALL, [CENSUS_ADDRESS_FULL] = CAUSE_CONNECTIONS_ADDRESS};
    struct seat *seat = arg;
    struct smtp *smtp = seat->home->smtp;
    const struct settings *settings = settings_cell_get(smtp->parts.settings);
    enum census_answer answer = census_enter(smtp->census, peer, settings->limit_connections,
                                             settings->limit_connections_per_address);
    settings_release(&settings);
    if (answer != CENSUS_OK)
        turn_away(seat->home, seat->kind, fd, peer, local, CAUSES[answer]);
    else
        session_open(seat->home, seat->kind, fd, peer, local);
}

bool smtp_listen(struct smtp *smtp, size_t i, enum listener_kind kind, int fd)
{
    struct smtp_loop *home = &smtp->loops[i];
    struct seat *seat = xcalloc(1, sizeof *seat);
    *seat = (struct seat){.next = home->seats, .home = home, .kind = kind};
    seat->listener = listener_open(home->loop, fd, on_accept, seat);
    if (seat->listener == NULL) {
        free(seat);
        return false;
    }
    home->seats = seat;
    return true;
}

/* ---- TLS policy ---- */

void smtp_set_tls(struct smtp *smtp, struct tls_policy *policy)
{
    pthread_mutex_lock(&smtp->tls_lock);
    struct tls_policy *old = smtp->tls;
    smtp->tls = policy;
    pthread_mutex_unlock(&smtp->tls_lock);
    tls_policy_release(&old);
}

struct tls_policy *smtp_tls(struct smtp *smtp)
{
    pthread_mutex_lock(&smtp->tls_lock);
    struct tls_policy *policy = tls_policy_hold(smtp->tls);
    pthread_mutex_unlock(&smtp->tls_lock);
    return policy;
}

/* ---- draining and stopping ---- */

static void close_seats(struct smtp_loop *home)
{
    while (home->seats != NULL) {
        struct seat *seat = home->seats;
        home->seats = seat->next;
        listener_close(&seat->listener);
        free(seat);
    }
}

static void on_drain(struct loop_task *task)
{
    struct smtp_loop *home = CONTAINER_OF(task, struct smtp_loop, drain_task);
    home->draining = true;
    close_seats(home);
    for (struct session *s = home->sessions, *next = NULL; s != NULL; s = next) {
        next = s->next;
        session_drain(s);
    }
}

static void on_end(struct loop_task *task)
{
    struct smtp_loop *home = CONTAINER_OF(task, struct smtp_loop, end_task);
    close_seats(home);
    for (struct session *s = home->sessions; s != NULL; s = s->next)
        if (s->conn != NULL)
            conn_abort(s->conn);
    atomic_fetch_add(&home->smtp->ended, 1);
}

void smtp_drain(struct smtp *smtp)
{
    if (smtp->draining)
        return;
    smtp->draining = true;
    for (size_t i = 0; i < smtp->n; i++)
        loop_post(smtp->loops[i].loop, &smtp->loops[i].drain_task);
}

uint64_t smtp_connections(struct smtp *smtp)
{
    return census_count(smtp->census);
}

/* ---- life ---- */

struct smtp *smtp_make(const struct smtp_parts *parts, size_t n)
{
    enum { SCRATCH_MAX = 2 << 20, COMMAND_MAX = 1024 }; /* a header line of the largest limit, and a piece */
    struct smtp *smtp = xcalloc(1, sizeof *smtp);
    smtp->parts = *parts;
    smtp->loops = xcalloc(n, sizeof *smtp->loops);
    smtp->census = census_make();
    pthread_mutex_init(&smtp->tls_lock, NULL);
    for (; smtp->n < n; smtp->n++) {
        struct smtp_loop *home = &smtp->loops[smtp->n];
        char name[32];
        snprintf(name, sizeof name, "loop-%zu", smtp->n);
        *home = (struct smtp_loop){.smtp = smtp,
                                   .loop = loop_make(name),
                                   .drain_task.run = on_drain,
                                   .end_task.run = on_end,
                                   .scratch = BUF_INIT(SCRATCH_MAX),
                                   .command = BUF_INIT(COMMAND_MAX)};
        if (home->loop == NULL) {
            smtp->n++;
            smtp_free(&smtp);
            return NULL;
        }
    }
    return smtp;
}

int smtp_start(struct smtp *smtp)
{
    int r = 0;
    for (size_t i = 0; i < smtp->n && r == 0; i++) {
        r = loop_start(smtp->loops[i].loop);
        smtp->running += r == 0;
    }
    return r;
}

void smtp_end(struct smtp *smtp)
{
    enum { STEPS = 400, STEP_US = 5000 };
    for (size_t i = 0; i < smtp->running; i++)
        loop_post(smtp->loops[i].loop, &smtp->loops[i].end_task);
    for (int i = 0;
         i < STEPS && (atomic_load(&smtp->ended) < smtp->running || census_count(smtp->census) > 0); i++)
        usleep(STEP_US);
}

/* What still waited for an answer of auth or spool, which are gone. */
static void free_left(struct smtp_loop *home)
{
    for (struct session *s = home->sessions, *next = NULL; s != NULL; s = next) {
        next = s->next;
        if (s->tx != NULL)
            s->tx->in = NULL;
        session_free(s);
    }
}

void smtp_free(struct smtp **smtp)
{
    struct smtp *s = *smtp;
    if (s == NULL)
        return;
    *smtp = NULL;
    for (size_t i = 0; i < s->n; i++) {
        struct smtp_loop *home = &s->loops[i];
        if (i >= s->running)
            close_seats(home); /* else its loop did */
        if (home->loop != NULL)
            loop_stop(home->loop);
        loop_free(&home->loop);
        free_left(home);
        buf_free(&home->scratch);
        buf_free(&home->command);
    }
    tls_policy_release(&s->tls);
    census_free(&s->census);
    pthread_mutex_destroy(&s->tls_lock);
    free(s->loops);
    free(s);
}
