/* SPDX-License-Identifier: GPL-2.0-only */
/* Do both have the same SAs, bound to the same endpoints (MMX 7.6, QUERY)? For each selection of
 * the question its answer has how many SAs there are, and a digest of them:
 *
 *   the first 16 octets of prf(K, "query" | for every SA ascending by SPI_I:
 *                              protocol(1) SPI_I(4) SPI_R(4) n_I(1) n_R(1)
 *                              EPIDs of I, of R (2 each), both ascending)
 *
 * K being that of mmx_keys.h; the IKE SA itself counts with protocol and SPIs 0. What is inherited
 * counts as bound to what the IKE SA uses. Of few SAs the endpoints and SPIs stand after that.
 *
 * A DEL_IF of more SAs than are listed is answered with the same digest, of those that it took or
 * changed, bound to what they are after it; what it took, to what it was.
 * Thread: the agent's.
 */
#ifndef BRAID_IKE_MMX_QUERY_H
#define BRAID_IKE_MMX_QUERY_H

#include "mmx_apply.h"
#include "mmx_keys.h"

/* Of those that are chosen. 0, -ENOMEM, -EIO. */
int mmx_query_digest(const struct mmx_keys *k, const struct mmx_apply *c, struct mmx_digest *ret);
/* The answer to a question of c->sender. OK, UNKNOWN_SA, BUSY (no memory). */
enum mmx_status mmx_query_answer(const struct mmx_keys *k, const struct mmx_apply *c,
				 const struct mmx_action *a, struct mmx_answer *ret_answer);
/* The answer to a question of ours, which c->sender is: are our SAs the same? */
bool mmx_query_agrees(const struct mmx_keys *k, const struct mmx_apply *c,
		      const struct mmx_action *a, const struct mmx_result *r);

#endif
