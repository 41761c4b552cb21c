/* SPDX-License-Identifier: GPL-2.0-only */
/* What one side has announced of its interfaces (MMX 4), and what follows from it.
 *
 * A list is complete and replaces the one before. It moves nothing by itself: an endpoint that is
 * gone is not used for anything new, and is no alternate any more. Order is preference among
 * equals. Thread: the agent's.
 */
#ifndef BRAID_IKE_MMX_LIST_H
#define BRAID_IKE_MMX_LIST_H

#include "ikemsg/mmx.h"

enum { MMX_GONE_MAX = 32 };

struct mmx_gone {
	uint16_t ifid;
	struct mmx_iface_ep ep;
};

struct mmx_list {
	bool known; /* there was one */
	uint32_t generation;
	uint8_t n;
	struct mmx_iface iface[MMX_IFACES_MAX];
	struct mmx_classes classes; /* asked of the other side, and answered to it */
	/* The last ones that former lists had: SAs use them until their owner says otherwise.
	 * Numbers do not come again. */
	uint8_t n_gone;
	struct mmx_gone gone[MMX_GONE_MAX];
};

/* The list that m brings, if it has one that is newer than l, into *l, which stays as it was on
 * failure. ifaces_max: what we announced, at most MMX_IFACES_MAX.
 * OK: also without one, or with an old one. TOO_MANY: the first entries were kept, *ret_limit says
 * which limit it was. MALFORMED, UNSUPPORTED. */
enum mmx_status mmx_list_take(struct mmx_list *l, const struct ike_msg *m, uint8_t ifaces_max,
			      enum mmx_limit_which *ret_limit);

/* Another list of our own; its generation is set here. False: it says what l says already. */
bool mmx_list_replace(struct mmx_list *l, struct mmx_list *new);

/* NULL: not in it. *ret_iface (may be NULL): whose it is. */
const struct mmx_iface_ep *mmx_list_ep(const struct mmx_list *l, uint16_t epid,
				       const struct mmx_iface **ret_iface);
const struct mmx_iface *mmx_list_iface(const struct mmx_list *l, uint16_t ifid);
/* The same, also of those that are gone. */
const struct mmx_iface_ep *mmx_list_had_ep(const struct mmx_list *l, uint16_t epid);
/* Numbers of an interface's endpoints, or of those it had, into ret_epids; returns how many. */
unsigned mmx_list_eps_of(const struct mmx_list *l, uint16_t ifid, uint16_t ret_epids[MMX_SIDE_MAX]);

/* Whether an endpoint as a message names it is one of the list. OK also for number 0 without an
 * address, and for numbers with HERE or before there is a list, which the message itself says all
 * about. UNKNOWN_ADDRESS: no such number, or no number. STATE_MISMATCH: the number has another
 * address. */
enum mmx_status mmx_list_check(const struct mmx_list *l, const struct mmx_ep *ep);

/* A message says itself which address a number has (mmx_list_check would take it): the list has it
 * then, as an interface without a number. False if there is no room. */
bool mmx_list_define(struct mmx_list *l, const struct mmx_ep *ep);

/* Where an SA may go when its endpoint `old` fails and nothing was said about that: all other
 * endpoints that are up and of one of the families (bits 1 << 4, 1 << 6), by preference, then in
 * the list's order, backups last. Both ends come to the same. Returns how many, at most
 * MMX_ALTS_MAX. */
unsigned mmx_list_alternates(const struct mmx_list *l, uint16_t old, unsigned families,
			     uint16_t ret_epids[MMX_ALTS_MAX]);

#endif
