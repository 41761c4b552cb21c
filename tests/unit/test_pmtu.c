/* SPDX-License-Identifier: GPL-2.0-only */
/* The search for a path's MTU, against paths that carry packets up to a size, lose some, and
 * change. [ESP-13] */
#include <criterion/criterion.h>
#include <string.h>

#include "esp/pmtu.h"

enum { TIMEOUT = 100 * 1000, CONFIRM = 5 * 1000 * 1000, RAISE = 600 * 1000 * 1000 };

static const struct pmtu_view gcm = {
	.timeout = TIMEOUT,
	.confirm = CONFIRM,
	.raise = RAISE,
	.tries = PMTU_TRIES,
	.usable = true,
	.grid = { 60, 4 },
};

/* A path, and how many probes it has seen. */
struct net {
	uint16_t carries;
	unsigned lose_one_in; /* of those that fit, 0: none */
	unsigned sent, lost;
	usec_t now;
};

/* One round: what is due is sent, and answered at once or never. */
static void round_(struct pmtu *p, const struct pmtu_view *v, struct net *n)
{
	uint8_t nonce[8] = { 1 };
	uint16_t size;

	pmtu_tick(p, v, n->now);
	size = pmtu_due(p, v, n->now);
	if (size) {
		cr_assert_eq((size - v->grid.offset) % v->grid.unit, 0, "%u is no packet's size",
			     size);
		nonce[1] = (uint8_t)++n->sent;
		pmtu_sent(p, v, nonce, n->now);
		cr_assert(pmtu_asked(p, nonce));
		if (size > n->carries || (n->lose_one_in && n->sent % n->lose_one_in == 0))
			n->lost++;
		else
			pmtu_answered(p, v, n->now);
	}
	n->now = pmtu_deadline(p, v) > n->now ? pmtu_deadline(p, v) : n->now;
}

static void settle(struct pmtu *p, const struct pmtu_view *v, struct net *n)
{
	unsigned rounds = 0;

	do
		round_(p, v, n);
	while (p->phase != PMTU_REST && ++rounds < 200);
	cr_assert_lt(rounds, 200);
}

static uint16_t on_grid(const struct pmtu_view *v, uint16_t size)
{
	return (uint16_t)(size - (size - v->grid.offset) % v->grid.unit);
}

Test(pmtu, a_good_path_takes_one_probe)
{
	struct net n = { .carries = 1500 };
	struct pmtu p;

	pmtu_init(&p, 1500, 4, 0);
	cr_assert_eq(p.mtu, 1500, "what the link allows is used at once");
	settle(&p, &gcm, &n);
	cr_assert_eq(p.mtu, 1500);
	cr_assert_eq(n.sent, 1);
	cr_assert_eq(n.now, CONFIRM, "and then it is quiet");
}

/* Every size is found, on every grid, in a bounded time. */
Test(pmtu, every_size_is_found)
{
	static const struct pmtu_grid grids[] = { { 60, 4 }, { 80, 4 }, { 68, 16 }, { 52, 4 } };

	for (size_t g = 0; g < sizeof(grids) / sizeof(grids[0]); g++) {
		struct pmtu_view v = gcm;

		v.grid = grids[g];
		for (uint16_t carries = 640; carries <= 9000; carries += carries < 1600 ? 1 : 97) {
			struct net n = { .carries = carries };
			struct pmtu p;

			pmtu_init(&p, 9000, 4, 0);
			settle(&p, &v, &n);
			cr_assert_eq(p.mtu, on_grid(&v, carries), "carries %u, found %u", carries,
				     p.mtu);
			cr_assert_leq(n.sent, 50, "%u probes for %u", n.sent, carries);
		}
	}
}

Test(pmtu, while_it_searches_it_uses_what_passes)
{
	struct net n = { .carries = 1400 };
	struct pmtu p;

	pmtu_init(&p, 1500, 4, 0);
	while (p.mtu == 1500)
		round_(&p, &gcm, &n);
	cr_assert_eq(p.mtu, PMTU_BASE);
	cr_assert_leq(n.now, PMTU_TRIES * TIMEOUT);
	while (p.phase != PMTU_REST) {
		cr_assert_leq(p.mtu, n.carries);
		round_(&p, &gcm, &n);
	}
	cr_assert_eq(p.mtu, 1400);
}

Test(pmtu, less_than_the_floor_is_not_looked_for)
{
	struct net n = { .carries = 1000 };
	struct pmtu p;

	pmtu_init(&p, 1500, 6, 0);
	settle(&p, &gcm, &n);
	cr_assert_eq(p.mtu, PMTU_FLOOR6);
	n.carries = 100;
	pmtu_init(&p, 1500, 4, n.now);
	settle(&p, &gcm, &n);
	cr_assert_eq(p.mtu, PMTU_FLOOR4);
}

Test(pmtu, a_black_hole_is_noticed_by_the_next_confirmation)
{
	struct net n = { .carries = 1500 };
	struct pmtu p;
	usec_t then;

	pmtu_init(&p, 1500, 4, 0);
	settle(&p, &gcm, &n);
	n.carries = 1280;
	then = n.now;
	settle(&p, &gcm, &n);
	cr_assert_eq(p.mtu, 1280);
	cr_assert_leq(n.now - then, CONFIRM + 30 * TIMEOUT);
}

Test(pmtu, growth_is_found_when_the_timer_says_so)
{
	struct pmtu_view v = gcm;
	struct net n = { .carries = 1280 };
	struct pmtu p;
	unsigned sent;

	pmtu_init(&p, 1500, 4, 0);
	settle(&p, &v, &n);
	cr_assert_eq(p.mtu, 1280);
	/* nothing has changed: two sizes are tried, and given up */
	v.idle = true;
	sent = n.sent;
	for (usec_t end = n.now + RAISE + 1000 * 1000; n.now < end;)
		round_(&p, &v, &n);
	cr_assert_eq(p.mtu, 1280);
	cr_assert_eq(n.sent - sent, 2 * PMTU_TRIES, "%u probes", n.sent - sent);
	n.carries = 1400;
	for (usec_t end = n.now + RAISE + 30 * TIMEOUT; n.now < end;)
		round_(&p, &v, &n);
	cr_assert_eq(p.mtu, 1400);
	/* or at once, by whoever knows that something has changed */
	n.carries = 1500;
	pmtu_recheck(&p, n.now);
	settle(&p, &v, &n); /* is it still right? */
	settle(&p, &v, &n); /* is there more? */
	cr_assert_eq(p.mtu, 1500);
}

/* A word that anybody can say costs one probe, on a path that carries less than its link allows
 * too, and finds what has become narrow. */
Test(pmtu, a_word_is_asked_after_and_no_more)
{
	struct net n = { .carries = 1400 };
	struct pmtu p;
	unsigned sent;
	usec_t raise, then;

	pmtu_init(&p, 1500, 4, 0);
	settle(&p, &gcm, &n);
	cr_assert_eq(p.mtu, 1400);
	sent = n.sent;
	raise = p.next_raise;
	for (unsigned i = 1; i <= 20; i++) {
		then = n.now;
		pmtu_confirm(&p, then);
		cr_assert_eq(pmtu_due(&p, &gcm, then), 1400, "asked at once");
		settle(&p, &gcm, &n);
		cr_assert_eq(n.sent - sent, i, "%u probes for %u words", n.sent - sent, i);
		n.now = then + CONFIRM / 2;
		cr_assert_eq(pmtu_due(&p, &gcm, n.now), 0, "and then it is quiet");
	}
	cr_assert_eq(p.mtu, 1400);
	cr_assert_eq(p.next_raise, raise, "nor is more looked for later or sooner");
	n.carries = 1332;
	pmtu_confirm(&p, n.now);
	settle(&p, &gcm, &n);
	cr_assert_eq(p.mtu, 1332);
	/* under way: it finds out by itself */
	pmtu_recheck(&p, n.now);
	while (p.phase != PMTU_RISE)
		round_(&p, &gcm, &n);
	pmtu_confirm(&p, n.now);
	cr_assert_eq(p.phase, PMTU_RISE);
}

/* What an agent before this one knew is used at once, and not beyond doubt. */
Test(pmtu, known_before)
{
	static const uint16_t carries[] = { 1300, 1400, 1450 };

	for (size_t i = 0; i < sizeof(carries) / sizeof(carries[0]); i++) {
		struct net n = { .carries = carries[i] };
		struct pmtu p;

		pmtu_init(&p, 1500, 4, 0);
		pmtu_assume(&p, 1400, 0);
		cr_assert_eq(p.mtu, 1400);
		settle(&p, &gcm, &n);
		settle(&p, &gcm, &n);
		cr_assert_eq(p.mtu, on_grid(&gcm, carries[i]));
		pmtu_init(&p, 1500, 4, 0);
		pmtu_assume(&p, 9000, 0);
		pmtu_assume(&p, 68, 0);
		cr_assert_eq(p.mtu, 1500);
	}
}

Test(pmtu, an_idle_path_is_not_confirmed)
{
	struct pmtu_view v = gcm;
	struct net n = { .carries = 1500 };
	struct pmtu p;

	pmtu_init(&p, 1500, 4, 0);
	settle(&p, &v, &n);
	v.idle = true;
	for (int i = 0; i < 100; i++)
		round_(&p, &v, &n);
	cr_assert_eq(n.sent, 1);
	/* but once, when it may be another one: no packet is lost to find out */
	n.carries = 1400;
	pmtu_recheck(&p, n.now);
	for (int i = 0; i < 100; i++)
		round_(&p, &v, &n);
	cr_assert_eq(p.mtu, 1400);
	n.sent = 0;
	for (int i = 0; i < 10; i++)
		round_(&p, &v, &n);
	cr_assert_eq(n.sent, 0);
	v.idle = false;
	for (int i = 0; i < 10; i++)
		round_(&p, &v, &n);
	cr_assert_gt(n.sent, 0);
}

Test(pmtu, silence_of_the_whole_path_says_nothing)
{
	struct pmtu_view v = gcm;
	struct net n = { .carries = 0 };
	struct pmtu p;

	pmtu_init(&p, 1500, 4, 0);
	round_(&p, &v, &n);
	round_(&p, &v, &n); /* two are lost */
	v.usable = false;
	for (int i = 0; i < 10; i++) {
		cr_assert_not(pmtu_tick(&p, &v, n.now += TIMEOUT));
		cr_assert_eq(pmtu_due(&p, &v, n.now), 0);
	}
	cr_assert_eq(pmtu_deadline(&p, &v), USEC_NEVER);
	v.usable = true;
	n.carries = 1500;
	settle(&p, &v, &n);
	cr_assert_eq(p.mtu, 1500);
}

Test(pmtu, single_losses_do_not_count)
{
	for (unsigned one_in = 2; one_in < 9; one_in++) {
		struct net n = { .carries = 1500, .lose_one_in = one_in };
		struct pmtu p;

		pmtu_init(&p, 1500, 4, 0);
		for (int i = 0; i < 500; i++)
			round_(&p, &gcm, &n);
		cr_assert_eq(p.mtu, 1500, "one in %u lost", one_in);
		cr_assert_gt(n.lost, 10);
	}
}

Test(pmtu, late_and_foreign_answers_are_not_ours)
{
	uint8_t nonce[8] = { 7 }, other[8] = { 8 };
	struct pmtu p;

	pmtu_init(&p, 1500, 4, 0);
	cr_assert_not(pmtu_asked(&p, nonce));
	cr_assert_eq(pmtu_due(&p, &gcm, 0), 1500);
	pmtu_sent(&p, &gcm, nonce, 0);
	cr_assert(pmtu_asked(&p, nonce));
	cr_assert_not(pmtu_asked(&p, other));
	pmtu_tick(&p, &gcm, TIMEOUT);
	cr_assert_not(pmtu_asked(&p, nonce), "too late");
}

Test(pmtu, the_link_changes)
{
	struct net n = { .carries = 9000 };
	struct pmtu p;

	pmtu_init(&p, 1500, 4, 0);
	settle(&p, &gcm, &n);
	cr_assert(pmtu_limit(&p, 1400, n.now));
	cr_assert_eq(p.mtu, 1400, "less is true at once");
	settle(&p, &gcm, &n);
	cr_assert_not(pmtu_limit(&p, 1400, n.now));
	cr_assert(pmtu_limit(&p, 9000, n.now));
	settle(&p, &gcm, &n);
	cr_assert_eq(p.mtu, 9000);
	n.carries = 1300;
	settle(&p, &gcm, &n);
	cr_assert_eq(p.mtu, 1300);
	cr_assert_not(pmtu_limit(&p, 1400, n.now), "what was found stays");
	settle(&p, &gcm, &n);
	cr_assert_eq(p.mtu, 1300);
}

Test(pmtu, a_limit_that_falls_below_the_probe_under_way_counts)
{
	for (int answered = 0; answered < 2; answered++) {
		struct net n = { .carries = 1500 };
		uint8_t nonce[8] = { 9 };
		struct pmtu p;

		pmtu_init(&p, 9000, 4, 0);
		while (p.phase != PMTU_SEARCH)
			round_(&p, &gcm, &n);
		cr_assert_eq(pmtu_due(&p, &gcm, n.now), 1500);
		pmtu_sent(&p, &gcm, nonce, n.now);
		cr_assert_not(pmtu_limit(&p, 1400, n.now));
		if (answered && pmtu_asked(&p, nonce))
			pmtu_answered(&p, &gcm, n.now);
		cr_assert_leq(p.mtu, 1400, "%u octets, more than the link allows", p.mtu);
		for (int i = 0; i < 20; i++) {
			round_(&p, &gcm, &n);
			cr_assert_leq(p.size, 1400, "%u octets are tried", p.size);
		}
		cr_assert_eq(p.phase, PMTU_REST);
		cr_assert_eq(p.mtu, on_grid(&gcm, 1400));
	}
}
