/* SPDX-License-Identifier: MIT */
/* Supplies: opening them, and sending them from keeper to worker. */
#include "server/supplies.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "smtp/smtp.h"

void supplies_init(struct supplies *s)
{
    *s = (struct supplies){0};
    for (size_t i = 0; i < SUPPLY_FILES; i++)
        s->files[i] = -1;
}

void supplies_close(struct supplies *s)
{
    for (size_t i = 0; i < SUPPLY_FILES; i++)
        fd_close(&s->files[i]);
    for (size_t i = 0; i < s->listener_count; i++)
        fd_close(&s->listeners[i].fd);
    free(s->listeners);
    supplies_init(s);
}

/* ---- opening ---- */

void supplies_open_files(struct supplies *s, const struct settings *settings, const char *settings_path)
{
    const char *paths[SUPPLY_FILES] = {[SUPPLY_SETTINGS] = settings_path};
    if (settings != NULL) { /* the file may hold mistakes; then the worker will say so */
        paths[SUPPLY_CERTIFICATE] = settings->tls_certificate;
        paths[SUPPLY_KEY] = settings->tls_key;
        paths[SUPPLY_PASSWORD] = settings->relay_password_file;
    }
    for (size_t i = 0; i < SUPPLY_FILES; i++) {
        if (paths[i] == NULL || paths[i][0] == '\0')
            continue;
        fd_close(&s->files[i]);
        s->files[i] = open(paths[i], O_RDONLY | O_CLOEXEC);
        s->errors[i] = s->files[i] < 0 ? errno : 0;
    }
}

size_t supplies_loops(const struct settings *settings)
{
    cpu_set_t cores;
    if (settings->loops > 0)
        return (size_t)settings->loops;
    return sched_getaffinity(0, sizeof cores, &cores) == 0 ? (size_t)CPU_COUNT(&cores) : 1;
}

static void add_listener(struct supplies *s, struct supply_listener listener)
{
    s->listeners = xrealloc(s->listeners, (s->listener_count + 1) * sizeof *s->listeners);
    s->listeners[s->listener_count++] = listener;
}

bool supplies_listen(struct supplies *s, const struct settings *settings, size_t n, struct buf *error)
{
    const struct setting_list *lists[LISTENER_KINDS] = {
        [LISTENER_SMTP] = &settings->listen_smtp,
        [LISTENER_SUBMISSION] = &settings->listen_submission,
        [LISTENER_SUBMISSIONS] = &settings->listen_submissions,
    };
    for (uint32_t kind = 0; kind < LISTENER_KINDS; kind++) {
        for (size_t i = 0; i < lists[kind]->n * n; i++) {
            int fd = listener_bind(lists[kind]->items[i / n], error);
            if (fd < 0)
                return false;
            add_listener(s, (struct supply_listener){fd, kind, (uint32_t)(i % n)});
        }
    }
    return true;
}

/* ---- travelling ---- */

struct message {
    uint32_t magic, kind, a, b;
};
enum { MAGIC = 0x47504B31 };

int supply_send(int socket, enum supply_kind kind, uint32_t a, uint32_t b, int fd)
{
    struct message message = {MAGIC, kind, a, b};
    struct iovec iov = {&message, sizeof message};
    union {
        char bytes[CMSG_SPACE(sizeof fd)];
        struct cmsghdr align;
    } control = {0};
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd >= 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = sizeof control.bytes;
        struct cmsghdr *c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    ssize_t n = 0;
    do {
        n = sendmsg(socket, &header, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

int supplies_send(int socket, const struct supplies *s)
{
    int r = 0;
    for (uint32_t i = 0; i < SUPPLY_FILES && r == 0; i++)
        r = supply_send(socket, i, (uint32_t)s->errors[i], 0, s->files[i]);
    for (size_t i = 0; i < s->listener_count && r == 0; i++)
        r = supply_send(socket, SUPPLY_LISTENER, s->listeners[i].kind, s->listeners[i].loop,
                        s->listeners[i].fd);
    return r == 0 ? supply_send(socket, SUPPLY_COMPLETE, 0, 0, -1) : r;
}

static int take_fd(struct msghdr *header)
{
    int fd = -1;
    struct cmsghdr *c = CMSG_FIRSTHDR(header);
    if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

static bool store(struct supplies *s, const struct message *m, int fd)
{
    if (m->kind < SUPPLY_FILES) {
        fd_close(&s->files[m->kind]);
        s->files[m->kind] = fd;
        s->errors[m->kind] = (int)m->a;
        return true;
    }
    if (m->kind == SUPPLY_LISTENER && fd >= 0 && m->a < LISTENER_KINDS) {
        add_listener(s, (struct supply_listener){fd, m->a, m->b});
        return true;
    }
    bool ok = m->kind < SUPPLY_KINDS && m->kind != SUPPLY_LISTENER && fd < 0;
    fd_close(&fd);
    return ok;
}

int supply_receive(int socket, struct supplies *s, enum supply_kind *kind_r)
{
    struct message message = {0};
    struct iovec iov = {&message, sizeof message};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr header = {.msg_iov = &iov,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes};
    ssize_t n = 0;
    do {
        n = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n == 0 ? 0 : -errno;
    int fd = take_fd(&header);
    if (n != sizeof message || message.magic != MAGIC) {
        fd_close(&fd);
        return -EPROTO;
    }
    *kind_r = message.kind;
    return store(s, &message, fd) ? 1 : -EPROTO;
}
