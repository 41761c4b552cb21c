/* SPDX-License-Identifier: GPL-2.0-only */
/* Fragments of an inner packet that does not fit a path, made before encryption (RFC 4301 8.2, RFC
 * 791, RFC 8200 4.5): the tunnel's other end passes them on, their destination puts them together.
 * A packet that is a fragment already is cut further. IPv6 packets are cut for their sender only
 * where he cannot help it: up to 1,280 octets, which every path is to carry.
 * Thread: any; no allocation.
 */
#ifndef BRAID_ESP_IPFRAG_H
#define BRAID_ESP_IPFRAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { IPFRAG_IPV6_MIN = 1280, IPFRAG_IPV6_HEADER = 8 };

struct ipfrag {
	const uint8_t *pkt; /* borrowed */
	uint8_t family;
	size_t hdr;	 /* octets repeated in each fragment, without IPv6's fragment header */
	size_t data;	 /* where the part that is cut begins */
	size_t len, at;	 /* of the packet; of the next fragment's data */
	size_t each;	 /* octets of data in all but the last */
	size_t next_at;	 /* IPv6: the octet that names the fragment header */
	uint8_t next;	 /* IPv6: what follows the fragment header */
	uint16_t offset; /* of the packet itself, octets */
	bool more;	 /* and of it */
	uint32_t id;
};

/* May this packet be cut by us: IPv4 without DF, IPv6 up to its least MTU? */
bool ipfrag_allowed(const uint8_t *pkt, uint8_t family, size_t len);
/* pkt: whole, len octets by its own header; max: octets of a fragment; id: for IPv6. 0, or
 * -EMSGSIZE: max leaves no room for data, or the packet is no part of any datagram. */
int ipfrag_init(struct ipfrag *f, const uint8_t *pkt, uint8_t family, size_t len, size_t max,
		uint32_t id);
/* Write the next one, at most max octets. Returns its length, 0 after the last one. */
size_t ipfrag_next(struct ipfrag *f, uint8_t *dst);

#endif
