/* SPDX-License-Identifier: GPL-2.0-only */
/* A super-packet from the TUN device (one IP packet of up to 64 KB with a virtio header that says
 * how to cut it) becomes the inner packets that travel: headers and checksums made per segment,
 * each written once, to the place where it is encrypted.
 *
 * TCP over IPv4 and IPv6 (TSO), UDP over both (USO), and plain packets whose checksum is left to
 * us. Thread: the caller's; no allocation, no I/O.
 */
#ifndef BRAID_ESP_SEGMENT_H
#define BRAID_ESP_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "esp/flow.h"

struct virtio_net_hdr;

/* VIRTIO_NET_HDR_GSO_UDP_L4, younger than the headers we build with. */
enum { VNET_GSO_UDP_L4 = 5 };

struct segment {
	const uint8_t *pkt, *payload; /* borrowed */
	size_t hdr_len;		      /* octets of all headers, repeated in each segment */
	size_t l4_off, left;	      /* octets; payload still to be sent */
	size_t size;		      /* payload octets of each segment but the last */
	uint32_t count, next;	      /* segments in all; index of the next one */
	uint32_t tcp_seq;
	uint16_t ip_id;
	uint8_t family, proto;
	bool bare;	 /* without the IP header */
	uint64_t pseudo; /* checksum of addresses and protocol */
	struct inner in; /* of the whole */
};

/* Look at one packet and prepare for cutting it. The packet is changed when it is not to be cut and
 * its checksum was left to us. Returns 0; -EBADMSG if header and packet do not fit together. */
int segment_init(struct segment *s, const struct virtio_net_hdr *vh, uint8_t *pkt, size_t len);

/* Octets of the largest segment: all but the last have this length. */
static inline size_t segment_max(const struct segment *s)
{
	return s->hdr_len + s->size;
}

/* Cut a TCP super-packet, before the first segment is taken, into packets of at most max octets.
 * False: max has no room for data. */
bool segment_resize(struct segment *s, size_t max);

/* Leave off that much at the front of every packet: an IP header with what belongs to it. Before
 * the first segment is taken. */
void segment_bare(struct segment *s, size_t octets);

/* Write the next inner packet to dst, which has room for segment_max. Returns its length, 0 after
 * the last one. */
size_t segment_next(struct segment *s, uint8_t *dst);

#endif
