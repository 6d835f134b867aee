/* SPDX-License-Identifier: MIT */
/* What administrators do: block, unblock, allow, disallow. */
#include <stdlib.h>

#include "guard/inside.h"

enum { PIECE = 2000 /* blocks looked at before others get the lock */ };

/* ---- blocks ---- */

static bool same_net(const struct key_net *a, const struct key_net *b)
{
    return a->bits == b->bits && key_equal(&a->key, &b->key);
}

static enum guard_done refuse_block(struct guard *g, const struct key_net *net)
{
    if (netset_has_any(&g->never, net))
        return GUARD_IN_NEVER;
    return netset_has_all(allow_set(g->allow), net) ? GUARD_IN_ALLOW : GUARD_DONE;
}

enum guard_done guard_block(struct guard *g, uint64_t now_ms, const struct guard_net *net, uint32_t seconds,
                            const char *reason, struct guard_block *block_r)
{
    struct block_order order = {.cause = CAUSE_BLOCKED_BY_HAND,
                                .seconds = seconds,
                                .by_hand = true,
                                .account_text = "",
                                .helo = "",
                                .reason = reason};
    if (!key_net_of(net, &order.net))
        return GUARD_NOT_FOUND;
    guard_enter(g, now_ms);
    enum guard_done done = refuse_block(g, &order.net);
    if (done == GUARD_DONE) {
        struct place place = place_of(g, &order.net);
        order.failures = counts_of(g->counts, &place, FAILURE_COUNTED);
        barrier_raise(g, &order);
        barrier_show(g, blocks_find(g->blocks, &order.net, 0), block_r);
    }
    guard_leave(g);
    return done;
}

struct removal {
    const struct key_net *net; /* NULL: all */
    struct guard_block *removed;
    size_t max, n;
};

static bool overlaps(const struct removal *r, const struct block *block)
{
    return r->net == NULL || key_net_inside(&block->net, r->net) || key_net_inside(r->net, &block->net);
}

static void remove_block(struct guard *g, struct removal *r, struct block *block)
{
    if (block->until <= g->now) { /* over, only not put away yet */
        barrier_lower(g, block, GUARD_END_TIME);
        return;
    }
    if (r->n < r->max)
        barrier_show(g, block, &r->removed[r->n]);
    r->n++;
    barrier_lower(g, block, GUARD_END_LIFTED);
}

/* Whatever the number of blocks, others get their turn in between. */
static void remove_blocks(struct guard *g, uint64_t now_ms, struct removal *r)
{
    uint32_t cursor = 0;
    for (struct block *block = NULL;;) {
        guard_enter(g, now_ms);
        for (int i = 0; i < PIECE && (block = blocks_next(g->blocks, &cursor)) != NULL; i++)
            if (overlaps(r, block))
                remove_block(g, r, block);
        guard_leave(g);
        if (block == NULL)
            return;
    }
}

/* net NULL: all there are. */
static void clear_counts(struct guard *g, const struct key_net *net)
{
    struct guard_change *change = changes_add(g->changes, GUARD_CHANGE_CLEARED);
    if (change != NULL && net != NULL)
        change->net = key_net_show(net);
    if (net == NULL) {
        counts_clear_all(g->counts);
    } else if (net->bits == KEY_BITS) {
        struct place place = place_of(g, net);
        counts_clear(g->counts, &place);
    } else {
        counts_clear_net(g->counts, net);
    }
}

size_t guard_unblock(struct guard *g, uint64_t now_ms, const struct guard_net *net,
                     struct guard_block *removed_r, size_t max)
{
    struct key_net key;
    struct removal r = {net != NULL ? &key : NULL, removed_r, max, 0};
    if (net != NULL && !key_net_of(net, &key))
        return 0;
    remove_blocks(g, now_ms, &r);
    guard_enter(g, now_ms);
    clear_counts(g, r.net);
    if (net == NULL) {
        past_forget_all(g->past);
    } else {
        struct visit v;
        visit_address(g, &v, &net->address);
        past_forget(g->past, barrier_name(g, &key, 0));
        past_forget(g->past, barrier_name(g, &v.place.net, 0));
        if (key.bits == KEY_BITS && !same_net(&key, &v.place.net))
            clear_counts(g, &v.place.net); /* who names an address means all that counts as one with it */
    }
    guard_leave(g);
    return r.n;
}

/* ---- allow ---- */

static void notice_allow(struct guard *g, enum guard_change_kind kind, const struct key_net *net,
                         const char *note, enum guard_allow_source source)
{
    struct guard_change *change = changes_add(g->changes, kind);
    if (change == NULL)
        return;
    change->allow =
        (struct guard_allow){.net = key_net_show(net), .source = source, .since = wall_of(g, g->now)};
    text_cut(change->allow.note, sizeof change->allow.note, span_of(note));
}

/* The block of one address that is allowed now: for IPv6 also that of what counts as one with it. */
static void lift_address(struct guard *g, const struct key *address)
{
    struct place self = place_of(g, &(struct key_net){*address, KEY_BITS});
    unsigned bits = key_is_v4(address) ? g->rules.ipv4_prefix + KEY_V4_BITS : g->rules.ipv6_prefix;
    struct block *block;
    while ((block = blocks_cover(g->blocks, address, &self, 0, g->now)) != NULL && block->net.bits >= bits)
        barrier_lower(g, block, GUARD_END_LIFTED);
}

enum guard_done guard_allow(struct guard *g, uint64_t now_ms, const struct guard_net *net, const char *note)
{
    struct key_net key;
    if (!key_net_of(net, &key))
        return GUARD_NOT_FOUND;
    guard_enter(g, now_ms);
    bool ok = allow_put(g->allow, &key, GUARD_ALLOW_COMMAND, g->now, note);
    if (ok) {
        notice_allow(g, GUARD_CHANGE_ALLOWED, &key, note, GUARD_ALLOW_COMMAND);
        if (key.bits == KEY_BITS)
            lift_address(g, &key.key);
        barrier_lift_listed(g); /* pairs, too */
    }
    guard_leave(g);
    return ok ? GUARD_DONE : GUARD_FULL;
}

enum guard_done guard_disallow(struct guard *g, uint64_t now_ms, const struct guard_net *net)
{
    struct key_net key;
    if (!key_net_of(net, &key))
        return GUARD_NOT_FOUND;
    guard_enter(g, now_ms);
    bool found = allow_remove(g->allow, &key);
    if (found) {
        notice_allow(g, GUARD_CHANGE_DISALLOWED, &key, "", GUARD_ALLOW_COMMAND);
        clear_counts(g, &key); /* what was let pass is not held against it now */
    }
    guard_leave(g);
    return found ? GUARD_DONE : GUARD_NOT_FOUND;
}

static bool same_name(const void *arg, const char *note)
{
    return text_equal_nocase(arg, note);
}

enum guard_done guard_allow_host(struct guard *g, uint64_t now_ms, const char *name,
                                 const struct addr *addresses, size_t n)
{
    bool ok = true;
    guard_enter(g, now_ms);
    allow_remove_if(g->allow, GUARD_ALLOW_HOST, same_name, name);
    for (size_t i = 0; i < n && ok; i++) {
        if (addresses[i].family != AF_INET && addresses[i].family != AF_INET6)
            continue;
        struct key_net net = {key_of(&addresses[i]), KEY_BITS};
        ok = allow_put(g->allow, &net, GUARD_ALLOW_HOST, g->now, name);
        lift_address(g, &net.key);
    }
    guard_leave(g);
    return ok ? GUARD_DONE : GUARD_FULL;
}
