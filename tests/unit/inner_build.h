/* SPDX-License-Identifier: GPL-2.0-only */
/* Inner TCP and UDP packets, and a checksum written another way than the product's. */
#ifndef BRAID_TESTS_INNER_BUILD_H
#define BRAID_TESTS_INNER_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* RFC 1071, octet by octet. */
static inline uint16_t slow_sum(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static inline uint16_t slow_pseudo(const uint8_t *p, size_t l4_len)
{
	bool v4 = p[0] >> 4 == 4;
	uint32_t s = slow_sum(v4 ? p + 12 : p + 8, v4 ? 8 : 32, 0);

	s += (v4 ? p[9] : p[6]) + (uint32_t)(l4_len >> 16) + (uint32_t)(l4_len & 0xffff);
	return slow_sum(NULL, 0, s);
}

/* Are IP header and transport checksum right? */
static inline bool sums_ok(const uint8_t *p, size_t len)
{
	bool v4 = p[0] >> 4 == 4;
	size_t ip = v4 ? 20 : 40;

	if (v4 && slow_sum(p, 20, 0) != 0xffff)
		return false;
	return slow_sum(p + ip, len - ip, slow_pseudo(p, len - ip)) == 0xffff;
}

static inline void put16be(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

struct build {
	int family;
	uint8_t proto;
	uint16_t sport;
	uint32_t seq;
	uint8_t flags;	/* TCP */
	uint8_t window; /* TCP, beyond 512 */
	size_t options; /* octets of TCP options */
	uint16_t id;
	bool df;
	size_t payload;
	uint8_t fill; /* first octet; counts up */
	bool partial; /* checksum left to the reader: pseudo header only */
};

/* Returns the packet's length. */
static inline size_t build(uint8_t *p, const struct build *b)
{
	size_t ip = b->family == 4 ? 20 : 40, hdr = b->proto == 6 ? 20 + b->options : 8;
	size_t l4_len = hdr + b->payload;
	uint8_t *l4 = p + ip;
	uint16_t c;

	memset(p, 0, ip + hdr);
	if (b->family == 4) {
		p[0] = 0x45;
		put16be(p + 2, ip + l4_len);
		put16be(p + 4, b->id);
		p[6] = b->df ? 0x40 : 0;
		p[8] = 64;
		p[9] = b->proto;
		memcpy(p + 12, "\n\1\0\1\n\2\0\2", 8);
		put16be(p + 10, (uint16_t)~slow_sum(p, 20, 0));
	} else {
		p[0] = 0x60;
		put16be(p + 4, l4_len);
		p[6] = b->proto;
		p[7] = 64;
		memcpy(p + 8, "\x20\1\r\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
		memcpy(p + 24, "\x20\1\r\xb8\0\0\0\0\0\0\0\0\0\0\0\2", 16);
	}
	put16be(l4, b->sport);
	put16be(l4 + 2, 5001);
	if (b->proto == 6) {
		put16be(l4 + 4, b->seq >> 16);
		put16be(l4 + 6, b->seq & 0xffff);
		l4[11] = 77;
		l4[12] = (uint8_t)(hdr / 4 << 4);
		l4[13] = b->flags;
		put16be(l4 + 14, 512u + b->window);
		memset(l4 + 20, 1, b->options);
	} else {
		put16be(l4 + 4, l4_len);
	}
	for (size_t i = 0; i < b->payload; i++)
		l4[hdr + i] = (uint8_t)(b->fill + i + (i >> 8));
	c = slow_pseudo(p, l4_len);
	if (!b->partial)
		c = (uint16_t)~slow_sum(l4, l4_len, c);
	if (!b->partial && b->proto == 17 && c == 0)
		c = 0xffff;
	put16be(l4 + (b->proto == 6 ? 16 : 6), c);
	return ip + l4_len;
}

#endif
