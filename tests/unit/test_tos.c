/* SPDX-License-Identifier: GPL-2.0-only */
/* DSCP and ECN through the tunnel: RFC 6040 4.2, RFC 4301 5.1.2. [ESP-12] */
#include <criterion/criterion.h>
#include <string.h>

#include "esp/csum.h"
#include "esp/flow.h"
#include "esp/tos.h"

enum { DROP = 0xff };

/* RFC 6040 figure 4, rows inner, columns outer, both as the field counts: Not-ECT, ECT(1), ECT(0),
 * CE. */
static const uint8_t figure4[4][4] = {
	[ECN_NOT_ECT] = { ECN_NOT_ECT, ECN_NOT_ECT, ECN_NOT_ECT, DROP },
	[ECN_ECT1] = { ECN_ECT1, ECN_ECT1, ECN_ECT1, ECN_CE },
	[ECN_ECT0] = { ECN_ECT0, ECN_ECT1, ECN_ECT0, ECN_CE },
	[ECN_CE] = { ECN_CE, ECN_CE, ECN_CE, ECN_CE },
};

Test(tos, every_pair_of_ecn)
{
	for (uint8_t in = 0; in < 4; in++) {
		for (uint8_t out = 0; out < 4; out++) {
			uint8_t tos = DROP;
			bool ok = tos_decap(0x28 | in, 0xb8 | out, false, &tos);

			cr_assert_eq(ok, figure4[in][out] != DROP, "inner %u outer %u", in, out);
			cr_assert_eq(tos, ok ? (0x28 | figure4[in][out]) : DROP,
				     "inner %u outer %u: %02x", in, out, tos);
		}
	}
}

Test(tos, dscp_comes_in_only_when_asked_for)
{
	uint8_t tos;

	cr_assert(tos_decap(0x28 | ECN_ECT0, 0xb8 | ECN_CE, true, &tos));
	cr_assert_eq(tos, 0xb8 | ECN_CE);
	cr_assert(tos_decap(0x28 | ECN_ECT0, 0xb8 | ECN_CE, false, &tos));
	cr_assert_eq(tos, 0x28 | ECN_CE);
}

Test(tos, the_checksum_follows)
{
	uint8_t p[20] = { 0x45, 0, 0, 40, 1, 2, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2 };

	for (unsigned id = 0; id < 0x10000; id += 7) {
		struct inner in;
		uint16_t c;

		p[4] = (uint8_t)(id >> 8);
		p[5] = (uint8_t)id;
		p[1] = (uint8_t)(id * 31);
		p[10] = p[11] = 0;
		c = (uint16_t)~csum_fold(csum_add(0, p, 20));
		memcpy(p + 10, &c, 2);
		tos_set(p, 4, (uint8_t)(id * 13));
		cr_assert_eq(csum_fold(csum_add(0, p, 20)), 0xffff, "id %u", id);
		p[2] = 0, p[3] = 20;
		cr_assert_eq(inner_parse(p, 20, false, &in), 0);
		cr_assert_eq(in.tos, (uint8_t)(id * 13));
		p[3] = 40;
	}
}

Test(tos, ipv6_keeps_version_and_flow_label)
{
	uint8_t p[40] = { 0x60, 0x0a, 0xbc, 0xde, 0, 0, 59 };
	struct inner in;

	tos_set(p, 6, 0xb9);
	cr_assert_eq(p[0], 0x6b);
	cr_assert_eq(p[1], 0x9a);
	cr_assert_eq(p[2], 0xbc);
	cr_assert_eq(inner_parse(p, 40, false, &in), 0);
	cr_assert_eq(in.tos, 0xb9);
}
