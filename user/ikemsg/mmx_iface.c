/* SPDX-License-Identifier: GPL-2.0-only */
/* MMX_IFACE: one interface of a list, with its endpoints.
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                          Generation                           |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |             IFID              |  Preference   |     Flags     |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |   Link type   |   Endpoints   |              MTU              |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |             EPID              |    Family     |     Flags     |  \
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+   * Endpoints
 *   ~                            Address                            ~  /
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                             TLVs                              ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
#include "mmx_impl.h"

static const struct tlv_rules rules = { .wanted = TLV(ATTR) | TLV(TEXT) };

static bool have(const struct mmx_iface *i, unsigned n, uint16_t epid)
{
	for (unsigned k = 0; k < n; k++)
		if (i->ep[k].epid == epid)
			return true;
	return false;
}

static bool ep_ok(const struct mmx_iface *i, unsigned n, const struct mmx_iface_ep *ep)
{
	return ep->epid && (ep->addr.family == 4 || ep->addr.family == 6) &&
	       !(ep->flags & ~MMX_IFACE_EP_FLAGS) && !have(i, n, ep->epid);
}

/* An empty list is an entry without number and endpoints, and no other entry is. */
static bool head_ok(const struct mmx_iface *i, unsigned n)
{
	bool empty = i->flags & MMX_IFACE_EMPTY;

	return !(i->flags & ~MMX_IFACE_FLAGS) && empty == !i->ifid && !(empty && n);
}

static enum mmx_status check(const struct mmx_iface *i)
{
	if (i->n > MMX_SIDE_MAX || i->cut || !head_ok(i, i->n))
		return MMX_MALFORMED;
	for (unsigned k = 0; k < i->n; k++)
		if (!ep_ok(i, k, &i->ep[k]))
			return MMX_MALFORMED;
	return MMX_OK;
}

static void eps_get(struct rd *r, struct mmx_iface *i, unsigned n)
{
	while (n-- && !r->err) {
		struct mmx_iface_ep ep = { .epid = rd_u16(r) };
		uint8_t family = rd_u8(r);

		ep.flags = rd_u8(r) & MMX_IFACE_EP_FLAGS;
		ep.addr = mmx_addr_get(r, family);
		if (!r->err && !ep_ok(i, i->n, &ep))
			rd_bad(r);
		if (i->n == MMX_SIDE_MAX)
			i->cut = true;
		else
			i->ep[i->n++] = ep;
	}
}

static void attrs_get(struct mmx_iface *i, const struct mmx_tlvs *tlvs)
{
	for (const struct mmx_tlv *t = NULL; (t = mmx_next(tlvs, MMX_TLV_ATTR, t));) {
		if (t->attr.name > MMX_ATTR_RTT)
			continue;
		i->attrs |= 1u << t->attr.name;
		i->attr[t->attr.name] = t->attr.value;
	}
}

static enum mmx_status get(const struct notify *n, struct mmx_iface *ret_i,
			   struct mmx_tlvs *ret_tlvs)
{
	struct rd r = mmx_open(n);
	struct mmx_iface i = { .generation = rd_u32(&r),
			       .ifid = rd_u16(&r),
			       .preference = rd_u8(&r),
			       .flags = rd_u8(&r) & MMX_IFACE_FLAGS,
			       .link = rd_u8(&r) };
	uint8_t n_eps = rd_u8(&r);

	i.mtu = rd_u16(&r);
	eps_get(&r, &i, n_eps);
	if (r.err || !head_ok(&i, n_eps))
		return MMX_MALFORMED;
	enum mmx_status status = mmx_tlvs_get(&r, &rules, ret_tlvs);
	/* but for traffic classes, of which the first count, what may be there is there once */
	if (status != MMX_OK && status != MMX_TOO_MANY)
		return status;
	attrs_get(&i, ret_tlvs);
	*ret_i = i;
	return MMX_OK;
}

enum mmx_status mmx_iface_get(const struct notify *n, struct mmx_iface *ret_i)
{
	struct mmx_tlvs tlvs;

	return get(n, ret_i, &tlvs);
}

void mmx_iface_get_classes(const struct notify *n, struct mmx_classes *s)
{
	struct mmx_tlvs tlvs;
	struct mmx_iface i;

	if (get(n, &i, &tlvs) != MMX_OK)
		return;
	for (const struct mmx_tlv *t = NULL; (t = mmx_next(&tlvs, MMX_TLV_ATTR, t));) {
		struct mmx_class one;

		if (t->attr.name == MMX_ATTR_CLASS && mmx_class_get(t->attr.klass, &one))
			mmx_classes_add(s, &one);
	}
}

void mmx_iface_put(struct msg_wr *m, const struct mmx_iface *i)
{
	mmx_iface_put_classes(m, i, &(struct mmx_classes){ .n = 0 });
}

static void classes_put(const struct mmx_classes *s, uint8_t octets[][CLASS_OCTETS_MAX],
			struct mmx_tlvs *tlvs)
{
	for (unsigned k = 0; k < s->n; k++) {
		struct wr w = wr_init(octets[k], CLASS_OCTETS_MAX);

		mmx_class_put(&w, &s->s[k]);
		mmx_add(tlvs, MMX_TLV_ATTR)->attr =
			(struct mmx_attr){ .name = MMX_ATTR_CLASS,
					   .klass = { octets[k], w.err ? 0 : w.len } };
	}
}

void mmx_iface_put_classes(struct msg_wr *m, const struct mmx_iface *i, const struct mmx_classes *s)
{
	uint8_t octets[MMX_CLASSES_MAX][CLASS_OCTETS_MAX];
	struct mmx_tlvs tlvs = { .n = 0 };
	struct wr *w = &m->w;

	for (uint16_t name = MMX_ATTR_BANDWIDTH; name <= MMX_ATTR_RTT; name++)
		if (i->attrs & 1u << name)
			mmx_add(&tlvs, MMX_TLV_ATTR)->attr =
				(struct mmx_attr){ .name = name, .value = i->attr[name] };
	classes_put(s, octets, &tlvs);
	enum mmx_status status = check(i);
	mmx_begin(m, N_MMX_IFACE, status == MMX_OK ? mmx_tlvs_check(&tlvs, &rules) : status);
	wr_u32(w, i->generation);
	wr_u16(w, i->ifid);
	wr_u8(w, i->preference);
	wr_u8(w, i->flags);
	wr_u8(w, i->link);
	wr_u8(w, i->n);
	wr_u16(w, i->mtu);
	for (unsigned k = 0; k < i->n && !w->err; k++) {
		wr_u16(w, i->ep[k].epid);
		wr_u8(w, i->ep[k].addr.family);
		wr_u8(w, i->ep[k].flags);
		mmx_addr_put(w, &i->ep[k].addr);
	}
	mmx_tlvs_put(w, &tlvs);
	msg_pld_end(m);
}
