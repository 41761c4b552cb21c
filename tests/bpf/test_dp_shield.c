/* SPDX-License-Identifier: GPL-2.0-only */
/* The shield of transport mode as the agent sees it: its rules, and where its programs are, beside
 * steering and in one program with it. In a network and a mount namespace of its own with a bpffs.
 */
#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "abi/shield.h"
#include "dp/dp.h"
#include "harness.h"

static char base[BPFFS_DIR], pins[80], error[512], why[192];
static struct dp_options opt;
static struct dp *dp;
static uint32_t u0;

static void open_dp(void)
{
	int err;

	dp_close(dp);
	dp = NULL;
	err = dp_open(&opt, &dp, error, sizeof(error));
	if (err == -EPERM)
		cr_skip_test("%s", error);
	cr_assert_eq(err, 0, "%s", error);
}

static void setup(void)
{
	bpffs_open(base);
	snprintf(pins, sizeof(pins), "%s/braid", base);
	opt = (struct dp_options){ .pin_dir = pins, .steer_dev = "braid0", .sa_max = 256 };
	cr_assert_eq(system("ip link add u0 type veth peer name u1; ip link set u0 up; "
			    "ip link set u1 up"),
		     0);
	u0 = if_nametoindex("u0");
	open_dp();
}

static void teardown(void)
{
	dp_close(dp);
	bpffs_close(base);
}

TestSuite(dp_shield, .init = setup, .fini = teardown);

/* So many filters of that name there. */
static void filters(const char *where, const char *name, int n)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "test $(tc filter show dev u0 %s | grep -c '%s:') = %d", where,
		 name, n);
	cr_assert_eq(system(cmd), 0, "%s", cmd);
}

static void ingress(int steer_in, int both, int shield_in)
{
	filters("ingress", " steer_in", steer_in);
	filters("ingress", " steer_in_shield", both);
	filters("ingress", " shield_in", shield_in);
}

static void uplink(void)
{
	cr_assert_eq(dp_uplink_attach(dp, u0, why, sizeof(why)), 0, "%s", why);
}

/* With a rule, as the agent does it. */
static void shield(void)
{
	struct dp_shield_rule r = { .local_last = UINT16_MAX, .remote_last = UINT16_MAX };

	addr_parse("192.0.2.2", &r.remote);
	cr_assert_eq(dp_shield_rules(dp, &r, 1), 0);
	cr_assert_eq(dp_shield_attach(dp, u0), 0);
}

/* Also of the next agent, whose programs take their place. */
Test(dp_shield, one_program_with_steering)
{
	uplink();
	ingress(1, 0, 0);
	for (int twice = 0; twice < 2; twice++) {
		shield();
		ingress(0, 1, 0);
		filters("egress", "shield_out", 1);
		uplink();
		ingress(0, 1, 0);
		open_dp();
		uplink();
		ingress(0, 1, 0);
	}
	cr_assert_eq(dp_shield_detach(dp, u0), 0);
	ingress(1, 0, 0);
	filters("egress", "shield_out", 0);
	cr_assert_eq(dp_shield_detach(dp, u0), 0);
	ingress(1, 0, 0);
}

/* There is nothing to share a program with before, and no longer. */
Test(dp_shield, of_its_own_where_nothing_steers)
{
	shield();
	ingress(0, 0, 1);
	uplink();
	ingress(1, 0, 1);
	shield();
	ingress(0, 1, 0);
	cr_assert_eq(dp_uplink_detach(dp, u0), 0);
	ingress(0, 0, 1);
	filters("egress", "shield_out", 1);
	cr_assert_eq(dp_shield_detach(dp, u0), 0);
	ingress(0, 0, 0);
}

Test(dp_shield, of_its_own_beside_xdp)
{
	uplink();
	shield();
	opt.attach = DP_ATTACH_XDP;
	open_dp();
	uplink();
	cr_assert_str_eq(dp_uplink_mode(dp, u0), "xdp", "%s", why);
	ingress(0, 0, 1);
	shield();
	ingress(0, 0, 1);
	opt.attach = DP_ATTACH_TC;
	open_dp();
	uplink();
	cr_assert_str_eq(dp_uplink_mode(dp, u0), "tc", "%s", why);
	ingress(1, 0, 1);
	shield();
	ingress(0, 1, 0);
}

/* An orderly end takes the steering and lets the shield be; that of the next agent takes its place.
 */
Test(dp_shield, stays_when_steering_goes)
{
	for (int twice = 0; twice < 2; twice++) {
		uplink();
		ingress(1, 0, twice);
		shield();
		ingress(0, 1, 0);
		cr_assert_eq(dp_shield_stays(dp), 0);
		ingress(0, 1, 1);
		dp_close(dp);
		dp = NULL;
		cr_assert_eq(dp_flush(&opt), 0);
		ingress(0, 0, 1);
		filters("egress", "shield_out", 1);
		open_dp();
	}
	cr_assert_eq(dp_shield_clear(u0), 0);
	ingress(0, 0, 0);
	filters("egress", "shield_out", 0);
}

#define STRANGER                                                                                   \
	"tc filter add dev u0 ingress pref %d protocol all handle 1 bpf da bytecode "              \
	"'1,6 0 0 4294967295'"

static void stranger(int priority)
{
	char cmd[192];

	snprintf(cmd, sizeof(cmd), STRANGER, priority);
	cr_assert_eq(system(cmd), 0, "%s", cmd);
}

static void stop(void)
{
	dp_close(dp);
	dp = NULL;
	cr_assert_eq(dp_flush(&opt), 0);
}

/* A start that fails leaves what an orderly end had left. */
Test(dp_shield, stays_after_a_start_that_failed)
{
	uplink();
	shield();
	cr_assert_eq(dp_shield_stays(dp), 0);
	stop();
	open_dp();
	uplink();
	shield();
	ingress(0, 1, 0);
	dp_abandon(dp);
	dp = NULL;
	ingress(0, 0, 1);
	filters("egress", "shield_out", 1);
}

/* What comes in is no less protected where what leaves cannot be. */
Test(dp_shield, no_place_at_the_egress)
{
	uplink();
	cr_assert_eq(system("tc filter add dev u0 egress pref 16979 protocol all handle 1 bpf da "
			    "bytecode '1,6 0 0 4294967295'"),
		     0);
	cr_assert_eq(dp_shield_attach(dp, u0), -EBUSY);
	ingress(0, 1, 0);
}

/* Somebody else has the place of the steering. */
Test(dp_shield, of_its_own_where_steering_cannot_be)
{
	uplink();
	cr_assert_eq(system("tc filter del dev u0 ingress pref 16978"), 0);
	stranger(16978);
	shield();
	ingress(0, 0, 1);
	cr_assert_eq(system("tc filter del dev u0 ingress pref 16978"), 0);
	shield();
	ingress(0, 1, 0);
}

/* Somebody else has the place that it would have by itself: both stay rather than none. */
Test(dp_shield, no_place_of_its_own)
{
	uplink();
	shield();
	stranger(16979);
	cr_assert_eq(dp_shield_stays(dp), -EBUSY);
	cr_assert_eq(dp_uplink_detach(dp, u0), -EBUSY);
	stop();
	ingress(0, 1, 0);
	cr_assert_eq(dp_shield_clear(u0), 0);
	ingress(0, 0, 0);
}

/* The same when XDP takes over the steering: both for as long as it must be. */
Test(dp_shield, no_place_of_its_own_beside_xdp)
{
	uplink();
	shield();
	stranger(16979);
	opt.attach = DP_ATTACH_XDP;
	open_dp();
	uplink();
	cr_assert_str_eq(dp_uplink_mode(dp, u0), "xdp", "%s", why);
	ingress(0, 1, 0);
	opt.attach = DP_ATTACH_TC;
	open_dp();
	uplink();
	cr_assert_eq(system("ip link show u0 | grep -q xdp"), 256, "XDP stays");
	opt.attach = DP_ATTACH_XDP;
	open_dp();
	uplink();
	ingress(0, 1, 0);
	cr_assert_eq(system("tc filter del dev u0 ingress pref 16979"), 0);
	shield();
	ingress(0, 0, 1);
	cr_assert_eq(dp_shield_detach(dp, u0), 0);
	ingress(0, 0, 0);
}

/* The number of the program there. */
static unsigned program(void)
{
	FILE *f = popen("tc filter show dev u0 ingress pref 16978 | grep -o ' id [0-9]*'", "r");
	unsigned id = 0;

	cr_assert(f);
	cr_assert_eq(fscanf(f, " id %u", &id), 1);
	pclose(f);
	return id;
}

/* Its rules are gone with the pins, but not from the program: that stays until there are others. */
Test(dp_shield, stays_as_it_is_without_its_pins)
{
	unsigned old;
	char cmd[128];

	uplink();
	shield();
	old = program();
	snprintf(cmd, sizeof(cmd), "rm -r %s", pins);
	for (int start = 0; start < 3; start++) { /* the first fails, and the second ends early */
		cr_assert(start == 2 || system(cmd) == 0);
		open_dp();
		uplink();
		uplink();
		cr_assert_eq(program(), old);
		if (!start) {
			dp_abandon(dp);
			dp = NULL;
			cr_assert_eq(program(), old);
			cr_assert_eq(mkdir(pins, 0700), 0);
		}
	}
	shield();
	ingress(0, 1, 0);
	cr_assert_neq(program(), old);
	old = program();
	open_dp();
	uplink();
	cr_assert_neq(program(), old);
	cr_assert_eq(dp_shield_detach(dp, u0), 0);
	ingress(1, 0, 0);
}

/* Each has a program of its own, where packets begin with the IP header. */
Test(dp_shield, without_a_link_layer_header)
{
	static const char at[] = "tc filter show dev t0 ingress | grep -o '[a-z_0-9]*:\\[' | "
				 "tr -d '\\n' | grep -qx '%s'";
	const char *const seen[] = { "steer_in_l3:\\[shield_in_l3:\\[", "steer_in_l3:\\[" };
	uint32_t t0;
	char cmd[192];

	cr_assert_eq(system("ip tuntap add dev t0 mode tun && ip link set t0 up"), 0);
	t0 = if_nametoindex("t0");
	cr_assert_eq(dp_uplink_attach(dp, t0, why, sizeof(why)), 0, "%s", why);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(i ? dp_shield_detach(dp, t0) : dp_shield_attach(dp, t0), 0);
		snprintf(cmd, sizeof(cmd), at, seen[i]);
		cr_assert_eq(system(cmd), 0, "%s", cmd);
	}
}

/* Nothing knows of it any more: its pins are gone. */
Test(dp_shield, cleared_where_nobody_is_left)
{
	uplink();
	shield();
	cr_assert_eq(dp_shield_clear(u0), 0);
	ingress(0, 0, 0);
	filters("egress", "shield_out", 0);
	cr_assert_eq(dp_shield_clear(u0), 0);
}

static void count_rule(void *ctx, const struct dp_shield_rule *rule)
{
	unsigned *n = ctx;

	cr_assert(rule->remote.family == 4);
	n[0]++;
	n[1] += !rule->local.family && !rule->protocol && rule->local_last == UINT16_MAX;
}

/* Before a Child SA is there what it protects is added to what others of the peer have: once, and
 * where there is no room all that goes to that peer. */
Test(dp_shield, protection_is_added_beside_what_there_is)
{
	struct dp_shield_rule r = { .protocol = IPPROTO_UDP,
				    .local_last = UINT16_MAX,
				    .remote_last = UINT16_MAX };
	unsigned n[2] = { 0 };

	open_dp();
	addr_parse("192.0.2.1", &r.local);
	addr_parse("192.0.2.2", &r.remote);
	cr_assert_eq(dp_shield_rules(dp, &r, 1), 0);
	cr_assert_eq(dp_shield_rule_add(dp, &r), 0);
	dp_shield_each(dp, count_rule, n);
	cr_assert_eq(n[0], 1);
	for (uint16_t port = 1; port < SHIELD_RULES_MAX; port++) {
		r.local_first = r.local_last = port;
		cr_assert_eq(dp_shield_rule_add(dp, &r), 0);
	}
	memset(n, 0, sizeof(n));
	dp_shield_each(dp, count_rule, n);
	cr_assert_eq(n[0], SHIELD_RULES_MAX);
	cr_assert_eq(n[1], 0);
	r.local_first = r.local_last = 7777;
	cr_assert_eq(dp_shield_rule_add(dp, &r), 0);
	memset(n, 0, sizeof(n));
	dp_shield_each(dp, count_rule, n);
	cr_assert_eq(n[0], 1);
	cr_assert_eq(n[1], 1);
}
