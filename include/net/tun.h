/* SPDX-License-Identifier: GPL-2.0-only */
/* A multi-queue TUN device that hands over super-packets: one queue per packet thread, each packet
 * preceded by a virtio header. Checksums and segmentation are left to the reader.
 * Thread: open and close by one; each queue belongs to one thread.
 */
#ifndef BRAID_NET_TUN_H
#define BRAID_NET_TUN_H

#include <stdbool.h>
#include <stddef.h>

enum { TUN_QUEUES_MAX = 16 };

struct tun {
	char name[16];
	int n_queues;
	int fd[TUN_QUEUES_MAX]; /* non-blocking */
	bool uso;		/* UDP super-packets too */
};

/* Create the device, set its MTU, limit super-packets to gso_octets and gso_segs (so that one read
 * fits one UDP GSO send), and bring it up. 0 or -errno with a sentence (base/explain.h); nothing is
 * left open on failure. */
int tun_open(struct tun *t, const char *name, int queues, unsigned mtu, unsigned gso_octets,
	     unsigned gso_segs, char *ret_why, size_t why_len);
void tun_close(struct tun *t);

#endif
