/* SPDX-License-Identifier: MIT */
/* What a value must look like beyond its kind, and what rows demand of each other. */
#include <stdlib.h>
#include <sys/un.h>

#include "settings/rows.h"

enum { LOCAL_PART_LEN_MAX = 64 };

static bool refuse(struct buf *why, const char *reason)
{
    buf_add_str(why, reason);
    return false;
}

/* ---- values ---- */

static bool check_set(struct span text, struct buf *why)
{
    return text.n > 0 || refuse(why, "needs a value");
}

static bool check_domain(struct span text, struct buf *why)
{
    return domain_valid(text) || refuse(why, "must be a domain such as example.com");
}

static bool check_listen(struct span text, struct buf *why)
{
    char host[ADDR_TEXT_MAX], *copy = span_dup(text);
    uint16_t port = 0;
    bool ok = settings_parse_listen(copy, host, &port);
    free(copy);
    return ok ||
           refuse(why, "must be an address with a port, such as *:587, 192.0.2.1:587 or [2001:db8::1]:587");
}

static bool check_smarthost(struct span text, struct buf *why)
{
    char host[HOST_TEXT_MAX];
    uint16_t port = 0;
    return settings_parse_host(text, 25, host, &port) ||
           refuse(why, "must be HOST or HOST:PORT, such as smtp.example.com:587");
}

/* RFC 5322, section 3.2.3: what an unquoted local part is made of, dots aside. */
static bool is_atext(char c)
{
    return ascii_is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool is_local_part(struct span text)
{
    if (text.n == 0 || text.n > LOCAL_PART_LEN_MAX || text.p[text.n - 1] == '.')
        return false;
    while (text.n > 0) {
        struct span atom = span_take(&text, '.');
        if (atom.n == 0)
            return false;
        for (size_t i = 0; i < atom.n; i++)
            if (!is_atext(atom.p[i]))
                return false;
    }
    return true;
}

static bool check_address(struct span text, struct buf *why)
{
    struct span domain = text;
    struct span local = span_take(&domain, '@');
    return (is_local_part(local) && domain_valid(domain)) ||
           refuse(why, "must be an address such as postmaster@example.com");
}

/* An absolute path that only has the place-holders we fill in. */
static bool is_template(struct span path)
{
    if (path.n < 2 || path.p[0] != '/')
        return false;
    for (size_t i = 0; i < path.n; i++) {
        if (path.p[i] != '%')
            continue;
        if (++i >= path.n || (path.p[i] != 'u' && path.p[i] != 'n' && path.p[i] != 'd'))
            return false;
    }
    return true;
}

static bool check_delivery(struct span text, struct buf *why)
{
    char host[HOST_TEXT_MAX];
    uint16_t port = 0;
    struct span rest = text;
    struct span kind = span_take(&rest, ':');
    bool ok = false;
    if (span_equal(kind, "maildir"))
        ok = is_template(rest);
    else if (span_equal(kind, "lmtp") && span_starts_nocase(rest, "unix:"))
        ok = is_template(span_skip(rest, strlen("unix:")));
    else if (span_equal(kind, "lmtp"))
        ok = settings_parse_host(rest, 0, host, &port);
    return ok ||
           refuse(why,
                  "must be maildir:/PATH, lmtp:unix:/PATH or lmtp:HOST:PORT (in PATH only %u, %n and %d)");
}

static bool check_url(struct span text, struct buf *why)
{
    bool web = span_starts_nocase(text, "https://") || span_starts_nocase(text, "http://");
    for (size_t i = 0; i < text.n; i++)
        web = web && text.p[i] > ' ' && text.p[i] <= '~'; /* it stands in replies: RFC 5321, section 4.2 */
    return web || refuse(why, "must be an address such as https://example.com");
}

static bool check_wait(struct span text, struct buf *why)
{
    enum { WAIT_MIN = 1, WAIT_MAX = 30 * 86400 };
    uint64_t seconds = 0;
    return (parse_duration(text, &seconds) && seconds >= WAIT_MIN && seconds <= WAIT_MAX) ||
           refuse(why, "must have durations between 1s and 30d");
}

static bool check_block_for(struct span text, struct buf *why)
{
    enum { BLOCK_MIN = 1, BLOCK_MAX = 366 * 86400 };
    uint64_t seconds = 0;
    return span_equal(text, "forever") ||
           (parse_duration(text, &seconds) && seconds >= BLOCK_MIN && seconds <= BLOCK_MAX) ||
           refuse(why, "must be a duration between 1s and 366d, such as 1h, or forever");
}

static bool is_network(struct span text)
{
    struct addr address;
    unsigned bits;
    return settings_parse_network(text, &address, &bits);
}

static bool check_allow(struct span text, struct buf *why)
{
    return is_network(text) || domain_valid(text) ||
           refuse(why, "must have addresses, networks such as 192.0.2.0/24, or host names");
}

static bool check_never(struct span text, struct buf *why)
{
    return span_equal(text, "loopback") || span_equal(text, "own") || is_network(text) ||
           refuse(why, "must have addresses, networks such as 192.0.2.0/24, or the words loopback and own");
}

static const struct {
    bool (*check)(struct span text, struct buf *why);
    bool may_be_empty;
} CHECKS[ROW_COUNT] = {
    [ROW_hostname] = {check_domain, true},
    [ROW_data_dir] = {check_set, false},
    [ROW_user] = {check_set, false},
    [ROW_listen_smtp] = {check_listen, true},
    [ROW_listen_submission] = {check_listen, true},
    [ROW_listen_submissions] = {check_listen, true},
    [ROW_guard_block_for] = {check_block_for, false},
    [ROW_guard_allow] = {check_allow, true},
    [ROW_guard_never] = {check_never, true},
    [ROW_local_domains] = {check_domain, true},
    [ROW_local_delivery] = {check_delivery, false},
    [ROW_local_postmaster] = {check_address, true},
    [ROW_relay_smarthost] = {check_smarthost, true},
    [ROW_queue_retry] = {check_wait, true},
    [ROW_log_file] = {check_set, false},
    [ROW_help_url] = {check_url, true},
};

bool check_value(enum row_index i, struct span text, struct buf *why)
{
    if (CHECKS[i].check == NULL || (text.n == 0 && CHECKS[i].may_be_empty))
        return true;
    return CHECKS[i].check(text, why);
}

/* ---- together ---- */

struct together {
    const struct settings *s;
    check_mistake *mistake;
    void *arg;
};

static bool check_list_lengths(const struct together *t)
{
    bool ok = true;
    for (enum row_index i = 0; i < ROW_COUNT; i++) {
        const struct row *row = &SETTING_ROWS[i];
        if (row->kind != KIND_LIST || row->max == 0)
            continue;
        const struct setting_list *list = (const void *)((const char *)t->s + row->offset);
        if (list->n >= row->min && list->n <= row->max)
            continue;
        struct buf why = BUF_INIT(WHY_MAX);
        buf_printf(&why, "has %zu items; it must have ", list->n);
        settings_bounds(i, &why);
        t->mistake(t->arg, i, buf_str(&why));
        buf_free(&why);
        ok = false;
    }
    return ok;
}

struct listening {
    enum row_index row;
    const struct setting_list *list;
};

/* The address at place k of all listen.* lists taken as one; NULL past the end. */
static const char *listen_at(const struct listening *lists, size_t n, size_t k, enum row_index *row_r)
{
    for (size_t i = 0; i < n; i++) {
        *row_r = lists[i].row;
        if (k < lists[i].list->n)
            return lists[i].list->items[k];
        k -= lists[i].list->n;
    }
    return NULL;
}

/* Two listeners on one address would share its connections by chance (SO_REUSEPORT). */
static void check_listen_twice(const struct together *t)
{
    const struct settings *s = t->s;
    const struct listening lists[] = {{ROW_listen_smtp, &s->listen_smtp},
                                      {ROW_listen_submission, &s->listen_submission},
                                      {ROW_listen_submissions, &s->listen_submissions}};
    enum row_index row, other;
    const char *address, *earlier;
    for (size_t k = 1; (address = listen_at(lists, COUNT_OF(lists), k, &row)) != NULL; k++) {
        for (size_t j = 0; j < k; j++) {
            earlier = listen_at(lists, COUNT_OF(lists), j, &other);
            if (!text_equal_nocase(address, earlier))
                continue;
            struct buf why = BUF_INIT(WHY_MAX);
            buf_printf(&why, "has %s, which %s has, too", address,
                       row == other ? "it" : SETTING_ROWS[other].name);
            t->mistake(t->arg, row, buf_str(&why));
            buf_free(&why);
            break;
        }
    }
}

static bool is_set(const char *text)
{
    return text[0] != '\0';
}

static void check_tls(const struct together *t)
{
    const struct settings *s = t->s;
    enum row_index by = s->listen_submissions.n > 0 ? ROW_listen_submissions : ROW_listen_submission;
    bool needed = s->listen_submission.n > 0 || s->listen_submissions.n > 0;
    if (is_set(s->tls_certificate) != is_set(s->tls_key))
        t->mistake(t->arg, is_set(s->tls_key) ? ROW_tls_key : ROW_tls_certificate,
                   is_set(s->tls_key) ? "needs tls.certificate, too" : "needs tls.key, too");
    else if (needed && !is_set(s->tls_key))
        t->mistake(t->arg, by, "needs TLS: set tls.certificate and tls.key");
}

static void check_relay(const struct together *t)
{
    const struct settings *s = t->s;
    if (is_set(s->relay_user) && !is_set(s->relay_password_file))
        t->mistake(t->arg, ROW_relay_user, "needs relay.password_file");
    if (is_set(s->relay_user) && !is_set(s->relay_smarthost))
        t->mistake(t->arg, ROW_relay_user, "needs relay.smarthost");
}

static void check_control(const struct together *t)
{
    static const char name[] = "/control.socket";
    enum { PATH_LEN_MAX = sizeof(((struct sockaddr_un *)0)->sun_path) - 1 };
    if (strlen(t->s->control_socket) > PATH_LEN_MAX)
        t->mistake(t->arg, ROW_control_socket, "is longer than the path of a socket may be (107 bytes)");
    else if (!is_set(t->s->control_socket) && strlen(t->s->data_dir) + strlen(name) > PATH_LEN_MAX)
        t->mistake(t->arg, ROW_data_dir,
                   "is too long to hold the control socket: set control.socket to a shorter path");
}

void check_together(const struct settings *s, check_mistake *mistake, void *arg)
{
    static void (*const checks[])(const struct together *) = {check_listen_twice, check_tls, check_relay,
                                                              check_control};
    const struct together t = {s, mistake, arg};
    if (!check_list_lengths(&t))
        return; /* the others go through lists more than once */
    for (size_t i = 0; i < COUNT_OF(checks); i++)
        checks[i](&t);
}
