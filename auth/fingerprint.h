/* SPDX-License-Identifier: MIT */
/*
 * Fingerprints of short byte strings, for tables in memory: 64 bits, seeded by the process, well spread. Not
 * a cryptographic digest: nothing may depend on nobody being able to make two strings meet.
 */
#ifndef GP_AUTH_FINGERPRINT_H
#define GP_AUTH_FINGERPRINT_H

#include "base/base.h"

uint64_t fingerprint(uint64_t seed, const void *bytes, size_t n);
/* The same for all spellings of text that differ in ASCII case only. */
uint64_t fingerprint_nocase(uint64_t seed, struct span text);

#endif
