/* SPDX-License-Identifier: GPL-2.0-only */
/* steer_tc: which path, which bytes, which counter; every reason to drop. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "harness.h"

enum { SHOT = 2, REDIRECT = 7, SA = 5, GROUP = 3 };

static struct env env;
static uint8_t pkt[PKT_MAX];

/* Paths 1..n, all up; a group with `flow` slots i % n; SA 5 uses it. */
static void setup_n(int n, int family, uint8_t flags)
{
	struct steer_group g = { .id = GROUP, .n_members = n };

	env_open(&env);
	for (int i = 0; i < n; i++) {
		put_path(&env, i + 1, STEER_PATH_UP, family, flags);
		g.path[i] = i + 1;
		g.weight[i] = 1;
	}
	for (int s = 0; s < STEER_FLOW_SLOTS; s++)
		g.flow[s] = s % n + 1;
	put_group(&env, GROUP, &g);
	put_sa_out(&env, SA, 100, GROUP);
}

static void teardown(void)
{
	env_close(&env);
}

static struct run out(const struct pkt *p, uint32_t mark)
{
	size_t len = pkt_build(p, pkt);

	return run_tc(env.tc->progs.steer_tc, pkt, len, mark, 0, 0);
}

/* The path a packet of that slot takes, by its new source; 0 when dropped. */
static uint32_t path_of_slot(uint32_t slot)
{
	struct run r = out(&(struct pkt){ .family = 4 }, STEER_MARK(0, slot, SA));

	for (uint32_t id = 1; r.verdict == REDIRECT && id <= 8; id++)
		if (pkt_has_addrs(r.out, path_src(id, 4), path_dst(id, 4)))
			return id;
	return 0;
}

TestSuite(out, .fini = teardown);

struct form {
	int family;
	bool udp;
	uint8_t flags;
	size_t payload;
};

ParameterizedTestParameters(out, rewrites)
{
	static struct form forms[] = {
		{ 4, false, 0, 100 },
		{ 4, true, 0, 100 },
		{ 4, true, STEER_PATH_ENCAP, 101 },
		{ 4, true, STEER_PATH_ENCAP | STEER_PATH_MAC, 0 },
		{ 4, false, STEER_PATH_ENCAP | STEER_PATH_MAC, 1400 },
		{ 6, false, 0, 100 },
		{ 6, true, 0, 33 },
		{ 6, true, STEER_PATH_ENCAP, 100 },
		{ 6, true, STEER_PATH_ENCAP | STEER_PATH_MAC, 1400 },
		{ 4, true, STEER_PATH_NOARP, 64 },
	};

	return cr_make_param_array(struct form, forms, sizeof(forms) / sizeof(*forms));
}

/* Same version: addresses, ports, MACs, checksums; nothing behind the headers changes. */
ParameterizedTest(struct form *f, out, rewrites)
{
	size_t ip_len = (f->family == 4 ? 20 : 40) + (f->udp ? 8 : 0);
	struct run r;

	setup_n(1, f->family, f->flags);
	r = out(&(struct pkt){ .family = f->family, .udp = f->udp, .payload = f->payload },
		STEER_MARK(0, 0, SA));
	cr_assert_eq(r.verdict, REDIRECT);
	cr_assert_eq(r.len, PKT_ETHER + ip_len + 8 + f->payload);
	cr_assert(pkt_has_addrs(r.out, path_src(1, f->family), path_dst(1, f->family)));
	cr_assert(pkt_sums_ok(r.out, r.len));
	cr_assert_arr_eq(r.out + PKT_ETHER + ip_len, pkt + PKT_ETHER + ip_len, 8 + f->payload);
	if (f->flags & STEER_PATH_MAC)
		cr_assert_arr_eq(r.out, "\x02\x02\0\0\0\x01\x02\x01\0\0\0\x01", 12);
	if (f->udp) {
		bool ports = f->flags & STEER_PATH_ENCAP;
		uint16_t want[2] = { htons(ports ? 4001 : 4500), htons(ports ? 4101 : 4500) };

		cr_assert_arr_eq(r.out + PKT_ETHER + ip_len - 8, want, 4);
	}
	cr_assert_eq(r.mark, 0);
	cr_assert_eq(get_path_stat(&env, 1).tx_packets, 1);
	cr_assert_eq(get_path_stat(&env, 1).tx_octets, ip_len + 8 + f->payload);
	cr_assert_eq(get_sa_stat(&env, SA).out_packets, 1);
	cr_assert_eq(get_sa_stat(&env, SA).out_octets, ip_len + 8 + f->payload);
	cr_assert_eq(get_drops_all(&env), 0);
}

/* Every address sum: a UDP checksum never comes out as zero, which would mean "none" (RFC 768). */
Test(out, checksums_of_many_payloads)
{
	setup_n(4, 4, STEER_PATH_ENCAP);
	for (uint32_t i = 0; i < 2000; i++) {
		struct pkt p = {
			.family = 4, .udp = true, .spi = 0x10000000 + i * 33, .payload = i % 64
		};
		struct run r = out(&p, STEER_MARK(0, i, SA));

		cr_assert_eq(r.verdict, REDIRECT);
		cr_assert(pkt_sums_ok(r.out, r.len));
		cr_assert(r.out[PKT_ETHER + 26] || r.out[PKT_ETHER + 27]);
	}
}

/* RFC 3948 2.1: a sender may leave the checksum zero in IPv4; it stays zero. */
Test(out, udp_without_checksum)
{
	struct run r;

	setup_n(1, 4, STEER_PATH_ENCAP);
	r = out(&(struct pkt){ .family = 4, .udp = true, .no_check = true }, STEER_MARK(0, 0, SA));
	cr_assert_eq(r.verdict, REDIRECT);
	cr_assert_eq(r.out[PKT_ETHER + 26] | r.out[PKT_ETHER + 27], 0);
	cr_assert(pkt_sums_ok(r.out, r.len));
}

/* A super-packet carries the pseudo-header's sum only; its segments and octets are counted as sent.
 */
Test(out, super_packet)
{
	struct run r;
	size_t len;

	setup_n(1, 4, STEER_PATH_ENCAP);
	len = pkt_build(&(struct pkt){ .family = 4, .udp = true, .partial = true, .payload = 1492 },
			pkt);
	r = run_tc(env.tc->progs.steer_tc, pkt, len, STEER_MARK(0, 0, SA), 3, 500);
	cr_assert_eq(r.verdict, REDIRECT);
	cr_assert(pkt_partial_ok(r.out, r.len));
	cr_assert(pkt_has_addrs(r.out, path_src(1, 4), path_dst(1, 4)));
	cr_assert_eq(get_path_stat(&env, 1).tx_packets, 3);
	cr_assert_eq(get_path_stat(&env, 1).tx_octets, 3 * 28 + 1500);
	cr_assert_eq(get_sa_stat(&env, SA).out_packets, 3);
}

Test(out, super_packet_v6)
{
	struct run r;
	size_t len;

	setup_n(1, 6, STEER_PATH_ENCAP | STEER_PATH_MAC);
	len = pkt_build(&(struct pkt){ .family = 6, .udp = true, .partial = true, .payload = 1492 },
			pkt);
	r = run_tc(env.tc->progs.steer_tc, pkt, len, STEER_MARK(0, 0, SA), 2, 750);
	cr_assert_eq(r.verdict, REDIRECT);
	cr_assert(pkt_partial_ok(r.out, r.len));
	cr_assert_eq(get_path_stat(&env, 1).tx_octets, 2 * 48 + 1500);
}

/* The stable pair of one version over a path of the other. */
static void converts(int from, int to, bool udp)
{
	struct pkt p = { .family = from, .udp = udp, .payload = 77 };
	size_t hl = to == 4 ? 20 : 40, old = from == 4 ? 20 : 40, rest = (udp ? 8 : 0) + 8 + 77;
	struct run r;

	setup_n(1, to, STEER_PATH_MAC);
	r = out(&p, STEER_MARK(0, 0, SA));
	cr_assert_eq(r.verdict, REDIRECT);
	cr_assert_eq(r.len, PKT_ETHER + hl + rest);
	cr_assert_eq(r.out[PKT_ETHER] >> 4, to);
	cr_assert_arr_eq(r.out + 12, to == 4 ? "\x08\x00" : "\x86\xdd", 2);
	cr_assert(pkt_has_addrs(r.out, path_src(1, to), path_dst(1, to)));
	cr_assert(pkt_sums_ok(r.out, r.len));
	cr_assert_arr_eq(r.out + PKT_ETHER + hl + (udp ? 8 : 0),
			 pkt + PKT_ETHER + old + (udp ? 8 : 0), 8 + 77);
	/* traffic class and hop limit go along */
	if (to == 4) {
		cr_assert_eq(r.out[PKT_ETHER + 1], 0xb8);
		cr_assert_eq(ntohs(*(uint16_t *)(r.out + PKT_ETHER + 6)), 0x4000, "no DF");
		cr_assert_eq(r.out[PKT_ETHER + 8], 64);
		cr_assert_eq(ntohs(*(uint16_t *)(r.out + PKT_ETHER + 2)), hl + rest);
	} else {
		cr_assert_eq(ntohl(*(uint32_t *)(r.out + PKT_ETHER)), 0x6b800000);
		cr_assert_eq(r.out[PKT_ETHER + 7], 64);
		cr_assert_eq(ntohs(*(uint16_t *)(r.out + PKT_ETHER + 4)), rest);
	}
	cr_assert_eq(get_path_stat(&env, 1).tx_octets, hl + rest);
}

Test(out, v4_over_v6_udp)
{
	converts(4, 6, true);
}

Test(out, v4_over_v6_esp)
{
	converts(4, 6, false);
}

Test(out, v6_over_v4_udp)
{
	converts(6, 4, true);
}

Test(out, v6_over_v4_esp)
{
	converts(6, 4, false);
}

Test(out, drop_family_without_checksum)
{
	setup_n(1, 6, 0);
	cr_assert_eq(out(&(struct pkt){ .family = 4, .udp = true, .no_check = true },
			 STEER_MARK(0, 0, SA))
			     .verdict,
		     SHOT);
	cr_assert_eq(get_drop(&env, DROP_FAMILY), 1);
}

/* Slots go where the table says: 3 to 1 here. */
Test(out, weights_by_flow_slot)
{
	struct steer_group g = {
		.id = GROUP, .n_members = 2, .path = { 1, 2 }, .weight = { 3, 1 }
	};
	unsigned n[3] = { 0 };

	setup_n(2, 4, 0);
	for (int s = 0; s < STEER_FLOW_SLOTS; s++)
		g.flow[s] = s % 4 == 3 ? 2 : 1;
	put_group(&env, GROUP, &g);
	for (int s = 0; s < STEER_FLOW_SLOTS; s++)
		n[path_of_slot(s)]++;
	cr_assert_eq(n[1], 192);
	cr_assert_eq(n[2], 64);
	cr_assert_eq(get_path_stat(&env, 1).tx_packets, 192);
	cr_assert_eq(get_path_stat(&env, 2).tx_packets, 64);
}

/* One word takes a path out; its flows spread over the others, theirs stay. */
Test(out, one_word_takes_a_path_out)
{
	unsigned n[4] = { 0 };

	setup_n(3, 4, 0);
	cr_assert_eq(path_of_slot(1), 2);
	set_path_state(&env, 2, STEER_PATH_DOWN);
	for (int s = 0; s < STEER_FLOW_SLOTS; s++) {
		uint32_t id = path_of_slot(s);

		n[id]++;
		if (s % 3 != 1)
			cr_assert_eq(id, s % 3 + 1);
	}
	cr_assert_eq(n[0] + n[2], 0);
	cr_assert(n[1] >= 120 && n[3] >= 120, "%u %u", n[1], n[3]);
	set_path_state(&env, 2, STEER_PATH_UP);
	cr_assert_eq(path_of_slot(1), 2);
}

/* A brown-out: left while another one is up, standbys too; when all are degraded all stay. */
Test(out, degraded_only_if_none_is_up)
{
	struct steer_group g = {
		.id = GROUP, .n_members = 3, .path = { 1, 2, 3 }, .weight = { 1, 1, 0 }
	};

	setup_n(2, 4, 0);
	put_path(&env, 3, STEER_PATH_DOWN, 4, 0);
	for (int s = 0; s < STEER_FLOW_SLOTS; s++)
		g.flow[s] = s % 2 + 1;
	put_group(&env, GROUP, &g);
	set_path_state(&env, 1, STEER_PATH_DEGRADED);
	for (int s = 0; s < 16; s++)
		cr_assert_eq(path_of_slot(s), 2);
	set_path_state(&env, 2, STEER_PATH_DEGRADED);
	for (int s = 0; s < 16; s++)
		cr_assert_eq(path_of_slot(s), s % 2 + 1);
	set_path_state(&env, 3, STEER_PATH_UP);
	for (int s = 0; s < 16; s++)
		cr_assert_eq(path_of_slot(s), 3);
	set_path_state(&env, 3, STEER_PATH_DEGRADED);
	for (int s = 0; s < 16; s++)
		cr_assert_eq(path_of_slot(s), s % 2 + 1);
	/* down is worse than degraded, and so is unknown */
	set_path_state(&env, 1, STEER_PATH_DOWN);
	set_path_state(&env, 3, STEER_PATH_UNKNOWN);
	for (int s = 0; s < 16; s++)
		cr_assert_eq(path_of_slot(s), 2);
	set_path_state(&env, 2, STEER_PATH_DISABLED);
	for (int s = 0; s < 16; s++)
		cr_assert_eq(path_of_slot(s), 3);
	cr_assert_eq(get_drops_all(&env), 0);
}

/* Unknown only if nothing better; standbys (weight 0) before unknown ones. */
Test(out, fallback_order)
{
	struct steer_group g = {
		.id = GROUP, .n_members = 3, .path = { 1, 2, 3 }, .weight = { 1, 0, 1 }
	};

	setup_n(3, 4, 0);
	put_group(&env, GROUP, &g);
	set_path_state(&env, 1, STEER_PATH_UNKNOWN);
	cr_assert_eq(path_of_slot(9), 3);
	set_path_state(&env, 3, STEER_PATH_DOWN);
	cr_assert_eq(path_of_slot(9), 2);
	set_path_state(&env, 2, STEER_PATH_DOWN);
	cr_assert_eq(path_of_slot(9), 1);
	set_path_state(&env, 1, STEER_PATH_DOWN);
	cr_assert_eq(path_of_slot(9), 0);
	cr_assert_eq(get_drop(&env, DROP_NO_PATH), 1);
}

Test(out, active_standby_takes_the_first_usable)
{
	struct steer_group g = { .id = GROUP,
				 .mode = STEER_MODE_ACTIVE_STANDBY,
				 .n_members = 3,
				 .path = { 2, 1, 3 },
				 .weight = { 1, 1, 1 } };

	setup_n(3, 4, 0);
	put_group(&env, GROUP, &g);
	for (int s = 0; s < 16; s++)
		cr_assert_eq(path_of_slot(s), 2);
	set_path_state(&env, 2, STEER_PATH_DOWN);
	for (int s = 0; s < 16; s++)
		cr_assert_eq(path_of_slot(s), 1);
}

/* ---- classes ---- */

/* The path that a packet of that class takes, what it counts for on that path, and nothing else. */
static uint32_t path_of_class(uint32_t kind, unsigned klass)
{
	struct steer_path_stat was[3], is;
	uint32_t path = 0;
	struct run r;

	for (uint32_t id = 1; id < 3; id++)
		was[id] = get_path_stat(&env, id);
	r = out(&(struct pkt){ .family = 4, .payload = 50 }, STEER_MARK(kind, 4, SA));
	for (uint32_t id = 1; id < 3; id++) {
		is = get_path_stat(&env, id);
		if (is.tx_packets == was[id].tx_packets)
			continue;
		path = id;
		cr_assert(pkt_has_addrs(r.out, path_src(id, 4), path_dst(id, 4)));
		for (unsigned k = 0; k < STEER_CLASSES; k++) {
			cr_assert_eq(is.tx_class[k].packets,
				     was[id].tx_class[k].packets + (k == klass));
			cr_assert_eq(is.tx_class[k].octets,
				     was[id].tx_class[k].octets + (k == klass ? 78 : 0));
		}
	}
	return path;
}

/* A class has a group, or goes as class 0; what may be fragmented has the same one. */
Test(out, a_group_for_each_class)
{
	const struct steer_group other = {
		.n_members = 1, .path = { 2 }, .weight = { 1 }, .flow = { [4] = 2 }
	};

	setup_n(1, 4, 0);
	put_path(&env, 2, STEER_PATH_UP, 4, 0);
	for (uint32_t k = 2; k < STEER_CLASSES; k += 2)
		put_group(&env, STEER_GROUP_OF(GROUP, k), &other);
	for (unsigned k = 0; k < STEER_CLASSES; k++) {
		uint32_t want = k && k % 2 == 0 ? 2 : 1;

		cr_assert_eq(path_of_class(k, k), want, "class %u", k);
		cr_assert_eq(path_of_class(STEER_MARK_KIND_CUT | k, k), want);
	}
	/* none of them: as class 0, and counted for no class */
	cr_assert_eq(path_of_class(STEER_CLASS_NONE, STEER_CLASS_NONE), 1);
	set_path_state(&env, 2, STEER_PATH_DOWN); /* its own group counts, not class 0's */
	cr_assert_eq(path_of_class(4, 4), 0);
	cr_assert_eq(get_drop(&env, DROP_NO_PATH), 1);
	cr_assert_eq(get_drops_all(&env), 1);
}

/* What names its path says in the slot which class it is of, and whether it may be fragmented. */
Test(out, class_of_a_direct_path)
{
	struct steer_path_stat st;
	struct run r;

	setup_n(1, 4, 0);
	for (uint32_t what = 0; what < 16; what++) {
		r = out(&(struct pkt){ .family = 4, .frag = 0x4000 },
			STEER_MARK(STEER_MARK_KIND_PATH, what, 1));
		cr_assert_eq(r.verdict, REDIRECT);
		cr_assert_eq(r.out[PKT_ETHER + 6], what & STEER_MARK_KIND_CUT ? 0 : 0x40);
	}
	st = get_path_stat(&env, 1);
	cr_assert_eq(st.tx_packets, 16);
	for (int k = 0; k < STEER_CLASSES; k++)
		cr_assert_eq(st.tx_class[k].packets, 2);
}

/* Kind 15 names its path, whatever the state: probes of a path that is down. */
Test(out, direct_path)
{
	struct run r;

	setup_n(2, 4, STEER_PATH_ENCAP);
	set_path_state(&env, 2, STEER_PATH_DOWN);
	r = out(&(struct pkt){ .family = 4, .udp = true }, STEER_MARK(STEER_MARK_KIND_PATH, 0, 2));
	cr_assert_eq(r.verdict, REDIRECT);
	cr_assert(pkt_has_addrs(r.out, path_src(2, 4), path_dst(2, 4)));
	cr_assert(pkt_sums_ok(r.out, r.len));
	cr_assert_eq(get_path_stat(&env, 2).tx_packets, 1);
	r = out(&(struct pkt){ .family = 4 }, STEER_MARK(STEER_MARK_KIND_PATH, 0, 9));
	cr_assert_eq(r.verdict, SHOT);
	r = out(&(struct pkt){ .family = 4 }, STEER_MARK(STEER_MARK_KIND_PATH, 0, STEER_PATHS_MAX));
	cr_assert_eq(r.verdict, SHOT);
	cr_assert_eq(get_drop(&env, DROP_NO_PATH), 2);
}

Test(out, drop_no_mark)
{
	setup_n(1, 4, 0);
	cr_assert_eq(out(&(struct pkt){ .family = 4 }, 0).verdict, SHOT);
	cr_assert_eq(get_drop(&env, DROP_NO_MARK), 1);
}

Test(out, drop_no_sa)
{
	setup_n(1, 4, 0);
	cr_assert_eq(out(&(struct pkt){ .family = 4 }, STEER_MARK(0, 0, SA + 1)).verdict, SHOT);
	cr_assert_eq(out(&(struct pkt){ .family = 4 }, STEER_MARK(0, 0, SA_MAX)).verdict, SHOT);
	cr_assert_eq(get_drop(&env, DROP_NO_SA), 2);
}

Test(out, drop_no_group)
{
	setup_n(1, 4, 0);
	put_sa_out(&env, SA, 100, GROUP + 1);
	cr_assert_eq(out(&(struct pkt){ .family = 4 }, STEER_MARK(0, 0, SA)).verdict, SHOT);
	put_sa_out(&env, SA, 100, STEER_GROUPS_MAX);
	cr_assert_eq(out(&(struct pkt){ .family = 4 }, STEER_MARK(0, 0, SA)).verdict, SHOT);
	cr_assert_eq(get_drop(&env, DROP_NO_GROUP), 2);
}

/* Nothing but ESP leaves by the steering device, marked or not. */
Test(out, drop_what_is_not_esp)
{
	const struct pkt bad[] = {
		{ .family = 4, .proto = 6, .payload = 40 },
		{ .family = 6, .proto = 58, .payload = 40 },
		{ .family = 4, .options = 4 },
		{ .family = 4, .frag = 0x2000, .payload = 64 },
		{ .family = 4, .frag = 0x0010, .payload = 64 },
		{ .family = 4, .vlan = 7 },
		{ .family = 6, .proto = 0, .payload = 40 },
	};
	size_t n = sizeof(bad) / sizeof(*bad) - 1; /* proto 0 means default: the last is ESP */

	setup_n(1, 4, 0);
	for (size_t i = 0; i < n; i++) {
		cr_assert_eq(out(&bad[i], STEER_MARK(0, 0, SA)).verdict, SHOT, "%zu", i);
		cr_assert_eq(get_drop(&env, DROP_BAD_PACKET), i + 1);
	}
	cr_assert_eq(get_path_stat(&env, 1).tx_packets, 0);
}

/* Cut at every length a test run can have (the IP header is whole): dropped and counted until the
 * headers are whole. */
static void truncated(int family, bool udp)
{
	size_t len, ip = PKT_ETHER + (family == 4 ? 20 : 40), need = ip + (udp ? 8 : 0);

	setup_n(1, family, 0);
	len = pkt_build(&(struct pkt){ .family = family, .udp = udp, .payload = 40 }, pkt);
	for (size_t n = ip; n < len; n++) {
		struct run r = run_tc(env.tc->progs.steer_tc, pkt, n, STEER_MARK(0, 0, SA), 0, 0);

		cr_assert_eq(r.verdict, n < need ? SHOT : REDIRECT, "at %zu", n);
	}
	cr_assert_eq(get_drop(&env, DROP_BAD_PACKET), need - ip);
}

Test(out, truncated_v4_udp)
{
	truncated(4, true);
}

Test(out, truncated_v6_udp)
{
	truncated(6, true);
}

static uint16_t be16_at(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* RFC 4301 8.1: without DF a packet has an identification, a new one for each on that path
 * (RFC 6864 4.3); the rest is as ever. */
Test(out, routers_may_cut_what_is_marked_so)
{
	enum { CUT = STEER_MARK_KIND_CUT };
	struct pkt p = { .family = 4, .udp = true, .payload = 100, .frag = 0x4000 };
	struct run r;
	size_t len;

	setup_n(1, 4, STEER_PATH_ENCAP);
	for (uint16_t id = 0; id < 3; id++) {
		p.udp = id != 1; /* and protocol 50 */
		r = out(&p, STEER_MARK(CUT, 0, SA));
		cr_assert_eq(r.verdict, REDIRECT);
		cr_assert_eq(be16_at(r.out + PKT_ETHER + 6), 0);
		cr_assert_eq(be16_at(r.out + PKT_ETHER + 4), id);
		cr_assert(pkt_sums_ok(r.out, r.len));
		cr_assert(pkt_has_addrs(r.out, path_src(1, 4), path_dst(1, 4)));
	}
	/* a super-packet takes as many as it has segments */
	p = (struct pkt){
		.family = 4, .udp = true, .partial = true, .payload = 1492, .frag = 0x4000
	};
	len = pkt_build(&p, pkt);
	r = run_tc(env.tc->progs.steer_tc, pkt, len, STEER_MARK(CUT, 0, SA), 3, 500);
	cr_assert_eq(be16_at(r.out + PKT_ETHER + 4), 3);
	cr_assert(pkt_partial_ok(r.out, r.len));
	r = run_tc(env.tc->progs.steer_tc, pkt, len, STEER_MARK(CUT, 0, SA), 3, 500);
	cr_assert_eq(be16_at(r.out + PKT_ETHER + 4), 6);
	/* others keep DF */
	p.partial = false;
	r = out(&p, STEER_MARK(0, 0, SA));
	cr_assert_eq(be16_at(r.out + PKT_ETHER + 6), 0x4000);
	cr_assert_eq(be16_at(r.out + PKT_ETHER + 4), be16_at(pkt + PKT_ETHER + 4));
	/* so does a probe */
	r = out(&p, STEER_MARK(STEER_MARK_KIND_PATH, 0, 1));
	cr_assert_eq(r.verdict, REDIRECT);
	cr_assert_eq(be16_at(r.out + PKT_ETHER + 6), 0x4000);
}

Test(out, routers_may_cut_what_was_ipv6)
{
	struct run r;

	setup_n(1, 4, STEER_PATH_MAC);
	for (uint16_t id = 0; id < 2; id++) {
		r = out(&(struct pkt){ .family = 6, .udp = true, .payload = 77 },
			STEER_MARK(STEER_MARK_KIND_CUT, 0, SA));
		cr_assert_eq(r.verdict, REDIRECT);
		cr_assert_eq(be16_at(r.out + PKT_ETHER + 6), 0);
		cr_assert_eq(be16_at(r.out + PKT_ETHER + 4), id);
		cr_assert(pkt_sums_ok(r.out, r.len));
	}
}

/* IPv6 has no such thing. */
Test(out, routers_never_cut_ipv6)
{
	struct run r, same;

	setup_n(1, 6, STEER_PATH_MAC);
	r = out(&(struct pkt){ .family = 6, .udp = true }, STEER_MARK(0, 0, SA));
	same = out(&(struct pkt){ .family = 6, .udp = true },
		   STEER_MARK(STEER_MARK_KIND_CUT, 0, SA));
	cr_assert_eq(r.verdict, REDIRECT);
	cr_assert_eq(r.len, same.len);
	cr_assert_arr_eq(r.out, same.out, r.len);
}
