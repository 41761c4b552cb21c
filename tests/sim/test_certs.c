/* SPDX-License-Identifier: GPL-2.0-only */
/* IKE_AUTH with certificates: every kind of key, chains, what each side believes, and every reason
 * not to. [AUT-1] [AUT-4] [AUT-5] [AUT-9] [AUT-14] [SIG-3] */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/log.h"
#include "crypto/auth.h"
#include "../lib/pki.h"
#include "sim.h"

static struct sim *s;
static struct pki_ent ca;
static char said[8192]; /* by both sides */

static void sink(void *ctx, enum log_level level, const char *line)
{
	size_t n = strlen(said);

	(void)ctx;
	(void)level;
	if (getenv("SIM_LOG"))
		fprintf(stderr, "%s\n", line);
	snprintf(said + n, sizeof(said) - n, "%s\n", line);
}

static struct ike_conn_cfg *cfg(unsigned side)
{
	return &s->side[side].conn[0];
}

static void id_set(struct ike_id *id, uint8_t type, const char *text)
{
	*id = (struct ike_id){ .type = type, .len = (uint16_t)strlen(text) };
	memcpy(id->data, text, id->len);
}

/* That side proves itself with what c takes over, the other trusts t (taken). */
static void side_shows(unsigned side, struct cred *c, struct trust *t)
{
	struct ike_conn_cfg *own = cfg(side), *peer = cfg(!side);

	own->local_auth = peer->remote_auth = AUTH_BY_PUBKEY;
	for (unsigned i = 0; i < own->n_creds; i++)
		cred_unref(own->creds[i]);
	own->creds[0] = c;
	own->n_creds = 1;
	trust_unref(peer->trust);
	peer->trust = t;
}

static void side_has(unsigned side, const char *kind)
{
	struct pki_ent e = pki_end("end", kind, &ca, side == A ? "DNS:a.example" : "DNS:b.example");

	side_shows(side, pki_cred(&e, NULL), pki_trust(CRL_IFPRESENT, &ca, NULL));
	pki_free(&e);
}

static void setup(void)
{
	s = sim_new(1, false);
	s->real = PKI_NOW;
	said[0] = '\0';
	log_set_sink(sink, NULL);
	ca = pki_ca("test CA", "P-256", NULL);
}

static void teardown(void)
{
	for (unsigned i = 0; i < SIM_SIDES; i++) {
		for (unsigned k = 0; k < cfg(i)->n_creds; k++)
			cred_unref(cfg(i)->creds[k]);
		trust_unref(cfg(i)->trust);
	}
	sim_free(s);
	pki_free(&ca);
}

TestSuite(certs, .init = setup, .fini = teardown, .timeout = 60);

static void up(void)
{
	sim_start(s);
	cr_assert_eq(sim_up(s, A, "net", 1), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
}

static void accepted(void)
{
	up();
	cr_assert(sim_mirrored(s, 1), "%s", said);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_UP, 0), 1);
	cr_assert_eq(sim_count(&s->side[B], IKE_EV_IKE_UP, 0), 1);
}

static void nothing_left(void)
{
	sim_run(s, 60 * USEC_PER_SEC);
	for (unsigned i = 0; i < SIM_SIDES; i++) {
		cr_expect_eq(s->side[i].n_children, 0);
		cr_expect_eq(s->side[i].spis, 0);
		cr_expect_eq(ike_sa_count(s->side[i].ike), 0);
	}
}

/* The responder does not believe A: exactly AUTHENTICATION_FAILED, and one sentence in its log. */
static void refused_by_b(const char *why)
{
	const struct sim_event *e = NULL;

	up();
	for (unsigned i = 0; i < s->side[A].n_events; i++)
		if (s->side[A].events[i].kind == IKE_EV_FAILED)
			e = &s->side[A].events[i];
	cr_assert(e, "%s", said);
	cr_expect_eq(e->failure, IKE_FAIL_AUTH);
	cr_expect_eq(e->notify, N_AUTHENTICATION_FAILED);
	cr_expect(strstr(said, why), "no \"%s\" in\n%s", why, said);
	nothing_left();
}

/* The initiator does not believe B, which has an IKE SA already and must hear it (2.21.2). */
static void refused_by_a(const char *why)
{
	up();
	cr_assert(strstr(sim_text(&s->side[A], IKE_EV_FAILED), why), "no \"%s\" in\n%s", why,
		  sim_text(&s->side[A], IKE_EV_FAILED));
	cr_expect_eq(sim_op_ends(&s->side[A], 1), 1);
	cr_expect_eq(sim_count(&s->side[B], IKE_EV_IKE_DOWN, 0), 1);
	nothing_left();
}

/* ---- what is believed ---- */

Test(certs, every_kind_of_key)
{
	static const char *const kinds[] = { "RSA-2048", "RSA-3072", "P-256", "P-384",
					     "P-521",	 "ED25519",  "ED448" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		teardown();
		setup();
		side_has(A, kinds[i]);
		side_has(B, kinds[sizeof(kinds) / sizeof(*kinds) - 1 - i]);
		accepted();
	}
}

Test(certs, one_side_with_a_secret)
{
	side_has(A, "P-256");
	accepted();
	teardown();
	setup();
	side_has(B, "ED25519");
	accepted();
}

Test(certs, chain_with_an_intermediate)
{
	struct pki_ent sub = pki_ca("test sub CA", "P-384", &ca);
	struct pki_ent a = pki_end("a", "P-256", &sub, "DNS:a.example");

	side_has(B, "P-256");
	side_shows(A, pki_cred(&a, &sub), pki_trust(CRL_IFPRESENT, &ca, NULL));
	accepted();
	/* without it nobody can tell; nothing is fetched */
	teardown();
	setup();
	side_has(B, "P-256");
	side_shows(A, pki_cred(&a, NULL), pki_trust(CRL_IFPRESENT, &ca, NULL));
	refused_by_b("unable to get local issuer certificate");
	pki_free(&a);
	pki_free(&sub);
}

/* CERTREQ is a hint that is followed [AUT-14]: of two certificates the one the peer's CA made. */
Test(certs, certreq_chooses)
{
	struct pki_ent other = pki_ca("other CA", "P-256", NULL);

	for (unsigned side = 0; side < SIM_SIDES; side++) {
		const char *san = side == A ? "DNS:a.example" : "DNS:b.example";
		struct pki_ent wrong = pki_end("wrong", "P-256", &other, san);
		struct pki_ent sub = pki_ca("sub", "P-256", &ca);
		struct pki_ent right = pki_end("right", "P-256", &sub, san);

		/* the chain of the right one names the CA the peer asks for: us */
		side_shows(side, pki_cred(&wrong, NULL), pki_trust(CRL_IFPRESENT, &ca, NULL));
		cfg(side)->creds[1] = pki_cred(&right, &sub);
		cfg(side)->n_creds = 2;
		pki_free(&wrong);
		pki_free(&sub);
		pki_free(&right);
	}
	accepted();
	pki_free(&other);
}

Test(certs, identities)
{
	static const struct {
		uint8_t type;
		const char *id, *san, *want;
	} cases[] = {
		{ ID_FQDN, "a.example", "DNS:x.example,DNS:A.example", "a.example" },
		{ ID_FQDN, "a.b.example.org", "DNS:a.b.example.org", "*.example.org" },
		{ ID_RFC822_ADDR, "joe@example.org", "email:joe@Example.org", "*@example.org" },
		{ ID_IPV4_ADDR, "\xcb\x01\x02\x03", "IP:203.1.2.3", "\xcb\x01\x02\x03" },
		{ ID_FQDN, "a.example", "DNS:a.example", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pki_ent e;

		teardown();
		setup();
		e = pki_end("e", "P-256", &ca, cases[i].san);
		side_has(B, "P-256");
		side_shows(A, pki_cred(&e, NULL), pki_trust(CRL_IFPRESENT, &ca, NULL));
		pki_free(&e);
		id_set(&cfg(A)->local_id, cases[i].type, cases[i].id);
		cfg(B)->remote_id.type = 0;
		if (cases[i].want)
			id_set(&cfg(B)->remote_id, cases[i].type, cases[i].want);
		up();
		cr_expect(sim_mirrored(s, 1), "case %zu: %s", i, said);
	}
}

static void dn_set(struct ike_id *id, const char *text)
{
	size_t len;

	*id = (struct ike_id){ .type = ID_DER_ASN1_DN };
	cr_assert_eq(dn_parse(text, id->data, sizeof(id->data), &len), 0);
	id->len = (uint16_t)len;
}

Test(certs, distinguished_names)
{
	static const struct {
		const char *id, *want;
		bool ok;
	} cases[] = {
		{ "O=braid test, CN=end", "O=braid test, CN=end", true },
		/* another string type, case and spacing is the same name (5280 7.1) */
		{ "O=Braid  TEST, CN=end", "O=braid test, CN=End", true },
		{ "O=braid test, CN=end", "O=braid test, CN=*", true },
		{ "O=braid test, CN=end", "O=*, CN=other", false },
		{ "O=braid test, CN=end", "CN=end, O=braid test", false },
		{ "O=braid test, CN=end", "O=braid test, CN=*, CN=*", false },
		{ "O=braid test, CN=other", "O=braid test, CN=*",
		  false }, /* not in the certificate */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		teardown();
		setup();
		side_has(A, "P-256");
		side_has(B, "P-256");
		dn_set(&cfg(A)->local_id, cases[i].id);
		dn_set(&cfg(B)->remote_id, cases[i].want);
		up();
		cr_expect_eq(s->side[B].n_children, cases[i].ok, "case %zu: %s", i, said);
	}
}

/* Names are long where people have many organizational units; a successor knows them as well. */
Test(certs, long_distinguished_names)
{
	struct pki_ent e =
		pki_make(&(struct pki_spec){ .cn = "end", .key = "P-256", .ca = &ca, .ous = 12 });
	struct cert *c = pki_cert(&e);
	struct ike_id *ours = &cfg(A)->local_id;
	size_t len;

	side_has(B, "P-256");
	side_shows(A, pki_cred(&e, NULL), pki_trust(CRL_OFF, &ca, NULL));
	*ours = (struct ike_id){ .type = ID_DER_ASN1_DN };
	cr_assert_eq(cert_subject(c, ours->data, sizeof(ours->data), &len), 0);
	cr_assert_gt(len, 800);
	ours->len = (uint16_t)len;
	cfg(B)->remote_id = *ours;
	cert_free(c);
	pki_free(&e);
	accepted();
	for (unsigned i = 0; i < 2; i++) {
		struct ike_sa_info info;

		cr_assert(ike_sa_at(s->side[B].ike, 0, &info));
		cr_expect_eq(info.remote_id.len, ours->len);
		cr_expect_arr_eq(info.remote_id.data, ours->data, ours->len);
		sim_restart(s, B);
		cr_assert_eq(ike_rekey(s->side[A].ike, "c", NULL, 5 + i, s->now), 0);
		sim_settle(s, 5 * USEC_PER_SEC);
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_REKEYED, 5 + i), 1);
	}
}

/* Images and reloads do not need what authenticated the IKE SA. */
Test(certs, restart_and_reload)
{
	side_has(A, "ED25519");
	side_has(B, "P-256");
	accepted();
	sim_restart(s, A);
	sim_restart(s, B);
	sim_reload(s, B);
	cr_assert_eq(ike_rekey(s->side[A].ike, "c", NULL, 5, s->now), 0);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_REKEYED, 5), 1);
	cr_assert(sim_mirrored(s, 1));
}

/* The configuration may go while the exchange that uses it is under way. */
Test(certs, reload_in_between)
{
	side_has(A, "P-256");
	side_has(B, "P-256");
	sim_start(s);
	cr_assert_eq(sim_up(s, A, "net", 1), 0);
	sim_steps(s, 1);
	for (unsigned i = 0; i < SIM_SIDES; i++) {
		for (unsigned k = 0; k < cfg(i)->n_creds; k++)
			cred_unref(cfg(i)->creds[k]);
		trust_unref(cfg(i)->trust);
		cfg(i)->n_creds = 0;
		cfg(i)->trust = NULL;
		cfg(i)->local_auth = cfg(i)->remote_auth = AUTH_BY_PSK;
	}
	sim_reload(s, A);
	sim_settle(s, 5 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_UP, 0), 1, "%s", said);
}

/* ---- certificates by name, how they sign ---- */

/* B takes A's very certificate (taken), below the CA or without one. */
static void pin(const struct pki_ent *e, bool below_ca)
{
	struct trust *t = below_ca ? pki_trust(CRL_IFPRESENT, &ca, NULL) : trust_new(CRL_STRICT);
	size_t len;
	char *pem = pki_pem(e, NULL, &len);

	cr_assert_eq(trust_add_pins(t, (uint8_t *)pem, len), 0);
	free(pem);
	trust_unref(cfg(B)->trust);
	cfg(B)->trust = t;
}

Test(certs, pinned)
{
	for (unsigned i = 0; i < 3; i++) {
		struct pki_ent e;

		teardown();
		setup();
		/* the last one vouches for itself */
		e = i < 2 ? pki_end("e", "P-256", &ca, "DNS:a.example")
			  : pki_make(&(struct pki_spec){
				    .cn = "e",
				    .key = "ED25519",
				    .exts = { { "subjectAltName", "DNS:a.example" } } });
		side_has(B, "P-256");
		side_shows(A, pki_cred(&e, NULL), NULL);
		pin(&e, i == 0);
		pki_free(&e);
		accepted();
	}
}

/* Of the same CA, for the same name, and not the one. */
Test(certs, not_the_pinned_one)
{
	struct pki_ent e = pki_end("e", "P-256", &ca, "DNS:a.example");

	side_has(B, "P-256");
	side_has(A, "P-256");
	pin(&e, true);
	pki_free(&e);
	refused_by_b("it is none of those that remote certs names");
}

Test(certs, not_the_pinned_one_without_a_ca)
{
	struct pki_ent e = pki_end("e", "P-256", &ca, "DNS:a.example");

	side_has(B, "P-256");
	side_has(A, "P-256");
	pin(&e, false);
	pki_free(&e);
	refused_by_b("certificate \"O=braid test, CN=end\":");
}

/* A pin takes the CA's place, not the calendar's, nor that of the name. */
Test(certs, pinned_and_expired)
{
	struct pki_ent e =
		pki_make(&(struct pki_spec){ .cn = "e",
					     .key = "P-256",
					     .ca = &ca,
					     .from = -2 * PKI_DAY,
					     .to = -1,
					     .exts = { { "subjectAltName", "DNS:a.example" } } });

	side_has(B, "P-256");
	side_shows(A, pki_cred(&e, NULL), NULL);
	pin(&e, false);
	pki_free(&e);
	refused_by_b("certificate has expired");
}

Test(certs, pinned_for_another_name)
{
	struct pki_ent e = pki_end("e", "P-256", &ca, "DNS:x.example");

	side_has(B, "P-256");
	side_shows(A, pki_cred(&e, NULL), NULL);
	pin(&e, false);
	pki_free(&e);
	refused_by_b("its certificate is not for that id");
}

/* PKCS#1 v1.5 by method 14, for peers that know no PSS; who asks for PSS does not take it. */
Test(certs, rsa_padding)
{
	for (unsigned strict = 0; strict < 2; strict++) {
		teardown();
		setup();
		side_has(A, "RSA-2048");
		side_has(B, "P-256");
		cfg(A)->sign_rule = SIG_RULE_PKCS1 | 1 << SIG_HASH_SHA2_384;
		cfg(B)->verify_rule =
			strict ? SIG_RULE_PSS : SIG_RULE_PKCS1 | 1 << SIG_HASH_SHA2_384;
		if (strict)
			refused_by_b("its signature is not what remote auth asks for");
		else
			accepted();
	}
}

/* ---- what is not ---- */

/* What A shows is wrong as spec says; B does not believe it, and in its place neither does A. */
static void not_believed(const struct pki_spec *spec, enum crl_policy policy, X509_CRL *crl,
			 const char *why)
{
	struct pki_spec copy = *spec;

	for (unsigned side = 0; side < SIM_SIDES; side++) {
		struct pki_ent e;

		copy.exts[0][0] = "subjectAltName";
		copy.exts[0][1] = side == A ? "DNS:a.example" : "DNS:b.example";
		copy.cn = "end";
		copy.key = "P-256";
		copy.ca = spec->ca ? spec->ca : &ca;
		e = pki_make(&copy);
		side_has(!side, "P-256");
		side_shows(side, pki_cred(&e, NULL), pki_trust(policy, &ca, crl));
		pki_free(&e);
		if (side == A)
			refused_by_b(why);
		else
			refused_by_a(why);
		/* once more, with the same CA */
		for (unsigned i = 0; i < SIM_SIDES; i++) {
			ike_free(s->side[i].ike);
			s->side[i].ike = NULL;
			s->side[i].n_events = 0;
		}
		said[0] = '\0';
	}
	X509_CRL_free(crl);
}

Test(certs, expired)
{
	not_believed(&(struct pki_spec){ .from = -2 * PKI_DAY, .to = -1 }, CRL_OFF, NULL,
		     "certificate \"O=braid test, CN=end\": certificate has expired");
}

Test(certs, not_yet_valid)
{
	not_believed(&(struct pki_spec){ .from = 60 }, CRL_OFF, NULL,
		     "certificate is not yet valid");
}

/* Nobody told the core what time it is: nothing is valid. */
Test(certs, without_a_clock)
{
	s->real = 0;
	side_has(A, "P-256");
	refused_by_b("certificate is not yet valid");
}

Test(certs, of_another_ca_with_the_same_name)
{
	struct pki_ent other = pki_ca("test CA", "P-256", NULL);

	not_believed(&(struct pki_spec){ .ca = &other }, CRL_OFF, NULL,
		     "certificate signature failure");
	pki_free(&other);
}

Test(certs, revoked)
{
	not_believed(&(struct pki_spec){ .serial = 9 }, CRL_IFPRESENT, pki_crl(&ca, 9, 0),
		     "certificate revoked");
}

Test(certs, crl_outdated)
{
	not_believed(&(struct pki_spec){ .serial = 9 }, CRL_IFPRESENT, pki_crl(&ca, 3, -60),
		     "CRL has expired");
}

Test(certs, crl_strict_without_one)
{
	not_believed(&(struct pki_spec){ .serial = 9 }, CRL_STRICT, NULL,
		     "unable to get certificate CRL");
}

Test(certs, crl_of_somebody_else)
{
	struct pki_ent other = pki_ca("test CA", "P-256", NULL);

	not_believed(&(struct pki_spec){ .serial = 9 }, CRL_STRICT, pki_crl(&other, 3, 0),
		     "CRL signature failure");
	pki_free(&other);
}

Test(certs, crl_fine)
{
	X509_CRL *crl = pki_crl(&ca, 3, 0);
	struct pki_ent e = pki_end("end", "P-256", &ca, "DNS:a.example");

	side_has(B, "P-256");
	side_shows(A, pki_cred(&e, NULL), pki_trust(CRL_STRICT, &ca, crl));
	pki_free(&e);
	X509_CRL_free(crl);
	accepted();
}

/* The anchor is trusted because the configuration says so: nobody's list need cover it. */
Test(certs, crl_strict_below_an_intermediate_anchor)
{
	struct pki_ent sub = pki_ca("sub", "P-256", &ca);
	struct pki_ent e = pki_end("end", "P-256", &sub, "DNS:a.example");
	X509_CRL *crl = pki_crl(&sub, 3, 0);

	side_has(B, "P-256");
	side_shows(A, pki_cred(&e, NULL), pki_trust(CRL_STRICT, &sub, crl));
	X509_CRL_free(crl);
	pki_free(&e);
	pki_free(&sub);
	accepted();
}

Test(certs, intermediate_revoked)
{
	struct pki_ent sub = pki_make(
		&(struct pki_spec){ .cn = "sub",
				    .key = "P-256",
				    .ca = &ca,
				    .serial = 9,
				    .exts = { { "basicConstraints", "critical,CA:TRUE" } } });
	struct pki_ent e = pki_end("end", "P-256", &sub, "DNS:a.example");
	X509_CRL *crl = pki_crl(&ca, 9, 0);

	side_has(B, "P-256");
	side_shows(A, pki_cred(&e, &sub), pki_trust(CRL_IFPRESENT, &ca, crl));
	X509_CRL_free(crl);
	pki_free(&e);
	pki_free(&sub);
	refused_by_b("CN=sub\": certificate revoked");
}

/* A core that was given nothing to show says so, and does not stumble. */
Test(certs, nothing_to_show)
{
	cfg(A)->local_auth = AUTH_BY_PUBKEY;
	up();
	cr_assert(strstr(sim_text(&s->side[A], IKE_EV_FAILED),
			 "there is no certificate of ours with its key"));
}

Test(certs, nothing_to_show_for_the_responder)
{
	cfg(B)->local_auth = AUTH_BY_PUBKEY;
	refused_by_b("there is no certificate of ours with its key");
}

/* off is off, also for one that is revoked */
Test(certs, crl_off)
{
	X509_CRL *crl = pki_crl(&ca, 7, 0);
	struct pki_ent e = pki_end("end", "P-256", &ca, "DNS:a.example");

	side_has(B, "P-256");
	side_shows(A, pki_cred(&e, NULL), pki_trust(CRL_OFF, &ca, crl));
	pki_free(&e);
	X509_CRL_free(crl);
	accepted();
}

/* [VUL-7] */
Test(certs, key_usage)
{
	not_believed(
		&(struct pki_spec){ .exts = { { 0 }, { "keyUsage", "critical,keyEncipherment" } } },
		CRL_OFF, NULL, "its key usage does not allow signatures");
}

/* [VUL-7] */
Test(certs, extended_key_usage)
{
	not_believed(&(struct pki_spec){ .exts = { { 0 }, { "extendedKeyUsage", "codeSigning" } } },
		     CRL_OFF, NULL, "its extended key usage does not allow IKE");
}

Test(certs, unknown_critical_extension)
{
	not_believed(&(struct pki_spec){ .exts = { { 0 }, { "1.2.3.4", "critical,DER:05:00" } } },
		     CRL_OFF, NULL, "unhandled critical extension");
}

Test(certs, weak_signature_in_the_chain)
{
	not_believed(&(struct pki_spec){ .digest = "SHA1" }, CRL_OFF, NULL, "too weak");
}

static void below(struct pki_ent sub, const char *why)
{
	struct pki_ent e = pki_end("end", "P-256", &sub, "DNS:a.example");

	side_has(B, "P-256");
	side_shows(A, pki_cred(&e, &sub), pki_trust(CRL_OFF, &ca, NULL));
	refused_by_b(why);
	pki_free(&e);
	pki_free(&sub);
}

/* [VUL-7] */
Test(certs, issued_by_no_ca)
{
	below(pki_end("not a CA", "P-256", &ca, "DNS:sub.example"), "invalid CA certificate");
}

/* [VUL-7] */
Test(certs, issuer_may_not_sign_certificates)
{
	below(pki_make(&(struct pki_spec){ .cn = "sub",
					   .key = "P-256",
					   .ca = &ca,
					   .exts = { { "basicConstraints", "critical,CA:TRUE" },
						     { "keyUsage", "critical,cRLSign" } } }),
	      "invalid CA certificate");
}

/* [VUL-7] */
Test(certs, name_constraints)
{
	below(pki_make(&(struct pki_spec){
		      .cn = "sub",
		      .key = "P-256",
		      .ca = &ca,
		      .exts = { { "basicConstraints", "critical,CA:TRUE" },
				{ "nameConstraints", "critical,permitted;DNS:other.example" } } }),
	      "permitted subtree violation");
}

/* [VUL-7] */
Test(certs, path_length)
{
	struct pki_ent sub = pki_make(&(struct pki_spec){
		.cn = "sub",
		.key = "P-256",
		.ca = &ca,
		.exts = { { "basicConstraints", "critical,CA:TRUE,pathlen:0" } } });
	struct pki_ent subsub = pki_ca("subsub", "P-256", &sub);
	struct pki_ent e = pki_end("end", "P-256", &subsub, "DNS:a.example");

	/* the CA in the middle is what we trust here: an intermediate may be an anchor */
	side_has(B, "P-256");
	side_shows(A, pki_cred(&e, &subsub), pki_trust(CRL_OFF, &sub, NULL));
	refused_by_b("path length constraint exceeded");
	pki_free(&e);
	pki_free(&subsub);
	pki_free(&sub);
}

/* [VUL-5] */
Test(certs, identity_not_in_the_certificate)
{
	struct pki_ent e = pki_end("a.example", "P-256", &ca,
				   "DNS:aa.example,email:a.example@x,DNS:*.example");

	/* neither the CN nor a wildcard of the certificate counts (RFC 4945 3.1) */
	side_has(B, "P-256");
	side_shows(A, pki_cred(&e, NULL), pki_trust(CRL_OFF, &ca, NULL));
	pki_free(&e);
	refused_by_b("its certificate is not for that id");
}

/* [VUL-5] */
Test(certs, identity_not_in_the_certificate_of_the_responder)
{
	struct pki_ent e = pki_end("b.example", "P-256", &ca, "DNS:bb.example");

	side_has(A, "P-256");
	side_shows(B, pki_cred(&e, NULL), pki_trust(CRL_OFF, &ca, NULL));
	pki_free(&e);
	refused_by_a("its certificate is not for that id");
}

Test(certs, key_id_is_proved_by_none)
{
	side_has(A, "P-256");
	side_has(B, "P-256");
	id_set(&cfg(A)->local_id, ID_KEY_ID, "a.example");
	cfg(B)->remote_id.type = 0;
	refused_by_b("its certificate is not for that id");
}

/* PAD: who may authenticate how. [SIG-7] */
Test(certs, kind_of_key_not_wanted)
{
	side_has(A, "P-256");
	side_has(B, "P-256");
	cfg(B)->key_types = 1 << KEY_RSA | 1 << KEY_ED25519;
	refused_by_b("its key, ECDSA P-256, is not what remote auth asks for");
}

Test(certs, key_too_short)
{
	side_has(A, "P-256");
	side_has(B, "RSA-2048");
	cfg(A)->key_types = 1 << KEY_RSA;
	cfg(A)->key_bits_min = 3072;
	refused_by_a("its key, RSA 2048, is not what remote auth asks for");
}

Test(certs, secret_where_a_certificate_is_wanted)
{
	side_has(A, "P-256");
	side_has(B, "P-256");
	cfg(A)->local_auth = AUTH_BY_PSK;
	refused_by_b("it uses a shared key instead of a certificate");
}

Test(certs, certificate_where_a_secret_is_wanted)
{
	side_has(A, "P-256");
	side_has(B, "P-256");
	cfg(B)->remote_auth = AUTH_BY_PSK;
	/* B announces no hashes then: an old method is tried [SIG-2] */
	refused_by_b("it does not use a shared key");
}

/* Ed25519 needs RFC 8420, which a peer that wants a secret does not announce: [SIG-1] [SIG-6] */
Test(certs, peer_can_verify_nothing)
{
	side_has(A, "ED25519");
	side_has(B, "P-256");
	cfg(B)->remote_auth = AUTH_BY_PSK;
	up();
	cr_assert(strstr(sim_text(&s->side[A], IKE_EV_FAILED),
			 "the peer can verify no signature of our key, Ed25519"),
		  "%s", said);
	cr_expect_eq(sim_op_ends(&s->side[A], 1), 1);
	cr_expect_eq(s->exchanges[A][IKE_AUTH], 0);
}
