/* SPDX-License-Identifier: MIT */
/*
 * auth: who they are. SASL mechanisms (PLAIN, LOGIN), the store of accounts, the pool that computes hashes,
 * the cache of verified logins. Questions from a loop are answered from memory or later by a task on that
 * loop; a loop never waits here.
 */
#ifndef GP_AUTH_H
#define GP_AUTH_H

#include "base/base.h"
#include "net/loop.h"
#include "settings/settings.h"

struct auth;

/*
 * Opens (or makes) accounts.db in data_dir, starts the verifiers. cell gives the settings in force. NULL with
 * a text in *error when the store cannot be used at all at start.
 */
struct auth *auth_open(struct settings_cell *cell, struct buf *error);
/*
 * Waits for hashes under way; drops the queue. No check may be started any more. done is not called for those
 * that have no answer yet: their askers still forget them, before or after this. A loop must live until its
 * tickets were answered or forgotten.
 */
void auth_close(struct auth **auth);

/* ---- checking a login ---- */
enum auth_verdict {
    AUTH_OK,
    AUTH_WRONG,       /* no such account, or not its password */
    AUTH_STALE,       /* a password that this account had before (and not its present one) */
    AUTH_DISABLED,    /* right password, disabled account */
    AUTH_UNAVAILABLE, /* the store is broken: nobody's fault, never counted */
    AUTH_BUSY,        /* too many wait for their hash */
};
struct auth_answer {
    enum auth_verdict verdict;
    bool account_exists; /* for journal and guard, never for the client */
    char account[328];   /* the account's name in its stored form; for AUTH_WRONG without one: "" */
    int64_t changed_at;  /* AUTH_STALE: when the password was changed (wall seconds) */
};
struct auth_ticket; /* a check under way */

/*
 * Checks account (as sent: any bytes but NUL, never trimmed, compared without regard to case) and password.
 * Copies both and cleanses its copies. Calls done(arg, answer) once on the loop's thread: before it returns
 * (then returns NULL) when the answer is in memory, else later. from is the client's address: the queue is
 * fair by address, and logins that were good lately go first.
 */
struct auth_ticket *auth_check(struct auth *auth, struct loop *loop, const struct addr *from,
                               struct span account, struct span password,
                               void (*done)(void *arg, const struct auth_answer *answer), void *arg);
/*
 * The asker goes away: the check runs to its end, done is not called. On the loop's thread. Nulls the
 * pointer; it may be NULL already.
 */
void auth_forget(struct auth_ticket **ticket);

/* ---- mailboxes: from memory, any thread ---- */
enum auth_mailbox {
    MAILBOX_NONE,
    MAILBOX_ACTIVE,
    MAILBOX_DISABLED,
    MAILBOX_UNSURE, /* not known, but the store is broken at the moment: it may be there */
};
/* address in any case. */
enum auth_mailbox auth_mailbox(struct auth *auth, const char *address);

struct auth_stats {
    uint64_t hashes;     /* computed */
    uint64_t cache_hits; /* logins answered from the cache */
    uint64_t queued;     /* checks that went to the verifiers */
    uint64_t waiting;    /* now in the queue */
    uint64_t busy;       /* checks refused because it was full */
};
void auth_stats(struct auth *auth, struct auth_stats *out_r);
/*
 * Can the store be used? While it cannot, every check is AUTH_UNAVAILABLE, logins verified lately included;
 * mailboxes are answered as they were last known. It is looked at again once a second. If not, *why gets the
 * path and the reason. Blocks shortly: not from a loop.
 */
bool auth_store_good(struct auth *auth, struct buf *why);

/* ---- the accounts: blocking, never from a loop; checks and mailboxes know of a change at once ---- */
enum account_result {
    ACCOUNT_OK,
    ACCOUNT_EXISTS,
    ACCOUNT_UNKNOWN,
    ACCOUNT_BAD_ADDRESS,
    ACCOUNT_BAD_PASSWORD,
    ACCOUNT_STORE
};
struct account_row {
    const char *address;
    bool disabled;
    int64_t created_at, changed_at; /* wall seconds; changed_at: of the password */
    unsigned old_passwords;         /* kept hashes of earlier ones */
};
/*
 * Passwords: 1 to 511 bytes (libcrypt takes no more), no NUL, CR or LF. Addresses in any case; the local part
 * is stored as given to account_add, the domain in lower case. why gets a text for people unless ACCOUNT_OK.
 * account_password keeps the hashes of the last two passwords for 90 days; setting the present one again
 * changes nothing but its salt. account_each goes in the order of addresses, without a lock while row runs.
 */
enum account_result account_add(struct auth *auth, const char *address, struct span password,
                                struct buf *why);
enum account_result account_password(struct auth *auth, const char *address, struct span password,
                                     struct buf *why);
enum account_result account_remove(struct auth *auth, const char *address, struct buf *why);
enum account_result account_disable(struct auth *auth, const char *address, bool disabled, struct buf *why);
enum account_result account_each(struct auth *auth, void (*row)(void *arg, const struct account_row *row),
                                 void *arg, struct buf *why);

/* ---- SASL (RFC 4422): the exchange as a pure state machine over decoded bytes ---- */
enum sasl_step { SASL_CONTINUE, SASL_DONE, SASL_MALFORMED };
struct sasl; /* one exchange */
/* Mechanism by name ("PLAIN" RFC 4616, "LOGIN" draft-murchison-sasl-login), NULL when unknown. */
struct sasl *sasl_make(struct span mechanism);
void sasl_free(struct sasl **s); /* cleanses */
/* The mechanisms for EHLO, in one word each: "PLAIN LOGIN". */
const char *sasl_mechanisms(void);
/* "plain", "login": for the log. */
const char *sasl_name(const struct sasl *s);
/*
 * Feeds the client's decoded response (has_response false: it sent AUTH without initial response). CONTINUE:
 * send *challenge_r (not yet encoded). DONE: account and password may be read until sasl_free. PLAIN's
 * authorization id must be empty or equal to the authentication id.
 */
enum sasl_step sasl_feed(struct sasl *s, bool has_response, struct span response, const char **challenge_r);
struct span sasl_account(const struct sasl *s);
struct span sasl_password(const struct sasl *s);

#endif
