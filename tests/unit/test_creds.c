/* SPDX-License-Identifier: GPL-2.0-only */
/* Configuration of keys and certificates: what is taken, and each mistake at its line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <openssl/pem.h>

#include "crypto/auth.h"
#include "ikemsg/ikemsg.h"
#include "../lib/conf_dir.h"
#include "../lib/pki.h"

static struct pki_ent ca, end;

static void put_cert(const char *name, const struct pki_ent *e)
{
	size_t len;
	char *pem = pki_pem(e, NULL, &len);

	put(name, 0644, pem, len);
	free(pem);
}

static void put_key(const char *name, mode_t mode, EVP_PKEY *k)
{
	size_t len;
	char *pem = pki_key_pem(k, &len);

	put(name, mode, pem, len);
	free(pem);
}

static void setup(void)
{
	dir_enter();
	cr_assert_eq(mkdir("pki", 0700), 0);
	ca = pki_ca("CA", "P-256", NULL);
	end = pki_end("gw", "P-256", &ca, "DNS:gw.example.org");
	put_cert("pki/ca.pem", &ca);
	put_cert("pki/gw.pem", &end);
	put_key("pki/gw.key", 0600, end.key);
}

static void teardown(void)
{
	pki_free(&ca);
	pki_free(&end);
	dir_leave();
}

TestSuite(creds, .init = setup, .fini = teardown, .timeout = 60);

#define HEAD	"uplink \"u\" { interface = eth0 }\nconnection \"c\" {\n"
#define LOCAL	"local { auth = pubkey id = gw.example.org certs = { \"pki/gw.pem\" } }\n"
#define REMOTE	"remote { auth = pubkey id = \"*.example.org\" cacerts = { \"pki/ca.pem\" } }\n"
#define TAIL	"child \"net\" { }\n}\n"
#define PRIVATE "private \"k\" { file = \"pki/gw.key\" }\n"

static struct conf *load_mode(const char *text, mode_t mode)
{
	struct conf *c = NULL;
	char file[128];

	put("braid.conf", mode, text, strlen(text));
	snprintf(file, sizeof(file), "%s/braid.conf", dir);
	/* names are relative to the file, not to where we are */
	cr_assert_eq(chdir("/"), 0);
	error[0] = '\0';
	conf_load(file, &c, error);
	cr_assert_eq(chdir(dir), 0);
	return c;
}

static void refused(const char *text, int line, const char *why)
{
	struct conf *c = load_mode(text, 0600);
	char at[160];

	cr_assert(!c, "taken:\n%s", text);
	snprintf(at, sizeof(at), "%s/braid.conf:%d: ", dir, line);
	cr_expect(strstr(error, at), "no %s in %s", at, error);
	cr_expect(strstr(error, why), "no \"%s\" in %s", why, error);
}

Test(creds, both_sides)
{
	struct conf *c = load_mode(HEAD LOCAL REMOTE TAIL PRIVATE, 0644);
	const struct ike_conn_cfg *k;

	cr_assert(c, "%s", error);
	k = &c->ike.conns[0];
	cr_expect_eq(k->local_auth, AUTH_BY_PUBKEY);
	cr_expect_eq(k->remote_auth, AUTH_BY_PUBKEY);
	cr_expect_eq(k->n_creds, 1);
	cr_expect(cred_has_key(k->creds[0]));
	cr_expect_eq(trust_count(k->trust), 1);
	cr_expect_eq(k->psk.len, 0);
	cr_expect(ike_id_is_pattern(&k->remote_id));
	conf_free(c);
}

Test(creds, subject_is_the_default_id)
{
	struct conf *c = load_mode(
		HEAD "local { auth = pubkey certs = { \"pki/gw.pem\" } }\n" REMOTE TAIL PRIVATE,
		0600);
	const struct ike_id *id;
	char text[128];

	cr_assert(c, "%s", error);
	id = &c->ike.conns[0].local_id;
	cr_expect_eq(id->type, ID_DER_ASN1_DN);
	cr_expect_str_eq(dn_format(id->data, id->len, text, sizeof(text)), "O=braid test, CN=gw");
	conf_free(c);
}

/* A subject becomes our identity up to 1,024 octets; a longer one needs another. */
Test(creds, long_subjects)
{
	struct conf *c = NULL;

	for (unsigned ous = 12; ous <= 20; ous += 8) {
		struct pki_ent e = pki_make(&(struct pki_spec){
			.cn = "gw",
			.key = "P-256",
			.ca = &ca,
			.ous = ous,
			.exts = { { "subjectAltName", "DNS:gw.example.org" } } });

		put_cert("pki/gw.pem", &e);
		put_key("pki/gw.key", 0600, e.key);
		pki_free(&e);
		if (ous < 16) {
			c = load_mode(
				HEAD
				"local { auth = pubkey certs = { \"pki/gw.pem\" } }\n" REMOTE TAIL
					PRIVATE,
				0600);
			cr_assert(c, "%s", error);
			cr_expect_gt(c->ike.conns[0].local_id.len, 800);
			conf_free(c);
		}
	}
	refused(HEAD "local { auth = pubkey certs = { \"pki/gw.pem\" } }\n" REMOTE TAIL PRIVATE, 3,
		"without a subject of at most 1024 octets to be our id, expected id = one of its "
		"names");
	c = load_mode(HEAD LOCAL REMOTE TAIL PRIVATE, 0600);
	cr_assert(c, "%s", error);
	conf_free(c);
}

Test(creds, kinds_of_keys)
{
	enum { S256 = 1 << SIG_HASH_SHA2_256, S384 = 1 << SIG_HASH_SHA2_384 };
	static const struct {
		const char *word;
		uint8_t types;
		uint16_t bits;
		uint32_t rule;
	} cases[] = {
		{ "pubkey", 0, 0, 0 },
		{ "pubkey-sha256-sha384", 0, 0, S256 | S384 },
		{ "rsa", 1 << KEY_RSA, 0, 0 },
		{ "rsa-3072", 1 << KEY_RSA, 3072, 0 },
		{ "rsa-sha256", 1 << KEY_RSA, 0, SIG_RULE_PKCS1 | S256 },
		{ "rsa-sha2_256", 1 << KEY_RSA, 0, SIG_RULE_PKCS1 | S256 },
		{ "rsa-3072-sha384", 1 << KEY_RSA, 3072, SIG_RULE_PKCS1 | S384 },
		{ "rsa/pss", 1 << KEY_RSA, 0, SIG_RULE_PSS },
		{ "rsa/pss-sha2_256", 1 << KEY_RSA, 0, SIG_RULE_PSS | S256 },
		{ "rsa/pss-2048-sha512", 1 << KEY_RSA, 2048,
		  SIG_RULE_PSS | 1 << SIG_HASH_SHA2_512 },
		{ "ecdsa", 1 << KEY_ECDSA, 0, 0 },
		{ "ecdsa-384", 1 << KEY_ECDSA, 384, 0 },
		{ "ecdsa-256-sha384", 1 << KEY_ECDSA, 256, S384 },
		{ "ed25519", 1 << KEY_ED25519, 0, 0 },
		{ "ed448", 1 << KEY_ED448, 0, 0 },
	};
	static const char *const wrong[] = {
		"rsa-",	    "rsa-x",	 "rsa-99999", "rsa-3072-3072", "rsa-sha256-3072",
		"rsa-sha1", "rsa/pkcs1", "pubkey-3",  "ed25519-1",     "ed25519-sha256",
		"dsa",	    "rsa--",	 "rsa-3072x", "rsa-sha25",     "psk-sha256",
	};
	char text[512];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct conf *c;

		snprintf(text, sizeof(text),
			 HEAD LOCAL
			 "remote { auth = \"%s\" cacerts = { \"pki/ca.pem\" } }\n" TAIL PRIVATE,
			 cases[i].word);
		c = load_mode(text, 0600);
		cr_assert(c, "%s", error);
		cr_expect_eq(c->ike.conns[0].key_types, cases[i].types);
		cr_expect_eq(c->ike.conns[0].key_bits_min, cases[i].bits);
		cr_expect_eq(c->ike.conns[0].verify_rule, cases[i].rule, "%s: %x", cases[i].word,
			     c->ike.conns[0].verify_rule);
		cr_expect_eq(c->ike.conns[0].sign_rule, 0);
		conf_free(c);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		snprintf(text, sizeof(text),
			 HEAD LOCAL
			 "remote { auth = \"%s\" cacerts = { \"pki/ca.pem\" } }\n" TAIL PRIVATE,
			 wrong[i]);
		refused(text, 4, "expected psk, pubkey, rsa");
	}
}

/* The same words for us: our keys must be such. */
Test(creds, kinds_of_keys_of_ours)
{
	struct conf *c = load_mode(
		HEAD "local { auth = ecdsa-256-sha384 id = gw.example.org certs = { \"pki/gw.pem\" "
		     "} }\n" REMOTE TAIL PRIVATE,
		0600);

	cr_assert(c, "%s", error);
	cr_expect_eq(c->ike.conns[0].sign_rule, 1 << SIG_HASH_SHA2_384);
	conf_free(c);
	refused(HEAD "local { auth = rsa-sha256 id = gw.example.org certs = { \"pki/gw.pem\" } "
		     "}\n" REMOTE TAIL PRIVATE,
		3,
		"found certificate \"pki/gw.pem\" with a key ECDSA P-256, expected auth = "
		"rsa-sha256");
	refused(HEAD
		"local { auth = ecdsa-384 id = gw.example.org certs = { \"pki/gw.pem\" } }\n" REMOTE
			TAIL PRIVATE,
		3, "expected auth = ecdsa-384");
}

/* Certificates the peer may have: below a CA, or without any. */
Test(creds, pinned_certificates)
{
	struct conf *c;

	c = load_mode(HEAD LOCAL
		      "remote { auth = pubkey certs = { \"pki/gw.pem\" } }\n" TAIL PRIVATE,
		      0600);
	cr_assert(c, "%s", error);
	cr_expect_eq(trust_pins(c->ike.conns[0].trust), 1);
	cr_expect_eq(trust_count(c->ike.conns[0].trust), 0);
	conf_free(c);
	refused(HEAD LOCAL "remote { auth = pubkey certs = { \"pki/gw.key\" } }\n" TAIL PRIVATE, 4,
		"found no certificate in \"pki/gw.key\"");
	/* a directory that is empty does not make the condition go away */
	refused(HEAD LOCAL "remote { auth = pubkey cacerts = { \"pki/ca.pem\" }\n"
			   "certs = { \"pki/pins/*.pem\" } }\n" TAIL PRIVATE,
		5, "found no file of \"pki/pins/*.pem\", expected certs to name at least one");
	refused(HEAD LOCAL "remote { auth = pubkey certs = { \"pki/gw.pem\" }\n"
			   "cacerts = { \"pki/cas/*.pem\" } }\n" TAIL PRIVATE,
		5, "found no file of \"pki/cas/*.pem\", expected cacerts to name at least one");
	refused(HEAD LOCAL "remote { certs = { \"pki/gw.pem\" } }\n" TAIL PRIVATE, 4,
		"found certs for a peer that uses a secret");
}

Test(creds, crl_policies)
{
	X509_CRL *crl = pki_crl(&ca, 3, 0);
	FILE *f = fopen("pki/ca.crl", "w");
	struct conf *c;

	PEM_write_X509_CRL(f, crl);
	fclose(f);
	X509_CRL_free(crl);
	c = load_mode(HEAD LOCAL "remote { auth = pubkey cacerts = { \"pki/ca.pem\" }\n"
				 "crls = { \"pki/ca.crl\" } revocation = strict }\n" TAIL PRIVATE,
		      0600);
	cr_assert(c, "%s", error);
	cr_expect_eq(trust_crls(c->ike.conns[0].trust), 1);
	conf_free(c);
	refused(HEAD LOCAL
		"remote { auth = pubkey cacerts = { \"pki/ca.pem\" }\nrevocation = maybe }\n" TAIL
			PRIVATE,
		5, "expected off, relaxed, ifuri or strict");
	refused(HEAD LOCAL "remote { auth = pubkey cacerts = { \"pki/ca.pem\" }\n"
			   "crls = { \"pki/ca.pem\" } }\n" TAIL PRIVATE,
		5, "found no CRL in \"pki/ca.pem\"");
}

/* What a pattern finds and cannot be named is not left out: it may be a list that revokes. */
Test(creds, a_found_name_that_is_too_long)
{
	char name[512] = "pki/", part[201];

	memset(part, 'x', 200);
	part[200] = '\0';
	for (int i = 0; i < 2; i++) {
		strcat(name, part);
		cr_assert_eq(mkdir(name, 0700), 0);
		strcat(name, "/");
	}
	strcat(name, part + 120);
	put(name, 0644, "x", 1);
	refused(HEAD LOCAL "remote { auth = pubkey cacerts = { \"pki/ca.pem\" }\n"
			   "crls = { \"pki/x*/x*/x*\" } }\n" TAIL PRIVATE,
		5, "found a file name of ");
}

static void put_ocsp(const char *name, const struct pki_ocsp_spec *spec)
{
	struct chunk der = pki_ocsp(spec);

	put(name, 0644, der.p, der.len);
	free((void *)der.p);
}

/* Of the peer and of ours; names may be patterns, of which a cache may have none. */
Test(creds, ocsp_responses)
{
	static const char both[] =
		HEAD "local { auth = pubkey id = gw.example.org certs = { \"pki/gw.pem\" }\n"
		     "ocsp = { \"pki/*.ocsp\" } }\n"
		     "remote { auth = pubkey cacerts = { \"pki/ca.pem\" }\n"
		     "ocsp = { \"pki/*.ocsp\", \"none/*\" } revocation = ifuri }\n" TAIL PRIVATE;
	struct chunk out[CERT_CHAIN_MAX];
	struct cred_ocsp_info info;
	struct conf *c;

	c = load_mode(both, 0600);
	cr_assert(c, "%s", error);
	cred_ocsp_look(c->ike.conns[0].creds[0], 0, NULL, PKI_NOW, &info);
	cr_expect(info.state == CRED_OCSP_NONE && info.responses == 0);
	conf_free(c);
	put_ocsp("pki/gw.ocsp", &(struct pki_ocsp_spec){ .about = &end, .issuer = &ca });
	put_ocsp("pki/gw-2.ocsp", &(struct pki_ocsp_spec){ .about = &end, .issuer = &ca });
	c = load_mode(both, 0600);
	cr_assert(c, "%s", error);
	cr_expect_eq(cred_ocsp(c->ike.conns[0].creds[0], PKI_NOW, out), 2);
	cred_ocsp_look(c->ike.conns[0].creds[0], 0, NULL, PKI_NOW, &info);
	cr_expect(info.state == CRED_OCSP_GOOD && info.responses == 2);
	cr_expect_eq(trust_responses(c->ike.conns[0].trust), 2);
	cr_expect(c->ike.conns[0].ocsp_reply && !c->ike.conns[0].ocsp_request);
	conf_free(c);
	put("pki/bad.ocsp", 0644, "x", 1);
	refused(both, 4, "/pki/bad.ocsp\", expected one in DER");
	refused(HEAD LOCAL "remote { auth = pubkey cacerts = { \"pki/ca.pem\" }\n"
			   "ocsp = { \"pki/none.ocsp\" } }\n" TAIL PRIVATE,
		5, "No such file");
	refused(HEAD LOCAL "remote { auth = pubkey cacerts = { \"pki/ca.pem\" }\n"
			   "ocsp = { \"pki/ca.pem\" } }\n" TAIL PRIVATE,
		5, "found no successful OCSP response in \"pki/ca.pem\"");
	refused(HEAD "local { id = a ocsp = { \"pki/gw.ocsp\" } }\n" REMOTE TAIL PRIVATE, 3,
		"found ocsp of a side that uses a secret");
	refused(HEAD LOCAL "remote { ocsp = { \"pki/gw.ocsp\" } }\n" TAIL PRIVATE, 4,
		"found ocsp for a peer that uses a secret");
}

Test(creds, ocsp_exchange)
{
	static const struct {
		const char *word;
		bool request, reply;
	} cases[] = { { "reply", false, true },
		      { "request", true, false },
		      { "both", true, true },
		      { "never", false, false } };
	char text[512];

	for (size_t i = 0; i < 4; i++) {
		struct conf *c;

		snprintf(text, sizeof(text), HEAD "ocsp = %s\n" LOCAL REMOTE TAIL PRIVATE,
			 cases[i].word);
		c = load_mode(text, 0600);
		cr_assert(c, "%s", error);
		cr_expect_eq(c->ike.conns[0].ocsp_request, cases[i].request);
		cr_expect_eq(c->ike.conns[0].ocsp_reply, cases[i].reply);
		conf_free(c);
	}
	refused(HEAD "ocsp = always\n" LOCAL REMOTE TAIL PRIVATE, 3,
		"expected reply, request, both or never");
}

Test(creds, encrypted_key_and_pkcs12)
{
	FILE *f = fopen("pki/gw.key", "w");
	struct conf *c;

	PEM_write_PKCS8PrivateKey(f, end.key, EVP_aes_256_cbc(), "sesame", 6, NULL, NULL);
	fclose(f);
	cr_assert_eq(chmod("pki/gw.key", 0600), 0);
	c = load_mode(HEAD LOCAL REMOTE TAIL
		      "private \"k\" { file = \"pki/gw.key\" secret = sesame }\n",
		      0600);
	cr_assert(c, "%s", error);
	conf_free(c);
	refused(HEAD LOCAL REMOTE TAIL PRIVATE, 7,
		"which is encrypted, expected secret = its passphrase");
	refused(HEAD LOCAL REMOTE TAIL "private \"k\" { file = \"pki/gw.key\" secret = other }\n",
		7, "which is encrypted, expected its secret to be right");
	if (system("cd pki && openssl pkcs12 -export -in gw.pem -inkey gw.key -passin pass:sesame "
		   "-passout pass:word -certfile ca.pem -out gw.p12 2>/dev/null && chmod 600 "
		   "gw.p12"))
		return; /* no openssl program here */
	c = load_mode(
		HEAD
		"local { auth = pubkey id = gw.example.org certs = { \"pki/gw.p12\" } }\n" REMOTE
			TAIL "private \"k\" { file = \"pki/gw.p12\" secret = word }\n",
		0600);
	cr_assert(c, "%s", error);
	cr_expect_eq(cred_count(c->ike.conns[0].creds[0]), 1);
	conf_free(c);
	refused(HEAD
		"local { auth = pubkey id = gw.example.org certs = { \"pki/gw.p12\" } }\n" REMOTE
			TAIL "private \"k\" { file = \"pki/gw.p12\" secret = sesame }\n",
		7, "expected its secret to be right");
}

Test(creds, modes)
{
	put_key("pki/gw.key", 0640, end.key);
	refused(HEAD LOCAL REMOTE TAIL PRIVATE, 7,
		"found a private key in a file of mode 0640, expected one that only its owner can "
		"read: chmod 0600");
	put_key("pki/gw.key", 0600, end.key);
	cr_assert(!load_mode(HEAD LOCAL REMOTE TAIL
			     "private \"k\" { file = \"pki/gw.key\" secret = sesame }\n",
			     0644));
	cr_expect(strstr(error, "found a secret in a file of mode 0644"), "%s", error);
}

#define TOKEN "token \"t\" { module = \"/nonexistent.so\" handle = 01 pin = 1234 }\n"

/* What is wrong before any token is asked. With one: tests/netns/test_token.sh. */
Test(creds, tokens)
{
	refused(HEAD LOCAL REMOTE TAIL "token \"t\" { handle = 01 pin = 1234 }\n", 7,
		"found token \"t\" without module");
	refused(HEAD LOCAL REMOTE TAIL "token \"t\" { module = \"/x.so\" pin = 1234 }\n", 7,
		"found token \"t\" without handle");
	refused(HEAD LOCAL REMOTE TAIL "token \"t\" { module = \"/x.so\" handle = 01 }\n", 7,
		"found token \"t\" without pin");
	refused(HEAD LOCAL REMOTE TAIL "token \"t\" { module = x.so handle = 01 pin = 1234 }\n", 7,
		"expected its full path");
	refused(HEAD LOCAL REMOTE TAIL
		"token \"t\" { module = \"/x.so\" handle = 01g pin = 1234 }\n",
		7, "expected the key's CKA_ID in hex digits");
	refused(HEAD LOCAL REMOTE TAIL
		"token \"t\" { module = \"/x.so\" slot = x handle = 01 pin = 1234 }\n",
		7, "found \"x\"");
	cr_assert(!load_mode(HEAD LOCAL REMOTE TAIL TOKEN, 0640));
	cr_expect(strstr(error,
			 "found a pin in a file of mode 0640, expected one that only its owner "
			 "can read: chmod 0600"),
		  "%s", error);
	/* no such module, or no engine to load it */
	refused(HEAD LOCAL REMOTE TAIL TOKEN, 7, "token \"t\", expected");
}

/* A file of PKCS#12 holds a key. */
Test(creds, mode_of_pkcs12)
{
	if (system("cd pki && openssl pkcs12 -export -in gw.pem -inkey gw.key -passout pass:word "
		   "-out gw.p12 2>/dev/null && chmod 0644 gw.p12"))
		cr_skip("no openssl program here");
	refused(HEAD
		"local { auth = pubkey id = gw.example.org certs = { \"pki/gw.p12\" } }\n" REMOTE
			TAIL "private \"k\" { file = \"pki/gw.p12\" secret = word }\n",
		7, "found a private key in a file of mode 0644");
}

Test(creds, mistakes)
{
	struct pki_ent weak = pki_end("weak", "RSA-1024", &ca, "DNS:gw.example.org");

	put_cert("pki/weak.pem", &weak);
	put_key("pki/weak.key", 0600, weak.key);
	pki_free(&weak);
	refused(HEAD LOCAL REMOTE TAIL, 3,
		"found no private key for certificate \"pki/gw.pem\", expected a section private");
	refused(HEAD "local { auth = pubkey id = gw.example.org }\n" REMOTE TAIL PRIVATE, 3,
		"found local without certs");
	refused(HEAD
		"local { id = gw.example.org certs = { \"pki/gw.pem\" } }\n" REMOTE TAIL PRIVATE,
		3, "expected auth = pubkey");
	refused(HEAD LOCAL "remote { auth = pubkey }\n" TAIL PRIVATE, 4, "without cacerts");
	refused(HEAD LOCAL "remote { cacerts = { \"pki/ca.pem\" } }\n" TAIL PRIVATE, 4,
		"found cacerts for a peer that uses a secret");
	refused(HEAD LOCAL "remote { auth = pubkey cacerts = { \"pki/gw.pem\" } }\n" TAIL PRIVATE,
		4, "that is no CA's");
	refused(HEAD LOCAL "remote { auth = pubkey cacerts = { \"pki/none.pem\" } }\n" TAIL PRIVATE,
		4, "No such file");
	refused(HEAD LOCAL "remote { auth = pubkey cacerts = { \"pki\" } }\n" TAIL PRIVATE, 4,
		"not a regular file");
	refused(HEAD LOCAL "remote { auth = pubkey cacerts = { \"pki/gw.key\" } }\n" TAIL PRIVATE,
		4, "found no certificate in \"pki/gw.key\"");
	refused(HEAD
		"local { auth = pubkey id = other.example.org certs = { \"pki/gw.pem\" } }\n" REMOTE
			TAIL PRIVATE,
		3,
		"found our id, which certificate \"pki/gw.pem\" (O=braid test, CN=gw) does not "
		"have");
	refused(HEAD
		"local { auth = pubkey id = \"*.example.org\" certs = { \"pki/gw.pem\" } }\n" REMOTE
			TAIL PRIVATE,
		3, "expected our own identity");
	refused(HEAD "local { auth = pubkey certs = { \"pki/weak.pem\" } }\n" REMOTE TAIL PRIVATE,
		3,
		"found a key of another kind in \"pki/weak.pem\", expected RSA (2048 to 8192 "
		"bits)");
	refused(HEAD LOCAL REMOTE TAIL PRIVATE "private \"w\" { file = \"pki/weak.key\" }\n", 8,
		"found a key of another kind");
	refused(HEAD LOCAL REMOTE TAIL "private \"k\" { }\n", 7, "without file");
	refused(HEAD LOCAL REMOTE TAIL "private \"k\" { file = \"pki/ca.pem\" }\n", 7,
		"found a private key in a file of mode 0644");
	cr_assert_eq(chmod("pki/ca.pem", 0600), 0);
	refused(HEAD LOCAL REMOTE TAIL "private \"k\" { file = \"pki/ca.pem\" }\n", 7,
		"found no private key in");
	refused(HEAD "local { auth = pubkey id = \"CN=\" certs = { \"pki/gw.pem\" } }\n" REMOTE TAIL
			PRIVATE,
		3, "expected a distinguished name as");
}

/* A secret is still needed where one side uses it. */
Test(creds, one_side_with_a_secret)
{
	struct conf *c;

	refused(HEAD LOCAL TAIL PRIVATE, 2, "found no secret for connection");
	c = load_mode(HEAD LOCAL TAIL PRIVATE "secret \"s\" { secret = xyzzy }\n", 0600);
	cr_assert(c, "%s", error);
	cr_expect_eq(c->ike.conns[0].remote_auth, AUTH_BY_PSK);
	cr_expect_eq(c->ike.conns[0].psk.len, 5);
	conf_free(c);
}

/* A thousand connections of one CA are one set of CAs, and one key of ours. */
Test(creds, read_once)
{
	static const char second[] =
		"connection \"d\" {\n" LOCAL REMOTE TAIL "connection \"e\" {\n" LOCAL
		"remote { auth = pubkey cacerts = { \"pki/ca.pem\" } revocation = off }\n" TAIL;
	char text[2048];
	struct conf *c;

	snprintf(text, sizeof(text), "%s%s%s", HEAD LOCAL REMOTE TAIL, second, PRIVATE);
	c = load_mode(text, 0600);
	cr_assert(c, "%s", error);
	cr_expect_eq(c->ike.conns[0].creds[0], c->ike.conns[1].creds[0]);
	cr_expect_eq(c->ike.conns[0].trust, c->ike.conns[1].trust);
	cr_expect_eq(c->ike.conns[0].creds[0], c->ike.conns[2].creds[0]);
	cr_expect_neq(c->ike.conns[0].trust, c->ike.conns[2].trust); /* another policy */
	conf_free(c);
}
