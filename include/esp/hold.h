/* SPDX-License-Identifier: GPL-2.0-only */
/* Packets that came before their SA: a peer may send by a new Child SA as soon as it has answered
 * IKE_AUTH or CREATE_CHILD_SA (RFC 7296 2.8), which is sooner than the initiator can install it.
 * They wait here, in the order they came, for as long as somebody might still want them: a second,
 * after which TCP has sent the same again (RFC 6298 2.1).
 *
 * Nothing is authenticated yet: whoever guesses an SPI that is awaited can fill the hold of one
 * packet thread, HOLD_PACKETS of at most HOLD_OCTETS (512 KiB), for HOLD_USEC. That keeps others
 * from waiting, who are dropped as they would be without it, and does nothing else. No allocation
 * after hold_init, no clock, no lock. Thread: a hold belongs to one thread.
 */
#ifndef BRAID_ESP_HOLD_H
#define BRAID_ESP_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/usec.h"

/* For 2 ms at a gigabit; a longer packet than the usual links carry does not wait. */
enum { HOLD_PACKETS = 256, HOLD_OCTETS = 2048 };
#define HOLD_USEC USEC_PER_SEC

/* What is known of a packet besides its octets. */
struct held {
	usec_t arrived;
	uint64_t from; /* udp_rxq_from */
	uint32_t spi, ifindex;
	uint16_t len, port; /* port 0: plain ESP */
	uint8_t tos;	    /* of the outer header */
	struct udp_addr local, remote;
};

struct hold {
	uint8_t *buf; /* HOLD_PACKETS of HOLD_OCTETS; pages come when they are first used */
	unsigned n;
	uint16_t order[HOLD_PACKETS]; /* slots: n that wait, oldest first, then free ones */
	struct held slot[HOLD_PACKETS];
};

/* 0 or -ENOMEM. */
int hold_init(struct hold *h);
void hold_clear(struct hold *h);

/* Copy a packet of m->len octets. False: there is no room, or it is too long. */
bool hold_put(struct hold *h, const struct held *m, const uint8_t *pkt);

/* Show each packet, oldest first, to judge, who may change it: true, it stays; false, it leaves,
 * and its octets are good until the next hold_put. judge must not call into the hold. */
void hold_sift(struct hold *h, bool (*judge)(void *ctx, const struct held *m, uint8_t *pkt),
	       void *ctx);

#endif
