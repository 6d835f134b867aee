/* SPDX-License-Identifier: MIT */
/* The guard as a whole: made, configured, let time pass, measured. */
#include <stdlib.h>

#include "guard/inside.h"

enum {
    FIRST_MOMENT = 1 << 30, /* so that what lies years back has a moment, too */
    EXPIRE_CALL = 16,       /* blocks ended by one call; the others do not see those that wait for it */
    EXPIRE_TICK = 20000,
    WALL_SLACK = 2, /* seconds: more is a step */
    PAST_MAX = 131072,
};

/* ---- time ---- */

static void pass_time(struct guard *g, uint64_t now_ms)
{
    uint32_t now = g->now;
    if (now_ms > g->start_ms)
        now = FIRST_MOMENT + (uint32_t)((now_ms - g->start_ms) / 1000);
    if (now <= g->now) /* another thread was ahead, or it is the same second */
        return;
    g->now = now;
    counts_expire(g->counts, moment_before(g, g->rules.window));
    barrier_expire(g, EXPIRE_CALL);
}

void guard_enter(struct guard *g, uint64_t now_ms)
{
    pthread_mutex_lock(&g->lock);
    pass_time(g, now_ms);
}

void guard_leave(struct guard *g)
{
    pthread_mutex_unlock(&g->lock);
}

uint32_t moment_before(const struct guard *g, uint32_t seconds)
{
    return g->now > seconds ? g->now - seconds : 0;
}

int64_t wall_of(const struct guard *g, uint32_t moment)
{
    return moment + g->wall_offset;
}

uint32_t moment_of(const struct guard *g, int64_t wall_s)
{
    if (wall_s - g->wall_offset >= g->now)
        return g->now;
    return wall_s > g->wall_offset ? (uint32_t)(wall_s - g->wall_offset) : 1;
}

/* xorshift64*: it only has to be hard to guess from a few answers' times. */
uint64_t guard_random(struct guard *g, uint64_t below)
{
    g->random ^= g->random >> 12;
    g->random ^= g->random << 25;
    g->random ^= g->random >> 27;
    return (g->random * UINT64_C(0x2545f4914f6cdd1d) >> 11) % below;
}

void guard_tick(struct guard *g, uint64_t now_ms, int64_t wall_s)
{
    guard_enter(g, now_ms);
    int64_t offset = wall_s - g->now;
    if (offset > g->wall_offset + WALL_SLACK || offset < g->wall_offset - WALL_SLACK) {
        g->wall_offset = offset;
        changes_add(g->changes, GUARD_CHANGE_RESYNC);
    }
    barrier_expire(g, EXPIRE_TICK);
    grants_tidy(g->grants, g->now);
    guard_leave(g);
}

/* ---- lists ---- */

static void add_net(struct net_list *list, const struct addr *address, unsigned bits)
{
    const struct guard_net net = {*address, bits};
    list->nets = xrealloc(list->nets, (list->n + 1) * sizeof *list->nets);
    if (key_net_of(&net, &list->nets[list->n]))
        list->n++;
}

static void clear_list(struct net_list *list)
{
    free(list->nets);
    *list = (struct net_list){NULL, 0};
}

static void add_text(struct net_list *list, const char *text)
{
    struct addr address;
    unsigned bits;
    if (settings_parse_network(span_of(text), &address, &bits))
        add_net(list, &address, bits);
}

static void build_never(struct guard *g)
{
    struct net_list all = {NULL, 0};
    size_t own = g->never_has_own ? g->own.n : 0;
    all.n = g->never_listed.n + own;
    all.nets = xcalloc(all.n > 0 ? all.n : 1, sizeof *all.nets);
    for (size_t i = 0; i < all.n; i++)
        all.nets[i] = i < own ? g->own.nets[i] : g->never_listed.nets[i - own];
    netset_build(&g->never, all.nets, all.n);
    clear_list(&all);
}

static void read_never(struct guard *g, const struct setting_list *never)
{
    clear_list(&g->never_listed);
    g->never_has_own = false;
    for (size_t i = 0; i < never->n; i++) {
        if (strcmp(never->items[i], "own") == 0) {
            g->never_has_own = true;
        } else if (strcmp(never->items[i], "loopback") == 0) {
            add_text(&g->never_listed, "127.0.0.0/8");
            add_text(&g->never_listed, "::1");
        } else {
            add_text(&g->never_listed, never->items[i]);
        }
    }
    build_never(g);
}

static bool any_note(const void *arg, const char *note)
{
    (void)arg, (void)note;
    return true;
}

static bool is_unlisted(const void *arg, const char *note)
{
    const struct setting_list *allow = arg;
    for (size_t i = 0; i < allow->n; i++)
        if (text_equal_nocase(allow->items[i], note))
            return false;
    return true;
}

static void read_allow(struct guard *g, const struct setting_list *allow)
{
    allow_remove_if(g->allow, GUARD_ALLOW_SETTING, any_note, NULL);
    allow_remove_if(g->allow, GUARD_ALLOW_HOST, is_unlisted, allow);
    for (size_t i = 0; i < allow->n; i++) {
        struct guard_net net;
        struct key_net key;
        if (settings_parse_network(span_of(allow->items[i]), &net.address, &net.bits) &&
            key_net_of(&net, &key))
            allow_put(g->allow, &key, GUARD_ALLOW_SETTING, g->now, "guard.allow");
    }
}

void guard_set_own(struct guard *g, uint64_t now_ms, const struct addr *addresses, size_t n)
{
    guard_enter(g, now_ms);
    clear_list(&g->own);
    for (size_t i = 0; i < n; i++)
        add_net(&g->own, &addresses[i], addresses[i].family == AF_INET ? 32 : 128);
    netset_build(&g->own_set, g->own.nets, g->own.n);
    build_never(g);
    barrier_lift_listed(g);
    guard_leave(g);
}

/* ---- rules ---- */

static void take_rules(struct guard *g, const struct guard_rules *rules)
{
    struct guard_sizes sizes = g->rules.sizes;
    bool botnet = rules->botnet_addresses != g->rules.botnet_addresses || g->attacked == NULL;
    bool spray = rules->spray_accounts != g->rules.spray_accounts || g->sprayed == NULL;
    g->rules = *rules;
    g->rules.sizes = sizes;
    g->rules.allow = g->rules.never = (struct setting_list){NULL, 0}; /* they were only lent */
    if (botnet) {
        crowds_free(&g->attacked);
        g->attacked = crowds_make(sizes.members, rules->botnet_addresses);
    }
    if (spray) {
        crowds_free(&g->sprayed);
        g->sprayed = crowds_make(sizes.members, rules->spray_accounts);
    }
    read_never(g, &rules->never);
    read_allow(g, &rules->allow);
}

struct guard *guard_make(const struct guard_rules *rules, const uint8_t key[GUARD_KEY_SIZE], uint64_t now_ms,
                         int64_t wall_s)
{
    struct guard *g = xcalloc(1, sizeof *g);
    const struct guard_sizes *s = &rules->sizes;
    pthread_mutex_init(&g->lock, NULL);
    memcpy(g->key, key, sizeof g->key);
    random_bytes(&g->random, sizeof g->random);
    g->random |= 1;
    g->start_ms = now_ms;
    g->now = FIRST_MOMENT;
    g->wall_offset = wall_s - FIRST_MOMENT;
    g->rules.sizes = *s;
    g->counts = counts_make(s->addresses, s->failures, key);
    g->blocks = blocks_make(s->blocks, key);
    g->past = past_make(PAST_MAX);
    g->memory = memory_make(s->accounts, s->logins);
    g->grants = grants_make(s->grants);
    g->allow = allow_make(s->allowed);
    g->desks = desks_make();
    g->echoes = echoes_make();
    g->changes = changes_make(s->changes);
    take_rules(g, rules);
    return g;
}

void guard_free(struct guard **guard)
{
    struct guard *g = *guard;
    if (g == NULL)
        return;
    *guard = NULL;
    counts_free(&g->counts);
    blocks_free(&g->blocks);
    past_free(&g->past);
    crowds_free(&g->attacked);
    crowds_free(&g->sprayed);
    memory_free(&g->memory);
    grants_free(&g->grants);
    allow_free(&g->allow);
    desks_free(&g->desks);
    echoes_free(&g->echoes);
    changes_free(&g->changes);
    clear_list(&g->never_listed);
    clear_list(&g->own);
    netset_free(&g->never);
    netset_free(&g->own_set);
    pthread_mutex_destroy(&g->lock);
    explicit_bzero(g->key, sizeof g->key);
    free(g);
}

void guard_configure(struct guard *g, uint64_t now_ms, const struct guard_rules *rules)
{
    guard_enter(g, now_ms);
    take_rules(g, rules);
    counts_expire(g->counts, moment_before(g, g->rules.window));
    barrier_lift_listed(g);
    guard_leave(g);
}

/* ---- measures ---- */

void guard_stats(struct guard *g, struct guard_stats *out_r)
{
    pthread_mutex_lock(&g->lock);
    struct counts_size counts = counts_size(g->counts);
    struct memory_size memory = memory_size(g->memory);
    *out_r = (struct guard_stats){
        .bytes = sizeof *g + counts.bytes + blocks_bytes(g->blocks) + past_bytes(g->past) +
                 crowds_bytes(g->attacked) + crowds_bytes(g->sprayed) + memory.bytes +
                 grants_bytes(g->grants) + allow_bytes(g->allow) + desks_bytes(g->desks) +
                 echoes_bytes(g->echoes) + changes_bytes(g->changes),
        .addresses = counts.addresses,
        .failures = counts.failures,
        .blocks = blocks_count(g->blocks),
        .allowed = allow_count(g->allow),
        .accounts = memory.accounts,
        .logins = memory.logins,
        .grants = grants_count(g->grants),
        .under_way = g->tickets - g->waiting,
        .waiting = g->waiting,
        .blocks_made = g->blocks_made,
        .blocks_displaced = g->blocks_displaced,
        .failures_displaced = counts.displaced,
        .changes_lost = changes_lost(g->changes),
    };
    pthread_mutex_unlock(&g->lock);
}
