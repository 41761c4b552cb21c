/* SPDX-License-Identifier: GPL-2.0-only */
/* Egress and ingress of the uplinks, where policy asks for transport mode: what it protects goes
 * into the engine's device instead, with its checksum and segmentation left to do, and does not
 * come in as it is. Without an engine it goes nowhere; so it does when the device is gone. Where
 * ESP is the kernel's the device is the XFRM interface; and what comes by an SA without one, by
 * policies of the host's own addresses, comes by here once more when it is decrypted.
 *
 * At the ingress of an uplink that has steer_in there, one program does what both do: a filter more
 * costs each packet as much as what it does. Of all of them a twin is for devices without a
 * link-layer header. */
#include "lib/in.h"
#include "lib/inner.h"
#include "lib/shield.h"

char LICENSE[] SEC("license") = "GPL";

/* Set at load: what our states have for the remote address, IPv4. */
const volatile __u32 stable_remote4 = 0;

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

enum { FAMILY_INET = 2 };

/* Has it come by one of our SAs? */
static __always_inline bool shield_decrypted(struct __sk_buff *skb, struct inner_xfrm *ret_state)
{
	return inner_state(skb, ret_state) && ret_state->family == FAMILY_INET &&
	       ret_state->remote[0] == stable_remote4;
}

static __noinline int shield_receive(struct __sk_buff *skb, __u32 l2)
{
	struct inner_xfrm state;

	if (kernel_esp && shield_decrypted(skb, &state))
		return inner_restore(skb, state.spi) ? out_drop(DROP_BAD_PACKET) : TC_ACT_UNSPEC;
	if (shield_in_verdict(skb, l2) == SHIELD_PASS)
		return TC_ACT_UNSPEC;
	return out_drop(DROP_CLEAR_IN);
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

/* A function of its own: the stack that the rest of steering needs the shield need not spare. */
static __noinline int shield_steer(struct __sk_buff *skb, __u32 l2)
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
		act = shield_steer(skb, L2_ETHER);
	return act == TC_ACT_UNSPEC ? shield_receive(skb, L2_ETHER) : act;
}

SEC("tc")
int steer_in_shield_l3(struct __sk_buff *skb)
{
	int act = shield_steer(skb, L2_NONE);

	return act == TC_ACT_UNSPEC ? shield_receive(skb, L2_NONE) : act;
}
