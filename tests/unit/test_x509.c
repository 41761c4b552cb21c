/* SPDX-License-Identifier: GPL-2.0-only */
/* Certificates, names, keys and who is trusted, without IKE around them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include "base/secret.h"
#include "../lib/pki.h"

/* Nothing stays in OpenSSL's queue, whatever happened. */
static void queue_empty(void)
{
	cr_assert_eq(ERR_peek_error(), 0);
}

TestSuite(x509, .fini = queue_empty);

/* ---- one certificate ---- */

Test(x509, describes)
{
	struct pki_ent ca = pki_ca("the CA", "RSA-2048", NULL);
	struct pki_ent e = pki_end("e\nvil, \"x\"", "P-384", &ca, "DNS:e.example");
	struct cert *c = pki_cert(&e), *a = pki_cert(&ca);
	struct cert_info i;
	char text[32];

	cert_describe(c, &i);
	cr_expect_str_eq(i.issuer, "O=braid test, CN=the CA");
	cr_expect_str_eq(i.subject, "O=braid test, CN=e\\0Avil\\, \\\"x\\\"");
	cr_expect_str_eq(i.serial, "07");
	cr_expect_eq(i.not_before, PKI_NOW - PKI_DAY);
	cr_expect_eq(i.not_after, PKI_NOW + PKI_DAY);
	cr_expect(i.key_known && !i.ca);
	cr_expect_str_eq(key_info_format(&i.key, text), "ECDSA P-384");
	cert_describe(a, &i);
	cr_expect(i.ca);
	cr_expect_str_eq(key_info_format(&i.key, text), "RSA 2048");
	cert_free(c);
	cert_free(a);
	pki_free(&e);
	pki_free(&ca);
}

/* Every prefix, and every octet changed: an error or a certificate, never more than that. [ROB-1]
 * [VUL-6] */
Test(x509, malformed)
{
	struct pki_ent ca = pki_ca("CA", "P-256", NULL);
	struct pki_ent e = pki_end("e", "P-256", &ca, "DNS:e.example,IP:192.0.2.1");
	struct chunk der = pki_der(&e);
	struct cert_info info;
	struct cert *c;

	for (size_t len = 0; len < der.len; len++) {
		uint8_t *p = malloc(len ? len : 1);

		memcpy(p, der.p, len);
		cr_expect_eq(cert_parse(p, len, &c), -EBADMSG, "%zu octets", len);
		free(p);
	}
	for (size_t i = 0; i < der.len; i++) {
		uint8_t *p = malloc(der.len);

		memcpy(p, der.p, der.len);
		p[i] ^= 0x41;
		if (cert_parse(p, der.len, &c) == 0) {
			cert_describe(c, &info);
			cert_has_name(c, CERT_DNS, (const uint8_t *)"e.example", 9);
			cert_free(c);
		}
		free(p);
		queue_empty();
	}
	uint8_t *big = calloc(1, CERT_OCTETS_MAX + 1);
	cr_expect_eq(cert_parse(big, CERT_OCTETS_MAX + 1, &c), -EMSGSIZE);
	cr_expect_eq(cert_parse(big, CERT_OCTETS_MAX, &c), -EBADMSG);
	free(big);
	free((void *)der.p);
	pki_free(&e);
	pki_free(&ca);
}

Test(x509, names)
{
	static const struct {
		enum cert_name kind;
		const char *name;
		size_t len;
		bool has;
	} cases[] = {
		{ CERT_DNS, "gw.example.org", 14, true },
		{ CERT_DNS, "GW.Example.org", 14, true },
		{ CERT_DNS, "gw.example.or", 13, false },
		{ CERT_DNS, ".example.org", 12, false },
		{ CERT_DNS, "example.org", 11, false },
		{ CERT_DNS, "gw.example.org.", 15, false },
		{ CERT_DNS, "gw.example.org\0", 15, false },
		{ CERT_DNS, "a.wild.example", 14, false }, /* the certificate says *.wild.example */
		{ CERT_DNS, "the cn", 6, false },	   /* a CN is no DNS name */
		{ CERT_DNS, "", 0, false },
		{ CERT_DNS, "joe@Example.org", 15, false },
		{ CERT_EMAIL, "joe@example.org", 15, true },
		{ CERT_EMAIL, "joe@EXAMPLE.org", 15, true },
		{ CERT_EMAIL, "Joe@example.org", 15, false },
		{ CERT_EMAIL, "@example.org", 12, false },
		{ CERT_EMAIL, "gw.example.org", 14, false },
		{ CERT_IP, "\xc0\x00\x02\x01", 4, true },
		{ CERT_IP, "\xc0\x00\x02\x02", 4, false },
		{ CERT_IP, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16, true },
		{ CERT_IP, "\x20\x01\x0d\xb8", 4, false },
		{ CERT_DN, "\x30\x00", 2, false },
		{ CERT_DN, "x", 1, false },
	};
	struct pki_ent ca = pki_ca("CA", "P-256", NULL);
	struct pki_ent e = pki_end("the cn", "P-256", &ca,
				   "DNS:gw.example.org,DNS:*.wild.example,email:joe@example.org,"
				   "IP:192.0.2.1,IP:2001:db8::1");
	struct cert *c = pki_cert(&e);
	uint8_t dn[256];
	size_t len;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		cr_expect_eq(cert_has_name(c, cases[i].kind, (const uint8_t *)cases[i].name,
					   cases[i].len),
			     cases[i].has, "case %zu: %s", i, cases[i].name);
	cr_assert_eq(cert_subject(c, dn, sizeof(dn), &len), 0);
	cr_expect(cert_has_name(c, CERT_DN, dn, len));
	cr_expect_eq(cert_subject(c, dn, 10, &len), -EMSGSIZE);
	cert_free(c);
	/* no names at all */
	pki_free(&e);
	e = pki_make(&(struct pki_spec){ .cn = "x", .key = "P-256", .ca = &ca });
	c = pki_cert(&e);
	cr_expect(!cert_has_name(c, CERT_DNS, (const uint8_t *)"x", 1));
	cert_free(c);
	pki_free(&e);
	pki_free(&ca);
}

Test(x509, distinguished_names_as_text)
{
	static const struct {
		const char *text, *back; /* NULL: refused */
	} cases[] = {
		{ "C=CH, O=braid, CN=gw", "C=CH, O=braid, CN=gw" },
		{ "CN = a b ,O=x", "CN=a b, O=x" },
		{ "CN=a\\, b", "CN=a\\, b" },
		{ "CN=joe, E=joe@example.org", "CN=joe, emailAddress=joe@example.org" },
		{ "CN=*", "CN=*" },
		{ "", NULL },
		{ "CN", NULL },
		{ "CN=", NULL },
		{ "CN=a,", NULL },
		{ "=a", NULL },
		{ "NOSUCH=a", NULL },
		{ "C=three", NULL }, /* two letters */
	};
	uint8_t dn[256];
	char text[256];
	size_t len;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int r = dn_parse(cases[i].text, dn, sizeof(dn), &len);

		cr_expect_eq(r, cases[i].back ? 0 : -EINVAL, "%s: %d", cases[i].text, r);
		if (r == 0 && cases[i].back)
			cr_expect_str_eq(dn_format(dn, len, text, sizeof(text)), cases[i].back);
		cr_expect_eq(r == 0 && dn_has_wildcard(dn, len), !strcmp(cases[i].text, "CN=*"));
	}
	cr_expect_eq(dn_parse("CN=gw", dn, 4, &len), -EMSGSIZE);
	cr_expect_str_eq(dn_format((const uint8_t *)"junk", 4, text, sizeof(text)), "?");
	cr_expect(!dn_has_wildcard((const uint8_t *)"junk", 4));
	cr_expect(!dn_matches((const uint8_t *)"junk", 4, (const uint8_t *)"junk", 4));
}

/* ---- keys ---- */

static struct secret pass_of(const char *text)
{
	struct secret s;

	secret_set(&s, text, strlen(text));
	return s;
}

static int load_key(EVP_PKEY *k, const EVP_CIPHER *cipher, const char *pass,
		    const struct secret *with, struct pkey **ret)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p;
	long n;
	int r;

	cr_assert_eq(PEM_write_bio_PKCS8PrivateKey(b, k, cipher, pass, pass ? (int)strlen(pass) : 0,
						   NULL, NULL),
		     1);
	n = BIO_get_mem_data(b, &p);
	r = pkey_load((uint8_t *)p, (size_t)n, with, ret);
	BIO_free(b);
	return r;
}

Test(x509, private_keys)
{
	EVP_PKEY *k = pki_key("P-256");
	struct secret right = pass_of("open sesame"), wrong = pass_of("open");
	struct pkey *p;

	cr_assert_eq(load_key(k, NULL, NULL, NULL, &p), 0);
	pkey_drop(p);
	cr_assert_eq(load_key(k, EVP_aes_256_cbc(), "open sesame", &right, &p), 0);
	pkey_drop(p);
	cr_expect_eq(load_key(k, EVP_aes_256_cbc(), "open sesame", &wrong, &p), -EKEYREJECTED);
	cr_expect_eq(load_key(k, EVP_aes_256_cbc(), "open sesame", NULL, &p), -EKEYREJECTED);
	cr_expect_eq(pkey_load((const uint8_t *)"", 0, NULL, &p), -EBADMSG);
	cr_expect_eq(pkey_load((const uint8_t *)"-----BEGIN PRIVATE KEY-----\n", 28, NULL, &p),
		     -EBADMSG);
	EVP_PKEY_free(k);
}

Test(x509, keys_that_are_not_taken)
{
	static const char *const kinds[] = { "RSA-1024", "P-224", "X25519" };
	struct pkey *p;

	for (size_t i = 0; i < 3; i++) {
		EVP_PKEY *k = pki_key(kinds[i]);

		cr_expect_eq(load_key(k, NULL, NULL, NULL, &p), -ENOTSUP, "%s", kinds[i]);
		EVP_PKEY_free(k);
	}
}

/* A curve spelled out can be one with a generator of the attacker's choice (CVE-2020-0601). [VUL-6]
 */
Test(x509, explicit_curve)
{
	EVP_PKEY *k = pki_key("P-256");
	struct pkey *p;

	cr_assert_eq(EVP_PKEY_set_utf8_string_param(k, OSSL_PKEY_PARAM_EC_ENCODING,
						    OSSL_PKEY_EC_ENCODING_EXPLICIT),
		     1);
	cr_expect_eq(load_key(k, NULL, NULL, NULL, &p), -ENOTSUP);
	EVP_PKEY_free(k);
}

/* ---- our own ---- */

Test(x509, pkcs12)
{
	struct pki_ent ca = pki_ca("CA", "P-256", NULL), sub = pki_ca("sub", "P-256", &ca);
	struct pki_ent e = pki_end("e", "ED25519", &sub, "DNS:e.example");
	struct secret right = pass_of("pass"), wrong = pass_of("word");
	STACK_OF(X509) *more = sk_X509_new_null();
	struct cred *c;
	uint8_t *der = NULL;
	PKCS12 *p12;
	int n;

	sk_X509_push(more, sub.x);
	sk_X509_push(more, ca.x);
	p12 = PKCS12_create("pass", "e", e.key, e.x, more, 0, 0, 0, 0, 0);
	n = i2d_PKCS12(p12, &der);
	cr_assert_gt(n, 0);
	cr_assert_eq(cred_load(der, (size_t)n, &right, &c), 0);
	cr_expect(cred_has_key(c));
	cr_expect_eq(cred_count(c), 2); /* not the CA itself */
	cred_unref(c);
	cr_expect_eq(cred_load(der, (size_t)n, &wrong, &c), -EKEYREJECTED);
	cr_expect_eq(cred_load(der, (size_t)n, NULL, &c), -EKEYREJECTED);
	cr_expect_eq(cred_load(der, (size_t)n / 2, &right, &c), -EBADMSG);
	OPENSSL_free(der);
	PKCS12_free(p12);
	sk_X509_free(more);
	pki_free(&e);
	pki_free(&sub);
	pki_free(&ca);
}

Test(x509, key_of_another_certificate)
{
	struct pki_ent ca = pki_ca("CA", "P-256", NULL), other = pki_ca("other", "P-256", NULL);
	size_t len;
	char *pem = pki_pem(&ca, NULL, &len);
	struct cred *c;
	struct pkey *k;

	cr_assert_eq(cred_load((uint8_t *)pem, len, NULL, &c), 0);
	cr_assert_eq(load_key(other.key, NULL, NULL, NULL, &k), 0);
	cr_expect(!cred_take_key(c, k));
	cr_expect(!cred_has_key(c));
	pkey_drop(k);
	cred_unref(c);
	cr_expect_eq(cred_load((uint8_t *)pem, len - 30, NULL, &c), -EBADMSG);
	free(pem);
	pki_free(&ca);
	pki_free(&other);
}

Test(x509, leads_to)
{
	struct pki_ent ca = pki_ca("CA", "P-256", NULL), sub = pki_ca("sub", "P-256", &ca);
	struct pki_ent e = pki_end("e", "P-256", &sub, "DNS:e.example");
	struct trust *t = pki_trust(CRL_OFF, &ca, NULL), *ts = pki_trust(CRL_OFF, &sub, NULL);
	struct cred *c = pki_cred(&e, &sub);
	uint8_t ids[3 * CERT_KEY_ID_OCTETS] = { 0 };

	cr_expect(!cred_leads_to(c, t, ids, 3));
	cr_expect(!cred_leads_to(c, t, ids, 0));
	memcpy(ids + 2 * CERT_KEY_ID_OCTETS, trust_key_id(t, 0), CERT_KEY_ID_OCTETS);
	cr_expect(cred_leads_to(c, t, ids, 3));
	cr_expect(!cred_leads_to(c, t, ids, 2));
	cr_expect(!cred_leads_to(c, NULL, ids, 3));
	memcpy(ids, trust_key_id(ts, 0), CERT_KEY_ID_OCTETS);
	cr_expect(cred_leads_to(c, NULL, ids, 1)); /* the intermediate that goes along */
	trust_unref(t);
	trust_unref(ts);
	cred_unref(c);
	pki_free(&e);
	pki_free(&sub);
	pki_free(&ca);
}

/* ---- trust ---- */

Test(x509, what_can_be_trusted)
{
	struct pki_ent ca = pki_ca("CA", "P-256", NULL);
	struct pki_ent e = pki_end("e", "P-256", &ca, "DNS:e.example");
	struct trust *t = trust_new(CRL_OFF);
	size_t len;
	char *pem = pki_pem(&e, NULL, &len);

	cr_expect_eq(trust_add_cas(t, (uint8_t *)pem, len), -EINVAL);
	free(pem);
	pem = pki_pem(&ca, &e, &len);
	cr_expect_eq(trust_add_cas(t, (uint8_t *)pem, len), -EINVAL);
	cr_expect_eq(trust_add_crls(t, (uint8_t *)pem, len), -EBADMSG);
	cr_expect_eq(trust_add_cas(t, (const uint8_t *)"nothing", 7), -EBADMSG);
	cr_expect_eq(trust_add_cas(t, (const uint8_t *)"", 0), -EBADMSG);
	cr_expect_eq(trust_crls(t), 0);
	free(pem);
	trust_unref(t);
	pki_free(&e);
	pki_free(&ca);
}

/* An attacker's chain with a loop or with many of the same name costs little and ends. */
Test(x509, chains_that_lead_nowhere)
{
	struct pki_ent ca = pki_ca("CA", "P-256", NULL), x = pki_ca("X", "P-256", NULL);
	struct pki_ent y = pki_ca("Y", "P-256", &x);
	struct pki_ent loop =
		pki_make(&(struct pki_spec){ .cn = "X",
					     .key = "P-256",
					     .ca = &y,
					     .exts = { { "basicConstraints", "CA:TRUE" } } });
	struct pki_ent e = pki_end("e", "P-256", &loop, "DNS:e.example");
	struct chunk more[CERT_CHAIN_MAX + 4], a = pki_der(&loop), b = pki_der(&y);
	struct trust *t = pki_trust(CRL_STRICT, &ca, NULL);
	char why[CERT_WHY_MAX] = "";
	struct cert *c = pki_cert(&e);

	for (size_t i = 0; i < CERT_CHAIN_MAX + 4; i++)
		more[i] = i % 2 ? a : b;
	cr_expect_eq(trust_verify(t, c, more, CERT_CHAIN_MAX + 4, PKI_NOW, why), -EKEYREJECTED);
	cr_expect(strstr(why, "certificate \""), "%s", why);
	free((void *)a.p);
	free((void *)b.p);
	cert_free(c);
	trust_unref(t);
	pki_free(&e);
	pki_free(&loop);
	pki_free(&y);
	pki_free(&x);
	pki_free(&ca);
}

/* What the peer sends besides its certificate is in DER and ends where it ends, too. [VUL-6] */
Test(x509, intermediate_with_something_behind_it)
{
	struct pki_ent ca = pki_ca("CA", "P-256", NULL), sub = pki_ca("sub", "P-256", &ca);
	struct pki_ent e = pki_end("e", "P-256", &sub, "DNS:e.example");
	struct trust *t = pki_trust(CRL_IFPRESENT, &ca, NULL);
	struct chunk der = pki_der(&sub), longer = { NULL, der.len + 3 };
	uint8_t *p = calloc(1, longer.len);
	char why[CERT_WHY_MAX] = "";
	struct cert *c = pki_cert(&e);

	memcpy(p, der.p, der.len);
	longer.p = p;
	cr_expect_eq(trust_verify(t, c, &der, 1, PKI_NOW, why), 0, "%s", why);
	cr_expect_eq(trust_verify(t, c, &longer, 1, PKI_NOW, why), -EKEYREJECTED);
	free(p);
	free((void *)der.p);
	cert_free(c);
	trust_unref(t);
	pki_free(&e);
	pki_free(&sub);
	pki_free(&ca);
}
