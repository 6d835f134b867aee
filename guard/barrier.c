/* SPDX-License-Identifier: MIT */
/* Blocks: how long, for whom in their stead, and what else a block ends. */
#include <stdlib.h>

#include "guard/inside.h"
#include "guard/siphash.h"

/* ---- what others are told ---- */

void barrier_show(const struct guard *g, const struct block *block, struct guard_block *out_r)
{
    *out_r = (struct guard_block){
        .net = key_net_show(&block->net),
        .pair = block->account != 0,
        .dropped = block->dropped,
        .account_print = block->account,
        .cause = (enum cause_id)block->cause,
        .since = wall_of(g, block->since),
        .until = block->until == GUARD_FOREVER ? 0 : wall_of(g, block->until),
        .failures = block->failures,
        .times = block->times,
        .hits = block->hits,
    };
    memcpy(out_r->account, block->account_text, sizeof out_r->account);
    memcpy(out_r->helo, block->helo, sizeof out_r->helo);
    if (block->reason != NULL)
        text_cut(out_r->reason, sizeof out_r->reason, span_of(block->reason));
}

void notice_block(struct guard *g, enum guard_change_kind kind, const struct block *block, enum guard_end why)
{
    struct guard_change *change = changes_add(g->changes, kind);
    if (change == NULL)
        return;
    change->why = why;
    barrier_show(g, block, &change->block);
}

uint64_t barrier_name(const struct guard *g, const struct key_net *net, uint64_t account)
{
    uint8_t bytes[sizeof net->key.bytes + sizeof account + 1];
    memcpy(bytes, net->key.bytes, sizeof net->key.bytes);
    memcpy(bytes + sizeof net->key.bytes, &account, sizeof account);
    bytes[sizeof bytes - 1] = (uint8_t)net->bits;
    return siphash(g->key, bytes, sizeof bytes);
}

/* ---- ends ---- */

void barrier_lower(struct guard *g, struct block *block, enum guard_end why)
{
    uint64_t name = barrier_name(g, &block->net, block->account);
    if (why == GUARD_END_LIFTED)
        past_forget(g->past, name);
    else
        past_put(g->past, name, block->times, block->until < g->now ? block->until : g->now);
    g->blocks_displaced += why == GUARD_END_FULL;
    notice_block(g, GUARD_CHANGE_UNBLOCKED, block, why);
    blocks_remove(g->blocks, block);
}

void barrier_expire(struct guard *g, uint32_t max)
{
    struct block *first;
    while (max-- > 0 && (first = blocks_first(g->blocks)) != NULL && first->until <= g->now)
        barrier_lower(g, first, GUARD_END_TIME);
}

void barrier_lift_listed(struct guard *g)
{
    const struct netset *allow = allow_set(g->allow);
    struct block *block;
    uint32_t cursor = 0;
    while ((block = blocks_next(g->blocks, &cursor)) != NULL)
        if (netset_has_all(allow, &block->net) || netset_has_all(&g->never, &block->net))
            barrier_lower(g, block, GUARD_END_LIFTED);
}

/* ---- beginnings ---- */

static uint32_t rule_seconds(const struct guard *g, uint32_t times)
{
    const struct guard_rules *r = &g->rules;
    uint64_t seconds = r->block_for, most = r->repeat_max > r->block_for ? r->repeat_max : r->block_for;
    if (r->block_for == GUARD_FOREVER)
        return GUARD_FOREVER;
    for (uint32_t i = 1; i < times && r->repeat_factor > 1 && seconds < most; i++)
        seconds *= r->repeat_factor;
    return (uint32_t)(seconds < most ? seconds : most);
}

static uint32_t end_of(const struct guard *g, uint32_t seconds)
{
    return seconds < GUARD_FOREVER - g->now ? g->now + seconds : GUARD_FOREVER;
}

/* A failure that was under way, or reported later. */
static void add_to(struct block *block, const struct block_order *order)
{
    block->failures++;
    text_cut(block->account_text, sizeof block->account_text, span_of(order->account_text));
    text_cut(block->helo, sizeof block->helo, span_of(order->helo));
}

static void end_grants(struct guard *g, const struct key_net *net)
{
    unsigned bits = key_net_is_v4(net) ? g->rules.ipv4_prefix + KEY_V4_BITS : g->rules.ipv6_prefix;
    if (grants_count(g->grants) == 0)
        return;
    if (net->bits == bits)
        grants_end_place(g->grants, place_of(g, net).print, g->now);
    else
        grants_end_net(g->grants, net, g->now);
}

/* Enough parts of an IPv6 network are blocked: then all of it is. */
static void widen(struct guard *g, const struct block *block, const struct block_order *order)
{
    struct key_net wide;
    if (!block->part || g->rules.widen == 0 || !blocks_wider(&block->net, &wide) ||
        blocks_parts(g->blocks, &wide, g->now) < g->rules.widen)
        return;
    const struct block *there = blocks_find(g->blocks, &wide, 0);
    if (there != NULL && there->until > g->now)
        return;
    struct block_order next = *order;
    next.net = wide;
    next.cause = CAUSE_BLOCKED_NETWORK;
    barrier_raise(g, &next);
}

static void make_space(struct guard *g)
{
    struct block *first = blocks_first(g->blocks);
    if (blocks_count(g->blocks) == g->rules.sizes.blocks)
        barrier_lower(g, first, first->until > g->now ? GUARD_END_FULL : GUARD_END_TIME);
}

static struct block *make(struct guard *g, const struct block_order *order)
{
    uint32_t earlier = past_times(g->past, barrier_name(g, &order->net, order->account),
                                  moment_before(g, g->rules.repeat_within));
    struct block block = {
        .net = order->net,
        .account = order->account,
        .since = g->now,
        .failures = order->failures,
        .times = earlier + 1,
        .cause = (uint16_t)order->cause,
        .dropped = g->rules.drop && order->account == 0,
        .part = !order->by_hand && order->account == 0,
    };
    block.until = end_of(g, order->seconds != 0 ? order->seconds : rule_seconds(g, block.times));
    text_cut(block.account_text, sizeof block.account_text, span_of(order->account_text));
    text_cut(block.helo, sizeof block.helo, span_of(order->helo));
    block.reason = order->reason[0] != '\0' ? xstrndup(order->reason, GUARD_NOTE_MAX - 1) : NULL;
    make_space(g);
    g->blocks_made++;
    return blocks_add(g->blocks, &block);
}

void barrier_raise(struct guard *g, const struct block_order *order)
{
    struct block *there = blocks_find(g->blocks, &order->net, order->account);
    if (there != NULL && there->until <= g->now) {
        barrier_lower(g, there, GUARD_END_TIME);
        there = NULL;
    }
    if (there != NULL && !order->by_hand) {
        add_to(there, order);
        return;
    }
    if (there != NULL)
        blocks_remove(g->blocks, there); /* the new one is told in its place */
    struct block *block = make(g, order);
    if (block->account == 0) {
        struct place place = place_of(g, &block->net);
        counts_clear(g->counts, &place); /* a block uses them up */
        end_grants(g, &block->net);
    }
    notice_block(g, GUARD_CHANGE_BLOCKED, block, GUARD_END_TIME);
    widen(g, block, order);
}

/* ---- questions ---- */

struct block *barrier_of(const struct guard *g, const struct visit *v)
{
    if (v->standing != STANDING_ORDINARY)
        return NULL;
    return blocks_cover(g->blocks, &v->exact, &v->place, v->account, g->now);
}

/* Counts a connection. How many there were within the last minute, but for some that are 50 s old or more. */
static uint32_t hit(struct block *block, uint32_t now)
{
    uint32_t piece = now / BLOCK_HITS_SECONDS, passed = piece - block->hits_at, sum = 0;
    for (uint32_t i = 0; i < passed && i < BLOCK_HITS_PIECES; i++)
        block->hits_lately[(piece - i) % BLOCK_HITS_PIECES] = 0;
    block->hits_at = piece;
    if (block->hits_lately[piece % BLOCK_HITS_PIECES] < UINT16_MAX)
        block->hits_lately[piece % BLOCK_HITS_PIECES]++;
    if (block->hits < UINT32_MAX)
        block->hits++;
    for (size_t i = 0; i < BLOCK_HITS_PIECES; i++)
        sum += block->hits_lately[i];
    return sum;
}

enum guard_entry guard_ask(struct guard *g, uint64_t now_ms, const struct addr *from,
                           struct guard_block *block_r)
{
    enum guard_entry entry = GUARD_OPEN;
    struct visit v;
    guard_enter(g, now_ms);
    visit_address(g, &v, from);
    struct block *block = barrier_of(g, &v);
    if (block != NULL) {
        entry = block->dropped || g->rules.drop ? GUARD_DROP : GUARD_BLOCKED;
        uint32_t rate = hit(block, g->now);
        if (!block->dropped && g->rules.drop_after > 0 && rate >= g->rules.drop_after) {
            block->dropped = true;
            notice_block(g, GUARD_CHANGE_DROPPED, block, GUARD_END_TIME);
        }
        barrier_show(g, block, block_r);
    }
    guard_leave(g);
    return entry;
}
