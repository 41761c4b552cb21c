/* SPDX-License-Identifier: GPL-2.0-only */
/* Everything of ours in net/rtnl, without anybody who knows what that is: by its marks. */
#include <errno.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "rtnl_private.h"

/* Deleting while a table is read out would disturb the reading: so many are noted at a time. */
enum { GUARDS_MAX = 64, ROUNDS_MAX = 4096 };

struct guards {
	size_t n;
	struct guard {
		struct addr net;
		uint8_t len;
	} list[GUARDS_MAX];
};

static int on_route(const struct nlmsghdr *nlh, void *ctx)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(nlh);
	struct guards *g = ctx;
	const struct nlattr *a;
	struct guard *one = &g->list[g->n];

	if (nlh->nlmsg_type != RTM_NEWROUTE || rt->rtm_protocol != RTNL_PROTO ||
	    rt->rtm_type != RTN_UNREACHABLE || g->n == GUARDS_MAX)
		return MNL_CB_OK;
	*one = (struct guard){ .net.family = rt->rtm_family == AF_INET ? 4 : 6,
			       .len = rt->rtm_dst_len };
	mnl_attr_for_each(a, nlh, sizeof(*rt))
	{
		if (mnl_attr_get_type(a) == RTA_DST &&
		    mnl_attr_get_payload_len(a) == addr_len(&one->net))
			one->net = addr_from_bytes(one->net.family, mnl_attr_get_payload(a));
	}
	g->n++;
	return MNL_CB_OK;
}

static int read_guards(struct rtnl *r, uint8_t family, struct guards *g)
{
	char buf[RTNL_CMD_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rt;
	int err;

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	rt = mnl_nlmsg_put_extra_header(nlh, sizeof(*rt));
	rt->rtm_family = family;
	err = rtnl_ask(r, nlh, on_route, g);
	return err == -EAFNOSUPPORT ? 0 : err; /* a kernel without IPv6 */
}

static int clear_guards(struct rtnl *r)
{
	struct guards g = { .n = GUARDS_MAX };
	int err = 0;

	for (int round = 0; !err && g.n == GUARDS_MAX && round < ROUNDS_MAX; round++) {
		g.n = 0;
		err = read_guards(r, AF_INET, &g);
		if (!err)
			err = read_guards(r, AF_INET6, &g);
		for (size_t i = 0; !err && i < g.n; i++)
			err = rtnl_guard_del(r, &g.list[i].net, g.list[i].len);
	}
	return err;
}

static bool keep_none(void *ctx, const struct rtnl_source *s)
{
	(void)ctx;
	(void)s;
	return false;
}

int rtnl_clear(struct rtnl *r)
{
	int sources = rtnl_source_sift(r, keep_none, NULL), guards = clear_guards(r);

	return sources ? sources : guards;
}
