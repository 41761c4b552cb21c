/* SPDX-License-Identifier: GPL-2.0-only */
#include "esp/replies.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* An entry, from the lowest bit: line, 32; when, 16, in ticks; tag of the flow, 16. Empty: line 0,
 * which no line has. */
#define LINE(e) ((uint32_t)(e))
#define WHEN(e) ((uint16_t)((e) >> 32))
#define TAG(e)	((uint16_t)((e) >> 48))
enum { TICK_SHIFT = 17, /* 131 ms */ KEEP_TICKS = 8 };

int replies_init(struct replies *r)
{
	void *p = mmap(NULL, REPLIES_MAX * sizeof(*r->flow), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	r->flow = p == MAP_FAILED ? NULL : p;
	return r->flow ? 0 : -ENOMEM;
}

void replies_clear(struct replies *r)
{
	if (r->flow)
		munmap((void *)r->flow, REPLIES_MAX * sizeof(*r->flow));
	memset(r, 0, sizeof(*r));
}

/* Its place, and what tells it from others there. */
static _Atomic uint64_t *place(const struct replies *r, uint64_t of, uint64_t flow,
			       uint16_t *ret_tag)
{
	uint64_t h = flow ^ of * UINT64_C(0x9e3779b97f4a7c15);

	*ret_tag = (uint16_t)(h >> 16);
	return &r->flow[(h >> 32) % REPLIES_MAX];
}

void replies_heard(struct replies *r, uint64_t of, uint64_t flow, uint32_t line, usec_t now)
{
	uint16_t tag, when = (uint16_t)(now >> TICK_SHIFT);
	_Atomic uint64_t *at = place(r, of, flow, &tag);
	uint64_t had = atomic_load_explicit(at, memory_order_relaxed),
		 is = (uint64_t)tag << 48 | (uint64_t)when << 32 | line;

	if (had == is)
		return;
	if (LINE(had) && TAG(had) != tag && (uint16_t)(when - WHEN(had)) < KEEP_TICKS)
		return;
	atomic_store_explicit(at, is, memory_order_relaxed);
}

uint32_t replies_line(const struct replies *r, uint64_t of, uint64_t flow)
{
	uint16_t tag;
	uint64_t is = atomic_load_explicit(place(r, of, flow, &tag), memory_order_relaxed);

	return TAG(is) == tag ? LINE(is) : 0;
}
