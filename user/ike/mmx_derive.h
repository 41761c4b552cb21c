/* SPDX-License-Identifier: GPL-2.0-only */
/* Which Child SAs an added interface gets (MMX 8): from which parents, with which selectors, and
 * which are there already. Both ends come to the same, from what both know.
 *
 * A is who adds the interface, B the other. What it costs grows with the number of SAs, not faster.
 * Thread: the agent's.
 */
#ifndef BRAID_IKE_MMX_DERIVE_H
#define BRAID_IKE_MMX_DERIVE_H

#include "ike/ike.h"
#include "mmx_binding.h"

/* An established Child SA of the IKE SA that carries the exchange. */
struct mmx_child {
	uint32_t spi_a, spi_b; /* inbound at A, at B */
	uint8_t protocol;      /* enum proto_id */
	bool transport;
	bool suspended;			   /* is no parent */
	bool busy;			   /* being rekeyed or deleted, by either */
	const struct mmx_binding *binding; /* with endpoints of its own; borrowed */
	uint8_t n_ts_a, n_ts_b;		   /* at most IKE_TS_MAX */
	const struct ike_ts *ts_a, *ts_b;  /* of A's side, of B's; borrowed */
};

/* What is asked for; defaults are put in by the caller. */
struct mmx_add {
	enum mmx_owner a;
	uint16_t new, to;	       /* endpoints of A and B */
	struct addr new_addr, to_addr; /* theirs, as they look from here: for transport mode */
	uint8_t n_src;
	uint16_t src[MMX_IFACES_MAX]; /* interfaces of A, in order */
	uint8_t n_inner_old, n_inner_new;
	struct addr inner_old[MMX_INNERS_MAX], inner_new[2];
	struct bytes only; /* spi_a of the parents; empty: all */
	bool parallel;	   /* also what is there already */
};

/* All interfaces of A's list, in its order, but the one of endpoint `new`. */
void mmx_add_default_src(struct mmx_add *add, const struct mmx_list *of_a);

/* The parents, as places in `all`, into ret_order, which has room for n. of_a: A's list.
 * OK, BUSY: one of them is, UNKNOWN_SA: one of `only` is no SA. -ENOMEM becomes BUSY. */
enum mmx_status mmx_derive_parents(const struct mmx_child *all, size_t n, const struct mmx_add *add,
				   const struct mmx_list *of_a, uint32_t *ret_order, size_t *ret_n);

/* Those of order whose derived SA is not there yet stay in it, in order. OK or BUSY (no memory). */
enum mmx_status mmx_derive_kept(const struct mmx_child *all, size_t n, const struct mmx_add *add,
				uint32_t *order, size_t *n_order);

/* Selectors of what is derived from that parent. */
void mmx_derive_ts(const struct mmx_child *parent, const struct mmx_add *add,
		   struct ike_ts ret_a[IKE_TS_MAX], struct ike_ts ret_b[IKE_TS_MAX]);

#endif
