/* SPDX-License-Identifier: MIT */
/* What is asked about: lists, one address, grants; changes; and state of an earlier process put back. */
#include <stdlib.h>

#include "guard/inside.h"

/* ---- lists ---- */

size_t guard_list_blocks(struct guard *g, uint64_t now_ms, size_t *cursor, struct guard_block *out_r,
                         size_t max)
{
    uint32_t at = (uint32_t)*cursor;
    size_t n = 0;
    const struct block *block;
    guard_enter(g, now_ms);
    while (n < max && (block = blocks_next(g->blocks, &at)) != NULL)
        if (block->until > g->now)
            barrier_show(g, block, &out_r[n++]);
    guard_leave(g);
    *cursor = at;
    return n;
}

static void show_allow(const struct guard *g, const struct allow_entry *e, struct guard_allow *out_r)
{
    *out_r = (struct guard_allow){
        .net = key_net_show(&e->net), .source = e->source, .since = wall_of(g, e->since)};
    text_cut(out_r->note, sizeof out_r->note, span_of(e->note));
}

size_t guard_list_allow(struct guard *g, uint64_t now_ms, size_t *cursor, struct guard_allow *out_r,
                        size_t max)
{
    size_t n = 0;
    guard_enter(g, now_ms);
    for (; n < max && *cursor < allow_count(g->allow); (*cursor)++)
        show_allow(g, allow_at(g->allow, (uint32_t)*cursor), &out_r[n++]);
    guard_leave(g);
    return n;
}

size_t guard_list_grants(struct guard *g, uint64_t now_ms, size_t *cursor, struct guard_grant *out_r,
                         size_t max)
{
    uint32_t at = (uint32_t)*cursor;
    size_t n = 0;
    const struct grant *grant;
    guard_enter(g, now_ms);
    while (n < max && (grant = grants_next(g->grants, &at)) != NULL) {
        if (grant->until <= g->now)
            continue;
        out_r[n] =
            (struct guard_grant){.address = key_net_show(&(struct key_net){grant->address, KEY_BITS}).address,
                                 .since = wall_of(g, grant->since),
                                 .until = wall_of(g, grant->until)};
        text_cut(out_r[n].account, sizeof out_r[n].account, span_of(grant->name));
        n++;
    }
    guard_leave(g);
    *cursor = at;
    return n;
}

/* ---- one address ---- */

void guard_look(struct guard *g, uint64_t now_ms, const struct addr *from, struct guard_state *state_r)
{
    struct visit v;
    uint32_t room[DESK_KINDS];
    guard_enter(g, now_ms);
    visit_address(g, &v, from);
    *state_r = (struct guard_state){.never = v.standing == STANDING_NEVER,
                                    .allowed = v.standing == STANDING_ALLOWED};
    if (v.standing != STANDING_NEVER) {
        state_r->failures = counts_of(g->counts, &v.place, FAILURE_COUNTED);
        state_r->spared = counts_of(g->counts, &v.place, FAILURE_SPARED);
    }
    const struct block *block = barrier_of(g, &v);
    state_r->blocked = block != NULL;
    if (block != NULL) {
        barrier_show(g, block, &state_r->block);
    } else if (v.standing == STANDING_ORDINARY) {
        verdict_room(g, &v, room);
        state_r->left = room[DESK_ADDRESS];
    }
    guard_leave(g);
}

/* ---- grants ---- */

enum guard_grant_state guard_granted(struct guard *g, uint64_t now_ms, const struct addr *from,
                                     const char *account)
{
    enum guard_grant_state state = GUARD_GRANT_NONE;
    struct visit v;
    uint64_t name = account != NULL ? guard_account_print(g, span_of(account)) : 0;
    guard_enter(g, now_ms);
    visit_address(g, &v, from);
    if (g->rules.grants && from->family != 0) {
        uint32_t until = grants_until(g->grants, &v.exact, v.home, name);
        if (until > g->now)
            state = GUARD_GRANT_LIVE;
        else if (until != 0)
            state = GUARD_GRANT_OVER;
    }
    guard_leave(g);
    return state;
}

void guard_account_changed(struct guard *g, uint64_t now_ms, struct span account)
{
    guard_enter(g, now_ms);
    grants_end_account(g->grants, guard_account_print(g, account), g->now);
    guard_leave(g);
}

/* ---- changes ---- */

void guard_subscribe(struct guard *g, void (*wake)(void *arg), void *arg)
{
    pthread_mutex_lock(&g->lock);
    changes_subscribe(g->changes, wake, arg);
    pthread_mutex_unlock(&g->lock);
}

size_t guard_changes(struct guard *g, struct guard_change *out_r, size_t max)
{
    pthread_mutex_lock(&g->lock);
    size_t n = changes_take(g->changes, out_r, max);
    pthread_mutex_unlock(&g->lock);
    return n;
}

/* ---- put back ---- */

/*
 * The end of a stored block: never later than its own length from now, whatever the clocks say. 0: it is
 * over.
 */
static uint32_t end_of(const struct guard *g, const struct guard_block *block)
{
    if (block->until == 0)
        return GUARD_FOREVER;
    int64_t left = block->until - wall_of(g, g->now), length = block->until - block->since;
    if (left <= 0 || length <= 0)
        return 0;
    if (left > length)
        left = length;
    return left < GUARD_FOREVER - g->now ? g->now + (uint32_t)left : GUARD_FOREVER;
}

static void put_block(struct guard *g, const struct key_net *net, const struct guard_block *block,
                      uint32_t until)
{
    struct block made = {.net = *net,
                         .account = block->account_print,
                         .since = moment_of(g, block->since),
                         .until = until,
                         .failures = block->failures,
                         .hits = block->hits,
                         .times = block->times,
                         .cause = (uint16_t)block->cause,
                         .dropped = block->dropped,
                         .part = block->cause != CAUSE_BLOCKED_BY_HAND && block->account_print == 0};
    text_cut(made.account_text, sizeof made.account_text, span_of(block->account));
    text_cut(made.helo, sizeof made.helo, span_of(block->helo));
    made.reason = block->reason[0] != '\0' ? xstrndup(block->reason, GUARD_NOTE_MAX - 1) : NULL;
    blocks_add(g->blocks, &made);
    struct place place = place_of(g, net);
    if (made.account != 0)
        verdict_use_up(g, &place, made.account);
}

bool guard_put_block(struct guard *g, uint64_t now_ms, const struct guard_block *block)
{
    struct key_net net;
    if (!key_net_of(&block->net, &net))
        return false;
    guard_enter(g, now_ms);
    uint32_t until = end_of(g, block);
    struct block *there = blocks_find(g->blocks, &net, block->account_print);
    if (there != NULL && until != 0)
        blocks_remove(g->blocks, there); /* the later word counts */
    bool put = until != 0 && blocks_count(g->blocks) < g->rules.sizes.blocks;
    if (put)
        put_block(g, &net, block, until);
    else if (until == 0)
        past_put(g->past, barrier_name(g, &net, block->account_print), block->times,
                 moment_of(g, block->until));
    guard_leave(g);
    return put;
}

bool guard_put_allow(struct guard *g, uint64_t now_ms, const struct guard_allow *allow)
{
    struct key_net net;
    if (!key_net_of(&allow->net, &net) || allow->source != GUARD_ALLOW_COMMAND)
        return false;
    guard_enter(g, now_ms);
    bool put = allow_put(g->allow, &net, GUARD_ALLOW_COMMAND, moment_of(g, allow->since), allow->note);
    guard_leave(g);
    return put;
}

bool guard_put_login(struct guard *g, uint64_t now_ms, const struct guard_login *login)
{
    struct visit v;
    guard_enter(g, now_ms);
    visit_address(g, &v, &login->address);
    uint32_t last = moment_of(g, login->last_at);
    bool place = login->address.family != 0 && v.standing != STANDING_NEVER;
    if (place)
        memory_put_place(g->memory, login->account_print, v.home, last);
    if (login->pwhash >= 0 && login->pwhash < PASSWORD_NO_PWHASH) {
        const struct password password = {
            .pwhash = (uint16_t)login->pwhash, .first = moment_of(g, login->first_at), .last = last};
        memory_put_password(g->memory, login->account_print, &password);
    }
    guard_leave(g);
    return place || login->pwhash >= 0;
}

bool guard_put_failure(struct guard *g, uint64_t now_ms, const struct guard_failure *f)
{
    struct visit v;
    guard_enter(g, now_ms);
    visit_address(g, &v, &f->address);
    uint32_t until = moment_before(g, g->rules.window), at = moment_of(g, f->at);
    bool put = v.standing != STANDING_NEVER && at > until;
    if (put) {
        const struct failure failure = {.at = at,
                                        .account = (uint32_t)f->account_print,
                                        .password = f->pwhash >= 0 && f->pwhash < PASSWORD_NO_PWHASH
                                                        ? (uint16_t)f->pwhash
                                                        : FAILURE_NO_PASSWORD,
                                        .kind = f->spared ? FAILURE_SPARED : FAILURE_COUNTED,
                                        .unknown = f->account_unknown};
        counts_add(g->counts, &v.place, &failure);
        if (!f->spared)
            crowds_add(g->attacked, f->account_print, v.home, at, until);
    }
    guard_leave(g);
    return put;
}
