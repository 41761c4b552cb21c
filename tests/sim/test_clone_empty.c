/* SPDX-License-Identifier: GPL-2.0-only */
/* A clone without a Child SA is an IKE SA like any other. */
#include "clone_assert.h"

static struct ike *core(struct sim *s, unsigned side)
{
	return s->side[side].ike;
}

static struct ike_path at(const char *local)
{
	return (struct ike_path){ .local = { .ip = sim_addr(local), .port = 4500 } };
}

static unsigned of_line(const struct sim *s, unsigned side, enum ike_event_kind kind, uint64_t line)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->side[side].n_events; i++)
		n += s->side[side].events[i].kind == kind && s->side[side].events[i].line == line;
	return n;
}

/* What comes from or goes to that address is lost. */
static struct addr dead;

static void drop_dead(struct sim *s, struct sim_packet *p)
{
	(void)s;
	p->used = !addr_equal(&p->src.ip, &dead) && !addr_equal(&p->dst.ip, &dead);
}

/* [CLONE-47]: it moves, both ends are told so, and also before and after a restart. */
Test(clone_empty, moves)
{
	struct sim *s = up_with(cloneable(1));
	struct ike_sa_info clone = cloned(s, A, 7), b;
	struct ike_path to = at("203.0.113.10");

	for (unsigned i = 0; i < 4; i++) {
		to.local.ip.b[3] = (uint8_t)(10 + i);
		cr_assert_eq(ike_path_change(core(s, A), clone.line, &to, s->now), 0);
		sim_settle(s, USEC_PER_SEC);
		cr_assert_eq(of_line(s, A, IKE_EV_MOVED, clone.line), i + 1);
		cr_assert_eq(of_line(s, B, IKE_EV_PEER_MOVED, other_line(s, B, &clone)), i + 1);
		cr_assert(same_sa(s, B, &clone, &b));
		cr_assert(addr_equal(&b.path.remote.ip, &to.local.ip));
		cr_assert(addr_is(nth(s, A, 0).path.local.ip, "192.0.2.1"), "the first stays");
		sim_restart(s, i & 1);
	}
	cr_assert_eq(ike_up_line(core(s, A), clone.line, "net", 8, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	cr_assert(addr_is(sim_last_event(&s->side[A], IKE_EV_CHILD_UP)->path.local.ip,
			  "203.0.113.13"));
	paired(s, 2, 2);
	all_alive(s, 2, 2);
	sim_free(s);
}

/* [CLONE-47]: its liveness is asked for, nobody answers, and another pair helps: all that is told
 * of it, and nothing of the first one. Without another pair it ends alone. */
Test(clone_empty, unanswered)
{
	for (unsigned helped = 0; helped < 2; helped++) {
		struct sim *s = cloneable(2);
		struct ike_path to = at("203.0.113.10"), other = at("203.0.113.20");
		struct ike_sa_info clone;
		usec_t until;

		s->side[A].conn[0].dpd_delay = 10 * USEC_PER_SEC;
		s->side[B].conn[0].mobike_patience = 20 * USEC_PER_SEC;
		s->side[B].conn[0].dpd_delay = 30 * USEC_PER_SEC;
		up_with(s);
		clone = cloned(s, A, 7);
		cr_assert_eq(ike_path_change(core(s, A), clone.line, &to, s->now), 0);
		sim_settle(s, USEC_PER_SEC);
		dead = to.local.ip;
		until = s->now + 60 * USEC_PER_SEC;
		s->on_wire = drop_dead;
		while (!of_line(s, A, IKE_EV_UNANSWERED, clone.line)) {
			sim_run(s, USEC_PER_SEC / 2);
			cr_assert_lt(s->now, until);
		}
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_UNANSWERED, 0),
			     of_line(s, A, IKE_EV_UNANSWERED, clone.line));
		if (helped) {
			cr_assert_eq(ike_try_path(core(s, A), clone.line, &other, s->now), 0);
			sim_run(s, USEC_PER_SEC);
			cr_assert_eq(of_line(s, A, IKE_EV_PATH_ANSWERED, clone.line), 1);
			cr_assert_eq(ike_path_change(core(s, A), clone.line, &other, s->now), 0);
		}
		sim_run(s, 900 * USEC_PER_SEC);
		paired(s, 1 + helped, 1);
		cr_assert_eq(of_line(s, A, IKE_EV_IKE_DOWN, clone.line), !helped);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_DOWN, 0), !helped);
		sim_free(s);
	}
}

/* [CLONE-47]: a path is tested over it, and its rekey takes it along. */
Test(clone_empty, tested_and_rekeyed)
{
	struct sim *s = up_with(cloneable(3));
	struct ike_sa_info clone = cloned(s, B, 7);
	struct ike_path there = at("203.0.113.10");
	uint64_t line = other_line(s, A, &clone);

	for (unsigned side = 0; side < SIM_SIDES; side++) {
		cr_assert_eq(ike_path_test(core(s, A), line, &there, 8 + side, s->now), 0);
		sim_settle(s, USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_PATH_TESTED, 8 + side), 1);
		cr_assert_gt(sim_last_event(&s->side[A], IKE_EV_PATH_TESTED)->rtt, 0);
		cr_assert_eq(
			ike_rekey_line(core(s, side), side == A ? line : clone.line, 20, s->now),
			0);
		sim_settle(s, 5 * USEC_PER_SEC);
		cr_assert_eq(of_line(s, A, IKE_EV_IKE_REKEYED, line), 1 + side);
	}
	paired(s, 2, 1);
	sim_free(s);
}
