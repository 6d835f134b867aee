/* SPDX-License-Identifier: MIT */
/* A whole file: every line, every mistake with its line, then what rows demand of each other. */
#include <stdarg.h>
#include <stdlib.h>

#include "settings/rows.h"

enum { MISTAKES_MAX = 50 };

struct reader {
    struct settings *s;
    const char *path;
    struct buf *error;
    unsigned mistakes;
    unsigned line;               /* the one that is being read */
    unsigned line_of[ROW_COUNT]; /* where a row was set, last; 0: nowhere */
};

__attribute__((format(printf, 3, 4))) static void mistake(struct reader *r, unsigned line, const char *format,
                                                          ...)
{
    struct buf text = BUF_INIT(8192);
    va_list ap;
    if (++r->mistakes > MISTAKES_MAX)
        return;
    if (r->error->len > 0)
        buf_add_char(&text, '\n');
    if (line > 0)
        buf_printf(&text, "%s:%u: ", r->path, line);
    else
        buf_printf(&text, "%s: ", r->path);
    va_start(ap, format);
    buf_vprintf(&text, format, ap);
    va_end(ap);
    buf_add(r->error, buf_str(&text), text.len);
    buf_free(&text);
}

static void mistake_unknown(struct reader *r, struct span name)
{
    struct buf shown = BUF_INIT(WHY_MAX);
    const char *near = NULL;
    char *copy = span_dup(name);
    settings_find(copy, &near);
    text_escape(&shown, name, QUOTED_MAX);
    if (near != NULL)
        mistake(r, r->line, "unknown setting \"%s\"; did you mean %s?", buf_str(&shown), near);
    else
        mistake(r, r->line, "unknown setting \"%s\"", buf_str(&shown));
    buf_free(&shown);
    free(copy);
}

static int find_row(struct span name)
{
    char *copy = span_dup(name);
    int i = settings_find(copy, NULL);
    free(copy);
    return i;
}

static void read_setting(struct reader *r, const struct line *line)
{
    int found = find_row(line->name);
    if (found < 0) {
        mistake_unknown(r, line->name);
        return;
    }
    enum row_index i = (enum row_index)found;
    const struct row *row = &SETTING_ROWS[i];
    if (r->line_of[i] > 0 && row->kind != KIND_LIST) {
        mistake(r, r->line, "%s is set a second time (line %u sets it, too)", row->name, r->line_of[i]);
        return;
    }
    if (r->line_of[i] == 0 && row->kind == KIND_LIST)
        value_clear(r->s, i); /* the first line replaces the default, further ones add */
    r->line_of[i] = r->line;

    struct buf value = BUF_INIT(LINE_LEN_MAX), why = BUF_INIT(WHY_MAX);
    value_unquote(line->value, &value);
    struct span text = span_from(buf_str(&value), value.len);
    if (!value_set(r->s, i, text, &why))
        mistake(r, r->line, "%s %s", row->name, buf_str(&why));
    buf_free(&value);
    buf_free(&why);
}

static void read_lines(struct reader *r, struct span text)
{
    while (text.n > 0) {
        struct span end;
        struct line line;
        r->line++;
        line_parse(line_take(&text, &end), &line);
        if (line.kind == LINE_SETTING)
            read_setting(r, &line);
        else if (line.kind == LINE_BAD)
            mistake(r, r->line, "%s", line.why);
    }
}

static void mistake_together(void *arg, enum row_index at, const char *reason)
{
    struct reader *r = arg;
    mistake(r, r->line_of[at], "%s %s", SETTING_ROWS[at].name, reason);
}

const struct settings *settings_parse(struct span text, const char *path, struct buf *error)
{
    struct reader r = {.s = settings_make(path), .path = path, .error = error};
    const struct settings *made = r.s;
    read_lines(&r, text);
    if (r.mistakes == 0) /* else they would be consequences */
        check_together(r.s, mistake_together, &r);
    if (r.mistakes > MISTAKES_MAX)
        buf_printf(error, "\n%s: and %u more", path, r.mistakes - MISTAKES_MAX);
    if (r.mistakes > 0)
        settings_release(&made);
    return made;
}
