/* SPDX-License-Identifier: GPL-2.0-only */
/* What it costs the engine to find the SA for a super-packet: by policy alone, and where each of 2,
 * 4 or 8 paths has a line of its own, so that the group's record is asked too. With 1 and 1,000
 * families, of which every packet hits one at random, and with one path of all down. Prints a table
 * and writes JSON lines to <build>/bench/siblings.jsonl (argument: that directory). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <linux/types.h>

#include "abi/steer.h"
#include "crypto/aead.h"
#include "dp/dp.h"
#include "esp/flow.h"
#include "esp/sad.h"
#include "load_sa.h"

enum { PACKETS = 1 << 14, TURNS = 32, RUNS = 9, FAMILIES_MAX = 1000 };

/* More than by policy alone; that of many families is misses of the cache, most of which
 * encryption would have next. */
enum { LIMIT_NSEC = 40, LIMIT_MANY_NSEC = 150 };

/* Families and the maps about them; ids from 1. */
struct world {
	struct sad sad;
	struct steer_view view;
	uint32_t lines, families;
	uint8_t *path_cur, *group_cur, *group;
};

static struct {
	struct inner in;
	uint8_t addrs[8];
} packets[PACKETS];

static void die(const char *what, int err)
{
	fprintf(stderr, "bench_siblings: %s: %s\n", what, strerror(err));
	exit(1);
}

static void *array(size_t n, size_t stride)
{
	void *p = calloc(n + 1, stride);

	if (!p)
		die("memory", ENOMEM);
	return p;
}

static void set_path(struct world *w, uint32_t id, enum steer_path_state state)
{
	struct steer_path_cur *c = (void *)(w->path_cur + id * STEER_STRIDE(struct steer_path_cur));

	*c = (struct steer_path_cur){ .slot = (uint16_t)id, .state = state };
}

/* Group and SA of one line. Its number, its path's and its group's are the same. */
static void add_line(struct world *w, uint32_t family, uint32_t id)
{
	struct steer_group *g = (void *)(w->group + id * STEER_STRIDE(struct steer_group));
	struct steer_group_cur *c =
		(void *)(w->group_cur + id * STEER_STRIDE(struct steer_group_cur));
	struct engine_sa req;
	struct sa *sa;
	int r;

	*g = (struct steer_group){ .id = id, .n_members = (uint8_t)w->lines };
	for (uint32_t i = 0; i < w->lines; i++) {
		g->path[i] = g->line[i] = 1 + family * w->lines + i;
		g->weight[i] = 1;
	}
	flowtab_update(g->flow, g->path, g->weight, w->lines);
	c->slot = id;
	set_path(w, id, STEER_PATH_UP);
	load_sa(&req, id, true);
	req.group = req.line = id;
	req.ts_local[0].first = addr_v4(0);
	req.ts_local[0].last = addr_v4(UINT32_MAX);
	req.ts_remote[0].first = req.ts_remote[0].last = addr_v4(0x0a000001 + family);
	r = sa_new(&req, AEAD_DRIVER_BEST, 1, &sa);
	if (r == 0)
		r = sad_add(&w->sad, sa);
	if (r < 0)
		die("SA", -r);
}

static struct world *world(uint32_t families, uint32_t lines)
{
	struct world *w = array(0, sizeof(*w));
	uint32_t n = families * lines;
	int r = sad_init(&w->sad);

	if (r < 0)
		die("SAD", -r);
	w->lines = lines;
	w->families = families;
	w->path_cur = array(n, STEER_STRIDE(struct steer_path_cur));
	w->group_cur = array(n, STEER_STRIDE(struct steer_group_cur));
	w->group = array(n, STEER_STRIDE(struct steer_group));
	w->view = (struct steer_view){ .path_cur = (void *)w->path_cur,
				       .group_cur = (const void *)w->group_cur,
				       .group = w->group,
				       .paths = n + 1,
				       .groups = n + 1,
				       .group_slots = n + 1 };
	for (uint32_t f = 0; f < families; f++)
		for (uint32_t i = 0; i < lines; i++)
			add_line(w, f, 1 + f * lines + i);
	return w;
}

static void free_world(struct world *w)
{
	sad_clear(&w->sad);
	free(w->path_cur);
	free(w->group_cur);
	free(w->group);
	free(w);
}

static void fill_packets(uint32_t families)
{
	srand(7);
	for (size_t i = 0; i < PACKETS; i++) {
		uint32_t f = (uint32_t)rand() % families, dst = htobe32(0x0a000001 + f);

		memcpy(packets[i].addrs, "\xc0\xa8\x00\x01", 4);
		memcpy(packets[i].addrs + 4, &dst, 4);
		packets[i].in = (struct inner){ .family = 4,
						.proto = 6,
						.has_ports = true,
						.sport = (uint16_t)rand(),
						.dport = 443,
						.src = packets[i].addrs,
						.dst = packets[i].addrs + 4 };
	}
}

/* As user/engine/worker.c does; *ret_other: how many went to another SA than the policy's. */
static uint64_t run(struct world *w, uint64_t *ret_other)
{
	struct sad_cache cache = { 0 };
	struct timespec from, to;
	uint64_t other = 0, sum = 0;

	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int t = 0; t < TURNS; t++) {
		for (size_t i = 0; i < PACKETS; i++) {
			const struct inner *in = &packets[i].in;
			struct sa *found = sad_out(&w->sad, &cache, in), *sa = found;
			uint32_t slot = flow_slot(in, 0x1234567812345678);

			if (sa_has_siblings(found))
				sa = siblings_choose(&w->sad.siblings, &w->view, found, 0, slot, 0);
			other += sa != found;
			sum += sa->mark + slot;
		}
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	if (!sum)
		die("no packet was counted", EPROTO);
	*ret_other = other / TURNS;
	return ((uint64_t)(to.tv_sec - from.tv_sec) * 1000000000u + (uint64_t)to.tv_nsec -
		(uint64_t)from.tv_nsec) /
	       ((uint64_t)TURNS * PACKETS);
}

static int cmp(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static int median(int *v)
{
	qsort(v, RUNS, sizeof(*v), cmp);
	return v[RUNS / 2];
}

/* One and the other in turn: what else the machine does, it does to both. */
static int measure(FILE *json, struct world *alone, struct world *w, const char *what)
{
	int base[RUNS], full[RUNS], diff[RUNS], d;
	int limit = w->families > 1 ? LIMIT_MANY_NSEC : LIMIT_NSEC;
	uint64_t other;

	for (int i = -1; i < RUNS; i++) {
		int b = (int)run(alone, &other), f = (int)run(w, &other);

		if (i < 0)
			continue; /* warm */
		base[i] = b;
		full[i] = f;
		diff[i] = f - b;
	}
	if (w->lines > 1 && other < PACKETS / 4)
		die("the siblings carry nothing", EPROTO);
	d = median(diff);
	printf("%5u families, %u lines%-16s  policy %3d  with the choice %3d  more %3d (%d-%d) "
	       "ns\n",
	       w->families, w->lines, what, median(base), median(full), d, diff[0], diff[RUNS - 1]);
	fprintf(json,
		"{\"what\":\"SA of a super-packet, %u families, %u lines%s\",\"value\":%d,\"unit\":"
		"\"ns\",\"against\":\"policy alone %d ns\",\"above\":%d,\"target_above\":%d}\n",
		w->families, w->lines, what, median(full), median(base), d, limit);
	return d > limit;
}

int main(int argc, char **argv)
{
	static const uint32_t families[] = { 1, FAMILIES_MAX }, lines[] = { 2, 4, 8 };
	const char *dir = argc > 1 ? argv[1] : "build/bench";
	char file[512];
	int over = 0;
	FILE *json;

	mkdir(dir, 0777);
	snprintf(file, sizeof(file), "%s/siblings.jsonl", dir);
	json = fopen(file, "w");
	if (!json)
		die(file, errno);
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		struct world *alone = world(families[i], 1);

		fill_packets(families[i]);
		for (size_t k = 0; k < sizeof(lines) / sizeof(lines[0]); k++) {
			struct world *w = world(families[i], lines[k]);

			over += measure(json, alone, w, "");
			for (uint32_t f = 0; f < families[i]; f++)
				set_path(w, 1 + f * lines[k], STEER_PATH_DOWN);
			over += measure(json, alone, w, ", a path down");
			free_world(w);
		}
		free_world(alone);
	}
	fclose(json);
	printf("%s; written to %s\n", over ? "some figures are over their target" : "all on target",
	       file);
	return 0;
}
