/* SPDX-License-Identifier: GPL-2.0-only */
/* The hashes of NAT detection, keepalives and what a changed mapping does: user/ike/natd.c. (What
 * is detected, the float to port 4500 and the update by a request are in test_setup.c.) */
#include <criterion/criterion.h>
#include <string.h>

#include "crypto/prf.h"
#include "duo_assert.h"
#include "sim_assert.h"

/* ---- detection ---- */

/* SHA-1(SPIi | SPIr | address | port), computed here once more: two sides that leave something out
 * agree with each other, and see a NAT towards any other peer. [NAT-1] */
static void natd_expect(const struct ike_msg *in, uint16_t type, const struct udp_addr *a)
{
	const struct notify *n = msg_notify(in, type);
	uint8_t text[8 + 8 + 16 + 2], want[SHA1_OCTETS];
	struct wr w = wr_init(text, sizeof(text));
	struct chunk all = { text, 0 };

	wr_u64(&w, in->hdr.spi_i);
	wr_u64(&w, in->hdr.spi_r);
	wr_bytes(&w, a->ip.b, a->ip.family == 4 ? 4 : 16);
	wr_u16(&w, a->port);
	all.len = w.len;
	cr_assert_eq(sha1_digest(&all, 1, want), 0);
	cr_assert_not_null(n);
	cr_assert_eq(n->data.len, SHA1_OCTETS);
	cr_assert_arr_eq(n->data.p, want, SHA1_OCTETS);
}

Test(detection, hashes)
{
	struct duo *d = new_duo();
	struct ike_msg in;
	struct duo_msg m;
	uint8_t critical;

	cr_assert_eq(duo_start(d), 0);
	cr_assert_eq(duo_up(d), 0);
	for (int i = 0; i < 2; i++) {
		cr_assert(duo_take(d, &m));
		cr_assert_eq(msg_decode(m.buf, m.len, &in, &critical), MSG_OK);
		cr_assert_eq(in.hdr.spi_r != 0, i);
		natd_expect(&in, N_NAT_DETECTION_SOURCE_IP, &m.path.remote);
		natd_expect(&in, N_NAT_DETECTION_DESTINATION_IP, &m.path.local);
		cr_assert_eq(duo_deliver(d, &m), 1);
	}
	duo_free(d);
}

/* ---- keepalives ---- */

static struct sim *behind_nat(bool nat, usec_t keep_alive)
{
	struct sim *s = sim_new(3, false);

	s->nat = nat;
	for (unsigned side = A; side <= B; side++)
		s->side[side].conn[0].keep_alive = keep_alive;
	sim_start(s);
	cr_assert_eq(sim_up(s, A, NULL, 7), 0);
	sim_run(s, USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 1));
	return s;
}

/* [NAT-7]: from behind the NAT only, after that much silence and as often. */
Test(keepalive, from_behind_the_nat_only)
{
	struct sim *s = behind_nat(true, 20 * USEC_PER_SEC);

	sim_run(s, 18 * USEC_PER_SEC);
	cr_assert_eq(s->keepalives[A], 0);
	for (unsigned n = 1; n <= 5; n++) {
		sim_run(s, 20 * USEC_PER_SEC);
		cr_assert_eq(s->keepalives[A], n);
	}
	cr_assert_eq(s->keepalives[B], 0);
	cr_assert_eq(s->sent, 4, "something else was sent");
	sim_free(s);
}

Test(keepalive, neither_without_nat_nor_unwanted)
{
	for (unsigned nat = 0; nat < 2; nat++) {
		struct sim *s = behind_nat(nat, nat ? 0 : 20 * USEC_PER_SEC);

		sim_run(s, 100 * USEC_PER_SEC);
		cr_assert_eq(s->keepalives[A] + s->keepalives[B], 0);
		sim_free(s);
	}
}

/* [NAT-7]: what ESP or IKE sends keeps the mapping as well. */
Test(keepalive, not_while_anything_is_sent)
{
	struct sim *s = behind_nat(true, 20 * USEC_PER_SEC);
	struct ike *a = s->side[A].ike;

	for (unsigned i = 0; i < 10; i++) {
		sim_run(s, 15 * USEC_PER_SEC);
		ike_esp_sent(a, s->side[A].children[0].id, s->now);
		cr_assert_not(ike_keepalive_due(a, s->now + 19 * USEC_PER_SEC));
		cr_assert(ike_keepalive_due(a, s->now + 20 * USEC_PER_SEC));
	}
	cr_assert_eq(s->keepalives[A], 0);
	sim_run(s, 15 * USEC_PER_SEC);
	cr_assert_eq(ike_rekey(a, "c", NULL, 2, s->now), 0);
	sim_run(s, 15 * USEC_PER_SEC);
	cr_assert_eq(s->keepalives[A], 0);
	/* the new IKE SA goes on with it, and the old one does not */
	sim_run(s, 20 * USEC_PER_SEC);
	cr_assert_eq(s->keepalives[A], 1);
	sim_free(s);
}

/* [NAT-7]: they say nothing of the peer: its silence is noticed all the same. */
Test(keepalive, is_no_sign_of_life)
{
	struct sim *s = sim_new(3, false);

	s->nat = true;
	s->side[A].conn[0].keep_alive = 5 * USEC_PER_SEC;
	s->side[B].conn[0].dpd_delay = 30 * USEC_PER_SEC;
	sim_start(s);
	cr_assert_eq(sim_up(s, A, NULL, 7), 0);
	sim_run(s, USEC_PER_SEC);
	s->cut[A] = true;
	sim_run(s, 300 * USEC_PER_SEC);
	cr_assert_gt(s->keepalives[A], 10);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_IKE_DOWN, 0), 1);
	sim_free(s);
}

static struct ike_path esp_path(const struct sim *s, unsigned to, const char *from, uint16_t port)
{
	struct ike_path p = sim_path(s, to);

	p.local.port = 4500;
	p.remote = (struct udp_addr){ .ip = sim_addr(from), .port = port };
	return p;
}

/* [NAT-9] [NAT-10]: ESP from a new mapping moves the IKE SA, and an event tells whoever steers. */
Test(update, by_esp)
{
	struct sim *s = behind_nat(true, 0);
	struct sim_side *b = &s->side[B];
	struct ike_path p = esp_path(s, B, "203.0.113.9", 14577);
	struct ike_sa_info info;

	s->nat_shift = 77;
	ike_esp_from(b->ike, b->children[0].id, &p, s->now);
	sim_run(s, USEC_PER_SEC);
	cr_assert_eq(sim_count(b, IKE_EV_PEER_MOVED, 0), 1);
	cr_assert(ike_sa_at(b->ike, 0, &info));
	cr_assert_eq(info.path.remote.port, 14577);
	/* B's own request reaches A there */
	cr_assert_eq(ike_rekey(b->ike, "c", "net", 3, s->now), 0);
	sim_run(s, USEC_PER_SEC);
	cr_assert_eq(sim_count(b, IKE_EV_CHILD_REKEYED, 3), 1);
	sim_free(s);
}

/* [NAT-9]: not on the side behind the NAT, not without one, not to another of our addresses, and
 * not by an SA that is not there. */
Test(update, not_by_esp)
{
	for (unsigned what = 0; what < 4; what++) {
		struct sim *s = behind_nat(what != 1, 0);
		unsigned side = what ? B : A;
		struct sim_side *d = &s->side[side];
		struct ike_path p = esp_path(s, side, "203.0.113.77", 14577);
		struct ike_sa_info before, after;

		if (what == 2)
			p.local.ip = sim_addr("198.51.100.2");
		cr_assert(ike_sa_at(d->ike, 0, &before));
		ike_esp_from(d->ike, d->children[0].id + (what == 3), &p, s->now);
		sim_run(s, USEC_PER_SEC);
		cr_assert_eq(sim_count(d, IKE_EV_PEER_MOVED, 0), 0, "case %u", what);
		cr_assert(ike_sa_at(d->ike, 0, &after));
		cr_assert(udp_addr_equal(&before.path.remote, &after.path.remote));
		sim_free(s);
	}
}

/* [NAT-9] [MID-16]: a copy of a request that was answered moves nothing, wherever it comes from. */
Test(update, not_by_a_copy)
{
	struct sim *s = behind_nat(true, 0);
	struct ike_sa_info before, after;
	static uint8_t copy[65536];
	struct ike_path p;
	size_t len;

	cr_assert_eq(ike_rekey(s->side[A].ike, "c", "net", 2, s->now), 0);
	sim_drain(s, A);
	len = s->last_len[A];
	memcpy(copy, s->last[A], len);
	sim_steps(s, 1);
	cr_assert(ike_sa_at(s->side[B].ike, 0, &before));
	p = esp_path(s, B, "203.0.113.77", 14577);
	ike_recv(s->side[B].ike, &p, copy, len, s->now);
	sim_drain(s, B);
	cr_assert(addr_equal(&s->last_path[B].remote.ip, &p.remote.ip), "it is answered there");
	cr_assert(ike_sa_at(s->side[B].ike, 0, &after));
	cr_assert(udp_addr_equal(&before.path.remote, &after.path.remote));
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_PEER_MOVED, 0), 0);
	sim_free(s);
}

/* ---- ESP in UDP ---- */

/* [NAT-3] [ROB-4]: without a NAT only if both sides say that they want it; behind one always. */
Test(udp, as_both_say_or_the_nat_wants)
{
	for (unsigned m = 0; m < 8; m++) {
		struct sim *s = sim_new(200 + m, false);

		s->side[A].conn[0].encap = m & 1;
		s->side[B].conn[0].encap = m & 2;
		s->nat = m & 4;
		up_with(s);
		for (unsigned side = 0; side < SIM_SIDES; side++)
			cr_assert_eq(s->side[side].children[0].encap, m >= 3, "%u, side %u", m,
				     side);
		/* and so it stays, for whatever is made on the IKE SA and on its successor */
		cr_assert_eq(ike_rekey(s->side[A].ike, "c", NULL, 5, s->now), 0);
		sim_settle(s, 5 * USEC_PER_SEC);
		sim_restart(s, A);
		sim_restart(s, B);
		cr_assert_eq(sim_up(s, B, "more", 6), 0);
		sim_settle(s, 5 * USEC_PER_SEC);
		for (unsigned side = 0; side < SIM_SIDES; side++)
			cr_assert_eq(s->side[side].children[1].encap, m >= 3, "%u, side %u", m,
				     side);
		sim_free(s);
	}
}

/* [NAT-6]: a peer that found no NAT may stay on port 500, where no ESP belongs. */
Test(udp, never_to_port_500)
{
	struct duo *d = new_duo();
	struct duo_msg m;

	cr_assert_eq(duo_start(d), 0);
	cr_assert_eq(duo_up(d), 0);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert(duo_take(d, &m));
		m.path.local.port = m.path.remote.port = 500;
		duo_deliver(d, &m);
	}
	cr_assert_eq(d->e[DUO_R].child_adds, 1);
	cr_assert_not(d->e[DUO_R].child.encap);
	/* the answer, and what we ask later, go there too */
	cr_assert(duo_take(d, &m));
	cr_assert_eq(m.path.local.port, 500);
	cr_assert_eq(m.path.remote.port, 500);
	cr_assert_eq(ike_rekey(d->e[DUO_R].ike, "duo", "net", 1, d->now), 0);
	duo_wait(d, 0);
	cr_assert(duo_take(d, &m));
	cr_assert_eq(m.path.local.port, 500);
	cr_assert_eq(m.path.remote.port, 500);
	duo_free(d);
}
