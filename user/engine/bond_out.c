/* SPDX-License-Identifier: GPL-2.0-only */
/* Which paths the packets of a bonded class may take, and which a burst takes. */
#include <time.h>

#include <linux/types.h>
#include "abi/pick.h"
#include "worker_impl.h"

_Static_assert((int)STEER_PATIENCE_USEC == BOND_PATIENCE_USEC, "patience as in the trailer");
_Static_assert(STEER_PATIENCE_MAX *STEER_PATIENCE_USEC == BOND_PATIENCE_MOST_USEC, "and its most");

static uint64_t nsec_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static unsigned collect(struct worker *w, const struct steer_view *v, const struct steer_group *g,
			enum steer_path_state state)
{
	unsigned n = 0;

	for (int i = 0; i < STEER_MEMBERS_MAX && i < g->n_members; i++) {
		const _Atomic uint32_t *word = steer_path_word(v, g->path[i]);

		if (!word || !g->weight[i] ||
		    pick_state(atomic_load_explicit(word, memory_order_relaxed)) != state)
			continue;
		w->way[n++] = (struct bond_way){ paths_bond(w->e, g->path[i]), g->path[i] };
	}
	return n;
}

bool bond_depart(struct worker *w, const struct steer_view *v, struct departure *d)
{
	const struct steer_group *g = steer_group_of(v, d->sa->group, w->klass);
	unsigned n;

	if (!g || g->mode != STEER_MODE_BOND)
		return false;
	n = collect(w, v, g, STEER_PATH_UP);
	if (!n)
		n = collect(w, v, g, STEER_PATH_DEGRADED);
	if (!n) /* the steering knows what to do then */
		return false;
	d->ways = (uint8_t)n;
	d->patience_usec =
		g->patience ? g->patience * (uint32_t)BOND_PATIENCE_USEC : BOND_PATIENCE_MOST_USEC;
	d->tail = BOND_TRAILER;
	d->max = sa_inner_max(d->sa) - BOND_TRAILER;
	atomic_store_explicit(&d->sa->bonds, true, memory_order_relaxed);
	return true;
}

void bond_route(struct worker *w, const struct departure *d, uint32_t packets, size_t octets,
		struct route *r)
{
	unsigned k;

	if (!w->nsec)
		w->nsec = nsec_now();
	k = bond_take(w->way, d->ways, octets, w->nsec);
	bond_number(&d->sa->bond_next, w->way[k].id, packets, &r->place);
	r->place.ways = d->ways;
	r->place.patience_usec = bond_patience(w->way, d->ways, d->patience_usec);
	r->mark =
		STEER_MARK(STEER_MARK_KIND_PATH, STEER_MARK_KIND(d->mark) | w->klass, w->way[k].id);
	r->encap = sa_encap_path(d->sa, atomic_load_explicit(&w->e->view, memory_order_acquire),
				 w->way[k].id);
}
