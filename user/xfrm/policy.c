/* SPDX-License-Identifier: GPL-2.0-only */
/* Policies: put, removed, asked for. */
#include <errno.h>

#include "xfrm_impl.h"

int xfrm_policy_put(struct xfrm *x, const struct xfrm_policy *p)
{
	char buf[XFRM_REQUEST_MAX] __attribute__((aligned(8)));
	struct nlmsghdr *nlh;
	int err = xfrm_put_policy(buf, p, &nlh);

	return err ? err : xfrm_ask(x, nlh, NULL, NULL);
}

int xfrm_policy_del(struct xfrm *x, const struct xfrm_policy *p)
{
	char buf[XFRM_REQUEST_MAX] __attribute__((aligned(8)));
	struct nlmsghdr *nlh;
	int err = xfrm_put_policy_del(buf, p, &nlh);

	return err ? err : xfrm_ask(x, nlh, NULL, NULL);
}

struct policy_ask {
	uint32_t if_id;
	xfrm_policy_fn *fn;
	void *ctx;
};

static int on_policy(const struct nlmsghdr *nlh, void *ctx)
{
	const struct policy_ask *ask = ctx;
	struct xfrm_policy p;

	if (nlh->nlmsg_type == XFRM_MSG_NEWPOLICY && !xfrm_parse_policy(nlh, &p) &&
	    xfrm_is_of(ask->if_id, p.if_id, p.reqid))
		ask->fn(ask->ctx, &p);
	return MNL_CB_OK;
}

int xfrm_policy_dump(struct xfrm *x, uint32_t if_id, xfrm_policy_fn *fn, void *ctx)
{
	char buf[XFRM_REQUEST_MAX] __attribute__((aligned(8)));
	struct policy_ask ask = { .if_id = if_id, .fn = fn, .ctx = ctx };
	void *none;

	return xfrm_ask(x, xfrm_message(buf, XFRM_MSG_GETPOLICY, NLM_F_DUMP, 0, &none), on_policy,
			&ask);
}
