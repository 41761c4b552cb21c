/* SPDX-License-Identifier: GPL-2.0-only */
/* What MMX is for, from end to end (MMX 12): each scenario on a network that loses nothing, and
 * again with each of its datagrams lost, doubled or late. It ends the same. */
#include "mmx_act.h"

enum { DATAGRAMS = 20 };

static struct addr dead; /* what is from there or to there is lost; family 0: none */

static void lose_dead(struct sim *s, struct sim_packet *p)
{
	(void)s;
	if (dead.family && (addr_equal(&p->src.ip, &dead) || addr_equal(&p->dst.ip, &dead)))
		p->used = false;
}

/* Interfaces 1 to 5 and 1 to 3; "net" uses what the IKE SA does, "more" is on (3, 3). */
static struct sim *begin(uint64_t seed)
{
	struct sim *s = mmx_sim_up(seed, 5, 3);
	struct mmx_action a[2] = { act_update(0, OWN, 1, 3), act_update(0, PEERS, 1, 3) };
	uint8_t spi[2][4];

	dead.family = 0;
	s->on_wire = lose_dead;
	cr_assert_eq(sim_up(s, A, "more", 2), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	for (unsigned i = 0; i < 2; i++)
		act_sel_spi(&a[i], s->side[A].children[1].spi_in, spi[i]);
	ask(s, A, a, 2, 3);
	sim_settle(s, 20 * USEC_PER_SEC);
	bound(s, 0, 0, 0);
	bound(s, 1, 3, 3);
	return s;
}

static void ended(struct sim *s, unsigned side, uint32_t op)
{
	for (unsigned i = 0; i < 120 && !sim_op_ends(&s->side[side], op); i++)
		sim_run(s, USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[side], IKE_EV_MMX_ANSWERED, op), 1);
}

static void status_is(const struct sim *s, unsigned side, unsigned k, enum mmx_status status)
{
	cr_assert_eq(s->side[side].mmx.r[k].status, status, "%s",
		     mmx_status_name(s->side[side].mmx.r[k].status));
}

static void done(struct sim *s, unsigned side, const struct mmx_action *a, uint32_t op)
{
	ask(s, side, a, 1, op);
	ended(s, side, op);
	status_is(s, side, 0, MMX_OK);
}

static void probe(struct sim *s, uint16_t epid_i, uint16_t epid_r, uint32_t op)
{
	cr_assert_eq(ike_mmx_probe(s->side[A].ike, mmx_sim_line(s, A),
				   (uint32_t)epid_i << 16 | epid_r, false, op, s->now),
		     0);
	for (unsigned i = 0; i < 120 && !sim_op_ends(&s->side[A], op); i++)
		sim_run(s, USEC_PER_SEC);
}

/* ---- they move ---- */

/* S2: an address that is not the IKE SA's; the one it was on is dead at once. [MIF-3.2.1-1]
 * [MIF-3.2.1-2] [MIF-3.2.2.1-2] [MIF-3.2.2.2-1] [MIF-3.2.3-1] [MM-6-1] [MM-6-5]
 * [MM-10.3.1-5] [SLIDE-7-1] */
static void mobility(struct sim *s)
{
	struct child_sa_out before[2] = { s->side[A].children[0], s->side[A].children[1] };
	struct mmx_action a = act_update(MMX_ACTION_HARD, OWN, 3, 4);

	dead = mmx_sim_addr(A, 3);
	mmx_sim_ifaces(s, A, 1, 4);
	probe(s, 4, 3, 20);
	done(s, A, &a, 21);
	sim_settle(s, 10 * USEC_PER_SEC);
	bound(s, 0, 0, 0);
	bound(s, 1, 4, 3);
	for (unsigned i = 0; i < 2; i++) {
		cr_assert_eq(s->side[A].children[i].spi_in, before[i].spi_in);
		cr_assert_eq(s->side[A].children[i].id, before[i].id, "never made anew");
	}
}

/* The same without a probe before it, onto an endpoint that is in use already. [MIF-3.2.1-3] */
static void mobility_onto_one_in_use(struct sim *s)
{
	struct mmx_action a = act_update(0, OWN, 3, 1);

	done(s, A, &a, 21);
	sim_settle(s, 10 * USEC_PER_SEC);
	bound(s, 0, 0, 0);
	bound(s, 1, 1, 3);
}

/* MOBIKE's update is about the IKE SA and what inherits from it. [MIF-3.2.2.1-1] */
static void mobike_update(struct sim *s)
{
	struct ike_path to = { .local = { mmx_sim_addr(A, 2), 0 } };
	struct ike_sa_info i;
	struct addr new = mmx_sim_addr(A, 2);

	dead = mmx_sim_addr(A, 1);
	cr_assert_eq(ike_path_change(s->side[A].ike, mmx_sim_line(s, A), &to, s->now), 0);
	sim_run(s, 60 * USEC_PER_SEC);
	bound(s, 0, 0, 0);
	bound(s, 1, 3, 3);
	cr_assert(ike_sa_at(s->side[B].ike, 0, &i));
	cr_assert(addr_equal(&i.path.remote.ip, &new));
}

/* ---- they fail ---- */

/* S3 by I, which says before what it would like. [MIF-3.3.1-1] [MIF-3.3.3-1]
 * [SLIDE-9-1] */
static void failover_by_i(struct sim *s)
{
	struct mmx_action alt = act(MMX_SET_ALT, 0), a = act_update(MMX_ACTION_HARD, OWN, 3, 2);

	act_ep(&alt, MMX_ROLE_OLD, OWN, 3);
	act_ep(&alt, MMX_ROLE_ALT, OWN, 2);
	act_ep(&alt, MMX_ROLE_ALT, OWN, 1);
	done(s, A, &alt, 20);
	dead = mmx_sim_addr(A, 3);
	done(s, A, &a, 21);
	sim_settle(s, 10 * USEC_PER_SEC);
	bound(s, 1, 2, 3);
	bound(s, 0, 0, 0);
}

/* S3 by R: it sees first that I does not answer there; of those said it takes the second, for the
 * first does not answer either. I moves back by itself. [MIF-3.3.1-2] [MIF-3.3.1-3] [MM-8-5] */
static void failover_by_r(struct sim *s)
{
	struct mmx_action alt = act(MMX_SET_ALT, 0), f = act_update(0, PEERS, 3, 1);
	struct mmx_action back = act_update(0, OWN, 1, 3);

	f.code = MMX_FAILOVER;
	act_ep(&alt, MMX_ROLE_OLD, OWN, 3);
	act_ep(&alt, MMX_ROLE_ALT, OWN, 2);
	act_ep(&alt, MMX_ROLE_ALT, OWN, 1);
	done(s, A, &alt, 20);
	dead = mmx_sim_addr(A, 3);
	done(s, B, &f, 21);
	bound(s, 1, 1, 3);
	bound(s, 0, 0, 0);
	dead.family = 0;
	done(s, A, &back, 22);
	sim_settle(s, 10 * USEC_PER_SEC);
	bound(s, 1, 3, 3);
}

/* Nothing was said: both ends come to the same alternates. [MIF-3.3.3-2] */
static void failover_by_default(struct sim *s)
{
	struct mmx_action f = act_update(0, PEERS, 3, 2);

	f.code = MMX_FAILOVER;
	dead = mmx_sim_addr(A, 3);
	done(s, B, &f, 21);
	sim_settle(s, 10 * USEC_PER_SEC);
	bound(s, 1, 2, 3);
	bound(s, 0, 0, 0);
}

/* S16. [MMX-58] */
static void both_detect(struct sim *s)
{
	struct mmx_action a = act_update(MMX_ACTION_HARD, OWN, 3, 1),
			  f = act_update(0, PEERS, 3, 2);

	f.code = MMX_FAILOVER;
	dead = mmx_sim_addr(A, 3);
	ask(s, A, &a, 1, 20);
	ask(s, B, &f, 1, 21);
	ended(s, A, 20);
	ended(s, B, 21);
	sim_settle(s, 10 * USEC_PER_SEC);
	cr_assert_neq(s->side[A].mmx.r[0].status == MMX_OK, s->side[B].mmx.r[0].status == MMX_OK);
	if (s->side[A].mmx.r[0].status == MMX_OK)
		bound(s, 1, 1, 3);
	else
		bound(s, 1, 2, 3);
}

/* ---- more and fewer interfaces ---- */

/* S4: a gateway tells of another interface; nothing moves by that; I looks at the new path and
 * moves what it likes. [MIF-3.4.1-2] [MIF-3.4.1-3] [MIF-3.4.2-1] [MIF-3.4.3-1]
 * [SLIDE-11-1] */
static void gateway_adds_one(struct sim *s)
{
	struct mmx_action a = act_update(0, PEERS, 3, 4);
	uint8_t spi[4];

	mmx_sim_ifaces(s, B, 1, 4);
	for (unsigned i = 0; i < 60 && !sim_count(&s->side[A], IKE_EV_MMX_PEER_IFACES, 0); i++)
		sim_run(s, USEC_PER_SEC);
	bound(s, 0, 0, 0);
	bound(s, 1, 3, 3);
	probe(s, 3, 4, 20);
	act_sel_spi(&a, s->side[A].children[1].spi_in, spi);
	done(s, A, &a, 21);
	sim_settle(s, 10 * USEC_PER_SEC);
	bound(s, 0, 0, 0);
	bound(s, 1, 3, 4);
}

static unsigned carrying(const struct sim *s, unsigned side, unsigned i)
{
	const struct ike_binding *b =
		sim_binding(&s->side[side], s->side[side].children[i].binding);
	unsigned n = 0;

	for (unsigned k = 0; b && k < b->n; k++)
		n += b->paths[k].verified && !b->paths[k].alternate;
	return n;
}

/* S10: both endpoints are used, then the old one is left; at each moment there is a path that
 * carries. Adding and removing comes to what an update does. [MM-5.1-2] [MM-5.3-1] [MM-5.3-4]
 * [MM-5.3-5] [MM-7-1] [MM-7-2] [MM-8-1] */
static void smooth_move(struct sim *s)
{
	struct mmx_action add = act(MMX_ADD, 0), rem = act(MMX_REMOVE, 0);
	uint32_t paths[IKE_BINDING_PATHS_MAX];

	act_ep(&add, MMX_ROLE_NEW, OWN, 2);
	act_sel(&add, MMX_SEL_ALL);
	act_ep(&rem, MMX_ROLE_OLD, OWN, 3);
	probe(s, 2, 3, 20);
	done(s, A, &add, 21);
	agree(s, 2);
	cr_assert_eq(paths_of(s, A, 0, paths), 2);
	cr_assert_eq(paths_of(s, A, 1, paths), 2);
	cr_assert_geq(carrying(s, A, 1), 1);
	cr_assert_geq(carrying(s, B, mirror_of(s, 1)), 1);
	done(s, A, &rem, 22);
	cr_assert_geq(carrying(s, A, 1), 1);
	sim_settle(s, 10 * USEC_PER_SEC);
	bound(s, 1, 2, 3);
	cr_assert_eq(carrying(s, B, mirror_of(s, 1)), 1);
	cr_assert_eq(paths_of(s, A, 0, paths), 2);
}

/* An address that it will have is an alternate already, and is used once it has it. [MM-4.2-4] */
static void alternate_of_the_future(struct sim *s)
{
	struct mmx_action alt = act(MMX_SET_ALT, 0), f = act_update(0, PEERS, 3, 7);
	struct mmx_iface ifaces[4];

	f.code = MMX_FAILOVER;
	act_ep(&alt, MMX_ROLE_OLD, OWN, 3);
	act_ep(&alt, MMX_ROLE_ALT, OWN, 0)->addr = mmx_sim_addr(A, 7);
	done(s, A, &alt, 20);
	for (unsigned k = 0; k < 4; k++)
		ifaces[k] = mmx_sim_iface(A, k == 3 ? 7 : k + 1);
	cr_assert_eq(ike_ifaces_set(s->side[A].ike, "c", ifaces, 4, s->now), 0);
	sim_run(s, 60 * USEC_PER_SEC);
	dead = mmx_sim_addr(A, 3);
	done(s, B, &f, 21);
	sim_settle(s, 10 * USEC_PER_SEC);
	bound(s, 1, 7, 3);
}

/* S9: asked about first, and then one exchange. [MM-4.2-5] [MM-4.2-6] */
static void asked_before(struct sim *s)
{
	struct mmx_action a = act_update(MMX_ACTION_CHECK, OWN, 3, 2);

	done(s, A, &a, 20);
	cr_assert(s->side[A].mmx.r[0].flags & MMX_RESULT_RR_NOT_TESTED);
	cr_assert_eq(s->side[A].mmx.r[0].valid_sec, 60);
	bound(s, 1, 3, 3);
	probe(s, 2, 3, 21);
	a.flags = 0;
	done(s, A, &a, 22);
	sim_settle(s, 10 * USEC_PER_SEC);
	bound(s, 1, 2, 3);
}

/* ---- refused ---- */

/* 128 bits rather than 256. */
static void short_keys(struct ike_child_cfg *c)
{
	c->n_proposals = 1;
	c->proposals[0] = (struct ike_proposal){ .n_encr = 2,
						 .n_esn = 1,
						 .encr = { { ENCR_AES_GCM_16, 128 },
							   { ENCR_AES_GCM_16, 256 } },
						 .esn = { ESN_NO } };
}

/* S11 in tunnel mode: from a private network to a public one only with longer keys, which it gets
 * where it is; back again the gateway says that shorter ones would do. */
static struct sim *begin_in_private(uint64_t seed)
{
	struct sim *s = mmx_sim_new(seed);
	struct mmx_iface ifaces[2] = { mmx_sim_iface(A, 1), mmx_sim_iface(A, 2) };
	struct mmx_action in = act_update(0, OWN, 1, 2);

	dead.family = 0;
	ifaces[1].ep[0].addr = sim_addr("10.9.0.2");
	s->side[B].conn[0].public_key_bits = 256;
	for (unsigned side = A; side <= B; side++)
		short_keys(&s->side[side].child[0][0]);
	sim_start(s);
	mmx_sim_ifaces(s, B, 1, 1);
	cr_assert_eq(ike_ifaces_set(s->side[A].ike, "c", ifaces, 2, s->now), 0);
	cr_assert_eq(sim_up(s, A, "net", 1), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	done(s, A, &in, 20);
	cr_assert(!(s->side[A].mmx.r[0].flags & MMX_RESULT_RENEGOTIATE));
	sim_settle(s, 20 * USEC_PER_SEC);
	return s;
}

static void stronger_in_public(struct sim *s)
{
	struct mmx_action in = act_update(0, OWN, 1, 2), out = act_update(0, OWN, 2, 1);

	for (unsigned check = 0; check < 2; check++) {
		out.flags = check ? MMX_ACTION_CHECK : 0;
		ask(s, A, &out, 1, 21 + check);
		ended(s, A, 21 + check);
		status_is(s, A, 0, MMX_LOCAL_POLICY);
		cr_assert_eq(s->side[A].mmx.r[0].detail, MMX_POLICY_STRONGER);
	}
	bound(s, 0, 2, 1);
	cr_assert_eq(ike_rekey_stronger(s->side[A].ike, s->side[A].children[0].id, 23, s->now), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_REKEYED, 23), 1);
	cr_assert_eq(s->side[A].children[0].encr_key_bits, 256);
	bound(s, 0, 2, 1);
	out.flags = 0;
	done(s, A, &out, 24);
	cr_assert(!(s->side[A].mmx.r[0].flags & MMX_RESULT_RENEGOTIATE));
	sim_settle(s, 20 * USEC_PER_SEC);
	bound(s, 0, 1, 1);
	done(s, A, &in, 25);
	cr_assert(s->side[A].mmx.r[0].flags & MMX_RESULT_RENEGOTIATE);
	sim_settle(s, 20 * USEC_PER_SEC);
	bound(s, 0, 2, 1);
}

/* Nobody answers where it would go, or went without a question: all is where it was. */
static void nobody_there(struct sim *s)
{
	struct mmx_action a = act_update(0, OWN, 3, 2);

	dead = mmx_sim_addr(A, 2);
	probe(s, 2, 3, 20);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_MMX_PROBED, 20), 1);
	cr_assert_eq(s->side[A].probed.rtt, 0);
	done(s, A, &a, 21);
	sim_run(s, 100 * USEC_PER_SEC);
	bound(s, 0, 0, 0);
	bound(s, 1, 3, 3);
}

/* ---- all of them, whatever happens ---- */

static const struct {
	const char *name;
	struct sim *(*begin)(uint64_t seed);
	void (*play)(struct sim *s);
} scenarios[] = {
	{ "mobility", begin, mobility },
	{ "onto one in use", begin, mobility_onto_one_in_use },
	{ "MOBIKE's update", begin, mobike_update },
	{ "fail-over by I", begin, failover_by_i },
	{ "fail-over by R", begin, failover_by_r },
	{ "fail-over by default", begin, failover_by_default },
	{ "both detect", begin, both_detect },
	{ "gateway adds one", begin, gateway_adds_one },
	{ "smooth move", begin, smooth_move },
	{ "alternate of the future", begin, alternate_of_the_future },
	{ "asked before", begin, asked_before },
	{ "nobody there", begin, nobody_there },
	{ "stronger in public", begin_in_private, stronger_in_public },
};

static void play(unsigned k, unsigned fault, unsigned datagram)
{
	struct sim *s = scenarios[k].begin(1000 * k + 50 * fault + datagram);
	uint64_t bit = UINT64_C(1) << (s->sent + datagram);

	if (fault)
		*(fault == 1 ? &s->lose : fault == 2 ? &s->duplicate : &s->late) = bit;
	if (getenv("SIM_LOG"))
		fprintf(stderr, "---- %s, fault %u of %u\n", scenarios[k].name, fault, datagram);
	scenarios[k].play(s);
	sim_free(s);
}

Test(mmx_scenarios, without_faults)
{
	for (unsigned k = 0; k < sizeof(scenarios) / sizeof(scenarios[0]); k++)
		play(k, 0, 0);
}

static void with_fault(unsigned fault)
{
	for (unsigned k = 0; k < sizeof(scenarios) / sizeof(scenarios[0]); k++)
		for (unsigned i = 0; i < DATAGRAMS; i++)
			play(k, fault, i);
}

Test(mmx_scenarios, each_datagram_is_lost, .timeout = 120)
{
	with_fault(1);
}

Test(mmx_scenarios, each_datagram_comes_twice, .timeout = 120)
{
	with_fault(2);
}

Test(mmx_scenarios, each_datagram_is_late, .timeout = 120)
{
	with_fault(3);
}

/* One exchange of ours for all SAs of an endpoint, no Delete, nothing negotiated; the peer's check
 * of the new address is its own. [MIF-3.2.2.2-2] [MIF-3.2.2.2-3] [MIF-3.2.2.3-1] */
Test(mmx_scenarios, one_exchange)
{
	struct sim *s = begin(1);
	struct mmx_action both = act_update(0, OWN, 1, 3), a = act_update(0, OWN, 3, 4);
	unsigned info, create;

	done(s, A, &both, 20);
	sim_settle(s, 10 * USEC_PER_SEC);
	info = s->exchanges[A][INFORMATIONAL];
	create = s->exchanges[A][CREATE_CHILD_SA];
	ask(s, A, &a, 1, 21);
	sim_run(s, 2 * s->delay);
	status_is(s, A, 0, MMX_OK);
	cr_assert_eq(s->side[A].mmx.r[0].affected, 2);
	cr_assert_eq(s->exchanges[A][INFORMATIONAL] - info, 3, "and answers to two probes");
	sim_settle(s, 10 * USEC_PER_SEC);
	bound(s, 0, 4, 1);
	bound(s, 1, 4, 3);
	cr_assert_eq(s->exchanges[A][CREATE_CHILD_SA], create);
	cr_assert_eq(ike_sa_count(s->side[A].ike), 1);
	sim_free(s);
}

/* A gateway with one address for all interfaces of the other end. [MIF-3.2.2.2-4] */
Test(mmx_scenarios, one_address_for_many)
{
	struct sim *s = mmx_sim_up(2, 3, 1);
	struct mmx_action a = act(MMX_ADD, 0), m = act_update(0, OWN, 1, 3);
	uint32_t paths[IKE_BINDING_PATHS_MAX];

	act_ep(&a, MMX_ROLE_NEW, OWN, 2);
	act_sel(&a, MMX_SEL_ALL);
	done(s, A, &a, 20);
	agree(s, 1);
	cr_assert_eq(paths_of(s, A, 0, paths), 2);
	done(s, A, &m, 21);
	agree(s, 1);
	cr_assert_eq(paths_of(s, A, 0, paths), 2);
	cr_assert_eq(paths[0], 3u << 16 | 1);
	cr_assert_eq(paths[1], 2u << 16 | 1);
	sim_free(s);
}

/* Refused, because the gateway does not want it there: all is as it was, and another endpoint may
 * be asked for. [MM-5.3-3] [MM-8-3] */
Test(mmx_scenarios, refused_and_another_one)
{
	struct sim *s = begin(3);
	struct mmx_action a = act_update(MMX_ACTION_HARD, OWN, 3, 2);
	struct ike_conn_cfg *c = &s->side[B].conn[0];

	sim_free(s);
	s = mmx_sim_new(3);
	c = &s->side[B].conn[0];
	c->n_remote_addrs = 2;
	c->remote_addrs[0] = mmx_sim_addr(A, 1);
	c->remote_addrs[1] = mmx_sim_addr(A, 3);
	sim_start(s);
	mmx_sim_ifaces(s, A, 1, 3);
	mmx_sim_ifaces(s, B, 1, 1);
	cr_assert_eq(sim_up(s, A, "net", 1), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	a.tlvs.t[0].ep.epid = 1;
	ask(s, A, &a, 1, 20);
	ended(s, A, 20);
	status_is(s, A, 0, MMX_LOCAL_POLICY);
	cr_assert_eq(s->side[A].mmx.r[0].detail, MMX_POLICY_ADDRESS);
	bound(s, 0, 0, 0);
	cr_assert(sim_mirrored(s, 1), "it is there still");
	a.tlvs.t[1].ep.epid = 3;
	done(s, A, &a, 21);
	sim_settle(s, 10 * USEC_PER_SEC);
	bound(s, 0, 3, 1);
	sim_free(s);
}

/* What is being deleted does not move. [MM-8-4] */
Test(mmx_scenarios, not_active)
{
	struct sim *s = begin(4);
	struct mmx_action a = act_update(0, OWN, 3, 2);
	uint8_t spi[4];

	act_sel_spi(&a, s->side[A].children[1].spi_in, spi);
	cr_assert_eq(ike_down_child(s->side[B].ike, mmx_sim_line(s, B), "more", 20, s->now), 0);
	ask(s, A, &a, 1, 21);
	ended(s, A, 21);
	status_is(s, A, 0, MMX_NOT_ACTIVE);
	agree(s, 1);
	bound(s, 0, 0, 0);
	sim_free(s);
}

/* The IKE SA has several endpoints: what is not answered on one comes through on another. [MM-6-6]
 */
Test(mmx_scenarios, the_ike_sa_has_several_addresses)
{
	for (unsigned side = A; side <= B; side++) {
		struct sim *s = begin(5 + side);
		struct mmx_action a[2] = { act(MMX_ADD, 0), act(MMX_ADD, 0) };

		act_ep(&a[0], MMX_ROLE_NEW, OWN, 2);
		act_sel(&a[0], MMX_SEL_IKE);
		act_ep(&a[1], MMX_ROLE_NEW, PEERS, 2);
		act_sel(&a[1], MMX_SEL_IKE);
		ask(s, A, a, 2, 20);
		ended(s, A, 20);
		status_is(s, A, 1, MMX_OK);
		bound(s, 0, 0, 0);
		dead = mmx_sim_addr(side, 1);
		for (unsigned by = A; by <= B; by++) {
			cr_assert_eq(ike_rekey(s->side[by].ike, "c", "net", 30 + by, s->now), 0);
			sim_run(s, 30 * USEC_PER_SEC);
			cr_assert_eq(sim_count(&s->side[by], IKE_EV_CHILD_REKEYED, 30 + by), 1);
		}
		agree(s, 2);
		sim_free(s);
	}
}

/* One SA with an alternate, another with both endpoints in use: each as was asked for it. With
 * three and two endpoints it is still one pair of SAs. [MM-5.1-1] [MM-10.2.1-1] [MM-10.3.1-2]
 * [MM-10.3.2-3] */
/* [MM-10.3.2-1] */
Test(mmx_scenarios, each_sa_in_its_mode)
{
	struct sim *s = begin(8);
	struct mmx_action alt = act(MMX_SET_ALT, 0), own = act(MMX_ADD, 0), peers = own;
	uint32_t paths[IKE_BINDING_PATHS_MAX];
	const struct ike_binding *b;
	uint8_t spi[3][4];
	unsigned n = 0;

	act_ep(&alt, MMX_ROLE_OLD, OWN, 3);
	act_ep(&alt, MMX_ROLE_ALT, OWN, 2);
	act_sel_spi(&alt, s->side[A].children[1].spi_in, spi[0]);
	done(s, A, &alt, 20);
	act_ep(&own, MMX_ROLE_NEW, OWN, 2);
	act_ep(&own, MMX_ROLE_NEW, OWN, 3);
	act_sel_spi(&own, s->side[A].children[0].spi_in, spi[1]);
	act_ep(&peers, MMX_ROLE_NEW, PEERS, 2);
	act_sel_spi(&peers, s->side[A].children[0].spi_in, spi[2]);
	done(s, A, &own, 21);
	done(s, A, &peers, 22);
	agree(s, 2);
	cr_assert_eq(paths_of(s, A, 0, paths), 6);
	bound(s, 1, 3, 3);
	b = sim_binding(&s->side[A], s->side[A].children[1].binding);
	for (unsigned k = 0; k < b->n; k++)
		if (b->paths[k].alternate && b->paths[k].id >> 16 != 3) {
			cr_assert_eq(b->paths[k].id, 2u << 16 | 3);
			n++;
		}
	cr_assert_eq(n, 1);
	sim_free(s);
}

/* Adding and removing, too, can only be asked about. [MM-10.2.2-3] */
Test(mmx_scenarios, only_asked_about)
{
	struct sim *s = begin(9);
	struct mmx_action a = act(MMX_ADD, MMX_ACTION_CHECK), r = act(MMX_REMOVE, MMX_ACTION_CHECK);

	act_ep(&a, MMX_ROLE_NEW, OWN, 2);
	act_sel(&a, MMX_SEL_ALL);
	done(s, A, &a, 20);
	cr_assert_eq(s->side[A].mmx.r[0].affected, 2);
	act_ep(&r, MMX_ROLE_OLD, OWN, 3);
	ask(s, A, &r, 1, 21);
	ended(s, A, 21);
	status_is(s, A, 0, MMX_LAST_ADDRESS);
	bound(s, 0, 0, 0);
	bound(s, 1, 3, 3);
	sim_free(s);
}

/* A peer that makes no more Child SAs moves those that there are. [MIF-3.2.2.2-5] */
Test(mmx_scenarios, a_peer_that_makes_no_child_sas)
{
	struct sim *s = mmx_sim_new(10);
	struct mmx_action a = act_update(0, OWN, 1, 2);

	s->side[B].conn[0].child_sas_max = 1;
	sim_start(s);
	mmx_sim_ifaces(s, A, 1, 2);
	mmx_sim_ifaces(s, B, 1, 1);
	cr_assert_eq(sim_up(s, A, "net", 1), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert_eq(sim_up(s, A, "more", 2), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_FAILED, 2), 1);
	done(s, A, &a, 20);
	sim_settle(s, 10 * USEC_PER_SEC);
	bound(s, 0, 2, 1);
	sim_free(s);
}

/* Beside all that a new SA and a Delete are an exchange each. [MM-10.1.1-1] */
Test(mmx_scenarios, one_made_and_one_deleted)
{
	struct sim *s = mmx_sim_up(11, 2, 2);
	unsigned create = s->exchanges[A][CREATE_CHILD_SA], info = s->exchanges[A][INFORMATIONAL];

	cr_assert_eq(sim_up(s, A, "more", 20), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert_eq(ike_down_child(s->side[A].ike, mmx_sim_line(s, A), "net", 21, s->now), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert_eq(s->exchanges[A][CREATE_CHILD_SA] - create, 1);
	cr_assert_eq(s->exchanges[A][INFORMATIONAL] - info, 1);
	agree(s, 1);
	cr_assert_str_eq(s->side[A].children[0].name, "more");
	sim_free(s);
}

static void lose_first_ones(struct sim *s, struct sim_packet *p)
{
	(void)s;
	for (unsigned side = A; side <= B; side++) {
		struct addr first = mmx_sim_addr(side, 1);

		if (addr_equal(&p->src.ip, &first) || addr_equal(&p->dst.ip, &first))
			p->used = false;
	}
}

/* Both move at once and neither finds the other: they notice. [MM-12-2] [DES-4-3] */
Test(mmx_scenarios, both_move_at_once)
{
	struct sim *s = mmx_sim_up(12, 1, 1);

	for (unsigned side = A; side <= B; side++) {
		struct mmx_iface f = mmx_sim_iface(side, 2);
		struct mmx_action a = act_update(MMX_ACTION_HARD, OWN, 1, 2);

		act_sel(&a, MMX_SEL_IKE);
		a.tlvs.t[1].ep.flags = MMX_EP_HERE;
		a.tlvs.t[1].ep.addr = mmx_sim_addr(side, 2);
		cr_assert_eq(ike_ifaces_set(s->side[side].ike, "c", &f, 1, s->now), 0);
		s->on_wire = lose_first_ones;
		ask(s, side, &a, 1, 20);
	}
	sim_run(s, 1000 * USEC_PER_SEC);
	for (unsigned side = A; side <= B; side++) {
		cr_assert_eq(sim_count(&s->side[side], IKE_EV_FAILED, 20), 1);
		cr_assert_eq(sim_count(&s->side[side], IKE_EV_IKE_DOWN, 0), 1);
		cr_assert_eq(s->side[side].n_children, 0);
	}
	sim_free(s);
}
