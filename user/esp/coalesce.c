/* SPDX-License-Identifier: GPL-2.0-only */
#include <netinet/in.h>
#include <string.h>

#include "esp/coalesce.h"
#include "esp/csum.h"
#include "esp/flow.h"
#include "esp/segment.h"

enum { TCP_PSH = 0x08, TCP_ACK = 0x10 };
enum { IP_PACKET_MAX = 65535 };

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void coalesce_init(struct coalesce *c, bool uso, coalesce_emit *emit, void *ctx)
{
	memset(c, 0, sizeof(*c));
	c->emit = emit;
	c->ctx = ctx;
	c->uso = uso;
}

/* The lengths and the checksum of a header that stands for several packets. */
static void ip_header(struct coalesce_super *s)
{
	uint16_t c;

	if (s->family == 6) {
		put16(s->pkt + 4, s->len - 40);
		return;
	}
	put16(s->pkt + 2, s->len);
	put16(s->pkt + 10, 0);
	c = (uint16_t)~csum_fold(csum_add(0, s->pkt, s->l4_off));
	memcpy(s->pkt + 10, &c, 2);
}

/* The kernel takes a checksum that is still to be made for one that is right. */
static void leave_checksum(struct coalesce_super *s)
{
	uint16_t pseudo =
		csum_fold(csum_pseudo(s->pkt + (s->family == 4 ? 12 : 8), s->family == 4 ? 8 : 32,
				      s->proto, s->len - s->l4_off));

	s->vh.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	s->vh.csum_start = (uint16_t)s->l4_off;
	s->vh.csum_offset = s->proto == IPPROTO_TCP ? 16 : 6;
	memcpy(s->pkt + s->l4_off + s->vh.csum_offset, &pseudo, 2);
}

static void finish(struct coalesce_super *s)
{
	/* One packet alone goes as it came. */
	if (s->n == 1) {
		if (s->sound)
			leave_checksum(s);
		return;
	}
	ip_header(s);
	s->vh.hdr_len = (uint16_t)s->hdr_len;
	s->vh.gso_size = (uint16_t)s->gso_size;
	if (s->proto == IPPROTO_TCP) {
		s->vh.gso_type =
			s->family == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
	} else {
		s->vh.gso_type = VNET_GSO_UDP_L4;
		put16(s->pkt + s->l4_off + 4, s->len - s->l4_off);
	}
	leave_checksum(s);
}

static void emit(struct coalesce *c, struct coalesce_super *s)
{
	finish(s);
	c->emit(c->ctx, s->piece, s->n + 1, (size_t)s->n);
	s->pkt = NULL;
}

static bool same_flow(const struct coalesce_super *s, const uint8_t *pkt, const struct inner *in)
{
	if (s->family != in->family || s->proto != in->proto || s->l4_off != in->l4_off)
		return false;
	return memcmp(s->pkt + s->l4_off, pkt + s->l4_off, 4) == 0 &&
	       (s->family == 4 ? memcmp(s->pkt + 12, pkt + 12, 8)
			       : memcmp(s->pkt + 8, pkt + 8, 32)) == 0;
}

/* Header octets that a super-packet has only once must be equal. */
static bool same_headers(const struct coalesce_super *s, const uint8_t *pkt, size_t hdr_len)
{
	const uint8_t *a = s->pkt, *b = pkt;

	if (s->hdr_len != hdr_len)
		return false;
	if (s->family == 4) {
		if (memcmp(a, b, 2) != 0 || memcmp(a + 6, b + 6, 4) != 0)
			return false;
		/* Without DF the identification is used for reassembly, and resegmentation
		 * counts it up. With DF it means nothing (RFC 6864 4.1). */
		if (!(b[6] & 0x40) && get16(b + 4) != s->next_id)
			return false;
	} else if (memcmp(a, b, 4) != 0 || memcmp(a + 6, b + 6, 2) != 0) {
		return false;
	}
	a += s->l4_off;
	b += s->l4_off;
	if (s->proto == IPPROTO_UDP)
		return true;
	/* Acknowledgement and window: the last word of each packet would be lost. */
	return get32(b + 4) == s->next_seq && memcmp(a + 8, b + 8, 4) == 0 &&
	       memcmp(a + 14, b + 14, 2) == 0 &&
	       memcmp(a + 20, b + 20, hdr_len - s->l4_off - 20) == 0;
}

/* Are the checksums right? */
static bool sums_up(const uint8_t *pkt, const struct inner *in)
{
	size_t len = in->len - in->l4_off;
	uint64_t sum = csum_pseudo(in->src, in->family == 4 ? 8 : 32, in->proto, len);

	return csum_fold(csum_add(sum, pkt + in->l4_off, len)) == 0xffff &&
	       (in->family == 6 || csum_fold(csum_add(0, pkt, 20)) == 0xffff);
}

/* Octets of all headers if this is a packet that may be joined to others; else 0. */
static size_t joinable(const struct coalesce *c, const uint8_t *pkt, const struct inner *in,
		       bool sound)
{
	const uint8_t *l4 = pkt + in->l4_off;
	size_t l4_len = in->len - in->l4_off, hdr;

	if (in->fragment || in->l4_off != (in->family == 4 ? 20 : 40))
		return 0;
	if (in->proto == IPPROTO_TCP) {
		if (l4_len < 20)
			return 0;
		hdr = (l4[12] >> 4) * 4u;
		/* Any other flag means something about this packet alone. */
		if (hdr < 20 || (l4[13] & ~TCP_PSH) != TCP_ACK || l4[12] & 0x0f)
			return 0;
	} else if (in->proto == IPPROTO_UDP && c->uso) {
		hdr = 8;
		if (l4_len < 8 || get16(l4 + 4) != l4_len || get16(l4 + 6) == 0)
			return 0;
	} else {
		return 0;
	}
	if (l4_len <= hdr || (!sound && !sums_up(pkt, in)))
		return 0;
	return in->l4_off + hdr;
}

static bool join(struct coalesce_super *s, const uint8_t *pkt, const struct inner *in,
		 size_t hdr_len)
{
	size_t payload = in->len - hdr_len;

	if (s->closed || s->n == COALESCE_SEGS || payload > s->gso_size ||
	    s->len + payload > IP_PACKET_MAX || !same_headers(s, pkt, hdr_len))
		return false;
	s->piece[++s->n] =
		(struct iovec){ .iov_base = (void *)(pkt + hdr_len), .iov_len = payload };
	s->len += payload;
	s->next_seq += (uint32_t)payload;
	s->next_id++;
	s->closed = payload < s->gso_size;
	if (s->proto == IPPROTO_TCP && pkt[in->l4_off + 13] & TCP_PSH) {
		s->pkt[s->l4_off + 13] |= TCP_PSH;
		s->closed = true;
	}
	return true;
}

static void start(struct coalesce_super *s, uint8_t *pkt, const struct inner *in, size_t hdr_len)
{
	s->pkt = pkt;
	s->len = in->len;
	s->hdr_len = hdr_len;
	s->l4_off = in->l4_off;
	s->gso_size = in->len - hdr_len;
	s->family = in->family;
	s->proto = in->proto;
	s->next_seq = 0;
	s->closed = false;
	s->sound = false;
	if (in->proto == IPPROTO_TCP && hdr_len < in->len) {
		s->next_seq = get32(pkt + in->l4_off + 4) + (uint32_t)s->gso_size;
		s->closed = pkt[in->l4_off + 13] & TCP_PSH;
	}
	s->next_id = in->family == 4 ? (uint16_t)(get16(pkt + 4) + 1) : 0;
	s->n = 1;
	memset(&s->vh, 0, sizeof(s->vh));
	s->piece[0] = (struct iovec){ .iov_base = &s->vh, .iov_len = sizeof(s->vh) };
	s->piece[1] = (struct iovec){ .iov_base = pkt, .iov_len = in->len };
}

void coalesce_add(struct coalesce *c, uint8_t *pkt, const struct inner *in, bool sound)
{
	struct coalesce_super *s = NULL, *free = NULL;
	size_t hdr_len = joinable(c, pkt, in, sound);
	struct coalesce_super alone;

	for (int i = 0; i < COALESCE_FLOWS; i++) {
		struct coalesce_super *f = &c->flow[i];

		if (!f->pkt)
			free = f;
		else if (in->l4_off + 4u <= in->len && same_flow(f, pkt, in))
			s = f;
	}
	if (s) {
		if (hdr_len && join(s, pkt, in, hdr_len))
			return;
		emit(c, s);
		free = s;
	}
	if (!hdr_len) {
		start(&alone, pkt, in, in->len);
		emit(c, &alone);
		return;
	}
	if (!free) {
		free = &c->flow[c->next_victim++ % COALESCE_FLOWS];
		emit(c, free);
	}
	start(free, pkt, in, hdr_len);
	free->sound = sound;
}

void coalesce_flush(struct coalesce *c)
{
	for (int i = 0; i < COALESCE_FLOWS; i++)
		if (c->flow[i].pkt)
			emit(c, &c->flow[i]);
}
