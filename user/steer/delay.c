/* SPDX-License-Identifier: GPL-2.0-only */
#include <stddef.h>

#include "steer/delay.h"

enum { SMOOTH = 16, SMOOTH_SHARE = 8 };

/* The youngest is 0. */
static size_t nth(const struct delay_track *t, uint64_t i)
{
	return (size_t)((t->n - 1 - i) % DELAY_SAMPLES);
}

void delay_push(struct delay_track *t, uint32_t rtt_usec, usec_t at)
{
	uint64_t fresh = (uint64_t)SMOOTH * rtt_usec;
	size_t i = (size_t)(t->n % DELAY_SAMPLES);

	t->rtt[i] = rtt_usec;
	t->at[i] = at;
	if (!t->n)
		t->smooth = fresh;
	else
		t->smooth += fresh / SMOOTH_SHARE - t->smooth / SMOOTH_SHARE;
	t->n++;
}

uint32_t delay_of(const struct delay_track *t)
{
	return (uint32_t)(t->smooth / SMOOTH);
}

/* Adds x to n sorted ones. */
static void sort_in(uint32_t *sorted, uint32_t n, uint32_t x)
{
	for (; n && sorted[n - 1] > x; n--)
		sorted[n] = sorted[n - 1];
	sorted[n] = x;
}

/* The median of what neighbours differ: a step is one of them, and does not count. */
static uint32_t noise(const struct delay_track *t)
{
	uint32_t d[DELAY_SAMPLES], n = 0;

	for (uint64_t i = 0; i + 1 < DELAY_SAMPLES && i + 1 < t->n; i++) {
		uint32_t a = t->rtt[nth(t, i)], b = t->rtt[nth(t, i + 1)];

		sort_in(d, n++, a > b ? a - b : b - a);
	}
	return n ? d[n / 2] : 0;
}

/* How far apart the round trips before the last DELAY_CLEAR were, but for the least and the most:
 * where a path has gone up and down that much, four of them are no step. */
static uint32_t spread(const struct delay_track *t)
{
	uint32_t d[DELAY_SAMPLES], n = 0;

	for (uint64_t i = DELAY_CLEAR; i < DELAY_SAMPLES && i < t->n; i++)
		sort_in(d, n++, t->rtt[nth(t, i)]);
	return n > 2 ? d[n - 2] - d[1] : 0;
}

static void ends(const struct delay_track *t, uint32_t *ret_least, uint32_t *ret_most)
{
	*ret_least = UINT32_MAX;
	*ret_most = 0;
	for (uint64_t i = 0; i < DELAY_CLEAR; i++) {
		uint32_t rtt = t->rtt[nth(t, i)];

		*ret_least = rtt < *ret_least ? rtt : *ret_least;
		*ret_most = rtt > *ret_most ? rtt : *ret_most;
	}
}

static uint32_t more(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

enum delay_told delay_smaller(const struct delay_track *path, const struct delay_track *than,
			      const struct delay_margin *margin, usec_t *ret_since,
			      usec_t *ret_span)
{
	uint32_t least, most, unused, slack, by;
	uint64_t gap;

	if (path->n < DELAY_CLEAR || than->n < DELAY_CLEAR)
		return DELAY_NOT_SMALLER;
	ends(than, &least, &unused);
	ends(path, &unused, &most);
	by = more(margin->usec, (uint32_t)((uint64_t)least * margin->percent / 100));
	gap = (uint64_t)by + more(spread(path), spread(than));
	if (least > most && least - most >= gap) {
		usec_t a = path->at[nth(path, DELAY_CLEAR - 1)];
		usec_t b = than->at[nth(than, DELAY_CLEAR - 1)];

		*ret_since = a > b ? a : b;
		return DELAY_SMALLER_CLEARLY;
	}
	if (path->n < DELAY_SAMPLES || than->n < DELAY_SAMPLES)
		return DELAY_NOT_SMALLER;
	by = more(margin->usec, (uint32_t)((uint64_t)delay_of(than) * margin->percent / 100));
	slack = more((noise(path) + noise(than)) / 2, more(spread(path), spread(than)) / 2);
	gap = more(by, slack);
	if (delay_of(path) + gap > delay_of(than))
		return DELAY_NOT_SMALLER;
	*ret_span = path->at[nth(path, 0)] - path->at[nth(path, DELAY_SAMPLES - 1)];
	return DELAY_SMALLER_SMOOTHED;
}
