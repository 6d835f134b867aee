/* SPDX-License-Identifier: MIT */
/* The table as an array, and finding rows in it. */
#include "settings/rows.h"

#define SETTING(kind, field, name, fallback, min, max, when, text)                                           \
    _Static_assert((uint64_t)(min) <= (uint64_t)(max), name ": the bounds are crossed");
#include "settings/table.h"
#undef SETTING

const struct row SETTING_ROWS[ROW_COUNT] = {
#define SETTING(kind, field, name, fallback, min, max, when, text)                                           \
    {name, fallback, text, offsetof(struct settings, field), min, max, KIND_##kind, WHEN_##when},
#include "settings/table.h"
#undef SETTING
};

#define KIND_NAME_TEXT  "text"
#define KIND_NAME_FLAG  "yes or no"
#define KIND_NAME_COUNT "number"
#define KIND_NAME_SIZE  "size"
#define KIND_NAME_TIME  "duration"
#define KIND_NAME_LIST  "list"
#define KIND_NAME_WORD  "choice"

static const struct setting_info INFOS[ROW_COUNT] = {
#define SETTING(kind, field, name, fallback, min, max, when, text)                                           \
    {name, KIND_NAME_##kind, fallback, text, WHEN_##when},
#include "settings/table.h"
#undef SETTING
};

size_t settings_count(void)
{
    return ROW_COUNT;
}

const struct setting_info *settings_info(size_t i)
{
    return &INFOS[i];
}

/* Adds the words of "a|b|c" as "a, b or c". */
static void add_words(const char *words, struct buf *out)
{
    struct span rest = span_of(words);
    struct span word = span_take(&rest, '|');
    buf_add(out, word.p, word.n);
    while (rest.n > 0) {
        word = span_take(&rest, '|');
        buf_add_str(out, rest.n > 0 ? ", " : " or ");
        buf_add(out, word.p, word.n);
    }
}

void settings_bounds(size_t i, struct buf *out)
{
    const struct row *row = &SETTING_ROWS[i];
    char min[NUMBER_TEXT_MAX], max[NUMBER_TEXT_MAX];
    if (row->kind == KIND_WORD) {
        add_words(row->fallback, out);
    } else if (row->max > 0) {
        void (*format)(uint64_t, char *) = row->kind == KIND_TIME ? format_duration : format_size;
        bool plain = row->kind == KIND_COUNT || row->kind == KIND_LIST;
        if (!plain) {
            format(row->min, min);
            format(row->max, max);
        } else {
            snprintf(min, sizeof min, "%llu", (unsigned long long)row->min);
            snprintf(max, sizeof max, "%llu", (unsigned long long)row->max);
        }
        buf_printf(out, "%s to %s", min, max);
    }
}

/* The part behind the last dot: people remember "certificate" rather than "tls.certificate". */
static const char *last_part(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL ? dot + 1 : name;
}

/* The first row whose name goes on where name ends. */
static const char *find_longer(const char *name)
{
    enum { ENOUGH = 3 };
    size_t len = strlen(name);
    for (size_t i = 0; i < ROW_COUNT && len >= ENOUGH; i++)
        if (strncmp(name, SETTING_ROWS[i].name, len) == 0)
            return SETTING_ROWS[i].name;
    return NULL;
}

static const char *find_like(const char *name)
{
    unsigned best = strlen(name) < 8 ? 2 : 3; /* more edits than that make another word */
    const char *near = NULL;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        unsigned distance = text_distance(name, SETTING_ROWS[i].name, best);
        if (distance <= best && (near == NULL || distance < best)) {
            best = distance;
            near = SETTING_ROWS[i].name;
        }
    }
    return near;
}

static const char *find_near(const char *name)
{
    const char *near = find_longer(name);
    if (near == NULL)
        near = find_like(name);
    for (size_t i = 0; i < ROW_COUNT && near == NULL; i++)
        if (strcmp(last_part(name), last_part(SETTING_ROWS[i].name)) == 0)
            near = SETTING_ROWS[i].name;
    return near;
}

int settings_find(const char *name, const char **near_r)
{
    for (int i = 0; i < ROW_COUNT; i++)
        if (strcmp(name, SETTING_ROWS[i].name) == 0)
            return i;
    if (near_r != NULL)
        *near_r = find_near(name);
    return -1;
}
