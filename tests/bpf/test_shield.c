/* SPDX-License-Identifier: GPL-2.0-only */
/* The shield: which packets of the host go to the engine, which are not let in, what passes. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "harness.h"
#include "abi/shield.h"
#include "base/addr.h"
#include "shield.skel.h"

enum { UNSPEC = -1, SHOT = 2, REDIRECT = 7 };
enum { ICMP = 1, TCP = 6, UDP = 17, ESP = 50, ICMPV6 = 58, NEXT_DSTOPTS = 60 };

#define US    "198.18.0.1"
#define PEER  "198.18.0.2"
#define US6   "2001:db8::1"
#define PEER6 "2001:db8::2"

static struct shield *s;
static struct steer_shield *both;

static void start(void)
{
	int err;

	libbpf_set_print(NULL);
	if (geteuid() != 0)
		cr_skip_test("needs root (CAP_BPF, CAP_NET_ADMIN)");
	s = shield__open();
	cr_assert(s);
	err = shield__load(s);
	if (err == -EPERM)
		cr_skip_test("needs CAP_BPF and CAP_NET_ADMIN");
	cr_assert_eq(err, 0, "shield does not load: %s", strerror(-err));
	both = steer_shield__open();
	cr_assert(both);
	maps_share(s->obj, both->obj);
	err = steer_shield__load(both);
	cr_assert_eq(err, 0, "steer_shield does not load: %s", strerror(-err));
}

static void stop(void)
{
	shield__destroy(s);
	steer_shield__destroy(both);
}

TestSuite(shield, .init = start, .fini = stop);

static void device(uint32_t ifindex)
{
	uint32_t key = 0;

	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(s->maps.shield_dev), &key, &ifindex, BPF_ANY),
		     0);
}

/* One rule for the peer, all ports unless it has some. */
static void protect(const char *remote, struct shield_rule rule, const char *local)
{
	struct shield_peer peer = { .n = 1 };
	struct shield_key key = { 0 };
	struct addr a;

	cr_assert_eq(addr_parse(remote, &a), 0);
	key.family = a.family;
	memcpy(key.remote.b, a.b, 16);
	rule.any_local = !local;
	if (local) {
		cr_assert_eq(addr_parse(local, &a), 0);
		memcpy(rule.local.b, a.b, 16);
	}
	if (!rule.local_last)
		rule.local_last = UINT16_MAX;
	if (!rule.remote_last)
		rule.remote_last = UINT16_MAX;
	peer.rule[0] = rule;
	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(s->maps.shield), &key, &peer, BPF_ANY), 0);
}

/* Payload begins with these; a port is 2 octets of it, a type one. */
static size_t packet(uint8_t buf[PKT_MAX], bool out, int proto, uint16_t sport, uint16_t dport,
		     int family)
{
	const char *us = family == 4 ? US : US6, *peer = family == 4 ? PEER : PEER6;
	struct pkt p = { .family = family,
			 .proto = (uint8_t)proto,
			 .payload = 100,
			 .src = out ? us : peer,
			 .dst = out ? peer : us };
	size_t len = pkt_build(&p, buf), l4 = PKT_ETHER + (family == 4 ? 20u : 40u);

	buf[l4] = (uint8_t)(sport >> 8);
	buf[l4 + 1] = (uint8_t)sport;
	buf[l4 + 2] = (uint8_t)(dport >> 8);
	buf[l4 + 3] = (uint8_t)dport;
	return len;
}

/* The twin for devices without a link-layer header comes to the same, by a longer way here; so does
 * the program that steers beside it. */
static int out(const uint8_t *buf, size_t len)
{
	int verdict = run_tc(s->progs.shield_out, buf, len, 0, 0, 0).verdict;

	cr_assert_eq(run_tc(s->progs.shield_out_l3, buf, len, 0, 0, 0).verdict, verdict);
	return verdict;
}

static int in(const uint8_t *buf, size_t len)
{
	int verdict = run_tc(s->progs.shield_in, buf, len, 0, 0, 0).verdict;

	cr_assert_eq(run_tc(s->progs.shield_in_l3, buf, len, 0, 0, 0).verdict, verdict);
	cr_assert_eq(run_tc(both->progs.steer_in_shield, buf, len, 0, 0, 0).verdict, verdict);
	return verdict;
}

static int leaves(int proto, uint16_t sport, uint16_t dport, int family)
{
	uint8_t buf[PKT_MAX];
	size_t len = packet(buf, true, proto, sport, dport, family);

	return out(buf, len);
}

static int arrives(int proto, uint16_t sport, uint16_t dport, int family)
{
	uint8_t buf[PKT_MAX];
	size_t len = packet(buf, false, proto, sport, dport, family);

	return in(buf, len);
}

Test(shield, nobody_is_protected)
{
	device(1);
	cr_assert_eq(leaves(TCP, 1000, 80, 4), UNSPEC);
	cr_assert_eq(arrives(TCP, 80, 1000, 4), UNSPEC);
	cr_assert_eq(leaves(TCP, 1000, 80, 6), UNSPEC);
}

Test(shield, all_between_two_hosts)
{
	device(1);
	protect(PEER, (struct shield_rule){ 0 }, NULL);
	protect(PEER6, (struct shield_rule){ 0 }, US6);
	for (int family = 4; family <= 6; family += 2) {
		cr_assert_eq(leaves(TCP, 1000, 80, family), REDIRECT);
		cr_assert_eq(leaves(UDP, 1000, 4500, family), REDIRECT, "our port counts");
		cr_assert_eq(leaves(132, 1, 2, family), REDIRECT);
		cr_assert_eq(arrives(TCP, 80, 1000, family), SHOT);
		cr_assert_eq(arrives(UDP, 4500, 1000, family), SHOT);
		/* what makes protection possible */
		cr_assert_eq(leaves(ESP, 1, 1, family), UNSPEC);
		cr_assert_eq(leaves(UDP, 500, 500, family), UNSPEC);
		cr_assert_eq(leaves(UDP, 4500, 7, family), UNSPEC);
		cr_assert_eq(arrives(ESP, 1, 1, family), UNSPEC);
		cr_assert_eq(arrives(UDP, 500, 500, family), UNSPEC);
		cr_assert_eq(arrives(UDP, 7, 4500, family), UNSPEC);
	}
	/* RFC 4861: 133 to 137; echo is not */
	for (uint16_t type = 133; type <= 137; type++) {
		cr_assert_eq(leaves(ICMPV6, (uint16_t)(type << 8), 0, 6), UNSPEC);
		cr_assert_eq(arrives(ICMPV6, (uint16_t)(type << 8), 0, 6), UNSPEC);
	}
	cr_assert_eq(leaves(ICMPV6, 128 << 8, 0, 6), REDIRECT);
	cr_assert_eq(leaves(ICMPV6, 138 << 8, 0, 6), REDIRECT);
	cr_assert_eq(arrives(ICMPV6, 128 << 8, 0, 6), SHOT);
}

Test(shield, our_address_counts)
{
	device(1);
	protect(PEER, (struct shield_rule){ 0 }, "198.18.0.9");
	cr_assert_eq(leaves(TCP, 1000, 80, 4), UNSPEC);
	protect(PEER, (struct shield_rule){ 0 }, US);
	cr_assert_eq(leaves(TCP, 1000, 80, 4), REDIRECT);
}

Test(shield, protocol_and_ports)
{
	device(1);
	protect(PEER,
		(struct shield_rule){ .protocol = TCP, .remote_first = 80, .remote_last = 90 },
		NULL);
	cr_assert_eq(leaves(TCP, 1, 79, 4), UNSPEC);
	cr_assert_eq(leaves(TCP, 1, 80, 4), REDIRECT);
	cr_assert_eq(leaves(TCP, 1, 90, 4), REDIRECT);
	cr_assert_eq(leaves(TCP, 1, 91, 4), UNSPEC);
	cr_assert_eq(leaves(UDP, 1, 80, 4), UNSPEC);
	cr_assert_eq(arrives(TCP, 80, 1, 4), SHOT);
	cr_assert_eq(arrives(TCP, 1, 80, 4), UNSPEC);
}

/* A fragment without ports may belong to what is protected. IKE has some, too: by its socket. */
Test(shield, later_fragments)
{
	struct pkt p = {
		.family = 4, .proto = TCP, .frag = 100, .payload = 100, .src = US, .dst = PEER
	};
	uint8_t buf[PKT_MAX];
	size_t len;

	device(1);
	protect(PEER,
		(struct shield_rule){ .protocol = TCP, .remote_first = 80, .remote_last = 80 },
		NULL);
	len = pkt_build(&p, buf);
	cr_assert_eq(out(buf, len), REDIRECT);
	p.proto = UDP;
	len = pkt_build(&p, buf);
	cr_assert_eq(out(buf, len), UNSPEC);
	/* of those that come its first one is not let in */
	p = (struct pkt){
		.family = 4, .proto = TCP, .frag = 100, .payload = 100, .src = PEER, .dst = US
	};
	len = pkt_build(&p, buf);
	cr_assert_eq(in(buf, len), UNSPEC);
}

/* Behind extension headers anything may stand. */
Test(shield, extension_headers)
{
	device(1);
	protect(PEER6,
		(struct shield_rule){ .protocol = TCP, .remote_first = 80, .remote_last = 80 },
		NULL);
	cr_assert_eq(leaves(43, 1, 1, 6), REDIRECT);
	cr_assert_eq(leaves(60, 1, 1, 6), REDIRECT);
	cr_assert_eq(arrives(60, 1, 1, 6), SHOT);
	/* a fragment header is looked behind: next is UDP, first fragment */
	cr_assert_eq(leaves(44, UDP << 8, 0, 6), UNSPEC);
	cr_assert_eq(leaves(44, TCP << 8, 8, 6), REDIRECT);
}

/* An ICMP error quotes the packet that it is about. */
Test(shield, errors_about_what_is_protected)
{
	uint8_t buf[PKT_MAX], about[PKT_MAX];
	size_t len;

	device(1);
	protect(PEER, (struct shield_rule){ .protocol = UDP, .local_first = 7, .local_last = 7 },
		NULL);
	for (uint16_t port = 7; port <= 8; port++) {
		len = packet(buf, true, ICMP, 3 << 8 | 3, 0, 4);
		packet(about, false, UDP, 1000, port, 4);
		memcpy(buf + PKT_ETHER + 20 + 8, about + PKT_ETHER, 28);
		cr_assert_eq(out(buf, len), port == 7 ? REDIRECT : UNSPEC);
	}
	/* a question is none */
	buf[PKT_ETHER + 20] = 8;
	cr_assert_eq(out(buf, len), UNSPEC);
}

Test(shield, no_engine)
{
	device(0);
	protect(PEER, (struct shield_rule){ 0 }, NULL);
	cr_assert_eq(leaves(TCP, 1000, 80, 4), SHOT);
	cr_assert_eq(leaves(UDP, 500, 500, 4), UNSPEC);
}

/* All places of a peer are looked at, and none behind them. */
Test(shield, many_rules)
{
	struct shield_peer peer = { .n = SHIELD_RULES_MAX };
	struct shield_key key = { .family = 4, .remote.b = { 198, 18, 0, 2 } };
	int fd = bpf_map__fd(s->maps.shield);

	device(1);
	for (uint16_t i = 0; i < SHIELD_RULES_MAX; i++)
		peer.rule[i] = (struct shield_rule){ .any_local = 1,
						     .protocol = TCP,
						     .local_last = UINT16_MAX,
						     .remote_first = (uint16_t)(100 + i),
						     .remote_last = (uint16_t)(100 + i) };
	cr_assert_eq(bpf_map_update_elem(fd, &key, &peer, BPF_ANY), 0);
	cr_assert_eq(leaves(TCP, 1, 100 + SHIELD_RULES_MAX - 1, 4), REDIRECT);
	peer.n--;
	cr_assert_eq(bpf_map_update_elem(fd, &key, &peer, BPF_ANY), 0);
	cr_assert_eq(leaves(TCP, 1, 100 + SHIELD_RULES_MAX - 1, 4), UNSPEC);
	cr_assert_eq(leaves(TCP, 1, 100 + SHIELD_RULES_MAX - 2, 4), REDIRECT);
}

/* Link-layer addresses are no IP header, whatever they look like, also where none are expected. */
Test(shield, link_layer_header)
{
	uint8_t buf[PKT_MAX];
	size_t len;

	device(1);
	protect(PEER, (struct shield_rule){ 0 }, NULL);
	for (int i = 0; i < 2; i++) {
		len = packet(buf, !i, TCP, 80, 80, 4);
		buf[0] = 0x45;
		buf[6] = buf[7] = 0;
		buf[9] = ESP;
		cr_assert_eq(i ? in(buf, len) : out(buf, len), i ? SHOT : REDIRECT);
	}
}

/* What looks like ESP's or IKE's headers at the place where those nearly always are, and is not. */
Test(shield, not_the_headers_they_seem)
{
	struct pkt later = { .family = 4, .proto = UDP, .frag = 100, .payload = 100 };
	uint8_t buf[PKT_MAX];
	size_t len;

	device(1);
	protect(PEER, (struct shield_rule){ 0 }, NULL);
	protect(PEER6, (struct shield_rule){ 0 }, NULL);
	later.src = US;
	later.dst = PEER;
	len = pkt_build(&later, buf);
	buf[PKT_ETHER + 20] = 4500 >> 8; /* payload, no port */
	buf[PKT_ETHER + 21] = 4500 & 0xff;
	cr_assert_eq(out(buf, len), REDIRECT);
	len = packet(buf, true, UDP, 7, 7, 4);
	buf[PKT_ETHER] = 0x46; /* that many options: ports are behind them */
	buf[PKT_ETHER + 20] = 4500 >> 8;
	buf[PKT_ETHER + 21] = 4500 & 0xff;
	cr_assert_eq(out(buf, len), REDIRECT);
	len = packet(buf, true, NEXT_DSTOPTS, 4500, 0, 6);
	cr_assert_eq(out(buf, len), REDIRECT);
}
