/* SPDX-License-Identifier: GPL-2.0-only */
/* Egress and ingress of the uplinks, where policy asks for transport mode: what it protects goes
 * into the engine's device instead, with its checksum and segmentation left to do, and does not
 * come in as it is. Without an engine it goes nowhere; so it does when the device is gone. Where
 * ESP is the kernel's the device is the XFRM interface. */
#include "lib/out.h"
#include "lib/shield.h"

char LICENSE[] SEC("license") = "GPL";

SEC("tc")
int shield_out(struct __sk_buff *skb)
{
	__u32 key = 0, *dev;

	if (shield_out_verdict(skb) == SHIELD_PASS)
		return TC_ACT_UNSPEC;
	dev = bpf_map_lookup_elem(&shield_dev, &key);
	if (!dev || !*dev)
		return out_drop(DROP_NO_ENGINE);
	return bpf_redirect(*dev, 0);
}

SEC("tc")
int shield_in(struct __sk_buff *skb)
{
	if (shield_in_verdict(skb) == SHIELD_PASS)
		return TC_ACT_UNSPEC;
	return out_drop(DROP_CLEAR_IN);
}
