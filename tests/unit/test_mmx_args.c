/* SPDX-License-Identifier: GPL-2.0-only */
/* ctl/mmx_args: what commands about interfaces ask the peer for. Each is written down as text and
 * has to pass the encoder. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "ctl/mmx_args.h"

static const struct mmx_iface own[] = {
	{ .ifid = 1,
	  .flags = MMX_IFACE_UP,
	  .n = 2,
	  .ep = { { 1, MMX_IFACE_EP_CURRENT, { 4, { 192, 0, 2, 2 } } },
		  { 11, 0, { 6, { 0x20, 1, 0xd, 0xb8, [15] = 2 } } } } },
	{ .ifid = 2,
	  .flags = MMX_IFACE_UP,
	  .n = 1,
	  .ep = { { 3, 0, { 4, { 198, 51, 100, 2 } } } } },
};
static const struct mmx_iface peer[] = {
	{ .ifid = 7, .flags = MMX_IFACE_UP, .n = 1, .ep = { { 1, 0, { 4, { 192, 0, 2, 66 } } } } },
	{ .ifid = 8,
	  .flags = MMX_IFACE_UP,
	  .n = 1,
	  .ep = { { 2, 0, { 4, { 198, 51, 100, 66 } } } } },
};
static const char *const names[] = { "wlan", "ran" };
static const struct ctl_mmx_child children[] = { { "net", 0x11223344 }, { "tel", 0x55667788 } };
static const struct ctl_mmx_view view = {
	.own = { own, 2, names },
	.peer = { peer, 2, NULL },
	.children = children,
	.n_children = 2,
};

static void put_ep(FILE *f, const struct mmx_ep *ep)
{
	char text[ADDR_STR];

	fprintf(f, " %s%s:", mmx_role_name(ep->role), ep->side ? "/peer" : "");
	if (ep->flags & MMX_EP_IFID)
		fputs("if", f);
	if (ep->addr.family)
		fputs(addr_format(&ep->addr, text), f);
	else
		fprintf(f, "%u", ep->epid);
	if (ep->flags & MMX_EP_HERE)
		fputs("!", f);
	if (ep->flags & MMX_EP_AS_OBSERVED)
		fputs("?", f);
	if (ep->flags & MMX_EP_ASSIGN)
		fputs("assign", f);
}

/* "UPDATE 1 OLD:1 NEW:3 SEL2": flags in hex behind the code. */
static void put_action(FILE *f, const struct mmx_action *a)
{
	fprintf(f, "%s %x", mmx_code_name(a->code), a->flags);
	for (unsigned i = 0; i < a->tlvs.n; i++) {
		const struct mmx_tlv *t = &a->tlvs.t[i];

		if (t->type == MMX_TLV_EP)
			put_ep(f, &t->ep);
		if (t->type != MMX_TLV_SEL)
			continue;
		fprintf(f, " SEL%u", t->sel.kind);
		for (size_t k = 0; k < mmx_spi_count(t->sel.spis); k++)
			fprintf(f, ",%08x", mmx_spi(t->sel.spis, k));
	}
}

static void check(const char *cmd, const char *json, const char *want)
{
	json_t *args = json_loads(json, 0, NULL);
	char why[CTL_MMX_WHY_MAX] = "", text[512] = "";
	uint8_t spis[4 * CTL_MMX_SPIS_MAX];
	struct mmx_action a;
	FILE *f = fmemopen(text, sizeof(text), "w");
	int err;

	cr_assert(args, "bad JSON in the test: %s", json);
	err = ctl_mmx_action(cmd, args, &view, spis, &a, why);
	if (err)
		fprintf(f, "%s: %s", err == -2 ? "not found" : "wrong", why);
	else
		put_action(f, &a);
	fclose(f);
	cr_expect_str_eq(text, want, "%s %s:\n got %s\nwant %s", cmd, json, text, want);
	json_decref(args);
}

/* The message is well-formed: what the peer's decoder asks of it. */
static void encodes(const char *cmd, const char *json)
{
	json_t *args = json_loads(json, 0, NULL);
	uint8_t spis[4 * CTL_MMX_SPIS_MAX], buf[2048];
	char why[CTL_MMX_WHY_MAX] = "";
	struct mmx_action a;
	struct msg_wr m;

	cr_assert_eq(ctl_mmx_action(cmd, args, &view, spis, &a, why), 0, "%s: %s", json, why);
	a.id = 1;
	m = msg_begin_inner(buf, sizeof(buf));
	mmx_action_put(&m, &a);
	cr_expect_eq(m.w.err, 0, "%s %s is not well-formed", cmd, json);
	json_decref(args);
}

Test(mmx_args, endpoints)
{
	check("mmx-update", "{\"old\":1,\"new\":3}", "UPDATE 0 OLD:1 NEW:3");
	check("mmx-update", "{\"old\":\"1\",\"new\":\"198.51.100.2\"}", "UPDATE 0 OLD:1 NEW:3");
	check("mmx-update", "{\"old\":\"wlan\",\"new\":\"ran\",\"hard\":true}",
	      "UPDATE 2 OLD:if1 NEW:if2");
	check("mmx-update", "{\"old\":\"if:1\",\"new\":\"if:2\"}", "UPDATE 0 OLD:if1 NEW:if2");
	/* one endpoint is replaced by one of the same family */
	check("mmx-update", "{\"old\":3,\"new\":\"wlan\"}", "UPDATE 0 OLD:3 NEW:1");
	check("mmx-update", "{\"old\":11,\"new\":\"ran\"}", "not found: ran has no such address");
	check("mmx-update", "{\"old\":3,\"new\":\"ike\"}", "UPDATE 0 OLD:3 NEW:0");
	check("mmx-update", "{\"old\":1,\"new\":2,\"side\":\"peer\"}",
	      "UPDATE 0 OLD/peer:1 NEW/peer:2");
	check("mmx-update", "{\"old\":\"wlan\",\"new\":2,\"side\":\"peer\"}",
	      "not found: \"wlan\" is neither an address nor a number nor an interface");
	check("mmx-update", "{\"old\":1,\"new\":\"203.0.113.9\"}",
	      "not found: 203.0.113.9 is not announced; see braid mmx list");
	check("mmx-update", "{\"old\":1,\"new\":3,\"here\":true,\"observed\":true,\"ike\":true}",
	      "UPDATE 0 OLD:1 NEW:3!? SEL0 SEL2");
	check("mmx-update", "{\"old\":0,\"new\":3}", "wrong: 0 is no number of an endpoint");
	check("mmx-update", "{\"old\":1}", "wrong: update needs \"new\"");
	check("mmx-failover", "{\"old\":1,\"new\":2}", "FAILOVER 0 OLD/peer:1 NEW/peer:2");
	check("mmx-failover", "{\"old\":1,\"new\":2,\"side\":\"own\"}",
	      "wrong: failover is about endpoints of the peer");
	check("mmx-alternates", "{\"old\":3,\"alternates\":[1,\"203.0.113.9\"]}",
	      "SET_ALT 0 OLD:3 ALT:1 ALT:203.0.113.9");
	check("mmx-alternates", "{\"old\":3}", "SET_ALT 0 OLD:3");
}

Test(mmx_args, sas)
{
	check("mmx-add", "{\"new\":3}", "ADD 0 NEW:3 SEL3");
	check("mmx-add", "{\"new\":[\"ran\",1],\"child\":\"tel\"}",
	      "ADD 0 NEW:if2 NEW:1 SEL1,55667788");
	check("mmx-add", "{\"new\":3,\"ike\":true}", "ADD 0 NEW:3 SEL0");
	check("mmx-remove", "{\"old\":[1]}", "REMOVE 0 OLD:1");
	check("mmx-remove", "{\"old\":1,\"all\":true,\"best_effort\":true}",
	      "REMOVE 20 OLD:1 SEL3");
	check("mmx-remove", "{\"old\":1,\"spis\":[\"11223344\",\"1\"]}",
	      "REMOVE 0 OLD:1 SEL1,11223344,00000001");
	check("mmx-remove", "{\"old\":1,\"spis\":[\"x\"]}", "wrong: an SPI is 8 hex digits");
	check("mmx-remove", "{\"old\":1,\"child\":\"none\"}",
	      "not found: there is no Child SA none");
	check("mmx-delete-interface", "{\"old\":\"ran\",\"prune\":true}", "DEL_IF 8 OLD:if2");
	check("mmx-delete-interface", "{\"old\":\"ran\",\"all\":true}",
	      "wrong: delete-interface takes neither \"ike\" nor \"all\"");
	check("mmx-delete-interface", "{\"old\":\"ran\",\"child\":\"net\"}",
	      "wrong: delete-interface is for all that is bound to it");
}

Test(mmx_args, added_interfaces)
{
	check("mmx-add-interface", "{\"new\":[\"ran\"]}", "ADD_IF 0 NEW:3");
	check("mmx-add-interface",
	      "{\"new\":3,\"to\":\"192.0.2.66\",\"from\":[\"wlan\"],\"inner\":[\"assign\"],"
	      "\"inner_old\":[\"203.0.113.130\"],\"parallel\":true,\"child\":\"net\"}",
	      "ADD_IF 4 NEW:3 TO/peer:1 SRC:if1 INNER_OLD:203.0.113.130 INNER_NEW:0assign "
	      "SEL1,11223344");
	check("mmx-add-interface", "{\"new\":3,\"inner\":\"203.0.113.131\"}",
	      "ADD_IF 0 NEW:3 INNER_NEW:203.0.113.131");
	check("mmx-add-interface", "{\"new\":3,\"inner_old\":\"assign\"}",
	      "wrong: an inner address is an address");
}

/* What would be said now is asked of any action; a future address may be named. */
Test(mmx_args, checks)
{
	check("mmx-check", "{\"old\":1,\"new\":\"203.0.113.9\"}", "UPDATE 1 OLD:1 NEW:203.0.113.9");
	check("mmx-check", "{\"action\":\"remove\",\"old\":1}", "REMOVE 1 OLD:1");
	check("mmx-add", "{\"new\":3,\"check\":true}", "ADD 1 NEW:3 SEL3");
	check("mmx-check", "{\"action\":\"fly\",\"old\":1}", "wrong: there is no action \"fly\"");
}

Test(mmx_args, well_formed)
{
	encodes("mmx-update", "{\"old\":\"wlan\",\"new\":\"ran\",\"ike\":true,\"here\":false}");
	encodes("mmx-add", "{\"new\":[\"ran\",1],\"child\":\"tel\"}");
	encodes("mmx-remove", "{\"old\":1}");
	encodes("mmx-failover", "{\"old\":1,\"new\":2,\"child\":\"net\",\"all\":true}");
	encodes("mmx-alternates", "{\"old\":3,\"alternates\":[1,\"203.0.113.9\"]}");
	encodes("mmx-delete-interface", "{\"old\":\"ran\",\"prune\":true}");
}

/* What programs are asked about before it is done. */
Test(mmx_args, addresses_that_leave)
{
	static const struct {
		const char *cmd, *json, *want;
	} cases[] = {
		{ "mmx-remove", "{\"old\":1}", " 192.0.2.2" },
		{ "mmx-remove", "{\"old\":\"wlan\"}", " 192.0.2.2 2001:db8::2" },
		{ "mmx-remove", "{\"old\":[1,3]}", " 192.0.2.2 198.51.100.2" },
		{ "mmx-remove", "{\"old\":\"ike\"}", " 192.0.2.2" },
		{ "mmx-remove", "{\"old\":1,\"side\":\"peer\"}", "" },
		{ "mmx-remove", "{\"old\":1,\"hard\":true}", "" },
		{ "mmx-update", "{\"old\":\"192.0.2.2\",\"new\":\"ran\"}", " 192.0.2.2" },
		{ "mmx-update", "{\"old\":1,\"new\":1,\"observed\":true}", "" },
		{ "mmx-check", "{\"old\":1,\"new\":\"ran\"}", "" },
		{ "mmx-delete-interface", "{\"old\":\"ran\"}", " 198.51.100.2" },
		{ "mmx-add", "{\"new\":\"ran\"}", "" },
		{ "mmx-alternates", "{\"old\":1,\"alternates\":[3]}", "" },
		{ "mmx-failover", "{\"old\":1,\"new\":2}", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *args = json_loads(cases[i].json, 0, NULL);
		char why[CTL_MMX_WHY_MAX] = "", text[256] = "", one[ADDR_STR];
		uint8_t spis[4 * CTL_MMX_SPIS_MAX];
		struct mmx_action a;
		struct addr addrs[4];
		size_t n = 0;

		cr_assert_eq(ctl_mmx_action(cases[i].cmd, args, &view, spis, &a, why), 0, "%s",
			     why);
		n = ctl_mmx_leaving(&a, &view, 4, addrs);
		for (size_t k = 0; k < n; k++) {
			strcat(text, " ");
			strcat(text, addr_format(&addrs[k], one));
		}
		cr_expect_str_eq(text, cases[i].want, "%s %s", cases[i].cmd, cases[i].json);
		cr_expect(ctl_mmx_leaving(&a, &view, 1, addrs) <= 1);
		json_decref(args);
	}
}

Test(mmx_args, paths)
{
	static const struct {
		const char *json;
		bool we_are_i;
		int err;
		uint32_t path;
	} cases[] = {
		{ "{\"path\":\"3-1\"}", true, 0, 0x30001 },
		{ "{\"path\":\"3-1\"}", false, 0, 0x30001 },
		{ "{\"local\":\"ran\",\"remote\":\"192.0.2.66\"}", true, 0, 0x30001 },
		{ "{\"local\":\"ran\",\"remote\":2}", false, 0, 0x20003 },
		{ "{\"local\":\"ran\",\"remote\":\"if:8\"}", true, 0, 0x30002 },
		{ "{\"path\":\"3\"}", true, -22, 0 },
		{ "{\"path\":\"3-1x\"}", true, -22, 0 },
		{ "{\"path\":\"3-65536\"}", true, -22, 0 },
		{ "{\"local\":\"ran\"}", true, -22, 0 },
		{ "{\"local\":\"ike\",\"remote\":1}", true, -22, 0 },
		{ "{\"local\":\"eth\",\"remote\":1}", true, -2, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *args = json_loads(cases[i].json, 0, NULL);
		char why[CTL_MMX_WHY_MAX] = "";
		uint32_t path = 0;

		cr_expect_eq(ctl_mmx_path(args, &view, cases[i].we_are_i, &path, why), cases[i].err,
			     "%s: %s", cases[i].json, why);
		cr_expect_eq(path, cases[i].path, "%s: %x", cases[i].json, path);
		cr_expect(!cases[i].err || why[0], "%s: no reason", cases[i].json);
		json_decref(args);
	}
}

Test(mmx_args, words)
{
	char buf[32];

	cr_expect_str_eq(ctl_mmx_status_word(MMX_LOCAL_POLICY, buf), "local-policy");
	cr_expect_str_eq(ctl_mmx_status_word(MMX_OK, buf), "ok");
	cr_expect_str_eq(ctl_mmx_code_word(MMX_ADD_IF, buf), "add-interface");
	cr_expect_str_eq(ctl_mmx_code_word(MMX_QUERY, buf), "query");
	cr_expect_str_eq(ctl_mmx_refusal_text(MMX_UNREACHABLE, MMX_UNREACHABLE_PATH_DEAD),
			 "the path is dead");
	cr_expect_str_eq(ctl_mmx_refusal_text(MMX_UNREACHABLE, 9),
			 "the peer does not reach us there");
	cr_expect_str_eq(ctl_mmx_refusal_text(MMX_LOCAL_POLICY, 0),
			 "the peer's configuration does not allow it");
}

/* Each status that is a refusal has words, which fit where they go. */
Test(mmx_args, refusals)
{
	for (unsigned status = 0; status < 64; status++) {
		bool refusal = status > MMX_PARTIAL && strcmp(mmx_status_name(status), "unknown");
		const char *text = ctl_mmx_refusal_text((uint16_t)status, 0);

		cr_expect_eq(text != NULL, refusal, "%u: %s", status, text ? text : "none");
		cr_expect(!text || strlen(text) < 96, "%u: %s", status, text);
	}
}
