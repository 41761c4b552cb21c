/* SPDX-License-Identifier: GPL-2.0-only */
/* See dp/ring.h. */
#include <errno.h>
#include <stdlib.h>

#include "dp/ring.h"

int slot_ring_init(struct slot_ring *r, uint32_t n)
{
	usec_t *at = calloc(n, sizeof(*at));

	if (!at)
		return -ENOMEM;
	*r = (struct slot_ring){ .n = n, .cursor = 1, .free_at = at };
	return 0;
}

void slot_ring_clear(struct slot_ring *r)
{
	free(r->free_at);
	*r = (struct slot_ring){ 0 };
}

int slot_ring_take(struct slot_ring *r, usec_t now, uint32_t *ret_slot)
{
	bool rests = false;

	for (uint32_t tried = 1; tried < r->n; tried++) {
		uint32_t slot = r->cursor;

		r->cursor = slot + 1 < r->n ? slot + 1 : 1;
		if (r->free_at[slot] > now) { /* in use is never */
			rests |= r->free_at[slot] != USEC_NEVER;
			continue;
		}
		r->free_at[slot] = USEC_NEVER;
		*ret_slot = slot;
		return 0;
	}
	return rests ? -EAGAIN : -ENOSPC;
}

void slot_ring_mark(struct slot_ring *r, uint32_t slot)
{
	if (slot && slot < r->n)
		r->free_at[slot] = USEC_NEVER;
}

void slot_ring_leave(struct slot_ring *r, uint32_t slot, usec_t now)
{
	if (slot && slot < r->n)
		r->free_at[slot] = now + SLOT_REST_USEC;
}
