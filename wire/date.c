/* SPDX-License-Identifier: MIT */
/* Dates in messages (RFC 5322, section 3.3). Not strftime: its names are the locale's. */
#include <time.h>

#include "wire/wire.h"

void date_rfc5322(int64_t wall_s, char out[DATE_TEXT_MAX])
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const int64_t last = 253402300799; /* the end of the year 9999, the last with four digits */
    time_t t = (time_t)(wall_s < 0 ? 0 : wall_s > last ? last : wall_s);
    struct tm tm = {0};
    gmtime_r(&t, &tm); /* cannot fail in this range */
    snprintf(out, DATE_TEXT_MAX, "%s, %d %s %04d %02d:%02d:%02d +0000", days[tm.tm_wday], tm.tm_mday,
             months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}
