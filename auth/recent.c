/* SPDX-License-Identifier: MIT */
/* Good logins lately: a set-associative table of fingerprints, four places to a set. */
#include "auth/recent.h"

#include <stdlib.h>

#include "auth/fingerprint.h"

enum { SETS = 32768, WAYS = 4, LIFETIME_MS = 24 * 3600 * 1000 };

struct mark {
    uint64_t print;
    uint64_t at_ms; /* 0: free (the clock is past 0 when the first login comes) */
};

struct recent {
    uint64_t seed;
    struct mark *marks; /* SETS * WAYS; pages are touched as they are needed */
};

struct network network_of(const struct addr *from)
{
    struct network n = {{from->family}};
    size_t bytes = from->family == AF_INET ? 4 : from->family == AF_INET6 ? 8 : 0;
    memcpy(n.bytes + 1, from->bytes, bytes);
    return n;
}

struct recent *recent_make(void)
{
    struct recent *r = xcalloc(1, sizeof *r);
    random_bytes(&r->seed, sizeof r->seed);
    r->marks = xcalloc((size_t)SETS * WAYS, sizeof *r->marks);
    return r;
}

void recent_free(struct recent **recent)
{
    if (*recent == NULL)
        return;
    free((*recent)->marks);
    free(*recent);
    *recent = NULL;
}

static uint64_t print_of(const struct recent *r, const struct network *from, struct span account)
{
    return fingerprint_nocase(fingerprint(r->seed, from->bytes, sizeof from->bytes), account);
}

static struct mark *set_of(const struct recent *r, uint64_t print)
{
    return &r->marks[(size_t)(print % SETS) * WAYS];
}

void recent_mark(struct recent *r, const struct network *from, struct span account, uint64_t now_ms)
{
    uint64_t print = print_of(r, from, account);
    struct mark *set = set_of(r, print), *place = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].print == print) {
            place = &set[i];
            break;
        }
        if (set[i].at_ms < place->at_ms)
            place = &set[i];
    }
    *place = (struct mark){print, now_ms};
}

bool recent_has(const struct recent *r, const struct network *from, struct span account, uint64_t now_ms)
{
    uint64_t print = print_of(r, from, account);
    const struct mark *set = set_of(r, print);
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].print == print && set[i].at_ms != 0)
            return now_ms - set[i].at_ms < LIFETIME_MS;
    }
    return false;
}
