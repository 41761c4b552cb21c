/* SPDX-License-Identifier: GPL-2.0-only */
/* MOBIKE between two cores: the pair of addresses changes (user/ike/mobike.c, routability.c). What
 * a peer may do wrong is in test_mobike_bad.c. A is I and moves; B is R. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "sim_assert.h"

#define HOME  "192.0.2.1"
#define FAR   "203.0.113.44"
#define AWAY  "203.0.113.45"
#define FAR_6 "2001:db8:f::44"

static struct sim *mobile_up(uint64_t seed)
{
	return up_with(sim_mobile(seed));
}

static int move(struct sim *s, unsigned side, const char *local)
{
	struct ike_path p = { .local = { .ip = sim_addr(local) } };
	struct ike_sa_info i;

	cr_assert(ike_sa_at(s->side[side].ike, 0, &i));
	return ike_path_change(s->side[side].ike, i.line, &p, s->now);
}

static void moves(struct sim *s, const char *local)
{
	cr_assert_eq(move(s, A, local), 0);
	sim_settle(s, 10 * USEC_PER_SEC);
}

static void forget_events(struct sim *s)
{
	s->side[A].n_events = s->side[B].n_events = 0;
}

/* Both ends use that address of A, for IKE and for ESP. */
static void all_at(struct sim *s, const char *local)
{
	const struct sim_event *a = sim_last_event(&s->side[A], IKE_EV_MOVED),
			       *b = sim_last_event(&s->side[B], IKE_EV_PEER_MOVED);

	cr_assert(addr_is(info(s, A).path.local.ip, local));
	cr_assert(addr_is(info(s, B).path.remote.ip, local));
	cr_assert(a && addr_is(a->path.local.ip, local));
	cr_assert(b && addr_is(b->path.remote.ip, local));
}

/* ---- set-up ---- */

/* [MOB-1] DES-6.1-1 */
Test(mobike, is_on_if_both_say_so)
{
	for (unsigned m = 0; m < 4; m++) {
		struct sim *s = sim_new(300 + m, false);

		s->side[A].conn[0].mobike = m & 1;
		s->side[B].conn[0].mobike = m & 2;
		up_with(s);
		for (unsigned side = 0; side < SIM_SIDES; side++)
			cr_assert_eq(info(s, side).mobike, m == 3, "%u: %c", m, "AB"[side]);
		sim_free(s);
	}
}

/* [MOB-2] [MOB-3] MM-9.3-1: the header of IKE_AUTH counts, in which the port is another one. */
Test(mobike, port_4500)
{
	struct sim *s = mobile_up(310);

	for (unsigned side = 0; side < SIM_SIDES; side++) {
		cr_assert_eq(info(s, side).path.local.port, 4500);
		cr_assert_eq(info(s, side).path.remote.port, 4500);
	}
	sim_free(s);
}

/* ---- moving ---- */

/* --> { UPDATE_SA_ADDRESSES, NAT_DETECTION x2, COOKIE2 }  <-- { NAT_DETECTION x2, COOKIE2 }
 * <-- { NAT_DETECTION x2, COOKIE2 }  --> { NAT_DETECTION x2, COOKIE2 }
 * [MOB-6] [MOB-12] [MOB-13] [MOB-19] MM-6-5, DES-5.5-1, DES-5.5.3-1 */
Test(mobike, move)
{
	struct sim *s = mobile_up(320);
	struct child_sa_out before[SIM_SIDES];

	cr_assert_eq(sim_up(s, A, "more", 2), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	for (unsigned side = 0; side < SIM_SIDES; side++)
		before[side] = s->side[side].children[0];
	forget_events(s);
	cr_assert_eq(move(s, A, FAR), 0);
	sim_drain(s, A);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_MOVED, 0), 1, "R is where it was: at once");
	sim_steps(s, 1);
	cr_assert(addr_is(info(s, B).path.remote.ip, FAR));
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 0, "it is not checked yet");
	/* what is made meanwhile does not go there either */
	sim_settle(s, 10 * USEC_PER_SEC);
	all_at(s, FAR);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_MOVED, 0), 1);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 1);
	for (unsigned side = 0; side < SIM_SIDES; side++)
		cr_assert(!memcmp(&before[side], &s->side[side].children[0], sizeof(before[side])),
			  "no SA is touched");
	sound(s, 2);
	alive(s, 2);
	sim_free(s);
}

/* [MOB-4] [MOB-12]: B asks for a Child SA before A's new address is checked. */
static bool mute; /* nobody receives at FAR */

static void lose_at_far(struct sim *s, struct sim_packet *p)
{
	const struct addr far = sim_addr(FAR);

	(void)s;
	if (mute && addr_equal(&p->dst.ip, &far))
		p->used = false;
}

static struct addr added_at;

static void note_add(struct sim *s, unsigned side, const struct ike_output *o)
{
	(void)s;
	if (side == B && o->kind == IKE_OUT_CHILD_ADD)
		added_at = o->path.remote.ip;
}

Test(mobike, nothing_goes_to_an_unchecked_address)
{
	struct sim *s = sim_mobile(330);

	s->side[A].conn[0].window = s->side[B].conn[0].window = 4;
	up_with(s);
	s->on_wire = lose_at_far;
	s->on_child = note_add;
	mute = true;
	cr_assert_eq(move(s, A, FAR), 0);
	/* its next request creates a Child SA; R answers it, where nobody is */
	cr_assert_eq(sim_up(s, A, "more", 9), 0);
	sim_run(s, 5 * USEC_PER_SEC);
	cr_assert_eq(s->side[B].n_children, 2);
	cr_assert(addr_is(added_at, HOME), "its packets go to the address that was checked");
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 0);
	mute = false;
	sim_settle(s, 20 * USEC_PER_SEC);
	all_at(s, FAR);
	cr_assert(addr_is(info(s, B).path.remote.ip, FAR));
	sound(s, 2);
	sim_free(s);
}

/* [MOB-22]: B's check, sent where nobody is, is sent again over the pair of a later move, and is
 * made anew there. */
Test(mobike, moved_on_during_the_check)
{
	struct sim *s = mobile_up(340);

	s->on_wire = lose_at_far;
	mute = true;
	cr_assert_eq(move(s, A, FAR), 0);
	sim_run(s, 3 * USEC_PER_SEC);
	cr_assert_eq(move(s, A, AWAY), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	mute = false;
	all_at(s, AWAY);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 1, "never to the first one");
	alive(s, 1);
	sim_free(s);
}

/* [MOB-12]: nobody answers there for good: nothing moved, and in the end the IKE SA is down. */
Test(mobike, no_answer_to_the_check)
{
	struct sim *s = mobile_up(345);

	s->on_wire = lose_at_far;
	mute = true;
	cr_assert_eq(move(s, A, FAR), 0);
	sim_run(s, 700 * USEC_PER_SEC);
	mute = false;
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 0);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_IKE_DOWN, 0), 1);
	cr_assert_eq(s->side[B].spis, 0);
	sim_free(s);
}

/* [MOB-7] [MID-4]: the same octets, and the request is answered. */
Test(mobike, an_outstanding_request_goes_along)
{
	struct sim *s = mobile_up(350);
	static uint8_t first[65536];
	size_t len;

	s->cut[A] = true;
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", "net", 5, s->now), 0);
	sim_drain(s, A);
	len = s->last_len[A];
	memcpy(first, s->last[A], len);
	s->cut[A] = false;
	cr_assert_eq(move(s, A, FAR), 0);
	sim_drain(s, A);
	cr_assert_eq(s->last_len[A], len, "the window is full: no update yet");
	cr_assert(!memcmp(first, s->last[A], len));
	cr_assert(addr_is(s->last_path[A].local.ip, FAR));
	sim_settle(s, 10 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_REKEYED, 5), 1);
	all_at(s, FAR);
	sound(s, 1);
	sim_free(s);
}

/* [MOB-8]: A moves again before B's answer. Where the window allows, both updates are under way. */
Test(mobike, moves_twice)
{
	for (unsigned window = 1; window <= 4; window += 3) {
		for (unsigned steps = 0; steps < 5; steps++) {
			struct sim *s = sim_mobile(360 + steps);

			s->side[A].conn[0].window = s->side[B].conn[0].window = (uint8_t)window;
			up_with(s);
			cr_assert_eq(move(s, A, FAR), 0);
			sim_steps(s, steps);
			moves(s, AWAY);
			all_at(s, AWAY);
			sound(s, 1);
			alive(s, 1);
			sim_free(s);
		}
	}
}

/* [MOB-8]: and back again, where it was known to be. */
Test(mobike, there_and_back)
{
	for (unsigned steps = 0; steps < 6; steps++) {
		struct sim *s = mobile_up(370 + steps);

		cr_assert_eq(move(s, A, FAR), 0);
		sim_steps(s, steps);
		moves(s, HOME);
		cr_assert(addr_is(info(s, B).path.remote.ip, HOME));
		const struct sim_event *e = sim_last_event(&s->side[B], IKE_EV_PEER_MOVED);

		cr_assert(!e || addr_is(e->path.remote.ip, HOME));
		alive(s, 1);
		sim_free(s);
	}
}

/* [MOB-16] and losses: each single datagram of the move lost, twice, or late. */
Test(mobike, a_bad_link)
{
	for (unsigned what = 0; what < 3; what++) {
		for (unsigned n = 0; n < 8; n++) {
			struct sim *s = mobile_up(380 + n);
			uint64_t bit = UINT64_C(1) << (s->sent + n);

			*(what == 0 ? &s->lose : what == 1 ? &s->duplicate : &s->late) = bit;
			moves(s, FAR);
			all_at(s, FAR);
			cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 1);
			alive(s, 1);
			sim_free(s);
		}
	}
}

/* [MOB-17] */
Test(mobike, another_family_and_back)
{
	struct sim *s = mobile_up(390);
	struct ike_path p = { .local = { .ip = sim_addr(FAR_6) },
			      .remote = { .ip = sim_addr("2001:db8:b::1"), .port = 4500 } };
	uint64_t line = info(s, A).line;

	cr_assert_eq(ike_path_change(s->side[A].ike, line, &p, s->now), 0);
	sim_drain(s, A);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_MOVED, 0), 0, "R is not known to be there");
	sim_settle(s, 10 * USEC_PER_SEC);
	all_at(s, FAR_6);
	cr_assert(addr_is(info(s, B).path.local.ip, "2001:db8:b::1"));
	alive(s, 1);
	p.remote.ip = sim_addr("198.51.100.1");
	cr_assert_eq(ike_path_change(s->side[A].ike, line, &p, s->now), -EINVAL);
	p.local.ip = sim_addr(HOME);
	cr_assert_eq(ike_path_change(s->side[A].ike, line, &p, s->now), 0);
	sim_settle(s, 10 * USEC_PER_SEC);
	all_at(s, HOME);
	alive(s, 1);
	sim_free(s);
}

/* [MOB-10] [MOB-11]: where B's connection says at which addresses A may be. */
Test(mobike, refused)
{
	struct sim *s = sim_mobile(400);
	struct ike_conn_cfg *b = &s->side[B].conn[0];
	const struct sim_event *e;

	b->n_remote_addrs = 2;
	b->remote_addrs[0] = sim_path(s, A).local.ip;
	b->remote_addrs[1] = sim_addr(AWAY);
	up_with(s);
	moves(s, FAR);
	e = sim_last_event(&s->side[A], IKE_EV_MOVE_REFUSED);
	cr_assert(e);
	cr_assert_eq(e->notify, N_UNACCEPTABLE_ADDRESSES);
	cr_assert(addr_is(e->path.local.ip, HOME));
	cr_assert(addr_is(info(s, A).path.local.ip, HOME));
	cr_assert(addr_is(info(s, B).path.remote.ip, HOME));
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 0);
	moves(s, AWAY);
	all_at(s, AWAY);
	alive(s, 1);
	sim_free(s);
}

/* ---- other policies about the check ---- */

static struct sim *up_checked(uint64_t seed, enum ike_return_check when)
{
	struct sim *s = sim_mobile(seed);

	s->side[B].conn[0].return_check = when;
	up_with(s);
	forget_events(s);
	return s;
}

/* Requests of B: besides, it answers one for each move. */
static unsigned asked(const struct sim *s, unsigned moves)
{
	return s->exchanges[B][INFORMATIONAL] - moves;
}

/* [MOB-45]: the Child SAs do not wait, and A is asked nevertheless. */
Test(mobike, checked_afterwards)
{
	struct sim *s = up_checked(480, IKE_RETURN_AFTER);

	cr_assert_eq(move(s, A, FAR), 0);
	sim_steps(s, 1);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 1);
	cr_assert(addr_is(sim_last_event(&s->side[B], IKE_EV_PEER_MOVED)->path.remote.ip, FAR));
	sim_settle(s, 10 * USEC_PER_SEC);
	all_at(s, FAR);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 1);
	cr_assert_eq(asked(s, 1), 1);
	moves(s, AWAY);
	all_at(s, AWAY);
	cr_assert_eq(asked(s, 2), 2);
	alive(s, 1);
	sim_free(s);
}

/* [MOB-45]: nobody answers there. */
Test(mobike, checked_afterwards_in_vain)
{
	struct sim *s = up_checked(485, IKE_RETURN_AFTER);

	s->on_wire = lose_at_far;
	mute = true;
	cr_assert_eq(move(s, A, FAR), 0);
	sim_steps(s, 1);
	cr_assert(addr_is(sim_last_event(&s->side[B], IKE_EV_PEER_MOVED)->path.remote.ip, FAR));
	sim_run(s, 30 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 2);
	cr_assert(addr_is(sim_last_event(&s->side[B], IKE_EV_PEER_MOVED)->path.remote.ip, HOME));
	/* and there it is, late */
	mute = false;
	sim_settle(s, 60 * USEC_PER_SEC);
	all_at(s, FAR);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 3);
	alive(s, 1);
	sim_free(s);
}

/* [MOB-45]: the check goes on after a rekey and a restart of B. */
Test(mobike, checked_afterwards_by_another)
{
	for (unsigned how = 0; how < 2; how++) {
		struct sim *s = up_checked(487, IKE_RETURN_AFTER);

		s->on_wire = lose_at_far;
		mute = true;
		cr_assert_eq(move(s, A, FAR), 0);
		sim_steps(s, 1);
		sim_run(s, USEC_PER_SEC);
		if (how)
			sim_restart(s, B);
		else
			cr_assert_eq(ike_rekey(s->side[A].ike, "c", NULL, 5, s->now), 0);
		mute = false;
		sim_settle(s, 60 * USEC_PER_SEC);
		all_at(s, FAR);
		alive(s, 1);
		sim_free(s);
	}
}

/* [MOB-45] */
Test(mobike, never_checked)
{
	struct sim *s = up_checked(490, IKE_RETURN_SKIP);

	moves(s, FAR);
	all_at(s, FAR);
	cr_assert_eq(asked(s, 1), 0);
	alive(s, 1);
	sim_free(s);
}

/* ---- NATs ---- */

/* [MOB-14] [MOB-24] [MOB-25]: behind a NAT, and away from it again. MM-10.3.1-3, DES-5.2.1-1,
 * DES-5.2.3-1, DES-5.2.6-2 */
Test(mobike, behind_a_nat_and_back)
{
	struct sim *s = sim_mobile(410);
	const struct sim_event *a, *b;
	unsigned kept;

	for (unsigned side = 0; side < SIM_SIDES; side++) {
		s->side[side].conn[0].encap = false;
		s->side[side].conn[0].keep_alive = 20 * USEC_PER_SEC;
	}
	up_with(s);
	cr_assert_not(s->side[A].children[0].encap);
	s->nat = true;
	sim_run(s, 100 * USEC_PER_SEC);
	cr_assert_eq(s->keepalives[A], 0);
	cr_assert_eq(move(s, A, HOME), 0);
	sim_run(s, 10 * USEC_PER_SEC);
	a = sim_last_event(&s->side[A], IKE_EV_MOVED);
	b = sim_last_event(&s->side[B], IKE_EV_PEER_MOVED);
	cr_assert(a && a->encap);
	cr_assert(b && b->encap);
	cr_assert_eq(b->path.remote.port, 14500);
	cr_assert(info(s, A).nat_local && info(s, B).nat_remote);
	sim_run(s, 100 * USEC_PER_SEC);
	kept = s->keepalives[A];
	cr_assert_gt(kept, 3);
	s->nat = false;
	cr_assert_eq(move(s, A, FAR), 0);
	sim_run(s, 100 * USEC_PER_SEC);
	all_at(s, FAR);
	cr_assert_not(sim_last_event(&s->side[A], IKE_EV_MOVED)->encap);
	cr_assert_not(sim_last_event(&s->side[B], IKE_EV_PEER_MOVED)->encap);
	cr_assert_not(info(s, A).nat_local || info(s, B).nat_remote);
	cr_assert_eq(s->keepalives[A], kept, "nothing is kept open any more");
	sim_free(s);
}

/* Which of A's events of a kind says what. */
static unsigned moved_in_udp(const struct sim *s, bool encap)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->side[A].n_events; i++)
		n += s->side[A].events[i].kind == IKE_EV_MOVED &&
		     s->side[A].events[i].encap == encap;
	return n;
}

/* [MOB-24]: "either suspects or knows that a NAT is likely to be present": in UDP before B says
 * whether there is one, if the address is a private one, or if B takes what comes. */
Test(mobike, a_nat_is_suspected)
{
	static const struct {
		const char *to;
		bool probes, nat, guess;
	} rows[] = {
		{ FAR, false, false, false },	    { FAR, false, true, false },
		{ "10.1.1.1", false, false, true }, { "10.1.1.1", false, true, true },
		{ FAR, true, false, true },	    { FAR, true, true, true },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sim *s = sim_mobile(412 + i);

		for (unsigned side = 0; side < SIM_SIDES; side++) {
			s->side[side].conn[0].encap = false;
			s->side[side].conn[0].multipath = rows[i].probes;
			s->side[side].conn[0].n_remote_addrs = 0;
		}
		s->side[A].conn[0].n_remote_addrs = 1;
		up_with(s);
		s->nat = rows[i].nat;
		forget_events(s);
		cr_assert_eq(move(s, A, rows[i].to), 0);
		sim_drain(s, A);
		cr_assert_eq(moved_in_udp(s, rows[i].guess), 1, "%u", i);
		cr_assert_eq(moved_in_udp(s, !rows[i].guess), 0, "%u", i);
		sim_settle(s, 5 * USEC_PER_SEC);
		cr_assert_eq(sim_last_event(&s->side[A], IKE_EV_MOVED)->encap, rows[i].nat, "%u",
			     i);
		cr_assert_eq(sim_last_event(&s->side[B], IKE_EV_PEER_MOVED)->encap, rows[i].nat,
			     "%u", i);
		sim_free(s);
	}
}

/* [MOB-44] DES-5.6-1: a NAT comes, and an SA in transport mode stays as it is. */
Test(mobike, transport_mode_stays)
{
	struct sim *s = sim_mobile(415);
	struct ike_child_info c;

	for (unsigned side = 0; side < SIM_SIDES; side++) {
		s->side[side].conn[0].encap = false;
		s->side[side].child[0][0].mode = CHILD_TRANSPORT;
	}
	up_with(s);
	cr_assert_eq(sim_up(s, A, "more", 2), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	s->nat = true;
	moves(s, HOME);
	cr_assert(sim_last_event(&s->side[B], IKE_EV_PEER_MOVED)->encap);
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		for (unsigned i = 0; i < 2; i++) {
			cr_assert(ike_child_at(s->side[side].ike, 0, i, &c));
			cr_assert_eq(c.encap, c.mode == CHILD_TUNNEL);
		}
	}
	sim_free(s);
}

/* [MOB-23] DES-5.1.1-1, DES-5.2.6-1, DES-7-1: a request from a new mapping is answered there, and
 * moves nothing; ESP from there does, when B has got an answer from it. */
Test(mobike, a_new_mapping)
{
	struct sim *s = sim_mobile(420);
	struct sim_side *b = &s->side[B];
	struct ike_path p;

	s->nat = true;
	up_with(s);
	s->nat_shift = 77;
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", "net", 2, s->now), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_REKEYED, 2), 1);
	cr_assert_eq(sim_count(b, IKE_EV_PEER_MOVED, 0), 0);
	cr_assert_eq(info(s, B).path.remote.port, 14500);
	p = info(s, B).path;
	p.remote.port = 14577;
	ike_esp_from(b->ike, b->children[0].id, &p, s->now);
	sim_drain(s, B);
	cr_assert_eq(sim_count(b, IKE_EV_PEER_MOVED, 0), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert_eq(sim_count(b, IKE_EV_PEER_MOVED, 0), 1);
	cr_assert_eq(sim_last_event(b, IKE_EV_PEER_MOVED)->path.remote.port, 14577);
	alive(s, 1);
	sim_free(s);
}

/* ---- rekeys and restarts ---- */

/* [MOB-5] [MOB-15] DES-5.1.5-1: B rekeys the IKE SA and is its original initiator: A still decides.
 * B's own word moves its datagrams, and is no update. */
Test(mobike, who_decides_stays)
{
	struct sim *s = mobile_up(430);

	cr_assert_eq(ike_rekey(s->side[B].ike, "c", NULL, 2, s->now), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert(info(s, B).initiator && !info(s, B).role_i && info(s, A).mobike);
	moves(s, FAR);
	all_at(s, FAR);
	forget_events(s);
	cr_assert_eq(move(s, B, "198.51.100.7"), 0);
	sim_settle(s, 10 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_PEER_MOVED, 0) +
			     sim_count(&s->side[A], IKE_EV_MOVED, 0),
		     0);
	cr_assert(addr_is(info(s, A).path.remote.ip, "198.51.100.1"));
	alive(s, 1);
	sim_free(s);
}

/* [MOB-18]: a rekey of the IKE SA by either side, and a move at every moment of it. */
Test(mobike, in_an_ike_rekey)
{
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		for (unsigned steps = 0; steps < 6; steps++) {
			for (unsigned first = 0; first < 2; first++) {
				struct sim *s = mobile_up(440 + steps);

				if (first)
					cr_assert_eq(move(s, A, FAR), 0);
				cr_assert_eq(ike_rekey(s->side[side].ike, "c", NULL, 2, s->now), 0);
				sim_steps(s, steps);
				if (!first)
					cr_assert_eq(move(s, A, FAR), 0);
				sim_settle(s, 20 * USEC_PER_SEC);
				cr_assert_eq(sim_count(&s->side[side], IKE_EV_IKE_REKEYED, 2), 1);
				all_at(s, FAR);
				sound(s, 1);
				alive(s, 1);
				sim_free(s);
			}
		}
	}
}

/* Export and import of either side at every step of a move. */
Test(mobike, over_a_restart)
{
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		for (unsigned steps = 0; steps < 5; steps++) {
			struct sim *s = mobile_up(450 + steps);

			cr_assert_eq(move(s, A, FAR), 0);
			sim_steps(s, steps);
			sim_restart(s, side);
			sim_settle(s, 20 * USEC_PER_SEC);
			all_at(s, FAR);
			cr_assert(info(s, side).mobike);
			sound(s, 1);
			alive(s, 1);
			sim_free(s);
		}
	}
}
