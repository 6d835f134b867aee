/* SPDX-License-Identifier: MIT */
/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash of short inputs. Who does not know the key can
 * neither make inputs meet nor tell what a print was made of.
 */
#ifndef GP_GUARD_SIPHASH_H
#define GP_GUARD_SIPHASH_H

#include "base/base.h"

uint64_t siphash(const uint8_t key[16], const void *bytes, size_t n);
/* The same for all spellings of text that differ in ASCII case only. What is behind 512 bytes does not count.
 */
uint64_t siphash_nocase(const uint8_t key[16], struct span text);

#endif
