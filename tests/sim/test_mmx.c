/* SPDX-License-Identifier: GPL-2.0-only */
/* MMX is announced in IKE_AUTH, and each side tells which interfaces it has: user/ike/mmx.c,
 * user/ike/mmx_ifaces.c. */
#include "mmx_act.h"

static const struct mmx_iface *list(const struct sim *s, unsigned side, bool of_peer, unsigned *n)
{
	uint32_t generation;

	*n = 0;
	return ike_mmx_ifaces(s->side[side].ike, mmx_sim_line(s, side), of_peer, n, &generation);
}

/* What one has is what the other was told. */
static void assert_known(const struct sim *s, unsigned n_a, unsigned n_b)
{
	for (unsigned side = A; side <= B; side++) {
		unsigned n_own, n_told;
		const struct mmx_iface *own = list(s, side, false, &n_own);
		const struct mmx_iface *told = list(s, !side, true, &n_told);

		cr_assert_eq(n_own, side == A ? n_a : n_b);
		cr_assert_eq(n_told, n_own);
		for (unsigned i = 0; i < n_own; i++) {
			cr_assert_eq(own[i].ifid, told[i].ifid);
			cr_assert_eq(own[i].n, told[i].n);
			for (unsigned k = 0; k < own[i].n; k++) {
				cr_assert_eq(own[i].ep[k].epid, told[i].ep[k].epid);
				cr_assert(addr_equal(&own[i].ep[k].addr, &told[i].ep[k].addr));
			}
		}
	}
}

Test(mmx, both_know_the_interfaces_of_the_other) /* MMX-29 */
{
	struct sim *s = mmx_sim_up(1, 3, 2);
	unsigned n;
	const struct mmx_iface *l;

	assert_known(s, 3, 2);
	l = list(s, B, true, &n);
	cr_assert_eq(l[0].ep[0].flags, MMX_IFACE_EP_CURRENT);
	cr_assert_eq(l[1].ep[0].flags, 0);
	sim_free(s);
}

Test(mmx, a_list_comes_through_whatever_is_lost)
{
	for (unsigned bit = 0; bit < 10; bit++) {
		struct sim *s = mmx_sim_new(bit);

		s->lose = UINT64_C(1) << bit;
		s->duplicate = UINT64_C(0x155);
		sim_start(s);
		mmx_sim_ifaces(s, A, 1, 3);
		mmx_sim_ifaces(s, B, 1, 4);
		cr_assert_eq(sim_up(s, A, "net", 1), 0);
		sim_settle(s, 20 * USEC_PER_SEC);
		assert_known(s, 3, 4);
		sim_free(s);
	}
}

Test(mmx, a_change_is_told_and_moves_nothing)
{
	struct sim *s = mmx_sim_up(2, 2, 2);
	struct ike_sa_info before, after;

	cr_assert(ike_sa_at(s->side[B].ike, 0, &before));
	mmx_sim_ifaces(s, A, 1, 4);
	sim_settle(s, 20 * USEC_PER_SEC);
	assert_known(s, 4, 2);
	mmx_sim_ifaces(s, B, 1, 3);
	sim_settle(s, 20 * USEC_PER_SEC);
	assert_known(s, 4, 3);
	cr_assert_geq(sim_count(&s->side[A], IKE_EV_MMX_PEER_IFACES, 0), 1);
	cr_assert(ike_sa_at(s->side[B].ike, 0, &after));
	cr_assert(udp_addr_equal(&before.path.remote, &after.path.remote));
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 0);
	sim_free(s);
}

Test(mmx, what_is_no_change_is_not_told)
{
	struct sim *s = mmx_sim_up(3, 2, 2);
	uint64_t sent = s->sent;

	mmx_sim_ifaces(s, A, 1, 2);
	mmx_sim_ifaces(s, B, 1, 2);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_eq(s->sent, sent);
	sim_free(s);
}

/* The address that the IKE SA uses is always in the list. */
Test(mmx, an_address_that_nobody_numbered_has_a_number)
{
	struct sim *s = mmx_sim_new(4);
	const struct mmx_iface *l;
	unsigned n;

	sim_start(s);
	mmx_sim_ifaces(s, A, 2, 3);
	cr_assert_eq(sim_up(s, A, "net", 1), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	assert_known(s, 3, 1);
	l = list(s, B, true, &n);
	cr_assert_geq(l[2].ep[0].epid, IKE_MMX_OWN_NUMBERS);
	cr_assert_eq(l[2].ep[0].flags, MMX_IFACE_EP_CURRENT);
	sim_free(s);
}

Test(mmx, a_rekeyed_and_a_cloned_ike_sa_have_it)
{
	struct sim *s = mmx_sim_up(5, 3, 2);

	cr_assert_eq(ike_rekey(s->side[B].ike, "c", NULL, 2, s->now), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	assert_known(s, 3, 2);
	mmx_sim_ifaces(s, A, 1, 4);
	sim_settle(s, 20 * USEC_PER_SEC);
	assert_known(s, 4, 2);
	sim_free(s);
}

/* Nothing reaches the Child SAs of another IKE SA, be it with the same peer. [MIF-4-3] */
Test(mmx, each_ike_sa_has_its_own)
{
	struct mmx_action a = act_update(0, OWN, 1, 2);
	struct sim *s = mmx_sim_new(8);
	uint64_t line;

	s->side[A].conn[0].clone = s->side[B].conn[0].clone = true;
	s->side[A].conn[0].ike_sas_max = s->side[B].conn[0].ike_sas_max = 4;
	sim_start(s);
	mmx_sim_ifaces(s, A, 1, 3);
	mmx_sim_ifaces(s, B, 1, 2);
	cr_assert_eq(sim_up(s, A, "net", 1), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	line = mmx_sim_line(s, A);
	cr_assert_eq(ike_clone(s->side[A].ike, line, 2, s->now), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert_eq(ike_up_line(s->side[A].ike, sim_last_event(&s->side[A], IKE_EV_CLONED)->line,
				 "more", 3, s->now),
		     0);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 2));
	act_sel(&a, MMX_SEL_ALL);
	cr_assert_eq(asked(s, A, &a, 4), MMX_OK);
	cr_assert_eq(s->side[A].mmx.r[0].affected, 1);
	bound(s, 0, 2, 1);
	bound(s, 1, 0, 0);
	sim_free(s);
}

Test(mmx, it_is_off_unless_both_want_it)
{
	for (unsigned off = A; off <= B; off++) {
		struct sim *s = mmx_sim_new(6);

		s->side[off].conn[0].mmx = IKE_MMX_NO;
		sim_start(s);
		mmx_sim_ifaces(s, A, 1, 3);
		mmx_sim_ifaces(s, B, 1, 3);
		cr_assert_eq(sim_up(s, A, "net", 1), 0);
		sim_settle(s, 20 * USEC_PER_SEC);
		cr_assert(sim_mirrored(s, 1));
		for (unsigned side = A; side <= B; side++)
			cr_assert_not(ike_mmx_on(s->side[side].ike, mmx_sim_line(s, side), NULL));
		sim_free(s);
	}
}

static unsigned said; /* in the first two messages: by which side */
static size_t auth_octets;

static void look_for_vid(struct sim *s, struct sim_packet *p)
{
	bool first = p->buf[18] == IKE_SA_INIT;

	(void)s;
	if (first && memmem(p->buf, p->len, mmx_vid, MMX_VID_OCTETS))
		said |= 1u << !p->to;
	if (p->buf[18] == IKE_AUTH && p->to == B)
		auth_octets = p->len;
}

/* Octets of the IKE_AUTH request of an A that asks first, or is as given. */
static size_t asked_first(bool asks, enum ike_mmx of_a, enum ike_mmx of_b, bool on)
{
	struct sim *s = mmx_sim_new(8);

	s->side[A].conn[0].mmx = of_a;
	s->side[B].conn[0].mmx = of_b;
	s->side[A].conn[0].mmx_vid_in_init = asks;
	s->side[A].conn[0].multipath = IKE_MULTIPATH_PROBES; /* has a vendor ID of its own */
	s->on_wire = look_for_vid;
	said = 0;
	sim_start(s);
	cr_assert_eq(sim_up(s, A, "net", 1), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	for (unsigned side = A; side <= B; side++)
		cr_assert_eq(ike_mmx_on(s->side[side].ike, mmx_sim_line(s, side), NULL), on);
	sim_free(s);
	return auth_octets;
}

/* [MMX-95]: nothing of it is sent to whom does not say that it speaks it. */
Test(mmx, whether_the_peer_speaks_it_is_asked_first)
{
	size_t without, with;

	with = asked_first(false, IKE_MMX_YES, IKE_MMX_YES, true);
	cr_assert_eq(said, 0);
	cr_assert_eq(asked_first(true, IKE_MMX_YES, IKE_MMX_YES, true), with);
	cr_assert_eq(said, 1u << A | 1u << B);
	without = asked_first(true, IKE_MMX_YES, IKE_MMX_NO, false);
	cr_assert_eq(said, 1u << A);
	cr_assert_lt(without, with);
	cr_assert_eq(asked_first(true, IKE_MMX_NO, IKE_MMX_YES, false), without);
	cr_assert_eq(said, 0);
}

Test(mmx, where_it_is_required_others_are_refused)
{
	for (unsigned who = A; who <= B; who++) {
		struct sim *s = mmx_sim_new(7);

		s->side[who].conn[0].mmx = IKE_MMX_REQUIRE;
		s->side[!who].conn[0].mmx = IKE_MMX_NO;
		sim_start(s);
		cr_assert_eq(sim_up(s, A, "net", 1), 0);
		sim_settle(s, 60 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_FAILED, 1), 1);
		cr_assert(sim_mirrored(s, 0));
		for (unsigned side = A; side <= B; side++)
			cr_assert_eq(ike_sa_count(s->side[side].ike), 0);
		if (who == A)
			cr_assert(strstr(sim_text(&s->side[A], IKE_EV_FAILED), "MMX"));
		sim_free(s);
	}
}
