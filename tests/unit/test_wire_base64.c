/* SPDX-License-Identifier: MIT */
/* base64: RFC 4648's vectors, strictness, caps, and all short byte strings there and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "wire/wire.h"

static void vectors(void **state)
{
    static const struct {
        const char *bytes, *text;
    } rows[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xff\xbf", "+/+/"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf out = BUF_INIT(64);
        assert_true(base64_encode(span_of(rows[i].bytes), &out));
        assert_string_equal(buf_str(&out), rows[i].text);
        buf_clear(&out);
        assert_true(base64_decode(span_of(rows[i].text), &out));
        assert_string_equal(buf_str(&out), rows[i].bytes);
        assert_int_equal(out.len, strlen(rows[i].bytes));
        buf_free(&out);
    }
}

static void malformed(void **state)
{
    static const char *const rows[] = {
        "Z",        "Zg",      "Zg=",      "Zg===", "=",        "==",       "===",
        "====",     "A===",    "Zm9v=",    "Zh==",  "Zm9=",     "Z===",     "Zg==Zg==",
        "Zm8=Zm8=", "Zm 9",    "Zm9v\r\n", " Zm9v", "Zm9v    ", "Zm9v====", "Zm-_",
        "Zm9\x7f",  "Zm9\xc3", "Z=8=",     "=m9v",  "Zm=v",     "*",        "Zg==\n\n\n\n",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf out = BUF_INIT(64);
        buf_add_str(&out, "x");
        if (base64_decode(span_of(rows[i]), &out))
            fail_msg("%s was decoded", rows[i]);
        assert_string_equal(buf_str(&out), "x");
        assert_false(out.overflow);
        buf_free(&out);
    }
    struct buf out = BUF_INIT(64);
    assert_false(base64_decode(span_from("Zm\0v", 4), &out));
    buf_free(&out);
}

static void caps(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(5);
    assert_false(base64_decode(span_of("Zm9vYmFy"), &out));
    assert_true(out.overflow);
    assert_int_equal(out.len, 0);
    buf_clear(&out);
    assert_true(base64_decode(span_of("Zm9vYmE="), &out));
    assert_string_equal(buf_str(&out), "fooba");
    buf_clear(&out);
    assert_false(base64_encode(span_of("foob"), &out));
    assert_true(out.overflow);
    buf_clear(&out);
    assert_false(base64_encode(span_from("", SIZE_MAX), &out));
    assert_true(out.overflow);
    buf_free(&out);
    assert_true(base64_decode(span_from(NULL, 0), &out));
    assert_true(base64_encode(span_from(NULL, 0), &out));
    assert_string_equal(buf_str(&out), "");
    buf_free(&out);
}

/* Each text of four bytes that decodes is the only one for its bytes: it encodes to itself. */
static void there_and_back(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(8), bytes = BUF_INIT(8);
    for (unsigned number = 0; number < 1U << 16; number++) {
        char two[2] = {(char)(number >> 8), (char)(number & 0xFF)};
        for (size_t n = 1; n <= 2; n++) {
            buf_clear(&text);
            buf_clear(&bytes);
            assert_true(base64_encode(span_from(two, n), &text));
            assert_int_equal(text.len, 4);
            assert_true(base64_decode(span_from(text.data, 4), &bytes));
            assert_int_equal(bytes.len, n);
            assert_memory_equal(bytes.data, two, n);
        }
        char four[4] = {'A', two[0], two[1], '='};
        buf_clear(&text);
        buf_clear(&bytes);
        if (base64_decode(span_from(four, 4), &bytes)) {
            assert_true(base64_encode(span_from(bytes.data, bytes.len), &text));
            assert_memory_equal(text.data, four, 4);
        }
    }
    buf_free(&text);
    buf_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(malformed),
        cmocka_unit_test(caps),
        cmocka_unit_test(there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
