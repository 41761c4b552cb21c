/* SPDX-License-Identifier: GPL-2.0-only */
/* Egress of the steering device, and ingress of its other end where ESP is the kernel's: mark -> SA
 * -> group -> path; new outer header; redirect. */
#include "lib/out.h"

char LICENSE[] SEC("license") = "GPL";

SEC("tc")
int steer_tc(struct __sk_buff *skb)
{
	return kernel_esp ? out_steer_kernel(skb, skb->mark, false) : out_steer(skb, skb->mark);
}

/* ESP of the kernel's at the egress of the pair already: half of what its way through costs. Left
 * to the other end is what may not be encrypted yet (esp4_offload leaves that to the device: the
 * packet then carries its state; so does what came in by another SA), and what is sent twice. */
SEC("tc")
int steer_tc_out(struct __sk_buff *skb)
{
	__u32 mark = out_mark_kernel(skb);
	struct bpf_xfrm_state x;

	if (!bpf_skb_get_xfrm_state(skb, 0, &x, sizeof(x), 0)) {
		skb->mark = mark;
		return TC_ACT_UNSPEC;
	}
	return out_steer_kernel(skb, mark, true);
}
