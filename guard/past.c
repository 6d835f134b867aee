/* SPDX-License-Identifier: MIT */
/* Blocks that are over: a set-associative table of prints. */
#include "guard/past.h"

#include <stdlib.h>

enum { WAYS = 8 };

struct mark {
    uint64_t name;
    uint32_t ended; /* 0: free */
    uint32_t times;
};

struct past {
    uint32_t sets;
    struct mark *marks; /* sets * WAYS */
};

struct past *past_make(uint32_t max)
{
    struct past *p = xcalloc(1, sizeof *p);
    p->sets = max < WAYS ? 1 : max / WAYS;
    p->marks = xcalloc((size_t)p->sets * WAYS, sizeof *p->marks);
    return p;
}

void past_free(struct past **past)
{
    if (*past == NULL)
        return;
    free((*past)->marks);
    free(*past);
    *past = NULL;
}

static struct mark *set_of(const struct past *p, uint64_t name)
{
    return &p->marks[(size_t)(name % p->sets) * WAYS];
}

/* Its mark; if there is none, the one in its way that ended first. */
static struct mark *place_of(const struct past *p, uint64_t name)
{
    struct mark *set = set_of(p, name), *place = set;
    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].name == name && set[i].ended != 0)
            return &set[i];
        if (set[i].ended < place->ended)
            place = &set[i];
    }
    return place;
}

void past_put(struct past *p, uint64_t name, uint32_t times, uint32_t ended)
{
    *place_of(p, name) = (struct mark){name, ended, times};
}

uint32_t past_times(const struct past *p, uint64_t name, uint32_t after)
{
    const struct mark *m = place_of(p, name);
    return m->name == name && m->ended > after ? m->times : 0;
}

void past_forget(struct past *p, uint64_t name)
{
    struct mark *m = place_of(p, name);
    if (m->name == name)
        m->ended = 0;
}

void past_forget_all(struct past *p)
{
    memset(p->marks, 0, (size_t)p->sets * WAYS * sizeof *p->marks);
}

size_t past_bytes(const struct past *p)
{
    return sizeof *p + (size_t)p->sets * WAYS * sizeof *p->marks;
}
