/* SPDX-License-Identifier: GPL-2.0-only */
/* Certificates for tests, made when they run. Aborts when something cannot be made. */
#ifndef BRAID_TESTS_PKI_H
#define BRAID_TESTS_PKI_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "crypto/x509.h"

enum { PKI_EXTS_MAX = 6 };

/* Where validity is counted from: 2027-01-15 08:00:00 UTC. */
#define PKI_NOW INT64_C(1800000000)
#define PKI_DAY INT64_C(86400)

struct pki_ent {
	EVP_PKEY *key;
	X509 *x;
};

struct pki_spec {
	const char *cn;
	const char *key;		   /* "RSA-2048", "P-256", "ED25519" */
	EVP_PKEY *own;			   /* this one in place of a new one; counted */
	const struct pki_ent *ca;	   /* NULL: self-signed */
	int64_t from, to;		   /* relative to PKI_NOW; 0: a day before and after */
	long serial;			   /* 0: 1 */
	const char *digest;		   /* NULL: SHA256 */
	unsigned ous;			   /* of 60 octets each in its subject, before the CN */
	const char *exts[PKI_EXTS_MAX][2]; /* name and value as openssl.cnf has them */
};

EVP_PKEY *pki_key(const char *kind);
struct pki_ent pki_make(const struct pki_spec *s);
/* A CA below another or by itself; an end certificate with that subjectAltName. */
struct pki_ent pki_ca(const char *cn, const char *key, const struct pki_ent *ca);
struct pki_ent pki_end(const char *cn, const char *key, const struct pki_ent *ca, const char *san);
void pki_free(struct pki_ent *e);
/* Revokes that serial; 0: nothing. to: as in pki_spec. */
X509_CRL *pki_crl(const struct pki_ent *ca, long revoked, int64_t to);

struct pki_ocsp_spec {
	const struct pki_ent *about, *issuer;
	const struct pki_ent *signer; /* NULL: the issuer */
	enum { PKI_GOOD, PKI_REVOKED, PKI_UNKNOWN } status;
	int64_t from, to;   /* relative to PKI_NOW; 0: an hour before and after */
	bool open;	    /* without an end */
	const char *digest; /* NULL: SHA256 */
	const char *id;	    /* digest of the CertID; NULL: SHA1 */
};

/* An OCSP response, DER in malloc'ed memory. */
struct chunk pki_ocsp(const struct pki_ocsp_spec *s);
/* A certificate that may sign such responses for its issuer. */
struct pki_ent pki_ocsp_signer(const struct pki_ent *issuer);

/* What the product makes of them. */
struct cert *pki_cert(const struct pki_ent *e);
struct cred *pki_cred(const struct pki_ent *end, const struct pki_ent *intermediate_or_null);
struct trust *pki_trust(enum crl_policy policy, const struct pki_ent *ca, X509_CRL *crl_or_null);
/* PEM of either part, in malloc'ed memory. */
char *pki_pem(const struct pki_ent *e, const struct pki_ent *more_or_null, size_t *ret_len);
char *pki_key_pem(EVP_PKEY *k, size_t *ret_len);
struct chunk pki_der(const struct pki_ent *e); /* malloc'ed */

#endif
