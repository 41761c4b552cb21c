/* SPDX-License-Identifier: GPL-2.0-only */
/* net/rtnl and its commands against the kernel: every change is told and the tables follow it. */
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "../lib/ns.h"
#include "net/rtnl.h"

static struct rtnl *r;

/* What was told, by kind and of which interface; [0] is "anything". */
enum { IFS = 64 };
static unsigned told[6][IFS];

static char noisy[IFNAMSIZ]; /* changes whenever a change is told */

static void change_mtu(void)
{
	static unsigned n;
	struct ifreq req = { .ifr_mtu = 1400 + (int)(n++ % 2) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strcpy(req.ifr_name, noisy);
	cr_assert_eq(ioctl(fd, SIOCSIFMTU, &req), 0);
	close(fd);
}

static void on_change(void *ctx, enum rtnl_change what, uint32_t ifindex)
{
	cr_assert_eq(ctx, told);
	cr_assert_lt(ifindex, IFS);
	told[what][ifindex]++;
	if (noisy[0])
		change_mtu();
}

static void setup(void)
{
	ns_enter();
	ip("link set lo up");
	cr_assert_eq(rtnl_new(on_change, told, &r), 0);
}

static void teardown(void)
{
	rtnl_free(r);
}

TestSuite(rtnl, .init = setup, .fini = teardown, .timeout = 60);

/* Until that has been told, then all that is there. */
static void until(enum rtnl_change what, uint32_t ifindex)
{
	struct pollfd p = { .fd = rtnl_fd(r), .events = POLLIN };

	for (int i = 0; i < 50 && !told[what][ifindex]; i++) {
		poll(&p, 1, 100);
		cr_assert_eq(rtnl_process(r), 0);
	}
	cr_assert(told[what][ifindex], "change %d of interface %u was not told", what, ifindex);
}

static void forget(void)
{
	cr_assert_eq(rtnl_process(r), 0);
	memset(told, 0, sizeof(told));
}

static struct addr of(const char *text)
{
	struct addr a = { 0 };

	cr_assert_eq(addr_parse(text, &a), 0);
	return a;
}

static struct rtnl_link link_of(const char *name)
{
	struct rtnl_link l = { 0 };

	cr_assert(rtnl_link_by_name(r, name, &l), "no link %s", name);
	return l;
}

/* An interface whose cable ends in another one here; both up. */
static uint32_t cable(const char *name)
{
	ip("link add %s type veth peer name far-%s", name, name);
	/* no addresses of their own, which would come at any time */
	ip("link set far-%s addrgenmode none", name);
	ip("link set %s addrgenmode none", name);
	ip("link set far-%s up", name);
	ip("link set %s up", name);
	for (int i = 0; i < 50; i++) {
		struct pollfd p = { .fd = rtnl_fd(r), .events = POLLIN };
		struct rtnl_link l;

		if (rtnl_link_by_name(r, name, &l) && l.up)
			break;
		poll(&p, 1, 100);
		rtnl_process(r);
	}
	forget();
	return link_of(name).ifindex;
}

static bool is_among(const struct rtnl_addr *got, size_t n, const char *text)
{
	struct addr a = of(text);

	for (size_t i = 0; i < n; i++)
		if (addr_equal(&got[i].addr, &a))
			return true;
	return false;
}

/* The usable addresses of an interface are exactly these, at once or soon: IPv6 ones become usable
 * by work that the kernel puts off. */
static void has(uint32_t ifindex, const char *a, const char *b)
{
	struct pollfd p = { .fd = rtnl_fd(r), .events = POLLIN };
	size_t want = (a != NULL) + (b != NULL), n;
	struct rtnl_addr got[8];

	for (int i = 0; i < 50; i++) {
		n = rtnl_addrs(r, ifindex, got, 8);
		if (n == want && (!a || is_among(got, n, a)) && (!b || is_among(got, n, b)))
			return;
		poll(&p, 1, 100);
		cr_assert_eq(rtnl_process(r), 0);
	}
	cr_assert_fail("%zu usable addresses, not %zu as expected", n, want);
}

Test(rtnl, link_comes_changes_its_name_and_goes)
{
	struct rtnl_link l;

	ip("link add wlan0 address 02:00:00:00:00:07 mtu 1400 type veth peer name far");
	cr_assert_not(rtnl_link_by_name(r, "wlan0", &l), "known before it was told");
	struct pollfd p = { .fd = rtnl_fd(r), .events = POLLIN };
	cr_assert_eq(poll(&p, 1, 5000), 1);
	cr_assert_eq(rtnl_process(r), 0);
	l = link_of("wlan0");
	cr_assert_gt(told[RTNL_CHANGE_LINK][l.ifindex], 0);
	cr_assert_not(l.up);
	cr_assert_eq(l.mtu, 1400);
	cr_assert(l.has_mac);
	cr_assert_arr_eq(l.mac, "\2\0\0\0\0\7", 6);
	cr_assert_not(link_of("lo").has_mac);
	ip("link set far up");
	forget();

	ip("link set wlan0 up mtu 1300");
	until(RTNL_CHANGE_LINK, l.ifindex);
	l = link_of("wlan0");
	cr_assert(l.up);
	cr_assert_eq(l.mtu, 1300);

	ip("link set wlan0 down");
	forget();
	cr_assert_not(link_of("wlan0").up);
	ip("link set wlan0 name ran0");
	until(RTNL_CHANGE_LINK, l.ifindex);
	cr_assert_eq(link_of("ran0").ifindex, l.ifindex);
	cr_assert_not(rtnl_link_by_name(r, "wlan0", &l), "the old name is still known");
	forget();

	l = link_of("ran0");
	ip("link del ran0");
	until(RTNL_CHANGE_LINK, l.ifindex);
	cr_assert_not(rtnl_link_by_index(r, l.ifindex, &l));
	cr_assert_not(rtnl_link_by_name(r, "ran0", &l));
}

/* A shorter name must not keep the end of the longer one. */
Test(rtnl, longest_name_and_a_shorter_one)
{
	struct rtnl_link l;

	ip("link add abcdefghijklmno type veth peer name far");
	forget();
	l = link_of("abcdefghijklmno");
	ip("link set abcdefghijklmno name x");
	until(RTNL_CHANGE_LINK, l.ifindex);
	cr_assert_str_eq(link_of("x").name, "x");
}

/* What tells of its kind, and what it belongs to. */
Test(rtnl, links_upon_links)
{
	struct rtnl_link l;
	size_t n = 0;

	ip("link add wlan0 type veth peer name far");
	ip("link add v7 link wlan0 type macvlan");
	ip("link add br0 type bridge");
	ip("link set far master br0");
	forget();
	cr_assert_str_eq(link_of("v7").kind, "macvlan");
	cr_assert_eq(link_of("v7").lower, link_of("wlan0").ifindex);
	cr_assert_str_eq(link_of("br0").kind, "bridge");
	cr_assert(link_of("far").port && !link_of("wlan0").port && !link_of("br0").port);
	cr_assert_eq(link_of("lo").type, ARPHRD_LOOPBACK);
	cr_assert_eq(link_of("wlan0").type, ARPHRD_ETHER);
	ip("link set far nomaster");
	forget();
	cr_assert_not(link_of("far").port);
	while (rtnl_link_at(r, n, &l))
		n++;
	cr_assert_eq(n, 5);
}

/* The carrier counts, not only the administrator's word. */
Test(rtnl, carrier)
{
	struct rtnl_link near, far;

	ip("link add near type veth peer name far");
	ip("link set near up");
	forget();
	near = link_of("near");
	far = link_of("far");
	cr_assert_not(near.up, "up without a carrier");
	ip("link set far up");
	until(RTNL_CHANGE_LINK, near.ifindex);
	cr_assert(link_of("near").up);
	forget();
	ip("link set near address 02:00:00:00:00:0b");
	until(RTNL_CHANGE_LINK, near.ifindex);
	cr_assert_arr_eq(link_of("near").mac, "\2\0\0\0\0\x0b", 6);
	forget();
	ip("link set far down");
	until(RTNL_CHANGE_LINK, near.ifindex);
	cr_assert_not(link_of("near").up);
	ip("link del near");
	forget();
	cr_assert_not(rtnl_link_by_index(r, near.ifindex, &near));
	cr_assert_not(rtnl_link_by_index(r, far.ifindex, &far));
}

Test(rtnl, addresses_come_and_go)
{
	uint32_t i = cable("wlan0");

	ip("addr add fe80::5/64 dev wlan0 nodad");
	until(RTNL_CHANGE_ADDR, i);
	forget();
	has(i, NULL, NULL); /* a link-local one is there and not for use */
	ip("addr add 192.0.2.2/24 dev wlan0");
	until(RTNL_CHANGE_ADDR, i);
	has(i, "192.0.2.2", NULL);
	forget();
	ip("addr add 2001:db8::2/64 dev wlan0 nodad");
	until(RTNL_CHANGE_ADDR, i);
	has(i, "192.0.2.2", "2001:db8::2");
	has(link_of("lo").ifindex, NULL, NULL);
	forget();
	ip("addr del 192.0.2.2/24 dev wlan0");
	until(RTNL_CHANGE_ADDR, i);
	has(i, "2001:db8::2", NULL);
	forget();
	ip("link del wlan0");
	until(RTNL_CHANGE_ADDR, i);
	has(i, NULL, NULL);
}

/* On a point-to-point link the local address is the one of this host. */
Test(rtnl, address_with_a_peer)
{
	uint32_t i = cable("ppp0");

	ip("addr add 192.0.2.2 peer 192.0.2.9/32 dev ppp0");
	until(RTNL_CHANGE_ADDR, i);
	has(i, "192.0.2.2", NULL);
}

/* Its prefix changes, or its peer: the new one comes, then the old one goes, and it was there all
 * the time. */
Test(rtnl, address_with_another_prefix)
{
	static const char *const old[] = { "192.0.2.2/26", "192.0.2.2/32",
					   "192.0.2.2 peer 192.0.2.9/32" };
	static const char *const new[] = { "192.0.2.2/32", "192.0.2.2 peer 192.0.2.9/32",
					   "192.0.2.2/26" };
	uint32_t i = cable("wlan0");

	ip("addr add %s dev wlan0", old[0]);
	has(i, "192.0.2.2", NULL);
	for (int k = 0; k < 3; k++) {
		ip("addr add %s dev wlan0", new[k]);
		forget();
		has(i, "192.0.2.2", NULL);
		ip("addr del %s dev wlan0", old[k]);
		until(RTNL_CHANGE_ADDR, i);
		has(i, "192.0.2.2", NULL);
		forget();
	}
	ip("addr del %s dev wlan0", new[2]);
	until(RTNL_CHANGE_ADDR, i);
	has(i, NULL, NULL);
}

/* A renewed lease moves nothing and is not told; a deprecated address is for what uses it. */
Test(rtnl, lifetimes)
{
	uint32_t i = cable("wlan0");
	struct rtnl_addr got[3];

	ip("addr add 2001:db8::2/64 dev wlan0 nodad valid_lft 1000 preferred_lft 900");
	ip("addr add 192.0.2.2/24 dev wlan0 valid_lft 1000 preferred_lft 900");
	has(i, "192.0.2.2", "2001:db8::2");
	forget();
	ip("addr change 2001:db8::2/64 dev wlan0 valid_lft 2000 preferred_lft 1900");
	ip("addr change 192.0.2.2/24 dev wlan0 valid_lft 2000 preferred_lft 1900");
	ip("link set wlan0 mtu 1400"); /* what is told next */
	until(RTNL_CHANGE_LINK, i);
	cr_assert_eq(told[RTNL_CHANGE_ADDR][i], 0, "a renewal was told");
	has(i, "192.0.2.2", "2001:db8::2");
	ip("addr add 192.0.2.3/24 dev wlan0"); /* a secondary one, which is no temporary one */
	until(RTNL_CHANGE_ADDR, i);
	cr_assert_eq(rtnl_addrs(r, i, got, 3), 3);
	cr_assert(got[0].rank == RTNL_ADDR_STABLE && got[2].rank == RTNL_ADDR_STABLE);
	ip("addr del 192.0.2.3/24 dev wlan0");
	forget();
	ip("addr change 2001:db8::2/64 dev wlan0 valid_lft 1000 preferred_lft 0");
	until(RTNL_CHANGE_ADDR, i);
	cr_assert_eq(rtnl_addrs(r, i, got, 2), 2);
	cr_assert_eq(got[0].rank, RTNL_ADDR_STABLE);
	cr_assert_eq(got[1].rank, RTNL_ADDR_DEPRECATED);
	forget();
	ip("addr change 2001:db8::2/64 dev wlan0 valid_lft 1000 preferred_lft 500");
	until(RTNL_CHANGE_ADDR, i);
	cr_assert_eq(rtnl_addrs(r, i, got, 2), 2);
	cr_assert_eq(got[1].rank, RTNL_ADDR_STABLE, "a router announces the prefix again");
}

/* Until nobody else claims an address it is not for use, and if somebody does it never is. */
Test(rtnl, duplicate_detection)
{
	uint32_t i = cable("wlan0");

	ip("link set wlan0 down");
	ip("addr add 2001:db8::5/64 dev wlan0");
	ip("addr show dev wlan0 tentative | grep -q 2001:db8::5");
	forget();
	has(i, NULL, NULL);
	ip("link set wlan0 up");
	has(i, "2001:db8::5", NULL);
	/* the other end of the cable has that one */
	ip("addr add 2001:db8::6/64 dev far-wlan0 nodad");
	ip("addr add 2001:db8::6/64 dev wlan0");
	ip("addr add 2001:db8::7/64 dev wlan0");
	has(i, "2001:db8::5", "2001:db8::7");
	ip("addr show dev wlan0 dadfailed | grep -q 2001:db8::6");
	has(i, "2001:db8::5", "2001:db8::7");
}

/* Temporary addresses come after stable ones, deprecated ones last, whatever came first. */
Test(rtnl, best_addresses_first)
{
	struct addr first = of("2001:db8::"), last = of("2001:db8::ffff:ffff:ffff:ffff"), one;
	uint32_t i = cable("wlan0");
	struct pollfd p = { .fd = rtnl_fd(r), .events = POLLIN };
	struct rtnl_addr got[4];
	size_t n = 0;

	cr_assert_eq(system("echo 2 >/proc/sys/net/ipv6/conf/wlan0/use_tempaddr"), 0);
	ip("addr add 2001:db8::1/64 dev wlan0 nodad valid_lft 1000 preferred_lft 0");
	/* as from a router's announcement: the kernel makes a temporary one beside it */
	ip("addr add 2001:db8::a:1/64 dev wlan0 nodad mngtmpaddr valid_lft 9000 preferred_lft "
	   "8000");
	for (int k = 0; k < 50 && n < 3; k++) {
		n = rtnl_addrs(r, i, got, 4);
		poll(&p, 1, 100);
		cr_assert_eq(rtnl_process(r), 0);
	}
	cr_assert_eq(n, 3);
	cr_assert(got[0].rank == RTNL_ADDR_STABLE && is_among(got, 1, "2001:db8::a:1"));
	cr_assert_eq(got[1].rank, RTNL_ADDR_TEMPORARY);
	cr_assert(got[2].rank == RTNL_ADDR_DEPRECATED && is_among(&got[2], 1, "2001:db8::1"));
	cr_assert_eq(rtnl_addrs(r, i, got, 1), 1);
	cr_assert_eq(got[0].rank, RTNL_ADDR_STABLE, "what does not fit is the worst");
	cr_assert(rtnl_addr_in_range(r, &first, &last, 0, &one));
	cr_assert(addr_equal(&one, &(struct addr[]){ of("2001:db8::a:1") }[0]));
}

Test(rtnl, address_in_a_range)
{
	uint32_t i = cable("lan0");
	struct addr first = of("10.1.0.0"), last = of("10.1.255.255"), got;
	struct addr first6 = of("2001:db8:1::"), last6 = of("2001:db8:1::ffff");

	ip("addr add 2001:db8:1::5/64 dev lan0 nodad");
	has(i, "2001:db8:1::5", NULL);
	ip("addr add 10.2.0.1/24 dev lan0");
	ip("addr add 10.1.2.3/24 dev lan0");
	forget();
	cr_assert(rtnl_addr_in_range(r, &first, &last, 0, &got));
	cr_assert(addr_equal(&got, &(struct addr){ 4, { 10, 1, 2, 3 } }));
	cr_assert(rtnl_addr_in_range(r, &first6, &last6, 0, &got));
	cr_assert_eq(got.family, 6);
	cr_assert_not(rtnl_addr_in_range(r, &first, &last, i, &got), "of the excepted link");
	last = of("10.1.2.2");
	cr_assert_not(rtnl_addr_in_range(r, &first, &last, 0, &got), "behind the range");
}

/* Other people's routes are told; our own, which follow from what we know, are not. */
Test(rtnl, routes)
{
	struct addr net = of("198.51.100.0"), none = { 0 };
	uint32_t i = cable("wlan0");

	ip("addr add 192.0.2.2/24 dev wlan0");
	until(RTNL_CHANGE_ROUTE, 0); /* the kernel's own to the prefix */
	forget();
	ip("route add 203.0.113.0/24 via 192.0.2.1");
	until(RTNL_CHANGE_ROUTE, 0);
	forget();
	ip("route del 203.0.113.0/24");
	until(RTNL_CHANGE_ROUTE, 0);
	forget();
	cr_assert_eq(rtnl_route_add(r, &net, 24, i, &none), 0);
	cr_assert_eq(rtnl_route_add(r, &net, 24, i, &none), 0, "the same once more");
	cr_assert_eq(rtnl_route_set(r, &net, 24, i, &none), 0, "in its place");
	ip("route show 198.51.100.0/24 dev wlan0 proto %d | grep -q 'scope link'", RTNL_PROTO);
	cr_assert_eq(rtnl_guard_add(r, &net, 24), 0);
	cr_assert_eq(rtnl_guard_add(r, &net, 24), 0);
	ip("route show | grep -q '^unreachable 198.51.100.0/24'");
	ip("route get 198.51.100.1 | grep -q 'dev wlan0'");
	cr_assert_eq(rtnl_route_del(r, &net, 24, i), 0);
	cr_assert_eq(rtnl_route_del(r, &net, 24, i), 0, "what is not there");
	ip("route get 198.51.100.1 2>&1 | grep -qE 'No route|unreachable'");
	cr_assert_eq(rtnl_guard_del(r, &net, 24), 0);
	cr_assert_eq(rtnl_guard_del(r, &net, 24), 0);
	ip("link set wlan0 mtu 1400");
	until(RTNL_CHANGE_LINK, i);
	cr_assert_eq(told[RTNL_CHANGE_ROUTE][0], 0, "our own routes were told");
	cr_assert_eq(rtnl_route_del(r, &net, 24, 4000), 0, "an interface that is gone");
}

Test(rtnl, addresses_by_command)
{
	struct addr v4 = of("10.3.0.1"), v6 = of("2001:db8:3::1");
	uint32_t i = cable("tun0");

	for (int twice = 0; twice < 2; twice++) {
		cr_assert_eq(rtnl_addr_add(r, i, &v4, 32), 0);
		cr_assert_eq(rtnl_addr_add(r, i, &v6, 128), 0);
	}
	until(RTNL_CHANGE_ADDR, i);
	has(i, "10.3.0.1", "2001:db8:3::1"); /* at once: no duplicate detection */
	for (int twice = 0; twice < 2; twice++) {
		cr_assert_eq(rtnl_addr_del(r, i, &v4, 32), 0);
		cr_assert_eq(rtnl_addr_del(r, i, &v6, 128), 0);
	}
	forget();
	has(i, NULL, NULL);
	cr_assert_eq(rtnl_addr_add(r, 4000, &v4, 32), -ENODEV);
	cr_assert_eq(rtnl_addr_del(r, 4000, &v4, 32), 0);
}

/* Two uplinks, each with a default route of its own; the better one must not answer for the other.
 */
static void hops(const char *const net[2], const char *const gw[2], const char *far)
{
	uint32_t i[2] = { cable("wlan0"), cable("ran0") };
	struct addr dst = of(far), hop, none = { 0 };
	bool elsewhere;

	for (int k = 0; k < 2; k++) {
		const char *dev = k ? "ran0" : "wlan0";

		ip("addr add %s dev %s %s", net[k], dev, strchr(far, ':') ? "nodad" : "");
		ip("route add default via %s dev %s metric %d", gw[k], dev, 100 + k);
	}
	for (int k = 0; k < 2; k++) {
		struct addr src, on_link = of(gw[k]);
		uint8_t len;

		cr_assert_eq(addr_parse_prefix(net[k], &src, &len), 0);
		cr_assert_eq(rtnl_next_hop(r, &dst, &src, i[k], &hop, &elsewhere), 0);
		cr_assert(addr_equal(&hop, &on_link), "by link %d, with source", k);
		cr_assert_eq(rtnl_next_hop(r, &dst, &none, i[k], &hop, &elsewhere), 0);
		cr_assert(addr_equal(&hop, &on_link), "by link %d", k);
		cr_assert_eq(rtnl_next_hop(r, &on_link, &src, i[k], &hop, &elsewhere), 0);
		cr_assert(addr_equal(&hop, &on_link), "a neighbour is its own next hop");
	}
	ip("%s route del default dev ran0", strchr(far, ':') ? "-6" : "");
	forget();
	cr_assert_eq(rtnl_next_hop(r, &dst, &none, i[1], &hop, &elsewhere),
		     dst.family == 4 ? 0 : -ENETUNREACH);
	/* IPv4 then takes the link's word for it: everything is a neighbour */
	if (dst.family == 4)
		cr_assert(addr_equal(&hop, &dst));
}

Test(rtnl, next_hops)
{
	hops((const char *const[]){ "192.0.2.2/24", "198.51.100.2/24" },
	     (const char *const[]){ "192.0.2.1", "198.51.100.1" }, "203.0.113.1");
}

Test(rtnl, next_hops_ipv6)
{
	hops((const char *const[]){ "2001:db8:1::2/64", "2001:db8:2::2/64" },
	     (const char *const[]){ "2001:db8:1::1", "2001:db8:2::1" }, "2001:db8:9::1");
}

/* What a link's own routes say, whichever the host prefers; what changes is read again. */
Test(rtnl, routes_of_a_link)
{
	uint32_t wlan = cable("wlan0"), ran = cable("ran0");
	struct addr far = of("203.0.113.9"), src = of("198.51.100.2"), hop,
		    six = of("2001:db8:2::9");
	struct rtnl_route got[8];
	bool elsewhere;

	ip("addr add 192.0.2.2/24 dev wlan0");
	ip("addr add 198.51.100.2/24 dev ran0");
	ip("addr add 2001:db8:2::2/64 dev ran0 nodad");
	ip("route add default via 192.0.2.1 metric 10");
	ip("route add default via 198.51.100.1 metric 20");
	ip("route add 203.0.113.0/24 via 198.51.100.5 metric 30");
	ip("route add 203.0.113.0/24 via 198.51.100.6 metric 40");
	ip("route add 203.0.113.0/24 via 192.0.2.1 metric 5");
	forget();
	cr_assert_eq(rtnl_default_hop(r, 4, ran, &hop), 0);
	cr_assert(addr_equal(&hop, &(struct addr[]){ of("198.51.100.1") }[0]));
	cr_assert_eq(rtnl_next_hop(r, &far, &src, ran, &hop, &elsewhere), 0);
	cr_assert(elsewhere && addr_equal(&hop, &(struct addr[]){ of("198.51.100.5") }[0]));
	cr_assert_eq(rtnl_link_routes(r, 4, ran, got, 8), 2, "its network, and one by a router");
	cr_assert(got[0].len == 24 && got[1].len == 24);
	cr_assert_eq(rtnl_link_routes(r, 4, ran, got, 1), 2);
	cr_assert_eq(rtnl_link_routes(r, 4, 4000, got, 8), 0);
	cr_assert_eq(rtnl_default_hop(r, 6, ran, &hop), -ENETUNREACH);
	cr_assert_eq(rtnl_link_routes(r, 6, ran, got, 8), 1, "a link-local network is none");
	/* half of all addresses is not the default */
	ip("route del default via 198.51.100.1");
	ip("route add 0.0.0.0/1 via 198.51.100.7 metric 20");
	forget();
	cr_assert_eq(rtnl_default_hop(r, 4, ran, &hop), -ENETUNREACH);
	/* several hops: each link's own */
	ip("route add default nexthop via 192.0.2.1 dev wlan0 weight 9 nexthop via 198.51.100.8 "
	   "dev ran0");
	forget();
	cr_assert_eq(rtnl_default_hop(r, 4, ran, &hop), 0);
	cr_assert(addr_equal(&hop, &(struct addr[]){ of("198.51.100.8") }[0]));
	ip("route flush 203.0.113.0/24");
	ip("route del 0.0.0.0/1");
	ip("route del default");
	ip("route flush default");
	/* a next hop of the other family, also as an object */
	ip("nexthop add id 7 via inet6 2001:db8:2::9 dev ran0");
	ip("route add default via 192.0.2.1 metric 10");
	ip("route add default nhid 7 metric 20");
	forget();
	cr_assert_eq(rtnl_default_hop(r, 4, ran, &hop), 0);
	cr_assert(addr_equal(&hop, &six), "an object");
	cr_assert_eq(rtnl_next_hop(r, &far, &src, ran, &hop, &elsewhere), 0);
	cr_assert(elsewhere && addr_equal(&hop, &six));
	cr_assert_eq(rtnl_source_rule_add(r, &src, ran), 0);
	cr_assert_eq(rtnl_source_route_add(r, &far, 32, &hop, ran), 0);
	ip("route get 203.0.113.9 from 198.51.100.2 ipproto udp sport 500 | grep -q 'via inet6 "
	   "2001:db8:2::9'");
	/* objects that stand for themselves, and groups of them */
	cr_assert_eq(system("echo 0 >/proc/sys/net/ipv4/nexthop_compat_mode"), 0);
	ip("nexthop add id 8 via 192.0.2.1 dev wlan0");
	ip("nexthop add id 9 group 7/8");
	ip("route add 203.0.113.0/24 nhid 9");
	forget();
	cr_assert_eq(rtnl_default_hop(r, 4, ran, &hop), 0);
	cr_assert(addr_equal(&hop, &six), "an object alone");
	cr_assert_eq(rtnl_link_routes(r, 4, ran, got, 8), 2);
	cr_assert(addr_equal(&got[0].hop, &six) || addr_equal(&got[1].hop, &six), "of a group");
	ip("nexthop replace id 7 via inet6 2001:db8:2::8 dev ran0");
	until(RTNL_CHANGE_ROUTE, 0);
	six = of("2001:db8:2::8");
	cr_assert_eq(rtnl_default_hop(r, 4, ran, &hop), 0);
	cr_assert(addr_equal(&hop, &six), "another one under the same number");
	/* routes of a link that goes down go without a word */
	ip("link set ran0 down");
	forget();
	cr_assert_eq(rtnl_default_hop(r, 4, ran, &hop), -ENETUNREACH);
	cr_assert_eq(rtnl_default_hop(r, 4, wlan, &hop), 0);
}

Test(rtnl, neighbours)
{
	struct addr a = of("192.0.2.1"), b = of("2001:db8::1");
	uint32_t i = cable("wlan0");
	uint8_t mac[6];

	ip("addr add 192.0.2.2/24 dev wlan0");
	ip("addr add 2001:db8::2/64 dev wlan0 nodad");
	forget();
	cr_assert_not(rtnl_neigh(r, i, &a, mac));
	ip("neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev wlan0 nud reachable");
	ip("neigh add 2001:db8::1 lladdr 02:00:00:00:00:02 dev wlan0 nud permanent");
	until(RTNL_CHANGE_NEIGH, i);
	forget();
	cr_assert(rtnl_neigh(r, i, &a, mac));
	cr_assert_arr_eq(mac, "\2\0\0\0\0\1", 6);
	cr_assert(rtnl_neigh(r, i, &b, mac));
	cr_assert_arr_eq(mac, "\2\0\0\0\0\2", 6);
	cr_assert_not(rtnl_neigh(r, i + 1, &a, mac), "of another link");
	ip("neigh replace 192.0.2.1 lladdr 02:00:00:00:00:03 dev wlan0 nud reachable");
	until(RTNL_CHANGE_NEIGH, i);
	cr_assert(rtnl_neigh(r, i, &a, mac));
	cr_assert_arr_eq(mac, "\2\0\0\0\0\3", 6);
	forget();
	ip("neigh replace 192.0.2.1 lladdr 02:00:00:00:00:03 dev wlan0 nud stale");
	forget();
	cr_assert(rtnl_neigh(r, i, &a, mac), "stale is still good to send to");
	ip("neigh del 192.0.2.1 dev wlan0");
	until(RTNL_CHANGE_NEIGH, i);
	cr_assert_not(rtnl_neigh(r, i, &a, mac));
	cr_assert(rtnl_neigh(r, i, &b, mac));
}

/* A neighbour that is asked for stays asked for. Nobody answers here: both ends of the cable are
 * the same host. */
Test(rtnl, neighbour_on_request)
{
	struct addr a = of("192.0.2.1");
	uint32_t i = cable("wlan0");
	uint8_t mac[6];

	ip("addr add 192.0.2.2/24 dev wlan0");
	forget();
	cr_assert_eq(rtnl_neigh_keep(r, i, &a), 0);
	cr_assert_eq(rtnl_neigh_keep(r, i, &a), 0, "once more");
	ip("neigh show 192.0.2.1 dev wlan0 | grep -qE 'INCOMPLETE|FAILED|managed'");
	cr_assert_not(rtnl_neigh(r, i, &a, mac), "without an answer");
	cr_assert_lt(rtnl_neigh_keep(r, 4000, &a), 0);
}

/* What was there before is known from the start. */
Test(rtnl, begins_with_everything)
{
	struct addr n = of("192.0.2.1");
	struct rtnl *second;
	struct rtnl_link l;
	struct rtnl_addr got[4];
	uint8_t mac[6];

	ip("link add wlan0 type veth peer name far");
	ip("link set wlan0 up");
	ip("addr add 192.0.2.2/24 dev wlan0");
	ip("neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 dev wlan0 nud permanent");
	forget();
	memset(told, 0, sizeof(told));
	cr_assert_eq(rtnl_new(on_change, told, &second), 0);
	cr_assert(rtnl_link_by_name(second, "wlan0", &l));
	cr_assert_eq(rtnl_addrs(second, l.ifindex, got, 4), 1);
	cr_assert(rtnl_neigh(second, l.ifindex, &n, mac));
	for (int w = 0; w < 4; w++)
		for (int i = 0; i < IFS; i++)
			cr_assert_eq(told[w][i], 0, "what is read at the start is no change");
	cr_assert_eq(rtnl_addrs(second, l.ifindex, got, 0), 0);
	rtnl_free(second);
}

static char *batch_open(FILE **ret_file)
{
	static char file[32];
	int fd;

	strcpy(file, "/tmp/braid-test-rtnl-XXXXXX");
	fd = mkstemp(file);
	cr_assert_geq(fd, 0);
	*ret_file = fdopen(fd, "w");
	return file;
}

/* Tables that change while they are read, as they do when interfaces come up: the kernel says that
 * what it told is not of one moment, and is asked again. */
Test(rtnl, changes_while_reading)
{
	uint32_t i = cable("lan0");
	static struct rtnl_addr got[700];
	struct rtnl *second;
	pid_t child;
	char *file;
	FILE *f;

	file = batch_open(&f);
	for (int k = 0; k < 600; k++)
		fprintf(f, "addr add 10.%d.%d.1/32 dev lan0\n", 1 + k / 250, k % 250);
	fclose(f);
	ip("-batch %s", file);
	unlink(file);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test fails */
		execl("/bin/sh", "sh", "-c",
		      "while ip addr add 10.99.0.1/32 dev lan0 && "
		      "ip addr del 10.99.0.1/32 dev lan0; do :; done",
		      NULL);
		_exit(127);
	}
	cr_assert_gt(child, 0);
	for (int k = 0; k < 200; k++) {
		cr_assert_eq(rtnl_new(on_change, told, &second), 0);
		cr_assert_eq(rtnl_process(second), 0);
		size_t n = rtnl_addrs(second, i, got, 700);
		cr_assert(n == 600 || n == 601, "%zu addresses of 600", n);
		rtnl_free(second);
	}
	cr_assert_eq(waitpid(child, NULL, WNOHANG), 0, "the changes ended too early");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* Changes that never end, as when a routing daemon floods: a call does. */
Test(rtnl, without_end)
{
	struct rtnl_link l;

	cable("lan0");
	cable("calm");
	forget();
	strcpy(noisy, "lan0");
	change_mtu();
	cr_assert_eq(rtnl_process(r), 0);
	cr_assert_eq(rtnl_resync(r), 0);
	noisy[0] = 0;
	/* and all has an end */
	ip("link del calm");
	for (int k = 0; k < 10 && rtnl_link_by_name(r, "calm", &l); k++)
		cr_assert_eq(rtnl_process(r), 0);
	cr_assert_not(rtnl_link_by_name(r, "calm", &l));
}

/* More changes than the socket holds: the loss is noticed and everything read again. */
Test(rtnl, overrun)
{
	uint32_t i = cable("lan0");
	struct rtnl_addr got[2];
	struct rtnl_link l;
	char *file;
	FILE *f;

	file = batch_open(&f);
	for (int k = 0; k < 6000; k++)
		fprintf(f, "addr add 10.%d.%d.1/32 dev lan0\n", 1 + k / 250, k % 250);
	for (int k = 1; k < 6000; k++)
		fprintf(f, "addr del 10.%d.%d.1/32 dev lan0\n", 1 + k / 250, k % 250);
	fprintf(f, "link add last type veth peer name far\n");
	fclose(f);
	ip("-batch %s", file);
	unlink(file);
	cr_assert_eq(rtnl_process(r), 0);
	cr_assert_gt(told[RTNL_CHANGE_LINK][0], 0, "the loss was not noticed");
	cr_assert_eq(rtnl_addrs(r, i, got, 2), 1);
	cr_assert(addr_equal(&got[0].addr, &(struct addr){ 4, { 10, 1, 0, 1 } }));
	cr_assert(rtnl_link_by_name(r, "last", &l));
	/* and it goes on */
	forget();
	ip("link set last up");
	until(RTNL_CHANGE_LINK, l.ifindex);
}

static bool only_far(void *ctx, const struct rtnl_source *s)
{
	unsigned *seen = ctx;
	struct addr far = of("203.0.113.9");

	seen[s->rule ? 0 : 1]++;
	return s->rule || (s->ifindex == link_of("ran0").ifindex && s->prefix_len == 32 &&
			   addr_equal(&s->addr, &far));
}

/* IKE and ESP go where the source route says, whatever else goes elsewhere; the question for the
 * next hop does not see it; what is taken away by others is told, what we do is not. */
Test(rtnl, source_routes)
{
	uint32_t wlan = cable("wlan0"), ran = cable("ran0");
	struct addr src = of("198.51.100.2"), far = of("203.0.113.9"), gw = of("198.51.100.1"), hop;
	struct addr any = { .family = 4 };
	unsigned seen[2] = { 0 };
	bool elsewhere;

	ip("addr add 192.0.2.2/24 dev wlan0");
	ip("addr add 198.51.100.2/24 dev ran0");
	ip("route add default via 192.0.2.1 dev wlan0 metric 100");
	ip("route add default via 198.51.100.1 dev ran0 metric 200");
	forget();
	cr_assert_eq(rtnl_source_rule_add(r, &src, ran), 0);
	cr_assert_eq(rtnl_source_rule_add(r, &src, ran), 0, "a second time");
	cr_assert_eq(rtnl_source_route_add(r, &far, 32, &gw, ran), 0);
	cr_assert_eq(rtnl_source_route_add(r, &far, 32, &gw, ran), 0, "a second time");
	cr_assert_eq(rtnl_source_route_add(r, &any, 0, &gw, ran), 0);
	forget();
	cr_assert_eq(told[RTNL_CHANGE_SOURCE][0] + told[RTNL_CHANGE_TAKEN][0] +
			     told[RTNL_CHANGE_ROUTE][0],
		     0);
	ip("route get 203.0.113.9 from 198.51.100.2 ipproto udp sport 4500 | grep -q ran0");
	ip("route get 203.0.113.9 from 198.51.100.2 ipproto udp sport 500 | grep -q ran0");
	ip("route get 203.0.113.10 from 198.51.100.2 ipproto udp sport 500 | grep -q ran0");
	ip("route get 203.0.113.9 from 198.51.100.2 ipproto tcp sport 4500 | grep -q wlan0");
	ip("route get 203.0.113.9 ipproto udp sport 4500 | grep -q wlan0");
	cr_assert_eq(rtnl_next_hop(r, &far, &src, ran, &hop, &elsewhere), 0);
	cr_assert(elsewhere && addr_equal(&hop, &gw));
	cr_assert_eq(rtnl_next_hop(r, &far, &src, wlan, &hop, &elsewhere), 0);
	cr_assert(!elsewhere);
	ip("route add unreachable 128.0.0.0/1 metric 99999");
	cr_assert_eq(rtnl_next_hop(r, &far, &src, ran, &hop, &elsewhere), 0);
	cr_assert(elsewhere && addr_equal(&hop, &gw), "a guard hides the next hop");

	cr_assert_eq(rtnl_source_sift(r, only_far, seen), 0);
	cr_assert_eq(seen[0], 3);
	cr_assert_eq(seen[1], 2);
	memset(seen, 0, sizeof(seen));
	cr_assert_eq(rtnl_source_sift(r, only_far, seen), 0);
	cr_assert_eq(seen[1], 1, "it did not go");
	forget();
	ip("route del 203.0.113.9 table %u", 0x62720000u + ran);
	until(RTNL_CHANGE_TAKEN, 0);
	forget();
	cr_assert_eq(rtnl_guard_add(r, &far, 32), 0);
	ip("route del unreachable 203.0.113.9");
	until(RTNL_CHANGE_TAKEN, 0);
	forget();
	ip("rule del priority 98");
	until(RTNL_CHANGE_TAKEN, 0);
	cr_assert_eq(rtnl_source_rule_del(r, &src, ran), 0);
	cr_assert_eq(rtnl_source_rule_del(r, &src, ran), 0, "a second time");
	cr_assert_eq(rtnl_source_route_del(r, &far, 32, ran), 0);
	cr_assert_eq(rtnl_source_route_del(r, &far, 32, ran), 0, "a second time");
}
