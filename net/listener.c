/* SPDX-License-Identifier: MIT */
/* Listening sockets: binding, accepting. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/net.h"

enum {
    ACCEPTS = 32, /* connections taken before the others' turn */
    BACKLOG = 1024,
    TIRED_MS = 100, /* pause when the system is out of descriptors or memory */
};

struct listener {
    uv_poll_t poll;
    uv_timer_t rest;
    int fd;
    unsigned handles;
    accept_fn *accepted;
    void *arg;
};

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_rested(uv_timer_t *timer)
{
    struct listener *l = timer->data;
    uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

static bool accept_one(struct listener *l)
{
    struct sockaddr_storage from, to;
    socklen_t n = sizeof from;
    int fd = accept4(l->fd, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        bool tired = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
        if (tired) { /* the connection would be announced again at once, and the loop would spin */
            uv_poll_stop(&l->poll);
            uv_timer_start(&l->rest, on_rested, TIRED_MS, 0);
        }
        return !tired && errno != EAGAIN && errno != EWOULDBLOCK;
    }
    struct addr peer = addr_from_sockaddr((struct sockaddr *)&from);
    n = sizeof to;
    struct addr local = {0};
    if (getsockname(fd, (struct sockaddr *)&to, &n) == 0)
        local = addr_from_sockaddr((struct sockaddr *)&to);
    l->accepted(l->arg, fd, &peer, &local);
    return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct listener *l = poll->data;
    for (int i = 0; status == 0 && i < ACCEPTS && accept_one(l); i++)
        continue;
}

struct listener *listener_open(struct loop *loop, int fd, accept_fn *accepted, void *arg)
{
    struct listener *l = xcalloc(1, sizeof *l);
    *l = (struct listener){.fd = fd, .accepted = accepted, .arg = arg, .handles = 2};
    if (uv_poll_init(loop_uv(loop), &l->poll, fd) != 0) {
        close(fd);
        free(l);
        return NULL;
    }
    uv_timer_init(loop_uv(loop), &l->rest);
    l->poll.data = l->rest.data = l;
    uv_poll_start(&l->poll, UV_READABLE, on_readable);
    return l;
}

static void on_closed(uv_handle_t *handle)
{
    struct listener *l = handle->data;
    if (--l->handles == 0)
        free(l);
}

void listener_close(struct listener **listener)
{
    struct listener *l = *listener;
    *listener = NULL;
    if (l == NULL)
        return;
    uv_close((uv_handle_t *)&l->poll, on_closed);
    uv_close((uv_handle_t *)&l->rest, on_closed);
    close(l->fd);
}

/* ---- binding ---- */

static int bind_one(const struct addrinfo *ai, bool both)
{
    int on = 1, off = 0;
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (ai->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, both ? &off : &on, sizeof on);
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

static int bind_host(const char *host, const char *port, int family, bool both)
{
    struct addrinfo hints = {
        .ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    if (getaddrinfo(host, port, &hints, &list) != 0)
        return -EADDRNOTAVAIL;
    int fd = bind_one(list, both);
    freeaddrinfo(list);
    return fd;
}

int listener_bind(const char *address, struct buf *error)
{
    char host[64], port[8];
    uint16_t number = 0;
    int fd = -EINVAL;
    if (settings_parse_listen(address, host, &number)) {
        snprintf(port, sizeof port, "%u", number);
        bool any = strcmp(host, "*") == 0;
        fd = any ? bind_host(NULL, port, AF_INET6, true) : bind_host(host, port, AF_UNSPEC, false);
        if (any && (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL))
            fd = bind_host(NULL, port, AF_INET, false);
    }
    if (fd < 0)
        buf_printf(error, "cannot listen on %s: %s", address, strerror(-fd));
    return fd;
}
