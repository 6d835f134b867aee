/* SPDX-License-Identifier: MIT */
/* The census against a plain list that does the same slowly. */
#include "net_help.h"

enum { PEERS = 600, STEPS = 200000 };

/* ---- the plain list ---- */

static struct addr peers[PEERS];
static unsigned counts[PEERS]; /* by the first peer that is in the same place */
static unsigned total;

static bool same_place(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, a->family == AF_INET ? 4 : 8) == 0;
}

static size_t place_of(size_t i)
{
    size_t first = 0;
    while (!same_place(&peers[first], &peers[i]))
        first++;
    return first;
}

/* IPv4, IPv6 hosts that share networks, and IPv6 networks whose bytes are those of the IPv4 addresses. */
static void make_peers(void)
{
    for (size_t i = 0; i < PEERS; i++) {
        uint8_t kind = (uint8_t)(i % 3), n = (uint8_t)(i / 3);
        struct addr a = {.family = kind == 0 ? AF_INET : AF_INET6, .port = (uint16_t)i};
        memcpy(a.bytes, (uint8_t[4]){10, kind == 1 ? n / 4 : n, 0, 1}, 4);
        if (kind == 1)
            a.bytes[15] = n; /* four hosts of one /64 */
        if (kind == 2)
            a.bytes[7] = n; /* a /64 each */
        peers[i] = a;
    }
}

static enum census_answer enter_slowly(size_t i, unsigned limit_all, unsigned limit_address)
{
    size_t place = place_of(i);
    if (total >= limit_all)
        return CENSUS_ALL_FULL;
    if (counts[place] >= limit_address)
        return CENSUS_ADDRESS_FULL;
    counts[place]++;
    total++;
    return CENSUS_OK;
}

static void does_what_a_plain_list_does(void **state)
{
    (void)state;
    struct census *census = census_make();
    static unsigned open[PEERS];
    uint64_t seed = 42;
    make_peers();
    for (int step = 0; step < STEPS; step++) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        size_t i = (size_t)(seed >> 33) % PEERS;
        bool filling = step / 20000 % 2 == 0; /* full, then empty, then full again */
        bool enter = (seed >> 60) < (filling ? 12 : 4);
        if (enter) {
            unsigned limit_all = 300 + (unsigned)(seed >> 58) * 20,
                     limit_address = 1 + (unsigned)(seed >> 59) % 9;
            enum census_answer expected = enter_slowly(i, limit_all, limit_address);
            assert_int_equal(census_enter(census, &peers[i], limit_all, limit_address), expected);
            open[i] += expected == CENSUS_OK;
        } else if (open[i] > 0) {
            open[i]--;
            counts[place_of(i)]--;
            total--;
            census_leave(census, &peers[i]);
        }
        assert_int_equal(census_count(census), total);
    }
    census_free(&census);
    assert_null(census);
    census_free(&census);
}

static void a_network_of_ipv6_is_one_address(void **state)
{
    (void)state;
    struct census *census = census_make();
    struct addr one, other, elsewhere;
    addr_parse("2001:db8:1:2::1", &one);
    addr_parse("2001:db8:1:2:ffff::99", &other);
    addr_parse("2001:db8:1:3::1", &elsewhere);
    assert_int_equal(census_enter(census, &one, 10, 1), CENSUS_OK);
    assert_int_equal(census_enter(census, &other, 10, 1), CENSUS_ADDRESS_FULL);
    assert_int_equal(census_enter(census, &elsewhere, 10, 1), CENSUS_OK);
    census_leave(census, &other);
    assert_int_equal(census_enter(census, &one, 10, 1), CENSUS_OK);
    assert_int_equal(census_enter(census, &elsewhere, 2, 5), CENSUS_ALL_FULL);
    census_free(&census);
}

static void who_never_came_does_not_leave(void **state)
{
    (void)state;
    struct census *census = census_make();
    struct addr a;
    addr_parse("192.0.2.7", &a);
    census_leave(census, &a);
    assert_int_equal(census_count(census), 0);
    census_free(&census);
}

/* ---- threads ---- */

static void *come_and_go(void *arg)
{
    struct census *census = arg;
    struct addr a = {.family = AF_INET};
    for (int i = 0; i < 20000; i++) {
        a.bytes[3] = (uint8_t)i;
        if (census_enter(census, &a, 1000, 1000) == CENSUS_OK)
            census_leave(census, &a);
    }
    return NULL;
}

static void threads_share_it(void **state)
{
    (void)state;
    struct census *census = census_make();
    pthread_t threads[3];
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_create(&threads[i], NULL, come_and_go, census);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(census_count(census), 0);
    census_free(&census);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(does_what_a_plain_list_does),
        cmocka_unit_test(a_network_of_ipv6_is_one_address),
        cmocka_unit_test(who_never_came_does_not_leave),
        cmocka_unit_test(threads_share_it),
    };
    return cmocka_run_group_tests_name("net_census", tests, NULL, NULL);
}
