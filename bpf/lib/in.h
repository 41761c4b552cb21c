/* SPDX-License-Identifier: GPL-2.0-only */
/* Everything steer_xdp and its tc twin do, as inline functions. */
#ifndef BRAID_BPF_IN_H
#define BRAID_BPF_IN_H

#include "esp.h"
#include "frag.h"
#include "icmp.h"
#include "in_kernel.h"
#include "out.h"
#include "rewrite.h"
#include "spread.h"

enum { IN_RESTORES = STEER_SA_RESTORE_DST | STEER_SA_RESTORE_SRC };

static __always_inline bool in_restores(const struct steer_sa_in *sa)
{
	return sa->flags & IN_RESTORES;
}

static __always_inline __u32 in_restore_ports(const struct parsed *p, const struct steer_sa_in *sa)
{
	return sa->flags & STEER_SA_ENCAP ? rewrite_ports(p->udp, sa->sport, sa->dport) : 0;
}

/* XDP sees the checksum that was on the wire: arithmetic. 0 or -1: other IP version. */
static __always_inline int in_restore_xdp(const struct parsed *p, const struct steer_sa_in *sa)
{
	__u16 diff;

	if (p->family != sa->family)
		return -1;
	diff = in_restore_ip(p, sa);
	if (p->udp)
		rewrite_check_complete(p->udp, diff, in_restore_ports(p, sa));
	return 0;
}

/* tc does not know what the device left in the checksum and in the skb: the helper does. */
static __always_inline int in_restore_tc(struct __sk_buff *skb, const struct parsed *p,
					 const struct steer_sa_in *sa)
{
	__u32 udp_off = (void *)p->udp - CTX_LOAD(skb, data);
	__u16 diff;

	if (p->family != sa->family)
		return -1;
	diff = in_restore_ip(p, sa);
	if (!p->udp)
		return 0;
	return rewrite_check_helper(skb, udp_off, diff, in_restore_ports(p, sa));
}

/* Parse; once more after pulling the headers into the linear part. */
static __always_inline enum parse_result in_parse_tc(struct __sk_buff *skb, __u32 l2,
						     struct parsed *p)
{
	enum parse_result res;

	res = parse_in(CTX_LOAD(skb, data), CTX_LOAD(skb, data_end), l2, p);
	if ((res != PARSE_SHORT && res != PARSE_SHORT_ESP) ||
	    CTX_LOAD(skb, data_end) - CTX_LOAD(skb, data) >= skb->len)
		return res;
	if (bpf_skb_pull_data(skb, skb->len < PARSE_HEADERS ? skb->len : PARSE_HEADERS))
		return PARSE_OTHER;
	return parse_in(CTX_LOAD(skb, data), CTX_LOAD(skb, data_end), l2, p);
}

/* ESP by its headers but no ESP: nobody has a use for it. */
static __always_inline bool in_malformed(enum parse_result res)
{
	return res == PARSE_SHORT_ESP || res == PARSE_BAD;
}

/* No whole packet of ESP. */
static __always_inline int in_other_tc(struct __sk_buff *skb, __u32 l2, const struct parsed *p,
				       enum parse_result res)
{
	if (in_malformed(res))
		return out_drop(DROP_BAD_PACKET);
	if (res != PARSE_OTHER)
		return TC_ACT_UNSPEC;
	icmp_receive(skb, false, skb->ifindex, CTX_LOAD(skb, data), p);
	return kernel_esp && p->frag ? frag_tc(skb, l2) : TC_ACT_UNSPEC;
}

static __always_inline int in_esp_tc(struct __sk_buff *skb, __u32 l2, struct parsed *p)
{
	__u32 gso_size = skb->gso_size;
	struct steer_sa_in *sa;
	enum drop_reason why;
	enum esp_verdict v;

	v = esp_receive(p, skb->ifindex, skb_segs(skb, gso_size), &sa);
	if (kernel_esp && v == ESP_AWAITED)
		hold_tc(skb, p);
	if (v == ESP_DROP || v == ESP_AWAITED)
		return TC_ACT_SHOT;
	if (kernel_esp && v == ESP_OURS && sa->owner == STEER_OWNER_KERNEL) {
		why = in_kernel_tc(skb, l2, gso_size, p, sa);
		return why == DROP_MAX ? TC_ACT_UNSPEC : out_drop(why);
	}
	if (v == ESP_OURS && in_restores(sa) && in_restore_tc(skb, p, sa))
		return out_drop(DROP_FAMILY);
	return TC_ACT_UNSPEC;
}

/* owner, family and flags, which stand side by side: of the kernel's, IPv4, and of its addresses
 * the destination is restored. In one look. */
static __always_inline bool in_plain_sa(const struct steer_sa_in *sa)
{
	return (*(const __u32 *)&sa->owner & bpf_htonl(0xffff0000 | IN_RESTORES << 8)) ==
	       bpf_htonl(STEER_OWNER_KERNEL << 24 | 4 << 16 | STEER_SA_RESTORE_DST << 8);
}

/* What nearly all of it is where ESP is the kernel's: IPv4 as the SA has it, on a path that is
 * known at once. The same as in_esp_tc does with it, with fewer comparisons. false: nothing is
 * done. */
static __always_inline bool in_plain4(struct __sk_buff *skb, struct parsed *p, int *ret_act)
{
	__u32 spi = bpf_ntohl(p->esp->spi), id;
	struct steer_sa_in *sa = esp_sa_at(STEER_SPI_INDEX(spi));

	if (!sa || *(volatile __u32 *)&sa->spi != spi || !in_plain_sa(sa) || skb->gso_size)
		return false;
	id = esp_path_hint4(p, skb->ifindex);
	if (!id)
		return false;
	esp_count_on(id, 1, p->ip_len);
	rewrite_only_dst4(p->ip4, *(const __u32 *)sa->dst.b);
	*ret_act = TC_ACT_UNSPEC;
	if (p->udp && wrap_off(skb, p))
		*ret_act = out_drop(DROP_REWRITE);
	return true;
}

enum in_look {
	IN_DONE,  /* ESP of ours, on a path of ours: *ret_act is all there is to it */
	IN_OTHER, /* nothing to steer */
	IN_MORE,  /* in_steer_rest tells */
};

/* One look at the headers, behind Ethernet's. */
static __always_inline enum in_look in_steer_look(struct __sk_buff *skb, int *ret_act)
{
	enum parse_result res;
	struct parsed p;

	*ret_act = TC_ACT_UNSPEC;
	if (!kernel_esp)
		return IN_MORE;
	res = parse_plain4(CTX_LOAD(skb, data), CTX_LOAD(skb, data_end), &p);
	if (res == PARSE_OTHER)
		return IN_OTHER;
	return res == PARSE_ESP && in_plain4(skb, &p, ret_act) ? IN_DONE : IN_MORE;
}

static __always_inline int in_steer_rest(struct __sk_buff *skb, __u32 l2)
{
	enum parse_result res;
	struct parsed p;

	res = in_parse_tc(skb, l2, &p);
	if (res != PARSE_ESP)
		return in_other_tc(skb, l2, &p, res); /* mostly the next filter, then the stack */
	return in_esp_tc(skb, l2, &p);
}

static __always_inline int in_drop_xdp(enum drop_reason why)
{
	drop_count(why);
	return XDP_DROP;
}

static __always_inline int in_other_xdp(struct xdp_md *ctx, const struct parsed *p,
					enum parse_result res)
{
	if (in_malformed(res))
		return in_drop_xdp(DROP_BAD_PACKET);
	if (res != PARSE_OTHER)
		return XDP_PASS;
	icmp_receive(ctx, true, ctx->ingress_ifindex, CTX_LOAD(ctx, data), p);
	return kernel_esp && p->frag ? frag_xdp(ctx) : XDP_PASS;
}

static __always_inline int in_steer_xdp(struct xdp_md *ctx)
{
	struct steer_sa_in *sa;
	enum drop_reason why;
	enum parse_result res;
	enum esp_verdict v;
	struct parsed p;
	__u32 spi, seq;

	res = parse_in(CTX_LOAD(ctx, data), CTX_LOAD(ctx, data_end), L2_ETHER, &p);
	if (res != PARSE_ESP)
		return in_other_xdp(ctx, &p, res);
	v = esp_receive(&p, ctx->ingress_ifindex, 1, &sa);
	if (kernel_esp && v == ESP_AWAITED)
		hold_xdp(ctx, &p);
	if (v == ESP_DROP || v == ESP_AWAITED)
		return XDP_DROP;
	if (kernel_esp && v == ESP_OURS && sa->owner == STEER_OWNER_KERNEL) {
		spi = bpf_ntohl(p.esp->spi);
		seq = bpf_ntohl(p.esp->seq_no);
		why = in_kernel_xdp(ctx, &p, sa);
		return why == DROP_MAX ? spread_xdp(spi, seq) : in_drop_xdp(why);
	}
	if (v == ESP_OURS && in_restores(sa) && in_restore_xdp(&p, sa))
		return in_drop_xdp(DROP_FAMILY);
	return XDP_PASS;
}

#endif
