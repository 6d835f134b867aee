/* SPDX-License-Identifier: MIT */
/*
 * What comes after DATA: dots, end mark and header filter, whole against in pieces, decoder against its
 * reference, and what is sent on against what any server may read in it. First byte: rules; second: how to
 * cut; then the bytes behind DATA.
 */
#include <assert.h>

#include "tests/dot_reference.h"
#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { CAP = 1 << 20 };

/* Sizes of pieces, 1 to 16 bytes, from a seed: the same in each run. */
static size_t next_piece(uint32_t *seed, size_t rest)
{
    *seed = *seed * 1664525U + 1013904223U;
    size_t piece = 1 + (*seed >> 28);
    return piece < rest ? piece : rest;
}

static size_t decode(const char *in, size_t n, uint32_t seed, struct dot_decoder *d, struct buf *message)
{
    bool end = false;
    size_t used = 0;
    dot_decoder_init(d);
    while (used < n && !end) {
        size_t piece = seed == 0 ? n - used : next_piece(&seed, n - used), out_n;
        char *out = buf_reserve(message, 2 * piece + 4);
        assert(out != NULL);
        size_t now = dot_decode(d, in + used, piece, out, &out_n, &end);
        assert(now == piece || (end && now < piece));
        assert(out_n <= 2 * piece + 4);
        buf_commit(message, out_n);
        used += now;
    }
    assert(end);
    return used;
}

static void same(const struct buf *a, const struct buf *b)
{
    assert(a->len == b->len && memcmp(buf_str(a), buf_str(b), a->len) == 0);
}

/* Decodes in both ways, compares, and leaves the message in *out. */
static void check_dots(const char *in, size_t n, uint32_t seed, struct buf *out)
{
    struct dot_reference want = {.message = BUF_INIT(CAP)};
    struct dot_decoder d;
    struct buf pieces = BUF_INIT(CAP);
    assert(dot_reference_decode(in, n, &want));
    assert(decode(in, n, 0, &d, out) == want.used);
    assert(d.bare_cr == want.bare_cr && d.bare_lf == want.bare_lf && d.line_len == 0);
    size_t longest = d.line_max_seen;
    assert(decode(in, n, seed, &d, &pieces) == want.used);
    assert(d.bare_cr == want.bare_cr && d.bare_lf == want.bare_lf && d.line_max_seen == longest);
    same(out, &want.message);
    same(&pieces, &want.message);
    buf_free(&pieces);
    buf_free(&want.message);
}

/* Sends text on, as the courier does: one message for whoever reads it, and the same message for our decoder.
 */
static void check_sent(const struct buf *text, uint32_t seed, bool is_message)
{
    struct buf wire = BUF_INIT(CAP), back = BUF_INIT(CAP);
    struct dot_encoder e;
    struct dot_decoder d;
    dot_encoder_init(&e);
    for (size_t at = 0; at < text->len;) {
        size_t piece = next_piece(&seed, text->len - at);
        assert(dot_encode(&e, text->data + at, piece, &wire));
        at += piece;
    }
    assert(dot_encode_end(&e, &wire));
    assert(dot_reference_is_safe(wire.data, wire.len));
    assert(decode(wire.data, wire.len, seed, &d, &back) == wire.len);
    if (is_message)
        same(&back, text);
    buf_free(&back);
    buf_free(&wire);
}

static enum header_result filter(const struct header_rules *rules, const struct buf *in, uint32_t seed,
                                 struct buf *out)
{
    struct header_filter *f = header_filter_make(rules);
    for (size_t at = 0; at < in->len;) {
        size_t piece = seed == 0 ? in->len : next_piece(&seed, in->len - at);
        header_filter_add(f, in->data + at, piece, out);
        at += piece;
    }
    enum header_result result = header_filter_end(f, out);
    assert(strlen(header_filter_message_id(f)) <= 255 && strlen(header_filter_subject(f)) <= 255);
    assert(result != HEADER_OK || !rules->complete || in->len == 0 || out->len > 0);
    header_filter_free(&f);
    return result;
}

/* No field of these names before the first empty line, however its name is written. */
static void check_private_fields_gone(const struct buf *out)
{
    static const char *const names[] = {"bcc", "resent-bcc", "return-path"};
    struct span rest = span_from(out->data, out->len);
    for (struct span line = span_take(&rest, '\n'); line.n > 1; line = span_take(&rest, '\n')) {
        for (size_t i = 0; i < COUNT_OF(names); i++) {
            struct span behind = span_skip(line, strlen(names[i]));
            assert(!span_starts_nocase(line, names[i]) || span_trim(behind).n == 0 ||
                   span_trim(behind).p[0] != ':');
        }
    }
}

/* Without completion nothing changes but for one empty line before a body that lacks it. */
static void check_kept(const struct buf *in, const struct buf *out)
{
    size_t same_n = 0, added = out->len - in->len;
    assert(added == 0 || added == 2);
    while (same_n < in->len && in->data[same_n] == out->data[same_n])
        same_n++;
    assert(same_n == in->len || added == 2);
    for (size_t i = same_n; i < in->len; i++)
        assert(in->data[i] == out->data[i + 2]);
}

static void check_header(const struct buf *message, uint8_t flags, uint32_t seed)
{
    static const size_t limits[] = {40, 200, 1000, 65536};
    struct header_rules rules = {
        .max_header = limits[flags >> 1 & 3],
        .max_line = limits[flags >> 3 & 3],
        .max_received = 2,
        .complete = flags & 1,
        .hostname = "mail.example.com",
        .id = "1abcde-000001-AB",
        .now = 1795557472,
    };
    struct buf whole = BUF_INIT(CAP), pieces = BUF_INIT(CAP), again = BUF_INIT(CAP);
    enum header_result result = filter(&rules, message, 0, &whole);
    assert(filter(&rules, message, seed, &pieces) == result);
    if (result == HEADER_OK) {
        same(&whole, &pieces);
        if (rules.complete)
            check_private_fields_gone(&whole);
        else
            check_kept(message, &whole);
        rules.max_header = rules.max_line = 65536; /* what was added may be longer than a small limit */
        assert(filter(&rules, &whole, seed, &again) == HEADER_OK);
        same(&again, &whole);
        check_sent(&whole, seed, true);
    }
    buf_free(&whole);
    buf_free(&pieces);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2 || n > 16384)
        return 0;
    uint32_t seed = 1U + data[1];
    struct buf in = BUF_INIT(CAP), message = BUF_INIT(CAP);
    buf_add(&in, data + 2, n - 2);
    check_sent(&in, seed, false);
    buf_add_str(&in, "\r\n.\r\n");
    check_dots(in.data, in.len, seed, &message);
    check_sent(&message, seed, true);
    check_header(&message, data[0], seed);
    buf_free(&in);
    buf_free(&message);
    return 0;
}
