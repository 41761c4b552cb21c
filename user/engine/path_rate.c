/* SPDX-License-Identifier: GPL-2.0-only */
/* What bonding knows of the paths: rate and delay. Control thread, but for paths_bond. */
#include <linux/types.h>

#include "abi/steer.h"
#include "paths_impl.h"

struct bond_path *paths_bond(const struct engine *e, uint32_t id)
{
	return &e->paths->bond[id < STEER_PATHS_MAX ? id : 0];
}

static void set(_Atomic uint64_t *where, uint64_t v)
{
	atomic_store_explicit(where, v, memory_order_relaxed);
}

void path_rate_set(struct engine *e, struct path *p)
{
	struct bond_path *b = paths_bond(e, p->cfg.id);

	set(&b->rate, p->cfg.rate_bps ? p->cfg.rate_bps / 8 : p->meter.rate);
}

void path_rate_look(struct engine *e, struct path *p, usec_t now)
{
	struct bond_path *b = paths_bond(e, p->cfg.id);
	uint64_t given = atomic_load_explicit(&b->given, memory_order_relaxed);

	atomic_store_explicit(&b->delay_usec, p->st.rtt_min / 2, memory_order_relaxed);
	bond_queued(b, p->st.rtt_last - p->st.rtt_min, now * 1000);
	bond_meter_look(&p->meter, given, p->st.rtt_last, p->st.rtt_min, now);
	path_rate_set(e, p);
}
