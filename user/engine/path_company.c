/* SPDX-License-Identifier: GPL-2.0-only */
/* Which paths stand in for one: those of its group that are probed, and those of other lines of IKE
 * SAs, which the group's record names. Control thread. */
#include <linux/types.h>

#include "abi/steer.h"
#include "paths_impl.h"

static struct path *next(struct company *c)
{
	while (c->next) {
		struct path *o = hash_entry(c->next, struct path, by_group);

		c->next = hash_next(c->next);
		if (o != c->but)
			return o;
	}
	while (c->record && c->member < STEER_MEMBERS_MAX && c->member < c->record->n_members) {
		struct path *o = path_find(c->e, c->record->path[c->member++]);

		if (o && o->cfg.group != c->group)
			return o;
	}
	return NULL;
}

struct company path_company(const struct engine *e, uint32_t group, const struct path *but)
{
	const struct steer_view *v = atomic_load(&e->view);
	struct company c = {
		.e = e,
		.but = but,
		.group = group,
		.next = group ? hash_find(&e->paths->by_group, group) : NULL,
		.record = group && v ? steer_group_record(v, group) : NULL,
	};

	c.at = next(&c);
	return c;
}

void path_company_next(struct company *c)
{
	c->at = next(c);
}
