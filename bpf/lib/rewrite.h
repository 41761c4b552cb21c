/* SPDX-License-Identifier: GPL-2.0-only */
/* New addresses, ports and MACs in a packet, with its checksums.
 *
 * The IPv4 header checksum is plain arithmetic. The UDP one is either complete or, for
 * CHECKSUM_PARTIAL, only the pseudo-header's sum; a program cannot see which. A super-packet is
 * always partial; for the rest bpf_l4_csum_replace knows. Helpers come last: they move packet data.
 */
#ifndef BRAID_BPF_REWRITE_H
#define BRAID_BPF_REWRITE_H

#include "csum.h"
#include "maps.h"
#include "parse.h"

/* Write both addresses and fix the IPv4 header checksum. Returns the diff for the
 * checksums above. */
static __always_inline __u64 rewrite_addrs4(struct iphdr *ip, const struct steer_addr *src,
					    const struct steer_addr *dst)
{
	__u64 old = (__u64)ip->saddr + ip->daddr, diff;

	ip->saddr = *(const __u32 *)src->b;
	ip->daddr = *(const __u32 *)dst->b;
	diff = csum_neg(old) + ip->saddr + ip->daddr;
	ip->check = csum_apply(ip->check, diff);
	return diff;
}

static __always_inline __u64 rewrite_addrs6(struct ipv6hdr *ip, const struct steer_addr *src,
					    const struct steer_addr *dst)
{
	__u64 old = csum_words(ip->saddr.in6_u.u6_addr32, 8); /* both addresses */

	__builtin_memcpy(&ip->saddr, src->b, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, dst->b, sizeof(ip->daddr));
	return csum_neg(old) + csum_words(ip->saddr.in6_u.u6_addr32, 8);
}

static __always_inline __u64 rewrite_addrs(const struct parsed *p, const struct steer_addr *src,
					   const struct steer_addr *dst)
{
	return p->family == 4 ? rewrite_addrs4(p->ip4, src, dst) : rewrite_addrs6(p->ip6, src, dst);
}

/* Both ports; returns the diff. */
static __always_inline __u64 rewrite_ports(struct udphdr *udp, __be16 sport, __be16 dport)
{
	__u64 diff = csum_neg((__u64)udp->source + udp->dest) + sport + dport;

	udp->source = sport;
	udp->dest = dport;
	return diff;
}

/* The UDP checksum of a single packet, by the helper. Packet pointers are void after this. */
static __always_inline int rewrite_udp_check(struct __sk_buff *skb, __u32 udp_off, __u64 addr_diff,
					     __u64 port_diff)
{
	__u32 off = udp_off + __builtin_offsetof(struct udphdr, check);
	int err = bpf_l4_csum_replace(skb, off, 0, csum_fold(addr_diff),
				      BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0);

	if (!err && port_diff)
		err = bpf_l4_csum_replace(skb, off, 0, csum_fold(port_diff), BPF_F_MARK_MANGLED_0);
	return err;
}

static __always_inline void rewrite_macs(struct ethhdr *eth, const struct steer_path *path)
{
	__builtin_memcpy(eth->h_dest, path->dmac, sizeof(eth->h_dest));
	__builtin_memcpy(eth->h_source, path->smac, sizeof(eth->h_source));
	eth->h_proto = path->family == 4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
}

/* What a new IP header of the other version takes over from the old one. */
struct rewrite_carry {
	__u64 addr_sum;
	__u32 payload_len; /* behind the IP header */
	__u8 proto, tos, ttl;
};

static __always_inline struct rewrite_carry rewrite_carry_of(const struct parsed *p)
{
	struct rewrite_carry c = { .proto = p->proto };

	if (p->family == 4) {
		c.addr_sum = (__u64)p->ip4->saddr + p->ip4->daddr;
		c.payload_len = p->ip_len - sizeof(struct iphdr);
		c.tos = p->ip4->tos;
		c.ttl = p->ip4->ttl;
	} else {
		c.addr_sum = csum_words(p->ip6->saddr.in6_u.u6_addr32, 8);
		c.payload_len = p->ip_len - sizeof(struct ipv6hdr);
		c.tos = p->ip6->priority << 4 | p->ip6->flow_lbl[0] >> 4;
		c.ttl = p->ip6->hop_limit;
	}
	return c;
}

static __always_inline void rewrite_new_ip4(struct iphdr *ip, const struct rewrite_carry *c,
					    const struct steer_path *path)
{
	*ip = (struct iphdr){
		.version = 4,
		.ihl = 5,
		.tos = c->tos,
		.tot_len = bpf_htons(c->payload_len + sizeof(*ip)),
		.frag_off = bpf_htons(IP_DF),
		.ttl = c->ttl,
		.protocol = c->proto,
		.saddr = *(const __u32 *)path->src.b,
		.daddr = *(const __u32 *)path->dst.b,
	};
	ip->check = (__u16)~csum_fold(csum_words((const __u32 *)ip, sizeof(*ip) / 4));
}

static __always_inline void rewrite_new_ip6(struct ipv6hdr *ip, const struct rewrite_carry *c,
					    const struct steer_path *path)
{
	*ip = (struct ipv6hdr){
		.version = 6,
		.priority = c->tos >> 4,
		.flow_lbl[0] = c->tos << 4,
		.payload_len = bpf_htons(c->payload_len),
		.nexthdr = c->proto,
		.hop_limit = c->ttl,
	};
	__builtin_memcpy(&ip->saddr, path->src.b, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, path->dst.b, sizeof(ip->daddr));
}

/* Change the IP version: the kernel moves the headers, we write the new one. Afterwards *p
 * describes the packet again. Returns 0 or a negative error. */
static __always_inline int rewrite_family(struct __sk_buff *skb, struct parsed *p,
					  const struct steer_path *path, __u64 *ret_diff)
{
	struct rewrite_carry c = rewrite_carry_of(p);
	bool to4 = path->family == 4, udp = p->udp;
	__u32 len = to4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	void *data, *data_end;

	if (bpf_skb_change_proto(skb, to4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6), 0))
		return -1;
	data = CTX_LOAD(skb, data);
	data_end = CTX_LOAD(skb, data_end);
	if (data + L2_ETHER + sizeof(struct ipv6hdr) + sizeof(struct udphdr) > data_end)
		return -1;
	p->eth = data;
	p->l3 = data + L2_ETHER;
	p->hdr_len = len + (udp ? sizeof(*p->udp) : 0);
	p->udp = udp ? p->l3 + len : 0;
	if (to4)
		rewrite_new_ip4(p->l3, &c, path);
	else
		rewrite_new_ip6(p->l3, &c, path);
	*ret_diff = csum_neg(c.addr_sum) + csum_words((const __u32 *)path->src.b, to4 ? 1 : 4) +
		    csum_words((const __u32 *)path->dst.b, to4 ? 1 : 4);
	return 0;
}

/* Ports, UDP checksum and MACs, once the IP header is done. */
static __always_inline int rewrite_rest(struct __sk_buff *skb, struct parsed *p,
					const struct steer_path *path, __u64 addr_diff)
{
	__u64 port_diff = 0;

	if (path->flags & STEER_PATH_MAC)
		rewrite_macs(p->eth, path);
	if (!p->udp)
		return 0;
	if (path->flags & STEER_PATH_ENCAP)
		port_diff = rewrite_ports(p->udp, path->sport, path->dport);
	if (skb->gso_size) {
		p->udp->check = csum_apply_partial(p->udp->check, addr_diff);
		return 0;
	}
	return rewrite_udp_check(skb, L2_ETHER + p->hdr_len - sizeof(*p->udp), addr_diff,
				 port_diff);
}

#endif
