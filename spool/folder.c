/* SPDX-License-Identifier: MIT */
/* The folder of body files. */
#include "spool/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { FOLDER_MODE = 0700, FILE_MODE = 0600, LOCK_STEP_MS = 50 };

static const char FOLDERS[ID_FOLDERS + 1] = "0123456789abcdef";

static char *join(const char *folder, const char *name)
{
    struct buf path = BUF_INIT(PATH_MAX);
    buf_printf(&path, "%s/%s", folder, name);
    char *text = xstrdup(buf_str(&path));
    buf_free(&path);
    return text;
}

void folder_init(struct folder *folder, const char *data_dir)
{
    folder->root = join(data_dir, "queue");
    folder->database = join(data_dir, "queue.db");
}

void folder_free(struct folder *folder)
{
    free(folder->root);
    free(folder->database);
    *folder = (struct folder){0};
}

static char *subfolder_path(const struct folder *folder, unsigned sub)
{
    return join(folder->root, (char[]){FOLDERS[sub], '\0'});
}

void folder_path(const struct folder *folder, const char *id, struct buf *out)
{
    buf_printf(out, "%s/%c/%s", folder->root, FOLDERS[id_folder(id)], id);
}

static char *file_path(const struct folder *folder, const char *id)
{
    struct buf path = BUF_INIT(PATH_MAX);
    folder_path(folder, id, &path);
    char *text = xstrdup(buf_str(&path));
    buf_free(&path);
    return text;
}

/* Empty and private: SQLite would make it readable for all; the log and its index get the same mode. */
static int make_database_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

int folder_make(const struct folder *folder)
{
    int r = dir_make(folder->root, FOLDER_MODE);
    for (unsigned i = 0; i < ID_FOLDERS && r == 0; i++) {
        char *path = subfolder_path(folder, i);
        if (mkdir(path, FOLDER_MODE) != 0 && errno != EEXIST)
            r = -errno;
        free(path);
    }
    if (r == 0)
        r = dir_sync(folder->root);
    if (r == 0)
        r = make_database_file(folder->database);
    if (r == 0) {
        char *above = join(folder->root, "..");
        r = dir_sync(above);
        free(above);
    }
    if (r == 0) { /* data_dir may be new as well; the folder above it is not ours, and need not be readable */
        char *above = join(folder->root, "../..");
        dir_sync(above);
        free(above);
    }
    return r;
}

int folder_lock(const struct folder *folder, uint64_t wait_ms)
{
    int fd = open(folder->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    uint64_t until = clock_mono_ms() + wait_ms;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int error = errno;
        if (error != EINTR && (error != EWOULDBLOCK || clock_mono_ms() >= until)) {
            close(fd);
            return -error;
        }
        nanosleep(&(struct timespec){.tv_nsec = LOCK_STEP_MS * 1000000L}, NULL);
    }
    return fd;
}

int folder_create(const struct folder *folder, const char *id)
{
    char *path = file_path(folder, id);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    int r = fd >= 0 ? fd : -errno;
    free(path);
    return r;
}

int folder_open(const struct folder *folder, const char *id, uint64_t *size_r)
{
    char *path = file_path(folder, id);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int r = fd >= 0 ? fd : -errno;
    free(path);
    struct stat st = {0};
    if (fd >= 0 && fstat(fd, &st) != 0) {
        r = -errno;
        close(fd);
    }
    if (r >= 0)
        *size_r = (uint64_t)st.st_size;
    return r;
}

int folder_sync(const struct folder *folder, const char *id)
{
    char *path = subfolder_path(folder, id_folder(id));
    int r = dir_sync(path);
    free(path);
    return r;
}

void folder_remove(const struct folder *folder, const char *id)
{
    char *path = file_path(folder, id);
    unlink(path);
    free(path);
}

uint64_t folder_space(const struct folder *folder)
{
    struct statvfs fs;
    if (statvfs(folder->root, &fs) != 0 || fs.f_blocks == 0) /* 0: a tmpfs without a limit */
        return UINT64_MAX;
    uint64_t bytes;
    return __builtin_mul_overflow((uint64_t)fs.f_bavail, (uint64_t)fs.f_frsize, &bytes) ? UINT64_MAX : bytes;
}

static int each_in_folder(const char *path, void (*file)(void *arg, const char *id), void *arg)
{
    DIR *dir = opendir(path);
    if (dir == NULL)
        return -errno;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL)
            break;
        if (id_valid(entry->d_name)) /* anything else is not ours to touch */
            file(arg, entry->d_name);
    }
    int r = -errno;
    closedir(dir);
    return r;
}

int folder_each(const struct folder *folder, void (*file)(void *arg, const char *id), void *arg)
{
    int r = 0;
    for (unsigned i = 0; i < ID_FOLDERS && r == 0; i++) {
        char *path = subfolder_path(folder, i);
        r = each_in_folder(path, file, arg);
        free(path);
    }
    return r;
}
