/* SPDX-License-Identifier: GPL-2.0-only */
/* What a class does with its paths: modes, policy, holds, in virtual time. */
#include <criterion/criterion.h>
#include <string.h>

#include "steer/plan.h"

enum { MSEC = 1000, SEC = 1000 * MSEC, INTERVAL = 100 * MSEC, WLAN = 1, RAN = 2, WIRED = 3 };
#define MBIT UINT64_C(1000000)

static struct plan p;
static struct class_cfg c;
static struct plan_path path[STEER_MEMBERS_MAX];
static size_t n;
static usec_t now;

static struct plan_path *add(const char *uplink, uint8_t kind)
{
	path[n] = (struct plan_path){
		.id = 10 + (uint32_t)n,
		.uplink = uplink,
		.kind = kind,
		.state = STEER_PATH_UP,
		.weight = 1,
		.rank = (uint16_t)n,
		.measured = now,
		.rtt_usec = 20 * MSEC,
		.rtt_last_usec = 20 * MSEC,
		.jitter_usec = MSEC,
	};
	return &path[n++];
}

static void begin(void)
{
	p = (struct plan){ 0 };
	c = (struct class_cfg){
		.name = "voice",
		.mode = CLASS_STANDBY,
		.hold_usec = 2 * SEC,
		.copies = 2,
		.sla = { .hold_usec = 3 * SEC, .clear_usec = 10 * SEC, .hysteresis = 20 },
		.delay_percent = 10,
		.delay_usec = MSEC
	};
	n = 0;
	now = 100 * SEC;
	add("wlan", WLAN);
	add("ran", RAN);
}

TestSuite(plan, .init = begin);

static bool make(void)
{
	return plan_make(&p, &c, path, n, now);
}

/* For so long, with a measurement of each path at each interval. Returns how often it changed. */
static unsigned pass(usec_t time)
{
	unsigned changes = 0;

	for (usec_t end = now + time; now < end;) {
		now += INTERVAL;
		for (size_t i = 0; i < n; i++)
			path[i].measured = now;
		changes += make();
	}
	return changes;
}

static const struct plan_path *nth(size_t i)
{
	return &path[p.order[i]];
}

#define first_is(i)                                                                                \
	cr_assert_eq(nth(0), &path[i], "%s comes first: %d", nth(0)->uplink, (int)p.reason.by)

/* ---- policy ---- */

Test(plan, where_a_class_must_not_go)
{
	struct plan_path *ran = &path[1];
	enum plan_why why = PLAN_CARRIES;

	cr_assert(plan_may(&c, ran, &why));
	c.never[c.n_never++] = (struct class_where){ .kind = RAN };
	cr_assert_not(plan_may(&c, ran, &why));
	cr_assert_eq(why, PLAN_NEVER);
	cr_assert(plan_may(&c, &path[0], &why));
	c.never[0] = (struct class_where){ .name = "ran" };
	cr_assert_not(plan_may(&c, ran, &why));
	c.n_never = 0;
	ran->metered = c.never_metered = true;
	cr_assert_not(plan_may(&c, ran, &why));
	cr_assert_eq(why, PLAN_NEVER_METERED);
	c.never_metered = false;
	c.only_trusted = true;
	cr_assert_not(plan_may(&c, ran, &why));
	cr_assert_eq(why, PLAN_NOT_TRUSTED);
	ran->trusted = true;
	cr_assert(plan_may(&c, ran, &why));
	ran->budget = PLAN_BUDGET_USED;
	cr_assert(plan_may(&c, ran, &why));
	ran->budget = PLAN_BUDGET_STOPPED;
	cr_assert_not(plan_may(&c, ran, &why));
	cr_assert_eq(why, PLAN_BUDGET_STOP);
}

Test(plan, nothing_allowed_is_an_empty_group)
{
	make();
	n = 0;
	cr_assert(make());
	cr_assert_eq(p.n, 0);
	cr_assert_eq(p.current, 0);
	cr_assert_eq(p.reason.by, PLAN_BY_GONE);
	cr_assert_not(make());
}

Test(plan, prefers_in_the_order_of_the_list)
{
	add("wired", WIRED);
	c.prefer[c.n_prefer++] = (struct class_where){ .name = "ran" };
	c.prefer[c.n_prefer++] = (struct class_where){ .kind = WIRED };
	path[1].metered = true; /* it is named */
	make();
	first_is(1);
	cr_assert_eq(nth(1), &path[2]);
	cr_assert_eq(nth(2), &path[0]);
	cr_assert_eq(path[0].why, PLAN_NOT_PREFERRED);
}

Test(plan, order_without_a_list)
{
	path[0].metered = true;
	make();
	first_is(1);
	cr_assert_eq(path[0].why, PLAN_METERED);
	begin();
	path[0].peer_standby = true;
	make();
	first_is(1);
	cr_assert_eq(path[0].why, PLAN_PEER);
	begin();
	path[0].peer_place = 1; /* before what is metered, behind what the class prefers */
	path[1].metered = true;
	make();
	first_is(1);
	cr_assert_eq(path[0].why, PLAN_PEER);
	begin();
	path[0].peer_place = 1;
	strcpy(c.prefer[c.n_prefer++].name, path[0].uplink);
	make();
	first_is(0);
	begin();
	path[0].budget = PLAN_BUDGET_USED;
	make();
	first_is(1);
	cr_assert_eq(path[0].why, PLAN_BUDGET);
	begin();
	path[0].spare = true;
	make();
	first_is(1);
	cr_assert_eq(path[0].why, PLAN_SPARE);
	begin();
	path[1].preferred = true;
	make();
	first_is(1);
	cr_assert_eq(path[0].why, PLAN_OPERATOR);
}

/* ---- one after the other ---- */

Test(plan, standby_takes_over_at_once_and_returns_after_the_hold)
{
	cr_assert(make());
	first_is(0);
	cr_assert_eq(p.mode, STEER_MODE_ACTIVE_STANDBY);
	cr_assert_eq(path[0].share, 1);
	cr_assert_eq(path[1].share, 0);
	cr_assert_eq(path[1].why, PLAN_STANDS_BY);
	cr_assert_eq(p.next, USEC_NEVER);

	path[0].state = STEER_PATH_DOWN;
	cr_assert(make());
	first_is(1);
	cr_assert_eq(p.reason.by, PLAN_BY_STATE);
	cr_assert_eq(p.from, path[0].id);
	cr_assert_eq(path[0].why, PLAN_DOES_NOT_WORK);

	path[0].state = STEER_PATH_UP;
	cr_assert_not(make());
	first_is(1);
	cr_assert_eq(path[0].why, PLAN_HELD);
	cr_assert_eq(p.next, now + 2 * SEC);
	now = p.next - 1;
	cr_assert_not(make());
	now++;
	cr_assert(make());
	first_is(0);
	cr_assert_eq(p.reason.by, PLAN_BY_BETTER);
	cr_assert_eq(p.reason.lasted, 2 * SEC);
}

Test(plan, one_that_flaps_does_not_return)
{
	make();
	path[0].state = STEER_PATH_DOWN;
	make();
	for (int i = 0; i < 50; i++) {
		path[0].state = STEER_PATH_UP;
		cr_assert_eq(pass(SEC), 0);
		path[0].state = STEER_PATH_DOWN;
		cr_assert_eq(pass(SEC), 0);
	}
	first_is(1);
}

Test(plan, all_down_changes_nothing)
{
	make();
	path[0].state = path[1].state = STEER_PATH_DOWN;
	cr_assert_eq(pass(20 * SEC), 0);
	first_is(0);
}

Test(plan, what_the_operator_prefers_is_taken_at_once)
{
	make();
	path[1].preferred = true;
	cr_assert(make());
	first_is(1);
	cr_assert_eq(p.reason.by, PLAN_BY_OPERATOR);
	path[1].state = STEER_PATH_DOWN;
	cr_assert(make());
	first_is(0);
}

Test(plan, another_configuration_counts_at_once)
{
	make();
	c.prefer[c.n_prefer++] = (struct class_where){ .name = "ran" };
	cr_assert(make());
	first_is(1);
	cr_assert_eq(p.reason.by, PLAN_BY_CONFIG);
}

Test(plan, a_budget_that_is_used_up_counts_at_once)
{
	make();
	path[0].budget = PLAN_BUDGET_USED;
	cr_assert(make());
	first_is(1);
	cr_assert_eq(p.reason.by, PLAN_BY_BUDGET);
	path[1].state = STEER_PATH_DOWN; /* for want of another path */
	cr_assert(make());
	first_is(0);
}

/* ---- SLA ---- */

Test(plan, leaves_a_path_that_breaks_the_sla_and_returns)
{
	char text[PLAN_REASON_MAX];

	c.sla.loss_permille = 10;
	make();
	path[0].loss_permille = 41;
	cr_assert_eq(pass(29 * INTERVAL), 0);
	cr_assert_eq(pass(2 * INTERVAL), 1);
	first_is(1);
	cr_assert_str_eq(plan_reason_text(&p.reason, text), "loss 4.1 % above 1.0 % for 3.0 s");
	cr_assert_eq(path[0].why, PLAN_SLA);
	cr_assert_eq(path[0].broken, SLA_LOSS);
	path[0].loss_permille = 9; /* not better by the hysteresis */
	cr_assert_eq(pass(60 * SEC), 0);
	path[0].loss_permille = 0;
	cr_assert_eq(pass(10 * SEC), 0, "until it is clear, and then held");
	cr_assert_eq(pass(3 * SEC), 1);
	first_is(0);
}

Test(plan, where_none_keeps_the_sla_the_least_bad_is_taken)
{
	c.sla.delay_usec = 30 * MSEC;
	path[0].rtt_usec = 90 * MSEC;
	path[1].rtt_usec = 60 * MSEC;
	pass(10 * SEC);
	first_is(1);
	path[0].rtt_usec = 55 * MSEC; /* hardly better */
	cr_assert_eq(pass(10 * SEC), 0);
	path[0].rtt_usec = 40 * MSEC;
	cr_assert_eq(pass(10 * SEC), 1);
	first_is(0);
	path[0].rtt_usec = 39 * MSEC;
	path[1].rtt_usec = 10 * MSEC; /* this one keeps it */
	cr_assert_eq(pass(11 * SEC), 1);
	first_is(1);
}

/* ---- smallest delay ---- */

static uint32_t seed = 7;

static unsigned delays(usec_t time, uint32_t a, uint32_t b, uint32_t noise)
{
	unsigned changes = 0;

	for (usec_t end = now + time; now < end;) {
		seed = seed * 1664525 + 1013904223;
		path[0].rtt_last_usec = a + (seed >> 8) % (noise + 1);
		seed = seed * 1664525 + 1013904223;
		path[1].rtt_last_usec = b + (seed >> 8) % (noise + 1);
		changes += pass(INTERVAL);
	}
	return changes;
}

Test(plan, smallest_delay_follows_a_change_within_five_probes)
{
	c.mode = CLASS_DELAY;
	c.hold_usec = 2 * INTERVAL;
	delays(5 * SEC, 20 * MSEC, 30 * MSEC, 4 * MSEC);
	first_is(0);
	cr_assert_eq(delays(5 * INTERVAL, 50 * MSEC, 30 * MSEC, 4 * MSEC), 1);
	first_is(1);
	cr_assert_eq(p.reason.by, PLAN_BY_DELAY);
	cr_assert_eq(path[0].why, PLAN_SLOWER);
	cr_assert_eq(delays(60 * SEC, 50 * MSEC, 30 * MSEC, 4 * MSEC), 0);
	cr_assert_eq(delays(5 * INTERVAL, 10 * MSEC, 30 * MSEC, 4 * MSEC), 1);
	first_is(0);
}

Test(plan, smallest_delay_does_not_flap_on_jitter)
{
	c.mode = CLASS_DELAY;
	c.hold_usec = 0;
	delays(5 * SEC, 20 * MSEC, 20 * MSEC, 10 * MSEC);
	/* an hour: half of the round trip is noise */
	cr_assert_leq(delays(3600ull * SEC, 20 * MSEC, 20 * MSEC, 10 * MSEC), 20);
	/* and with the usual hold nothing at all */
	c.hold_usec = 2 * SEC;
	make();
	cr_assert_eq(delays(3600ull * SEC, 20 * MSEC, 20 * MSEC, 10 * MSEC), 0);
}

Test(plan, smallest_delay_leaves_a_path_that_is_down_at_once)
{
	c.mode = CLASS_DELAY;
	delays(5 * SEC, 10 * MSEC, 30 * MSEC, 0);
	path[0].state = STEER_PATH_DOWN;
	cr_assert(make());
	first_is(1);
}

/* ---- priority with overflow ---- */

static void load(uint64_t bps)
{
	unsigned all = 0;

	for (size_t i = 0; i < n; i++)
		all += path[i].share;
	for (size_t i = 0; i < n; i++)
		path[i].uplink_bps = path[i].class_bps = all ? bps * path[i].share / all
							 : i ? 0
							     : bps;
}

Test(plan, priority_spills_the_excess_and_takes_it_back)
{
	c.mode = CLASS_PRIORITY;
	c.overflow_permille = 800;
	path[0].capacity_bps = 10 * MBIT;
	path[1].capacity_bps = 50 * MBIT;
	load(7 * MBIT);
	make();
	cr_assert_eq(p.mode, STEER_MODE_ACTIVE_STANDBY);
	load(16 * MBIT);
	cr_assert(make());
	cr_assert_eq(p.mode, STEER_MODE_FLOW_HASH);
	cr_assert_eq(path[0].share, STEER_FLOW_SLOTS / 2);
	cr_assert_eq(path[1].share, STEER_FLOW_SLOTS / 2);
	cr_assert_eq(path[1].why, PLAN_SPILLED);
	cr_assert_eq(p.reason.by, PLAN_BY_FULL);
	load(2 * MBIT);
	cr_assert_eq(pass(2 * SEC), 0);
	cr_assert_eq(pass(SEC), 1);
	cr_assert_eq(p.mode, STEER_MODE_ACTIVE_STANDBY);
	cr_assert_eq(p.reason.by, PLAN_BY_ROOM);
	cr_assert_eq(path[1].why, PLAN_NOT_FULL);
}

Test(plan, a_better_path_that_has_to_wait_is_not_called_spare_room)
{
	c.mode = CLASS_PRIORITY;
	c.overflow_permille = 800;
	path[0].state = STEER_PATH_DOWN;
	make();
	first_is(1);
	path[0].state = STEER_PATH_UP;
	make();
	first_is(1);
	cr_assert_eq(path[0].why, PLAN_HELD);
}

Test(plan, what_others_send_on_the_uplink_is_no_room)
{
	c.mode = CLASS_PRIORITY;
	c.overflow_permille = 800;
	path[0].capacity_bps = 10 * MBIT;
	path[0].class_bps = 4 * MBIT;
	path[0].uplink_bps = 10 * MBIT; /* leaves two of eight */
	make();
	cr_assert_eq(path[0].share, STEER_FLOW_SLOTS / 2);
}

Test(plan, nothing_spills_to_a_path_that_breaks_the_sla)
{
	c.mode = CLASS_PRIORITY;
	c.overflow_permille = 800;
	c.sla.delay_usec = 30 * MSEC;
	path[0].capacity_bps = 10 * MBIT;
	path[1].rtt_usec = 50 * MSEC;
	pass(5 * SEC);
	load(16 * MBIT);
	make();
	cr_assert_eq(p.mode, STEER_MODE_ACTIVE_STANDBY);
	path[0].rtt_usec = 90 * MSEC;
	path[1].rtt_usec = 10 * MSEC;
	pass(14 * SEC);
	first_is(1);
}

/* ---- copies ---- */

Test(plan, copies_on_the_best)
{
	c.mode = CLASS_REDUNDANT;
	add("wired", WIRED)->metered = true;
	make();
	cr_assert_eq(p.mode, STEER_MODE_REDUNDANT);
	cr_assert_eq(p.copies, 2);
	cr_assert_eq(path[0].share, 1);
	cr_assert_eq(path[1].share, 1);
	cr_assert_eq(path[2].share, 0);
	cr_assert_eq(path[1].why, PLAN_COPIES);
	path[0].state = STEER_PATH_DOWN;
	make();
	cr_assert_eq(p.copies, 2);
	cr_assert_eq(nth(0), &path[1]);
	cr_assert_eq(nth(1), &path[2]);
	n = 1;
	make();
	cr_assert_eq(p.mode, STEER_MODE_ACTIVE_STANDBY);
}

/* Two addresses of the gateway by each uplink: a copy by the same uplink would be lost with it. */
Test(plan, copies_go_by_different_uplinks)
{
	n = 0;
	add("wlan", WLAN);
	add("wlan", WLAN);
	add("ran", RAN);
	add("ran", RAN);
	c.mode = CLASS_REDUNDANT;
	make();
	first_is(0);
	cr_assert_eq(nth(1), &path[2]);
	cr_assert_eq(path[1].share, 0);
	cr_assert_eq(path[2].share, 1);
	cr_assert_eq(path[2].why, PLAN_COPIES);
	c.copies = 3;
	make();
	cr_assert_eq(nth(1), &path[2]);
	cr_assert_eq(nth(2), &path[1], "there are no more uplinks");
	c.copies = 2;
	path[2].state = path[3].state = STEER_PATH_DOWN;
	make();
	cr_assert_eq(nth(1), &path[1], "one that works, by whatever uplink");
}

Test(plan, copies_only_while_the_best_path_is_bad)
{
	c.mode = CLASS_REDUNDANT;
	c.copies_loss_permille = 20;
	c.copies_jitter_usec = 10 * MSEC;
	make();
	cr_assert_eq(p.mode, STEER_MODE_ACTIVE_STANDBY);
	path[1].loss_permille = 500; /* that one is not used */
	cr_assert_eq(pass(10 * SEC), 0);
	path[0].loss_permille = 30;
	cr_assert_eq(pass(2 * SEC), 0);
	cr_assert_eq(pass(2 * SEC), 1);
	cr_assert_eq(p.mode, STEER_MODE_REDUNDANT);
	cr_assert_eq(p.reason.by, PLAN_BY_COPIES);
	path[0].loss_permille = 17; /* not better by the hysteresis */
	cr_assert_eq(pass(60 * SEC), 0);
	path[0].loss_permille = 0;
	cr_assert_eq(pass(9 * SEC), 0);
	cr_assert_eq(pass(2 * SEC), 1);
	cr_assert_eq(p.mode, STEER_MODE_ACTIVE_STANDBY);
	cr_assert_eq(p.reason.by, PLAN_BY_CLEAR);
	path[0].jitter_usec = 11 * MSEC;
	cr_assert_eq(pass(4 * SEC), 1);
	cr_assert_eq(p.reason.sla, SLA_JITTER);
}

/* ---- all at once ---- */

Test(plan, balance_shares_by_weight)
{
	c.mode = CLASS_BALANCE;
	path[0].weight = 3;
	make();
	cr_assert_eq(p.mode, STEER_MODE_FLOW_HASH);
	cr_assert_eq(path[0].share, 3);
	cr_assert_eq(path[1].share, 1);
	path[0].state = STEER_PATH_DOWN; /* the maps know: no slot moves twice */
	make();
	cr_assert_eq(path[0].share, 3);
	cr_assert_eq(path[0].why, PLAN_DOES_NOT_WORK);
}

Test(plan, balance_leaves_out_what_is_metered_or_breaks_the_sla)
{
	c.mode = CLASS_BALANCE;
	c.sla.jitter_usec = 5 * MSEC;
	add("wired", WIRED);
	path[1].metered = true;
	path[2].jitter_usec = 9 * MSEC;
	pass(5 * SEC);
	cr_assert_eq(path[0].share, 1);
	cr_assert_eq(path[1].share, 0);
	cr_assert_eq(path[1].why, PLAN_METERED);
	cr_assert_eq(path[2].share, 0);
	cr_assert_eq(path[2].why, PLAN_SLA);
}

Test(plan, balance_among_those_that_are_preferred)
{
	c.mode = CLASS_BALANCE;
	add("wired", WIRED);
	path[1].metered = true;
	c.prefer[c.n_prefer++] = (struct class_where){ .kind = WLAN };
	c.prefer[c.n_prefer++] = (struct class_where){ .kind = RAN };
	make();
	cr_assert_eq(path[0].share, 1);
	cr_assert_eq(path[1].share, 1);
	cr_assert_eq(path[2].share, 0);
	cr_assert_eq(path[2].why, PLAN_NOT_PREFERRED);
}

Test(plan, bond_weighs_by_capacity_where_it_is_known)
{
	c.mode = CLASS_BOND;
	path[0].capacity_bps = 200 * MBIT;
	make();
	cr_assert_eq(p.mode, STEER_MODE_BOND);
	cr_assert_eq(path[0].share, path[1].share);
	path[1].capacity_bps = 50 * MBIT;
	make();
	cr_assert_leq(abs((int)path[0].share - 4 * (int)path[1].share), 4);
}

/* ---- what it needs ---- */

Test(plan, what_a_class_needs_to_know)
{
	cr_assert_not(plan_needs_measures(&c));
	cr_assert_not(plan_needs_rates(&c));
	c.sla.loss_permille = 10;
	cr_assert(plan_needs_measures(&c));
	c.sla.loss_permille = 0;
	c.mode = CLASS_DELAY;
	cr_assert(plan_needs_measures(&c));
	c.mode = CLASS_PRIORITY;
	cr_assert_not(plan_needs_rates(&c));
	c.overflow_permille = 900;
	cr_assert(plan_needs_rates(&c));
}

Test(plan, every_reason_has_words)
{
	for (int by = PLAN_BY_BEGIN; by <= PLAN_BY_CLEAR; by++) {
		struct plan_reason r = { .by = (enum plan_by)by, .lasted = SEC };
		char text[PLAN_REASON_MAX] = "";

		cr_assert_gt(strlen(plan_reason_text(&r, text)), 10);
	}
	for (int why = 0; why < PLAN_WHY_MAX; why++)
		cr_assert_not_null(plan_why_text((enum plan_why)why));
}

/* ---- after a restart ---- */

static struct steer_group record(void)
{
	struct steer_group g = { .mode = p.mode, .n_members = p.n, .copies = p.copies };

	for (uint8_t i = 0; i < p.n; i++) {
		g.path[i] = nth(i)->id;
		g.weight[i] = nth(i)->share;
	}
	p = (struct plan){ 0 };
	return g;
}

Test(plan, what_was_decided_is_taken_over)
{
	struct steer_group g;

	make();
	path[0].state = STEER_PATH_DOWN;
	make();
	g = record();
	path[0].state = STEER_PATH_UP; /* not for long enough yet, as far as is known */
	plan_adopt(&p, &c, &g, now);
	cr_assert_not(make());
	first_is(1);
	cr_assert_eq(p.reason.by, PLAN_BY_ADOPTED);
	now = p.next;
	cr_assert(make());
	first_is(0);
}

Test(plan, what_was_spilled_is_taken_over)
{
	struct steer_group g;

	c.mode = CLASS_PRIORITY;
	c.overflow_permille = 800;
	path[0].capacity_bps = 10 * MBIT;
	load(16 * MBIT);
	make();
	g = record();
	plan_adopt(&p, &c, &g, now);
	load(0); /* nothing is measured yet */
	cr_assert_not(make());
	cr_assert_eq(path[0].share, STEER_FLOW_SLOTS / 2);
	cr_assert_eq(path[1].share, STEER_FLOW_SLOTS / 2);
}

Test(plan, copies_are_taken_over_until_it_is_clear)
{
	struct steer_group g;

	c.mode = CLASS_REDUNDANT;
	make();
	g = record();
	c.copies_loss_permille = 20;
	plan_adopt(&p, &c, &g, now);
	cr_assert_eq(pass(9 * SEC), 0);
	cr_assert_eq(p.mode, STEER_MODE_REDUNDANT);
	cr_assert_eq(pass(2 * SEC), 1);
	cr_assert_eq(p.mode, STEER_MODE_ACTIVE_STANDBY);
}

/* ---- measured weights ---- */

static void found(size_t i, double mbit, bool full)
{
	path[i].found_bps = (uint64_t)(mbit * (double)MBIT);
	path[i].found_full = full;
}

static void measured_begin(void)
{
	c.mode = CLASS_BALANCE;
	c.weights_measured = true;
	make();
}

static void parts_are(double a, double b)
{
	double pa = path[0].share, pb = path[1].share;

	cr_assert(pa / pb > a / b * 0.98 && pa / pb < a / b * 1.02, "%g:%g, not %g:%g", pa, pb, a,
		  b);
}

Test(plan, measured_weights_are_configured_ones_at_first)
{
	path[0].weight = 3;
	measured_begin();
	parts_are(3, 1);
	found(0, 5, false);
	found(1, 40, false);
	cr_assert_eq(pass(10 * SEC), 0, "nobody was full: there is no reason for anything else");
	parts_are(3, 1);
}

Test(plan, measured_weights_change_after_the_hold)
{
	measured_begin();
	found(0, 20, true);
	found(1, 5, true);
	cr_assert_eq(pass(1800 * MSEC), 0);
	parts_are(1, 1);
	cr_assert_eq(pass(400 * MSEC), 1);
	parts_are(4, 1);
	cr_assert_eq(p.reason.by, PLAN_BY_CARRIES);
	cr_assert_eq(p.reason.rate_bps, 25 * MBIT);
	cr_assert_eq(pass(10 * SEC), 0);
}

Test(plan, measured_weights_do_not_follow_noise)
{
	measured_begin();
	found(0, 20, true);
	found(1, 5, true);
	pass(5 * SEC);
	for (int i = 0; i < 50; i++) {
		found(0, i % 2 ? 21 : 19, true);
		found(1, i % 3 ? 4.7 : 5.3, true);
		cr_assert_eq(pass(3 * SEC), 0);
		parts_are(4, 1);
		/* for less than the hold */
		found(1, 12, true);
		cr_assert_eq(pass(1500 * MSEC), 0);
	}
	found(1, 10, true);
	cr_assert_eq(pass(5 * SEC), 1);
}

/* It would get no flows, and never be found to carry more. */
Test(plan, a_path_that_was_never_full_counts_by_its_weight)
{
	measured_begin();
	found(0, 20, true);
	found(1, 0.1, false);
	pass(5 * SEC);
	parts_are(1, 1);
	found(1, 60, false);
	pass(5 * SEC);
	parts_are(20, 60);
}

Test(plan, a_rate_that_is_told_is_not_measured)
{
	path[0].capacity_bps = 50 * MBIT;
	measured_begin();
	found(0, 3, true);
	found(1, 10, true);
	pass(5 * SEC);
	parts_are(5, 1);
}

/* A third path comes: of the others' flows only those move that it takes. */
Test(plan, measured_weights_of_others_stay_when_a_path_comes)
{
	measured_begin();
	found(0, 20, true);
	found(1, 5, true);
	pass(5 * SEC);
	found(0, 22, true);
	add("sat", 4)->weight = 1;
	make();
	parts_are(4, 1);
	cr_assert_gt(path[2].share, 0);
	pass(5 * SEC);
	parts_are(4, 1);
}

Test(plan, measured_weights_are_taken_over)
{
	struct steer_group g = { .mode = STEER_MODE_FLOW_HASH, .n_members = 2 };

	c.mode = CLASS_BALANCE;
	c.weights_measured = true;
	g.path[0] = path[0].id;
	g.path[1] = path[1].id;
	g.weight[0] = 205;
	g.weight[1] = 51;
	plan_adopt(&p, &c, &g, now);
	make();
	parts_are(4, 1);
	pass(10 * SEC);
	parts_are(4, 1);
	found(0, 10, true);
	found(1, 10, true);
	pass(5 * SEC);
	parts_are(1, 1);
}
