/* SPDX-License-Identifier: GPL-2.0-only */
/* What the owner of the core is told of bindings: which pairs of addresses the Child SAs of each
 * may use, and which Child SA has which.
 *
 * Whatever changes something calls mmx_publish at its end; what is as it was told is not told
 * again. A binding that is inherited is not told of: its SAs use the IKE SA's pair.
 */
#include <stdlib.h>
#include <string.h>

#include "child_sa.h"
#include "mmx.h"

/* Octets of a path in a fingerprint. */
enum { PRINT_MAX = 64 };

/* What a list changes is found by a walk over all paths of all bindings. */
static const usec_t LISTS_GAP = 100 * USEC_PER_MSEC;

struct look {
	const struct ike_sa *sa;
	const struct mmx *x;
	struct ike_binding *b;
};

/* ---- one binding ---- */

/* 0: it is dead, and nothing takes its place. */
static uint32_t switched(const struct look *k, uint32_t path)
{
	bool upper = mmx_we(k->sa) == MMX_I;
	uint16_t own = (uint16_t)(upper ? path >> 16 : path);

	for (unsigned i = 0; i < k->x->n_hard; i++)
		if (k->x->hard[i].old == own) {
			own = k->x->hard[i].new;
			if (!own)
				return 0;
			break;
		}
	return upper ? mmx_path_id(own, (uint16_t)path) : mmx_path_id((uint16_t)(path >> 16), own);
}

static struct ike_binding_path *has(const struct look *k, uint32_t path)
{
	for (unsigned i = 0; i < k->b->n; i++)
		if (k->b->paths[i].id == path)
			return &k->b->paths[i];
	return NULL;
}

/* NULL: there is no room, or no such path. */
static struct ike_binding_path *add(const struct look *k, uint32_t path)
{
	const struct mmx_path_seen *seen = mmx_paths_find(&k->x->paths, path);
	struct ike_binding_path *p = has(k, path);
	struct ike_path addrs;

	if (p || k->b->n == IKE_BINDING_PATHS_MAX || !mmx_path_addrs(k->sa, k->x, path, &addrs))
		return p;
	p = &k->b->paths[k->b->n++];
	*p = (struct ike_binding_path){ .id = path, .path = addrs };
	p->path.ifindex = 0;
	p->verified =
		mmx_verified(k->sa, k->x, path, k->sa->ike->now) || mmx_believed(k->sa, k->x, path);
	p->nat = path_same(&addrs, &k->sa->path) ? k->sa->nat_local || k->sa->nat_remote
		 : seen				 ? seen->nat
						 : false;
	return p;
}

static bool any_verified(const struct look *k)
{
	for (unsigned i = 0; i < k->b->n; i++)
		if (k->b->paths[i].verified)
			return true;
	return false;
}

/* As long as nothing of the binding is verified: where it was, unless that is dead, or else where
 * IKE runs. */
static void add_boot(const struct look *k, const struct mmx_shared *s)
{
	uint32_t ike =
		mmx_path_id(mmx_current(k->sa, k->x, MMX_I), mmx_current(k->sa, k->x, MMX_R));
	bool back = s->was && !s->was_dead;
	uint32_t path = switched(k, back ? s->was : ike);
	struct ike_binding_path *p;

	if (any_verified(k) || !path || (s->was_dead && path == s->was) || (s->b.no_boot && !back))
		return;
	p = add(k, path);
	if (p)
		p->boot = true;
}

static void add_alternates(const struct look *k, const struct mmx_binding *b, enum mmx_owner owner)
{
	struct mmx_lists l = mmx_lists_of(k->x);
	const struct mmx_ends *e = &b->ends[owner], *o = &b->ends[!owner];
	uint16_t alts[MMX_ALTS_MAX];

	for (unsigned i = 0; i < e->n; i++) {
		unsigned n = mmx_binding_alternates(b, &l, owner, e->epid[i], alts);

		for (unsigned j = 0; j < n; j++)
			for (unsigned m = 0; m < o->n; m++) {
				uint32_t path = owner == MMX_I ? mmx_path_id(alts[j], o->epid[m])
							       : mmx_path_id(o->epid[m], alts[j]);
				struct ike_binding_path *p = has(k, path);

				/* the boot path may be what the peer is to be told of */
				if (p && !p->boot)
					continue;
				p = add(k, path);
				if (p)
					p->alternate = true;
			}
	}
}

static void look(const struct ike_sa *sa, const struct mmx *x, const struct mmx_shared *s,
		 struct ike_binding *ret)
{
	struct look k = { sa, x, ret };
	struct mmx_lists l = mmx_lists_of(x);
	uint32_t paths[MMX_PATHS_MAX];
	unsigned n = mmx_binding_paths(&s->b, &l, paths);

	*ret = (struct ike_binding){ .id = s->id };
	for (unsigned i = 0; i < n; i++) {
		uint32_t path = switched(&k, paths[i]);

		if (path)
			add(&k, path);
	}
	add_boot(&k, s);
	add_alternates(&k, &s->b, MMX_I);
	add_alternates(&k, &s->b, MMX_R);
}

static void put_end(struct wr *w, const struct udp_addr *a)
{
	wr_u8(w, a->ip.family);
	wr_bytes(w, a->ip.b, sizeof(a->ip.b));
	wr_u16(w, a->port);
}

static uint64_t print_of(const struct ike_binding *b)
{
	uint8_t octets[IKE_BINDING_PATHS_MAX * PRINT_MAX];
	struct wr w = wr_init(octets, sizeof(octets));

	for (unsigned i = 0; i < b->n; i++) {
		const struct ike_binding_path *p = &b->paths[i];

		wr_u32(&w, p->id);
		put_end(&w, &p->path.local);
		put_end(&w, &p->path.remote);
		wr_u8(&w, (uint8_t)(p->nat | p->verified << 1 | p->boot << 2 | p->alternate << 3));
	}
	return hash_octets(octets, w.len) | 1;
}

/* ---- telling ---- */

uint32_t mmx_told_id(const struct mmx_shared *s)
{
	return s && s->b.own && !s->b.ike ? s->id : 0;
}

static void tell(struct ike *ike, const struct ike_sa *sa, const struct mmx *x,
		 struct mmx_shared *s)
{
	struct ike_binding b = { .id = s->id };
	uint64_t print;

	look(sa, x, s, &b);
	print = print_of(&b);
	if (s->told != print && out_binding(ike, sa, &b))
		s->told = print;
}

uint32_t mmx_tell(struct ike *ike, struct ike_sa *sa, struct mmx_shared *s_or_null)
{
	uint32_t id = mmx_told_id(s_or_null);

	if (!id || !sa->mmx)
		return id;
	tell(ike, sa, sa->mmx, s_or_null);
	if (s_or_null->told)
		return id;
	sa->mmx->rebound = true; /* no memory: later */
	return 0;
}

static void tell_children(struct ike *ike, const struct ike_sa *sa, struct mmx *x)
{
	x->rebound = false;
	hash_for_each (it, tmp, &ike->lines, sa->line) {
		struct ike_sa *any = hash_entry(it, struct ike_sa, by_line);

		list_for_each (jt, &any->children) {
			struct child_sa *c = list_entry(jt, struct child_sa, node);
			uint32_t id = mmx_told_id(c->binding);

			if (!c->installed || c->told_binding == id)
				continue;
			if ((!id || c->binding->told) && out_child_bind(ike, sa, c->id, id))
				c->told_binding = id;
			else
				x->rebound = true;
		}
	}
}

static void tell_gone(struct ike *ike, const struct ike_sa *sa, struct mmx *x)
{
	struct mmx_shared *s;

	while (!list_empty(&x->table.gone)) {
		s = list_entry(x->table.gone.next, struct mmx_shared, in);
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the list has it no more */
		if (!out_binding(ike, sa, &(struct ike_binding){ .id = s->id, .gone = true }))
			return;
		list_remove(&s->in);
		free(s);
	}
}

void mmx_publish(struct ike *ike, struct ike_sa *sa)
{
	struct mmx *x = sa->mmx;

	if (!x)
		return;
	x->unpublished = false;
	if (x->n_transport)
		mmx_transport_follow(ike, sa);
	list_for_each (it, &x->table.all) {
		struct mmx_shared *s = list_entry(it, struct mmx_shared, in);

		if (mmx_told_id(s))
			tell(ike, sa, x, s);
	}
	if (x->rebound)
		tell_children(ike, sa, x);
	if (!x->rebound)
		tell_gone(ike, sa, x);
}

void mmx_publish_list(struct ike *ike, struct ike_sa *sa)
{
	struct mmx *x = sa->mmx;

	x->unpublished = true;
	if (mmx_publish_at(x) > ike->now) {
		ike_sa_touch(sa);
		return;
	}
	x->listed_at = ike->now;
	mmx_publish(ike, sa);
}

usec_t mmx_publish_at(const struct mmx *x)
{
	return x->unpublished ? x->listed_at + LISTS_GAP : USEC_NEVER;
}

void mmx_publish_tick(struct ike *ike, struct ike_sa *sa)
{
	if (mmx_publish_at(sa->mmx) > ike->now)
		return;
	sa->mmx->listed_at = ike->now;
	mmx_publish(ike, sa);
}

/* ---- looking in ---- */

const struct mmx_shared *ike_mmx_next(const struct ike *ike, uint64_t line,
				      const struct mmx_shared *s_or_null)
{
	const struct ike_sa *sa = line_owner(ike, line);
	const struct list *it;

	if (!sa || !sa->mmx)
		return NULL;
	it = s_or_null ? s_or_null->in.next : sa->mmx->table.all.next;
	while (it != &sa->mmx->table.all) {
		const struct mmx_shared *s = list_entry(it, struct mmx_shared, in);

		if (mmx_told_id(s))
			return s;
		it = it->next;
	}
	return NULL;
}

static unsigned following(const struct ike *ike, const struct ike_sa *sa)
{
	unsigned n = 0;

	hash_for_each (it, tmp, &ike->lines, sa->line)
		list_for_each (jt, &hash_entry(it, struct ike_sa, by_line)->children) {
			const struct child_sa *c = list_entry(jt, struct child_sa, node);

			n += c->installed && !mmx_told_id(c->binding);
		}
	return n;
}

void ike_mmx_look(const struct ike *ike, uint64_t line, const struct mmx_shared *s_or_null,
		  struct ike_binding *ret_b, unsigned *ret_sas)
{
	const struct ike_sa *sa = line_owner(ike, line);
	const struct mmx *x = sa ? sa->mmx : NULL;

	*ret_b = (struct ike_binding){ .id = s_or_null ? s_or_null->id : 0 };
	*ret_sas = s_or_null ? s_or_null->refs : 0;
	if (!x)
		return;
	if (s_or_null) {
		look(sa, x, s_or_null, ret_b);
		return;
	}
	*ret_sas = following(ike, sa);
	add(&(struct look){ sa, x, ret_b },
	    mmx_path_id(mmx_current(sa, x, MMX_I), mmx_current(sa, x, MMX_R)));
}
