/* SPDX-License-Identifier: MIT */
/*
 * kill -9 at any moment: a child takes messages and delivers some, telling of each on a pipe what was
 * promised; it is killed; what it promised must hold.
 */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "test_spool_support.h"

enum { ROUNDS = 30, SESSIONS = 24, RECORDS_MAX = 200000, INLINE_MAX = 8192 };

/* What the child tells: A: the message was acknowledged; T: a courier is about to settle it; S: it has
 * settled it. */
struct record {
    char what;
    char id[QUEUE_ID_MAX];
    uint64_t size;
};

/* ---- the child ---- */

struct child {
    struct spool *spool;
    struct loop *loop;
    int pipe;
};

struct session {
    struct child *child;
    struct sent sent;
    struct loop_task start;
};

static void tell(const struct child *child, char what, const char *id, uint64_t size)
{
    struct record r = {.what = what, .size = size};
    snprintf(r.id, sizeof r.id, "%s", id);
    if (write(child->pipe, &r, sizeof r) != (ssize_t)sizeof r) /* below PIPE_BUF: whole or not at all */
        _exit(4);
}

static uint64_t random_size(void)
{
    return random_below(4) == 0 ? INLINE_MAX + 1 + random_below(300000) : random_below(INLINE_MAX + 1);
}

static void session_done(void *arg, enum spool_result result);
static void session_feed(void *arg)
{
    struct session *session = arg;
    sent_feed(&session->sent);
}
static const struct spool_in_events SESSION_EVENTS = {session_feed, session_done};

static void session_next(struct loop_task *task)
{
    struct session *session = CONTAINER_OF(task, struct session, start);
    struct child *child = session->child;
    session->sent = (struct sent){
        .spool = child->spool, .loop = child->loop, .size = random_size(), .envelope = &TEST_ENVELOPE};
    session->sent.in = spool_in_open(child->spool, child->loop, &SESSION_EVENTS, session);
    snprintf(session->sent.id, sizeof session->sent.id, "%s", spool_in_id(session->sent.in));
    sent_feed(&session->sent);
}

static void session_done(void *arg, enum spool_result result)
{
    struct session *session = arg;
    if (result != SPOOL_OK)
        _exit(5);
    tell(session->child, 'A', session->sent.id, session->sent.size);
    loop_post(session->child->loop, &session->start);
}

/* Delivers a part of what it gets; the rest stays claimed. */
static void deliver(struct child *child)
{
    enum { AT_ONCE = 10 };
    struct delivery d[AT_ONCE];
    for (;;) {
        int n = spool_claim(child->spool, clock_wall(), d, AT_ONCE);
        if (n < 0)
            _exit(6);
        for (int i = 0; i < n; i++) {
            if (random_below(2) == 0)
                continue;
            struct settlement s = {.recipient_row = d[i].recipient_row, .outcome = SETTLE_DONE};
            tell(child, 'T', d[i].id, d[i].size);
            if (spool_settle(child->spool, &s, 1, NULL) != SPOOL_OK)
                _exit(7);
            tell(child, 'S', d[i].id, d[i].size);
            delivery_free(&d[i]);
        }
        if (n == 0)
            spool_wait_due(child->spool, 1000);
    }
}

static _Noreturn void child_main(const struct place *p, int out)
{
    struct buf error = BUF_INIT(4096);
    struct child child = {.pipe = out};
    struct session *sessions = xcalloc(SESSIONS, sizeof *sessions);
    child.loop = loop_make("child");
    if (child.loop == NULL || loop_start(child.loop) != 0)
        _exit(2);
    child.spool = spool_open(p->cell, &error);
    if (child.spool == NULL)
        _exit(3);
    for (size_t i = 0; i < SESSIONS; i++) {
        sessions[i].child = &child;
        sessions[i].start.run = session_next;
        loop_post(child.loop, &sessions[i].start);
    }
    deliver(&child);
    _exit(0);
}

/* ---- the parent ---- */

struct promises {
    struct record *records;
    size_t n;
};

static bool read_record(int in, struct promises *promises)
{
    struct record r;
    if (read(in, &r, sizeof r) != (ssize_t)sizeof r)
        return false;
    assert_true(promises->n < RECORDS_MAX);
    promises->records[promises->n++] = r;
    return true;
}

/* Lets it work for some milliseconds once it has begun, kills it, and reads what is left in the pipe. */
static void run_and_kill(const struct place *p, struct promises *promises)
{
    int fds[2], status = 0;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        child_main(p, fds[1]);
    }
    close(fds[1]);
    promises->n = 0;
    bool more = read_record(fds[0], promises);
    uint64_t until = clock_mono_ms() + random_below(60);
    while (more && clock_mono_ms() < until) {
        struct pollfd ready = {.fd = fds[0], .events = POLLIN};
        if (poll(&ready, 1, 1) > 0)
            more = read_record(fds[0], promises);
    }
    kill(pid, SIGKILL);
    while (read_record(fds[0], promises))
        continue;
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSIGNALED(status))
        fail_msg("the child ended by itself: %d", WEXITSTATUS(status));
    assert_true(promises->n > 0);
}

struct found {
    struct spool *spool;
    struct record *rows;
    size_t n, large;
};

static void find(void *arg, const struct queue_row *row)
{
    struct found *found = arg;
    struct record *r = &found->rows[found->n++];
    assert_true(found->n < RECORDS_MAX);
    snprintf(r->id, sizeof r->id, "%s", row->id);
    r->size = row->size;
    found->large += row->size > INLINE_MAX;
    assert_int_equal(row->recipient_count, 1);
    assert_string_equal(row->recipients[0].state, "due");
}

static int compare_records(const void *a, const void *b)
{
    const struct record *x = a, *y = b;
    int order = strcmp(x->id, y->id);
    return order != 0 ? order : x->what - y->what;
}

/* The queue has each acknowledged message that no courier touched, and none that was settled. */
static void check_promises(const struct promises *promises, const struct found *found)
{
    for (size_t i = 0; i < promises->n;) {
        const struct record *first = &promises->records[i];
        bool accepted = false, touched = false, settled = false;
        for (; i < promises->n && strcmp(promises->records[i].id, first->id) == 0; i++) {
            accepted |= promises->records[i].what == 'A';
            touched |= promises->records[i].what == 'T';
            settled |= promises->records[i].what == 'S';
        }
        struct record key = {0};
        memcpy(key.id, first->id, sizeof key.id);
        const struct record *row = bsearch(&key, found->rows, found->n, sizeof key, compare_records);
        if (accepted && !touched && row == NULL)
            fail_msg("%s was acknowledged and is lost", first->id);
        if (settled && row != NULL)
            fail_msg("%s was delivered and is still there", first->id);
        if (row != NULL)
            assert_int_equal(row->size, first->size);
    }
}

static void check_queue(struct place *p, struct promises *promises)
{
    struct buf error = BUF_INIT(4096);
    struct found found = {.rows = xcalloc(RECORDS_MAX, sizeof *found.rows)};
    place_open(p, NULL);
    assert_true(spool_each(p->spool, NULL, INT32_MAX, find, &found, &error) >= 0);
    qsort(found.rows, found.n, sizeof *found.rows, compare_records);
    for (size_t i = 1; i < found.n; i++)
        assert_string_not_equal(found.rows[i - 1].id, found.rows[i].id);
    qsort(promises->records, promises->n, sizeof *promises->records, compare_records);
    check_promises(promises, &found);
    for (size_t i = 0; i < found.n; i++)
        assert_body(p->spool, found.rows[i].id, found.rows[i].size);
    assert_int_equal(body_files(p), found.large);
    assert_int_equal(spool_act(p->spool, QUEUE_REMOVE, NULL, &error), found.n);
    spool_close(&p->spool);
    assert_int_equal(body_files(p), 0);
    free(found.rows);
}

static void what_was_promised_survives_kill_9(void **state)
{
    (void)state;
    struct place p = {.dir = "/tmp/gatepost-spool-XXXXXX"};
    struct promises promises = {.records = xcalloc(RECORDS_MAX, sizeof *promises.records)};
    size_t total = 0;
    assert_non_null(mkdtemp(p.dir));
    place_settings(&p, "queue.inline_max = 8K\n");
    for (unsigned round = 0; round < ROUNDS; round++) {
        run_and_kill(&p, &promises);
        total += promises.n;
        check_queue(&p, &promises);
    }
    print_message("%zu promises held over %d kills\n", total, ROUNDS);
    settings_cell_free(&p.cell);
    place_remove(p.dir);
    free(promises.records);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_was_promised_survives_kill_9)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
