/* SPDX-License-Identifier: GPL-2.0-only */
/* The IKE core with one IKE SA that is up. The input is a list of steps, each an opcode, a length
 * and that many octets: datagrams from strangers, datagrams with the right SPIs, requests and
 * responses properly sealed by a peer that says anything, time, commands. What strangers do must
 * leave the IKE SA as it is, and nobody makes more of it than may be. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "../sim/duo.h"

enum step { STRANGER, RIGHT_SPIS, REQUEST, RESPONSE, TIME, COMMAND, STEPS };
enum { STEPS_MAX = 24, SAS_MAX = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct duo *d;
static uint8_t image[65536];
static size_t image_len;
static uint64_t spi_i, spi_r;
static usec_t start;

/* One handshake for the process; each input starts from the responder's image of it. */
static void prepare(void)
{
	struct ike_sa_info info;

	log_set_level(LOG_ERR_);
	d = duo_new();
	if (!d)
		abort();
	d->side[DUO_I].conn.mobike = d->side[DUO_R].conn.mobike = true;
	d->side[DUO_I].conn.clone = d->side[DUO_R].conn.clone = true;
	d->side[DUO_R].conn.ike_sas_max = SAS_MAX;
	d->side[DUO_R].conn.n_remote_addrs = 0;
	if (duo_start(d) || !duo_establish(d) || !ike_sa_at(d->e[DUO_R].ike, 0, &info))
		abort();
	spi_i = info.spi_i;
	spi_r = info.spi_r;
	start = d->now;
	image_len = duo_image(d, DUO_R, image, sizeof(image));
}

/* With the keys of the core's own IKE SA number n, of which there are more after a rekey; 128 + n:
 * from another address. */
static void sealed(struct rd *r, bool response)
{
	struct ike_path path = duo_path(DUO_R, 4500);
	struct ike_hdr h = { .version = IKE_VERSION_2_0 };
	uint8_t from = rd_u8(r), n = from % 128 % 3, first, buf[DUO_MSG_MAX];
	struct ike_sa_info info;
	const uint8_t *inner;
	size_t len;

	if (from & 128)
		path.remote.ip = addr_v4(0xcb007142);
	h.exchange = (uint8_t)(IKE_SA_INIT + rd_u8(r) % 5);
	h.msg_id = rd_u8(r);
	first = rd_u8(r);
	len = rd_left(r);
	inner = rd_bytes(r, len);
	if (!ike_sa_at(d->e[DUO_R].ike, n, &info))
		return;
	h.spi_i = info.spi_i;
	h.spi_r = info.spi_r;
	h.flags = (info.initiator ? 0 : IKE_FLAG_INITIATOR) | (response ? IKE_FLAG_RESPONSE : 0);
	len = duo_seal(d, DUO_R, n, &h, first, inner, len, buf, sizeof(buf));
	if (len)
		duo_give(d, DUO_R, &path, buf, len);
}

static void command(uint8_t what)
{
	struct ike *ike = d->e[DUO_R].ike;
	struct ike_path path = duo_path(DUO_R, 4500);
	struct ike_sa_info info = { .family = 0 };
	size_t n = ike_sa_count(ike);

	/* 128 and more: of the newest one */
	ike_sa_at(ike, what & 128 && n ? n - 1 : 0, &info);
	path.local.ip = addr_v4(0xc6336407);
	switch (what % 128 % 13) {
	case 0:
		ike_rekey(ike, "duo", "net", 1, d->now);
		break;
	case 1:
		ike_rekey(ike, "duo", NULL, 2, d->now);
		break;
	case 2:
		ike_down(ike, "duo", "net", 3, d->now);
		break;
	case 3:
		ike_down(ike, "duo", NULL, 4, d->now);
		break;
	case 4:
		ike_shutdown(ike, d->now);
		break;
	case 5:
		ike_path_change(ike, info.line, &path, d->now);
		break;
	case 6:
		ike_addrs_set(ike, "duo", &path.local.ip, 1, d->now);
		break;
	case 7:
		ike_path_test(ike, info.line, &path, 5, d->now);
		break;
	case 8:
		ike_try_path(ike, info.line, &path, d->now);
		break;
	case 9:
		ike_clone(ike, info.line, 6, d->now);
		break;
	case 10:
		ike_up_line(ike, info.line, "net", 7, d->now);
		break;
	case 11:
		ike_down_line(ike, info.line, 8, d->now);
		break;
	case 12:
		ike_rekey_line(ike, info.line, 9, d->now);
		break;
	}
	duo_wait(d, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd in = rd_init(data, size);
	struct ike_path path;
	bool only_strangers = true;
	uint8_t buf[512];

	if (!d)
		prepare();
	path = duo_path(DUO_R, 4500);
	d->now = start;
	duo_restore(d, DUO_R, image, image_len);
	for (int i = 0; i < STEPS_MAX && rd_left(&in); i++) {
		enum step step = rd_u8(&in) % STEPS;
		uint16_t len = rd_u8(&in);
		struct rd r = rd_sub(&in, len < rd_left(&in) ? len : rd_left(&in));
		struct wr w = wr_init(buf, sizeof(buf));

		only_strangers &= step == STRANGER || step == RIGHT_SPIS;
		switch (step) {
		case STRANGER:
			len = (uint16_t)rd_left(&r);
			duo_give(d, DUO_R, &path, rd_bytes(&r, len), len);
			break;
		case RIGHT_SPIS:
			len = (uint16_t)rd_left(&r);
			wr_u64(&w, spi_i);
			wr_u64(&w, spi_r);
			wr_bytes(&w, rd_bytes(&r, len), len);
			duo_give(d, DUO_R, &path, buf, w.len);
			break;
		case REQUEST:
			sealed(&r, false);
			break;
		case RESPONSE:
			sealed(&r, true);
			break;
		case TIME:
			duo_wait(d, rd_u8(&r) * 100 * USEC_PER_MSEC);
			break;
		case COMMAND:
			command(rd_u8(&r));
			break;
		case STEPS:
			break;
		}
		if (d->n > DUO_WIRE_MAX / 2)
			d->n = 0;
	}
	if (duo_count(d, DUO_R, "ESTABLISHED") > SAS_MAX)
		abort();
	if (only_strangers && duo_count(d, DUO_R, "ESTABLISHED") != 1)
		abort();
	return 0;
}
