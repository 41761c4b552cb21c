/* SPDX-License-Identifier: GPL-2.0-only */
/* Transport mode (RFC 4303 3.1.1): an ESP packet carries what follows the IP header, and the header
 * around it is that of the path. So the addresses of a packet are not on the wire: the receiver
 * writes those of the SA's selectors into the header it makes, whatever path the packet came by.
 * With the addresses of the hosts that is transport mode as everybody does it; with any other pair
 * that both ends agreed upon, applications keep theirs while the paths change (the idea of BEET,
 * draft-nikander-esp-beet-mode).
 *
 * What the outer header does not carry is lost: Hop Limit is 64 at the other end; IPv4 options,
 * extension headers before ESP and fragments (RFC 4303 3.3.4: whole datagrams only) are refused.
 * Thread: any; no allocation, no I/O.
 */
#ifndef BRAID_ESP_TRANSPORT_H
#define BRAID_ESP_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct addr;
struct engine_ts;
struct inner;

/* What the packets of an SA have that come in. */
struct transport {
	uint8_t family; /* 0: tunnel mode */
	bool many;	/* several addresses on a side: a packet has those of the path it came by */
	uint8_t src[16], dst[16]; /* the peer's and ours, as the local stack knows them */
	/* RFC 3948 3.1.2: what the checksums of TCP and UDP lack if the peer knows its own address
	 * or ours by another name; a sum of 16-bit words as they stand in memory */
	uint16_t repair;
};

enum { TRANSPORT_HEADER_MAX = 40 };

/* From selectors, of single addresses. With one on each side, told: what the peer takes them for;
 * family 0: the same. 0 or -EINVAL. */
int transport_init(const struct engine_ts *local, uint8_t n_local, const struct engine_ts *remote,
		   uint8_t n_remote, const struct addr *told_local, const struct addr *told_remote,
		   struct transport *ret_t);
/* For a packet that came from there to here. */
struct transport transport_between(const struct addr *local, const struct addr *remote);

/* Octets of the IP header of its packets. */
static inline size_t transport_header_len(const struct transport *t)
{
	return t->family == 4 ? 20 : 40;
}

/* Can this packet be carried? *ret_off: octets that stay behind; *ret_nh: what begins there. */
bool transport_carries(const uint8_t *pkt, const struct inner *in, size_t *ret_off,
		       uint8_t *ret_nh);

/* Was this packet made with these addresses, by its checksum? False also if it has none. */
bool transport_fits(const struct transport *t, uint8_t nh, const uint8_t *text, size_t len);

/* The header of a packet that came in, before its len octets at text, and the checksum repaired.
 * There is room for transport_header_len before text. False: no such packet exists. */
bool transport_header(const struct transport *t, uint8_t nh, uint8_t tos, uint8_t *text,
		      size_t len);

#endif
