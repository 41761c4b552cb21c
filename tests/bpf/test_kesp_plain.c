/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's ESP without XFRM interfaces: tunnels by policies, of what is routed to a plain
 * device. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "kesp_pair.h"

static void setup(void)
{
	pair_plain = true;
	pair_setup();
}

TestSuite(kesp_plain, .init = setup, .fini = pair_teardown);

static bool shell(struct end *e, const char *cmd)
{
	enter(e);
	return system(cmd) == 0;
}

Test(kesp_plain, a_tunnel)
{
	cr_assert(shell(&west, "ip -d link show tunk0 | grep -q dummy"));
	cr_assert_eq(add(&west, 1, 0, 0), 0);
	cr_assert_eq(add(&east, 1, 0, 0), 0);
	for (int k = 0; k < 3; k++)
		carries(&west, &east);
	carries(&east, &west);
	cr_assert_eq(info(&west, 1).out_packets, 3);
	cr_assert_eq(info(&west, 1).in_packets, 1);
	cr_assert_eq(states(&west), 2);
	cr_assert_eq(policies(&west), 3);
	cr_assert(shell(&west, "ip xfrm policy list dir out | grep -q 'dev tunk0'"));
	cr_assert_not(shell(&west, "ip xfrm state list | grep -q if_id"));
}

/* Nor by another route than the device's, which no policy is for. */
Test(kesp_plain, nothing_leaves_without_an_sa)
{
	uint32_t got;

	send_one(&west, 1);
	cr_assert_eq(add(&west, 1, 0, 0), 0);
	cr_assert_eq(add(&east, 1, 0, 0), 0);
	carries(&west, &east);
	cr_assert_eq(ask_id(&west, ENGINE_SA_DEL, 1), 0);
	cr_assert_eq(policies(&west), 0);
	send_one(&west, 2);
	cr_assert_eq(add(&west, 2, 0, 0), 0);
	cr_assert_eq(add(&east, 2, 0, 0), 0);
	carries(&west, &east); /* nothing came before it */
	cr_assert_not(recv_one(&east, &got));
	/* in clear it is not taken */
	cr_assert(shell(&west, "ip route replace 10.2.0.0/24 via 10.9.0.2 src 10.1.0.1"));
	cr_assert(shell(&east,
			"sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.e0.rp_filter=0"));
	send_one(&west, 3);
	cr_assert(shell(&west, "ip route replace 10.2.0.0/24 dev tunk0 src 10.1.0.1"));
	carries(&west, &east);
	cr_assert_not(recv_one(&east, &got));
}

Test(kesp_plain, rekeyed_and_adopted)
{
	uint32_t n = 0, got, expect = 0;

	add(&west, 1, 0, 0);
	add(&east, 1, 0, 0);
	for (; n < 20; n++)
		send_one(&west, n);
	cr_assert_eq(add(&west, 2, 1, ENGINE_SA_DEFER_OUT), 0);
	cr_assert_eq(add(&east, 2, 1, 0), 0);
	for (; n < 40; n++)
		send_one(&west, n);
	carries(&east, &west);
	wait_for(info(&west, 2).out_active);
	kesp_close(west.k);
	for (; n < 60; n++)
		send_one(&west, n);
	open_end(&west);
	for (; n < 80; n++)
		send_one(&west, n);
	while (expect < n) {
		wait_for(recv_one(&east, &got));
		cr_assert_eq(got, expect);
		expect++;
	}
	wait_for(states(&west) == 3);
	cr_assert_eq(policies(&west), 3);
	carries(&east, &west);
}

/* Others have no reqid like ours. */
Test(kesp_plain, flush)
{
	add(&west, 1, 0, 0);
	cr_assert(shell(&west,
			"ip xfrm state add src 10.9.0.1 dst 10.9.0.2 proto esp spi 9 reqid 7 "
			"mode tunnel aead 'rfc4106(gcm(aes))' "
			"0x000102030405060708090a0b0c0d0e0f10111213 128 && "
			"ip xfrm policy add dir out src 10.8.0.0/24 dst 10.7.0.0/24 tmpl "
			"src 10.9.0.1 dst 10.9.0.2 proto esp reqid 7 mode tunnel"));
	kesp_close(west.k);
	west.k = NULL;
	enter(&west);
	cr_assert_eq(kesp_flush(west.state, west.pins, "tunk0"), 0);
	cr_assert_eq(states(&west), 0);
	cr_assert_eq(policies(&west), 0);
	cr_assert(shell(&west, "ip xfrm state list | grep -q 'reqid 7 '"));
	cr_assert(shell(&west, "ip xfrm policy list | grep -q 'reqid 7 '"));
	cr_assert_not(shell(&west, "ip link show tunk0 2>/dev/null | grep -q ."));
}

static void host_ts(struct engine_ts *t, const char *addr)
{
	addr_parse(addr, &t->first);
	t->last = t->first;
}

/* What the kernel got to know or lost between two agents: SAs of the other kind end. */
Test(kesp_plain, of_other_times)
{
	struct engine_sa sa = sa_of(&west, 1, 0, ENGINE_SA_TRANSPORT);

	host_ts(&sa.ts_local[0], "10.1.0.1");
	host_ts(&sa.ts_remote[0], "10.2.0.1");
	cr_assert_eq(put(&west, sa), -EOPNOTSUPP);
	add(&west, 1, 0, 0);
	kesp_close(west.k);
	pair_plain = false;
	open_end(&west);
	cr_assert_eq(states(&west), 0);
	cr_assert_eq(policies(&west), 0);
	cr_assert_eq(files(&west, "sa-"), 0);
	add(&west, 1, 0, 0);
	cr_assert_eq(states(&west), 2);
	kesp_close(west.k);
	pair_plain = true;
	open_end(&west);
	cr_assert_eq(states(&west), 0);
	cr_assert_eq(files(&west, "sa-"), 0);
}

/* What policies would take from others, or not find. */
Test(kesp_plain, what_it_does_not_carry)
{
	struct engine_sa sa = sa_of(&west, 1, 0, 0);

	addr_parse("10.0.0.0", &sa.ts_remote[0].first);
	addr_parse("10.255.255.255", &sa.ts_remote[0].last);
	cr_assert_eq(put(&west, sa), -EOPNOTSUPP, "the local network is one of the remote ones");
	host_ts(&sa.ts_local[0], "10.1.0.1");
	cr_assert_eq(put(&west, sa), 0, "of one address");
	sa = sa_of(&west, 2, 0, 0);
	host_ts(&sa.ts_local[0], "2001:db8:1::1");
	host_ts(&sa.ts_remote[0], "2001:db8:2::1");
	cr_assert_eq(put(&west, sa), -EOPNOTSUPP, "IPv6");
}
