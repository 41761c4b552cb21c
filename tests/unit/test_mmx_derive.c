/* SPDX-License-Identifier: GPL-2.0-only */
/* ike/mmx_derive: which SAs an added interface gets. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "../../user/ike/mmx_derive.h"

enum { MANY = 5000, INNER_1 = 0x0a000001, INNER_2 = 0x0a000002, INNER_3 = 0x0a000003 };

static struct mmx_list of_a;
static struct mmx_binding on[5]; /* on interface k, the peer's endpoint 1 */
static struct ike_ts inner[4], service[MANY];
static struct mmx_child all[MANY + 8];
static struct mmx_add add;
static uint32_t order[MANY + 8];
static size_t n, n_order;

static struct ike_ts ts(uint32_t first, uint32_t last, uint16_t port)
{
	return (struct ike_ts){ .port_first = port,
				.port_last = port ? port : 65535,
				.first = addr_v4(first),
				.last = addr_v4(last) };
}

/* Interfaces 1 to 4 with endpoints of the same numbers; the inner address of k is 10.0.0.k. */
static void fixture(void)
{
	of_a.known = true;
	for (uint16_t k = 1; k <= 4; k++) {
		of_a.iface[of_a.n++] = (struct mmx_iface){
			.ifid = k,
			.flags = MMX_IFACE_UP,
			.n = 1,
			.ep = { { k, 0, addr_v4(0xc6336400u + k) } },
		};
		mmx_binding_own(&on[k], k, 1);
		if (k < 4)
			inner[k] = ts(0x0a000000u + k, 0x0a000000u + k, 0);
	}
	for (unsigned i = 0; i < MANY; i++)
		service[i] = ts(0x0b000000u + i, 0x0b000000u + i, 0);
	add = (struct mmx_add){ .a = MMX_I, .new = 3, .to = 1 };
	add.n_inner_old = 2;
	add.inner_old[0] = addr_v4(INNER_1);
	add.inner_old[1] = addr_v4(INNER_2);
	add.n_inner_new = 1;
	add.inner_new[0] = addr_v4(INNER_3);
	mmx_add_default_src(&add, &of_a);
}

TestSuite(mmx_derive, .init = fixture);

/* A tunnel over interface k, for service s. */
static struct mmx_child *tunnel(uint32_t spi_a, unsigned k, unsigned s)
{
	all[n] = (struct mmx_child){ .spi_a = spi_a,
				     .spi_b = spi_a + 0x10000000,
				     .protocol = PROTO_ESP,
				     .binding = &on[k],
				     .n_ts_a = 1,
				     .n_ts_b = 1,
				     .ts_a = &inner[k],
				     .ts_b = &service[s] };
	return &all[n++];
}

static enum mmx_status parents(void)
{
	return mmx_derive_parents(all, n, &add, &of_a, order, &n_order);
}

static void assert_order(size_t want, const uint32_t *spis)
{
	cr_assert_eq(n_order, want, "%zu", n_order);
	for (size_t i = 0; i < want; i++)
		cr_assert_eq(all[order[i]].spi_a, spis[i], "%zu: %x", i, all[order[i]].spi_a);
}

/* [MMX-40]: by source, then by SPI; those of other interfaces are none. */
Test(mmx_derive, parents_in_their_order)
{
	tunnel(0xc9, 1, 0);
	tunnel(0xc2, 2, 0);
	tunnel(0xc7, 1, 1);
	tunnel(0xc1, 2, 1);
	tunnel(0xc0, 3, 2); /* the new one itself */
	cr_assert_eq(add.n_src, 3);
	cr_assert_eq(parents(), MMX_OK);
	assert_order(4, (uint32_t[]){ 0xc7, 0xc9, 0xc1, 0xc2 });
	add.n_src = 2;
	add.src[0] = 2;
	add.src[1] = 1;
	cr_assert_eq(parents(), MMX_OK);
	assert_order(4, (uint32_t[]){ 0xc1, 0xc2, 0xc7, 0xc9 });
	add.n_src = 1;
	cr_assert_eq(parents(), MMX_OK);
	assert_order(2, (uint32_t[]){ 0xc1, 0xc2 });
	add.src[0] = 4;
	cr_assert_eq(parents(), MMX_OK);
	cr_assert_eq(n_order, 0);
}

/* [MMX-40]: of several sources it counts at the first. */
Test(mmx_derive, bound_to_several)
{
	struct mmx_binding both = on[2];
	struct mmx_lists lists = { { &of_a, &of_a } };

	cr_assert_eq(mmx_binding_add(&both, &lists, MMX_I, 1, 8), MMX_OK);
	tunnel(0xc9, 1, 0);
	tunnel(0xc2, 2, 1)->binding = &both;
	tunnel(0xc1, 2, 2);
	cr_assert_eq(parents(), MMX_OK);
	assert_order(3, (uint32_t[]){ 0xc2, 0xc9, 0xc1 });
	both.ends[MMX_I] = (struct mmx_ends){ 2, { 1, 2 } };
	cr_assert_eq(parents(), MMX_OK);
	assert_order(3, (uint32_t[]){ 0xc2, 0xc9, 0xc1 });
}

/* [MMX-41] */
Test(mmx_derive, busy_and_suspended)
{
	struct mmx_child *c;

	tunnel(0xc1, 1, 0);
	c = tunnel(0xc2, 2, 0);
	c->suspended = true;
	cr_assert_eq(parents(), MMX_OK);
	assert_order(1, (uint32_t[]){ 0xc1 });
	c->busy = true; /* it would be no parent */
	cr_assert_eq(parents(), MMX_OK);
	c->suspended = false;
	cr_assert_eq(parents(), MMX_BUSY);
	add.n_src = 1; /* of no source that was asked for */
	cr_assert_eq(parents(), MMX_OK);
	assert_order(1, (uint32_t[]){ 0xc1 });
}

/* [MMX-40]: only those that are listed; one that is none of this IKE SA's says nothing more. */
Test(mmx_derive, only_some)
{
	static const uint8_t two[] = { 0, 0, 0, 0xc9, 0, 0, 0, 0xc2, 0, 0, 0, 0xc9 },
			     other[] = { 0, 0, 0, 0xc2, 0, 0, 0, 0xc8 };

	tunnel(0xc9, 1, 0);
	tunnel(0xc2, 2, 0);
	tunnel(0xc7, 1, 1);
	add.only = (struct bytes){ two, sizeof(two) };
	cr_assert_eq(parents(), MMX_OK);
	assert_order(2, (uint32_t[]){ 0xc9, 0xc2 });
	add.only = (struct bytes){ other, sizeof(other) };
	n_order = 77;
	cr_assert_eq(parents(), MMX_UNKNOWN_SA);
	cr_assert_eq(n_order, 77);
}

static enum mmx_status kept(void)
{
	enum mmx_status status = parents();

	return status == MMX_OK ? mmx_derive_kept(all, n, &add, order, &n_order) : status;
}

/* [MMX-42]: an inner address becomes the new one of its family, where it stands alone. */
Test(mmx_derive, selectors_of_a_tunnel)
{
	struct ike_ts a[IKE_TS_MAX], b[IKE_TS_MAX];
	struct ike_ts own[] = { ts(INNER_1, INNER_1, 80), ts(INNER_1, INNER_2, 0),
				ts(INNER_3 + 5, INNER_3 + 5, 0), ts(INNER_2, INNER_2, 0) };
	struct mmx_child *c = tunnel(0xc1, 1, 7);

	c->n_ts_a = 4;
	c->ts_a = own;
	mmx_derive_ts(c, &add, a, b);
	cr_assert(addr_equal(&a[0].first, &add.inner_new[0]) &&
		  addr_equal(&a[0].last, &add.inner_new[0]));
	cr_assert_eq(a[0].port_first, 80);
	cr_assert(addr_equal(&a[1].first, &own[1].first) && addr_equal(&a[1].last, &own[1].last));
	cr_assert(addr_equal(&a[2].first, &own[2].first));
	cr_assert(addr_equal(&a[3].first, &add.inner_new[0]));
	cr_assert(addr_equal(&b[0].first, &service[7].first));
	/* none of that family */
	add.inner_new[0].family = 6;
	mmx_derive_ts(c, &add, a, b);
	cr_assert(addr_equal(&a[0].first, &own[0].first));
}

/* [MMX-42]: in transport mode both addresses are those of the endpoints. */
Test(mmx_derive, selectors_of_transport)
{
	struct ike_ts a[IKE_TS_MAX], b[IKE_TS_MAX];
	struct mmx_child *c = tunnel(0xc1, 1, 0);

	c->transport = true;
	add.new_addr = addr_v4(0xc6336403);
	add.to_addr = addr_v4(0xc0000201);
	mmx_derive_ts(c, &add, a, b);
	cr_assert(addr_equal(&a[0].first, &add.new_addr) && addr_equal(&a[0].last, &add.new_addr));
	cr_assert(addr_equal(&b[0].first, &add.to_addr));
}

/* [MMX-43]: one for each service, though two interfaces have it; none that is there already. */
Test(mmx_derive, no_duplicates)
{
	for (unsigned s = 0; s < 3; s++) {
		tunnel(0xc1 + s, 1, s);
		tunnel(0xd1 + s, 2, s);
	}
	cr_assert_eq(kept(), MMX_OK);
	assert_order(3, (uint32_t[]){ 0xc1, 0xc2, 0xc3 });
	tunnel(0xe1, 3, 1); /* is there */
	cr_assert_eq(kept(), MMX_OK);
	assert_order(2, (uint32_t[]){ 0xc1, 0xc3 });
	tunnel(0xe2, 3, 0)->protocol = PROTO_AH; /* is something else */
	cr_assert_eq(kept(), MMX_OK);
	assert_order(2, (uint32_t[]){ 0xc1, 0xc3 });
	add.parallel = true;
	cr_assert_eq(kept(), MMX_OK);
	cr_assert_eq(n_order, 6);
}

/* [MMX-43]: without another inner address each would be what its parent is. */
Test(mmx_derive, all_are_there)
{
	tunnel(0xc1, 1, 0);
	tunnel(0xc2, 1, 1);
	add.n_inner_new = 0;
	cr_assert_eq(kept(), MMX_OK);
	cr_assert_eq(n_order, 0);
}

/* [MMX-43]: selectors are sets. */
Test(mmx_derive, compared_as_sets)
{
	struct ike_ts one[] = { ts(INNER_1, INNER_1, 0), ts(INNER_1, INNER_1, 80) };
	struct ike_ts two[] = { ts(INNER_3, INNER_3, 80), ts(INNER_3, INNER_3, 0),
				ts(INNER_3, INNER_3, 80) };
	struct mmx_child *c = tunnel(0xc1, 1, 0);

	c->n_ts_a = 2;
	c->ts_a = one;
	cr_assert_eq(kept(), MMX_OK);
	cr_assert_eq(n_order, 1);
	c = tunnel(0xe1, 3, 0);
	c->n_ts_a = 3;
	c->ts_a = two;
	cr_assert_eq(kept(), MMX_OK);
	cr_assert_eq(n_order, 0);
	c->n_ts_a = 1;
	cr_assert_eq(kept(), MMX_OK);
	cr_assert_eq(n_order, 1);
}

/* [MMX-43]: in transport mode endpoints are compared, not the addresses that a NAT changes. */
Test(mmx_derive, transport_compares_endpoints)
{
	struct mmx_child *c = tunnel(0xc1, 1, 0), *there;

	c->transport = true;
	cr_assert_eq(kept(), MMX_OK);
	cr_assert_eq(n_order, 1);
	there = tunnel(0xe1, 3, 77); /* other addresses, the same endpoints */
	there->transport = true;
	there->ts_a = &service[5];
	cr_assert_eq(kept(), MMX_OK);
	cr_assert_eq(n_order, 0);
	there->binding = &on[4];
	cr_assert_eq(kept(), MMX_OK);
	cr_assert_eq(n_order, 1);
	there->binding = &on[3];
	there->transport = false; /* a tunnel between them */
	cr_assert_eq(kept(), MMX_OK);
	cr_assert_eq(n_order, 1);
}

/* [MMX-40] [MMX-43]: thousands, whatever their order. */
Test(mmx_derive, thousands)
{
	for (unsigned i = 0; i < MANY; i++) {
		unsigned s = i * 1777 % MANY;

		tunnel(0x1000 + s, 1, s);
	}
	tunnel(0x100, 3, 4000);
	cr_assert_eq(kept(), MMX_OK);
	cr_assert_eq(n_order, MANY - 1);
	for (size_t i = 0; i < n_order; i++)
		cr_assert_eq(all[order[i]].spi_a, 0x1000 + i + (i >= 4000));
}

Test(mmx_derive, nothing)
{
	cr_assert_eq(kept(), MMX_OK);
	cr_assert_eq(n_order, 0);
}
