/* SPDX-License-Identifier: GPL-2.0-only */
/* Slots rest a second; oldest first; adopted ones are in use. */
#include <criterion/criterion.h>
#include <errno.h>

#include "dp/ring.h"

Test(ring, slot_zero_is_never_given)
{
	struct slot_ring r;
	uint32_t slot;

	cr_assert_eq(slot_ring_init(&r, 4), 0);
	for (uint32_t i = 1; i < 4; i++) {
		cr_assert_eq(slot_ring_take(&r, 0, &slot), 0);
		cr_assert_eq(slot, i);
	}
	slot = 77;
	cr_assert_eq(slot_ring_take(&r, 0, &slot), -ENOSPC, "nothing rests");
	cr_assert_eq(slot, 77);
	slot_ring_clear(&r);
}

Test(ring, a_left_slot_rests_a_second)
{
	struct slot_ring r;
	uint32_t a, b;
	usec_t t = 5 * USEC_PER_SEC;

	cr_assert_eq(slot_ring_init(&r, 3), 0);
	cr_assert_eq(slot_ring_take(&r, t, &a), 0);
	cr_assert_eq(slot_ring_take(&r, t, &b), 0);
	slot_ring_leave(&r, a, t);
	cr_assert_eq(slot_ring_take(&r, t + USEC_PER_SEC - 1, &b), -EAGAIN);
	cr_assert_eq(slot_ring_take(&r, t + USEC_PER_SEC, &b), 0);
	cr_assert_eq(b, a);
	slot_ring_clear(&r);
}

Test(ring, adopted_slots_are_in_use)
{
	struct slot_ring r;
	uint32_t slot;

	cr_assert_eq(slot_ring_init(&r, 4), 0);
	slot_ring_mark(&r, 1);
	slot_ring_mark(&r, 3);
	slot_ring_mark(&r, 0);
	slot_ring_mark(&r, 99);
	cr_assert_eq(slot_ring_take(&r, 0, &slot), 0);
	cr_assert_eq(slot, 2);
	cr_assert_eq(slot_ring_take(&r, USEC_PER_SEC * 100, &slot), -ENOSPC);
	slot_ring_clear(&r);
}
