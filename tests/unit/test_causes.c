/* SPDX-License-Identifier: MIT */
/* causes: the catalogue is complete and fits SMTP; templates are filled in safely. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "causes/causes.h"
#include "settings/settings.h"

/* The longest that a parameter gets: what its kind allows, or cause_fill's cap. */
static const struct {
    const char *name;
    size_t longest;
} PARAMETERS[] = {
    {"hostname", 200},  {"port", 5},        {"address", 45},    {"helo", 200},
    {"account", 200},   {"sender", 200},    {"recipient", 200}, {"domain", 200},
    {"parameter", 200}, {"mechanism", 200}, {"expected", 200},  {"max", 20},
    {"reason", 200},    {"remote", 200},    {"answer", 200},    {"path", 200},
};

static void each_cause(void (*look)(const struct cause *cause))
{
    for (enum cause_id id = CAUSE_NONE + 1; id < CAUSE_COUNT; id++)
        look(cause_get(id));
}

static void ids_are_well_formed(const struct cause *cause)
{
    size_t len = strlen(cause->id);
    assert_true(len >= 4 && len <= 40);
    assert_true(cause->id[0] != '-' && cause->id[len - 1] != '-' && strstr(cause->id, "--") == NULL);
    for (size_t i = 0; i < len; i++)
        if (!(cause->id[i] >= 'a' && cause->id[i] <= 'z') && !ascii_is_digit(cause->id[i]) &&
            cause->id[i] != '-')
            fail_msg("%s", cause->id);
}

static void ids_are_unique_and_found(void **state)
{
    (void)state;
    each_cause(ids_are_well_formed);
    for (enum cause_id id = CAUSE_NONE + 1; id < CAUSE_COUNT; id++)
        if (cause_find(cause_get(id)->id) != id)
            fail_msg("%s stands twice", cause_get(id)->id);
    assert_int_equal(cause_find("no-such-cause"), CAUSE_NONE);
    assert_int_equal(cause_find(""), CAUSE_NONE);
    assert_string_equal(cause_get(CAUSE_NONE)->id, "");
    assert_int_equal(cause_get(CAUSE_NONE)->code, 0);
}

/* ---- rows ---- */

/* Printable ASCII: RFC 5321, section 4.2. Line ends only where lines are meant. */
static void assert_plain(const struct cause *cause, const char *text, bool lines)
{
    for (const char *c = text; *c != '\0'; c++)
        if ((*c < ' ' || *c > '~') && !(lines && *c == '\n'))
            fail_msg("%s: \"%s\" has the byte %d", cause->id, text, (unsigned char)*c);
    if (text[0] == '\0' || text[0] == ' ' || text[0] == '\n' || strchr(" \n", text[strlen(text) - 1]) != NULL)
        fail_msg("%s: \"%s\" is empty, or begins or ends blank", cause->id, text);
    if (strstr(text, "  ") != NULL || strstr(text, " \n") != NULL || strstr(text, "\n ") != NULL)
        fail_msg("%s: \"%s\" has too many blanks", cause->id, text);
}

static void row_is_complete(const struct cause *cause)
{
    assert_plain(cause, cause->title, false);
    assert_plain(cause, cause->text, false);
    assert_plain(cause, cause->user_fix, true);
    assert_plain(cause, cause->admin_fix, false);
    assert_true(cause->who <= WHO_NOBODY);
    assert_true(strlen(cause_who_text(cause->who)) > 0);
    if (cause->admin_fix[strlen(cause->admin_fix) - 1] != '.')
        fail_msg("%s: the administrator's fix is no sentence", cause->id);
    size_t steps = 1;
    for (const char *c = cause->user_fix; *c != '\0'; c++)
        steps += *c == '\n';
    if (steps > 3 + (strncmp(cause->user_fix, "({helo})", 8) == 0)) /* Exim's line is no step */
        fail_msg("%s: more steps than a person keeps in mind", cause->id);
}

static void every_row_is_complete(void **state)
{
    (void)state;
    each_cause(row_is_complete);
}

/* RFC 5321, section 4.2 and RFC 2034, section 4: both codes say the same. */
static void codes_fit(const struct cause *cause)
{
    unsigned class, subject, detail;
    char rest;
    if (cause->enhanced[0] != '\0') {
        assert_int_equal(sscanf(cause->enhanced, "%1u.%3u.%3u%c", &class, &subject, &detail, &rest), 3);
        if ((class != 4 && class != 5) || subject > 7 ||
            (cause->code > 0 && (unsigned)cause->code / 100 != class))
            fail_msg("%s: %d and %s", cause->id, cause->code, cause->enhanced);
    }
    if (cause->code == 0)
        assert_int_equal(cause->tell, TELL_TEXT);
    else if (cause->code < 400 || cause->code > 559 || (cause->code / 10) % 10 > 5)
        fail_msg("%s: %d is no refusal", cause->id, cause->code);
    if (cause->code == 421)
        assert_memory_equal(cause->text, "{hostname} ", 11);
}

static void reply_codes_and_enhanced_codes_agree(void **state)
{
    (void)state;
    each_cause(codes_fit);
}

/* RFC 2034, section 4: no enhanced code in greetings and in answers to HELO and EHLO. */
static void greetings_have_no_enhanced_code(void **state)
{
    (void)state;
    static const enum cause_id ids[] = {CAUSE_HELO_SYNTAX,         CAUSE_EARLY_TALKER,
                                        CAUSE_TLS_ON_PLAIN_PORT,   CAUSE_PLAIN_ON_TLS_PORT,
                                        CAUSE_SILENCE_ON_TLS_PORT, CAUSE_HTTP_ON_MAIL_PORT,
                                        CAUSE_CONNECTIONS_ALL,     CAUSE_CONNECTIONS_ADDRESS};
    for (enum cause_id id = CAUSE_NONE + 1; id < CAUSE_COUNT; id++) {
        bool listed = false;
        for (size_t i = 0; i < COUNT_OF(ids); i++)
            listed = listed || ids[i] == id;
        if (cause_get(id)->code > 0 && (cause_get(id)->enhanced[0] == '\0') != listed)
            fail_msg("%s", cause_get(id)->id);
    }
}

/* ---- templates ---- */

static size_t longest_of(const struct cause *cause, struct span name)
{
    for (size_t i = 0; i < COUNT_OF(PARAMETERS); i++)
        if (span_equal(name, PARAMETERS[i].name))
            return PARAMETERS[i].longest;
    fail_msg("%s: {%.*s} is no known parameter", cause->id, (int)name.n, name.p);
    return 0;
}

/* Length of one line of a template when every parameter is as long as it gets. */
static size_t longest_line(const struct cause *cause, struct span line)
{
    size_t len = 0;
    while (line.n > 0) {
        bool opened = span_contains(line, '{');
        struct span plain = span_take(&line, '{');
        assert_false(span_contains(plain, '}'));
        len += plain.n;
        if (opened) {
            assert_true(span_contains(line, '}'));
            len += longest_of(cause, span_take(&line, '}'));
        }
    }
    return len;
}

/* RFC 5321, section 4.5.3.1.5: 512 bytes with code, enhanced code and line end. */
static void lines_fit(const struct cause *cause)
{
    const char *const texts[] = {cause->text, cause->user_fix};
    enum { REPLY_LINE_MAX = 512, CODES_MAX = sizeof "550-5.7.13 " - 1, LINE_END = 2 };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct span rest = span_of(texts[i]);
        while (rest.n > 0) {
            struct span line = span_take(&rest, '\n');
            if (longest_line(cause, line) + CODES_MAX + LINE_END > REPLY_LINE_MAX)
                fail_msg("%s: \"%.*s\" may get too long", cause->id, (int)line.n, line.p);
        }
    }
    assert_false(span_contains(span_of(cause->title), '{'));
    assert_false(span_contains(span_of(cause->admin_fix), '{'));
}

static void reply_lines_fit_with_long_parameters(void **state)
{
    (void)state;
    each_cause(lines_fit);
}

/* ---- promises ---- */

static void first_lines_are_the_promised_ones(void **state)
{
    (void)state;
    static const struct {
        enum cause_id id;
        const char *name, *reply;
    } rows[] = {
        {CAUSE_TLS_REQUIRED_FOR_AUTH, "auth-before-tls", "530 5.7.0 Must issue a STARTTLS command first"},
        {CAUSE_SUBMISSION_NO_LOGIN, "submission-no-login",
         "550 5.7.1 SMTP AUTH is required for message submission on port 587"},
        {CAUSE_SUBMISSION_NO_LOGIN_NO_TLS, "submission-no-login-no-tls",
         "550 5.7.1 SMTP AUTH is required for message submission on port 587"},
        {CAUSE_RELAY_NO_LOGIN, "relay-no-login",
         "550 5.7.1 Please turn on SMTP Authentication in your mail client"},
        {CAUSE_AUTH_WRONG, "auth-wrong", "535 5.7.8 Incorrect authentication data"},
        {CAUSE_AUTH_STALE, "auth-stale-password", "535 5.7.8 Incorrect authentication data"},
        {CAUSE_STARTTLS_UNAVAILABLE, "starttls-unavailable",
         "454 4.7.0 TLS not available due to temporary reason"},
    };
    const struct cause_arg args[] = {{"port", "587"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct cause *cause = cause_get(rows[i].id);
        struct buf reply = BUF_INIT(512);
        buf_printf(&reply, "%d %s ", cause->code, cause->enhanced);
        cause_fill(&reply, cause->text, args, COUNT_OF(args));
        assert_string_equal(buf_str(&reply), rows[i].reply);
        assert_string_equal(cause->id, rows[i].name);
        buf_free(&reply);
    }
}

/* Whoever guesses passwords must not learn that one was right once: not even from the id in a Help line. */
static void an_earlier_password_looks_like_a_wrong_one(void **state)
{
    (void)state;
    const struct cause *wrong = cause_get(CAUSE_AUTH_WRONG), *stale = cause_get(CAUSE_AUTH_STALE);
    assert_int_equal(wrong->code, stale->code);
    assert_string_equal(wrong->enhanced, stale->enhanced);
    assert_string_equal(wrong->text, stale->text);
    assert_int_equal(wrong->tell, TELL_TEXT);
    assert_int_equal(stale->tell, TELL_TEXT);
    assert_int_equal(cause_told(CAUSE_AUTH_STALE), CAUSE_AUTH_WRONG);
    for (enum cause_id id = CAUSE_NONE; id < CAUSE_COUNT; id++)
        if (id != CAUSE_AUTH_STALE)
            assert_int_equal(cause_told(id), id);
}

static void relaying_names_who_is_refused_as_exim_does(void **state)
{
    (void)state;
    static const char expected[] =
        "(laptop) [192.0.2.7]:37803 is not permitted to relay through this server without "
        "authentication.\n";
    const struct cause_arg args[] = {{"helo", "laptop"}, {"address", "192.0.2.7"}, {"port", "37803"}};
    struct buf out = BUF_INIT(4096);
    cause_fill(&out, cause_get(CAUSE_RELAY_NO_LOGIN)->user_fix, args, COUNT_OF(args));
    assert_memory_equal(buf_str(&out), expected, strlen(expected));
    assert_int_equal(cause_get(CAUSE_RELAY_NO_LOGIN)->tell, TELL_FIX);
    buf_free(&out);
}

/* Words with a dot or an underscore in the administrator's fixes that look like settings must be settings. */
static void fixes_name_settings_that_exist(void **state)
{
    (void)state;
    static const char *const not_settings[] = {"accounts.db", "set_id"};
    for (enum cause_id id = CAUSE_NONE + 1; id < CAUSE_COUNT; id++) {
        struct span rest = span_of(cause_get(id)->admin_fix);
        while (rest.n > 0) {
            char *word = span_dup(span_take(&rest, ' '));
            char *name = word + strspn(word, "(`'");
            name[strcspn(name, "`'(),;:")] = '\0';
            size_t len = strlen(name);
            if (len > 0 && name[len - 1] == '.')
                name[len - 1] = '\0';
            bool like =
                strspn(name, "abcdefghijklmnopqrstuvwxyz._") == strlen(name) && strpbrk(name, "._") != NULL;
            for (size_t i = 0; i < COUNT_OF(not_settings); i++)
                like = like && strcmp(name, not_settings[i]) != 0;
            if (like && settings_find(name, NULL) < 0)
                fail_msg("%s: there is no setting %s", cause_get(id)->id, name);
            free(word);
        }
    }
}

/* ---- filling in ---- */

static void assert_filled(const char *text, const struct cause_arg *args, size_t n, const char *expected)
{
    struct buf out = BUF_INIT(4096);
    cause_fill(&out, text, args, n);
    assert_string_equal(buf_str(&out), expected);
    buf_free(&out);
}

static void parameters_are_filled_in(void **state)
{
    (void)state;
    const struct cause_arg args[] = {
        {"a", "1"}, {"b", "{a}"}, {"c", NULL}, {"d", ""}, {"e", "x\r\n250 OK \"\\\303\274"}};
    assert_filled("", args, 5, "");
    assert_filled("plain", NULL, 0, "plain");
    assert_filled("{a}{a} {b}", args, 5, "11 {a}"); /* a value is never a template */
    assert_filled("[{c}] [{f}] [{d}]", args, 5, "[-] [-] []");
    assert_filled("{e}", args, 5, "x\\r\\n250 OK \\\"\\\\\\303\\274");
}

static void long_values_are_cut(void **state)
{
    (void)state;
    char value[401] = "";
    struct buf expected = BUF_INIT(512);
    const struct cause_arg arg = {"a", value};
    memset(value, 'x', 200);
    assert_filled("{a}", &arg, 1, value); /* just fits */
    buf_printf(&expected, "%.197s...", value);
    value[200] = 'x';
    assert_filled("{a}", &arg, 1, buf_str(&expected));
    /* never within an escape: 49 pieces of 4 bytes are 196 */
    memset(value, '\1', 400);
    buf_clear(&expected);
    for (size_t i = 0; i < 49; i++)
        buf_add_str(&expected, "\\001");
    buf_add_str(&expected, "...");
    assert_filled("{a}", &arg, 1, buf_str(&expected));
    buf_free(&expected);
}

static void a_full_buffer_stays_whole(void **state)
{
    (void)state;
    const struct cause_arg arg = {"a", "12345"};
    struct buf out = BUF_INIT(8);
    cause_fill(&out, "1234{a}5678", &arg, 1);
    assert_true(out.overflow);
    assert_true(out.len <= 8);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_unique_and_found),
        cmocka_unit_test(every_row_is_complete),
        cmocka_unit_test(reply_codes_and_enhanced_codes_agree),
        cmocka_unit_test(greetings_have_no_enhanced_code),
        cmocka_unit_test(reply_lines_fit_with_long_parameters),
        cmocka_unit_test(first_lines_are_the_promised_ones),
        cmocka_unit_test(an_earlier_password_looks_like_a_wrong_one),
        cmocka_unit_test(relaying_names_who_is_refused_as_exim_does),
        cmocka_unit_test(fixes_name_settings_that_exist),
        cmocka_unit_test(parameters_are_filled_in),
        cmocka_unit_test(long_values_are_cut),
        cmocka_unit_test(a_full_buffer_stays_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
