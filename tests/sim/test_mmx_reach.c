/* SPDX-License-Identifier: GPL-2.0-only */
/* What is known of where the peer receives: tokens, checks, doubt, and paths that are kept open:
 * user/ike/mmx_seen.c, user/ike/mmx_reach.c. */
#include "mmx_act.h"
#include "mmx_probe_sim.h"

/* ---- tokens ---- */

/* What side has of that path, given to the other as if in an action. */
static bool give(struct sim *s, unsigned side, uint32_t held, uint32_t p)
{
	struct ike_sa *to = owner(s, !side);
	struct mmx_tlvs tlvs = { .n = 0 };

	mmx_add(&tlvs, MMX_TLV_TOKEN)->token =
		(struct mmx_token){ (uint16_t)(p >> 16), (uint16_t)p,
				    mmx_token_held(owner(s, side)->mmx, held, s->now) };
	mmx_tokens_take(to->ike, to, to->mmx, &tlvs);
	return verified(s, !side, p);
}

/* [MMX-87]: it saves the peer a probe of its own. */
Test(mmx_reach, token)
{
	for (unsigned side = A; side <= B; side++) {
		struct sim *s = mmx_sim_up(1, 3, 3);

		probed(s, side, path(2, 2), 20);
		cr_assert_not(verified(s, !side, path(2, 2)));
		cr_assert(give(s, side, path(2, 2), path(2, 2)));
		cr_assert(verified(s, !side, side == A ? path(2, 3) : path(3, 2)),
			  "of the address, whatever it sends to");
		sim_free(s);
	}
}

/* [MMX-87]: one of another path is as good as none. */
Test(mmx_reach, token_of_another_path)
{
	struct sim *s = mmx_sim_up(2, 3, 3);

	probed(s, A, path(2, 2), 20);
	probed(s, A, path(3, 2), 21);
	cr_assert_not(give(s, A, path(2, 2), path(3, 2)));
	cr_assert_not(give(s, A, path(2, 2), path(3, 3)));
	cr_assert(give(s, A, path(3, 2), path(3, 2)));
	cr_assert_eq(ike_sa_count(s->side[B].ike), 1);
	sim_free(s);
}

/* [MMX-87]: one that is too old is not even sent. */
Test(mmx_reach, token_is_soon_too_old)
{
	struct sim *s = mmx_sim_up(3, 2, 2);
	uint8_t old[MMX_TOKEN_MAX];
	struct mmx_tlvs tlvs = { .n = 0 };
	struct bytes held;

	probed(s, A, path(2, 2), 20);
	held = mmx_token_held(owner(s, A)->mmx, path(2, 2), s->now);
	cr_assert_eq(held.len, MMX_TOKEN_OCTETS);
	memcpy(old, held.p, held.len);
	sim_run(s, 61 * USEC_PER_SEC);
	cr_assert_eq(mmx_token_held(owner(s, A)->mmx, path(2, 2), s->now).len, 0);
	mmx_add(&tlvs, MMX_TLV_TOKEN)->token = (struct mmx_token){ 2, 2, { old, held.len } };
	ike_tick(s->side[B].ike, s->now);
	mmx_tokens_take(owner(s, B)->ike, owner(s, B), owner(s, B)->mmx, &tlvs);
	cr_assert_not(verified(s, B, path(2, 2)));
	sim_free(s);
}

static struct sim_packet copy;

static void keep_first(struct sim *s, struct sim_packet *p)
{
	(void)s;
	if (copy.buf || p->to != B)
		return;
	copy = *p;
	copy.buf = malloc(p->len);
	memcpy(copy.buf, p->buf, p->len);
}

/* The request that was kept comes once more, from that address. */
static void again(struct sim *s, const char *from)
{
	struct sim_packet p = copy;

	p.src.ip = sim_addr(from);
	sim_deliver(s, &p);
	sim_settle(s, USEC_PER_SEC);
}

/* [MMX-88]: whoever pretends to be at a victim's address may not fetch the token from his own. */
Test(mmx_reach, token_is_not_fetched_elsewhere)
{
	for (unsigned stolen = 0; stolen <= 1; stolen++) {
		struct sim *s = mmx_sim_up(4, 2, 2);

		s->on_wire = keep_first;
		probed(s, A, path(2, 2), 20);
		s->on_wire = NULL;
		again(s, "192.0.2.2");
		if (stolen)
			again(s, "203.0.113.66");
		cr_assert_eq(give(s, A, path(2, 2), path(2, 2)), !stolen);
		/* the next one is good again */
		probed(s, A, path(2, 2), 21);
		cr_assert(give(s, A, path(2, 2), path(2, 2)));
		free(copy.buf);
		copy.buf = NULL;
		sim_free(s);
	}
}

/* [MMX-86] S13: the NAT has begun anew; the probe tells both, and the token that the peer is at the
 * new mapping; until then nothing goes there. */
Test(mmx_reach, nat_with_another_mapping)
{
	struct sim *s = mmx_sim_up(5, 2, 1);

	nat.of = 2;
	nat.port = 20000;
	s->on_wire = translate_one;
	probed(s, A, path(2, 1), 20);
	cr_assert(give(s, A, path(2, 1), path(2, 1)));
	cr_assert_eq(seen(s, B, path(2, 1))->peer.port, 20001);
	nat.port = 30000;
	probed(s, A, path(2, 1), 21);
	cr_assert_eq(s->side[A].probed.seen.port, 30001);
	cr_assert_eq(seen(s, B, path(2, 1))->peer.port, 20001, "it may be a lie");
	cr_assert(give(s, A, path(2, 1), path(2, 1)));
	cr_assert_eq(seen(s, B, path(2, 1))->peer.port, 30001);
	sim_free(s);
}

/* ---- checks ---- */

static bool check(struct sim *s, unsigned side, uint16_t of_a, uint16_t of_b, uint16_t of_b2,
		  uint16_t id)
{
	struct ike_sa *sa = owner(s, side);
	struct mmx_binding b = { .own = true,
				 .ends = { { 1, { of_a } }, { of_b2 ? 2 : 1, { of_b, of_b2 } } } };
	bool known = mmx_routability(sa->ike, sa, sa->mmx, &b,
				     &(struct mmx_rr){ .action_id = id, .from = of_a });

	window_run(sa->ike, sa);
	return known;
}

/* [MMX-89]: without a token the other side finds out itself, by each path. */
Test(mmx_reach, check_of_each_path)
{
	struct sim *s = mmx_sim_up(6, 3, 3);

	cr_assert_not(check(s, B, 2, 2, 3, 7));
	cr_assert_not(verified(s, B, path(2, 2)));
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert(verified(s, B, path(2, 2)) && verified(s, B, path(2, 3)));
	cr_assert_not(verified(s, B, path(3, 3)));
	cr_assert(check(s, B, 2, 2, 3, 8));
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_MMX_CHANGED, 0), 0);
	sim_free(s);
}

/* [MMX-89]: if none of the paths works, that is the result, once; a third party gets a few probes,
 * and nothing else. */
Test(mmx_reach, check_in_vain)
{
	for (unsigned one_works = 0; one_works <= 1; one_works++) {
		struct sim *s = mmx_sim_up(7, 3, 3);

		cut.path = path(2, 2);
		cut.n = 0;
		s->on_wire = lose_cut;
		cr_assert_not(check(s, B, 2, 2, one_works ? 3 : 0, 7));
		sim_settle(s, 20 * USEC_PER_SEC);
		cr_assert_eq(cut.n, 3);
		cr_assert_not(verified(s, B, path(2, 2)));
		cr_assert_eq(verified(s, B, path(2, 3)), one_works);
		cr_assert_eq(sim_count(&s->side[B], IKE_EV_MMX_CHANGED, 0), !one_works);
		cr_assert(list_empty(&owner(s, B)->inflight) && list_empty(&owner(s, B)->pending));
		sim_free(s);
	}
}

static const struct ike_binding_path *leads(const struct sim *s, unsigned side, uint32_t p)
{
	const struct sim_side *d = &s->side[side];
	const struct ike_binding *b = sim_binding(d, d->children[0].binding);

	for (unsigned k = 0; b && k < b->n; k++)
		if (b->paths[k].id == p)
			return &b->paths[k];
	cr_assert_fail("%08x is not used", p);
	return NULL;
}

/* [MMX-89]: an action that moves SAs is enough: R finds out, and then uses it. */
Test(mmx_reach, action_without_a_token)
{
	struct sim *s = mmx_sim_up(13, 3, 2);
	struct mmx_action a = act_update(0, OWN, 1, 2);

	cr_assert_eq(asked(s, A, &a, 5), MMX_OK);
	cr_assert(s->side[A].mmx.r[0].flags & MMX_RESULT_RR_PENDING);
	bound(s, 0, 2, 1);
	cr_assert(leads(s, B, path(2, 1))->verified && !leads(s, B, path(2, 1))->boot);
	/* with a token at once */
	probed(s, A, path(3, 1), 6);
	a = act_update(0, OWN, 2, 3);
	cr_assert_eq(asked(s, A, &a, 7), MMX_OK);
	cr_assert_not(s->side[A].mmx.r[0].flags & MMX_RESULT_RR_PENDING);
	cr_assert(leads(s, B, path(3, 1))->verified);
	sim_free(s);
}

/* [MMX-89]: nobody answers there: R says so later, and both ends are where they were. */
Test(mmx_reach, action_to_where_nobody_answers)
{
	for (unsigned hard = 0; hard <= 1; hard++) {
		struct sim *s = mmx_sim_up(14, 3, 2);
		struct mmx_action a = act_update(0, OWN, 1, 3);

		cr_assert_eq(asked(s, A, &a, 5), MMX_OK);
		bound(s, 0, 3, 1);
		cut.path = path(2, 1);
		s->on_wire = lose_cut;
		a = act_update(hard ? MMX_ACTION_HARD : 0, OWN, 3, 2);
		cr_assert_eq(asked(s, A, &a, 6), MMX_OK);
		sim_run(s, 20 * USEC_PER_SEC);
		bound(s, 0, hard ? 2 : 3, 1);
		cr_assert_not(verified(s, B, path(2, 1)));
		cr_assert_eq(sim_count(&s->side[B], IKE_EV_MMX_CHANGED, 0), 3);
		sim_free(s);
	}
}

/* What SAs are bound to falls silent, and they go where IKE is: that is an alternate all the same,
 * so that R can ask for it. */
Test(mmx_reach, silent_beside_ike)
{
	struct sim *s = mmx_sim_up(15, 2, 1);
	struct mmx_action a = act_update(0, OWN, 1, 2);
	const struct ike_binding_path *first;

	cr_assert_eq(asked(s, A, &a, 5), MMX_OK);
	bound(s, 0, 2, 1);
	first = leads(s, B, path(1, 1));
	cr_assert(first->alternate && !first->boot);
	cut.path = path(2, 1);
	s->on_wire = lose_cut;
	cr_assert_eq(ike_mmx_check(s->side[B].ike, mmx_sim_line(s, B), path(2, 1), s->now), 0);
	sim_run(s, 20 * USEC_PER_SEC);
	cr_assert_not(leads(s, B, path(2, 1))->verified);
	first = leads(s, B, path(1, 1));
	cr_assert(first->alternate && first->boot && first->verified);
	cut.path = 0;
	sim_free(s);
}

/* Where R's connection names the address it need not be asked first: A's endpoints, and whether R
 * sends its packets there as soon as it has the request. */
static struct sim *moves_to_2(uint64_t seed, enum ike_return_check when, bool named, bool silent)
{
	struct sim *s = mmx_sim_new(seed);
	struct ike_conn_cfg *c = &s->side[B].conn[0];
	struct mmx_action first = act_update(0, OWN, 1, 3);
	struct mmx_action a = act_update(MMX_ACTION_HARD, OWN, 3, 2);

	c->return_check = when;
	c->n_remote_addrs = 0;
	for (unsigned k = 1; named && k <= 3; k++)
		c->remote_addrs[c->n_remote_addrs++] = mmx_sim_addr(A, k);
	mmx_sim_begin(s, 3, 2);
	cr_assert_eq(asked(s, A, &first, 5), MMX_OK);
	sim_settle(s, 5 * USEC_PER_SEC);
	cut.path = path(2, 1);
	if (silent)
		s->on_wire = lose_cut;
	ask(s, A, &a, 1, 6);
	sim_run(s, s->delay);
	return s;
}

/* [MMX-93] */
Test(mmx_reach, an_address_of_the_configuration_is_asked_afterwards)
{
	for (unsigned silent = 0; silent <= 1; silent++) {
		struct sim *s = moves_to_2(40, IKE_RETURN_AFTER, true, silent);

		cr_assert(leads(s, B, path(2, 1))->verified);
		cr_assert_not(verified(s, B, path(2, 1)), "it was asked already");
		sim_run(s, 20 * USEC_PER_SEC);
		cr_assert_eq(verified(s, B, path(2, 1)), !silent);
		cr_assert_eq(leads(s, B, path(2, 1))->verified, !silent);
		sim_free(s);
	}
}

/* [MMX-93] */
Test(mmx_reach, no_policy_spares_other_addresses)
{
	for (unsigned when = IKE_RETURN_AFTER; when <= IKE_RETURN_SKIP; when++) {
		struct sim *s = moves_to_2(41, when, false, false);

		cr_assert_not(leads(s, B, path(2, 1))->verified);
		sim_settle(s, 5 * USEC_PER_SEC);
		cr_assert(verified(s, B, path(2, 1)));
		sim_free(s);
	}
}

/* [MMX-93] */
Test(mmx_reach, an_address_of_the_configuration_may_not_be_asked_at_all)
{
	struct sim *s = moves_to_2(42, IKE_RETURN_SKIP, true, true);
	unsigned before = s->exchanges[B][INFORMATIONAL];

	cr_assert(leads(s, B, path(2, 1))->verified);
	sim_run(s, 20 * USEC_PER_SEC);
	cr_assert_eq(s->exchanges[B][INFORMATIONAL], before);
	cr_assert_not(s->side[A].mmx.r[0].flags & MMX_RESULT_RR_PENDING);
	cr_assert(leads(s, B, path(2, 1))->verified);
	sim_free(s);
}

/* [MMX-87]: the same for a new Child SA. */
Test(mmx_reach, new_child_sa)
{
	const struct ike_outer_wish w = {
		.mode = MMX_OUTER_SINGLE, .n_own = 1, .own = { 2 }, .n_peer = 1, .peer = { 2 }
	};

	for (unsigned with_token = 0; with_token <= 1; with_token++) {
		struct sim *s = mmx_sim_up(16, 2, 2);
		uint32_t before = owner(s, B)->next_request;

		if (with_token)
			probed(s, A, path(2, 2), 20);
		cr_assert_eq(ike_up_line_outer(s->side[A].ike, mmx_sim_line(s, A), "more", &w, 21,
					       s->now),
			     0);
		sim_settle(s, 5 * USEC_PER_SEC);
		cr_assert(verified(s, A, path(2, 2)) && verified(s, B, path(2, 2)));
		cr_assert_eq(owner(s, B)->next_request - before, !with_token);
		cr_assert(sim_mirrored(s, 2));
		sim_free(s);
	}
}

/* [MMX-86] S13: what is behind a NAT is used as it was seen, also when its mapping is another one.
 */
Test(mmx_reach, as_observed)
{
	struct sim *s = mmx_sim_up(15, 2, 1);
	struct mmx_action add = act(MMX_ADD, 0), again_there = act(MMX_UPDATE, 0);

	nat.of = 2;
	nat.port = 20000;
	s->on_wire = translate_one;
	act_ep(&add, MMX_ROLE_NEW, OWN, 2)->flags = MMX_EP_AS_OBSERVED;
	act_sel(&add, MMX_SEL_ALL);
	cr_assert_eq(asked(s, A, &add, 5), MMX_UNREACHABLE);
	cr_assert_eq(s->side[A].mmx.r[0].detail, MMX_UNREACHABLE_NOT_PROBED);
	probed(s, A, path(2, 1), 6);
	cr_assert_eq(asked(s, A, &add, 7), MMX_OK);
	cr_assert_not(s->side[A].mmx.r[0].flags & MMX_RESULT_RR_PENDING);
	cr_assert(leads(s, B, path(2, 1))->verified && leads(s, B, path(2, 1))->nat);
	cr_assert(leads(s, A, path(2, 1))->verified && leads(s, A, path(2, 1))->nat);
	cr_assert(!leads(s, B, path(1, 1))->nat && !leads(s, A, path(1, 1))->nat);
	cr_assert_eq(leads(s, B, path(2, 1))->path.remote.port, 20001);
	nat.port = 30000;
	probed(s, A, path(2, 1), 8);
	cr_assert_eq(leads(s, B, path(2, 1))->path.remote.port, 20001);
	act_ep(&again_there, MMX_ROLE_OLD, OWN, 2);
	act_ep(&again_there, MMX_ROLE_NEW, OWN, 2)->flags = MMX_EP_AS_OBSERVED;
	cr_assert_eq(asked(s, A, &again_there, 9), MMX_OK);
	cr_assert(leads(s, B, path(2, 1))->verified);
	cr_assert_eq(leads(s, B, path(2, 1))->path.remote.port, 30001);
	sim_free(s);
}

/* [MMX-97]: where the alternate's mapping is gone nothing changes; where it is there R goes to it,
 * and to the next one if that is asked for. */
Test(mmx_reach, fail_over_to_a_mapping_that_is_gone)
{
	struct sim *s = mmx_sim_up(18, 3, 1);
	struct mmx_action a = act_update(0, OWN, 1, 3), f = act_update(0, PEERS, 3, 2);

	cr_assert_eq(asked(s, A, &a, 5), MMX_OK);
	nat.of = 2;
	nat.port = 20000;
	s->on_wire = translate_one;
	probed(s, A, path(2, 1), 6);
	f.code = MMX_FAILOVER;
	cr_assert_eq(asked(s, B, &f, 7), MMX_OK);
	bound(s, 0, 2, 1);
	cr_assert(leads(s, B, path(2, 1))->verified);
	a = act_update(0, OWN, 2, 3);
	cr_assert_eq(asked(s, A, &a, 8), MMX_OK);
	sim_run(s, 700 * USEC_PER_SEC);
	nat.port = 30000;
	cr_assert_eq(asked(s, B, &f, 9), MMX_UNREACHABLE);
	cr_assert_eq(s->side[B].mmx.r[0].detail, MMX_UNREACHABLE_RR_FAILED);
	bound(s, 0, 3, 1);
	f = act_update(0, PEERS, 3, 1);
	f.code = MMX_FAILOVER;
	cr_assert_eq(asked(s, B, &f, 10), MMX_OK);
	bound(s, 0, 1, 1);
	sim_free(s);
}

/* [MMX-82]: the IKE SA is rekeyed meanwhile, by either side. */
Test(mmx_reach, across_a_rekey)
{
	for (unsigned side = A; side <= B; side++) {
		struct sim *s = mmx_sim_up(8, 2, 2);

		cut.path = path(2, 2);
		s->on_wire = lose_cut;
		cr_assert_eq(probe(s, A, path(2, 2), 20), 0);
		cr_assert_eq(ike_rekey(s->side[side].ike, "c", NULL, 21, s->now), 0);
		sim_run(s, 100 * USEC_PER_MSEC);
		s->on_wire = NULL;
		sim_settle(s, 20 * USEC_PER_SEC);
		cr_assert_eq(sim_op_ends(&s->side[A], 20), 1);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_MMX_PROBED, 20), 1);
		cr_assert_gt(s->side[A].probed.rtt, 0);
		cr_assert(verified(s, A, path(2, 2)));
		cr_assert_eq(sim_count(&s->side[side], IKE_EV_IKE_REKEYED, 21), 1);
		sim_free(s);
	}
}

/* ---- time goes by ---- */

static void kept(struct sim *s, uint32_t p)
{
	cr_assert_eq(ike_mmx_probe(s->side[A].ike, mmx_sim_line(s, A), p, true, 20, s->now), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert(verified(s, A, p));
}

/* [MMX-60]: what is kept is shown anew before its time is over, what nobody needs is not. */
Test(mmx_reach, is_renewed)
{
	struct sim *s = mmx_sim_up(9, 3, 3);

	kept(s, path(2, 2));
	probed(s, A, path(3, 3), 21);
	sim_run(s, 590 * USEC_PER_SEC);
	cr_assert(verified(s, A, path(2, 2)) && verified(s, A, path(3, 3)));
	sim_run(s, 20 * USEC_PER_SEC);
	cr_assert(verified(s, A, path(2, 2)) && !verified(s, A, path(3, 3)));
	sim_run(s, 600 * USEC_PER_SEC);
	cr_assert(verified(s, A, path(2, 2)));
	/* until it is not answered */
	cut.path = path(2, 2);
	s->on_wire = lose_cut;
	sim_run(s, 600 * USEC_PER_SEC);
	cr_assert_not(verified(s, A, path(2, 2)));
	sim_free(s);
}

static void doubt(struct sim *s, const struct udp_addr *peer)
{
	struct ike_sa *sa = owner(s, A);

	ike_tick(sa->ike, s->now);
	mmx_doubt(sa, peer);
}

/* [MMX-60]: what makes doubt makes a probe, not more than one in half a minute, and only if that is
 * not answered anything ends. */
Test(mmx_reach, is_in_doubt)
{
	struct sim *s = mmx_sim_up(10, 2, 2);
	struct udp_addr peer = { mmx_sim_addr(B, 2), 4500 };
	unsigned n;

	kept(s, path(2, 2));
	sim_run(s, 60 * USEC_PER_SEC);
	n = s->exchanges[A][INFORMATIONAL];
	for (unsigned i = 0; i < 20; i++) {
		doubt(s, &peer);
		sim_run(s, USEC_PER_SEC);
		cr_assert(verified(s, A, path(2, 2)));
	}
	cr_assert_eq(s->exchanges[A][INFORMATIONAL], n + 1);
	cut.path = path(2, 2);
	s->on_wire = lose_cut;
	sim_run(s, 60 * USEC_PER_SEC);
	doubt(s, &peer);
	sim_run(s, USEC_PER_SEC);
	cr_assert(verified(s, A, path(2, 2)));
	sim_run(s, 12 * USEC_PER_SEC);
	cr_assert_not(verified(s, A, path(2, 2)));
	/* and as soon as it answers again */
	sim_run(s, 60 * USEC_PER_SEC);
	cr_assert_not(verified(s, A, path(2, 2)));
	s->on_wire = NULL;
	sim_run(s, 60 * USEC_PER_SEC);
	cr_assert(verified(s, A, path(2, 2)));
	sim_free(s);
}

/* What anybody may say: it does not know that SPI. */
static void invalid_spi(struct sim *s, uint32_t spi, uint16_t port)
{
	struct ike_hdr h = { .version = IKE_VERSION_2_0,
			     .exchange = INFORMATIONAL,
			     .flags = IKE_FLAG_INITIATOR };
	struct ike_path from = { .local = { mmx_sim_addr(A, 2), 4500 },
				 .remote = { mmx_sim_addr(B, 2), port } };
	uint8_t buf[64], data[4];
	struct wr w = wr_init(data, sizeof(data));
	struct msg_wr m = msg_begin(buf, sizeof(buf), &h);

	wr_u32(&w, spi);
	msg_put_notify(&m, PROTO_NONE, NULL, 0, N_INVALID_SPI, data, sizeof(data));
	ike_recv(s->side[A].ike, &from, buf, msg_end(&m), s->now);
}

/* [MMX-60]: who says that it does not know the SPI makes doubt about where that comes from. */
Test(mmx_reach, is_in_doubt_by_invalid_spi)
{
	struct sim *s = mmx_sim_up(17, 2, 2);

	kept(s, path(2, 2));
	sim_run(s, 60 * USEC_PER_SEC);
	invalid_spi(s, 0x12345678, 4500);
	invalid_spi(s, s->side[A].children[0].spi_out, 4501);
	sim_run(s, 2 * USEC_PER_SEC);
	cr_assert_lt(seen(s, A, path(2, 2))->verified, s->now + 545 * USEC_PER_SEC);
	invalid_spi(s, s->side[A].children[0].spi_out, 4500);
	sim_run(s, USEC_PER_SEC);
	cr_assert_gt(seen(s, A, path(2, 2))->verified, s->now + 590 * USEC_PER_SEC);
	sim_free(s);
}

/* [MMX-90]: behind a NAT a path stays open, and nowhere else is that done. */
Test(mmx_reach, mapping_is_kept)
{
	struct sim *s = mmx_sim_new(11);

	s->side[A].conn[0].keep_alive = s->side[B].conn[0].keep_alive = 20 * USEC_PER_SEC;
	sim_start(s);
	mmx_sim_ifaces(s, A, 1, 3);
	mmx_sim_ifaces(s, B, 1, 2);
	cr_assert_eq(sim_up(s, A, "net", 1), 0);
	sim_settle(s, 10 * USEC_PER_SEC);
	nat.of = 2;
	nat.port = 20000;
	s->on_wire = translate_one;
	kept(s, path(3, 1));
	sim_run(s, 100 * USEC_PER_SEC);
	cr_assert_eq(s->keepalives[A] + s->keepalives[B], 0);
	s->side[A].n_events = 0;
	kept(s, path(2, 1));
	sim_run(s, 101 * USEC_PER_SEC);
	cr_assert_eq(s->keepalives[A], 5);
	cr_assert_eq(s->keepalives[B], 0);
	sim_run(s, 1200 * USEC_PER_SEC);
	cr_assert_gt(s->keepalives[A], 50, "as long as it works");
	sim_free(s);
}

/* [MMX-91]: nobody makes much of an answer. */
Test(mmx_reach, answers_are_short)
{
	struct sim *s = mmx_sim_up(12, 2, 2);

	probed(s, A, path(2, 2), 20);
	cr_assert_eq(mmx_token_held(owner(s, A)->mmx, path(2, 2), s->now).len, MMX_TOKEN_OCTETS);
	cr_assert_leq(2 * s->last_len[B], 3 * s->last_len[A], "%zu to %zu", s->last_len[B],
		      s->last_len[A]);
	sim_free(s);
}

/* R moves the IKE SA to another address of its own: the answer shows that I receives there too, and
 * where it was asked from the old one, a check does. */
Test(mmx_reach, r_moved_by_itself)
{
	for (unsigned hard = 0; hard < 2; hard++) {
		struct sim *s = mmx_sim_up(80 + hard, 3, 3);
		struct mmx_action a = act_update(hard ? MMX_ACTION_HARD : 0, OWN, 1, 2);

		act_sel(&a, MMX_SEL_IKE);
		act_sel(&a, MMX_SEL_OLD);
		cr_assert(verified(s, B, path(1, 1)));
		cr_assert_eq(asked(s, B, &a, 5), MMX_OK);
		cr_assert(verified(s, B, path(1, 2)), "%s", hard ? "hard" : "soft");
		cr_assert(verified(s, A, path(1, 2)));
		sim_free(s);
	}
}

/* "I am here" that comes from another endpoint is not believed. */
Test(mmx_reach, here_of_another_endpoint)
{
	struct sim *s = mmx_sim_up(85, 3, 3);
	const struct ike_sa *sa = owner(s, B);
	struct addr at[3] = { mmx_sim_addr(A, 1), mmx_sim_addr(A, 2), mmx_sim_addr(B, 2) };

	cr_assert(mmx_here_strayed(sa, sa->mmx, 2, &at[0]));
	cr_assert_not(mmx_here_strayed(sa, sa->mmx, 2, &at[1]));
	cr_assert_not(mmx_here_strayed(sa, sa->mmx, 2, &at[2]), "a NAT's, perhaps");
	sim_free(s);
}

/* What many lists of the peer's change, one after the other, is not told of each time; the last one
 * counts. */
Test(mmx_reach, many_lists)
{
	struct sim *s = mmx_sim_up(90, 2, 3);
	struct mmx_action a = act_update(0, OWN, 1, 2);
	const struct ike_binding *b;
	unsigned before, alternates = 0;
	usec_t began;

	cr_assert_eq(asked(s, A, &a, 5), MMX_OK);
	before = s->side[A].n_told;
	began = s->now;
	for (unsigned i = 0; i < 40; i++) {
		mmx_sim_ifaces(s, B, 1, i & 1 ? 3 : 2);
		sim_run(s, 2 * s->delay);
	}
	cr_assert_geq(s->exchanges[B][INFORMATIONAL], 40);
	cr_assert_leq(s->side[A].n_told - before, 1 + (s->now - began) / (100 * USEC_PER_MSEC));
	mmx_sim_ifaces(s, B, 1, 2);
	sim_settle(s, USEC_PER_SEC);
	b = sim_binding(&s->side[A], s->side[A].children[0].binding);
	for (unsigned k = 0; k < b->n; k++) {
		cr_assert_neq(b->paths[k].id & 0xffff, 3);
		alternates += b->paths[k].alternate;
	}
	cr_assert_gt(alternates, 0);
	sim_free(s);
}
