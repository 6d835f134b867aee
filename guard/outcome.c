/* SPDX-License-Identifier: MIT */
/* What the outcome of a login means: learned, spared or counted; and when a failure is answered. */
#include "guard/inside.h"
#include "guard/siphash.h"

/* ---- the answer's time ---- */

/*
 * The first delay, doubled with each further failure of the address, spared ones included: else the time
 * would tell that a password was right once. Up to a quarter comes on top (at the longest, goes off) by
 * chance.
 */
uint64_t outcome_delay_ms(struct guard *g, const struct visit *v)
{
    const struct guard_rules *r = &g->rules;
    uint64_t delay = r->delay_first_ms, most = r->delay_max_ms > delay ? r->delay_max_ms : delay;
    uint32_t failures = v->standing == STANDING_NEVER ? 0
                                                      : counts_of(g->counts, &v->place, FAILURE_COUNTED) +
                                                            counts_of(g->counts, &v->place, FAILURE_SPARED);
    for (uint32_t i = 1; i < failures && delay < most; i++)
        delay *= 2;
    uint64_t by_chance = guard_random(g, delay / 4 + 1);
    if (delay + by_chance <= most)
        return delay + by_chance;
    delay = most - guard_random(g, most / 4 + 1);
    return delay > r->delay_first_ms ? delay : r->delay_first_ms;
}

/* ---- good logins ---- */

static void learn(struct guard *g, const struct visit *v)
{
    struct password used = v->password;
    used.first = used.last = g->now;
    if (!memory_login(g->memory, v->account, v->home, &used, g->now))
        return;
    struct guard_change *change = changes_add(g->changes, GUARD_CHANGE_LOGIN);
    if (change == NULL)
        return;
    change->login =
        (struct guard_login){.address = key_net_show(&v->place.net).address,
                             .account_print = v->account,
                             .pwhash = used.pwhash == PASSWORD_NO_PWHASH ? GUARD_NO_PWHASH : used.pwhash,
                             .first_at = wall_of(g, used.first),
                             .last_at = wall_of(g, g->now)};
}

/* Behind a proxy, or webmail, everyone comes from this host. */
static bool may_have_grant(const struct guard *g, const struct visit *v, const struct addr *from)
{
    if (!g->rules.grants || from->family == 0 || barrier_of(g, v) != NULL)
        return false;
    return g->rules.grants_local ||
           (v->standing != STANDING_NEVER && !addr_is_loopback(from) && !netset_has(&g->own_set, &v->exact));
}

static void give_grant(struct guard *g, const struct visit *v, struct span account)
{
    const struct grant order = {.address = v->exact,
                                .place = v->home,
                                .account = v->account,
                                .since = g->now,
                                .until = g->now + g->rules.grant_window};
    const struct grant *made = grants_put(g->grants, &order, account);
    struct guard_change *change = changes_add(g->changes, GUARD_CHANGE_GRANTED);
    if (change == NULL)
        return;
    change->grant.address = key_net_show(&(struct key_net){v->exact, KEY_BITS}).address;
    change->grant.since = wall_of(g, made->since);
    change->grant.until = wall_of(g, made->until);
    text_cut(change->grant.account, sizeof change->grant.account, span_of(made->name));
}

/* ---- failures ---- */

static bool is_echo(struct guard *g, const struct visit *v, const struct guard_facts *facts,
                    enum echo_side side)
{
    struct {
        uint64_t account, password;
        struct key address;
    } bytes = {v->account, v->password.pwhash, v->exact};
    return facts->reported_twice &&
           echoes_heard(g->echoes, siphash(g->key, &bytes, sizeof bytes), side, g->now);
}

static bool is_repeated(struct guard *g, const struct visit *v)
{
    struct counts_walk walk = counts_walk(g->counts, &v->place, FAILURE_COUNTED);
    const struct failure *f;
    if (!g->rules.distinct || v->password.pwhash == PASSWORD_NO_PWHASH)
        return false;
    while ((f = counts_next(&walk)) != NULL)
        if (f->account == (uint32_t)v->account && f->password == v->password.pwhash)
            return true;
    return false;
}

static void record(struct guard *g, const struct visit *v, enum failure_kind kind, bool unknown)
{
    const struct failure failure = {.at = g->now,
                                    .account = (uint32_t)v->account,
                                    .password = v->password.pwhash,
                                    .kind = (uint8_t)kind,
                                    .unknown = unknown};
    counts_add(g->counts, &v->place, &failure);
    struct guard_change *change = changes_add(g->changes, GUARD_CHANGE_FAILED);
    if (change != NULL)
        change->failure = (struct guard_failure){
            .address = key_net_show(&v->place.net).address,
            .account_print = v->account,
            .pwhash = v->password.pwhash == PASSWORD_NO_PWHASH ? GUARD_NO_PWHASH : v->password.pwhash,
            .account_unknown = unknown,
            .spared = kind == FAILURE_SPARED,
            .at = wall_of(g, g->now)};
}

static void count(struct guard *g, const struct visit *v, bool unknown)
{
    uint32_t until = moment_before(g, g->rules.window);
    record(g, v, FAILURE_COUNTED, unknown);
    crowds_add(g->attacked, v->account, v->home, g->now, until);
    if (v->password.print != 0)
        crowds_add(g->sprayed, v->password.print, v->account, g->now, until);
    verdict_failure(g, v);
}

/* A failure of one who is shut out already: it was under way before, or another server let it try. */
static bool is_late(struct guard *g, const struct visit *v)
{
    struct block *block = barrier_of(g, v);
    if (block == NULL)
        return false;
    const struct block_order more = {.net = block->net,
                                     .account = block->account,
                                     .account_text = v->account_text,
                                     .helo = v->helo,
                                     .reason = ""};
    barrier_raise(g, &more);
    return true;
}

static void fail(struct guard *g, const struct visit *v, bool stale, const struct guard_facts *facts,
                 enum echo_side side, struct guard_result *r)
{
    struct spare spare = visit_spare(g, v);
    bool forgiven = spare.spared || (stale && g->rules.forgive_stale &&
                                     counts_of(g->counts, &v->place, FAILURE_SPARED) < g->rules.stale_max);
    bool known_here = visit_is_known(g, v);
    r->cause = stale || forgiven ? CAUSE_AUTH_STALE : CAUSE_AUTH_WRONG;
    if (side == ECHO_REPORT && spare.spared && spare.last)
        r->cause = CAUSE_AUTH_KNOWN;
    r->tell_changed = r->cause != CAUSE_AUTH_WRONG && known_here;
    if (facts->changed_at != 0)
        r->changed_at = facts->changed_at;
    else if (spare.replaced != 0)
        r->changed_at = wall_of(g, spare.replaced);
    if (is_echo(g, v, facts, side))
        return;
    if (forgiven) {
        r->count = GUARD_SPARED;
        record(g, v, FAILURE_SPARED, false);
    } else if (is_repeated(g, v)) {
        r->count = GUARD_REPEATED;
    } else {
        r->count = GUARD_COUNTED;
        if (!is_late(g, v))
            count(g, v, facts->account_unknown);
    }
}

/* ---- all of them ---- */

static const enum cause_id CAUSES[] = {
    [GUARD_GOOD] = CAUSE_NONE,
    [GUARD_WRONG] = CAUSE_AUTH_WRONG,
    [GUARD_STALE] = CAUSE_AUTH_STALE,
    [GUARD_DISABLED] = CAUSE_AUTH_DISABLED,
    [GUARD_UNAVAILABLE] = CAUSE_AUTH_UNAVAILABLE,
    [GUARD_POLICY] = CAUSE_AUTH_POLICY,
    [GUARD_ABANDONED] = CAUSE_NONE,
};

void outcome_apply(struct guard *g, struct visit *v, enum guard_outcome outcome,
                   const struct guard_facts *facts, enum echo_side side, struct guard_result *r)
{
    *r = (struct guard_result){.count = GUARD_NOT_COUNTED, .cause = CAUSES[outcome]};
    if (outcome == GUARD_GOOD || outcome == GUARD_ABANDONED) {
        if (outcome == GUARD_GOOD && v->standing != STANDING_NEVER)
            learn(g, v);
        return;
    }
    if ((outcome == GUARD_WRONG || outcome == GUARD_STALE) && v->standing != STANDING_NEVER) {
        fail(g, v, outcome == GUARD_STALE, facts, side, r);
        const struct block *block = barrier_of(g, v);
        r->blocked = block != NULL;
        if (r->blocked)
            barrier_show(g, block, &r->block);
    }
    r->delay_ms = outcome_delay_ms(g, v);
}

void guard_report(struct guard *g, uint64_t now_ms, const struct guard_try *attempt,
                  enum guard_outcome outcome, const struct guard_facts *facts, struct guard_result *result_r)
{
    struct visit v;
    guard_enter(g, now_ms);
    visit_make(g, &v, attempt);
    outcome_apply(g, &v, outcome, facts, ECHO_REPORT, result_r);
    if (outcome == GUARD_GOOD && facts->mailbox && may_have_grant(g, &v, &attempt->from))
        give_grant(g, &v, attempt->account);
    guard_leave(g);
}
