/* SPDX-License-Identifier: MIT */
/* Values by kind: from text, to text, and back to nothing. One row of KINDS per kind. */
#include <stdlib.h>

#include "settings/rows.h"

static void *field_of(struct settings *s, enum row_index i)
{
    return (char *)s + SETTING_ROWS[i].offset;
}

static const void *field_of_const(const struct settings *s, enum row_index i)
{
    return (const char *)s + SETTING_ROWS[i].offset;
}

/* Ends a reason with what was there instead. Always false. */
static bool refuse(struct buf *why, struct span text)
{
    if (text.n > 0) {
        buf_add_str(why, ", not \"");
        text_escape(why, text, QUOTED_MAX);
        buf_add_char(why, '"');
    }
    return false;
}

static bool has_bounds(const struct row *row)
{
    return row->max > 0;
}

/* ---- text ---- */

static bool set_text(void *field, const struct row *row, struct span text, struct buf *why)
{
    char **to = field;
    (void)row, (void)why;
    free(*to);
    *to = span_dup(text);
    return true;
}

static void print_text(const void *field, const struct row *row, struct buf *out)
{
    char *const *text = field;
    (void)row;
    buf_add_str(out, *text != NULL ? *text : "");
}

static void clear_text(void *field)
{
    char **text = field;
    free(*text);
    *text = NULL;
}

/* ---- yes or no ---- */

static bool set_flag(void *field, const struct row *row, struct span text, struct buf *why)
{
    bool *to = field;
    (void)row;
    if (!span_equal_nocase(text, "yes") && !span_equal_nocase(text, "no")) {
        buf_add_str(why, "must be yes or no");
        return refuse(why, text);
    }
    *to = span_equal_nocase(text, "yes");
    return true;
}

static void print_flag(const void *field, const struct row *row, struct buf *out)
{
    (void)row;
    buf_add_str(out, *(const bool *)field ? "yes" : "no");
}

static void clear_flag(void *field)
{
    *(bool *)field = false;
}

/* ---- numbers ---- */

static bool parse_count(struct span text, uint64_t *out_r)
{
    return parse_uint(text, 0, UINT64_MAX, out_r);
}

static void format_count(uint64_t value, char out[NUMBER_TEXT_MAX])
{
    snprintf(out, NUMBER_TEXT_MAX, "%llu", (unsigned long long)value);
}

/* What makes a kind of number; form says how to write one. */
static bool set_number(uint64_t *to, const struct row *row, struct span text, const char *form,
                       bool (*parse)(struct span, uint64_t *), struct buf *why)
{
    uint64_t value = 0;
    if (!parse(text, &value)) {
        buf_printf(why, "must be %s", form);
    } else if (has_bounds(row) && (value < row->min || value > row->max)) {
        buf_add_str(why, "must be ");
        settings_bounds((size_t)(row - SETTING_ROWS), why);
    } else {
        *to = value;
        return true;
    }
    return refuse(why, text);
}

static bool set_count(void *field, const struct row *row, struct span text, struct buf *why)
{
    return set_number(field, row, text, "a number", parse_count, why);
}

static bool set_size(void *field, const struct row *row, struct span text, struct buf *why)
{
    return set_number(field, row, text, "a size such as 512, 64K, 50M or 2G", parse_size, why);
}

static bool set_time(void *field, const struct row *row, struct span text, struct buf *why)
{
    return set_number(field, row, text, "a duration such as 90s, 10m, 1h or 5d", parse_duration, why);
}

static void print_number(const void *field, void (*format)(uint64_t, char *), struct buf *out)
{
    char text[NUMBER_TEXT_MAX];
    format(*(const uint64_t *)field, text);
    buf_add_str(out, text);
}

static void print_count(const void *field, const struct row *row, struct buf *out)
{
    (void)row;
    print_number(field, format_count, out);
}

static void print_size(const void *field, const struct row *row, struct buf *out)
{
    (void)row;
    print_number(field, format_size, out);
}

static void print_time(const void *field, const struct row *row, struct buf *out)
{
    (void)row;
    print_number(field, format_duration, out);
}

static void clear_number(void *field)
{
    *(uint64_t *)field = 0;
}

/* ---- lists ---- */

/* Takes the next word off *rest; an empty span at the end. */
static struct span take_item(struct span *rest)
{
    size_t at = 0, end;
    while (at < rest->n && (ascii_is_blank(rest->p[at]) || rest->p[at] == ','))
        at++;
    for (end = at; end < rest->n && !ascii_is_blank(rest->p[end]) && rest->p[end] != ','; end++)
        ;
    struct span item = {rest->p + at, end - at};
    *rest = span_skip(*rest, end);
    return item;
}

static bool check_items(const struct row *row, struct span text, struct buf *why)
{
    struct span item;
    while (item = take_item(&text), item.n > 0)
        if (!check_value((enum row_index)(row - SETTING_ROWS), item, why))
            return refuse(why, item);
    return true;
}

static bool set_list(void *field, const struct row *row, struct span text, struct buf *why)
{
    struct setting_list *list = field;
    struct span item;
    if (!check_items(row, text, why))
        return false;
    while (item = take_item(&text), item.n > 0) {
        if ((list->n & (list->n - 1)) == 0) /* grown at each power of two */
            list->items = xrealloc(list->items, (list->n == 0 ? 1 : 2 * list->n) * sizeof *list->items);
        list->items[list->n++] = span_dup(item);
    }
    return true;
}

static void print_list(const void *field, const struct row *row, struct buf *out)
{
    const struct setting_list *list = field;
    (void)row;
    for (size_t i = 0; i < list->n; i++)
        buf_printf(out, "%s%s", i > 0 ? " " : "", list->items[i]);
}

static void clear_list(void *field)
{
    struct setting_list *list = field;
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct setting_list){0};
}

/* ---- words ---- */

static bool set_word(void *field, const struct row *row, struct span text, struct buf *why)
{
    struct span rest = span_of(row->fallback);
    for (unsigned i = 0; rest.n > 0; i++) {
        struct span word = span_take(&rest, '|');
        if (word.n == text.n && memcmp(word.p, text.p, word.n) == 0) {
            *(unsigned *)field = i;
            return true;
        }
    }
    buf_add_str(why, "must be ");
    settings_bounds((size_t)(row - SETTING_ROWS), why);
    return refuse(why, text);
}

static void print_word(const void *field, const struct row *row, struct buf *out)
{
    struct span rest = span_of(row->fallback), word = span_take(&rest, '|');
    for (unsigned i = *(const unsigned *)field; i > 0; i--)
        word = span_take(&rest, '|');
    buf_add(out, word.p, word.n);
}

static void clear_word(void *field)
{
    *(unsigned *)field = 0;
}

/* ---- by kind ---- */

static const struct {
    bool (*set)(void *field, const struct row *row, struct span text, struct buf *why);
    void (*print)(const void *field, const struct row *row, struct buf *out);
    void (*clear)(void *field);
    bool needs_value; /* an empty one is a mistake */
    bool whole;       /* check_value looks at the whole of it */
} KINDS[] = {
    [KIND_TEXT] = {set_text, print_text, clear_text, false, true},
    [KIND_FLAG] = {set_flag, print_flag, clear_flag, true, false},
    [KIND_COUNT] = {set_count, print_count, clear_number, true, false},
    [KIND_SIZE] = {set_size, print_size, clear_number, true, false},
    [KIND_TIME] = {set_time, print_time, clear_number, true, false},
    [KIND_LIST] = {set_list, print_list, clear_list, false, false},
    [KIND_WORD] = {set_word, print_word, clear_word, true, false},
};

bool value_set(struct settings *s, enum row_index i, struct span text, struct buf *why)
{
    const struct row *row = &SETTING_ROWS[i];
    if (text.n == 0 && KINDS[row->kind].needs_value) {
        buf_add_str(why, "needs a value");
        return false;
    }
    if (KINDS[row->kind].whole && !check_value(i, text, why))
        return refuse(why, text);
    return KINDS[row->kind].set(field_of(s, i), row, text, why);
}

void value_clear(struct settings *s, enum row_index i)
{
    KINDS[SETTING_ROWS[i].kind].clear(field_of(s, i));
}

void value_print(const struct settings *s, enum row_index i, struct buf *out)
{
    KINDS[SETTING_ROWS[i].kind].print(field_of_const(s, i), &SETTING_ROWS[i], out);
}
