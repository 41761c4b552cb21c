/* SPDX-License-Identifier: GPL-2.0-only */
/* steer_xdp and its tc twins: the same packets through each, the same outcome. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "harness.h"

enum { SPI = 0x12300007, INDEX = 7, PASS = 1, DROP = 2, LO = 1, PATH = 4 };

static const char *const remote4 = "203.0.113.9", *const local4 = "192.0.2.1";
static const char *const remote6 = "2001:db8:9::9", *const local6 = "2001:db8::1";

static struct env env;
static uint8_t pkt[PKT_MAX];
static uint64_t n_events;
static struct steer_event last_event;

enum entry { ENTRY_XDP, ENTRY_TC };
static const enum entry entries[] = { ENTRY_XDP, ENTRY_TC };

static int on_event(void *ctx, void *data, size_t len)
{
	(void)ctx;
	cr_assert_eq(len, sizeof(last_event));
	memcpy(&last_event, data, len);
	n_events++;
	return 0;
}

static void drain_events(void)
{
	struct ring_buffer *rb =
		ring_buffer__new(bpf_map__fd(env.tc->maps.events), on_event, NULL, NULL);

	cr_assert(rb);
	ring_buffer__consume(rb);
	ring_buffer__free(rb);
}

static void setup(uint8_t family, uint8_t flags)
{
	if (!env.tc)
		env_open(&env);
	put_sa_in(&env, SPI, 100, family, flags);
	put_rx_path(&env, LO, 4, local4, remote4, PATH);
	put_rx_path(&env, LO, 6, local6, remote6, PATH);
}

static void teardown(void)
{
	env_close(&env);
}

TestSuite(in, .fini = teardown);

/* Verdict as PASS or DROP whatever the entry's own numbers are. */
static struct run in(enum entry e, const uint8_t *buf, size_t len)
{
	struct run r;

	if (e == ENTRY_XDP) {
		r = run_xdp(env.xdp->progs.steer_xdp, buf, len);
		r.verdict = r.verdict == 2 ? PASS : r.verdict == 1 ? DROP : -1;
	} else {
		r = run_tc(env.xdp->progs.steer_in, buf, len, 0, 0, 0);
		r.verdict = r.verdict == -1 ? PASS : r.verdict == 2 ? DROP : -2;
	}
	return r;
}

static struct run in_pkt(enum entry e, struct pkt p, size_t *ret_len)
{
	p.src = p.src ?: p.family == 4 ? remote4 : remote6;
	p.dst = p.dst ?: p.family == 4 ? local4 : local6;
	p.spi = p.spi ?: SPI;
	*ret_len = pkt_build(&p, pkt);
	return in(e, pkt, *ret_len);
}

static struct pkt forms[] = {
	{ .family = 4, .payload = 100 },
	{ .family = 4, .udp = true, .payload = 100 },
	{ .family = 4, .udp = true, .no_check = true, .payload = 31 },
	{ .family = 4, .udp = true, .options = 8, .payload = 100 },
	{ .family = 4, .options = 40, .payload = 60 },
	{ .family = 4, .vlan = 12, .udp = true, .payload = 100 },
	{ .family = 6, .payload = 100 },
	{ .family = 6, .udp = true, .payload = 99 },
	{ .family = 6, .vlan = 4094, .payload = 100 },
	{ .family = 4, .udp = true, .sport = 61234, .payload = 100 }, /* from behind a NAT */
	{ .family = 4, .udp = true, .frag = 0x4000 },		      /* DF is no fragment */
};

ParameterizedTestParameters(in, ours)
{
	return cr_make_param_array(struct pkt, forms, sizeof(forms) / sizeof(*forms));
}

/* A known SPI: counted for its path and SA, not a byte changed. */
ParameterizedTest(struct pkt *f, in, ours)
{
	uint64_t n = 0, octets = 0;

	setup(4, 0);
	for (size_t i = 0; i < 2; i++) {
		size_t len;
		struct run r = in_pkt(entries[i], *f, &len);

		cr_assert_eq(r.verdict, PASS);
		cr_assert_eq(r.len, len);
		cr_assert_arr_eq(r.out, pkt, len);
		n++;
		octets += len - PKT_ETHER - (f->vlan ? 4 : 0);
	}
	cr_assert_eq(get_path_stat(&env, PATH).rx_packets, n);
	cr_assert_eq(get_path_stat(&env, PATH).rx_octets, octets);
	cr_assert_neq(get_path_stat(&env, PATH).rx_last_nsec, 0);
	cr_assert_eq(get_sa_stat(&env, INDEX).in_packets, n);
	cr_assert_eq(get_sa_stat(&env, INDEX).in_octets, octets);
	cr_assert_eq(get_drops_all(&env), 0);
	drain_events();
	cr_assert_eq(n_events, 0);
}

ParameterizedTestParameters(in, restored)
{
	static struct pkt some[] = {
		{ .family = 4, .payload = 100 },
		{ .family = 4, .udp = true, .sport = 61234, .payload = 100 },
		{ .family = 4, .udp = true, .no_check = true },
		{ .family = 4, .udp = true, .vlan = 3, .options = 12, .payload = 9 },
		{ .family = 6, .payload = 100 },
		{ .family = 6, .udp = true, .payload = 99 },
	};

	return cr_make_param_array(struct pkt, some, sizeof(some) / sizeof(*some));
}

/* Where the SA asks for it, the stable pair is back and every checksum is right. */
ParameterizedTest(struct pkt *f, in, restored)
{
	const char *st_src = f->family == 4 ? "198.18.0.2" : "fd00:6272:6169:6400::2";
	const char *st_dst = f->family == 4 ? "198.18.0.1" : "fd00:6272:6169:6400::1";
	uint8_t flags = STEER_SA_RESTORE_DST | (f->udp ? STEER_SA_ENCAP : 0);

	for (int both = 0; both < 2; both++) {
		setup(f->family, flags | (both ? STEER_SA_RESTORE_SRC : 0));
		for (size_t i = 0; i < 2; i++) {
			size_t len;
			struct run r = in_pkt(entries[i], *f, &len);

			cr_assert_eq(r.verdict, PASS);
			cr_assert_eq(r.len, len);
			cr_assert(pkt_has_addrs(r.out,
						both		 ? st_src
						: f->family == 4 ? remote4
								 : remote6,
						st_dst));
			cr_assert(pkt_sums_ok(r.out, r.len));
			cr_assert_arr_eq(r.out + len - f->payload - 8, pkt + len - f->payload - 8,
					 f->payload + 8);
			if (f->udp)
				cr_assert_arr_eq(r.out + len - f->payload - 16, "\x11\x94\x11\x94",
						 4);
		}
	}
}

/* A pair of the other version cannot be restored here: dropped, with the reason. */
Test(in, restore_other_family)
{
	size_t len;

	setup(6, STEER_SA_RESTORE_DST);
	for (size_t i = 0; i < 2; i++)
		cr_assert_eq(in_pkt(entries[i], (struct pkt){ .family = 4 }, &len).verdict, DROP);
	cr_assert_eq(get_drop(&env, DROP_FAMILY), 2);
}

/* What is not ours passes, unchanged and uncounted; so do fragments, which the kernel puts together
 * before anybody takes them for ESP: [ESP-11] */
Test(in, others_pass)
{
	const struct pkt other[] = {
		{ .family = 4, .proto = 6, .payload = 60 }, /* TCP */
		{ .family = 4, .proto = 1, .payload = 60 }, /* ICMP */
		{ .family = 6, .proto = 58, .payload = 60 },
		{ .family = 6, .proto = 44, .payload = 60 }, /* fragment header */
		{ .family = 4, .udp = true, .dport = 53, .payload = 60 },
		{ .family = 4, .udp = true, .dport = 500, .payload = 60 },
		{ .family = 4, .udp = true, .frag = 0x2000, .payload = 64 },
		{ .family = 4, .udp = true, .frag = 0x0064, .payload = 64 },
		{ .family = 4, .frag = 0x2064, .payload = 64 },
	};

	setup(4, 0);
	for (size_t k = 0; k < sizeof(other) / sizeof(*other); k++) {
		for (size_t i = 0; i < 2; i++) {
			size_t len;
			struct run r = in_pkt(entries[i], other[k], &len);

			cr_assert_eq(r.verdict, PASS, "%zu", k);
			cr_assert_arr_eq(r.out, pkt, len);
		}
	}
	cr_assert_eq(get_drops_all(&env), 0);
	cr_assert_eq(get_path_stat(&env, PATH).rx_packets, 0);
}

/* RFC 3948 2.2, 2.3: IKE behind the non-ESP marker and keepalives on the same port. */
Test(in, ike_and_keepalive_pass)
{
	size_t len;

	setup(4, 0);
	for (size_t i = 0; i < 2; i++) {
		len = pkt_build(&(struct pkt){ .family = 4,
					       .udp = true,
					       .payload = 60,
					       .src = remote4,
					       .dst = local4 },
				pkt);
		memset(pkt + PKT_ETHER + 28, 0, 4);
		cr_assert_eq(in(entries[i], pkt, len).verdict, PASS);
		pkt[PKT_ETHER + 25] = 9; /* UDP length: one octet */
		cr_assert_eq(in(entries[i], pkt, PKT_ETHER + 29).verdict, PASS);
	}
	cr_assert_eq(get_drops_all(&env), 0);
}

/* Somebody else's ESP: counted, passed on, reported at most once per interval. */
Test(in, unknown_spi)
{
	size_t len;

	setup(4, 0);
	for (size_t i = 0; i < 2; i++) {
		struct pkt p = { .family = 4, .udp = i, .spi = 0x77700000 + INDEX + 1 };

		cr_assert_eq(in_pkt(entries[i], p, &len).verdict, PASS);
		p.spi = 0x777fffff; /* index beyond the table */
		cr_assert_eq(in_pkt(entries[i], p, &len).verdict, PASS);
	}
	cr_assert_eq(get_drop(&env, DROP_UNKNOWN_SPI), 4);
	drain_events();
	cr_assert(n_events >= 1 && n_events <= 4);
	cr_assert_eq(last_event.kind, STEER_EV_UNKNOWN_SPI);
}

/* The SPI of a deleted SA whose index is in use again: ours on our port, so dropped; plain ESP may
 * be the kernel's. */
Test(in, stale_spi)
{
	size_t len;

	setup(4, 0);
	for (size_t i = 0; i < 2; i++) {
		struct pkt p = { .family = 4, .udp = true, .spi = SPI ^ 0x00100000 };

		cr_assert_eq(in_pkt(entries[i], p, &len).verdict, DROP);
		p.udp = false;
		cr_assert_eq(in_pkt(entries[i], p, &len).verdict, PASS);
	}
	cr_assert_eq(get_drop(&env, DROP_STALE_SPI), 4);
	cr_assert_eq(get_sa_stat(&env, INDEX).in_packets, 0);
}

/* A known SPI from an address no path has: still counted for the SA; a hint goes to the agent. */
Test(in, new_source)
{
	struct in_addr want;
	size_t len;

	setup(4, 0);
	cr_assert_eq(
		in_pkt(ENTRY_XDP,
		       (struct pkt){
			       .family = 4, .udp = true, .sport = 777, .src = "198.51.100.77" },
		       &len)
			.verdict,
		PASS);
	cr_assert_eq(get_sa_stat(&env, INDEX).in_packets, 1);
	cr_assert_eq(get_path_stat(&env, PATH).rx_packets, 0);
	drain_events();
	cr_assert_eq(n_events, 1);
	cr_assert_eq(last_event.kind, STEER_EV_NEW_SOURCE);
	cr_assert_eq(last_event.spi, SPI);
	cr_assert_eq(last_event.family, 4);
	cr_assert_eq(ntohs(last_event.sport), 777);
	inet_pton(AF_INET, "198.51.100.77", &want);
	cr_assert_arr_eq(last_event.src.b, &want, 4);
	/* a flood of them does not fill the ring */
	for (int i = 0; i < 1000; i++)
		in_pkt(ENTRY_XDP, (struct pkt){ .family = 4, .udp = true, .src = "198.51.100.77" },
		       &len);
	n_events = 0;
	drain_events();
	cr_assert_lt(n_events, 100);
}

/* Cut at every length (tc: with a whole IP header, a test run has no less): dropped only where it
 * is ESP by what is left, never counted for SA or path before the SPI is there. */
ParameterizedTestParameters(in, truncated)
{
	return cr_make_param_array(struct pkt, forms, sizeof(forms) / sizeof(*forms));
}

ParameterizedTest(struct pkt *f, in, truncated)
{
	setup(4, 0);
	for (size_t i = 0; i < 2; i++) {
		struct pkt p = *f;
		size_t len, head, ip, known;
		uint64_t before = get_sa_stat(&env, INDEX).in_packets;

		in_pkt(entries[i], p, &len);
		head = len - p.payload;
		ip = PKT_ETHER + (p.vlan ? 4 : 0) + (p.family == 4 ? 20 : 40);
		known = p.udp ? head - 8 : ip;
		for (size_t n = entries[i] == ENTRY_XDP ? PKT_ETHER : ip; n < head; n++) {
			uint64_t bad = get_drop(&env, DROP_BAD_PACKET);
			bool dropped = n >= known;

			cr_assert_eq(in(entries[i], pkt, n).verdict, dropped ? DROP : PASS,
				     "at %zu", n);
			cr_assert_eq(get_drop(&env, DROP_BAD_PACKET), bad + dropped);
			cr_assert_eq(get_sa_stat(&env, INDEX).in_packets, before + 1, "at %zu", n);
		}
	}
}

/* Lengths in the headers that contradict each other. */
Test(in, contradicting_lengths)
{
	size_t len;

	setup(4, 0);
	for (size_t i = 0; i < 2; i++) {
		in_pkt(entries[i], (struct pkt){ .family = 4, .udp = true, .payload = 60 }, &len);
		pkt[PKT_ETHER + 2] = 0;
		pkt[PKT_ETHER + 3] = 30; /* IP says 30 octets */
		cr_assert_eq(in(entries[i], pkt, len).verdict, DROP);
	}
	cr_assert_eq(get_drop(&env, DROP_BAD_PACKET), 2);
}

/* A device without link-layer header (a modem): the same from the IP header on. */
Test(in, no_ethernet_header)
{
	for (int family = 4; family <= 6; family += 2) {
		struct pkt p = { .family = family,
				 .udp = true,
				 .no_ether = true,
				 .spi = SPI,
				 .payload = 64,
				 .src = family == 4 ? remote4 : remote6,
				 .dst = family == 4 ? local4 : local6 };
		size_t len;

		setup(4, 0);
		len = pkt_build(&p, pkt);
		cr_assert_eq(run_tc(env.xdp->progs.steer_in_l3, pkt, len, 0, 0, 0).verdict, -1);
		cr_assert_eq(get_path_stat(&env, PATH).rx_packets, family == 4 ? 1 : 2);
	}
}

/* GRO made one of several: counted as they were on the wire. */
Test(in, super_packet)
{
	size_t len;

	setup(4, 0);
	len = pkt_build(&(struct pkt){ .family = 4,
				       .udp = true,
				       .spi = SPI,
				       .payload = 1492,
				       .src = remote4,
				       .dst = local4 },
			pkt);
	run_tc(env.xdp->progs.steer_in, pkt, len, 0, 3, 500);
	cr_assert_eq(get_path_stat(&env, PATH).rx_packets, 3);
	cr_assert_eq(get_path_stat(&env, PATH).rx_octets, 3 * 28 + 1500);
	cr_assert_eq(get_sa_stat(&env, INDEX).in_packets, 3);
}
