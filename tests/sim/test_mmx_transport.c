/* SPDX-License-Identifier: GPL-2.0-only */
/* Transport mode: selectors are the addresses of the endpoints, and change with them:
 * user/ike/mmx_transport.c. */
#include <errno.h>

#include "../../user/ike/mmx.h"
#include "mmx_act.h"
#include "sim_assert.h"

/* Child SAs in transport mode between whatever endpoints they are bound to; "more" of TCP to port
 * 80 of B only. */
static struct sim *transport_new(uint64_t seed)
{
	struct sim *s = mmx_sim_new(seed);

	for (unsigned side = A; side <= B; side++)
		for (unsigned i = 0; i < 2; i++) {
			struct ike_child_cfg *c = &s->side[side].child[0][i];
			struct ike_ts *ts = side == A ? &c->remote_ts[0] : &c->local_ts[0];

			c->mode = CHILD_TRANSPORT;
			c->local_ts[0] = c->remote_ts[0] = sim_ts("dynamic");
			if (i == 0)
				continue;
			c->local_ts[0].protocol = c->remote_ts[0].protocol = 6;
			ts->port_first = ts->port_last = 80;
		}
	return s;
}

static void start(struct sim *s, unsigned n_a, unsigned n_b)
{
	sim_start(s);
	mmx_sim_ifaces(s, A, 1, n_a);
	mmx_sim_ifaces(s, B, 1, n_b);
	cr_assert_eq(sim_up(s, A, "net", 1), 0);
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 1));
}

static int wish(struct sim *s, unsigned side, uint16_t own, uint16_t peer, uint32_t op)
{
	struct ike_outer_wish w = { .mode = MMX_OUTER_SINGLE,
				    .n_own = 1,
				    .n_peer = peer != 0,
				    .own = { own },
				    .peer = { peer } };

	return ike_up_line_outer(s->side[side].ike, mmx_sim_line(s, side), "more", &w, op, s->now);
}

static bool side_is(const struct ike_ts *ts, uint8_t n, unsigned side, unsigned n_epids,
		    const uint16_t *epids)
{
	if (n != n_epids)
		return false;
	for (unsigned i = 0; i < n; i++) {
		struct addr a = mmx_sim_addr(side, epids[i]);

		if (!addr_equal(&ts[i].first, &a) || !addr_equal(&ts[i].last, &a))
			return false;
	}
	return true;
}

/* Both ends have an SA between these, and as many as one. */
static const struct child_sa_out *between(const struct sim *s, unsigned n_a, const uint16_t *a,
					  unsigned n_b, const uint16_t *b)
{
	const struct child_sa_out *found = NULL;

	for (unsigned side = A; side <= B; side++) {
		const struct sim_side *d = &s->side[side];
		unsigned n = 0;

		for (unsigned i = 0; i < d->n_children; i++) {
			const struct child_sa_out *c = &d->children[i];
			bool fits = side_is(c->ts_local, c->n_ts_local, side, side ? n_b : n_a,
					    side ? b : a) &&
				    side_is(c->ts_remote, c->n_ts_remote, !side, side ? n_a : n_b,
					    side ? a : b);

			n += fits;
			found = fits && side == A ? c : found;
			cr_assert_eq(c->mode, CHILD_TRANSPORT);
		}
		cr_assert_eq(n, 1, "%c has %u", "AB"[side], n);
	}
	return found;
}

static const struct child_sa_out *pair(const struct sim *s, uint16_t a, uint16_t b)
{
	return between(s, 1, &a, 1, &b);
}

/* [MMX-125, MIF-5-1, MIF-5.1.1-1, MIF-5.1.3-1] S7: SAs of three pairs of addresses by one IKE SA.
 */
static void three_pairs(struct sim *s)
{
	start(s, 3, 3);
	for (uint16_t k = 2; k <= 3; k++)
		cr_assert_eq(wish(s, k == 2 ? A : B, k, k, k), 0);
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 3));
	for (uint16_t k = 1; k <= 3; k++)
		pair(s, k, k);
}

Test(mmx_transport, three_interfaces)
{
	struct sim *s = transport_new(1);
	const struct child_sa_out *c;

	three_pairs(s);
	/* ports and protocols are what is configured */
	c = pair(s, 2, 2);
	cr_assert_eq(c->ts_remote[0].port_first, 80);
	cr_assert_eq(c->ts_local[0].port_last, 65535);
	cr_assert_eq(c->ts_local[0].protocol, 6);
	alive(s, 3);
	for (uint16_t k = 1; k <= 3; k++)
		pair(s, k, k);
	sim_free(s);
}

Test(mmx_transport, three_interfaces_whatever_is_lost)
{
	for (unsigned bit = 0; bit < 12; bit++)
		for (unsigned k = 0; k < 3; k++) {
			struct sim *s = transport_new(10 + 3 * bit + k);
			uint64_t mask = UINT64_C(1) << bit;

			s->lose = k == 0 ? mask : 0;
			s->duplicate = k == 1 ? UINT64_MAX : 0;
			s->late = k == 2 ? mask : 0;
			three_pairs(s);
			alive(s, 3);
			sim_free(s);
		}
}

/* The answer says which one of the peer's it is; a rekey has the selectors that are in use. */
Test(mmx_transport, the_peer_chooses)
{
	struct sim *s = transport_new(2);

	start(s, 3, 3);
	cr_assert_eq(wish(s, A, 3, 0, 2), 0);
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 2));
	pair(s, 3, 1);
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", "more", 3, s->now), 0);
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_REKEYED, 3), 1);
	pair(s, 3, 1);
	alive(s, 2);
	sim_free(s);
}

/* All pairs of what is in use at once are covered by one SA. */
Test(mmx_transport, several_at_once)
{
	struct sim *s = transport_new(3);
	struct ike_outer_wish w = { .mode = MMX_OUTER_SIMULTANEOUS,
				    .n_own = 2,
				    .n_peer = 2,
				    .own = { 2, 3 },
				    .peer = { 1, 3 } };

	start(s, 3, 3);
	cr_assert_eq(ike_up_line_outer(s->side[A].ike, mmx_sim_line(s, A), "more", &w, 2, s->now),
		     0);
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 2));
	between(s, 2, (uint16_t[]){ 2, 3 }, 2, (uint16_t[]){ 1, 3 });
	alive(s, 2);
	sim_free(s);
}

/* In IKE_AUTH, too. */
Test(mmx_transport, in_ike_auth)
{
	struct ike_outer_wish w = { .mode = MMX_OUTER_SINGLE, .n_own = 1, .own = { 2 } };
	struct sim *s = transport_new(4);
	struct ike_path p;

	sim_start(s);
	mmx_sim_ifaces(s, A, 1, 3);
	mmx_sim_ifaces(s, B, 1, 3);
	p = sim_path(s, A);
	cr_assert_eq(ike_up_outer(s->side[A].ike, "c", "net", &p, &w, 1, s->now), 0);
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 1));
	pair(s, 2, 1);
	alive(s, 1);
	sim_free(s);
}

/* A policy for one network of the peer's: an endpoint that is not in it has no SA. */
Test(mmx_transport, what_policy_does_not_cover)
{
	struct sim *s = transport_new(5);

	for (unsigned i = 0; i < 2; i++) {
		struct ike_ts *ts = &s->side[B].child[0][i].remote_ts[0];

		ts->dynamic = false;
		ts->first = mmx_sim_addr(A, 1);
		ts->last = mmx_sim_addr(A, 2);
	}
	start(s, 3, 3);
	cr_assert_eq(wish(s, A, 3, 3, 2), 0);
	cr_assert_eq(wish(s, A, 2, 3, 3), 0);
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_FAILED, 2), 1);
	cr_assert_eq(sim_last_event(&s->side[A], IKE_EV_FAILED)->notify, N_TS_UNACCEPTABLE);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_UP, 3), 1);
	cr_assert(sim_mirrored(s, 2));
	pair(s, 2, 3);
	alive(s, 2);
	sim_free(s);
}

/* ---- moves ---- */

static struct sim *moving(uint64_t seed)
{
	struct sim *s = transport_new(seed);

	start(s, 3, 3);
	cr_assert_eq(wish(s, A, 2, 2, 2), 0);
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 2));
	return s;
}

static const char *what(const struct sim *s)
{
	return mmx_status_name(s->side[A].mmx.r[0].status);
}

/* [MMX-149] An added interface: derived SAs have its address, and those of its own that policy does
 * not cover are not made. They go with it. */
Test(mmx_transport, an_added_interface)
{
	struct sim *s = moving(56);
	struct mmx_action a = act(MMX_ADD_IF, 0);
	const struct child_sa_out *parent = pair(s, 2, 2), *c;

	act_ep(&a, MMX_ROLE_NEW, OWN, 3);
	act_ep(&a, MMX_ROLE_TO, PEERS, 3);
	act_ep(&a, MMX_ROLE_SRC, OWN, 2);
	cr_assert_eq(asked(s, A, &a, 3), MMX_OK, "%s", what(s));
	cr_assert_eq(s->side[A].mmx.r[0].affected, 1);
	cr_assert(sim_mirrored(s, 3));
	c = pair(s, 3, 3);
	cr_assert_str_eq(c->name, parent->name);
	cr_assert_eq(c->ts_remote[0].port_first, 80);
	cr_assert_neq(c->spi_in, parent->spi_in);
	/* it is there already */
	cr_assert_eq(asked(s, A, &a, 4), MMX_OK, "%s", what(s));
	cr_assert_eq(s->side[A].mmx.r[0].affected, 0);
	a = act(MMX_DEL_IF, 0);
	act_ep(&a, MMX_ROLE_OLD, OWN, 3);
	cr_assert_eq(asked(s, A, &a, 5), MMX_OK, "%s", what(s));
	cr_assert(sim_mirrored(s, 2));
	pair(s, 1, 1);
	pair(s, 2, 2);
	sim_free(s);
}

/* [MMX-126, MIF-5.2-1, MIF-5.2.1-1, MIF-5.2.3-2] One endpoint takes another's place in the
 * selectors of both ends; ports, SPIs and keys stay, and so does the other SA. */
Test(mmx_transport, update)
{
	struct sim *s = moving(50);
	struct child_sa_out before = *pair(s, 2, 2);
	const struct child_sa_out *after;
	struct mmx_action a = act_update(0, OWN, 2, 3);
	unsigned creations = s->exchanges[A][CREATE_CHILD_SA] + s->exchanges[B][CREATE_CHILD_SA];

	cr_assert_eq(asked(s, A, &a, 3), MMX_OK, "%s", what(s));
	after = pair(s, 3, 2);
	pair(s, 1, 1);
	cr_assert_eq(after->id, before.id);
	cr_assert_eq(after->ts_remote[0].port_first, 80);
	cr_assert_eq(s->exchanges[A][CREATE_CHILD_SA] + s->exchanges[B][CREATE_CHILD_SA],
		     creations);
	/* the peer's, too: I decides */
	a = act_update(0, PEERS, 2, 3);
	cr_assert_eq(asked(s, A, &a, 4), MMX_OK, "%s", what(s));
	pair(s, 3, 3);
	/* R's own */
	a = act_update(0, OWN, 3, 2);
	cr_assert_eq(asked(s, B, &a, 5), MMX_OK);
	pair(s, 3, 2);
	alive(s, 2);
	sim_free(s);
}

/* [MMX-127] Several at once: all pairs by one SA, and fewer again. */
Test(mmx_transport, add_and_remove)
{
	struct sim *s = moving(51);
	struct mmx_action a = act(MMX_ADD, 0);
	uint8_t spi[4];

	act_ep(&a, MMX_ROLE_NEW, OWN, 3);
	act_sel_spi(&a, pair(s, 2, 2)->spi_in, spi);
	cr_assert_eq(asked(s, A, &a, 3), MMX_OK, "%s", what(s));
	between(s, 2, (uint16_t[]){ 2, 3 }, 1, (uint16_t[]){ 2 });
	a = act(MMX_REMOVE, 0);
	act_ep(&a, MMX_ROLE_OLD, OWN, 2);
	cr_assert_eq(asked(s, A, &a, 4), MMX_OK, "%s", what(s));
	pair(s, 3, 2);
	pair(s, 1, 1);
	alive(s, 2);
	sim_free(s);
}

/* An end whose ESP has one pair of addresses for an SA: no more are added by it or by the peer, and
 * one takes another's place as ever. */
Test(mmx_transport, one_pair)
{
	struct sim *s = moving(59);
	struct mmx_action a = act(MMX_ADD, 0);
	uint8_t spi[4];

	s->side[B].ike->env.one_pair = true;
	act_ep(&a, MMX_ROLE_NEW, OWN, 3);
	act_sel_spi(&a, pair(s, 2, 2)->spi_in, spi);
	cr_assert_eq(asked(s, A, &a, 3), MMX_TOO_MANY, "%s", what(s));
	pair(s, 2, 2);
	s->side[B].ike->env.one_pair = false;
	s->side[A].ike->env.one_pair = true;
	cr_assert_eq(ike_mmx_ask(s->side[A].ike, mmx_sim_line(s, A), &a, 1, 4, s->now), -EACCES);
	pair(s, 2, 2);
	a = act_update(0, OWN, 2, 3);
	cr_assert_eq(asked(s, A, &a, 5), MMX_OK, "%s", what(s));
	pair(s, 3, 2);
	alive(s, 2);
	sim_free(s);
}

/* [MIF-5.3.2-1, MIF-5.3.3-1] A fail-over that the peer begins. */
Test(mmx_transport, failover)
{
	struct sim *s = moving(52);
	struct mmx_action a = act_update(0, PEERS, 2, 3);

	a.code = MMX_FAILOVER;
	cr_assert_eq(asked(s, B, &a, 3), MMX_OK);
	pair(s, 3, 2);
	pair(s, 1, 1);
	alive(s, 2);
	sim_free(s);
}

/* [MIF-5.3.1-1, MIF-5.3.3-2] By what was said of an interface, or by the list where nothing was
 * said; either end may begin. */
Test(mmx_transport, alternates)
{
	struct sim *s = moving(57);
	struct mmx_action alt = act(MMX_SET_ALT, 0), a = act_update(0, PEERS, 2, 1);

	act_ep(&alt, MMX_ROLE_OLD, OWN, 2)->flags = MMX_EP_IFID;
	act_ep(&alt, MMX_ROLE_ALT, OWN, 3);
	cr_assert_eq(asked(s, A, &alt, 3), MMX_OK);
	a.code = MMX_FAILOVER;
	cr_assert_eq(asked(s, B, &a, 4), MMX_NOT_OWNER, "only 3 was said");
	a = act_update(0, PEERS, 2, 3);
	a.code = MMX_FAILOVER;
	cr_assert_eq(asked(s, B, &a, 5), MMX_OK);
	pair(s, 3, 2);
	/* B has said nothing, and A begins */
	cr_assert_eq(asked(s, A, &a, 6), MMX_OK);
	pair(s, 3, 3);
	pair(s, 1, 1);
	alive(s, 2);
	sim_free(s);
}

/* [MIF-5.5-1] An interface goes, and the SAs whose selectors are its address. */
Test(mmx_transport, an_interface_goes)
{
	struct sim *s = moving(58);
	struct mmx_action a = act(MMX_DEL_IF, 0);

	act_ep(&a, MMX_ROLE_OLD, OWN, 2)->flags = MMX_EP_IFID;
	cr_assert_eq(asked(s, A, &a, 3), MMX_OK);
	pair(s, 1, 1);
	alive(s, 1);
	cr_assert_eq(s->side[A].n_bindings + s->side[B].n_bindings, 0);
	sim_free(s);
}

/* [MIF-5.3.2-2, MIF-5.2.3-1] What inherits goes along with the IKE SA. */
Test(mmx_transport, what_inherits_goes_with_the_ike_sa)
{
	struct sim *s = moving(53);
	struct mmx_action a = act_update(0, OWN, 1, 3);

	act_sel(&a, MMX_SEL_IKE);
	cr_assert_eq(asked(s, A, &a, 3), MMX_OK, "%s", what(s));
	cr_assert(addr_is(info(s, B).path.remote.ip, "192.0.2.3"));
	pair(s, 3, 1);
	pair(s, 2, 2);
	alive(s, 2);
	sim_free(s);
}

/* ---- S8: the only interface gets another address ---- */

/* It tells so from there, by one exchange, and R asks whether it is there before its packets go. */
static void move_and_reconnect(struct sim *s)
{
	struct mmx_action a = act(MMX_UPDATE, MMX_ACTION_HARD);
	struct mmx_iface now = mmx_sim_iface(A, 1);
	struct mmx_tlv *new;

	now.ep[0] = mmx_sim_iface(A, 2).ep[0];
	cr_assert_eq(ike_ifaces_set(s->side[A].ike, "c", &now, 1, s->now), 0);
	act_ep(&a, MMX_ROLE_OLD, OWN, 1);
	new = mmx_add(&a.tlvs, MMX_TLV_EP);
	new->ep = (struct mmx_ep){
		.role = MMX_ROLE_NEW, .flags = MMX_EP_HERE, .epid = 2, .addr = mmx_sim_addr(A, 2)
	};
	act_sel(&a, MMX_SEL_IKE);
	act_sel(&a, MMX_SEL_OLD);
	ask(s, A, &a, 1, 3);
}

/* [MMX-128, MM-4-1, MM-4.1-1, MM-4.1-3, MM-10.1.2-4] */
Test(mmx_transport, move_and_reconnect)
{
	struct sim *s = transport_new(60);
	struct child_sa_out before;
	unsigned sent, creations;
	uint16_t one = 1, two = 2;

	start(s, 1, 1);
	before = *pair(s, 1, 1);
	sent = s->exchanges[A][INFORMATIONAL];
	creations = s->exchanges[A][CREATE_CHILD_SA];
	move_and_reconnect(s);
	sim_drain(s, A);
	/* its own selectors first */
	cr_assert(side_is(s->side[A].children[0].ts_local, 1, A, 1, &two));
	cr_assert(side_is(s->side[B].children[0].ts_remote, 1, A, 1, &one));
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_MMX_ANSWERED, 3), 1);
	cr_assert_eq(s->side[A].mmx.r[0].status, MMX_OK, "%s", what(s));
	cr_assert_eq(pair(s, 2, 1)->id, before.id);
	cr_assert(addr_is(info(s, B).path.remote.ip, "192.0.2.2"));
	/* the answer to its check is one more */
	cr_assert_leq(s->exchanges[A][INFORMATIONAL] - sent, 2);
	cr_assert_eq(s->exchanges[A][CREATE_CHILD_SA], creations);
	alive(s, 1);
	sim_free(s);
}

Test(mmx_transport, move_and_reconnect_whatever_is_lost)
{
	for (unsigned bit = 0; bit < 6; bit++)
		for (unsigned k = 0; k < 3; k++) {
			uint64_t mask = UINT64_C(1) << bit;
			struct sim *s = transport_new(70 + 3 * bit + k);

			start(s, 1, 1);
			s->sent = 0;
			s->lose = k == 0 ? mask : 0;
			s->duplicate = k == 1 ? UINT64_MAX : 0;
			s->late = k == 2 ? mask : 0;
			move_and_reconnect(s);
			sim_settle(s, 60 * USEC_PER_SEC);
			cr_assert_eq(s->side[A].mmx.r[0].status, MMX_OK, "%s", what(s));
			pair(s, 2, 1);
			alive(s, 1);
			sim_free(s);
		}
}

/* ---- S15: an application goes first ---- */

/* [MMX-129, MIF-5.2-3] Its address is added to the SA that is there, by one exchange;
 * where policy does not let it, all stays as it was, and another SA may be asked for. */
Test(mmx_transport, an_application_moves)
{
	for (unsigned bit = 0; bit < 5; bit++) {
		struct sim *s = moving(90 + bit);
		struct mmx_action a = act(MMX_ADD, 0);
		uint8_t spi[4];

		s->sent = 0;
		s->lose = bit < 4 ? UINT64_C(1) << bit : 0;
		s->duplicate = UINT64_MAX;
		act_ep(&a, MMX_ROLE_NEW, OWN, 3);
		act_sel_spi(&a, pair(s, 2, 2)->spi_in, spi);
		cr_assert_eq(asked(s, A, &a, 3), MMX_OK, "%s", what(s));
		between(s, 2, (uint16_t[]){ 2, 3 }, 1, (uint16_t[]){ 2 });
		alive(s, 2);
		sim_free(s);
	}
}

/* ---- policy ---- */

/* B protects peers at 192.0.2.1 to .2 with the first part, and others, if there is one, with the
 * second. */
static struct sim *guarded(uint64_t seed, uint16_t bits, uint16_t bits_elsewhere,
			   enum child_mode elsewhere)
{
	struct sim *s = transport_new(seed);
	struct sim_side *b = &s->side[B];

	for (unsigned i = 0; i < 2; i++) {
		struct ike_child_cfg *c = &b->child[0][i];
		uint16_t want = i ? bits_elsewhere : bits;

		c->local_ts[0] = sim_ts("dynamic");
		c->remote_ts[0].dynamic = false;
		c->remote_ts[0].protocol = 0;
		c->remote_ts[0].first = mmx_sim_addr(A, i ? 3 : 1);
		c->remote_ts[0].last = mmx_sim_addr(A, i ? 3 : 2);
		c->n_proposals = 1;
		c->proposals[0] = (struct ike_proposal){ .n_encr = want == 128 && !i ? 2 : 1,
							 .n_esn = 1,
							 .encr = { { ENCR_AES_GCM_16, want },
								   { ENCR_AES_GCM_16, 256 } },
							 .esn = { ESN_NO } };
	}
	b->conn[0].n_children = bits_elsewhere ? 2 : 1;
	b->child[0][1].mode = elsewhere;
	for (unsigned i = 0; i < 2; i++) {
		struct ike_proposal *p = &s->side[A].child[0][i].proposals[0];

		s->side[A].child[0][i].n_proposals = 1;
		*p = (struct ike_proposal){ .n_encr = 2,
					    .n_esn = 1,
					    .encr = { { ENCR_AES_GCM_16, 128 },
						      { ENCR_AES_GCM_16, 256 } },
					    .esn = { ESN_NO } };
	}
	start(s, 3, 3);
	return s;
}

static enum mmx_status move_to(struct sim *s, uint16_t epid, uint8_t flags)
{
	struct mmx_action a = act_update(flags, OWN, 1, epid);
	static uint32_t op = 100;

	return asked(s, A, &a, ++op);
}

/* [MMX-130, MM-10.3.1-1, MM-4.1-2, MM-4.1-4, MM-4.2-1, MM-4.2-2, MM-4.2-3, MM-9.1-2] */
Test(mmx_transport, what_no_policy_covers)
{
	struct sim *s = guarded(80, 128, 0, CHILD_TRANSPORT);

	cr_assert_eq(move_to(s, 3, 0), MMX_PAD_DENIED, "%s", what(s));
	pair(s, 1, 1);
	cr_assert_eq(move_to(s, 2, MMX_ACTION_CHECK), MMX_OK, "%s", what(s));
	cr_assert_gt(s->side[A].mmx.r[0].valid_sec, 0);
	pair(s, 1, 1);
	alive(s, 1);
	sim_free(s);
}

/* Nor is the peer asked for what our own policy does not cover. */
Test(mmx_transport, what_no_policy_of_ours_covers)
{
	struct sim *s = transport_new(84);
	struct mmx_action a = act_update(0, OWN, 1, 3);
	unsigned sent;

	for (unsigned i = 0; i < 2; i++) {
		struct ike_ts *ts = &s->side[A].child[0][i].local_ts[0];

		ts->dynamic = false;
		ts->first = mmx_sim_addr(A, 1);
		ts->last = mmx_sim_addr(A, 2);
	}
	start(s, 3, 3);
	sent = s->exchanges[A][INFORMATIONAL];
	cr_assert_eq(ike_mmx_ask(s->side[A].ike, mmx_sim_line(s, A), &a, 1, 3, s->now), -EACCES);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_eq(s->exchanges[A][INFORMATIONAL], sent);
	cr_assert_eq(move_to(s, 2, 0), MMX_OK, "%s", what(s));
	pair(s, 2, 1);
	alive(s, 1);
	sim_free(s);
}

/* The connection names the peer there, but for a tunnel. */
Test(mmx_transport, what_is_for_a_tunnel)
{
	struct sim *s = guarded(81, 128, 128, CHILD_TUNNEL);

	cr_assert_eq(move_to(s, 3, 0), MMX_SPD_MISMATCH, "%s", what(s));
	pair(s, 1, 1);
	alive(s, 1);
	sim_free(s);
}

/* [MMX-131, MM-11-3, MM-11-4] S11: from a network where less is enough to one where it is
 * not; after a rekey with more it may go there, and stays with that. */
static void stronger_protection_first(struct sim *s)
{
	uint32_t id = pair(s, 1, 1)->id;

	cr_assert_eq(move_to(s, 3, 0), MMX_LOCAL_POLICY, "%s", what(s));
	cr_assert_eq(s->side[A].mmx.r[0].detail, MMX_POLICY_STRONGER);
	pair(s, 1, 1);
	cr_assert_eq(ike_rekey_stronger(s->side[A].ike, id, 20, s->now), 0);
	cr_assert_eq(ike_rekey_stronger(s->side[A].ike, id, 21, s->now), -EALREADY);
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_REKEYED, 20), 1);
	cr_assert_eq(pair(s, 1, 1)->encr_key_bits, 256);
	id = pair(s, 1, 1)->id;
	cr_assert_eq(ike_rekey_stronger(s->side[A].ike, id, 22, s->now), -EOPNOTSUPP);
	cr_assert_eq(ike_rekey_stronger(s->side[A].ike, 999, 22, s->now), -ENOENT);
	cr_assert_eq(move_to(s, 3, 0), MMX_OK, "%s", what(s));
	pair(s, 3, 1);
	/* what covers it there says how it is rekeyed */
	for (unsigned side = A; side <= B; side++) {
		cr_assert_eq(ike_rekey(s->side[side].ike, "c", "net", 23, s->now), 0);
		sim_settle(s, 60 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[side], IKE_EV_CHILD_REKEYED, 23), 1);
		cr_assert_eq(pair(s, 3, 1)->encr_key_bits, 256);
	}
	cr_assert(sim_mirrored(s, 1));
}

/* Each of its datagrams is lost, doubled, late; once none is. */
Test(mmx_transport, stronger_protection_whatever_is_lost)
{
	for (unsigned bit = 0; bit < 24; bit++)
		for (unsigned k = 0; k < (bit ? 3 : 4); k++) {
			struct sim *s = guarded(400 + 4 * bit + k, 128, 256, CHILD_TRANSPORT);
			uint64_t mask = UINT64_C(1) << (s->sent + bit);

			s->lose = k == 0 ? mask : 0;
			s->duplicate = k == 1 ? mask : 0;
			s->late = k == 2 ? mask : 0;
			stronger_protection_first(s);
			sim_free(s);
		}
}

/* [MM-11-2] */
Test(mmx_transport, less_protection_would_do)
{
	struct sim *s = guarded(83, 256, 128, CHILD_TRANSPORT);

	cr_assert_eq(move_to(s, 3, 0), MMX_OK, "%s", what(s));
	cr_assert(s->side[A].mmx.r[0].flags & MMX_RESULT_RENEGOTIATE);
	pair(s, 3, 1);
	alive(s, 1);
	sim_free(s);
}

/* ---- whoever is restarted ---- */

/* Also with the answer to a request for endpoints, or a move, under way. */
Test(mmx_transport, a_new_agent_goes_on)
{
	for (unsigned side = A; side <= B; side++)
		for (unsigned k = 0; k < 3; k++) {
			struct sim *s = moving(95 + 3 * side + k);
			struct mmx_action a = act_update(0, OWN, 2, 3);

			if (k == 1) {
				ask(s, A, &a, 1, 3);
				sim_run(s, s->delay);
			} else if (k == 2) {
				cr_assert_eq(wish(s, A, 1, 3, 3), 0);
				sim_run(s, s->delay);
			}
			sim_drain(s, A);
			sim_drain(s, B);
			sim_restart(s, side);
			sim_settle(s, 60 * USEC_PER_SEC);
			cr_assert(sim_mirrored(s, k == 2 ? 3 : 2));
			if (k == 2)
				pair(s, 1, 3);
			a = act_update(0, OWN, k == 1 ? 3 : 2, 1);
			cr_assert_eq(asked(s, A, &a, 5), MMX_OK, "%s", what(s));
			pair(s, 1, 2);
			alive(s, k == 2 ? 3 : 2);
			sim_free(s);
		}
}
