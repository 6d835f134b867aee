/* SPDX-License-Identifier: MIT */
/* Names of hosts and domains, and HOST:PORT. */
#include <arpa/inet.h>

#include "settings/rows.h"

enum { LABEL_MAX = 63 };

/* ---- names of hosts and domains (RFC 1035, section 2.3.1, with RFC 1123, section 2.1) ---- */

static bool is_label(struct span label)
{
    if (label.n == 0 || label.n > LABEL_MAX || label.p[0] == '-' || label.p[label.n - 1] == '-')
        return false;
    for (size_t i = 0; i < label.n; i++)
        if (!ascii_is_alnum(label.p[i]) && label.p[i] != '-')
            return false;
    return true;
}

/* An address, or a mistake in one; never a name: the last label of a name is not a number. */
static bool is_digits_and_dots(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        if (!ascii_is_digit(text.p[i]) && text.p[i] != '.')
            return false;
    return true;
}

bool domain_valid(struct span text)
{
    if (text.n == 0 || text.n >= HOST_TEXT_MAX || text.p[text.n - 1] == '.' || is_digits_and_dots(text))
        return false;
    while (text.n > 0)
        if (!is_label(span_take(&text, '.')))
            return false;
    return true;
}

static bool is_address_of(struct span text, uint8_t family)
{
    char copy[ADDR_TEXT_MAX];
    struct in6_addr bytes;
    if (text.n >= sizeof copy || span_contains(text, '\0'))
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    return inet_pton(family, copy, &bytes) == 1;
}

/* Host names may have "_": people's own networks do. */
static bool is_host(struct span text)
{
    if (text.n == 0 || text.n >= HOST_TEXT_MAX || text.p[0] == '.' || text.p[0] == '-')
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (!ascii_is_alnum(text.p[i]) && !span_contains(span_of(".-_"), text.p[i]))
            return false;
    return !is_digits_and_dots(text) || is_address_of(text, AF_INET);
}

/* ---- HOST:PORT ---- */

/* Splits "host:port", "[v6]:port", "host", "[v6]" without judging either part; *port_r has n 0 when there is
 * none. */
static bool split_host(struct span text, struct span *host_r, bool *v6_r, struct span *port_r)
{
    struct span rest = text;
    *v6_r = text.n > 0 && text.p[0] == '[';
    if (*v6_r) {
        rest = span_skip(rest, 1);
        if (!span_contains(rest, ']'))
            return false;
        *host_r = span_take(&rest, ']');
        *port_r = span_skip(rest, 1);
        return rest.n == 0 || (rest.p[0] == ':' && rest.n > 1);
    }
    bool colon = span_contains(text, ':');
    *host_r = span_take(&rest, ':');
    *port_r = rest;
    return !colon || rest.n > 0;
}

bool settings_parse_host(struct span text, uint16_t fallback_port, char host_r[HOST_TEXT_MAX],
                         uint16_t *port_r)
{
    struct span host, port;
    bool v6;
    uint64_t number = fallback_port;
    if (!split_host(text, &host, &v6, &port))
        return false;
    if (v6 ? !is_address_of(host, AF_INET6) : !is_host(host))
        return false;
    if (port.n > 0 ? !parse_uint(port, 1, UINT16_MAX, &number) : number == 0)
        return false;
    memcpy(host_r, host.p, host.n);
    host_r[host.n] = '\0';
    *port_r = (uint16_t)number;
    return true;
}

bool settings_parse_listen(const char *text, char host_r[64], uint16_t *port_r)
{
    char host[HOST_TEXT_MAX];
    uint64_t number = 0;
    if (text[0] == '*' && text[1] == ':') {
        if (!parse_uint(span_of(text + 2), 1, UINT16_MAX, &number))
            return false;
        memcpy(host_r, "*", 2);
        *port_r = (uint16_t)number;
        return true;
    }
    uint16_t port = 0;
    if (!settings_parse_host(span_of(text), 0, host, &port) || strlen(host) >= ADDR_TEXT_MAX)
        return false;
    memcpy(host_r, host, strlen(host) + 1);
    *port_r = port;
    return true;
}
