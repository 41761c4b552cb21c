/* SPDX-License-Identifier: GPL-2.0-only */
/* Actions of MMX between the two of mmx_sim.h, and what both ends make of them. */
#ifndef BRAID_TESTS_MMX_ACT_H
#define BRAID_TESTS_MMX_ACT_H

#include "mmx_sim.h"

/* Side of an endpoint, as its asker sees it. */
enum { OWN = 0, PEERS = 1 };

static inline struct mmx_action act(enum mmx_code code, uint8_t flags)
{
	return (struct mmx_action){ .code = (uint8_t)code, .flags = flags };
}

static inline struct mmx_ep *act_ep(struct mmx_action *a, enum mmx_role role, uint8_t side,
				    uint16_t epid)
{
	struct mmx_tlv *t = mmx_add(&a->tlvs, MMX_TLV_EP);

	t->ep = (struct mmx_ep){ .role = (uint8_t)role, .side = side, .epid = epid };
	return &t->ep;
}

static inline void act_sel(struct mmx_action *a, enum mmx_sel_kind kind)
{
	mmx_add(&a->tlvs, MMX_TLV_SEL)->sel.kind = (uint8_t)kind;
}

/* One SA, by the inbound SPI of who asks; *octets has to stay. */
static inline void act_sel_spi(struct mmx_action *a, uint32_t spi, uint8_t octets[4])
{
	struct wr w = wr_init(octets, 4);

	wr_u32(&w, spi);
	mmx_add(&a->tlvs, MMX_TLV_SEL)->sel =
		(struct mmx_sel){ MMX_SEL_SPIS, PROTO_ESP, { octets, 4 } };
}

static inline struct mmx_action act_update(uint8_t flags, uint8_t side, uint16_t old, uint16_t new)
{
	struct mmx_action a = act(MMX_UPDATE, flags);

	act_ep(&a, MMX_ROLE_OLD, side, old);
	act_ep(&a, MMX_ROLE_NEW, side, new);
	return a;
}

static inline void ask(struct sim *s, unsigned side, const struct mmx_action *a, unsigned n,
		       uint32_t op)
{
	int r = ike_mmx_ask(s->side[side].ike, mmx_sim_line(s, side), a, n, op, s->now);

	cr_assert_eq(r, 0, "%d", r);
}

static inline enum mmx_status asked(struct sim *s, unsigned side, const struct mmx_action *a,
				    uint32_t op)
{
	ask(s, side, a, 1, op);
	sim_settle(s, 20 * USEC_PER_SEC);
	cr_assert_eq(sim_count(&s->side[side], IKE_EV_MMX_ANSWERED, op), 1);
	cr_assert_eq(s->side[side].mmx.n, 1);
	return (enum mmx_status)s->side[side].mmx.r[0].status;
}

/* What the i-th Child SA of that side may use of its own binding: path ids, in order. */
static inline unsigned paths_of(const struct sim *s, unsigned side, unsigned i,
				uint32_t ret[IKE_BINDING_PATHS_MAX])
{
	const struct sim_side *d = &s->side[side];
	const struct ike_binding *b =
		d->children[i].binding ? sim_binding(d, d->children[i].binding) : NULL;
	unsigned n = 0;

	for (unsigned k = 0; b && k < b->n; k++)
		if (!b->paths[k].boot && !b->paths[k].alternate)
			ret[n++] = b->paths[k].id;
	return n;
}

static inline unsigned mirror_of(const struct sim *s, unsigned i)
{
	const struct child_sa_out *a = &s->side[A].children[i];

	for (unsigned k = 0; k < s->side[B].n_children; k++)
		if (s->side[B].children[k].spi_in == a->spi_out)
			return k;
	cr_assert_fail("B lacks %08x", a->spi_out);
	return 0;
}

/* Both ends have the same bindings for the same SAs. */
static inline void agree(const struct sim *s, unsigned n)
{
	uint32_t a[IKE_BINDING_PATHS_MAX], b[IKE_BINDING_PATHS_MAX];

	cr_assert(sim_mirrored(s, n));
	for (unsigned i = 0; i < n; i++) {
		unsigned n_a = paths_of(s, A, i, a);

		cr_assert_eq(paths_of(s, B, mirror_of(s, i), b), n_a);
		cr_assert(!memcmp(a, b, n_a * sizeof(a[0])));
	}
}

/* The i-th Child SA of A, and its mirror, are bound to that one pair; 0, 0: they inherit. */
static inline void bound(const struct sim *s, unsigned i, uint16_t epid_i, uint16_t epid_r)
{
	uint32_t paths[IKE_BINDING_PATHS_MAX];
	unsigned n = paths_of(s, A, i, paths);

	agree(s, s->side[A].n_children);
	cr_assert_eq(n, epid_i || epid_r);
	if (n)
		cr_assert_eq(paths[0], (uint32_t)epid_i << 16 | epid_r, "%08x", paths[0]);
}

#endif
