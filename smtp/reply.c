/* SPDX-License-Identifier: MIT */
/* What is said to the client, and what the journal hears of it. */
#include <stdlib.h>

#include "smtp/server.h"

bool session_is_submission(const struct session *s)
{
    return s->listener != LISTENER_SMTP;
}

/* RFC 3848: "ESMTP", then S for TLS, then A for a login. */
const char *session_protocol(const struct session *s)
{
    static const char *const NAMES[] = {"esmtp", "esmtps", "esmtpa", "esmtpsa"};
    if (!s->esmtp)
        return conn_is_tls(s->conn) ? "smtps"
                                    : "smtp"; /* Exim's words; RFC 3848 has none for HELO inside TLS */
    return NAMES[(conn_is_tls(s->conn) ? 1 : 0) + (s->account != NULL ? 2 : 0)];
}

void session_reply(struct session *s, int code, const char *enhanced, const char *text)
{
    struct buf reply = BUF_INIT(32768);
    if (s->conn != NULL && reply_format(&reply, code, enhanced, text))
        conn_write(s->conn, reply.data, reply.len);
    buf_free(&reply);
}

/* ---- replies made of causes ---- */

enum { ARGS_MAX = 8 };

struct arg_texts {
    char port[8], address[ADDR_TEXT_MAX];
};

/* Every parameter that a session knows by itself; the caller's own one goes first and wins. */
static size_t fill_args(const struct session *s, enum cause_id cause, const char *name, const char *value,
                        struct arg_texts *texts, struct cause_arg args[ARGS_MAX])
{
    /* Exim's relay text names the client's port, all others mean the one that the client chose here */
    uint16_t port = cause == CAUSE_RELAY_NO_LOGIN ? s->peer.port : s->local.port;
    snprintf(texts->port, sizeof texts->port, "%u", port);
    size_t n = 0;
    if (name != NULL)
        args[n++] = (struct cause_arg){name, value};
    args[n++] = (struct cause_arg){"hostname", s->home->smtp->parts.hostname};
    args[n++] = (struct cause_arg){"port", texts->port};
    args[n++] = (struct cause_arg){"address", addr_text(&s->peer, texts->address)};
    args[n++] = (struct cause_arg){"helo", s->helo != NULL ? s->helo : "-"};
    args[n++] = (struct cause_arg){"account", s->account != NULL ? s->account : "-"};
    args[n++] = (struct cause_arg){"sender", s->tx != NULL ? s->tx->sender.text : "-"};
    return n;
}

static void first_line(const struct session *s, enum cause_id cause, const char *name, const char *value,
                       struct buf *out)
{
    struct arg_texts texts;
    struct cause_arg args[ARGS_MAX];
    cause_fill(out, cause_get(cause)->text, args, fill_args(s, cause, name, value, &texts, args));
}

static void add_help(const struct session *s, enum cause_id id, struct buf *text)
{
    struct span url = span_of(s->settings->help_url);
    while (url.n > 0 && url.p[url.n - 1] == '/')
        url.n--;
    if (url.n > 0)
        buf_printf(text, "\nHelp: %.*s/help/%s", (int)url.n, url.p, cause_get(cause_told(id))->id);
}

void session_say_cause(struct session *s, enum cause_id id, const char *name, const char *value)
{
    const struct cause *cause = cause_get(id);
    struct buf text = BUF_INIT(8192);
    struct arg_texts texts;
    struct cause_arg args[ARGS_MAX];
    size_t n = fill_args(s, id, name, value, &texts, args);
    cause_fill(&text, cause->text, args, n);
    if (cause->tell == TELL_FIX) {
        buf_add_char(&text, '\n');
        cause_fill(&text, cause->user_fix, args, n);
    }
    add_help(s, id, &text);
    session_reply(s, cause->code, cause->enhanced, buf_str(&text));
    buf_free(&text);
}

void session_refuse(struct session *s, enum cause_id id, const char *name, const char *value)
{
    struct event_text text;
    struct buf line = BUF_INIT(2048);
    struct event event = session_event(s, EVENT_REFUSED, id, &text);
    first_line(s, id, name, value, &line);
    event.code = cause_get(id)->code;
    event.command = buf_str(&s->home->command);
    event.reply = buf_str(&line);
    session_journal(s, &event);
    buf_free(&line);
    session_say_cause(s, id, name, value);
    if (event.code == 421) /* RFC 5321, section 3.8: 421 is the last word */
        session_close(s);
    else
        session_count_error(s);
}

void session_count_error(struct session *s)
{
    if (s->state == SESSION_CLOSED || ++s->errors < s->settings->limit_errors)
        return;
    session_journal_end(s, CAUSE_TOO_MANY_ERRORS, "");
    session_say_cause(s, CAUSE_TOO_MANY_ERRORS, NULL, NULL);
    session_close(s);
}

/* ---- journal ---- */

void session_set_command(struct session *s, const char *verb, struct span args)
{
    struct buf *out = &s->home->command;
    buf_clear(out);
    buf_add_str(out, verb);
    if (args.n > 0 && verb[0] != '\0')
        buf_add_char(out, ' ');
    for (size_t i = 0; i < args.n && i < 330; i++) /* an address of full length */
        buf_add(out, args.p[i] != '\0' ? args.p + i : "?", 1);
}

struct event session_event(const struct session *s, enum event_type type, enum cause_id cause,
                           struct event_text *text)
{
    struct event event = {
        .type = type,
        .cause = cause,
        .peer = s->peer,
        .local = s->local,
        .helo = s->helo,
        .listener = listener_kind_name(s->listener),
        .login = s->account,
        .mechanism = s->mechanism,
        .sender = s->tx != NULL ? s->tx->sender.text : NULL,
    };
    text->tls[0] = '\0';
    if (s->conn != NULL) {
        event.protocol = session_protocol(s);
        event.tls = conn_tls_text(s->conn, text->tls);
    }
    return event;
}

void session_journal_end(struct session *s, enum cause_id cause, const char *detail)
{
    struct event_text text;
    struct event event = session_event(s, EVENT_CLOSED, cause, &text);
    bool in_data = s->tx != NULL && s->tx->filter != NULL;
    event.command = in_data ? "DATA" : NULL;
    event.detail = detail;
    event.code = cause_get(cause)->code;
    event.elapsed_ms = clock_mono_ms() - s->opened_ms;
    session_journal(s, &event);
}

void session_journal(struct session *s, const struct event *event)
{
    journal_write(s->home->smtp->parts.journal, event);
}
