/* SPDX-License-Identifier: GPL-2.0-only */
/* S12: a peer without MMX (MMX 2). What was asked for is not answered, and the two have what RFC
 * 4555 and RFC 7791 give: other addresses that are known, moves of the whole IKE SA, and a clone
 * for a second path. On a network that loses nothing, and with each of the first datagrams lost,
 * doubled or late. */
#include <errno.h>

#include "clone_assert.h"
#include "mmx_sim.h"

enum { DATAGRAMS = 24 };

static void retry(struct sim *s, uint32_t op)
{
	for (unsigned i = 0; i < 300 && !sim_op_ends(&s->side[A], op); i++)
		sim_run(s, USEC_PER_SEC);
}

/* Endpoints 2 were asked for; the Child SA has no binding but the IKE SA's. */
static void set_up(struct sim *s, unsigned off, bool clone)
{
	struct ike_outer_wish w = { .mode = MMX_OUTER_SINGLE, .n_own = 1, .own = { 2 } };
	struct ike_path p;

	s->side[off].conn[0].mmx = IKE_MMX_NO;
	for (unsigned side = A; side <= B; side++) {
		s->side[side].conn[0].clone = clone;
		s->side[side].conn[0].ike_sas_max = 4;
	}
	sim_start(s);
	for (unsigned side = A; side <= B; side++) {
		struct addr second = mmx_sim_addr(side, 2);

		mmx_sim_ifaces(s, side, 1, 2);
		cr_assert_eq(ike_addrs_set(s->side[side].ike, "c", &second, 1, s->now), 0);
	}
	p = sim_path(s, A);
	cr_assert_eq(ike_up_outer(s->side[A].ike, "c", "net", &p, &w, 1, s->now), 0);
	retry(s, 1);
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 1));
	for (unsigned side = A; side <= B; side++) {
		struct ike_sa_info i = info(s, side);

		cr_assert_not(ike_mmx_on(s->side[side].ike, mmx_sim_line(s, side), NULL));
		cr_assert_eq(i.n_peer_addrs, 2);
		cr_assert_eq(s->side[side].children[0].binding, 0);
		cr_assert_eq(s->side[side].n_bindings, 0);
	}
}

static void move(struct sim *s, unsigned k)
{
	struct ike_path to = { .local = { mmx_sim_addr(A, k), 0 } };
	struct addr now = mmx_sim_addr(A, k);
	uint32_t spi = s->side[A].children[0].spi_in;
	struct ike_path a, b;

	cr_assert_eq(ike_path_change(s->side[A].ike, mmx_sim_line(s, A), &to, s->now), 0);
	sim_run(s, 60 * USEC_PER_SEC);
	a = info(s, A).path;
	b = info(s, B).path;
	cr_assert(addr_equal(&a.local.ip, &now) && addr_equal(&b.remote.ip, &now));
	cr_assert_eq(s->side[A].children[0].spi_in, spi);
	cr_assert(sim_mirrored(s, 1));
}

/* The second path; without clones there is one only. */
static void second_path(struct sim *s, bool clone)
{
	int r = ike_clone(s->side[A].ike, mmx_sim_line(s, A), 5, s->now);

	if (!clone) {
		cr_assert_eq(r, -EOPNOTSUPP);
		return;
	}
	cr_assert_eq(r, 0);
	retry(s, 5);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CLONED, 5), 1);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert_eq(ike_up_line(s->side[A].ike, nth(s, A, 1).line, "more", 6, s->now), 0);
	retry(s, 6);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_UP, 6), 1);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 2));
	for (unsigned side = A; side <= B; side++)
		for (unsigned i = 0; i < 2; i++)
			cr_assert_not(ike_mmx_on(s->side[side].ike, nth(s, side, i).line, NULL));
}

/* fault: 0 none, 1 lost, 2 doubled, 3 late; in the set-up, or afterwards. */
static void play(unsigned off, bool clone, unsigned fault, unsigned datagram, bool after)
{
	struct sim *s = mmx_sim_new(1000 * fault + 10 * datagram + 4 * after + 2 * clone + off);
	uint64_t none = 0, *mask = fault == 0	? &none
				   : fault == 1 ? &s->lose
				   : fault == 2 ? &s->duplicate
						: &s->late;

	if (!after)
		*mask = UINT64_C(1) << datagram;
	set_up(s, off, clone);
	if (after)
		*mask = UINT64_C(1) << (s->sent + datagram);
	move(s, 2);
	second_path(s, clone);
	sim_free(s);
}

static void with_fault(unsigned fault)
{
	for (unsigned datagram = 0; datagram < (fault ? DATAGRAMS : 1); datagram++)
		for (unsigned k = 0; k < 8; k++)
			play(k & 1, k & 2, fault, datagram, k & 4);
}

/* [MMX-124] */
Test(mmx_without, nothing_is_lost)
{
	with_fault(0);
}

Test(mmx_without, each_datagram_is_lost, .timeout = 120)
{
	with_fault(1);
}

Test(mmx_without, each_datagram_comes_twice, .timeout = 120)
{
	with_fault(2);
}

Test(mmx_without, each_datagram_is_late, .timeout = 120)
{
	with_fault(3);
}
