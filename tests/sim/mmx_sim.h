/* SPDX-License-Identifier: GPL-2.0-only */
/* Two cores that speak MMX, each with interfaces 1 to n: endpoint k of A is 192.0.2.k, of B
 * 198.51.100.k, and the IKE SA begins on the pair of the first ones. */
#ifndef BRAID_TESTS_MMX_SIM_H
#define BRAID_TESTS_MMX_SIM_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "sim.h"

static inline struct addr mmx_sim_addr(unsigned side, unsigned number)
{
	char text[ADDR_STR];

	snprintf(text, sizeof(text), "%s.%u", side == A ? "192.0.2" : "198.51.100", number);
	return sim_addr(text);
}

/* Interface and endpoint have the same number. */
static inline struct mmx_iface mmx_sim_iface(unsigned side, unsigned number)
{
	return (struct mmx_iface){
		.ifid = (uint16_t)number,
		.flags = MMX_IFACE_UP,
		.link = MMX_LINK_WIRED,
		.mtu = 1500,
		.n = 1,
		.ep = { { .epid = (uint16_t)number, .addr = mmx_sim_addr(side, number) } },
	};
}

/* From the first of them to the last. */
static inline void mmx_sim_ifaces(struct sim *s, unsigned side, unsigned first, unsigned last)
{
	struct mmx_iface ifaces[MMX_IFACES_MAX];
	unsigned n = 0;

	for (unsigned k = first; k <= last; k++)
		ifaces[n++] = mmx_sim_iface(side, k);
	cr_assert_eq(ike_ifaces_set(s->side[side].ike, "c", ifaces, n, s->now), 0);
}

static inline struct sim *mmx_sim_new(uint64_t seed)
{
	struct sim *s = sim_new(seed, false);

	for (unsigned side = A; side <= B; side++) {
		struct ike_conn_cfg *c = &s->side[side].conn[0];

		c->mmx = IKE_MMX_YES;
		c->mobike = true;
		c->window = 4;
		c->n_local_addrs = 0;
		c->retransmit_tries = 10;
	}
	return s;
}

static inline uint64_t mmx_sim_line(const struct sim *s, unsigned side)
{
	struct ike_sa_info info;

	cr_assert(ike_sa_at(s->side[side].ike, 0, &info));
	return info.line;
}

/* Up with a Child SA, and both know each other's interfaces. */
static inline void mmx_sim_begin(struct sim *s, unsigned n_a, unsigned n_b)
{
	sim_start(s);
	mmx_sim_ifaces(s, A, 1, n_a);
	mmx_sim_ifaces(s, B, 1, n_b);
	cr_assert_eq(sim_up(s, A, "net", 1), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 1));
	cr_assert(ike_mmx_on(s->side[A].ike, mmx_sim_line(s, A), NULL));
	cr_assert(ike_mmx_on(s->side[B].ike, mmx_sim_line(s, B), NULL));
}

static inline struct sim *mmx_sim_up(uint64_t seed, unsigned n_a, unsigned n_b)
{
	struct sim *s = mmx_sim_new(seed);

	mmx_sim_begin(s, n_a, n_b);
	return s;
}

#endif
