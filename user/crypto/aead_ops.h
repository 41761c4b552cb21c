/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside crypto/aead*: what a driver provides. */
#ifndef BRAID_CRYPTO_AEAD_OPS_H
#define BRAID_CRYPTO_AEAD_OPS_H

#include "crypto/aead.h"

enum { AEAD_SALT_MAX = 4, AEAD_NONCE = 12, AEAD_ICV_MAX = 32, AEAD_KEY_MAX = 64 };

struct aead_ops {
	const char *name;
	/* size of the driver's context, whose first member is struct aead; aligned to 64 octets */
	size_t ctx_octets;
	bool (*available)(const struct aead_spec *spec);
	/* a is zeroed, ops and sizes set. 0 or -EIO; free is called also after a failure */
	int (*init)(struct aead *a, const struct aead_spec *spec, bool encrypt, const uint8_t *key,
		    const uint8_t *integ_key);
	void (*release)(struct aead *a);
	int (*seal)(struct aead *a, const uint8_t *aad, size_t aad_len, uint8_t *iv, uint8_t *text,
		    size_t text_len, const uint8_t *tail, size_t tail_len);
	int (*open)(struct aead *a, const uint8_t *aad, size_t aad_len, const uint8_t *iv,
		    uint8_t *text, size_t text_len, const uint8_t *tail, size_t tail_len);
};

struct aead {
	const struct aead_ops *ops;
	struct aead_sizes sizes;
	uint8_t salt[AEAD_SALT_MAX];
};

extern const struct aead_ops aead_ops_openssl; /* AEAD ciphers */
extern const struct aead_ops aead_ops_openssl_brief;
extern const struct aead_ops aead_ops_openssl_etm; /* cipher, then HMAC */
#ifdef HAVE_IPSEC_MB
extern const struct aead_ops aead_ops_ipsec_mb;
#endif

#endif
