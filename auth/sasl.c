/* SPDX-License-Identifier: MIT */
/*
 * SASL (RFC 4422): PLAIN and LOGIN as a table of mechanisms over decoded bytes. To support another one, add a
 * row and its feed function.
 *
 * Names and passwords are taken as bytes: no SASLprep (RFC 4013), because clients in the field send what was
 * typed, in whatever encoding the password was set in, and the hash compares bytes.
 */
#include <stdlib.h>

#include "auth/auth.h"

enum { FIELD_MAX = 16384 }; /* account and password each; RFC 4616, section 2 asks for 255 at least */

struct mechanism {
    const char *name, *log_name;
    /* One decoded response; returns what comes next. */
    enum sasl_step (*feed)(struct sasl *s, struct span response, const char **challenge_r);
    const char *opening; /* challenge when the client sent no initial response */
};

enum stage { STAGE_START, STAGE_ASKED, STAGE_ACCOUNT_KNOWN, STAGE_ENDED };

struct sasl {
    const struct mechanism *mechanism;
    enum stage stage;
    bool done;
    struct buf account, password;
};

static bool take(struct buf *field, struct span bytes)
{
    return !span_contains(bytes, '\0') && buf_add(field, bytes.p, bytes.n);
}

/*
 * RFC 4616, section 2: message = [authzid] NUL authcid NUL passwd. An empty password is let through: it is
 * nobody's, and "wrong password" helps the person behind such a client more than "malformed".
 */
static enum sasl_step feed_plain(struct sasl *s, struct span response, const char **challenge_r)
{
    (void)challenge_r;
    struct span parts[3];
    size_t n = 0;
    while (n < 2 && span_contains(response, '\0'))
        parts[n++] = span_take(&response, '\0');
    parts[n++] = response;
    if (n < COUNT_OF(parts) || parts[1].n == 0 || !take(&s->account, parts[1]) ||
        !take(&s->password, parts[2]))
        return SASL_MALFORMED;
    /* Nobody acts for somebody else here (RFC 4422, section 3.4.1). */
    if (parts[0].n > 0 && !span_equal_nocase(parts[0], buf_str(&s->account)))
        return SASL_MALFORMED;
    return SASL_DONE;
}

/* draft-murchison-sasl-login-00; the challenges are those that all servers send, and some clients compare. */
static enum sasl_step feed_login(struct sasl *s, struct span response, const char **challenge_r)
{
    if (s->stage == STAGE_ACCOUNT_KNOWN)
        return take(&s->password, response) ? SASL_DONE : SASL_MALFORMED;
    if (response.n == 0 || !take(&s->account, response))
        return SASL_MALFORMED;
    s->stage = STAGE_ACCOUNT_KNOWN;
    *challenge_r = "Password:";
    return SASL_CONTINUE;
}

static const struct mechanism mechanisms[] = {
    {"PLAIN", "plain", feed_plain, ""},
    {"LOGIN", "login", feed_login, "Username:"},
};

const char *sasl_mechanisms(void)
{
    return "PLAIN LOGIN";
}

struct sasl *sasl_make(struct span name)
{
    for (size_t i = 0; i < COUNT_OF(mechanisms); i++) {
        if (!span_equal_nocase(name, mechanisms[i].name))
            continue;
        struct sasl *s = xcalloc(1, sizeof *s);
        s->mechanism = &mechanisms[i];
        buf_init(&s->account, FIELD_MAX);
        buf_init(&s->password, FIELD_MAX);
        return s;
    }
    return NULL;
}

void sasl_free(struct sasl **s)
{
    if (*s == NULL)
        return;
    buf_cleanse(&(*s)->account);
    buf_cleanse(&(*s)->password);
    free(*s);
    *s = NULL;
}

const char *sasl_name(const struct sasl *s)
{
    return s->mechanism->log_name;
}

/*
 * An empty initial response ("=", RFC 4954, section 4) is taken as none: neither mechanism has a use for it,
 * and clients that send it wait for the challenge.
 */
enum sasl_step sasl_feed(struct sasl *s, bool has_response, struct span response, const char **challenge_r)
{
    *challenge_r = "";
    if (s->stage == STAGE_ENDED)
        return SASL_MALFORMED;
    if (s->stage == STAGE_START) {
        s->stage = STAGE_ASKED;
        if (!has_response || response.n == 0) {
            *challenge_r = s->mechanism->opening;
            return SASL_CONTINUE;
        }
    }
    enum sasl_step step = s->mechanism->feed(s, response, challenge_r);
    s->done = step == SASL_DONE;
    if (step != SASL_CONTINUE)
        s->stage = STAGE_ENDED;
    return step;
}

static struct span field(const struct sasl *s, const struct buf *b)
{
    return s->done ? span_from(buf_str(b), b->len) : span_of("");
}

struct span sasl_account(const struct sasl *s)
{
    return field(s, &s->account);
}

struct span sasl_password(const struct sasl *s)
{
    return field(s, &s->password);
}
