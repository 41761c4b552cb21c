/* SPDX-License-Identifier: GPL-2.0-only */
/* Virtual addresses and traffic selectors. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "sim.h"

static void pool(struct sim *s, unsigned i, const char *first, const char *last)
{
	struct sim_side *b = &s->side[B];
	struct ike_pool_cfg *p = &b->pool[i];

	snprintf(p->name, sizeof(p->name), "pool%u", i);
	p->first = sim_addr(first);
	p->last = sim_addr(last);
	snprintf(b->conn[0].pools[i], IKE_NAME_MAX, "pool%u", i);
	b->conn[0].n_pools = (uint8_t)(i + 1);
	b->cfg.n_pools = (uint16_t)(i + 1);
}

static void ask(struct sim *s, const char *what)
{
	struct ike_conn_cfg *c = &s->side[A].conn[0];

	c->vips[c->n_vips++] = sim_addr(what);
	s->side[A].child[0][0].local_ts[0] = sim_ts("dynamic");
	s->side[B].child[0][0].remote_ts[0] = sim_ts("dynamic");
}

static void go(struct sim *s)
{
	sim_start(s);
	cr_assert_eq(sim_up(s, A, NULL, 1), 0);
	sim_settle(s, 20 * USEC_PER_SEC);
}

/* --> IKE_AUTH { ..., CP(REQUEST: IP4_ADDRESS) }  <-- { ..., CP(REPLY: 10.9.0.1) }
 * [NAT-13]: the selectors become the address, and packets are held against them (ESP-10). */
Test(cp, one_address)
{
	struct sim *s = sim_new(1, false);
	struct addr want = sim_addr("10.9.0.1");

	pool(s, 0, "10.9.0.1", "10.9.0.2");
	ask(s, "0.0.0.0");
	go(s);
	cr_assert(sim_mirrored(s, 1));
	cr_assert_eq(s->side[A].children[0].n_vips, 1);
	cr_assert(addr_equal(&s->side[A].children[0].vips[0], &want));
	/* the selectors are narrowed to it */
	cr_assert(addr_equal(&s->side[B].children[0].ts_remote[0].first, &want));
	cr_assert(addr_equal(&s->side[B].children[0].ts_remote[0].last, &want));
	sim_free(s);
}

/* MIF-3.1.2-1 [AUT-10] [AUT-11]: n asked, up to n distinct ones given, both families, never more.
 */
Test(cp, several_addresses)
{
	struct sim *s = sim_new(2, false);
	struct child_sa_out *c = &s->side[A].children[0];

	pool(s, 0, "10.9.0.1", "10.9.0.9");
	pool(s, 1, "2001:db8:9::1", "2001:db8:9::ffff");
	ask(s, "0.0.0.0");
	ask(s, "0.0.0.0");
	ask(s, "::");
	s->side[A].child[0][0].remote_ts[0] = s->side[B].child[0][0].local_ts[0] =
		sim_ts("0.0.0.0/0");
	s->side[A].child[0][0].n_remote_ts = s->side[B].child[0][0].n_local_ts = 2;
	s->side[A].child[0][0].remote_ts[1] = s->side[B].child[0][0].local_ts[1] = sim_ts("::/0");
	go(s);
	cr_assert(sim_mirrored(s, 1));
	cr_assert_eq(c->n_vips, 3);
	cr_assert_eq(c->vips[0].family, 4);
	cr_assert_eq(c->vips[1].family, 4);
	cr_assert_eq(c->vips[2].family, 6);
	cr_assert(!addr_equal(&c->vips[0], &c->vips[1]));
	cr_assert_eq(c->n_ts_local, 3);
	sim_free(s);
}

/* Partial success returns the successes. */
Test(cp, fewer_than_asked)
{
	struct sim *s = sim_new(3, false);

	pool(s, 0, "10.9.0.1", "10.9.0.1");
	ask(s, "0.0.0.0");
	ask(s, "0.0.0.0");
	go(s);
	cr_assert(sim_mirrored(s, 1));
	cr_assert_eq(s->side[A].children[0].n_vips, 1);
	sim_free(s);
}

/* An address by name is given if it is free. */
Test(cp, wished_address)
{
	struct sim *s = sim_new(4, false);
	struct addr want = sim_addr("10.9.0.7");

	pool(s, 0, "10.9.0.1", "10.9.0.9");
	ask(s, "10.9.0.7");
	go(s);
	cr_assert(sim_mirrored(s, 1));
	cr_assert(addr_equal(&s->side[A].children[0].vips[0], &want));
	sim_free(s);
}

/* It is not, while another peer has it; that one keeps it. */
Test(cp, wished_address_of_another)
{
	struct sim *s = sim_new(8, false);
	struct ike_id *id = &s->side[A].conn[0].local_id;
	struct addr want = sim_addr("10.9.0.7");
	struct ike_sa_info info;

	pool(s, 0, "10.9.0.1", "10.9.0.9");
	ask(s, "10.9.0.7");
	s->side[B].conn[0].remote_id.type = 0;
	go(s);
	cr_assert(sim_mirrored(s, 1));
	id->data[0] = 'z';
	sim_fresh(s, A); /* another one comes, and the first says nothing any more */
	cr_assert_eq(sim_up(s, A, NULL, 2), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert_eq(ike_sa_count(s->side[B].ike), 2);
	for (unsigned i = 0; i < 2; i++) {
		cr_assert(ike_sa_at(s->side[B].ike, i, &info));
		cr_assert_eq(info.n_vips, 1);
		cr_expect_eq(addr_equal(&info.vips[0], &want), info.remote_id.data[0] != 'z');
	}
	sim_free(s);
}

/* <-- IKE_AUTH { IDr, AUTH, N(INTERNAL_ADDRESS_FAILURE) } : no Child SA, the IKE SA stays [AUT-8]
 */
Test(cp, nothing_left)
{
	struct sim *s = sim_new(5, false);

	ask(s, "0.0.0.0");
	go(s);
	cr_assert(sim_mirrored(s, 0));
	cr_assert_eq(ike_sa_count(s->side[A].ike), 1);
	cr_assert_eq(ike_sa_count(s->side[B].ike), 1);
	cr_assert(strstr(sim_text(&s->side[A], IKE_EV_FAILED), "INTERNAL_ADDRESS_FAILURE"));
	cr_assert_eq(sim_op_ends(&s->side[A], 1), 1);
	cr_assert_eq(s->side[A].spis + s->side[B].spis, 0);
	sim_free(s);
}

/* [AUT-12] the gateway wants the address asked for: FAILED_CP_REQUIRED, not fatal. */
Test(cp, required)
{
	struct sim *s = sim_new(6, false);

	pool(s, 0, "10.9.0.1", "10.9.0.9");
	s->side[B].child[0][0].remote_ts[0] = sim_ts("dynamic");
	s->side[B].conn[0].n_children = 1;
	go(s);
	cr_assert(sim_mirrored(s, 0));
	cr_assert_eq(ike_sa_count(s->side[A].ike), 1);
	cr_assert(strstr(sim_text(&s->side[A], IKE_EV_FAILED), "FAILED_CP_REQUIRED"));
	sim_free(s);
}

/* The lease survives a rekey of the IKE SA and ends with its family. */
Test(cp, lease_life)
{
	struct sim *s = sim_new(7, false);
	struct ike_sa_info info;

	pool(s, 0, "10.9.0.1", "10.9.0.1");
	ask(s, "0.0.0.0");
	go(s);
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", NULL, 2, s->now), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert(ike_sa_at(s->side[B].ike, 0, &info));
	cr_assert_eq(info.n_vips, 1);
	cr_assert_eq(ike_down(s->side[A].ike, "c", NULL, 3, s->now), 0);
	sim_settle(s, 60 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_DOWN, 3), 1);
	cr_assert(sim_mirrored(s, 0));
	sim_up(s, A, NULL, 4);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert(sim_mirrored(s, 1), "the only address is free again");
	sim_free(s);
}

/* ---- traffic selectors ---- */

static void both(struct sim *s, const char *a_local, const char *a_remote, const char *b_local,
		 const char *b_remote)
{
	s->side[A].child[0][0].local_ts[0] = sim_ts(a_local);
	s->side[A].child[0][0].remote_ts[0] = sim_ts(a_remote);
	s->side[B].child[0][0].local_ts[0] = sim_ts(b_local);
	s->side[B].child[0][0].remote_ts[0] = sim_ts(b_remote);
}

static void expect(const struct ike_ts *ts, const char *prefix)
{
	struct ike_ts want = sim_ts(prefix);
	char got[ADDR_STR];

	cr_assert(addr_equal(&ts->first, &want.first) && addr_equal(&ts->last, &want.last),
		  "%s.. instead of %s", addr_format(&ts->first, got), prefix);
}

/* [TS-4] [TS-5] the responder's policy is smaller */
Test(ts, narrowed_to_responder)
{
	struct sim *s = sim_new(10, false);

	both(s, "0.0.0.0/0", "10.0.0.0/8", "10.2.3.0/24", "192.168.7.0/24");
	go(s);
	cr_assert(sim_mirrored(s, 1));
	expect(&s->side[A].children[0].ts_local[0], "192.168.7.0/24");
	expect(&s->side[A].children[0].ts_remote[0], "10.2.3.0/24");
	sim_free(s);
}

/* the initiator asks for less */
Test(ts, initiator_is_smaller)
{
	struct sim *s = sim_new(11, false);

	both(s, "10.1.2.0/24", "10.2.0.0/24", "10.2.0.0/16", "0.0.0.0/0");
	go(s);
	cr_assert(sim_mirrored(s, 1));
	expect(&s->side[B].children[0].ts_remote[0], "10.1.2.0/24");
	expect(&s->side[B].children[0].ts_local[0], "10.2.0.0/24");
	sim_free(s);
}

/* protocol and ports are cut as well */
Test(ts, ports)
{
	struct sim *s = sim_new(12, false);
	struct ike_ts *t = &s->side[A].child[0][0].remote_ts[0];
	struct ike_ts *u = &s->side[B].child[0][0].local_ts[0];

	t->protocol = 6;
	t->port_first = 1000;
	t->port_last = 3000;
	u->port_first = 2000;
	u->port_last = 4000;
	go(s);
	cr_assert(sim_mirrored(s, 1));
	t = &s->side[A].children[0].ts_remote[0];
	cr_assert(t->protocol == 6 && t->port_first == 2000 && t->port_last == 3000);
	sim_free(s);
}

/* <-- N(TS_UNACCEPTABLE), the IKE SA stays up */
Test(ts, nothing_in_common)
{
	struct sim *s = sim_new(13, false);

	both(s, "10.1.0.0/16", "172.16.0.0/16", "10.2.0.0/16", "10.1.0.0/16");
	go(s);
	cr_assert(sim_mirrored(s, 0));
	cr_assert_eq(ike_sa_count(s->side[A].ike), 1);
	cr_assert(strstr(sim_text(&s->side[A], IKE_EV_FAILED), "TS_UNACCEPTABLE"));
	sim_free(s);
}

/* several selectors, of which some fit: covered ones are dropped, both families may stand together
 */
Test(ts, lists)
{
	struct sim *s = sim_new(14, false);
	struct ike_child_cfg *a = &s->side[A].child[0][0], *b = &s->side[B].child[0][0];

	a->n_remote_ts = 3;
	a->remote_ts[0] = sim_ts("10.2.1.0/24");
	a->remote_ts[1] = sim_ts("10.2.0.0/16");
	a->remote_ts[2] = sim_ts("2001:db8:2::/48");
	b->n_local_ts = 2;
	b->local_ts[0] = sim_ts("10.2.0.0/16");
	b->local_ts[1] = sim_ts("2001:db8::/32");
	go(s);
	cr_assert(sim_mirrored(s, 1));
	cr_assert_eq(s->side[A].children[0].n_ts_remote, 2);
	expect(&s->side[A].children[0].ts_remote[0], "10.2.0.0/16");
	expect(&s->side[A].children[0].ts_remote[1], "2001:db8:2::/48");
	sim_free(s);
}

/* [TS-4]: of two Child SAs that have something in common with the offer the one that has its first
 * selector, of a packet that waits, say; if none has, the first. */
Test(ts, first_selector_decides)
{
	static const struct {
		const char *first, *name, *got;
	} rows[] = { { "10.2.5.5/32", "more", "10.2.0.0/16" },
		     { "10.9.5.5/32", "net", "10.9.0.0/16" },
		     { "10.7.0.0/16", "net", "10.9.0.0/16" } };

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sim *s = sim_new(17 + i, false);
		struct ike_child_cfg *a = &s->side[A].child[0][0], *b = s->side[B].child[0];

		a->n_remote_ts = 2;
		a->remote_ts[0] = sim_ts(rows[i].first);
		a->remote_ts[1] = sim_ts("10.0.0.0/8");
		b[0].local_ts[0] = sim_ts("10.9.0.0/16");
		b[1].local_ts[0] = sim_ts("10.2.0.0/16");
		b[0].n_remote_ts = b[1].n_remote_ts = 1;
		b[0].remote_ts[0] = b[1].remote_ts[0] = a->local_ts[0];
		go(s);
		cr_assert(sim_mirrored(s, 1));
		cr_assert_str_eq(s->side[B].children[0].name, rows[i].name);
		expect(&s->side[A].children[0].ts_remote[0], rows[i].got);
		sim_free(s);
	}
}

/* "dynamic" without virtual address is the outer address */
Test(ts, dynamic_is_outer_address)
{
	struct sim *s = sim_new(15, false);

	both(s, "dynamic", "dynamic", "dynamic", "dynamic");
	go(s);
	cr_assert(sim_mirrored(s, 1));
	expect(&s->side[A].children[0].ts_local[0], "192.0.2.1/32");
	expect(&s->side[A].children[0].ts_remote[0], "198.51.100.1/32");
	sim_free(s);
}

/* The responder's data plane has no room: refused, nothing half installed. */
Test(ts, no_spi)
{
	struct sim *s = sim_new(16, false);

	s->side[B].no_spis = true;
	go(s);
	cr_assert(sim_mirrored(s, 0));
	cr_assert(strstr(sim_text(&s->side[A], IKE_EV_FAILED), "NO_ADDITIONAL_SAS"));
	cr_assert_eq(s->side[A].spis, 0);
	sim_free(s);
}
