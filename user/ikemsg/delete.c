/* SPDX-License-Identifier: GPL-2.0-only */
/* Delete payload (RFC 7296 section 3.11).
 *
 *                        1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   | Protocol ID   |   SPI Size    |          Num of SPIs          |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~               Security Parameter Index(es) (SPI)              ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
#include "decode.h"

/* SPI Size "MUST be zero for IKE (SPI is in message header) or four for AH and ESP". */
static bool spi_len_ok(const struct delete_payload *d)
{
	switch (d->protocol) {
	case PROTO_IKE:
		return d->spi_len == 0 && d->n == 0;
	case PROTO_AH:
	case PROTO_ESP:
		return d->spi_len == 4;
	default:
		return true;
	}
}

void delete_get(struct rd *r, struct ike_msg *m)
{
	struct delete_payload d = { .protocol = rd_u8(r), .spi_len = rd_u8(r), .n = rd_u16(r) };

	d.spis = rd_rest(r);
	if (!spi_len_ok(&d) || d.spis.len != (size_t)d.n * d.spi_len ||
	    m->n_deletes == MSG_DELETES_MAX)
		rd_bad(r);
	if (!r->err)
		m->deletes[m->n_deletes++] = d;
}

void msg_put_delete_ike(struct msg_wr *m)
{
	msg_put_delete_spis(m, PROTO_IKE, NULL, 0);
}

void msg_put_delete_spis(struct msg_wr *m, uint8_t protocol, const uint32_t *spis, size_t n)
{
	msg_pld_begin(m, PLD_DELETE);
	wr_u8(&m->w, protocol);
	wr_u8(&m->w, protocol == PROTO_IKE ? 0 : 4);
	wr_u16(&m->w, (uint16_t)n);
	for (size_t i = 0; i < n; i++)
		wr_u32(&m->w, spis[i]);
	msg_pld_end(m);
}
