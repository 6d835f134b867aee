/* SPDX-License-Identifier: MIT */
/* Crowds: a set-associative table; in a crowd, members in the order in which they were seen, latest first. */
#include "guard/crowds.h"

#include <stdlib.h>

enum { WAYS = 8 };

struct member {
    uint32_t print, at;
};

struct crowd {
    uint64_t name;
    uint32_t n;              /* 0: free */
    struct member members[]; /* room of them */
};

struct crowds {
    uint32_t sets, room;
    size_t stride; /* bytes from crowd to crowd */
    char *table;   /* sets * WAYS crowds */
};

struct crowds *crowds_make(uint32_t members, uint32_t limit)
{
    struct crowds *c = xcalloc(1, sizeof *c);
    c->room = limit + 1;
    c->sets = members / c->room / WAYS;
    c->sets += c->sets == 0;
    c->stride = sizeof(struct crowd) + c->room * sizeof(struct member);
    c->table = xcalloc((size_t)c->sets * WAYS, c->stride);
    return c;
}

void crowds_free(struct crowds **crowds)
{
    if (*crowds == NULL)
        return;
    free((*crowds)->table);
    free(*crowds);
    *crowds = NULL;
}

static struct crowd *way(const struct crowds *c, uint64_t name, unsigned i)
{
    return (void *)(c->table + ((size_t)(name % c->sets) * WAYS + i) * c->stride);
}

static struct crowd *find(const struct crowds *c, uint64_t name)
{
    for (unsigned i = 0; i < WAYS; i++) {
        struct crowd *crowd = way(c, name, i);
        if (crowd->n > 0 && crowd->name == name)
            return crowd;
    }
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
    struct crowd *least = way(c, name, 0);
    for (unsigned i = 1; i < WAYS; i++)
        if (worth(way(c, name, i), until) < worth(least, until))
            least = way(c, name, i);
    least->name = name;
    least->n = 0;
    return least;
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

size_t crowds_bytes(const struct crowds *c)
{
    return sizeof *c + (size_t)c->sets * WAYS * c->stride;
}
