/* SPDX-License-Identifier: GPL-2.0-only */
/* Actions of MMX between two cores: user/ike/mmx_ask.c, mmx_info.c, mmx_publish.c. */
#include "mmx_act.h"

/* A second Child SA, so that something may be left alone. */
static struct sim *two(uint64_t seed)
{
	struct sim *s = mmx_sim_up(seed, 4, 3);

	cr_assert_eq(sim_up(s, A, "more", 2), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 2));
	return s;
}

static struct mmx_action only(struct mmx_action a, uint32_t spi, uint8_t octets[4])
{
	act_sel_spi(&a, spi, octets);
	return a;
}

/* [MM-9.9-1] [MM-10.1.2-1] [MM-10.3.2-2] [MM-10.3.2-4] */
Test(mmx_actions, update_moves_what_was_selected)
{
	struct sim *s = two(1);
	uint8_t spi[4];
	struct mmx_action a = only(act_update(0, OWN, 1, 2), s->side[A].children[0].spi_in, spi);

	bound(s, 0, 0, 0);
	bound(s, 1, 0, 0);
	cr_assert_eq(asked(s, A, &a, 5), MMX_OK);
	bound(s, 0, 2, 1);
	bound(s, 1, 0, 0);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_MMX_CHANGED, 0), 1);
	/* I decides about R's, too */
	a = act_update(0, PEERS, 1, 3);
	cr_assert_eq(asked(s, A, &a, 6), MMX_OK);
	bound(s, 0, 2, 3);
	bound(s, 1, 1, 3);
	/* and they inherit again */
	a = act_update(0, OWN, 2, 0);
	cr_assert_eq(asked(s, A, &a, 7), MMX_OK);
	bound(s, 0, 0, 0);
	bound(s, 1, 1, 3);
	sim_free(s);
}

/* [DES-5.4-1] [MM-10.1.2-3] */
Test(mmx_actions, refused_is_as_before)
{
	struct sim *s = two(2);
	struct mmx_action a = act_update(0, OWN, 3, 2);

	cr_assert_eq(asked(s, A, &a, 5), MMX_UNKNOWN_ADDRESS);
	a = act(MMX_REMOVE, 0);
	act_ep(&a, MMX_ROLE_OLD, OWN, 1);
	cr_assert_eq(asked(s, A, &a, 6), MMX_LAST_ADDRESS);
	a = act_update(0, PEERS, 1, 2);
	cr_assert_eq(asked(s, B, &a, 7), MMX_NOT_OWNER);
	bound(s, 0, 0, 0);
	bound(s, 1, 0, 0);
	cr_assert_eq(s->side[A].n_bindings + s->side[B].n_bindings, 0);
	sim_free(s);
}

/* S10: both endpoints in use, then the old one is left. [MM-10.2.2-1] [MM-10.2.2-2] */
Test(mmx_actions, add_and_remove)
{
	struct sim *s = two(3);
	struct mmx_action a = act(MMX_ADD, 0);
	uint32_t paths[IKE_BINDING_PATHS_MAX];

	act_ep(&a, MMX_ROLE_NEW, OWN, 2);
	act_sel(&a, MMX_SEL_ALL);
	cr_assert_eq(asked(s, A, &a, 5), MMX_OK);
	agree(s, 2);
	cr_assert_eq(paths_of(s, A, 0, paths), 2);
	cr_assert_eq(s->side[A].mmx.r[0].affected, 2);
	cr_assert_eq(s->side[A].n_bindings, 1, "one for both");
	a = act(MMX_REMOVE, 0);
	act_ep(&a, MMX_ROLE_OLD, OWN, 1);
	act_sel(&a, MMX_SEL_ALL);
	cr_assert_eq(asked(s, A, &a, 6), MMX_OK);
	bound(s, 0, 2, 1);
	bound(s, 1, 2, 1);
	cr_assert_eq(s->side[A].n_bindings, 1);
	sim_free(s);
}

static const struct ike_binding *binding_of(const struct sim *s, unsigned side)
{
	return sim_binding(&s->side[side], s->side[side].children[0].binding);
}

static unsigned alternates(const struct ike_binding *b, uint32_t ret[IKE_BINDING_PATHS_MAX])
{
	unsigned n = 0;

	for (unsigned k = 0; k < b->n; k++)
		if (b->paths[k].alternate)
			ret[n++] = b->paths[k].id;
	return n;
}

/* [MM-5.4-4] [MM-10.2.2-4] [MM-10.3.1-4] */
Test(mmx_actions, alternates_are_stored_on_both_sides)
{
	struct sim *s = mmx_sim_up(4, 4, 1);
	struct mmx_action a = act(MMX_SET_ALT, 0);
	uint32_t ids[IKE_BINDING_PATHS_MAX];

	act_ep(&a, MMX_ROLE_OLD, OWN, 1);
	act_ep(&a, MMX_ROLE_ALT, OWN, 3);
	act_ep(&a, MMX_ROLE_ALT, OWN, 2);
	cr_assert_eq(asked(s, A, &a, 5), MMX_OK);
	bound(s, 0, 1, 1);
	for (unsigned side = A; side <= B; side++) {
		cr_assert_eq(alternates(binding_of(s, side), ids), 2);
		cr_assert_eq(ids[0], 3u << 16 | 1);
		cr_assert_eq(ids[1], 2u << 16 | 1);
	}
	/* B finds that 1 does not answer */
	a = act_update(0, PEERS, 1, 4);
	a.code = MMX_FAILOVER;
	cr_assert_eq(asked(s, B, &a, 6), MMX_NOT_OWNER, "no alternate");
	a = act_update(0, PEERS, 1, 3);
	a.code = MMX_FAILOVER;
	cr_assert_eq(asked(s, B, &a, 7), MMX_OK);
	bound(s, 0, 3, 1);
	sim_free(s);
}

Test(mmx_actions, actions_of_one_request_run_in_order)
{
	struct sim *s = mmx_sim_up(5, 4, 2);
	struct mmx_action a[3] = { act_update(0, OWN, 1, 2), act_update(0, OWN, 1, 3),
				   act_update(0, OWN, 2, 4) };

	ask(s, A, a, 3, 5);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert_eq(s->side[A].mmx.n, 3);
	cr_assert_eq(s->side[A].mmx.r[0].status, MMX_OK);
	cr_assert_eq(s->side[A].mmx.r[1].status, MMX_UNKNOWN_ADDRESS);
	cr_assert_eq(s->side[A].mmx.r[2].status, MMX_SKIPPED);
	bound(s, 0, 2, 1);
	sim_free(s);
}

/* Any of the datagrams is lost, doubled or late. */
Test(mmx_actions, whatever_the_network_does, .timeout = 60)
{
	for (unsigned i = 0; i < 24; i++) {
		struct sim *s = mmx_sim_up(100 + i, 4, 3);
		uint64_t bit = UINT64_C(1) << (s->sent + i / 3);
		struct mmx_action a = act_update(0, OWN, 1, 2), b = act_update(0, PEERS, 1, 2),
				  own = act_update(0, OWN, 1, 3);

		*(i % 3 == 0 ? &s->lose : i % 3 == 1 ? &s->duplicate : &s->late) = bit;
		mmx_sim_ifaces(s, A, 1, 5);
		ask(s, A, &a, 1, 5);
		ask(s, B, &own, 1, 6);
		ask(s, A, &b, 1, 7);
		sim_settle(s, 20 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_MMX_ANSWERED, 5), 1);
		cr_assert_eq(sim_count(&s->side[B], IKE_EV_MMX_ANSWERED, 6), 1);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_MMX_ANSWERED, 7), 1);
		bound(s, 0, 2, 3);
		sim_free(s);
	}
}
