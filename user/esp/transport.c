/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/addr.h"
#include "esp/csum.h"
#include "esp/flow.h"
#include "esp/proto.h"
#include "esp/transport.h"

enum { HOP_LIMIT = 64, IPV4_DF = 0x40 };

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* How many addresses the selectors of a side are about: 1, 2 for more; 0: there are ranges. *ret:
 * an IPv4 address if there is one. */
static int addresses(const struct engine_ts *ts, uint8_t n, struct addr *ret)
{
	int found = 1;

	for (uint8_t i = 0; i < n; i++) {
		if (!addr_equal(&ts[i].first, &ts[i].last))
			return 0;
		if (!addr_equal(&ts[i].first, &ts[0].first))
			found = 2;
		if (i == 0 || ts[i].first.family == 4)
			*ret = ts[i].first;
	}
	return n ? found : 0;
}

static uint64_t sum_of(const struct addr *a)
{
	return csum_add(0, a->b, addr_len(a));
}

/* The checksum is a complement: it gets what was there and loses what is here. */
static uint16_t repair_of(const struct addr *local, const struct addr *remote,
			  const struct addr *told_local, const struct addr *told_remote)
{
	uint64_t there = sum_of(told_local->family ? told_local : local) +
			 sum_of(told_remote->family ? told_remote : remote);
	uint16_t here = csum_fold(sum_of(local) + sum_of(remote));

	return csum_fold(there + (uint16_t)~here);
}

struct transport transport_between(const struct addr *local, const struct addr *remote)
{
	struct transport t = { .family = local->family };

	memcpy(t.dst, local->b, sizeof(t.dst));
	memcpy(t.src, remote->b, sizeof(t.src));
	return t;
}

int transport_init(const struct engine_ts *ts_local, uint8_t n_local,
		   const struct engine_ts *ts_remote, uint8_t n_remote,
		   const struct addr *told_local, const struct addr *told_remote,
		   struct transport *ret_t)
{
	struct addr local, remote;
	int here = addresses(ts_local, n_local, &local),
	    there = addresses(ts_remote, n_remote, &remote);
	struct transport t;

	if (!here || !there || local.family != remote.family ||
	    (local.family != 4 && local.family != 6))
		return -EINVAL;
	if ((told_local->family && told_local->family != local.family) ||
	    (told_remote->family && told_remote->family != local.family))
		return -EINVAL;
	t = transport_between(&local, &remote);
	t.many = here > 1 || there > 1;
	if (!t.many && (told_local->family || told_remote->family))
		t.repair = repair_of(&local, &remote, told_local, told_remote);
	*ret_t = t;
	return 0;
}

bool transport_carries(const uint8_t *pkt, const struct inner *in, size_t *ret_off, uint8_t *ret_nh)
{
	uint8_t nh;

	if (in->fragment)
		return false;
	if (in->family == 4) {
		if (in->l4_off != 20)
			return false;
		*ret_off = 20;
		*ret_nh = in->proto;
		return true;
	}
	/* Of extension headers only destination options may stand behind ESP (RFC 4303 3.1.1). */
	nh = pkt[6];
	for (size_t off = 40; off < in->l4_off; off += 8u + pkt[off + 1] * 8u) {
		if (nh != IPPROTO_DSTOPTS)
			return false;
		nh = pkt[off];
	}
	*ret_off = 40;
	*ret_nh = pkt[6];
	return true;
}

/* Where it stands; 0: this protocol, or packet, has none. */
static size_t checksum_at(uint8_t nh, size_t len)
{
	size_t at;

	switch (nh) {
	case IPPROTO_TCP:
		at = 16;
		break;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_DCCP:
		at = 6;
		break;
	case IPPROTO_ICMPV6:
		at = 2;
		break;
	default:
		return 0;
	}
	return at + 2 <= len ? at : 0;
}

bool transport_fits(const struct transport *t, uint8_t nh, const uint8_t *text, size_t len)
{
	size_t n = t->family == 4 ? 4 : 16, at = checksum_at(nh, len);
	uint64_t sum = csum_add(0, t->src, n) + csum_add(0, t->dst, n);

	/* those two cover no more than their headers say */
	if (!at || nh == IPPROTO_UDPLITE || nh == IPPROTO_DCCP || !(text[at] | text[at + 1]))
		return false;
	sum += t->repair + __builtin_bswap32((uint32_t)len) + __builtin_bswap32(nh);
	return csum_fold(csum_fold(sum) + (uint64_t)csum_fold(csum_add(0, text, len))) ==
	       UINT16_MAX;
}

/* RFC 1624 eqn. 3, with the difference of the addresses known. */
static void repair(uint16_t by, uint8_t nh, uint8_t *l4, size_t len)
{
	size_t at = checksum_at(nh, len);
	uint8_t *check = l4 + at;
	uint16_t c;

	if (!at)
		return;
	memcpy(&c, check, sizeof(c));
	/* none was made */
	if (c == 0 && nh == IPPROTO_UDP)
		return;
	c = csum_fold((uint64_t)c + by);
	if (c == 0 && nh == IPPROTO_UDP)
		c = UINT16_MAX;
	memcpy(check, &c, sizeof(c));
}

bool transport_header(const struct transport *t, uint8_t nh, uint8_t tos, uint8_t *text, size_t len)
{
	size_t hdr = transport_header_len(t);
	uint8_t *p = text - hdr;
	uint16_t c;

	if (len > UINT16_MAX - (t->family == 4 ? 20u : 0u))
		return false;
	if (t->repair)
		repair(t->repair, nh, text, len);
	memset(p, 0, hdr);
	if (t->family == 6) {
		/* those belong before ESP, where there is nothing of the kind */
		if (nh == IPPROTO_HOPOPTS || nh == IPPROTO_ROUTING || nh == IPPROTO_FRAGMENT)
			return false;
		p[0] = (uint8_t)(0x60 | tos >> 4);
		p[1] = (uint8_t)(tos << 4);
		put16(p + 4, len);
		p[6] = nh;
		p[7] = HOP_LIMIT;
		memcpy(p + 8, t->src, 16);
		memcpy(p + 24, t->dst, 16);
		return true;
	}
	p[0] = 0x45;
	p[1] = tos;
	put16(p + 2, hdr + len);
	p[6] = IPV4_DF; /* it was whole, and nobody cuts it any more */
	p[8] = HOP_LIMIT;
	p[9] = nh;
	memcpy(p + 12, t->src, 4);
	memcpy(p + 16, t->dst, 4);
	c = (uint16_t)~csum_fold(csum_add(0, p, hdr));
	memcpy(p + 10, &c, sizeof(c));
	return true;
}
