/* SPDX-License-Identifier: GPL-2.0-only */
/* ike/mmx_list: lists of interfaces as they come in messages, and what follows from them. */
#include <criterion/criterion.h>
#include <string.h>

#include "../../user/ike/mmx_list.h"

static uint8_t buf[8192];
static struct msg_wr w;
static struct mmx_list l;
static enum mmx_limit_which limit;
static uint8_t most = MMX_IFACES_MAX;

static void begin(void)
{
	w = msg_begin_inner(buf, sizeof(buf));
}

/* Interface ifid, whose endpoints have the numbers 10 * ifid and on. */
static struct mmx_iface make(uint32_t generation, uint16_t ifid, uint8_t flags, uint8_t n)
{
	struct mmx_iface i = { .generation = generation, .ifid = ifid, .flags = flags, .n = n };

	for (uint8_t k = 0; k < n; k++)
		i.ep[k] =
			(struct mmx_iface_ep){ .epid = (uint16_t)(10 * ifid + k),
					       .flags = ifid == 1 && !k ? MMX_IFACE_EP_CURRENT : 0,
					       .addr = addr_v4(0xc6336400u + 10u * ifid + k) };
	return i;
}

static void put(uint32_t generation, uint16_t ifid, uint8_t flags, uint8_t n)
{
	struct mmx_iface i = make(generation, ifid, flags, n);

	mmx_iface_put(&w, &i);
}

static enum mmx_status take(void)
{
	static struct ike_msg m;
	uint8_t critical;
	size_t len = msg_end(&w);

	memset(&m, 0, sizeof(m));
	cr_assert_eq(w.w.err, 0);
	cr_assert_eq(msg_decode_inner(w.first, buf, len, &m, &critical), MSG_OK);
	return mmx_list_take(&l, &m, most, &limit);
}

enum { UP = MMX_IFACE_UP, LAST = MMX_IFACE_LAST | MMX_IFACE_UP };

/* Interfaces 1, 2 and 3, of generation 5, with 1, 2 and 1 endpoints. */
static void three(void)
{
	begin();
	put(5, 1, UP, 1);
	put(5, 2, UP, 2);
	put(5, 3, LAST, 1);
	cr_assert_eq(take(), MMX_OK);
}

TestSuite(mmx_list, .init = three);

/* [MMX-18] */
Test(mmx_list, in_their_order)
{
	const struct mmx_iface *i;

	cr_assert(l.known);
	cr_assert_eq(l.n, 3);
	cr_assert_eq(l.generation, 5);
	cr_assert_eq(l.iface[1].ifid, 2);
	const struct mmx_iface_ep *ep = mmx_list_ep(&l, 21, &i);
	cr_assert(ep && i == &l.iface[1]);
	cr_assert(addr_equal(&ep->addr, &(struct addr){ 4, { 198, 51, 100, 21 } }));
	cr_assert_null(mmx_list_ep(&l, 22, NULL));
	cr_assert_eq(mmx_list_iface(&l, 3), &l.iface[2]);
	cr_assert_null(mmx_list_iface(&l, 4));
}

/* [MMX-18]: other notifications between them, and none at all. */
Test(mmx_list, other_notifications)
{
	begin();
	msg_put_notify(&w, 0, NULL, 0, N_COOKIE2, "12345678", 8);
	cr_assert_eq(take(), MMX_OK);
	cr_assert_eq(l.generation, 5);
	begin();
	put(6, 1, UP, 1);
	msg_put_notify(&w, 0, NULL, 0, N_COOKIE2, "12345678", 8);
	put(6, 9, LAST, 1);
	cr_assert_eq(take(), MMX_OK);
	cr_assert_eq(l.n, 2);
	cr_assert_not_null(mmx_list_ep(&l, 90, NULL));
}

/* [MMX-19]: all of the former is gone; what is not newer changes nothing and is no mistake. */
Test(mmx_list, replaced_by_newer_ones_only)
{
	for (uint32_t generation = 4; generation <= 6; generation++) {
		begin();
		put(generation, 1, LAST, 1);
		cr_assert_eq(take(), MMX_OK);
		cr_assert_eq(l.n, generation == 6 ? 1 : 3);
	}
	cr_assert_null(mmx_list_ep(&l, 20, NULL));
	begin();
	put(7, 0, MMX_IFACE_EMPTY | MMX_IFACE_LAST, 0);
	cr_assert_eq(take(), MMX_OK);
	cr_assert_eq(l.n, 0);
	cr_assert_eq(l.generation, 7);
}

/* [MMX-44]: what is gone is known for a while, for those that use it, and cannot be chosen. */
Test(mmx_list, gone)
{
	uint16_t epids[MMX_SIDE_MAX];

	begin();
	put(6, 1, UP, 1);
	put(6, 2, LAST, 1);
	cr_assert_eq(take(), MMX_OK);
	cr_assert_null(mmx_list_ep(&l, 21, NULL));
	cr_assert_not_null(mmx_list_had_ep(&l, 21));
	cr_assert_not_null(mmx_list_had_ep(&l, 30));
	cr_assert_null(mmx_list_had_ep(&l, 40));
	cr_assert_eq(mmx_list_check(&l, &(struct mmx_ep){ .epid = 30 }), MMX_UNKNOWN_ADDRESS);
	cr_assert_eq(mmx_list_alternates(&l, 10, 1 << 4, epids), 1);
	cr_assert_eq(mmx_list_eps_of(&l, 2, epids), 2);
	cr_assert(epids[0] == 20 && epids[1] == 21);
	cr_assert_eq(mmx_list_eps_of(&l, 3, epids), 1);
	cr_assert_eq(epids[0], 30);
	cr_assert_eq(mmx_list_eps_of(&l, 4, epids), 0);
	/* and it is back */
	begin();
	put(7, 1, UP, 1);
	put(7, 2, LAST, 2);
	cr_assert_eq(take(), MMX_OK);
	cr_assert_not_null(mmx_list_ep(&l, 21, NULL));
	cr_assert_eq(l.n_gone, 1);
}

/* [MMX-44]: the last ones only. */
Test(mmx_list, many_gone)
{
	for (uint16_t i = 0; i < 40; i++) {
		begin();
		put(6 + i, 1, UP, 1);
		put(6 + i, (uint16_t)(100 + i), LAST, 1);
		cr_assert_eq(take(), MMX_OK);
	}
	cr_assert_eq(l.n_gone, MMX_GONE_MAX);
	cr_assert_not_null(mmx_list_had_ep(&l, 1380));
	cr_assert_not_null(mmx_list_had_ep(&l, 1070));
	cr_assert_null(mmx_list_had_ep(&l, 1060));
}

/* [MMX-20]: the former stays. */
Test(mmx_list, malformed)
{
	struct mmx_iface twice = make(6, 2, LAST, 1);

	begin();
	put(6, 1, UP, 1);
	put(7, 2, LAST, 1); /* of two lists */
	cr_expect_eq(take(), MMX_MALFORMED);
	begin();
	put(6, 1, UP, 1);
	put(6, 1, LAST, 1); /* one twice */
	cr_expect_eq(take(), MMX_MALFORMED);
	begin();
	put(6, 1, UP, 1);
	twice.ep[0].epid = 10; /* an endpoint of two */
	mmx_iface_put(&w, &twice);
	cr_expect_eq(take(), MMX_MALFORMED);
	begin();
	put(6, 1, LAST, 1);
	put(6, 2, LAST, 1); /* after the last */
	cr_expect_eq(take(), MMX_MALFORMED);
	begin();
	put(6, 1, UP, 1);
	put(6, 0, MMX_IFACE_EMPTY | MMX_IFACE_LAST, 0); /* empty, and not */
	cr_expect_eq(take(), MMX_MALFORMED);
	begin();
	put(6, 0, MMX_IFACE_EMPTY | MMX_IFACE_UP, 0);
	put(6, 1, LAST, 1);
	cr_expect_eq(take(), MMX_MALFORMED);
	begin();
	put(8, 2, LAST, 1); /* without what IKE runs over */
	cr_expect_eq(take(), MMX_MALFORMED);
	begin();
	msg_put_notify(&w, 0, NULL, 0, N_MMX_IFACE, "123", 3);
	cr_expect_eq(take(), MMX_MALFORMED);
	cr_expect_eq(l.generation, 5);
	cr_expect_eq(l.n, 3);
}

static void put_many(uint32_t generation, uint16_t n)
{
	begin();
	for (uint16_t i = 1; i <= n; i++)
		put(generation, i, i == n ? LAST : UP, 1);
}

/* [MMX-21]: sixteen are kept, or as many as were announced; the seventeenth is one too many. */
Test(mmx_list, too_many_interfaces)
{
	put_many(6, 16);
	cr_assert_eq(take(), MMX_OK);
	cr_assert_eq(l.n, 16);
	put_many(7, 17);
	cr_assert_eq(take(), MMX_TOO_MANY);
	cr_assert_eq(limit, MMX_LIMIT_IFACES);
	cr_assert_eq(l.n, 16);
	cr_assert_eq(l.generation, 7);
	most = 2;
	put_many(8, 3);
	cr_assert_eq(take(), MMX_TOO_MANY);
	cr_assert_eq(l.n, 2);
	cr_assert_eq(l.iface[1].ifid, 2);
}

/* [MMX-21]: without an end, and with an interface of more endpoints than are kept. */
Test(mmx_list, cut)
{
	uint8_t *n;

	begin();
	put(6, 1, UP, 1);
	put(6, 2, UP, 1);
	cr_assert_eq(take(), MMX_TOO_MANY);
	cr_assert_eq(limit, MMX_LIMIT_IFACES);
	cr_assert_eq(l.n, 2);
	/* a ninth endpoint, written behind the eight that can be */
	begin();
	put(7, 1, LAST, MMX_SIDE_MAX);
	n = w.w.base + w.pld_start + 8 + 9;
	cr_assert_eq(*n, MMX_SIDE_MAX);
	++*n;
	wr_u16(&w.w, 99);
	wr_u16(&w.w, 0x0400);
	wr_u32(&w.w, 0xc6336463);
	msg_pld_end(&w);
	cr_assert_eq(take(), MMX_TOO_MANY);
	cr_assert_eq(limit, MMX_LIMIT_SIDE);
	cr_assert_eq(l.n, 1);
	cr_assert_eq(l.iface[0].n, MMX_SIDE_MAX);
	cr_assert_null(mmx_list_ep(&l, 99, NULL));
}

/* [MMX-22]: numbers, addresses, both, and those a message brings itself. */
Test(mmx_list, endpoints_of_messages)
{
	struct addr ten = addr_v4(0xc633640a), other = addr_v4(0xc6336463);
	const struct {
		struct mmx_ep ep;
		enum mmx_status want, before; /* there was a list */
	} rows[] = {
		{ { .epid = 10 }, MMX_OK, MMX_UNKNOWN_ADDRESS },
		{ { .epid = 11 }, MMX_UNKNOWN_ADDRESS, MMX_UNKNOWN_ADDRESS },
		{ { .epid = 0 }, MMX_OK, MMX_OK },
		{ { .epid = 10, .addr = ten }, MMX_OK, MMX_OK },
		{ { .epid = 10, .addr = other }, MMX_STATE_MISMATCH, MMX_OK },
		{ { .epid = 10, .addr = other, .flags = MMX_EP_HERE }, MMX_OK, MMX_OK },
		{ { .epid = 77, .addr = other }, MMX_UNKNOWN_ADDRESS, MMX_OK },
		{ { .epid = 77, .addr = other, .flags = MMX_EP_HERE }, MMX_OK, MMX_OK },
		{ { .addr = ten }, MMX_UNKNOWN_ADDRESS, MMX_UNKNOWN_ADDRESS },
		{ { .epid = 3, .flags = MMX_EP_IFID }, MMX_OK, MMX_UNKNOWN_ADDRESS },
		{ { .epid = 4, .flags = MMX_EP_IFID }, MMX_UNKNOWN_ADDRESS, MMX_UNKNOWN_ADDRESS },
	};
	struct mmx_list none = { .n = 0 };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_expect_eq(mmx_list_check(&l, &rows[i].ep), rows[i].want, "%zu", i);
		cr_expect_eq(mmx_list_check(&none, &rows[i].ep), rows[i].before, "%zu", i);
	}
}

enum { V4 = 1 << 4, V6 = 1 << 6 };

static void assert_alternates(uint16_t old, unsigned families, unsigned n, const uint16_t *want)
{
	uint16_t got[MMX_ALTS_MAX];

	cr_assert_eq(mmx_list_alternates(&l, old, families, got), n);
	for (unsigned i = 0; i < n; i++)
		cr_assert_eq(got[i], want[i], "%u: %u, not %u", i, got[i], want[i]);
}

/* [MMX-23]: by preference, then order, backups last; neither what is down nor the other family. */
Test(mmx_list, default_alternates)
{
	assert_alternates(10, V4, 3, (uint16_t[]){ 20, 21, 30 });
	assert_alternates(20, V4, 3, (uint16_t[]){ 10, 21, 30 });
	assert_alternates(10, V6, 0, NULL);
	l.iface[0].preference = 200;
	l.iface[1].preference = 7;
	l.iface[2].preference = 3;
	assert_alternates(99, V4, 4, (uint16_t[]){ 30, 20, 21, 10 });
	l.iface[2].flags |= MMX_IFACE_BACKUP;
	assert_alternates(99, V4, 4, (uint16_t[]){ 20, 21, 10, 30 });
	l.iface[0].preference = 255;
	assert_alternates(99, V4, 4, (uint16_t[]){ 20, 21, 10, 30 });
	l.iface[1].flags = 0;
	assert_alternates(99, V4, 2, (uint16_t[]){ 10, 30 });
	l.iface[0].ep[0].addr.family = 6;
	assert_alternates(99, V4, 1, (uint16_t[]){ 30 });
	assert_alternates(99, V6, 1, (uint16_t[]){ 10 });
	assert_alternates(99, V4 | V6, 2, (uint16_t[]){ 10, 30 });
}

/* [MMX-23]: of more than can be kept the best, whatever their order. */
Test(mmx_list, many_alternates)
{
	put_many(6, 16);
	cr_assert_eq(take(), MMX_OK);
	assert_alternates(10, V4, 8, (uint16_t[]){ 20, 30, 40, 50, 60, 70, 80, 90 });
	for (unsigned i = 0; i < 16; i++)
		l.iface[i].preference = (uint8_t)(100 - i);
	assert_alternates(10, V4, 8, (uint16_t[]){ 160, 150, 140, 130, 120, 110, 100, 90 });
}
