/* SPDX-License-Identifier: GPL-2.0-only */
/* Real sends through the steering device onto two uplinks:
 *
 *   socket, SO_MARK, UDP_SEGMENT -> braid0 -> steer_tc -> u0 ==veth== w0   seen by a packet socket
 *                                                      `> u1 ==veth== w1
 *
 * u0 and u1 have no checksum or segmentation offload, so what arrives is what a wire would carry.
 * The kernel's own segmentation and checksum code must agree with our rewriting.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dp/dp.h"
#include "harness.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum { SEG = 500, WAIT_MSEC = 2000 };

static char base[BPFFS_DIR], pins[80];
static struct dp *dp;
static int wire[2];
static uint32_t paths[2], group, spi, out_index;

static void sh(const char *cmd)
{
	cr_assert_eq(system(cmd), 0, "%s", cmd);
}

static void checksum_offload_off(const char *dev)
{
	struct ethtool_value off = { .cmd = ETHTOOL_STXCSUM, .data = 0 };
	struct ifreq ifr = { .ifr_data = (void *)&off };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", dev);
	cr_assert_eq(ioctl(fd, SIOCETHTOOL, &ifr), 0);
	close(fd);
}

static int packet_socket(const char *dev)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = if_nametoindex(dev) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));

	cr_assert_geq(fd, 0);
	cr_assert_eq(bind(fd, (void *)&ll, sizeof(ll)), 0);
	return fd;
}

static void setup(void)
{
	bpffs_open(base);
	snprintf(pins, sizeof(pins), "%s/braid", base);
	sh("ip link set lo up;"
	   "for i in 0 1; do"
	   " ip link add u$i address 02:00:00:00:01:0$i type veth peer name w$i address "
	   "02:00:00:00:02:0$i;"
	   " ip link set u$i up; ip link set w$i up;"
	   " ip addr add 192.0.2.$((i + 1))/32 dev u$i;"
	   " ip addr add 2001:db8:1::$((i + 1))/128 dev u$i nodad;"
	   " ip route add 203.0.113.$((i + 101)) dev u$i;"
	   " ip route add 2001:db8:2::$((i + 101)) dev u$i;"
	   " ip neigh add 203.0.113.$((i + 101)) lladdr 02:00:00:00:02:0$i dev u$i nud permanent;"
	   " ip neigh add 2001:db8:2::$((i + 101)) lladdr 02:00:00:00:02:0$i dev u$i nud permanent;"
	   " done");
	for (int i = 0; i < 2; i++) {
		wire[i] = packet_socket(i ? "w1" : "w0");
		checksum_offload_off(i ? "u1" : "u0");
	}
}

static void teardown(void)
{
	dp_close(dp);
	bpffs_close(base);
}

TestSuite(wire, .init = setup, .fini = teardown, .timeout = 120);

struct way {
	int pair, path; /* IP versions */
	bool mac;	/* cached, else the neighbour table */
	bool gso;
};

static void make_paths(const struct way *w, enum dp_attach attach)
{
	struct dp_options o = {
		.pin_dir = pins, .steer_dev = "braid0", .sa_max = 64, .attach = attach
	};
	struct dp_sa sa = { .id = 1, .spi_out = 0x22222222, .flags = STEER_SA_ENCAP };
	struct dp_member members[2] = { { .weight = 1 }, { .weight = 1 } };
	char err[512];

	addr_parse("198.18.0.1", &o.stable4_local);
	addr_parse("198.18.0.2", &o.stable4_remote);
	addr_parse("fd00:6272:6169:6400::1", &o.stable6_local);
	addr_parse("fd00:6272:6169:6400::2", &o.stable6_remote);
	cr_assert_eq(dp_open(&o, &dp, err, sizeof(err)), 0, "%s", err);
	for (uint32_t i = 0; i < 2; i++) {
		struct steer_path p = { .family = w->path,
					.ifindex = if_nametoindex(i ? "u1" : "u0"),
					.flags = STEER_PATH_ENCAP | (w->mac ? STEER_PATH_MAC : 0),
					.sport = htons(4001 + i),
					.dport = htons(4101 + i),
					.smac = { 2, 0, 0, 0, 1, i },
					.dmac = { 2, 0, 0, 0, 2, i } };
		int af = w->path == 4 ? AF_INET : AF_INET6;

		inet_pton(af, path_src(i + 1, w->path), p.src.b);
		inet_pton(af, path_dst(i + 1, w->path), p.dst.b);
		cr_assert_eq(dp_path_put(dp, &p, STEER_PATH_UP, &paths[i]), 0);
		members[i].path = paths[i];
	}
	cr_assert_eq(
		dp_group_put(dp, 0, &(struct dp_group_want){ .n = 2, .members = members }, &group),
		0);
	cr_assert_eq(dp_spi_alloc(dp, &spi), 0);
	sa.spi_in = spi;
	sa.group = group;
	cr_assert_eq(dp_sa_add(dp, &sa, &out_index), 0);
}

static int sender(int family)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(4500) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(4500) };
	int fd = socket(family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(family == 4 ? bind(fd, (void *)&a4, sizeof(a4))
				 : bind(fd, (void *)&a6, sizeof(a6)),
		     0);
	return fd;
}

static ssize_t send_marked(int fd, int family, uint32_t mark, const void *data, size_t len, int seg)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(4500) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(4500) };

	inet_pton(AF_INET, "198.18.0.2", &a4.sin_addr);
	inet_pton(AF_INET6, "fd00:6272:6169:6400::2", &a6.sin6_addr);
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	cr_assert_eq(setsockopt(fd, SOL_UDP, UDP_SEGMENT, &seg, sizeof(seg)), 0);
	return family == 4 ? sendto(fd, data, len, 0, (void *)&a4, sizeof(a4))
			   : sendto(fd, data, len, 0, (void *)&a6, sizeof(a6));
}

/* The next UDP frame on a wire towards 4101 or 4102; 0 after the time is up. */
static size_t receive(int w, uint8_t buf[PKT_MAX], int wait_msec)
{
	struct pollfd pfd = { .fd = wire[w], .events = POLLIN };

	while (poll(&pfd, 1, wait_msec) > 0) {
		ssize_t n = recv(wire[w], buf, PKT_MAX, 0);
		size_t l4 = 14 + (buf[12] == 0x86 ? 40 : 20);
		uint16_t port;

		if (n < (ssize_t)l4 + 8)
			continue;
		memcpy(&port, buf + l4 + 2, 2);
		if (ntohs(port) == 4101 + w)
			return n;
	}
	return 0;
}

ParameterizedTestParameters(wire, carries)
{
	static struct way ways[16];

	for (unsigned i = 0; i < 16; i++)
		ways[i] = (struct way){ i & 1 ? 6 : 4, i & 2 ? 6 : 4, i & 4, i & 8 };
	return cr_make_param_array(struct way, ways, 16);
}

/* Every combination of pair and path version, cached MAC or neighbour table, one packet or three in
 * a super-packet: both wires carry whole, rewritten packets with right checksums. */
ParameterizedTest(struct way *way, wire, carries)
{
	uint8_t data[3 * SEG], pkt[PKT_MAX];
	unsigned n = way->gso ? 3 : 1, got[2] = { 0 };
	size_t hl = 14 + (way->path == 4 ? 20 : 40) + 8;
	struct steer_path_stat st;
	uint64_t drops[DROP_MAX];
	int fd;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = i % 251 + 1;
	make_paths(way, DP_ATTACH_AUTO);
	fd = sender(way->pair);
	for (uint32_t slot = 0; slot < 8; slot++)
		cr_assert_eq(send_marked(fd, way->pair, STEER_MARK(0, slot * 32, out_index), data,
					 n * SEG, way->gso ? SEG : 0),
			     (ssize_t)n * SEG, "%s", strerror(errno));
	for (int w = 0; w < 2; w++) {
		dp_path_stat(dp, paths[w], &st);
		for (unsigned k = 0; k < st.tx_packets; k++) {
			size_t len = receive(w, pkt, WAIT_MSEC);

			cr_assert_eq(len, hl + SEG);
			cr_assert(pkt_has_addrs(pkt, path_src(w + 1, way->path),
						path_dst(w + 1, way->path)));
			cr_assert(pkt_sums_ok(pkt, len));
			cr_assert_eq(pkt[5], w);
			cr_assert_eq(pkt[11], w);
			cr_assert_arr_eq(pkt + hl, data + k % n * SEG, SEG);
			got[w]++;
		}
	}
	dp_drops(dp, drops);
	cr_assert_eq(got[0] + got[1], 8 * n,
		     "pair v%d path v%d mac %d gso %d: %u %u, dropped %u %u", way->pair, way->path,
		     way->mac, way->gso, got[0], got[1], (unsigned)drops[DROP_FAMILY],
		     (unsigned)drops[DROP_REWRITE]);
	cr_assert(got[0] && got[1], "%u %u", got[0], got[1]);
	close(fd);
}

/* What routers may fragment: the packets of super-packets have identifications of their own,
 * however the kernel cuts them. */
Test(wire, packets_without_df_have_an_identification_each)
{
	int probe = IP_PMTUDISC_PROBE;
	uint8_t data[3 * SEG] = { 1 }, pkt[PKT_MAX];
	int fd;

	make_paths(&(struct way){ 4, 4, true, true }, DP_ATTACH_AUTO);
	cr_assert_eq(dp_path_state(dp, paths[1], STEER_PATH_DOWN), 0);
	fd = sender(4);
	cr_assert_eq(setsockopt(fd, SOL_IP, IP_MTU_DISCOVER, &probe, sizeof(probe)), 0);
	for (uint32_t kind = 0; kind <= STEER_MARK_KIND_CUT; kind += STEER_MARK_KIND_CUT) {
		for (int i = 0; i < 4; i++)
			send_marked(fd, 4, STEER_MARK(kind, 0, out_index), data, sizeof(data), SEG);
		for (unsigned i = 0; i < 12; i++) {
			size_t len = receive(0, pkt, WAIT_MSEC);

			cr_assert_eq(len, 14 + 20 + 8 + SEG);
			cr_assert(pkt_sums_ok(pkt, len));
			cr_assert_eq(pkt[14 + 6], kind ? 0 : 0x40);
			if (kind)
				cr_assert_eq(pkt[14 + 4] << 8 | pkt[14 + 5], i);
		}
	}
	close(fd);
}

/* ---- redundant ---- */

enum { CLASS = 3, PACKETS = 8 };

static void make_redundant(const struct dp_member *m, size_t n, uint8_t copies)
{
	struct dp_group_want want = {
		.mode = STEER_MODE_REDUNDANT, .klass = CLASS, .copies = copies, .n = n, .members = m
	};

	cr_assert_eq(dp_group_put(dp, group, &want, &group), 0);
}

static uint64_t sent_over(uint32_t path)
{
	struct steer_path_stat st;

	cr_assert_eq(dp_path_stat(dp, path, &st), 0);
	cr_assert_eq(st.tx_class[CLASS].packets, st.tx_packets);
	cr_assert_eq(st.tx_class[CLASS].octets, st.tx_octets);
	return st.tx_packets;
}

/* Every packet on both wires, whatever each of them is made of. */
ParameterizedTestParameters(wire, redundant)
{
	static struct way ways[16];

	for (unsigned i = 0; i < 16; i++)
		ways[i] = (struct way){ i & 1 ? 6 : 4, i & 2 ? 6 : 4, i & 4, i & 8 };
	return cr_make_param_array(struct way, ways, 16);
}

ParameterizedTest(struct way *way, wire, redundant)
{
	uint8_t data[3 * SEG], pkt[PKT_MAX];
	unsigned n = way->gso ? 3 : 1;
	size_t hl = 14 + (way->path == 4 ? 20 : 40) + 8;
	uint64_t drops[DROP_MAX];
	struct steer_sa_stat sa;
	int fd;

	make_paths(way, DP_ATTACH_AUTO);
	make_redundant((struct dp_member[]){ { paths[1], 1, 1 }, { paths[0], 1, 1 } }, 2, 2);
	fd = sender(way->pair);
	for (uint32_t k = 0; k < PACKETS; k++) {
		for (size_t i = 0; i < sizeof(data); i++)
			data[i] = (uint8_t)(i % 251 + k);
		send_marked(fd, way->pair, STEER_MARK(CLASS, k * 32, out_index), data, n * SEG,
			    way->gso ? SEG : 0);
		for (unsigned i = 0; i < 2 * n; i++) {
			size_t len = receive(i & 1, pkt, WAIT_MSEC);

			cr_assert_eq(len, hl + SEG);
			cr_assert(pkt_has_addrs(pkt, path_src((i & 1) + 1, way->path),
						path_dst((i & 1) + 1, way->path)));
			cr_assert(pkt_sums_ok(pkt, len));
			cr_assert_eq(pkt[5], i & 1);
			cr_assert_eq(pkt[11], i & 1);
			cr_assert_arr_eq(pkt + hl, data + i / 2 * SEG, SEG);
		}
	}
	cr_assert_eq(sent_over(paths[0]), PACKETS * n);
	cr_assert_eq(sent_over(paths[1]), PACKETS * n);
	cr_assert_eq(dp_sa_stat(dp, out_index, &sa), 0);
	cr_assert_eq(sa.out_packets, PACKETS * n); /* a packet counts once */
	dp_drops(dp, drops);
	for (int i = 0; i < DROP_MAX; i++)
		cr_assert_eq(drops[i], 0, "%d", i);
	close(fd);
}

static uint32_t more_path(uint32_t i, uint8_t flags)
{
	struct steer_path p = { .family = 4,
				.ifindex = if_nametoindex("u0"),
				.flags = STEER_PATH_ENCAP | STEER_PATH_MAC | flags,
				.sport = htons(4001 + i),
				.dport = htons(4201 + i),
				.dmac = { 2, 0, 0, 0, 2, 0 } };
	uint32_t id;

	inet_pton(AF_INET, "192.0.2.1", p.src.b);
	inet_pton(AF_INET, "203.0.113.101", p.dst.b);
	cr_assert_eq(dp_path_put(dp, &p, STEER_PATH_UP, &id), 0);
	return id;
}

/* Over which of the paths another packet goes, a bit for each; no path has it twice. */
static unsigned copies(int fd, const uint32_t *path, size_t n)
{
	uint8_t data[64] = { 1, 2, 3, 4 };
	uint64_t was[STEER_MEMBERS_MAX];
	unsigned on = 0;

	for (size_t i = 0; i < n; i++)
		was[i] = sent_over(path[i]);
	send_marked(fd, 4, STEER_MARK(CLASS, 5, out_index), data, sizeof(data), 0);
	for (size_t i = 0; i < n; i++) {
		uint64_t more = sent_over(path[i]) - was[i];

		cr_assert_leq(more, 1);
		on |= (unsigned)more << i;
	}
	return on;
}

/* The first that can be used, then others with a weight that are up, then degraded ones. */
Test(wire, which_paths_have_copies)
{
	struct dp_member m[STEER_MEMBERS_MAX];
	uint32_t path[STEER_MEMBERS_MAX];
	uint64_t drops[DROP_MAX];
	int fd;

	make_paths(&(struct way){ 4, 4, true, false }, DP_ATTACH_AUTO);
	for (uint32_t i = 0; i < 5; i++) {
		path[i] = i < 2 ? paths[i] : more_path(i, 0);
		m[i] = (struct dp_member){ path[i], 1, 1 };
	}
	fd = sender(4);
	make_redundant(m, 5, 2);
	cr_assert_eq(copies(fd, path, 5), 0x03);
	make_redundant(m, 5, 8);
	cr_assert_eq(copies(fd, path, 5), 0x1f);
	make_redundant(m, 5, 3);
	cr_assert_eq(copies(fd, path, 5), 0x07);
	cr_assert_eq(dp_path_state(dp, path[0], STEER_PATH_DOWN), 0);
	cr_assert_eq(copies(fd, path, 5), 0x0e);
	cr_assert_eq(dp_path_state(dp, path[2], STEER_PATH_DEGRADED), 0);
	cr_assert_eq(copies(fd, path, 5), 0x1a);
	m[4].weight = 0;
	make_redundant(m, 5, 3);
	cr_assert_eq(copies(fd, path, 5), 0x0e);
	cr_assert_eq(dp_path_state(dp, path[1], STEER_PATH_DEGRADED), 0);
	cr_assert_eq(dp_path_state(dp, path[3], STEER_PATH_DEGRADED), 0);
	cr_assert_eq(copies(fd, path, 4), 0x06); /* and the standby, which is up */
	cr_assert_eq(dp_path_state(dp, path[4], STEER_PATH_DOWN), 0);
	cr_assert_eq(copies(fd, path, 5), 0x0e);
	make_redundant(m, 1, 2);
	cr_assert_eq(dp_path_state(dp, path[0], STEER_PATH_UNKNOWN), 0);
	cr_assert_eq(copies(fd, path, 5), 0x01);
	make_redundant(m, 2, 1);
	cr_assert_eq(dp_path_state(dp, path[1], STEER_PATH_UP), 0);
	cr_assert_eq(copies(fd, path, 5), 0x02);
	dp_drops(dp, drops);
	for (int i = 0; i < DROP_MAX; i++)
		cr_assert_eq(drops[i], 0, "%d", i);
	close(fd);
}

/* The engine has made it for its first path: not for one that wants ESP without UDP. */
Test(wire, no_copy_where_it_does_not_fit)
{
	struct dp_member m[3] = { { .line = 1, .weight = 1 },
				  { .line = 1, .weight = 1 },
				  { .line = 1, .weight = 1 } };
	uint32_t path[3];
	uint64_t drops[DROP_MAX];
	int fd;

	make_paths(&(struct way){ 4, 4, true, false }, DP_ATTACH_AUTO);
	for (uint32_t i = 0; i < 3; i++)
		m[i].path = path[i] = i < 2 ? paths[i] : more_path(i, STEER_PATH_PLAIN);
	make_redundant(m, 3, 3);
	fd = sender(4);
	cr_assert_eq(copies(fd, path, 3), 0x03);
	dp_drops(dp, drops);
	cr_assert_eq(drops[DROP_COPY], 1);
	make_redundant(m, 2, 2);
	cr_assert_eq(copies(fd, path, 3), 0x03);
	dp_drops(dp, drops);
	cr_assert_eq(drops[DROP_COPY], 1);
	close(fd);
}

/* Either wire is cut for good, in turn: each packet comes by the other. */
Test(wire, one_of_two_wires_is_enough)
{
	uint8_t data[64] = { 1 }, pkt[PKT_MAX];
	int fd;

	make_paths(&(struct way){ 4, 4, true, false }, DP_ATTACH_AUTO);
	make_redundant((struct dp_member[]){ { paths[0], 1, 1 }, { paths[1], 1, 1 } }, 2, 2);
	fd = sender(4);
	for (int cut = 0; cut < 2; cut++) {
		sh(cut ? "ip link set w1 down" : "ip link set w0 down");
		for (uint8_t i = 1; i < 20; i++) {
			data[0] = i;
			send_marked(fd, 4, STEER_MARK(CLASS, i, out_index), data, sizeof(data), 0);
			cr_assert(receive(!cut, pkt, WAIT_MSEC));
			cr_assert_eq(pkt[14 + 28], i);
		}
		sh("ip link set w0 up; ip link set w1 up");
	}
	close(fd);
}

/* One store takes a path out: nothing more on its wire, everything on the other. */
Test(wire, path_down_moves_everything)
{
	uint8_t data[64] = { 1, 2, 3, 4 }, pkt[PKT_MAX];
	int fd;

	make_paths(&(struct way){ 4, 4, true, false }, DP_ATTACH_AUTO);
	cr_assert_eq(dp_path_state(dp, paths[0], STEER_PATH_DOWN), 0);
	fd = sender(4);
	for (uint32_t slot = 0; slot < 32; slot++)
		send_marked(fd, 4, STEER_MARK(0, slot * 8, out_index), data, sizeof(data), 0);
	for (int i = 0; i < 32; i++)
		cr_assert(receive(1, pkt, WAIT_MSEC));
	cr_assert_eq(receive(0, pkt, 50), 0);
	/* a probe still goes out on it */
	send_marked(fd, 4, STEER_MARK(STEER_MARK_KIND_PATH, 0, paths[0]), data, sizeof(data), 0);
	cr_assert(receive(0, pkt, WAIT_MSEC));
	close(fd);
}

/* Without an SA's mark nothing leaves, on no wire. */
Test(wire, unmarked_stays)
{
	uint8_t data[64] = { 1 }, pkt[PKT_MAX];
	uint64_t drops[DROP_MAX];
	int fd;

	make_paths(&(struct way){ 4, 4, true, false }, DP_ATTACH_AUTO);
	fd = sender(4);
	for (int i = 0; i < 5; i++)
		send_marked(fd, 4, 0, data, sizeof(data), 0);
	cr_assert_eq(receive(0, pkt, 50) + receive(1, pkt, 50), 0);
	dp_drops(dp, drops);
	cr_assert_geq(drops[DROP_NO_MARK], 5);
	close(fd);
}

/* Inbound on an attached uplink: counted for path and SA, delivered to the wildcard socket. */
static void inbound(enum dp_attach attach)
{
	struct pkt p = {
		.family = 4, .udp = true, .payload = 100, .src = "203.0.113.101", .dst = "192.0.2.1"
	};
	uint8_t frame[PKT_MAX], got[PKT_MAX];
	struct timeval tv = { .tv_sec = 2 };
	struct steer_path_stat st;
	struct steer_sa_stat sa;
	char why[160];
	size_t len;
	int fd;

	make_paths(&(struct way){ 4, 4, true, false }, attach);
	cr_assert_eq(dp_uplink_attach(dp, if_nametoindex("u0"), why, sizeof(why)), 0, "%s", why);
	fd = sender(4);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	p.spi = spi;
	len = pkt_build(&p, frame);
	memcpy(frame, "\x02\0\0\0\x01\0\x02\0\0\0\x02", 12);
	cr_assert_eq(send(wire[0], frame, len, 0), (ssize_t)len);
	cr_assert_eq(recv(fd, got, sizeof(got), 0), 108);
	cr_assert_arr_eq(got, frame + 42, 108);
	cr_assert_eq(dp_path_stat(dp, paths[0], &st), 0);
	cr_assert_eq(st.rx_packets, 1);
	cr_assert_eq(st.rx_octets, len - 14);
	cr_assert_eq(dp_sa_stat(dp, out_index, &sa), 0);
	cr_assert_eq(sa.in_packets, 1);
	cr_assert_eq(dp_uplink_detach(dp, if_nametoindex("u0")), 0);
	close(fd);
}

Test(wire, inbound_tc)
{
	inbound(DP_ATTACH_TC);
}

Test(wire, inbound_xdp)
{
	inbound(DP_ATTACH_XDP);
}

Test(wire, inbound_xdp_generic)
{
	inbound(DP_ATTACH_XDP_GENERIC);
}
