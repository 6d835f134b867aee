/* SPDX-License-Identifier: MIT */
/* Files and folders: whole reads with a cap, atomic replacement, syncs. */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int file_read_fd(int fd, size_t max, struct buf *out_r)
{
    enum { CHUNK = 16384 };
    char chunk[CHUNK];
    off_t at = 0;
    *out_r = BUF_INIT_SECRET(max); /* keys are read this way, too */
    for (;;) {
        ssize_t n = pread(fd, chunk, sizeof chunk, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            break;
        int error = n < 0 ? errno : buf_add(out_r, chunk, (size_t)n) ? 0 : EFBIG;
        if (error != 0) {
            buf_cleanse(out_r);
            explicit_bzero(chunk, sizeof chunk);
            return -error;
        }
        at += n;
    }
    explicit_bzero(chunk, sizeof chunk);
    return 0;
}

int file_read(const char *path, size_t max, struct buf *out_r)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = file_read_fd(fd, max, out_r);
    close(fd);
    return r;
}

int file_write_all(int fd, const void *data, size_t n)
{
    const char *p = data;
    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done < 0 ? -errno : -EIO;
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

int dir_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = fsync(fd) == 0 ? 0 : -errno;
    close(fd);
    return r;
}

static int dir_sync_above(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return dir_sync(".");
    if (slash == path)
        return dir_sync("/");
    char *folder = xstrndup(path, (size_t)(slash - path));
    int r = dir_sync(folder);
    free(folder);
    return r;
}

static int write_new(const char *path, const void *data, size_t n, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return -errno;
    int r = file_write_all(fd, data, n);
    if (r == 0 && (fchmod(fd, mode) != 0 || fsync(fd) != 0))
        r = -errno;
    close(fd);
    return r;
}

int file_replace(const char *path, const void *data, size_t n, mode_t mode)
{
    struct buf beside = BUF_INIT(4096);
    if (!buf_printf(&beside, "%s.new", path))
        return -ENAMETOOLONG;
    int r = write_new(buf_str(&beside), data, n, mode);
    if (r == 0 && rename(buf_str(&beside), path) != 0)
        r = -errno;
    if (r == 0)
        r = dir_sync_above(path);
    else
        unlink(buf_str(&beside));
    buf_free(&beside);
    return r;
}

/* Makes one folder, its name on disk, or finds that it is there. */
static int dir_make_one(const char *path, mode_t mode)
{
    struct stat st;
    if (mkdir(path, mode) == 0)
        return dir_sync_above(path);
    if (errno != EEXIST)
        return -errno;
    if (stat(path, &st) != 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int dir_make(const char *path, mode_t mode)
{
    char *copy = xstrdup(path);
    size_t len = strlen(copy);
    while (len > 1 && copy[len - 1] == '/')
        copy[--len] = '\0';
    int r = len > 0 ? 0 : -ENOENT;
    for (size_t i = 1; i < len && r == 0; i++) {
        if (copy[i] != '/' || copy[i - 1] == '/')
            continue;
        copy[i] = '\0';
        r = dir_make_one(copy, mode);
        copy[i] = '/';
    }
    if (r == 0)
        r = dir_make_one(copy, mode);
    free(copy);
    return r;
}
