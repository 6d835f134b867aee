/* SPDX-License-Identifier: MIT */
/* Paths, addresses, parameters, xtext, EHLO names and base64: what is accepted keeps its bounds and means the
 * same when read again. */
#include <assert.h>

#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_address(const struct address *a)
{
    size_t n = strnlen(a->text, sizeof a->text);
    const char *domain = address_domain(a);
    assert(n <= ADDRESS_MAX && a->local_len <= LOCAL_PART_MAX && a->local_len <= n);
    assert(strlen(domain) <= DOMAIN_MAX);
    assert(domain[0] == '\0' ? n == a->local_len : a->text[a->local_len] == '@' && a->local_len > 0);
    for (size_t i = 0; i < n; i++)
        assert(a->text[i] >= ' ' && a->text[i] <= '~');
}

/* In brackets and alone it is the same address, also when folded. */
static void check_again(const struct address *a, enum path_kind kind)
{
    char bracketed[ADDRESS_MAX + 3];
    const char *why;
    struct address b;
    int n = snprintf(bracketed, sizeof bracketed, "<%s>", a->text);
    struct span rest = span_from(bracketed, (size_t)n);
    assert(path_parse(&rest, kind, &b, &why) && rest.n == 0);
    assert(strcmp(a->text, b.text) == 0 && a->local_len == b.local_len);
    assert(address_parse(span_of(a->text), &b, &why) == (address_domain(a)[0] != '\0'));
    struct address folded = *a;
    address_fold_domain(&folded);
    assert(strncmp(folded.text, a->text, a->local_len) == 0);
    address_fold(&folded);
    check_address(&folded);
    assert(folded.text[0] == '\0' || strchr(folded.text, '@') == NULL ||
           address_parse(span_of(folded.text), &b, &why));
}

static void check_path(struct span in, enum path_kind kind)
{
    struct span rest = in, key, value;
    struct address a;
    const char *why = NULL;
    if (!path_parse(&rest, kind, &a, &why)) {
        assert(why != NULL && rest.p == in.p && rest.n == in.n);
        return;
    }
    check_address(&a);
    check_again(&a, kind);
    assert(rest.p + rest.n == in.p + in.n && (rest.n == 0 || ascii_is_blank(rest.p[0])));
    assert(kind == PATH_REVERSE || a.text[0] != '\0');
    while (param_next(&rest, &key, &value, &why)) {
        assert(key.n > 0 && rest.p + rest.n == in.p + in.n);
        assert(value.n == 0 || (value.p == key.p + key.n + 1 && value.p[-1] == '='));
    }
    assert(why != NULL || span_trim(rest).n == 0);
}

static void check_base64(struct span in)
{
    struct buf bytes = BUF_INIT(65536), text = BUF_INIT(65536);
    bool ok = base64_decode(in, &bytes);
    assert(ok || bytes.len == 0);
    assert(base64_encode(ok ? span_from(bytes.data, bytes.len) : in, &text));
    if (ok) {
        assert(text.len == in.n && memcmp(buf_str(&text), in.p, in.n) == 0);
    } else {
        assert(base64_decode(span_from(text.data, text.len), &bytes));
        assert(bytes.len == in.n && memcmp(bytes.data, in.p, in.n) == 0);
    }
    buf_free(&bytes);
    buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n > 4096)
        return 0;
    struct span in = span_from(data, n);
    struct address a;
    const char *why = NULL;
    struct buf out = BUF_INIT(4096);
    check_path(in, PATH_REVERSE);
    check_path(in, PATH_FORWARD);
    if (address_parse(in, &a, &why)) {
        check_address(&a);
        assert(strlen(a.text) == n && memcmp(a.text, data, n) == 0);
    }
    assert(xtext_decode(in, &out) ? out.len <= n : out.len == 0);
    assert(!helo_valid(in) || (n > 0 && n <= 255));
    check_base64(in);
    buf_free(&out);
    return 0;
}
