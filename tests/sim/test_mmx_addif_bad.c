/* SPDX-License-Identifier: GPL-2.0-only */
/* ADD_IF between two cores, with hands on the request or on the answer: whatever is wrong with it,
 * neither end keeps an SA that the other does not have. */
#include <criterion/criterion.h>
#include <string.h>

#include "duo_assert.h"
#include "ike/mmx.h"

static struct duo *d;
static uint8_t inner[DUO_MSG_MAX];
static struct duo_msg octets;
static struct ike_msg msg; /* borrows from octets */

/* I has interfaces 1 and 2, R has 1. I asks for what it has, once more, on the second. */
static void begin(void)
{
	struct mmx_action a = { .code = MMX_ADD_IF, .flags = MMX_ACTION_PARALLEL };

	d = new_duo();
	for (int who = 0; who < 2; who++) {
		d->side[who].conn.mobike = true;
		d->side[who].conn.mmx = IKE_MMX_YES;
		d->side[who].conn.window = 4;
		d->side[who].conn.n_local_addrs = 0;
	}
	d->side[DUO_R].conn.n_remote_addrs = 0;
	cr_assert_eq(duo_start(d), 0);
	for (int who = 0; who < 2; who++) {
		struct mmx_iface ifaces[2];

		for (uint16_t k = 1; k <= 2; k++) {
			ifaces[k - 1] = (struct mmx_iface){
				.ifid = k, .flags = MMX_IFACE_UP, .n = 1, .ep = { { .epid = k } }
			};
			ifaces[k - 1].ep[0].addr = duo_path(who, 4500).local.ip;
			ifaces[k - 1].ep[0].addr.b[3] = (uint8_t)k;
		}
		cr_assert_eq(
			ike_ifaces_set(d->e[who].ike, "duo", ifaces, who == DUO_I ? 2 : 1, d->now),
			0);
	}
	cr_assert(duo_establish(d), "%s", d->e[DUO_I].failure);
	cr_assert(duo_settle(d));
	mmx_add(&a.tlvs, MMX_TLV_EP)->ep = (struct mmx_ep){ .role = MMX_ROLE_NEW, .epid = 2 };
	cr_assert_eq(ike_mmx_ask(d->e[DUO_I].ike, 1, &a, 1, 5, d->now), 0);
	duo_wait(d, 0);
}

static unsigned children(int who)
{
	struct ike_sa_info info;

	cr_assert(ike_sa_at(d->e[who].ike, 0, &info));
	return info.n_children;
}

static void take(void)
{
	cr_assert(duo_take(d, &octets));
	memset(&msg, 0, sizeof(msg));
	cr_assert(duo_open(d, DUO_I, 0, &octets, &msg));
}

static void without(struct mmx_tlvs *t, uint8_t type)
{
	unsigned n = 0;

	for (unsigned i = 0; i < t->n; i++)
		if (t->t[i].type != type)
			t->t[n++] = t->t[i];
	t->n = (uint8_t)n;
}

enum change { NOTHING, DIGEST, TOO_MANY_SPIS, LOW_SPI, NO_SPIS, NO_NONCE };

static void change(struct mmx_tlvs *t, enum change how)
{
	static const uint8_t two[8] = { 1, 2, 3, 4, 1, 2, 3, 5 }, low[4] = { 0, 0, 0, 5 };

	for (unsigned i = 0; i < t->n; i++) {
		if (t->t[i].type == MMX_TLV_DIGEST && how == DIGEST)
			t->t[i].digest.b[0] ^= 1;
		if (t->t[i].type == MMX_TLV_SPIS && how == TOO_MANY_SPIS)
			t->t[i].spis = (struct bytes){ two, sizeof(two) };
		if (t->t[i].type == MMX_TLV_SPIS && how == LOW_SPI)
			t->t[i].spis = (struct bytes){ low, sizeof(low) };
	}
	if (how == NO_SPIS)
		without(t, MMX_TLV_SPIS);
	if (how == NO_NONCE)
		without(t, MMX_TLV_NONCE);
}

/* The message that was taken, with its action or result changed, to its receiver. */
static void give(int to, enum change how)
{
	struct msg_wr w = msg_begin_inner(inner, sizeof(inner));
	struct ike_path path = duo_path(to, 4500);
	struct ike_hdr h = msg.hdr;
	uint8_t buf[DUO_MSG_MAX];
	size_t len;

	for (unsigned i = 0; i < msg.n_notifies; i++) {
		const struct notify *n = &msg.notifies[i];
		struct mmx_action a;
		struct mmx_result r;

		if (n->type == N_MMX_ACTION) {
			cr_assert_eq(mmx_action_get(n, &a), MMX_OK);
			change(&a.tlvs, how);
			mmx_action_put(&w, &a);
		} else if (n->type == N_MMX_RESULT) {
			cr_assert_eq(mmx_result_get(n, &r), MMX_OK);
			change(&r.tlvs, how);
			mmx_result_put(&w, &r);
		} else {
			msg_put_notify(&w, PROTO_NONE, NULL, 0, n->type, n->data.p, n->data.len);
		}
	}
	len = msg_end(&w);
	cr_assert_eq(w.w.err, 0);
	len = duo_seal(d, !to, 0, &h, w.first, inner, len, buf, sizeof(buf));
	cr_assert_gt(len, 0);
	duo_give(d, to, &path, buf, len);
}

/* MMX-147: the SAs are others, or not as many, or cannot be had. */
Test(mmx_addif_bad, request)
{
	static const struct {
		enum change how;
		enum mmx_status status;
		unsigned at_r;
	} cases[] = {
		{ NOTHING, MMX_OK, 2 },
		{ NO_SPIS, MMX_OK, 2 }, /* computed */
		{ DIGEST, MMX_STATE_MISMATCH, 1 },
		{ TOO_MANY_SPIS, MMX_STATE_MISMATCH, 1 },
		{ LOW_SPI, MMX_MALFORMED, 1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mmx_result r = { .status = MMX_SKIPPED };
		int spis;

		begin();
		spis = d->e[DUO_R].spis;
		take();
		give(DUO_R, cases[i].how);
		cr_assert_eq(children(DUO_R), cases[i].at_r);
		cr_assert_eq(d->e[DUO_R].spis, spis + (int)cases[i].at_r - 1);
		take();
		for (unsigned k = 0; k < msg.n_notifies; k++)
			if (msg.notifies[k].type == N_MMX_RESULT)
				cr_assert_eq(mmx_result_get(&msg.notifies[k], &r), MMX_OK);
		cr_assert_eq(r.status, cases[i].status, "%zu: %s", i, mmx_status_name(r.status));
		if (cases[i].how == NO_SPIS) { /* from nonces, and so what nobody can choose */
			cr_assert_geq(d->e[DUO_R].child.spi_out, 256);
			cr_assert_neq(d->e[DUO_R].child.spi_out >> 24, 0xc0);
		}
		cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 1);
		duo_free(d);
	}
}

/* MMX-148: what R made goes, since I cannot use it. */
Test(mmx_addif_bad, answer)
{
	static const struct {
		enum change how;
		unsigned left;
	} cases[] = {
		{ NOTHING, 2 },
		{ TOO_MANY_SPIS, 1 },
		{ LOW_SPI, 1 },
		{ NO_NONCE, 1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		begin();
		take();
		give(DUO_R, NOTHING);
		cr_assert_eq(children(DUO_R), 2);
		take();
		give(DUO_I, cases[i].how);
		for (unsigned k = 0; k < 10; k++) {
			cr_assert(duo_settle(d));
			duo_wait(d, USEC_PER_SEC);
		}
		cr_assert_eq(children(DUO_I), cases[i].left);
		cr_assert_eq(children(DUO_R), cases[i].left);
		cr_assert_eq(duo_count(d, DUO_I, "ESTABLISHED"), 1);
		duo_free(d);
	}
}
