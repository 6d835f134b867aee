/* SPDX-License-Identifier: MIT */
/* auth: SASL PLAIN and LOGIN, right and wrong exchanges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/auth.h"

#define BYTES(text) span_from(text, sizeof(text) - 1)

static enum sasl_step feed(struct sasl *s, struct span response, const char **challenge)
{
    return sasl_feed(s, true, response, challenge);
}

static struct sasl *make(const char *name)
{
    struct sasl *s = sasl_make(span_of(name));
    assert_non_null(s);
    return s;
}

static void assert_span(struct span span, const char *text)
{
    assert_int_equal(span.n, strlen(text));
    assert_memory_equal(span.p, text, span.n);
}

static void mechanisms_are_those_announced(void **state)
{
    (void)state;
    struct span all = span_of(sasl_mechanisms());
    unsigned n = 0;
    while (all.n > 0) {
        struct span word = span_take(&all, ' ');
        struct sasl *s = sasl_make(word);
        assert_non_null(s);
        assert_true(span_equal_nocase(word, sasl_name(s)));
        sasl_free(&s);
        assert_null(s);
        n++;
    }
    assert_int_equal(n, 2);
    assert_null(sasl_make(span_of("CRAM-MD5")));
    assert_null(sasl_make(span_of("")));
    assert_null(sasl_make(span_of("PLAINER")));
}

static void plain_with_initial_response(void **state)
{
    (void)state;
    struct sasl *s = make("plain");
    const char *challenge = NULL;
    assert_int_equal(feed(s, BYTES("\0mail@example.com \0 s3cret\t"), &challenge), SASL_DONE);
    assert_span(sasl_account(s), "mail@example.com "); /* never trimmed */
    assert_span(sasl_password(s), " s3cret\t");
    assert_string_equal(sasl_name(s), "plain");
    assert_int_equal(feed(s, BYTES("\0a\0b"), &challenge), SASL_MALFORMED); /* it is over */
    assert_span(sasl_account(s), "mail@example.com ");
    sasl_free(&s);
}

static void plain_without_initial_response(void **state)
{
    (void)state;
    const char *challenge = NULL;
    struct sasl *s = make("PLAIN");
    assert_int_equal(sasl_feed(s, false, span_of(""), &challenge), SASL_CONTINUE);
    assert_string_equal(challenge, "");
    assert_span(sasl_account(s), "");
    assert_int_equal(feed(s, BYTES("\0a\0b"), &challenge), SASL_DONE);
    sasl_free(&s);

    s = make("PLAIN"); /* "=" */
    assert_int_equal(feed(s, span_of(""), &challenge), SASL_CONTINUE);
    assert_int_equal(feed(s, span_of(""), &challenge), SASL_MALFORMED);
    sasl_free(&s);
}

static void plain_authorization_id(void **state)
{
    (void)state;
    const struct {
        struct span message;
        enum sasl_step step;
    } cases[] = {
        {BYTES("a@example.com\0a@example.com\0pw"), SASL_DONE},
        {BYTES("A@Example.com\0a@example.com\0pw"), SASL_DONE},
        {BYTES("b@example.com\0a@example.com\0pw"), SASL_MALFORMED},
        {BYTES("a@example.co\0a@example.com\0pw"), SASL_MALFORMED},
        {BYTES("a@example.com\0\0pw"), SASL_MALFORMED},
    };
    const char *challenge = NULL;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sasl *s = make("PLAIN");
        assert_int_equal(feed(s, cases[i].message, &challenge), cases[i].step);
        if (cases[i].step == SASL_DONE)
            assert_span(sasl_account(s), "a@example.com");
        else
            assert_span(sasl_password(s), "");
        sasl_free(&s);
    }
}

static void plain_malformed(void **state)
{
    (void)state;
    const struct span cases[] = {
        BYTES("x"),    BYTES("\0"),       BYTES("\0\0"),      BYTES("\0\0pw"),
        BYTES("a\0b"), BYTES("\0a\0b\0"), BYTES("\0a\0b\0c"),
    };
    const char *challenge = NULL;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct sasl *s = make("PLAIN");
        assert_int_equal(feed(s, cases[i], &challenge), SASL_MALFORMED);
        assert_span(sasl_account(s), "");
        assert_span(sasl_password(s), "");
        assert_int_equal(feed(s, BYTES("\0a\0b"), &challenge), SASL_MALFORMED);
        sasl_free(&s);
    }
}

static void plain_empty_password_is_a_wrong_one(void **state)
{
    (void)state;
    const char *challenge = NULL;
    struct sasl *s = make("PLAIN");
    assert_int_equal(feed(s, BYTES("\0a\0"), &challenge), SASL_DONE);
    assert_span(sasl_password(s), "");
    sasl_free(&s);
}

static void login_step_by_step(void **state)
{
    (void)state;
    const char *challenge = NULL;
    struct sasl *s = make("LOGIN");
    assert_string_equal(sasl_name(s), "login");
    assert_int_equal(sasl_feed(s, false, span_of(""), &challenge), SASL_CONTINUE);
    assert_string_equal(challenge, "Username:");
    assert_int_equal(feed(s, BYTES("mail@example.com"), &challenge), SASL_CONTINUE);
    assert_string_equal(challenge, "Password:");
    assert_span(sasl_account(s), ""); /* not before it is done */
    assert_int_equal(feed(s, BYTES("s3cret"), &challenge), SASL_DONE);
    assert_span(sasl_account(s), "mail@example.com");
    assert_span(sasl_password(s), "s3cret");
    sasl_free(&s);
}

static void login_with_initial_response(void **state)
{
    (void)state;
    const char *challenge = NULL;
    struct sasl *s = make("login");
    assert_int_equal(feed(s, BYTES("mail@example.com"), &challenge), SASL_CONTINUE);
    assert_string_equal(challenge, "Password:");
    assert_int_equal(feed(s, span_of(""), &challenge), SASL_DONE);
    assert_span(sasl_password(s), "");
    sasl_free(&s);
}

static void login_malformed(void **state)
{
    (void)state;
    const char *challenge = NULL;
    struct sasl *s = make("LOGIN");
    sasl_feed(s, false, span_of(""), &challenge);
    assert_int_equal(feed(s, span_of(""), &challenge), SASL_MALFORMED); /* no name */
    sasl_free(&s);

    s = make("LOGIN");
    assert_int_equal(feed(s, BYTES("a\0b"), &challenge), SASL_MALFORMED);
    sasl_free(&s);

    s = make("LOGIN");
    assert_int_equal(feed(s, BYTES("a"), &challenge), SASL_CONTINUE);
    assert_int_equal(feed(s, BYTES("p\0w"), &challenge), SASL_MALFORMED);
    sasl_free(&s);
}

static void fields_are_capped(void **state)
{
    (void)state;
    char *long_name = xmalloc(70000);
    memset(long_name, 'a', 70000);
    const char *challenge = NULL;
    struct sasl *s = make("LOGIN");
    assert_int_equal(feed(s, span_from(long_name, 70000), &challenge), SASL_MALFORMED);
    sasl_free(&s);
    free(long_name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mechanisms_are_those_announced),
        cmocka_unit_test(plain_with_initial_response),
        cmocka_unit_test(plain_without_initial_response),
        cmocka_unit_test(plain_authorization_id),
        cmocka_unit_test(plain_malformed),
        cmocka_unit_test(plain_empty_password_is_a_wrong_one),
        cmocka_unit_test(login_step_by_step),
        cmocka_unit_test(login_with_initial_response),
        cmocka_unit_test(login_malformed),
        cmocka_unit_test(fields_are_capped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
