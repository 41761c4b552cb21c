/* SPDX-License-Identifier: GPL-2.0-only */
/* The addresses after the stable pair: routes to the steering device that come with the first SA,
 * come back, go with the last, and take nothing from anybody. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../user/kesp/kesp_impl.h"
#include "dp/dp.h"
#include "harness.h"

#define TO4    "ip route get 198.18.0.3 2>/dev/null | grep -q 'dev braid0'"
#define TO6    "ip -6 route get fd00:6272:6169:6400::3 2>/dev/null | grep -q 'dev braid0'"
#define ROUTED "ip route show 198.18.0.3; ip -6 route show fd00:6272:6169:6400::3"
#define CLEAN  "test -z \"$(" ROUTED ")\""

static char base[BPFFS_DIR], pins[80];
static struct dp *dp;
static struct kesp k;
static struct addr a4, a6;

static bool sh_ok(const char *cmd)
{
	return system(cmd) == 0;
}

static void setup(void)
{
	struct dp_options opt = {
		.pin_dir = pins, .steer_dev = "braid0", .sa_max = 256, .kernel_esp = true
	};
	char error[512];
	int err;

	bpffs_open(base);
	snprintf(pins, sizeof(pins), "%s/braid", base);
	addr_parse("198.18.0.1", &opt.stable4_local);
	addr_parse("198.18.0.2", &opt.stable4_remote);
	addr_parse("fd00:6272:6169:6400::1", &opt.stable6_local);
	addr_parse("fd00:6272:6169:6400::2", &opt.stable6_remote);
	err = dp_open(&opt, &dp, error, sizeof(error));
	if (err == -EPERM)
		cr_skip_test("%s", error);
	cr_assert_eq(err, 0, "%s", error);
	k = (struct kesp){ .opt.dp = dp };
	k.cfg.stable4_local = opt.stable4_local;
	k.cfg.stable4_remote = opt.stable4_remote;
	k.cfg.stable6_local = opt.stable6_local;
	k.cfg.stable6_remote = opt.stable6_remote;
	stable_init(&k);
	a4 = *stable_remote(&k, 4, 1);
	a6 = *stable_remote(&k, 6, 1);
	cr_assert(sh_ok("ip link set lo up && ip link add other type veth peer name another && "
			"ip link set other up && ip link set another up && "
			"ip addr add 192.0.2.1/24 dev other && "
			"ip -6 addr add 2001:db8::1/64 dev other nodad && "
			"ip route add default via 192.0.2.2 && "
			"ip -6 route add default via 2001:db8::2"));
}

static void teardown(void)
{
	dp_close(dp);
	bpffs_close(base);
}

TestSuite(steer_route, .init = setup, .fini = teardown);

Test(steer_route, comes_comes_back_and_goes)
{
	struct sa_record r4 = { .sa = { .family = 4 }, .remote = 1 };
	struct sa_record r6 = { .sa = { .family = 6 }, .remote = 1 };

	cr_assert(sh_ok(CLEAN));
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(stable_route(&k, 4, 1), 0);
		cr_assert_eq(stable_route(&k, 6, 1), 0);
		stable_used(&k, &r4, 1);
		stable_used(&k, &r6, 1);
	}
	cr_assert(sh_ok(TO4));
	cr_assert(sh_ok(TO6));
	cr_assert(sh_ok("ip link set braid0 down; ip link set braid0 up"));
	cr_assert_not(sh_ok(TO4));
	stable_look(&k);
	cr_assert(sh_ok(TO4));
	cr_assert(sh_ok(TO6));
	stable_used(&k, &r4, -1);
	stable_used(&k, &r6, -1);
	stable_look(&k);
	cr_assert(sh_ok(TO4), "one SA is left");
	cr_assert(sh_ok(TO6), "one SA is left");
	stable_used(&k, &r4, -1);
	stable_look(&k);
	cr_assert_not(sh_ok(TO4));
	cr_assert(sh_ok(TO6));
	stable_used(&k, &r6, -1);
	stable_look(&k);
	cr_assert(sh_ok(CLEAN));
}

/* What the operator has routed, or has as an address, stays what it is. */
Test(steer_route, takes_nothing_from_others)
{
	static const struct {
		const char *add, *del;
		bool six;
	} others[] = {
		{ "ip route add 198.18.0.3 dev other", "ip route del 198.18.0.3 dev other", 0 },
		{ "ip route add 198.18.0.3 dev other metric 100",
		  "ip route del 198.18.0.3 dev other metric 100", 0 },
		{ "ip route add blackhole 198.18.0.3", "ip route del blackhole 198.18.0.3", 0 },
		{ "ip addr add 198.18.0.3/32 dev other", "ip addr del 198.18.0.3/32 dev other", 0 },
		{ "ip -6 route add fd00:6272:6169:6400::3 dev other",
		  "ip -6 route del fd00:6272:6169:6400::3 dev other", 1 },
		{ "ip -6 route add fd00:6272:6169:6400::3 dev other metric 100",
		  "ip -6 route del fd00:6272:6169:6400::3 dev other metric 100", 1 },
	};
	char before[160], after[160];

	snprintf(before, sizeof(before), "{ %s; } >%s.before", ROUTED, base);
	snprintf(after, sizeof(after), "{ %s; } | cmp - %s.before", ROUTED, base);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		uint8_t family = others[i].six ? 6 : 4;

		cr_assert(sh_ok(others[i].add), "%s", others[i].add);
		cr_assert(sh_ok(before));
		cr_assert_eq(stable_route(&k, family, 1), -EEXIST, "%s", others[i].add);
		stable_look(&k);
		cr_assert_eq(dp_steer_unroute(dp, family == 6 ? &a6 : &a4), 0);
		cr_assert(sh_ok(after), "%s", others[i].add);
		cr_assert(sh_ok(others[i].del), "%s", others[i].del);
		cr_assert_eq(stable_route(&k, family, 1), 0);
		stable_look(&k);
		cr_assert(sh_ok(CLEAN));
	}
	snprintf(before, sizeof(before), "%s.before", base);
	unlink(before);
}

/* A pair at the end of all addresses has none after it; no default route is made for that. */
Test(steer_route, none_after_the_last_address)
{
	const struct addr none = { 0 };

	addr_parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", &k.cfg.stable6_local);
	addr_parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &k.cfg.stable6_remote);
	stable_init(&k);
	cr_assert_eq(stable_route(&k, 6, 1), -EADDRNOTAVAIL);
	cr_assert_eq(dp_steer_route(dp, &none), -EADDRNOTAVAIL);
	cr_assert_eq(dp_steer_unroute(dp, &none), -EADDRNOTAVAIL);
	cr_assert(sh_ok("ip -6 route show default | grep -q 'via 2001:db8::2 dev other'"));
	cr_assert_not(sh_ok("ip -6 route show default | grep braid0"));
}
