/* SPDX-License-Identifier: GPL-2.0-only */
/* What strangers can cost: memory for each half-open IKE SA, how many of them one source may have,
 * and that all of it comes back. [INI-2] [INI-3] */
#include <criterion/criterion.h>
#include <malloc.h>
#include <string.h>

#include "duo_assert.h"

/* Also without a cookie, as many as a test wants. */
static struct duo *open_house(uint32_t half_open_max, uint32_t block_threshold)
{
	struct duo *d = new_duo();

	d->side[DUO_R].cfg.cookie_threshold = 1000000;
	d->side[DUO_R].cfg.half_open_max = half_open_max;
	d->side[DUO_R].cfg.block_threshold = block_threshold;
	d->side[DUO_R].conn.n_remote_addrs = 0;
	cr_assert_eq(duo_start(d), 0);
	return d;
}

/* The request of an initiator, followed by as many octets of a payload nobody knows. */
static size_t request(uint8_t *buf, size_t pad)
{
	struct duo *x = new_duo();
	struct duo_msg m;
	struct wr w;

	cr_assert_eq(duo_start(x), 0);
	cr_assert_eq(duo_up(x), 0);
	cr_assert(duo_take(x, &m));
	duo_free(x);
	memcpy(buf, m.buf, m.len);
	if (!pad)
		return m.len;
	/* first in the chain: the unknown one, not critical, then what was first */
	memmove(buf + 28 + pad, buf + 28, m.len - 28);
	memset(buf + 28, 0, pad);
	buf[28] = buf[16];
	buf[16] = 200;
	w = wr_init(buf + 30, 2);
	wr_u16(&w, (uint16_t)pad);
	w = wr_init(buf + 24, 4);
	wr_u32(&w, (uint32_t)(m.len + pad));
	return m.len + pad;
}

static void give(struct duo *d, const struct addr *from, unsigned n, const uint8_t *req, size_t len)
{
	struct ike_path p = duo_path(DUO_R, 500);
	uint8_t buf[DUO_MSG_MAX];

	p.remote = (struct udp_addr){ *from, (uint16_t)(1024 + n) };
	if (from->family == 6)
		addr_parse("2001:db8::1", &p.local.ip);
	memcpy(buf, req, len);
	buf[0] = (uint8_t)(n >> 8);
	buf[1] = (uint8_t)n;
	duo_give(d, DUO_R, &p, buf, len);
	d->n = 0;
}

static size_t allocated(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* As long as is looked at, and from as many addresses as it takes. */
Test(dos, memory_of_a_half_open_ike_sa_is_bounded)
{
	enum { MANY = 1000 };
	struct duo *d = open_house(MANY, 0);
	uint8_t req[DUO_MSG_MAX];
	size_t short_len = request(req, 0), len = request(req, IKE_INIT_MAX - short_len);
	size_t before, full, after;

	cr_assert_eq(len, IKE_INIT_MAX);
	/* what a library makes once, and keeps, it has made after the first one */
	give(d, &(struct addr){ .family = 4 }, MANY, req, len);
	duo_wait(d, 31 * USEC_PER_SEC);
	before = allocated();
	for (unsigned i = 0; i < MANY; i++) {
		struct addr from = addr_v4(0xcb007100 + i % 256);

		give(d, &from, i, req, len);
	}
	full = allocated();
	cr_assert_eq(duo_counters(d, DUO_R).half_open, MANY);
	cr_assert_leq((full - before) / MANY, IKE_HALF_OPEN_OCTETS, "%zu octets each",
		      (full - before) / MANY);
	/* no more than may be, whatever comes */
	for (unsigned i = 0; i < MANY; i++) {
		struct addr from = addr_v4(0xc6336400 + i % 256);

		give(d, &from, MANY + i, req, len);
	}
	cr_assert_eq(duo_counters(d, DUO_R).half_open_refused, MANY);
	cr_assert_leq(allocated() - before, (size_t)MANY * IKE_HALF_OPEN_OCTETS);
	/* and all of it comes back */
	duo_wait(d, 31 * USEC_PER_SEC);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 0);
	after = allocated(); /* with pieces the allocator keeps at hand */
	cr_assert_leq(after, before + 32768, "%zu octets are kept", after - before);
	duo_free(d);
}

Test(dos, longer_requests_are_not_looked_at)
{
	struct duo *d = open_house(10, 0);
	struct addr from = addr_v4(0xcb007101);
	uint8_t req[DUO_MSG_MAX];
	size_t len = request(req, 0);

	len = request(req, IKE_INIT_MAX + 1 - len);
	give(d, &from, 1, req, len);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 0);
	cr_assert_eq(duo_counters(d, DUO_R).dropped_syntax, 1);
	duo_free(d);
}

/* An address that answers with cookies may be somebody's; he has as many as are his. */
Test(dos, half_open_ike_sas_of_one_source)
{
	struct duo *d = open_house(1000, 5);
	uint8_t req[DUO_MSG_MAX];
	size_t len = request(req, 0);
	struct addr one = addr_v4(0xcb007101), other = addr_v4(0xcb007102);

	for (unsigned i = 0; i < 20; i++)
		give(d, &one, i, req, len);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 5);
	cr_assert_eq(duo_counters(d, DUO_R).half_open_blocked, 15);
	give(d, &other, 50, req, len);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 6, "others are not his fault");
	duo_wait(d, 31 * USEC_PER_SEC);
	give(d, &one, 60, req, len);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 1, "they expire");
	duo_free(d);
}

Test(dos, an_ipv6_customer_has_a_64)
{
	struct duo *d = open_house(1000, 5);
	uint8_t req[DUO_MSG_MAX];
	struct addr a;
	size_t len;

	duo_free(d);
	d = new_duo();
	d->side[DUO_R].cfg.cookie_threshold = 1000000;
	d->side[DUO_R].cfg.block_threshold = 5;
	d->side[DUO_R].conn.n_remote_addrs = d->side[DUO_R].conn.n_local_addrs = 0;
	cr_assert_eq(duo_start(d), 0);
	len = request(req, 0);
	addr_parse("2001:db8:0:1::", &a);
	for (unsigned i = 0; i < 20; i++) {
		a.b[15] = (uint8_t)i;
		a.b[8] = (uint8_t)(i * 7);
		give(d, &a, i, req, len);
	}
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 5);
	cr_assert_eq(duo_counters(d, DUO_R).half_open_blocked, 15);
	a.b[7] = 2;
	give(d, &a, 30, req, len);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 6);
	duo_free(d);
}

/* A set-up that comes to its end is not counted any more. */
Test(dos, established_ike_sas_do_not_count)
{
	struct duo *d = open_house(1000, 1);

	cr_assert(duo_establish(d), "%s%s", d->e[0].failure, d->e[1].failure);
	cr_assert_eq(duo_counters(d, DUO_R).half_open, 0);
	for (unsigned i = 0; i < 5; i++) {
		uint8_t req[DUO_MSG_MAX];
		size_t len = request(req, 0);
		struct addr peer = duo_path(DUO_R, 500).remote.ip;

		give(d, &peer, i, req, len);
		cr_assert_eq(duo_counters(d, DUO_R).half_open, 1);
		cr_assert_eq(duo_counters(d, DUO_R).half_open_blocked, i);
	}
	duo_free(d);
}

/* Thousands come and go: what they needed is given back. */
Test(dos, set_up_and_tear_down_leave_memory_where_it_was)
{
	struct duo *d = open_house(1000, 0);
	size_t before = 0;

	for (unsigned i = 0; i < 300; i++) {
		cr_assert(duo_establish(d) || i, "%s%s", d->e[0].failure, d->e[1].failure);
		cr_assert_eq(ike_down(d->e[DUO_I].ike, "duo", NULL, 1, d->now), 0);
		duo_wait(d, 0);
		cr_assert(duo_settle(d));
		duo_wait(d, 31 * USEC_PER_SEC);
		d->e[0].child_adds = d->e[1].child_adds = 0;
		if (i == 10)
			before = allocated();
	}
	cr_assert_leq(allocated(), before + 32768, "%zu octets are kept", allocated() - before);
	cr_assert_eq(d->e[DUO_R].spis, d->e[DUO_I].spis);
	duo_free(d);
}
