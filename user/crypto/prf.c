/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "base/secret.h"
#include "crypto/alg.h"
#include "crypto/prf.h"

static const char *digest_of(uint16_t prf_id)
{
	switch (prf_id) {
	case PRF_HMAC_SHA1:
		return "SHA1";
	case PRF_HMAC_SHA2_256:
		return "SHA2-256";
	case PRF_HMAC_SHA2_384:
		return "SHA2-384";
	case PRF_HMAC_SHA2_512:
		return "SHA2-512";
	}
	return NULL;
}

/* A keyed HMAC context, or NULL when the provider fails. */
static EVP_MAC_CTX *hmac_new(const char *digest, const void *key, size_t key_len)
{
	static const uint8_t empty[1];
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)digest, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;

	EVP_MAC_free(mac); /* the context holds its own reference */
	if (ctx && EVP_MAC_init(ctx, key_len ? key : empty, key_len, params) != 1) {
		EVP_MAC_CTX_free(ctx);
		ctx = NULL;
	}
	return ctx;
}

/* From the start, with the same digest. */
static bool hmac_again(EVP_MAC_CTX *ctx, const void *key, size_t key_len)
{
	static const uint8_t empty[1];

	return EVP_MAC_init(ctx, key_len ? key : empty, key_len, NULL) == 1;
}

static bool hmac_finish(EVP_MAC_CTX *ctx, const struct chunk *in, size_t n, size_t octets,
			uint8_t *ret_out)
{
	size_t got = 0;

	for (size_t i = 0; i < n; i++)
		if (in[i].len && EVP_MAC_update(ctx, in[i].p, in[i].len) != 1)
			return false;
	return EVP_MAC_final(ctx, ret_out, &got, octets) == 1 && got == octets;
}

int prf_compute(uint16_t prf_id, const void *key, size_t key_len, const struct chunk *in, size_t n,
		uint8_t *ret_out)
{
	const char *digest = digest_of(prf_id);
	size_t octets;

	if (!digest || !prf_lookup(prf_id, &octets))
		return -EINVAL;
	EVP_MAC_CTX *ctx = hmac_new(digest, key, key_len);
	bool ok = ctx && hmac_finish(ctx, in, n, octets, ret_out);
	EVP_MAC_CTX_free(ctx);
	if (!ok) {
		secret_wipe(ret_out, octets);
		return -EIO;
	}
	return 0;
}

/* RFC 7296 2.13: T1 = prf(K, S | 0x01), Tn = prf(K, Tn-1 | S | n). One context for all: making it
 * costs more than using it. */
int prf_plus(uint16_t prf_id, const void *key, size_t key_len, const struct chunk *in, size_t n,
	     uint8_t *ret_out, size_t out_len)
{
	enum { CHUNKS_MAX = 16 };
	struct chunk parts[CHUNKS_MAX + 2];
	uint8_t t[PRF_MAX_OCTETS], next[PRF_MAX_OCTETS];
	const char *digest = digest_of(prf_id);
	uint8_t counter = 0;
	size_t octets, done = 0;
	EVP_MAC_CTX *ctx;
	bool ok;

	if (!digest || !prf_lookup(prf_id, &octets) || n > CHUNKS_MAX)
		return -EINVAL;
	if (out_len > 255 * octets)
		return -EMSGSIZE;
	ctx = hmac_new(digest, key, key_len);
	ok = ctx;
	if (n)
		memcpy(parts + 1, in, n * sizeof(*in));
	parts[0] = (struct chunk){ t, 0 };
	parts[n + 1] = (struct chunk){ &counter, 1 };
	while (ok && done < out_len) {
		size_t part = out_len - done < octets ? out_len - done : octets;

		ok = (!counter++ || hmac_again(ctx, key, key_len)) &&
		     hmac_finish(ctx, parts, n + 2, octets, next);
		if (!ok)
			break;
		memcpy(t, next, octets);
		parts[0].len = octets;
		memcpy(ret_out + done, t, part);
		done += part;
	}
	EVP_MAC_CTX_free(ctx);
	secret_wipe(next, sizeof(next));
	secret_wipe(t, sizeof(t));
	if (!ok)
		secret_wipe(ret_out, out_len);
	return ok ? 0 : -EIO;
}

static int digest(const EVP_MD *md, const struct chunk *in, size_t n, uint8_t *ret_out)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestInit_ex(ctx, md, NULL) == 1;

	for (size_t i = 0; ok && i < n; i++)
		ok = !in[i].len || EVP_DigestUpdate(ctx, in[i].p, in[i].len) == 1;
	ok = ok && EVP_DigestFinal_ex(ctx, ret_out, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	return ok ? 0 : -EIO;
}

int sha1_digest(const struct chunk *in, size_t n, uint8_t ret_out[SHA1_OCTETS])
{
	return digest(EVP_sha1(), in, n, ret_out);
}

int sha256_digest(const struct chunk *in, size_t n, uint8_t ret_out[SHA256_OCTETS])
{
	return digest(EVP_sha256(), in, n, ret_out);
}
