/* SPDX-License-Identifier: GPL-2.0-only */
/* Virtual addresses asked for on a cloned IKE SA by a peer that does not keep to the book: the test
 * speaks for I, and no pool gives more for it than one address for each line. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "crypto/alg.h"
#include "duo_assert.h"

enum { FIRST, CLONE, POOL = 9 };

static struct duo *d;
static uint8_t inner[4096];
static struct msg_wr w;
static struct ike_msg msg; /* borrows from octets */
static struct duo_msg octets;
static uint32_t next_id[4], spi;

/* The pool has 10.9.0.1 to 10.9.0.9, and I the first of them. */
static void begin(unsigned clones)
{
	struct ike_sa_info sa;

	d = new_duo();
	for (int who = 0; who < 2; who++) {
		d->side[who].conn.clone = true;
		d->side[who].conn.ike_sas_max = 4;
	}
	d->side[DUO_I].conn.n_vips = 1;
	d->side[DUO_I].conn.vips[0] = (struct addr){ .family = 4 };
	d->side[DUO_I].child.local_ts[0] = d->side[DUO_R].child.remote_ts[0] =
		(struct ike_ts){ .dynamic = true, .port_last = UINT16_MAX };
	d->side[DUO_R].conn.n_pools = d->side[DUO_R].cfg.n_pools = 1;
	snprintf(d->side[DUO_R].conn.pools[0], IKE_NAME_MAX, "p");
	snprintf(d->side[DUO_R].pool.name, IKE_NAME_MAX, "p");
	d->side[DUO_R].pool.first = d->side[DUO_R].pool.last =
		addr_from_bytes(4, (const uint8_t[]){ 10, 9, 0, 1 });
	d->side[DUO_R].pool.last.b[3] = POOL;
	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d), "%s", d->e[DUO_I].failure);
	cr_assert(ike_sa_at(d->e[DUO_I].ike, FIRST, &sa));
	for (unsigned i = 0; i < clones; i++) {
		cr_assert_eq(ike_clone(d->e[DUO_I].ike, sa.line, 7 + i, d->now), 0);
		duo_wait(d, 0);
		cr_assert(duo_settle(d));
	}
	memset(next_id, 0, sizeof(next_id));
	next_id[FIRST] = 2 + clones;
	spi = 0xabcd0001;
}

static void end(void)
{
	duo_free(d);
}

/* What is in w, on IKE SA number i of I's; the answer is in msg. */
static void ask(size_t i, uint8_t exchange)
{
	struct ike_path p = duo_path(DUO_I, 4500);
	struct ike_sa_info sa;
	struct ike_hdr h;
	uint8_t buf[DUO_MSG_MAX];
	size_t len = msg_end(&w), n;

	cr_assert(ike_sa_at(d->e[DUO_I].ike, i, &sa));
	h = request_hdr(&sa, next_id[i]++);
	h.exchange = exchange;
	n = duo_seal(d, DUO_I, i, &h, w.first, inner, len, buf, sizeof(buf));
	cr_assert_gt(n, 0);
	cr_assert_eq(duo_give(d, DUO_R, &p, buf, n), 1);
	cr_assert(duo_take(d, &octets));
	memset(&msg, 0, sizeof(msg));
	cr_assert(duo_open(d, DUO_I, i, &octets, &msg));
}

/* Another Child SA, with CP(REQUEST: n x INTERNAL_IP4_ADDRESS), for what is R's, or what is not. */
static void ask_child(size_t i, unsigned n, bool acceptable)
{
	struct sa_payload offer = { .n = 1 };
	struct cfg_payload cp = { .type = CFG_REQUEST, .n = (uint8_t)n };
	struct ts_list any = { .n = 1 }, list = { .n = 1 };
	uint8_t nonce[32] = { 5 };

	w = msg_begin_inner(inner, sizeof(inner));
	for (unsigned k = 0; k < n; k++)
		cp.a[k] = (struct cfg_attr){ .type = INTERNAL_IP4_ADDRESS };
	if (n)
		msg_put_cp(&w, &cp);
	offer.p[0] = (struct proposal){
		.number = 1, .protocol = PROTO_ESP, .spi_len = 4, .spi = spi++, .n_transforms = 2
	};
	offer.p[0].transforms[0] =
		(struct transform){ TRANSFORM_ENCR, ENCR_AES_GCM_16, 256, false };
	offer.p[0].transforms[1] = (struct transform){ TRANSFORM_ESN, ESN_NO, 0, false };
	msg_put_sa(&w, &offer);
	msg_put_nonce(&w, nonce, sizeof(nonce));
	any.ts[0] =
		(struct ts){ .port_last = 65535,
			     .first = { .family = 4 },
			     .last = addr_from_bytes(4, (const uint8_t[]){ 255, 255, 255, 255 }) };
	list.ts[0] = (struct ts){ .port_last = 65535,
				  .first = d->side[DUO_I].child.remote_ts[0].first,
				  .last = d->side[DUO_I].child.remote_ts[0].last };
	if (!acceptable)
		list.ts[0].first = list.ts[0].last =
			addr_from_bytes(4, (const uint8_t[]){ 192, 0, 2, 99 });
	msg_put_ts(&w, PLD_TSI, &any);
	msg_put_ts(&w, PLD_TSR, &list);
	ask(i, CREATE_CHILD_SA);
}

static void delete_child(size_t i)
{
	const uint32_t last = spi - 1;

	w = msg_begin_inner(inner, sizeof(inner));
	msg_put_delete_spis(&w, PROTO_ESP, &last, 1);
	ask(i, INFORMATIONAL);
}

/* How many addresses the reply gives. */
static unsigned given(void)
{
	unsigned n = 0;

	for (unsigned k = 0; msg.has_cp && k < msg.cp.n; k++)
		n += msg.cp.a[k].type == INTERNAL_IP4_ADDRESS;
	return n;
}

/* It gives 10.9.0.last alone. */
static void given_one(uint8_t last)
{
	cr_assert_eq(given(), 1);
	cr_assert_eq(msg.cp.a[0].value.len, 4);
	cr_assert_eq(msg.cp.a[0].value.p[3], last, "10.9.0.%u", msg.cp.a[0].value.p[3]);
}

/* [CLONE-41] [CLONE-42]: how often it asks, after how many Deletes, does not matter. */
Test(clone_cp, one_for_each_line_whatever_it_asks)
{
	begin(2);
	for (unsigned round = 0; round < 3 * POOL; round++) {
		ask_child(CLONE, 1, true);
		given_one(2);
		delete_child(CLONE);
	}
	ask_child(CLONE + 1, 1, true);
	given_one(3);
	/* with the old one left, too, and whatever number it asks for */
	ask_child(CLONE + 1, 3, true);
	given_one(3);
	end();
}

/* Not on the first IKE SA, nor on one that has a Child SA with what it was cloned with. */
Test(clone_cp, too_late)
{
	begin(1);
	ask_child(FIRST, 1, true);
	given_one(1);
	ask_child(CLONE, 0, true);
	cr_assert_eq(given(), 0);
	ask_child(CLONE, 1, true);
	given_one(1);
	end();
}

/* [CLONE-20]: what is refused for its selectors takes none: all are there for the others. */
Test(clone_cp, refused)
{
	begin(3);
	for (unsigned round = 0; round < 3 * POOL; round++) {
		ask_child(CLONE, 4, false);
		cr_assert(!msg.has_cp && msg_notify(&msg, N_TS_UNACCEPTABLE));
	}
	for (unsigned i = 0; i < 2; i++) {
		ask_child(CLONE + 1 + i, IKE_VIPS_MAX, true);
		cr_assert_eq(given(), IKE_VIPS_MAX);
	}
	end();
}

/* More than there are: those that are left, once. */
Test(clone_cp, more_than_there_are)
{
	begin(3);
	for (unsigned i = 0; i < 2; i++) {
		ask_child(CLONE + i, IKE_VIPS_MAX + 1, true);
		cr_assert_eq(given(), IKE_VIPS_MAX);
	}
	ask_child(CLONE + 2, 1, true);
	cr_assert(msg_notify(&msg, N_INTERNAL_ADDRESS_FAILURE));
	end();
}
