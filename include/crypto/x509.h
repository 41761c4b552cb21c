/* SPDX-License-Identifier: GPL-2.0-only */
/* X.509 certificates: one of a peer, our own with their keys, and whom we trust (RFC 5280, 6960,
 * 4945).
 *
 * Chains are built and judged by OpenSSL's verifier, with no more than what is given here:
 * nothing is fetched from anywhere. Time is passed in. Every function leaves OpenSSL's error queue
 * empty. cred and trust do not change once they are in use, and are counted. Thread: one.
 */
#ifndef BRAID_CRYPTO_X509_H
#define BRAID_CRYPTO_X509_H

#include "crypto/pkey.h"
#include "crypto/prf.h"

struct trust;

enum {
	CERT_OCTETS_MAX = 16384, /* a longer one is not looked at */
	CERT_CHAIN_MAX = 8,	 /* with the end certificate, without the CA */
	CERT_DN_STR = 256,
	CERT_WHY_MAX = 192,
	CERT_KEY_ID_OCTETS = SHA1_OCTETS, /* of CERTREQ (7296 3.7) */
	TRUST_CAS_MAX = 64,
	TRUST_PINS_MAX = 64,
};

/* ---- one certificate ---- */

struct cert;

struct cert_info {
	char subject[CERT_DN_STR], issuer[CERT_DN_STR], serial[48];
	int64_t not_before, not_after; /* seconds since 1970 */
	bool key_known;
	struct key_info key;
	bool ca;
};

/* Exactly one certificate. 0, -EBADMSG, -EMSGSIZE (CERT_OCTETS_MAX), -ENOMEM. */
int cert_parse(const uint8_t *der, size_t len, struct cert **ret_cert);
void cert_free(struct cert *c); /* NULL is fine */
/* NULL: a kind or size of key that is not supported. Lives as long as c. */
const struct pkey *cert_key(const struct cert *c);
void cert_describe(const struct cert *c, struct cert_info *ret_info);

enum cert_name { CERT_DNS, CERT_EMAIL, CERT_IP, CERT_DN };

/* Is this one of its names? DNS, e-mail and IP (4 or 16 octets) stand in subjectAltName, a DN (DER)
 * is the subject or stands there. Wildcards inside a certificate mean nothing (RFC 4945 3.1). */
bool cert_has_name(const struct cert *c, enum cert_name kind, const uint8_t *p, size_t len);
/* DER of the subject. 0, -ENOENT (it has none), -EMSGSIZE. */
int cert_subject(const struct cert *c, uint8_t *out, size_t cap, size_t *ret_len);

/* ---- distinguished names, as identities have them ---- */

/* "C=CH, O=braid, CN=gw": 0, -EINVAL (also an unknown attribute), -EMSGSIZE. */
int dn_parse(const char *text, uint8_t *out, size_t cap, size_t *ret_len);
/* Back to text, control characters escaped; "?" if it is no name. */
const char *dn_format(const uint8_t *der, size_t len, char *buf, size_t cap);
/* The same name, whatever its string types, case and spaces; in want a value "*" stands for any. */
bool dn_matches(const uint8_t *want, size_t want_len, const uint8_t *got, size_t got_len);

bool dn_has_wildcard(const uint8_t *der, size_t len);

/* ---- our own: a key, its certificate and what leads from there to a CA ---- */

struct cred;

/* A file's octets: PEM with the end certificate first, DER, or PKCS#12, which holds the key too.
 * Self-signed certificates after the first are left out: they prove nothing to anybody. 0; -EBADMSG
 * (no certificate), -EKEYREJECTED (PKCS#12 and the passphrase is missing or wrong), -ENOTSUP (kind
 * of key), -E2BIG (CERT_CHAIN_MAX), -ENOMEM. */
int cred_load(const uint8_t *file, size_t len, const struct secret *pass, struct cred **ret_cred);
struct cred *cred_ref(struct cred *c);
void cred_unref(struct cred *c); /* wipes; NULL is fine */
bool cred_has_key(const struct cred *c);
/* Takes k if it belongs to the end certificate; false: it does not, and stays the caller's. */
bool cred_take_key(struct cred *c, struct pkey *k);
const struct pkey *cred_key(const struct cred *c); /* NULL without one */
size_t cred_count(const struct cred *c);
const struct cert *cred_cert(const struct cred *c, size_t i); /* 0: the end certificate */
struct chunk cred_der(const struct cred *c, size_t i);
/* An OCSP response, DER, to go along. 0; -EBADMSG (none), -ENOENT (about none of the chain), -E2BIG
 * (CERT_CHAIN_MAX), -ENOMEM. */
int cred_add_ocsp(struct cred *c, const uint8_t *file, size_t len);
/* The files of the configuration are to have one about the end certificate. */
void cred_want_ocsp(struct cred *c);
/* Those that are not outdated; returns how many. */
size_t cred_ocsp(const struct cred *c, int64_t now, struct chunk out[CERT_CHAIN_MAX]);
/* What there is about a certificate of the chain: of several responses that lasts longest. */
enum cred_ocsp_state {
	CRED_OCSP_NOT_WANTED,
	CRED_OCSP_NONE, /* of the responses there are */
	CRED_OCSP_GOOD,
	CRED_OCSP_STALE,
	CRED_OCSP_EARLY,
	CRED_OCSP_REVOKED,
	CRED_OCSP_UNKNOWN, /* to its issuer */
	CRED_OCSP_FOREIGN, /* not by its issuer, nor by whom that appointed */
};
struct cred_ocsp_info {
	enum cred_ocsp_state state;
	size_t responses;    /* that were there to choose from */
	int64_t from, until; /* seconds since 1970; 0 without one */
};
/* t, which may be NULL: where the issuer is looked for if it is not in the chain; one that is not
 * found is not asked who signed. */
void cred_ocsp_look(const struct cred *c, size_t i, const struct trust *t, int64_t now,
		    struct cred_ocsp_info *ret_info);
/* The same response's end; 0 without one. */
int64_t cred_ocsp_until(const struct cred *c, size_t i);
/* Whose keys the peer trusts (CERT_KEY_ID_OCTETS each): does this chain lead to one? CAs that are
 * not in the chain are looked for in t, which may be NULL. */
bool cred_leads_to(const struct cred *c, const struct trust *t, const uint8_t *ids, size_t n);

/* ---- whom we trust ---- */

/* Is a certificate revoked? CRLs and OCSP responses tell, of those there are: one of either that
 * says so is enough. off: they are not asked. ifpresent: what the issuer has a CRL for, or a file
 * of ours a response, must be fine by one that can be used (outdated or of another scope, it
 * cannot). ifuri: besides, a certificate that names a source of CRLs or responses must be covered
 * by one. strict: all but the CA must be. The same holds for whom an issuer appointed to sign
 * responses, by CRLs alone, unless its certificate has id-pkix-ocsp-nocheck (6960 4.2.2.2.1). */
enum crl_policy { CRL_OFF, CRL_IFPRESENT, CRL_IFURI, CRL_STRICT };

struct trust *trust_new(enum crl_policy policy); /* NULL: no memory */
struct trust *trust_ref(struct trust *t);
void trust_unref(struct trust *t); /* NULL is fine */
/* A file's octets, PEM (several) or DER. 0; -EBADMSG (none in it), -EINVAL (one is not a CA's),
 * -E2BIG (TRUST_CAS_MAX), -ENOMEM. */
int trust_add_cas(struct trust *t, const uint8_t *file, size_t len);
int trust_add_crls(struct trust *t, const uint8_t *file, size_t len);
/* One OCSP response, DER. 0; -EBADMSG (none, or one that says the responder failed), -ENOMEM. */
int trust_add_ocsp(struct trust *t, const uint8_t *file, size_t len);
/* Certificates, one of which the peer's must be: below a CA if there is any, else as it stands. The
 * errors of trust_add_cas. */
int trust_add_pins(struct trust *t, const uint8_t *file, size_t len);
size_t trust_pins(const struct trust *t);
const struct cert *trust_pin(const struct trust *t, size_t i);
/* Whose keys a CERTREQ names: the CAs, without any the pins. */
size_t trust_anchors(const struct trust *t);
const uint8_t *trust_anchor_id(const struct trust *t, size_t i); /* CERT_KEY_ID_OCTETS */
size_t trust_count(const struct trust *t);
const struct cert *trust_cert(const struct trust *t, size_t i);
size_t trust_crls(const struct trust *t);
size_t trust_responses(const struct trust *t);
enum crl_policy trust_policy(const struct trust *t);
const uint8_t *trust_key_id(const struct trust *t, size_t i); /* CERT_KEY_ID_OCTETS */
/* May the owner of that end certificate sign for IKE, now (seconds since 1970)? more: n further
 * certificates and OCSP responses the peer sent, which are only used if they verify. 0, or
 * -EKEYREJECTED with why: a clause about the certificate, control characters escaped. */
int trust_verify(const struct trust *t, const struct cert *end, const struct chunk *more, size_t n,
		 int64_t now, char why[CERT_WHY_MAX]);

#endif
