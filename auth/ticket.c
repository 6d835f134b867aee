/* SPDX-License-Identifier: MIT */
/* Tickets: the life of a check across threads. */
#include "auth/ticket.h"

#include <stdlib.h>

#include "auth/hash.h"
#include "wire/wire.h"

struct gate *gate_make(void)
{
    struct gate *gate = xmalloc(sizeof *gate);
    atomic_init(&gate->holders, 1);
    atomic_init(&gate->closed, false);
    return gate;
}

struct gate *gate_hold(struct gate *gate)
{
    atomic_fetch_add(&gate->holders, 1);
    return gate;
}

void gate_release(struct gate **gate)
{
    if (atomic_fetch_sub(&(*gate)->holders, 1) == 1)
        free(*gate);
    *gate = NULL;
}

struct auth_ticket *ticket_make(const struct pool_order *order, struct gate *gate)
{
    struct span account = order->account, password = order->password;
    if (account.n > ADDRESS_MAX)
        account = span_of("");
    bool usable = password.n <= PASSWORD_MAX && !span_contains(password, '\0');
    if (!usable)
        password = span_of("");
    struct auth_ticket *t = xcalloc(1, sizeof *t + account.n + password.n + 2);
    t->network = network_of(order->from);
    t->loop = order->loop;
    t->done = order->done;
    t->arg = order->arg;
    t->gate = gate_hold(gate);
    atomic_init(&t->state, TICKET_PENDING);
    t->usable = usable;
    t->account_n = account.n;
    t->password_n = password.n;
    memcpy(t->secret, account.p, account.n);
    memcpy(t->secret + account.n + 1, password.p, password.n);
    return t;
}

void ticket_cleanse(struct auth_ticket *t)
{
    explicit_bzero(t->secret, t->account_n + t->password_n + 2);
}

void ticket_free(struct auth_ticket *t)
{
    ticket_cleanse(t);
    gate_release(&t->gate);
    free(t);
}

struct span ticket_account(const struct auth_ticket *t)
{
    return span_from(t->secret, t->account_n);
}

const char *ticket_password(const struct auth_ticket *t)
{
    return t->usable ? t->secret + t->account_n + 1 : NULL;
}

/* On the loop's thread, as is auth_forget: done needs no lock. */
static void deliver(struct loop_task *task)
{
    struct auth_ticket *t = CONTAINER_OF(task, struct auth_ticket, task);
    if (t->done != NULL && atomic_load(&t->gate->closed)) {
        atomic_store(&t->state, TICKET_DROPPED); /* the asker still has it, and will forget it */
        return;
    }
    if (t->done != NULL)
        t->done(t->arg, &t->answer);
    ticket_free(t);
}

/* Moves on from PENDING; false when the asker was faster. */
static bool advance(struct auth_ticket *t, enum ticket_state to)
{
    enum ticket_state from = TICKET_PENDING;
    return atomic_compare_exchange_strong(&t->state, &from, to);
}

void ticket_finish(struct auth_ticket *t)
{
    t->task.run = deliver;
    struct loop *loop = t->loop;
    if (advance(t, TICKET_POSTED))
        loop_post(loop, &t->task);
    else
        ticket_free(t);
}

void ticket_drop(struct auth_ticket *t)
{
    if (!advance(t, TICKET_DROPPED))
        ticket_free(t);
}

void auth_forget(struct auth_ticket **ticket)
{
    struct auth_ticket *t = *ticket;
    *ticket = NULL;
    if (t == NULL || advance(t, TICKET_FORGOTTEN))
        return; /* whoever has it now frees it */
    if (atomic_load(&t->state) == TICKET_DROPPED)
        ticket_free(t);
    else
        t->done = NULL; /* in the mailbox */
}
