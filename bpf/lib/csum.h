/* SPDX-License-Identifier: GPL-2.0-only */
/* Internet checksum arithmetic (RFC 1071, RFC 1624), without helper calls.
 *
 * A diff is the one's complement sum of (new - old) over the octets that change, in 64 bits as it
 * adds up; csum_fold makes 16 of it once, then it goes into any number of checksum fields.
 */
#ifndef BRAID_BPF_CSUM_H
#define BRAID_BPF_CSUM_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

/* Of at most 32 words: 37 bits. */
static __always_inline __u16 csum_fold(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16); /* 22 bits */
	sum = (sum & 0xffff) + (sum >> 16); /* 17 bits */
	return sum + (sum >> 16);
}

/* Sums of words, written out: clang does not unroll these loops once they are inlined. */
static __always_inline __u64 csum_words2(const __u32 *w)
{
	return (__u64)w[0] + w[1];
}

static __always_inline __u64 csum_words4(const __u32 *w)
{
	return csum_words2(w) + csum_words2(w + 2);
}

static __always_inline __u64 csum_words8(const __u32 *w)
{
	return csum_words4(w) + csum_words4(w + 4);
}

/* Sum of the complements of n words, from their sum. */
static __always_inline __u64 csum_neg(__u64 sum, __u32 n)
{
	return n * 0xffffffffull - sum;
}

/* RFC 1624 eqn. 3: HC' = ~(~HC + ~m + m'); diff: the sum of a few words, carries and all. */
static __always_inline __sum16 csum_apply(__sum16 check, __u32 diff)
{
	__u32 sum = (__u16)~check + diff;

	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16) ~(sum + (sum >> 16));
}

/* CHECKSUM_PARTIAL: the field holds the plain pseudo-header sum, not its complement. */
static __always_inline __sum16 csum_apply_partial(__sum16 check, __u16 diff)
{
	__u32 sum = check + diff;

	return sum + (sum >> 16);
}

#endif
