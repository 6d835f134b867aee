/* SPDX-License-Identifier: MIT */
/*
 * SASL exchanges of any shape. The first byte picks the mechanism and whether there is an initial response;
 * the responses follow, each behind a byte with its length (255: the rest).
 */
#include <stdlib.h>

#include "auth/auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
    if (!condition)
        abort();
}

static struct span next_response(const uint8_t **data, size_t *size)
{
    size_t n = **data;
    ++*data;
    --*size;
    if (n == 255 || n > *size)
        n = *size;
    struct span response = span_from(*data, n);
    *data += n;
    *size -= n;
    return response;
}

static void check_result(const struct sasl *s, enum sasl_step step, const char *challenge)
{
    struct span account = sasl_account(s), password = sasl_password(s);
    must(challenge != NULL);
    must((step == SASL_DONE) ==
         (account.n > 0)); /* nothing is shown before the end, and nobody is nameless */
    must(step == SASL_DONE || password.n == 0);
    must(!span_contains(account, '\0') && !span_contains(password, '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct sasl *s = sasl_make(span_of((data[0] & 1) != 0 ? "PLAIN" : "LOGIN"));
    const char *challenge = NULL;
    enum sasl_step step = SASL_CONTINUE;
    bool initial = (data[0] & 2) != 0;
    data++;
    size--;
    if (!initial) {
        step = sasl_feed(s, false, span_of(""), &challenge);
        must(step == SASL_CONTINUE);
    }
    for (int round = 0; size > 0 && step == SASL_CONTINUE; round++) {
        must(round < 4); /* no exchange is longer */
        step = sasl_feed(s, true, next_response(&data, &size), &challenge);
        check_result(s, step, challenge);
    }
    if (step != SASL_CONTINUE)
        must(sasl_feed(s, true, span_of("x"), &challenge) == SASL_MALFORMED);
    sasl_free(&s);
    must(s == NULL);
    return 0;
}
