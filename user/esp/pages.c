/* SPDX-License-Identifier: GPL-2.0-only */
#include <linux/types.h>
#include <stdint.h>
#include <sys/mman.h>

#include "abi/steer.h"
#include "esp/pages.h"

/* As many as there can be SAs, and as many again for those that are about to go. */
enum { PAGES = 2 * STEER_SA_MAX };

static struct {
	uint8_t *base;
	uint32_t *next;		/* of a free page: the next one + 1 */
	uint32_t free, virgins; /* first free one + 1; pages never taken begin here */
} pool;

static void *reserve(size_t octets)
{
	void *p = mmap(NULL, octets, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void *pages_take(void)
{
	uint32_t i;

	if (!pool.next)
		pool.next = reserve(PAGES * sizeof(*pool.next));
	if (!pool.base)
		pool.base = reserve((size_t)PAGES * PAGES_OCTETS);
	if (!pool.base || !pool.next)
		return NULL;
	if (pool.free) {
		i = pool.free - 1;
		pool.free = pool.next[i];
	} else if (pool.virgins < PAGES) {
		i = pool.virgins++;
	} else {
		return NULL;
	}
	return pool.base + (size_t)i * PAGES_OCTETS;
}

void pages_give(void *page)
{
	uint32_t i;

	if (!page)
		return;
	i = (uint32_t)(((uint8_t *)page - pool.base) / PAGES_OCTETS);
	/* it is zero when it is taken again, whether the system has taken it back or not */
	if (madvise(page, PAGES_OCTETS, MADV_DONTNEED))
		for (size_t k = 0; k < PAGES_OCTETS / sizeof(uint64_t); k++)
			((volatile uint64_t *)page)[k] = 0;
	pool.next[i] = pool.free;
	pool.free = i + 1;
}
