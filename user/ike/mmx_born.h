/* SPDX-License-Identifier: GPL-2.0-only */
/* The Child SAs that an added interface gets, from what is asked for to where they are the IKE
 * SA's: what both ends of ADD_IF do alike. Nothing is sent here. A is who adds the interface, B the
 * other. Thread: the agent's.
 */
#ifndef BRAID_IKE_MMX_BORN_H
#define BRAID_IKE_MMX_BORN_H

#include "mmx.h"
#include "mmx_derive.h"
#include "mmx_keys.h"

enum { MMX_INNER_NEW_MAX = 2 };

/* One that is derived. */
struct mmx_born {
	struct child_sa *c; /* owned, and its SPI; NULL: it is one of the IKE SA's now */
	uint32_t id;	    /* of c, when it is */
	uint32_t parent_a, parent_b;
};

struct mmx_add_if {
	enum mmx_owner a;
	struct mmx_keys keys;
	struct mmx_add add;
	struct mmx_binding binding; /* of what is derived */
	uint8_t n_asked;	    /* inner addresses that A asks for, by family */
	uint8_t asked[MMX_INNER_NEW_MAX];
	size_t n;
	struct mmx_born *born;
	struct bytes given; /* SPIs of ours that are reserved already; empty: none */
	uint8_t *spis;	    /* ours, of all of them, as the peer is told */
	uint8_t digest[MMX_DIGEST_OCTETS];
	uint16_t n_parents, detail, limit;
	bool renegotiate; /* some have more protection than they need there */
};

/* The Child SAs of the IKE SA that carries the exchange, by A's SPIs. */
struct mmx_born_view {
	size_t n;
	struct child_sa **c;
	struct mmx_child *all; /* the same ones */
	struct mmx_binding inherited;
	bool unsettled; /* one of them is about to be replaced or to go */
};

/* Places in a view: whom to derive from, in order. */
struct mmx_chosen {
	uint32_t *order;
	size_t n;
};

/* NULL: no memory. Freed by mmx_add_if_free. */
struct mmx_add_if *mmx_add_if_new(const struct ike_sa *sa, enum mmx_owner a);

/* False: no memory. */
bool mmx_born_view_make(const struct ike_sa *sa, const struct mmx *x, bool we_are_a,
			struct mmx_born_view *ret_v);
void mmx_born_view_clear(struct mmx_born_view *v);

/* What the action says, with what holds where it says nothing. The lists have its endpoints. */
enum mmx_status mmx_add_if_understand(const struct ike_sa *sa, const struct mmx *x,
				      const struct mmx_action *a, struct mmx_add_if *d);
/* The parents, and the digest of all; needs A's nonce. ret->order is the caller's to free, also on
 * failure. */
enum mmx_status mmx_add_if_choose(struct mmx_add_if *d, const struct mmx *x,
				  const struct mmx_born_view *v, struct mmx_chosen *ret);
/* Room for n more? of_action: how many one may make. */
enum mmx_status mmx_add_if_limits(const struct ike *ike, const struct ike_sa *sa,
				  struct mmx_add_if *d, size_t n, uint16_t of_action);
/* The objects, with SPIs of ours, without the peer's. check: only whether they may be. */
enum mmx_status mmx_add_if_bear(struct ike *ike, struct ike_sa *sa, const struct mmx *x,
				struct mmx_add_if *d, const struct mmx_born_view *v,
				const struct mmx_chosen *ch, bool check);
/* The peer's SPIs: told in tlvs, or computed. False: not one for each, or none that may be. */
bool mmx_add_if_peer_spis(struct mmx_add_if *d, const struct mmx_tlvs *tlvs, bool of_a);
/* With keys they are the IKE SA's Child SAs; needs nonces and SPIs of both. 0, or -errno: those
 * that are already have born.c NULL, and stay. */
int mmx_add_if_install(struct ike *ike, struct ike_sa *sa, struct mmx *x, struct mmx_add_if *d);

#endif
