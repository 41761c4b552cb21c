/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "esp/csum.h"
#include "esp/segment.h"

enum { TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80 };

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, sizeof(v));
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

static void put_csum(uint8_t *p, uint64_t sum)
{
	uint16_t c = (uint16_t)~csum_fold(sum);

	memcpy(p, &c, sizeof(c));
}

/* Not to be cut. The checksum field holds the pseudo header's sum; add the rest. */
static int whole(struct segment *s, const struct virtio_net_hdr *vh, uint8_t *pkt, size_t len)
{
	if (inner_parse(pkt, len, false, &s->in) < 0)
		return -EBADMSG;
	if (vh->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		size_t at = (size_t)vh->csum_start + vh->csum_offset;

		/* never into the IP header */
		if (vh->csum_start < s->in.l4_off || vh->csum_start > s->in.len ||
		    at + 2 > s->in.len)
			return -EBADMSG;
		put_csum(pkt + at, csum_add(0, pkt + vh->csum_start, s->in.len - vh->csum_start));
		/* RFC 768: a computed zero is sent as ones. */
		if (s->in.proto == IPPROTO_UDP && pkt[at] == 0 && pkt[at + 1] == 0)
			pkt[at] = pkt[at + 1] = 0xff;
	}
	s->hdr_len = 0;
	s->payload = pkt;
	s->left = s->size = s->in.len;
	s->count = 1;
	return 0;
}

int segment_init(struct segment *s, const struct virtio_net_hdr *vh, uint8_t *pkt, size_t len)
{
	uint8_t gso = vh->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
	size_t l4_hdr;

	memset(s, 0, sizeof(*s));
	s->pkt = pkt;
	if (gso == VIRTIO_NET_HDR_GSO_NONE)
		return whole(s, vh, pkt, len);
	if (vh->gso_size == 0 || inner_parse(pkt, len, true, &s->in) < 0 || s->in.fragment)
		return -EBADMSG;
	s->family = s->in.family;
	s->proto = s->in.proto;
	s->l4_off = s->in.l4_off;
	if ((gso == VIRTIO_NET_HDR_GSO_TCPV4 && s->family == 4) ||
	    (gso == VIRTIO_NET_HDR_GSO_TCPV6 && s->family == 6)) {
		if (s->proto != IPPROTO_TCP || len < s->l4_off + 20)
			return -EBADMSG;
		l4_hdr = (pkt[s->l4_off + 12] >> 4) * 4u;
		if (l4_hdr < 20)
			return -EBADMSG;
	} else if (gso == VNET_GSO_UDP_L4) {
		if (s->proto != IPPROTO_UDP)
			return -EBADMSG;
		l4_hdr = 8;
	} else {
		return -EBADMSG;
	}
	s->hdr_len = s->l4_off + l4_hdr;
	if (len <= s->hdr_len)
		return -EBADMSG;
	s->payload = pkt + s->hdr_len;
	s->left = len - s->hdr_len;
	s->size = vh->gso_size < s->left ? vh->gso_size : s->left;
	s->count = (uint32_t)((s->left + s->size - 1) / s->size);
	if (s->proto == IPPROTO_TCP)
		s->tcp_seq = get32(pkt + s->l4_off + 4);
	s->ip_id = s->family == 4 ? (uint16_t)(pkt[4] << 8 | pkt[5]) : 0;
	s->pseudo = csum_pseudo(s->in.src, s->family == 4 ? 8 : 32, s->proto, 0);
	return 0;
}

bool segment_resize(struct segment *s, size_t max)
{
	if (max <= s->hdr_len)
		return false;
	s->size = max - s->hdr_len;
	s->count = (uint32_t)((s->left + s->size - 1) / s->size);
	return true;
}

void segment_bare(struct segment *s, size_t octets)
{
	if (s->hdr_len == 0) {
		s->payload += octets;
		s->left -= octets;
		s->size = s->left;
		return;
	}
	s->pkt += octets;
	s->hdr_len -= octets;
	s->l4_off -= octets;
	s->bare = true;
}

static void ip_header(struct segment *s, uint8_t *dst, size_t len)
{
	if (s->family == 6) {
		put16(dst + 4, len - 40);
		return;
	}
	put16(dst + 2, len);
	put16(dst + 4, (uint16_t)(s->ip_id + s->next));
	put16(dst + 10, 0);
	put_csum(dst + 10, csum_add(0, dst, s->l4_off));
}

size_t segment_next(struct segment *s, uint8_t *dst)
{
	size_t n = s->left < s->size ? s->left : s->size;
	uint8_t *l4 = dst + s->l4_off, *check;
	size_t l4_len = s->hdr_len - s->l4_off + n;
	bool last = n == s->left;

	if (n == 0)
		return 0;
	memcpy(dst + s->hdr_len, s->payload, n);
	s->payload += n;
	s->left -= n;
	if (s->hdr_len == 0)
		return n;
	memcpy(dst, s->pkt, s->hdr_len);
	if (!s->bare)
		ip_header(s, dst, s->hdr_len + n);
	if (s->proto == IPPROTO_TCP) {
		put32(l4 + 4, s->tcp_seq);
		s->tcp_seq += (uint32_t)n;
		/* RFC 3168 6.1.2 and every TSO engine: CWR once, at the front. */
		if (s->next > 0)
			l4[13] &= (uint8_t)~TCP_CWR;
		if (!last)
			l4[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
		check = l4 + 16;
	} else {
		put16(l4 + 4, l4_len);
		check = l4 + 6;
	}
	put16(check, 0);
	put_csum(check, csum_add(s->pseudo + __builtin_bswap32((uint32_t)l4_len), l4, l4_len));
	if (s->proto == IPPROTO_UDP && check[0] == 0 && check[1] == 0)
		check[0] = check[1] = 0xff;
	s->next++;
	return s->hdr_len + n;
}
