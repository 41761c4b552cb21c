/* SPDX-License-Identifier: GPL-2.0-only */
/* Transport mode (MMX 9): selectors are the addresses of the endpoints that an SA is bound to.
 *
 * So a binding that changes changes selectors, at both ends and in one step, if policy lets the
 * peer have them: what its identity may use is what its connection names (PAD), and one of that
 * connection's Child SAs of transport mode has to cover them (SPD), with algorithms that it takes.
 * Ports and protocols stay. Each end has the addresses as it sees them, behind a NAT too.
 */
#include <stdlib.h>
#include <string.h>

#include "crypto/alg.h"
#include "mmx.h"

struct addrs {
	unsigned n;
	struct addr a[IKE_TS_MAX];
};

static void add(struct addrs *s, const struct addr *a)
{
	for (unsigned i = 0; i < s->n; i++)
		if (addr_equal(&s->a[i], a))
			return;
	if (s->n < IKE_TS_MAX && a->family)
		s->a[s->n++] = *a;
}

/* ---- addresses of endpoints ---- */

static void add_own(const struct ike_sa *sa, uint16_t epid, struct addrs *s)
{
	const struct mmx_iface_ep *ep =
		sa->mmx ? mmx_list_had_ep(&sa->mmx->list[mmx_we(sa)], epid) : NULL;

	if (ep)
		add(s, &ep->addr);
	else if (epid >= IKE_MMX_OWN_NUMBERS)
		add(s, &sa->path.local.ip);
}

/* As it is seen, from an endpoint of ours that it forms a path with. */
static void add_peers(const struct ike_sa *sa, const struct mmx_ends *own, uint16_t epid,
		      struct addrs *s)
{
	const struct mmx_iface_ep *ep = mmx_list_had_ep(&sa->mmx->list[mmx_peer(sa)], epid);
	struct ike_path path;

	for (unsigned i = 0; i < own->n; i++) {
		uint32_t id = mmx_we(sa) == MMX_I ? mmx_path_id(own->epid[i], epid)
						  : mmx_path_id(epid, own->epid[i]);

		if (mmx_path_addrs(sa, sa->mmx, id, &path)) {
			add(s, &path.remote.ip);
			return;
		}
	}
	if (ep)
		add(s, &ep->addr);
}

/* One that is dead has another in its place before the peer has heard of it. */
static uint16_t in_place_of(const struct mmx *x, uint16_t own)
{
	for (unsigned i = 0; i < x->n_hard; i++)
		if (x->hard[i].old == own && x->hard[i].new)
			return x->hard[i].new;
	return own;
}

static void addrs_of(const struct ike_sa *sa, const struct mmx_binding *b, struct addrs *ret_own,
		     struct addrs *ret_peer)
{
	const struct mmx_binding *from = b->own ? b : &sa->mmx->ike->b;
	const struct mmx_ends *own = &from->ends[mmx_we(sa)], *peer = &from->ends[mmx_peer(sa)];
	unsigned n_own = b->own ? own->n : 1, n_peer = b->own ? peer->n : 1;

	ret_own->n = ret_peer->n = 0;
	for (unsigned i = 0; i < n_own; i++)
		add_own(sa, in_place_of(sa->mmx, own->epid[i]), ret_own);
	for (unsigned i = 0; i < n_peer; i++)
		add_peers(sa, own, peer->epid[i], ret_peer);
}

/* ---- selectors with addresses ---- */

static bool covers(const struct ike_ts *t, const struct addr *a)
{
	return t->dynamic || (t->first.family == a->family && addr_cmp(&t->first, a) <= 0 &&
			      addr_cmp(a, &t->last) <= 0);
}

/* What is configured, as far as it is about these. */
static uint8_t configured(const struct ike_ts *cfg, uint8_t n, const struct addrs *s,
			  struct ike_ts out[IKE_TS_MAX])
{
	uint8_t k = 0;

	for (unsigned i = 0; i < s->n; i++)
		for (unsigned j = 0; j < n && k < IKE_TS_MAX; j++) {
			if (!covers(&cfg[j], &s->a[i]))
				continue;
			out[k] = cfg[j];
			out[k].dynamic = false;
			out[k].first = out[k].last = s->a[i];
			k++;
		}
	return k;
}

static bool is_first_of_its_ports(const struct ike_ts *ts, unsigned at)
{
	for (unsigned i = 0; i < at; i++)
		if (ts[i].protocol == ts[at].protocol && ts[i].port_first == ts[at].port_first &&
		    ts[i].port_last == ts[at].port_last)
			return false;
	return true;
}

/* The same protocols and ports, with these. 0: that is more than an SA has. */
static uint8_t moved(const struct ike_ts *ts, uint8_t n, const struct addrs *s,
		     struct ike_ts out[IKE_TS_MAX])
{
	uint8_t k = 0;

	for (unsigned i = 0; i < s->n; i++)
		for (unsigned j = 0; j < n; j++) {
			if (!is_first_of_its_ports(ts, j))
				continue;
			if (k == IKE_TS_MAX)
				return 0;
			out[k] = ts[j];
			out[k].first = out[k].last = s->a[i];
			k++;
		}
	return k;
}

static bool single(const struct ike_ts *ts, uint8_t n)
{
	for (unsigned i = 0; i < n; i++)
		if (!addr_equal(&ts[i].first, &ts[i].last))
			return false;
	return n;
}

static bool same_ts(const struct ike_ts *a, uint8_t n_a, const struct ike_ts *b, uint8_t n_b)
{
	return n_a == n_b && ts_all_within(a, n_a, b, n_b) && ts_all_within(b, n_b, a, n_a);
}

/* ---- a new Child SA ---- */

static bool speaks(const struct ike_sa *sa)
{
	return sa->mmx && sa->mmx->deal.caps & MMX_CAP_TRANSPORT;
}

/* Ours that the wish names. In IKE_AUTH nothing is announced yet. */
static void wished_own(const struct ike_sa *sa, const struct mmx_wish *w, struct addrs *s,
		       struct mmx_ends *ret)
{
	const struct tally *t = sa->conn->tally;

	ret->n = 0;
	for (unsigned i = 0; i < w->w.n_own; i++) {
		ret->epid[ret->n++] = w->w.own[i];
		for (unsigned k = 0; !sa->mmx && k < t->n_ifaces; k++)
			for (unsigned m = 0; m < t->ifaces[k].n; m++)
				if (t->ifaces[k].ep[m].epid == w->w.own[i])
					add(s, &t->ifaces[k].ep[m].addr);
		add_own(sa, w->w.own[i], s);
	}
	if (s->n)
		return;
	add(s, &sa->path.local.ip);
	if (sa->mmx)
		ret->epid[ret->n++] = mmx_current(sa, sa->mmx, mmx_we(sa));
}

bool mmx_transport_offer(const struct ike_sa *sa, const struct mmx_wish *w,
			 const struct ike_child_cfg *cfg, struct child_deal *d)
{
	struct addrs own = { .n = 0 }, peer = { .n = 0 };
	struct mmx_ends ours;

	if (sa->mmx ? !speaks(sa) : !mmx_wanted(sa))
		return false;
	wished_own(sa, w, &own, &ours);
	for (unsigned i = 0; sa->mmx && i < w->w.n_peer; i++)
		add_peers(sa, &ours, w->w.peer[i], &peer);
	if (!peer.n) {
		const struct mmx_list *l = sa->mmx ? &sa->mmx->list[mmx_peer(sa)] : NULL;

		add(&peer, &sa->path.remote.ip);
		for (unsigned i = 0; l && i < l->n; i++)
			for (unsigned k = 0; k < l->iface[i].n; k++)
				add_peers(sa, &ours, l->iface[i].ep[k].epid, &peer);
	}
	d->n_ts_local = configured(cfg->local_ts, cfg->n_local_ts, &own, d->ts_local);
	d->n_ts_remote = configured(cfg->remote_ts, cfg->n_remote_ts, &peer, d->ts_remote);
	return true;
}

bool mmx_transport_own(const struct ike_sa *sa, const struct mmx_shared *s,
		       const struct ike_child_cfg *cfg, struct child_deal *d)
{
	struct addrs own, peer;

	if (!s || !s->b.own || !speaks(sa))
		return false;
	addrs_of(sa, &s->b, &own, &peer);
	d->n_ts_local = configured(cfg->local_ts, cfg->n_local_ts, &own, d->ts_local);
	d->n_ts_remote = configured(cfg->remote_ts, cfg->n_remote_ts, &peer, d->ts_remote);
	return true;
}

/* ---- behind a NAT ---- */

static void put_in_place(struct ts *t, const struct addr *a, struct addr *ret_told)
{
	if (!ret_told->family)
		*ret_told = t->first;
	t->first = t->last = *a;
}

/* The peer names its endpoints by what it knows of them: here they have the addresses that are
 * seen. */
static void see_peers(const struct ike_sa *sa, const struct mmx_ends *own, struct ts *t,
		      struct addr *ret_told)
{
	const struct mmx_list *l = &sa->mmx->list[mmx_peer(sa)];

	for (unsigned i = 0; i < l->n; i++)
		for (unsigned k = 0; k < l->iface[i].n; k++) {
			struct addrs seen = { .n = 0 };

			if (!addr_equal(&l->iface[i].ep[k].addr, &t->first))
				continue;
			add_peers(sa, own, l->iface[i].ep[k].epid, &seen);
			if (seen.n && !addr_equal(&seen.a[0], &t->first))
				put_in_place(t, &seen.a[0], ret_told);
			return;
		}
}

/* And ours by what it sees: with one endpoint of ours that is the one. */
static void know_own(const struct addrs *own, struct ts *t, struct addr *ret_told)
{
	for (unsigned i = 0; i < own->n; i++)
		if (addr_equal(&own->a[i], &t->first))
			return;
	if (own->n == 1 && own->a[0].family == t->first.family)
		put_in_place(t, &own->a[0], ret_told);
}

bool mmx_transport_ts(const struct ike_sa *sa, const struct mmx_wish *w_or_null,
		      const struct child_sa *rekeyed, struct child_deal *d, struct ts_list *local,
		      struct ts_list *remote)
{
	const struct mmx_shared *s = rekeyed ? rekeyed->binding : d->binding;
	bool wished = w_or_null && !rekeyed;
	struct addrs own = { .n = 0 };
	struct mmx_ends ends;

	if (d->mode != CHILD_TRANSPORT || !speaks(sa) || !(wished || (s && s->b.own)))
		return false;
	ends = wished ? w_or_null->asked : s->b.ends[mmx_we(sa)];
	for (unsigned i = 0; i < ends.n; i++)
		add_own(sa, ends.epid[i], &own);
	d->told_local = d->told_remote = (struct addr){ 0 };
	for (unsigned i = 0; i < local->n; i++)
		if (addr_equal(&local->ts[i].first, &local->ts[i].last))
			know_own(&own, &local->ts[i], &d->told_local);
	for (unsigned i = 0; i < remote->n; i++)
		if (addr_equal(&remote->ts[i].first, &remote->ts[i].last))
			see_peers(sa, &ends, &remote->ts[i], &d->told_remote);
	return true;
}

/* ---- do they fit? ---- */

/* All of the one are in the other. */
static bool in_ts(const struct addrs *s, const struct ike_ts *ts, uint8_t n)
{
	for (unsigned i = 0; i < s->n; i++) {
		bool found = false;

		for (unsigned k = 0; k < n; k++)
			found |= addr_equal(&ts[k].first, &s->a[i]);
		if (!found)
			return false;
	}
	return true;
}

static bool ts_in(const struct ike_ts *ts, uint8_t n, const struct addrs *s)
{
	for (unsigned i = 0; i < n; i++) {
		bool found = false;

		for (unsigned k = 0; k < s->n; k++)
			found |= addr_equal(&ts[i].first, &s->a[k]);
		if (!found)
			return false;
	}
	return single(ts, n);
}

bool mmx_transport_fits(const struct ike_sa *sa, const struct child_deal *d)
{
	struct addrs own, peer;

	if (d->mode != CHILD_TRANSPORT || !d->binding || !d->binding->b.own || !sa->mmx)
		return true;
	addrs_of(sa, &d->binding->b, &own, &peer);
	return ts_in(d->ts_local, d->n_ts_local, &own) && in_ts(&own, d->ts_local, d->n_ts_local) &&
	       ts_in(d->ts_remote, d->n_ts_remote, &peer) &&
	       in_ts(&peer, d->ts_remote, d->n_ts_remote);
}

/* ---- may the peer have them? ---- */

/* What its identity may use: what its connection names, and where it may be. */
static bool pad_allows(const struct ike_sa *sa, const struct addr *a)
{
	const struct ike_conn_cfg *c = &sa->conn->c;
	struct ike_path at = sa->path;

	at.remote.ip = *a;
	for (unsigned i = 0; i < c->n_children; i++)
		for (unsigned k = 0; k < c->children[i].n_remote_ts; k++) {
			const struct ike_ts *t = &c->children[i].remote_ts[k];

			if (covers(t, a) && (!t->dynamic || sa->role_i || conn_fits_path(c, &at)))
				return true;
		}
	return false;
}

static bool entry_covers(const struct ike_child_cfg *e, const struct child_deal *new)
{
	struct addrs own = { .n = 0 }, peer = { .n = 0 };
	struct ike_ts local[IKE_TS_MAX], remote[IKE_TS_MAX];
	uint8_t n_local, n_remote;

	if (e->mode != CHILD_TRANSPORT)
		return false;
	for (unsigned i = 0; i < new->n_ts_local; i++)
		add(&own, &new->ts_local[i].first);
	for (unsigned i = 0; i < new->n_ts_remote; i++)
		add(&peer, &new->ts_remote[i].first);
	n_local = configured(e->local_ts, e->n_local_ts, &own, local);
	n_remote = configured(e->remote_ts, e->n_remote_ts, &peer, remote);
	return ts_all_within(new->ts_local, new->n_ts_local, local, n_local) &&
	       ts_all_within(new->ts_remote, new->n_ts_remote, remote, n_remote);
}

static bool takes_suite(const struct ike_child_cfg *e, const struct suite *s)
{
	struct suite again, without_ke = *s;
	struct sa_payload offer;
	uint64_t spi;
	uint8_t number;

	without_ke.ke = KE_NONE;
	without_ke.ke_none = false;
	suite_answer(&offer, PROTO_ESP, &without_ke, 1, 4, ESP_SPI_MIN);
	return suite_select(&offer, PROTO_ESP, 4, e->proposals, e->n_proposals, false, KE_NONE,
			    &again, &number, &spi);
}

static unsigned strongest(const struct ike_child_cfg *e)
{
	unsigned most = e->n_proposals ? 0 : 256; /* of what is proposed then */

	for (unsigned i = 0; i < e->n_proposals; i++)
		for (unsigned k = 0; k < e->proposals[i].n_encr; k++) {
			unsigned bits = suite_strength(e->proposals[i].encr[k].id,
						       e->proposals[i].encr[k].key_bits);

			most = bits > most ? bits : most;
		}
	return most;
}

/* Of the entries that cover the selectors the SA's own, or the first. */
static const struct ike_child_cfg *entry(const struct ike_sa *sa, const char *name,
					 const struct child_deal *new)
{
	const struct ike_child_cfg *own = conn_child(sa->conn, name);

	if (own && entry_covers(own, new))
		return own;
	for (unsigned i = 0; i < sa->conn->c.n_children; i++)
		if (entry_covers(&sa->conn->c.children[i], new))
			return &sa->conn->c.children[i];
	return NULL;
}

const struct ike_child_cfg *mmx_transport_policy(const struct ike_sa *sa, const struct child_sa *c)
{
	struct child_deal now = { .n_ts_local = c->n_ts_local, .n_ts_remote = c->n_ts_remote };

	if (!speaks(sa) || !single(c->ts_local, c->n_ts_local) ||
	    !single(c->ts_remote, c->n_ts_remote))
		return NULL;
	memcpy(now.ts_local, c->ts_local, c->n_ts_local * sizeof(now.ts_local[0]));
	memcpy(now.ts_remote, c->ts_remote, c->n_ts_remote * sizeof(now.ts_remote[0]));
	return entry(sa, c->name, &now);
}

/* What the selectors of c are if it is bound to b. */
static enum mmx_status selectors(const struct ike_sa *sa, const struct child_sa *c,
				 const struct mmx_binding *b, struct child_deal *new)
{
	struct addrs own, peer;

	if (!speaks(sa) || !single(c->ts_local, c->n_ts_local) ||
	    !single(c->ts_remote, c->n_ts_remote))
		return MMX_UNSUPPORTED;
	addrs_of(sa, b, &own, &peer);
	if (sa->ike->env.one_pair && (own.n > 1 || peer.n > 1))
		return MMX_TOO_MANY;
	new->n_ts_local = moved(c->ts_local, c->n_ts_local, &own, new->ts_local);
	new->n_ts_remote = moved(c->ts_remote, c->n_ts_remote, &peer, new->ts_remote);
	return new->n_ts_local &&new->n_ts_remote ? MMX_OK : MMX_TOO_MANY;
}

enum mmx_status mmx_transport_check(const struct ike_sa *sa, const struct child_sa *c,
				    const struct mmx_binding *b, uint16_t *ret_detail,
				    bool *ret_renegotiate)
{
	const struct ike_child_cfg *e;
	struct child_deal new = { .n_ts_local = 0 };
	enum mmx_status status = selectors(sa, c, b, &new);

	if (status != MMX_OK)
		return status;
	for (unsigned i = 0; i < new.n_ts_remote; i++)
		if (!pad_allows(sa, &new.ts_remote[i].first))
			return MMX_PAD_DENIED;
	e = entry(sa, c->name, &new);
	if (!e)
		return MMX_SPD_MISMATCH;
	if (takes_suite(e, &c->suite))
		return MMX_OK;
	if (suite_strength(c->suite.encr, c->suite.key_bits) <= strongest(e)) {
		*ret_detail = MMX_POLICY_STRONGER;
		return MMX_LOCAL_POLICY;
	}
	*ret_renegotiate = true;
	return MMX_OK;
}

enum mmx_status mmx_transport_inheriting(const struct ike_sa *sa, const struct mmx_binding *b,
					 uint16_t *ret_detail, bool *ret_renegotiate)
{
	struct mmx_binding first = { .own = true };
	enum mmx_status status = MMX_OK;

	if (!sa->mmx->n_transport || !speaks(sa))
		return MMX_OK;
	for (unsigned owner = MMX_I; owner <= MMX_R; owner++)
		first.ends[owner] = (struct mmx_ends){ 1, { b->ends[owner].epid[0] } };
	hash_for_each (it, tmp, &sa->ike->lines, sa->line)
		list_for_each (jt, &hash_entry(it, struct ike_sa, by_line)->children) {
			const struct child_sa *c = list_entry(jt, struct child_sa, node);

			if (status == MMX_OK && c->mode == CHILD_TRANSPORT && c->binding &&
			    !c->binding->b.own)
				status = mmx_transport_check(sa, c, &first, ret_detail,
							     ret_renegotiate);
		}
	return status;
}

/* Would our own policies let its SAs have the selectors that it gives them? */
bool mmx_transport_may_ask(struct ike *ike, struct ike_sa *sa, const struct mmx_action *a)
{
	struct mmx_policy_ctx ctx = { .ike = ike, .sa = sa, .x = sa->mmx };
	struct mmx_policy policy = mmx_policy_of(&ctx);
	struct mmx_apply apply = { .table = &sa->mmx->table,
				   .lists = mmx_lists_of(sa->mmx),
				   .sender = mmx_we(sa),
				   .side_max = MMX_SIDE_MAX,
				   .policy = &policy };
	struct mmx_action look = *a;
	struct mmx_answer answer;
	enum mmx_status status;

	if (!sa->mmx->n_transport || a->flags & MMX_ACTION_CHECK ||
	    (a->code != MMX_UPDATE && a->code != MMX_ADD && a->code != MMX_FAILOVER))
		return true;
	apply.sas = mmx_sas_new(sa, sa->mmx, mmx_we(sa), &apply.n);
	if (!apply.sas)
		return true;
	look.flags |= MMX_ACTION_CHECK;
	status = mmx_apply(&apply, &look, &answer);
	free(apply.sas);
	return status != MMX_PAD_DENIED && status != MMX_SPD_MISMATCH &&
	       status != MMX_LOCAL_POLICY && status != MMX_TOO_MANY;
}

/* ---- they follow ---- */

/* Where a NAT shows the peer elsewhere its checksums have the address that it tells of itself. */
static struct addr told_remote(const struct ike_sa *sa, const struct mmx_binding *b,
			       const struct child_deal *new)
{
	const struct mmx_binding *from = b->own ? b : &sa->mmx->ike->b;
	const struct mmx_iface_ep *ep =
		mmx_list_had_ep(&sa->mmx->list[mmx_peer(sa)], from->ends[mmx_peer(sa)].epid[0]);

	return ep && !addr_equal(&ep->addr, &new->ts_remote[0].first) ? ep->addr
								      : (struct addr){ 0 };
}

/* The owner of the core first: without memory it is tried again with the next change. */
static int change(struct ike *ike, struct ike_sa *sa, struct child_sa *c,
		  const struct child_deal *new)
{
	struct ike_child_ts ts = { .n_local = new->n_ts_local, .n_remote = new->n_ts_remote };
	int ret = 0;

	memcpy(ts.local, new->ts_local, sizeof(ts.local));
	memcpy(ts.remote, new->ts_remote, sizeof(ts.remote));
	ts.told_remote = told_remote(sa, &c->binding->b, new);
	if (c->installed)
		ret = out_child_ts(ike, sa, c->id, &ts);
	return ret ? ret
		   : child_ts_set(c, new->ts_local, new->n_ts_local, new->ts_remote,
				  new->n_ts_remote);
}

static void follow(struct ike *ike, struct ike_sa *sa, struct child_sa *c)
{
	struct child_deal new = { .n_ts_local = 0 };
	uint16_t detail = 0;
	bool renegotiate;

	if (selectors(sa, c, &c->binding->b, &new) != MMX_OK ||
	    (same_ts(c->ts_local, c->n_ts_local, new.ts_local, new.n_ts_local) &&
	     same_ts(c->ts_remote, c->n_ts_remote, new.ts_remote, new.n_ts_remote)))
		return;
	if (mmx_transport_check(sa, c, &c->binding->b, &detail, &renegotiate) != MMX_OK ||
	    change(ike, sa, c, &new)) {
		log_ike(sa, LOG_WARN_,
			"Child SA %s keeps its selectors: the new ones are not "
			"covered by policy",
			c->name);
		return;
	}
	ike_sa_touch(sa);
}

void mmx_transport_follow(struct ike *ike, struct ike_sa *sa)
{
	if (!speaks(sa))
		return;
	hash_for_each (it, tmp, &ike->lines, sa->line)
		list_for_each (jt, &hash_entry(it, struct ike_sa, by_line)->children) {
			struct child_sa *c = list_entry(jt, struct child_sa, node);

			if (c->mode == CHILD_TRANSPORT && c->binding)
				follow(ike, sa, c);
		}
}
