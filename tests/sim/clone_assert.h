/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of cloned IKE SAs (RFC 7791) say often, over tests/sim/sim_assert.h. */
#ifndef BRAID_TESTS_CLONE_ASSERT_H
#define BRAID_TESTS_CLONE_ASSERT_H

#include <stdio.h>

#include "sim_assert.h"

/* Both sides with MOBIKE and clones, not started. */
static inline struct sim *cloneable(uint64_t seed)
{
	struct sim *s = sim_mobile(seed);

	for (unsigned i = 0; i < SIM_SIDES; i++) {
		s->side[i].conn[0].clone = true;
		s->side[i].conn[0].ike_sas_max = 8;
	}
	return s;
}

/* A asks B for a virtual address with each line; B has them from 10.3.0.1 to 10.3.0.n. */
static inline struct sim *pooled(uint64_t seed, uint8_t n)
{
	struct sim *s = cloneable(seed);
	struct sim_side *a = &s->side[A], *b = &s->side[B];

	a->conn[0].n_vips = 1;
	a->conn[0].vips[0] = sim_addr("0.0.0.0");
	a->conn[0].vips_per_line = true;
	b->conn[0].n_pools = b->cfg.n_pools = 1;
	snprintf(b->conn[0].pools[0], IKE_NAME_MAX, "p");
	snprintf(b->pool[0].name, IKE_NAME_MAX, "p");
	b->pool[0].first = b->pool[0].last = sim_addr("10.3.0.1");
	b->pool[0].last.b[3] = n;
	for (unsigned i = 0; i < 2; i++) {
		a->child[0][i].local_ts[0] = sim_ts("dynamic");
		b->child[0][i].remote_ts[0] = sim_ts("dynamic");
	}
	return s;
}

static inline struct ike_sa_info nth(const struct sim *s, unsigned side, size_t i)
{
	struct ike_sa_info sa;

	cr_assert(ike_sa_at(s->side[side].ike, i, &sa));
	return sa;
}

/* The one of that side that has those SPIs. False: there is none. */
static inline bool same_sa(const struct sim *s, unsigned side, const struct ike_sa_info *of,
			   struct ike_sa_info *ret)
{
	for (size_t i = 0; ike_sa_at(s->side[side].ike, i, ret); i++)
		if (ret->spi_i == of->spi_i && ret->spi_r == of->spi_r)
			return true;
	return false;
}

static inline uint64_t other_line(const struct sim *s, unsigned side, const struct ike_sa_info *of)
{
	struct ike_sa_info sa;

	cr_assert(same_sa(s, side, of, &sa));
	return sa.line;
}

static inline int clone_of(struct sim *s, unsigned side, uint64_t line, uint32_t op)
{
	return ike_clone(s->side[side].ike, line, op, s->now);
}

/* From that side, of its first IKE SA; the clone as that side has it. */
static inline struct ike_sa_info cloned(struct sim *s, unsigned side, uint32_t op)
{
	const struct sim_event *e;
	struct ike_sa_info sa;

	cr_assert_eq(clone_of(s, side, nth(s, side, 0).line, op), 0);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[side], IKE_EV_CLONED, op), 1);
	e = sim_last_event(&s->side[side], IKE_EV_CLONED);
	for (size_t i = 0; ike_sa_at(s->side[side].ike, i, &sa); i++)
		if (sa.line == e->line)
			return sa;
	cr_assert_fail("the event tells of a line that is not there");
	return sa;
}

/* Each end has n IKE SAs, which are the same, and together the same Child SAs. */
static inline void paired(const struct sim *s, size_t n, unsigned children)
{
	struct ike_sa_info a, b;

	for (unsigned side = 0; side < SIM_SIDES; side++) {
		cr_assert_eq(ike_sa_count(s->side[side].ike), n, "%c has %zu IKE SAs, not %zu",
			     "AB"[side], ike_sa_count(s->side[side].ike), n);
		cr_assert_eq(s->side[side].spis, (int)children);
	}
	for (size_t i = 0; i < n; i++) {
		a = nth(s, A, i);
		cr_assert(same_sa(s, B, &a, &b), "B lacks %016llx", (unsigned long long)a.spi_i);
		cr_assert_str_eq(a.state, "ESTABLISHED");
		cr_assert_str_eq(b.state, "ESTABLISHED");
		cr_assert_neq(a.initiator, b.initiator);
		cr_assert(a.role_i && !b.role_i, "I and R never flip");
		cr_assert_eq(a.n_children, b.n_children);
		cr_assert(addr_equal(&a.path.local.ip, &b.path.remote.ip));
		cr_assert(addr_equal(&a.path.remote.ip, &b.path.local.ip));
		cr_assert_eq(a.family_lines, n);
		cr_assert_eq(b.family_lines, n);
		cr_assert_eq(a.family_children, children);
		cr_assert_eq(b.family_children, children);
	}
	cr_assert(sim_mirrored(s, children));
}

/* Each of them can be rekeyed from either end. */
static inline void all_alive(struct sim *s, size_t n, unsigned children)
{
	static uint32_t op = 900;

	s->lose = s->duplicate = s->late = 0;
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		for (size_t i = 0; i < n; i++) {
			/* a rekeyed one goes to the end */
			struct ike_sa_info sa = nth(s, side, 0);

			cr_assert_eq(ike_rekey_line(s->side[side].ike, sa.line, ++op, s->now), 0);
			sim_settle(s, 10 * USEC_PER_SEC);
			cr_assert_eq(sim_count(&s->side[side], IKE_EV_IKE_REKEYED, op), 1);
		}
	}
	paired(s, n, children);
}

#endif
