/* SPDX-License-Identifier: GPL-2.0-only */
/* How many relations are planned anew for what their paths carry. */
#include <criterion/criterion.h>

#include "steer/load.h"

enum { PATHS = 4000, LOOKS = 200, CLASSES = 1 << 0 | 1 << 2 };

static struct load told[PATHS], now[PATHS];

/* Everybody is looked at; returns how many are planned. */
static unsigned look(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PATHS; i++) {
		if (!load_moved(&told[i], &now[i], CLASSES))
			continue;
		told[i] = now[i];
		n++;
	}
	return n;
}

Test(load, idle_relations_cost_no_plan)
{
	unsigned n = 0;

	/* probes each 50 ms, of which now four and now six fall into a quarter of a second */
	for (unsigned l = 0; l < LOOKS; l++) {
		for (unsigned i = 0; i < PATHS; i++) {
			now[i].class_bps[0] = 20000 + (l * 7 + i * 13) % 10000;
			now[i].uplink_bps = (l % 2 ? 300 : 100) * UINT64_C(1000000);
		}
		n += look();
	}
	/* once, when they come */
	cr_assert_leq(n, PATHS, "%u plans in %u looks", n, LOOKS);
}

Test(load, those_that_send_are_planned_and_no_others)
{
	look();
	for (unsigned l = 0; l < LOOKS; l++) {
		for (unsigned i = 0; i < 5; i++)
			now[i * 100].class_bps[2] = (l % 2 ? 20 : 10) * UINT64_C(1000000);
		cr_assert_eq(look(), 5);
	}
	/* a class that asks for no rates */
	now[7].class_bps[1] = 1000000000;
	cr_assert_eq(look(), 0);
}

Test(load, what_ends_is_told)
{
	now[3].class_bps[0] = 5000000;
	cr_assert_eq(look(), 1);
	cr_assert_eq(look(), 0, "what stays the same is nothing new");
	now[3].class_bps[0] = 0;
	cr_assert_eq(look(), 1);
	cr_assert_eq(look(), 0);
}

Test(load, others_on_the_uplink_count_for_those_that_carry)
{
	now[1].class_bps[0] = 3000000;
	look();
	for (unsigned i = 0; i < PATHS; i++)
		now[i].uplink_bps = 50000000;
	cr_assert_eq(look(), 1);
}
