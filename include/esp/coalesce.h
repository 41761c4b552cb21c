/* SPDX-License-Identifier: GPL-2.0-only */
/* The reverse of segment.h: inner packets decrypted from one batch become super-packets for one
 * write to the TUN device each. Nothing is copied: a super-packet is a list of pieces.
 *
 * Only packets whose transport checksum was verified are joined (the kernel is told that the
 * checksum is still to be made, and will not look again), or whose ICV was made by the host that
 * made the checksum: nothing in between can have changed them, and nobody looks again, as with the
 * kernel's own ESP. Of these only such as the kernel's own GRO would join; everything else passes
 * as it is. Order within a flow is kept. Packets must stay where they are until coalesce_flush.
 * Thread: the caller's; no allocation, no I/O.
 */
#ifndef BRAID_ESP_COALESCE_H
#define BRAID_ESP_COALESCE_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct inner;

enum { COALESCE_FLOWS = 4, COALESCE_SEGS = 128 };

/* Receives one packet: pieces[0] is the virtio header, pieces[1] starts with the IP header. */
typedef void coalesce_emit(void *ctx, const struct iovec *pieces, int n, size_t packets);

struct coalesce_super {
	uint8_t *pkt; /* first packet; NULL: unused */
	size_t len, hdr_len, l4_off, gso_size;
	uint32_t next_seq; /* TCP */
	uint16_t next_id;  /* IPv4 without DF */
	uint8_t family, proto;
	bool closed; /* last segment was short or had PSH */
	bool sound;  /* nobody needs to look at the first one's checksum, should it stay alone */
	int n;	     /* packets; pieces in use: n + 1 */
	struct virtio_net_hdr vh;
	struct iovec piece[1 + COALESCE_SEGS];
};

struct coalesce {
	coalesce_emit *emit;
	void *ctx;
	bool uso; /* the TUN device takes UDP super-packets */
	unsigned next_victim;
	struct coalesce_super flow[COALESCE_FLOWS];
};

void coalesce_init(struct coalesce *c, bool uso, coalesce_emit *emit, void *ctx);
/* Take one packet of in->len octets; pkt is borrowed and may be changed until coalesce_flush.
 * sound: its ICV was made where its checksum was. */
void coalesce_add(struct coalesce *c, uint8_t *pkt, const struct inner *in, bool sound);
void coalesce_flush(struct coalesce *c);

#endif
