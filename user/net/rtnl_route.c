/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a link leads: first hops, by the kernel's choice and by what its tables say of one link.
 *
 * The tables are read when somebody asks and kept until links, addresses or routes change, sorted
 * by link, so that a question about one of thousands of paths reads the few routes of its link.
 * IPv4 routes that go with a link or an address go without a word. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#include "rtnl_private.h"

enum { ROUTES_MAX = 1 << 21 };

struct hop {
	uint32_t ifindex;
	struct addr addr;
	bool found;
};

/* RTA_VIA: a next hop of the other family (RFC 5549). */
static bool attr_via(const struct nlattr *a, struct addr *ret)
{
	const struct rtvia *via = mnl_attr_get_payload(a);
	size_t len = mnl_attr_get_payload_len(a);

	if (len == sizeof(*via) + 4 && via->rtvia_family == AF_INET)
		*ret = addr_from_bytes(4, via->rtvia_addr);
	else if (len == sizeof(*via) + 16 && via->rtvia_family == AF_INET6)
		*ret = addr_from_bytes(6, via->rtvia_addr);
	else
		return false;
	return true;
}

/* A gateway, if this attribute is one. */
static void attr_hop(const struct nlattr *a, uint8_t family, struct addr *ret_hop)
{
	size_t len = family == 4 ? 4 : 16;

	if (mnl_attr_get_type(a) == RTA_GATEWAY && mnl_attr_get_payload_len(a) == len)
		*ret_hop = addr_from_bytes(family, mnl_attr_get_payload(a));
	else if (mnl_attr_get_type(a) == RTA_VIA)
		attr_via(a, ret_hop);
}

static int on_route(const struct nlmsghdr *nlh, void *ctx)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(nlh);
	struct hop *h = ctx;
	const struct nlattr *a;

	if (nlh->nlmsg_type != RTM_NEWROUTE || rt->rtm_type != RTN_UNICAST)
		return MNL_CB_OK;
	mnl_attr_for_each(a, nlh, sizeof(*rt))
	{
		if (mnl_attr_get_type(a) == RTA_OIF && mnl_attr_get_u32(a) == h->ifindex)
			h->found = true;
		else
			attr_hop(a, rt->rtm_family == AF_INET ? 4 : 6, &h->addr);
	}
	return MNL_CB_OK;
}

static struct nlmsghdr *question(char buf[RTNL_CMD_MAX], uint8_t af, uint16_t flags,
				 struct rtmsg **ret_rt)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	*ret_rt = mnl_nlmsg_put_extra_header(nlh, sizeof(**ret_rt));
	(*ret_rt)->rtm_family = af;
	return nlh;
}

/* ---- the tables ---- */

static void route_row(struct rtnl *r, const struct rtnl_route_row *route, uint32_t table)
{
	struct rtnl_route_row *row;

	if ((!route->ifindex && !route->object) || table == RTNL_SOURCE_TABLE + route->ifindex ||
	    r->routes.n >= ROUTES_MAX)
		return;
	row = rtnl_row_add(&r->routes);
	if (row)
		*row = *route;
}

/* RTA_MULTIPATH: several links, or several hops of one. */
static void route_rows(struct rtnl *r, struct rtnl_route_row route, uint32_t table,
		       const struct nlattr *paths)
{
	int left = mnl_attr_get_payload_len(paths);
	const struct rtnexthop *nh = mnl_attr_get_payload(paths);

	for (; RTNH_OK(nh, left); left -= RTNH_ALIGN(nh->rtnh_len), nh = RTNH_NEXT(nh)) {
		const struct nlattr *attr;
		const void *attrs = RTNH_DATA(nh);

		route.hop.family = 0;
		route.ifindex = (uint32_t)nh->rtnh_ifindex;
		mnl_attr_for_each_payload(attrs, nh->rtnh_len - sizeof(*nh))
			attr_hop(attr, route.net.family, &route.hop);
		if (!(nh->rtnh_flags & RTNH_F_DEAD))
			route_row(r, &route, table);
	}
}

static int on_table_route(const struct nlmsghdr *nlh, void *ctx)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *a, *paths = NULL;
	uint32_t table = rt->rtm_table;
	struct rtnl_route_row route = { .len = rt->rtm_dst_len };

	if (nlh->nlmsg_type != RTM_NEWROUTE || rt->rtm_type != RTN_UNICAST ||
	    (rt->rtm_family != AF_INET && rt->rtm_family != AF_INET6) ||
	    rt->rtm_flags & RTNH_F_DEAD)
		return MNL_CB_OK;
	route.net.family = rt->rtm_family == AF_INET ? 4 : 6;
	mnl_attr_for_each(a, nlh, sizeof(*rt))
	{
		switch (mnl_attr_get_type(a)) {
		case RTA_OIF:
			route.ifindex = mnl_attr_get_u32(a);
			break;
		case RTA_PRIORITY:
			route.metric = mnl_attr_get_u32(a);
			break;
		case RTA_TABLE:
			table = mnl_attr_get_u32(a);
			break;
		case RTA_DST:
			if (mnl_attr_get_payload_len(a) == addr_len(&route.net))
				route.net =
					addr_from_bytes(route.net.family, mnl_attr_get_payload(a));
			break;
		case RTA_NH_ID:
			route.object = mnl_attr_get_u32(a);
			break;
		case RTA_MULTIPATH:
			paths = a;
			break;
		default:
			attr_hop(a, route.net.family, &route.hop);
		}
	}
	if (paths)
		route_rows(ctx, route, table, paths);
	else
		route_row(ctx, &route, table);
	return MNL_CB_OK;
}

/* ---- nexthop objects ---- */

/* A kernel that is told to (nexthop_compat_mode = 0) names the object in a route, and no more. */
struct object {
	uint32_t id, ifindex;
	uint32_t member; /* of a group: another object; a row for each */
	struct addr hop;
};

static void object_add(struct rtnl_table *t, const struct object *object)
{
	struct object *row = t->n < ROUTES_MAX ? rtnl_row_add(t) : NULL;

	if (row)
		*row = *object;
}

static void group_add(struct rtnl_table *t, uint32_t id, const struct nlattr *group)
{
	const struct nexthop_grp *g = mnl_attr_get_payload(group);
	size_t n = mnl_attr_get_payload_len(group) / sizeof(*g);

	for (size_t i = 0; i < n; i++)
		object_add(t, &(struct object){ .id = id, .member = g[i].id });
}

static int on_object(const struct nlmsghdr *nlh, void *ctx)
{
	const struct nhmsg *nh = mnl_nlmsg_get_payload(nlh);
	uint8_t family = nh->nh_family == AF_INET ? 4 : 6;
	const struct nlattr *a, *group = NULL;
	struct object object = { 0 };

	if (nlh->nlmsg_type != RTM_NEWNEXTHOP || nh->nh_flags & RTNH_F_DEAD)
		return MNL_CB_OK;
	mnl_attr_for_each(a, nlh, sizeof(*nh))
	{
		if (mnl_attr_get_type(a) == NHA_ID)
			object.id = mnl_attr_get_u32(a);
		else if (mnl_attr_get_type(a) == NHA_OIF)
			object.ifindex = mnl_attr_get_u32(a);
		else if (mnl_attr_get_type(a) == NHA_GROUP)
			group = a;
		else if (mnl_attr_get_type(a) == NHA_GATEWAY &&
			 mnl_attr_get_payload_len(a) == (family == 4 ? 4 : 16))
			object.hop = addr_from_bytes(family, mnl_attr_get_payload(a));
	}
	if (group)
		group_add(ctx, object.id, group);
	else
		object_add(ctx, &object);
	return MNL_CB_OK;
}

static void resolve(struct rtnl *r, const struct rtnl_table *t, struct rtnl_route_row route,
		    uint32_t id, bool member)
{
	const struct object *objects = t->rows;

	for (size_t i = 0; i < t->n; i++) {
		if (objects[i].id != id)
			continue;
		route.ifindex = objects[i].ifindex;
		route.hop = objects[i].hop;
		if (objects[i].member && !member)
			resolve(r, t, route, objects[i].member, true);
		else if (route.ifindex)
			route_row(r, &route, RT_TABLE_UNSPEC);
	}
}

/* What objects stand for, beside the rows that name them, which are of no link. */
static int read_objects(struct rtnl *r)
{
	struct rtnl_table t = { .row_octets = sizeof(struct object) };
	char buf[RTNL_CMD_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	size_t n = r->routes.n;
	int err;

	nlh->nlmsg_type = RTM_GETNEXTHOP;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct nhmsg));
	err = rtnl_ask(r, nlh, on_object, &t);
	for (size_t i = 0; !err && i < n; i++) {
		const struct rtnl_route_row route = ((struct rtnl_route_row *)r->routes.rows)[i];

		if (!route.ifindex)
			resolve(r, &t, route, route.object, false);
	}
	free(t.rows);
	return err;
}

static bool names_objects(const struct rtnl *r)
{
	const struct rtnl_route_row *rows = r->routes.rows;

	for (size_t i = 0; i < r->routes.n; i++)
		if (!rows[i].ifindex)
			return true;
	return false;
}

/* ---- by link ---- */

/* By link and family, the best first. */
static int by_link(const void *pa, const void *pb)
{
	const struct rtnl_route_row *a = pa, *b = pb;

	if (a->ifindex != b->ifindex)
		return a->ifindex < b->ifindex ? -1 : 1;
	if (a->net.family != b->net.family)
		return a->net.family - b->net.family;
	if (a->len != b->len)
		return b->len - a->len;
	if (addr_cmp(&a->net, &b->net))
		return addr_cmp(&a->net, &b->net);
	return (a->metric > b->metric) - (a->metric < b->metric);
}

static int read_tables(struct rtnl *r)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	int err = 0;

	if (r->routes_known)
		return 0;
	r->routes.n = 0;
	for (size_t i = 0; !err && i < 2; i++) {
		char buf[RTNL_CMD_MAX];
		struct rtmsg *rt;

		err = rtnl_ask(r, question(buf, families[i], NLM_F_DUMP, &rt), on_table_route, r);
		if (err == -EAFNOSUPPORT)
			err = 0; /* a kernel without IPv6 */
	}
	if (!err && names_objects(r))
		err = read_objects(r);
	if (err)
		return err;
	qsort(r->routes.rows, r->routes.n, sizeof(struct rtnl_route_row), by_link);
	r->routes_known = true;
	return 0;
}

/* The first of a link and family; those that follow it are of the same, up to *ret_end. */
static const struct rtnl_route_row *routes_of(const struct rtnl *r, uint8_t family,
					      uint32_t ifindex,
					      const struct rtnl_route_row **ret_end)
{
	const struct rtnl_route_row *rows = r->routes.rows;
	size_t from = 0, to = r->routes.n, end;

	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (rows[mid].ifindex < ifindex ||
		    (rows[mid].ifindex == ifindex && rows[mid].net.family < family))
			from = mid + 1;
		else
			to = mid;
	}
	for (end = from;
	     end < r->routes.n && rows[end].ifindex == ifindex && rows[end].net.family == family;)
		end++;
	*ret_end = rows + end;
	return rows + from;
}

/* Asked for a route by a link, IPv6 may answer with a better one by another (it prefers the metric
 * when the source is given), and a guard for all links: then the tables are searched for that
 * link's own, also those that an administrator's rules lead to. */
static int link_hop(struct rtnl *r, const struct addr *dst, uint32_t ifindex, struct addr *ret_hop)
{
	const struct rtnl_route_row *row, *end;
	int err = read_tables(r);

	if (err)
		return err;
	for (row = routes_of(r, dst->family, ifindex, &end); row < end; row++) {
		struct addr first, last;

		addr_prefix_range(&row->net, row->len, &first, &last);
		if (addr_cmp(dst, &first) < 0 || addr_cmp(dst, &last) > 0)
			continue;
		*ret_hop = row->hop.family ? row->hop : *dst;
		return 0;
	}
	return -ENETUNREACH;
}

int rtnl_default_hop(struct rtnl *r, uint8_t family, uint32_t ifindex, struct addr *ret_hop)
{
	const struct rtnl_route_row *row, *end;
	int err = read_tables(r);

	if (err)
		return err;
	for (row = routes_of(r, family, ifindex, &end); row < end; row++) {
		if (row->len)
			continue;
		*ret_hop = row->hop.family ? row->hop : (struct addr){ .family = family };
		return 0;
	}
	return -ENETUNREACH;
}

size_t rtnl_link_routes(struct rtnl *r, uint8_t family, uint32_t ifindex,
			struct rtnl_route *ret_routes, size_t max)
{
	const struct rtnl_route_row *row, *end, *before = NULL;
	size_t n = 0;

	if (read_tables(r))
		return 0;
	for (row = routes_of(r, family, ifindex, &end); row < end; before = row++) {
		if (!row->len || !addr_usable(&row->net, false) ||
		    (before && before->len == row->len && addr_equal(&before->net, &row->net)))
			continue;
		if (n < max)
			ret_routes[n] = (struct rtnl_route){ row->net, row->len, row->hop };
		n++;
	}
	return n;
}

/* ---- one question ---- */

/* By which link and hop dst is reached from src; oif 0: by any, as the host's rules and routes say.
 * Source routes have no word in this: the kernel takes it for UDP, from no port. */
static int route_get(struct rtnl *r, const struct addr *dst, const struct addr *src, uint32_t oif,
		     struct hop *h)
{
	char buf[RTNL_CMD_MAX];
	struct rtmsg *rt;
	struct nlmsghdr *nlh = question(buf, rtnl_af(dst), NLM_F_ACK, &rt);

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
