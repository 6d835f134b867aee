/* SPDX-License-Identifier: MIT */
/*
 * AUTH (RFC 4954): the exchange, the check, and the answer. A failed login is answered at a time that was
 * fixed when its last response arrived, so that the time tells neither whether the account exists nor how its
 * hash was made.
 */
#include <stdlib.h>

#include "smtp/server.h"

enum { MECHANISM_MAX = 20 };

struct login {
    struct sasl *sasl;
    struct auth_ticket *ticket; /* while the check is under way */
    uint64_t arrived_ms;        /* the last response */
    char *as_sent;              /* the account, for the log */
    struct auth_answer answer;
};

void login_abandon(struct session *s)
{
    struct login *login = s->login;
    if (login == NULL)
        return;
    s->login = NULL;
    auth_forget(&login->ticket);
    sasl_free(&login->sasl);
    free(login->as_sent);
    free(login);
}

/* ---- the answer ---- */

struct verdict_cause {
    enum cause_id cause;
    bool guessing; /* counts against the connection */
};
static const struct verdict_cause VERDICTS[] = {
    [AUTH_WRONG] = {CAUSE_AUTH_WRONG, true},       [AUTH_STALE] = {CAUSE_AUTH_STALE, true},
    [AUTH_DISABLED] = {CAUSE_AUTH_DISABLED, true}, [AUTH_UNAVAILABLE] = {CAUSE_AUTH_UNAVAILABLE, false},
    [AUTH_BUSY] = {CAUSE_AUTH_BUSY, false},
};

static void welcome(struct session *s)
{
    struct login *login = s->login;
    struct event_text text;
    s->mechanism = sasl_name(login->sasl);
    s->account = xstrdup(login->answer.account);
    struct event event = session_event(s, EVENT_LOGIN, CAUSE_NONE, &text);
    event.mechanism = s->mechanism;
    event.account = login->as_sent;
    event.code = 235;
    session_journal(s, &event);
    session_reply(s, 235, "2.7.0", "Authentication succeeded");
    login_abandon(s);
    session_ready(s);
}

static void journal_failure(struct session *s, enum cause_id cause)
{
    struct event_text text;
    struct event event = session_event(s, EVENT_LOGIN_FAILED, cause, &text);
    event.mechanism = sasl_name(s->login->sasl);
    event.account = s->login->as_sent;
    event.code = cause_get(cause)->code;
    session_journal(s, &event);
}

void login_answer(struct session *s)
{
    const struct verdict_cause *verdict = &VERDICTS[s->login->answer.verdict];
    login_abandon(s);
    session_say_cause(s, verdict->cause, NULL, NULL);
    s->auth_failures += verdict->guessing ? 1 : 0;
    if (s->auth_failures >= s->settings->limit_auth_failures) {
        session_set_command(s, "AUTH", span_of(""));
        session_refuse(s, CAUSE_AUTH_TOO_MANY_FAILURES, NULL, NULL);
    } else {
        session_ready(s);
    }
}

/* The time from now until the answer: arrival plus the delay, or plus a multiple of it when the check took
 * longer. */
static uint64_t answer_wait(const struct session *s)
{
    uint64_t delay = s->settings->auth_failure_delay * 1000;
    uint64_t spent = clock_mono_ms() - s->login->arrived_ms;
    return delay - spent % delay;
}

static void on_checked(void *arg, const struct auth_answer *answer)
{
    struct session *s = arg;
    s->login->ticket = NULL;
    s->login->answer = *answer;
    if (answer->verdict != AUTH_OK)
        journal_failure(s, VERDICTS[answer->verdict].cause);
    if (s->conn == NULL) { /* a client that does not wait for the answer failed all the same */
        session_free(s);
    } else if (answer->verdict == AUTH_OK) {
        welcome(s);
    } else { /* a 454, too: else whoever is told that there is too much to do would be back at once */
        session_enter(s, SESSION_PENALTY);
        conn_set_timeout(s->conn, answer_wait(s));
    }
}

/* ---- the exchange ---- */

static void check(struct session *s)
{
    struct login *login = s->login;
    login->arrived_ms = clock_mono_ms();
    login->as_sent = span_dup(sasl_account(login->sasl));
    session_enter(s, SESSION_CHECK);
    struct auth_ticket *ticket =
        auth_check(s->home->smtp->parts.auth, s->home->loop, &s->peer, sasl_account(login->sasl),
                   sasl_password(login->sasl), on_checked, s);
    if (ticket != NULL) /* else it was answered already, and login is gone or waits for its time */
        login->ticket = ticket;
}

static void end_exchange(struct session *s, enum cause_id cause)
{
    journal_failure(s, cause);
    login_abandon(s);
    session_say_cause(s, cause, NULL, NULL);
    session_ready(s);
    session_count_error(s);
}

static void challenge(struct session *s, const char *text)
{
    struct buf encoded = BUF_INIT(512);
    base64_encode(span_of(text), &encoded);
    session_enter(s, SESSION_LOGIN);
    session_reply(s, 334, "", buf_str(&encoded)); /* RFC 4954, section 4: no enhanced code in a challenge */
    buf_free(&encoded);
}

static void feed(struct session *s, bool has_response, struct span response)
{
    const char *text = NULL;
    switch (sasl_feed(s->login->sasl, has_response, response, &text)) {
    case SASL_CONTINUE: challenge(s, text); break;
    case SASL_DONE: check(s); break;
    case SASL_MALFORMED: end_exchange(s, CAUSE_AUTH_MALFORMED); break;
    }
}

static void feed_encoded(struct session *s, struct span text)
{
    struct buf decoded = BUF_INIT(s->settings->limit_auth_line);
    if (base64_decode(text, &decoded))
        feed(s, true, span_from(buf_str(&decoded), decoded.len));
    else
        end_exchange(s, CAUSE_AUTH_BASE64);
    buf_cleanse(&decoded);
}

/* RFC 4422, section 3.1; in any case. What is none may be a secret in the wrong place, and is not repeated.
 */
static bool is_mechanism_name(struct span name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!ascii_is_alnum(name.p[i]) && name.p[i] != '-' && name.p[i] != '_')
            return false;
    return name.n >= 1 && name.n <= MECHANISM_MAX;
}

void cmd_auth(struct session *s, struct span args)
{
    struct span rest = args;
    struct span mechanism = span_take(&rest, ' ');
    struct span initial = span_trim(rest); /* some clients send two spaces */
    if (!is_mechanism_name(mechanism)) {
        session_refuse(s, CAUSE_COMMAND_SYNTAX, "reason", "AUTH and a mechanism expected");
        return;
    }
    struct sasl *sasl = sasl_make(mechanism);
    if (sasl == NULL) {
        char name[MECHANISM_MAX + 1];
        snprintf(name, sizeof name, "%.*s", (int)mechanism.n, mechanism.p);
        session_refuse(s, CAUSE_AUTH_MECHANISM, "mechanism", name);
        return;
    }
    s->login = xcalloc(1, sizeof *s->login);
    s->login->sasl = sasl;
    if (initial.n == 0)
        feed(s, false, initial);
    else if (span_equal(initial, "=")) /* RFC 4954, section 4: an empty initial response */
        feed(s, true, span_of(""));
    else
        feed_encoded(s, initial);
}

size_t login_input(struct session *s, const char *bytes, size_t n)
{
    const char *end = memchr(bytes, '\n', n);
    size_t len = end != NULL ? (size_t)(end - bytes) + 1 : n;
    bool too_long = s->skipping != CAUSE_NONE || len > s->settings->limit_auth_line;
    s->skipping = too_long && end == NULL ? CAUSE_AUTH_LINE_TOO_LONG : CAUSE_NONE;
    if (end == NULL)
        return too_long ? n : 0;
    struct span line = {bytes, len - 1};
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    if (too_long)
        end_exchange(s, CAUSE_AUTH_LINE_TOO_LONG);
    else if (span_equal(line, "*")) /* RFC 4954, section 4 */
        end_exchange(s, CAUSE_AUTH_CANCELLED);
    else
        feed_encoded(s, line);
    return len;
}
