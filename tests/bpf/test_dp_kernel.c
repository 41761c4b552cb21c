/* SPDX-License-Identifier: GPL-2.0-only */
/* The data plane for ESP of the kernel's, as the agent sees it: where packets are steered, what its
 * SAs are in the maps, and runs with the one kind of ESP after runs with the other. */
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dp/dp.h"
#include "harness.h"
#include "steer/class.h"

#define AT_PEER	  "tc filter show dev braid0p ingress | grep -q 'steer_tc '"
#define EARLY	  "tc filter show dev braid0 egress | grep -q 'steer_tc_out '"
#define AT_DEVICE "tc filter show dev braid0 egress | grep -q 'steer_tc '"
#define ROUTED	  "ip route get 198.18.0.2 | grep -q 'dev braid0 src 198.18.0.1'"

static char base[BPFFS_DIR], pins[80], error[512];
static struct dp_options opt;
static struct dp *dp;

static bool sh_ok(const char *cmd)
{
	return system(cmd) == 0;
}

static void setup(void)
{
	bpffs_open(base);
	snprintf(pins, sizeof(pins), "%s/braid", base);
	opt = (struct dp_options){
		.pin_dir = pins, .steer_dev = "braid0", .sa_max = 256, .kernel_esp = true
	};
	addr_parse("198.18.0.1", &opt.stable4_local);
	addr_parse("198.18.0.2", &opt.stable4_remote);
	addr_parse("fd00:6272:6169:6400::1", &opt.stable6_local);
	addr_parse("fd00:6272:6169:6400::2", &opt.stable6_remote);
}

static void teardown(void)
{
	dp_close(dp);
	bpffs_close(base);
}

TestSuite(dp_kernel, .init = setup, .fini = teardown);

static void open_dp(bool kernel_esp)
{
	int err;

	dp_close(dp);
	dp = NULL;
	opt.kernel_esp = kernel_esp;
	err = dp_open(&opt, &dp, error, sizeof(error));
	if (err == -EPERM)
		cr_skip_test("%s", error);
	cr_assert_eq(err, 0, "%s", error);
}

/* Packets are steered as they enter the pair, or come out of its other end; flush takes both. */
Test(dp_kernel, a_pair)
{
	struct steer_path p = { .family = 4 };
	char why[128];
	uint32_t id, peer;

	open_dp(true);
	cr_assert(sh_ok(AT_PEER));
	cr_assert(sh_ok(EARLY));
	cr_assert_not(sh_ok(AT_DEVICE));
	cr_assert(sh_ok(ROUTED));
	cr_assert(sh_ok("tc qdisc show dev braid0 root | grep -q pfifo"));
	cr_assert(sh_ok("ip -6 route get fd00:6272:6169:6400::2 | grep -q 'dev braid0'"));
	cr_assert(sh_ok("ip -o link show braid0p | grep -q 'mtu 65535.*state UP'"));
	peer = if_nametoindex("braid0p");
	p.ifindex = peer;
	cr_assert_eq(dp_path_put(dp, &p, STEER_PATH_UP, &id), -EINVAL); /* in circles */
	cr_assert_eq(dp_uplink_attach(dp, peer, why, sizeof(why)), -EINVAL);
	open_dp(true);
	cr_assert(sh_ok("test $(tc filter show dev braid0p ingress | grep -c steer_tc) = 1"));
	dp_close(dp);
	dp = NULL;
	cr_assert_eq(dp_flush(&opt), 0);
	cr_assert_eq(if_nametoindex("braid0") + if_nametoindex("braid0p"), 0);
}

/* One program in one place, whatever ran before. */
/* Where two peers have chosen the same SPI, the second one's SA goes to another address. */
Test(dp_kernel, what_goes_to_further_addresses_is_steered_too)
{
	struct addr a, b;

	addr_parse("198.18.0.3", &a);
	addr_parse("fd00:6272:6169:6400::3", &b);
	open_dp(true);
	cr_assert_not(sh_ok("ip route get 198.18.0.3 2>/dev/null | grep -q braid0"));
	cr_assert_eq(dp_steer_route(dp, &a), 0);
	cr_assert_eq(dp_steer_route(dp, &a), 0, "again");
	cr_assert_eq(dp_steer_route(dp, &b), 0);
	cr_assert(sh_ok("ip route get 198.18.0.3 | grep -q 'dev braid0 src 198.18.0.1'"));
	cr_assert(sh_ok("ip -6 route get fd00:6272:6169:6400::3 | grep -q 'dev braid0'"));
}

Test(dp_kernel, takes_over_from_the_engine_and_back)
{
	open_dp(false);
	cr_assert(sh_ok(AT_DEVICE));
	for (int i = 0; i < 2; i++) {
		open_dp(true);
		cr_assert(sh_ok(AT_PEER));
		cr_assert(sh_ok(EARLY));
		cr_assert_not(sh_ok(AT_DEVICE));
		cr_assert(sh_ok(ROUTED));
		open_dp(false);
		cr_assert(sh_ok(AT_DEVICE));
		cr_assert_not(sh_ok(EARLY));
		cr_assert_not(sh_ok(AT_PEER));
		cr_assert(sh_ok(ROUTED));
	}
}

/* A device of ours without another end, as a dummy is: another takes its place. */
Test(dp_kernel, no_pair_is_made_one)
{
	const char *make = "ip link add braid0 type dummy 2>/dev/null || "
			   "ip link add braid0 type veth peer name elsewhere";

	cr_assert(sh_ok(make));
	cr_assert(sh_ok("ip link set braid0 alias 'braid steering device'"));
	open_dp(true);
	cr_assert(sh_ok(AT_PEER));
	cr_assert(sh_ok(ROUTED));
	cr_assert_eq(if_nametoindex("elsewhere"), 0);
}

/* Somebody's device has the name of the other end: said, and left alone. */
Test(dp_kernel, the_other_ends_name_is_taken)
{
	cr_assert(sh_ok("ip link add braid0p type veth peer name theirs"));
	cr_assert_eq(dp_open(&opt, &dp, error, sizeof(error)), -EEXIST);
	cr_assert(strstr(error, "braid0p") && strstr(error, "rename it"), "%s", error);
	cr_assert_eq(if_nametoindex("braid0"), 0);
	cr_assert_neq(if_nametoindex("braid0p"), 0);
}

static void sa_in_of(uint32_t index, struct steer_sa_in *ret)
{
	char file[128];
	int fd;

	snprintf(file, sizeof(file), "%s/sa_in", pins);
	fd = bpf_obj_get(file);
	cr_assert_geq(fd, 0);
	cr_assert_eq(bpf_map_lookup_elem(fd, &index, ret), 0);
	close(fd);
}

static uint8_t flags_out(uint32_t index)
{
	struct steer_sa_out sa;
	char file[128];
	int fd;

	snprintf(file, sizeof(file), "%s/sa_out", pins);
	fd = bpf_obj_get(file);
	cr_assert_geq(fd, 0);
	cr_assert_eq(bpf_map_lookup_elem(fd, &index, &sa), 0);
	close(fd);
	return sa.flags;
}

/* By family the stable pair; without one of that family there is no such SA. */
Test(dp_kernel, sas_of_both_families)
{
	struct dp_sa sa = { .id = 1, .group = 8 };
	struct steer_sa_in in;
	uint32_t index;

	open_dp(true);
	for (uint8_t family = 4; family <= 6; family += 2) {
		const struct addr *dst = family == 4 ? &opt.stable4_local : &opt.stable6_local;

		sa.id = family;
		sa.family = family;
		cr_assert_eq(dp_spi_alloc(dp, &sa.spi_in), 0);
		cr_assert_eq(dp_sa_add(dp, &sa, &index), 0);
		sa_in_of(index, &in);
		cr_assert_eq(in.owner, STEER_OWNER_KERNEL);
		cr_assert_eq(in.family, family);
		cr_assert_eq(in.flags, STEER_SA_RESTORE_DST);
		cr_assert_arr_eq(in.dst.b, dst->b, family == 4 ? 4 : 16);
	}
	opt.stable6_local.family = opt.stable6_remote.family = 0;
	open_dp(true);
	sa.id = 9;
	cr_assert_eq(dp_spi_alloc(dp, &sa.spi_in), 0);
	cr_assert_eq(dp_sa_add(dp, &sa, &index), -EAFNOSUPPORT);
	sa.family = 0;
	cr_assert_eq(dp_sa_add(dp, &sa, &index), 0);
	sa_in_of(index, &in);
	cr_assert_eq(in.family, 4);
	/* the engine takes its packets from the socket as they come */
	open_dp(false);
	sa.id = 10;
	cr_assert_eq(dp_spi_alloc(dp, &sa.spi_in), 0);
	cr_assert_eq(dp_sa_add(dp, &sa, &index), 0);
	sa_in_of(index, &in);
	cr_assert_eq(in.owner, STEER_OWNER_ENGINE);
	cr_assert_eq(in.flags, 0);
}

Test(dp_kernel, wrapped_or_not)
{
	struct dp_sa sa = { .id = 3, .group = 8, .flags = STEER_SA_RESTORE_SRC };
	uint32_t index;

	open_dp(true);
	cr_assert_eq(dp_spi_alloc(dp, &sa.spi_in), 0);
	cr_assert_eq(dp_sa_add(dp, &sa, &index), 0);
	cr_assert_eq(dp_sa_wrap(dp, 3, STEER_SA_WRAP | STEER_SA_WRAP_BY_PATH), 0);
	cr_assert_eq(flags_out(index),
		     STEER_SA_RESTORE_SRC | STEER_SA_WRAP | STEER_SA_WRAP_BY_PATH);
	cr_assert_eq(dp_sa_wrap(dp, 3, STEER_SA_WRAP | STEER_SA_ENCAP), 0);
	cr_assert_eq(flags_out(index), STEER_SA_RESTORE_SRC | STEER_SA_WRAP);
	cr_assert_eq(dp_sa_wrap(dp, 3, 0), 0);
	cr_assert_eq(flags_out(index), STEER_SA_RESTORE_SRC);
	cr_assert_eq(dp_sa_wrap(dp, 4, STEER_SA_WRAP), -ENOENT);
}

static struct steer_intake intake(void)
{
	struct steer_intake in;
	char file[128];
	__u32 key = 0;
	int fd;

	snprintf(file, sizeof(file), "%s/intake", pins);
	fd = bpf_obj_get(file);
	cr_assert_geq(fd, 0);
	cr_assert_eq(bpf_map_lookup_elem(fd, &key, &in), 0);
	close(fd);
	return in;
}

static bool at_egress(const char *prog)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "test $(tc filter show dev u0 egress | grep -c %s) = 1", prog);
	return sh_ok(cmd);
}

static uint32_t group_of_paths(enum steer_mode mode, size_t n)
{
	struct dp_member m[2] = { { .weight = 1 }, { .weight = 1 } };
	struct dp_group_want want = { .members = m, .mode = mode, .n = n };
	uint32_t id = 0;

	for (size_t i = 0; i < n; i++) {
		struct steer_path p = { .ifindex = 1, .family = 4, .src.b = { 10, (uint8_t)i } };

		cr_assert_eq(dp_path_put(dp, &p, STEER_PATH_UP, &m[i].path), 0);
	}
	cr_assert_eq(dp_group_put(dp, 0, &want, &id), 0);
	return id;
}

/* What tells flows apart is there as soon as one flow may go another way than the next, and not
 * before; the seed outlives the agent, and so does the program. */
Test(dp_kernel, flows_keep_their_slots)
{
	const struct classify_packet p = { .family = 4, .protocol = 17, .has_ports = 1 };
	uint64_t flow, again;
	uint32_t u0;

	cr_assert(sh_ok("ip link add u0 type veth peer name u1"));
	u0 = if_nametoindex("u0");
	open_dp(true);
	cr_assert_eq(dp_classify_flow(dp, &p, &flow), -ENOENT);
	cr_assert_eq(dp_classify_attach(dp, u0, error, sizeof(error)), 0, "%s", error);
	group_of_paths(STEER_MODE_FLOW_HASH, 1);
	group_of_paths(STEER_MODE_ACTIVE_STANDBY, 2);
	cr_assert_not(at_egress("classify_mark"));
	cr_assert_eq(intake().classified, 0);
	group_of_paths(STEER_MODE_FLOW_HASH, 2);
	for (int i = 0; i < 2; i++) {
		cr_assert(at_egress("classify_mark"));
		cr_assert_eq(intake().classified, 1);
		cr_assert_eq(dp_classify_attach(dp, u0, error, sizeof(error)), 0, "%s", error);
		cr_assert_eq(dp_classify_flow(dp, &p, i ? &again : &flow), 0);
		open_dp(true);
	}
	cr_assert_eq(again, flow);
	open_dp(false);
	cr_assert_eq(dp_classify_attach(dp, u0, error, sizeof(error)), -EINVAL);
}

/* Asked for before there is a device: at once, when there is one; of another device nothing is
 * believed that was attached to the one before. */
Test(dp_kernel, classifier_of_rules)
{
	const struct class_rule rule = {
		.klass = 1, .protocol = 17, .local_port = { 0, 65535 }, .remote_port = { 0, 65535 }
	};
	const uint64_t cgroup = 0;

	cr_assert(sh_ok("ip link add u0 type veth peer name u1"));
	open_dp(true);
	cr_assert_eq(dp_classify_attach(dp, if_nametoindex("u0"), error, sizeof(error)), 0, "%s",
		     error);
	cr_assert_eq(dp_classify_put(dp, NULL, NULL, 0), 0);
	cr_assert_not(at_egress("classify_mark"));
	cr_assert_eq(dp_classify_put(dp, &rule, &cgroup, 1), 0);
	cr_assert(at_egress("classify_mark"));
	cr_assert_eq(intake().classified, 1);

	cr_assert(sh_ok("ip link del u0 && ip link add u0 type veth peer name u1"));
	open_dp(true);
	cr_assert_eq(intake().classified, 1);
	cr_assert_eq(dp_classify_attach(dp, if_nametoindex("u0"), error, sizeof(error)), 0, "%s",
		     error);
	cr_assert_not(at_egress("classify_mark"));
	cr_assert_eq(intake().classified, 0);

	open_dp(true);
	group_of_paths(STEER_MODE_FLOW_HASH, 2);
	cr_assert_not(at_egress("classify_mark"));
	cr_assert_eq(dp_classify_attach(dp, if_nametoindex("u0"), error, sizeof(error)), 0, "%s",
		     error);
	cr_assert(at_egress("classify_mark"));
}

static bool takes_packets(__u32 cpu)
{
	char file[128];
	__u32 queue = 0;
	bool is;
	int fd;

	snprintf(file, sizeof(file), "%s/cpus", pins);
	fd = bpf_obj_get(file);
	cr_assert_geq(fd, 0);
	is = !bpf_map_lookup_elem(fd, &cpu, &queue) && queue;
	close(fd);
	return is;
}

/* The CPUs that this process may run on, with XDP only; taken back by a run without. */
Test(dp_kernel, spread_over_cpus)
{
	char why[256];
	cpu_set_t set;
	uint32_t u0;

	cr_assert_eq(sched_getaffinity(0, sizeof(set), &set), 0);
	if (CPU_COUNT(&set) < 2)
		cr_skip_test("one CPU");
	cr_assert(sh_ok(
		"ip link add u0 type veth peer name w0 && ip link set u0 up && ip link set w0 up"));
	u0 = if_nametoindex("u0");
	opt.attach = DP_ATTACH_XDP;
	opt.spread = STEER_SPREAD_SA;
	opt.drop_unknown = true;
	open_dp(true);
	cr_assert_eq(intake().spread, STEER_SPREAD_SA);
	cr_assert_eq(intake().n_cpus, CPU_COUNT(&set));
	cr_assert_eq(intake().drop_unknown, 1);
	for (int i = 0; i < CPU_COUNT(&set); i++)
		cr_assert(CPU_ISSET(intake().cpu[i], &set) && takes_packets(intake().cpu[i]));
	cr_assert_eq(dp_uplink_attach(dp, u0, why, sizeof(why)), 0, "%s", why);
	if (!strcmp(dp_uplink_mode(dp, u0), "xdp"))
		cr_assert(strstr(why, "each SA by one of them"), "%s", why);
	else
		cr_assert(strstr(why, "not spread"), "%s", why);
	cr_assert_eq(dp_uplink_detach(dp, u0), 0);

	opt.attach = DP_ATTACH_TC; /* the CPU is decided there */
	open_dp(true);
	cr_assert_eq(intake().n_cpus, 0);
	cr_assert_eq(intake().spread, STEER_SPREAD_OFF);
	for (__u32 cpu = 0; cpu < 2; cpu++)
		cr_assert_not(takes_packets(cpu));
	opt.attach = DP_ATTACH_XDP;
	open_dp(false); /* nor is the engine's */
	cr_assert_eq(intake().spread, STEER_SPREAD_OFF);
}

static uint32_t shown(uint32_t spi)
{
	struct steer_sa_in sa;
	uint32_t index = STEER_SPI_INDEX(spi);
	char file[100];
	int fd;

	snprintf(file, sizeof(file), "%s/sa_in", pins);
	fd = bpf_obj_get(file);
	cr_assert_eq(bpf_map_lookup_elem(fd, &index, &sa), 0);
	close(fd);
	return sa.spi;
}

/* Programs see an SA whose SPI was awaited once it is in the kernel; the next agent awaits nothing.
 */
Test(dp_kernel, an_sa_that_was_awaited)
{
	struct dp_sa sa = { .id = 5, .spi_out = 0x777, .group = 8 };
	uint32_t index, other;

	open_dp(true);
	cr_assert_eq(dp_spi_alloc(dp, &sa.spi_in), 0);
	cr_assert_eq(dp_await(dp, sa.spi_in, true), 0);
	cr_assert_eq(dp_sa_add(dp, &sa, &index), 0);
	cr_assert_eq(shown(sa.spi_in), 0);
	cr_assert_eq(dp_await(dp, sa.spi_in, false), 0);
	cr_assert_eq(shown(sa.spi_in), sa.spi_in);
	cr_assert_not(dp_awaits(dp, sa.spi_in));
	cr_assert_eq(dp_spi_alloc(dp, &other), 0);
	cr_assert_eq(dp_await(dp, other, true), 0);
	cr_assert_eq(dp_await(dp, other, false), 0);
	cr_assert_eq(shown(other), 0, "there is no SA");
	cr_assert_eq(dp_await(dp, other, true), 0);
	open_dp(true);
	cr_assert_not(dp_awaits(dp, other));
	cr_assert_eq(shown(sa.spi_in), sa.spi_in);
}

/* More SAs than there is room for, one after the other. */
Test(dp_kernel, spis_of_sas_that_have_gone_are_free)
{
	uint32_t index;

	opt.sa_max = 16;
	open_dp(true);
	for (uint32_t n = 1; n < 3 * opt.sa_max; n++) {
		struct dp_sa sa = { .id = n, .spi_out = 0x777, .group = 8 };

		cr_assert_eq(dp_spi_alloc(dp, &sa.spi_in), 0, "%u", n);
		if (n & 1)
			cr_assert_eq(dp_await(dp, sa.spi_in, true), 0);
		cr_assert_eq(dp_sa_add(dp, &sa, &index), 0);
		dp_await(dp, sa.spi_in, false);
		dp_sa_del(dp, n);
	}
}

static uint32_t inner_any(void)
{
	uint32_t key = 0, any = 9;
	char file[100];
	int fd;

	snprintf(file, sizeof(file), "%s/inner_any", pins);
	fd = bpf_obj_get(file);
	cr_assert(fd >= 0, "%s: %s", file, strerror(-fd));
	cr_assert_eq(bpf_map_lookup_elem(fd, &key, &any), 0);
	close(fd);
	return any;
}

/* The programs ask only where there are any; a restart forgets none. */
Test(dp_kernel, inner_addresses_are_told_of)
{
	struct dp_inner now = { 0 };

	addr_parse("192.0.2.66", &now.src);
	addr_parse("192.0.2.2", &now.dst);
	open_dp(true);
	cr_assert_eq(inner_any(), 0);
	dp_inner_del(dp, 0x12300001);
	cr_assert_eq(inner_any(), 0);
	for (uint32_t spi = 0x12300001; spi <= 0x12300002; spi++)
		cr_assert_eq(dp_inner_put(dp, spi, &now, NULL, 0), 0);
	cr_assert_eq(inner_any(), 1);
	open_dp(true);
	dp_inner_del(dp, 0x12300001);
	dp_inner_del(dp, 0x12300003);
	cr_assert_eq(inner_any(), 1);
	dp_inner_del(dp, 0x12300002);
	cr_assert_eq(inner_any(), 0);
}
