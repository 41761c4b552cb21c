/* SPDX-License-Identifier: GPL-2.0-only */
/* Probes over paths that lose packets or have a NAT, and what the cores know of them. */
#ifndef BRAID_TESTS_MMX_PROBE_SIM_H
#define BRAID_TESTS_MMX_PROBE_SIM_H

#include <errno.h>

#include "../../user/ike/mmx.h"
#include "mmx_sim.h"

static inline uint32_t path(unsigned of_a, unsigned of_b)
{
	return mmx_path_id((uint16_t)of_a, (uint16_t)of_b);
}

static inline struct ike_sa *owner(const struct sim *s, unsigned side)
{
	struct ike_sa *sa = line_owner(s->side[side].ike, mmx_sim_line(s, side));

	cr_assert(sa && sa->mmx);
	return sa;
}

static inline bool verified(const struct sim *s, unsigned side, uint32_t p)
{
	struct ike_sa *sa = owner(s, side);

	return mmx_verified(sa, sa->mmx, p, s->now);
}

static inline const struct mmx_path_seen *seen(const struct sim *s, unsigned side, uint32_t p)
{
	return mmx_paths_find(&owner(s, side)->mmx->paths, p);
}

static inline int probe(struct sim *s, unsigned side, uint32_t p, uint32_t op)
{
	return ike_mmx_probe(s->side[side].ike, mmx_sim_line(s, side), p, false, op, s->now);
}

/* It ends, once. */
static inline void probed(struct sim *s, unsigned side, uint32_t p, uint32_t op)
{
	cr_assert_eq(probe(s, side, p, op), 0);
	sim_settle(s, 10 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[side], IKE_EV_MMX_PROBED, op), 1);
	cr_assert_eq(sim_op_ends(&s->side[side], op), 1);
	cr_assert_eq(s->side[side].probed.path, p);
}

/* Nothing comes over that path. */
static struct {
	uint32_t path;
	unsigned n; /* what was lost */
} cut;

static inline bool between(const struct sim_packet *p, uint32_t id)
{
	struct addr a = mmx_sim_addr(A, id >> 16), b = mmx_sim_addr(B, id & 0xffff);

	return addr_equal(&p->src.ip, p->to == B ? &a : &b) &&
	       addr_equal(&p->dst.ip, p->to == B ? &b : &a);
}

static inline void lose_cut(struct sim *s, struct sim_packet *p)
{
	(void)s;
	if (!between(p, cut.path))
		return;
	cut.n++;
	p->used = false;
}

/* A NAT before one address of A's: another port for each address of B's, and time's. */
static struct {
	unsigned of; /* of A */
	uint16_t port;
} nat;

static inline void translate_one(struct sim *s, struct sim_packet *p)
{
	struct addr inside = mmx_sim_addr(A, nat.of), outside = sim_addr("203.0.113.9");
	uint16_t base = nat.port;

	(void)s;
	if (p->to == B && addr_equal(&p->src.ip, &inside)) {
		p->src.ip = outside;
		p->src.port = (uint16_t)(base + p->dst.ip.b[3]);
	} else if (p->to == A && addr_equal(&p->dst.ip, &outside)) {
		p->dst.ip = inside;
		p->used = p->dst.port == base + p->src.ip.b[3]; /* or there is no such mapping */
		p->dst.port = 4500;
	} else if (p->to == A && addr_equal(&p->dst.ip, &inside)) {
		p->used = false; /* a private address */
	}
}

#endif
