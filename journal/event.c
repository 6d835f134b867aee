/* SPDX-License-Identifier: MIT */
/* Events as data: the table of their texts, names, one-piece copies, JSON. */
#include "journal/event.h"

#include <jansson.h>
#include <stdlib.h>

/* Cuts of the copies. They lie above those of the log line, so that "..." there shows that something is
 * missing. */
enum { TEXT_MAX = 2048, LIST_MAX = 16384 };

struct text_field {
    const char *name; /* its key in JSON */
    size_t offset;
    size_t max;
    bool column; /* history has a column for it */
};

#define FIELD(field, max, column)                                                                            \
    {                                                                                                        \
#field, offsetof(struct event, field), max, column                                                   \
    }
static const struct text_field FIELDS[] = {
    FIELD(helo, TEXT_MAX, true),
    FIELD(listener, TEXT_MAX, false),
    FIELD(protocol, TEXT_MAX, false),
    FIELD(tls, TEXT_MAX, false),
    FIELD(mechanism, TEXT_MAX, false),
    FIELD(account, TEXT_MAX, false), /* the column has it folded */
    FIELD(login, TEXT_MAX, false),
    FIELD(command, TEXT_MAX, false),
    FIELD(reply, TEXT_MAX, false),
    FIELD(input, TEXT_MAX, false),
    FIELD(id, TEXT_MAX, true),
    FIELD(sender, TEXT_MAX, true),
    FIELD(recipient, LIST_MAX, true),
    FIELD(message_id, TEXT_MAX, false),
    FIELD(subject, TEXT_MAX, false),
    FIELD(reference, TEXT_MAX, false),
    FIELD(route, TEXT_MAX, false),
    FIELD(transport, TEXT_MAX, false),
    FIELD(remote, TEXT_MAX, false),
    FIELD(answer, TEXT_MAX, false),
    FIELD(tls_versions, TEXT_MAX, false),
    FIELD(tls_ciphers, TEXT_MAX, false),
    FIELD(tls_server_name, TEXT_MAX, false),
    FIELD(detail, TEXT_MAX, false),
};
#undef FIELD

static const char *const TYPE_NAMES[EVENT_TYPE_COUNT] = {
    [EVENT_STARTED] = "started",
    [EVENT_STOPPED] = "stopped",
    [EVENT_SETTINGS] = "settings",
    [EVENT_WARNING] = "warning",
    [EVENT_CONNECT_REFUSED] = "connect-refused",
    [EVENT_LOGIN] = "login",
    [EVENT_LOGIN_FAILED] = "login-failed",
    [EVENT_TLS_FAILED] = "tls-failed",
    [EVENT_WRONG_PORT] = "wrong-port",
    [EVENT_REFUSED] = "refused",
    [EVENT_CLOSED] = "closed",
    [EVENT_RECEIVED] = "received",
    [EVENT_DELIVERED] = "delivered",
    [EVENT_DEFERRED] = "deferred",
    [EVENT_FAILED] = "failed",
    [EVENT_COMPLETED] = "completed",
};

const char *event_type_name(enum event_type type)
{
    return TYPE_NAMES[type];
}

static const char *text_get(const struct event *event, size_t i)
{
    const char *text = NULL;
    memcpy(&text, (const char *)event + FIELDS[i].offset, sizeof text);
    return text != NULL ? text : "";
}

static void text_set(struct event *event, size_t i, const char *text)
{
    memcpy((char *)event + FIELDS[i].offset, &text, sizeof text);
}

/* How much of the text fits: never a part of a UTF-8 character. */
static size_t cut_length(const char *text, size_t max)
{
    size_t n = strnlen(text, max + 1);
    if (n <= max)
        return n;
    for (n = max; n > max - 4 && ((unsigned char)text[n] & 0xC0) == 0x80;)
        n--;
    return n;
}

struct item *item_make(const struct event *event)
{
    size_t lengths[COUNT_OF(FIELDS)];
    size_t bytes =
        sizeof(struct item) + 1; /* the 1 is the NUL that all empty texts share; cuts keep the sum small */
    for (size_t i = 0; i < COUNT_OF(FIELDS); i++) {
        lengths[i] = cut_length(text_get(event, i), FIELDS[i].max);
        if (lengths[i] > 0)
            bytes += lengths[i] + 1;
    }
    struct item *item = xmalloc(bytes);
    item->next = NULL;
    item->bytes = bytes;
    item->event = *event;
    if (event->time_ms == 0)
        item->event.time_ms = clock_wall_ms();
    char *end = item->text;
    *end++ = '\0';
    for (size_t i = 0; i < COUNT_OF(FIELDS); i++) {
        text_set(&item->event, i, lengths[i] > 0 ? end : item->text);
        if (lengths[i] == 0)
            continue;
        memcpy(end, text_get(event, i), lengths[i]);
        end += lengths[i];
        *end++ = '\0';
    }
    return item;
}

/* ---- JSON (RFC 8259), by hand where it is easy, because every event pays for it ---- */

static bool is_easy(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if (*p < ' ' || *p > '~' || *p == '"' || *p == '\\')
            return false;
    return true;
}

/* ISO 8859-1 to UTF-8: what clients mean that still send single bytes. */
static void add_latin1(struct buf *out, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p >= 0x80) {
            buf_add_char(out, (char)(0xC0 | *p >> 6));
            buf_add_char(out, (char)(0x80 | (*p & 0x3F)));
        } else {
            buf_add_char(out, (char)*p);
        }
    }
}

static void add_hard_text(struct buf *out, const char *text)
{
    struct buf utf8 = BUF_INIT((size_t)2 * LIST_MAX);
    json_t *value = json_string(text); /* NULL when it is not UTF-8 */
    if (value == NULL) {
        add_latin1(&utf8, text);
        value = json_string(buf_str(&utf8));
    }
    char *dump = value != NULL ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    buf_add_str(out, dump != NULL ? dump : "\"\"");
    free(dump);
    json_decref(value);
    buf_free(&utf8);
}

static void add_key(struct buf *out, size_t begin, const char *key)
{
    if (out->len > begin)
        buf_add_char(out, ',');
    buf_add_char(out, '"');
    buf_add_str(out, key);
    buf_add(out, "\":", 2);
}

static void add_text(struct buf *out, size_t begin, const char *key, const char *text)
{
    if (*text == '\0')
        return;
    add_key(out, begin, key);
    if (is_easy(text)) {
        buf_add_char(out, '"');
        buf_add_str(out, text);
        buf_add_char(out, '"');
    } else {
        add_hard_text(out, text);
    }
}

static void add_number(struct buf *out, size_t begin, const char *key, uint64_t value)
{
    if (value == 0)
        return;
    add_key(out, begin, key);
    buf_printf(out, "%llu", (unsigned long long)value);
}

void event_json(const struct event *event, struct buf *out)
{
    buf_add_char(out, '{');
    size_t begin = out->len;
    for (size_t i = 0; i < COUNT_OF(FIELDS); i++)
        if (!FIELDS[i].column)
            add_text(out, begin, FIELDS[i].name, text_get(event, i));
    char local[ADDR_TEXT_MAX];
    add_text(out, begin, "local", event->local.family != 0 ? addr_text(&event->local, local) : "");
    add_number(out, begin, "local_port", event->local.port);
    add_number(out, begin, "port", event->peer.port);
    add_number(out, begin, "code", event->code > 0 ? (uint64_t)event->code : 0);
    add_number(out, begin, "size", event->size);
    add_number(out, begin, "elapsed_ms", event->elapsed_ms);
    if (event->further) {
        add_key(out, begin, "further");
        buf_add_str(out, "true");
    }
    buf_add_char(out, '}');
}
