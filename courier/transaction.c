/* SPDX-License-Identifier: MIT */
/*
 * A mail transaction. The envelope is sent in groups where the server allows it (PIPELINING, RFC 2920), and
 * every reply is looked at; DATA is the last of its group.
 *
 * A server without 8BITMIME gets 8-bit bytes as they are. RFC 6152, section 3 wants them encoded anew or the
 * message returned; but to encode breaks signatures (DKIM), and servers that would damage such bytes are
 * gone. Exim and qmail do the same.
 */
#include "courier/transaction.h"

enum {
    GROUP_MAX = 16384, /* fits into the receiver's socket buffer: we never wait for it to read while it waits
                          for us (RFC 2920, section 3.1) */
    BLOCK = 16384,
    EARLY_REPLY_MS = 2000,
    COMMAND_MAX = 1024
};

enum step { STEP_RSET, STEP_MAIL, STEP_RCPT, STEP_DATA };

struct transaction {
    struct client *c;
    const struct message *message;
    struct addressee *to;
    size_t n;
    struct buf out;                                  /* commands not yet sent */
    size_t asked[TRANSACTION_RECIPIENTS_MAX + 3];    /* recipients of the commands below */
    enum step steps[TRANSACTION_RECIPIENTS_MAX + 3]; /* commands whose replies are still to come */
    size_t step_count;
    bool accepted[TRANSACTION_RECIPIENTS_MAX];
    size_t accepted_count;
    bool reused;   /* the connection carried a message before */
    bool answered; /* MAIL was answered */
    bool mail_ok;
    bool go_ahead; /* 354 */
};

/* ---- outcomes ---- */

static enum verdict verdict_of(int code, enum cause_id *cause_r)
{
    /* 530: it wants a login or TLS first (RFC 4954, section 6). Our settings are at fault, and no message
     * should be given up for that. */
    if (code == 530) {
        *cause_r = CAUSE_DELIVERY_LOGIN;
        return VERDICT_DEFERRED;
    }
    *cause_r = code / 100 == 5 ? CAUSE_DELIVERY_REFUSED : CAUSE_DELIVERY_DEFERRED;
    return code / 100 == 5 ? VERDICT_FAILED : VERDICT_DEFERRED;
}

static void refuse(struct transaction *t, size_t i, const char *after)
{
    struct outcome *o = t->to[i].outcome;
    if (o->verdict != VERDICT_NONE)
        return;
    char where[COMMAND_MAX];
    enum cause_id cause;
    enum verdict verdict = verdict_of(t->c->reply.code, &cause);
    snprintf(where, sizeof where, "SMTP error from remote mail server after %s", after);
    outcome_set_reply(o, verdict, cause, where, buf_str(&t->c->reply.text), client_status(t->c));
    if (verdict == VERDICT_DEFERRED && o->status[0] == '5')
        o->status[0] = '\0';
}

static void refuse_all(struct transaction *t, const char *after)
{
    for (size_t i = 0; i < t->n; i++)
        refuse(t, i, after);
}

/* The connection broke: whoever has no verdict yet is put off, or not counted when we are to stop. */
static void lose_all(struct transaction *t, const char *after)
{
    for (size_t i = 0; i < t->n; i++) {
        struct outcome *o = t->to[i].outcome;
        if (o->verdict == VERDICT_NONE)
            outcome_set(o, t->c->cancelled ? VERDICT_NONE : VERDICT_DEFERRED, CAUSE_DELIVERY_UNREACHABLE,
                        "connection lost after %s: %s", after, client_trouble(t->c));
    }
}

static void name_step(const struct transaction *t, size_t k, char out[COMMAND_MAX])
{
    switch (t->steps[k]) {
    case STEP_RSET: snprintf(out, COMMAND_MAX, "RSET"); break;
    case STEP_MAIL: snprintf(out, COMMAND_MAX, "MAIL FROM:<%s>", t->message->sender); break;
    case STEP_RCPT: snprintf(out, COMMAND_MAX, "RCPT TO:<%s>", t->to[t->asked[k]].address); break;
    case STEP_DATA: snprintf(out, COMMAND_MAX, "DATA"); break;
    }
}

/* ---- envelope ---- */

static void answer_rcpt(struct transaction *t, size_t i, const char *after)
{
    int code = t->c->reply.code;
    if (code / 100 == 2) {
        t->accepted[i] = true;
        t->accepted_count++;
        return;
    }
    refuse(t, i, after);
    /* RFC 5321, section 4.5.3.1.10: too many recipients; 552 is what older servers say. The rest goes in the
     * next transaction. */
    if ((code == 452 || code == 552) && t->accepted_count > 0) {
        struct outcome *o = t->to[i].outcome;
        o->verdict = VERDICT_DEFERRED;
        o->cause = CAUSE_DELIVERY_DEFERRED;
        o->status[0] = '\0';
        o->again_s = 1;
    }
}

static void answer(struct transaction *t, size_t k)
{
    char after[COMMAND_MAX];
    int code = t->c->reply.code;
    name_step(t, k, after);
    switch (t->steps[k]) {
    case STEP_RSET: break; /* a server that refuses it will refuse MAIL */
    case STEP_MAIL:
        t->answered = true;
        t->mail_ok = code / 100 == 2;
        if (!t->mail_ok)
            refuse_all(t, after);
        break;
    case STEP_RCPT: answer_rcpt(t, t->asked[k], after); break;
    case STEP_DATA:
        t->go_ahead = code == 354;
        if (!t->go_ahead)
            refuse_all(t, after);
        break;
    }
}

/* Whether this is a connection that was kept and has ended meanwhile: nothing was tried yet. */
static bool is_stale(const struct transaction *t)
{
    return t->reused && !t->answered && t->c->broken && !t->c->cancelled;
}

/* Hears the reply to step k. False: the connection is broken. */
static bool hear_step(struct transaction *t, size_t k)
{
    char after[COMMAND_MAX];
    name_step(t, k, after);
    bool heard = client_hear(t->c, t->steps[k] == STEP_DATA ? t->c->waits.data_start : t->c->waits.command);
    if (is_stale(t))
        return false;
    if (!heard)
        lose_all(t, after);
    else
        answer(t, k);
    if (heard && t->c->broken) /* a 421 answers all that is open (RFC 5321, section 3.8) */
        refuse_all(t, after);
    return !t->c->broken;
}

/* Sends what is collected and hears the replies. False: the connection is broken, and all have their verdict
 * unless it is stale. */
static bool flush(struct transaction *t)
{
    char after[COMMAND_MAX];
    bool ok = t->out.len == 0 || client_say(t->c, t->out.data, t->out.len, t->c->waits.command);
    if (!ok && !is_stale(t)) {
        name_step(t, 0, after);
        lose_all(t, after);
    }
    for (size_t k = 0; ok && k < t->step_count; k++)
        ok = hear_step(t, k);
    buf_clear(&t->out);
    t->step_count = 0;
    return ok;
}

static bool ask(struct transaction *t, enum step step, size_t i, const char *arguments)
{
    char line[COMMAND_MAX];
    t->steps[t->step_count] = step;
    t->asked[t->step_count++] = i;
    name_step(t, t->step_count - 1, line);
    buf_add_str(&t->out, line);
    buf_add_str(&t->out, arguments);
    buf_add(&t->out, "\r\n", 2);
    bool more = (t->c->features & FEATURE_PIPELINING) != 0 && t->out.len < GROUP_MAX;
    return more || flush(t);
}

static bool ask_mail(struct transaction *t)
{
    char arguments[64] = "";
    size_t n = 0;
    if ((t->c->features & FEATURE_SIZE) != 0)
        n = (size_t)snprintf(arguments, sizeof arguments, " SIZE=%llu", (unsigned long long)t->message->size);
    if ((t->c->features & FEATURE_8BITMIME) != 0 && t->message->eight_bit)
        snprintf(arguments + n, sizeof arguments - n, " BODY=8BITMIME");
    return ask(t, STEP_MAIL, 0, arguments);
}

/* True: the server waits for the message. */
static bool send_envelope(struct transaction *t)
{
    bool pipelining = (t->c->features & FEATURE_PIPELINING) != 0;
    bool ok = (!t->c->needs_rset || ask(t, STEP_RSET, 0, "")) && ask_mail(t);
    for (size_t i = 0; i < t->n && ok; i++) {
        if (t->answered && !t->mail_ok)
            break;
        ok = ask(t, STEP_RCPT, i, "");
    }
    if (ok && (pipelining || t->accepted_count > 0) && !(t->answered && !t->mail_ok))
        ok = ask(t, STEP_DATA, 0, "");
    return ok && flush(t) && t->go_ahead;
}

/* ---- message ---- */

/* False: the connection broke, or the message could not be read (then it must never be ended with a dot). */
static bool send_block(struct transaction *t, struct buf *block)
{
    bool ok = !block->overflow && client_say(t->c, block->data, block->len, t->c->waits.data_block);
    buf_clear(block);
    return ok;
}

static bool send_body(struct transaction *t, bool *unreadable_r)
{
    struct buf block = BUF_INIT(2 * BLOCK + 8);
    struct dot_encoder dots;
    char in[BLOCK];
    ssize_t n = 0;
    bool ok = true;
    dot_encoder_init(&dots);
    while (ok && (n = spool_body_read(t->message->body, in, sizeof in)) > 0) {
        dot_encode(&dots, in, (size_t)n, &block);
        ok = block.len < BLOCK || send_block(t, &block);
    }
    *unreadable_r = ok && n < 0;
    if (ok && n == 0) {
        dot_encode_end(&dots, &block);
        ok = send_block(t, &block);
    }
    buf_free(&block);
    return ok && n == 0;
}

static void end_unsent(struct transaction *t, bool unreadable)
{
    if (unreadable) {
        t->c->broken = true;
        for (size_t i = 0; i < t->n; i++)
            if (t->accepted[i])
                outcome_set(t->to[i].outcome, VERDICT_DEFERRED, CAUSE_SPOOL_BROKEN,
                            "the message cannot be read from the queue");
        return;
    }
    /* A server that has had enough says so and closes: its words tell more than "broken pipe". */
    if (!t->c->cancelled && client_hear(t->c, EARLY_REPLY_MS) && t->c->reply.code >= 400)
        refuse_all(t, "sending data block");
    lose_all(t, "sending data block");
    t->c->broken = true;
}

/* RFC 1047: whether it took the message nobody knows. Twice is better than never. */
static void lose_unsure(struct transaction *t)
{
    for (size_t i = 0; i < t->n; i++) {
        struct outcome *o = t->to[i].outcome;
        if (t->accepted[i] && o->verdict == VERDICT_NONE)
            outcome_set(o, VERDICT_DEFERRED, CAUSE_DELIVERY_UNREACHABLE,
                        "connection lost after the end of data: %s; the server may have taken the message, "
                        "so that it may arrive twice",
                        client_trouble(t->c));
    }
}

static void answer_end(struct transaction *t, size_t i)
{
    struct outcome *o = t->to[i].outcome;
    if (!t->accepted[i] || o->verdict != VERDICT_NONE)
        return;
    if (t->c->reply.code / 100 == 2)
        outcome_set_reply(o, VERDICT_DELIVERED, CAUSE_NONE, NULL, buf_str(&t->c->reply.text),
                          client_status(t->c));
    else
        refuse(t, i, "end of data");
}

/* LMTP answers for each accepted recipient, in their order (RFC 2033, section 4.2); SMTP once for all. */
static void hear_end(struct transaction *t)
{
    bool each = t->c->protocol == CLIENT_LMTP;
    bool heard = each || client_hear(t->c, t->c->waits.data_end);
    for (size_t i = 0; i < t->n && heard; i++) {
        if (!t->accepted[i])
            continue;
        heard = !each || client_hear(t->c, t->c->waits.data_end);
        if (heard)
            answer_end(t, i);
    }
    if (!heard)
        lose_unsure(t);
}

/* 354 although no recipient was accepted: RFC 2920, section 3.1 says to send nothing but the dot. In LMTP it
 * cannot be (RFC 2033). */
static void end_without_recipients(struct transaction *t)
{
    if (t->c->protocol == CLIENT_LMTP || !client_say(t->c, ".\r\n", 3, t->c->waits.data_block) ||
        !client_hear(t->c, t->c->waits.data_end))
        t->c->broken = true;
}

static void send_message(struct transaction *t)
{
    bool unreadable = false;
    t->c->needs_rset = false;
    if (t->accepted_count == 0)
        end_without_recipients(t);
    else if (send_body(t, &unreadable))
        hear_end(t);
    else
        end_unsent(t, unreadable);
}

/* RFC 1870, section 6.1: a size that the server announced as too large need not be tried. */
static bool is_too_large(struct transaction *t)
{
    if (t->c->size_max == 0 || t->message->size <= t->c->size_max)
        return false;
    for (size_t i = 0; i < t->n; i++) {
        struct outcome *o = t->to[i].outcome;
        outcome_set(o, VERDICT_FAILED, CAUSE_DELIVERY_REFUSED,
                    "the message has %llu bytes, the server takes at most %llu (SIZE)",
                    (unsigned long long)t->message->size, (unsigned long long)t->c->size_max);
        snprintf(o->status, sizeof o->status, "5.3.4");
    }
    return true;
}

bool transaction_run(struct client *client, const struct message *message, struct addressee *to, size_t n)
{
    struct transaction t = {
        .c = client, .message = message, .to = to, .n = n, .out = BUF_INIT(GROUP_MAX + COMMAND_MAX)};
    t.reused = client->messages > 0;
    if (is_too_large(&t))
        return true;
    bool go = send_envelope(&t);
    bool stale = is_stale(&t);
    if (!stale) {
        client->messages++;
        client->needs_rset = true;
    }
    if (go)
        send_message(&t);
    buf_free(&t.out);
    return !stale;
}
