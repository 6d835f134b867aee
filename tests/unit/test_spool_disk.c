/* SPDX-License-Identifier: MIT */
/*
 * Disks that fill up, fail and come back. On mounts of this process alone (a mount namespace); where mounting
 * is not allowed these tests are skipped.
 */
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include "test_spool_support.h"

/* ---- mounts ---- */

static bool private_mounts(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* A place whose folder is a tmpfs of that size, for instance "size=16m". */
static void place_make_on_tmpfs(struct place *p, const char *size, const char *lines)
{
    *p = (struct place){.dir = "/tmp/gatepost-spool-XXXXXX"};
    assert_non_null(mkdtemp(p->dir));
    if (!private_mounts() || mount("tmpfs", p->dir, "tmpfs", 0, size) != 0) {
        rmdir(p->dir);
        skip();
    }
    place_start(p, lines);
}

static void place_free_on_mount(struct place *p)
{
    place_stop(p);
    assert_int_equal(umount(p->dir), 0);
    assert_int_equal(rmdir(p->dir), 0);
}

static uint64_t space_left(const struct place *p)
{
    struct statvfs fs;
    assert_int_equal(statvfs(p->dir, &fs), 0);
    return (uint64_t)fs.f_bavail * fs.f_frsize;
}

/* Fills the disk up to the last left bytes. */
static void fill_disk(const struct place *p, uint64_t left)
{
    static const char bytes[4096];
    char path[PLACE_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/filler", p->dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    while (space_left(p) > left && write(fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes)
        continue;
    close(fd);
}

static void free_disk(const struct place *p)
{
    char path[PLACE_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/filler", p->dir);
    assert_int_equal(unlink(path), 0);
}

/* ---- what was acknowledged ---- */

enum { ACCEPTED_MAX = 20000 };

struct accepted {
    char ids[ACCEPTED_MAX][QUEUE_ID_MAX];
    uint64_t sizes[ACCEPTED_MAX];
    size_t n;
};

/* One message; it is noted when it was acknowledged. */
static enum spool_result send_noted(struct place *p, struct accepted *a, uint64_t size)
{
    assert_true(a->n < ACCEPTED_MAX);
    enum spool_result result = send_one(p, size, NULL, a->ids[a->n]);
    if (result == SPOOL_OK)
        a->sizes[a->n++] = size;
    return result;
}

/* Until it is refused. */
static enum spool_result send_until_refused(struct place *p, struct accepted *a, uint64_t size)
{
    enum spool_result result;
    while ((result = send_noted(p, a, size)) == SPOOL_OK)
        continue;
    return result;
}

/* It goes on by itself, in a few seconds. */
static void assert_goes_on(struct place *p, struct accepted *a, uint64_t size)
{
    for (unsigned tries = 0; tries < 200; tries++) {
        if (send_noted(p, a, size) == SPOOL_OK)
            return;
        sleep_ms(100);
    }
    fail_msg("the spool does not recover");
}

static void assert_all_there(struct place *p, const struct accepted *a)
{
    assert_int_equal(stats_of(p).messages, a->n);
    for (size_t i = 0; i < a->n; i++)
        assert_body(p->spool, a->ids[i], a->sizes[i]);
}

/* Waits until the courier is given something again. */
static bool claim_in_time(struct place *p, struct delivery *d_r)
{
    for (unsigned tries = 0; tries < 200; tries++) {
        if (spool_claim(p->spool, clock_wall(), d_r, 1) == 1)
            return true;
        sleep_ms(100);
    }
    return false;
}

/* ---- space ---- */

static void mail_is_refused_while_there_is_still_space_to_deliver(void **state)
{
    (void)state;
    struct place p;
    struct delivery d;
    place_make_on_tmpfs(&p, "size=24m", "queue.min_free = 6M\n");
    struct accepted *a = xcalloc(1, sizeof *a);
    assert_int_equal(send_until_refused(&p, a, 4000), SPOOL_FULL);
    assert_int_equal(send_until_refused(&p, a, 200000), SPOOL_FULL);
    assert_true(a->n > 500);
    assert_true(space_left(&p) > 4 << 20);
    assert_int_equal(stats_of(&p).state, SPOOL_FULL);
    assert_all_there(&p, a);
    size_t delivered = 0;
    for (; claim_one(&p, &d); delivered++) {
        assert_int_equal(settle_one(&p, d.recipient_row, SETTLE_DONE, 0, NULL), SPOOL_OK);
        delivery_free(&d);
    }
    assert_int_equal(delivered, a->n);
    free(a);
    place_free_on_mount(&p);
}

static void a_full_disk_loses_nothing(void **state)
{
    (void)state;
    static const uint64_t SIZES[] = {3000, 30000, 150000, 2000000};
    struct place p;
    place_make_on_tmpfs(&p, "size=32m", "queue.min_free = 0\n");
    struct accepted *a = xcalloc(1, sizeof *a);
    for (unsigned round = 0; round < 3; round++) {
        fill_disk(&p, 3 << 20);
        for (size_t i = COUNT_OF(SIZES); i > 0; i--)
            assert_int_equal(send_until_refused(&p, a, SIZES[i - 1]), SPOOL_FULL);
        assert_all_there(&p, a);
        free_disk(&p);
        assert_goes_on(&p, a, 3000);
        assert_goes_on(&p, a, 150000);
        assert_all_there(&p, a);
    }
    place_reopen(&p);
    assert_all_there(&p, a);
    free(a);
    place_free_on_mount(&p);
}

/* What was delivered while the disk is full must not be delivered again, however long it takes to write that
 * down. */
static void a_settlement_is_kept_until_it_can_be_written(void **state)
{
    (void)state;
    struct place p;
    struct delivery d, again;
    static const char LONG_ANSWER[2000000] = {[0 ... sizeof LONG_ANSWER - 2] = 'x'};
    struct bounce bounce = {.recipient = "demo@example.com", .data = "Subject: no\r\n\r\n", .n = 15};
    place_make_on_tmpfs(&p, "size=16m", "queue.min_free = 0\n");
    struct accepted *a = xcalloc(1, sizeof *a);
    assert_int_equal(send_noted(&p, a, 3000), SPOOL_OK);
    assert_int_equal(send_noted(&p, a, 3000), SPOOL_OK);
    assert_true(claim_one(&p, &d));
    fill_disk(&p, 100000);
    /* Both in one: all or nothing. */
    struct settlement s = {.recipient_row = d.recipient_row,
                           .outcome = SETTLE_RETRY,
                           .next_at = clock_wall(),
                           .answer = LONG_ANSWER};
    assert_int_equal(spool_settle(p.spool, &s, 1, &bounce), SPOOL_FULL);
    assert_int_equal(spool_claim(p.spool, clock_wall(), &again, 1), -1);
    free_disk(&p);
    assert_true(claim_in_time(&p, &again));
    assert_int_equal(stats_of(&p).messages, 3);
    bool bounced = false, retried = false;
    do {
        bounced |= strcmp(again.id, bounce.id_r) == 0;
        retried |= strcmp(again.id, d.id) == 0 && again.attempts == 1;
        delivery_free(&again);
    } while (claim_one(&p, &again));
    assert_true(bounced && retried);
    delivery_free(&d);
    free(a);
    place_free_on_mount(&p);
}

/* ---- errors ---- */

/* No write beyond 64 KiB of a file succeeds: an I/O error for the database and for body files, for any user.
 */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void errors_are_told_and_forgotten(void **state)
{
    (void)state;
    struct place p;
    struct delivery d;
    struct accepted *a = xcalloc(1, sizeof *a);
    signal(SIGXFSZ, SIG_IGN);
    place_make(&p, "");
    for (unsigned i = 0; i < 30; i++)
        assert_int_equal(send_noted(&p, a, i % 3 == 0 ? 90000 : 4000), SPOOL_OK);
    assert_true(claim_one(&p, &d));
    limit_files(65536);
    assert_int_equal(send_until_refused(&p, a, 4000), SPOOL_BROKEN);
    assert_int_equal(send_noted(&p, a, 400000), SPOOL_BROKEN);
    assert_int_equal(settle_one(&p, d.recipient_row, SETTLE_RETRY, clock_wall() + 3600, "451 later"),
                     SPOOL_BROKEN);
    assert_int_equal(stats_of(&p).state, SPOOL_BROKEN);
    limit_files(RLIM_INFINITY);
    assert_goes_on(&p, a, 4000);
    assert_goes_on(&p, a, 400000);
    delivery_free(&d);
    size_t claimed = 0;
    for (; claim_in_time(&p, &d) && claimed + 2 < a->n; claimed++)
        delivery_free(&d);
    delivery_free(&d);
    assert_false(claim_one(&p, &d)); /* the one that waits for an hour is not among them */
    /* A commit that failed may have come back with the log: then it is one more, never one less. */
    assert_true(stats_of(&p).messages >= a->n);
    for (size_t i = 0; i < a->n; i++)
        assert_body(p.spool, a->ids[i], a->sizes[i]);
    place_reopen(&p);
    for (size_t i = 0; i < a->n; i++)
        assert_body(p.spool, a->ids[i], a->sizes[i]);
    free(a);
    place_free(&p);
}

/* ---- a disk that dies, is taken out, mended, and put in again ---- */

static bool run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static bool run(const char *format, ...)
{
    char command[2048];
    va_list ap;
    va_start(ap, format);
    vsnprintf(command, sizeof command, format, ap);
    va_end(ap);
    return system(command) == 0; /* NOLINT(cert-env33-c): the test's own words, no stranger's */
}

static void kill_file_system(const struct place *p)
{
    enum { LOSE_THE_LOG = 2 };
    uint32_t how = LOSE_THE_LOG;
    int fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ioctl(fd, _IOR('X', 125, uint32_t), &how), 0); /* EXT4_IOC_SHUTDOWN */
    close(fd);
}

static void unmount_in_time(const struct place *p)
{
    for (unsigned tries = 0; umount(p->dir) != 0; tries++) {
        if (tries == 100)
            fail_msg("the spool holds the file system: %s", strerror(errno));
        sleep_ms(100);
    }
}

static void a_dead_disk_is_let_go_and_taken_up_again(void **state)
{
    (void)state;
    struct place p = {.dir = "/tmp/gatepost-spool-XXXXXX"};
    struct delivery d, again;
    struct accepted *a = xcalloc(1, sizeof *a);
    char image[PLACE_PATH_MAX + 16];
    assert_non_null(mkdtemp(p.dir));
    snprintf(image, sizeof image, "%s.img", p.dir);
    if (!private_mounts() ||
        !run("truncate -s 64M %s && mkfs.ext4 -q -F %s && mount -o loop %s %s 2>/dev/null", image, image,
             image, p.dir)) {
        unlink(image);
        rmdir(p.dir);
        free(a);
        skip();
        return;
    }
    place_start(&p, "");
    for (unsigned i = 0; i < 60; i++)
        assert_int_equal(send_noted(&p, a, i % 3 == 0 ? 90000 : 4000), SPOOL_OK);
    assert_true(claim_one(&p, &d));

    kill_file_system(&p);
    assert_int_equal(send_noted(&p, a, 4000), SPOOL_BROKEN);
    assert_int_equal(send_noted(&p, a, 90000), SPOOL_BROKEN);
    assert_int_equal(settle_one(&p, d.recipient_row, SETTLE_DONE, 0, NULL), SPOOL_BROKEN);
    assert_int_equal(spool_claim(p.spool, clock_wall(), &again, 1), -1);
    unmount_in_time(&p);

    /* An empty folder where the disk was is not a new queue. */
    sleep_ms(500);
    assert_int_equal(send_noted(&p, a, 4000), SPOOL_BROKEN);
    assert_true(rmdir(p.dir) == 0 && mkdir(p.dir, 0700) == 0);

    /* losetup -d on a device in use: it goes when it is unmounted. */
    assert_true(
        run("e2fsck -fp %s >/dev/null; d=$(losetup -f --show %s) && mount -o ro $d %s && losetup -d $d",
            image, image, p.dir));
    sleep_ms(500);
    assert_int_equal(send_noted(&p, a, 4000), SPOOL_BROKEN);
    assert_int_equal(stats_of(&p).state, SPOOL_BROKEN);
    assert_true(run("mount -o remount,rw %s", p.dir));

    assert_goes_on(&p, a, 4000);
    assert_goes_on(&p, a, 90000);
    for (size_t i = 1; i < a->n; i++) /* the first was delivered, and that is written down by now */
        assert_body(p.spool, a->ids[i], a->sizes[i]);
    assert_true(claim_in_time(&p, &again));
    assert_string_not_equal(again.id, d.id);
    assert_int_equal(stats_of(&p).messages, a->n - 1);
    delivery_free(&again);
    delivery_free(&d);
    place_reopen(&p);
    assert_int_equal(stats_of(&p).messages, a->n - 1);
    place_free_on_mount(&p);
    unlink(image);
    free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_is_refused_while_there_is_still_space_to_deliver),
        cmocka_unit_test(a_full_disk_loses_nothing),
        cmocka_unit_test(a_settlement_is_kept_until_it_can_be_written),
        cmocka_unit_test(errors_are_told_and_forgotten),
        cmocka_unit_test(a_dead_disk_is_let_go_and_taken_up_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
