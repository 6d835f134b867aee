/* SPDX-License-Identifier: MIT */
/* Grants: records in an array, a chained hash table by place. */
#include "guard/grants.h"

#include <stdlib.h>

enum {
    PLACE_MAX = 256, /* accounts at one place */
    SAMPLE = 16,     /* as many are looked at to find one that ends early */
    OVER_FOR = 86400,
    TIDY_CALLS = 3600,
};

struct grants {
    struct grant *records; /* since 0: free */
    uint32_t max, fresh, freed, used, hand;
    uint32_t *bucket; /* index + 1 */
    uint32_t buckets; /* a power of two */
    size_t names;     /* bytes of all of them */
};

struct grants *grants_make(uint32_t max)
{
    struct grants *g = xcalloc(1, sizeof *g);
    g->max = max;
    g->records = xcalloc(max, sizeof *g->records);
    for (g->buckets = 1; g->buckets < max && g->buckets < 1U << 31;)
        g->buckets *= 2;
    g->bucket = xcalloc(g->buckets, sizeof *g->bucket);
    return g;
}

void grants_free(struct grants **grants)
{
    struct grants *g = *grants;
    if (g == NULL)
        return;
    *grants = NULL;
    for (uint32_t i = 0; i < g->fresh; i++)
        free(g->records[i].name);
    free(g->records);
    free(g->bucket);
    free(g);
}

static uint32_t *bucket_of(const struct grants *g, uint64_t place)
{
    return &g->bucket[place & (g->buckets - 1)];
}

static void forget(struct grants *g, struct grant *grant)
{
    uint32_t self = (uint32_t)(grant - g->records) + 1, *link = bucket_of(g, grant->place);
    while (*link != self)
        link = &g->records[*link - 1].next;
    *link = grant->next;
    g->names -= strlen(grant->name) + 1;
    free(grant->name);
    *grant = (struct grant){.next = g->freed};
    g->freed = self;
    g->used--;
}

/* The table is full: of some, the one that ends first. */
static void make_space(struct grants *g)
{
    struct grant *early = NULL;
    for (int i = 0; i < SAMPLE; i++) {
        struct grant *next = &g->records[g->hand];
        g->hand = (g->hand + 1) % g->max;
        if (early == NULL || next->until < early->until)
            early = next;
    }
    forget(g, early);
}

static struct grant *find(const struct grants *g, const struct grant *like)
{
    for (uint32_t i = *bucket_of(g, like->place); i != 0; i = g->records[i - 1].next) {
        struct grant *grant = &g->records[i - 1];
        if (grant->account == like->account && key_equal(&grant->address, &like->address))
            return grant;
    }
    return NULL;
}

static void limit_place(struct grants *g, uint64_t place)
{
    struct grant *early = NULL;
    uint32_t n = 0;
    for (uint32_t i = *bucket_of(g, place); i != 0; i = g->records[i - 1].next) {
        struct grant *grant = &g->records[i - 1];
        if (grant->place != place)
            continue;
        n++;
        if (early == NULL || grant->until < early->until)
            early = grant;
    }
    if (n >= PLACE_MAX)
        forget(g, early);
}

static struct grant *add(struct grants *g, const struct grant *grant, struct span name)
{
    limit_place(g, grant->place);
    if (g->used == g->max)
        make_space(g);
    uint32_t i = g->freed;
    if (i != 0)
        g->freed = g->records[i - 1].next;
    else
        i = ++g->fresh;
    uint32_t *bucket = bucket_of(g, grant->place);
    struct grant *added = &g->records[i - 1];
    *added = *grant;
    added->name = xstrndup(name.p, name.n < GUARD_GRANT_ACCOUNT_MAX ? name.n : GUARD_GRANT_ACCOUNT_MAX - 1);
    added->next = *bucket;
    *bucket = i;
    g->names += strlen(added->name) + 1;
    g->used++;
    return added;
}

const struct grant *grants_put(struct grants *g, const struct grant *grant, struct span name)
{
    struct grant *there = find(g, grant);
    if (there == NULL)
        return add(g, grant, name);
    there->since = grant->since;
    there->until = grant->until;
    return there;
}

uint32_t grants_until(const struct grants *g, const struct key *address, uint64_t place, uint64_t account)
{
    uint32_t until = 0;
    for (uint32_t i = *bucket_of(g, place); i != 0; i = g->records[i - 1].next) {
        const struct grant *grant = &g->records[i - 1];
        if (key_equal(&grant->address, address) && (account == 0 || grant->account == account) &&
            grant->until > until)
            until = grant->until;
    }
    return until;
}

/* ---- ends ---- */

static void end(struct grant *grant, uint32_t now)
{
    if (grant->until > now)
        grant->until = now;
}

void grants_end_account(struct grants *g, uint64_t account, uint32_t now)
{
    for (uint32_t i = 0; i < g->fresh; i++)
        if (g->records[i].account == account)
            end(&g->records[i], now);
}

void grants_end_place(struct grants *g, uint64_t place, uint32_t now)
{
    for (uint32_t i = *bucket_of(g, place); i != 0; i = g->records[i - 1].next)
        if (g->records[i - 1].place == place)
            end(&g->records[i - 1], now);
}

void grants_end_net(struct grants *g, const struct key_net *net, uint32_t now)
{
    for (uint32_t i = 0; i < g->fresh; i++) {
        struct key_net one = {g->records[i].address, KEY_BITS};
        if (g->records[i].since != 0 && key_net_inside(&one, net))
            end(&g->records[i], now);
    }
}

void grants_tidy(struct grants *g, uint32_t now)
{
    for (uint32_t i = 0; i <= g->max / TIDY_CALLS; i++) {
        struct grant *grant = &g->records[g->hand];
        g->hand = (g->hand + 1) % g->max;
        if (grant->since != 0 && grant->until + OVER_FOR <= now)
            forget(g, grant);
    }
}

const struct grant *grants_next(const struct grants *g, uint32_t *cursor)
{
    while (*cursor < g->fresh)
        if (g->records[(*cursor)++].since != 0)
            return &g->records[*cursor - 1];
    return NULL;
}

uint32_t grants_count(const struct grants *g)
{
    return g->used;
}

size_t grants_bytes(const struct grants *g)
{
    return sizeof *g + g->max * sizeof *g->records + g->buckets * sizeof *g->bucket + g->names;
}
