/* SPDX-License-Identifier: GPL-2.0-only */
/* Egress and ingress of the uplinks, where policy asks for transport mode: what it protects goes
 * into the engine's device instead, with its checksum and segmentation left to do, and does not
 * come in as it is. Without an engine it goes nowhere; so it does when the device is gone. Where
 * ESP is the kernel's the device is the XFRM interface; and what comes by an SA without one, by
 * policies of the host's own addresses, comes by here once more when it is decrypted. Of both a
 * twin is for devices without a link-layer header. */
#include "lib/out.h"
#include "lib/shield.h"
#include "lib/shield_in.h"

char LICENSE[] SEC("license") = "GPL";

static __always_inline int shield_send(struct __sk_buff *skb, __u32 l2)
{
	__u32 key = 0, *dev;

	if (shield_out_verdict(skb, l2) == SHIELD_PASS)
		return TC_ACT_UNSPEC;
	dev = bpf_map_lookup_elem(&shield_dev, &key);
	if (!dev || !*dev)
		return out_drop(DROP_NO_ENGINE);
	return bpf_redirect(*dev, 0);
}

SEC("tc")
int shield_out(struct __sk_buff *skb)
{
	return shield_send(skb, L2_ETHER);
}

SEC("tc")
int shield_out_l3(struct __sk_buff *skb)
{
	return shield_send(skb, L2_NONE);
}

SEC("tc")
int shield_in(struct __sk_buff *skb)
{
	return shield_receive(skb, L2_ETHER);
}

SEC("tc")
int shield_in_l3(struct __sk_buff *skb)
{
	return shield_receive(skb, L2_NONE);
}
