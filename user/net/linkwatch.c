/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "net/linkwatch.h"

enum { READS = 16, LINKWATCH_BUF = 16384 };

int linkwatch_open(void)
{
	struct sockaddr_nl sa = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE), r;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

static bool link_lost(const struct nlmsghdr *h, uint32_t *ret_ifindex)
{
	const struct ifinfomsg *i = mnl_nlmsg_get_payload(h);

	/* a bridge that loses a port says the same of its family */
	if (mnl_nlmsg_get_payload_len(h) < sizeof(*i) || i->ifi_family != AF_UNSPEC)
		return false;
	*ret_ifindex = (uint32_t)i->ifi_index;
	return h->nlmsg_type == RTM_DELLINK || !(i->ifi_flags & IFF_UP) ||
	       !(i->ifi_flags & IFF_LOWER_UP);
}

static bool addr_lost(const struct nlmsghdr *h, uint32_t *ret_ifindex, struct addr *ret_addr)
{
	const struct ifaddrmsg *i = mnl_nlmsg_get_payload(h);
	const struct nlattr *attr, *found = NULL;
	uint8_t family;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*i))
		return false;
	family = i->ifa_family == AF_INET ? 4 : i->ifa_family == AF_INET6 ? 6 : 0;
	/* with IPv4 the address is the peer's where there is one, and the local one is ours */
	mnl_attr_for_each(attr, h, sizeof(*i))
	{
		if (mnl_attr_get_type(attr) == IFA_LOCAL ||
		    (mnl_attr_get_type(attr) == IFA_ADDRESS && !found))
			found = attr;
	}
	if (!family || !found || mnl_attr_get_payload_len(found) != (family == 4 ? 4 : 16))
		return false;
	*ret_ifindex = i->ifa_index;
	*ret_addr = addr_from_bytes(family, mnl_attr_get_payload(found));
	return true;
}

void linkwatch_read(int fd, void (*lost)(void *ctx, uint32_t ifindex, const struct addr *local),
		    void *ctx)
{
	static _Alignas(struct nlmsghdr) char buf[LINKWATCH_BUF];

	for (int n = 0; n < READS; n++) {
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		ssize_t r = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &from_len);
		int len = (int)r;

		if (r < 0 && errno == ENOBUFS)
			continue; /* silence will tell */
		if (r <= 0)
			return;
		if (from.nl_pid != 0)
			continue; /* not the kernel */
		for (const struct nlmsghdr *h = (const void *)buf; mnl_nlmsg_ok(h, len);
		     h = mnl_nlmsg_next(h, &len)) {
			uint32_t ifindex;
			struct addr a;

			if ((h->nlmsg_type == RTM_DELLINK || h->nlmsg_type == RTM_NEWLINK) &&
			    link_lost(h, &ifindex))
				lost(ctx, ifindex, NULL);
			else if (h->nlmsg_type == RTM_DELADDR && addr_lost(h, &ifindex, &a))
				lost(ctx, ifindex, &a);
		}
	}
}
