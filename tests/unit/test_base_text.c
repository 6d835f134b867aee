/* SPDX-License-Identifier: MIT */
/* Spans, numbers, durations, sizes, escaping, likeness. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/base.h"
#include "tests/exact.h"

static void comparing(void **state)
{
    (void)state;
    assert_true(span_equal(span_of("abc"), "abc"));
    assert_false(span_equal(span_of("abc"), "ABC"));
    assert_false(span_equal(span_of("abc"), "ab"));
    assert_false(span_equal(span_from("a\0c", 3), "a"));
    assert_true(span_equal(span_from(NULL, 0), ""));
    assert_true(span_equal_nocase(span_of("aBc"), "AbC"));
    assert_false(span_equal_nocase(span_of("abc"), "abcd"));
    assert_false(span_equal_nocase(span_of("abcd"), "abc"));
    assert_true(span_equal_nocase(span_from(NULL, 0), ""));
    assert_true(span_starts_nocase(span_of("Message-ID: x"), "message-id:"));
    assert_false(span_starts_nocase(span_of("mess"), "message"));
    assert_true(span_starts_nocase(span_of("x"), ""));
    assert_false(span_equal_nocase(span_of("[@"), "{`")); /* only letters have case */
    assert_false(span_equal_nocase(span_of("\xc4"), "\xe4"));
    assert_true(text_equal_nocase("MAIL", "mail"));
}

static void cutting(void **state)
{
    (void)state;
    struct span none = span_from(NULL, 0); /* has no address to add to */
    assert_int_equal(span_skip(none, 0).n, 0);
    assert_int_equal(span_skip(none, 5).n, 0);
    assert_int_equal(span_trim(none).n, 0);
    assert_int_equal(span_take(&none, ' ').n, 0);
    assert_false(span_contains(none, 'x'));

    assert_true(span_equal(span_skip(span_of("abc"), 2), "c"));
    assert_true(span_equal(span_skip(span_of("abc"), 9), ""));
    assert_true(span_equal(span_trim(span_of(" \t a b \t")), "a b"));
    assert_true(span_equal(span_trim(span_of(" \t ")), ""));
    assert_true(span_equal(span_trim(span_of("\ra\n")), "\ra\n"));

    struct span rest = span_of("a,,b");
    assert_true(span_equal(span_take(&rest, ','), "a"));
    assert_true(span_equal(span_take(&rest, ','), ""));
    assert_true(span_equal(span_take(&rest, ','), "b"));
    assert_int_equal(rest.n, 0);
    assert_true(span_equal(span_take(&rest, ','), ""));
    assert_true(span_contains(span_of("abc"), 'c'));
    assert_false(span_contains(span_of("abc"), '\0'));

    char *copy = span_dup(span_from("abc", 2));
    assert_string_equal(copy, "ab");
    free(copy);
    copy = span_dup(span_from(NULL, 0));
    assert_string_equal(copy, "");
    free(copy);
}

static void numbers(void **state)
{
    static const char *const bad[] = {
        "",        " 1", "1 ", "+1", "-1", "0x1", "1.0", "18446744073709551616", "99999999999999999999999",
        "\xd9\xa1"};
    uint64_t v = 77;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(parse_uint(span_of(bad[i]), 0, UINT64_MAX, &v));
    assert_false(parse_uint(span_of("9"), 10, 20, &v));
    assert_false(parse_uint(span_of("21"), 10, 20, &v));
    assert_int_equal(v, 77);
    assert_true(parse_uint(span_of("10"), 10, 20, &v));
    assert_int_equal(v, 10);
    assert_true(parse_uint(span_of("0020"), 10, 20, &v));
    assert_int_equal(v, 20);
    assert_true(parse_uint(span_of("18446744073709551615"), 0, UINT64_MAX, &v));
    assert_true(v == UINT64_MAX);
    assert_true(parse_uint(span_from("123", 2), 0, 100, &v));
    assert_int_equal(v, 12);
}

static void durations(void **state)
{
    static const struct {
        const char *text;
        uint64_t seconds;
        const char *shortest;
    } rows[] = {
        {"0", 0, "0"},
        {"0s", 0, "0"},
        {"90s", 90, "90s"},
        {"90", 90, "90s"},
        {"10m", 600, "10m"},
        {"60m", 3600, "1h"},
        {"24h", 86400, "1d"},
        {"5d", 432000, "5d"},
        {"1H", 3600, "1h"},
        {"61", 61, "61s"},
        {"36600d", 3162240000, "36600d"},
    };
    static const char *const bad[] = {"",    "s",   "1w", "1.5h",   "-1s",
                                      "1 h", "1hh", "h1", "36601d", "99999999999999999999d"};
    uint64_t v = 77;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char out[NUMBER_TEXT_MAX];
        assert_true(parse_duration(span_of(rows[i].text), &v));
        assert_true(v == rows[i].seconds);
        format_duration(v, out);
        assert_string_equal(out, rows[i].shortest);
        assert_true(parse_duration(span_of(out), &v));
        assert_true(v == rows[i].seconds);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(parse_duration(span_of(bad[i]), &v));
}

static void sizes(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
        const char *shortest;
    } rows[] = {
        {"0", 0, "0"},
        {"512", 512, "512"},
        {"64K", 65536, "64K"},
        {"64k", 65536, "64K"},
        {"50M", 52428800, "50M"},
        {"2G", 2147483648, "2G"},
        {"1024K", 1048576, "1M"},
        {"1025", 1025, "1025"},
        {"8388608G", 1ULL << 53, "8388608G"},
    };
    static const char *const bad[] = {
        "", "K", "1T", "1KB", "1.5M", "-1", "1 K", "8388609G", "9007199254740993"};
    uint64_t v = 77;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char out[NUMBER_TEXT_MAX];
        assert_true(parse_size(span_of(rows[i].text), &v));
        assert_true(v == rows[i].bytes);
        format_size(v, out);
        assert_string_equal(out, rows[i].shortest);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(parse_size(span_of(bad[i]), &v));
    char out[NUMBER_TEXT_MAX];
    format_size(UINT64_MAX, out);
    assert_string_equal(out, "18446744073709551615");
}

static void escaping(void **state)
{
    static const struct {
        const char *in;
        size_t n, max;
        const char *out;
    } rows[] = {
        {"plain text~", 11, 100, "plain text~"},
        {"a\nb\rc\td\\e\"f", 11, 100, "a\\nb\\rc\\td\\\\e\\\"f"},
        {"\0\x01\x1b\x7f", 4, 100, "\\000\\001\\033\\177"},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9, 100, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\xc3", 1, 100, "\\303"},
        {"\xc3(", 2, 100, "\\303("},
        {"\xe2\x82", 2, 100, "\\342\\202"},
        {"\xc0\xaf", 2, 100, "\\300\\257"},                   /* overlong */
        {"\xe0\x80\xaf", 3, 100, "\\340\\200\\257"},          /* overlong */
        {"\xf0\x80\x80\xaf", 4, 100, "\\360\\200\\200\\257"}, /* overlong */
        {"\xed\xa0\x80", 3, 100, "\\355\\240\\200"},          /* surrogate */
        {"\xf4\x90\x80\x80", 4, 100, "\\364\\220\\200\\200"}, /* past U+10FFFF */
        {"\xff\xfe", 2, 100, "\\377\\376"},
        {"\xc2\x9b", 2, 100, "\\302\\233"}, /* CSI as C1 control */
        {"abcdef", 6, 3, "abc..."},
        {"abc", 3, 3, "abc"},
        {"ab\xc3\xa4", 4, 3, "ab\\303..."},
        {"", 0, 3, ""},
        {"abc", 3, 0, "..."},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf out = BUF_INIT(256);
        char *copy = exact_copy(span_from(rows[i].in, rows[i].n));
        text_escape(&out, span_from(copy, rows[i].n), rows[i].max);
        assert_string_equal(buf_str(&out), rows[i].out);
        free(copy);
        buf_free(&out);
    }
}

static void likeness(void **state)
{
    char long_a[300], long_b[300];
    (void)state;
    assert_int_equal(text_distance("", "", 3), 0);
    assert_int_equal(text_distance("abc", "abc", 3), 0);
    assert_int_equal(text_distance("abc", "", 3), 3);
    assert_int_equal(text_distance("", "abc", 2), 3);
    assert_int_equal(text_distance("hostname", "hostnmae", 3), 1);
    assert_int_equal(text_distance("hostname", "hostnam", 3), 1);
    assert_int_equal(text_distance("hostname", "xhostname", 3), 1);
    assert_int_equal(text_distance("hostname", "hoztname", 3), 1);
    assert_int_equal(text_distance("kitten", "sitting", 5), 3);
    assert_int_equal(text_distance("ca", "abc", 5), 3); /* optimal string alignment: no edit inside a swap */
    assert_int_equal(text_distance("kitten", "sitting", 2), 3);
    assert_int_equal(text_distance("a", "abcdefgh", 2), 3);
    memset(long_a, 'a', sizeof long_a - 1);
    memset(long_b, 'a', sizeof long_b - 1);
    long_a[299] = long_b[299] = '\0';
    assert_int_equal(text_distance(long_a, long_b, 3), 4); /* too long to be compared */
    long_a[255] = long_b[255] = '\0';
    long_b[100] = 'b';
    assert_int_equal(text_distance(long_a, long_b, 3), 1);
}

static void classes(void **state)
{
    (void)state;
    for (int i = 0; i < 256; i++) {
        char c = (char)i;
        bool upper = i >= 'A' && i <= 'Z', lower = i >= 'a' && i <= 'z', digit = i >= '0' && i <= '9';
        assert_int_equal(ascii_is_alpha(c), upper || lower);
        assert_int_equal(ascii_is_digit(c), digit);
        assert_int_equal(ascii_is_alnum(c), upper || lower || digit);
        assert_int_equal(ascii_is_blank(c), i == ' ' || i == '\t');
        assert_int_equal((unsigned char)ascii_lower(c), upper ? i + 32 : i);
    }
    char text[] = "MiXeD \xc4 1";
    ascii_lower_str(text);
    assert_string_equal(text, "mixed \xc4 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparing), cmocka_unit_test(cutting), cmocka_unit_test(numbers),
        cmocka_unit_test(durations), cmocka_unit_test(sizes),   cmocka_unit_test(escaping),
        cmocka_unit_test(likeness),  cmocka_unit_test(classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
