/* SPDX-License-Identifier: GPL-2.0-only */
/* Packets of transport mode behind XFRM, at its interface or where they came in: it puts the
 * addresses into their header that the state was made with, and states are never changed. Those
 * that the SA has now are put in here, by its SPI, before policies and sockets see the packet.
 */
#ifndef BRAID_BPF_INNER_H
#define BRAID_BPF_INNER_H

#include "wrap.h"
#include "abi/inner.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, INNER_SAS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __be32);
	__type(value, struct inner_sa);
} inner SEC(".maps");

/* One: there may be any. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} inner_any SEC(".maps");

enum { INNER_CHECK4 = 10, INNER_ADDRS4 = 12, INNER_ADDRS6 = 8 };

/* As the helper of 4.18 knows it, for good. */
struct inner_xfrm {
	__u32 reqid;
	__be32 spi;
	__u16 family, ext;
	__u32 remote[4];
};

/* Where the checksum over addresses stands behind the IP header; 0: there is none. */
static __always_inline __u32 inner_check_at(__u8 proto)
{
	if (proto == IPPROTO_TCP)
		return 16;
	if (proto == IPPROTO_UDP || proto == IPPROTO_UDPLITE || proto == IPPROTO_DCCP)
		return 6;
	return proto == IPPROTO_ICMPV6 ? 2 : 0;
}

/* Does the checksum of such a packet say that it was made with these addresses? l4: its offset;
 * len: from there on. */
static __always_inline bool inner_fits(struct __sk_buff *skb, const struct inner_ends *e, __u32 l4,
				       __u8 proto, __u32 len)
{
	__u64 sum = csum_words4((const __u32 *)e->src.b) + csum_words4((const __u32 *)e->dst.b);

	sum += e->repair + bpf_htonl(len) + bpf_htonl(proto);
	return csum_fold(sum + wrap_sum(skb, l4, len)) == 0xffff;
}

/* The addresses of packets on their way: those before only where they alone fit. Of a packet that
 * was put together of several the sum has been looked at, with what is in it. */
static __always_inline const struct inner_ends *
inner_choose(struct __sk_buff *skb, const struct inner_sa *sa, __u32 l4, __u8 proto)
{
	__u32 at = inner_check_at(proto);
	__u16 check = 0;

	if (bpf_ktime_get_ns() >= sa->before_until_nsec || !at || proto == IPPROTO_UDPLITE ||
	    proto == IPPROTO_DCCP || bpf_skb_load_bytes(skb, l4 + at, &check, sizeof(check)) ||
	    !check || inner_fits(skb, &sa->now, l4, proto, skb->len - l4) ||
	    !inner_fits(skb, &sa->before, l4, proto, skb->len - l4))
		return &sa->now;
	return &sa->before;
}

/* In all of these l2 is the offset of the IP header: a device that has no other has none before it.
 */
static __always_inline long inner_put4(struct __sk_buff *skb, const struct inner_ends *e, __u32 l2)
{
	__be32 old[2], new[2] = { *(const __u32 *)e->src.b, *(const __u32 *)e->dst.b };
	__u64 diff;

	if (bpf_skb_load_bytes(skb, l2 + INNER_ADDRS4, old, sizeof(old)))
		return -1;
	diff = csum_neg((__u64)old[0] + old[1], 2) + new[0] + new[1];
	return bpf_skb_store_bytes(skb, l2 + INNER_ADDRS4, new, sizeof(new), 0) ||
	       bpf_l3_csum_replace(skb, l2 + INNER_CHECK4, 0, csum_fold(diff), 0);
}

static __always_inline long inner_put6(struct __sk_buff *skb, const struct inner_ends *e, __u32 l2)
{
	return bpf_skb_store_bytes(skb, l2 + INNER_ADDRS6, &e->src, 2 * sizeof(e->src),
				   BPF_F_RECOMPUTE_CSUM);
}

/* The helper adds to the complement of the field. */
static __always_inline long inner_repair(struct __sk_buff *skb, const struct inner_ends *e,
					 __u32 l4, __u8 proto)
{
	__u32 at = inner_check_at(proto);

	if (!e->repair || !at)
		return 0;
	return bpf_l4_csum_replace(skb, l4 + at, 0, (__u16)~e->repair,
				   proto == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0);
}

/* Octets before the IP header: of the device that the packet came in by, whatever this one has. The
 * packet ends where its IP header says. 0 or -1. */
static __always_inline long inner_l2(struct __sk_buff *skb, bool v4, __u32 *ret_l2)
{
	__be16 len;
	__u32 ip_len;

	if (bpf_skb_load_bytes_relative(skb, v4 ? 2 : 4, &len, sizeof(len), BPF_HDR_START_NET))
		return -1;
	ip_len = bpf_ntohs(len) + (v4 ? 0 : sizeof(struct ipv6hdr));
	if (ip_len < (v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)) || ip_len > skb->len)
		return -1;
	*ret_l2 = skb->len - ip_len;
	return 0;
}

/* 0, or -1: it is not what the SA carries. */
static __always_inline long inner_apply(struct __sk_buff *skb, const struct inner_sa *sa)
{
	bool v4 = sa->family == 4;
	const struct inner_ends *e;
	__u32 l2, l4;
	__u8 proto;

	if (skb->protocol != (v4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6)))
		return -1;
	if (skb->gso_size)
		return 0;
	if (inner_l2(skb, v4, &l2) ||
	    bpf_skb_load_bytes(skb, l2 + (v4 ? 9 : 6), &proto, sizeof(proto)))
		return -1;
	l4 = l2 + (v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	e = inner_choose(skb, sa, l4, proto);
	if (v4 ? inner_put4(skb, e, l2) : inner_put6(skb, e, l2))
		return -1;
	return inner_repair(skb, e, l4, proto) ? -1 : 0;
}

/* Has it come by an SA? */
static __always_inline bool inner_state(struct __sk_buff *skb, struct inner_xfrm *ret_state)
{
	return !bpf_skb_get_xfrm_state(skb, 0, (struct bpf_xfrm_state *)ret_state,
				       sizeof(*ret_state), 0);
}

/* Of a packet that has come by this SA. 0, or -1: no packet any more. */
static __always_inline long inner_restore(struct __sk_buff *skb, __be32 spi)
{
	__u32 key = 0, *any = bpf_map_lookup_elem(&inner_any, &key);
	struct inner_sa *sa;

	if (!any || !*any)
		return 0;
	sa = bpf_map_lookup_elem(&inner, &spi);
	return sa ? inner_apply(skb, sa) : 0;
}

#endif
