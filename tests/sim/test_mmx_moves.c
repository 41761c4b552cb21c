/* SPDX-License-Identifier: GPL-2.0-only */
/* MMX: the IKE SA moves by an action, endpoints die, requests of both ends cross:
 * user/ike/mmx_ask.c, mmx_info.c. */
#include "mmx_act.h"

static struct addr dead; /* what is from there or to there is lost; family 0: none */

static void lose_dead(struct sim *s, struct sim_packet *p)
{
	(void)s;
	if (dead.family && (addr_equal(&p->src.ip, &dead) || addr_equal(&p->dst.ip, &dead)))
		p->used = false;
}

static struct sim *movable(uint64_t seed)
{
	struct sim *s = mmx_sim_up(seed, 4, 3);

	dead.family = 0;
	s->on_wire = lose_dead;
	return s;
}

static void assert_ike_at(const struct sim *s, unsigned k_a, unsigned k_b)
{
	struct addr a = mmx_sim_addr(A, k_a), b = mmx_sim_addr(B, k_b);
	struct ike_sa_info i;

	cr_assert(ike_sa_at(s->side[A].ike, 0, &i));
	cr_assert(addr_equal(&i.path.local.ip, &a) && addr_equal(&i.path.remote.ip, &b));
	cr_assert(ike_sa_at(s->side[B].ike, 0, &i));
	cr_assert(addr_equal(&i.path.local.ip, &b) && addr_equal(&i.path.remote.ip, &a));
}

/* It still works in both directions. */
static void assert_alive(struct sim *s, unsigned n)
{
	static uint32_t op = 900;

	for (unsigned side = A; side <= B; side++) {
		cr_assert_eq(ike_rekey(s->side[side].ike, "c", "net", ++op, s->now), 0);
		sim_settle(s, 20 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[side], IKE_EV_CHILD_REKEYED, op), 1);
	}
	agree(s, n);
}

static struct mmx_action move_ike(uint8_t flags, uint16_t old, uint16_t new)
{
	struct mmx_action a = act_update(flags, OWN, old, new);

	act_sel(&a, MMX_SEL_IKE);
	act_sel(&a, MMX_SEL_OLD);
	return a;
}

/* The IKE SA moves by announcement, and its SAs with it: those that inherit and those that do not.
 */
Test(mmx_moves, the_ike_sa_moves)
{
	struct sim *s = movable(1);
	struct mmx_action a = move_ike(0, 1, 2);

	cr_assert_eq(asked(s, A, &a, 5), MMX_OK);
	assert_ike_at(s, 2, 1);
	bound(s, 0, 0, 0);
	a = act_update(0, OWN, 2, 3); /* it is bound by itself now */
	cr_assert_eq(asked(s, A, &a, 6), MMX_OK);
	bound(s, 0, 3, 1);
	assert_ike_at(s, 2, 1);
	/* R moves its own */
	a = move_ike(0, 1, 2);
	cr_assert_eq(asked(s, B, &a, 7), MMX_OK);
	assert_ike_at(s, 2, 2);
	bound(s, 0, 3, 2);
	assert_alive(s, 1);
	sim_free(s);
}

/* S14: the endpoint of the IKE SA dies while a request is under way. */
Test(mmx_moves, a_dead_endpoint_is_left_at_once)
{
	for (unsigned i = 0; i < 12; i++) {
		struct sim *s = movable(10 + i);
		struct mmx_action a = act_update(0, OWN, 1, 3);
		uint8_t spi[4];

		cr_assert_eq(sim_up(s, A, "more", 2), 0);
		sim_settle(s, 20 * USEC_PER_SEC);
		act_sel_spi(&a, s->side[A].children[1].spi_in, spi);
		cr_assert_eq(asked(s, A, &a, 3), MMX_OK);
		a = act(MMX_SET_ALT, 0);
		act_ep(&a, MMX_ROLE_OLD, OWN, 1);
		cr_assert_eq(asked(s, A, &a, 4), MMX_OK);
		dead = mmx_sim_addr(A, 1);
		cr_assert_eq(ike_rekey(s->side[A].ike, "c", "net", 5, s->now), 0);
		sim_run(s, 100 * USEC_PER_MSEC);
		if (i) /* and one more datagram is lost, or comes twice */
			*(i % 2 ? &s->lose : &s->duplicate) = UINT64_C(1) << (s->sent + i / 2);
		a = move_ike(MMX_ACTION_HARD, 1, 2);
		a.tlvs.t[1].ep.flags = MMX_EP_HERE;
		ask(s, A, &a, 1, 6);
		sim_drain(s, A);
		cr_assert_eq(sim_binding(&s->side[A], s->side[A].children[0].binding)->paths[0].id,
			     2u << 16 | 1, "before the answer");
		sim_settle(s, 20 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_REKEYED, 5), 1);
		cr_assert_eq(s->side[A].mmx.r[0].status, MMX_OK);
		assert_ike_at(s, 2, 1);
		assert_alive(s, 2);
		for (unsigned k = 0; k < 2; k++)
			if (!strcmp(s->side[A].children[k].name, "net"))
				bound(s, k, 2, 1);
			else
				bound(s, k, 3, 1);
		sim_free(s);
	}
}

/* S8: one address only, and then another one: one exchange, and the peer's check. */
Test(mmx_moves, single_homed)
{
	struct sim *s = mmx_sim_up(30, 1, 1);
	struct mmx_iface f = mmx_sim_iface(A, 2);
	struct mmx_action a = move_ike(MMX_ACTION_HARD, 1, 2);
	unsigned before;

	dead = mmx_sim_addr(A, 1);
	s->on_wire = lose_dead;
	cr_assert_eq(ike_ifaces_set(s->side[A].ike, "c", &f, 1, s->now), 0);
	a.tlvs.t[1].ep.flags = MMX_EP_HERE;
	a.tlvs.t[1].ep.addr = mmx_sim_addr(A, 2);
	before = s->exchanges[A][INFORMATIONAL];
	ask(s, A, &a, 1, 5);
	sim_run(s, USEC_PER_SEC / 2);
	cr_assert_eq(s->side[A].mmx.r[0].status, MMX_OK);
	cr_assert(s->side[A].mmx.r[0].flags & MMX_RESULT_RR_PENDING);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert_leq(s->exchanges[A][INFORMATIONAL] - before, 3);
	assert_ike_at(s, 2, 1);
	bound(s, 0, 0, 0);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 1);
	assert_alive(s, 1);
	sim_free(s);
}

/* [MMX-87] What R's answer to a probe has shown before need not be asked for when the IKE SA comes
 * to use it: without it A answers R once, with it never. */
Test(mmx_moves, the_ike_sa_moves_by_a_token)
{
	for (unsigned known = 0; known <= 1; known++) {
		struct sim *s = movable(34 + known);
		struct mmx_action a = move_ike(MMX_ACTION_HARD, 1, 2);
		unsigned before;

		if (known) {
			cr_assert_eq(ike_mmx_probe(s->side[A].ike, mmx_sim_line(s, A), 2u << 16 | 1,
						   false, 9, s->now),
				     0);
			sim_settle(s, 5 * USEC_PER_SEC);
		}
		dead = mmx_sim_addr(A, 1);
		before = s->exchanges[B][INFORMATIONAL];
		a.tlvs.t[1].ep.flags = MMX_EP_HERE;
		ask(s, A, &a, 1, 5);
		sim_run(s, s->delay);
		cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), known);
		sim_settle(s, 5 * USEC_PER_SEC);
		cr_assert_eq(!(s->side[A].mmx.r[0].flags & MMX_RESULT_RR_PENDING), known);
		cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 1);
		cr_assert_eq(s->exchanges[B][INFORMATIONAL] == before + 1, known);
		assert_ike_at(s, 2, 1);
		assert_alive(s, 1);
		sim_free(s);
	}
}

/* [MMX-93] The same with a policy of R's to ask afterwards: it is one about addresses that its
 * connection names. Those that nobody receives at are left again. */
Test(mmx_moves, single_homed_and_asked_afterwards)
{
	for (unsigned i = 0; i < 3; i++) {
		bool named = i, silent = i == 2;
		struct sim *s = mmx_sim_new(31 + i);
		struct ike_conn_cfg *c = &s->side[B].conn[0];
		struct mmx_iface f = mmx_sim_iface(A, 2);
		struct mmx_action a = move_ike(MMX_ACTION_HARD, 1, 2);

		c->return_check = IKE_RETURN_AFTER;
		c->n_remote_addrs = named ? 2 : 0;
		for (unsigned k = 0; k < 2; k++)
			c->remote_addrs[k] = mmx_sim_addr(A, k + 1);
		mmx_sim_begin(s, 1, 1);
		dead.family = 0;
		s->on_wire = lose_dead;
		cr_assert_eq(ike_ifaces_set(s->side[A].ike, "c", &f, 1, s->now), 0);
		a.tlvs.t[1].ep.flags = MMX_EP_HERE;
		a.tlvs.t[1].ep.addr = mmx_sim_addr(A, 2);
		ask(s, A, &a, 1, 5);
		sim_run(s, s->delay);
		cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), named);
		if (silent)
			dead = mmx_sim_addr(A, 2);
		sim_run(s, 30 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 1u + silent);
		if (!silent)
			assert_alive(s, 1);
		sim_free(s);
	}
}

/* The peer cannot reach what it was told: it goes back, and so do we when it says so.
 * [MM-11-1] */
Test(mmx_moves, an_endpoint_that_cannot_be_reached, .timeout = 60)
{
	for (unsigned i = 0; i < 9; i++) {
		struct sim *s = movable(80 + i);
		struct mmx_action a = act_update(0, OWN, 1, 2);

		dead = mmx_sim_addr(A, 2);
		ask(s, A, &a, 1, 5);
		sim_run(s, USEC_PER_SEC / 2);
		cr_assert_eq(s->side[A].mmx.r[0].status, MMX_OK);
		cr_assert(s->side[A].mmx.r[0].flags & MMX_RESULT_RR_PENDING);
		bound(s, 0, 2, 1);
		if (i)
			*(i % 2 ? &s->lose : &s->late) = UINT64_C(1) << (s->sent + i / 2);
		sim_run(s, 60 * USEC_PER_SEC);
		bound(s, 0, 1, 1);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_MMX_CHANGED, 0), 1);
		assert_alive(s, 1);
		sim_free(s);
	}
}

/* Until it is known that the peer receives at its new endpoint packets go to the old one; not if
 * that is dead. */
Test(mmx_moves, packets_wait_for_the_proof)
{
	for (unsigned hard = 0; hard < 2; hard++) {
		struct sim *s = movable(90 + hard);
		struct mmx_action a = act_update(hard ? MMX_ACTION_HARD : 0, OWN, 3, 2);
		const struct ike_binding *b;

		a.tlvs.t[0].ep.epid = 1;
		ask(s, A, &a, 1, 5);
		sim_run(s, s->delay);
		b = sim_binding(&s->side[B], s->side[B].children[0].binding);
		cr_assert_eq(b->paths[0].id, 2u << 16 | 1);
		cr_assert(!b->paths[0].verified);
		cr_assert_eq(b->n > 1 && b->paths[1].boot, !hard);
		sim_settle(s, 5 * USEC_PER_SEC);
		b = sim_binding(&s->side[B], s->side[B].children[0].binding);
		cr_assert(b->paths[0].verified);
		for (unsigned k = 0; k < b->n; k++)
			cr_assert(!b->paths[k].boot);
		sim_free(s);
	}
}

/* S16: both notice that an endpoint of I's failed: its owner's choice counts. */
Test(mmx_moves, both_detect_the_failure)
{
	struct sim *s = movable(40);
	struct mmx_action a = act_update(0, OWN, 1, 3), f;

	cr_assert_eq(asked(s, A, &a, 4), MMX_OK);
	a = act_update(MMX_ACTION_HARD, OWN, 3, 1);
	f = act_update(0, PEERS, 3, 2);
	f.code = MMX_FAILOVER;
	ask(s, A, &a, 1, 5);
	ask(s, B, &f, 1, 6);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert_eq(s->side[A].mmx.r[0].status, MMX_OK);
	cr_assert_eq(s->side[B].mmx.r[0].status, MMX_SUPERSEDED);
	bound(s, 0, 1, 1);
	sim_free(s);
}

/* The same of an endpoint of R's that I and R move at a time. */
Test(mmx_moves, both_move_an_endpoint_of_r)
{
	for (unsigned i = 0; i < 9; i++) {
		struct sim *s = movable(50 + i);
		struct mmx_action a = act_update(0, PEERS, 1, 2), b = act_update(0, OWN, 1, 3);

		if (i)
			*(i % 2 ? &s->lose : &s->late) = UINT64_C(1) << (s->sent + i / 2);
		ask(s, A, &a, 1, 5);
		ask(s, B, &b, 1, 6);
		sim_settle(s, 20 * USEC_PER_SEC);
		cr_assert_eq(s->side[B].mmx.r[0].status, MMX_OK);
		/* also when B's was done before A's came */
		cr_assert_eq(s->side[A].mmx.r[0].status, MMX_SUPERSEDED, "%u: %s", i,
			     mmx_status_name(s->side[A].mmx.r[0].status));
		bound(s, 0, 1, 3);
		sim_free(s);
	}
}

/* It is gone before the peer's answer is there, which has it by then: both have the same, and it
 * can be taken away. */
Test(mmx_moves, an_endpoint_goes_before_the_answer)
{
	for (unsigned i = 0; i < 24; i++) {
		struct sim *s = movable(400 + i);
		struct mmx_action a = act(MMX_ADD, 0), rem = act(MMX_REMOVE, 0);
		uint32_t paths[IKE_BINDING_PATHS_MAX];

		act_ep(&a, MMX_ROLE_NEW, OWN, 4);
		act_sel(&a, MMX_SEL_ALL);
		if (i & 1)
			a = act_update(0, OWN, 1, 4);
		if (i > 1)
			*(i & 2 ? &s->lose : &s->late) = UINT64_C(1) << (s->sent + i / 4);
		ask(s, A, &a, 1, 5);
		sim_run(s, s->delay);
		mmx_sim_ifaces(s, A, 1, 3);
		dead = mmx_sim_addr(A, 4);
		sim_settle(s, 20 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_MMX_ANSWERED, 5), 1);
		agree(s, 1);
		if (i & 1 || s->side[A].mmx.r[0].status != MMX_OK) {
			sim_free(s);
			continue;
		}
		cr_assert_eq(paths_of(s, A, 0, paths), 2);
		act_ep(&rem, MMX_ROLE_OLD, OWN, 4);
		cr_assert_eq(asked(s, A, &rem, 6), MMX_OK);
		bound(s, 0, 1, 1);
		sim_free(s);
	}
}

/* What is asked while IKE SA or Child SAs are rekeyed is done to what comes of it. */
Test(mmx_moves, beside_rekeys, .timeout = 60)
{
	for (unsigned i = 0; i < 48; i++) {
		struct sim *s = movable(100 + i);
		struct mmx_action a = act_update(0, OWN, 1, 2);
		unsigned by = i & 1, what = i >> 1 & 1;
		uint8_t spi[4];

		if (i & 4)
			act_sel_spi(&a, s->side[A].children[0].spi_in, spi);
		if (i >= 8)
			*(i & 8 ? &s->lose : &s->late) = UINT64_C(1) << (s->sent + i / 16);
		if (what)
			cr_assert_eq(ike_rekey(s->side[by].ike, "c", "net", 5, s->now), 0);
		else
			cr_assert_eq(ike_rekey(s->side[by].ike, "c", NULL, 5, s->now), 0);
		ask(s, A, &a, 1, 6);
		sim_settle(s, 20 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_MMX_ANSWERED, 6), 1, "%u", i);
		agree(s, 1);
		if (s->side[A].mmx.r[0].status == MMX_OK)
			bound(s, 0, 2, 1);
		else
			cr_assert_eq(s->side[A].mmx.r[0].status, MMX_UNKNOWN_SA);
		assert_alive(s, 1);
		sim_free(s);
	}
}

/* S9: what an action would come to; nothing changes by the question. [MM-10.1.2-2] */
Test(mmx_moves, checks)
{
	struct sim *s = mmx_sim_new(60);
	struct mmx_action a = act_update(MMX_ACTION_CHECK, OWN, 1, 0);

	s->side[B].conn[0].n_remote_addrs = 2;
	s->side[B].conn[0].remote_addrs[0] = mmx_sim_addr(A, 1);
	s->side[B].conn[0].remote_addrs[1] = mmx_sim_addr(A, 7);
	sim_start(s);
	mmx_sim_ifaces(s, A, 1, 1);
	mmx_sim_ifaces(s, B, 1, 1);
	cr_assert_eq(sim_up(s, A, "net", 1), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	a.tlvs.t[1].ep.addr = mmx_sim_addr(A, 6);
	cr_assert_eq(asked(s, A, &a, 5), MMX_LOCAL_POLICY);
	cr_assert_eq(s->side[A].mmx.r[0].detail, MMX_POLICY_ADDRESS);
	a.tlvs.t[1].ep.addr = mmx_sim_addr(A, 7);
	cr_assert_eq(asked(s, A, &a, 6), MMX_OK);
	cr_assert_eq(s->side[A].mmx.r[0].valid_sec, 60);
	cr_assert_eq(s->side[A].mmx.r[0].flags, MMX_RESULT_CHECK | MMX_RESULT_RR_NOT_TESTED);
	bound(s, 0, 0, 0);
	sim_free(s);
}

/* More than a minute's share of actions: BUSY, and asked again later. */
Test(mmx_moves, too_many_actions, .timeout = 60)
{
	struct sim *s = movable(70);
	struct mmx_action a[2] = { act_update(0, OWN, 1, 2), act_update(0, OWN, 2, 1) };
	usec_t begin = s->now;

	for (unsigned i = 0; i < 31; i++) {
		ask(s, A, a, 2, 10 + i);
		sim_run(s, 50 * USEC_PER_MSEC);
	}
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_MMX_ANSWERED, 39), 1);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_MMX_ANSWERED, 40), 0);
	sim_run(s, 200 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_MMX_ANSWERED, 40), 1);
	cr_assert_gt(s->now - begin, 60 * USEC_PER_SEC);
	bound(s, 0, 1, 1);
	sim_free(s);
}

/* An agent that comes after another one knows all of it: bindings by their numbers, lists, what was
 * asked and is not answered yet. */
Test(mmx_moves, a_restart_at_any_moment, .timeout = 60)
{
	for (unsigned i = 0; i < 16; i++) {
		struct sim *s = movable(200 + i);
		struct mmx_action a = act_update(i & 8 ? MMX_ACTION_HARD : 0, OWN, 1, 2);
		unsigned side = i & 1;
		struct ike_binding before;

		ask(s, A, &a, 1, 5);
		sim_run(s, (i >> 1 & 3) * s->delay);
		sim_restart(s, side);
		sim_settle(s, 20 * USEC_PER_SEC);
		bound(s, 0, 2, 1);
		before = *sim_binding(&s->side[side], s->side[side].children[0].binding);
		sim_restart(s, side);
		a = act_update(0, OWN, 2, 3);
		cr_assert_eq(asked(s, A, &a, 6), MMX_OK);
		bound(s, 0, 3, 1);
		cr_assert_eq(s->side[side].children[0].binding, before.id);
		assert_alive(s, 1);
		sim_free(s);
	}
}

/* A request that says "from here" is believed by its sender only if it was sent from there alone.
 */
Test(mmx_moves, here_from_elsewhere)
{
	for (unsigned with_list = 0; with_list < 2; with_list++) {
		struct sim *s = movable(300 + with_list);
		struct mmx_action a = move_ike(MMX_ACTION_HARD, 1, 2);
		struct ike_path other = { .local = { mmx_sim_addr(A, 3), 0 } };

		a.tlvs.t[1].ep.flags = MMX_EP_HERE;
		if (with_list)
			mmx_sim_ifaces(s, A, 1, 5);
		s->cut[A] = true;
		ask(s, A, &a, 1, 5);
		sim_run(s, 100 * USEC_PER_MSEC);
		s->cut[A] = false;
		cr_assert_eq(ike_try_path(s->side[A].ike, mmx_sim_line(s, A), &other, s->now), 0);
		sim_settle(s, 20 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_MMX_ANSWERED, 5), 1);
		cr_assert_eq(s->side[A].mmx.r[0].status, MMX_OK, "%s",
			     mmx_status_name(s->side[A].mmx.r[0].status));
		assert_ike_at(s, 2, 1);
		bound(s, 0, 0, 0);
		assert_alive(s, 1);
		sim_free(s);
	}
}
