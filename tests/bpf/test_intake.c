/* SPDX-License-Identifier: GPL-2.0-only */
/* What arrives and is no whole ESP packet of ours: for nobody, in fragments, or a router's word
 * about what we sent; and on which CPU ours goes on. Through steer_xdp and steer_in alike. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "harness.h"

enum { SPI = 0x12300007, INDEX = 7, PASS = 1, DROP = 2, REDIRECT = 3, LO = 1, PATH = 4 };
enum { IP = PKT_ETHER };

static const char *const remote = "203.0.113.9", *const local = "192.0.2.1";
static const char *const stable = "198.18.0.1";

static struct env env;
static uint8_t pkt[PKT_MAX], want[PKT_MAX];
static struct steer_event last;
static unsigned n_events;

static void teardown(void)
{
	env_close(&env);
}

TestSuite(intake, .fini = teardown);

static void setup(bool kernel)
{
	struct steer_sa_in sa = { .spi = SPI,
				  .sa_id = 1,
				  .owner = STEER_OWNER_KERNEL,
				  .family = 4,
				  .flags = STEER_SA_RESTORE_DST };
	uint32_t index = INDEX;

	if (kernel)
		env_open_kernel(&env);
	else
		env_open(&env);
	inet_pton(AF_INET, stable, sa.dst.b);
	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(env.tc->maps.sa_in), &index, &sa, BPF_ANY), 0);
	put_rx_path(&env, LO, 4, local, remote, PATH);
}

static struct run in(bool xdp, const uint8_t *buf, size_t len)
{
	struct run r = xdp ? run_xdp(env.xdp->progs.steer_xdp, buf, len)
			   : run_tc(env.xdp->progs.steer_in, buf, len, 0, 0, 0);

	if (xdp)
		r.verdict = r.verdict == 2   ? PASS
			    : r.verdict == 1 ? DROP
			    : r.verdict == 4 ? REDIRECT
					     : -1;
	else
		r.verdict = r.verdict == -1 ? PASS : r.verdict == 2 ? DROP : -2;
	return r;
}

static void intake_is(struct steer_intake want_in)
{
	uint32_t key = 0;

	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(env.tc->maps.intake), &key, &want_in, BPF_ANY),
		     0);
}

/* ---- for nobody ---- */

/* kernel: in UDP on a path of ours there is nobody else; otherwise somebody else's, on this host or
 * behind it, unless it is said that there is nobody. Counted in any case. */
static void unknown(bool kernel, bool drop)
{
	setup(kernel);
	intake_is((struct steer_intake){ .drop_unknown = drop });
	for (int i = 0; i < 8; i++) {
		bool udp = i & 1, xdp = i & 2, ours = i & 4;
		struct pkt p = {
			.family = 4, .udp = udp, .spi = 0x77700001, .payload = 50, .src = remote
		};
		size_t len;

		p.dst = ours ? local : "192.0.2.77";
		len = pkt_build(&p, pkt);
		cr_assert_eq(in(xdp, pkt, len).verdict,
			     drop || (kernel && udp && ours) ? DROP : PASS);
		cr_assert_eq(get_drop(&env, DROP_UNKNOWN_SPI), i + 1);
	}
	cr_assert_eq(get_drops_all(&env), 8);
}

Test(intake, of_nobody_with_the_kernel)
{
	unknown(true, false);
}

Test(intake, of_nobody_with_the_engine)
{
	unknown(false, false);
}

Test(intake, nobody_else_has_any)
{
	unknown(true, true);
}

/* ---- in fragments ---- */

static void fix_sum(uint8_t *ip)
{
	uint32_t sum = 0;

	ip[10] = ip[11] = 0;
	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
}

/* Octets from..to of what is behind the IP header of pkt, as a fragment. */
static size_t cut(const uint8_t *whole, size_t len, size_t from, size_t to, uint8_t *ret)
{
	size_t rest = len - IP - 20, n;
	bool more = to < rest;
	uint8_t *ip = ret + IP;

	to = more ? to : rest;
	n = to - from;
	memcpy(ret, whole, IP + 20);
	memcpy(ip + 20, whole + IP + 20 + from, n);
	ip[2] = (uint8_t)((n + 20) >> 8);
	ip[3] = (uint8_t)(n + 20);
	ip[6] = (uint8_t)((more ? 0x20 : 0) | from >> 11);
	ip[7] = (uint8_t)(from >> 3);
	fix_sum(ip);
	return IP + 20 + n;
}

/* The nth of all that have come: it gets that identification, whatever the peer gave it. */
static void in_pieces(bool xdp, bool udp, uint16_t id)
{
	static const size_t cuts[] = { 0, 40, 88, 208, 10000 };
	struct pkt p = { .family = 4, .udp = udp, .spi = SPI, .payload = 301, .src = remote };
	static uint8_t whole[PKT_MAX], bare[PKT_MAX];
	size_t len, bare_len, skip = udp ? 8 : 0, got = 0;

	p.dst = local;
	len = pkt_build(&p, whole);
	p.udp = false;
	p.dst = stable;
	bare_len = pkt_build(&p, bare);
	for (int i = 0; i < 4; i++) {
		size_t n = cut(whole, len, cuts[i], cuts[i + 1], pkt), want_len;
		struct run r = in(xdp, pkt, n);

		want_len = cut(bare, bare_len, i ? cuts[i] - skip : 0, cuts[i + 1] - skip, want);
		want[IP + 4] = (uint8_t)(id >> 8);
		want[IP + 5] = (uint8_t)id;
		fix_sum(want + IP);
		cr_assert_eq(r.verdict, PASS);
		cr_assert_eq(r.len, want_len, "piece %d", i);
		cr_assert_arr_eq(r.out, want, want_len, "piece %d", i);
		got += r.len - IP - 20;
	}
	cr_assert_eq(got, bare_len - IP - 20);
	cr_assert_eq(get_path_stat(&env, PATH).rx_packets, id + 1u);
	cr_assert_eq(get_sa_stat(&env, INDEX).in_packets, 0); /* XFRM counts its own */
	cr_assert_eq(get_drops_all(&env), 0);
}

Test(intake, in_pieces_by_tc)
{
	setup(true);
	for (uint16_t id = 0; id < 3; id++)
		in_pieces(false, false, id);
}

Test(intake, in_pieces_by_xdp)
{
	setup(true);
	for (uint16_t id = 0; id < 3; id++)
		in_pieces(true, false, id);
}

Test(intake, in_pieces_of_udp_by_tc)
{
	setup(true);
	for (uint16_t id = 0; id < 3; id++)
		in_pieces(false, true, id);
}

Test(intake, in_pieces_of_udp_by_xdp)
{
	setup(true);
	for (uint16_t id = 0; id < 3; id++)
		in_pieces(true, true, id);
}

/* Those of others stay as they are: of another SPI, of IKE with an identification that ESP had,
 * later ones without a first, and all of them with the engine, whose socket gets whole datagrams.
 */
Test(intake, pieces_of_others)
{
	static uint8_t whole[PKT_MAX];
	struct pkt p = { .family = 4, .udp = true, .payload = 300, .src = remote, .dst = local };
	size_t len, n;
	struct run r;

	setup(true);
	for (int i = 0; i < 4; i++) {
		bool xdp = i & 1;

		p.spi = SPI;
		len = pkt_build(&p, whole);
		n = cut(whole, len, 0, 80, pkt);
		if (i & 2) /* ours was there */
			cr_assert_eq(in(xdp, pkt, n).len, n - 8);
		p.spi = SPI + 1;
		len = pkt_build(&p, whole);
		if (xdp)
			memset(whole + IP + 28, 0, 4); /* IKE */
		n = cut(whole, len, 0, 80, pkt);
		r = in(xdp, pkt, n);
		cr_assert_eq(r.verdict, PASS);
		cr_assert_arr_eq(r.out, pkt, n);
		n = cut(whole, len, 80, 1000, pkt);
		r = in(xdp, pkt, n);
		cr_assert_eq(r.verdict, PASS);
		cr_assert_eq(r.len, n);
		cr_assert_arr_eq(r.out, pkt, n);
	}
}

/* What would become a first piece when the UDP header is taken out is none. */
Test(intake, a_piece_over_the_header)
{
	static uint8_t whole[PKT_MAX];
	struct pkt p = {
		.family = 4, .udp = true, .spi = SPI, .payload = 300, .src = remote, .dst = local
	};
	size_t len, n;

	setup(true);
	len = pkt_build(&p, whole);
	n = cut(whole, len, 0, 80, pkt);
	cr_assert_eq(in(false, pkt, n).len, n - 8);
	for (int xdp = 0; xdp < 2; xdp++) {
		struct run r;

		n = cut(whole, len, 8, 1000, pkt);
		r = in(xdp, pkt, n);
		cr_assert_eq(r.verdict, PASS);
		cr_assert_arr_eq(r.out, pkt, n);
	}
}

/* ---- what routers say ---- */

static int on_event(void *ctx, void *data, size_t len)
{
	(void)ctx;
	cr_assert_eq(len, sizeof(last));
	memcpy(&last, data, len);
	n_events++;
	return 0;
}

static unsigned events(void)
{
	struct ring_buffer *rb =
		ring_buffer__new(bpf_map__fd(env.tc->maps.events), on_event, NULL, NULL);

	cr_assert(rb);
	n_events = 0;
	ring_buffer__consume(rb);
	ring_buffer__free(rb);
	return n_events;
}

/* An error of that type about a packet of ours, of which so many octets behind its IP header are
 * quoted. */
static size_t icmp(const struct pkt *about, uint8_t type, uint8_t code, uint32_t mtu, size_t quoted)
{
	static uint8_t inner[PKT_MAX];
	size_t l3 = about->family == 4 ? 20 : 40;
	struct pkt p = { .family = about->family, .proto = about->family == 4 ? 1 : 58 };
	uint8_t *at = pkt + IP + l3;

	pkt_build(about, inner);
	p.payload = l3 + quoted;
	pkt_build(&p, pkt);
	memset(at, 0, 8);
	at[0] = type;
	at[1] = code;
	at[4] = (uint8_t)(mtu >> 24);
	at[5] = (uint8_t)(mtu >> 16);
	at[6] = (uint8_t)(mtu >> 8);
	at[7] = (uint8_t)mtu;
	memcpy(at + 8, inner + IP, l3 + quoted);
	return IP + l3 + 8 + l3 + quoted;
}

struct word {
	struct pkt about;
	uint8_t type, code;
	uint32_t mtu;
	uint8_t kind; /* 0: not heard */
	bool spi;
};

static struct word words[] = {
	{ { .family = 4 }, 3, 4, 1300, STEER_EV_TOO_BIG, true },
	{ { .family = 4, .udp = true }, 3, 4, 1300, STEER_EV_TOO_BIG, false },
	{ { .family = 4 }, 3, 1, 0, STEER_EV_UNREACHABLE, true },
	{ { .family = 6 }, 2, 0, 1280, STEER_EV_TOO_BIG, true },
	{ { .family = 6, .udp = true }, 2, 0, 1280, STEER_EV_TOO_BIG, false },
	{ { .family = 6 }, 1, 0, 0, STEER_EV_UNREACHABLE, true },
	{ { .family = 4 }, 11, 0, 0, 0, false }, /* time exceeded */
	{ { .family = 6 }, 3, 0, 0, 0, false },	 /* the same */
	{ { .family = 4 }, 8, 0, 0, 0, false },	 /* echo */
	{ { .family = 4, .udp = true, .dport = 40000 },
	  3,
	  4,
	  1300,
	  STEER_EV_TOO_BIG,
	  false },							    /* a NAT's */
	{ { .family = 4, .udp = true, .sport = 53 }, 3, 4, 900, 0, false }, /* not our port */
	{ { .family = 4, .proto = 6 }, 3, 4, 900, 0, false },		    /* TCP */
};

ParameterizedTestParameters(intake, routers)
{
	return cr_make_param_array(struct word, words, sizeof(words) / sizeof(*words));
}

/* Told to the agent with what is quoted; the packet itself passes as it is. */
ParameterizedTest(struct word *w, intake, routers)
{
	size_t len;

	setup(true);
	w->about.src = w->about.family == 4 ? local : "2001:db8::1";
	w->about.dst = w->about.family == 4 ? remote : "2001:db8:9::9";
	w->about.spi = 0x0b000001;
	w->about.payload = 100;
	len = icmp(&w->about, w->type, w->code, w->mtu, 8);
	for (int xdp = 0; xdp < 2; xdp++) {
		struct run r = in(xdp, pkt, len);
		uint64_t never[256] = { 0 };
		uint32_t kind = w->kind;

		cr_assert_eq(r.verdict, PASS);
		cr_assert_arr_eq(r.out, pkt, len);
		cr_assert_eq(events(), w->kind ? 1 : 0);
		cr_assert_eq(bpf_map_update_elem(bpf_map__fd(env.tc->maps.event_next), &kind, never,
						 BPF_ANY),
			     0);
		if (!w->kind)
			continue;
		cr_assert_eq(last.kind, w->kind);
		cr_assert_eq(last.mtu, w->mtu);
		cr_assert_eq(last.family, w->about.family);
		cr_assert_eq(last.spi, w->spi ? 0x0b000001 : 0);
		cr_assert_arr_eq(last.src.b, pkt + IP + (w->about.family == 4 ? 40 : 56),
				 w->about.family == 4 ? 4 : 16);
		cr_assert_arr_eq(last.dst.b, pkt + IP + (w->about.family == 4 ? 44 : 72),
				 w->about.family == 4 ? 4 : 16);
	}
	cr_assert_eq(get_drops_all(&env), 0);
}

/* A quote that ends early says nothing, whatever its length. */
Test(intake, routers_that_quote_too_little)
{
	size_t len;

	setup(true);
	len = icmp(&(struct pkt){ .family = 4, .payload = 20 }, 3, 4, 1300, 8);
	for (size_t n = IP + 20; n < len; n++)
		for (int xdp = 0; xdp < 2; xdp++)
			cr_assert_eq(in(xdp, pkt, n).verdict, PASS);
	cr_assert_eq(events(), 0);
}

/* ---- on which CPU ---- */

/* Skips where packets cannot be handed over. */
static void cpus_ready(uint32_t n)
{
	for (uint32_t cpu = 0; cpu < n; cpu++) {
		uint32_t queue = 64;

		if (bpf_map_update_elem(bpf_map__fd(env.tc->maps.cpus), &cpu, &queue, BPF_ANY))
			cr_skip_test("no CPU map here");
	}
}

static int verdict_of(uint32_t spi, uint32_t seq)
{
	struct steer_sa_in sa = { .spi = spi,
				  .sa_id = 1,
				  .owner = STEER_OWNER_KERNEL,
				  .family = 4,
				  .flags = STEER_SA_RESTORE_DST };
	uint32_t index = STEER_SPI_INDEX(spi);
	size_t len =
		pkt_build(&(struct pkt){ .family = 4, .spi = spi, .seq = seq, .payload = 9 }, pkt);

	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(env.tc->maps.sa_in), &index, &sa, BPF_ANY), 0);
	return in(true, pkt, len).verdict;
}

/* One of the two numbers names a CPU that takes packets, the other none: which was chosen shows. */
Test(intake, an_sa_stays_on_its_cpu)
{
	struct steer_intake spread = { .spread = STEER_SPREAD_SA, .n_cpus = 2, .cpu = { 0, 63 } };
	int handed = 0;

	setup(true);
	cr_assert_eq(verdict_of(SPI, 1), PASS); /* not asked for */
	cpus_ready(1);
	intake_is(spread);
	for (uint32_t i = 0; i < 40; i++) {
		int first = verdict_of(0x12300000 + (i << 20) + i % SA_MAX, 1);

		handed += first == REDIRECT;
		for (uint32_t seq = 2; seq < 200; seq += 7)
			cr_assert_eq(verdict_of(0x12300000 + (i << 20) + i % SA_MAX, seq), first);
	}
	cr_assert(handed >= 5 && handed <= 35, "%d of 40 on one of two", handed);
}

Test(intake, an_sa_on_all_cpus)
{
	int handed = 0, changes = 0, before = 0;

	setup(true);
	cpus_ready(1);
	intake_is((struct steer_intake){
		.spread = STEER_SPREAD_PACKET, .n_cpus = 2, .cpu = { 0, 63 } });
	for (uint32_t seq = 1; seq <= 640; seq++) {
		int v = verdict_of(SPI, seq);

		handed += v == REDIRECT;
		changes += v != before;
		before = v;
	}
	cr_assert(handed >= 300 && handed <= 340, "%d of 640", handed);
	cr_assert(changes <= 42, "%d changes: no runs", changes);
}
