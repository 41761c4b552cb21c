/* SPDX-License-Identifier: GPL-2.0-only */
/* Octets of the heap that are in use, as the allocator at hand counts them. */
#ifndef BRAID_TESTS_ALLOCATED_H
#define BRAID_TESTS_ALLOCATED_H

#include "base/sanitize.h"

#ifdef BRAID_SANITIZED
#include <stddef.h>

size_t __sanitizer_get_current_allocated_bytes(void); /* gcc comes without the header */

static inline size_t allocated(void)
{
	return __sanitizer_get_current_allocated_bytes();
}
#else
#include <malloc.h>

static inline size_t allocated(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}
#endif

#endif
