/* SPDX-License-Identifier: MIT */
/* Network addresses. */
#include "base/base.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* An IPv4-mapped address (RFC 4291, section 2.5.5.2) is the IPv4 host: one form, so that lists match. */
static struct addr addr_from_in6(const struct in6_addr *in6)
{
    struct addr a = {0};
    bool mapped = IN6_IS_ADDR_V4MAPPED(in6);
    a.family = mapped ? AF_INET : AF_INET6;
    memcpy(a.bytes, in6->s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
    return a;
}

struct addr addr_from_sockaddr(const struct sockaddr *sa)
{
    struct addr a = {0};
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        a.family = AF_INET;
        a.port = ntohs(in.sin_port);
        memcpy(a.bytes, &in.sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof in6);
        a = addr_from_in6(&in6.sin6_addr);
        a.port = ntohs(in6.sin6_port);
    }
    return a;
}

socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *sa_r)
{
    memset(sa_r, 0, sizeof *sa_r);
    if (a->family == AF_INET) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(a->port)};
        memcpy(&in.sin_addr, a->bytes, 4);
        memcpy(sa_r, &in, sizeof in);
        return sizeof in;
    }
    if (a->family == AF_INET6) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
        memcpy(&in6.sin6_addr, a->bytes, 16);
        memcpy(sa_r, &in6, sizeof in6);
        return sizeof in6;
    }
    return 0;
}

bool addr_parse(const char *text, struct addr *a_r)
{
    struct addr a = {.family = AF_INET};
    struct in6_addr in6;
    if (inet_pton(AF_INET6, text, &in6) == 1)
        a = addr_from_in6(&in6);
    else if (inet_pton(AF_INET, text, a.bytes) != 1)
        return false;
    *a_r = a;
    return true;
}

const char *addr_text(const struct addr *a, char out[ADDR_TEXT_MAX])
{
    if (a->family == 0 || inet_ntop(a->family, a->bytes, out, ADDR_TEXT_MAX) == NULL)
        snprintf(out, ADDR_TEXT_MAX, "-");
    return out;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, a->family == AF_INET ? 4 : 16) == 0;
}

bool addr_is_loopback(const struct addr *a)
{
    static const uint8_t v6_loopback[16] = {[15] = 1};
    return a->family == AF_INET ? a->bytes[0] == 127
                                : a->family == AF_INET6 && memcmp(a->bytes, v6_loopback, 16) == 0;
}
