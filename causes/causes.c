/* SPDX-License-Identifier: MIT */
/* The catalogue as an array, and templates filled in. */
#include "causes/causes.h"

enum { VALUE_MAX = 200 };

static const struct cause CAUSES[CAUSE_COUNT] = {
    [CAUSE_NONE] = {"", "", WHO_NOBODY, 0, "", "", TELL_TEXT, "", ""},
#define CAUSE(name, id, title, who, code, enhanced, text, tell, user_fix, admin_fix)                         \
    [CAUSE_##name] = {id, title, who, code, enhanced, text, tell, user_fix, admin_fix},
#include "causes/table.h"
#undef CAUSE
};

const struct cause *cause_get(enum cause_id id)
{
    return &CAUSES[id];
}

enum cause_id cause_find(const char *id)
{
    for (enum cause_id i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++)
        if (strcmp(CAUSES[i].id, id) == 0)
            return i;
    return CAUSE_NONE;
}

enum cause_id cause_told(enum cause_id id)
{
    return id == CAUSE_AUTH_STALE ? CAUSE_AUTH_WRONG : id;
}

const char *cause_who_text(enum cause_who who)
{
    static const char *const texts[] = {
        [WHO_USER] = "user",
        [WHO_ADMINISTRATOR] = "administrator",
        [WHO_NETWORK] = "network",
        [WHO_NOBODY] = "nobody",
    };
    return texts[who];
}

/* ---- templates ---- */

/*
 * The value in ASCII, for a reply may have nothing else (RFC 5321, section 4.2, textstring): byte by byte, so
 * that no UTF-8 passes. What comes after VALUE_MAX bytes of the escaped form is cut, never within an escape.
 */
static void add_value(struct buf *out, const char *value)
{
    static const char more[] = "...";
    struct buf escaped = BUF_INIT(VALUE_MAX);
    size_t fits = 0; /* what stays when the rest has to give way to the dots */
    for (const char *c = value; *c != '\0' && !escaped.overflow; c++) {
        text_escape(&escaped, span_from(c, 1), 1);
        if (escaped.len <= VALUE_MAX - strlen(more))
            fits = escaped.len;
    }
    if (!escaped.overflow)
        buf_add(out, buf_str(&escaped), escaped.len);
    else if (buf_add(out, buf_str(&escaped), fits))
        buf_add_str(out, more);
    buf_free(&escaped);
}

static const char *find_value(struct span name, const struct cause_arg *args, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (args[i].value != NULL && span_equal(name, args[i].name))
            return args[i].value;
    return "-";
}

void cause_fill(struct buf *out, const char *text, const struct cause_arg *args, size_t n)
{
    struct span rest = span_of(text);
    while (rest.n > 0) {
        bool opened = span_contains(rest, '{');
        struct span plain = span_take(&rest, '{');
        buf_add(out, plain.p, plain.n);
        if (opened) {
            struct span name = span_take(&rest, '}');
            add_value(out, find_value(name, args, n));
        }
    }
}
