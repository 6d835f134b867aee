/* SPDX-License-Identifier: MIT */
/* Whole files, atomic replacement, folders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"

struct place {
    char folder[64];
    char path[256];
};

/* A path in the test's own folder; valid until the next call. */
static const char *in(struct place *p, const char *name)
{
    snprintf(p->path, sizeof p->path, "%s/%s", p->folder, name);
    return p->path;
}

static int setup(void **state)
{
    struct place *p = xcalloc(1, sizeof *p);
    snprintf(p->folder, sizeof p->folder, "/tmp/gatepost-test-XXXXXX");
    *state = p;
    return mkdtemp(p->folder) != NULL ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static int teardown(void **state)
{
    struct place *p = *state;
    nftw(p->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(p);
    return 0;
}

static void reading(void **state)
{
    struct place *p = *state;
    struct buf b;
    char *text = xmalloc(40000);
    memset(text, 'x', 40000);
    assert_int_equal(file_read(in(p, "none"), 10, &b), -ENOENT);
    assert_int_equal(file_replace(in(p, "file"), text, 40000, 0600), 0);
    assert_int_equal(file_read(p->path, 39999, &b), -EFBIG);
    assert_int_equal(file_read(p->path, 40000, &b), 0);
    assert_int_equal(b.len, 40000);
    assert_memory_equal(b.data, text, 40000);
    assert_int_equal(b.data[40000], '\0');
    buf_free(&b);
    int fd = open(p->path, O_RDONLY | O_CLOEXEC);
    assert_true(lseek(fd, 100, SEEK_SET) == 100);
    assert_int_equal(file_read_fd(fd, 50000, &b), 0); /* from the beginning, wherever the descriptor stands */
    assert_int_equal(b.len, 40000);
    buf_free(&b);
    fd_close(&fd);
    assert_int_equal(fd, -1);
    fd_close(&fd);
    assert_int_equal(file_replace(in(p, "empty"), "", 0, 0600), 0);
    assert_int_equal(file_read(p->path, 0, &b), 0);
    assert_string_equal(buf_str(&b), "");
    buf_free(&b);
    assert_int_equal(file_read(p->folder, 10, &b), -EISDIR);
    free(text);
}

static void replacing(void **state)
{
    struct place *p = *state;
    struct buf b;
    struct stat st;
    assert_int_equal(file_replace(in(p, "file"), "one", 3, 0640), 0);
    assert_int_equal(file_replace(p->path, "second", 6, 0600), 0);
    assert_int_equal(file_read(p->path, 100, &b), 0);
    assert_string_equal(buf_str(&b), "second");
    buf_free(&b);
    assert_int_equal(stat(p->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_not_equal(access(in(p, "file.new"), F_OK), 0);
    assert_int_equal(file_replace(in(p, "no/such/file"), "x", 1, 0600), -ENOENT);
    /* a symbolic link in the place of the new file is not followed */
    assert_int_equal(file_replace(in(p, "target"), "safe", 4, 0600), 0);
    char target[256];
    snprintf(target, sizeof target, "%s", p->path);
    assert_int_equal(symlink(target, in(p, "file.new")), 0);
    assert_int_equal(file_replace(in(p, "file"), "third", 5, 0600), -ELOOP);
    assert_int_equal(file_read(target, 100, &b), 0);
    assert_string_equal(buf_str(&b), "safe");
    buf_free(&b);
}

static void writing(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    char *text = xcalloc(1, SIZE);
    assert_int_equal(file_write_all(fds[1], "abc", 3), 0);
    assert_int_equal(file_write_all(fds[1], text, SIZE),
                     -EAGAIN); /* fuller than a pipe can be: not for ever */
    assert_int_equal(file_write_all(fds[1], NULL, 0), 0);
    fd_close(&fds[0]);
    fd_close(&fds[1]);
    assert_int_equal(file_write_all(-1, "abc", 3), -EBADF);
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (full >= 0)
        assert_int_equal(file_write_all(full, "abc", 3), -ENOSPC);
    fd_close(&full);
    free(text);
}

static void folders(void **state)
{
    struct place *p = *state;
    struct stat st;
    assert_int_equal(dir_make(in(p, "a/b//c/"), 0700), 0);
    assert_int_equal(stat(in(p, "a/b/c"), &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(dir_make(in(p, "a/b/c"), 0700), 0); /* is there */
    assert_int_equal(dir_sync(p->path), 0);
    assert_int_equal(dir_sync(in(p, "none")), -ENOENT);
    assert_int_equal(file_replace(in(p, "file"), "x", 1, 0600), 0);
    assert_int_equal(dir_make(in(p, "file"), 0700), -ENOTDIR);
    assert_int_equal(dir_make(in(p, "file/x"), 0700), -ENOTDIR);
    assert_int_equal(dir_sync(in(p, "file")), -ENOTDIR);
    assert_int_equal(dir_make("", 0700), -ENOENT);
    assert_int_equal(dir_make("/", 0700), 0);
    assert_int_equal(dir_make("//", 0700), 0);
    assert_int_equal(dir_make(".", 0700), 0);
    assert_int_equal(symlink("a", in(p, "link")), 0);
    assert_int_equal(dir_make(in(p, "link/d"), 0700), 0);
    assert_int_equal(stat(in(p, "a/d"), &st), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reading, setup, teardown),
        cmocka_unit_test_setup_teardown(replacing, setup, teardown),
        cmocka_unit_test(writing),
        cmocka_unit_test_setup_teardown(folders, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
