/* SPDX-License-Identifier: MIT */
/*
 * A place where mail goes: what waits for it, and connections to it that are open and unused. Only a
 * container; work.h has the rules, and the lock.
 */
#ifndef GP_COURIER_DESTINATION_H
#define GP_COURIER_DESTINATION_H

#include "courier/client.h"
#include "courier/parcel.h"
#include "courier/route.h"

struct idle_client;

struct destination {
    struct destination *next;                    /* in its bucket */
    struct destination *ready_next, *ready_prev; /* while it is ready */
    bool ready;
    char *key;
    struct route route;
    struct parcel *first, **last; /* waiting */
    size_t waiting;
    unsigned active;    /* jobs */
    unsigned open;      /* jobs that have a connection */
    unsigned window;    /* jobs at a time that the other side bears; 0: as many as the setting says */
    unsigned successes; /* since window was last changed */
    struct idle_client *idle;
};

/* What tells destinations apart. All Maildirs are one: the disk. */
void destination_key(const struct route *route, struct buf *out);
struct destination *destination_make(const char *key, const struct route *route);
void destination_free(struct destination *d); /* empty */
/* Whether parcels go there in batches, several messages at a time. */
bool destination_is_batched(const struct destination *d);

void destination_append(struct destination *d, struct parcel *parcel);
void destination_put_back(struct destination *d, struct parcel *list); /* before all that wait */
struct parcel *destination_take_all(struct destination *d);
/* At most max parcels for one job: a batch, or the recipients of one message that stand together. */
struct parcel *destination_take(struct destination *d, size_t max);

void destination_keep(struct destination *d, struct client *client, uint64_t until_ms);
/* The one that was kept last; NULL when there is none. */
struct client *destination_take_client(struct destination *d);
/* One that was to be kept until now or earlier. */
struct client *destination_take_expired(struct destination *d, uint64_t now_ms);

#endif
