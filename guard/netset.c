/* SPDX-License-Identifier: MIT */
/* A set of networks: their first and last addresses, merged and sorted. */
#include "guard/netset.h"

#include <stdlib.h>

static struct netset_range range_of(const struct key_net *net)
{
    struct netset_range r = {net->key, net->key};
    for (unsigned i = net->bits; i < KEY_BITS; i++)
        r.last.bytes[i / 8] |= (uint8_t)(0x80U >> (i % 8));
    return r;
}

static int compare_keys(const struct key *a, const struct key *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

static int compare_ranges(const void *a, const void *b)
{
    return compare_keys(&((const struct netset_range *)a)->first, &((const struct netset_range *)b)->first);
}

/* Does b begin within a, or right behind it? */
static bool touches(const struct netset_range *a, const struct netset_range *b)
{
    struct key next = a->last;
    for (size_t i = sizeof next.bytes; i > 0 && ++next.bytes[i - 1] == 0; i--)
        ;
    return compare_keys(&b->first, &a->last) <= 0 || compare_keys(&b->first, &next) == 0;
}

static void merge(struct netset_ranges *set)
{
    size_t kept = 0;
    qsort(set->ranges, set->n, sizeof *set->ranges, compare_ranges);
    for (size_t i = 0; i < set->n; i++) {
        struct netset_range *before = kept > 0 ? &set->ranges[kept - 1] : NULL;
        if (before == NULL || !touches(before, &set->ranges[i]))
            set->ranges[kept++] = set->ranges[i];
        else if (compare_keys(&set->ranges[i].last, &before->last) > 0)
            before->last = set->ranges[i].last;
    }
    set->n = kept;
}

static const struct netset_ranges *family_of(const struct netset *set, bool v4)
{
    return v4 ? &set->v4 : &set->v6;
}

void netset_build(struct netset *set, const struct key_net *nets, size_t n)
{
    netset_free(set);
    set->v4.ranges = xcalloc(n > 0 ? n : 1, sizeof *set->v4.ranges);
    set->v6.ranges = xcalloc(n > 0 ? n : 1, sizeof *set->v6.ranges);
    for (size_t i = 0; i < n; i++) {
        struct netset_ranges *to = key_net_is_v4(&nets[i]) ? &set->v4 : &set->v6;
        to->ranges[to->n++] = range_of(&nets[i]);
    }
    merge(&set->v4);
    merge(&set->v6);
}

void netset_free(struct netset *set)
{
    free(set->v4.ranges);
    free(set->v6.ranges);
    *set = (struct netset){{NULL, 0}, {NULL, 0}};
}

/* The first range that does not end before address; set->n if there is none. */
static size_t find(const struct netset_ranges *set, const struct key *address)
{
    size_t low = 0, high = set->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_keys(&set->ranges[middle].last, address) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool netset_has(const struct netset *set, const struct key *address)
{
    const struct netset_ranges *in = family_of(set, key_is_v4(address));
    size_t i = find(in, address);
    return i < in->n && compare_keys(&in->ranges[i].first, address) <= 0;
}

bool netset_has_all(const struct netset *set, const struct key_net *net)
{
    const struct netset_ranges *in = family_of(set, key_net_is_v4(net));
    struct netset_range r = range_of(net);
    size_t i = find(in, &r.first);
    return i < in->n && compare_keys(&in->ranges[i].first, &r.first) <= 0 &&
           compare_keys(&in->ranges[i].last, &r.last) >= 0;
}

bool netset_has_any(const struct netset *set, const struct key_net *net)
{
    const struct netset_ranges *in = family_of(set, key_net_is_v4(net));
    struct netset_range r = range_of(net);
    size_t i = find(in, &r.first);
    return i < in->n && compare_keys(&in->ranges[i].first, &r.last) <= 0;
}
