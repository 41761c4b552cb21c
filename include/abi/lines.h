/* SPDX-License-Identifier: GPL-2.0-only */
/* Where ESP is the kernel's and several lines of IKE SAs have SAs with the same selectors (RFC
 * 7791): what the classifier needs to say which line's SA carries a packet, and what it remembers
 * of flows, as the engine does, too (esp/replies.h).
 *
 * Maps: line_remote, a trie, which prefixes of remote addresses such SAs have, for the group of one
 * of them, all of which have the same paths and lines; line_spi, a hash, the line of an inbound SPI
 * whose flows are to be remembered; line_reply, an array, the flows.
 */
#ifndef BRAID_ABI_LINES_H
#define BRAID_ABI_LINES_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#include "abi/pick.h"

enum {
	LINE_REMOTES_MAX = 1 << 18,
	LINE_SPIS_MAX = 1 << 17,
	LINE_REPLIES = 1 << 14, /* flows */
	LINE_BITS4 = 96,	/* ::ffff:0:0/96, in which IPv4 stands */
};

/* line_remote: key as tries want it. */
struct line_prefix {
	__u32 bits;
	__u8 addr[16];
};

enum line_flags {
	LINE_FOLLOWS = 1 << 0, /* what answers a flow goes by the line the flow came by */
};

struct line_group {
	__u32 group; /* id of class 0 */
	__u32 flags; /* enum line_flags */
};

/* A flow, as a number, has a place, where what tells it from others there stands beside the line
 * it came by and when. From the lowest bit: line, 32; when, 16, in ticks; tag, 16. 0: none. */
#define LINE_REPLY(tag, tick, line)                                                                \
	((__u64)(__u16)(tag) << 48 | (__u64)(__u16)(tick) << 32 | (line))
#define LINE_REPLY_LINE(e) ((__u32)(e))
#define LINE_REPLY_TICK(e) ((__u16)((e) >> 32))
#define LINE_REPLY_TAG(e)  ((__u16)((e) >> 48))
#define LINE_PLACE(flow)   ((__u32)((flow) >> 32) % LINE_REPLIES)
#define LINE_TAG(flow)	   ((__u16)((flow) >> 16))

enum { LINE_KEEP_TICKS = 8 }; /* about a second */

/* A flow in another one's place gets it when nothing of that one has come for a while. */
static inline bool line_reply_stays(__u64 had, __u64 is)
{
	return LINE_REPLY_LINE(had) && LINE_REPLY_TAG(had) != LINE_REPLY_TAG(is) &&
	       (__u16)(LINE_REPLY_TICK(is) - LINE_REPLY_TICK(had)) < LINE_KEEP_TICKS;
}

/* Whose path of a group that is; 0: nobody's. */
PICK_INLINE __u32 line_of_path(const struct steer_group *g, __u32 path_id)
{
	__u32 line = 0;

	for (__u32 i = 0; i < STEER_MEMBERS_MAX && i < g->n_members; i++)
		if (g->path[i] == path_id)
			line = g->line[i];
	return line;
}

/* The flow slot nearest behind that one whose packets a line's path carries; that one, if there is
 * none or the path is not up. */
PICK_INLINE __u32 line_slot(const struct steer_group *g, __u32 line, __u32 flow_slot,
			    pick_word_fn *read, const void *ctx)
{
	__u32 path = 0;

	for (__u32 i = 0; i < STEER_MEMBERS_MAX && i < g->n_members; i++)
		if (STEER_LINE(g->line[i]) == STEER_LINE(line) && g->weight[i])
			path = g->path[i];
	if (!path || pick_state(read(ctx, path)) != STEER_PATH_UP)
		return flow_slot;
	for (__u32 i = 0; i < STEER_FLOW_SLOTS; i++) {
		__u32 slot = (flow_slot + i) & (STEER_FLOW_SLOTS - 1);

		if (g->flow[slot] == path)
			return slot;
	}
	return flow_slot;
}

#endif
