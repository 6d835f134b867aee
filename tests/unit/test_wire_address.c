/* SPDX-License-Identifier: MIT */
/* Paths and addresses: what is taken, what is left, what is refused and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "tests/exact.h"
#include "wire/wire.h"

#define TEN       "abcdefghij"
#define SIXTY     TEN TEN TEN TEN TEN TEN
#define LABEL63   SIXTY "abc"
#define DOMAIN255 LABEL63 "." LABEL63 "." LABEL63 "." LABEL63
#define LOCAL64   SIXTY "abcd"

static bool parse_path(const char *in, enum path_kind kind, struct address *a_r, struct buf *rest_r,
                       const char **why_r)
{
    size_t n = strlen(in);
    char *copy = exact_copy(span_from(in, n));
    struct span rest = span_from(copy, n);
    bool ok = path_parse(&rest, kind, a_r, why_r);
    if (!ok)
        assert_true(rest.p == copy && rest.n == n);
    buf_add(rest_r, rest.p, rest.n);
    free(copy);
    return ok;
}

struct good {
    const char *in, *text;
    size_t local_len;
    const char *domain, *rest;
};

static const struct good BOTH[] = {
    {"<a@b>", "a@b", 1, "b", ""},
    {"<a@b> SIZE=10", "a@b", 1, "b", " SIZE=10"},
    {"<a@b>\tX", "a@b", 1, "b", "\tX"},
    {"  \t<a@b>  ", "a@b", 1, "b", "  "},
    {"a@b", "a@b", 1, "b", ""},
    {" a@b SIZE=10", "a@b", 1, "b", " SIZE=10"},
    {"<John.Doe+tag@Mail.Example.COM>", "John.Doe+tag@Mail.Example.COM", 12, "Mail.Example.COM", ""},
    {"<!#$%&'*+-/=?^_`{|}~.0@x-y.z9>", "!#$%&'*+-/=?^_`{|}~.0@x-y.z9", 21, "x-y.z9", ""},
    {"<\"a b\"@c>", "\"a b\"@c", 5, "c", ""},
    {"\"a b\"@c X", "\"a b\"@c", 5, "c", " X"},
    {"<\"\"@c>", "\"\"@c", 2, "c", ""},
    {"<\"a\\\"@>\\\\\"@c> X", "\"a\\\"@>\\\\\"@c", 9, "c", " X"},
    {"<a@[192.0.2.7]>", "a@[192.0.2.7]", 1, "[192.0.2.7]", ""},
    {"<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", 1, "[IPv6:2001:db8::1]", ""},
    {"<a@[ipv6:::ffff:192.0.2.7]>", "a@[ipv6:::ffff:192.0.2.7]", 1, "[ipv6:::ffff:192.0.2.7]", ""},
    {"<a@1.2.3.4>", "a@1.2.3.4", 1, "1.2.3.4", ""},
    {"<a@123>", "a@123", 1, "123", ""},
    {"<a@a-b--c>", "a@a-b--c", 1, "a-b--c", ""},
    {"<@x:a@b>", "a@b", 1, "b", ""},
    {"<@x.y,@z:a@b> X", "a@b", 1, "b", " X"},
    {"<@[192.0.2.7]:a@b>", "a@b", 1, "b", ""},
    {"<" LOCAL64 "@b>", LOCAL64 "@b", 64, "b", ""},
    {"<a@" LABEL63 ">", "a@" LABEL63, 1, LABEL63, ""},
    {"<" LOCAL64 "@" DOMAIN255 ">", LOCAL64 "@" DOMAIN255, 64, DOMAIN255, ""},
};

static void check_good(const struct good *g, enum path_kind kind)
{
    struct address a;
    struct buf rest = BUF_INIT(1024);
    const char *why = "";
    if (!parse_path(g->in, kind, &a, &rest, &why))
        fail_msg("%s: %s", g->in, why);
    assert_string_equal(a.text, g->text);
    assert_int_equal(a.local_len, g->local_len);
    assert_string_equal(address_domain(&a), g->domain);
    assert_string_equal(buf_str(&rest), g->rest);
    buf_free(&rest);
}

static void taken(void **state)
{
    static const struct good null[] = {{"<>", "", 0, "", ""}, {" <> BODY=7BIT", "", 0, "", " BODY=7BIT"}};
    static const struct good postmaster[] = {
        {"<postmaster>", "postmaster", 10, "", ""},
        {"<PostMaster> X", "PostMaster", 10, "", " X"},
        {"Postmaster X", "Postmaster", 10, "", " X"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(BOTH); i++) {
        check_good(&BOTH[i], PATH_REVERSE);
        check_good(&BOTH[i], PATH_FORWARD);
    }
    for (size_t i = 0; i < COUNT_OF(null); i++)
        check_good(&null[i], PATH_REVERSE);
    for (size_t i = 0; i < COUNT_OF(postmaster); i++)
        check_good(&postmaster[i], PATH_FORWARD);
}

struct bad {
    const char *in, *why;
};

static const struct bad REFUSED[] = {
    {"", "no address"},
    {"  \t", "no address"},
    {"<", "misplaced dot, or nothing, before the @"},
    {"< >", "blank in the address"},
    {"< a@b>", "blank in the address"},
    {"<a@b >", "blank in the address"},
    {"<a @b>", "blank in the address"},
    {"<a b@c>", "blank in the address"},
    {"<a@ b>", "blank in the address"},
    {"<a\t@b>", "blank in the address"},
    {"<a@b", "no closing bracket"},
    {"<a", "no domain"},
    {"a", "no domain"},
    {"<a>", "no domain"},
    {"<a@>", "nothing behind the @"},
    {"a@", "nothing behind the @"},
    {"a@ b", "blank in the address"},
    {"<@b>", "malformed source route"},
    {"@b", "malformed source route"},
    {"<a@b>c", "no blank behind the closing bracket"},
    {"<a@b>>", "no blank behind the closing bracket"},
    {"<<a@b>>", "unexpected character in the address"},
    {"a@b>", "unexpected character in the address"},
    {"a@b,c@d", "unexpected character in the address"},
    {"<a@b@c>", "unexpected character in the address"},
    {"Name <a@b>", "blank in the address"},
    {"<Name <a@b>>", "blank in the address"},
    {"<a(comment)@b>", "unexpected character in the address"},
    /* dots */
    {"<.a@b>", "misplaced dot, or nothing, before the @"},
    {"<a.@b>", "misplaced dot, or nothing, before the @"},
    {"<a..c@b>", "misplaced dot, or nothing, before the @"},
    {"<.@b>", "misplaced dot, or nothing, before the @"},
    {"<a@b.>", "misplaced dot in the domain"},
    {"a@b.", "misplaced dot in the domain"},
    {"<a@.b>", "misplaced dot in the domain"},
    {"<a@b..c>", "misplaced dot in the domain"},
    {"<a@.>", "misplaced dot in the domain"},
    /* domains */
    {"<a@-b>", "hyphen at the edge of a part of the domain"},
    {"<a@b-.c>", "hyphen at the edge of a part of the domain"},
    {"<a@b_c>", "unexpected character in the address"},
    {"<a@b/c>", "unexpected character in the address"},
    {"<a@" LABEL63 "x>", "part of the domain longer than 63 characters"},
    {"<a@" DOMAIN255 ".x>", "domain longer than 255 characters"},
    {"<" LOCAL64 "x@b>", "more than 64 characters before the @"},
    {"<\"" LOCAL64 "\"@b>", "more than 64 characters before the @"},
    /* literals */
    {"<a@[192.0.2.7>", "no closing bracket behind the IP address"},
    {"<a@[]>", "not an IP address in the brackets"},
    {"<a@[192.0.2.256]>", "not an IP address in the brackets"},
    {"<a@[192.0.2]>", "not an IP address in the brackets"},
    {"<a@[192.0.2.007]>", "not an IP address in the brackets"},
    {"<a@[192.0.2.7 ]>", "not an IP address in the brackets"},
    {"<a@[2001:db8::1]>", "not an IP address in the brackets"},
    {"<a@[IPv6:192.0.2.7]>", "not an IP address in the brackets"},
    {"<a@[IPv6:2001:db8::1%eth0]>", "not an IP address in the brackets"},
    {"<a@[IPv6:]>", "not an IP address in the brackets"},
    {"<a@[X25:1234]>", "not an IP address in the brackets"},
    {"<a@[" SIXTY SIXTY "]>", "not an IP address in the brackets"},
    {"<a@[192.0.2.7].b>", "unexpected character in the address"},
    {"<a@[192.0.2.7]", "no closing bracket"},
    /* quoted */
    {"<\"a@b>", "no closing quote"},
    {"<\"a", "no closing quote"},
    {"<\"a\\", "no closing quote"},
    {"<\"a\\\"@b>", "no closing quote"},
    {"<\"a\"b@c>", "unexpected character in the address"},
    {"<a\"b\"@c>", "unexpected character in the address"},
    {"<\"a\"", "no domain"},
    {"<\"postmaster\">", "no domain"},
    {"<\"a\tb\"@c>", "blank in the address"},
    {"<\"a\\\x7f\"@c>", "control character in the address"},
    /* bytes */
    {"<\xc3\xa4@b>", "only ASCII characters are possible"},
    {"<a\xc3\xa4@b>", "only ASCII characters are possible"},
    {"<a@\xc3\xa4>", "only ASCII characters are possible"},
    {"<a@b\xff>", "only ASCII characters are possible"},
    {"<\"\xc3\xa4\"@b>", "only ASCII characters are possible"},
    {"<\"\\\xc3\xa4\"@b>", "only ASCII characters are possible"},
    {"<a\x01@b>", "control character in the address"},
    {"<a@b\x7f>", "control character in the address"},
    {"<a@b\r>", "control character in the address"},
    /* routes */
    {"<@x>", "malformed source route"},
    {"<@x,:a@b>", "malformed source route"},
    {"<@x,y:a@b>", "malformed source route"},
    {"<@x@y:a@b>", "malformed source route"},
    {"<@:a@b>", "unexpected character in the address"},
    {"<@x:>", "misplaced dot, or nothing, before the @"},
    {"<@x:@b>", "misplaced dot, or nothing, before the @"},
    {"<@x..y:a@b>", "misplaced dot in the domain"},
};

static void check_bad(const struct bad *bad, enum path_kind kind)
{
    struct address a = {.text = "untouched"};
    struct buf rest = BUF_INIT(1024);
    const char *why = NULL;
    if (parse_path(bad->in, kind, &a, &rest, &why))
        fail_msg("%s was taken as %s", bad->in, a.text);
    if (strcmp(why, bad->why) != 0)
        fail_msg("%s: %s, not: %s", bad->in, why, bad->why);
    assert_string_equal(a.text, "untouched");
    buf_free(&rest);
}

static void refused(void **state)
{
    static const struct bad null = {"<>", "the null address cannot receive"};
    static const struct bad postmaster[] = {{"<postmaster>", "no domain"}, {"postmaster", "no domain"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(REFUSED); i++) {
        check_bad(&REFUSED[i], PATH_REVERSE);
        check_bad(&REFUSED[i], PATH_FORWARD);
    }
    check_bad(&null, PATH_FORWARD);
    for (size_t i = 0; i < COUNT_OF(postmaster); i++)
        check_bad(&postmaster[i], PATH_REVERSE);
}

static void nul_bytes_are_refused(void **state)
{
    static const struct {
        const char *in;
        size_t n;
    } rows[] = {{"<a\0@b>", 6},    {"<\0a@b>", 6},          {"<a@b\0>", 6}, {"<a@\0b>", 6},
                {"<\"\0\"@b>", 7}, {"<a@[1.2.3.4\0]>", 14}, {"a@b\0", 4}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct address a;
        struct span rest = span_from(rows[i].in, rows[i].n);
        const char *why = NULL;
        assert_false(path_parse(&rest, PATH_FORWARD, &a, &why));
        assert_false(address_parse(span_from(rows[i].in, rows[i].n), &a, &why));
        assert_non_null(why);
    }
}

static void bare_addresses(void **state)
{
    static const char *const bad[] = {"",     "a",     "postmaster", "<a@b>",  " a@b",
                                      "a@b ", "a@b c", "@x:a@b",     "a@b>",   "@b",
                                      "a@",   "a@b.",  "\xc3\xa4@b", "a@b,c@d"};
    struct address a;
    const char *why = NULL;
    (void)state;
    assert_true(address_parse(span_of("A.b@C.d"), &a, &why));
    assert_string_equal(a.text, "A.b@C.d");
    assert_string_equal(address_domain(&a), "C.d");
    assert_true(address_parse(span_of("\"x@y\"@[192.0.2.7]"), &a, &why));
    assert_string_equal(address_domain(&a), "[192.0.2.7]");
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        why = NULL;
        if (address_parse(span_of(bad[i]), &a, &why))
            fail_msg("%s was taken", bad[i]);
        assert_non_null(why);
    }
    assert_false(address_parse(span_from(NULL, 0), &a, &why));
}

static void folding(void **state)
{
    struct address a;
    const char *why;
    (void)state;
    assert_true(address_parse(span_of("John.\"DOE@Example.ORG"), &a, &why) == false);
    assert_true(address_parse(span_of("\"John@DOE\"@Example.ORG"), &a, &why));
    address_fold_domain(&a);
    assert_string_equal(a.text, "\"John@DOE\"@example.org");
    address_fold(&a);
    assert_string_equal(a.text, "\"john@doe\"@example.org");
    struct address null = {0};
    address_fold(&null);
    address_fold_domain(&null);
    assert_string_equal(address_domain(&null), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken),          cmocka_unit_test(refused), cmocka_unit_test(nul_bytes_are_refused),
        cmocka_unit_test(bare_addresses), cmocka_unit_test(folding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
