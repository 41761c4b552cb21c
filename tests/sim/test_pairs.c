/* SPDX-License-Identifier: GPL-2.0-only */
/* MOBIKE between two cores: lists of addresses, other pairs tested and tried, NATs that come and go
 * or are kept out (user/ike/addrlist.c, pair_try.c, nonat.c, natd.c). A is I, B is R. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "sim_assert.h"

#define HOME   "192.0.2.1"
#define FAR    "203.0.113.44"
#define GATE   "198.51.100.1"
#define GATE_2 "198.51.100.7"

static struct ike_path pair(const char *local, const char *remote)
{
	struct ike_path p = { 0 };

	if (local)
		p.local.ip = sim_addr(local);
	if (remote)
		p.remote = (struct udp_addr){ .ip = sim_addr(remote), .port = 4500 };
	return p;
}

static int go(struct sim *s, unsigned side, const char *local, const char *remote)
{
	struct ike_path p = pair(local, remote);

	return ike_path_change(s->side[side].ike, info(s, side).line, &p, s->now);
}

static int test_path(struct sim *s, unsigned side, const char *local, const char *remote,
		     uint32_t op)
{
	struct ike_path p = pair(local, remote);

	return ike_path_test(s->side[side].ike, info(s, side).line, &p, op, s->now);
}

/* Nothing arrives there, or leaves from there. */
static const char *dead;

static void lose_at_dead(struct sim *s, struct sim_packet *p)
{
	(void)s;
	if (dead && (addr_is(p->dst.ip, dead) || addr_is(p->src.ip, dead)))
		p->used = false;
}

/* ---- lists ---- */

static void tell(struct sim *s, unsigned side, const char *const *list, unsigned n)
{
	struct addr a[16];

	for (unsigned i = 0; i < n; i++)
		a[i] = sim_addr(list[i]);
	cr_assert_eq(ike_addrs_set(s->side[side].ike, "c", a, n, s->now), 0);
}

/* [MOB-26] [MOB-27] [MOB-28] DES-4-1, DES-6.4-1: in IKE_AUTH; then each list in place of the one
 * before, an empty one too; the address it comes from is always one of them. */
Test(pairs, lists)
{
	static const char *const ours[] = { FAR, HOME, "2001:db8:a::1" };
	struct sim *s = sim_mobile(500);
	struct ike_sa_info b;

	sim_start(s);
	tell(s, A, ours, 3);
	cr_assert_eq(sim_up(s, A, NULL, 1), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	b = info(s, B);
	cr_assert_eq(b.n_peer_addrs, 3);
	cr_assert(addr_is(b.peer_addrs[0], HOME) && addr_is(b.peer_addrs[1], FAR) &&
		  addr_is(b.peer_addrs[2], "2001:db8:a::1"));
	cr_assert_eq(info(s, A).n_peer_addrs, 1);
	cr_assert(addr_is(info(s, A).peer_addrs[0], GATE));
	tell(s, A, ours + 2, 1);
	sim_settle(s, 5 * USEC_PER_SEC);
	b = info(s, B);
	cr_assert_eq(b.n_peer_addrs, 2);
	cr_assert(addr_is(b.peer_addrs[0], HOME) && addr_is(b.peer_addrs[1], "2001:db8:a::1"));
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_ADDRS, 0), 1);
	tell(s, A, NULL, 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert_eq(info(s, B).n_peer_addrs, 1);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_ADDRS, 0), 2);
	/* nothing new, nothing said; and it outlives rekey and restart */
	cr_assert_eq(s->exchanges[A][INFORMATIONAL], 2);
	tell(s, A, NULL, 0);
	tell(s, A, ours, 1);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert_eq(s->exchanges[A][INFORMATIONAL], 3);
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", NULL, 5, s->now), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	sim_restart(s, B);
	cr_assert_eq(info(s, B).n_peer_addrs, 2);
	cr_assert(addr_is(info(s, B).peer_addrs[1], FAR));
	alive(s, 1);
	sim_free(s);
}

/* [MOB-46]: a move takes the list along; refused with it, that is sent again. */
Test(pairs, a_list_with_an_update)
{
	static const char *const ours[] = { FAR, HOME, "203.0.113.46" };
	struct sim *s = sim_mobile(507);
	struct ike_conn_cfg *c = &s->side[B].conn[0];
	struct ike_sa_info b;

	c->n_remote_addrs = 2;
	c->remote_addrs[0] = sim_addr(HOME);
	c->remote_addrs[1] = sim_addr(FAR);
	up_with(s);
	tell(s, A, ours, 2);
	cr_assert_eq(go(s, A, FAR, NULL), 0);
	sim_settle(s, 10 * USEC_PER_SEC);
	b = info(s, B);
	cr_assert(addr_is(b.path.remote.ip, FAR));
	cr_assert_eq(b.n_peer_addrs, 2);
	cr_assert(addr_is(b.peer_addrs[0], FAR) && addr_is(b.peer_addrs[1], HOME));
	cr_assert_eq(s->exchanges[A][INFORMATIONAL], 2, "an update, and an answer to the check");
	tell(s, A, ours, 3);
	cr_assert_eq(go(s, A, "203.0.113.46", NULL), 0);
	sim_settle(s, 10 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_MOVE_REFUSED, 0), 1);
	b = info(s, B);
	cr_assert(addr_is(b.path.remote.ip, FAR));
	cr_assert_eq(b.n_peer_addrs, 3);
	cr_assert_eq(s->exchanges[A][INFORMATIONAL], 4);
	alive(s, 1);
	sim_free(s);
}

/* A second one is sent while the first is under way: the last counts. B's, which do not wait. */
Test(pairs, lists_in_a_row)
{
	static const char *const ours[] = { FAR, "203.0.113.45", "203.0.113.46" };
	struct sim *s = sim_mobile(505);

	s->side[A].conn[0].window = s->side[B].conn[0].window = 4;
	up_with(s);
	for (unsigned i = 0; i < 3; i++) {
		tell(s, B, ours + i, 1);
		sim_drain(s, B);
	}
	s->lose = UINT64_C(1) << s->sent;
	sim_settle(s, 10 * USEC_PER_SEC);
	cr_assert_eq(info(s, A).n_peer_addrs, 2);
	cr_assert(addr_is(info(s, A).peer_addrs[1], ours[2]));
	sim_free(s);
}

/* [MOB-29] [MOB-30]: B's address goes; it asks from its other one, A hears which there are, and
 * decides. B's packets go from there as soon as A answered. */
Test(pairs, the_gateway_moves)
{
	static const char *const gates[] = { GATE_2 };
	struct sim *s = sim_mobile(510);
	const struct sim_event *e;

	up_with(s);
	s->on_wire = lose_at_dead;
	dead = GATE;
	tell(s, B, gates, 1);
	cr_assert_eq(go(s, B, GATE_2, NULL), 0);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_MOVED, 0), 0);
	sim_run(s, 5 * USEC_PER_SEC);
	e = sim_last_event(&s->side[B], IKE_EV_MOVED);
	cr_assert(e && addr_is(e->path.local.ip, GATE_2));
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_PEER_ADDRS, 0), 1);
	cr_assert(strstr(sim_text(&s->side[A], IKE_EV_PEER_ADDRS), "not the one in use"));
	cr_assert_eq(info(s, A).n_peer_addrs, 1);
	cr_assert(addr_is(info(s, A).peer_addrs[0], GATE_2));
	cr_assert(addr_is(info(s, A).path.remote.ip, GATE), "A decides, and has not yet");
	cr_assert_eq(go(s, A, NULL, GATE_2), 0);
	sim_drain(s, A);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_MOVED, 0), 0, "R has not answered from there");
	sim_run(s, 5 * USEC_PER_SEC);
	e = sim_last_event(&s->side[A], IKE_EV_MOVED);
	cr_assert(e && addr_is(e->path.remote.ip, GATE_2));
	cr_assert(addr_is(info(s, B).path.local.ip, GATE_2));
	alive(s, 1);
	dead = NULL;
	sim_free(s);
}

/* [MOB-29] [MOB-31]: B's first try goes nowhere, since A's address went as well: the same octets to
 * another address of A's list; the answer shows which works, and a new request follows. */
Test(pairs, both_move)
{
	static const char *const ours[] = { FAR }, *const gates[] = { GATE_2 };
	struct sim *s = sim_mobile(515);
	static uint8_t first[4096];
	size_t len;

	up_with(s);
	tell(s, A, ours, 1);
	sim_settle(s, 5 * USEC_PER_SEC);
	s->on_wire = lose_at_dead;
	dead = HOME;
	tell(s, B, gates, 1);
	cr_assert_eq(go(s, B, GATE_2, NULL), 0);
	sim_drain(s, B);
	len = s->last_len[B];
	memcpy(first, s->last[B], len);
	sim_run(s, 4 * USEC_PER_SEC);
	cr_assert_gt(sim_count(&s->side[B], IKE_EV_UNANSWERED, 0), 0);
	for (unsigned i = 1; i < info(s, B).n_peer_addrs; i++) {
		struct ike_path p = { .local = info(s, B).path.local,
				      .remote = { info(s, B).peer_addrs[i], 4500 } };

		cr_assert_eq(ike_try_path(s->side[B].ike, info(s, B).line, &p, s->now), 0);
		sim_drain(s, B);
		cr_assert_eq(s->last_len[B], len);
		cr_assert(!memcmp(s->last[B], first, len));
	}
	sim_run(s, USEC_PER_SEC / 2);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PATH_ANSWERED, 0), 1);
	cr_assert(addr_is(sim_last_event(&s->side[B], IKE_EV_PATH_ANSWERED)->path.remote.ip, FAR));
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_MOVED, 0), 0);
	cr_assert_eq(go(s, B, NULL, FAR), 0);
	sim_run(s, 5 * USEC_PER_SEC);
	cr_assert(addr_is(sim_last_event(&s->side[B], IKE_EV_MOVED)->path.remote.ip, FAR));
	cr_assert_eq(go(s, A, FAR, GATE_2), 0);
	sim_run(s, 5 * USEC_PER_SEC);
	cr_assert(addr_is(info(s, B).path.remote.ip, FAR) &&
		  addr_is(info(s, A).path.remote.ip, GATE_2));
	alive(s, 1);
	dead = NULL;
	sim_free(s);
}

/* ---- tests ---- */

/* [MOB-32] DES-4-2, DES-5.1.2-1, DES-5.1.3-1: a pair that works and one that does not, never one of
 * two families; nothing moves, and the IKE SA goes on. */
Test(pairs, tested)
{
	struct sim *s = sim_mobile(520);
	const struct sim_event *e;

	up_with(s);
	s->on_wire = lose_at_dead;
	dead = "203.0.113.99";
	cr_assert_eq(test_path(s, A, FAR, NULL, 7), 0);
	cr_assert_eq(test_path(s, A, FAR, NULL, 8), -EALREADY);
	sim_settle(s, 5 * USEC_PER_SEC);
	e = sim_last_event(&s->side[A], IKE_EV_PATH_TESTED);
	cr_assert(e && e->op == 7 && addr_is(e->path.local.ip, FAR));
	cr_assert_eq(e->rtt, 2 * s->delay);
	cr_assert_eq(test_path(s, A, dead, NULL, 9), 0);
	cr_assert_eq(test_path(s, A, "2001:db8::1", NULL, 10), -EALREADY);
	sim_run(s, 20 * USEC_PER_SEC);
	cr_assert_eq(sim_op_ends(&s->side[A], 9), 1);
	cr_assert_eq(sim_last_event(&s->side[A], IKE_EV_PATH_TESTED)->rtt, 0);
	cr_assert_eq(test_path(s, A, "2001:db8::1", NULL, 10), -EINVAL);
	cr_assert_eq(test_path(s, B, NULL, FAR, 11), 0, "R may ask, too");
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert_gt(sim_last_event(&s->side[B], IKE_EV_PATH_TESTED)->rtt, 0);
	for (unsigned side = 0; side < SIM_SIDES; side++)
		cr_assert_eq(sim_count(&s->side[side], IKE_EV_MOVED, 0) +
				     sim_count(&s->side[side], IKE_EV_PEER_MOVED, 0),
			     0);
	cr_assert(addr_is(info(s, B).path.remote.ip, HOME) &&
		  addr_is(info(s, A).path.local.ip, HOME));
	alive(s, 1);
	dead = NULL;
	sim_free(s);
}

/* [MOB-32]: a move in the middle of a test of a pair that does not answer. */
Test(pairs, a_move_during_a_test)
{
	struct sim *s = sim_mobile(525);

	up_with(s);
	s->on_wire = lose_at_dead;
	dead = "203.0.113.99";
	cr_assert_eq(test_path(s, A, dead, NULL, 7), 0);
	sim_run(s, USEC_PER_SEC / 10);
	cr_assert_eq(go(s, A, FAR, NULL), 0);
	sim_run(s, 20 * USEC_PER_SEC);
	cr_assert_eq(sim_op_ends(&s->side[A], 7), 1);
	cr_assert_eq(sim_last_event(&s->side[A], IKE_EV_PATH_TESTED)->rtt, 0);
	cr_assert(addr_is(info(s, B).path.remote.ip, FAR));
	alive(s, 1);
	dead = NULL;
	sim_free(s);
}

/* What arrives at FAR waits. */
static struct sim_packet *held;

static void hold_at_far(struct sim *s, struct sim_packet *p)
{
	(void)s;
	if (!addr_is(p->dst.ip, FAR))
		return;
	held = p;
	p->due = USEC_NEVER - 1;
}

/* A test that failed is answered late, before the pair in use had time to answer the same request:
 * that shows no pair that is better. */
Test(pairs, a_late_answer)
{
	struct sim *s = sim_mobile(527);

	up_with(s);
	s->on_wire = hold_at_far;
	cr_assert_eq(test_path(s, A, FAR, NULL, 7), 0);
	for (unsigned i = 0; i < 600 && !sim_op_ends(&s->side[A], 7); i++)
		sim_run(s, USEC_PER_SEC / 10);
	cr_assert_eq(sim_last_event(&s->side[A], IKE_EV_PATH_TESTED)->rtt, 0);
	cr_assert(held && held->used);
	s->on_wire = lose_at_dead;
	dead = HOME;
	held->due = s->now;
	sim_run(s, USEC_PER_SEC / 10);
	cr_assert_not(held->used);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_PATH_ANSWERED, 0), 0);
	dead = NULL;
	alive(s, 1);
	sim_free(s);
}

/* A request is under way when A moves, and B answers it where it came from: that is not the way
 * back. */
Test(pairs, answered_on_the_pair_before)
{
	struct sim *s = sim_mobile(528);

	up_with(s);
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", "net", 5, s->now), 0);
	sim_drain(s, A);
	cr_assert_eq(go(s, A, FAR, NULL), 0);
	sim_settle(s, 10 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_PATH_ANSWERED, 0), 0);
	cr_assert(addr_is(info(s, B).path.remote.ip, FAR));
	alive(s, 1);
	sim_free(s);
}

/* Without MOBIKE a test would move the peer's side, if there is a NAT. */
Test(pairs, no_tests_without)
{
	struct sim *s = up(530);

	cr_assert_eq(test_path(s, A, FAR, NULL, 7), -EOPNOTSUPP);
	sim_free(s);
}

/* [MOB-31] [MOB-8]: an update that nobody answered, sent over another pair too, is not believed: a
 * fresh one follows. */
Test(pairs, an_update_over_two_pairs)
{
	struct sim *s = sim_mobile(535);
	struct ike_path p = pair(FAR, NULL);

	up_with(s);
	s->on_wire = lose_at_dead;
	dead = "203.0.113.99";
	cr_assert_eq(go(s, A, dead, NULL), 0);
	sim_run(s, 3 * USEC_PER_SEC);
	cr_assert_gt(sim_count(&s->side[A], IKE_EV_UNANSWERED, 0), 0);
	cr_assert_eq(ike_try_path(s->side[A].ike, info(s, A).line, &p, s->now), 0);
	sim_run(s, USEC_PER_SEC / 2);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_PATH_ANSWERED, 0), 1);
	cr_assert(addr_is(info(s, B).path.remote.ip, FAR), "from that header");
	cr_assert(addr_is(info(s, A).path.local.ip, dead));
	cr_assert_eq(go(s, A, FAR, NULL), 0);
	sim_run(s, 5 * USEC_PER_SEC);
	cr_assert(addr_is(sim_last_event(&s->side[B], IKE_EV_PEER_MOVED)->path.remote.ip, FAR));
	alive(s, 1);
	dead = NULL;
	sim_free(s);
}

/* [MOB-33]: R asks for minutes, I gives up as it is told. */
Test(pairs, patience)
{
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		struct sim *s = sim_mobile(540);

		s->side[A].conn[0].mobike_patience = s->side[B].conn[0].mobike_patience =
			300 * USEC_PER_SEC;
		up_with(s);
		s->cut[!side] = true;
		cr_assert_eq(ike_rekey(s->side[side].ike, "c", "net", 3, s->now), 0);
		sim_run(s, 290 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[side], IKE_EV_IKE_DOWN, 0), side == A);
		sim_run(s, 60 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[side], IKE_EV_IKE_DOWN, 0), 1);
		sim_free(s);
	}
}

/* [MOB-34] DES-5.5.2-3: what comes from another pair is no sign of life of the one in use. */
Test(pairs, liveness_is_of_the_pair)
{
	struct sim *s = sim_mobile(545);
	struct ike_path p;
	uint32_t id;

	s->side[B].conn[0].dpd_delay = 10 * USEC_PER_SEC;
	up_with(s);
	id = s->side[B].children[0].id;
	p = info(s, B).path;
	cr_assert(ike_esp_from(s->side[B].ike, id, &p, s->now));
	p.remote.ip = sim_addr(FAR);
	cr_assert_not(ike_esp_from(s->side[B].ike, id, &p, s->now));
	/* A tests another pair all the time, and its own is dead */
	s->on_wire = lose_at_dead;
	dead = HOME;
	for (unsigned i = 0; i < 40; i++) {
		if (ike_sa_count(s->side[A].ike))
			test_path(s, A, FAR, NULL, 100 + i);
		sim_run(s, 5 * USEC_PER_SEC);
		if (i < 3)
			cr_assert_gt(sim_last_event(&s->side[A], IKE_EV_PATH_TESTED)->rtt, 0);
	}
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_IKE_DOWN, 0), 1, "B asked, and heard nothing");
	dead = NULL;
	sim_free(s);
}

/* ---- NATs ---- */

/* [MOB-35]: from behind a NAT the liveness check tells which mapping there is; a new one is an
 * update. Not without a change, and not over a rekey. */
Test(pairs, a_new_mapping_is_noticed)
{
	struct sim *s = sim_mobile(550);
	unsigned before;

	s->nat = true;
	s->side[A].conn[0].dpd_delay = 15 * USEC_PER_SEC;
	up_with(s);
	sim_run(s, 50 * USEC_PER_SEC);
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", NULL, 2, s->now), 0);
	sim_run(s, 50 * USEC_PER_SEC);
	cr_assert_eq(s->exchanges[B][INFORMATIONAL], s->exchanges[A][INFORMATIONAL]);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 0);
	s->nat_shift = 77;
	sim_run(s, 16 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 1);
	cr_assert_eq(sim_last_event(&s->side[B], IKE_EV_PEER_MOVED)->path.remote.port, 14577);
	before = sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0);
	sim_run(s, 50 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), before);
	alive(s, 1);
	sim_free(s);
}

/* [MOB-35]: also when it changes before there was any check of the IKE SA, or of the one that a
 * rekey made. Told once. */
Test(pairs, a_new_mapping_before_any_check)
{
	for (unsigned rekeyed = 0; rekeyed < 2; rekeyed++) {
		struct sim *s = sim_mobile(551 + rekeyed);
		unsigned asked;

		s->nat = true;
		s->side[A].conn[0].dpd_delay = 15 * USEC_PER_SEC;
		up_with(s);
		if (rekeyed) {
			cr_assert_eq(ike_rekey(s->side[A].ike, "c", NULL, 2, s->now), 0);
			sim_settle(s, 5 * USEC_PER_SEC);
		}
		s->nat_shift = 77;
		sim_run(s, 16 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 1);
		cr_assert_eq(sim_last_event(&s->side[B], IKE_EV_PEER_MOVED)->path.remote.port,
			     14577);
		asked = s->exchanges[A][INFORMATIONAL];
		sim_run(s, 15 * USEC_PER_SEC);
		cr_assert_eq(s->exchanges[A][INFORMATIONAL], asked + 1, "the check, no update");
		cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 1);
		alive(s, 1);
		sim_free(s);
	}
}

/* [MOB-23]: an ESP packet that somebody kept for a while, and sends from where nobody answers: B
 * goes back, and the IKE SA lives. */
Test(pairs, a_kept_packet)
{
	struct sim *s = sim_mobile(555);
	struct ike_path p;

	s->nat = true;
	up_with(s);
	p = info(s, B).path;
	p.remote.port = 9999;
	ike_esp_from(s->side[B].ike, s->side[B].children[0].id, &p, s->now);
	sim_run(s, 60 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 0);
	cr_assert_eq(info(s, B).path.remote.port, 14500);
	alive(s, 1);
	sim_free(s);
}

static struct sim *refusing(uint64_t seed)
{
	struct sim *s = sim_mobile(seed);

	s->side[A].conn[0].nat = s->side[B].conn[0].nat = IKE_NAT_REFUSE;
	s->side[A].conn[0].retransmit_tries = s->side[B].conn[0].retransmit_tries = 2;
	return s;
}

/* [MOB-36] DES-5.2.1-2: NAT traversal off: port 500, no UDP around ESP; moving works where there is
 * no NAT. */
Test(pairs, no_nat_wanted)
{
	struct sim *s = refusing(560);

	up_with(s);
	cr_assert_eq(info(s, A).path.remote.port, 500);
	cr_assert_not(s->side[A].children[0].encap);
	cr_assert_eq(go(s, A, FAR, NULL), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert(addr_is(sim_last_event(&s->side[B], IKE_EV_PEER_MOVED)->path.remote.ip, FAR));
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_MOVE_REFUSED, 0), 0);
	alive(s, 1);
	sim_free(s);
}

/* [MOB-36] [MOB-37]: with one it is not set up; */
Test(pairs, no_nat_at_set_up)
{
	struct sim *s = refusing(565);

	s->nat = true;
	sim_start(s);
	cr_assert_eq(sim_up(s, A, NULL, 1), 0);
	sim_run(s, 20 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_FAILED, 1), 1);
	cr_assert_eq(sim_last_event(&s->side[A], IKE_EV_FAILED)->notify, N_UNEXPECTED_NAT_DETECTED);
	cr_assert(strstr(sim_text(&s->side[A], IKE_EV_FAILED), "a NAT is on the way"));
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_IKE_UP, 0), 0);
	cr_assert_eq(s->side[A].spis + s->side[B].spis, 0);
	sim_free(s);
}

/* [MOB-37] [MOB-38] DES-5.2.5-1: and behind one it does not move: several new requests, then back.
 */
Test(pairs, no_nat_after_a_move)
{
	struct sim *s = refusing(570);
	unsigned asked;

	up_with(s);
	s->nat = true;
	asked = s->exchanges[A][INFORMATIONAL];
	cr_assert_eq(go(s, A, FAR, NULL), 0);
	sim_run(s, 20 * USEC_PER_SEC);
	cr_assert_eq(s->exchanges[A][INFORMATIONAL] - asked, 3);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_MOVE_REFUSED, 0), 1);
	cr_assert_eq(sim_last_event(&s->side[A], IKE_EV_MOVE_REFUSED)->notify,
		     N_UNEXPECTED_NAT_DETECTED);
	cr_assert(addr_is(info(s, A).path.local.ip, HOME) &&
		  addr_is(info(s, B).path.remote.ip, HOME));
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 0);
	s->nat = false;
	alive(s, 1);
	sim_free(s);
}

/* [MOB-38]: our own doing: the update was sent again from elsewhere. */
Test(pairs, no_nat_but_two_pairs)
{
	struct sim *s = refusing(575);

	s->side[A].conn[0].retransmit_tries = 6;
	up_with(s);
	s->cut[A] = true;
	cr_assert_eq(go(s, A, "203.0.113.99", NULL), 0);
	sim_run(s, USEC_PER_SEC / 2);
	s->cut[A] = false;
	cr_assert_eq(go(s, A, FAR, NULL), 0);
	sim_run(s, 5 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_MOVE_REFUSED, 0), 0);
	cr_assert(addr_is(sim_last_event(&s->side[B], IKE_EV_PEER_MOVED)->path.remote.ip, FAR));
	alive(s, 1);
	sim_free(s);
}

/* ---- doubts ---- */

static unsigned sent_by(const struct sim *s, unsigned side)
{
	return s->exchanges[side][INFORMATIONAL];
}

/* Asked at once; who answers is not asked again. */
Test(pairs, a_doubt)
{
	struct sim *s = sim_mobile(550);

	up_with(s);
	cr_assert_eq(ike_check(s->side[A].ike, info(s, A).line, s->now), 0);
	cr_assert_eq(ike_check(s->side[A].ike, info(s, A).line, s->now), 0);
	sim_run(s, 20 * USEC_PER_SEC);
	cr_assert_eq(sent_by(s, A), 1);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_UNANSWERED, 0), 0);
	cr_assert_eq(ike_check(s->side[A].ike, info(s, A).line + 9, s->now), -ENOENT);
	alive(s, 1);
	sim_free(s);
}

/* The peer is gone: the owner hears of it soon, however patient requests are; doubts in a row make
 * it no sooner, and the IKE SA ends no sooner than without. What waits for an answer already is
 * asked in place of something new. */
Test(pairs, doubts_about_the_dead)
{
	for (int busy = 0; busy < 2; busy++) {
		struct sim *s = sim_mobile(551);
		struct ike_conn_cfg *c = &s->side[A].conn[0];
		usec_t asked, patience;

		c->retransmit_timeout = 10 * USEC_PER_SEC;
		c->retransmit_base = 1;
		c->retransmit_tries = 2;
		up_with(s);
		s->cut[A] = s->cut[B] = true;
		if (busy)
			cr_assert_eq(ike_rekey(s->side[A].ike, "c", "net", 5, s->now), 0);
		sim_run(s, USEC_PER_SEC);
		asked = s->now;
		cr_assert_eq(ike_check(s->side[A].ike, info(s, A).line, s->now), 0);
		while (s->now - asked < USEC_PER_SEC) {
			sim_run(s, USEC_PER_SEC / 10);
			cr_assert_eq(ike_check(s->side[A].ike, info(s, A).line, s->now), 0);
		}
		cr_assert_geq(sim_count(&s->side[A], IKE_EV_UNANSWERED, 0), 1);
		cr_assert_leq(sent_by(s, A), busy ? 0 : 5);
		patience = (c->retransmit_tries + 1) * c->retransmit_timeout;
		sim_run(s, patience - 2 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_DOWN, 0), 0);
		sim_run(s, 2 * patience);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_DOWN, 0), 1);
		sim_free(s);
	}
}

/* A question about sizes is under way: it is cut short, and what it waits for then is as quick. */
Test(pairs, a_doubt_while_sizes_are_asked)
{
	struct sim *s = sim_mobile(552);

	s->side[A].conn[0].retransmit_timeout = 60 * USEC_PER_SEC;
	up_with(s);
	s->cut[A] = s->cut[B] = true;
	for (uint16_t octets = 1400; ike_size_ask(s->side[A].ike, info(s, A).line, octets, s->now);
	     octets++)
		cr_assert_lt(octets, 1500);
	cr_assert_eq(ike_check(s->side[A].ike, info(s, A).line, s->now), 0);
	sim_run(s, 3 * USEC_PER_SEC);
	cr_assert_geq(sim_count(&s->side[A], IKE_EV_UNANSWERED, 0), 1);
	sim_free(s);
}

/* R asks over another pair, for nobody answers it on I's: I looks whether that still works, and
 * stays if it does. */
Test(pairs, asked_elsewhere)
{
	static const char *const ours[] = { FAR };

	for (int works = 0; works < 2; works++) {
		struct sim *s = sim_mobile(553);
		struct ike_path p = pair(NULL, FAR);

		s->side[A].conn[0].retransmit_timeout = 30 * USEC_PER_SEC;
		up_with(s);
		tell(s, A, ours, 1);
		sim_settle(s, 5 * USEC_PER_SEC);
		s->on_wire = lose_at_dead;
		dead = HOME;
		cr_assert_eq(ike_check(s->side[B].ike, info(s, B).line, s->now), 0);
		sim_run(s, 2 * USEC_PER_SEC);
		cr_assert_geq(sim_count(&s->side[B], IKE_EV_UNANSWERED, 0), 1);
		dead = works ? NULL : HOME;
		cr_assert_eq(ike_try_path(s->side[B].ike, info(s, B).line, &p, s->now), 0);
		sim_run(s, 2 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[B], IKE_EV_PATH_ANSWERED, 0), 1);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_UNANSWERED, 0) > 0, !works);
		dead = NULL;
		sim_settle(s, 60 * USEC_PER_SEC);
		alive(s, 1);
		sim_free(s);
	}
}
