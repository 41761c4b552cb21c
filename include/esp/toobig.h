/* SPDX-License-Identifier: GPL-2.0-only */
/* What tells a sender that his packets are too large for the tunnel: ICMP fragmentation needed (RFC
 * 1191), ICMPv6 packet too big (RFC 4443 3.2), and a lower MSS in the SYNs that pass, for those who
 * never hear of it. Thread: any; no allocation.
 */
#ifndef BRAID_ESP_TOOBIG_H
#define BRAID_ESP_TOOBIG_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "esp/flow.h"

enum { TOOBIG_MAX = 1280 };

/* Write the error about pkt (in->len octets and what in says of it), in the name of the packet's
 * destination, to dst (TOOBIG_MAX octets). mtu: octets of inner packets. Returns its length; 0: no
 * error is sent about such a packet (RFC 1122 3.2.2, RFC 4443 2.4). */
size_t toobig_build(const uint8_t *pkt, const struct inner *in, uint16_t mtu, uint8_t *dst);

/* A TCP packet with SYN, which may say how large the segments of the other side may be. */
static inline bool mss_carried(const uint8_t *pkt, const struct inner *in)
{
	enum { SYN = 0x02 };

	return in->proto == IPPROTO_TCP && !in->fragment && in->len >= in->l4_off + 20u &&
	       pkt[in->l4_off + 13] & SYN;
}

/* If this SYN asks for segments larger than fit packets of max octets, it asks for such as
 * fit; the checksum follows. Only where mss_carried. */
void mss_clamp(uint8_t *pkt, const struct inner *in, size_t max);

#endif
