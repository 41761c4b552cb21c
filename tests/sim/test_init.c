/* SPDX-License-Identifier: GPL-2.0-only */
/* IKE_SA_INIT requests made by hand, each different from a good one in one thing that matters: what
 * the responder makes of it. */
#include <criterion/criterion.h>
#include <string.h>

#include "crypto/alg.h"
#include "crypto/prf.h"
#include "duo_assert.h"

static struct duo *d;
static struct ike_msg good; /* borrows from octets */
static struct duo_msg octets, got;
static struct msg_wr w;
static uint8_t buf[DUO_MSG_MAX];
static struct ike_msg answer; /* borrows from got */

static void setup(void)
{
	uint8_t critical;

	d = new_duo();
	d->side[DUO_R].cfg.cookie_threshold = 1;
	cr_assert_eq(duo_start(d), 0);
	cr_assert_eq(duo_up(d), 0);
	cr_assert(duo_take(d, &octets));
	cr_assert_eq(msg_decode(octets.buf, octets.len, &good, &critical), MSG_OK);
}

static void teardown(void)
{
	duo_free(d);
}

TestSuite(init, .init = setup, .fini = teardown);

/* Another initiator each time. */
static void begin(void)
{
	good.hdr.spi_i++;
	w = msg_begin(buf, sizeof(buf), &good.hdr);
}

static void put_rest(const struct sa_payload *sa)
{
	msg_put_sa(&w, sa);
	msg_put_ke(&w, good.ke_group, good.ke.p, good.ke.len);
	msg_put_nonce(&w, good.nonce.p, good.nonce.len);
}

/* Answers to it; the first is in `answer`. */
static size_t ask(void)
{
	size_t n = duo_give(d, DUO_R, &octets.path, buf, msg_end(&w));
	uint8_t critical;

	cr_assert_eq(w.w.err, 0);
	if (n) {
		cr_assert(duo_take(d, &got));
		memset(&answer, 0, sizeof(answer));
		cr_assert_eq(msg_decode(got.buf, got.len, &answer, &critical), MSG_OK);
	}
	d->n = 0;
	return n;
}

static void ask_another(void)
{
	begin();
	put_rest(&good.sa);
	cr_assert_eq(ask(), 1);
}

/* The last one again. */
static void ask_with_cookie(const void *data, size_t len)
{
	w = msg_begin(buf, sizeof(buf), &good.hdr);
	msg_put_notify(&w, 0, NULL, 0, N_COOKIE, data, len);
	put_rest(&good.sa);
	cr_assert_eq(ask(), 1);
}

/* [HDR-3] */
Test(init, spi_zero)
{
	good.hdr.spi_i = UINT64_MAX; /* the next one is 0 */
	begin();
	put_rest(&good.sa);
	cr_assert_eq(ask(), 0);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 0);
	good.hdr.spi_r = 1;
	begin();
	put_rest(&good.sa);
	cr_assert_eq(ask(), 0);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 0);
}

/* [INI-2] [INI-3]: the secret changes every minute, and the one before is good for another. */
Test(init, cookies_grow_old)
{
	static const struct {
		unsigned sec;
		bool taken;
	} rows[] = { { 0, true }, { 59, true }, { 61, true }, { 118, true }, { 125, false } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint8_t cookie[64];
		uint64_t spi_i;
		size_t len;

		teardown();
		setup();
		ask_another(); /* half-open from now on */
		cr_assert(answer.has_sa);
		ask_another();
		cr_assert(!answer.has_sa && msg_notify(&answer, N_COOKIE));
		len = msg_notify(&answer, N_COOKIE)->data.len;
		memcpy(cookie, msg_notify(&answer, N_COOKIE)->data.p, len);
		spi_i = good.hdr.spi_i;
		duo_wait(d, rows[i].sec * USEC_PER_SEC);
		if (!duo_counters(d, DUO_R).half_open) {
			ask_another();
			cr_assert(answer.has_sa);
		}
		good.hdr.spi_i = spi_i;
		ask_with_cookie(cookie, len);
		cr_assert_eq(answer.has_sa, rows[i].taken, "after %u s", rows[i].sec);
		if (!rows[i].taken)
			cr_assert_not_null(msg_notify(&answer, N_COOKIE));
	}
}

/* [MID-14]: two initiators behind one NAT may have chosen the same SPI. */
Test(init, same_spi_twice)
{
	uint8_t nonce[32] = { 1 }, cookie[64];
	size_t len;

	ask_another();
	cr_assert(answer.has_sa);
	good.nonce = (struct bytes){ nonce, sizeof(nonce) };
	good.hdr.spi_i--;
	ask_another();
	len = msg_notify(&answer, N_COOKIE)->data.len;
	memcpy(cookie, msg_notify(&answer, N_COOKIE)->data.p, len);
	ask_with_cookie(cookie, len);
	cr_assert(answer.has_sa);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 2);
}

/* [PRO-1] [PRO-7]: what nobody knows spoils one transform or one proposal; the next is as good as
 * if it stood alone, under its own number. */
Test(init, unusable_proposals)
{
	enum { UNKNOWN_TYPE, UNKNOWN_CIPHER, NO_PRF, NO_GROUP, INTEG_BESIDE_AEAD, CASES };

	for (int what = 0; what < CASES; what++) {
		struct sa_payload sa = good.sa;
		struct proposal *p = &sa.p[0];

		teardown();
		setup();
		sa = good.sa;
		p = &sa.p[0];
		sa.p[1] = sa.p[0];
		sa.p[1].number = 2;
		sa.n = 2;
		for (unsigned i = 0; i < p->n_transforms; i++) {
			struct transform *t = &p->transforms[i];

			if ((what == UNKNOWN_CIPHER && t->type == TRANSFORM_ENCR) ||
			    (what == NO_PRF && t->type == TRANSFORM_PRF) ||
			    (what == NO_GROUP && t->type == TRANSFORM_KE))
				t->id = 999;
		}
		if (what == UNKNOWN_TYPE)
			p->transforms[p->n_transforms++] =
				(struct transform){ .type = 99, .id = 1 };
		if (what == INTEG_BESIDE_AEAD)
			p->transforms[p->n_transforms++] =
				(struct transform){ .type = TRANSFORM_INTEG,
						    .id = INTEG_HMAC_SHA2_256_128 };
		begin();
		put_rest(&sa);
		cr_assert_eq(ask(), 1);
		cr_assert(answer.has_sa, "case %d", what);
		cr_assert_eq(answer.sa.n, 1);
		cr_assert_eq(answer.sa.p[0].number, 2, "case %d", what);
	}
}

/* [PRO-7]: beside the unknown cipher and the unknown attribute the known one is chosen. */
Test(init, unusable_transforms)
{
	struct sa_payload sa = good.sa;
	struct proposal *p = &sa.p[0];

	memmove(&p->transforms[2], &p->transforms[0], p->n_transforms * sizeof(p->transforms[0]));
	p->n_transforms += 2;
	p->transforms[0] =
		(struct transform){ .type = TRANSFORM_ENCR, .id = 40000, .key_bits = 128 };
	p->transforms[1] =
		(struct transform){ .type = TRANSFORM_ENCR, .id = ENCR_AES_GCM_16, .key_bits = 77 };
	begin();
	put_rest(&sa);
	cr_assert_eq(ask(), 1);
	cr_assert(answer.has_sa);
	for (unsigned i = 0; i < answer.sa.p[0].n_transforms; i++)
		if (answer.sa.p[0].transforms[i].type == TRANSFORM_ENCR)
			cr_assert_eq(answer.sa.p[0].transforms[i].key_bits, 256);
}

/* [PRO-4]: an SPI in a proposal of IKE_SA_INIT is none, the number of octets says so. */
Test(init, spi_in_the_proposal)
{
	struct sa_payload sa = good.sa;

	sa.p[0].spi_len = 8;
	sa.p[0].spi = 0x1234;
	begin();
	put_rest(&sa);
	cr_assert_eq(ask(), 1);
	cr_assert(!answer.has_sa);
	cr_assert_not_null(msg_notify(&answer, N_NO_PROPOSAL_CHOSEN));
}

static void nat_hash(const struct udp_addr *a, uint8_t out[SHA1_OCTETS])
{
	uint8_t in[64];
	struct wr x = wr_init(in, sizeof(in));
	struct chunk c = { in, 0 };

	wr_u64(&x, good.hdr.spi_i);
	wr_u64(&x, good.hdr.spi_r);
	wr_bytes(&x, a->ip.b, addr_len(&a->ip));
	wr_u16(&x, a->port);
	c.len = x.len;
	cr_assert_eq(sha1_digest(&c, 1, out), 0);
}

/* [NAT-1] [NAT-2]: one source of several is the true one, in whatever place; none is, and there is
 * a NAT. What the initiator makes of an answer shows it, before AUTH does not fit. */
Test(init, several_sources)
{
	for (unsigned fits = 0; fits < 4; fits++) {
		uint8_t sha1[SHA1_OCTETS], critical;
		struct ike_sa_info info;
		struct udp_addr a;

		teardown();
		setup();
		cr_assert_eq(duo_deliver(d, &octets), 1);
		cr_assert(duo_take(d, &octets));
		cr_assert_eq(msg_decode(octets.buf, octets.len, &good, &critical), MSG_OK);
		w = msg_begin(buf, sizeof(buf), &good.hdr);
		put_rest(&good.sa);
		a = octets.path.remote;
		for (unsigned i = 0; i < 3; i++) {
			a.port = i == fits ? octets.path.remote.port : (uint16_t)(7000 + i);
			nat_hash(&a, sha1);
			msg_put_notify(&w, 0, NULL, 0, N_NAT_DETECTION_SOURCE_IP, sha1,
				       sizeof(sha1));
		}
		nat_hash(&octets.path.local, sha1);
		msg_put_notify(&w, 0, NULL, 0, N_NAT_DETECTION_DESTINATION_IP, sha1, sizeof(sha1));
		cr_assert_eq(duo_give(d, DUO_I, &octets.path, buf, msg_end(&w)), 1);
		cr_assert(ike_sa_at(d->e[DUO_I].ike, 0, &info));
		cr_assert_eq(info.nat_remote, fits == 3, "%u", fits);
		cr_assert_not(info.nat_local);
	}
}

/* [NAT-3] a responder that knows no NAT traversal, or has it switched off: everything stays on port
 * 500, and ESP out of UDP. */
Test(init, responder_without_nat_traversal)
{
	uint8_t critical;

	cr_assert_eq(duo_deliver(d, &octets), 1);
	cr_assert(duo_take(d, &octets));
	cr_assert_eq(msg_decode(octets.buf, octets.len, &good, &critical), MSG_OK);
	w = msg_begin(buf, sizeof(buf), &good.hdr);
	put_rest(&good.sa);
	cr_assert_eq(duo_give(d, DUO_I, &octets.path, buf, msg_end(&w)), 1);
	cr_assert(duo_take(d, &got));
	cr_assert_eq(hdr_of(got.buf, got.len).exchange, IKE_AUTH);
	cr_assert_eq(got.path.local.port, 500);
	cr_assert_eq(got.path.remote.port, 500);
}

/* What belongs to extensions that we do not speak is neither believed nor repeated, and the rest is
 * answered as if it were not there: the reasons in tests/requirements for what they ask. */
Test(init, extensions_we_do_not_speak)
{
	static const uint16_t others[] = {
		16395 /* multiple authentications */,
		16406 /* REDIRECT_SUPPORTED */,
		16407 /* REDIRECT */,
		16408 /* REDIRECTED_FROM */,
		16409 /* TICKET_REQUEST */,
		16420 /* message id synchronisation */,
		16434 /* PUZZLE */,
		16435 /* USE_PPK */,
		16438 /* IKE_INTERMEDIATE */,
		16444 /* SA_RESOURCE_INFO */,
	};
	static const uint16_t ours[] = { N_NAT_DETECTION_SOURCE_IP, N_NAT_DETECTION_DESTINATION_IP,
					 N_IKEV2_FRAGMENTATION_SUPPORTED,
					 N_SIGNATURE_HASH_ALGORITHMS, N_CHILDLESS_IKEV2_SUPPORTED };

	begin();
	put_rest(&good.sa);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		msg_put_notify(&w, 0, NULL, 0, others[i], "abcdefgh", 8);
	cr_assert_eq(ask(), 1);
	cr_assert(answer.has_sa && answer.has_ke && answer.has_nonce);
	for (unsigned i = 0; i < answer.n_notifies; i++) {
		bool known = false;

		for (size_t k = 0; k < sizeof(ours) / sizeof(*ours); k++)
			known |= answer.notifies[i].type == ours[k];
		cr_assert(known, "%u", answer.notifies[i].type);
	}
}
