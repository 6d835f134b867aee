/* SPDX-License-Identifier: MIT */
/* A session's life: its states, their times, what connections report. */
#include <stdlib.h>

#include "smtp/server.h"

/* ---- states ---- */

static uint64_t wait_silence(const struct session *s)
{
    return s->settings->tls_silence;
}

static uint64_t wait_login(const struct session *s)
{
    return s->settings->limit_login_wait;
}

static uint64_t wait_command(const struct session *s)
{
    bool before_login = session_is_submission(s) && s->account == NULL;
    return before_login ? s->settings->limit_login_wait : s->settings->limit_command_wait;
}

static uint64_t wait_data(const struct session *s)
{
    return s->settings->limit_data_wait;
}

struct state {
    size_t (*input)(struct session *s, const char *bytes, size_t n); /* NULL: bytes wait */
    uint64_t (*wait)(const struct session *s); /* seconds; NULL: for our own side, which always answers */
    enum cause_id timeout;
};

static const struct state STATES[SESSION_STATES] = {
    [SESSION_AWAIT] = {NULL, wait_silence, CAUSE_SILENCE_ON_TLS_PORT},
    [SESSION_HANDSHAKE] = {NULL, wait_login, CAUSE_TLS_TIMEOUT},
    [SESSION_COMMAND] = {session_commands, wait_command, CAUSE_COMMAND_TIMEOUT},
    [SESSION_LOGIN] = {login_input, wait_login, CAUSE_LOGIN_TIMEOUT},
    [SESSION_CHECK] = {NULL, NULL, CAUSE_NONE},
    [SESSION_PENALTY] = {NULL, NULL, CAUSE_NONE}, /* its timer is set by cmd_auth.c */
    [SESSION_DATA] = {data_input, wait_data, CAUSE_DATA_TIMEOUT},
    [SESSION_SPOOL] = {NULL, NULL, CAUSE_NONE},
    [SESSION_COMMIT] = {NULL, NULL, CAUSE_NONE},
    [SESSION_CLOSED] = {NULL, NULL, CAUSE_NONE},
};

static uint64_t session_left_ms(const struct session *s)
{
    uint64_t end = s->opened_ms + s->settings->limit_session * 1000, now = clock_mono_ms();
    return end > now ? end - now : 1;
}

static void arm(struct session *s)
{
    const struct state *state = &STATES[s->state];
    uint64_t ms = 0;
    if (state->wait != NULL) {
        ms = state->wait(s) * 1000;
        uint64_t left = session_left_ms(s);
        ms = ms < left ? ms : left;
    }
    conn_set_timeout(s->conn, ms);
}

void session_enter(struct session *s, enum session_state state)
{
    s->state = state;
    if (s->conn == NULL)
        return;
    arm(s);
    if (STATES[state].input != NULL)
        conn_resume(s->conn);
    else
        conn_pause(s->conn);
}

void session_ready(struct session *s)
{
    session_enter(s, SESSION_COMMAND);
    if (s->home->draining)
        session_drain(s);
}

void session_close(struct session *s)
{
    session_enter(s, SESSION_CLOSED);
    if (s->conn != NULL)
        conn_close(s->conn);
}

void session_drain(struct session *s)
{
    switch (s->state) {
    case SESSION_AWAIT:
    case SESSION_HANDSHAKE: conn_abort(s->conn); break;
    case SESSION_COMMAND:
    case SESSION_LOGIN:
        session_say_cause(s, CAUSE_SHUTTING_DOWN, NULL, NULL);
        session_close(s);
        break;
    default: /* its message or login is answered first, and then session_ready asks again */ break;
    }
}

/* ---- what connections report ---- */

static void time_is_over(struct session *s, enum cause_id cause)
{
    session_journal_end(s, cause, "");
    session_say_cause(s, cause, NULL, NULL);
    session_close(s);
}

static size_t on_data(void *arg, const char *bytes, size_t n)
{
    struct session *s = arg;
    size_t used = 0;
    if (session_left_ms(s) <= 1) /* the timer alone would never end one that talks without a pause */
        time_is_over(s, CAUSE_SESSION_TIMEOUT);
    while (used < n && STATES[s->state].input != NULL && !conn_congested(s->conn)) {
        size_t step = STATES[s->state].input(s, bytes + used, n - used);
        if (step == 0)
            break;
        used += step;
    }
    return s->state == SESSION_CLOSED ? n : used;
}

static void greet(struct session *s)
{
    char text[300];
    snprintf(text, sizeof text, "%s ESMTP Gatepost", s->home->smtp->parts.hostname);
    session_reply(s, 220, "", text); /* RFC 2034, section 4: no enhanced code in a greeting */
    session_enter(s, SESSION_COMMAND);
}

static void begin_tls(struct session *s)
{
    struct tls_policy *policy = smtp_tls(s->home->smtp);
    session_enter(s, SESSION_HANDSHAKE);
    if (policy != NULL)
        conn_start_tls(s->conn, policy);
    else
        conn_abort(s->conn);
    tls_policy_release(&policy);
}

void session_wrong_port(struct session *s, enum cause_id cause, struct span seen)
{
    struct event_text text;
    char input[32];
    struct event event = session_event(s, EVENT_WRONG_PORT, cause, &text);
    snprintf(input, sizeof input, "%.*s", (int)(seen.n < sizeof input ? seen.n : sizeof input - 1), seen.p);
    event.input = input;
    event.code = cause_get(cause)->code;
    session_say_cause(s, cause, NULL, NULL);
    session_journal(s, &event);
    session_close(s);
}

/* The first byte on a TLS listener: 22 is a TLS handshake, 128 one of SSLv2's form, which OpenSSL will name.
 */
static void on_first(void *arg, const char *bytes, size_t n)
{
    static const char *const HTTP[] = {"GET ", "POST ", "HEAD ", "PUT ", "OPTIONS ", "CONNECT "};
    struct session *s = arg;
    unsigned char byte = (unsigned char)bytes[0];
    if (byte == 0x16 || byte >= 0x80) {
        begin_tls(s);
        return;
    }
    enum cause_id cause = CAUSE_PLAIN_ON_TLS_PORT;
    for (size_t i = 0; i < COUNT_OF(HTTP); i++)
        if (n >= 4 && memcmp(bytes, HTTP[i], 4) == 0)
            cause = CAUSE_HTTP_ON_MAIL_PORT;
    session_wrong_port(s, cause, span_from(bytes, n));
}

static void on_tls_ready(void *arg)
{
    struct session *s = arg;
    session_forget(s);
    if (s->listener == LISTENER_SUBMISSIONS)
        greet(s);
    else /* RFC 3207, section 4.2: no greeting; the client says EHLO again */
        session_enter(s, SESSION_COMMAND);
    if (s->home->draining)
        session_drain(s);
}

static void tls_failed(struct session *s)
{
    const struct tls_failure *failure = conn_tls_failure(s->conn);
    bool plain = failure->cause == CAUSE_PLAIN_ON_TLS_PORT || failure->cause == CAUSE_HTTP_ON_MAIL_PORT;
    bool after_starttls = s->listener != LISTENER_SUBMISSIONS; /* then it was the right port */
    enum cause_id cause = plain && after_starttls ? CAUSE_TLS_OTHER : failure->cause;
    struct event_text text;
    struct event event = session_event(s, EVENT_TLS_FAILED, cause, &text);
    event.detail = failure->reason;
    if (failure->offer != NULL) {
        event.tls_versions = failure->offer->versions;
        event.tls_ciphers = failure->offer->ciphers;
        event.tls_server_name = failure->offer->server_name;
    }
    session_journal(s, &event);
}

static void on_timeout(void *arg)
{
    struct session *s = arg;
    switch (s->state) {
    case SESSION_PENALTY: login_answer(s); break;
    case SESSION_AWAIT: session_wrong_port(s, CAUSE_SILENCE_ON_TLS_PORT, span_of("")); break;
    case SESSION_HANDSHAKE:
        tls_failed(s);
        session_enter(s, SESSION_CLOSED);
        conn_abort(s->conn);
        break;
    default:
        time_is_over(s, session_left_ms(s) <= 1 ? CAUSE_SESSION_TIMEOUT : STATES[s->state].timeout);
        break;
    }
}

static void on_closed(void *arg, enum conn_end end)
{
    struct session *s = arg;
    if (end == CONN_TLS_FAILED)
        tls_failed(s);
    else if (end != CONN_DONE && s->state == SESSION_HANDSHAKE)
        tls_failed(s);
    else if (end != CONN_DONE && s->state != SESSION_CLOSED)
        session_journal_end(s, CAUSE_LOST_CONNECTION,
                            end == CONN_RESET ? "reset" : "closed by the client without QUIT");
    s->conn = NULL;
    if (s->state == SESSION_COMMIT || s->state == SESSION_CHECK)
        return; /* the answer comes all the same, is journaled, and frees the session then */
    session_free(s);
}

static const struct conn_events EVENTS = {on_first, on_data, on_tls_ready, on_timeout, on_closed};

/* ---- life ---- */

void session_open(struct smtp_loop *home, enum listener_kind kind, int fd, const struct addr *peer,
                  const struct addr *local)
{
    struct session *s = xcalloc(1, sizeof *s);
    s->home = home;
    s->listener = kind;
    s->peer = *peer;
    s->local = *local;
    s->opened_ms = clock_mono_ms();
    s->settings = settings_cell_get(home->smtp->parts.settings);
    s->next = home->sessions;
    s->link = &home->sessions;
    if (s->next != NULL)
        s->next->link = &s->next;
    home->sessions = s;
    s->conn = conn_open(home->loop, fd, &EVENTS, s);
    if (s->conn == NULL) {
        session_free(s);
    } else if (kind == LISTENER_SUBMISSIONS) {
        session_enter(s, SESSION_AWAIT);
        conn_await_first(s->conn);
    } else {
        greet(s);
    }
}

void session_free(struct session *s)
{
    if (s->conn != NULL)
        return;
    census_leave(s->home->smtp->census, &s->peer);
    *s->link = s->next;
    if (s->next != NULL)
        s->next->link = s->link;
    login_abandon(s);
    transaction_end(s);
    settings_release(&s->settings);
    free(s->helo);
    free(s->account);
    free(s);
}
