/* SPDX-License-Identifier: MIT */
/* Failed logins by address: a ring of failures, addresses in a chained hash table. Indexes, not pointers:
 * half the size. */
#include "guard/counts.h"

#include <stdlib.h>

#include "guard/siphash.h"

/* 32 bytes: a million of them are most of what the guard may take. */
struct counted {
    struct key key;
    uint32_t next;                  /* in its bucket, or of those that are free: index + 1 */
    uint32_t newest[FAILURE_KINDS]; /* index + 1 */
    uint16_t n[FAILURE_KINDS];
};

struct counts {
    uint8_t print_key[16];
    struct counted *addresses;
    uint32_t max_addresses, used_addresses, fresh,
        freed;        /* fresh: never used from there on; freed: index + 1 */
    uint32_t *bucket; /* index + 1 */
    uint32_t buckets; /* a power of two */
    struct failure *ring;
    uint32_t max_failures, oldest, n;
    uint64_t displaced;
};

struct counts *counts_make(uint32_t addresses, uint32_t failures, const uint8_t print_key[16])
{
    struct counts *c = xcalloc(1, sizeof *c);
    memcpy(c->print_key, print_key, sizeof c->print_key);
    c->max_addresses = addresses;
    c->addresses = xcalloc(addresses, sizeof *c->addresses);
    for (c->buckets = 1; c->buckets < addresses && c->buckets < 1U << 31;)
        c->buckets *= 2;
    c->bucket = xcalloc(c->buckets, sizeof *c->bucket);
    c->max_failures = failures;
    c->ring = xcalloc(failures, sizeof *c->ring);
    return c;
}

void counts_free(struct counts **counts)
{
    struct counts *c = *counts;
    if (c == NULL)
        return;
    *counts = NULL;
    free(c->addresses);
    free(c->bucket);
    free(c->ring);
    free(c);
}

/* ---- addresses ---- */

static uint32_t *bucket_of(const struct counts *c, uint64_t print)
{
    return &c->bucket[print & (c->buckets - 1)];
}

static struct counted *find(const struct counts *c, const struct place *place)
{
    for (uint32_t i = *bucket_of(c, place->print); i != 0; i = c->addresses[i - 1].next)
        if (key_equal(&c->addresses[i - 1].key, &place->net.key))
            return &c->addresses[i - 1];
    return NULL;
}

void counts_prefetch(const struct counts *c, const struct place *place, enum key_look look)
{
    const uint32_t *bucket = bucket_of(c, place->print);
    if (look == LOOK_BUCKET)
        __builtin_prefetch(bucket);
    else if (*bucket != 0)
        __builtin_prefetch(&c->addresses[*bucket - 1]);
}

static uint32_t index_of(const struct counts *c, const struct counted *a)
{
    return (uint32_t)(a - c->addresses) + 1;
}

static void forget_address(struct counts *c, struct counted *a)
{
    uint64_t print = siphash(c->print_key, a->key.bytes, sizeof a->key.bytes);
    uint32_t self = index_of(c, a), *link = bucket_of(c, print);
    while (*link != self)
        link = &c->addresses[*link - 1].next;
    *link = a->next;
    a->next = c->freed;
    c->freed = self;
    c->used_addresses--;
}

static void forget_if_idle(struct counts *c, struct counted *a)
{
    if (a->n[FAILURE_COUNTED] == 0 && a->n[FAILURE_SPARED] == 0)
        forget_address(c, a);
}

/* ---- the ring ---- */

static void drop_oldest(struct counts *c)
{
    struct failure *f = &c->ring[c->oldest];
    if (f->address != 0) {
        struct counted *a = &c->addresses[f->address - 1];
        a->n[f->kind]--;
        forget_if_idle(c, a);
    }
    c->oldest = c->oldest + 1 == c->max_failures ? 0 : c->oldest + 1;
    c->n--;
}

void counts_expire(struct counts *c, uint32_t until)
{
    while (c->n > 0 && c->ring[c->oldest].at <= until)
        drop_oldest(c);
}

static void displace(struct counts *c)
{
    c->displaced += c->ring[c->oldest].address != 0;
    drop_oldest(c);
}

static struct counted *remember_address(struct counts *c, const struct place *place)
{
    while (c->used_addresses == c->max_addresses)
        displace(c); /* each address has a failure in the ring, so this ends */
    uint32_t i = c->freed;
    if (i != 0)
        c->freed = c->addresses[i - 1].next;
    else
        i = ++c->fresh;
    struct counted *a = &c->addresses[i - 1];
    uint32_t *bucket = bucket_of(c, place->print);
    *a = (struct counted){.key = place->net.key, .next = *bucket};
    *bucket = i;
    c->used_addresses++;
    return a;
}

void counts_add(struct counts *c, const struct place *place, const struct failure *failure)
{
    if (c->n == c->max_failures)
        displace(c);
    struct counted *a = find(c, place);
    if (a == NULL)
        a = remember_address(c, place);
    if (a->n[failure->kind] == UINT16_MAX)
        return; /* far above every limit already */
    uint32_t at = (uint32_t)(((uint64_t)c->oldest + c->n) % c->max_failures);
    struct failure *f = &c->ring[at];
    *f = *failure;
    f->address = index_of(c, a);
    f->before = a->newest[f->kind];
    a->newest[f->kind] = at + 1;
    a->n[f->kind]++;
    c->n++;
}

/* ---- one address ---- */

static struct counts_walk walk_of(struct counts *c, const struct counted *a, enum failure_kind kind)
{
    return a != NULL ? (struct counts_walk){c, a->newest[kind], a->n[kind]} : (struct counts_walk){c, 0, 0};
}

struct counts_walk counts_walk(struct counts *c, const struct place *place, enum failure_kind kind)
{
    return walk_of(c, find(c, place), kind);
}

/* `before` of the last one may point anywhere: the number says where to stop. */
struct failure *counts_next(struct counts_walk *walk)
{
    if (walk->left == 0)
        return NULL;
    struct failure *f = &walk->counts->ring[walk->next - 1];
    walk->next = f->before;
    walk->left--;
    return f;
}

static void clear(struct counts *c, struct counted *a)
{
    for (enum failure_kind kind = 0; kind < FAILURE_KINDS; kind++) {
        struct counts_walk walk = walk_of(c, a, kind);
        struct failure *f;
        while ((f = counts_next(&walk)) != NULL)
            f->address = 0;
        a->n[kind] = 0;
    }
    forget_address(c, a);
}

void counts_clear(struct counts *c, const struct place *place)
{
    struct counted *a = find(c, place);
    if (a != NULL)
        clear(c, a);
}

void counts_clear_all(struct counts *c)
{
    memset(c->bucket, 0, c->buckets * sizeof *c->bucket);
    c->used_addresses = c->fresh = c->freed = c->oldest = c->n = 0;
}

void counts_clear_net(struct counts *c, const struct key_net *net)
{
    for (uint32_t i = 0; i < c->fresh; i++) {
        struct counted *a = &c->addresses[i];
        struct key_net one = {a->key, KEY_BITS};
        if ((a->n[FAILURE_COUNTED] > 0 || a->n[FAILURE_SPARED] > 0) && key_net_inside(&one, net))
            clear(c, a);
    }
}

uint32_t counts_of(const struct counts *c, const struct place *place, enum failure_kind kind)
{
    const struct counted *a = find(c, place);
    return a != NULL ? a->n[kind] : 0;
}

struct counts_size counts_size(const struct counts *c)
{
    return (struct counts_size){sizeof *c + c->max_addresses * sizeof *c->addresses +
                                    c->buckets * sizeof *c->bucket + c->max_failures * sizeof *c->ring,
                                c->used_addresses, c->n, c->displaced};
}
