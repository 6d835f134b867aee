/* SPDX-License-Identifier: MIT */
/* Addresses and networks as keys. */
#include "guard/key.h"

static const uint8_t V4_PREFIX[12] = {[10] = 0xff, [11] = 0xff};

struct key key_of(const struct addr *a)
{
    struct key k;
    if (a->family == AF_INET) {
        memcpy(k.bytes, V4_PREFIX, sizeof V4_PREFIX);
        memcpy(k.bytes + sizeof V4_PREFIX, a->bytes, 4);
    } else {
        memcpy(k.bytes, a->bytes, sizeof k.bytes);
    }
    return k;
}

bool key_is_v4(const struct key *k)
{
    return memcmp(k->bytes, V4_PREFIX, sizeof V4_PREFIX) == 0;
}

struct key key_cut(const struct key *k, unsigned bits)
{
    struct key cut = {{0}};
    memcpy(cut.bytes, k->bytes, bits / 8);
    if (bits % 8 != 0)
        cut.bytes[bits / 8] = (uint8_t)(k->bytes[bits / 8] & (0xff00U >> (bits % 8)));
    return cut;
}

bool key_shares(const struct key *a, const struct key *b, unsigned bits)
{
    if (memcmp(a->bytes, b->bytes, bits / 8) != 0)
        return false;
    return bits % 8 == 0 || ((a->bytes[bits / 8] ^ b->bytes[bits / 8]) & (0xff00U >> (bits % 8)) & 0xff) == 0;
}

bool key_equal(const struct key *a, const struct key *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool key_net_is_v4(const struct key_net *net)
{
    return net->bits >= KEY_V4_BITS && key_is_v4(&net->key);
}

bool key_net_of(const struct guard_net *net, struct key_net *net_r)
{
    bool v4 = net->address.family == AF_INET;
    if ((!v4 && net->address.family != AF_INET6) || net->bits > (v4 ? KEY_BITS - KEY_V4_BITS : KEY_BITS))
        return false;
    struct key k = key_of(&net->address);
    net_r->bits = net->bits + (v4 ? KEY_V4_BITS : 0);
    net_r->key = key_cut(&k, net_r->bits);
    return true;
}

struct guard_net key_net_show(const struct key_net *net)
{
    struct guard_net shown = {{.family = AF_INET6}, net->bits};
    if (key_net_is_v4(net)) {
        shown.address.family = AF_INET;
        shown.bits -= KEY_V4_BITS;
        memcpy(shown.address.bytes, net->key.bytes + sizeof V4_PREFIX, 4);
    } else {
        memcpy(shown.address.bytes, net->key.bytes, sizeof net->key.bytes);
    }
    return shown;
}

bool key_net_inside(const struct key_net *part, const struct key_net *whole)
{
    return part->bits >= whole->bits && key_net_is_v4(part) == key_net_is_v4(whole) &&
           key_shares(&part->key, &whole->key, whole->bits);
}
