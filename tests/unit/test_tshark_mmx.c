/* SPDX-License-Identifier: GPL-2.0-only */
/* What is shipped for Wireshark reads the notifications that ikemsg/mmx writes, inside encrypted
 * messages; and says so of what is not well-formed. Skipped where there is no tshark, or one
 * without Lua. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/alg.h"
#include "ikemsg/mmx.h"
#include "tshark.h"

#define SCRIPT "-X lua_script:user/wireshark/braid_mmx.lua "

static const struct tshark_suite suite = { { ENCR_AES_GCM_16, 256, INTEG_NONE },
					   "AES-GCM-256 with 16 octet ICV [RFC5282]",
					   "NONE [RFC4306]" };
static uint8_t inner[4096];
static const uint8_t octets[64] = { 0xc0, 0, 0, 1, 0xc0, 0, 0, 2, 0x5e };

static bool with_lua(void)
{
	return tshark_there() && system("tshark -v 2>/dev/null | grep -q 'with Lua'") == 0;
}

static struct mmx_tlv *add_ep(struct mmx_tlvs *t, uint8_t role, uint8_t side, uint16_t epid)
{
	struct mmx_tlv *p = mmx_add(t, MMX_TLV_EP);

	p->ep.role = role;
	p->ep.side = side;
	p->ep.epid = epid;
	return p;
}

static void put_set_up(struct tshark_capture *c)
{
	struct mmx_supported s = { .major = 1,
				   .caps = MMX_CAP_UPDATE | MMX_CAP_QUERY,
				   .ifaces_max = 16,
				   .derived_max = 300,
				   .window = 4 };
	struct mmx_iface i = {
		.generation = 7,
		.ifid = 3,
		.flags = MMX_IFACE_UP | MMX_IFACE_LAST,
		.link = MMX_LINK_CELLULAR,
		.mtu = 1400,
		.n = 2,
		.ep = { { 3, MMX_IFACE_EP_CURRENT, addr_v4(0xc6336403) },
			{ 4, 0, { 6, { 0x20, 0x01, 0x0d, 0xb8, [15] = 4 } } } },
		.attrs = 1 << MMX_ATTR_COST | 1 << MMX_ATTR_RTT,
		.attr = { [MMX_ATTR_COST] = 9, [MMX_ATTR_RTT] = 41000 },
	};
	const struct mmx_classes classes = {
		2,
		{ { .mode = MMX_CLASS_REDUNDANT,
		    .copies = 2,
		    .n_prefer = 2,
		    .prefer = { 3, 1 },
		    .name = "voice" },
		  { .state = MMX_CLASS_NOT_GRANTED, .mode = 99, .name = "b\xc3\xbcro" } },
	};
	struct mmx_iface none = { .flags = MMX_IFACE_EMPTY | MMX_IFACE_LAST };
	struct mmx_outer o = { .mode = MMX_OUTER_SIMULTANEOUS, .flags = MMX_OUTER_STRICT };
	struct msg_wr w = msg_begin_inner(inner, sizeof(inner));

	add_ep(&o.tlvs, MMX_ROLE_NEW, 0, 2);
	add_ep(&o.tlvs, MMX_ROLE_NEW, 1, 5);
	msg_put_notify(&w, 0, NULL, 0, N_MOBIKE_SUPPORTED, NULL, 0);
	mmx_supported_put(&w, &s);
	mmx_iface_put_classes(&w, &i, &classes);
	mmx_iface_put(&w, &none);
	mmx_outer_put(&w, false, &o);
	tshark_put_sealed(c, true, IKE_AUTH, 1, &w);
}

static void put_probe(struct tshark_capture *c, bool answer)
{
	struct mmx_path p = { .kind = answer ? MMX_PATH_ANSWER : MMX_PATH_PROBE,
			      .flags = answer ? 0 : MMX_PATH_WANT_TOKEN,
			      .epid_i = 3,
			      .epid_r = 1,
			      .nonce = { 0xab, 0xcd } };
	struct msg_wr w = msg_begin_inner(inner, sizeof(inner));

	if (answer) {
		struct mmx_ep *seen = &add_ep(&p.tlvs, MMX_ROLE_OBSERVED, 1, 3)->ep;

		seen->addr = addr_v4(0xcb007109);
		seen->port = 61234;
		mmx_add(&p.tlvs, MMX_TLV_TOKEN)->token =
			(struct mmx_token){ 3, 1, { octets, MMX_TOKEN_MIN } };
	}
	mmx_path_put(&w, &p);
	tshark_put_sealed(c, !answer, INFORMATIONAL, 2, &w);
}

static void put_actions(struct tshark_capture *c)
{
	static struct mmx_action move, add_if;
	struct msg_wr w = msg_begin_inner(inner, sizeof(inner));

	move = (struct mmx_action){ .id = 7, .code = MMX_UPDATE, .flags = MMX_ACTION_HARD };
	add_ep(&move.tlvs, MMX_ROLE_OLD, 0, 3);
	add_ep(&move.tlvs, MMX_ROLE_NEW, 0, 4)->ep.addr = addr_v4(0xc6336404);
	mmx_add(&move.tlvs, MMX_TLV_SEL)->sel =
		(struct mmx_sel){ MMX_SEL_SPIS, PROTO_ESP, { octets, 8 } };
	mmx_action_put(&w, &move);
	add_if = (struct mmx_action){ .id = 8, .code = MMX_ADD_IF, .flags = MMX_ACTION_CHECK };
	add_ep(&add_if.tlvs, MMX_ROLE_NEW, 0, 9);
	add_ep(&add_if.tlvs, MMX_ROLE_SRC, 0, 1)->ep.flags = MMX_EP_IFID;
	mmx_add(&add_if.tlvs, MMX_TLV_NONCE);
	mmx_add(&add_if.tlvs, MMX_TLV_DIGEST)->digest.count = 12;
	mmx_action_put(&w, &add_if);
	tshark_put_sealed(c, true, INFORMATIONAL, 3, &w);
}

static void put_results(struct tshark_capture *c)
{
	static struct mmx_result done, refused;
	struct msg_wr w = msg_begin_inner(inner, sizeof(inner));

	done = (struct mmx_result){
		.id = 7, .status = MMX_PARTIAL, .flags = MMX_RESULT_RR_PENDING, .affected = 2
	};
	mmx_add(&done.tlvs, MMX_TLV_FAIL)->fail =
		(struct mmx_fail){ MMX_LOCAL_POLICY, MMX_POLICY_STRONGER, PROTO_ESP, 0xc0000002 };
	mmx_add(&done.tlvs, MMX_TLV_VALID)->valid_sec = 60;
	mmx_result_put(&w, &done);
	refused = (struct mmx_result){ .id = 8, .status = MMX_TOO_MANY };
	mmx_add(&refused.tlvs, MMX_TLV_LIMIT)->limit = (struct mmx_limit){ MMX_LIMIT_DERIVED, 256 };
	mmx_add(&refused.tlvs, MMX_TLV_SPIS)->spis = (struct bytes){ octets, 8 };
	mmx_add(&refused.tlvs, MMX_TLV_TEXT)->text = (struct bytes){ (const uint8_t *)"why", 3 };
	mmx_result_put(&w, &refused);
	tshark_put_sealed(c, false, INFORMATIONAL, 3, &w);
}

static void put_all(struct tshark_capture *c)
{
	tshark_begin(c, &suite);
	put_set_up(c);
	put_probe(c, false);
	put_probe(c, true);
	put_actions(c);
	put_results(c);
}

/* [MMX-17] */
Test(tshark_mmx, reads_our_notifications)
{
	static const char *const wanted[] = {
		"MMX_SUPPORTED: version 1.0",
		"= UPDATE: True",
		"= OUTER: False",
		"= QUERY: True",
		"Derived Child SAs at most: 300",
		"MMX_IFACE: interface 3, cellular, up",
		"Endpoint 3: 198.51.100.3",
		"= CURRENT: True",
		"Endpoint 4: 2001:db8::4",
		"MTU: 1400",
		"ATTR: cost: 9",
		"ATTR: RTT (us): 41000",
		"ATTR: class voice, redundant: asked",
		"Preferred interfaces: 2",
		"ATTR: class b\xc3\xbcro, 99: not granted",
		"MMX_IFACE: none",
		"MMX_OUTER: simultaneous",
		"EP: NEW, receiver's endpoint 5",
		"MMX_PATH: probe of path 3-1",
		"Nonce: abcd000000000000",
		"MMX_PATH: answer of path 3-1",
		"EP: OBSERVED, receiver's endpoint 3 203.0.113.9 port 61234",
		"TOKEN: of path 3-1",
		"Token: c0000001c00000025e00000000000000",
		"MMX_ACTION: 7, UPDATE",
		"EP: OLD, sender's endpoint 3\n",
		"EP: NEW, sender's endpoint 4 198.51.100.4\n",
		"SEL: 2 SPIs",
		"SPI: 0xc0000002",
		"MMX_ACTION: 8, ADD_IF, check only",
		"EP: SRC, sender's interface 1",
		"DIGEST: of 12 SAs",
		"MMX_RESULT: 7, PARTIAL, 2 SAs",
		"= RR_PENDING: True",
		"FAIL: c0000002: LOCAL_POLICY, detail 4",
		"VALID: 60 s",
		"MMX_RESULT: 8, TOO_MANY, 0 SAs",
		"LIMIT: derived Child SAs: 256",
		"SPIS: 2",
		"TEXT: why",
	};
	struct tshark_capture c;

	if (!with_lua())
		cr_skip("no tshark with Lua");
	put_all(&c);
	const char *text = tshark_end(&c, SCRIPT "-V -O isakmp,mmx");
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		cr_expect(strstr(text, wanted[i]), "tshark does not say \"%s\"", wanted[i]);
	cr_expect_eq(tshark_count(text, "Malformed"), 0, "%s", text);
	cr_expect_eq(tshark_count(text, "Lua Error"), 0, "%s", text);
}

/* [MMX-17]: one line a message, and filters. */
Test(tshark_mmx, filters_and_lines)
{
	struct tshark_capture c;

	if (!with_lua())
		cr_skip("no tshark with Lua");
	put_all(&c);
	const char *text = tshark_end(&c, SCRIPT "-Y 'mmx.action.code == 5'");
	cr_expect(strstr(text, "MMX_ACTION(7, UPDATE) MMX_ACTION(8, ADD_IF, check only)"), "%s",
		  text);
	cr_expect_eq(tshark_count(text, "\n"), 1, "%s", text);
	put_all(&c);
	text = tshark_end(&c, SCRIPT "-Y 'mmx.ep.ipv4 == 203.0.113.9 || mmx.result.status == 24'");
	cr_expect_eq(tshark_count(text, "\n"), 2, "%s", text);
}

/* [MMX-17]: cut anywhere, it is called malformed or is shorter; never an error of the script's. */
Test(tshark_mmx, malformed)
{
	static struct mmx_action a;
	struct tshark_capture c;
	uint8_t whole[512];
	struct msg_wr w = msg_begin_inner(whole, sizeof(whole));

	if (!with_lua())
		cr_skip("no tshark with Lua");
	a = (struct mmx_action){ .id = 7, .code = MMX_REMOVE };
	add_ep(&a.tlvs, MMX_ROLE_OLD, 0, 3)->ep.addr = addr_v4(0xc6336404);
	mmx_add(&a.tlvs, MMX_TLV_SEL)->sel.kind = MMX_SEL_ALL;
	mmx_action_put(&w, &a);
	size_t len = msg_end(&w) - 8;

	tshark_begin(&c, &suite);
	for (size_t n = 0; n <= len; n++) {
		struct msg_wr cut = msg_begin_inner(inner, sizeof(inner));

		msg_put_notify(&cut, 0, NULL, 0, N_MMX_ACTION, whole + 8, n);
		tshark_put_sealed(&c, true, INFORMATIONAL, (uint32_t)n, &cut);
	}
	const char *text = tshark_end(&c, SCRIPT "-V -O mmx");
	cr_expect_eq(tshark_count(text, "Lua Error"), 0, "%s", text);
	/* the head, the head and one, and all of it, are whole */
	cr_expect_eq(tshark_count(text, "[Malformed MMX notification]"), len + 1 - 3, "%s", text);
	cr_expect_eq(tshark_count(text, "MMX_ACTION: 7, REMOVE"), 3, "%s", text);
}
