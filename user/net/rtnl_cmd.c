/* SPDX-License-Identifier: GPL-2.0-only */
/* Commands of net/rtnl. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/ip.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "rtnl_private.h"

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
		    uint8_t prefix_len, uint8_t scope)
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
	ifa->ifa_scope = scope;
	/* Nobody else answers for an address inside a tunnel: no duplicate detection. */
	ifa->ifa_flags = a->family == 6 ? IFA_F_NODAD : 0;
	rtnl_put_addr(nlh, IFA_LOCAL, a);
	rtnl_put_addr(nlh, IFA_ADDRESS, a);
	return rtnl_ask(r, nlh, NULL, NULL);
}

int rtnl_addr_add(struct rtnl *r, uint32_t ifindex, const struct addr *a, uint8_t prefix_len)
{
	int err = addr_cmd(r, RTM_NEWADDR, ifindex, a, prefix_len, RT_SCOPE_UNIVERSE);

	return err == -EEXIST ? 0 : err;
}

int rtnl_addr_del(struct rtnl *r, uint32_t ifindex, const struct addr *a, uint8_t prefix_len)
{
	int err = addr_cmd(r, RTM_DELADDR, ifindex, a, prefix_len, RT_SCOPE_UNIVERSE);

	return err == -EADDRNOTAVAIL || err == -ENODEV ? 0 : err;
}

int rtnl_link_loose(struct rtnl *r, uint32_t ifindex)
{
	char buf[RTNL_CMD_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	/* A device without an address lets in nothing that its own routes do not lead to, whatever
	 * the filter: one that nobody uses as a source, since it is of no scope. */
	const struct addr some = addr_v4(0xa9fe6262);
	struct nlattr *spec, *inet, *conf;
	struct ifinfomsg *ifi;
	int err;

	nlh->nlmsg_type = RTM_SETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_index = (int)ifindex;
	spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	inet = mnl_attr_nest_start(nlh, AF_INET);
	conf = mnl_attr_nest_start(nlh, IFLA_INET_CONF);
	mnl_attr_put_u32(nlh, IPV4_DEVCONF_RP_FILTER, 2);
	mnl_attr_nest_end(nlh, conf);
	mnl_attr_nest_end(nlh, inet);
	mnl_attr_nest_end(nlh, spec);
	err = rtnl_ask(r, nlh, NULL, NULL);
	if (!err)
		err = addr_cmd(r, RTM_NEWADDR, ifindex, &some, 32, RT_SCOPE_HOST);
	return err == -EEXIST ? 0 : err;
}

/* Of a guard: far behind every real route to the same prefix, before all shorter ones. */
enum { GUARD_METRIC = 0x7fff0000 };

/* A route by a device; ifindex 0: a guard, which has none. */
static int route_cmd(struct rtnl *r, uint16_t type, uint16_t flags, const struct addr *dst,
		     uint8_t prefix_len, uint32_t ifindex, const struct addr *src)
{
	char buf[RTNL_CMD_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rt;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
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
	int err = route_cmd(r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, dst, prefix_len, ifindex,
			    src);

	return err == -EEXIST ? 0 : err;
}

int rtnl_route_set(struct rtnl *r, const struct addr *dst, uint8_t prefix_len, uint32_t ifindex,
		   const struct addr *src)
{
	return route_cmd(r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, dst, prefix_len, ifindex,
			 src);
}

int rtnl_route_del(struct rtnl *r, const struct addr *dst, uint8_t prefix_len, uint32_t ifindex)
{
	int err = route_cmd(r, RTM_DELROUTE, 0, dst, prefix_len, ifindex, NULL);

	return err == -ESRCH || err == -ENODEV ? 0 : err;
}

int rtnl_guard_add(struct rtnl *r, const struct addr *dst, uint8_t prefix_len)
{
	int err = route_cmd(r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, dst, prefix_len, 0, NULL);

	return err == -EEXIST ? 0 : err;
}

int rtnl_guard_del(struct rtnl *r, const struct addr *dst, uint8_t prefix_len)
{
	int err = route_cmd(r, RTM_DELROUTE, 0, dst, prefix_len, 0, NULL);

	return err == -ESRCH ? 0 : err;
}
