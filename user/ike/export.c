/* SPDX-License-Identifier: GPL-2.0-only */
/* The image of an established IKE SA, for a restarted agent.
 *
 *   magic(4) version(2) body ... SHA-256 of all before it(32)
 *
 * Times are relative to the moment of export, which is told: the clock is the machine's and goes on
 * between two agents. The image holds keys: it lives in the memory of two
 * processes and nowhere else.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "child_sa.h"
#include "exchange.h"
#include "ike_private.h"
#include "image.h"
#include "mobike.h"
#include "parts.h"

enum { IMAGE_MAGIC = 0x42524b45, IMAGE_VERSION = 15, IMAGE_PACKET_MAX = IKE_MSG_MAX };

/* ---- writing ---- */

static void put_blob(struct wr *w, const void *p, size_t n)
{
	wr_u32(w, (uint32_t)n);
	wr_bytes(w, p, n);
}

static void put_text(struct wr *w, const char *s)
{
	put_blob(w, s, strlen(s));
}

static void put_suite(struct wr *w, const struct suite *s)
{
	wr_u16(w, s->encr);
	wr_u16(w, s->key_bits);
	wr_u16(w, s->integ);
	wr_u16(w, s->prf);
	wr_u16(w, s->ke);
	wr_u8(w, s->esn);
}

static void put_id(struct wr *w, const struct ike_id *id)
{
	wr_u8(w, id->type);
	put_blob(w, id->data, id->len);
}

static void put_ts(struct wr *w, const struct ike_ts *ts, uint8_t n)
{
	wr_u8(w, n);
	for (unsigned i = 0; i < n; i++) {
		wr_u8(w, ts[i].protocol);
		wr_u16(w, ts[i].port_first);
		wr_u16(w, ts[i].port_last);
		put_addr(w, &ts[i].first);
		put_addr(w, &ts[i].last);
	}
}

static void put_addrs(struct wr *w, const struct addr *a, uint8_t n)
{
	wr_u8(w, n);
	for (unsigned i = 0; i < n; i++)
		put_addr(w, &a[i]);
}

static void put_until(struct wr *w, usec_t at, usec_t now)
{
	wr_u64(w, at == USEC_NEVER ? USEC_NEVER : at > now ? at - now : 0);
}

static const size_t key_offsets[] = {
	offsetof(struct ike_keys, sk_d),  offsetof(struct ike_keys, sk_ai),
	offsetof(struct ike_keys, sk_ar), offsetof(struct ike_keys, sk_ei),
	offsetof(struct ike_keys, sk_er), offsetof(struct ike_keys, sk_pi),
	offsetof(struct ike_keys, sk_pr),
};
enum { N_KEYS = sizeof(key_offsets) / sizeof(key_offsets[0]) };

static struct ike_key *key_at(struct ike_keys *k, unsigned i)
{
	return (struct ike_key *)((char *)k + key_offsets[i]);
}

static void put_child(struct wr *w, const struct child_sa *c, usec_t now)
{
	wr_u32(w, c->id);
	wr_u32(w, c->spi_in);
	wr_u32(w, c->spi_out);
	put_text(w, c->name);
	wr_u8(w, (uint8_t)c->state);
	wr_u8(w, (uint8_t)c->mode);
	put_suite(w, &c->suite);
	wr_u8(w, c->encap);
	wr_u8(w, c->no_tfc);
	wr_u8(w, c->resources);
	wr_u8(w, c->additional);
	wr_u16(w, c->cpu);
	wr_u8(w, c->no_more);
	wr_u8(w, c->installed);
	wr_u8(w, c->replaced);
	wr_u8(w, c->spent);
	wr_u64(w, now - c->since);
	put_until(w, c->rekey_at, now);
	put_until(w, c->ends_at, now);
	wr_u8(w, c->rekeys_tried);
	wr_u64(w, c->soft_octets);
	wr_u64(w, c->hard_octets);
	wr_u64(w, c->soft_packets);
	wr_u64(w, c->hard_packets);
	put_ts(w, c->ts_local, c->n_ts_local);
	put_ts(w, c->ts_remote, c->n_ts_remote);
	put_mmx_child(w, c);
}

static void put_task(struct wr *w, const struct task *t)
{
	wr_u8(w, (uint8_t)t->kind);
	wr_u32(w, t->child_id);
	put_text(w, t->child_name);
	wr_u16(w, t->cpu);
	wr_u32(w, t->msg_id);
	put_blob(w, t->packet, t->packet_len);
	put_blob(w, t->ni.b, t->ni.len);
	wr_u32(w, t->spi_in);
	wr_u64(w, t->spi_ike);
	wr_u16(w, t->ke_group);
	wr_u8(w, t->ke || t->had_ke);
	wr_u8(w, t->collided);
	put_blob(w, t->coll_lowest.b, t->coll_lowest.len);
	wr_u64(w, t->coll_spi);
	wr_u32(w, t->coll_child);
	wr_u8(w, t->has_cookie2);
	wr_bytes(w, t->cookie2, COOKIE2_OCTETS);
	for (unsigned i = 0; i < DELETED_MAX; i++)
		wr_u32(w, t->deleted[i]);
	wr_u8(w, t->n_deleted);
	wr_u64(w, t->reauth_line);
	wr_u8(w, t->asks_vips);
	wr_u16(w, t->octets);
	wr_u8(w, t->shorter);
	put_blob(w, t->large, t->large_len);
	put_mmx_task(w, t);
}

static void put_list(struct wr *w, const struct list *l,
		     void (*put)(struct wr *, const struct task *))
{
	uint16_t n = 0;

	list_for_each (it, l)
		n++;
	wr_u16(w, n);
	list_for_each (it, l)
		put(w, list_entry(it, struct task, node));
}

static void put_path(struct wr *w, const struct ike_path *p)
{
	put_udp(w, &p->local);
	put_udp(w, &p->remote);
	wr_u32(w, p->ifindex);
}

static void put_mobike(struct wr *w, const struct mobike *m)
{
	wr_u8(w, m != NULL);
	if (!m)
		return;
	put_path(w, &m->esp);
	put_path(w, &m->agreed);
	wr_u8(w, m->updated);
	wr_u32(w, m->update_id);
	wr_u8(w, m->by_peer);
	wr_u8(w, m->listed);
	wr_u32(w, m->list_id);
	wr_u8(w, m->n_peer);
	for (unsigned i = 0; i < m->n_peer; i++)
		put_addr(w, &m->peer[i]);
}

static void put_sa(struct wr *w, const struct ike_sa *sa, usec_t now)
{
	wr_u32(w, IMAGE_MAGIC);
	wr_u16(w, IMAGE_VERSION);
	put_text(w, sa->conn->c.name);
	wr_u64(w, sa->spi_i);
	wr_u64(w, sa->spi_r);
	wr_u8(w, sa->initiator);
	wr_u8(w, sa->role_i);
	wr_u64(w, sa->family);
	wr_u64(w, sa->line);
	wr_u64(w, sa->bundle);
	wr_u64(w, sa->clone_of);
	wr_u8(w, sa->clone_ok);
	wr_u8(w, sa->clones_refused);
	wr_u64(w, now);
	wr_u64(w, now - sa->since);
	wr_u64(w, now - sa->last_rx);
	wr_u64(w, now - sa->session);
	wr_u8(w, sa->heard);
	put_until(w, sa->rekey_at, now);
	put_until(w, sa->ends_at, now);
	put_until(w, sa->reauth_at, now);
	put_until(w, sa->auth_ends_at, now);
	wr_u8(w, sa->rekeys_tried);
	wr_u8(w, sa->reauths_tried);
	wr_u64(w, sa->reauth_of);
	wr_u64(w, sa->reauth_of ? now - sa->session_before : 0);
	wr_u64(w, sa->carried.rx_octets);
	wr_u64(w, sa->carried.rx_packets);
	wr_u64(w, sa->carried.tx_octets);
	wr_u64(w, sa->carried.tx_packets);
	put_path(w, &sa->path);
	put_mobike(w, sa->mobike);
	wr_u8(w, sa->natt_peer);
	wr_u8(w, sa->nat_local);
	wr_u8(w, sa->nat_remote);
	wr_u8(w, sa->peer_probes);
	wr_u8(w, sa->peer_udp);
	wr_u8(w, sa->fragments);
	put_blob(w, sa->qcd_token, sa->qcd_token_len);
	wr_u8(w, sa->qcd_due);
	vendors_put(sa, w);
	put_suite(w, &sa->suite);
	for (unsigned i = 0; i < N_KEYS; i++) {
		const struct ike_key *s = key_at((struct ike_keys *)&sa->keys, i);

		put_blob(w, s->b, s->len);
	}
	put_id(w, sa->local_id);
	put_id(w, sa->remote_id);
	wr_u32(w, sa->next_request);
	wr_u32(w, sa->expected_request);
	wr_u32(w, sa->ahead);
	wr_u8(w, sa->peer_window);
	wr_u8(w, sa->window);
	for (unsigned i = 0; i < sa->window; i++) {
		wr_u32(w, sa->cache[i].msg_id);
		wr_bytes(w, sa->cache[i].hash, SHA256_OCTETS);
		put_blob(w, sa->cache[i].buf, sa->cache[i].len);
	}
	put_addrs(w, sa->own_vips, sa->n_own_vips);
	put_addrs(w, sa->peer_vips, sa->n_peer_vips);
	wr_u8(w, sa->vips_of_line);
	wr_u8(w, sa->vips_more);
	put_mmx(w, sa, now);
	wr_u16(w, sa->n_children);
	list_for_each (it, &sa->children)
		put_child(w, list_entry(it, struct child_sa, node), now);
	put_list(w, &sa->inflight, put_task);
	put_list(w, &sa->pending, put_task);
}

static bool kept(const struct ike_sa *sa)
{
	return sa->state == IKE_ESTABLISHED && !sa->redundant;
}

/* 0 with *ret_len, -ENOBUFS, -EIO. */
static int export(const struct ike_sa *sa, uint8_t *out, size_t cap, usec_t now, size_t *ret_len)
{
	struct wr w = wr_init(out, cap);
	uint8_t tag[SHA256_OCTETS];
	struct chunk body;
	int ret;

	put_sa(&w, sa, now);
	body = (struct chunk){ out, w.len };
	ret = w.err ? w.err : sha256_digest(&body, 1, tag);
	if (!ret) {
		wr_bytes(&w, tag, sizeof(tag));
		ret = w.err;
	}
	if (ret)
		secret_wipe(out, w.len);
	else
		*ret_len = w.len;
	return ret;
}

size_t ike_export(const struct ike *ike, size_t i, uint8_t *out, size_t cap, usec_t now)
{
	const struct ike_sa *sa = ike_sa_visible(ike, i);
	size_t len;

	return sa && kept(sa) && !export(sa, out, cap, now, &len) ? len : 0;
}

int ike_image_next(struct ike *ike, uint64_t *ret_key, uint8_t *out, size_t cap, size_t *ret_len,
		   usec_t now)
{
	while (!list_empty(&ike->dirty)) {
		struct ike_sa *sa = list_entry(ike->dirty.next, struct ike_sa, dirty_node);
		bool before = sa->imaged, alive = kept(sa);
		size_t len = 0;
		int ret = alive ? export(sa, out, cap, now, &len) : 0;

		if (ret)
			return ret;
		list_remove(&sa->dirty_node);
		timer_touch(sa); /* an end may have waited for this */
		sa->imaged = alive;
		if (!alive && !before)
			continue;
		*ret_key = ike_sa_own_spi(sa);
		*ret_len = len;
		return 1;
	}
	return 0;
}

void ike_images_forget(struct ike *ike)
{
	list_for_each (it, &ike->sas) {
		struct ike_sa *sa = list_entry(it, struct ike_sa, node);

		sa->imaged = false;
		ike_sa_touch(sa);
	}
}

/* ---- reading ---- */

static struct bytes get_blob(struct rd *r, size_t max)
{
	uint32_t n = rd_u32(r);
	struct bytes b = { NULL, 0 };

	if (n > max) {
		r->err = -EBADMSG;
		return b;
	}
	b.p = rd_bytes(r, n);
	b.len = b.p ? n : 0;
	return b;
}

static void get_text(struct rd *r, char out[IKE_NAME_MAX])
{
	struct bytes b = get_blob(r, IKE_NAME_MAX - 1);

	memset(out, 0, IKE_NAME_MAX);
	if (b.len)
		memcpy(out, b.p, b.len);
}

static void get_suite(struct rd *r, struct suite *s)
{
	s->encr = rd_u16(r);
	s->key_bits = rd_u16(r);
	s->integ = rd_u16(r);
	s->prf = rd_u16(r);
	s->ke = rd_u16(r);
	s->esn = rd_u8(r);
}

static void get_id(struct rd *r, const struct ike_id **at)
{
	struct ike_id id = { .type = rd_u8(r) };
	struct bytes b = get_blob(r, IKE_ID_MAX);

	id.len = (uint16_t)b.len;
	if (b.len)
		memcpy(id.data, b.p, b.len);
	if (!r->err && id_keep(at, &id))
		r->err = -ENOMEM;
}

static void get_ts(struct rd *r, struct ike_ts *ts, uint8_t *ret_n)
{
	uint8_t n = rd_u8(r);

	if (n > IKE_TS_MAX)
		r->err = -EBADMSG;
	for (unsigned i = 0; i < n && !r->err; i++) {
		ts[i] = (struct ike_ts){ .protocol = rd_u8(r) };
		ts[i].port_first = rd_u16(r);
		ts[i].port_last = rd_u16(r);
		get_addr(r, &ts[i].first);
		get_addr(r, &ts[i].last);
	}
	*ret_n = r->err ? 0 : n;
}

static void get_addrs(struct rd *r, struct addr *a, uint8_t *ret_n)
{
	uint8_t n = rd_u8(r);

	if (n > IKE_VIPS_MAX)
		r->err = -EBADMSG;
	for (unsigned i = 0; i < n && !r->err; i++)
		get_addr(r, &a[i]);
	*ret_n = r->err ? 0 : n;
}

static void get_nonce(struct rd *r, struct nonce *n)
{
	struct bytes b = get_blob(r, NONCE_MAX);

	n->len = (uint16_t)b.len;
	if (b.len)
		memcpy(n->b, b.p, b.len);
}

static uint8_t *get_copy(struct rd *r, size_t *ret_len)
{
	struct bytes b = get_blob(r, IMAGE_PACKET_MAX);
	uint8_t *p = b.len ? malloc(b.len) : NULL;

	*ret_len = p ? b.len : 0;
	if (p)
		memcpy(p, b.p, b.len);
	else if (b.len)
		r->err = -ENOMEM;
	return p;
}

static usec_t get_until(struct rd *r, usec_t now)
{
	uint64_t left = rd_u64(r);

	if (left == USEC_NEVER)
		return USEC_NEVER;
	if (left >= USEC_NEVER - now)
		r->err = -EBADMSG;
	return now + left;
}

static void get_child(struct rd *r, struct ike *ike, struct ike_sa *sa, usec_t then)
{
	struct child_sa *c = calloc(1, sizeof(*c));
	struct ike_ts local[IKE_TS_MAX], remote[IKE_TS_MAX];
	uint8_t n_local, n_remote;

	if (!c) {
		r->err = -ENOMEM;
		return;
	}
	c->rekey_at = c->ends_at = USEC_NEVER;
	c->id = rd_u32(r);
	c->spi_in = rd_u32(r);
	c->spi_out = rd_u32(r);
	child_link(ike, sa, c);
	get_text(r, c->name);
	c->state = rd_u8(r);
	c->mode = rd_u8(r);
	get_suite(r, &c->suite);
	c->encap = rd_u8(r);
	c->no_tfc = rd_u8(r);
	c->resources = rd_u8(r);
	c->additional = rd_u8(r);
	c->cpu = rd_u16(r);
	resource_no_more(c, rd_u8(r));
	c->installed = rd_u8(r);
	c->replaced = rd_u8(r);
	c->spent = rd_u8(r);
	c->since = then - rd_u64(r);
	c->rekey_at = get_until(r, then);
	c->ends_at = get_until(r, then);
	life_child_changed(sa, c);
	c->rekeys_tried = rd_u8(r);
	c->soft_octets = rd_u64(r);
	c->hard_octets = rd_u64(r);
	c->soft_packets = rd_u64(r);
	c->hard_packets = rd_u64(r);
	get_ts(r, local, &n_local);
	get_ts(r, remote, &n_remote);
	if (!r->err && child_ts_set(c, local, n_local, remote, n_remote))
		r->err = -ENOMEM;
	get_mmx_child(r, c);
	if (c->state > CHILD_DELETING || c->mode > CHILD_STABLE)
		r->err = -EBADMSG;
	if (!r->err && c->id > ike->next_child_id)
		ike->next_child_id = c->id;
}

static void get_task(struct rd *r, struct ike *ike, struct ike_sa *sa)
{
	struct task *t = task_new(sa, TASK_LIVENESS, 0);

	if (!t) {
		r->err = -ENOMEM;
		return;
	}
	t->kind = rd_u8(r);
	t->child_id = rd_u32(r);
	get_text(r, t->child_name);
	t->cpu = rd_u16(r);
	t->msg_id = rd_u32(r);
	t->packet = get_copy(r, &t->packet_len);
	get_nonce(r, &t->ni);
	t->spi_in = rd_u32(r);
	t->spi_ike = rd_u64(r);
	t->ke_group = rd_u16(r);
	t->had_ke = rd_u8(r);
	t->collided = rd_u8(r);
	get_nonce(r, &t->coll_lowest);
	t->coll_spi = rd_u64(r);
	t->coll_child = rd_u32(r);
	t->has_cookie2 = rd_u8(r);
	rd_copy(r, t->cookie2, COOKIE2_OCTETS);
	for (unsigned i = 0; i < DELETED_MAX; i++)
		t->deleted[i] = rd_u32(r);
	t->n_deleted = rd_u8(r);
	t->reauth_line = rd_u64(r);
	t->asks_vips = rd_u8(r);
	t->octets = rd_u16(r);
	t->shorter = rd_u8(r);
	t->large = get_copy(r, &t->large_len);
	get_mmx_task(r, sa, t);
	if (t->kind <= TASK_IKE_AUTH || t->kind >= TASK_KINDS || (t->large && !t->shorter))
		r->err = -EBADMSG;
	if (r->err || !t->packet) {
		t->had_ke = false;
		return;
	}
	/* on the wire already: go on retransmitting, bit-identical */
	t->timeout = sa->conn->c.retransmit_timeout;
	t->next_send = ike->now;
	task_offers(ike, t);
	list_remove(&t->node);
	list_append(&sa->inflight, &t->node);
	sa->n_inflight++;
}

static void get_keys(struct rd *r, struct ike_sa *sa)
{
	for (unsigned i = 0; i < N_KEYS; i++) {
		struct bytes b = get_blob(r, IKE_KEY_MAX);

		if (!r->err &&
		    ike_key_set(key_at(&sa->keys, i), b.p ? b.p : (const uint8_t *)"", b.len))
			r->err = -EBADMSG;
	}
}

static void get_cache(struct rd *r, struct ike_sa *sa)
{
	uint8_t size;

	sa->ahead = rd_u32(r);
	sa->peer_window = rd_u8(r);
	size = rd_u8(r);
	if (!sa->peer_window || sa->peer_window > IKE_WINDOW_MAX || !size || size > IKE_WINDOW_MAX)
		r->err = -EBADMSG;
	else if (rxwin_open(sa, size))
		r->err = -ENOMEM;
	for (unsigned i = 0; i < size && !r->err; i++) {
		struct response_cache *c = &sa->cache[i];

		c->msg_id = rd_u32(r);
		rd_copy(r, c->hash, SHA256_OCTETS);
		c->buf = get_copy(r, &c->len);
	}
}

static void get_token(struct rd *r, struct ike_sa *sa)
{
	struct bytes b = get_blob(r, UINT8_MAX);

	if (b.len && qcd_keep(sa, b.p, b.len))
		r->err = -EBADMSG;
}

static void get_path(struct rd *r, struct ike_path *p)
{
	get_udp(r, &p->local);
	get_udp(r, &p->remote);
	p->ifindex = rd_u32(r);
}

static void get_mobike(struct rd *r, struct ike_sa *sa)
{
	struct mobike *m;

	if (!rd_u8(r))
		return;
	m = sa->mobike = calloc(1, sizeof(*m));
	if (!m) {
		r->err = -ENOMEM;
		return;
	}
	get_path(r, &m->esp);
	get_path(r, &m->agreed);
	m->updated = rd_u8(r);
	m->update_id = rd_u32(r);
	m->by_peer = rd_u8(r);
	m->listed = rd_u8(r);
	m->list_id = rd_u32(r);
	m->n_peer = rd_u8(r);
	if (m->n_peer > IKE_PEER_ADDRS_MAX)
		r->err = -EBADMSG;
	for (unsigned i = 0; i < m->n_peer && !r->err; i++)
		get_addr(r, &m->peer[i]);
	m->changes = 1; /* where the requests in flight were sent is not known any more */
}

static void get_sa(struct rd *r, struct ike *ike, struct ike_sa *sa)
{
	usec_t then;
	uint16_t n;

	sa->initiator = rd_u8(r);
	sa->role_i = rd_u8(r);
	sa->family = rd_u64(r);
	sa->line = rd_u64(r);
	sa->bundle = rd_u64(r);
	sa->clone_of = rd_u64(r);
	sa->clone_ok = rd_u8(r);
	sa->clones_refused = rd_u8(r);
	then = rd_u64(r);
	if (then > ike->now)
		then = ike->now;
	sa->since = then - rd_u64(r);
	sa->last_rx = then - rd_u64(r);
	sa->session = then - rd_u64(r);
	sa->heard = rd_u8(r);
	sa->rekey_at = get_until(r, then);
	sa->ends_at = get_until(r, then);
	sa->reauth_at = get_until(r, then);
	sa->auth_ends_at = get_until(r, then);
	sa->rekeys_tried = rd_u8(r);
	sa->reauths_tried = rd_u8(r);
	sa->reauth_of = rd_u64(r);
	sa->session_before = then - rd_u64(r);
	sa->carried.rx_octets = rd_u64(r);
	sa->carried.rx_packets = rd_u64(r);
	sa->carried.tx_octets = rd_u64(r);
	sa->carried.tx_packets = rd_u64(r);
	get_path(r, &sa->path);
	get_mobike(r, sa);
	sa->natt_peer = rd_u8(r);
	sa->nat_local = rd_u8(r);
	sa->nat_remote = rd_u8(r);
	sa->peer_probes = rd_u8(r);
	sa->peer_udp = rd_u8(r);
	sa->fragments = rd_u8(r);
	get_token(r, sa);
	sa->qcd_due = rd_u8(r);
	vendors_get(sa, r);
	get_suite(r, &sa->suite);
	get_keys(r, sa);
	get_id(r, &sa->local_id);
	get_id(r, &sa->remote_id);
	sa->next_request = rd_u32(r);
	sa->expected_request = rd_u32(r);
	get_cache(r, sa);
	get_addrs(r, sa->own_vips, &sa->n_own_vips);
	get_addrs(r, sa->peer_vips, &sa->n_peer_vips);
	sa->vips_of_line = rd_u8(r);
	sa->vips_more = rd_u8(r);
	if (sa->vips_more > (sa->role_i ? sa->n_own_vips : sa->n_peer_vips))
		r->err = -EBADMSG;
	get_mmx(r, sa, then);
	n = rd_u16(r);
	for (unsigned i = 0; i < n && !r->err; i++)
		get_child(r, ike, sa, then);
	for (unsigned k = 0; k < 2; k++) {
		n = rd_u16(r);
		for (unsigned i = 0; i < n && !r->err; i++)
			get_task(r, ike, sa);
	}
}

static bool image_sound(const uint8_t *image, size_t len)
{
	uint8_t tag[SHA256_OCTETS];
	struct chunk body = { image, len - SHA256_OCTETS };
	struct rd r = rd_init(image, len);

	return len > SHA256_OCTETS + 6 && rd_u32(&r) == IMAGE_MAGIC &&
	       rd_u16(&r) == IMAGE_VERSION && !sha256_digest(&body, 1, tag) &&
	       secret_equal(tag, image + body.len, SHA256_OCTETS);
}

/* The IV counter of the image may lie behind what was sent after it was taken, and an AEAD IV must
 * never repeat: go on in another, random part of the 64-bit space. */
static int iv_jump(struct ike_sa *sa)
{
	uint32_t epoch = 0;

	while (!epoch)
		if (rng_bytes(&epoch, sizeof(epoch)))
			return -EIO;
	sa->iv_counter = (uint64_t)epoch << 32;
	return 0;
}

int ike_import(struct ike *ike, const uint8_t *image, size_t len, usec_t now)
{
	char name[IKE_NAME_MAX];
	struct ike_sa *sa;
	struct conn *conn;
	uint64_t spi_i, spi_r;
	struct rd r;
	int ret;

	ike->now = now;
	if (!image_sound(image, len))
		return -EBADMSG;
	r = rd_init(image, len - SHA256_OCTETS);
	rd_skip(&r, 6);
	get_text(&r, name);
	spi_i = rd_u64(&r);
	spi_r = rd_u64(&r);
	if (ike_sa_find(ike, spi_i) || ike_sa_find(ike, spi_r))
		return -EEXIST;
	conn = conn_find(ike, name);
	if (!conn)
		return -ENOENT;
	sa = ike_sa_new(ike, conn, true, NULL);
	if (!sa)
		return -ENOMEM;
	sa->spi_i = spi_i;
	sa->spi_r = spi_r;
	get_sa(&r, ike, sa);
	ret = r.err ? r.err : rd_left(&r) ? -EBADMSG : ike_sa_arm(sa);
	if (!ret)
		ret = iv_jump(sa);
	if (ret) {
		ike_sa_free(ike, sa);
		return ret == -ENOMEM ? ret : -EBADMSG;
	}
	sa->state = IKE_ESTABLISHED;
	sa->announced = true;
	sa->imaged = true; /* the one that was read */
	ike->clones_refused |= sa->clones_refused;
	ike_sa_touch(sa);
	if (sa->line > ike->last_line)
		ike->last_line = sa->line;
	if (sa->family > ike->last_line)
		ike->last_line = sa->family;
	if (sa->bundle > ike->last_line)
		ike->last_line = sa->bundle;
	for (unsigned i = 0; i < sa->n_peer_vips; i++)
		cp_restore(ike, sa->family, &sa->peer_vips[i]);
	ike_sa_insert(ike, sa);
	mmx_resume(ike, sa);
	ike_reap(ike);
	log_ike(sa, LOG_INFO_, "taken over after a restart: next request %u, next expected %u",
		sa->next_request, sa->expected_request);
	return 0;
}
