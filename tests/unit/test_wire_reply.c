/* SPDX-License-Identifier: MIT */
/* Replies: what we say, and what we read of a peer's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "tests/exact.h"
#include "wire/wire.h"

static void format(void **state)
{
    static const struct {
        int code;
        const char *enhanced, *text, *out;
    } rows[] = {
        {250, "2.0.0", "OK id=1", "250 2.0.0 OK id=1\r\n"},
        {220, "", "mail.example.com ESMTP", "220 mail.example.com ESMTP\r\n"},
        {550, "5.7.1", "one\ntwo\nthree", "550-5.7.1 one\r\n550-5.7.1 two\r\n550 5.7.1 three\r\n"},
        {250, "", "host\nPIPELINING\nSIZE 10", "250-host\r\n250-PIPELINING\r\n250 SIZE 10\r\n"},
        {334, "", "", "334 \r\n"},
        {550, "5.7.1", "", "550 5.7.1 \r\n"},
        {550, "", "one\n", "550 one\r\n"},
        {550, "", "one\n\ntwo", "550-one\r\n550-\r\n550 two\r\n"},
        {550, "", "\none", "550-\r\n550 one\r\n"},
        {550, "5.1.1", "a\rb\tc\x01\x7f\xc3\xa4", "550 5.1.1 a?b\tc????\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf out = BUF_INIT(1024);
        assert_true(reply_format(&out, rows[i].code, rows[i].enhanced, rows[i].text));
        assert_string_equal(buf_str(&out), rows[i].out);
        buf_free(&out);
    }
}

/* Long lines go on in a further one, at a blank where there is one; nothing but that blank is lost. */
static void long_lines(void **state)
{
    (void)state;
    for (size_t n = 480; n < 1200; n++) {
        for (size_t word = 50; word <= 1250; word += 600) {
            struct buf text = BUF_INIT(4096), out = BUF_INIT(8192), back = BUF_INIT(4096);
            for (size_t i = 0; i < n; i++)
                buf_add_char(&text, i % word == word - 1 ? ' ' : 'a');
            assert_true(reply_format(&out, 550, "5.7.1", text.data));
            struct span rest = span_from(out.data, out.len);
            struct reply r = REPLY_INIT;
            while (rest.n > 0) {
                struct span line = span_take(&rest, '\n');
                assert_true(line.n + 1 <= 512);
                assert_int_equal(line.p[line.n - 1], '\r');
                line.n--;
                assert_true(reply_add_line(&r, line));
                if (back.len > 0 && text.data[back.len] == ' ')
                    buf_add_char(&back, ' ');
                buf_add(&back, line.p + 10, line.n - 10);
                assert_int_equal(r.complete, rest.n == 0);
            }
            if (back.len < text.len) /* a blank at the very end */
                buf_add_char(&back, ' ');
            assert_string_equal(buf_str(&back), buf_str(&text));
            buf_free(&r.text);
            buf_free(&text);
            buf_free(&out);
            buf_free(&back);
        }
    }
}

static void format_is_whole_or_nothing(void **state)
{
    (void)state;
    const size_t whole = strlen("x550-5.7.1 one\r\n550 5.7.1 two\r\n");
    for (size_t max = 1; max <= whole; max++) {
        struct buf out = BUF_INIT(max);
        buf_add_str(&out, "x");
        assert_int_equal(reply_format(&out, 550, "5.7.1", "one\ntwo"), max == whole);
        assert_int_equal(out.overflow, max != whole);
        assert_int_equal(out.len, max == whole ? whole : 1);
        assert_int_equal(strlen(buf_str(&out)), out.len);
        buf_free(&out);
    }
    struct buf none = BUF_INIT(0);
    assert_false(reply_format(&none, 250, "", "x"));
    buf_free(&none);
}

struct row {
    const char *lines; /* separated by \n */
    int code;          /* 0: not a reply */
    bool complete;
    const char *enhanced;
};

static const struct row READ[] = {
    {"250 OK", 250, true, ""},
    {"250", 250, true, ""},
    {"250 ", 250, true, ""},
    {"250-", 250, false, ""},
    {"250 2.1.0 Sender OK", 250, true, "2.1.0"},
    {"250 2.1.0", 250, true, "2.1.0"},
    {"550-5.7.1 one\n550-5.7.1 two\n550 5.7.1 three", 550, true, "5.7.1"},
    {"550-5.7.1 one\n550 5.1.1 two", 550, true, "5.7.1"},
    {"550-one\n550 5.1.1 two", 550, true, ""},
    {"250-host\n250-SIZE 10", 250, false, ""},
    {"421 4.123.456 x", 421, true, "4.123.456"},
    {"550 4.1.1 not its class", 550, true, ""},
    {"354 3.0.0 no such class", 354, true, ""},
    {"550 5.1234.1 x", 550, true, ""},
    {"550 5.1.1234 x", 550, true, ""},
    {"550 5.1.1x", 550, true, ""},
    {"550 5.1", 550, true, ""},
    {"550 5..1", 550, true, ""},
    {"550 5.1.", 550, true, ""},
    {"550 5", 550, true, ""},
    {"550  5.1.1", 550, true, ""},
    {"250 \xff\x01", 250, true, ""},
    {"299 x", 299, true, ""},
    {"", 0, false, ""},
    {"2", 0, false, ""},
    {"25", 0, false, ""},
    {"25x OK", 0, false, ""},
    {"150 OK", 0, false, ""},
    {"650 OK", 0, false, ""},
    {"2500 OK", 0, false, ""},
    {"250_OK", 0, false, ""},
    {"250\tOK", 0, false, ""},
    {" 250 OK", 0, false, ""},
    {"HTTP/1.1 400 Bad Request", 0, false, ""},
    {"250-a\n251 b", 0, false, ""},
    {"250-a\nb", 0, false, ""},
    {"250 a\n250 b", 0, false, ""},
};

static void reading(void **state)
{
    struct reply r = REPLY_INIT; /* the same for all: clear must forget everything */
    (void)state;
    for (size_t i = 0; i < COUNT_OF(READ); i++) {
        struct span rest = span_of(READ[i].lines);
        bool ok = true;
        reply_clear(&r);
        do {
            struct span line = span_take(&rest, '\n');
            char *copy = exact_copy(line);
            ok = reply_add_line(&r, span_from(copy, line.n));
            free(copy);
        } while (ok && rest.n > 0);
        if (ok != (READ[i].code != 0))
            fail_msg("%s: %d", READ[i].lines, ok);
        if (!ok)
            continue;
        assert_int_equal(r.code, READ[i].code);
        assert_string_equal(r.enhanced, READ[i].enhanced);
        assert_int_equal(r.complete, READ[i].complete);
        assert_string_equal(buf_str(&r.text), READ[i].lines);
    }
    buf_free(&r.text);
}

static void limits(void **state)
{
    (void)state;
    struct reply r = REPLY_INIT;
    for (int i = 0; i < 200; i++)
        assert_true(reply_add_line(&r, span_of("250-x")));
    assert_int_equal(r.lines, 200);
    assert_false(reply_add_line(&r, span_of("250 x")));
    reply_clear(&r);
    assert_int_equal(r.lines, 0);
    assert_int_equal(r.text.len, 0);
    char line[1000];
    memset(line, '-', sizeof line);
    line[0] = '2';
    line[1] = '5';
    line[2] = '0';
    for (int i = 0; i < 16; i++)
        assert_true(reply_add_line(&r, span_from(line, sizeof line)));
    assert_false(reply_add_line(&r, span_from(line, sizeof line)));
    assert_false(r.complete);
    buf_free(&r.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(format),  cmocka_unit_test(long_lines), cmocka_unit_test(format_is_whole_or_nothing),
        cmocka_unit_test(reading), cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
