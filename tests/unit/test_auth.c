/* SPDX-License-Identifier: GPL-2.0-only */
/* Signatures in AUTH payloads: every method both ways, against the openssl program, and everything
 * that must not pass. [SIG-3] */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <openssl/rsa.h>

#include "crypto/auth.h"
#include "../lib/hex.h"
#include "../lib/pki.h"

static const struct chunk text[] = { { "what is ", 8 }, { NULL, 0 }, { "signed", 6 } };
static const struct chunk other[] = { { "what is ", 8 }, { "sealed", 6 } };

static struct pkey *load(EVP_PKEY *k)
{
	size_t len;
	char *pem = pki_key_pem(k, &len);
	struct pkey *p;

	cr_assert_eq(pkey_load((uint8_t *)pem, len, NULL, &p), 0);
	free(pem);
	return p;
}

static struct pkey *fresh(const char *kind)
{
	EVP_PKEY *k = pki_key(kind);
	struct pkey *p = load(k);

	EVP_PKEY_free(k);
	return p;
}

/* ---- both ways ---- */

static const struct {
	const char *key;
	uint32_t hashes;
	uint8_t method;
	const char *how;
	int ret;
} ways[] = {
	{ "RSA-2048", SIG_HASHES, SIG_DIGITAL, "RSA-PSS with SHA2-256", 0 },
	{ "RSA-3200", SIG_HASHES, SIG_DIGITAL, "RSA-PSS with SHA2-384", 0 },
	{ "RSA-2048", 1 << SIG_HASH_SHA2_512, SIG_DIGITAL, "RSA-PSS with SHA2-512", 0 },
	{ "RSA-2048", 0, SIG_RSA, "RSA with SHA2-256", 0 },
	{ "RSA-2048", 1 << SIG_HASH_SHA1, 0, NULL, -ENOTSUP },
	{ "RSA-2048", 1 << SIG_HASH_SHA1 | 1 << SIG_HASH_IDENTITY | 1u << 31, 0, NULL, -ENOTSUP },
	{ "P-256", SIG_HASHES, SIG_DIGITAL, "ECDSA with SHA2-256", 0 },
	{ "P-384", SIG_HASHES, SIG_DIGITAL, "ECDSA with SHA2-384", 0 },
	{ "P-521", SIG_HASHES, SIG_DIGITAL, "ECDSA with SHA2-512", 0 },
	{ "P-521", 1 << SIG_HASH_SHA2_256, SIG_DIGITAL, "ECDSA with SHA2-256", 0 },
	{ "P-256", 0, SIG_ECDSA_256, "ECDSA with SHA2-256", 0 },
	{ "P-384", 0, SIG_ECDSA_384, "ECDSA with SHA2-384", 0 },
	{ "P-521", 0, SIG_ECDSA_521, "ECDSA with SHA2-512", 0 },
	{ "P-256", 1 << SIG_HASH_SHA1, 0, NULL, -ENOTSUP },
	{ "ED25519", SIG_HASHES, SIG_DIGITAL, "Ed25519", 0 },
	{ "ED25519", 1 << SIG_HASH_SHA2_256, 0, NULL, -ENOTSUP },
	{ "ED25519", 0, 0, NULL, -ENOTSUP },
	{ "ED448", 1 << SIG_HASH_IDENTITY, SIG_DIGITAL, "Ed448", 0 },
};

/* [SIG-2] [SIG-3] [SIG-6] [SIG-7]: the method and the hash that the other side's list allows, and
 * none that it does not. */
Test(auth, both_ways)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		struct pkey *k = fresh(ways[i].key), *wrong = fresh(ways[i].key);
		uint8_t out[AUTH_DATA_MAX], method;
		const char *how = "", *seen = "";
		size_t n;

		cr_expect_eq(auth_sign(k, ways[i].hashes, text, 3, &method, out, &n, &how),
			     ways[i].ret, "case %zu", i);
		if (!ways[i].ret) {
			cr_expect_eq(method, ways[i].method, "case %zu", i);
			cr_expect_str_eq(how, ways[i].how);
			cr_expect_eq(auth_verify(k, method, out, n, text, 3, &seen), 0);
			cr_expect_str_eq(seen, how);
			cr_expect_eq(auth_verify(k, method, out, n, other, 2, &seen), -EBADMSG);
			cr_expect_eq(auth_verify(wrong, method, out, n, text, 3, &seen), -EBADMSG);
		}
		pkey_drop(k);
		pkey_drop(wrong);
	}
}

/* What "auth" words make of it: who signs, and how; who verifies, what is let through. [SIG-7] */
Test(auth, rules)
{
	enum {
		S256 = 1 << SIG_HASH_SHA2_256,
		S384 = 1 << SIG_HASH_SHA2_384,
		SHA1 = 1 << SIG_HASH_SHA1,
	};
	static const struct {
		const char *key;
		uint32_t hashes, rule;
		const char *how; /* NULL: it cannot be */
	} cases[] = {
		{ "RSA-2048", SIG_HASHES, 0, "RSA-PSS with SHA2-256" },
		{ "RSA-2048", SIG_HASHES, SIG_RULE_PKCS1 | S256, "RSA with SHA2-256" },
		{ "RSA-2048", SIG_HASHES, SIG_RULE_PKCS1 | S384, "RSA with SHA2-384" },
		{ "RSA-2048", SIG_HASHES, SIG_RULE_PKCS1, "RSA with SHA2-256" },
		{ "RSA-2048", SIG_HASHES, SIG_RULE_PSS | S384, "RSA-PSS with SHA2-384" },
		{ "RSA-2048", SIG_HASHES, SIG_RULE_PSS | SIG_RULE_PKCS1, "RSA-PSS with SHA2-256" },
		{ "RSA-2048", S256, SIG_RULE_PSS | S384, NULL },
		{ "RSA-2048", 0, SIG_RULE_PKCS1, "RSA with SHA2-256" },
		{ "RSA-2048", 0, SIG_RULE_PSS, NULL },
		{ "RSA-2048", 0, S256, NULL },
		{ "RSA-2048", SHA1, 0, NULL },
		/* numbers of hashes that nobody knows are no rules */
		{ "RSA-2048", 1 << 16 | S256, 0, "RSA-PSS with SHA2-256" },
		{ "RSA-2048", 1 << 16, 0, NULL },
		{ "P-256", SIG_HASHES, S384, "ECDSA with SHA2-384" },
		{ "P-256", SIG_HASHES, SIG_RULE_PSS, "ECDSA with SHA2-256" },
		{ "P-256", 0, 0, "ECDSA with SHA2-256" },
		{ "ED25519", SIG_HASHES, 0, "Ed25519" },
		{ "ED25519", SIG_HASHES, S256, NULL },
	};
	static const uint32_t rules[] = { SIG_RULE_PKCS1, SIG_RULE_PSS, S256, S384,
					  SIG_RULE_PKCS1 | S384 };
	static const struct {
		const char *how;
		uint8_t method, allowed; /* bit i: by rules[i] */
	} seen[] = {
		{ "RSA-PSS with SHA2-256", SIG_DIGITAL, 0x06 },
		{ "RSA-PSS with SHA2-384", SIG_DIGITAL, 0x0a },
		{ "RSA with SHA2-256", SIG_DIGITAL, 0x05 },
		{ "RSA with SHA2-384", SIG_DIGITAL, 0x19 },
		{ "RSA with SHA2-256", SIG_RSA, 0x01 },
		{ "ECDSA with SHA2-256", SIG_DIGITAL, 0x07 },
		{ "ECDSA with SHA2-384", SIG_DIGITAL, 0x1b },
		{ "ECDSA with SHA2-256", SIG_ECDSA_256, 0x07 },
		{ "Ed25519", SIG_DIGITAL, 0x03 },
	};
	unsigned checked = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pkey *k = fresh(cases[i].key);
		uint8_t out[AUTH_DATA_MAX], method;
		uint32_t hashes;
		const char *how = "";
		size_t n;
		int r = auth_narrow(cases[i].hashes, cases[i].rule, &hashes);

		if (!r)
			r = auth_sign(k, hashes, text, 3, &method, out, &n, &how);
		cr_expect_eq(r, cases[i].how ? 0 : -ENOTSUP, "case %zu", i);
		if (!r && cases[i].how)
			cr_expect_str_eq(how, cases[i].how, "case %zu", i);
		for (size_t s = 0; !r && s < sizeof(seen) / sizeof(*seen); s++) {
			if (strcmp(seen[s].how, how) || seen[s].method != method)
				continue;
			checked |= 1u << s;
			for (size_t u = 0; u < 5; u++)
				cr_expect_eq(auth_allowed(method, out, n, rules[u]),
					     seen[s].allowed >> u & 1, "%s, rule %zu", how, u);
			cr_expect(auth_allowed(method, out, n, 0));
			cr_expect_eq(auth_verify(k, method, out, n, text, 3, &how), 0);
		}
		pkey_drop(k);
	}
	cr_expect_eq(checked, (1u << sizeof(seen) / sizeof(*seen)) - 1);
}

/* RFC 7427 A.1, A.3, A.4.3 and RFC 8420 A, octets as printed there: [SIG-4] [SIG-6]
 */
Test(auth, algorithm_identifiers)
{
	static const struct {
		const char *key;
		uint32_t hashes;
		const char *hex;
	} cases[] = {
		{ "P-256", SIG_HASHES, "0c300a06082a8648ce3d040302" },
		{ "P-384", SIG_HASHES, "0c300a06082a8648ce3d040303" },
		{ "P-521", SIG_HASHES, "0c300a06082a8648ce3d040304" },
		{ "ED25519", SIG_HASHES, "07300506032b6570" },
		{ "ED448", SIG_HASHES, "07300506032b6571" },
		{ "RSA-2048", SIG_HASHES,
		  "43304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a"
		  "864886f70d010108300d06096086480165030402010500a203020120" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint8_t out[AUTH_DATA_MAX], want[80], method;
		struct pkey *k = fresh(cases[i].key);
		size_t n, len = unhex(cases[i].hex, want, sizeof(want));
		const char *how;

		cr_assert_eq(auth_sign(k, cases[i].hashes, text, 3, &method, out, &n, &how), 0);
		cr_expect_arr_eq(out, want, len, "case %zu", i);
		pkey_drop(k);
	}
}

/* ---- what must not pass ---- */

static int with_alg(const struct pkey *k, const char *alg_hex, const uint8_t *sig, size_t len)
{
	uint8_t auth[AUTH_DATA_MAX + 80];
	size_t n = unhex(alg_hex, auth + 1, 200);
	const char *how;

	auth[0] = (uint8_t)n;
	memcpy(auth + 1 + n, sig, len);
	return auth_verify(k, SIG_DIGITAL, auth, 1 + n + len, text, 3, &how);
}

static size_t raw_sign(EVP_PKEY *k, const char *md, int padding, int salt, const char *mgf,
		       uint8_t *out)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *p;
	size_t n = AUTH_DATA_MAX;

	cr_assert_eq(EVP_DigestSignInit(ctx, &p, md ? EVP_get_digestbyname(md) : NULL, NULL, k), 1);
	if (padding) {
		cr_assert_gt(EVP_PKEY_CTX_set_rsa_padding(p, padding), 0);
		if (padding == RSA_PKCS1_PSS_PADDING) {
			cr_assert_gt(EVP_PKEY_CTX_set_rsa_pss_saltlen(p, salt), 0);
			cr_assert_gt(EVP_PKEY_CTX_set_rsa_mgf1_md(p, EVP_get_digestbyname(mgf)), 0);
		}
	}
	cr_assert_eq(EVP_DigestSign(ctx, out, &n, (const uint8_t *)"what is signed", 14), 1);
	EVP_MD_CTX_free(ctx);
	return n;
}

#define PSS_256                                                                                    \
	"304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f7"   \
	"0d010108300d06096086480165030402010500a203020120"
#define PSS_256_BARE                                                                               \
	"303d06092a864886f70d01010a3030a00d300b0609608648016503040201a11a301806092a864886f70d01"   \
	"0108300b0609608648016503040201a203020120"

/* [SIG-4] [VUL-3] */
Test(auth, pss_parameters)
{
	EVP_PKEY *rsa = pki_key("RSA-2048");
	struct pkey *k = load(rsa);
	uint8_t sig[AUTH_DATA_MAX];
	size_t n = raw_sign(rsa, "SHA256", RSA_PKCS1_PSS_PADDING, 32, "SHA256", sig);

	cr_expect_eq(with_alg(k, PSS_256, sig, n), 0); /* the control */
	cr_expect_eq(with_alg(k, PSS_256_BARE, sig, n), 0);
	/* defaults (SHA-1), an explicit trailer, another salt, another hash inside or outside */
	cr_expect_eq(with_alg(k, "300d06092a864886f70d01010a3000", sig, n), -ENOTSUP);
	cr_expect_eq(with_alg(k, "300b06092a864886f70d01010a", sig, n), -ENOTSUP);
	cr_expect_eq(
		with_alg(
			k,
			"304606092a864886f70d01010a3039a00f300d06096086480165030402010500a11c301a06"
			"092a864886f70d010108300d06096086480165030402010500a203020120a303020101",
			sig, n),
		-ENOTSUP);
	cr_expect_eq(
		with_alg(
			k,
			"304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06"
			"092a864886f70d010108300d06096086480165030402010500a203020114",
			sig, n),
		-ENOTSUP);
	cr_expect_eq(
		with_alg(
			k,
			"304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06"
			"092a864886f70d010108300d06096086480165030402020500a203020120",
			sig, n),
		-ENOTSUP);
	/* the right words over a signature with other parameters */
	n = raw_sign(rsa, "SHA256", RSA_PKCS1_PSS_PADDING, 20, "SHA256", sig);
	cr_expect_eq(with_alg(k, PSS_256, sig, n), -EBADMSG);
	n = raw_sign(rsa, "SHA256", RSA_PKCS1_PSS_PADDING, 0, "SHA256", sig);
	cr_expect_eq(with_alg(k, PSS_256, sig, n), -EBADMSG);
	n = raw_sign(rsa, "SHA256", RSA_PKCS1_PSS_PADDING, 32, "SHA1", sig);
	cr_expect_eq(with_alg(k, PSS_256, sig, n), -EBADMSG);
	n = raw_sign(rsa, "SHA384", RSA_PKCS1_PSS_PADDING, 32, "SHA256", sig);
	cr_expect_eq(with_alg(k, PSS_256, sig, n), -EBADMSG);
	n = raw_sign(rsa, "SHA256", RSA_PKCS1_PADDING, 0, NULL, sig);
	cr_expect_eq(with_alg(k, PSS_256, sig, n), -EBADMSG);
	pkey_drop(k);
	EVP_PKEY_free(rsa);
}

/* EM = 00 01 FF.. 00 DigestInfo with one thing wrong, under the true private key. [VUL-1] */
Test(auth, pkcs1_forms)
{
	static const char sha256[] = "3031300d060960864801650304020105000420";
	static const char *const algs[] = { "300d06092a864886f70d01010b0500",
					    "300b06092a864886f70d01010b" };
	EVP_PKEY *rsa = pki_key("RSA-2048");
	struct pkey *k = load(rsa);
	uint8_t em[256], sig[256], md[32], info[32];
	const char *how;
	unsigned md_len;

	cr_assert_eq(EVP_Digest("what is signed", 14, md, &md_len, EVP_sha256(), NULL), 1);
	for (unsigned i = 0; i < 7; i++) {
		EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(rsa, NULL);
		size_t n = unhex(sha256, info, sizeof(info)), at = 256 - n - 32, len = 256;

		memset(em, 0xff, sizeof(em));
		em[0] = 0;
		em[1] = 1;
		if (i == 4) /* garbage behind a short padding (Bleichenbacher 2006) */
			at = 20;
		em[at - 1] = 0;
		memcpy(em + at, info, n);
		memcpy(em + at + n, md, 32);
		if (i == 1)
			em[1] = 2; /* block type */
		if (i == 2)
			em[10] = 0xfe; /* padding */
		if (i == 3)
			em[at + 16] = 0x04; /* NULL that is none */
		if (i == 5)		    /* BER: an indefinite length has no place either */
			em[at + 1] = 0x80;
		cr_assert_eq(EVP_PKEY_sign_init(ctx), 1);
		cr_assert_gt(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING), 0);
		cr_assert_eq(EVP_PKEY_sign(ctx, sig, &len, em, 256), 1);
		EVP_PKEY_CTX_free(ctx);
		if (i == 6)
			len--; /* an octet short */
		cr_expect_eq(auth_verify(k, SIG_RSA, sig, len, text, 3, &how), i ? -EBADMSG : 0,
			     "case %u", i);
		cr_expect_eq(with_alg(k, algs[0], sig, len), i ? -EBADMSG : 0, "case %u", i);
		cr_expect_eq(with_alg(k, algs[1], sig, len), -ENOTSUP);
	}
	pkey_drop(k);
	EVP_PKEY_free(rsa);
}

/* [SIG-7] */
Test(auth, sha1_is_refused)
{
	EVP_PKEY *rsa = pki_key("RSA-2048"), *ec = pki_key("P-256");
	struct pkey *k = load(rsa), *e = load(ec);
	uint8_t sig[AUTH_DATA_MAX];
	const char *how;
	size_t n = raw_sign(rsa, "SHA1", RSA_PKCS1_PADDING, 0, NULL, sig);

	cr_expect_eq(auth_verify(k, SIG_RSA, sig, n, text, 3, &how), -EBADMSG);
	cr_expect_eq(with_alg(k, "300d06092a864886f70d0101050500", sig, n), -ENOTSUP);
	n = raw_sign(ec, "SHA1", 0, 0, NULL, sig);
	cr_expect_eq(with_alg(e, "300906072a8648ce3d0401", sig, n), -ENOTSUP);
	pkey_drop(k);
	pkey_drop(e);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ec);
}

#define ECDSA_256 "300a06082a8648ce3d040302"

/* [SIG-5] [VUL-2] */
Test(auth, ecdsa_values)
{
	EVP_PKEY *ec = pki_key("P-256");
	struct pkey *k = load(ec);
	uint8_t sig[AUTH_DATA_MAX], raw[96], bad[96];
	uint8_t method, order[32];
	const char *how;
	size_t n, raw_len;

	unhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", order, 32);
	cr_assert_eq(auth_sign(k, 0, text, 3, &method, raw, &raw_len, &how), 0);
	cr_assert_eq(raw_len, 64);
	for (unsigned i = 0; i < 7; i++) {
		size_t len = 64;

		memcpy(bad, raw, 64);
		bad[64] = 0;
		switch (i) {
		case 0:
			memset(bad, 0, 32); /* r = 0 */
			break;
		case 1:
			memset(bad + 32, 0, 32);
			break;
		case 2:
			memset(bad, 0, 64);
			break;
		case 3:
			memcpy(bad, order, 32); /* r = n */
			break;
		case 4:
			memset(bad, 0xff, 64);
			break;
		case 5:
			len = 65;
			break;
		case 6:
			len = 62;
			break;
		}
		cr_expect_eq(auth_verify(k, SIG_ECDSA_256, bad, len, text, 3, &how), -EBADMSG,
			     "case %u", i);
	}
	cr_expect_eq(auth_verify(k, SIG_ECDSA_256, raw, 0, text, 3, &how), -EBADMSG);
	/* the raw form is none of method 14, nor the other way round */
	cr_expect_eq(with_alg(k, ECDSA_256, raw, 64), -EBADMSG);
	n = raw_sign(ec, "SHA256", 0, 0, NULL, sig);
	cr_expect_eq(with_alg(k, ECDSA_256, sig, n), 0);
	cr_expect_eq(auth_verify(k, SIG_ECDSA_256, sig, n, text, 3, &how), -EBADMSG);
	/* DER only, and nothing behind it */
	sig[n] = 0;
	cr_expect_eq(with_alg(k, ECDSA_256, sig, n + 1), -EBADMSG);
	memmove(sig + 2, sig + 1, n - 1); /* 30 81 len */
	sig[1] = 0x81;
	cr_expect_eq(with_alg(k, ECDSA_256, sig, n + 1), -EBADMSG);
	cr_expect_eq(with_alg(k, ECDSA_256, (const uint8_t *)"\x30\x06\x02\x01\x00\x02\x01\x00", 8),
		     -EBADMSG);
	cr_expect_eq(with_alg(k, ECDSA_256, (const uint8_t *)"\x30\x06\x02\x01\x81\x02\x01\x81", 8),
		     -EBADMSG);
	pkey_drop(k);
	EVP_PKEY_free(ec);
}

/* The curve's own method, the key's own algorithm: [SIG-7] */
Test(auth, wrong_kind_of_key)
{
	static const char *const kinds[] = { "RSA-2048", "P-256",   "P-384",
					     "P-521",	 "ED25519", "ED448" };
	static const uint8_t methods[] = { SIG_RSA, SIG_ECDSA_256, SIG_ECDSA_384, SIG_ECDSA_521 };
	uint8_t sig[132] = { 1 };
	const char *how;

	for (size_t i = 0; i < 6; i++) {
		struct pkey *k = fresh(kinds[i]);

		for (size_t m = 0; m < 4; m++)
			if (i != m)
				cr_expect_eq(auth_verify(k, methods[m], sig, 132, text, 3, &how),
					     -EKEYREJECTED, "%s %u", kinds[i], methods[m]);
		if (i != 0)
			cr_expect_eq(with_alg(k, PSS_256, sig, 132), -EKEYREJECTED);
		if (i < 1 || i > 3)
			cr_expect_eq(with_alg(k, ECDSA_256, sig, 132), -EKEYREJECTED);
		if (i != 4)
			cr_expect_eq(with_alg(k, "300506032b6570", sig, 64), -EKEYREJECTED);
		pkey_drop(k);
	}
}

Test(auth, malformed)
{
	struct pkey *k = fresh("ED25519");
	uint8_t out[AUTH_DATA_MAX], method, copy[AUTH_DATA_MAX];
	const char *how;
	size_t n;

	cr_assert_eq(auth_sign(k, SIG_HASHES, text, 3, &method, out, &n, &how), 0);
	/* every prefix, each at the end of its own memory */
	for (size_t len = 0; len < n; len++) {
		uint8_t *p = malloc(len ? len : 1);

		memcpy(p, out, len);
		cr_expect_lt(auth_verify(k, SIG_DIGITAL, p, len, text, 3, &how), 0);
		free(p);
	}
	memcpy(copy, out, n);
	copy[n] = 0;
	cr_expect_eq(auth_verify(k, SIG_DIGITAL, copy, n + 1, text, 3, &how), -EBADMSG);
	copy[0] = 255;
	cr_expect_eq(auth_verify(k, SIG_DIGITAL, copy, n, text, 3, &how), -ENOTSUP);
	cr_expect_eq(auth_verify(k, 0, out, n, text, 3, &how), -ENOTSUP);
	/* parameters where none belong */
	cr_expect_eq(with_alg(k, "300706032b65700500", out + 8, 64), -ENOTSUP);
	pkey_drop(k);
}

/* ---- the openssl program ---- */

static bool sh(const char *cmd)
{
	return system(cmd) == 0;
}

static size_t slurp(const char *name, uint8_t *buf, size_t cap)
{
	FILE *f = fopen(name, "r");
	size_t n;

	cr_assert(f, "%s", name);
	n = fread(buf, 1, cap, f);
	fclose(f);
	return n;
}

Test(auth, openssl_program, .timeout = 60)
{
	static const struct {
		const char *gen, *sign, *verify;
		const char *alg;
	} cases[] = {
		{ "-algorithm RSA -pkeyopt rsa_keygen_bits:2048",
		  "openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 "
		  "-sign "
		  "key -out sig text",
		  "openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 "
		  "-prverify key -signature sig text >out",
		  PSS_256 },
		{ "-algorithm RSA -pkeyopt rsa_keygen_bits:3072",
		  "openssl dgst -sha512 -sign key -out sig text", NULL,
		  "300d06092a864886f70d01010d0500" },
		{ "-algorithm EC -pkeyopt ec_paramgen_curve:P-384",
		  "openssl dgst -sha384 -sign key -out sig text",
		  "openssl dgst -sha384 -prverify key -signature sig text >out",
		  "300a06082a8648ce3d040303" },
		{ "-algorithm ED25519", "openssl pkeyutl -sign -inkey key -rawin -in text -out sig",
		  "openssl pkeyutl -verify -inkey key -rawin -in text -sigfile sig >out",
		  "300506032b6570" },
	};
	char dir[] = "/tmp/braid-test-auth-XXXXXX", cmd[256];
	uint8_t buf[8192];

	if (!sh("openssl version >/dev/null 2>&1"))
		cr_skip_test("no openssl program");
	cr_assert(mkdtemp(dir));
	cr_assert_eq(chdir(dir), 0);
	cr_assert(sh("printf 'what is signed' >text"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint8_t out[AUTH_DATA_MAX], method;
		struct pkey *k;
		const char *how;
		size_t n;
		FILE *f;

		snprintf(cmd, sizeof(cmd), "openssl genpkey %s -out key 2>/dev/null", cases[i].gen);
		cr_assert(sh(cmd) && sh(cases[i].sign), "case %zu", i);
		n = slurp("key", buf, sizeof(buf));
		cr_assert_eq(pkey_load(buf, n, NULL, &k), 0);
		n = slurp("sig", buf, sizeof(buf));
		cr_expect_eq(with_alg(k, cases[i].alg, buf, n), 0, "case %zu", i);
		if (cases[i].verify) {
			cr_assert_eq(auth_sign(k, SIG_HASHES, text, 3, &method, out, &n, &how), 0);
			f = fopen("sig", "w");
			fwrite(out + 1 + out[0], 1, n - 1 - out[0], f);
			fclose(f);
			cr_expect(sh(cases[i].verify), "case %zu", i);
		}
		pkey_drop(k);
	}
	cr_assert(sh("rm -f key sig text out") && chdir("/") == 0 && rmdir(dir) == 0);
}
