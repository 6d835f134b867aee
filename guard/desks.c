/* SPDX-License-Identifier: MIT */
/* Desks: a chained hash table of those that are in use. */
#include "guard/desks.h"

#include <assert.h>
#include <stdlib.h>

enum { BUCKETS = 4096 };

struct desks {
    struct desk *bucket[BUCKETS];
    size_t n;
};

struct desks *desks_make(void)
{
    return xcalloc(1, sizeof(struct desks));
}

void desks_free(struct desks **desks)
{
    if (*desks == NULL)
        return;
    assert((*desks)->n == 0);
    free(*desks);
    *desks = NULL;
}

static size_t slot_of(enum desk_kind kind, uint64_t name)
{
    return (name + kind) % BUCKETS;
}

static struct desk *find(const struct desks *d, enum desk_kind kind, uint64_t name)
{
    struct desk *desk = d->bucket[slot_of(kind, name)];
    while (desk != NULL && (desk->kind != kind || desk->name != name))
        desk = desk->next;
    return desk;
}

uint32_t desks_busy(const struct desks *d, enum desk_kind kind, uint64_t name)
{
    const struct desk *desk = find(d, kind, name);
    return desk != NULL ? desk->busy : 0;
}

struct desk *desks_open(struct desks *d, enum desk_kind kind, uint64_t name)
{
    struct desk *desk = find(d, kind, name);
    if (desk != NULL)
        return desk;
    struct desk **first = &d->bucket[slot_of(kind, name)];
    desk = xcalloc(1, sizeof *desk);
    desk->kind = kind;
    desk->name = name;
    desk->next = *first;
    TAILQ_INIT(&desk->waiting);
    *first = desk;
    d->n++;
    return desk;
}

void desks_close(struct desks *d, struct desk *desk)
{
    if (desk->busy > 0 || desk->pinned || !TAILQ_EMPTY(&desk->waiting))
        return;
    struct desk **link = &d->bucket[slot_of(desk->kind, desk->name)];
    while (*link != desk)
        link = &(*link)->next;
    *link = desk->next;
    free(desk);
    d->n--;
}

size_t desks_bytes(const struct desks *d)
{
    return sizeof *d + d->n * sizeof(struct desk);
}
