/* SPDX-License-Identifier: GPL-2.0-only */
/* AES-GCM by Intel's multi-buffer library, through its direct API: one call a packet. */
#ifdef HAVE_IPSEC_MB

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <intel-ipsec-mb.h>

#include "base/secret.h"
#include "crypto/alg.h"
#include "aead_ops.h"

struct aead_mb {
	struct aead a;
	aes_gcm_enc_dec_t enc, dec;
	struct gcm_key_data key; /* aligned by its own type */
	struct gcm_context_data run;
};

/* The manager only holds the functions for this processor; GCM keeps no state in it. */
static IMB_MGR *manager;
static pthread_once_t manager_once = PTHREAD_ONCE_INIT;

static void manager_init(void)
{
	IMB_ARCH arch = IMB_ARCH_NONE;
	IMB_MGR *m = alloc_mb_mgr(0);

	if (!m)
		return;
	init_mb_mgr_auto(m, &arch);
	/* Without AES-NI and carry-less multiplication it is slower than OpenSSL. */
	if (imb_get_errno(m) || arch < IMB_ARCH_SSE || !(m->features & IMB_FEATURE_AESNI) ||
	    !(m->features & IMB_FEATURE_PCLMULQDQ)) {
		free_mb_mgr(m);
		return;
	}
	manager = m;
}

static bool available(const struct aead_spec *spec)
{
	switch (spec->encr_id) {
	case ENCR_AES_GCM_8:
	case ENCR_AES_GCM_12:
	case ENCR_AES_GCM_16:
		break;
	default:
		return false;
	}
	pthread_once(&manager_once, manager_init);
	return manager != NULL;
}

static int init(struct aead *a, const struct aead_spec *spec, bool encrypt, const uint8_t *key,
		const uint8_t *integ_key)
{
	struct aead_mb *m = (struct aead_mb *)a;

	(void)encrypt;
	(void)integ_key;
	switch (spec->key_bits) {
	case 128:
		IMB_AES128_GCM_PRE(manager, key, &m->key);
		m->enc = manager->gcm128_enc;
		m->dec = manager->gcm128_dec;
		break;
	case 192:
		IMB_AES192_GCM_PRE(manager, key, &m->key);
		m->enc = manager->gcm192_enc;
		m->dec = manager->gcm192_dec;
		break;
	default:
		IMB_AES256_GCM_PRE(manager, key, &m->key);
		m->enc = manager->gcm256_enc;
		m->dec = manager->gcm256_dec;
		break;
	}
	return 0;
}

static void release(struct aead *a)
{
	(void)a; /* nothing of its own on the heap; aead_free wipes */
}

static void nonce_make(const struct aead *a, const uint8_t *iv, uint8_t nonce[AEAD_NONCE])
{
	memcpy(nonce, a->salt, AEAD_SALT_MAX);
	memcpy(nonce + AEAD_SALT_MAX, iv, AEAD_NONCE - AEAD_SALT_MAX);
}

static int seal(struct aead *a, const uint8_t *aad, size_t aad_len, uint8_t *iv, uint8_t *text,
		size_t text_len, const uint8_t *tail, size_t tail_len)
{
	struct aead_mb *m = (struct aead_mb *)a;
	uint8_t nonce[AEAD_NONCE];

	(void)tail;
	if (tail_len)
		return -EIO;
	nonce_make(a, iv, nonce);
	m->enc(&m->key, &m->run, text, text, text_len, nonce, aad, aad_len, text + text_len,
	       a->sizes.icv);
	return 0;
}

static int open(struct aead *a, const uint8_t *aad, size_t aad_len, const uint8_t *iv,
		uint8_t *text, size_t text_len, const uint8_t *tail, size_t tail_len)
{
	struct aead_mb *m = (struct aead_mb *)a;
	uint8_t nonce[AEAD_NONCE], tag[16];

	(void)tail;
	if (tail_len)
		return -EIO;
	nonce_make(a, iv, nonce);
	m->dec(&m->key, &m->run, text, text, text_len, nonce, aad, aad_len, tag, sizeof(tag));
	return secret_equal(tag, text + text_len, a->sizes.icv) ? 0 : -EBADMSG;
}

const struct aead_ops aead_ops_ipsec_mb = {
	.name = "ipsec-mb",
	.ctx_octets = sizeof(struct aead_mb),
	.available = available,
	.init = init,
	.release = release,
	.seal = seal,
	.open = open,
};

#endif
