/* SPDX-License-Identifier: MIT */
/* base64 (RFC 4648, section 4). What is decoded here may be a password: no copies besides the caller's
 * buffer. */
#include "wire/wire.h"

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The value of a character, 64 when it is none of the alphabet. */
static unsigned value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0') + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : 64;
}

/* Writes the bytes of one group of four of which the last `padding` are "=". False when it is none. */
static bool decode_group(const char *group, size_t padding, char *to)
{
    unsigned bits = 0;
    for (size_t i = 0; i < 4; i++) {
        unsigned value = i < 4 - padding ? value_of(group[i]) : 0;
        if (value > 63)
            return false;
        bits = bits << 6 | value;
    }
    /* Section 3.5: bits that no byte gets must be zero, or one text would have several forms. */
    if ((bits & ((1U << (8 * padding)) - 1)) != 0)
        return false;
    for (size_t i = 0; i < 3 - padding; i++)
        to[i] = (char)(unsigned char)(bits >> (16 - 8 * i) & 0xFF);
    return true;
}

bool base64_decode(struct span text, struct buf *out)
{
    if (text.n % 4 != 0)
        return false;
    size_t padding = 0;
    while (padding < 2 && padding < text.n && text.p[text.n - 1 - padding] == '=')
        padding++;
    size_t n = text.n / 4 * 3 - padding;
    char *to = buf_reserve(out, n);
    if (to == NULL)
        return false;
    bool ok = true;
    for (size_t i = 0; i < text.n && ok; i += 4)
        ok = decode_group(text.p + i, i + 4 == text.n ? padding : 0, to + i / 4 * 3);
    buf_commit(out, ok ? n : 0);
    return ok;
}

bool base64_encode(struct span bytes, struct buf *out)
{
    size_t groups = bytes.n / 3 + (bytes.n % 3 != 0);
    if (groups > SIZE_MAX / 4) {
        out->overflow = true;
        return false;
    }
    char *to = buf_reserve(out, groups * 4);
    if (to == NULL)
        return false;
    for (size_t i = 0; i < bytes.n; i += 3, to += 4) {
        unsigned bits = 0;
        for (size_t j = 0; j < 3; j++)
            bits = bits << 8 | (i + j < bytes.n ? (unsigned char)bytes.p[i + j] : 0U);
        memset(to, '=', 4);
        for (size_t j = 0; j < 4 && i + j <= bytes.n; j++)
            to[j] = ALPHABET[bits >> (18 - 6 * j) & 63];
    }
    buf_commit(out, groups * 4);
    return true;
}
