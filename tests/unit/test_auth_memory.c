/* SPDX-License-Identifier: MIT */
/* auth: what is kept in memory (directory, cache of verified logins, logins lately), and the hashes. */
#include "auth_help.h"

#include <crypt.h>

#include "auth/cache.h"
#include "auth/directory.h"
#include "auth/hash.h"
#include "auth/recent.h"

/* ---- hashes ---- */

static void new_hashes_are_yescrypt_and_match(void **state)
{
    (void)state;
    struct hasher hasher;
    assert_true(hasher_init(&hasher));
    char one[HASH_TEXT_MAX], two[HASH_TEXT_MAX];
    assert_true(hash_make(&hasher, "s3cret", one));
    assert_true(hash_make(&hasher, "s3cret", two));
    assert_memory_equal(one, "$y$", 3);
    assert_string_not_equal(one, two);
    assert_int_equal(hash_check(&hasher, one, "s3cret"), HASH_MATCH);
    assert_int_equal(hash_check(&hasher, one, "s3cret "), HASH_DIFFERENT);
    assert_int_equal(hash_check(&hasher, one, ""), HASH_DIFFERENT);
    assert_int_equal(hash_check(&hasher, one, NULL), HASH_DIFFERENT);
    hash_spend(&hasher, NULL);
    assert_int_equal(atomic_load(&hasher.count), 7);
}

static void every_method_of_libcrypt_is_verified(void **state)
{
    (void)state;
    static const char *const prefixes[] = {"$y$", "$gy$",  "$7$",  "$2b$", "$6$", "$5$",
                                           "$1$", "$sha1", "$md5", "_",    ""};
    struct hasher hasher;
    assert_true(hasher_init(&hasher));
    for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
        char setting[CRYPT_GENSALT_OUTPUT_SIZE];
        struct crypt_data data = {.initialized = 0};
        assert_non_null(crypt_gensalt_rn(prefixes[i], 0, NULL, 0, setting, sizeof setting));
        const char *hash = crypt_rn("pass", setting, &data, sizeof data);
        assert_non_null(hash);
        assert_int_equal(hash_check(&hasher, hash, "pass"), HASH_MATCH);
        assert_int_equal(hash_check(&hasher, hash, "past"), HASH_DIFFERENT);
    }
}

static void hashes_that_are_none(void **state)
{
    (void)state;
    struct hasher hasher;
    assert_true(hasher_init(&hasher));
    assert_int_equal(hash_check(&hasher, "!", "x"), HASH_DIFFERENT); /* locked, as in shadow(5) */
    assert_int_equal(hash_check(&hasher, "*0", "x"), HASH_DIFFERENT);
    assert_int_equal(hash_check(&hasher, "$nothing$x", "x"), HASH_UNUSABLE);
    assert_int_equal(hash_check(&hasher, "", "x"), HASH_UNUSABLE);
}

/* ---- directory ---- */

static struct directory_entry entry(const char *address, uint64_t version)
{
    struct directory_entry e = {.version = version};
    snprintf(e.address, sizeof e.address, "%s", address);
    return e;
}

static void directory_finds_in_any_case(void **state)
{
    (void)state;
    struct directory *dir = directory_make();
    struct directory_entry e = entry("Mail@example.com", 1), found;
    directory_put(dir, &e);
    assert_true(directory_find(dir, span_of("mAIL@EXAMPLE.com"), &found));
    assert_string_equal(found.address, "Mail@example.com");
    assert_false(directory_find(dir, span_of("mail@example.com "), &found));
    assert_false(directory_find(dir, span_from("mail@example.com", 17), &found));
    assert_false(directory_find(dir, span_of(""), NULL));
    e = entry("mail@example.com", 2);
    e.disabled = true;
    directory_put(dir, &e); /* the same account */
    assert_true(directory_find(dir, span_of("Mail@example.com"), &found));
    assert_int_equal(found.version, 2);
    assert_true(found.disabled);
    directory_remove(dir, "MAIL@example.com");
    directory_remove(dir, "MAIL@example.com");
    assert_false(directory_find(dir, span_of("mail@example.com"), NULL));
    directory_free(&dir);
}

/* Removal must not break chains: compared with the truth after many random changes. */
static void directory_against_an_array(void **state)
{
    (void)state;
    enum { ACCOUNTS = 300, STEPS = 20000 };
    static bool there[ACCOUNTS];
    struct directory *dir = directory_make();
    struct dice dice = {1};
    for (int step = 0; step < STEPS; step++) {
        unsigned i = roll(&dice, ACCOUNTS);
        char address[32];
        snprintf(address, sizeof address, "u%u@example.com", i);
        struct directory_entry e = entry(address, i);
        there[i] = roll(&dice, 2) == 0;
        if (there[i])
            directory_put(dir, &e);
        else
            directory_remove(dir, address);
        if (step % 100 != 0)
            continue;
        for (int k = 0; k < ACCOUNTS; k++) {
            snprintf(address, sizeof address, "U%d@example.com", k);
            assert_int_equal(directory_find(dir, span_of(address), &e), there[k]);
            assert_true(!there[k] || e.version == (uint64_t)k);
        }
    }
    struct directory_table *table = directory_table_make(dir);
    struct directory_entry e = entry("new@example.com", 7);
    directory_table_put(table, &e);
    directory_replace(dir, &table);
    assert_null(table);
    assert_true(directory_find(dir, span_of("new@example.com"), NULL));
    for (int k = 0; k < ACCOUNTS; k++) {
        char address[32];
        snprintf(address, sizeof address, "u%d@example.com", k);
        assert_false(directory_find(dir, span_of(address), NULL));
    }
    directory_free(&dir);
}

/* ---- cache ---- */

static bool has(struct cache *c, const char *account, const char *password, uint64_t version, uint64_t now)
{
    return cache_has(c, span_of(account), span_of(password), version, now, 300);
}

static void cache_knows_what_was_verified(void **state)
{
    (void)state;
    struct cache *c = cache_make(100);
    assert_non_null(c);
    cache_put(c, span_of("a@example.com"), span_of("pw"), 5, 1000);
    assert_true(has(c, "a@example.com", "pw", 5, 1000));
    assert_true(has(c, "A@EXAMPLE.com", "pw", 5, 1000));
    assert_false(has(c, "a@example.com", "Pw", 5, 1000));
    assert_false(has(c, "a@example.com", "pw", 6, 1000)); /* the password was changed */
    assert_false(has(c, "b@example.com", "pw", 5, 1000));
    assert_false(has(c, "a@example.co", "mpw", 5, 1000)); /* account and password do not run together */
    assert_false(has(c, "a@example.com ", "pw", 5, 1000));
    cache_free(&c);
    assert_null(c);
}

static void cache_long_names_differ_behind_the_first_piece(void **state)
{
    (void)state;
    char one[200], two[200];
    memset(one, 'A', sizeof one);
    memcpy(two, one, sizeof two);
    two[199] = 'b';
    struct cache *c = cache_make(4);
    cache_put(c, span_from(one, sizeof one), span_of("x"), 1, 1);
    assert_true(cache_has(c, span_from(one, sizeof one), span_of("x"), 1, 1, 10));
    assert_false(cache_has(c, span_from(two, sizeof two), span_of("x"), 1, 1, 10));
    cache_free(&c);
}

static void cache_ends_by_itself_whatever_hits(void **state)
{
    (void)state;
    struct cache *c = cache_make(100);
    cache_put(c, span_of("a"), span_of("pw"), 5, 1000);
    for (uint64_t now = 1000; now < 1300; now += 50)
        assert_true(has(c, "a", "pw", 5, now));
    assert_true(has(c, "a", "pw", 5, 1299));
    assert_false(has(c, "a", "pw", 5, 1300));
    cache_put(c, span_of("a"), span_of("pw"), 5, 1400); /* verified again */
    assert_true(has(c, "a", "pw", 5, 1699));
    cache_free(&c);
}

static void cache_is_bounded(void **state)
{
    (void)state;
    enum { MAX = 100, PUT = 1000 };
    struct cache *c = cache_make(MAX);
    char name[16];
    for (int i = 0; i < PUT; i++) {
        snprintf(name, sizeof name, "u%d", i);
        cache_put(c, span_of(name), span_of("pw"), 1, 1);
    }
    for (int i = 0; i < PUT; i++) {
        snprintf(name, sizeof name, "u%d", i);
        assert_int_equal(has(c, name, "pw", 1, 1), i >= PUT - MAX); /* the oldest went first */
    }
    cache_free(&c);
}

/* ---- logins lately ---- */

static void recent_is_by_network_and_account(void **state)
{
    (void)state;
    struct addr v4, other, v6, near, far;
    assert_true(addr_parse("192.0.2.7", &v4) && addr_parse("192.0.2.8", &other) &&
                addr_parse("2001:db8::1", &v6));
    assert_true(addr_parse("2001:db8::ffff:1", &near) && addr_parse("2001:db8:0:1::1", &far));
    struct network n4 = network_of(&v4), n_other = network_of(&other), n6 = network_of(&v6);
    struct network n_near = network_of(&near), n_far = network_of(&far);
    struct recent *r = recent_make();
    recent_mark(r, &n4, span_of("a@example.com"), 1000);
    recent_mark(r, &n6, span_of("a@example.com"), 1000);
    assert_true(recent_has(r, &n4, span_of("A@example.com"), 2000));
    assert_false(recent_has(r, &n4, span_of("b@example.com"), 2000));
    assert_false(recent_has(r, &n_other, span_of("a@example.com"), 2000));
    assert_true(recent_has(r, &n_near, span_of("a@example.com"), 2000)); /* the same /64 */
    assert_false(recent_has(r, &n_far, span_of("a@example.com"), 2000));
    assert_false(recent_has(r, &n4, span_of("a@example.com"), 1000 + 24 * 3600 * 1000));
    recent_free(&r);
}

static void recent_keeps_the_latest_when_full(void **state)
{
    (void)state;
    enum { MANY = 500000 };
    struct addr v4;
    assert_true(addr_parse("192.0.2.7", &v4));
    struct network n = network_of(&v4);
    struct recent *r = recent_make();
    char name[16];
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "u%d", i);
        recent_mark(r, &n, span_of(name), (uint64_t)i + 1);
    }
    int kept = 0;
    for (int i = MANY - 10000; i < MANY; i++) {
        snprintf(name, sizeof name, "u%d", i);
        kept += recent_has(r, &n, span_of(name), MANY);
    }
    assert_true(kept > 9990);
    recent_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_hashes_are_yescrypt_and_match),
        cmocka_unit_test(every_method_of_libcrypt_is_verified),
        cmocka_unit_test(hashes_that_are_none),
        cmocka_unit_test(directory_finds_in_any_case),
        cmocka_unit_test(directory_against_an_array),
        cmocka_unit_test(cache_knows_what_was_verified),
        cmocka_unit_test(cache_long_names_differ_behind_the_first_piece),
        cmocka_unit_test(cache_ends_by_itself_whatever_hits),
        cmocka_unit_test(cache_is_bounded),
        cmocka_unit_test(recent_is_by_network_and_account),
        cmocka_unit_test(recent_keeps_the_latest_when_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
