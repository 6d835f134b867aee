/* SPDX-License-Identifier: MIT */
/* Blocks that are over: how often in a row, and when the last one ended. Of fixed size; old ones give way. */
#ifndef GP_GUARD_PAST_H
#define GP_GUARD_PAST_H

#include "base/base.h"

struct past;
struct past *past_make(uint32_t max);
void past_free(struct past **past);

/* name: a print of what was blocked. */
void past_put(struct past *past, uint64_t name, uint32_t times, uint32_t ended);
/* How many blocks in a row there were, if the last one ended after that second; else 0. */
uint32_t past_times(const struct past *past, uint64_t name, uint32_t after);
void past_forget(struct past *past, uint64_t name);
void past_forget_all(struct past *past);
size_t past_bytes(const struct past *past);

#endif
