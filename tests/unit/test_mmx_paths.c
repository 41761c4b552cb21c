/* SPDX-License-Identifier: GPL-2.0-only */
/* ike/mmx_paths: where the peer was seen on each path, and whether it receives there. */
#include <criterion/criterion.h>
#include <string.h>

#include "../../user/ike/mmx_paths.h"

static struct mmx_list of_i, of_r;
static const struct mmx_lists lists = { { &of_i, &of_r } };
static struct mmx_paths t;
static bool moved;
static usec_t now = 1000 * USEC_PER_SEC;

static void announce(struct mmx_list *l, uint16_t n)
{
	for (uint16_t k = 1; k <= n; k++) {
		struct mmx_iface *i = &l->iface[l->n++];

		*i = (struct mmx_iface){ .ifid = k, .flags = MMX_IFACE_UP, .n = 1 };
		i->ep[0] =
			(struct mmx_iface_ep){ k, 0, { k == 9 ? 6 : 4, { 1, 2, 3, (uint8_t)k } } };
	}
}

static void fixture(void)
{
	announce(&of_i, 9);
	announce(&of_r, 8);
}

TestSuite(mmx_paths, .init = fixture);

static uint32_t id(unsigned i, unsigned r)
{
	return (uint32_t)(i << 16 | r);
}

static struct udp_addr at(uint32_t host, uint16_t port)
{
	return (struct udp_addr){ addr_v4(host), port };
}

static enum mmx_status see(uint32_t path, struct udp_addr peer)
{
	struct mmx_path_seen p = { .path = path, .peer = peer, .at = now };

	return mmx_paths_see(&t, &lists, &p, &moved);
}

static void verify(uint32_t path, struct udp_addr peer)
{
	mmx_paths_verify(&t, path, &peer, now);
}

static bool verified(uint32_t path)
{
	return mmx_paths_verified(&t, path, now);
}

/* [MMX-59]: behind a NAT each path has its own mapping, without one an endpoint is one address. */
Test(mmx_paths, verified_by_address_and_port)
{
	struct udp_addr plain = at(0xc6336401, 4500);

	cr_assert_eq(see(id(1, 1), plain), MMX_OK);
	cr_assert_eq(see(id(1, 2), plain), MMX_OK);
	cr_assert_eq(see(id(2, 1), at(0xcb007101, 1111)), MMX_OK);
	cr_assert_eq(see(id(2, 2), at(0xcb007101, 2222)), MMX_OK);
	cr_assert_not(verified(id(1, 1)));
	verify(id(1, 1), plain);
	verify(id(2, 1), at(0xcb007101, 1111));
	cr_assert(verified(id(1, 1)) && verified(id(1, 2)));
	cr_assert(verified(id(2, 1)) && !verified(id(2, 2)));
	cr_assert_not(verified(id(3, 1)));
	cr_assert_null(mmx_paths_find(&t, id(3, 1)));
	/* of where it is not any more */
	verify(id(2, 2), at(0xcb007101, 9999));
	cr_assert_not(verified(id(2, 2)));
	verify(id(3, 1), plain);
	cr_assert_eq(t.n, 4);
}

/* [MMX-60]: a new mapping has to be shown anew; the same one seen again has not. */
Test(mmx_paths, mapping_changes)
{
	cr_assert_eq(see(id(2, 1), at(0xcb007101, 1111)), MMX_OK);
	cr_assert_not(moved);
	verify(id(2, 1), at(0xcb007101, 1111));
	now += USEC_PER_SEC;
	cr_assert_eq(see(id(2, 1), at(0xcb007101, 1111)), MMX_OK);
	cr_assert(!moved && verified(id(2, 1)));
	cr_assert_eq(mmx_paths_find(&t, id(2, 1))->at, now);
	cr_assert_eq(see(id(2, 1), at(0xcb007101, 3333)), MMX_OK);
	cr_assert(moved && !verified(id(2, 1)));
	cr_assert_eq(t.n, 1);
}

/* [MMX-60]: ten minutes, or until there is doubt. */
Test(mmx_paths, expires)
{
	struct udp_addr a = at(0xc6336401, 4500), b = at(0xc6336402, 4500);

	cr_assert_eq(mmx_paths_expire(&t), USEC_NEVER);
	see(id(1, 1), a);
	see(id(2, 1), b);
	cr_assert_eq(mmx_paths_expire(&t), USEC_NEVER);
	verify(id(1, 1), a);
	now += USEC_PER_SEC;
	verify(id(2, 1), b);
	cr_assert_eq(mmx_paths_expire(&t), now + 599 * USEC_PER_SEC);
	now += 599 * USEC_PER_SEC;
	cr_assert(!verified(id(1, 1)) && verified(id(2, 1)));
	mmx_paths_doubt(&t, &a);
	cr_assert(verified(id(2, 1)));
	mmx_paths_doubt(&t, &b);
	cr_assert_not(verified(id(2, 1)));
	cr_assert_eq(mmx_paths_expire(&t), USEC_NEVER);
}

/* [MMX-61]: only what was announced has paths, of one family. */
Test(mmx_paths, announced_only)
{
	struct udp_addr a = at(0xc6336401, 4500);

	cr_assert_eq(see(id(10, 1), a), MMX_UNKNOWN_ADDRESS);
	cr_assert_eq(see(id(1, 9), a), MMX_UNKNOWN_ADDRESS);
	cr_assert_eq(see(id(9, 1), a), MMX_UNKNOWN_ADDRESS);
	cr_assert_eq(see(id(0, 1), a), MMX_UNKNOWN_ADDRESS);
	cr_assert_eq(t.n, 0);
	see(id(1, 1), a);
	see(id(1, 2), a);
	see(id(2, 1), a);
	mmx_paths_forget(&t, MMX_R, 2);
	cr_assert_eq(t.n, 2);
	mmx_paths_forget(&t, MMX_I, 1);
	cr_assert_eq(t.n, 1);
	cr_assert_not_null(mmx_paths_find(&t, id(2, 1)));
}

/* [MMX-61]: of too many the oldest goes. */
Test(mmx_paths, too_many)
{
	for (unsigned i = 1; i <= 8; i++)
		for (unsigned r = 1; r <= 8; r++, now++)
			cr_assert_eq(see(id(i, r), at(0xc6336400 + i, 4500)), MMX_OK);
	cr_assert_eq(t.n, MMX_PATHS_KEPT);
	see(id(1, 1), at(0xc6336401, 4500));
	of_i.iface[8].ep[0].addr.family = 4;
	now++;
	cr_assert_eq(see(id(9, 1), at(0xc6336409, 4500)), MMX_OK);
	cr_assert_eq(t.n, MMX_PATHS_KEPT);
	cr_assert_null(mmx_paths_find(&t, id(1, 2)));
	cr_assert_not_null(mmx_paths_find(&t, id(1, 1)));
	cr_assert_not_null(mmx_paths_find(&t, id(9, 1)));
}
