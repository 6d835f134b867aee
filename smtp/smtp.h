/* SPDX-License-Identifier: MIT */
/*
 * smtp: the server's side of the conversation (RFC 5321, 6409, 3207, 4954, 8314). Owns the loops and the
 * sessions on them; each session is bound to one loop for life.
 */
#ifndef GP_SMTP_H
#define GP_SMTP_H

#include "auth/auth.h"
#include "journal/journal.h"
#include "net/net.h"
#include "settings/settings.h"
#include "spool/spool.h"

enum listener_kind {
    LISTENER_SMTP,        /* 25: mail from other servers */
    LISTENER_SUBMISSION,  /* 587: mail programs, STARTTLS (RFC 6409) */
    LISTENER_SUBMISSIONS, /* 465: mail programs, TLS from the first byte (RFC 8314, section 3.3) */
    LISTENER_KINDS
};
/* "smtp", "submission", "submissions". */
const char *listener_kind_name(enum listener_kind kind);

/* What the sessions work with; all of it must outlive the smtp. */
struct smtp_parts {
    struct settings_cell *settings;
    struct auth *auth;
    struct spool *spool;
    struct journal *journal;
    const char *hostname;
};

struct smtp;
/* Makes n loops (n >= 1), not yet running. NULL when the system refuses. */
struct smtp *smtp_make(const struct smtp_parts *parts, size_t n);
/* Before smtp_start: the listening socket fd (taken over) is served by loop i. False when the system refuses.
 */
bool smtp_listen(struct smtp *smtp, size_t i, enum listener_kind kind, int fd);
/* The policy for handshakes from now on; the caller's hold is taken over. NULL: STARTTLS is not offered. Any
 * thread. */
void smtp_set_tls(struct smtp *smtp, struct tls_policy *policy);
/* Starts the loops' threads. 0 or -errno. */
int smtp_start(struct smtp *smtp);
/* Any thread: accepts nothing more, ends sessions that are between messages with 421, lets the others finish
 * theirs. */
void smtp_drain(struct smtp *smtp);
/* Any thread: connections that are open, and those of clients that left while a message or login of theirs
 * was under way. */
uint64_t smtp_connections(struct smtp *smtp);
/*
 * Closes what is left, and waits until it is (2 s at most). Then auth and spool may be closed, whose last
 * answers still reach the loops; then smtp_free ends the loops.
 */
void smtp_end(struct smtp *smtp);
void smtp_free(struct smtp **smtp);

#endif
