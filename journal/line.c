/* SPDX-License-Identifier: MIT */
/*
 * Log lines in the format of Exim's main log (4.96, with +incoming_port and +received_recipients, +subject,
 * +sender_on_delivery), so that exigrep, eximstats and fail2ban read them. One formatter a type; `
 * (cause=ID)` stands at the very end.
 *
 * Which lines fail2ban's exim filter counts, on purpose: only "535 Incorrect authentication data" of a wrong
 * name or password. Its other patterns (synchronization errors, too many nonmail commands, relaying) end
 * where our cause begins, so they never match: what hits them here are people with a wrong setting far more
 * often than attackers. An earlier password is no attack either, and says so before set_id, where the pattern
 * does not match.
 *
 * Nothing that a stranger sent ends a line, closes a quotation or looks like a field of ours: text_escape,
 * and in words also no blank.
 */
#include "journal/line.h"

#include <time.h>

#include "journal/parts.h"

/* ---- the server ---- */

static void add_detail(struct buf *out, const char *what, const struct event *e)
{
    buf_add_str(out, what);
    if (part_set(e->detail)) {
        buf_add(out, ": ", 2);
        part_text(out, e->detail, SHOW_ANSWER);
    }
}

static void line_started(const struct event *e, struct buf *out)
{
    part_text(out, part_set(e->detail) ? e->detail : "gatepost started", SHOW_ANSWER);
}

static void line_stopped(const struct event *e, struct buf *out)
{
    add_detail(out, "gatepost stopped", e);
}

static void line_settings(const struct event *e, struct buf *out)
{
    add_detail(out, "settings", e);
}

static void line_warning(const struct event *e, struct buf *out)
{
    add_detail(out, "warning", e);
}

/* ---- messages: "ID <= ..." ---- */

static void add_id(struct buf *out, const struct event *e, const char *mark)
{
    part_word(out, e->id);
    buf_add_str(out, mark);
}

static void add_message_id(struct buf *out, const struct event *e)
{
    if (!part_set(e->message_id))
        return;
    struct span inner = span_of(e->message_id);
    if (inner.n > 2 && inner.p[0] == '<' && inner.p[inner.n - 1] == '>')
        inner = span_from(inner.p + 1, inner.n - 2);
    char text[SHOW_WORD + 2]; /* one more than is shown, so that a cut shows, too */
    snprintf(text, sizeof text, "%.*s", inner.n < sizeof text ? (int)inner.n : (int)sizeof text, inner.p);
    part_field(out, " id=", text);
}

static void line_received(const struct event *e, struct buf *out)
{
    add_id(out, e, " <= ");
    if (part_set(e->sender))
        part_word(out, e->sender);
    else
        buf_add(out, "<>", 2);
    part_field(out, " R=", e->reference);
    if (e->peer.family != 0) {
        buf_add_str(out, " H=");
        part_host(out, e);
    }
    part_field(out, " P=", e->protocol);
    part_tls(out, e);
    part_login(out, e);
    part_number(out, " S=", e->size, "");
    add_message_id(out, e);
    if (part_set(e->subject)) {
        buf_add_str(out, " T=\"");
        part_text(out, e->subject, SHOW_SUBJECT);
        buf_add_char(out, '"');
    }
    if (part_set(e->recipient)) {
        buf_add_str(out, " for ");
        part_text(out, e->recipient, SHOW_LIST);
    }
}

static void add_remote(struct buf *out, const struct event *e)
{
    if (!part_set(e->remote))
        return;
    buf_add_char(out, ' ');
    part_text(out, e->remote, SHOW_WORD);
}

static void add_route(struct buf *out, const struct event *e)
{
    part_field(out, " R=", e->route);
    part_field(out, " T=", e->transport);
}

static void line_delivered(const struct event *e, struct buf *out)
{
    add_id(out, e, e->further ? " -> " : " => ");
    part_word(out, e->recipient);
    part_sender(out, e);
    add_route(out, e);
    add_remote(out, e);
    if (part_set(e->tls))
        part_field(out, " X=", e->tls);
    if (part_set(e->answer)) {
        buf_add_str(out, " C=\"");
        part_text(out, e->answer, SHOW_ANSWER);
        buf_add_char(out, '"');
    }
}

/* Why not: the remote server's answer, else what is known here. */
static void add_why_not(struct buf *out, const struct event *e)
{
    const char *own = part_set(e->answer) ? e->answer : e->detail;
    if (!part_set(own) && e->cause == CAUSE_NONE)
        return;
    buf_add(out, ": ", 2);
    if (part_set(own))
        part_text(out, own, SHOW_ANSWER);
    else
        part_reply(out, e);
}

static void line_deferred(const struct event *e, struct buf *out)
{
    add_id(out, e, " == ");
    part_word(out, e->recipient);
    add_route(out, e);
    buf_printf(out, " defer (%d)", e->code);
    add_remote(out, e);
    add_why_not(out, e);
}

static void line_failed(const struct event *e, struct buf *out)
{
    add_id(out, e, " ** ");
    part_word(out, e->recipient);
    part_sender(out, e);
    add_route(out, e);
    add_remote(out, e);
    add_why_not(out, e);
}

static void line_completed(const struct event *e, struct buf *out)
{
    add_id(out, e, " Completed");
}

static void (*const LINES[EVENT_TYPE_COUNT])(const struct event *e, struct buf *out) = {
    [EVENT_STARTED] = line_started,
    [EVENT_STOPPED] = line_stopped,
    [EVENT_SETTINGS] = line_settings,
    [EVENT_WARNING] = line_warning,
    [EVENT_CONNECT_REFUSED] = line_connect_refused,
    [EVENT_LOGIN] = line_login,
    [EVENT_LOGIN_FAILED] = line_login_failed,
    [EVENT_TLS_FAILED] = line_tls_failed,
    [EVENT_WRONG_PORT] = line_wrong_port,
    [EVENT_REFUSED] = line_refused,
    [EVENT_CLOSED] = line_closed,
    [EVENT_RECEIVED] = line_received,
    [EVENT_DELIVERED] = line_delivered,
    [EVENT_DEFERRED] = line_deferred,
    [EVENT_FAILED] = line_failed,
    [EVENT_COMPLETED] = line_completed,
};

static void add_stamp(struct buf *out, int64_t time_ms, struct line_clock *clock)
{
    int64_t second = time_ms / 1000;
    if (clock->n == 0 || clock->second != second) {
        time_t t = (time_t)second;
        struct tm tm = {0};
        localtime_r(&t, &tm);
        clock->second = second;
        clock->n = strftime(clock->text, sizeof clock->text, "%Y-%m-%d %H:%M:%S ", &tm);
    }
    buf_add(out, clock->text, clock->n);
}

void line_add(const struct event *event, struct line_clock *clock, struct buf *out)
{
    add_stamp(out, event->time_ms != 0 ? event->time_ms : clock_wall_ms(), clock);
    LINES[event->type](event, out);
    if (event->cause != CAUSE_NONE) {
        buf_add_str(out, " (cause=");
        buf_add_str(out, cause_get(event->cause)->id);
        buf_add_char(out, ')');
    }
    buf_add_char(out, '\n');
}

void event_line(const struct event *event, struct buf *out)
{
    struct line_clock clock = {0};
    line_add(event, &clock, out);
}
