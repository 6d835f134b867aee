/* SPDX-License-Identifier: MIT */
/* Queue ids: shape, order, uniqueness. */
#include "test_spool_support.h"

static void the_shape_is_exims(void **state)
{
    (void)state;
    struct id_maker ids;
    char id[QUEUE_ID_MAX];
    id_maker_init(&ids);
    for (unsigned i = 0; i < 1000; i++) {
        id_make(&ids, id);
        assert_true(id_valid(id));
        assert_true(id_folder(id) < ID_FOLDERS);
    }
    static const char *const BAD[] = {"",
                                      "1xW0rb-OdsG96-6",
                                      "1xW0rb-OdsG96-6UU",
                                      "1xW0rb_OdsG96-6U",
                                      "1xW0rb-OdsG9/-6U",
                                      "../../-etc/pa-ss",
                                      "1xW0rb-OdsG96\n6U"};
    for (size_t i = 0; i < COUNT_OF(BAD); i++)
        assert_false(id_valid(BAD[i]));
    assert_true(id_valid("1xW0rb-OdsG96-6U"));
}

static void the_first_group_is_the_time(void **state)
{
    (void)state;
    static const char DIGITS[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    struct id_maker ids;
    char id[QUEUE_ID_MAX];
    id_maker_init(&ids);
    int64_t before = clock_wall();
    id_make(&ids, id);
    int64_t time = 0;
    for (size_t i = 0; i < 6; i++)
        time = time * 62 + (strchr(DIGITS, id[i]) - DIGITS);
    assert_true(time >= before && time <= clock_wall());
}

static void folders_are_filled_evenly(void **state)
{
    (void)state;
    enum { N = 62000 };
    struct id_maker ids;
    char id[QUEUE_ID_MAX];
    unsigned counts[ID_FOLDERS] = {0};
    id_maker_init(&ids);
    for (unsigned i = 0; i < N; i++) {
        id_make(&ids, id);
        counts[id_folder(id)]++;
    }
    for (unsigned i = 0; i < ID_FOLDERS; i++)
        assert_true(counts[i] >= N / ID_FOLDERS * 3 / 4 && counts[i] <= N / ID_FOLDERS * 3 / 2);
}

enum { THREADS = 4, IDS = 20000 };

struct maker {
    struct id_maker *ids;
    char (*out)[QUEUE_ID_MAX];
    pthread_t thread;
};

static void *maker_main(void *arg)
{
    struct maker *m = arg;
    for (unsigned i = 0; i < IDS; i++)
        id_make(m->ids, m->out[i]);
    return NULL;
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void threads_never_make_the_same(void **state)
{
    (void)state;
    struct id_maker ids;
    struct maker makers[THREADS];
    char(*all)[QUEUE_ID_MAX] = xcalloc(THREADS * IDS, sizeof *all);
    id_maker_init(&ids);
    for (unsigned i = 0; i < THREADS; i++) {
        makers[i] = (struct maker){.ids = &ids, .out = all + i * IDS};
        assert_int_equal(pthread_create(&makers[i].thread, NULL, maker_main, &makers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(makers[i].thread, NULL), 0);
    qsort(all, THREADS * IDS, sizeof *all, compare_ids);
    for (unsigned i = 1; i < THREADS * IDS; i++)
        assert_string_not_equal(all[i - 1], all[i]);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shape_is_exims),
        cmocka_unit_test(the_first_group_is_the_time),
        cmocka_unit_test(folders_are_filled_evenly),
        cmocka_unit_test(threads_never_make_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
