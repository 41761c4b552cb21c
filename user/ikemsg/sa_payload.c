/* SPDX-License-Identifier: GPL-2.0-only */
/* The Security Association payload: proposals, transforms, attributes (RFC 7296 section 3.3).
 *
 * The body is a list of proposals, each a list of transforms, each with attributes:
 *
 *                        1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   | Last Substruc |   RESERVED    |         Proposal Length       |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   | Proposal Num  |  Protocol ID  |    SPI Size   |Num  Transforms|
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                        SPI (variable)                         ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                        <Transforms>                           ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   | Last Substruc |   RESERVED    |        Transform Length       |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |Transform Type |   RESERVED    |          Transform ID         |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                      Transform Attributes                     ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |A|       Attribute Type        |    AF=0  Attribute Length     |
 *   |F|                             |    AF=1  Attribute Value      |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                   AF=0  Attribute Value                       |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
#include "decode.h"

enum {
	LAST = 0,
	MORE_PROPOSALS = 2,
	MORE_TRANSFORMS = 3,
	PROPOSAL_FIXED = 8,
	TRANSFORM_FIXED = 8,
	ATTR_TV = 0x8000,
	ATTR_KEY_LENGTH = 14,
};

/* Key Length is the only attribute defined and it is always in TV format (3.3.5). Anything else
 * makes this one transform unusable, not the proposal, not the message (3.3.6). */
static void attr_get(struct rd *r, struct transform *t)
{
	uint16_t type = rd_u16(r), value = rd_u16(r);

	if (type == (ATTR_TV | ATTR_KEY_LENGTH) && value && !t->key_bits) {
		t->key_bits = value;
		return;
	}
	t->unknown_attr = true;
	if (!(type & ATTR_TV))
		rd_skip(r, value);
}

static void transform_get(struct rd *r, struct transform *t, bool last)
{
	uint8_t more = rd_u8(r);
	rd_skip(r, 1);
	uint16_t len = rd_u16(r);
	struct rd body;

	if (more != (last ? LAST : MORE_TRANSFORMS) || len < TRANSFORM_FIXED)
		rd_bad(r);
	body = rd_sub(r, r->err ? 0 : len - 4u);
	*t = (struct transform){ .type = rd_u8(&body) };
	rd_skip(&body, 1);
	t->id = rd_u16(&body);
	while (rd_left(&body))
		attr_get(&body, t);
	if (body.err)
		rd_bad(r);
}

static void proposal_get(struct rd *r, struct proposal *p, bool *ret_last)
{
	uint8_t more = rd_u8(r);
	rd_skip(r, 1);
	uint16_t len = rd_u16(r);
	struct rd body;
	uint8_t n;

	if ((more != LAST && more != MORE_PROPOSALS) || len < PROPOSAL_FIXED)
		rd_bad(r);
	body = rd_sub(r, r->err ? 0 : len - 4u);
	*p = (struct proposal){ .number = rd_u8(&body), .protocol = rd_u8(&body) };
	p->spi_len = rd_u8(&body);
	n = rd_u8(&body);
	switch (p->spi_len) {
	case 0:
		break;
	case 4:
		p->spi = rd_u32(&body);
		break;
	case 8:
		p->spi = rd_u64(&body);
		break;
	default:
		rd_bad(&body);
	}
	if (n > MSG_TRANSFORMS_MAX)
		rd_bad(&body);
	for (uint8_t i = 0; i < n && !body.err; i++)
		transform_get(&body, &p->transforms[i], i + 1 == n);
	if (body.err || rd_left(&body))
		rd_bad(r);
	p->n_transforms = n;
	*ret_last = more == LAST;
}

void sa_get(struct rd *r, struct sa_payload *sa)
{
	bool last = false;

	sa->n = 0;
	while (!r->err && !last) {
		if (sa->n == MSG_PROPOSALS_MAX) {
			rd_bad(r);
			break;
		}
		proposal_get(r, &sa->p[sa->n], &last);
		/* "the first proposal MUST be 1, and subsequent proposals MUST be one more than
		 * the previous" (3.3.1); a response repeats the number accepted, so that only the
		 * step can be judged here. */
		if (sa->n && sa->p[sa->n].number != sa->p[sa->n - 1].number + 1)
			rd_bad(r);
		if (!r->err)
			sa->n++;
	}
}

static void transform_put(struct wr *w, const struct transform *t, bool last)
{
	wr_u8(w, last ? LAST : MORE_TRANSFORMS);
	wr_u8(w, 0);
	wr_u16(w, TRANSFORM_FIXED + (t->key_bits ? 4 : 0));
	wr_u8(w, t->type);
	wr_u8(w, 0);
	wr_u16(w, t->id);
	if (t->key_bits) {
		wr_u16(w, ATTR_TV | ATTR_KEY_LENGTH);
		wr_u16(w, t->key_bits);
	}
}

static void proposal_put(struct wr *w, const struct proposal *p, bool last)
{
	size_t start = w->len;

	wr_u8(w, last ? LAST : MORE_PROPOSALS);
	wr_u8(w, 0);
	wr_u16(w, 0); /* Proposal Length, below */
	wr_u8(w, p->number);
	wr_u8(w, p->protocol);
	wr_u8(w, p->spi_len);
	wr_u8(w, p->n_transforms);
	if (p->spi_len == 4)
		wr_u32(w, (uint32_t)p->spi);
	else if (p->spi_len == 8)
		wr_u64(w, p->spi);
	for (uint8_t i = 0; i < p->n_transforms; i++)
		transform_put(w, &p->transforms[i], i + 1 == p->n_transforms);
	if (!w->err)
		wr_put_u16_at(w, start + 2, (uint16_t)(w->len - start));
}

void msg_put_sa(struct msg_wr *m, const struct sa_payload *sa)
{
	msg_pld_begin(m, PLD_SA);
	for (uint8_t i = 0; i < sa->n; i++)
		proposal_put(&m->w, &sa->p[i], i + 1 == sa->n);
	msg_pld_end(m);
}
