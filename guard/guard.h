/* SPDX-License-Identifier: MIT */
/*
 * guard: who may come in. Login events in, verdict out: counts failed logins by address, spares those that
 * are no attack, blocks addresses, and remembers from where accounts logged in. No I/O, no threads, no clock.
 *
 * Time. now_ms is CLOCK_MONOTONIC in milliseconds (clock_mono_ms); everything is counted in whole seconds of
 * it, so that a step of the wall clock neither ends a block nor forgives a failure. A `now` that is older
 * than one seen before counts as that one. Wall seconds appear only in what is shown and stored: they are
 * derived from what guard_make and guard_tick were told.
 *
 * Threads. Any thread may call anything; one lock guards all of it, and no call waits while it holds it. The
 * wake functions are called with that lock held: they may hand over a note (loop_post), and must not call the
 * guard. (With a million tracked addresses a verdict takes 0.1 us at accept and 0.8 us before a login, and
 * two threads at once get some 5 million a second: tests/unit/test_guard_size.c. To shard it would split the
 * rules that look at one account across addresses.)
 *
 * Memory. All tables have a fixed size that guard_make takes; nothing that a stranger sends makes them grow.
 * Where one is full the oldest, or the least telling, gives way.
 *
 * Names. Accounts are compared without regard to ASCII case and never trimmed; they are kept as prints: 64
 * bits of SipHash-2-4 under the key given to guard_make. With the same key they are the same in the next
 * process.
 */
#ifndef GP_GUARD_H
#define GP_GUARD_H

#include "base/base.h"
#include "causes/causes.h"
#include "settings/settings.h"

struct guard;

enum {
    GUARD_KEY_SIZE = 16,
    GUARD_NO_PWHASH = -1,
    GUARD_ACCOUNT_MAX = 48, /* texts with their NUL; what is cut ends with "..." */
    GUARD_HELO_MAX = 32,
    GUARD_NOTE_MAX = 128,
    GUARD_GRANT_ACCOUNT_MAX = 328,
};
#define GUARD_FOREVER UINT32_MAX /* of durations in seconds */

/* ---- rules ---- */
/* Durations in seconds; ranges: settings/table.h, where each has its text. */
struct guard_rules {
    uint32_t window, max_failures, stale_max, unknown_accounts;
    bool distinct, forgive_stale;
    uint32_t office_within, office_failures, office_accounts;
    uint32_t botnet_addresses, spray_accounts; /* 0: no such rule */
    uint32_t known_for;
    uint32_t block_for, repeat_within, repeat_max, repeat_factor;
    uint32_t ipv4_prefix, ipv6_prefix, widen;
    uint32_t allow_failures; /* a minute */
    bool drop;               /* guard.action */
    uint32_t drop_after;
    uint32_t delay_first_ms, delay_max_ms;
    bool grants, grants_local;
    uint32_t grant_window;
    /*
     * As in guard.allow and guard.never; borrowed for the call that takes the rules. Host names are skipped:
     * someone else looks them up and hands them to guard_allow_host.
     */
    struct setting_list allow, never;
    /* How many there may be; only guard_make reads these. All at least 1. */
    struct guard_sizes {
        uint32_t addresses, failures, blocks, allowed, accounts, logins, members, grants, changes;
    } sizes;
};
/* allow and never stay those of settings: hold it until the rules were taken. */
void guard_rules_read(const struct settings *settings, struct guard_rules *rules_r);

/* key: secret; the same one at each start, or what was stored about accounts means nothing. Copied. */
struct guard *guard_make(const struct guard_rules *rules, const uint8_t key[GUARD_KEY_SIZE], uint64_t now_ms,
                         int64_t wall_s);
/* All tickets must have been settled. Nulls the pointer. */
void guard_free(struct guard **guard);
/* New rules (but for sizes) from now on; blocks that they allow end. Lists that came by functions stay. */
void guard_configure(struct guard *guard, uint64_t now_ms, const struct guard_rules *rules);
/* Once a second: lets time pass where nobody calls, and learns of steps of the wall clock
 * (GUARD_CHANGE_RESYNC). */
void guard_tick(struct guard *guard, uint64_t now_ms, int64_t wall_s);

/* An address (all bits) or a network. */
struct guard_net {
    struct addr address; /* bits behind the network's are 0; no port */
    unsigned bits;       /* 0 to 32, or 0 to 128 */
};

/* ---- at accept ---- */
struct guard_block {
    struct guard_net net;
    bool pair;              /* only one account is refused there: account_print */
    bool dropped;           /* it is to get no answer any more */
    uint64_t account_print; /* of a pair, else 0 */
    enum cause_id cause;
    int64_t since, until; /* wall seconds; until 0: forever */
    uint32_t failures;    /* that led to it, and those that were still under way */
    uint32_t times;       /* 1: the first block, 2: the second in a row, ... */
    uint32_t hits;        /* connections since */
    char account[GUARD_ACCOUNT_MAX], helo[GUARD_HELO_MAX]; /* of the last failure, as sent: escape them */
    char reason[GUARD_NOTE_MAX];                           /* the administrator's, or "" */
};
enum guard_entry {
    GUARD_OPEN,    /* come in */
    GUARD_BLOCKED, /* tell it why (*block_r), and nothing else */
    GUARD_DROP,    /* blocked, and not worth a word: guard.action = drop, or guard.drop_after was passed */
};
/* Counts a connection of a blocked address. block_r is filled unless GUARD_OPEN. */
enum guard_entry guard_ask(struct guard *guard, uint64_t now_ms, const struct addr *from,
                           struct guard_block *block_r);

/* ---- before and after a login ---- */
struct guard_try {
    struct addr from;
    struct span account, helo; /* as sent; copied */
    int pwhash;                /* Dovecot's 12 bits for account and password, or GUARD_NO_PWHASH */
    /*
     * 32 bits of a keyed digest of the password alone, the same for the same password of any account; 0:
     * unknown. It tells one password on many accounts, and knows a remembered password far better than 12
     * bits do; it is held in memory only. The key should be the process's own.
     */
    uint32_t password_print;
};
enum guard_turn { GUARD_GO, GUARD_WAIT, GUARD_REFUSED };
struct guard_refusal {
    enum cause_id cause;      /* of the reply */
    struct guard_block block; /* unless the cause is CAUSE_AUTH_TOO_FAST */
    uint64_t delay_ms;        /* from the arrival of the credentials to the answer */
};
struct guard_ticket; /* a place among the logins under way */

/*
 * When credentials have arrived completely, before they are checked. GO: check them, then settle. WAIT: as
 * many logins are under way as may still fail: wake(arg) is called once when this may have changed, from any
 * thread, with the guard's lock held; then ask guard_turn (and again after each WAIT). REFUSED: *refusal_r
 * says why, no ticket. With a ticket guard_settle must follow, whatever happens; wake is not called after it
 * began, but what an earlier wake handed over may still be on its way.
 */
enum guard_turn guard_reserve(struct guard *guard, uint64_t now_ms, const struct guard_try *attempt,
                              void (*wake)(void *arg), void *arg, struct guard_ticket **ticket_r,
                              struct guard_refusal *refusal_r);
/* For a ticket that waits. REFUSED: settle it with GUARD_ABANDONED. */
enum guard_turn guard_turn(struct guard *guard, uint64_t now_ms, struct guard_ticket *ticket,
                           struct guard_refusal *refusal_r);

enum guard_outcome {
    GUARD_GOOD,
    GUARD_WRONG,       /* no such account, or not its password */
    GUARD_STALE,       /* the store knows: an earlier password of this account */
    GUARD_DISABLED,    /* right password, disabled account: never counted */
    GUARD_UNAVAILABLE, /* the store is down, or busy: never counted */
    GUARD_POLICY,      /* Dovecot reports that a guard refused it (policy_reject): never counted */
    GUARD_ABANDONED,   /* no check was made: cancelled, cut before the last response, or never got its turn */
};
struct guard_facts {
    bool account_unknown; /* GUARD_WRONG: there surely is no such account */
    bool reported_twice;  /* the store reports this login to guard_report, too: count it once */
    bool mailbox;         /* guard_report, GUARD_GOOD: by IMAP or POP3, so it may grant POP-before-SMTP */
    int64_t changed_at;   /* GUARD_STALE: when the password was changed, if the store knows (wall), or 0 */
};
enum guard_count {
    GUARD_NOT_COUNTED, /* nothing to count */
    GUARD_COUNTED,
    GUARD_SPARED,  /* a password that was right before */
    GUARD_REPEATED /* guard.count = distinct: the same wrong password again */
};
struct guard_result {
    enum guard_count count;
    enum cause_id cause; /* for log and reply; CAUSE_NONE for GUARD_GOOD and GUARD_ABANDONED */
    uint64_t delay_ms;   /* from the arrival of the credentials to the answer; 0: at once */
    /*
     * Whether the client may be told that its password was changed: only at an address from which this
     * account logged in before. changed_at: when (wall seconds), 0 when not known.
     */
    bool tell_changed;
    int64_t changed_at;
    bool blocked; /* by now, by *block: the address, or the account there (block.pair) */
    struct guard_block block;
};
/* The end of what guard_reserve began: wakes those who may go now. facts: all 0 if there are none. Nulls the
 * pointer. */
void guard_settle(struct guard *guard, uint64_t now_ms, struct guard_ticket **ticket,
                  enum guard_outcome outcome, const struct guard_facts *facts, struct guard_result *result_r);

/* ---- logins at other servers (Dovecot's policy protocol) ---- */
/* May it try? GO or REFUSED, as guard_reserve would say, but nothing is reserved. */
enum guard_turn guard_may(struct guard *guard, uint64_t now_ms, const struct guard_try *attempt,
                          struct guard_refusal *refusal_r);
/* It tried. facts.reported_twice: this one came (or comes) by guard_settle as well. */
void guard_report(struct guard *guard, uint64_t now_ms, const struct guard_try *attempt,
                  enum guard_outcome outcome, const struct guard_facts *facts, struct guard_result *result_r);

/* ---- POP-before-SMTP ---- */
enum guard_grant_state { GUARD_GRANT_NONE, GUARD_GRANT_LIVE, GUARD_GRANT_OVER /* within a day ago */ };
/* May this very address send as account? account NULL: as any. */
enum guard_grant_state guard_granted(struct guard *guard, uint64_t now_ms, const struct addr *from,
                                     const char *account);
/* The password was changed, the account disabled or removed: its grants end. */
void guard_account_changed(struct guard *guard, uint64_t now_ms, struct span account);

/* ---- what administrators do ---- */
enum guard_done {
    GUARD_DONE,
    GUARD_IN_NEVER,  /* refused: (part of) it is in guard.never */
    GUARD_IN_ALLOW,  /* refused: all of it is allowed */
    GUARD_NOT_FOUND, /* there is nothing like that */
    GUARD_FULL,
};
/* seconds 0: guard.block_for. In place of a block of the same network. reason is cut. */
enum guard_done guard_block(struct guard *guard, uint64_t now_ms, const struct guard_net *net,
                            uint32_t seconds, const char *reason, struct guard_block *block_r);
/*
 * Ends all blocks that have an address in common with net (NULL: all there are), also of pairs; clears the
 * counts of failed logins there, and that it was blocked before. Copies up to max of them to removed_r (which
 * may be NULL with max 0), returns how many there were.
 */
size_t guard_unblock(struct guard *guard, uint64_t now_ms, const struct guard_net *net,
                     struct guard_block *removed_r, size_t max);

enum guard_allow_source { GUARD_ALLOW_SETTING, GUARD_ALLOW_COMMAND, GUARD_ALLOW_HOST };
struct guard_allow {
    struct guard_net net;
    enum guard_allow_source source;
    int64_t since;             /* wall seconds */
    char note[GUARD_NOTE_MAX]; /* the administrator's; for GUARD_ALLOW_HOST the name */
};
/* Blocks inside net end. In place of an entry of the same network that came by command. */
enum guard_done guard_allow(struct guard *guard, uint64_t now_ms, const struct guard_net *net,
                            const char *note);
enum guard_done guard_disallow(struct guard *guard, uint64_t now_ms, const struct guard_net *net);
/* A name in guard.allow now has these addresses, in place of those it had. n 0: none. */
enum guard_done guard_allow_host(struct guard *guard, uint64_t now_ms, const char *name,
                                 const struct addr *addresses, size_t n);
/* The addresses of this host: for `own` in guard.never, and never given POP-before-SMTP. */
void guard_set_own(struct guard *guard, uint64_t now_ms, const struct addr *addresses, size_t n);

/*
 * Lists, in no order, copied in pieces so that nobody waits long: *cursor 0 at first; 0 at the end. What
 * changes meanwhile may be missed or come twice.
 */
size_t guard_list_blocks(struct guard *guard, uint64_t now_ms, size_t *cursor, struct guard_block *out_r,
                         size_t max);
size_t guard_list_allow(struct guard *guard, uint64_t now_ms, size_t *cursor, struct guard_allow *out_r,
                        size_t max);
struct guard_grant {
    struct addr address;
    int64_t since, until; /* wall seconds */
    char account[GUARD_GRANT_ACCOUNT_MAX];
};
size_t guard_list_grants(struct guard *guard, uint64_t now_ms, size_t *cursor, struct guard_grant *out_r,
                         size_t max);
/* What holds for one address now, without counting a connection. */
struct guard_state {
    bool never, allowed, blocked;
    uint32_t failures, spared; /* within guard.window */
    uint32_t left;             /* failures until a block; 0 for one that is never blocked */
    struct guard_block block;  /* if blocked */
};
void guard_look(struct guard *guard, uint64_t now_ms, const struct addr *from, struct guard_state *state_r);

/* ---- what changed: for a store, the firewall, open sessions, other servers of a fleet ---- */
struct guard_failure {
    struct addr address;
    uint64_t account_print;
    int pwhash;
    bool account_unknown, spared;
    int64_t at; /* wall seconds */
};
/* A login that was good, for what is known of the account: told at first, then at most every 15 minutes. */
struct guard_login {
    struct addr address; /* family 0: only the password */
    uint64_t account_print;
    int pwhash;                /* GUARD_NO_PWHASH: only the address */
    int64_t first_at, last_at; /* of the password; last_at of the address, too (wall seconds) */
};
enum guard_change_kind {
    GUARD_CHANGE_BLOCKED, /* block: made, or made anew. The counts of its address are used up: forget them */
    GUARD_CHANGE_DROPPED, /* block: is to get no answer any more */
    GUARD_CHANGE_UNBLOCKED, /* block, why. Keep it for guard.repeat_within after its end, unless lifted */
    GUARD_CHANGE_ALLOWED,
    GUARD_CHANGE_DISALLOWED,
    GUARD_CHANGE_CLEARED, /* net (family 0: everything): counts of failures in it were cleared */
    GUARD_CHANGE_FAILED,
    GUARD_CHANGE_LOGIN,
    GUARD_CHANGE_GRANTED, /* grant */
    GUARD_CHANGE_RESYNC,  /* changes were lost, or the wall clock was set: read the lists anew */
};
enum guard_end {
    GUARD_END_TIME,   /* it was over */
    GUARD_END_LIFTED, /* by a command, or allowed */
    GUARD_END_FULL,   /* there are guard.max_blocks, and this one would have ended soonest */
};
struct guard_change {
    enum guard_change_kind kind;
    enum guard_end why;
    union {
        struct guard_block block;
        struct guard_net net;
        struct guard_allow allow;
        struct guard_failure failure;
        struct guard_login login;
        struct guard_grant grant;
    };
};
/* wake(arg) is called when changes are there that were not before, with the guard's lock held. */
void guard_subscribe(struct guard *guard, void (*wake)(void *arg), void *arg);
/* Takes up to max changes, in the order in which they came about. */
size_t guard_changes(struct guard *guard, struct guard_change *out_r, size_t max);

/*
 * State of an earlier process, or of another server, is put back; none of it comes out as a change. Failures
 * first, oldest first, then the rest. A block that has ended counts as an earlier one (repeat_within), else
 * it goes on for what is left, at most its own length. False: over, not of use, or no space.
 */
bool guard_put_block(struct guard *guard, uint64_t now_ms, const struct guard_block *block);
bool guard_put_allow(struct guard *guard, uint64_t now_ms, const struct guard_allow *allow);
bool guard_put_login(struct guard *guard, uint64_t now_ms, const struct guard_login *login);
bool guard_put_failure(struct guard *guard, uint64_t now_ms, const struct guard_failure *failure);

/* The print of an account: as in changes, for those who look something up in the store. */
uint64_t guard_account_print(const struct guard *guard, struct span account);

struct guard_stats {
    uint64_t bytes; /* of all tables */
    uint32_t addresses, failures, blocks, allowed, accounts, logins, grants;
    uint32_t under_way, waiting;               /* tickets */
    uint64_t blocks_made, blocks_displaced;    /* since the start */
    uint64_t failures_displaced, changes_lost; /* for want of space */
};
void guard_stats(struct guard *guard, struct guard_stats *out_r);

#endif
