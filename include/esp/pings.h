/* SPDX-License-Identifier: GPL-2.0-only */
/* Probes that an operator has sent, and waits for: which answer belongs to which. The nonce alone
 * tells; one that is answered, or older than PING_KEPT, is forgotten, and so is the oldest when
 * there are too many. Thread: one; no allocation.
 */
#ifndef BRAID_ESP_PINGS_H
#define BRAID_ESP_PINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/usec.h"

enum { PINGS_MAX = 256 };
#define PING_KEPT (10 * USEC_PER_SEC)

struct ping {
	uint8_t nonce[8];
	uint32_t path, seq;
	uint16_t octets; /* of the IP packet */
	usec_t sent;	 /* 0: free */
};

/* All zero at first. */
struct pings {
	struct ping open[PINGS_MAX];
	unsigned next, n; /* n are not free */
};

void pings_sent(struct pings *p, const struct ping *ping);
/* False: none of these, or too late. Each is taken once. */
bool pings_take(struct pings *p, const uint8_t nonce[8], usec_t now, struct ping *ret_ping);

#endif
