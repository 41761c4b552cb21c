/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a flow would go now: the same questions as for a packet. */
#include <errno.h>

#include "abi/pick.h"
#include "base/ipwords.h"
#include "depart.h"

static bool bonds(const struct steer_view *v, const struct sa *sa, uint8_t klass, usec_t now)
{
	const struct steer_group *g = steer_group_of(v, sa->group, klass);

	return g && g->mode == STEER_MODE_BOND && depart_may_bond(sa, now);
}

int explain_flow(struct engine *e, const struct engine_flow *m, struct engine_flow_info *ret_info)
{
	struct inner in = {
		.family = m->local.family,
		.proto = m->protocol,
		.has_ports = protocol_has_ports(m->protocol),
		.sport = m->local_port,
		.dport = m->remote_port,
		.src = m->local.b,
		.dst = m->remote.b,
	};
	const struct steer_view *v = atomic_load_explicit(&e->view, memory_order_acquire);
	struct sad_cache cache = { 0 };
	usec_t now = engine_now();
	uint32_t slot = 0;
	struct sa *sa;

	if ((in.family != 4 && in.family != 6) || m->remote.family != in.family ||
	    m->klass >= STEER_CLASSES)
		return -EINVAL;
	sa = sad_out(&e->sad, &cache, &in);
	if (!sa)
		return 0;
	ret_info->blocked = sa->blocks;
	ret_info->sa_id = sa->blocks ? 0 : sa->id;
	if (sa->blocks || !v || bonds(v, sa, m->klass, now))
		return 0;
	sa = depart_choose(e, v, sa, &in, m->klass, now, &slot);
	ret_info->sa_id = sa->id;
	ret_info->slot = slot;
	ret_info->path = sa_transport(sa)->many
				 ? transport_path(v, sa, m->klass, &in)
				 : PICK_PATH(siblings_pick(v, sa->group, m->klass, slot));
	return 0;
}
