/* SPDX-License-Identifier: GPL-2.0-only */
/* Quick crash detection (RFC 6290) [QCD-1] [ROB-7]: user/ike/qcd.c, both roles. */
#include <string.h>

#include "duo_assert.h"
#include "sim_assert.h"

static const uint8_t secrets[3][IKE_QCD_SECRET_OCTETS] = { "secret of A", "secret of B",
							   "another" };

static struct sim *up_with_tokens(uint64_t seed)
{
	struct sim *s = sim_new(seed, false);

	sim_start(s);
	for (unsigned side = 0; side < 2; side++)
		ike_qcd_secret(s->side[side].ike, secrets[side]);
	cr_assert_eq(sim_up(s, A, NULL, 1), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	sound(s, 1);
	return s;
}

/* That side begins anew, with that secret. */
static void crash(struct sim *s, unsigned side, unsigned secret)
{
	sim_fresh(s, side);
	ike_qcd_secret(s->side[side].ike, secrets[secret]);
}

/* The other side asks something; is its IKE SA gone within that time? */
static bool gone_after(struct sim *s, unsigned side, usec_t usec)
{
	cr_assert_eq(ike_rekey(s->side[side].ike, "c", "net", 9, s->now), 0);
	sim_run(s, usec);
	return ike_sa_count(s->side[side].ike) == 0;
}

/* Whoever crashes, the other one drops everything at its first request, without a Delete (4.5). */
Test(qcd, a_crash_is_proved)
{
	for (unsigned side = 0; side < 2; side++) {
		struct sim *s = up_with_tokens(1 + side);
		uint64_t sent;

		crash(s, !side, !side);
		sent = s->sent;
		cr_assert(gone_after(s, side, 100 * USEC_PER_MSEC));
		cr_assert_eq(s->sent, sent + 2, "the request and its answer");
		cr_assert_eq(sim_count(&s->side[side], IKE_EV_IKE_DOWN, 0), 1);
		cr_assert(strstr(sim_text(&s->side[side], IKE_EV_IKE_DOWN), "token"));
		cr_assert_eq(s->side[side].spis, 0);
		sim_free(s);
	}
}

/* Without the right secret it is a hint like any other. */
Test(qcd, another_secret_proves_nothing)
{
	struct sim *s = up_with_tokens(3);

	crash(s, B, 2);
	cr_assert(!gone_after(s, A, USEC_PER_SEC));
	sim_run(s, 4 * USEC_PER_SEC);
	cr_assert_eq(ike_sa_count(s->side[A].ike), 0, "but it is still noticed in seconds");
	sim_free(s);
}

/* A side that makes no tokens takes them. */
Test(qcd, taker_only)
{
	struct sim *s = sim_new(4, false);

	sim_start(s);
	ike_qcd_secret(s->side[B].ike, secrets[B]);
	cr_assert_eq(sim_up(s, A, NULL, 1), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	crash(s, B, B);
	cr_assert(gone_after(s, A, 100 * USEC_PER_MSEC));
	sim_free(s);
}

/* A rekeyed IKE SA has new SPIs and so new tokens (4.3): the responder's in the answer, the
 * initiator's in an INFORMATIONAL on the new one. Whoever rekeys, whoever crashes. */
Test(qcd, rekeyed)
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned rekeys = i & 1, crashes = i >> 1;
		struct sim *s = up_with_tokens(5 + i);

		cr_assert_eq(ike_rekey(s->side[rekeys].ike, "c", NULL, 2, s->now), 0);
		sim_settle(s, 5 * USEC_PER_SEC);
		sound(s, 1);
		crash(s, crashes, crashes);
		cr_assert(gone_after(s, !crashes, 100 * USEC_PER_MSEC), "%u", i);
		sim_free(s);
	}
}

/* Our successor knows the peer's token, and the peer ours. */
Test(qcd, over_a_restart_of_the_agent)
{
	struct sim *s = up_with_tokens(9);

	sim_restart(s, A);
	ike_qcd_secret(s->side[A].ike, secrets[A]);
	crash(s, B, B);
	cr_assert(gone_after(s, A, 100 * USEC_PER_MSEC));
	sim_free(s);
}

/* ---- what goes over the wire, and what an attacker can do with it ---- */

static struct duo *established(bool tokens)
{
	struct duo *d = new_duo();

	d->side[DUO_R].conn.window = d->side[DUO_I].conn.window = 1;
	cr_assert_eq(duo_start(d), 0);
	for (int who = 0; tokens && who < 2; who++)
		ike_qcd_secret(d->e[who].ike, secrets[who]);
	return d;
}

static struct ike_msg in;

/* (4.1, 4.2) protocol 1, no SPI, 16 to 128 octets; after AUTH, before what is about Child SAs. */
Test(qcd, in_ike_auth)
{
	struct duo *d = established(true);
	struct duo_msg m;

	cr_assert_eq(duo_up(d), 0);
	for (unsigned i = 0; i < 4; i++) {
		const struct notify *n;
		struct duo_msg plain;
		unsigned auth = 0, token = 0, sa = 0;

		cr_assert(duo_take(d, &m));
		plain = m;
		if (i >= 2) {
			cr_assert(duo_open(d, i == 2 ? DUO_I : DUO_R, 0, &plain, &in));
			n = msg_notify(&in, N_QUICK_CRASH_DETECTION);
			cr_assert(n);
			cr_assert_eq(n->protocol, PROTO_IKE);
			cr_assert_eq(n->spi.len, 0);
			cr_assert(n->data.len >= 16 && n->data.len <= 128);
			for (unsigned k = 0; k < in.n_order; k++) {
				auth = in.order[k] == PLD_AUTH ? k : auth;
				sa = in.order[k] == PLD_SA ? k : sa;
				if (in.order[k] == PLD_NOTIFY)
					token = k;
			}
			cr_assert(auth < token && token < sa);
		}
		duo_deliver(d, &m);
	}
	cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 1);
	duo_free(d);
}

static void ask_protected(struct duo *d, int to, const struct ike_hdr *h)
{
	struct ike_path path = duo_path(to, 4500);
	uint8_t buf[128];
	struct msg_wr w = msg_begin(buf, sizeof(buf), h);

	msg_put_raw(&w, PLD_SK, "0123456789abcdef0123456789abcdef", 32);
	duo_give(d, to, &path, buf, msg_end(&w));
}

static const struct notify *answered_token(struct duo *d, struct duo_msg *m)
{
	uint8_t critical;

	if (!duo_take(d, m))
		return NULL;
	cr_assert_eq(msg_decode(m->buf, m->len, &in, &critical), MSG_OK);
	cr_assert_not_null(msg_notify(&in, N_INVALID_IKE_SPI));
	return msg_notify(&in, N_QUICK_CRASH_DETECTION);
}

/* "A token maker MUST NOT send a QCD token in an unprotected message for an existing IKE SA" (9.2):
 * however a stranger turns the SPIs and the flags. Nor does the token of a header say anything
 * about the one with the other role. */
Test(qcd, no_token_of_a_living_ike_sa)
{
	struct duo *d = established(true);
	struct ike_sa_info sa;

	cr_assert(duo_establish(d), "%s", d->e[DUO_I].failure);
	cr_assert(ike_sa_at(d->e[DUO_I].ike, 0, &sa));
	for (int to = 0; to < 2; to++) {
		for (unsigned i = 0; i < 8; i++) {
			struct ike_hdr h = { .spi_i = i & 1 ? sa.spi_r : sa.spi_i,
					     .spi_r = i & 1 ? sa.spi_i : sa.spi_r,
					     .version = IKE_VERSION_2_0,
					     .exchange = INFORMATIONAL,
					     .flags = (i & 2 ? IKE_FLAG_INITIATOR : 0) |
						      (i & 4 ? IKE_FLAG_RESPONSE : 0),
					     .msg_id = 7 };
			struct duo_msg m;

			ask_protected(d, to, &h);
			cr_assert_null(answered_token(d, &m));
		}
		duo_wait(d, USEC_PER_SEC);
	}
	duo_free(d);
}

Test(qcd, the_role_is_in_the_token)
{
	struct duo *d = established(true);
	uint8_t token[2][64];
	struct duo_msg m;

	for (unsigned i = 0; i < 2; i++) {
		struct ike_hdr h = { .spi_i = 5,
				     .spi_r = 6,
				     .version = IKE_VERSION_2_0,
				     .exchange = INFORMATIONAL,
				     .flags = i ? IKE_FLAG_INITIATOR : 0 };
		const struct notify *n;

		ask_protected(d, DUO_R, &h);
		n = answered_token(d, &m);
		cr_assert(n && n->data.len == 32);
		memcpy(token[i], n->data.p, 32);
	}
	cr_assert_neq(memcmp(token[0], token[1], 32), 0);
	duo_free(d);
}

/* What the peer might answer to our request: n tokens, of which the right one, if any, stands at
 * `right`. Is our IKE SA gone? */
static bool dropped(unsigned n, unsigned right, size_t len)
{
	struct duo *d = established(false);
	uint8_t buf[1024], token[256], inner[512], wrong[256];
	struct ike_path path = duo_path(DUO_I, 4500);
	struct ike_sa_info sa;
	struct ike_hdr h;
	struct msg_wr w;
	struct duo_msg m;
	bool gone;

	memset(token, 0x5a, sizeof(token));
	memcpy(wrong, token, sizeof(wrong));
	wrong[len - 1] ^= 1;
	cr_assert(duo_establish(d), "%s", d->e[DUO_I].failure);
	cr_assert(ike_sa_at(d->e[DUO_I].ike, 0, &sa));
	/* <-- INFORMATIONAL { N(QCD_TOKEN) }: a new token at any time (4.4) */
	h = request_hdr(&sa, 0);
	h.flags = 0;
	w = msg_begin_inner(inner, sizeof(inner));
	msg_put_notify(&w, PROTO_IKE, NULL, 0, N_QUICK_CRASH_DETECTION, token, len);
	m.len = duo_seal(d, DUO_R, 0, &h, w.first, inner, msg_end(&w), buf, sizeof(buf));
	cr_assert_eq(duo_give(d, DUO_I, &path, buf, m.len), 1);
	cr_assert(duo_take(d, &m));
	/* the answer of whoever has lost it */
	h.flags = IKE_FLAG_RESPONSE;
	h.msg_id = 77;
	w = msg_begin(buf, sizeof(buf), &h);
	msg_put_notify(&w, PROTO_NONE, NULL, 0, N_INVALID_IKE_SPI, NULL, 0);
	for (unsigned i = 0; i < n; i++)
		msg_put_notify(&w, PROTO_IKE, NULL, 0, N_QUICK_CRASH_DETECTION,
			       i == right ? token : wrong, len);
	duo_give(d, DUO_I, &path, buf, msg_end(&w));
	gone = !duo_count(d, DUO_I, "ESTABLISHED");
	cr_assert(!duo_take(d, &m), "it is answered");
	duo_free(d);
	return gone;
}

/* "MUST support at least four QCD_TOKEN notifications in a single packet" (4.5). */
Test(qcd, tokens_that_come_back)
{
	for (unsigned i = 0; i < 4; i++) {
		cr_assert(dropped(4, i, 32));
		cr_assert(!dropped(i, i, 32));
	}
	cr_assert(dropped(1, 0, 16));
	cr_assert(dropped(1, 0, 128));
	cr_assert(!dropped(1, 0, 15), "too short to be one (4.1)");
	cr_assert(!dropped(1, 0, 129), "too long");
}
