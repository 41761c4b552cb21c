/* SPDX-License-Identifier: GPL-2.0-only */
/* Keys and AUTH as RFC 7296 2.13 to 2.18 write them down, computed here once more: the test is an
 * initiator that has nothing but prf(), a key exchange and a cipher, and side 1 must understand it.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "crypto/aead.h"
#include "crypto/alg.h"
#include "crypto/ke.h"
#include "crypto/prf.h"
#include "duo_assert.h"
#include "ikemsg/sk.h"

enum { KEY_MAX = 64, NONCE = 32 };

struct key {
	uint8_t b[KEY_MAX];
	size_t len;
};

/* What we know of one IKE SA. */
struct relation {
	uint64_t spi_i, spi_r;
	uint16_t prf;
	bool aead;
	struct key d, ai, ar, ei, er, pi, pr;
	uint32_t next;
};

static struct duo *d;
static const char psk[] = "a shared secret of the two", pad[] = "Key Pad for IKEv2";
static const uint8_t ni[NONCE] = "the initiator's nonce, of course", *nr;
static uint64_t iv;

/* ---- 2.13 ---- */

static size_t prf_octets(uint16_t prf)
{
	return prf == PRF_HMAC_SHA2_512 ? 64 : 32;
}

static struct key prf(uint16_t id, struct key k, const struct chunk *in, size_t n)
{
	struct key out = { .len = prf_octets(id) };

	cr_assert_eq(prf_compute(id, k.b, k.len, in, n, out.b), 0);
	return out;
}

/* T1 | T2 | .., Tn = prf(K, Tn-1 | S | n) */
static void expand(uint16_t id, struct key k, const uint8_t *seed, size_t seed_len, uint8_t *out,
		   size_t len)
{
	struct key t = { .len = 0 };

	for (uint8_t n = 1; len; n++) {
		struct chunk in[] = { { t.b, t.len }, { seed, seed_len }, { &n, 1 } };
		size_t take;

		t = prf(id, k, in, 3);
		take = len < t.len ? len : t.len;
		memcpy(out, t.b, take);
		out += take;
		len -= take;
	}
}

static struct key cut(const uint8_t **p, size_t len)
{
	struct key k = { .len = len };

	memcpy(k.b, *p, len);
	*p += len;
	return k;
}

/* {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+(SKEYSEED, Ni | Nr | SPIi | SPIr) */
static void split(struct relation *r, struct key skeyseed, const uint8_t *i, const uint8_t *resp)
{
	uint8_t seed[2 * NONCE + 16], km[7 * KEY_MAX];
	const uint8_t *p = km;
	size_t n = prf_octets(r->prf), a = r->aead ? 0 : 32, e = r->aead ? 36 : 32;
	struct wr w = wr_init(seed, sizeof(seed));

	wr_bytes(&w, i, NONCE);
	wr_bytes(&w, resp, NONCE);
	wr_u64(&w, r->spi_i);
	wr_u64(&w, r->spi_r);
	expand(r->prf, skeyseed, seed, w.len, km, sizeof(km));
	r->d = cut(&p, n);
	r->ai = cut(&p, a);
	r->ar = cut(&p, a);
	r->ei = cut(&p, e);
	r->er = cut(&p, e);
	r->pi = cut(&p, n);
	r->pr = cut(&p, n);
}

/* ---- messages under these keys ---- */

static struct aead *context(const struct relation *r, bool ours, struct aead_sizes *s)
{
	struct aead_spec spec = { r->aead ? ENCR_AES_GCM_16 : ENCR_AES_CBC, 256,
				  r->aead ? INTEG_NONE : INTEG_HMAC_SHA2_256_128 };
	const struct key *e = ours ? &r->ei : &r->er, *a = ours ? &r->ai : &r->ar;
	struct aead *c;

	cr_assert(aead_sizes(&spec, s));
	c = aead_new(AEAD_DRIVER_OPENSSL, &spec, ours, e->b, e->len, a->b, a->len);
	cr_assert_not_null(c);
	return c;
}

/* Side 1's octets, opened with what it sends with: [KEY-8]. Borrows from m. */
static struct ike_msg *opened(const struct relation *r, struct duo_msg *m)
{
	static struct ike_msg msg;
	struct aead_sizes s;
	struct aead *c = context(r, false, &s);
	uint8_t *inner, critical;
	size_t len;

	memset(&msg, 0, sizeof(msg));
	cr_assert_eq(msg_decode(m->buf, m->len, &msg, &critical), MSG_OK);
	cr_assert_eq(sk_open(c, &s, m->buf, m->len, &msg, &inner, &len), 0, "other keys");
	cr_assert_eq(msg_decode_inner(msg.sk_next, inner, len, &msg, &critical), MSG_OK);
	aead_free(c);
	return &msg;
}

static uint8_t inner[2048];
static struct msg_wr w;
static struct duo_msg got;

static void say(const struct relation *r, uint8_t exchange, bool response, uint32_t msg_id)
{
	struct ike_hdr h = { .spi_i = r->spi_i,
			     .spi_r = r->spi_r,
			     .version = IKE_VERSION_2_0,
			     .exchange = exchange,
			     .flags = IKE_FLAG_INITIATOR | (response ? IKE_FLAG_RESPONSE : 0),
			     .msg_id = msg_id };
	struct ike_path path = duo_path(DUO_R, 4500);
	uint8_t buf[DUO_MSG_MAX];
	struct aead_sizes s;
	struct aead *c = context(r, true, &s);
	size_t n = sk_seal(c, &s, &h, w.first, inner, msg_end(&w), iv++, buf, sizeof(buf));

	cr_assert_gt(n, 0);
	aead_free(c);
	duo_give(d, DUO_R, &path, buf, n);
}

static struct ike_msg *ask(struct relation *r, uint8_t exchange)
{
	say(r, exchange, false, r->next++);
	cr_assert_eq(d->n, 1, "%zu answers", d->n);
	cr_assert(duo_take(d, &got));
	return opened(r, &got);
}

/* AUTH = prf( prf(secret, "Key Pad for IKEv2"), message | nonce | prf(SK_p, ID body) ) [AUT-1]
 * [AUT-2]
 */
static struct key auth(const struct relation *r, const struct duo_msg *message,
		       const uint8_t *nonce, struct key sk_p, const uint8_t *id, size_t id_len)
{
	struct chunk key_pad = { pad, 17 }, body = { id, id_len };
	struct key secret = { .len = sizeof(psk) - 1 }, maced = prf(r->prf, sk_p, &body, 1);
	struct chunk octets[] = { { message->buf, message->len },
				  { nonce, NONCE },
				  { maced.b, maced.len } };

	memcpy(secret.b, psk, secret.len);
	return prf(r->prf, prf(r->prf, secret, &key_pad, 1), octets, 3);
}

/* ---- one relation ---- */

static struct sa_payload ike_offer(const struct relation *r, uint8_t spi_len, uint64_t spi)
{
	struct sa_payload sa = { .n = 1 };
	struct proposal *p = &sa.p[0];

	*p = (struct proposal){
		.number = 1, .protocol = PROTO_IKE, .spi_len = spi_len, .spi = spi
	};
	p->transforms[p->n_transforms++] =
		(struct transform){ .type = TRANSFORM_ENCR,
				    .id = r->aead ? ENCR_AES_GCM_16 : ENCR_AES_CBC,
				    .key_bits = 256 };
	p->transforms[p->n_transforms++] =
		(struct transform){ .type = TRANSFORM_PRF, .id = r->prf };
	if (!r->aead)
		p->transforms[p->n_transforms++] =
			(struct transform){ .type = TRANSFORM_INTEG,
					    .id = INTEG_HMAC_SHA2_256_128 };
	p->transforms[p->n_transforms++] =
		(struct transform){ .type = TRANSFORM_KE, .id = KE_X25519 };
	return sa;
}

static struct secret shared(struct ke *ke, const struct ike_msg *answer)
{
	struct secret gir = { .len = 0 };

	cr_assert(answer->has_sa && answer->has_ke && answer->has_nonce);
	cr_assert_eq(answer->nonce.len, NONCE);
	cr_assert_eq(ke_derive(ke, answer->ke.p, answer->ke.len, &gir), 0);
	return gir;
}

static void put_ts(void)
{
	struct ts_list t = { .n = 1 };

	t.ts[0] = (struct ts){ .port_last = 65535,
			       .first = addr_v4(0x0a010000),
			       .last = addr_v4(0x0a01ffff) };
	msg_put_ts(&w, PLD_TSI, &t);
	t.ts[0].first = addr_v4(0x0a020000);
	t.ts[0].last = addr_v4(0x0a02ffff);
	msg_put_ts(&w, PLD_TSR, &t);
}

/* [KEY-1] [KEY-2]: IKE_SA_INIT; message 1 and 2 and Nr as they were. */
static void init(struct relation *r, struct duo_msg *first, struct duo_msg *second)
{
	struct ike_hdr h = { .spi_i = r->spi_i,
			     .version = IKE_VERSION_2_0,
			     .exchange = IKE_SA_INIT,
			     .flags = IKE_FLAG_INITIATOR };
	struct sa_payload sa = ike_offer(r, 0, 0);
	struct msg_wr m = msg_begin(first->buf, sizeof(first->buf), &h);
	struct ike_path path = duo_path(DUO_R, 500);
	static struct ike_msg answer;
	struct ke *ke = ke_new(KE_X25519);
	struct key nonces = { .len = 2 * NONCE }, skeyseed;
	struct secret gir;
	struct chunk in;
	const uint8_t *pub;
	uint8_t critical;
	size_t len;

	pub = ke_public(ke, &len);
	msg_put_sa(&m, &sa);
	msg_put_ke(&m, KE_X25519, pub, len);
	msg_put_nonce(&m, ni, NONCE);
	first->len = msg_end(&m);
	cr_assert_eq(duo_give(d, DUO_R, &path, first->buf, first->len), 1);
	cr_assert(duo_take(d, second));
	cr_assert_eq(msg_decode(second->buf, second->len, &answer, &critical), MSG_OK);
	gir = shared(ke, &answer);
	r->spi_r = answer.hdr.spi_r;
	nr = answer.nonce.p;
	memcpy(nonces.b, ni, NONCE);
	memcpy(nonces.b + NONCE, nr, NONCE);
	in = (struct chunk){ gir.b, gir.len };
	skeyseed = prf(r->prf, nonces, &in, 1);
	split(r, skeyseed, ni, nr);
	ke_free(ke);
}

/* KEYMAT = prf+(SK_d, [g^ir |] Ni | Nr), first what the exchange's initiator sends with. */
static void check_child(const struct relation *r, const struct secret *gir, const uint8_t *i,
			const uint8_t *resp, bool by_peer)
{
	const struct child_sa_out *c = &d->e[DUO_R].child;
	uint8_t seed[KEY_MAX + 2 * NONCE], km[2 * 36];
	struct wr all = wr_init(seed, sizeof(seed));

	if (gir)
		wr_bytes(&all, gir->b, gir->len);
	wr_bytes(&all, i, NONCE);
	wr_bytes(&all, resp, NONCE);
	cr_assert_eq(all.err, 0);
	expand(r->prf, r->d, seed, all.len, km, sizeof(km));
	cr_assert_eq(c->key_in.len, 36);
	cr_assert_arr_eq(by_peer ? c->key_out.b : c->key_in.b, km, 36);
	cr_assert_arr_eq(by_peer ? c->key_in.b : c->key_out.b, km + 36, 36);
}

static struct sa_payload esp_offer(uint32_t spi)
{
	struct sa_payload sa = { .n = 1 };

	sa.p[0] = (struct proposal){
		.number = 1, .protocol = PROTO_ESP, .spi_len = 4, .spi = spi, .n_transforms = 2
	};
	sa.p[0].transforms[0] = (struct transform){ .type = TRANSFORM_ENCR,
						    .id = ENCR_AES_GCM_16,
						    .key_bits = 256 };
	sa.p[0].transforms[1] = (struct transform){ .type = TRANSFORM_ESN, .id = ESN_NO };
	return sa;
}

static void set_up(struct relation *r)
{
	static const char id[] = "\2\0\0\0i.example";
	static struct duo_msg first, second;
	struct sa_payload sa = esp_offer(0xabcd0001);
	struct ike_msg *answer;
	struct key mac;

	init(r, &first, &second);
	mac = auth(r, &first, nr, r->pi, (const uint8_t *)id, sizeof(id) - 1);
	w = msg_begin_inner(inner, sizeof(inner));
	msg_put_id(&w, PLD_IDI, ID_FQDN, id + 4, sizeof(id) - 5);
	msg_put_auth(&w, AUTH_SHARED_KEY_MIC, mac.b, mac.len);
	msg_put_notify(&w, PROTO_NONE, NULL, 0, N_CLONE_IKE_SA_SUPPORTED, NULL, 0);
	msg_put_sa(&w, &sa);
	put_ts();
	answer = ask(r, IKE_AUTH);
	cr_assert_null(msg_error_notify(answer), "%s", notify_name(msg_error_notify(answer)->type));
	cr_assert(answer->has_idr && answer->has_auth && answer->has_sa);
	mac = auth(r, &second, ni, r->pr, answer->idr.body.p, answer->idr.body.len);
	cr_assert_eq(answer->auth.len, mac.len);
	cr_assert_arr_eq(answer->auth.p, mac.b, mac.len);
	cr_assert_eq(d->e[DUO_R].child_adds, 1);
	check_child(r, NULL, ni, nr, false); /* [KEY-5] [KEY-6] */
}

/* [KEY-7]: side 1 begins the exchange, and its keys are the first. */
static void rekeyed_by_peer(const struct relation *r)
{
	static const uint8_t resp[NONCE] = "a nonce of the one who answers..";
	struct sa_payload sa = esp_offer(0xabcd0002);
	unsigned before = d->e[DUO_R].child_adds;
	struct ike_msg *request;
	uint8_t i[NONCE];
	uint32_t id;

	cr_assert_eq(ike_rekey(d->e[DUO_R].ike, "duo", "net", 5, d->now), 0);
	duo_wait(d, 0);
	cr_assert(duo_take(d, &got));
	request = opened(r, &got);
	cr_assert_eq(request->hdr.flags, 0);
	memcpy(i, request->nonce.p, NONCE);
	id = request->hdr.msg_id;
	w = msg_begin_inner(inner, sizeof(inner));
	msg_put_sa(&w, &sa);
	msg_put_nonce(&w, resp, NONCE);
	msg_put_ts(&w, PLD_TSI, &request->tsi);
	msg_put_ts(&w, PLD_TSR, &request->tsr);
	say(r, CREATE_CHILD_SA, true, id);
	cr_assert_eq(d->e[DUO_R].child_adds, before + 1);
	check_child(r, NULL, i, resp, true);
	/* --> INFORMATIONAL { D }  <-- { } */
	cr_assert(duo_take(d, &got));
	request = opened(r, &got);
	cr_assert_eq(request->n_deletes, 1);
	w = msg_begin_inner(inner, sizeof(inner));
	say(r, INFORMATIONAL, true, request->hdr.msg_id);
	d->n = 0;
}

/* [KEY-5]: with a key exchange of its own. */
static void child_with_pfs(struct relation *r)
{
	static const uint8_t i[NONCE] = "a nonce for a Child SA, with KE.";
	struct sa_payload sa = esp_offer(0xabcd0003);
	unsigned before = d->e[DUO_R].child_adds;
	struct ke *ke = ke_new(KE_X25519);
	struct ike_msg *answer;
	const uint8_t *pub;
	struct secret gir;
	size_t len;

	sa.p[0].transforms[sa.p[0].n_transforms++] =
		(struct transform){ .type = TRANSFORM_KE, .id = KE_X25519 };
	pub = ke_public(ke, &len);
	w = msg_begin_inner(inner, sizeof(inner));
	msg_put_sa(&w, &sa);
	msg_put_nonce(&w, i, NONCE);
	msg_put_ke(&w, KE_X25519, pub, len);
	put_ts();
	answer = ask(r, CREATE_CHILD_SA);
	cr_assert_eq(d->e[DUO_R].child_adds, before + 1);
	gir = shared(ke, answer);
	check_child(r, &gir, i, answer->nonce.p, false);
	ke_free(ke);
}

/* It is understood, with the next Message ID. */
static void greet(struct relation *r)
{
	uint32_t id = r->next;

	w = msg_begin_inner(inner, sizeof(inner));
	cr_assert_eq(ask(r, INFORMATIONAL)->n_order, 1);
	cr_assert_eq(hdr_of(got.buf, got.len).msg_id, id);
}

/* [KEY-1]: SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr), by the old PRF; the rest by the new.
 * [CLONE-15]: the same for a clone. */
static struct relation successor(struct relation *r, uint16_t prf_new, bool clone)
{
	static const uint8_t i[NONCE] = "another nonce, for the successor";
	struct relation next = { .spi_i = 0x7777777777777777, .prf = prf_new, .aead = r->aead };
	struct sa_payload sa = ike_offer(&next, 8, next.spi_i);
	struct ke *ke = ke_new(KE_X25519);
	uint8_t resp[NONCE];
	struct ike_msg *answer;
	const uint8_t *pub;
	struct secret gir;
	size_t len;

	pub = ke_public(ke, &len);
	w = msg_begin_inner(inner, sizeof(inner));
	if (clone)
		msg_put_notify(&w, PROTO_NONE, NULL, 0, N_CLONE_IKE_SA, NULL, 0);
	msg_put_sa(&w, &sa);
	msg_put_nonce(&w, i, NONCE);
	msg_put_ke(&w, KE_X25519, pub, len);
	answer = ask(r, CREATE_CHILD_SA);
	cr_assert(answer->has_sa, "%s",
		  answer->n_notifies ? notify_name(answer->notifies[0].type) : "");
	gir = shared(ke, answer);
	memcpy(resp, answer->nonce.p, NONCE);
	next.spi_r = answer->sa.p[0].spi;
	struct chunk in[] = { { gir.b, gir.len }, { i, NONCE }, { resp, NONCE } };
	split(&next, prf(r->prf, r->d, in, 3), i, resp);
	ke_free(ke);
	greet(&next); /* from Message ID 0 on */
	return next;
}

static void session(bool aead)
{
	struct relation r = { .spi_i = 0x1234567887654321,
			      .prf = PRF_HMAC_SHA2_256,
			      .aead = aead,
			      .next = 1 },
			clone;
	struct ike_proposal *p;

	d = new_duo();
	d->side[DUO_R].conn.clone = true;
	d->side[DUO_R].conn.ike_sas_max = 2;
	p = &d->side[DUO_R].conn.proposals[0];
	p->n_prf = 2;
	p->prf[1] = PRF_HMAC_SHA2_512;
	if (!aead) {
		p->encr[0] = (struct ike_alg){ ENCR_AES_CBC, 256 };
		p->n_integ = 1;
		p->integ[0] = (struct ike_alg){ INTEG_HMAC_SHA2_256_128, 0 };
	}
	cr_assert_eq(duo_start(d), 0);
	set_up(&r);
	rekeyed_by_peer(&r);
	r = successor(&r, PRF_HMAC_SHA2_512, false);
	rekeyed_by_peer(&r);
	r = successor(&r, PRF_HMAC_SHA2_256, false);
	clone = successor(&r, PRF_HMAC_SHA2_512, true);
	greet(&r);
	greet(&clone);
	duo_free(d);
}

Test(keys, with_an_aead)
{
	session(true);
}

Test(keys, with_cbc)
{
	session(false);
}

Test(keys, with_pfs)
{
	struct relation r = {
		.spi_i = 0x1234567887654321, .prf = PRF_HMAC_SHA2_256, .aead = true, .next = 1
	};
	struct ike_proposal *p;

	d = new_duo();
	p = &d->side[DUO_R].child.proposals[0];
	p->n_ke = 1;
	p->ke[0] = KE_X25519;
	cr_assert_eq(duo_start(d), 0);
	set_up(&r);
	child_with_pfs(&r);
	duo_free(d);
}
