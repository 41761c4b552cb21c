/* SPDX-License-Identifier: GPL-2.0-only */
/* What OCSP responses say about a certificate (RFC 6960). They come from files and from the peer
 * (RFC 4806), so nobody's nonce is in them: how old they may be is what counts. */
#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "x509_impl.h"

enum {
	OPEN_SEC = 86400,   /* how old a response without an end may be */
	SINGLES_MAX = 1000, /* of one response that are looked at */
};

OCSP_BASICRESP *ocsp_parse(const uint8_t *der, size_t len)
{
	const uint8_t *p = der;
	OCSP_RESPONSE *r = len <= CERT_OCTETS_MAX ? d2i_OCSP_RESPONSE(NULL, &p, (long)len) : NULL;
	OCSP_BASICRESP *b = NULL;

	if (r && p == der + len && OCSP_response_status(r) == OCSP_RESPONSE_STATUS_SUCCESSFUL)
		b = OCSP_response_get1_basic(r);
	OCSP_RESPONSE_free(r);
	ERR_clear_error();
	return b;
}

/* ---- one certificate in it ---- */

struct ocsp_said ocsp_read(OCSP_SINGLERESP *s)
{
	ASN1_GENERALIZEDTIME *from, *to;
	struct ocsp_said said = { .status = OCSP_single_get0_status(s, NULL, NULL, &from, &to) };

	said.from = from ? asn1_seconds(from) : 0;
	said.until = to ? asn1_seconds(to) : said.from + OPEN_SEC;
	return said;
}

bool ocsp_fresh(const struct ocsp_said *s, int64_t now)
{
	return s->from && s->from <= now + OCSP_SKEW_SEC && now <= s->until + OCSP_SKEW_SEC;
}

/* 1: it is about x, issued by issuer (NULL: by somebody of its name); 0: it is not; -ENOMEM. */
static int about(const OCSP_SINGLERESP *s, X509 *x, X509 *issuer)
{
	OCSP_CERTID *id = (OCSP_CERTID *)OCSP_SINGLERESP_get0_id(s), *want;
	ASN1_OCTET_STRING *name;
	ASN1_INTEGER *serial;
	ASN1_OBJECT *alg;
	uint8_t digest[EVP_MAX_MD_SIZE];
	const EVP_MD *md;
	unsigned n;
	int ret;

	if (OCSP_id_get0_info(&name, &alg, NULL, &serial, id) != 1 ||
	    ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(x)))
		return 0;
	md = EVP_get_digestbyobj(alg);
	if (!md)
		return 0;
	if (!issuer) {
		if (X509_NAME_digest(X509_get_issuer_name(x), md, digest, &n) != 1)
			return -ENOMEM;
		return (unsigned)ASN1_STRING_length(name) == n &&
		       !memcmp(ASN1_STRING_get0_data(name), digest, n);
	}
	want = OCSP_cert_to_id(md, x, issuer);
	if (!want)
		return -ENOMEM;
	ret = OCSP_id_cmp(want, id) == 0;
	OCSP_CERTID_free(want);
	return ret;
}

int ocsp_find(OCSP_BASICRESP *b, X509 *x, X509 *issuer, OCSP_SINGLERESP **ret_single)
{
	int n = OCSP_resp_count(b), ret = 0;

	for (int i = 0; i < n && i < SINGLES_MAX && ret == 0; i++) {
		*ret_single = OCSP_resp_get0(b, i);
		ret = about(*ret_single, x, issuer);
	}
	return ret;
}

/* ---- who says so ---- */

/* The hash of an RSASSA-PSS signature; without one in the parameters it is SHA-1. */
static int pss_hash(const X509_ALGOR *a)
{
	RSA_PSS_PARAMS *p = a->parameter && a->parameter->type == V_ASN1_SEQUENCE
				    ? ASN1_item_unpack(a->parameter->value.sequence,
						       ASN1_ITEM_rptr(RSA_PSS_PARAMS))
				    : NULL;
	int md = p && p->hashAlgorithm ? OBJ_obj2nid(p->hashAlgorithm->algorithm) : NID_sha1;

	RSA_PSS_PARAMS_free(p);
	return md;
}

/* SHA-1 and older are refused here as everywhere. */
static bool strong(const OCSP_BASICRESP *b)
{
	const X509_ALGOR *a = OCSP_resp_get0_tbs_sigalg(b);
	int nid = OBJ_obj2nid(a->algorithm), md = NID_undef, key;

	if (nid == NID_ED25519 || nid == NID_ED448)
		return true;
	if (nid == NID_rsassaPss)
		md = pss_hash(a);
	else
		OBJ_find_sigid_algs(nid, &md, &key);
	return md == NID_sha256 || md == NID_sha384 || md == NID_sha512;
}

/* The issuer itself, or whom it certified to do so (6960 4.2.2.2): OpenSSL finds out which, with
 * nobody else to trust. 1, 0, or -ENOMEM. *ret_signer: see ocsp_judge. */
static int signed_by(OCSP_BASICRESP *b, X509 *issuer, int64_t now, X509 **ret_signer)
{
	const unsigned long flags = OCSP_NOEXPLICIT | OCSP_PARTIAL_CHAIN;
	STACK_OF(X509) *certs = sk_X509_new_null();
	X509_STORE *store = X509_STORE_new();
	X509_VERIFY_PARAM *p;
	X509 *signer;
	int ret = -ENOMEM;

	if (!certs || !store || sk_X509_push(certs, issuer) <= 0 ||
	    X509_STORE_add_cert(store, issuer) != 1)
		goto out;
	p = X509_STORE_get0_param(store);
	X509_VERIFY_PARAM_set_auth_level(p, CHAIN_SECURITY_LEVEL);
	X509_VERIFY_PARAM_set_time(p, (time_t)now);
	ret = strong(b) && OCSP_basic_verify(b, certs, store, flags) == 1 &&
	      OCSP_resp_get0_signer(b, &signer, certs) == 1;
	if (ret && X509_cmp(signer, issuer) &&
	    X509_get_ext_by_NID(signer, NID_id_pkix_OCSP_noCheck, -1) < 0)
		*ret_signer = signer;
out:
	sk_X509_free(certs);
	X509_STORE_free(store);
	return ret;
}

int ocsp_judge(OCSP_BASICRESP *b, X509 *x, X509 *issuer, int64_t now, enum ocsp_says *ret_says,
	       X509 **ret_signer)
{
	OCSP_SINGLERESP *s;
	struct ocsp_said said;
	int ret = ocsp_find(b, x, issuer, &s);

	if (ret < 0)
		return ret;
	*ret_says = OCSP_SAYS_NOTHING;
	*ret_signer = NULL;
	if (ret == 0)
		return 0;
	*ret_says = OCSP_SAYS_UNUSABLE;
	said = ocsp_read(s);
	if (!ocsp_fresh(&said, now))
		return 0;
	ret = signed_by(b, issuer, now, ret_signer);
	if (ret < 0)
		return ret;
	if (ret == 1 && said.status == V_OCSP_CERTSTATUS_GOOD)
		*ret_says = OCSP_SAYS_GOOD;
	if (ret == 1 && said.status == V_OCSP_CERTSTATUS_REVOKED)
		*ret_says = OCSP_SAYS_REVOKED;
	return 0;
}
