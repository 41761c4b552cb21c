/* SPDX-License-Identifier: GPL-2.0-only */
/* What is said about selectors besides them (RFC 7296 2.9): ADDITIONAL_TS_POSSIBLE and
 * SINGLE_PAIR_REQUIRED, user/ike/child_sa.c; and the peer's vendor ids, user/ike/vendor.c. */
#include <string.h>

#include "duo_assert.h"

static struct ike_msg in;

static struct ike_ts net(uint32_t first, uint32_t last)
{
	return (struct ike_ts){ .port_last = 65535,
				.first = addr_v4(first),
				.last = addr_v4(last) };
}

/* The responder with that many children, all for the peer's network, with these of its own. */
static struct ike_child_cfg kids[3];

static struct duo *with_children(unsigned n, const struct ike_ts *own)
{
	struct duo *d = new_duo();
	struct ike_cfg cfg;
	struct ike_conn_cfg conn;

	d->side[DUO_I].child.n_remote_ts = 2;
	d->side[DUO_I].child.remote_ts[0] = net(0x0a020000, 0x0a02ffff);
	d->side[DUO_I].child.remote_ts[1] = net(0x0a030000, 0x0a03ffff);
	cr_assert_eq(duo_start(d), 0);
	cfg = d->side[DUO_R].cfg;
	conn = d->side[DUO_R].conn;
	for (unsigned i = 0; i < n; i++) {
		kids[i] = d->side[DUO_R].child;
		kids[i].name[0] = (char)('a' + i);
		kids[i].local_ts[0] = own[i];
	}
	conn.children = kids;
	conn.n_children = (uint8_t)n;
	cfg.conns = &conn;
	cr_assert_eq(ike_reload(d->e[DUO_R].ike, &cfg, d->now), 0);
	cr_assert_eq(duo_up(d), 0);
	return d;
}

/* The next datagram, as it is and decrypted. */
static void next(struct duo *d, int from, struct duo_msg *m)
{
	struct duo_msg plain;

	cr_assert(duo_take(d, m));
	plain = *m;
	cr_assert(duo_open(d, from, 0, &plain, &in));
}

static bool additional(unsigned n, const struct ike_ts *own)
{
	struct duo *d = with_children(n, own);
	struct duo_msg m;
	bool said;

	for (unsigned i = 0; i < 3; i++) {
		cr_assert(duo_take(d, &m));
		duo_deliver(d, &m);
	}
	next(d, DUO_R, &m);
	cr_assert_eq(in.hdr.exchange, IKE_AUTH);
	cr_assert_eq(in.tsr.n, 1);
	said = msg_notify(&in, N_ADDITIONAL_TS_POSSIBLE);
	duo_deliver(d, &m);
	cr_assert_eq(d->e[DUO_I].child_adds, 1, "it changes nothing for the initiator");
	duo_free(d);
	return said;
}

/* [TS-7] said where another child would take what is left out, and nowhere else. */
Test(selectors, additional_ts_possible)
{
	const struct ike_ts left = net(0x0a020000, 0x0a02ffff), right = net(0x0a030000, 0x0a03ffff),
			    part = net(0x0a020100, 0x0a0201ff), far = net(0xc0a80000, 0xc0a8ffff);

	cr_assert(additional(2, (struct ike_ts[]){ left, right }));
	cr_assert(!additional(1, (struct ike_ts[]){ left }));
	cr_assert(!additional(2, (struct ike_ts[]){ left, part }), "it is within the first");
	cr_assert(!additional(2, (struct ike_ts[]){ left, far }), "nobody asked for it");
	cr_assert(additional(3, (struct ike_ts[]){ left, far, right }));
}

/* <-- IKE_AUTH { IDr, AUTH, N(SINGLE_PAIR_REQUIRED) } of a peer that takes no more. */
static void require_single_pair(struct duo *d, struct duo_msg *m)
{
	uint8_t inner[2048];
	struct msg_wr w = msg_begin_inner(inner, sizeof(inner));
	size_t len;

	next(d, DUO_R, m);
	if (in.hdr.exchange == IKE_AUTH) {
		msg_put_id(&w, PLD_IDR, in.idr.type, in.idr.data.p, in.idr.data.len);
		msg_put_auth(&w, in.auth_method, in.auth.p, in.auth.len);
	}
	msg_put_notify(&w, PROTO_NONE, NULL, 0, N_SINGLE_PAIR_REQUIRED, NULL, 0);
	len = msg_end(&w);
	m->len = duo_seal(d, DUO_R, 0, &in.hdr, w.first, inner, len, m->buf, sizeof(m->buf));
	cr_assert_gt(m->len, 0);
}

static struct duo *at_first_answer(bool hosts)
{
	struct duo *d = new_duo();
	struct ike_child_cfg *c = &d->side[DUO_I].child;
	struct duo_msg m;

	c->n_remote_ts = 2;
	c->remote_ts[1] = net(0x0a020200, 0x0a0202ff);
	if (hosts) {
		c->local_ts[0] = net(0x0a010001, 0x0a010001);
		c->remote_ts[0] = net(0x0a020001, 0x0a020001);
	}
	cr_assert_eq(duo_start(d), 0);
	cr_assert_eq(duo_up(d), 0);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert(duo_take(d, &m));
		duo_deliver(d, &m);
	}
	return d;
}

/* A pair of addresses stands first: that is asked for, once. */
Test(selectors, single_pair_required)
{
	struct duo *d = at_first_answer(true);
	struct duo_msg m;

	require_single_pair(d, &m);
	cr_assert_eq(duo_deliver(d, &m), 1);
	cr_assert_eq(d->e[DUO_I].failures, 0);
	/* --> CREATE_CHILD_SA { SA, Ni, TSi, TSr } */
	next(d, DUO_I, &m);
	cr_assert_eq(in.hdr.exchange, CREATE_CHILD_SA);
	cr_assert_eq(in.tsi.n, 1);
	cr_assert_eq(in.tsr.n, 1);
	cr_assert(addr_equal(&in.tsr.ts[0].first, &in.tsr.ts[0].last));
	cr_assert_eq(duo_deliver(d, &m), 1);
	struct duo_msg answer = d->wire[0];
	cr_assert_eq(duo_deliver(d, &answer), 0);
	cr_assert_eq(d->e[DUO_I].child_adds, 1);
	cr_assert_eq(d->e[DUO_I].failures, 0);
	duo_free(d);

	/* the same answer again: that was all there is */
	d = at_first_answer(true);
	require_single_pair(d, &m);
	duo_deliver(d, &m);
	cr_assert(duo_take(d, &m));
	duo_deliver(d, &m);
	require_single_pair(d, &m);
	cr_assert_eq(duo_deliver(d, &m), 0);
	cr_assert_eq(d->e[DUO_I].failures, 1);
	cr_assert(strstr(d->e[DUO_I].failure, "SINGLE_PAIR_REQUIRED"), "%s", d->e[DUO_I].failure);
	cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 1);
	cr_assert_eq(d->e[DUO_I].spis, 0);
	duo_free(d);
}

/* Networks are no pair: refused, with what to do, and the IKE SA stays [AUT-8]. */
Test(selectors, no_single_pair_to_ask_for)
{
	struct duo *d = at_first_answer(false);
	struct duo_msg m;

	require_single_pair(d, &m);
	cr_assert_eq(duo_deliver(d, &m), 0);
	cr_assert_eq(d->e[DUO_I].failures, 1);
	cr_assert(strstr(d->e[DUO_I].failure, "a child of its own for each pair"), "%s",
		  d->e[DUO_I].failure);
	cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 1);
	duo_free(d);
}

/* [ROB-4] vendor ids of the peer are shown: known ones by name, others as text or hex, each once, a
 * bounded number and length of them; by the agent's successor and after a rekey too. */
Test(selectors, vendor_ids_are_shown)
{
	static const char *const want[] = {
		"strongSwan", "some text", "00ff", "01234567890123456789012345678901...", "0100",
	};
	struct duo *d = new_duo();
	uint8_t inner[2048];
	struct ike_sa_info sa;
	struct duo_msg m;
	struct msg_wr w;
	size_t len;

	cr_assert_eq(duo_start(d), 0);
	cr_assert_eq(duo_up(d), 0);
	for (unsigned i = 0; i < 2; i++) {
		cr_assert(duo_take(d, &m));
		duo_deliver(d, &m);
	}
	/* the IKE_AUTH request, with vendor ids of others */
	next(d, DUO_I, &m);
	w = msg_begin_inner(inner, sizeof(inner));
	msg_put_id(&w, PLD_IDI, in.idi.type, in.idi.data.p, in.idi.data.len);
	msg_put_auth(&w, in.auth_method, in.auth.p, in.auth.len);
	msg_put_sa(&w, &in.sa);
	msg_put_ts(&w, PLD_TSI, &in.tsi);
	msg_put_ts(&w, PLD_TSR, &in.tsr);
	msg_put_vendor(&w, "\x88\x2f\xe5\x6d\x6f\xd2\x0d\xbc\x22\x51\x61\x3b\x2e\xbe\x5b\xeb", 16);
	msg_put_vendor(&w, "some text", 9);
	msg_put_vendor(&w, "some text", 9);
	msg_put_vendor(&w, "", 0);
	msg_put_vendor(&w, "\x00\xff", 2);
	msg_put_vendor(&w, "0123456789012345678901234567890123456789", 40);
	for (uint8_t i = 1; i < 9; i++)
		msg_put_vendor(&w, (uint8_t[]){ i, 0 }, 2);
	len = msg_end(&w);
	m.len = duo_seal(d, DUO_I, 0, &in.hdr, w.first, inner, len, m.buf, sizeof(m.buf));
	cr_assert_eq(duo_deliver(d, &m), 1);
	cr_assert(duo_settle(d));
	for (unsigned change = 0; change < 4; change++) {
		static uint8_t image[8192];

		if (change == 1)
			duo_restore(d, DUO_R, image, duo_image(d, DUO_R, image, sizeof(image)));
		else if (change > 1)
			cr_assert_eq(ike_rekey(d->e[change & 1].ike, "duo", NULL, 0, d->now), 0);
		duo_wait(d, 0);
		cr_assert(duo_settle(d));
		cr_assert(ike_sa_at(d->e[DUO_R].ike, 0, &sa));
		cr_assert_eq(sa.n_vendors, IKE_VENDORS_MAX, "change %u", change);
		for (unsigned i = 0; i < 5; i++)
			cr_assert_str_eq(sa.vendors[i], want[i]);
	}
	duo_free(d);

	d = new_duo();
	d->side[DUO_I].conn.multipath = d->side[DUO_R].conn.multipath = true;
	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d), "%s", d->e[DUO_I].failure);
	for (int who = 0; who < 2; who++) {
		cr_assert(ike_sa_at(d->e[who].ike, 0, &sa));
		cr_assert_eq(sa.n_vendors, 2);
		cr_assert_str_eq(sa.vendors[0], "braid path probes");
		cr_assert_str_eq(sa.vendors[1], "braid ESP in UDP");
	}
	duo_free(d);
}
