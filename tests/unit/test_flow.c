/* SPDX-License-Identifier: GPL-2.0-only */
/* Inner packets: length fields, TFC padding [ESP-9], fragments, spreading of flows. */
#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "../lib/hex.h"
#include "esp/flow.h"

static const char udp4[] = "4500002000010000401100000a0100010a01000203e807d0000c0000deadbeef";
static const char udp6[] = "60000000000c1140 20010db8000000000000000000000001"
			   "20010db8000000000000000000000002 03e807d0000c0000deadbeef";

Test(flow, ipv4)
{
	uint8_t p[64];
	size_t n = unhex(udp4, p, sizeof(p));
	struct inner in;

	cr_assert_eq(inner_parse(p, n, false, &in), 0);
	cr_assert_eq(in.family, 4);
	cr_assert_eq(in.len, 32);
	cr_assert_eq(in.sport, 1000);
	cr_assert_eq(in.dport, 2000);
	cr_assert_eq(in.l4_off, 20);
	/* The packet's own length decides. */
	cr_assert_eq(inner_parse(p, 60, false, &in), 0);
	cr_assert_eq(in.len, 32);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(inner_parse(p, i, false, &in), -EBADMSG);
	p[0] = 0x44;
	cr_assert_eq(inner_parse(p, n, false, &in), -EBADMSG);
	p[0] = 0x4f;
	cr_assert_eq(inner_parse(p, n, false, &in), -EBADMSG);
	p[0] = 0x55;
	cr_assert_eq(inner_parse(p, n, false, &in), -EBADMSG);
	p[0] = 0x45;
	p[3] = 19; /* shorter than the header */
	cr_assert_eq(inner_parse(p, n, false, &in), -EBADMSG);
}

/* [TS-2]: type 3, code 4, in both places of a port. */
Test(flow, icmp_type_and_code)
{
	uint8_t p[64];
	size_t n = unhex("4500001c00010000400100000a0100010a010002 0304aaaa00000578", p, sizeof(p));
	struct inner in;

	cr_assert_eq(inner_parse(p, n, false, &in), 0);
	cr_assert(in.has_ports);
	cr_assert_eq(in.sport, 0x0304);
	cr_assert_eq(in.dport, 0x0304);
}

Test(flow, ipv6_extension_headers)
{
	uint8_t p[128];
	size_t n = unhex(udp6, p, sizeof(p));
	struct inner in;

	cr_assert_eq(inner_parse(p, n, false, &in), 0);
	cr_assert_eq(in.proto, 17);
	cr_assert_eq(in.dport, 2000);
	/* Hop-by-hop of 8 octets, then UDP. */
	memmove(p + 48, p + 40, 12);
	memcpy(p + 40, "\x11\0\1\4\0\0\0\0", 8);
	p[6] = 0;
	p[5] = 20;
	cr_assert_eq(inner_parse(p, n + 8, false, &in), 0);
	cr_assert_eq(in.proto, 17);
	cr_assert_eq(in.l4_off, 48);
	cr_assert_eq(in.dport, 2000);
	/* A header that says it is longer than the packet. */
	p[41] = 200;
	cr_assert_eq(inner_parse(p, n + 8, false, &in), -EBADMSG);
}

Test(flow, fragments_go_by_addresses)
{
	uint8_t a[64], b[64];
	size_t n = unhex(udp4, a, sizeof(a));
	struct inner ia, ib;

	memcpy(b, a, n);
	a[6] = 0x20; /* first fragment */
	b[6] = 0x00;
	b[7] = 0x10; /* a later one: its first octets are no ports */
	b[20] = 99;
	cr_assert_eq(inner_parse(a, n, false, &ia), 0);
	cr_assert_eq(inner_parse(b, n, false, &ib), 0);
	cr_assert(ia.fragment && ib.fragment);
	cr_assert(ia.has_ports && !ib.has_ports);
	cr_assert_eq(flow_slot(&ia, 5), flow_slot(&ib, 5));
}

/* What answers a packet is found by that packet; the other way round it is another flow. */
Test(flow, replies)
{
	uint8_t a[64], b[64];
	size_t n = unhex(udp4, a, sizeof(a));
	struct inner there, back;

	memcpy(b, a, n);
	memcpy(b + 12, a + 16, 4);
	memcpy(b + 16, a + 12, 4);
	memcpy(b + 20, a + 22, 2);
	memcpy(b + 22, a + 20, 2);
	cr_assert_eq(inner_parse(a, n, false, &there), 0);
	cr_assert_eq(inner_parse(b, n, false, &back), 0);
	cr_assert_eq(flow_hash_reply(&there, 5), flow_hash(&back, 5));
	cr_assert_eq(flow_hash_reply(&back, 5), flow_hash(&there, 5));
	cr_assert_neq(flow_hash(&there, 5), flow_hash(&back, 5));
	cr_assert_neq(flow_hash(&there, 5), flow_hash(&there, 6));
}

/* Parallel connections differ in a few bits of one port and must not share a slot by habit. */
Test(flow, neighbouring_ports_spread)
{
	for (uint64_t seed = 0; seed < 16; seed++) {
		unsigned used[256] = { 0 }, half = 0, distinct = 0;

		for (int i = 0; i < 256; i++) {
			uint8_t p[64];
			size_t n = unhex(udp4, p, sizeof(p));
			struct inner in;
			uint8_t s;

			p[21] = (uint8_t)i;
			cr_assert_eq(inner_parse(p, n, false, &in), 0);
			s = flow_slot(&in, seed * 0x9e3779b97f4a7c15);
			distinct += used[s]++ == 0;
			half += s < 128;
		}
		/* 256 balls in 256 boxes: 162 boxes, 128 in a half, give or take. */
		cr_assert(distinct > 135 && distinct < 190, "%u", distinct);
		cr_assert(half > 90 && half < 166, "%u", half);
	}
}

/* RFC 4301 8.1: what the outer header may copy; routers never fragment IPv6. */
Test(flow, df)
{
	uint8_t p[128];
	size_t n = unhex(udp4, p, sizeof(p));
	struct inner in;

	cr_assert_eq(inner_parse(p, n, false, &in), 0);
	cr_assert_not(in.df);
	p[6] = 0x40;
	cr_assert_eq(inner_parse(p, n, false, &in), 0);
	cr_assert(in.df);
	cr_assert_not(in.fragment);
	p[6] = 0x20;
	cr_assert_eq(inner_parse(p, n, false, &in), 0);
	cr_assert_not(in.df);
	n = unhex(udp6, p, sizeof(p));
	cr_assert_eq(inner_parse(p, n, false, &in), 0);
	cr_assert(in.df);
}
