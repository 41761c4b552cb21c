/* SPDX-License-Identifier: GPL-2.0-only */
/* A limit for each of many, in fixed memory: strangers are told apart by a number of theirs, and
 * few of them share a limit, which ones nobody outside can know. So one cannot use up what is
 * another's, and all together have LIMITS_MAX times as much as one. Thread: the owner's.
 */
#ifndef BRAID_BASE_LIMITS_H
#define BRAID_BASE_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"

enum { LIMITS_MAX = 128 };

/* All zero at first. */
struct limits {
	struct log_limit of[LIMITS_MAX];
};

/* Once more for the one with that key (of hash_octets): at most burst times in an interval? */
bool limits_ok(struct limits *l, uint64_t key, usec_t now, uint32_t burst, usec_t interval_usec);

#endif
