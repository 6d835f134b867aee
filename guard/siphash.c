/* SPDX-License-Identifier: MIT */
/* SipHash-2-4. */
#include "guard/siphash.h"

struct sip {
    uint64_t a, b, c, d;
};

static uint64_t little(const uint8_t *bytes, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)bytes[i] << (8 * i);
    return v;
}

static uint64_t turn(uint64_t v, unsigned by)
{
    return v << by | v >> (64 - by);
}

static inline void mix(struct sip *s)
{
    s->a += s->b;
    s->c += s->d;
    s->b = turn(s->b, 13) ^ s->a;
    s->d = turn(s->d, 16) ^ s->c;
    s->a = turn(s->a, 32);
    s->c += s->b;
    s->a += s->d;
    s->b = turn(s->b, 17) ^ s->c;
    s->d = turn(s->d, 21) ^ s->a;
    s->c = turn(s->c, 32);
}

static inline void absorb(struct sip *s, uint64_t word)
{
    s->d ^= word;
    mix(s);
    mix(s);
    s->a ^= word;
}

uint64_t siphash(const uint8_t key[16], const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    uint64_t k0 = little(key, 8), k1 = little(key + 8, 8);
    struct sip s = {k0 ^ 0x736f6d6570736575U, k1 ^ 0x646f72616e646f6dU, k0 ^ 0x6c7967656e657261U,
                    k1 ^ 0x7465646279746573U};
    size_t left = n;
    for (; left >= 8; left -= 8, p += 8)
        absorb(&s, little(p, 8));
    absorb(&s, little(p, left) | (uint64_t)(n & 0xff) << 56);
    s.c ^= 0xff;
    for (int i = 0; i < 4; i++)
        mix(&s);
    return s.a ^ s.b ^ s.c ^ s.d;
}

uint64_t siphash_nocase(const uint8_t key[16], struct span text)
{
    char lower[512];
    size_t n = text.n < sizeof lower ? text.n : sizeof lower;
    for (size_t i = 0; i < n; i++)
        lower[i] = ascii_lower(text.p[i]);
    return siphash(key, lower, n);
}
