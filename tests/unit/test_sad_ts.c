/* SPDX-License-Identifier: GPL-2.0-only */
/* An SA gets other selectors in one step: what it sends and takes in, what becomes of packets of
 * the old ones, siblings, and packet threads meanwhile. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/usec.h"
#include "esp/flow.h"
#include "esp/sad.h"
#include "sa_request.h"

static struct sad sad;
static struct sad_cache cache;

static void start(void)
{
	cr_assert_eq(sad_init(&sad), 0);
	memset(&cache, 0, sizeof(cache));
}

static void stop(void)
{
	sad_clear(&sad);
}

TestSuite(sad_ts, .init = start, .fini = stop);

static struct sa *add(const struct engine_sa *r)
{
	struct sa *sa;

	cr_assert_eq(sa_new(r, 0, 1, &sa), 0);
	cr_assert_eq(sad_add(&sad, sa), 0);
	return sa;
}

static struct engine_sa_ts change(uint32_t id, const char *local, const char *remote)
{
	struct engine_sa_ts t = {
		.id = id, .n_ts_local = 1, .n_ts_remote = 1, .grace_msec = 1000, .block_msec = 5000
	};

	t.ts_local[0] = ts(local);
	t.ts_remote[0] = ts(remote);
	return t;
}

struct ends {
	struct addr src, dst;
	struct inner in;
};

static const struct inner *packet(struct ends *e, const char *src, const char *dst)
{
	cr_assert_eq(addr_parse(src, &e->src), 0);
	cr_assert_eq(addr_parse(dst, &e->dst), 0);
	e->in = (struct inner){ .family = e->src.family,
				.proto = 17,
				.has_ports = true,
				.sport = 7,
				.dport = 9,
				.l4_off = 20,
				.len = 100,
				.src = e->src.b,
				.dst = e->dst.b };
	return &e->in;
}

static struct sa *out(const char *src, const char *dst)
{
	struct ends e;

	return sad_out(&sad, &cache, packet(&e, src, dst));
}

static bool is_in(const struct sa *sa, const char *src, const char *dst)
{
	struct ends e;

	return sa_inbound_ok(sa, packet(&e, src, dst));
}

static bool is_late(const struct sa *sa, const char *src, const char *dst, usec_t now)
{
	struct ends e;

	return sa_inbound_late_ok(sa, packet(&e, src, dst), now);
}

static struct engine_sa transport(uint32_t id, const char *local, const char *remote)
{
	struct engine_sa r = request(id, local, remote);

	r.flags |= ENGINE_SA_TRANSPORT;
	return r;
}

Test(sad_ts, the_new_ones_at_once_the_old_ones_blocked)
{
	const struct engine_sa r = transport(1, "192.0.2.1/32", "192.0.2.9/32");
	struct engine_sa_ts t = change(1, "198.51.100.1/32", "192.0.2.9/32");
	struct sa *sa = add(&r), *block;

	cr_assert_eq(out("192.0.2.1", "192.0.2.9"), sa);
	cr_assert_eq(sad_ts(&sad, &t, 10 * USEC_PER_SEC), 0);
	cr_assert_eq(out("198.51.100.1", "192.0.2.9"), sa);
	block = out("192.0.2.1", "192.0.2.9");
	cr_assert(block && block != sa && block->blocks);
	cr_assert_eq(sa_transport(sa)->dst[0], 198);

	/* taken in for a second */
	cr_assert(is_in(sa, "192.0.2.9", "198.51.100.1"));
	cr_assert_not(is_in(sa, "192.0.2.9", "192.0.2.1"));
	cr_assert(is_late(sa, "192.0.2.9", "192.0.2.1", 11 * USEC_PER_SEC - 1));
	cr_assert_not(is_late(sa, "192.0.2.9", "192.0.2.1", 11 * USEC_PER_SEC));

	/* blocked for five */
	cr_assert_eq(sad_unblock(&sad, 15 * USEC_PER_SEC - 1), 15 * USEC_PER_SEC);
	cr_assert_eq(out("192.0.2.1", "192.0.2.9"), block);
	cr_assert_eq(sad_unblock(&sad, 15 * USEC_PER_SEC), USEC_NEVER);
	cr_assert_null(out("192.0.2.1", "192.0.2.9"));
	cr_assert_eq(out("198.51.100.1", "192.0.2.9"), sa);
	cr_assert_not(sad_reclaim(&sad));
}

/* A wider SA does not get them, an older one with the same does as it did. */
Test(sad_ts, a_block_stands_before_younger_sas)
{
	const struct engine_sa r = request(1, "0.0.0.0/0", "192.0.2.9/32"),
			       wide = request(2, "0.0.0.0/0", "0.0.0.0/0");
	struct engine_sa_ts t = change(1, "0.0.0.0/0", "192.0.2.10/32");
	struct sa *sa = add(&r), *all = add(&wide);

	cr_assert_eq(sad_ts(&sad, &t, 0), 0);
	cr_assert_eq(out("10.0.0.1", "192.0.2.10"), sa);
	cr_assert(out("10.0.0.1", "192.0.2.9")->blocks);
	cr_assert_eq(out("10.0.0.1", "192.0.2.11"), all);
	t = change(1, "0.0.0.0/0", "192.0.2.12/32");
	t.block_msec = 0;
	cr_assert_eq(sad_ts(&sad, &t, 0), 0);
	cr_assert_eq(out("10.0.0.1", "192.0.2.10"), all, "nothing was to be blocked");
}

/* There and back before the block is over: the SA is first. */
Test(sad_ts, back_again)
{
	const struct engine_sa r = transport(1, "192.0.2.1/32", "192.0.2.9/32");
	struct engine_sa_ts there = change(1, "192.0.2.2/32", "192.0.2.9/32"),
			    back = change(1, "192.0.2.1/32", "192.0.2.9/32");
	struct sa *sa = add(&r);

	for (int i = 0; i < 3; i++) {
		cr_assert_eq(sad_ts(&sad, &there, (usec_t)i), 0);
		cr_assert_eq(out("192.0.2.2", "192.0.2.9"), sa);
		cr_assert(out("192.0.2.1", "192.0.2.9")->blocks);
		cr_assert_eq(sad_ts(&sad, &back, (usec_t)i), 0);
		cr_assert_eq(out("192.0.2.1", "192.0.2.9"), sa);
		cr_assert(out("192.0.2.2", "192.0.2.9")->blocks);
	}
	sad_unblock(&sad, USEC_NEVER);
	cr_assert_eq(out("192.0.2.1", "192.0.2.9"), sa);
	cr_assert_null(out("192.0.2.2", "192.0.2.9"));
}

/* What others protect with the very same selectors goes on by them, whether they had these before
 * or come to have them. Not by one that is wider. */
Test(sad_ts, a_block_stands_before_no_equal)
{
	const struct engine_sa r[] = { transport(1, "192.0.2.1/32", "192.0.2.9/32"),
				       transport(2, "192.0.2.2/32", "192.0.2.9/32"),
				       transport(3, "192.0.2.2/32", "192.0.2.9/32") };
	struct engine_sa_ts there = change(1, "192.0.2.2/32", "192.0.2.9/32"),
			    back = change(1, "192.0.2.1/32", "192.0.2.9/32"),
			    narrow = change(2, "192.0.2.3/32", "192.0.2.9/32"),
			    again = change(2, "192.0.2.2/32", "192.0.2.9/32");
	struct sa *first = add(&r[0]), *second = add(&r[1]), *third;

	cr_assert_eq(out("192.0.2.2", "192.0.2.9"), second);
	cr_assert_eq(sad_ts(&sad, &there, 0), 0);
	cr_assert_eq(out("192.0.2.2", "192.0.2.9"), first);
	cr_assert_eq(sad_ts(&sad, &back, 0), 0);
	cr_assert_eq(out("192.0.2.2", "192.0.2.9"), second);
	cr_assert_eq(out("192.0.2.1", "192.0.2.9"), first);

	cr_assert_eq(sad_ts(&sad, &narrow, 0), 0);
	cr_assert(out("192.0.2.2", "192.0.2.9")->blocks);
	third = add(&r[2]);
	cr_assert_eq(out("192.0.2.2", "192.0.2.9"), third);
	cr_assert_eq(sad_ts(&sad, &again, 0), 0);
	cr_assert_eq(out("192.0.2.2", "192.0.2.9"), second);
	cr_assert_eq(sad_ts(&sad, &narrow, 0), 0);
	again.ts_local[0].port_last = 80; /* of one port only is not the same */
	again.ts_local[0].port_first = 80;
	again.ts_local[0].protocol = 17;
	again.id = 3;
	cr_assert_eq(sad_ts(&sad, &again, 0), 0);
	cr_assert(out("192.0.2.2", "192.0.2.9")->blocks);
}

/* Ranges and single addresses are found in different ways. */
Test(sad_ts, ranges_become_addresses_and_back)
{
	static const char *const steps[] = { "10.2.0.0/16", "10.2.0.5/32", "10.3.0.0/16",
					     "10.2.0.0/16", "10.3.0.5/32", "10.4.0.5/32" };
	const struct engine_sa r = request(1, "10.1.0.0/16", "10.9.0.0/16");
	struct sa *sa = add(&r);

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct engine_sa_ts t = change(1, "10.1.0.0/16", steps[i]);
		char dst[16];

		t.block_msec = 0;
		cr_assert_eq(sad_ts(&sad, &t, 0), 0);
		snprintf(dst, sizeof(dst), "%.5s0.5", steps[i]);
		for (char third = '2'; third <= '4'; third++) {
			dst[3] = third;
			cr_assert_eq(out("10.1.0.1", dst), third == steps[i][3] ? sa : NULL, "%s",
				     dst);
		}
		cr_assert_null(out("10.1.0.1", "10.9.0.5"));
		sad_reclaim(&sad);
	}
	cr_assert_eq(sad_del(&sad, 1), 0);
	cr_assert_null(out("10.1.0.1", "10.4.0.5"));
}

Test(sad_ts, what_is_refused_changes_nothing)
{
	const struct engine_sa r = transport(1, "192.0.2.1/32", "192.0.2.9/32");
	struct engine_sa_ts t = change(2, "192.0.2.2/32", "192.0.2.9/32");
	struct sa *sa = add(&r);

	cr_assert_eq(sad_ts(&sad, &t, 0), -ENOENT);
	t.id = 1;
	t.ts_local[0] = ts("192.0.2.0/24");
	cr_assert_eq(sad_ts(&sad, &t, 0), -EINVAL, "transport mode has single addresses");
	t.n_ts_local = 0;
	cr_assert_eq(sad_ts(&sad, &t, 0), -EINVAL);
	t.n_ts_local = ENGINE_TS_MAX + 1;
	cr_assert_eq(sad_ts(&sad, &t, 0), -EINVAL);
	cr_assert_eq(out("192.0.2.1", "192.0.2.9"), sa);
	cr_assert_eq(sad_unblock(&sad, 0), USEC_NEVER);
}

/* One whose successor sends has no block: that one's traffic would end. */
Test(sad_ts, one_that_does_not_send)
{
	const struct engine_sa r = transport(1, "192.0.2.1/32", "192.0.2.9/32");
	struct engine_sa next = transport(2, "192.0.2.1/32", "192.0.2.9/32");
	struct engine_sa_ts t = change(1, "192.0.2.2/32", "192.0.2.9/32");
	struct sa *old = add(&r), *new;

	next.replaces = 1;
	new = add(&next);
	cr_assert_eq(sad_ts(&sad, &t, 0), 0);
	cr_assert_eq(out("192.0.2.1", "192.0.2.9"), new);
	cr_assert(is_in(old, "192.0.2.9", "192.0.2.2"));
	/* and comes back with what it has now */
	cr_assert_eq(sad_del(&sad, 2), 0);
	cr_assert_eq(out("192.0.2.2", "192.0.2.9"), old);
}

/* SAs of several lines with the same selectors stand in for each other: which those are, changes.
 */
Test(sad_ts, siblings)
{
	struct engine_sa a = transport(1, "192.0.2.1/32", "192.0.2.9/32"),
			 b = transport(2, "192.0.2.1/32", "192.0.2.9/32");
	struct engine_sa_ts t = change(2, "192.0.2.2/32", "192.0.2.9/32");
	struct sa *one, *two;

	a.line = 1;
	b.line = 2;
	one = add(&a);
	two = add(&b);
	cr_assert(sa_has_siblings(one) && sa_has_siblings(two));
	cr_assert_eq(sad_ts(&sad, &t, 0), 0);
	cr_assert_not(sa_has_siblings(one));
	cr_assert_not(sa_has_siblings(two));
	t.id = 1;
	cr_assert_eq(sad_ts(&sad, &t, 0), 0);
	cr_assert(sa_has_siblings(one) && sa_has_siblings(two));
}

/* ---- packet threads ---- */

static atomic_bool done;
static _Atomic unsigned looked, wrong;

/* Of two selectors that an SA has in turn: it, or a block. */
static void *look(void *ctx)
{
	struct sad_cache own = { 0 };
	struct ends a, b;

	(void)ctx;
	packet(&a, "192.0.2.1", "192.0.2.9");
	packet(&b, "192.0.2.2", "192.0.2.9");
	while (!done) {
		struct sa *x, *y;

		epoch_enter(&sad.epoch, 0);
		x = sad_out(&sad, &own, &a.in);
		y = sad_out(&sad, &own, &b.in);
		if (!x || !y || x->id != 1 || y->id != 1)
			wrong++;
		epoch_leave(&sad.epoch, 0);
		looked++;
	}
	return NULL;
}

Test(sad_ts, under_the_eyes_of_a_packet_thread)
{
	const struct engine_sa r = transport(1, "192.0.2.1/32", "192.0.2.9/32"),
			       wide = request(2, "0.0.0.0/0", "0.0.0.0/0");
	struct engine_sa_ts first = change(1, "192.0.2.2/32", "192.0.2.9/32");
	pthread_t thread;

	add(&r);
	add(&wide);
	cr_assert_eq(sad_ts(&sad, &first, 0), 0);
	done = false;
	cr_assert_eq(pthread_create(&thread, NULL, look, NULL), 0);
	for (unsigned i = 1; i < 2000 || looked < 1000; i++) {
		struct engine_sa_ts t =
			change(1, i % 2 ? "192.0.2.1/32" : "192.0.2.2/32", "192.0.2.9/32");

		cr_assert_eq(sad_ts(&sad, &t, 0), 0);
		if (i % 2)
			sad_reclaim(&sad);
	}
	done = true;
	pthread_join(thread, NULL);
	cr_assert_eq(wrong, 0, "%u of %u looks found the wider SA", wrong, looked);
}
