/* SPDX-License-Identifier: MIT */
/* A set of networks that may overlap, asked often and changed seldom: sorted ranges, found by bisection. */
#ifndef GP_GUARD_NETSET_H
#define GP_GUARD_NETSET_H

#include "guard/key.h"

struct netset {
    struct netset_ranges {
        struct netset_range {
            struct key first, last;
        } * ranges; /* in order, disjoint, never neighbours of each other */
        size_t n;
    } v4, v6;
};

/* The union of n networks, in place of what the set had. */
void netset_build(struct netset *set, const struct key_net *nets, size_t n);
void netset_free(struct netset *set);
bool netset_has(const struct netset *set, const struct key *address);
bool netset_has_all(const struct netset *set, const struct key_net *net);
bool netset_has_any(const struct netset *set, const struct key_net *net);

#endif
