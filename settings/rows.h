/* SPDX-License-Identifier: MIT */
/*
 * The settings table as data, and what its rows need of each other: values by kind, the syntax of lines,
 * checks. Private to this room and its tests.
 */
#ifndef GP_SETTINGS_ROWS_H
#define GP_SETTINGS_ROWS_H

#include "settings/settings.h"

enum {
    FILE_SIZE_MAX = 1 << 20,
    LINE_LEN_MAX = 16384, /* a longer list goes on several lines */
    HOST_TEXT_MAX = 256,  /* RFC 1035, section 2.3.4, and a NUL */
    QUOTED_MAX = 80,      /* of what a file says, in a message about it */
    WHY_MAX = 1024,       /* one reason; what is quoted in it is cut well before */
};

enum row_index {
#define SETTING(kind, field, ...) ROW_##field,
#include "settings/table.h"
#undef SETTING
    ROW_COUNT
};

enum kind { KIND_TEXT, KIND_FLAG, KIND_COUNT, KIND_SIZE, KIND_TIME, KIND_LIST, KIND_WORD };

struct row {
    const char *name, *fallback, *text;
    size_t offset; /* of the field in struct settings */
    uint64_t min, max;
    enum kind kind;
    enum setting_when when;
};
extern const struct row SETTING_ROWS[ROW_COUNT];

/* ---- values (values.c) ---- */
/*
 * Puts text (without quotes) into field i: replaces it, or adds to it for a list. False with the reason in
 * *why ("must be 1s to 5m") and the field as it was.
 */
bool value_set(struct settings *s, enum row_index i, struct span text, struct buf *why);
/* Back to nothing; frees what the field held. */
void value_clear(struct settings *s, enum row_index i);
/* As text without quotes. */
void value_print(const struct settings *s, enum row_index i, struct buf *out);

/* ---- what a value must look like beyond its kind, and what rows demand of each other (check.c) ---- */
/* Of one value, or one item of a list. False with the reason. */
bool check_value(enum row_index i, struct span text, struct buf *why);
/* A domain as it stands behind @ (host.c). */
bool domain_valid(struct span text);
/* Calls mistake for everything that is wrong between rows; at is the row to blame. */
typedef void check_mistake(void *arg, enum row_index at, const char *reason);
void check_together(const struct settings *s, check_mistake *mistake, void *arg);

/* ---- lines (lines.c) ---- */
enum line_kind { LINE_BLANK, LINE_COMMENT, LINE_SETTING, LINE_BAD };
struct line {
    enum line_kind kind;
    struct span name;
    struct span value; /* as written, quotes included; all of these point into the text that was parsed */
    const char *why;   /* LINE_BAD */
};
/* text is one line without its line end. */
void line_parse(struct span text, struct line *line_r);
/* The name in a comment line of the shape "#name = value"; empty when it has another. */
struct span line_commented_name(struct span text);
/* Takes a line off *rest, without its line end (LF or CRLF), which goes to *end_r. */
struct span line_take(struct span *rest, struct span *end_r);
/* The value without its quotes, and with those that it needs. */
void value_unquote(struct span raw, struct buf *out);
void value_quote(struct span text, struct buf *out);

/* ---- whole files ---- */
/* What settings_load does with a file's content (parse.c). */
const struct settings *settings_parse(struct span text, const char *path, struct buf *error);
/* Empty holders and defaults (settings.c). */
struct settings *settings_make(const char *path);
/* text with row i set to value (NULL: taken out), the rest as it was (edit.c). */
void settings_edit(struct span text, enum row_index i, const char *value, struct buf *out);

#endif
