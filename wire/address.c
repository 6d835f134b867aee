/* SPDX-License-Identifier: MIT */
/*
 * Addresses and paths (RFC 5321, section 4.1.2). Each take_ function takes its piece off the start of a span
 * and leaves the rest; it fails with a text for people, and then where the span stands does not matter.
 */
#include "wire/wire.h"

enum { LABEL_MAX = 63 }; /* RFC 1035, section 2.3.4 */

static bool fail(const char **why_r, const char *text)
{
    *why_r = text;
    return false;
}

static bool starts_with(struct span s, char c)
{
    return s.n > 0 && s.p[0] == c;
}

static bool take_char(struct span *s, char c)
{
    if (!starts_with(*s, c))
        return false;
    *s = span_skip(*s, 1);
    return true;
}

/* What is wrong with a byte that fits nowhere. */
static const char *stray_byte(char c)
{
    if ((unsigned char)c >= 0x80)
        return "only ASCII characters are possible";
    if (ascii_is_blank(c))
        return "blank in the address";
    return c < ' ' || c == 0x7F ? "control character in the address" : "unexpected character in the address";
}

/* RFC 5322, section 3.2.3 */
static bool is_atext(char c)
{
    return ascii_is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Dot-string = Atom *("."  Atom) */
static bool take_dot_string(struct span *s, const char **why_r)
{
    do {
        size_t n = 0;
        while (n < s->n && is_atext(s->p[n]))
            n++;
        if (n == 0)
            return fail(why_r, s->n == 0 || span_contains(span_of(".@>"), s->p[0])
                                   ? "misplaced dot, or nothing, before the @"
                                   : stray_byte(s->p[0]));
        *s = span_skip(*s, n);
    } while (take_char(s, '.'));
    return true;
}

/* Quoted-string = DQUOTE *QcontentSMTP DQUOTE */
static bool take_quoted_string(struct span *s, const char **why_r)
{
    *s = span_skip(*s, 1);
    while (s->n > 0 && s->p[0] != '"') {
        if (take_char(s, '\\') && s->n == 0)
            break;
        if (s->p[0] < ' ' || s->p[0] > '~') /* where char is signed, 8-bit bytes are below the blank */
            return fail(why_r, stray_byte(s->p[0]));
        *s = span_skip(*s, 1);
    }
    return take_char(s, '"') || fail(why_r, "no closing quote");
}

static bool take_local_part(struct span *s, const char **why_r)
{
    const char *start = s->p;
    bool ok = starts_with(*s, '"') ? take_quoted_string(s, why_r) : take_dot_string(s, why_r);
    if (ok && s->p - start > LOCAL_PART_MAX)
        return fail(why_r, "more than 64 characters before the @");
    return ok;
}

/* sub-domain = Let-dig [Ldh-str] */
static bool take_label(struct span *s, const char **why_r)
{
    size_t n = 0;
    while (n < s->n && (ascii_is_alnum(s->p[n]) || s->p[n] == '-'))
        n++;
    if (n == 0)
        return fail(why_r, s->n == 0 || s->p[0] == '.' || s->p[0] == '>' ? "misplaced dot in the domain"
                                                                         : stray_byte(s->p[0]));
    if (s->p[0] == '-' || s->p[n - 1] == '-')
        return fail(why_r, "hyphen at the edge of a part of the domain");
    if (n > LABEL_MAX)
        return fail(why_r, "part of the domain longer than 63 characters");
    *s = span_skip(*s, n);
    return true;
}

/*
 * address-literal (section 4.1.3): IPv4, or IPv6 with its tag; no other kind was ever registered. Numbers as
 * inet_pton takes them: an octet with leading zeros is refused, since others read it as octal.
 */
static bool take_literal(struct span *s, const char **why_r)
{
    static const char tag[] = "IPv6:";
    char text[ADDR_TEXT_MAX];
    struct addr ip;
    *s = span_skip(*s, 1);
    if (!span_contains(*s, ']'))
        return fail(why_r, "no closing bracket behind the IP address");
    struct span inside = span_take(s, ']');
    bool tagged = span_starts_nocase(inside, tag);
    if (tagged)
        inside = span_skip(inside, sizeof tag - 1);
    if (inside.n >= sizeof text || span_contains(inside, '\0') || span_contains(inside, ':') != tagged)
        return fail(why_r, "not an IP address in the brackets");
    memcpy(text, inside.p, inside.n);
    text[inside.n] = '\0';
    return addr_parse(text, &ip) || fail(why_r, "not an IP address in the brackets");
}

static bool take_domain(struct span *s, const char **why_r)
{
    if (starts_with(*s, '['))
        return take_literal(s, why_r);
    const char *start = s->p;
    if (s->n == 0 || s->p[0] == '>')
        return fail(why_r, "nothing behind the @");
    do {
        if (!take_label(s, why_r))
            return false;
    } while (take_char(s, '.'));
    return s->p - start <= DOMAIN_MAX || fail(why_r, "domain longer than 255 characters");
}

/* Mailbox = Local-part "@" ( Domain / address-literal ) */
static bool take_mailbox(struct span *s, bool domain_needed, struct address *out_r, const char **why_r)
{
    const char *start = s->p;
    if (!take_local_part(s, why_r))
        return false;
    size_t local_len = (size_t)(s->p - start);
    if (take_char(s, '@')) {
        if (!take_domain(s, why_r))
            return false;
    } else if (domain_needed || !span_equal_nocase(span_from(start, local_len), "postmaster")) {
        return fail(why_r, s->n == 0 || s->p[0] == '>' ? "no domain" : stray_byte(s->p[0]));
    }
    size_t n = (size_t)(s->p - start);
    memcpy(out_r->text, start, n);
    out_r->text[n] = '\0';
    out_r->local_len = (uint16_t)local_len;
    return true;
}

/* A-d-l ":" of a source route: "MUST BE accepted, SHOULD NOT be generated, and SHOULD be ignored". */
static bool take_route(struct span *s, const char **why_r)
{
    if (!starts_with(*s, '@'))
        return true;
    do {
        if (!take_char(s, '@'))
            return fail(why_r, "malformed source route");
        if (!take_domain(s, why_r))
            return false;
    } while (take_char(s, ','));
    return take_char(s, ':') || fail(why_r, "malformed source route");
}

bool path_parse(struct span *rest, enum path_kind kind, struct address *out_r, const char **why_r)
{
    struct span s = *rest;
    struct address a = {0};
    while (s.n > 0 && ascii_is_blank(s.p[0]))
        s = span_skip(s, 1);
    if (s.n == 0)
        return fail(why_r, "no address");
    bool bracket = take_char(&s, '<');
    bool null = bracket && starts_with(s, '>');
    if (null && kind == PATH_FORWARD)
        return fail(why_r, "the null address cannot receive");
    if (!null && (!take_route(&s, why_r) || !take_mailbox(&s, kind == PATH_REVERSE, &a, why_r)))
        return false;
    if (bracket && !take_char(&s, '>'))
        return fail(why_r, s.n == 0 ? "no closing bracket" : stray_byte(s.p[0]));
    if (s.n > 0 && !ascii_is_blank(s.p[0]))
        return fail(why_r, bracket ? "no blank behind the closing bracket" : stray_byte(s.p[0]));
    *out_r = a;
    *rest = s;
    return true;
}

bool address_parse(struct span text, struct address *out_r, const char **why_r)
{
    struct address a = {0};
    if (text.n == 0)
        return fail(why_r, "no address");
    if (!take_mailbox(&text, true, &a, why_r))
        return false;
    if (text.n > 0)
        return fail(why_r, stray_byte(text.p[0]));
    *out_r = a;
    return true;
}

const char *address_domain(const struct address *a)
{
    const char *at = a->text + a->local_len;
    return *at == '@' ? at + 1 : at;
}

void address_fold_domain(struct address *a)
{
    ascii_lower_str(a->text + a->local_len);
}

void address_fold(struct address *a)
{
    ascii_lower_str(a->text);
}
