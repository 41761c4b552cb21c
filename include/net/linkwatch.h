/* SPDX-License-Identifier: GPL-2.0-only */
/* Only what is lost: interfaces that go away or lose their link, addresses that are removed. For a
 * process that must know at once and needs no more; rtnl.h is for those who follow everything.
 * Where messages were lost it is told, and looks what is still there. Thread: the owner's. */
#ifndef BRAID_NET_LINKWATCH_H
#define BRAID_NET_LINKWATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct linkwatch {
	int fd;	    /* non-blocking; to poll for reading */
	int ask_fd; /* for asking what is there */
};

/* Links that are up, with no address; addresses, with their link and with no link; in order. */
struct linkwatch_item {
	uint32_t ifindex;
	struct addr local;
};
struct linkwatch_here {
	struct linkwatch_item *item; /* owned */
	size_t n;
};

/* 0 or -errno. No capability is needed. */
int linkwatch_open(struct linkwatch *ret_watch);
void linkwatch_close(struct linkwatch *w);
/* Read what has come, a bounded number of messages. local is NULL when all of the interface is
 * lost; an address is lost when the interface has it with no other prefix. Returns -ENOBUFS when
 * the kernel could not queue all of it: then look. */
int linkwatch_read(struct linkwatch *w,
		   void (*lost)(void *ctx, uint32_t ifindex, const struct addr *local), void *ctx);
/* All links and addresses, in ret_here, which the caller clears. 0, -EAGAIN (they keep changing:
 * try again), -errno. */
int linkwatch_look(struct linkwatch *w, struct linkwatch_here *ret_here);
void linkwatch_here_clear(struct linkwatch_here *here);
/* Is the link up, and the address there, on whatever link? One may receive for another's. */
bool linkwatch_is_here(const struct linkwatch_here *here, uint32_t ifindex,
		       const struct addr *local);

#endif
