/* SPDX-License-Identifier: GPL-2.0-only */
/* The mark of a packet before the kernel's ESP: class, flow slot, and the line of IKE SAs whose SA
 * is to carry it where several have SAs with the same selectors. The path is chosen as steer_tc
 * will choose it (abi/pick.h); it belongs to a line, and policies for that line's mark lead to its
 * SA. What has no such policy goes by the one for all: a mark never decides whether, only by which.
 */
#ifndef BRAID_BPF_LINES_H
#define BRAID_BPF_LINES_H

#include "classify.h"
#include "path.h"
#include "abi/lines.h"

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, LINE_REMOTES_MAX);
	__type(key, struct line_prefix);
	__type(value, struct line_group);
} line_remote SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, LINE_SPIS_MAX);
	__type(key, __be32);
	__type(value, __u32);
} line_spi SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LINE_REPLIES);
	__type(key, __u32);
	__type(value, __u64);
} line_reply SEC(".maps");

/* Set at load: a kernel without XFRM does not know the function. */
const volatile bool lines_knows_xfrm = false;

/* ---- on the way out ---- */

static __always_inline struct line_group *line_group_of(const struct classify_packet *p)
{
	struct line_prefix key = { .bits = 128 };

	if (p->family == 4) {
		key.addr[10] = key.addr[11] = 0xff;
		__builtin_memcpy(key.addr + 12, p->remote, 4);
	} else {
		__builtin_memcpy(key.addr, p->remote, 16);
	}
	return bpf_map_lookup_elem(&line_remote, &key);
}

/* The line that this flow came by; 0: not known. */
static __always_inline __u32 line_replied(__u64 flow)
{
	__u32 place = LINE_PLACE(flow);
	const __u64 *at = bpf_map_lookup_elem(&line_reply, &place);
	__u64 is = at ? *(volatile __u64 *)at : 0;

	return LINE_REPLY_TAG(is) == LINE_TAG(flow) ? LINE_REPLY_LINE(is) : 0;
}

static __noinline __u32 line_slot_of(struct steer_group *g, __u32 line, __u32 flow_slot)
{
	return g ? line_slot(g, line, flow_slot, path_word, 0) : flow_slot;
}

static __noinline __u32 line_of_slot(struct steer_group *g, __u32 flow_slot)
{
	__u64 pick;

	if (!g)
		return 0;
	pick = pick_own(g, flow_slot, path_word, 0);
	return line_of_path(g, PICK_PATH(pick ? pick : path_fallback(g, flow_slot)));
}

static __always_inline __u32 lines_mark(const struct classify_packet *p, __u64 flow, __u32 klass)
{
	const struct line_group *to = line_group_of(p);
	__u32 slot = CLASSIFY_SLOT(flow), line = 0;
	struct steer_group *g;

	if (to) {
		g = group_of(to->group, klass);
		if (to->flags & LINE_FOLLOWS)
			line = line_replied(flow);
		if (line)
			slot = line_slot_of(g, line, slot);
		line = line_of_slot(g, slot);
	}
	return STEER_MARK(klass, slot, line);
}

/* Class, flow slot and line of a packet, which is counted for its rule. What is no packet of IP is
 * of class 0 and slot 0. */
static __always_inline __u32 classify_marked(struct __sk_buff *skb)
{
	struct classify_packet p = { .mark = skb->mark };
	const struct classify_cur *cur = classify_now();
	__u32 slot, rule = CLASSIFY_NO_RULE, klass = 0;
	const struct classify_table *t;
	bool known;

	if (!cur)
		return 0;
	known = classify_parse(skb, classify_l3, &p);
	t = classify_table_of(cur, &slot);
	if (t) {
		if (known && t->n_rules)
			rule = classify_rule_of(skb, t, &p, &klass);
		classify_count(skb, slot, rule);
	}
	return known ? lines_mark(&p, classify_flow(&p, cur->seed), klass) : 0;
}

/* ---- on the way in: what answers it will look for ---- */

static __always_inline void classify_turn(struct classify_packet *p)
{
	__u16 port = p->local_port;
	__u8 addr[16];

	__builtin_memcpy(addr, p->local, 16);
	__builtin_memcpy(p->local, p->remote, 16);
	__builtin_memcpy(p->remote, addr, 16);
	p->local_port = p->remote_port;
	p->remote_port = port;
}

static __always_inline void line_heard(__u64 flow, __u32 line)
{
	enum { TICK_SHIFT = 27 }; /* 134 ms */
	__u32 place = LINE_PLACE(flow);
	__u64 *at = bpf_map_lookup_elem(&line_reply, &place);
	__u64 is = LINE_REPLY(LINE_TAG(flow), bpf_ktime_get_coarse_ns() >> TICK_SHIFT, line), had;

	had = at ? *(volatile __u64 *)at : is;
	if (at && had != is && !line_reply_stays(had, is))
		*(volatile __u64 *)at = is;
}

/* Of a packet that XFRM has just decrypted. */
static __always_inline void lines_look(struct __sk_buff *skb)
{
	const struct classify_cur *cur = classify_now();
	struct classify_packet p = { 0 };
	struct bpf_xfrm_state x = { 0 };
	const __u32 *line;

	if (!cur || !lines_knows_xfrm || bpf_skb_get_xfrm_state(skb, 0, &x, sizeof(x), 0))
		return;
	line = bpf_map_lookup_elem(&line_spi, &x.spi);
	if (!line || !classify_parse(skb, CLASSIFY_ANYWHERE, &p))
		return;
	classify_turn(&p);
	line_heard(classify_flow(&p, cur->seed), *line);
}

#endif
