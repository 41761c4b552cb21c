/* SPDX-License-Identifier: GPL-2.0-only */
/* The multi-interface extension, with a peer that is authenticated, has agreed on it and says
 * anything from anywhere. First octet: bit 0 the side under test (0: I), bit 1 NAT traversal is
 * off. Then steps, each an opcode, a length and that many octets.
 *
 * One of the endpoints that the peer announces is at a victim's address, whose datagrams it cannot
 * read: nothing that it does may make that a place where ESP goes (MMX-93). */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "../../user/ike/mmx.h"
#include "../sim/duo.h"

enum step { SAY, PROBE, ACT, READ, REPEAT, TIME, COMMAND, STEPS };
enum { STEPS_MAX = 40, ENDS = 4, MODES = 4, OURS = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A relation that is up, for each mode; each input starts from the image of one side. */
static struct start {
	struct duo *d;
	uint8_t image[65536];
	size_t image_len;
	usec_t when;
	uint32_t next_id;
} starts[MODES];

static struct duo *d;
static int who; /* under test */
static uint32_t next_id;
static struct duo_msg last; /* what the peer sent */
static uint8_t token[MMX_TOKEN_MAX], token_len;
static uint16_t token_of[2];

/* Endpoint k of the side, from 1; the peer's last one is the victim's. */
static struct addr end(int side, unsigned k)
{
	if (k == 1)
		return duo_path(side, 4500).local.ip;
	return addr_v4((side == who ? 0xcb007180 : 0xcb007140) + k);
}

static bool is_victim(const struct addr *a)
{
	struct addr v = end(!who, ENDS);

	return addr_equal(&v, a);
}

static struct ike_path path_at(uint8_t octet)
{
	return (struct ike_path){
		.local = { end(who, 1 + (octet >> 2) % OURS), 4500 },
		.remote = { end(!who, 1 + octet % ENDS), octet & 64 ? 14500 : 4500 },
	};
}

static void announce(struct duo *to, int side, unsigned n)
{
	struct mmx_iface l[ENDS];

	for (unsigned k = 0; k < n; k++)
		l[k] = (struct mmx_iface){
			.ifid = (uint16_t)(k + 1),
			.flags = MMX_IFACE_UP,
			.n = 1,
			.ep = { { .epid = (uint16_t)(k + 1), .addr = end(side, k + 1) } },
		};
	ike_ifaces_set(to->e[side].ike, "duo", l, n, to->now);
}

static struct ike_sa *owner(int side)
{
	struct ike_sa_info info = { .line = 0 };

	ike_sa_at(d->e[side].ike, 0, &info);
	return line_owner(d->e[side].ike, info.line);
}

static void prepare(unsigned mode)
{
	struct start *s = &starts[mode];

	log_set_level(LOG_ERR_);
	d = s->d = duo_new();
	if (!d)
		abort();
	for (int side = 0; side < 2; side++) {
		struct ike_conn_cfg *c = &d->side[side].conn;

		c->mobike = true;
		c->mmx = IKE_MMX_YES;
		c->window = 4;
		c->multipath = false;
		c->mobike_patience = 60 * USEC_PER_SEC;
		c->dpd_delay = 20 * USEC_PER_SEC;
		c->keep_alive = 10 * USEC_PER_SEC;
		c->nat = mode & 2 ? IKE_NAT_REFUSE : IKE_NAT_ACCEPT;
		c->n_local_addrs = c->n_remote_addrs = 0;
	}
	if (duo_start(d))
		abort();
	announce(d, who, OURS);
	announce(d, !who, ENDS);
	if (!duo_establish(d))
		abort();
	duo_wait(d, 5 * USEC_PER_SEC);
	if (!duo_settle(d) || !owner(who)->mmx || !owner(!who)->mmx)
		abort();
	s->when = d->now;
	s->next_id = owner(!who)->next_request;
	s->image_len = duo_image(d, who, s->image, sizeof(s->image));
}

/* As the peer. */
static void sealed(struct ike_hdr *h, const struct ike_path *path, uint8_t first,
		   const uint8_t *inner, size_t len, uint8_t flags)
{
	struct ike_sa_info info;

	if (!ike_sa_at(d->e[who].ike, 0, &info))
		return;
	h->spi_i = info.spi_i;
	h->spi_r = info.spi_r;
	h->version = IKE_VERSION_2_0;
	h->flags = (info.initiator ? 0 : IKE_FLAG_INITIATOR) | flags;
	last.path = *path;
	last.len = duo_seal(d, who, 0, h, first, inner, len, last.buf, sizeof(last.buf));
	if (last.len)
		duo_give(d, who, path, last.buf, last.len);
}

static void request(uint8_t exchange, const struct ike_path *path, uint8_t first,
		    const uint8_t *inner, size_t len)
{
	struct ike_hdr h = { .exchange = exchange, .msg_id = next_id++ };

	sealed(&h, path, first, inner, len, 0);
}

static void say(struct rd *r)
{
	struct ike_path path = path_at(rd_u8(r));
	uint8_t exchange = rd_u8(r) & 1 ? CREATE_CHILD_SA : INFORMATIONAL, first = rd_u8(r);
	size_t len = rd_left(r);

	request(exchange, &path, first, rd_bytes(r, len), len);
}

static uint16_t peers_first(struct rd *r, uint16_t *ret_ours)
{
	uint8_t o = rd_u8(r);

	*ret_ours = (uint16_t)((o >> 3 & 7) % (OURS + 2));
	return (uint16_t)((o & 7) % (ENDS + 2));
}

static void probe(struct rd *r)
{
	static uint8_t inner[256];
	struct ike_path path = path_at(rd_u8(r));
	struct msg_wr w = msg_begin_inner(inner, sizeof(inner));
	uint16_t ours, peers = peers_first(r, &ours);

	mmx_path_put(&w, &(struct mmx_path){ .kind = MMX_PATH_PROBE,
					     .flags = MMX_PATH_WANT_TOKEN,
					     .epid_i = who == DUO_I ? ours : peers,
					     .epid_r = who == DUO_I ? peers : ours });
	request(INFORMATIONAL, &path, w.first, inner, msg_end(&w));
}

/* An action whose endpoints are likely; more of it as the input has it. */
static void act(struct rd *r)
{
	static uint8_t inner[1024];
	struct ike_path path = path_at(rd_u8(r));
	struct mmx_action a = { .id = (uint16_t)(1 + next_id), .code = rd_u8(r) % 10 };
	struct msg_wr w = msg_begin_inner(inner, sizeof(inner));
	uint8_t how = rd_u8(r);
	struct mmx_tlv *t;

	a.flags = rd_u8(r) & MMX_ACTION_FLAGS;
	while (rd_left(r) && !r->err && (t = mmx_add(&a.tlvs, MMX_TLV_EP))) {
		uint8_t o = rd_u8(r), epid = rd_u8(r);

		t->ep = (struct mmx_ep){ .role = 1 + o % 4,
					 .side = o >> 3 & 1,
					 .flags = o >> 4 & (MMX_EP_FLAGS & ~MMX_EP_ASSIGN),
					 .epid = epid % (ENDS + 2) };
		if (epid & 128)
			t->ep.addr = end(!who, 1 + epid % ENDS);
	}
	if (how & 1 && (t = mmx_add(&a.tlvs, MMX_TLV_SEL)))
		t->sel.kind = how & 2 ? MMX_SEL_ALL : how & 4 ? MMX_SEL_IKE : MMX_SEL_OLD;
	if (how & 8 && token_len && (t = mmx_add(&a.tlvs, MMX_TLV_TOKEN)))
		t->token = (struct mmx_token){ token_of[0], token_of[1], { token, token_len } };
	mmx_action_put(&w, &a);
	if (w.w.err)
		return; /* not one that could be sent */
	request(INFORMATIONAL, &path, w.first, inner, msg_end(&w));
}

static void keep_token(const struct ike_msg *in)
{
	const struct notify *n = msg_notify(in, N_MMX_PATH);
	const struct mmx_tlv *t;
	struct mmx_path p;

	if (!n || mmx_path_get(n, &p) != MMX_OK || !(t = mmx_next(&p.tlvs, MMX_TLV_TOKEN, NULL)))
		return;
	token_len = (uint8_t)t->token.b.len;
	memcpy(token, t->token.b.p, token_len);
	token_of[0] = t->token.epid_i;
	token_of[1] = t->token.epid_r;
}

/* The oldest datagram on the wire: an answer is looked at, a request answered, with its COOKIE2. */
static void read_one(struct rd *r)
{
	static uint8_t inner[DUO_MSG_MAX];
	static struct duo_msg m;
	static struct ike_msg msg;
	struct ike_path path;
	struct ike_hdr h;
	struct msg_wr w = msg_begin_inner(inner, sizeof(inner));
	const struct notify *n;
	struct mmx_path p;
	uint8_t how = rd_u8(r);

	if (!duo_take(d, &m) || is_victim(&m.path.local.ip) || !duo_open(d, who, 0, &m, &msg))
		return;
	if (msg.hdr.flags & IKE_FLAG_RESPONSE) {
		keep_token(&msg);
		return;
	}
	path = how & 1 ? path_at(rd_u8(r))
		       : (struct ike_path){ .local = m.path.remote, .remote = m.path.local };
	n = msg_notify(&msg, N_MMX_PATH);
	if (n && mmx_path_get(n, &p) == MMX_OK && !(how & 2)) {
		p.kind = MMX_PATH_ANSWER;
		p.flags = 0;
		p.tlvs.n = 0;
		mmx_path_put(&w, &p);
	}
	n = msg_notify(&msg, N_COOKIE2);
	if (n && !(how & 4))
		msg_put_notify(&w, PROTO_NONE, NULL, 0, N_COOKIE2, n->data.p, n->data.len);
	h = (struct ike_hdr){ .exchange = msg.hdr.exchange, .msg_id = msg.hdr.msg_id };
	sealed(&h, &path, w.first, inner, msg_end(&w), IKE_FLAG_RESPONSE);
}

/* The same octets once more, from elsewhere. */
static void repeat(struct rd *r)
{
	struct ike_path path = path_at(rd_u8(r));

	if (last.len)
		duo_give(d, who, &path, last.buf, last.len);
}

static void command(struct rd *r)
{
	struct ike *ike = d->e[who].ike;
	uint8_t what = rd_u8(r);
	struct ike_path path = path_at(rd_u8(r));
	struct ike_sa_info info = { .line = 0 };
	struct mmx_action a = { .code = MMX_UPDATE };
	static uint8_t image[65536];
	uint16_t ours, peers = peers_first(r, &ours);
	size_t len;

	ike_sa_at(ike, 0, &info);
	switch (what % 6) {
	case 0:
		ike_mmx_probe(ike, info.line,
			      who == DUO_I ? mmx_path_id(ours, peers) : mmx_path_id(peers, ours),
			      what & 64, 0, d->now);
		break;
	case 1:
		announce(d, who, 1 + what / 6 % OURS);
		break;
	case 2:
		if (owner(who))
			mmx_doubt(owner(who), &path.remote);
		break;
	case 3:
		mmx_add(&a.tlvs, MMX_TLV_EP)->ep =
			(struct mmx_ep){ .role = MMX_ROLE_OLD, .epid = 1 };
		mmx_add(&a.tlvs, MMX_TLV_EP)->ep =
			(struct mmx_ep){ .role = MMX_ROLE_NEW, .epid = ours };
		ike_mmx_ask(ike, info.line, &a, 1, 0, d->now);
		break;
	case 4:
		ike_rekey(ike, "duo", what & 64 ? NULL : "net", 1, d->now);
		break;
	case 5: /* a new agent */
		len = ike_export(ike, 0, image, sizeof(image), d->now);
		if (len)
			duo_restore(d, who, image, len);
		break;
	}
	duo_wait(d, 0);
}

static void look(void)
{
	const struct ike_sa *sa = owner(who);
	const struct mmx *x = sa ? sa->mmx : NULL;
	const struct mmx_shared *s = NULL;
	struct ike_binding b;
	unsigned n;

	for (unsigned i = 0; x && i < x->paths.n; i++)
		if (x->paths.p[i].verified > d->now && is_victim(&x->paths.p[i].peer.ip))
			abort();
	while (x && (s = ike_mmx_next(d->e[who].ike, sa->line, s))) {
		ike_mmx_look(d->e[who].ike, sa->line, s, &b, &n);
		for (unsigned k = 0; k < b.n; k++)
			if (b.paths[k].verified && is_victim(&b.paths[k].path.remote.ip))
				abort();
	}
}

static void do_step(enum step step, struct rd *r)
{
	switch (step) {
	case SAY:
		say(r);
		break;
	case PROBE:
		probe(r);
		break;
	case ACT:
		act(r);
		break;
	case READ:
		read_one(r);
		break;
	case REPEAT:
		repeat(r);
		break;
	case TIME:
		duo_wait(d, rd_u8(r) * 100 * USEC_PER_MSEC);
		break;
	case COMMAND:
		command(r);
		break;
	case STEPS:
		break;
	}
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
	next_id = starts[mode].next_id;
	last.len = token_len = 0;
	duo_restore(d, who, starts[mode].image, starts[mode].image_len);
	duo_wait(d, 0);
	for (int i = 0; i < STEPS_MAX && rd_left(&in); i++) {
		enum step step = rd_u8(&in) % STEPS;
		uint16_t len = rd_u8(&in);
		struct rd r = rd_sub(&in, len < rd_left(&in) ? len : rd_left(&in));

		do_step(step, &r);
		look();
		if (d->n > DUO_WIRE_MAX / 2)
			d->n = 0;
	}
	return 0;
}
