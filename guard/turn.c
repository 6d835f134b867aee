/* SPDX-License-Identifier: MIT */
/* Logins under way: who may check a password now, who waits, who is refused. */
#include <stdlib.h>

#include "guard/inside.h"

struct guard_ticket {
    struct visit visit;
    bool may_go;                    /* it has its seats */
    struct desk *seats[DESK_KINDS]; /* NULL: it needs none there */
    struct desk *waits;             /* at that one; NULL: not in any queue */
    TAILQ_ENTRY(guard_ticket) queue;
    void (*wake)(void *arg);
    void *arg;
};

struct judgement {
    enum guard_turn turn;
    enum cause_id cause; /* of a refusal */
    bool needs_seats;    /* GO */
    enum desk_kind full; /* WAIT: there */
};

static uint64_t desk_name(const struct visit *v, enum desk_kind kind)
{
    switch (kind) {
    case DESK_ADDRESS: return v->place.print;
    case DESK_PAIR: return (v->place.print ^ v->account) * UINT64_C(0x9e3779b97f4a7c15); /* of two prints */
    case DESK_ACCOUNT: return v->account;
    case DESK_PASSWORD: return v->password.print;
    case DESK_KINDS: break;
    }
    return 0;
}

static struct judgement refuse(enum cause_id cause)
{
    return (struct judgement){.turn = GUARD_REFUSED, .cause = cause};
}

static struct judgement find_seats(struct guard *g, const struct visit *v)
{
    uint32_t room[DESK_KINDS];
    verdict_room(g, v, room);
    if (room[DESK_ADDRESS] == 0)
        return refuse(CAUSE_AUTH_TOO_FAST);
    for (enum desk_kind kind = 0; kind < DESK_KINDS; kind++)
        if (room[kind] != UINT32_MAX && desks_busy(g->desks, kind, desk_name(v, kind)) >= room[kind])
            return (struct judgement){.turn = GUARD_WAIT, .full = kind};
    return (struct judgement){.turn = GUARD_GO, .needs_seats = true};
}

static bool has_print(const struct visit *v)
{
    return v->password.print != 0 || v->password.pwhash != PASSWORD_NO_PWHASH;
}

/*
 * In a crowd, a stranger's password that was never right for the account is a guess: no hash is spent on it.
 * Without a print of it (mechanisms that do not show it) only the check can tell.
 */
static struct judgement judge(struct guard *g, const struct visit *v)
{
    if (v->standing == STANDING_NEVER)
        return (struct judgement){.turn = GUARD_GO};
    const struct block *block = barrier_of(g, v);
    if (block != NULL)
        return refuse((enum cause_id)block->cause);
    struct spare spare = visit_spare(g, v);
    if (spare.spared && spare.surely && spare.last)
        return (struct judgement){.turn = GUARD_GO}; /* right, as far as anyone knows: takes nobody's seat */
    enum cause_id crowd = spare.spared || !has_print(v) ? CAUSE_NONE : verdict_crowd(g, v);
    if (crowd == CAUSE_NONE)
        return find_seats(g, v);
    verdict_bar_crowd(g, v, crowd);
    return refuse(crowd);
}

static void explain(struct guard *g, const struct visit *v, enum cause_id cause,
                    struct guard_refusal *refusal_r)
{
    const struct block *block = barrier_of(g, v);
    *refusal_r = (struct guard_refusal){.cause = cause, .delay_ms = outcome_delay_ms(g, v)};
    if (block != NULL)
        barrier_show(g, block, &refusal_r->block);
}

/* ---- seats and queues ---- */

static void take_seats(struct guard *g, struct guard_ticket *t, bool needed)
{
    t->may_go = true;
    for (enum desk_kind kind = 0; needed && kind < DESK_KINDS; kind++) {
        if (kind == DESK_PASSWORD && t->visit.password.print == 0)
            continue;
        t->seats[kind] = desks_open(g->desks, kind, desk_name(&t->visit, kind));
        t->seats[kind]->busy++;
    }
}

static void leave_queue(struct guard *g, struct guard_ticket *t)
{
    struct desk *desk = t->waits;
    if (desk == NULL)
        return;
    t->waits = NULL;
    TAILQ_REMOVE(&desk->waiting, t, queue);
    g->waiting--;
    desks_close(g->desks, desk);
}

static void join_queue(struct guard *g, struct guard_ticket *t, enum desk_kind kind)
{
    struct desk *desk = desks_open(g->desks, kind, desk_name(&t->visit, kind));
    if (t->waits == desk)
        return;
    leave_queue(g, t);
    t->waits = desk;
    TAILQ_INSERT_TAIL(&desk->waiting, t, queue);
    g->waiting++;
}

/* Puts a ticket where it belongs by now. */
static struct judgement place(struct guard *g, struct guard_ticket *t)
{
    visit_again(g, &t->visit);
    struct judgement j = judge(g, &t->visit);
    if (j.turn == GUARD_WAIT) {
        join_queue(g, t, j.full);
        return j;
    }
    leave_queue(g, t);
    if (j.turn == GUARD_GO)
        take_seats(g, t, j.needs_seats);
    return j;
}

/* In the order in which they came, until one must go on waiting there. Who is refused learns it from
 * guard_turn. */
static void serve(struct guard *g, struct desk *desk)
{
    struct guard_ticket *t;
    while ((t = TAILQ_FIRST(&desk->waiting)) != NULL) {
        place(g, t);
        if (t->waits == desk)
            return;
        if (t->waits == NULL)
            t->wake(t->arg);
    }
}

static void leave_seats(struct guard *g, struct guard_ticket *t)
{
    struct desk *left[DESK_KINDS];
    size_t n = 0;
    for (enum desk_kind kind = 0; kind < DESK_KINDS; kind++) {
        if (t->seats[kind] == NULL)
            continue;
        left[n] = t->seats[kind];
        left[n]->busy--;
        left[n++]->pinned = true;
    }
    for (size_t i = 0; i < n; i++)
        serve(g, left[i]);
    for (size_t i = 0; i < n; i++) {
        left[i]->pinned = false;
        desks_close(g->desks, left[i]);
    }
}

/* ---- the calls ---- */

enum guard_turn guard_reserve(struct guard *g, uint64_t now_ms, const struct guard_try *attempt,
                              void (*wake)(void *arg), void *arg, struct guard_ticket **ticket_r,
                              struct guard_refusal *refusal_r)
{
    struct guard_ticket *t = xcalloc(1, sizeof *t);
    guard_enter(g, now_ms);
    visit_make(g, &t->visit, attempt);
    t->wake = wake;
    t->arg = arg;
    struct judgement j = place(g, t);
    if (j.turn == GUARD_REFUSED) {
        explain(g, &t->visit, j.cause, refusal_r);
        free(t);
        t = NULL;
    } else {
        g->tickets++;
    }
    guard_leave(g);
    *ticket_r = t;
    return j.turn;
}

enum guard_turn guard_turn(struct guard *g, uint64_t now_ms, struct guard_ticket *t,
                           struct guard_refusal *refusal_r)
{
    enum guard_turn turn = GUARD_GO;
    guard_enter(g, now_ms);
    if (!t->may_go) {
        struct judgement j = place(g, t);
        turn = j.turn;
        if (turn == GUARD_REFUSED)
            explain(g, &t->visit, j.cause, refusal_r);
    }
    guard_leave(g);
    return turn;
}

void guard_settle(struct guard *g, uint64_t now_ms, struct guard_ticket **ticket, enum guard_outcome outcome,
                  const struct guard_facts *facts, struct guard_result *result_r)
{
    struct guard_ticket *t = *ticket;
    *ticket = NULL;
    guard_enter(g, now_ms);
    visit_again(g, &t->visit);
    leave_queue(g, t);
    outcome_apply(g, &t->visit, outcome, facts, ECHO_SESSION, result_r);
    leave_seats(g, t);
    g->tickets--;
    guard_leave(g);
    free(t);
}

enum guard_turn guard_may(struct guard *g, uint64_t now_ms, const struct guard_try *attempt,
                          struct guard_refusal *refusal_r)
{
    struct visit v;
    guard_enter(g, now_ms);
    visit_make(g, &v, attempt);
    struct judgement j = judge(g, &v);
    if (j.turn == GUARD_REFUSED)
        explain(g, &v, j.cause, refusal_r);
    guard_leave(g);
    return j.turn == GUARD_REFUSED ? GUARD_REFUSED : GUARD_GO;
}
