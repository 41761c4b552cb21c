/* SPDX-License-Identifier: GPL-2.0-only */
/* Packets that wait for their SA: in order, so many, so long ones. */
#include <string.h>

#include <criterion/criterion.h>

#include "esp/hold.h"

static struct hold hold;

static void setup(void)
{
	cr_assert_eq(hold_init(&hold), 0);
}

static void teardown(void)
{
	hold_clear(&hold);
}

TestSuite(hold, .init = setup, .fini = teardown);

static bool put(uint32_t spi, uint16_t len, uint8_t fill)
{
	uint8_t pkt[HOLD_OCTETS + 1];
	struct held m = { .spi = spi, .len = len, .arrived = fill };

	memset(pkt, fill, sizeof(pkt));
	return hold_put(&hold, &m, pkt);
}

/* Those of one SPI leave; seen: all, in order. */
struct sift {
	uint32_t leaves;
	unsigned n;
	uint8_t seen[HOLD_PACKETS];
};

static bool judge(void *ctx, const struct held *m, uint8_t *pkt)
{
	struct sift *s = ctx;

	cr_assert_eq(pkt[0], m->arrived);
	cr_assert_eq(pkt[m->len - 1], m->arrived);
	s->seen[s->n++] = pkt[0];
	return m->spi != s->leaves;
}

static void sift(uint32_t leaves, const char *seen)
{
	struct sift s = { .leaves = leaves };

	hold_sift(&hold, judge, &s);
	cr_assert_eq(s.n, strlen(seen));
	cr_assert_eq(memcmp(s.seen, seen, s.n), 0, "%.*s for %s", (int)s.n, (char *)s.seen, seen);
}

Test(hold, order_of_arrival_whoever_leaves)
{
	for (const char *p = "abcdef"; *p; p++)
		cr_assert(put(*p % 3, 100, (uint8_t)*p));
	sift(9, "abcdef");
	sift('b' % 3, "abcdef");
	sift(9, "acdf");
	cr_assert(put(7, HOLD_OCTETS, 'g'));
	cr_assert(put(8, 1, 'h'));
	sift(7, "acdfgh");
	sift('a' % 3, "acdfh");
	sift('c' % 3, "cfh");
	sift(8, "h");
	sift(8, "");
}

Test(hold, full_is_full_and_again_free)
{
	for (int i = 0; i < HOLD_PACKETS; i++)
		cr_assert(put(i & 1, 60, (uint8_t)i));
	cr_assert_not(put(0, 60, 'x'));
	hold_sift(&hold, judge, &(struct sift){ .leaves = 1 });
	cr_assert_eq(hold.n, HOLD_PACKETS / 2);
	for (int i = 0; i < HOLD_PACKETS / 2; i++)
		cr_assert(put(2, 60, (uint8_t)i));
	cr_assert_not(put(0, 60, 'x'));
	/* nothing was written over what stayed */
	hold_sift(&hold, judge, &(struct sift){ .leaves = 0 });
	hold_sift(&hold, judge, &(struct sift){ .leaves = 2 });
	cr_assert_eq(hold.n, 0);
}

Test(hold, too_long_a_packet_does_not_wait)
{
	cr_assert(put(1, HOLD_OCTETS, 'a'));
	cr_assert_not(put(1, HOLD_OCTETS + 1, 'b'));
	sift(1, "a");
}
