/* SPDX-License-Identifier: GPL-2.0-only */
/* steer_in and shield_in in one, for an ingress behind Ethernet that needs both: a filter more
 * costs each packet as much as what it does. Loaded when there is a use for it. */
#include "lib/in.h"
#include "lib/shield_in.h"

char LICENSE[] SEC("license") = "GPL";

/* A function of its own: the stack that the rest of steering needs the shield need not spare. */
static __noinline int steer_the_rest(struct __sk_buff *skb, __u32 l2)
{
	return in_steer_rest(skb, l2);
}

SEC("tc")
int steer_in_shield(struct __sk_buff *skb)
{
	int act;
	enum in_look look = in_steer_look(skb, &act);

	if (look == IN_DONE)
		return act;
	if (look == IN_MORE)
		act = steer_the_rest(skb, L2_ETHER);
	return act == TC_ACT_UNSPEC ? shield_receive(skb, L2_ETHER) : act;
}
