/* SPDX-License-Identifier: GPL-2.0-only */
/* What OCSP responses count for, from files and from the peer (user/crypto/ocsp.c, trust.c). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <openssl/err.h>

#include "../lib/pki.h"

static struct pki_ent ca, end, signer;
static struct cert *c;
static char why[CERT_WHY_MAX];

static void setup(void)
{
	ca = pki_ca("CA", "P-256", NULL);
	end = pki_end("end", "P-256", &ca, "DNS:gw.example");
	signer = pki_ocsp_signer(&ca);
	c = pki_cert(&end);
}

static void teardown(void)
{
	cert_free(c);
	pki_free(&signer);
	pki_free(&end);
	pki_free(&ca);
	cr_assert_eq(ERR_peek_error(), 0);
}

TestSuite(ocsp, .init = setup, .fini = teardown, .timeout = 60);

enum from { FROM_FILE, FROM_PEER };

/* Is the certificate believed with that response, and that CRL? */
static bool believed(enum crl_policy policy, enum from from, struct chunk der, X509_CRL *crl)
{
	struct trust *t = pki_trust(policy, &ca, crl);
	bool ok;

	strcpy(why, "");
	if (from == FROM_FILE)
		cr_assert_eq(trust_add_ocsp(t, der.p, der.len), 0);
	ok = trust_verify(t, c, &der, from == FROM_PEER, PKI_NOW, why) == 0;
	trust_unref(t);
	cr_assert_eq(ERR_peek_error(), 0);
	return ok;
}

/* The same with a response made for it. */
static bool with(enum crl_policy policy, enum from from, struct pki_ocsp_spec spec)
{
	struct chunk der;
	bool ok;

	spec.about = spec.about ? spec.about : &end;
	spec.issuer = spec.issuer ? spec.issuer : &ca;
	der = pki_ocsp(&spec);
	ok = believed(policy, from, der, NULL);
	free((void *)der.p);
	return ok;
}

#define SPEC(...) ((struct pki_ocsp_spec){ __VA_ARGS__ })

Test(ocsp, good)
{
	for (enum from f = FROM_FILE; f <= FROM_PEER; f++) {
		cr_expect(with(CRL_STRICT, f, SPEC(.status = PKI_GOOD)), "%s", why);
		cr_expect(with(CRL_STRICT, f, SPEC(.signer = &signer)), "%s", why);
		cr_expect(with(CRL_STRICT, f, SPEC(.id = "SHA256")), "%s", why);
		cr_expect(with(CRL_STRICT, f, SPEC(.open = true)), "%s", why);
	}
	/* without any there is nothing to say so */
	cr_expect(!believed(CRL_STRICT, FROM_PEER, (struct chunk){ "", 0 }, NULL));
	cr_expect(strstr(why, "unable to get certificate CRL"), "%s", why);
}

Test(ocsp, revoked)
{
	for (enum from f = FROM_FILE; f <= FROM_PEER; f++)
		for (enum crl_policy p = CRL_IFPRESENT; p <= CRL_STRICT; p++) {
			cr_expect(!with(p, f, SPEC(.status = PKI_REVOKED)));
			cr_expect(strstr(why, "CN=end\": certificate revoked, says its OCSP"), "%s",
				  why);
			cr_expect(!with(p, f, SPEC(.status = PKI_REVOKED, .signer = &signer)));
		}
	cr_expect(with(CRL_OFF, FROM_FILE, SPEC(.status = PKI_REVOKED)));
	cr_expect(with(CRL_OFF, FROM_PEER, SPEC(.status = PKI_REVOKED)));
}

/* Of no use: from the peer as if it were not there; a file of ours that cannot be used is a reason
 * to stop, as a CRL is. */
static void useless(struct pki_ocsp_spec spec)
{
	cr_expect(!with(CRL_STRICT, FROM_PEER, spec));
	cr_expect(with(CRL_IFPRESENT, FROM_PEER, spec), "%s", why);
	cr_expect(!with(CRL_STRICT, FROM_FILE, spec));
	cr_expect(strstr(why, "its OCSP response is outdated, says nothing, or is not"), "%s", why);
	cr_expect(!with(CRL_IFPRESENT, FROM_FILE, spec));
}

Test(ocsp, outdated)
{
	useless(SPEC(.from = -7200, .to = -600));
	useless(SPEC(.open = true, .from = -2 * PKI_DAY));
	/* clocks may differ by five minutes */
	cr_expect(with(CRL_STRICT, FROM_PEER, SPEC(.to = -240)), "%s", why);
	cr_expect(with(CRL_STRICT, FROM_PEER, SPEC(.from = 240)), "%s", why);
}

Test(ocsp, of_the_future)
{
	useless(SPEC(.from = 600, .to = 7200));
}

Test(ocsp, unknown)
{
	useless(SPEC(.status = PKI_UNKNOWN));
}

Test(ocsp, signed_with_sha1)
{
	useless(SPEC(.digest = "SHA1"));
}

/* Below the CA is not enough: id-kp-OCSPSigning says who may (6960 4.2.2.2). */
Test(ocsp, signed_by_another_certificate_of_the_ca)
{
	struct pki_ent other = pki_end("other", "P-256", &ca, "DNS:other.example");

	useless(SPEC(.signer = &other));
	useless(SPEC(.signer = &end)); /* by the certificate itself */
	pki_free(&other);
}

Test(ocsp, signed_by_the_responder_of_another_ca)
{
	struct pki_ent other = pki_ca("other CA", "P-256", NULL);
	struct pki_ent theirs = pki_ocsp_signer(&other);

	useless(SPEC(.signer = &theirs));
	useless(SPEC(.signer = &other));
	pki_free(&theirs);
	pki_free(&other);
}

/* Whom the CA of the CA appointed speaks for that, not for this one. */
Test(ocsp, signed_by_a_responder_further_up)
{
	struct pki_ent sub = pki_ca("sub", "P-256", &ca);
	struct pki_ent e = pki_end("e", "P-256", &sub, "DNS:gw.example");
	struct chunk more[] = { pki_der(&sub), { 0 }, { 0 } };
	struct trust *t = pki_trust(CRL_STRICT, &ca, NULL);
	struct cert *x = pki_cert(&e);

	more[1] = pki_ocsp(&SPEC(.about = &sub, .issuer = &ca));
	more[2] = pki_ocsp(&SPEC(.about = &e, .issuer = &sub, .signer = &signer));
	cr_expect_eq(trust_verify(t, x, more, 3, PKI_NOW, why), -EKEYREJECTED);
	free((void *)more[2].p);
	more[2] = pki_ocsp(&SPEC(.about = &e, .issuer = &sub));
	cr_expect_eq(trust_verify(t, x, more, 3, PKI_NOW, why), 0, "%s", why);
	/* strict is about each of them */
	cr_expect_eq(trust_verify(t, x, more, 2, PKI_NOW, why), -EKEYREJECTED);
	for (size_t i = 0; i < 3; i++)
		free((void *)more[i].p);
	trust_unref(t);
	cert_free(x);
	pki_free(&e);
	pki_free(&sub);
}

Test(ocsp, responder_outdated)
{
	struct pki_ent old =
		pki_make(&(struct pki_spec){ .cn = "responder",
					     .key = "P-256",
					     .ca = &ca,
					     .from = -2 * PKI_DAY,
					     .to = -1,
					     .exts = { { "extendedKeyUsage", "OCSPSigning" } } });

	useless(SPEC(.signer = &old));
	pki_free(&old);
}

/* A responder's certificate that does not say that nobody need look (6960 4.2.2.2.1): its CRL is
 * asked, as the policy says. */
Test(ocsp, responder_that_may_be_revoked)
{
	static const char source[] = "URI:http://crl.example/ca.crl";
	struct pki_spec spec = { .cn = "responder",
				 .key = "P-256",
				 .ca = &ca,
				 .serial = 99,
				 .exts = { { "extendedKeyUsage", "OCSPSigning" } } };
	struct pki_ent plain = pki_make(&spec), named;
	struct chunk der = pki_ocsp(&SPEC(.about = &end, .issuer = &ca, .signer = &plain)), other;
	X509_CRL *fine = pki_crl(&ca, 3, 0), *revokes = pki_crl(&ca, 99, 0);
	X509_CRL *old = pki_crl(&ca, 3, -600);

	spec.exts[1][0] = "crlDistributionPoints";
	spec.exts[1][1] = source;
	named = pki_make(&spec);
	other = pki_ocsp(&SPEC(.about = &end, .issuer = &ca, .signer = &named));
	for (enum from f = FROM_FILE; f <= FROM_PEER; f++) {
		cr_expect(!believed(CRL_STRICT, f, der, NULL));
		cr_expect(strstr(why, "CN=end\": who signed its OCSP response: unable to get "
				      "certificate CRL"),
			  "%s", why);
		cr_expect(!believed(CRL_STRICT, f, der, old));
		cr_expect(strstr(why, "response: CRL has expired"), "%s", why);
		cr_expect(believed(CRL_STRICT, f, der, fine), "%s", why);
		for (enum crl_policy p = CRL_IFPRESENT; p <= CRL_IFURI; p++) {
			cr_expect(believed(p, f, der, NULL), "%s", why);
			cr_expect(!believed(p, f, der, old));
		}
		cr_expect(believed(CRL_IFPRESENT, f, other, NULL), "%s", why);
		/* of no use, and of no harm if it is the peer's */
		cr_expect_eq(believed(CRL_IFURI, f, other, NULL), f == FROM_PEER, "%s", why);
		cr_expect(believed(CRL_OFF, f, other, NULL), "%s", why);
	}
	/* the list tells of the certificate by itself; that the responder is revoked spoils a
	 * response that says otherwise, too */
	free((void *)der.p);
	der = pki_ocsp(
		&SPEC(.about = &end, .issuer = &ca, .signer = &plain, .status = PKI_REVOKED));
	cr_expect(!believed(CRL_STRICT, FROM_PEER, der, fine));
	cr_expect(strstr(why, "certificate revoked, says"), "%s", why);
	cr_expect(believed(CRL_STRICT, FROM_PEER, der, revokes), "%s", why);
	free((void *)der.p);
	free((void *)other.p);
	X509_CRL_free(fine);
	X509_CRL_free(revokes);
	X509_CRL_free(old);
	pki_free(&named);
	pki_free(&plain);
}

/* Below an intermediate CA it is that one's list. */
Test(ocsp, responder_of_an_intermediate_ca)
{
	struct pki_ent sub = pki_ca("sub", "P-256", &ca);
	struct pki_ent e = pki_end("e", "P-256", &sub, "DNS:gw.example");
	struct pki_ent plain =
		pki_make(&(struct pki_spec){ .cn = "responder",
					     .key = "P-256",
					     .ca = &sub,
					     .serial = 99,
					     .exts = { { "extendedKeyUsage", "OCSPSigning" } } });
	struct chunk more[] = { pki_der(&sub), pki_ocsp(&SPEC(.about = &sub, .issuer = &ca)),
				pki_ocsp(&SPEC(.about = &e, .issuer = &sub, .signer = &plain)) };
	X509_CRL *lists[] = { pki_crl(&ca, 3, 0), pki_crl(&sub, 3, 0), pki_crl(&sub, 99, 0) };
	struct cert *x = pki_cert(&e);

	for (size_t i = 0; i < 3; i++) {
		struct trust *t = pki_trust(CRL_STRICT, &ca, lists[i]);

		/* the last one tells of the end certificate itself */
		cr_expect_eq(trust_verify(t, x, more, 3, PKI_NOW, why), i == 0 ? -EKEYREJECTED : 0,
			     "list %zu: %s", i, why);
		trust_unref(t);
		X509_CRL_free(lists[i]);
	}
	for (size_t i = 0; i < 3; i++)
		free((void *)more[i].p);
	cert_free(x);
	pki_free(&plain);
	pki_free(&e);
	pki_free(&sub);
}

Test(ocsp, about_another_certificate)
{
	struct pki_ent sub = pki_ca("CA", "P-256", NULL); /* of the same name, same serial number */
	struct pki_ent other = pki_end("end", "P-256", &sub, "DNS:gw.example");

	for (enum from f = FROM_FILE; f <= FROM_PEER; f++) {
		struct pki_ocsp_spec s = SPEC(.about = &other, .issuer = &sub);

		cr_expect(!with(CRL_STRICT, f, s));
		cr_expect(strstr(why, "unable to get certificate CRL"), "%s", why);
		s.status = PKI_REVOKED;
		cr_expect(with(CRL_IFPRESENT, f, s), "%s", why);
	}
	pki_free(&other);
	pki_free(&sub);
}

/* CRL and response: revoked by either is revoked; one that can be used covers for one that cannot.
 */
Test(ocsp, beside_a_crl)
{
	X509_CRL *fine = pki_crl(&ca, 3, 0), *revokes = pki_crl(&ca, 7, 0);
	X509_CRL *old = pki_crl(&ca, 3, -600);
	struct chunk good = pki_ocsp(&SPEC(.about = &end, .issuer = &ca));
	struct chunk bad = pki_ocsp(&SPEC(.about = &end, .issuer = &ca, .status = PKI_REVOKED));
	struct chunk stale =
		pki_ocsp(&SPEC(.about = &end, .issuer = &ca, .from = -7200, .to = -600));

	for (enum from f = FROM_FILE; f <= FROM_PEER; f++) {
		cr_expect(!believed(CRL_STRICT, f, good, revokes));
		cr_expect(strstr(why, "certificate revoked"), "%s", why);
		cr_expect(!believed(CRL_STRICT, f, bad, fine));
		cr_expect(!believed(CRL_IFPRESENT, f, bad, fine));
		cr_expect(believed(CRL_STRICT, f, good, old), "%s", why);
		cr_expect(believed(CRL_STRICT, f, stale, fine), "%s", why);
		cr_expect(!believed(CRL_STRICT, f, stale, old));
	}
	/* what the peer shows does not hide what we know */
	struct trust *t = pki_trust(CRL_STRICT, &ca, NULL);

	cr_assert_eq(trust_add_ocsp(t, bad.p, bad.len), 0);
	cr_expect_eq(trust_verify(t, c, &good, 1, PKI_NOW, why), -EKEYREJECTED);
	trust_unref(t);
	free((void *)good.p);
	free((void *)bad.p);
	free((void *)stale.p);
	X509_CRL_free(fine);
	X509_CRL_free(revokes);
	X509_CRL_free(old);
}

/* ifuri: a certificate that names a source must be covered. */
Test(ocsp, ifuri)
{
	static const char *const sources[][2] = {
		{ "authorityInfoAccess", "OCSP;URI:http://ocsp.example/" },
		{ "crlDistributionPoints", "URI:http://crl.example/ca.crl" },
		{ "authorityInfoAccess", "caIssuers;URI:http://ca.example/ca.cer" },
	};

	cr_expect(with(CRL_IFURI, FROM_PEER, SPEC(.status = PKI_UNKNOWN)), "%s", why);
	for (size_t i = 0; i < 3; i++) {
		struct pki_ent e = pki_make(
			&(struct pki_spec){ .cn = "end",
					    .key = "P-256",
					    .ca = &ca,
					    .exts = { { sources[i][0], sources[i][1] } } });
		bool source = i < 2;

		cert_free(c);
		c = pki_cert(&e);
		cr_expect_eq(with(CRL_IFURI, FROM_PEER, SPEC(.about = &e, .status = PKI_UNKNOWN)),
			     !source);
		cr_expect(!source || strstr(why, "it names a source of its status"), "%s", why);
		cr_expect(with(CRL_IFURI, FROM_PEER, SPEC(.about = &e)), "%s", why);
		cr_expect(with(CRL_IFPRESENT, FROM_PEER, SPEC(.about = &e, .status = PKI_UNKNOWN)),
			  "%s", why);
		pki_free(&e);
	}
}

/* Every prefix and every octet changed: never good by it. [ROB-1] */
Test(ocsp, malformed)
{
	struct chunk der = pki_ocsp(&SPEC(.about = &end, .issuer = &ca, .signer = &signer));
	struct trust *t = pki_trust(CRL_STRICT, &ca, NULL);

	cr_assert_eq(trust_verify(t, c, &der, 1, PKI_NOW, why), 0, "%s", why);
	for (size_t i = 0; i < der.len; i++) {
		uint8_t *p = malloc(der.len);
		struct chunk part = { p, i };

		memcpy(p, der.p, der.len);
		cr_expect_eq(trust_add_ocsp(t, p, i), -EBADMSG);
		cr_expect_eq(trust_verify(t, c, &part, 1, PKI_NOW, why), -EKEYREJECTED);
		p[i] ^= 0x41;
		part.len = der.len;
		cr_expect_eq(trust_verify(t, c, &part, 1, PKI_NOW, why), -EKEYREJECTED, "octet %zu",
			     i);
		free(p);
		cr_assert_eq(ERR_peek_error(), 0);
	}
	free((void *)der.p);
	trust_unref(t);
}

/* What we send along: that of our chain, as long as it is of use. */
Test(ocsp, of_ours)
{
	struct cred *k = pki_cred(&end, NULL);
	struct pki_ent other =
		pki_make(&(struct pki_spec){ .cn = "o", .key = "P-256", .ca = &ca, .serial = 8 });
	struct chunk der = pki_ocsp(&SPEC(.about = &end, .issuer = &ca)), out[CERT_CHAIN_MAX];
	struct chunk not = pki_ocsp(&SPEC(.about = &other, .issuer = &ca));

	cr_expect_eq(cred_add_ocsp(k, not .p, not .len), -ENOENT);
	cr_expect_eq(cred_add_ocsp(k, (const uint8_t *)"x", 1), -EBADMSG);
	cr_expect_eq(cred_add_ocsp(k, (const uint8_t *)"", 0), -EBADMSG);
	cr_expect_eq(cred_ocsp(k, PKI_NOW, out), 0);
	for (size_t i = 0; i < CERT_CHAIN_MAX; i++)
		cr_expect_eq(cred_add_ocsp(k, der.p, der.len), 0);
	cr_expect_eq(cred_add_ocsp(k, der.p, der.len), -E2BIG);
	cr_expect_eq(cred_ocsp(k, PKI_NOW, out), CERT_CHAIN_MAX);
	cr_expect(out[0].len == der.len && !memcmp(out[0].p, der.p, der.len));
	cr_expect_eq(cred_ocsp(k, PKI_NOW + PKI_DAY, out), 0);
	free((void *)der.p);
	free((void *)not .p);
	cred_unref(k);
	pki_free(&other);
}

static enum cred_ocsp_state state_at(const struct cred *k, const struct trust *t, int64_t now)
{
	struct cred_ocsp_info o;

	cred_ocsp_look(k, 0, t, now, &o);
	return o.state;
}

/* What the operator is told of them. */
Test(ocsp, state_of_ours)
{
	struct pki_ent other =
		pki_make(&(struct pki_spec){ .cn = "o", .key = "P-256", .ca = &ca, .serial = 8 });
	const struct {
		struct pki_ocsp_spec spec;
		enum cred_ocsp_state state;
	} cases[] = {
		{ { .about = &end, .signer = &signer }, CRED_OCSP_GOOD },
		{ { .about = &end, .from = -7200, .to = -1 }, CRED_OCSP_STALE },
		{ { .about = &end, .from = 600, .to = 7200 }, CRED_OCSP_EARLY },
		{ { .about = &end, .status = PKI_REVOKED }, CRED_OCSP_REVOKED },
		{ { .about = &end, .status = PKI_UNKNOWN }, CRED_OCSP_UNKNOWN },
		{ { .about = &end, .signer = &other }, CRED_OCSP_FOREIGN },
		{ { .about = &other }, CRED_OCSP_NONE },
	};
	struct trust *t = pki_trust(CRL_OFF, &ca, NULL);
	struct cred_ocsp_info o;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pki_ocsp_spec spec = cases[i].spec;
		struct cred *k = pki_cred(&end, NULL);
		struct chunk der;

		cr_expect_eq(state_at(k, t, PKI_NOW), CRED_OCSP_NOT_WANTED);
		cred_want_ocsp(k);
		cr_expect_eq(state_at(k, t, PKI_NOW), CRED_OCSP_NONE);
		spec.issuer = &ca;
		der = pki_ocsp(&spec);
		cred_add_ocsp(k, der.p, der.len);
		cr_expect_eq(state_at(k, t, PKI_NOW), cases[i].state, "case %zu", i);
		cred_ocsp_look(k, 0, t, PKI_NOW, &o);
		cr_expect_eq(o.responses, 1);
		cr_expect_eq(o.until, cred_ocsp_until(k, 0));
		cr_expect(cases[i].state == CRED_OCSP_NONE || o.until > o.from);
		/* one that lasts longer is what counts */
		free((void *)der.p);
		der = pki_ocsp(&SPEC(.about = &end, .issuer = &ca, .to = PKI_DAY));
		cr_expect_eq(cred_add_ocsp(k, der.p, der.len), 0);
		cr_expect_eq(state_at(k, t, PKI_NOW), CRED_OCSP_GOOD);
		cr_expect_eq(cred_ocsp_until(k, 0), PKI_NOW + PKI_DAY);
		cr_expect_eq(state_at(k, t, PKI_NOW + PKI_DAY + 1), CRED_OCSP_STALE);
		free((void *)der.p);
		cred_unref(k);
	}
	trust_unref(t);
	pki_free(&other);
}
