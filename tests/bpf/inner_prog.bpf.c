/* SPDX-License-Identifier: GPL-2.0-only */
/* What is behind XFRM, without it, for tests only: all packets are of the SA with SPI 0. */
#include "lib/inner.h"

char LICENSE[] SEC("license") = "GPL";

SEC("tc")
int inner_of(struct __sk_buff *skb)
{
	__be32 spi = 0;
	const struct inner_sa *sa = bpf_map_lookup_elem(&inner, &spi);

	return sa ? (int)inner_apply(skb, sa) : -2;
}
