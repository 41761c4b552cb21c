/* SPDX-License-Identifier: GPL-2.0-only */
/* Outbound: mark -> SA -> group -> member (abi/pick.h) -> path record. */
#ifndef BRAID_BPF_PATH_H
#define BRAID_BPF_PATH_H

#include "drop.h"
#include "maps.h"
#include "abi/pick.h"

static __always_inline __u32 path_word(const void *ctx, __u32 id)
{
	struct steer_path_cur *cur = bpf_map_lookup_elem(&path_cur, &id);

	(void)ctx;
	return cur ? *(volatile __u32 *)cur : 0;
}

static __always_inline struct steer_path *path_record(__u32 word)
{
	__u32 slot = ((union steer_path_word){ .word = word }).cur.slot;

	return bpf_map_lookup_elem(&path, &slot);
}

static __noinline __u64 path_fallback(struct steer_group *g, __u32 flow_slot)
{
	return g ? pick_fallback(g, flow_slot, path_word, 0) : 0;
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
	*ret_why = DROP_NO_PATH;
	word = PICK_WORD(pick_own(g, flow_slot, path_word, 0));
	return word ? word : PICK_WORD(path_fallback(g, flow_slot));
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
		word = path_word(0, index);
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
