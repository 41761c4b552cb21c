/* SPDX-License-Identifier: GPL-2.0-only */
/* Programs for bench_bpf only: the product's inline functions with a random SA per run, since a
 * test run repeats one packet, and the same without them (parse and pass) to compare with. Both
 * draw the random number and write it to the packet, so the difference is the steering alone.
 */
#include "lib/classify.h"
#include "lib/in.h"
#include "lib/out.h"

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 n_sas = 1;		       /* indices 1..n_sas, generation 1 */
const volatile __u32 first_class, classes = 1; /* of packets, at random */

static __always_inline __u32 any_mark(void)
{
	__u32 r = bpf_get_prandom_u32();

	return STEER_MARK(first_class + ((r & 0xffff) * classes >> 16), r >> 24,
			  ((__u64)r * n_sas >> 32) + 1);
}

static __always_inline void any_spi(struct parsed *p)
{
	__u32 r = bpf_get_prandom_u32();

	p->esp->spi = bpf_htonl(STEER_SPI(1, ((__u64)r * n_sas >> 32) + 1));
}

/* The packet as the engine sends it. */
static __always_inline bool fresh(struct __sk_buff *skb)
{
	void *data = CTX_LOAD(skb, data), *end = CTX_LOAD(skb, data_end);
	struct iphdr *ip = data + L2_ETHER;
	struct udphdr *udp = (void *)(ip + 1);

	if ((void *)(udp + 1) > end)
		return false;
	ip->check = bpf_htons(0xb1fa);
	ip->saddr = bpf_htonl(0xc6336402);
	ip->daddr = bpf_htonl(0xc0000201);
	udp->source = udp->dest = bpf_htons(4500);
	udp->check = bpf_htons(0x1234);
	return true;
}

SEC("tc")
int base_out(struct __sk_buff *skb)
{
	struct parsed p;

	skb->mark = any_mark();
	return fresh(skb) && out_parse(skb, &p) == PARSE_ESP ? TC_ACT_OK : TC_ACT_SHOT;
}

SEC("tc")
int full_out(struct __sk_buff *skb)
{
	return fresh(skb) ? out_steer(skb, any_mark()) : TC_ACT_SHOT;
}

SEC("tc")
int base_in(struct __sk_buff *skb)
{
	struct parsed p;

	if (in_parse_tc(skb, L2_ETHER, bpf_htons(4500), &p) != PARSE_ESP)
		return TC_ACT_SHOT;
	any_spi(&p);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int full_in(struct __sk_buff *skb)
{
	struct steer_sa_in *sa;
	struct parsed p;

	if (in_parse_tc(skb, L2_ETHER, bpf_htons(4500), &p) != PARSE_ESP)
		return TC_ACT_SHOT;
	any_spi(&p);
	if (esp_receive(&p, skb->ifindex, skb_segs(skb), &sa) != ESP_OURS)
		return TC_ACT_SHOT;
	if (in_restores(sa) && in_restore_tc(skb, &p, sa))
		return TC_ACT_SHOT;
	return TC_ACT_UNSPEC;
}

SEC("xdp")
int base_xdp(struct xdp_md *ctx)
{
	struct parsed p;

	if (parse_in(CTX_LOAD(ctx, data), CTX_LOAD(ctx, data_end), L2_ETHER, bpf_htons(4500), &p) !=
	    PARSE_ESP)
		return XDP_DROP;
	any_spi(&p);
	return XDP_PASS;
}

SEC("xdp")
int full_xdp(struct xdp_md *ctx)
{
	struct steer_sa_in *sa;
	struct parsed p;

	if (parse_in(CTX_LOAD(ctx, data), CTX_LOAD(ctx, data_end), L2_ETHER, bpf_htons(4500), &p) !=
	    PARSE_ESP)
		return XDP_DROP;
	any_spi(&p);
	if (esp_receive(&p, ctx->ingress_ifindex, 1, &sa) != ESP_OURS)
		return XDP_DROP;
	if (in_restores(sa) && in_restore_xdp(&p, sa))
		return XDP_DROP;
	return XDP_PASS;
}

/* Source address, source port and mark of each packet are others, so that it falls under other
 * rules. */
static __always_inline bool any_flow(struct __sk_buff *skb)
{
	void *data = CTX_LOAD(skb, data), *end = CTX_LOAD(skb, data_end);
	struct ethhdr *eth = data;
	struct ipv6hdr *ip6 = data + L2_ETHER;
	struct iphdr *ip = data + L2_ETHER;
	struct udphdr *udp = (void *)(ip6 + 1);
	__u32 r = bpf_get_prandom_u32();

	if ((void *)(udp + 1) > end)
		return false;
	if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		ip6->saddr.in6_u.u6_addr8[15] = r >> 24;
	} else {
		udp = (void *)(ip + 1);
		*((__u8 *)&ip->saddr + 3) = r >> 24;
	}
	udp->source = (__u16)r;
	skb->mark = r >> 16 & 0xff;
	return true;
}

SEC("tc")
int base_class(struct __sk_buff *skb)
{
	return any_flow(skb) ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

SEC("tc")
int full_class(struct __sk_buff *skb)
{
	if (!any_flow(skb))
		return TC_ACT_SHOT;
	skb->queue_mapping = CLASSIFY_QUEUE | classify(skb);
	return TC_ACT_UNSPEC;
}
