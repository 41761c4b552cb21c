/* SPDX-License-Identifier: GPL-2.0-only */
/* What comes in by a device that the shield is on: what our SAs have carried gets its addresses,
 * and what ought to have come by one goes no further. */
#ifndef BRAID_BPF_SHIELD_IN_H
#define BRAID_BPF_SHIELD_IN_H

#include "inner.h"
#include "out.h"
#include "shield.h"

/* Set at load: what our states have for the remote address, IPv4. */
const volatile __u32 stable_remote4 = 0;

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

#endif
