/* SPDX-License-Identifier: MIT */
/*
 * The syntax of a line: `name = value # comment`. A comment begins the line or follows a blank. A value that
 * begins with a double quote ends with one; inside, \" and \\ stand for " and \, and # is nothing special.
 */
#include "settings/rows.h"

static bool bad(struct line *line_r, const char *why)
{
    *line_r = (struct line){.kind = LINE_BAD, .why = why};
    return false;
}

/* What is wrong with the bytes themselves; NULL when nothing. */
static const char *bad_bytes(struct span text)
{
    if (text.n > LINE_LEN_MAX)
        return "the line is too long";
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c == '\0')
            return "the line has a NUL byte";
        if ((c < ' ' && c != '\t') || c == 0x7F)
            return "the line has a control character";
    }
    return NULL;
}

static bool comment_begins(struct span text, size_t i)
{
    return text.p[i] == '#' && (i == 0 || ascii_is_blank(text.p[i - 1]));
}

/* Length of the value at the start of text, quotes included; false when a quote is wrong. */
static bool quoted_length(struct span text, size_t *len_r, struct line *line_r)
{
    size_t i = 1;
    while (i < text.n && text.p[i] != '"')
        i += text.p[i] == '\\' ? 2 : 1;
    if (i >= text.n)
        return bad(line_r, "the closing quote is missing");
    struct span rest = span_trim(span_skip(text, i + 1));
    if (rest.n > 0 && rest.p[0] != '#')
        return bad(line_r, "there is text behind the closing quote");
    *len_r = i + 1;
    return true;
}

static size_t plain_length(struct span text)
{
    size_t end = 0;
    while (end < text.n && !comment_begins(text, end))
        end++;
    return span_trim((struct span){text.p, end}).n;
}

static bool is_name(struct span name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!ascii_is_alnum(name.p[i]) && name.p[i] != '.' && name.p[i] != '_' && name.p[i] != '-')
            return false;
    return name.n > 0;
}

void line_parse(struct span text, struct line *line_r)
{
    const char *why = bad_bytes(text);
    *line_r = (struct line){.kind = LINE_BLANK};
    if (why != NULL) {
        bad(line_r, why);
        return;
    }
    struct span rest = span_trim(text);
    if (rest.n == 0)
        return;
    if (rest.p[0] == '#') {
        line_r->kind = LINE_COMMENT;
        return;
    }
    if (!span_contains(rest, '=')) {
        bad(line_r, "there is no \"=\" (a line is: name = value)");
        return;
    }
    struct span name = span_trim(span_take(&rest, '='));
    if (!is_name(name)) {
        bad(line_r, "there is no name of a setting before \"=\"");
        return;
    }
    while (rest.n > 0 && ascii_is_blank(rest.p[0]))
        rest = span_skip(rest, 1);
    struct span value = {rest.p, 0};
    if (rest.n > 0 && rest.p[0] == '"') {
        if (!quoted_length(rest, &value.n, line_r))
            return;
    } else {
        value.n = plain_length(rest);
    }
    *line_r = (struct line){LINE_SETTING, name, value, NULL};
}

struct span line_commented_name(struct span text)
{
    struct line line;
    text = span_trim(text);
    if (text.n == 0 || text.p[0] != '#')
        return (struct span){NULL, 0};
    line_parse(span_skip(text, 1), &line);
    return line.kind == LINE_SETTING ? line.name : (struct span){NULL, 0};
}

struct span line_take(struct span *rest, struct span *end_r)
{
    size_t before = rest->n;
    struct span line = span_take(rest, '\n');
    *end_r = (struct span){line.p + line.n, before - rest->n - line.n};
    if (end_r->n > 0 && line.n > 0 && line.p[line.n - 1] == '\r') {
        line.n--;
        end_r->p--;
        end_r->n++;
    }
    return line;
}

void value_unquote(struct span raw, struct buf *out)
{
    if (raw.n < 2 || raw.p[0] != '"') {
        buf_add(out, raw.p, raw.n);
        return;
    }
    for (size_t i = 1; i + 1 < raw.n; i++) {
        if (raw.p[i] == '\\' && i + 2 < raw.n && (raw.p[i + 1] == '"' || raw.p[i + 1] == '\\'))
            i++;
        buf_add_char(out, raw.p[i]);
    }
}

static bool needs_quotes(struct span text)
{
    if (text.n == 0)
        return false;
    if (text.p[0] == '"' || ascii_is_blank(text.p[0]) || ascii_is_blank(text.p[text.n - 1]))
        return true;
    for (size_t i = 0; i < text.n; i++)
        if (comment_begins(text, i))
            return true;
    return false;
}

void value_quote(struct span text, struct buf *out)
{
    if (!needs_quotes(text)) {
        buf_add(out, text.p, text.n);
        return;
    }
    buf_add_char(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"' || text.p[i] == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, text.p[i]);
    }
    buf_add_char(out, '"');
}
