/* SPDX-License-Identifier: MIT */
/*
 * The guard against a model that does the same naively: lists that are searched from end to end, rules
 * written out again. Random logins, with random rules, must get the same verdict from both at each step.
 */
#include "guard_help.h"

enum { ADDRESSES = 8, FIRST_V6 = 4, PLACES = 6, ACCOUNTS = 5, UNKNOWN_FROM = 3, LIST_MAX = 20000, ALL = -1 };

static const char *const ADDRESS[ADDRESSES] = {"192.0.2.1",      "192.0.2.2",     "198.51.100.3",
                                               "203.0.113.4",    "2001:db8::1",   "2001:db8::ff:1",
                                               "2001:db8:1::10", "2001:db8:1::11"};
static const int PLACE[ADDRESSES] = {0, 1, 2, 3, 4, 4, 5, 5};
static const char *const ACCOUNT[ACCOUNTS] = {"a@example.com", "b@example.com", "c@example.com",
                                              "x@example.com", "y@example.com"};

struct model_failure {
    uint64_t at;
    int place, account, pwhash;
    bool spared, unknown, used, gone;
};
struct model_login {
    uint64_t at;
    int place, account;
};
struct model_block { /* live, or over: then it is the past */
    uint64_t since, until;
    int place, account; /* ALL, or a pair */
    enum cause_id cause;
    unsigned failures, times;
    bool lifted;
};
struct model {
    struct model_failure failures[LIST_MAX];
    struct model_login logins[LIST_MAX], crowd[LIST_MAX];
    struct model_block blocks[LIST_MAX];
    size_t n_failures, n_logins, n_crowd, n_blocks;
    bool allowed[ADDRESSES];
    uint64_t now; /* seconds */
    const struct guard_rules *rules;
};
static struct model model;

static uint64_t seed;

static uint32_t roll(uint32_t below)
{
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(seed >> 33) % below;
}

/* ---- the model ---- */

static bool is_v4(int address)
{
    return address < FIRST_V6;
}

/* An allowed address counts for itself: a place of its own where a place is more than an address. */
static int place_of(int address)
{
    return model.allowed[address] && !is_v4(address) ? PLACES + address : PLACE[address];
}

static bool within(uint64_t at, uint64_t seconds)
{
    return at + seconds > model.now;
}

static unsigned count_failures(int place, bool spared, uint64_t seconds)
{
    unsigned n = 0;
    for (size_t i = 0; i < model.n_failures; i++) {
        const struct model_failure *f = &model.failures[i];
        n += !f->gone && f->place == place && f->spared == spared && within(f->at, model.rules->window) &&
             within(f->at, seconds);
    }
    return n;
}

static bool logged_in(int place, int account, bool other, uint64_t seconds)
{
    for (size_t i = 0; i < model.n_logins; i++) {
        const struct model_login *l = &model.logins[i];
        if ((place == ALL || l->place == place) && (l->account == account) != other && within(l->at, seconds))
            return true;
    }
    return false;
}

static struct model_block *live_block(int place, int account)
{
    for (size_t i = 0; i < model.n_blocks; i++) {
        struct model_block *b = &model.blocks[i];
        if (b->place == place && b->account == account && !b->lifted && b->until > model.now)
            return b;
    }
    return NULL;
}

static unsigned others_in_crowd(int account, int place)
{
    unsigned n = 0;
    for (int p = 0; p < PLACES; p++) {
        bool in = false;
        for (size_t i = 0; i < model.n_crowd; i++)
            in = in || (model.crowd[i].place == p && model.crowd[i].account == account &&
                        within(model.crowd[i].at, model.rules->window));
        n += in && p != place;
    }
    return n;
}

static void join_crowd(int account, int place)
{
    model.crowd[model.n_crowd++] = (struct model_login){model.now, place, account};
}

static bool is_botnet(int account, int address)
{
    unsigned limit = model.rules->botnet_addresses;
    return limit > 0 && !model.allowed[address] && others_in_crowd(account, PLACE[address]) >= limit &&
           !logged_in(PLACE[address], account, false, model.rules->known_for);
}

static void add_block(int place, int account, enum cause_id cause, unsigned failures)
{
    const struct guard_rules *r = model.rules;
    unsigned times = 1;
    uint64_t seconds = r->block_for, most = r->repeat_max > r->block_for ? r->repeat_max : r->block_for;
    for (size_t i = 0; i < model.n_blocks; i++) {
        const struct model_block *b = &model.blocks[i];
        if (b->place == place && b->account == account)
            times = !b->lifted && within(b->until, r->repeat_within) ? b->times + 1 : 1;
    }
    for (unsigned i = 1; i < times && seconds < most; i++)
        seconds *= r->repeat_factor;
    seconds = seconds < most ? seconds : most;
    model.blocks[model.n_blocks++] = (struct model_block){.since = model.now,
                                                          .until = model.now + seconds,
                                                          .place = place,
                                                          .account = account,
                                                          .cause = cause,
                                                          .failures = failures,
                                                          .times = times};
    for (size_t i = 0; i < model.n_failures && account == ALL; i++)
        if (model.failures[i].place == place)
            model.failures[i].gone = true;
}

static unsigned count_pair(int place, int account, bool use_up)
{
    unsigned n = 0;
    for (size_t i = 0; i < model.n_failures; i++) {
        struct model_failure *f = &model.failures[i];
        if (f->gone || f->spared || f->used || f->place != place || f->account != account ||
            !within(f->at, model.rules->window))
            continue;
        n++;
        f->used = use_up;
    }
    return n;
}

static unsigned count_unknown(int place)
{
    unsigned n = 0;
    for (int account = 0; account < ACCOUNTS; account++) {
        bool found = false;
        for (size_t i = 0; i < model.n_failures; i++) {
            const struct model_failure *f = &model.failures[i];
            found = found || (!f->gone && !f->spared && f->unknown && f->place == place &&
                              f->account == account && within(f->at, model.rules->window));
        }
        n += found;
    }
    return n;
}

static void judge_failures(int address, int account)
{
    const struct guard_rules *r = model.rules;
    int place = place_of(address);
    unsigned all = count_failures(place, false, r->window), pair = count_pair(place, account, false);
    bool office = logged_in(PLACE[address], account, true, r->office_within);
    bool own = !office && logged_in(PLACE[address], account, false, r->office_within);
    if (is_botnet(account, address)) {
        add_block(place, ALL, CAUSE_BLOCKED_BOTNET, all);
    } else if (!office && !own) {
        if (all >= r->max_failures)
            add_block(place, ALL, CAUSE_BLOCKED_FAILURES, all);
        else if (r->unknown_accounts > 0 && count_unknown(place) >= r->unknown_accounts)
            add_block(place, ALL, CAUSE_BLOCKED_UNKNOWN, all);
    } else if (all >= r->office_failures || (own && pair >= r->max_failures)) {
        add_block(place, ALL, CAUSE_BLOCKED_FAILURES, all);
    } else if (office && pair >= r->max_failures) {
        count_pair(place, account, true);
        add_block(place, account, CAUSE_BLOCKED_PAIR, pair);
        unsigned pairs = 0;
        for (int other = 0; other < ACCOUNTS; other++)
            pairs += live_block(place, other) != NULL;
        if (pairs >= r->office_accounts)
            add_block(place, ALL, CAUSE_BLOCKED_FAILURES, all);
    }
}

/* The password that is right, and was before if ever. */
static bool is_spared(int address, int account, bool right)
{
    return right && logged_in(ALL, account, false, 90 * DAY) &&
           count_failures(place_of(address), true, model.rules->window) < model.rules->stale_max;
}

static enum cause_id model_refuses(int address, int account, bool right)
{
    int place = place_of(address);
    if (!model.allowed[address]) {
        const struct model_block *b = live_block(place, ALL);
        b = b != NULL ? b : live_block(place, account);
        if (b != NULL)
            return b->cause;
    }
    if (is_spared(address, account, right))
        return CAUSE_NONE;
    if (is_botnet(account, address)) {
        join_crowd(account, PLACE[address]);
        add_block(place, ALL, CAUSE_BLOCKED_BOTNET, count_failures(place, false, model.rules->window) + 1);
        return CAUSE_BLOCKED_BOTNET;
    }
    unsigned lately = count_failures(place, false, 60) + count_failures(place, true, 60);
    return model.allowed[address] && lately >= model.rules->allow_failures ? CAUSE_AUTH_TOO_FAST : CAUSE_NONE;
}

static bool is_repeated(int place, int account, int pwhash)
{
    for (size_t i = 0; model.rules->distinct && i < model.n_failures; i++) {
        const struct model_failure *f = &model.failures[i];
        if (!f->gone && !f->spared && f->place == place && f->account == account && f->pwhash == pwhash &&
            within(f->at, model.rules->window))
            return true;
    }
    return false;
}

static enum guard_count model_fails(int address, int account, bool right, bool stale, int pwhash)
{
    int place = place_of(address);
    bool room = count_failures(place, true, model.rules->window) < model.rules->stale_max;
    bool spared = is_spared(address, account, right) || (stale && model.rules->forgive_stale && room);
    if (!spared && is_repeated(place, account, pwhash))
        return GUARD_REPEATED;
    model.failures[model.n_failures++] =
        (struct model_failure){.at = model.now,
                               .place = place,
                               .account = account,
                               .pwhash = pwhash,
                               .spared = spared,
                               .unknown = !spared && account >= UNKNOWN_FROM};
    if (spared)
        return GUARD_SPARED;
    join_crowd(account, PLACE[address]);
    if (!model.allowed[address])
        judge_failures(address, account);
    return GUARD_COUNTED;
}

static void model_lifts(int place, int account)
{
    struct model_block *b = live_block(place, account);
    if (b != NULL)
        b->lifted = true;
}

static void model_clears(int place)
{
    for (size_t i = 0; i < model.n_failures; i++)
        model.failures[i].gone = model.failures[i].gone || model.failures[i].place == place;
}

static void model_forgets_past(int place)
{
    for (size_t i = 0; i < model.n_blocks; i++)
        if (model.blocks[i].place == place && model.blocks[i].account == ALL)
            model.blocks[i].lifted = true;
}

static void model_unblocks(int address)
{
    for (int account = ALL; account < ACCOUNTS; account++)
        model_lifts(PLACE[address], account);
    model_clears(place_of(address));
    if (place_of(address) != PLACE[address])
        return;
    model_forgets_past(PLACE[address]);
    for (int other = FIRST_V6; other < ADDRESSES; other++) /* what is in the place is meant, too */
        if (PLACE[other] == PLACE[address])
            model_clears(PLACES + other);
}

static void model_allows(int address)
{
    for (int account = ALL; account < (is_v4(address) ? ACCOUNTS : ALL + 1); account++)
        model_lifts(PLACE[address], account);
    model.allowed[address] = true;
}

/* ---- both ---- */

static void compare_address(struct fixture *f, int address)
{
    struct guard_state s = look(f, ADDRESS[address]);
    int place = place_of(address);
    const struct model_block *b = model.allowed[address] ? NULL : live_block(place, ALL);
    assert_int_equal(s.allowed, model.allowed[address]);
    assert_int_equal(s.blocked, b != NULL);
    assert_int_equal(s.failures, count_failures(place, false, model.rules->window));
    assert_int_equal(s.spared, count_failures(place, true, model.rules->window));
    if (b == NULL)
        return;
    assert_int_equal(s.block.cause, b->cause);
    assert_int_equal(s.block.times, b->times);
    assert_int_equal(s.block.failures, b->failures);
    assert_int_equal(s.block.since, WALL_START + (int64_t)b->since);
    assert_int_equal(s.block.until, WALL_START + (int64_t)b->until);
}

static void both_log_in(struct fixture *f, int address, int account)
{
    char password[32];
    enum { FAIL, FAIL_RIGHT, FAIL_STALE, SUCCEED, KINDS };
    static const unsigned kinds[] = {FAIL, FAIL, FAIL, FAIL, FAIL, FAIL_RIGHT, FAIL_STALE, SUCCEED};
    unsigned kind = kinds[roll(COUNT_OF(kinds))];
    if (account >= UNKNOWN_FROM)
        kind = FAIL;
    bool right = kind == FAIL_RIGHT || kind == SUCCEED;
    if (right)
        snprintf(password, sizeof password, "right of %d", account);
    else
        snprintf(password, sizeof password, "wrong %u", roll(2) ? roll(3) : roll(1U << 30));
    struct guard_try t = attempt(ADDRESS[address], ACCOUNT[account], password);
    t.password_print += (uint32_t)account * 2; /* no spraying here */
    enum cause_id refused = model_refuses(address, account, right);
    enum guard_outcome outcome = kind == SUCCEED      ? GUARD_GOOD
                                 : kind == FAIL_STALE ? GUARD_STALE
                                                      : GUARD_WRONG;
    struct guard_result r =
        login_with(f, &t, outcome, (struct guard_facts){.account_unknown = account >= UNKNOWN_FROM});
    assert_int_equal(f->why.cause, refused);
    if (refused != CAUSE_NONE)
        return;
    if (kind == SUCCEED) {
        model.logins[model.n_logins++] = (struct model_login){model.now, PLACE[address], account};
        return;
    }
    assert_int_equal(r.count, model_fails(address, account, right, kind == FAIL_STALE, t.pwhash));
    const struct model_block *b = model.allowed[address] ? NULL : live_block(place_of(address), ALL);
    if (b == NULL && !model.allowed[address])
        b = live_block(place_of(address), account);
    assert_int_equal(r.blocked, b != NULL);
    assert_true(b == NULL || r.block.pair == (b->account != ALL));
}

static void both_administrate(struct fixture *f, int address)
{
    struct guard_net net = network(ADDRESS[address]);
    switch (roll(3)) {
    case 0:
        guard_unblock(f->guard, f->now_ms, &net, NULL, 0);
        model_unblocks(address);
        break;
    case 1:
        guard_allow(f->guard, f->now_ms, &net, "");
        model_allows(address);
        break;
    default:
        if (guard_disallow(f->guard, f->now_ms, &net) == GUARD_DONE)
            model_clears(place_of(address));
        model.allowed[address] = false;
    }
}

static uint32_t one_of(const uint32_t *values, uint32_t n)
{
    return values[roll(n)];
}
#define ONE_OF(...)                                                                                          \
    one_of((const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void random_rules(struct guard_rules *r)
{
    r->max_failures = ONE_OF(1, 2, 3, 5, 5);
    r->window = ONE_OF(60, 600, HOUR, HOUR);
    r->stale_max = ONE_OF(0, 3, 10);
    r->unknown_accounts = ONE_OF(0, 1, 2, 3);
    r->distinct = roll(2);
    r->forgive_stale = roll(2);
    r->office_within = ONE_OF(0, 600, DAY, DAY);
    r->office_failures = ONE_OF(3, 6, 15);
    r->office_accounts = ONE_OF(1, 2, 3);
    r->botnet_addresses = ONE_OF(0, 2, 3, 50);
    r->known_for = ONE_OF(HOUR, DAY, 30 * DAY);
    r->block_for = ONE_OF(60, 600, HOUR, DAY);
    r->repeat_within = ONE_OF(0, HOUR, DAY);
    r->repeat_factor = ONE_OF(1, 4);
    r->repeat_max = ONE_OF(HOUR, 7 * DAY);
    r->allow_failures = ONE_OF(1, 5, 30);
    r->widen = 0;
}

static void run(unsigned steps)
{
    struct fixture f;
    memset(&model, 0, sizeof model);
    fixture_rules(&f);
    f.now_ms = 0;
    random_rules(&f.rules);
    model.rules = &f.rules;
    fixture_start(&f);
    uint32_t patience = ONE_OF(2, 30, 300, 3000); /* some runs are slow, some quick */
    unsigned administrate = ONE_OF(2, 40, 400);
    for (unsigned i = 0; i < steps; i++) {
        int address = (int)roll(ADDRESSES);
        uint64_t seconds = roll(20) == 0 ? roll(patience * 50) : roll(patience);
        pass(&f, seconds);
        model.now += seconds;
        if (roll(administrate) == 0)
            both_administrate(&f, address);
        else
            both_log_in(&f, address, (int)(roll(3) ? roll(2) : roll(ACCOUNTS)));
        compare_address(&f, address);
        compare_address(&f, (int)roll(ADDRESSES));
    }
    guard_free(&f.guard);
}

static void does_what_the_model_does(void **state)
{
    (void)state;
    for (seed = 1; seed <= 300;) {
        uint64_t this_run = seed;
        run(400);
        seed = this_run + 1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(does_what_the_model_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
