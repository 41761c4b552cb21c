/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/limits.h"

bool limits_ok(struct limits *l, uint64_t key, usec_t now, uint32_t burst, usec_t interval)
{
	uint32_t suppressed;

	/* the upper bits of a product are the best mixed */
	return log_limit_ok(&l->of[(key >> 32) % LIMITS_MAX], now, burst, interval, &suppressed);
}
