/* SPDX-License-Identifier: MIT */
/*
 * journal: what happened. One event for everything, with its cause and its data; written as a line of the main log in Exim's format
 * and kept as history in SQLite, both by one thread behind the loops. Writing an event never blocks; what does not fit is counted.
 */
#ifndef GP_JOURNAL_H
#define GP_JOURNAL_H

#include "base/base.h"
#include "causes/causes.h"
#include "settings/settings.h"

enum event_type {
    EVENT_STARTED,       /* the server; detail: version and listeners */
    EVENT_STOPPED,
    EVENT_SETTINGS,      /* reloaded, or a reload refused; detail */
    EVENT_WARNING,       /* detail: for the administrator */
    EVENT_CONNECT_REFUSED, /* at accept: a limit */
    EVENT_LOGIN,         /* good */
    EVENT_LOGIN_FAILED,  /* authenticator failed */
    EVENT_TLS_FAILED,    /* handshake; detail: OpenSSL's reason */
    EVENT_WRONG_PORT,    /* TLS on a plain listener, plain text or silence on a TLS one */
    EVENT_REFUSED,       /* MAIL, RCPT, DATA ... : a command that was refused; command says which */
    EVENT_CLOSED,        /* a connection that ended otherwise than by QUIT: lost, time-out, dropped; detail */
    EVENT_RECEIVED,      /* <= */
    EVENT_DELIVERED,     /* => or -> */
    EVENT_DEFERRED,      /* == */
    EVENT_FAILED,        /* ** */
    EVENT_COMPLETED,     /* Completed */
    EVENT_TYPE_COUNT
};

struct event {
    enum event_type type;
    enum cause_id cause;   /* CAUSE_NONE where nothing went wrong */
    int64_t time_ms;       /* 0: now */
    /* the connection */
    struct addr peer, local; /* family 0: none */
    const char *helo;      /* as said */
    const char *listener;  /* "smtp", "submission", "submissions" */
    const char *protocol;  /* RFC 3848: "esmtpsa" in Exim's lower case */
    const char *tls;       /* "TLS1.3:TLS_AES_256_GCM_SHA384:256" */
    const char *mechanism; /* "plain", "login" */
    const char *account;   /* exactly as sent (may hold anything) */
    const char *login;     /* the account that is logged in */
    int code;              /* of the reply that was sent */
    const char *command;   /* EVENT_REFUSED: "RCPT <x@y>" without secrets */
    /* the message */
    const char *id, *sender, *recipient; /* recipients of <=: separated by spaces */
    const char *message_id, *subject;
    uint64_t size;
    const char *route, *transport, *remote; /* router and transport names; remote: "H=host [ip]:port" */
    const char *answer;    /* the remote server's, in full */
    /* what the client offered in its ClientHello; "" or NULL when unknown */
    const char *tls_versions, *tls_ciphers, *tls_server_name;
    const char *detail;    /* free text for people */
};

struct journal;
/* Opens log and history.db in data_dir; log_fd >= 0 is used instead of opening log.file (taken over). */
struct journal *journal_open(struct settings_cell *cell, struct buf *error);
/* Writes out what is queued, then ends. */
void journal_close(struct journal **journal);
/* Any thread, never blocks. All strings are copied; NULL is "". */
void journal_write(struct journal *journal, const struct event *event);
/* Opens the log file again (SIGUSR1). Any thread, never blocks. */
void journal_reopen(struct journal *journal);

/* How many events of each kind and cause since the start, and how many were lost. */
struct journal_counts {
    uint64_t by_type[EVENT_TYPE_COUNT];
    uint64_t by_cause[CAUSE_COUNT];
    uint64_t lost_lines, lost_history;
};
void journal_counts(struct journal *journal, struct journal_counts *out_r);
/* "login-failed": for JSON and history. */
const char *event_type_name(enum event_type type);

/* The log line of an event, with time stamp and line end. Pure; for the journal and for tests. */
void event_line(const struct event *event, struct buf *out);

#endif
