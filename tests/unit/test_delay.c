/* SPDX-License-Identifier: GPL-2.0-only */
/* Which path has the smaller round trip: follows a step, and takes no noise for one. */
#include <criterion/criterion.h>

#include "steer/delay.h"

enum { MSEC = 1000, INTERVAL = 100 * MSEC };

static const struct delay_margin margin = { .percent = 10, .usec = MSEC };
static struct delay_track a, b;
static usec_t now, since, span;
static uint32_t seed;

static void begin(void)
{
	a = b = (struct delay_track){ 0 };
	now = INTERVAL;
	seed = 1;
}

TestSuite(delay, .init = begin);

/* The sum of two dice: -most .. most. */
static int jitter(int most)
{
	int sum = 0;

	for (int i = 0; i < 2 && most; i++) {
		seed = seed * 1664525 + 1013904223;
		sum += (int)((seed >> 8) % (unsigned)(most + 1));
	}
	return sum - most;
}

static void probe(int rtt_a, int rtt_b, int noise)
{
	delay_push(&a, (uint32_t)(rtt_a + jitter(noise)), now);
	delay_push(&b, (uint32_t)(rtt_b + jitter(noise)), now);
	now += INTERVAL;
}

static enum delay_told b_smaller(void)
{
	return delay_smaller(&b, &a, &margin, &since, &span);
}

Test(delay, a_few_probes_tell_nothing)
{
	for (int i = 0; i < DELAY_CLEAR - 1; i++) {
		probe(90 * MSEC, 10 * MSEC, 0);
		cr_assert_eq(b_smaller(), DELAY_NOT_SMALLER);
	}
	probe(90 * MSEC, 10 * MSEC, 0);
	cr_assert_eq(b_smaller(), DELAY_SMALLER_CLEARLY);
}

Test(delay, a_step_is_clear_with_the_fourth_probe)
{
	for (int i = 0; i < 50; i++)
		probe(10 * MSEC, 20 * MSEC, 2 * MSEC);
	for (int i = 1; i <= DELAY_CLEAR; i++) {
		usec_t first = now - (usec_t)(i - 1) * INTERVAL;

		cr_assert_eq(b_smaller(), DELAY_NOT_SMALLER);
		probe(40 * MSEC, 20 * MSEC, 2 * MSEC);
		if (i < DELAY_CLEAR)
			continue;
		cr_assert_eq(b_smaller(), DELAY_SMALLER_CLEARLY);
		cr_assert_eq(since, first, "it began with the step");
	}
}

Test(delay, one_late_probe_is_no_step)
{
	for (int i = 0; i < 50; i++) {
		probe(i % 7 ? 10 * MSEC : 400 * MSEC, 20 * MSEC, MSEC);
		cr_assert_neq(b_smaller(), DELAY_SMALLER_CLEARLY);
	}
}

Test(delay, less_than_the_margin_is_no_reason)
{
	for (int i = 0; i < 200; i++) {
		probe(20 * MSEC, 18 * MSEC + 500, 0);
		cr_assert_eq(b_smaller(), DELAY_NOT_SMALLER);
	}
}

/* Equal ones, a quarter of whose round trip is noise: neither ever looks smaller for certain. */
Test(delay, noise_is_no_step)
{
	unsigned clearly = 0;

	for (int i = 0; i < 100000; i++) {
		probe(20 * MSEC, 20 * MSEC, 5 * MSEC);
		clearly += b_smaller() == DELAY_SMALLER_CLEARLY;
	}
	cr_assert_leq(clearly, 20, "%u", clearly);
}

/* Delays that jump about between 12 and 28 ms and stay for 1.6 probes each, for 80 minutes. */
Test(delay, what_jumps_about_is_no_step)
{
	int rtt[2] = { 20 * MSEC, 20 * MSEC };
	usec_t until = 0;
	unsigned told = 0;

	for (int i = 0; i < 48000; i++) {
		for (; until <= now; until += INTERVAL * 16 / 10) {
			for (int k = 0; k < 2; k++) {
				seed = seed * 1664525 + 1013904223;
				rtt[k] = 12 * MSEC + (int)((seed >> 8) % (16 * MSEC));
			}
		}
		probe(rtt[0], rtt[1], 0);
		told += b_smaller() == DELAY_SMALLER_CLEARLY;
	}
	cr_assert_leq(told, 8, "%u", told);
}

/* The second step of a path that has just made one. */
Test(delay, a_step_back_is_clear_as_well)
{
	for (int i = 0; i < 50; i++)
		probe(10 * MSEC, 20 * MSEC, MSEC);
	for (int i = 0; i < DELAY_SAMPLES; i++)
		probe(40 * MSEC, 20 * MSEC, MSEC);
	cr_assert_eq(b_smaller(), DELAY_SMALLER_CLEARLY);
	for (int i = 0; i < DELAY_CLEAR; i++)
		probe(10 * MSEC, 20 * MSEC, MSEC);
	cr_assert_eq(delay_smaller(&a, &b, &margin, &since, &span), DELAY_SMALLER_CLEARLY);
}

/* A difference smaller than the noise of a probe. */
Test(delay, smoothed_ones_tell_what_single_ones_do_not)
{
	unsigned smaller = 0;

	for (int i = 0; i < 1000; i++) {
		probe(25 * MSEC, 20 * MSEC, 5 * MSEC);
		smaller += i > 50 && b_smaller();
	}
	cr_assert_geq(smaller, 850, "%u", smaller);
	cr_assert_eq(span, (DELAY_SAMPLES - 1) * INTERVAL);
	cr_assert_leq(abs((int)delay_of(&b) - 20 * MSEC), 3 * MSEC);
}
