/* SPDX-License-Identifier: GPL-2.0-only */
/* Clones without Child SAs, for pairs of addresses that may come: they wait where they were made,
 * and clones.c takes one as soon as there is something for it to do. */
#include "clones_impl.h"

static size_t spares(const struct clones *k)
{
	size_t n = 0;

	for (size_t i = 0; i < k->n_aims; i++)
		n += !k->aims[i].aimed && !k->aims[i].leaving;
	for (size_t i = 0; i < k->n_asked; i++)
		n += !k->asked[i].goal.remote.ip.family;
	return n;
}

usec_t clones_spare(struct agent *a, struct clones *k, const struct clones_view *v)
{
	size_t from = clones_view_source(v), n = spares(k);
	usec_t now = agent_now();

	if (v->beside || from == v->n || n >= v->c->clone_spare)
		return USEC_NEVER;
	if (k->spare_at > now)
		return k->spare_at;
	for (; n < v->c->clone_spare && k->n_asked < IKE_SAS_MAX; n++) {
		uint32_t op = ++a->next_op;

		if (ike_clone(a->ike, v->lines[from].line, op, now)) {
			k->spare_at = now + CLONES_SLOW;
			return k->spare_at;
		}
		k->asked[k->n_asked].op = op;
		k->asked[k->n_asked++].goal = (struct ike_path){ .ifindex = 0 };
	}
	return USEC_NEVER;
}
