/* SPDX-License-Identifier: MIT */
/* The dispatcher: lines, the table of commands, and the checks that their flags ask for. */
#include "smtp/server.h"

/* What a command needs; each flag is checked here, in this order, never in a handler. */
enum command_flag {
    NEEDS_NO_ARGS = 1 << 0,
    NEEDS_HELO = 1 << 1,
    NEEDS_PRIVACY = 1 << 2, /* TLS, if tls.required_for_auth */
    NEEDS_NO_LOGIN = 1 << 3,
    NEEDS_OFFER = 1 << 4, /* AUTH was offered: EHLO was said (RFC 4954, section 4) */
    NEEDS_LOGIN = 1 << 5, /* on submission listeners (RFC 6409, section 4.3) */
    NEEDS_NO_MAIL = 1 << 6,
    NEEDS_NO_MAIL_AUTH = 1 << 7, /* RFC 4954, section 4 */
    NEEDS_MAIL = 1 << 8,
    NEEDS_RECIPIENT = 1 << 9,
    IS_IDLE = 1 << 10, /* moves no mail, and may be said limit.idle_commands times between two messages */
};

struct command {
    const char *verb;
    unsigned flags;
    command_fn *run;
};

static const struct command COMMANDS[] = {
    {"EHLO", IS_IDLE, cmd_ehlo},
    {"HELO", IS_IDLE, cmd_helo},
    {"STARTTLS", NEEDS_NO_ARGS, cmd_starttls},
    {"AUTH", NEEDS_PRIVACY | NEEDS_OFFER | NEEDS_NO_LOGIN | NEEDS_NO_MAIL_AUTH, cmd_auth},
    {"MAIL", NEEDS_LOGIN | NEEDS_HELO | NEEDS_NO_MAIL, cmd_mail},
    {"RCPT", NEEDS_LOGIN | NEEDS_HELO | NEEDS_MAIL, cmd_rcpt},
    {"DATA", NEEDS_LOGIN | NEEDS_NO_ARGS | NEEDS_HELO | NEEDS_MAIL | NEEDS_RECIPIENT, cmd_data},
    {"RSET", NEEDS_NO_ARGS | IS_IDLE, cmd_rset},
    {"NOOP", IS_IDLE, cmd_noop},
    {"VRFY", IS_IDLE, cmd_vrfy},
    {"HELP", IS_IDLE, cmd_help},
    {"QUIT", NEEDS_NO_ARGS, cmd_quit},
    {"EXPN", 0, cmd_absent},
    {"TURN", 0, cmd_absent},
    {"ETRN", 0, cmd_absent},
    {"BDAT", 0, cmd_absent},
    {"SEND", 0, cmd_absent},
    {"SOML", 0, cmd_absent},
    {"SAML", 0, cmd_absent},
    /* Browsers and scanners, and pages that make browsers speak to mail ports: no second line of theirs is
       read. */
    {"GET", 0, cmd_http},
    {"POST", 0, cmd_http},
    {"HEAD", 0, cmd_http},
    {"PUT", 0, cmd_http},
    {"OPTIONS", 0, cmd_http},
    {"CONNECT", 0, cmd_http},
};

/* ---- checks ---- */

static enum cause_id check_helo(const struct session *s)
{
    return s->helo != NULL ? CAUSE_NONE : CAUSE_HELO_FIRST;
}

static enum cause_id check_privacy(const struct session *s)
{
    return conn_is_tls(s->conn) || !s->settings->tls_required_for_auth ? CAUSE_NONE
                                                                       : CAUSE_TLS_REQUIRED_FOR_AUTH;
}

static enum cause_id check_no_login(const struct session *s)
{
    return s->account == NULL ? CAUSE_NONE : CAUSE_AUTH_ALREADY;
}

static enum cause_id check_offer(const struct session *s)
{
    return s->esmtp ? CAUSE_NONE : CAUSE_AUTH_NOT_OFFERED;
}

static enum cause_id check_login(const struct session *s)
{
    if (s->account != NULL || !session_is_submission(s))
        return CAUSE_NONE;
    return conn_is_tls(s->conn) ? CAUSE_SUBMISSION_NO_LOGIN : CAUSE_SUBMISSION_NO_LOGIN_NO_TLS;
}

static enum cause_id check_no_mail(const struct session *s)
{
    return s->tx == NULL ? CAUSE_NONE : CAUSE_COMMAND_ORDER;
}

static enum cause_id check_no_mail_auth(const struct session *s)
{
    return s->tx == NULL ? CAUSE_NONE : CAUSE_AUTH_IN_TRANSACTION;
}

static enum cause_id check_mail(const struct session *s)
{
    return s->tx != NULL ? CAUSE_NONE : CAUSE_COMMAND_ORDER;
}

static enum cause_id check_recipient(const struct session *s)
{
    return s->tx->recipient_count > 0 ? CAUSE_NONE : CAUSE_NO_RECIPIENTS;
}

struct check {
    enum command_flag flag;
    enum cause_id (*run)(const struct session *s);
    const char *name, *value; /* a parameter of the refusal */
};

static const struct check CHECKS[] = {
    {NEEDS_LOGIN, check_login, NULL, NULL},
    {NEEDS_HELO, check_helo, NULL, NULL},
    {NEEDS_PRIVACY, check_privacy, NULL, NULL},
    {NEEDS_OFFER, check_offer, NULL, NULL},
    {NEEDS_NO_LOGIN, check_no_login, NULL, NULL},
    {NEEDS_NO_MAIL, check_no_mail, "expected", "the message under way first, or RSET"},
    {NEEDS_NO_MAIL_AUTH, check_no_mail_auth, NULL, NULL},
    {NEEDS_MAIL, check_mail, "expected", "MAIL first"},
    {NEEDS_RECIPIENT, check_recipient, NULL, NULL},
};

/* True when the command may run; else it was refused. */
static bool allowed(struct session *s, const struct command *command, struct span args)
{
    if ((command->flags & NEEDS_NO_ARGS) && args.n > 0) {
        session_refuse(s, CAUSE_COMMAND_SYNTAX, "reason", "no parameter is allowed here");
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(CHECKS); i++) {
        enum cause_id cause = command->flags & CHECKS[i].flag ? CHECKS[i].run(s) : CAUSE_NONE;
        if (cause != CAUSE_NONE) {
            session_refuse(s, cause, CHECKS[i].name, CHECKS[i].value);
            return false;
        }
    }
    return true;
}

/* ---- lines ---- */

static bool too_idle(struct session *s, const struct command *command)
{
    if (!(command->flags & IS_IDLE) || ++s->idle_commands <= s->settings->limit_idle_commands)
        return false;
    session_refuse(s, CAUSE_TOO_MANY_IDLE_COMMANDS, NULL, NULL);
    return true;
}

static const struct command *find_command(struct span verb)
{
    for (size_t i = 0; i < COUNT_OF(COMMANDS); i++)
        if (span_equal_nocase(verb, COMMANDS[i].verb))
            return &COMMANDS[i];
    return NULL;
}

static void run_line(struct session *s, struct span line)
{
    struct span args = line;
    struct span verb = span_take(&args, ' ');
    args = span_trim(args);
    const struct command *command = find_command(verb);
    if (command == NULL) {
        session_set_command(s, s->after_auth ? "(not shown behind AUTH)" : "",
                            s->after_auth ? span_of("") : line);
        session_refuse(s, CAUSE_COMMAND_UNKNOWN, NULL, NULL);
        return;
    }
    session_set_command(s, command->verb,
                        span_of("")); /* AUTH's arguments are secret; MAIL and RCPT add theirs */
    s->after_auth = command->run == cmd_auth;
    if (!too_idle(s, command) && allowed(s, command, args))
        command->run(s, args);
}

static bool is_auth(struct span start)
{
    return span_starts_nocase(start, "AUTH ");
}

/* RFC 4954, section 4: an AUTH line may be much longer than others. */
static size_t line_limit(const struct session *s, struct span start)
{
    return is_auth(start) ? s->settings->limit_auth_line : s->settings->limit_command_line;
}

/* A line is too long when its end has not come within the limit; then the rest of it is passed over before it
 * is answered. */
static size_t skip_line(struct session *s, const char *bytes, size_t n, const char *end)
{
    if (s->skipping == CAUSE_NONE)
        s->skipping = is_auth(span_from(bytes, n)) ? CAUSE_AUTH_LINE_TOO_LONG : CAUSE_COMMAND_LINE_TOO_LONG;
    if (end == NULL)
        return n;
    session_set_command(s, s->skipping == CAUSE_AUTH_LINE_TOO_LONG ? "AUTH" : "command", span_of(""));
    session_refuse(s, s->skipping, NULL, NULL);
    s->skipping = CAUSE_NONE;
    return (size_t)(end - bytes) + 1;
}

/* A ClientHello where a command should be: a TLS record of type handshake (RFC 8446, section 5.1). */
static bool is_client_hello(const struct session *s, const char *bytes, size_t n)
{
    return s->helo == NULL && !conn_is_tls(s->conn) && bytes[0] == 0x16 && (n < 2 || bytes[1] == 0x03);
}

static size_t refuse_client_hello(struct session *s, const char *bytes, size_t n)
{
    session_wrong_port(s, CAUSE_TLS_ON_PLAIN_PORT, span_from(bytes, n));
    return n;
}

size_t session_commands(struct session *s, const char *bytes, size_t n)
{
    if (is_client_hello(s, bytes, n))
        return refuse_client_hello(s, bytes, n);
    const char *end = memchr(bytes, '\n', n);
    size_t len = end != NULL ? (size_t)(end - bytes) + 1 : n;
    if (s->skipping != CAUSE_NONE || len > line_limit(s, span_from(bytes, n)))
        return skip_line(s, bytes, n, end);
    if (end == NULL)
        return 0;
    struct span line = {bytes, len - 1};
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    if (s->state == SESSION_COMMAND && len < n && span_starts_nocase(line, "STARTTLS") &&
        !conn_is_tls(s->conn)) {
        session_set_command(s, "STARTTLS", span_of(""));
        session_refuse(s, CAUSE_STARTTLS_INJECTION, NULL, NULL);
        session_close(s);
        return n;
    }
    session_enter(s, SESSION_COMMAND); /* the wait begins anew with each command */
    run_line(s, line);
    return len;
}
