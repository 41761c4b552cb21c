/* SPDX-License-Identifier: GPL-2.0-only */
/* Routers' words about ESP of ours: a packet too big, a destination not reached. They quote what
 * was on the wire, so the kernel finds no SA for it, and should not act on it anyway: who sends
 * them is not known (RFC 4301 6.1). The agent hears of them, and asks the path itself.
 */
#ifndef BRAID_BPF_ICMP_H
#define BRAID_BPF_ICMP_H

#include "esp.h"

enum {
	ICMP4_UNREACHABLE = 3,
	ICMP4_TOO_BIG = 4, /* a code of it */
	ICMP6_UNREACHABLE = 1,
	ICMP6_TOO_BIG = 2,
};

struct icmp_head {
	__u8 type, code;
	__sum16 check;
	__be16 word[2]; /* IPv4: word[1] is the MTU; IPv6: both are */
};

/* What is quoted, as far as it is looked at: 8 octets of ESP, or UDP. */
struct icmp_quote4 {
	struct icmp_head icmp;
	struct iphdr ip;
	__be32 word[2];
};

struct icmp_quote6 {
	struct icmp_head icmp;
	struct ipv6hdr ip;
	__be32 word[2];
};

/* Octets of a packet from a header of it on, wherever they are. */
#define ICMP_LOAD(ctx, xdp, off, to)                                                               \
	((xdp) ? bpf_xdp_load_bytes((void *)(ctx), off, to, sizeof(*(to)))                         \
	       : bpf_skb_load_bytes(ctx, off, to, sizeof(*(to))))

static __always_inline void icmp_event(enum steer_event_kind kind, __u32 ifindex, __u8 family,
				       const void *src, const void *dst, __u32 spi, __u32 mtu)
{
	struct steer_event *ev = event_begin(kind, ifindex);

	if (!ev)
		return;
	ev->spi = spi;
	ev->family = family;
	ev->mtu = mtu;
	if (family == 4) {
		__builtin_memcpy(ev->src.b, src, 4);
		__builtin_memcpy(ev->dst.b, dst, 4);
	} else {
		__builtin_memcpy(ev->src.b, src, 16);
		__builtin_memcpy(ev->dst.b, dst, 16);
	}
	bpf_ringbuf_submit(ev, 0);
}

/* The SPI of what is quoted, or 0 where that was in UDP: routers need not quote more than 8 octets
 * behind the IP header (RFC 792). -1: not ours. Our own port is known, the peer's may be a NAT's.
 */
static __always_inline int icmp_spi(__u8 proto, const __be32 *word, __u32 *ret_spi)
{
	*ret_spi = 0;
	if (proto == IPPROTO_ESP)
		*ret_spi = bpf_ntohl(word[0]);
	else if (proto != IPPROTO_UDP || ((const __be16 *)word)[0] != bpf_htons(PORT_NATT))
		return -1;
	return 0;
}

static __always_inline void icmp_receive4(void *ctx, bool xdp, __u32 ifindex, __u32 off)
{
	struct icmp_quote4 q;
	__u32 spi;
	bool big;

	if (ICMP_LOAD(ctx, xdp, off, &q) || q.icmp.type != ICMP4_UNREACHABLE || q.ip.ihl != 5 ||
	    icmp_spi(q.ip.protocol, q.word, &spi))
		return;
	big = q.icmp.code == ICMP4_TOO_BIG;
	icmp_event(big ? STEER_EV_TOO_BIG : STEER_EV_UNREACHABLE, ifindex, 4, &q.ip.saddr,
		   &q.ip.daddr, spi, big ? bpf_ntohs(q.icmp.word[1]) : 0);
}

static __always_inline void icmp_receive6(void *ctx, bool xdp, __u32 ifindex, __u32 off)
{
	struct icmp_quote6 q;
	__u32 spi;
	bool big;

	if (ICMP_LOAD(ctx, xdp, off, &q) || icmp_spi(q.ip.nexthdr, q.word, &spi))
		return;
	big = q.icmp.type == ICMP6_TOO_BIG;
	if (!big && q.icmp.type != ICMP6_UNREACHABLE)
		return;
	icmp_event(big ? STEER_EV_TOO_BIG : STEER_EV_UNREACHABLE, ifindex, 6, &q.ip.saddr,
		   &q.ip.daddr, spi,
		   big ? (__u32)bpf_ntohs(q.icmp.word[0]) << 16 | bpf_ntohs(q.icmp.word[1]) : 0);
}

/* data: the packet's first octet. */
static __always_inline void icmp_receive(void *ctx, bool xdp, __u32 ifindex, const void *data,
					 const struct parsed *p)
{
	__u32 off = p->l3 - data + p->hdr_len;

	if (p->family == 4 && p->proto == IPPROTO_ICMP && !p->frag)
		icmp_receive4(ctx, xdp, ifindex, off);
	else if (p->family == 6 && p->proto == IPPROTO_ICMPV6)
		icmp_receive6(ctx, xdp, ifindex, off);
}

#endif
