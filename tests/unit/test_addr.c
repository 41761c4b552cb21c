/* SPDX-License-Identifier: GPL-2.0-only */
/* base/addr: text, order, prefixes and socket addresses, both families. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <criterion/criterion.h>

#include "base/addr.h"

static struct addr of(const char *text)
{
	struct addr a = { 0 };

	cr_assert_eq(addr_parse(text, &a), 0, "%s", text);
	return a;
}

static const char *text_of(const struct addr *a)
{
	static char buf[ADDR_STR];

	return addr_format(a, buf);
}

Test(addr, parse_and_format)
{
	static const struct {
		const char *in, *out;
		uint8_t family;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1", 4 },
		{ "0.0.0.0", "0.0.0.0", 4 },
		{ "255.255.255.255", "255.255.255.255", 4 },
		{ "2001:db8::1", "2001:db8::1", 6 },
		{ "2001:DB8:0:0:0:0:0:1", "2001:db8::1", 6 },
		{ "::", "::", 6 },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.1", 6 },
		{ "2001:db8:1111:2222:3333:4444:5555:6666",
		  "2001:db8:1111:2222:3333:4444:5555:6666", 6 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct addr a = of(rows[i].in);

		cr_expect_eq(a.family, rows[i].family, "%s", rows[i].in);
		cr_expect_str_eq(text_of(&a), rows[i].out);
	}
}

Test(addr, what_is_no_address)
{
	static const char *const bad[] = { "",		 "192.0.2",	 "192.0.2.256",
					   "192.0.2.1 ", "192.0.2.1/24", "192.0.2.01x",
					   "2001:db8",	 ":::",		 "fe80::1%eth0",
					   "host",	 "1.2.3.4.5",	 "12345::" };
	struct addr a = addr_v4(0xc0000201);

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_expect_eq(addr_parse(bad[i], &a), -EINVAL, "\"%s\"", bad[i]);
	cr_assert_str_eq(text_of(&a), "192.0.2.1", "the result was touched");
}

Test(addr, no_address_has_a_text_as_well)
{
	struct addr none = { 0 };
	struct udp_addr u = { .port = 4500 };
	char buf[ADDR_PORT_STR];

	cr_assert_str_eq(text_of(&none), "-");
	cr_assert_str_eq(udp_addr_format(&u, buf), "-:4500");
	cr_assert_eq(addr_len(&none), 0);
}

/* What IPv4 leaves of the 16 octets is zero: records compare by memcmp. */
Test(addr, made_from_octets)
{
	uint8_t b[16];
	struct addr a;

	memset(b, 0xee, sizeof(b));
	memcpy(b, "\xc0\0\2\1", 4);
	a = addr_from_bytes(4, b);
	cr_assert_eq(memcmp(&a, &(struct addr){ 4, { 192, 0, 2, 1 } }, sizeof(a)), 0);
	cr_assert(addr_equal(&a, &(struct addr){ 4, { 192, 0, 2, 1 } }));
	struct addr same = addr_v4(0xc0000201);
	cr_assert_eq(memcmp(&a, &same, sizeof(a)), 0);
	a = addr_from_bytes(6, b);
	cr_assert_arr_eq(a.b, b, 16);
}

Test(addr, order)
{
	/* ascending; families first */
	static const char *const rows[] = { "0.0.0.0",	   "9.255.255.255", "10.0.0.0",
					    "192.0.2.1",   "192.0.2.2",	    "255.255.255.255",
					    "::",	   "::1",	    "2001:db8::",
					    "2001:db8::1", "ff02::1" };
	enum { N = sizeof(rows) / sizeof(*rows) };

	for (size_t i = 0; i < N; i++) {
		for (size_t k = 0; k < N; k++) {
			struct addr a = of(rows[i]), b = of(rows[k]);
			int c = addr_cmp(&a, &b);

			cr_assert_eq((c > 0) - (c < 0), (i > k) - (i < k), "%s %s", rows[i],
				     rows[k]);
			cr_assert_eq(addr_equal(&a, &b), i == k);
		}
	}
}

Test(addr, transport_addresses_are_equal_with_their_port)
{
	struct udp_addr a = { of("192.0.2.1"), 500 }, b = a;

	cr_assert(udp_addr_equal(&a, &b));
	b.port = 4500;
	cr_assert_not(udp_addr_equal(&a, &b));
	b = (struct udp_addr){ of("192.0.2.2"), 500 };
	cr_assert_not(udp_addr_equal(&a, &b));
}

Test(addr, usable)
{
	static const struct {
		const char *text;
		bool usable, link_local;
	} rows[] = {
		{ "192.0.2.1", true, false },	{ "10.0.0.1", true, false },
		{ "0.0.0.0", false, false },	{ "0.1.2.3", false, false },
		{ "127.0.0.1", false, false },	{ "169.254.1.1", false, true },
		{ "169.253.1.1", true, false }, { "223.255.255.255", true, false },
		{ "224.0.0.1", false, false },	{ "255.255.255.255", false, false },
		{ "2001:db8::1", true, false }, { "fd00::1", true, false },
		{ "::", false, false },		{ "::1", false, false },
		{ "::2", true, false },		{ "::ffff:192.0.2.1", false, false },
		{ "fe80::1", false, true },	{ "febf::1", false, true },
		{ "fec0::1", true, false },	{ "ff02::1", false, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct addr a = of(rows[i].text);

		cr_expect_eq(addr_usable(&a, false), rows[i].usable, "%s", rows[i].text);
		cr_expect_eq(addr_usable(&a, true), rows[i].usable || rows[i].link_local, "%s",
			     rows[i].text);
	}
	cr_assert_not(addr_usable(&(struct addr){ 0 }, true));
}

Test(addr, private)
{
	static const char *const ours[] = { "10.0.0.0",	     "10.255.255.255", "172.16.0.1",
					    "172.31.255.1",  "192.168.7.1",    "100.64.0.1",
					    "100.127.255.1", "fc00::1",	       "fdff::1" };
	static const char *const theirs[] = { "9.255.255.255", "11.0.0.1",    "172.15.255.1",
					      "172.32.0.1",    "192.167.1.1", "100.63.255.1",
					      "100.128.0.1",   "192.0.2.1",   "2001:db8::1",
					      "fe80::1",       "fbff::1" };
	struct addr a;

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		cr_assert_eq(addr_parse(ours[i], &a), 0);
		cr_expect(addr_private(&a), "%s", ours[i]);
	}
	for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++) {
		cr_assert_eq(addr_parse(theirs[i], &a), 0);
		cr_expect_not(addr_private(&a), "%s", theirs[i]);
	}
	cr_assert_not(addr_private(&(struct addr){ 0 }));
}

Test(addr, prefixes)
{
	static const struct {
		const char *text, *first, *last;
		uint8_t len;
	} rows[] = {
		{ "10.1.2.3/24", "10.1.2.0", "10.1.2.255", 24 },
		{ "10.1.2.3", "10.1.2.3", "10.1.2.3", 32 },
		{ "10.1.2.3/32", "10.1.2.3", "10.1.2.3", 32 },
		{ "10.1.2.3/31", "10.1.2.2", "10.1.2.3", 31 },
		{ "10.1.2.3/9", "10.0.0.0", "10.127.255.255", 9 },
		{ "10.1.2.3/0", "0.0.0.0", "255.255.255.255", 0 },
		{ "2001:db8::1/64", "2001:db8::", "2001:db8::ffff:ffff:ffff:ffff", 64 },
		{ "2001:db8:8000::/33", "2001:db8:8000::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
		  33 },
		{ "::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0 },
		{ "2001:db8::5/127", "2001:db8::4", "2001:db8::5", 127 },
		{ "2001:db8::5", "2001:db8::5", "2001:db8::5", 128 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct addr a, first, last;
		uint8_t len = 255;

		cr_assert_eq(addr_parse_prefix(rows[i].text, &a, &len), 0, "%s", rows[i].text);
		cr_expect_eq(len, rows[i].len, "%s: %u", rows[i].text, len);
		addr_prefix_range(&a, len, &first, &last);
		cr_expect_str_eq(text_of(&first), rows[i].first, "%s", rows[i].text);
		cr_expect_str_eq(text_of(&last), rows[i].last, "%s", rows[i].text);
	}
}

Test(addr, host_bits_of_a_prefix_are_kept)
{
	struct addr a;
	uint8_t len;

	cr_assert_eq(addr_parse_prefix("192.0.2.77/24", &a, &len), 0);
	cr_assert_str_eq(text_of(&a), "192.0.2.77");
}

Test(addr, what_is_no_prefix)
{
	static const char *const bad[] = {
		"10.0.0.0/33",
		"10.0.0.0/",
		"10.0.0.0/-1",
		"10.0.0.0/ 8",
		"10.0.0.0/8x",
		"10.0.0.0/+8",
		"/8",
		"::/129",
		"10.0.0/8",
		"10.0.0.0/8/8",
		"::/99999999999999999999999",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb/64",
	};
	struct addr a = addr_v4(0xc0000201);
	uint8_t len = 7;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		cr_expect_eq(addr_parse_prefix(bad[i], &a, &len), -EINVAL, "\"%s\"", bad[i]);
	cr_assert_eq(len, 7);
	cr_assert_str_eq(text_of(&a), "192.0.2.1");
}

Test(addr, next)
{
	static const struct {
		const char *from, *to;
		bool more;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.2", true },
		{ "192.0.2.255", "192.0.3.0", true },
		{ "9.255.255.255", "10.0.0.0", true },
		{ "255.255.255.255", "0.0.0.0", false },
		{ "2001:db8::ffff:ffff", "2001:db8::1:0:0", true },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct addr a = of(rows[i].from);

		cr_expect_eq(addr_next(&a), rows[i].more, "%s", rows[i].from);
		cr_expect_str_eq(text_of(&a), rows[i].to);
	}
	cr_assert_not(addr_next(&(struct addr){ 0 }));
}

Test(addr, with_a_port)
{
	struct udp_addr v4 = { of("192.0.2.1"), 4500 };
	struct udp_addr v6 = { of("2001:db8:1111:2222:3333:4444:5555:6666"), 65535 };
	char buf[ADDR_PORT_STR];

	cr_assert_str_eq(udp_addr_format(&v4, buf), "192.0.2.1:4500");
	cr_assert_str_eq(udp_addr_format(&v6, buf),
			 "[2001:db8:1111:2222:3333:4444:5555:6666]:65535");
}

Test(addr, socket_addresses_there_and_back)
{
	static const char *const rows[] = { "192.0.2.1", "2001:db8::1" };

	for (size_t i = 0; i < 2; i++) {
		struct udp_addr a = { of(rows[i]), 4500 }, b = { 0 };
		struct sockaddr_storage ss;
		unsigned len = udp_addr_to_sockaddr(&a, &ss);

		cr_assert_eq(len, i ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
		cr_assert_eq(udp_addr_from_sockaddr((struct sockaddr *)&ss, &b), 0);
		cr_assert(udp_addr_equal(&a, &b));
	}
}

/* A dual-stack socket reports IPv4 peers as mapped addresses; nothing of ours ever sees one. */
Test(addr, mapped_becomes_ipv4)
{
	struct udp_addr mapped = { of("::ffff:192.0.2.1"), 500 }, b;
	struct sockaddr_storage ss;
	char buf[ADDR_PORT_STR];

	udp_addr_to_sockaddr(&mapped, &ss);
	cr_assert_eq(udp_addr_from_sockaddr((struct sockaddr *)&ss, &b), 0);
	cr_assert_str_eq(udp_addr_format(&b, buf), "192.0.2.1:500");
}

Test(addr, other_families_are_refused)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNIX };
	struct udp_addr none = { .port = 1 }, b = { of("192.0.2.1"), 1 };

	cr_assert_eq(udp_addr_from_sockaddr((struct sockaddr *)&ss, &b), -EAFNOSUPPORT);
	cr_assert_eq(b.ip.family, 4);
	cr_assert_eq(udp_addr_to_sockaddr(&none, &ss), 0);
}

static size_t prefixes(const char *first, const char *last, uint8_t len_min, size_t max,
		       struct prefix *ret)
{
	struct addr a, b;

	cr_assert_eq(addr_parse(first, &a), 0);
	cr_assert_eq(addr_parse(last, &b), 0);
	return addr_range_prefixes(&a, &b, len_min, ret, max);
}

static void prefix_is(const struct prefix *p, const char *want)
{
	char text[ADDR_STR], both[ADDR_STR + 8];

	snprintf(both, sizeof(both), "%s/%u", addr_format(&p->addr, text), p->len);
	cr_assert_str_eq(both, want);
}

Test(addr, range_as_prefixes)
{
	struct prefix p[256];

	cr_assert_eq(prefixes("10.1.0.0", "10.1.255.255", 0, 1, p), 1);
	prefix_is(p, "10.1.0.0/16");
	cr_assert_eq(prefixes("10.0.0.5", "10.0.0.5", 0, 1, p), 1);
	prefix_is(p, "10.0.0.5/32");
	cr_assert_eq(prefixes("10.0.0.3", "10.0.0.8", 0, 8, p), 3);
	prefix_is(&p[0], "10.0.0.3/32");
	prefix_is(&p[1], "10.0.0.4/30");
	prefix_is(&p[2], "10.0.0.8/32");
	cr_assert_eq(prefixes("10.0.0.3", "10.0.0.8", 0, 2, p), 0, "more than there is room for");
	/* all addresses, in one or in halves */
	cr_assert_eq(prefixes("0.0.0.0", "255.255.255.255", 0, 8, p), 1);
	prefix_is(p, "0.0.0.0/0");
	cr_assert_eq(prefixes("0.0.0.0", "255.255.255.255", 1, 8, p), 2);
	prefix_is(&p[0], "0.0.0.0/1");
	prefix_is(&p[1], "128.0.0.0/1");
	cr_assert_eq(prefixes("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0, 8, p), 1);
	prefix_is(p, "::/0");
	/* the longest list there is, and it ends where the addresses do */
	cr_assert_eq(prefixes("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", 0, 256, p), 254);
	cr_assert_eq(prefixes("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0, 256, p), 128);
	prefix_is(&p[127], "8000::/1");
}
