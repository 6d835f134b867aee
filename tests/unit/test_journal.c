/* SPDX-License-Identifier: MIT */
/* The journal as a whole: many writers, copies, counters, reopening, and logs that do not take what they are
 * given. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include "tests/unit/test_journal_support.h"

enum { WRITERS = 4, EACH = 5000 };

static void say(struct journal *journal, const char *detail)
{
    const struct event e = {.type = EVENT_WARNING, .detail = detail};
    journal_write(journal, &e);
}

static int count_rows(const struct place *p)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *sql = NULL;
    assert_int_equal(sqlite3_open(p->db, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM event", -1, &sql, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(sql), SQLITE_ROW);
    int n = sqlite3_column_int(sql, 0);
    sqlite3_finalize(sql);
    sqlite3_close(db);
    return n;
}

/* ---- many writers ---- */

struct writer {
    pthread_t thread;
    struct journal *journal;
    char name[16];
};

static void *write_numbers(void *arg)
{
    struct writer *w = arg;
    for (int i = 0; i < EACH; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s %d", w->name, i);
        struct event e = {.type = EVENT_CLOSED, .cause = CAUSE_LOST_CONNECTION, .detail = text};
        journal_write(w->journal, &e);
        memset(text, 'X', sizeof text - 1); /* it was copied */
        if (i % 1000 == 0)
            journal_flush(w->journal, FLUSH_MS);
    }
    return NULL;
}

/* Of each writer all is there, in its order. */
static void check_numbers(char *log)
{
    int next[WRITERS] = {0};
    char *state = NULL;
    for (char *line = strtok_r(log, "\n", &state); line != NULL; line = strtok_r(NULL, "\n", &state)) {
        const char *at = strstr(line, "(w");
        int writer = 0, number = 0;
        assert_non_null(at);
        assert_int_equal(sscanf(at, "(w%d %d)", &writer, &number),
                         2); /* NOLINT(cert-err34-c): our own text */
        assert_in_range(writer, 0, WRITERS - 1);
        assert_int_equal(number, next[writer]++);
    }
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(next[i], EACH);
}

static void many_writers_lose_nothing(void **state)
{
    (void)state;
    struct place p = place_make("");
    struct journal *journal = place_open(&p);
    struct writer writers[WRITERS];
    struct journal_counts counts;
    for (int i = 0; i < WRITERS; i++) {
        writers[i].journal = journal;
        snprintf(writers[i].name, sizeof writers[i].name, "w%d", i);
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_numbers, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i].thread, NULL);
    assert_true(journal_flush(journal, FLUSH_MS));
    journal_counts(journal, &counts);
    assert_int_equal(counts.by_type[EVENT_CLOSED], WRITERS * EACH);
    assert_int_equal(counts.by_cause[CAUSE_LOST_CONNECTION], WRITERS * EACH);
    assert_int_equal(counts.by_type[EVENT_WARNING], 0);
    assert_int_equal(counts.lost_lines + counts.lost_history, 0);
    journal_close(&journal);
    assert_null(journal);
    char *log = slurp(p.log);
    check_numbers(log);
    free(log);
    assert_int_equal(count_rows(&p), WRITERS * EACH);
    place_remove(&p);
}

static void closing_writes_what_is_queued(void **state)
{
    (void)state;
    struct place p = place_make("");
    struct journal *journal = place_open(&p);
    for (int i = 0; i < 100; i++)
        say(journal, "x");
    journal_close(&journal);
    char *log = slurp(p.log);
    assert_int_equal(count_of(log, "warning: x\n"), 100);
    assert_int_equal(count_rows(&p), 100);
    free(log);
    place_remove(&p);
}

/* ---- files ---- */

static void files_are_private(void **state)
{
    (void)state;
    struct place p = place_make("");
    mode_t before = umask(0);
    struct journal *journal = place_open(&p);
    journal_close(&journal);
    umask(before);
    struct stat st;
    assert_int_equal(stat(p.log, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(stat(p.db, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    place_remove(&p);
}

static void opening_fails_with_a_reason(void **state)
{
    (void)state;
    struct place p = place_make("");
    struct buf error = BUF_INIT(4096);
    char right[sizeof p.log];
    memcpy(right, p.log, sizeof right);
    snprintf(p.log, sizeof p.log, "%.400s/none/main.log", p.dir);
    place_settings(&p, "");
    assert_null(journal_open(p.cell, &error));
    assert_non_null(strstr(buf_str(&error), "none/main.log: No such file or directory"));
    buf_clear(&error);
    memcpy(p.log, right, sizeof right);
    place_settings(&p, "");
    assert_int_equal(mkdir(p.db, 0700), 0);
    assert_null(journal_open(p.cell, &error));
    assert_non_null(strstr(buf_str(&error), "history.db: "));
    buf_free(&error);
    rmdir(p.db);
    place_remove(&p);
}

static void reopens_the_log(void **state)
{
    (void)state;
    struct place p = place_make("");
    char old[sizeof p.log + 16];
    struct journal *journal = place_open(&p);
    snprintf(old, sizeof old, "%s/old.log", p.dir);
    say(journal, "before");
    assert_true(journal_flush(journal, FLUSH_MS));
    assert_int_equal(rename(p.log, old), 0);
    say(journal, "between");
    assert_true(journal_flush(journal, FLUSH_MS));
    journal_reopen(journal);
    say(journal, "behind");
    assert_true(journal_flush(journal, FLUSH_MS));
    char *log = slurp(p.log);
    assert_null(strstr(log, "between"));
    assert_non_null(strstr(log, "behind"));
    free(log);
    log = slurp(old);
    assert_non_null(strstr(log, "between"));
    free(log);
    journal_close(&journal);
    place_remove(&p);
}

static void keeps_the_log_that_it_has(void **state)
{
    (void)state;
    struct place p = place_make("");
    char old[sizeof p.log + 16];
    struct journal *journal = place_open(&p);
    snprintf(old, sizeof old, "%s/old.log", p.dir);
    say(journal, "before");
    assert_true(journal_flush(journal, FLUSH_MS));
    assert_int_equal(rename(p.log, old), 0);
    assert_int_equal(mkdir(p.log, 0700), 0);
    journal_reopen(journal);
    say(journal, "behind");
    journal_close(&journal);
    char *log = slurp(old);
    assert_non_null(
        strstr(log, "warning: log.file cannot be opened again, the old one stays in use: Is a directory\n"));
    assert_non_null(strstr(log, "warning: behind\n"));
    free(log);
    rmdir(p.log);
    place_remove(&p);
}

/* ---- a full disk ---- */

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* history.db is larger than the limit already and its events wait; the log has room for a line and a half. */
static void counts_lines_that_a_full_disk_does_not_take(void **state)
{
    (void)state;
    struct place p = place_make("");
    struct journal *journal = place_open(&p);
    struct journal_counts counts;
    assert_true(journal_flush(journal, FLUSH_MS));
    limit_files(60);
    for (int i = 0; i < 10; i++)
        say(journal, "0123456789");
    assert_true(journal_flush(journal, FLUSH_MS));
    journal_counts(journal, &counts);
    assert_true(counts.lost_lines >= 9);
    limit_files(RLIM_INFINITY);
    say(journal, "again");
    assert_true(journal_flush(journal, FLUSH_MS));
    journal_close(&journal);
    char *log = slurp(p.log), told[128];
    snprintf(told, sizeof told, " warning: %llu log lines were lost: File too large\n",
             (unsigned long long)counts.lost_lines);
    assert_non_null(strstr(log, told));
    assert_non_null(strstr(log, " warning: again\n"));
    assert_int_equal(count_of(log, "warning: 0123456789\n"), 1);
    /* The torn line has a line of its own. */
    char *torn = strstr(log, "\n") + 1, *next = strchr(torn, '\n');
    assert_int_equal(next - torn, 60 - (torn - log));
    free(log);
    place_remove(&p);
}

/* ---- standard error ---- */

struct pipe_log {
    int saved, reader;
};

/* Makes standard error a pipe; with 64 KiB of room, as pipes have. */
static struct pipe_log pipe_begin(struct place *p)
{
    int ends[2];
    struct pipe_log l = {.saved = dup(STDERR_FILENO)};
    assert_int_equal(pipe(ends), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    fd_close(&ends[1]);
    l.reader = ends[0];
    snprintf(p->log, sizeof p->log, "stderr");
    place_settings(p, "");
    return l;
}

static void pipe_end(struct pipe_log *l)
{
    assert_true(dup2(l->saved, STDERR_FILENO) >= 0);
    fd_close(&l->saved);
    fd_close(&l->reader);
}

static void writes_to_standard_error(void **state)
{
    (void)state;
    struct place p = place_make("");
    struct pipe_log l = pipe_begin(&p);
    struct journal *journal = place_open(&p);
    say(journal, "hello");
    journal_reopen(journal);
    say(journal, "world");
    journal_close(&journal);
    char text[4096] = "";
    assert_true(read(l.reader, text, sizeof text - 1) > 0);
    pipe_end(&l);
    assert_int_equal(count_of(text, "warning: hello\n") + count_of(text, "warning: world\n"), 2);
    place_remove(&p);
}

static void a_closed_reader_is_no_end(void **state)
{
    (void)state;
    struct place p = place_make("");
    struct pipe_log l = pipe_begin(&p);
    struct journal *journal = place_open(&p);
    struct journal_counts counts;
    fd_close(&l.reader);
    say(journal, "into the void"); /* no SIGPIPE */
    assert_true(journal_flush(journal, FLUSH_MS));
    journal_counts(journal, &counts);
    assert_int_equal(counts.lost_lines, 1);
    journal_close(&journal);
    pipe_end(&l);
    assert_int_equal(count_rows(&p), 1);
    place_remove(&p);
}

static void *drain(void *arg)
{
    const struct pipe_log *l = arg;
    struct buf *text = xcalloc(1, sizeof *text);
    buf_init(text, READ_MAX);
    char part[65536];
    ssize_t n = 0;
    while ((n = read(l->reader, part, sizeof part)) > 0)
        buf_add(text, part, (size_t)n);
    return text;
}

/* Nobody reads for a while: writers go on at once, memory is bounded, and what was lost adds up. */
static void a_stalled_reader_holds_up_nobody(void **state)
{
    (void)state;
    struct place p = place_make("");
    struct pipe_log l = pipe_begin(&p);
    struct journal *journal = place_open(&p);
    struct journal_counts counts;
    char *text = xcalloc(1001, 1);
    memset(text, 'x', 1000);
    uint64_t begin = clock_mono_ms(), slowest = 0, written = 0;
    while (clock_mono_ms() - begin < 2500) {
        uint64_t before = clock_mono_ms();
        for (int i = 0; i < 100; i++, written++)
            say(journal, text);
        uint64_t took = clock_mono_ms() - before;
        slowest = took > slowest ? took : slowest;
        usleep(1000);
    }
    assert_true(slowest < 500);
    pthread_t reader;
    assert_int_equal(pthread_create(&reader, NULL, drain, &l), 0);
    say(journal, "again");
    journal_flush(journal, FLUSH_MS);
    journal_counts(journal, &counts);
    assert_int_equal(counts.by_type[EVENT_WARNING] >= written + 1, 1);
    assert_true(counts.lost_lines > 0);
    journal_close(&journal);
    void *read_text = NULL;
    dup2(l.saved, STDERR_FILENO); /* the pipe's last writer: the reader ends */
    pthread_join(reader, &read_text);
    pipe_end(&l);
    struct buf *log = read_text;
    assert_non_null(strstr(buf_str(log), " warning: again\n"));
    assert_non_null(strstr(buf_str(log), " log lines were lost: Connection timed out\n"));
    size_t torn = count_of(buf_str(log), " log lines were lost: "); /* at most one each time */
    assert_in_range(count_of(buf_str(log), "xxx\n") + counts.lost_lines, written, written + torn);
    buf_free(log);
    free(log);
    free(text);
    place_remove(&p);
}

/* More than the queue holds, faster than it can be written. */
static void overflow_is_told(void **state)
{
    (void)state;
    struct place p = place_make("");
    struct journal *journal = place_open(&p);
    struct journal_counts counts;
    char *text = xcalloc(16385, 1);
    memset(text, 'x', 16384);
    const struct event e = {.type = EVENT_RECEIVED, .id = "1wKkTo-000001-0A", .recipient = text};
    uint64_t written = 0;
    do {
        for (int i = 0; i < 2000; i++, written++)
            journal_write(journal, &e);
        journal_counts(journal, &counts);
    } while (counts.lost_lines == 0 && written < 200000);
    assert_true(counts.lost_lines > 0);
    journal_close(&journal);
    char *log = slurp(p.log);
    assert_true(count_of(log, " events were lost: they came faster than they could be written\n") >= 1);
    assert_int_equal(count_of(log, " <= "), written - counts.lost_lines);
    assert_int_equal(count_rows(&p), written - counts.lost_history);
    free(log);
    free(text);
    place_remove(&p);
}

static void names_are_there(void **state)
{
    (void)state;
    for (unsigned i = 0; i < EVENT_TYPE_COUNT; i++)
        assert_non_null(event_type_name((enum event_type)i));
    assert_string_equal(event_type_name(EVENT_LOGIN_FAILED), "login-failed");
}

int main(void)
{
    signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_writers_lose_nothing),
        cmocka_unit_test(closing_writes_what_is_queued),
        cmocka_unit_test(files_are_private),
        cmocka_unit_test(opening_fails_with_a_reason),
        cmocka_unit_test(reopens_the_log),
        cmocka_unit_test(keeps_the_log_that_it_has),
        cmocka_unit_test(counts_lines_that_a_full_disk_does_not_take),
        cmocka_unit_test(writes_to_standard_error),
        cmocka_unit_test(a_closed_reader_is_no_end),
        cmocka_unit_test(a_stalled_reader_holds_up_nobody),
        cmocka_unit_test(overflow_is_told),
        cmocka_unit_test(names_are_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
