/* SPDX-License-Identifier: GPL-2.0-only */
/* SAs and policies: look-up by SPI and by selectors, rekeying, limits. [ESP-1] [ESP-2] [ESP-10]
 * [ESP-15] */
#include <errno.h>
#include <linux/types.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "abi/steer.h"
#include "crypto/aead.h"
#include "crypto/alg.h"
#include "esp/flow.h"
#include "esp/sad.h"
#include "sa_request.h"

static struct sad sad;

static void setup(void)
{
	cr_assert_eq(sad_init(&sad), 0);
}

static void teardown(void)
{
	sad_clear(&sad);
}

TestSuite(sad, .init = setup, .fini = teardown);

static struct sa *add(const struct engine_sa *r)
{
	struct sa *sa;

	cr_assert_eq(sa_new(r, AEAD_DRIVER_BEST, 2, &sa), 0);
	cr_assert_eq(sad_add(&sad, sa), 0);
	return sa;
}

static struct sa *add_simple(uint32_t id, const char *local, const char *remote)
{
	struct engine_sa r = request(id, local, remote);

	return add(&r);
}

static struct inner packet(const char *src, const char *dst, uint8_t proto, uint16_t sport,
			   uint16_t dport)
{
	static struct addr pool[64];
	static unsigned next;
	struct addr *s = &pool[next++ % 64], *d = &pool[next++ % 64];
	struct inner in = { .proto = proto, .has_ports = true, .sport = sport, .dport = dport };

	cr_assert_eq(addr_parse(src, s), 0);
	cr_assert_eq(addr_parse(dst, d), 0);
	in.family = s->family;
	in.src = s->b;
	in.dst = d->b;
	return in;
}

/* Through a cache that is empty, and one that has seen everything. */
static uint32_t out(const struct inner *in)
{
	static struct sad_cache warm;
	struct sad_cache cold = { 0 };
	struct sa *a = sad_out(&sad, &cold, in), *b = sad_out(&sad, &warm, in);

	cr_assert_eq(a, b);
	cr_assert_eq(a, sad_out(&sad, &warm, in));
	return a ? a->id : 0;
}

static uint32_t out_to(const char *src, const char *dst)
{
	struct inner in = packet(src, dst, 17, 1, 2);

	return out(&in);
}

Test(sad, no_policy_no_packet)
{
	cr_assert_eq(out_to("10.0.0.1", "10.0.0.2"), 0);
	add_simple(1, "10.1.0.0/16", "10.2.0.0/16");
	cr_assert_eq(out_to("10.1.0.1", "10.2.0.2"), 1);
	cr_assert_eq(out_to("10.1.0.1", "10.3.0.2"), 0);
	cr_assert_eq(out_to("10.9.0.1", "10.2.0.2"), 0);
	cr_assert_eq(out_to("2001:db8::1", "2001:db8::2"), 0);
}

Test(sad, first_match_in_order_and_exact_addresses_before_ranges)
{
	add_simple(1, "0.0.0.0/0", "10.2.0.0/16");
	add_simple(2, "0.0.0.0/0", "10.2.3.0/24");
	add_simple(3, "0.0.0.0/0", "10.2.3.4/32");
	add_simple(4, "0.0.0.0/0", "10.2.3.4/32");
	cr_assert_eq(out_to("1.1.1.1", "10.2.3.5"), 1);
	cr_assert_eq(out_to("1.1.1.1", "10.2.3.4"), 3);
	cr_assert_eq(sad_del(&sad, 3), 0);
	cr_assert_eq(out_to("1.1.1.1", "10.2.3.4"), 4);
	cr_assert_eq(sad_del(&sad, 1), 0);
	cr_assert_eq(out_to("1.1.1.1", "10.2.3.5"), 2);
	cr_assert_eq(sad_del(&sad, 1), -ENOENT);
}

Test(sad, thousand_road_warriors)
{
	char dst[32];

	for (uint32_t i = 1; i <= 1000; i++) {
		snprintf(dst, sizeof(dst), "10.%u.%u.7/32", i / 256, i % 256);
		add_simple(i, "0.0.0.0/0", dst);
		sad_reclaim(&sad);
	}
	for (uint32_t i = 1; i <= 1000; i++) {
		snprintf(dst, sizeof(dst), "10.%u.%u.7", i / 256, i % 256);
		cr_assert_eq(out_to("192.0.2.1", dst), i);
	}
	cr_assert_eq(out_to("192.0.2.1", "10.200.0.7"), 0);
}

Test(sad, protocols_and_ports)
{
	struct engine_sa r = request(1, "10.1.0.0/16", "2.2.2.2/32");
	struct inner in;

	r.ts_remote[0].protocol = 6;
	r.ts_remote[0].port_first = r.ts_remote[0].port_last = 443;
	add(&r);
	in = packet("10.1.0.1", "2.2.2.2", 6, 5000, 443);
	cr_assert_eq(out(&in), 1);
	in = packet("10.1.0.1", "2.2.2.2", 17, 5000, 443);
	cr_assert_eq(out(&in), 0);
	in = packet("10.1.0.1", "2.2.2.2", 6, 443, 5000);
	cr_assert_eq(out(&in), 0);
	/* A fragment without ports does not match a port. */
	in = packet("10.1.0.1", "2.2.2.2", 6, 0, 443);
	in.has_ports = false;
	cr_assert_eq(out(&in), 0);
}

/* [TS-2]: type and code of ICMP in the place of a port, type in the high octet; on either side. */
Test(sad, icmp_type_and_code)
{
	for (int side = 0; side < 2; side++) {
		struct engine_sa r = request(1, "10.1.0.0/16", "2.2.2.2/32");
		struct engine_ts *t = side ? r.ts_local : r.ts_remote;
		struct inner in;

		r.ts_local[0].protocol = r.ts_remote[0].protocol = 1;
		t->port_first = 0x0300; /* unreachable, any code */
		t->port_last = 0x03ff;
		add(&r);
		in = packet("10.1.0.1", "2.2.2.2", 1, 0x0304, 0x0304);
		cr_assert_eq(out(&in), 1);
		in = packet("10.1.0.1", "2.2.2.2", 1, 0x0800, 0x0800);
		cr_assert_eq(out(&in), 0);
		cr_assert_eq(sad_del(&sad, 1), 0);
	}
}

Test(sad, ipv6)
{
	add_simple(1, "2001:db8:1::/48", "2001:db8:2::/48");
	add_simple(2, "2001:db8:1::/48", "2001:db8:3::5/128");
	cr_assert_eq(out_to("2001:db8:1::1", "2001:db8:2::1"), 1);
	cr_assert_eq(out_to("2001:db8:1::1", "2001:db8:3::5"), 2);
	cr_assert_eq(out_to("2001:db8:1::1", "2001:db8:3::6"), 0);
}

/* [ESP-10]: what was decrypted must be what the SA was made for. */
Test(sad, inbound_selectors)
{
	struct sa *sa = add_simple(1, "10.1.0.0/16", "10.2.0.0/16");
	struct inner in = packet("10.2.0.1", "10.1.0.1", 6, 1, 2);

	cr_assert(sa_inbound_ok(sa, &in));
	in = packet("10.1.0.1", "10.2.0.1", 6, 1, 2);
	cr_assert_not(sa_inbound_ok(sa, &in));
	in = packet("10.3.0.1", "10.1.0.1", 6, 1, 2);
	cr_assert_not(sa_inbound_ok(sa, &in));
	in = packet("10.2.0.1", "10.4.0.1", 6, 1, 2);
	cr_assert_not(sa_inbound_ok(sa, &in));
}

/* [ESP-1] MM-9.1-1: by SPI alone, the whole of it. */
Test(sad, inbound_by_spi)
{
	struct sa *sa = add_simple(5, "10.1.0.0/16", "10.2.0.0/16");

	cr_assert_eq(sad_in(&sad, STEER_SPI(1, 5)), sa);
	cr_assert_null(sad_in(&sad, STEER_SPI(2, 5)));
	cr_assert_null(sad_in(&sad, STEER_SPI(1, 6)));
	cr_assert_eq(sad_del(&sad, 5), 0);
	cr_assert_null(sad_in(&sad, STEER_SPI(1, 5)));
}

/* [ESP-16]: two peers may have chosen the same SPI; nothing of ours knows an SA by it. */
Test(sad, same_spi_at_two_peers)
{
	struct engine_sa r[2] = { request(1, "10.1.0.0/16", "10.2.0.0/16"),
				  request(2, "10.1.0.0/16", "10.3.0.0/16") };

	r[0].spi_out = r[1].spi_out = 0x12345678;
	add(&r[0]);
	add(&r[1]);
	cr_assert_eq(out_to("10.1.0.1", "10.2.0.1"), 1);
	cr_assert_eq(out_to("10.1.0.1", "10.3.0.1"), 2);
	cr_assert_eq(sad_del(&sad, 1), 0);
	cr_assert_eq(out_to("10.1.0.1", "10.2.0.1"), 0);
	cr_assert_eq(out_to("10.1.0.1", "10.3.0.1"), 2);
}

Test(sad, rekey_keeps_sending_on_the_old_sa_until_told)
{
	struct engine_sa r = request(2, "10.1.0.0/16", "10.2.0.0/16");

	add_simple(1, "10.1.0.0/16", "10.2.0.0/16");
	add_simple(9, "10.1.0.0/16", "0.0.0.0/0");
	r.replaces = 1;
	r.flags |= ENGINE_SA_DEFER_OUT;
	add(&r);
	cr_assert_eq(out_to("10.1.0.1", "10.2.0.1"), 1);
	cr_assert_eq(sad_sender(&sad, 2)->id, 1);
	cr_assert_not_null(sad_in(&sad, STEER_SPI(1, 2)));
	cr_assert_eq(sad_out_on(&sad, 2), 0);
	/* It takes the place of the old one, before 9. */
	cr_assert_eq(out_to("10.1.0.1", "10.2.0.1"), 2);
	cr_assert_eq(sad_sender(&sad, 1)->id, 2);
	cr_assert_not_null(sad_in(&sad, STEER_SPI(1, 1)), "old inbound SA stays");
	cr_assert_eq(sad_del(&sad, 1), 0);
	cr_assert_eq(out_to("10.1.0.1", "10.2.0.1"), 2);
}

Test(sad, deleting_the_old_sa_ends_the_deferral)
{
	struct engine_sa r = request(2, "10.1.0.0/16", "10.2.0.0/16");

	add_simple(1, "10.1.0.0/16", "10.2.0.0/16");
	r.replaces = 1;
	r.flags |= ENGINE_SA_DEFER_OUT;
	add(&r);
	cr_assert_eq(sad_del(&sad, 1), 0);
	cr_assert_eq(out_to("10.1.0.1", "10.2.0.1"), 2);
}

Test(sad, deleting_the_new_sa_falls_back)
{
	struct engine_sa r = request(2, "10.1.0.0/16", "10.2.0.0/16");

	add_simple(1, "10.1.0.0/16", "10.2.0.0/16");
	r.replaces = 1;
	add(&r);
	cr_assert_eq(out_to("10.1.0.1", "10.2.0.1"), 2);
	cr_assert_eq(sad_del(&sad, 2), 0);
	cr_assert_eq(out_to("10.1.0.1", "10.2.0.1"), 1);
}

/* The middle one of three goes before the first: the last has its place, not the first again. */
Test(sad, successor_of_a_successor)
{
	struct engine_sa r = request(1, "10.1.0.0/16", "10.2.0.0/16");

	add(&r);
	for (uint32_t id = 2; id < 4; id++) {
		r = request(id, "10.1.0.0/16", "10.2.0.0/16");
		r.replaces = id - 1;
		r.flags |= id == 3 ? ENGINE_SA_DEFER_OUT : 0;
		add(&r);
		cr_assert_eq(out_to("10.1.0.1", "10.2.0.1"), 2);
	}
	cr_assert_eq(sad_del(&sad, 2), 0);
	cr_assert_eq(out_to("10.1.0.1", "10.2.0.1"), 3);
	cr_assert_eq(sad_sender(&sad, 1)->id, 3);
	cr_assert_eq(sad_del(&sad, 1), 0);
	cr_assert_eq(out_to("10.1.0.1", "10.2.0.1"), 3);
}

/* A retired SA takes packets in and sends none; who waits behind it waits no longer. */
Test(sad, retired)
{
	struct engine_sa r = request(1, "10.1.0.0/16", "10.2.0.0/16");
	struct sa *first = add(&r);

	r = request(2, "10.1.0.0/16", "10.2.0.0/16");
	r.replaces = 1;
	r.flags |= ENGINE_SA_DEFER_OUT;
	add(&r);
	cr_assert_eq(out_to("10.1.0.1", "10.2.0.1"), 1);
	cr_assert_eq(sad_retire(&sad, 1), 0);
	cr_assert_eq(out_to("10.1.0.1", "10.2.0.1"), 2);
	cr_assert_eq(sad_sender(&sad, 1)->id, 2);
	cr_assert_eq(sad_in(&sad, first->spi_in), first);
	cr_assert_eq(sad_retire(&sad, 2), 0);
	cr_assert_eq(out_to("10.1.0.1", "10.2.0.1"), 0);
	cr_assert_null(sad_sender(&sad, 2));
	cr_assert_eq(sad_del(&sad, 1), 0);
	cr_assert_eq(out_to("10.1.0.1", "10.2.0.1"), 0);
	cr_assert_eq(sad_retire(&sad, 1), -ENOENT);
}

static unsigned tell; /* what the last use reached */

static bool take(struct sa *sa, uint32_t n, size_t octets, uint64_t *ret_first)
{
	return sa_take_seq(sa, n, octets, ret_first, &tell);
}

/* [ESP-2]: starts at 1, ends without a wrap. */
Test(sad, sequence_numbers)
{
	struct sa *sa = add_simple(1, "10.1.0.0/16", "10.2.0.0/16");
	uint64_t first;

	cr_assert(take(sa, 45, 0, &first));
	cr_assert_eq(first, 1);
	cr_assert(take(sa, 1, 0, &first));
	cr_assert_eq(first, 46);
	cr_assert_eq(tell, 0);
	sa->seq_out = UINT32_MAX - 2;
	cr_assert(take(sa, 2, 0, &first));
	cr_assert_eq(first, UINT32_MAX - 1);
	cr_assert_not(take(sa, 1, 0, &first));
	cr_assert_not(take(sa, 1, 0, &first));
	sa->seq_out = UINT32_MAX - 2;
	cr_assert_not(take(sa, 3, 0, &first));
}

/* Limits without being asked: new keys in good time, and 2^32 packets with AES also where the
 * sequence number is longer. [REK-16] [AEA-1] */
Test(sad, limits_of_their_own)
{
	struct engine_sa r = request(1, "10.1.0.0/16", "10.2.0.0/16");
	struct sa *sa;
	uint64_t first;

	r.flags |= ENGINE_SA_ESN;
	sa = add(&r);
	sa->seq_out = UINT32_MAX - (1u << 27) - 2;
	cr_assert(take(sa, 1, 0, &first));
	cr_assert_eq(tell, 0);
	cr_assert(take(sa, 1, 0, &first));
	cr_assert_eq(tell, SA_SOFT);
	cr_assert(take(sa, 1, 0, &first));
	cr_assert_eq(tell, 0, "once");
	sa->seq_out = UINT32_MAX;
	cr_assert_not(take(sa, 1, 0, &first));
	cr_assert_eq(tell, SA_HARD);
	cr_assert_not(take(sa, 1, 0, &first));
	cr_assert_eq(tell, 0);
	r = request(2, "10.3.0.0/16", "10.4.0.0/16");
	r.flags |= ENGINE_SA_ESN;
	r.encr_id = ENCR_CHACHA20_POLY1305;
	r.key_bits = 0;
	r.key_len = 36;
	sa = add(&r);
	sa->seq_out = UINT64_C(1) << 40;
	cr_assert(take(sa, 1, 0, &first));
	cr_assert_eq(tell, 0);
}

Test(sad, limits_of_packets)
{
	struct engine_sa r = request(1, "10.1.0.0/16", "10.2.0.0/16");
	struct sa *sa;
	uint64_t first;

	r.soft_packets = 50;
	r.hard_packets = 60;
	sa = add(&r);
	cr_assert(take(sa, 49, 0, &first));
	cr_assert_eq(tell, 0);
	cr_assert(take(sa, 1, 0, &first));
	cr_assert_eq(tell, SA_SOFT);
	sa_untell(sa, SA_SOFT); /* nobody heard it */
	cr_assert(take(sa, 10, 0, &first));
	cr_assert_eq(tell, SA_SOFT);
	cr_assert_not(take(sa, 1, 0, &first));
	cr_assert_eq(tell, SA_HARD);
	/* the other direction has the same limits; each is told once for the SA */
	cr_assert(sa_took(sa, 60, 0, &tell));
	cr_assert_eq(tell, 0);
	cr_assert_not(sa_took(sa, 61, 0, &tell));
	/* a burst that is larger than the limit */
	r = request(2, "10.3.0.0/16", "10.4.0.0/16");
	r.hard_packets = 3;
	sa = add(&r);
	cr_assert_not(take(sa, 45, 0, &first));
	cr_assert_eq(tell, SA_HARD, "no soft limit, no word of it");
}

Test(sad, limits_of_octets)
{
	struct engine_sa r = request(1, "10.1.0.0/16", "10.2.0.0/16");
	struct sa *sa;
	uint64_t first;

	r.soft_octets = 1000;
	r.hard_octets = 1500;
	sa = add(&r);
	cr_assert(take(sa, 1, 999, &first));
	cr_assert_eq(tell, 0);
	cr_assert(sa_took(sa, 1, 999, &tell));
	cr_assert_eq(tell, 0);
	cr_assert(sa_took(sa, 2, 1, &tell));
	cr_assert_eq(tell, SA_SOFT);
	cr_assert(take(sa, 1, 501, &first));
	cr_assert_eq(tell, 0, "told for the SA");
	cr_assert_not(take(sa, 1, 1, &first));
	cr_assert_eq(tell, SA_HARD);
	cr_assert(sa_took(sa, 3, 500, &tell));
	cr_assert_not(sa_took(sa, 4, 1, &tell));
}

/* What fits follows agent and probes, the lesser of both; SAs of one group share it, also those
 * that come later. */
Test(sad, room_on_the_paths)
{
	struct engine_sa r = request(1, "10.1.0.0/24", "10.2.0.0/24");
	struct sa *a, *b, *other;

	other = add(&r);
	cr_assert_eq(sa_inner_max(other), SA_ROOM_ANY);
	r = request(2, "10.1.0.0/24", "10.3.0.0/24");
	r.group = 7;
	r.room = 1480;
	a = add(&r);
	/* 1480 - 8 UDP - 16 header - 16 ICV, less pad length and next header */
	cr_assert_eq(sa_inner_max(a), 1438);
	sad_group_room(&sad, 7, 1260);
	cr_assert_eq(sa_inner_max(a), 1218);
	r = request(3, "10.1.0.0/24", "10.4.0.0/24");
	r.group = 7;
	r.room = 1480;
	b = add(&r);
	cr_assert_eq(sa_inner_max(b), 1218);
	cr_assert_eq(sa_inner_max(other), SA_ROOM_ANY);
	cr_assert_eq(sad_group_told(&sad, 7, 1000), 0);
	cr_assert_eq(sa_inner_max(a), 958);
	cr_assert_eq(sa_inner_max(b), 958);
	cr_assert_eq(sad_group_told(&sad, 7, 0), 0);
	cr_assert_eq(sa_inner_max(a), 1218);
	sad_group_room(&sad, 7, SA_ROOM_ANY);
	cr_assert_eq(sa_inner_max(a), SA_ROOM_ANY);
	r = request(4, "10.1.0.0/24", "10.5.0.0/24");
	r.group = 7;
	r.room = 1000;
	add(&r);
	cr_assert_eq(sa_inner_max(a), 958, "the latest knows best");
	cr_assert_eq(sad_group_told(&sad, 8, 1000), -ENOENT);
	r = request(5, "10.1.0.0/24", "10.6.0.0/24");
	r.room = 1000;
	cr_assert_eq(sa_inner_max(add(&r)), 958, "of its own, in no group");
	cr_assert_eq(sad_del(&sad, 3), 0);
}

/* Of an idle group no path is asked whether its size is still right. */
Test(sad, when_a_group_last_sent)
{
	struct engine_sa r = request(1, "10.1.0.0/24", "10.2.0.0/24");
	const usec_t t = 5 * USEC_PER_SEC;
	struct sa *a, *b;

	sa_sends(add(&r), t); /* in no group */
	r = request(2, "10.1.0.0/24", "10.3.0.0/24");
	r.group = 7;
	a = add(&r);
	cr_assert_eq(sad_group_sent(&sad, 7), 0);
	sa_sends(a, t);
	cr_assert_eq(sad_group_sent(&sad, 7), t);
	r = request(3, "10.1.0.0/24", "10.4.0.0/24");
	r.group = 7;
	b = add(&r);
	sa_sends(b, t + SA_SENT_USEC);
	cr_assert_eq(sad_group_sent(&sad, 7), t, "it is told seldom");
	sa_sends(b, t + SA_SENT_USEC + 1);
	cr_assert_eq(sad_group_sent(&sad, 7), t + SA_SENT_USEC + 1);
	sa_sends(a, t);
	cr_assert_eq(sad_group_sent(&sad, 7), t + SA_SENT_USEC + 1, "another thread's clock");
	cr_assert_eq(sad_del(&sad, 2), 0);
	cr_assert_eq(sad_group_sent(&sad, 7), t + SA_SENT_USEC + 1);
	cr_assert_eq(sad_del(&sad, 3), 0);
	cr_assert_eq(sad_group_sent(&sad, 7), 0, "a new one of that number begins afresh");
}

/* A NAT came or went: one word for the SAs of a group, and what fits changes with it. */
Test(sad, encapsulation_of_a_group)
{
	struct engine_sa r = request(1, "10.1.0.0/24", "10.2.0.0/24");
	struct sa *a, *b, *other;

	r.group = 7;
	r.room = 1480;
	r.flags = 0;
	a = add(&r);
	cr_assert_not(sa_encap(a));
	cr_assert_eq(sa_inner_max(a), 1446, "plain ESP has no UDP header");
	r = request(2, "10.1.0.0/24", "10.3.0.0/24");
	r.group = 8;
	other = add(&r);
	cr_assert(sa_encap(other));
	cr_assert_eq(sad_group_encap(&sad, 7, true), 0);
	cr_assert(sa_encap(a));
	cr_assert_eq(sa_inner_max(a), 1438);
	cr_assert_eq(sad_group_encap(&sad, 8, false), 0);
	cr_assert_not(sa_encap(other));
	cr_assert(sa_encap(a));
	/* the last word counts, also that of an SA that is added */
	r = request(3, "10.1.0.0/24", "10.4.0.0/24");
	r.group = 7;
	r.room = 1480;
	r.flags = 0;
	b = add(&r);
	cr_assert_not(sa_encap(a));
	cr_assert_not(sa_encap(b));
	cr_assert_eq(sa_inner_max(a), 1446);
	cr_assert_eq(sad_group_encap(&sad, 0, true), -EINVAL);
	cr_assert_eq(sad_group_encap(&sad, STEER_GROUPS_MAX, true), -EINVAL);
	/* an SA that is alone speaks for itself */
	r = request(4, "10.1.0.0/24", "10.5.0.0/24");
	cr_assert(sa_encap(add(&r)));
	r = request(5, "10.1.0.0/24", "10.6.0.0/24");
	r.flags = 0;
	cr_assert_not(sa_encap(add(&r)));
}

/* One SA after the other goes over other paths, and the threads that send on it find either. */
Test(sad, another_group)
{
	struct engine_sa r = request(1, "10.1.0.0/24", "10.2.0.0/24");
	usec_t t = 100 * USEC_PER_SEC;
	struct sa *a, *b;

	r.group = 7;
	r.room = 1480;
	a = add(&r);
	r = request(2, "10.1.0.0/24", "10.3.0.0/24");
	r.group = 7;
	r.room = 1480;
	b = add(&r);
	cr_assert_eq(sad_regroup(&sad, 1, 8), 0);
	cr_assert_eq(a->group, 8);
	cr_assert_eq(sa_inner_max(a), sa_inner_max(b), "what is known goes along");
	cr_assert_eq(sa_encap(a), sa_encap(b));
	/* from now on each has its own */
	cr_assert_eq(sad_group_told(&sad, 8, 1280), 0);
	cr_assert_lt(sa_inner_max(a), sa_inner_max(b));
	cr_assert_eq(sad_group_encap(&sad, 8, ENGINE_ENCAP_NONE), 0);
	cr_assert_not(sa_encap(a));
	cr_assert(sa_encap(b));
	sa_sends(a, t);
	cr_assert_eq(sad_group_sent(&sad, 8), t);
	cr_assert_eq(sad_group_sent(&sad, 7), 0);
	/* a reader that has looked before keeps the group it left, the last SA gone or not */
	epoch_enter(&sad.epoch, 0);
	cr_assert_eq(sad_regroup(&sad, 2, 8), 0);
	cr_assert_eq(sad_group_told(&sad, 7, 1280), -ENOENT, "nobody is left");
	cr_assert_eq(sa_inner_max(b), sa_inner_max(a));
	cr_assert(sad_reclaim(&sad));
	epoch_leave(&sad.epoch, 0);
	cr_assert_not(sad_reclaim(&sad));
	cr_assert_eq(sad_regroup(&sad, 2, 8), 0, "it is there");
	cr_assert_eq(sad_regroup(&sad, 3, 8), -ENOENT);
	cr_assert_eq(sad_regroup(&sad, 2, 0), -EINVAL);
	cr_assert_eq(sad_regroup(&sad, 2, STEER_GROUPS_MAX), -EINVAL);
	cr_assert_eq(sad_del(&sad, 1), 0);
	cr_assert_eq(sad_del(&sad, 2), 0);
	cr_assert_not(sad_reclaim(&sad));
}

Test(sad, requests_that_do_not_fit)
{
	struct engine_sa r = request(1, "10.1.0.0/16", "10.2.0.0/16"), q;
	struct sa *sa = NULL;

#define REFUSED(field, value, error)                                                               \
	q = r;                                                                                     \
	q.field = value;                                                                           \
	cr_assert_eq(sa_new(&q, AEAD_DRIVER_BEST, 1, &sa), error, #field)
	REFUSED(id, 0, -EINVAL);
	REFUSED(spi_in, 255, -EINVAL);
	REFUSED(spi_out, 0, -EINVAL);
	REFUSED(key_len, 19, -EINVAL);
	REFUSED(key_len, 255, -EINVAL);
	REFUSED(integ_len, 32, -EINVAL);
	REFUSED(encr_id, 999, -ENOTSUP);
	REFUSED(n_ts_local, 0, -EINVAL);
	REFUSED(n_ts_remote, 17, -EINVAL);
	REFUSED(ts_local[0].first.family, 6, -EINVAL);
	REFUSED(family, 5, -EINVAL);
	REFUSED(flags, ENGINE_SA_TRANSPORT, -EINVAL);
	cr_assert_null(sa);
	add(&r);
	cr_assert_eq(sa_new(&r, AEAD_DRIVER_BEST, 1, &sa), 0);
	cr_assert_eq(sad_add(&sad, sa), -EEXIST);
	sa_free(sa);
}

Test(sad, a_reader_inside_holds_what_it_may_see)
{
	add_simple(1, "10.1.0.0/16", "10.2.0.0/16");
	sad_reclaim(&sad);
	epoch_enter(&sad.epoch, 3);
	cr_assert_eq(sad_del(&sad, 1), 0);
	cr_assert(sad_reclaim(&sad));
	epoch_leave(&sad.epoch, 3);
	cr_assert_not(sad_reclaim(&sad));
}

Test(sad, an_spi_is_expected_until_its_sa_is_there_or_nobody_installs_it)
{
	uint32_t spi = STEER_SPI(1, 7), other = STEER_SPI(2, 7), third = STEER_SPI(1, 8);

	cr_assert_not(sad_expected(&sad, spi));
	cr_assert_not(sad_expected(&sad, 0));
	sad_expect(&sad, spi, true);
	sad_expect(&sad, spi, true);
	cr_assert(sad_expected(&sad, spi));
	/* of another life */
	cr_assert_not(sad_expected(&sad, other));
	sad_expect(&sad, other, false);
	cr_assert(sad_expected(&sad, spi));
	cr_assert_eq(sad.n_expected, 1);
	sad_expect(&sad, other, true);
	cr_assert_not(sad_expected(&sad, spi));
	cr_assert(sad_expected(&sad, other));
	sad_expect(&sad, third, true);
	cr_assert_eq(sad.n_expected, 2);
	sad_expect(&sad, third, false);
	cr_assert_not(sad_expected(&sad, third));
	sad_expect(&sad, third, true);
	sad_expect_none(&sad);
	cr_assert_not(sad_expected(&sad, other));
	cr_assert_not(sad_expected(&sad, third));
	cr_assert_eq(sad.n_expected, 0);
}

Test(sad, df_of_the_outer_header)
{
	uint32_t cut = STEER_MARK(STEER_MARK_KIND_CUT, 0, 0);
	struct engine_sa r = request(1, "10.0.0.1/32", "10.0.1.1/32");
	struct sa *sa = add(&r);

	cr_assert_eq(sa->cut[false] | sa->cut[true], 0);
	r = request(2, "10.0.0.1/32", "10.0.1.2/32");
	r.flags |= ENGINE_SA_DF_COPY;
	sa = add(&r);
	cr_assert_eq(sa->cut[false], cut);
	cr_assert_eq(sa->cut[true], 0);
	r = request(3, "10.0.0.1/32", "10.0.1.3/32");
	r.flags |= ENGINE_SA_DF_CLEAR;
	sa = add(&r);
	cr_assert_eq(sa->cut[false], cut);
	cr_assert_eq(sa->cut[true], cut);
}
