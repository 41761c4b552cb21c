/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/secret.h"
#include "x509_impl.h"

/* A curve by name: one that is spelled out may be anything. */
static int ec_bits(EVP_PKEY *k)
{
	static const struct {
		const char *name;
		int bits;
	} curves[] = { { "prime256v1", 256 }, { "secp384r1", 384 }, { "secp521r1", 521 } };
	char name[64];
	size_t n;
	int spelled = 0;

	EVP_PKEY_get_int_param(k, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &spelled);
	if (spelled || EVP_PKEY_get_group_name(k, name, sizeof(name), &n) != 1)
		return 0;
	for (size_t i = 0; i < sizeof(curves) / sizeof(*curves); i++)
		if (!strcmp(curves[i].name, name))
			return curves[i].bits;
	return 0;
}

static bool classify(EVP_PKEY *k, struct key_info *ret)
{
	int bits = EVP_PKEY_get_bits(k);

	switch (EVP_PKEY_get_base_id(k)) {
	case EVP_PKEY_RSA:
		ret->type = KEY_RSA;
		if (bits < KEY_RSA_BITS_MIN || bits > KEY_RSA_BITS_MAX)
			return false;
		break;
	case EVP_PKEY_EC:
		ret->type = KEY_ECDSA;
		bits = ec_bits(k);
		break;
	case EVP_PKEY_ED25519:
		ret->type = KEY_ED25519;
		bits = 256;
		break;
	case EVP_PKEY_ED448:
		ret->type = KEY_ED448;
		bits = 456;
		break;
	default:
		return false;
	}
	ret->bits = (uint16_t)bits;
	return bits;
}

/* With an exponent of 1 a signature is what it signs, and anybody can make it; a long one costs
 * whoever verifies as much as signing. An issuer that signed such a key has not looked at it. */
static bool rsa_numbers(EVP_PKEY *k)
{
	BIGNUM *n = NULL, *e = NULL;
	bool ok = EVP_PKEY_get_bn_param(k, OSSL_PKEY_PARAM_RSA_N, &n) == 1 &&
		  EVP_PKEY_get_bn_param(k, OSSL_PKEY_PARAM_RSA_E, &e) == 1 && BN_is_odd(n) &&
		  BN_is_odd(e) && !BN_is_one(e) && BN_num_bits(e) <= KEY_RSA_EXPONENT_BITS_MAX;

	BN_free(n);
	BN_free(e);
	return ok;
}

int pkey_wrap(EVP_PKEY *k, bool private, struct pkey **ret_key)
{
	struct key_info info = { 0 };
	struct pkey *p;

	if (!k || !classify(k, &info) || (!private && info.type == KEY_RSA && !rsa_numbers(k))) {
		EVP_PKEY_free(k);
		ERR_clear_error();
		return -ENOTSUP;
	}
	p = calloc(1, sizeof(*p));
	if (!p) {
		EVP_PKEY_free(k);
		return -ENOMEM;
	}
	*p = (struct pkey){ k, info, private };
	*ret_key = p;
	return 0;
}

int pass_callback(char *buf, int size, int rwflag, void *u)
{
	const struct secret *pass = u;

	(void)rwflag;
	if (!pass || !pass->len || size < 0 || pass->len > (size_t)size)
		return -1;
	memcpy(buf, pass->b, pass->len);
	return (int)pass->len;
}

/* Is it the passphrase that is missing or wrong? */
static bool encrypted(const uint8_t *file, size_t len)
{
	return memmem(file, len, "ENCRYPTED", 9);
}

int pkey_load(const uint8_t *file, size_t len, const struct secret *pass, struct pkey **ret_key)
{
	BIO *b = len <= INT32_MAX ? BIO_new_mem_buf(file, (int)len) : NULL;
	const uint8_t *p = file;
	EVP_PKEY *k = NULL;
	int ret = -EBADMSG;

	if (!b) {
		ERR_clear_error();
		return -ENOMEM;
	}
	k = PEM_read_bio_PrivateKey(b, NULL, pass_callback, (void *)pass);
	if (!k && !memmem(file, len, "-----BEGIN", 10)) {
		k = d2i_AutoPrivateKey(NULL, &p, (long)len);
		if (k && p != file + len) {
			EVP_PKEY_free(k);
			k = NULL;
		}
	} else if (!k && encrypted(file, len)) {
		ret = -EKEYREJECTED;
	}
	BIO_free(b);
	ERR_clear_error();
	return k ? pkey_wrap(k, true, ret_key) : ret;
}

void pkey_drop(struct pkey *k)
{
	if (!k)
		return;
	EVP_PKEY_free(k->key);
	free(k);
}

struct key_info pkey_info(const struct pkey *k)
{
	return k->info;
}

const char *key_info_format(const struct key_info *i, char buf[32])
{
	switch (i->type) {
	case KEY_RSA:
		snprintf(buf, 32, "RSA %u", i->bits);
		break;
	case KEY_ECDSA:
		snprintf(buf, 32, "ECDSA P-%u", i->bits);
		break;
	case KEY_ED25519:
		strcpy(buf, "Ed25519");
		break;
	case KEY_ED448:
		strcpy(buf, "Ed448");
		break;
	}
	return buf;
}
