/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/aead.h"
#include "crypto/alg.h"
#include "ikemsg/sk.h"
#include "ikemsg/skf.h"
#include "duo.h"

static int spi_alloc(void *ctx, uint32_t *ret_spi)
{
	struct duo_end *e = ctx;

	e->spis++;
	*ret_spi = e->next_spi++;
	return 0;
}

static void spi_free(void *ctx, uint32_t spi)
{
	struct duo_end *e = ctx;

	(void)spi;
	e->spis--;
}

static int64_t now_real(void *ctx)
{
	(void)ctx;
	return DUO_REAL;
}

static struct ike_ts selector(uint32_t first, uint32_t last)
{
	return (struct ike_ts){ .port_last = 65535,
				.first = addr_v4(first),
				.last = addr_v4(last) };
}

static void side_init(struct duo_side *s, int who)
{
	static const char *const names[2] = { "i.example", "r.example" };
	struct ike_conn_cfg *c = &s->conn;
	struct ike_id *ids[2] = { who ? &c->remote_id : &c->local_id,
				  who ? &c->local_id : &c->remote_id };
	struct ike_ts nets[2] = { selector(0x0a010000, 0x0a01ffff),
				  selector(0x0a020000, 0x0a02ffff) };

	s->cfg = (struct ike_cfg){ .cookie_threshold = 10,
				   .half_open_max = 100,
				   .half_open_timeout = 30 * USEC_PER_SEC,
				   .n_conns = 1 };
	snprintf(c->name, sizeof(c->name), "duo");
	for (int i = 0; i < 2; i++) {
		ids[i]->type = ID_FQDN;
		ids[i]->len = (uint16_t)strlen(names[i]);
		memcpy(ids[i]->data, names[i], ids[i]->len);
	}
	c->n_local_addrs = c->n_remote_addrs = 1;
	c->local_addrs[0] = duo_path(who, 500).local.ip;
	c->remote_addrs[0] = duo_path(who, 500).remote.ip;
	secret_set(&c->psk, "a shared secret of the two", 26);
	c->n_proposals = 1;
	c->proposals[0] = (struct ike_proposal){ .n_encr = 1,
						 .n_prf = 1,
						 .n_ke = 1,
						 .encr = { { ENCR_AES_GCM_16, 256 } },
						 .prf = { PRF_HMAC_SHA2_256 },
						 .ke = { KE_X25519 } };
	c->retransmit_timeout = 2 * USEC_PER_SEC;
	c->retransmit_base = 1.8;
	c->retransmit_tries = 5;
	c->encap = true;
	c->n_children = 1;

	snprintf(s->child.name, sizeof(s->child.name), "net");
	s->child.n_local_ts = s->child.n_remote_ts = s->child.n_proposals = 1;
	s->child.local_ts[0] = nets[who];
	s->child.remote_ts[0] = nets[!who];
	s->child.proposals[0] = (struct ike_proposal){
		.n_encr = 1, .n_esn = 1, .encr = { { ENCR_AES_GCM_16, 256 } }, .esn = { ESN_NO }
	};
}

struct ike_path duo_path(int who, uint16_t port)
{
	static const uint32_t addrs[2] = { 0xc0000201, 0xc6336401 }; /* 192.0.2.1, 198.51.100.1 */
	struct ike_path p = { .ifindex = 0 };

	p.local = (struct udp_addr){ .ip = addr_v4(addrs[who]), .port = port };
	p.remote = (struct udp_addr){ .ip = addr_v4(addrs[!who]), .port = port };
	return p;
}

struct duo *duo_new(void)
{
	struct duo *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->now = USEC_PER_SEC;
	for (int who = 0; who < 2; who++) {
		side_init(&d->side[who], who);
		d->e[who].next_spi = 0xc0000001u + 0x1000000u * (unsigned)who;
		d->e[who].env = (struct ike_env){ .ctx = &d->e[who],
						  .spi_alloc = spi_alloc,
						  .spi_free = spi_free,
						  .now_real = now_real };
	}
	return d;
}

void duo_free(struct duo *d)
{
	if (!d)
		return;
	for (int who = 0; who < 2; who++)
		ike_free(d->e[who].ike);
	free(d);
}

int duo_start(struct duo *d)
{
	for (int who = 0; who < 2; who++) {
		struct duo_side *s = &d->side[who];

		s->conn.children = &s->child;
		s->cfg.conns = &s->conn;
		s->cfg.pools = &s->pool;
		d->e[who].ike = ike_new(&s->cfg, &d->e[who].env, d->now);
		if (!d->e[who].ike)
			return -ENOMEM;
	}
	return 0;
}

int duo_again(struct duo *d, usec_t now)
{
	d->n = 0;
	d->now = now;
	for (int who = 0; who < 2; who++) {
		struct duo_end *e = &d->e[who];

		ike_free(e->ike);
		*e = (struct duo_end){ .env = e->env,
				       .next_spi = 0xc0000001u + 0x1000000u * (unsigned)who };
	}
	return duo_start(d);
}

/* What a core wants done. */
static void collect(struct duo *d, int who)
{
	struct duo_end *e = &d->e[who];
	const struct ike_output *o;

	while ((o = ike_next_output(e->ike))) {
		struct duo_msg *m = &d->wire[d->n];

		switch (o->kind) {
		case IKE_OUT_SEND:
			if (!o->len)
				break; /* a NAT keepalive */
			if (d->n == DUO_WIRE_MAX || o->len > DUO_MSG_MAX)
				abort();
			m->to = !who;
			m->path = (struct ike_path){ .local = o->path.remote,
						     .remote = o->path.local };
			m->len = o->len;
			memcpy(m->buf, o->buf, o->len);
			d->n++;
			break;
		case IKE_OUT_CHILD_ADD:
			e->child_adds++;
			e->child = *o->child;
			break;
		case IKE_OUT_CHILD_DEL:
			e->child_dels++;
			break;
		case IKE_OUT_EVENT:
			e->path_events += o->event == IKE_EV_PATH_ANSWERED;
			if (o->event == IKE_EV_MOVED || o->event == IKE_EV_PEER_MOVED ||
			    o->event == IKE_EV_MOVE_REFUSED)
				e->esp = o->path;
			if (o->event != IKE_EV_FAILED)
				break;
			e->failures++;
			snprintf(e->failure, sizeof(e->failure), "%s", o->text);
			break;
		case IKE_OUT_SIZE:
		case IKE_OUT_BINDING:
		case IKE_OUT_CHILD_BIND:
		case IKE_OUT_CHILD_TS:
			break;
		}
	}
}

int duo_up(struct duo *d)
{
	struct ike_path path = duo_path(DUO_I, 500);
	int r = ike_up(d->e[DUO_I].ike, "duo", "net", &path, 1, d->now);

	collect(d, DUO_I);
	return r;
}

bool duo_take(struct duo *d, struct duo_msg *ret_msg)
{
	if (!d->n)
		return false;
	*ret_msg = d->wire[0];
	memmove(d->wire, d->wire + 1, --d->n * sizeof(d->wire[0]));
	return true;
}

size_t duo_give(struct duo *d, int to, const struct ike_path *path, const uint8_t *buf, size_t len)
{
	size_t before = d->n;
	uint8_t *copy = malloc(len ? len : 1); /* exact, for a sanitizer to see one octet too far */

	if (!copy)
		abort();
	if (len)
		memcpy(copy, buf, len);
	ike_recv(d->e[to].ike, path, copy, len, d->now);
	free(copy);
	collect(d, to);
	return d->n - before;
}

bool duo_settle(struct duo *d)
{
	struct duo_msg m;

	for (int i = 0; i < 200; i++) {
		if (!duo_take(d, &m))
			return true;
		duo_deliver(d, &m);
	}
	return false;
}

void duo_wait(struct duo *d, usec_t usec)
{
	d->now += usec;
	for (int who = 0; who < 2; who++) {
		ike_tick(d->e[who].ike, d->now);
		collect(d, who);
	}
}

bool duo_establish(struct duo *d)
{
	return !duo_up(d) && duo_settle(d) && d->e[0].child_adds == 1 && d->e[1].child_adds == 1 &&
	       duo_count(d, DUO_I, "ESTABLISHED") == 1 && duo_count(d, DUO_R, "ESTABLISHED") == 1;
}

size_t duo_image(const struct duo *d, int who, uint8_t *out, size_t cap)
{
	size_t len = ike_export(d->e[who].ike, 0, out, cap, d->now);

	if (!len)
		abort();
	return len;
}

void duo_restore(struct duo *d, int who, const uint8_t *image, size_t len)
{
	struct duo_end *e = &d->e[who];

	ike_free(e->ike);
	d->n = 0;
	e->ike = ike_new(&d->side[who].cfg, &e->env, d->now);
	if (!e->ike || ike_import(e->ike, image, len, d->now))
		abort();
}

unsigned duo_count(const struct duo *d, int who, const char *state)
{
	const struct ike *ike = d->e[who].ike;
	struct ike_sa_info info;
	unsigned n = 0;

	for (size_t i = 0; i < ike_sa_count(ike); i++)
		if (ike_sa_at(ike, i, &info) && !strcmp(info.state, state))
			n++;
	return n;
}

struct ike_counters duo_counters(const struct duo *d, int who)
{
	struct ike_counters c;

	ike_counters_get(d->e[who].ike, &c);
	return c;
}

/* The context of one direction, for whoever holds the keys. */
static struct aead *context(const struct ike_sa_keys *k, bool encrypt, bool of_initiator,
			    struct aead_sizes *ret_sizes)
{
	struct aead_spec spec = { k->encr_id, k->encr_key_bits, k->integ_id };
	const struct secret *e = of_initiator ? &k->sk_ei : &k->sk_er;
	const struct secret *a = of_initiator ? &k->sk_ai : &k->sk_ar;

	if (!aead_sizes(&spec, ret_sizes))
		return NULL;
	return aead_new(AEAD_DRIVER_OPENSSL, &spec, encrypt, e->b, e->len, a->b, a->len);
}

/* Decrypts m in place. NULL: not with these keys. */
static uint8_t *opened(const struct duo *d, int who, size_t i, struct duo_msg *m,
		       struct ike_msg *ret_msg, size_t *ret_len)
{
	struct ike_sa_keys k;
	struct aead_sizes s;
	struct aead *a;
	uint8_t critical, *inner = NULL;

	if (msg_decode(m->buf, m->len, ret_msg, &critical) != MSG_OK ||
	    !ike_keys_at(d->e[who].ike, i, &k))
		return NULL;
	a = context(&k, false, ret_msg->hdr.flags & IKE_FLAG_INITIATOR, &s);
	if (a && sk_open(a, &s, m->buf, m->len, ret_msg, &inner, ret_len))
		inner = NULL;
	aead_free(a);
	return inner;
}

bool duo_open(const struct duo *d, int who, size_t i, struct duo_msg *m, struct ike_msg *ret_msg)
{
	uint8_t critical, *inner;
	size_t len;

	inner = opened(d, who, i, m, ret_msg, &len);
	return inner && ret_msg->has_sk &&
	       msg_decode_inner(ret_msg->sk_next, inner, len, ret_msg, &critical) == MSG_OK;
}

size_t duo_open_fragment(const struct duo *d, int who, size_t i, struct duo_msg *m,
			 struct ike_msg *ret_msg, uint8_t *out)
{
	size_t len;
	uint8_t *part = opened(d, who, i, m, ret_msg, &len);

	if (!part || !ret_msg->has_skf)
		return 0;
	memcpy(out, part, len);
	return len;
}

/* number 0: the whole chain in one SK */
static size_t seal(const struct duo *d, int who, size_t i, const struct ike_hdr *hdr,
		   uint16_t number, uint16_t total, uint8_t first, const uint8_t *inner,
		   size_t inner_len, uint8_t *out, size_t cap)
{
	static uint64_t iv = UINT64_C(1) << 63; /* far from the cores' own counters */
	struct ike_sa_keys k;
	struct aead_sizes s;
	struct aead *a;
	size_t n;

	if (!ike_keys_at(d->e[who].ike, i, &k))
		return 0;
	a = context(&k, true, hdr->flags & IKE_FLAG_INITIATOR, &s);
	if (!a)
		return 0;
	if (number)
		n = skf_seal(a, &s, hdr, number, total, first, inner, inner_len, iv++, out, cap);
	else
		n = sk_seal(a, &s, hdr, first, inner, inner_len, iv++, out, cap);
	aead_free(a);
	return n;
}

size_t duo_seal(const struct duo *d, int who, size_t i, const struct ike_hdr *hdr, uint8_t first,
		const uint8_t *inner, size_t inner_len, uint8_t *out, size_t cap)
{
	return seal(d, who, i, hdr, 0, 0, first, inner, inner_len, out, cap);
}

size_t duo_seal_fragment(const struct duo *d, int who, size_t i, const struct ike_hdr *hdr,
			 uint16_t number, uint16_t total, uint8_t first, const uint8_t *part,
			 size_t part_len, uint8_t *out, size_t cap)
{
	return seal(d, who, i, hdr, number, total, first, part, part_len, out, cap);
}
