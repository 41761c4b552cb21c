/* SPDX-License-Identifier: GPL-2.0-only */
/* One question and the commands of net/rtnl. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "rtnl_private.h"

struct hop {
	uint32_t ifindex;
	struct addr addr;
	bool found;
};

static int on_route(const struct nlmsghdr *nlh, void *ctx)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(nlh);
	struct hop *h = ctx;
	const struct nlattr *a;

	if (nlh->nlmsg_type != RTM_NEWROUTE || rt->rtm_type != RTN_UNICAST)
		return MNL_CB_OK;
	mnl_attr_for_each(a, nlh, sizeof(*rt))
	{
		uint16_t type = mnl_attr_get_type(a);

		if (type == RTA_OIF && mnl_attr_get_u32(a) == h->ifindex)
			h->found = true;
		else if (type == RTA_GATEWAY && mnl_attr_get_payload_len(a) == addr_len(&h->addr))
			h->addr = addr_from_bytes(h->addr.family, mnl_attr_get_payload(a));
	}
	return MNL_CB_OK;
}

/* The best of a link's own routes to dst so far. */
struct link_route {
	uint32_t ifindex;
	const struct addr *dst;
	int len; /* of its prefix; -1: none */
	uint32_t metric;
	struct addr hop;
};

static int on_link_route(const struct nlmsghdr *nlh, void *ctx)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(nlh);
	struct addr net = { 0 }, hop, first, last;
	struct link_route *b = ctx;
	const struct nlattr *a;
	uint32_t oif = 0, metric = 0, table = rt->rtm_table;

	if (nlh->nlmsg_type != RTM_NEWROUTE || rt->rtm_type != RTN_UNICAST ||
	    rt->rtm_family != rtnl_af(b->dst))
		return MNL_CB_OK;
	hop = *b->dst;
	net.family = b->dst->family;
	mnl_attr_for_each(a, nlh, sizeof(*rt))
	{
		uint16_t type = mnl_attr_get_type(a), len = mnl_attr_get_payload_len(a);

		if (type == RTA_OIF)
			oif = mnl_attr_get_u32(a);
		else if (type == RTA_PRIORITY)
			metric = mnl_attr_get_u32(a);
		else if (type == RTA_TABLE)
			table = mnl_attr_get_u32(a);
		else if (type == RTA_DST && len == addr_len(&net))
			net = addr_from_bytes(net.family, mnl_attr_get_payload(a));
		else if (type == RTA_GATEWAY && len == addr_len(&net))
			hop = addr_from_bytes(net.family, mnl_attr_get_payload(a));
	}
	addr_prefix_range(&net, rt->rtm_dst_len, &first, &last);
	if (oif != b->ifindex || table == RTNL_SOURCE_TABLE + oif || addr_cmp(b->dst, &first) < 0 ||
	    addr_cmp(b->dst, &last) > 0 || rt->rtm_dst_len < b->len ||
	    (rt->rtm_dst_len == b->len && metric >= b->metric))
		return MNL_CB_OK;
	b->len = rt->rtm_dst_len;
	b->metric = metric;
	b->hop = hop;
	return MNL_CB_OK;
}

/* Asked for a route by a link, IPv6 may answer with a better one by another (it prefers the metric
 * when the source is given), and a guard for all links: then the tables are searched for that
 * link's own, also those that an administrator's rules lead to. */
static int link_hop(struct rtnl *r, const struct addr *dst, uint32_t ifindex, struct addr *ret_hop)
{
	char buf[RTNL_CMD_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct link_route best = { .ifindex = ifindex, .dst = dst, .len = -1 };
	struct rtmsg *rt;
	int err;

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	rt = mnl_nlmsg_put_extra_header(nlh, sizeof(*rt));
	rt->rtm_family = rtnl_af(dst);
	err = rtnl_ask(r, nlh, on_link_route, &best);
	if (err)
		return err;
	if (best.len < 0)
		return -ENETUNREACH;
	*ret_hop = best.hop;
	return 0;
}

/* By which link and hop dst is reached from src; oif 0: by any, as the host's rules and routes say.
 * Source routes have no word in this: the kernel takes it for UDP, from no port. */
static int route_get(struct rtnl *r, const struct addr *dst, const struct addr *src, uint32_t oif,
		     struct hop *h)
{
	char buf[RTNL_CMD_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rt;

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	rt = mnl_nlmsg_put_extra_header(nlh, sizeof(*rt));
	rt->rtm_family = rtnl_af(dst);
	rt->rtm_dst_len = (uint8_t)(addr_len(dst) * 8);
	rtnl_put_addr(nlh, RTA_DST, dst);
	if (src && src->family == dst->family) {
		rt->rtm_src_len = (uint8_t)(addr_len(src) * 8);
		rtnl_put_addr(nlh, RTA_SRC, src);
	}
	if (oif)
		mnl_attr_put_u32(nlh, RTA_OIF, oif);
	return rtnl_ask(r, nlh, on_route, h);
}

int rtnl_default_hop(struct rtnl *r, uint8_t family, uint32_t ifindex, struct addr *ret_hop)
{
	return link_hop(r, &(struct addr){ .family = family }, ifindex, ret_hop);
}

int rtnl_next_hop(struct rtnl *r, const struct addr *dst, const struct addr *src, uint32_t ifindex,
		  struct addr *ret_hop, bool *ret_elsewhere)
{
	struct hop h = { .ifindex = ifindex, .addr = *dst };
	int err = route_get(r, dst, src, 0, &h);
	bool elsewhere = err || !h.found;

	if (elsewhere) {
		h = (struct hop){ .ifindex = ifindex, .addr = *dst };
		err = route_get(r, dst, src, ifindex, &h);
		if (err || !h.found)
			err = link_hop(r, dst, ifindex, &h.addr);
		else if (addr_equal(&h.addr, dst))
			link_hop(r, dst, ifindex, &h.addr);
	}
	if (err)
		return err;
	*ret_hop = h.addr;
	*ret_elsewhere = elsewhere;
	return 0;
}

static int neigh_set(struct rtnl *r, uint32_t ifindex, const struct addr *a, bool managed)
{
	char buf[RTNL_CMD_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ndmsg *nd;

	nlh->nlmsg_type = RTM_NEWNEIGH;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
	nd = mnl_nlmsg_put_extra_header(nlh, sizeof(*nd));
	nd->ndm_family = rtnl_af(a);
	nd->ndm_ifindex = (int)ifindex;
	nd->ndm_flags = managed ? 0 : NTF_USE;
	rtnl_put_addr(nlh, NDA_DST, a);
	if (managed)
		mnl_attr_put_u32(nlh, NDA_FLAGS_EXT, NTF_EXT_MANAGED);
	return rtnl_ask(r, nlh, NULL, NULL);
}

int rtnl_neigh_keep(struct rtnl *r, uint32_t ifindex, const struct addr *a)
{
	/* Managed entries (5.16) are refreshed by the kernel; before that, one resolution. */
	int err = neigh_set(r, ifindex, a, true);

	return err ? neigh_set(r, ifindex, a, false) : 0;
}

static int addr_cmd(struct rtnl *r, uint16_t type, uint32_t ifindex, const struct addr *a,
		    uint8_t prefix_len)
{
	char buf[RTNL_CMD_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifaddrmsg *ifa;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	if (type == RTM_NEWADDR)
		nlh->nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
	ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	ifa->ifa_family = rtnl_af(a);
	ifa->ifa_prefixlen = prefix_len;
	ifa->ifa_index = ifindex;
	/* Nobody else answers for an address inside a tunnel: no duplicate detection. */
	ifa->ifa_flags = a->family == 6 ? IFA_F_NODAD : 0;
	rtnl_put_addr(nlh, IFA_LOCAL, a);
	rtnl_put_addr(nlh, IFA_ADDRESS, a);
	return rtnl_ask(r, nlh, NULL, NULL);
}

int rtnl_addr_add(struct rtnl *r, uint32_t ifindex, const struct addr *a, uint8_t prefix_len)
{
	int err = addr_cmd(r, RTM_NEWADDR, ifindex, a, prefix_len);

	return err == -EEXIST ? 0 : err;
}

int rtnl_addr_del(struct rtnl *r, uint32_t ifindex, const struct addr *a, uint8_t prefix_len)
{
	int err = addr_cmd(r, RTM_DELADDR, ifindex, a, prefix_len);

	return err == -EADDRNOTAVAIL || err == -ENODEV ? 0 : err;
}

/* Of a guard: far behind every real route to the same prefix, before all shorter ones. */
enum { GUARD_METRIC = 0x7fff0000 };

/* A route by a device; ifindex 0: a guard, which has none. */
static int route_cmd(struct rtnl *r, uint16_t type, const struct addr *dst, uint8_t prefix_len,
		     uint32_t ifindex, const struct addr *src)
{
	char buf[RTNL_CMD_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rt;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	if (type == RTM_NEWROUTE)
		nlh->nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
	rt = mnl_nlmsg_put_extra_header(nlh, sizeof(*rt));
	rt->rtm_family = rtnl_af(dst);
	rt->rtm_dst_len = prefix_len;
	rt->rtm_table = RT_TABLE_MAIN;
	rt->rtm_protocol = RTNL_PROTO;
	rt->rtm_scope = type == RTM_DELROUTE ? RT_SCOPE_NOWHERE
			: ifindex	     ? RT_SCOPE_LINK
					     : RT_SCOPE_UNIVERSE;
	rt->rtm_type = ifindex ? RTN_UNICAST : RTN_UNREACHABLE;
	rtnl_put_addr(nlh, RTA_DST, dst);
	if (ifindex)
		mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
	else
		mnl_attr_put_u32(nlh, RTA_PRIORITY, GUARD_METRIC);
	if (src && src->family == dst->family)
		rtnl_put_addr(nlh, RTA_PREFSRC, src);
	return rtnl_ask(r, nlh, NULL, NULL);
}

int rtnl_route_add(struct rtnl *r, const struct addr *dst, uint8_t prefix_len, uint32_t ifindex,
		   const struct addr *src)
{
	int err = route_cmd(r, RTM_NEWROUTE, dst, prefix_len, ifindex, src);

	return err == -EEXIST ? 0 : err;
}

int rtnl_route_del(struct rtnl *r, const struct addr *dst, uint8_t prefix_len, uint32_t ifindex)
{
	int err = route_cmd(r, RTM_DELROUTE, dst, prefix_len, ifindex, NULL);

	return err == -ESRCH || err == -ENODEV ? 0 : err;
}

int rtnl_guard_add(struct rtnl *r, const struct addr *dst, uint8_t prefix_len)
{
	int err = route_cmd(r, RTM_NEWROUTE, dst, prefix_len, 0, NULL);

	return err == -EEXIST ? 0 : err;
}

int rtnl_guard_del(struct rtnl *r, const struct addr *dst, uint8_t prefix_len)
{
	int err = route_cmd(r, RTM_DELROUTE, dst, prefix_len, 0, NULL);

	return err == -ESRCH ? 0 : err;
}
