/* SPDX-License-Identifier: GPL-2.0-only */
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "esp/csum.h"
#include "esp/flow.h"
#include "esp/toobig.h"

enum {
	ICMP4_MAX = 576, /* RFC 1812 4.3.2.3 */
	ICMP4_UNREACH = 3,
	ICMP4_FRAG_NEEDED = 4,
	ICMP6_TOO_BIG = 2,
	ICMP_HEADER = 8,
	ERROR_TTL = 64,
};
enum { TCPOPT_END = 0, TCPOPT_NOOP = 1, TCPOPT_MSS_ = 2 };

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put_csum(uint8_t *p, uint64_t sum)
{
	uint16_t c = (uint16_t)~csum_fold(sum);

	memcpy(p, &c, sizeof(c));
}

static bool first_fragment(const uint8_t *pkt)
{
	return (pkt[6] & 0x1f) == 0 && pkt[7] == 0;
}

/* 0.0.0.0/8, multicast and what is beyond it. */
static bool nobody4(const uint8_t *a)
{
	return a[0] == 0 || a[0] >= 224;
}

static bool nobody6(const uint8_t *a)
{
	static const uint8_t none[16];

	return a[0] == 0xff || memcmp(a, none, 16) == 0;
}

/* An error about an error would have no end. Of IPv4 types those that ask or answer. */
static bool is_error(const uint8_t *pkt, const struct inner *in)
{
	uint8_t type = pkt[in->l4_off];

	if (in->family == 4 && in->proto == IPPROTO_ICMP)
		return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
	return in->family == 6 && in->proto == IPPROTO_ICMPV6 && type < 128;
}

static size_t build4(const uint8_t *pkt, const struct inner *in, uint16_t mtu, uint8_t *dst)
{
	size_t quote = in->len, icmp;

	if (nobody4(in->src) || nobody4(in->dst) || !first_fragment(pkt))
		return 0;
	if (quote > ICMP4_MAX - 20 - ICMP_HEADER)
		quote = ICMP4_MAX - 20 - ICMP_HEADER;
	icmp = ICMP_HEADER + quote;
	memset(dst, 0, 20 + ICMP_HEADER);
	dst[0] = 0x45;
	dst[1] = 0xc0; /* RFC 1812 4.3.2.5: internetwork control */
	put16(dst + 2, 20 + icmp);
	dst[8] = ERROR_TTL;
	dst[9] = IPPROTO_ICMP;
	memcpy(dst + 12, in->dst, 4);
	memcpy(dst + 16, in->src, 4);
	put_csum(dst + 10, csum_add(0, dst, 20));
	dst[20] = ICMP4_UNREACH;
	dst[21] = ICMP4_FRAG_NEEDED;
	put16(dst + 26, mtu);
	memcpy(dst + 28, pkt, quote);
	put_csum(dst + 22, csum_add(0, dst + 20, icmp));
	return 20 + icmp;
}

static size_t build6(const uint8_t *pkt, const struct inner *in, uint16_t mtu, uint8_t *dst)
{
	size_t quote = in->len, icmp;

	/* about multicast too (RFC 4443 2.4 e): but in whose name? */
	if (nobody6(in->src) || nobody6(in->dst))
		return 0;
	if (quote > TOOBIG_MAX - 40 - ICMP_HEADER)
		quote = TOOBIG_MAX - 40 - ICMP_HEADER;
	icmp = ICMP_HEADER + quote;
	memset(dst, 0, 40 + ICMP_HEADER);
	dst[0] = 0x60;
	put16(dst + 4, icmp);
	dst[6] = IPPROTO_ICMPV6;
	dst[7] = ERROR_TTL;
	memcpy(dst + 8, in->dst, 16);
	memcpy(dst + 24, in->src, 16);
	dst[40] = ICMP6_TOO_BIG;
	put16(dst + 46, mtu);
	memcpy(dst + 48, pkt, quote);
	put_csum(dst + 42,
		 csum_add(csum_pseudo(dst + 8, 32, IPPROTO_ICMPV6, icmp), dst + 40, icmp));
	return 40 + icmp;
}

size_t toobig_build(const uint8_t *pkt, const struct inner *in, uint16_t mtu, uint8_t *dst)
{
	if (in->l4_off < in->len && is_error(pkt, in))
		return 0;
	return in->family == 4 ? build4(pkt, in, mtu, dst) : build6(pkt, in, mtu, dst);
}

/* The option's value, where it stands, or NULL. */
static uint8_t *find_mss(uint8_t *tcp, size_t hdr)
{
	for (size_t i = 20; i < hdr && tcp[i] != TCPOPT_END;) {
		size_t n = i + 1 < hdr ? tcp[i + 1] : 0;

		if (tcp[i] == TCPOPT_NOOP) {
			i++;
			continue;
		}
		if (n < 2 || i + n > hdr)
			return NULL;
		if (tcp[i] == TCPOPT_MSS_)
			return n == 4 ? tcp + i + 2 : NULL;
		i += n;
	}
	return NULL;
}

void mss_clamp(uint8_t *pkt, const struct inner *in, size_t max)
{
	size_t headers = (in->family == 4 ? 20 : 40) + 20, l4_len = in->len - in->l4_off, hdr;
	uint8_t *tcp = pkt + in->l4_off, *mss;
	uint16_t old, new;
	uint32_t sum;

	if (max < headers + 8)
		return;
	hdr = (tcp[12] >> 4) * 4u;
	if (hdr < 20 || hdr > l4_len)
		return;
	mss = find_mss(tcp, hdr);
	if (!mss || (size_t)(mss[0] << 8 | mss[1]) <= max - headers)
		return;
	old = (uint16_t)(mss[0] << 8 | mss[1]);
	put16(mss, max - headers);
	new = (uint16_t)(mss[0] << 8 | mss[1]);
	/* RFC 1624 eqn. 3; behind an odd number of octets their halves change places. */
	if ((mss - tcp) & 1) {
		old = __builtin_bswap16(old);
		new = __builtin_bswap16(new);
	}
	sum = (uint32_t)(uint16_t) ~(tcp[16] << 8 | tcp[17]) + (uint16_t)~old + new;
	sum = (sum & 0xffff) + (sum >> 16);
	put16(tcp + 16, (uint16_t) ~(sum + (sum >> 16)));
}
