/* SPDX-License-Identifier: MIT */
/* Logins that come twice: a set-associative table of those that one side alone told of. */
#include "guard/echoes.h"

#include <stdlib.h>

enum {
    SETS = 1024,
    WAYS = 8,
    KEPT_FOR = 60, /* seconds: Dovecot answers a failed login some 15 s after it knows of it */
};

struct echo {
    uint64_t name;
    uint32_t at;   /* 0: free */
    int32_t ahead; /* by how many the session's side is ahead of the report's; below 0: behind */
};

struct echoes {
    struct echo table[SETS][WAYS];
};

struct echoes *echoes_make(void)
{
    return xcalloc(1, sizeof(struct echoes));
}

void echoes_free(struct echoes **echoes)
{
    free(*echoes);
    *echoes = NULL;
}

static struct echo *place_of(struct echoes *e, uint64_t name)
{
    struct echo *set = e->table[name % SETS], *place = set;
    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].name == name && set[i].at != 0)
            return &set[i];
        if (set[i].at < place->at)
            place = &set[i];
    }
    return place;
}

bool echoes_heard(struct echoes *e, uint64_t name, enum echo_side side, uint32_t now)
{
    struct echo *echo = place_of(e, name);
    if (echo->name != name || now - echo->at >= KEPT_FOR)
        *echo = (struct echo){.name = name};
    bool heard = side == ECHO_SESSION ? echo->ahead < 0 : echo->ahead > 0;
    echo->ahead += side == ECHO_SESSION ? 1 : -1;
    echo->at = echo->ahead != 0 ? now : 0;
    return heard;
}

size_t echoes_bytes(const struct echoes *e)
{
    return sizeof *e;
}
