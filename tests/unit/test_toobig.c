/* SPDX-License-Identifier: GPL-2.0-only */
/* ICMP errors about packets that are too large (RFC 1191, RFC 4443), and the MSS of SYNs.
 * [ESP-13] */
#include <criterion/criterion.h>

#include "esp/toobig.h"
#include "inner_build.h"

static size_t make(uint8_t *p, const struct build *b, struct inner *in)
{
	size_t len = build(p, b);

	cr_assert_eq(inner_parse(p, len, false, in), 0);
	return len;
}

Test(toobig, ipv4)
{
	struct build b = { .family = 4, .proto = 17, .df = true, .payload = 1372 };
	uint8_t p[2048], e[TOOBIG_MAX];
	struct inner in;
	size_t n;

	make(p, &b, &in);
	n = toobig_build(p, &in, 1218, e);
	cr_assert_eq(n, 576, "RFC 1812 4.3.2.3");
	cr_assert_eq(e[9], 1);
	cr_assert_eq(slow_sum(e, 20, 0), 0xffff);
	cr_assert_eq(slow_sum(e + 20, n - 20, 0), 0xffff);
	cr_assert_eq(memcmp(e + 12, p + 16, 4), 0, "in the name of the destination");
	cr_assert_eq(memcmp(e + 16, p + 12, 4), 0, "to the source");
	cr_assert_eq(memcmp(e + 20, "\3\4", 2), 0);
	cr_assert_eq(e[26] << 8 | e[27], 1218);
	cr_assert_eq(memcmp(e + 28, p, n - 28), 0, "the packet is quoted");
}

Test(toobig, ipv6)
{
	struct build b = { .family = 6, .proto = 6, .payload = 1340 };
	uint8_t p[2048], e[TOOBIG_MAX];
	struct inner in;
	size_t n;

	make(p, &b, &in);
	n = toobig_build(p, &in, 1280, e);
	cr_assert_eq(n, 1280);
	cr_assert_eq(e[6], 58);
	cr_assert(sums_ok(e, n));
	cr_assert_eq(memcmp(e + 8, p + 24, 16), 0);
	cr_assert_eq(memcmp(e + 24, p + 8, 16), 0);
	cr_assert_eq(memcmp(e + 40, "\2\0", 2), 0);
	cr_assert_eq(e[46] << 8 | e[47], 1280);
	cr_assert_eq(memcmp(e + 48, p, n - 48), 0);
}

Test(toobig, no_error_about_such)
{
	struct build b = { .family = 4, .proto = 1, .payload = 1000 };
	uint8_t p[2048], e[TOOBIG_MAX];
	struct inner in;

	make(p, &b, &in);
	p[20] = 3; /* an error itself */
	cr_assert_eq(toobig_build(p, &in, 600, e), 0);
	p[20] = 8;
	cr_assert_gt(toobig_build(p, &in, 600, e), 0);
	p[7] = 5; /* a later fragment */
	cr_assert_eq(toobig_build(p, &in, 600, e), 0);
	p[7] = 0;
	p[16] = 224; /* to many */
	cr_assert_eq(toobig_build(p, &in, 600, e), 0);
	p[16] = 10;
	memset(p + 12, 0, 4); /* from nobody */
	cr_assert_eq(toobig_build(p, &in, 600, e), 0);
	b = (struct build){ .family = 6, .proto = 58, .payload = 1300 };
	make(p, &b, &in);
	p[40] = 1;
	cr_assert_eq(toobig_build(p, &in, 1280, e), 0);
	p[40] = 128;
	cr_assert_gt(toobig_build(p, &in, 1280, e), 0);
	p[24] = 0xff;
	cr_assert_eq(toobig_build(p, &in, 1280, e), 0);
}

/* A SYN whose options are these; at least four octets are left for more. */
static void syn(uint8_t *p, int family, const uint8_t *options, size_t n, struct inner *in)
{
	struct build b = { .family = family, .proto = 6, .flags = 0x02, .options = 12 };
	size_t ip = family == 4 ? 20 : 40, len;
	uint16_t c;

	len = build(p, &b);
	memcpy(p + ip + 20, options, n);
	memset(p + ip + 16, 0, 2);
	c = (uint16_t)~slow_sum(p + ip, len - ip, slow_pseudo(p, len - ip));
	put16be(p + ip + 16, c);
	cr_assert(sums_ok(p, len));
	cr_assert_eq(inner_parse(p, len, false, in), 0);
	cr_assert(mss_carried(p, in));
}

Test(toobig, the_mss_is_lowered)
{
	for (int family = 4; family <= 6; family += 2) {
		size_t ip = family == 4 ? 20 : 40;

		for (size_t odd = 0; odd < 4; odd++) {
			uint8_t opt[8] = { 1, 1, 1, 1, 1, 1, 1, 1 }, p[200];
			struct inner in;

			memcpy(opt + odd, "\2\4\5\xb4", 4); /* 1460 */
			syn(p, family, opt, 8, &in);
			mss_clamp(p, &in, 1500);
			cr_assert_eq(p[ip + 22 + odd] << 8 | p[ip + 23 + odd],
				     family == 4 ? 1460 : 1440);
			for (size_t max = 1400; max > 100; max -= 13) {
				mss_clamp(p, &in, max);
				cr_assert_eq((size_t)(p[ip + 22 + odd] << 8 | p[ip + 23 + odd]),
					     max - ip - 20);
				cr_assert(sums_ok(p, in.len), "max %zu, at %zu", max, odd);
			}
			mss_clamp(p, &in, 1400);
			cr_assert_lt(p[ip + 22 + odd], 2, "it is never raised");
		}
	}
}

Test(toobig, nonsense_in_options_is_left_alone)
{
	static const uint8_t bad[][8] = {
		{ 2, 3, 5, 0xb4, 1, 1, 1, 1 }, { 3, 0, 2, 4, 5, 0xb4, 1, 1 },
		{ 0, 2, 4, 5, 0xb4, 1, 1, 1 }, { 8, 200, 2, 4, 5, 0xb4, 1, 1 },
		{ 1, 1, 1, 1, 1, 1, 1, 1 },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t p[200], before[200];
		struct inner in;

		syn(p, 4, bad[i], 8, &in);
		memcpy(before, p, sizeof(p));
		mss_clamp(p, &in, 576);
		cr_assert_eq(memcmp(before, p, in.len), 0, "case %zu", i);
	}
}
