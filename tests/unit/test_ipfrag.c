/* SPDX-License-Identifier: GPL-2.0-only */
/* Fragments made before encryption: put together again by another implementation of RFC 791 and RFC
 * 8200 they are the packet they were made of. */
#include <criterion/criterion.h>
#include <errno.h>

#include "esp/flow.h"
#include "esp/ipfrag.h"
#include "inner_build.h"

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* Data of a datagram put together, octet by octet, and where its end is. */
struct whole {
	uint8_t data[0x10000], seen[0x10000];
	size_t end;
	uint32_t id;
	uint8_t proto;
};

static void add4(struct whole *w, const uint8_t *p, size_t n)
{
	size_t ihl = (p[0] & 15u) * 4u, off = (get16(p + 6) & 0x1fffu) * 8u;

	cr_assert_eq(get16(p + 2), n);
	cr_assert_eq(slow_sum(p, ihl, 0), 0xffff, "header checksum");
	w->id = get16(p + 4);
	w->proto = p[9];
	for (size_t i = ihl; i < n; i++) {
		cr_assert_not(w->seen[off + i - ihl], "twice");
		w->seen[off + i - ihl] = 1;
		w->data[off + i - ihl] = p[i];
	}
	if (!(p[6] & 0x20))
		w->end = off + n - ihl;
	else
		cr_assert_eq((n - ihl) % 8, 0);
}

static void add6(struct whole *w, const uint8_t *p, size_t n, size_t at)
{
	size_t off = get16(p + at + 2) & 0xfff8u;

	cr_assert_eq(get16(p + 4) + 40u, n);
	w->proto = p[at];
	memcpy(&w->id, p + at + 4, 4);
	for (size_t i = at + 8; i < n; i++) {
		cr_assert_not(w->seen[off + i - at - 8], "twice");
		w->seen[off + i - at - 8] = 1;
		w->data[off + i - at - 8] = p[i];
	}
	if (!(p[at + 3] & 1))
		w->end = off + n - at - 8;
	else
		cr_assert_eq((n - at - 8) % 8, 0);
}

static void complete(const struct whole *w, const uint8_t *data, size_t len)
{
	cr_assert_eq(w->end, len, "%zu of %zu octets", w->end, len);
	for (size_t i = 0; i < len; i++)
		cr_assert(w->seen[i] && w->data[i] == data[i], "octet %zu", i);
}

static void cut(const uint8_t *p, uint8_t family, size_t len, size_t max, size_t at,
		struct whole *w)
{
	uint8_t out[0x10000];
	struct ipfrag f;
	size_t n;

	cr_assert_eq(ipfrag_init(&f, p, family, len, max, 0x01020304), 0);
	while ((n = ipfrag_next(&f, out))) {
		struct inner in;

		cr_assert_leq(n, max);
		cr_assert_eq(inner_parse(out, n, false, &in), 0);
		cr_assert(in.fragment);
		if (family == 4)
			add4(w, out, n);
		else
			add6(w, out, n, at);
	}
}

static struct whole w;

Test(ipfrag, ipv4_of_every_size)
{
	for (size_t payload = 100; payload < 3000; payload += 37) {
		for (size_t max = 68; max < payload; max += 61) {
			uint8_t p[4096];
			struct build b = { .family = 4, .proto = 17, .id = 77, .payload = payload };
			size_t len = build(p, &b);

			memset(&w, 0, sizeof(w));
			cut(p, 4, len, max, 0, &w);
			complete(&w, p + 20, len - 20);
			cr_assert_eq(w.id, 77);
			cr_assert_eq(w.proto, 17);
		}
	}
}

Test(ipfrag, a_fragment_is_cut_further)
{
	struct build b = { .family = 4, .proto = 17, .id = 78, .payload = 2000 };
	uint8_t p[4096], mid[4096];
	size_t len = build(p, &b), n;
	struct ipfrag f;

	memset(&w, 0, sizeof(w));
	cr_assert_eq(ipfrag_init(&f, p, 4, len, 1400, 0), 0);
	while ((n = ipfrag_next(&f, mid)))
		cut(mid, 4, n, 500, 0, &w);
	complete(&w, p + 20, len - 20);
}

Test(ipfrag, options_without_the_copied_flag_are_in_the_first_only)
{
	/* record route (7), not copied; router alert (148), copied */
	static const uint8_t options[12] = { 7, 7, 4, 0, 0, 0, 0, 1, 148, 4, 0, 0 };
	uint8_t p[600] = { 0x48 }, out[600];
	struct ipfrag f;
	size_t n;

	put16be(p + 2, 600);
	p[8] = 64;
	p[9] = 17;
	memcpy(p + 20, options, 12);
	cr_assert_eq(ipfrag_init(&f, p, 4, 600, 300, 0), 0);
	n = ipfrag_next(&f, out);
	cr_assert_eq(n, 32 + 264);
	cr_assert_eq(memcmp(out + 20, options, 12), 0);
	n = ipfrag_next(&f, out);
	cr_assert_eq(n, 32 + 264);
	cr_assert_eq(memcmp(out + 20, "\1\1\1\1\1\1\1\1\x94\4\0\0", 12), 0);
	cr_assert_eq(slow_sum(out, 32, 0), 0xffff);
}

Test(ipfrag, ipv6_gets_a_fragment_header)
{
	for (size_t payload = 60; payload < 1232; payload += 41) {
		struct build b = { .family = 6, .proto = 17, .payload = payload };
		uint8_t p[2048];
		size_t len = build(p, &b);

		memset(&w, 0, sizeof(w));
		cut(p, 6, len, 100 + payload / 3, 40, &w);
		complete(&w, p + 40, len - 40);
		cr_assert_eq(w.proto, 17);
		cr_assert_eq(memcmp(&w.id, &(uint32_t){ 0x01020304 }, 4), 0);
	}
}

Test(ipfrag, ipv6_fragments_keep_their_identification)
{
	struct build b = { .family = 6, .proto = 17, .payload = 1180 };
	uint8_t p[2048], mid[2048];
	size_t len = build(p, &b), n;
	struct ipfrag f;

	memset(&w, 0, sizeof(w));
	cr_assert_eq(ipfrag_init(&f, p, 6, len, 900, 0x0a0b0c0d), 0);
	while ((n = ipfrag_next(&f, mid)))
		cut(mid, 6, n, 400, 40, &w);
	complete(&w, p + 40, len - 40);
	cr_assert_eq(w.id, 0x0a0b0c0d);
}

/* Hop-by-hop options stand before the fragment header, destination options behind it. */
Test(ipfrag, ipv6_extension_headers)
{
	uint8_t p[700] = { 0x60 };

	put16be(p + 4, 660);
	p[6] = 0; /* hop-by-hop */
	p[7] = 64;
	p[40] = 60; /* destination options */
	p[48] = 17;
	for (size_t i = 56; i < 700; i++)
		p[i] = (uint8_t)i;
	memset(&w, 0, sizeof(w));
	cut(p, 6, 700, 300, 48, &w);
	complete(&w, p + 48, 700 - 48);
	cr_assert_eq(w.proto, 60);
}

Test(ipfrag, what_may_be_cut)
{
	struct build b = { .family = 4, .proto = 17, .payload = 2000 };
	uint8_t p[4096];
	struct ipfrag f;
	size_t len = build(p, &b);

	cr_assert(ipfrag_allowed(p, 4, len));
	b.df = true;
	len = build(p, &b);
	cr_assert_not(ipfrag_allowed(p, 4, len));
	b.family = 6;
	len = build(p, &b);
	cr_assert_not(ipfrag_allowed(p, 6, len));
	cr_assert(ipfrag_allowed(p, 6, 1280));
	cr_assert_eq(ipfrag_init(&f, p, 6, len, 50, 0), -EMSGSIZE);
}
