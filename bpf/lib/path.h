/* SPDX-License-Identifier: GPL-2.0-only */
/* Outbound: mark -> SA -> group of the class -> member (abi/pick.h) -> path record. */
#ifndef BRAID_BPF_PATH_H
#define BRAID_BPF_PATH_H

#include "drop.h"
#include "maps.h"
#include "wrap.h"
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

static __always_inline __u32 group_slot(__u32 id)
{
	struct steer_group_cur *cur = bpf_map_lookup_elem(&group_cur, &id);

	return cur ? *(volatile __u32 *)&cur->slot : 0;
}

/* The class's record; class 0's where it has none. */
static __always_inline struct steer_group *group_of(__u32 id, __u32 klass)
{
	__u32 slot = group_slot(STEER_GROUP_OF(id, klass));

	if (!slot && klass)
		slot = group_slot(id);
	return slot ? bpf_map_lookup_elem(&group, &slot) : 0;
}

/* What the mark asks for -> path record; NULL with *ret_why set. *ret_copied: the group, where
 * copies are to go over others of its paths. *ret_flags: of the SA. */
static __always_inline struct steer_path *path_of_mark(__u32 mark, struct steer_group **ret_copied,
						       __u32 *ret_flags, enum drop_reason *ret_why)
{
	__u32 index = STEER_MARK_INDEX(mark), word;
	struct steer_sa_out *sa;
	struct steer_group *g;

	*ret_copied = 0;
	*ret_flags = 0;
	*ret_why = DROP_NO_MARK;
	if (!index)
		return 0;
	if (STEER_MARK_KIND(mark) == STEER_MARK_KIND_PATH) {
		*ret_why = DROP_NO_PATH;
		*ret_flags = STEER_MARK_SLOT(mark) & STEER_MARK_WRAPPED ? STEER_SA_WRAP : 0;
		word = path_word(0, index);
	} else {
		*ret_why = DROP_NO_SA;
		sa = bpf_map_lookup_elem(&sa_out, &index);
		if (!sa || !*(volatile __u32 *)&sa->sa_id)
			return 0;
		*ret_flags = sa->flags;
		*ret_why = DROP_NO_GROUP;
		g = group_of(sa->group, STEER_MARK_CLASS(mark));
		if (!g)
			return 0;
		*ret_why = DROP_NO_PATH;
		word = PICK_WORD(pick_own(g, STEER_MARK_SLOT(mark), path_word, 0));
		if (!word)
			word = PICK_WORD(path_fallback(g, STEER_MARK_SLOT(mark)));
		if (g->mode == STEER_MODE_REDUNDANT && g->copies > 1)
			*ret_copied = g;
	}
	return word ? path_record(word) : 0;
}

/* What nearly all marks ask for, of kind 0 to 6: an SA's path, which is up, and no other. NULL:
 * path_of_mark knows. */
static __always_inline struct steer_path *path_plain(__u32 mark, __u32 *ret_flags)
{
	__u32 index = STEER_MARK_INDEX(mark), word;
	struct steer_sa_out *sa;
	struct steer_group *g;

	sa = bpf_map_lookup_elem(&sa_out, &index);
	if (!sa || !*(volatile __u32 *)&sa->sa_id)
		return 0;
	*ret_flags = sa->flags;
	g = group_of(sa->group, STEER_MARK_KIND(mark));
	if (!g || g->mode == STEER_MODE_REDUNDANT)
		return 0;
	word = PICK_WORD(pick_own(g, STEER_MARK_SLOT(mark), path_word, 0));
	return word ? path_record(word) : 0;
}

#endif
