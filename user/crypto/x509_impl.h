/* SPDX-License-Identifier: GPL-2.0-only */
/* Between pkey.c, auth.c, cert.c, dn.c, cred.c and trust.c: what is behind the opaque types. */
#ifndef BRAID_CRYPTO_X509_IMPL_H
#define BRAID_CRYPTO_X509_IMPL_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "crypto/x509.h"

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
/* fn for each certificate in PEM or DER, which it takes; its error ends it. 0, -EBADMSG, or fn's.
 */
typedef int cert_fn(void *ctx, X509 *x);
int certs_each(const uint8_t *file, size_t len, cert_fn *fn, void *ctx);
bool cert_self_signed(const struct cert *c);
/* SHA-1 of its SubjectPublicKeyInfo. */
int cert_key_id(const struct cert *c, uint8_t ret_id[CERT_KEY_ID_OCTETS]);
const char *name_format(const X509_NAME *n, char *buf, size_t cap);
/* Password callback of PEM readers; u is a struct secret or NULL. */
int pass_callback(char *buf, int size, int rwflag, void *u);

#endif
