/* SPDX-License-Identifier: GPL-2.0-only */
/* ike/mmx_rules: what was agreed on, who may ask for what, whose request counts when two cross. */
#include <criterion/criterion.h>
#include <string.h>

#include "../../user/ike/mmx_rules.h"

enum { ALL = 0xfff, SENDER = 0, RECEIVER = 1 };

/* Endpoints 1 and 2 of interface 1, 3 of a backup, 4 of one that is down. */
static struct mmx_list list;

static void fixture(void)
{
	list = (struct mmx_list){
		.known = true,
		.generation = 5,
		.n = 3,
		.iface = { { .ifid = 1,
			     .flags = MMX_IFACE_UP,
			     .n = 2,
			     .ep = { { 1, 0, addr_v4(0xc6336401) },
				     { 2, 0, addr_v4(0xc6336402) } } },
			   { .ifid = 3,
			     .flags = MMX_IFACE_UP | MMX_IFACE_BACKUP,
			     .n = 1,
			     .ep = { { 3, 0, addr_v4(0xc6336403) } } },
			   { .ifid = 4, .n = 1, .ep = { { 4, 0, addr_v4(0xc6336404) } } } },
	};
}

TestSuite(mmx_rules, .init = fixture);

static struct mmx_action made[2];

static struct mmx_action *action(unsigned k, uint8_t code, uint8_t flags, uint8_t side,
				 uint16_t old, uint16_t new)
{
	struct mmx_action *a = &made[k];

	*a = (struct mmx_action){ .id = 1, .code = code, .flags = flags };
	if (old)
		mmx_add(&a->tlvs, MMX_TLV_EP)->ep =
			(struct mmx_ep){ .role = MMX_ROLE_OLD, .side = side, .epid = old };
	if (new)
		mmx_add(&a->tlvs, MMX_TLV_EP)->ep =
			(struct mmx_ep){ .role = MMX_ROLE_NEW, .side = side, .epid = new };
	return a;
}

/* ---- agreement ---- */

static struct mmx_deal deal(bool mobike, bool vid, const struct mmx_supported *theirs)
{
	struct mmx_supported ours = { .major = 1, .caps = 0x0f, .ifaces_max = 16, .window = 4 };
	static struct ike_msg m;
	uint8_t buf[256], critical;
	struct msg_wr w = msg_begin_inner(buf, sizeof(buf));

	msg_put_vendor(&w, "another", 7);
	msg_put_vendor(&w, "sixteen of them.", 16);
	if (vid)
		msg_put_vendor(&w, mmx_vid, MMX_VID_OCTETS);
	if (mobike)
		msg_put_notify(&w, 0, NULL, 0, N_MOBIKE_SUPPORTED, NULL, 0);
	if (theirs)
		mmx_supported_put(&w, theirs);
	memset(&m, 0, sizeof(m));
	cr_assert_eq(msg_decode_inner(w.first, buf, msg_end(&w), &m, &critical), MSG_OK);
	return mmx_negotiate(&ours, &m);
}

/* [MMX-29] */
Test(mmx_rules, agreement)
{
	struct mmx_supported theirs = { .major = 2,
					.minor = 3,
					.caps = 0x8000003c,
					.ifaces_max = 4,
					.side_max = 3,
					.alts_max = 2,
					.actions_max = 1,
					.derived_max = 77,
					.window = 9 };
	struct mmx_deal d = deal(true, true, &theirs);

	cr_assert_eq(d.major, 1);
	cr_assert_eq(d.caps, 0x0c);
	cr_assert(d.ifaces_max == 4 && d.side_max == 3 && d.alts_max == 2 && d.actions_max == 1);
	cr_assert(d.derived_max == 77 && d.window == 9);
	/* all three are needed */
	cr_assert_eq(deal(false, true, &theirs).major, 0);
	cr_assert_eq(deal(true, false, &theirs).major, 0);
	cr_assert_eq(deal(true, true, NULL).major, 0);
	cr_assert_eq(deal(true, true, NULL).caps, 0);
}

/* [MMX-29]: whoever takes no interface, or none with an endpoint, cannot be told of the one in use.
 */
Test(mmx_rules, no_agreement_with_who_takes_nothing)
{
	struct mmx_supported theirs = { .major = 1, .caps = ALL, .ifaces_max = 1, .side_max = 1 };

	cr_assert_eq(deal(true, true, &theirs).major, 1);
	theirs.ifaces_max = 0;
	cr_assert_eq(deal(true, true, &theirs).major, 0);
	theirs.ifaces_max = 1;
	theirs.side_max = 0;
	cr_assert_eq(deal(true, true, &theirs).major, 0);
}

/* [MMX-29]: one that cannot be read is none. */
Test(mmx_rules, no_agreement_with_what_is_malformed)
{
	static struct ike_msg m;
	struct mmx_supported ours = { .major = 1, .caps = ALL };

	m.n_notifies = 2;
	m.notifies[0].type = N_MOBIKE_SUPPORTED;
	m.notifies[1] = (struct notify){ .type = N_MMX_SUPPORTED, .data = { mmx_vid, 15 } };
	m.n_vendors = 1;
	m.vendors[0] = (struct bytes){ mmx_vid, MMX_VID_OCTETS };
	cr_assert_eq(mmx_negotiate(&ours, &m).major, 0);
}

/* ---- authority ---- */

/* [MMX-30]: of each action the capability, and that of a check. */
Test(mmx_rules, capabilities)
{
	static const struct {
		uint8_t code, side;
		uint32_t cap;
	} rows[] = {
		{ MMX_UPDATE, SENDER, MMX_CAP_UPDATE },	   { MMX_ADD, SENDER, MMX_CAP_ADDREMOVE },
		{ MMX_REMOVE, SENDER, MMX_CAP_ADDREMOVE }, { MMX_SET_ALT, SENDER, MMX_CAP_ALT },
		{ MMX_ADD_IF, SENDER, MMX_CAP_DERIVE },	   { MMX_DEL_IF, SENDER, MMX_CAP_DELIF },
		{ MMX_FAILOVER, RECEIVER, MMX_CAP_ALT },   { MMX_QUERY, SENDER, MMX_CAP_QUERY },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (unsigned check = 0; check < 2; check++) {
			struct mmx_action *a = action(0, rows[i].code, check ? MMX_ACTION_CHECK : 0,
						      rows[i].side, 1, 2);
			uint32_t need = rows[i].cap | (check ? MMX_CAP_CHECK : 0);

			cr_expect_eq(mmx_authority(a, need, true, &list), MMX_OK, "%zu", i);
			cr_expect_eq(mmx_authority(a, ALL & ~rows[i].cap, true, &list),
				     MMX_UNSUPPORTED, "%zu", i);
			cr_expect_eq(mmx_authority(a, ALL & ~MMX_CAP_CHECK, true, &list),
				     check ? MMX_UNSUPPORTED : MMX_OK, "%zu", i);
		}
}

/* [MMX-31]: own endpoints, the other side's, by either. */
Test(mmx_rules, who_may)
{
	static const struct {
		uint8_t code, side, flags;
		bool i, r, r_moves; /* allowed to I, to R, to R that may move */
	} rows[] = {
		{ MMX_UPDATE, SENDER, 0, true, false, true },
		{ MMX_UPDATE, SENDER, MMX_ACTION_HARD, true, true, true },
		{ MMX_ADD, SENDER, 0, true, false, true },
		{ MMX_REMOVE, SENDER, 0, true, false, true },
		{ MMX_SET_ALT, SENDER, 0, true, true, true },
		{ MMX_ADD_IF, SENDER, 0, true, true, true },
		{ MMX_DEL_IF, SENDER, 0, true, true, true },
		{ MMX_FAILOVER, SENDER, 0, false, false, false },
		{ MMX_UPDATE, RECEIVER, 0, true, false, false },
		{ MMX_UPDATE, RECEIVER, MMX_ACTION_HARD, true, false, false },
		{ MMX_ADD, RECEIVER, 0, true, false, false },
		{ MMX_REMOVE, RECEIVER, 0, true, false, false },
		{ MMX_SET_ALT, RECEIVER, 0, false, false, false },
		{ MMX_DEL_IF, RECEIVER, 0, false, false, false },
		{ MMX_FAILOVER, RECEIVER, 0, true, true, true },
		{ MMX_QUERY, RECEIVER, 0, true, true, true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mmx_action *a = action(0, rows[i].code, rows[i].flags, rows[i].side, 1, 2);
		uint32_t no_move = ALL & ~MMX_CAP_RESP_MOVE;

		cr_expect_eq(mmx_authority(a, no_move, true, &list),
			     rows[i].i ? MMX_OK : MMX_NOT_OWNER, "I, %zu", i);
		cr_expect_eq(mmx_authority(a, no_move, false, &list),
			     rows[i].r ? MMX_OK : MMX_NOT_OWNER, "R, %zu", i);
		cr_expect_eq(mmx_authority(a, ALL, false, &list),
			     rows[i].r_moves ? MMX_OK : MMX_NOT_OWNER, "R that moves, %zu", i);
	}
}

/* [MMX-31]: I moves R only to what R offers; to a backup only from what is dead. */
Test(mmx_rules, where_i_may_move_r)
{
	static const struct {
		uint16_t new;
		bool soft, hard;
	} rows[] = {
		{ 2, true, true }, { 3, false, true }, { 4, false, false }, { 9, false, false }
	};
	struct mmx_action *a;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		a = action(0, MMX_UPDATE, 0, RECEIVER, 1, rows[i].new);
		cr_expect_eq(mmx_authority(a, ALL, true, &list),
			     rows[i].soft ? MMX_OK : MMX_NOT_OWNER, "%zu", i);
		a->flags = MMX_ACTION_HARD;
		cr_expect_eq(mmx_authority(a, ALL, true, &list),
			     rows[i].hard ? MMX_OK : MMX_NOT_OWNER, "%zu", i);
	}
	/* whole interfaces, and back to what IKE uses */
	a = action(0, MMX_UPDATE, 0, RECEIVER, 1, 1);
	a->tlvs.t[1].ep.flags = MMX_EP_IFID;
	cr_expect_eq(mmx_authority(a, ALL, true, &list), MMX_OK);
	a->tlvs.t[1].ep.epid = 4;
	cr_expect_eq(mmx_authority(a, ALL, true, &list), MMX_NOT_OWNER);
	a->tlvs.t[1].ep = (struct mmx_ep){ .role = MMX_ROLE_NEW, .side = RECEIVER };
	cr_expect_eq(mmx_authority(a, ALL, true, &list), MMX_OK);
	/* one of several */
	a = action(0, MMX_ADD, 0, RECEIVER, 0, 2);
	mmx_add(&a->tlvs, MMX_TLV_EP)->ep =
		(struct mmx_ep){ .role = MMX_ROLE_NEW, .side = RECEIVER, .epid = 4 };
	cr_expect_eq(mmx_authority(a, ALL, true, &list), MMX_NOT_OWNER);
}

/* ---- lists, addresses, alternates ---- */

/* [MMX-32] */
Test(mmx_rules, generation)
{
	struct mmx_action *a = action(0, MMX_UPDATE, 0, SENDER, 1, 2);
	struct mmx_list none = { .n = 0 };

	cr_assert_eq(mmx_generation_check(a, &list), MMX_OK); /* relies on none */
	cr_assert_eq(mmx_generation_check(a, &none), MMX_OK);
	for (uint32_t g = 4; g <= 6; g++) {
		a->generation = g;
		cr_assert_eq(mmx_generation_check(a, &list), g == 5 ? MMX_OK : MMX_STATE_MISMATCH);
		cr_assert_eq(mmx_generation_check(a, &none), MMX_STATE_MISMATCH);
	}
}

/* [MMX-33] */
Test(mmx_rules, addresses)
{
	static const char
		*const bad[] = { "0.0.0.0",	    "127.0.0.1",   "224.0.0.1",	  "239.1.2.3",
				 "255.255.255.255", "169.254.1.1", "::",	  "::1",
				 "fe80::1",	    "ff02::1",	   "198.51.100.1" /* ours */ };
	static const char *const good[] = { "198.51.100.9", "10.0.0.1", "2001:db8::1" };
	struct mmx_ep ep = { .role = MMX_ROLE_NEW, .epid = 7 };

	cr_assert_eq(mmx_address_check(&ep, &list), MMX_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(addr_parse(bad[i], &ep.addr), 0);
		cr_expect_eq(mmx_address_check(&ep, &list), MMX_LOCAL_POLICY, "%s", bad[i]);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_assert_eq(addr_parse(good[i], &ep.addr), 0);
		cr_expect_eq(mmx_address_check(&ep, &list), MMX_OK, "%s", good[i]);
	}
}

/* [MMX-34] */
Test(mmx_rules, failover_is_onto_alternates)
{
	struct mmx_lists lists = { { &list, &list } };
	struct mmx_alt alt = { .epid = 3 };
	struct mmx_binding b = { .own = false };

	mmx_binding_own(&b, 1, 2);
	cr_assert_eq(mmx_failover_check(&b, &lists, MMX_I, 1, 2), MMX_OK);	  /* by default */
	cr_assert_eq(mmx_failover_check(&b, &lists, MMX_I, 1, 4), MMX_NOT_OWNER); /* down */
	cr_assert_eq(mmx_failover_check(&b, &lists, MMX_I, 2, 3), MMX_UNKNOWN_ADDRESS);
	cr_assert_eq(mmx_binding_set_alts(&b, MMX_I, 1, &alt, 1), MMX_OK);
	cr_assert_eq(mmx_failover_check(&b, &lists, MMX_I, 1, 2), MMX_NOT_OWNER);
	cr_assert_eq(mmx_failover_check(&b, &lists, MMX_I, 1, 3), MMX_OK);
}

/* ---- crossing ---- */

static enum mmx_status cross(bool we_are_i)
{
	return mmx_crossing(&made[0], &made[1], we_are_i, &list);
}

/* [MMX-35]: whoever owns the endpoint has the last word; about others both are done. */
Test(mmx_rules, crossing_about_one_endpoint)
{
	static const uint8_t theirs[] = { MMX_UPDATE, MMX_FAILOVER, MMX_REMOVE };

	for (size_t i = 0; i < sizeof(theirs); i++) {
		action(0, MMX_UPDATE, 0, SENDER, 1, 2);
		action(1, theirs[i], 0, RECEIVER, 1, 3);
		cr_expect_eq(cross(false), MMX_SUPERSEDED, "%zu", i);
		action(1, theirs[i], 0, RECEIVER, 2, 3); /* of another */
		cr_expect_eq(cross(false), MMX_OK, "%zu", i);
		/* the same seen from the other end: theirs is about their own */
		action(0, theirs[i], 0, RECEIVER, 1, 3);
		action(1, MMX_UPDATE, 0, SENDER, 1, 2);
		cr_expect_eq(cross(true), MMX_OK, "%zu", i);
	}
	/* each about what is its own */
	action(0, MMX_UPDATE, 0, SENDER, 1, 2);
	action(1, MMX_UPDATE, 0, SENDER, 1, 2);
	cr_expect_eq(cross(true), MMX_OK);
	/* a question, and alternates, take nobody's place */
	action(0, MMX_SET_ALT, 0, SENDER, 1, 0);
	action(1, MMX_FAILOVER, 0, RECEIVER, 1, 3);
	cr_expect_eq(cross(false), MMX_OK);
	action(0, MMX_UPDATE, MMX_ACTION_CHECK, SENDER, 1, 2);
	cr_expect_eq(cross(false), MMX_OK);
}

/* [MMX-35]: an interface, and one of its endpoints. */
Test(mmx_rules, crossing_about_an_interface)
{
	action(0, MMX_DEL_IF, 0, SENDER, 1, 0);
	made[0].tlvs.t[0].ep.flags = MMX_EP_IFID;
	action(1, MMX_FAILOVER, 0, RECEIVER, 2, 3);
	cr_expect_eq(cross(true), MMX_SUPERSEDED);
	action(1, MMX_FAILOVER, 0, RECEIVER, 3, 1);
	cr_expect_eq(cross(true), MMX_OK);
	action(0, MMX_UPDATE, 0, SENDER, 2, 3);
	action(1, MMX_UPDATE, 0, RECEIVER, 1, 3);
	made[1].tlvs.t[0].ep.flags = MMX_EP_IFID;
	cr_expect_eq(cross(false), MMX_SUPERSEDED);
}

/* [MMX-36] */
Test(mmx_rules, both_add_an_interface)
{
	action(0, MMX_ADD_IF, 0, SENDER, 0, 2);
	action(1, MMX_ADD_IF, 0, SENDER, 0, 2);
	cr_expect_eq(cross(true), MMX_BUSY);
	cr_expect_eq(cross(false), MMX_OK);
	made[1].flags = MMX_ACTION_CHECK;
	cr_expect_eq(cross(true), MMX_OK);
}
