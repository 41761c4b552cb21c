/* SPDX-License-Identifier: GPL-2.0-only */
/* Key Exchange and Nonce payloads (RFC 7296 sections 3.4 and 3.9).
 *
 *                        1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |   Diffie-Hellman Group Num    |           RESERVED            |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                       Key Exchange Data                       ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                            Nonce Data                         ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
#include "decode.h"

enum { NONCE_MIN = 16, NONCE_MAX = 256 };

/* The length of the data is the group's business (3.4), and so the key exchange's. */
void ke_get(struct rd *r, struct ike_msg *m)
{
	m->ke_group = rd_u16(r);
	rd_skip(r, 2);
	m->ke = rd_rest(r);
}

void msg_put_ke(struct msg_wr *m, uint16_t group, const void *data, size_t len)
{
	msg_pld_begin(m, PLD_KE);
	wr_u16(&m->w, group);
	wr_u16(&m->w, 0);
	wr_bytes(&m->w, data, len);
	msg_pld_end(m);
}

/* "The size of the Nonce Data MUST be between 16 and 256 octets, inclusive." (3.9) */
void nonce_get(struct rd *r, struct ike_msg *m)
{
	m->nonce = rd_rest(r);
	if (m->nonce.len < NONCE_MIN || m->nonce.len > NONCE_MAX)
		rd_bad(r);
}

void msg_put_nonce(struct msg_wr *m, const void *data, size_t len)
{
	msg_put_raw(m, PLD_NONCE, data, len);
}
