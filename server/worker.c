/* SPDX-License-Identifier: MIT */
/*
 * The worker: builds the server out of its supplies, and runs it until a signal ends it. It is a process of
 * its own below the keeper, or, started by an ordinary user, the only one; then it supplies itself.
 */
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/commands.h"
#include "server/supplies.h"
#include "server/worker.h"

enum {
    PEM_MAX = 1 << 20,
    PASSWORD_MAX = 4096,
    ERROR_MAX = 8192,
    HOSTNAME_MAX = 256,
    DRAIN_STEP_MS = 50,
    COURIER_STOP_MS = 5000,
    LOCK_WAIT_MS = 10000, /* a command may be at work on the files */
};

struct worker {
    const char *settings_path;
    int keeper; /* the socketpair's end; -1: there is none */
    struct supplies supplies;
    char hostname[HOSTNAME_MAX];
    struct settings_cell *settings;
    struct journal *journal;
    struct auth *auth;
    struct spool *spool;
    struct smtp *smtp;
    struct courier *courier;
    struct control *control;
    struct command_context commands;
    int lock;
    /* the main thread's loop: signals, keeper, the end */
    struct loop *loop;
    uv_signal_t signals[4];
    uv_poll_t keeper_poll;
    uv_timer_t drain;
    struct loop_task reload_task;
    uint64_t drain_until_ms;
};

/* ---- settings and TLS ---- */

static void say(struct worker *w, enum event_type type, const char *text)
{
    struct event event = {.type = type, .detail = text};
    journal_write(w->journal, &event);
}

static bool read_supply(const struct supplies *s, enum supply_kind kind, const char *setting,
                        const char *path, struct buf *out, struct buf *error)
{
    int r = s->files[kind] < 0 ? -(s->errors[kind] != 0 ? s->errors[kind] : ENOENT)
                               : file_read_fd(s->files[kind], PEM_MAX, out);
    if (r != 0)
        buf_printf(error, "%s: %s cannot be read: %s", setting, path, strerror(-r));
    return r == 0;
}

/* NULL with *error: bad; NULL without: none is set. *warning may get a text. */
static struct tls_policy *make_policy(const struct supplies *s, const struct settings *settings,
                                      struct buf *error, struct buf *warning)
{
    struct buf certificate = BUF_INIT(PEM_MAX), key = BUF_INIT(PEM_MAX);
    struct tls_policy *policy = NULL;
    if (settings->tls_certificate[0] != '\0' &&
        read_supply(s, SUPPLY_CERTIFICATE, "tls.certificate", settings->tls_certificate, &certificate,
                    error) &&
        read_supply(s, SUPPLY_KEY, "tls.key", settings->tls_key, &key, error)) {
        struct buf text = BUF_INIT(ERROR_MAX);
        policy = tls_policy_make(settings, span_from(buf_str(&certificate), certificate.len),
                                 span_from(buf_str(&key), key.len), &text);
        buf_add_str(policy != NULL ? warning : error, buf_str(&text));
        buf_free(&text);
    }
    buf_free(&certificate);
    buf_cleanse(&key);
    return policy;
}

static void hand_password(struct worker *w)
{
    struct buf password = BUF_INIT(PASSWORD_MAX);
    if (w->courier == NULL || w->supplies.files[SUPPLY_PASSWORD] < 0 ||
        file_read_fd(w->supplies.files[SUPPLY_PASSWORD], PASSWORD_MAX, &password) != 0)
        return;
    size_t n = strcspn(buf_str(&password), "\r\n");
    courier_set_password(w->courier, span_from(buf_str(&password), n));
    buf_cleanse(&password);
}

/* Tells of each setting of that kind whose value differs in the two sets. */
static void tell_differences(struct worker *w, const struct settings *one, const struct settings *other,
                             enum setting_when when, const char *what)
{
    for (size_t i = 0; i < settings_count(); i++) {
        struct buf a = BUF_INIT(65536), b = BUF_INIT(65536), text = BUF_INIT(ERROR_MAX);
        settings_value(one, i, &a);
        settings_value(other, i, &b);
        if (settings_info(i)->when == when && strcmp(buf_str(&a), buf_str(&b)) != 0) {
            buf_printf(&text, "%s %s", settings_info(i)->name, what);
            say(w, EVENT_SETTINGS, buf_str(&text));
        }
        buf_free(&a);
        buf_free(&b);
        buf_free(&text);
    }
}

/* What was changed, or set at all, and is not in force. */
static void tell_not_in_force(struct worker *w, const struct settings *now, const struct settings *next)
{
    const struct settings *defaults = settings_defaults();
    tell_differences(w, now, next, WHEN_RESTART, "was changed: that takes a restart");
    tell_differences(w, defaults, next, WHEN_LATER, "is set, but this version does not have what it governs");
    settings_release(&defaults);
}

/* A reload: what is good comes into force, what is bad leaves the old as it was, and either is said. */
static void apply(struct worker *w)
{
    struct buf error = BUF_INIT(ERROR_MAX), text = BUF_INIT(ERROR_MAX), warning = BUF_INIT(ERROR_MAX);
    const struct settings *next =
        w->supplies.files[SUPPLY_SETTINGS] < 0
            ? NULL
            : settings_load_fd(w->supplies.files[SUPPLY_SETTINGS], w->settings_path, &error);
    if (next == NULL) {
        buf_printf(&text, "not reloaded, the old settings stay in force: %s",
                   error.len > 0 ? buf_str(&error) : "the file cannot be opened");
        say(w, EVENT_SETTINGS, buf_str(&text));
    } else {
        struct tls_policy *policy = make_policy(&w->supplies, next, &error, &warning);
        const struct settings *now = settings_cell_get(w->settings);
        tell_not_in_force(w, now, next);
        settings_release(&now);
        settings_cell_set(w->settings, next);
        if (error.len == 0)
            smtp_set_tls(w->smtp, policy);
        else
            buf_printf(&text, "reloaded, but the old certificate stays in force: %s", buf_str(&error));
        say(w, EVENT_SETTINGS, text.len > 0 ? buf_str(&text) : "reloaded");
        if (warning.len > 0)
            say(w, EVENT_WARNING, buf_str(&warning));
        hand_password(w);
        spool_wake(w->spool); /* courier.hold may have changed */
    }
    supplies_close(&w->supplies);
    buf_free(&error);
    buf_free(&text);
    buf_free(&warning);
}

/* Any thread. */
static void ask_reload(void *arg)
{
    struct worker *w = arg;
    loop_post(w->loop, &w->reload_task);
}

static void on_reload(struct loop_task *task)
{
    struct worker *w = CONTAINER_OF(task, struct worker, reload_task);
    if (w->keeper >= 0) { /* it sends the files, and on_keeper goes on */
        supply_send(w->keeper, SUPPLY_RELOAD, 0, 0, -1);
        return;
    }
    struct buf ignored = BUF_INIT(ERROR_MAX);
    const struct settings *settings = settings_load(w->settings_path, &ignored);
    supplies_open_files(&w->supplies, settings, w->settings_path);
    settings_release(&settings);
    buf_free(&ignored);
    apply(w);
}

/* ---- the end ---- */

static void end_loop(struct worker *w)
{
    for (size_t i = 0; i < COUNT_OF(w->signals); i++)
        uv_close((uv_handle_t *)&w->signals[i], NULL);
    if (w->keeper >= 0)
        uv_close((uv_handle_t *)&w->keeper_poll, NULL);
    uv_close((uv_handle_t *)&w->drain, NULL);
    loop_stop(w->loop);
}

static void on_drain(uv_timer_t *timer)
{
    struct worker *w = timer->data;
    if (smtp_connections(w->smtp) > 0 && clock_mono_ms() < w->drain_until_ms)
        return;
    uv_timer_stop(timer);
    end_loop(w);
}

static void begin_end(struct worker *w)
{
    uint64_t now = clock_mono_ms();
    if (w->drain_until_ms != 0) { /* asked twice: at once */
        w->drain_until_ms = now;
        return;
    }
    const struct settings *settings = settings_cell_get(w->settings);
    w->drain_until_ms = now + settings->limit_drain * 1000;
    settings_release(&settings);
    smtp_drain(w->smtp);
    uv_timer_start(&w->drain, on_drain, 1, DRAIN_STEP_MS);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct worker *w = handle->data;
    if (number == SIGUSR1)
        journal_reopen(w->journal);
    else if (number != SIGHUP)
        begin_end(w);
    else if (w->keeper < 0) /* the keeper hears SIGHUP itself */
        on_reload(&w->reload_task);
}

static void on_keeper(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct worker *w = poll->data;
    enum supply_kind kind = SUPPLY_KINDS;
    int r = status < 0 ? status : supply_receive(w->keeper, &w->supplies, &kind);
    if (r == 1 && kind == SUPPLY_COMPLETE) {
        apply(w);
    } else if (r == 0 || (r < 0 && r != -EAGAIN)) {
        uv_poll_stop(poll); /* the keeper is gone: nobody would start us again */
        begin_end(w);
    }
}

/* ---- building ---- */

static bool build_loop(struct worker *w)
{
    static const int NUMBERS[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    w->loop = loop_make("main");
    if (w->loop == NULL)
        return false;
    w->reload_task.run = on_reload;
    for (size_t i = 0; i < COUNT_OF(NUMBERS); i++) {
        uv_signal_init(loop_uv(w->loop), &w->signals[i]);
        w->signals[i].data = w;
        uv_signal_start(&w->signals[i], on_signal, NUMBERS[i]);
    }
    uv_timer_init(loop_uv(w->loop), &w->drain);
    w->drain.data = w;
    if (w->keeper >= 0) {
        uv_poll_init(loop_uv(w->loop), &w->keeper_poll, w->keeper);
        w->keeper_poll.data = w;
        uv_poll_start(&w->keeper_poll, UV_READABLE, on_keeper);
    }
    return true;
}

static bool build_rooms(struct worker *w, const struct settings *settings, struct tls_policy *policy,
                        struct buf *error)
{
    w->lock = data_dir_lock(settings->data_dir, LOCK_WAIT_MS, error);
    if (w->lock < 0 || (w->journal = journal_open(w->settings, error)) == NULL ||
        (w->auth = auth_open(w->settings, error)) == NULL ||
        (w->spool = spool_open(w->settings, error)) == NULL) {
        tls_policy_release(&policy);
        return false;
    }
    if (error->len > 0) /* the spool found damaged messages, and holds them */
        say(w, EVENT_WARNING, buf_str(error));
    buf_clear(error);
    size_t loops = supplies_loops(settings);
    struct smtp_parts parts = {w->settings, w->auth, w->spool, w->journal, w->hostname};
    w->smtp = smtp_make(&parts, loops);
    if (w->smtp == NULL) {
        tls_policy_release(&policy);
        buf_add_str(error, "cannot make the event loops");
        return false;
    }
    smtp_set_tls(w->smtp, policy);
    for (size_t i = 0; i < w->supplies.listener_count; i++) {
        struct supply_listener *l = &w->supplies.listeners[i];
        int fd = l->fd;
        l->fd = -1;
        if (!smtp_listen(w->smtp, l->loop % loops, (enum listener_kind)l->kind, fd)) {
            buf_add_str(error, "cannot use a listening socket");
            return false;
        }
    }
    w->courier = courier_start(w->spool, w->journal, w->settings, w->hostname, error);
    return w->courier != NULL;
}

static bool build_control(struct worker *w, const struct settings *settings, struct buf *error)
{
    struct buf path = BUF_INIT(4096);
    w->commands = (struct command_context){.settings = w->settings,
                                           .auth = w->auth,
                                           .spool = w->spool,
                                           .journal = w->journal,
                                           .smtp = w->smtp,
                                           .started_at = clock_wall(),
                                           .reload = ask_reload,
                                           .arg = w,
                                           .lock = -1};
    w->control = control_start(control_path(settings, &path), &w->commands, error);
    buf_free(&path);
    return w->control != NULL;
}

/* In the order in which each may still need the others. */
static void take_down(struct worker *w)
{
    control_stop(&w->control);
    if (w->smtp != NULL)
        smtp_end(w->smtp);
    courier_stop(&w->courier, COURIER_STOP_MS);
    auth_close(&w->auth);
    spool_close(&w->spool);
    smtp_free(&w->smtp);
    if (w->journal != NULL)
        say(w, EVENT_STOPPED, "");
    journal_close(&w->journal);
    loop_free(&w->loop);
    settings_cell_free(&w->settings);
    supplies_close(&w->supplies);
    fd_close(&w->lock);
    fd_close(&w->keeper);
}

static void tell_started(struct worker *w, const struct settings *settings, const struct buf *warning)
{
    struct buf text = BUF_INIT(ERROR_MAX);
    const struct setting_list *lists[] = {&settings->listen_smtp, &settings->listen_submission,
                                          &settings->listen_submissions};
    buf_printf(&text, "gatepost %s started, pid %d", GP_VERSION, (int)getpid());
    for (unsigned kind = 0; kind < COUNT_OF(lists); kind++)
        for (size_t i = 0; i < lists[kind]->n; i++)
            buf_printf(&text, "%s %s on %s", kind == 0 && i == 0 ? ":" : ",", listener_kind_name(kind),
                       lists[kind]->items[i]);
    say(w, EVENT_STARTED, buf_str(&text));
    if (warning->len > 0)
        say(w, EVENT_WARNING, buf_str(warning));
    if (!settings->tls_required_for_auth)
        say(w, EVENT_WARNING, "tls.required_for_auth is off: passwords may cross the network in plain text");
    tell_not_in_force(w, settings, settings);
    buf_free(&text);
}

static void quiet_process(void)
{
    struct rlimit none = {0, 0}, files;
    umask(0077);
    signal(SIGPIPE, SIG_IGN);
    setrlimit(RLIMIT_CORE, &none); /* memory holds passwords and mail */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* The setting, or the system's full host name. False when there is none. */
static bool host_name(const struct settings *settings, char *out, size_t size)
{
    snprintf(out, size, "%s", settings->hostname);
    if (out[0] != '\0')
        return true;
    if (gethostname(out, size) != 0)
        return false;
    out[size - 1] = '\0';
    struct addrinfo hints = {.ai_flags = AI_CANONNAME}, *list = NULL;
    if (strchr(out, '.') == NULL && getaddrinfo(out, NULL, &hints, &list) == 0) {
        if (list->ai_canonname != NULL && strchr(list->ai_canonname, '.') != NULL)
            snprintf(out, size, "%s", list->ai_canonname);
        freeaddrinfo(list);
    }
    return out[0] != '\0';
}

static int fail(const char *text, int code)
{
    fprintf(stderr, "gatepost: %s\n", text);
    return code;
}

/* Supplies are there: serves until the end. */
static int work(struct worker *w, const struct settings *settings)
{
    struct buf error = BUF_INIT(ERROR_MAX), warning = BUF_INIT(ERROR_MAX);
    int code = EXIT_SYSTEM;
    if (!host_name(settings, w->hostname, sizeof w->hostname))
        buf_add_str(&error, "hostname: the system has no name; set it");
    struct tls_policy *policy = error.len == 0 ? make_policy(&w->supplies, settings, &error, &warning) : NULL;
    if (error.len > 0)
        code = EXIT_SETTINGS;
    w->settings = settings_cell_make(settings_hold(settings));
    bool ok = error.len == 0 && build_rooms(w, settings, policy, &error) && build_loop(w) &&
              build_control(w, settings, &error) && smtp_start(w->smtp) == 0;
    if (ok) {
        hand_password(w);
        supplies_close(&w->supplies);
        tell_started(w, settings, &warning);
        if (w->keeper >= 0)
            supply_send(w->keeper, SUPPLY_READY, 0, 0, -1);
        loop_run(w->loop);
        code = EXIT_DONE;
    } else {
        if (w->loop != NULL)
            end_loop(w); /* it never ran, but has handles */
        code = fail(error.len > 0 ? buf_str(&error) : "cannot start", code);
    }
    take_down(w);
    buf_free(&error);
    buf_free(&warning);
    return code;
}

int server_run_worker(const char *settings_path)
{
    struct worker w = {.settings_path = settings_path, .keeper = 3, .lock = -1};
    struct buf error = BUF_INIT(ERROR_MAX);
    enum supply_kind kind = SUPPLY_KINDS;
    int r = 1;
    quiet_process();
    supplies_init(&w.supplies);
    while (r == 1 && kind != SUPPLY_COMPLETE)
        r = supply_receive(w.keeper, &w.supplies, &kind);
    if (r != 1)
        return fail("worker is started by `gatepost serve`, not by hand", EXIT_USAGE);
    const struct settings *settings =
        settings_load_fd(w.supplies.files[SUPPLY_SETTINGS], settings_path, &error);
    int code = settings != NULL ? work(&w, settings) : fail(buf_str(&error), EXIT_SETTINGS);
    settings_release(&settings);
    buf_free(&error);
    return code;
}

int server_run_single(const char *settings_path, const struct settings *settings)
{
    struct worker w = {.settings_path = settings_path, .keeper = -1, .lock = -1};
    struct buf error = BUF_INIT(ERROR_MAX);
    quiet_process();
    supplies_init(&w.supplies);
    supplies_open_files(&w.supplies, settings, settings_path);
    int code = EXIT_SYSTEM;
    if (prepare_data_dir(settings, &error) &&
        supplies_listen(&w.supplies, settings, supplies_loops(settings), &error))
        code = work(&w, settings);
    else
        fail(buf_str(&error), code);
    supplies_close(&w.supplies);
    buf_free(&error);
    return code;
}
