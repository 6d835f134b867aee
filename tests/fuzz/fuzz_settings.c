/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the parser of settings, and what must hold of it: a file that is taken says the same when its values
 * are written out and read again; a change of one setting leaves a file that says just that.
 */
#include <stdlib.h>

#include "settings/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_same_value(const struct settings *a, const struct settings *b, enum row_index i)
{
    struct buf x = BUF_INIT((size_t)2 * FILE_SIZE_MAX), y = BUF_INIT((size_t)2 * FILE_SIZE_MAX);
    value_print(a, i, &x);
    value_print(b, i, &y);
    if (strcmp(buf_str(&x), buf_str(&y)) != 0)
        abort();
    buf_free(&x);
    buf_free(&y);
}

/* A long list, written out, goes on several lines, as the parser wants it. */
static void add_list(const struct settings *s, const struct row *row, struct buf *out)
{
    const struct setting_list *list = (const void *)((const char *)s + row->offset);
    for (size_t i = 0; i < list->n; i++)
        buf_printf(out, "%s = %s\n", row->name, list->items[i]);
    if (list->n == 0)
        buf_printf(out, "%s =\n", row->name);
}

static void write_out(const struct settings *s, struct buf *out)
{
    for (enum row_index i = 0; i < ROW_COUNT; i++) {
        if (SETTING_ROWS[i].kind == KIND_LIST) {
            add_list(s, &SETTING_ROWS[i], out);
        } else {
            buf_printf(out, "%s = ", SETTING_ROWS[i].name);
            settings_value(s, i, out);
            buf_add_str(out, "\n");
        }
    }
}

static void read_again(const struct settings *s)
{
    struct buf text = BUF_INIT((size_t)64 * FILE_SIZE_MAX), error = BUF_INIT(65536);
    write_out(s, &text);
    const struct settings *again = settings_parse(span_from(buf_str(&text), text.len), "again", &error);
    if (again == NULL) {
        fprintf(stderr, "%s\n", buf_str(&error));
        abort();
    }
    for (enum row_index i = 0; i < ROW_COUNT; i++)
        assert_same_value(s, again, i);
    settings_release(&again);
    buf_free(&text);
    buf_free(&error);
}

/* Each of these goes with every other setting. */
static const struct {
    enum row_index row;
    const char *value;
} CHANGES[] = {{ROW_tls_ciphers, " # \"odd\" \\"},
               {ROW_queue_retry, "1m 2m"},
               {ROW_limit_errors, "7"},
               {ROW_queue_retry, NULL}};

static void change(struct span text, const struct settings *s)
{
    for (size_t k = 0; k < COUNT_OF(CHANGES); k++) {
        struct buf edited = BUF_INIT((size_t)2 * FILE_SIZE_MAX), error = BUF_INIT(65536),
                   value = BUF_INIT(65536);
        settings_edit(text, CHANGES[k].row, CHANGES[k].value, &edited);
        const struct settings *changed =
            settings_parse(span_from(buf_str(&edited), edited.len), "edited", &error);
        if (changed == NULL &&
            strstr(buf_str(&error), "the line is too long") == NULL) /* a comment may fill a line */
            abort();
        for (enum row_index i = 0; i < ROW_COUNT && changed != NULL; i++)
            if (i != CHANGES[k].row)
                assert_same_value(s, changed, i);
        if (changed != NULL && CHANGES[k].value != NULL) {
            value_print(changed, CHANGES[k].row, &value);
            if (strcmp(buf_str(&value), CHANGES[k].value) != 0)
                abort();
        }
        settings_release(&changed);
        buf_free(&edited);
        buf_free(&error);
        buf_free(&value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = span_from(data, size);
    struct buf error = BUF_INIT(65536);
    const struct settings *s = settings_parse(text, "fuzz", &error);
    if ((s == NULL) != (error.len > 0))
        abort();
    if (s != NULL) {
        read_again(s);
        change(text, s);
    }
    settings_release(&s);
    buf_free(&error);
    return 0;
}
