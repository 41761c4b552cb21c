/* SPDX-License-Identifier: GPL-2.0-only */
/* Names of DSCPs, protocols and ports. */
#include <criterion/criterion.h>

#include "base/ipwords.h"

Test(ipwords, dscp)
{
	char buf[IPWORD_STR];

	cr_assert_eq(dscp_parse("ef"), 46);
	cr_assert_eq(dscp_parse("AF41"), 34);
	cr_assert_eq(dscp_parse("be"), 0);
	cr_assert_eq(dscp_parse("0x2c"), 44);
	cr_assert_eq(dscp_parse("63"), 63);
	cr_assert_eq(dscp_parse("64"), -1);
	cr_assert_eq(dscp_parse(""), -1);
	cr_assert_eq(dscp_parse("-1"), -1);
	cr_assert_eq(dscp_parse("4x"), -1);
	cr_assert_str_eq(dscp_format(0, buf), "default");
	cr_assert_str_eq(dscp_format(46, buf), "ef");
	cr_assert_str_eq(dscp_format(63, buf), "63");
	for (int i = 0; i < 64; i++)
		cr_assert_eq(dscp_parse(dscp_format((uint8_t)i, buf)), i);
}

Test(ipwords, protocol)
{
	char buf[IPWORD_STR];
	uint8_t p = 7;

	for (int i = 0; i < 256; i++)
		cr_assert(protocol_parse(protocol_format((uint8_t)i, buf), &p) && p == i);
	cr_assert(protocol_parse("ipv6-icmp", &p) && p == 58);
	cr_assert_str_eq(protocol_format(58, buf), "icmpv6");
	cr_assert_not(protocol_parse("256", &p));
	cr_assert_not(protocol_parse("upd", &p));
	cr_assert_eq(p, 58, "left as it was");
	cr_assert(protocol_has_ports(6) && protocol_has_ports(132) && !protocol_has_ports(0));
}

Test(ipwords, ports)
{
	uint16_t a = 1, b = 2;

	cr_assert(ports_parse("80", &a, &b) && a == 80 && b == 80);
	cr_assert(ports_parse("1024-65535", &a, &b) && a == 1024 && b == 65535);
	cr_assert(ports_parse("any", &a, &b) && a == 0 && b == 65535);
	cr_assert_not(ports_parse("9-7", &a, &b));
	cr_assert_not(ports_parse("00000000009-7", &a, &b));
	cr_assert_not(ports_parse("65536", &a, &b));
	cr_assert_not(ports_parse("-7", &a, &b));
	cr_assert_not(ports_parse("7-", &a, &b));
	cr_assert(a == 0 && b == 65535, "left as they were");
}
