/* SPDX-License-Identifier: GPL-2.0-only */
/* ike/mmx_apply and mmx_table: what actions do to SAs, and what they must not. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "../../user/ike/mmx_apply.h"

enum { MANY = 5000, SENDER = 0, RECEIVER = 1 };

static struct mmx_table table;
static struct mmx_list lists[2];
static struct mmx_sa sas[MANY + 8];
static struct mmx_action a;
static struct mmx_answer answer;
static struct mmx_result *const res = &answer.result;
static enum mmx_status endpoint_says, sa_says;
static uint16_t says_detail;
static uint32_t sa_refused; /* spi_sender of the one that policy refuses; 0: all */

static enum mmx_status endpoint(void *ctx, enum mmx_owner owner, const struct mmx_ep *ep,
				uint16_t *ret_detail)
{
	(void)ctx;
	(void)owner;
	(void)ep;
	*ret_detail = says_detail;
	return endpoint_says;
}

static enum mmx_status sa_policy(void *ctx, const struct mmx_sa *sa, const struct mmx_binding *b,
				 uint16_t *ret_detail)
{
	(void)ctx;
	(void)b;
	*ret_detail = says_detail;
	return !sa_refused || sa_refused == sa->spi_sender ? sa_says : MMX_OK;
}

static const struct mmx_policy policy = { NULL, endpoint, sa_policy };
static struct mmx_apply c = { .table = &table,
			      .sas = sas,
			      .lists = { { &lists[MMX_I], &lists[MMX_R] } },
			      .sender = MMX_I,
			      .side_max = MMX_SIDE_MAX,
			      .policy = &policy };

static void announce(struct mmx_list *l, uint16_t ifid, uint8_t n, uint8_t family)
{
	struct mmx_iface *i = &l->iface[l->n++];

	l->known = true;
	*i = (struct mmx_iface){ .ifid = ifid, .flags = MMX_IFACE_UP, .n = n };
	for (uint8_t k = 0; k < n; k++)
		i->ep[k] = (struct mmx_iface_ep){
			.epid = (uint16_t)(ifid + 100 * k),
			.addr = { k ? 6 : family, { 198, 51, (uint8_t)(l - lists), (uint8_t)ifid } }
		};
}

static struct mmx_sa *add_sa(bool ike, const struct mmx_binding *b)
{
	struct mmx_sa *sa = &sas[c.n];
	uint32_t spi = 0xc0000000 + (uint32_t)c.n++;

	*sa = (struct mmx_sa){ .ike = ike,
			       .active = true,
			       .protocol = ike ? PROTO_NONE : PROTO_ESP,
			       .spi_sender = ike ? 0 : spi,
			       .spi_receiver = ike ? 0 : spi + 0x10000000 };
	sa->binding = mmx_shared_get(&table, b);
	cr_assert_not_null(sa->binding);
	return sa;
}

static struct mmx_sa *child(uint16_t i, uint16_t r)
{
	struct mmx_binding b = { .own = false };

	if (i)
		mmx_binding_own(&b, i, r);
	return add_sa(false, &b);
}

/* I has interfaces 1 to 4, of which 4 has an IPv6 address too (104), R 1 and 2. The IKE SA is
 * sas[0], on 1 and 1; then one tunnel each on 1 (inherited), 2 and 3. */
static void fixture(void)
{
	struct mmx_binding ike = { .ike = true };

	mmx_table_init(&table);
	for (uint16_t k = 1; k <= 4; k++)
		announce(&lists[MMX_I], k, k == 4 ? 2 : 1, 4);
	announce(&lists[MMX_R], 1, 1, 4);
	announce(&lists[MMX_R], 2, 1, 4);
	mmx_binding_own(&ike, 1, 1);
	add_sa(true, &ike);
	child(0, 0);
	child(2, 1);
	child(3, 1);
}

static void clear(void)
{
	/* whatever was done, each SA has one reference, and there are no others */
	for (size_t k = 0; k < c.n; k++)
		mmx_shared_put(&table, sas[k].binding, 1);
	cr_assert_eq(table.h.n, 0, "%zu bindings are left", table.h.n);
	mmx_table_clear(&table);
}

TestSuite(mmx_apply, .init = fixture, .fini = clear);

static void begin(uint8_t code, uint8_t flags)
{
	a = (struct mmx_action){ .id = 7, .code = code, .flags = flags };
}

static struct mmx_ep *ep(uint8_t role, uint8_t side, uint16_t epid)
{
	struct mmx_ep *e = &mmx_add(&a.tlvs, MMX_TLV_EP)->ep;

	*e = (struct mmx_ep){ .role = role, .side = side, .epid = epid };
	return e;
}

static void sel(uint8_t kind)
{
	mmx_add(&a.tlvs, MMX_TLV_SEL)->sel.kind = kind;
}

static uint8_t spi_octets[4 * MANY];

static void sel_spis(unsigned n, const uint32_t *spis)
{
	struct wr w = wr_init(spi_octets, sizeof(spi_octets));

	for (unsigned i = 0; i < n; i++)
		wr_u32(&w, spis[i]);
	mmx_add(&a.tlvs, MMX_TLV_SEL)->sel =
		(struct mmx_sel){ MMX_SEL_SPIS, PROTO_ESP, { spi_octets, w.len } };
}

static void update(uint8_t side, uint16_t old, uint16_t new)
{
	begin(MMX_UPDATE, 0);
	ep(MMX_ROLE_OLD, side, old);
	ep(MMX_ROLE_NEW, side, new);
}

/* What is answered can be sent. */
static enum mmx_status apply(void)
{
	uint8_t buf[4096];
	struct msg_wr w = msg_begin_inner(buf, sizeof(buf));
	enum mmx_status status = mmx_apply(&c, &a, &answer);

	mmx_result_put(&w, res);
	cr_assert_eq(w.w.err, 0);
	cr_assert_eq(res->id, 7);
	cr_assert_eq(res->status, status);
	return status;
}

static bool bound(size_t k, enum mmx_owner owner, unsigned n, const uint16_t *want)
{
	const struct mmx_ends *e = &sas[k].binding->b.ends[owner];

	return sas[k].binding->b.own && e->n == n && !memcmp(e->epid, want, n * sizeof(*want));
}
#define BOUND(k, owner, ...)                                                                       \
	bound(k, owner, sizeof((uint16_t[]){ __VA_ARGS__ }) / 2, (uint16_t[]){ __VA_ARGS__ })

static struct mmx_shared before_binding[8];
static struct mmx_shared *before[8];

static void remember(void)
{
	for (size_t k = 0; k < c.n && k < 8; k++) {
		before[k] = sas[k].binding;
		before_binding[k] = *sas[k].binding;
	}
}

static void unchanged(void)
{
	for (size_t k = 0; k < c.n && k < 8; k++) {
		cr_assert_eq(sas[k].binding, before[k], "SA %zu", k);
		cr_assert(mmx_binding_equal(&sas[k].binding->b, &before_binding[k].b));
		cr_assert_eq(sas[k].binding->refs, before_binding[k].refs);
		cr_assert_not(sas[k].doomed);
	}
}

/* [MMX-45]: the third tunnel moves to another address, the IKE SA and the others stay. */
Test(mmx_apply, update)
{
	struct mmx_shared *group = sas[3].binding;

	update(SENDER, 3, 4);
	cr_assert_eq(apply(), MMX_OK);
	cr_assert_eq(res->affected, 1);
	const struct mmx_sel *s = &mmx_next(&res->tlvs, MMX_TLV_SEL, NULL)->sel;
	cr_assert_eq(mmx_spi_count(s->spis), 1);
	cr_assert_eq(mmx_spi(s->spis, 0), sas[3].spi_receiver);
	cr_assert(BOUND(3, MMX_I, 4) && BOUND(3, MMX_R, 1));
	cr_assert(BOUND(2, MMX_I, 2) && BOUND(0, MMX_I, 1));
	cr_assert_not(sas[1].binding->b.own);
	/* all that were bound there went the same way: it is the same object */
	cr_assert_eq(sas[3].binding, group);
	/* onto one that is in use by another, whose object they share then */
	update(SENDER, 4, 2);
	cr_assert_eq(apply(), MMX_OK);
	cr_assert_eq(sas[3].binding, sas[2].binding);
	cr_assert_eq(sas[3].binding->refs, 2);
	/* one of the two goes elsewhere, by its SPI */
	update(SENDER, 2, 3);
	sel_spis(1, &sas[2].spi_sender);
	cr_assert_eq(apply(), MMX_OK);
	cr_assert(BOUND(2, MMX_I, 3) && BOUND(3, MMX_I, 2));
}

/* [MMX-46]: what inherits has endpoints of its own after an action, and inherits again by number 0;
 * it goes along where the IKE SA moves. */
Test(mmx_apply, inherited)
{
	update(SENDER, 1, 2);
	cr_assert_eq(apply(), MMX_OK); /* the Child SA on the IKE SA's address */
	cr_assert_eq(res->affected, 1);
	cr_assert(BOUND(1, MMX_I, 2) && BOUND(0, MMX_I, 1));
	update(SENDER, 2, 0);
	sel_spis(1, &sas[1].spi_sender);
	cr_assert_eq(apply(), MMX_OK);
	cr_assert_not(sas[1].binding->b.own);
	/* the IKE SA, and with it what inherits */
	update(SENDER, 1, 4);
	sel(MMX_SEL_IKE);
	sel(MMX_SEL_OLD);
	cr_assert_eq(apply(), MMX_OK);
	cr_assert_eq(res->affected, 1);
	cr_assert(BOUND(0, MMX_I, 4));
	cr_assert_not(sas[1].binding->b.own);
	update(SENDER, 4, 0);
	sel(MMX_SEL_IKE);
	cr_assert_eq(apply(), MMX_UNKNOWN_ADDRESS);
	/* number 0 as the old one is what the IKE SA uses */
	update(SENDER, 0, 3);
	cr_assert_eq(apply(), MMX_OK);
	cr_assert(BOUND(1, MMX_I, 3));
}

/* [MMX-45]: I moves R's end; the same with R as the sender. */
Test(mmx_apply, other_side)
{
	update(RECEIVER, 1, 2);
	sel_spis(1, &sas[3].spi_sender);
	cr_assert_eq(apply(), MMX_OK);
	cr_assert(BOUND(3, MMX_R, 2) && BOUND(3, MMX_I, 3) && BOUND(2, MMX_R, 1));
	c.sender = MMX_R;
	update(SENDER, 2, 1);
	cr_assert_eq(apply(), MMX_OK);
	cr_assert(BOUND(3, MMX_R, 1));
}

/* [MMX-47]: make before break with one pair of SAs. */
Test(mmx_apply, add_and_remove)
{
	begin(MMX_ADD, 0);
	ep(MMX_ROLE_NEW, SENDER, 2);
	ep(MMX_ROLE_NEW, SENDER, 4);
	sel(MMX_SEL_ALL);
	cr_assert_eq(apply(), MMX_OK);
	cr_assert_eq(res->affected, 3);
	cr_assert(BOUND(1, MMX_I, 1, 2, 4) && BOUND(2, MMX_I, 2, 4) && BOUND(3, MMX_I, 3, 2, 4));
	begin(MMX_REMOVE, 0);
	ep(MMX_ROLE_OLD, SENDER, 1);
	cr_assert_eq(apply(), MMX_OK);
	cr_assert_eq(res->affected, 1);
	cr_assert(BOUND(1, MMX_I, 2, 4));
	cr_assert_eq(sas[1].binding, sas[2].binding);
	/* to those that are bound to another one */
	begin(MMX_ADD, 0);
	ep(MMX_ROLE_OLD, SENDER, 3);
	ep(MMX_ROLE_NEW, SENDER, 1);
	sel(MMX_SEL_OLD);
	cr_assert_eq(apply(), MMX_OK);
	cr_assert_eq(res->affected, 1);
	cr_assert(BOUND(3, MMX_I, 3, 2, 4, 1));
}

/* [MMX-48]: in the order of the checks, each with nothing changed. */
Test(mmx_apply, refused)
{
	uint32_t unknown = 0x12345678;

	remember();
	update(SENDER, 3, 4);
	sel_spis(1, &unknown);
	cr_expect_eq(apply(), MMX_UNKNOWN_SA);
	cr_expect_null(mmx_next(&res->tlvs, MMX_TLV_FAIL, NULL));
	update(SENDER, 4, 3); /* nothing is bound to it */
	cr_expect_eq(apply(), MMX_UNKNOWN_ADDRESS);
	update(SENDER, 3, 4); /* one of them is not */
	sel(MMX_SEL_ALL);
	cr_expect_eq(apply(), MMX_UNKNOWN_ADDRESS);
	update(SENDER, 3, 9);
	cr_expect_eq(apply(), MMX_UNKNOWN_ADDRESS);
	update(SENDER, 3, 4);
	a.tlvs.t[1].ep.addr = addr_v4(0xc6330099); /* not the one announced */
	cr_expect_eq(apply(), MMX_STATE_MISMATCH);
	update(SENDER, 3, 9);
	a.tlvs.t[1].ep.flags = MMX_EP_HERE;
	a.tlvs.t[1].ep.addr = addr_v4(0xe0000001);
	cr_expect_eq(apply(), MMX_LOCAL_POLICY);
	cr_expect_eq(mmx_next(&res->tlvs, MMX_TLV_FAIL, NULL)->fail.detail, MMX_POLICY_ADDRESS);
	update(SENDER, 3, 104);
	cr_expect_eq(apply(), MMX_FAMILY);
	begin(MMX_REMOVE, 0);
	ep(MMX_ROLE_OLD, SENDER, 3);
	cr_expect_eq(apply(), MMX_LAST_ADDRESS);
	update(SENDER, 1, 4);
	sas[0].active = false;
	sel(MMX_SEL_IKE);
	cr_expect_eq(apply(), MMX_NOT_ACTIVE);
	unchanged();
}

/* [MMX-48] [MMX-49]: policies, with their reasons, after all that is the sender's mistake. */
Test(mmx_apply, policies)
{
	remember();
	endpoint_says = MMX_LOCAL_POLICY;
	says_detail = MMX_POLICY_LINK;
	update(SENDER, 3, 104);
	cr_expect_eq(apply(), MMX_FAMILY);
	update(SENDER, 3, 4);
	cr_expect_eq(apply(), MMX_LOCAL_POLICY);
	cr_expect_eq(mmx_next(&res->tlvs, MMX_TLV_FAIL, NULL)->fail.detail, MMX_POLICY_LINK);
	endpoint_says = MMX_OK;
	sa_says = MMX_SPD_MISMATCH;
	says_detail = 0;
	cr_expect_eq(apply(), MMX_SPD_MISMATCH);
	cr_expect_eq(mmx_next(&res->tlvs, MMX_TLV_FAIL, NULL)->fail.spi, sas[3].spi_receiver);
	unchanged();
}

/* [MMX-50]: of three SAs one is refused: none moves, or the two others. */
Test(mmx_apply, all_or_as_many_as_possible)
{
	child(3, 1);
	child(3, 1);
	remember();
	sa_says = MMX_PAD_DENIED;
	sa_refused = sas[4].spi_sender;
	update(SENDER, 3, 4);
	cr_assert_eq(apply(), MMX_PAD_DENIED);
	unchanged();
	a.flags = MMX_ACTION_BEST_EFFORT;
	cr_assert_eq(apply(), MMX_PARTIAL);
	cr_assert_eq(res->affected, 2);
	cr_assert(BOUND(3, MMX_I, 4) && BOUND(4, MMX_I, 3) && BOUND(5, MMX_I, 4));
	const struct mmx_tlv *t = mmx_next(&res->tlvs, MMX_TLV_FAIL, NULL);
	cr_assert_eq(t->fail.spi, sas[4].spi_receiver);
	cr_assert_eq(t->fail.status, MMX_PAD_DENIED);
	cr_assert_null(mmx_next(&res->tlvs, MMX_TLV_FAIL, t));
	/* and of one that is refused nothing is left */
	remember();
	cr_assert_eq(apply(), MMX_PAD_DENIED);
	unchanged();
}

/* [MMX-49]: asked only; also about an address that has no number yet. */
Test(mmx_apply, check)
{
	remember();
	update(SENDER, 3, 4);
	a.flags = MMX_ACTION_CHECK;
	cr_assert_eq(apply(), MMX_OK);
	cr_assert_eq(res->flags, MMX_RESULT_CHECK | MMX_RESULT_RR_NOT_TESTED);
	cr_assert_eq(mmx_next(&res->tlvs, MMX_TLV_VALID, NULL)->valid_sec, 60);
	cr_assert_eq(res->affected, 1);
	update(SENDER, 3, 0);
	a.tlvs.t[1].ep.addr = addr_v4(0xcb007101);
	cr_assert_eq(apply(), MMX_UNKNOWN_ADDRESS); /* to be done it has to have one */
	a.flags = MMX_ACTION_CHECK;
	cr_assert_eq(apply(), MMX_OK);
	a.tlvs.t[1].ep.addr = (struct addr){ 6, { 0x20, 1, 0xd, 0xb8 } };
	cr_assert_eq(apply(), MMX_FAMILY);
	a.tlvs.t[1].ep.addr = addr_v4(0x7f000001);
	cr_assert_eq(apply(), MMX_LOCAL_POLICY);
	endpoint_says = MMX_LOCAL_POLICY;
	says_detail = MMX_POLICY_ADMIN;
	a.tlvs.t[1].ep.addr = addr_v4(0xcb007101);
	cr_assert_eq(apply(), MMX_LOCAL_POLICY);
	cr_assert_eq(mmx_next(&res->tlvs, MMX_TLV_FAIL, NULL)->fail.detail, MMX_POLICY_ADMIN);
	unchanged();
}

/* [MMX-51]: alternates, and a fail-over onto them by the other side only. */
Test(mmx_apply, alternates_and_failover)
{
	begin(MMX_SET_ALT, 0);
	ep(MMX_ROLE_OLD, SENDER, 3);
	ep(MMX_ROLE_ALT, SENDER, 2);
	ep(MMX_ROLE_ALT, SENDER, 0)->addr = addr_v4(0xcb007101);
	ep(MMX_ROLE_ALT, SENDER, 1);
	cr_assert_eq(apply(), MMX_OK);
	cr_assert_eq(res->affected, 1);
	cr_assert_eq(sas[3].binding->b.n_alts, 3);
	cr_assert(BOUND(3, MMX_I, 3));
	c.sender = MMX_R;
	begin(MMX_FAILOVER, 0);
	ep(MMX_ROLE_OLD, RECEIVER, 3);
	ep(MMX_ROLE_NEW, RECEIVER, 4);
	cr_assert_eq(apply(), MMX_NOT_OWNER);
	a.tlvs.t[1].ep.epid = 2;
	cr_assert_eq(apply(), MMX_OK);
	cr_assert(BOUND(3, MMX_I, 2));
	/* not the object of those that have no alternates */
	cr_assert_neq(sas[3].binding, sas[2].binding);
	/* nine of them are too many */
	c.sender = MMX_I;
	begin(MMX_SET_ALT, 0);
	ep(MMX_ROLE_OLD, SENDER, 2);
	for (uint16_t i = 0; i < 4; i++)
		sas[3].binding->b.alts[sas[3].binding->b.n_alts++] =
			(struct mmx_alt){ .of = (uint16_t)(50 + i), .epid = 1 };
	sas[3].binding->b.n_alts = MMX_ALTS_STORED;
	ep(MMX_ROLE_ALT, SENDER, 1);
	cr_assert_eq(apply(), MMX_TOO_MANY);
	cr_assert_eq(mmx_next(&res->tlvs, MMX_TLV_LIMIT, NULL)->limit.which, MMX_LIMIT_ALTS);
}

/* [MMX-45]: an interface with its endpoints, family by family. */
Test(mmx_apply, interfaces)
{
	begin(MMX_UPDATE, 0);
	ep(MMX_ROLE_OLD, SENDER, 3)->flags = MMX_EP_IFID;
	ep(MMX_ROLE_NEW, SENDER, 4)->flags = MMX_EP_IFID;
	cr_assert_eq(apply(), MMX_OK);
	cr_assert(BOUND(3, MMX_I, 4));
	/* back, with IPv6 in use too: it has nowhere to go */
	lists[MMX_R].iface[1].ep[0].addr.family = 6;
	struct mmx_binding both = { .own = false };
	mmx_binding_own(&both, 4, 1);
	both.ends[MMX_I] = (struct mmx_ends){ 2, { 4, 104 } };
	both.ends[MMX_R] = (struct mmx_ends){ 2, { 1, 2 } };
	add_sa(false, &both);
	remember();
	begin(MMX_UPDATE, 0);
	ep(MMX_ROLE_OLD, SENDER, 4)->flags = MMX_EP_IFID;
	ep(MMX_ROLE_NEW, SENDER, 3)->flags = MMX_EP_IFID;
	cr_assert_eq(apply(), MMX_FAMILY);
	unchanged();
	/* all of an interface that is gone from the list already */
	lists[MMX_I].n--;
	for (int i = 0; i < 2; i++)
		lists[MMX_I].gone[lists[MMX_I].n_gone++] =
			(struct mmx_gone){ 4, lists[MMX_I].iface[lists[MMX_I].n].ep[i] };
	begin(MMX_DEL_IF, 0);
	ep(MMX_ROLE_OLD, SENDER, 4)->flags = MMX_EP_IFID;
	cr_assert_eq(apply(), MMX_OK);
	cr_assert_eq(res->affected, 2);
	cr_assert(sas[3].doomed && sas[4].doomed);
	cr_assert_not(sas[1].doomed || sas[2].doomed || sas[0].doomed);
}

/* [MMX-52] */
Test(mmx_apply, delete_interface)
{
	struct mmx_binding two = { .own = false };
	struct mmx_alt alt[] = { { .epid = 3 }, { .epid = 4 } };

	mmx_binding_own(&two, 3, 1);
	two.ends[MMX_I] = (struct mmx_ends){ 2, { 3, 2 } };
	add_sa(false, &two);
	two = sas[2].binding->b;
	cr_assert_eq(mmx_binding_set_alts(&two, MMX_I, 2, alt, 2), MMX_OK);
	mmx_shared_put(&table, sas[2].binding, 1);
	sas[2].binding = mmx_shared_get(&table, &two);

	begin(MMX_DEL_IF, MMX_ACTION_PRUNE);
	ep(MMX_ROLE_OLD, SENDER, 3);
	cr_assert_eq(apply(), MMX_OK);
	cr_assert_eq(res->affected, 2);
	cr_assert(sas[3].doomed); /* its only one */
	cr_assert_not(sas[4].doomed);
	cr_assert(BOUND(4, MMX_I, 2));
	/* it is no alternate any more, which is told to nobody */
	cr_assert_eq(sas[2].binding->b.n_alts, 1);
	cr_assert_eq(sas[2].binding->b.alts[0].epid, 4);
	cr_assert(BOUND(2, MMX_I, 2));
	cr_assert_not(sas[2].chosen || sas[2].doomed);
	/* without PRUNE they all go; nothing bound to it is no mistake */
	begin(MMX_DEL_IF, 0);
	ep(MMX_ROLE_OLD, SENDER, 2);
	cr_assert_eq(apply(), MMX_OK);
	cr_assert(sas[2].doomed && sas[4].doomed && !sas[1].doomed);
	begin(MMX_DEL_IF, 0);
	ep(MMX_ROLE_OLD, SENDER, 4);
	cr_assert_eq(apply(), MMX_OK);
	cr_assert_eq(res->affected, 0);
	/* what IKE runs over has to move before */
	remember();
	begin(MMX_DEL_IF, 0);
	ep(MMX_ROLE_OLD, SENDER, 1);
	cr_assert_eq(apply(), MMX_LAST_ADDRESS);
	cr_assert_not(sas[0].doomed || sas[1].doomed);
}

/* [MMX-46] [MMX-52]: an IKE SA that has another endpoint lives on with it, and what inherits too; a
 * Child SA whose endpoints are by chance the same goes. */
Test(mmx_apply, delete_interface_of_the_ike_sa)
{
	struct mmx_sa *same = child(1, 1);

	cr_assert_neq(same->binding, sas[0].binding);
	begin(MMX_ADD, 0);
	ep(MMX_ROLE_NEW, SENDER, 2);
	sel(MMX_SEL_IKE);
	cr_assert_eq(apply(), MMX_OK);
	begin(MMX_DEL_IF, 0);
	ep(MMX_ROLE_OLD, SENDER, 1);
	cr_assert_eq(apply(), MMX_OK);
	cr_assert(BOUND(0, MMX_I, 2));
	cr_assert(same->doomed);
	cr_assert_not(sas[0].doomed || sas[1].doomed || sas[1].binding->b.own);
}

/* [MMX-48]: the SPI of another protocol is none. */
Test(mmx_apply, protocols)
{
	update(SENDER, 3, 4);
	sel_spis(1, &sas[3].spi_sender);
	a.tlvs.t[2].sel.protocol = PROTO_AH;
	cr_assert_eq(apply(), MMX_UNKNOWN_SA);
	a.tlvs.t[2].sel.protocol = PROTO_ESP;
	cr_assert_eq(apply(), MMX_OK);
}

/* [MMX-53]: thousands on one interface are one change; the answer lists no SPI. */
Test(mmx_apply, thousands)
{
	struct mmx_shared *group = sas[3].binding;

	while (c.n < MANY)
		child(3, 1);
	update(SENDER, 3, 4);
	cr_assert_eq(apply(), MMX_OK);
	cr_assert_eq(res->affected, MANY - 3);
	cr_assert_null(mmx_next(&res->tlvs, MMX_TLV_SEL, NULL));
	cr_assert_eq(sas[3].binding, group);
	cr_assert_eq(sas[MANY - 1].binding, group);
	cr_assert(BOUND(3, MMX_I, 4));
	/* and half of them, by their SPIs */
	static uint32_t spis[MANY];
	for (unsigned i = 0; i < MANY / 2; i++)
		spis[i] = sas[3 + i].spi_sender;
	update(SENDER, 4, 2);
	sel_spis(MANY / 2, spis);
	cr_assert_eq(apply(), MMX_OK);
	cr_assert_eq(res->affected, MANY / 2);
	cr_assert(BOUND(3, MMX_I, 2) && BOUND(MANY - 1, MMX_I, 4));
	cr_assert_eq(table.h.n, 4);
}

static uint32_t seed = 1;

static uint32_t rnd(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)seed * below >> 32);
}

static void random_action(void)
{
	static const uint8_t codes[] = { MMX_UPDATE, MMX_ADD, MMX_REMOVE, MMX_SET_ALT,
					 MMX_FAILOVER };
	uint8_t code = codes[rnd(5)], side = (uint8_t)rnd(2);
	uint16_t most = side == (c.sender == MMX_I ? SENDER : RECEIVER) ? 5 : 3;

	begin(code, rnd(4) ? 0 : MMX_ACTION_BEST_EFFORT);
	if (code != MMX_ADD)
		ep(MMX_ROLE_OLD, side, (uint16_t)(1 + rnd(most)));
	if (code != MMX_REMOVE && code != MMX_SET_ALT)
		ep(MMX_ROLE_NEW, side, (uint16_t)(1 + rnd(most)));
	for (unsigned i = code == MMX_SET_ALT ? rnd(3) : 0; i; i--)
		ep(MMX_ROLE_ALT, side, (uint16_t)(1 + rnd(most)));
	if (code == MMX_ADD || rnd(2))
		sel(rnd(2) ? MMX_SEL_ALL : MMX_SEL_IKE);
}

/* [MMX-50]: whatever is asked for: an SA has an endpoint of each side and a path, equal bindings
 * are one object, and what was refused changed nothing. */
Test(mmx_apply, anything)
{
	unsigned done = 0;

	while (c.n < 8)
		child((uint16_t)(1 + rnd(4)), (uint16_t)(1 + rnd(2)));
	for (unsigned round = 0; round < 20000; round++) {
		c.sender = rnd(2) ? MMX_I : MMX_R;
		random_action();
		remember();
		enum mmx_status status = apply();
		if (status != MMX_OK && status != MMX_PARTIAL) {
			unchanged();
			continue;
		}
		done++;
		for (size_t k = 0; k < c.n; k++) {
			const struct mmx_binding *b = &sas[k].binding->b;
			uint32_t paths[MMX_PATHS_MAX];
			unsigned refs = 0;

			cr_assert(!b->own || mmx_binding_paths(b, &c.lists, paths) > 0);
			cr_assert(b->own || !sas[k].ike);
			for (size_t j = 0; j < c.n; j++) {
				refs += sas[j].binding == sas[k].binding;
				cr_assert_eq(sas[j].binding == sas[k].binding,
					     mmx_binding_equal(&sas[j].binding->b, b));
			}
			cr_assert_eq(refs, sas[k].binding->refs);
		}
	}
	cr_assert_gt(done, 2000, "%u", done);
}
