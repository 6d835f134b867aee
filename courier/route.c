/* SPDX-License-Identifier: MIT */
/* Routing by domain, and the expansion of local.delivery. */
#include "courier/route.h"

#include <stdlib.h>

enum { SMTP_PORT = 25 }; /* RFC 5321, section 4.5.4.2 */

struct router {
    const struct settings *settings;
    const char **domains; /* local.domains, sorted without regard to case */
    size_t domain_count;
    bool has_smarthost;
    struct route smarthost;
};

static const struct {
    const char *router, *transport;
} NAMES[] = {
    [ROUTE_NONE] = {"none", "none"},
    [ROUTE_MAILDIR] = {"local", "maildir"},
    [ROUTE_LMTP] = {"local", "lmtp"},
    [ROUTE_SMTP] = {"smarthost", "smtp"},
};

const char *route_router(enum route_kind kind)
{
    return NAMES[kind].router;
}

const char *route_transport(enum route_kind kind)
{
    return NAMES[kind].transport;
}

static int compare_nocase(const char *a, const char *b)
{
    for (;; a++, b++) {
        unsigned char x = (unsigned char)ascii_lower(*a), y = (unsigned char)ascii_lower(*b);
        if (x != y)
            return x < y ? -1 : 1;
        if (x == '\0')
            return 0;
    }
}

static int compare_items(const void *a, const void *b)
{
    return compare_nocase(*(const char *const *)a, *(const char *const *)b);
}

struct router *router_make(const struct settings *settings)
{
    struct router *r = xcalloc(1, sizeof *r);
    r->settings = settings;
    r->domain_count = settings->local_domains.n;
    r->domains = xcalloc(r->domain_count, sizeof *r->domains);
    for (size_t i = 0; i < r->domain_count; i++)
        r->domains[i] = settings->local_domains.items[i];
    qsort(r->domains, r->domain_count, sizeof *r->domains, compare_items);
    r->smarthost.kind = ROUTE_SMTP;
    r->has_smarthost = settings_parse_host(span_of(settings->relay_smarthost), SMTP_PORT, r->smarthost.host,
                                           &r->smarthost.port);
    return r;
}

void router_free(struct router **router)
{
    if (*router != NULL)
        free((*router)->domains);
    free(*router);
    *router = NULL;
}

/* ---- local.delivery ---- */

static void add_safe(struct buf *out, struct span value)
{
    for (size_t i = 0; i < value.n; i++) {
        char c = ascii_lower(value.p[i]);
        bool plain = c > ' ' && c != '/' && c != '%' && c != '\x7F' && !(c == '.' && i == 0);
        if (plain)
            buf_add_char(out, c);
        else
            buf_printf(out, "%%%02x", (unsigned)(unsigned char)c);
    }
}

static bool expand(const char *template, struct span address, struct span local, struct span domain,
                   struct buf *out)
{
    for (const char *p = template; *p != '\0'; p++) {
        if (*p != '%') {
            buf_add_char(out, *p);
            continue;
        }
        p++;
        switch (*p) {
        case 'u': add_safe(out, address); break;
        case 'n': add_safe(out, local); break;
        case 'd': add_safe(out, domain); break;
        default: return false;
        }
    }
    return !out->overflow;
}

static void route_local(const struct router *r, struct span address, struct span local, struct span domain,
                        struct route *route_r)
{
    static const struct {
        const char *prefix;
        enum route_kind kind;
    } forms[] = {{"maildir:", ROUTE_MAILDIR}, {"lmtp:unix:", ROUTE_LMTP}};
    const char *setting = r->settings->local_delivery;
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        size_t n = strlen(forms[i].prefix);
        if (strncmp(setting, forms[i].prefix, n) != 0)
            continue;
        struct buf path = BUF_INIT(ROUTE_PATH_MAX - 1);
        if (expand(setting + n, address, local, domain, &path)) {
            route_r->kind = forms[i].kind;
            memcpy(route_r->path, buf_str(&path), path.len + 1);
        }
        buf_free(&path);
        return;
    }
    if (strncmp(setting, "lmtp:", 5) == 0 &&
        settings_parse_host(span_of(setting + 5), 0, route_r->host, &route_r->port))
        route_r->kind = ROUTE_LMTP;
}

void router_find(const struct router *router, const char *recipient, struct route *route_r)
{
    const char *at = strrchr(recipient, '@');
    const char *domain = at != NULL ? at + 1 : "";
    route_r->kind = ROUTE_NONE;
    route_r->path[0] = route_r->host[0] = '\0';
    route_r->port = 0;
    if (router->domain_count > 0 &&
        bsearch(&domain, router->domains, router->domain_count, sizeof domain, compare_items) != NULL) {
        struct span local = span_from(recipient, at != NULL ? (size_t)(at - recipient) : strlen(recipient));
        route_local(router, span_of(recipient), local, span_of(domain), route_r);
    } else if (router->has_smarthost) {
        *route_r = router->smarthost;
    }
}
