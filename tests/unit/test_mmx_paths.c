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
	/* of where it never was */
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
	cr_assert(moved && verified(id(2, 1)), "what is verified stays: anybody may have done it");
	cr_assert_eq(mmx_paths_find(&t, id(2, 1))->peer.port, 1111);
	verify(id(2, 1), at(0xcb007101, 3333));
	cr_assert(verified(id(2, 1)));
	cr_assert_eq(mmx_paths_find(&t, id(2, 1))->peer.port, 3333);
	cr_assert_not(mmx_paths_receives(&t, &(struct udp_addr){ addr_v4(0xcb007101), 1111 }, now));
	cr_assert_eq(t.n, 1);
}

/* [MMX-60]: if the peer says that it is there now, nothing goes to the old one any more. */
Test(mmx_paths, mapping_told)
{
	see(id(2, 1), at(0xcb007101, 1111));
	see(id(3, 1), at(0xcb007101, 2222));
	verify(id(2, 1), at(0xcb007101, 1111));
	verify(id(3, 1), at(0xcb007101, 2222));
	see(id(2, 1), at(0xcb007101, 3333));
	see(id(3, 1), at(0xcb007101, 4444));
	mmx_paths_moved(&t, MMX_I, 2);
	cr_assert_eq(mmx_paths_find(&t, id(2, 1))->peer.port, 3333);
	cr_assert_not(verified(id(2, 1)));
	cr_assert(verified(id(3, 1)));
	/* what was not verified goes to where it was seen last */
	see(id(2, 1), at(0xcb007101, 5555));
	cr_assert_eq(mmx_paths_find(&t, id(2, 1))->peer.port, 5555);
}

/* [MMX-80]: a path that does not answer is not used, whoever else receives at that address. */
Test(mmx_paths, dead)
{
	struct udp_addr a = at(0xc6336401, 4500);

	see(id(1, 1), a);
	see(id(2, 1), a);
	verify(id(1, 1), a);
	mmx_paths_lost(&t, id(2, 1), now);
	mmx_paths_lost(&t, id(3, 1), now);
	cr_assert(verified(id(1, 1)) && !verified(id(2, 1)));
	see(id(2, 1), a);
	cr_assert(verified(id(2, 1)));
}

/* [MMX-60]: ten minutes, of which the last seconds are there to renew it. */
Test(mmx_paths, expires)
{
	struct udp_addr a = at(0xc6336401, 4500), b = at(0xc6336402, 4500);
	usec_t began = now;

	cr_assert_eq(mmx_paths_due_at(&t), USEC_NEVER);
	see(id(1, 1), a);
	see(id(2, 1), b);
	cr_assert_eq(mmx_paths_due_at(&t), USEC_NEVER);
	verify(id(1, 1), a);
	now += USEC_PER_SEC;
	verify(id(2, 1), b);
	cr_assert_eq(mmx_paths_due_at(&t), began + 570 * USEC_PER_SEC);
	cr_assert_null(mmx_paths_due(&t, now));
	now = began + 570 * USEC_PER_SEC;
	cr_assert_eq(mmx_paths_due(&t, now)->path, id(1, 1));
	cr_assert_null(mmx_paths_due(&t, now));
	cr_assert_eq(mmx_paths_due_at(&t), began + 571 * USEC_PER_SEC);
	now = began + 571 * USEC_PER_SEC;
	cr_assert_eq(mmx_paths_due(&t, now)->path, id(2, 1));
	verify(id(2, 1), b);
	cr_assert_eq(mmx_paths_due_at(&t), began + 600 * USEC_PER_SEC);
	now = began + 600 * USEC_PER_SEC;
	cr_assert(!verified(id(1, 1)) && verified(id(2, 1)));
	cr_assert_eq(mmx_paths_due(&t, now)->path, id(1, 1));
	cr_assert_null(mmx_paths_due(&t, now));
	cr_assert_eq(mmx_paths_due_at(&t), began + (571 + 570) * USEC_PER_SEC);
}

/* [MMX-60]: if in doubt it is renewed at once, but not for ever anew. */
Test(mmx_paths, doubt)
{
	struct udp_addr a = at(0xc6336401, 4500);

	see(id(1, 1), a);
	see(id(2, 1), at(0xc6336402, 4500));
	verify(id(1, 1), a);
	verify(id(2, 1), at(0xc6336402, 4500));
	mmx_paths_doubt(&t, &a, now);
	cr_assert_null(mmx_paths_due(&t, now), "just now");
	now += 30 * USEC_PER_SEC;
	mmx_paths_doubt(&t, &a, now);
	cr_assert_eq(mmx_paths_due(&t, now)->path, id(1, 1));
	mmx_paths_doubt(&t, &a, now);
	cr_assert_null(mmx_paths_due(&t, now));
	cr_assert(verified(id(1, 1)), "until it is known better");
	now += MMX_RR_DOUBT_SEC * USEC_PER_SEC;
	cr_assert(!verified(id(1, 1)) && verified(id(2, 1)));
	cr_assert_eq(mmx_paths_due(&t, now)->path, id(1, 1));
	cr_assert_eq(mmx_paths_find(&t, id(1, 1))->verified, 0);
}

/* [MMX-80]: what worked once is tried again, less and less often; what never did is not. */
Test(mmx_paths, tried_again)
{
	struct udp_addr a = at(0xc6336401, 4500);
	usec_t wait = MMX_RETRY_SEC * USEC_PER_SEC;

	see(id(1, 1), a);
	mmx_paths_lost(&t, id(1, 1), now);
	cr_assert_eq(mmx_paths_due_at(&t), USEC_NEVER);
	see(id(1, 1), a);
	verify(id(1, 1), a);
	for (unsigned k = 0; k < 6; k++, wait *= 2) {
		mmx_paths_lost(&t, id(1, 1), now);
		cr_assert_null(mmx_paths_due(&t, now + wait - 1));
		now += wait;
		cr_assert_eq(mmx_paths_due(&t, now)->path, id(1, 1));
		cr_assert_null(mmx_paths_due(&t, now));
	}
	for (unsigned k = 0; k < 3; k++)
		mmx_paths_lost(&t, id(1, 1), now);
	cr_assert_eq(mmx_paths_find(&t, id(1, 1))->retry, now + wait, "not more seldom than that");
	cr_assert_eq(wait, 320 * USEC_PER_SEC);
	see(id(1, 1), a);
	verify(id(1, 1), a);
	mmx_paths_lost(&t, id(1, 1), now);
	cr_assert_eq(mmx_paths_due_at(&t), now + MMX_RETRY_SEC * USEC_PER_SEC);
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
