/* SPDX-License-Identifier: GPL-2.0-only */
/* The steering maps in the engine's memory. Each agent hands them over; packet threads go on with
 * what they have until all have seen the new ones. */
#include <errno.h>
#include <linux/types.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "abi/steer.h"
#include "engine/engine.h"
#include "esp/client.h"

enum { ENTRIES_MAX = 1 << 20 };

struct maps {
	struct steer_view view;
	void *at[ENGINE_MAP_N];
	size_t octets[ENGINE_MAP_N];
	uint64_t free_mark;
	struct maps *next_retired;
};

static const struct {
	size_t stride;
	int prot;
} kinds[ENGINE_MAP_N] = {
	[ENGINE_MAP_PATH_CUR] = { STEER_STRIDE(struct steer_path_cur), PROT_READ | PROT_WRITE },
	[ENGINE_MAP_GROUP_CUR] = { STEER_STRIDE(struct steer_group_cur), PROT_READ },
	[ENGINE_MAP_GROUP] = { STEER_STRIDE(struct steer_group), PROT_READ },
	[ENGINE_MAP_PATH] = { STEER_STRIDE(struct steer_path), PROT_READ },
};

static void unmap(struct maps *m)
{
	for (int i = 0; i < ENGINE_MAP_N; i++)
		if (m->at[i])
			munmap(m->at[i], m->octets[i]);
	free(m);
}

static int map_one(struct maps *m, int which, int fd, uint32_t entries)
{
	size_t octets = (entries * kinds[which].stride + 4095) & ~(size_t)4095;
	void *p;

	if (entries == 0 || entries > ENTRIES_MAX)
		return -EINVAL;
	p = mmap(NULL, octets, kinds[which].prot, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	m->at[which] = p;
	m->octets[which] = octets;
	return 0;
}

/* The view is the first member. */
static void replace(struct engine *e, struct maps *by)
{
	struct maps *old = (void *)atomic_exchange(&e->view, by ? &by->view : NULL);

	if (!old)
		return;
	old->free_mark = epoch_advance(&e->sad.epoch);
	old->next_retired = e->retired_maps;
	e->retired_maps = old;
}

int maps_take(struct engine *e, const struct engine_maps *req, const struct engine_fds *fds)
{
	struct maps *m;
	int r = 0;

	if (fds->n != ENGINE_MAP_N)
		return -EINVAL;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	for (int i = 0; r == 0 && i < ENGINE_MAP_N; i++)
		r = map_one(m, i, fds->fd[i], req->entries[i]);
	if (r < 0) {
		unmap(m);
		return r;
	}
	m->view = (struct steer_view){
		.path_cur = m->at[ENGINE_MAP_PATH_CUR],
		.group_cur = m->at[ENGINE_MAP_GROUP_CUR],
		.group = m->at[ENGINE_MAP_GROUP],
		.path = m->at[ENGINE_MAP_PATH],
		.paths = req->entries[ENGINE_MAP_PATH_CUR],
		.groups = req->entries[ENGINE_MAP_GROUP_CUR],
		.group_slots = req->entries[ENGINE_MAP_GROUP],
		.path_slots = req->entries[ENGINE_MAP_PATH],
	};
	replace(e, m);
	return 0;
}

bool maps_reclaim(struct engine *e)
{
	struct maps **link = &e->retired_maps;

	while (*link) {
		struct maps *m = *link;

		if (!epoch_passed(&e->sad.epoch, m->free_mark)) {
			link = &m->next_retired;
			continue;
		}
		*link = m->next_retired;
		unmap(m);
	}
	return e->retired_maps;
}

void maps_clear(struct engine *e)
{
	replace(e, NULL);
	maps_reclaim(e);
}
