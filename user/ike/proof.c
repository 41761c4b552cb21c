/* SPDX-License-Identifier: GPL-2.0-only */
/* How the two sides of IKE_AUTH prove who they are: shared keys and certificates (RFC 7296 2.15,
 * 3.6-3.8, RFC 7427, 4945).
 *
 * With certificates, in this order, cheap things first: the connection wants it so; the first CERT
 * has a key we take; that certificate has the name in the ID payload; a CA of the connection
 * vouches for it, now; AUTH is a signature with its key. Further CERT payloads help to build the
 * chain and mean nothing by themselves.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "crypto/auth.h"
#include "ike_private.h"
#include "parts.h"

enum { INIT_CAS_MAX = 8 /* in the CERTREQ of IKE_SA_INIT, which anybody can ask for */ };

static const char key_pad[] = "Key Pad for IKEv2";

/* ---- what both are computed over: message | nonce | prf(SK_p, ID body) ---- */

struct octets {
	uint8_t maced_id[PRF_MAX_OCTETS];
	struct chunk c[3];
};

static int octets_fill(const struct ike_sa *sa, bool of_initiator, const uint8_t *body,
		       size_t body_len, struct octets *o)
{
	const struct ike_key *sk_p = of_initiator ? &sa->keys.sk_pi : &sa->keys.sk_pr;
	const struct nonce *nonce = of_initiator ? &sa->nr : &sa->ni;
	struct chunk id = { body, body_len };
	size_t n;

	if (!prf_lookup(sa->suite.prf, &n))
		return -EINVAL;
	o->c[0] = (struct chunk){ of_initiator ? sa->init_req : sa->init_resp,
				  of_initiator ? sa->init_req_len : sa->init_resp_len };
	o->c[1] = (struct chunk){ nonce->b, nonce->len };
	o->c[2] = (struct chunk){ o->maced_id, n };
	return prf_compute(sa->suite.prf, sk_p->b, sk_p->len, &id, 1, o->maced_id);
}

/* ---- shared keys ---- */

/* AUTH = prf( prf(secret, "Key Pad for IKEv2"), octets ) */
static int psk_value(const struct ike_sa *sa, const struct secret *psk, const struct octets *o,
		     uint8_t out[PRF_MAX_OCTETS], size_t *ret_len)
{
	struct chunk pad = { key_pad, sizeof(key_pad) - 1 }; /* 17 octets, no terminator */
	uint8_t key[PRF_MAX_OCTETS];
	uint16_t prf = sa->suite.prf;
	size_t n;
	int ret;

	if (!prf_lookup(prf, &n))
		return -EINVAL;
	ret = prf_compute(prf, psk->b, psk->len, &pad, 1, key);
	if (!ret)
		ret = prf_compute(prf, key, n, o->c, 3, out);
	if (!ret)
		*ret_len = n;
	secret_wipe(key, sizeof(key));
	return ret;
}

static bool psk_check(const struct ike_sa *sa, const struct secret *psk, const struct octets *o,
		      const struct ike_msg *in, char why[WHY_MAX])
{
	uint8_t want[PRF_MAX_OCTETS];
	size_t n;
	bool ok;

	if (in->auth_method != AUTH_SHARED_KEY_MIC) {
		snprintf(why, WHY_MAX, "it does not use a shared key");
		return false;
	}
	snprintf(why, WHY_MAX, "check the secret");
	if (!psk->len || psk_value(sa, psk, o, want, &n))
		return false;
	ok = in->auth.len == n && secret_equal(want, in->auth.p, n);
	secret_wipe(want, sizeof(want));
	return ok;
}

/* ---- certificates: what the peer shows ---- */

/* Its CERT payloads in that encoding; returns how many. */
static size_t certs_of(const struct ike_msg *in, uint8_t encoding, struct chunk *out)
{
	struct bytes b;
	size_t n = 0;

	for (unsigned i = 0; i < in->n_certs; i++)
		if (msg_cert(in->certs[i], encoding, &b))
			out[n++] = (struct chunk){ b.p, b.len };
	return n;
}

bool ike_id_in_cert(const struct ike_id *id, const struct cert *c)
{
	static const struct {
		uint8_t type, len; /* len 0: any */
		enum cert_name kind;
	} kinds[] = {
		{ ID_FQDN, 0, CERT_DNS },	{ ID_RFC822_ADDR, 0, CERT_EMAIL },
		{ ID_IPV4_ADDR, 4, CERT_IP },	{ ID_IPV6_ADDR, 16, CERT_IP },
		{ ID_DER_ASN1_DN, 0, CERT_DN },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (kinds[i].type == id->type && (!kinds[i].len || kinds[i].len == id->len))
			return cert_has_name(c, kinds[i].kind, id->data, id->len);
	return false;
}

static bool key_allowed(const struct ike_conn_cfg *c, const struct cert *cert, char why[WHY_MAX])
{
	const struct pkey *k = cert_key(cert);
	struct key_info i;
	char text[32];

	if (!k) {
		snprintf(why, WHY_MAX, "its certificate's key is of a kind or size we do not take");
		return false;
	}
	i = pkey_info(k);
	if ((!c->key_types || c->key_types & 1u << i.type) && i.bits >= c->key_bits_min)
		return true;
	snprintf(why, WHY_MAX, "its key, %s, is not what remote auth asks for",
		 key_info_format(&i, text));
	return false;
}

static bool signature_check(const struct cert *cert, uint32_t rule, const struct ike_msg *in,
			    const struct octets *o, char why[WHY_MAX])
{
	const char *how;
	int ret;

	if (!auth_allowed(in->auth_method, in->auth.p, in->auth.len, rule)) {
		snprintf(why, WHY_MAX, "its signature is not what remote auth asks for");
		return false;
	}
	ret = auth_verify(cert_key(cert), in->auth_method, in->auth.p, in->auth.len, o->c, 3, &how);
	switch (ret) {
	case 0:
		return true;
	case -ENOTSUP:
		snprintf(why, WHY_MAX, "its signature algorithm (method %u) is unknown or too weak",
			 in->auth_method);
		return false;
	case -EKEYREJECTED:
		snprintf(why, WHY_MAX, "its signature is not of the kind of its certificate's key");
		return false;
	default:
		snprintf(why, WHY_MAX, "its signature is wrong");
		return false;
	}
}

static int64_t now_real(const struct ike *ike)
{
	return ike->env.now_real ? ike->env.now_real(ike->env.ctx) : 0;
}

/* The certificate the peer means: the first it sent; if it sent none, one of those it may have that
 * is for its name. *ret_own is the caller's, and NULL if it is none of its own. */
static const struct cert *end_cert(const struct ike_conn_cfg *c, const struct ike_id *id,
				   const struct chunk *first, struct cert **ret_own,
				   char why[WHY_MAX])
{
	if (first) {
		snprintf(why, WHY_MAX, "its certificate cannot be read");
		return cert_parse(first->p, first->len, ret_own) ? NULL : *ret_own;
	}
	snprintf(why, WHY_MAX, "it sent no certificate");
	for (size_t i = 0; i < trust_pins(c->trust); i++)
		if (ike_id_in_cert(id, trust_pin(c->trust, i)))
			return trust_pin(c->trust, i);
	return NULL;
}

static bool pubkey_check(struct ike *ike, const struct ike_conn_cfg *c, const struct octets *o,
			 const struct ike_id *id, const struct ike_msg *in, char why[WHY_MAX])
{
	struct chunk certs[MSG_CERTS_MAX];
	size_t n = certs_of(in, CERT_X509_SIGNATURE, certs);
	size_t all = n + certs_of(in, CERT_OCSP_CONTENT, certs + n), end_n = n ? 1 : 0;
	const struct cert *end = NULL;
	struct cert *own = NULL;
	char clause[CERT_WHY_MAX];
	bool ok = false;

	if (in->auth_method == AUTH_SHARED_KEY_MIC)
		snprintf(why, WHY_MAX, "it uses a shared key instead of a certificate");
	else if (!c->trust)
		snprintf(why, WHY_MAX, "nobody is trusted here");
	else if (!(end = end_cert(c, id, n ? certs : NULL, &own, why)) || !key_allowed(c, end, why))
		;
	else if (!ike_id_in_cert(id, end))
		snprintf(why, WHY_MAX, "its certificate is not for that id");
	else if (trust_verify(c->trust, end, certs + end_n, all - end_n, now_real(ike), clause))
		snprintf(why, WHY_MAX, "%s", clause);
	else
		ok = signature_check(end, c->verify_rule, in, o, why);
	cert_free(own);
	return ok;
}

bool proof_check(struct ike *ike, const struct ike_sa *sa, const struct ike_conn_cfg *c,
		 bool of_initiator, const struct ike_msg *in, char why[WHY_MAX])
{
	const struct id_payload *id = of_initiator ? &in->idi : &in->idr;
	struct octets o;

	snprintf(why, WHY_MAX, "out of memory");
	if (octets_fill(sa, of_initiator, id->body.p, id->body.len, &o))
		return false;
	switch (c->remote_auth) {
	case AUTH_BY_PSK:
		return psk_check(sa, &c->psk, &o, in, why);
	case AUTH_BY_PUBKEY:
		return pubkey_check(ike, c, &o, sa->remote_id, in, why);
	}
	return false;
}

/* ---- certificates: what we show ---- */

/* The one that leads to a CA the peer asks for; it is a hint only, so there is always one (3.7). */
static unsigned cred_choose(const struct ike_conn_cfg *c, const struct ike_msg *in)
{
	struct bytes b;

	for (unsigned k = 0; k < c->n_creds; k++)
		for (unsigned i = 0; i < in->n_certreqs; i++)
			if (msg_cert(in->certreqs[i], CERT_X509_SIGNATURE, &b) &&
			    cred_leads_to(c->creds[k], c->trust, b.p, b.len / CERT_KEY_ID_OCTETS))
				return k;
	return 0;
}

/* "OCSP Content" in CERTREQ: of whichever responder (RFC 4806 3.1). */
static bool wants_ocsp(const struct ike_msg *in)
{
	struct bytes b;

	for (unsigned i = 0; i < in->n_certreqs; i++)
		if (msg_cert(in->certreqs[i], CERT_OCSP_CONTENT, &b))
			return true;
	return false;
}

static void ocsp_put(const struct ike_sa *sa, const struct cred *cred, struct msg_wr *m)
{
	struct chunk responses[CERT_CHAIN_MAX];
	size_t n = cred_ocsp(cred, now_real(sa->ike), responses);

	/* more payloads than we would take we do not send either */
	for (size_t i = 0; i < n && cred_count(cred) + i < MSG_CERTS_MAX; i++)
		msg_put_cert(m, PLD_CERT, CERT_OCSP_CONTENT, responses[i].p, responses[i].len);
}

static int pubkey_put(struct ike_sa *sa, const struct cred *cred, const struct octets *o, bool ocsp,
		      struct msg_wr *m, char why[WHY_MAX])
{
	uint8_t auth[AUTH_DATA_MAX], method;
	struct key_info i;
	const char *how;
	uint32_t hashes;
	char text[32];
	size_t n;
	int ret;

	if (!cred || !cred_has_key(cred)) {
		snprintf(why, WHY_MAX, "there is no certificate of ours with its key");
		return -ENOENT;
	}
	ret = auth_narrow(sa->peer_hashes, sa->conn->c.sign_rule, &hashes);
	if (!ret)
		ret = auth_sign(cred_key(cred), hashes, o->c, 3, &method, auth, &n, &how);
	if (ret) {
		i = pkey_info(cred_key(cred));
		snprintf(why, WHY_MAX,
			 ret == -ENOTSUP
				 ? "the peer can verify no signature of our key, %s"
				 : "our key, %s, does not sign; if it is in a token, see to that",
			 key_info_format(&i, text));
		return ret;
	}
	for (size_t k = 0; k < cred_count(cred); k++) {
		struct chunk der = cred_der(cred, k);

		/* "the first certificate MUST contain the public key used" (3.6) */
		msg_put_cert(m, PLD_CERT, CERT_X509_SIGNATURE, der.p, der.len);
	}
	if (ocsp)
		ocsp_put(sa, cred, m);
	msg_put_auth(m, method, auth, n);
	return 0;
}

static int psk_put(struct ike_sa *sa, const struct octets *o, struct msg_wr *m)
{
	uint8_t auth[PRF_MAX_OCTETS];
	size_t n;
	int ret = psk_value(sa, &sa->conn->c.psk, o, auth, &n);

	if (!ret)
		msg_put_auth(m, AUTH_SHARED_KEY_MIC, auth, n);
	secret_wipe(auth, sizeof(auth));
	return ret;
}

static bool asks_ocsp(const struct ike_conn_cfg *c)
{
	return c->ocsp_request && c->trust && trust_policy(c->trust) != CRL_OFF;
}

static void certreq_put(const struct ike_conn_cfg *c, struct msg_wr *m)
{
	const struct trust *t = c->trust;
	uint8_t ids[TRUST_CAS_MAX * CERT_KEY_ID_OCTETS];
	size_t n = trust_anchors(t);

	for (size_t i = 0; i < n; i++)
		memcpy(ids + i * CERT_KEY_ID_OCTETS, trust_anchor_id(t, i), CERT_KEY_ID_OCTETS);
	msg_put_cert(m, PLD_CERTREQ, CERT_X509_SIGNATURE, ids, n * CERT_KEY_ID_OCTETS);
	if (asks_ocsp(c))
		msg_put_cert(m, PLD_CERTREQ, CERT_OCSP_CONTENT, "", 0);
}

int proof_put(struct ike_sa *sa, bool initiator, const struct ike_msg *certreqs, struct msg_wr *m,
	      char why[WHY_MAX])
{
	const struct ike_conn_cfg *c = &sa->conn->c;
	const struct ike_id *id = sa->local_id;
	uint8_t body[4 + IKE_ID_MAX] = { id->type };
	bool ocsp = c->ocsp_reply && (certreqs ? wants_ocsp(certreqs) : sa->wants_ocsp);
	struct octets o;
	int ret;

	snprintf(why, WHY_MAX, "out of memory");
	memcpy(body + 4, id->data, id->len);
	ret = octets_fill(sa, initiator, body, 4u + id->len, &o);
	if (ret)
		return ret;
	msg_put_id(m, initiator ? PLD_IDI : PLD_IDR, id->type, id->data, id->len);
	if (initiator && c->trust)
		certreq_put(c, m);
	if (initiator && !ike_id_is_pattern(&c->remote_id))
		msg_put_id(m, PLD_IDR, c->remote_id.type, c->remote_id.data, c->remote_id.len);
	if (c->local_auth == AUTH_BY_PSK)
		return psk_put(sa, &o, m);
	return pubkey_put(sa, c->creds[certreqs ? cred_choose(c, certreqs) : sa->cred], &o, ocsp, m,
			  why);
}

/* ---- parts of IKE_SA_INIT ---- */

/* Responder: nobody knows yet which connection it will be. */
static bool pubkey_possible(const struct part_ctx *c)
{
	if (c->sa->initiator)
		return c->sa->conn->c.remote_auth == AUTH_BY_PUBKEY;
	list_for_each (it, &c->ike->conns) {
		const struct conn *conn = list_entry(it, struct conn, node);

		if (conn->c.remote_auth == AUTH_BY_PUBKEY && conn_fits_path(&conn->c, c->path))
			return true;
	}
	return false;
}

void hashes_build(struct part_ctx *c)
{
	if (pubkey_possible(c))
		msg_put_hashes(c->m, SIG_HASHES);
}

void hashes_process(struct part_ctx *c)
{
	const struct notify *n = msg_notify(c->in, N_SIGNATURE_HASH_ALGORITHMS);

	if (n)
		c->sa->peer_hashes = msg_hashes(n);
}

void certreq_build(struct part_ctx *c)
{
	uint8_t ids[INIT_CAS_MAX * CERT_KEY_ID_OCTETS];
	bool ocsp = false;
	size_t n = 0;

	list_for_each (it, &c->ike->conns) {
		const struct conn *conn = list_entry(it, struct conn, node);
		const struct trust *t = conn->c.trust;

		if (!t || !conn_fits_path(&conn->c, c->path))
			continue;
		ocsp |= asks_ocsp(&conn->c);
		for (size_t i = 0; i < trust_anchors(t) && n < INIT_CAS_MAX; i++) {
			const uint8_t *id = trust_anchor_id(t, i);

			if (!memmem(ids, n * CERT_KEY_ID_OCTETS, id, CERT_KEY_ID_OCTETS))
				memcpy(ids + n++ * CERT_KEY_ID_OCTETS, id, CERT_KEY_ID_OCTETS);
		}
	}
	if (n)
		msg_put_cert(c->m, PLD_CERTREQ, CERT_X509_SIGNATURE, ids, n * CERT_KEY_ID_OCTETS);
	if (ocsp)
		msg_put_cert(c->m, PLD_CERTREQ, CERT_OCSP_CONTENT, "", 0);
}

void certreq_process(struct part_ctx *c)
{
	c->sa->wants_ocsp = wants_ocsp(c->in);
	c->sa->cred = (uint8_t)cred_choose(&c->sa->conn->c, c->in);
}
