/* SPDX-License-Identifier: MIT */
/* Input for parsers in memory of exactly its length, without a NUL behind it, so that ASan sees each byte
 * beyond. */
#ifndef GP_TESTS_EXACT_H
#define GP_TESTS_EXACT_H

#include "base/base.h"

/* A copy that free() ends. */
static inline char *exact_copy(struct span text)
{
    char *copy = xmalloc(text.n);
    if (text.n > 0)
        memcpy(copy, text.p, text.n);
    return copy;
}

#endif
