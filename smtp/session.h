/* SPDX-License-Identifier: MIT */
/* A session: what one client's conversation has come to. Of this room only. */
#ifndef GP_SMTP_SESSION_H
#define GP_SMTP_SESSION_H

#include "smtp/smtp.h"
#include "wire/wire.h"

struct session;

/* What one loop holds; touched by its thread only. */
struct smtp_loop {
    struct smtp *smtp;
    struct loop *loop;
    struct session *sessions;
    struct seat *seats; /* its listeners */
    struct loop_task drain_task, end_task;
    struct buf scratch; /* message bytes on their way to the spool */
    struct buf command; /* the one being handled, for the journal */
    bool draining;
};

enum session_state {
    SESSION_AWAIT, /* submissions: for the client's first byte */
    SESSION_HANDSHAKE,
    SESSION_COMMAND,
    SESSION_LOGIN,   /* for the client's next response of an AUTH exchange */
    SESSION_CHECK,   /* for the verdict on a login */
    SESSION_PENALTY, /* for the time at which a failed login is answered */
    SESSION_DATA,    /* for the message */
    SESSION_SPOOL,   /* for the spool to take more of it */
    SESSION_COMMIT,  /* for the message to be on disk */
    SESSION_CLOSED,
    SESSION_STATES
};

/* A login under way: from AUTH to its answer. */
struct login;

/* From MAIL to the end of data (RFC 5321, section 3.3). */
struct transaction {
    struct address sender;
    char **recipients; /* folded */
    size_t recipient_count;
    bool eight_bit;
    /* from DATA on */
    struct spool_in *in;
    struct header_filter *filter;
    struct dot_decoder dot;
    enum cause_id refused; /* the answer at the end of data, once it is clear that it will not be 250 */
    uint64_t size;         /* bytes that came, as RFC 1870 counts them */
    uint64_t swallowed;    /* those that came after it was refused */
};

struct session {
    struct smtp_loop *home;
    struct session *next, **link; /* in home->sessions */
    struct conn *conn;            /* NULL once it is closed */
    const struct settings *settings;
    enum listener_kind listener;
    enum session_state state;
    struct addr peer, local;
    uint64_t opened_ms;
    char *helo;            /* as said; NULL before */
    char *account;         /* logged in as; NULL before */
    const char *mechanism; /* of that login */
    struct login *login;
    struct transaction *tx;
    unsigned errors, idle_commands, auth_failures, messages;
    bool esmtp;             /* said EHLO */
    bool after_auth;        /* what is no command may be the rest of an AUTH exchange, and is not shown */
    enum cause_id skipping; /* the rest of a line that was too long is passed over, then this is said;
                               CAUSE_NONE: nothing of the kind */
};

/* ---- session.c: states, time, life ---- */
void session_open(struct smtp_loop *home, enum listener_kind kind, int fd, const struct addr *peer,
                  const struct addr *local);
/* The one place where the state changes; arms the state's timer and starts or stops reading. */
void session_enter(struct session *s, enum session_state state);
/* Closes after what was written is sent; the session frees itself later. */
void session_close(struct session *s);
/* The message under way is committed or dropped, and whoever waited for that may go on. */
void session_ready(struct session *s);
/* Frees the session if its connection is gone. */
void session_free(struct session *s);
/* The client has another protocol or port in mind, of which seen tells: answers, journals, closes. */
void session_wrong_port(struct session *s, enum cause_id cause, struct span seen);
/* Says 421 unless a message is being handed over; then it will be said behind it. */
void session_drain(struct session *s);

/* ---- reply.c: what is said ---- */
void session_reply(struct session *s, int code, const char *enhanced, const char *text);
/* The reply made of a cause; name and value are one more parameter (or NULL). Journals it, counts it as an
 * error, closes after a 421. */
void session_refuse(struct session *s, enum cause_id cause, const char *name, const char *value);
/* The same, without journal and count: for what is journaled in its own way. */
void session_say_cause(struct session *s, enum cause_id cause, const char *name, const char *value);
/* One more refusal, however it was said: closes at limit.errors. */
void session_count_error(struct session *s);
/* An event with all that is known of the session; text must hold what it points to until it is written. */
struct event_text {
    char tls[TLS_TEXT_MAX];
};
struct event session_event(const struct session *s, enum event_type type, enum cause_id cause,
                           struct event_text *text);
void session_journal(struct session *s, const struct event *event);
/* That the connection ends otherwise than by QUIT. */
void session_journal_end(struct session *s, enum cause_id cause, const char *detail);
/* The command that is being handled, for the journal ("RCPT <x@y>", "after DATA"; never with secrets). */
void session_set_command(struct session *s, const char *verb, struct span args);
/* "esmtpsa" (RFC 3848), lower case as in Exim's log. */
const char *session_protocol(const struct session *s);
bool session_is_submission(const struct session *s);

/* ---- command.c: the dispatcher ---- */
size_t session_commands(struct session *s, const char *bytes, size_t n);

/* ---- cmd_*.c: the verbs ---- */
typedef void command_fn(struct session *s, struct span args);
command_fn cmd_ehlo, cmd_helo, cmd_starttls, cmd_auth, cmd_mail, cmd_rcpt, cmd_data, cmd_rset, cmd_noop,
    cmd_vrfy, cmd_help, cmd_quit, cmd_http, cmd_absent;

/* cmd_auth.c */
size_t login_input(struct session *s, const char *bytes, size_t n);
void login_answer(struct session *s); /* the penalty is over */
void login_abandon(struct session *s);
/* cmd_session.c: the handshake is done; what was said before it may be anyone's (RFC 3207, section 4.2). */
void session_forget(struct session *s);
/* cmd_mail.c */
void transaction_end(struct session *s);
void transaction_drop_duplicates(struct transaction *tx);
/* cmd_data.c */
size_t data_input(struct session *s, const char *bytes, size_t n);

#endif
