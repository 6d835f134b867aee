/* SPDX-License-Identifier: MIT */
/*
 * DATA: the message, from the first line to its 250. Bytes go dot_decode (end mark, dots) -> header_filter
 * (fields) -> spool. Once it is clear that the answer will not be 250, what still comes is passed over: the
 * client reads a reply only behind the end of data.
 */
#include <stdlib.h>

#include "smtp/server.h"

enum { PIECE = 8192 };

/* ---- the Received field (RFC 5321, section 4.4) ---- */

/* What the client said of itself is shown only where it cannot be taken for syntax. */
static bool is_plain_name(const char *helo)
{
    for (const char *p = helo; *p != '\0'; p++)
        if (!ascii_is_alnum(*p) && strchr(".-_:[]", *p) == NULL)
            return false;
    return helo[0] != '\0';
}

static void add_received(struct session *s, struct buf *out)
{
    static const char *const WITH[][2] = {{"smtp", "SMTP"},     {"smtps", "SMTP"},    {"esmtp", "ESMTP"},
                                          {"esmtps", "ESMTPS"}, {"esmtpa", "ESMTPA"}, {"esmtpsa", "ESMTPSA"}};
    const char *with = "SMTP"; /* RFC 3848 */
    for (size_t i = 0; i < COUNT_OF(WITH); i++)
        if (strcmp(session_protocol(s), WITH[i][0]) == 0)
            with = WITH[i][1];
    char ip[ADDR_TEXT_MAX], date[DATE_TEXT_MAX], tls[TLS_TEXT_MAX];
    date_rfc5322(clock_wall(), date);
    buf_printf(out, "Received: from %s ([%s%s])\r\n",
               s->helo != NULL && is_plain_name(s->helo) ? s->helo : "unknown",
               s->peer.family == AF_INET6 ? "IPv6:" : "", addr_text(&s->peer, ip)); /* section 4.1.3 */
    buf_printf(out, "\tby %s (Gatepost) with %s", s->home->smtp->parts.hostname, with);
    if (conn_tls_text(s->conn, tls)[0] != '\0')
        buf_printf(out, " (%s)", tls);
    buf_printf(out, "\r\n\tid %s; %s\r\n", spool_in_id(s->tx->in), date);
}

/* ---- beginning ---- */

static void on_drained(void *arg);
static void on_done(void *arg, enum spool_result result);
static const struct spool_in_events EVENTS = {on_drained, on_done};

static void begin(struct session *s)
{
    struct transaction *tx = s->tx;
    const struct smtp_parts *parts = &s->home->smtp->parts;
    tx->in = spool_in_open(parts->spool, s->home->loop, &EVENTS, s);
    struct header_rules rules = {
        .max_header = s->settings->limit_header,
        .max_line = s->settings->limit_text_line,
        .max_received = (unsigned)s->settings->limit_received,
        .complete = s->account != NULL, /* RFC 6409, section 8: only what is handed in first is completed */
        .hostname = parts->hostname,
        .id = spool_in_id(tx->in),
        .now = clock_wall(),
    };
    tx->filter = header_filter_make(&rules);
    dot_decoder_init(&tx->dot);
    struct buf *received = &s->home->scratch;
    buf_clear(received);
    add_received(s, received);
    spool_in_add(tx->in, received->data, received->len);
}

void cmd_data(struct session *s, struct span args)
{
    (void)args;
    s->messages++;
    s->idle_commands = 0;
    begin(s);
    session_reply(
        s, 354, "",
        "Enter message, ending with \".\" on a line by itself"); /* RFC 2034, section 4: none in 354 */
    session_enter(s, SESSION_DATA);
}

/* ---- taking it in ---- */

static void give_up(struct transaction *tx, enum cause_id cause)
{
    if (tx->refused != CAUSE_NONE)
        return;
    tx->refused = cause;
    spool_in_abort(&tx->in);
}

static enum spool_flow keep(struct session *s, enum header_result result)
{
    static const enum cause_id CAUSES[] = {
        [HEADER_TOO_LARGE] = CAUSE_HEADER_TOO_LARGE,
        [HEADER_LINE_TOO_LONG] = CAUSE_LINE_TOO_LONG,
        [HEADER_LOOP] = CAUSE_MAIL_LOOP,
        [HEADER_FULL] = CAUSE_HEADER_TOO_LARGE,
    };
    struct transaction *tx = s->tx;
    const struct buf *kept = &s->home->scratch;
    if (result != HEADER_OK) {
        give_up(tx, CAUSES[result]);
        return SPOOL_GO;
    }
    return kept->len > 0 ? spool_in_add(tx->in, kept->data, kept->len) : SPOOL_GO;
}

/* One piece; *end_r: the end mark was in it. */
static size_t take_piece(struct session *s, const char *bytes, size_t n, enum spool_flow *flow_r, bool *end_r)
{
    struct transaction *tx = s->tx;
    char decoded[2 * PIECE + 4];
    size_t len = 0;
    size_t used = dot_decode(&tx->dot, bytes, n < PIECE ? n : PIECE, decoded, &len, end_r);
    tx->size += len;
    if (tx->size > s->settings->message_max_size)
        give_up(tx, CAUSE_MESSAGE_TOO_LARGE);
    if (tx->refused != CAUSE_NONE) {
        tx->swallowed += len;
        return used;
    }
    buf_clear(&s->home->scratch);
    *flow_r = keep(s, header_filter_add(tx->filter, decoded, len, &s->home->scratch));
    return used;
}

static void finish(struct session *s);

/*
 * Most clients read nothing before they have sent all, so much of what was refused is passed over; one that
 * goes on and on gets its answer now, and the connection with it.
 */
static bool past_patience(struct session *s)
{
    if (s->tx->swallowed <= s->settings->message_max_size)
        return false;
    finish(s);
    session_close(s);
    return true;
}

size_t data_input(struct session *s, const char *bytes, size_t n)
{
    size_t used = 0;
    bool end = false;
    enum spool_flow flow = SPOOL_GO;
    while (used < n && !end && flow == SPOOL_GO)
        used += take_piece(s, bytes + used, n - used, &flow, &end);
    if (end)
        finish(s);
    else if (!past_patience(s))
        session_enter(s, flow == SPOOL_GO ? SESSION_DATA : SESSION_SPOOL);
    return used;
}

static void on_drained(void *arg)
{
    struct session *s = arg;
    if (s->state == SESSION_SPOOL)
        session_enter(s, SESSION_DATA);
}

/* ---- the end ---- */

static void refuse_message(struct session *s, enum cause_id cause)
{
    char max[NUMBER_TEXT_MAX] = "";
    if (cause == CAUSE_LINE_TOO_LONG)
        snprintf(max, sizeof max, "%llu", (unsigned long long)s->settings->limit_text_line);
    else if (cause == CAUSE_MESSAGE_TOO_LARGE || cause == CAUSE_HEADER_TOO_LARGE)
        format_size(cause == CAUSE_MESSAGE_TOO_LARGE ? s->settings->message_max_size
                                                     : s->settings->limit_header,
                    max);
    session_set_command(s, "after DATA", span_of(""));
    session_refuse(s, cause, max[0] != '\0' ? "max" : NULL, max);
    transaction_end(s);
    if (s->state != SESSION_CLOSED)
        session_ready(s);
}

static void commit(struct session *s)
{
    struct transaction *tx = s->tx;
    char ip[ADDR_TEXT_MAX];
    struct buf client = BUF_INIT(1024);
    buf_add_str(&client, "H=(");
    text_escape(&client, span_of(s->helo), 255);
    buf_printf(&client, ") [%s]:%u", addr_text(&s->peer, ip), s->peer.port);
    transaction_drop_duplicates(tx);
    struct envelope envelope = {
        .sender = tx->sender.text,
        .recipients = (const char *const *)tx->recipients,
        .recipient_count = tx->recipient_count,
        .account = s->account != NULL ? s->account : "",
        .client = buf_str(&client),
        .eight_bit = tx->eight_bit,
    };
    session_enter(s, SESSION_COMMIT);
    spool_in_commit(tx->in, &envelope);
    buf_free(&client);
}

/* A bare CR or LF is where two servers may see two different ends (RFC 5321, section 2.3.8): other servers'
   mail with one is refused; a mail program's is mended. */
static bool has_bare_line_end(const struct session *s)
{
    return s->account == NULL && (s->tx->dot.bare_cr || s->tx->dot.bare_lf);
}

static void finish(struct session *s)
{
    struct transaction *tx = s->tx;
    if (tx->refused == CAUSE_NONE) {
        buf_clear(&s->home->scratch);
        keep(s, header_filter_end(tx->filter, &s->home->scratch));
    }
    if (tx->refused == CAUSE_NONE && has_bare_line_end(s))
        give_up(tx, CAUSE_BARE_LINE_END);
    if (tx->refused != CAUSE_NONE)
        refuse_message(s, tx->refused);
    else
        commit(s);
}

static void journal_received(struct session *s, const char *id, uint64_t size)
{
    struct transaction *tx = s->tx;
    struct event_text text;
    struct event event = session_event(s, EVENT_RECEIVED, CAUSE_NONE, &text);
    struct buf recipients = BUF_INIT(65536);
    for (size_t i = 0; i < tx->recipient_count; i++)
        buf_printf(&recipients, "%s%s", i > 0 ? " " : "", tx->recipients[i]);
    event.id = id;
    event.size = size;
    event.mechanism = s->mechanism;
    event.recipient = buf_str(&recipients);
    event.message_id = header_filter_message_id(tx->filter);
    event.subject = header_filter_subject(tx->filter);
    session_journal(s, &event);
    buf_free(&recipients);
}

static void on_done(void *arg, enum spool_result result)
{
    static const enum cause_id CAUSES[] = {
        [SPOOL_FULL] = CAUSE_SPOOL_FULL, [SPOOL_BROKEN] = CAUSE_SPOOL_BROKEN};
    struct session *s = arg;
    struct transaction *tx = s->tx;
    char id[QUEUE_ID_MAX], text[64];
    snprintf(id, sizeof id, "%s", spool_in_id(tx->in));
    uint64_t size = spool_in_size(tx->in);
    tx->in = NULL; /* gone with this call */
    if (result == SPOOL_OK)
        journal_received(s, id, size);
    if (s->conn == NULL) { /* the client did not wait for the answer */
        session_free(s);
        return;
    }
    if (result != SPOOL_OK) {
        refuse_message(s, CAUSES[result]);
        return;
    }
    transaction_end(s);
    snprintf(text, sizeof text, "OK id=%s", id);
    session_reply(s, 250, "2.0.0", text);
    session_ready(s);
}
