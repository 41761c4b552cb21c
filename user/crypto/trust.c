/* SPDX-License-Identifier: GPL-2.0-only */
/* Whom we trust, and the judgement about a peer's chain: OpenSSL's verifier with our rules. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "x509_impl.h"

/* A chain as OpenSSL builds it: CERT_CHAIN_MAX between the end certificate and the CA. */
enum { CHAIN_DEPTH_MAX = CERT_CHAIN_MAX + 2 };

struct trust {
	unsigned refs;
	enum crl_policy policy;
	X509_STORE *store;
	size_t n;
	STACK_OF(X509_CRL) * crls; /* those of the store */
	size_t n_ocsp;
	OCSP_BASICRESP **ocsp; /* owned, from files */
	struct {
		struct cert *cert;
		uint8_t id[CERT_KEY_ID_OCTETS];
	} cas[TRUST_CAS_MAX], pins[TRUST_PINS_MAX];
	size_t n_pins;
};

struct trust *trust_new(enum crl_policy policy)
{
	struct trust *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->refs = 1;
	t->policy = policy;
	t->store = X509_STORE_new();
	t->crls = sk_X509_CRL_new_null();
	if (t->store && t->crls)
		return t;
	ERR_clear_error();
	trust_unref(t);
	return NULL;
}

struct trust *trust_ref(struct trust *t)
{
	if (t)
		t->refs++;
	return t;
}

void trust_unref(struct trust *t)
{
	if (!t || --t->refs)
		return;
	for (size_t i = 0; i < t->n; i++)
		cert_free(t->cas[i].cert);
	for (size_t i = 0; i < t->n_pins; i++)
		cert_free(t->pins[i].cert);
	X509_STORE_free(t->store);
	sk_X509_CRL_pop_free(t->crls, X509_CRL_free);
	for (size_t i = 0; i < t->n_ocsp; i++)
		OCSP_BASICRESP_free(t->ocsp[i]);
	free(t->ocsp);
	free(t);
}

static int ca_add(void *ctx, X509 *x)
{
	struct trust *t = ctx;
	struct cert *c;
	int ret = cert_wrap(x, &c);

	if (ret)
		return ret;
	if (X509_check_ca(x) != 1)
		ret = -EINVAL;
	else if (t->n == TRUST_CAS_MAX)
		ret = -E2BIG;
	else if (cert_key_id(c, t->cas[t->n].id) || X509_STORE_add_cert(t->store, x) != 1)
		ret = -ENOMEM;
	if (ret)
		cert_free(c);
	else
		t->cas[t->n++].cert = c;
	return ret;
}

int trust_add_cas(struct trust *t, const uint8_t *file, size_t len)
{
	return certs_each(file, len, ca_add, t);
}

static int pin_add(void *ctx, X509 *x)
{
	struct trust *t = ctx;
	struct cert *c;
	int ret = cert_wrap(x, &c);

	if (ret)
		return ret;
	if (t->n_pins == TRUST_PINS_MAX)
		ret = -E2BIG;
	else if (cert_key_id(c, t->pins[t->n_pins].id))
		ret = -ENOMEM;
	if (ret)
		cert_free(c);
	else
		t->pins[t->n_pins++].cert = c;
	return ret;
}

int trust_add_pins(struct trust *t, const uint8_t *file, size_t len)
{
	return certs_each(file, len, pin_add, t);
}

static int crl_add(void *ctx, const uint8_t *der, size_t len)
{
	struct trust *t = ctx;
	const uint8_t *p = der;
	X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)len);
	int ret = crl && p == der + len ? -ENOMEM : -EBADMSG;

	if (ret == -ENOMEM && X509_STORE_add_crl(t->store, crl) == 1 &&
	    sk_X509_CRL_push(t->crls, crl) > 0)
		return 0;
	X509_CRL_free(crl);
	return ret;
}

int trust_add_crls(struct trust *t, const uint8_t *file, size_t len)
{
	return pem_each(file, len, PEM_STRING_X509_CRL, crl_add, t);
}

int trust_add_ocsp(struct trust *t, const uint8_t *file, size_t len)
{
	OCSP_BASICRESP *b = ocsp_parse(file, len), **all;

	if (!b)
		return -EBADMSG;
	all = realloc(t->ocsp, (t->n_ocsp + 1) * sizeof(*all));
	if (!all) {
		OCSP_BASICRESP_free(b);
		return -ENOMEM;
	}
	t->ocsp = all;
	t->ocsp[t->n_ocsp++] = b;
	return 0;
}

size_t trust_count(const struct trust *t)
{
	return t->n;
}

const struct cert *trust_cert(const struct trust *t, size_t i)
{
	return t->cas[i].cert;
}

size_t trust_pins(const struct trust *t)
{
	return t->n_pins;
}

const struct cert *trust_pin(const struct trust *t, size_t i)
{
	return t->pins[i].cert;
}

size_t trust_anchors(const struct trust *t)
{
	return t->n ? t->n : t->n_pins;
}

const uint8_t *trust_anchor_id(const struct trust *t, size_t i)
{
	return t->n ? t->cas[i].id : t->pins[i].id;
}

size_t trust_crls(const struct trust *t)
{
	return (size_t)sk_X509_CRL_num(t->crls);
}

size_t trust_responses(const struct trust *t)
{
	return t->n_ocsp;
}

enum crl_policy trust_policy(const struct trust *t)
{
	return t->policy;
}

const uint8_t *trust_key_id(const struct trust *t, size_t i)
{
	return t->cas[i].id;
}

/* ---- judging ---- */

static int why_fail(char why[CERT_WHY_MAX], X509 *x, const char *text)
{
	char name[CERT_DN_STR];

	/* a name of its own length: the sentence counts more */
	snprintf(why, CERT_WHY_MAX, "certificate \"%.60s\": %s",
		 x ? name_format(X509_get_subject_name(x), name, sizeof(name)) : "?", text);
	return -EKEYREJECTED;
}

/* One question about a peer's chain. */
struct inquiry {
	const struct trust *t;
	int64_t now;
	int crl_error[CHAIN_DEPTH_MAX]; /* by depth: why no CRL tells; 0: one does */
	size_t n_stapled;
	OCSP_BASICRESP *stapled[CERT_CHAIN_MAX];
	char signer_wrong[160]; /* about the certificate looked at last; "": nothing */
};

static bool about_crl(int error)
{
	switch (error) {
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
	case X509_V_ERR_CRL_SIGNATURE_FAILURE:
	case X509_V_ERR_CRL_NOT_YET_VALID:
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
	case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
	case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
	case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
	case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
	case X509_V_ERR_DIFFERENT_CRL_SCOPE:
	case X509_V_ERR_CRL_PATH_VALIDATION_ERROR:
		return true;
	default:
		return false;
	}
}

/* OpenSSL asks here before it fails. That no CRL can tell is no answer yet: see crl_wrong. */
static int on_verify(int ok, X509_STORE_CTX *ctx)
{
	struct inquiry *q = X509_STORE_CTX_get_app_data(ctx);
	int depth = X509_STORE_CTX_get_error_depth(ctx), error = X509_STORE_CTX_get_error(ctx);

	if (ok || !q || !about_crl(error) || depth < 0 || depth >= CHAIN_DEPTH_MAX)
		return ok;
	if (!q->crl_error[depth])
		q->crl_error[depth] = error;
	return 1;
}

/* Is there a CRL by who issued x? Whether it can be used is another question. */
static bool crl_there(const struct trust *t, X509 *x)
{
	for (int i = 0; i < sk_X509_CRL_num(t->crls); i++)
		if (!X509_NAME_cmp(X509_CRL_get_issuer(sk_X509_CRL_value(t->crls, i)),
				   X509_get_issuer_name(x)))
			return true;
	return false;
}

/* Does it name where a CRL or an OCSP responder is? Nobody goes there. */
static bool names_a_source(X509 *x)
{
	AUTHORITY_INFO_ACCESS *aia = X509_get_ext_d2i(x, NID_info_access, NULL, NULL);
	/* one that cannot be read may name anything */
	bool found = X509_get_ext_by_NID(x, NID_crl_distribution_points, -1) >= 0 ||
		     (!aia && X509_get_ext_by_NID(x, NID_info_access, -1) >= 0);

	for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(aia) && !found; i++)
		found = OBJ_obj2nid(sk_ACCESS_DESCRIPTION_value(aia, i)->method) == NID_ad_OCSP;
	AUTHORITY_INFO_ACCESS_free(aia);
	return found;
}

/* The last word about a certificate of which no CRL tells. NULL: none is asked for. */
static const char *crl_wrong(const struct trust *t, X509 *x, int crl_error)
{
	if (!crl_error)
		return NULL;
	/* one that is there and not taken (scope, no memory) is not the same as none */
	if (t->policy == CRL_STRICT || crl_error != X509_V_ERR_UNABLE_TO_GET_CRL || crl_there(t, x))
		return X509_verify_cert_error_string(crl_error);
	if (t->policy == CRL_IFURI && names_a_source(x))
		return "it names a source of its status, and there is no CRL or OCSP response of "
		       "it here";
	return NULL;
}

static bool rules_set(X509_STORE_CTX *ctx, struct inquiry *q)
{
	X509_VERIFY_PARAM *p = X509_STORE_CTX_get0_param(ctx);
	unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST;

	if (q->t->policy != CRL_OFF)
		flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
	X509_VERIFY_PARAM_set_auth_level(p, CHAIN_SECURITY_LEVEL);
	X509_VERIFY_PARAM_set_depth(p, CERT_CHAIN_MAX);
	X509_VERIFY_PARAM_set_time(p, (time_t)q->now);
	X509_STORE_CTX_set_verify_cb(ctx, on_verify);
	return X509_VERIFY_PARAM_set_flags(p, flags) == 1 &&
	       X509_STORE_CTX_set_app_data(ctx, q) == 1;
}

/* May whom the issuer appointed still speak for it (RFC 6960 4.2.2.2.1)? CRLs tell; a response of
 * its own would prove nothing. NULL, or what is wrong. */
static const char *signer_wrong(const struct inquiry *q, X509 *signer, X509 *issuer)
{
	struct inquiry own = { .t = q->t, .now = q->now };
	STACK_OF(X509) *anchor = sk_X509_new_null();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	const char *wrong = "OpenSSL failed";
	int err;

	if (!anchor || !ctx || sk_X509_push(anchor, issuer) <= 0 ||
	    X509_STORE_CTX_init(ctx, q->t->store, signer, NULL) != 1 || !rules_set(ctx, &own))
		goto out;
	X509_STORE_CTX_set0_trusted_stack(ctx, anchor);
	if (X509_verify_cert(ctx) == 1) {
		wrong = crl_wrong(q->t, signer, own.crl_error[0]);
		goto out;
	}
	err = X509_STORE_CTX_get_error(ctx);
	if (err != X509_V_OK)
		wrong = X509_verify_cert_error_string(err);
out:
	X509_STORE_CTX_free(ctx);
	sk_X509_free(anchor);
	return wrong;
}

/* Of all responses: revoked if one says so, else good if one does, else unusable if one of ours is.
 * 0, or -ENOMEM. */
static int ocsp_says(struct inquiry *q, X509 *x, X509 *issuer, enum ocsp_says *ret_says)
{
	enum ocsp_says says = OCSP_SAYS_NOTHING, one;
	size_t ours = q->t->n_ocsp;
	const char *wrong;
	X509 *signer;
	int ret;

	q->signer_wrong[0] = '\0';
	for (size_t i = 0; i < ours + q->n_stapled; i++) {
		ret = ocsp_judge(i < ours ? q->t->ocsp[i] : q->stapled[i - ours], x, issuer, q->now,
				 &one, &signer);
		if (ret)
			return ret;
		wrong = signer ? signer_wrong(q, signer, issuer) : NULL;
		if (wrong) {
			snprintf(q->signer_wrong, sizeof(q->signer_wrong),
				 "who signed its OCSP response: %s", wrong);
			one = OCSP_SAYS_UNUSABLE;
		}
		/* what the peer shows and is of no use, it might as well have kept */
		if (one > says && (i < ours || one != OCSP_SAYS_UNUSABLE))
			says = one;
	}
	*ret_says = says;
	return 0;
}

/* One certificate of the chain, not the anchor's. NULL, or what is wrong. */
static const char *status_wrong(struct inquiry *q, X509 *x, X509 *issuer, int crl_error)
{
	enum ocsp_says says;
	const char *wrong;

	if (ocsp_says(q, x, issuer, &says))
		return "OpenSSL failed";
	if (says == OCSP_SAYS_REVOKED)
		return "certificate revoked, says its OCSP response";
	if (says == OCSP_SAYS_GOOD || !crl_error)
		return NULL;
	wrong = says == OCSP_SAYS_UNUSABLE
			? "its OCSP response is outdated, says nothing, or is not by its issuer"
			: crl_wrong(q->t, x, crl_error);
	return wrong && q->signer_wrong[0] ? q->signer_wrong : wrong;
}

/* The chain that OpenSSL found; the CA at its end is trusted because the configuration says so. */
static const char *statuses_wrong(struct inquiry *q, X509_STORE_CTX *ctx, X509 **ret_x)
{
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
	const char *wrong = NULL;

	for (int i = 0; i + 1 < sk_X509_num(chain) && q->t->policy != CRL_OFF && !wrong; i++) {
		*ret_x = sk_X509_value(chain, i);
		wrong = i < CHAIN_DEPTH_MAX ? status_wrong(q, *ret_x, sk_X509_value(chain, i + 1),
							   q->crl_error[i])
					    : "its chain is too long";
	}
	return wrong;
}

/* RFC 4945 5.1.3.2 and 5.1.3.12. Certificates made for TLS are taken too: many use them. */
static const char *usage_wrong(X509 *x)
{
	static const int good[] = { NID_ipsec_IKE,   NID_anyExtendedKeyUsage, NID_server_auth,
				    NID_client_auth, NID_ipsecEndSystem,      NID_ipsecTunnel,
				    NID_ipsecUser };
	uint32_t usage = X509_get_key_usage(x); /* all bits if it says nothing */
	EXTENDED_KEY_USAGE *eku;
	bool found = false;

	if (!(usage & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)))
		return "its key usage does not allow signatures";
	if (!(X509_get_extension_flags(x) & EXFLAG_XKUSAGE))
		return NULL;
	eku = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
	for (int i = 0; i < sk_ASN1_OBJECT_num(eku) && !found; i++)
		for (size_t k = 0; k < sizeof(good) / sizeof(*good) && !found; k++)
			found = OBJ_obj2nid(sk_ASN1_OBJECT_value(eku, i)) == good[k];
	EXTENDED_KEY_USAGE_free(eku);
	return found ? NULL : "its extended key usage does not allow IKE";
}

/* What the peer sent besides its certificate: what is neither certificate nor OCSP response is of
 * no use, and no harm. */
static STACK_OF(X509) * sort_out(struct inquiry *q, const struct chunk *more, size_t n)
{
	STACK_OF(X509) *s = sk_X509_new_null();

	for (size_t i = 0; s && i < n && i < CERT_CHAIN_MAX; i++) {
		X509 *x = more[i].len <= CERT_OCTETS_MAX ? peer_x509(more[i].p, more[i].len) : NULL;

		if (x && sk_X509_push(s, x) <= 0)
			X509_free(x);
		if (x || q->t->policy == CRL_OFF)
			continue;
		q->stapled[q->n_stapled] = ocsp_parse(more[i].p, more[i].len);
		q->n_stapled += q->stapled[q->n_stapled] != NULL;
	}
	return s;
}

/* NULL: no certificate is named, or this one is. */
static const char *pin_wrong(const struct trust *t, X509 *x)
{
	for (size_t i = 0; i < t->n_pins; i++)
		if (!X509_cmp(t->pins[i].cert->x, x))
			return NULL;
	return t->n_pins ? "it is none of those that remote certs names" : NULL;
}

/* Whom nobody vouches for but the configuration: it ends the chain, like a CA. */
static bool pins_trust(const struct trust *t, X509_STORE_CTX *ctx, STACK_OF(X509) * pins)
{
	for (size_t i = 0; i < t->n_pins; i++)
		if (sk_X509_push(pins, t->pins[i].cert->x) <= 0)
			return false;
	X509_STORE_CTX_set0_trusted_stack(ctx, pins);
	return true;
}

int trust_verify(const struct trust *t, const struct cert *end, const struct chunk *more, size_t n,
		 int64_t now, char why[CERT_WHY_MAX])
{
	struct inquiry q = { .t = t, .now = now };
	STACK_OF(X509) *others = sort_out(&q, more, n), *pins = sk_X509_new_null();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	const char *wrong;
	X509 *x = end->x;
	int ret = 0, err;

	if (!others || !pins || !ctx || X509_STORE_CTX_init(ctx, t->store, end->x, others) != 1 ||
	    !rules_set(ctx, &q) || (!t->n && !pins_trust(t, ctx, pins))) {
		ret = why_fail(why, end->x, "OpenSSL failed");
	} else if ((wrong = pin_wrong(t, end->x))) {
		ret = why_fail(why, end->x, wrong);
	} else if (X509_verify_cert(ctx) != 1) {
		err = X509_STORE_CTX_get_error(ctx);
		ret = why_fail(why, X509_STORE_CTX_get_current_cert(ctx),
			       err == X509_V_OK ? "OpenSSL failed"
						: X509_verify_cert_error_string(err));
	} else if ((wrong = statuses_wrong(&q, ctx, &x)) || (wrong = usage_wrong(x = end->x))) {
		ret = why_fail(why, x, wrong);
	}
	X509_STORE_CTX_free(ctx);
	sk_X509_pop_free(others, X509_free);
	sk_X509_free(pins);
	for (size_t i = 0; i < q.n_stapled; i++)
		OCSP_BASICRESP_free(q.stapled[i]);
	ERR_clear_error();
	return ret;
}
