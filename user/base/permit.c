/* SPDX-License-Identifier: GPL-2.0-only */
#include "base/permit.h"

static bool in_group(const struct permit_who *who, uint32_t gid)
{
	bool in = who->gid == gid;

	for (size_t i = 0; i < who->n_groups && !in; i++)
		in = who->groups[i] == gid;
	return in;
}

enum permit_level permit_level(const struct permit *p, uint32_t self, const struct permit_who *who)
{
	enum permit_level level = PERMIT_NONE;

	if (who->uid == 0 || who->uid == self)
		return PERMIT_ADMIN;
	for (size_t i = 0; i < p->n; i++) {
		const struct permit_entry *e = &p->list[i];

		if ((e->group ? in_group(who, e->id) : who->uid == e->id) && e->level > level)
			level = e->level;
	}
	return level;
}
