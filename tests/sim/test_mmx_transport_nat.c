/* SPDX-License-Identifier: GPL-2.0-only */
/* Transport mode with endpoints behind a NAT: each end has the addresses that it sees, and is told
 * those that checksums were made with (MMX 9, RFC 7296 2.23.1). user/ike/mmx_transport.c. */
#include "mmx_act.h"
#include "mmx_probe_sim.h"
#include "sim_assert.h"

#define OUTSIDE "203.0.113.9"

static const struct child_sa_out *newest(const struct sim *s, unsigned side)
{
	const struct sim_side *d = &s->side[side];
	const struct child_sa_out *c = &d->children[0];

	for (unsigned i = 1; i < d->n_children; i++)
		c = d->children[i].id > c->id ? &d->children[i] : c;
	return c;
}

static bool one(const struct ike_ts *ts, uint8_t n, const char *text)
{
	return n == 1 && addr_is(ts[0].first, text) && addr_is(ts[0].last, text);
}

static void assert_seen(const struct sim *s, const char *a, const char *a_seen, const char *b)
{
	const struct child_sa_out *at_a = newest(s, A), *at_b = newest(s, B);

	cr_assert(one(at_a->ts_local, at_a->n_ts_local, a));
	cr_assert(one(at_a->ts_remote, at_a->n_ts_remote, b));
	cr_assert(one(at_b->ts_local, at_b->n_ts_local, b));
	cr_assert(one(at_b->ts_remote, at_b->n_ts_remote, a_seen));
	cr_assert_eq(at_b->told_remote.family, strcmp(a, a_seen) ? 4 : 0);
	if (at_b->told_remote.family)
		cr_assert(addr_is(at_b->told_remote, a));
}

/* [MMX-136] */
Test(mmx_transport_nat, one_interface)
{
	struct ike_outer_wish w = {
		.mode = MMX_OUTER_SINGLE, .n_own = 1, .n_peer = 1, .own = { 2 }, .peer = { 2 }
	};
	struct sim *s = mmx_sim_new(1);
	struct mmx_action a = act_update(0, OWN, 2, 3);

	for (unsigned side = A; side <= B; side++)
		for (unsigned i = 0; i < 2; i++) {
			struct ike_child_cfg *c = &s->side[side].child[0][i];

			c->mode = CHILD_TRANSPORT;
			c->local_ts[0] = c->remote_ts[0] = sim_ts("dynamic");
			c->local_ts[0].protocol = c->remote_ts[0].protocol = i ? 6 : 17;
		}
	sim_start(s);
	mmx_sim_ifaces(s, A, 1, 3);
	mmx_sim_ifaces(s, B, 1, 3);
	nat.of = 2;
	nat.port = 20000;
	s->on_wire = translate_one;
	cr_assert_eq(sim_up(s, A, "net", 1), 0);
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 1));
	probed(s, A, path(2, 2), 20);
	cr_assert(s->side[A].probed.nat);
	cr_assert_eq(ike_up_line_outer(s->side[A].ike, mmx_sim_line(s, A), "more", &w, 2, s->now),
		     0);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_UP, 2), 1);
	cr_assert(s->side[A].n_children == 2 && s->side[B].n_children == 2);
	assert_seen(s, "192.0.2.2", OUTSIDE, "198.51.100.2");
	cr_assert(addr_is(newest(s, A)->told_local, OUTSIDE));
	/* a rekey of either has the same */
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", "more", 3, s->now), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_REKEYED, 3), 1);
	assert_seen(s, "192.0.2.2", OUTSIDE, "198.51.100.2");
	cr_assert_eq(ike_rekey(s->side[B].ike, "c", "more", 4, s->now), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_CHILD_REKEYED, 4), 1);
	assert_seen(s, "192.0.2.2", OUTSIDE, "198.51.100.2");
	/* away from the NAT, and behind it again */
	probed(s, A, path(3, 2), 21);
	cr_assert_eq(asked(s, A, &a, 5), MMX_OK);
	assert_seen(s, "192.0.2.3", "192.0.2.3", "198.51.100.2");
	a = act_update(0, OWN, 3, 2);
	a.tlvs.t[1].ep.flags |= MMX_EP_AS_OBSERVED;
	cr_assert_eq(asked(s, A, &a, 6), MMX_OK);
	assert_seen(s, "192.0.2.2", OUTSIDE, "198.51.100.2");
	cr_assert(s->side[A].n_children == 2 && s->side[B].n_children == 2);
	sim_free(s);
}
