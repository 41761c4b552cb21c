/* SPDX-License-Identifier: GPL-2.0-only */
/* Cloned IKE SAs (RFC 7791): how many round trips it takes until one is of use, and what is in
 * flight together. */
#include <errno.h>

#include "clone_assert.h"

enum { WINDOW = 8 };

static struct ike *core(struct sim *s, unsigned side)
{
	return s->side[side].ike;
}

static struct sim *windowed(uint64_t seed, uint8_t window)
{
	struct sim *s = cloneable(seed);

	for (unsigned i = 0; i < SIM_SIDES; i++)
		s->side[i].conn[0].window = window;
	return up_with(s);
}

static struct ike_path elsewhere(unsigned i)
{
	struct ike_path p = { .local = { .ip = sim_addr("203.0.113.10"), .port = 4500 } };

	p.local.ip.b[3] = (uint8_t)(10 + i);
	return p;
}

/* CREATE_CHILD_SA that came onto the wire without being answered yet. */
static unsigned asked(const struct sim *s)
{
	return s->exchanges[A][CREATE_CHILD_SA] - s->exchanges[B][CREATE_CHILD_SA];
}

static uint64_t last_clone(const struct sim *s, unsigned side)
{
	const struct sim_event *e = sim_last_event(&s->side[side], IKE_EV_CLONED);

	cr_assert_not_null(e);
	return e->line;
}

/* [CLONE-39]: who answers tells its window with the answer, so that one round trip makes the clone
 * and one more a Child SA on it, its move to another address and a test of a third one; the peer's
 * packets follow when it has asked whether we are there (4555 3.7), half a round trip later. */
Test(clone_flight, two_round_trips)
{
	struct sim *s = windowed(300, WINDOW);
	usec_t trip = 2 * s->delay;
	struct ike_path to = elsewhere(0), test = elsewhere(1);
	uint64_t line;

	cr_assert_eq(clone_of(s, A, nth(s, A, 0).line, 7), 0);
	sim_run(s, trip - 1);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CLONED, 7), 0);
	sim_run(s, 1);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CLONED, 7), 1, "one round trip");
	line = last_clone(s, A);
	cr_assert_eq(ike_up_line(core(s, A), line, "net", 8, s->now), 0);
	cr_assert_eq(ike_path_test(core(s, A), line, &test, 9, s->now), 0);
	cr_assert_eq(ike_path_change(core(s, A), line, &to, s->now), 0);
	sim_run(s, trip);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_UP, 8), 1, "a second one");
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_PATH_TESTED, 9), 1);
	cr_assert_gt(sim_last_event(&s->side[A], IKE_EV_PATH_TESTED)->rtt, 0);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_MOVED, 0), 1);
	cr_assert(addr_is(nth(s, B, 1).path.remote.ip, "203.0.113.10"));
	sim_run(s, trip / 2);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 1);
	sim_settle(s, USEC_PER_SEC);
	paired(s, 2, 2);
	all_alive(s, 2, 2);
	sim_free(s);
}

/* [CLONE-39]: with a window of one each takes a round trip, and what was asked for comes before
 * what the clone has to tell. */
Test(clone_flight, one_at_a_time)
{
	static const uint8_t secret[IKE_QCD_SECRET_OCTETS] = { 1, 2, 3 };
	struct sim *s = windowed(301, 1);
	usec_t trip = 2 * s->delay, begin;
	struct ike_path to = elsewhere(0);

	for (unsigned i = 0; i < SIM_SIDES; i++)
		ike_qcd_secret(core(s, i), secret);
	begin = s->now;
	cr_assert_eq(clone_of(s, A, nth(s, A, 0).line, 7), 0);
	sim_steps(s, 2);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CLONED, 7), 1);
	cr_assert_eq(ike_up_line(core(s, A), last_clone(s, A), "net", 8, s->now), 0);
	cr_assert_eq(ike_path_change(core(s, A), last_clone(s, A), &to, s->now), 0);
	sim_run(s, begin + 2 * trip - s->now);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_UP, 8), 1);
	cr_assert(addr_is(nth(s, B, 1).path.remote.ip, "192.0.2.1"));
	sim_run(s, trip);
	cr_assert(addr_is(nth(s, B, 1).path.remote.ip, "203.0.113.10"));
	sim_settle(s, USEC_PER_SEC);
	paired(s, 2, 2);
	sim_free(s);
}

/* Both windows are told in one exchange, begun by who answered; where that one has nothing to tell
 * the asker begins it after a while. */
Test(clone_flight, windows_are_told_once)
{
	for (uint8_t window = 1; window <= WINDOW; window += WINDOW - 1) {
		struct sim *s = cloneable(305);
		unsigned before;

		s->side[A].conn[0].window = WINDOW;
		s->side[B].conn[0].window = window;
		up_with(s);
		sim_settle(s, 10 * USEC_PER_SEC);
		before = s->exchanges[A][INFORMATIONAL];
		cr_assert_eq(clone_of(s, A, nth(s, A, 0).line, 7), 0);
		sim_run(s, USEC_PER_SEC);
		cr_assert_eq(s->exchanges[A][INFORMATIONAL] - before, window > 1 ? 1 : 0);
		sim_settle(s, 10 * USEC_PER_SEC);
		cr_assert_eq(s->exchanges[A][INFORMATIONAL] - before, 1);
		sim_free(s);
	}
}

/* [CLONE-40]: as many clones at a time as the window takes, of any line, by either end. */
Test(clone_flight, several_at_once)
{
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		struct sim *s = windowed(302, 4);
		usec_t trip = 2 * s->delay;

		for (unsigned i = 0; i < 3; i++)
			cr_assert_eq(clone_of(s, side, nth(s, side, 0).line, 10 + i), 0);
		sim_run(s, trip);
		for (unsigned i = 0; i < 3; i++)
			cr_assert_eq(sim_count(&s->side[side], IKE_EV_CLONED, 10 + i), 1);
		paired(s, 4, 1);
		/* and those of clones */
		for (unsigned i = 0; i < 4; i++)
			cr_assert_eq(clone_of(s, side, nth(s, side, i).line, 20 + i), 0);
		sim_run(s, trip);
		sim_settle(s, USEC_PER_SEC);
		for (unsigned i = 0; i < 4; i++)
			cr_assert_eq(sim_count(&s->side[side], IKE_EV_CLONED, 20 + i), 1);
		paired(s, 8, 1);
		all_alive(s, 8, 1);
		sim_free(s);
	}
}

/* The order in which the answers come is nothing to them. [CLONE-40] */
Test(clone_flight, answers_in_any_order)
{
	static const unsigned orders[][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
					      { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

	for (unsigned k = 0; k < sizeof(orders) / sizeof(orders[0]); k++) {
		struct sim *s = windowed(310 + k, 4);
		uint64_t first = s->sent;

		for (unsigned i = 0; i < 3; i++)
			cr_assert_eq(clone_of(s, A, nth(s, A, 0).line, 10 + i), 0);
		sim_drain(s, A);
		cr_assert_eq(asked(s), 3, "all are on the wire");
		for (unsigned half = 0; half < 2; half++)
			for (unsigned i = 0; i < 3; i++)
				for (unsigned j = 0; j < SIM_WIRE; j++)
					if (s->wire[j].used &&
					    s->wire[j].number == first + 3 * half + orders[k][i]) {
						sim_deliver(s, &s->wire[j]);
						break;
					}
		for (unsigned i = 0; i < 3; i++)
			cr_assert_eq(sim_count(&s->side[A], IKE_EV_CLONED, 10 + i), 1);
		sim_settle(s, USEC_PER_SEC);
		paired(s, 4, 1);
		all_alive(s, 4, 1);
		sim_free(s);
	}
}

/* Three clones together, each with a Child SA and a move as soon as it is there, one of all these
 * datagrams lost, doubled or late, and the peer clones, too. [CLONE-33] [CLONE-40] */
Test(clone_flight, under_loss, .timeout = 60)
{
	for (unsigned i = 0; i < 96; i++) {
		struct sim *s = windowed(400 + i, 4);
		uint64_t bit = UINT64_C(1) << (s->sent + i / 3);
		uint64_t line = nth(s, A, 0).line;
		unsigned done = 0;

		*(i % 3 == 0 ? &s->lose : i % 3 == 1 ? &s->duplicate : &s->late) = bit;
		for (unsigned k = 0; k < 3; k++)
			cr_assert_eq(clone_of(s, A, line, 10 + k), 0);
		if (i & 1)
			cr_assert_eq(clone_of(s, B, nth(s, B, 0).line, 20), 0);
		for (unsigned k = 0; k < 400; k++) {
			sim_run(s, s->delay);
			for (;
			     done < 3 && done < sim_count(&s->side[A], IKE_EV_CLONED, 10) +
							 sim_count(&s->side[A], IKE_EV_CLONED, 11) +
							 sim_count(&s->side[A], IKE_EV_CLONED, 12);
			     done++) {
				struct ike_path to = elsewhere(done);

				cr_assert_eq(ike_up_line(core(s, A), nth(s, A, done + 1).line,
							 "net", 30 + done, s->now),
					     0);
				ike_path_change(core(s, A), nth(s, A, done + 1).line, &to, s->now);
			}
		}
		sim_settle(s, 10 * USEC_PER_SEC);
		cr_assert_eq(done, 3);
		paired(s, i & 1 ? 5 : 4, 4);
		all_alive(s, i & 1 ? 5 : 4, 4);
		sim_free(s);
	}
}

/* [CLONE-24] [CLONE-25]: the peer's limit is met by some of those in flight; what it refused is not
 * asked again, and what was asked is all accounted for. */
Test(clone_flight, limit_in_flight)
{
	struct sim *s = cloneable(500);

	for (unsigned i = 0; i < SIM_SIDES; i++)
		s->side[i].conn[0].window = WINDOW;
	s->side[B].conn[0].ike_sas_max = 3;
	up_with(s);
	for (unsigned i = 0; i < 5; i++)
		cr_assert_eq(clone_of(s, A, nth(s, A, 0).line, 10 + i), 0);
	sim_settle(s, USEC_PER_SEC);
	for (unsigned i = 0; i < 5; i++)
		cr_assert_eq(sim_op_ends(&s->side[A], 10 + i), 1);
	paired(s, 3, 1);
	cr_assert_eq(clone_of(s, A, nth(s, A, 0).line, 20), -EDQUOT);
	sim_free(s);
}
