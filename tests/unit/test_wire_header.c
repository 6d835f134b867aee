/* SPDX-License-Identifier: MIT */
/* The header filter: what is dropped, added, counted and shown, whole, byte by byte and at each split. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "tests/exact.h"
#include "wire/wire.h"

#define DATE "Date: Tue, 24 Nov 2026 21:57:52 +0000\r\n"
#define ID   "Message-ID: <1abcde-000001-AB@mail.example.com>\r\n"

static const struct header_rules SUBMISSION = {
    .max_header = 4096,
    .max_line = 1000,
    .max_received = 3,
    .complete = true,
    .hostname = "mail.example.com",
    .id = "1abcde-000001-AB",
    .now = 1795557472,
};

static struct header_rules relaying(void)
{
    struct header_rules rules = SUBMISSION;
    rules.complete = false;
    return rules;
}

struct filtered {
    struct buf out;
    enum header_result result;
    struct header_filter *f;
};

static void feed(struct filtered *r, const char *in, size_t n)
{
    char *piece = exact_copy(span_from(in, n));
    r->result = header_filter_add(r->f, piece, n, &r->out);
    free(piece);
}

static struct filtered filter(const struct header_rules *rules, const char *in, size_t n, size_t first,
                              size_t step)
{
    struct filtered r = {.out = BUF_INIT(1 << 20), .f = header_filter_make(rules)};
    for (size_t at = 0; at < n;) {
        size_t piece = at == 0 && first > 0 ? first : step;
        piece = piece < n - at ? piece : n - at;
        feed(&r, in + at, piece);
        at += piece;
    }
    r.result = header_filter_end(r.f, &r.out);
    return r;
}

static void filtered_free(struct filtered *r)
{
    header_filter_free(&r->f);
    assert_null(r->f);
    buf_free(&r->out);
}

/* Each split in two, and byte by byte, must come out the same. */
static void check(const struct header_rules *rules, const char *in, const char *want,
                  enum header_result result)
{
    size_t n = strlen(in);
    for (size_t at = 0; at <= n + 1; at++) {
        struct filtered r = at <= n ? filter(rules, in, n, at, n + 1) : filter(rules, in, n, 0, 1);
        if (r.result != result || (result == HEADER_OK && strcmp(buf_str(&r.out), want) != 0))
            fail_msg("split at %zu\n--- in\n%s--- want %d\n%s--- got %d\n%s---", at, in, (int)result, want,
                     (int)r.result, buf_str(&r.out));
        filtered_free(&r);
    }
}

struct row {
    const char *in, *submitted, *relayed; /* the message; what is kept of it */
};

static const struct row ROWS[] = {
    /* complete already */
    {"Date: x\r\nMessage-ID: <a@b>\r\nFrom: c@d\r\n\r\nbody\r\n",
     "Date: x\r\nMessage-ID: <a@b>\r\nFrom: c@d\r\n\r\nbody\r\n",
     "Date: x\r\nMessage-ID: <a@b>\r\nFrom: c@d\r\n\r\nbody\r\n"},
    /* completed at the end of the header */
    {"From: c@d\r\n\r\nbody\r\n", "From: c@d\r\n" DATE ID "\r\nbody\r\n", "From: c@d\r\n\r\nbody\r\n"},
    {"dAtE: x\r\n\r\nbody\r\n", "dAtE: x\r\n" ID "\r\nbody\r\n", "dAtE: x\r\n\r\nbody\r\n"},
    {"MESSAGE-id: <a@b>\r\n\r\nbody\r\n", "MESSAGE-id: <a@b>\r\n" DATE "\r\nbody\r\n",
     "MESSAGE-id: <a@b>\r\n\r\nbody\r\n"},
    {"Date : x\r\nMessage-ID\t : <a@b>\r\n\r\n", "Date : x\r\nMessage-ID\t : <a@b>\r\n\r\n",
     "Date : x\r\nMessage-ID\t : <a@b>\r\n\r\n"},
    {"Resent-Date: x\r\nX-Message-ID: y\r\nDates: z\r\n\r\n",
     "Resent-Date: x\r\nX-Message-ID: y\r\nDates: z\r\n" DATE ID "\r\n",
     "Resent-Date: x\r\nX-Message-ID: y\r\nDates: z\r\n\r\n"},
    /* no header, no body, nothing */
    {"", DATE ID, ""},
    {"\r\n", DATE ID "\r\n", "\r\n"},
    {"\r\nbody\r\n", DATE ID "\r\nbody\r\n", "\r\nbody\r\n"},
    {"\r\n\r\nbody\r\n", DATE ID "\r\n\r\nbody\r\n", "\r\n\r\nbody\r\n"},
    {"From: c@d\r\n", "From: c@d\r\n" DATE ID, "From: c@d\r\n"},
    {"From: c@d", "From: c@d\r\n" DATE ID, "From: c@d\r\n"},
    /* a body without an empty line before it */
    {"hello\r\n", DATE ID "\r\nhello\r\n", "\r\nhello\r\n"},
    {"hello", DATE ID "\r\nhello\r\n", "\r\nhello\r\n"},
    {"hello\r\n\r\nBcc: x\r\n", DATE ID "\r\nhello\r\n\r\nBcc: x\r\n", "\r\nhello\r\n\r\nBcc: x\r\n"},
    {"From: c@d\r\nhello, you: there\r\nDate: x\r\n",
     "From: c@d\r\n" DATE ID "\r\nhello, you: there\r\nDate: x\r\n",
     "From: c@d\r\n\r\nhello, you: there\r\nDate: x\r\n"},
    {" folded: x\r\nFrom: c@d\r\n", DATE ID "\r\n folded: x\r\nFrom: c@d\r\n",
     "\r\n folded: x\r\nFrom: c@d\r\n"},
    {":\r\n", DATE ID "\r\n:\r\n", "\r\n:\r\n"},
    {"From \xc3\xa4: x\r\n", DATE ID "\r\nFrom \xc3\xa4: x\r\n", "\r\nFrom \xc3\xa4: x\r\n"},
    {"\xc3\xa4: x\r\n", DATE ID "\r\n\xc3\xa4: x\r\n", "\r\n\xc3\xa4: x\r\n"},
    /* blind copies and the return path go, with their folded lines */
    {"Bcc: e@f\r\nFrom: c@d\r\n\r\nbody\r\n", "From: c@d\r\n" DATE ID "\r\nbody\r\n",
     "Bcc: e@f\r\nFrom: c@d\r\n\r\nbody\r\n"},
    {"From: c@d\r\nBCC :e@f,\r\n g@h,\r\n\ti@j\r\nTo: k@l\r\n m@n\r\n\r\n",
     "From: c@d\r\nTo: k@l\r\n m@n\r\n" DATE ID "\r\n",
     "From: c@d\r\nBCC :e@f,\r\n g@h,\r\n\ti@j\r\nTo: k@l\r\n m@n\r\n\r\n"},
    {"bcc:\r\nresent-bcc: x\r\nReturn-Path: <x@y>\r\nbcc\t: z\r\n \r\n\tq\r\n\r\nBcc: stays\r\n",
     DATE ID "\r\nBcc: stays\r\n",
     "bcc:\r\nresent-bcc: x\r\nReturn-Path: <x@y>\r\nbcc\t: z\r\n \r\n\tq\r\n\r\nBcc: stays\r\n"},
    {"Bcc: e@f\r\n g@h\r\nno field\r\n i@j\r\n", DATE ID "\r\nno field\r\n i@j\r\n",
     "Bcc: e@f\r\n g@h\r\n\r\nno field\r\n i@j\r\n"},
    {"Bcc: e@f\r\n g@h", DATE ID, "Bcc: e@f\r\n g@h\r\n"},
    {"Bcc-To: e@f\r\nXBcc: g@h\r\n\r\n", "Bcc-To: e@f\r\nXBcc: g@h\r\n" DATE ID "\r\n",
     "Bcc-To: e@f\r\nXBcc: g@h\r\n\r\n"},
    /* a line of blanks is a folded one, not the end */
    {"From: c@d\r\n \r\nBcc: e@f\r\n\r\nbody\r\n", "From: c@d\r\n \r\n" DATE ID "\r\nbody\r\n",
     "From: c@d\r\n \r\nBcc: e@f\r\n\r\nbody\r\n"},
    /* values are not looked at */
    {"Subject: \xff\x01 : Bcc: x\r\n\r\n\xff\r\n", "Subject: \xff\x01 : Bcc: x\r\n" DATE ID "\r\n\xff\r\n",
     "Subject: \xff\x01 : Bcc: x\r\n\r\n\xff\r\n"},
};

static void kept_added_dropped(void **state)
{
    (void)state;
    struct header_rules relay = relaying();
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        check(&SUBMISSION, ROWS[i].in, ROWS[i].submitted, HEADER_OK);
        check(&relay, ROWS[i].in, ROWS[i].relayed, HEADER_OK);
    }
}

static void loops(void **state)
{
    (void)state;
    struct header_rules relay = relaying();
    static const char three[] =
        "Received: a\r\n b\r\nreceived : c\r\nX-Received: x\r\nRECEIVED: d\r\n\r\nReceived: e\r\n";
    static const char four[] = "Received: a\r\nReceived: b\r\nReceived: c\r\nReceived: d\r\n\r\n";
    check(&relay, three, three, HEADER_OK);
    check(&relay, four, "", HEADER_LOOP);
    check(&SUBMISSION, four, "", HEADER_LOOP);
}

/* "X-Long: aaa...\r\n" of n bytes in all. */
static void add_long_line(struct buf *b, const char *start, size_t n)
{
    size_t from = b->len;
    buf_add_str(b, start);
    while (b->len - from < n - 2)
        buf_add_char(b, 'a');
    buf_add_str(b, "\r\n");
}

static void line_lengths(void **state)
{
    (void)state;
    static const char *const heads[] = {"", "From: c@d\r\n", "\r\n", "From: c@d\r\n\r\nbody\r\n",
                                        "From: c@d\r\n\r\n"};
    struct header_rules relay = relaying();
    relay.max_line = 60;
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        for (size_t n = 58; n <= 62; n++) {
            struct buf in = BUF_INIT(4096);
            buf_add_str(&in, heads[i]);
            add_long_line(&in, "X-Long: ", n);
            add_long_line(&in, "X-Long: ", 20);
            check(&relay, in.data, in.data, n <= 60 ? HEADER_OK : HEADER_LINE_TOO_LONG);
            buf_free(&in);
        }
    }
    /* the first line of a body that comes without empty line is measured, too, and a last line without end */
    check(&relay, "no field, but a line of far more than sixty bytes, as it stands here\r\n", "",
          HEADER_LINE_TOO_LONG);
    check(&relay, "\r\n0123456789012345678901234567890123456789012345678901234567890", "",
          HEADER_LINE_TOO_LONG);
    relay.max_line = 4;
    check(&relay, "\r\nab\r\n\r\n\r\ncd\r\n\r\nef\r\n", "\r\nab\r\n\r\n\r\ncd\r\n\r\nef\r\n", HEADER_OK);
    check(&relay, "\r\nab\r\n\r\n\r\ncd\r\n\r\nefg\r\n", "", HEADER_LINE_TOO_LONG);
}

/* Each way to cut a body into lines around the limit, against plain counting. */
static void body_lines_against_counting(void **state)
{
    (void)state;
    enum { LENGTH = 12, LIMIT = 5 };
    struct header_rules relay = relaying();
    relay.max_line = LIMIT;
    for (unsigned mask = 0; mask < 1U << LENGTH; mask++) {
        char in[2 + LENGTH + 1] = "\r\n";
        unsigned line = 0, longest = 0;
        for (unsigned i = 0; i < LENGTH; i++) {
            in[2 + i] = (mask >> i & 1) != 0 ? '\n' : 'a';
            line++;
            longest = line > longest ? line : longest;
            line = in[2 + i] == '\n' ? 0 : line;
        }
        check(&relay, in, in, longest > LIMIT ? HEADER_LINE_TOO_LONG : HEADER_OK);
    }
}

static void header_size(void **state)
{
    (void)state;
    struct header_rules rules = SUBMISSION;
    for (size_t n = 98; n <= 102; n++) {
        struct buf in = BUF_INIT(4096), want = BUF_INIT(4096);
        add_long_line(&in, "Bcc: ", 30); /* dropped, but it came in */
        add_long_line(&in, "From: ", 20);
        add_long_line(&in, " ", n - 50);
        buf_add_str(&want, in.data + 30);
        buf_add_str(&want, DATE ID "\r\n");
        buf_add_str(&in, "\r\n");
        for (int i = 0; i < 20; i++) { /* the body is not counted */
            add_long_line(&in, "body", 40);
            add_long_line(&want, "body", 40);
        }
        rules.max_header = 100;
        check(&rules, in.data, want.data, n <= 100 ? HEADER_OK : HEADER_TOO_LARGE);
        buf_free(&in);
        buf_free(&want);
    }
}

static void failure_stays(void **state)
{
    (void)state;
    struct header_rules relay = relaying();
    relay.max_line = 20;
    struct filtered r = {.out = BUF_INIT(4096), .f = header_filter_make(&relay)};
    feed(&r, "\r\n0123456789012345678901234567890\r\n", 35);
    assert_int_equal(r.result, HEADER_LINE_TOO_LONG);
    size_t len = r.out.len;
    feed(&r, "ok\r\n", 4);
    assert_int_equal(r.result, HEADER_LINE_TOO_LONG);
    assert_int_equal(header_filter_end(r.f, &r.out), HEADER_LINE_TOO_LONG);
    assert_int_equal(r.out.len, len);
    filtered_free(&r);
}

static void full(void **state)
{
    (void)state;
    static const char in[] = "From: c@d\r\nBcc: e@f\r\n\r\nbody\r\n";
    size_t whole = strlen("From: c@d\r\n" DATE ID "\r\nbody\r\n");
    for (size_t max = 0; max <= whole; max++) {
        struct header_filter *f = header_filter_make(&SUBMISSION);
        struct buf out = BUF_INIT(max);
        header_filter_add(f, in, sizeof in - 1, &out);
        assert_int_equal(header_filter_end(f, &out), max < whole ? HEADER_FULL : HEADER_OK);
        buf_free(&out);
        header_filter_free(&f);
    }
}

struct shown_row {
    const char *in, *message_id, *subject;
};

#define FIFTY "01234567890123456789012345678901234567890123456789"

static const struct shown_row SHOWN[] = {
    {"Subject: hello\r\nMessage-ID: <a@b>\r\n\r\n", "<a@b>", "hello"},
    {"subject:hello\r\nmessage-id:<a@b>\r\n\r\n", "<a@b>", "hello"},
    {"Subject:\t two  words \t\r\nMessage-ID:   \r\n <a@b>\r\n\r\n", "<a@b>", "two  words"},
    {"Subject: one\r\n two\r\n\tthree\r\n \r\nX: y\r\n z\r\nMessage-ID: <a@b> (not <this>)\r\n\r\n", "<a@b>",
     "one two\tthree"},
    {"Message-ID: (<c>) <a@b>\r\n\r\n", "<c>", ""},
    {"Message-ID: a@b\r\n\r\n", "a@b", ""},
    {"Message-ID: a@b>\r\n\r\n", "a@b>", ""},
    {"Message-ID: <a@b\r\n\r\n", "<a@b", ""},
    {"Message-ID: ><\r\n\r\n", "><", ""},
    {"Message-ID:\r\nSubject:\r\n\r\n", "", ""},
    {"Subject: first\r\nSubject: second\r\n third\r\nMessage-ID: <1>\r\nMessage-ID: <2>\r\n\r\n", "<1>",
     "first"},
    {"Bcc: x\r\n Subject: no\r\n\r\nSubject: no\r\n", "<1abcde-000001-AB@mail.example.com>", ""},
    {"Subject: last", "<1abcde-000001-AB@mail.example.com>", "last"},
    {"Subject: " FIFTY FIFTY FIFTY "\r\n " FIFTY FIFTY FIFTY "\r\nMessage-ID: <a@b>\r\n\r\n", "<a@b>",
     FIFTY FIFTY FIFTY " " FIFTY FIFTY "0123"},
};

static void shown_fields(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(SHOWN); i++) {
        size_t n = strlen(SHOWN[i].in);
        for (size_t at = 0; at <= n; at++) {
            struct filtered r = filter(&SUBMISSION, SHOWN[i].in, n, at, n + 1);
            assert_int_equal(r.result, HEADER_OK);
            assert_string_equal(header_filter_message_id(r.f), SHOWN[i].message_id);
            assert_string_equal(header_filter_subject(r.f), SHOWN[i].subject);
            filtered_free(&r);
        }
    }
    struct header_rules relay = relaying();
    struct filtered r = filter(&relay, "Subject: a\0b\r\n\r\n", 16, 0, 16);
    assert_string_equal(header_filter_subject(r.f), "a b");
    assert_string_equal(header_filter_message_id(r.f), ""); /* none is made for others */
    assert_memory_equal(r.out.data, "Subject: a\0b\r\n\r\n", 16);
    filtered_free(&r);
}

/* What comes out is complete: filtered again it is the same. */
static void filtering_again_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ROWS); i++)
        check(&SUBMISSION, ROWS[i].submitted, ROWS[i].submitted, HEADER_OK);
}

/* Lines of the largest length, and of nothing but ends, in a large body: the time grows with the size only.
 */
static void large_bodies_take_linear_time(void **state)
{
    (void)state;
    enum { SIZE = 16 << 20, LINE = 64 << 10 };
    struct header_rules relay = relaying();
    relay.max_line = LINE;
    for (size_t pattern = 0; pattern < 3; pattern++) {
        struct buf in = BUF_INIT(SIZE + 2);
        buf_add_str(&in, "\r\n");
        char *p = buf_reserve(&in, SIZE);
        assert_non_null(p);
        memset(p, pattern == 0 ? '\n' : 'a', SIZE);
        for (size_t i = 0; pattern > 0 && i < SIZE; i += pattern == 1 ? LINE : LINE / 2 + 7)
            p[i] = '\n';
        buf_commit(&in, SIZE);
        struct header_filter *f = header_filter_make(&relay);
        struct buf out = BUF_INIT(SIZE + 2);
        assert_int_equal(header_filter_add(f, in.data, in.len, &out), HEADER_OK);
        assert_int_equal(header_filter_end(f, &out), HEADER_OK);
        assert_int_equal(out.len, in.len);
        header_filter_free(&f);
        buf_free(&in);
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_added_dropped),
        cmocka_unit_test(loops),
        cmocka_unit_test(line_lengths),
        cmocka_unit_test(body_lines_against_counting),
        cmocka_unit_test(header_size),
        cmocka_unit_test(failure_stays),
        cmocka_unit_test(full),
        cmocka_unit_test(shown_fields),
        cmocka_unit_test(filtering_again_changes_nothing),
        cmocka_unit_test(large_bodies_take_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
