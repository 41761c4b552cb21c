/* SPDX-License-Identifier: GPL-2.0-only */
/* Our own credentials: a private key, its certificate, and intermediates to send along. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>

#include "base/secret.h"
#include "x509_impl.h"

struct cred {
	unsigned refs;
	struct pkey *key;
	size_t n;
	struct {
		struct cert *cert;
		uint8_t *der;
		size_t len;
	} chain[CERT_CHAIN_MAX];
	bool ocsp_wanted;
	size_t n_ocsp, n_offered;
	struct stapled {
		OCSP_BASICRESP *b;
		size_t about; /* in the chain */
		struct ocsp_said said;
		uint8_t *der;
		size_t len;
	} ocsp[CERT_CHAIN_MAX];
};

static int chain_add(void *ctx, X509 *x)
{
	struct cred *c = ctx;
	struct cert *cert;
	int n, ret = cert_wrap(x, &cert);

	if (ret)
		return ret;
	if (c->n && cert_self_signed(cert)) {
		cert_free(cert);
		return 0;
	}
	if (c->n == CERT_CHAIN_MAX) {
		cert_free(cert);
		return -E2BIG;
	}
	c->chain[c->n].cert = cert;
	n = i2d_X509(cert->x, &c->chain[c->n].der);
	c->n++;
	if (n <= 0)
		return -ENOMEM;
	c->chain[c->n - 1].len = (size_t)n;
	return 0;
}

/* What PKCS12_parse made; takes all of it. */
static int bag_take(struct cred *c, EVP_PKEY *key, X509 *x, STACK_OF(X509) * more)
{
	struct pkey *k = NULL;
	int ret = x ? chain_add(c, x) : -EBADMSG;

	while (!ret && sk_X509_num(more))
		ret = chain_add(c, sk_X509_shift(more));
	if (!key)
		ret = ret ? ret : -EBADMSG;
	else if (ret)
		EVP_PKEY_free(key);
	else
		ret = pkey_wrap(key, true, &k);
	if (!ret && !cred_take_key(c, k)) {
		pkey_drop(k);
		ret = -EBADMSG;
	}
	sk_X509_pop_free(more, X509_free);
	return ret;
}

static int pkcs12_load(struct cred *c, PKCS12 *p12, const struct secret *pass)
{
	char text[SECRET_MAX + 1] = "";
	STACK_OF(X509) *more = NULL;
	EVP_PKEY *key = NULL;
	X509 *x = NULL;
	int ok;

	if (pass)
		memcpy(text, pass->b, pass->len);
	ok = PKCS12_parse(p12, text, &key, &x, &more);
	secret_wipe(text, sizeof(text));
	return ok == 1 ? bag_take(c, key, x, more) : -EKEYREJECTED;
}

int cred_load(const uint8_t *file, size_t len, const struct secret *pass, struct cred **ret_cred)
{
	struct cred *c = calloc(1, sizeof(*c));
	const uint8_t *p = file;
	PKCS12 *p12;
	int ret;

	if (!c)
		return -ENOMEM;
	c->refs = 1;
	p12 = d2i_PKCS12(NULL, &p, (long)len);
	ret = p12 ? pkcs12_load(c, p12, pass) : certs_each(file, len, chain_add, c);
	PKCS12_free(p12);
	if (!ret && !c->chain[0].cert->key)
		ret = -ENOTSUP;
	ERR_clear_error();
	if (ret)
		cred_unref(c);
	else
		*ret_cred = c;
	return ret;
}

struct cred *cred_ref(struct cred *c)
{
	if (c)
		c->refs++;
	return c;
}

void cred_unref(struct cred *c)
{
	if (!c || --c->refs)
		return;
	for (size_t i = 0; i < c->n; i++) {
		cert_free(c->chain[i].cert);
		OPENSSL_free(c->chain[i].der);
	}
	for (size_t i = 0; i < c->n_ocsp; i++) {
		OCSP_BASICRESP_free(c->ocsp[i].b);
		free(c->ocsp[i].der);
	}
	pkey_drop(c->key);
	free(c);
}

bool cred_has_key(const struct cred *c)
{
	return c->key;
}

bool cred_take_key(struct cred *c, struct pkey *k)
{
	const struct pkey *public = c->chain[0].cert->key;
	bool same = public && EVP_PKEY_eq(public->key, k->key) == 1;

	ERR_clear_error();
	if (!same)
		return false;
	pkey_drop(c->key);
	c->key = k;
	return true;
}

const struct pkey *cred_key(const struct cred *c)
{
	return c->key;
}

size_t cred_count(const struct cred *c)
{
	return c->n;
}

const struct cert *cred_cert(const struct cred *c, size_t i)
{
	return c->chain[i].cert;
}

struct chunk cred_der(const struct cred *c, size_t i)
{
	return (struct chunk){ c->chain[i].der, c->chain[i].len };
}

int cred_add_ocsp(struct cred *c, const uint8_t *file, size_t len)
{
	OCSP_BASICRESP *b = ocsp_parse(file, len);
	uint8_t *der = malloc(len ? len : 1);
	OCSP_SINGLERESP *s;
	int ret = b ? -ENOENT : -EBADMSG;

	if (!der)
		ret = -ENOMEM;
	else if (c->n_ocsp == CERT_CHAIN_MAX)
		ret = -E2BIG;
	for (size_t i = 0; ret == -ENOENT && i < c->n; i++) {
		int r = ocsp_find(b, c->chain[i].cert->x, NULL, &s);

		if (r < 0)
			ret = r;
		if (r != 1)
			continue;
		memcpy(der, file, len);
		c->ocsp[c->n_ocsp].b = b;
		c->ocsp[c->n_ocsp].about = i;
		c->ocsp[c->n_ocsp].said = ocsp_read(s);
		c->ocsp[c->n_ocsp].der = der;
		c->ocsp[c->n_ocsp++].len = len;
		ret = 0;
	}
	c->n_offered += ret == 0 || ret == -ENOENT;
	if (ret) {
		OCSP_BASICRESP_free(b);
		free(der);
	}
	ERR_clear_error();
	return ret;
}

void cred_want_ocsp(struct cred *c)
{
	c->ocsp_wanted = true;
}

size_t cred_ocsp(const struct cred *c, int64_t now, struct chunk out[CERT_CHAIN_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_ocsp; i++)
		if (ocsp_fresh(&c->ocsp[i].said, now))
			out[n++] = (struct chunk){ c->ocsp[i].der, c->ocsp[i].len };
	return n;
}

static const struct stapled *stapled_find(const struct cred *c, size_t i)
{
	const struct stapled *best = NULL;

	for (size_t k = 0; k < c->n_ocsp; k++)
		if (c->ocsp[k].about == i && (!best || c->ocsp[k].said.until > best->said.until))
			best = &c->ocsp[k];
	return best;
}

int64_t cred_ocsp_until(const struct cred *c, size_t i)
{
	const struct stapled *s = stapled_find(c, i);

	return s ? s->said.until : 0;
}

static X509 *issuer_of(const struct cred *c, size_t i, const struct trust *t)
{
	X509 *x = c->chain[i].cert->x;

	if (i + 1 < c->n && X509_check_issued(c->chain[i + 1].cert->x, x) == X509_V_OK)
		return c->chain[i + 1].cert->x;
	for (size_t k = 0; t && k < trust_count(t); k++)
		if (X509_check_issued(trust_cert(t, k)->x, x) == X509_V_OK)
			return trust_cert(t, k)->x;
	return NULL;
}

/* In the order in which a peer finds out. */
static enum cred_ocsp_state state_of(const struct stapled *s, X509 *x, X509 *issuer, int64_t now)
{
	enum ocsp_says says;
	X509 *signer;

	if (now > s->said.until)
		return CRED_OCSP_STALE;
	if (s->said.from > now + OCSP_SKEW_SEC)
		return CRED_OCSP_EARLY;
	if (s->said.status == V_OCSP_CERTSTATUS_REVOKED)
		return CRED_OCSP_REVOKED;
	if (s->said.status != V_OCSP_CERTSTATUS_GOOD)
		return CRED_OCSP_UNKNOWN;
	if (issuer && !ocsp_judge(s->b, x, issuer, now, &says, &signer) && says != OCSP_SAYS_GOOD)
		return CRED_OCSP_FOREIGN;
	return CRED_OCSP_GOOD;
}

void cred_ocsp_look(const struct cred *c, size_t i, const struct trust *t, int64_t now,
		    struct cred_ocsp_info *o)
{
	const struct stapled *s = stapled_find(c, i);

	memset(o, 0, sizeof(*o));
	o->responses = c->n_offered;
	if (s) {
		o->from = s->said.from;
		o->until = s->said.until;
		o->state = state_of(s, c->chain[i].cert->x, issuer_of(c, i, t), now);
	} else if (i == 0 && c->ocsp_wanted) {
		o->state = CRED_OCSP_NONE;
	}
	ERR_clear_error();
}

static bool listed(const uint8_t *id, const uint8_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!memcmp(id, ids + i * CERT_KEY_ID_OCTETS, CERT_KEY_ID_OCTETS))
			return true;
	return false;
}

bool cred_leads_to(const struct cred *c, const struct trust *t, const uint8_t *ids, size_t n)
{
	uint8_t id[CERT_KEY_ID_OCTETS];
	bool found = false;

	for (size_t i = 1; i < c->n && !found; i++)
		found = !cert_key_id(c->chain[i].cert, id) && listed(id, ids, n);
	for (size_t k = 0; t && k < trust_count(t) && !found; k++)
		for (size_t i = 0; i < c->n && !found; i++)
			found = X509_check_issued(trust_cert(t, k)->x, c->chain[i].cert->x) ==
					X509_V_OK &&
				listed(trust_key_id(t, k), ids, n);
	ERR_clear_error();
	return found;
}
