/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel says of an interface, in a namespace of its own. */
#include <net/if.h>
#include <poll.h>
#include <string.h>
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
static void look(int fd)
{
	memset(&seen, 0, sizeof(seen));
	linkwatch_read(fd, lost, NULL);
}

Test(linkwatch, what_is_lost_and_nothing_else)
{
	struct addr v4 = addr_v4(0xc0000202), v6;
	int fd;

	ns_enter();
	fd = linkwatch_open();
	cr_assert_geq(fd, 0);
	ip("link add d0 type veth peer name p0");
	ip("link set p0 up");
	index_of = if_nametoindex("d0");
	ip("link set d0 up");
	look(fd); /* it was not up before */
	ip("addr add 192.0.2.2/24 dev d0");
	ip("addr add 2001:db8::2/64 dev d0 nodad");
	look(fd);
	cr_assert_eq(seen.links + seen.addrs, 0);
	ip("addr del 192.0.2.2/24 dev d0");
	look(fd);
	cr_assert_eq(seen.addrs, 1);
	cr_assert_eq(seen.links, 0);
	cr_assert(addr_equal(&seen.addr, &v4));
	cr_assert_eq(addr_parse("2001:db8::2", &v6), 0);
	ip("addr del 2001:db8::2/64 dev d0");
	look(fd);
	cr_assert_eq(seen.addrs, 1);
	cr_assert(addr_equal(&seen.addr, &v6));
	ip("link set d0 mtu 1400");
	look(fd);
	cr_assert_eq(seen.links + seen.addrs, 0);
	ip("link set d0 down");
	look(fd);
	cr_assert_geq(seen.links, 1);
	ip("link set d0 up");
	look(fd);
	ip("link set p0 down"); /* the carrier */
	look(fd);
	cr_assert_geq(seen.links, 1);
	ip("link set p0 up");
	look(fd);
	ip("link del d0");
	look(fd);
	cr_assert_geq(seen.links, 1);
	look(fd);
	cr_assert_eq(seen.links + seen.addrs, 0);
	close(fd);
}

/* A bridge that loses a port says RTM_DELLINK of the port, too. */
Test(linkwatch, a_port_that_leaves_its_bridge_is_still_there)
{
	int fd;

	ns_enter();
	ip("link add b0 type bridge");
	ip("link add d0 type veth peer name p0");
	ip("link set p0 up");
	ip("link set d0 up master b0");
	fd = linkwatch_open();
	cr_assert_geq(fd, 0);
	index_of = if_nametoindex("d0");
	ip("link set d0 nomaster");
	look(fd);
	cr_assert_eq(seen.links, 0);
	close(fd);
}
