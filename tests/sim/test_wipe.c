/* SPDX-License-Identifier: GPL-2.0-only */
/* Keys in memory that is given back: every block that anybody frees, OpenSSL too, is searched for
 * the secrets of a session while it goes on and when it ends. [KEY-10]
 *
 * free() is this program's own; under a sanitizer, which has its own as well, nothing is looked at.
 */
#include <malloc.h>
#include <string.h>

#include <linux/types.h>

#include "abi/steer.h"
#include "base/sanitize.h"
#include "crypto/aead.h"
#include "crypto/ke.h"
#include "esp/sad.h"
#include "sim_assert.h"

enum { SECRETS_MAX = 256, NEEDLE = 16 };

static struct {
	uint8_t b[NEEDLE];
	const char *what;
} secrets[SECRETS_MAX];
static volatile unsigned n_secrets;
static volatile bool watching;
static const char *volatile found;

#ifndef BRAID_SANITIZED
void __libc_free(void *p);

void free(void *p)
{
	const uint8_t *b = p;
	size_t n = p && watching ? malloc_usable_size(p) : 0;

	for (unsigned i = 0; i < n_secrets && n >= NEEDLE && !found; i++)
		if (memmem(b, n, secrets[i].b, NEEDLE))
			found = secrets[i].what;
	__libc_free(p);
}
#endif

static void know(const void *p, size_t len, const char *what)
{
	if (len < NEEDLE)
		return;
	for (unsigned i = 0; i < n_secrets; i++)
		if (!memcmp(secrets[i].b, p, NEEDLE))
			return;
	cr_assert_lt(n_secrets, SECRETS_MAX);
	memcpy(secrets[n_secrets].b, p, NEEDLE);
	secrets[n_secrets++].what = what;
}

/* All there is now. */
static void know_session(const struct sim *s)
{
	struct ike_sa_keys k;

	for (unsigned side = 0; side < SIM_SIDES; side++) {
		const struct sim_side *d = &s->side[side];

		for (size_t i = 0; i < ike_sa_count(d->ike); i++) {
			if (!ike_keys_at(d->ike, i, &k))
				continue;
			know(k.sk_ei.b, k.sk_ei.len, "SK_ei");
			know(k.sk_er.b, k.sk_er.len, "SK_er");
			know(k.sk_ai.b, k.sk_ai.len, "SK_ai");
			know(k.sk_ar.b, k.sk_ar.len, "SK_ar");
		}
		for (unsigned i = 0; i < d->n_children; i++) {
			const struct child_sa_out *c = &d->children[i];

			know(c->key_in.b, c->key_in.len, "a key of ESP");
			know(c->key_out.b, c->key_out.len, "a key of ESP");
			know(c->integ_in.b, c->integ_in.len, "an integrity key of ESP");
			know(c->integ_out.b, c->integ_out.len, "an integrity key of ESP");
		}
	}
}

static void on_child(struct sim *s, unsigned side, const struct ike_output *o)
{
	(void)s;
	(void)side;
	if (o->kind != IKE_OUT_CHILD_ADD)
		return;
	know(o->child->key_in.b, o->child->key_in.len, "a new key of ESP");
	know(o->child->key_out.b, o->child->key_out.len, "a new key of ESP");
}

static void session(bool etm)
{
	static const char psk[] = "a secret of more than sixteen octets";
	struct sim *s = sim_new(1, false);

	know(psk, sizeof(psk), "the shared secret");
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		struct ike_conn_cfg *c = &s->side[side].conn[0];
		struct ike_proposal *ike = &c->proposals[0], *esp;

		secret_set(&c->psk, psk, sizeof(psk) - 1);
		esp = &s->side[side].child[0][0].proposals[0];
		*ike = (struct ike_proposal){ .n_encr = 1,
					      .encr = { { ENCR_AES_GCM_16, 256 } },
					      .n_prf = 1,
					      .prf = { PRF_HMAC_SHA2_256 },
					      .n_ke = 1,
					      .ke = { KE_X25519 } };
		*esp = (struct ike_proposal){ .n_encr = 1,
					      .encr = { { ENCR_AES_GCM_16, 256 } },
					      .n_ke = 1,
					      .ke = { KE_ECP_256 } };
		if (etm) {
			ike->encr[0] = esp->encr[0] = (struct ike_alg){ ENCR_AES_CBC, 256 };
			ike->n_integ = esp->n_integ = 1;
			ike->integ[0] = esp->integ[0] =
				(struct ike_alg){ INTEG_HMAC_SHA2_256_128, 0 };
		}
		c->n_proposals = s->side[side].child[0][0].n_proposals = 1;
	}
	s->on_child = on_child;
	watching = true;
	up_with(s);
	know_session(s);
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		cr_assert_eq(ike_rekey(s->side[side].ike, "c", "net", 5, s->now), 0);
		sim_settle(s, 5 * USEC_PER_SEC);
		cr_assert_eq(ike_rekey(s->side[side].ike, "c", NULL, 6, s->now), 0);
		sim_settle(s, 5 * USEC_PER_SEC);
		know_session(s);
		sim_restart(s, side);
	}
	sound(s, 1);
	cr_assert_eq(ike_down(s->side[A].ike, "c", NULL, 7, s->now), 0);
	sim_settle(s, 60 * USEC_PER_SEC);
	for (unsigned side = 0; side < SIM_SIDES; side++) {
		cr_assert_eq(ike_sa_count(s->side[side].ike), 0);
		ike_free(s->side[side].ike);
		s->side[side].ike = NULL;
	}
	watching = false;
	cr_assert_null(found, "%s is in memory that was given back", found);
	cr_assert_geq(n_secrets, 8);
	sim_free(s);
}

/* The search finds what is there. */
Test(wipe, nothing_is_overlooked)
{
#ifdef BRAID_SANITIZED
	cr_skip("free() is the sanitizer's");
#else
	uint8_t *p = malloc(100);

	know("sixteen octets and more", 20, "the sample");
	memcpy(p + 50, "sixteen octets and more", 20);
	__asm__ volatile("" ::"r"(p) : "memory"); /* or the compiler leaves the copy out */
	watching = true;
	free(p);
	watching = false;
	cr_assert_str_eq(found, "the sample");
#endif
}

Test(wipe, ike_with_an_aead)
{
	session(false);
}

Test(wipe, ike_with_cbc)
{
	session(true);
}

/* What both ends of a key exchange get, in every group. */
Test(wipe, shared_secrets)
{
	static const uint16_t groups[] = { KE_MODP_2048, KE_ECP_256, KE_ECP_384,
					   KE_ECP_521,	 KE_X25519,  KE_X448 };

	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
		struct secret gir = { .len = 0 };
		const uint8_t *pub;
		struct ke *a, *b;
		size_t len;

		watching = true;
		a = ke_new(groups[i]);
		b = ke_new(groups[i]);
		cr_assert(a && b);
		pub = ke_public(b, &len);
		cr_assert_eq(ke_derive(a, pub, len, &gir), 0);
		know(gir.b, gir.len, "a shared secret");
		pub = ke_public(a, &len);
		cr_assert_eq(ke_derive(b, pub, len, &gir), 0);
		ke_free(a);
		ke_free(b);
		watching = false;
		cr_assert_null(found, "group %u: %s is in memory that was given back", groups[i],
			       found);
	}
}

/* SAs of the engine, by every driver there is. */
Test(wipe, engine)
{
	static const enum aead_driver drivers[] = { AEAD_DRIVER_OPENSSL, AEAD_DRIVER_IPSEC_MB };
	struct engine_sa r = { .id = 1,
			       .spi_in = STEER_SPI(1, 1),
			       .spi_out = 0x12345678,
			       .family = 4,
			       .n_ts_local = 1,
			       .n_ts_remote = 1 };
	struct sad sad;
	struct sa *sa;

	r.ts_local[0] = (struct engine_ts){ .port_last = UINT16_MAX,
					    .first = addr_v4(0x0a010001),
					    .last = addr_v4(0x0a010001) };
	r.ts_remote[0] = r.ts_local[0];
	memset(r.key_in, 0xa1, sizeof(r.key_in));
	memset(r.key_out, 0xa2, sizeof(r.key_out));
	memset(r.integ_in, 0xa3, sizeof(r.integ_in));
	memset(r.integ_out, 0xa4, sizeof(r.integ_out));
	know(r.key_in, NEEDLE, "key_in");
	know(r.key_out, NEEDLE, "key_out");
	know(r.integ_in, NEEDLE, "integ_in");
	know(r.integ_out, NEEDLE, "integ_out");
	for (unsigned i = 0; i < 4; i++) {
		bool etm = i & 1;

		r.encr_id = etm ? ENCR_AES_CBC : ENCR_AES_GCM_16;
		r.key_bits = 256;
		r.key_len = etm ? 32 : 36;
		r.integ_id = etm ? INTEG_HMAC_SHA2_256_128 : INTEG_NONE;
		r.integ_len = etm ? 32 : 0;
		cr_assert_eq(sad_init(&sad), 0);
		watching = true;
		cr_assert_eq(sa_new(&r, drivers[i / 2], 2, &sa), 0);
		cr_assert_eq(sad_add(&sad, sa), 0);
		cr_assert_eq(sad_del(&sad, 1), 0);
		sad_reclaim(&sad);
		sad_clear(&sad);
		watching = false;
		cr_assert_null(found, "driver %u: %s is in memory that was given back", i / 2,
			       found);
	}
}
