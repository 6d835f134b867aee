/* SPDX-License-Identifier: MIT */
/*
 * The keeper: root's part. Opens what only root may open, starts the worker and starts it again when it dies.
 * From the worker it takes fixed-size messages only, of which it knows two.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/supplies.h"
#include "server/worker.h"

enum {
    ERROR_MAX = 8192,
    FIRST_WAIT_MS = 100, /* before a worker that died is started again; doubled while it goes on dying */
    LONGEST_WAIT_MS = 5000,
    STEADY_MS = 10000,    /* a worker that lived so long is steady */
    END_EXTRA_MS = 10000, /* beyond limit.drain, before the worker is killed */
    WORKER_FD = 3,
};

struct keeper {
    const char *settings_path;
    const struct settings *settings; /* as of the start */
    struct supplies supplies;        /* listeners for good; files while they are sent */
    int signals;                     /* a signalfd */
    int socket;                      /* to the worker; -1: there is none */
    pid_t worker;                    /* 0: none */
    bool ready, ever_ready, ending;
    uint64_t started_ms, wait_ms;
    uint64_t start_at_ms; /* when the next worker is due; 0: not */
    uint64_t kill_at_ms;
    int exit_code;
};

/* ---- starting the worker ---- */

static int complain(const char *text, int code)
{
    fprintf(stderr, "gatepost: %s\n", text);
    return code;
}

/* In the child: becomes the worker, or says why not. */
static void become_worker(struct keeper *k, int socket)
{
    struct buf error = BUF_INIT(ERROR_MAX);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int fd = dup2(socket, WORKER_FD);
    bool ok = fd == WORKER_FD && fcntl(fd, F_SETFD, 0) == 0 && close_range(WORKER_FD + 1, ~0U, 0) == 0;
    if (!ok)
        buf_printf(&error, "cannot prepare the worker: %s", strerror(errno));
    if (ok && become_user(k->settings->user, &error)) {
        execl("/proc/self/exe", "gatepost", "worker", "-c", k->settings_path, (char *)NULL);
        buf_printf(&error, "cannot start the worker: %s", strerror(errno));
    }
    _exit(complain(buf_str(&error), EXIT_SETTINGS));
}

/* Opens the files anew and sends them; settings with mistakes are sent, too: the worker says what is wrong
 * with them. */
static void send_files(struct keeper *k, bool listeners)
{
    struct buf ignored = BUF_INIT(ERROR_MAX);
    const struct settings *settings = settings_load(k->settings_path, &ignored);
    struct supplies files;
    supplies_init(&files);
    supplies_open_files(&files, settings, k->settings_path);
    if (listeners) {
        files.listeners = k->supplies.listeners;
        files.listener_count = k->supplies.listener_count;
    }
    int r = supplies_send(k->socket, &files);
    if (r != 0)
        fprintf(stderr, "gatepost: cannot reach the worker: %s\n", strerror(-r));
    files.listeners = NULL; /* they stay the keeper's */
    files.listener_count = 0;
    supplies_close(&files);
    settings_release(&settings);
    buf_free(&ignored);
}

static bool start_worker(struct keeper *k)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0)
        become_worker(k, pair[1]);
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        return false;
    }
    k->socket = pair[0];
    k->worker = pid;
    k->ready = false;
    k->started_ms = clock_mono_ms();
    k->start_at_ms = 0;
    send_files(k, true);
    return true;
}

/* ---- what happens ---- */

static void plan_restart(struct keeper *k)
{
    bool steady = clock_mono_ms() - k->started_ms > STEADY_MS;
    k->wait_ms = steady || k->wait_ms == 0 ? FIRST_WAIT_MS : k->wait_ms * 2;
    if (k->wait_ms > LONGEST_WAIT_MS)
        k->wait_ms = LONGEST_WAIT_MS;
    k->start_at_ms = clock_mono_ms() + k->wait_ms;
}

static void worker_ended(struct keeper *k, int status)
{
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SYSTEM;
    k->worker = 0;
    fd_close(&k->socket);
    if (k->ending || !k->ever_ready) { /* what never served will not serve the second time */
        k->exit_code = code;
        k->ending = true;
        return;
    }
    if (WIFSIGNALED(status))
        fprintf(stderr, "gatepost: the worker was killed by signal %d (%s); it is started again\n",
                WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        fprintf(stderr, "gatepost: the worker ended with status %d; it is started again\n", code);
    plan_restart(k);
}

static void begin_end(struct keeper *k)
{
    k->ending = true;
    k->start_at_ms = 0;
    for (size_t i = 0; i < k->supplies.listener_count; i++)
        fd_close(&k->supplies.listeners[i].fd); /* else clients would go on to be queued */
    if (k->worker != 0)
        kill(k->worker, SIGTERM);
    k->kill_at_ms = clock_mono_ms() + k->settings->limit_drain * 1000 + END_EXTRA_MS;
}

static void reap(struct keeper *k)
{
    int status = 0;
    pid_t pid = 0;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == k->worker)
            worker_ended(k, status);
}

static void on_signal(struct keeper *k)
{
    struct signalfd_siginfo info;
    if (read(k->signals, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    switch (info.ssi_signo) {
    case SIGCHLD: reap(k); break;
    case SIGHUP:
        if (k->worker != 0)
            send_files(k, false);
        break;
    case SIGUSR1:
        if (k->worker != 0)
            kill(k->worker, SIGUSR1);
        break;
    default: begin_end(k); break;
    }
}

static void on_worker(struct keeper *k)
{
    struct supplies none;
    enum supply_kind kind = SUPPLY_KINDS;
    supplies_init(&none);
    int r = supply_receive(k->socket, &none, &kind);
    supplies_close(&none); /* nothing is taken from it */
    if (r == 1 && kind == SUPPLY_READY)
        k->ready = k->ever_ready = true;
    else if (r == 1 && kind == SUPPLY_RELOAD)
        send_files(k, false);
    else
        fd_close(&k->socket); /* SIGCHLD follows, or the worker ends by seeing this */
}

static int wait_left(uint64_t at_ms)
{
    uint64_t now = clock_mono_ms();
    return at_ms == 0 ? -1 : at_ms <= now ? 0 : (int)(at_ms - now);
}

static void keep(struct keeper *k)
{
    while (!k->ending || k->worker != 0) {
        struct pollfd fds[2] = {{k->signals, POLLIN, 0}, {k->socket, POLLIN, 0}};
        int n = poll(fds, k->socket >= 0 ? 2 : 1, wait_left(k->ending ? k->kill_at_ms : k->start_at_ms));
        if (n > 0 && fds[0].revents != 0)
            on_signal(k);
        else if (n > 0)
            on_worker(k);
        else if (n == 0 && k->ending && k->worker != 0)
            kill(k->worker, SIGKILL);
        else if (n == 0 && k->start_at_ms != 0 && !start_worker(k))
            plan_restart(k);
    }
}

/* ---- start ---- */

static int block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (const int *s = (const int[]){SIGCHLD, SIGHUP, SIGUSR1, SIGTERM, SIGINT, 0}; *s != 0; s++)
        sigaddset(&set, *s);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The worker opens log.file itself, again and again; it must be its own. */
static bool prepare_log(const struct settings *settings, struct buf *error)
{
    if (strcmp(settings->log_file, "stderr") == 0)
        return true;
    int fd = open(settings->log_file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0 && errno == EEXIST)
        return true;
    const struct passwd *pw = getpwnam(settings->user);
    if (fd < 0 || pw == NULL || fchown(fd, pw->pw_uid, pw->pw_gid) != 0) {
        buf_printf(error, "log.file: cannot make %s: %s", settings->log_file, strerror(errno));
        fd_close(&fd);
        return false;
    }
    close(fd);
    return true;
}

static int run_keeper(const char *settings_path, const struct settings *settings)
{
    struct buf error = BUF_INIT(ERROR_MAX);
    struct keeper k = {
        .settings_path = settings_path, .settings = settings, .socket = -1, .exit_code = EXIT_SYSTEM};
    supplies_init(&k.supplies);
    if (!prepare_data_dir(settings, &error) || !prepare_log(settings, &error)) {
        k.exit_code = complain(buf_str(&error), EXIT_SETTINGS);
    } else if (!supplies_listen(&k.supplies, settings, supplies_loops(settings), &error)) {
        complain(buf_str(&error), EXIT_SYSTEM);
    } else {
        k.signals = block_signals();
        if (start_worker(&k))
            keep(&k);
        else
            complain("cannot start the worker", EXIT_SYSTEM);
        fd_close(&k.signals);
    }
    supplies_close(&k.supplies);
    fd_close(&k.socket);
    buf_free(&error);
    return k.exit_code;
}

int server_run(const char *settings_path)
{
    struct buf error = BUF_INIT(65536);
    const struct settings *settings = settings_load(settings_path, &error);
    int code = EXIT_SETTINGS;
    if (settings == NULL)
        fprintf(stderr, "%s\n", buf_str(&error));
    else
        code =
            geteuid() == 0 ? run_keeper(settings_path, settings) : server_run_single(settings_path, settings);
    settings_release(&settings);
    buf_free(&error);
    return code;
}
