/* SPDX-License-Identifier: MIT */
/* MAIL and RCPT: the envelope (RFC 5321, sections 4.1.1.2 and 4.1.1.3; RFC 6409). */
#include <stdlib.h>

#include "smtp/server.h"

void transaction_end(struct session *s)
{
    struct transaction *tx = s->tx;
    if (tx == NULL)
        return;
    s->tx = NULL;
    spool_in_abort(&tx->in);
    header_filter_free(&tx->filter);
    for (size_t i = 0; i < tx->recipient_count; i++)
        free(tx->recipients[i]);
    free(tx->recipients);
    free(tx);
}

/* Takes "FROM:" or "TO:" off the front. */
static bool take_word(struct span *args, const char *word)
{
    if (!span_starts_nocase(*args, word))
        return false;
    *args = span_skip(*args, strlen(word));
    return true;
}

/* ---- parameters: tables of what each verb takes ---- */

struct parameter {
    const char *key;
    enum cause_id (*take)(struct session *s, struct span value);
};

/* RFC 1870, section 3: 20 digits at most, which may be more than we can count. */
static enum cause_id take_size(struct session *s, struct span value)
{
    uint64_t size = UINT64_MAX;
    for (size_t i = 0; i < value.n; i++)
        if (!ascii_is_digit(value.p[i]))
            return CAUSE_PARAMETER_SYNTAX;
    if (value.n == 0 || value.n > 20)
        return CAUSE_PARAMETER_SYNTAX;
    parse_uint(value, 0, UINT64_MAX, &size);
    return size > s->settings->message_max_size ? CAUSE_MESSAGE_TOO_LARGE : CAUSE_NONE;
}

static enum cause_id take_body(struct session *s, struct span value) /* RFC 6152 */
{
    s->tx->eight_bit = span_equal_nocase(value, "8BITMIME");
    return s->tx->eight_bit || span_equal_nocase(value, "7BIT") ? CAUSE_NONE : CAUSE_PARAMETER_SYNTAX;
}

/* RFC 4954, section 5: who first handed it in. Nobody is trusted to say that, so it is checked and forgotten.
 */
static enum cause_id take_auth(struct session *s, struct span value)
{
    (void)s;
    struct buf decoded = BUF_INIT(512);
    bool ok = value.n > 0 && xtext_decode(value, &decoded);
    buf_free(&decoded);
    return ok ? CAUSE_NONE : CAUSE_PARAMETER_SYNTAX;
}

static const struct parameter MAIL_PARAMETERS[] = {
    {"SIZE", take_size}, {"BODY", take_body}, {"AUTH", take_auth}};

static const struct parameter *find_parameter(const struct parameter *list, size_t n, struct span key)
{
    for (size_t i = 0; i < n; i++)
        if (span_equal_nocase(key, list[i].key))
            return &list[i];
    return NULL;
}

static void refuse_parameter(struct session *s, enum cause_id cause, struct span key)
{
    char text[64];
    if (cause == CAUSE_MESSAGE_TOO_LARGE) {
        format_size(s->settings->message_max_size, text);
        session_refuse(s, cause, "max", text);
        return;
    }
    snprintf(text, sizeof text, "%.*s", (int)(key.n < 60 ? key.n : 60), key.p);
    session_refuse(s, cause, "parameter", text);
}

/* False when one was refused. */
static bool take_parameters(struct session *s, const struct parameter *list, size_t n, struct span args)
{
    struct span key, value;
    const char *why = NULL;
    while (param_next(&args, &key, &value, &why)) {
        const struct parameter *parameter = find_parameter(list, n, key);
        enum cause_id cause = parameter != NULL ? parameter->take(s, value) : CAUSE_PARAMETER_UNKNOWN;
        if (cause != CAUSE_NONE) {
            refuse_parameter(s, cause, key);
            return false;
        }
    }
    if (why != NULL)
        session_refuse(s, CAUSE_COMMAND_SYNTAX, "reason", why);
    return why == NULL;
}

/* ---- MAIL ---- */

/* RFC 6409, section 6.1. Accounts are compared without regard to case everywhere, so the local part is here,
 * too. */
static bool owns_sender(const struct session *s, const struct address *sender)
{
    bool any = s->account == NULL || !s->settings->auth_sender_must_match;
    return any || sender->text[0] == '\0' || text_equal_nocase(sender->text, s->account);
}

static bool too_many_messages(struct session *s)
{
    if (s->messages < s->settings->limit_messages)
        return false;
    session_refuse(s, CAUSE_TOO_MANY_MESSAGES, NULL, NULL);
    return true;
}

void cmd_mail(struct session *s, struct span args)
{
    const char *why = "MAIL FROM:<address> expected";
    session_set_command(s, "MAIL", args);
    if (too_many_messages(s))
        return;
    struct transaction *tx = xcalloc(1, sizeof *tx);
    s->tx = tx;
    if (!take_word(&args, "FROM:")) {
        session_refuse(s, CAUSE_COMMAND_SYNTAX, "reason", why);
    } else if (!path_parse(&args, PATH_REVERSE, &tx->sender, &why)) {
        session_refuse(s, CAUSE_SENDER_SYNTAX, "reason", why);
    } else if (!take_parameters(s, MAIL_PARAMETERS, COUNT_OF(MAIL_PARAMETERS), args)) {
        /* said already */
    } else if (!owns_sender(s, &tx->sender)) {
        session_refuse(s, CAUSE_SENDER_NOT_OWNED, NULL, NULL);
    } else {
        session_reply(s, 250, "2.1.0", "OK");
        return;
    }
    transaction_end(s);
}

/* ---- RCPT ---- */

static bool is_local_domain(const struct session *s, const char *domain)
{
    for (size_t i = 0; i < s->settings->local_domains.n; i++)
        if (text_equal_nocase(domain, s->settings->local_domains.items[i]))
            return true;
    return false;
}

static bool is_postmaster(const struct address *a)
{
    return a->local_len == strlen("postmaster") && span_starts_nocase(span_of(a->text), "postmaster");
}

/* RFC 5321, section 4.5.1: postmaster, with a local domain or none, always has a mailbox. */
static bool take_postmaster(const struct session *s, struct address *a)
{
    const struct settings *set = s->settings;
    if (!is_postmaster(a) || set->local_domains.n == 0)
        return false;
    if (set->local_postmaster[0] != '\0')
        snprintf(a->text, sizeof a->text, "%s", set->local_postmaster);
    else
        snprintf(a->text, sizeof a->text, "postmaster@%.*s", DOMAIN_MAX, set->local_domains.items[0]);
    return true;
}

/*
 * Where may it go? A cause when nowhere. Accounts are compared without regard to case; the local part of
 * somebody else's address is left alone (RFC 5321, section 2.4).
 */
static enum cause_id judge_recipient(struct session *s, struct address *a)
{
    static const enum cause_id MAILBOX_CAUSES[] = {
        [MAILBOX_NONE] = CAUSE_RECIPIENT_UNKNOWN,
        [MAILBOX_ACTIVE] = CAUSE_NONE,
        [MAILBOX_DISABLED] = CAUSE_NONE, /* it still receives */
        [MAILBOX_UNSURE] = CAUSE_STORE_BROKEN_RECIPIENT,
    };
    const char *domain = address_domain(a);
    if (domain[0] == '\0' || is_local_domain(s, domain)) {
        enum auth_mailbox mailbox =
            take_postmaster(s, a) ? MAILBOX_ACTIVE : auth_mailbox(s->home->smtp->parts.auth, a->text);
        address_fold(a);
        return MAILBOX_CAUSES[mailbox];
    }
    address_fold_domain(a);
    if (s->account == NULL)
        return CAUSE_RELAY_NO_LOGIN;
    return s->settings->relay_smarthost[0] == '\0' ? CAUSE_RELAY_NO_SMARTHOST : CAUSE_NONE;
}

static void refuse_recipient(struct session *s, enum cause_id cause, const struct address *a)
{
    bool by_domain = cause == CAUSE_RELAY_NO_SMARTHOST;
    session_refuse(s, cause, by_domain ? "domain" : "recipient", by_domain ? address_domain(a) : a->text);
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void transaction_drop_duplicates(struct transaction *tx)
{
    size_t kept = 0;
    qsort(tx->recipients, tx->recipient_count, sizeof *tx->recipients, compare_text);
    for (size_t i = 0; i < tx->recipient_count; i++) {
        if (kept > 0 && strcmp(tx->recipients[kept - 1], tx->recipients[i]) == 0)
            free(tx->recipients[i]);
        else
            tx->recipients[kept++] = tx->recipients[i];
    }
    tx->recipient_count = kept;
}

/* Those that were named twice count once. */
static bool too_many_recipients(struct session *s)
{
    if (s->tx->recipient_count >= s->settings->limit_recipients)
        transaction_drop_duplicates(s->tx);
    return s->tx->recipient_count >= s->settings->limit_recipients;
}

static void add_recipient(struct session *s, struct address *a)
{
    struct transaction *tx = s->tx;
    if ((tx->recipient_count & (tx->recipient_count - 1)) == 0) { /* at each power of two */
        size_t size = tx->recipient_count > 0 ? tx->recipient_count * 2 : 1;
        tx->recipients = xrealloc(tx->recipients, size * sizeof *tx->recipients);
    }
    tx->recipients[tx->recipient_count++] = xstrdup(a->text);
    session_reply(s, 250, "2.1.5", "Accepted");
}

void cmd_rcpt(struct session *s, struct span args)
{
    const char *why = "RCPT TO:<address> expected";
    struct address a;
    session_set_command(s, "RCPT",
                        span_trim(span_skip(args, span_starts_nocase(args, "TO:") ? strlen("TO:") : 0)));
    if (!take_word(&args, "TO:")) {
        session_refuse(s, CAUSE_COMMAND_SYNTAX, "reason", why);
        return;
    }
    if (!path_parse(&args, PATH_FORWARD, &a, &why)) {
        session_refuse(s, CAUSE_RECIPIENT_SYNTAX, "reason", why);
        return;
    }
    if (!take_parameters(s, NULL, 0, args))
        return;
    char max[NUMBER_TEXT_MAX];
    snprintf(max, sizeof max, "%llu", (unsigned long long)s->settings->limit_recipients);
    if (too_many_recipients(s)) {
        session_refuse(s, CAUSE_TOO_MANY_RECIPIENTS, "max", max);
        return;
    }
    enum cause_id cause = judge_recipient(s, &a);
    if (cause != CAUSE_NONE)
        refuse_recipient(s, cause, &a);
    else
        add_recipient(s, &a);
}
