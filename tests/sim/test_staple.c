/* SPDX-License-Identifier: GPL-2.0-only */
/* OCSP responses in CERT payloads (RFC 4806): asked for, sent, and what they change. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "../lib/pki.h"
#include "duo_assert.h"

static struct duo *d;
static struct pki_ent ca, end[2];

static void setup(void)
{
	_Static_assert(DUO_REAL == PKI_NOW, "");
	d = new_duo();
	ca = pki_ca("CA", "P-256", NULL);
	for (int who = 0; who < 2; who++) {
		struct ike_conn_cfg *c = &d->side[who].conn;

		end[who] = pki_end("end", "P-256", &ca, who ? "DNS:r.example" : "DNS:i.example");
		c->local_auth = c->remote_auth = AUTH_BY_PUBKEY;
		c->n_creds = 1;
		c->creds[0] = pki_cred(&end[who], NULL);
		c->trust = pki_trust(CRL_STRICT, &ca, NULL);
		c->ocsp_request = c->ocsp_reply = true;
		c->fragmentation = IKE_FRAGMENT_NO;
	}
}

static void teardown(void)
{
	for (int who = 0; who < 2; who++) {
		cred_unref(d->side[who].conn.creds[0]);
		trust_unref(d->side[who].conn.trust);
		pki_free(&end[who]);
	}
	duo_free(d);
	pki_free(&ca);
}

TestSuite(staple, .init = setup, .fini = teardown, .timeout = 60);

/* That side has a response of its own. */
static void has(int who, int status)
{
	struct chunk der = pki_ocsp(&(struct pki_ocsp_spec){
		.about = &end[who], .issuer = &ca, .status = (unsigned)status });

	cr_assert_eq(cred_add_ocsp(d->side[who].conn.creds[0], der.p, der.len), 0);
	free((void *)der.p);
}

static void policy(int who, enum crl_policy p)
{
	trust_unref(d->side[who].conn.trust);
	d->side[who].conn.trust = pki_trust(p, &ca, NULL);
}

static bool up(void)
{
	cr_assert_eq(duo_start(d), 0);
	return duo_establish(d);
}

/* CERT or CERTREQ payloads with OCSP in a message. */
static unsigned count(const struct bytes *b, unsigned n)
{
	unsigned k = 0;
	struct bytes data;

	for (unsigned i = 0; i < n; i++)
		k += msg_cert(b[i], CERT_OCSP_CONTENT, &data);
	return k;
}

/* The IKE_AUTH request on the wire, decrypted, and the two messages before it. */
static unsigned asked[3], stapled[3];

static void watch(void)
{
	static struct ike_msg in;
	static struct duo_msg m, plain;
	uint8_t critical;

	cr_assert_eq(duo_start(d), 0);
	cr_assert_eq(duo_up(d), 0);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert(duo_take(d, &m));
		plain = m;
		if (i < 2)
			cr_assert_eq(msg_decode(plain.buf, plain.len, &in, &critical), MSG_OK);
		else
			cr_assert(duo_open(d, DUO_I, 0, &plain, &in));
		asked[i] = count(in.certreqs, in.n_certreqs);
		stapled[i] = count(in.certs, in.n_certs);
		cr_assert_eq(duo_deliver(d, &m), 1);
	}
	cr_assert(duo_settle(d));
}

/* --> IKE_SA_INIT  <-- IKE_SA_INIT { ..., CERTREQ(X.509), CERTREQ(OCSP) }
 * --> IKE_AUTH { IDi, CERTREQ(X.509), CERTREQ(OCSP), CERT, CERT(OCSP), AUTH, ... }
 * <-- IKE_AUTH { IDr, CERT, CERT(OCSP), AUTH, ... } */
Test(staple, both_ways)
{
	has(DUO_I, PKI_GOOD);
	has(DUO_R, PKI_GOOD);
	watch();
	cr_expect_eq(asked[0] + stapled[0] + stapled[1], 0);
	cr_expect_eq(asked[1], 1);
	cr_expect_eq(asked[2], 1);
	cr_expect_eq(stapled[2], 1);
	cr_expect_eq(duo_count(d, DUO_I, "ESTABLISHED"), 1);
	cr_expect_eq(duo_count(d, DUO_R, "ESTABLISHED"), 1);
}

/* Sent only where it is asked for, asked for only where it is of use. */
Test(staple, not_asked_for)
{
	has(DUO_I, PKI_GOOD);
	d->side[DUO_R].conn.ocsp_request = false;
	policy(DUO_R, CRL_IFPRESENT);
	policy(DUO_I, CRL_OFF);
	watch();
	cr_expect_eq(asked[1] + asked[2] + stapled[2], 0);
	cr_expect_eq(duo_count(d, DUO_R, "ESTABLISHED"), 1);
}

Test(staple, not_wanted_to_be_sent)
{
	has(DUO_I, PKI_GOOD);
	has(DUO_R, PKI_GOOD);
	d->side[DUO_R].conn.ocsp_reply = false;
	cr_expect(!up());
	cr_expect(strstr(d->e[DUO_I].failure, "unable to get certificate CRL"), "%s",
		  d->e[DUO_I].failure);
}

Test(staple, strict_without_one)
{
	has(DUO_R, PKI_GOOD);
	cr_expect(!up());
	cr_expect_eq(duo_counters(d, DUO_R).auth_failed, 1);
	cr_expect_eq(d->e[DUO_R].child_adds, 0);
	cr_expect(strstr(d->e[DUO_I].failure, "AUTHENTICATION_FAILED"), "%s", d->e[DUO_I].failure);
}

Test(staple, revoked)
{
	has(DUO_I, PKI_GOOD);
	has(DUO_R, PKI_REVOKED);
	policy(DUO_I, CRL_IFPRESENT);
	cr_expect(!up());
	cr_expect(strstr(d->e[DUO_I].failure, "certificate revoked, says its OCSP response"), "%s",
		  d->e[DUO_I].failure);
}

/* It is outdated by the time it would be sent: it stays here. */
Test(staple, outdated)
{
	struct chunk der = pki_ocsp(&(struct pki_ocsp_spec){
		.about = &end[DUO_I], .issuer = &ca, .from = -7200, .to = -3600 });

	cr_assert_eq(cred_add_ocsp(d->side[DUO_I].conn.creds[0], der.p, der.len), 0);
	free((void *)der.p);
	policy(DUO_R, CRL_IFPRESENT);
	has(DUO_R, PKI_GOOD);
	watch();
	cr_expect_eq(asked[1], 1);
	cr_expect_eq(stapled[2], 0);
	cr_expect_eq(duo_count(d, DUO_R, "ESTABLISHED"), 1);
}
