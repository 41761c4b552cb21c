/* SPDX-License-Identifier: GPL-2.0-only */
/* Fragments of ESP for SAs of the kernel's (IPv4: routers cut what has no DF). The kernel puts them
 * together, and looks for the SA by the address they are then for: each gets the stable one. Only
 * the first says whose it is, and whether it is in UDP; it is remembered for the others. A UDP
 * header is one unit of a fragment's offset, so it can be taken out of them, too. What comes before
 * the first fragment is lost. With the stable addresses all peers have one space of
 * identifications, so each datagram gets another one, of ours.
 */
#ifndef BRAID_BPF_FRAG_H
#define BRAID_BPF_FRAG_H

#include "esp.h"
#include "in_kernel.h"
#include "out.h"

enum frag_result {
	FRAG_PASS,     /* not ours */
	FRAG_RESTORED, /* as it is to be */
	FRAG_UNWRAP,   /* but for the octets of the UDP header */
};

enum { FRAG_OFFSET = 0x1fff }; /* in units of 8 octets: WRAP_LEN */

static __always_inline void frag_id_put(struct iphdr *ip, __be16 id)
{
	ip->check = csum_apply(ip->check, (__u16)~ip->id + id);
	ip->id = id;
}

static __always_inline __be16 frag_id_next(void)
{
	__u32 key = STEER_FRAG_ID_IN, *next = bpf_map_lookup_elem(&frag_id, &key);

	return next ? bpf_htons((__u16)__sync_fetch_and_add(next, 1)) : 0;
}

static __always_inline struct steer_frag_key frag_key(const struct parsed *p)
{
	return (struct steer_frag_key){
		.src = p->ip4->saddr,
		.dst = p->ip4->daddr,
		.id = p->ip4->id,
		.proto = p->ip4->protocol,
	};
}

/* Of the kernel's, and IPv4 inside as outside: NULL: not. */
static __always_inline struct steer_sa_in *frag_sa(__u32 index)
{
	struct steer_sa_in *sa = bpf_map_lookup_elem(&sa_in, &index);

	return sa && *(volatile __u32 *)&sa->spi && sa->owner == STEER_OWNER_KERNEL &&
			       sa->family == 4
		       ? sa
		       : 0;
}

/* The first one: as any ESP packet, but for what its length fields say. It alone counts, and is a
 * sign of life: of the others nothing is known but an identification. */
static __always_inline enum frag_result frag_first(void *data_end, struct parsed *p, __u32 ifindex)
{
	struct steer_frag_key key = frag_key(p);
	struct steer_sa_in *sa = 0;
	struct steer_frag frag = { 0 };
	__u32 spi = 0, path;

	if (parse_l4(p->l3 + p->hdr_len, data_end, p) == PARSE_ESP &&
	    p->hdr_len == sizeof(struct iphdr) + (p->udp ? WRAP_LEN : 0)) {
		spi = bpf_ntohl(p->esp->spi);
		frag.index = STEER_SPI_INDEX(spi);
		sa = frag_sa(frag.index);
	}
	if (!sa || sa->spi != spi) {
		bpf_map_delete_elem(&frag_in, &key);
		return FRAG_PASS;
	}
	frag.id = frag_id_next();
	bpf_map_update_elem(&frag_in, &key, &frag, BPF_ANY);
	path = esp_path(p, ifindex);
	if (path)
		esp_count_on(path, 1, p->ip_len);
	in_restore_ip(p, sa);
	frag_id_put(p->ip4, frag.id);
	if (key.proto == IPPROTO_ESP)
		return FRAG_RESTORED;
	wrap_ip(p, false);
	return FRAG_UNWRAP;
}

static __always_inline enum frag_result frag_later(struct parsed *p)
{
	struct steer_frag_key key = frag_key(p);
	struct iphdr *ip = p->ip4;
	struct steer_frag *frag;
	struct steer_sa_in *sa;

	/* ESP's own header is in the first one: what would be put over it is forged */
	if (key.proto == IPPROTO_UDP && (p->frag & FRAG_OFFSET) < 2)
		return FRAG_PASS;
	frag = bpf_map_lookup_elem(&frag_in, &key);
	sa = frag ? frag_sa(frag->index) : 0;
	if (!sa)
		return FRAG_PASS;
	in_restore_ip(p, sa);
	frag_id_put(ip, frag->id);
	if (key.proto == IPPROTO_UDP) {
		__be16 off = bpf_htons(bpf_ntohs(ip->frag_off) - 1);
		__u32 diff = (__u16)~ip->frag_off + off;

		diff += (__u16)~bpf_htons(IPPROTO_UDP) + bpf_htons(IPPROTO_ESP);
		ip->check = csum_apply(ip->check, diff);
		ip->frag_off = off;
		ip->protocol = IPPROTO_ESP;
	}
	return FRAG_RESTORED;
}

/* *p is parsed anew. */
static __always_inline enum frag_result frag_receive(void *data, void *data_end, __u32 l2,
						     __u32 ifindex, struct parsed *p)
{
	enum parse_result res;

	parse_ip(data, data_end, l2, p, &res);
	if (!p->frag || (p->proto != IPPROTO_ESP && p->proto != IPPROTO_UDP))
		return FRAG_PASS;
	if (p->frag & FRAG_OFFSET)
		return frag_later(p);
	return frag_first(data_end, p, ifindex);
}

/* Functions of their own: seldom called, and the verifier looks at them once. */
static __noinline int frag_tc(struct __sk_buff *skb, __u32 l2)
{
	__u32 want = skb->len < PARSE_HEADERS ? skb->len : PARSE_HEADERS;
	struct parsed p;

	/* some drivers leave no more than the IP header where it can be read */
	if (CTX_LOAD(skb, data_end) - CTX_LOAD(skb, data) < want && bpf_skb_pull_data(skb, want))
		return TC_ACT_UNSPEC;
	if (frag_receive(CTX_LOAD(skb, data), CTX_LOAD(skb, data_end), l2, skb->ifindex, &p) !=
	    FRAG_UNWRAP)
		return TC_ACT_UNSPEC;
	if (bpf_skb_adjust_room(skb, -WRAP_LEN, BPF_ADJ_ROOM_NET, 0))
		return out_drop(DROP_REWRITE);
	return TC_ACT_UNSPEC;
}

static __noinline int frag_xdp(struct xdp_md *ctx)
{
	struct parsed p;

	if (frag_receive(CTX_LOAD(ctx, data), CTX_LOAD(ctx, data_end), L2_ETHER,
			 ctx->ingress_ifindex, &p) != FRAG_UNWRAP)
		return XDP_PASS;
	if (p.l3 != p.eth + 1 || in_kernel_move_xdp(ctx, &p)) {
		drop_count(DROP_REWRITE);
		return XDP_DROP;
	}
	return XDP_PASS;
}

#endif
