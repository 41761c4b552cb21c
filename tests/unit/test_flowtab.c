/* SPDX-License-Identifier: GPL-2.0-only */
/* Shares exact to one slot of 256; little moves when a member comes, goes or changes weight. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "dp/dp.h"

static void counts(const uint32_t *ids, const uint16_t *w, size_t n, unsigned ret_n[8])
{
	__u8 flow[STEER_FLOW_SLOTS];

	memset(flow, 0xff, sizeof(flow));
	flowtab_fill(flow, ids, w, n);
	memset(ret_n, 0, 8 * sizeof(*ret_n));
	for (int s = 0; s < STEER_FLOW_SLOTS; s++) {
		cr_assert_lt(flow[s], n ? n : 1);
		ret_n[flow[s]]++;
	}
}

/* Slots whose path differs. */
static unsigned moved(const uint32_t *ids_a, const uint16_t *wa, size_t na, const uint32_t *ids_b,
		      const uint16_t *wb, size_t nb)
{
	__u8 a[STEER_FLOW_SLOTS], b[STEER_FLOW_SLOTS];
	unsigned n = 0;

	flowtab_fill(a, ids_a, wa, na);
	flowtab_fill(b, ids_b, wb, nb);
	for (int s = 0; s < STEER_FLOW_SLOTS; s++)
		n += ids_a[a[s]] != ids_b[b[s]];
	return n;
}

Test(flowtab, shares_are_within_one_slot)
{
	srand(1);
	for (int round = 0; round < 300; round++) {
		size_t n = 1 + rand() % STEER_MEMBERS_MAX;
		uint32_t ids[8], total = 0;
		uint16_t w[8];
		unsigned got[8];

		for (size_t i = 0; i < n; i++) {
			ids[i] = 1 + rand() % 1000;
			total += w[i] = 1 + rand() % (round % 2 ? 10 : 65535);
		}
		counts(ids, w, n, got);
		for (size_t i = 0; i < n; i++) {
			double exact = 256.0 * w[i] / total;

			cr_assert(got[i] > exact - 1 && got[i] < exact + 1, "%u of %f", got[i],
				  exact);
		}
	}
}

/* 100,000 flows by an 8-bit hash: within 2 % of the weights (3:1 is a multiple of a slot). */
Test(flowtab, flows_follow_the_weights)
{
	const uint32_t ids[] = { 7, 12 };
	const uint16_t w[] = { 3, 1 };
	__u8 flow[STEER_FLOW_SLOTS];
	unsigned n[2] = { 0 };
	uint32_t x = 12345;

	flowtab_fill(flow, ids, w, 2);
	for (int i = 0; i < 100000; i++) {
		x = x * 1664525u + 1013904223u;
		n[flow[x >> 24]]++;
	}
	cr_assert(abs((int)n[0] - 75000) < 1500, "%u", n[0]);
}

Test(flowtab, same_input_same_table)
{
	const uint32_t ids[] = { 3, 9, 4 };
	const uint16_t w[] = { 5, 5, 1 };

	cr_assert_eq(moved(ids, w, 3, ids, w, 3), 0);
}

/* The order of members is a preference, not a place in the table. */
Test(flowtab, order_moves_nothing)
{
	const uint32_t a[] = { 3, 9, 4 }, b[] = { 4, 3, 9 };
	const uint16_t w[] = { 2, 2, 2 };

	cr_assert_leq(moved(a, w, 3, b, w, 3), 2); /* the odd slot of 256 / 3 may change hands */
}

/* One of n goes: its own slots must move, few others may. */
Test(flowtab, removal_moves_little)
{
	for (uint32_t base = 1; base < 40; base++) {
		const uint32_t a[] = { base, base + 1, base + 2, base + 3 };
		const uint16_t w[] = { 1, 1, 1, 1 };
		unsigned n = moved(a, w, 4, a, w, 3);

		cr_assert_geq(n, 64);
		cr_assert_leq(n, 64 + 26, "%u slots", n); /* a tenth of the table beyond its own */
	}
}

Test(flowtab, weight_change_moves_little)
{
	for (uint32_t base = 1; base < 40; base++) {
		const uint32_t a[] = { base, base + 1 };
		const uint16_t w1[] = { 1, 1 }, w2[] = { 3, 1 };
		unsigned n = moved(a, w1, 2, a, w2, 2);

		cr_assert_geq(n, 64);
		cr_assert_leq(n, 64 + 26, "%u slots", n);
	}
}

/* A standby has no slots; only standbys share; nobody at all is member 0. */
Test(flowtab, weight_zero)
{
	const uint32_t ids[] = { 1, 2, 3 };
	unsigned got[8];

	counts(ids, (const uint16_t[]){ 1, 0, 1 }, 3, got);
	cr_assert_eq(got[1], 0);
	cr_assert_eq(got[0], 128);
	counts(ids, (const uint16_t[]){ 0, 0, 0 }, 3, got);
	cr_assert(got[0] >= 85 && got[1] >= 85 && got[2] >= 85);
	counts(ids, (const uint16_t[]){ 0, 5 }, 2, got);
	cr_assert_eq(got[1], 256);
	counts(ids, (const uint16_t[]){ 0 }, 0, got);
	cr_assert_eq(got[0], 256);
}
