/* SPDX-License-Identifier: GPL-2.0-only */
/* OpenSSL fails: in a run through set-up, rekeys of both kinds from both sides and their deletion,
 * each call the product makes of it fails once, by NULL or 0 and, where the function may say so, by
 * a negative number. The run ends well or with an error on both sides; nothing goes in clear,
 * nothing is left over, and a peer that is not to be believed is not believed because of it.
 *
 * The linker sends every symbol of libcrypto that the product's objects want through a wrapper;
 * openssl_calls.h, their list, is made from the objects, so that none is forgotten. [ROB-6]
 * [VUL-22]
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <openssl/err.h>

#include "crypto/rng.h"
#include "../lib/pki.h"
#include "sim.h"

/* Calls that return nothing, or something whose absence does not mean a failure. */
static const char *const never[] = {
	"*_free",
	"*_cmp",
	"*_get0",
	"*_get0_*",
	"ERR_*",
	"CRYPTO_free",
	"OBJ_*",
	"OCSP_resp_count",
	"OPENSSL_cleanse",
	"OPENSSL_sk_num",
	"OPENSSL_sk_value",
	"OPENSSL_sk_pop_free",
	"OSSL_PARAM_construct_*",
	"ASN1_STRING_length",
	"X509_CRL_get_issuer",
	"X509_NAME_ENTRY_get_*",
	"X509_NAME_entry_count",
	"X509_NAME_get_entry",
	"X509_STORE_CTX_get_*",
	"X509_STORE_CTX_set_verify_cb",
	"X509_STORE_set_verify_cb",
	"X509_VERIFY_PARAM_set_*",
	"X509_check_issued",
	"X509_get_extension_flags",
	"X509_get_*key_usage",
	"X509_get_issuer_name",
	"X509_get_subject_name",
	"X509_get_X509_PUBKEY",
	"X509_get_version",
	"X509_verify_cert_error_string",
	"EVP_PKEY_get_base_id",
	"EVP_PKEY_get_bits",
	"EVP_aes_*",
	"EVP_get_digestbyname",
	"EVP_chacha20_*",
	"EVP_sha*",
	"BIO_s_mem",
};

/* Integers, below 0 for another kind of failure than 0 is. */
static const char *const negative[] = {
	"ASN1_TIME_to_tm",	"BN_bn2binpad",
	"ECDSA_SIG_set0",	"EC_POINT_mul",
	"EVP_*_get_*param*",	"EVP_*_set_*",
	"EVP_CIPHER_CTX_ctrl",	"EVP_Cipher*_ex",
	"EVP_CipherUpdate",	"EVP_Digest*",
	"EVP_Encrypt*",		"EVP_MAC_final",
	"EVP_MAC_init",		"EVP_MAC_update",
	"EVP_PKEY_derive*",	"EVP_PKEY_eq",
	"EVP_PKEY_fromdata*",	"EVP_PKEY_generate",
	"EVP_PKEY_keygen_init", "EVP_PKEY_public_check_quick",
	"RAND_bytes",		"X509_STORE_CTX_init",
	"X509_verify_cert",	"i2d_*",
};

static bool armed, hit;
static long calls, fail_at, fail_with;
static const char *failed;

static bool in_list(const char *const *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!fnmatch(list[i], name, 0))
			return true;
	return false;
}

#define IN(list, name) in_list(list, sizeof(list) / sizeof(*(list)), name)

/* 1: may fail; 2: in both ways; -1: never. *kind keeps what the lists say. */
static bool fails(const char *name, int *kind)
{
	if (!armed)
		return false;
	if (!*kind)
		*kind = IN(never, name) ? -1 : IN(negative, name) ? 2 : 1;
	if (*kind < 0 || (fail_with < 0 && *kind == 1) || calls++ != fail_at)
		return false;
	hit = true;
	failed = name;
	return true;
}

/* No function of them takes more arguments, or any that is not an integer or a pointer. */
#define CALL(name)                                                                                 \
	long __real_##name(long, long, long, long, long, long, long, long);                        \
	long __wrap_##name(long, long, long, long, long, long, long, long);                        \
	long __wrap_##name(long a, long b, long c, long d, long e, long f, long g, long h)         \
	{                                                                                          \
		static int kind;                                                                   \
                                                                                                   \
		return fails(#name, &kind) ? fail_with : __real_##name(a, b, c, d, e, f, g, h);    \
	}
#include "openssl_calls.h"

/* ---- a run ---- */

enum how { GOOD, BAD_REQUEST, BAD_ANSWER, REVOKED };

static struct pki_ent ca, ends[SIM_SIDES];
static struct cred *creds[SIM_SIDES];
static struct trust *trust, *revoking; /* the latter by OCSP, what A shows */

static void setup(void)
{
	struct chunk der;

	ca = pki_ca("test CA", "P-256", NULL);
	for (unsigned i = 0; i < SIM_SIDES; i++) {
		ends[i] = pki_end("end", i == A ? "P-256" : "RSA-2048", &ca,
				  i == A ? "DNS:a.example" : "DNS:b.example");
		creds[i] = pki_cred(&ends[i], NULL);
	}
	trust = pki_trust(CRL_IFPRESENT, &ca, NULL);
	revoking = pki_trust(CRL_IFPRESENT, &ca, NULL);
	der = pki_ocsp(
		&(struct pki_ocsp_spec){ .about = &ends[A], .issuer = &ca, .status = PKI_REVOKED });
	cr_assert_eq(trust_add_ocsp(revoking, der.p, der.len), 0);
	free((void *)der.p);
}

static void teardown(void)
{
	for (unsigned i = 0; i < SIM_SIDES; i++) {
		cred_unref(creds[i]);
		pki_free(&ends[i]);
	}
	trust_unref(trust);
	trust_unref(revoking);
	pki_free(&ca);
}

TestSuite(openssl, .init = setup, .fini = teardown, .timeout = 250);

static enum how how;

/* After IKE_SA_INIT all is encrypted, but for the word that nobody knows the IKE SA. In a bad run
 * IKE_SA_INIT has one octet changed that no key depends on, but every proof: the last one, of NAT
 * detection. */
static void on_wire(struct sim *s, struct sim_packet *p)
{
	(void)s;
	if (p->buf[18] == IKE_SA_INIT) {
		if (how == (p->to == B ? BAD_REQUEST : BAD_ANSWER))
			p->buf[p->len - 1] ^= 1;
		return;
	}
	cr_assert(p->buf[16] == PLD_SK || p->buf[16] == PLD_SKF ||
			  (p->buf[16] == PLD_NOTIFY && p->len <= 36),
		  "%s: payload %u", failed, p->buf[16]);
	cr_assert_null(memmem(p->buf, p->len, ".example", 8), "%s", failed);
}

/* Of everything the other kind: CBC and HMAC, a curve, PFS. */
static void other_algorithms(struct ike_conn_cfg *c)
{
	static const struct ike_proposal ike = { .n_encr = 1,
						 .n_integ = 1,
						 .n_prf = 1,
						 .n_ke = 1,
						 .encr = { { ENCR_AES_CBC, 256 } },
						 .integ = { { INTEG_HMAC_SHA2_256_128 } },
						 .prf = { PRF_HMAC_SHA2_256 },
						 .ke = { KE_ECP_256 } };
	static const struct ike_proposal esp = { .n_encr = 1,
						 .n_ke = 1,
						 .n_esn = 1,
						 .encr = { { ENCR_AES_GCM_16, 256 } },
						 .ke = { KE_ECP_256 },
						 .esn = { ESN_YES } };

	c->n_proposals = 1;
	c->proposals[0] = ike;
	for (unsigned i = 0; i < c->n_children; i++) {
		c->children[i].n_proposals = 1;
		c->children[i].proposals[0] = esp;
	}
}

static struct sim *make(bool certificates)
{
	struct sim *s = sim_new(1, false);

	s->real = PKI_NOW;
	for (unsigned i = 0; i < SIM_SIDES; i++) {
		struct ike_conn_cfg *c = &s->side[i].conn[0];

		c->dpd_delay = 30 * USEC_PER_SEC;
		if (!certificates)
			continue;
		c->local_auth = c->remote_auth = AUTH_BY_PUBKEY;
		c->creds[0] = creds[i];
		c->n_creds = 1;
		c->trust = how == REVOKED && i == B ? revoking : trust;
		c->fragmentation = IKE_FRAGMENT_FORCE;
		other_algorithms(c);
	}
	s->on_wire = on_wire;
	sim_start(s);
	rng_set_source(NULL, NULL); /* it may fail too */
	return s;
}

static void work(struct sim *s)
{
	if (sim_up(s, A, "net", 1))
		return;
	sim_run(s, 100 * USEC_PER_SEC);
	if (how != GOOD || !s->side[A].n_children)
		return;
	for (unsigned i = 0; i < SIM_SIDES; i++) {
		ike_rekey(s->side[i].ike, "c", NULL, 2 + i, s->now);
		sim_run(s, 20 * USEC_PER_SEC);
		ike_rekey(s->side[i].ike, "c", "net", 4 + i, s->now);
		sim_run(s, 20 * USEC_PER_SEC);
	}
	sim_up(s, A, "more", 6);
	sim_run(s, 20 * USEC_PER_SEC);
}

/* Both sides agree on what there is, and whoever asked for something was told. */
static void settled(struct sim *s)
{
	unsigned n = s->side[A].n_children;

	sim_run(s, 300 * USEC_PER_SEC);
	if (how == BAD_REQUEST || how == REVOKED)
		cr_assert_eq(sim_count(&s->side[B], IKE_EV_IKE_UP, 0), 0, "%s: believed", failed);
	if (how == BAD_ANSWER)
		cr_assert_eq(sim_count(&s->side[A], IKE_EV_IKE_UP, 0), 0, "%s: believed", failed);
	n = s->side[A].n_children;
	cr_assert(sim_mirrored(s, n), "%s failed as call %ld with %ld", failed, fail_at, fail_with);
	cr_assert_eq(s->side[A].spis, (int)n, "%s", failed);
	cr_assert_eq(s->side[B].spis, (int)n, "%s", failed);
	for (uint32_t op = 1; op <= 6; op++)
		cr_assert_leq(sim_op_ends(&s->side[op == 3 || op == 5], op), 1, "%s", failed);
	cr_assert(sim_op_ends(&s->side[A], 1) == 1 || !n, "%s", failed);
	cr_assert_eq(ERR_peek_error(), 0, "%s leaves an error behind", failed);
}

/* True: call number `at` failed; false: there are not so many. */
static bool once(bool certificates, long at, long with)
{
	struct sim *s = make(certificates);

	fail_at = at;
	fail_with = with;
	calls = 0;
	hit = false;
	failed = "none";
	armed = true;
	work(s);
	armed = false;
	settled(s);
	if (!hit && how == GOOD)
		cr_assert(sim_mirrored(s, 2));
	sim_free(s);
	return hit;
}

static void every_call(bool certificates, enum how which)
{
	how = which;
	for (long with = 0; with >= -1; with--) {
		long n = 0;

		while (once(certificates, n, with))
			n++;
		cr_assert_gt(n, 100);
		cr_log_info("%ld calls", n);
	}
}

Test(openssl, every_call_fails_once_with_secrets)
{
	every_call(false, GOOD);
}

Test(openssl, every_call_fails_once_with_certificates_and_fragments)
{
	every_call(true, GOOD);
}

Test(openssl, no_failure_believes_an_initiator_with_a_wrong_secret_proof)
{
	every_call(false, BAD_REQUEST);
}

Test(openssl, no_failure_believes_a_responder_with_a_wrong_secret_proof)
{
	every_call(false, BAD_ANSWER);
}

Test(openssl, no_failure_believes_an_initiator_with_a_wrong_signature)
{
	every_call(true, BAD_REQUEST);
}

Test(openssl, no_failure_believes_a_responder_with_a_wrong_signature)
{
	every_call(true, BAD_ANSWER);
}

Test(openssl, no_failure_believes_a_revoked_certificate)
{
	every_call(true, REVOKED);
}
