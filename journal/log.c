/* SPDX-License-Identifier: MIT */
/* The main log as a file or standard error: append, open again, tell what was lost. */
#include "journal/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOG_MODE = 0640, READER_WAIT_MS = 1000, AGAIN_MAX = 100 };

struct log {
    char *path; /* NULL: standard error, which is never closed */
    int fd;
    bool waits;   /* a pipe, socket or terminal: its reader may stall */
    bool stalled; /* it did, the last time: do not wait for it again */
    bool torn;    /* the last line was not written to its end */
};

static int log_fd(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, LOG_MODE);
    return fd >= 0 ? fd : -errno;
}

static void log_use(struct log *log, int fd)
{
    struct stat st;
    log->fd = fd;
    log->torn = log->stalled = false;
    log->waits = fstat(fd, &st) == 0 && !S_ISREG(st.st_mode);
}

struct log *log_open(const char *file, struct buf *error)
{
    bool to_stderr = strcmp(file, "stderr") == 0;
    int fd = to_stderr ? STDERR_FILENO : log_fd(file);
    if (fd < 0) {
        buf_printf(error, "log.file %s: %s", file, strerror(-fd));
        return NULL;
    }
    struct log *log = xcalloc(1, sizeof *log);
    log->path = to_stderr ? NULL : xstrdup(file);
    log_use(log, fd);
    return log;
}

void log_close(struct log **log)
{
    struct log *l = *log;
    *log = NULL;
    if (l == NULL)
        return;
    if (l->path != NULL)
        fd_close(&l->fd);
    free(l->path);
    free(l);
}

int log_reopen(struct log *log)
{
    if (log->path == NULL)
        return 0;
    int fd = log_fd(log->path);
    if (fd < 0)
        return fd;
    fd_close(&log->fd);
    log_use(log, fd);
    return 0;
}

/* Bytes written, or -errno. A pipe with room takes PIPE_BUF bytes without blocking (pipe(7)). */
static ssize_t put_some(struct log *log, const char *data, size_t n)
{
    if (log->waits) {
        struct pollfd p = {.fd = log->fd, .events = POLLOUT};
        int ready = poll(&p, 1, log->stalled ? 0 : READER_WAIT_MS);
        log->stalled = ready == 0;
        if (ready <= 0)
            return ready == 0 ? -ETIMEDOUT : -errno;
        if (n > PIPE_BUF)
            n = PIPE_BUF;
    }
    ssize_t done = write(log->fd, data, n);
    return done >= 0 ? done : -errno;
}

static size_t count_lines(const char *data, size_t n)
{
    size_t lines = 0;
    for (const char *p = data; (p = memchr(p, '\n', n - (size_t)(p - data))) != NULL; p++)
        lines++;
    return lines;
}

size_t log_put(struct log *log, const char *lines, size_t n, int *why_r)
{
    int again = 0;
    for (size_t at = 0; at < n;) {
        ssize_t done = log->torn ? put_some(log, "\n", 1) : put_some(log, lines + at, n - at);
        if ((done == -EINTR || done == -EAGAIN) && again++ < AGAIN_MAX)
            continue; /* EAGAIN: someone else who writes to the pipe took the room */
        if (done <= 0) {
            *why_r = done < 0 ? (int)-done : EIO;
            log->torn = log->torn || (at > 0 && lines[at - 1] != '\n');
            return count_lines(lines + at, n - at);
        }
        if (log->torn)
            log->torn = false;
        else
            at += (size_t)done;
    }
    return 0;
}
