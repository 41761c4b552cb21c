/* SPDX-License-Identifier: GPL-2.0-only */
/* Probes of paths, their answers, and what both ends know afterwards: user/ike/mmx_probe.c,
 * user/ike/mmx_seen.c, user/ike/mmx_reach.c. */
#include "mmx_probe_sim.h"

/* [MMX-81]: a path is found to work while the SAs stay where they are. */
Test(mmx_probe, works)
{
	struct sim *s = mmx_sim_up(1, 3, 2);
	struct ike_sa_info before, after;

	ike_sa_at(s->side[A].ike, 0, &before);
	for (unsigned side = A; side <= B; side++) {
		uint32_t op = 20 + side;

		probed(s, side, path(2, 2), op);
		cr_assert_eq(s->side[side].probed.rtt, 2 * s->delay);
		cr_assert_not(s->side[side].probed.nat);
		cr_assert(addr_equal(&s->side[side].probed.seen.ip,
				     &(struct addr[]){ mmx_sim_addr(side, 2) }[0]));
		cr_assert_eq(s->side[side].probed.seen.port, 4500);
		cr_assert(verified(s, side, path(2, 2)));
	}
	ike_sa_at(s->side[A].ike, 0, &after);
	cr_assert(udp_addr_equal(&before.path.local, &after.path.local));
	cr_assert(udp_addr_equal(&before.path.remote, &after.path.remote));
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_MOVED, 0), 0);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 0);
	/* without a NAT one address is known by all paths to it */
	cr_assert(verified(s, A, path(1, 2)) && verified(s, A, path(3, 2)));
	cr_assert(verified(s, B, path(2, 1)) && !verified(s, B, path(3, 1)));
	cr_assert(verified(s, A, path(1, 1)) && verified(s, B, path(1, 1)), "IKE's own");
	sim_free(s);
}

/* [MMX-81]: the peer's probe shows where it is, not that it receives there. */
Test(mmx_probe, one_way_knows_one_way)
{
	struct sim *s = mmx_sim_up(2, 2, 2);

	probed(s, A, path(2, 2), 20);
	cr_assert(verified(s, A, path(2, 2)));
	cr_assert_not_null(seen(s, B, path(2, 2)));
	cr_assert_not(seen(s, B, path(2, 2))->nat);
	cr_assert_eq(seen(s, B, path(2, 2))->verified, 0);
	cr_assert_null(seen(s, B, path(1, 2)));
	sim_free(s);
}

/* IKE goes there, of R's own accord: what was known of that path is still known, or R would go
 * back and forth between two that work. [MMX-81] */
Test(mmx_probe, known_where_ike_goes)
{
	struct sim *s = mmx_sim_up(13, 2, 2);
	const struct ike_path to[] = {
		{ { mmx_sim_addr(B, 2), 4500 }, { mmx_sim_addr(A, 2), 4500 }, 0 },
		{ { mmx_sim_addr(B, 1), 4500 }, { mmx_sim_addr(A, 2), 4500 }, 0 },
	};

	probed(s, B, path(2, 2), 20);
	for (unsigned i = 0; i < 2; i++) {
		cr_assert_eq(ike_path_change(s->side[B].ike, owner(s, B)->line, &to[i], s->now), 0);
		cr_assert(verified(s, B, path(2, 2)) && verified(s, B, path(2, 1)), "%u", i);
	}
	sim_free(s);
}

Test(mmx_probe, only_paths_that_are_there)
{
	struct sim *s = mmx_sim_up(3, 2, 2);
	struct sim *off;
	struct ike_sa_info info;

	cr_assert_eq(probe(s, A, path(3, 1), 9), -EINVAL);
	cr_assert_eq(probe(s, A, path(1, 3), 9), -EINVAL);
	cr_assert_eq(probe(s, A, path(0, 1), 9), -EINVAL);
	cr_assert_eq(ike_mmx_probe(s->side[A].ike, 12345, path(1, 1), false, 9, s->now), -ENOENT);
	cr_assert_eq(probe(s, A, path(2, 1), 9), 0);
	cr_assert_eq(probe(s, A, path(2, 1), 10), -EALREADY);
	sim_settle(s, 10 * USEC_PER_SEC);
	cr_assert_eq(sim_op_ends(&s->side[A], 10), 0);
	sim_free(s);
	off = mmx_sim_new(3);
	off->side[B].conn[0].mmx = IKE_MMX_NO;
	sim_start(off);
	cr_assert_eq(sim_up(off, A, "net", 1), 0);
	sim_settle(off, 10 * USEC_PER_SEC);
	cr_assert(ike_sa_at(off->side[A].ike, 0, &info));
	cr_assert_eq(ike_mmx_probe(off->side[A].ike, info.line, path(1, 1), false, 9, off->now),
		     -EOPNOTSUPP);
	sim_free(off);
}

/* Interface 2 of that side has an address of either IP version. */
static void both_versions(struct sim *s, unsigned side)
{
	struct mmx_iface l[2] = { mmx_sim_iface(side, 1), mmx_sim_iface(side, 2) };

	l[1].n = 2;
	l[1].ep[1] = (struct mmx_iface_ep){
		.epid = 6, .addr = sim_addr(side == A ? "2001:db8:a::2" : "2001:db8:b::2")
	};
	cr_assert_eq(ike_ifaces_set(s->side[side].ike, "c", l, 2, s->now), 0);
}

/* [MMX-81]: over IPv6 while IKE runs over IPv4; there are no paths between the two. */
Test(mmx_probe, of_the_other_ip_version)
{
	struct sim *s = mmx_sim_up(9, 2, 2);

	both_versions(s, A);
	both_versions(s, B);
	sim_settle(s, 10 * USEC_PER_SEC);
	cr_assert_eq(probe(s, A, path(6, 2), 20), -EINVAL);
	cr_assert_eq(probe(s, B, path(1, 6), 20), -EINVAL);
	for (unsigned side = A; side <= B; side++) {
		probed(s, side, path(6, 6), 21 + side);
		cr_assert_gt(s->side[side].probed.rtt, 0);
		cr_assert_eq(s->side[side].probed.seen.ip.family, 6);
		cr_assert(verified(s, side, path(6, 6)));
	}
	sim_free(s);
}

/* What happens to the datagrams from now on. */
static void weather(struct sim *s, uint64_t lose, uint64_t duplicate, uint64_t late)
{
	s->lose = s->sent < 64 ? lose << s->sent : 0;
	s->duplicate = s->sent < 64 ? duplicate << s->sent : 0;
	s->late = s->sent < 64 ? late << s->sent : 0;
}

/* [MMX-82]: whatever is lost, doubled or comes late, each is answered once, over its path. */
Test(mmx_probe, comes_through)
{
	for (unsigned pattern = 0; pattern < 64; pattern++) {
		struct sim *s = mmx_sim_up(pattern, 3, 3);

		weather(s, pattern & 7, (pattern >> 3 & 7) * 9u, (~pattern & 7) * 5u);
		for (unsigned k = 2; k <= 3; k++) {
			cr_assert_eq(probe(s, A, path(k, k), 20 + k), 0);
			cr_assert_eq(probe(s, B, path(k, k), 30 + k), 0);
		}
		sim_settle(s, 20 * USEC_PER_SEC);
		for (unsigned k = 2; k <= 3; k++) {
			cr_assert_eq(sim_op_ends(&s->side[A], 20 + k), 1, "%u", pattern);
			cr_assert_eq(sim_op_ends(&s->side[B], 30 + k), 1, "%u", pattern);
			cr_assert(verified(s, A, path(k, k)) && verified(s, B, path(k, k)), "%u",
				  pattern);
		}
		cr_assert(sim_mirrored(s, 1));
		sim_free(s);
	}
}

/* [MMX-83]: what is not answered three times goes elsewhere, so that its Message ID becomes free;
 * nothing is known of the path then, and the peer has not taken the copy for one of that path. */
Test(mmx_probe, is_reclaimed)
{
	struct sim *s = mmx_sim_up(4, 2, 2);

	cut.path = path(2, 2);
	cut.n = 0;
	s->on_wire = lose_cut;
	probed(s, A, path(2, 2), 20);
	cr_assert_eq(cut.n, 3);
	cr_assert_eq(s->side[A].probed.rtt, 0);
	cr_assert_not(verified(s, A, path(2, 2)));
	cr_assert(seen(s, A, path(2, 2))->dead);
	cr_assert_null(seen(s, B, path(2, 2)));
	cr_assert_eq(owner(s, A)->n_inflight, 0);
	cr_assert(list_empty(&owner(s, A)->inflight));
	/* the same when it had worked before */
	s->on_wire = NULL;
	probed(s, A, path(2, 2), 21);
	cr_assert(verified(s, A, path(2, 2)));
	s->on_wire = lose_cut;
	probed(s, A, path(2, 2), 22);
	cr_assert_eq(s->side[A].probed.rtt, 0);
	cr_assert_not(verified(s, A, path(2, 2)), "it is dead");
	cr_assert(verified(s, A, path(1, 2)), "but not the peer's end");
	s->on_wire = NULL;
	probed(s, A, path(2, 2), 23);
	cr_assert(verified(s, A, path(2, 2)));
	sim_free(s);
}

/* Somebody else has an address of B's: he reads what comes there, which tells him SPIs and Message
 * ID, and says that he does not know this IKE SA, in the clear. */
static struct {
	struct addr at;
	struct ike_path back;
	struct ike_hdr asked;
	bool reads;
} stranger;

static void ask_stranger(struct sim *s, struct sim_packet *p)
{
	struct rd r = rd_init(p->buf, p->len);

	(void)s;
	if (p->to != B || !addr_equal(&p->dst.ip, &stranger.at))
		return;
	stranger.back = (struct ike_path){ .local = p->src, .remote = p->dst };
	cr_assert_eq(ike_hdr_get(&r, &stranger.asked), 0);
	stranger.reads = true;
	p->used = false;
}

static void stranger_answers(struct sim *s, const struct addr *from)
{
	uint8_t buf[64];
	struct msg_wr m;

	if (!stranger.reads)
		return;
	stranger.reads = false;
	stranger.asked.flags = IKE_FLAG_RESPONSE;
	stranger.back.remote.ip = *from;
	m = msg_begin(buf, sizeof(buf), &stranger.asked);
	msg_put_notify(&m, PROTO_NONE, NULL, 0, N_INVALID_IKE_SPI, NULL, 0);
	ike_recv(s->side[A].ike, &stranger.back, buf, msg_end(&m), s->now);
	sim_drain(s, A);
}

static void probed_there(struct sim *s, const struct addr *from, uint32_t op)
{
	cr_assert_eq(probe(s, A, path(1, 2), op), 0);
	sim_drain(s, A);
	for (unsigned i = 0; i < 100; i++) {
		stranger_answers(s, from);
		sim_run(s, 100 * USEC_PER_MSEC);
	}
	cr_assert_eq(sim_op_ends(&s->side[A], op), 1);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_MMX_PROBED, op), 1);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_DOWN, 0), 0);
}

/* [MM-9.2-1] An address is not reachable, or somebody is there but nobody of the IKE SA, or the
 * peer. A stranger is only heard of, as nobody proves what he says: nothing ends by it. */
Test(mmx_probe, who_is_there)
{
	struct sim *s = mmx_sim_up(40, 2, 2);
	struct addr elsewhere = mmx_sim_addr(B, 9);

	probed(s, A, path(1, 2), 20);
	cr_assert(s->side[A].probed.rtt && !s->side[A].probed.stranger);
	cr_assert(verified(s, A, path(1, 2)));

	stranger.at = mmx_sim_addr(B, 2);
	s->on_wire = ask_stranger;
	probed_there(s, &stranger.at, 21);
	cr_assert(!s->side[A].probed.rtt && s->side[A].probed.stranger);
	cr_assert(seen(s, A, path(1, 2))->dead);

	/* not by a word from another address */
	probed_there(s, &elsewhere, 22);
	cr_assert(!s->side[A].probed.rtt && !s->side[A].probed.stranger);

	cut.path = path(1, 2);
	s->on_wire = lose_cut;
	probed(s, A, path(1, 2), 23);
	cr_assert(!s->side[A].probed.rtt && !s->side[A].probed.stranger);

	s->on_wire = NULL;
	probed(s, A, path(1, 2), 24);
	cr_assert(s->side[A].probed.rtt && !s->side[A].probed.stranger);
	cr_assert(sim_mirrored(s, 1));
	sim_free(s);
}

/* [MMX-84]: there is room for others, while no path answers; and what waits for a Message ID does
 * not wait until probes have been tried in vain. */
Test(mmx_probe, leaves_room)
{
	struct sim *s = mmx_sim_up(5, 2, 4);
	usec_t began = s->now;

	cut.path = path(2, 2);
	s->on_wire = lose_cut;
	for (unsigned k = 1; k <= 4; k++)
		cr_assert_eq(probe(s, A, path(2, k), 20 + k), 0);
	cr_assert_eq(owner(s, A)->n_inflight, 3, "one waits");
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", "net", 30, s->now), 0);
	cr_assert_eq(owner(s, A)->n_inflight, 4);
	sim_run(s, 4 * s->delay);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_REKEYED, 30), 1);
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", "net", 31, s->now), 0);
	cr_assert_eq(ike_up_line(s->side[A].ike, mmx_sim_line(s, A), "more", 32, s->now), 0);
	while (sim_op_ends(&s->side[A], 32) == 0 && s->now < began + 10 * USEC_PER_SEC)
		sim_run(s, 10 * USEC_PER_MSEC);
	cr_assert_lt(s->now - began, 3 * USEC_PER_SEC);
	cr_assert_eq(sim_op_ends(&s->side[A], 22), 0, "not given up for that");
	sim_settle(s, 20 * USEC_PER_SEC);
	for (unsigned k = 1; k <= 4; k++)
		cr_assert_eq(sim_op_ends(&s->side[A], 20 + k), 1, "%u", k);
	cr_assert_not(verified(s, A, path(2, 2)));
	cr_assert(verified(s, A, path(2, 4)));
	cr_assert(sim_mirrored(s, 2));
	sim_free(s);
}

/* [MMX-85]: five a second at most. */
Test(mmx_probe, not_too_many)
{
	struct sim *s = mmx_sim_up(6, 4, 4);
	unsigned before = s->exchanges[A][INFORMATIONAL], n = 0;
	usec_t began = s->now;

	for (unsigned i = 1; i <= 4; i++)
		for (unsigned r = 1; r <= 4; r++)
			cr_assert_eq(probe(s, A, path(i, r), 20 + n++), 0);
	for (unsigned sec = 0; sec < 3; sec++) {
		sim_run(s, began + (sec + 1) * USEC_PER_SEC - 1 - s->now);
		cr_assert_leq(s->exchanges[A][INFORMATIONAL] - before, 5 * (sec + 1));
	}
	sim_settle(s, 10 * USEC_PER_SEC);
	cr_assert_eq(s->exchanges[A][INFORMATIONAL] - before, 16);
	for (unsigned k = 0; k < n; k++)
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_MMX_PROBED, 20 + k), 1);
	sim_free(s);
}

/* Also by a line and its clone together. */
Test(mmx_probe, not_too_many_by_clones)
{
	struct sim *s = mmx_sim_new(8);
	struct ike_sa_info line[2];
	unsigned before, n = 0;
	usec_t began;

	for (unsigned side = A; side <= B; side++) {
		s->side[side].conn[0].clone = true;
		s->side[side].conn[0].ike_sas_max = 4;
	}
	sim_start(s);
	mmx_sim_ifaces(s, A, 1, 4);
	mmx_sim_ifaces(s, B, 1, 2);
	cr_assert_eq(sim_up(s, A, "net", 1), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert_eq(ike_clone(s->side[A].ike, mmx_sim_line(s, A), 2, s->now), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
	for (unsigned k = 0; k < 2; k++)
		cr_assert(ike_sa_at(s->side[A].ike, k, &line[k]));
	before = s->exchanges[A][INFORMATIONAL];
	began = s->now;
	for (unsigned i = 1; i <= 4; i++)
		for (unsigned k = 0; k < 2; k++)
			cr_assert_eq(ike_mmx_probe(s->side[A].ike, line[k].line, path(i, 2), false,
						   20 + n++, s->now),
				     0);
	sim_run(s, began + USEC_PER_SEC - 1 - s->now);
	cr_assert_eq(s->exchanges[A][INFORMATIONAL] - before, 5);
	sim_settle(s, 10 * USEC_PER_SEC);
	for (unsigned k = 0; k < n; k++)
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_MMX_PROBED, 20 + k), 1);
	sim_free(s);
}

/* [MMX-86] S13: a NAT before one of the interfaces is one on its paths only, each with a mapping of
 * its own; both ends find out. */
Test(mmx_probe, nat_on_one_interface)
{
	struct sim *s = mmx_sim_up(7, 3, 2);

	nat.of = 2;
	nat.port = 20000;
	s->on_wire = translate_one;
	probed(s, A, path(2, 1), 20);
	cr_assert(s->side[A].probed.nat);
	cr_assert_eq(s->side[A].probed.seen.port, 20001);
	cr_assert(seen(s, A, path(2, 1))->nat_own && seen(s, A, path(2, 1))->nat);
	cr_assert(seen(s, B, path(2, 1))->nat && !seen(s, B, path(2, 1))->nat_own);
	probed(s, A, path(2, 2), 21);
	cr_assert_eq(s->side[A].probed.seen.port, 20002);
	probed(s, A, path(3, 1), 22);
	cr_assert_not(s->side[A].probed.nat);
	cr_assert_not(verified(s, B, path(2, 1)));
	/* R's go where I was seen */
	probed(s, B, path(2, 1), 23);
	cr_assert_gt(s->side[B].probed.rtt, 0);
	cr_assert(verified(s, B, path(2, 1)) && !verified(s, B, path(2, 2)), "each has its own");
	sim_free(s);
}

/* [MMX-86]: where NAT traversal is off, nothing is kept of a path with a NAT. */
Test(mmx_probe, no_nat_where_none_is_allowed)
{
	for (unsigned who = A; who <= B; who++) {
		struct sim *s = mmx_sim_new(8);

		s->side[who].conn[0].nat = IKE_NAT_REFUSE;
		sim_start(s);
		mmx_sim_ifaces(s, A, 1, 3);
		mmx_sim_ifaces(s, B, 1, 2);
		cr_assert_eq(sim_up(s, A, "net", 1), 0);
		sim_settle(s, 10 * USEC_PER_SEC);
		nat.of = 2;
		nat.port = 20000;
		s->on_wire = translate_one;
		probed(s, A, path(2, 2), 20);
		cr_assert(s->side[A].probed.nat);
		cr_assert_eq(s->side[A].probed.rtt, 0);
		cr_assert_not(verified(s, A, path(2, 2)));
		cr_assert_null(seen(s, B, path(2, 2)));
		probed(s, A, path(3, 2), 21);
		cr_assert(!s->side[A].probed.nat && s->side[A].probed.rtt);
		cr_assert_not_null(seen(s, B, path(3, 2)));
		sim_free(s);
	}
}

/* Somebody doubts that a path works: it is known in two seconds that it does not, and one that does
 * stays. */
Test(mmx_probe, in_doubt)
{
	for (int works = 0; works < 2; works++) {
		struct sim *s = mmx_sim_up(14, 2, 2);
		uint64_t line = mmx_sim_line(s, A);

		probed(s, A, path(2, 2), 20);
		cut.path = works ? 0 : path(2, 2);
		s->on_wire = lose_cut;
		cr_assert_eq(ike_mmx_check(s->side[A].ike, line, path(2, 2), s->now), 0);
		cr_assert_eq(ike_mmx_check(s->side[A].ike, line, path(2, 2), s->now), 0);
		cr_assert_eq(ike_mmx_check(s->side[A].ike, line, path(3, 3), s->now), -EINVAL);
		cr_assert_eq(ike_mmx_check(s->side[A].ike, line + 9, path(2, 2), s->now), -ENOENT);
		sim_run(s, 2 * USEC_PER_SEC);
		cr_assert_eq(verified(s, A, path(2, 2)), works);
		cr_assert(verified(s, A, path(1, 1)));
		cut.path = 0;
		sim_free(s);
	}
}
