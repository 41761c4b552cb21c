/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <strings.h>

#include "crypto/alg.h"

struct encr_row {
	struct encr_info info;
	uint16_t key_bits[4]; /* allowed; zero terminated */
};

static const struct encr_row encr_table[] = {
	{ { ENCR_NULL, 0, false, false, 0, 0, 0, 1 }, { 0 } },
	{ { ENCR_AES_CBC, 0, false, true, 0, 16, 0, 16 }, { 128, 192, 256 } },
	{ { ENCR_AES_GCM_8, 0, true, true, 4, 8, 8, 1 }, { 128, 192, 256 } },
	{ { ENCR_AES_GCM_12, 0, true, true, 4, 8, 12, 1 }, { 128, 192, 256 } },
	{ { ENCR_AES_GCM_16, 0, true, true, 4, 8, 16, 1 }, { 128, 192, 256 } },
	{ { ENCR_CHACHA20_POLY1305, 256, true, false, 4, 8, 16, 1 }, { 0 } },
};

struct hmac_row {
	uint16_t integ, prf;
	uint8_t octets, icv;
};

/* RFC 4868: the key is as long as the digest, the ICV half of it; SHA-1 by RFC 2404. */
static const struct hmac_row hmac_table[] = {
	{ INTEG_HMAC_SHA1_96, PRF_HMAC_SHA1, 20, 12 },
	{ INTEG_HMAC_SHA2_256_128, PRF_HMAC_SHA2_256, 32, 16 },
	{ INTEG_HMAC_SHA2_384_192, PRF_HMAC_SHA2_384, 48, 24 },
	{ INTEG_HMAC_SHA2_512_256, PRF_HMAC_SHA2_512, 64, 32 },
};

static const struct {
	uint16_t id;
	uint16_t octets;
} ke_table[] = {
	{ KE_MODP_2048, 256 }, { KE_MODP_3072, 384 }, { KE_MODP_4096, 512 }, { KE_ECP_256, 64 },
	{ KE_ECP_384, 96 },    { KE_ECP_521, 132 },   { KE_X25519, 32 },     { KE_X448, 56 },
};

/* The first word of a transform is the one shown; later ones are accepted on input. */
static const struct {
	const char *word;
	uint8_t type;
	uint16_t id, key_bits;
} words[] = {
	{ "aes128gcm16", TRANSFORM_ENCR, ENCR_AES_GCM_16, 128 },
	{ "aes192gcm16", TRANSFORM_ENCR, ENCR_AES_GCM_16, 192 },
	{ "aes256gcm16", TRANSFORM_ENCR, ENCR_AES_GCM_16, 256 },
	{ "aes128gcm128", TRANSFORM_ENCR, ENCR_AES_GCM_16, 128 },
	{ "aes192gcm128", TRANSFORM_ENCR, ENCR_AES_GCM_16, 192 },
	{ "aes256gcm128", TRANSFORM_ENCR, ENCR_AES_GCM_16, 256 },
	{ "aes128gcm12", TRANSFORM_ENCR, ENCR_AES_GCM_12, 128 },
	{ "aes192gcm12", TRANSFORM_ENCR, ENCR_AES_GCM_12, 192 },
	{ "aes256gcm12", TRANSFORM_ENCR, ENCR_AES_GCM_12, 256 },
	{ "aes128gcm8", TRANSFORM_ENCR, ENCR_AES_GCM_8, 128 },
	{ "aes192gcm8", TRANSFORM_ENCR, ENCR_AES_GCM_8, 192 },
	{ "aes256gcm8", TRANSFORM_ENCR, ENCR_AES_GCM_8, 256 },
	{ "chacha20poly1305", TRANSFORM_ENCR, ENCR_CHACHA20_POLY1305, 0 },
	{ "aes128", TRANSFORM_ENCR, ENCR_AES_CBC, 128 },
	{ "aes192", TRANSFORM_ENCR, ENCR_AES_CBC, 192 },
	{ "aes256", TRANSFORM_ENCR, ENCR_AES_CBC, 256 },
	{ "aes", TRANSFORM_ENCR, ENCR_AES_CBC, 128 },
	{ "null", TRANSFORM_ENCR, ENCR_NULL, 0 },
	{ "sha256", TRANSFORM_INTEG, INTEG_HMAC_SHA2_256_128, 0 },
	{ "sha384", TRANSFORM_INTEG, INTEG_HMAC_SHA2_384_192, 0 },
	{ "sha512", TRANSFORM_INTEG, INTEG_HMAC_SHA2_512_256, 0 },
	{ "sha1", TRANSFORM_INTEG, INTEG_HMAC_SHA1_96, 0 },
	{ "sha", TRANSFORM_INTEG, INTEG_HMAC_SHA1_96, 0 },
	{ "sha2_256", TRANSFORM_INTEG, INTEG_HMAC_SHA2_256_128, 0 },
	{ "sha2_384", TRANSFORM_INTEG, INTEG_HMAC_SHA2_384_192, 0 },
	{ "sha2_512", TRANSFORM_INTEG, INTEG_HMAC_SHA2_512_256, 0 },
	{ "prfsha256", TRANSFORM_PRF, PRF_HMAC_SHA2_256, 0 },
	{ "prfsha384", TRANSFORM_PRF, PRF_HMAC_SHA2_384, 0 },
	{ "prfsha512", TRANSFORM_PRF, PRF_HMAC_SHA2_512, 0 },
	{ "prfsha1", TRANSFORM_PRF, PRF_HMAC_SHA1, 0 },
	{ "modp2048", TRANSFORM_KE, KE_MODP_2048, 0 },
	{ "modp3072", TRANSFORM_KE, KE_MODP_3072, 0 },
	{ "modp4096", TRANSFORM_KE, KE_MODP_4096, 0 },
	{ "ecp256", TRANSFORM_KE, KE_ECP_256, 0 },
	{ "ecp384", TRANSFORM_KE, KE_ECP_384, 0 },
	{ "ecp521", TRANSFORM_KE, KE_ECP_521, 0 },
	{ "x25519", TRANSFORM_KE, KE_X25519, 0 },
	{ "curve25519", TRANSFORM_KE, KE_X25519, 0 },
	{ "x448", TRANSFORM_KE, KE_X448, 0 },
	{ "curve448", TRANSFORM_KE, KE_X448, 0 },
	{ "esn", TRANSFORM_ESN, ESN_YES, 0 },
	{ "noesn", TRANSFORM_ESN, ESN_NO, 0 },
};

#define ROWS(t) (sizeof(t) / sizeof((t)[0]))

bool encr_lookup(uint16_t id, uint16_t key_bits, struct encr_info *ret_info)
{
	for (size_t i = 0; i < ROWS(encr_table); i++) {
		const struct encr_row *r = &encr_table[i];

		if (r->info.id != id)
			continue;
		struct encr_info info = r->info;
		if (info.key_len_attr) {
			size_t k = 0;

			while (k < ROWS(r->key_bits) && r->key_bits[k] &&
			       r->key_bits[k] != key_bits)
				k++;
			if (k == ROWS(r->key_bits) || !r->key_bits[k])
				return false;
			info.key_bits = key_bits;
		} else if (key_bits != 0) {
			return false;
		}
		*ret_info = info;
		return true;
	}
	return false;
}

bool integ_lookup(uint16_t id, size_t *ret_key_octets, size_t *ret_icv_octets)
{
	for (size_t i = 0; i < ROWS(hmac_table); i++) {
		if (hmac_table[i].integ == id) {
			*ret_key_octets = hmac_table[i].octets;
			*ret_icv_octets = hmac_table[i].icv;
			return true;
		}
	}
	return false;
}

bool prf_lookup(uint16_t id, size_t *ret_octets)
{
	for (size_t i = 0; i < ROWS(hmac_table); i++) {
		if (hmac_table[i].prf == id) {
			*ret_octets = hmac_table[i].octets;
			return true;
		}
	}
	return false;
}

bool ke_lookup(uint16_t id, size_t *ret_public_octets)
{
	for (size_t i = 0; i < ROWS(ke_table); i++) {
		if (ke_table[i].id == id) {
			*ret_public_octets = ke_table[i].octets;
			return true;
		}
	}
	return false;
}

int alg_from_name(const char *word, uint8_t *ret_type, uint16_t *ret_id, uint16_t *ret_key_bits)
{
	for (size_t i = 0; i < ROWS(words); i++) {
		if (!strcasecmp(words[i].word, word)) {
			*ret_type = words[i].type;
			*ret_id = words[i].id;
			*ret_key_bits = words[i].key_bits;
			return 0;
		}
	}
	return -ENOENT;
}

const char *alg_name(uint8_t type, uint16_t id, uint16_t key_bits)
{
	for (size_t i = 0; i < ROWS(words); i++)
		if (words[i].type == type && words[i].id == id && words[i].key_bits == key_bits)
			return words[i].word;
	return "?";
}
