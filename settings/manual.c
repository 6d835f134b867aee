/* SPDX-License-Identifier: MIT */
/* The sample file and doc/settings.md, written from the table. */
#include "settings/rows.h"

enum { COMMENT_WIDTH = 100 };

/* The part of a name before its dot; "general" for names without one. */
static struct span section_of(const char *name)
{
    struct span rest = span_of(name);
    struct span section = span_take(&rest, '.');
    return rest.n > 0 ? section : span_of("general");
}

static bool begins_section(enum row_index i)
{
    if (i == 0)
        return true;
    struct span here = section_of(SETTING_ROWS[i].name), before = section_of(SETTING_ROWS[i - 1].name);
    return here.n != before.n || memcmp(here.p, before.p, here.n) != 0;
}

/* text as comment lines, broken at blanks. */
static void add_comment(const char *text, struct buf *out)
{
    struct span rest = span_of(text);
    size_t column = 0;
    while (rest.n > 0) {
        struct span word = span_take(&rest, ' ');
        if (column > 0 && column + 1 + word.n > COMMENT_WIDTH) {
            buf_add_char(out, '\n');
            column = 0;
        }
        buf_printf(out, column == 0 ? "# %.*s" : " %.*s", (int)word.n, word.p);
        column += word.n + (column == 0 ? 2 : 1);
    }
    buf_add_char(out, '\n');
}

/* "duration, 1s to 5m", "choice: 1.2, 1.3, 1.1 or 1.0", "list, at most 64 items", "text". */
static void add_kind(enum row_index i, struct buf *out)
{
    const struct row *row = &SETTING_ROWS[i];
    struct buf bounds = BUF_INIT(WHY_MAX);
    settings_bounds(i, &bounds);
    buf_add_str(out, settings_info(i)->kind);
    if (row->kind == KIND_WORD)
        buf_printf(out, ": %s", buf_str(&bounds));
    else if (row->kind == KIND_LIST && row->min == 0 && bounds.len > 0)
        buf_printf(out, ", at most %llu items", (unsigned long long)row->max);
    else if (bounds.len > 0)
        buf_printf(out, ", %s%s", buf_str(&bounds), row->kind == KIND_LIST ? " items" : "");
    buf_free(&bounds);
}

static const char *when_text(enum setting_when when)
{
    static const char *const TEXTS[] = {
        [WHEN_RELOAD] = "in force after a reload",
        [WHEN_RESTART] = "in force after a restart",
        [WHEN_LATER] = "NOT IN FORCE in this version, which does not have what it governs",
    };
    return TEXTS[when];
}

void settings_sample(struct buf *out)
{
    const struct settings *defaults = settings_defaults();
    buf_add_str(
        out,
        "# Gatepost's settings: name = value.\n"
        "#\n"
        "# All of them stand here with their defaults; take the # off to change one. Lists are separated by\n"
        "# spaces or commas and may go on in a further line of the same name. Durations: 90s 10m 1h 5d.\n"
        "# Sizes: 512 64K 50M 2G. A # behind a blank begins a comment, unless the value is in \"double "
        "quotes\".\n"
        "# `gatepost settings check` says what is wrong; `gatepost settings set NAME VALUE` changes one.\n");
    for (enum row_index i = 0; i < ROW_COUNT; i++) {
        const struct row *row = &SETTING_ROWS[i];
        struct span section = section_of(row->name);
        struct buf kind = BUF_INIT(WHY_MAX), value = BUF_INIT(WHY_MAX);
        add_kind(i, &kind);
        settings_value(defaults, i, &value);
        if (begins_section(i))
            buf_printf(out, "\n# ---- %.*s ----\n", (int)section.n, section.p);
        buf_add_char(out, '\n');
        add_comment(row->text, out);
        buf_printf(out, "# (%s; %s)\n", buf_str(&kind), when_text(row->when));
        buf_printf(out, "#%s =%s%s\n", row->name, value.len > 0 ? " " : "", buf_str(&value));
        buf_free(&kind);
        buf_free(&value);
    }
    settings_release(&defaults);
}

void settings_manual(struct buf *out)
{
    const struct settings *defaults = settings_defaults();
    buf_add_str(out, "# Settings\n\n"
                     "Made from the table of settings (`settings/table.h`); do not edit it by hand: "
                     "`gatepost settings manual` prints it.\n\n"
                     "The file is `/etc/gatepost/gatepost.conf`, or the one that `-c FILE` names. A line is "
                     "`name = value`; `#` begins a\n"
                     "comment at the start of a line or behind a blank. Values in `\"double quotes\"` may "
                     "hold a `#`; inside, `\\\"` and `\\\\`\n"
                     "stand for `\"` and `\\`. Lists are separated by spaces or commas, and a list may go on "
                     "in further lines of the same\n"
                     "name; any other setting stands once. Durations are `90s`, `10m`, `1h`, `5d`; sizes are "
                     "`512`, `64K`, `50M`, `2G`.\n"
                     "A file with a mistake is refused as a whole: the server does not start with it, and a "
                     "reload keeps the old settings.\n");
    for (enum row_index i = 0; i < ROW_COUNT; i++) {
        const struct row *row = &SETTING_ROWS[i];
        struct span section = section_of(row->name);
        struct buf value = BUF_INIT(WHY_MAX);
        if (begins_section(i))
            buf_printf(out, "\n## %.*s\n", (int)section.n, section.p);
        buf_printf(out, "\n### %s\n\n%s\n\nKind: ", row->name, row->text);
        add_kind(i, out);
        settings_value(defaults, i, &value);
        if (value.len > 0)
            buf_printf(out, ". Default: `%s`", buf_str(&value));
        else
            buf_add_str(out, ". Default: empty");
        buf_printf(out, "; %s.\n", when_text(row->when));
        buf_free(&value);
    }
    settings_release(&defaults);
}
