/* SPDX-License-Identifier: GPL-2.0-only */
/* A library context of OpenSSL for the certificates of peers.
 *
 * OpenSSL 3.0 reads the public key of a certificate while it parses it, and for that sets up every
 * decoder and every kind of key it has, anew each time: that takes longer than to verify a
 * signature with the key. So this context knows the kinds we can use and nothing else to decode, as
 * a provider that passes on what the default one has; all other algorithms are the default one's.
 * What is not as expected (no default provider, FIPS, another OpenSSL) leads back to the default
 * context.
 */
#include <string.h>

#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include "x509_impl.h"

static const char *const kinds[] = { "RSA", "RSA-PSS", "EC", "ED25519", "ED448" };
enum { N_KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* Ended by one without a name. */
static OSSL_ALGORITHM key_types[N_KINDS + 1], decoders[N_KINDS + 1];
static OSSL_PROVIDER *whole;

/* The first of the names, which are separated by colons. */
static bool is_ours(const char *names)
{
	size_t len = strcspn(names, ":");

	for (unsigned i = 0; i < N_KINDS; i++)
		if (len == strlen(kinds[i]) && !strncmp(names, kinds[i], len))
			return true;
	return false;
}

/* Of that operation's algorithms the ones for our kinds: true if there is one for each. */
static bool narrow(int operation, const char *property, OSSL_ALGORITHM out[N_KINDS + 1])
{
	int no_cache, n = 0;
	const OSSL_ALGORITHM *a = OSSL_PROVIDER_query_operation(whole, operation, &no_cache);

	for (; a && a->algorithm_names; a++) {
		if (!is_ours(a->algorithm_names) || !strstr(a->property_definition, property))
			continue;
		if (n == N_KINDS)
			return false;
		out[n++] = *a;
	}
	return n == N_KINDS;
}

static const OSSL_ALGORITHM *query(void *ctx, int operation, int *no_cache)
{
	(void)ctx;
	*no_cache = 0;
	switch (operation) {
	case OSSL_OP_KEYMGMT:
		return key_types;
	case OSSL_OP_DECODER:
		return decoders;
	default:
		return OSSL_PROVIDER_query_operation(whole, operation, no_cache);
	}
}

static const OSSL_DISPATCH functions[] = {
	{ OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query },
	{ 0, NULL },
};

/* The algorithms are run with the context of the provider they come from. */
static int init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
		void **ret_ctx)
{
	(void)handle;
	(void)in;
	*out = functions;
	*ret_ctx = OSSL_PROVIDER_get0_provider_ctx(whole);
	return 1;
}

static OSSL_LIB_CTX *make(void)
{
	OSSL_LIB_CTX *ctx = NULL;

	if (!OSSL_PROVIDER_available(NULL, "default") ||
	    EVP_default_properties_is_fips_enabled(NULL))
		return NULL;
	whole = OSSL_PROVIDER_load(NULL, "default");
	if (whole && narrow(OSSL_OP_KEYMGMT, "", key_types) &&
	    narrow(OSSL_OP_DECODER, "structure=SubjectPublicKeyInfo", decoders))
		ctx = OSSL_LIB_CTX_new();
	if (ctx && OSSL_PROVIDER_add_builtin(ctx, "braid-peers", init) == 1 &&
	    OSSL_PROVIDER_load(ctx, "braid-peers"))
		return ctx;
	OSSL_LIB_CTX_free(ctx);
	if (whole)
		OSSL_PROVIDER_unload(whole);
	whole = NULL;
	ERR_clear_error();
	return NULL;
}

OSSL_LIB_CTX *peer_lib(void)
{
	static OSSL_LIB_CTX *ctx;
	static bool made;

	if (!made)
		ctx = make();
	made = true;
	return ctx;
}

/* Its own encoding again? OpenSSL also reads BER, and stops where the certificate ends. */
static bool der_exact(X509 *x, const uint8_t *der, size_t len)
{
	uint8_t *again = NULL;
	int n = i2d_X509(x, &again);
	bool same = n > 0 && (size_t)n == len && !memcmp(again, der, len);

	OPENSSL_free(again);
	return same;
}

X509 *peer_x509(const uint8_t *der, size_t len)
{
	X509 *x = X509_new_ex(peer_lib(), NULL);
	const uint8_t *p = der;

	/* it is freed if it cannot be read */
	if (x && d2i_X509(&x, &p, (long)len) && der_exact(x, der, len))
		return x;
	X509_free(x);
	return NULL;
}
