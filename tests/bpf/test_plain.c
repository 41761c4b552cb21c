/* SPDX-License-Identifier: GPL-2.0-only */
/* The short way that plain ESP of the kernel's takes through the steering does what the long one
 * does, to the octet and to the count: the same packets, many of them damaged, by both. Inbound the
 * long way is what there is where a path is not known at once; outbound the other end of the pair.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "abi/shield.h"
#include "harness.h"

enum { SPI = 0x12300007, INDEX = 7, SA = 5, GROUP = 3, LO = 1, RX_PATH = 9, N_PATHS = 2 };
enum { REDIRECT = 7, N_PACKETS = 4000 };

#define US   "192.0.2.1"
#define PEER "203.0.113.9"

static struct env env;
static unsigned seed = 1; /* the same packets in each run */

static void teardown(void)
{
	env_close(&env);
}

TestSuite(plain, .fini = teardown);

static unsigned below(unsigned n)
{
	return (unsigned)rand_r(&seed) % n;
}

static bool one_of(unsigned n)
{
	return !below(n);
}

/* Behind the MAC addresses some octets are others: by a bit, or what means something. */
static void damage(uint8_t *buf, size_t len)
{
	static const uint8_t words[] = { 0, 17, 50, 6, 1, 0x45, 0x46, 0x11 };

	for (unsigned n = below(3); n; n--) {
		size_t at = 12 + below(40);

		if (at < len)
			buf[at] = one_of(3) ? words[below(sizeof(words))]
					    : (uint8_t)(buf[at] ^ 1u << below(8));
	}
}

static size_t packet(bool udp, uint8_t buf[PKT_MAX])
{
	struct pkt p = { .family = 4,
			 .udp = udp,
			 .payload = below(60),
			 .spi = SPI,
			 .src = PEER,
			 .dst = US,
			 .frag = one_of(8) ? 0x4000 : 0,
			 .options = one_of(10) ? 4 : 0 };
	size_t len = pkt_build(&p, buf);

	damage(buf, len);
	return one_of(10) ? PKT_ETHER + 21 + below((unsigned)len - PKT_ETHER - 21) : len;
}

/* ---- inbound ---- */

static void put_sa(uint8_t family, uint8_t owner, uint8_t flags)
{
	struct steer_sa_in sa = {
		.spi = SPI, .sa_id = 1, .owner = owner, .family = family, .flags = flags
	};
	uint32_t index = INDEX;

	inet_pton(AF_INET, "198.18.0.2", sa.src.b);
	inet_pton(AF_INET, "198.18.0.1", sa.dst.b);
	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(env.tc->maps.sa_in), &index, &sa, BPF_ANY), 0);
}

static void put_any_sa(void)
{
	static const uint8_t flags[] = { STEER_SA_RESTORE_DST, STEER_SA_RESTORE_DST,
					 STEER_SA_RESTORE_DST | STEER_SA_RESTORE_SRC, 0 };

	put_sa(one_of(8) ? 6 : 4, one_of(8) ? STEER_OWNER_ENGINE : STEER_OWNER_KERNEL,
	       flags[below(sizeof(flags))]);
}

struct in_result {
	struct run r;
	uint64_t packets, octets, drops;
};

static struct in_result in(const uint8_t *buf, size_t len, uint32_t gso_size, bool hint)
{
	struct steer_path_stat was = get_path_stat(&env, RX_PATH), is;
	uint64_t drops = get_drops_all(&env);
	struct in_result res;

	put_rx_hint(&env, LO, 4, US, PEER, hint ? RX_PATH : 0);
	res.r = run_tc(env.xdp->progs.steer_in, buf, len, 5, gso_size ? 3 : 0, gso_size);
	is = get_path_stat(&env, RX_PATH);
	res.packets = is.rx_packets - was.rx_packets;
	res.octets = is.rx_octets - was.rx_octets;
	res.drops = get_drops_all(&env) - drops;
	return res;
}

static bool cut(const uint8_t *buf)
{
	return buf[PKT_ETHER + 6] & 0x3f || buf[PKT_ETHER + 7];
}

Test(plain, inbound)
{
	unsigned ours = 0, dropped = 0;

	env_open_kernel(&env);
	put_rx_path(&env, LO, 4, US, PEER, RX_PATH);
	for (int i = 0; i < N_PACKETS; i++) {
		uint32_t gso_size = one_of(12) ? 100 : 0;
		struct in_result s, l;
		uint8_t buf[PKT_MAX];
		size_t len = packet(one_of(2), buf);

		if (i % 50 == 0)
			put_any_sa();
		l = in(buf, len, gso_size, false);
		s = in(buf, len, gso_size, true);
		cr_assert_eq(s.r.verdict, l.r.verdict, "packet %d: %d, not %d", i, s.r.verdict,
			     l.r.verdict);
		cr_assert_eq(s.r.len, l.r.len, "packet %d", i);
		cr_assert_eq(s.r.mark, l.r.mark, "packet %d", i);
		/* fragments are put together under a number of their own */
		cr_assert(cut(buf) || !memcmp(s.r.out, l.r.out, s.r.len), "packet %d", i);
		cr_assert_eq(s.packets, l.packets, "packet %d", i);
		cr_assert_eq(s.octets, l.octets, "packet %d", i);
		cr_assert_eq(s.drops, l.drops, "packet %d", i);
		ours += s.packets > 0;
		dropped += s.drops > 0;
	}
	cr_assert(ours > N_PACKETS / 4 && dropped > N_PACKETS / 100, "%u ours, %u dropped", ours,
		  dropped);
}

/* All of UDP from the peer is protected. */
static void put_rule(void)
{
	struct shield_peer peer = { .n = 1,
				    .rule[0] = { .any_local = 1,
						 .protocol = 17,
						 .local_last = UINT16_MAX,
						 .remote_last = UINT16_MAX } };
	struct shield_key key = { .family = 4 };

	inet_pton(AF_INET, PEER, key.remote.b);
	cr_assert_eq(
		bpf_map_update_elem(bpf_map__fd(env.shield->maps.shield), &key, &peer, BPF_ANY), 0);
}

/* What steers and shields in one does what the one and then the other does. */
Test(plain, inbound_behind_the_shield)
{
	unsigned known = 0, steered_off = 0, shielded_off = 0;

	env_open_kernel(&env);
	env_open_shield(&env);
	put_rx_path(&env, LO, 4, US, PEER, RX_PATH);
	put_rule();
	for (int i = 0; i < N_PACKETS; i++) {
		const struct bpf_program *both = env.both->progs.steer_in_shield;
		uint32_t gso_size = one_of(12) ? 100 : 0;
		struct run one, two;
		uint8_t buf[PKT_MAX];
		size_t len = packet(one_of(2), buf);
		bool off;

		if (i % 50 == 0)
			put_any_sa();
		put_rx_hint(&env, LO, 4, US, PEER, one_of(4) ? 0 : RX_PATH);
		one = run_tc(env.xdp->progs.steer_in, buf, len, 5, gso_size ? 3 : 0, gso_size);
		off = one.verdict != -1;
		known += !off && memcmp(one.out, buf, one.len);
		if (!off)
			one = run_tc(env.shield->progs.shield_in, one.out, one.len, one.mark,
				     gso_size ? 3 : 0, gso_size);
		steered_off += off;
		shielded_off += !off && one.verdict != -1;
		two = run_tc(both, buf, len, 5, gso_size ? 3 : 0, gso_size);
		cr_assert_eq(two.verdict, one.verdict, "packet %d: %d, not %d", i, two.verdict,
			     one.verdict);
		cr_assert_eq(two.len, one.len, "packet %d", i);
		cr_assert(cut(buf) || !memcmp(two.out, one.out, two.len), "packet %d", i);
	}
	cr_assert(known > N_PACKETS / 4 && steered_off > N_PACKETS / 100 &&
			  shielded_off > N_PACKETS / 100,
		  "%u known, %u and %u dropped", known, steered_off, shielded_off);
}

/* ---- outbound ---- */

static void put_any_paths(void)
{
	int fd = bpf_map__fd(env.tc->maps.path);
	struct steer_path p;

	for (uint32_t id = 1; id <= N_PATHS; id++) {
		uint8_t flags = (one_of(8) ? 0 : STEER_PATH_MAC) |
				(one_of(2) ? STEER_PATH_ENCAP : 0) |
				(one_of(2) ? STEER_PATH_PLAIN : 0);

		put_path(&env, id, one_of(2) ? STEER_PATH_UP : (enum steer_path_state)below(5),
			 one_of(5) ? 6 : 4, flags);
		cr_assert_eq(bpf_map_lookup_elem(fd, &id, &p), 0);
		p.mtu = one_of(3) ? 40 + below(60) : 0;
		cr_assert_eq(bpf_map_update_elem(fd, &id, &p, BPF_ANY), 0);
	}
}

static void put_any_sa_out(void)
{
	static const uint8_t flags[] = { 0, STEER_SA_WRAP, STEER_SA_WRAP_BY_PATH,
					 STEER_SA_WRAP | STEER_SA_WRAP_BY_PATH };
	struct steer_sa_out sa = { .sa_id = 100,
				   .group = GROUP,
				   .flags = flags[below(sizeof(flags))] };
	uint32_t index = SA;

	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(env.tc->maps.sa_out), &index, &sa, BPF_ANY),
		     0);
}

static void put_both_paths_group(void)
{
	struct steer_group g = {
		.id = GROUP, .n_members = N_PATHS, .path = { 1, 2 }, .weight = { 1, 1 }
	};

	for (int s = 0; s < STEER_FLOW_SLOTS; s++)
		g.flow[s] = s % N_PATHS + 1;
	put_group(&env, GROUP, &g);
}

static void classified(void)
{
	struct steer_intake in = { .classified = true };
	uint32_t key = 0;

	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(env.tc->maps.intake), &key, &in, BPF_ANY), 0);
}

static uint32_t any_mark(void)
{
	if (one_of(4))
		return STEER_MARK(STEER_MARK_KIND_PATH, below(256), below(4));
	return STEER_MARK(below(16), below(256), one_of(20) ? below(3) : SA);
}

struct out_result {
	struct run r;
	struct steer_path_stat grown[N_PATHS];
	uint64_t drops;
};

static struct out_result out(const struct bpf_program *prog, const uint8_t *buf, size_t len,
			     uint32_t mark, uint32_t gso_size)
{
	struct steer_path_stat was[N_PATHS];
	struct out_result res = { .drops = get_drops_all(&env) };

	for (uint32_t i = 0; i < N_PATHS; i++)
		was[i] = get_path_stat(&env, i + 1);
	res.r = run_tc(prog, buf, len, mark, gso_size ? 3 : 0, gso_size);
	res.drops = get_drops_all(&env) - res.drops;
	for (uint32_t i = 0; i < N_PATHS; i++) {
		struct steer_path_stat is = get_path_stat(&env, i + 1), *g = &res.grown[i];

		g->tx_packets = is.tx_packets - was[i].tx_packets;
		g->tx_octets = is.tx_octets - was[i].tx_octets;
		for (int k = 0; k < STEER_CLASSES; k++) {
			g->tx_class[k].packets =
				is.tx_class[k].packets - was[i].tx_class[k].packets;
			g->tx_class[k].octets = is.tx_class[k].octets - was[i].tx_class[k].octets;
		}
	}
	return res;
}

/* What routers may cut has an identification of its own, and a checksum that fits it. */
static void forget_id(struct run *r)
{
	if (r->verdict != REDIRECT || r->out[PKT_ETHER] != 0x45 || r->out[PKT_ETHER + 6] & 0x40)
		return;
	memset(r->out + PKT_ETHER + 4, 0, 2);
	memset(r->out + PKT_ETHER + 10, 0, 2);
}

Test(plain, outbound)
{
	unsigned sent = 0, dropped = 0;

	env_open_kernel(&env);
	classified();
	put_both_paths_group();
	for (int i = 0; i < N_PACKETS; i++) {
		uint32_t gso_size = one_of(12) ? 100 : 0, mark = any_mark();
		struct out_result s, l;
		uint8_t buf[PKT_MAX];
		size_t len = packet(one_of(10), buf);

		if (i % 20 == 0) {
			put_any_sa_out();
			put_any_paths();
		}
		l = out(env.tc->progs.steer_tc, buf, len, mark, gso_size);
		s = out(env.tc->progs.steer_tc_out, buf, len, mark, gso_size);
		cr_assert_eq(s.r.verdict, l.r.verdict, "packet %d: %d, not %d", i, s.r.verdict,
			     l.r.verdict);
		cr_assert_eq(s.r.len, l.r.len, "packet %d", i);
		cr_assert_eq(s.r.mark, l.r.mark, "packet %d", i);
		forget_id(&s.r);
		forget_id(&l.r);
		cr_assert(!memcmp(s.r.out, l.r.out, s.r.len), "packet %d", i);
		cr_assert(!memcmp(s.grown, l.grown, sizeof(s.grown)), "packet %d", i);
		cr_assert_eq(s.drops, l.drops, "packet %d", i);
		sent += s.r.verdict == REDIRECT;
		dropped += s.drops > 0;
	}
	cr_assert(sent > N_PACKETS / 4 && dropped > N_PACKETS / 100, "%u sent, %u dropped", sent,
		  dropped);
}
