/* SPDX-License-Identifier: GPL-2.0-only */
/* OpenSSL runs out of memory, at every place in turn: what depends on it fails with an error,
 * leaves its error queue empty, and never believes what it would not have believed. [VUL-22] */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#include "crypto/auth.h"
#include "../lib/failing.h"
#include "../lib/pki.h"

static void *mem_new(size_t n, const char *file, int line)
{
	(void)file, (void)line;
	return fails() ? NULL : malloc(n);
}

static void *mem_grow(void *p, size_t n, const char *file, int line)
{
	(void)file, (void)line;
	return fails() ? NULL : realloc(p, n);
}

static void mem_free(void *p, const char *file, int line)
{
	(void)file, (void)line;
	free(p);
}

/* Before anything in OpenSSL takes memory. */
__attribute__((constructor)) static void take_over(void)
{
	if (CRYPTO_set_mem_functions(mem_new, mem_grow, mem_free) != 1)
		abort();
}

static struct pki_ent ca, other, sub, end;
static struct chunk end_der, sub_der;
static struct pkey *key;
static struct trust *t;
static struct cert *c;
static uint8_t auth[AUTH_DATA_MAX], method;
static size_t auth_len;
static const struct chunk text = { "what is signed", 14 }, sealed = { "what is sealed", 14 };

static void setup(void)
{
	size_t len;
	char *pem;
	const char *how;

	ca = pki_ca("CA", "P-256", NULL);
	other = pki_ca("CA", "P-256", NULL);
	sub = pki_ca("sub", "P-256", &ca);
	end = pki_end("end", "P-256", &sub, "DNS:gw.example");
	end_der = pki_der(&end);
	sub_der = pki_der(&sub);
	pem = pki_key_pem(end.key, &len);
	cr_assert_eq(pkey_load((uint8_t *)pem, len, NULL, &key), 0);
	free(pem);
	cr_assert_eq(cert_parse(end_der.p, end_der.len, &c), 0);
	cr_assert_eq(auth_sign(key, SIG_HASHES, &text, 1, &method, auth, &auth_len, &how), 0);
	t = pki_trust(CRL_IFPRESENT, &ca, NULL);
}

static void teardown(void)
{
	free((void *)end_der.p);
	free((void *)sub_der.p);
	pkey_drop(key);
	trust_unref(t);
	cert_free(c);
	pki_free(&end);
	pki_free(&sub);
	pki_free(&other);
	pki_free(&ca);
}

TestSuite(nomem, .init = setup, .fini = teardown, .timeout = 120);

enum { PLACES_MAX = 20000 };

/* want: what op gives with all the memory it asks for. right: may it also give that with less? */
static void everywhere(int (*op)(void), int want, bool right)
{
	long n = 0;

	cr_assert_eq(op(), want); /* what OpenSSL keeps for later is there from now on */
	for (;; n++) {
		int r;

		cr_assert_lt(n, PLACES_MAX);
		hit = false;
		countdown = n;
		r = op();
		countdown = -1;
		cr_assert_eq(ERR_peek_error(), 0, "allocation %ld leaves an error", n);
		if (!hit) {
			cr_assert_eq(r, want);
			break;
		}
		cr_assert(r < 0 || (r == want && right), "allocation %ld: %d", n, r);
	}
	cr_assert_gt(n, 0);
}

static int parse(void)
{
	struct cert *x;
	int r = cert_parse(end_der.p, end_der.len, &x);

	if (!r)
		cert_free(x);
	return r;
}

static int chain_of(const struct trust *trust, int64_t now)
{
	char why[CERT_WHY_MAX];

	return trust_verify(trust, c, &sub_der, 1, now, why);
}

/* Revoked by a response of ours, and by nothing else. */
static int revoked_chain(void)
{
	static struct trust *r;
	struct chunk der;

	if (!r) {
		r = pki_trust(CRL_IFPRESENT, &ca, NULL);
		der = pki_ocsp(&(struct pki_ocsp_spec){
			.about = &end, .issuer = &sub, .status = PKI_REVOKED });
		cr_assert_eq(trust_add_ocsp(r, der.p, der.len), 0);
		free((void *)der.p);
	}
	return chain_of(r, PKI_NOW);
}

/* Good by the response that comes along, which is a must. */
static int stapled_chain(void)
{
	static struct trust *strict;
	static struct chunk more[3];
	char why[CERT_WHY_MAX];

	if (!strict) {
		strict = pki_trust(CRL_STRICT, &ca, NULL);
		more[0] = sub_der;
		more[1] = pki_ocsp(&(struct pki_ocsp_spec){ .about = &end, .issuer = &sub });
		more[2] = pki_ocsp(&(struct pki_ocsp_spec){ .about = &sub, .issuer = &ca });
	}
	return trust_verify(strict, c, more, 3, PKI_NOW, why);
}

static int good_chain(void)
{
	return chain_of(t, PKI_NOW);
}

static int old_chain(void)
{
	return chain_of(t, PKI_NOW + 10 * PKI_DAY);
}

static int verify_good(void)
{
	const char *how;

	return auth_verify(cert_key(c), method, auth, auth_len, &text, 1, &how);
}

static int verify_bad(void)
{
	const char *how;

	return auth_verify(cert_key(c), method, auth, auth_len, &sealed, 1, &how);
}

static int sign(void)
{
	uint8_t out[AUTH_DATA_MAX], m;
	const char *how;
	size_t n;

	return auth_sign(key, SIG_HASHES, &text, 1, &m, out, &n, &how);
}

static int has_name(void)
{
	return cert_has_name(c, CERT_DNS, (const uint8_t *)"gw.example", 10) ? 0 : -ENOENT;
}

static int has_other_name(void)
{
	return cert_has_name(c, CERT_DNS, (const uint8_t *)"gw.exampl", 9) ? 0 : -ENOENT;
}

Test(nomem, certificates)
{
	everywhere(parse, 0, true);
	everywhere(has_name, 0, true);
	everywhere(has_other_name, -ENOENT, false);
}

Test(nomem, chains)
{
	everywhere(good_chain, 0, true);
	everywhere(old_chain, -EKEYREJECTED, true);
	trust_unref(t);
	t = pki_trust(CRL_IFPRESENT, &other, NULL);
	everywhere(good_chain, -EKEYREJECTED, true);
}

/* Also the list that says no is not lost. */
Test(nomem, revoked)
{
	static const enum crl_policy policies[] = { CRL_IFPRESENT, CRL_STRICT };

	for (size_t i = 0; i < 2; i++) {
		X509_CRL *crl = pki_crl(&ca, 1, 0); /* the intermediate's number */

		trust_unref(t);
		t = pki_trust(policies[i], &ca, crl);
		X509_CRL_free(crl);
		everywhere(good_chain, -EKEYREJECTED, true);
	}
}

Test(nomem, responses)
{
	everywhere(stapled_chain, 0, true);
	everywhere(revoked_chain, -EKEYREJECTED, true);
}

Test(nomem, signatures)
{
	everywhere(verify_good, 0, true);
	everywhere(verify_bad, -EBADMSG, true);
	everywhere(sign, 0, true);
}

static char *pem;
static size_t pem_len;

static int load_cred(void)
{
	struct cred *x;
	int r = cred_load((uint8_t *)pem, pem_len, NULL, &x);

	if (!r)
		cred_unref(x);
	return r;
}

static int load_trust(void)
{
	struct trust *x = trust_new(CRL_STRICT);
	int r = x ? trust_add_cas(x, (uint8_t *)pem, pem_len) : -ENOMEM;

	trust_unref(x);
	return r;
}

static int names(void)
{
	uint8_t dn[128];
	size_t len;
	int r = dn_parse("O=x, CN=y", dn, sizeof(dn), &len);

	return r ? r : dn_matches(dn, len, dn, len) ? 0 : -ENOENT;
}

Test(nomem, files)
{
	pem = pki_pem(&ca, NULL, &pem_len);
	everywhere(load_cred, 0, true);
	everywhere(load_trust, 0, true);
	free(pem);
	everywhere(names, 0, true);
}
