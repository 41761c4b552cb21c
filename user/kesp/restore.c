/* SPDX-License-Identifier: GPL-2.0-only */
/* After a restart: what an agent before has left in the kernel, and the records of it. An SA is
 * taken over if it has both; what the kernel has and no record knows goes, and the other way round.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "kesp_impl.h"

enum { DEFER_SEC = 10, BLOCK_SEC = 120 };

/* ---- records ---- */

struct records {
	struct kesp *k;
	struct sa_record *all;
	size_t n, cap;
	int err;
};

static bool room(struct records *v)
{
	size_t cap = v->cap ? 2 * v->cap : 64;
	struct sa_record *all;

	if (v->n < v->cap)
		return true;
	all = calloc(cap, sizeof(*all));
	if (!all)
		return false;
	if (v->n) {
		memcpy(all, v->all, v->n * sizeof(*all));
		secret_wipe(v->all, v->n * sizeof(*all));
	}
	free(v->all);
	v->all = all;
	v->cap = cap;
	return true;
}

static void take(void *ctx, const char *name)
{
	struct records *v = ctx;
	uint8_t *data = NULL;
	size_t len = 0;
	char again[16] = "";
	int err;

	if (strncmp(name, "sa-", 3) != 0 || v->err)
		return;
	if (!room(v)) {
		v->err = -ENOMEM;
		return;
	}
	err = sealed_read(&v->k->images, name, &data, &len);
	if (!err)
		err = record_read(data, len, &v->all[v->n]);
	blob_free(data, len);
	if (!err)
		record_name(v->all[v->n].sa.id, again);
	if (!err && !strcmp(again, name)) {
		v->n++;
		return;
	}
	log_warning("the record %s of an SA cannot be read: damaged, or of another uptime or "
		    "version; it is removed",
		    name);
	sealed_remove(&v->k->images, name);
}

static int by_order(const void *pa, const void *pb)
{
	const struct sa_record *a = pa, *b = pb;

	return a->order < b->order ? -1 : a->order > b->order;
}

static int read_records(struct kesp *k)
{
	struct records v = { .k = k };
	int err = sealed_each(&k->images, take, &v);

	if (!err)
		err = v.err;
	if (v.n)
		qsort(v.all, v.n, sizeof(*v.all), by_order);
	for (size_t i = 0; i < v.n && !err; i++)
		sa_restore(k, &v.all[i]);
	if (v.n)
		secret_wipe(v.all, v.n * sizeof(*v.all));
	free(v.all);
	return err;
}

/* ---- the kernel ---- */

struct strays {
	struct kesp *k;
	struct xfrm_sa_info *sas;
	struct xfrm_policy *policies;
	size_t n_sas, cap_sas, n_policies, cap_policies;
};

/* Room for one more in an array of that many. */
static void *grown(void *all, size_t n, size_t *cap, size_t size)
{
	void *p;

	if (n < *cap)
		return all;
	p = reallocarray(all, *cap ? 2 * *cap : 64, size);
	if (p)
		*cap = *cap ? 2 * *cap : 64;
	return p;
}

static bool ours(struct kesp *k, const struct xfrm_sa_info *i)
{
	bool out;
	struct kesp_sa *s = sa_of_state(k, &i->dst, i->spi, &out);

	if (!s)
		return false;
	poll_take(out ? &s->out : &s->in, i);
	if (out) {
		s->has_out = true;
	} else {
		s->adopted_in = true;
		s->told = s->in.packets;
	}
	return true;
}

static void on_state(void *ctx, const struct xfrm_sa_info *i)
{
	struct strays *v = ctx;
	void *p;

	if (!i->spi || ours(v->k, i)) /* 0: the kernel's own, while it asks for an SA */
		return;
	p = grown(v->sas, v->n_sas, &v->cap_sas, sizeof(*v->sas));
	if (!p)
		return; /* it goes with the next start */
	v->sas = p;
	v->sas[v->n_sas++] = *i;
}

static void on_policy(void *ctx, const struct xfrm_policy *pol)
{
	struct strays *v = ctx;
	void *p;

	if (policies_found(pol->if_id ? &v->k->policies : &v->k->direct, pol,
			   kesp_now() + BLOCK_SEC * USEC_PER_SEC))
		return;
	p = grown(v->policies, v->n_policies, &v->cap_policies, sizeof(*v->policies));
	if (!p)
		return;
	v->policies = p;
	v->policies[v->n_policies++] = *pol;
}

/* The kernel has told of no end of an SA while nobody listened. */
static void missed(struct kesp *k, struct kesp_sa *s)
{
	struct engine_sa *sa = &s->r.sa;

	if ((sa->soft_octets && s->out.octets >= sa->soft_octets) ||
	    (sa->soft_packets && s->out.packets >= sa->soft_packets) ||
	    (sa->soft_octets && s->in.octets >= sa->soft_octets) ||
	    (sa->soft_packets && s->in.packets >= sa->soft_packets))
		sa->flags |= ENGINE_SA_SOFT_HIT;
	if (s->r.stage == SA_ACTIVE && !s->has_out)
		sa->flags |= ENGINE_SA_HARD_HIT;
	if (s->r.stage == SA_DEFERRED && s->has_out) { /* died between the two */
		s->r.stage = SA_ACTIVE;
		record_wipe_keys(&s->r);
		sa_save(k, s);
	}
	if (s->r.stage == SA_DEFERRED)
		rekey_defer(k, s, kesp_now() + DEFER_SEC * USEC_PER_SEC);
	if (s->r.stage == SA_REPLACED)
		rekey_linger(k, s);
	if (s->r.stage == SA_RETIRED)
		sa_out_del(k, s);
	else
		sa_sends(k, s, s->has_out);
}

static void settle(struct kesp *k)
{
	size_t lost = 0;

	list_for_each_safe (it, tmp, &k->sas) {
		struct kesp_sa *s = list_entry(it, struct kesp_sa, node);

		if (s->adopted_in) {
			missed(k, s);
			continue;
		}
		sa_remove(k, s);
		lost++;
	}
	if (lost)
		log_warning("%zu SAs are not in the kernel any more", lost);
}

int restore(struct kesp *k)
{
	struct strays v = { .k = k };
	int err;

	k->policies.quiet = k->direct.quiet = true;
	err = read_records(k);
	if (!err)
		err = xfrm_sa_dump(k->x, k->if_id, on_state, &v);
	if (!err)
		settle(k);
	if (!err)
		err = xfrm_policy_dump(k->x, k->if_id, on_policy, &v);
	for (size_t i = 0; i < v.n_policies; i++)
		xfrm_policy_del(k->x, &v.policies[i]);
	if (!err)
		err = policies_settle(&k->policies);
	if (!err)
		err = policies_settle(&k->direct);
	for (size_t i = 0; i < v.n_sas; i++)
		xfrm_sa_del(k->x, &v.sas[i].dst, v.sas[i].spi);
	if (v.n_sas || v.n_policies)
		log_info("removed %zu states and %zu policies in the kernel that no SA of ours has",
			 v.n_sas, v.n_policies);
	free(v.sas);
	free(v.policies);
	k->policies.quiet = k->direct.quiet = false;
	if (k->policies.n_left)
		kesp_look(k);
	lines_settle(k);
	room_fit(k);
	return err;
}
