/* SPDX-License-Identifier: GPL-2.0-only */
/* What is counted, of all and of each connection: user/ike/counters.c. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sim_assert.h"

static struct ike_counters of(const struct sim *s, unsigned side, const char *conn)
{
	struct ike_counters c;

	if (conn)
		cr_assert_eq(ike_conn_counters(s->side[side].ike, conn, &c), 0);
	else
		ike_counters_get(s->side[side].ike, &c);
	return c;
}

static void assert_exchange(const struct ike_counters *c, uint8_t type, const uint64_t want[4])
{
	const struct ike_exchange_counters *x = &c->exchanges[type - IKE_SA_INIT];
	const uint64_t got[] = { x->requests_tx, x->responses_rx, x->requests_rx, x->responses_tx };

	for (unsigned i = 0; i < 4; i++)
		cr_assert_eq(got[i], want[i], "%s column %u: %lu", exchange_name(type), i,
			     (unsigned long)got[i]);
}

/* A set-up, a rekey of each kind, a liveness answer and a Delete, each counted once on either side,
 * for all and for the connection. */
Test(counters, exchanges)
{
	static const uint64_t i[] = { 1, 1, 0, 0 }, r[] = { 0, 0, 1, 1 }, i2[] = { 2, 2, 0, 0 },
			      r2[] = { 0, 0, 2, 2 };
	struct sim *s = up(1);

	cr_assert_eq(ike_rekey(s->side[A].ike, "c", "net", 2, s->now), 0);
	sim_settle(s, USEC_PER_SEC); /* --> CREATE_CHILD_SA, --> INFORMATIONAL { D } */
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", NULL, 3, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	for (unsigned k = 0; k < 2; k++) {
		struct ike_counters a = of(s, A, k ? "c" : NULL), b = of(s, B, k ? "c" : NULL);

		assert_exchange(&a, IKE_SA_INIT, i);
		assert_exchange(&b, IKE_SA_INIT, r);
		assert_exchange(&a, IKE_AUTH, i);
		assert_exchange(&b, IKE_AUTH, r);
		assert_exchange(&a, CREATE_CHILD_SA, i2);
		assert_exchange(&b, CREATE_CHILD_SA, r2);
		assert_exchange(&a, INFORMATIONAL, i2);
		assert_exchange(&b, INFORMATIONAL, r2);
		cr_assert_eq(a.rx, 6);
		cr_assert_eq(a.tx, 6);
		cr_assert_eq(b.tx, 6);
		cr_assert_eq(b.rx, k ? 5 : 6, "who the first one is for is not known before");
		cr_assert_eq(a.ike_up, 1);
		cr_assert_eq(b.ike_rekeyed, 1);
		cr_assert_eq(a.child_up, 1);
		cr_assert_eq(b.child_rekeyed, 1);
		cr_assert_eq(a.child_down + b.child_down + a.ike_down + b.ike_down, 0);
	}
	cr_assert_eq(ike_down(s->side[A].ike, "c", NULL, 4, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	for (unsigned side = 0; side < 2; side++) {
		struct ike_counters c = of(s, side, "c");

		cr_assert_eq(c.ike_down, 1);
		cr_assert_eq(c.child_down, 1);
		cr_assert_eq(c.retransmits + c.retransmits_rx + c.gave_up + c.ike_failed, 0);
	}
	sim_free(s);
}

/* <-- CREATE_CHILD_SA { N(TS_UNACCEPTABLE) }: by type, on both sides. */
Test(counters, errors_by_type)
{
	struct sim *s = sim_new(2, false);

	s->side[B].child[0][0].local_ts[0] = sim_ts("203.0.113.0/24");
	s->side[B].cfg.conns[0].n_children = 1;
	sim_start(s);
	sim_up(s, A, NULL, 1);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_eq(of(s, B, "c").errors_tx[N_TS_UNACCEPTABLE], 1);
	cr_assert_eq(of(s, B, NULL).errors_tx[N_TS_UNACCEPTABLE], 1);
	cr_assert_eq(of(s, A, "c").errors_rx[N_TS_UNACCEPTABLE], 1);
	cr_assert_eq(of(s, A, "c").errors_tx[N_TS_UNACCEPTABLE], 0);
	sim_free(s);
}

/* Nobody answers: retransmissions, and in the end one request given up and one set-up failed. */
Test(counters, no_answer)
{
	struct sim *s = sim_new(3, false);
	struct ike_counters c;

	s->cut[A] = true;
	sim_start(s);
	sim_up(s, A, NULL, 1);
	sim_settle(s, 600 * USEC_PER_SEC);
	c = of(s, A, "c");
	cr_assert_eq(c.exchanges[0].requests_tx, 1);
	cr_assert_eq(c.retransmits, s->side[A].conn[0].retransmit_tries);
	cr_assert_eq(c.gave_up, 1);
	cr_assert_eq(c.ike_failed, 1);
	cr_assert_eq(c.ike_down + c.ike_up, 0);
	cr_assert_eq(of(s, A, NULL).gave_up, 1);
	sim_free(s);
}

/* [INI-1] asked for by the responder of nobody's connection, answered within ours. */
Test(counters, cookies)
{
	struct sim *s = sim_new(4, false);

	s->side[B].cfg.cookie_threshold = 1;
	sim_start(s);
	cr_assert_eq(sim_up(s, A, NULL, 1), 0);
	sim_steps(s, 1); /* half-open */
	s->cut[B] = true;
	sim_fresh(s, A);
	sim_steps(s, 9);
	s->cut[B] = false;
	cr_assert_eq(sim_up(s, A, NULL, 2), 0);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_eq(of(s, A, "c").cookies_rx, 1);
	cr_assert_eq(of(s, B, NULL).cookies_sent, 1);
	cr_assert_eq(of(s, B, "c").cookies_sent, 0);
	cr_assert_eq(of(s, B, NULL).exchanges[0].requests_rx, 3);
	cr_assert_eq(of(s, B, "c").exchanges[0].requests_rx, 2);
	sim_free(s);
}

/* They are the name's: neither a reload nor the end of a connection's SAs sets them back, and a
 * name that went and comes again begins anew. */
Test(counters, stay_over_a_reload)
{
	struct sim *s = up(5);
	struct ike_counters c;

	sim_reload(s, A);
	cr_assert_eq(of(s, A, "c").ike_up, 1);
	/* the running IKE SA still has the old configuration, and counts in the same place */
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", NULL, 2, s->now), 0);
	sim_settle(s, USEC_PER_SEC);
	cr_assert_eq(of(s, A, "c").ike_rekeyed, 1);
	snprintf(s->side[A].conn[0].name, sizeof(s->side[A].conn[0].name), "other");
	sim_reload(s, A);
	cr_assert_eq(ike_conn_counters(s->side[A].ike, "c", &c), -ENOENT);
	cr_assert_eq(of(s, A, "other").ike_up, 0);
	cr_assert_eq(of(s, A, NULL).ike_up, 1);
	sim_free(s);
}
