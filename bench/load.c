/* SPDX-License-Identifier: MIT */
/*
 * bench-load: a load generator for SMTP submission. One thread: its own CPU bounds what it can measure, so it
 * does no more than a mail client must. It opens sessions in a fixed number of slots, each as soon as the one
 * before is over.
 */
#include "load_session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define SECOND        1000000000U
#define EVENTS_MAX    256
#define HOLD_AT_ONCE  64 /* sessions that log in at the same time on the way to a held crowd */
#define NUMBER_SIGNAL UINT64_MAX
#define NUMBER_STDIN  (UINT64_MAX - 1)

struct load {
    struct load_run run;
    struct load_session *slots;
    uint32_t *idle; /* numbers of the slots without a session */
    uint64_t idle_n;
    uint64_t started, done, failed, cut, held;
    bool announced; /* "held N" is printed */
    bool stop;
    int signals;
    uint64_t began, ended, deadline;
};

/* ---- setting up ---- */

static bool parse_address(struct load_run *run, const char *host, uint16_t port)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&run->address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&run->address;
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        run->address_n = sizeof *v4;
        return true;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
        run->address_n = sizeof *v6;
        return true;
    }
    fprintf(stderr, "bench-load: not a numeric address: %s\n", host);
    return false;
}

static void raise_descriptor_limit(uint64_t connections)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < connections + 16) {
        limit.rlim_cur = limit.rlim_max < connections + 16 ? limit.rlim_max : connections + 16;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool watch_control(struct load *l)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    l->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = NUMBER_SIGNAL};
    if (l->signals < 0 || epoll_ctl(l->run.epoll, EPOLL_CTL_ADD, l->signals, &event) != 0) {
        return false;
    }
    event.data.u64 = NUMBER_STDIN;
    /* A file or /dev/null (EPERM) never closes: then only the time ends the holding. */
    return !l->run.options->hold || epoll_ctl(l->run.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event) == 0 ||
           errno == EPERM;
}

static bool load_open(struct load *l, const struct load_options *o)
{
    l->run.options = o;
    if (!parse_address(&l->run, o->host, (uint16_t)o->port) || !load_mail_open(&l->run.mail, o)) {
        return false;
    }
    raise_descriptor_limit(o->connections);
    l->run.stats = load_stats_open();
    l->run.tls = load_tls_open(o->resume, o->hold > 0);
    l->run.epoll = epoll_create1(EPOLL_CLOEXEC);
    l->slots = calloc(o->connections, sizeof *l->slots);
    l->idle = calloc(o->connections, sizeof *l->idle);
    if (!l->run.stats || !l->run.tls || l->run.epoll < 0 || !l->slots || !l->idle || !watch_control(l)) {
        perror("bench-load");
        return false;
    }
    for (uint64_t i = 0; i < o->connections; i++) {
        l->slots[i].stream = LOAD_STREAM_INIT;
        l->slots[i].outcome = LOAD_DONE;
        l->idle[l->idle_n++] = (uint32_t)(o->connections - 1 - i);
    }
    return true;
}

static void load_close(struct load *l)
{
    for (uint64_t i = 0; l->slots && i < l->run.options->connections; i++) {
        load_session_cut(&l->slots[i]);
        load_stream_forget(&l->slots[i].stream);
    }
    free(l->slots);
    free(l->idle);
    SSL_CTX_free(l->run.tls);
    load_stats_close(&l->run.stats);
    load_mail_close(&l->run.mail);
}

/* ---- running ---- */

static uint64_t running(const struct load *l)
{
    return l->run.options->connections - l->idle_n - l->held;
}

/* How many sessions there are to be in all. */
static uint64_t wanted(const struct load *l)
{
    const struct load_options *o = l->run.options;
    return o->hold ? o->hold : o->duration ? UINT64_MAX : o->sessions;
}

/* Counts what became of a session that was in `before` when we last looked. */
static void account(struct load *l, uint32_t number, enum load_outcome before)
{
    enum load_outcome now = l->slots[number].outcome;
    if (now == before) {
        return;
    }
    if (before == LOAD_HOLDING) {
        l->held--;
    }
    switch (now) {
    case LOAD_RUNNING: return;
    case LOAD_HOLDING: l->held++; return;
    case LOAD_DONE: l->done++; break;
    case LOAD_FAILED: l->failed++; break;
    }
    l->idle[l->idle_n++] = number;
}

static void start_sessions(struct load *l)
{
    uint64_t at_once = l->run.options->hold ? HOLD_AT_ONCE : UINT64_MAX;
    while (l->idle_n > 0 && l->started < wanted(l) && running(l) < at_once &&
           l->failed < l->run.options->max_errors) {
        uint32_t number = l->idle[--l->idle_n];
        l->started++;
        load_session_start(&l->slots[number], &l->run, number);
        account(l, number, LOAD_RUNNING);
    }
}

static void check_timeouts(struct load *l, uint64_t now)
{
    for (uint32_t i = 0; i < l->run.options->connections; i++) {
        enum load_outcome before = l->slots[i].outcome;
        load_session_check(&l->slots[i], &l->run, now);
        account(l, i, before);
    }
}

static void take_event(struct load *l, uint64_t number)
{
    char byte;
    if (number == NUMBER_SIGNAL) {
        l->stop = true;
    } else if (number == NUMBER_STDIN) {
        l->stop = read(STDIN_FILENO, &byte, 1) <= 0;
    } else {
        struct load_session *s = &l->slots[number];
        enum load_outcome before = s->outcome;
        load_session_event(s, &l->run, number);
        account(l, (uint32_t)number, before);
    }
}

/* Whether there is nothing left to do. The crowd is announced once everybody is in, and held until its time
 * is over. */
static bool over(struct load *l, uint64_t now)
{
    const struct load_options *o = l->run.options;
    if (l->stop || l->failed >= o->max_errors || (l->deadline && now >= l->deadline)) {
        return true;
    }
    bool settled = running(l) == 0 && l->started >= wanted(l);
    if (settled && l->held > 0 && !l->announced) {
        l->announced = true;
        l->deadline = now + o->hold_seconds * SECOND;
        printf("held %llu\n", (unsigned long long)l->held);
        fflush(stdout);
    }
    return settled && l->held == 0;
}

static bool load_go(struct load *l)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t now = load_now(), checked = now;
    l->began = now;
    l->deadline = l->run.options->duration ? now + l->run.options->duration * SECOND : 0;
    start_sessions(l);
    while (!over(l, now)) {
        int n = epoll_wait(l->run.epoll, events, EVENTS_MAX, 200);
        if (n < 0 && errno != EINTR) {
            perror("bench-load: epoll_wait");
            return false;
        }
        for (int i = 0; i < n; i++) {
            take_event(l, events[i].data.u64);
        }
        start_sessions(l);
        now = load_now();
        if (now - checked > SECOND) {
            check_timeouts(l, now);
            checked = now;
        }
    }
    l->ended = load_now();
    l->cut = running(l);
    return true;
}

/* ---- the report ---- */

struct figures {
    double wall, cpu, sessions_a_second, messages_a_second, megabytes_a_second;
};

static struct figures figures_of(const struct load *l)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    double wall = (double)(l->ended - l->began) / (double)SECOND;
    return (struct figures){
        .wall = wall,
        .cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
               (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6,
        .sessions_a_second = (double)l->done / wall,
        .messages_a_second = (double)l->run.messages / wall,
        .megabytes_a_second = (double)l->run.bytes / wall / 1e6,
    };
}

static void report_text(const struct load *l, const struct figures *f)
{
    printf("sessions  %llu (%.1f/s), failed %llu, cut %llu, TLS resumed %llu\n", (unsigned long long)l->done,
           f->sessions_a_second, (unsigned long long)l->failed, (unsigned long long)l->cut,
           (unsigned long long)l->run.resumed);
    printf("messages  %llu (%.1f/s), %.1f MB/s\n", (unsigned long long)l->run.messages, f->messages_a_second,
           f->megabytes_a_second);
    printf("wall      %.3f s, own CPU %.3f s (%.0f %%)\n", f->wall, f->cpu, 100 * f->cpu / f->wall);
    load_stats_print(l->run.stats, stdout);
}

static void report_json(const struct load *l, const struct figures *f)
{
    printf("{\"sessions\":%llu,\"failed\":%llu,\"cut\":%llu,\"held\":%llu,\"resumed\":%llu,\"messages\":%llu,"
           "\"bytes\":%llu,\"wall_s\":%.6f,\"cpu_s\":%.6f,\"sessions_per_s\":%.2f,\"messages_per_s\":%.2f,",
           (unsigned long long)l->done, (unsigned long long)l->failed, (unsigned long long)l->cut,
           (unsigned long long)l->held, (unsigned long long)l->run.resumed,
           (unsigned long long)l->run.messages, (unsigned long long)l->run.bytes, f->wall, f->cpu,
           f->sessions_a_second, f->messages_a_second);
    load_stats_print_json(l->run.stats, stdout);
    puts("}");
}

int main(int argc, char **argv)
{
    struct load_options options;
    if (!load_options_read(&options, argc, argv)) {
        return 64; /* EX_USAGE */
    }
    struct load l = {0};
    bool ok = load_open(&l, &options) && load_go(&l);
    if (ok) {
        struct figures f = figures_of(&l);
        (options.json ? report_json : report_text)(&l, &f);
    }
    ok = ok && l.failed == 0;
    load_close(&l);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
