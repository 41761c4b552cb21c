/* SPDX-License-Identifier: GPL-2.0-only */
/* Internet checksum arithmetic (RFC 1071, RFC 1624), without helper calls.
 *
 * A `diff` is the one's complement sum of (new - old) over the octets that change, folded to 32
 * bits at most: csum_diff starts it, csum_apply puts it into a checksum field.
 */
#ifndef BRAID_BPF_CSUM_H
#define BRAID_BPF_CSUM_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

static __always_inline __u16 csum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Sum of n words of an address. */
static __always_inline __u64 csum_words(const __u32 *w, int n)
{
	__u64 sum = 0;

#pragma unroll
	for (int i = 0; i < n; i++)
		sum += w[i];
	return sum;
}

/* -x in one's complement, for sums of up to ten words. */
static __always_inline __u64 csum_neg(__u64 sum)
{
	return (__u16)~csum_fold(sum);
}

/* RFC 1624 eqn. 3: HC' = ~(~HC + ~m + m') */
static __always_inline __sum16 csum_apply(__sum16 check, __u64 diff)
{
	return (__u16)~csum_fold((__u64)(__u16)~check + diff);
}

/* CHECKSUM_PARTIAL: the field holds the plain pseudo-header sum, not its complement. */
static __always_inline __sum16 csum_apply_partial(__sum16 check, __u64 diff)
{
	return csum_fold((__u64)check + diff);
}

#endif
