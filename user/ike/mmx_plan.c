/* SPDX-License-Identifier: GPL-2.0-only */
/* Which step is next: see ike/mmx_plan.h. What is lost comes before what is better: a dead endpoint
 * of the IKE SA, then those of Child SAs, then what does not answer, then what is missing. */
#include <string.h>

#include "ike/mmx_plan.h"

enum { ENDS_MAX = MMX_SIDE_MAX };

/* The endpoints of a binding. */
struct ends {
	uint8_t n;
	uint16_t epid[ENDS_MAX];
};

struct look {
	const struct mmx_plan *p;
	struct mmx_step *step;
	const struct ike_binding *b; /* of which own and peer are */
	struct ends own, peer;
};

static uint16_t own_of(const struct mmx_plan *p, uint32_t path)
{
	return (uint16_t)(p->we_are_i ? path >> 16 : path);
}

static uint16_t peer_of(const struct mmx_plan *p, uint32_t path)
{
	return (uint16_t)(p->we_are_i ? path : path >> 16);
}

static uint32_t path_of(const struct mmx_plan *p, uint16_t own, uint16_t peer)
{
	return p->we_are_i ? (uint32_t)own << 16 | peer : (uint32_t)peer << 16 | own;
}

static bool has(const struct ends *e, uint16_t epid)
{
	for (unsigned i = 0; i < e->n; i++)
		if (e->epid[i] == epid)
			return true;
	return false;
}

static void put(struct ends *e, uint16_t epid)
{
	if (!has(e, epid) && e->n < ENDS_MAX)
		e->epid[e->n++] = epid;
}

static void look_at(struct look *k, const struct ike_binding *b)
{
	k->b = b;
	k->own.n = k->peer.n = 0;
	for (unsigned i = 0; i < b->n; i++) {
		if (b->paths[i].boot || b->paths[i].alternate)
			continue;
		put(&k->own, own_of(k->p, b->paths[i].id));
		put(&k->peer, peer_of(k->p, b->paths[i].id));
	}
	if (!b->id && !k->own.n) {
		put(&k->own, k->p->ike_own);
		put(&k->peer, k->p->ike_peer);
	}
}

static const struct mmx_plan_end *find(const struct mmx_plan_end *e, unsigned n, uint16_t epid)
{
	for (unsigned i = 0; i < n; i++)
		if (e[i].epid == epid)
			return &e[i];
	return NULL;
}

static const struct mmx_plan_end *own_end(const struct mmx_plan *p, uint16_t epid)
{
	return find(p->own, p->n_own, epid);
}

static bool own_up(const struct mmx_plan *p, uint16_t epid)
{
	const struct mmx_plan_end *e = own_end(p, epid);

	return e && e->up;
}

/* An endpoint of the peer's that packets of that family could go to; 0: none. */
static uint16_t partner(const struct look *k, uint8_t family)
{
	for (unsigned i = 0; i < k->peer.n; i++) {
		const struct mmx_plan_end *e = find(k->p->peer, k->p->n_peer, k->peer.epid[i]);

		if (e && e->family == family)
			return e->epid;
	}
	return 0;
}

static uint8_t as_seen(const struct mmx_plan *p, uint16_t epid)
{
	const struct mmx_plan_end *e = own_end(p, epid);

	return e && e->nat ? MMX_EP_AS_OBSERVED : 0;
}

/* Of those it could go to one that is known to work, else one that is not known to be silent. */
static enum mmx_path_state best_state(const struct look *k, const struct mmx_plan_end *own,
				      uint16_t *ret_peer)
{
	enum mmx_path_state best = MMX_PATH_SILENT;

	*ret_peer = partner(k, own->family);
	for (unsigned i = 0; i < k->peer.n; i++) {
		const struct mmx_plan_end *e = find(k->p->peer, k->p->n_peer, k->peer.epid[i]);
		enum mmx_path_state s;

		if (!e || e->family != own->family)
			continue;
		s = k->p->state(k->p->ctx, path_of(k->p, own->epid, e->epid));
		if (s == MMX_PATH_WORKS || (s == MMX_PATH_UNTRIED && best != MMX_PATH_WORKS) ||
		    (s == MMX_PATH_WAITING && best == MMX_PATH_SILENT)) {
			best = s;
			*ret_peer = e->epid;
		}
		if (best == MMX_PATH_WORKS)
			break;
	}
	return best;
}

/* ---- actions ---- */

static bool can(const struct mmx_plan *p, uint32_t cap)
{
	return (p->caps & cap) == cap;
}

static bool barred(const struct mmx_plan *p, uint8_t code, uint16_t old, uint16_t new)
{
	return p->barred(p->ctx, code, old, new);
}

static struct mmx_action *ask(const struct look *k, uint8_t code, uint8_t flags, const char *why)
{
	struct mmx_step *s = k->step;

	*s = (struct mmx_step){ .kind = MMX_STEP_ASK, .why = why };
	s->action.code = code;
	s->action.flags = flags;
	return &s->action;
}

static void put_ep(struct mmx_step *s, uint8_t role, uint8_t side, uint16_t epid, uint8_t flags)
{
	mmx_add(&s->action.tlvs, MMX_TLV_EP)->ep =
		(struct mmx_ep){ .role = role, .side = side, .epid = epid, .flags = flags };
	if (role == MMX_ROLE_OLD)
		s->old = epid;
	if (role == MMX_ROLE_NEW && !s->new)
		s->new = epid;
	s->peers = side;
}

static void put_sel(struct mmx_step *s, uint8_t kind)
{
	mmx_add(&s->action.tlvs, MMX_TLV_SEL)->sel = (struct mmx_sel){ .kind = kind };
}

static bool step_probe(const struct look *k, uint16_t own, uint16_t peer, const char *why)
{
	*k->step = (struct mmx_step){
		.kind = MMX_STEP_PROBE,
		.path = path_of(k->p, own, peer),
		.why = why,
	};
	return true;
}

/* ---- what has been lost ---- */

/* Of ours that are up the first that may take the place of old: of a family that the peer's have,
 * one that works before one that nobody knows of. NULL: none. */
static const struct mmx_plan_end *substitute(const struct look *k, uint8_t code, uint16_t old)
{
	const struct mmx_plan_end *untried = NULL, *backup = NULL;

	for (unsigned i = 0; i < k->p->n_own; i++) {
		const struct mmx_plan_end *e = &k->p->own[i];
		uint16_t peer;
		enum mmx_path_state s;

		if (!e->up || e->epid == old || !partner(k, e->family) ||
		    barred(k->p, code, old, e->epid))
			continue;
		s = best_state(k, e, &peer);
		if (s == MMX_PATH_SILENT)
			continue;
		if (e->backup)
			backup = backup ? backup : e;
		else if (s == MMX_PATH_WORKS)
			return e;
		else
			untried = untried ? untried : e;
	}
	return untried ? untried : backup;
}

static const struct ike_binding *binding_of(const struct mmx_plan *p, uint32_t id)
{
	for (unsigned i = 0; i < p->n_bindings; i++)
		if (p->bindings[i].id == id)
			return &p->bindings[i];
	return NULL;
}

/* The one that it uses of ours; 0: none, or several. */
static uint16_t at(struct look *k, const struct mmx_plan_child *c)
{
	const struct ike_binding *b = binding_of(k->p, c->binding);

	if (!b)
		return 0;
	look_at(k, b);
	return k->own.n == 1 ? k->own.epid[0] : 0;
}

/* Transport mode: the uplink of those on old has another address now, and that is where they
 * belong; from that of another uplink nothing of theirs would be sent. NULL: it has none. */
static const struct mmx_plan_end *readdressed(const struct look *k, uint16_t old)
{
	struct look other = *k;

	for (unsigned i = 0; i < k->p->n_children; i++) {
		const struct mmx_plan_child *c = &k->p->children[i];
		const struct mmx_plan_end *e = own_end(k->p, c->home);
		uint16_t peer;

		if (c->transport && e && e->up && e->epid != old && at(&other, c) == old &&
		    partner(&other, e->family) && !barred(k->p, MMX_UPDATE, old, e->epid) &&
		    best_state(&other, e, &peer) != MMX_PATH_SILENT)
			return e;
	}
	return NULL;
}

/* The address that IKE uses is gone: IKE, what follows it and what is bound to the same move with
 * one request, which comes from the new one; but for what goes elsewhere by the next. */
static bool ike_lost(struct look *k)
{
	const struct mmx_plan *p = k->p;
	const struct mmx_plan_end *to, *with;
	struct ike_binding ike = { 0 };

	if (!p->ike_own || own_up(p, p->ike_own) || !can(p, MMX_CAP_UPDATE))
		return false;
	look_at(k, &ike);
	to = substitute(k, MMX_UPDATE, p->ike_own);
	if (!to)
		return false;
	ask(k, MMX_UPDATE, MMX_ACTION_HARD, "the address of the IKE SA is gone");
	put_ep(k->step, MMX_ROLE_OLD, 0, p->ike_own, 0);
	put_ep(k->step, MMX_ROLE_NEW, 0, to->epid, MMX_EP_HERE);
	put_sel(k->step, MMX_SEL_IKE);
	with = readdressed(k, p->ike_own);
	if (!with || with == to)
		put_sel(k->step, MMX_SEL_OLD);
	return true;
}

static bool any_own_up(const struct look *k)
{
	for (unsigned i = 0; i < k->own.n; i++) {
		const struct mmx_plan_end *e = own_end(k->p, k->own.epid[i]);

		if (e && e->up && partner(k, e->family))
			return true;
	}
	return false;
}

static bool step_update(struct look *k, uint16_t old, uint16_t new, uint8_t flags, const char *why)
{
	ask(k, MMX_UPDATE, flags, why);
	put_ep(k->step, MMX_ROLE_OLD, 0, old, 0);
	put_ep(k->step, MMX_ROLE_NEW, 0, new, as_seen(k->p, new));
	put_sel(k->step, MMX_SEL_OLD);
	return true;
}

/* Also onto one that another SA has, with the same selectors maybe (MMX 7.2): the SA stays until
 * its own is back. DEL_IF is for what is not wanted any more. */
static bool own_lost(struct look *k, uint16_t old)
{
	const struct mmx_plan_end *to;

	if (any_own_up(k) && can(k->p, MMX_CAP_ADDREMOVE)) {
		if (barred(k->p, MMX_REMOVE, old, 0))
			return false;
		ask(k, MMX_REMOVE, MMX_ACTION_HARD, "its address or link is gone");
		put_ep(k->step, MMX_ROLE_OLD, 0, old, 0);
		put_sel(k->step, MMX_SEL_OLD);
		return true;
	}
	if (!can(k->p, MMX_CAP_UPDATE))
		return false;
	to = readdressed(k, old);
	to = to ? to : substitute(k, MMX_UPDATE, old);
	return to && step_update(k, old, to->epid, MMX_ACTION_HARD, "its address or link is gone");
}

/* All Child SAs on that endpoint are for what is not to be used any more, and others stay. */
static bool retired(const struct look *k, uint16_t old)
{
	struct look other = *k;
	bool all = false, stay = false;

	for (unsigned i = 0; i < k->p->n_children; i++) {
		const struct mmx_plan_child *c = &k->p->children[i];

		if (at(&other, c) == old && !c->retired)
			return false;
		all |= c->retired && at(&other, c) == old;
		stay |= !c->retired;
	}
	return all && stay;
}

static bool delete_interface(struct look *k, uint16_t old)
{
	if (k->p->tunnels != IKE_TUNNELS_EACH || !can(k->p, MMX_CAP_DELIF) || !retired(k, old) ||
	    barred(k->p, MMX_DEL_IF, old, 0))
		return false;
	ask(k, MMX_DEL_IF, 0, "its uplink is not configured any more");
	put_ep(k->step, MMX_ROLE_OLD, 0, old, 0);
	return true;
}

/* Explicit ones; what inherits moves with the IKE SA. */
static bool lost(struct look *k)
{
	for (unsigned i = 0; i < k->p->n_bindings; i++) {
		if (!k->p->bindings[i].id)
			continue;
		look_at(k, &k->p->bindings[i]);
		for (unsigned e = 0; e < k->own.n; e++)
			if (!own_up(k->p, k->own.epid[e]) &&
			    (delete_interface(k, k->own.epid[e]) || own_lost(k, k->own.epid[e])))
				return true;
	}
	return false;
}

/* ---- what does not answer ---- */

static bool ike_to(const struct look *k, bool peers, uint16_t old, uint16_t new)
{
	if (barred(k->p, MMX_UPDATE, old, new))
		return false;
	ask(k, MMX_UPDATE, MMX_ACTION_HARD, "IKE gets no answers there");
	put_ep(k->step, MMX_ROLE_OLD, peers, old, 0);
	put_ep(k->step, MMX_ROLE_NEW, peers, new, peers ? 0 : MMX_EP_HERE);
	put_sel(k->step, MMX_SEL_IKE);
	return true;
}

/* Its Child SAs have other paths, or go along. R changes nothing of the peer's, and of its own what
 * was agreed on. */
static bool ike_silent(const struct look *k)
{
	const struct mmx_plan *p = k->p;

	if (!p->ike_own || !p->ike_peer || !can(p, MMX_CAP_UPDATE) ||
	    p->state(p->ctx, path_of(p, p->ike_own, p->ike_peer)) != MMX_PATH_SILENT)
		return false;
	for (unsigned i = 0; (p->we_are_i || can(p, MMX_CAP_RESP_MOVE)) && i < p->n_own; i++)
		if (p->own[i].up && p->own[i].epid != p->ike_own &&
		    p->state(p->ctx, path_of(p, p->own[i].epid, p->ike_peer)) == MMX_PATH_WORKS)
			return ike_to(k, false, p->ike_own, p->own[i].epid);
	for (unsigned i = 0; p->we_are_i && i < p->n_peer; i++)
		if (p->peer[i].up && p->peer[i].epid != p->ike_peer &&
		    p->state(p->ctx, path_of(p, p->ike_own, p->peer[i].epid)) == MMX_PATH_WORKS)
			return ike_to(k, true, p->ike_peer, p->peer[i].epid);
	return false;
}

static bool all_silent(const struct look *k)
{
	bool any = false;

	for (unsigned i = 0; i < k->b->n; i++) {
		const struct ike_binding_path *path = &k->b->paths[i];

		if (path->boot || path->alternate)
			continue;
		if (k->p->state(k->p->ctx, path->id) != MMX_PATH_SILENT)
			return false;
		any = true;
	}
	return any;
}

/* The alternates are told best first; one that works over what is up here. */
static bool fail_over(struct look *k)
{
	for (unsigned i = 0; i < k->b->n; i++) {
		const struct ike_binding_path *alt = &k->b->paths[i];
		uint16_t own = own_of(k->p, alt->id), peer = peer_of(k->p, alt->id);
		bool theirs = !has(&k->peer, peer);

		if (!alt->alternate || !own_up(k->p, own) ||
		    k->p->state(k->p->ctx, alt->id) != MMX_PATH_WORKS)
			continue;
		if (!theirs && can(k->p, MMX_CAP_UPDATE) &&
		    !barred(k->p, MMX_UPDATE, k->own.epid[0], own))
			return step_update(k, k->own.epid[0], own, MMX_ACTION_HARD,
					   "nobody answers on it");
		if (!theirs || !has(&k->own, own) || !can(k->p, MMX_CAP_ALT) ||
		    barred(k->p, MMX_FAILOVER, k->peer.epid[0], peer))
			continue;
		ask(k, MMX_FAILOVER, 0, "nobody answers on it");
		put_ep(k->step, MMX_ROLE_OLD, 1, k->peer.epid[0], 0);
		put_ep(k->step, MMX_ROLE_NEW, 1, peer, 0);
		put_sel(k->step, MMX_SEL_OLD);
		return true;
	}
	return false;
}

/* An alternate that nobody has asked yet may be the way out. */
static bool try_alternates(struct look *k)
{
	for (unsigned i = 0; i < k->b->n; i++) {
		const struct ike_binding_path *alt = &k->b->paths[i];

		if (alt->alternate && own_up(k->p, own_of(k->p, alt->id)) &&
		    k->p->state(k->p->ctx, alt->id) == MMX_PATH_UNTRIED)
			return step_probe(k, own_of(k->p, alt->id), peer_of(k->p, alt->id),
					  "the others do not answer");
	}
	return false;
}

static bool silent(struct look *k)
{
	for (unsigned i = 0; i < k->p->n_bindings; i++) {
		if (!k->p->bindings[i].id)
			continue;
		look_at(k, &k->p->bindings[i]);
		if (all_silent(k) && (fail_over(k) || try_alternates(k)))
			return true;
	}
	return false;
}

/* ---- shared: what is missing ---- */

static bool bound_everywhere(const struct look *k, bool peers, uint16_t epid)
{
	struct look other = *k;

	for (unsigned i = 0; i < k->p->n_bindings; i++) {
		look_at(&other, &k->p->bindings[i]);
		if (!has(peers ? &other.peer : &other.own, epid))
			return false;
	}
	return true;
}

static bool add(struct look *k, bool peers, uint16_t epid, const char *why)
{
	ask(k, MMX_ADD, 0, why);
	put_ep(k->step, MMX_ROLE_NEW, peers, epid, peers ? 0 : as_seen(k->p, epid));
	put_sel(k->step, MMX_SEL_ALL);
	return true;
}

static bool add_own(struct look *k)
{
	for (unsigned i = 0; i < k->p->n_own; i++) {
		const struct mmx_plan_end *e = &k->p->own[i];
		enum mmx_path_state s;
		uint16_t peer;

		if (!e->up || e->backup || !partner(k, e->family) ||
		    bound_everywhere(k, false, e->epid) || barred(k->p, MMX_ADD, 0, e->epid) ||
		    k->own.n >= ENDS_MAX)
			continue;
		s = best_state(k, e, &peer);
		if (s == MMX_PATH_WORKS)
			return add(k, false, e->epid, "another uplink is there");
		if (s == MMX_PATH_UNTRIED)
			return step_probe(k, e->epid, peer, "another uplink is there");
	}
	return false;
}

static const struct mmx_plan_end *own_for(const struct look *k, uint8_t family)
{
	for (unsigned i = 0; i < k->own.n; i++) {
		const struct mmx_plan_end *e = own_end(k->p, k->own.epid[i]);

		if (e && e->up && e->family == family)
			return e;
	}
	return NULL;
}

static bool add_peers(struct look *k)
{
	for (unsigned i = 0; i < k->p->n_peer; i++) {
		const struct mmx_plan_end *e = &k->p->peer[i], *own = own_for(k, e->family);
		enum mmx_path_state s;

		if (!own || !e->up || e->backup || bound_everywhere(k, true, e->epid) ||
		    barred(k->p, MMX_ADD, 0, e->epid) || k->peer.n >= ENDS_MAX)
			continue;
		s = k->p->state(k->p->ctx, path_of(k->p, own->epid, e->epid));
		if (s == MMX_PATH_WORKS)
			return add(k, true, e->epid, "the peer has another interface");
		if (s == MMX_PATH_UNTRIED)
			return step_probe(k, own->epid, e->epid, "the peer has another interface");
	}
	return false;
}

static bool shared_missing(struct look *k)
{
	for (unsigned i = 0; i < k->p->n_bindings; i++) {
		look_at(k, &k->p->bindings[i]);
		if (add_own(k) || add_peers(k))
			return true;
	}
	return false;
}

/* ---- each: an endpoint of ours without SAs ---- */

/* One of that service is for that endpoint; or any, with its inner address. */
static const struct mmx_plan_child *at_home(const struct mmx_plan *p, uint16_t epid,
					    const struct mmx_plan_child *like_or_null)
{
	for (unsigned i = 0; i < p->n_children; i++)
		if (p->children[i].home == epid &&
		    (!like_or_null || p->children[i].service == like_or_null->service))
			return &p->children[i];
	return NULL;
}

/* Every service that another endpoint has? */
static bool has_all(const struct mmx_plan *p, uint16_t epid)
{
	for (unsigned i = 0; i < p->n_children; i++)
		if (!p->children[i].retired && !at_home(p, epid, &p->children[i]))
			return false;
	return true;
}

static void put_spi(struct mmx_step *s, unsigned *n, uint32_t spi)
{
	for (unsigned b = 0; b < 4; b++)
		s->spis[4 * *n + b] = (uint8_t)(spi >> (24 - 8 * b));
	++*n;
}

/* All that are at `from` and belong to `to`. */
static bool go_home(struct look *k, uint16_t from, uint16_t to)
{
	const struct mmx_plan *p = k->p;
	struct look other = *k;
	unsigned n = 0;

	ask(k, MMX_UPDATE, 0, "its uplink is back");
	put_ep(k->step, MMX_ROLE_OLD, 0, from, 0);
	put_ep(k->step, MMX_ROLE_NEW, 0, to, as_seen(p, to));
	for (unsigned i = 0; i < p->n_children && n < MMX_PLAN_SPIS_MAX; i++)
		if (p->children[i].home == to && at(&other, &p->children[i]) == from)
			put_spi(k->step, &n, p->children[i].spi);
	mmx_add(&k->step->action.tlvs, MMX_TLV_SEL)->sel = (struct mmx_sel){
		.kind = MMX_SEL_SPIS, .protocol = PROTO_ESP, .spis = { k->step->spis, 4 * n }
	};
	return true;
}

/* Those that stand elsewhere while their own is there again. */
static bool strayed(struct look *k)
{
	for (unsigned i = 0; i < k->p->n_children; i++) {
		const struct mmx_plan_child *c = &k->p->children[i];
		const struct mmx_plan_end *home = own_end(k->p, c->home);
		uint16_t from = at(k, c), peer;
		enum mmx_path_state s;

		if (!from || !home || !home->up || from == home->epid ||
		    !partner(k, home->family) || !can(k->p, MMX_CAP_UPDATE) ||
		    barred(k->p, MMX_UPDATE, from, home->epid))
			continue;
		s = best_state(k, home, &peer);
		if (s == MMX_PATH_WORKS)
			return go_home(k, from, home->epid);
		if (s == MMX_PATH_UNTRIED)
			return step_probe(k, home->epid, peer, "an uplink is back");
	}
	return false;
}

/* What only transport mode is derived from has no inner address. */
static bool needs_inner(const struct mmx_plan *p)
{
	for (unsigned i = 0; i < p->n_children; i++)
		if (!p->children[i].transport)
			return true;
	return !p->n_children;
}

static bool add_interface(struct look *k, const struct mmx_plan_end *e, uint16_t peer)
{
	const struct mmx_plan_child *there = at_home(k->p, e->epid, NULL);
	bool inner = needs_inner(k->p);

	if (inner && there && !there->inner.family)
		return false;
	if (!can(k->p, MMX_CAP_DERIVE) || barred(k->p, MMX_ADD_IF, 0, e->epid))
		return false;
	ask(k, MMX_ADD_IF, 0, "another uplink is there");
	put_ep(k->step, MMX_ROLE_NEW, 0, e->epid, as_seen(k->p, e->epid));
	put_ep(k->step, MMX_ROLE_TO, 1, peer, 0);
	k->step->peers = false;
	k->step->to = peer;
	if (inner)
		put_ep(k->step, MMX_ROLE_INNER_NEW, 0, 0, there ? 0 : MMX_EP_ASSIGN);
	if (inner && there)
		k->step->action.tlvs.t[k->step->action.tlvs.n - 1].ep.addr = there->inner;
	return true;
}

/* Where those of ours that are without tunnels will have theirs: what one of them is to have does
 * not depend on whose probe is answered first. */
struct chosen {
	unsigned n;
	uint16_t peer[MMX_IFACES_MAX];
};

/* The endpoint of the peer's that has the fewest of our tunnels, of those that may work. */
static enum mmx_path_state peer_for(const struct look *k, const struct mmx_plan_end *own,
				    const struct chosen *before, uint16_t *ret_peer)
{
	enum mmx_path_state found = MMX_PATH_SILENT;
	unsigned least = UINT32_MAX;
	struct look other = *k;

	for (unsigned i = 0; i < k->p->n_peer; i++) {
		const struct mmx_plan_end *e = &k->p->peer[i];
		enum mmx_path_state s = k->p->state(k->p->ctx, path_of(k->p, own->epid, e->epid));
		unsigned n = 0;

		if (!e->up || e->backup || e->family != own->family || s == MMX_PATH_SILENT)
			continue;
		for (unsigned b = 0; b < k->p->n_bindings; b++) {
			look_at(&other, &k->p->bindings[b]);
			n += has(&other.peer, e->epid);
		}
		for (unsigned c = 0; c < before->n; c++)
			n += before->peer[c] == e->epid;
		if (n >= least)
			continue;
		least = n;
		found = s;
		*ret_peer = e->epid;
	}
	return found;
}

/* Where the others of that endpoint go; false: there are none. */
static bool goes_with(struct look *k, const struct mmx_plan_end *own, uint16_t *ret_peer)
{
	const struct mmx_plan_child *there = at_home(k->p, own->epid, NULL);
	const struct ike_binding *b = there ? binding_of(k->p, there->binding) : NULL;

	if (!b)
		return false;
	look_at(k, b);
	*ret_peer = k->peer.n ? k->peer.epid[0] : 0;
	return k->peer.n;
}

static bool each_missing(struct look *k)
{
	struct chosen chosen = { .n = 0 };

	for (unsigned i = 0; i < k->p->n_own; i++) {
		const struct mmx_plan_end *e = &k->p->own[i];
		enum mmx_path_state s;
		uint16_t peer = 0;

		if (!e->up || e->backup || has_all(k->p, e->epid) ||
		    barred(k->p, MMX_ADD_IF, 0, e->epid))
			continue;
		s = goes_with(k, e, &peer) ? k->p->state(k->p->ctx, path_of(k->p, e->epid, peer))
					   : peer_for(k, e, &chosen, &peer);
		if (s == MMX_PATH_UNTRIED)
			return step_probe(k, e->epid, peer, "an uplink has no tunnel");
		if (s == MMX_PATH_WORKS && add_interface(k, e, peer))
			return true;
		if (peer && chosen.n < MMX_IFACES_MAX)
			chosen.peer[chosen.n++] = peer;
	}
	return false;
}

/* ---- NATs of ours ---- */

/* Each path has a mapping of its own, alternates too, and only we can open it. */
static bool unopened(struct look *k)
{
	for (unsigned i = 0; i < k->p->n_bindings; i++)
		for (unsigned n = 0; n < k->p->bindings[i].n; n++) {
			const struct ike_binding_path *path = &k->p->bindings[i].paths[n];
			const struct mmx_plan_end *own = own_end(k->p, own_of(k->p, path->id));

			if (!own || !own->up || !own->nat || k->p->opened(k->p->ctx, path->id))
				continue;
			step_probe(k, own->epid, peer_of(k->p, path->id), "it is behind a NAT");
			k->step->keep = true;
			return true;
		}
	return false;
}

/* What stands by is asked now and then: a token of the peer's is at hand then, and when it is
 * needed the peer need not ask. */
static bool stands_by(struct look *k)
{
	for (unsigned i = 0; can(k->p, MMX_CAP_TOKEN) && i < k->p->n_own; i++) {
		const struct mmx_plan_end *e = &k->p->own[i];

		for (unsigned b = 0; e->up && e->backup && b < k->p->n_bindings; b++) {
			uint16_t peer;

			look_at(k, &k->p->bindings[b]);
			peer = partner(k, e->family);
			if (peer && !has(&k->own, e->epid) &&
			    !k->p->fresh(k->p->ctx, path_of(k->p, e->epid, peer)))
				return step_probe(k, e->epid, peer, "it stands by");
		}
	}
	return false;
}

void mmx_plan_next(const struct mmx_plan *p, struct mmx_step *ret)
{
	struct look k = { .p = p, .step = ret };

	*ret = (struct mmx_step){ .kind = MMX_STEP_NONE };
	if (!p->n_bindings || ike_lost(&k) || lost(&k) || ike_silent(&k) || silent(&k) ||
	    unopened(&k) || !p->we_are_i)
		return;
	if (p->tunnels == IKE_TUNNELS_SHARED ? !shared_missing(&k)
					     : !strayed(&k) && !each_missing(&k))
		stands_by(&k);
}
