/* SPDX-License-Identifier: MIT */
/* Changes: a ring. */
#include "guard/changes.h"

#include <stdlib.h>

struct changes {
    struct guard_change *ring;
    uint32_t max, oldest, n;
    uint64_t lost;
    void (*wake)(void *arg); /* NULL: nobody listens */
    void *arg;
};

struct changes *changes_make(uint32_t max)
{
    struct changes *c = xcalloc(1, sizeof *c);
    c->max = max < 2 ? 2 : max;
    c->ring = xcalloc(c->max, sizeof *c->ring);
    return c;
}

void changes_free(struct changes **changes)
{
    if (*changes == NULL)
        return;
    free((*changes)->ring);
    free(*changes);
    *changes = NULL;
}

void changes_subscribe(struct changes *c, void (*wake)(void *arg), void *arg)
{
    c->wake = wake;
    c->arg = arg;
    if (wake != NULL && c->n > 0)
        wake(arg);
}

static struct guard_change *push(struct changes *c, enum guard_change_kind kind)
{
    struct guard_change *change = &c->ring[(c->oldest + c->n) % c->max];
    c->n++;
    *change = (struct guard_change){.kind = kind};
    return change;
}

struct guard_change *changes_add(struct changes *c, enum guard_change_kind kind)
{
    if (c->wake == NULL)
        return NULL;
    if (c->n == c->max) {
        c->lost += c->n;
        c->n = 0;
        push(c, GUARD_CHANGE_RESYNC);
    }
    bool first = c->n == 0;
    struct guard_change *change = push(c, kind);
    if (first)
        c->wake(c->arg);
    return change;
}

size_t changes_take(struct changes *c, struct guard_change *out_r, size_t max)
{
    size_t taken = 0;
    for (; taken < max && c->n > 0; taken++, c->n--) {
        out_r[taken] = c->ring[c->oldest];
        c->oldest = (c->oldest + 1) % c->max;
    }
    return taken;
}

uint64_t changes_lost(const struct changes *c)
{
    return c->lost;
}

size_t changes_bytes(const struct changes *c)
{
    return sizeof *c + c->max * sizeof *c->ring;
}
