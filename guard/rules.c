/* SPDX-License-Identifier: MIT */
/* The rules as the settings have them. */
#include "guard/guard.h"

enum {
    COUNT_DISTINCT = 1, /* places of words in settings/table.h */
    ACTION_DROP = 1,
};

static uint32_t block_seconds(const char *text)
{
    uint64_t seconds = 3600;
    if (strcmp(text, "forever") == 0)
        return GUARD_FOREVER;
    parse_duration(span_of(text), &seconds); /* it was checked with the other settings */
    return (uint32_t)seconds;
}

/* Sizes that no setting has: they grow with what the settings ask for, or are enough for any one server. */
static struct guard_sizes sizes_of(const struct settings *s)
{
    uint32_t addresses = (uint32_t)s->guard_max_addresses;
    return (struct guard_sizes){
        .addresses = addresses,
        .failures = addresses + addresses / 4,
        .blocks = (uint32_t)s->guard_max_blocks,
        .allowed = 20000,
        .accounts = 100000,
        .logins = 200000,
        .members = 300000,
        .grants = 50000,
        .changes = 4096,
    };
}

void guard_rules_read(const struct settings *s, struct guard_rules *rules_r)
{
    *rules_r = (struct guard_rules){
        .window = (uint32_t)s->guard_window,
        .max_failures = (uint32_t)s->guard_max_failures,
        .stale_max = (uint32_t)s->guard_stale_max,
        .unknown_accounts = (uint32_t)s->guard_unknown_accounts,
        .distinct = s->guard_count == COUNT_DISTINCT,
        .forgive_stale = s->guard_forgive_stale_password,
        .office_within = (uint32_t)s->guard_office_within,
        .office_failures = (uint32_t)s->guard_office_failures,
        .office_accounts = (uint32_t)s->guard_office_accounts,
        .botnet_addresses = (uint32_t)s->guard_botnet_addresses,
        .spray_accounts = (uint32_t)s->guard_spray_accounts,
        .known_for = (uint32_t)s->guard_known_for,
        .block_for = block_seconds(s->guard_block_for),
        .repeat_within = (uint32_t)s->guard_repeat_within,
        .repeat_max = (uint32_t)s->guard_repeat_max,
        .repeat_factor = (uint32_t)s->guard_repeat_factor,
        .ipv4_prefix = (uint32_t)s->guard_ipv4_prefix,
        .ipv6_prefix = (uint32_t)s->guard_ipv6_prefix,
        .widen = (uint32_t)s->guard_widen,
        .allow_failures = (uint32_t)s->guard_allow_failures,
        .drop = s->guard_action == ACTION_DROP,
        .drop_after = (uint32_t)s->guard_drop_after,
        .delay_first_ms = (uint32_t)s->auth_failure_delay * 1000,
        .delay_max_ms = (uint32_t)s->guard_delay_max * 1000,
        .grants = s->pop_before_smtp_enabled,
        .grants_local = s->pop_before_smtp_local,
        .grant_window = (uint32_t)s->pop_before_smtp_window,
        .allow = s->guard_allow,
        .never = s->guard_never,
        .sizes = sizes_of(s),
    };
}
