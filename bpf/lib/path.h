/* SPDX-License-Identifier: GPL-2.0-only */
/* Outbound: mark -> SA -> group -> member -> path record.
 *
 * A path's one word (path_cur) is read once per look: it holds the slot of the record and the
 * state.
 */
#ifndef BRAID_BPF_PATH_H
#define BRAID_BPF_PATH_H

#include "drop.h"
#include "maps.h"

static __always_inline __u32 path_word(__u32 id)
{
	struct steer_path_cur *cur = bpf_map_lookup_elem(&path_cur, &id);

	return cur ? *(volatile __u32 *)cur : 0;
}

static __always_inline __u32 path_word_state(__u32 word)
{
	return ((union steer_path_word){ .word = word }).cur.state;
}

/* No path, 0, is not up either. */
static __always_inline bool path_up(__u32 word)
{
	return path_word_state(word) == STEER_PATH_UP;
}

static __always_inline struct steer_path *path_record(__u32 word)
{
	__u32 slot = ((union steer_path_word){ .word = word }).cur.slot;

	return bpf_map_lookup_elem(&path, &slot);
}

/* The n-th (from 0, modulo their number) set bit of an 8-bit mask. */
static __always_inline __u32 path_pick(__u32 mask, __u32 n)
{
	__u32 count = 0, left;

#pragma unroll
	for (int i = 0; i < STEER_MEMBERS_MAX; i++)
		count += (mask >> i) & 1;
	left = n % (count ? count : 1);
#pragma unroll
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
enum { CLASS_UP = 0, CLASS_DEGRADED = 2, CLASS_UNKNOWN = 4, CLASS_NONE = 6 };

static __always_inline __u32 path_class(__u32 state)
{
	const __u32 classes = 0x66600000u | (__u32)CLASS_NONE << 4 * STEER_PATH_DISABLED |
			      CLASS_NONE << 4 * STEER_PATH_DOWN |
			      CLASS_DEGRADED << 4 * STEER_PATH_DEGRADED |
			      CLASS_UP << 4 * STEER_PATH_UP |
			      CLASS_UNKNOWN << 4 * STEER_PATH_UNKNOWN; /* the rest are none */

	return classes >> 4 * (state & 7) & 6;
}

/* The slot's own member is not up: spread its flows over the best of the others. Standbys come
 * after members with a weight, degraded ones after those that are up, paths nothing is known about
 * last. A brown-out of all moves nothing. */
static __noinline __u32 path_fallback(struct steer_group *g, __u32 flow_slot)
{
	__u64 members = 0; /* a mask in an octet for each class */
	__u32 own, mask, m;

	if (!g)
		return 0;
#pragma unroll
	for (__u32 i = 0; i < STEER_MEMBERS_MAX; i++) {
		__u32 word = i < g->n_members ? path_word(g->path[i]) : 0;

		if (word)
			members |= 1ull << (8 * path_class(path_word_state(word)) +
					    (g->weight[i] ? 0 : 8) + i);
	}
	own = path_word(g->flow[flow_slot & (STEER_FLOW_SLOTS - 1)]);
	if (path_word_state(own) == STEER_PATH_DEGRADED && !(members & 0xffff))
		return own;
	mask = members & 0xff ?: members >> 8 & 0xff;
	mask = mask ?: members >> 16 & 0xff ?: members >> 24 & 0xff;
	mask = mask ?: (members >> 32 | members >> 40) & 0xff;
	if (!mask)
		return 0;
	m = path_pick(mask, g->mode == STEER_MODE_ACTIVE_STANDBY ? 0 : flow_slot);
	return path_word(g->path[m & (STEER_MEMBERS_MAX - 1)]);
}

/* Group and flow slot -> word of the path to take, 0 with *ret_why set. */
static __always_inline __u32 path_of_group(__u32 group_id, __u32 flow_slot,
					   enum drop_reason *ret_why)
{
	struct steer_group_cur *cur = bpf_map_lookup_elem(&group_cur, &group_id);
	__u32 slot = cur ? *(volatile __u32 *)&cur->slot : 0;
	struct steer_group *g;
	__u32 word;

	*ret_why = DROP_NO_GROUP;
	if (!slot)
		return 0;
	g = bpf_map_lookup_elem(&group, &slot);
	if (!g)
		return 0;
	word = path_word(g->flow[flow_slot & (STEER_FLOW_SLOTS - 1)]);
	if (path_up(word))
		return word;
	*ret_why = DROP_NO_PATH;
	return path_fallback(g, flow_slot);
}

/* What the mark asks for -> path record; NULL with *ret_why set. */
static __always_inline struct steer_path *path_of_mark(__u32 mark, enum drop_reason *ret_why)
{
	__u32 index = STEER_MARK_INDEX(mark), word;
	struct steer_sa_out *sa;

	*ret_why = DROP_NO_MARK;
	if (!index)
		return 0;
	if (STEER_MARK_KIND(mark) == STEER_MARK_KIND_PATH) {
		*ret_why = DROP_NO_PATH;
		word = path_word(index);
	} else {
		*ret_why = DROP_NO_SA;
		sa = bpf_map_lookup_elem(&sa_out, &index);
		if (!sa || !*(volatile __u32 *)&sa->sa_id)
			return 0;
		word = path_of_group(sa->group, STEER_MARK_SLOT(mark), ret_why);
	}
	return word ? path_record(word) : 0;
}

#endif
