/* SPDX-License-Identifier: MIT */
/* Queue ids. */
#include "spool/id.h"

#include <time.h>

enum { SECONDS_LEN = 6, COUNTER_LEN = 6, FRACTION_LEN = 2 };
enum {
    COUNTER_AT = SECONDS_LEN + 1,
    FRACTION_AT = COUNTER_AT + COUNTER_LEN + 1,
    ID_LEN = FRACTION_AT + FRACTION_LEN
};

#define COUNTER_LIMIT  56800235584ULL /* 62^6 */
#define FRACTION_LIMIT 3844ULL        /* 62^2 */

static const char DIGITS[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

void id_maker_init(struct id_maker *maker)
{
    atomic_init(&maker->counter, random_below(COUNTER_LIMIT));
}

static void put_base62(char *out, size_t len, uint64_t value)
{
    for (size_t i = len; i > 0; i--) {
        out[i - 1] = DIGITS[value % 62];
        value /= 62;
    }
}

void id_make(struct id_maker *maker, char out[QUEUE_ID_MAX])
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t count = atomic_fetch_add_explicit(&maker->counter, 1, memory_order_relaxed) % COUNTER_LIMIT;
    put_base62(out, SECONDS_LEN, (uint64_t)now.tv_sec);
    out[SECONDS_LEN] = '-';
    put_base62(out + COUNTER_AT, COUNTER_LEN, count);
    out[COUNTER_AT + COUNTER_LEN] = '-';
    put_base62(out + FRACTION_AT, FRACTION_LEN, (uint64_t)now.tv_nsec * FRACTION_LIMIT / 1000000000ULL);
    out[ID_LEN] = '\0';
}

bool id_valid(const char *text)
{
    if (strlen(text) != ID_LEN)
        return false;
    for (size_t i = 0; i < ID_LEN; i++) {
        bool dash = i == SECONDS_LEN || i == COUNTER_AT + COUNTER_LEN;
        if (dash ? text[i] != '-' : !ascii_is_alnum(text[i]))
            return false;
    }
    return true;
}

unsigned id_folder(const char *id)
{
    const char *digit = strchr(DIGITS, id[COUNTER_AT + COUNTER_LEN - 1]);
    return digit != NULL ? (unsigned)(digit - DIGITS) % ID_FOLDERS : 0;
}
