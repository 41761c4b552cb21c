/* SPDX-License-Identifier: GPL-2.0-only */
/* Between pkey.c, token.c, auth.c, cert.c, dn.c, cred.c, trust.c, ocsp.c and peer_lib.c: what is
 * behind the opaque types. */
#ifndef BRAID_CRYPTO_X509_IMPL_H
#define BRAID_CRYPTO_X509_IMPL_H

#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/x509.h>

#include "crypto/x509.h"

/* 112 bits: RSA of 2,048 bits, SHA-2 in every signature of a chain. */
enum { CHAIN_SECURITY_LEVEL = 2 };

struct pkey {
	EVP_PKEY *key;
	struct key_info info;
	bool private;
};

struct cert {
	X509 *x;
	struct pkey *key; /* NULL: not supported */
};

/* Takes k, also on failure. 0, -ENOTSUP, -ENOMEM. */
int pkey_wrap(EVP_PKEY *k, bool private, struct pkey **ret_key);
/* Takes x, also on failure. */
int cert_wrap(X509 *x, struct cert **ret_cert);
/* fn for each object of that name in a PEM file, or for the whole file if there is none; its error
 * ends it. 0, -EBADMSG (PEM that is broken), -ENOMEM, or fn's. */
typedef int der_fn(void *ctx, const uint8_t *der, size_t len);
int pem_each(const uint8_t *file, size_t len, const char *name, der_fn *fn, void *ctx);
/* fn for each certificate in PEM or DER, which it takes; its error ends it. 0, -EBADMSG, or fn's.
 */
typedef int cert_fn(void *ctx, X509 *x);
int certs_each(const uint8_t *file, size_t len, cert_fn *fn, void *ctx);
bool cert_self_signed(const struct cert *c);
/* SHA-1 of its SubjectPublicKeyInfo. */
int cert_key_id(const struct cert *c, uint8_t ret_id[CERT_KEY_ID_OCTETS]);
int64_t asn1_seconds(const ASN1_TIME *t); /* since 1970; 0: it is no time */
const char *name_format(const X509_NAME *n, char *buf, size_t cap);
/* Password callback of PEM readers; u is a struct secret or NULL. */
int pass_callback(char *buf, int size, int rwflag, void *u);

/* ---- peer_lib.c ---- */

/* Where certificates of peers are parsed, and their keys used. NULL: OpenSSL's default context. */
OSSL_LIB_CTX *peer_lib(void);
/* One certificate and nothing else, in DER. NULL: it is not that, or no memory. */
X509 *peer_x509(const uint8_t *der, size_t len);

/* ---- ocsp.c ---- */

enum { OCSP_SKEW_SEC = 300 }; /* by which clocks may differ */

enum ocsp_says { OCSP_SAYS_NOTHING, OCSP_SAYS_UNUSABLE, OCSP_SAYS_GOOD, OCSP_SAYS_REVOKED };

/* The one response in it, if it is a successful one; NULL. The caller frees it. */
OCSP_BASICRESP *ocsp_parse(const uint8_t *der, size_t len);
/* 1: it has something about x, 0: not, -ENOMEM. issuer NULL: whoever has the issuer's name. */
int ocsp_find(OCSP_BASICRESP *b, X509 *x, X509 *issuer, OCSP_SINGLERESP **ret_single);
struct ocsp_said {
	int status;	     /* V_OCSP_CERTSTATUS_ */
	int64_t from, until; /* seconds since 1970; it counts for OCSP_SKEW_SEC more, each way */
};
struct ocsp_said ocsp_read(OCSP_SINGLERESP *s);
bool ocsp_fresh(const struct ocsp_said *s, int64_t now);
/* UNUSABLE: outdated, by nobody who may say so, or the responder does not know x. *ret_signer,
 * which is b's: whom the issuer appointed, if it does not say that nobody need look whether he is
 * revoked; else NULL. 0, -ENOMEM. May leave errors in OpenSSL's queue. */
int ocsp_judge(OCSP_BASICRESP *b, X509 *x, X509 *issuer, int64_t now, enum ocsp_says *ret_says,
	       X509 **ret_signer);

#endif
