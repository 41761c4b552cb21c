/* SPDX-License-Identifier: GPL-2.0-only */
/* Ingress of an uplink: recognise our ESP by its SPI, count it per path and SA, restore the stable
 * pair where the SA asks for it. Three entries to the same code: XDP, tc, and tc on a device
 * without a link-layer header. What is not ours passes untouched.
 */
#include "lib/in.h"

char LICENSE[] SEC("license") = "GPL";

SEC("xdp")
int steer_xdp(struct xdp_md *ctx)
{
	return in_steer_xdp(ctx);
}

SEC("tc")
int steer_in(struct __sk_buff *skb)
{
	int act;

	return in_steer_look(skb, &act) == IN_MORE ? in_steer_rest(skb, L2_ETHER) : act;
}

SEC("tc")
int steer_in_l3(struct __sk_buff *skb)
{
	return in_steer_rest(skb, L2_NONE);
}
