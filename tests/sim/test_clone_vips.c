/* SPDX-License-Identifier: GPL-2.0-only */
/* Cloned IKE SAs with virtual addresses of their own (RFC 7296 2.19, RFC 7791 8). */
#include "clone_assert.h"

static struct ike *core(struct sim *s, unsigned side)
{
	return s->side[side].ike;
}

static uint32_t next_op = 100;

/* A clone of A's, with a Child SA. */
static struct ike_sa_info with_child(struct sim *s, const char *child)
{
	struct ike_sa_info clone = cloned(s, A, ++next_op), sa;

	cr_assert_eq(ike_up_line(core(s, A), clone.line, child, ++next_op, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_UP, next_op), 1);
	cr_assert(same_sa(s, A, &clone, &sa));
	return sa;
}

/* That line has that address at both ends, and so have its Child SAs. */
static void has_addr(struct sim *s, const struct ike_sa_info *sa, const char *text)
{
	struct ike_sa_info a, b;
	struct ike_child_info c;

	for (size_t i = 0; ike_sa_at(core(s, A), i, &a); i++) {
		if (a.line != sa->line)
			continue;
		cr_assert(same_sa(s, B, &a, &b));
		cr_assert_eq(a.n_vips, 1);
		cr_assert_eq(b.n_vips, 1);
		cr_assert(addr_is(a.vips[0], text), "A has another one than %s", text);
		cr_assert(addr_is(b.vips[0], text), "B has another one than %s", text);
		for (size_t j = 0; ike_child_at(core(s, A), i, j, &c); j++)
			cr_assert(addr_is(c.ts_local[0].first, text));
		return;
	}
	cr_assert_fail("the line is gone");
}

/* [CLONE-41] [CLONE-42]: one for each line, which its selectors are narrowed to and the data plane
 * hears of; further Child SAs of the line have the same, rekeys and restarts keep it. */
Test(clone_vips, one_for_each_line)
{
	struct sim *s = up_with(pooled(1, 9));
	struct ike_sa_info first = nth(s, A, 0), second, third;

	second = with_child(s, "net");
	third = with_child(s, "more");
	paired(s, 3, 3);
	cr_assert_eq(s->side[A].children[2].n_vips, 1);
	cr_assert(addr_is(s->side[A].children[2].vips[0], "10.3.0.3"));
	cr_assert_eq(ike_up_line(core(s, A), second.line, "more", 7, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	paired(s, 3, 4);
	all_alive(s, 3, 4);
	for (unsigned i = 0; i < 4; i++) {
		has_addr(s, &first, "10.3.0.1");
		has_addr(s, &second, "10.3.0.2");
		has_addr(s, &third, "10.3.0.3");
		if (i < SIM_SIDES)
			sim_restart(s, i);
		else if (i == 2)
			cr_assert_eq(ike_rekey(core(s, A), "c", "more", 8, s->now), 0);
		sim_settle(s, USEC_PER_SEC);
	}
	all_alive(s, 3, 4);
	sim_free(s);
}

/* [CLONE-20]: the address goes with its line, and the next one may have it; with the last one all
 * are free. */
Test(clone_vips, given_back)
{
	struct sim *s = up_with(pooled(2, 3));
	struct ike_sa_info first = nth(s, A, 0), second, third;

	second = with_child(s, "net");
	third = with_child(s, "net");
	cr_assert_eq(ike_down_line(core(s, A), second.line, 7, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	has_addr(s, &third, "10.3.0.3");
	second = with_child(s, "net");
	has_addr(s, &second, "10.3.0.2");
	/* the first one's stays as long as a clone without its own has it */
	cloned(s, A, ++next_op);
	cr_assert_eq(ike_down_line(core(s, A), first.line, 8, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	cr_assert(addr_is(nth(s, A, 2).vips[0], "10.3.0.1"));
	cr_assert_eq(ike_up_line(core(s, A), nth(s, A, 2).line, "net", 9, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	first = nth(s, A, 2);
	has_addr(s, &first, "10.3.0.1");
	paired(s, 3, 3);
	cr_assert_eq(ike_down(core(s, A), "c", NULL, 10, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_eq(sim_up(s, A, NULL, 11), 0);
	sim_settle(s, USEC_PER_SEC);
	with_child(s, "net");
	with_child(s, "net");
	paired(s, 3, 3);
	sim_free(s);
}

/* [CLONE-43]: the pool has no more: the line shares the first one's, and its Child SA comes about.
 */
Test(clone_vips, none_left)
{
	struct sim *s = up_with(pooled(3, 2));
	struct ike_sa_info first = nth(s, A, 0), second, third;

	second = with_child(s, "net");
	third = with_child(s, "net");
	has_addr(s, &first, "10.3.0.1");
	has_addr(s, &second, "10.3.0.2");
	has_addr(s, &third, "10.3.0.1");
	paired(s, 3, 3);
	cr_assert_eq(ike_down_line(core(s, A), first.line, 7, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	has_addr(s, &third, "10.3.0.1");
	all_alive(s, 2, 2);
	sim_free(s);
}

/* [CLONE-44]: shared unless configured otherwise, and asked for by I only. */
Test(clone_vips, shared)
{
	struct sim *s = pooled(4, 9);
	struct ike_sa_info second;

	s->side[A].conn[0].vips_per_line = false;
	up_with(s);
	second = with_child(s, "net");
	has_addr(s, &second, "10.3.0.1");
	cr_assert_eq(ike_up_line(core(s, B), other_line(s, B, &second), "more", 7, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	has_addr(s, &second, "10.3.0.1");
	paired(s, 2, 3);
	sim_free(s);
}

/* The peer answers without CP, as one that ignores it: B is told so by its configuration after the
 * first address was given. It narrows to that one, or to what is not ours: then the Child SA is
 * deleted, and asked for as one that shares. [CLONE-43] */
Test(clone_vips, ignored)
{
	for (unsigned wide = 0; wide < 2; wide++) {
		struct sim *s = up_with(pooled(5, 9));
		struct ike_sa_info second, third;
		unsigned sent;

		s->side[B].conn[0].n_pools = 0;
		for (unsigned i = 0; i < 2 && wide; i++)
			s->side[B].child[0][i].remote_ts[0] = sim_ts("10.3.0.0/24");
		sim_reload(s, B);
		sim_restart(s, B);
		sent = s->exchanges[A][CREATE_CHILD_SA];
		second = with_child(s, "net");
		has_addr(s, &second, "10.3.0.1");
		cr_assert_eq(s->exchanges[A][CREATE_CHILD_SA] - sent, wide ? 3 : 2);
		sent = s->exchanges[A][CREATE_CHILD_SA];
		third = with_child(s, "net");
		has_addr(s, &third, "10.3.0.1");
		cr_assert_eq(s->exchanges[A][CREATE_CHILD_SA] - sent, 2, "it is asked no more");
		all_alive(s, 3, 3);
		sim_free(s);
	}
}

/* Two Child SAs of one line at the same time have one address together; each datagram lost, doubled
 * or late once. [CLONE-41] */
Test(clone_vips, two_at_once)
{
	for (unsigned i = 0; i < 24; i++) {
		struct sim *s = pooled(10 + i, 9);
		struct ike_sa_info clone;

		for (unsigned k = 0; k < SIM_SIDES; k++)
			s->side[k].conn[0].window = 4;
		up_with(s);
		clone = cloned(s, A, ++next_op);
		if (i)
			*(i % 3 == 0   ? &s->lose
			  : i % 3 == 1 ? &s->duplicate
				       : &s->late) = UINT64_C(1) << (s->sent + i / 3 / 2);
		cr_assert_eq(ike_up_line(core(s, A), clone.line, "net", 7, s->now), 0);
		cr_assert_eq(ike_up_line(core(s, A), clone.line, "more", 8, s->now), 0);
		sim_settle(s, 20 * USEC_PER_SEC);
		paired(s, 2, 3);
		has_addr(s, &clone, "10.3.0.2");
		if (i & 1)
			sim_restart(s, B);
		s->lose = s->duplicate = s->late = 0;
		clone = with_child(s, "net");
		has_addr(s, &clone, "10.3.0.3");
		sim_free(s);
	}
}

/* What is refused for another reason takes no address. */
Test(clone_vips, nothing_for_a_refusal)
{
	struct sim *s = pooled(40, 2);
	struct ike_sa_info clone;

	s->side[A].child[0][1].remote_ts[0] = sim_ts("10.99.0.0/16");
	up_with(s);
	clone = cloned(s, A, ++next_op);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(ike_up_line(core(s, A), clone.line, "more", 20 + i, s->now), 0);
		sim_settle(s, USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_FAILED, 20 + i), 1);
	}
	cr_assert_eq(ike_up_line(core(s, A), clone.line, "net", 30, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	has_addr(s, &clone, "10.3.0.2");
	paired(s, 2, 2);
	sim_free(s);
}
