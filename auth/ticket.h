/* SPDX-License-Identifier: MIT */
/*
 * A ticket is one check from the question to its answer. It changes hands: asker (a loop), queue, verifier,
 * loop. Who frees it is decided by its state, which loop and verifier change by compare-and-exchange:
 *
 *   PENDING ──verifier is done──> POSTED ──the loop's mailbox──> done is called, freed
 *      ├──asker goes away──> FORGOTTEN ──verifier is done──> freed (the loop may be gone by then)
 *      └──pool closes──────> DROPPED ──asker goes away──> freed
 */
#ifndef GP_AUTH_TICKET_H
#define GP_AUTH_TICKET_H

#include <stdatomic.h>

#include "auth/pool.h"
#include "auth/recent.h"

/* Tells tickets that lie in a loop's mailbox that their pool was closed. Freed with its last holder. */
struct gate {
    atomic_uint holders;
    atomic_bool closed;
};
struct gate *gate_make(void);
struct gate *gate_hold(struct gate *gate);
void gate_release(struct gate **gate);

enum ticket_state { TICKET_PENDING, TICKET_FORGOTTEN, TICKET_POSTED, TICKET_DROPPED };

struct auth_ticket {
    struct loop_task task;
    struct auth_ticket *next; /* in its lane */
    struct network network;
    struct loop *loop;
    void (*done)(void *arg, const struct auth_answer *answer); /* NULL once posted and forgotten */
    void *arg;
    struct gate *gate;
    _Atomic enum ticket_state state;
    struct auth_answer answer;
    bool usable; /* the password can be somebody's */
    size_t account_n, password_n;
    char secret[]; /* account NUL password NUL; cleansed as soon as it was checked */
};

struct auth_ticket *ticket_make(const struct pool_order *order, struct gate *gate);
void ticket_free(struct auth_ticket *t);
struct span ticket_account(const struct auth_ticket *t);
/* NULL when it can be nobody's. */
const char *ticket_password(const struct auth_ticket *t);
void ticket_cleanse(struct auth_ticket *t);
/* The verifier hands the answer over, or the ticket goes if nobody waits for it. */
void ticket_finish(struct auth_ticket *t);
/* The pool will not check it. */
void ticket_drop(struct auth_ticket *t);

#endif
