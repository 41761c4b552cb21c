/* SPDX-License-Identifier: GPL-2.0-only */
/* Inbound ESP of an SA of the kernel's, as XFRM is to find it: protocol 50, addressed to the stable
 * pair, whatever it came in. With both IP versions it is another header altogether.
 */
#ifndef BRAID_BPF_IN_KERNEL_H
#define BRAID_BPF_IN_KERNEL_H

#include "esp.h"
#include "rewrite.h"
#include "wrap.h"

/* The stable pair goes back in, as far as the SA asks for it. Returns the address diff; ports are
 * restored with both directions only. */
static __always_inline __u16 in_restore_ip(const struct parsed *p, const struct steer_sa_in *sa)
{
	struct steer_addr src, dst;

	/* each IP version for itself: of IPv4 that is four octets */
	if (p->family == 4) {
		*(__u32 *)src.b = sa->flags & STEER_SA_RESTORE_SRC ? *(const __u32 *)sa->src.b
								   : p->ip4->saddr;
		*(__u32 *)dst.b = sa->flags & STEER_SA_RESTORE_DST ? *(const __u32 *)sa->dst.b
								   : p->ip4->daddr;
		return rewrite_addrs4(p->ip4, &src, &dst);
	}
	esp_copy_addrs(p, &src, &dst);
	if (sa->flags & STEER_SA_RESTORE_SRC)
		src = sa->src;
	if (sa->flags & STEER_SA_RESTORE_DST)
		dst = sa->dst;
	return rewrite_addrs6(p->ip6, &src, &dst);
}

/* Without the difference, for which ESP has no use. */
static __always_inline void in_kernel_restore(const struct parsed *p, const struct steer_sa_in *sa)
{
	const __u32 *src = (const __u32 *)sa->src.b, *dst = (const __u32 *)sa->dst.b;

	if (p->family == 4)
		rewrite_only4(p->ip4, sa->flags & STEER_SA_RESTORE_SRC ? *src : p->ip4->saddr,
			      sa->flags & STEER_SA_RESTORE_DST ? *dst : p->ip4->daddr);
	else
		in_restore_ip(p, sa);
}

/* What is behind it belongs to ESP, so what can be wrong is ours to refuse. */
static __always_inline bool in_kernel_bad(const struct parsed *p)
{
	return p->udp && !wrap_fits(p);
}

/* The new header of the SA's IP version: no other one can reach XFRM. */
static __always_inline void in_kernel_header(void *l3, const struct rewrite_carry *c,
					     const struct steer_sa_in *sa)
{
	if (sa->family == 4)
		rewrite_new_ip4(l3, c, &sa->src, &sa->dst);
	else
		rewrite_new_ip6(l3, c, &sa->src, &sa->dst);
}

static __always_inline struct rewrite_carry in_kernel_carry(const struct parsed *p)
{
	struct rewrite_carry c = rewrite_carry_of(p);

	if (p->udp)
		c.payload_len -= WRAP_LEN;
	c.proto = IPPROTO_ESP;
	return c;
}

static __always_inline __be16 in_kernel_ethertype(const struct steer_sa_in *sa)
{
	return sa->family == 4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
}

/* tc: the kernel moves the headers. l2: as in parse_in. */
static __always_inline int in_kernel_convert_tc(struct __sk_buff *skb, __u32 l2,
						const struct parsed *p,
						const struct steer_sa_in *sa)
{
	struct rewrite_carry c = in_kernel_carry(p);
	void *data, *end;
	__u32 len;

	if (p->udp && bpf_skb_adjust_room(skb, -WRAP_LEN, BPF_ADJ_ROOM_NET, 0))
		return -1;
	if (bpf_skb_change_proto(skb, in_kernel_ethertype(sa), 0))
		return -1;
	data = CTX_LOAD(skb, data);
	end = CTX_LOAD(skb, data_end);
	len = sa->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	if (len == sizeof(struct iphdr)) {
		if (data + l2 + sizeof(struct iphdr) > end)
			return -1;
	} else if (data + l2 + sizeof(struct ipv6hdr) > end) {
		return -1;
	}
	in_kernel_header(data + l2, &c, sa);
	if (l2 == L2_ETHER)
		((struct ethhdr *)data)->h_proto = in_kernel_ethertype(sa);
	return 0;
}

/* A super-packet of UDP, which somebody made of several, would keep its form under another
 * protocol. */
static __always_inline enum drop_reason in_kernel_tc(struct __sk_buff *skb, __u32 l2,
						     __u32 gso_size, struct parsed *p,
						     const struct steer_sa_in *sa)
{
	if (in_kernel_bad(p))
		return DROP_BAD_PACKET;
	if (gso_size)
		return DROP_REWRITE;
	if (p->family != sa->family)
		return in_kernel_convert_tc(skb, l2, p, sa) ? DROP_FAMILY : DROP_MAX;
	in_kernel_restore(p, sa);
	return p->udp && wrap_off(skb, p) ? DROP_REWRITE : DROP_MAX;
}

/* Ethernet and IP header, as they are moved: both aligned here. */
struct in_kernel_head4 {
	__u8 pad[2];
	struct ethhdr eth;
	struct iphdr ip;
};

struct in_kernel_head6 {
	__u8 pad[2];
	struct ethhdr eth;
	struct ipv6hdr ip;
};

#define IN_KERNEL_LEN(head) (sizeof(head) - sizeof((head).pad))

#define IN_KERNEL_PUT(ctx, head)                                                                   \
	({                                                                                         \
		void *at_ = CTX_LOAD(ctx, data);                                                   \
		bool fits_ = at_ + IN_KERNEL_LEN(head) <= CTX_LOAD(ctx, data_end);                 \
		if (fits_)                                                                         \
			__builtin_memcpy(at_, &(head).eth, IN_KERNEL_LEN(head));                   \
		fits_ ? 0 : -1;                                                                    \
	})

/* The headers, which are right already, eight octets further back. */
static __always_inline int in_kernel_move_xdp(struct xdp_md *ctx, const struct parsed *p)
{
	struct in_kernel_head4 head4;
	struct in_kernel_head6 head6;

	if (p->family == 4) {
		__builtin_memcpy(&head4.eth, p->eth, IN_KERNEL_LEN(head4));
		return bpf_xdp_adjust_head(ctx, WRAP_LEN) ? -1 : IN_KERNEL_PUT(ctx, head4);
	}
	__builtin_memcpy(&head6.eth, p->eth, IN_KERNEL_LEN(head6));
	return bpf_xdp_adjust_head(ctx, WRAP_LEN) ? -1 : IN_KERNEL_PUT(ctx, head6);
}

static __always_inline int in_kernel_convert_xdp(struct xdp_md *ctx, const struct parsed *p,
						 const struct steer_sa_in *sa)
{
	enum { GROWS = sizeof(struct ipv6hdr) - sizeof(struct iphdr) };
	struct rewrite_carry c = in_kernel_carry(p);
	struct in_kernel_head4 head4;
	struct in_kernel_head6 head6;
	int delta = p->udp ? WRAP_LEN : 0; /* to the front */

	if (sa->family == 4) {
		head4.eth = *p->eth;
		head4.eth.h_proto = bpf_htons(ETH_P_IP);
		rewrite_new_ip4(&head4.ip, &c, &sa->src, &sa->dst);
		return bpf_xdp_adjust_head(ctx, delta + GROWS) ? -1 : IN_KERNEL_PUT(ctx, head4);
	}
	head6.eth = *p->eth;
	head6.eth.h_proto = bpf_htons(ETH_P_IPV6);
	rewrite_new_ip6(&head6.ip, &c, &sa->src, &sa->dst);
	return bpf_xdp_adjust_head(ctx, delta - GROWS) ? -1 : IN_KERNEL_PUT(ctx, head6);
}

/* What tc cannot do either: headers behind a tag or with options are not moved. */
static __always_inline enum drop_reason in_kernel_xdp(struct xdp_md *ctx, struct parsed *p,
						      const struct steer_sa_in *sa)
{
	bool plain = p->l3 == p->eth + 1;

	if (in_kernel_bad(p))
		return DROP_BAD_PACKET;
	if (p->family != sa->family)
		return !plain || in_kernel_convert_xdp(ctx, p, sa) ? DROP_FAMILY : DROP_MAX;
	if (p->udp && !plain)
		return DROP_REWRITE;
	in_kernel_restore(p, sa);
	if (!p->udp)
		return DROP_MAX;
	wrap_ip(p, false);
	return in_kernel_move_xdp(ctx, p) ? DROP_REWRITE : DROP_MAX;
}

#endif
