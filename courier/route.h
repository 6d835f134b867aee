/* SPDX-License-Identifier: MIT */
/* Where a recipient's mail goes, by the settings. Pure. */
#ifndef GP_COURIER_ROUTE_H
#define GP_COURIER_ROUTE_H

#include "settings/settings.h"
#include "wire/wire.h"

enum route_kind {
    ROUTE_NONE,    /* no way there: neither local nor a smarthost */
    ROUTE_MAILDIR, /* path: the folder */
    ROUTE_LMTP,    /* path of a UNIX socket, or host and port */
    ROUTE_SMTP     /* the smarthost: host and port */
};

enum { ROUTE_PATH_MAX = 4096 };

struct route {
    enum route_kind kind;
    char path[ROUTE_PATH_MAX]; /* "" when it is host and port */
    char host[256];
    uint16_t port;
};

/* The names under which the log has them: R= and T=. */
const char *route_router(enum route_kind kind);
const char *route_transport(enum route_kind kind);

/* The settings, prepared for asking: valid as long as settings is. */
struct router;
struct router *router_make(const struct settings *settings);
void router_free(struct router **router);

/*
 * Routes an address. A local domain goes by local.delivery, all else to relay.smarthost. In the path of
 * local.delivery %u is the address, %n its local part, %d its domain: in lower case, and so written that a
 * value can never leave its folder: a slash, a leading dot, a percent sign, control characters become %xx in
 * hex. Different addresses therefore never share a path. A path that would be longer than ROUTE_PATH_MAX
 * gives NONE.
 */
void router_find(const struct router *router, const char *recipient, struct route *route_r);

#endif
