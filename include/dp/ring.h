/* SPDX-License-Identifier: GPL-2.0-only */
/* Slots of write-once records: which may be written now. Pure; slot 0 is never given out.
 *
 * A reader may still hold a slot that was just replaced, so one is reused a second after it was
 * left, at the earliest. Oldest first. Thread: the owner's.
 */
#ifndef BRAID_DP_RING_H
#define BRAID_DP_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/usec.h"

#define SLOT_REST_USEC USEC_PER_SEC

struct slot_ring {
	uint32_t n, cursor;
	usec_t *free_at; /* USEC_NEVER: in use */
};

/* n slots, all free. 0 or -ENOMEM. */
int slot_ring_init(struct slot_ring *r, uint32_t n);
void slot_ring_clear(struct slot_ring *r);
/* 0; -EAGAIN: every slot is in use or rests; -ENOSPC: all are in use, waiting is of no use. */
int slot_ring_take(struct slot_ring *r, usec_t now, uint32_t *ret_slot);
/* Adopted: this slot is in use. */
void slot_ring_mark(struct slot_ring *r, uint32_t slot);
/* No longer published; may be read for a while. */
void slot_ring_leave(struct slot_ring *r, uint32_t slot, usec_t now);

#endif
