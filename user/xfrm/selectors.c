/* SPDX-License-Identifier: GPL-2.0-only */
/* Ranges of addresses and ports as the kernel's prefixes and masks. */
#include <errno.h>
#include <netinet/in.h>

#include "xfrm_impl.h"

enum {
	PREFIXES_MAX = 256, /* any range of IPv6 has at most 2 * 127 */
	BLOCKS_MAX = 32,    /* any range of ports at most 30 */
};

/* Ports whose bits under the mask are those of the value. */
struct block {
	uint16_t value, mask;
};

static bool is_opaque(uint16_t first, uint16_t last)
{
	return first > last;
}

/* OPAQUE is for packets in which there are no ports (RFC 4301 4.4.1.1), which the kernel takes for
 * port 0. */
static size_t blocks(uint16_t first, uint16_t last, struct block ret[BLOCKS_MAX])
{
	uint32_t at = first;
	size_t n = 0;

	if (is_opaque(first, last)) {
		ret[0] = (struct block){ 0, UINT16_MAX };
		return 1;
	}
	while (at <= last) {
		uint32_t size = 1;

		/* the largest one that starts here and ends within the range */
		while (at % (2 * size) == 0 && at + 2 * size - 1 <= last && size <= UINT16_MAX)
			size *= 2;
		ret[n++] = (struct block){ (uint16_t)at, (uint16_t) ~(size - 1) };
		at += size;
	}
	return n;
}

static bool is_icmp(uint8_t protocol)
{
	return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

struct ports {
	struct block src[BLOCKS_MAX], dst[BLOCKS_MAX];
	size_t n_src, n_dst;
};

/* Type and code are one number, in both selectors (RFC 7296 3.13.1): they are in a packet once, so
 * that both apply. The kernel has them where the ports are. */
static size_t icmp_blocks(const struct xfrm_range *src, const struct xfrm_range *dst,
			  struct block ret[BLOCKS_MAX])
{
	uint16_t first = src->port_first > dst->port_first ? src->port_first : dst->port_first;
	uint16_t last = src->port_last < dst->port_last ? src->port_last : dst->port_last;

	if (is_opaque(src->port_first, src->port_last) ||
	    is_opaque(dst->port_first, dst->port_last) || first > last)
		return 0;
	return blocks(first, last, ret);
}

struct out {
	struct xfrm_sel *sel;
	size_t n, max;
};

static void put(struct out *out, const struct xfrm_sel *sel)
{
	if (out->n < out->max)
		out->sel[out->n] = *sel;
	out->n++;
}

static void put_icmp(struct out *out, struct xfrm_sel sel, const struct ports *p)
{
	for (size_t i = 0; i < p->n_src; i++) {
		sel.sport = p->src[i].value >> 8;
		sel.sport_mask = p->src[i].mask >> 8;
		sel.dport = p->src[i].value & 0xff;
		sel.dport_mask = p->src[i].mask & 0xff;
		put(out, &sel);
	}
}

static void put_ports(struct out *out, struct xfrm_sel sel, const struct ports *p)
{
	for (size_t i = 0; i < p->n_src; i++) {
		for (size_t k = 0; k < p->n_dst; k++) {
			sel.sport = p->src[i].value;
			sel.sport_mask = p->src[i].mask;
			sel.dport = p->dst[k].value;
			sel.dport_mask = p->dst[k].mask;
			put(out, &sel);
		}
	}
}

static bool is_range(const struct xfrm_range *r)
{
	return r->first.family && r->last.family == r->first.family &&
	       addr_cmp(&r->first, &r->last) <= 0;
}

int xfrm_selectors(const struct xfrm_range *src, const struct xfrm_range *dst, struct xfrm_sel *ret,
		   size_t max)
{
	struct prefix from[PREFIXES_MAX], to[PREFIXES_MAX];
	uint8_t protocol = src->protocol ? src->protocol : dst->protocol;
	struct out out = { .sel = ret, .max = max };
	struct ports p;
	size_t n_from, n_to;

	if (!is_range(src) || !is_range(dst))
		return -EINVAL;
	if (src->first.family != dst->first.family || (dst->protocol && dst->protocol != protocol))
		return 0;
	n_from = addr_range_prefixes(&src->first, &src->last, 0, from, PREFIXES_MAX);
	n_to = addr_range_prefixes(&dst->first, &dst->last, 0, to, PREFIXES_MAX);
	if (is_icmp(protocol)) {
		p.n_src = icmp_blocks(src, dst, p.src);
	} else {
		p.n_src = blocks(src->port_first, src->port_last, p.src);
		p.n_dst = blocks(dst->port_first, dst->port_last, p.dst);
	}
	for (size_t i = 0; i < n_from; i++) {
		for (size_t k = 0; k < n_to; k++) {
			struct xfrm_sel sel = { .src = from[i].addr,
						.src_len = from[i].len,
						.dst = to[k].addr,
						.dst_len = to[k].len,
						.protocol = protocol };

			(is_icmp(protocol) ? put_icmp : put_ports)(&out, sel, &p);
		}
	}
	return out.n > max ? -E2BIG : (int)out.n;
}
