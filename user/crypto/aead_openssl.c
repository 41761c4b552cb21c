/* SPDX-License-Identifier: GPL-2.0-only */
/* AES-GCM and ChaCha20-Poly1305 by OpenSSL's EVP: the key is set once, a packet sets the IV only.
 */
#include <errno.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/secret.h"
#include "crypto/alg.h"
#include "aead_ops.h"

struct aead_evp {
	struct aead a;
	EVP_CIPHER_CTX *ctx;
};

static const EVP_CIPHER *cipher_of(const struct aead_spec *spec)
{
	switch (spec->encr_id) {
	case ENCR_CHACHA20_POLY1305:
		return EVP_chacha20_poly1305();
	case ENCR_AES_GCM_8:
	case ENCR_AES_GCM_12:
	case ENCR_AES_GCM_16:
		return spec->key_bits == 128   ? EVP_aes_128_gcm()
		       : spec->key_bits == 192 ? EVP_aes_192_gcm()
					       : EVP_aes_256_gcm();
	}
	return NULL;
}

static bool available(const struct aead_spec *spec)
{
	return cipher_of(spec) != NULL;
}

static int init(struct aead *a, const struct aead_spec *spec, bool encrypt, const uint8_t *key,
		const uint8_t *integ_key)
{
	struct aead_evp *e = (struct aead_evp *)a;
	const EVP_CIPHER *cipher = cipher_of(spec);

	(void)integ_key;
	e->ctx = EVP_CIPHER_CTX_new();
	if (!cipher || !e->ctx ||
	    EVP_CipherInit_ex(e->ctx, cipher, NULL, NULL, NULL, encrypt) != 1 ||
	    EVP_CIPHER_CTX_ctrl(e->ctx, EVP_CTRL_AEAD_SET_IVLEN, AEAD_NONCE, NULL) != 1 ||
	    EVP_CipherInit_ex(e->ctx, NULL, NULL, key, NULL, encrypt) != 1)
		return -EIO;
	return 0;
}

static void release(struct aead *a)
{
	EVP_CIPHER_CTX_free(((struct aead_evp *)a)->ctx);
}

/* Everything but the tag. */
static bool run(struct aead_evp *e, const uint8_t *aad, size_t aad_len, const uint8_t *iv,
		uint8_t *text, size_t text_len)
{
	uint8_t nonce[AEAD_NONCE];
	int n;

	memcpy(nonce, e->a.salt, AEAD_SALT_MAX);
	memcpy(nonce + AEAD_SALT_MAX, iv, AEAD_NONCE - AEAD_SALT_MAX);
	return EVP_CipherInit_ex(e->ctx, NULL, NULL, NULL, nonce, -1) == 1 &&
	       EVP_CipherUpdate(e->ctx, NULL, &n, aad, (int)aad_len) == 1 &&
	       (!text_len || EVP_CipherUpdate(e->ctx, text, &n, text, (int)text_len) == 1);
}

/* As EVP_CIPHER_CTX_ctrl would, which looks the parameter's name up for each packet. */
static void tag_param(OSSL_PARAM p[2], uint8_t *tag, size_t len)
{
	p[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, len);
	p[1] = OSSL_PARAM_construct_end();
}

static int evp_seal(struct aead *a, const uint8_t *aad, size_t aad_len, uint8_t *iv, uint8_t *text,
		    size_t text_len, const uint8_t *tail, size_t tail_len)
{
	struct aead_evp *e = (struct aead_evp *)a;
	OSSL_PARAM tag[2];
	int n;

	(void)tail;
	tag_param(tag, text + text_len, a->sizes.icv);
	if (tail_len || !run(e, aad, aad_len, iv, text, text_len) ||
	    EVP_CipherFinal_ex(e->ctx, text + text_len, &n) != 1 ||
	    EVP_CIPHER_CTX_get_params(e->ctx, tag) != 1)
		return -EIO;
	return 0;
}

static int evp_open(struct aead *a, const uint8_t *aad, size_t aad_len, const uint8_t *iv,
		    uint8_t *text, size_t text_len, const uint8_t *tail, size_t tail_len)
{
	struct aead_evp *e = (struct aead_evp *)a;
	OSSL_PARAM tag[2];
	uint8_t none[16];
	int n;

	(void)tail;
	tag_param(tag, text + text_len, a->sizes.icv);
	if (tail_len || !run(e, aad, aad_len, iv, text, text_len) ||
	    EVP_CIPHER_CTX_set_params(e->ctx, tag) != 1)
		return -EIO;
	return EVP_CipherFinal_ex(e->ctx, none, &n) == 1 ? 0 : -EBADMSG;
}

/* ---- for a few messages a day: the key stays, the context comes and goes ---- */

struct aead_brief {
	struct aead a;
	struct aead_spec spec;
	bool encrypt;
	uint8_t key[AEAD_KEY_MAX];
};

static int brief_init(struct aead *a, const struct aead_spec *spec, bool encrypt,
		      const uint8_t *key, const uint8_t *integ_key)
{
	struct aead_brief *b = (struct aead_brief *)a;
	struct aead_evp trial = { .ctx = NULL };
	int r = init(&trial.a, spec, encrypt, key, integ_key);

	release(&trial.a);
	b->spec = *spec;
	b->encrypt = encrypt;
	memcpy(b->key, key, a->sizes.key);
	return r;
}

static void brief_release(struct aead *a)
{
	(void)a; /* nothing of its own on the heap; aead_free wipes */
}

/* A context for one message, with the salt. */
static int brief_begin(const struct aead *a, struct aead_evp *e)
{
	const struct aead_brief *b = (const struct aead_brief *)a;

	*e = (struct aead_evp){ .a = *a };
	return init(&e->a, &b->spec, b->encrypt, b->key, NULL);
}

static void brief_end(struct aead_evp *e)
{
	release(&e->a);
	secret_wipe(e, sizeof(*e));
}

static int brief_seal(struct aead *a, const uint8_t *aad, size_t aad_len, uint8_t *iv,
		      uint8_t *text, size_t text_len, const uint8_t *tail, size_t tail_len)
{
	struct aead_evp e;
	int r = brief_begin(a, &e);

	if (!r)
		r = evp_seal(&e.a, aad, aad_len, iv, text, text_len, tail, tail_len);
	brief_end(&e);
	return r;
}

static int brief_open(struct aead *a, const uint8_t *aad, size_t aad_len, const uint8_t *iv,
		      uint8_t *text, size_t text_len, const uint8_t *tail, size_t tail_len)
{
	struct aead_evp e;
	int r = brief_begin(a, &e);

	if (!r)
		r = evp_open(&e.a, aad, aad_len, iv, text, text_len, tail, tail_len);
	brief_end(&e);
	return r;
}

const struct aead_ops aead_ops_openssl_brief = {
	.name = "openssl",
	.ctx_octets = sizeof(struct aead_brief),
	.available = available,
	.init = brief_init,
	.release = brief_release,
	.seal = brief_seal,
	.open = brief_open,
};

const struct aead_ops aead_ops_openssl = {
	.name = "openssl",
	.ctx_octets = sizeof(struct aead_evp),
	.available = available,
	.init = init,
	.release = release,
	.seal = evp_seal,
	.open = evp_open,
};
