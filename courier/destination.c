/* SPDX-License-Identifier: MIT */
/* Destinations. */
#include "courier/destination.h"

#include <stdlib.h>

struct idle_client {
    struct idle_client *next;
    struct client *client;
    uint64_t until;
};

void destination_key(const struct route *route, struct buf *out)
{
    buf_printf(out, "%s %s", route_transport(route->kind), route->kind == ROUTE_MAILDIR ? "" : route->path);
    if (route->host[0] != '\0')
        buf_printf(out, "%s:%u", route->host, route->port);
}

struct destination *destination_make(const char *key, const struct route *route)
{
    struct destination *d = xcalloc(1, sizeof *d);
    d->key = xstrdup(key);
    d->route = *route;
    d->last = &d->first;
    return d;
}

void destination_free(struct destination *d)
{
    free(d->key);
    free(d);
}

bool destination_is_batched(const struct destination *d)
{
    return d->route.kind == ROUTE_MAILDIR || d->route.kind == ROUTE_NONE;
}

/* ---- parcels that wait ---- */

void destination_append(struct destination *d, struct parcel *parcel)
{
    parcel->next = NULL;
    *d->last = parcel;
    d->last = &parcel->next;
    d->waiting++;
}

struct parcel *destination_take_all(struct destination *d)
{
    struct parcel *list = d->first;
    d->first = NULL;
    d->last = &d->first;
    d->waiting = 0;
    return list;
}

void destination_put_back(struct destination *d, struct parcel *list)
{
    struct parcel **last = &list;
    while (*last != NULL) {
        d->waiting++;
        last = &(*last)->next;
    }
    *last = d->first;
    if (d->first == NULL)
        d->last = last;
    d->first = list;
}

struct parcel *destination_take(struct destination *d, size_t max)
{
    struct parcel *list = d->first, **at = &d->first;
    bool batch = destination_is_batched(d);
    for (size_t n = 0; n < max && *at != NULL; n++) {
        if (!batch && strcmp((*at)->delivery.id, list->delivery.id) != 0)
            break;
        at = &(*at)->next;
        d->waiting--;
    }
    if (at == &d->first)
        return NULL;
    d->first = *at;
    *at = NULL;
    if (d->first == NULL)
        d->last = &d->first;
    return list;
}

/* ---- connections that wait ---- */

void destination_keep(struct destination *d, struct client *client, uint64_t until_ms)
{
    struct idle_client *idle = xcalloc(1, sizeof *idle);
    *idle = (struct idle_client){.client = client, .until = until_ms, .next = d->idle};
    d->idle = idle; /* last in, first out: those that are too many expire */
}

static struct client *take_client(struct idle_client **at)
{
    struct idle_client *idle = *at;
    if (idle == NULL)
        return NULL;
    struct client *client = idle->client;
    *at = idle->next;
    free(idle);
    return client;
}

struct client *destination_take_client(struct destination *d)
{
    return take_client(&d->idle);
}

struct client *destination_take_expired(struct destination *d, uint64_t now_ms)
{
    struct idle_client **at = &d->idle;
    while (*at != NULL && (*at)->until > now_ms)
        at = &(*at)->next;
    return take_client(at);
}
