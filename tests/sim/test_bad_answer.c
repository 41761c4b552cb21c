/* SPDX-License-Identifier: GPL-2.0-only */
/* A peer that has the keys and answers what it should not: errors of every kind, more than was
 * offered, less than was asked. Side 0 asks; the test answers with side 1's keys. */
#include <criterion/criterion.h>
#include <string.h>

#include "crypto/alg.h"
#include "duo_assert.h"

static struct duo *d;
static struct duo_msg request;
static struct ike_msg asked; /* borrows from request */
static struct msg_wr w;
static uint8_t inner[2048];

static void setup(void)
{
	d = new_duo();
	d->side[DUO_I].child.tfc = 700;
	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d), "%s", d->e[DUO_I].failure);
	w = msg_begin_inner(inner, sizeof(inner));
}

static void teardown(void)
{
	duo_free(d);
}

TestSuite(bad_answer, .init = setup, .fini = teardown);

/* The request that waits on the wire, which side 1 never gets. */
static void take_request(uint8_t exchange)
{
	duo_wait(d, 0);
	cr_assert_eq(d->n, 1, "%zu requests", d->n);
	cr_assert(duo_take(d, &request));
	memset(&asked, 0, sizeof(asked));
	cr_assert(duo_open(d, DUO_I, 0, &request, &asked));
	cr_assert_eq(asked.hdr.exchange, exchange);
}

static void ask_child_rekey(void)
{
	cr_assert_eq(ike_rekey(d->e[DUO_I].ike, "duo", "net", 2, d->now), 0);
	take_request(CREATE_CHILD_SA);
}

static void ask_ike_rekey(void)
{
	cr_assert_eq(ike_rekey(d->e[DUO_I].ike, "duo", NULL, 2, d->now), 0);
	take_request(CREATE_CHILD_SA);
}

static void ask_child_delete(void)
{
	cr_assert_eq(ike_down(d->e[DUO_I].ike, "duo", "net", 2, d->now), 0);
	take_request(INFORMATIONAL);
	cr_assert_eq(asked.n_deletes, 1);
}

/* Answer the request with `len` octets of `inner`; what side 0 sends upon it is on the wire. */
static void answer_octets(uint8_t first, size_t len)
{
	struct ike_hdr h = asked.hdr;
	uint8_t buf[DUO_MSG_MAX];
	struct ike_path path = duo_path(DUO_I, 4500);
	size_t n;

	h.flags = IKE_FLAG_RESPONSE;
	n = duo_seal(d, DUO_R, 0, &h, first, inner, len, buf, sizeof(buf));
	cr_assert_gt(n, 0);
	duo_give(d, DUO_I, &path, buf, n);
	w = msg_begin_inner(inner, sizeof(inner));
}

static void answer(void)
{
	size_t len = msg_end(&w);

	cr_assert_eq(w.w.err, 0);
	answer_octets(w.first, len);
}

static void answer_notify(uint16_t type)
{
	msg_put_notify(&w, PROTO_NONE, NULL, 0, type, NULL, 0);
	answer();
}

static void assert_up(void)
{
	cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 1);
	cr_assert_eq(d->e[DUO_I].child_adds, 1);
	cr_assert_eq(d->e[DUO_I].child_dels, 0);
}

/* And nothing is said about it: [INF-10]. */
static void assert_closed_in_silence(void)
{
	cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED") + duo_count(d, DUO_I, "DELETING"), 0);
	cr_assert_eq(d->e[DUO_I].child_adds, 1);
	cr_assert_eq(d->e[DUO_I].child_dels, 1);
	cr_assert_eq(d->n, 0);
	duo_wait(d, 60 * USEC_PER_SEC);
	cr_assert_eq(d->n, 0);
	cr_assert_eq(ike_sa_count(d->e[DUO_I].ike), 0);
}

static void ask_liveness(void)
{
	teardown();
	d = new_duo();
	d->side[DUO_I].conn.dpd_delay = 10 * USEC_PER_SEC;
	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d));
	duo_wait(d, 11 * USEC_PER_SEC);
	take_request(INFORMATIONAL);
}

static void (*const questions[])(void) = { ask_child_rekey, ask_ike_rekey, ask_child_delete,
					   ask_liveness };
enum { QUESTIONS = sizeof(questions) / sizeof(questions[0]) };

/* [SK-6]: who says INVALID_SYNTAX has closed its end: so do we, whatever it was about. */
Test(bad_answer, invalid_syntax)
{
	for (unsigned i = 0; i < QUESTIONS; i++) {
		questions[i]();
		answer_notify(N_INVALID_SYNTAX);
		assert_closed_in_silence();
		teardown();
		setup();
	}
}

/* [INF-10] [PLD-2]: an answer that verifies and cannot be read gets none. */
Test(bad_answer, malformed)
{
	for (unsigned i = 0; i < QUESTIONS; i++) {
		questions[i]();
		msg_put_vendor(&w, "abcd", 4);
		answer_octets(PLD_VENDOR, msg_end(&w) - 1);
		assert_closed_in_silence();
		teardown();
		setup();
	}
}

/* [INF-8] [REK-18] [REK-17]: the request came to nothing, and that is all. */
Test(bad_answer, errors_known_and_unknown)
{
	static const uint16_t types[] = {
		N_NO_ADDITIONAL_SAS,
		N_NO_PROPOSAL_CHOSEN,
		N_TS_UNACCEPTABLE,
		N_INVALID_KE_PAYLOAD,
		N_INVALID_SELECTORS,
		N_UNSUPPORTED_CRITICAL_PAYLOAD,
		8191,
		16383,
	};

	for (unsigned i = 0; i < 2 * sizeof(types) / sizeof(types[0]); i++) {
		questions[i % 2]();
		answer_notify(types[i / 2]);
		cr_assert_eq(d->e[DUO_I].failures, 1, "%u", types[i / 2]);
		cr_assert_eq(d->n, 0);
		cr_assert_eq(d->e[DUO_I].spis, 1);
		assert_up();
		teardown();
		setup();
	}
}

/* [INF-8]: a status is no answer at all. */
Test(bad_answer, status_only)
{
	for (unsigned i = 0; i < 2; i++) {
		questions[i]();
		answer_notify(40999);
		cr_assert_eq(d->e[DUO_I].failures, 1);
		assert_up();
		teardown();
		setup();
	}
}

/* [REK-13]: gone, without a Delete for what the peer has not. */
Test(bad_answer, child_not_found)
{
	uint8_t spi[4];

	ask_child_rekey();
	memcpy(spi, msg_notify(&asked, N_REKEY_SA)->spi.p, 4);
	msg_put_notify(&w, PROTO_ESP, spi, 4, N_CHILD_SA_NOT_FOUND, NULL, 0);
	answer();
	cr_assert_eq(d->n, 0);
	cr_assert_eq(d->e[DUO_I].child_dels, 1);
	cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 1);
	duo_wait(d, 60 * USEC_PER_SEC);
	cr_assert_eq(d->n, 0);
}

/* [REK-12]: again and again, later each time; after minutes the two ends do not agree about what
 * there is, and the IKE SA is closed. */
Test(bad_answer, temporary_failure_for_ever)
{
	for (unsigned i = 0; i < 2; i++) {
		usec_t start = d->now, asked_at = d->now, pause = 0;
		unsigned tries = 0;

		questions[i]();
		while (asked.hdr.exchange == CREATE_CHILD_SA) {
			cr_assert_lt(++tries, 20);
			answer_notify(N_TEMPORARY_FAILURE);
			while (!d->n && d->now < start + 1800 * USEC_PER_SEC)
				duo_wait(d, USEC_PER_SEC / 4);
			cr_assert_eq(d->n, 1);
			cr_assert(duo_take(d, &request));
			memset(&asked, 0, sizeof(asked));
			cr_assert(duo_open(d, DUO_I, 0, &request, &asked));
			if (asked.hdr.exchange != CREATE_CHILD_SA)
				break;
			cr_assert_geq(d->now - asked_at, pause);
			pause = d->now - asked_at;
			asked_at = d->now;
		}
		cr_assert_geq(tries, 5);
		cr_assert_geq(d->now - start, 60 * USEC_PER_SEC);
		cr_assert_leq(d->now - start, 600 * USEC_PER_SEC);
		cr_assert_eq(asked.n_deletes, 1);
		cr_assert_eq(asked.deletes[0].protocol, PROTO_IKE);
		teardown();
		setup();
	}
}

/* ---- an SA that was not offered ---- */

enum oddity {
	NOTHING,
	TWO_PROPOSALS,
	TWO_CIPHERS,
	NO_ESN,
	OTHER_NUMBER,
	OTHER_CIPHER,
	GROUP_ADDED,
	OTHER_PROTOCOL,
	LONG_SPI,
	RESERVED_SPI,
	WIDER,
	NARROWER,
	MANY_SELECTORS,
	NO_SELECTOR,
	TRANSPORT,
	NO_NONCE,
	ODDITIES
};

static void put_selectors(uint8_t type, const struct ts_list *from, enum oddity odd)
{
	struct ts_list l = *from;

	if (odd == NO_SELECTOR)
		l.n = 0;
	if (odd == MANY_SELECTORS) /* each of them ours, and more than go into an SA */
		for (l.n = 0; l.n <= IKE_TS_MAX; l.n++)
			l.ts[l.n] = from->ts[0];
	if (odd == WIDER)
		l.ts[0].last.b[1]++;
	if (odd == NARROWER)
		l.ts[0].last = l.ts[0].first;
	msg_put_ts(&w, type, &l);
}

static void put_child(enum oddity odd)
{
	struct sa_payload sa = asked.sa;
	struct proposal *p = &sa.p[0];

	p->spi = odd == RESERVED_SPI ? 255 : 0xabcd0001;
	if (odd == TWO_PROPOSALS) {
		sa.n = 2;
		sa.p[1] = *p;
		sa.p[1].number++;
	}
	if (odd == TWO_CIPHERS)
		p->transforms[p->n_transforms++] = p->transforms[0];
	if (odd == NO_ESN)
		p->n_transforms--;
	if (odd == GROUP_ADDED)
		p->transforms[p->n_transforms++] =
			(struct transform){ .type = TRANSFORM_KE, .id = KE_X25519 };
	if (odd == OTHER_CIPHER)
		p->transforms[0].key_bits = 128;
	p->number += odd == OTHER_NUMBER;
	p->protocol = odd == OTHER_PROTOCOL ? PROTO_AH : PROTO_ESP;
	p->spi_len = odd == LONG_SPI ? 8 : 4;
	msg_put_sa(&w, &sa);
	if (odd != NO_NONCE)
		msg_put_nonce(&w, "0123456789abcdef0123456789abcdef", 32);
	put_selectors(PLD_TSI, &asked.tsi, odd);
	put_selectors(PLD_TSR, &asked.tsr, NOTHING);
	if (odd == TRANSPORT)
		msg_put_notify(&w, PROTO_NONE, NULL, 0, N_USE_TRANSPORT_MODE, NULL, 0);
}

/* [PRO-1] [PRO-3] [PRO-4] [PRO-11] [TS-5] [TS-6] [TS-11] [ESP-1]: not installed; the peer, which
 * has it, is told to delete it, and keeps the old one. */
Test(bad_answer, child_beyond_the_offer)
{
	struct ike_msg del;
	struct duo_msg m;

	for (enum oddity odd = NOTHING + 1; odd < ODDITIES; odd++) {
		uint32_t spi;
		struct rd r;

		ask_child_rekey();
		spi = (uint32_t)asked.sa.p[0].spi;
		put_child(odd);
		answer();
		cr_assert_eq(d->e[DUO_I].failures, 1, "oddity %d", (int)odd);
		assert_up();
		/* --> INFORMATIONAL { D } for the SPI that was offered */
		cr_assert(duo_take(d, &m), "oddity %d", (int)odd);
		memset(&del, 0, sizeof(del));
		cr_assert(duo_open(d, DUO_I, 0, &m, &del));
		cr_assert_eq(del.n_order, 2);
		cr_assert_eq(del.n_deletes, 1);
		r = rd_init(del.deletes[0].spis.p, del.deletes[0].spis.len);
		cr_assert_eq(rd_u32(&r), spi);
		cr_assert_eq(d->n, 0);
		teardown();
		setup();
	}
}

/* The control. */
Test(bad_answer, child_as_offered)
{
	ask_child_rekey();
	put_child(NOTHING);
	answer();
	cr_assert_eq(d->e[DUO_I].child_adds, 2);
	cr_assert_eq(d->e[DUO_I].failures, 0);
}

/* TFC padding as configured (RFC 7296 1.3.1), unless the peer says that it takes none. */
Test(bad_answer, tfc_padding)
{
	cr_assert_eq(d->e[DUO_I].child.tfc, 700);
	ask_child_rekey();
	put_child(NOTHING);
	msg_put_notify(&w, PROTO_NONE, NULL, 0, N_ESP_TFC_PADDING_NOT_SUPPORTED, NULL, 0);
	answer();
	cr_assert_eq(d->e[DUO_I].child_adds, 2);
	cr_assert_eq(d->e[DUO_I].child.tfc, 0);
}

/* [TS-8]: a rekey asks for what is in use, not for what was asked for once. */
Test(bad_answer, rekey_asks_for_what_is_in_use)
{
	teardown();
	d = new_duo();
	d->side[DUO_I].child.local_ts[0].last = addr_v4(0x0affffff);
	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d));
	ask_child_rekey();
	cr_assert_eq(asked.tsi.n, 1);
	cr_assert(addr_equal(&asked.tsi.ts[0].last, &d->side[DUO_R].child.remote_ts[0].last));
	put_child(NOTHING);
	answer();
	cr_assert_eq(d->e[DUO_I].child_adds, 2);
	cr_assert(addr_equal(&d->e[DUO_I].child.ts_local[0].last, &asked.tsi.ts[0].last));
}

/* The peer narrows what it may not: the new SA goes, the old one keeps its packets, and it is tried
 * again until the lifetime of the old one is over. [TS-8] */
Test(bad_answer, rekey_narrowed)
{
	teardown();
	d = new_duo();
	d->side[DUO_I].child.time = (struct ike_life){ 100 * USEC_PER_SEC, 110 * USEC_PER_SEC, 0 };
	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d));
	duo_wait(d, 100 * USEC_PER_SEC);
	for (unsigned i = 0; i < 3; i++) {
		take_request(CREATE_CHILD_SA);
		put_child(NARROWER);
		answer();
		cr_assert_eq(d->e[DUO_I].failures, 1 + i);
		cr_assert(strstr(d->e[DUO_I].failure, "narrowed"), "%s", d->e[DUO_I].failure);
		assert_up();
		take_request(INFORMATIONAL);
		cr_assert_eq(asked.n_deletes, 1, "of the new one");
		answer();
		duo_wait(d, (UINT64_C(3) << i) * USEC_PER_SEC / 2);
	}
	d->n = 0;
	duo_wait(d, 10 * USEC_PER_SEC);
	cr_assert_eq(d->e[DUO_I].child_dels, 1, "its lifetime is over");
}

/* ---- an IKE SA that was not offered ---- */

enum ike_oddity {
	FINE,
	NO_KE,
	OTHER_GROUP,
	SHORT_KE,
	NONE,
	NO_SPI,
	ZERO_SPI,
	TWO_PRFS,
	WITHOUT_NONCE,
	IKE_ODDITIES
};

static void put_ike(enum ike_oddity odd)
{
	struct sa_payload sa = asked.sa;
	struct proposal *p = &sa.p[0];
	uint8_t ke[32] = { 9 };

	p->spi = odd == ZERO_SPI ? 0 : 0x1234567812345678;
	p->spi_len = odd == NO_SPI ? 0 : 8;
	if (odd == TWO_PRFS)
		p->transforms[p->n_transforms++] =
			(struct transform){ .type = TRANSFORM_PRF, .id = PRF_HMAC_SHA2_256 };
	for (unsigned i = 0; i < p->n_transforms; i++)
		if (p->transforms[i].type == TRANSFORM_KE && odd == NONE)
			p->transforms[i].id = KE_NONE;
	msg_put_sa(&w, &sa);
	if (odd != WITHOUT_NONCE)
		msg_put_nonce(&w, "0123456789abcdef0123456789abcdef", 32);
	if (odd != NO_KE && odd != NONE)
		msg_put_ke(&w, odd == OTHER_GROUP ? KE_ECP_256 : KE_X25519, ke,
			   odd == SHORT_KE ? 31 : 32);
}

/* [PRO-3] [PRO-4] [PRO-11] [REK-14] */
Test(bad_answer, ike_beyond_the_offer)
{
	for (enum ike_oddity odd = FINE; odd < IKE_ODDITIES; odd++) {
		ask_ike_rekey();
		put_ike(odd);
		answer();
		cr_assert_eq(d->e[DUO_I].failures, odd != FINE, "case %d", (int)odd);
		cr_assert_eq(ike_sa_count(d->e[DUO_I].ike), odd == FINE ? 2 : 1);
		cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 1);
		cr_assert_eq(d->e[DUO_I].child_dels, 0);
		teardown();
		setup();
	}
}

/* The peer has a new IKE SA then, and the Child SAs with it, and this side cannot speak on it: not
 * left at that. Tried again, and after three times authenticated anew, beside what there is.
 * [PRO-11] [REK-17] [REK-20] */
Test(bad_answer, unusable_ike_rekeys_end_in_a_new_ike_sa)
{
	for (enum ike_oddity odd = FINE + 1; odd < IKE_ODDITIES; odd++) {
		uint64_t spi = 0;

		ask_ike_rekey();
		for (unsigned i = 0; i < 3; i++) {
			if (i)
				take_request(CREATE_CHILD_SA);
			cr_assert_neq(asked.sa.p[0].spi, spi, "it is another attempt");
			spi = asked.sa.p[0].spi;
			put_ike(odd);
			answer();
			cr_assert_eq(d->e[DUO_I].failures, 1 + i, "case %d", (int)odd);
			cr_assert_eq(d->n, 0);
			assert_up();
			duo_wait(d, (UINT64_C(3) << i) * USEC_PER_SEC / 2);
		}
		cr_assert_eq(d->n, 1);
		cr_assert_eq(d->wire[0].buf[18], IKE_SA_INIT);
		cr_assert(duo_settle(d));
		cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 1);
		cr_assert_eq(d->e[DUO_I].child_adds, 2);
		cr_assert_eq(d->e[DUO_I].failures, 3);
		/* side 1 missed requests of the old one, whose Delete is given up */
		for (unsigned i = 0; i < 10; i++)
			duo_wait(d, USEC_PER_SEC);
		cr_assert_eq(d->e[DUO_I].child_dels, 1);
		cr_assert_eq(ike_sa_count(d->e[DUO_I].ike), 1);
		teardown();
		setup();
	}
}

/* A peer that takes no rekey at all: the same, before the lifetime is over. [REK-17] [REK-16] */
Test(bad_answer, refused_ike_rekeys_end_in_a_new_ike_sa)
{
	teardown();
	d = new_duo();
	d->side[DUO_I].conn.rekey_time = 100 * USEC_PER_SEC;
	d->side[DUO_I].conn.over_time = 30 * USEC_PER_SEC;
	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d));
	duo_wait(d, 100 * USEC_PER_SEC);
	for (unsigned i = 0; i < 3; i++) {
		take_request(CREATE_CHILD_SA);
		answer_notify(N_NO_ADDITIONAL_SAS);
		cr_assert_eq(d->e[DUO_I].failures, 1 + i);
		assert_up();
		duo_wait(d, (UINT64_C(3) << i) * USEC_PER_SEC / 2);
	}
	cr_assert_eq(d->n, 1);
	cr_assert_eq(d->wire[0].buf[18], IKE_SA_INIT);
	cr_assert(duo_settle(d));
	cr_assert_eq(d->e[DUO_I].child_adds, 2);
	cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 1);
}

/* Anybody's INVALID_IKE_SPI to the request, and to each time it is repeated. */
static void disown(void)
{
	struct ike_path path = duo_path(DUO_I, 4500);
	struct ike_hdr h = asked.hdr;
	uint8_t buf[64];
	struct msg_wr m;

	h.flags = IKE_FLAG_RESPONSE;
	m = msg_begin(buf, sizeof(buf), &h);
	msg_put_notify(&m, PROTO_NONE, NULL, 0, N_INVALID_IKE_SPI, NULL, 0);
	duo_give(d, DUO_I, &path, buf, msg_end(&m));
}

/* [AUT-15]: three forged words are believed for want of another, and the peer's own is one, even if
 * it says only that the same request is to come again later. */
Test(bad_answer, the_peer_ends_what_strangers_said)
{
	for (unsigned i = 0; i < 2; i++) {
		questions[i]();
		for (unsigned try = 0; try < 3; try++) {
			disown();
			if (try < 2)
				duo_wait(d, USEC_PER_SEC);
			d->n = 0;
		}
		answer_notify(N_TEMPORARY_FAILURE);
		duo_wait(d, 5 * USEC_PER_SEC);
		duo_wait(d, USEC_PER_SEC / 10);
		cr_assert_eq(ike_sa_count(d->e[DUO_I].ike), 1, "question %u", i);
		cr_assert_eq(duo_counters(d, DUO_I).gave_up, 0);
		cr_assert_eq(d->e[DUO_I].child_dels, 0);
		cr_assert_geq(d->n, 1, "it is asked again");
		teardown();
		setup();
	}
}
