/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel says of an interface, in a namespace of its own. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../lib/ns.h"
#include "net/linkwatch.h"

static struct {
	unsigned links, addrs;
	struct addr addr;
} seen;

static uint32_t index_of; /* the interface that matters: a veth has two ends */

static void lost(void *ctx, uint32_t ifindex, const struct addr *local)
{
	(void)ctx;
	if (ifindex != index_of)
		return;
	if (local)
		seen.addr = *local;
	seen.links += !local;
	seen.addrs += local != NULL;
}

/* The messages are there when ip(8) has ended. */
static void look(struct linkwatch *w)
{
	memset(&seen, 0, sizeof(seen));
	cr_assert_eq(linkwatch_read(w, lost, NULL), 0);
}

/* The kernel tells of a carrier from a worker: sooner or later. */
static void look_for_carrier_loss(struct linkwatch *w)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN };

	do {
		cr_assert_eq(poll(&p, 1, 10 * 1000), 1, "the carrier's loss is not told");
		look(w);
	} while (!seen.links);
}

Test(linkwatch, what_is_lost_and_nothing_else)
{
	struct addr v4 = addr_v4(0xc0000202), v6;
	struct linkwatch w;

	ns_enter();
	cr_assert_eq(linkwatch_open(&w), 0);
	ip("link add d0 type veth peer name p0");
	ip("link set p0 up");
	index_of = if_nametoindex("d0");
	ip("link set d0 up");
	look(&w); /* it was not up before */
	ip("addr add 192.0.2.2/24 dev d0");
	ip("addr add 2001:db8::2/64 dev d0 nodad");
	look(&w);
	cr_assert_eq(seen.links + seen.addrs, 0);
	ip("addr del 192.0.2.2/24 dev d0");
	look(&w);
	cr_assert_eq(seen.addrs, 1);
	cr_assert_eq(seen.links, 0);
	cr_assert(addr_equal(&seen.addr, &v4));
	cr_assert_eq(addr_parse("2001:db8::2", &v6), 0);
	ip("addr del 2001:db8::2/64 dev d0");
	look(&w);
	cr_assert_eq(seen.addrs, 1);
	cr_assert(addr_equal(&seen.addr, &v6));
	ip("link set d0 mtu 1400");
	look(&w);
	cr_assert_eq(seen.links + seen.addrs, 0);
	ip("link set d0 down");
	look(&w);
	cr_assert_geq(seen.links, 1);
	ip("link set d0 up");
	look(&w);
	ip("link set p0 down"); /* the carrier */
	look_for_carrier_loss(&w);
	ip("link set p0 up");
	look(&w);
	ip("link del d0");
	look(&w);
	cr_assert_geq(seen.links, 1);
	look(&w);
	cr_assert_eq(seen.links + seen.addrs, 0);
	linkwatch_close(&w);
}

/* An address with two prefixes is there until the second is removed, and whatever another interface
 * has. */
Test(linkwatch, an_address_is_lost_with_its_last_prefix)
{
	static const char *const twice[][2] = {
		{ "192.0.2.2/24", "192.0.2.2/26" },
		{ "192.0.2.2/26", "192.0.2.2/24" },
	};
	struct linkwatch w;

	ns_enter();
	cr_assert_eq(linkwatch_open(&w), 0);
	ip("link add d0 type veth peer name p0");
	ip("link set p0 up");
	ip("link set d0 up");
	index_of = if_nametoindex("d0");
	ip("addr add 192.0.2.2/26 dev p0");
	for (int i = 0; i < 2; i++) {
		ip("addr add 192.0.2.2/24 dev d0");
		ip("addr add 192.0.2.2/26 dev d0");
		look(&w);
		ip("addr del %s dev d0", twice[i][0]);
		look(&w);
		cr_assert_eq(seen.addrs, 0, "%s is there", twice[i][1]);
		ip("addr del %s dev d0", twice[i][1]);
		look(&w);
		cr_assert_eq(seen.addrs, 1);
	}
	linkwatch_close(&w);
}

/* More at once than are remembered. */
Test(linkwatch, all_lost_addresses_are_told)
{
	struct linkwatch w;
	unsigned n = 0;

	ns_enter();
	ip("link add d0 type veth peer name p0");
	index_of = if_nametoindex("d0");
	for (int i = 1; i <= 40; i++)
		ip("addr add 192.0.2.%d/32 dev d0", i);
	cr_assert_eq(linkwatch_open(&w), 0);
	ip("addr flush dev d0");
	do {
		look(&w);
		n += seen.addrs;
	} while (seen.addrs);
	cr_assert_eq(n, 40);
	linkwatch_close(&w);
}

/* The kernel closes an interface, and says so, before it forgets it: nobody who looks for it, and
 * be it a steering program, can miss it sooner than those who listen. */
Test(linkwatch, closed_before_it_is_removed)
{
	static const uint16_t types[] = { RTM_NEWLINK, RTM_DELLINK };
	_Alignas(struct nlmsghdr) char buf[16384];
	const struct nlmsghdr *h = (const void *)buf;
	const struct ifinfomsg *info = NLMSG_DATA(h);
	struct linkwatch w;

	ns_enter();
	ip("link add d0 type veth peer name p0");
	ip("link set p0 up");
	ip("link set d0 up");
	index_of = if_nametoindex("d0");
	cr_assert_eq(linkwatch_open(&w), 0);
	ip("link del d0");
	for (int i = 0; i < 2; i++) {
		do
			cr_assert_gt(recv(w.fd, buf, sizeof(buf), 0), 0, "message %d", i);
		/* that it came up may be told late */
		while ((uint32_t)info->ifi_index != index_of ||
		       (h->nlmsg_type != types[i] && h->nlmsg_type != types[1]) ||
		       (h->nlmsg_type == RTM_NEWLINK && info->ifi_flags & IFF_UP));
		cr_assert_eq(h->nlmsg_type, types[i]);
		cr_assert_not(info->ifi_flags & IFF_UP);
	}
	linkwatch_close(&w);
}

/* A bridge that loses a port says RTM_DELLINK of the port, too. */
Test(linkwatch, a_port_that_leaves_its_bridge_is_still_there)
{
	struct linkwatch w;

	ns_enter();
	ip("link add b0 type bridge");
	ip("link add d0 type veth peer name p0");
	ip("link set p0 up");
	ip("link set d0 up master b0");
	cr_assert_eq(linkwatch_open(&w), 0);
	index_of = if_nametoindex("d0");
	ip("link set d0 nomaster");
	look(&w);
	cr_assert_eq(seen.links, 0);
	linkwatch_close(&w);
}

/* ---- messages that the kernel could not queue ---- */

/* More of them than it has room for: what follows is not told. */
static void overrun(struct linkwatch *w)
{
	int room = 32768;
	FILE *f;

	cr_assert_eq(setsockopt(w->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
	f = popen("PATH=$PATH:/usr/sbin:/sbin ip -batch -", "w");
	cr_assert(f);
	for (int i = 0; i < 500; i++)
		fprintf(f, "link set noise mtu %d\n", 1400 + i % 2);
	cr_assert_eq(pclose(f), 0);
}

static bool is_here(const struct linkwatch_here *here, const char *link, const char *local)
{
	struct addr a;

	cr_assert_eq(addr_parse(local, &a), 0);
	return linkwatch_is_here(here, if_nametoindex(link), &a);
}

Test(linkwatch, what_is_lost_in_an_overrun_is_found)
{
	struct linkwatch_here here;
	struct linkwatch w;
	uint32_t gone;

	ns_enter();
	ip("link add noise type veth peer name silence");
	for (int i = 0; i < 3; i++) {
		ip("link add d%d type veth peer name p%d", i, i);
		ip("link set p%d up", i);
		ip("link set d%d up", i);
		ip("addr add 192.0.2.%d/32 dev d%d", i + 1, i);
	}
	ip("addr add 2001:db8::2/64 dev d0 nodad");
	cr_assert_eq(linkwatch_open(&w), 0);
	index_of = if_nametoindex("d0");
	gone = if_nametoindex("d2");
	overrun(&w);
	ip("addr del 192.0.2.1/32 dev d0");
	ip("link set d1 down");
	ip("link del d2");
	memset(&seen, 0, sizeof(seen));
	cr_assert_eq(linkwatch_read(&w, lost, NULL), -ENOBUFS);
	cr_assert_eq(seen.links + seen.addrs, 0, "there was room for it");
	cr_assert_eq(linkwatch_look(&w, &here), 0);
	cr_assert(is_here(&here, "d0", "2001:db8::2"));
	cr_assert(is_here(&here, "d0", "192.0.2.2"), "d1's, which is received for");
	cr_assert_not(is_here(&here, "d0", "192.0.2.1"));
	cr_assert_not(is_here(&here, "d1", "192.0.2.2"));
	cr_assert_not(linkwatch_is_here(&here, gone, &(struct addr){ 0 }));
	linkwatch_here_clear(&here);
	cr_assert_null(here.item);
	/* said once, and what comes now is told again */
	ip("addr del 2001:db8::2/64 dev d0");
	look(&w);
	cr_assert_eq(seen.addrs, 1);
	linkwatch_close(&w);
}

/* More than one part of an answer, and more than one array's worth. */
Test(linkwatch, all_addresses_are_looked_at)
{
	struct linkwatch_here here;
	struct linkwatch w;
	FILE *f;

	ns_enter();
	ip("link add d0 type veth peer name p0");
	ip("link set p0 up");
	ip("link set d0 up");
	f = popen("PATH=$PATH:/usr/sbin:/sbin ip -batch -", "w");
	cr_assert(f);
	for (int i = 1; i <= 1000; i++)
		fprintf(f, "addr add 198.51.%d.%d/32 dev d0\n", 100 + i / 250, i % 250);
	cr_assert_eq(pclose(f), 0);
	cr_assert_eq(linkwatch_open(&w), 0);
	cr_assert_eq(linkwatch_look(&w, &here), 0);
	cr_assert_geq(here.n, 1001);
	cr_assert(is_here(&here, "d0", "198.51.100.1"));
	cr_assert(is_here(&here, "d0", "198.51.103.249"));
	cr_assert_not(is_here(&here, "d0", "198.51.104.1"));
	linkwatch_here_clear(&here);
	linkwatch_close(&w);
}
