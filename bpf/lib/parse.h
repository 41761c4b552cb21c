/* SPDX-License-Identifier: GPL-2.0-only */
/* From the first octet to the ESP header. The same code for XDP and tc, and for both directions.
 *
 * Pointers in struct parsed are good until a helper moves packet data. Nothing here changes a
 * packet.
 */
#ifndef BRAID_BPF_PARSE_H
#define BRAID_BPF_PARSE_H

#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum {
	ETH_P_IP = 0x0800,
	ETH_P_IPV6 = 0x86dd,
	ETH_P_8021Q = 0x8100,
	ETH_P_8021AD = 0x88a8,
	IP_MF_OFFSET = 0x3fff, /* more fragments, or not the first */
	IP_DF = 0x4000,
	L2_NONE = 0, /* octets of link-layer header */
	L2_ETHER = sizeof(struct ethhdr),
	PARSE_HEADERS = 14 + 4 + 60 + 8 + 8, /* more is never looked at */
	PORT_IKE = 500,
	PORT_NATT = 4500, /* of UDP encapsulation (RFC 3948), ours */
};

/* Program context fields by their own loads: clang 14 otherwise adds to the context pointer first,
 * which the verifier refuses. */
#define CTX_LOAD(ctx, field)                                                                       \
	({                                                                                         \
		__u64 v_;                                                                          \
		asm volatile("%0 = *(u32 *)(%1 + %2)"                                              \
			     : "=r"(v_)                                                            \
			     : "r"(ctx), "i"(__builtin_offsetof(typeof(*(ctx)), field)));          \
		(void *)v_;                                                                        \
	})

enum parse_result {
	PARSE_ESP,	 /* all pointers valid */
	PARSE_OTHER,	 /* not ours; a fragment */
	PARSE_SHORT,	 /* needs more octets than are there, nothing known yet */
	PARSE_SHORT_ESP, /* same, but it is ESP or on the port of ESP */
	PARSE_BAD,	 /* ESP by its headers, but they contradict each other */
};

struct parsed {
	struct ethhdr *eth;
	union {
		void *l3;
		struct iphdr *ip4;
		struct ipv6hdr *ip6;
	};
	struct udphdr *udp; /* NULL: protocol 50 */
	struct ip_esp_hdr *esp;
	__u32 hdr_len; /* IP and UDP headers */
	__u32 ip_len;  /* octets of the IP packet, by its header */
	__u16 frag;    /* IP_MF_OFFSET of an IPv4 fragment; 0: it is none */
	__u8 family;
	__u8 proto;
};

/* Ethernet with at most one VLAN tag inside the packet. Host order ethertype, 0 = too short. */
static __always_inline __u16 parse_ether(void *data, void *data_end, struct parsed *p)
{
	struct ethhdr *eth = data;
	struct vlan_hdr *tag;
	__u16 type;

	if ((void *)(eth + 1) > data_end)
		return 0;
	type = bpf_ntohs(eth->h_proto);
	p->eth = eth;
	p->l3 = eth + 1;
	if (type != ETH_P_8021Q && type != ETH_P_8021AD)
		return type;
	tag = p->l3;
	if ((void *)(tag + 1) > data_end)
		return 0;
	p->l3 = tag + 1;
	return bpf_ntohs(tag->h_vlan_encapsulated_proto);
}

/* Fills family, proto, header lengths; returns the transport header or NULL with *ret_res set. */
static __always_inline void *parse_ip4(void *data_end, struct parsed *p, enum parse_result *ret_res)
{
	struct iphdr *ip = p->l3;

	*ret_res = PARSE_SHORT;
	if ((void *)(ip + 1) > data_end)
		return 0;
	*ret_res = PARSE_OTHER;
	if (ip->version != 4 || ip->ihl < 5)
		return 0;
	p->family = 4;
	p->proto = ip->protocol;
	p->hdr_len = ip->ihl * 4;
	p->ip_len = bpf_ntohs(ip->tot_len);
	p->frag = bpf_ntohs(ip->frag_off) & IP_MF_OFFSET;
	if (p->frag)
		return 0; /* the stack reassembles */
	return (void *)ip + p->hdr_len;
}

static __always_inline void *parse_ip6(void *data_end, struct parsed *p, enum parse_result *ret_res)
{
	struct ipv6hdr *ip = p->l3;

	*ret_res = PARSE_SHORT;
	if ((void *)(ip + 1) > data_end)
		return 0;
	*ret_res = PARSE_OTHER;
	if (ip->version != 6)
		return 0;
	p->family = 6;
	p->proto = ip->nexthdr;
	p->hdr_len = sizeof(*ip);
	p->ip_len = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	return ip + 1;
}

/* The IP header of either family behind l2 octets of link-layer header. */
static __always_inline void *parse_ip(void *data, void *data_end, __u32 l2, struct parsed *p,
				      enum parse_result *ret_res)
{
	__u16 type;

	*p = (struct parsed){ 0 };
	*ret_res = PARSE_SHORT;
	if (l2 == L2_ETHER) {
		type = parse_ether(data, data_end, p);
		if (!type)
			return 0;
	} else {
		struct iphdr *ip = data;

		if ((void *)(ip + 1) > data_end)
			return 0;
		p->l3 = data;
		type = ip->version == 4 ? ETH_P_IP : ETH_P_IPV6;
	}
	if (type == ETH_P_IP)
		return parse_ip4(data_end, p, ret_res);
	if (type == ETH_P_IPV6)
		return parse_ip6(data_end, p, ret_res);
	*ret_res = PARSE_OTHER;
	return 0;
}

/* From the transport header on to that of ESP. */
static __always_inline enum parse_result parse_l4(void *l4, void *data_end, struct parsed *p)
{
	if (p->proto == IPPROTO_UDP) {
		struct udphdr *udp = l4;

		if ((void *)(udp + 1) > data_end)
			return PARSE_SHORT;
		if (udp->dest != bpf_htons(PORT_NATT))
			return PARSE_OTHER;
		/* RFC 3948 2.3: one octet is a keepalive; 4 zero octets are IKE, below. */
		if (bpf_ntohs(udp->len) < sizeof(*udp) + sizeof(struct ip_esp_hdr))
			return PARSE_OTHER;
		p->udp = udp;
		p->hdr_len += sizeof(*udp);
		l4 = udp + 1;
	} else if (p->proto != IPPROTO_ESP) {
		return PARSE_OTHER;
	}
	p->esp = l4;
	if ((void *)(p->esp + 1) > data_end)
		return PARSE_SHORT_ESP;
	if (p->udp && !p->esp->spi)
		return PARSE_OTHER;
	if (p->ip_len < p->hdr_len + sizeof(*p->esp))
		return PARSE_BAD;
	return PARSE_ESP;
}

/* A received packet, as far as its ESP header. */
static __always_inline enum parse_result parse_in(void *data, void *data_end, __u32 l2,
						  struct parsed *p)
{
	enum parse_result res;
	void *l4 = parse_ip(data, data_end, l2, p, &res);

	return l4 ? parse_l4(l4, data_end, p) : res;
}

/* What nearly all packets are: Ethernet, IPv4 without options, whole. PARSE_ESP: *p is as parse_in
 * fills it, and in UDP it is ESP to its end. PARSE_OTHER: TCP, or UDP to another
 * port. Else nothing is known. What is compiled behind it knows all but the addresses. */
static __always_inline enum parse_result parse_plain4(void *data, void *data_end, struct parsed *p)
{
	struct ethhdr *eth = data;
	struct iphdr *ip = data + L2_ETHER;
	struct udphdr *udp = (void *)(ip + 1);
	struct ip_esp_hdr *esp = (void *)udp;
	__u32 hdr_len = sizeof(*ip), ip_len;

	if ((void *)(esp + 1) > data_end || eth->h_proto != bpf_htons(ETH_P_IP) ||
	    *(__u8 *)ip != 0x45 || ip->frag_off & bpf_htons(IP_MF_OFFSET))
		return PARSE_SHORT;
	ip_len = bpf_ntohs(ip->tot_len);
	if (ip->protocol == IPPROTO_ESP) {
		udp = 0;
	} else if (ip->protocol == IPPROTO_UDP) {
		if (udp->dest != bpf_htons(PORT_NATT))
			return PARSE_OTHER;
		esp = (void *)(udp + 1);
		hdr_len += sizeof(*udp);
		if ((void *)(esp + 1) > data_end || !esp->spi ||
		    bpf_ntohs(udp->len) != ip_len - sizeof(*ip))
			return PARSE_SHORT;
	} else {
		return ip->protocol == IPPROTO_TCP ? PARSE_OTHER : PARSE_SHORT;
	}
	*p = (struct parsed){ .eth = eth,
			      .udp = udp,
			      .esp = esp,
			      .hdr_len = hdr_len,
			      .ip_len = ip_len,
			      .family = 4,
			      .proto = ip->protocol };
	p->ip4 = ip;
	return ip_len < hdr_len + sizeof(*esp) ? PARSE_SHORT : PARSE_ESP;
}

/* A packet on the steering device. The ESP header itself is not needed (the mark names the SA) and
 * of a super-packet it is not in the linear part. VLAN tags, options, extension headers: not from
 * us. */
static __always_inline enum parse_result parse_out(void *data, void *data_end, struct parsed *p)
{
	enum parse_result res;
	void *l4 = parse_ip(data, data_end, L2_ETHER, p, &res);

	if (!l4)
		return res == PARSE_SHORT ? PARSE_SHORT : PARSE_BAD;
	if (p->l3 != p->eth + 1 || (p->family == 4 && p->hdr_len != sizeof(struct iphdr)))
		return PARSE_BAD;
	if (p->proto == IPPROTO_UDP) {
		p->udp = l4;
		if ((void *)(p->udp + 1) > data_end)
			return PARSE_SHORT;
		p->hdr_len += sizeof(*p->udp);
	} else if (p->proto != IPPROTO_ESP) {
		return PARSE_BAD;
	}
	return p->ip_len < p->hdr_len + sizeof(struct ip_esp_hdr) ? PARSE_BAD : PARSE_ESP;
}

/* The same of what XFRM has made: ESP right behind the IP header, and nothing else. */
static __always_inline enum parse_result parse_made(void *data, void *data_end, struct parsed *p)
{
	struct ethhdr *eth = data;

	*p = (struct parsed){ .eth = eth, .proto = IPPROTO_ESP };
	p->l3 = eth + 1;
	if (p->l3 + sizeof(struct iphdr) > data_end)
		return PARSE_SHORT;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		p->family = 4;
		p->hdr_len = sizeof(struct iphdr);
		p->ip_len = bpf_ntohs(p->ip4->tot_len);
		if (*(__u8 *)p->l3 != 0x45 || p->ip4->protocol != IPPROTO_ESP ||
		    p->ip4->frag_off & bpf_htons(IP_MF_OFFSET))
			return PARSE_BAD;
	} else {
		if (eth->h_proto != bpf_htons(ETH_P_IPV6))
			return PARSE_BAD;
		if (p->l3 + sizeof(struct ipv6hdr) > data_end)
			return PARSE_SHORT;
		p->family = 6;
		p->hdr_len = sizeof(struct ipv6hdr);
		p->ip_len = bpf_ntohs(p->ip6->payload_len) + sizeof(struct ipv6hdr);
		if (p->ip6->version != 6 || p->ip6->nexthdr != IPPROTO_ESP)
			return PARSE_BAD;
	}
	return p->ip_len < p->hdr_len + sizeof(struct ip_esp_hdr) ? PARSE_BAD : PARSE_ESP;
}

/* Octets of the IP packets a super-packet stands for: every segment has the headers again. */
static __always_inline __u32 parsed_octets(const struct parsed *p, __u32 segs)
{
	return p->ip_len + (segs - 1) * p->hdr_len;
}

#endif
