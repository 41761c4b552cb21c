/* SPDX-License-Identifier: GPL-2.0-only */
/* IKE SAs set up one beside the other, each with an authentication of its own, for a peer that does
 * not clone (ike_up_beside). */
#include <errno.h>

#include "clone_assert.h"

static struct ike *core(struct sim *s, unsigned side)
{
	return s->side[side].ike;
}

static struct ike_path pair(const struct sim *s, const char *local)
{
	return (struct ike_path){ .local.ip = sim_addr(local),
				  .remote.ip = sim_path(s, A).remote.ip };
}

/* B does not clone, and has addresses for A to ask for. */
static struct sim *alone(uint64_t seed)
{
	struct sim *s = pooled(seed, 9);

	s->side[B].conn[0].clone = false;
	s->side[A].conn[0].vips_per_line = false;
	return s;
}

static int beside(struct sim *s, const char *local, uint32_t op)
{
	struct ike_path p = pair(s, local);

	return ike_up_beside(core(s, A), nth(s, A, 0).line, "net", &p, op, s->now);
}

static void two(struct sim *s)
{
	struct ike_sa_info a = nth(s, A, 0), b = nth(s, A, 1);

	cr_assert_eq(ike_sa_count(core(s, A)), 2);
	cr_assert_eq(ike_sa_count(core(s, B)), 2);
	cr_assert(sim_mirrored(s, 2));
	cr_assert_eq(a.family, b.family, "the owner sees them as one");
	cr_assert_neq(a.line, b.line);
	cr_assert_neq(nth(s, B, 0).family, nth(s, B, 1).family, "the peer cannot know");
}

/* [CLONE-53]: with the same virtual address, on its own pair, authenticated; it stays so over
 * rekeys, restarts, and authentication anew, which is each one's own. */
Test(beside, as_one)
{
	struct sim *s = alone(1);

	s->side[A].conn[0].reauth_time = 1000 * USEC_PER_SEC;
	up_with(s);
	cr_assert_eq(beside(s, "203.0.113.10", 7), 0);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_UP, 7), 1);
	cr_assert_eq(sim_op_ends(&s->side[A], 7), 1);
	cr_assert_eq(s->exchanges[A][IKE_AUTH], 2);
	two(s);
	cr_assert(addr_is(nth(s, A, 1).path.local.ip, "203.0.113.10"));
	cr_assert(addr_is(nth(s, A, 0).vips[0], "10.3.0.1"));
	cr_assert(addr_is(nth(s, A, 1).vips[0], "10.3.0.1"));
	for (unsigned i = 0; i < 2; i++) {
		cr_assert_eq(ike_rekey_line(core(s, i), nth(s, i, 0).line, 8, s->now), 0);
		sim_settle(s, 5 * USEC_PER_SEC);
		sim_restart(s, i);
		two(s);
	}
	sim_run(s, 1100 * USEC_PER_SEC);
	cr_assert_eq(s->exchanges[A][IKE_AUTH], 4);
	two(s);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_DOWN, 0), 0);
	/* the end of one is nothing to the other, nor to its address */
	cr_assert_eq(ike_down_line(core(s, A), nth(s, A, 0).line, 9, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_gt(sim_last_event(&s->side[A], IKE_EV_IKE_DOWN)->session, 0);
	sound(s, 1);
	cr_assert(addr_is(nth(s, A, 0).vips[0], "10.3.0.1"));
	cr_assert(addr_is(nth(s, B, 0).vips[0], "10.3.0.1"));
	alive(s, 1);
	sim_free(s);
}

/* With vips_per_line it asks for any, and gets another one. [CLONE-53] */
Test(beside, another_address)
{
	struct sim *s = alone(2);

	s->side[A].conn[0].vips_per_line = true;
	up_with(s);
	cr_assert_eq(beside(s, "203.0.113.10", 7), 0);
	sim_settle(s, USEC_PER_SEC);
	two(s);
	cr_assert(addr_is(nth(s, A, 1).vips[0], "10.3.0.2"));
	sim_free(s);
}

static bool elsewhere(void *ctx, const char *conn, struct ike_path *ret_path)
{
	(void)ctx;
	(void)conn;
	ret_path->local.ip = sim_addr("203.0.113.99");
	return true;
}

/* Nobody answers there: it ends, tried nowhere else, and the first one does not notice. Only I has
 * one, and only of what is there. */
Test(beside, there_or_nowhere)
{
	struct sim *s = alone(3);
	struct ike_path p = pair(s, "203.0.113.10");

	s->other_path = elsewhere;
	up_with(s);
	cr_assert_eq(beside(s, "203.0.113.10", 7), 0);
	s->cut[B] = true;
	sim_drain(s, A);
	while (!sim_op_ends(&s->side[A], 7)) {
		cr_assert(addr_is(s->last_path[A].local.ip, "203.0.113.10"));
		sim_run(s, USEC_PER_SEC);
	}
	s->cut[B] = false;
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_FAILED, 7), 1);
	sim_run(s, 60 * USEC_PER_SEC);
	sound(s, 1);
	cr_assert_eq(ike_up_beside(core(s, A), 99, "net", &p, 8, s->now), -ENOENT);
	cr_assert_eq(ike_up_beside(core(s, A), nth(s, A, 0).line, "none", &p, 8, s->now), -ENOENT);
	cr_assert_eq(ike_up_beside(core(s, B), nth(s, B, 0).line, "net", &p, 8, s->now), -EINVAL);
	sim_free(s);
}
