/* SPDX-License-Identifier: GPL-2.0-only */
/* An IKE SA for each path: pairs of addresses that failed or that the operator took down, and when
 * they are tried again. */
#include <stdio.h>

#include "clones_impl.h"

/* What failed is tried again after a while, longer each time. */
#define WAIT_LAST (300 * USEC_PER_SEC)

static struct bar *bar_of(struct clones *k, const struct ike_path *pair)
{
	for (size_t i = 0; i < k->n_bars; i++)
		if (same_pair(&k->bars[i].pair, pair))
			return &k->bars[i];
	return NULL;
}

bool clones_barred(struct clones *k, const struct ike_path *pair)
{
	const struct bar *b = bar_of(k, pair);

	return b && b->until > agent_now();
}

bool clones_held(struct clones *k, const struct ike_path *pair)
{
	const struct bar *b = bar_of(k, pair);

	return b &&
	       (b->until == USEC_NEVER || (b->wait == CLONES_WAIT_FIRST && b->until > agent_now()));
}

struct bar *clones_bar_get(struct clones *k, const struct ike_path *pair)
{
	struct bar *b = bar_of(k, pair);

	if (b)
		return b;
	if (k->n_bars < CLONE_BARS_MAX) {
		b = &k->bars[k->n_bars++];
	} else {
		b = &k->bars[0];
		for (size_t i = 1; i < CLONE_BARS_MAX; i++)
			if (k->bars[i].until < b->until)
				b = &k->bars[i];
	}
	*b = (struct bar){ .pair = *pair };
	return b;
}

void clones_bar(struct clones *k, const struct ike_path *pair)
{
	struct bar *b = clones_bar_get(k, pair);
	usec_t now = agent_now();

	if (b->until == USEC_NEVER)
		return;
	if (!b->wait || now - b->until > CLONES_OLD)
		b->wait = CLONES_WAIT_FIRST;
	else
		b->wait = 2 * b->wait < WAIT_LAST ? 2 * b->wait : WAIT_LAST;
	b->until = now + b->wait;
}

void clones_bars_forget(struct agent *a, struct clones *k, const struct clones_view *v)
{
	size_t kept = 0;

	for (size_t i = 0; i < k->n_bars; i++)
		if (k->bars[i].until == USEC_NEVER || clones_pair_stays(a, v, &k->bars[i].pair))
			k->bars[kept++] = k->bars[i];
	k->n_bars = kept;
}

void clones_bars_wait(struct clones *k)
{
	size_t waiting = 0;

	for (size_t i = 0; i < k->n_bars; i++) {
		if (k->bars[i].until <= agent_now() || k->bars[i].until == USEC_NEVER)
			continue;
		clones_look_by(k, k->bars[i].until);
		waiting++;
	}
	if (waiting && !k->why[0])
		snprintf(k->why, sizeof(k->why),
			 "%zu of the pairs of addresses failed, and %s tried again later", waiting,
			 waiting == 1 ? "is" : "are");
}
