/* SPDX-License-Identifier: GPL-2.0-only */
/* What was wrong in other IKE daemons, tried here: the classes that tests/requirements/
 * vulnerabilities.txt lists and that no other test is about. Each test names its class; the
 * CVE ids stand in the list. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include "crypto/alg.h"
#include "crypto/auth.h"
#include "../lib/allocated.h"
#include "../lib/pki.h"
#include "duo_assert.h"

static struct duo *d;
static struct duo_msg m;
static struct ike_msg msg;
static struct ike_hdr auth_hdr;
static unsigned bad_lines;

/* A line is one line: what strangers say cannot make another, or move the cursor. */
static void sink(void *ctx, enum log_level level, const char *line)
{
	(void)ctx, (void)level;
	for (const char *c = line; *c; c++)
		bad_lines += (unsigned char)*c < ' ' || *c == 0x7f;
}

static void setup(void)
{
	d = new_duo();
	bad_lines = 0;
	log_set_level(LOG_DEBUG_);
	log_set_sink(sink, NULL);
}

static void teardown(void)
{
	duo_free(d);
	cr_assert_eq(bad_lines, 0);
}

TestSuite(vulns, .init = setup, .fini = teardown, .timeout = 120);

/* On to message n of the set-up, which is in m and not delivered: 0 IKE_SA_INIT, 2 IKE_AUTH. */
static void until(int n)
{
	cr_assert_eq(duo_again(d, USEC_PER_SEC), 0);
	cr_assert_eq(duo_up(d), 0);
	cr_assert(duo_take(d, &m));
	while (n--) {
		cr_assert_eq(duo_deliver(d, &m), 1);
		cr_assert(duo_take(d, &m));
	}
	auth_hdr = hdr_of(m.buf, m.len);
}

static void read_it(void)
{
	static struct duo_msg plain;

	plain = m;
	cr_assert(duo_open(d, DUO_I, 0, &plain, &msg));
}

/* A chain under the keys of the IKE SA in the making, from either side. Returns what is answered.
 */
static size_t say(uint8_t exchange, uint8_t flags, uint32_t msg_id, const struct msg_wr *w)
{
	struct ike_hdr h = auth_hdr;
	int to = flags & IKE_FLAG_INITIATOR ? DUO_R : DUO_I;
	struct ike_path path = duo_path(to, 4500);
	uint8_t buf[DUO_MSG_MAX];
	size_t n;

	cr_assert_eq(w->w.err, 0);
	h.exchange = exchange;
	h.flags = flags;
	h.msg_id = msg_id;
	n = duo_seal(d, DUO_I, 0, &h, w->first, w->w.base, w->w.len, buf, sizeof(buf));
	cr_assert_gt(n, 0);
	return duo_give(d, to, &path, buf, n);
}

static void nobody_is_in(int who)
{
	cr_assert_eq(duo_count(d, who, "ESTABLISHED"), 0);
	cr_assert_eq(d->e[who].child_adds, 0);
}

/* The rest of an IKE_AUTH request or response as it was, behind what the test puts first. */
static void rest_of_auth(struct msg_wr *w)
{
	msg_put_sa(w, &msg.sa);
	msg_put_ts(w, PLD_TSI, &msg.tsi);
	msg_put_ts(w, PLD_TSR, &msg.tsr);
	msg_end(w);
}

/* ---- signatures and keys ---- */

static EVP_PKEY *rsa_of(const BIGNUM *n, const BIGNUM *e)
{
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM *params;
	EVP_PKEY *k = NULL;

	OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, n);
	OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, e);
	params = OSSL_PARAM_BLD_to_param(b);
	EVP_PKEY_fromdata_init(ctx);
	EVP_PKEY_fromdata(ctx, &k, EVP_PKEY_PUBLIC_KEY, params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	EVP_PKEY_CTX_free(ctx);
	return k;
}

static struct cert *cert_of(EVP_PKEY *k, const struct pki_ent *ca)
{
	struct pki_ent e = pki_make(&(struct pki_spec){
		.cn = "e", .own = k, .ca = ca, .exts = { { "subjectAltName", "DNS:e.example" } } });
	struct chunk der = pki_der(&e);
	struct cert *c;

	cr_assert_eq(cert_parse(der.p, der.len, &c), 0);
	free((void *)der.p);
	pki_free(&e);
	return c;
}

static unsigned tried;

/* A certificate with these numbers has a key for us only where it may. */
static void believed_at_most(const BIGNUM *n, const BIGNUM *e, const struct pki_ent *ca, bool may)
{
	EVP_PKEY *k = rsa_of(n, e);
	struct cert *c;

	cr_expect(k || !may);
	if (!k)
		return; /* OpenSSL makes no such key, not from a certificate either */
	c = cert_of(k, ca);
	cr_expect_eq(cert_key(c) != NULL, may, "modulus of %d bits, exponent %lu", BN_num_bits(n),
		     BN_get_word(e));
	tried++;
	cert_free(c);
	EVP_PKEY_free(k);
}

/* [VUL-4] The control is the same modulus with exponent 3. With exponent 1 the signature is the
 * padded hash itself; a modulus shorter than the padding left less than nothing of it elsewhere. */
Test(vulns, rsa_keys_with_trivial_numbers)
{
	static const char *const exponents[] = { "3", "0", "1", "2", "4", "11111111111111111111" };
	struct pki_ent ca = pki_ca("CA", "P-256", NULL);
	EVP_PKEY *good = pki_key("RSA-2048");
	BIGNUM *n = NULL, *e = NULL;

	cr_assert_eq(EVP_PKEY_get_bn_param(good, OSSL_PKEY_PARAM_RSA_N, &n), 1);
	for (unsigned i = 0; i < 6; i++) {
		cr_assert_gt(BN_hex2bn(&e, exponents[i]), 0);
		believed_at_most(n, e, &ca, i == 0);
	}
	cr_assert_eq(BN_add_word(n, 1) && BN_set_word(e, 3), 1); /* an even modulus */
	believed_at_most(n, e, &ca, false);
	for (unsigned bits = 2; bits < 2048; bits += bits < 64 ? 1 : 31) {
		cr_assert(BN_rand(n, (int)bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD));
		believed_at_most(n, e, &ca, false);
	}
	cr_expect_geq(tried, 60, "%u keys", tried);
	BN_free(n);
	BN_free(e);
	EVP_PKEY_free(good);
	pki_free(&ca);
}

/* [VUL-2] */
Test(vulns, signatures_that_are_no_number_of_that_key)
{
	static const struct chunk text = { "what is signed", 14 };
	struct pki_ent ca = pki_ca("CA", "P-256", NULL);
	EVP_PKEY *rsa = pki_key("RSA-2048");
	struct cert *c = cert_of(rsa, &ca);
	BIGNUM *n = NULL, *x = BN_new();
	uint8_t sig[300];
	const char *how;

	cr_assert_eq(EVP_PKEY_get_bn_param(rsa, OSSL_PKEY_PARAM_RSA_N, &n), 1);
	for (unsigned i = 0; i < 6; i++) {
		BN_copy(x, n);
		if (i < 2)
			BN_set_word(x, i);
		else if (i == 2)
			BN_sub_word(x, 1);
		else if (i == 4)
			BN_add_word(x, 1);
		BN_bn2binpad(x, sig, 256);
		if (i == 5)
			memset(sig, 0xff, sizeof(sig));
		for (size_t len = 0; len <= sizeof(sig); len += len < 250 ? 25 : 1)
			cr_expect_eq(auth_verify(cert_key(c), SIG_RSA, sig, len, &text, 1, &how),
				     -EBADMSG, "case %u, %zu octets", i, len);
	}
	BN_free(n);
	BN_free(x);
	cert_free(c);
	EVP_PKEY_free(rsa);
	pki_free(&ca);
}

/* [VUL-3] The salt length of RFC 7427 A.4.3's identifier by others: negative, of 31 to 64 bits, of
 * no octets; parameters cut off or left out. */
Test(vulns, pss_parameters_of_any_number)
{
	static const uint8_t head[] = { 0x30, 0x41, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7,
					0x0d, 0x01, 0x01, 0x0a, 0x30, 0x34, 0xa0, 0x0f, 0x30,
					0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
					0x04, 0x02, 0x01, 0x05, 0x00, 0xa1, 0x1c, 0x30, 0x1a,
					0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01,
					0x01, 0x08, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48,
					0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00 };
	static const struct chunk salts[] = { { "\xff", 1 },
					      { "\x80\x00\x00\x00", 4 },
					      { "\x7f\xff\xff\xff", 4 },
					      { "\x00\xff\xff\xff\xff", 5 },
					      { "\x7f\xff\xff\xff\xff\xff\xff\xff", 8 },
					      { "\x80\0\0\0\0\0\0\0", 8 },
					      { "", 0 } };
	static const struct chunk text = { "what is signed", 14 };
	struct pki_ent ca = pki_ca("CA", "P-256", NULL);
	EVP_PKEY *rsa = pki_key("RSA-2048");
	struct cert *c = cert_of(rsa, &ca);
	uint8_t auth[400];
	const char *how;

	for (size_t i = 0; i < sizeof(salts) / sizeof(*salts); i++) {
		size_t n = salts[i].len, len = 1 + sizeof(head);

		memset(auth, 0x5a, sizeof(auth));
		memcpy(auth + 1, head, sizeof(head));
		memcpy(auth + len, (uint8_t[]){ 0xa2, (uint8_t)(n + 2), 0x02, (uint8_t)n }, 4);
		memcpy(auth + len + 4, salts[i].p, n);
		len += 4 + n;
		auth[0] = (uint8_t)(len - 1);
		auth[2] = (uint8_t)(len - 3);
		auth[14] = (uint8_t)(len - 15);
		cr_expect_eq(auth_verify(cert_key(c), SIG_DIGITAL, auth, len + 256, &text, 1, &how),
			     -ENOTSUP, "case %zu", i);
	}
	for (size_t cut = 0; cut < sizeof(head); cut++) {
		auth[0] = (uint8_t)cut;
		memcpy(auth + 1, head, cut);
		cr_expect_eq(
			auth_verify(cert_key(c), SIG_DIGITAL, auth, 1 + cut + 256, &text, 1, &how),
			-ENOTSUP, "cut at %zu", cut);
	}
	cert_free(c);
	EVP_PKEY_free(rsa);
	pki_free(&ca);
}

/* ---- certificates ---- */

/* [VUL-8] Where its CRL and its OCSP responder are stands in the certificate; without a CRL here
 * the answer is no, and at once: the core has nothing it could ask with. */
Test(vulns, addresses_in_certificates_are_not_asked)
{
	struct pki_ent ca = pki_ca("CA", "P-256", NULL);
	struct pki_ent e = pki_make(&(struct pki_spec){
		.cn = "e",
		.key = "P-256",
		.ca = &ca,
		.exts = { { "subjectAltName", "DNS:e.example" },
			  { "crlDistributionPoints", "URI:http://192.0.2.1/a.crl" },
			  { "authorityInfoAccess",
			    "OCSP;URI:http://192.0.2.1/,caIssuers;URI:http://192.0.2.1/ca" } } });
	struct trust *strict = pki_trust(CRL_STRICT, &ca, NULL),
		     *off = pki_trust(CRL_OFF, &ca, NULL);
	struct cert *c = cert_of(e.key, &ca), *with = NULL;
	struct chunk der = pki_der(&e);
	char why[CERT_WHY_MAX];

	cr_assert_eq(cert_parse(der.p, der.len, &with), 0);
	cr_expect_eq(trust_verify(off, c, NULL, 0, PKI_NOW, why), 0);
	cr_expect_eq(trust_verify(off, with, NULL, 0, PKI_NOW, why), 0);
	cr_expect_eq(trust_verify(strict, with, NULL, 0, PKI_NOW, why), -EKEYREJECTED);
	cert_free(c);
	cert_free(with);
	trust_unref(strict);
	trust_unref(off);
	free((void *)der.p);
	pki_free(&e);
	pki_free(&ca);
}

/* [VUL-9] One responder and many initiators, each with a certificate of its own: those that came
 * are gone with their IKE SAs. */
Test(vulns, certificates_are_not_kept)
{
	struct pki_ent ca = pki_ca("CA", "P-256", NULL);
	struct duo_side *i = &d->side[DUO_I], *r = &d->side[DUO_R];
	size_t before = 0, after;

	i->conn.local_auth = r->conn.remote_auth = AUTH_BY_PUBKEY;
	i->conn.n_creds = 1;
	r->conn.trust = pki_trust(CRL_OFF, &ca, NULL);
	cr_assert_eq(duo_start(d), 0);
	for (int n = 0; n < 60; n++) {
		struct pki_ent e = pki_end("i", "P-256", &ca, "DNS:i.example");

		ike_free(d->e[DUO_I].ike);
		i->conn.creds[0] = pki_cred(&e, NULL);
		d->e[DUO_I].ike = ike_new(&i->cfg, &d->e[DUO_I].env, d->now);
		cr_assert_not_null(d->e[DUO_I].ike);
		cr_assert_eq(duo_up(d), 0);
		cr_assert(duo_settle(d));
		cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 1, "%s", d->e[DUO_I].failure);
		ike_shutdown(d->e[DUO_R].ike, d->now);
		for (int k = 0; k < 4; k++) {
			duo_wait(d, 10 * USEC_PER_SEC);
			cr_assert(duo_settle(d));
		}
		cr_assert_eq(ike_sa_count(d->e[DUO_R].ike), 0);
		cred_unref(i->conn.creds[0]);
		pki_free(&e);
		after = allocated();
		if (n == 19)
			before = after;
	}
	/* less than a certificate each: malloc counts what it has put aside as used */
	cr_assert_lt(after, before + (size_t)40 * 2048);
	trust_unref(r->conn.trust);
	pki_free(&ca);
}

/* ---- before authentication ---- */

/* [VUL-10] [VUL-11] EAP in place of AUTH, to the responder and to the initiator: Success, a
 * Response, an Identity of no octets, a length that is not there, nothing at all; with the rest of
 * IKE_AUTH or alone. */
Test(vulns, eap_before_authentication)
{
	static const struct chunk eap[] = { { "\3\1\0\4", 4 },
					    { "\2\1\0\5\1", 5 },
					    { "\2\1\0\4", 4 },
					    { "\1\1\xff\xff\x15", 5 },
					    { "", 0 } };
	uint8_t buf[1024];

	for (unsigned i = 0; i < 4 * sizeof(eap) / sizeof(*eap); i++) {
		struct msg_wr w = msg_begin_inner(buf, sizeof(buf));
		bool response = i & 1, alone = i & 2;
		int who = response ? DUO_I : DUO_R;

		until(2 + response);
		read_it();
		if (!alone)
			msg_put_id(&w, response ? PLD_IDR : PLD_IDI, ID_FQDN,
				   response ? "r.example" : "i.example", 9);
		msg_pld_begin(&w, PLD_EAP);
		wr_bytes(&w.w, eap[i / 4].p, eap[i / 4].len);
		msg_pld_end(&w);
		if (alone)
			msg_end(&w);
		else
			rest_of_auth(&w);
		say(IKE_AUTH, response ? IKE_FLAG_RESPONSE : IKE_FLAG_INITIATOR, 1, &w);
		nobody_is_in(who);
		duo_wait(d, 60 * USEC_PER_SEC);
		nobody_is_in(who);
	}
}

/* [VUL-25] Flags, versions, names of products: who does not prove who he is stays outside. */
Test(vulns, vendor_ids_of_any_content)
{
	uint8_t buf[DUO_MSG_MAX], vendor[400], auth[512];

	for (unsigned i = 0; i < 3 * 17; i++) {
		size_t len = i / 3 * 25;
		struct msg_wr w = msg_begin_inner(buf, sizeof(buf));

		memset(vendor, (int[]){ 0, 0xff, 4 }[i % 3], sizeof(vendor));
		until(2);
		read_it();
		msg_put_vendor(&w, vendor, len);
		msg_put_id(&w, PLD_IDI, msg.idi.type, msg.idi.data.p, msg.idi.data.len);
		cr_assert_leq(msg.auth.len, sizeof(auth));
		memcpy(auth, msg.auth.p, msg.auth.len);
		auth[0] ^= 1;
		msg_put_auth(&w, msg.auth_method, auth, msg.auth.len);
		msg_put_vendor(&w, vendor, len);
		rest_of_auth(&w);
		cr_assert_eq(say(IKE_AUTH, IKE_FLAG_INITIATOR, 1, &w), 1);
		nobody_is_in(DUO_R);
	}
}

/* A stranger's IKE_AUTH that leads nowhere. */
static void put_nonsense(struct msg_wr *w, unsigned kind)
{
	static uint8_t long_one[1500];

	switch (kind) {
	case 0:
		msg_put_id(w, PLD_IDI, ID_FQDN, "i.example", 9);
		msg_put_auth(w, AUTH_SHARED_KEY_MIC, long_one, 32);
		break;
	case 1:
		msg_put_id(w, PLD_IDI, ID_FQDN, "i.example", 9);
		for (int i = 0; i < 4; i++)
			msg_put_cert(w, PLD_CERT, 4, long_one, 300);
		msg_put_auth(w, AUTH_DIGITAL_SIG, long_one, 256);
		break;
	case 2:
		for (unsigned i = 0; i < 30; i++)
			msg_put_notify(w, 0, NULL, 0, (uint16_t)(i * 1000), long_one, 20);
		break;
	case 3:
		msg_pld_begin(w, PLD_CP);
		wr_bytes(&w->w, long_one, 3);
		msg_pld_end(w);
		break;
	case 4:
		msg_put_nonce(w, long_one, 16);
		msg_put_nonce(w, long_one, 16);
		break;
	case 5:
		msg_put_id(w, PLD_IDI, ID_KEY_ID, long_one, 900);
		msg_put_auth(w, AUTH_SHARED_KEY_MIC, long_one, 32);
		break;
	}
	if (kind < 2 || kind == 5)
		rest_of_auth(w);
	else
		msg_end(w);
}

/* [VUL-26] By the hundred, IKE_SA_INIT with something changed and IKE_AUTH that is nonsense: when
 * the half-open IKE SAs are over, nothing is left of them. */
Test(vulns, what_is_refused_leaves_no_memory)
{
	enum { ROUNDS = 600, WARM = 240, CHANGES = 20, NONSENSE = 6 };
	uint8_t buf[DUO_MSG_MAX];
	size_t before = 0, after = 0;

	d->side[DUO_R].cfg.cookie_threshold = 1000;
	cr_assert_eq(duo_start(d), 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct duo_side *i = &d->side[DUO_I];
		struct msg_wr w = msg_begin_inner(buf, sizeof(buf));
		struct duo_msg right;

		ike_free(d->e[DUO_I].ike);
		d->e[DUO_I].ike = ike_new(&i->cfg, &d->e[DUO_I].env, d->now);
		cr_assert_not_null(d->e[DUO_I].ike);
		cr_assert_eq(duo_up(d), 0);
		cr_assert(duo_take(d, &m));
		right = m;
		for (unsigned k = 0; k < CHANGES; k++) {
			m = right;
			m.buf[8 * (k % 2) + (k * 7 + round) % (m.len - 8)] ^=
				(uint8_t)(1u << k % 8);
			duo_deliver(d, &m);
		}
		d->n = 0;
		cr_assert_geq(duo_deliver(d, &right), 1);
		cr_assert(duo_take(d, &m));
		cr_assert_eq(duo_deliver(d, &m), 1);
		cr_assert(duo_take(d, &m));
		auth_hdr = hdr_of(m.buf, m.len);
		read_it();
		put_nonsense(&w, round % NONSENSE);
		cr_assert_eq(say(IKE_AUTH, IKE_FLAG_INITIATOR, 1, &w), 1);
		d->n = 0;
		nobody_is_in(DUO_R);
		for (int k = 0; k < 4; k++) {
			duo_wait(d, 31 * USEC_PER_SEC);
			d->n = 0;
		}
		cr_assert_eq(ike_sa_count(d->e[DUO_R].ike), 0);
		after = allocated();
		if (round == WARM)
			before = after;
	}
	/* 60 of each kind, and malloc counts what it has put aside as used */
	cr_assert_leq(after, before + 6000, "%zu octets are kept", after - before);
}

/* [VUL-12] Who did the key exchange has keys, and no rights: to delete, to rekey, to add a Child SA
 * or an address, with the Message ID of IKE_AUTH or another one. Afterwards IKE_AUTH still works.
 */
Test(vulns, action_before_authentication)
{
	static const uint8_t exchanges[] = { INFORMATIONAL, CREATE_CHILD_SA, 38, 43, 255 };
	uint32_t spi = 0xc1000001;
	uint8_t buf[1024];

	for (unsigned i = 0; i < sizeof(exchanges) * 4; i++) {
		struct msg_wr w = msg_begin_inner(buf, sizeof(buf));

		until(2);
		read_it();
		switch (i % 4) {
		case 0:
			msg_put_delete_ike(&w);
			break;
		case 1:
			msg_put_delete_spis(&w, PROTO_ESP, &spi, 1);
			break;
		case 2:
			msg_put_notify(&w, 0, NULL, 0, N_UPDATE_SA_ADDRESSES, NULL, 0);
			break;
		case 3:
			msg_put_nonce(&w, "0123456789abcdef", 16);
			rest_of_auth(&w);
			break;
		}
		if (i % 4 != 3)
			msg_end(&w);
		for (uint32_t id = 0; id < 3; id++) {
			say(exchanges[i / 4], IKE_FLAG_INITIATOR, id, &w);
			nobody_is_in(DUO_R);
			cr_assert_eq(d->e[DUO_R].spis, 0);
			cr_assert_eq(duo_counters(d, DUO_R).half_open, 1, "%u", i);
		}
		d->n = 0;
		duo_deliver(d, &m);
		cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 1);
	}
}

/* [VUL-21] From no octet to all that fits into a message, of every type; behind it a right AUTH for
 * another identity. */
Test(vulns, identities_of_any_length)
{
	static const uint8_t types[] = { ID_IPV4_ADDR,	 ID_FQDN, ID_RFC822_ADDR, ID_IPV6_ADDR,
					 ID_DER_ASN1_DN, 10,	  ID_KEY_ID,	  255 };
	static uint8_t buf[DUO_MSG_MAX], id[3000];

	memset(id, '%', sizeof(id));
	memcpy(id, "\n%s%n\x1b[2J$(reboot)", 19);
	for (size_t i = 0; i < sizeof(types); i++) {
		for (size_t len = 0; len <= sizeof(id); len += len < 20	   ? 1
							       : len < 300 ? 29
									   : 450) {
			struct msg_wr w = msg_begin_inner(buf, sizeof(buf));

			until(2);
			read_it();
			msg_put_id(&w, PLD_IDI, types[i], id, len);
			msg_put_auth(&w, msg.auth_method, msg.auth.p, msg.auth.len);
			rest_of_auth(&w);
			cr_assert_leq(say(IKE_AUTH, IKE_FLAG_INITIATOR, 1, &w), 1);
			nobody_is_in(DUO_R);
		}
	}
}

/* [VUL-15] */
Test(vulns, connection_without_a_secret)
{
	secret_clear(&d->side[DUO_I].conn.psk);
	secret_clear(&d->side[DUO_R].conn.psk);
	for (int again = 0; again < 3; again++) {
		if (duo_again(d, USEC_PER_SEC) || duo_up(d))
			continue; /* not even tried */
		cr_assert(duo_settle(d));
		for (int i = 0; i < 20; i++) {
			duo_wait(d, 5 * USEC_PER_SEC);
			cr_assert(duo_settle(d));
		}
		nobody_is_in(DUO_I);
		nobody_is_in(DUO_R);
	}
}

/* ---- key exchange ---- */

/* IKE_SA_INIT in m with another KE payload. */
static void with_ke(uint16_t group, const uint8_t *ke, size_t len)
{
	static uint8_t buf[DUO_MSG_MAX];
	static struct duo_msg from;
	struct ike_msg in;
	uint8_t critical;
	struct msg_wr w;

	from = m;
	cr_assert_eq(msg_decode(from.buf, from.len, &in, &critical), MSG_OK);
	w = msg_begin(buf, sizeof(buf), &in.hdr);
	msg_put_sa(&w, &in.sa);
	msg_put_ke(&w, group, ke, len);
	msg_put_nonce(&w, in.nonce.p, in.nonce.len);
	m.len = msg_end(&w);
	cr_assert_gt(m.len, 0);
	memcpy(m.buf, buf, m.len);
}

/* [VUL-20] To the responder and to the initiator; nothing is derived from it, and the true message
 * that comes afterwards is heard. */
Test(vulns, key_exchange_values_of_any_length)
{
	static const size_t lens[] = { 0, 1, 31, 33, 56, 64, 255, 256, 512, 513, 2000, 3500, 32 };
	static uint8_t ke[3500]; /* zeros: with the right length a point of low order */

	for (int response = 0; response < 2; response++) {
		for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
			struct duo_msg right;

			until(response);
			right = m;
			with_ke(KE_X25519, ke, lens[i]);
			duo_deliver(d, &m);
			d->n = 0;
			cr_assert_eq(duo_count(d, response ? DUO_I : DUO_R, "AUTH_SENT"), 0);
			cr_assert_eq(duo_counters(d, DUO_R).half_open, response ? 1 : 0,
				     "%zu octets", lens[i]);
			duo_deliver(d, &right);
			cr_assert(duo_settle(d));
			cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 1, "%zu octets", lens[i]);
		}
	}
}

/* [VUL-20] The group of the payload is none of the proposal's, or unknown: INVALID_KE_PAYLOAD with
 * ours, no state. */
Test(vulns, key_exchange_groups_that_nobody_has)
{
	static const uint16_t groups[] = { 0, 1, 2, 5, 14, 22, 24, 33, 255, 1024, 65535 };
	static uint8_t ke[256] = { 9 };

	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
		struct ike_hdr h;

		until(0);
		h = hdr_of(m.buf, m.len);
		with_ke(groups[i], ke, sizeof(ke));
		cr_assert_eq(duo_deliver(d, &m), 1);
		cr_assert(duo_take(d, &m));
		assert_plain_notify(&m, &h, N_INVALID_KE_PAYLOAD);
		cr_assert_eq(duo_counters(d, DUO_R).half_open, 0);
	}
}

/* ---- what is not there ---- */

/* [VUL-16] Main, Aggressive and Quick Mode, Informational, Config Mode and what is above them, with
 * cookies of nobody and with the SPIs of an IKE SA. */
Test(vulns, ikev1_is_not_spoken)
{
	struct ike_sa_info info;
	uint8_t buf[200] = { 0 };
	struct ike_path path = duo_path(DUO_R, 500);

	cr_assert_eq(duo_start(d), 0);
	cr_assert(duo_establish(d));
	cr_assert(ike_sa_at(d->e[DUO_R].ike, 0, &info));
	for (unsigned exchange = 0; exchange < 256; exchange++) {
		for (int known = 0; known < 2; known++) {
			struct ike_hdr h = { .spi_i = known ? info.spi_i : 0x1122334455667788,
					     .spi_r = known ? info.spi_r : exchange % 2,
					     .version = 0x10,
					     .next_payload = (uint8_t)(1 + exchange % 14),
					     .exchange = (uint8_t)exchange,
					     .flags = (uint8_t)exchange,
					     .length = sizeof(buf) };
			struct wr w = wr_init(buf, sizeof(buf));

			ike_hdr_put(&w, &h);
			cr_assert_eq(duo_give(d, DUO_R, &path, buf, sizeof(buf)), 0);
		}
	}
	cr_assert_eq(duo_counters(d, DUO_R).dropped_version, 512);
	cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 1);
	cr_assert_eq(ike_sa_count(d->e[DUO_R].ike), 1);
}

/* [VUL-14] Rekeys of every protocol and length of SPI; Deletes of every protocol, several in one
 * message, behind the one that ends the IKE SA, and once more afterwards. */
Test(vulns, requests_about_what_is_not_there)
{
	uint8_t buf[1024], spi[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	uint32_t msg_id = 2, esp = 0xc1000001;
	struct ike_sa_info info;
	struct ike_child_info child;
	struct msg_wr w;

	until(2);
	read_it();
	struct sa_payload sa = msg.sa;
	struct ts_list tsi = msg.tsi, tsr = msg.tsr;
	duo_deliver(d, &m);
	cr_assert(duo_settle(d));
	cr_assert(ike_sa_at(d->e[DUO_R].ike, 0, &info));
	for (unsigned protocol = 0; protocol < 6; protocol++) {
		for (size_t len = 0; len <= 8; len += 4) {
			w = msg_begin_inner(buf, sizeof(buf));
			msg_put_notify(&w, (uint8_t)protocol, spi, len, N_REKEY_SA, NULL, 0);
			msg_put_sa(&w, &sa);
			msg_put_nonce(&w, "0123456789abcdef", 16);
			msg_put_ts(&w, PLD_TSI, &tsi);
			msg_put_ts(&w, PLD_TSR, &tsr);
			msg_end(&w);
			cr_assert_eq(say(CREATE_CHILD_SA, IKE_FLAG_INITIATOR, msg_id++, &w), 1);
			cr_assert(duo_take(d, &m));
			cr_assert(ike_child_at(d->e[DUO_R].ike, 0, 0, &child));
		}
		w = msg_begin_inner(buf, sizeof(buf));
		msg_put_notify(&w, (uint8_t)protocol, spi, 4, N_INVALID_SPI, NULL, 0);
		msg_put_notify(&w, (uint8_t)protocol, spi, 4, N_CHILD_SA_NOT_FOUND, NULL, 0);
		msg_put_delete_spis(&w, PROTO_AH, &esp, 1);
		msg_put_delete_spis(&w, PROTO_ESP, &esp, 1);
		msg_put_delete_spis(&w, PROTO_ESP, &esp, 1);
		msg_end(&w);
		cr_assert_eq(say(INFORMATIONAL, IKE_FLAG_INITIATOR, msg_id++, &w), 1);
		cr_assert(duo_take(d, &m));
		cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 1);
	}
	for (int i = 0; i < 2; i++) {
		w = msg_begin_inner(buf, sizeof(buf));
		msg_put_delete_ike(&w);
		msg_put_notify(&w, PROTO_ESP, spi, 4, N_INVALID_SPI, NULL, 0);
		msg_put_delete_spis(&w, PROTO_ESP, &esp, 1);
		msg_put_delete_ike(&w);
		msg_end(&w);
		cr_assert_leq(say(INFORMATIONAL, IKE_FLAG_INITIATOR, msg_id++, &w), 1);
	}
	duo_wait(d, 60 * USEC_PER_SEC);
	cr_assert_eq(duo_count(d, DUO_R, "ESTABLISHED"), 0);
}

/* [VUL-18] Error and status types of every kind, with what a shell, a terminal or printf would take
 * for its own, in IKE_SA_INIT's answer and in a peer's request. */
Test(vulns, notifications_that_are_commands)
{
	static const char evil[] = "\n%n%s;$(reboot)`id`\x1b]0;x\x07\r\nbraidd: IKE SA up";
	uint8_t buf[1024];
	struct msg_wr w;

	for (unsigned type = 0; type < 65536; type += type < 60 ? 1 : 4093) {
		struct ike_path path = duo_path(DUO_I, 500);
		struct ike_hdr h;

		until(0);
		h = hdr_of(m.buf, m.len);
		h.flags = IKE_FLAG_RESPONSE;
		w = msg_begin(buf, sizeof(buf), &h);
		msg_put_notify(&w, 0, NULL, 0, (uint16_t)type, evil, sizeof(evil));
		duo_give(d, DUO_I, &path, buf, msg_end(&w));
		nobody_is_in(DUO_I);

		until(2);
		duo_deliver(d, &m);
		cr_assert(duo_settle(d));
		w = msg_begin_inner(buf, sizeof(buf));
		msg_put_notify(&w, 0, NULL, 0, (uint16_t)type, evil, sizeof(evil));
		msg_put_vendor(&w, evil, sizeof(evil));
		msg_end(&w);
		say(INFORMATIONAL, IKE_FLAG_INITIATOR, 2, &w);
		cr_assert(!strpbrk(d->e[DUO_I].failure, "\n\r\x1b\x07"));
	}
}
