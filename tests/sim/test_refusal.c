/* SPDX-License-Identifier: GPL-2.0-only */
/* Two well-behaved sides whose configurations do not fit: the exact refusal, what stays up, and
 * what the operator is told. */
#include <criterion/criterion.h>
#include <string.h>

#include "crypto/alg.h"
#include "duo_assert.h"

/* The response to IKE_AUTH, read with the initiator's keys. */
static void auth_response(struct duo *d, struct ike_msg *ret_msg)
{
	static struct duo_msg m;

	cr_assert_eq(duo_up(d), 0);
	for (int i = 0; i < 3; i++) {
		cr_assert(duo_take(d, &m), "message %d is missing", i);
		duo_deliver(d, &m);
	}
	cr_assert(duo_take(d, &m));
	cr_assert_eq(hdr_of(m.buf, m.len).exchange, IKE_AUTH);
	struct duo_msg copy = m;
	cr_assert(duo_open(d, DUO_I, 0, &m, ret_msg), "IKE_AUTH response does not decrypt");
	duo_deliver(d, &copy);
	cr_assert(duo_settle(d));
}

/* [AUT-9]: AUTHENTICATION_FAILED alone, no IKE SA on either side, the reason told. */
Test(refusal, wrong_psk)
{
	struct duo *d = new_duo();
	static struct ike_msg msg;

	secret_set(&d->side[DUO_R].conn.psk, "another secret", 14);
	cr_assert_eq(duo_start(d), 0);
	auth_response(d, &msg);
	cr_assert_eq(msg.n_notifies, 1);
	cr_assert_eq(msg.notifies[0].type, N_AUTHENTICATION_FAILED);
	cr_assert(!msg.has_auth && !msg.has_idr && !msg.has_sa);
	cr_assert_eq(d->e[DUO_I].failures, 1);
	cr_assert(strstr(d->e[DUO_I].failure, "AUTHENTICATION_FAILED"), "%s", d->e[DUO_I].failure);
	cr_assert_eq(duo_counters(d, DUO_R).auth_failed, 1);
	for (int who = 0; who < 2; who++) {
		cr_assert_eq(duo_count(d, who, "ESTABLISHED"), 0);
		cr_assert_eq(d->e[who].child_adds, 0);
	}
	duo_wait(d, 120 * USEC_PER_SEC);
	cr_assert_eq(ike_sa_count(d->e[DUO_R].ike), 0);
	cr_assert_eq(d->e[DUO_R].spis, 0);
	duo_free(d);
}

/* A responder that passes over the IDr it was asked for, and proves that it is somebody else: one
 * of the group that shares the secret, and not the one that is meant. [AUT-4] */
Test(refusal, responder_is_somebody_else)
{
	struct duo *d = new_duo();
	static struct duo_msg m, plain;
	static struct ike_msg in;
	uint8_t inner[2048];
	struct msg_wr w = msg_begin_inner(inner, sizeof(inner));

	memcpy(d->side[DUO_R].conn.local_id.data, "x", 1);
	cr_assert_eq(duo_start(d), 0);
	cr_assert_eq(duo_up(d), 0);
	for (int i = 0; i < 2; i++) {
		cr_assert(duo_take(d, &m));
		cr_assert_eq(duo_deliver(d, &m), 1);
	}
	cr_assert(duo_take(d, &m));
	plain = m;
	cr_assert(duo_open(d, DUO_I, 0, &plain, &in));
	cr_assert(in.has_idr);
	msg_put_id(&w, PLD_IDI, in.idi.type, in.idi.data.p, in.idi.data.len);
	msg_put_auth(&w, in.auth_method, in.auth.p, in.auth.len);
	msg_put_sa(&w, &in.sa);
	msg_put_ts(&w, PLD_TSI, &in.tsi);
	msg_put_ts(&w, PLD_TSR, &in.tsr);
	m.len = duo_seal(d, DUO_I, 0, &in.hdr, w.first, inner, msg_end(&w), m.buf, sizeof(m.buf));
	cr_assert_eq(duo_deliver(d, &m), 1);
	cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 1, "the proof is right");
	cr_assert(duo_settle(d));
	cr_assert_eq(d->e[DUO_I].child_adds, 0);
	cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 0);
	cr_assert_eq(d->e[DUO_I].failures, 1);
	cr_assert(strstr(d->e[DUO_I].failure, "calls itself x.example"), "%s", d->e[DUO_I].failure);
	duo_free(d);
}

/* A responder that has not the identity that is asked for says so, and nothing is set up. */
Test(refusal, wrong_identity_of_responder)
{
	struct duo *d = new_duo();

	memcpy(d->side[DUO_R].conn.local_id.data, "x", 1);
	d->side[DUO_I].conn.remote_id.type = ID_FQDN;
	cr_assert_eq(duo_start(d), 0);
	cr_assert_eq(duo_up(d), 0);
	cr_assert(duo_settle(d));
	duo_wait(d, 60 * USEC_PER_SEC);
	cr_assert(duo_settle(d));
	cr_assert_eq(d->e[DUO_I].failures, 1);
	cr_assert_eq(d->e[DUO_I].child_adds, 0);
	cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 0);
	duo_free(d);
}

/* [INI-7]: NO_PROPOSAL_CHOSEN in the clear is believed only after a while. */
Test(refusal, no_common_ike_proposal)
{
	struct duo *d = new_duo();
	struct duo_msg m;
	struct ike_hdr h;

	d->side[DUO_R].conn.proposals[0].encr[0] = (struct ike_alg){ ENCR_CHACHA20_POLY1305, 0 };
	cr_assert_eq(duo_start(d), 0);
	cr_assert_eq(duo_up(d), 0);
	cr_assert(duo_take(d, &m));
	h = hdr_of(m.buf, m.len);
	cr_assert_eq(duo_deliver(d, &m), 1);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 0);
	cr_assert(duo_take(d, &m));
	assert_plain_notify(&m, &h, N_NO_PROPOSAL_CHOSEN);
	duo_deliver(d, &m);
	cr_assert_eq(d->e[DUO_I].failures, 0);
	for (int i = 0; i < 100 && !d->e[DUO_I].failures; i++) {
		duo_wait(d, USEC_PER_SEC);
		cr_assert(duo_settle(d));
	}
	cr_assert_eq(d->e[DUO_I].failures, 1);
	cr_assert(strstr(d->e[DUO_I].failure, "NO_PROPOSAL_CHOSEN"), "%s", d->e[DUO_I].failure);
	cr_assert_eq(d->e[DUO_I].spis, 0);
	duo_free(d);
}

/* [AUT-8]: the IKE SA comes up, IDr and AUTH beside the refusal, and there is no Child SA. */
static void assert_refused(struct duo *d, uint16_t type)
{
	static struct ike_msg msg;

	cr_assert_eq(duo_start(d), 0);
	auth_response(d, &msg);
	cr_assert(msg.has_idr && msg.has_auth);
	cr_assert(!msg.has_sa && !msg.has_tsi && !msg.has_tsr);
	cr_assert_not_null(msg_error_notify(&msg));
	cr_assert_eq(msg_error_notify(&msg)->type, type, "%s",
		     notify_name(msg_error_notify(&msg)->type));
	for (int who = 0; who < 2; who++) {
		cr_assert_eq(duo_count(d, who, "ESTABLISHED"), 1);
		cr_assert_eq(d->e[who].child_adds, 0);
		cr_assert_eq(d->e[who].spis, 0, "side %d keeps a reserved SPI", who);
	}
	cr_assert_eq(d->e[DUO_I].failures, 1);
	cr_assert(strstr(d->e[DUO_I].failure, notify_name(type)), "%s", d->e[DUO_I].failure);
	duo_free(d);
}

Test(refusal, no_common_esp_proposal)
{
	struct duo *d = new_duo();

	d->side[DUO_R].child.proposals[0].encr[0] = (struct ike_alg){ ENCR_CHACHA20_POLY1305, 0 };
	assert_refused(d, N_NO_PROPOSAL_CHOSEN);
}

Test(refusal, selectors_that_do_not_fit)
{
	struct duo *d = new_duo();

	d->side[DUO_R].child.local_ts[0].first = addr_v4(0x0a630000);
	d->side[DUO_R].child.local_ts[0].last = addr_v4(0x0a63ffff);
	assert_refused(d, N_TS_UNACCEPTABLE);
}

Test(refusal, pool_is_empty)
{
	struct duo *d = new_duo();
	struct duo_side *i = &d->side[DUO_I], *r = &d->side[DUO_R];

	i->conn.n_vips = 1;
	i->conn.vips[0] = addr_v4(0);
	i->child.local_ts[0] = (struct ike_ts){ .port_last = 65535, .dynamic = true };
	r->child.remote_ts[0] = i->child.local_ts[0];
	r->conn.n_pools = r->cfg.n_pools = 1;
	strcpy(r->conn.pools[0], "dry");
	strcpy(r->pool.name, "dry");
	r->conn.remote_id.type = 0; /* whoever knows the secret */
	/* one address, and the first client takes it */
	r->pool.first = r->pool.last = addr_v4(0x0a030001);
	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d), "%s", d->e[0].failure);

	/* a second client of another name, on the same responder */
	struct duo *x = new_duo();
	x->side[DUO_I] = *i;
	x->side[DUO_I].conn.local_id.data[0] = 'j';
	cr_assert_eq(duo_start(x), 0);
	cr_assert_eq(duo_up(x), 0);
	for (int k = 0; k < 10; k++) {
		struct duo_msg m;

		if (duo_take(x, &m))
			duo_give(d, DUO_R, &m.path, m.buf, m.len);
		else if (duo_take(d, &m))
			duo_give(x, DUO_I, &m.path, m.buf, m.len);
	}
	cr_assert_eq(duo_count(x, DUO_I, "ESTABLISHED"), 1, "%s", x->e[DUO_I].failure);
	cr_assert_eq(x->e[DUO_I].child_adds, 0);
	cr_assert_eq(x->e[DUO_I].failures, 1);
	cr_assert(strstr(x->e[DUO_I].failure, "INTERNAL_ADDRESS_FAILURE"), "%s",
		  x->e[DUO_I].failure);
	cr_assert_eq(d->e[DUO_R].child_adds, 1);
	duo_free(x);
	duo_free(d);
}

/* [PRO-12]: we would like a key exchange and can do without, the peer does without: NONE comes
 * back, and no KE beside it. */
Test(refusal, no_group_for_the_child)
{
	struct duo *d = new_duo();
	struct ike_proposal *p = &d->side[DUO_I].child.proposals[0];
	static struct ike_msg msg;
	struct duo_msg m, copy;
	bool none = false;

	p->n_ke = 2;
	p->ke[0] = KE_X25519;
	p->ke[1] = KE_NONE;
	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d));
	cr_assert_eq(ike_rekey(d->e[DUO_I].ike, "duo", "net", 2, d->now), 0);
	duo_wait(d, 0);
	cr_assert(duo_take(d, &m));
	cr_assert_eq(duo_deliver(d, &m), 1);
	cr_assert(duo_take(d, &m));
	copy = m;
	cr_assert(duo_open(d, DUO_I, 0, &copy, &msg));
	cr_assert(msg.has_sa && msg.has_nonce && !msg.has_ke);
	for (unsigned i = 0; i < msg.sa.p[0].n_transforms; i++)
		none |= msg.sa.p[0].transforms[i].type == TRANSFORM_KE &&
			msg.sa.p[0].transforms[i].id == KE_NONE;
	cr_assert(none);
	duo_deliver(d, &m);
	cr_assert(duo_settle(d));
	for (int who = 0; who < 2; who++)
		cr_assert_eq(d->e[who].child_adds, 2);
	duo_free(d);
}
