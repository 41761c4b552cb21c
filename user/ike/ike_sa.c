/* SPDX-License-Identifier: GPL-2.0-only */
/* The IKE SA: its life, its state, its keys (RFC 7296 2.13-2.18). */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ike_private.h"

static const char *const state_names[] = {
#define X(n, shown) [IKE_##n] = #n,
	FOREACH_IKE_STATE(X)
#undef X
};

struct ike_sa *ike_sa_new(struct ike *ike, struct conn *conn, bool initiator)
{
	struct ike_sa *sa = calloc(1, sizeof(*sa));

	if (!sa)
		return NULL;
	sa->conn = conn_ref(conn);
	sa->initiator = sa->role_i = initiator;
	sa->family = ++ike->next_family;
	sa->state = initiator ? IKE_INIT_SENT : IKE_HALF_OPEN;
	sa->since = sa->last_rx = ike->now;
	sa->expires = USEC_NEVER;
	sa->peer_window = WINDOW;
	sa->dirty = &ike->dirty;
	list_init(&sa->dirty_node);
	list_init(&sa->hash_node);
	list_init(&sa->init_node);
	list_init(&sa->pending);
	list_init(&sa->inflight);
	list_init(&sa->children);
	list_append(&ike->sas, &sa->node);
	if (sa->state == IKE_HALF_OPEN)
		ike->half_open++;
	return sa;
}

static bool family_alive(const struct ike *ike, uint64_t family)
{
	list_for_each (it, &ike->sas) {
		const struct ike_sa *sa = list_entry(it, struct ike_sa, node);

		if (sa->family == family && ike_sa_alive(sa))
			return true;
	}
	return false;
}

static void children_free(struct ike_sa *sa)
{
	list_for_each_safe (it, tmp, &sa->children) {
		list_remove(it);
		free(list_entry(it, struct child_sa, node));
	}
	sa->n_children = 0;
}

/* Drop what only a living IKE SA needs; the response cache and ciphers stay for lingering. */
static void init_octets_free(struct ike_sa *sa)
{
	free(sa->init_req);
	free(sa->init_resp);
	sa->init_req = sa->init_resp = NULL;
}

void ike_sa_free(struct ike *ike, struct ike_sa *sa)
{
	if (sa->state == IKE_HALF_OPEN)
		ike->half_open--;
	if (sa->lingering)
		ike->lingering--;
	list_remove(&sa->node);
	list_remove(&sa->dirty_node);
	list_remove(&sa->hash_node);
	list_remove(&sa->init_node);
	list_for_each_safe (it, tmp, &sa->pending)
		task_free(ike, list_entry(it, struct task, node));
	list_for_each_safe (it, tmp, &sa->inflight)
		task_free(ike, list_entry(it, struct task, node));
	children_free(sa);
	for (unsigned i = 0; i < WINDOW; i++)
		free(sa->cache[i].buf);
	init_octets_free(sa);
	aead_free(sa->aead_in);
	aead_free(sa->aead_out);
	conn_unref(sa->conn);
	secret_wipe(sa, sizeof(*sa));
	free(sa);
}

static struct list *bucket(const struct ike *ike, uint64_t spi)
{
	return (struct list *)&ike->table[spi & (SA_BUCKETS - 1)];
}

struct ike_sa *ike_sa_find(const struct ike *ike, uint64_t own_spi)
{
	list_for_each (it, bucket(ike, own_spi)) {
		struct ike_sa *sa = list_entry(it, struct ike_sa, hash_node);

		if (ike_sa_own_spi(sa) == own_spi)
			return sa;
	}
	return NULL;
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
	list_append(bucket(ike, ike_sa_own_spi(sa)), &sa->hash_node);
}

void ike_sa_touch(struct ike_sa *sa)
{
	if (list_empty(&sa->dirty_node))
		list_append(sa->dirty, &sa->dirty_node);
}

void ike_sa_state(struct ike *ike, struct ike_sa *sa, enum ike_state to, const char *why)
{
	if (sa->state == to)
		return;
	if (sa->state == IKE_HALF_OPEN)
		ike->half_open--;
	log_ike(sa, LOG_DEBUG_, "%s -> %s: %s", state_names[sa->state], state_names[to], why);
	sa->state = to;
	sa->since = ike->now;
	if (to == IKE_ESTABLISHED) {
		sa->expires = USEC_NEVER;
		init_octets_free(sa);
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
	if (sa->announced && sa->state != IKE_REKEYED) {
		struct task *del = task_find(sa, TASK_IKE_DELETE, 0);
		uint32_t op = del ? del->op : sa->down_op;

		if (del)
			del->op = 0;
		out_event(ike, sa, IKE_EV_IKE_DOWN, 0, op, "IKE SA down: %s", sa->why);
	}
	ike_sa_state(ike, sa, IKE_CLOSED, sa->why);
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
	if (!family_alive(ike, sa->family))
		cp_release(ike, sa->family);
}

/* Whoever keeps its image must hear of its end. */
bool ike_sa_owed(const struct ike_sa *sa)
{
	return sa->imaged && !list_empty(&sa->dirty_node);
}

void ike_reap(struct ike *ike)
{
	list_for_each_safe (it, tmp, &ike->sas) {
		struct ike_sa *sa = list_entry(it, struct ike_sa, node);

		if (sa->state == IKE_CLOSED && sa->expires <= ike->now && !ike_sa_owed(sa))
			ike_sa_free(ike, sa);
	}
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

/* Order and lengths of 2.14: SK_d, SK_ai, SK_ar, SK_ei, SK_er, SK_pi, SK_pr; with an AEAD SK_a has
 * no octets and SK_e ends in the salt (RFC 5282 7). */
static int keys_split(struct ike_sa *sa, const uint8_t *km, size_t prf_len)
{
	size_t enc = sa->sizes.key + sa->sizes.salt, integ = sa->sizes.integ;
	struct {
		struct secret *s;
		size_t len;
	} order[] = {
		{ &sa->keys.sk_d, prf_len },  { &sa->keys.sk_ai, integ },
		{ &sa->keys.sk_ar, integ },   { &sa->keys.sk_ei, enc },
		{ &sa->keys.sk_er, enc },     { &sa->keys.sk_pi, prf_len },
		{ &sa->keys.sk_pr, prf_len },
	};
	int ret = 0;

	for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]) && !ret; i++) {
		ret = secret_set(order[i].s, km, order[i].len);
		km += order[i].len;
	}
	return ret;
}

int ike_sa_derive(struct ike_sa *sa, const struct secret *gir, const struct secret *sk_d_old,
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
	const struct secret *eo = sa->initiator ? &k->sk_ei : &k->sk_er;
	const struct secret *ei = sa->initiator ? &k->sk_er : &k->sk_ei;
	const struct secret *ao = sa->initiator ? &k->sk_ai : &k->sk_ar;
	const struct secret *ai = sa->initiator ? &k->sk_ar : &k->sk_ai;

	if (!aead_sizes(&spec, &sa->sizes))
		return -EINVAL;
	aead_free(sa->aead_out);
	aead_free(sa->aead_in);
	/* the general driver: IKE messages are few, and it is there on every CPU */
	sa->aead_out = aead_new(AEAD_DRIVER_OPENSSL, &spec, true, eo->b, eo->len, ao->b, ao->len);
	sa->aead_in = aead_new(AEAD_DRIVER_OPENSSL, &spec, false, ei->b, ei->len, ai->b, ai->len);
	return sa->aead_out && sa->aead_in ? 0 : -EIO;
}
