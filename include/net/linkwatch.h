/* SPDX-License-Identifier: GPL-2.0-only */
/* Only what is lost: interfaces that go away or lose their link, addresses that are removed. For a
 * process that must know at once and needs no more; rtnl.h is for those who follow everything.
 * Messages that the kernel could not queue are lost. Thread: the owner's. */
#ifndef BRAID_NET_LINKWATCH_H
#define BRAID_NET_LINKWATCH_H

#include <stdint.h>

#include "base/addr.h"

/* A non-blocking descriptor, or -errno. No capability is needed. */
int linkwatch_open(void);
/* Read what has come, a bounded number of messages. local is NULL when all of the interface is
 * lost. */
void linkwatch_read(int fd, void (*lost)(void *ctx, uint32_t ifindex, const struct addr *local),
		    void *ctx);

#endif
