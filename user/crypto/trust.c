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

/* 112 bits: RSA of 2,048 bits, SHA-2 in every signature of the chain. */
enum { SECURITY_LEVEL = 2 };

struct trust {
	unsigned refs;
	enum crl_policy policy;
	X509_STORE *store;
	size_t n;
	STACK_OF(X509_CRL) * crls; /* those of the store */
	struct {
		struct cert *cert;
		uint8_t id[CERT_KEY_ID_OCTETS];
	} cas[TRUST_CAS_MAX];
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
	X509_STORE_free(t->store);
	sk_X509_CRL_pop_free(t->crls, X509_CRL_free);
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

/* Takes crl. */
static int crl_add(struct trust *t, X509_CRL *crl)
{
	if (X509_STORE_add_crl(t->store, crl) == 1 && sk_X509_CRL_push(t->crls, crl) > 0)
		return 0;
	X509_CRL_free(crl);
	return -ENOMEM;
}

int trust_add_crls(struct trust *t, const uint8_t *file, size_t len)
{
	BIO *b = len <= INT32_MAX ? BIO_new_mem_buf(file, (int)len) : NULL;
	const uint8_t *p = file;
	X509_CRL *crl;
	int ret = b ? 0 : -ENOMEM;
	bool any = false;

	while (!ret && (crl = PEM_read_bio_X509_CRL(b, NULL, pass_callback, NULL))) {
		ret = crl_add(t, crl);
		any = true;
	}
	if (!ret && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		ret = -EBADMSG;
	if (!ret && !any) {
		crl = d2i_X509_CRL(NULL, &p, (long)len);
		if (crl && p == file + len) {
			ret = crl_add(t, crl);
		} else {
			X509_CRL_free(crl);
			ret = -EBADMSG;
		}
	}
	BIO_free(b);
	ERR_clear_error();
	return ret;
}

size_t trust_count(const struct trust *t)
{
	return t->n;
}

const struct cert *trust_cert(const struct trust *t, size_t i)
{
	return t->cas[i].cert;
}

size_t trust_crls(const struct trust *t)
{
	return (size_t)sk_X509_CRL_num(t->crls);
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

/* Is there a CRL by who issued x? Whether it can be used is another question. */
static bool crl_there(const struct trust *t, X509 *x)
{
	for (int i = 0; x && i < sk_X509_CRL_num(t->crls); i++)
		if (!X509_NAME_cmp(X509_CRL_get_issuer(sk_X509_CRL_value(t->crls, i)),
				   X509_get_issuer_name(x)))
			return true;
	return false;
}

/* OpenSSL asks here before it fails. */
static int on_verify(int ok, X509_STORE_CTX *ctx)
{
	const struct trust *t = X509_STORE_CTX_get_app_data(ctx);
	int top = sk_X509_num(X509_STORE_CTX_get0_chain(ctx)) - 1;

	if (ok || X509_STORE_CTX_get_error(ctx) != X509_V_ERR_UNABLE_TO_GET_CRL)
		return ok;
	/* the CA at the end is trusted because the configuration says so */
	if (X509_STORE_CTX_get_error_depth(ctx) == top)
		return 1;
	/* one that is there and not taken (scope, no memory) is not the same as none */
	return t->policy == CRL_IFPRESENT && !crl_there(t, X509_STORE_CTX_get_current_cert(ctx));
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

static STACK_OF(X509) * stack_of(const struct chunk *more, size_t n)
{
	STACK_OF(X509) *s = sk_X509_new_null();

	for (size_t i = 0; s && i < n && i < CERT_CHAIN_MAX; i++) {
		const uint8_t *p = more[i].p;
		X509 *x = more[i].len <= CERT_OCTETS_MAX ? d2i_X509(NULL, &p, (long)more[i].len)
							 : NULL;

		/* what is no certificate is of no use, and no harm */
		if (x && sk_X509_push(s, x) <= 0)
			X509_free(x);
	}
	return s;
}

static bool rules_set(X509_STORE_CTX *ctx, const struct trust *t, int64_t now)
{
	X509_VERIFY_PARAM *p = X509_STORE_CTX_get0_param(ctx);
	unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST;

	if (t->policy != CRL_OFF)
		flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
	X509_VERIFY_PARAM_set_auth_level(p, SECURITY_LEVEL);
	X509_VERIFY_PARAM_set_depth(p, CERT_CHAIN_MAX);
	X509_VERIFY_PARAM_set_time(p, (time_t)now);
	X509_STORE_CTX_set_verify_cb(ctx, on_verify);
	return X509_VERIFY_PARAM_set_flags(p, flags) == 1 &&
	       X509_STORE_CTX_set_app_data(ctx, (void *)t) == 1;
}

int trust_verify(const struct trust *t, const struct cert *end, const struct chunk *more, size_t n,
		 int64_t now, char why[CERT_WHY_MAX])
{
	STACK_OF(X509) *others = stack_of(more, n);
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	const char *usage;
	int ret = 0, err;

	if (!others || !ctx || X509_STORE_CTX_init(ctx, t->store, end->x, others) != 1 ||
	    !rules_set(ctx, t, now)) {
		ret = why_fail(why, end->x, "OpenSSL failed");
	} else if (X509_verify_cert(ctx) != 1) {
		err = X509_STORE_CTX_get_error(ctx);
		ret = why_fail(why, X509_STORE_CTX_get_current_cert(ctx),
			       err == X509_V_OK ? "OpenSSL failed"
						: X509_verify_cert_error_string(err));
	} else if ((usage = usage_wrong(end->x))) {
		ret = why_fail(why, end->x, usage);
	}
	X509_STORE_CTX_free(ctx);
	sk_X509_pop_free(others, X509_free);
	ERR_clear_error();
	return ret;
}
