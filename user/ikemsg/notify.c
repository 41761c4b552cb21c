/* SPDX-License-Identifier: GPL-2.0-only */
/* Notify payload (RFC 7296 section 3.10).
 *
 *                        1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |  Protocol ID  |   SPI Size    |      Notify Message Type      |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                Security Parameter Index (SPI)                 ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                       Notification Data                       ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
#include "decode.h"

enum { NOTIFY_STATUS_MIN = 16384 };

/* Types we do not know are kept: an unknown error in a response means failure, everything else
 * unknown is ignored (3.10.1), and that is the caller's to tell apart. */
void notify_get(struct rd *r, struct ike_msg *m)
{
	struct notify n = { .protocol = rd_u8(r) };
	uint8_t spi_len = rd_u8(r);

	n.type = rd_u16(r);
	n.spi.p = rd_bytes(r, spi_len);
	n.spi.len = n.spi.p ? spi_len : 0;
	n.data = rd_rest(r);
	if (!r->err && m->n_notifies < MSG_NOTIFIES_MAX)
		m->notifies[m->n_notifies++] = n;
}

void msg_put_notify(struct msg_wr *m, uint8_t protocol, const void *spi, size_t spi_len,
		    uint16_t type, const void *data, size_t len)
{
	if (type < NOTIFY_STATUS_MIN)
		m->error = type;
	msg_pld_begin(m, PLD_NOTIFY);
	wr_u8(&m->w, protocol);
	wr_u8(&m->w, (uint8_t)spi_len);
	wr_u16(&m->w, type);
	wr_bytes(&m->w, spi, spi_len);
	wr_bytes(&m->w, data, len);
	msg_pld_end(m);
}

const struct notify *msg_notify(const struct ike_msg *m, uint16_t type)
{
	for (uint8_t i = 0; i < m->n_notifies; i++)
		if (m->notifies[i].type == type)
			return &m->notifies[i];
	return NULL;
}

const struct notify *msg_error_notify(const struct ike_msg *m)
{
	for (uint8_t i = 0; i < m->n_notifies; i++)
		if (m->notifies[i].type < NOTIFY_STATUS_MIN)
			return &m->notifies[i];
	return NULL;
}
