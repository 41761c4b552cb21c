/* SPDX-License-Identifier: GPL-2.0-only */
/* Encrypt-then-MAC: AES-CBC (RFC 3602) or no cipher (RFC 2410) with HMAC-SHA (RFC 4868) by OpenSSL.
 * OpenSSL itself may allocate when an HMAC is started again. */
#include <errno.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "base/secret.h"
#include "crypto/alg.h"
#include "crypto/rng.h"
#include "aead_ops.h"

enum { CBC_BLOCK = 16, MAC_MAX = 64 };

struct aead_etm {
	struct aead a;
	EVP_CIPHER_CTX *cipher; /* NULL: integrity only */
	EVP_CIPHER_CTX *iv_gen; /* a random key that encrypts iv_counter */
	EVP_MAC_CTX *mac;
	uint64_t iv_counter;
	bool encrypt;
};

static const char *digest_of(uint16_t integ_id)
{
	switch (integ_id) {
	case INTEG_HMAC_SHA1_96:
		return "SHA1";
	case INTEG_HMAC_SHA2_256_128:
		return "SHA2-256";
	case INTEG_HMAC_SHA2_384_192:
		return "SHA2-384";
	case INTEG_HMAC_SHA2_512_256:
		return "SHA2-512";
	}
	return NULL;
}

static bool available(const struct aead_spec *spec)
{
	return digest_of(spec->integ_id) != NULL;
}

static bool cbc_init(struct aead_etm *e, const struct aead_spec *spec, const uint8_t *key)
{
	const EVP_CIPHER *cbc = spec->key_bits == 128	? EVP_aes_128_cbc()
				: spec->key_bits == 192 ? EVP_aes_192_cbc()
							: EVP_aes_256_cbc();
	uint8_t iv_key[16];
	bool ok;

	e->cipher = EVP_CIPHER_CTX_new();
	ok = e->cipher && EVP_CipherInit_ex(e->cipher, cbc, NULL, key, NULL, e->encrypt) == 1;
	if (!ok || !e->encrypt)
		return ok;
	e->iv_gen = EVP_CIPHER_CTX_new();
	ok = e->iv_gen && rng_bytes(iv_key, sizeof(iv_key)) == 0 &&
	     EVP_EncryptInit_ex(e->iv_gen, EVP_aes_128_ecb(), NULL, iv_key, NULL) == 1 &&
	     EVP_CIPHER_CTX_set_padding(e->iv_gen, 0) == 1;
	secret_wipe(iv_key, sizeof(iv_key));
	return ok;
}

static int init(struct aead *a, const struct aead_spec *spec, bool encrypt, const uint8_t *key,
		const uint8_t *integ_key)
{
	struct aead_etm *e = (struct aead_etm *)a;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
						 (char *)digest_of(spec->integ_id), 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);

	e->encrypt = encrypt;
	e->mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
	EVP_MAC_free(hmac);
	if (!e->mac || EVP_MAC_init(e->mac, integ_key, a->sizes.integ, params) != 1)
		return -EIO;
	if (spec->encr_id != ENCR_NULL && !cbc_init(e, spec, key))
		return -EIO;
	return 0;
}

static void release(struct aead *a)
{
	struct aead_etm *e = (struct aead_etm *)a;

	EVP_CIPHER_CTX_free(e->cipher);
	EVP_CIPHER_CTX_free(e->iv_gen);
	EVP_MAC_CTX_free(e->mac);
}

/* The whole MAC; the ICV is its first half. iv and text are adjacent. */
static bool mac(struct aead_etm *e, const uint8_t *aad, size_t aad_len, const uint8_t *iv,
		size_t text_len, const uint8_t *tail, size_t tail_len, uint8_t out[MAC_MAX])
{
	size_t n;

	return EVP_MAC_init(e->mac, NULL, 0, NULL) == 1 &&
	       EVP_MAC_update(e->mac, aad, aad_len) == 1 &&
	       EVP_MAC_update(e->mac, iv, e->a.sizes.iv + text_len) == 1 &&
	       (!tail_len || EVP_MAC_update(e->mac, tail, tail_len) == 1) &&
	       EVP_MAC_final(e->mac, out, &n, MAC_MAX) == 1 && n >= e->a.sizes.icv;
}

/* In place; text_len is a multiple of the block. */
static bool cbc(struct aead_etm *e, const uint8_t *iv, uint8_t *text, size_t text_len)
{
	int n;

	return text_len % CBC_BLOCK == 0 &&
	       EVP_CipherInit_ex(e->cipher, NULL, NULL, NULL, iv, -1) == 1 &&
	       EVP_CIPHER_CTX_set_padding(e->cipher, 0) == 1 &&
	       (!text_len || EVP_CipherUpdate(e->cipher, text, &n, text, (int)text_len) == 1);
}

/* Unpredictable and never repeated: a counter under a key nobody else has. */
static bool iv_make(struct aead_etm *e, uint8_t *iv)
{
	uint8_t block[CBC_BLOCK] = { 0 };
	int n;

	memcpy(block, &e->iv_counter, sizeof(e->iv_counter));
	e->iv_counter++;
	return EVP_EncryptUpdate(e->iv_gen, iv, &n, block, sizeof(block)) == 1 && n == CBC_BLOCK;
}

static int seal(struct aead *a, const uint8_t *aad, size_t aad_len, uint8_t *iv, uint8_t *text,
		size_t text_len, const uint8_t *tail, size_t tail_len)
{
	struct aead_etm *e = (struct aead_etm *)a;
	uint8_t out[MAC_MAX];

	if (e->cipher && (!e->iv_gen || !iv_make(e, iv) || !cbc(e, iv, text, text_len)))
		return -EIO;
	if (!mac(e, aad, aad_len, iv, text_len, tail, tail_len, out))
		return -EIO;
	memcpy(text + text_len, out, a->sizes.icv);
	return 0;
}

static int open(struct aead *a, const uint8_t *aad, size_t aad_len, const uint8_t *iv,
		uint8_t *text, size_t text_len, const uint8_t *tail, size_t tail_len)
{
	struct aead_etm *e = (struct aead_etm *)a;
	uint8_t out[MAC_MAX];

	if (!mac(e, aad, aad_len, iv, text_len, tail, tail_len, out))
		return -EIO;
	if (!secret_equal(out, text + text_len, a->sizes.icv))
		return -EBADMSG;
	if (e->cipher && text_len % CBC_BLOCK)
		return -EBADMSG;
	return !e->cipher || cbc(e, iv, text, text_len) ? 0 : -EIO;
}

const struct aead_ops aead_ops_openssl_etm = {
	.name = "openssl",
	.ctx_octets = sizeof(struct aead_etm),
	.available = available,
	.init = init,
	.release = release,
	.seal = seal,
	.open = open,
};
