/* SPDX-License-Identifier: GPL-2.0-only */
/* Moves (RFC 4555), with a peer that is authenticated, has agreed on MOBIKE and says anything from
 * anywhere. First octet: bit 0 the side under test (0: I), bit 1 NAT traversal is off, bit 2 the
 * check may come afterwards. Then steps, each an opcode, a length and that many octets. ESP must
 * not go to an address that has not answered a request with its COOKIE2, but for those of the
 * configuration, on I's side, and where the policy is another one. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "../sim/duo.h"

enum step { SAY, ANSWER, FORGET, TIME, COMMAND, ESP, STEPS };
enum { STEPS_MAX = 32, PLACES = 4, MODES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A relation that is up, for each mode; each input starts from the image of one side. */
static struct start {
	struct duo *d;
	uint8_t image[65536];
	size_t image_len;
	usec_t when;
} starts[MODES];

static struct duo *d;
static int who; /* under test */
static bool any_order, proven[PLACES];
static uint32_t next_id;

/* Where the peer may be. The first is where it was, the next one is known to the connection. */
static struct addr place(unsigned i)
{
	static const uint8_t six[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 9 };

	return i == 0	? duo_path(who, 4500).remote.ip
	       : i == 3 ? addr_from_bytes(6, six)
			: addr_v4(0xcb007140 + i);
}

static struct ike_path path_at(uint8_t octet)
{
	static const uint8_t six[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
	uint16_t port = octet & 16 ? 14500 : 4500;
	struct ike_path p = duo_path(who, 4500);

	p.remote = (struct udp_addr){ place(octet % PLACES), port };
	if (p.remote.ip.family == 6)
		p.local.ip = addr_from_bytes(6, six);
	else if (octet & 32)
		p.local.ip = addr_v4(0xc0000263); /* another one of ours */
	return p;
}

static void prepare(unsigned mode)
{
	struct start *s = &starts[mode];

	log_set_level(LOG_ERR_);
	s->d = duo_new();
	if (!s->d)
		abort();
	for (int side = 0; side < 2; side++) {
		struct ike_conn_cfg *c = &s->d->side[side].conn;

		c->mobike = true;
		c->multipath = false;
		c->mobike_patience = 60 * USEC_PER_SEC;
		c->dpd_delay = 20 * USEC_PER_SEC;
		c->nat = mode & 2 ? IKE_NAT_REFUSE : IKE_NAT_ACCEPT;
		c->return_check = mode & 4 ? IKE_RETURN_AFTER : IKE_RETURN_BEFORE;
		c->n_local_addrs = 0;
		c->remote_addrs[c->n_remote_addrs++] = place(1);
		if (side == DUO_R)
			c->remote_addrs[c->n_remote_addrs++] = place(3);
	}
	if (duo_start(s->d) || !duo_establish(s->d))
		abort();
	s->when = s->d->now;
	s->image_len = duo_image(s->d, who, s->image, sizeof(s->image));
}

/* As the peer, with the keys of the IKE SA number n of the core. */
static void sealed(unsigned n, struct ike_hdr *h, const struct ike_path *path, uint8_t first,
		   const uint8_t *inner, size_t len, uint8_t flags)
{
	static uint8_t buf[DUO_MSG_MAX];
	struct ike_sa_info info;

	if (!ike_sa_at(d->e[who].ike, n, &info))
		return;
	h->spi_i = info.spi_i;
	h->spi_r = info.spi_r;
	h->version = IKE_VERSION_2_0;
	h->flags = (info.initiator ? 0 : IKE_FLAG_INITIATOR) | flags;
	len = duo_seal(d, who, n, h, first, inner, len, buf, sizeof(buf));
	if (len)
		duo_give(d, who, path, buf, len);
}

/* A request: where from, which exchange and Message ID, the payloads. */
static void say(struct rd *r)
{
	struct ike_path path = path_at(rd_u8(r));
	uint8_t how = rd_u8(r), first = rd_u8(r);
	struct ike_hdr h = { .exchange = how & 1 ? CREATE_CHILD_SA : INFORMATIONAL,
			     .msg_id = next_id - (how >> 1 & 3) };
	size_t len = rd_left(r);

	if (!(how >> 1 & 3))
		next_id++;
	sealed(how >> 3 & 1, &h, &path, first, rd_bytes(r, len), len, 0);
}

/* The payloads of an answer: first those of the input, then the COOKIE2 as it should be. */
static size_t answer_payloads(const struct ike_msg *in, bool honest, uint8_t first, struct rd *r,
			      uint8_t *buf, size_t cap, uint8_t *ret_first)
{
	const struct notify *cookie = honest ? msg_notify(in, N_COOKIE2) : NULL;
	struct wr w = wr_init(buf, cap);
	size_t len = rd_left(r);

	*ret_first = first;
	if (cookie) {
		*ret_first = PLD_NOTIFY;
		wr_u8(&w, first);
		wr_u8(&w, 0);
		wr_u16(&w, (uint16_t)(8 + cookie->data.len));
		wr_u16(&w, 0);
		wr_u16(&w, N_COOKIE2);
		wr_bytes(&w, cookie->data.p, cookie->data.len);
	}
	wr_bytes(&w, rd_bytes(r, len), len);
	return w.err ? 0 : w.len;
}

static void proves(const struct ike_path *path)
{
	for (unsigned i = 0; i < PLACES; i++) {
		struct addr a = place(i);

		proven[i] |= addr_equal(&a, &path->remote.ip);
	}
}

/* To the oldest request on the wire: honest or not, from where it went or elsewhere. */
static void answer(struct rd *r)
{
	static uint8_t inner[DUO_MSG_MAX];
	static struct duo_msg m;
	static struct ike_msg msg;
	uint8_t how = rd_u8(r), first = rd_u8(r), from = rd_u8(r);
	bool honest = how & 1, there = how & 2;
	struct ike_path path;
	struct ike_hdr h;
	size_t len;

	if (!duo_take(d, &m) || !duo_open(d, who, 0, &m, &msg) || msg.hdr.flags & IKE_FLAG_RESPONSE)
		return;
	path = (struct ike_path){ .local = m.path.remote, .remote = m.path.local };
	if (!there)
		path = path_at(from);
	h = (struct ike_hdr){ .exchange = msg.hdr.exchange, .msg_id = msg.hdr.msg_id };
	len = answer_payloads(&msg, honest, first, r, inner, sizeof(inner), &first);
	if (honest)
		proves(&(struct ike_path){ .remote = m.path.local });
	sealed(0, &h, &path, first, inner, len, IKE_FLAG_RESPONSE);
}

static void command(struct rd *r)
{
	struct ike *ike = d->e[who].ike;
	uint8_t what = rd_u8(r);
	struct ike_path path = path_at(rd_u8(r));
	struct ike_sa_info info = { .family = 0 };
	size_t len;
	static uint8_t image[65536];
	struct addr ours[2] = { path.local.ip, addr_v4(0xc0000263) };

	ike_sa_at(ike, 0, &info);
	switch (what % 8) {
	case 0:
	case 1:
		ike_path_change(ike, info.family, &path, d->now);
		break;
	case 2:
		ike_addrs_set(ike, "duo", ours, what >> 4 & 1 ? 1 : 2, d->now);
		break;
	case 3:
		ike_path_test(ike, info.family, &path, 0, d->now);
		break;
	case 4:
		ike_try_path(ike, info.family, &path, d->now);
		break;
	case 5:
		ike_rekey(ike, "duo", what >> 4 & 1 ? NULL : "net", 1, d->now);
		break;
	case 6:
		ike_addrs_set(ike, "duo", NULL, 0, d->now);
		break;
	case 7: /* a new agent */
		len = ike_export(ike, 0, image, sizeof(image), d->now);
		if (len)
			duo_restore(d, who, image, len);
		break;
	}
	duo_wait(d, 0);
}

static void esp(struct rd *r)
{
	struct ike_path path = path_at(rd_u8(r));

	ike_esp_from(d->e[who].ike, d->e[who].child.id, &path, d->now);
	duo_wait(d, 0);
}

static void look(void)
{
	const struct addr *to = &d->e[who].esp.remote.ip;
	bool known = !to->family || any_order;

	for (unsigned i = 0; i < PLACES; i++) {
		struct addr a = place(i);

		known |= (proven[i] || i == 0 || (i == 1 && who == DUO_I)) && addr_equal(&a, to);
	}
	if (!known)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd in = rd_init(data, size);
	unsigned mode = rd_u8(&in) % MODES;

	who = mode & 1 ? DUO_R : DUO_I;
	if (!starts[mode].d)
		prepare(mode);
	d = starts[mode].d;
	d->now = starts[mode].when;
	d->n = 0;
	d->e[who].esp = (struct ike_path){ .ifindex = 0 };
	duo_restore(d, who, starts[mode].image, starts[mode].image_len);
	next_id = who == DUO_R ? 2 : 0;
	any_order = mode & 4;
	memset(proven, 0, sizeof(proven));
	for (int i = 0; i < STEPS_MAX && rd_left(&in); i++) {
		enum step step = rd_u8(&in) % STEPS;
		uint16_t len = rd_u8(&in);
		struct rd r = rd_sub(&in, len < rd_left(&in) ? len : rd_left(&in));

		switch (step) {
		case SAY:
			say(&r);
			break;
		case ANSWER:
			answer(&r);
			break;
		case FORGET: {
			static struct duo_msg m;

			duo_take(d, &m);
			break;
		}
		case TIME:
			duo_wait(d, rd_u8(&r) * 100 * USEC_PER_MSEC);
			break;
		case COMMAND:
			command(&r);
			break;
		case ESP:
			esp(&r);
			break;
		case STEPS:
			break;
		}
		look();
		if (d->n > DUO_WIRE_MAX / 2)
			d->n = 0;
	}
	return 0;
}
