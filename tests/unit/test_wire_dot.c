/* SPDX-License-Identifier: MIT */
/* End of data and dots: exact bytes for each known way to smuggle, all short texts against a reference, round
 * trips. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "tests/dot_reference.h"
#include "tests/exact.h"
#include "wire/wire.h"

#define MIB (1024UL * 1024UL)

struct decoded {
    struct buf message;
    size_t used;
    bool end;
    struct dot_decoder d;
};

/* Feeds one piece in memory of exactly the sizes that the contract names, so that ASan sees each byte beyond.
 */
static void feed(struct decoded *r, const char *in, size_t n)
{
    if (r->end)
        return;
    char *piece = exact_copy(span_from(in, n)), *out = xmalloc(2 * n + 4);
    size_t out_n = 0;
    size_t used = dot_decode(&r->d, piece, n, out, &out_n, &r->end);
    assert_true(out_n <= 2 * n + 4);
    assert_true(r->end ? used <= n : used == n);
    r->used += used;
    assert_true(buf_add(&r->message, out, out_n));
    free(piece);
    free(out);
}

static struct decoded decoded_start(void)
{
    struct decoded r = {.message = BUF_INIT(16 * MIB)};
    dot_decoder_init(&r.d);
    return r;
}

static struct decoded decode_split(const char *in, size_t n, size_t at)
{
    struct decoded r = decoded_start();
    feed(&r, in, at);
    feed(&r, in + at, n - at);
    return r;
}

static struct decoded decode_bytewise(const char *in, size_t n)
{
    struct decoded r = decoded_start();
    for (size_t i = 0; i < n; i++)
        feed(&r, in + i, 1);
    return r;
}

static void show(const char *label, const char *p, size_t n)
{
    struct buf text = BUF_INIT(65536);
    text_escape(&text, span_from(p, n), 4096);
    print_error("%s: \"%s\"\n", label, buf_str(&text));
    buf_free(&text);
}

struct wanted {
    const char *out;
    size_t out_n, used;
    bool end, bare_cr, bare_lf;
};

static void check(const char *in, size_t n, struct decoded *got, const struct wanted *want)
{
    bool same = got->message.len == want->out_n && got->used == want->used && got->end == want->end &&
                got->d.bare_cr == want->bare_cr && got->d.bare_lf == want->bare_lf &&
                memcmp(buf_str(&got->message), want->out, want->out_n) == 0;
    if (!same) {
        show("input", in, n);
        show("wanted", want->out, want->out_n);
        show("got", buf_str(&got->message), got->message.len);
        fail_msg("used %zu of %zu, end %d, bare CR %d, bare LF %d", got->used, want->used, got->end,
                 got->d.bare_cr, got->d.bare_lf);
    }
    buf_free(&got->message);
}

static void check_all_splits(const char *in, size_t n, const struct wanted *want)
{
    for (size_t at = 0; at <= n; at++) {
        struct decoded got = decode_split(in, n, at);
        check(in, n, &got, want);
    }
    struct decoded got = decode_bytewise(in, n);
    check(in, n, &got, want);
}

/* Sends a message on, as the courier does, in two pieces. */
static struct buf encode(const char *message, size_t n, size_t at)
{
    struct buf wire = BUF_INIT(64 * MIB);
    struct dot_encoder e;
    dot_encoder_init(&e);
    assert_true(dot_encode(&e, message, at, &wire));
    assert_true(dot_encode(&e, message + at, n - at, &wire));
    assert_true(dot_encode_end(&e, &wire));
    return wire;
}

/* ---- exact bytes ---- */

enum { CR = 1, LF = 2 }; /* bare ones in the input */

struct row {
    const char *in;   /* behind DATA, up to the end mark */
    const char *out;  /* the message */
    const char *sent; /* what the courier sends on */
    unsigned bare;
};

static const struct row ROWS[] = {
    {".\r\n", "", ".\r\n", 0},
    {"\r\n.\r\n", "\r\n", "\r\n.\r\n", 0},
    {"a\r\n.\r\n", "a\r\n", "a\r\n.\r\n", 0},
    {"a\r\n\r\nb\r\n.\r\n", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n.\r\n", 0},
    /* dots */
    {"..\r\n.\r\n", ".\r\n", "..\r\n.\r\n", 0},
    {"a\r\n..\r\n.\r\n", "a\r\n.\r\n", "a\r\n..\r\n.\r\n", 0},
    {"a\r\n...\r\n.\r\n", "a\r\n..\r\n", "a\r\n...\r\n.\r\n", 0},
    {"a\r\n..b\r\n.\r\n", "a\r\n.b\r\n", "a\r\n..b\r\n.\r\n", 0},
    {"a\r\n.b\r\n.\r\n", "a\r\nb\r\n", "a\r\nb\r\n.\r\n", 0}, /* not stuffed, as some clients forget to */
    {"a.\r\n.\r\n", "a.\r\n", "a.\r\n.\r\n", 0},
    {"a. .\r\n b.\r\n.\r\n", "a. .\r\n b.\r\n", "a. .\r\n b.\r\n.\r\n", 0},
    /* each way to write an end mark that is none */
    {"a\n.\nb\r\n.\r\n", "a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n", LF},
    {"a\n.\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n", LF},
    {"a\r\n.\nb\r\n.\r\n", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n.\r\n", LF},
    {"a\r.\rb\r\n.\r\n", "a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n", CR},
    {"a\r.\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n", CR},
    {"a\r\n.\rb\r\n.\r\n", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n.\r\n", CR},
    {"a\r.\nb\r\n.\r\n", "a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n", CR | LF},
    {"a\n.\rb\r\n.\r\n", "a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n", CR | LF},
    {"a\n\r.\r\nb\r\n.\r\n", "a\r\n\r\n.\r\nb\r\n", "a\r\n\r\n..\r\nb\r\n.\r\n", CR | LF},
    {"a\n\r.\n\rb\r\n.\r\n", "a\r\n\r\n.\r\n\r\nb\r\n", "a\r\n\r\n..\r\n\r\nb\r\n.\r\n", CR | LF},
    {"a\r\n\r.\r\nb\r\n.\r\n", "a\r\n\r\n.\r\nb\r\n", "a\r\n\r\n..\r\nb\r\n.\r\n", CR},
    {"a\r\n\n.\r\nb\r\n.\r\n", "a\r\n\r\n.\r\nb\r\n", "a\r\n\r\n..\r\nb\r\n.\r\n", LF},
    {"a\r\n.\r\r\nb\r\n.\r\n", "a\r\n\r\n\r\nb\r\n", "a\r\n\r\n\r\nb\r\n.\r\n", CR},
    {"a\r\n.\r.\r\nb\r\n.\r\n", "a\r\n\r\n.\r\nb\r\n", "a\r\n\r\n..\r\nb\r\n.\r\n", CR},
    {"a\r\n.\n.\r\nb\r\n.\r\n", "a\r\n\r\n.\r\nb\r\n", "a\r\n\r\n..\r\nb\r\n.\r\n", LF},
    {"a\r\n. \r\nb\r\n.\r\n", "a\r\n \r\nb\r\n", "a\r\n \r\nb\r\n.\r\n", 0},
    {"a\r\n .\r\nb\r\n.\r\n", "a\r\n .\r\nb\r\n", "a\r\n .\r\nb\r\n.\r\n", 0},
    /* dots behind line ends that are none: no stuffing of ours, so all of them stay */
    {"a\n..\r\nb\r\n.\r\n", "a\r\n..\r\nb\r\n", "a\r\n...\r\nb\r\n.\r\n", LF},
    {"a\r..\r\nb\r\n.\r\n", "a\r\n..\r\nb\r\n", "a\r\n...\r\nb\r\n.\r\n", CR},
    {"a\n..\nb\r\n.\r\n", "a\r\n..\r\nb\r\n", "a\r\n...\r\nb\r\n.\r\n", LF},
    /* behind stray ones a real end mark is still one */
    {"a\r\r\n.\r\n", "a\r\n\r\n", "a\r\n\r\n.\r\n", CR},
    {"a\n\r\n.\r\n", "a\r\n\r\n", "a\r\n\r\n.\r\n", LF},
    {"\n.\n\r\n.\r\n", "\r\n.\r\n\r\n", "\r\n..\r\n\r\n.\r\n", LF},
    {"\r.\r\r\n.\r\n", "\r\n.\r\n\r\n", "\r\n..\r\n\r\n.\r\n", CR},
    /* at the start, which counts as behind CRLF */
    {".\nb\r\n.\r\n", "\r\nb\r\n", "\r\nb\r\n.\r\n", LF},
    {".\rb\r\n.\r\n", "\r\nb\r\n", "\r\nb\r\n.\r\n", CR},
    {"..b\r\n.\r\n", ".b\r\n", "..b\r\n.\r\n", 0},
    {"\n.\r\nb\r\n.\r\n", "\r\n.\r\nb\r\n", "\r\n..\r\nb\r\n.\r\n", LF},
};

static void exact_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ROWS); i++) {
        const struct row *row = &ROWS[i];
        struct buf in = BUF_INIT(256);
        assert_true(buf_printf(&in, "%sQUIT\r\n.\r\n", row->in)); /* what follows is the next command's */
        struct wanted want = {row->out, strlen(row->out), strlen(row->in),
                              true,     row->bare & CR,   row->bare & LF};
        check_all_splits(in.data, in.len, &want);
        for (size_t at = 0; at <= want.out_n; at++) {
            struct buf wire = encode(row->out, want.out_n, at);
            assert_string_equal(buf_str(&wire), row->sent);
            buf_free(&wire);
        }
        buf_free(&in);
    }
}

static void no_end_without_the_mark(void **state)
{
    static const char *const open[] = {
        "",
        "a",
        "a\r\n",
        "a\r\n.",
        "a\r\n.\r",
        "\n.\n",
        "\n.\r\n",
        "\r.\r",
        "\r\n.\n",
        "a.\r\n",
        "a\r\n..\r\n",
        "\r\n\r.\r\n",
        "\r\n\n.\r\n",
        "\r\n.\r.\r\n",
        "\r\n.\r\r\n",
        "\r\n. \r\n",
        "\r\n \r\n .\r\n",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(open); i++) {
        for (size_t at = 0; at <= strlen(open[i]); at++) {
            struct decoded r = decode_split(open[i], strlen(open[i]), at);
            assert_false(r.end);
            assert_int_equal(r.used, strlen(open[i]));
            buf_free(&r.message);
        }
    }
}

/* ---- all short texts ---- */

static void check_against_reference(const char *in, size_t n)
{
    struct dot_reference want = {.message = BUF_INIT(1024)};
    assert_true(dot_reference_decode(in, n, &want));
    struct wanted w = {buf_str(&want.message), want.message.len, want.used, true, want.bare_cr, want.bare_lf};
    check_all_splits(in, n, &w);

    struct buf wire = encode(w.out, w.out_n, w.out_n / 2);
    if (!dot_reference_is_safe(wire.data, wire.len)) {
        show("input", in, n);
        show("sent on", wire.data, wire.len);
        fail_msg("not safe to send");
    }
    struct decoded back = decode_split(wire.data, wire.len, wire.len / 2);
    struct wanted again = {w.out, w.out_n, wire.len, true, false, false};
    check(wire.data, wire.len, &back, &again);
    if (!want.bare_cr && !want.bare_lf && in[0] != '.' && !span_contains(span_from(in, n - 5), '.'))
        assert_memory_equal(wire.data, in, wire.len); /* canonical text passes as it is */
    buf_free(&wire);
    buf_free(&want.message);
}

static void all_short_texts(void **state)
{
    static const char letters[4] = {'\r', '\n', '.', 'a'};
    enum { LONGEST = 7 };
    (void)state;
    for (size_t len = 0; len <= LONGEST; len++) {
        for (unsigned number = 0; number < 1U << (2 * len); number++) {
            char in[LONGEST + 5];
            for (size_t i = 0; i < len; i++)
                in[i] = letters[number >> (2 * i) & 3];
            static const char mark[] = {'\r', '\n', '.', '\r', '\n'};
            memcpy(in + len, mark, sizeof mark);
            check_against_reference(in, len + sizeof mark);
        }
    }
}

/* The encoder takes any text, not only what the decoder makes. */
static void encoder_is_safe_with_any_text(void **state)
{
    static const char letters[4] = {'\r', '\n', '.', 'a'};
    enum { LONGEST = 7 };
    (void)state;
    for (unsigned number = 0; number < 1U << (2 * LONGEST); number++) {
        char text[LONGEST];
        for (size_t i = 0; i < LONGEST; i++)
            text[i] = letters[number >> (2 * i) & 3];
        struct buf whole = encode(text, LONGEST, 0);
        assert_true(dot_reference_is_safe(whole.data, whole.len));
        for (size_t at = 1; at <= LONGEST; at++) {
            struct buf split = encode(text, LONGEST, at);
            assert_string_equal(buf_str(&split), buf_str(&whole));
            buf_free(&split);
        }
        buf_free(&whole);
    }
}

/* ---- the rest ---- */

static void line_lengths(void **state)
{
    (void)state;
    static const char in[] = "12345\r\n..345678\r\n12\n1234\r\n.\r\n";
    for (size_t at = 0; at < sizeof in; at++) {
        struct decoded r = decode_split(in, sizeof in - 1, at);
        assert_true(r.end);
        assert_int_equal(r.d.line_max_seen, 7);
        assert_int_equal(r.d.line_len, 0);
        buf_free(&r.message);
    }
    struct decoded open = decode_split("ab\r\nabcdef", 10, 7);
    assert_int_equal(open.d.line_max_seen, 6);
    assert_int_equal(open.d.line_len, 6);
    buf_free(&open.message);
}

static void nothing_is_used_after_the_end(void **state)
{
    (void)state;
    struct dot_decoder d;
    char out[64];
    size_t out_n = 0;
    bool end = false;
    dot_decoder_init(&d);
    assert_int_equal(dot_decode(&d, ".\r\nQUIT\r\n", 9, out, &out_n, &end), 3);
    assert_true(end);
    assert_int_equal(dot_decode(&d, "QUIT\r\n", 6, out, &out_n, &end), 0);
    assert_true(end);
    assert_int_equal(out_n, 0);
    dot_decoder_init(&d);
    assert_int_equal(dot_decode(&d, NULL, 0, out, &out_n, &end), 0);
    assert_false(end);
}

/* Texts of nothing but line ends: the time must grow with the size, not with its square (which would not end
 * in time). */
static void hostile_texts_take_linear_time(void **state)
{
    static const char *const patterns[] = {"\n",   "\r",     ".",    "\n.", "\r.",
                                           "\r\n", "\r\n.a", "\n\r", "a\n", "a\r"};
    const size_t size = 4 * MIB;
    (void)state;
    char *text = xmalloc(size);
    for (size_t i = 0; i < COUNT_OF(patterns); i++) {
        for (size_t j = 0; j < size; j++)
            text[j] = patterns[i][j % strlen(patterns[i])];
        struct decoded r = decode_split(text, size, size);
        assert_false(r.end);
        struct buf wire = encode(r.message.data, r.message.len, r.message.len);
        assert_true(dot_reference_is_safe(wire.data, wire.len));
        buf_free(&wire);
        wire = encode(text, size, size);
        assert_true(dot_reference_is_safe(wire.data, wire.len));
        buf_free(&wire);
        buf_free(&r.message);
    }
    free(text);
}

static void encoder_tells_when_it_is_full(void **state)
{
    (void)state;
    static const char text[] = "a\r\n.b\nc";
    const size_t whole = strlen("a\r\n..b\r\nc\r\n.\r\n");
    for (size_t max = 0; max <= whole; max++) {
        struct buf wire = BUF_INIT(max);
        struct dot_encoder e;
        dot_encoder_init(&e);
        bool ok = dot_encode(&e, text, sizeof text - 1, &wire) && dot_encode_end(&e, &wire);
        assert_int_equal(ok, max == whole);
        assert_int_equal(wire.overflow, max != whole);
        buf_free(&wire);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_bytes),
        cmocka_unit_test(no_end_without_the_mark),
        cmocka_unit_test(all_short_texts),
        cmocka_unit_test(encoder_is_safe_with_any_text),
        cmocka_unit_test(line_lengths),
        cmocka_unit_test(nothing_is_used_after_the_end),
        cmocka_unit_test(hostile_texts_take_linear_time),
        cmocka_unit_test(encoder_tells_when_it_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
