/* SPDX-License-Identifier: GPL-2.0-only */
/* The data of AUTH payloads that are signatures (RFC 7296 3.8, 4754, 7427, 8420).
 *
 * SHA-1 is neither made nor accepted. Of RSASSA-PSS only what RFC 7427 A.4 lists is understood:
 * MGF1 with the same hash, a salt as long as the hash, the standard trailer. Thread: any.
 */
#ifndef BRAID_CRYPTO_AUTH_H
#define BRAID_CRYPTO_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/pkey.h"
#include "crypto/prf.h"

enum sig_method {
	SIG_RSA = 1,
	SIG_ECDSA_256 = 9,
	SIG_ECDSA_384 = 10,
	SIG_ECDSA_521 = 11,
	SIG_DIGITAL = 14,
};

/* Numbers of SIGNATURE_HASH_ALGORITHMS; sets of them are masks of 1 << number. */
enum sig_hash {
	SIG_HASH_SHA1 = 1,
	SIG_HASH_SHA2_256 = 2,
	SIG_HASH_SHA2_384 = 3,
	SIG_HASH_SHA2_512 = 4,
	SIG_HASH_IDENTITY = 5,
};

/* All that auth_verify takes. */
enum {
	SIG_HASHES = 1 << SIG_HASH_SHA2_256 | 1 << SIG_HASH_SHA2_384 | 1 << SIG_HASH_SHA2_512 |
		     1 << SIG_HASH_IDENTITY,
	AUTH_DATA_MAX = 1 + 255 + KEY_RSA_BITS_MAX / 8,
};

/* Further bits of a rule: which padding RSA may have; neither is both. A rule of 0 allows all. */
enum { SIG_RULE_PKCS1 = 1 << 16, SIG_RULE_PSS = 1 << 17 };

/* Sign the concatenation of n chunks. hashes: what the peer announced; 0, nothing, leaves the
 * methods from before RFC 7427. With SIG_RULE_PKCS1 it is that in place of PSS. out: AUTH_DATA_MAX
 * octets. *ret_how: a static text, "RSA-PSS with SHA2-256". 0; -ENOTSUP (no way to sign that the
 * peer understands), -ENOMEM, -EIO. */
int auth_sign(const struct pkey *k, uint32_t hashes, const struct chunk *in, size_t n,
	      uint8_t *ret_method, uint8_t *out, size_t *ret_len, const char **ret_how);
/* What is left of the hashes a peer announced by a rule of ours, for auth_sign. 0, or -ENOTSUP. */
int auth_narrow(uint32_t hashes, uint32_t rule, uint32_t *ret_hashes);
/* Is that a signature as the rule wants it, whoever made it? Method 1 tells its hash to nobody
 * before it is verified, so that a rule with hashes has no place for it. */
bool auth_allowed(uint8_t method, const uint8_t *auth, size_t len, uint32_t rule);
/* 0; -EBADMSG (the signature is wrong), -ENOTSUP (a method or AlgorithmIdentifier that is unknown
 * or too weak), -EKEYREJECTED (it does not go with such a key), -ENOMEM, -EIO. */
int auth_verify(const struct pkey *k, uint8_t method, const uint8_t *auth, size_t len,
		const struct chunk *in, size_t n, const char **ret_how);

#endif
