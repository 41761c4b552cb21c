/* SPDX-License-Identifier: GPL-2.0-only */
/* An IKE SA without a Child SA (RFC 6023): the responder's side, in user/ike/ike_auth.c. */
#include "duo_assert.h"

static struct ike_msg in;

/* The IKE_AUTH request on its way, made anew: with_sa decides whether the SA payload is still
 * there. */
static void reseal(struct duo *d, struct duo_msg *m, bool with_sa)
{
	struct duo_msg plain = *m;
	uint8_t inner[2048], first;
	struct msg_wr w = msg_begin_inner(inner, sizeof(inner));

	cr_assert(duo_open(d, DUO_I, 0, &plain, &in));
	cr_assert_eq(in.hdr.exchange, IKE_AUTH);
	msg_put_id(&w, PLD_IDI, in.idi.type, in.idi.data.p, in.idi.data.len);
	msg_put_auth(&w, in.auth_method, in.auth.p, in.auth.len);
	if (with_sa)
		msg_put_sa(&w, &in.sa);
	first = w.first;
	m->len = duo_seal(d, DUO_I, 0, &in.hdr, first, inner, msg_end(&w), m->buf, sizeof(m->buf));
	cr_assert_gt(m->len, 0);
}

static struct duo *at_auth(struct duo_msg *ret_request)
{
	struct duo *d = new_duo();

	cr_assert_eq(duo_start(d), 0);
	cr_assert_eq(duo_up(d), 0);
	cr_assert(duo_take(d, ret_request));
	cr_assert_eq(duo_deliver(d, ret_request), 1);
	cr_assert(duo_take(d, ret_request));
	return d;
}

Test(childless, first_child_comes_later)
{
	struct duo_msg m, plain;
	struct duo *d = at_auth(&m);
	struct ike_path path = duo_path(DUO_I, 4500);
	uint8_t critical;

	/* 6023 3: announced by the responder */
	cr_assert_eq(msg_decode(m.buf, m.len, &in, &critical), MSG_OK);
	cr_assert_not_null(msg_notify(&in, N_CHILDLESS_IKEV2_SUPPORTED));
	cr_assert_eq(duo_deliver(d, &m), 1);
	cr_assert(duo_take(d, &m));
	reseal(d, &m, false);
	cr_assert_eq(duo_deliver(d, &m), 1);
	cr_assert(duo_take(d, &m));
	plain = m;
	cr_assert(duo_open(d, DUO_R, 0, &plain, &in));
	cr_assert(in.has_idr && in.has_auth);
	cr_assert(!in.has_sa && !in.has_tsi && !in.has_tsr);
	cr_assert_null(msg_error_notify(&in));
	cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 1);
	cr_assert_eq(d->e[DUO_R].child_adds, 0);
	cr_assert_eq(d->e[DUO_R].spis, 0);

	/* our own initiator did ask for one: it keeps the IKE SA, and asks again */
	duo_deliver(d, &m);
	cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 1);
	cr_assert_eq(ike_up(d->e[DUO_I].ike, "duo", "net", &path, 2, d->now), 0);
	duo_wait(d, 0);
	cr_assert(duo_settle(d));
	for (int who = 0; who < 2; who++)
		cr_assert_eq(d->e[who].child_adds, 1);
	duo_free(d);
}

/* Some of the three and not the others is no childless request but a broken one. */
Test(childless, half_of_it)
{
	struct duo_msg m;
	struct duo *d = at_auth(&m);

	cr_assert_eq(duo_deliver(d, &m), 1);
	cr_assert(duo_take(d, &m));
	reseal(d, &m, true);
	cr_assert_eq(duo_deliver(d, &m), 1);
	cr_assert(duo_take(d, &m));
	cr_assert(duo_open(d, DUO_I, 0, &m, &in));
	cr_assert_not_null(msg_notify(&in, N_INVALID_SYNTAX));
	cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 0);
	duo_free(d);
}
