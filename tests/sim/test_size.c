/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests that ask whether a packet of some size gets through (RFC 7383 2.5.2), user/ike/size.c,
 * and the search for a path's MTU with them. [ESP-13] */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "esp/pmtu.h"
#include "sim.h"

enum { LINK = 1500, V4_AROUND = 20 + 8 + 4, V6_AROUND = 40 + 8 + 4 };

static struct ike *core(struct sim *s)
{
	return s->side[A].ike;
}

static struct ike_counters counters(struct sim *s, unsigned side)
{
	struct ike_counters c;

	ike_counters_get(s->side[side].ike, &c);
	return c;
}

/* One suite for both: how IKE messages are encrypted says which sizes there are. */
static void use_suite(struct sim *s, uint16_t encr, uint16_t bits, uint16_t integ)
{
	for (unsigned side = A; side <= B; side++) {
		struct ike_proposal *p = &s->side[side].conn[0].proposals[0];

		s->side[side].conn[0].n_proposals = 1;
		p->n_encr = p->n_prf = p->n_ke = 1;
		p->encr[0] = (struct ike_alg){ encr, bits };
		p->n_integ = integ != 0;
		p->integ[0] = (struct ike_alg){ integ, 0 };
		p->prf[0] = PRF_HMAC_SHA2_256;
		p->ke[0] = KE_X25519;
	}
}

static struct sim *up(struct sim *s)
{
	sim_start(s);
	cr_assert_eq(sim_up(s, A, "net", 1), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 1));
	return s;
}

static struct sim *new_up(bool v6)
{
	return up(sim_new(1, v6));
}

static uint64_t line(struct sim *s)
{
	struct ike_sa_info i;

	cr_assert(ike_sa_at(core(s), 0, &i));
	return i.line;
}

static int ask(struct sim *s, uint16_t octets)
{
	int r = ike_size_ask(core(s), line(s), octets, s->now);

	sim_drain(s, A);
	return r;
}

/* Until the next word. */
static void await(struct sim *s)
{
	unsigned before = s->side[A].n_sizes;

	for (unsigned i = 0; i < 6000 && s->side[A].n_sizes == before; i++)
		sim_run(s, 10 * USEC_PER_MSEC);
	cr_assert_eq(s->side[A].n_sizes, before + 1);
}

static void asked(struct sim *s, uint16_t octets, enum ike_size want)
{
	cr_assert_eq(ask(s, octets), 0);
	await(s);
	cr_assert_eq(s->side[A].size_octets, octets);
	cr_assert_eq(s->side[A].size, want, "%u octets: %d", octets, s->side[A].size);
}

/* The IKE SA lives and does whatever is wanted. */
static void works(struct sim *s)
{
	cr_assert_eq(ike_rekey(core(s), "c", "net", 90, s->now), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_REKEYED, 90), 1);
	cr_assert_eq(ike_sa_count(core(s)), 1);
	cr_assert(sim_mirrored(s, 1));
}

/* ---- one question ---- */

/* The datagram has that size, and the answer is short. */
Test(ask, size_on_the_wire)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct sim *s = new_up(v6);

		for (uint16_t octets = 1280; octets <= 1300; octets++) {
			cr_assert_eq(ask(s, octets), 0);
			cr_assert_eq(s->last_len[A], octets - (v6 ? V6_AROUND : V4_AROUND));
			await(s);
			cr_assert_eq(s->side[A].size, IKE_SIZE_PASSES);
			cr_assert_lt(s->last_len[B], 100);
		}
		asked(s, IKE_SIZE_MAX, IKE_SIZE_PASSES);
		cr_assert_eq(ask(s, IKE_SIZE_MAX + 1), -EINVAL);
		cr_assert_eq(ask(s, 64), -EINVAL);
		cr_assert_eq(counters(s, A).fragments_tx, 0);
		works(s);
		sim_free(s);
	}
}

/* Requests of A from here on: large ones, empty ones, their Message IDs. */
static struct {
	unsigned large, small, ids;
	uint32_t last_id;
	uint8_t first[2048];
	size_t first_len;
	bool same;
} seen;

static void look(struct sim *s, struct sim_packet *p)
{
	uint8_t critical;
	struct ike_msg in;

	(void)s;
	if (p->to != B)
		return;
	cr_assert_eq(msg_decode(p->buf, p->len, &in, &critical), MSG_OK);
	if (in.hdr.exchange != INFORMATIONAL)
		return;
	cr_assert(in.has_sk && !in.has_skf, "some peers take no fragments of it");
	seen.ids += in.hdr.msg_id != seen.last_id;
	seen.last_id = in.hdr.msg_id;
	if (p->len < 100) {
		seen.small++;
		return;
	}
	if (!seen.large++) {
		memcpy(seen.first, p->buf, p->len);
		seen.first_len = p->len;
		seen.same = true;
	}
	seen.same &= p->len == seen.first_len && !memcmp(seen.first, p->buf, p->len);
}

static struct sim *watched(struct sim *s)
{
	memset(&seen, 0, sizeof(seen));
	s->on_wire = look;
	return s;
}

/* Three times the same octets ([MID-4]), then an empty one in their place. */
Test(ask, then_a_short_one)
{
	static const struct {
		bool v6;
		uint16_t octets;
	} rows[] = { { false, 1400 }, { false, 576 }, { true, 1400 }, { true, 1280 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sim *s = watched(new_up(rows[i].v6));

		s->lose = UINT64_C(7) << s->sent;
		asked(s, rows[i].octets, IKE_SIZE_TOO_LARGE);
		cr_assert_eq(seen.large, 0, "all three are lost");
		cr_assert_eq(seen.small, 1);
		cr_assert_eq(seen.ids, 1);
		cr_assert_eq(counters(s, A).retransmits, 0, "a probe is no retransmission");
		works(s);
		sim_free(s);
	}
}

/* The request arrives and its answers are lost: asked again with the same octets, which a peer may
 * insist on ([MID-5]). So also after the short one, together with it. */
Test(ask, answers_lost)
{
	for (unsigned n = 1; n <= 3; n++) {
		struct sim *s = watched(new_up(false));

		for (unsigned i = 0; i < n; i++)
			s->lose |= UINT64_C(1) << (s->sent + 2 * i + 1);
		/* in doubt it does not pass */
		asked(s, 1400, n < 3 ? IKE_SIZE_PASSES : IKE_SIZE_UNKNOWN);
		cr_assert_eq(seen.large, n < 3 ? n + 1 : 4);
		cr_assert_eq(seen.small, n < 3 ? 0 : 2);
		cr_assert_eq(seen.ids, 1);
		cr_assert(seen.same);
		cr_assert_eq(counters(s, B).dropped_window, n < 3 ? 0 : 2);
		works(s);
		sim_free(s);
	}
}

/* ---- who may ask ---- */

Test(ask, not_without_fragmentation)
{
	for (unsigned who = A; who <= B; who++) {
		struct sim *s = sim_new(1, false);
		uint16_t offset, unit;
		uint64_t sent;

		s->side[who].conn[0].fragmentation = IKE_FRAGMENT_NO;
		up(s);
		sent = s->sent;
		cr_assert_eq(ask(s, 1280), -EOPNOTSUPP);
		cr_assert_eq(ike_size_grid(core(s), line(s), &offset, &unit), -EOPNOTSUPP);
		cr_assert_eq(ike_size_ask(core(s), 12345, 1280, s->now), -ENOENT);
		cr_assert_eq(ike_size_grid(core(s), 12345, &offset, &unit), -ENOENT);
		cr_assert_eq(s->sent, sent);
		works(s);
		sim_free(s);
	}
}

/* Nothing is asked beside other requests. */
Test(ask, not_beside_others)
{
	struct sim *s = new_up(false);

	cr_assert_eq(ike_rekey(core(s), "c", "net", 2, s->now), 0);
	cr_assert_eq(ask(s, 1280), -EBUSY);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert_eq(ask(s, 1280), 0);
	cr_assert_eq(ask(s, 1290), -EBUSY);
	await(s);
	cr_assert_eq(s->side[A].size_octets, 1280);
	works(s);
	sim_free(s);
}

/* ---- what else is wanted ---- */

/* With a window of one everything waits for the answer: a moment, although the packet is too large.
 */
Test(ask, others_wait_for_a_moment)
{
	for (unsigned what = 0; what < 4; what++) {
		struct sim *s = new_up(false);
		usec_t since;

		s->mtu = 1000;
		cr_assert_eq(ask(s, 1400), 0);
		sim_run(s, 20 * USEC_PER_MSEC);
		since = s->now;
		if (what == 0)
			cr_assert_eq(ike_rekey(core(s), "c", "net", 5, s->now), 0);
		else if (what == 1)
			cr_assert_eq(ike_rekey(core(s), "c", NULL, 5, s->now), 0);
		else if (what == 2)
			cr_assert_eq(sim_up(s, A, "more", 5), 0);
		else
			cr_assert_eq(ike_down(core(s), "c", NULL, 5, s->now), 0);
		while (!sim_op_ends(&s->side[A], 5) && s->now < since + 60 * USEC_PER_SEC)
			sim_run(s, 10 * USEC_PER_MSEC);
		cr_assert_eq(sim_op_ends(&s->side[A], 5), 1);
		cr_assert_lt(s->now - since, USEC_PER_SEC, "%u: after %llu ms", what,
			     (unsigned long long)(s->now - since) / 1000);
		cr_assert_eq(s->side[A].n_sizes, 1);
		cr_assert_eq(s->side[A].size, IKE_SIZE_UNKNOWN, "it was not tried for long");
		sim_settle(s, 5 * USEC_PER_SEC);
		cr_assert_eq(ike_sa_count(core(s)), what != 3);
		cr_assert_eq(ike_sa_count(s->side[B].ike), what != 3);
		sim_free(s);
	}
}

/* The peer rekeys while we ask: both come to an end. */
Test(ask, beside_the_peers_rekey)
{
	for (unsigned child = 0; child < 2; child++) {
		struct sim *s = new_up(false);

		s->mtu = 1000;
		cr_assert_eq(ask(s, 1400), 0);
		sim_run(s, 20 * USEC_PER_MSEC);
		cr_assert_eq(ike_rekey(s->side[B].ike, "c", child ? "net" : NULL, 5, s->now), 0);
		sim_settle(s, 10 * USEC_PER_SEC);
		cr_assert_eq(sim_op_ends(&s->side[B], 5), 1);
		asked(s, 900, IKE_SIZE_PASSES);
		works(s);
		sim_free(s);
	}
}

/* A peer that is away says nothing about sizes, and is not given up for this question. */
Test(ask, peer_away)
{
	static const unsigned seconds[] = { 1, 5, 30, 600 };

	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		struct sim *s = new_up(false);

		cr_assert_eq(ask(s, 1400), 0);
		s->cut[B] = true;
		sim_run(s, seconds[i] * USEC_PER_SEC);
		cr_assert_eq(s->side[A].n_sizes, 0);
		s->cut[B] = false;
		await(s);
		cr_assert_eq(s->side[A].size, IKE_SIZE_UNKNOWN);
		works(s);
		sim_free(s);
	}
}

/* Where liveness is checked, or something else waits, it is given up like any other. */
Test(ask, peer_gone)
{
	for (unsigned dpd = 0; dpd < 2; dpd++) {
		struct sim *s = sim_new(1, false);

		s->side[A].conn[0].dpd_delay = dpd ? 30 * USEC_PER_SEC : 0;
		up(s);
		s->cut[B] = true;
		cr_assert_eq(ask(s, 1400), 0);
		if (!dpd)
			cr_assert_eq(ike_rekey(core(s), "c", "net", 5, s->now), 0);
		sim_run(s, 600 * USEC_PER_SEC);
		cr_assert_eq(ike_sa_count(core(s)), 0);
		cr_assert_eq(s->side[A].n_sizes, 0);
		sim_free(s);
	}
}

/* An agent that dies in between goes on with the same requests, large or short. */
Test(ask, restart)
{
	for (unsigned ms = 0; ms < 2000; ms += 50) {
		struct sim *s = new_up(false);

		s->mtu = 1000;
		cr_assert_eq(ask(s, 1400), 0);
		sim_run(s, ms * USEC_PER_MSEC);
		sim_restart(s, A);
		sim_settle(s, 20 * USEC_PER_SEC);
		cr_assert_eq(ike_sa_count(core(s)), 1, "%u ms", ms);
		works(s);
		sim_free(s);
	}
}

/* ---- the search ---- */

static const struct pmtu_view usual = {
	.timeout = USEC_NEVER / 2,
	.confirm = 60 * USEC_PER_SEC,
	.raise = 600 * USEC_PER_SEC,
	.tries = 1,
	.usable = true,
};

/* Until it rests. False: there is nothing to ask with. */
static bool search(struct sim *s, struct pmtu *p, struct pmtu_view *v)
{
	static const uint8_t nonce[8];

	if (ike_size_grid(core(s), line(s), &v->grid.offset, &v->grid.unit))
		return false;
	for (unsigned n = 0; n < 100; n++) {
		uint16_t octets = pmtu_due(p, v, s->now);

		if (!octets)
			return true;
		cr_assert_eq(ask(s, octets), 0);
		pmtu_sent(p, v, nonce, s->now);
		await(s);
		if (s->side[A].size == IKE_SIZE_PASSES)
			pmtu_answered(p, v, s->now);
		else if (s->side[A].size == IKE_SIZE_TOO_LARGE)
			pmtu_lost(p, v, s->now);
		else
			pmtu_void(p);
	}
	cr_assert_fail("no end of it");
	return false;
}

static uint16_t on_grid(const struct pmtu_view *v, uint16_t size)
{
	return (uint16_t)(size - (size - v->grid.offset) % v->grid.unit);
}

/* A network that drops what is larger than N: the search ends at N, or the next size below that
 * IKE's cipher has. */
Test(search, ends_at_the_mtu)
{
	static const struct {
		uint16_t encr, bits, integ;
	} suites[] = { { ENCR_AES_GCM_16, 128, 0 },
		       { ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_128 } };
	static const uint16_t mtus[] = { 576, 900, 1280, 1300, 1400, 1420, 1492, 1499, 1500 };

	for (unsigned i = 0; i < 2 * 2 * sizeof(mtus) / sizeof(mtus[0]); i++) {
		bool v6 = i & 1, cbc = i & 2;
		uint16_t mtu = mtus[i / 4];
		struct sim *s = sim_new(1, v6);
		struct pmtu_view v = usual;
		struct pmtu p;
		usec_t since;

		if (v6 && mtu < 1280)
			continue; /* there is no such IPv6 path */
		use_suite(s, suites[cbc].encr, suites[cbc].bits, suites[cbc].integ);
		up(s);
		s->mtu = mtu;
		since = s->now;
		pmtu_init(&p, LINK, v6 ? 6 : 4, s->now);
		cr_assert(search(s, &p, &v));
		cr_assert_eq(v.grid.unit, cbc ? 16 : 1);
		/* what every path carries is not asked to be on the grid */
		cr_assert(p.mtu == on_grid(&v, mtu) || (p.mtu == p.floor && mtu == p.floor),
			  "%u over IPv%d: found %u", mtu, v6 ? 6 : 4, p.mtu);
		cr_assert_lt(s->now - since, 20 * USEC_PER_SEC);
		works(s);
		sim_free(s);
	}
}

/* Losses delay it; never is more found than there is. */
Test(search, with_losses)
{
	unsigned exact = 0, runs = 60;

	for (uint64_t seed = 1; seed <= runs; seed++) {
		uint64_t r = seed * 0x9e3779b97f4a7c15u;
		struct sim *s = new_up(seed & 1);
		struct pmtu_view v = usual;
		struct pmtu p;

		s->mtu = 1400;
		s->lose = (r & (r >> 17) & (r >> 31)) << s->sent; /* one in eight */
		pmtu_init(&p, LINK, seed & 1 ? 6 : 4, s->now);
		cr_assert(search(s, &p, &v));
		cr_assert_leq(p.mtu, 1400);
		cr_assert_geq(p.mtu, PMTU_BASE < 1400 && !(seed & 1) ? PMTU_FLOOR4 : PMTU_BASE);
		exact += p.mtu == 1400;
		works(s);
		sim_free(s);
	}
	cr_assert_gt(exact, runs * 3 / 4, "%u of %u", exact, runs);
}

/* A path that grows, and one that shrinks below what was found. */
Test(search, again)
{
	struct sim *s = new_up(false);
	struct pmtu_view v = usual;
	struct pmtu p;

	s->mtu = 1400;
	pmtu_init(&p, LINK, 4, s->now);
	cr_assert(search(s, &p, &v));
	cr_assert_eq(p.mtu, 1400);
	s->mtu = 1320;
	sim_run(s, v.confirm);
	cr_assert(search(s, &p, &v));
	cr_assert_eq(p.mtu, 1320);
	s->mtu = 0;
	sim_run(s, v.raise);
	cr_assert(search(s, &p, &v));
	cr_assert_eq(p.mtu, LINK);
	works(s);
	sim_free(s);
}
