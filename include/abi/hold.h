/* SPDX-License-Identifier: GPL-2.0-only */
/* Packets of ESP that wait in the agent for an SA of the kernel's: what BPF programs and user space
 * share. Maps: `awaited`, hash, key __u32 SPI in host order, value __u32 1; `held`, ring buffer of
 * struct hold_packet.
 */
#ifndef BRAID_ABI_HOLD_H
#define BRAID_ABI_HOLD_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

enum {
	HOLD_SPIS_MAX = 4096,
	HOLD_PACKET_OCTETS = 2048,
	HOLD_RING = 1 << 19, /* some 250 packets; a power of two */
};

struct hold_packet {
	__u64 arrived_nsec; /* CLOCK_MONOTONIC, by ticks */
	__u32 spi;	    /* host order */
	__u16 len;	    /* of octets */
	__u8 tos;	    /* of the outer header: DSCP and ECN */
	__u8 pad;
	__u8 octets[HOLD_PACKET_OCTETS]; /* from the ESP header on */
};

#endif
