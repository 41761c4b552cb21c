/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "esp/csum.h"
#include "esp/ipfrag.h"

enum { IP_DF_ = 0x4000, IP_MF_ = 0x2000, IP_OFFSET = 0x1fff, IPV6_MF = 1, EXT_MAX = 8 };
enum { IPOPT_COPIED = 0x80, IPOPT_END_ = 0, IPOPT_NOOP_ = 1 };

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

bool ipfrag_allowed(const uint8_t *pkt, uint8_t family, size_t len)
{
	if (family == 4)
		return !(get16(pkt + 6) & IP_DF_);
	return len <= IPFRAG_IPV6_MIN;
}

static int init4(struct ipfrag *f)
{
	uint16_t frag = get16(f->pkt + 6);

	f->hdr = f->data = (f->pkt[0] & 15u) * 4u;
	f->offset = (uint16_t)((frag & IP_OFFSET) * 8u);
	f->more = frag & IP_MF_;
	return 0;
}

/* Headers that routers on the way read stay in front: hop-by-hop and routing, and destination
 * options before a routing header. */
static int init6(struct ipfrag *f, uint32_t id)
{
	size_t off = 40, next_at = 6;
	uint8_t next = f->pkt[6];

	f->id = id;
	for (int i = 0; i < EXT_MAX; i++) {
		if (off + 8 > f->len)
			return -EMSGSIZE;
		if (next == IPPROTO_FRAGMENT) {
			f->offset = get16(f->pkt + off + 2) & 0xfff8;
			f->more = f->pkt[off + 3] & IPV6_MF;
			memcpy(&f->id, f->pkt + off + 4, 4);
			f->hdr = off;
			f->data = off + IPFRAG_IPV6_HEADER;
			f->next_at = next_at;
			f->next = f->pkt[off];
			return 0;
		}
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING &&
		    (next != IPPROTO_DSTOPTS || f->pkt[off] != IPPROTO_ROUTING))
			break;
		next_at = off;
		next = f->pkt[off];
		off += 8u + f->pkt[off + 1] * 8u;
	}
	if (off >= f->len)
		return -EMSGSIZE;
	f->hdr = f->data = off;
	f->next_at = next_at;
	f->next = next;
	return 0;
}

int ipfrag_init(struct ipfrag *f, const uint8_t *pkt, uint8_t family, size_t len, size_t max,
		uint32_t id)
{
	size_t over;
	int r;

	memset(f, 0, sizeof(*f));
	f->pkt = pkt;
	f->family = family;
	f->len = len;
	r = family == 4 ? init4(f) : init6(f, id);
	if (r < 0)
		return r;
	over = f->hdr + (family == 6 ? IPFRAG_IPV6_HEADER : 0);
	/* nor can a datagram be longer than its offsets can say */
	if (max < over + 8 || f->data >= len || f->offset + (len - f->data) > UINT16_MAX)
		return -EMSGSIZE;
	f->each = (max - over) & ~(size_t)7;
	f->at = f->data;
	return 0;
}

/* RFC 791: an option without the copied flag is in the first fragment only. */
static void drop_options(uint8_t *opt, size_t len)
{
	for (size_t i = 0; i < len && opt[i] != IPOPT_END_;) {
		size_t n = opt[i] == IPOPT_NOOP_ ? 1 : i + 1 < len ? opt[i + 1] : 0;

		if (opt[i] == IPOPT_NOOP_) {
			i++;
			continue;
		}
		if (n < 2 || i + n > len)
			return;
		if (!(opt[i] & IPOPT_COPIED))
			memset(opt + i, IPOPT_NOOP_, n);
		i += n;
	}
}

static void header4(const struct ipfrag *f, uint8_t *dst, size_t n, size_t offset, bool more)
{
	uint16_t c;

	memcpy(dst, f->pkt, f->hdr);
	if (f->at > f->data)
		drop_options(dst + 20, f->hdr - 20);
	put16(dst + 2, f->hdr + n);
	put16(dst + 6, offset / 8 | (more ? IP_MF_ : 0));
	put16(dst + 10, 0);
	c = (uint16_t)~csum_fold(csum_add(0, dst, f->hdr));
	memcpy(dst + 10, &c, 2);
}

static void header6(const struct ipfrag *f, uint8_t *dst, size_t n, size_t offset, bool more)
{
	uint8_t *frag = dst + f->hdr;

	memcpy(dst, f->pkt, f->hdr);
	dst[f->next_at] = IPPROTO_FRAGMENT;
	put16(dst + 4, f->hdr + IPFRAG_IPV6_HEADER + n - 40);
	frag[0] = f->next;
	frag[1] = 0;
	put16(frag + 2, offset | (more ? IPV6_MF : 0));
	memcpy(frag + 4, &f->id, 4);
}

size_t ipfrag_next(struct ipfrag *f, uint8_t *dst)
{
	size_t left = f->len - f->at, n = left < f->each ? left : f->each, head = f->hdr;
	size_t offset = f->offset + (f->at - f->data);
	bool more = f->more || n < left;

	if (n == 0)
		return 0;
	if (f->family == 4) {
		header4(f, dst, n, offset, more);
	} else {
		header6(f, dst, n, offset, more);
		head += IPFRAG_IPV6_HEADER;
	}
	memcpy(dst + head, f->pkt + f->at, n);
	f->at += n;
	return head + n;
}
