/* SPDX-License-Identifier: MIT */
/* Capped buffers: growth, caps, what failure leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"

static void grows_and_ends_with_nul(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100000);
    assert_string_equal(buf_str(&b), "");
    assert_null(b.data);
    for (size_t i = 0; i < 100000; i++) {
        assert_true(buf_add_char(&b, (char)('a' + i % 26)));
        assert_int_equal(b.data[b.len], '\0');
    }
    assert_int_equal(b.len, 100000);
    assert_true(b.size <= 100001);
    for (size_t i = 0; i < b.len; i++)
        assert_int_equal(b.data[i], 'a' + (int)(i % 26));
    assert_false(buf_add_char(&b, 'x'));
    assert_true(b.overflow);
    assert_int_equal(b.len, 100000);
    buf_free(&b);
    assert_null(b.data);
    assert_int_equal(b.max, 100000);
    assert_true(buf_add_str(&b, "again"));
    assert_string_equal(buf_str(&b), "again");
    buf_free(&b);
}

static void cap_refuses_as_a_whole(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(5);
    assert_true(buf_add_str(&b, "abc"));
    assert_false(buf_add_str(&b, "def"));
    assert_true(b.overflow);
    assert_string_equal(buf_str(&b), "abc");
    assert_true(buf_add_str(&b, "de"));
    assert_true(b.overflow); /* remembered */
    assert_string_equal(buf_str(&b), "abcde");
    assert_true(buf_add(&b, NULL, 0));
    buf_clear(&b);
    assert_false(b.overflow);
    assert_string_equal(buf_str(&b), "");
    assert_false(buf_printf(&b, "%d", 123456));
    assert_string_equal(buf_str(&b), "");
    assert_true(buf_printf(&b, "%d", 12345));
    assert_string_equal(buf_str(&b), "12345");
    buf_free(&b);

    struct buf none = BUF_INIT(0);
    assert_false(buf_add_char(&none, 'x'));
    assert_true(buf_add_str(&none, ""));
    assert_string_equal(buf_str(&none), "");
    buf_free(&none);
}

static void sizes_that_cannot_be(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(SIZE_MAX);
    assert_true(buf_add_str(&b, "abc"));
    assert_null(buf_reserve(&b, SIZE_MAX));
    assert_null(buf_reserve(&b, SIZE_MAX - 3));
    assert_null(buf_reserve(&b, SIZE_MAX - 4));
    assert_null(buf_reserve(&b, PTRDIFF_MAX));
    assert_true(b.overflow);
    assert_true(buf_add_str(&b, "def"));
    assert_string_equal(buf_str(&b), "abcdef");
    buf_free(&b);
}

static void printf_of_any_length(void **state)
{
    (void)state;
    for (int width = 505; width < 520; width++) { /* around the size of its inner buffer */
        struct buf b = BUF_INIT(1000);
        assert_true(buf_printf(&b, "<%*d>", width, 7));
        assert_int_equal(b.len, (size_t)width + 2);
        assert_int_equal(b.data[b.len - 2], '7');
        assert_int_equal(b.data[b.len], '\0');
        buf_free(&b);
    }
    struct buf small = BUF_INIT(600);
    assert_false(buf_printf(&small, "%601d", 7));
    assert_int_equal(small.len, 0);
    assert_true(buf_printf(&small, "%600d", 7));
    buf_free(&small);
}

static void reserve_without_use(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1000);
    char *p = buf_reserve(&b, 10);
    assert_non_null(p);
    assert_string_equal(buf_str(&b), ""); /* also when nothing was ever added */
    memset(p, 'x', 10);
    buf_commit(&b, 0);
    assert_string_equal(buf_str(&b), "");
    p = buf_reserve(&b, 1000);
    memset(p, 'y', 1000);
    buf_commit(&b, 1000);
    assert_int_equal(b.data[1000], '\0');
    assert_null(buf_reserve(&b, 1));
    buf_free(&b);
}

static void consume(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100);
    buf_consume(&b, 0);
    buf_consume(&b, 5);
    buf_add_str(&b, "abcdef");
    buf_consume(&b, 0);
    assert_string_equal(buf_str(&b), "abcdef");
    buf_consume(&b, 2);
    assert_string_equal(buf_str(&b), "cdef");
    buf_consume(&b, 4);
    assert_string_equal(buf_str(&b), "");
    assert_int_equal(b.len, 0);
    buf_free(&b);
}

static void secrets(void **state)
{
    (void)state;
    struct buf b = BUF_INIT_SECRET(10000);
    for (int i = 0; i < 1000; i++)
        assert_true(buf_add_str(&b, "password"));
    assert_int_equal(b.len, 8000);
    assert_memory_equal(b.data + 7992, "password", 9);
    buf_cleanse(&b);
    assert_null(b.data);
    assert_true(b.secret);
    assert_int_equal(b.max, 10000);
    buf_cleanse(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_ends_with_nul),
        cmocka_unit_test(cap_refuses_as_a_whole),
        cmocka_unit_test(sizes_that_cannot_be),
        cmocka_unit_test(printf_of_any_length),
        cmocka_unit_test(reserve_without_use),
        cmocka_unit_test(consume),
        cmocka_unit_test(secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
