/* SPDX-License-Identifier: GPL-2.0-only */
/* A request with lists and actions (MMX 4, 7.1): the list first, then the actions in their order,
 * each with its result in the response. One that is refused keeps those after it from being done.
 * Nothing of it is ever a syntax error of IKE's, which would end the IKE SA. Thread: the agent's.
 */
#ifndef BRAID_IKE_MMX_MESSAGE_H
#define BRAID_IKE_MMX_MESSAGE_H

#include "mmx_apply.h"
#include "mmx_rules.h"

/* Who has the SAs. */
struct mmx_doer {
	void *ctx;
	/* Before each action: which SAs there are. False: no memory. */
	bool (*begin)(void *ctx, struct mmx_apply *apply);
	/* After it: what has become of them is in apply if `changed`; the answer may be added to.
	 */
	void (*end)(void *ctx, const struct mmx_apply *apply, const struct mmx_action *a,
		    bool changed, struct mmx_answer *answer);
	/* QUERY, between begin and end. */
	enum mmx_status (*query)(void *ctx, const struct mmx_apply *apply,
				 const struct mmx_action *a, struct mmx_answer *ret_answer);
	/* ADD_IF: all of it; puts the result. */
	enum mmx_status (*add_if)(void *ctx, const struct mmx_action *a, struct msg_wr *m);
};

struct mmx_request {
	const struct mmx_doer *doer; /* NULL: apply says it all */
	struct mmx_apply apply;	     /* lists in it are those below */
	struct mmx_list *theirs;     /* of who sent it: may become a newer one */
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
