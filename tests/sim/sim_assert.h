/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests over tests/sim/sim.h say often, with criterion. */
#ifndef BRAID_TESTS_SIM_ASSERT_H
#define BRAID_TESTS_SIM_ASSERT_H

#include <criterion/criterion.h>

#include "sim.h"

static inline struct sim *up_with(struct sim *s)
{
	sim_start(s);
	cr_assert_eq(sim_up(s, A, NULL, 1), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 1));
	return s;
}

static inline struct sim *up(uint64_t seed)
{
	return up_with(sim_new(seed, false));
}

static inline struct ike_sa_info info(const struct sim *s, unsigned side)
{
	struct ike_sa_info i;

	cr_assert_eq(ike_sa_count(s->side[side].ike), 1, "%c has %zu IKE SAs", "AB"[side],
		     ike_sa_count(s->side[side].ike));
	cr_assert(ike_sa_at(s->side[side].ike, 0, &i));
	return i;
}

/* Both ends agree on one IKE SA and n Child SAs, nothing is leaked, and the channel still works. */
static inline void sound(struct sim *s, unsigned n)
{
	struct ike_sa_info a = info(s, A), b = info(s, B);
	struct ike_child_info c;

	cr_assert_eq(a.spi_i, b.spi_i);
	cr_assert_eq(a.spi_r, b.spi_r);
	cr_assert_neq(a.initiator, b.initiator);
	cr_assert(a.role_i && !b.role_i, "I and R never flip");
	cr_assert_str_eq(a.state, "ESTABLISHED");
	cr_assert_str_eq(b.state, "ESTABLISHED");
	cr_assert(sim_mirrored(s, n));
	cr_assert_eq(a.n_children, n);
	cr_assert_eq(b.n_children, n);
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		cr_assert_eq(s->side[side].spis, (int)n, "%c: %d SPIs for %u SAs", "AB"[side],
			     s -> side[side].spis, n);
		for (unsigned i = 0; i < n; i++) {
			cr_assert(ike_child_at(s->side[side].ike, 0, i, &c));
			cr_assert_str_eq(c.state, "INSTALLED");
		}
	}
}

/* The lossy part of a scenario is over: a fresh exchange each way shows that the ids agree. */
static inline void alive(struct sim *s, unsigned n)
{
	static uint32_t op = 900;

	s->lose = s->duplicate = s->late = 0;
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		cr_assert_eq(ike_rekey(s->side[side].ike, "c", "net", ++op, s->now), 0);
		sim_settle(s, 10 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[side], IKE_EV_CHILD_REKEYED, op), 1);
	}
	sound(s, n);
}

static inline bool addr_is(struct addr a, const char *text)
{
	struct addr b = sim_addr(text);

	return addr_equal(&a, &b);
}

/* Both sides with MOBIKE. */
static inline struct sim *sim_mobile(uint64_t seed)
{
	struct sim *s = sim_new(seed, false);

	s->side[A].conn[0].mobike = s->side[B].conn[0].mobike = true;
	return s;
}

#endif
