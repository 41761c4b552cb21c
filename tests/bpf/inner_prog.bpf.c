/* SPDX-License-Identifier: GPL-2.0-only */
/* What is behind XFRM, without it, for tests only: all packets are of the SA with SPI 0. */
#include "lib/inner.h"

char LICENSE[] SEC("license") = "GPL";

SEC("tc")
int inner_of(struct __sk_buff *skb)
{
	return (int)inner_restore(skb, 0);
}
