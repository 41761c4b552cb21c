/* SPDX-License-Identifier: GPL-2.0-only */
/* Shares exact to one slot of 256; what moves when a member comes, goes or changes weight is what
 * the shares take, and of a member that stays with its share nothing. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "dp/dp.h"

struct table {
	size_t n;
	uint32_t ids[STEER_MEMBERS_MAX];
	uint16_t w[STEER_MEMBERS_MAX];
	uint16_t flow[STEER_FLOW_SLOTS];
};

static void update(struct table *t)
{
	flowtab_update(t->flow, t->ids, t->w, t->n);
}

static unsigned held(const struct table *t, uint32_t path)
{
	unsigned n = 0;

	for (int s = 0; s < STEER_FLOW_SLOTS; s++)
		n += t->flow[s] == path;
	return n;
}

static unsigned moved(const struct table *a, const struct table *b)
{
	unsigned n = 0;

	for (int s = 0; s < STEER_FLOW_SLOTS; s++)
		n += a->flow[s] != b->flow[s];
	return n;
}

/* As few as exact shares take: those that members have to give away. */
static unsigned lost(const struct table *was, const struct table *is)
{
	unsigned n = 0;

	for (size_t i = 0; i < was->n; i++) {
		unsigned before = held(was, was->ids[i]), after = held(is, was->ids[i]);

		n += before > after ? before - after : 0;
	}
	return n;
}

static void random_weights(struct table *t, int most)
{
	for (size_t i = 0; i < t->n; i++)
		t->w[i] = (uint16_t)(1 + rand() % most);
}

static struct table random_table(int most)
{
	struct table t = { .n = 1 + (size_t)rand() % STEER_MEMBERS_MAX };
	uint32_t first = 1 + (uint32_t)rand() % 1000;

	for (size_t i = 0; i < t.n; i++)
		t.ids[i] = first + 13 * (uint32_t)i;
	random_weights(&t, most);
	return t;
}

static void assert_exact(const struct table *t)
{
	uint32_t total = 0;

	for (size_t i = 0; i < t->n; i++)
		total += t->w[i];
	for (size_t i = 0; i < t->n; i++) {
		double exact = 256.0 * t->w[i] / total;
		unsigned got = held(t, t->ids[i]);

		cr_assert(got > exact - 1 && got < exact + 1, "%u of %f", got, exact);
	}
}

/* At random: new weights, one more member, one less, another order. */
static void change(struct table *t, int most)
{
	static uint32_t next = 5000;
	uint32_t swap = t->ids[0];

	switch (rand() % 4) {
	case 0:
		random_weights(t, most);
		break;
	case 1:
		if (t->n == STEER_MEMBERS_MAX)
			break;
		t->ids[t->n] = next++;
		t->w[t->n++] = (uint16_t)(1 + rand() % most);
		break;
	case 2:
		if (t->n > 1)
			t->n--;
		break;
	case 3:
		t->ids[0] = t->ids[t->n - 1];
		t->ids[t->n - 1] = swap;
		break;
	}
}

/* Whatever came before. */
Test(flowtab, shares_are_exact_and_no_more_moves)
{
	srand(1);
	for (int round = 0; round < 300; round++) {
		int most = round % 2 ? 10 : 65535;
		struct table t = random_table(most), was;

		update(&t);
		assert_exact(&t);
		for (int i = 0; i < 20; i++) {
			was = t;
			change(&t, most);
			update(&t);
			assert_exact(&t);
			cr_assert_eq(moved(&was, &t), lost(&was, &t), "round %d", round);
		}
	}
}

/* 100,000 flows by an 8-bit hash: within 2 % of the weights (3:1 is a multiple of a slot). */
Test(flowtab, flows_follow_the_weights)
{
	struct table t = { 2, { 7, 12 }, { 3, 1 }, { 0 } };
	unsigned n = 0;
	uint32_t x = 12345;

	update(&t);
	for (int i = 0; i < 100000; i++) {
		x = x * 1664525u + 1013904223u;
		n += t.flow[x >> 24] == 7;
	}
	cr_assert(abs((int)n - 75000) < 1500, "%u", n);
}

Test(flowtab, same_input_same_table)
{
	struct table t = { 3, { 3, 9, 4 }, { 5, 5, 1 }, { 0 } }, u = t;

	update(&t);
	update(&u);
	cr_assert_arr_eq(t.flow, u.flow, sizeof(t.flow));
	update(&u);
	cr_assert_arr_eq(t.flow, u.flow, sizeof(t.flow));
}

/* The order of members is a preference, not a place in the table. */
Test(flowtab, order_moves_nothing)
{
	struct table t = { 3, { 3, 9, 4 }, { 2, 2, 2 }, { 0 } }, was;

	update(&t);
	was = t;
	for (int i = 0; i < 3; i++)
		t.ids[i] = was.ids[(i + 1) % 3];
	update(&t);
	cr_assert_eq(moved(&was, &t), 0);
}

/* One of four goes: its slots alone move. One that comes takes its share and no slot more. */
Test(flowtab, membership)
{
	struct table t = { 4, { 1, 2, 3, 4 }, { 1, 1, 1, 1 }, { 0 } }, was;

	update(&t);
	was = t;
	t.n = 3;
	update(&t);
	for (int s = 0; s < STEER_FLOW_SLOTS; s++)
		cr_assert(was.flow[s] == 4 || was.flow[s] == t.flow[s]);
	was = t;
	t.n = 4;
	update(&t);
	cr_assert_eq(moved(&was, &t), 64);
	cr_assert_eq(held(&t, 4), 64);
}

/* Slots of one path are spread: whoever stands in for it by the slot's number shares them. */
Test(flowtab, slots_of_a_path_have_nothing_in_common)
{
	srand(2);
	for (int round = 0; round < 100; round++) {
		struct table t = { 3, { 1, 2, 3 }, { 1, 1, 1 }, { 0 } };

		for (int i = 0; i < round; i++) {
			random_weights(&t, 10);
			update(&t);
		}
		t.w[0] = t.w[1] = t.w[2] = 1;
		update(&t);
		for (unsigned p = 1; p <= 3; p++) {
			unsigned odd = 0;

			for (unsigned s = 1; s < STEER_FLOW_SLOTS; s += 2)
				odd += t.flow[s] == p;
			cr_assert(odd > 20 && odd < 66, "%u of %u", odd, held(&t, p));
		}
	}
}

/* A standby has no slots; only standbys share; without members no slot has a path. */
Test(flowtab, weight_zero)
{
	struct table t = { 3, { 1, 2, 3 }, { 1, 0, 1 }, { 0 } };

	update(&t);
	cr_assert_eq(held(&t, 2), 0);
	cr_assert_eq(held(&t, 1), 128);
	t.w[0] = t.w[2] = 0;
	update(&t);
	cr_assert(held(&t, 1) >= 85 && held(&t, 2) >= 85 && held(&t, 3) >= 85);
	t.n = 1;
	update(&t);
	cr_assert_eq(held(&t, 1), STEER_FLOW_SLOTS);
	t.n = 0;
	update(&t);
	cr_assert_eq(held(&t, 0), STEER_FLOW_SLOTS);
}
