/* SPDX-License-Identifier: GPL-2.0-only */
/* An action that came: to which SAs it applies, whether all of them allow it, and what they are
 * bound to after it (MMX 7). UPDATE, ADD, REMOVE, SET_ALT, FAILOVER and DEL_IF; capability,
 * authority and generation were looked at before, by mmx_rules. All selected SAs change, or none,
 * unless the sender wants as many as possible. Thread: the agent's.
 */
#ifndef BRAID_IKE_MMX_APPLY_H
#define BRAID_IKE_MMX_APPLY_H

#include "mmx_table.h"

/* An SA of the IKE SA that carries the action, or that itself. */
struct mmx_sa {
	bool ike;
	bool active;	   /* neither suspended nor half-closed */
	bool hidden;	   /* as if it were not there */
	uint32_t child_id; /* here */
	bool transport;
	uint16_t key_bits;		   /* of its cipher */
	uint8_t protocol;		   /* enum proto_id */
	uint32_t spi_sender, spi_receiver; /* inbound at who sent the action, and at who got it */
	uint32_t spi_replaced;		   /* spi_receiver of the one that it replaced; or 0 */
	struct mmx_shared *binding;
	size_t successor; /* its number: what happens to this happens to that; 0: none */
	bool doomed;	  /* after DEL_IF: to be deleted */
	bool chosen;	  /* after it: it has changed */
	bool asked;	  /* mmx_query.c: in one selection at least */
};

/* What the two hosts think of it; each returns a status and may set its detail. */
struct mmx_policy {
	void *ctx;
	/* of an endpoint that becomes used: address, link, NAT, whether it was probed */
	enum mmx_status (*endpoint)(void *ctx, enum mmx_owner owner, const struct mmx_ep *ep,
				    uint16_t *ret_detail);
	/* of an SA with that binding: PAD, SPD */
	enum mmx_status (*sa)(void *ctx, const struct mmx_sa *sa, const struct mmx_binding *b,
			      uint16_t *ret_detail);
};

struct mmx_apply {
	struct mmx_table *table;
	struct mmx_sa *sas; /* the IKE SA is one of them; its binding has endpoints of its own */
	size_t n;
	/* the IKE SA's, as both ends know it, which is what inherits is bound to; NULL: its binding
	 */
	const struct mmx_binding *told;
	struct mmx_lists lists;
	enum mmx_owner sender;
	uint8_t side_max; /* what we announced */
	bool was_done;	  /* by the peer: here to all of those that are still there */
	bool exactly;	  /* to all that are not hidden, whatever was selected */
	const struct mmx_policy *policy;
};

/* The answer, but for what return routability adds. */
struct mmx_answer {
	struct mmx_result result;
	uint8_t spis[4 * MMX_SPIS_SHOWN_MAX]; /* what the result lists; borrowed by it */
};

/* Looks at the action and, unless it is a CHECK, carries it out. Returns the status of the answer.
 */
enum mmx_status mmx_apply(const struct mmx_apply *c, const struct mmx_action *a,
			  struct mmx_answer *ret_answer);

/* Sets chosen of the SAs that one selection of a means. OK or UNKNOWN_SA.
 */
enum mmx_status mmx_select(const struct mmx_apply *c, const struct mmx_action *a,
			   const struct mmx_tlv *sel);
/* What it is bound to: what inherits, to what the IKE SA uses. */
struct mmx_binding mmx_effective(const struct mmx_apply *c, const struct mmx_sa *sa);

#endif
