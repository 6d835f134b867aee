/* SPDX-License-Identifier: MIT */
/* Bounces: parts, fields, and that no text of a stranger breaks out of its place. */
#include "courier/report.h"

#include "test_courier_support.h"

static struct buf write_report(const struct report_failure *failures, size_t n, struct span header)
{
    struct buf out = BUF_INIT(REPORT_MAX);
    const struct report report = {.hostname = "mail.example.com",
                                  .id = "1abcde-000001-AB",
                                  .sender = "joe@example.com",
                                  .queued_at = 1795553872,
                                  .now = 1795560000,
                                  .header = header,
                                  .failures = failures,
                                  .failure_count = n};
    assert_true(report_write(&report, &out));
    return out;
}

/* Lines end with CRLF only, and none is longer than 998 bytes (RFC 5322, section 2.1.1). */
static void assert_lines(const struct buf *text)
{
    struct span rest = span_from(text->data, text->len);
    while (rest.n > 0) {
        struct span line = span_take(&rest, '\n');
        assert_true(line.n > 0 && line.n <= 998 + 1 && line.p[line.n - 1] == '\r');
        assert_false(span_contains(span_from(line.p, line.n - 1), '\r'));
    }
}

static size_t count_of(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
        n++;
    return n;
}

static void a_report_has_three_parts(void **state)
{
    (void)state;
    struct outcome refused = {.verdict = VERDICT_NONE}, lost = {.verdict = VERDICT_NONE};
    outcome_set_reply(&refused, VERDICT_FAILED, CAUSE_DELIVERY_REFUSED, "after RCPT",
                      "550-5.1.1 no such\n550 5.1.1 user", "5.1.1");
    outcome_set(&lost, VERDICT_FAILED, CAUSE_DELIVERY_NO_ROUTE, "no way");
    const struct report_failure failures[] = {
        {"a@b.example", "relay.example.net", "relay.example.net [192.0.2.1]:25: 550 5.1.1 user", &refused},
        {"c@d.example", "", "no way", &lost},
    };
    struct buf out = write_report(failures, 2, span_of("From: joe@example.com\r\nSubject: h\xC3\xA4\r\n"));
    const char *text = buf_str(&out);
    assert_lines(&out);
    assert_contains(text, "\r\nTo: <joe@example.com>\r\n");
    assert_contains(text, "Auto-Submitted: auto-replied\r\n");
    assert_contains(text, "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"");
    assert_contains(text, "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; "
                          "mail.example.com\r\nArrival-Date: ");
    assert_contains(text,
                    "\r\n\r\nFinal-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
                    "Remote-MTA: dns; relay.example.net\r\n"
                    "Diagnostic-Code: smtp;\r\n 550-5.1.1 no such\r\n 550 5.1.1 user\r\nLast-Attempt-Date: ");
    assert_contains(text, "\r\n\r\nFinal-Recipient: rfc822; c@d.example\r\nAction: failed\r\nStatus: "
                          "5.4.4\r\nLast-Attempt-Date: ");
    assert_contains(text,
                    "<a@b.example>\r\n  The other server refused the message.\r\n    relay.example.net");
    assert_contains(text, "  What you can do:\r\n");
    assert_contains(text, "Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: 8bit\r\n\r\nFrom: "
                          "joe@example.com\r\n");
    assert_contains(text, "1abcde-000001-AB");
    buf_free(&out);
    outcome_clear(&refused);
    outcome_clear(&lost);
}

static void strangers_text_stays_in_its_place(void **state)
{
    (void)state;
    struct outcome o = {.verdict = VERDICT_NONE};
    char reply[16000];
    memset(reply, 'x', sizeof reply - 1);
    reply[sizeof reply - 1] = '\0';
    static const char evil[] = "550 a\r\n\r\n--x\r\nFinal-Recipient: rfc822; evil@b.example\x1B[2J";
    memcpy(reply, evil, sizeof evil - 1);
    outcome_set_reply(&o, VERDICT_FAILED, CAUSE_DELIVERY_REFUSED, "after DATA", reply, "");
    const struct report_failure failure = {"a@b.example", "relay.example.net", o.text, &o};
    struct buf out = write_report(&failure, 1, span_of("Subject: cut off in the middle of a li"));
    assert_lines(&out);
    assert_true(out.len < 8192);
    assert_int_equal(count_of(buf_str(&out), "\r\nFinal-Recipient:"), 1);
    assert_int_equal(count_of(buf_str(&out), "\r\n--x"), 0);
    assert_int_equal(count_of(buf_str(&out), "\x1B"), 0);
    assert_int_equal(count_of(buf_str(&out), "rfc822-headers"),
                     0); /* no whole line of a header, no part for it */
    buf_free(&out);
    outcome_clear(&o);
}

static void many_failures_fit(void **state)
{
    (void)state;
    enum { MANY = 256 };
    struct outcome o = {.verdict = VERDICT_NONE};
    char reply[16000];
    memset(reply, '-', sizeof reply - 1);
    reply[sizeof reply - 1] = '\0';
    outcome_set_reply(&o, VERDICT_FAILED, CAUSE_DELIVERY_REFUSED, "after DATA", reply, "");
    struct report_failure *failures = test_calloc(MANY, sizeof *failures);
    for (size_t i = 0; i < MANY; i++)
        failures[i] = (struct report_failure){"a@b.example", "relay.example.net", o.text, &o};
    char *header = test_malloc(100000);
    for (size_t i = 0; i < 100000; i += 100)
        snprintf(header + i, 100, "%098d\r", 0), header[i + 99] = '\n';
    struct buf out = write_report(failures, MANY, span_from(header, 100000));
    assert_lines(&out);
    assert_int_equal(count_of(buf_str(&out), "\r\nFinal-Recipient:"), MANY);
    buf_free(&out);
    outcome_clear(&o);
    test_free(header);
    test_free(failures);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_has_three_parts),
        cmocka_unit_test(strangers_text_stays_in_its_place),
        cmocka_unit_test(many_failures_fit),
    };
    return cmocka_run_group_tests_name("courier.report", tests, NULL, NULL);
}
