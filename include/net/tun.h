/* SPDX-License-Identifier: GPL-2.0-only */
/* A multi-queue TUN device that hands over super-packets: queues for packet threads, each packet
 * preceded by a virtio header. Checksums and segmentation are left to the reader.
 * Thread: open and close by one; each queue belongs to one thread.
 */
#ifndef BRAID_NET_TUN_H
#define BRAID_NET_TUN_H

#include <stdbool.h>
#include <stddef.h>

enum { TUN_QUEUES_MAX = 128 };

struct tun {
	char name[16];
	int n_queues; /* that packets go to */
	int n_idle;   /* behind them: for tun_steer, nothing may be done with them before */
	int fd[TUN_QUEUES_MAX]; /* non-blocking */
	bool uso;		/* UDP super-packets too */
};

/* Create the device, set its MTU, limit super-packets to gso_octets and gso_segs (so that one read
 * fits one UDP GSO send), and bring it up. 0 or -errno with a sentence (base/explain.h); nothing is
 * left open on failure. */
int tun_open(struct tun *t, const char *name, int queues, int idle, unsigned mtu,
	     unsigned gso_octets, unsigned gso_segs, char *ret_why, size_t why_len);
/* From now on that program (a socket filter) says to which queue a packet goes, and all queues are
 * used; it has to name none of the idle ones while it is not told that they are. Again: another
 * program. Needs no capability. 0 or -errno with a sentence. */
int tun_steer(struct tun *t, int prog_fd, char *ret_why, size_t why_len);
void tun_close(struct tun *t);

#endif
