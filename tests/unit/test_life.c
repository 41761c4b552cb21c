/* SPDX-License-Identifier: GPL-2.0-only */
/* Lifetimes as they come out of the configuration (user/conf/life.c). */
#include <criterion/criterion.h>

#include "../lib/conf_dir.h"

TestSuite(life, .init = dir_enter, .fini = dir_leave, .timeout = 60);

static void life(const struct ike_life *l, uint64_t soft, uint64_t hard, uint64_t rand)
{
	cr_expect_eq(l->soft, soft, "%llu", (unsigned long long)l->soft);
	cr_expect_eq(l->hard, hard, "%llu", (unsigned long long)l->hard);
	cr_expect_eq(l->rand, rand, "%llu", (unsigned long long)l->rand);
}

Test(life, by_default)
{
	struct conf *c = load_conn("", "");
	const struct ike_conn_cfg *n = &c->ike.conns[0];

	cr_expect_eq(n->rekey_time, 4 * 3600 * USEC_PER_SEC);
	cr_expect_eq(n->over_time, 24 * 60 * USEC_PER_SEC);
	cr_expect_eq(n->rand_time, n->over_time);
	life(&n->children[0].time, 3600 * USEC_PER_SEC, 3960 * USEC_PER_SEC, 360 * USEC_PER_SEC);
	life(&n->children[0].octets, 0, 0, 0);
	life(&n->children[0].packets, 0, 0, 0);
	conf_free(c);
}

Test(life, as_said)
{
	struct conf *c = load_conn("rekey_time = 10s\nover_time = 3s\nrand_time = 0",
				   "rekey_time = 2s\nlife_time = 10s\nrand_time = 500ms\n"
				   "life_bytes = 11m\nrekey_packets = 5");
	const struct ike_conn_cfg *n = &c->ike.conns[0];

	cr_expect_eq(n->rekey_time, 10 * USEC_PER_SEC);
	cr_expect_eq(n->over_time, 3 * USEC_PER_SEC);
	cr_expect_eq(n->rand_time, 0);
	life(&n->children[0].time, 2 * USEC_PER_SEC, 10 * USEC_PER_SEC, 500 * USEC_PER_MSEC);
	life(&n->children[0].octets, 10 << 20, 11 << 20, 1 << 20);
	life(&n->children[0].packets, 5, 6, 1);
	conf_free(c);
	/* 0: never; a hard limit alone is allowed */
	c = load_conn("rekey_time = 0", "rekey_time = 0\nrekey_packets = 0\nlife_packets = 100");
	n = &c->ike.conns[0];
	cr_expect_eq(n->rekey_time + n->over_time + n->rand_time, 0);
	life(&n->children[0].time, 0, 0, 0);
	life(&n->children[0].packets, 0, 100, 0);
	conf_free(c);
	c = load_conn("reauth_time = 20m", "");
	n = &c->ike.conns[0];
	cr_expect_eq(n->reauth_time, 1200 * USEC_PER_SEC);
	cr_expect_eq(n->rekey_time, 0);
	cr_expect_eq(n->over_time, 120 * USEC_PER_SEC);
	cr_expect_eq(n->rand_time, 120 * USEC_PER_SEC);
	conf_free(c);
	c = load_conn("reauth_time = 1d\nrekey_time = 10m", "");
	n = &c->ike.conns[0];
	cr_expect_eq(n->rekey_time, 600 * USEC_PER_SEC);
	cr_expect_eq(n->over_time, 8640 * USEC_PER_SEC);
	cr_expect_eq(n->rand_time, 300 * USEC_PER_SEC);
	conf_free(c);
	/* the random part is at most half, wherever the hard limit is */
	c = load_conn("", "rekey_time = 10s\nlife_time = 1h");
	life(&c->ike.conns[0].children[0].time, 10 * USEC_PER_SEC, 3600 * USEC_PER_SEC,
	     5 * USEC_PER_SEC);
	conf_free(c);
}
