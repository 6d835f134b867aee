/* SPDX-License-Identifier: MIT */
/* The commands: a table of name and function over JSON, the same with a server and without one. */
#include "server/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

typedef int command_fn(struct command_context *context, const json_t *args, json_t **data_r,
                       struct buf *error);

static const char *text_arg(const json_t *args, const char *key)
{
    const char *text = json_string_value(json_object_get(args, key));
    return text != NULL ? text : "";
}

static json_t *time_json(int64_t wall_s)
{
    char text[TIME_TEXT_MAX];
    time_rfc3339(wall_s, text);
    return json_string(text);
}

/* Stored text may hold bytes that are not UTF-8, which JSON cannot carry: then it is escaped. */
static json_t *text_json(const char *text)
{
    json_t *json = json_string(text);
    if (json == NULL) {
        struct buf escaped = BUF_INIT(1 << 20);
        text_escape(&escaped, span_of(text), 1 << 17);
        json = json_string(buf_str(&escaped));
        buf_free(&escaped);
    }
    return json;
}

static json_t *count_json(uint64_t n)
{
    return json_integer((json_int_t)n);
}

/* ---- accounts ---- */

static int account_exit(enum account_result result)
{
    static const int EXITS[] = {
        [ACCOUNT_OK] = EXIT_DONE,
        [ACCOUNT_EXISTS] = EXIT_NOTHING,
        [ACCOUNT_UNKNOWN] = EXIT_NOTHING,
        [ACCOUNT_BAD_ADDRESS] = EXIT_USAGE,
        [ACCOUNT_BAD_PASSWORD] = EXIT_USAGE,
        [ACCOUNT_STORE] = EXIT_TRY_AGAIN,
    };
    return EXITS[result];
}

typedef enum account_result password_fn(struct auth *auth, const char *address, struct span password,
                                        struct buf *why);

static int with_password(struct command_context *c, const json_t *args, password_fn *change,
                         struct buf *error)
{
    const json_t *password = json_object_get(args, "password");
    struct span secret = {json_string_value(password), json_string_length(password)};
    return account_exit(
        change(c->auth, text_arg(args, "address"), secret.p != NULL ? secret : span_of(""), error));
}

static int run_account_add(struct command_context *c, const json_t *args, json_t **data_r, struct buf *error)
{
    (void)data_r;
    return with_password(c, args, account_add, error);
}

static int run_account_password(struct command_context *c, const json_t *args, json_t **data_r,
                                struct buf *error)
{
    (void)data_r;
    return with_password(c, args, account_password, error);
}

static int run_account_remove(struct command_context *c, const json_t *args, json_t **data_r,
                              struct buf *error)
{
    (void)data_r;
    return account_exit(account_remove(c->auth, text_arg(args, "address"), error));
}

static int run_account_disable(struct command_context *c, const json_t *args, json_t **data_r,
                               struct buf *error)
{
    (void)data_r;
    return account_exit(account_disable(c->auth, text_arg(args, "address"), true, error));
}

static int run_account_enable(struct command_context *c, const json_t *args, json_t **data_r,
                              struct buf *error)
{
    (void)data_r;
    return account_exit(account_disable(c->auth, text_arg(args, "address"), false, error));
}

static void account_to_json(void *arg, const struct account_row *row)
{
    json_array_append_new(arg, json_pack("{s:o, s:b, s:o, s:o, s:i}", "address", text_json(row->address),
                                         "disabled", row->disabled, "created", time_json(row->created_at),
                                         "password_changed", time_json(row->changed_at), "old_passwords",
                                         (int)row->old_passwords));
}

static int run_account_list(struct command_context *c, const json_t *args, json_t **data_r, struct buf *error)
{
    (void)args;
    json_t *list = json_array();
    int code = account_exit(account_each(c->auth, account_to_json, list, error));
    *data_r = json_pack("{s:o}", "accounts", list);
    return code;
}

/* ---- queue ---- */

enum { QUEUE_LIST_MAX = 100000 };

static void queue_to_json(void *arg, const struct queue_row *row)
{
    json_t *recipients = json_array();
    for (size_t i = 0; i < row->recipient_count; i++) {
        const struct queue_recipient *r = &row->recipients[i];
        json_array_append_new(recipients,
                              json_pack("{s:o, s:s, s:i, s:o, s:o}", "address", text_json(r->address),
                                        "state", r->state, "attempts", (int)r->attempts, "next_attempt",
                                        time_json(r->next_at), "last_answer", text_json(r->last_answer)));
    }
    json_array_append_new(arg, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "id", row->id, "sender",
                                         text_json(row->sender), "account", text_json(row->account), "client",
                                         text_json(row->client), "size", count_json(row->size), "queued",
                                         time_json(row->queued_at), "recipients", recipients));
}

static int list_queue(struct command_context *c, const char *id, json_t **data_r, struct buf *error)
{
    json_t *list = json_array();
    int n = spool_each(c->spool, id, QUEUE_LIST_MAX, queue_to_json, list, error);
    *data_r = json_pack("{s:o}", "messages", list);
    return n < 0 ? EXIT_TRY_AGAIN : n == 0 && id != NULL ? EXIT_NOTHING : EXIT_DONE;
}

static int run_queue_list(struct command_context *c, const json_t *args, json_t **data_r, struct buf *error)
{
    (void)args;
    return list_queue(c, NULL, data_r, error);
}

static int run_queue_show(struct command_context *c, const json_t *args, json_t **data_r, struct buf *error)
{
    int code = list_queue(c, text_arg(args, "id"), data_r, error);
    if (code == EXIT_NOTHING)
        buf_printf(error, "no message %s in the queue", text_arg(args, "id"));
    return code;
}

static int act(struct command_context *c, const json_t *args, enum queue_action action, json_t **data_r,
               struct buf *error)
{
    const char *id = text_arg(args, "id");
    bool all = json_is_true(json_object_get(args, "all"));
    int n = spool_act(c->spool, action, all ? NULL : id, error);
    if (n < 0)
        return EXIT_TRY_AGAIN;
    if (n == 0 && !all)
        buf_printf(error, "no message %s in the queue", id);
    *data_r = json_pack("{s:i}", "messages", n);
    return n == 0 ? EXIT_NOTHING : EXIT_DONE;
}

static int run_queue_retry(struct command_context *c, const json_t *args, json_t **data_r, struct buf *error)
{
    return act(c, args, QUEUE_RETRY, data_r, error);
}

static int run_queue_hold(struct command_context *c, const json_t *args, json_t **data_r, struct buf *error)
{
    return act(c, args, QUEUE_HOLD, data_r, error);
}

static int run_queue_remove(struct command_context *c, const json_t *args, json_t **data_r, struct buf *error)
{
    return act(c, args, QUEUE_REMOVE, data_r, error);
}

/* ---- the server itself ---- */

static json_t *counts_json(struct journal *journal)
{
    struct journal_counts counts;
    json_t *events = json_object(), *causes = json_object();
    journal_counts(journal, &counts);
    for (unsigned i = 0; i < EVENT_TYPE_COUNT; i++)
        if (counts.by_type[i] > 0)
            json_object_set_new(events, event_type_name(i), count_json(counts.by_type[i]));
    for (unsigned i = 1; i < CAUSE_COUNT; i++)
        if (counts.by_cause[i] > 0)
            json_object_set_new(causes, cause_get(i)->id, count_json(counts.by_cause[i]));
    return json_pack("{s:o, s:o, s:o, s:o}", "events", events, "causes", causes, "lost_lines",
                     count_json(counts.lost_lines), "lost_history", count_json(counts.lost_history));
}

static json_t *queue_json(struct spool *spool)
{
    static const char *const STATES[] = {
        [SPOOL_OK] = "ok", [SPOOL_FULL] = "disk full", [SPOOL_BROKEN] = "broken"};
    struct spool_stats stats;
    spool_stats(spool, &stats);
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "state", STATES[stats.state], "messages",
                     count_json(stats.messages), "recipients", count_json(stats.recipients), "bytes",
                     count_json(stats.bytes), "commits", count_json(stats.commits), "committed_messages",
                     count_json(stats.committed_messages));
}

static json_t *logins_json(struct auth *auth)
{
    struct auth_stats stats;
    auth_stats(auth, &stats);
    struct buf trouble = BUF_INIT(4096);
    bool good = auth_store_good(auth, &trouble);
    json_t *store = text_json(good ? "ok" : buf_str(&trouble));
    buf_free(&trouble);
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "store", store, "hashes", count_json(stats.hashes),
                     "cache_hits", count_json(stats.cache_hits), "waiting", count_json(stats.waiting),
                     "turned_away", count_json(stats.busy));
}

static int run_status(struct command_context *c, const json_t *args, json_t **data_r, struct buf *error)
{
    (void)args;
    if (c->smtp == NULL) {
        buf_add_str(error, "the server is not running");
        return EXIT_NO_SERVER;
    }
    const struct settings *settings = settings_cell_get(c->settings);
    *data_r =
        json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "version", GP_VERSION, "pid", (int)getpid(),
                  "since", time_json(c->started_at), "settings", text_json(settings->path), "connections",
                  count_json(smtp_connections(c->smtp)), "queue", queue_json(c->spool), "logins",
                  logins_json(c->auth), "counts", counts_json(c->journal));
    settings_release(&settings);
    return EXIT_DONE;
}

static int run_reload(struct command_context *c, const json_t *args, json_t **data_r, struct buf *error)
{
    (void)args, (void)data_r;
    if (c->reload == NULL) {
        buf_add_str(error, "the server is not running");
        return EXIT_NO_SERVER;
    }
    c->reload(c->arg);
    return EXIT_DONE;
}

/* ---- dispatch ---- */

enum need { NEED_NOTHING, NEED_AUTH, NEED_SPOOL };

struct command {
    const char *name;
    enum need need;
    command_fn *run;
};
static const struct command COMMANDS[] = {
    {"account.add", NEED_AUTH, run_account_add},
    {"account.password", NEED_AUTH, run_account_password},
    {"account.remove", NEED_AUTH, run_account_remove},
    {"account.disable", NEED_AUTH, run_account_disable},
    {"account.enable", NEED_AUTH, run_account_enable},
    {"account.list", NEED_AUTH, run_account_list},
    {"queue.list", NEED_SPOOL, run_queue_list},
    {"queue.show", NEED_SPOOL, run_queue_show},
    {"queue.retry", NEED_SPOOL, run_queue_retry},
    {"queue.hold", NEED_SPOOL, run_queue_hold},
    {"queue.remove", NEED_SPOOL, run_queue_remove},
    {"status", NEED_NOTHING, run_status},
    {"reload", NEED_NOTHING, run_reload},
};

/* Without a server, a command opens only what it works on. */
static bool have(struct command_context *c, enum need need, struct buf *error)
{
    if (need == NEED_AUTH && c->auth == NULL)
        c->auth = auth_open(c->settings, error);
    if (need == NEED_SPOOL && c->spool == NULL)
        c->spool = spool_open(c->settings, error);
    return (need != NEED_AUTH || c->auth != NULL) && (need != NEED_SPOOL || c->spool != NULL);
}

int command_run(struct command_context *context, const char *name, const json_t *args, json_t **data_r,
                struct buf *error)
{
    *data_r = NULL;
    for (size_t i = 0; i < COUNT_OF(COMMANDS); i++) {
        if (strcmp(COMMANDS[i].name, name) != 0)
            continue;
        return have(context, COMMANDS[i].need, error) ? COMMANDS[i].run(context, args, data_r, error)
                                                      : EXIT_TRY_AGAIN;
    }
    buf_printf(error, "the server knows no command %s (is it older than this program?)", name);
    return EXIT_USAGE;
}

/* ---- without a server ---- */

static bool lock_in_time(int fd, uint64_t wait_ms)
{
    enum { STEP_US = 20000 };
    uint64_t end = clock_mono_ms() + wait_ms;
    int r = flock(fd, LOCK_EX | LOCK_NB);
    while (r != 0 && errno == EWOULDBLOCK && clock_mono_ms() < end) {
        usleep(STEP_US);
        r = flock(fd, LOCK_EX | LOCK_NB);
    }
    return r == 0;
}

int data_dir_lock(const char *data_dir, uint64_t wait_ms, struct buf *error)
{
    struct buf path = BUF_INIT(4096);
    buf_printf(&path, "%s/lock", data_dir);
    int fd = open(buf_str(&path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || !lock_in_time(fd, wait_ms)) {
        int why = errno;
        bool held = fd >= 0 && why == EWOULDBLOCK;
        buf_printf(error, "%s: %s", buf_str(&path),
                   held ? "another gatepost is at work on this data_dir" : strerror(why));
        fd_close(&fd);
        errno = why;
    }
    buf_free(&path);
    return fd;
}

struct command_context *command_context_open(const struct settings *settings, int *exit_r, struct buf *error)
{
    *exit_r = EXIT_SETTINGS;
    if (!prepare_data_dir(settings, error) || (geteuid() == 0 && !become_user(settings->user, error)))
        return NULL;
    int lock = data_dir_lock(settings->data_dir, 0, error);
    if (lock < 0) {
        *exit_r = errno == EWOULDBLOCK ? EXIT_TRY_AGAIN : EXIT_SETTINGS;
        return NULL;
    }
    struct command_context *c = xcalloc(1, sizeof *c);
    c->settings = settings_cell_make(settings_hold(settings));
    c->lock = lock;
    return c;
}

void command_context_close(struct command_context **context)
{
    struct command_context *c = *context;
    if (c == NULL)
        return;
    *context = NULL;
    auth_close(&c->auth);
    spool_close(&c->spool);
    settings_cell_free(&c->settings);
    fd_close(&c->lock);
    free(c);
}
