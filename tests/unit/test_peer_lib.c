/* SPDX-License-Identifier: GPL-2.0-only */
/* Certificates of peers in a library context of their own: all kinds of keys that we can use, used
 * with keys of the default context, and none else. */
#include <criterion/criterion.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <stdlib.h>

#include "../../user/crypto/x509_impl.h"
#include "../lib/pki.h"

static X509 *parsed(const struct pki_ent *e)
{
	struct chunk der = pki_der(e);
	X509 *x = peer_x509(der.p, der.len);

	cr_assert_not_null(x);
	free((void *)der.p);
	return x;
}

Test(peer_lib, every_kind)
{
	static const char *const kinds[] = { "RSA-2048", "P-256",   "P-384",
					     "P-521",	 "ED25519", "ED448" };

	cr_assert(OSSL_PROVIDER_available(NULL, "default"));
	cr_assert_not_null(peer_lib());
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct pki_ent ca = pki_ca("CA", kinds[i], NULL);
		struct pki_ent e = pki_end("e", kinds[i], &ca, "DNS:e.example");
		X509 *x = parsed(&e), *issuer = parsed(&ca);

		cr_assert_eq(EVP_PKEY_eq(X509_get0_pubkey(x), e.key), 1, "%s", kinds[i]);
		/* keys of either context verify it */
		cr_assert_eq(X509_verify(x, X509_get0_pubkey(issuer)), 1, "%s", kinds[i]);
		cr_assert_eq(X509_verify(x, ca.key), 1, "%s", kinds[i]);
		cr_assert_eq(X509_verify(e.x, X509_get0_pubkey(issuer)), 1, "%s", kinds[i]);
		cr_assert_eq(X509_verify(x, e.key), 0, "%s", kinds[i]);
		X509_free(x);
		X509_free(issuer);
		pki_free(&e);
		pki_free(&ca);
	}
	ERR_clear_error();
}

/* A key we cannot use is not decoded at all; the certificate can still be shown. */
Test(peer_lib, other_kinds)
{
	struct pki_ent ca = pki_ca("CA", "P-256", NULL);
	struct pki_ent e = pki_end("e", "X25519", &ca, "DNS:e.example");
	X509 *x = parsed(&e);
	struct cert *c;

	cr_assert_not_null(X509_get0_pubkey(e.x));
	cr_assert_null(X509_get0_pubkey(x));
	cr_assert_eq(X509_verify(x, ca.key), 1);
	cr_assert_eq(cert_wrap(x, &c), 0);
	cr_assert_null(cert_key(c));
	cert_free(c);
	pki_free(&e);
	pki_free(&ca);
	ERR_clear_error();
}

/* What is no certificate leaves nothing behind. */
Test(peer_lib, malformed)
{
	struct pki_ent e = pki_ca("e", "P-256", NULL);
	struct chunk der = pki_der(&e);

	for (size_t n = 0; n < der.len; n++)
		cr_assert_null(peer_x509(der.p, n), "%zu octets", n);
	ERR_clear_error();
	free((void *)der.p);
	pki_free(&e);
}
