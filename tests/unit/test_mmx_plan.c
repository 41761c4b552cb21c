/* SPDX-License-Identifier: GPL-2.0-only */
/* ike/mmx_plan: the next step of a relation with MMX, from what there is. Each plan is written down
 * as text. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "ike/mmx_plan.h"

enum { ALL_CAPS = 0xfff, PATHS_MAX = 16 };

/* What the plan is made from; a test changes what it is about. */
static struct {
	struct mmx_plan p;
	struct mmx_plan_end own[4], peer[4];
	struct ike_binding bindings[4];
	struct mmx_plan_child children[4];
	struct {
		uint32_t path;
		enum mmx_path_state state;
	} states[PATHS_MAX];
	unsigned n_states;
	struct {
		uint8_t code;
		uint16_t old, new;
	} bars[4];
	unsigned n_bars;
} w;

static enum mmx_path_state state(void *ctx, uint32_t path)
{
	(void)ctx;
	for (unsigned i = 0; i < w.n_states; i++)
		if (w.states[i].path == path)
			return w.states[i].state;
	return MMX_PATH_UNTRIED;
}

static bool opened(void *ctx, uint32_t path)
{
	return state(ctx, path) != MMX_PATH_UNTRIED;
}

static bool barred(void *ctx, uint8_t code, uint16_t old, uint16_t new)
{
	(void)ctx;
	for (unsigned i = 0; i < w.n_bars; i++)
		if (w.bars[i].code == code && w.bars[i].old == old && w.bars[i].new == new)
			return true;
	return false;
}

/* Two uplinks, 1 and 3, two addresses of the peer, 1 and 2; the IKE SA is on 1 to 1, and one Child
 * SA follows it. */
static void fixture(void)
{
	memset(&w, 0, sizeof(w));
	w.own[0] = (struct mmx_plan_end){ 1, 4, true, false, false };
	w.own[1] = (struct mmx_plan_end){ 3, 4, true, false, false };
	w.peer[0] = (struct mmx_plan_end){ 1, 4, true, false, false };
	w.peer[1] = (struct mmx_plan_end){ 2, 4, true, false, false };
	w.p = (struct mmx_plan){
		.we_are_i = true,
		.caps = ALL_CAPS,
		.own = w.own,
		.peer = w.peer,
		.n_own = 2,
		.n_peer = 2,
		.ike_own = 1,
		.ike_peer = 1,
		.bindings = w.bindings,
		.n_bindings = 1,
		.children = w.children,
		.state = state,
		.barred = barred,
		.opened = opened,
		.fresh = opened,
	};
}

TestSuite(mmx_plan, .init = fixture);

static void is(uint16_t i, uint16_t r, enum mmx_path_state s)
{
	uint32_t path = (uint32_t)i << 16 | r;

	for (unsigned k = 0; k < w.n_states; k++)
		if (w.states[k].path == path) {
			w.states[k].state = s;
			return;
		}
	w.states[w.n_states].path = path;
	w.states[w.n_states++].state = s;
}

/* A binding with these pairs, as numbers of two digits: I's and R's. */
static void bind(unsigned b, uint32_t id, const char *pairs)
{
	struct ike_binding *x = &w.bindings[b];

	*x = (struct ike_binding){ .id = id };
	for (const char *c = pairs; *c; c += c[2] ? 3 : 2) {
		x->paths[x->n++] = (struct ike_binding_path){
			.id = (uint32_t)(c[0] - '0') << 16 | (uint32_t)(c[1] - '0'),
			.alternate = c[2] == '?',
		};
	}
	if (w.p.n_bindings <= b)
		w.p.n_bindings = b + 1;
}

static void put_sel(FILE *f, const struct mmx_sel *sel)
{
	fprintf(f, " SEL%u", sel->kind);
	for (size_t i = 0; i < mmx_spi_count(sel->spis); i++)
		fprintf(f, ",%x", mmx_spi(sel->spis, i));
}

static const char *end_name(const struct mmx_ep *ep, char buf[ADDR_STR])
{
	if (ep->addr.family)
		return addr_format(&ep->addr, buf);
	snprintf(buf, ADDR_STR, "%u", ep->epid);
	return buf;
}

static void next(const char *want)
{
	char text[256] = "-", end[ADDR_STR];
	struct mmx_step s;
	FILE *f;

	mmx_plan_next(&w.p, &s);
	f = fmemopen(text, sizeof(text), "w");
	if (s.kind == MMX_STEP_NONE)
		fputs("-", f);
	if (s.kind == MMX_STEP_PROBE)
		fprintf(f, "probe %u-%u%s", s.path >> 16, s.path & 0xffff, s.keep ? " keep" : "");
	if (s.kind == MMX_STEP_ASK) {
		fprintf(f, "%s %x", mmx_code_name(s.action.code), s.action.flags);
		for (unsigned i = 0; i < s.action.tlvs.n; i++) {
			const struct mmx_tlv *t = &s.action.tlvs.t[i];

			if (t->type == MMX_TLV_EP)
				fprintf(f, " %s%s:%s%s%s", mmx_role_name(t->ep.role),
					t->ep.side ? "/peer" : "", end_name(&t->ep, end),
					t->ep.flags & MMX_EP_HERE	   ? "!"
					: t->ep.flags & MMX_EP_AS_OBSERVED ? "?"
									   : "",
					t->ep.flags & MMX_EP_ASSIGN ? "assign" : "");
			else
				put_sel(f, &t->sel);
		}
		cr_expect(s.why);
	}
	fclose(f);
	cr_expect_str_eq(text, want, "got %s, want %s", text, want);
}

/* One Child SA comes to use every pair: each is asked before it is added. */
Test(mmx_plan, shared_comes_to_use_all)
{
	next("probe 3-1");
	is(3, 1, MMX_PATH_SILENT);
	next("probe 1-2"); /* the other one has nobody to talk to */
	is(3, 1, MMX_PATH_WORKS);
	next("ADD 0 NEW:3 SEL3");
	w.own[1].nat = true;
	next("ADD 0 NEW:3? SEL3");
	bind(0, 7, "11 31");
	next("probe 1-2");
	is(1, 2, MMX_PATH_WORKS);
	next("ADD 0 NEW/peer:2 SEL3");
	bind(0, 7, "11 12 31 32");
	next("probe 3-2 keep"); /* each path has a mapping of its own */
	is(3, 2, MMX_PATH_WORKS);
	next("-");
	/* a new Child SA that follows the IKE SA gets the same */
	bind(1, 0, "");
	next("ADD 0 NEW:3? SEL3");
}

Test(mmx_plan, shared_waits_where_it_was_refused)
{
	is(3, 1, MMX_PATH_WORKS);
	w.bars[w.n_bars++].code = MMX_ADD;
	w.bars[0].new = 3;
	next("probe 1-2");
	is(1, 2, MMX_PATH_WAITING);
	next("-");
	/* what is not agreed on is not asked for */
	w.n_bars = 0;
	w.own[1].backup = true;
	next("-");
}

Test(mmx_plan, what_stands_by_is_asked_now_and_then)
{
	for (unsigned each = 0; each <= 1; each++) {
		fixture();
		w.p.tunnels = each ? IKE_TUNNELS_EACH : IKE_TUNNELS_SHARED;
		w.own[1].backup = true;
		is(1, 2, MMX_PATH_WAITING);
		is(1, 1, MMX_PATH_WAITING);
		next("probe 3-1");
		w.p.caps &= ~(uint32_t)MMX_CAP_TOKEN;
		next("-");
		w.p.caps = ALL_CAPS;
		is(3, 1, MMX_PATH_SILENT);
		next("-");
		is(3, 1, MMX_PATH_WORKS);
		next("-");
		w.n_states = 0;
		w.own[1].up = false;
		is(1, 2, MMX_PATH_WAITING);
		is(1, 1, MMX_PATH_WAITING);
		next("-");
	}
}

Test(mmx_plan, responders_do_not_add)
{
	w.p.we_are_i = false;
	is(1, 3, MMX_PATH_WORKS);
	next("-");
}

Test(mmx_plan, shared_gives_up_what_is_gone)
{
	bind(0, 7, "11 12 31 32");
	w.own[1].up = false;
	next("REMOVE 2 OLD:3 SEL2");
	/* also when it is not there at all any more */
	w.p.n_own = 1;
	next("REMOVE 2 OLD:3 SEL2");
	w.p.caps = MMX_CAP_UPDATE;
	is(1, 1, MMX_PATH_WORKS);
	next("UPDATE 2 OLD:3 NEW:1 SEL2");
}

/* Behind a NAT each path has a mapping of its own, alternates too. */
Test(mmx_plan, nats_are_opened)
{
	bind(0, 7, "11 31 12 32?");
	w.own[1].nat = true;
	is(3, 1, MMX_PATH_WORKS);
	next("probe 3-2 keep");
	w.p.we_are_i = false;
	w.own[1] = (struct mmx_plan_end){ 2, 4, true, false, true };
	w.peer[1].epid = 3;
	is(1, 1, MMX_PATH_WORKS);
	next("probe 1-2 keep");
}

/* The last one is replaced. */
Test(mmx_plan, the_last_one_is_replaced)
{
	bind(0, 7, "31");
	w.own[1].up = false;
	next("UPDATE 2 OLD:3 NEW:1 SEL2");
	is(1, 1, MMX_PATH_SILENT);
	next("-"); /* it stays suspended */
	w.own[2] = (struct mmx_plan_end){ 5, 6, true, false, false };
	w.p.n_own = 3;
	next("-"); /* another family */
}

/* IKE itself, with all that is bound to the same, from the new address. */
Test(mmx_plan, ike_moves_with_its_sas)
{
	bind(0, 7, "11 12 31 32");
	bind(1, 8, "32");
	w.own[0].up = false;
	is(3, 1, MMX_PATH_WORKS);
	next("UPDATE 2 OLD:1 NEW:3! SEL0 SEL2");
	w.own[1].up = false;
	next("-");
	w.own[1].up = true;
	w.p.ike_own = 3;
	bind(0, 7, "32");
	next("ADD 0 NEW/peer:1 SEL3");
}

/* Nobody answers: the owner takes another one of its own, its peer an alternate. */
Test(mmx_plan, silence)
{
	bind(0, 7, "11 31?");
	is(1, 1, MMX_PATH_SILENT);
	next("probe 3-1");
	is(3, 1, MMX_PATH_WORKS);
	next("UPDATE 2 OLD:1 NEW:3! SEL0"); /* IKE itself is there */
	w.p.ike_own = 3;
	next("UPDATE 2 OLD:1 NEW:3 SEL2");
	w.bars[w.n_bars++].code = MMX_UPDATE;
	w.bars[0].old = 1;
	w.bars[0].new = 3;
	is(3, 1, MMX_PATH_SILENT);
	is(1, 2, MMX_PATH_WAITING);
	next("-");
}

/* The other address of the peer's answers. */
Test(mmx_plan, ike_goes_to_another_address_of_the_peer)
{
	bind(0, 7, "11 12");
	is(1, 1, MMX_PATH_SILENT);
	is(1, 2, MMX_PATH_WORKS);
	next("UPDATE 2 OLD/peer:1 NEW/peer:2 SEL0");
	w.p.we_are_i = false;
	w.own[1].epid = 2;
	next("UPDATE 2 OLD:1 NEW:2! SEL0");
	w.p.caps = ALL_CAPS & ~MMX_CAP_RESP_MOVE;
	next("-");
}

Test(mmx_plan, responders_fail_over)
{
	w.p.we_are_i = false;
	w.own[1].epid = 2;
	w.peer[1].epid = 3;
	bind(0, 7, "11 31?");
	next("-");
	is(1, 1, MMX_PATH_SILENT);
	next("probe 3-1");
	is(3, 1, MMX_PATH_WORKS);
	next("FAILOVER 0 OLD/peer:1 NEW/peer:3 SEL2");
	w.p.ike_peer = 3; /* IKE has been moved by its owner */
	next("FAILOVER 0 OLD/peer:1 NEW/peer:3 SEL2");
	/* not while another pair of it works */
	bind(0, 7, "11 12 31?");
	is(1, 2, MMX_PATH_WORKS);
	next("-");
	w.p.caps = ALL_CAPS & ~MMX_CAP_ALT;
	bind(0, 7, "11 31?");
	next("-");
}

/* Child SAs a1 of uplink 1 and b2 of uplink 3. */
static void each(uint32_t binding_a, uint32_t binding_b)
{
	w.p.tunnels = IKE_TUNNELS_EACH;
	w.children[0] = (struct mmx_plan_child){ .spi = 0xa1, .binding = binding_a, .home = 1 };
	w.children[1] = (struct mmx_plan_child){ .spi = 0xb2, .binding = binding_b, .home = 3 };
	w.p.n_children = 2;
}

/* A tunnel for each uplink, on as many addresses of the peer as there are. */
Test(mmx_plan, each_has_its_own)
{
	each(0, 0);
	w.p.n_children = 1;
	next("probe 3-2");
	is(3, 2, MMX_PATH_WORKS);
	next("ADD_IF 0 NEW:3 TO/peer:2 INNER_NEW:0assign");
	w.p.caps = ALL_CAPS & ~MMX_CAP_DERIVE;
	next("-");
	w.p.caps = ALL_CAPS;
	each(7, 8);
	bind(0, 7, "11");
	bind(1, 8, "32");
	next("-");
	/* another service, which it gets with the inner address that it has */
	w.children[1].inner = addr_v4(0xcb007182);
	w.children[2] =
		(struct mmx_plan_child){ .spi = 0xc3, .binding = 7, .home = 1, .service = 1 };
	w.p.n_children = 3;
	next("ADD_IF 0 NEW:3 TO/peer:2 INNER_NEW:203.0.113.130");
}

/* Which addresses belong together does not depend on whose probe is answered first. */
Test(mmx_plan, each_has_its_own_in_their_order)
{
	each(0, 0);
	w.p.n_children = 1;
	w.own[2] = (struct mmx_plan_end){ 4, 4, true, false, false };
	w.peer[2] = (struct mmx_plan_end){ 5, 4, true, false, false };
	w.p.n_own = w.p.n_peer = 3;
	next("probe 3-2");
	is(3, 2, MMX_PATH_WAITING);
	next("probe 4-5");
	is(4, 5, MMX_PATH_WORKS);
	next("ADD_IF 0 NEW:4 TO/peer:5 INNER_NEW:0assign");
	w.children[1] = (struct mmx_plan_child){ .spi = 0xb2, .binding = 8, .home = 4 };
	w.p.n_children = 2;
	bind(1, 8, "45");
	next("-");
	is(3, 2, MMX_PATH_WORKS);
	next("ADD_IF 0 NEW:3 TO/peer:2 INNER_NEW:0assign");
}

/* Its tunnel goes over another uplink, and back, alone, also when both have become one binding. */
Test(mmx_plan, each_stands_in_and_goes_back)
{
	each(7, 8);
	bind(0, 7, "11");
	bind(1, 8, "31");
	w.own[1].up = false;
	next("UPDATE 2 OLD:3 NEW:1 SEL2");
	each(7, 7);
	w.p.n_bindings = 1;
	next("-");
	w.own[1].up = true;
	next("probe 3-1");
	is(3, 1, MMX_PATH_WORKS);
	next("UPDATE 0 OLD:1 NEW:3 SEL1,b2");
	w.bars[w.n_bars++].code = MMX_UPDATE;
	w.bars[0].old = 1;
	w.bars[0].new = 3;
	next("-");
}

/* What is not configured any more is given up, not carried elsewhere; but not the last. */
Test(mmx_plan, each_gives_up_what_is_not_wanted)
{
	each(7, 8);
	bind(0, 7, "11");
	bind(1, 8, "31");
	w.p.n_own = 1;
	w.children[1].retired = true;
	next("DEL_IF 0 OLD:3");
	w.bars[w.n_bars++].code = MMX_DEL_IF;
	w.bars[0].old = 3;
	next("UPDATE 2 OLD:3 NEW:1 SEL2");
	w.children[0].retired = true;
	w.n_bars = 0;
	next("UPDATE 2 OLD:3 NEW:1 SEL2");
}

/* A new address of the same uplink is where its tunnel belongs. */
Test(mmx_plan, each_follows_its_uplink)
{
	each(7, 8);
	bind(0, 7, "11");
	bind(1, 8, "31");
	w.own[1].epid = w.children[1].home = 4;
	is(4, 1, MMX_PATH_WORKS);
	next("UPDATE 2 OLD:3 NEW:4 SEL2");
}

/* Transport mode: selectors are the endpoints. Nothing inside is asked for. */
static void each_transport(uint32_t binding_a, uint32_t binding_b)
{
	each(binding_a, binding_b);
	w.children[0].transport = w.children[1].transport = w.children[2].transport = true;
}

Test(mmx_plan, each_in_transport_mode)
{
	each_transport(7, 0);
	bind(0, 7, "11");
	w.p.n_children = 1;
	next("probe 3-2");
	is(3, 2, MMX_PATH_WORKS);
	next("ADD_IF 0 NEW:3 TO/peer:2");
	/* also for one service more */
	each_transport(7, 8);
	bind(1, 8, "32");
	w.children[2] = (struct mmx_plan_child){
		.spi = 0xc3, .binding = 7, .home = 1, .service = 1, .transport = true
	};
	w.p.n_children = 3;
	next("ADD_IF 0 NEW:3 TO/peer:2");
	/* where one is a tunnel it has an inner address */
	w.children[2].transport = false;
	w.children[1].inner = addr_v4(0xcb007182);
	next("ADD_IF 0 NEW:3 TO/peer:2 INNER_NEW:203.0.113.130");
}

/* To one address of the peer's: the selectors are those of the other SA meanwhile. It is not
 * deleted, and goes back. */
Test(mmx_plan, each_in_transport_mode_stands_in)
{
	each_transport(7, 8);
	bind(0, 7, "11");
	bind(1, 8, "31");
	w.own[1].up = false;
	next("UPDATE 2 OLD:3 NEW:1 SEL2");
	each_transport(7, 7);
	w.p.n_bindings = 1;
	next("-");
	w.own[1].up = true;
	is(3, 1, MMX_PATH_WORKS);
	next("UPDATE 0 OLD:1 NEW:3 SEL1,b2");
}

/* Another address of its uplink is better than one that is known to work: from that of another
 * uplink nothing of its selectors is sent. */
Test(mmx_plan, each_in_transport_mode_follows_its_uplink)
{
	each_transport(7, 8);
	bind(0, 7, "11");
	bind(1, 8, "32");
	w.own[1].epid = w.children[1].home = 4;
	is(1, 2, MMX_PATH_WORKS);
	next("UPDATE 2 OLD:3 NEW:4 SEL2");
	is(4, 2, MMX_PATH_SILENT);
	next("UPDATE 2 OLD:3 NEW:1 SEL2");
	is(4, 2, MMX_PATH_UNTRIED);
	w.bars[w.n_bars++].code = MMX_UPDATE;
	w.bars[0].old = 3;
	w.bars[0].new = 4;
	next("UPDATE 2 OLD:3 NEW:1 SEL2");
	w.n_bars = 0;
	w.own[1].up = false;
	next("UPDATE 2 OLD:3 NEW:1 SEL2");
	/* in tunnel mode what works comes first: any will do */
	w.own[1].up = true;
	w.children[1].transport = false;
	next("UPDATE 2 OLD:3 NEW:1 SEL2");
}

/* IKE goes where it works; the SA of the address that it had goes with its uplink, by the next
 * request. */
Test(mmx_plan, each_in_transport_mode_and_ike)
{
	each_transport(7, 8);
	bind(0, 7, "11");
	bind(1, 8, "32");
	w.own[0].epid = w.children[0].home = 5;
	is(3, 1, MMX_PATH_WORKS);
	next("UPDATE 2 OLD:1 NEW:3! SEL0");
	w.p.ike_own = 3;
	next("UPDATE 2 OLD:1 NEW:5 SEL2");
	/* where that is where IKE goes, one is enough */
	w.p.ike_own = 1;
	w.own[1].up = false;
	is(3, 1, MMX_PATH_UNTRIED);
	next("UPDATE 2 OLD:1 NEW:5! SEL0 SEL2");
	/* and where its uplink has none */
	w.own[1].up = true;
	w.children[0].home = 1;
	w.own[0].up = false;
	next("UPDATE 2 OLD:1 NEW:3! SEL0 SEL2");
}
