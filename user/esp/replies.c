/* SPDX-License-Identifier: GPL-2.0-only */
#include "esp/replies.h"

#include <errno.h>
#include <linux/types.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "abi/lines.h"

enum { TICK_SHIFT = 17 /* 131 ms */ };

int replies_init(struct replies *r)
{
	void *p = mmap(NULL, LINE_REPLIES * sizeof(*r->flow), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	r->flow = p == MAP_FAILED ? NULL : p;
	return r->flow ? 0 : -ENOMEM;
}

void replies_clear(struct replies *r)
{
	if (r->flow)
		munmap((void *)r->flow, LINE_REPLIES * sizeof(*r->flow));
	memset(r, 0, sizeof(*r));
}

/* A flow of those of one set of SAs. */
static uint64_t mixed(uint64_t of, uint64_t flow)
{
	return flow ^ of * UINT64_C(0x9e3779b97f4a7c15);
}

void replies_heard(struct replies *r, uint64_t of, uint64_t flow, uint32_t line, usec_t now)
{
	uint64_t h = mixed(of, flow), is = LINE_REPLY(LINE_TAG(h), now >> TICK_SHIFT, line);
	_Atomic uint64_t *at = &r->flow[LINE_PLACE(h)];
	uint64_t had = atomic_load_explicit(at, memory_order_relaxed);

	if (had != is && !line_reply_stays(had, is))
		atomic_store_explicit(at, is, memory_order_relaxed);
}

uint32_t replies_line(const struct replies *r, uint64_t of, uint64_t flow)
{
	uint64_t h = mixed(of, flow);
	uint64_t is = atomic_load_explicit(&r->flow[LINE_PLACE(h)], memory_order_relaxed);

	return LINE_REPLY_TAG(is) == LINE_TAG(h) ? LINE_REPLY_LINE(is) : 0;
}
