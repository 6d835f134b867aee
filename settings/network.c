/* SPDX-License-Identifier: MIT */
/* Networks: ADDRESS or ADDRESS/BITS. */
#include <stdlib.h>

#include "settings/settings.h"

enum { V4_BITS = 32, V6_BITS = 128, V4_IN_V6 = V6_BITS - V4_BITS };

static void clear_host_bits(struct addr *a, unsigned bits)
{
    unsigned all = a->family == AF_INET ? V4_BITS : V6_BITS;
    for (unsigned i = bits; i < all; i++)
        a->bytes[i / 8] &= (uint8_t) ~(0x80U >> (i % 8));
}

bool settings_parse_network(struct span text, struct addr *address_r, unsigned *bits_r)
{
    struct span rest = text;
    struct span host = span_take(&rest, '/');
    bool slash = host.n < text.n;
    struct addr address;
    if (host.n >= ADDR_TEXT_MAX || span_contains(host, '\0'))
        return false;
    char *copy = span_dup(host);
    bool ok = addr_parse(copy, &address);
    free(copy);
    if (!ok)
        return false;
    bool mapped = address.family == AF_INET && span_contains(host, ':'); /* ::ffff:192.0.2.0/120 */
    uint64_t least = mapped ? V4_IN_V6 : 0, most = mapped || address.family == AF_INET6 ? V6_BITS : V4_BITS;
    uint64_t bits = most;
    if (slash && !parse_uint(rest, least, most, &bits))
        return false;
    *bits_r = (unsigned)(bits - least);
    *address_r = address;
    clear_host_bits(address_r, *bits_r);
    return true;
}
