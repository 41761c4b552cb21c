/* SPDX-License-Identifier: GPL-2.0-only */
/* Which probes from addresses that no path has are announced: each once a second, and not many of
 * them. A peer has a share of that, so that none can keep the paths of the others from being heard
 * of, however many addresses it makes up. Thread: one; no allocation.
 */
#ifndef BRAID_ESP_JOINS_H
#define BRAID_ESP_JOINS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/usec.h"

enum { JOINS_MAX = 64, JOINS_SHARE = 8 };

/* All zero at first. */
struct joins {
	struct {
		struct udp_addr remote;
		uint32_t group, epids;
		usec_t when; /* 0: free */
	} recent[JOINS_MAX];
};

/* May this one, of the peer with that group of paths, be announced now? It is noted then. */
bool joins_take(struct joins *j, uint32_t group, uint32_t epids, const struct udp_addr *remote,
		usec_t now);

#endif
