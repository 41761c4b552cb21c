/* SPDX-License-Identifier: GPL-2.0-only */
/* Proposal words. A combined-mode cipher and one that needs an integrity algorithm cannot stand in
 * one proposal (RFC 7296 3.3): such a line becomes two proposals. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conf_impl.h"
#include "crypto/alg.h"

static const struct ike_proposal ike_defaults[] = {
	{
		.n_encr = 3,
		.encr = { { ENCR_AES_GCM_16, 256 },
			  { ENCR_AES_GCM_16, 128 },
			  { ENCR_CHACHA20_POLY1305, 0 } },
		.n_prf = 2,
		.prf = { PRF_HMAC_SHA2_256, PRF_HMAC_SHA2_384 },
		.n_ke = 4,
		.ke = { KE_ECP_256, KE_X25519, KE_ECP_384, KE_MODP_2048 },
	},
	{
		.n_encr = 2,
		.encr = { { ENCR_AES_CBC, 128 }, { ENCR_AES_CBC, 256 } },
		.n_prf = 3,
		.prf = { PRF_HMAC_SHA2_256, PRF_HMAC_SHA2_384, PRF_HMAC_SHA2_512 },
		.n_integ = 3,
		.integ = { { INTEG_HMAC_SHA2_256_128, 0 },
			   { INTEG_HMAC_SHA2_384_192, 0 },
			   { INTEG_HMAC_SHA2_512_256, 0 } },
		.n_ke = 4,
		.ke = { KE_ECP_256, KE_X25519, KE_ECP_384, KE_MODP_2048 },
	},
};

static const struct ike_proposal esp_defaults[] = {
	{
		.n_encr = 3,
		.encr = { { ENCR_AES_GCM_16, 256 },
			  { ENCR_AES_GCM_16, 128 },
			  { ENCR_CHACHA20_POLY1305, 0 } },
		.n_esn = 2,
		.esn = { ESN_YES, ESN_NO },
	},
	{
		.n_encr = 1,
		.encr = { { ENCR_AES_CBC, 128 } },
		.n_integ = 1,
		.integ = { { INTEG_HMAC_SHA2_256_128, 0 } },
		.n_esn = 2,
		.esn = { ESN_YES, ESN_NO },
	},
};

_Static_assert(sizeof(ike_defaults) / sizeof(*ike_defaults) == 2, "two sets");
_Static_assert(sizeof(esp_defaults) / sizeof(*esp_defaults) == 2, "two sets");

void conf_default_proposals(bool esp, struct ike_proposal *out, uint8_t *n)
{
	memcpy(out, esp ? esp_defaults : ike_defaults, sizeof(ike_defaults));
	*n = 2;
}

static bool add_alg(struct ike_alg *list, uint8_t *n, uint16_t id, uint16_t key_bits)
{
	for (uint8_t i = 0; i < *n; i++)
		if (list[i].id == id && list[i].key_bits == key_bits)
			return true;
	if (*n == IKE_ALGS_MAX)
		return false;
	list[(*n)++] = (struct ike_alg){ id, key_bits };
	return true;
}

static bool add_id(uint16_t *list, uint8_t *n, uint8_t max, uint16_t id)
{
	for (uint8_t i = 0; i < *n; i++)
		if (list[i] == id)
			return true;
	if (*n == max)
		return false;
	list[(*n)++] = id;
	return true;
}

/* All words of a line, both kinds of cipher together. */
static int read_words(struct parse *p, const struct val *v, struct ike_proposal *all)
{
	char text[256], *save = NULL;

	if (strlen(v->text) >= sizeof(text))
		return val_fail(p, v, "found a proposal of %zu octets, expected fewer than %zu",
				strlen(v->text), sizeof(text));
	strcpy(text, v->text);
	for (char *w = strtok_r(text, "-", &save); w; w = strtok_r(NULL, "-", &save)) {
		uint16_t id, key_bits;
		uint8_t type;
		bool fits = false;

		if (alg_from_name(w, &type, &id, &key_bits) < 0)
			return val_fail(p, v,
					"found algorithm \"%.40s\" in \"%.80s\", expected words as "
					"aes256gcm16, sha256, prfsha256, ecp256",
					w, v->text);
		switch ((enum transform_type)type) {
		case TRANSFORM_ENCR:
			fits = add_alg(all->encr, &all->n_encr, id, key_bits);
			break;
		case TRANSFORM_INTEG:
			fits = add_alg(all->integ, &all->n_integ, id, 0);
			break;
		case TRANSFORM_PRF:
			fits = add_id(all->prf, &all->n_prf, IKE_ALGS_MAX, id);
			break;
		case TRANSFORM_KE:
			fits = add_id(all->ke, &all->n_ke, IKE_ALGS_MAX, id);
			break;
		case TRANSFORM_ESN:
			fits = add_id(all->esn, &all->n_esn, 2, id);
			break;
		}
		if (!fits)
			return val_fail(p, v,
					"found more than %d algorithms of one kind in \"%.80s\"",
					IKE_ALGS_MAX, v->text);
	}
	return 0;
}

static bool is_aead(const struct ike_alg *a)
{
	struct encr_info info;

	return encr_lookup(a->id, a->key_bits, &info) && info.aead;
}

/* As strongSwan: the hash of an integrity algorithm is the PRF when none is named. */
static void derive_prf(struct ike_proposal *all)
{
	static const struct {
		uint16_t integ, prf;
	} same[] = {
		{ INTEG_HMAC_SHA1_96, PRF_HMAC_SHA1 },
		{ INTEG_HMAC_SHA2_256_128, PRF_HMAC_SHA2_256 },
		{ INTEG_HMAC_SHA2_384_192, PRF_HMAC_SHA2_384 },
		{ INTEG_HMAC_SHA2_512_256, PRF_HMAC_SHA2_512 },
	};

	for (uint8_t i = 0; i < all->n_integ; i++)
		for (size_t j = 0; j < sizeof(same) / sizeof(*same); j++)
			if (same[j].integ == all->integ[i].id)
				add_id(all->prf, &all->n_prf, IKE_ALGS_MAX, same[j].prf);
}

static int check(struct parse *p, const struct val *v, bool esp, struct ike_proposal *all,
		 uint8_t n_aead)
{
	bool plain = n_aead < all->n_encr;

	if (all->n_encr == 0)
		return val_fail(p, v, "found no cipher in \"%.80s\", expected one as aes256gcm16",
				v->text);
	if (plain && all->n_integ == 0)
		return val_fail(
			p, v,
			"found no integrity algorithm in \"%.80s\", expected one as sha256 with "
			"this cipher",
			v->text);
	if (esp) {
		if (all->n_prf)
			return val_fail(p, v, "found a PRF in \"%.80s\", expected none in ESP",
					v->text);
		if (!plain && all->n_integ)
			return val_fail(
				p, v,
				"found an integrity algorithm in \"%.80s\", expected none with a "
				"combined-mode cipher",
				v->text);
		if (all->n_esn == 0) {
			all->esn[all->n_esn++] = ESN_YES;
			all->esn[all->n_esn++] = ESN_NO;
		}
		return 0;
	}
	for (uint8_t i = 0; i < all->n_encr; i++)
		if (all->encr[i].id == ENCR_NULL)
			return val_fail(p, v,
					"found \"null\" in \"%.80s\", expected a cipher in IKE",
					v->text);
	if (all->n_esn)
		return val_fail(p, v, "found esn or noesn in \"%.80s\", expected it only in ESP",
				v->text);
	if (all->n_prf == 0)
		derive_prf(all);
	if (all->n_prf == 0)
		return val_fail(p, v, "found no PRF in \"%.80s\", expected one as prfsha256",
				v->text);
	if (all->n_ke == 0)
		return val_fail(p, v, "found no key exchange in \"%.80s\", expected one as ecp256",
				v->text);
	return 0;
}

struct text {
	char *buf;
	size_t len;
};

static void add_word(struct text *t, uint8_t type, uint16_t id, uint16_t key_bits)
{
	int n = snprintf(t->buf + t->len, CONF_PROPOSAL_STR - t->len, "%s%s", t->len ? "-" : "",
			 alg_name(type, id, key_bits));

	if (n > 0 && t->len + (size_t)n < CONF_PROPOSAL_STR)
		t->len += (size_t)n;
}

const char *conf_proposal_text(const struct ike_proposal *p, char buf[CONF_PROPOSAL_STR])
{
	struct text t = { buf, 0 };

	buf[0] = 0;
	for (uint8_t i = 0; i < p->n_encr; i++)
		add_word(&t, TRANSFORM_ENCR, p->encr[i].id, p->encr[i].key_bits);
	for (uint8_t i = 0; i < p->n_integ; i++)
		add_word(&t, TRANSFORM_INTEG, p->integ[i].id, 0);
	for (uint8_t i = 0; i < p->n_prf; i++)
		add_word(&t, TRANSFORM_PRF, p->prf[i], 0);
	for (uint8_t i = 0; i < p->n_ke; i++)
		add_word(&t, TRANSFORM_KE, p->ke[i], 0);
	for (uint8_t i = 0; i < p->n_esn; i++)
		add_word(&t, TRANSFORM_ESN, p->esn[i], 0);
	return buf;
}

int val_proposal(struct parse *p, const struct val *v, bool esp, struct ike_proposal *out,
		 uint8_t max, uint8_t *n)
{
	struct ike_proposal all = { 0 }, part;
	uint8_t n_aead = 0, parts, defaults;
	bool aead_first;

	if (!strcmp(v->text, "default")) {
		if (*n + 2 > max)
			goto full;
		conf_default_proposals(esp, out + *n, &defaults);
		*n = (uint8_t)(*n + defaults);
		return 0;
	}
	if (read_words(p, v, &all) < 0)
		return -EINVAL;
	for (uint8_t i = 0; i < all.n_encr; i++)
		n_aead = (uint8_t)(n_aead + is_aead(&all.encr[i]));
	if (check(p, v, esp, &all, n_aead) < 0)
		return -EINVAL;
	parts = n_aead && n_aead < all.n_encr ? 2 : 1;
	if (*n + parts > max)
		goto full;
	aead_first = is_aead(&all.encr[0]);
	for (uint8_t k = 0; k < parts; k++) {
		bool aead = k == 0 ? aead_first : !aead_first;

		part = all;
		part.n_encr = 0;
		memset(part.encr, 0, sizeof(part.encr));
		for (uint8_t i = 0; i < all.n_encr; i++)
			if (is_aead(&all.encr[i]) == aead)
				part.encr[part.n_encr++] = all.encr[i];
		if (aead) {
			part.n_integ = 0;
			memset(part.integ, 0, sizeof(part.integ));
		}
		out[(*n)++] = part;
	}
	return 0;
full:
	return val_fail(p, v, "found more than %d proposals, expected fewer", max);
}
