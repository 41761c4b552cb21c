/* SPDX-License-Identifier: GPL-2.0-only */
/* Source routes of net/rtnl: rules and tables of ours. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "rtnl_private.h"

/* What IKE and ESP are, as they leave here. */
static const struct {
	uint8_t protocol;
	uint16_t sport; /* 0: has none */
} kinds[] = { { IPPROTO_UDP, 4500 }, { IPPROTO_UDP, 500 }, { IPPROTO_ESP, 0 } };

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static int rule_cmd(struct rtnl *r, uint16_t type, const struct addr *src, uint32_t ifindex,
		    size_t kind)
{
	struct fib_rule_port_range sport = { kinds[kind].sport, kinds[kind].sport };
	char buf[RTNL_CMD_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct fib_rule_hdr *h;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	if (type == RTM_NEWRULE)
		nlh->nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
	h = mnl_nlmsg_put_extra_header(nlh, sizeof(*h));
	h->family = rtnl_af(src);
	h->src_len = (uint8_t)(addr_len(src) * 8);
	h->action = FR_ACT_TO_TBL;
	rtnl_put_addr(nlh, FRA_SRC, src);
	mnl_attr_put_u32(nlh, FRA_TABLE, RTNL_SOURCE_TABLE + ifindex);
	mnl_attr_put_u32(nlh, FRA_PRIORITY, RTNL_SOURCE_PRIORITY);
	mnl_attr_put_u8(nlh, FRA_PROTOCOL, RTNL_PROTO);
	mnl_attr_put_u8(nlh, FRA_IP_PROTO, kinds[kind].protocol);
	if (sport.start)
		mnl_attr_put(nlh, FRA_SPORT_RANGE, sizeof(sport), &sport);
	return rtnl_ask(r, nlh, NULL, NULL);
}

int rtnl_source_rule_add(struct rtnl *r, const struct addr *src, uint32_t ifindex)
{
	int err = 0;

	for (size_t i = 0; !err && i < KINDS; i++) {
		err = rule_cmd(r, RTM_NEWRULE, src, ifindex, i);
		if (err == -EEXIST)
			err = 0;
	}
	return err;
}

int rtnl_source_rule_del(struct rtnl *r, const struct addr *src, uint32_t ifindex)
{
	int err = 0;

	for (size_t i = 0; i < KINDS; i++) {
		int one = rule_cmd(r, RTM_DELRULE, src, ifindex, i);

		if (one && one != -ENOENT)
			err = one;
	}
	return err;
}

/* RTA_VIA: a next hop of the other family. */
static void put_via(struct nlmsghdr *nlh, const struct addr *hop)
{
	uint8_t buf[sizeof(struct rtvia) + 16] = { 0 };
	struct rtvia *via = (struct rtvia *)buf;

	via->rtvia_family = rtnl_af(hop);
	memcpy(via->rtvia_addr, hop->b, addr_len(hop));
	mnl_attr_put(nlh, RTA_VIA, sizeof(*via) + addr_len(hop), buf);
}

static int route_cmd(struct rtnl *r, uint16_t type, const struct addr *dst, uint8_t prefix_len,
		     const struct addr *hop, uint32_t ifindex)
{
	char buf[RTNL_CMD_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	bool via = hop && hop->family && !addr_equal(hop, dst);
	struct rtmsg *rt;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	if (type == RTM_NEWROUTE)
		nlh->nlmsg_flags |= NLM_F_CREATE | NLM_F_REPLACE;
	rt = mnl_nlmsg_put_extra_header(nlh, sizeof(*rt));
	rt->rtm_family = rtnl_af(dst);
	rt->rtm_dst_len = prefix_len;
	rt->rtm_table = RT_TABLE_UNSPEC;
	rt->rtm_protocol = RTNL_PROTO;
	rt->rtm_scope = type == RTM_DELROUTE ? RT_SCOPE_NOWHERE
			: via		     ? RT_SCOPE_UNIVERSE
					     : RT_SCOPE_LINK;
	rt->rtm_type = RTN_UNICAST;
	rt->rtm_flags = via ? RTNH_F_ONLINK : 0;
	if (prefix_len)
		rtnl_put_addr(nlh, RTA_DST, dst);
	mnl_attr_put_u32(nlh, RTA_TABLE, RTNL_SOURCE_TABLE + ifindex);
	mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
	if (via && hop->family == dst->family)
		rtnl_put_addr(nlh, RTA_GATEWAY, hop);
	else if (via)
		put_via(nlh, hop);
	return rtnl_ask(r, nlh, NULL, NULL);
}

int rtnl_source_route_add(struct rtnl *r, const struct addr *dst, uint8_t prefix_len,
			  const struct addr *hop, uint32_t ifindex)
{
	return route_cmd(r, RTM_NEWROUTE, dst, prefix_len, hop, ifindex);
}

int rtnl_source_route_del(struct rtnl *r, const struct addr *dst, uint8_t prefix_len,
			  uint32_t ifindex)
{
	int err = route_cmd(r, RTM_DELROUTE, dst, prefix_len, NULL, ifindex);

	/* they go with the link, too */
	return err == -ESRCH || err == -ENODEV || err == -ENOENT ? 0 : err;
}

/* ---- what stands ---- */

/* Deleting while a table is read out would disturb the reading: so many are noted at a time. */
enum { SIFT_MAX = 64, ROUNDS_MAX = 4096 };

struct sift {
	bool (*fn)(void *ctx, const struct rtnl_source *s);
	void *ctx;
	size_t n;
	struct rtnl_source out[SIFT_MAX];
};

static bool of_ours(uint32_t table, uint8_t protocol)
{
	return protocol == RTNL_PROTO && table > RTNL_SOURCE_TABLE;
}

static void sift(struct sift *s, const struct rtnl_source *one)
{
	if (s->n < SIFT_MAX && !s->fn(s->ctx, one))
		s->out[s->n++] = *one;
}

static int on_source_rule(const struct nlmsghdr *nlh, void *ctx)
{
	const struct fib_rule_hdr *h = mnl_nlmsg_get_payload(nlh);
	uint8_t family = h->family == AF_INET ? 4 : 6, protocol = 0;
	struct addr src = { 0 };
	const struct nlattr *a;
	uint32_t table = 0;

	if (nlh->nlmsg_type != RTM_NEWRULE || (h->family != AF_INET && h->family != AF_INET6))
		return MNL_CB_OK;
	mnl_attr_for_each(a, nlh, sizeof(*h))
	{
		uint16_t type = mnl_attr_get_type(a), len = mnl_attr_get_payload_len(a);

		if (type == FRA_TABLE)
			table = mnl_attr_get_u32(a);
		else if (type == FRA_PROTOCOL)
			protocol = mnl_attr_get_u8(a);
		else if (type == FRA_SRC && len == (family == 4 ? 4 : 16))
			src = addr_from_bytes(family, mnl_attr_get_payload(a));
	}
	if (src.family && of_ours(table, protocol))
		sift(ctx,
		     &(struct rtnl_source){ true, src, h->src_len, table - RTNL_SOURCE_TABLE });
	return MNL_CB_OK;
}

static int on_source_route(const struct nlmsghdr *nlh, void *ctx)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(nlh);
	uint8_t family = rt->rtm_family == AF_INET ? 4 : 6;
	struct addr dst = { .family = family };
	const struct nlattr *a;
	uint32_t table = 0;

	if (nlh->nlmsg_type != RTM_NEWROUTE ||
	    (rt->rtm_family != AF_INET && rt->rtm_family != AF_INET6))
		return MNL_CB_OK;
	mnl_attr_for_each(a, nlh, sizeof(*rt))
	{
		uint16_t type = mnl_attr_get_type(a), len = mnl_attr_get_payload_len(a);

		if (type == RTA_TABLE)
			table = mnl_attr_get_u32(a);
		else if (type == RTA_DST && len == (family == 4 ? 4 : 16))
			dst = addr_from_bytes(family, mnl_attr_get_payload(a));
	}
	if (of_ours(table, rt->rtm_protocol))
		sift(ctx, &(struct rtnl_source){ false, dst, rt->rtm_dst_len,
						 table - RTNL_SOURCE_TABLE });
	return MNL_CB_OK;
}

static int read_out(struct rtnl *r, uint16_t type, uint8_t family, mnl_cb_t cb, struct sift *s)
{
	char buf[RTNL_CMD_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rt; /* as long as a fib_rule_hdr */

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	rt = mnl_nlmsg_put_extra_header(nlh, sizeof(*rt));
	rt->rtm_family = family;
	return rtnl_ask(r, nlh, cb, s);
}

int rtnl_source_sift(struct rtnl *r, bool (*fn)(void *ctx, const struct rtnl_source *s), void *ctx)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct sift s = { .fn = fn, .ctx = ctx, .n = SIFT_MAX };
	int err = 0;

	for (int round = 0; !err && s.n == SIFT_MAX && round < ROUNDS_MAX; round++) {
		s.n = 0;
		for (size_t i = 0; !err && i < 2; i++) {
			err = read_out(r, RTM_GETRULE, families[i], on_source_rule, &s);
			if (!err)
				err = read_out(r, RTM_GETROUTE, families[i], on_source_route, &s);
			if (err == -EAFNOSUPPORT)
				err = 0; /* a kernel without IPv6 */
		}
		for (size_t i = 0; !err && i < s.n; i++)
			err = s.out[i].rule
				      ? rtnl_source_rule_del(r, &s.out[i].addr, s.out[i].ifindex)
				      : rtnl_source_route_del(r, &s.out[i].addr,
							      s.out[i].prefix_len,
							      s.out[i].ifindex);
	}
	return err;
}
