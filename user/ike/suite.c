/* SPDX-License-Identifier: GPL-2.0-only */
/* Proposals: what we offer, what we choose, what we accept (RFC 7296 2.7, 3.3). */
#include <stdio.h>
#include <string.h>

#include "child_sa.h"
#include "ike_private.h"

/* Used when a connection names no proposal. */
static const struct ike_proposal default_ike[] = {
	{
		.n_encr = 3,
		.encr = { { ENCR_AES_GCM_16, 256 },
			  { ENCR_AES_GCM_16, 128 },
			  { ENCR_CHACHA20_POLY1305, 0 } },
		.n_prf = 3,
		.prf = { PRF_HMAC_SHA2_256, PRF_HMAC_SHA2_384, PRF_HMAC_SHA2_512 },
		.n_ke = 4,
		.ke = { KE_X25519, KE_ECP_256, KE_ECP_384, KE_MODP_2048 },
	},
	{
		.n_encr = 2,
		.encr = { { ENCR_AES_CBC, 256 }, { ENCR_AES_CBC, 128 } },
		.n_integ = 3,
		.integ = { { INTEG_HMAC_SHA2_256_128, 0 },
			   { INTEG_HMAC_SHA2_384_192, 0 },
			   { INTEG_HMAC_SHA2_512_256, 0 } },
		.n_prf = 3,
		.prf = { PRF_HMAC_SHA2_256, PRF_HMAC_SHA2_384, PRF_HMAC_SHA2_512 },
		.n_ke = 4,
		.ke = { KE_X25519, KE_ECP_256, KE_ECP_384, KE_MODP_2048 },
	},
};

static const struct ike_proposal default_esp[] = {
	{
		.n_encr = 3,
		.encr = { { ENCR_AES_GCM_16, 128 },
			  { ENCR_AES_GCM_16, 256 },
			  { ENCR_CHACHA20_POLY1305, 0 } },
		.n_esn = 2,
		.esn = { ESN_YES, ESN_NO },
	},
	{
		.n_encr = 2,
		.encr = { { ENCR_AES_CBC, 128 }, { ENCR_AES_CBC, 256 } },
		.n_integ = 1,
		.integ = { { INTEG_HMAC_SHA2_256_128, 0 } },
		.n_esn = 2,
		.esn = { ESN_YES, ESN_NO },
	},
};

/* The configured lines with every default filled in, and lines that mix AEAD and other ciphers
 * split, since one proposal may not (3.3: PRO-5). */
struct lines {
	uint8_t n;
	struct ike_proposal p[2 * IKE_PROPOSALS_MAX];
};

static uint16_t prf_of_integ(uint16_t integ)
{
	switch (integ) {
	case INTEG_HMAC_SHA1_96:
		return PRF_HMAC_SHA1;
	case INTEG_HMAC_SHA2_384_192:
		return PRF_HMAC_SHA2_384;
	case INTEG_HMAC_SHA2_512_256:
		return PRF_HMAC_SHA2_512;
	default:
		return PRF_HMAC_SHA2_256;
	}
}

static bool is_aead(const struct ike_alg *a)
{
	struct encr_info info;

	return encr_lookup(a->id, a->key_bits, &info) && info.aead;
}

/* An IKE line without PRF takes those of its integrity algorithms. */
static void fill_prf(struct ike_proposal *p)
{
	if (p->n_prf)
		return;
	for (unsigned i = 0; i < p->n_integ; i++)
		p->prf[p->n_prf++] = prf_of_integ(p->integ[i].id);
	if (!p->n_prf)
		p->prf[p->n_prf++] = PRF_HMAC_SHA2_256;
}

static void add_line(struct lines *l, const struct ike_proposal *in, uint8_t protocol, bool with_ke,
		     bool aead)
{
	struct ike_proposal p = *in;

	p.n_encr = 0;
	for (unsigned i = 0; i < in->n_encr; i++)
		if (is_aead(&in->encr[i]) == aead)
			p.encr[p.n_encr++] = in->encr[i];
	if (!p.n_encr || (!aead && !p.n_integ))
		return;
	if (protocol == PROTO_IKE) {
		fill_prf(&p);
		p.n_esn = 0;
		if (!p.n_ke)
			p.ke[p.n_ke++] = KE_X25519;
	} else {
		p.n_prf = 0;
		if (!p.n_esn)
			p.esn[p.n_esn++] = ESN_NO;
		if (!with_ke)
			p.n_ke = 0;
	}
	if (aead)
		p.n_integ = 0;
	l->p[l->n++] = p;
}

static void lines_make(struct lines *l, uint8_t protocol, const struct ike_proposal *p, uint8_t n,
		       bool with_ke)
{
	l->n = 0;
	if (!n) {
		p = protocol == PROTO_IKE ? default_ike : default_esp;
		n = 2;
	}
	for (unsigned i = 0; i < n && i < IKE_PROPOSALS_MAX; i++) {
		add_line(l, &p[i], protocol, with_ke, true);
		add_line(l, &p[i], protocol, with_ke, false);
	}
}

static void put(struct proposal *p, uint8_t type, uint16_t id, uint16_t key_bits)
{
	if (p->n_transforms < MSG_TRANSFORMS_MAX)
		p->transforms[p->n_transforms++] =
			(struct transform){ .type = type, .id = id, .key_bits = key_bits };
}

void suite_offer(struct sa_payload *out, uint8_t protocol, const struct ike_proposal *cfg,
		 uint8_t n, uint8_t spi_len, uint64_t spi, bool with_ke)
{
	struct lines l;

	memset(out, 0, sizeof(*out));
	lines_make(&l, protocol, cfg, n, with_ke);
	for (unsigned i = 0; i < l.n && out->n < MSG_PROPOSALS_MAX; i++) {
		const struct ike_proposal *from = &l.p[i];
		struct proposal *p = &out->p[out->n++];

		p->number = out->n; /* first 1, then +1 (3.3.1) */
		p->protocol = protocol;
		p->spi_len = spi_len;
		p->spi = spi;
		for (unsigned j = 0; j < from->n_encr; j++)
			put(p, TRANSFORM_ENCR, from->encr[j].id, from->encr[j].key_bits);
		for (unsigned j = 0; j < from->n_prf; j++)
			put(p, TRANSFORM_PRF, from->prf[j], 0);
		for (unsigned j = 0; j < from->n_integ; j++)
			put(p, TRANSFORM_INTEG, from->integ[j].id, 0);
		for (unsigned j = 0; j < from->n_ke; j++)
			put(p, TRANSFORM_KE, from->ke[j], 0);
		for (unsigned j = 0; j < from->n_esn; j++)
			put(p, TRANSFORM_ESN, from->esn[j], 0);
	}
}

unsigned suite_strength(uint16_t encr, uint16_t key_bits)
{
	return encr == ENCR_CHACHA20_POLY1305 ? 256 : key_bits;
}

static void keep_above(struct proposal *p, unsigned bits)
{
	uint8_t n = 0;

	for (unsigned i = 0; i < p->n_transforms; i++) {
		const struct transform *t = &p->transforms[i];

		if (t->type != TRANSFORM_ENCR || suite_strength(t->id, t->key_bits) > bits)
			p->transforms[n++] = *t;
	}
	p->n_transforms = n;
}

void suite_above(struct sa_payload *offer, unsigned bits)
{
	uint8_t n = 0;

	for (unsigned i = 0; i < offer->n; i++) {
		struct proposal *p = &offer->p[i];

		keep_above(p, bits);
		if (!p->n_transforms || p->transforms[0].type != TRANSFORM_ENCR)
			continue;
		offer->p[n] = *p;
		offer->p[n].number = (uint8_t)(n + 1);
		n++;
	}
	offer->n = n;
}

static bool offers(const struct proposal *p, uint8_t type, uint16_t id, uint16_t key_bits)
{
	for (unsigned i = 0; i < p->n_transforms; i++) {
		const struct transform *t = &p->transforms[i];

		if (t->type == type && t->id == id && t->key_bits == key_bits && !t->unknown_attr)
			return true;
	}
	return false;
}

static bool of_suite(const struct transform *t, const struct suite *s)
{
	switch (t->type) {
	case TRANSFORM_ENCR:
		return t->id == s->encr && t->key_bits == s->key_bits;
	case TRANSFORM_INTEG:
		return t->id == s->integ;
	case TRANSFORM_ESN:
		return t->id == (s->esn ? ESN_YES : ESN_NO);
	default:
		return true;
	}
}

void suite_only(struct sa_payload *offer, const struct suite *s)
{
	uint8_t n = 0;

	for (unsigned i = 0; i < offer->n; i++) {
		struct proposal p = offer->p[i];

		if (!offers(&p, TRANSFORM_ENCR, s->encr, s->key_bits) ||
		    !offers(&p, TRANSFORM_ESN, s->esn ? ESN_YES : ESN_NO, 0) ||
		    (s->integ && !offers(&p, TRANSFORM_INTEG, s->integ, 0)))
			continue;
		p.n_transforms = 0;
		for (unsigned j = 0; j < offer->p[i].n_transforms; j++)
			if (of_suite(&offer->p[i].transforms[j], s))
				p.transforms[p.n_transforms++] = offer->p[i].transforms[j];
		p.number = (uint8_t)(n + 1);
		offer->p[n++] = p;
	}
	offer->n = n;
}

uint16_t suite_offered_ke(const struct sa_payload *offer)
{
	for (unsigned i = 0; i < offer->n; i++)
		for (unsigned j = 0; j < offer->p[i].n_transforms; j++)
			if (offer->p[i].transforms[j].type == TRANSFORM_KE)
				return offer->p[i].transforms[j].id;
	return KE_NONE;
}

static bool offers_type(const struct proposal *p, uint8_t type)
{
	for (unsigned i = 0; i < p->n_transforms; i++)
		if (p->transforms[i].type == type)
			return true;
	return false;
}

/* "If the responder ... contains an unrecognized Transform Type, ... consider this proposal
 * unacceptable" (3.3.6). */
static bool types_known(const struct proposal *p)
{
	for (unsigned i = 0; i < p->n_transforms; i++)
		if (p->transforms[i].type < TRANSFORM_ENCR || p->transforms[i].type > TRANSFORM_ESN)
			return false;
	return true;
}

static bool pick(const struct proposal *p, uint8_t type, const uint16_t *own, uint8_t n,
		 uint16_t *ret_id)
{
	for (unsigned i = 0; i < n; i++) {
		if (offers(p, type, own[i], 0)) {
			*ret_id = own[i];
			return true;
		}
	}
	return false;
}

static bool pick_alg(const struct proposal *p, uint8_t type, const struct ike_alg *own, uint8_t n,
		     struct ike_alg *ret)
{
	for (unsigned i = 0; i < n; i++) {
		uint16_t bits = type == TRANSFORM_ENCR ? own[i].key_bits : 0;

		if (offers(p, type, own[i].id, bits)) {
			*ret = own[i];
			return true;
		}
	}
	return false;
}

static bool pick_ke(const struct proposal *p, const struct ike_proposal *own, uint16_t hint,
		    struct suite *s)
{
	if (!own->n_ke) {
		/* without groups of ours only a proposal without, or with NONE, will do */
		s->ke = KE_NONE;
		s->ke_none = offers(p, TRANSFORM_KE, KE_NONE, 0);
		return !offers_type(p, TRANSFORM_KE) || s->ke_none;
	}
	for (unsigned i = 0; hint && i < own->n_ke; i++) {
		if (own->ke[i] == hint && offers(p, TRANSFORM_KE, hint, 0)) {
			s->ke = hint;
			return true;
		}
	}
	if (pick(p, TRANSFORM_KE, own->ke, own->n_ke, &s->ke)) {
		s->ke_none = s->ke == KE_NONE;
		return true;
	}
	for (unsigned i = 0; i < own->n_ke; i++)
		if (own->ke[i] == KE_NONE && !offers_type(p, TRANSFORM_KE)) {
			s->ke = KE_NONE;
			return true;
		}
	return false;
}

static bool match(const struct proposal *p, const struct ike_proposal *own, uint8_t protocol,
		  uint8_t spi_len, uint16_t ke_hint, struct suite *ret)
{
	struct suite s = { 0 };
	struct ike_alg encr, integ = { 0 };
	uint16_t esn = 0;

	if (p->protocol != protocol || p->spi_len != spi_len || !types_known(p) ||
	    !pick_alg(p, TRANSFORM_ENCR, own->encr, own->n_encr, &encr))
		return false;
	s.encr = encr.id;
	s.key_bits = encr.key_bits;
	if (own->n_integ) {
		if (!pick_alg(p, TRANSFORM_INTEG, own->integ, own->n_integ, &integ))
			return false;
		s.integ = integ.id;
	} else if (offers_type(p, TRANSFORM_INTEG)) {
		/* an AEAD goes with no integrity algorithm, or with NONE */
		s.integ_none = offers(p, TRANSFORM_INTEG, INTEG_NONE, 0);
		if (!s.integ_none)
			return false;
	}
	if (protocol == PROTO_IKE) {
		if (!pick(p, TRANSFORM_PRF, own->prf, own->n_prf, &s.prf))
			return false;
	} else {
		if (!pick(p, TRANSFORM_ESN, own->esn, own->n_esn, &esn))
			return false;
		s.esn = esn == ESN_YES;
	}
	if (!pick_ke(p, own, ke_hint, &s))
		return false;
	if (protocol == PROTO_IKE && s.ke == KE_NONE)
		return false; /* NONE is never accepted for the IKE SA (2.18) */
	*ret = s;
	return true;
}

bool suite_select(const struct sa_payload *offer, uint8_t protocol, uint8_t spi_len,
		  const struct ike_proposal *cfg, uint8_t n, bool with_ke, uint16_t ke_hint,
		  struct suite *ret_suite, uint8_t *ret_number, uint64_t *ret_spi)
{
	struct lines l;

	lines_make(&l, protocol, cfg, n, with_ke);
	for (unsigned i = 0; i < l.n; i++) {
		for (unsigned j = 0; j < offer->n; j++) {
			if (!match(&offer->p[j], &l.p[i], protocol, spi_len, ke_hint, ret_suite))
				continue;
			*ret_number = offer->p[j].number;
			*ret_spi = offer->p[j].spi;
			return true;
		}
	}
	return false;
}

void suite_answer(struct sa_payload *out, uint8_t protocol, const struct suite *s, uint8_t number,
		  uint8_t spi_len, uint64_t spi)
{
	struct proposal *p = &out->p[0];

	memset(out, 0, sizeof(*out));
	out->n = 1;
	p->number = number; /* the original number (3.3.1) */
	p->protocol = protocol;
	p->spi_len = spi_len;
	p->spi = spi;
	put(p, TRANSFORM_ENCR, s->encr, s->key_bits);
	if (protocol == PROTO_IKE)
		put(p, TRANSFORM_PRF, s->prf, 0);
	if (s->integ || s->integ_none)
		put(p, TRANSFORM_INTEG, s->integ, 0);
	if (s->ke || s->ke_none)
		put(p, TRANSFORM_KE, s->ke, 0);
	if (protocol != PROTO_IKE)
		put(p, TRANSFORM_ESN, s->esn ? ESN_YES : ESN_NO, 0);
}

static void suite_set(struct suite *s, const struct transform *t)
{
	switch (t->type) {
	case TRANSFORM_ENCR:
		s->encr = t->id;
		s->key_bits = t->key_bits;
		break;
	case TRANSFORM_PRF:
		s->prf = t->id;
		break;
	case TRANSFORM_INTEG:
		s->integ = t->id;
		break;
	case TRANSFORM_KE:
		s->ke = t->id;
		break;
	case TRANSFORM_ESN:
		s->esn = t->id == ESN_YES;
		break;
	}
}

bool suite_accept(const struct sa_payload *offered, const struct sa_payload *answer,
		  struct suite *ret_suite, uint64_t *ret_spi)
{
	const struct proposal *got = &answer->p[0], *ours = NULL;
	unsigned seen = 0, wanted = 0;
	struct suite s = { 0 };

	if (answer->n != 1)
		return false;
	for (unsigned i = 0; i < offered->n; i++)
		if (offered->p[i].number == got->number)
			ours = &offered->p[i];
	if (!ours || got->protocol != ours->protocol || got->spi_len != ours->spi_len)
		return false;
	for (unsigned i = 0; i < got->n_transforms; i++) {
		const struct transform *t = &got->transforms[i];

		if (t->type > TRANSFORM_ESN || (seen & 1u << t->type) || t->unknown_attr ||
		    !offers(ours, t->type, t->id, t->key_bits))
			return false;
		seen |= 1u << t->type;
		suite_set(&s, t);
	}
	for (unsigned i = 0; i < ours->n_transforms; i++)
		wanted |= 1u << ours->transforms[i].type;
	if (offers(ours, TRANSFORM_KE, KE_NONE, 0))
		wanted &= ~(1u << TRANSFORM_KE) | (seen & 1u << TRANSFORM_KE);
	if (seen != wanted)
		return false;
	*ret_suite = s;
	*ret_spi = got->spi;
	return true;
}

uint16_t suite_first_ke(uint8_t protocol, const struct ike_proposal *cfg, uint8_t n)
{
	struct lines l;

	lines_make(&l, protocol, cfg, n, true);
	for (unsigned i = 0; i < l.n; i++)
		for (unsigned j = 0; j < l.p[i].n_ke; j++)
			if (l.p[i].ke[j] != KE_NONE)
				return l.p[i].ke[j];
	return KE_NONE;
}

bool suite_needs_ke(const struct ike_proposal *cfg, uint8_t n)
{
	struct lines l;

	lines_make(&l, PROTO_ESP, cfg, n, true);
	for (unsigned i = 0; i < l.n; i++) {
		bool without = !l.p[i].n_ke;

		for (unsigned j = 0; j < l.p[i].n_ke; j++)
			without |= l.p[i].ke[j] == KE_NONE;
		if (without)
			return false;
	}
	return l.n;
}

bool suite_has_ke(uint8_t protocol, const struct ike_proposal *cfg, uint8_t n, uint16_t group)
{
	struct lines l;

	lines_make(&l, protocol, cfg, n, true);
	for (unsigned i = 0; i < l.n; i++)
		for (unsigned j = 0; j < l.p[i].n_ke; j++)
			if (l.p[i].ke[j] == group)
				return true;
	return false;
}

void suite_format(const struct suite *s, uint8_t protocol, char buf[IKE_SUITE_STR])
{
	int n = snprintf(buf, IKE_SUITE_STR, "%s", alg_name(TRANSFORM_ENCR, s->encr, s->key_bits));

	if (s->integ)
		n += snprintf(buf + n, IKE_SUITE_STR - (size_t)n, "-%s",
			      alg_name(TRANSFORM_INTEG, s->integ, 0));
	if (protocol == PROTO_IKE)
		n += snprintf(buf + n, IKE_SUITE_STR - (size_t)n, "-%s",
			      alg_name(TRANSFORM_PRF, s->prf, 0));
	if (s->ke)
		n += snprintf(buf + n, IKE_SUITE_STR - (size_t)n, "-%s",
			      alg_name(TRANSFORM_KE, s->ke, 0));
	if (protocol != PROTO_IKE && s->esn)
		snprintf(buf + n, IKE_SUITE_STR - (size_t)n, "-%s",
			 alg_name(TRANSFORM_ESN, ESN_YES, 0));
}
