/* SPDX-License-Identifier: GPL-2.0-only */
/* PRF, prf+ (RFC 7296 2.13), integrity MACs and SHA-1 for NAT detection. Thread: any. */
#ifndef BRAID_CRYPTO_PRF_H
#define BRAID_CRYPTO_PRF_H

#include <stddef.h>
#include <stdint.h>

struct chunk { /* borrowed octets */
	const void *p;
	size_t len;
};

enum { PRF_MAX_OCTETS = 64, SHA1_OCTETS = 20, SHA256_OCTETS = 32 };

/* out: prf_lookup() octets. The input is the concatenation of n chunks. 0, -EINVAL (unknown id) or
 * -EIO (the provider failed; out zeroed). */
int prf_compute(uint16_t prf_id, const void *key, size_t key_len, const struct chunk *in, size_t n,
		uint8_t *ret_out);
/* prf+; ret_out holds out_len octets. -EMSGSIZE beyond 255 blocks. */
int prf_plus(uint16_t prf_id, const void *key, size_t key_len, const struct chunk *in, size_t n,
	     uint8_t *ret_out, size_t out_len);
int sha1_digest(const struct chunk *in, size_t n, uint8_t ret_out[SHA1_OCTETS]);
int sha256_digest(const struct chunk *in, size_t n, uint8_t ret_out[SHA256_OCTETS]);

#endif
