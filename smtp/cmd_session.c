/* SPDX-License-Identifier: MIT */
/* The verbs that move no mail: EHLO, HELO, STARTTLS, RSET, NOOP, VRFY, HELP, QUIT; and HTTP's. */
#include <stdlib.h>

#include "smtp/server.h"

static bool take_helo(struct session *s, struct span args)
{
    if (!helo_valid(args)) {
        session_refuse(s, CAUSE_HELO_SYNTAX, NULL, NULL);
        return false;
    }
    free(s->helo);
    s->helo = span_dup(args);
    transaction_end(s); /* RFC 5321, section 4.1.4 */
    return true;
}

void cmd_helo(struct session *s, struct span args)
{
    if (!take_helo(s, args))
        return;
    s->esmtp = false;
    session_reply(s, 250, "", s->home->smtp->parts.hostname);
}

static bool offers_starttls(struct session *s)
{
    struct tls_policy *policy = smtp_tls(s->home->smtp);
    bool offered = policy != NULL && !conn_is_tls(s->conn);
    tls_policy_release(&policy);
    return offered;
}

void cmd_ehlo(struct session *s, struct span args)
{
    if (!take_helo(s, args))
        return;
    s->esmtp = true;
    bool private = conn_is_tls(s->conn) || !s->settings->tls_required_for_auth;
    struct buf text = BUF_INIT(1024);
    buf_printf(&text, "%s\nSIZE %llu\n8BITMIME\nPIPELINING\nENHANCEDSTATUSCODES\n",
               s->home->smtp->parts.hostname, (unsigned long long)s->settings->message_max_size);
    if (offers_starttls(s))
        buf_add_str(&text, "STARTTLS\n");
    if (private && s->account == NULL)
        buf_printf(&text, "AUTH %s\n", sasl_mechanisms());
    buf_add_str(&text, "HELP");
    session_reply(s, 250, "", buf_str(&text)); /* RFC 2034, section 4: no enhanced code here */
    buf_free(&text);
}

/* Name, message, login. */
void session_forget(struct session *s)
{
    transaction_end(s);
    free(s->helo);
    free(s->account);
    s->helo = s->account = NULL;
    s->mechanism = NULL;
    s->esmtp = false;
}

/* That nothing came behind the command was seen by the dispatcher. */
void cmd_starttls(struct session *s, struct span args)
{
    (void)args;
    struct tls_policy *policy = smtp_tls(s->home->smtp);
    if (conn_is_tls(s->conn)) {
        session_refuse(s, CAUSE_STARTTLS_ACTIVE, NULL, NULL);
    } else if (policy == NULL) {
        session_refuse(s, CAUSE_STARTTLS_UNAVAILABLE, NULL, NULL);
    } else {
        session_reply(s, 220, "2.0.0", "Ready to start TLS");
        session_enter(s, SESSION_HANDSHAKE);
        conn_start_tls(s->conn, policy);
    }
    tls_policy_release(&policy);
}

void cmd_rset(struct session *s, struct span args)
{
    (void)args;
    transaction_end(s);
    session_reply(s, 250, "2.0.0", "Reset OK");
}

void cmd_noop(struct session *s, struct span args)
{
    (void)args;
    session_reply(s, 250, "2.0.0", "OK");
}

/* RFC 5321, section 3.5.3: 252 says that it was not looked up, so that nobody can try names. */
void cmd_vrfy(struct session *s, struct span args)
{
    (void)args;
    session_reply(s, 252, "2.0.0",
                  "Cannot say whether that mailbox exists; send the message, and it will be tried");
}

void cmd_help(struct session *s, struct span args)
{
    (void)args;
    struct buf text = BUF_INIT(1024);
    buf_add_str(&text, "Commands: EHLO HELO STARTTLS AUTH MAIL RCPT DATA RSET NOOP VRFY HELP QUIT\n"
                       "Mail programs: port 587 with STARTTLS or port 465 with SSL/TLS, and a login");
    if (s->settings->help_url[0] != '\0')
        buf_printf(&text, "\nHelp: %s", s->settings->help_url);
    session_reply(s, 214, "2.0.0", buf_str(&text));
    buf_free(&text);
}

void cmd_quit(struct session *s, struct span args)
{
    (void)args;
    char text[300];
    snprintf(text, sizeof text, "%s closing connection", s->home->smtp->parts.hostname);
    session_reply(s, 221, "2.0.0", text);
    session_close(s);
}

/* RFC 5321, section 4.2.4: known, but not to be had. */
void cmd_absent(struct session *s, struct span args)
{
    (void)args;
    session_refuse(s, CAUSE_COMMAND_NOT_IMPLEMENTED, NULL, NULL);
}

void cmd_http(struct session *s, struct span args)
{
    session_wrong_port(s, CAUSE_HTTP_ON_MAIL_PORT, args);
}
