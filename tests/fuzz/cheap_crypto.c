/* SPDX-License-Identifier: GPL-2.0-only */
/* In place of prf.c, ke.c and the drivers of aead.c where the protocol is fuzzed and not the
 * cryptography: the same functions at a thousandth of the price and without any strength, so that a
 * set-up costs less than what is said in it. Nothing is encrypted, and a checksum of 64 bits under
 * the key stands for everything else. Built without instrumentation: the fuzzer shall not learn to
 * forge it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "crypto/alg.h"
#include "crypto/ke.h"
#include "crypto/prf.h"
#include "../../user/crypto/aead_ops.h"

enum { KE_PUBLIC_MAX = 512 };

struct cheap {
	struct aead a;
	uint64_t key, iv;
};

struct ke {
	uint16_t id;
	size_t len;
	uint64_t value;
	uint8_t public[KE_PUBLIC_MAX];
};

static uint64_t add(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * UINT64_C(0x100000001b3);
	return h;
}

static uint64_t start(uint64_t what)
{
	return add(UINT64_C(0xcbf29ce484222325), &what, sizeof(what));
}

static void expand(uint64_t h, uint8_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		h = (h ^ h >> 29) * UINT64_C(0xbf58476d1ce4e5b9) + i;
		out[i] = (uint8_t)(h >> 56);
	}
}

static uint64_t add_chunks(uint64_t h, const struct chunk *in, size_t n)
{
	for (size_t i = 0; i < n; i++)
		h = add(h, in[i].p, in[i].len);
	return h;
}

int prf_compute(uint16_t prf_id, const void *key, size_t key_len, const struct chunk *in, size_t n,
		uint8_t *ret_out)
{
	size_t octets;

	if (!prf_lookup(prf_id, &octets))
		return -EINVAL;
	expand(add_chunks(add(start(prf_id), key, key_len), in, n), ret_out, octets);
	return 0;
}

int prf_plus(uint16_t prf_id, const void *key, size_t key_len, const struct chunk *in, size_t n,
	     uint8_t *ret_out, size_t out_len)
{
	size_t octets;

	if (!prf_lookup(prf_id, &octets))
		return -EINVAL;
	if (out_len > 255 * octets)
		return -EMSGSIZE;
	expand(add_chunks(add(start(prf_id + 0x100u), key, key_len), in, n), ret_out, out_len);
	return 0;
}

int sha1_digest(const struct chunk *in, size_t n, uint8_t ret_out[SHA1_OCTETS])
{
	expand(add_chunks(start(1), in, n), ret_out, SHA1_OCTETS);
	return 0;
}

int sha256_digest(const struct chunk *in, size_t n, uint8_t ret_out[SHA256_OCTETS])
{
	expand(add_chunks(start(2), in, n), ret_out, SHA256_OCTETS);
	return 0;
}

static int init(struct aead *a, const struct aead_spec *spec, bool encrypt, const uint8_t *key,
		const uint8_t *integ_key)
{
	struct cheap *c = (struct cheap *)a;

	(void)spec, (void)encrypt;
	c->key = add(add(start(3), key, a->sizes.key + a->sizes.salt), integ_key, a->sizes.integ);
	return 0;
}

static void release(struct aead *a)
{
	(void)a;
}

static bool available(const struct aead_spec *spec)
{
	(void)spec;
	return true;
}

static void icv_of(const struct aead *a, const uint8_t *aad, size_t aad_len, const uint8_t *iv,
		   const uint8_t *text, size_t text_len, const uint8_t *tail, size_t tail_len,
		   uint8_t *out)
{
	uint64_t h = add(add(((const struct cheap *)a)->key, aad, aad_len), iv, a->sizes.iv);

	expand(add(add(h, text, text_len), tail, tail_len), out, a->sizes.icv);
}

static int seal(struct aead *a, const uint8_t *aad, size_t aad_len, uint8_t *iv, uint8_t *text,
		size_t text_len, const uint8_t *tail, size_t tail_len)
{
	if (a->sizes.integ)
		expand(((struct cheap *)a)->iv++, iv, a->sizes.iv);
	icv_of(a, aad, aad_len, iv, text, text_len, tail, tail_len, text + text_len);
	return 0;
}

static int open(struct aead *a, const uint8_t *aad, size_t aad_len, const uint8_t *iv,
		uint8_t *text, size_t text_len, const uint8_t *tail, size_t tail_len)
{
	uint8_t icv[AEAD_ICV_MAX];

	icv_of(a, aad, aad_len, iv, text, text_len, tail, tail_len, icv);
	return memcmp(icv, text + text_len, a->sizes.icv) ? -EBADMSG : 0;
}

#define CHEAP                                                                                      \
	{                                                                                          \
		.name = "cheap", .ctx_octets = sizeof(struct cheap), .available = available,       \
		.init = init, .release = release, .seal = seal, .open = open                       \
	}
const struct aead_ops aead_ops_openssl = CHEAP;
const struct aead_ops aead_ops_openssl_brief = CHEAP;
const struct aead_ops aead_ops_openssl_etm = CHEAP;
#ifdef HAVE_IPSEC_MB
const struct aead_ops aead_ops_ipsec_mb = CHEAP;
#endif

struct ke *ke_from_private(uint16_t ke_id, const uint8_t *priv, size_t len)
{
	struct ke *ke;
	size_t public;

	if (!ke_lookup(ke_id, &public) || !(ke = calloc(1, sizeof(*ke))))
		return NULL;
	ke->id = ke_id;
	ke->len = public;
	ke->value = add(start(4), priv, len);
	memcpy(ke->public + public - sizeof(ke->value), &ke->value, sizeof(ke->value));
	return ke;
}

struct ke *ke_new(uint16_t ke_id)
{
	static uint64_t n;

	n++;
	return ke_from_private(ke_id, (const uint8_t *)&n, sizeof(n));
}

void ke_free(struct ke *ke)
{
	free(ke);
}

uint16_t ke_group(const struct ke *ke)
{
	return ke->id;
}

const uint8_t *ke_public(const struct ke *ke, size_t *ret_len)
{
	*ret_len = ke->len;
	return ke->public;
}

/* Both sides multiply; whoever sends 0 is refused, as with the real ones. */
int ke_derive(struct ke *ke, const uint8_t *peer, size_t peer_len, struct secret *ret_secret)
{
	uint8_t shared[32];
	uint64_t value;

	if (peer_len != ke->len)
		return -EBADMSG;
	memcpy(&value, peer + peer_len - sizeof(value), sizeof(value));
	if (!value)
		return -EBADMSG;
	value *= ke->value;
	expand(value, shared, sizeof(shared));
	secret_set(ret_secret, shared, sizeof(shared));
	return 0;
}
