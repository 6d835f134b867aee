/* SPDX-License-Identifier: MIT */
/*
 * Addresses as keys: 128 bits, an IPv4 address in its IPv6 form (RFC 4291, section 2.5.5.2), so that one
 * table holds both. Lengths are those of 128 bits; an IPv4 network has 96 more than people write.
 */
#ifndef GP_GUARD_KEY_H
#define GP_GUARD_KEY_H

#include "guard/guard.h"

enum { KEY_BITS = 128, KEY_V4_BITS = 96 };

struct key {
    uint8_t bytes[16];
};

struct key key_of(const struct addr *a); /* family must not be 0 */
bool key_is_v4(const struct key *k);
/* The first bits of it, the rest 0. bits: 0 to 128. */
struct key key_cut(const struct key *k, unsigned bits);
/* Do both begin with the same bits? */
bool key_shares(const struct key *a, const struct key *b, unsigned bits);
bool key_equal(const struct key *a, const struct key *b);

/* A network, cut. */
struct key_net {
    struct key key;
    unsigned bits;
};
/* An IPv6 network that holds the IPv6 forms of IPv4 addresses is none of IPv4. */
bool key_net_is_v4(const struct key_net *net);
/* What counts as one address. */
struct place {
    struct key_net net;
    uint64_t print; /* of net.key, keyed: what tables hash it by */
};

/*
 * Tables are larger than the caches. Who will soon ask about something may have all of them fetch what they
 * look at first, and then what that points to.
 */
enum key_look { LOOK_BUCKET, LOOK_RECORD };

/* False when address has no family, or too many bits. */
bool key_net_of(const struct guard_net *net, struct key_net *net_r);
struct guard_net key_net_show(const struct key_net *net);
/* Is a part (or all) of whole? */
bool key_net_inside(const struct key_net *part, const struct key_net *whole);

#endif
