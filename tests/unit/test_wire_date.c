/* SPDX-License-Identifier: MIT */
/* Dates in UTC, whatever time zone and locale say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <time.h>

#include "wire/wire.h"

static void dates(void **state)
{
    static const struct {
        int64_t wall;
        const char *text;
    } rows[] = {
        {0, "Thu, 1 Jan 1970 00:00:00 +0000"},           {1795557472, "Tue, 24 Nov 2026 21:57:52 +0000"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 +0000"},  {4102444799, "Thu, 31 Dec 2099 23:59:59 +0000"},
        {2147483648, "Tue, 19 Jan 2038 03:14:08 +0000"}, {253402300799, "Fri, 31 Dec 9999 23:59:59 +0000"},
        {INT64_MAX, "Fri, 31 Dec 9999 23:59:59 +0000"},  {-1, "Thu, 1 Jan 1970 00:00:00 +0000"},
        {INT64_MIN, "Thu, 1 Jan 1970 00:00:00 +0000"},
    };
    (void)state;
    setenv("TZ", "Asia/Kathmandu", 1);
    tzset();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char out[DATE_TEXT_MAX];
        date_rfc5322(rows[i].wall, out);
        assert_string_equal(out, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(dates)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
