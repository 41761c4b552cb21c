/* SPDX-License-Identifier: GPL-2.0-only */
/* IKE fragmentation under a peer that has the keys: the input is a list of fragments, each what it
 * says of itself (number, total, what, length) and its part of the payload chain. In `what`: bits
 * 0-1 Message ID, 2 a response, 3 CREATE_CHILD_SA, 4 half of a fragment's life passes before, 5 a
 * wrong checksum. What is held stays within its limit and is given up in time. */
#include <stdlib.h>

#include "base/log.h"
#include "../sim/duo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAGMENTS_MAX = 24 };

static struct duo *d;
static usec_t start;
static uint8_t image[65536];
static size_t image_len;
static struct ike_sa_info info;

static void prepare(void)
{
	log_set_level(LOG_ERR_);
	d = duo_new();
	if (!d || duo_start(d) || !duo_establish(d) || !ike_sa_at(d->e[DUO_R].ike, 0, &info))
		abort();
	start = d->now;
	image_len = duo_image(d, DUO_R, image, sizeof(image));
}

static void fragment(struct rd *in)
{
	uint16_t number = rd_u8(in), total = rd_u8(in);
	uint8_t what = rd_u8(in), first, buf[DUO_MSG_MAX];
	struct rd part = rd_sub(in, rd_u8(in) % (rd_left(in) + 1));
	struct ike_hdr h = {
		.spi_i = info.spi_i,
		.spi_r = info.spi_r,
		.version = IKE_VERSION_2_0,
		.exchange = what & 8 ? CREATE_CHILD_SA : INFORMATIONAL,
		.flags = IKE_FLAG_INITIATOR | (what & 4 ? IKE_FLAG_RESPONSE : 0),
		.msg_id = 2u + (what & 3),
	};
	struct ike_path path = duo_path(DUO_R, 4500);
	size_t len;

	first = number == 1 ? rd_u8(&part) : PLD_NONE;
	len = rd_left(&part);
	len = duo_seal_fragment(d, DUO_R, 0, &h, number, total, first, rd_bytes(&part, len), len,
				buf, sizeof(buf));
	if (!len)
		return; /* the IKE SA is gone */
	if (what & 16)
		duo_wait(d, 15 * USEC_PER_SEC);
	if (what & 32)
		buf[len - 1] ^= 1;
	duo_give(d, DUO_R, &path, buf, len);
	d->n = 0;
	if (duo_counters(d, DUO_R).fragment_octets > IKE_MSG_MAX)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd in = rd_init(data, size);

	if (!d)
		prepare();
	d->now = start;
	duo_restore(d, DUO_R, image, image_len);
	for (int i = 0; i < FRAGMENTS_MAX && rd_left(&in) >= 4; i++)
		fragment(&in);
	duo_wait(d, 31 * USEC_PER_SEC);
	d->n = 0;
	if (duo_counters(d, DUO_R).fragment_octets)
		abort();
	return 0;
}
