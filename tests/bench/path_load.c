/* SPDX-License-Identifier: GPL-2.0-only */
/* Plays the agent for one engine: many SAs and paths to be probed, and what became of them.
 *
 *     path_load SOCKET a|b LOCAL REMOTE PATHS INTERVAL-USEC     answering side: PATHS 0
 *     path_load SOCKET count                                    probes sent, answered, paths up
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "esp/client.h"
#include "load_sa.h"

enum { SAS = 1250 };

static unsigned long long tx, rx, up;

static void die(const char *what, int r)
{
	fprintf(stderr, "path_load: %s: %s\n", what, strerror(-r));
	exit(1);
}

static void add(void *ctx, const struct engine_hdr *h, size_t len)
{
	const struct engine_path_info *i = (const void *)h;

	(void)ctx;
	if (h->type != ENGINE_PATH_INFO || len < sizeof(*i))
		return;
	tx += i->probes_tx;
	rx += i->probes_rx;
	up += i->state == STEER_PATH_UP;
}

static void call(int fd, struct engine_hdr *h, size_t len)
{
	int r = engine_call(fd, h, len, NULL, 20000, add, NULL);

	if (r < 0)
		die("the engine refuses", r);
}

static void sa(int fd, uint32_t id, bool a)
{
	struct engine_sa s;

	load_sa(&s, id, a);
	call(fd, &s.h, sizeof(s));
}

static void path(int fd, uint32_t id, const struct addr *local, const struct addr *remote,
		 uint32_t interval)
{
	struct engine_path p = {
		.h = { .seq = 1, .type = ENGINE_PATH_ADD },
		.id = id,
		.epids = id,
		.sa_id = 1 + id % SAS,
		.group = 1 + id % SAS,
		.interval_usec = interval,
		.down_after = 200, /* what is late is no failure here */
		.local = { *local, 4500 },
		.remote = { *remote, 4500 },
	};

	call(fd, &p.h, sizeof(p));
}

int main(int argc, char **argv)
{
	struct engine_hdr list = { .seq = 1, .type = ENGINE_PATHS };
	struct addr local, remote;
	int fd, r;

	if (argc != 3 && argc != 7)
		return 2;
	r = engine_connect(argv[1], &fd);
	if (r < 0)
		die(argv[1], r);
	if (argc == 3) {
		call(fd, &list, sizeof(list));
		printf("%llu %llu %llu\n", tx, rx, up);
		return 0;
	}
	if (addr_parse(argv[3], &local) < 0 || addr_parse(argv[4], &remote) < 0)
		return 2;
	for (uint32_t id = 1; id <= SAS; id++)
		sa(fd, id, argv[2][0] == 'a');
	for (uint32_t id = 1; id <= (uint32_t)atoi(argv[5]); id++)
		path(fd, id, &local, &remote, (uint32_t)atoi(argv[6]));
	return 0;
}
