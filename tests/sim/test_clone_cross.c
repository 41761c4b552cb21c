/* SPDX-License-Identifier: GPL-2.0-only */
/* Cloned IKE SAs (RFC 7791) while something else goes on: other exchanges of either end, moves,
 * losses, a restart. */
#include <errno.h>

#include "clone_assert.h"

static struct ike *core(struct sim *s, unsigned side)
{
	return s->side[side].ike;
}

/* [CLONE-30]: both are made, whatever the nonces are. */
Test(clone_cross, both_at_once)
{
	for (unsigned i = 0; i < 8; i++) {
		struct sim *s = up_with(cloneable(40 + i));

		for (unsigned side = 0; side < SIM_SIDES; side++)
			cr_assert_eq(clone_of(s, side, nth(s, side, 0).line, 7), 0);
		sim_settle(s, USEC_PER_SEC / 2);
		paired(s, 3, 1);
		for (unsigned side = 0; side < SIM_SIDES; side++)
			cr_assert_eq(sim_count(&s->side[side], IKE_EV_CLONED, 7), 1);
		all_alive(s, 3, 1);
		sim_free(s);
	}
}

/* [CLONE-31]: each refuses the other's while its own is under way, and both come about later. */
Test(clone_cross, crossing_a_rekey)
{
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		struct sim *s = up_with(cloneable(50 + side));

		cr_assert_eq(clone_of(s, side, nth(s, side, 0).line, 7), 0);
		cr_assert_eq(ike_rekey(core(s, !side), "c", NULL, 8, s->now), 0);
		sim_settle(s, USEC_PER_SEC / 2);
		paired(s, 1, 1);
		sim_settle(s, 60 * USEC_PER_SEC);
		paired(s, 2, 1);
		cr_assert_eq(sim_count(&s->side[side], IKE_EV_CLONED, 7), 1);
		cr_assert_eq(sim_count(&s->side[!side], IKE_EV_IKE_REKEYED, 8), 1);
		all_alive(s, 2, 1);
		sim_free(s);
	}
}

/* [CLONE-22] [CLONE-32]: the peer makes, rekeys or deletes a Child SA; one of them waits. */
Test(clone_cross, crossing_child_work)
{
	for (unsigned i = 0; i < 6; i++) {
		unsigned side = i & 1;
		struct sim *s = up_with(cloneable(60 + i));

		cr_assert_eq(clone_of(s, side, nth(s, side, 0).line, 7), 0);
		cr_assert_eq(i < 2   ? sim_up(s, !side, "more", 8)
			     : i < 4 ? ike_rekey(core(s, !side), "c", "net", 8, s->now)
				     : ike_down(core(s, !side), "c", "net", 8, s->now),
			     0);
		sim_settle(s, USEC_PER_SEC / 2);
		paired(s, 1, i < 2 ? 2 : i < 4 ? 1 : 0);
		sim_settle(s, 60 * USEC_PER_SEC);
		paired(s, 2, i < 2 ? 2 : i < 4 ? 1 : 0);
		cr_assert_eq(sim_count(&s->side[side], IKE_EV_CLONED, 7), 1);
		sim_free(s);
	}
}

/* Its IKE SA is deleted meanwhile, by either end: nothing is left. [CLONE-22] */
Test(clone_cross, crossing_a_delete)
{
	for (unsigned i = 0; i < 4; i++) {
		struct sim *s = up_with(cloneable(70 + i));

		cr_assert_eq(clone_of(s, i & 1, nth(s, i & 1, 0).line, 7), 0);
		cr_assert_eq(ike_down(core(s, i >> 1), "c", NULL, 8, s->now), 0);
		sim_run(s, 300 * USEC_PER_SEC);
		for (unsigned side = 0; side < SIM_SIDES; side++) {
			cr_assert_leq(ike_sa_count(core(s, side)), 1);
			cr_assert_eq(s->side[side].spis, 0);
		}
		cr_assert_eq(ike_sa_count(core(s, A)), ike_sa_count(core(s, B)));
		cr_assert_eq(sim_op_ends(&s->side[i & 1], 7), 1);
		sim_free(s);
	}
}

/* [CLONE-37]: the answer that tells of the clone never comes, and the IKE SA it would come on is
 * closed: the other end finds that out without liveness checks being configured. */
Test(clone_cross, nobody_has_it)
{
	struct sim *s = up_with(cloneable(80));

	cr_assert_eq(clone_of(s, A, nth(s, A, 0).line, 7), 0);
	s->cut[B] = true;
	sim_steps(s, 1);
	cr_assert_eq(ike_sa_count(core(s, B)), 2);
	sim_fresh(s, A);
	s->cut[B] = false;
	sim_run(s, 30 * USEC_PER_SEC);
	sim_run(s, 600 * USEC_PER_SEC);
	cr_assert_eq(ike_sa_count(core(s, B)), 1, "the old one: nothing asks about it");
	cr_assert_eq(nth(s, B, 0).clone_of, 0);
	sim_free(s);
}

static struct ike_path from(const char *addr)
{
	return (struct ike_path){ .local = { .ip = sim_addr(addr) } };
}

static struct ike_path towards(const char *addr)
{
	return (struct ike_path){ .remote = { .ip = sim_addr(addr) } };
}

/* [CLONE-38] The walk-through of the appendix: a clone over the first address, its Child SA, a test
 * of the second address, and then the move; in that order, and with the move before the Child SA
 * [CLONE-34]; from another address of ours, and to another of the peer's. */
static void walk(bool move_first, struct ike_path there, const char *local, const char *remote)
{
	struct sim *s = cloneable(90);
	struct ike_sa_info first, clone, b;

	s->side[A].conn[0].n_remote_addrs = 2;
	s->side[A].conn[0].remote_addrs[1] = sim_addr("198.51.100.7");
	up_with(s);
	first = nth(s, A, 0);
	clone = cloned(s, A, 7);
	cr_assert(udp_addr_equal(&clone.path.local, &first.path.local));
	cr_assert(udp_addr_equal(&clone.path.remote, &first.path.remote));
	if (!move_first) {
		cr_assert_eq(ike_up_line(core(s, A), clone.line, "more", 8, s->now), 0);
		sim_settle(s, USEC_PER_SEC);
		paired(s, 2, 2);
	}
	cr_assert_eq(ike_path_test(core(s, A), clone.line, &there, 9, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_gt(sim_last_event(&s->side[A], IKE_EV_PATH_TESTED)->rtt, 0);
	for (unsigned i = 0; i < 2; i++) {
		struct ike_sa_info sa = nth(s, A, i);

		cr_assert(addr_equal(&sa.path.local.ip, &first.path.local.ip), "nothing moved");
		cr_assert(addr_equal(&sa.path.remote.ip, &first.path.remote.ip));
	}
	cr_assert_eq(ike_path_change(core(s, A), clone.line, &there, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_eq(sim_last_event(&s->side[A], IKE_EV_MOVED)->line, clone.line);
	cr_assert(addr_is(nth(s, A, 1).path.local.ip, local));
	cr_assert(addr_is(nth(s, A, 1).path.remote.ip, remote));
	cr_assert(same_sa(s, B, &clone, &b));
	cr_assert_eq(sim_last_event(&s->side[B], IKE_EV_PEER_MOVED)->line, b.line);
	b = nth(s, A, 0);
	cr_assert(addr_equal(&b.path.local.ip, &first.path.local.ip));
	cr_assert(addr_equal(&b.path.remote.ip, &first.path.remote.ip));
	if (move_first) {
		cr_assert_eq(ike_up_line(core(s, A), clone.line, "more", 8, s->now), 0);
		sim_settle(s, USEC_PER_SEC);
	}
	paired(s, 2, 2);
	/* the first one goes, and the session is still there */
	cr_assert_eq(ike_down_line(core(s, A), first.line, 10, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	paired(s, 1, 1);
	cr_assert_eq(sim_last_event(&s->side[B], IKE_EV_IKE_DOWN)->session, 0);
	all_alive(s, 1, 1);
	sim_free(s);
}

Test(clone_cross, the_walk_through)
{
	for (unsigned i = 0; i < 2; i++) {
		walk(i, from("203.0.113.44"), "203.0.113.44", "198.51.100.1");
		walk(i, towards("198.51.100.7"), "192.0.2.1", "198.51.100.7");
	}
}

/* [CLONE-33]: I moves while the clone is on its way, by either end; they agree where it is. */
Test(clone_cross, while_moving)
{
	for (unsigned window = 1; window <= 4; window += 3) {
		for (unsigned i = 0; i < 64; i++) {
			struct sim *s = cloneable(100 + i);
			struct ike_path p = from("203.0.113.44");
			uint64_t line;

			for (unsigned k = 0; k < SIM_SIDES; k++)
				s->side[k].conn[0].window = (uint8_t)window;
			up_with(s);
			line = nth(s, A, 0).line;
			s->lose = i >> 3 ? UINT64_C(1) << (s->sent + (i >> 3) - 1) : 0;
			if (i & 1)
				cr_assert_eq(ike_path_change(core(s, A), line, &p, s->now), 0);
			cr_assert_eq(clone_of(s, i >> 1 & 1, nth(s, i >> 1 & 1, 0).line, 7), 0);
			sim_run(s, i & 4 ? 15 * USEC_PER_MSEC : 5 * USEC_PER_MSEC);
			if (!(i & 1))
				cr_assert_eq(ike_path_change(core(s, A), line, &p, s->now), 0);
			sim_run(s, 120 * USEC_PER_SEC);
			paired(s, 2, 1);
			cr_assert(addr_is(nth(s, A, 0).path.local.ip, "203.0.113.44"));
			s->lose = 0;
			cr_assert_eq(ike_up_line(core(s, A), nth(s, A, 1).line, "more", 8, s->now),
				     0);
			sim_settle(s, 5 * USEC_PER_SEC);
			paired(s, 2, 2);
			cr_assert(addr_equal(&sim_last_event(&s->side[A], IKE_EV_CHILD_UP)
						      ->path.local.ip,
					     &sim_last_event(&s->side[B], IKE_EV_CHILD_UP)
						      ->path.remote.ip),
				  "%u: the two ends of its Child SA are elsewhere", i);
			sim_free(s);
		}
	}
}

static void deliver(struct sim *s, uint64_t number)
{
	for (unsigned i = 0; i < SIM_WIRE; i++)
		if (s->wire[i].used && s->wire[i].number == number) {
			sim_deliver(s, &s->wire[i]);
			return;
		}
	cr_assert_fail("datagram %llu is not on the wire", (unsigned long long)number);
}

/* [CLONE-33]: R makes the clone before it hears of the move, and I hears the other way round. */
Test(clone_cross, overtaking_an_update)
{
	struct sim *s = cloneable(90);
	struct ike_path p = from("203.0.113.44");
	uint64_t update, clone;

	for (unsigned i = 0; i < SIM_SIDES; i++)
		s->side[i].conn[0].window = 4;
	up_with(s);
	update = s->sent;
	clone = s->sent + 1;
	cr_assert_eq(ike_path_change(core(s, A), nth(s, A, 0).line, &p, s->now), 0);
	cr_assert_eq(clone_of(s, A, nth(s, A, 0).line, 7), 0);
	sim_drain(s, A);
	cr_assert_eq(s->sent, update + 2);
	deliver(s, clone);
	deliver(s, update);
	deliver(s, clone + 2); /* its answer */
	deliver(s, clone + 1);
	sim_settle(s, 5 * USEC_PER_SEC);
	paired(s, 2, 1);
	cr_assert(addr_is(nth(s, A, 1).path.local.ip, "203.0.113.44"));
	sim_free(s);
}

/* [CLONE-21]: NATs and addresses are those of the old one. */
Test(clone_cross, behind_a_nat)
{
	struct sim *s = cloneable(81);
	struct addr more[2] = { sim_addr("198.51.100.8"), sim_addr("198.51.100.9") };
	struct ike_sa_info first, clone;

	s->nat = true;
	for (unsigned i = 0; i < SIM_SIDES; i++)
		s->side[i].conn[0].keep_alive = 20 * USEC_PER_SEC;
	sim_start(s);
	cr_assert_eq(ike_addrs_set(core(s, B), "c", more, 2, s->now), 0);
	cr_assert_eq(sim_up(s, A, NULL, 1), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	first = nth(s, A, 0);
	cr_assert_eq(first.n_peer_addrs, 3);
	clone = cloned(s, B, 7);
	clone = nth(s, A, 1);
	cr_assert(clone.nat_local && !clone.nat_remote);
	cr_assert(udp_addr_equal(&clone.path.local, &first.path.local));
	cr_assert_eq(clone.n_peer_addrs, 3);
	cr_assert_eq(ike_up_line(core(s, A), clone.line, "more", 8, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 2));
	cr_assert(s->side[A].children[1].encap);
	s->keepalives[A] = 0;
	sim_run(s, 100 * USEC_PER_SEC);
	cr_assert_geq(s->keepalives[A], 8, "of both");
	/* a list is told on each */
	cr_assert_eq(ike_addrs_set(core(s, B), "c", more, 1, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	for (size_t i = 0; i < 2; i++)
		cr_assert_eq(nth(s, A, i).n_peer_addrs, 2);
	sim_free(s);
}

/* [CLONE-35]: either agent starts anew, with the clone up, or while it is being made. */
Test(clone_cross, restart)
{
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		struct sim *s = up_with(cloneable(82));
		struct ike_sa_info clone = cloned(s, A, 7), before, after;

		cr_assert_eq(ike_up_line(core(s, A), clone.line, "more", 8, s->now), 0);
		sim_settle(s, USEC_PER_SEC);
		before = nth(s, side, 1);
		sim_restart(s, side);
		after = nth(s, side, 1);
		cr_assert_eq(after.line, before.line);
		cr_assert_eq(after.family, before.family);
		cr_assert_eq(after.clone_of, before.clone_of);
		cr_assert_eq(after.session, before.session);
		paired(s, 2, 2);
		all_alive(s, 2, 2);
		clone = cloned(s, side, 9);
		cr_assert_neq(clone.line, before.line);
		cr_assert_neq(clone.line, before.clone_of);
		all_alive(s, 3, 2);
		sim_free(s);
	}
}

Test(clone_cross, restart_while_it_is_made)
{
	for (unsigned steps = 0; steps < 2; steps++) {
		struct sim *s = up_with(cloneable(83));

		cr_assert_eq(clone_of(s, A, nth(s, A, 0).line, 7), 0);
		sim_drain(s, A);
		if (steps)
			sim_steps(s, 1);
		s->side[A].n_events = 0;
		sim_restart(s, A);
		for (unsigned i = 0; i < SIM_WIRE; i++)
			s->wire[i].used = false;
		sim_run(s, 5 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_FAILED, 0), 1);
		cr_assert_eq(ike_sa_count(core(s, A)), 1);
		sim_run(s, 600 * USEC_PER_SEC);
		paired(s, 1, 1); /* [CLONE-37]: B's clone is gone too */
		cloned(s, A, 8);
		all_alive(s, 2, 1);
		sim_free(s);
	}
}

/* [CLONE-16]: the window is the clone's own, and is opened as after a rekey. [CLONE-36]: so is what
 * proves that its state is lost. */
Test(clone_cross, window_and_token)
{
	static const uint8_t secret[IKE_QCD_SECRET_OCTETS] = { 1, 2, 3 };

	for (unsigned maker = 0; maker < SIM_SIDES; maker++) {
		struct sim *s = cloneable(84);
		struct ike_counters before, after;

		for (unsigned i = 0; i < SIM_SIDES; i++)
			s->side[i].conn[0].window = 4;
		sim_start(s);
		ike_qcd_secret(core(s, maker), secret);
		cr_assert_eq(sim_up(s, A, NULL, 1), 0);
		sim_settle(s, 5 * USEC_PER_SEC);
		cloned(s, A, 7);
		/* two requests at once on the clone */
		ike_counters_get(core(s, A), &before);
		cr_assert_eq(ike_up_line(core(s, A), nth(s, A, 1).line, "net", 8, s->now), 0);
		cr_assert_eq(ike_up_line(core(s, A), nth(s, A, 1).line, "more", 9, s->now), 0);
		sim_drain(s, A);
		ike_counters_get(core(s, A), &after);
		cr_assert_eq(after.tx - before.tx, 2);
		sim_settle(s, 5 * USEC_PER_SEC);
		paired(s, 2, 3);
		/* the maker loses all: both end by its word */
		sim_fresh(s, maker);
		ike_qcd_secret(core(s, maker), secret);
		s->side[maker].n_children = 0;
		for (unsigned i = 0; i < 2; i++)
			cr_assert_eq(
				ike_rekey_line(core(s, !maker), nth(s, !maker, i).line, 10, s->now),
				0);
		sim_run(s, USEC_PER_SEC);
		cr_assert_eq(ike_sa_count(core(s, !maker)), 0);
		sim_free(s);
	}
}

/* Each single datagram of a clone by either end is lost, doubled or late. */
Test(clone_cross, under_loss)
{
	for (unsigned i = 0; i < 24; i++) {
		struct sim *s = up_with(cloneable(200 + i));
		uint64_t bit = UINT64_C(1) << (s->sent + i / 6);

		*(i % 3 == 0 ? &s->lose : i % 3 == 1 ? &s->duplicate : &s->late) = bit;
		cr_assert_eq(clone_of(s, i / 3 & 1, nth(s, i / 3 & 1, 0).line, 7), 0);
		sim_settle(s, 10 * USEC_PER_SEC);
		paired(s, 2, 1);
		all_alive(s, 2, 1);
		sim_free(s);
	}
}
