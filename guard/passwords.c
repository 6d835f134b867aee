/* SPDX-License-Identifier: MIT */
/* Passwords that were right for one account. */
#include "guard/passwords.h"

static bool same(const struct password *a, const struct password *b, bool *surely_r)
{
    *surely_r = a->print != 0 && b->print != 0;
    if (*surely_r)
        return a->print == b->print;
    return a->pwhash != PASSWORD_NO_PWHASH && a->pwhash == b->pwhash;
}

/* Where it stands; PASSWORDS_MAX: nowhere. */
static unsigned find(const struct passwords *known, const struct password *p, bool *surely_r)
{
    for (unsigned i = 0; i < PASSWORDS_MAX && known->list[i].last != 0; i++)
        if (same(&known->list[i], p, surely_r))
            return i;
    return PASSWORDS_MAX;
}

/* The first free place, or that of the oldest. */
static unsigned last_place(const struct passwords *known)
{
    unsigned i = 0;
    while (i < PASSWORDS_MAX - 1 && known->list[i].last != 0)
        i++;
    return i;
}

/* Adds to known what seen has. True if that is another print. */
static bool join(struct password *known, const struct password *seen)
{
    bool more = (known->print == 0 && seen->print != 0) ||
                (known->pwhash == PASSWORD_NO_PWHASH && seen->pwhash != PASSWORD_NO_PWHASH);
    if (known->print == 0)
        known->print = seen->print;
    if (known->pwhash == PASSWORD_NO_PWHASH)
        known->pwhash = seen->pwhash;
    if (seen->first < known->first)
        known->first = seen->first;
    if (seen->last > known->last)
        known->last = seen->last;
    return more;
}

bool passwords_mark(struct passwords *known, struct password *seen)
{
    bool surely, news = true;
    if (seen->print == 0 && seen->pwhash == PASSWORD_NO_PWHASH)
        return false;
    unsigned i = find(known, seen, &surely);
    if (i < PASSWORDS_MAX) {
        news = join(&known->list[i], seen);
        *seen = known->list[i];
    } else {
        i = last_place(known);
        if (known->list[i].last > seen->last)
            return false; /* a store puts back one that is older than all of them */
    }
    for (; i > 0 && known->list[i - 1].last <= seen->last; i--)
        known->list[i] = known->list[i - 1];
    known->list[i] = *seen;
    return news;
}

bool passwords_have(const struct passwords *known, const struct password *tried, uint32_t now, bool *surely_r,
                    uint32_t *replaced_r)
{
    unsigned i = find(known, tried, surely_r);
    if (i == PASSWORDS_MAX || now - known->list[i].last >= PASSWORD_KEPT_FOR)
        return false;
    *replaced_r = i > 0 ? known->list[i - 1].first : 0;
    return true;
}
