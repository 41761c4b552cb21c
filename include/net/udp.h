/* SPDX-License-Identifier: GPL-2.0-only */
/* A UDP socket that tells and sets the local address of each datagram (PKTINFO). Wildcard bound,
 * never connected. Thread: one. */
#ifndef BRAID_NET_UDP_H
#define BRAID_NET_UDP_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct udp_meta {
	struct udp_addr local, remote;
	uint32_t ifindex; /* arrival device; on sending 0 leaves it to routing */
};

/* family 4 or 6 (IPv6 only). Non-blocking, close-on-exec. 0 or -errno. */
int udp_open(uint8_t family, uint16_t port, int *ret_fd);
/* What it sends and gets is in clear text, whatever policies the kernel has (XFRM). 0 or -errno. */
int udp_bypass(int fd, uint8_t family);
/* Octets received, -EAGAIN, or -errno. Longer datagrams than cap: -EMSGSIZE, dropped. */
int udp_recv(int fd, uint16_t local_port, void *buf, size_t cap, struct udp_meta *ret_meta);
/* From meta->local's address out of meta->ifindex. 0 or -errno. */
int udp_send(int fd, const struct udp_meta *meta, const void *buf, size_t len);

#endif
