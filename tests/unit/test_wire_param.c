/* SPDX-License-Identifier: MIT */
/* Parameters behind a path, xtext, EHLO names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "tests/exact.h"
#include "wire/wire.h"

/* All parameters as "KEY" or "KEY=value", joined with "|", then "|!why" when malformed. */
static const char *all_params(const char *in, struct buf *out)
{
    size_t n = strlen(in);
    char *copy = exact_copy(span_from(in, n));
    struct span rest = span_from(copy, n), key, value;
    const char *why = "";
    buf_clear(out);
    while (param_next(&rest, &key, &value, &why)) {
        assert_null(why);
        buf_printf(out, "%.*s%s%.*s|", (int)key.n, key.p, value.n > 0 ? "=" : "", (int)value.n,
                   value.n > 0 ? value.p : "");
    }
    if (why != NULL)
        buf_printf(out, "!%s", why);
    free(copy);
    return buf_str(out);
}

static void params(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"", ""},
        {"  \t ", ""},
        {" SIZE=10", "SIZE=10|"},
        {"SIZE=10", "SIZE=10|"},
        {" SIZE=10  BODY=8BITMIME\tSMTPUTF8 ", "SIZE=10|BODY=8BITMIME|SMTPUTF8|"},
        {" AUTH=<> X-a-1=!\"#$%&'()*+,-./:;<>?@[\\]^_`{|}~",
         "AUTH=<>|X-a-1=!\"#$%&'()*+,-./:;<>?@[\\]^_`{|}~|"},
        {" 8X", "8X|"},
        {" SIZE=", "!malformed parameter value"},
        {" A SIZE= 10", "A|!malformed parameter value"},
        {" SIZE=1=2", "!malformed parameter value"},
        {" SIZE==", "!malformed parameter value"},
        {" SIZE=1\x01", "!malformed parameter value"},
        {" X=\xc3\xa4", "!malformed parameter value"},
        {" =10", "!malformed parameter name"},
        {" -X=1", "!malformed parameter name"},
        {" S_X=1", "!malformed parameter name"},
        {" <a@b>", "!malformed parameter name"},
        {" \xc3\xa4=1", "!malformed parameter name"},
    };
    struct buf out = BUF_INIT(1024);
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_string_equal(all_params(rows[i].in, &out), rows[i].out);
    buf_free(&out);
    struct span rest = span_from(NULL, 0), key, value;
    const char *why = "";
    assert_false(param_next(&rest, &key, &value, &why));
    assert_null(why);
}

static void xtext(void **state)
{
    static const struct {
        const char *in, *out; /* NULL: malformed */
    } rows[] = {
        {"", ""},
        {"a@b", "a@b"},
        {"a+2Bb+3Dc+20", "a+b=c "},
        {"+FF+0A", "\xff\n"},
        {"<>", "<>"},
        {"+", NULL},
        {"+2", NULL},
        {"a+2b", NULL},
        {"+G0", NULL},
        {"+0G", NULL},
        {"++20", NULL},
        {"a b", NULL},
        {"a=b", NULL},
        {"a\tb", NULL},
        {"a\x7f", NULL},
        {"a\xc3\xa4", NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct buf out = BUF_INIT(64);
        buf_add_str(&out, "x");
        size_t n = strlen(rows[i].in);
        char *copy = exact_copy(span_from(rows[i].in, n));
        bool ok = xtext_decode(span_from(copy, n), &out);
        free(copy);
        assert_int_equal(ok, rows[i].out != NULL);
        assert_string_equal(buf_str(&out) + 1, ok ? rows[i].out : "");
        assert_int_equal(out.data[0], 'x');
        assert_false(out.overflow);
        buf_free(&out);
    }
    struct buf nul = BUF_INIT(8);
    assert_true(xtext_decode(span_of("+00"), &nul));
    assert_int_equal(nul.len, 1);
    assert_false(xtext_decode(span_of("abcdefgh"), &nul));
    assert_true(nul.overflow);
    assert_int_equal(nul.len, 1);
    buf_free(&nul);
}

static void helo(void **state)
{
    char name[257];
    memset(name, 'a', sizeof name);
    (void)state;
    assert_true(helo_valid(span_from(name, 1)));
    assert_true(helo_valid(span_from(name, 255)));
    assert_false(helo_valid(span_from(name, 256)));
    assert_false(helo_valid(span_from(name, 0)));
    assert_true(helo_valid(span_of("[192.0.2.7]")));
    assert_true(helo_valid(span_of("[2001:db8::1]")));
    assert_true(helo_valid(span_of("[IPv6:2001:db8::1]")));
    assert_true(helo_valid(span_of("My_PC")));
    assert_false(helo_valid(span_of("my pc")));
    assert_false(helo_valid(span_of("my\tpc")));
    assert_false(helo_valid(span_of("pc\r")));
    assert_false(helo_valid(span_of("pc\x7f")));
    assert_false(helo_valid(span_of("p\xc3\xa4")));
    assert_false(helo_valid(span_from("p\0c", 3)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(params),
        cmocka_unit_test(xtext),
        cmocka_unit_test(helo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
