/* SPDX-License-Identifier: MIT */
/* The pieces that log lines are made of: escaped texts, "(helo) [ip]:port", TLS, login, sender, what was
 * answered. */
#include "journal/parts.h"

bool part_set(const char *text)
{
    return text != NULL && *text != '\0';
}

static bool is_plain(char c)
{
    return c > ' ' && c <= '~' && c != '"' && c != '\\';
}

void part_text(struct buf *out, const char *text, size_t max)
{
    if (!part_set(text))
        return;
    size_t n = 0;
    while (n < max && (is_plain(text[n]) || text[n] == ' '))
        n++;
    buf_add(out, text, n); /* mostly all of it */
    text_escape(out, span_of(text + n), max - n);
}

void part_word(struct buf *out, const char *text)
{
    if (!part_set(text))
        return;
    size_t shown = strnlen(text, SHOW_WORD);
    for (size_t i = 0; i < shown;) {
        size_t begin = i;
        while (i < shown && is_plain(text[i]))
            i++;
        buf_add(out, text + begin, i - begin);
        if (i == shown)
            break;
        if (text[i] == '"' || text[i] == '\\')
            buf_printf(out, "\\%c", text[i]);
        else
            buf_printf(out, "\\%03o", (unsigned)(unsigned char)text[i]);
        i++;
    }
    if (text[shown] != '\0')
        buf_add_str(out, "...");
}

void part_field(struct buf *out, const char *name, const char *text)
{
    if (!part_set(text))
        return;
    buf_add_str(out, name);
    part_word(out, text);
}

void part_number(struct buf *out, const char *before, uint64_t value, const char *behind)
{
    char digits[24];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buf_add_str(out, before);
    buf_add(out, digits + at, sizeof digits - at);
    buf_add_str(out, behind);
}

/* ---- the client: "(helo) [ip]:port" ---- */

/* A HELO that is the client's own address in brackets (RFC 5321, section 4.1.3) tells nothing new, and Exim
 * leaves it out. */
static bool helo_is_peer(const struct event *e)
{
    static const char tag[] = "IPv6:";
    struct span inner = span_of(e->helo);
    struct addr said = {0};
    char text[ADDR_TEXT_MAX];
    if (inner.n < 2 || inner.n >= sizeof text || inner.p[0] != '[' || inner.p[inner.n - 1] != ']')
        return false;
    inner = span_from(inner.p + 1, inner.n - 2);
    if (span_starts_nocase(inner, tag))
        inner = span_skip(inner, sizeof tag - 1);
    snprintf(text, sizeof text, "%.*s", (int)inner.n, inner.p);
    return addr_parse(text, &said) && addr_equal(&said, &e->peer);
}

void part_host(struct buf *out, const struct event *e)
{
    char text[ADDR_TEXT_MAX];
    if (part_set(e->helo) && !helo_is_peer(e)) {
        buf_add_char(out, '(');
        part_word(out, e->helo);
        buf_add(out, ") ", 2);
    }
    buf_add_char(out, '[');
    buf_add_str(out, addr_text(&e->peer, text));
    buf_add_char(out, ']');
    if (e->peer.port != 0)
        part_number(out, ":", e->peer.port, "");
}

void part_elapsed(struct buf *out, const struct event *e)
{
    static const struct {
        uint64_t seconds;
        const char *letter;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}};
    uint64_t rest = e->elapsed_ms / 1000;
    if (e->elapsed_ms == 0)
        return;
    buf_add_str(out, " D=");
    if (rest == 0)
        buf_add(out, "0s", 2);
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (rest >= units[i].seconds)
            part_number(out, "", rest / units[i].seconds, units[i].letter);
        rest %= units[i].seconds;
    }
}

void part_tls(struct buf *out, const struct event *e)
{
    if (!part_set(e->tls))
        return;
    part_field(out, " X=", e->tls);
    buf_add_str(out, " CV=no"); /* no client certificate is asked for */
}

void part_login(struct buf *out, const struct event *e)
{
    if (!part_set(e->login))
        return;
    buf_add_str(out, " A=");
    part_word(out, part_set(e->mechanism) ? e->mechanism : "unknown");
    part_field(out, ":", e->login);
}

void part_sender(struct buf *out, const struct event *e)
{
    buf_add_str(out, " F=<");
    part_word(out, e->sender);
    buf_add_char(out, '>');
}

/* ---- what was answered ---- */

static void add_cause_text(struct buf *out, const struct event *e)
{
    char port[NUMBER_TEXT_MAX], address[ADDR_TEXT_MAX];
    snprintf(port, sizeof port, "%u", e->local.port);
    const char *at = part_set(e->recipient) ? strrchr(e->recipient, '@') : NULL;
    const struct cause_arg args[] = {
        {"port", port},
        {"address", addr_text(&e->peer, address)},
        {"helo", e->helo},
        {"account", part_set(e->login) ? e->login : e->account},
        {"sender", e->sender},
        {"recipient", e->recipient},
        {"domain", at != NULL ? at + 1 : NULL},
        {"mechanism", e->mechanism},
        {"remote", e->remote},
        {"answer", e->answer},
        {"reason", e->detail},
        {"expected", e->detail},
        {"parameter", e->detail},
        {"path", e->detail},
    };
    /* In the log everything is about this host: its name in front of a 421 (RFC 5321, section 4.2.3) would
     * say nothing. */
    static const char own_name[] = "{hostname} ";
    const char *text = cause_get(e->cause)->text;
    if (strncmp(text, own_name, sizeof own_name - 1) == 0)
        text += sizeof own_name - 1;
    struct cause_arg known[COUNT_OF(args)];
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(args); i++)
        if (part_set(args[i].value))
            known[n++] = args[i];
    cause_fill(out, text, known, n);
}

void part_reply(struct buf *out, const struct event *e)
{
    if (part_set(e->reply))
        part_text(out, e->reply, SHOW_TEXT);
    else if (e->cause != CAUSE_NONE)
        add_cause_text(out, e);
    else
        part_text(out, e->detail, SHOW_TEXT);
}

int part_reply_code(const struct event *e)
{
    return e->code != 0 ? e->code : cause_get(e->cause)->code;
}
