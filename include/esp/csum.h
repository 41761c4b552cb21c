/* SPDX-License-Identifier: GPL-2.0-only */
/* The Internet checksum (RFC 1071) over long runs of octets, and TCP/UDP pseudo headers.
 * Sums are folded to 16 bits, in memory order: store them as they are. Thread: any.
 */
#ifndef BRAID_ESP_CSUM_H
#define BRAID_ESP_CSUM_H

#include <stddef.h>
#include <stdint.h>

/* One's complement sum, not complemented, continuing from an earlier (even-length) sum. */
uint64_t csum_add(uint64_t sum, const void *p, size_t n);

static inline uint16_t csum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Sum of the pseudo header: addresses (n octets both together, adjacent), protocol, length. */
static inline uint64_t csum_pseudo(const uint8_t *addrs, size_t n, uint8_t proto, size_t l4_len)
{
	return csum_add(0, addrs, n) + __builtin_bswap32((uint32_t)l4_len) +
	       __builtin_bswap32(proto);
}

#endif
