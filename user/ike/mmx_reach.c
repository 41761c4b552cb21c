/* SPDX-License-Identifier: GPL-2.0-only */
/* Where paths lead, and whether the peer is known to receive there.
 *
 * What Child SAs use is probed again before it is ten minutes old, when there is doubt, and when it
 * has fallen silent; behind a NAT of ours every path that works is kept open.
 */
#include "mmx.h"

/* The IKE SA's pair is where its peer receives: IKE_AUTH has shown it, or a check after a move. */
static bool ike_pair_verified(const struct ike_sa *sa)
{
	return !sa->mobike || (path_same(&sa->path, &sa->mobike->esp) && !mobike_unchecked(sa));
}

static bool is_ike_pair(const struct ike_sa *sa, const struct mmx *x, uint32_t path)
{
	return path == mmx_path_id(mmx_current(sa, x, MMX_I), mmx_current(sa, x, MMX_R));
}

/* Where NATs are it is theirs; else all of a side's endpoints have one port. */
static uint16_t peer_port(const struct ike_sa *sa)
{
	return sa->nat_remote ? PORT_NATT : sa->path.remote.port;
}

/* R has one address for all, behind a NAT too; a NAT before I has a mapping for each path. */
static bool as_ike(const struct ike_sa *sa, const struct mmx *x, uint16_t peer_epid)
{
	return peer_epid == mmx_current(sa, x, mmx_peer(sa)) && (sa->role_i || !sa->nat_remote);
}

bool mmx_path_addrs(const struct ike_sa *sa, const struct mmx *x, uint32_t path,
		    struct ike_path *ret_path)
{
	uint16_t epid[2] = { (uint16_t)(path >> 16), (uint16_t)path };
	enum mmx_owner we = mmx_we(sa), they = mmx_peer(sa);
	const struct mmx_iface_ep *own = mmx_list_had_ep(&x->list[we], epid[we]);
	const struct mmx_iface_ep *peer = mmx_list_had_ep(&x->list[they], epid[they]);
	const struct mmx_path_seen *seen = mmx_paths_find(&x->paths, path);

	if (is_ike_pair(sa, x, path)) {
		*ret_path = sa->path;
		return true;
	}
	if (!own || !peer || own->addr.family != peer->addr.family)
		return false;
	*ret_path = (struct ike_path){ .local = { own->addr, sa->path.local.port } };
	if (seen)
		ret_path->remote = seen->peer;
	else if (as_ike(sa, x, epid[they]))
		ret_path->remote = sa->path.remote;
	else
		ret_path->remote = (struct udp_addr){ peer->addr, peer_port(sa) };
	return true;
}

bool mmx_verified(const struct ike_sa *sa, const struct mmx *x, uint32_t path, usec_t now)
{
	const struct mmx_path_seen *seen = mmx_paths_find(&x->paths, path);
	struct ike_path on;

	if (is_ike_pair(sa, x, path) && ike_pair_verified(sa))
		return true;
	/* where IKE has just gone too: else it would be taken for worse than what it has left */
	if ((seen && seen->dead) || !mmx_path_addrs(sa, x, path, &on))
		return false;
	return mmx_paths_receives(&x->paths, &on.remote, now) ||
	       (ike_pair_verified(sa) && udp_addr_equal(&on.remote, &sa->path.remote));
}

bool mmx_believed(const struct ike_sa *sa, const struct mmx *x, uint32_t path)
{
	const struct mmx_path_seen *seen = mmx_paths_find(&x->paths, path);
	struct ike_path on;

	if (is_ike_pair(sa, x, path) && sa->mobike && !path_same(&sa->path, &sa->mobike->esp))
		return false;
	return !(seen && seen->dead) && mmx_path_addrs(sa, x, path, &on) &&
	       return_check_of(sa, &on.remote.ip) != IKE_RETURN_BEFORE;
}

/* Nobody wants to know of such a path. */
static bool unasked(const struct ike_sa *sa, const struct mmx *x, uint32_t path)
{
	return sa->conn->c.return_check == IKE_RETURN_SKIP && mmx_believed(sa, x, path);
}

bool mmx_esp_expected(const struct ike_sa *sa, const struct mmx *x, const struct mmx_binding *b,
		      const struct ike_path *path)
{
	uint32_t paths[MMX_PATHS_MAX];
	struct mmx_lists l = mmx_lists_of(x);
	unsigned n = mmx_binding_paths(b, &l, paths);
	struct ike_path on;

	for (unsigned i = 0; i < n; i++)
		if (mmx_path_addrs(sa, x, paths[i], &on) &&
		    addr_equal(&on.local.ip, &path->local.ip) &&
		    addr_equal(&on.remote.ip, &path->remote.ip))
			return true;
	return false;
}

/* ---- finding out ---- */

void mmx_rr_add(struct mmx_probing *p, const struct mmx_rr *rr)
{
	if (p->n_rr < MMX_RRS_MAX && (rr->action_id || rr->from))
		p->rr[p->n_rr++] = *rr;
}

/* Does something else wait for the same? It does not any more, if it is to be dropped. */
static bool others_wait(struct ike_sa *sa, const struct mmx_probing *p, const struct mmx_rr *rr,
			bool drop)
{
	const struct list *both[] = { &sa->inflight, &sa->pending };
	bool found = false;

	for (unsigned i = 0; i < 2; i++) {
		list_for_each (it, both[i]) {
			struct mmx_probing *q = list_entry(it, struct task, node)->probing;

			for (unsigned k = q && q != p ? q->n_rr : 0; k-- > 0;) {
				if (q->rr[k].action_id != rr->action_id ||
				    q->rr[k].from != rr->from)
					continue;
				found = true;
				if (drop)
					q->rr[k] = q->rr[--q->n_rr];
			}
		}
	}
	return found;
}

void mmx_rr_shown(struct ike_sa *sa, struct mmx_probing *p)
{
	while (p->n_rr)
		others_wait(sa, p, &p->rr[--p->n_rr], true);
}

void mmx_rr_failed(struct ike *ike, struct ike_sa *sa, struct mmx *x, struct mmx_probing *p)
{
	while (p->n_rr) {
		struct mmx_rr rr = p->rr[--p->n_rr];

		if (!others_wait(sa, p, &rr, false))
			mmx_unreachable(ike, sa, x, &rr);
	}
}

static bool leads_to(const struct ike_sa *sa, uint32_t path, uint16_t epid)
{
	return !epid || (uint16_t)(mmx_peer(sa) == MMX_I ? path >> 16 : path) == epid;
}

bool mmx_routability(struct ike *ike, struct ike_sa *sa, struct mmx *x, const struct mmx_binding *b,
		     const struct mmx_rr *after)
{
	struct mmx_lists l = mmx_lists_of(x);
	uint32_t paths[MMX_PATHS_MAX];
	unsigned n = mmx_binding_paths(b, &l, paths);
	bool all = true;

	for (unsigned i = 0; i < n; i++) {
		struct task *t;

		if (mmx_verified(sa, x, paths[i], ike->now) || unasked(sa, x, paths[i]))
			continue;
		all = false;
		if (!mmx_probe_want(sa, x, paths[i], &t) && leads_to(sa, paths[i], after->from))
			mmx_rr_add(t->probing, after);
	}
	return all;
}

static bool mapped(const struct ike_sa *sa, const struct mmx *x, uint32_t path)
{
	const struct mmx_path_seen *seen = mmx_paths_find(&x->paths, path);
	enum mmx_owner they = mmx_peer(sa);
	const struct mmx_iface *f = NULL;
	const struct mmx_iface_ep *ep =
		mmx_list_ep(&x->list[they], (uint16_t)(they == MMX_I ? path >> 16 : path), &f);

	if (seen && !seen->nat_own)
		return seen->nat;
	return ep && (ep->flags & MMX_IFACE_EP_LOCAL || f->flags & MMX_IFACE_NAT);
}

bool mmx_unmapped(struct ike_sa *sa, struct mmx *x, const struct mmx_action *a, bool find_out)
{
	const struct mmx_ep *old = mmx_next_ep(&a->tlvs, MMX_ROLE_OLD, NULL),
			    *new = mmx_next_ep(&a->tlvs, MMX_ROLE_NEW, NULL);
	bool we_are_i = mmx_we(sa) == MMX_I, any = false;

	if (a->code != MMX_FAILOVER || a->flags & MMX_ACTION_CHECK || !old || !new)
		return false;
	list_for_each (it, &x->table.all) {
		const struct mmx_binding *b = &list_entry(it, struct mmx_shared, in)->b;
		const struct mmx_ends *own = &b->ends[mmx_we(sa)];

		if (!b->own || !mmx_binding_has(b, mmx_peer(sa), old->epid))
			continue;
		for (unsigned i = 0; i < own->n; i++) {
			uint32_t path = we_are_i ? mmx_path_id(own->epid[i], new->epid)
						 : mmx_path_id(new->epid, own->epid[i]);
			struct task *t;

			if (mmx_verified(sa, x, path, sa->ike->now))
				return false;
			any |= mapped(sa, x, path) &&
			       (!find_out || !mmx_probe_want(sa, x, path, &t));
		}
	}
	return any;
}

/* ---- keeping it known ---- */

/* By some SA, or another path to the same address is. */
static bool in_use(const struct ike_sa *sa, const struct mmx *x, const struct mmx_path_seen *p)
{
	struct mmx_lists l = mmx_lists_of(x);
	uint32_t paths[MMX_PATHS_MAX];

	list_for_each (it, &x->table.all) {
		const struct mmx_shared *s = list_entry(it, struct mmx_shared, in);
		unsigned n = s->b.own ? mmx_binding_paths(&s->b, &l, paths) : 0;

		while (n--) {
			struct ike_path on;

			if (paths[n] == p->path || (mmx_path_addrs(sa, x, paths[n], &on) &&
						    udp_addr_equal(&on.remote, &p->peer)))
				return true;
		}
	}
	return false;
}

static usec_t keepalive_at(const struct ike_sa *sa, const struct mmx_path_seen *p)
{
	if (!p->nat_own || p->dead || !p->verified || !sa->conn->c.keep_alive ||
	    sa->path.local.port == PORT_IKE)
		return USEC_NEVER;
	return p->sent + sa->conn->c.keep_alive;
}

usec_t mmx_reach_deadline(const struct ike_sa *sa)
{
	const struct mmx *x = sa->mmx;
	usec_t d;

	if (!x || sa->state != IKE_ESTABLISHED)
		return USEC_NEVER;
	d = mmx_paths_due_at(&x->paths);
	if (x->again_at && x->again_at < d)
		d = x->again_at;
	if (mmx_publish_at(x) < d)
		d = mmx_publish_at(x);
	for (unsigned i = 0; i < x->paths.n; i++)
		if (keepalive_at(sa, &x->paths.p[i]) < d)
			d = keepalive_at(sa, &x->paths.p[i]);
	return d;
}

static void keep_open(struct ike *ike, struct ike_sa *sa, struct mmx *x)
{
	for (unsigned i = 0; i < x->paths.n; i++) {
		struct mmx_path_seen *p = &x->paths.p[i];
		struct ike_path on = { .local = p->own, .remote = p->peer };

		if (keepalive_at(sa, p) > ike->now)
			continue;
		p->sent = ike->now;
		if (!path_same(&on, &sa->path)) /* that has its own */
			out_keepalive(ike, sa, &on);
	}
}

void mmx_reach_tick(struct ike *ike, struct ike_sa *sa)
{
	struct mmx *x = sa->mmx;
	struct mmx_path_seen *p;
	bool over = false;

	if (!x || sa->state != IKE_ESTABLISHED)
		return;
	keep_open(ike, sa, x);
	while ((p = mmx_paths_due(&x->paths, ike->now))) {
		struct task *t;

		over |= !p->verified;
		if ((p->dead ? p->shown : p->verified) && (p->keep || in_use(sa, x, p)))
			mmx_probe_want(sa, x, p->path, &t); /* without memory it ends */
	}
	mmx_do_again(ike, sa, x);
	if (over)
		mmx_publish(ike, sa);
	mmx_publish_tick(ike, sa);
}

void mmx_doubt(struct ike_sa *sa, const struct udp_addr *peer)
{
	struct ike_sa *owner = line_owner(sa->ike, sa->line);

	if (!owner || !owner->mmx)
		return;
	mmx_paths_doubt(&owner->mmx->paths, peer, sa->ike->now);
	ike_sa_touch(owner);
}
