/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "esp/flow.h"

enum { IPV6_EXT_MAX = 8 }; /* more extension headers than this: the protocol is the next one */

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void ports(const uint8_t *l4, size_t left, struct inner *in)
{
	switch (in->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
	case IPPROTO_UDPLITE:
		if (left < 4)
			return;
		in->sport = get16(l4);
		in->dport = get16(l4 + 2);
		in->has_ports = true;
		return;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		/* RFC 7296 3.13.1: type and code stand where the ports do. */
		if (left < 2)
			return;
		in->sport = in->dport = get16(l4);
		in->has_ports = true;
		return;
	default:
		return;
	}
}

static int parse4(const uint8_t *p, size_t len, bool super, struct inner *in)
{
	size_t ihl, total, frag;

	if (len < 20)
		return -EBADMSG;
	ihl = (p[0] & 15u) * 4u;
	total = super ? len : get16(p + 2);
	if (ihl < 20 || total < ihl || total > len)
		return -EBADMSG;
	frag = get16(p + 6);
	in->family = 4;
	in->proto = p[9];
	in->tos = p[1];
	in->df = (frag & 0x4000) != 0;
	in->fragment = (frag & 0x3fff) != 0;
	in->l4_off = (uint16_t)ihl;
	in->len = (uint32_t)total;
	in->src = p + 12;
	in->dst = p + 16;
	if ((frag & 0x1fff) == 0)
		ports(p + ihl, total - ihl, in);
	return 0;
}

static int parse6(const uint8_t *p, size_t len, bool super, struct inner *in)
{
	size_t total, off = 40;
	uint8_t next;
	bool later = false;

	if (len < 40)
		return -EBADMSG;
	total = super ? len : 40u + get16(p + 4);
	if (total > len)
		return -EBADMSG;
	next = p[6];
	for (int i = 0; i < IPV6_EXT_MAX && !later; i++) {
		size_t n;

		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS &&
		    next != IPPROTO_FRAGMENT)
			break;
		if (off + 8 > total)
			return -EBADMSG;
		if (next == IPPROTO_FRAGMENT) {
			in->fragment = true;
			later = (get16(p + off + 2) & 0xfff8) != 0;
			n = 8;
		} else {
			n = 8u + p[off + 1] * 8u;
		}
		if (off + n > total)
			return -EBADMSG;
		next = p[off];
		off += n;
	}
	in->family = 6;
	in->df = true;
	in->proto = next;
	in->tos = (uint8_t)(p[0] << 4 | p[1] >> 4);
	in->l4_off = (uint16_t)off;
	in->len = (uint32_t)total;
	in->src = p + 8;
	in->dst = p + 24;
	if (!later)
		ports(p + off, total - off, in);
	return 0;
}

int inner_parse(const uint8_t *pkt, size_t len, bool super, struct inner *ret_inner)
{
	struct inner in = { 0 };
	int r;

	if (len < 1)
		return -EBADMSG;
	if (pkt[0] >> 4 == 4)
		r = parse4(pkt, len, super, &in);
	else if (pkt[0] >> 4 == 6)
		r = parse6(pkt, len, super, &in);
	else
		r = -EBADMSG;
	if (r == 0)
		*ret_inner = in;
	return r;
}

static uint64_t mix(uint64_t h)
{
	/* The finaliser of MurmurHash3: every input bit reaches every output bit. */
	h ^= h >> 33;
	h *= UINT64_C(0xff51afd7ed558ccd);
	h ^= h >> 33;
	h *= UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ h >> 33;
}

uint64_t flow_hash(const struct inner *in, uint64_t seed)
{
	size_t n = in->family == 4 ? 4 : 16;
	uint64_t h = mix(seed ^ in->proto), w;
	uint32_t a;

	for (size_t i = 0; i < n; i += 4) {
		memcpy(&a, in->src + i, 4);
		w = (uint64_t)a << 32;
		memcpy(&a, in->dst + i, 4);
		h = mix(h ^ w ^ a);
	}
	/* Fragments have no ports after the first: all go by addresses. */
	if (in->has_ports && !in->fragment)
		h = mix(h ^ (uint64_t)in->sport << 16 ^ in->dport);
	return h;
}

uint64_t flow_hash_reply(const struct inner *in, uint64_t seed)
{
	struct inner reply = *in;

	reply.src = in->dst;
	reply.dst = in->src;
	reply.sport = in->dport;
	reply.dport = in->sport;
	return flow_hash(&reply, seed);
}

uint8_t flow_slot(const struct inner *in, uint64_t seed)
{
	return FLOW_SLOT(flow_hash(in, seed));
}
