/* SPDX-License-Identifier: MIT */
/*
 * Desks: where logins under way are counted, and where others wait for their turn. A login has a seat at one
 * of each kind. A desk exists while someone sits or waits there; so there are no more of them than four for
 * each session.
 */
#ifndef GP_GUARD_DESKS_H
#define GP_GUARD_DESKS_H

#include <sys/queue.h>

#include "base/base.h"

enum desk_kind {
    DESK_ADDRESS,
    DESK_PAIR, /* address and account */
    DESK_ACCOUNT,
    DESK_PASSWORD,
    DESK_KINDS
};

struct guard_ticket;
TAILQ_HEAD(ticket_list, guard_ticket);

struct desk {
    uint64_t name;
    enum desk_kind kind;
    uint32_t busy; /* seats taken */
    bool pinned;   /* stays although nobody is there */
    struct ticket_list waiting;
    struct desk *next;
};

struct desks;
struct desks *desks_make(void);
void desks_free(struct desks **desks);
/* How many sit there. name: a print. */
uint32_t desks_busy(const struct desks *desks, enum desk_kind kind, uint64_t name);
struct desk *desks_open(struct desks *desks, enum desk_kind kind, uint64_t name);
/* Frees it if nobody is there any more and it is not pinned. */
void desks_close(struct desks *desks, struct desk *desk);
size_t desks_bytes(const struct desks *desks);

#endif
