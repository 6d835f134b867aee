/* SPDX-License-Identifier: MIT */
/*
 * Histograms with buckets of at most 1.6 % width (64 to each power of two), so that a percentile costs no
 * sorting and no memory that grows with the run; the maximum is exact.
 */
#include "load_stats.h"

#include <stdlib.h>
#include <string.h>

#define SUB_BITS   6
#define SUB        ((size_t)1 << SUB_BITS)
#define BUCKETS    ((64 - SUB_BITS + 1) * SUB)
#define ERRORS_MAX 64
#define TEXT_MAX   160

struct histogram {
    uint64_t count, max;
    uint32_t buckets[BUCKETS];
};

struct error_row {
    enum load_step step;
    int code;
    uint64_t count;
    char what[TEXT_MAX]; /* of the first one */
};

struct load_stats {
    struct histogram steps[STEP_COUNT];
    struct error_row errors[ERRORS_MAX];
    size_t error_rows;
    uint64_t other_errors; /* past ERRORS_MAX rows */
};

static const char *const names[STEP_COUNT] = {
    [STEP_CONNECT] = "connect", [STEP_BANNER] = "banner",
    [STEP_EHLO] = "ehlo",       [STEP_STARTTLS] = "starttls",
    [STEP_TLS] = "tls",         [STEP_AUTH] = "auth",
    [STEP_MAIL] = "mail",       [STEP_RCPT] = "rcpt",
    [STEP_DATA] = "data",       [STEP_END_OF_DATA] = "end-of-data",
    [STEP_QUIT] = "quit",       [STEP_CLOSE] = "close",
    [STEP_HELD] = "held",       [STEP_LOGIN_TO_OK] = "login-to-250",
    [STEP_SESSION] = "session",
};

const char *load_step_name(enum load_step step)
{
    return names[step];
}

struct load_stats *load_stats_open(void)
{
    return calloc(1, sizeof(struct load_stats));
}

void load_stats_close(struct load_stats **sp)
{
    free(*sp);
    *sp = NULL;
}

/* Below 64 a bucket a value; above, the top seven bits of the value choose. */
static size_t bucket_of(uint64_t value)
{
    if (value < SUB) {
        return (size_t)value;
    }
    unsigned shift = 63U - (unsigned)__builtin_clzll(value) - SUB_BITS;
    return (shift + 1) * SUB + ((value >> shift) & (SUB - 1));
}

/* The middle of the bucket. */
static uint64_t value_of(size_t bucket)
{
    if (bucket < SUB) {
        return bucket;
    }
    unsigned shift = (unsigned)(bucket / SUB) - 1;
    uint64_t low = (SUB + bucket % SUB) << shift;
    return low + ((uint64_t)1 << shift) / 2;
}

void load_stats_took(struct load_stats *s, enum load_step step, uint64_t nanoseconds)
{
    struct histogram *h = &s->steps[step];
    h->count++;
    h->buckets[bucket_of(nanoseconds)]++;
    if (nanoseconds > h->max) {
        h->max = nanoseconds;
    }
}

static void copy_printable(char to[TEXT_MAX], const char *from)
{
    size_t i = 0;
    for (; i < TEXT_MAX - 1 && from[i]; i++) {
        bool plain = from[i] >= ' ' && from[i] <= '~' && from[i] != '"' && from[i] != '\\';
        to[i] = '?';
        if (plain) {
            to[i] = from[i];
        }
    }
    to[i] = '\0';
}

void load_stats_error(struct load_stats *s, enum load_step step, int code, const char *what)
{
    char text[TEXT_MAX];
    copy_printable(text, what);
    for (size_t i = 0; i < s->error_rows; i++) {
        struct error_row *row = &s->errors[i];
        /* Replies differ in their texts (ids, addresses): the code is enough. Other errors are their text. */
        if (row->step == step && row->code == code && (code || strcmp(row->what, text) == 0)) {
            row->count++;
            return;
        }
    }
    if (s->error_rows == ERRORS_MAX) {
        s->other_errors++;
        return;
    }
    struct error_row *row = &s->errors[s->error_rows++];
    *row = (struct error_row){.step = step, .code = code, .count = 1};
    memcpy(row->what, text, sizeof text);
}

/* The smallest value that `per_mille` of all are not above; nearest rank. */
static uint64_t quantile(const struct histogram *h, unsigned per_mille)
{
    uint64_t rank = (h->count * per_mille + 999) / 1000, seen = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen >= rank) {
            uint64_t value = value_of(i);
            return value < h->max ? value : h->max;
        }
    }
    return h->max;
}

static double microseconds(uint64_t nanoseconds)
{
    return (double)nanoseconds / 1000.0;
}

void load_stats_print(const struct load_stats *s, FILE *out)
{
    fprintf(out, "%-14s %10s %10s %10s %10s\n", "step (us)", "count", "p50", "p99", "max");
    for (size_t i = 0; i < STEP_COUNT; i++) {
        const struct histogram *h = &s->steps[i];
        if (h->count) {
            fprintf(out, "%-14s %10llu %10.1f %10.1f %10.1f\n", names[i], (unsigned long long)h->count,
                    microseconds(quantile(h, 500)), microseconds(quantile(h, 990)), microseconds(h->max));
        }
    }
    for (size_t i = 0; i < s->error_rows; i++) {
        const struct error_row *row = &s->errors[i];
        fprintf(out, "error: %s %d x %llu: %s\n", names[row->step], row->code, (unsigned long long)row->count,
                row->what);
    }
    if (s->other_errors) {
        fprintf(out, "error: others x %llu\n", (unsigned long long)s->other_errors);
    }
}

void load_stats_print_json(const struct load_stats *s, FILE *out)
{
    const char *comma = "";
    fputs("\"steps\":{", out);
    for (size_t i = 0; i < STEP_COUNT; i++) {
        const struct histogram *h = &s->steps[i];
        if (h->count) {
            fprintf(out, "%s\"%s\":{\"count\":%llu,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}", comma,
                    names[i], (unsigned long long)h->count, microseconds(quantile(h, 500)),
                    microseconds(quantile(h, 990)), microseconds(h->max));
            comma = ",";
        }
    }
    fputs("},\"errors\":[", out);
    comma = "";
    for (size_t i = 0; i < s->error_rows; i++) {
        const struct error_row *row = &s->errors[i];
        fprintf(out, "%s{\"step\":\"%s\",\"code\":%d,\"count\":%llu,\"what\":\"%s\"}", comma,
                names[row->step], row->code, (unsigned long long)row->count, row->what);
        comma = ",";
    }
    fprintf(out, "],\"other_errors\":%llu", (unsigned long long)s->other_errors);
}
