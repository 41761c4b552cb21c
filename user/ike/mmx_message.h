/* SPDX-License-Identifier: GPL-2.0-only */
/* A request with lists and actions (MMX 4, 7.1): the list first, then the actions in their order,
 * each with its result in the response. One that is refused keeps those after it from being done.
 * Nothing of it is ever a syntax error of IKE's, which would end the IKE SA. Thread: the agent's.
 */
#ifndef BRAID_IKE_MMX_MESSAGE_H
#define BRAID_IKE_MMX_MESSAGE_H

#include "mmx_apply.h"
#include "mmx_rules.h"

struct mmx_request {
	struct mmx_apply apply;	 /* lists in it are those below */
	struct mmx_list *theirs; /* of who sent it: may become a newer one */
	const struct mmx_list *ours;
	const struct mmx_deal *deal;
	const struct mmx_supported *announced; /* by us: what binds them */
	/* Our own request that is not answered yet; n 0: none. */
	const struct mmx_action *outstanding;
	unsigned n_outstanding;
	bool busy; /* the IKE SA is being rekeyed or deleted */
};

/* Does what `in` asks for and puts the results into m. Whether anything has changed. */
bool mmx_answer_request(const struct mmx_request *q, const struct ike_msg *in, struct msg_wr *m);

#endif
