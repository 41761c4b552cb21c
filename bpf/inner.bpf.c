/* SPDX-License-Identifier: GPL-2.0-only */
/* Ingress of the XFRM interface, where ESP is the kernel's and policy asks for transport mode. */
#include "lib/inner.h"
#include "lib/out.h"

char LICENSE[] SEC("license") = "GPL";

SEC("tc")
int inner_in(struct __sk_buff *skb)
{
	struct inner_xfrm state;

	if (!inner_state(skb, &state))
		return TC_ACT_UNSPEC;
	return inner_restore(skb, state.spi) ? out_drop(DROP_BAD_PACKET) : TC_ACT_UNSPEC;
}
