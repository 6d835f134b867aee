/* SPDX-License-Identifier: MIT */
/* The rules: who may still try, and what is blocked when. */
#include "guard/inside.h"

enum { NAMES_MAX = 100, MINUTE = 60 };

/* Whose address is it, to go by the good logins of late. */
enum place_kind {
    PLACE_STRANGE, /* nobody's that we know */
    PLACE_OWN,     /* only this account logged in from there */
    PLACE_OFFICE,  /* another one did: people share it */
};

static enum place_kind kind_of(const struct guard *g, const struct visit *v)
{
    switch (memory_who(g->memory, v->account, v->home, moment_before(g, g->rules.office_within))) {
    case MEMORY_SAME: return PLACE_OWN;
    case MEMORY_OTHER: return PLACE_OFFICE;
    case MEMORY_NOBODY: break;
    }
    return PLACE_STRANGE;
}

struct tally {
    uint32_t all;   /* counted failures of the address */
    uint32_t pair;  /* those of this account, as far as they did not lead to its refusal already */
    uint32_t names; /* different accounts that do not exist; counted up to the limit */
};

static void add_name(uint32_t names[NAMES_MAX], uint32_t limit, struct tally *t, uint32_t account)
{
    for (uint32_t i = 0; i < t->names; i++)
        if (names[i] == account)
            return;
    if (t->names < limit)
        names[t->names++] = account;
}

static struct tally tally(struct guard *g, const struct visit *v)
{
    struct tally t = {0, 0, 0};
    uint32_t names[NAMES_MAX],
        limit = g->rules.unknown_accounts < NAMES_MAX ? g->rules.unknown_accounts : NAMES_MAX;
    struct counts_walk walk = counts_walk(g->counts, &v->place, FAILURE_COUNTED);
    const struct failure *f;
    while ((f = counts_next(&walk)) != NULL) {
        t.all++;
        t.pair += f->account == (uint32_t)v->account && !f->used;
        if (f->unknown)
            add_name(names, limit, &t, f->account);
    }
    return t;
}

/* ---- crowds ---- */

static uint32_t attackers(const struct guard *g, const struct visit *v)
{
    return crowds_others(g->attacked, v->account, v->home, moment_before(g, g->rules.window));
}

static uint32_t sprayed(const struct guard *g, const struct visit *v)
{
    return crowds_others(g->sprayed, v->password.print, v->account, moment_before(g, g->rules.window));
}

enum cause_id verdict_crowd(struct guard *g, const struct visit *v)
{
    const struct guard_rules *r = &g->rules;
    enum cause_id cause = CAUSE_NONE;
    if (v->standing != STANDING_ORDINARY)
        return CAUSE_NONE;
    if (r->botnet_addresses > 0 && attackers(g, v) >= r->botnet_addresses)
        cause = CAUSE_BLOCKED_BOTNET;
    else if (r->spray_accounts > 0 && v->password.print != 0 && sprayed(g, v) >= r->spray_accounts)
        cause = CAUSE_BLOCKED_SPRAY;
    return cause != CAUSE_NONE && !visit_is_known(g, v) ? cause : CAUSE_NONE;
}

static void bar(struct guard *g, const struct visit *v, enum cause_id cause, uint32_t failures, bool pair)
{
    const struct block_order order = {.net = v->place.net,
                                      .account = pair ? v->account : 0,
                                      .cause = cause,
                                      .failures = failures,
                                      .account_text = v->account_text,
                                      .helo = v->helo,
                                      .reason = ""};
    barrier_raise(g, &order);
}

void verdict_bar_crowd(struct guard *g, const struct visit *v, enum cause_id cause)
{
    uint32_t until = moment_before(g, g->rules.window);
    crowds_add(g->attacked, v->account, v->home, g->now, until); /* the crowd lasts while it keeps coming */
    if (v->password.print != 0)
        crowds_add(g->sprayed, v->password.print, v->account, g->now, until);
    bar(g, v, cause, counts_of(g->counts, &v->place, FAILURE_COUNTED) + 1, false);
}

/* ---- before a check ---- */

static uint32_t less(uint32_t limit, uint32_t gone)
{
    return limit > gone ? limit - gone : 0;
}

static uint32_t at_least_one(uint32_t n)
{
    return n > 0 ? n : 1; /* it is not blocked, so one may try; its failure will tell */
}

static uint32_t failed_lately(struct guard *g, const struct visit *v, enum failure_kind kind, uint32_t most)
{
    uint32_t n = 0, after = moment_before(g, MINUTE);
    struct counts_walk walk = counts_walk(g->counts, &v->place, kind);
    const struct failure *f;
    while (n < most && (f = counts_next(&walk)) != NULL && f->at > after)
        n++;
    return n;
}

static void room_of_ordinary(struct guard *g, const struct visit *v, uint32_t room_r[DESK_KINDS])
{
    const struct guard_rules *r = &g->rules;
    enum place_kind kind = kind_of(g, v);
    uint32_t all = counts_of(g->counts, &v->place, FAILURE_COUNTED);
    if (kind == PLACE_STRANGE) {
        room_r[DESK_ADDRESS] = at_least_one(less(r->max_failures, all));
        return;
    }
    room_r[DESK_ADDRESS] = at_least_one(less(r->office_failures, all));
    room_r[DESK_PAIR] = at_least_one(less(r->max_failures, all > 0 ? tally(g, v).pair : 0));
}

static void room_in_crowd(struct guard *g, const struct visit *v, enum desk_kind kind, uint64_t name,
                          uint32_t limit, uint32_t others, uint32_t room_r[DESK_KINDS])
{
    uint32_t left = at_least_one(less(limit, others));
    if (limit > 0 && desks_busy(g->desks, kind, name) >= left && !visit_is_known(g, v))
        room_r[kind] = left; /* asked for last: most of the time it does not matter who it is */
}

void verdict_room(struct guard *g, const struct visit *v, uint32_t room_r[DESK_KINDS])
{
    const struct guard_rules *r = &g->rules;
    for (enum desk_kind kind = 0; kind < DESK_KINDS; kind++)
        room_r[kind] = UINT32_MAX;
    if (v->standing == STANDING_ALLOWED) {
        uint32_t most = r->allow_failures, counted = failed_lately(g, v, FAILURE_COUNTED, most);
        room_r[DESK_ADDRESS] = less(most, counted + failed_lately(g, v, FAILURE_SPARED, most));
    } else if (v->standing == STANDING_ORDINARY) {
        room_of_ordinary(g, v, room_r);
        room_in_crowd(g, v, DESK_ACCOUNT, v->account, r->botnet_addresses, attackers(g, v), room_r);
        if (v->password.print != 0)
            room_in_crowd(g, v, DESK_PASSWORD, v->password.print, r->spray_accounts, sprayed(g, v), room_r);
    }
}

/* ---- after a failure ---- */

void verdict_use_up(struct guard *g, const struct place *place, uint64_t account)
{
    struct counts_walk walk = counts_walk(g->counts, place, FAILURE_COUNTED);
    struct failure *f;
    while ((f = counts_next(&walk)) != NULL)
        if (f->account == (uint32_t)account)
            f->used = true;
}

/* The account is shut out from there; the address too, when that makes too many. */
static void bar_pair(struct guard *g, const struct visit *v, const struct tally *t)
{
    verdict_use_up(g, &v->place, v->account);
    bar(g, v, CAUSE_BLOCKED_PAIR, t->pair, true);
    if (blocks_pairs(g->blocks, &v->place.net, g->now) >= g->rules.office_accounts)
        bar(g, v, CAUSE_BLOCKED_FAILURES, t->all, false);
}

static void judge_failures(struct guard *g, const struct visit *v)
{
    const struct guard_rules *r = &g->rules;
    struct tally t = tally(g, v);
    enum place_kind kind = kind_of(g, v);
    uint32_t most = kind == PLACE_STRANGE ? r->max_failures : r->office_failures;
    if (t.all >= most || (kind == PLACE_OWN && t.pair >= r->max_failures))
        bar(g, v, CAUSE_BLOCKED_FAILURES, t.all, false);
    else if (kind == PLACE_STRANGE && r->unknown_accounts > 0 && t.names >= r->unknown_accounts)
        bar(g, v, CAUSE_BLOCKED_UNKNOWN, t.all, false);
    else if (kind == PLACE_OFFICE && t.pair >= r->max_failures)
        bar_pair(g, v, &t);
}

void verdict_failure(struct guard *g, const struct visit *v)
{
    if (v->standing != STANDING_ORDINARY)
        return;
    enum cause_id crowd = verdict_crowd(g, v);
    if (crowd != CAUSE_NONE)
        bar(g, v, crowd, counts_of(g->counts, &v->place, FAILURE_COUNTED), false);
    else
        judge_failures(g, v);
}
