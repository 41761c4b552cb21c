/* SPDX-License-Identifier: GPL-2.0-only */
#include "depart.h"

bool depart_follows(const struct sa *sa)
{
	return sa_has_siblings(sa) && !(sa->flags & ENGINE_SA_ROLE_I);
}

bool depart_may_bond(const struct sa *sa, usec_t now)
{
	return sa->flags & ENGINE_SA_PROBES && !sa_is_transport(sa) && siblings_may_send(sa, now);
}

struct sa *depart_choose(const struct engine *e, const struct steer_view *v, struct sa *found,
			 const struct inner *in, uint8_t klass, usec_t now, uint32_t *ret_slot)
{
	const struct siblings *t = &e->sad.siblings;
	uint64_t hash = flow_hash(in, e->flow_seed);
	uint32_t slot = FLOW_SLOT(hash), line;
	struct sa *sa = found;

	if (v && sa_has_siblings(sa)) {
		line = depart_follows(sa) ? replies_line(&t->replies, sa->sibling.selectors, hash)
					  : 0;
		if (line)
			slot = siblings_slot(v, sa, line, klass, slot);
		sa = siblings_choose(t, v, sa, klass, slot, now);
	}
	*ret_slot = slot;
	return sa;
}
