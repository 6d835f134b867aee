/* SPDX-License-Identifier: MIT */
/* A try, looked up: what counts as its address, how it stands in the lists, what is known of it. */
#include "guard/inside.h"
#include "guard/siphash.h"

void text_cut(char *out, size_t size, struct span text)
{
    static const char more[] = "...";
    bool fits = text.n < size;
    size_t n = fits ? text.n : size - sizeof more;
    memcpy(out, text.n > 0 ? text.p : "", n);
    for (size_t i = 0; i < n; i++)
        out[i] = out[i] == '\0' ? ' ' : out[i];
    memcpy(out + n, fits ? "" : more, fits ? 1 : sizeof more);
}

/* The key never changes, so this needs no lock. */
uint64_t guard_account_print(const struct guard *g, struct span account)
{
    uint64_t print = siphash_nocase(g->key, account);
    return print != 0 ? print : 1; /* 0 is "no account" */
}

static unsigned place_bits(const struct guard *g, const struct key *k)
{
    return key_is_v4(k) ? g->rules.ipv4_prefix + KEY_V4_BITS : g->rules.ipv6_prefix;
}

struct place place_of(const struct guard *g, const struct key_net *net)
{
    return (struct place){*net, siphash(g->key, net->key.bytes, sizeof net->key.bytes)};
}

void visit_again(struct guard *g, struct visit *v)
{
    if (!v->has_address)
        return;
    unsigned bits = place_bits(g, &v->exact);
    v->place = place_of(g, &(struct key_net){key_cut(&v->exact, bits), bits});
    v->home = v->place.print;
    if (netset_has(&g->never, &v->exact)) {
        v->standing = STANDING_NEVER;
    } else if (netset_has(allow_set(g->allow), &v->exact)) {
        v->standing = STANDING_ALLOWED;
        v->place = place_of(g, &(struct key_net){v->exact, KEY_BITS});
    } else {
        v->standing = STANDING_ORDINARY;
    }
}

void visit_address(struct guard *g, struct visit *v, const struct addr *from)
{
    *v = (struct visit){.standing = STANDING_NEVER, .password = {.pwhash = PASSWORD_NO_PWHASH}};
    if (from->family == AF_INET || from->family == AF_INET6) { /* else a UNIX socket: nobody to block */
        v->exact = key_of(from);
        v->has_address = true;
        visit_again(g, v);
    }
}

/* What a verdict will look at, from all tables at once. */
static void look_ahead(const struct guard *g, const struct visit *v)
{
    for (enum key_look look = LOOK_BUCKET; look <= LOOK_RECORD; look++) {
        blocks_prefetch(g->blocks, &v->place, look);
        counts_prefetch(g->counts, &v->place, look);
        memory_prefetch(g->memory, v->account, v->home, look);
        crowds_prefetch(g->attacked, v->account, look);
        crowds_prefetch(g->sprayed, v->password.print, look);
    }
}

void visit_make(struct guard *g, struct visit *v, const struct guard_try *attempt)
{
    visit_address(g, v, &attempt->from);
    v->account = guard_account_print(g, attempt->account);
    v->password.print = attempt->password_print;
    if (attempt->pwhash >= 0 && attempt->pwhash < PASSWORD_NO_PWHASH)
        v->password.pwhash = (uint16_t)attempt->pwhash;
    look_ahead(g, v);
    text_cut(v->account_text, sizeof v->account_text, attempt->account);
    text_cut(v->helo, sizeof v->helo, attempt->helo);
}

bool visit_is_known(struct guard *g, const struct visit *v)
{
    return memory_knows(g->memory, v->account, v->home, moment_before(g, g->rules.known_for));
}

struct spare visit_spare(struct guard *g, const struct visit *v)
{
    struct spare s = {false, false, false, 0};
    if (!memory_password(g->memory, v->account, &v->password, g->now, &s.surely, &s.replaced))
        return s;
    s.last = s.replaced == 0;
    s.spared = (s.last || g->rules.forgive_stale) &&
               counts_of(g->counts, &v->place, FAILURE_SPARED) < g->rules.stale_max;
    return s;
}
