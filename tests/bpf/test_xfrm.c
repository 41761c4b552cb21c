/* SPDX-License-Identifier: GPL-2.0-only */
/* xfrm with a kernel: states, policies and the interface are what was asked for, traffic goes
 * through them, and what is not ours stays. Skipped, with what xfrm_probe says, where the kernel
 * has no ESP.
 *
 *     A  10.9.0.1, fd09::1 on x0          B  10.9.0.2, fd09::2 on x0
 *        198.19.0.1 on lo  ── veth ──        198.19.0.2 on lo
 *
 * 198.19.0.0/24 is routed for packets with the output mark only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "../lib/ns.h"
#include "crypto/alg.h"
#include "xfrm/xfrm.h"

enum { IF_ID = 0x6272, OTHER_IF_ID = 7, WAIT_MSEC = 20000, MARK = 0x4321, MARK_MASK = 0xfffff };

static char why[256];

static struct addr parse(const char *text)
{
	struct addr a;

	cr_assert_eq(addr_parse(text, &a), 0, "%s", text);
	return a;
}

static struct xfrm *open_here(void)
{
	struct xfrm *x;
	int err = xfrm_open(&x, why, sizeof(why));

	if (err == -EPROTONOSUPPORT)
		cr_skip_test("%s", why);
	cr_assert_eq(err, 0, "%s", why);
	return x;
}

/* In a namespace of its own, in a kernel with ESP. */
static struct xfrm *open_probed(void)
{
	struct xfrm *x;
	bool iface;
	int err;

	ns_enter();
	x = open_here();
	err = xfrm_probe(x, &iface, why, sizeof(why));
	if (err == -ENOSYS || err == -EOPNOTSUPP)
		cr_skip_test("%s", why);
	cr_assert_eq(err, 0, "%s", why);
	return x;
}

static bool shell(const char *cmd)
{
	return system(cmd) == 0;
}

TestSuite(xfrm, .timeout = 300);

/* ---- states ---- */

static const uint8_t keys[XFRM_KEY_MAX] = { 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9 };

static struct xfrm_sa sa_of(uint32_t spi, const char *src, const char *dst, uint32_t flags)
{
	return (struct xfrm_sa){ .spi = spi,
				 .reqid = 1,
				 .if_id = IF_ID,
				 .flags = flags,
				 .src = parse(src),
				 .dst = parse(dst),
				 .inner_src = parse(src),
				 .inner_dst = parse(dst),
				 .mark = MARK,
				 .mark_mask = MARK_MASK,
				 .encr_id = ENCR_AES_GCM_16,
				 .key_bits = 128,
				 .key_len = 20,
				 .replay_window = XFRM_REPLAY_MAX,
				 .key = keys,
				 .integ = keys };
}

static void count(void *ctx, const struct xfrm_sa_info *info)
{
	(void)info;
	++*(unsigned *)ctx;
}

static unsigned states(struct xfrm *x, uint32_t if_id)
{
	unsigned n = 0;

	cr_assert_eq(xfrm_sa_dump(x, if_id, count, &n), 0);
	return n;
}

Test(xfrm, probe_leaves_nothing)
{
	struct xfrm *x = open_probed();

	cr_assert(shell("test -z \"$(ip xfrm state)\""));
	cr_assert(shell("test -z \"$(ip xfrm policy)\""));
	cr_assert(shell("test $(ip -o link | wc -l) = 1"), "lo alone");
	xfrm_close(x);
}

Test(xfrm, state_is_what_was_asked_for)
{
	static const uint32_t flags[] = {
		XFRM_F_OUT | XFRM_F_ESN,      XFRM_F_OUT | XFRM_F_NO_DSCP_OUT,
		XFRM_F_OUT | XFRM_F_DF_CLEAR, XFRM_F_ESN,
		XFRM_F_ESN | XFRM_F_DSCP_IN,  0,
		XFRM_F_OUT | XFRM_F_BEET,     XFRM_F_BEET | XFRM_F_ESN,
	};
	static const char *const pairs[][2] = { { "198.19.0.1", "198.19.0.2" },
						{ "fd00::1", "fd00::2" } };
	struct xfrm *x = open_probed();
	uint32_t spi = 0x1000;

	for (size_t f = 0; f < 2; f++) {
		for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
			struct xfrm_sa sa = sa_of(spi++, pairs[f][0], pairs[f][1], flags[i]);
			struct xfrm_sa_info info;
			int err = xfrm_sa_add(x, &sa);

			cr_assert_eq(err, 0, "%s %zu: %s", pairs[f][0], i, strerror(-err));
			cr_assert_eq(xfrm_sa_add(x, &sa), -EEXIST);
			cr_assert_eq(xfrm_sa_get(x, &sa.dst, sa.spi, &info), 0);
			cr_assert_eq(info.spi, sa.spi);
			cr_assert_eq(info.reqid, 1);
			cr_assert_eq(info.if_id, IF_ID);
			cr_assert_eq(info.flags, sa.flags, "%zu: 0x%x", i, info.flags);
			cr_assert(addr_equal(&info.src, &sa.src) && addr_equal(&info.dst, &sa.dst));
			cr_assert_eq(info.mark, sa.flags & XFRM_F_OUT ? MARK : 0);
			cr_assert_eq(info.mark_mask, sa.flags & XFRM_F_OUT ? MARK_MASK : 0);
			if (!(sa.flags & XFRM_F_OUT))
				cr_assert_eq(info.window, XFRM_REPLAY_MAX);
			cr_assert_eq(info.packets, 0);
			cr_assert_gt(info.add_sec, 0);
			cr_assert_eq(info.use_sec, 0);
		}
	}
	cr_assert_eq(states(x, IF_ID), 16);
	cr_assert_eq(states(x, OTHER_IF_ID), 0);
	for (uint32_t s = 0x1000; s < spi; s++) {
		struct addr dst = parse(pairs[s >= 0x1008][1]);

		cr_assert_eq(xfrm_sa_del(x, &dst, s), 0);
		cr_assert_eq(xfrm_sa_del(x, &dst, s), -ESRCH);
	}
	cr_assert_eq(states(x, IF_ID), 0);
	xfrm_close(x);
}

Test(xfrm, algorithms_that_ike_negotiates)
{
	static const uint16_t all[][3] = {
		{ ENCR_AES_GCM_16, 128, 0 },
		{ ENCR_AES_GCM_16, 192, 0 },
		{ ENCR_AES_GCM_16, 256, 0 },
		{ ENCR_AES_GCM_12, 128, 0 },
		{ ENCR_AES_GCM_8, 256, 0 },
		{ ENCR_CHACHA20_POLY1305, 0, 0 },
		{ ENCR_AES_CBC, 128, INTEG_HMAC_SHA1_96 },
		{ ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_128 },
		{ ENCR_AES_CBC, 192, INTEG_HMAC_SHA2_384_192 },
		{ ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_512_256 },
		{ ENCR_NULL, 0, INTEG_HMAC_SHA2_256_128 },
	};
	struct xfrm *x = open_probed();

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		cr_assert_eq(xfrm_has_algorithm(x, all[i][0], all[i][1], all[i][2]), 0, "%zu", i);
	cr_assert_eq(xfrm_has_algorithm(x, 3, 0, INTEG_HMAC_SHA1_96), -ENOSYS);
	cr_assert(shell("test -z \"$(ip xfrm state)\""));
	xfrm_close(x);
}

/* ---- policies: also in a kernel without ESP ---- */

static struct xfrm_policy policy_of(enum xfrm_dir dir, const char *src, const char *dst,
				    const char *outer_src, const char *outer_dst)
{
	return (struct xfrm_policy){ .dir = dir,
				     .sel = { .src = parse(src), .dst = parse(dst) },
				     .if_id = IF_ID,
				     .priority = 1000,
				     .reqid = 1,
				     .src = parse(outer_src),
				     .dst = parse(outer_dst) };
}

struct policies {
	unsigned n;
	struct xfrm_policy last;
};

static void on_policy(void *ctx, const struct xfrm_policy *p)
{
	struct policies *all = ctx;

	all->n++;
	all->last = *p;
}

static struct policies policies(struct xfrm *x, uint32_t if_id)
{
	struct policies all = { 0 };

	cr_assert_eq(xfrm_policy_dump(x, if_id, on_policy, &all), 0);
	return all;
}

Test(xfrm, policy_is_what_was_asked_for)
{
	struct xfrm_policy p =
		policy_of(XFRM_OUT, "10.1.0.0", "10.2.0.0", "198.19.0.1", "198.19.0.2");
	struct policies all;
	struct xfrm *x;

	ns_enter();
	x = open_here();
	p.sel.src_len = p.sel.dst_len = 16;
	p.sel.protocol = 6;
	p.sel.dport = 1024;
	p.sel.dport_mask = 0xfc00;
	cr_assert_eq(xfrm_policy_put(x, &p), 0);
	all = policies(x, IF_ID);
	cr_assert_eq(all.n, 1);
	cr_assert_eq(all.last.dir, XFRM_OUT);
	cr_assert_eq(all.last.sel.dport_mask, 0xfc00);
	cr_assert_eq(all.last.priority, 1000);
	cr_assert_eq(all.last.reqid, 1);
	cr_assert(addr_equal(&all.last.dst, &p.dst));

	/* another in its place */
	p.reqid = 2;
	p.priority = 900;
	p.src = parse("fd00::1");
	p.dst = parse("fd00::2");
	cr_assert_eq(xfrm_policy_put(x, &p), 0);
	all = policies(x, IF_ID);
	cr_assert_eq(all.n, 1);
	cr_assert_eq(all.last.reqid, 2);
	cr_assert_eq(all.last.priority, 900);
	cr_assert(addr_equal(&all.last.dst, &p.dst));
	p.block = true;
	cr_assert_eq(xfrm_policy_put(x, &p), 0);
	all = policies(x, IF_ID);
	cr_assert(all.n == 1 && all.last.block);

	/* of the same selector, but of another direction or interface: another one */
	p.dir = XFRM_FWD;
	cr_assert_eq(xfrm_policy_del(x, &p), -ENOENT);
	cr_assert_eq(xfrm_policy_put(x, &p), 0);
	p.if_id = OTHER_IF_ID;
	cr_assert_eq(xfrm_policy_put(x, &p), 0);
	cr_assert_eq(policies(x, IF_ID).n, 2);
	cr_assert_eq(policies(x, OTHER_IF_ID).n, 1);
	p.if_id = IF_ID;
	cr_assert_eq(xfrm_policy_del(x, &p), 0);
	cr_assert_eq(policies(x, IF_ID).n, 1);
	cr_assert_eq(policies(x, OTHER_IF_ID).n, 1);
	xfrm_close(x);
}

Test(xfrm, flush_leaves_what_is_not_ours)
{
	struct xfrm_policy p =
		policy_of(XFRM_OUT, "10.1.0.0", "0.0.0.0", "198.19.0.1", "198.19.0.2");
	struct xfrm *x;

	ns_enter();
	x = open_here();
	p.sel.src_len = 24;
	for (uint8_t i = 0; i < 200; i++) {
		p.sel.src.b[2] = i;
		p.dir = i % 3 == 0 ? XFRM_IN : i % 3 == 1 ? XFRM_OUT : XFRM_FWD;
		cr_assert_eq(xfrm_policy_put(x, &p), 0);
	}
	p.if_id = OTHER_IF_ID;
	cr_assert_eq(xfrm_policy_put(x, &p), 0);
	p.if_id = 0; /* of the host's own routes, and as others may have them */
	p.beet = true;
	p.reqid = xfrm_direct_reqid(IF_ID, 3);
	cr_assert_eq(xfrm_policy_put(x, &p), 0);
	p.sel.src.b[2] = 200;
	p.reqid = 3;
	cr_assert_eq(xfrm_policy_put(x, &p), 0);
	ip("xfrm policy add src 10.1.0.0/24 dst 0.0.0.0/0 dir out tmpl src 192.0.2.1 dst 192.0.2.2 "
	   "proto esp mode tunnel");
	cr_assert_eq(policies(x, IF_ID).n, 201);
	cr_assert_eq(policies(x, 0).n, 3);
	cr_assert_eq(xfrm_flush(x, 0), -EINVAL);
	cr_assert_eq(xfrm_flush(x, IF_ID), 0);
	cr_assert_eq(policies(x, IF_ID).n, 0);
	cr_assert_eq(policies(x, OTHER_IF_ID).n, 1);
	cr_assert_eq(policies(x, 0).n, 2);
	cr_assert_eq(xfrm_flush(x, IF_ID), 0, "nothing is fine, too");
	xfrm_close(x);
}

Test(xfrm, flush_leaves_states_that_are_not_ours)
{
	struct xfrm *x = open_probed();
	const struct addr dst = parse("198.19.0.2"), foreign = parse("192.0.2.2");
	struct xfrm_sa_info info;
	struct xfrm_sa sa;

	for (uint32_t spi = 0x1000; spi < 0x1100; spi++) {
		sa = sa_of(spi, "198.19.0.1", "198.19.0.2", XFRM_F_OUT | XFRM_F_ESN);
		cr_assert_eq(xfrm_sa_add(x, &sa), 0);
	}
	sa = sa_of(0x2000, "198.19.0.1", "198.19.0.2", XFRM_F_OUT);
	sa.if_id = OTHER_IF_ID;
	cr_assert_eq(xfrm_sa_add(x, &sa), 0);
	ip("xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x3000 mode tunnel aead "
	   "'rfc4106(gcm(aes))' 0x0102030405060708090a0b0c0d0e0f1011121314 128");
	cr_assert_eq(states(x, IF_ID), 256);
	cr_assert_eq(xfrm_flush(x, IF_ID), 0);
	cr_assert_eq(states(x, IF_ID), 0);
	cr_assert_eq(xfrm_sa_get(x, &dst, 0x2000, &info), 0);
	cr_assert_eq(xfrm_sa_get(x, &foreign, 0x3000, &info), 0);
	cr_assert_eq(info.if_id, 0);
	xfrm_close(x);
}

/* ---- the interface ---- */

Test(xfrm, interface)
{
	struct xfrm *x = open_probed();
	uint32_t first, again;

	cr_assert_eq(xfrm_iface_make(x, "x0", IF_ID, 1400, &first, why, sizeof(why)), 0, "%s", why);
	cr_assert_eq(first, if_nametoindex("x0"));
	cr_assert(shell("ip -d link show x0 | grep -q 'if_id 0x6272'"));
	cr_assert(shell("ip -o link show up dev x0 | grep -q 'mtu 1400'"));
	cr_assert(shell("test -z \"$(ip -6 -o addr show dev x0)\""), "no link-local address");

	/* a restarted agent */
	cr_assert_eq(xfrm_iface_make(x, "x0", IF_ID, 1380, &again, why, sizeof(why)), 0, "%s", why);
	cr_assert_eq(again, first);
	cr_assert(shell("ip -o link show up dev x0 | grep -q 'mtu 1380'"));
	/* with another configuration */
	cr_assert_eq(xfrm_iface_make(x, "x0", OTHER_IF_ID, 1380, &again, why, sizeof(why)), 0, "%s",
		     why);
	cr_assert_neq(again, first);
	cr_assert(shell("ip -d link show x0 | grep -q 'if_id 0x7 '"));

	/* others' */
	cr_assert_eq(xfrm_iface_make(x, "x1", OTHER_IF_ID, 1400, &again, why, sizeof(why)),
		     -EEXIST);
	cr_assert(strstr(why, "if_id 0x7"), "%s", why);
	ip("link add y0 type xfrm if_id 9");
	cr_assert_eq(xfrm_iface_make(x, "y0", 9, 1400, &again, why, sizeof(why)), -EEXIST);
	cr_assert(strstr(why, "y0 exists already and is not ours"), "%s", why);
	cr_assert_eq(xfrm_iface_del(x, "y0"), -EPERM);
	cr_assert_eq(xfrm_iface_del(x, "lo"), -EPERM);
	cr_assert_eq(
		xfrm_iface_make(x, "a-name-that-is-too-long", 9, 1400, &again, why, sizeof(why)),
		-EINVAL);
	/* where there are no XFRM interfaces; each takes the other's place */
	cr_assert_eq(xfrm_iface_make(x, "z0", 0, 1400, &again, why, sizeof(why)), 0, "%s", why);
	ip("-d link show z0 | grep -q dummy");
	cr_assert_eq(xfrm_iface_make(x, "z0", 8, 1400, &again, why, sizeof(why)), 0, "%s", why);
	ip("-d link show z0 | grep -q 'if_id 0x8'");
	cr_assert_eq(xfrm_iface_del(x, "z0"), 0);

	cr_assert_eq(xfrm_iface_del(x, "x0"), 0);
	cr_assert_eq(xfrm_iface_del(x, "x0"), -ENODEV);
	xfrm_close(x);
}

/* ---- traffic ---- */

struct host {
	struct xfrm *x;
	int sock[2]; /* UDP: IPv4, IPv6 */
};

static struct host a, b;

static int udp(int af, const char *local)
{
	int fd = socket(af, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const struct addr at = parse(local);
	const struct udp_addr u = { at, 9999 };
	struct sockaddr_storage ss;
	socklen_t len = udp_addr_to_sockaddr(&u, &ss);

	cr_assert_eq(bind(fd, (struct sockaddr *)&ss, len), 0, "%s: %s", local, strerror(errno));
	return fd;
}

/* Of the host we are in; n: 1 or 2, its own number. */
static void host_up(struct host *h, int n)
{
	const char *outer[] = { "198.19.0.1", "198.19.0.2" };
	struct xfrm_policy p;
	uint32_t ifindex;
	char local[24], remote[24];

	h->x = open_here();
	cr_assert(shell("echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter"));
	ip("link set lo up");
	ip("addr add 198.19.0.%d/32 dev lo", n);
	ip("addr add 192.168.7.%d/24 dev v0", n);
	ip("link set v0 up");
	ip("route add 198.19.0.%d via 192.168.7.%d table 7", 3 - n, 3 - n);
	ip("rule add fwmark %d/%d lookup 7", MARK, MARK_MASK);
	cr_assert_eq(xfrm_iface_make(h->x, "x0", IF_ID, 1400, &ifindex, why, sizeof(why)), 0, "%s",
		     why);
	ip("addr add 10.9.0.%d/24 dev x0", n);
	ip("addr add fd09::%d/64 dev x0 nodad", n);
	for (int v6 = 0; v6 < 2; v6++) {
		snprintf(local, sizeof(local), v6 ? "fd09::%d" : "10.9.0.%d", n);
		snprintf(remote, sizeof(remote), v6 ? "fd09::%d" : "10.9.0.%d", 3 - n);
		p = policy_of(XFRM_OUT, local, remote, outer[n - 1], outer[2 - n]);
		p.sel.src_len = p.sel.dst_len = v6 ? 128 : 32;
		cr_assert_eq(xfrm_policy_put(h->x, &p), 0);
		p = policy_of(XFRM_IN, remote, local, outer[2 - n], outer[n - 1]);
		p.sel.src_len = p.sel.dst_len = v6 ? 128 : 32;
		cr_assert_eq(xfrm_policy_put(h->x, &p), 0);
		h->sock[v6] = udp(v6 ? AF_INET6 : AF_INET, local);
	}
}

/* The first namespace lives as long as somebody is in it. */
static pid_t stay(void)
{
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

static void two_hosts(void)
{
	char own[64];
	int fd;

	xfrm_close(open_probed());
	stay();
	snprintf(own, sizeof(own), "/proc/self/ns/net");
	fd = open(own, O_RDONLY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	cr_assert_eq(unshare(CLONE_NEWNET), 0);
	pid_t there = stay();
	cr_assert_eq(setns(fd, CLONE_NEWNET), 0);
	ip("link add v0 type veth peer name v0 netns %d", (int)there);
	host_up(&a, 1);
	snprintf(own, sizeof(own), "/proc/%d/ns/net", (int)there);
	fd = open(own, O_RDONLY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	cr_assert_eq(setns(fd, CLONE_NEWNET), 0);
	host_up(&b, 2);
}

static void add_pair(uint32_t spi, const struct xfrm_sa *limits)
{
	struct xfrm_sa sa = sa_of(spi, "198.19.0.1", "198.19.0.2", XFRM_F_OUT | XFRM_F_ESN);

	if (limits) {
		sa.soft_packets = limits->soft_packets;
		sa.hard_packets = limits->hard_packets;
	}
	cr_assert_eq(xfrm_sa_add(a.x, &sa), 0);
	sa.soft_packets = sa.hard_packets = 0;
	sa.flags = XFRM_F_ESN;
	cr_assert_eq(xfrm_sa_add(b.x, &sa), 0);
}

static bool send_to(int fd, const char *to)
{
	const struct udp_addr u = { parse(to), 9999 };
	struct sockaddr_storage ss;
	socklen_t len = udp_addr_to_sockaddr(&u, &ss);

	return sendto(fd, "hello", 5, 0, (struct sockaddr *)&ss, len) == 5;
}

static bool arrives(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };
	char text[16];

	return poll(&p, 1, WAIT_MSEC) == 1 && recv(fd, text, sizeof(text), 0) == 5;
}

Test(xfrm, packets_of_both_families_in_one_tunnel)
{
	const struct addr dst = parse("198.19.0.2");
	struct xfrm_sa_info out, in;

	two_hosts();
	add_pair(0x5000, NULL);
	for (int i = 0; i < 10; i++) {
		cr_assert(send_to(a.sock[0], "10.9.0.2"));
		cr_assert(arrives(b.sock[0]), "%d", i);
		cr_assert(send_to(a.sock[1], "fd09::2"));
		cr_assert(arrives(b.sock[1]), "%d", i);
	}
	cr_assert_eq(xfrm_sa_get(a.x, &dst, 0x5000, &out), 0);
	cr_assert_eq(xfrm_sa_get(b.x, &dst, 0x5000, &in), 0);
	cr_assert_geq(out.packets, 20);
	cr_assert_eq(out.seq, out.packets);
	cr_assert_geq(out.octets, 10 * (33 + 53));
	cr_assert_gt(out.use_sec, 0);
	cr_assert(!out.last_used_sec || out.last_used_sec >= out.use_sec, "6.1 does not tell");
	cr_assert_eq(in.packets, out.packets);
	cr_assert_eq(in.seq, out.seq);
	cr_assert_gt(in.use_sec, 0);
	cr_assert_eq(in.left_behind + in.replayed + in.integrity_failed, 0);
	/* the way back has no state: nothing arrives, nothing leaves in clear */
	send_to(b.sock[0], "10.9.0.1");
	cr_assert_eq(xfrm_sa_get(a.x, &dst, 0x5000, &out), 0);
	cr_assert_eq(recv(a.sock[0], &out, sizeof(out), MSG_DONTWAIT), -1);
}

enum { SOFT, HARD, ACQUIRE, KINDS };

struct seen {
	unsigned n[KINDS];
	struct xfrm_event last[KINDS];
};

static void on_event(void *ctx, const struct xfrm_event *ev)
{
	int kind = ev->kind == XFRM_EV_ACQUIRE ? ACQUIRE : ev->hard ? HARD : SOFT;
	struct seen *s = ctx;

	cr_assert_eq(ev->if_id, IF_ID);
	s->n[kind]++;
	s->last[kind] = *ev;
}

/* Packets until one of that kind comes. */
static const struct xfrm_event *send_until(int kind, struct seen *s)
{
	for (int i = 0; !s->n[kind] && i < WAIT_MSEC / 20; i++) {
		struct pollfd p = { xfrm_events_fd(a.x), POLLIN, 0 };

		send_to(a.sock[0], "10.9.0.2");
		if (poll(&p, 1, 20) == 1)
			cr_assert_eq(xfrm_events_drain(a.x, on_event, s), 0);
	}
	cr_assert(s->n[kind]);
	return &s->last[kind];
}

Test(xfrm, limits_are_told)
{
	const struct xfrm_sa limits = { .soft_packets = 4, .hard_packets = 8 };
	const struct addr dst = parse("198.19.0.2"), inner = parse("10.9.0.2");
	const struct xfrm_event *ev;
	struct xfrm_sa_info info;
	struct seen s = { 0 };

	two_hosts();
	add_pair(0x6000, &limits);
	ev = send_until(SOFT, &s);
	cr_assert_eq(s.n[HARD], 0);
	cr_assert_eq(ev->spi, 0x6000);
	cr_assert(addr_equal(&ev->dst, &dst));
	cr_assert_eq(xfrm_sa_get(a.x, &dst, 0x6000, &info), 0);
	cr_assert_geq(info.packets, 4);
	ev = send_until(HARD, &s);
	cr_assert_eq(ev->spi, 0x6000);
	cr_assert_eq(s.n[SOFT], 1);
	cr_assert_eq(xfrm_sa_get(a.x, &dst, 0x6000, &info), -ESRCH);
	for (int i = 0; i < 8; i++)
		cr_assert(arrives(b.sock[0]), "%d", i);
	cr_assert_eq(xfrm_sa_get(b.x, &dst, 0x6000, &info), 0);
	cr_assert_eq(info.packets, 8, "not one more has left");

	/* and now there is none */
	ev = send_until(ACQUIRE, &s);
	cr_assert(addr_equal(&ev->dst, &dst), "of the tunnel");
	cr_assert(addr_equal(&ev->sel.dst, &inner), "of the packet");
	cr_assert_eq(states(a.x, IF_ID), 0, "the kernel's question is not a state");
	/* an answer */
	add_pair(0x6001, NULL);
	cr_assert(send_to(a.sock[0], "10.9.0.2"));
	cr_assert(arrives(b.sock[0]));
}

Test(xfrm, events_that_were_lost_are_told)
{
	struct seen s = { 0 };
	struct pollfd p;
	int size = 1, err;

	two_hosts();
	p = (struct pollfd){ xfrm_events_fd(a.x), POLLIN, 0 };
	cr_assert_eq(setsockopt(p.fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)), 0);
	for (uint32_t i = 0; i < 64; i++) {
		struct xfrm_sa sa = sa_of(0x7000 + i, "198.19.0.1", "198.19.0.2", XFRM_F_OUT);

		sa.soft_packets = 1;
		sa.hard_packets = 2;
		cr_assert_eq(xfrm_sa_add(a.x, &sa), 0);
		for (int k = 0; k < 4; k++)
			send_to(a.sock[0], "10.9.0.2");
	}
	cr_assert_eq(poll(&p, 1, WAIT_MSEC), 1);
	err = xfrm_events_drain(a.x, on_event, &s);
	cr_assert_eq(err, -ENOBUFS, "%d, %u soft, %u hard", err, s.n[SOFT], s.n[HARD]);
	/* told once for each time: it ends when no more come */
	while (xfrm_events_drain(a.x, on_event, &s) == -ENOBUFS)
		;
}
