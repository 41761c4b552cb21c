/* SPDX-License-Identifier: GPL-2.0-only */
/* Everything the classifying programs do, as inline functions: what an inner packet is, which rule
 * it falls under, and its counters. Before encryption, where mark and cgroup are still known.
 */
#ifndef BRAID_BPF_CLASSIFY_H
#define BRAID_BPF_CLASSIFY_H

#include "vmlinux.h"
#include "abi/classify.h"
#include "abi/steer.h"
#include "lib/parse.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CLASSIFY_TABLES);
	__type(key, __u32);
	__type(value, struct classify_table);
} class_table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct classify_cur);
} class_cur SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, STEER_CLASSES);
	__type(key, __u32);
	__type(value, struct classify_name);
} class_name SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CLASSIFY_TABLES *(CLASSIFY_RULES_MAX + 1));
	__type(key, __u32); /* slot * (CLASSIFY_RULES_MAX + 1) + rule */
	__type(value, struct classify_stat);
} rule_stat SEC(".maps");

/* Set at load: a kernel without CONFIG_SOCK_CGROUP_DATA does not know the function. */
const volatile bool classify_knows_cgroups = true;

enum { CLASSIFY_EXT_MAX = 8 }; /* more extension headers than this: the next one is the protocol */

/* Where the IP header is in what a program at the inner device's egress is given. Set at load: of
 * another device than that, the length of its own header. */
const volatile __u32 classify_l3 = 0;

/* Not known where: behind XFRM the link layer's header of another device is still before it. */
#define CLASSIFY_ANYWHERE (~0u)

/* Offsets count from the IP header, which is at l3. What is not in the linear part takes the long
 * way. */
static __always_inline long classify_load(struct __sk_buff *skb, __u32 l3, __u32 off, void *to,
					  __u32 len)
{
	const void *from = CTX_LOAD(skb, data) + l3 + off;

	if (l3 == CLASSIFY_ANYWHERE || from + len > CTX_LOAD(skb, data_end))
		return bpf_skb_load_bytes_relative(skb, off, to, len, BPF_HDR_START_NET);
	__builtin_memcpy(to, __builtin_assume_aligned(from, 4), len);
	return 0;
}

/* ICMP has none. Too short for them: none. */
static __always_inline void classify_ports(struct __sk_buff *skb, __u32 l3, __u32 off,
					   struct classify_packet *p)
{
	__be16 port[2];

	if (p->protocol != IPPROTO_TCP && p->protocol != IPPROTO_UDP &&
	    p->protocol != IPPROTO_SCTP && p->protocol != IPPROTO_DCCP &&
	    p->protocol != IPPROTO_UDPLITE)
		return;
	if (classify_load(skb, l3, off, port, sizeof(port)))
		return;
	p->local_port = bpf_ntohs(port[0]);
	p->remote_port = bpf_ntohs(port[1]);
	p->has_ports = 1;
}

static __always_inline bool classify_parse4(struct __sk_buff *skb, __u32 l3,
					    struct classify_packet *p)
{
	enum { MF_OFFSET = 0x3fff };
	struct iphdr ip;

	if (classify_load(skb, l3, 0, &ip, sizeof(ip)) || ip.version != 4)
		return false;
	p->family = 4;
	p->protocol = ip.protocol;
	p->dscp = ip.tos >> 2;
	*(__u32 *)p->local = ip.saddr;
	*(__u32 *)p->remote = ip.daddr;
	if (!(ip.frag_off & bpf_htons(MF_OFFSET)))
		classify_ports(skb, l3, ip.ihl * 4, p);
	return true;
}

/* Steps over extension headers up to that of a fragment: what is behind it only the first one has,
 * and all of them are to be of one class. Returns where the transport header is; 0: it is a
 * fragment, or there is nothing. */
static __always_inline __u32 classify_extensions(struct __sk_buff *skb, __u32 l3,
						 struct classify_packet *p)
{
	enum { HOP = 0, ROUTING = 43, FRAGMENT = 44, DSTOPTS = 60 };
	__u32 off = sizeof(struct ipv6hdr);
	__u8 ext[4];

	for (int i = 0; i < CLASSIFY_EXT_MAX; i++) {
		bool cut = p->protocol == FRAGMENT;

		if (!cut && p->protocol != HOP && p->protocol != ROUTING && p->protocol != DSTOPTS)
			break;
		if (classify_load(skb, l3, off, ext, sizeof(ext)))
			return 0;
		p->protocol = ext[0];
		if (cut)
			return 0;
		off += 8 + ext[1] * 8;
	}
	return off;
}

static __always_inline bool classify_parse6(struct __sk_buff *skb, __u32 l3,
					    struct classify_packet *p)
{
	struct ipv6hdr ip;
	__u32 off;

	if (classify_load(skb, l3, 0, &ip, sizeof(ip)) || ip.version != 6)
		return false;
	p->family = 6;
	p->protocol = ip.nexthdr;
	p->dscp = (__u8)(ip.priority << 2 | ip.flow_lbl[0] >> 6);
	__builtin_memcpy(p->local, &ip.saddr, 16);
	__builtin_memcpy(p->remote, &ip.daddr, 16);
	off = classify_extensions(skb, l3, p);
	if (off)
		classify_ports(skb, l3, off, p);
	return true;
}

static __always_inline bool classify_parse(struct __sk_buff *skb, __u32 l3,
					   struct classify_packet *p)
{
	enum { IP = 0x0800, IPV6 = 0x86dd };

	if (skb->protocol == bpf_htons(IP))
		return classify_parse4(skb, l3, p);
	return skb->protocol == bpf_htons(IPV6) && classify_parse6(skb, l3, p);
}

/* The socket's cgroup and those above it, from the top; the root is everybody's. */
static __always_inline __u64 classify_by_cgroup(struct __sk_buff *skb,
						const struct classify_table *t)
{
	__u64 rules = t->any_cgroup;

	for (int level = 1; level <= CLASSIFY_CGROUP_LEVELS; level++) {
		__u64 id = bpf_skb_ancestor_cgroup_id(skb, level);

		if (!id)
			break;
		rules |= classify_in_cgroup(t, id);
	}
	return rules;
}

/* The rule that counts for a packet that is known. *ret_class: of that rule, or the default. */
static __always_inline __u32 classify_rule_of(struct __sk_buff *skb, const struct classify_table *t,
					      const struct classify_packet *p, __u32 *ret_class)
{
	__u64 rules = classify_rules(t, p);
	__u32 rule;

	*ret_class = 0;
	if (rules & ~t->any_cgroup)
		rules &= classify_knows_cgroups ? classify_by_cgroup(skb, t) : t->any_cgroup;
	rule = classify_first(rules);
	if (rule < CLASSIFY_RULES_MAX)
		*ret_class = t->klass[rule];
	return rule;
}

static __always_inline __u32 classify_rule(struct __sk_buff *skb, const struct classify_table *t,
					   __u32 *ret_class)
{
	struct classify_packet p = { .mark = skb->mark };

	*ret_class = 0;
	if (!t->n_rules || !classify_parse(skb, classify_l3, &p))
		return CLASSIFY_NO_RULE;
	return classify_rule_of(skb, t, &p, ret_class);
}

static __always_inline void classify_count(const struct __sk_buff *skb, __u32 slot, __u32 rule)
{
	__u32 key = slot * (CLASSIFY_RULES_MAX + 1) + rule;
	struct classify_stat *s = bpf_map_lookup_elem(&rule_stat, &key);

	if (!s)
		return;
	s->packets += skb->gso_size ? skb->gso_segs ?: 1 : 1;
	s->octets += skb->len;
}

static __always_inline const struct classify_cur *classify_now(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&class_cur, &key);
}

/* NULL: there are no rules. */
static __always_inline const struct classify_table *
classify_table_of(const struct classify_cur *cur, __u32 *ret_slot)
{
	*ret_slot = *(volatile __u32 *)&cur->slot;
	return *ret_slot ? bpf_map_lookup_elem(&class_table, ret_slot) : 0;
}

/* The class of a packet, counted. */
static __always_inline __u32 classify(struct __sk_buff *skb)
{
	const struct classify_cur *cur = classify_now();
	const struct classify_table *t;
	__u32 slot, rule, klass = 0;

	t = cur ? classify_table_of(cur, &slot) : 0;
	if (!t)
		return 0;
	rule = classify_rule(skb, t, &klass);
	classify_count(skb, slot, rule);
	return klass;
}

#endif
