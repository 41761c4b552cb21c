/* SPDX-License-Identifier: GPL-2.0-only */
/* New addresses, ports and MACs in a packet, with its checksums.
 *
 * All of it is arithmetic, as far as the packet tells how its UDP checksum is meant: complete, or
 * only the pseudo-header's sum (CHECKSUM_PARTIAL). A super-packet is always partial; a single one
 * whose field is not that sum is complete; where it is, only the kernel knows, and
 * bpf_l4_csum_replace acts on it. That helper moves packet data: it comes last.
 */
#ifndef BRAID_BPF_REWRITE_H
#define BRAID_BPF_REWRITE_H

#include "csum.h"
#include "maps.h"
#include "parse.h"

/* Write both addresses and fix the IPv4 header checksum. Returns the diff for the checksum above.
 */
static __always_inline __u16 rewrite_addrs4(struct iphdr *ip, const struct steer_addr *src,
					    const struct steer_addr *dst)
{
	__u32 new_src = *(const __u32 *)src->b, new_dst = *(const __u32 *)dst->b;
	__u64 sum = csum_neg(csum_words2(&ip->saddr), 2) + new_src + new_dst;
	__u16 diff = csum_fold(sum);

	ip->check = csum_apply(ip->check, diff);
	ip->saddr = new_src;
	ip->daddr = new_dst;
	return diff;
}

/* The same where nothing behind it counts on the difference: folded once. */
static __always_inline void rewrite_only4(struct iphdr *ip, __u32 new_src, __u32 new_dst)
{
	__u64 sum = csum_neg(csum_words2(&ip->saddr), 2) + new_src + new_dst + (__u16)~ip->check;

	ip->check = (__u16)~csum_fold(sum);
	ip->saddr = new_src;
	ip->daddr = new_dst;
}

/* Of the destination alone. */
static __always_inline void rewrite_only_dst4(struct iphdr *ip, __u32 new_dst)
{
	__u64 sum = csum_neg(ip->daddr, 1) + new_dst + (__u16)~ip->check;

	ip->check = (__u16)~csum_fold(sum);
	ip->daddr = new_dst;
}

/* No DF, and an identification: the kernel gives what has DF none. */
static __always_inline void rewrite_cut(struct iphdr *ip, __be16 id)
{
	__be16 frag_off = ip->frag_off & bpf_htons((__u16)~IP_DF);

	ip->check = csum_apply(ip->check, (__u16)~ip->frag_off + (__u16)~ip->id + frag_off + id);
	ip->frag_off = frag_off;
	ip->id = id;
}

static __always_inline __u16 rewrite_addrs6(struct ipv6hdr *ip, const struct steer_addr *src,
					    const struct steer_addr *dst)
{
	__u64 sum = csum_neg(csum_words8(ip->saddr.in6_u.u6_addr32), 8); /* both addresses */

	sum += csum_words4((const __u32 *)src->b) + csum_words4((const __u32 *)dst->b);
	__builtin_memcpy(&ip->saddr, src->b, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, dst->b, sizeof(ip->daddr));
	return csum_fold(sum);
}

static __always_inline __u16 rewrite_addrs(const struct parsed *p, const struct steer_addr *src,
					   const struct steer_addr *dst)
{
	return p->family == 4 ? rewrite_addrs4(p->ip4, src, dst) : rewrite_addrs6(p->ip6, src, dst);
}

/* Both ports; returns the diff, not folded: four words. */
static __always_inline __u32 rewrite_ports(struct udphdr *udp, __be16 sport, __be16 dport)
{
	__u32 sum = (__u16)~udp->source + (__u16)~udp->dest + sport + dport;

	udp->source = sport;
	udp->dest = dport;
	return sum;
}

/* Whether a UDP checksum field may be the sum of the pseudo-header, of the addresses as they are.
 */
static __always_inline bool rewrite_maybe_partial(const struct parsed *p)
{
	__u64 sum = (__u64)p->udp->len + bpf_htons(IPPROTO_UDP);

	sum += p->family == 4 ? csum_words2(&p->ip4->saddr)
			      : csum_words8(p->ip6->saddr.in6_u.u6_addr32);
	return p->udp->check == csum_fold(sum);
}

/* The UDP checksum of a single packet, by the helper. Packet pointers are void after this. */
static __always_inline int rewrite_check_helper(struct __sk_buff *skb, __u32 udp_off,
						__u16 addr_diff, __u32 port_diff)
{
	__u32 off = udp_off + __builtin_offsetof(struct udphdr, check);
	int err = bpf_l4_csum_replace(skb, off, 0, addr_diff,
				      BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0);

	if (!err && port_diff)
		err = bpf_l4_csum_replace(skb, off, 0, csum_fold(port_diff), BPF_F_MARK_MANGLED_0);
	return err;
}

/* The same in a packet whose checksum is complete or absent (0). */
static __always_inline void rewrite_check_complete(struct udphdr *udp, __u16 addr_diff,
						   __u32 port_diff)
{
	if (udp->check)
		udp->check = csum_apply(udp->check, addr_diff + port_diff) ?: 0xffff;
}

/* Not the type. */
static __always_inline void rewrite_only_macs(struct ethhdr *eth, const struct steer_path *path)
{
	const __u32 *from = (const __u32 *)path->dmac; /* and smac behind it */
	__u32 *to = (__u32 *)eth->h_dest;

	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
}

static __always_inline void rewrite_macs(struct ethhdr *eth, const struct steer_path *path)
{
	rewrite_only_macs(eth, path);
	eth->h_proto = path->family == 4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
}

/* What a new IP header of the other version takes over from the old one. */
struct rewrite_carry {
	__u64 addr_sum;	   /* of the complements */
	__u32 payload_len; /* behind the IP header */
	__u8 proto, tos, ttl;
};

static __always_inline struct rewrite_carry rewrite_carry_of(const struct parsed *p)
{
	struct rewrite_carry c = { .proto = p->proto };

	if (p->family == 4) {
		c.addr_sum = csum_neg(csum_words2(&p->ip4->saddr), 2);
		c.payload_len = p->ip_len - sizeof(struct iphdr);
		c.tos = p->ip4->tos;
		c.ttl = p->ip4->ttl;
	} else {
		c.addr_sum = csum_neg(csum_words8(p->ip6->saddr.in6_u.u6_addr32), 8);
		c.payload_len = p->ip_len - sizeof(struct ipv6hdr);
		c.tos = p->ip6->priority << 4 | p->ip6->flow_lbl[0] >> 4;
		c.ttl = p->ip6->hop_limit;
	}
	return c;
}

static __always_inline void rewrite_new_ip4(struct iphdr *ip, const struct rewrite_carry *c,
					    const struct steer_addr *src,
					    const struct steer_addr *dst)
{
	*ip = (struct iphdr){
		.version = 4,
		.ihl = 5,
		.tos = c->tos,
		.tot_len = bpf_htons(c->payload_len + sizeof(*ip)),
		.frag_off = bpf_htons(IP_DF),
		.ttl = c->ttl,
		.protocol = c->proto,
		.saddr = *(const __u32 *)src->b,
		.daddr = *(const __u32 *)dst->b,
	};
	ip->check = (__u16)~csum_fold(csum_words4((const __u32 *)ip) + *(const __u32 *)dst->b);
}

static __always_inline void rewrite_new_ip6(struct ipv6hdr *ip, const struct rewrite_carry *c,
					    const struct steer_addr *src,
					    const struct steer_addr *dst)
{
	*ip = (struct ipv6hdr){
		.version = 6,
		.priority = c->tos >> 4,
		.flow_lbl[0] = c->tos << 4,
		.payload_len = bpf_htons(c->payload_len),
		.nexthdr = c->proto,
		.hop_limit = c->ttl,
	};
	__builtin_memcpy(&ip->saddr, src->b, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, dst->b, sizeof(ip->daddr));
}

/* Change the IP version: the kernel moves the headers, we write the new one. Afterwards *p
 * describes the packet again. Returns 0 or a negative error. */
static __always_inline int rewrite_family(struct __sk_buff *skb, struct parsed *p,
					  const struct steer_path *path, __u16 *ret_diff)
{
	struct rewrite_carry c = rewrite_carry_of(p);
	bool to4 = path->family == 4, udp = p->udp;
	__u32 len = to4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	void *data, *data_end;
	__u64 sum;

	if (bpf_skb_change_proto(skb, to4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6), 0))
		return -1;
	data = CTX_LOAD(skb, data);
	data_end = CTX_LOAD(skb, data_end);
	p->eth = data;
	p->l3 = data + L2_ETHER;
	p->hdr_len = len;
	if (to4) {
		if (p->l3 + sizeof(struct iphdr) > data_end)
			return -1;
		rewrite_new_ip4(p->l3, &c, &path->src, &path->dst);
	} else {
		if (p->l3 + sizeof(struct ipv6hdr) > data_end)
			return -1;
		rewrite_new_ip6(p->l3, &c, &path->src, &path->dst);
	}
	p->udp = 0;
	if (udp) { /* the linear part of a super-packet ends with it */
		p->udp = p->l3 + len;
		p->hdr_len += sizeof(*p->udp);
		if ((void *)(p->udp + 1) > data_end)
			return -1;
	}
	sum = to4 ? (__u64) * (const __u32 *)path->src.b + *(const __u32 *)path->dst.b
		  : csum_words4((const __u32 *)path->src.b) +
			      csum_words4((const __u32 *)path->dst.b);
	*ret_diff = csum_fold(c.addr_sum + sum);
	return 0;
}

/* Ports, UDP checksum and MACs, once the IP header is done. maybe_partial: of the packet as it
 * came. */
static __always_inline int rewrite_rest(struct __sk_buff *skb, struct parsed *p,
					const struct steer_path *path, __u16 addr_diff,
					__u32 gso_size, bool maybe_partial)
{
	__u32 port_diff = 0;

	if (path->flags & STEER_PATH_MAC)
		rewrite_macs(p->eth, path);
	if (!p->udp)
		return 0;
	if (path->flags & STEER_PATH_ENCAP)
		port_diff = rewrite_ports(p->udp, path->sport, path->dport);
	if (gso_size) {
		p->udp->check = csum_apply_partial(p->udp->check, addr_diff);
		return 0;
	}
	if (maybe_partial)
		return rewrite_check_helper(skb, L2_ETHER + p->hdr_len - sizeof(*p->udp), addr_diff,
					    port_diff);
	rewrite_check_complete(p->udp, addr_diff, port_diff);
	return 0;
}

#endif
