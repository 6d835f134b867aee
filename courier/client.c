/* SPDX-License-Identifier: MIT */
/* A client connection up to the point where MAIL may be said. */
#include "courier/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#define SECONDS(n) ((uint64_t)(n)*1000)
#define MINUTES(n) SECONDS(60 * (n))

/* RFC 5321, section 4.5.3.2; the first three it does not name. */
const struct client_waits CLIENT_WAITS = {
    .lookup = SECONDS(30),
    .connect = SECONDS(30),
    .handshake = MINUTES(1),
    .greeting = MINUTES(5),
    .command = MINUTES(5),
    .data_start = MINUTES(2),
    .data_block = MINUTES(3),
    .data_end = MINUTES(10),
    .quit = SECONDS(2), /* nothing depends on it any more */
};

/* ---- saying and hearing ---- */

bool client_say(struct client *c, const void *data, size_t n, uint64_t wait_ms)
{
    enum link_result r = c->broken ? LINK_CLOSED : link_write(c->link, data, n, wait_ms);
    c->broken = r != LINK_OK;
    c->cancelled = c->cancelled || r == LINK_CANCELLED;
    return !c->broken;
}

bool client_hear(struct client *c, uint64_t wait_ms)
{
    uint64_t deadline = clock_mono_ms() + wait_ms;
    reply_clear(&c->reply);
    while (!c->reply.complete) {
        struct span line;
        uint64_t now = clock_mono_ms();
        /* Longer than the 512 bytes of RFC 5321, section 4.5.3.1.5: some servers explain themselves at
         * length. */
        enum link_result r =
            link_read_line(c->link, LINK_LINE_MAX, deadline > now ? deadline - now : 0, &line);
        c->cancelled = c->cancelled || r == LINK_CANCELLED;
        if (r != LINK_OK || !reply_add_line(&c->reply, line)) {
            c->broken = true;
            return false;
        }
    }
    c->broken = c->broken || c->reply.code == 421;
    return true;
}

const char *client_trouble(const struct client *c)
{
    const char *text = link_error(c->link);
    return text[0] != '\0' ? text : "what it said is no reply of SMTP";
}

const char *client_status(const struct client *c)
{
    return c->reply.enhanced[0] == '0' + c->reply.code / 100 ? c->reply.enhanced : "";
}

static bool command(struct client *c, const char *line)
{
    return client_say(c, line, strlen(line), c->waits.command) && client_hear(c, c->waits.command);
}

/* ---- what went wrong ---- */

static bool fail(struct client *c, struct outcome *why_r, enum cause_id cause, const char *where)
{
    outcome_set(why_r, c->cancelled ? VERDICT_NONE : VERDICT_DEFERRED, cause, "%s: %s", where,
                client_trouble(c));
    return false;
}

/* The server answered, but not what was hoped for. */
static bool fail_reply(struct client *c, struct outcome *why_r, enum cause_id cause, const char *where)
{
    outcome_set_reply(why_r, VERDICT_DEFERRED, cause, where, buf_str(&c->reply.text), "");
    if (client_status(c)[0] == '4')
        snprintf(why_r->status, sizeof why_r->status, "%s", client_status(c));
    return false;
}

/* ---- steps ---- */

static bool greet(struct client *c, struct outcome *why_r)
{
    if (!client_hear(c, c->waits.greeting))
        return fail(c, why_r, CAUSE_DELIVERY_UNREACHABLE, "waiting for the greeting");
    return c->reply.code == 220 || fail_reply(c, why_r, CAUSE_DELIVERY_UNREACHABLE, "the greeting was");
}

static void note_auth(struct client *c, struct span mechanisms)
{
    while (mechanisms.n > 0) {
        struct span word = span_take(&mechanisms, ' ');
        c->features |= span_equal_nocase(word, "PLAIN") ? FEATURE_AUTH_PLAIN : 0U;
        c->features |= span_equal_nocase(word, "LOGIN") ? FEATURE_AUTH_LOGIN : 0U;
    }
}

static void note_feature(struct client *c, struct span line)
{
    static const struct {
        const char *keyword;
        unsigned feature;
    } known[] = {{"STARTTLS", FEATURE_STARTTLS},
                 {"PIPELINING", FEATURE_PIPELINING},
                 {"8BITMIME", FEATURE_8BITMIME},
                 {"SIZE", FEATURE_SIZE}};
    struct span keyword = span_take(&line, ' ');
    for (size_t i = 0; i < COUNT_OF(known); i++)
        c->features |= span_equal_nocase(keyword, known[i].keyword) ? known[i].feature : 0U;
    if (span_equal_nocase(keyword, "SIZE"))
        parse_uint(span_trim(line), 1, UINT64_MAX, &c->size_max);
    else if (span_equal_nocase(keyword, "AUTH"))
        note_auth(c, line);
    else if (span_starts_nocase(keyword, "AUTH=")) { /* how servers before RFC 2554 wrote it */
        note_auth(c, span_skip(keyword, 5));
        note_auth(c, line);
    }
}

static void note_features(struct client *c)
{
    struct span rest = span_of(buf_str(&c->reply.text));
    c->features = FEATURE_EHLO;
    c->size_max = 0;
    span_take(&rest, '\n'); /* its name and greeting */
    while (rest.n > 0)
        note_feature(c, span_skip(span_take(&rest, '\n'), 4));
}

static bool hello(struct client *c, const char *hostname, struct outcome *why_r)
{
    char line[300];
    snprintf(line, sizeof line, "%s %.255s\r\n", c->protocol == CLIENT_LMTP ? "LHLO" : "EHLO", hostname);
    if (!command(c, line))
        return fail(c, why_r, CAUSE_DELIVERY_UNREACHABLE, "after EHLO");
    if (c->reply.code / 100 == 2) {
        note_features(c);
        return true;
    }
    if (c->protocol == CLIENT_LMTP || c->reply.code / 100 != 5)
        return fail_reply(c, why_r, CAUSE_DELIVERY_UNREACHABLE, "after EHLO");
    c->features = 0;
    snprintf(line, sizeof line, "HELO %.255s\r\n", hostname); /* RFC 5321, section 3.2 */
    if (!command(c, line))
        return fail(c, why_r, CAUSE_DELIVERY_UNREACHABLE, "after HELO");
    return c->reply.code / 100 == 2 || fail_reply(c, why_r, CAUSE_DELIVERY_UNREACHABLE, "after HELO");
}

static bool handshake(struct client *c, const struct client_policy *policy, struct outcome *why_r)
{
    enum link_check check = policy->tls == CLIENT_TLS_OPPORTUNISTIC ? LINK_CHECK_NONE : LINK_CHECK;
    enum link_result r = link_start_tls(c->link, c->host, check, policy->ca_file, c->waits.handshake);
    c->broken = r != LINK_OK;
    c->cancelled = r == LINK_CANCELLED;
    return !c->broken || fail(c, why_r, CAUSE_DELIVERY_TLS, "TLS");
}

/* STARTTLS (RFC 3207). What was said before it is forgotten, so EHLO is said again (section 4.2). */
static bool upgrade(struct client *c, const struct client_policy *policy, struct outcome *why_r)
{
    bool offered = (c->features & FEATURE_STARTTLS) != 0;
    if (policy->tls == CLIENT_TLS_NONE || policy->tls == CLIENT_TLS_IMPLICIT ||
        (policy->tls == CLIENT_TLS_OPPORTUNISTIC && !offered))
        return true;
    if (!offered) {
        outcome_set(why_r, VERDICT_DEFERRED, CAUSE_DELIVERY_TLS, "the server does not offer STARTTLS");
        return false;
    }
    if (!command(c, "STARTTLS\r\n"))
        return fail(c, why_r, CAUSE_DELIVERY_TLS, "after STARTTLS");
    if (c->reply.code != 220)
        return fail_reply(c, why_r, CAUSE_DELIVERY_TLS, "after STARTTLS");
    return handshake(c, policy, why_r) && hello(c, policy->hostname, why_r);
}

/* ---- login (RFC 4954) ---- */

static bool say_base64(struct client *c, const char *verb, struct span secret)
{
    struct buf line = BUF_INIT(4096);
    bool ok = buf_add_str(&line, verb) && base64_encode(secret, &line) && buf_add(&line, "\r\n", 2) &&
              client_say(c, line.data, line.len, c->waits.command) && client_hear(c, c->waits.command);
    c->broken = c->broken || line.overflow;
    buf_cleanse(&line);
    return ok;
}

static bool auth_plain(struct client *c, const struct client_policy *policy) /* RFC 4616 */
{
    struct buf secret = BUF_INIT(2048);
    bool ok = buf_add_char(&secret, '\0') && buf_add_str(&secret, policy->user) &&
              buf_add_char(&secret, '\0') && buf_add(&secret, policy->password.p, policy->password.n) &&
              say_base64(c, "AUTH PLAIN ", span_from(secret.data, secret.len));
    buf_cleanse(&secret);
    return ok;
}

static bool auth_login(struct client *c, const struct client_policy *policy)
{
    bool ok = command(c, "AUTH LOGIN\r\n");
    if (ok && c->reply.code == 334)
        ok = say_base64(c, "", span_of(policy->user));
    if (ok && c->reply.code == 334)
        ok = say_base64(c, "", policy->password);
    return ok;
}

static const char *why_no_login(const struct client *c, const struct client_policy *policy)
{
    if (policy->tls != CLIENT_TLS_NONE && link_tls_text(c->link)[0] == '\0')
        return "no login: the server offers no TLS, and without it the password would be readable by others";
    if ((c->features & (FEATURE_AUTH_PLAIN | FEATURE_AUTH_LOGIN)) == 0)
        return "no login: the server offers neither AUTH PLAIN nor AUTH LOGIN, but relay.user is set";
    if (policy->password.n == 0)
        return "no login: there is no password (relay.password_file)";
    return NULL;
}

static bool login(struct client *c, const struct client_policy *policy, struct outcome *why_r)
{
    if (policy->user[0] == '\0')
        return true;
    const char *why = why_no_login(c, policy);
    if (why != NULL) {
        outcome_set(why_r, VERDICT_DEFERRED, CAUSE_DELIVERY_LOGIN, "%s", why);
        return false;
    }
    bool heard = (c->features & FEATURE_AUTH_PLAIN) != 0 ? auth_plain(c, policy) : auth_login(c, policy);
    if (!heard)
        return fail(c, why_r, CAUSE_DELIVERY_LOGIN, "after AUTH");
    return c->reply.code == 235 || fail_reply(c, why_r, CAUSE_DELIVERY_LOGIN, "after AUTH");
}

/* ---- opening and closing ---- */

static bool set_up(struct client *c, const struct client_policy *policy, struct outcome *why_r)
{
    return (policy->tls != CLIENT_TLS_IMPLICIT || handshake(c, policy, why_r)) && greet(c, why_r) &&
           hello(c, policy->hostname, why_r) && upgrade(c, policy, why_r) && login(c, policy, why_r);
}

static struct client *make_client(const struct client_target *target, const struct client_policy *policy,
                                  struct link *link, const char *name)
{
    struct client *c = xcalloc(1, sizeof *c);
    c->link = link;
    c->protocol = target->protocol;
    c->waits = *policy->waits;
    c->host = xstrdup(target->path[0] != '\0' ? target->path : target->host);
    c->reply = REPLY_INIT;
    snprintf(c->name, sizeof c->name, "%s", name);
    return c;
}

/* NULL for to: the target is a UNIX socket. */
static struct client *try_address(const struct client_target *target, const struct client_policy *policy,
                                  const struct addr *to, const char *name, struct outcome *why_r)
{
    struct buf error = BUF_INIT(512);
    struct link *link =
        to != NULL ? link_connect(to, policy->waits->connect, policy->cancel_fd, &error)
                   : link_connect_unix(target->path, policy->waits->connect, policy->cancel_fd, &error);
    if (link == NULL) {
        int code = errno;
        outcome_set(why_r, VERDICT_DEFERRED, CAUSE_DELIVERY_UNREACHABLE, "%s", buf_str(&error));
        why_r->error = code;
        buf_free(&error);
        return NULL;
    }
    struct client *c = make_client(target, policy, link, name);
    if (!set_up(c, policy, why_r))
        client_close(&c);
    return c;
}

/* A handshake that fails although TLS was optional: once more without, as other servers do. */
static struct client *try_both(const struct client_target *target, const struct client_policy *policy,
                               const struct addr *to, const char *name, struct outcome *why_r)
{
    struct client *c = try_address(target, policy, to, name, why_r);
    bool again = c == NULL && policy->tls == CLIENT_TLS_OPPORTUNISTIC && policy->user[0] == '\0' &&
                 why_r->cause == CAUSE_DELIVERY_TLS && why_r->verdict != VERDICT_NONE;
    if (!again)
        return c;
    struct client_policy plain = *policy;
    plain.tls = CLIENT_TLS_NONE;
    return try_address(target, &plain, to, name, why_r);
}

static bool was_cancelled(const struct client_policy *policy)
{
    struct pollfd p = {.fd = policy->cancel_fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

static void name_address(const struct client_target *target, const struct addr *to, char *out, size_t n)
{
    char text[ADDR_TEXT_MAX];
    snprintf(out, n, "%s [%s]:%u", target->host, addr_text(to, text), to->port);
}

static struct client *open_tcp(const struct client_target *target, const struct client_policy *policy,
                               struct outcome *why_r, char *name, size_t name_size)
{
    struct addr found[LINK_ADDRESSES_MAX];
    struct buf error = BUF_INIT(512);
    snprintf(name, name_size, "%s:%u", target->host, target->port);
    int n = link_resolve(target->host, target->port, policy->waits->lookup, policy->cancel_fd, found,
                         COUNT_OF(found), &error);
    if (n < 0)
        outcome_set(why_r, VERDICT_DEFERRED, CAUSE_DELIVERY_UNREACHABLE, "%s", buf_str(&error));
    buf_free(&error);
    struct client *c = NULL;
    /* RFC 5321, section 5.1: each address in turn, until one works. */
    for (int i = 0; i < n && c == NULL && !was_cancelled(policy); i++) {
        name_address(target, &found[i], name, name_size);
        c = try_both(target, policy, &found[i], name, why_r);
    }
    return c;
}

struct client *client_open(const struct client_target *target, const struct client_policy *policy,
                           struct outcome *why_r, struct buf *name_r)
{
    char name[sizeof((struct client *)0)->name];
    snprintf(name, sizeof name, "%s", target->path);
    struct client *c = target->path[0] != '\0' ? try_both(target, policy, NULL, name, why_r)
                                               : open_tcp(target, policy, why_r, name, sizeof name);
    if (name_r != NULL)
        buf_add_str(name_r, name);
    if (c != NULL)
        outcome_clear(why_r);
    else if (was_cancelled(policy))
        why_r->verdict = VERDICT_NONE;
    return c;
}

bool client_is_alive(struct client *client)
{
    return !client->broken && link_is_quiet(client->link);
}

void client_close(struct client **client)
{
    struct client *c = *client;
    if (c == NULL)
        return;
    *client = NULL;
    if (!c->broken && client_say(c, "QUIT\r\n", 6, c->waits.quit))
        client_hear(c, c->waits.quit); /* RFC 5321, section 4.1.1.10: wait for the answer */
    link_close(&c->link);
    buf_free(&c->reply.text);
    free(c->host);
    free(c);
}
