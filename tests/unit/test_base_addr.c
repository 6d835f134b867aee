/* SPDX-License-Identifier: MIT */
/* Network addresses, times and random numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/un.h>
#include <time.h>

#include "base/base.h"

static void parsing(void **state)
{
    static const struct {
        const char *in, *out; /* NULL: refused */
        uint8_t family;
        bool loopback;
    } rows[] = {
        {"192.0.2.7", "192.0.2.7", AF_INET, false},
        {"127.0.0.1", "127.0.0.1", AF_INET, true},
        {"127.255.0.3", "127.255.0.3", AF_INET, true},
        {"128.0.0.1", "128.0.0.1", AF_INET, false},
        {"::1", "::1", AF_INET6, true},
        {"::", "::", AF_INET6, false},
        {"2001:DB8:0:0::1", "2001:db8::1", AF_INET6, false},
        {"::ffff:192.0.2.7", "192.0.2.7", AF_INET, false},
        {"::ffff:7f00:1", "127.0.0.1", AF_INET, true},
        {"7f00::1", "7f00::1", AF_INET6, false},
        {"", NULL, 0, false},
        {"192.0.2", NULL, 0, false},
        {"192.0.2.256", NULL, 0, false},
        {"192.0.2.07", NULL, 0, false},
        {"192.0.2.7 ", NULL, 0, false},
        {"192.0.2.7:25", NULL, 0, false},
        {"[::1]", NULL, 0, false},
        {"fe80::1%lo", NULL, 0, false},
        {"localhost", NULL, 0, false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct addr a = {.port = 7};
        char text[ADDR_TEXT_MAX];
        assert_int_equal(addr_parse(rows[i].in, &a), rows[i].out != NULL);
        if (rows[i].out == NULL) {
            assert_int_equal(a.port, 7); /* untouched */
            continue;
        }
        assert_int_equal(a.family, rows[i].family);
        assert_int_equal(a.port, 0);
        assert_string_equal(addr_text(&a, text), rows[i].out);
        assert_int_equal(addr_is_loopback(&a), rows[i].loopback);
    }
}

static void sockaddrs(void **state)
{
    static const char *const texts[] = {"192.0.2.7", "2001:db8::1"};
    struct sockaddr_storage sa;
    char text[ADDR_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct addr a;
        assert_true(addr_parse(texts[i], &a));
        a.port = 2525;
        assert_int_equal(addr_to_sockaddr(&a, &sa),
                         i == 0 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
        struct addr back = addr_from_sockaddr((const struct sockaddr *)&sa);
        assert_int_equal(back.port, 2525);
        assert_true(addr_equal(&a, &back));
        assert_string_equal(addr_text(&back, text), texts[i]);
    }
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = htons(25)};
    assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.7", &mapped.sin6_addr), 1);
    struct addr a = addr_from_sockaddr((const struct sockaddr *)&mapped);
    assert_int_equal(a.family, AF_INET);
    assert_int_equal(a.port, 25);
    assert_string_equal(addr_text(&a, text), "192.0.2.7");

    struct sockaddr_un un = {.sun_family = AF_UNIX};
    a = addr_from_sockaddr((const struct sockaddr *)&un);
    assert_int_equal(a.family, 0);
    assert_string_equal(addr_text(&a, text), "-");
    assert_int_equal(addr_to_sockaddr(&a, &sa), 0);
    assert_false(addr_is_loopback(&a));
}

static void equality(void **state)
{
    struct addr a, b, c, none = {0};
    (void)state;
    assert_true(addr_parse("192.0.2.7", &a));
    assert_true(addr_parse("::ffff:192.0.2.7", &b));
    assert_true(addr_parse("c000:207::", &c)); /* the same first bytes, another family */
    b.port = 25;
    assert_true(addr_equal(&a, &b));
    assert_false(addr_equal(&a, &c));
    assert_false(addr_equal(&a, &none));
    assert_true(addr_parse("192.0.2.8", &b));
    assert_false(addr_equal(&a, &b));
}

static void times(void **state)
{
    char out[TIME_TEXT_MAX];
    (void)state;
    setenv("TZ", "Asia/Kathmandu", 1);
    tzset();
    time_rfc3339(1795557472, out);
    assert_string_equal(out, "2026-11-24T21:57:52Z");
    time_rfc3339(0, out);
    assert_string_equal(out, "1970-01-01T00:00:00Z");
    time_rfc3339(INT64_MAX, out);
    assert_string_equal(out, "-");
    uint64_t us = clock_mono_us(), ms = clock_mono_ms();
    assert_true(ms >= us / 1000 && ms - us / 1000 < 60000);
    assert_true(llabs(clock_wall_ms() / 1000 - clock_wall()) <= 60);
}

static void random_numbers(void **state)
{
    unsigned seen[10] = {0};
    (void)state;
    for (int i = 0; i < 10000; i++) {
        uint64_t v = random_below(COUNT_OF(seen));
        assert_true(v < COUNT_OF(seen));
        seen[v]++;
    }
    for (size_t i = 0; i < COUNT_OF(seen); i++)
        assert_true(seen[i] > 700 && seen[i] < 1300); /* ten standard deviations */
    assert_int_equal(random_below(1), 0);
    assert_true(random_below(UINT64_MAX) < UINT64_MAX);
    uint8_t a[32] = {0}, b[32] = {0};
    random_bytes(a, sizeof a);
    random_bytes(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    random_bytes(a, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parsing), cmocka_unit_test(sockaddrs),      cmocka_unit_test(equality),
        cmocka_unit_test(times),   cmocka_unit_test(random_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
