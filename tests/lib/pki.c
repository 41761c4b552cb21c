/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "pki.h"

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "pki: %s\n", what);
	ERR_print_errors_fp(stderr);
	abort();
}

EVP_PKEY *pki_key(const char *kind)
{
	EVP_PKEY *k = !strncmp(kind, "RSA-", 4) ? EVP_RSA_gen((unsigned)atoi(kind + 4))
		      : !strncmp(kind, "P-", 2) ? EVP_EC_gen(kind)
						: EVP_PKEY_Q_keygen(NULL, NULL, kind);

	must(k, kind);
	return k;
}

static void ext_add(X509 *x, X509 *issuer, const char *name, const char *value)
{
	X509_EXTENSION *e;
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_nconf(NULL, &ctx, name, value);
	must(e && X509_add_ext(x, e, -1) == 1, name);
	X509_EXTENSION_free(e);
}

static const EVP_MD *digest_for(EVP_PKEY *k, const char *name)
{
	int type = EVP_PKEY_get_base_id(k);

	if (type == EVP_PKEY_ED25519 || type == EVP_PKEY_ED448)
		return NULL;
	return EVP_get_digestbyname(name ? name : "SHA256");
}

struct pki_ent pki_make(const struct pki_spec *s)
{
	struct pki_ent e = { s->own ? s->own : pki_key(s->key), X509_new() };
	const struct pki_ent *ca = s->ca ? s->ca : &e;
	X509_NAME *name = X509_get_subject_name(e.x);
	time_t now = PKI_NOW;

	must(!s->own || EVP_PKEY_up_ref(s->own) == 1, "EVP_PKEY_up_ref");
	must(X509_set_version(e.x, 2) == 1 && X509_set_pubkey(e.x, e.key) == 1, "X509_new");
	ASN1_INTEGER_set(X509_get_serialNumber(e.x), s->serial ? s->serial : 1);
	X509_time_adj_ex(X509_getm_notBefore(e.x), 0, s->from ? s->from : -PKI_DAY, &now);
	X509_time_adj_ex(X509_getm_notAfter(e.x), 0, s->to ? s->to : PKI_DAY, &now);
	X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const uint8_t *)"braid test", -1, -1,
				   0);
	for (unsigned i = 0; i < s->ous; i++)
		X509_NAME_add_entry_by_txt(name, "OU", MBSTRING_ASC,
					   (const uint8_t *)"an organizational unit whose name "
							    "takes exactly sixty octets",
					   60, -1, 0);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)s->cn, -1, -1, 0);
	must(X509_set_issuer_name(e.x, X509_get_subject_name(ca->x)) == 1, "issuer");
	ext_add(e.x, ca->x, "subjectKeyIdentifier", "hash");
	for (unsigned i = 0; i < PKI_EXTS_MAX && s->exts[i][0]; i++)
		ext_add(e.x, ca->x, s->exts[i][0], s->exts[i][1]);
	must(X509_sign(e.x, ca->key, digest_for(ca->key, s->digest)) > 0, "X509_sign");
	return e;
}

struct pki_ent pki_ca(const char *cn, const char *key, const struct pki_ent *ca)
{
	return pki_make(
		&(struct pki_spec){ .cn = cn,
				    .key = key,
				    .ca = ca,
				    .exts = { { "basicConstraints", "critical,CA:TRUE" },
					      { "keyUsage", "critical,keyCertSign,cRLSign" } } });
}

struct pki_ent pki_end(const char *cn, const char *key, const struct pki_ent *ca, const char *san)
{
	return pki_make(&(struct pki_spec){ .cn = cn,
					    .key = key,
					    .ca = ca,
					    .serial = 7,
					    .exts = { { "subjectAltName", san } } });
}

void pki_free(struct pki_ent *e)
{
	EVP_PKEY_free(e->key);
	X509_free(e->x);
}

X509_CRL *pki_crl(const struct pki_ent *ca, long revoked, int64_t to)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *t = ASN1_TIME_new();
	time_t now = PKI_NOW;

	must(crl && t && X509_CRL_set_version(crl, 1) == 1 &&
		     X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->x)) == 1,
	     "X509_CRL_new");
	X509_time_adj_ex(t, 0, -PKI_DAY, &now);
	X509_CRL_set1_lastUpdate(crl, t);
	if (revoked) {
		X509_REVOKED *r = X509_REVOKED_new();
		ASN1_INTEGER *n = ASN1_INTEGER_new();

		ASN1_INTEGER_set(n, revoked);
		X509_REVOKED_set_serialNumber(r, n);
		X509_REVOKED_set_revocationDate(r, t);
		must(X509_CRL_add0_revoked(crl, r) == 1, "X509_CRL_add0_revoked");
		ASN1_INTEGER_free(n);
	}
	now = PKI_NOW;
	X509_time_adj_ex(t, 0, to ? to : PKI_DAY, &now);
	X509_CRL_set1_nextUpdate(crl, t);
	must(X509_CRL_sign(crl, ca->key, digest_for(ca->key, NULL)) > 0, "X509_CRL_sign");
	ASN1_TIME_free(t);
	return crl;
}

struct chunk pki_ocsp(const struct pki_ocsp_spec *s)
{
	static const int statuses[] = { [PKI_GOOD] = V_OCSP_CERTSTATUS_GOOD,
					[PKI_REVOKED] = V_OCSP_CERTSTATUS_REVOKED,
					[PKI_UNKNOWN] = V_OCSP_CERTSTATUS_UNKNOWN };
	const struct pki_ent *signer = s->signer ? s->signer : s->issuer;
	OCSP_CERTID *id = OCSP_cert_to_id(EVP_get_digestbyname(s->id ? s->id : "SHA1"), s->about->x,
					  s->issuer->x);
	ASN1_TIME *from = ASN1_TIME_new(), *to = s->open ? NULL : ASN1_TIME_new();
	OCSP_BASICRESP *b = OCSP_BASICRESP_new();
	OCSP_RESPONSE *r;
	struct chunk der;
	uint8_t *p = NULL;
	time_t now = PKI_NOW;
	int n;

	must(id && b && from, "OCSP_cert_to_id");
	X509_time_adj_ex(from, 0, s->from ? s->from : -3600, &now);
	if (to)
		X509_time_adj_ex(to, 0, s->to ? s->to : 3600, &now);
	must(OCSP_basic_add1_status(b, id, statuses[s->status], OCSP_REVOKED_STATUS_NOSTATUS,
				    s->status == PKI_REVOKED ? from : NULL, from, to) != NULL,
	     "OCSP_basic_add1_status");
	must(OCSP_basic_sign(b, signer->x, signer->key, digest_for(signer->key, s->digest), NULL,
			     0) == 1,
	     "OCSP_basic_sign");
	r = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, b);
	n = r ? i2d_OCSP_RESPONSE(r, &p) : 0;
	must(n > 0, "OCSP_response_create");
	der = (struct chunk){ malloc((size_t)n), (size_t)n };
	must(der.p, "memory");
	memcpy((void *)der.p, p, der.len);
	OPENSSL_free(p);
	OCSP_RESPONSE_free(r);
	OCSP_BASICRESP_free(b);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(from);
	ASN1_TIME_free(to);
	return der;
}

struct pki_ent pki_ocsp_signer(const struct pki_ent *issuer)
{
	return pki_make(&(struct pki_spec){ .cn = "responder",
					    .key = "P-256",
					    .ca = issuer,
					    .serial = 99,
					    .exts = { { "keyUsage", "critical,digitalSignature" },
						      { "extendedKeyUsage", "OCSPSigning" },
						      { "noCheck", "ignored" } } });
}

static char *taken(BIO *b, size_t *ret_len)
{
	char *p, *copy;
	long n = BIO_get_mem_data(b, &p);

	copy = malloc((size_t)n);
	must(copy && n > 0, "memory");
	memcpy(copy, p, (size_t)n);
	*ret_len = (size_t)n;
	BIO_free(b);
	return copy;
}

char *pki_pem(const struct pki_ent *e, const struct pki_ent *more, size_t *ret_len)
{
	BIO *b = BIO_new(BIO_s_mem());

	must(PEM_write_bio_X509(b, e->x) == 1 && (!more || PEM_write_bio_X509(b, more->x) == 1),
	     "PEM");
	return taken(b, ret_len);
}

char *pki_key_pem(EVP_PKEY *k, size_t *ret_len)
{
	BIO *b = BIO_new(BIO_s_mem());

	must(PEM_write_bio_PrivateKey(b, k, NULL, NULL, 0, NULL, NULL) == 1, "PEM");
	return taken(b, ret_len);
}

struct chunk pki_der(const struct pki_ent *e)
{
	int n = i2d_X509(e->x, NULL);
	uint8_t *der = malloc((size_t)n), *p = der;

	must(der && i2d_X509(e->x, &p) == n, "i2d_X509");
	return (struct chunk){ der, (size_t)n };
}

struct cert *pki_cert(const struct pki_ent *e)
{
	struct chunk der = pki_der(e);
	struct cert *c;

	must(cert_parse(der.p, der.len, &c) == 0, "cert_parse");
	free((void *)der.p);
	return c;
}

struct cred *pki_cred(const struct pki_ent *end, const struct pki_ent *intermediate)
{
	size_t len, key_len;
	char *pem = pki_pem(end, intermediate, &len), *key = pki_key_pem(end->key, &key_len);
	struct cred *c;
	struct pkey *k;

	must(cred_load((uint8_t *)pem, len, NULL, &c) == 0, "cred_load");
	must(pkey_load((uint8_t *)key, key_len, NULL, &k) == 0, "pkey_load");
	must(cred_take_key(c, k), "cred_take_key");
	free(pem);
	free(key);
	return c;
}

struct trust *pki_trust(enum crl_policy policy, const struct pki_ent *ca, X509_CRL *crl)
{
	struct trust *t = trust_new(policy);
	size_t len;
	char *pem = pki_pem(ca, NULL, &len);
	BIO *b = BIO_new(BIO_s_mem());

	must(t && trust_add_cas(t, (uint8_t *)pem, len) == 0, "trust_add_cas");
	free(pem);
	if (crl) {
		must(PEM_write_bio_X509_CRL(b, crl) == 1, "PEM");
		pem = taken(b, &len);
		must(trust_add_crls(t, (uint8_t *)pem, len) == 0, "trust_add_crls");
		free(pem);
		return t;
	}
	BIO_free(b);
	return t;
}
