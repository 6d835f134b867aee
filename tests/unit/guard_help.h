/* SPDX-License-Identifier: MIT */
/* For the tests of the guard: one with small tables and a clock that the test sets; logins in one line. */
#ifndef GP_TEST_GUARD_HELP_H
#define GP_TEST_GUARD_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "guard/guard.h"

enum { HOUR = 3600, DAY = 86400, WALL_START = 1700000000 };

struct fixture {
    struct guard *guard;
    struct guard_rules rules;
    uint64_t now_ms;
    int64_t wall_ahead;       /* of what it would be without steps */
    uint64_t passwords;       /* wrong ones made so far */
    struct guard_refusal why; /* of the last refusal */
    unsigned woken;
};

static const uint8_t TEST_KEY[GUARD_KEY_SIZE] = "sixteen bytes ..";

static inline int64_t wall(const struct fixture *f)
{
    return WALL_START + (int64_t)(f->now_ms / 1000) + f->wall_ahead;
}

static inline void fixture_start(struct fixture *f)
{
    f->guard = guard_make(&f->rules, TEST_KEY, f->now_ms, wall(f));
}

/* The rules of the default settings with nothing in guard.never; to be changed before fixture_start. */
static inline void fixture_rules(struct fixture *f)
{
    static char *none[1];
    const struct settings *s = settings_defaults();
    *f = (struct fixture){.now_ms = 5000000};
    guard_rules_read(s, &f->rules);
    f->rules.allow = f->rules.never = (struct setting_list){none, 0};
    f->rules.sizes = (struct guard_sizes){.addresses = 5000,
                                          .failures = 20000,
                                          .blocks = 5000,
                                          .allowed = 100,
                                          .accounts = 1000,
                                          .logins = 5000,
                                          .members = 50000,
                                          .grants = 100,
                                          .changes = 1000};
    settings_release(&s);
}

static inline void fixture_make(struct fixture *f)
{
    fixture_rules(f);
    fixture_start(f);
}

static inline void pass(struct fixture *f, uint64_t seconds)
{
    f->now_ms += seconds * 1000;
}

static inline struct addr address(const char *text)
{
    struct addr a = {0};
    if (!addr_parse(text, &a))
        fail_msg("%s", text);
    return a;
}

static inline struct guard_net network(const char *text)
{
    struct guard_net net = {0};
    if (!settings_parse_network(span_of(text), &net.address, &net.bits))
        fail_msg("%s", text);
    return net;
}

/* 198.18.0.0/15 has many addresses. */
static inline struct addr numbered(uint32_t i)
{
    struct addr a = {.family = AF_INET,
                     .bytes = {198, (uint8_t)(18 + (i >> 16)), (uint8_t)(i >> 8), (uint8_t)i}};
    return a;
}

static inline uint32_t digest(uint32_t h, const char *text)
{
    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)ascii_lower(*text)) * 16777619U;
    return h;
}

/* As auth would fill it in; password NULL: one that the server does not see. */
static inline struct guard_try attempt_from(struct addr from, const char *account, const char *password)
{
    struct guard_try t = {from, span_of(account), span_of("laptop"), GUARD_NO_PWHASH, 0};
    if (password != NULL) {
        t.pwhash = (int)(digest(digest(2166136261U, account), password) >> 8 & 0xfff);
        t.password_print = digest(2166136261U, password) | 1;
    }
    return t;
}

static inline struct guard_try attempt(const char *from, const char *account, const char *password)
{
    return attempt_from(address(from), account, password);
}

static inline void on_wake(void *arg)
{
    struct fixture *f = arg;
    f->woken++;
}

/* A whole login. When it was refused the result is zero, and f->why says why. */
static inline struct guard_result login_with(struct fixture *f, const struct guard_try *t,
                                             enum guard_outcome outcome, struct guard_facts facts)
{
    struct guard_ticket *ticket = NULL;
    struct guard_result result = {0};
    f->why = (struct guard_refusal){0};
    enum guard_turn turn = guard_reserve(f->guard, f->now_ms, t, on_wake, f, &ticket, &f->why);
    assert_int_not_equal(turn, GUARD_WAIT);
    assert_true((turn == GUARD_GO) == (ticket != NULL));
    if (turn == GUARD_GO)
        guard_settle(f->guard, f->now_ms, &ticket, outcome, &facts, &result);
    assert_null(ticket);
    return result;
}

static inline struct guard_result login(struct fixture *f, const char *from, const char *account,
                                        const char *password, enum guard_outcome outcome)
{
    struct guard_try t = attempt(from, account, password);
    return login_with(f, &t, outcome, (struct guard_facts){0});
}

static inline struct guard_try wrong_try(struct fixture *f, struct addr from, const char *account)
{
    static char password[32];
    snprintf(password, sizeof password, "wrong-%llu", (unsigned long long)++f->passwords);
    return attempt_from(from, account, password);
}

/* With a password that was never tried before. */
static inline struct guard_result fail_from(struct fixture *f, struct addr from, const char *account)
{
    struct guard_try t = wrong_try(f, from, account);
    return login_with(f, &t, GUARD_WRONG, (struct guard_facts){0});
}

static inline struct guard_result fail_login(struct fixture *f, const char *from, const char *account)
{
    return fail_from(f, address(from), account);
}

static inline struct guard_result fail_unknown(struct fixture *f, const char *from, const char *account)
{
    struct guard_try t = wrong_try(f, address(from), account);
    return login_with(f, &t, GUARD_WRONG, (struct guard_facts){.account_unknown = true});
}

static inline void good_login(struct fixture *f, const char *from, const char *account, const char *password)
{
    struct guard_result r = login(f, from, account, password, GUARD_GOOD);
    assert_int_equal(f->why.cause, CAUSE_NONE);
    assert_int_equal(r.count, GUARD_NOT_COUNTED);
    assert_int_equal(r.cause, CAUSE_NONE);
    assert_int_equal(r.delay_ms, 0);
}

static inline struct guard_state look(struct fixture *f, const char *from)
{
    struct addr a = address(from);
    struct guard_state state;
    guard_look(f->guard, f->now_ms, &a, &state);
    return state;
}

static inline bool is_blocked(struct fixture *f, const char *from)
{
    return look(f, from).blocked;
}

static inline enum guard_entry ask(struct fixture *f, const char *from, struct guard_block *block_r)
{
    struct addr a = address(from);
    return guard_ask(f->guard, f->now_ms, &a, block_r);
}

/* Fails until the address is blocked, with the default rules. */
static inline struct guard_block block_by_failures(struct fixture *f, const char *from)
{
    struct guard_result r = {0};
    for (int i = 0; i < 5; i++)
        r = fail_login(f, from, "victim@example.com");
    assert_true(r.blocked);
    return r.block;
}

#endif
