/* SPDX-License-Identifier: GPL-2.0-only */
/* What strangers can cost: memory for each of them, how many half-open IKE SAs one source may have,
 * lines in the log, answers; and that all of it comes back. [INI-2] [INI-3] */
#include <criterion/criterion.h>
#include <string.h>

#include "../lib/allocated.h"
#include "crypto/alg.h"
#include "duo_assert.h"

enum { SKF_HEADER = 4 + 4, FRAGMENTS_MAX = 64 };

/* Also without a cookie, as many as a test wants. */
static struct duo *open_house(uint32_t half_open_max, uint32_t block_threshold)
{
	struct duo *d = new_duo();

	d->side[DUO_R].cfg.cookie_threshold = 1000000;
	d->side[DUO_R].cfg.half_open_max = half_open_max;
	d->side[DUO_R].cfg.block_threshold = block_threshold;
	d->side[DUO_R].conn.n_remote_addrs = 0;
	cr_assert_eq(duo_start(d), 0);
	return d;
}

/* The request of an initiator, followed by as many octets of a payload nobody knows. */
static size_t request(uint8_t *buf, size_t pad)
{
	struct duo *x = new_duo();
	struct duo_msg m;
	struct wr w;

	cr_assert_eq(duo_start(x), 0);
	cr_assert_eq(duo_up(x), 0);
	cr_assert(duo_take(x, &m));
	duo_free(x);
	memcpy(buf, m.buf, m.len);
	if (!pad)
		return m.len;
	/* first in the chain: the unknown one, not critical, then what was first */
	memmove(buf + 28 + pad, buf + 28, m.len - 28);
	memset(buf + 28, 0, pad);
	buf[28] = buf[16];
	buf[16] = 200;
	w = wr_init(buf + 30, 2);
	wr_u16(&w, (uint16_t)pad);
	w = wr_init(buf + 24, 4);
	wr_u32(&w, (uint32_t)(m.len + pad));
	return m.len + pad;
}

static void give(struct duo *d, const struct addr *from, unsigned n, const uint8_t *req, size_t len)
{
	struct ike_path p = duo_path(DUO_R, 500);
	uint8_t buf[DUO_MSG_MAX];

	p.remote = (struct udp_addr){ *from, (uint16_t)(1024 + n) };
	if (from->family == 6)
		addr_parse("2001:db8::1", &p.local.ip);
	memcpy(buf, req, len);
	buf[0] = (uint8_t)(n >> 8);
	buf[1] = (uint8_t)n;
	duo_give(d, DUO_R, &p, buf, len);
	d->n = 0;
}

/* As long as is looked at, and from as many addresses as it takes. */
Test(dos, memory_of_a_half_open_ike_sa_is_bounded)
{
	enum { MANY = 1000 };
	struct duo *d = open_house(MANY, 0);
	uint8_t req[DUO_MSG_MAX];
	size_t short_len = request(req, 0), len = request(req, IKE_INIT_MAX - short_len);
	size_t before, full, after;

	cr_assert_eq(len, IKE_INIT_MAX);
	/* what a library makes once, and keeps, it has made after the first one */
	give(d, &(struct addr){ .family = 4 }, MANY, req, len);
	duo_wait(d, 31 * USEC_PER_SEC);
	before = allocated();
	for (unsigned i = 0; i < MANY; i++) {
		struct addr from = addr_v4(0xcb007100 + i % 256);

		give(d, &from, i, req, len);
	}
	full = allocated();
	cr_assert_eq(duo_counters(d, DUO_R).half_open, MANY);
	cr_assert_leq((full - before) / MANY, IKE_HALF_OPEN_OCTETS, "%zu octets each",
		      (full - before) / MANY);
	/* no more than may be, whatever comes */
	for (unsigned i = 0; i < MANY; i++) {
		struct addr from = addr_v4(0xc6336400 + i % 256);

		give(d, &from, MANY + i, req, len);
	}
	cr_assert_eq(duo_counters(d, DUO_R).half_open_refused, MANY);
	cr_assert_leq(allocated() - before, (size_t)MANY * IKE_HALF_OPEN_OCTETS);
	/* and all of it comes back */
	duo_wait(d, 31 * USEC_PER_SEC);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 0);
	after = allocated(); /* with pieces the allocator keeps at hand */
	cr_assert_leq(after, before + 32768, "%zu octets are kept", after - before);
	duo_free(d);
}

Test(dos, longer_requests_are_not_looked_at)
{
	struct duo *d = open_house(10, 0);
	struct addr from = addr_v4(0xcb007101);
	uint8_t req[DUO_MSG_MAX];
	size_t len = request(req, 0);

	len = request(req, IKE_INIT_MAX + 1 - len);
	give(d, &from, 1, req, len);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 0);
	cr_assert_eq(duo_counters(d, DUO_R).dropped_syntax, 1);
	duo_free(d);
}

/* An address that answers with cookies may be somebody's; he has as many as are his. [VUL-27] */
Test(dos, half_open_ike_sas_of_one_source)
{
	struct duo *d = open_house(1000, 5);
	uint8_t req[DUO_MSG_MAX];
	size_t len = request(req, 0);
	struct addr one = addr_v4(0xcb007101), other = addr_v4(0xcb007102);

	for (unsigned i = 0; i < 20; i++)
		give(d, &one, i, req, len);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 5);
	cr_assert_eq(duo_counters(d, DUO_R).half_open_blocked, 15);
	give(d, &other, 50, req, len);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 6, "others are not his fault");
	duo_wait(d, 31 * USEC_PER_SEC);
	give(d, &one, 60, req, len);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 1, "they expire");
	duo_free(d);
}

Test(dos, an_ipv6_customer_has_a_64)
{
	struct duo *d = open_house(1000, 5);
	uint8_t req[DUO_MSG_MAX];
	struct addr a;
	size_t len;

	duo_free(d);
	d = new_duo();
	d->side[DUO_R].cfg.cookie_threshold = 1000000;
	d->side[DUO_R].cfg.block_threshold = 5;
	d->side[DUO_R].conn.n_remote_addrs = d->side[DUO_R].conn.n_local_addrs = 0;
	cr_assert_eq(duo_start(d), 0);
	len = request(req, 0);
	addr_parse("2001:db8:0:1::", &a);
	for (unsigned i = 0; i < 20; i++) {
		a.b[15] = (uint8_t)i;
		a.b[8] = (uint8_t)(i * 7);
		give(d, &a, i, req, len);
	}
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 5);
	cr_assert_eq(duo_counters(d, DUO_R).half_open_blocked, 15);
	a.b[7] = 2;
	give(d, &a, 30, req, len);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 6);
	duo_free(d);
}

/* A set-up that comes to its end is not counted any more. */
Test(dos, established_ike_sas_do_not_count)
{
	struct duo *d = open_house(1000, 1);

	cr_assert(duo_establish(d), "%s%s", d->e[0].failure, d->e[1].failure);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 0);
	for (unsigned i = 0; i < 5; i++) {
		uint8_t req[DUO_MSG_MAX];
		size_t len = request(req, 0);
		struct addr peer = duo_path(DUO_R, 500).remote.ip;

		give(d, &peer, i, req, len);
		cr_assert_eq(duo_counters(d, DUO_R).half_open, 1);
		cr_assert_eq(duo_counters(d, DUO_R).half_open_blocked, i);
	}
	duo_free(d);
}

/* Thousands come and go: what they needed is given back. */
Test(dos, set_up_and_tear_down_leave_memory_where_it_was)
{
	struct duo *d = open_house(1000, 0);
	size_t before = 0;

	for (unsigned i = 0; i < 300; i++) {
		cr_assert(duo_establish(d), "%s%s", d->e[0].failure, d->e[1].failure);
		cr_assert_eq(ike_down(d->e[DUO_I].ike, "duo", NULL, 1, d->now), 0);
		duo_wait(d, 0);
		cr_assert(duo_settle(d));
		duo_wait(d, 31 * USEC_PER_SEC);
		d->e[0].child_adds = d->e[1].child_adds = 0;
		if (i == 10)
			before = allocated();
	}
	cr_assert_leq(allocated(), before + 32768, "%zu octets are kept", allocated() - before);
	cr_assert_eq(d->e[DUO_R].spis, d->e[DUO_I].spis);
	duo_free(d);
}

/* ---- between IKE_SA_INIT and IKE_AUTH ---- */

/* The responder has a half-open IKE SA; the IKE_AUTH request goes to *ret_auth. */
static void half_open(struct duo *d, struct duo_msg *ret_auth)
{
	struct duo_msg m;

	cr_assert_eq(duo_up(d), 0);
	for (int i = 0; i < 2; i++) {
		cr_assert(duo_take(d, &m));
		cr_assert_geq(duo_deliver(d, &m), 1);
	}
	cr_assert(duo_take(d, ret_auth));
	cr_assert_eq(hdr_of(ret_auth->buf, ret_auth->len).exchange, IKE_AUTH);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 1);
}

static uint32_t draw(void)
{
	static uint32_t x = 1;

	return x = x * 1664525u + 1013904223u;
}

/* With the SPIs of a half-open IKE SA, which anybody on the way can read: wrong messages, whole or
 * in fragments with any numbers, cost their decryption and nothing else. [SK-5] [FRG-7]
 * [VUL-26] */
Test(dos, garbage_instead_of_ike_auth)
{
	enum { MANY = 20000, LONGEST = 1200 };
	struct duo *d = open_house(1000, 0);
	struct ike_counters before, after;
	struct duo_msg auth, m;
	size_t held;

	half_open(d, &auth);
	duo_deliver(d, &auth); /* what is made once, is made */
	duo_free(d);
	d = open_house(1000, 0);
	half_open(d, &auth);
	before = duo_counters(d, DUO_R);
	held = allocated();
	for (unsigned i = 0; i < MANY; i++) {
		bool fragment = i & 1;
		uint16_t total = (uint16_t)(1 + draw() % FRAGMENTS_MAX);
		uint16_t number = (uint16_t)(1 + draw() % total);
		struct wr w;

		m = auth;
		m.len = 28 + SKF_HEADER + 8 + 16 + draw() % LONGEST;
		for (size_t k = 28 + SKF_HEADER; k < m.len; k++)
			m.buf[k] = (uint8_t)(draw() >> 16);
		m.buf[16] = fragment ? PLD_SKF : PLD_SK;
		w = wr_init(m.buf + 24, 12);
		wr_u32(&w, (uint32_t)m.len);
		wr_u16(&w, fragment && number > 1 ? 0 : PLD_IDI << 8);
		wr_u16(&w, (uint16_t)(m.len - 28));
		wr_u16(&w, number);
		wr_u16(&w, total);
		cr_assert_eq(duo_deliver(d, &m), 0, "an answer to garbage");
	}
	after = duo_counters(d, DUO_R);
	cr_assert_eq(after.dropped_integrity - before.dropped_integrity, MANY);
	cr_assert_eq(after.fragment_octets, 0);
	cr_assert_eq(after.half_open, 1);
	cr_assert_eq(after.tx, before.tx);
	cr_assert_leq(allocated(), held + 16384, "%zu octets for garbage", allocated() - held);
	/* who means it gets in */
	cr_assert_geq(duo_deliver(d, &auth), 1);
	cr_assert(duo_settle(d));
	cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 1);
	duo_free(d);
}

/* He has keys, and sends all that is kept of somebody who did not say yet who he is. */
Test(dos, memory_of_a_stranger_with_fragments)
{
	static const unsigned sizes[] = { 1, 100, 255, 260, 1024, 3900 };
	enum { N_SIZES = sizeof(sizes) / sizeof(*sizes) };
	static const uint8_t inner[DUO_MSG_MAX];
	uint8_t buf[DUO_MSG_MAX + 200];
	struct duo_msg auth;
	size_t most = 0;

	for (unsigned k = 0; k < 2 * N_SIZES; k++) {
		struct duo *d = open_house(1000, 0);
		size_t before;
		struct ike_hdr h;

		half_open(d, &auth);
		h = hdr_of(auth.buf, auth.len);
		if (k == N_SIZES) /* what is made once, is made */
			most = 0;
		before = allocated();
		for (uint16_t i = 2; i <= FRAGMENTS_MAX; i++) {
			size_t n = duo_seal_fragment(d, DUO_I, 0, &h, i, FRAGMENTS_MAX, PLD_IDI,
						     inner, sizes[k % N_SIZES], buf, sizeof(buf)),
			       now;

			cr_assert_gt(n, 0);
			cr_assert_eq(duo_give(d, DUO_R, &auth.path, buf, n), 0);
			now = allocated();
			most = now > before && now - before > most ? now - before : most;
		}
		duo_wait(d, 31 * USEC_PER_SEC);
		cr_assert_eq(duo_counters(d, DUO_R).fragment_octets, 0);
		cr_assert_eq(duo_counters(d, DUO_R).half_open, 0);
		duo_free(d);
	}
	cr_assert_leq(most, IKE_STRANGER_OCTETS - IKE_HALF_OPEN_OCTETS, "%zu octets", most);
	cr_assert_geq(most, 16384, "%zu octets: what was to be filled was not", most);
}

/* ---- who is refused ---- */

static unsigned lines_refused, lines_closed;

static void count_lines(void *ctx, enum log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	lines_refused += strstr(line, "answered AUTHENTICATION_FAILED") != NULL;
	lines_closed += strstr(line, "HALF_OPEN -> CLOSED") != NULL;
}

/* Wrong secrets by the dozen: their last answer is repeated for a while, to as many of them as may
 * be half-open, and the log has a few lines, also one that tells everything. */
Test(dos, refused_peers)
{
	enum { AT_ONCE = 20, MANY = 100 };
	struct duo *d = new_duo();
	size_t before = 0, full, of_one;

	log_set_sink(count_lines, NULL);
	d->side[DUO_R].cfg.cookie_threshold = 1000000;
	d->side[DUO_R].cfg.half_open_max = AT_ONCE;
	secret_set(&d->side[DUO_I].conn.psk, "wrong", 5);
	cr_assert_eq(duo_start(d), 0);
	log_set_level(LOG_DEBUG_);
	for (unsigned i = 0; i <= MANY; i++) {
		cr_assert_eq(duo_up(d), 0);
		cr_assert(duo_settle(d));
		cr_assert_eq(d->e[DUO_I].failures, i + 1);
		if (!i) { /* with what is made once */
			duo_wait(d, 31 * USEC_PER_SEC);
			before = allocated();
			lines_refused = lines_closed = 0;
		}
	}
	cr_assert_eq(duo_counters(d, DUO_R).auth_failed, MANY + 1);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 0);
	cr_assert_leq(lines_refused + lines_closed, 10);
	cr_assert_geq(lines_refused, 1);
	full = allocated() - before;
	of_one = full / AT_ONCE;
	cr_assert_leq(of_one, IKE_HALF_OPEN_OCTETS, "%zu octets each", of_one);
	duo_wait(d, 31 * USEC_PER_SEC);
	cr_assert_leq(allocated(), before + 32768, "%zu octets are kept", allocated() - before);
	log_set_sink(NULL, NULL);
	duo_free(d);
}

/* The shortest request that is looked at, from an address that may be anybody's: what goes there is
 * no longer than what came. */
Test(dos, no_amplification)
{
	struct ike_hdr h = { .spi_i = 1,
			     .version = IKE_VERSION_2_0,
			     .exchange = IKE_SA_INIT,
			     .flags = IKE_FLAG_INITIATOR };
	struct sa_payload offer = { .n = 1 };
	struct addr from = addr_v4(0xcb007101);
	struct duo *d = open_house(1000, 0);
	uint8_t buf[DUO_MSG_MAX], nonce[16] = { 1 };
	struct ike_path p = duo_path(DUO_R, 500);
	struct msg_wr m;
	size_t len;

	duo_free(d);
	d = new_duo();
	d->side[DUO_R].cfg.cookie_threshold = 1;
	cr_assert_eq(duo_start(d), 0);
	len = request(buf, 0);
	give(d, &from, 1, buf, len);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 1);

	offer.p[0] = (struct proposal){ .number = 1, .protocol = PROTO_IKE };
	offer.p[0].n_transforms = 1;
	offer.p[0].transforms[0] =
		(struct transform){ .type = TRANSFORM_ENCR, .id = ENCR_AES_GCM_16 };
	m = msg_begin(buf, sizeof(buf), &h);
	msg_put_sa(&m, &offer);
	msg_put_ke(&m, KE_X25519, nonce, 1);
	msg_put_nonce(&m, nonce, sizeof(nonce));
	len = msg_end(&m);
	p.remote = (struct udp_addr){ from, 4711 };
	cr_assert_eq(duo_give(d, DUO_R, &p, buf, len), 1);
	cr_assert_leq(d->wire[0].len, len, "%zu octets for %zu", d->wire[0].len, len);
	cr_assert_geq(duo_counters(d, DUO_R).cookies_sent, 1);
	duo_free(d);
}

/* ---- errors that anybody could have sent ---- */

static unsigned lines_doubt;

static void count_doubts(void *ctx, enum log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	lines_doubt += strstr(line, "in answer to IKE_SA_INIT") != NULL;
}

/* An initiator hears thousands of them, tells of the first, and is not kept from its set-up. */
Test(dos, forged_refusals)
{
	struct duo *d = open_house(1000, 0);
	struct ike_hdr h;
	struct duo_msg m;
	uint8_t buf[64];

	log_set_sink(count_doubts, NULL);
	cr_assert_eq(duo_up(d), 0);
	cr_assert(duo_take(d, &m));
	h = hdr_of(m.buf, m.len);
	h.flags = IKE_FLAG_RESPONSE;
	log_set_level(LOG_DEBUG_);
	for (unsigned i = 0; i < 5000; i++) {
		struct ike_path back = duo_path(DUO_I, 500);
		struct msg_wr w = msg_begin(buf, sizeof(buf), &h);

		msg_put_notify(&w, PROTO_NONE, NULL, 0, (uint16_t)(14 + i % 20), NULL, 0);
		cr_assert_eq(duo_give(d, DUO_I, &back, buf, msg_end(&w)), 0);
	}
	log_set_sink(NULL, NULL);
	log_set_level(LOG_ERR_);
	cr_assert_leq(lines_doubt, 2);
	cr_assert_geq(lines_doubt, 1);
	duo_deliver(d, &m);
	cr_assert(duo_settle(d));
	cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 1);
	duo_free(d);
}

/* IKE_SA_INIT is never cut [FRG-1]: fragments of one are nothing, with a cookie or without. */
Test(dos, fragments_of_ike_sa_init)
{
	struct duo *d = open_house(1000, 0);
	struct ike_hdr h = { .version = IKE_VERSION_2_0,
			     .exchange = IKE_SA_INIT,
			     .flags = IKE_FLAG_INITIATOR };
	struct ike_path p = duo_path(DUO_R, 500);
	uint8_t buf[256], part[100] = { 0, 1, 0, 2 };

	for (unsigned i = 0; i < 1000; i++) {
		struct msg_wr m;

		h.spi_i = i + 1;
		m = msg_begin(buf, sizeof(buf), &h);
		if (i & 1)
			msg_put_notify(&m, PROTO_NONE, NULL, 0, N_COOKIE, part, 32);
		msg_put_ke(&m, 1, part, sizeof(part)); /* the same generic header */
		buf[i & 1 ? 28 : 16] = PLD_SKF;
		wr_put_u16_at(&m.w, m.w.len - sizeof(part) - 4, 1 + i % 2);
		wr_put_u16_at(&m.w, m.w.len - sizeof(part) - 2, 2);
		cr_assert_eq(duo_give(d, DUO_R, &p, buf, msg_end(&m)), 0);
	}
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 0);
	cr_assert_eq(duo_counters(d, DUO_R).fragment_octets, 0);
	cr_assert_eq(duo_counters(d, DUO_R).cookies_sent, 0);
	cr_assert_eq(duo_counters(d, DUO_R).dropped_syntax, 1000);
	duo_free(d);
}
