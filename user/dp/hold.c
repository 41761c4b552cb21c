/* SPDX-License-Identifier: GPL-2.0-only */
/* ESP that comes before its SA of the kernel's (abi/hold.h): by which SPIs, and what has come. */
#include <bpf/bpf.h>
#include <errno.h>

#include "abi/hold.h"
#include "internal.h"
#include "steer_tc.skel.h"

static int on_packet(void *ctx, void *data, size_t len)
{
	const struct hold_packet *p = data;
	struct dp *dp = ctx;

	if (len >= sizeof(*p) && p->len <= sizeof(p->octets) && dp->held_fn)
		dp->held_fn(dp->held_ctx, p);
	return 0;
}

/* What an agent before us awaited nobody does any more. */
int dp_hold_open(struct dp *dp)
{
	int fd = bpf_map__fd(dp->tc->maps.awaited);
	uint32_t spi;

	while (!bpf_map_get_next_key(fd, NULL, &spi) && !bpf_map_delete_elem(fd, &spi))
		;
	dp->held = ring_buffer__new(bpf_map__fd(dp->tc->maps.held), on_packet, dp, NULL);
	return dp->held ? 0 : -ENOMEM;
}

void dp_hold_close(struct dp *dp)
{
	ring_buffer__free(dp->held);
	dp->held = NULL;
}

int dp_await(struct dp *dp, uint32_t spi, bool on)
{
	int fd = bpf_map__fd(dp->tc->maps.awaited);
	uint32_t one = 1;

	if (on)
		return bpf_map_update_elem(fd, &spi, &one, BPF_ANY);
	dp_sa_show(dp, spi);
	return bpf_map_delete_elem(fd, &spi);
}

bool dp_awaits(const struct dp *dp, uint32_t spi)
{
	uint32_t one;

	return !bpf_map_lookup_elem(bpf_map__fd(dp->tc->maps.awaited), &spi, &one);
}

void dp_held_drain(struct dp *dp, dp_held_fn *fn, void *ctx)
{
	dp->held_fn = fn;
	dp->held_ctx = ctx;
	ring_buffer__consume(dp->held);
}
