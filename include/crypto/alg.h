/* SPDX-License-Identifier: GPL-2.0-only */
/* Algorithms by their IANA IKEv2 transform ids, with the sizes protocols need.
 *
 * RFC 7296 3.3.2, RFC 5282, 7634, 4868, 8247. Thread: any.
 */
#ifndef BRAID_CRYPTO_ALG_H
#define BRAID_CRYPTO_ALG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum transform_type {
	TRANSFORM_ENCR = 1,
	TRANSFORM_PRF = 2,
	TRANSFORM_INTEG = 3,
	TRANSFORM_KE = 4,
	TRANSFORM_ESN = 5,
};

enum encr_id {
	ENCR_NONE = 0,
	ENCR_NULL = 11,
	ENCR_AES_CBC = 12,
	ENCR_AES_GCM_8 = 18,
	ENCR_AES_GCM_12 = 19,
	ENCR_AES_GCM_16 = 20,
	ENCR_CHACHA20_POLY1305 = 28,
};

enum prf_id {
	PRF_NONE = 0,
	PRF_HMAC_SHA1 = 2,
	PRF_HMAC_SHA2_256 = 5,
	PRF_HMAC_SHA2_384 = 6,
	PRF_HMAC_SHA2_512 = 7,
};

enum integ_id {
	INTEG_NONE = 0,
	INTEG_HMAC_SHA1_96 = 2,
	INTEG_HMAC_SHA2_256_128 = 12,
	INTEG_HMAC_SHA2_384_192 = 13,
	INTEG_HMAC_SHA2_512_256 = 14,
};

enum ke_id {
	KE_NONE = 0,
	KE_MODP_2048 = 14,
	KE_MODP_3072 = 15,
	KE_MODP_4096 = 16,
	KE_ECP_256 = 19,
	KE_ECP_384 = 20,
	KE_ECP_521 = 21,
	KE_X25519 = 31,
	KE_X448 = 32,
};

enum esn_id { ESN_NO = 0, ESN_YES = 1 };

struct encr_info {
	uint16_t id;
	uint16_t key_bits; /* 0 in the table: the Key Length attribute decides */
	bool aead;
	bool key_len_attr;   /* Key Length attribute mandatory (7296 3.3.5) */
	uint8_t salt_octets; /* part of KEYMAT, after the key */
	uint8_t iv_octets;   /* on the wire */
	uint8_t icv_octets;  /* AEAD tag; 0 when an integrity algorithm makes it */
	uint8_t block_octets;
};

/* false for an algorithm (with that key length in bits) that is not implemented. key_bits 0 is
 * right for fixed-length ciphers and wrong for the others. */
bool encr_lookup(uint16_t id, uint16_t key_bits, struct encr_info *ret_info);
/* Key octets (RFC 4868: the digest's length) and ICV octets. false if unknown. */
bool integ_lookup(uint16_t id, size_t *ret_key_octets, size_t *ret_icv_octets);
/* Output = preferred key length in octets. false if unknown. */
bool prf_lookup(uint16_t id, size_t *ret_octets);
/* Length of the KE payload's data in octets. false if unknown. */
bool ke_lookup(uint16_t id, size_t *ret_public_octets);

/* Proposal words as swanctl writes them ("aes256gcm16", "sha256", "prfsha256", "x25519",
 * "modp2048", "ecp256", "chacha20poly1305", "esn", "noesn", "null"). Returns 0, or -ENOENT. */
int alg_from_name(const char *word, uint8_t *ret_type, uint16_t *ret_id, uint16_t *ret_key_bits);
/* The word for a transform, or "?" ; static strings. */
const char *alg_name(uint8_t type, uint16_t id, uint16_t key_bits);

#endif
