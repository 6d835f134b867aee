/* SPDX-License-Identifier: MIT */
/* Log lines of connections: refused, logged in or not, commands refused, lost, timed out, dropped. */
#include "journal/line.h"
#include "journal/parts.h"

/* ---- connections that come to nothing ---- */

void line_connect_refused(const struct event *e, struct buf *out)
{
    buf_add_str(out, "Connection from ");
    part_host(out, e);
    buf_add_str(out, " refused: ");
    if (e->cause == CAUSE_CONNECTIONS_ALL)
        buf_add_str(out, "too many connections");
    else if (e->cause == CAUSE_CONNECTIONS_ADDRESS)
        buf_add_str(out, "too many connections from that IP address");
    else
        part_reply(out, e);
}

/* Adds one part of what the client offered, behind "(" or "; ". Returns whether any part is there now. */
static bool add_offer(struct buf *out, bool open, const char *name, const char *text)
{
    if (!part_set(text))
        return open;
    buf_add_str(out, open ? "; " : " (");
    buf_add_str(out, name);
    part_text(out, text, SHOW_TEXT);
    return true;
}

static void add_tls_error(struct buf *out, const struct event *e)
{
    buf_add_str(out, "TLS error on connection from ");
    part_host(out, e);
    buf_add_str(out, " (SSL_accept): ");
}

void line_tls_failed(const struct event *e, struct buf *out)
{
    add_tls_error(out, e);
    if (part_set(e->detail))
        part_text(out, e->detail, SHOW_TEXT);
    else
        part_reply(out, e);
    bool open = add_offer(out, false, "offered: ", e->tls_versions);
    open = add_offer(out, open, "ciphers: ", e->tls_ciphers);
    open = add_offer(out, open, "server name: ", e->tls_server_name);
    if (open)
        buf_add_char(out, ')');
}

static void add_input(struct buf *out, const struct event *e)
{
    if (!part_set(e->input))
        return;
    buf_add_str(out, " input=\"");
    part_text(out, e->input, SHOW_TEXT);
    buf_add_char(out, '"');
}

static void line_spoke_too_early(const struct event *e, struct buf *out)
{
    buf_add_str(out, "SMTP protocol synchronization error (input sent without waiting for greeting): "
                     "rejected connection from H=");
    part_host(out, e);
    add_input(out, e);
}

/* On a TLS listener as Exim with OpenSSL, elsewhere as Exim, to which a ClientHello is a client that did not
 * wait. */
void line_wrong_port(const struct event *e, struct buf *out)
{
    if (!part_set(e->listener) || strcmp(e->listener, "submissions") != 0) {
        line_spoke_too_early(e, out);
        return;
    }
    add_tls_error(out, e);
    if (e->cause == CAUSE_SILENCE_ON_TLS_PORT)
        buf_add_str(out, "timed out");
    else
        buf_add_str(out, e->cause == CAUSE_HTTP_ON_MAIL_PORT ? "http request" : "wrong version number");
    add_input(out, e);
}

/* ---- logins ---- */

/* "plain authenticator failed for (helo) [ip]:port"; the name is letters, digits and _ for fail2ban. */
static void add_authenticator(struct buf *out, const struct event *e, const char *what)
{
    size_t begin = out->len;
    for (const char *p = part_set(e->mechanism) ? e->mechanism : "unknown";
         *p != '\0' && out->len - begin < 32; p++)
        buf_add_char(out, (char)(ascii_is_alnum(*p) ? ascii_lower(*p) : '_'));
    buf_add_str(out, what);
    part_host(out, e);
}

static void add_set_id(struct buf *out, const char *account)
{
    if (!part_set(account))
        return;
    buf_add_str(out, " (set_id=\"");
    part_text(out, account, SHOW_WORD);
    buf_add(out, "\")", 2);
}

void line_login(const struct event *e, struct buf *out)
{
    add_authenticator(out, e, " authenticator succeeded for ");
    part_tls(out, e);
    add_set_id(out, part_set(e->login) ? e->login : e->account);
}

void line_login_failed(const struct event *e, struct buf *out)
{
    add_authenticator(out, e, " authenticator failed for ");
    buf_add(out, ": ", 2);
    int code = part_reply_code(e);
    if (code > 0)
        part_number(out, "", (uint64_t)code, " ");
    part_reply(out, e);
    if (e->cause == CAUSE_AUTH_STALE)
        buf_add_str(out, ": an earlier password");
    add_set_id(out, e->account);
}

/* ---- refused commands ---- */

static bool is_verb(const char *command, const char *verb)
{
    return span_starts_nocase(span_of(command), verb);
}

/* Second digit 0: syntax (RFC 5321, section 4.2.1). Of these, 500 and 501 speak of the command itself, the
 * others of its place. */
static void line_malformed(const struct event *e, int code, struct buf *out)
{
    buf_add_str(out, code == 500 || code == 501 ? "SMTP syntax error in \"" : "SMTP protocol error in \"");
    part_text(out, e->command, SHOW_TEXT);
    buf_add_str(out, "\" H=");
    part_host(out, e);
    buf_add_char(out, ' ');
    part_reply(out, e);
}

/* As Exim shows a command: "RCPT <x@y>", without FROM: and TO:. */
static void add_command(struct buf *out, const char *command)
{
    static const char *const words[] = {"MAIL FROM:", "RCPT TO:"};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (!is_verb(command, words[i]))
            continue;
        buf_add(out, words[i], strlen("MAIL "));
        command += strlen(words[i]);
        command += strspn(command, " ");
    }
    part_text(out, command, SHOW_TEXT);
}

void line_refused(const struct event *e, struct buf *out)
{
    if (e->cause == CAUSE_EARLY_TALKER) {
        line_spoke_too_early(e, out);
        return;
    }
    int code = part_reply_code(e);
    const char *command = part_set(e->command) ? e->command : "connection";
    if (code > 0 && code / 10 % 10 == 0 && !is_verb(command, "after DATA")) {
        line_malformed(e, code, out);
        return;
    }
    buf_add_str(out, "H=");
    part_host(out, e);
    part_tls(out, e);
    if (part_set(e->sender) || is_verb(command, "RCPT") || is_verb(command, "after DATA"))
        part_sender(out, e);
    part_login(out, e);
    buf_add_str(out, code / 100 == 4 ? " temporarily rejected " : " rejected ");
    add_command(out, command);
    buf_add(out, ": ", 2);
    part_reply(out, e);
}

/* ---- connections that end otherwise than by QUIT ---- */

enum end_kind { END_TIMEOUT, END_DATA_TIMEOUT, END_DROPPED };
struct end_words {
    enum cause_id cause;
    enum end_kind kind;
    const char *why; /* END_DROPPED, in Exim's words where it has some */
};
static const struct end_words ENDS[] = {
    {CAUSE_COMMAND_TIMEOUT, END_TIMEOUT, NULL},
    {CAUSE_LOGIN_TIMEOUT, END_TIMEOUT, NULL},
    {CAUSE_DATA_TIMEOUT, END_DATA_TIMEOUT, NULL},
    {CAUSE_TOO_MANY_IDLE_COMMANDS, END_DROPPED, "too many nonmail commands"},
    {CAUSE_TOO_MANY_ERRORS, END_DROPPED, "too many syntax or protocol errors"},
    {CAUSE_TOO_MANY_MESSAGES, END_DROPPED, "too many messages in one connection"},
    {CAUSE_AUTH_TOO_MANY_FAILURES, END_DROPPED, "too many failed logins"},
    {CAUSE_SESSION_TIMEOUT, END_DROPPED, "connection lasted too long"},
    {CAUSE_SHUTTING_DOWN, END_DROPPED, "server shutting down"},
};

static void line_dropped(const struct event *e, const char *why, struct buf *out)
{
    buf_add_str(out, "SMTP call from ");
    part_host(out, e);
    buf_add_str(out, " dropped: ");
    if (why != NULL)
        buf_add_str(out, why);
    else
        part_reply(out, e);
    if (part_set(e->command)) {
        buf_add_str(out, " (last was \"");
        part_text(out, e->command, SHOW_TEXT);
        buf_add(out, "\")", 2);
    }
    part_elapsed(out, e);
}

static void line_timeout(const struct event *e, const char *what, bool data, struct buf *out)
{
    buf_add_str(out, what);
    buf_add_str(out, part_set(e->tls) && !data ? " on TLS connection from " : " on connection from ");
    part_host(out, e);
    if (data)
        part_sender(out, e);
    part_elapsed(out, e);
}

/* Where it was lost, as Exim tells it: within a message, within a transaction, or before one. */
static void line_lost(const struct event *e, struct buf *out)
{
    bool data = part_set(e->command) && is_verb(e->command, "DATA");
    bool transaction = !data && part_set(e->sender);
    buf_add_str(out, transaction ? "unexpected disconnection while reading SMTP command from "
                                 : "SMTP connection from ");
    part_host(out, e);
    if (!transaction)
        buf_add_str(out, data ? " lost while reading message data" : " lost");
    if (part_set(e->detail)) {
        buf_add_str(out, " (");
        part_text(out, e->detail, SHOW_TEXT);
        buf_add_char(out, ')');
    }
    part_elapsed(out, e);
}

void line_closed(const struct event *e, struct buf *out)
{
    if (e->cause == CAUSE_EARLY_TALKER) {
        line_spoke_too_early(e, out);
        return;
    }
    if (e->cause == CAUSE_NONE || e->cause == CAUSE_LOST_CONNECTION) {
        line_lost(e, out);
        return;
    }
    size_t i = 0;
    while (i < COUNT_OF(ENDS) && ENDS[i].cause != e->cause)
        i++;
    if (i == COUNT_OF(ENDS) || ENDS[i].kind == END_DROPPED)
        line_dropped(e, i < COUNT_OF(ENDS) ? ENDS[i].why : NULL, out);
    else if (ENDS[i].kind == END_DATA_TIMEOUT)
        line_timeout(e, "SMTP data timeout (message abandoned)", true, out);
    else
        line_timeout(e, "SMTP command timeout", false, out);
}
