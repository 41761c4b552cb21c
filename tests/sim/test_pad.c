/* SPDX-License-Identifier: GPL-2.0-only */
/* The peer authorization database: which identity may authenticate how, and which addresses and
 * traffic selectors it may ask for (RFC 4301 4.4.3). An entry is a connection. A is the peer, B has
 * two connections, "c" and "other". */
#include <stdio.h>
#include <string.h>

#include "sim_assert.h"

static struct sim *s;

static struct ike_conn_cfg *conn(unsigned i)
{
	return &s->side[B].conn[i];
}

static void psk(struct ike_conn_cfg *c, const char *text)
{
	cr_assert_eq(secret_set(&c->psk, text, strlen(text)), 0);
}

static void id(struct ike_id *i, const char *text)
{
	*i = (struct ike_id){ .type = ID_FQDN, .len = (uint16_t)strlen(text) };
	memcpy(i->data, text, i->len);
}

static void setup(void)
{
	s = sim_new(1, false);
	*conn(1) = *conn(0);
	snprintf(conn(1)->name, sizeof(conn(1)->name), "other");
	psk(conn(1), "other");
	conn(1)->children = s->side[B].child[1];
	conn(1)->n_children = 1;
	s->side[B].child[1][0] = s->side[B].child[0][0];
	s->side[B].child[1][0].local_ts[0] = sim_ts("10.22.0.0/16");
	s->side[B].child[1][0].remote_ts[0] = sim_ts("10.11.0.0/16");
	s->side[B].cfg.n_conns = 2;
}

static void teardown(void)
{
	sim_free(s);
}

TestSuite(pad, .init = setup, .fini = teardown, .timeout = 30);

static void go(void)
{
	sim_start(s);
	cr_assert_eq(sim_up(s, A, "net", 1), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
}

static void believed_as(const char *name)
{
	go();
	cr_assert_str_eq(info(s, B).conn, name);
}

static void refused(void)
{
	go();
	cr_expect_eq(ike_sa_count(s->side[B].ike), 0);
	cr_expect_eq(s->side[B].n_children, 0);
	cr_expect(strstr(sim_text(&s->side[A], IKE_EV_FAILED), "AUTHENTICATION_FAILED"));
}

/* ---- who may authenticate how ---- */

/* "c" is for anybody who knows the group's secret, "other" for a.example with its own. */
static void one_for_all(void)
{
	conn(0)->remote_id.type = 0;
}

Test(pad, the_closest_entry)
{
	one_for_all();
	psk(&s->side[A].conn[0], "other");
	s->side[A].child[0][0].local_ts[0] = sim_ts("10.11.0.0/16");
	s->side[A].child[0][0].remote_ts[0] = sim_ts("10.22.0.0/16");
	believed_as("other");
}

/* Whoever knows the group's secret is not thereby a.example. */
Test(pad, a_looser_entry_does_not_count)
{
	one_for_all();
	refused();
}

/* Others of the group are served. */
Test(pad, for_the_rest)
{
	one_for_all();
	id(&s->side[A].conn[0].local_id, "b.example");
	believed_as("c");
}

Test(pad, a_pattern_is_closer_than_anybody)
{
	one_for_all();
	id(&conn(1)->remote_id, "*.example");
	refused();
}

Test(pad, a_name_is_closer_than_a_pattern)
{
	id(&conn(0)->remote_id, "*.example");
	refused();
}

/* The peer picks its address and the algorithms, so these do not lead to a looser entry. */
Test(pad, not_by_another_address)
{
	one_for_all();
	conn(1)->n_remote_addrs = 1;
	conn(1)->remote_addrs[0] = sim_addr("203.0.113.77");
	refused();
}

static void other_algorithms(struct ike_conn_cfg *c)
{
	c->n_proposals = 1;
	c->proposals[0] = (struct ike_proposal){ .n_encr = 1,
						 .n_prf = 1,
						 .n_ke = 1,
						 .encr = { { ENCR_AES_GCM_16, 192 } },
						 .prf = { PRF_HMAC_SHA2_512 },
						 .ke = { KE_MODP_4096 } };
}

Test(pad, not_by_another_algorithm)
{
	one_for_all();
	other_algorithms(conn(1));
	refused();
}

/* Nor is the entry that names it for other addresses or algorithms than its own, whatever is
 * proved. */
Test(pad, addresses_of_the_entry)
{
	one_for_all();
	psk(&s->side[A].conn[0], "other");
	conn(1)->n_remote_addrs = 1;
	conn(1)->remote_addrs[0] = sim_addr("203.0.113.77");
	refused();
}

Test(pad, algorithms_of_the_entry)
{
	one_for_all();
	psk(&s->side[A].conn[0], "other");
	other_algorithms(conn(1));
	refused();
}

/* Equals are tried in their order, each with its own secret. */
Test(pad, equals)
{
	psk(&s->side[A].conn[0], "other");
	go();
	cr_assert_str_eq(info(s, B).conn, "other");
}

/* The identity of ours that the peer wants separates entries too. */
Test(pad, entries_of_another_identity_of_ours)
{
	one_for_all();
	id(&conn(1)->local_id, "second.example");
	believed_as("c");
}

/* Who has the name by a looser way does not end the IKE SAs of who has it by another [AUT-13]. */
Test(pad, initial_contact_stays_within_the_entry)
{
	id(&conn(0)->remote_id, "*.example");
	id(&conn(1)->remote_id, "*.example");
	believed_as("c");
	psk(&s->side[A].conn[0], "other");
	s->side[A].child[0][0].local_ts[0] = sim_ts("10.11.0.0/16");
	s->side[A].child[0][0].remote_ts[0] = sim_ts("10.22.0.0/16");
	sim_fresh(s, A);
	cr_assert_eq(sim_up(s, A, "net", 2), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert_eq(ike_sa_count(s->side[B].ike), 2);
	cr_assert_eq(s->side[B].n_children, 2);
}

/* ---- what it may ask for ---- */

static void ask_ts(unsigned child, const char *local, const char *remote)
{
	s->side[A].child[0][child].local_ts[0] = sim_ts(local);
	s->side[A].child[0][child].remote_ts[0] = sim_ts(remote);
}

/* Child SAs of another entry are out of reach, in IKE_AUTH and afterwards. */
Test(pad, selectors_of_another_entry)
{
	ask_ts(0, "10.11.0.0/16", "10.22.0.0/16");
	ask_ts(1, "10.11.1.0/24", "10.22.1.0/24");
	go();
	cr_assert_str_eq(info(s, B).conn, "c");
	cr_expect_eq(s->side[B].n_children, 0);
	cr_expect(strstr(sim_text(&s->side[A], IKE_EV_FAILED), "TS_UNACCEPTABLE"));
	s->side[A].n_events = 0;
	cr_assert_eq(sim_up(s, A, "more", 2), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_expect_eq(s->side[B].n_children, 0);
	cr_expect(strstr(sim_text(&s->side[A], IKE_EV_FAILED), "TS_UNACCEPTABLE"));
}

/* All the world becomes what the entry grants. */
Test(pad, selectors_are_narrowed_to_the_entry)
{
	struct ike_ts want = sim_ts("10.1.0.0/16");

	ask_ts(0, "0.0.0.0/0", "0.0.0.0/0");
	go();
	cr_assert(sim_mirrored(s, 1));
	cr_expect_eq(s->side[B].children[0].n_ts_remote, 1);
	cr_expect(addr_equal(&s->side[B].children[0].ts_remote[0].first, &want.first));
	cr_expect(addr_equal(&s->side[B].children[0].ts_remote[0].last, &want.last));
}

static void pool(unsigned i, unsigned of_conn, const char *first, const char *last)
{
	struct ike_pool_cfg *p = &s->side[B].pool[i];

	snprintf(p->name, sizeof(p->name), "pool%u", i);
	p->first = sim_addr(first);
	p->last = sim_addr(last);
	snprintf(conn(of_conn)->pools[0], IKE_NAME_MAX, "pool%u", i);
	conn(of_conn)->n_pools = 1;
	s->side[B].cfg.n_pools = (uint16_t)(i + 1);
}

/* "c" serves 10.9.0.0/24, "other" 10.8.0.0/24; both children are for the served address. */
static void pools(const char *wish)
{
	struct ike_conn_cfg *a = &s->side[A].conn[0];

	pool(0, 0, "10.9.0.1", "10.9.0.254");
	pool(1, 1, "10.8.0.1", "10.8.0.254");
	for (unsigned i = 0; i < 2; i++)
		s->side[B].child[0][i].remote_ts[0] = sim_ts("dynamic");
	if (!wish)
		return;
	a->n_vips = 1;
	a->vips[0] = sim_addr(wish);
}

static bool only(const struct child_sa_out *c, const struct addr *a)
{
	return c->n_ts_remote == 1 && addr_equal(&c->ts_remote[0].first, a) &&
	       addr_equal(&c->ts_remote[0].last, a);
}

Test(pad, an_address_of_another_entry)
{
	struct addr first = sim_addr("10.9.0.1");

	pools("10.8.0.7");
	ask_ts(0, "0.0.0.0/0", "10.2.0.0/16");
	go();
	cr_assert(sim_mirrored(s, 1));
	cr_expect(only(&s->side[B].children[0], &first));
}

/* An entry that serves none gives none, whatever others have. */
Test(pad, no_address_from_an_entry_without)
{
	pools("10.8.0.7");
	conn(0)->n_pools = 0;
	go();
	cr_expect_eq(info(s, B).n_vips, 0);
	cr_expect_eq(s->side[B].n_children, 0);
	cr_expect(strstr(sim_text(&s->side[A], IKE_EV_FAILED), "INTERNAL_ADDRESS_FAILURE"));
}

/* With a virtual address, that one alone is the peer's side, of every Child SA. */
Test(pad, selectors_are_the_leased_address)
{
	struct addr leased;

	pools("10.9.0.77");
	ask_ts(0, "10.9.0.0/24", "10.2.0.0/16");
	ask_ts(1, "0.0.0.0/0", "10.4.0.0/16");
	go();
	leased = info(s, B).vips[0];
	cr_assert_eq(s->side[B].n_children, 1);
	cr_expect(only(&s->side[B].children[0], &leased));
	cr_assert_eq(sim_up(s, A, "more", 2), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert_eq(s->side[B].n_children, 2);
	cr_expect(only(&s->side[B].children[1], &leased));
}

Test(pad, selectors_of_somebody_elses_address)
{
	pools("10.9.0.77");
	ask_ts(0, "10.9.0.78/32", "10.2.0.0/16");
	go();
	cr_expect_eq(s->side[B].n_children, 0);
	cr_expect(strstr(sim_text(&s->side[A], IKE_EV_FAILED), "TS_UNACCEPTABLE"));
}

/* Who asked for no address is not given a Child SA by its outer one, then or later [AUT-12]. */
Test(pad, without_the_address)
{
	pools(NULL);
	ask_ts(0, "dynamic", "10.2.0.0/16");
	ask_ts(1, "dynamic", "10.4.0.0/16");
	go();
	cr_expect(strstr(sim_text(&s->side[A], IKE_EV_FAILED), "FAILED_CP_REQUIRED"));
	s->side[A].n_events = 0;
	cr_assert_eq(sim_up(s, A, "more", 2), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_expect(strstr(sim_text(&s->side[A], IKE_EV_FAILED), "FAILED_CP_REQUIRED"));
	cr_expect_eq(s->side[B].n_children, 0);
}

/* One identity, one address: an entry with a pool of one. Another cannot have it. */
Test(pad, an_address_of_its_own)
{
	struct addr mine = sim_addr("10.9.0.42");

	pools("0.0.0.0");
	pool(0, 0, "10.9.0.42", "10.9.0.42");
	ask_ts(0, "dynamic", "10.2.0.0/16");
	go();
	cr_assert(sim_mirrored(s, 1));
	cr_expect(only(&s->side[B].children[0], &mine));
}
