/* SPDX-License-Identifier: MIT */
/*
 * settings: one table (settings/table.h) of name, type, default, range and text. The parser, the sample file,
 * doc/settings.md and `gatepost settings` are made from it. A set of settings never changes once it was read; a
 * reload makes a new one, and whoever still holds the old one keeps it until released.
 */
#ifndef GP_SETTINGS_H
#define GP_SETTINGS_H

#include "base/base.h"

struct setting_list {
    char **items;
    size_t n;
};

#define SETTING_TYPE_TEXT  char *              /* free text; "" when not set */
#define SETTING_TYPE_FLAG  bool                /* yes | no */
#define SETTING_TYPE_COUNT uint64_t            /* a number */
#define SETTING_TYPE_SIZE  uint64_t            /* bytes */
#define SETTING_TYPE_TIME  uint64_t            /* seconds */
#define SETTING_TYPE_LIST  struct setting_list /* words, separated by spaces or commas */
#define SETTING_TYPE_WORD  unsigned            /* one of the words of the default column, "a|b|c": index of the word */

struct settings {
#define SETTING(kind, field, name, fallback, min, max, when, text) SETTING_TYPE_##kind field;
#include "settings/table.h"
#undef SETTING
    char *path; /* the file it was read from; "" for defaults only */
};

/*
 * Reads the file and checks every row, and what rows demand of each other. Returns a set that the caller holds (release it),
 * or NULL with one line per mistake in *error ("FILE:LINE: reason", with "did you mean" for an unknown name).
 */
const struct settings *settings_load(const char *path, struct buf *error);
/* The same from an open descriptor (the worker gets one from the keeper); path is only for messages. */
const struct settings *settings_load_fd(int fd, const char *path, struct buf *error);

/* One more holder, one less; the last one frees. Any thread. settings_release nulls the pointer. */
const struct settings *settings_hold(const struct settings *s);
void settings_release(const struct settings **s);

/* The place where the settings in force are found: one a process. Any thread. */
struct settings_cell;
struct settings_cell *settings_cell_make(const struct settings *first); /* takes over the caller's hold */
void settings_cell_free(struct settings_cell **cell);
const struct settings *settings_cell_get(struct settings_cell *cell);   /* the caller holds the result */
void settings_cell_set(struct settings_cell *cell, const struct settings *next); /* takes over the caller's hold */

/* ---- what the command line needs of the table ---- */
enum setting_when { WHEN_RELOAD, WHEN_RESTART };
struct setting_info {
    const char *name, *kind, *fallback, *text; /* kind in words for people: "yes or no", "duration", ... */
    enum setting_when when;
};
size_t settings_count(void);
const struct setting_info *settings_info(size_t i);
/* Writes the value of row i as it would stand in the file. */
void settings_value(const struct settings *s, size_t i, struct buf *out);
/* Row of that name, or -1; then *near_r names the most similar one, or NULL. near_r may be NULL. */
int settings_find(const char *name, const char **near_r);
/*
 * Sets name to value in the file at path: checked as a whole first, comments and order kept, replaced atomically, mode and
 * owner kept; value NULL takes the line out again. 0, or -1 with the reason in *error and the file untouched.
 */
int settings_file_set(const char *path, const char *name, const char *value, struct buf *error);
/* The sample file with a comment per setting, and doc/settings.md. */
void settings_sample(struct buf *out);
void settings_manual(struct buf *out);

#endif
