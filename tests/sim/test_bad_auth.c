/* SPDX-License-Identifier: GPL-2.0-only */
/* IKE_SA_INIT and IKE_AUTH with somebody who did the key exchange and does not hold the secret, or
 * answers what was not asked. Anybody can come as far as this. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/log.h"
#include "crypto/alg.h"
#include "duo.h"

static struct duo *d;
static struct ike_msg msg;
static struct duo_msg m;

static void setup(void)
{
	log_set_level(LOG_ERR_);
	d = duo_new();
	cr_assert_not_null(d);
	cr_assert_eq(duo_start(d), 0);
	cr_assert_eq(duo_up(d), 0);
	cr_assert(duo_take(d, &m)); /* the IKE_SA_INIT request */
}

static void teardown(void)
{
	duo_free(d);
}

TestSuite(bad_auth, .init = setup, .fini = teardown);

/* Go on until m is the IKE_AUTH request (2 steps) or response (3 steps), not delivered yet. */
static void advance(int steps)
{
	while (steps--) {
		cr_assert_eq(duo_deliver(d, &m), 1);
		cr_assert(duo_take(d, &m));
	}
}

/* Seal a chain in place of that in m, as the sender of m would. */
static void replace(const struct msg_wr *w)
{
	struct ike_hdr h = msg.hdr;

	cr_assert_eq(w->w.err, 0);
	/* both sides' keys are the same; those of side 0 are at hand */
	m.len = duo_seal(d, DUO_I, 0, &h, w->first, w->w.base, w->w.len, m.buf, sizeof(m.buf));
	cr_assert_gt(m.len, 0);
}

/* What m says, so that a test can say it again with a difference. */
static void read_auth(void)
{
	static struct duo_msg plain;

	plain = m;
	cr_assert(duo_open(d, DUO_I, 0, &plain, &msg));
}

enum difference {
	NOTHING,
	METHOD,
	MAC_SHORT,
	MAC_LONG,
	MAC_EMPTY,
	NO_AUTH,
	NO_ID,
	NO_TS,
	OTHER_ID,
	LONG_ID
};

static void say_again(enum difference what)
{
	static uint8_t buf[2048];
	static const uint8_t zeros[64], many[IKE_ID_MAX + 1];
	struct msg_wr w = msg_begin_inner(buf, sizeof(buf));
	const struct id_payload *id = msg.has_idi ? &msg.idi : &msg.idr;
	size_t mac_len = what == MAC_SHORT   ? msg.auth.len - 1
			 : what == MAC_EMPTY ? 0
					     : msg.auth.len;

	if (what == OTHER_ID)
		msg_put_id(&w, msg.has_idi ? PLD_IDI : PLD_IDR, ID_FQDN, "k.example", 9);
	else if (what == LONG_ID)
		msg_put_id(&w, msg.has_idi ? PLD_IDI : PLD_IDR, ID_KEY_ID, many, sizeof(many));
	else if (what != NO_ID)
		msg_put_id(&w, msg.has_idi ? PLD_IDI : PLD_IDR, id->type, id->data.p, id->data.len);
	if (what == MAC_LONG) {
		uint8_t longer[65];

		memcpy(longer, msg.auth.p, mac_len);
		longer[mac_len] = 0;
		msg_put_auth(&w, msg.auth_method, longer, mac_len + 1);
	} else if (what != NO_AUTH) {
		msg_put_auth(&w, what == METHOD ? AUTH_RSA_SIG : msg.auth_method,
			     what == MAC_EMPTY ? zeros : msg.auth.p, mac_len);
	}
	msg_put_sa(&w, &msg.sa);
	msg_put_ts(&w, PLD_TSI, &msg.tsi);
	if (what != NO_TS)
		msg_put_ts(&w, PLD_TSR, &msg.tsr);
	msg_end(&w);
	replace(&w);
}

/* The control: said again without a difference it is accepted. */
Test(bad_auth, request_said_again_is_fine)
{
	advance(2);
	read_auth();
	say_again(NOTHING);
	duo_deliver(d, &m);
	cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 1);
	cr_assert_eq(d->e[DUO_R].child_adds, 1);
}

/* [AUT-9] [AUT-2] */
Test(bad_auth, request_with_a_difference)
{
	static const struct {
		enum difference what;
		uint16_t answer;
	} cases[] = {
		{ METHOD, N_AUTHENTICATION_FAILED },   { MAC_SHORT, N_AUTHENTICATION_FAILED },
		{ MAC_LONG, N_AUTHENTICATION_FAILED }, { MAC_EMPTY, N_AUTHENTICATION_FAILED },
		{ OTHER_ID, N_AUTHENTICATION_FAILED }, { NO_AUTH, N_AUTHENTICATION_FAILED },
		{ LONG_ID, N_AUTHENTICATION_FAILED },  { NO_ID, N_INVALID_SYNTAX },
		{ NO_TS, N_INVALID_SYNTAX },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		teardown();
		setup();
		advance(2);
		read_auth();
		say_again(cases[i].what);
		cr_assert_eq(duo_deliver(d, &m), 1, "case %zu", i);
		cr_assert(duo_take(d, &m));
		read_auth();
		cr_assert_eq(msg.n_order, 2, "case %zu", i); /* SK and nothing but a notification */
		cr_assert_eq(msg.n_notifies, 1);
		cr_assert_eq(msg.notifies[0].type, cases[i].answer, "case %zu: %s", i,
			     notify_name(msg.notifies[0].type));
		cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 0);
		cr_assert_eq(d->e[DUO_R].child_adds, 0);
		cr_assert_eq(d->e[DUO_R].spis, 0);
		cr_assert_eq(duo_counters(d, DUO_R).half_open, 0);
	}
}

/* [AUT-4] [AUT-9]: the responder that cannot prove who it is; it is told so, and no Child SA is
 * made. */
Test(bad_auth, response_with_a_difference)
{
	static const enum difference cases[] = { METHOD,  MAC_SHORT, MAC_LONG, MAC_EMPTY,
						 NO_AUTH, NO_ID,     OTHER_ID };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		teardown();
		setup();
		advance(3);
		read_auth();
		say_again(cases[i]);
		duo_deliver(d, &m);
		cr_assert(duo_settle(d));
		duo_wait(d, 60 * USEC_PER_SEC);
		cr_assert(duo_settle(d));
		cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 0, "case %zu", i);
		cr_assert_eq(d->e[DUO_I].child_adds, 0);
		cr_assert_eq(d->e[DUO_I].failures, 1, "case %zu", i);
		cr_assert_eq(d->e[DUO_I].spis, 0);
	}
}

/* [TS-6] [PRO-11]: an answer for the Child SA beyond the offer is not installed. */
Test(bad_auth, response_that_widens)
{
	advance(3);
	read_auth();
	msg.tsr.ts[0].first = addr_v4(0);
	msg.tsr.ts[0].last = addr_v4(UINT32_MAX);
	say_again(NOTHING);
	duo_deliver(d, &m);
	cr_assert_eq(d->e[DUO_I].child_adds, 0);
	cr_assert_eq(d->e[DUO_I].failures, 1);
}

Test(bad_auth, response_with_an_algorithm_not_offered)
{
	advance(3);
	read_auth();
	msg.sa.p[0].transforms[0].key_bits = 128;
	say_again(NOTHING);
	duo_deliver(d, &m);
	cr_assert_eq(d->e[DUO_I].child_adds, 0);
	cr_assert_eq(d->e[DUO_I].failures, 1);
}

/* [INI-5] [INI-7]: a value for another group than the one asked with is no answer; the true one is.
 */
Test(bad_auth, init_response_of_another_group)
{
	struct duo_msg right;
	struct ike_msg in;
	uint8_t critical;

	advance(1);
	right = m;
	cr_assert_eq(msg_decode(right.buf, right.len, &in, &critical), MSG_OK);
	m.buf[in.ke.p - right.buf - 3] ^= 1; /* RFC 7296 3.4: group, two reserved octets, data */
	cr_assert_eq(duo_deliver(d, &m), 0);
	cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 0);
	cr_assert_eq(duo_deliver(d, &right), 1);
	cr_assert(duo_settle(d));
	cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 1);
}

/* [MID-4] [MID-5]: what has the Message ID of the last request but not its octets is no
 * retransmission, and gets no answer. */
Test(bad_auth, changed_copy_of_the_last_request)
{
	struct duo_msg req;
	unsigned long long dropped;

	advance(2);
	req = m;
	advance(1);
	dropped = duo_counters(d, DUO_R).dropped_window;
	req.buf[req.len - 1] ^= 1;
	cr_assert_eq(duo_deliver(d, &req), 0);
	cr_assert_eq(duo_counters(d, DUO_R).dropped_window, dropped + 1);
	req.buf[req.len - 1] ^= 1;
	cr_assert_eq(duo_deliver(d, &req), 1);
}

/* An IKE_SA_INIT answer from nowhere, with one notification. Returns what side 0 sends upon it. */
static size_t forge_from(uint64_t spi_r, uint16_t type, const void *data, size_t len)
{
	uint8_t buf[256];
	struct rd r = rd_init(m.buf, m.len);
	struct ike_path path = duo_path(DUO_I, 500);
	struct ike_hdr h;
	struct msg_wr w;

	cr_assert_eq(ike_hdr_get(&r, &h), 0);
	h.flags = IKE_FLAG_RESPONSE;
	h.spi_r = spi_r;
	w = msg_begin(buf, sizeof(buf), &h);
	msg_put_notify(&w, 0, NULL, 0, type, data, len);
	return duo_give(d, DUO_I, &path, buf, msg_end(&w));
}

static size_t forge(uint16_t type, const void *data, size_t len)
{
	return forge_from(0, type, data, len);
}

/* [INI-5]: neither the group that was sent nor one that was never offered is tried. */
Test(bad_auth, forged_invalid_ke)
{
	cr_assert_eq(forge(N_INVALID_KE_PAYLOAD, "\0\x1f", 2), 0); /* the one sent */
	cr_assert_eq(forge(N_INVALID_KE_PAYLOAD, "\0\x02", 2), 0); /* a weak one, not offered */
	cr_assert_eq(forge(N_INVALID_KE_PAYLOAD, "\0", 1), 0);
	cr_assert_eq(forge(N_INVALID_KE_PAYLOAD, NULL, 0), 0);
	cr_assert_eq(d->e[DUO_I].failures, 0);
	duo_deliver(d, &m); /* the true responder is heard all the same */
	cr_assert(duo_settle(d));
	cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 1);
}

/* [INI-1] [INI-4]: cookies of 1 to 64 octets, and not round and round. */
Test(bad_auth, forged_cookies)
{
	uint8_t cookie[65] = { 1 };
	size_t sent = 0;

	cr_assert_eq(forge(N_COOKIE, cookie, 0), 0);
	cr_assert_eq(forge(N_COOKIE, cookie, 65), 0);
	cr_assert_eq(forge(N_COOKIE, cookie, 64), 1);
	for (int i = 0; i < 100; i++) {
		cookie[0]++;
		sent += forge(N_COOKIE, cookie, 64);
	}
	cr_assert_leq(sent, 10);
}

/* [INI-4]: a responder that has an SPI already may ask for a cookie. */
Test(bad_auth, cookie_with_an_spi)
{
	cr_assert_eq(forge_from(0x1234, N_COOKIE, "abcd", 4), 1);
	d->n = 0;
	duo_deliver(d, &m);
	cr_assert_eq(d->n, 1);
}

/* [DOS-1] [DOS-3]: a puzzle is left unsolved: its cookie comes back, and the peer serves us when it
 * has time; without a cookie it is nothing. Nor does anybody lead us elsewhere (REDIRECT). */
Test(bad_auth, puzzle)
{
	enum { REDIRECT = 16407, PUZZLE = 16434 };
	static struct ike_msg in;
	struct ike_path path = duo_path(DUO_I, 500);
	struct rd r = rd_init(m.buf, m.len);
	uint8_t buf[256], critical;
	struct duo_msg again;
	struct ike_hdr h;
	struct msg_wr w;

	cr_assert_eq(forge(PUZZLE, "\0\5\x10", 3), 0);
	cr_assert_eq(forge(REDIRECT, "\1\4\xcb\0\x71\x01", 6), 0);
	cr_assert_eq(ike_hdr_get(&r, &h), 0);
	h.flags = IKE_FLAG_RESPONSE;
	w = msg_begin(buf, sizeof(buf), &h);
	msg_put_notify(&w, 0, NULL, 0, N_COOKIE, "a cookie", 8);
	msg_put_notify(&w, 0, NULL, 0, PUZZLE, "\0\5\x10", 3);
	cr_assert_eq(duo_give(d, DUO_I, &path, buf, msg_end(&w)), 1);
	cr_assert(duo_take(d, &again));
	cr_assert(addr_equal(&again.path.local.ip, &m.path.local.ip));
	cr_assert_eq(msg_decode(again.buf, again.len, &in, &critical), MSG_OK);
	cr_assert_eq(msg_notify(&in, N_COOKIE)->data.len, 8);
	cr_assert_null(msg_notify(&in, PUZZLE));
	cr_assert_eq(d->e[DUO_I].failures, 0);
}

/* [AUT-15] [INI-7] [INF-11]: while IKE_AUTH waits for its answer anybody can say that it failed.
 * [VUL-13] */
Test(bad_auth, forged_errors_in_ike_auth)
{
	static const uint16_t types[] = { N_AUTHENTICATION_FAILED, N_INVALID_SYNTAX,
					  N_INVALID_IKE_SPI,	   N_NO_PROPOSAL_CHOSEN,
					  N_INVALID_MAJOR_VERSION, 16000 };
	struct ike_hdr h;
	struct rd r;

	advance(2);
	r = rd_init(m.buf, m.len);
	cr_assert_eq(ike_hdr_get(&r, &h), 0);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		cr_assert_eq(forge_from(h.spi_r, types[i], NULL, 0), 0);
	cr_assert_eq(d->e[DUO_I].failures, 0);
	advance(1);
	duo_deliver(d, &m);
	cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 1);
}
