/* SPDX-License-Identifier: MIT */
/*
 * journal: what happened. One event for everything, with its cause and its data; written as a line of the
 * main log in Exim's format and kept as history in SQLite, both by one thread behind the loops. Writing an
 * event never blocks; what does not fit is counted.
 */
#ifndef GP_JOURNAL_H
#define GP_JOURNAL_H

#include "base/base.h"
#include "causes/causes.h"
#include "settings/settings.h"

enum event_type {
    EVENT_STARTED,         /* the server; detail is the line: version and listeners */
    EVENT_STOPPED,         /* detail: why, if there is more to say */
    EVENT_SETTINGS,        /* reloaded, or a reload refused; detail */
    EVENT_WARNING,         /* detail: for the administrator */
    EVENT_CONNECT_REFUSED, /* at accept: a limit */
    EVENT_LOGIN,           /* good */
    EVENT_LOGIN_FAILED,    /* authenticator failed */
    EVENT_TLS_FAILED,      /* handshake; detail: OpenSSL's reason */
    EVENT_WRONG_PORT,      /* TLS on a plain listener, plain text or silence on a TLS one; input */
    EVENT_REFUSED,         /* MAIL, RCPT, DATA ... : a command that was refused; command says which */
    EVENT_CLOSED,    /* a connection that ended otherwise than by QUIT: lost, time-out, dropped; command: the
                        last one */
    EVENT_RECEIVED,  /* <= */
    EVENT_DELIVERED, /* => or -> */
    EVENT_DEFERRED,  /* == */
    EVENT_FAILED,    /* ** */
    EVENT_COMPLETED, /* Completed */
    EVENT_TYPE_COUNT
};

/* Texts are NUL-terminated and may hold anything a stranger sent; NULL is "". None may hold a password. */
struct event {
    enum event_type type;
    enum cause_id cause; /* CAUSE_NONE where nothing went wrong */
    int64_t time_ms;     /* wall clock; 0: now */
    /* the connection */
    struct addr peer, local; /* family 0: none */
    const char *helo;        /* as said */
    const char *listener;    /* "smtp", "submission", "submissions" */
    const char *protocol;    /* RFC 3848: "esmtpsa" in Exim's lower case */
    const char *tls;         /* "TLS1.3:TLS_AES_256_GCM_SHA384:256" */
    const char *mechanism;   /* "plain", "login" */
    const char *account;     /* exactly as sent (may hold anything) */
    const char *login;       /* the account that is logged in */
    const char *command;     /* "RCPT TO:<x@y>" as sent, "after DATA"; without secrets */
    const char *reply;       /* first line as sent, without codes; NULL: the cause's text, filled in */
    const char *input;       /* first bytes of what came too early or to the wrong port */
    uint64_t elapsed_ms;     /* EVENT_CLOSED: age of the connection; 0: unknown */
    int code;     /* of the reply that was sent; EVENT_DEFERRED: errno, or 0. 0: the cause's code */
    bool further; /* EVENT_DELIVERED: not the first recipient of this transaction: "->" */
    /* the message */
    const char *id, *sender, *recipient; /* recipients of <=: separated by spaces */
    const char *message_id, *subject;
    const char *reference; /* EVENT_RECEIVED, a bounce: queue id of the message that it is about */
    const char *route, *transport, *remote; /* router and transport names; remote: "H=host [ip]:port" */
    const char *answer;                     /* the remote server's, in full */
    uint64_t size;
    /* what the client offered in its ClientHello; "" or NULL when unknown */
    const char *tls_versions, *tls_ciphers, *tls_server_name;
    const char *detail; /* for people; also a cause's {reason}, {expected}, {parameter}, {path} */
};

struct journal;
/*
 * Opens log.file and history.db in data_dir and starts the thread. The cell must live until journal_close.
 * NULL with the reason in *error when one of the two cannot be opened (later failures only count, see
 * journal_counts, and mend by themselves).
 */
struct journal *journal_open(struct settings_cell *cell, struct buf *error);
/* Writes out what is queued, then ends. Nulls the pointer. */
void journal_close(struct journal **journal);
/* Any thread, never blocks on a disk. Texts are copied, each cut at 2 KiB (recipients of <= at 16 KiB). */
void journal_write(struct journal *journal, const struct event *event);
/* Opens the log file again (SIGUSR1). Any thread, never blocks; not from a signal handler. */
void journal_reopen(struct journal *journal);
/*
 * Waits until all that was written before is in log and history, or could not be stored. False after
 * timeout_ms. Never from a loop.
 */
bool journal_flush(struct journal *journal, uint64_t timeout_ms);

/* How many events of each kind and cause since the start, and how many were lost. Any thread. */
struct journal_counts {
    uint64_t by_type[EVENT_TYPE_COUNT];
    uint64_t by_cause[CAUSE_COUNT];
    uint64_t lost_lines, lost_history;
};
void journal_counts(struct journal *journal, struct journal_counts *out_r);
/* "login-failed": for JSON and history. type must be below EVENT_TYPE_COUNT. */
const char *event_type_name(enum event_type type);

/* Appends the log line of an event, with time stamp (local time) and line end. Pure but for the time when
 * time_ms is 0. */
void event_line(const struct event *event, struct buf *out);

/* ---- history: what was, for commands and pages ---- */
struct history_filter {         /* all that are set must hold */
    const struct addr *address; /* NULL: any; ports are not compared */
    const char *account;        /* any case, blanks around it do not count; NULL or "": any */
    const char *id;             /* queue id; NULL or "": any */
    int64_t since_ms;           /* wall clock; 0: any */
    int limit;                  /* at most that many, at least 1 */
};
/* Texts are "" when unknown, and valid during the call only. They are as they came: escape them before a
 * terminal sees them. */
struct history_row {
    int64_t time_ms;
    const char *type, *cause; /* stable names and ids, which may be those of another version */
    const char *address;      /* without port */
    const char *account;      /* the login, or what was tried: in lower case, without blanks around it */
    const char *helo, *id, *sender, *recipient;
    const char *more; /* JSON object with all else that the event had; "account" in it is exactly as sent */
};
/*
 * Calls row for each matching event, newest first, after flushing what is queued. Returns how many, or -1
 * with the reason in *error. Blocks: for commands and pages, never from a loop.
 */
int history_each(struct journal *journal, const struct history_filter *filter,
                 void (*row)(void *arg, const struct history_row *row), void *arg, struct buf *error);

#endif
