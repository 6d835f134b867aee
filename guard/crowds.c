/* SPDX-License-Identifier: MIT */
/* Crowds: a set-associative table; in a crowd, members in the order in which they were seen, latest first. */
#include "guard/crowds.h"

#include <stdlib.h>

enum { WAYS = 8 };

struct member {
    uint32_t print, at;
};

struct crowd {
    uint32_t n;
    struct member members[]; /* room of them */
};

struct crowds {
    uint32_t sets, room;
    size_t stride;   /* bytes from crowd to crowd */
    uint64_t *names; /* sets * WAYS; those of a set lie in one cache line. 0: free */
    char *table;     /* as many crowds */
};

struct crowds *crowds_make(uint32_t members, uint32_t limit)
{
    struct crowds *c = xcalloc(1, sizeof *c);
    c->room = limit + 1;
    c->sets = members / c->room / WAYS;
    c->sets += c->sets == 0;
    c->stride = sizeof(struct crowd) + c->room * sizeof(struct member);
    c->names = xcalloc((size_t)c->sets * WAYS, sizeof *c->names);
    c->table = xcalloc((size_t)c->sets * WAYS, c->stride);
    return c;
}

void crowds_free(struct crowds **crowds)
{
    if (*crowds == NULL)
        return;
    free((*crowds)->names);
    free((*crowds)->table);
    free(*crowds);
    *crowds = NULL;
}

static size_t set_of(const struct crowds *c, uint64_t name)
{
    return (size_t)(name % c->sets) * WAYS;
}

static struct crowd *crowd_at(const struct crowds *c, size_t place)
{
    return (void *)(c->table + place * c->stride);
}

static struct crowd *find(const struct crowds *c, uint64_t name)
{
    size_t set = set_of(c, name);
    for (size_t i = set; i < set + WAYS; i++)
        if (c->names[i] == name)
            return crowd_at(c, i);
    return NULL;
}

/* How much would be lost with it: members that still count, then how late the last one came. */
static uint64_t worth(const struct crowd *crowd, uint32_t until)
{
    uint32_t n = 0;
    while (n < crowd->n && crowd->members[n].at > until)
        n++;
    return n == 0 ? 0 : (uint64_t)n << 32 | crowd->members[0].at;
}

static struct crowd *take(const struct crowds *c, uint64_t name, uint32_t until)
{
    size_t set = set_of(c, name), least = set;
    for (size_t i = set + 1; i < set + WAYS; i++)
        if (worth(crowd_at(c, i), until) < worth(crowd_at(c, least), until))
            least = i;
    c->names[least] = name;
    crowd_at(c, least)->n = 0;
    return crowd_at(c, least);
}

void crowds_add(struct crowds *c, uint64_t name, uint64_t member, uint32_t now, uint32_t until)
{
    struct crowd *crowd = find(c, name);
    if (crowd == NULL)
        crowd = take(c, name, until);
    uint32_t print = (uint32_t)member, i = 0;
    while (i < crowd->n && crowd->members[i].print != print)
        i++;
    if (i == crowd->n && crowd->n < c->room)
        crowd->n++;
    else if (i == crowd->n)
        i--; /* full: the one seen longest ago goes */
    memmove(crowd->members + 1, crowd->members, i * sizeof *crowd->members);
    crowd->members[0] = (struct member){print, now};
}

uint32_t crowds_others(const struct crowds *c, uint64_t name, uint64_t except, uint32_t until)
{
    const struct crowd *crowd = find(c, name);
    uint32_t others = 0;
    for (uint32_t i = 0; crowd != NULL && i < crowd->n && crowd->members[i].at > until; i++)
        others += crowd->members[i].print != (uint32_t)except;
    return others;
}

void crowds_prefetch(const struct crowds *c, uint64_t name, enum key_look look)
{
    const struct crowd *crowd = look == LOOK_RECORD ? find(c, name) : NULL;
    __builtin_prefetch(crowd != NULL ? (const void *)crowd : &c->names[set_of(c, name)]);
}

size_t crowds_bytes(const struct crowds *c)
{
    return sizeof *c + (size_t)c->sets * WAYS * (c->stride + sizeof *c->names);
}
