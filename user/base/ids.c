/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdbool.h>

#include "base/ids.h"

static bool is_used(const struct ids *s, uint16_t id)
{
	return s->used[id / 64] >> id % 64 & 1;
}

void ids_use(struct ids *s, uint16_t id)
{
	s->used[id / 64] |= UINT64_C(1) << id % 64;
}

uint16_t ids_take(struct ids *s, uint16_t *next)
{
	uint16_t id = *next;

	for (unsigned i = 0; i <= UINT16_MAX; i++, id++) {
		if (!id || is_used(s, id))
			continue;
		ids_use(s, id);
		*next = (uint16_t)(id + 1);
		return id;
	}
	return 0;
}
