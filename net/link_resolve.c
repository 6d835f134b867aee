/* SPDX-License-Identifier: MIT */
/*
 * Host names to addresses with a deadline. getaddrinfo cannot be interrupted, so it runs on a thread of its
 * own, and the asker leaves it behind when it takes too long; the question then belongs to that thread.
 */
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "net/link_impl.h"

struct question {
    atomic_int holders; /* asker and thread; the last one frees */
    int done_fd;        /* becomes readable with the answer */
    char *host;
    uint16_t port;
    /* the answer; the thread's until done_fd is readable */
    struct addr found[LINK_ADDRESSES_MAX];
    size_t n;
    int error; /* of getaddrinfo */
};

static void release(struct question *q)
{
    if (atomic_fetch_sub(&q->holders, 1) > 1)
        return;
    fd_close(&q->done_fd);
    free(q->host);
    free(q);
}

static void look_up(struct question *q)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    q->error = getaddrinfo(q->host, NULL, &hints, &list);
    for (struct addrinfo *at = list; q->error == 0 && at != NULL && q->n < LINK_ADDRESSES_MAX;
         at = at->ai_next) {
        struct addr a = addr_from_sockaddr(at->ai_addr);
        a.port = q->port;
        if (a.family != 0)
            q->found[q->n++] = a;
    }
    if (list != NULL)
        freeaddrinfo(list);
}

static void *resolver_main(void *arg)
{
    struct question *q = arg;
    look_up(q);
    uint64_t one = 1;
    ssize_t written = write(q->done_fd, &one, sizeof one);
    (void)written; /* an eventfd at 0 takes it */
    release(q);
    return NULL;
}

static int start_thread(struct question *q)
{
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
    atomic_fetch_add(&q->holders, 1);
    int error = pthread_create(&thread, NULL, resolver_main, q);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_detach(thread);
    else
        atomic_fetch_sub(&q->holders, 1);
    return error;
}

static int take_answer(const struct question *q, struct addr *out, size_t max, struct buf *error)
{
    if (q->error != 0 || q->n == 0) {
        buf_add_str(error, q->error != 0 ? gai_strerror(q->error) : "no address for the name");
        return -1;
    }
    size_t n = q->n < max ? q->n : max;
    memcpy(out, q->found, n * sizeof *out);
    return (int)n;
}

static int ask(struct question *q, uint64_t wait_ms, int cancel_fd, struct addr *out, size_t max,
               struct buf *error)
{
    int failed = q->done_fd < 0 ? errno : start_thread(q);
    if (failed != 0) {
        buf_add_str(error, strerror(failed));
        return -1;
    }
    enum link_result r = link_wait_fds(q->done_fd, POLLIN, cancel_fd, clock_mono_ms() + wait_ms);
    uint64_t count = 0;
    if (r == LINK_OK && read(q->done_fd, &count, sizeof count) == (ssize_t)sizeof count)
        return take_answer(q, out, max, error);
    buf_add_str(error, r == LINK_CANCELLED ? strerror(ECANCELED) : "looking up the name timed out");
    return -1;
}

int link_resolve(const char *host, uint16_t port, uint64_t wait_ms, int cancel_fd, struct addr *out,
                 size_t max, struct buf *error)
{
    struct addr literal;
    if (max > 0 && addr_parse(host, &literal)) {
        literal.port = port;
        out[0] = literal;
        return 1;
    }
    struct question *q = xcalloc(1, sizeof *q);
    atomic_init(&q->holders, 1);
    q->host = xstrdup(host);
    q->port = port;
    q->done_fd = eventfd(0, EFD_CLOEXEC);
    int n = ask(q, wait_ms, cancel_fd, out, max, error);
    release(q);
    return n;
}
