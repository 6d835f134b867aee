/* SPDX-License-Identifier: MIT */
/*
 * Grants of POP-before-SMTP: this very address may send as this account for a while. Bounded in all and by
 * place; those that end first give way. A grant that is over is remembered for a day, to say so.
 */
#ifndef GP_GUARD_GRANTS_H
#define GP_GUARD_GRANTS_H

#include "guard/key.h"

struct grant {
    struct key address;
    uint64_t place;   /* print of what the guard counts as one address */
    uint64_t account; /* print */
    uint32_t since, until;
    uint32_t next; /* the table's */
    char *name;    /* the account as it logged in; the table's */
};

struct grants;
struct grants *grants_make(uint32_t max);
void grants_free(struct grants **grants);

/* Makes it, or makes it last longer. Returns it. */
const struct grant *grants_put(struct grants *grants, const struct grant *grant, struct span name);
/* account 0: any. The latest until of those of that address, also of one that is over; 0: none. */
uint32_t grants_until(const struct grants *grants, const struct key *address, uint64_t place,
                      uint64_t account);
/* End at `now`. */
void grants_end_account(struct grants *grants, uint64_t account, uint32_t now);
void grants_end_place(struct grants *grants, uint64_t place, uint32_t now);
void grants_end_net(struct grants *grants, const struct key_net *net, uint32_t now);
/* Some of those that are over for a day are forgotten; all are, when called once a second for an hour. */
void grants_tidy(struct grants *grants, uint32_t now);

/* All of them, also those that are over; *cursor 0 at first; NULL at the end. */
const struct grant *grants_next(const struct grants *grants, uint32_t *cursor);
uint32_t grants_count(const struct grants *grants);
size_t grants_bytes(const struct grants *grants);

#endif
