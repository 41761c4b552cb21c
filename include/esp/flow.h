/* SPDX-License-Identifier: GPL-2.0-only */
/* What the engine needs to know of an inner IP packet: addresses, protocol, ports, own length, and
 * the slot of its flow. Reads headers only; every length is checked. Thread: any.
 */
#ifndef BRAID_ESP_FLOW_H
#define BRAID_ESP_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct inner {
	uint8_t family; /* 4, 6 */
	uint8_t proto;	/* of the transport header, after IPv6 extension headers */
	bool df;	/* must not be fragmented on its way; IPv6: always */
	bool fragment;	/* ports are known in a first fragment only */
	bool has_ports; /* TCP, UDP, SCTP, DCCP, UDP-Lite; ICMP: type and code in sport, dport */
	uint8_t tos;	/* DSCP and ECN; IPv6: traffic class */
	uint16_t sport, dport;
	uint16_t l4_off;	  /* octets before the transport header */
	uint32_t len;		  /* octets, by the packet's own header */
	const uint8_t *src, *dst; /* borrowed: 4 or 16 octets in the packet */
};

/* Returns 0; -EBADMSG if this is no IP packet of at most len octets (whatever follows its own
 * length is not looked at: traffic flow confidentiality padding, RFC 4303 2.7).
 * super: the length field may not count all (TSO), take len. */
int inner_parse(const uint8_t *pkt, size_t len, bool super, struct inner *ret_inner);

/* The 5-tuple, well mixed; of the replies to it, that of the packet that answers. */
uint64_t flow_hash(const struct inner *in, uint64_t seed);
uint64_t flow_hash_reply(const struct inner *in, uint64_t seed);

/* 8 bits of flow_hash; the same for all fragments of a packet and for both of two
 * packets of one flow. seed: random, per process, so that nobody outside can aim. */
#define FLOW_SLOT(hash) ((uint8_t)((hash) >> 40))
uint8_t flow_slot(const struct inner *in, uint64_t seed);

#endif
