/* SPDX-License-Identifier: GPL-2.0-only */
/* TLVs of the MMX notifications.
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |C|           Type              |      Length of the value      |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                             Value                             ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 * Reading gives a struct, or fails by its lengths; what a value may be is checked on the struct, so
 * that the same holds for what is written.
 */
#include <string.h>

#include "mmx_impl.h"

enum { CRITICAL = 0x8000, SPI_OCTETS = 4 };

/* ---- endpoints ---- */

struct addr mmx_addr_get(struct rd *r, uint8_t family)
{
	const uint8_t *p = NULL;

	if (family != 4 && family != 6)
		rd_bad(r);
	else
		p = rd_bytes(r, family == 4 ? 4 : 16);
	return p ? addr_from_bytes(family, p) : (struct addr){ 0 };
}

void mmx_addr_put(struct wr *w, const struct addr *a)
{
	wr_bytes(w, a->b, addr_len(a));
}

/*   | Role | Side | Flags | Family |  EPID  |  Port  |  Address ~  */
static void ep_get(struct rd *r, struct mmx_ep *ep)
{
	ep->role = rd_u8(r);
	ep->side = rd_u8(r);
	ep->flags = rd_u8(r) & MMX_EP_FLAGS;
	uint8_t family = rd_u8(r);
	ep->epid = rd_u16(r);
	ep->port = rd_u16(r);
	if (family)
		ep->addr = mmx_addr_get(r, family);
}

static void ep_put(struct wr *w, const struct mmx_ep *ep)
{
	wr_u8(w, ep->role);
	wr_u8(w, ep->side);
	wr_u8(w, ep->flags);
	wr_u8(w, ep->addr.family);
	wr_u16(w, ep->epid);
	wr_u16(w, ep->port);
	mmx_addr_put(w, &ep->addr);
}

/* Flags that contradict each other, or have no meaning in that role. */
static bool ep_flags_ok(const struct mmx_ep *ep)
{
	bool inner = ep->role == MMX_ROLE_INNER_OLD || ep->role == MMX_ROLE_INNER_NEW;

	if (ep->flags & MMX_EP_IFID &&
	    (!ep->epid || ep->addr.family || ep->port || ep->flags & ~MMX_EP_IFID))
		return false;
	if (ep->flags & MMX_EP_HERE && (ep->role != MMX_ROLE_NEW || ep->side))
		return false;
	if (ep->flags & MMX_EP_ASSIGN && (ep->role != MMX_ROLE_INNER_NEW || ep->addr.family))
		return false;
	/* an inner address is no endpoint; it is there, or is to come */
	if (inner && (ep->epid || ep->port || ep->flags & ~MMX_EP_ASSIGN ||
		      !(ep->addr.family || ep->flags & MMX_EP_ASSIGN)))
		return false;
	if (ep->role == MMX_ROLE_OBSERVED && (!ep->addr.family || ep->flags))
		return false;
	return true;
}

static enum mmx_status ep_check(const struct mmx_ep *ep)
{
	if (ep->side > 1 || ep->flags & ~MMX_EP_FLAGS ||
	    (ep->addr.family && ep->addr.family != 4 && ep->addr.family != 6))
		return MMX_MALFORMED;
	switch ((enum mmx_role)ep->role) {
#define X(n, v) case MMX_ROLE_##n:
		FOREACH_MMX_ROLE(X)
#undef X
		return ep_flags_ok(ep) ? MMX_OK : MMX_MALFORMED;
	}
	return MMX_UNSUPPORTED;
}

static bool ep_same(const struct mmx_ep *a, const struct mmx_ep *b)
{
	return a->role == b->role && a->side == b->side && a->flags == b->flags &&
	       a->epid == b->epid && a->port == b->port && addr_equal(&a->addr, &b->addr);
}

/* ---- SAs ---- */

/* Count, then as many SPIs, which end the value. */
static struct bytes spis_get(struct rd *r, bool reserved)
{
	uint16_t count = rd_u16(r);

	if (reserved)
		rd_skip(r, 2);
	if (rd_left(r) != (size_t)count * SPI_OCTETS)
		rd_bad(r);
	return rd_rest(r);
}

static void spis_put(struct wr *w, struct bytes spis, bool reserved)
{
	wr_u16(w, (uint16_t)(spis.len / SPI_OCTETS));
	if (reserved)
		wr_u16(w, 0);
	wr_bytes(w, spis.p, spis.len);
}

/*   | Kind | Protocol | Count |  SPI * Count ~  */
static void sel_get(struct rd *r, struct mmx_sel *sel)
{
	sel->kind = rd_u8(r);
	sel->protocol = rd_u8(r);
	sel->spis = spis_get(r, false);
	if (sel->kind != MMX_SEL_SPIS)
		sel->protocol = PROTO_NONE;
}

static enum mmx_status sel_check(const struct mmx_sel *sel)
{
	if (sel->kind > MMX_SEL_ALL)
		return MMX_UNSUPPORTED;
	if (sel->kind != MMX_SEL_SPIS)
		return sel->spis.len || sel->protocol ? MMX_MALFORMED : MMX_OK;
	if (sel->protocol != PROTO_AH && sel->protocol != PROTO_ESP)
		return MMX_MALFORMED;
	return sel->spis.len && sel->spis.len % SPI_OCTETS == 0 ? MMX_OK : MMX_MALFORMED;
}

uint32_t mmx_spi(struct bytes spis, size_t i)
{
	struct rd r = rd_init(spis.p, spis.len);

	rd_skip(&r, i * SPI_OCTETS);
	return rd_u32(&r);
}

/* ---- the others ---- */

static void digest_get(struct rd *r, struct mmx_digest *d)
{
	d->count = rd_u16(r);
	rd_skip(r, 2);
	rd_copy(r, d->b, sizeof(d->b));
}

static void token_get(struct rd *r, struct mmx_token *t)
{
	t->epid_i = rd_u16(r);
	t->epid_r = rd_u16(r);
	t->b = rd_rest(r);
}

static void fail_get(struct rd *r, struct mmx_fail *f)
{
	f->status = rd_u16(r);
	f->detail = rd_u16(r);
	f->protocol = rd_u8(r);
	rd_skip(r, 3);
	f->spi = rd_u32(r);
}

static void attr_get(struct rd *r, struct mmx_attr *a)
{
	a->name = rd_u16(r);
	if (a->name == MMX_ATTR_CLASS)
		a->klass = rd_rest(r);
	else
		a->value = a->name == MMX_ATTR_COST ? rd_u16(r) : rd_u32(r);
}

static void attr_put(struct wr *w, const struct mmx_attr *a)
{
	wr_u16(w, a->name);
	if (a->name == MMX_ATTR_CLASS)
		wr_bytes(w, a->klass.p, a->klass.len);
	else if (a->name == MMX_ATTR_COST)
		wr_u16(w, (uint16_t)a->value);
	else
		wr_u32(w, a->value);
}

static bool attr_known(uint16_t name)
{
	return (name >= MMX_ATTR_BANDWIDTH && name <= MMX_ATTR_RTT) || name == MMX_ATTR_CLASS;
}

static enum mmx_status attr_check(const struct mmx_attr *a)
{
	struct mmx_class s;

	if (!attr_known(a->name) || (a->name == MMX_ATTR_CLASS && !mmx_class_get(a->klass, &s)))
		return MMX_MALFORMED;
	return a->name == MMX_ATTR_COST && a->value > UINT16_MAX ? MMX_MALFORMED : MMX_OK;
}

/* ---- one TLV ---- */

static void value_get(struct rd *r, struct mmx_tlv *t)
{
	switch ((enum mmx_tlv_type)t->type) {
	case MMX_TLV_EP:
		ep_get(r, &t->ep);
		return;
	case MMX_TLV_SEL:
		sel_get(r, &t->sel);
		return;
	case MMX_TLV_NONCE:
		rd_copy(r, t->nonce, sizeof(t->nonce));
		return;
	case MMX_TLV_SPIS:
		t->spis = spis_get(r, true);
		return;
	case MMX_TLV_DIGEST:
		digest_get(r, &t->digest);
		return;
	case MMX_TLV_TOKEN:
		token_get(r, &t->token);
		return;
	case MMX_TLV_FAIL:
		fail_get(r, &t->fail);
		return;
	case MMX_TLV_VALID:
		t->valid_sec = rd_u32(r);
		return;
	case MMX_TLV_LIMIT:
		t->limit.which = rd_u16(r);
		t->limit.value = rd_u16(r);
		return;
	case MMX_TLV_ATTR:
		attr_get(r, &t->attr);
		return;
	case MMX_TLV_TEXT:
		t->text = rd_rest(r);
		return;
	}
}

static void value_put(struct wr *w, const struct mmx_tlv *t)
{
	switch ((enum mmx_tlv_type)t->type) {
	case MMX_TLV_EP:
		ep_put(w, &t->ep);
		return;
	case MMX_TLV_SEL:
		wr_u8(w, t->sel.kind);
		wr_u8(w, t->sel.protocol);
		spis_put(w, t->sel.spis, false);
		return;
	case MMX_TLV_NONCE:
		wr_bytes(w, t->nonce, sizeof(t->nonce));
		return;
	case MMX_TLV_SPIS:
		spis_put(w, t->spis, true);
		return;
	case MMX_TLV_DIGEST:
		wr_u16(w, t->digest.count);
		wr_u16(w, 0);
		wr_bytes(w, t->digest.b, sizeof(t->digest.b));
		return;
	case MMX_TLV_TOKEN:
		wr_u16(w, t->token.epid_i);
		wr_u16(w, t->token.epid_r);
		wr_bytes(w, t->token.b.p, t->token.b.len);
		return;
	case MMX_TLV_FAIL:
		wr_u16(w, t->fail.status);
		wr_u16(w, t->fail.detail);
		wr_u32(w, (uint32_t)t->fail.protocol << 24);
		wr_u32(w, t->fail.spi);
		return;
	case MMX_TLV_VALID:
		wr_u32(w, t->valid_sec);
		return;
	case MMX_TLV_LIMIT:
		wr_u16(w, t->limit.which);
		wr_u16(w, t->limit.value);
		return;
	case MMX_TLV_ATTR:
		attr_put(w, &t->attr);
		return;
	case MMX_TLV_TEXT:
		wr_bytes(w, t->text.p, t->text.len);
		return;
	}
}

static enum mmx_status value_check(const struct mmx_tlv *t)
{
	switch ((enum mmx_tlv_type)t->type) {
	case MMX_TLV_EP:
		return ep_check(&t->ep);
	case MMX_TLV_SEL:
		return sel_check(&t->sel);
	case MMX_TLV_SPIS:
		return t->spis.len % SPI_OCTETS ? MMX_MALFORMED : MMX_OK;
	case MMX_TLV_TOKEN:
		return t->token.b.len < MMX_TOKEN_MIN || t->token.b.len > MMX_TOKEN_MAX
			       ? MMX_MALFORMED
			       : MMX_OK;
	case MMX_TLV_ATTR:
		return attr_check(&t->attr);
	case MMX_TLV_TEXT:
		return t->text.len > MMX_TEXT_MAX ? MMX_MALFORMED : MMX_OK;
	case MMX_TLV_NONCE:
	case MMX_TLV_DIGEST:
	case MMX_TLV_FAIL:
	case MMX_TLV_VALID:
	case MMX_TLV_LIMIT:
		return MMX_OK;
	}
	return MMX_UNSUPPORTED;
}

/* ---- the list ---- */

/* Two of the same, of what may be there once. */
static bool repeats(const struct mmx_tlv *a, const struct mmx_tlv *b, bool groups)
{
	if (a->type != b->type)
		return false;
	switch ((enum mmx_tlv_type)a->type) {
	case MMX_TLV_EP:
		return !groups && ep_same(&a->ep, &b->ep);
	case MMX_TLV_SEL: /* SPIs of several are one set */
		return !groups && a->sel.kind == b->sel.kind && a->sel.kind != MMX_SEL_SPIS;
	case MMX_TLV_DIGEST:
		return !groups;
	case MMX_TLV_TOKEN:
		return a->token.epid_i == b->token.epid_i && a->token.epid_r == b->token.epid_r;
	case MMX_TLV_FAIL:
		return a->fail.protocol == b->fail.protocol && a->fail.spi == b->fail.spi;
	case MMX_TLV_LIMIT:
		return a->limit.which == b->limit.which;
	case MMX_TLV_ATTR:
		return a->attr.name == b->attr.name && a->attr.name != MMX_ATTR_CLASS;
	case MMX_TLV_NONCE:
	case MMX_TLV_SPIS:
	case MMX_TLV_VALID:
	case MMX_TLV_TEXT:
		return true;
	}
	return false;
}

/* Whether t may follow the first n of the list. */
static enum mmx_status tlv_check(const struct mmx_tlvs *list, unsigned n, const struct mmx_tlv *t,
				 const struct tlv_rules *rules)
{
	enum mmx_status status = value_check(t);

	if (status == MMX_OK && !(rules->wanted & 1u << t->type))
		status = MMX_MALFORMED;
	for (unsigned i = 0; status == MMX_OK && i < n; i++)
		if (repeats(&list->t[i], t, rules->groups))
			status = MMX_MALFORMED;
	return status;
}

static bool known(uint16_t type, struct rd value)
{
	if (type == MMX_TLV_ATTR) {
		uint16_t name = rd_u16(&value);

		return value.err || attr_known(name);
	}
	return type >= MMX_TLV_EP && type <= MMX_TLV_TEXT;
}

enum mmx_status mmx_tlvs_get(struct rd *r, const struct tlv_rules *rules, struct mmx_tlvs *ret_t)
{
	bool unsupported = false, too_many = false;

	ret_t->n = 0;
	while (rd_left(r)) {
		uint16_t type = rd_u16(r), len = rd_u16(r);
		struct rd value = rd_sub(r, len);
		struct mmx_tlv t;

		if (r->err)
			return MMX_MALFORMED;
		if (!known(type & ~CRITICAL, value)) {
			unsupported |= type & CRITICAL;
			continue;
		}
		memset(&t, 0, sizeof(t));
		t.type = (uint8_t)type;
		value_get(&value, &t);
		if (value.err || rd_left(&value))
			return MMX_MALFORMED;
		enum mmx_status status = tlv_check(ret_t, ret_t->n, &t, rules);
		if (status == MMX_MALFORMED)
			return status;
		unsupported |= status == MMX_UNSUPPORTED;
		if (ret_t->n == MMX_TLVS_MAX)
			too_many = true;
		else if (status == MMX_OK)
			ret_t->t[ret_t->n++] = t;
	}
	if (r->err)
		return MMX_MALFORMED;
	return unsupported ? MMX_UNSUPPORTED : too_many ? MMX_TOO_MANY : MMX_OK;
}

enum mmx_status mmx_tlvs_check(const struct mmx_tlvs *t, const struct tlv_rules *rules)
{
	enum mmx_status status = t->n > MMX_TLVS_MAX ? MMX_TOO_MANY : MMX_OK;

	for (unsigned i = 0; status == MMX_OK && i < t->n; i++)
		status = tlv_check(t, i, &t->t[i], rules);
	return status;
}

void mmx_tlvs_put(struct wr *w, const struct mmx_tlvs *t)
{
	for (unsigned i = 0; i < t->n && !w->err; i++) {
		wr_u16(w, t->t[i].type);
		wr_u16(w, 0);
		size_t at = w->len;
		value_put(w, &t->t[i]);
		if (!w->err && w->len - at > UINT16_MAX)
			w->err = -EMSGSIZE;
		else
			wr_put_u16_at(w, at - 2, (uint16_t)(w->len - at));
	}
}

/* ---- looking through it ---- */

const struct mmx_tlv *mmx_next(const struct mmx_tlvs *t, uint8_t type, const struct mmx_tlv *after)
{
	for (const struct mmx_tlv *p = after ? after + 1 : t->t; p < t->t + t->n; p++)
		if (p->type == type)
			return p;
	return NULL;
}

const struct mmx_ep *mmx_next_ep(const struct mmx_tlvs *t, uint8_t role, const struct mmx_ep *after)
{
	for (const struct mmx_tlv *p = t->t; p < t->t + t->n; p++) {
		if (after) {
			if (&p->ep == after)
				after = NULL;
		} else if (p->type == MMX_TLV_EP && p->ep.role == role) {
			return &p->ep;
		}
	}
	return NULL;
}

struct mmx_tlv *mmx_add(struct mmx_tlvs *t, uint8_t type)
{
	struct mmx_tlv *p = t->n < MMX_TLVS_MAX ? &t->t[t->n++] : NULL;

	if (p) {
		memset(p, 0, sizeof(*p));
		p->type = type;
	}
	return p;
}

unsigned mmx_count_eps(const struct mmx_tlvs *t, uint8_t role, int side)
{
	unsigned n = 0;

	for (const struct mmx_ep *ep = NULL; (ep = mmx_next_ep(t, role, ep));)
		n += side < 0 || ep->side == side;
	return n;
}

unsigned mmx_count(const struct mmx_tlvs *t, uint8_t type)
{
	unsigned n = 0;

	for (const struct mmx_tlv *p = NULL; (p = mmx_next(t, type, p));)
		n++;
	return n;
}
