/* SPDX-License-Identifier: MIT */
/* The allow list: entries as they came, and a set of their networks, which is made anew when it is asked for.
 */
#include "guard/allow.h"

#include <stdlib.h>

struct allow {
    struct allow_entry *entries;
    uint32_t max, n;
    struct netset set;
    bool changed; /* since the set was made */
};

struct allow *allow_make(uint32_t max)
{
    struct allow *a = xcalloc(1, sizeof *a);
    a->max = max;
    a->entries = xcalloc(max, sizeof *a->entries);
    return a;
}

void allow_free(struct allow **allow)
{
    struct allow *a = *allow;
    if (a == NULL)
        return;
    *allow = NULL;
    for (uint32_t i = 0; i < a->n; i++)
        free(a->entries[i].note);
    free(a->entries);
    netset_free(&a->set);
    free(a);
}

static struct allow_entry *find_command(const struct allow *a, const struct key_net *net)
{
    for (uint32_t i = 0; i < a->n; i++) {
        struct allow_entry *e = &a->entries[i];
        if (e->source == GUARD_ALLOW_COMMAND && e->net.bits == net->bits && key_equal(&e->net.key, &net->key))
            return e;
    }
    return NULL;
}

bool allow_put(struct allow *a, const struct key_net *net, enum guard_allow_source source, uint32_t since,
               const char *note)
{
    struct allow_entry *e = source == GUARD_ALLOW_COMMAND ? find_command(a, net) : NULL;
    if (e == NULL && a->n == a->max)
        return false;
    if (e == NULL)
        e = &a->entries[a->n++];
    free(e->note);
    *e = (struct allow_entry){*net, source, since, xstrndup(note, GUARD_NOTE_MAX - 1)};
    a->changed = true;
    return true;
}

static void remove_entry(struct allow *a, struct allow_entry *e)
{
    free(e->note);
    *e = a->entries[--a->n];
    a->entries[a->n] = (struct allow_entry){.note = NULL};
    a->changed = true;
}

bool allow_remove(struct allow *a, const struct key_net *net)
{
    struct allow_entry *e = find_command(a, net);
    if (e != NULL)
        remove_entry(a, e);
    return e != NULL;
}

void allow_remove_if(struct allow *a, enum guard_allow_source source,
                     bool (*gone)(const void *arg, const char *note), const void *arg)
{
    for (uint32_t i = a->n; i-- > 0;)
        if (a->entries[i].source == source && gone(arg, a->entries[i].note))
            remove_entry(a, &a->entries[i]);
}

const struct netset *allow_set(struct allow *a)
{
    if (!a->changed)
        return &a->set;
    struct key_net *nets = xcalloc(a->n > 0 ? a->n : 1, sizeof *nets);
    for (uint32_t i = 0; i < a->n; i++)
        nets[i] = a->entries[i].net;
    netset_build(&a->set, nets, a->n);
    free(nets);
    a->changed = false;
    return &a->set;
}

uint32_t allow_count(const struct allow *a)
{
    return a->n;
}

const struct allow_entry *allow_at(const struct allow *a, uint32_t i)
{
    return &a->entries[i];
}

size_t allow_bytes(const struct allow *a)
{
    size_t bytes = sizeof *a + a->max * sizeof *a->entries;
    for (uint32_t i = 0; i < a->n; i++)
        bytes += 2 * sizeof *a->set.v4.ranges + strlen(a->entries[i].note) + 1;
    return bytes;
}
