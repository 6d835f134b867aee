/* SPDX-License-Identifier: MIT */
/* Census: open connections in all and by address. A hash table with open addressing that grows with the
 * number of addresses. */
#include <pthread.h>
#include <stdlib.h>

#include "net/net.h"

struct slot {
    uint8_t key[17]; /* family, then the address (an IPv6 one: its /64) */
    uint32_t count;  /* 0: free */
};

struct census {
    pthread_mutex_t lock; /* guards all of it */
    struct slot *slots;
    size_t size, used; /* size is a power of two */
    uint64_t total;
    uint64_t seed; /* so that nobody can choose addresses that collide */
};

enum { FIRST_SLOTS = 256 };

struct census *census_make(void)
{
    struct census *c = xcalloc(1, sizeof *c);
    pthread_mutex_init(&c->lock, NULL);
    c->size = FIRST_SLOTS;
    c->slots = xcalloc(c->size, sizeof *c->slots);
    random_bytes(&c->seed, sizeof c->seed);
    return c;
}

void census_free(struct census **census)
{
    struct census *c = *census;
    if (c == NULL)
        return;
    *census = NULL;
    pthread_mutex_destroy(&c->lock);
    free(c->slots);
    free(c);
}

static void make_key(const struct addr *peer, uint8_t key[17])
{
    memset(key, 0, 17);
    key[0] = peer->family;
    memcpy(key + 1, peer->bytes, peer->family == AF_INET ? 4 : 8);
}

static size_t hash(const struct census *c, const uint8_t key[17])
{
    uint64_t a = 0, b = 0;
    memcpy(&a, key + 1, 8);
    memcpy(&b, key + 9, 8);
    uint64_t h = (a ^ c->seed) * 0x9E3779B97F4A7C15ULL;
    h = (h ^ (h >> 29) ^ b ^ key[0]) * (c->seed | 1);
    return (size_t)(h ^ (h >> 32)) & (c->size - 1);
}

static size_t find(const struct census *c, const uint8_t key[17])
{
    size_t i = hash(c, key);
    while (c->slots[i].count > 0 && memcmp(c->slots[i].key, key, 17) != 0)
        i = (i + 1) & (c->size - 1);
    return i;
}

static void grow(struct census *c)
{
    struct slot *old = c->slots;
    size_t n = c->size;
    c->size *= 2;
    c->slots = xcalloc(c->size, sizeof *c->slots);
    for (size_t i = 0; i < n; i++)
        if (old[i].count > 0)
            c->slots[find(c, old[i].key)] = old[i];
    free(old);
}

/* Frees slot i and moves up those behind it that would no longer be found. */
static void vacate(struct census *c, size_t i)
{
    c->slots[i].count = 0;
    c->used--;
    for (size_t j = (i + 1) & (c->size - 1); c->slots[j].count > 0; j = (j + 1) & (c->size - 1)) {
        struct slot moved = c->slots[j];
        c->slots[j].count = 0;
        c->slots[find(c, moved.key)] = moved;
    }
}

enum census_answer census_enter(struct census *c, const struct addr *peer, uint64_t limit_all,
                                uint64_t limit_address)
{
    uint8_t key[17];
    make_key(peer, key);
    enum census_answer answer = CENSUS_OK;
    pthread_mutex_lock(&c->lock);
    if (c->used * 2 >= c->size)
        grow(c);
    struct slot *slot = &c->slots[find(c, key)];
    if (c->total >= limit_all) {
        answer = CENSUS_ALL_FULL;
    } else if (slot->count >= limit_address) {
        answer = CENSUS_ADDRESS_FULL;
    } else {
        if (slot->count++ == 0) {
            memcpy(slot->key, key, sizeof key);
            c->used++;
        }
        c->total++;
    }
    pthread_mutex_unlock(&c->lock);
    return answer;
}

void census_leave(struct census *c, const struct addr *peer)
{
    uint8_t key[17];
    make_key(peer, key);
    pthread_mutex_lock(&c->lock);
    size_t i = find(c, key);
    if (c->slots[i].count > 0) {
        c->total--;
        if (--c->slots[i].count == 0)
            vacate(c, i);
    }
    pthread_mutex_unlock(&c->lock);
}

uint64_t census_count(struct census *c)
{
    pthread_mutex_lock(&c->lock);
    uint64_t n = c->total;
    pthread_mutex_unlock(&c->lock);
    return n;
}
