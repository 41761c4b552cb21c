/* SPDX-License-Identifier: GPL-2.0-only */
/* Traffic Selector payloads (RFC 7296 section 3.13).
 *
 *                        1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   | Number of TSs |                 RESERVED                      |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                       <Traffic Selectors>                     ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |   TS Type     |IP Protocol ID*|       Selector Length         |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |           Start Port*         |           End Port*           |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                         Starting Address*                     ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                         Ending Address*                       ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
#include <string.h>

#include "decode.h"

enum { TS_V4_OCTETS = 16, TS_V6_OCTETS = 40 };

static struct addr addr_get(struct rd *r, uint8_t family)
{
	struct addr a = { .family = family };

	rd_copy(r, a.b, addr_len(&a));
	return a;
}

static bool ports_ok(const struct ts *t)
{
	/* "a Start Port of 65535 and an End Port of 0" is OPAQUE (3.13.1). */
	return t->port_first <= t->port_last || (t->port_first == 65535 && t->port_last == 0);
}

/* body: after Selector Length. */
static void selector_get(struct rd *body, uint8_t family, struct ts *t)
{
	t->port_first = rd_u16(body);
	t->port_last = rd_u16(body);
	t->first = addr_get(body, family);
	t->last = addr_get(body, family);
	if (rd_left(body) || !ports_ok(t) || memcmp(t->first.b, t->last.b, sizeof(t->first.b)) > 0)
		rd_bad(body);
}

void ts_get(struct rd *r, struct ts_list *tsl)
{
	uint8_t n = rd_u8(r);

	rd_skip(r, 3);
	tsl->n = tsl->skipped = 0;
	for (unsigned i = 0; i < n && !r->err; i++) {
		uint8_t type = rd_u8(r);
		struct ts t = { .protocol = rd_u8(r) };
		uint16_t len = rd_u16(r);
		struct rd body;

		if (len < 4)
			rd_bad(r);
		body = rd_sub(r, r->err ? 0 : len - 4u);
		if (type != TS_IPV4_ADDR_RANGE && type != TS_IPV6_ADDR_RANGE) {
			tsl->skipped++;
			continue;
		}
		selector_get(&body, type == TS_IPV4_ADDR_RANGE ? 4 : 6, &t);
		if (body.err || tsl->n == MSG_TS_MAX)
			rd_bad(r);
		if (!r->err)
			tsl->ts[tsl->n++] = t;
	}
}

void msg_put_ts(struct msg_wr *m, uint8_t pld_type, const struct ts_list *tsl)
{
	msg_pld_begin(m, pld_type);
	wr_u8(&m->w, tsl->n);
	wr_zero(&m->w, 3);
	for (uint8_t i = 0; i < tsl->n; i++) {
		const struct ts *t = &tsl->ts[i];
		size_t alen = addr_len(&t->first);

		wr_u8(&m->w, alen == 4 ? TS_IPV4_ADDR_RANGE : TS_IPV6_ADDR_RANGE);
		wr_u8(&m->w, t->protocol);
		wr_u16(&m->w, alen == 4 ? TS_V4_OCTETS : TS_V6_OCTETS);
		wr_u16(&m->w, t->port_first);
		wr_u16(&m->w, t->port_last);
		wr_bytes(&m->w, t->first.b, alen);
		wr_bytes(&m->w, t->last.b, alen);
	}
	msg_pld_end(m);
}
