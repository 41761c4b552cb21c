/* SPDX-License-Identifier: GPL-2.0-only */
/* The IKE SA: its life, its state, its keys (RFC 7296 2.13-2.18). */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "child_sa.h"
#include "exchange.h"
#include "ike_private.h"
#include "mmx.h"
#include "parts.h"

static const char *const state_names[] = {
#define X(n, shown) [IKE_##n] = #n,
	FOREACH_IKE_STATE(X)
#undef X
};

struct ike_sa *ike_sa_new(struct ike *ike, struct conn *conn, bool initiator,
			  const struct ike_sa *kin)
{
	struct ike_sa *sa = timer_reserve(ike) ? NULL : calloc(1, sizeof(*sa));

	if (!sa)
		return NULL;
	sa->ike = ike;
	id_drop(&sa->local_id);
	id_drop(&sa->remote_id);
	if (rxwin_open(sa, 1)) {
		free(sa);
		return NULL;
	}
	sa->conn = conn_ref(conn);
	sa->initiator = sa->role_i = initiator;
	sa->line = kin ? kin->line : ++ike->last_line;
	sa->family = kin ? kin->family : sa->line;
	sa->serial = ++ike->next_serial;
	sa->state = initiator ? IKE_INIT_SENT : IKE_HALF_OPEN;
	sa->since = sa->last_rx = sa->last_tx = ike->now;
	sa->expires = sa->rekey_at = sa->ends_at = USEC_NEVER;
	sa->reauth_at = sa->auth_ends_at = sa->children_due = USEC_NEVER;
	sa->peer_window = 1;
	list_init(&sa->dirty_node);
	list_init(&sa->moved_node);
	list_init(&sa->pending);
	list_init(&sa->inflight);
	list_init(&sa->children);
	list_append(&ike->sas, &sa->node);
	ike->n_sas++;
	timer_touch(sa);
	if (sa->state == IKE_HALF_OPEN)
		ike->half_open++;
	return sa;
}

static void children_free(struct ike *ike, struct ike_sa *sa)
{
	list_for_each_safe (it, tmp, &sa->children) {
		struct child_sa *c = list_entry(it, struct child_sa, node);

		child_unlink(ike, c);
		child_free(c);
	}
}

/* Drop what only a living IKE SA needs; the response cache and ciphers stay for lingering. */
static void init_octets_free(struct ike_sa *sa)
{
	free(sa->init_req);
	free(sa->init_resp);
	sa->init_req = sa->init_resp = NULL;
}

void ike_sa_withdraw(struct ike *ike, struct ike_sa *sa)
{
	hash_remove(&ike->spis, &sa->by_spi);
	hash_remove(&ike->families, &sa->by_family);
	hash_remove(&ike->lines, &sa->by_line);
	hash_remove(&ike->named, &sa->by_conn);
	hash_remove(&ike->peers, &sa->by_id);
	hash_remove(&ike->inits, &sa->by_init);
	hash_remove(&ike->sources, &sa->by_source);
}

void ike_sa_free(struct ike *ike, struct ike_sa *sa)
{
	if (sa->state == IKE_HALF_OPEN)
		ike->half_open--;
	if (sa->lingering)
		ike->lingering--;
	list_remove(&sa->node);
	list_remove(&sa->dirty_node);
	timer_forget(sa);
	ike_sa_withdraw(ike, sa);
	ike->n_sas--;
	list_for_each_safe (it, tmp, &sa->pending)
		task_free(ike, list_entry(it, struct task, node));
	list_for_each_safe (it, tmp, &sa->inflight)
		task_free(ike, list_entry(it, struct task, node));
	children_free(ike, sa);
	rxwin_clear(sa);
	init_octets_free(sa);
	frag_clear(ike, sa);
	qcd_forget(sa);
	free(sa->vendors);
	mobike_free(sa);
	mmx_free(sa);
	aead_free(sa->aead_in);
	aead_free(sa->aead_out);
	conn_unref(sa->conn);
	id_drop(&sa->local_id);
	id_drop(&sa->remote_id);
	secret_wipe(sa, sizeof(*sa));
	free(sa);
}

struct ike_sa *ike_sa_find(const struct ike *ike, uint64_t own_spi)
{
	struct hash_node *n = hash_find(&ike->spis, own_spi);

	return n ? hash_entry(n, struct ike_sa, by_spi) : NULL;
}

uint64_t conn_key(const char *name)
{
	return hash_octets(name, strlen(name));
}

uint64_t id_key(const struct ike_id *id)
{
	return hash_octets(id->data, id->len) + id->type;
}

uint64_t addr_key(const struct addr *a)
{
	return hash_octets(a->b, addr_len(a));
}

uint64_t source_key(const struct addr *a)
{
	return hash_octets(a->b, a->family == 6 ? 8 : 4);
}

int ike_spi_new(const struct ike *ike, uint64_t *ret_spi)
{
	uint64_t spi;

	do {
		if (rng_bytes(&spi, sizeof(spi)))
			return -EIO;
	} while (!spi || ike_sa_find(ike, spi));
	*ret_spi = spi;
	return 0;
}

void ike_sa_insert(struct ike *ike, struct ike_sa *sa)
{
	hash_add(&ike->spis, &sa->by_spi, ike_sa_own_spi(sa));
	hash_add(&ike->families, &sa->by_family, sa->family);
	hash_add(&ike->lines, &sa->by_line, sa->line);
	hash_add(&ike->named, &sa->by_conn, conn_key(sa->conn->c.name));
	if (sa->state == IKE_HALF_OPEN)
		hash_add(&ike->sources, &sa->by_source, source_key(&sa->path.remote.ip));
	if (sa->announced) /* taken over */
		hash_add(&ike->peers, &sa->by_id, id_key(sa->remote_id));
}

void ike_sa_touch(struct ike_sa *sa)
{
	if (list_empty(&sa->dirty_node))
		list_append(&sa->ike->dirty, &sa->dirty_node);
	timer_touch(sa);
}

/* Who the peer is and which connection it belongs to is settled. */
static void index_peer(struct ike *ike, struct ike_sa *sa)
{
	uint64_t key = conn_key(sa->conn->c.name);

	if (sa->by_conn.link && sa->by_conn.key != key) {
		hash_remove(&ike->named, &sa->by_conn);
		hash_add(&ike->named, &sa->by_conn, key);
	}
	if (!sa->by_id.link)
		hash_add(&ike->peers, &sa->by_id, id_key(sa->remote_id));
}

void ike_sa_state(struct ike *ike, struct ike_sa *sa, enum ike_state to, const char *why)
{
	if (sa->state == to)
		return;
	if (sa->state == IKE_HALF_OPEN) {
		ike->half_open--;
		hash_remove(&ike->sources, &sa->by_source);
	}
	/* strangers' attempts fail as often as they like */
	if (sa->state != IKE_HALF_OPEN || to == IKE_ESTABLISHED || log_strangers(ike, LOG_DEBUG_))
		log_ike(sa, LOG_DEBUG_, "%s -> %s: %s", state_names[sa->state], state_names[to],
			why);
	sa->state = to;
	sa->since = ike->now;
	if (to == IKE_ESTABLISHED) {
		sa->expires = USEC_NEVER;
		init_octets_free(sa);
		index_peer(ike, sa);
	}
	ike_sa_touch(sa);
}

void ike_sa_blame(struct ike_sa *sa, enum ike_failure failure, uint16_t notify)
{
	sa->failure = failure;
	sa->failure_notify = notify;
}

/* Every operation that waits on this IKE SA ends now: what was to be deleted is gone, which is what
 * was wanted; the rest failed. */
static void tasks_end(struct ike *ike, struct ike_sa *sa, struct list *tasks, bool was_up)
{
	list_for_each_safe (it, tmp, tasks) {
		struct task *t = list_entry(it, struct task, node);

		switch (t->kind) {
		case TASK_IKE_DELETE:
			task_end(ike, sa, t, IKE_EV_IKE_DOWN, 0, sa->why);
			break;
		case TASK_CHILD_DELETE:
			task_end(ike, sa, t, IKE_EV_CHILD_DOWN, t->child_id, sa->why);
			break;
		default:
			/* a set-up attempt always reports, also if nobody asked by hand */
			if (!was_up && !t->op &&
			    (t->kind == TASK_IKE_INIT || t->kind == TASK_IKE_AUTH ||
			     t->kind == TASK_AUTH_FAILED))
				out_event(ike, sa, IKE_EV_FAILED, 0, 0, "%s", sa->why);
			task_end(ike, sa, t, IKE_EV_FAILED, t->child_id, sa->why);
		}
	}
}

void ike_sa_close(struct ike *ike, struct ike_sa *sa, bool linger, const char *fmt, ...)
{
	va_list ap;

	if (!ike_sa_alive(sa))
		return;
	va_start(ap, fmt);
	vsnprintf(sa->why, sizeof(sa->why), fmt, ap);
	va_end(ap);
	list_for_each_safe (it, tmp, &sa->children) {
		struct child_sa *c = list_entry(it, struct child_sa, node);

		if (c->installed && c->state != CHILD_REKEYED)
			out_event(ike, sa, IKE_EV_CHILD_DOWN, c->id, 0, "Child SA %s down: %s",
				  c->name, sa->why);
		child_remove(ike, sa, c);
	}
	mmx_publish(ike, sa);
	if (sa->announced && sa->state != IKE_REKEYED) {
		struct task *del = task_find(sa, TASK_IKE_DELETE, 0);
		uint32_t op = del ? del->op : sa->down_op;

		if (del)
			del->op = 0;
		out_event(ike, sa, IKE_EV_IKE_DOWN, 0, op, "IKE SA down: %s", sa->why);
		if (sa->state >= IKE_ESTABLISHED && !sa->session_told && !family_others(ike, sa))
			out_session(ike, sa, sa->family, sa->session, sa->why);
		clone_room(ike, sa);
	}
	if (sa->state == IKE_INIT_SENT || sa->state == IKE_AUTH_SENT)
		COUNT(ike, sa, ike_failed);
	else if (sa->announced && sa->state != IKE_REKEYED)
		COUNT(ike, sa, ike_down);
	ike_sa_state(ike, sa, IKE_CLOSED, sa->why);
	frag_clear(ike, sa);
	tasks_end(ike, sa, &sa->inflight, sa->announced);
	tasks_end(ike, sa, &sa->pending, sa->announced);
	if (linger && !sa->announced) {
		/* strangers get here: as many as may be half-open, and no more */
		linger = ike->lingering < ike->half_open_max;
		sa->lingering = linger;
		ike->lingering += linger;
		init_octets_free(sa);
	}
	sa->expires = linger ? ike->now + LINGER_USEC : ike->now;
	cp_release(ike, sa);
}

/* Whoever keeps its image must hear of its end. */
bool ike_sa_owed(const struct ike_sa *sa)
{
	return sa->imaged && !list_empty(&sa->dirty_node);
}

int nonce_new(struct nonce *n)
{
	n->len = NONCE_OCTETS;
	return rng_bytes(n->b, NONCE_OCTETS);
}

bool nonce_set(struct nonce *n, struct bytes b)
{
	if (b.len < NONCE_MIN || b.len > NONCE_MAX)
		return false;
	n->len = (uint16_t)b.len;
	memcpy(n->b, b.p, b.len);
	return true;
}

int nonce_cmp(const struct nonce *a, const struct nonce *b)
{
	size_t n = a->len < b->len ? a->len : b->len;
	int r = memcmp(a->b, b->b, n);

	return r ? r : (int)a->len - (int)b->len;
}

const struct nonce *nonce_lowest(const struct nonce *a, const struct nonce *b)
{
	return nonce_cmp(a, b) < 0 ? a : b;
}

int ike_key_set(struct ike_key *k, const uint8_t *p, size_t n)
{
	if (n > sizeof(k->b))
		return -EMSGSIZE;
	memcpy(k->b, p, n);
	k->len = (uint8_t)n;
	return 0;
}

/* Order and lengths of 2.14: SK_d, SK_ai, SK_ar, SK_ei, SK_er, SK_pi, SK_pr; with an AEAD SK_a has
 * no octets and SK_e ends in the salt (RFC 5282 7). */
static int keys_split(struct ike_sa *sa, const uint8_t *km, size_t prf_len)
{
	size_t enc = sa->sizes.key + sa->sizes.salt, integ = sa->sizes.integ;
	struct {
		struct ike_key *k;
		size_t len;
	} order[] = {
		{ &sa->keys.sk_d, prf_len },  { &sa->keys.sk_ai, integ },
		{ &sa->keys.sk_ar, integ },   { &sa->keys.sk_ei, enc },
		{ &sa->keys.sk_er, enc },     { &sa->keys.sk_pi, prf_len },
		{ &sa->keys.sk_pr, prf_len },
	};
	int ret = 0;

	for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]) && !ret; i++) {
		ret = ike_key_set(order[i].k, km, order[i].len);
		km += order[i].len;
	}
	return ret;
}

int ike_sa_derive(struct ike_sa *sa, const struct secret *gir, const struct ike_key *sk_d_old,
		  uint16_t prf_old)
{
	struct aead_spec spec = { sa->suite.encr, sa->suite.key_bits, sa->suite.integ };
	uint8_t skeyseed[PRF_MAX_OCTETS], key[2 * NONCE_MAX], spis[16], km[1024];
	struct wr w = wr_init(key, sizeof(key)), s = wr_init(spis, sizeof(spis));
	size_t prf_len, seed_len, need;
	int ret;

	if (!aead_sizes(&spec, &sa->sizes) || !prf_lookup(sa->suite.prf, &prf_len))
		return -EINVAL;
	wr_bytes(&w, sa->ni.b, sa->ni.len);
	wr_bytes(&w, sa->nr.b, sa->nr.len);
	wr_u64(&s, sa->spi_i);
	wr_u64(&s, sa->spi_r);
	if (sk_d_old) {
		/* SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr), with the old SA's PRF (2.18) */
		struct chunk in[] = { { gir->b, gir->len }, { key, w.len } };

		if (!prf_lookup(prf_old, &seed_len))
			return -EINVAL;
		ret = prf_compute(prf_old, sk_d_old->b, sk_d_old->len, in, 2, skeyseed);
	} else {
		struct chunk in = { gir->b, gir->len };

		seed_len = prf_len;
		ret = prf_compute(sa->suite.prf, key, w.len, &in, 1, skeyseed);
	}
	if (!ret) {
		struct chunk in[] = { { key, w.len }, { spis, sizeof(spis) } };

		need = 3 * prf_len + 2 * sa->sizes.integ + 2 * (sa->sizes.key + sa->sizes.salt);
		ret = need > sizeof(km)
			      ? -EMSGSIZE
			      : prf_plus(sa->suite.prf, skeyseed, seed_len, in, 2, km, need);
	}
	if (!ret)
		ret = keys_split(sa, km, prf_len);
	if (!ret)
		ret = ike_sa_arm(sa);
	secret_wipe(skeyseed, sizeof(skeyseed));
	secret_wipe(km, sizeof(km));
	return ret;
}

/* SK_ei and SK_ai protect what the original initiator sends, requests and responses alike. */
int ike_sa_arm(struct ike_sa *sa)
{
	struct aead_spec spec = { sa->suite.encr, sa->suite.key_bits, sa->suite.integ };
	const struct ike_keys *k = &sa->keys;
	const struct ike_key *eo = sa->initiator ? &k->sk_ei : &k->sk_er;
	const struct ike_key *ei = sa->initiator ? &k->sk_er : &k->sk_ei;
	const struct ike_key *ao = sa->initiator ? &k->sk_ai : &k->sk_ar;
	const struct ike_key *ai = sa->initiator ? &k->sk_ar : &k->sk_ai;

	if (!aead_sizes(&spec, &sa->sizes))
		return -EINVAL;
	aead_free(sa->aead_out);
	aead_free(sa->aead_in);
	/* IKE messages are few, IKE SAs may be many */
	sa->aead_out = aead_new(AEAD_DRIVER_BRIEF, &spec, true, eo->b, eo->len, ao->b, ao->len);
	sa->aead_in = aead_new(AEAD_DRIVER_BRIEF, &spec, false, ei->b, ei->len, ai->b, ai->len);
	return sa->aead_out && sa->aead_in ? 0 : -EIO;
}
