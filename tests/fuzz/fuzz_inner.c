/* SPDX-License-Identifier: GPL-2.0-only */
/* A decrypted payload chain; the first octet of the input is the first payload's type. What the
 * decoder made of SA, TS and CP, built and decoded again, must build the same octets. */
#include <stdlib.h>
#include <string.h>

#include "touch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t built[2][IKE_MSG_MAX];

static size_t build(const struct ike_msg *m, uint8_t *buf, uint8_t *ret_first)
{
	struct msg_wr w = msg_begin_inner(buf, IKE_MSG_MAX);
	size_t len;

	if (m->has_sa)
		msg_put_sa(&w, &m->sa);
	if (m->has_tsi)
		msg_put_ts(&w, PLD_TSI, &m->tsi);
	if (m->has_tsr)
		msg_put_ts(&w, PLD_TSR, &m->tsr);
	if (m->has_cp)
		msg_put_cp(&w, &m->cp);
	len = msg_end(&w);
	*ret_first = w.first;
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ike_msg msg, again;
	uint8_t critical = 0, first;
	size_t len;

	memset(&msg, 0, sizeof(msg));
	if (!size || msg_decode_inner(data[0], data + 1, size - 1, &msg, &critical) != MSG_OK)
		return 0;
	touch_msg(&msg);

	len = build(&msg, built[0], &first);
	memset(&again, 0, sizeof(again));
	if (msg_decode_inner(first, built[0], len, &again, &critical) != MSG_OK ||
	    build(&again, built[1], &first) != len || memcmp(built[0], built[1], len) != 0)
		abort();
	return 0;
}
