/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "rtnl_private.h"

enum {
	FOLLOW_RCVBUF = 1 << 20,
	NEIGHS_MAX = 65536,
	ASK_TRIES = 100,
	/* More than the socket holds: read without an end, a flood would keep us here. */
	READS = 4096,
};

/* These have no RTMGRP_ name. */
#define IPV6_RULES (1u << (RTNLGRP_IPV6_RULE - 1))
#define NEXTHOPS   (1u << (RTNLGRP_NEXTHOP - 1))

/* ---- tables ---- */

static void *row_at(const struct rtnl_table *t, size_t i)
{
	return (char *)t->rows + i * t->row_octets;
}

void *rtnl_row_add(struct rtnl_table *t)
{
	if (t->n == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 16;
		void *rows = reallocarray(t->rows, cap, t->row_octets);

		if (!rows)
			return NULL;
		t->rows = rows;
		t->cap = cap;
	}
	void *row = row_at(t, t->n++);
	memset(row, 0, t->row_octets);
	return row;
}

static void row_del(struct rtnl_table *t, void *row)
{
	memmove(row, row_at(t, --t->n), t->row_octets);
}

static struct rtnl_link *link_find(const struct rtnl *r, uint32_t ifindex)
{
	for (size_t i = 0; i < r->links.n; i++) {
		struct rtnl_link *l = row_at(&r->links, i);

		if (l->ifindex == ifindex)
			return l;
	}
	return NULL;
}

static struct rtnl_addr_row *addr_find(const struct rtnl *r, const struct rtnl_addr_row *like)
{
	for (size_t i = 0; i < r->addrs.n; i++) {
		struct rtnl_addr_row *row = row_at(&r->addrs, i);

		if (row->ifindex == like->ifindex && addr_equal(&row->addr, &like->addr) &&
		    addr_equal(&row->net, &like->net) && row->len == like->len)
			return row;
	}
	return NULL;
}

static struct rtnl_neigh_row *neigh_find(const struct rtnl *r, uint32_t ifindex,
					 const struct addr *a)
{
	for (size_t i = 0; i < r->neighs.n; i++) {
		struct rtnl_neigh_row *row = row_at(&r->neighs, i);

		if (row->ifindex == ifindex && addr_equal(&row->addr, a))
			return row;
	}
	return NULL;
}

/* ---- messages ---- */

static bool attr_addr(const struct nlattr *a, uint8_t af, struct addr *ret)
{
	size_t want = af == AF_INET ? 4 : af == AF_INET6 ? 16 : 0;

	if (!a || !want || mnl_attr_get_payload_len(a) != want)
		return false;
	*ret = addr_from_bytes(af == AF_INET ? 4 : 6, mnl_attr_get_payload(a));
	return true;
}

static void link_text(char *to, size_t len, const struct nlattr *a)
{
	strncpy(to, mnl_attr_get_str(a), len - 1); /* and zeros behind it */
}

static void link_kind(struct rtnl_link *l, const struct nlattr *info)
{
	const struct nlattr *a;

	mnl_attr_for_each_nested(a, info) if (mnl_attr_get_type(a) == IFLA_INFO_KIND)
		link_text(l->kind, sizeof(l->kind), a);
}

static void link_fill(struct rtnl_link *l, const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	bool elsewhere = false; /* what is below it */
	const struct nlattr *a;

	l->has_mac = l->port = false;
	l->lower = 0;
	l->type = ifi->ifi_type;
	mnl_attr_for_each(a, nlh, sizeof(*ifi))
	{
		switch (mnl_attr_get_type(a)) {
		case IFLA_IFNAME:
			link_text(l->name, sizeof(l->name), a);
			break;
		case IFLA_MTU:
			l->mtu = mnl_attr_get_u32(a);
			break;
		case IFLA_ADDRESS:
			if (ifi->ifi_type == ARPHRD_ETHER && mnl_attr_get_payload_len(a) == 6) {
				memcpy(l->mac, mnl_attr_get_payload(a), 6);
				l->has_mac = !(ifi->ifi_flags & IFF_NOARP);
			}
			break;
		case IFLA_MASTER:
			l->port = mnl_attr_get_u32(a) != 0;
			break;
		case IFLA_LINK:
			l->lower = mnl_attr_get_u32(a);
			break;
		case IFLA_LINK_NETNSID:
			elsewhere = true;
			break;
		case IFLA_LINKINFO:
			link_kind(l, a);
			break;
		}
	}
	if (elsewhere || l->lower == l->ifindex)
		l->lower = 0;
}

static bool has_attr(const struct nlmsghdr *nlh, size_t header, uint16_t type)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, nlh, header) if (mnl_attr_get_type(a) == type) return true;
	return false;
}

static void on_link(struct rtnl *r, const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct rtnl_link *l = link_find(r, (uint32_t)ifi->ifi_index);

	if (ifi->ifi_family == AF_BRIDGE)
		return;
	/* wireless extensions tell their own news in a message with a name and nothing else */
	if (nlh->nlmsg_type == RTM_NEWLINK && !has_attr(nlh, sizeof(*ifi), IFLA_MTU))
		return;
	if (nlh->nlmsg_type == RTM_DELLINK) {
		if (l)
			row_del(&r->links, l);
		r->fn(r->ctx, RTNL_CHANGE_LINK, (uint32_t)ifi->ifi_index);
		return;
	}
	if (!l)
		l = rtnl_row_add(&r->links);
	if (!l)
		return;
	l->ifindex = (uint32_t)ifi->ifi_index;
	l->up = (ifi->ifi_flags & IFF_UP) && (ifi->ifi_flags & IFF_LOWER_UP);
	link_fill(l, nlh);
	r->fn(r->ctx, RTNL_CHANGE_LINK, l->ifindex);
}

static enum rtnl_addr_rank addr_rank(uint8_t af, uint32_t flags)
{
	bool temporary = af == AF_INET6 && flags & IFA_F_TEMPORARY; /* IPv4: secondary */

	if (flags & IFA_F_DEPRECATED)
		return temporary ? RTNL_ADDR_DEPRECATED_TEMPORARY : RTNL_ADDR_DEPRECATED;
	return temporary ? RTNL_ADDR_TEMPORARY : RTNL_ADDR_STABLE;
}

static void on_addr(struct rtnl *r, const struct nlmsghdr *nlh)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *a, *local = NULL, *address = NULL;
	uint32_t flags = ifa->ifa_flags;
	struct rtnl_addr_row *row, now = { .ifindex = ifa->ifa_index };

	mnl_attr_for_each(a, nlh, sizeof(*ifa))
	{
		switch (mnl_attr_get_type(a)) {
		case IFA_LOCAL:
			local = a;
			break;
		case IFA_ADDRESS:
			address = a;
			break;
		case IFA_FLAGS:
			flags = mnl_attr_get_u32(a);
			break;
		}
	}
	/* On point-to-point links IFA_ADDRESS is the other end. */
	if (!attr_addr(local ? local : address, ifa->ifa_family, &now.addr))
		return;
	if (ifa->ifa_family == AF_INET && attr_addr(address, ifa->ifa_family, &now.net))
		now.len = ifa->ifa_prefixlen;
	row = addr_find(r, &now);
	if (nlh->nlmsg_type == RTM_DELADDR) {
		if (!row)
			return;
		row_del(&r->addrs, row);
	} else {
		now.usable = addr_usable(&now.addr, false) && ifa->ifa_scope != RT_SCOPE_HOST &&
			     !(flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED));
		now.rank = addr_rank(ifa->ifa_family, flags);
		if (row && row->usable == now.usable && row->rank == now.rank)
			return; /* lifetimes only, as after a DHCP renewal: nothing moves */
		if (!row)
			row = rtnl_row_add(&r->addrs);
		if (!row)
			return;
		*row = now;
	}
	r->fn(r->ctx, RTNL_CHANGE_ADDR, ifa->ifa_index);
}

static void on_neigh(struct rtnl *r, const struct nlmsghdr *nlh)
{
	const struct ndmsg *nd = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *a, *dst = NULL, *lladdr = NULL;
	struct rtnl_neigh_row *row;
	struct addr addr;
	bool good;

	if (nd->ndm_family != AF_INET && nd->ndm_family != AF_INET6)
		return;
	mnl_attr_for_each(a, nlh, sizeof(*nd))
	{
		if (mnl_attr_get_type(a) == NDA_DST)
			dst = a;
		else if (mnl_attr_get_type(a) == NDA_LLADDR)
			lladdr = a;
	}
	if (!attr_addr(dst, nd->ndm_family, &addr))
		return;
	row = neigh_find(r, (uint32_t)nd->ndm_ifindex, &addr);
	good = nlh->nlmsg_type == RTM_NEWNEIGH && lladdr && mnl_attr_get_payload_len(lladdr) == 6 &&
	       (nd->ndm_state &
		(NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP));
	if (!good) {
		if (!row)
			return;
		row_del(&r->neighs, row);
	} else {
		const uint8_t *mac = mnl_attr_get_payload(lladdr);

		if (row && !memcmp(row->mac, mac, 6))
			return;
		if (!row && r->neighs.n < NEIGHS_MAX)
			row = rtnl_row_add(&r->neighs);
		if (!row)
			return;
		row->ifindex = (uint32_t)nd->ndm_ifindex;
		row->addr = addr;
		memcpy(row->mac, mac, 6);
	}
	r->fn(r->ctx, RTNL_CHANGE_NEIGH, (uint32_t)nd->ndm_ifindex);
}

/* Did we do that ourselves? */
static bool by_us(const struct rtnl *r, const struct nlmsghdr *nlh)
{
	return nlh->nlmsg_pid && nlh->nlmsg_pid == mnl_socket_get_portid(r->ask);
}

/* Who takes away what is ours: another program is named as the one who asked, the kernel is not.
 * What the kernel takes from the main table goes with the TUN device, and comes with the next. */
static void ours_gone(struct rtnl *r, const struct nlmsghdr *nlh, bool source)
{
	if (nlh->nlmsg_pid)
		r->fn(r->ctx, RTNL_CHANGE_TAKEN, 0);
	else if (source)
		r->fn(r->ctx, RTNL_CHANGE_SOURCE, 0);
}

static void on_route_change(struct rtnl *r, const struct nlmsghdr *nlh)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(nlh);
	bool ours = rt->rtm_protocol == RTNL_PROTO;

	if (by_us(r, nlh) || (!ours && rt->rtm_type != RTN_UNICAST))
		return;
	r->routes_known = false;
	if (!ours)
		r->fn(r->ctx, RTNL_CHANGE_ROUTE, 0);
	else if (nlh->nlmsg_type == RTM_DELROUTE)
		ours_gone(r, nlh, rt->rtm_table != RT_TABLE_MAIN);
}

static void on_rule_change(struct rtnl *r, const struct nlmsghdr *nlh)
{
	const struct nlattr *a;
	bool ours = false;

	if (by_us(r, nlh))
		return;
	mnl_attr_for_each(a, nlh, sizeof(struct fib_rule_hdr))
	{
		if (mnl_attr_get_type(a) == FRA_PROTOCOL && mnl_attr_get_payload_len(a) == 1)
			ours = mnl_attr_get_u8(a) == RTNL_PROTO;
	}
	if (!ours)
		r->fn(r->ctx, RTNL_CHANGE_ROUTE, 0);
	else if (nlh->nlmsg_type == RTM_DELRULE)
		ours_gone(r, nlh, true);
}

static int on_msg(const struct nlmsghdr *nlh, void *ctx)
{
	struct rtnl *r = ctx;

	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		r->routes_known = false; /* IPv4 routes go with it without a word */
		on_link(r, nlh);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		r->routes_known = false;
		on_addr(r, nlh);
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		on_neigh(r, nlh);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		on_route_change(r, nlh);
		break;
	case RTM_NEWRULE:
	case RTM_DELRULE:
		on_rule_change(r, nlh);
		break;
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		r->routes_known = false;
		r->fn(r->ctx, RTNL_CHANGE_ROUTE, 0);
		break;
	}
	return MNL_CB_OK;
}

/* ---- reading everything ---- */

/* Marked by the kernel: the table changed while it was read out. The mark is taken away, for libmnl
 * would stop there, and another question is refused until the answer to this one has been read. */
static bool take_mark(char *buf, ssize_t n)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)buf;
	bool marked = false;
	int left = (int)n;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		marked |= nlh->nlmsg_flags & NLM_F_DUMP_INTR;
		nlh->nlmsg_flags &= (uint16_t)~NLM_F_DUMP_INTR;
	}
	return marked;
}

static int ask_once(struct rtnl *r, struct nlmsghdr *nlh, mnl_cb_t cb, void *ctx)
{
	char buf[32768] __attribute__((aligned(8)));
	bool marked = false;
	ssize_t n;
	int ret;

	nlh->nlmsg_seq = ++r->seq;
	if (mnl_socket_sendto(r->ask, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(r->ask, buf, sizeof(buf));
		if (n < 0)
			return -errno;
		if ((size_t)n >= sizeof(*nlh) && ((struct nlmsghdr *)buf)->nlmsg_seq != r->seq) {
			ret = MNL_CB_OK; /* left over from an answer that was cut short */
			continue;
		}
		marked |= take_mark(buf, n);
		ret = mnl_cb_run(buf, (size_t)n, r->seq, mnl_socket_get_portid(r->ask), cb, ctx);
		if (ret < 0)
			return -errno;
	} while (ret != MNL_CB_STOP);
	return marked ? -EINTR : 0;
}

/* Of a table that changed while it was read out rows may be missing: it is read again. Rows that
 * have gone meanwhile stay for now; the following socket has the word of their end. */
int rtnl_ask(struct rtnl *r, struct nlmsghdr *nlh, mnl_cb_t cb, void *ctx)
{
	int err = -EINTR;

	for (int i = 0; err == -EINTR && i < ASK_TRIES; i++)
		err = ask_once(r, nlh, cb, ctx);
	return err;
}

static void quiet(void *ctx, enum rtnl_change what, uint32_t ifindex)
{
	(void)ctx;
	(void)what;
	(void)ifindex;
}

static int dump(struct rtnl *r, uint16_t type, uint8_t family)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtgenmsg *g;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	/* the longest of the headers these dumps take: strict checking wants it whole */
	g = mnl_nlmsg_put_extra_header(nlh, type == RTM_GETLINK	  ? sizeof(struct ifinfomsg)
					    : type == RTM_GETADDR ? sizeof(struct ifaddrmsg)
								  : sizeof(struct ndmsg));
	g->rtgen_family = family;
	return rtnl_ask(r, nlh, on_msg, r);
}

static int read_all(struct rtnl *r)
{
	rtnl_change_fn *fn = r->fn;
	int err;

	r->links.n = r->addrs.n = r->neighs.n = 0;
	r->fn = quiet;
	err = dump(r, RTM_GETLINK, AF_UNSPEC);
	if (!err)
		err = dump(r, RTM_GETADDR, AF_UNSPEC);
	if (!err)
		err = dump(r, RTM_GETNEIGH, AF_INET);
	if (!err)
		err = dump(r, RTM_GETNEIGH, AF_INET6);
	r->fn = fn;
	return err;
}

/* ---- life ---- */

int rtnl_new(rtnl_change_fn *fn, void *ctx, struct rtnl **ret_rtnl)
{
	struct rtnl *r = calloc(1, sizeof(*r));
	int size = FOLLOW_RCVBUF, err = -ENOMEM;

	if (!r)
		return err;
	r->fn = fn;
	r->ctx = ctx;
	r->links.row_octets = sizeof(struct rtnl_link);
	r->addrs.row_octets = sizeof(struct rtnl_addr_row);
	r->neighs.row_octets = sizeof(struct rtnl_neigh_row);
	r->routes.row_octets = sizeof(struct rtnl_route_row);
	r->follow = mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
	r->ask = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!r->follow || !r->ask)
		goto fail;
	setsockopt(mnl_socket_get_fd(r->follow), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	/* Follow first, read then: nothing falls between. */
	if (mnl_socket_bind(r->follow,
			    RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
				    RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE |
				    IPV6_RULES | NEXTHOPS,
			    MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_bind(r->ask, 0, MNL_SOCKET_AUTOPID) < 0)
		goto fail;
	err = read_all(r);
	if (err) {
		rtnl_free(r);
		return err;
	}
	*ret_rtnl = r;
	return 0;
fail:
	err = -errno;
	rtnl_free(r);
	return err;
}

void rtnl_free(struct rtnl *r)
{
	if (!r)
		return;
	if (r->follow)
		mnl_socket_close(r->follow);
	if (r->ask)
		mnl_socket_close(r->ask);
	free(r->links.rows);
	free(r->addrs.rows);
	free(r->neighs.rows);
	free(r->routes.rows);
	free(r);
}

int rtnl_fd(const struct rtnl *r)
{
	return mnl_socket_get_fd(r->follow);
}

/* What still waits is older than what is read now; applied after it, it would bring back what has
 * gone since. Where a flood leaves some, the word of the end of that follows. */
int rtnl_resync(struct rtnl *r)
{
	char buf[32768];
	int err;

	for (int i = 0; i < READS; i++) {
		if (mnl_socket_recvfrom(r->follow, buf, sizeof(buf)) >= 0 || errno == ENOBUFS ||
		    errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		break;
	}
	err = read_all(r);
	if (!err)
		r->fn(r->ctx, RTNL_CHANGE_LINK, 0);
	return err;
}

int rtnl_process(struct rtnl *r)
{
	char buf[32768];

	for (int i = 0; i < READS; i++) {
		ssize_t n = mnl_socket_recvfrom(r->follow, buf, sizeof(buf));

		if (n < 0 && errno == ENOBUFS) /* some changes were lost */
			return rtnl_resync(r);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		mnl_cb_run(buf, (size_t)n, 0, 0, on_msg, r);
	}
	return 0;
}

/* ---- questions ---- */

bool rtnl_link_by_name(const struct rtnl *r, const char *name, struct rtnl_link *ret_link)
{
	for (size_t i = 0; i < r->links.n; i++) {
		const struct rtnl_link *l = row_at(&r->links, i);

		if (!strcmp(l->name, name)) {
			*ret_link = *l;
			return true;
		}
	}
	return false;
}

bool rtnl_link_by_index(const struct rtnl *r, uint32_t ifindex, struct rtnl_link *ret_link)
{
	const struct rtnl_link *l = link_find(r, ifindex);

	if (l)
		*ret_link = *l;
	return l != NULL;
}

bool rtnl_link_at(const struct rtnl *r, size_t i, struct rtnl_link *ret_link)
{
	if (i >= r->links.n)
		return false;
	*ret_link = *(const struct rtnl_link *)row_at(&r->links, i);
	return true;
}

static bool is_among(const struct rtnl_addr *addrs, size_t n, const struct addr *a)
{
	for (size_t i = 0; i < n; i++)
		if (addr_equal(&addrs[i].addr, a))
			return true;
	return false;
}

size_t rtnl_addrs(const struct rtnl *r, uint32_t ifindex, struct rtnl_addr *ret_addrs, size_t max)
{
	size_t n = 0;

	for (unsigned rank = 0; rank < RTNL_ADDR_RANKS; rank++) {
		for (size_t i = 0; i < r->addrs.n && n < max; i++) {
			const struct rtnl_addr_row *row = row_at(&r->addrs, i);

			if (row->ifindex == ifindex && row->usable && row->rank == rank &&
			    !is_among(ret_addrs, n, &row->addr))
				ret_addrs[n++] = (struct rtnl_addr){ row->addr, row->rank };
		}
	}
	return n;
}

bool rtnl_addr_in_range(const struct rtnl *r, const struct addr *first, const struct addr *last,
			uint32_t except_ifindex, struct addr *ret_addr)
{
	const struct rtnl_addr_row *best = NULL;

	for (size_t i = 0; i < r->addrs.n; i++) {
		const struct rtnl_addr_row *row = row_at(&r->addrs, i);

		if (row->usable && row->ifindex != except_ifindex &&
		    row->addr.family == first->family && addr_cmp(&row->addr, first) >= 0 &&
		    addr_cmp(&row->addr, last) <= 0 && (!best || row->rank < best->rank))
			best = row;
	}
	if (best)
		*ret_addr = best->addr;
	return best != NULL;
}

bool rtnl_neigh(const struct rtnl *r, uint32_t ifindex, const struct addr *a, uint8_t ret_mac[6])
{
	const struct rtnl_neigh_row *row = neigh_find(r, ifindex, a);

	if (row)
		memcpy(ret_mac, row->mac, 6);
	return row != NULL;
}
