/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "base/wire.h"
#include "crypto/auth.h"
#include "x509_impl.h"

enum { HASH_IDS = 0xffff }; /* in masks; what is above is of rules */

enum padding { PAD_NONE, PAD_PKCS1, PAD_PSS };

/* AlgorithmIdentifiers, octet for octet (RFC 7427 A, 8420 A). Parameters of the hash inside those
 * of RSASSA-PSS may be NULL or absent (RFC 4055 2.1); all else has one form. */
#define OID_RSA(last)	0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, last
#define OID_ECDSA(last) 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, last
#define OID_SHA2(last)	0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, last
#define DER_PKCS1(last)                                                                            \
	{                                                                                          \
		0x30, 0x0d, OID_RSA(last), 0x05, 0x00                                              \
	}
#define DER_ECDSA(last)                                                                            \
	{                                                                                          \
		0x30, 0x0a, OID_ECDSA(last)                                                        \
	}
#define HASH_NULL(h) 0x30, 0x0d, OID_SHA2(h), 0x05, 0x00
#define HASH_BARE(h) 0x30, 0x0b, OID_SHA2(h)
#define DER_PSS_NULL(h, salt)                                                                      \
	{                                                                                          \
		0x30, 0x41, OID_RSA(0x0a), 0x30, 0x34, 0xa0, 0x0f, HASH_NULL(h), 0xa1, 0x1c, 0x30, \
			0x1a, OID_RSA(0x08), HASH_NULL(h), 0xa2, 0x03, 0x02, 0x01, salt            \
	}
#define DER_PSS_BARE(h, salt)                                                                      \
	{                                                                                          \
		0x30, 0x3d, OID_RSA(0x0a), 0x30, 0x30, 0xa0, 0x0d, HASH_BARE(h), 0xa1, 0x1a, 0x30, \
			0x18, OID_RSA(0x08), HASH_BARE(h), 0xa2, 0x03, 0x02, 0x01, salt            \
	}

struct scheme {
	const char *how;
	enum key_type type;
	enum sig_hash hash;
	enum padding padding;
	uint8_t der[68]; /* its second octet tells the length */
};

/* Those we make ourselves come first of their kind. */
static const struct scheme schemes[] = {
	{ "RSA-PSS with SHA2-256", KEY_RSA, SIG_HASH_SHA2_256, PAD_PSS, DER_PSS_NULL(0x01, 32) },
	{ "RSA-PSS with SHA2-384", KEY_RSA, SIG_HASH_SHA2_384, PAD_PSS, DER_PSS_NULL(0x02, 48) },
	{ "RSA-PSS with SHA2-512", KEY_RSA, SIG_HASH_SHA2_512, PAD_PSS, DER_PSS_NULL(0x03, 64) },
	{ "RSA-PSS with SHA2-256", KEY_RSA, SIG_HASH_SHA2_256, PAD_PSS, DER_PSS_BARE(0x01, 32) },
	{ "RSA-PSS with SHA2-384", KEY_RSA, SIG_HASH_SHA2_384, PAD_PSS, DER_PSS_BARE(0x02, 48) },
	{ "RSA-PSS with SHA2-512", KEY_RSA, SIG_HASH_SHA2_512, PAD_PSS, DER_PSS_BARE(0x03, 64) },
	{ "RSA with SHA2-256", KEY_RSA, SIG_HASH_SHA2_256, PAD_PKCS1, DER_PKCS1(0x0b) },
	{ "RSA with SHA2-384", KEY_RSA, SIG_HASH_SHA2_384, PAD_PKCS1, DER_PKCS1(0x0c) },
	{ "RSA with SHA2-512", KEY_RSA, SIG_HASH_SHA2_512, PAD_PKCS1, DER_PKCS1(0x0d) },
	{ "ECDSA with SHA2-256", KEY_ECDSA, SIG_HASH_SHA2_256, PAD_NONE, DER_ECDSA(0x02) },
	{ "ECDSA with SHA2-384", KEY_ECDSA, SIG_HASH_SHA2_384, PAD_NONE, DER_ECDSA(0x03) },
	{ "ECDSA with SHA2-512", KEY_ECDSA, SIG_HASH_SHA2_512, PAD_NONE, DER_ECDSA(0x04) },
	{ "Ed25519",
	  KEY_ED25519,
	  SIG_HASH_IDENTITY,
	  PAD_NONE,
	  { 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70 } },
	{ "Ed448",
	  KEY_ED448,
	  SIG_HASH_IDENTITY,
	  PAD_NONE,
	  { 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x71 } },
};

enum { N_SCHEMES = sizeof(schemes) / sizeof(schemes[0]) };

static size_t der_len(const struct scheme *s)
{
	return 2u + s->der[1];
}

static const struct scheme *scheme_find(enum key_type type, enum sig_hash hash,
					enum padding padding)
{
	for (size_t i = 0; i < N_SCHEMES; i++)
		if (schemes[i].type == type && schemes[i].hash == hash &&
		    schemes[i].padding == padding)
			return &schemes[i];
	return NULL;
}

/* "Authentication Data: ASN.1 Length (1) | AlgorithmIdentifier | signature" (RFC 7427 3). */
static const struct scheme *scheme_read(struct rd *r)
{
	size_t len = rd_u8(r);
	const uint8_t *der = rd_bytes(r, len);

	for (size_t i = 0; der && i < N_SCHEMES; i++)
		if (len == der_len(&schemes[i]) && !memcmp(der, schemes[i].der, len))
			return &schemes[i];
	return NULL;
}

/* ---- what the methods before RFC 7427 fix: the curve goes with its hash (RFC 4754 3) ---- */

static const struct {
	uint8_t method;
	uint16_t bits;
	enum sig_hash hash;
} curves[] = {
	{ SIG_ECDSA_256, 256, SIG_HASH_SHA2_256 },
	{ SIG_ECDSA_384, 384, SIG_HASH_SHA2_384 },
	{ SIG_ECDSA_521, 521, SIG_HASH_SHA2_512 },
};

enum { N_CURVES = sizeof(curves) / sizeof(curves[0]) };

/* A method's signature is r | s, each as long as the curve (RFC 4754 7). */
static int ecdsa_to_raw(const uint8_t *der, size_t len, size_t half, uint8_t *out)
{
	const uint8_t *p = der;
	ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)len);
	bool ok = s && BN_bn2binpad(ECDSA_SIG_get0_r(s), out, (int)half) >= 0 &&
		  BN_bn2binpad(ECDSA_SIG_get0_s(s), out + half, (int)half) >= 0;

	ECDSA_SIG_free(s);
	return ok ? 0 : -EIO;
}

static int ecdsa_to_der(const uint8_t *raw, size_t half, uint8_t **ret_der)
{
	BIGNUM *r = BN_bin2bn(raw, (int)half, NULL), *s = BN_bin2bn(raw + half, (int)half, NULL);
	ECDSA_SIG *sig = ECDSA_SIG_new();
	int len = -1;

	*ret_der = NULL;
	if (r && s && sig && ECDSA_SIG_set0(sig, r, s) == 1) {
		r = s = NULL; /* taken */
		len = i2d_ECDSA_SIG(sig, ret_der);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	return len;
}

/* ---- one signature ---- */

static const EVP_MD *md_of(enum sig_hash hash)
{
	switch (hash) {
	case SIG_HASH_SHA2_256:
		return EVP_sha256();
	case SIG_HASH_SHA2_384:
		return EVP_sha384();
	case SIG_HASH_SHA2_512:
		return EVP_sha512();
	case SIG_HASH_IDENTITY: /* the algorithm hashes by itself (RFC 8420 2) */
	case SIG_HASH_SHA1:
		break;
	}
	return NULL;
}

static EVP_MD_CTX *context(const struct pkey *k, const struct scheme *s, bool sign)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *params = NULL;
	const EVP_MD *md = md_of(s->hash);
	bool ok;

	if (!ctx)
		return NULL;
	ok = (sign ? EVP_DigestSignInit(ctx, &params, md, NULL, k->key)
		   : EVP_DigestVerifyInit_ex(ctx, &params, md ? EVP_MD_get0_name(md) : NULL,
					     peer_lib(), NULL, k->key, NULL)) == 1;
	if (ok && s->padding == PAD_PKCS1)
		ok = EVP_PKEY_CTX_set_rsa_padding(params, RSA_PKCS1_PADDING) > 0;
	if (ok && s->padding == PAD_PSS)
		ok = EVP_PKEY_CTX_set_rsa_padding(params, RSA_PKCS1_PSS_PADDING) > 0 &&
		     EVP_PKEY_CTX_set_rsa_mgf1_md(params, md) > 0 &&
		     EVP_PKEY_CTX_set_rsa_pss_saltlen(params, RSA_PSS_SALTLEN_DIGEST) > 0;
	if (ok)
		return ctx;
	EVP_MD_CTX_free(ctx);
	return NULL;
}

/* EdDSA wants all octets in one piece. */
static uint8_t *joined(const struct chunk *in, size_t n, size_t *ret_len)
{
	size_t len = 0, at = 0;
	uint8_t *p;

	for (size_t i = 0; i < n; i++)
		len += in[i].len;
	p = malloc(len ? len : 1);
	for (size_t i = 0; p && i < n; i++) {
		if (in[i].len)
			memcpy(p + at, in[i].p, in[i].len);
		at += in[i].len;
	}
	*ret_len = len;
	return p;
}

static int sign_one(const struct pkey *k, const struct scheme *s, const uint8_t *text, size_t len,
		    uint8_t *out, size_t cap, size_t *ret_len)
{
	EVP_MD_CTX *ctx = context(k, s, true);
	size_t n = cap;
	bool ok = ctx && EVP_DigestSign(ctx, out, &n, text, len) == 1;

	EVP_MD_CTX_free(ctx);
	if (!ok)
		return -EIO;
	*ret_len = n;
	return 0;
}

static int verify_one(const struct pkey *k, const struct scheme *s, const uint8_t *text, size_t len,
		      const uint8_t *sig, size_t sig_len)
{
	EVP_MD_CTX *ctx = context(k, s, false);
	int r = ctx ? EVP_DigestVerify(ctx, sig, sig_len, text, len) : 0;

	EVP_MD_CTX_free(ctx);
	/* below 0: no signature of this kind at all, which is as wrong as any */
	return !ctx ? -EIO : r == 1 ? 0 : -EBADMSG;
}

/* ---- signing ---- */

/* The hash that goes with the key if the peer knows it, else any it knows. */
static enum sig_hash hash_for(const struct key_info *i, uint32_t hashes)
{
	enum sig_hash best = SIG_HASH_SHA2_256;

	if (i->type == KEY_ED25519 || i->type == KEY_ED448)
		return hashes & 1u << SIG_HASH_IDENTITY ? SIG_HASH_IDENTITY : 0;
	if (i->type == KEY_ECDSA)
		best = i->bits == 521	? SIG_HASH_SHA2_512
		       : i->bits == 384 ? SIG_HASH_SHA2_384
					: SIG_HASH_SHA2_256;
	else if (i->bits > 3072)
		best = i->bits > 7680 ? SIG_HASH_SHA2_512 : SIG_HASH_SHA2_384;
	for (unsigned h = best; h <= SIG_HASH_SHA2_512; h++)
		if (hashes & 1u << h)
			return h;
	for (unsigned h = best; h >= SIG_HASH_SHA2_256; h--)
		if (hashes & 1u << h)
			return h;
	return 0;
}

static int sign_digital(const struct pkey *k, uint32_t hashes, const uint8_t *text, size_t len,
			uint8_t *out, size_t *ret_len, const char **ret_how)
{
	enum sig_hash hash = hash_for(&k->info, hashes);
	enum padding rsa = hashes & SIG_RULE_PKCS1 ? PAD_PKCS1 : PAD_PSS;
	const struct scheme *s =
		scheme_find(k->info.type, hash, k->info.type == KEY_RSA ? rsa : PAD_NONE);
	size_t n, head;
	int ret;

	if (!s)
		return -ENOTSUP;
	head = 1 + der_len(s);
	ret = sign_one(k, s, text, len, out + head, AUTH_DATA_MAX - head, &n);
	if (ret)
		return ret;
	out[0] = (uint8_t)der_len(s);
	memcpy(out + 1, s->der, der_len(s));
	*ret_len = head + n;
	*ret_how = s->how;
	return 0;
}

static int sign_old(const struct pkey *k, const uint8_t *text, size_t len, uint8_t *ret_method,
		    uint8_t *out, size_t *ret_len, const char **ret_how)
{
	size_t half = (k->info.bits + 7u) / 8, n;
	const struct scheme *s;
	uint8_t der[160];
	int ret;

	if (k->info.type == KEY_RSA) {
		s = scheme_find(KEY_RSA, SIG_HASH_SHA2_256, PAD_PKCS1);
		*ret_method = SIG_RSA;
		*ret_how = s->how;
		return sign_one(k, s, text, len, out, AUTH_DATA_MAX, ret_len);
	}
	for (size_t i = 0; k->info.type == KEY_ECDSA && i < N_CURVES; i++) {
		if (curves[i].bits != k->info.bits)
			continue;
		s = scheme_find(KEY_ECDSA, curves[i].hash, PAD_NONE);
		ret = sign_one(k, s, text, len, der, sizeof(der), &n);
		if (!ret)
			ret = ecdsa_to_raw(der, n, half, out);
		*ret_method = curves[i].method;
		*ret_how = s->how;
		*ret_len = 2 * half;
		return ret;
	}
	return -ENOTSUP;
}

int auth_sign(const struct pkey *k, uint32_t hashes, const struct chunk *in, size_t n,
	      uint8_t *ret_method, uint8_t *out, size_t *ret_len, const char **ret_how)
{
	size_t len;
	uint8_t *text;
	int ret;

	if (!k->private)
		return -EIO;
	text = joined(in, n, &len);
	if (!text)
		return -ENOMEM;
	if (hashes & HASH_IDS) {
		*ret_method = SIG_DIGITAL;
		ret = sign_digital(k, hashes, text, len, out, ret_len, ret_how);
	} else {
		ret = sign_old(k, text, len, ret_method, out, ret_len, ret_how);
	}
	free(text);
	ERR_clear_error();
	return ret;
}

/* ---- rules ---- */

int auth_narrow(uint32_t hashes, uint32_t rule, uint32_t *ret_hashes)
{
	uint32_t wanted = rule & SIG_HASHES, left = hashes & HASH_IDS;

	if (wanted)
		left &= wanted;
	/* the methods from before RFC 7427 have hashes of their own, and no PSS */
	if (hashes ? !left : wanted || (rule & SIG_RULE_PSS && !(rule & SIG_RULE_PKCS1)))
		return -ENOTSUP;
	if (rule & SIG_RULE_PKCS1 && !(rule & SIG_RULE_PSS))
		left |= SIG_RULE_PKCS1;
	*ret_hashes = left;
	return 0;
}

static bool rule_fits(const struct scheme *s, uint32_t rule)
{
	uint32_t paddings = rule & (SIG_RULE_PKCS1 | SIG_RULE_PSS);

	if (rule & SIG_HASHES && !(rule & 1u << s->hash))
		return false;
	return !paddings || s->padding == PAD_NONE ||
	       paddings & (s->padding == PAD_PSS ? SIG_RULE_PSS : SIG_RULE_PKCS1);
}

bool auth_allowed(uint8_t method, const uint8_t *auth, size_t len, uint32_t rule)
{
	const struct scheme *s;
	struct rd r;

	if (!rule)
		return true;
	if (method == SIG_RSA)
		return !(rule & SIG_HASHES) && (rule & SIG_RULE_PKCS1 || !(rule & SIG_RULE_PSS));
	if (method == SIG_DIGITAL) {
		r = rd_init(auth, len);
		s = scheme_read(&r);
		return !s || rule_fits(s, rule); /* what is unknown is refused as such */
	}
	for (size_t i = 0; i < N_CURVES; i++)
		if (curves[i].method == method)
			return rule_fits(scheme_find(KEY_ECDSA, curves[i].hash, PAD_NONE), rule);
	return true;
}

/* ---- verifying ---- */

static int verify_digital(const struct pkey *k, const uint8_t *auth, size_t auth_len,
			  const uint8_t *text, size_t len, const char **ret_how)
{
	struct rd r = rd_init(auth, auth_len);
	const struct scheme *s = scheme_read(&r);
	size_t left = rd_left(&r);
	const uint8_t *sig = rd_bytes(&r, left);

	if (!s)
		return -ENOTSUP;
	if (s->type != k->info.type)
		return -EKEYREJECTED;
	*ret_how = s->how;
	return verify_one(k, s, text, len, sig, left);
}

static int verify_rsa(const struct pkey *k, const uint8_t *sig, size_t sig_len, const uint8_t *text,
		      size_t len, const char **ret_how)
{
	int ret = -EBADMSG;

	if (k->info.type != KEY_RSA)
		return -EKEYREJECTED;
	/* the hash is named inside the signature only */
	for (unsigned h = SIG_HASH_SHA2_256; h <= SIG_HASH_SHA2_512 && ret == -EBADMSG; h++) {
		const struct scheme *s = scheme_find(KEY_RSA, h, PAD_PKCS1);

		ret = verify_one(k, s, text, len, sig, sig_len);
		*ret_how = s->how;
	}
	return ret;
}

static int verify_ecdsa(const struct pkey *k, size_t curve, const uint8_t *sig, size_t sig_len,
			const uint8_t *text, size_t len, const char **ret_how)
{
	const struct scheme *s = scheme_find(KEY_ECDSA, curves[curve].hash, PAD_NONE);
	size_t half = (curves[curve].bits + 7u) / 8;
	uint8_t *der;
	int n, ret;

	if (k->info.type != KEY_ECDSA || k->info.bits != curves[curve].bits)
		return -EKEYREJECTED;
	if (sig_len != 2 * half)
		return -EBADMSG;
	*ret_how = s->how;
	n = ecdsa_to_der(sig, half, &der);
	ret = n > 0 ? verify_one(k, s, text, len, der, (size_t)n) : -EIO;
	OPENSSL_free(der);
	return ret;
}

static int verify(const struct pkey *k, uint8_t method, const uint8_t *auth, size_t auth_len,
		  const uint8_t *text, size_t len, const char **ret_how)
{
	if (method == SIG_DIGITAL)
		return verify_digital(k, auth, auth_len, text, len, ret_how);
	if (method == SIG_RSA)
		return verify_rsa(k, auth, auth_len, text, len, ret_how);
	for (size_t i = 0; i < N_CURVES; i++)
		if (curves[i].method == method)
			return verify_ecdsa(k, i, auth, auth_len, text, len, ret_how);
	return -ENOTSUP;
}

int auth_verify(const struct pkey *k, uint8_t method, const uint8_t *auth, size_t len,
		const struct chunk *in, size_t n, const char **ret_how)
{
	const char *how = "";
	size_t text_len;
	uint8_t *text = joined(in, n, &text_len);
	int ret;

	if (!text)
		return -ENOMEM;
	ret = verify(k, method, auth, len, text, text_len, &how);
	free(text);
	ERR_clear_error();
	if (!ret)
		*ret_how = how;
	return ret;
}
