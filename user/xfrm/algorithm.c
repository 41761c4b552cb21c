/* SPDX-License-Identifier: GPL-2.0-only */
/* What IKEv2's numbers are called in the kernel (its crypto API's names). */
#include <errno.h>

#include "crypto/alg.h"
#include "xfrm_impl.h"

static const struct {
	uint16_t id;
	const char *name;
} encr_names[] = {
	{ ENCR_NULL, "ecb(cipher_null)" },
	{ ENCR_AES_CBC, "cbc(aes)" },
	{ ENCR_AES_GCM_8, "rfc4106(gcm(aes))" },
	{ ENCR_AES_GCM_12, "rfc4106(gcm(aes))" },
	{ ENCR_AES_GCM_16, "rfc4106(gcm(aes))" },
	{ ENCR_CHACHA20_POLY1305, "rfc7539esp(chacha20,poly1305)" },
}, integ_names[] = {
	{ INTEG_HMAC_SHA1_96, "hmac(sha1)" },
	{ INTEG_HMAC_SHA2_256_128, "hmac(sha256)" },
	{ INTEG_HMAC_SHA2_384_192, "hmac(sha384)" },
	{ INTEG_HMAC_SHA2_512_256, "hmac(sha512)" },
};

#define ROWS(t) (sizeof(t) / sizeof((t)[0]))

static const char *encr_name(uint16_t id)
{
	for (size_t i = 0; i < ROWS(encr_names); i++)
		if (encr_names[i].id == id)
			return encr_names[i].name;
	return NULL;
}

static const char *integ_name(uint16_t id)
{
	for (size_t i = 0; i < ROWS(integ_names); i++)
		if (integ_names[i].id == id)
			return integ_names[i].name;
	return NULL;
}

int xfrm_algorithm(uint16_t encr_id, uint16_t key_bits, uint16_t integ_id,
		   struct xfrm_algorithm *ret_alg)
{
	struct xfrm_algorithm alg = { .encr = encr_name(encr_id), .integ = integ_name(integ_id) };
	size_t integ_octets = 0, icv_octets;
	struct encr_info encr;

	if (!alg.encr || !encr_lookup(encr_id, key_bits, &encr) || encr.aead == (alg.integ != NULL))
		return -ENOSYS;
	icv_octets = encr.icv_octets;
	if (alg.integ && !integ_lookup(integ_id, &integ_octets, &icv_octets))
		return -ENOSYS;
	if (encr.aead && integ_id != INTEG_NONE)
		return -ENOSYS;
	alg.aead = encr.aead;
	alg.key_octets = (uint16_t)(encr.key_bits / 8 + encr.salt_octets);
	alg.integ_octets = (uint16_t)integ_octets;
	alg.icv_bits = (uint16_t)(icv_octets * 8);
	*ret_alg = alg;
	return 0;
}
