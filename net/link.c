/* SPDX-License-Identifier: MIT */
/* Client connections that wait with deadlines: sockets and lines. TLS is in link_tls.c, names in
 * link_resolve.c. */
#include "net/link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/link_impl.h"

enum link_result link_fail(struct link *link, enum link_result result, const char *text)
{
    snprintf(link->error, sizeof link->error, "%s", text);
    return result;
}

static enum link_result fail_errno(struct link *link, int error)
{
    return link_fail(link, error == EPIPE || error == ECONNRESET ? LINK_CLOSED : LINK_ERROR, strerror(error));
}

enum link_result link_wait_fds(int fd, short events, int cancel_fd, uint64_t deadline)
{
    struct pollfd fds[2] = {{.fd = fd, .events = events}, {.fd = cancel_fd, .events = POLLIN}};
    for (;;) {
        uint64_t now = clock_mono_ms();
        uint64_t left = deadline > now ? deadline - now : 0;
        int n = poll(fds, 2, left > INT32_MAX ? INT32_MAX : (int)left);
        if (n < 0 && errno != EINTR)
            return LINK_ERROR;
        if (n > 0 && fds[1].revents != 0)
            return LINK_CANCELLED;
        if (n > 0)
            return LINK_OK;
        if (n == 0 && clock_mono_ms() >= deadline)
            return LINK_TIMEOUT;
    }
}

enum link_result link_wait(struct link *link, short events, uint64_t deadline)
{
    enum link_result r = link_wait_fds(link->fd, events, link->cancel_fd, deadline);
    if (r == LINK_TIMEOUT)
        return link_fail(link, r, "timed out");
    if (r == LINK_CANCELLED)
        return link_fail(link, r, "given up because the server is stopping");
    return r == LINK_OK ? r : fail_errno(link, errno);
}

/* ---- connecting ---- */
static struct link *link_make(int fd, int cancel_fd, const struct addr *peer)
{
    struct link *link = xcalloc(1, sizeof *link);
    link->fd = fd;
    link->cancel_fd = cancel_fd;
    if (peer != NULL)
        link->peer = *peer;
    return link;
}

static int connect_wait(int fd, const struct sockaddr *sa, socklen_t len, uint64_t wait_ms, int cancel_fd)
{
    if (connect(fd, sa, len) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno;
    enum link_result r = link_wait_fds(fd, POLLOUT, cancel_fd, clock_mono_ms() + wait_ms);
    if (r != LINK_OK)
        return r == LINK_TIMEOUT ? ETIMEDOUT : r == LINK_CANCELLED ? ECANCELED : errno;
    int error = 0;
    socklen_t n = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0 ? errno : error;
}

static struct link *connect_to(const struct sockaddr *sa, socklen_t len, const struct addr *peer,
                               uint64_t wait_ms, int cancel_fd, struct buf *error)
{
    int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int r = fd < 0 ? errno : connect_wait(fd, sa, len, wait_ms, cancel_fd);
    if (r != 0) {
        fd_close(&fd);
        buf_add_str(error, strerror(r));
        errno = r;
        return NULL;
    }
    return link_make(fd, cancel_fd, peer);
}

struct link *link_connect(const struct addr *to, uint64_t wait_ms, int cancel_fd, struct buf *error)
{
    struct sockaddr_storage sa;
    socklen_t len = addr_to_sockaddr(to, &sa);
    if (len == 0) {
        buf_add_str(error, "no address");
        errno = EDESTADDRREQ;
        return NULL;
    }
    struct link *link = connect_to((const struct sockaddr *)&sa, len, to, wait_ms, cancel_fd, error);
    if (link !=
        NULL) /* every write is a whole command or a full block: waiting to fill packets only costs time */
        setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return link;
}

struct link *link_connect_unix(const char *path, uint64_t wait_ms, int cancel_fd, struct buf *error)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof sa.sun_path) {
        buf_add_str(error, "the path of the socket is too long");
        errno = ENAMETOOLONG;
        return NULL;
    }
    memcpy(sa.sun_path, path, strlen(path) + 1);
    return connect_to((const struct sockaddr *)&sa, sizeof sa, NULL, wait_ms, cancel_fd, error);
}

void link_close(struct link **link)
{
    struct link *l = *link;
    if (l == NULL)
        return;
    *link = NULL;
    link_tls_end(l);
    fd_close(&l->fd);
    free(l);
}

/* ---- reading and writing ---- */
static enum link_result plain_read(struct link *link, char *out, size_t n, size_t *got_r, uint64_t deadline)
{
    for (;;) {
        ssize_t got = recv(link->fd, out, n, 0);
        if (got > 0) {
            *got_r = (size_t)got;
            return LINK_OK;
        }
        if (got == 0)
            return link_fail(link, LINK_CLOSED, "the connection was closed");
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            return fail_errno(link, errno);
        enum link_result r = link_wait(link, POLLIN, deadline);
        if (r != LINK_OK)
            return r;
    }
}

static enum link_result plain_write(struct link *link, const char *data, size_t n, uint64_t deadline)
{
    while (n > 0) {
        ssize_t done = send(link->fd, data, n, MSG_NOSIGNAL);
        if (done >= 0) {
            data += done;
            n -= (size_t)done;
            continue;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            return fail_errno(link, errno);
        enum link_result r = link_wait(link, POLLOUT, deadline);
        if (r != LINK_OK)
            return r;
    }
    return LINK_OK;
}

static enum link_result fill(struct link *link, uint64_t deadline)
{
    if (link->start > 0) {
        memmove(link->in, link->in + link->start, link->end - link->start);
        link->end -= link->start;
        link->start = 0;
    }
    size_t got = 0;
    char *to = link->in + link->end;
    size_t room = sizeof link->in - link->end;
    enum link_result r = link->ssl != NULL ? link_tls_read(link, to, room, &got, deadline)
                                           : plain_read(link, to, room, &got, deadline);
    if (r == LINK_OK)
        link->end += got;
    return r;
}

enum link_result link_read_line(struct link *link, size_t max, uint64_t wait_ms, struct span *line_r)
{
    uint64_t deadline = clock_mono_ms() + wait_ms;
    size_t seen = 0; /* bytes behind start that hold no LF */
    for (;;) {
        const char *line = link->in + link->start;
        size_t have = link->end - link->start;
        const char *lf = have > seen ? memchr(line + seen, '\n', have - seen) : NULL;
        size_t n = lf != NULL ? (size_t)(lf - line) : have;
        if (n > max)
            return link_fail(link, LINK_TOO_LONG, "a line is too long");
        if (lf != NULL) {
            link->start += n + 1;
            *line_r = span_from(line, n > 0 && line[n - 1] == '\r' ? n - 1 : n);
            return LINK_OK;
        }
        seen = have;
        enum link_result r = fill(link, deadline);
        if (r != LINK_OK)
            return r;
    }
}

enum link_result link_write(struct link *link, const void *data, size_t n, uint64_t wait_ms)
{
    uint64_t deadline = clock_mono_ms() + wait_ms;
    return link->ssl != NULL ? link_tls_write(link, data, n, deadline) : plain_write(link, data, n, deadline);
}

bool link_is_quiet(struct link *link)
{
    char byte;
    if (link->start != link->end)
        return false;
    if (link->ssl != NULL)
        return link_tls_is_quiet(link);
    return recv(link->fd, &byte, 1, MSG_PEEK) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

const char *link_error(const struct link *link)
{
    return link->error;
}

const char *link_tls_text(const struct link *link)
{
    return link->tls_text;
}

struct addr link_peer(const struct link *link)
{
    return link->peer;
}
