/* SPDX-License-Identifier: MIT */
/* Fingerprints: FNV-1a from a seed, then the finishing steps of MurmurHash3, which spread it over all bits.
 */
#include "auth/fingerprint.h"

static uint64_t add_byte(uint64_t h, unsigned char c)
{
    return (h ^ c) * UINT64_C(0x100000001b3);
}

static uint64_t finish(uint64_t h)
{
    h ^= h >> 33;
    h *= UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 33;
    h *= UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ (h >> 33);
}

uint64_t fingerprint(uint64_t seed, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    uint64_t h = seed ^ UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i++)
        h = add_byte(h, p[i]);
    return finish(h);
}

uint64_t fingerprint_nocase(uint64_t seed, struct span text)
{
    uint64_t h = seed ^ UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < text.n; i++)
        h = add_byte(h, (unsigned char)ascii_lower(text.p[i]));
    return finish(h);
}
