/* SPDX-License-Identifier: GPL-2.0-only */
/* ESP into UDP and out of it again (RFC 3948), for SAs of the kernel's: XFRM knows protocol 50
 * only, whatever a path needs. Eight octets behind an IP header without options.
 */
#ifndef BRAID_BPF_WRAP_H
#define BRAID_BPF_WRAP_H

#include "csum.h"
#include "parse.h"
#include "abi/steer.h"

/* Set at load: ESP is the kernel's. Where it is not, what is for it is not even there. */
const volatile bool kernel_esp = false;

enum { WRAP_LEN = sizeof(struct udphdr) };

/* The length field covers all that the IP header does: otherwise something would be left over. */
static __always_inline bool wrap_fits(const struct parsed *p)
{
	__u32 base = p->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);

	return p->hdr_len == base + WRAP_LEN && bpf_ntohs(p->udp->len) == p->ip_len - base;
}

/* Protocol and length in the IP header: 17 and 8 octets more, or 50 and as many less. */
static __always_inline void wrap_ip(struct parsed *p, bool on)
{
	__u8 proto = on ? IPPROTO_UDP : IPPROTO_ESP;
	__u32 len = on ? p->ip_len + WRAP_LEN : p->ip_len - WRAP_LEN;

	if (p->family == 4) {
		__be16 new_len = bpf_htons(len);
		__u32 diff = (__u16)~p->ip4->tot_len + new_len;

		diff += (__u16)~bpf_htons(p->ip4->protocol) + bpf_htons(proto);
		p->ip4->check = csum_apply(p->ip4->check, diff);
		p->ip4->protocol = proto;
		p->ip4->tot_len = new_len;
	} else {
		p->ip6->nexthdr = proto;
		p->ip6->payload_len = bpf_htons(len - sizeof(struct ipv6hdr));
	}
	p->proto = proto;
	p->ip_len = len;
}

/* Room for UDP and the header; no checksum yet. Pointers in *p are new. 0, or -1 and the packet is
 * of no more use. */
static __always_inline int wrap_on(struct __sk_buff *skb, struct parsed *p, __be16 sport,
				   __be16 dport)
{
	if (bpf_skb_adjust_room(skb, WRAP_LEN, BPF_ADJ_ROOM_NET, 0))
		return -1;
	p->eth = CTX_LOAD(skb, data);
	p->l3 = (void *)p->eth + L2_ETHER;
	p->udp = p->l3 + (p->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	if ((void *)(p->udp + 1) > CTX_LOAD(skb, data_end))
		return -1;
	wrap_ip(p, true);
	p->hdr_len += WRAP_LEN;
	*p->udp = (struct udphdr){
		.source = sport,
		.dest = dport,
		.len = bpf_htons(p->ip_len - p->hdr_len + WRAP_LEN),
	};
	return 0;
}

/* UDP is gone; pointers in *p are void. 0, or -1 and the packet is of no more use. */
static __always_inline int wrap_off(struct __sk_buff *skb, struct parsed *p)
{
	wrap_ip(p, false);
	return bpf_skb_adjust_room(skb, -WRAP_LEN, BPF_ADJ_ROOM_NET, 0) ? -1 : 0;
}

enum { WRAP_STEP = 128, WRAP_STEPS = 65536 / WRAP_STEP };

/* The sum of so many octets of a packet, wherever they are: not folded, at most 32 bits. */
static __noinline __u32 wrap_sum(struct __sk_buff *skb, __u32 off, __u32 len)
{
	__u64 buf[WRAP_STEP / 8];
	__u32 sum = 0, rest = len % WRAP_STEP;

	for (__u32 i = 0; i < WRAP_STEPS && len >= WRAP_STEP; i++) {
		if (bpf_skb_load_bytes(skb, off, buf, WRAP_STEP))
			return 0;
		sum = bpf_csum_diff(0, 0, (__be32 *)buf, WRAP_STEP, sum);
		off += WRAP_STEP;
		len -= WRAP_STEP;
	}
	if (!rest)
		return sum;
	__builtin_memset(buf, 0, sizeof(buf));
	/* The verifier of 6.1 does not see that it is not zero; the compiler does, and must not. */
	rest--;
	asm volatile("" : "+r"(rest));
	if (bpf_skb_load_bytes(skb, off, buf, (rest & (WRAP_STEP - 1)) + 1))
		return 0;
	return bpf_csum_diff(0, 0, (__be32 *)buf, WRAP_STEP, sum);
}

/* IPv6 wants a checksum over all of it (RFC 8200 8.1). The field is still 0. The addresses are
 * those that it is sent with. */
static __always_inline void wrap_check6(struct __sk_buff *skb, struct udphdr *udp,
					const struct steer_addr *src, const struct steer_addr *dst)
{
	__u64 sum = csum_words4((const __u32 *)src->b) + csum_words4((const __u32 *)dst->b);

	sum += udp->len + bpf_htons(IPPROTO_UDP);
	sum += wrap_sum(skb, L2_ETHER + sizeof(struct ipv6hdr), bpf_ntohs(udp->len));
	udp->check = (__u16)~csum_fold(sum) ?: 0xffff;
}

#endif
