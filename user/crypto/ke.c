/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/dh.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "base/secret.h"
#include "crypto/alg.h"
#include "crypto/ke.h"

enum { KE_PUBLIC_MAX = 512 };

enum ke_kind { KE_KIND_MODP, KE_KIND_ECP, KE_KIND_X };

struct ke_group {
	uint16_t id;
	enum ke_kind kind;
	const char *type; /* OpenSSL's key type */
	const char *name; /* and its group */
	uint16_t public;  /* octets in the KE payload */
	uint16_t shared;  /* octets of g^ir */
};

static const struct ke_group groups[] = {
	{ KE_MODP_2048, KE_KIND_MODP, "DH", "modp_2048", 256, 256 },
	{ KE_MODP_3072, KE_KIND_MODP, "DH", "modp_3072", 384, 384 },
	{ KE_MODP_4096, KE_KIND_MODP, "DH", "modp_4096", 512, 512 },
	{ KE_ECP_256, KE_KIND_ECP, "EC", "P-256", 64, 32 },
	{ KE_ECP_384, KE_KIND_ECP, "EC", "P-384", 96, 48 },
	{ KE_ECP_521, KE_KIND_ECP, "EC", "P-521", 132, 66 },
	{ KE_X25519, KE_KIND_X, "X25519", NULL, 32, 32 },
	{ KE_X448, KE_KIND_X, "X448", NULL, 56, 56 },
};

struct ke {
	const struct ke_group *g;
	EVP_PKEY *key;
	uint8_t public[KE_PUBLIC_MAX];
};

static const struct ke_group *group_of(uint16_t id)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		if (groups[i].id == id)
			return &groups[i];
	return NULL;
}

/* The KE payload's form of a key: MODP values are padded to the modulus (7296 3.4), ECP points go
 * without the leading 0x04 (RFC 5903 7). */
static bool public_get(const struct ke_group *g, EVP_PKEY *key, uint8_t *out)
{
	uint8_t point[1 + KE_PUBLIC_MAX];
	size_t len = 0;
	BIGNUM *bn = NULL;
	bool ok = false;

	switch (g->kind) {
	case KE_KIND_X:
		len = g->public;
		return EVP_PKEY_get_raw_public_key(key, out, &len) == 1 && len == g->public;
	case KE_KIND_ECP:
		ok = EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point,
						     sizeof(point), &len) == 1 &&
		     len == 1u + g->public && point[0] == 0x04;
		if (ok)
			memcpy(out, point + 1, g->public);
		return ok;
	case KE_KIND_MODP:
		ok = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PUB_KEY, &bn) == 1 &&
		     BN_bn2binpad(bn, out, g->public) == g->public;
		BN_free(bn);
		return ok;
	}
	return false;
}

/* A key of a MODP or ECP group from the KE payload's octets; priv may be NULL. */
static EVP_PKEY *key_build(const struct ke_group *g, const uint8_t *pub, const BIGNUM *priv)
{
	uint8_t point[1 + KE_PUBLIC_MAX];
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, g->type, NULL);
	BIGNUM *pub_bn = NULL;
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;
	bool ok;

	point[0] = 0x04;
	memcpy(point + 1, pub, g->public);
	ok = bld && ctx &&
	     OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, g->name, 0) == 1;
	if (ok && g->kind == KE_KIND_ECP) {
		ok = OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point,
						      1u + g->public) == 1;
	} else if (ok) {
		pub_bn = BN_bin2bn(pub, g->public, NULL);
		ok = pub_bn && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PUB_KEY, pub_bn) == 1;
	}
	if (ok && priv)
		ok = OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, priv) == 1;
	params = ok ? OSSL_PARAM_BLD_to_param(bld) : NULL;
	if (!params || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, priv ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, params) !=
		    1)
		key = NULL;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	BN_free(pub_bn);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static EVP_PKEY *key_generate(const struct ke_group *g)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, g->type, NULL);
	EVP_PKEY *key = NULL;

	if (ctx && EVP_PKEY_keygen_init(ctx) == 1 &&
	    (!g->name || EVP_PKEY_CTX_set_group_name(ctx, g->name) == 1) &&
	    EVP_PKEY_generate(ctx, &key) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static struct ke *ke_wrap(const struct ke_group *g, EVP_PKEY *key)
{
	struct ke *ke = key ? calloc(1, sizeof(*ke)) : NULL;

	if (!ke || !public_get(g, key, ke->public)) {
		EVP_PKEY_free(key);
		free(ke);
		return NULL;
	}
	ke->g = g;
	ke->key = key;
	return ke;
}

struct ke *ke_new(uint16_t ke_id)
{
	const struct ke_group *g = group_of(ke_id);

	return g ? ke_wrap(g, key_generate(g)) : NULL;
}

/* The point to a private value; then both as a key. */
static EVP_PKEY *ecp_from_private(const struct ke_group *g, const uint8_t *priv, size_t len)
{
	EC_GROUP *curve = EC_GROUP_new_by_curve_name(EC_curve_nist2nid(g->name));
	EC_POINT *point = curve ? EC_POINT_new(curve) : NULL;
	BIGNUM *d = BN_bin2bn(priv, (int)len, BN_secure_new());
	uint8_t pub[1 + KE_PUBLIC_MAX];
	EVP_PKEY *key = NULL;

	if (point && d && EC_POINT_mul(curve, point, d, NULL, NULL, NULL) == 1 &&
	    EC_POINT_point2oct(curve, point, POINT_CONVERSION_UNCOMPRESSED, pub, sizeof(pub),
			       NULL) == 1u + g->public)
		key = key_build(g, pub + 1, d);
	BN_clear_free(d);
	EC_POINT_free(point);
	EC_GROUP_free(curve);
	return key;
}

struct ke *ke_from_private(uint16_t ke_id, const uint8_t *priv, size_t len)
{
	const struct ke_group *g = group_of(ke_id);

	if (!g || g->kind == KE_KIND_MODP)
		return NULL;
	if (g->kind == KE_KIND_ECP)
		return ke_wrap(g, ecp_from_private(g, priv, len));
	return ke_wrap(g, EVP_PKEY_new_raw_private_key_ex(NULL, g->type, NULL, priv, len));
}

void ke_free(struct ke *ke)
{
	if (!ke)
		return;
	EVP_PKEY_free(ke->key); /* clears the private value */
	free(ke);
}

uint16_t ke_group(const struct ke *ke)
{
	return ke->g->id;
}

const uint8_t *ke_public(const struct ke *ke, size_t *ret_len)
{
	*ret_len = ke->g->public;
	return ke->public;
}

/* The peer's value as a checked key: RFC 6989 2.1 (1 < y < p - 1) and 2.3 (the point is on the
 * curve); X25519 masks and reduces by itself (RFC 7748 5). */
static EVP_PKEY *peer_key(const struct ke_group *g, const uint8_t *peer)
{
	EVP_PKEY_CTX *ctx = NULL;
	EVP_PKEY *key;

	if (g->kind == KE_KIND_X)
		return EVP_PKEY_new_raw_public_key_ex(NULL, g->type, NULL, peer, g->public);
	key = key_build(g, peer, NULL);
	ctx = key ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL) : NULL;
	if (!ctx || EVP_PKEY_public_check_quick(ctx) != 1) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static bool all_zero(const uint8_t *b, size_t n)
{
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= b[i];
	return any == 0;
}

int ke_derive(struct ke *ke, const uint8_t *peer, size_t peer_len, struct secret *ret_secret)
{
	const struct ke_group *g = ke->g;
	struct secret s = { .len = 0 };
	EVP_PKEY_CTX *ctx = NULL;
	size_t len = sizeof(s.b);
	EVP_PKEY *key;
	int err = -EIO;

	if (peer_len != g->public)
		return -EBADMSG;
	key = peer_key(g, peer);
	if (!key)
		return -EBADMSG;
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, ke->key, NULL);
	if (!ctx || EVP_PKEY_derive_init(ctx) != 1)
		goto out;
	/* 7296 2.14: g^ir keeps its leading zeros. */
	if (g->kind == KE_KIND_MODP && EVP_PKEY_CTX_set_dh_pad(ctx, 1) != 1)
		goto out;
	/* Not validated once more: raising it to the group's order takes several times as long as
	 * the derivation, and in these groups peer_key's checks are all that RFC 6989 asks. */
	if (EVP_PKEY_derive_set_peer_ex(ctx, key, 0) != 1 || EVP_PKEY_derive(ctx, s.b, &len) != 1) {
		/* OpenSSL refuses the all-zero result of X25519 and bad MODP values here. */
		err = -EBADMSG;
		goto out;
	}
	if (len != g->shared || all_zero(s.b, len)) {
		err = -EBADMSG;
		goto out;
	}
	s.len = len;
	secret_copy(ret_secret, &s);
	err = 0;
out:
	secret_clear(&s);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(key);
	return err;
}
