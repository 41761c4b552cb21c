/* SPDX-License-Identifier: GPL-2.0-only */
/* IKE fragmentation (RFC 7383): user/ike/fragment.c, between two cores and under a hostile third.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "duo_assert.h"
#include "sim.h"

enum { SMALL = 128, IP4_UDP_MARKER = 20 + 8 + 4, FRAGMENTS_MAX = 64, STRANGER_OCTETS = 16384 };

static struct duo *small_duo(void)
{
	struct duo *d = new_duo();

	for (int who = 0; who < 2; who++)
		d->side[who].conn.fragment_size = SMALL;
	cr_assert_eq(duo_start(d), 0);
	return d;
}

/* IKE_SA_INIT is over; the IKE_AUTH request is on the wire. */
static struct duo *at_auth(void)
{
	struct duo *d = small_duo();
	struct duo_msg m;

	cr_assert_eq(duo_up(d), 0);
	for (int i = 0; i < 2; i++) {
		cr_assert(duo_take(d, &m));
		cr_assert_geq(duo_deliver(d, &m), 1);
	}
	cr_assert_gt(d->n, 1, "IKE_AUTH was not cut");
	return d;
}

static struct ike_msg *decoded(const struct duo_msg *m)
{
	static struct ike_msg msg;
	uint8_t critical;

	cr_assert_eq(msg_decode(m->buf, m->len, &msg, &critical), MSG_OK);
	return &msg;
}

/* All that is on the wire, which stays there no longer. */
static size_t take_all(struct duo *d, struct duo_msg *out)
{
	size_t n = 0;

	while (duo_take(d, &out[n]))
		n++;
	return n;
}

static struct duo_msg req[DUO_WIRE_MAX], resp[DUO_WIRE_MAX], again[DUO_WIRE_MAX];

static void same_datagrams(const struct duo_msg *a, size_t n_a, const struct duo_msg *b, size_t n_b)
{
	cr_assert_eq(n_a, n_b);
	for (size_t i = 0; i < n_a; i++) {
		cr_assert_eq(a[i].len, b[i].len);
		cr_assert_eq(memcmp(a[i].buf, b[i].buf, a[i].len), 0, "fragment %zu", i + 1);
	}
}

static void assert_up(struct duo *d)
{
	for (int who = 0; who < 2; who++) {
		cr_assert_eq(duo_count(d, who, "ESTABLISHED"), 1, "side %d", who);
		cr_assert_eq(d->e[who].child_adds, 1);
		cr_assert_eq(duo_counters(d, who).fragment_octets, 0);
	}
}

/* ---- what is sent ---- */

/* [FRG-2] [FRG-3] [FRG-7] [PLD-1]: numbers, sizes, IVs, and what the header says. IKE_SA_INIT is
 * not cut however large ([FRG-1]). */
Test(sent, form)
{
	struct duo *d = small_duo();
	struct duo_msg m;
	size_t n;

	cr_assert_eq(duo_up(d), 0);
	cr_assert(duo_take(d, &m));
	cr_assert_eq(decoded(&m)->hdr.exchange, IKE_SA_INIT);
	cr_assert_not_null(msg_notify(decoded(&m), N_IKEV2_FRAGMENTATION_SUPPORTED));
	cr_assert_eq(duo_deliver(d, &m), 1);
	cr_assert(duo_take(d, &m));
	cr_assert(decoded(&m)->has_sa);
	cr_assert_not_null(msg_notify(decoded(&m), N_IKEV2_FRAGMENTATION_SUPPORTED));
	duo_deliver(d, &m);
	n = take_all(d, req);
	cr_assert_gt(n, 1);
	for (size_t i = 0; i < n; i++) {
		struct ike_msg *in = decoded(&req[i]);

		cr_assert(in->has_skf && !in->has_sk);
		cr_assert_eq(in->n_order, 1);
		cr_assert_eq(in->hdr.msg_id, 1);
		cr_assert_eq(in->hdr.exchange, IKE_AUTH);
		cr_assert_eq(in->hdr.flags, IKE_FLAG_INITIATOR);
		cr_assert_eq(in->skf_number, i + 1);
		cr_assert_eq(in->skf_total, n);
		cr_assert_eq(in->sk_next, i ? PLD_NONE : PLD_IDI);
		cr_assert_leq(req[i].len + IP4_UDP_MARKER, SMALL);
		for (size_t j = 0; j < i; j++) /* an IV of its own each */
			cr_assert_neq(memcmp(req[i].buf + 36, req[j].buf + 36, 8), 0);
		duo_deliver(d, &req[i]);
	}
	cr_assert(duo_settle(d));
	assert_up(d);
	cr_assert_eq(duo_counters(d, DUO_I).fragments_tx, n);
	cr_assert_eq(duo_counters(d, DUO_R).fragments_rx, n);
	cr_assert_eq(duo_counters(d, DUO_R).dropped_fragments, 0);
	duo_free(d);
}

/* [FRG-1]: only if both announced it; the default sizes of [FRG-7]. */
Test(sent, only_if_both_want_it)
{
	static const struct {
		enum ike_fragment i, r;
		uint16_t size;
		bool cut;
	} rows[] = {
		{ IKE_FRAGMENT_YES, IKE_FRAGMENT_YES, SMALL, true },
		{ IKE_FRAGMENT_NO, IKE_FRAGMENT_YES, SMALL, false },
		{ IKE_FRAGMENT_YES, IKE_FRAGMENT_NO, SMALL, false },
		{ IKE_FRAGMENT_FORCE, IKE_FRAGMENT_NO, SMALL, false },
		{ IKE_FRAGMENT_YES, IKE_FRAGMENT_YES, 0, false },
		{ IKE_FRAGMENT_FORCE, IKE_FRAGMENT_FORCE, 0, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct duo *d = new_duo();

		d->side[DUO_I].conn.fragmentation = rows[i].i;
		d->side[DUO_R].conn.fragmentation = rows[i].r;
		for (int who = 0; who < 2; who++)
			d->side[who].conn.fragment_size = rows[i].size;
		cr_assert_eq(duo_start(d), 0);
		cr_assert(duo_establish(d), "row %zu", i);
		for (int who = 0; who < 2; who++)
			cr_assert_eq(duo_counters(d, who).fragments_tx > 0, rows[i].cut,
				     "row %zu side %d", i, who);
		duo_free(d);
	}
}

/* [FRG-1]: a fragment nobody agreed on is nothing. */
Test(sent, to_a_side_that_did_not_agree)
{
	struct duo *d = new_duo();
	uint8_t buf[DUO_MSG_MAX];
	struct ike_sa_info info;
	struct ike_hdr h;
	size_t n;

	d->side[DUO_R].conn.fragmentation = IKE_FRAGMENT_NO;
	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d));
	cr_assert(ike_sa_at(d->e[DUO_R].ike, 0, &info));
	h = request_hdr(&info, 2);
	n = duo_seal_fragment(d, DUO_I, 0, &h, 1, 1, PLD_NONE, NULL, 0, buf, sizeof(buf));
	cr_assert_gt(n, 0);
	cr_assert_eq(duo_give(d, DUO_R, &info.path, buf, n), 0);
	cr_assert_eq(duo_counters(d, DUO_R).dropped_fragments, 1);
	duo_free(d);
}

/* [MID-4]: what is sent again is the same datagrams, whoever sends it again. */
Test(sent, again)
{
	struct duo *d = at_auth();
	size_t n = take_all(d, req), n_resp;

	duo_wait(d, 2 * USEC_PER_SEC);
	same_datagrams(req, n, again, take_all(d, again));
	for (size_t i = 0; i < n; i++)
		duo_deliver(d, &req[i]);
	n_resp = take_all(d, resp);
	cr_assert_gt(n_resp, 1);
	/* [FRG-5] [MID-5]: only fragment 1 of the repeated request brings the response, once */
	for (size_t i = n; i-- > 1;)
		cr_assert_eq(duo_deliver(d, &req[i]), 0, "fragment %zu", i + 1);
	cr_assert_eq(duo_deliver(d, &req[0]), n_resp);
	same_datagrams(resp, n_resp, again, take_all(d, again));
	cr_assert_eq(d->e[DUO_R].child_adds, 1);
	for (size_t i = 0; i < n_resp; i++)
		duo_deliver(d, &resp[i]);
	cr_assert(duo_settle(d));
	assert_up(d);
	duo_free(d);
}

/* ---- what is received ---- */

/* [FRG-4]: any order, each of them twice; the request is executed once. */
Test(received, in_any_order_and_twice)
{
	for (unsigned turn = 0; turn < 12; turn++) {
		struct duo *d = at_auth();
		size_t n = take_all(d, req), answers = 0;

		for (size_t i = 0; i < n; i++) {
			size_t k = turn & 1 ? n - 1 - (i + turn / 2) % n : (i + turn / 2) % n;

			answers += duo_deliver(d, &req[k]);
			if (i + 1 < n) {
				cr_assert_eq(answers, 0);
				cr_assert_gt(duo_counters(d, DUO_R).fragment_octets, 0);
				cr_assert_eq(duo_deliver(d, &req[k]), 0);
			}
		}
		cr_assert_gt(answers, 1);
		cr_assert_eq(duo_counters(d, DUO_R).dropped_fragments, n - 1);
		cr_assert(duo_settle(d));
		assert_up(d);
		duo_free(d);
	}
}

/* [FRG-4] [MID-16]: nothing of a changed fragment is kept, and it does not keep the true one out.
 */
Test(received, every_bit_flipped)
{
	struct duo *d = at_auth();
	size_t n = take_all(d, req), sealed = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned long long held = duo_counters(d, DUO_R).fragment_octets;

		for (size_t bit = 0; bit < req[i].len * 8; bit++) {
			struct duo_msg m = req[i];

			m.buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
			if (bit / 8 >= IKE_HEADER_OCTETS)
				cr_assert_eq(duo_deliver(d, &m), 0, "bit %zu", bit);
			else
				duo_deliver(d, &m);
		}
		d->n = 0;
		cr_assert_eq(duo_counters(d, DUO_R).fragment_octets, held);
		cr_assert_eq(duo_counters(d, DUO_R).fragments_rx, i);
		duo_deliver(d, &req[i]);
		sealed += req[i].len - IKE_HEADER_OCTETS - 8;
	}
	cr_assert_geq(duo_counters(d, DUO_R).dropped_integrity, sealed * 8);
	cr_assert(duo_settle(d));
	assert_up(d);
	duo_free(d);
}

/* The decrypted chain of a message cut into n datagrams, so that a test can cut it anew. */
static size_t rejoin(const struct duo *d, const struct duo_msg *m, size_t n, uint8_t *out,
		     struct ike_hdr *ret_hdr, uint8_t *ret_first)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		struct duo_msg copy = m[i];
		struct ike_msg in;
		size_t part = duo_open_fragment(d, DUO_I, 0, &copy, &in, out + len);

		cr_assert_gt(part, 0);
		len += part;
		if (!i) {
			*ret_hdr = in.hdr;
			*ret_first = in.sk_next;
		}
	}
	return len;
}

struct cutter {
	struct duo *d;
	struct ike_hdr h;
	uint8_t first, inner[4096];
	size_t len;
	struct ike_path path;
};

/* An IKE_AUTH request whose parts the test seals itself. */
static struct cutter cutter_new(void)
{
	static struct cutter c;

	c.d = at_auth();
	c.path = c.d->wire[0].path;
	c.len = rejoin(c.d, req, take_all(c.d, req), c.inner, &c.h, &c.first);
	return c;
}

static size_t give_part(struct cutter *c, uint16_t number, uint16_t total)
{
	size_t part = (c->len + total - 1) / total, from = (number - 1u) * part;
	size_t left = c->len > from ? c->len - from : 0;
	uint8_t buf[DUO_MSG_MAX];
	size_t n = duo_seal_fragment(c->d, DUO_I, 0, &c->h, number, total, c->first,
				     c->inner + from, left < part ? left : part, buf, sizeof(buf));

	cr_assert_gt(n, 0);
	return duo_give(c->d, DUO_R, &c->path, buf, n);
}

/* [FRG-4] [FRG-6]: a larger Total begins anew, a smaller one comes too late. */
Test(received, cut_anew)
{
	struct cutter c = cutter_new();

	cr_assert_eq(give_part(&c, 1, 2), 0);
	cr_assert_eq(give_part(&c, 1, 3), 0);
	cr_assert_leq(duo_counters(c.d, DUO_R).fragment_octets, c.len / 3 + 1);
	cr_assert_eq(give_part(&c, 2, 2), 0); /* of the two: dropped */
	cr_assert_eq(duo_counters(c.d, DUO_R).dropped_fragments, 1);
	cr_assert_eq(give_part(&c, 3, 3), 0);
	cr_assert_gt(give_part(&c, 2, 3), 0);
	cr_assert_eq(c.d->e[DUO_R].child_adds, 1);
	c.d->n = 0;
	/* [FRG-5] [FRG-6]: the peer's next try is cut smaller, and still gets its answer */
	cr_assert_eq(give_part(&c, 2, 5), 0);
	cr_assert_gt(give_part(&c, 1, 5), 0);
	cr_assert(duo_settle(c.d));
	assert_up(c.d);
	duo_free(c.d);
}

/* A Total of one is a whole message; so is SK while fragments are waiting. */
Test(received, whole_after_all)
{
	struct cutter c = cutter_new();
	uint8_t buf[DUO_MSG_MAX];
	size_t n;

	cr_assert_eq(give_part(&c, 1, 3), 0);
	n = duo_seal(c.d, DUO_I, 0, &c.h, c.first, c.inner, c.len, buf, sizeof(buf));
	cr_assert_gt(duo_give(c.d, DUO_R, &c.path, buf, n), 0);
	cr_assert(duo_settle(c.d));
	assert_up(c.d);
	duo_free(c.d);

	c = cutter_new();
	cr_assert_gt(give_part(&c, 1, 1), 0);
	cr_assert(duo_settle(c.d));
	assert_up(c.d);
	duo_free(c.d);
}

/* [FRG-8]: payloads outside of SKF with the first fragment only. (What decides is looked at before
 * anything is decrypted, so a wrong checksum tells the two apart.) */
Test(received, payload_before_skf)
{
	struct cutter c = cutter_new();
	uint8_t skf[DUO_MSG_MAX], buf[DUO_MSG_MAX];

	for (uint16_t number = 1; number <= 2; number++) {
		struct ike_counters before = duo_counters(c.d, DUO_R), after;
		size_t n = duo_seal_fragment(c.d, DUO_I, 0, &c.h, number, 2, c.first, c.inner, 40,
					     skf, sizeof(skf));
		struct msg_wr w = msg_begin(buf, sizeof(buf), &c.h);

		msg_put_notify(&w, PROTO_NONE, NULL, 0, N_COOKIE, "abcd", 4);
		wr_put_u8_at(&w.w, w.next_off, PLD_SKF);
		wr_bytes(&w.w, skf + IKE_HEADER_OCTETS, n - IKE_HEADER_OCTETS);
		n = msg_end(&w);
		cr_assert_eq(duo_give(c.d, DUO_R, &c.path, buf, n), 0);
		after = duo_counters(c.d, DUO_R);
		cr_assert_eq(after.dropped_integrity - before.dropped_integrity, number == 1);
		cr_assert_eq(after.dropped_fragments - before.dropped_fragments, number == 2);
	}
	duo_free(c.d);
}

/* [FRG-7]: half a minute after the last new fragment nothing is kept. */
Test(received, forgotten_in_time)
{
	struct duo *d = at_auth();

	take_all(d, req);
	duo_deliver(d, &req[0]);
	cr_assert_gt(duo_counters(d, DUO_R).fragment_octets, 0);
	cr_assert_leq(ike_deadline(d->e[DUO_R].ike), d->now + 30 * USEC_PER_SEC);
	ike_tick(d->e[DUO_R].ike, d->now + 29 * USEC_PER_SEC);
	cr_assert_gt(duo_counters(d, DUO_R).fragment_octets, 0);
	ike_tick(d->e[DUO_R].ike, d->now + 31 * USEC_PER_SEC);
	cr_assert_eq(duo_counters(d, DUO_R).fragment_octets, 0);
	duo_free(d);
}

/* ---- too much ---- */

/* [FRG-7]: a flood from somebody who made keys with us and nothing more. What is held stays
 * bounded, and the one who means it gets in. [VUL-19] */
Test(flood, before_authentication)
{
	struct cutter c = cutter_new();
	static uint8_t big[3000];
	uint8_t buf[DUO_MSG_MAX];
	unsigned long long most = 0;
	struct ike_counters k;
	size_t n;

	for (unsigned i = 0; i < 20000; i++) {
		struct ike_hdr h = c.h;
		uint16_t total = (uint16_t)(2 + i % 100), number = (uint16_t)(1 + i % total);

		h.msg_id = i % 7 ? 1 : i % 5;
		n = duo_seal_fragment(c.d, DUO_I, 0, &h, number, total, PLD_IDI, big,
				      1 + i % sizeof(big), buf, sizeof(buf));
		if (n)
			duo_give(c.d, DUO_R, &c.path, buf, n);
		k = duo_counters(c.d, DUO_R);
		if (k.fragment_octets > most)
			most = k.fragment_octets;
		cr_assert_leq(k.fragment_octets, STRANGER_OCTETS);
	}
	cr_assert_gt(most, STRANGER_OCTETS / 4, "the limit was not reached: %llu", most);
	cr_assert_gt(k.dropped_fragments, 1000);
	cr_assert_eq(c.d->e[DUO_R].child_adds, 0);
	cr_assert_eq(ike_sa_count(c.d->e[DUO_R].ike), 0);
	c.d->n = 0;
	/* a larger Total begins anew; another relation is not touched at all */
	for (uint16_t i = 1; i <= FRAGMENTS_MAX; i++)
		give_part(&c, i, FRAGMENTS_MAX);
	duo_wait(c.d, 31 * USEC_PER_SEC);
	cr_assert_eq(duo_counters(c.d, DUO_R).fragment_octets, 0);
	duo_free(c.d);
}

/* [FRG-7]: 64 fragments and no more. [VUL-19] */
Test(flood, number_of_fragments)
{
	struct cutter c = cutter_new();
	unsigned part;

	cr_assert_eq(give_part(&c, 1, FRAGMENTS_MAX + 1), 0);
	cr_assert_eq(give_part(&c, 1, 65535), 0);
	cr_assert_eq(duo_counters(c.d, DUO_R).dropped_fragments, 2);
	cr_assert_eq(duo_counters(c.d, DUO_R).fragments_rx, 0);
	/* as many as the chain's length divides into */
	part = (unsigned)(c.len + FRAGMENTS_MAX - 1) / FRAGMENTS_MAX;
	for (unsigned i = 1; i <= (c.len + part - 1) / part; i++)
		give_part(&c, (uint16_t)i, (uint16_t)((c.len + part - 1) / part));
	cr_assert(duo_settle(c.d));
	assert_up(c.d);
	duo_free(c.d);
}

/* An established peer with the keys fills what it may; the IKE SA works on. [VUL-19] */
Test(flood, by_the_peer)
{
	struct duo *d = small_duo();
	static uint8_t big[4000];
	uint8_t buf[DUO_MSG_MAX + 200];
	struct ike_sa_info info;
	struct ike_hdr h;

	cr_assert(duo_establish(d));
	cr_assert(ike_sa_at(d->e[DUO_R].ike, 0, &info));
	h = request_hdr(&info, 2);
	for (unsigned round = 0; round < 3; round++) {
		for (uint16_t i = 1; i < FRAGMENTS_MAX; i++) {
			size_t n = duo_seal_fragment(d, DUO_I, 0, &h, i, FRAGMENTS_MAX, PLD_NOTIFY,
						     big, sizeof(big), buf, sizeof(buf));

			cr_assert_gt(n, 0);
			cr_assert_eq(duo_give(d, DUO_R, &info.path, buf, n), 0);
			cr_assert_leq(duo_counters(d, DUO_R).fragment_octets, IKE_MSG_MAX);
		}
	}
	cr_assert_gt(duo_counters(d, DUO_R).dropped_fragments, 0);
	duo_wait(d, 31 * USEC_PER_SEC);
	cr_assert_eq(duo_counters(d, DUO_R).fragment_octets, 0);
	cr_assert_eq(ike_rekey(d->e[DUO_I].ike, "duo", "net", 5, d->now), 0);
	duo_wait(d, 0);
	cr_assert(duo_settle(d));
	cr_assert_eq(d->e[DUO_I].child_adds, 2);
	duo_free(d);
}

/* ---- on a bad link ---- */

static struct sim *small_sim(uint64_t seed, bool v6)
{
	struct sim *s = sim_new(seed, v6);

	for (unsigned side = A; side <= B; side++) {
		s->side[side].conn[0].fragment_size = v6 ? 220 : 180;
		s->side[side].conn[0].retransmit_tries = 10;
	}
	sim_start(s);
	return s;
}

/* Set-up, a new Child SA, a Child SA's rekey and the IKE SA's, one after the other. */
static void everything(struct sim *s)
{
	cr_assert_eq(sim_up(s, A, "net", 1), 0);
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_CHILD_UP, 1), 1, "%s",
		     sim_text(&s->side[A], IKE_EV_FAILED));
	cr_assert_eq(sim_up(s, A, "more", 2), 0);
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert_eq(ike_rekey(s->side[B].ike, "c", "more", 3, s->now), 0);
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert_eq(ike_rekey(s->side[B].ike, "c", NULL, 4, s->now), 0);
	sim_settle(s, 60 * USEC_PER_SEC);
	for (unsigned side = A; side <= B; side++) {
		struct ike_counters k;

		cr_assert_eq(ike_sa_count(s->side[side].ike), 1);
		ike_counters_get(s->side[side].ike, &k);
		cr_assert_eq(k.fragment_octets, 0);
		cr_assert_gt(k.fragments_rx, 3);
	}
	cr_assert(sim_mirrored(s, 2));
	cr_assert_eq(sim_op_ends(&s->side[A], 2), 1);
	cr_assert_eq(sim_op_ends(&s->side[B], 3), 1);
	cr_assert_eq(sim_op_ends(&s->side[B], 4), 1);
}

/* [FRG-4] [FRG-5] [MID-4]: every single datagram, fragments and all, is lost, doubled or late. */
Test(link, every_fragment_once)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct sim *s = small_sim(1, v6);
		uint64_t sent;

		everything(s);
		sent = s->sent;
		sim_free(s);
		cr_assert_gt(sent, 20);
		cr_assert_lt(sent, 64);
		for (unsigned what = 0; what < 3; what++) {
			for (uint64_t n = 0; n < sent; n++) {
				s = small_sim(100 + n, v6);
				*(uint64_t *[]){ &s->lose, &s->duplicate, &s->late }[what] =
					UINT64_C(1) << n;
				everything(s);
				sim_free(s);
			}
		}
	}
}

/* Half of all at random, over many seeds. */
Test(link, random_loss)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct sim *s = small_sim(seed, seed & 1);
		uint64_t r = seed * 0x9e3779b97f4a7c15u;

		s->lose = r & (r >> 17) & (r >> 31);
		s->duplicate = r >> 5;
		s->late = r << 7;
		everything(s);
		sim_free(s);
	}
}

/* An agent that dies between a request in fragments and its response goes on with the same octets;
 * one that has half of the peer's gets it again. */
Test(link, restart)
{
	for (unsigned who = A; who <= B; who++) {
		struct sim *s = small_sim(7, false);
		unsigned before;

		cr_assert_eq(sim_up(s, A, "net", 1), 0);
		sim_settle(s, 20 * USEC_PER_SEC);
		before = s->exchanges[A][CREATE_CHILD_SA];
		cr_assert_eq(before, 0);
		cr_assert_eq(ike_rekey(s->side[A].ike, "c", NULL, 2, s->now), 0);
		sim_drain(s, A);
		cr_assert_gt(s->exchanges[A][CREATE_CHILD_SA], 1, "the rekey was not cut");
		sim_steps(s, 1);
		sim_restart(s, who);
		sim_settle(s, 60 * USEC_PER_SEC);
		if (who == B) {
			cr_assert_eq(ike_sa_count(s->side[A].ike), 1);
			cr_assert_eq(ike_sa_count(s->side[B].ike), 1);
			cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_REKEYED, 2), 1);
		}
		/* who == A: the private value of its rekey was lost, so that the IKE SA is set up
		 * anew; what counts is that the answer to the same octets came */
		else
			cr_assert(strstr(sim_text(&s->side[A], IKE_EV_IKE_DOWN), "restart"), "%s",
				  sim_text(&s->side[A], IKE_EV_IKE_DOWN));
		sim_free(s);
	}
}
