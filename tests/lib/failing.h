/* SPDX-License-Identifier: GPL-2.0-only */
/* The n-th allocation fails: what a test asks before it gives memory in another's place. */
#ifndef BRAID_TESTS_FAILING_H
#define BRAID_TESTS_FAILING_H

#include <stdbool.h>

static long countdown = -1; /* allocations until one fails; below 0: none does */
static bool hit;

static inline bool fails(void)
{
	if (countdown < 0 || countdown-- > 0)
		return false;
	hit = true;
	return true;
}

#endif
