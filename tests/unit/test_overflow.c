/* SPDX-License-Identifier: GPL-2.0-only */
/* Priority with overflow against a simulated load: spills what the first path has no room for, and
 * moves no flows to and fro. */
#include <criterion/criterion.h>

#include "steer/overflow.h"

#define MBIT UINT64_C(1000000)
enum { SEC = 1000000, STEP = SEC / 4, HOLD = 5 * SEC };

static struct overflow o;
static struct overflow_load load[3];
static usec_t now, next;
static unsigned changes;

static void begin(void)
{
	o = (struct overflow){ 0 };
	load[0] = (struct overflow_load){ .room_bps = 10 * MBIT };
	load[1] = (struct overflow_load){ .room_bps = 20 * MBIT };
	load[2] = (struct overflow_load){ .room_bps = UINT64_MAX };
	now = SEC;
	changes = 0;
}

TestSuite(overflow, .init = begin);

/* So much is sent, spread as the slots are. */
static void demand(uint64_t bps, size_t n)
{
	for (size_t i = 0; i < n; i++)
		load[i].class_bps = o.n ? bps * o.share[i] / STEER_FLOW_SLOTS : i ? 0 : bps;
	changes += overflow_update(&o, load, n, HOLD, now, &next);
	now += STEP;
}

static unsigned sum(void)
{
	unsigned s = 0;

	for (size_t i = 0; i < STEER_MEMBERS_MAX; i++)
		s += o.share[i];
	return s;
}

Test(overflow, what_fits_stays_on_the_first)
{
	for (int i = 0; i < 100; i++)
		demand((5 + (uint64_t)i % 5) * MBIT, 2);
	cr_assert_eq(o.share[0], STEER_FLOW_SLOTS);
	cr_assert_eq(changes, 0);
}

Test(overflow, only_the_excess_is_spilled)
{
	demand(16 * MBIT, 3);
	cr_assert_eq(o.share[0], STEER_FLOW_SLOTS * 10 / 16);
	cr_assert_eq(o.share[1], STEER_FLOW_SLOTS - o.share[0]);
	cr_assert_eq(o.share[2], 0);
	demand(40 * MBIT, 3);
	cr_assert_eq(o.share[0], STEER_FLOW_SLOTS / 4);
	cr_assert_eq(o.share[1], STEER_FLOW_SLOTS / 2);
	cr_assert_eq(o.share[2], STEER_FLOW_SLOTS / 4);
	cr_assert_eq(sum(), STEER_FLOW_SLOTS);
}

Test(overflow, where_all_are_full_each_has_its_part)
{
	demand(60 * MBIT, 2);
	cr_assert_eq(sum(), STEER_FLOW_SLOTS);
	cr_assert_leq(abs(o.share[0] - STEER_FLOW_SLOTS / 3), 1);
	changes = 0;
	for (int i = 0; i < 100; i++)
		demand((50 + (uint64_t)i % 20) * MBIT, 2);
	cr_assert_eq(changes, 0);
}

Test(overflow, what_was_spilled_returns_after_the_hold)
{
	demand(20 * MBIT, 2);
	cr_assert_eq(o.share[0], STEER_FLOW_SLOTS / 2);
	demand(5 * MBIT, 2);
	cr_assert_eq(o.share[0], STEER_FLOW_SLOTS / 2);
	cr_assert_eq(next, now - STEP + HOLD);
	for (usec_t end = next; now <= end;)
		demand(5 * MBIT, 2);
	cr_assert_eq(o.share[0], STEER_FLOW_SLOTS);
	cr_assert_eq(changes, 2);
}

/* Bursts that are closer together than the hold: what the worst needs is kept. */
Test(overflow, a_load_that_comes_and_goes_moves_nothing)
{
	for (int i = 0; i < 400; i++)
		demand(i % 8 < 4 ? 16 * MBIT : 4 * MBIT, 2);
	cr_assert_eq(changes, 1);
	cr_assert_eq(o.share[0], STEER_FLOW_SLOTS * 10 / 16);
	for (int i = 0; i < 400; i++) /* smaller ones: a part returns, once */
		demand(i % 8 < 4 ? 12 * MBIT : 4 * MBIT, 2);
	cr_assert_eq(changes, 2);
	cr_assert_eq(o.share[0], STEER_FLOW_SLOTS * 10 / 12);
}

/* Flows that take what they get: a path carries no more than it can, whatever slots it has. */
Test(overflow, greedy_flows_settle)
{
	uint64_t can[2] = { 12 * MBIT, 25 * MBIT }, each = MBIT; /* and 30 flows */
	uint16_t last;

	for (int i = 0; i < 200; i++) {
		for (size_t k = 0; k < 2; k++) {
			uint16_t share = o.n ? o.share[k] : k ? 0 : STEER_FLOW_SLOTS;
			uint64_t want = 30 * each * share / STEER_FLOW_SLOTS;

			load[k].class_bps = want < can[k] ? want : can[k];
		}
		last = o.share[0];
		changes += overflow_update(&o, load, 2, HOLD, now, &next);
		now += STEP;
		cr_assert(i < 20 || o.share[0] == last, "at %d: %u, %u", i, last, o.share[0]);
	}
	cr_assert_leq(abs(o.share[0] - STEER_FLOW_SLOTS / 3), 2, "%u", o.share[0]);
}

Test(overflow, others_on_the_uplink_take_room)
{
	load[0].room_bps = 0;
	demand(5 * MBIT, 2);
	cr_assert_eq(o.share[0], 0);
	cr_assert_eq(o.share[1], STEER_FLOW_SLOTS);
}
