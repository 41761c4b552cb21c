/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "crypto/alg.h"
#include "crypto/aead.h"
#include "aead_ops.h"

bool aead_sizes(const struct aead_spec *spec, struct aead_sizes *ret_sizes)
{
	struct encr_info info;
	size_t integ_key = 0, icv;

	if (!encr_lookup(spec->encr_id, spec->key_bits, &info))
		return false;
	icv = info.icv_octets;
	/* An AEAD has no integrity transform of its own, everything else needs one (7296 3.3). */
	if (info.aead != (spec->integ_id == INTEG_NONE))
		return false;
	if (!info.aead && !integ_lookup(spec->integ_id, &integ_key, &icv))
		return false;
	*ret_sizes = (struct aead_sizes){
		.key = info.key_bits / 8u,
		.salt = info.salt_octets,
		.integ = integ_key,
		.iv = info.iv_octets,
		.icv = icv,
		.block = info.block_octets,
	};
	return true;
}

static const struct aead_ops *driver_ops(enum aead_driver d, const struct aead_spec *spec)
{
	switch (d) {
	case AEAD_DRIVER_IPSEC_MB:
#ifdef HAVE_IPSEC_MB
		if (aead_ops_ipsec_mb.available(spec))
			return &aead_ops_ipsec_mb;
#endif
		return NULL;
	case AEAD_DRIVER_OPENSSL:
		return spec->integ_id == INTEG_NONE ? &aead_ops_openssl : &aead_ops_openssl_etm;
	case AEAD_DRIVER_BRIEF:
		/* the IV of CBC comes from a counter of the context */
		return spec->integ_id == INTEG_NONE ? &aead_ops_openssl_brief
						    : &aead_ops_openssl_etm;
	case AEAD_DRIVER_BEST: {
		const struct aead_ops *ops = driver_ops(AEAD_DRIVER_IPSEC_MB, spec);

		return ops ? ops : driver_ops(AEAD_DRIVER_OPENSSL, spec);
	}
	}
	return NULL;
}

const char *aead_driver_name(enum aead_driver d)
{
	static const struct aead_spec gcm = { ENCR_AES_GCM_16, 128, INTEG_NONE };

	switch (d) {
	case AEAD_DRIVER_OPENSSL:
	case AEAD_DRIVER_BRIEF:
		return "openssl";
	case AEAD_DRIVER_IPSEC_MB:
		return "ipsec-mb";
	case AEAD_DRIVER_BEST:
		return driver_ops(d, &gcm)->name;
	}
	return "?";
}

bool aead_driver_available(enum aead_driver d, const struct aead_spec *spec)
{
	struct aead_sizes sizes;

	return aead_sizes(spec, &sizes) && driver_ops(d, spec);
}

struct aead *aead_new(enum aead_driver d, const struct aead_spec *spec, bool encrypt,
		      const uint8_t *key, size_t key_len, const uint8_t *integ_key,
		      size_t integ_len)
{
	const struct aead_ops *ops;
	struct aead_sizes sizes;
	struct aead *a;
	size_t octets;

	if (!aead_sizes(spec, &sizes) || key_len != sizes.key + sizes.salt ||
	    integ_len != sizes.integ)
		return NULL;
	ops = driver_ops(d, spec);
	if (!ops)
		return NULL;
	octets = (ops->ctx_octets + 63) & ~(size_t)63;
	a = aligned_alloc(64, octets);
	if (!a)
		return NULL;
	memset(a, 0, octets);
	a->ops = ops;
	a->sizes = sizes;
	if (sizes.salt)
		memcpy(a->salt, key + sizes.key, sizes.salt);
	if (ops->init(a, spec, encrypt, key, integ_key) < 0) {
		aead_free(a);
		return NULL;
	}
	return a;
}

void aead_free(struct aead *a)
{
	if (!a)
		return;
	a->ops->release(a);
	secret_wipe((char *)a + sizeof(a->ops), a->ops->ctx_octets - sizeof(a->ops));
	free(a);
}

const char *aead_driver_of(const struct aead *a)
{
	return a->ops->name;
}

int aead_seal(struct aead *a, const uint8_t *aad, size_t aad_len, uint8_t *iv, uint8_t *text,
	      size_t text_len, const uint8_t *aad_tail, size_t tail_len)
{
	return a->ops->seal(a, aad, aad_len, iv, text, text_len, aad_tail, tail_len);
}

int aead_open(struct aead *a, const uint8_t *aad, size_t aad_len, const uint8_t *iv, uint8_t *text,
	      size_t text_len, const uint8_t *aad_tail, size_t tail_len)
{
	return a->ops->open(a, aad, aad_len, iv, text, text_len, aad_tail, tail_len);
}
