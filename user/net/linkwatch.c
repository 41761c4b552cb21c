/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "net/linkwatch.h"

enum { READS = 16, LINKWATCH_BUF = 16384, DUMPS = 3 };

/* One datagram of news, and one of an answer. */
static _Alignas(struct nlmsghdr) char buf[LINKWATCH_BUF], answer[LINKWATCH_BUF];

static int open_socket(uint32_t groups, int *ret_fd)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE), r;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int linkwatch_open(struct linkwatch *ret_watch)
{
	struct linkwatch w;
	int r = open_socket(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR, &w.fd);

	if (r < 0)
		return r;
	r = open_socket(0, &w.ask_fd);
	if (r < 0) {
		close(w.fd);
		return r;
	}
	*ret_watch = w;
	return 0;
}

void linkwatch_close(struct linkwatch *w)
{
	close(w->fd);
	close(w->ask_fd);
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

static bool addr_of(const struct nlmsghdr *h, uint32_t *ret_ifindex, struct addr *ret_addr)
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

/* One datagram of the kernel's; its length, 0: of somebody else, or -errno. */
static int receive(int fd, char to[LINKWATCH_BUF])
{
	struct sockaddr_nl from = { 0 };
	socklen_t from_len = sizeof(from);
	ssize_t r = recvfrom(fd, to, LINKWATCH_BUF, 0, (struct sockaddr *)&from, &from_len);

	if (r < 0)
		return -errno;
	return from.nl_pid == 0 ? (int)r : 0;
}

/* ---- what is there ---- */

static int cmp(const void *a, const void *b)
{
	const struct linkwatch_item *x = a, *y = b;

	if (x->ifindex != y->ifindex)
		return x->ifindex < y->ifindex ? -1 : 1;
	return addr_cmp(&x->local, &y->local);
}

static void sort(struct linkwatch_here *here)
{
	if (here->n)
		qsort(here->item, here->n, sizeof(*here->item), cmp);
}

static int add(struct linkwatch_here *here, size_t *room, uint32_t ifindex, const struct addr *a)
{
	if (here->n == *room) {
		size_t more = *room ? *room * 2 : 64;
		struct linkwatch_item *p = reallocarray(here->item, more, sizeof(*p));

		if (!p)
			return -ENOMEM;
		here->item = p;
		*room = more;
	}
	here->item[here->n++] = (struct linkwatch_item){ ifindex, *a };
	return 0;
}

/* Add what one message of a dump says. */
static int on_dumped(struct linkwatch_here *here, size_t *room, const struct nlmsghdr *h)
{
	struct addr a = { 0 };
	uint32_t ifindex;

	if (h->nlmsg_flags & NLM_F_DUMP_INTR)
		return -EAGAIN;
	if (h->nlmsg_type == NLMSG_ERROR)
		return -EIO;
	if (h->nlmsg_type == RTM_NEWLINK && !link_lost(h, &ifindex))
		return add(here, room, ifindex, &a);
	if (h->nlmsg_type == RTM_NEWADDR && addr_of(h, &ifindex, &a)) {
		int r = add(here, room, ifindex, &a);

		return r ? r : add(here, room, 0, &a);
	}
	return 0;
}

/* To its end even if it failed: before, there is no other one. */
static int dump(struct linkwatch *w, uint16_t type, struct linkwatch_here *here, size_t *room)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i; /* longer than ifaddrmsg, and the family comes first in both */
	} req = {
		.h = { .nlmsg_len = sizeof(req),
		       .nlmsg_type = type,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	bool end = false;
	int ret = 0;

	if (sendto(w->ask_fd, &req, sizeof(req), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	/* the kernel has the next part ready when one was read */
	while (!end) {
		int len = receive(w->ask_fd, answer);

		if (len < 0)
			return len;
		for (const struct nlmsghdr *h = (const void *)answer; mnl_nlmsg_ok(h, len);
		     h = mnl_nlmsg_next(h, &len)) {
			int r = on_dumped(here, room, h);

			ret = ret ? ret : r;
			end |= h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR;
		}
	}
	return ret;
}

int linkwatch_look(struct linkwatch *w, struct linkwatch_here *ret_here)
{
	struct linkwatch_here here;
	int r = -EAGAIN;

	for (int n = 0; n < DUMPS && r == -EAGAIN; n++) {
		size_t room = 0;

		here = (struct linkwatch_here){ 0 };
		r = dump(w, RTM_GETLINK, &here, &room);
		if (r == 0)
			r = dump(w, RTM_GETADDR, &here, &room);
		if (r < 0)
			free(here.item);
	}
	if (r < 0)
		return r;
	sort(&here);
	*ret_here = here;
	return 0;
}

void linkwatch_here_clear(struct linkwatch_here *here)
{
	free(here->item);
	*here = (struct linkwatch_here){ 0 };
}

static bool listed(const struct linkwatch_here *here, uint32_t ifindex, const struct addr *a)
{
	struct linkwatch_item key = { ifindex, *a };

	return here->n && bsearch(&key, here->item, here->n, sizeof(key), cmp);
}

bool linkwatch_is_here(const struct linkwatch_here *here, uint32_t ifindex,
		       const struct addr *local)
{
	static const struct addr none;

	return listed(here, ifindex, &none) && listed(here, 0, local);
}

/* ---- what is lost ---- */

struct removed {
	struct linkwatch_item item[READS];
	unsigned n;
	void (*lost)(void *ctx, uint32_t ifindex, const struct addr *local);
	void *ctx;
};

/* An interface may have an address twice, with two prefixes: what was removed may be there still.
 * Looked at after the word of it has come, when an address that is gone is no more listed. */
static void believe(struct linkwatch *w, struct removed *r)
{
	struct linkwatch_here now = { 0 };
	size_t room = 0;
	bool known;

	if (!r->n)
		return;
	known = dump(w, RTM_GETADDR, &now, &room) == 0;
	sort(&now);
	for (unsigned i = 0; i < r->n; i++) {
		const struct linkwatch_item *it = &r->item[i];

		if (!known || !listed(&now, it->ifindex, &it->local))
			r->lost(r->ctx, it->ifindex, &it->local);
	}
	r->n = 0;
	linkwatch_here_clear(&now);
}

int linkwatch_read(struct linkwatch *w,
		   void (*lost)(void *ctx, uint32_t ifindex, const struct addr *local), void *ctx)
{
	struct removed removed = { .lost = lost, .ctx = ctx };
	bool overrun = false;

	/* After an overrun the kernel queues nothing, and does not say so again, before the queue
	 * is empty: it has to be emptied, which has therefore an end. */
	for (int n = 0; n < READS || overrun; n++) {
		int len = receive(w->fd, buf);

		if (len < 0 && len != -ENOBUFS)
			break;
		overrun |= len == -ENOBUFS;
		for (const struct nlmsghdr *h = (const void *)buf; mnl_nlmsg_ok(h, len);
		     h = mnl_nlmsg_next(h, &len)) {
			struct linkwatch_item it;

			if ((h->nlmsg_type == RTM_DELLINK || h->nlmsg_type == RTM_NEWLINK) &&
			    link_lost(h, &it.ifindex))
				lost(ctx, it.ifindex, NULL);
			else if (h->nlmsg_type == RTM_DELADDR && addr_of(h, &it.ifindex, &it.local))
				removed.item[removed.n++] = it;
			if (removed.n == READS)
				believe(w, &removed);
		}
	}
	believe(w, &removed);
	return overrun ? -ENOBUFS : 0;
}
