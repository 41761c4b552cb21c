/* SPDX-License-Identifier: GPL-2.0-only */
/* Egress of the steering device, or ingress of its other end where ESP is the kernel's: mark -> SA
 * -> group -> path; new outer header; redirect. */
#include "lib/out.h"

char LICENSE[] SEC("license") = "GPL";

SEC("tc")
int steer_tc(struct __sk_buff *skb)
{
	return out_steer(skb, skb->mark);
}
