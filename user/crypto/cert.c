/* SPDX-License-Identifier: GPL-2.0-only */
/* One certificate: parsing, its names, what it says. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "x509_impl.h"

int cert_wrap(X509 *x, struct cert **ret_cert)
{
	struct cert *c = calloc(1, sizeof(*c));

	if (!c) {
		X509_free(x);
		return -ENOMEM;
	}
	c->x = x;
	/* a key that is not supported is one nobody signs with; the rest can still be shown */
	if (pkey_wrap(X509_get_pubkey(x), false, &c->key) == -ENOMEM) {
		cert_free(c);
		return -ENOMEM;
	}
	*ret_cert = c;
	return 0;
}

int cert_parse(const uint8_t *der, size_t len, struct cert **ret_cert)
{
	X509 *x;
	int ret;

	if (len > CERT_OCTETS_MAX)
		return -EMSGSIZE;
	x = peer_x509(der, len);
	ret = x ? cert_wrap(x, ret_cert) : -EBADMSG;
	ERR_clear_error();
	return ret;
}

void cert_free(struct cert *c)
{
	if (!c)
		return;
	X509_free(c->x);
	pkey_drop(c->key);
	free(c);
}

int pem_each(const uint8_t *file, size_t len, const char *name, der_fn *fn, void *ctx)
{
	BIO *b = len <= INT32_MAX ? BIO_new_mem_buf(file, (int)len) : NULL;
	int ret = b ? 0 : -ENOMEM, n = 0;
	uint8_t *der;
	long der_len;

	while (!ret &&
	       PEM_bytes_read_bio(&der, &der_len, NULL, name, b, pass_callback, NULL) == 1) {
		ret = fn(ctx, der, (size_t)der_len);
		OPENSSL_free(der);
		n++;
	}
	/* the end of a PEM file is a line that never came; anything else is a broken object */
	if (!ret && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		ret = -EBADMSG;
	if (!ret && !n)
		ret = fn(ctx, file, len);
	BIO_free(b);
	ERR_clear_error();
	return ret;
}

struct each {
	cert_fn *fn;
	void *ctx;
};

static int cert_each(void *ctx, const uint8_t *der, size_t len)
{
	const struct each *e = ctx;
	const uint8_t *p = der;
	X509 *x = d2i_X509(NULL, &p, (long)len);

	if (x && p == der + len)
		return e->fn(e->ctx, x);
	X509_free(x);
	return -EBADMSG;
}

int certs_each(const uint8_t *file, size_t len, cert_fn *fn, void *ctx)
{
	struct each e = { fn, ctx };

	return pem_each(file, len, PEM_STRING_X509, cert_each, &e);
}

const struct pkey *cert_key(const struct cert *c)
{
	return c->key;
}

bool cert_self_signed(const struct cert *c)
{
	return X509_get_extension_flags(c->x) & EXFLAG_SS;
}

int cert_key_id(const struct cert *c, uint8_t ret_id[CERT_KEY_ID_OCTETS])
{
	uint8_t *spki = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(c->x), &spki);
	struct chunk in = { spki, n > 0 ? (size_t)n : 0 };
	int ret = n > 0 ? sha1_digest(&in, 1, ret_id) : -EIO;

	OPENSSL_free(spki);
	return ret;
}

int64_t asn1_seconds(const ASN1_TIME *t)
{
	struct tm tm;

	return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

void cert_describe(const struct cert *c, struct cert_info *o)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(c->x);
	const uint8_t *p = ASN1_STRING_get0_data(serial);
	int n = ASN1_STRING_length(serial);

	memset(o, 0, sizeof(*o));
	name_format(X509_get_subject_name(c->x), o->subject, sizeof(o->subject));
	name_format(X509_get_issuer_name(c->x), o->issuer, sizeof(o->issuer));
	for (int i = 0; i < n && (size_t)(2 * i + 3) < sizeof(o->serial); i++)
		snprintf(o->serial + 2 * i, 3, "%02x", p[i]);
	o->not_before = asn1_seconds(X509_get0_notBefore(c->x));
	o->not_after = asn1_seconds(X509_get0_notAfter(c->x));
	o->key_known = c->key;
	if (c->key)
		o->key = c->key->info;
	o->ca = X509_check_ca(c->x) == 1;
	ERR_clear_error();
}

/* ---- names ---- */

/* The domain of a mailbox is any case, what stands before it is not ours to judge (5280 7.5). */
static bool same_text(const uint8_t *a, const uint8_t *b, size_t len, bool email)
{
	const uint8_t *at = email ? memrchr(a, '@', len) : NULL;
	size_t local = at ? (size_t)(at - a) : 0;

	return (!email || at) && !memcmp(a, b, local) &&
	       !strncasecmp((const char *)a + local, (const char *)b + local, len - local);
}

static bool san_matches(const GENERAL_NAME *g, enum cert_name kind, const uint8_t *p, size_t len)
{
	static const int types[] = { [CERT_DNS] = GEN_DNS,
				     [CERT_EMAIL] = GEN_EMAIL,
				     [CERT_IP] = GEN_IPADD,
				     [CERT_DN] = GEN_DIRNAME };
	const uint8_t *data;
	uint8_t *der = NULL;
	bool same;
	int n;

	if (g->type != types[kind])
		return false;
	if (kind == CERT_DN) {
		n = i2d_X509_NAME(g->d.directoryName, &der);
		same = n > 0 && dn_matches(p, len, der, (size_t)n);
		OPENSSL_free(der);
		return same;
	}
	data = ASN1_STRING_get0_data(kind == CERT_IP ? g->d.iPAddress : g->d.ia5);
	n = ASN1_STRING_length(kind == CERT_IP ? g->d.iPAddress : g->d.ia5);
	if (n <= 0 || (size_t)n != len)
		return false;
	if (kind == CERT_IP)
		return !memcmp(data, p, len);
	return !memchr(p, 0, len) && same_text(p, data, len, kind == CERT_EMAIL);
}

bool cert_has_name(const struct cert *c, enum cert_name kind, const uint8_t *p, size_t len)
{
	GENERAL_NAMES *sans;
	bool found = false;
	uint8_t *der = NULL;
	int n;

	if (!len)
		return false;
	if (kind == CERT_DN) {
		n = i2d_X509_NAME(X509_get_subject_name(c->x), &der);
		found = n > 0 && dn_matches(p, len, der, (size_t)n);
		OPENSSL_free(der);
	}
	sans = found ? NULL : X509_get_ext_d2i(c->x, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(sans) && !found; i++)
		found = san_matches(sk_GENERAL_NAME_value(sans, i), kind, p, len);
	GENERAL_NAMES_free(sans);
	ERR_clear_error();
	return found;
}

int cert_subject(const struct cert *c, uint8_t *out, size_t cap, size_t *ret_len)
{
	X509_NAME *name = X509_get_subject_name(c->x);
	int n = i2d_X509_NAME(name, NULL);

	if (X509_NAME_entry_count(name) == 0 || n <= 0)
		return -ENOENT;
	if ((size_t)n > cap)
		return -EMSGSIZE;
	*ret_len = (size_t)i2d_X509_NAME(name, &out);
	return 0;
}
