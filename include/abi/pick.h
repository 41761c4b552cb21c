/* SPDX-License-Identifier: GPL-2.0-only */
/* Which path of a group a flow slot takes: one answer for the steering programs and for the engine,
 * which chooses an SA by it before there is a packet to steer.
 *
 * Both read the words of path_cur in ways of their own, hence the callback; the steering programs
 * have the rare half in a function of its own, hence two of them:
 *
 *	pick = pick_own(g, slot, word, ctx) ?: pick_fallback(g, slot, word, ctx)
 *
 * A path's word is read once per look: it holds the slot of the record and the state. The answer is
 * for the moment: a state may change before the packet leaves, and what is asked later counts.
 */
#ifndef BRAID_ABI_PICK_H
#define BRAID_ABI_PICK_H

#ifndef __VMLINUX_H__
#include <stdbool.h>
#endif

#include "abi/steer.h"

/* The verifier knows no function pointers: there has to be none left. */
#define PICK_INLINE static inline __attribute__((always_inline))

/* Word of a path in path_cur; 0: no such path. */
typedef __u32 pick_word_fn(const void *ctx, __u32 path_id);

/* A path id with its word, or 0: none. */
#define PICK(path_id, word) ((__u64)(path_id) << 32 | (word))
#define PICK_PATH(pick)	    ((__u32)((pick) >> 32))
#define PICK_WORD(pick)	    ((__u32)(pick))

PICK_INLINE __u32 pick_state(__u32 word)
{
	return ((union steer_path_word){ .word = word }).cur.state;
}

/* The n-th (from 0, modulo their number) set bit of an 8-bit mask. */
PICK_INLINE __u32 pick_bit(__u32 mask, __u32 n)
{
	__u32 count = 0, left;

#pragma GCC unroll 8
	for (int i = 0; i < STEER_MEMBERS_MAX; i++)
		count += (mask >> i) & 1;
	left = n % (count ? count : 1);
#pragma GCC unroll 8
	for (__u32 i = 0; i < STEER_MEMBERS_MAX; i++) {
		if (!((mask >> i) & 1))
			continue;
		if (!left)
			return i;
		left--;
	}
	return 0;
}

/* Classes of members that may stand in, best first; a standby (weight 0) is one worse. A table that
 * is shifted and not a chain of comparisons: the verifier would follow every combination. */
enum { PICK_UP = 0, PICK_DEGRADED = 2, PICK_UNKNOWN = 4, PICK_NONE = 6 };

PICK_INLINE __u32 pick_class(__u32 state)
{
	const __u32 classes = 0x66600000u | (__u32)PICK_NONE << 4 * STEER_PATH_DISABLED |
			      PICK_NONE << 4 * STEER_PATH_DOWN |
			      PICK_DEGRADED << 4 * STEER_PATH_DEGRADED |
			      PICK_UP << 4 * STEER_PATH_UP |
			      PICK_UNKNOWN << 4 * STEER_PATH_UNKNOWN; /* the rest are none */

	return classes >> 4 * (state & 7) & 6;
}

/* The slot's own member, if it is up. */
PICK_INLINE __u64 pick_own(const struct steer_group *g, __u32 flow_slot, pick_word_fn *read,
			   const void *ctx)
{
	__u32 id = g->flow[flow_slot & (STEER_FLOW_SLOTS - 1)];
	__u32 word = read(ctx, id);

	/* no path, 0, is not up either */
	return pick_state(word) == STEER_PATH_UP ? PICK(id, word) : 0;
}

/* Where one member is to carry all flows, the first that can. */
PICK_INLINE bool pick_is_one(const struct steer_group *g)
{
	return g->mode == STEER_MODE_ACTIVE_STANDBY || g->mode == STEER_MODE_REDUNDANT;
}

/* It is not: spread its flows over the best of the others. Standbys come after members with a
 * weight, degraded ones after those that are up, paths nothing is known about last. A brown-out of
 * all moves nothing. */
PICK_INLINE __u64 pick_fallback(const struct steer_group *g, __u32 flow_slot, pick_word_fn *read,
				const void *ctx)
{
	__u64 members = 0; /* a mask in an octet for each class */
	__u32 own, own_word, mask, m;

#pragma GCC unroll 8
	for (__u32 i = 0; i < STEER_MEMBERS_MAX; i++) {
		__u32 word = i < g->n_members ? read(ctx, g->path[i]) : 0;

		if (word)
			members |= 1ull << (8 * pick_class(pick_state(word)) +
					    (g->weight[i] ? 0 : 8) + i);
	}
	own = g->flow[flow_slot & (STEER_FLOW_SLOTS - 1)];
	own_word = read(ctx, own);
	if (pick_state(own_word) == STEER_PATH_DEGRADED && !(members & 0xffff))
		return PICK(own, own_word);
	mask = members & 0xff ?: members >> 8 & 0xff;
	mask = mask ?: members >> 16 & 0xff ?: members >> 24 & 0xff;
	mask = mask ?: (members >> 32 | members >> 40) & 0xff;
	if (!mask)
		return 0;
	m = pick_bit(mask, pick_is_one(g) ? 0 : flow_slot);
	own = g->path[m & (STEER_MEMBERS_MAX - 1)];
	return PICK(own, read(ctx, own));
}

/* REDUNDANT: does a copy go by that member, which is not the one of the packet itself? Those that
 * are up come first, then those that are degraded. Its path id with its word, or 0. */
PICK_INLINE __u64 pick_copy(const struct steer_group *g, __u32 member, __u32 path_id,
			    enum steer_path_state state, pick_word_fn *read, const void *ctx)
{
	__u32 id = g->path[member & (STEER_MEMBERS_MAX - 1)], word;

	if (id == path_id || !g->weight[member & (STEER_MEMBERS_MAX - 1)])
		return 0;
	word = read(ctx, id);
	return pick_state(word) == state ? PICK(id, word) : 0;
}

#endif
