/* SPDX-License-Identifier: GPL-2.0-only */
/* The steering of ESP that is the kernel's, to the octet: into UDP and out of it again, the stable
 * destination, both IP versions; through steer_xdp and steer_in alike. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>
#include <unistd.h>

#include "abi/hold.h"
#include "harness.h"

enum { SPI = 0x12300007, INDEX = 7, PASS = 1, DROP = 2, SHOT = 2, REDIRECT = 7, LO = 1 };
enum { SA = 5, GROUP = 3 };

static struct env env;
static uint8_t pkt[PKT_MAX], want[PKT_MAX];

static void teardown(void)
{
	env_close(&env);
}

TestSuite(kernel, .fini = teardown);

/* ---- inbound ---- */

static const char *const stable4[] = { "198.18.0.2", "198.18.0.1" };
static const char *const stable6[] = { "fd00:6272:6169:6400::2", "fd00:6272:6169:6400::1" };

static void put_kernel_sa(uint8_t family, uint8_t flags)
{
	struct steer_sa_in sa = {
		.spi = SPI, .sa_id = 1, .owner = STEER_OWNER_KERNEL, .family = family
	};
	uint32_t index = INDEX;
	int af = family == 4 ? AF_INET : AF_INET6;

	sa.flags = flags;
	inet_pton(af, family == 4 ? stable4[0] : stable6[0], sa.src.b);
	inet_pton(af, family == 4 ? stable4[1] : stable6[1], sa.dst.b);
	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(env.tc->maps.sa_in), &index, &sa, BPF_ANY), 0);
}

/* Verdict as PASS or DROP whatever the entry's own numbers are. */
static struct run in(bool xdp, const uint8_t *buf, size_t len)
{
	struct run r = xdp ? run_xdp(env.xdp->progs.steer_xdp, buf, len)
			   : run_tc(env.xdp->progs.steer_in, buf, len, 0, 0, 0);

	if (xdp)
		r.verdict = r.verdict == 2 ? PASS : r.verdict == 1 ? DROP : -1;
	else
		r.verdict = r.verdict == -1 ? PASS : r.verdict == 2 ? DROP : -2;
	return r;
}

struct way {
	struct pkt p;	/* as it comes */
	uint8_t family; /* of the stable pair */
	uint8_t flags;
};

static struct way ways[] = {
	{ { .family = 4, .payload = 100 }, 4, STEER_SA_RESTORE_DST },
	{ { .family = 4, .payload = 1300, .frag = 0x4000 }, 4, STEER_SA_RESTORE_DST },
	{ { .family = 4, .payload = 100 }, 4, STEER_SA_RESTORE_DST | STEER_SA_RESTORE_SRC },
	{ { .family = 4, .udp = true, .payload = 100 }, 4, STEER_SA_RESTORE_DST },
	{ { .family = 4, .udp = true, .no_check = true }, 4, STEER_SA_RESTORE_DST },
	{ { .family = 4, .udp = true, .sport = 61234, .payload = 1401 }, 4, STEER_SA_RESTORE_DST },
	{ { .family = 4, .udp = true, .frag = 0x4000, .payload = 7 }, 4, STEER_SA_RESTORE_DST },
	{ { .family = 4, .udp = true, .payload = 40 },
	  4,
	  STEER_SA_RESTORE_DST | STEER_SA_RESTORE_SRC },
	{ { .family = 6, .payload = 100 }, 6, STEER_SA_RESTORE_DST },
	{ { .family = 6, .udp = true, .payload = 99 }, 6, STEER_SA_RESTORE_DST },
	{ { .family = 6, .udp = true, .payload = 1300 },
	  6,
	  STEER_SA_RESTORE_DST | STEER_SA_RESTORE_SRC },
};

ParameterizedTestParameters(kernel, taken_out_of_udp)
{
	return cr_make_param_array(struct way, ways, sizeof(ways) / sizeof(*ways));
}

enum { RX_PATH = 9 };

/* The same packet as if it had been sent so: protocol 50, to the stable destination; whether it is
 * known on which path it came, known at once, or not. */
ParameterizedTest(struct way *w, kernel, taken_out_of_udp)
{
	uint64_t ip_len;
	const char *const *stable = w->family == 4 ? stable4 : stable6;
	struct pkt p = w->p, q;
	size_t len, want_len;

	env_open_kernel(&env);
	put_kernel_sa(w->family, w->flags);
	p.spi = SPI;
	p.src = p.family == 4 ? "203.0.113.9" : "2001:db8:9::9";
	p.dst = p.family == 4 ? "192.0.2.1" : "2001:db8::1";
	len = pkt_build(&p, pkt);
	q = p;
	q.udp = false;
	q.dst = stable[1];
	if (w->flags & STEER_SA_RESTORE_SRC)
		q.src = stable[0];
	want_len = pkt_build(&q, want);
	ip_len = len - PKT_ETHER;
	for (int i = 0; i < 6; i++) {
		bool xdp = i & 1;
		struct run r;

		if (i == 2)
			put_rx_path(&env, LO, p.family, p.dst, p.src, RX_PATH);
		if (i == 4)
			put_rx_hint(&env, LO, p.family, p.dst, p.src, RX_PATH);
		r = in(xdp, pkt, len);
		cr_assert_eq(r.verdict, PASS, "%s", xdp ? "xdp" : "tc");
		cr_assert_eq(r.len, want_len);
		cr_assert_arr_eq(r.out, want, want_len);
		cr_assert(pkt_sums_ok(r.out, r.len));
	}
	cr_assert_eq(get_path_stat(&env, RX_PATH).rx_packets, 4);
	cr_assert_eq(get_path_stat(&env, RX_PATH).rx_octets, 4 * ip_len);
	cr_assert_eq(get_sa_stat(&env, INDEX).in_packets, 0); /* XFRM's counters are enough */
	cr_assert_eq(get_drops_all(&env), 0);
}

/* The clock is looked at once a tick: what comes in a later one is later. */
Test(kernel, last_sign_of_life)
{
	struct pkt p = { .family = 4, .payload = 100, .spi = SPI };
	uint64_t was, is;
	size_t len;

	env_open_kernel(&env);
	put_kernel_sa(4, STEER_SA_RESTORE_DST);
	p.src = "203.0.113.9";
	p.dst = "192.0.2.1";
	put_rx_hint(&env, LO, 4, p.dst, p.src, RX_PATH);
	len = pkt_build(&p, pkt);
	for (int xdp = 0; xdp < 2; xdp++) {
		cr_assert_eq(in(xdp, pkt, len).verdict, PASS);
		was = get_path_stat(&env, RX_PATH).rx_last_nsec;
		usleep(50000);
		cr_assert_eq(in(xdp, pkt, len).verdict, PASS);
		is = get_path_stat(&env, RX_PATH).rx_last_nsec;
		cr_assert(is > was && is - was > 20000000, "%lu, then %lu", was, is);
	}
}

/* ---- before its SA is there ---- */

static struct hold_packet waits;
static unsigned n_waits;

static int on_held(void *ctx, void *data, size_t len)
{
	(void)ctx;
	cr_assert_eq(len, sizeof(waits));
	memcpy(&waits, data, sizeof(waits));
	n_waits++;
	return 0;
}

static void await(uint32_t spi)
{
	uint32_t one = 1;

	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(env.tc->maps.awaited), &spi, &one, BPF_ANY),
		     0);
}

/* What the agent gets is ESP from its header on, in UDP or not; the stack gets nothing. */
ParameterizedTestParameters(kernel, awaited)
{
	return cr_make_param_array(struct way, ways, sizeof(ways) / sizeof(*ways));
}

ParameterizedTest(struct way *w, kernel, awaited)
{
	struct ring_buffer *ring;
	struct pkt p = w->p;
	size_t len, at;

	env_open_kernel(&env);
	await(SPI);
	ring = ring_buffer__new(bpf_map__fd(env.tc->maps.held), on_held, NULL, NULL);
	cr_assert(ring);
	p.spi = SPI;
	p.src = p.family == 4 ? "203.0.113.9" : "2001:db8:9::9";
	p.dst = p.family == 4 ? "192.0.2.1" : "2001:db8::1";
	len = pkt_build(&p, pkt);
	if (p.family == 4) {
		pkt[PKT_ETHER + 1] = 0xba;
	} else {
		pkt[PKT_ETHER] = 0x6b;
		pkt[PKT_ETHER + 1] = 0xa0;
	}
	at = PKT_ETHER + (p.family == 4 ? 20 : 40) + (p.udp ? 8 : 0);
	for (unsigned xdp = 0; xdp < 2; xdp++) {
		cr_assert_eq(in(xdp, pkt, len).verdict, DROP);
		ring_buffer__consume(ring);
		cr_assert_eq(n_waits, xdp + 1, "%s", xdp ? "xdp" : "tc");
		cr_assert_eq(waits.spi, SPI);
		cr_assert_eq(waits.tos, 0xba);
		cr_assert_eq(waits.len, len - at);
		cr_assert_arr_eq(waits.octets, pkt + at, waits.len);
	}
	put_kernel_sa(4, 0); /* what is shown is awaited no more, whoever forgot to say so */
	cr_assert_eq(in(false, pkt, len).verdict, PASS);
	ring_buffer__consume(ring);
	cr_assert_eq(n_waits, 2);
	ring_buffer__free(ring);
}

/* A ring that is full takes no more. */
Test(kernel, awaited_by_many)
{
	struct pkt p = { .family = 4, .payload = 100, .spi = SPI };
	struct ring_buffer *ring;
	size_t len;

	env_open_kernel(&env);
	await(SPI);
	ring = ring_buffer__new(bpf_map__fd(env.tc->maps.held), on_held, NULL, NULL);
	cr_assert(ring);
	p.src = "203.0.113.9";
	p.dst = "192.0.2.1";
	len = pkt_build(&p, pkt);
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(in(i & 1, pkt, len).verdict, DROP);
	ring_buffer__consume(ring);
	cr_assert_eq(get_drop(&env, DROP_UNKNOWN_SPI), 1000 - n_waits);
	cr_assert(n_waits > 200 && n_waits <= HOLD_RING / sizeof(waits), "%u", n_waits);
	ring_buffer__free(ring);
}

static struct way mixed[] = {
	{ { .family = 6, .payload = 100 }, 4, STEER_SA_RESTORE_DST },
	{ { .family = 6, .udp = true, .payload = 99 }, 4, STEER_SA_RESTORE_DST },
	{ { .family = 4, .payload = 100 }, 6, STEER_SA_RESTORE_DST },
	{ { .family = 4, .udp = true, .payload = 1200 }, 6, STEER_SA_RESTORE_DST },
	{ { .family = 4, .udp = true, .no_check = true }, 6, STEER_SA_RESTORE_DST },
};

ParameterizedTestParameters(kernel, of_the_other_version)
{
	return cr_make_param_array(struct way, mixed, sizeof(mixed) / sizeof(*mixed));
}

/* A path of the other IP version: the whole stable pair, traffic class and hop limit kept. */
ParameterizedTest(struct way *w, kernel, of_the_other_version)
{
	struct pkt p = w->p;
	size_t len, hl = w->family == 4 ? 20 : 40, esp = 8 + p.payload;

	env_open_kernel(&env);
	put_kernel_sa(w->family, w->flags);
	p.spi = SPI;
	len = pkt_build(&p, pkt);
	for (int xdp = 0; xdp < 2; xdp++) {
		struct run r = in(xdp, pkt, len);
		const uint8_t *ip = r.out + PKT_ETHER;

		cr_assert_eq(r.verdict, PASS, "%s", xdp ? "xdp" : "tc");
		cr_assert_eq(r.len, PKT_ETHER + hl + esp);
		cr_assert_arr_eq(r.out, pkt, 12);
		cr_assert_arr_eq(r.out + 12, w->family == 4 ? "\x08\x00" : "\x86\xdd", 2);
		cr_assert(w->family == 4 ? pkt_has_addrs(r.out, stable4[0], stable4[1])
					 : pkt_has_addrs(r.out, stable6[0], stable6[1]));
		cr_assert_arr_eq(ip + hl, pkt + len - esp, esp);
		cr_assert(pkt_sums_ok(r.out, r.len));
		if (w->family == 4) {
			cr_assert_arr_eq(ip, "\x45\xb8", 2);
			cr_assert_eq(ip[2] << 8 | ip[3], 20 + esp);
			cr_assert_arr_eq(ip + 6, "\x40\x00\x40\x32", 4); /* DF, 64 hops, ESP */
		} else {
			cr_assert_arr_eq(ip, "\x6b\x80\x00\x00", 4);
			cr_assert_eq(ip[4] << 8 | ip[5], esp);
			cr_assert_arr_eq(ip + 6, "\x32\x40", 2);
		}
	}
	cr_assert_eq(get_drops_all(&env), 0);
}

/* IKE and keepalives on the same port, and what is no ESP at all: not an octet changes. */
Test(kernel, ike_is_left_alone)
{
	struct pkt some[] = {
		{ .family = 4, .udp = true, .payload = 100 }, /* SPI 0: the marker */
		{ .family = 6, .udp = true, .payload = 100 },
		{ .family = 4, .udp = true, .dport = 4501, .spi = SPI, .payload = 100 },
		{ .family = 4, .proto = 6, .spi = SPI, .payload = 100 },
	};
	uint8_t alive[] = { 0x11, 0x94, 0x11, 0x94, 0, 9, 0, 0, 0xff };

	env_open_kernel(&env);
	put_kernel_sa(4, STEER_SA_RESTORE_DST);
	for (size_t i = 0; i < sizeof(some) / sizeof(*some); i++) {
		size_t len = pkt_build(&some[i], pkt), at = some[i].family == 4 ? 34 : 54;

		if (!some[i].spi)
			memset(pkt + at + 8, 0, 4);
		for (int xdp = 0; xdp < 2; xdp++) {
			struct run r = in(xdp, pkt, len);

			cr_assert_eq(r.verdict, PASS);
			cr_assert_eq(r.len, len);
			cr_assert_arr_eq(r.out, pkt, len);
		}
	}
	pkt_build(&some[0], pkt);
	pkt[PKT_ETHER + 3] = 29;
	memcpy(pkt + 34, alive, sizeof(alive));
	for (int xdp = 0; xdp < 2; xdp++) {
		struct run r = in(xdp, pkt, 34 + sizeof(alive));

		cr_assert_eq(r.verdict, PASS);
		cr_assert_arr_eq(r.out, pkt, 34 + sizeof(alive));
	}
	cr_assert_eq(get_drops_all(&env), 0);
}

static void dropped(struct pkt p, int udp_len, uint32_t segs, enum drop_reason why)
{
	size_t len = pkt_build(&p, pkt), at = PKT_ETHER + (p.family == 4 ? 20 : 40);
	uint64_t before = get_drop(&env, why), all = get_drops_all(&env);
	struct run r;

	if (udp_len) {
		pkt[at + 4] = (uint8_t)(udp_len >> 8);
		pkt[at + 5] = (uint8_t)udp_len;
	}
	r = run_tc(env.xdp->progs.steer_in, pkt, len, 0, segs, segs ? 100 : 0);
	cr_assert_eq(r.verdict, SHOT);
	cr_assert_eq(get_drop(&env, why), before + 1);
	cr_assert_eq(get_drops_all(&env), all + 1);
	if (segs)
		return;
	r = in(true, pkt, len);
	cr_assert_eq(r.verdict, DROP);
	cr_assert_eq(get_drop(&env, why), before + 2);
}

/* What cannot be done is not done by half. */
Test(kernel, refused_inbound)
{
	struct pkt p = { .family = 4, .udp = true, .spi = SPI, .payload = 200 };

	env_open_kernel(&env);
	put_kernel_sa(4, STEER_SA_RESTORE_DST);
	dropped(p, 8 + 8 + 199, 0, DROP_BAD_PACKET); /* something is left over behind it */
	dropped(p, 8 + 8 + 201, 0, DROP_BAD_PACKET); /* more than there is */
	dropped(p, 0, 2, DROP_REWRITE);		     /* several in one */
	p.options = 8;
	dropped(p, 0, 0, DROP_BAD_PACKET);
	p.options = 0;
	p.vlan = 12;
	dropped(p, 0, 0, DROP_REWRITE);
	p = (struct pkt){ .family = 6, .udp = true, .spi = SPI, .payload = 200 };
	dropped(p, 8 + 8 + 199, 0, DROP_BAD_PACKET);
	p.vlan = 12;
	dropped(p, 0, 0, DROP_FAMILY);
}

/* ---- outbound ---- */

static void classified(bool is)
{
	struct steer_intake in = { .classified = is };
	uint32_t key = 0;

	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(env.tc->maps.intake), &key, &in, BPF_ANY), 0);
}

/* Paths 1..n of one IP version, all up; of the group's flow slots each n-th goes by the n-th. */
static void setup_out(int n, int family, uint8_t path_flags, uint8_t sa_flags)
{
	struct steer_sa_out sa = { .sa_id = 100, .group = GROUP, .flags = sa_flags };
	struct steer_group g = { .id = GROUP, .n_members = n };
	uint32_t index = SA;

	env_open_kernel(&env);
	classified(true);
	for (int i = 0; i < n; i++) {
		put_path(&env, i + 1, STEER_PATH_UP, family, path_flags);
		g.path[i] = i + 1;
		g.weight[i] = 1;
	}
	for (int s = 0; s < STEER_FLOW_SLOTS; s++)
		g.flow[s] = s % n + 1;
	put_group(&env, GROUP, &g);
	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(env.tc->maps.sa_out), &index, &sa, BPF_ANY),
		     0);
}

static struct run out(const struct pkt *p, uint32_t mark)
{
	size_t len = pkt_build(p, pkt);

	return run_tc(env.tc->progs.steer_tc, pkt, len, mark, 0, 0);
}

struct leaves {
	int from, to; /* IP versions of stable pair and path */
	uint8_t path_flags, sa_flags;
	bool udp; /* what comes of it */
	size_t payload;
};

static struct leaves leaves[] = {
	{ 4, 4, STEER_PATH_ENCAP, 0, false, 100 },
	{ 4, 4, STEER_PATH_ENCAP, STEER_SA_WRAP, true, 100 },
	{ 4, 4, STEER_PATH_ENCAP | STEER_PATH_MAC, STEER_SA_WRAP, true, 1401 },
	{ 4, 4, 0, STEER_SA_WRAP, true, 0 },
	{ 4, 4, STEER_PATH_ENCAP, STEER_SA_WRAP | STEER_SA_WRAP_BY_PATH, true, 100 },
	{ 4, 4, STEER_PATH_PLAIN, STEER_SA_WRAP | STEER_SA_WRAP_BY_PATH, false, 100 },
	{ 4, 4, STEER_PATH_PLAIN, STEER_SA_WRAP, true, 100 },
	{ 4, 4, STEER_PATH_PLAIN | STEER_PATH_MAC, STEER_SA_WRAP_BY_PATH, false, 33 },
	{ 6, 6, STEER_PATH_ENCAP, 0, false, 100 },
	{ 6, 6, STEER_PATH_ENCAP, STEER_SA_WRAP, true, 100 },
	{ 6, 6, STEER_PATH_ENCAP | STEER_PATH_MAC, STEER_SA_WRAP, true, 1401 },
	{ 6, 6, STEER_PATH_ENCAP, STEER_SA_WRAP, true, 0 },
	{ 6, 6, STEER_PATH_ENCAP, STEER_SA_WRAP, true, 240 }, /* 256 with both headers */
	{ 6, 6, STEER_PATH_ENCAP, STEER_SA_WRAP, true, 241 },
	{ 4, 6, STEER_PATH_ENCAP, 0, false, 100 },
	{ 6, 4, STEER_PATH_ENCAP | STEER_PATH_MAC, 0, false, 100 },
	{ 4, 6, STEER_PATH_ENCAP | STEER_PATH_MAC, STEER_SA_WRAP, true, 1001 },
	{ 6, 4, STEER_PATH_ENCAP, STEER_SA_WRAP, true, 1001 },
};

ParameterizedTestParameters(kernel, leaves)
{
	return cr_make_param_array(struct leaves, leaves, sizeof(leaves) / sizeof(*leaves));
}

/* As the path wants it; nothing behind the headers changes. The same at the pair's egress. */
ParameterizedTest(struct leaves *f, kernel, leaves)
{
	size_t hl = f->to == 4 ? 20 : 40, esp = 8 + f->payload, udp = f->udp ? 8 : 0, len;
	bool ports = f->path_flags & STEER_PATH_ENCAP;
	const uint8_t *ip, *at;
	struct run r, early;

	setup_out(1, f->to, f->path_flags, f->sa_flags);
	len = pkt_build(&(struct pkt){ .family = f->from, .payload = f->payload }, pkt);
	early = run_tc(env.tc->progs.steer_tc_out, pkt, len, STEER_MARK(2, 9, SA), 0, 0);
	cr_assert_eq(get_path_stat(&env, 1).tx_packets, 1);
	r = run_tc(env.tc->progs.steer_tc, pkt, len, STEER_MARK(2, 9, SA), 0, 0);
	cr_assert_eq(r.verdict, REDIRECT);
	cr_assert_eq(early.verdict, REDIRECT);
	cr_assert_eq(early.len, r.len);
	cr_assert_arr_eq(early.out, r.out, r.len);
	cr_assert_eq(early.mark, 0);
	cr_assert_eq(r.len, PKT_ETHER + hl + udp + esp);
	cr_assert(pkt_has_addrs(r.out, path_src(1, f->to), path_dst(1, f->to)));
	cr_assert(pkt_sums_ok(r.out, r.len));
	if (f->path_flags & STEER_PATH_MAC) { /* else the kernel writes it */
		cr_assert_arr_eq(r.out, "\x02\x02\0\0\0\x01\x02\x01\0\0\0\x01", 12);
		cr_assert_arr_eq(r.out + 12, f->to == 4 ? "\x08\x00" : "\x86\xdd", 2);
	}
	ip = r.out + PKT_ETHER;
	at = ip + hl;
	cr_assert_eq(ip[f->to == 4 ? 9 : 6], f->udp ? 17 : 50);
	cr_assert_eq(ip[f->to == 4 ? 8 : 7], 64);
	cr_assert_eq(f->to == 4 ? ip[2] << 8 | ip[3] : 40 + (ip[4] << 8 | ip[5]), hl + udp + esp);
	if (f->udp) {
		uint16_t head[3] = { htons(ports ? 4001 : 4500), htons(ports ? 4101 : 4500),
				     htons((uint16_t)(8 + esp)) };

		cr_assert_arr_eq(at, head, 6);
		if (f->to == 4)
			cr_assert_arr_eq(at + 6, "\0\0", 2);
		else
			cr_assert(at[6] || at[7]);
	}
	cr_assert_arr_eq(at + udp, pkt + len - esp, esp);
	cr_assert_eq(r.mark, 0);
	cr_assert_eq(get_path_stat(&env, 1).tx_packets, 2);
	cr_assert_eq(get_path_stat(&env, 1).tx_octets, 2 * (hl + udp + esp));
	cr_assert_eq(get_path_stat(&env, 1).tx_class[2].packets, 2);
	cr_assert_eq(get_sa_stat(&env, SA).out_octets, 0);
	cr_assert_eq(get_drops_all(&env), 0);
}

/* The checksum of IPv6 is right for every length, and never zero, which would mean none. */
Test(kernel, checksums_of_many_payloads)
{
	setup_out(4, 6, STEER_PATH_ENCAP, STEER_SA_WRAP);
	for (uint32_t i = 0; i < 1500; i++) {
		struct pkt p = { .family = 6, .spi = 0x10000000 + i * 33, .payload = i };
		struct run r = out(&p, STEER_MARK(0, i, SA));

		cr_assert_eq(r.verdict, REDIRECT);
		cr_assert(pkt_sums_ok(r.out, r.len), "payload of %u", i);
		cr_assert(r.out[60] || r.out[61], "payload of %u", i);
	}
}

/* Routers may cut it: no DF, an identification that goes up; also in UDP. */
Test(kernel, may_be_fragmented)
{
	uint16_t last = 0;

	setup_out(1, 4, STEER_PATH_ENCAP, STEER_SA_WRAP);
	for (int i = 0; i < 3; i++) {
		struct run r = out(&(struct pkt){ .family = 4, .frag = 0x4000 },
				   STEER_MARK(STEER_MARK_KIND_CUT | 1, 0, SA));
		uint16_t id = (uint16_t)(r.out[18] << 8 | r.out[19]);

		cr_assert_eq(r.verdict, REDIRECT);
		cr_assert_eq(r.out[20] | r.out[21], 0);
		cr_assert(pkt_sums_ok(r.out, r.len));
		if (i)
			cr_assert_eq(id, (uint16_t)(last + 1));
		last = id;
	}
}

/* So may they what is larger than the path's MTU, in UDP or not, and nothing else. */
Test(kernel, larger_than_the_path_is_cut_by_routers)
{
	struct steer_path path;
	uint32_t id = 1;

	for (int wrapped = 0; wrapped < 2; wrapped++) {
		setup_out(1, 4, STEER_PATH_ENCAP, wrapped ? STEER_SA_WRAP : 0);
		cr_assert_eq(bpf_map_lookup_elem(bpf_map__fd(env.tc->maps.path), &id, &path), 0);
		path.mtu = 600;
		cr_assert_eq(
			bpf_map_update_elem(bpf_map__fd(env.tc->maps.path), &id, &path, BPF_ANY),
			0);
		for (uint32_t payload = 540; payload < 580; payload++) {
			struct pkt p = { .family = 4, .frag = 0x4000, .payload = payload };
			struct run r = out(&p, STEER_MARK(0, 1, SA));
			uint32_t octets = (uint32_t)(r.out[16] << 8 | r.out[17]);

			cr_assert_eq(r.verdict, REDIRECT);
			cr_assert_eq(r.out[20], octets > 600 ? 0 : 0x40, "%u octets", octets);
			cr_assert(pkt_sums_ok(r.out, r.len));
		}
		if (!wrapped)
			env_close(&env);
	}
}

/* A copy names its path; its mark says the rest. */
Test(kernel, a_copy_is_wrapped_by_its_mark)
{
	setup_out(1, 4, STEER_PATH_ENCAP, 0);
	for (uint32_t wrapped = 0; wrapped < 2; wrapped++) {
		struct run r = out(&(struct pkt){ .family = 4, .payload = 10 },
				   STEER_MARK(STEER_MARK_KIND_PATH,
					      3 | (wrapped ? STEER_MARK_WRAPPED : 0), 1));

		cr_assert_eq(r.verdict, REDIRECT);
		cr_assert_eq(r.out[PKT_ETHER + 9], wrapped ? 17 : 50);
		cr_assert_eq(get_path_stat(&env, 1).tx_class[3].packets, wrapped + 1);
	}
}

/* Of what is sent twice nothing is done before the other end of the pair. */
Test(kernel, copies_are_not_made_early)
{
	struct steer_group g = { .id = GROUP,
				 .mode = STEER_MODE_REDUNDANT,
				 .copies = 2,
				 .n_members = 2,
				 .path = { 1, 2 },
				 .weight = { 1, 1 } };
	size_t len = pkt_build(&(struct pkt){ .family = 4, .payload = 10 }, pkt);
	struct run r;

	for (int s = 0; s < STEER_FLOW_SLOTS; s++)
		g.flow[s] = 1;
	setup_out(2, 4, STEER_PATH_ENCAP | STEER_PATH_MAC, STEER_SA_WRAP);
	put_group(&env, GROUP, &g);
	r = run_tc(env.tc->progs.steer_tc_out, pkt, len, STEER_MARK(2, 9, SA), 0, 0);
	cr_assert_eq(r.verdict, -1);
	cr_assert_eq(r.len, len);
	cr_assert_arr_eq(r.out, pkt, len);
	cr_assert_eq(r.mark, STEER_MARK(2, 9, SA));
	cr_assert_eq(get_path_stat(&env, 1).tx_packets, 0);
}

/* Where nobody has classified it, what an application has left in the mark is no class, no slot and
 * above all no path. */
Test(kernel, marks_of_others_are_not_believed)
{
	size_t len = pkt_build(&(struct pkt){ .family = 4, .payload = 10 }, pkt);
	const uint32_t marks[] = { STEER_MARK(2, 1, SA), STEER_MARK(STEER_MARK_KIND_PATH, 2, SA),
				   STEER_MARK(STEER_MARK_KIND_CUT, 1, SA) };
	struct run r;

	setup_out(2, 4, STEER_PATH_MAC, 0);
	for (int c = 0; c < 2; c++) {
		classified(!c);
		r = run_tc(env.tc->progs.steer_tc_out, pkt, len, marks[0], 0, 0);
		cr_assert_eq(r.verdict, REDIRECT);
		cr_assert(pkt_has_addrs(r.out, path_src(2 - c, 4), path_dst(2 - c, 4)));
		cr_assert_eq(get_path_stat(&env, 2 - c).tx_class[c ? 0 : 2].packets, 1);
	}
	for (size_t i = 1; i < sizeof(marks) / sizeof(marks[0]); i++) {
		r = run_tc(env.tc->progs.steer_tc_out, pkt, len, marks[i], 0, 0);
		cr_assert_eq(r.verdict, REDIRECT);
		cr_assert(pkt_has_addrs(r.out, path_src(1, 4), path_dst(1, 4)));
		cr_assert_arr_eq(r.out + 20, pkt + 20, 2);
	}
	cr_assert_eq(get_path_stat(&env, 1).tx_class[0].packets, 3);
}

/* Nothing leaves that XFRM has not made whole. */
Test(kernel, refused_outbound)
{
	struct pkt p = { .family = 4, .payload = 300 };
	size_t len;

	setup_out(1, 4, STEER_PATH_ENCAP, STEER_SA_WRAP);
	cr_assert_eq(out(&p, 0).verdict, SHOT);
	cr_assert_eq(get_drop(&env, DROP_NO_MARK), 1);
	p.udp = true; /* somebody's own */
	cr_assert_eq(out(&p, STEER_MARK(0, 0, SA)).verdict, SHOT);
	p.udp = false;
	p.proto = 6;
	cr_assert_eq(out(&p, STEER_MARK(0, 0, SA)).verdict, SHOT);
	p.proto = 0;
	p.frag = 0x2000;
	cr_assert_eq(out(&p, STEER_MARK(0, 0, SA)).verdict, SHOT);
	p.frag = 0;
	len = pkt_build(&p, pkt);
	cr_assert_eq(run_tc(env.tc->progs.steer_tc, pkt, len, STEER_MARK(0, 0, SA), 3, 100).verdict,
		     SHOT);
	cr_assert_eq(get_drop(&env, DROP_BAD_PACKET), 4);
	cr_assert_eq(get_path_stat(&env, 1).tx_packets, 0);
}
