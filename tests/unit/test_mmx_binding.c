/* SPDX-License-Identifier: GPL-2.0-only */
/* ike/mmx_binding: which endpoints an SA has, and what becomes of it when they change. */
#include <criterion/criterion.h>
#include <string.h>

#include "../../user/ike/mmx_binding.h"

static struct mmx_list of_i, of_r;
static const struct mmx_lists lists = { { &of_i, &of_r } };
static struct mmx_binding b, before;

static void announce(struct mmx_list *l, uint16_t epid, uint8_t family)
{
	struct mmx_iface *i = &l->iface[l->n++];

	l->known = true;
	*i = (struct mmx_iface){ .ifid = epid,
				 .flags = MMX_IFACE_UP,
				 .n = 1,
				 .ep = { { .epid = epid,
					   .addr = { family, { 1, (uint8_t)epid } } } } };
}

/* I: 1 to 4 and 6 (IPv6); R: 1, 2, and 6 (IPv6). Bound to 3 and 1. */
static void fixture(void)
{
	for (uint16_t i = 1; i <= 4; i++)
		announce(&of_i, i, 4);
	announce(&of_i, 6, 6);
	announce(&of_r, 1, 4);
	announce(&of_r, 2, 4);
	announce(&of_r, 6, 6);
	mmx_binding_own(&b, 3, 1);
}

static void assert_ends(enum mmx_owner owner, unsigned n, const uint16_t *want)
{
	cr_assert_eq(b.ends[owner].n, n, "%u ends", b.ends[owner].n);
	cr_assert(!memcmp(b.ends[owner].epid, want, n * sizeof(*want)));
}

/* Nothing has changed since the last call. */
static void unchanged(void)
{
	cr_assert(mmx_binding_equal(&b, &before));
}

static unsigned paths(uint32_t *ret)
{
	uint32_t all[MMX_PATHS_MAX];

	return mmx_binding_paths(&b, &lists, ret ? ret : all);
}

TestSuite(mmx_binding, .init = fixture);

/* [MMX-24] */
Test(mmx_binding, inherited_or_own)
{
	struct mmx_binding inherited = { .own = false };

	cr_assert_eq(mmx_binding_paths(&inherited, &lists, (uint32_t[MMX_PATHS_MAX]){ 0 }), 0);
	cr_assert_not(mmx_binding_has(&inherited, MMX_I, 0));
	cr_assert_eq(mmx_binding_add(&inherited, &lists, MMX_I, 1, 8), MMX_UNKNOWN_ADDRESS);
	cr_assert_eq(mmx_binding_update(&inherited, &lists, MMX_I, 0, 1), MMX_UNKNOWN_ADDRESS);
	cr_assert_eq(mmx_binding_remove(&inherited, &lists, MMX_I, 0), MMX_UNKNOWN_ADDRESS);
	cr_assert_not(mmx_binding_equal(&inherited, &b));
	mmx_binding_own(&inherited, 3, 1);
	cr_assert(mmx_binding_equal(&inherited, &b));
	mmx_binding_own(&inherited, 2, 2); /* it has some already */
	cr_assert(mmx_binding_equal(&inherited, &b));
	cr_assert(mmx_binding_has(&b, MMX_I, 3) && mmx_binding_has(&b, MMX_R, 1));
	cr_assert_not(mmx_binding_has(&b, MMX_R, 3));
	/* and it is inherited again, as all those that are */
	b.n_alts = 1;
	b.alts[0] = (struct mmx_alt){ .owner = MMX_I, .of = 3, .epid = 2 };
	cr_assert_eq(mmx_binding_update(&b, &lists, MMX_I, 3, 0), MMX_OK);
	cr_assert_not(b.own);
	cr_assert(mmx_binding_equal(&b, &(struct mmx_binding){ .own = false }));
	cr_assert_eq(paths(NULL), 0);
}

/* [MMX-25]: old by new, in its place; by one that is there the set shrinks. */
Test(mmx_binding, update)
{
	cr_assert_eq(mmx_binding_update(&b, &lists, MMX_I, 3, 4), MMX_OK);
	assert_ends(MMX_I, 1, (uint16_t[]){ 4 });
	assert_ends(MMX_R, 1, (uint16_t[]){ 1 });
	cr_assert_eq(mmx_binding_update(&b, &lists, MMX_I, 4, 4), MMX_OK); /* its NAT changed */
	assert_ends(MMX_I, 1, (uint16_t[]){ 4 });
	cr_assert_eq(mmx_binding_add(&b, &lists, MMX_I, 1, 8), MMX_OK);
	cr_assert_eq(mmx_binding_add(&b, &lists, MMX_I, 2, 8), MMX_OK);
	cr_assert_eq(mmx_binding_update(&b, &lists, MMX_I, 1, 3), MMX_OK);
	assert_ends(MMX_I, 3, (uint16_t[]){ 4, 3, 2 });
	cr_assert_eq(mmx_binding_update(&b, &lists, MMX_I, 4, 2), MMX_OK);
	assert_ends(MMX_I, 2, (uint16_t[]){ 3, 2 });
	cr_assert_eq(mmx_binding_update(&b, &lists, MMX_R, 1, 2), MMX_OK);
	assert_ends(MMX_R, 1, (uint16_t[]){ 2 });
	before = b;
	cr_assert_eq(mmx_binding_update(&b, &lists, MMX_I, 1, 4), MMX_UNKNOWN_ADDRESS);
	cr_assert_eq(mmx_binding_update(&b, &lists, MMX_R, 3, 1), MMX_UNKNOWN_ADDRESS);
	cr_assert_eq(mmx_binding_update(&b, &lists, MMX_I, 3, 6), MMX_FAMILY);
	cr_assert_eq(mmx_binding_update(&b, &lists, MMX_I, 3, 99), MMX_FAMILY);
	unchanged();
}

/* [MMX-25]: adding and then removing comes to the same as an update. */
Test(mmx_binding, update_is_add_and_remove)
{
	struct mmx_binding other = b;

	cr_assert_eq(mmx_binding_update(&b, &lists, MMX_I, 3, 2), MMX_OK);
	cr_assert_eq(mmx_binding_add(&other, &lists, MMX_I, 2, 8), MMX_OK);
	cr_assert_eq(mmx_binding_remove(&other, &lists, MMX_I, 3), MMX_OK);
	cr_assert(mmx_binding_equal(&b, &other));
}

/* [MMX-26]: sets of both sides, their pairs of one family are the paths. */
Test(mmx_binding, paths_are_pairs_of_one_family)
{
	uint32_t got[MMX_PATHS_MAX];

	cr_assert_eq(paths(got), 1);
	cr_assert_eq(got[0], 3 << 16 | 1);
	cr_assert_eq(mmx_binding_add(&b, &lists, MMX_R, 6, 8), MMX_FAMILY);
	cr_assert_eq(mmx_binding_add(&b, &lists, MMX_R, 2, 8), MMX_OK);
	cr_assert_eq(mmx_binding_add(&b, &lists, MMX_I, 1, 8), MMX_OK);
	cr_assert_eq(mmx_binding_add(&b, &lists, MMX_I, 1, 8), MMX_OK); /* there already */
	cr_assert_eq(paths(got), 4);
	cr_assert_eq(got[0], 3 << 16 | 1);
	cr_assert_eq(got[1], 3 << 16 | 2);
	cr_assert_eq(got[3], 1 << 16 | 2);
	/* IPv6 beside it; nothing mixed */
	b.ends[MMX_R].epid[b.ends[MMX_R].n++] = 6;
	cr_assert_eq(paths(NULL), 4);
	cr_assert_eq(mmx_binding_add(&b, &lists, MMX_I, 6, 8), MMX_OK);
	cr_assert_eq(paths(got), 5);
	cr_assert_eq(got[4], 6 << 16 | 6);
	/* gone from the list, but not yet given up */
	of_i.n--;
	cr_assert_eq(paths(NULL), 4);
	of_i.gone[of_i.n_gone++] = (struct mmx_gone){ 6, of_i.iface[of_i.n].ep[0] };
	cr_assert_eq(paths(NULL), 5);
}

/* [MMX-26]: eight of a side, or what was announced. */
Test(mmx_binding, too_many_endpoints)
{
	for (uint16_t i = 10; i < 18; i++)
		announce(&of_i, i, 4);
	cr_assert_eq(mmx_binding_add(&b, &lists, MMX_I, 10, 1), MMX_TOO_MANY);
	for (uint16_t i = 10; i < 17; i++)
		cr_assert_eq(mmx_binding_add(&b, &lists, MMX_I, i, 8), MMX_OK);
	before = b;
	cr_assert_eq(mmx_binding_add(&b, &lists, MMX_I, 17, 8), MMX_TOO_MANY);
	cr_assert_eq(mmx_binding_add(&b, &lists, MMX_I, 17, 255), MMX_TOO_MANY);
	cr_assert_eq(mmx_binding_add(&b, &lists, MMX_I, 16, 8), MMX_OK);
	unchanged();
}

/* [MMX-27] */
Test(mmx_binding, remove)
{
	before = b;
	cr_assert_eq(mmx_binding_remove(&b, &lists, MMX_I, 3), MMX_LAST_ADDRESS);
	cr_assert_eq(mmx_binding_remove(&b, &lists, MMX_I, 2), MMX_UNKNOWN_ADDRESS);
	unchanged();
	cr_assert_eq(mmx_binding_add(&b, &lists, MMX_I, 2, 8), MMX_OK);
	cr_assert_eq(mmx_binding_remove(&b, &lists, MMX_I, 3), MMX_OK);
	assert_ends(MMX_I, 1, (uint16_t[]){ 2 });
	/* what is left would have no path */
	b.ends[MMX_I].epid[b.ends[MMX_I].n++] = 6;
	before = b;
	cr_assert_eq(mmx_binding_remove(&b, &lists, MMX_I, 2), MMX_FAMILY);
	unchanged();
}

static void assert_alternates(uint16_t old, unsigned n, const uint16_t *want)
{
	uint16_t got[MMX_ALTS_MAX];

	cr_assert_eq(mmx_binding_alternates(&b, &lists, MMX_I, old, got), n);
	cr_assert(!n || !memcmp(got, want, n * sizeof(*want)));
}

/* [MMX-28]: those that were set, in their order, replaced as a whole; of each endpoint its own. */
Test(mmx_binding, alternates)
{
	struct mmx_alt alts[MMX_ALTS_MAX] = { { .epid = 2 }, { .epid = 1 } };

	assert_alternates(3, 3, (uint16_t[]){ 1, 2, 4 }); /* by default */
	cr_assert_eq(mmx_binding_set_alts(&b, MMX_I, 3, alts, 2), MMX_OK);
	assert_alternates(3, 2, (uint16_t[]){ 2, 1 });
	assert_alternates(2, 3, (uint16_t[]){ 1, 3, 4 });
	alts[0].epid = 4;
	cr_assert_eq(mmx_binding_set_alts(&b, MMX_I, 2, alts, 1), MMX_OK);
	cr_assert_eq(mmx_binding_set_alts(&b, MMX_R, 3, alts, 1), MMX_OK); /* another's 3 */
	assert_alternates(3, 2, (uint16_t[]){ 2, 1 });
	assert_alternates(2, 1, (uint16_t[]){ 4 });
	cr_assert_eq(mmx_binding_set_alts(&b, MMX_I, 3, alts, 1), MMX_OK);
	assert_alternates(3, 1, (uint16_t[]){ 4 });
	/* none: the default again */
	cr_assert_eq(mmx_binding_set_alts(&b, MMX_I, 3, NULL, 0), MMX_OK);
	assert_alternates(3, 3, (uint16_t[]){ 1, 2, 4 });
	/* they stay when the endpoint is replaced, for its owner may come back to it */
	cr_assert_eq(mmx_binding_set_alts(&b, MMX_I, 3, alts, 2), MMX_OK);
	cr_assert_eq(mmx_binding_update(&b, &lists, MMX_I, 3, 4), MMX_OK);
	assert_alternates(3, 2, (uint16_t[]){ 4, 1 });
}

/* [MMX-28]: neither what is down, nor of a family without a partner, nor not announced. */
Test(mmx_binding, alternates_that_cannot_be)
{
	struct mmx_alt alts[] = { { .epid = 6 },
				  { .addr = { 4, { 198, 51, 100, 9 } } },
				  { .epid = 77 },
				  { .epid = 2 },
				  { .epid = 4 } };

	cr_assert_eq(mmx_binding_set_alts(&b, MMX_I, 3, alts, 5), MMX_OK);
	assert_alternates(3, 2, (uint16_t[]){ 2, 4 });
	of_i.iface[1].flags = 0;
	assert_alternates(3, 1, (uint16_t[]){ 4 });
	b.ends[MMX_R].epid[b.ends[MMX_R].n++] = 6;
	assert_alternates(3, 2, (uint16_t[]){ 6, 4 });
	cr_assert_eq(mmx_binding_set_alts(&b, MMX_I, 3, NULL, 0), MMX_OK);
	assert_alternates(3, 3, (uint16_t[]){ 1, 4, 6 });
}

/* [MMX-28]: an endpoint that is gone is nobody's alternate, and has none. */
Test(mmx_binding, forgotten)
{
	struct mmx_alt alts[] = { { .epid = 2 }, { .epid = 1 } };

	cr_assert_eq(mmx_binding_set_alts(&b, MMX_I, 3, alts, 2), MMX_OK);
	cr_assert_eq(mmx_binding_set_alts(&b, MMX_I, 2, &alts[1], 1), MMX_OK);
	cr_assert_eq(mmx_binding_set_alts(&b, MMX_R, 2, alts, 2), MMX_OK);
	mmx_binding_forget(&b, MMX_I, 2);
	cr_assert_eq(b.n_alts, 3);
	assert_alternates(3, 1, (uint16_t[]){ 1 });
	mmx_binding_forget(&b, MMX_I, 1);
	cr_assert_eq(b.n_alts, 2);
	cr_assert_eq(b.alts[1].owner, MMX_R);
}

/* [MMX-28]: a limit for one, and one for all, and nothing changes beyond. */
Test(mmx_binding, too_many_alternates)
{
	struct mmx_alt alts[MMX_ALTS_MAX + 1] = { { .epid = 1 } };

	cr_assert_eq(mmx_binding_set_alts(&b, MMX_I, 1, alts, MMX_ALTS_MAX + 1), MMX_TOO_MANY);
	for (uint16_t i = 1; i <= MMX_ALTS_STORED / MMX_ALTS_MAX; i++)
		cr_assert_eq(mmx_binding_set_alts(&b, MMX_I, i, alts, MMX_ALTS_MAX), MMX_OK);
	before = b;
	cr_assert_eq(mmx_binding_set_alts(&b, MMX_I, 9, alts, 1), MMX_TOO_MANY);
	unchanged();
	/* in place of as many there is room */
	cr_assert_eq(mmx_binding_set_alts(&b, MMX_I, 2, alts, MMX_ALTS_MAX), MMX_OK);
	cr_assert_eq(mmx_binding_set_alts(&b, MMX_I, 2, alts, 1), MMX_OK);
	cr_assert_eq(mmx_binding_set_alts(&b, MMX_I, 9, alts, 7), MMX_OK);
	cr_assert_not(mmx_binding_equal(&b, &before));
}
