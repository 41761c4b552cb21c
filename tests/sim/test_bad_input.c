/* SPDX-License-Identifier: GPL-2.0-only */
/* The IKE core under input it did not ask for: cut, changed, repeated, out of order, of another
 * version, for nobody, too much of it. (Peers that hold keys: test_bad_auth.c, test_bad_peer.c.)
 * Each test states the exact answer (mostly silence), which counter rose, and that the IKE SA which
 * was there before goes on working. */
#include <criterion/criterion.h>
#include <string.h>

#include "duo_assert.h"

static struct duo *started(void)
{
	struct duo *d = new_duo();

	cr_assert_eq(duo_start(d), 0);
	return d;
}

/* One IKE SA with one Child SA is up. */
static struct duo *established(void)
{
	struct duo *d = started();

	cr_assert(duo_establish(d), "%s%s", d->e[0].failure, d->e[1].failure);
	return d;
}

/* The IKE SA that was there is there, and its Child SA can be rekeyed. */
static void assert_undisturbed(struct duo *d)
{
	unsigned adds[2] = { d->e[0].child_adds, d->e[1].child_adds };

	for (int who = 0; who < 2; who++) {
		cr_assert_eq(duo_count(d, who, "ESTABLISHED"), 1);
		cr_assert_eq(d->e[who].child_dels, 0);
	}
	cr_assert_eq(ike_rekey(d->e[DUO_I].ike, "duo", "net", 2, d->now), 0);
	duo_wait(d, 0);
	cr_assert(duo_settle(d));
	for (int who = 0; who < 2; who++) {
		cr_assert_eq(d->e[who].child_adds, adds[who] + 1, "side %d did not rekey", who);
		cr_assert_eq(duo_count(d, who, "ESTABLISHED"), 1);
	}
}

/* Somebody else's octets: the IKE_SA_INIT request of another initiator, and where it comes from. */
static const struct ike_path *stranger(unsigned n)
{
	static struct ike_path p;

	p = duo_path(DUO_R, 500);
	p.remote.ip = addr_v4(0xcb007100 + n % 256); /* 203.0.113.n */
	p.remote.port = (uint16_t)(1024 + n / 256);
	return &p;
}

static size_t sa_init_request(uint8_t *buf)
{
	struct duo *x = started();
	struct duo_msg m;

	cr_assert_eq(duo_up(x), 0);
	cr_assert(duo_take(x, &m));
	memcpy(buf, m.buf, m.len);
	duo_free(x);
	return m.len;
}

static void set_length(uint8_t *buf, size_t n)
{
	struct wr w = wr_init(buf + 24, 4);

	wr_u32(&w, (uint32_t)n);
}

static void flip(uint8_t *buf, size_t bit)
{
	buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
}

static void forget_wire(struct duo *d)
{
	d->n = 0;
}

/* [ROB-3]: one sender is answered a few times a second, and so is each other one meanwhile (nearly:
 * in fixed memory some share); there is a bound for all. */
static void assert_answers_are_few(struct duo *d, const uint8_t *buf, size_t len)
{
	uint8_t copy[DUO_MSG_MAX];
	size_t of_one = 0, others = 0, all = 0;

	duo_wait(d, 10 * USEC_PER_SEC);
	forget_wire(d);
	for (unsigned i = 0; i < 2000; i++) {
		size_t *n = i < 1000 ? &of_one : i < 1100 ? &others : &all;
		unsigned from = i < 1000 ? 7 : i;

		memcpy(copy, buf, len);
		*n += duo_give(d, DUO_R, stranger(from), copy, len);
		forget_wire(d);
	}
	cr_assert(of_one >= 1 && of_one <= 4, "%zu", of_one);
	cr_assert(others >= 85 && others <= 100, "%zu", others);
	cr_assert_leq(all, 512, "%zu", all);
}

/* ---- IKE_SA_INIT from anybody ---- */

/* [HDR-1] [PLD-2]: silence, and no state. */
Test(sa_init, truncated)
{
	struct duo *d = established();
	uint8_t buf[DUO_MSG_MAX], cut[DUO_MSG_MAX];
	size_t len = sa_init_request(buf);

	for (size_t n = 0; n < len; n++) {
		memcpy(cut, buf, n);
		cr_assert_eq(duo_give(d, DUO_R, stranger(n), cut, n), 0, "answer to %zu octets", n);
		if (n < IKE_HEADER_OCTETS)
			continue;
		set_length(cut, n);
		cr_assert_eq(duo_give(d, DUO_R, stranger(n), cut, n), 0, "answer to %zu octets", n);
	}
	cr_assert_geq(duo_counters(d, DUO_R).dropped_syntax, len - IKE_HEADER_OCTETS);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 0);
	assert_undisturbed(d);
	duo_free(d);
}

Test(sa_init, too_long_or_senseless)
{
	static uint8_t big[65507];
	struct duo *d = established();
	uint8_t buf[DUO_MSG_MAX];
	size_t len = sa_init_request(buf);

	buf[len] = 0; /* [HDR-1] one octet more than Length */
	cr_assert_eq(duo_give(d, DUO_R, stranger(1), buf, len + 1), 0);
	set_length(buf, len + 1); /* [PLD-2] a trailing octet */
	cr_assert_eq(duo_give(d, DUO_R, stranger(1), buf, len + 1), 0);
	for (int fill = 0; fill < 256; fill += 15) {
		memset(big, fill, sizeof(big));
		for (size_t n = 1; n < sizeof(big); n = n * 2 + 1) {
			duo_give(d, DUO_R, stranger(2), big, n);
			duo_give(d, DUO_I, stranger(2), big, n);
			set_length(big, n);
			duo_give(d, DUO_R, stranger(2), big, n);
			memset(big, fill, 32);
		}
	}
	forget_wire(d);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 0);
	assert_undisturbed(d);
	duo_free(d);
}

/* [PLD-9]: 3000 octets are to be handled; [PLD-4]: what is unknown and not critical is skipped. */
Test(sa_init, long_with_unknown_payloads)
{
	struct duo *d = started();
	static uint8_t buf[DUO_MSG_MAX];
	static struct ike_msg in;
	uint8_t body[2600] = { 0 }, critical;
	struct duo_msg m;
	struct msg_wr w;

	cr_assert_eq(duo_up(d), 0);
	cr_assert(duo_take(d, &m));
	cr_assert_eq(msg_decode(m.buf, m.len, &in, &critical), MSG_OK);
	w = msg_begin(buf, sizeof(buf), &in.hdr);
	msg_put_raw(&w, 199, body, sizeof(body));
	msg_put_sa(&w, &in.sa);
	msg_put_ke(&w, in.ke_group, in.ke.p, in.ke.len);
	msg_put_nonce(&w, in.nonce.p, in.nonce.len);
	m.len = msg_end(&w);
	cr_assert_gt(m.len, 2700);
	cr_assert_eq(duo_give(d, DUO_R, &m.path, buf, m.len), 1);
	cr_assert_eq(hdr_of(d->wire[0].buf, d->wire[0].len).next_payload, PLD_SA);

	/* [PLD-4]: critical: rejected by name, no state */
	forget_wire(d);
	buf[IKE_HEADER_OCTETS + 1] = 0x80;
	buf[7]++;
	cr_assert_eq(duo_give(d, DUO_R, &m.path, buf, m.len), 1);
	m = d->wire[0];
	in.hdr = hdr_of(buf, sizeof(buf));
	assert_plain_notify(&m, &in.hdr, N_UNSUPPORTED_CRITICAL_PAYLOAD);
	cr_assert_eq(m.buf[m.len - 1], 199);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 1);
	duo_free(d);
}

/* Every bit changed: at most one answer each, a bounded number of half-open IKE SAs, all of which
 * vanish in time ([INI-14]). */
Test(sa_init, every_bit_flipped)
{
	struct duo *d = established();
	uint8_t buf[DUO_MSG_MAX];
	size_t len = sa_init_request(buf);

	for (size_t bit = 0; bit < len * 8; bit++) {
		flip(buf, bit);
		cr_assert_leq(duo_give(d, DUO_R, stranger((unsigned)bit), buf, len), 1);
		for (size_t i = 0; i < d->n; i++) /* no amplification (2.6) */
			cr_assert_leq(d->wire[i].len, len + 64);
		forget_wire(d);
		flip(buf, bit);
	}
	cr_assert_leq(duo_counters(d, DUO_R).half_open, d->side[DUO_R].cfg.half_open_max);
	assert_undisturbed(d);
	duo_wait(d, 31 * USEC_PER_SEC);
	forget_wire(d);
	cr_assert_eq(ike_sa_count(d->e[DUO_R].ike), 1);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 0);
	duo_free(d);
}

/* The answer changed anywhere must not end the attempt ([INI-7]); the true one, later, is taken. */
Test(sa_init, every_bit_of_the_answer_flipped)
{
	struct duo *d = started();
	struct duo_msg m;

	cr_assert_eq(duo_up(d), 0);
	cr_assert(duo_take(d, &m));
	cr_assert_eq(duo_deliver(d, &m), 1);
	cr_assert(duo_take(d, &m));
	for (size_t bit = 0; bit < m.len * 8; bit++) {
		/* Nothing protects the payloads, so what is well-formed may be taken for the
		 * answer; the header is what counts here. */
		if (bit / 8 >= IKE_HEADER_OCTETS)
			break;
		if (bit / 8 >= 8 && bit / 8 < 16)
			continue; /* another SPIr is another responder */
		if (bit / 8 == 19 || bit / 8 == 17)
			continue; /* reserved flags and the minor version say nothing */
		flip(m.buf, bit);
		cr_assert_eq(duo_deliver(d, &m), 0, "answer to bit %zu", bit);
		flip(m.buf, bit);
	}
	cr_assert_eq(d->e[DUO_I].failures, 0);
	duo_deliver(d, &m);
	cr_assert(duo_settle(d));
	cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 1);
	duo_free(d);
}

/* ---- protected messages with a changed bit ---- */

/* Each bit of m flipped: nothing happens at the receiver, at most INVALID_IKE_SPI or
 * INVALID_MAJOR_VERSION for a header that became another's. */
static void give_flipped(struct duo *d, struct duo_msg *m)
{
	struct ike_counters before = duo_counters(d, m->to), after;

	for (size_t bit = 0; bit < m->len * 8; bit++) {
		size_t n;

		flip(m->buf, bit);
		n = duo_deliver(d, m);
		if (n) {
			struct ike_hdr h = hdr_of(m->buf, m->len);
			size_t octet = bit / 8;

			cr_assert_eq(n, 1);
			cr_assert(octet < 20, "answer to bit %zu", bit);
			assert_plain_notify(&d->wire[d->n - 1], &h,
					    octet == 17 ? N_INVALID_MAJOR_VERSION
							: N_INVALID_IKE_SPI);
			d->n--;
		}
		flip(m->buf, bit);
	}
	after = duo_counters(d, m->to);
	/* [SK-5]: the encrypted part alone accounts for this many */
	cr_assert_geq(after.dropped_integrity - before.dropped_integrity, (m->len - 32) * 8);
	cr_assert_gt(after.dropped_syntax, before.dropped_syntax);
	cr_assert_gt(after.dropped_spi, before.dropped_spi);
}

/* [SK-5] [MID-16] [DOS-5]: and the true message is accepted afterwards, with the keys that were
 * made when IKE_SA_INIT was answered. */
Test(ike_auth, every_bit_flipped)
{
	struct duo *d = started();
	struct duo_msg m;

	cr_assert_eq(duo_up(d), 0);
	for (int i = 0; i < 2; i++) {
		cr_assert(duo_take(d, &m));
		cr_assert_eq(duo_deliver(d, &m), 1);
	}
	cr_assert(duo_take(d, &m));
	cr_assert_eq(hdr_of(m.buf, m.len).exchange, IKE_AUTH);
	give_flipped(d, &m);
	cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 0);
	cr_assert_eq(d->e[DUO_R].child_adds, 0);

	cr_assert_eq(duo_deliver(d, &m), 1);
	cr_assert(duo_take(d, &m));
	give_flipped(d, &m); /* the response */
	cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 0);
	cr_assert_eq(d->e[DUO_I].child_adds, 0);
	cr_assert_eq(d->e[DUO_I].failures, 0);

	duo_deliver(d, &m);
	cr_assert(duo_settle(d));
	cr_assert_eq(d->e[DUO_I].child_adds, 1);
	assert_undisturbed(d);
	duo_free(d);
}

Test(create_child_sa, every_bit_flipped)
{
	struct duo *d = established();
	struct duo_msg m;

	cr_assert_eq(ike_rekey(d->e[DUO_I].ike, "duo", "net", 5, d->now), 0);
	duo_wait(d, 0);
	cr_assert(duo_take(d, &m));
	give_flipped(d, &m);
	cr_assert_eq(d->e[DUO_R].child_adds, 1);
	cr_assert_eq(duo_deliver(d, &m), 1);
	cr_assert(duo_take(d, &m));
	give_flipped(d, &m);
	cr_assert_eq(d->e[DUO_I].child_adds, 1);
	duo_deliver(d, &m);
	cr_assert(duo_settle(d));
	cr_assert_eq(d->e[DUO_I].child_adds, 2);
	duo_free(d);
}

/* Cut short, with Length and the length of SK adjusted. */
Test(ike_auth, truncated)
{
	struct duo *d = started();
	struct duo_msg m, cut;

	cr_assert_eq(duo_up(d), 0);
	for (int i = 0; i < 2; i++) {
		cr_assert(duo_take(d, &m));
		duo_deliver(d, &m);
	}
	cr_assert(duo_take(d, &m));
	for (size_t n = 0; n < m.len; n++) {
		cut = m;
		cut.len = n;
		cr_assert_eq(duo_deliver(d, &cut), 0);
		if (n < 32)
			continue;
		set_length(cut.buf, n);
		cut.buf[30] = (uint8_t)((n - 28) >> 8);
		cut.buf[31] = (uint8_t)(n - 28);
		cr_assert_eq(duo_deliver(d, &cut), 0);
	}
	duo_deliver(d, &m);
	cr_assert(duo_settle(d));
	assert_undisturbed(d);
	duo_free(d);
}

/* ---- again, and out of order ---- */

/* [MID-5] [MID-6] [MID-7]: the same request gets the same response to where the copy came from, and
 * is not executed twice; other repetitions get nothing. */
Test(replay, ike_auth)
{
	struct duo *d = started();
	struct duo_msg init, init_answer, req, resp, again;

	cr_assert_eq(duo_up(d), 0);
	cr_assert(duo_take(d, &init));
	duo_deliver(d, &init);
	/* IKE_SA_INIT repeated: [MID-14] the same response, no second half-open IKE SA */
	cr_assert_eq(duo_deliver(d, &init), 1);
	cr_assert(duo_take(d, &init_answer));
	cr_assert(duo_take(d, &again));
	cr_assert_eq(again.len, init_answer.len);
	cr_assert_eq(memcmp(again.buf, init_answer.buf, again.len), 0);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 1);
	duo_deliver(d, &init_answer);
	cr_assert_eq(duo_deliver(d, &init_answer), 0);
	cr_assert(duo_take(d, &req));
	duo_deliver(d, &req);
	cr_assert(duo_take(d, &resp));

	again = req;
	again.path.remote.port = 40001;
	cr_assert_eq(duo_deliver(d, &again), 1);
	cr_assert(duo_take(d, &again));
	cr_assert_eq(again.len, resp.len);
	cr_assert_eq(memcmp(again.buf, resp.buf, resp.len), 0);
	cr_assert_eq(again.path.local.port, 40001);
	cr_assert_eq(d->e[DUO_R].child_adds, 1);

	duo_deliver(d, &resp);
	cr_assert_eq(duo_deliver(d, &resp), 0);
	cr_assert_eq(duo_deliver(d, &init_answer), 0);
	cr_assert_eq(duo_deliver(d, &init), 0);
	cr_assert_eq(d->e[DUO_I].child_adds, 1);
	cr_assert_eq(ike_sa_count(d->e[DUO_R].ike), 1);
	assert_undisturbed(d);

	/* two copies of IKE_SA_INIT and one of IKE_AUTH were known again */
	cr_assert_eq(duo_counters(d, DUO_R).retransmits_rx, 3);
	cr_assert_eq(duo_counters(d, DUO_R).retransmits, 0);

	/* the window has moved on */
	unsigned long long dropped = duo_counters(d, DUO_R).dropped_window;
	cr_assert_eq(duo_deliver(d, &req), 0);
	cr_assert_gt(duo_counters(d, DUO_R).dropped_window, dropped);
	duo_free(d);
}

/* [INI-14] [INF-13]: IKE_AUTH for an SPI that is not there. The header becomes INVALID_IKE_SPI's.
 */
Test(order, ike_auth_first)
{
	struct duo *d = started(), *other = started();
	struct duo_msg m;
	struct ike_hdr h;

	cr_assert_eq(duo_up(d), 0);
	for (int i = 0; i < 2; i++) {
		cr_assert(duo_take(d, &m));
		duo_deliver(d, &m);
	}
	cr_assert(duo_take(d, &m));
	h = hdr_of(m.buf, m.len);
	cr_assert_leq(duo_deliver(other, &m), 1);
	if (other->n)
		assert_plain_notify(&other->wire[0], &h, N_INVALID_IKE_SPI);
	cr_assert_eq(duo_counters(other, DUO_R).dropped_spi, 1);
	cr_assert_eq(ike_sa_count(other->e[DUO_R].ike), 0);
	duo_free(other);
	duo_free(d);
}

/* A response that overtakes: message 2 of an exchange nobody began. */
Test(order, response_without_request)
{
	struct duo *d = established();
	uint8_t buf[DUO_MSG_MAX], inner[1];
	struct ike_sa_info info;

	cr_assert(ike_sa_at(d->e[DUO_R].ike, 0, &info));
	for (uint32_t id = 0; id < 5; id++) {
		struct ike_hdr h = { .spi_i = info.spi_i,
				     .spi_r = info.spi_r,
				     .version = IKE_VERSION_2_0,
				     .exchange = INFORMATIONAL,
				     .flags = IKE_FLAG_RESPONSE | IKE_FLAG_INITIATOR,
				     .msg_id = id };
		size_t n = duo_seal(d, DUO_I, 0, &h, PLD_NONE, inner, 0, buf, sizeof(buf));

		cr_assert_gt(n, 0);
		cr_assert_eq(duo_give(d, DUO_R, &info.path, buf, n), 0); /* [HDR-6] */
	}
	assert_undisturbed(d);
	duo_free(d);
}

/* [MID-11]: properly protected, but not the next request: nothing. */
Test(order, request_outside_the_window)
{
	struct duo *d = established();
	uint8_t buf[DUO_MSG_MAX], inner[1];
	struct ike_sa_info info;
	unsigned long long dropped = duo_counters(d, DUO_R).dropped_window;

	cr_assert(ike_sa_at(d->e[DUO_R].ike, 0, &info));
	for (uint32_t id = 3; id < 8; id++) {
		struct ike_hdr h = { .spi_i = info.spi_i,
				     .spi_r = info.spi_r,
				     .version = IKE_VERSION_2_0,
				     .exchange = INFORMATIONAL,
				     .flags = IKE_FLAG_INITIATOR,
				     .msg_id = id };
		size_t n = duo_seal(d, DUO_I, 0, &h, PLD_NONE, inner, 0, buf, sizeof(buf));

		cr_assert_eq(duo_give(d, DUO_R, &info.path, buf, n), 0, "message %u", id);
	}
	cr_assert_eq(duo_counters(d, DUO_R).dropped_window, dropped + 5);
	assert_undisturbed(d);
	duo_free(d);
}

/* ---- other versions, other SPIs ---- */

/* [INF-13]: a request for an IKE SA that is not here is told so, not endlessly; a response never
 * is. */
Test(stray, request)
{
	struct duo *d = established();
	uint8_t buf[IKE_HEADER_OCTETS + 20];
	struct ike_hdr h = { .spi_i = 0x1111,
			     .spi_r = 0x2222,
			     .version = IKE_VERSION_2_0,
			     .exchange = INFORMATIONAL,
			     .flags = IKE_FLAG_INITIATOR,
			     .msg_id = 77 };
	struct msg_wr w = msg_begin(buf, sizeof(buf), &h);
	size_t len;

	msg_put_raw(&w, PLD_SK, "1234", 4);
	len = msg_end(&w);
	for (int side = 0; side < 2; side++) {
		buf[19] = side == DUO_R ? IKE_FLAG_INITIATOR : 0;
		h = hdr_of(buf, len);
		cr_assert_eq(duo_give(d, side, stranger(1), buf, len), 1);
		assert_plain_notify(&d->wire[0], &h, N_INVALID_IKE_SPI);
		forget_wire(d);
	}
	assert_answers_are_few(d, buf, len);
	cr_assert_eq(duo_counters(d, DUO_R).dropped_spi, 2001);
	duo_wait(d, 10 * USEC_PER_SEC);
	forget_wire(d);
	buf[19] |= IKE_FLAG_RESPONSE; /* [HDR-6] */
	cr_assert_eq(duo_give(d, DUO_R, stranger(1), buf, len), 0);
	assert_undisturbed(d);
	duo_free(d);
}

/* [HDR-8]: at most an INVALID_MAJOR_VERSION, in a header of version 2.0, and not endlessly. */
Test(version, higher_major)
{
	struct duo *d = established();
	uint8_t buf[DUO_MSG_MAX];
	size_t len = sa_init_request(buf);
	struct ike_hdr h;

	buf[17] = 0x30;
	h = hdr_of(buf, len);
	cr_assert_eq(duo_give(d, DUO_R, stranger(1), buf, len), 1);
	assert_plain_notify(&d->wire[0], &h, N_INVALID_MAJOR_VERSION);
	forget_wire(d);
	cr_assert_eq(duo_counters(d, DUO_R).dropped_version, 1);
	assert_answers_are_few(d, buf, len);
	cr_assert_eq(duo_counters(d, DUO_R).dropped_version, 2001);

	buf[19] = IKE_FLAG_RESPONSE; /* [HDR-6] */
	duo_wait(d, 10 * USEC_PER_SEC);
	forget_wire(d);
	cr_assert_eq(duo_give(d, DUO_R, stranger(1), buf, len), 0);
	assert_undisturbed(d);
	duo_free(d);
}

/* [INI-7]: an unprotected INVALID_MAJOR_VERSION from anywhere may end an attempt that got no
 * other answer, but never an IKE SA that is up. [VUL-13] */
Test(version, forged_error_for_an_established_sa)
{
	struct duo *d = established();
	static const uint16_t types[] = { N_INVALID_MAJOR_VERSION, N_INVALID_IKE_SPI,
					  N_INVALID_SYNTAX,	   N_AUTHENTICATION_FAILED,
					  N_NO_PROPOSAL_CHOSEN,	   N_COOKIE };
	struct ike_sa_info info;

	cr_assert(ike_sa_at(d->e[DUO_I].ike, 0, &info));
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		for (uint8_t exchange = IKE_SA_INIT; exchange <= INFORMATIONAL; exchange++) {
			for (int to = 0; to < 2; to++) {
				uint8_t buf[256];
				struct ike_hdr h = { .spi_i = info.spi_i,
						     .spi_r = info.spi_r,
						     .version = IKE_VERSION_2_0,
						     .exchange = exchange,
						     .flags = IKE_FLAG_RESPONSE |
							      (to ? IKE_FLAG_INITIATOR : 0),
						     .msg_id = i % 3 };
				struct msg_wr w = msg_begin(buf, sizeof(buf), &h);
				struct ike_path path = duo_path(to, 4500);

				msg_put_notify(&w, 0, NULL, 0, types[i], "abcd", 4);
				cr_assert_eq(duo_give(d, to, &path, buf, msg_end(&w)), 0);
			}
		}
	}
	assert_undisturbed(d);
	duo_free(d);
}

/* [INF-13]: requests get INVALID_IKE_SPI at most, and not endlessly; responses nothing. */
Test(spi, unknown)
{
	struct duo *d = established();
	uint8_t buf[256];
	size_t len;
	struct ike_hdr h = { .spi_i = 0xdead,
			     .spi_r = 0xbeef,
			     .version = IKE_VERSION_2_0,
			     .exchange = INFORMATIONAL,
			     .flags = IKE_FLAG_INITIATOR,
			     .msg_id = 3 };
	struct msg_wr w = msg_begin(buf, sizeof(buf), &h);

	msg_put_raw(&w, PLD_SK, "0123456789abcdef0123456789abcdef", 32);
	len = msg_end(&w);
	h = hdr_of(buf, len);
	if (duo_give(d, DUO_R, stranger(1), buf, len))
		assert_plain_notify(&d->wire[0], &h, N_INVALID_IKE_SPI);
	forget_wire(d);
	assert_answers_are_few(d, buf, len);
	cr_assert_eq(duo_counters(d, DUO_R).dropped_spi, 2001);
	duo_wait(d, 10 * USEC_PER_SEC);
	forget_wire(d);
	buf[19] |= IKE_FLAG_RESPONSE;
	cr_assert_eq(duo_give(d, DUO_R, stranger(1), buf, len), 0);
	assert_undisturbed(d);
	duo_free(d);
}

/* ---- a flood of half-open IKE SAs ---- */

/* [INI-1] [INI-2] [INI-3] [ROB-3]: beyond the threshold no state without a cookie; a cookie of
 * another address is none. */
Test(flood, cookies)
{
	struct duo *d = established();
	static struct ike_msg in;
	uint8_t buf[DUO_MSG_MAX], with[DUO_MSG_MAX], critical;
	size_t len = sa_init_request(buf), n;
	struct ike_hdr h;
	struct duo_msg m;
	struct msg_wr w;

	for (unsigned i = 0; i < 5000; i++) {
		buf[4] = (uint8_t)(i >> 8);
		buf[5] = (uint8_t)i;
		cr_assert_eq(duo_give(d, DUO_R, stranger(i), buf, len), 1);
		if (i >= 10)
			cr_assert_lt(d->wire[0].len, 100);
		if (i < 4999)
			forget_wire(d);
	}
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 10);
	cr_assert_eq(duo_counters(d, DUO_R).cookies_sent, 4990);
	cr_assert(duo_take(d, &m));
	h = hdr_of(buf, len);
	assert_plain_notify(&m, &h, N_COOKIE);
	cr_assert_eq(msg_decode(m.buf, m.len, &in, &critical), MSG_OK);
	cr_assert_eq(in.hdr.spi_r, 0);
	cr_assert(in.notifies[0].data.len >= 1 && in.notifies[0].data.len <= 64);

	/* the request again, with the cookie first */
	w = msg_begin(with, sizeof(with), &h);
	msg_put_notify(&w, 0, NULL, 0, N_COOKIE, in.notifies[0].data.p, in.notifies[0].data.len);
	cr_assert_eq(msg_end(&w), 28 + 8 + in.notifies[0].data.len);
	n = w.w.len;
	with[28] = buf[16];
	memcpy(with + n, buf + 28, len - 28);
	n += len - 28;
	set_length(with, n);
	cr_assert_eq(duo_give(d, DUO_R, stranger(77), with, n), 1);
	assert_plain_notify(&d->wire[0], &h, N_COOKIE);
	forget_wire(d);
	flip(with, 8 * 40); /* a wrong cookie */
	cr_assert_eq(duo_give(d, DUO_R, stranger(4999), with, n), 1);
	assert_plain_notify(&d->wire[0], &h, N_COOKIE);
	forget_wire(d);
	flip(with, 8 * 40);
	cr_assert_eq(duo_give(d, DUO_R, stranger(4999), with, n), 1);
	cr_assert_eq(hdr_of(d->wire[0].buf, d->wire[0].len).next_payload, PLD_SA);
	forget_wire(d);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 11);
	assert_undisturbed(d);

	duo_wait(d, 31 * USEC_PER_SEC); /* [INI-14] */
	forget_wire(d);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 0);
	duo_free(d);
}

/* A real initiator gets through in the middle of it. [VUL-27] */
Test(flood, honest_initiator)
{
	struct duo *d = started();
	uint8_t buf[DUO_MSG_MAX];
	size_t len = sa_init_request(buf);

	for (unsigned i = 0; i < 200; i++) {
		buf[5] = (uint8_t)i;
		duo_give(d, DUO_R, stranger(i), buf, len);
		forget_wire(d);
	}
	cr_assert(duo_establish(d));
	assert_undisturbed(d);
	duo_free(d);
}
