/* SPDX-License-Identifier: GPL-2.0-only */
/* SAs in the kernel: how they come, change and go, and what else the agent asks for. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/udp.h"
#include "kesp_pair.h"

TestSuite(kesp, .init = pair_setup, .fini = pair_teardown);

Test(kesp, an_sa_carries_both_ways_and_is_counted)
{
	struct engine_sa_info i;

	cr_assert_eq(add(&west, 1, 0, 0), 0);
	cr_assert_eq(add(&east, 1, 0, 0), 0);
	for (int k = 0; k < 3; k++)
		carries(&west, &east);
	carries(&east, &west);
	i = info(&west, 1);
	cr_assert_eq(i.out_packets, 3);
	cr_assert_eq(i.in_packets, 1);
	cr_assert_eq(i.seq_out, 3);
	cr_assert_eq(i.out_active, 1);
	cr_assert_str_eq(i.name, "home/net-1");
	cr_assert_str_eq(i.driver, "kernel");
	cr_assert(addr_equal(&i.ts_remote[0].first, &sa_of(&west, 1, 0, 0).ts_remote[0].first));
	wait_for(west.seen && east.seen);
	cr_assert_eq(west.seen_id, 1);
	cr_assert_eq(policies(&west), 3);
}

static void host_ts(struct engine_ts *t, const char *addr)
{
	*t = (struct engine_ts){ .port_last = 65535 };
	addr_parse(addr, &t->first);
	t->last = t->first;
}

/* In transport mode, between the addresses that send_one uses. */
static struct engine_sa hosts_sa(const struct end *e, uint32_t id, uint32_t replaces)
{
	struct engine_sa sa = sa_of(e, id, replaces, ENGINE_SA_TRANSPORT);

	host_ts(&sa.ts_local[0], e == &west ? "10.1.0.1" : "10.2.0.1");
	host_ts(&sa.ts_remote[0], e == &west ? "10.2.0.1" : "10.1.0.1");
	return sa;
}

/* On the stable pair all the same, and the receiver puts the addresses of the hosts back. */
Test(kesp, transport_mode)
{
	struct engine_sa sa = hosts_sa(&west, 3, 0);

	cr_assert_eq(put(&west, hosts_sa(&west, 1, 0)), 0);
	cr_assert_eq(put(&east, hosts_sa(&east, 1, 0)), 0);
	carries(&west, &east);
	carries(&east, &west);
	/* a datagram's header and text, without the IP header */
	cr_assert_eq(info(&west, 1).out_octets, 8 + 4);
	enter(&west);
	sh("ip xfrm state | grep -q 'mode beet'");
	sh("ip xfrm policy | grep -q 'mode beet'");
	cr_assert_eq(put(&west, hosts_sa(&west, 2, 1)), 0);
	cr_assert_eq(put(&east, hosts_sa(&east, 2, 1)), 0);
	carries(&west, &east);
	cr_assert_eq(info(&west, 2).out_packets, 1);

	addr_parse("10.2.0.9", &sa.ts_remote[0].last);
	cr_assert_eq(put(&west, sa), -EINVAL, "a range of addresses");
}

/* Another peer's, who has chosen the SPI of the first: for other networks, with other keys. */
static struct engine_sa clashing(uint32_t id, uint32_t replaces, uint32_t flags)
{
	struct engine_sa sa = sa_of(&west, id, replaces, flags);

	sa.spi_out = sa_of(&west, 1, 0, 0).spi_out;
	sa.line = id;
	host_ts(&sa.ts_remote[0], "10.3.0.1");
	return sa;
}

static unsigned grep_count(const char *what, const char *pattern)
{
	char cmd[160];
	unsigned n = 0;
	FILE *f;

	snprintf(cmd, sizeof(cmd), "ip xfrm %s | grep -c '%s'", what, pattern);
	f = popen(cmd, "r");
	cr_assert(f);
	cr_assert_eq(fscanf(f, "%u", &n), 1);
	pclose(f);
	return n;
}

/* The kernel tells what is sent apart by address and SPI, and peers do not know of each other. */
Test(kesp, peers_that_choose_the_same_spi)
{
	struct engine_sa other = clashing(2, 0, 0), next = clashing(3, 2, 0);

	next.line = 2;
	enter(&west);
	cr_assert_eq(add(&west, 1, 0, 0), 0);
	cr_assert_eq(add(&east, 1, 0, 0), 0);
	cr_assert_eq(put(&west, other), 0);
	cr_assert_eq(states(&west), 4);
	cr_assert_eq(grep_count("state", "src 10.9.0.1 dst 10.9.0.2"), 1);
	cr_assert_eq(grep_count("state", "src 10.9.0.1 dst 10.9.0.3"), 1);
	cr_assert_eq(grep_count("state", "src 10.9.0.2 dst 10.9.0.1"), 2);
	cr_assert_eq(grep_count("policy", "tmpl src 10.9.0.1 dst 10.9.0.3"), 1);
	/* what comes in is told apart by SPIs of ours: nothing else is as before */
	cr_assert_eq(grep_count("policy", "tmpl src 10.9.0.2 dst 10.9.0.1"), 4);
	carries(&west, &east);
	carries(&east, &west);
	cr_assert_eq(info(&west, 1).out_packets, 1);
	cr_assert_eq(info(&west, 2).out_packets, 0);

	/* a restart takes both over as they are */
	kesp_close(west.k);
	west.k = NULL;
	open_end(&west);
	cr_assert_eq(states(&west), 4);
	cr_assert_eq(info(&west, 2).out_active, 1);
	carries(&west, &east);
	cr_assert_eq(info(&west, 1).out_packets, 2);

	/* its rekey is for the address of all again, and its policy follows */
	next.spi_out = 0x7777;
	cr_assert_eq(put(&west, next), 0);
	cr_assert_eq(grep_count("policy", "tmpl src 10.9.0.1 dst 10.9.0.3"), 0);
	cr_assert_eq(grep_count("policy", "tmpl src 10.9.0.1 dst 10.9.0.2"), 2);
	cr_assert_eq(ask_id(&west, ENGINE_SA_DEL, 2), 0);
	cr_assert_eq(grep_count("state", "dst 10.9.0.3"), 0);

	/* the first one's goes: the other's is not touched by that */
	cr_assert_eq(put(&west, clashing(4, 0, 0)), 0);
	cr_assert_eq(ask_id(&west, ENGINE_SA_DEL, 1), 0);
	cr_assert_eq(info(&west, 4).out_active, 1);
	cr_assert_eq(grep_count("state", "dst 10.9.0.3"), 1);
	cr_assert_eq(grep_count("state", "dst 10.9.0.2"), 1, "of SA 3");
}

/* There is room for some such peers, and then no SA: what there is stays. */
Test(kesp, too_many_peers_that_choose_the_same_spi)
{
	enum { ROOM = 4 };

	cr_assert_eq(add(&west, 1, 0, 0), 0);
	for (uint32_t id = 2; id <= ROOM; id++)
		cr_assert_eq(put(&west, clashing(id, 0, 0)), 0);
	cr_assert_eq(put(&west, clashing(ROOM + 1, 0, 0)), -EEXIST);
	cr_assert_eq(put(&west, clashing(ROOM + 1, 0, ENGINE_SA_DEFER_OUT)), -EEXIST);
	cr_assert_eq(states(&west), 2 * ROOM);
	cr_assert_eq(ask_id(&west, ENGINE_SA_DEL, 2), 0);
	cr_assert_eq(put(&west, clashing(ROOM + 1, 0, 0)), 0);
}

Test(kesp, nothing_leaves_without_an_sa)
{
	uint32_t got;

	send_one(&west, 1);
	cr_assert_eq(add(&west, 1, 0, 0), 0);
	cr_assert_eq(add(&east, 1, 0, 0), 0);
	carries(&west, &east);
	cr_assert_eq(ask_id(&west, ENGINE_SA_DEL, 1), 0);
	send_one(&west, 2);
	cr_assert_eq(add(&west, 2, 0, 0), 0);
	cr_assert_eq(add(&east, 2, 0, 0), 0);
	carries(&west, &east); /* nothing came before it */
	cr_assert_not(recv_one(&east, &got));
}

/* West answers: it sends on the new SA once the peer has. Not a packet is lost meanwhile. */
Test(kesp, a_rekey_waits_for_the_peer)
{
	uint32_t n = 0, got, expect = 0;

	add(&west, 1, 0, 0);
	add(&east, 1, 0, 0);
	for (; n < 20; n++)
		send_one(&west, n);
	cr_assert_eq(add(&west, 2, 1, ENGINE_SA_DEFER_OUT), 0);
	for (; n < 40; n++)
		send_one(&west, n);
	run();
	cr_assert_eq(info(&west, 2).out_active, 0);
	cr_assert_eq(info(&west, 1).out_active, 1);
	cr_assert_eq(info(&west, 1).out_packets, 40);
	cr_assert_eq(states(&west), 3);
	cr_assert_eq(add(&east, 2, 1, 0), 0);
	for (; n < 60; n++)
		send_one(&west, n);
	carries(&east, &west);
	wait_for(info(&west, 2).out_active);
	for (; n < 80; n++)
		send_one(&west, n);
	cr_assert_eq(info(&west, 2).out_packets, 20);
	cr_assert_eq(info(&west, 1).out_active, 0);
	while (expect < n) {
		wait_for(recv_one(&east, &got));
		cr_assert_eq(got, expect);
		expect++;
	}
	wait_for(states(&west) == 3); /* the old outbound one has gone by itself */
	cr_assert_eq(policies(&west), 3);
	cr_assert_eq(ask_id(&west, ENGINE_SA_RETIRE, 1), 0);
	cr_assert_eq(ask_id(&east, ENGINE_SA_RETIRE, 1), 0);
	carries(&west, &east);
	carries(&east, &west);
	cr_assert_eq(ask_id(&west, ENGINE_SA_DEL, 1), 0);
	cr_assert_eq(states(&west), 2);
	carries(&west, &east);
	cr_assert_eq(files(&west, "sa-"), 1);
}

/* Both ends rekey at once: west's own new SA sends, east's waits, and west's is the one that is
 * deleted. */
Test(kesp, two_rekeys_at_once)
{
	add(&west, 1, 0, 0);
	add(&east, 1, 0, 0);
	cr_assert_eq(add(&west, 2, 1, 0), 0);
	cr_assert_eq(add(&west, 3, 1, ENGINE_SA_DEFER_OUT), 0);
	cr_assert_eq(info(&west, 2).out_active, 1);
	cr_assert_eq(info(&west, 1).out_active, 0);
	cr_assert_eq(info(&west, 3).out_active, 0);
	cr_assert_eq(ask_id(&west, ENGINE_SA_DEL, 2), 0);
	cr_assert_eq(info(&west, 1).out_active, 1);
	carries(&west, &east); /* by the old one */
	cr_assert_eq(info(&west, 1).out_packets, 1);
	cr_assert_eq(add(&east, 3, 1, 0), 0);
	carries(&east, &west);
	wait_for(info(&west, 3).out_active);
	carries(&west, &east);
	cr_assert_eq(info(&west, 3).out_packets, 1);
	cr_assert_eq(info(&west, 1).out_active, 0);
	wait_for(states(&west) == 3);
}

/* What waits sends when nothing else is left to. */
Test(kesp, one_that_waits_inherits)
{
	add(&west, 1, 0, 0);
	cr_assert_eq(add(&west, 2, 1, ENGINE_SA_DEFER_OUT), 0);
	add(&east, 2, 0, 0);
	cr_assert_eq(ask_id(&west, ENGINE_SA_RETIRE, 1), 0);
	cr_assert_eq(info(&west, 2).out_active, 1);
	carries(&west, &east);
}

Test(kesp, outbound_on_by_request)
{
	add(&west, 1, 0, 0);
	cr_assert_eq(add(&west, 2, 1, ENGINE_SA_DEFER_OUT), 0);
	cr_assert_eq(info(&west, 2).out_active, 0);
	cr_assert_eq(ask_id(&west, ENGINE_SA_OUT_ON, 2), 0);
	cr_assert_eq(info(&west, 2).out_active, 1);
	/* and with nothing to stand in there is nothing to wait for */
	cr_assert_eq(ask_id(&west, ENGINE_SA_DEL, 1), 0);
	cr_assert_eq(ask_id(&west, ENGINE_SA_DEL, 2), 0);
	cr_assert_eq(add(&west, 3, 0, ENGINE_SA_DEFER_OUT), 0);
	cr_assert_eq(info(&west, 3).out_active, 1);
}

Test(kesp, a_retired_sa_still_takes_in)
{
	add(&west, 1, 0, 0);
	add(&east, 1, 0, 0);
	cr_assert_eq(ask_id(&west, ENGINE_SA_RETIRE, 1), 0);
	cr_assert_eq(info(&west, 1).out_active, 0);
	cr_assert_eq(states(&west), 1);
	carries(&east, &west);
}

Test(kesp, limits_are_told_once)
{
	struct engine_sa sa = sa_of(&west, 1, 0, 0);

	sa.soft_packets = 5;
	sa.hard_packets = 10;
	cr_assert_eq(put(&west, sa), 0);
	add(&east, 1, 0, 0);
	for (int i = 0; i < 6; i++)
		carries(&west, &east);
	wait_for(west.soft);
	cr_assert_eq(west.limit_id, 1);
	cr_assert_eq(west.hard, 0);
	for (uint32_t i = 0; i < 8; i++)
		send_one(&west, i);
	wait_for(west.hard);
	cr_assert_eq(west.soft, 1);
	cr_assert_eq(info(&west, 1).flags & (ENGINE_SA_SOFT_HIT | ENGINE_SA_HARD_HIT),
		     ENGINE_SA_SOFT_HIT | ENGINE_SA_HARD_HIT);
	cr_assert_eq(info(&west, 1).out_active, 0);
	cr_assert_eq(west.hard, 1);
}

Test(kesp, what_fails_leaves_nothing)
{
	struct engine_sa sa;

	add(&west, 1, 0, 0);
	sa = sa_of(&west, 2, 0, 0);
	sa.spi_in = sa_of(&west, 1, 0, 0).spi_in;
	cr_assert_eq(put(&west, sa), -EEXIST);
	sa = sa_of(&west, 3, 0, 0);
	sa.key_len = 3;
	cr_assert_lt(put(&west, sa), 0);
	sa = sa_of(&west, 4, 0, ENGINE_SA_TRANSPORT);
	cr_assert_eq(put(&west, sa), -EINVAL); /* that is between two addresses */
	sa = sa_of(&west, 5, 0, 0);
	addr_parse("10.2.0.1", &sa.ts_remote[0].first);
	sa.ts_remote[0].port_first = 1; /* 1..65534 takes 30 masks, for each of 14 prefixes */
	sa.ts_remote[0].port_last = 65534;
	sa.ts_remote[0].protocol = 6;
	addr_parse("10.2.0.254", &sa.ts_remote[0].last);
	cr_assert_eq(put(&west, sa), -E2BIG);
	cr_assert_eq(add(&west, 1, 0, 0), -EEXIST);
	cr_assert_eq(states(&west), 2);
	cr_assert_eq(policies(&west), 3);
	cr_assert_eq(files(&west, "sa-"), 1);
	add(&east, 1, 0, 0);
	carries(&west, &east);
}

/* ---- IKE, and the rest ---- */

static void ike(struct end *from, struct end *to, const char *text)
{
	static union {
		struct engine_dgram d;
		uint8_t room[sizeof(struct engine_dgram) + 64];
	} m;

	(void)to;
	m.d = (struct engine_dgram){ .len = (uint32_t)strlen(text) };
	m.d.local.port = m.d.remote.port = 4500;
	addr_parse(from == &west ? "10.9.0.1" : "10.9.0.2", &m.d.local.ip);
	addr_parse(from == &west ? "10.9.0.2" : "10.9.0.1", &m.d.remote.ip);
	memcpy(m.d.data, text, strlen(text));
	cr_assert_eq(request(from, &m, ENGINE_IKE_SEND, sizeof(m.d) + m.d.len, NULL, NULL), 0);
}

static void on_counters(void *ctx, struct engine_hdr *h, size_t len)
{
	if (h->type == ENGINE_COUNTERS)
		memcpy(ctx, h, len);
}

Test(kesp, ike_goes_behind_its_marker)
{
	struct engine_counters c = { 0 };
	struct engine_hdr h;
	struct addr a;

	ike(&west, &east, "hello, east");
	wait_for(east.ike);
	cr_assert_eq(east.ike_len, 11);
	cr_assert_arr_eq(east.ike_data, "hello, east", 11);
	addr_parse("10.9.0.1", &a);
	cr_assert(addr_equal(&east.ike_from.ip, &a));
	cr_assert_eq(east.ike_from.port, 4500);
	ike(&west, &east, ""); /* a keepalive */
	ike(&west, &east, "again");
	wait_for(east.ike == 2);
	cr_assert_eq(request(&east, &h, ENGINE_PATHS, sizeof(h), on_counters, &c), 0);
	cr_assert_eq(c.keepalives, 1);
	cr_assert_eq(c.udp_rx_datagrams, 3);
}

static void on_flow(void *ctx, struct engine_hdr *h, size_t len)
{
	memcpy(ctx, h, len);
}

Test(kesp, what_the_engine_alone_can_do_is_refused)
{
	struct engine_flow f = { .protocol = 6 };
	struct engine_flow_info i = { 0 };
	struct engine_path p = { .id = 1 };
	struct engine_path_want w = { .id = 1 };

	cr_assert_eq(request(&west, &p, ENGINE_PATH_ADD, sizeof(p), NULL, NULL), -EOPNOTSUPP);
	cr_assert_eq(request(&west, &w, ENGINE_PATH_WANT, sizeof(w), NULL, NULL), -EOPNOTSUPP);
	cr_assert_eq(ask_id(&west, ENGINE_SA_DEL, 1), -ENOENT);
	cr_assert_eq(request(&west, &w, ENGINE_PATH_WANT, 9, NULL, NULL), -EBADMSG);
	add(&west, 1, 0, 0);
	addr_parse("10.1.0.9", &f.local);
	addr_parse("10.2.0.9", &f.remote);
	cr_assert_eq(request(&west, &f, ENGINE_FLOW, sizeof(f), on_flow, &i), 0);
	cr_assert_eq(i.sa_id, 1);
	addr_parse("10.3.0.9", &f.remote);
	cr_assert_eq(request(&west, &f, ENGINE_FLOW, sizeof(f), on_flow, &i), 0);
	cr_assert_eq(i.sa_id, 0);
}

/* The kernel tells the inner side how much there is room for. */
Test(kesp, room_of_the_paths_is_the_interface_s_mtu)
{
	struct engine_group_room m = { .group = 8, .room = 1380 };

	add(&west, 1, 0, 0);
	enter(&west);
	sh("ip link show tunk0 | grep -q 'mtu 1400 '");
	cr_assert_eq(request(&west, &m, ENGINE_GROUP_ROOM, sizeof(m), NULL, NULL), 0);
	sh("ip link show tunk0 | grep -q 'mtu 1346 '"); /* 1380 - 8 - 8 - 16, by 4, - 2 */
	m.room = 1480;
	cr_assert_eq(request(&west, &m, ENGINE_GROUP_ROOM, sizeof(m), NULL, NULL), 0);
	wait_for(system("ip link show tunk0 | grep -q 'mtu 1400 '") == 0);
}

/* Between west and an address of east's own for it. */
static struct engine_sa one_of_many(const struct end *e, uint32_t id)
{
	struct engine_sa sa = sa_of(e, id, 0, 0);
	struct engine_ts *of_west = e == &west ? sa.ts_local : sa.ts_remote;
	struct engine_ts *of_east = e == &west ? sa.ts_remote : sa.ts_local;

	of_west->first = of_west->last = addr_v4(0x0a010001);
	of_east->first = of_east->last = addr_v4(0x0a020000 + id);
	return sa;
}

/* More than are looked at in one go; and they leave nothing. */
Test(kesp, of_many_each_is_seen)
{
	enum { MANY = 300 };
	struct udp_meta m = { .local.ip = addr_v4(0x0a010001), .remote.port = PORT };

	enter(&east);
	sh("ip route add local 10.2.0.0/16 dev lo");
	enter(&west);
	sh("ip route add 10.2.0.0/16 dev tunk0 src 10.1.0.1");
	for (uint32_t id = 1; id <= MANY; id++) {
		cr_assert_eq(put(&west, one_of_many(&west, id)), 0);
		cr_assert_eq(put(&east, one_of_many(&east, id)), 0);
	}
	cr_assert_eq(states(&east), 2 * MANY);
	cr_assert_eq(policies(&east), 3 * MANY);
	for (uint32_t id = 1; id <= MANY; id++) {
		m.remote.ip = addr_v4(0x0a020000 + id);
		cr_assert_eq(udp_send(west.udp, &m, &id, sizeof(id)), 0);
	}
	wait_for(east.seen == MANY);
	cr_assert_eq(info(&east, MANY).in_packets, 1);
	for (uint32_t id = 1; id <= MANY; id++)
		cr_assert_eq(ask_id(&east, ENGINE_SA_DEL, id), 0);
	cr_assert_eq(states(&east), 0);
	cr_assert_eq(policies(&east), 0);
	cr_assert_eq(files(&east, "sa-"), 0);
}

/* The same over the IPv6 pair, IPv4 inside. */
Test(kesp, the_pair_of_the_other_family)
{
	struct engine_sa w = sa_of(&west, 1, 0, 0), e = sa_of(&east, 1, 0, 0);

	w.family = e.family = 6;
	cr_assert_eq(put(&west, w), 0);
	cr_assert_eq(put(&east, e), 0);
	carries(&west, &east);
	carries(&east, &west);
}
