/* SPDX-License-Identifier: MIT */
/* Memory, clocks and random bytes. */
#include "base/base.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static void *must(void *p)
{
    if (p == NULL) {
        static const char text[] = "gatepost: out of memory\n";
        file_write_all(2, text, sizeof text - 1);
        abort();
    }
    return p;
}

void *xmalloc(size_t n)
{
    return must(malloc(n > 0 ? n : 1));
}

void *xcalloc(size_t n, size_t size)
{
    return must(calloc(n > 0 ? n : 1, size > 0 ? size : 1));
}

void *xrealloc(void *p, size_t n)
{
    return must(realloc(p, n > 0 ? n : 1));
}

char *xstrdup(const char *s)
{
    return must(strdup(s));
}

char *xstrndup(const char *s, size_t n)
{
    return must(strndup(s, n));
}

static uint64_t clock_us(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000U + (uint64_t)ts.tv_nsec / 1000U;
}

uint64_t clock_mono_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

uint64_t clock_mono_ms(void)
{
    return clock_us(CLOCK_MONOTONIC) / 1000U;
}

int64_t clock_wall(void)
{
    return (int64_t)time(NULL);
}

int64_t clock_wall_ms(void)
{
    return (int64_t)(clock_us(CLOCK_REALTIME) / 1000U);
}

void time_rfc3339(int64_t wall_s, char out[TIME_TEXT_MAX])
{
    time_t t = (time_t)wall_s;
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL || strftime(out, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(out, TIME_TEXT_MAX, "-");
}

void random_bytes(void *out, size_t n)
{
    char *p = out;
    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort();
        p += got;
        n -= (size_t)got;
    }
}

uint64_t random_below(uint64_t limit)
{
    uint64_t value = 0;
    uint64_t fair = UINT64_MAX - UINT64_MAX % limit;
    do {
        random_bytes(&value, sizeof value);
    } while (value >= fair);
    return value % limit;
}
