/* SPDX-License-Identifier: GPL-2.0-only */
/* Brown-outs in virtual time: every transition, and what makes none. */
#include <criterion/criterion.h>

#include "esp/sla.h"

enum { MS = 1000, STEP = 100 * MS };

static const struct sla_config cfg = {
	.most = { .delay = 80 * MS, .jitter = 20 * MS, .loss = 50 },
	.ease = 25,
	.hold = 3000 * MS,
	.clear = 10000 * MS,
};
static const struct sla_values good = { 20 * MS, 2 * MS, 0 };

struct world {
	struct sla s;
	usec_t now;
};

/* These values for so long. Returns how often the verdict changed. */
static int last(struct world *w, struct sla_values v, usec_t time)
{
	int changes = 0;

	for (usec_t end = w->now + time; w->now < end; w->now += STEP)
		changes += sla_update(&w->s, &cfg, &v, w->now);
	return changes;
}

static struct world begin(void)
{
	struct world w = { .now = 5000 * MS };

	cr_assert_eq(last(&w, good, 60000 * MS), 0);
	return w;
}

Test(sla, each_value_degrades_after_the_hold_and_says_why)
{
	const struct {
		struct sla_values v;
		uint8_t why;
	} t[] = {
		{ { 81 * MS, 2 * MS, 0 }, SLA_DELAY },
		{ { 20 * MS, 21 * MS, 0 }, SLA_JITTER },
		{ { 20 * MS, 2 * MS, 51 }, SLA_LOSS },
		{ { 200 * MS, 200 * MS, 1000 }, SLA_DELAY | SLA_JITTER | SLA_LOSS },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct world w = begin();

		cr_assert_eq(last(&w, t[i].v, cfg.hold), 0, "case %zu", i);
		cr_assert_eq(w.s.worse, 0);
		cr_assert_eq(last(&w, t[i].v, STEP), 1, "case %zu", i);
		cr_assert_eq(w.s.worse, t[i].why);
		cr_assert_eq(last(&w, t[i].v, 100 * cfg.hold), 0);
		cr_assert_eq(last(&w, good, cfg.clear), 0);
		cr_assert_eq(last(&w, good, STEP), 1);
		cr_assert_eq(w.s.worse, 0);
	}
}

Test(sla, at_the_limit_is_not_above_it)
{
	struct world w = begin();

	cr_assert_eq(last(&w, cfg.most, 100 * cfg.hold), 0);
}

/* Between limit and ease: neither makes it degraded nor ends that. */
Test(sla, hysteresis)
{
	const struct sla_values between = { 70 * MS, 2 * MS, 0 }, bad = { 90 * MS, 2 * MS, 0 };
	struct world w = begin();

	cr_assert_eq(last(&w, between, 100 * cfg.hold), 0);
	cr_assert_eq(last(&w, bad, cfg.hold + STEP), 1);
	cr_assert_eq(last(&w, between, 100 * cfg.clear), 0);
	cr_assert_eq(w.s.worse, SLA_DELAY);
	/* exactly at the lower threshold is good enough */
	cr_assert_eq(last(&w, (struct sla_values){ 60 * MS, 15 * MS, 37 }, cfg.clear + STEP), 1);
}

Test(sla, what_flaps_faster_than_the_holds_changes_nothing)
{
	const struct sla_values bad = { 20 * MS, 2 * MS, 500 };
	struct world w = begin();

	for (int i = 0; i < 50; i++) {
		cr_assert_eq(last(&w, bad, cfg.hold - STEP), 0);
		cr_assert_eq(last(&w, good, STEP), 0);
	}
	cr_assert_eq(last(&w, bad, cfg.hold + STEP), 1);
	for (int i = 0; i < 50; i++) {
		cr_assert_eq(last(&w, good, cfg.clear - STEP), 0);
		cr_assert_eq(last(&w, bad, STEP), 0);
	}
	cr_assert_eq(w.s.worse, SLA_LOSS);
}

Test(sla, why_follows_what_is_wrong_now)
{
	struct world w = begin();

	cr_assert_eq(last(&w, (struct sla_values){ 90 * MS, 0, 0 }, 2 * cfg.hold), 1);
	cr_assert_eq(w.s.worse, SLA_DELAY);
	cr_assert_eq(last(&w, (struct sla_values){ 20 * MS, 0, 90 }, 2 * cfg.hold), 0);
	cr_assert_eq(w.s.worse, SLA_LOSS);
}

Test(sla, without_limits_nothing_is_degraded)
{
	const struct sla_config none = { .hold = 1, .clear = 10 * MS };
	struct world w = begin();

	for (int i = 0; i < 100; i++)
		cr_assert_not(sla_update(&w.s, &none, &(struct sla_values){ 9 << 20, 9 << 20, 999 },
					 w.now += STEP));
	/* limits that are taken away do not leave it degraded */
	cr_assert_eq(last(&w, (struct sla_values){ 90 * MS, 0, 0 }, 2 * cfg.hold), 1);
	w.now += STEP;
	cr_assert_not(sla_update(&w.s, &none, &good, w.now));
	cr_assert(sla_update(&w.s, &none, &good, w.now + 10 * MS));
	cr_assert_eq(w.s.worse, 0);
}
