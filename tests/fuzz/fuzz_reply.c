/* SPDX-License-Identifier: MIT */
/* A peer's reply, line by line, and ours: what we say is always a reply that we would read, in lines of legal
 * length. */
#include <assert.h>
#include <stdlib.h>

#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_read(struct span in)
{
    struct reply r = REPLY_INIT;
    while (in.n > 0) {
        struct span line = span_take(&in, '\n');
        bool was_complete = r.complete;
        unsigned lines = r.lines;
        if (!reply_add_line(&r, line)) {
            assert(r.lines == lines);
            reply_clear(&r);
            assert(r.lines == 0 && r.code == 0 && r.text.len == 0 && r.enhanced[0] == '\0' && !r.complete);
            continue;
        }
        assert(!was_complete && r.code >= 200 && r.code <= 599 && r.lines == lines + 1 && r.lines <= 200);
        assert(r.text.len <= 16384 && strlen(r.enhanced) <= 9);
        assert(r.enhanced[0] == '\0' || r.enhanced[0] == '0' + r.code / 100);
    }
    buf_free(&r.text);
}

static void check_said(int code, const char *enhanced, const char *text)
{
    struct buf out = BUF_INIT(1 << 20);
    struct reply r = REPLY_INIT;
    r.text.max = 1 << 20;
    assert(reply_format(&out, code, enhanced, text));
    struct span rest = span_from(out.data, out.len);
    while (rest.n > 0 && r.lines < 200) {
        struct span line = span_take(&rest, '\n');
        assert(line.n >= 5 && line.n + 1 <= 512 && line.p[line.n - 1] == '\r');
        for (size_t i = 0; i + 1 < line.n; i++)
            assert(line.p[i] == '\t' || (line.p[i] >= ' ' && line.p[i] <= '~'));
        line.n--;
        assert(reply_add_line(&r, line));
        assert(r.complete == (rest.n == 0));
    }
    assert(r.code == code);
    assert(enhanced[0] == '\0' || strcmp(r.enhanced, enhanced) == 0);
    buf_free(&r.text);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n > 32768)
        return 0;
    struct span in = span_from(data, n);
    check_read(in);
    char *text = span_dup(in);
    check_said(250, "", text);
    check_said(550, "5.7.1", text);
    free(text);
    return 0;
}
