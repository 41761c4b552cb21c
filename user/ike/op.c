/* SPDX-License-Identifier: GPL-2.0-only */
/* What the owner asks of the core: up, down, rekey, and what it tells about the data plane. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "child_sa.h"
#include "exchange.h"
#include "ike_private.h"
#include "mmx.h"
#include "parts.h"

/* An IKE SA of that connection that is coming up or up; a clone only if there is nothing else. */
static struct ike_sa *sa_of(const struct ike *ike, const char *conn)
{
	struct ike_sa *clone = NULL;

	hash_for_each (it, tmp, &ike->named, conn_key(conn)) {
		struct ike_sa *sa = hash_entry(it, struct ike_sa, by_conn);

		if (strcmp(sa->conn->c.name, conn) ||
		    (sa->state != IKE_INIT_SENT && sa->state != IKE_AUTH_SENT &&
		     sa->state != IKE_ESTABLISHED))
			continue;
		if (!sa->clone_of)
			return sa;
		clone = sa;
	}
	return clone;
}

static int path_fill(const struct ike_conn_cfg *c, const struct ike_path *path,
		     struct ike_path *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (path)
		*ret = *path;
	if (!ret->remote.ip.family) {
		if (!c->n_remote_addrs)
			return -EINVAL;
		ret->remote.ip = c->remote_addrs[0];
	}
	if (!ret->remote.port)
		ret->remote.port = c->remote_port ? c->remote_port : PORT_IKE;
	if (!ret->local.port)
		ret->local.port = ret->remote.port == PORT_IKE ? PORT_IKE : PORT_NATT;
	return 0;
}

static uint64_t bundle(struct ike *ike, struct ike_sa *by)
{
	uint64_t number = family_told(by);

	hash_for_each (it, tmp, &ike->families, by->family) {
		struct ike_sa *sa = hash_entry(it, struct ike_sa, by_family);

		sa->bundle = number;
		ike_sa_touch(sa);
	}
	return number;
}

/* by: beside that one; may be NULL, as w. */
static int up_new(struct ike *ike, struct conn *conn, const struct ike_child_cfg *child,
		  const struct ike_path *path, const struct ike_outer_wish *w, uint32_t op,
		  struct ike_sa *by)
{
	struct ike_path p;
	struct ike_sa *sa;
	struct task *t;
	int ret;

	ret = path_fill(&conn->c, path, &p);
	if (ret)
		return ret;
	sa = ike_sa_new(ike, conn, true, NULL);
	if (!sa)
		return -ENOMEM;
	sa->path = p;
	if (by)
		sa->bundle = bundle(ike, by);
	t = task_new(sa, TASK_IKE_INIT, op);
	if (t && w)
		t->wish = mmx_wish_new(w);
	ret = t && (!w || t->wish) ? ike_spi_new(ike, &sa->spi_i) : -ENOMEM;
	if (ret) {
		ike_sa_free(ike, sa);
		return ret;
	}
	snprintf(t->child_name, sizeof(t->child_name), "%s", child->name);
	ike_sa_insert(ike, sa);
	window_run(ike, sa);
	return 0;
}

int ike_up_beside(struct ike *ike, uint64_t line, const char *child, const struct ike_path *path,
		  uint32_t op, usec_t now)
{
	struct ike_sa *by = line_owner(ike, line);
	const struct ike_child_cfg *cfg = by ? conn_child(by->conn, child) : NULL;
	int ret;

	ike->now = now;
	if (!cfg)
		return -ENOENT;
	if (!by->role_i)
		return -EINVAL;
	ret = up_new(ike, by->conn, cfg, path, NULL, op, by);
	ike_reap(ike);
	return ret;
}

/* Those for CPUs do not stand for it. */
static bool wanted_already(const struct ike_sa *sa, const char *child)
{
	const struct child_sa *c = child_by_name(sa, child);
	const struct list *both[] = { &sa->inflight, &sa->pending };

	for (unsigned i = 0; i < 2; i++) {
		list_for_each (it, both[i]) {
			const struct task *t = list_entry(it, struct task, node);

			if ((t->kind == TASK_IKE_INIT || t->kind == TASK_IKE_AUTH ||
			     t->kind == TASK_CHILD_NEW) &&
			    !t->cpu && !strcmp(t->child_name, child))
				return true;
		}
	}
	return c && !c->additional;
}

static int up_child(struct ike *ike, struct ike_sa *sa, const struct ike_child_cfg *child,
		    uint32_t op)
{
	struct task *t;

	if (wanted_already(sa, child->name))
		return -EALREADY;
	t = task_new(sa, TASK_CHILD_NEW, op);
	if (!t)
		return -ENOMEM;
	snprintf(t->child_name, sizeof(t->child_name), "%s", child->name);
	window_run(ike, sa);
	return 0;
}

int ike_up(struct ike *ike, const char *conn, const char *child_or_null,
	   const struct ike_path *path, uint32_t op, usec_t now)
{
	struct ike_sa *sa = sa_of(ike, conn);
	struct conn *c = sa ? sa->conn : conn_find(ike, conn);
	const struct ike_child_cfg *child = c ? conn_child(c, child_or_null) : NULL;
	int ret;

	ike->now = now;
	if (!child)
		return -ENOENT;
	if (!sa) {
		ret = up_new(ike, c, child, path, NULL, op, NULL);
	} else {
		ret = up_child(ike, sa, child, op);
	}
	ike_reap(ike);
	return ret;
}

int ike_up_outer(struct ike *ike, const char *conn, const char *child_or_null,
		 const struct ike_path *path, const struct ike_outer_wish *w, uint32_t op,
		 usec_t now)
{
	struct conn *c = conn_find(ike, conn);
	const struct ike_child_cfg *child = c ? conn_child(c, child_or_null) : NULL;
	int ret;

	ike->now = now;
	if (!child)
		return -ENOENT;
	if (sa_of(ike, conn))
		return -EALREADY;
	ret = up_new(ike, c, child, path, w, op, NULL);
	ike_reap(ike);
	return ret;
}

int ike_up_line(struct ike *ike, uint64_t line, const char *child, uint32_t op, usec_t now)
{
	struct ike_sa *sa = line_owner(ike, line);
	const struct ike_child_cfg *cfg = sa ? conn_child(sa->conn, child) : NULL;
	int ret;

	ike->now = now;
	if (!cfg)
		return -ENOENT;
	ret = up_child(ike, sa, cfg, op);
	ike_reap(ike);
	return ret;
}

static int down_child(struct ike *ike, const char *conn, const char *child, uint32_t op)
{
	struct ike_sa *sa = sa_of(ike, conn);
	struct child_sa *c;
	int ret = -ENOENT;

	if (!sa)
		return conn_find(ike, conn) ? -EALREADY : -ENOENT;
	if (!conn_child(sa->conn, child))
		return -ENOENT;
	hash_for_each (it, tmp, &ike->named, conn_key(conn)) {
		sa = hash_entry(it, struct ike_sa, by_conn);
		if (sa->state != IKE_ESTABLISHED || strcmp(sa->conn->c.name, conn))
			continue;
		while ((c = child_by_name(sa, child))) {
			if (child_close(sa, c, op, "closed by the operator"))
				return -ENOMEM;
			op = 0; /* one event ends the operation */
			ret = 0;
		}
		window_run(ike, sa);
	}
	return ret ? -EALREADY : 0;
}

/* Delete it as soon as the window allows; what was never sent is dropped. */
static int down_sa(struct ike *ike, struct ike_sa *sa, uint32_t op)
{
	struct task *t;

	if (sa->state == IKE_INIT_SENT || sa->state == IKE_HALF_OPEN) {
		sa->announced = sa->announced || op;
		sa->down_op = op;
		ike_sa_close(ike, sa, false, "given up by the operator");
		return 0;
	}
	if (task_find(sa, TASK_IKE_DELETE, 0))
		return -EALREADY;
	t = task_new(sa, TASK_IKE_DELETE, op);
	if (!t)
		return -ENOMEM;
	task_first(sa, t);
	window_end_soon(ike, sa);
	window_run(ike, sa);
	return 0;
}

int ike_down(struct ike *ike, const char *conn, const char *child_or_null, uint32_t op, usec_t now)
{
	int ret = conn_find(ike, conn) ? -EALREADY : -ENOENT;

	ike->now = now;
	if (child_or_null) {
		ret = down_child(ike, conn, child_or_null, op);
		ike_reap(ike);
		return ret;
	}
	hash_for_each (it, tmp, &ike->named, conn_key(conn)) {
		struct ike_sa *sa = hash_entry(it, struct ike_sa, by_conn);

		if (strcmp(sa->conn->c.name, conn) ||
		    (sa->state != IKE_INIT_SENT && sa->state != IKE_AUTH_SENT &&
		     sa->state != IKE_ESTABLISHED))
			continue;
		if (down_sa(ike, sa, op))
			continue;
		op = 0;
		ret = 0;
	}
	ike_reap(ike);
	return ret;
}

int ike_down_line(struct ike *ike, uint64_t line, uint32_t op, usec_t now)
{
	int ret = -ENOENT, r;

	ike->now = now;
	/* two, while it is authenticated anew */
	hash_for_each (it, tmp, &ike->lines, line) {
		struct ike_sa *sa = hash_entry(it, struct ike_sa, by_line);

		if (sa->state != IKE_ESTABLISHED || sa->redundant)
			continue;
		r = down_sa(ike, sa, op);
		ret = ret && r ? r : 0;
		op = r ? op : 0; /* one event ends the operation */
	}
	ike_reap(ike);
	return ret;
}

/* c, found by its name, and those for CPUs beside it. */
static bool meant_too(const struct child_sa *c, const struct child_sa *o)
{
	return o == c || (o->additional && child_in_use(o) && !strcmp(o->name, c->name));
}

int ike_down_child(struct ike *ike, uint64_t line, const char *child, uint32_t op, usec_t now)
{
	struct ike_sa *sa = line_owner(ike, line);
	const struct child_sa *found = sa ? child_by_name(sa, child) : NULL;
	int ret = 0;

	ike->now = now;
	if (!found)
		return -ENOENT;
	list_for_each (it, &sa->children) {
		struct child_sa *c = list_entry(it, struct child_sa, node);

		if (!meant_too(found, c))
			continue;
		if (child_close(sa, c, op, "closed by the operator"))
			ret = -ENOMEM;
		op = 0; /* one event ends the operation */
	}
	window_run(ike, sa);
	ike_reap(ike);
	return ret;
}

static int rekey_sa(struct ike *ike, struct ike_sa *sa, uint32_t op)
{
	if (task_find(sa, TASK_IKE_REKEY, 0))
		return -EALREADY;
	if (!task_new(sa, TASK_IKE_REKEY, op))
		return -ENOMEM;
	window_run(ike, sa);
	return 0;
}

static int rekey_child(struct ike *ike, struct ike_sa *sa, const char *name, uint32_t op)
{
	const struct child_sa *found = child_by_name(sa, name);
	int ret = -ENOENT;

	list_for_each (it, &sa->children) {
		const struct child_sa *c = list_entry(it, struct child_sa, node);
		struct task *t;

		if (!found || !meant_too(found, c))
			continue;
		if (task_find(sa, TASK_CHILD_REKEY, c->id)) {
			ret = ret ? -EALREADY : 0;
			continue;
		}
		t = task_new(sa, TASK_CHILD_REKEY, op);
		if (!t)
			return -ENOMEM;
		t->child_id = c->id;
		op = 0; /* one event ends the operation */
		ret = 0;
	}
	window_run(ike, sa);
	return ret;
}

static bool wish_same(const struct ike_outer_wish *a, const struct ike_outer_wish *b)
{
	return a->mode == b->mode && a->strict == b->strict && a->no_boot == b->no_boot &&
	       a->inner == b->inner && a->n_own == b->n_own && a->n_peer == b->n_peer &&
	       !memcmp(a->own, b->own, a->n_own * sizeof(a->own[0])) &&
	       !memcmp(a->peer, b->peer, a->n_peer * sizeof(a->peer[0]));
}

/* The same Child SA, bound the same way. */
static bool wished_already(const struct ike_sa *sa, enum task_kind kind, const char *child,
			   uint32_t child_id, const struct ike_outer_wish *w)
{
	const struct list *both[] = { &sa->inflight, &sa->pending };

	for (unsigned i = 0; i < 2; i++) {
		list_for_each (it, both[i]) {
			const struct task *t = list_entry(it, struct task, node);

			if (t->kind == kind && t->wish && t->child_id == child_id &&
			    !strcmp(t->child_name, child) && wish_same(&t->wish->w, w))
				return true;
		}
	}
	return false;
}

static int wished(struct ike *ike, struct ike_sa *sa, enum task_kind kind, const char *child,
		  uint32_t child_id, const struct ike_outer_wish *w, uint32_t op)
{
	struct task *t;

	if (!sa->mmx || !(sa->mmx->deal.caps & MMX_CAP_OUTER))
		return -EOPNOTSUPP;
	if (wished_already(sa, kind, child, child_id, w))
		return -EALREADY;
	t = task_new(sa, kind, op);
	if (!t)
		return -ENOMEM;
	t->wish = mmx_wish_new(w);
	if (!t->wish) {
		task_free(ike, t);
		return -ENOMEM;
	}
	t->child_id = child_id;
	snprintf(t->child_name, sizeof(t->child_name), "%s", child);
	window_run(ike, sa);
	return 0;
}

int ike_up_line_outer(struct ike *ike, uint64_t line, const char *child,
		      const struct ike_outer_wish *w, uint32_t op, usec_t now)
{
	struct ike_sa *sa = line_owner(ike, line);
	const struct ike_child_cfg *cfg = sa ? conn_child(sa->conn, child) : NULL;
	int ret;

	ike->now = now;
	if (!cfg)
		return -ENOENT;
	if (w->inner > sa->n_own_vips)
		return -EINVAL;
	ret = wished(ike, sa, TASK_CHILD_NEW, cfg->name, 0, w, op);
	ike_reap(ike);
	return ret;
}

int ike_rekey_outer(struct ike *ike, uint32_t child_id, const struct ike_outer_wish *w, uint32_t op,
		    usec_t now)
{
	struct hash_node *n = hash_find(&ike->children, child_id);
	const struct child_sa *c = n ? hash_entry(n, struct child_sa, by_id) : NULL;
	int ret;

	ike->now = now;
	if (!c || !child_in_use(c))
		return -ENOENT;
	if (task_find(c->sa, TASK_CHILD_REKEY, child_id))
		return -EALREADY;
	ret = wished(ike, c->sa, TASK_CHILD_REKEY, c->name, child_id, w, op);
	ike_reap(ike);
	return ret;
}

static bool has_stronger(const struct ike_child_cfg *cfg, unsigned bits)
{
	struct sa_payload offer;

	suite_offer(&offer, PROTO_ESP, cfg->proposals, cfg->n_proposals, 4, ESP_SPI_MIN, true);
	suite_above(&offer, bits);
	return offer.n;
}

int ike_rekey_stronger(struct ike *ike, uint32_t child_id, uint32_t op, usec_t now)
{
	struct hash_node *n = hash_find(&ike->children, child_id);
	struct child_sa *c = n ? hash_entry(n, struct child_sa, by_id) : NULL;
	const struct ike_child_cfg *cfg = c ? child_policy(c->sa, c) : NULL;
	unsigned bits = c ? suite_strength(c->suite.encr, c->suite.key_bits) : 0;
	struct task *t;

	ike->now = now;
	if (!cfg || !child_in_use(c))
		return -ENOENT;
	if (task_find(c->sa, TASK_CHILD_REKEY, child_id))
		return -EALREADY;
	if (!has_stronger(cfg, bits))
		return -EOPNOTSUPP;
	t = task_new(c->sa, TASK_CHILD_REKEY, op);
	if (!t)
		return -ENOMEM;
	t->child_id = child_id;
	t->above = (uint16_t)bits;
	window_run(ike, c->sa);
	ike_reap(ike);
	return 0;
}

int ike_rekey_child(struct ike *ike, uint64_t line, const char *child, uint32_t op, usec_t now)
{
	struct ike_sa *sa = line_owner(ike, line);
	int ret;

	ike->now = now;
	if (!sa)
		return -ENOENT;
	ret = rekey_child(ike, sa, child, op);
	ike_reap(ike);
	return ret;
}

int ike_rekey(struct ike *ike, const char *conn, const char *child_or_null, uint32_t op, usec_t now)
{
	int ret = -ENOENT;

	ike->now = now;
	hash_for_each (it, tmp, &ike->named, conn_key(conn)) {
		struct ike_sa *sa = hash_entry(it, struct ike_sa, by_conn);
		int r;

		if (sa->state != IKE_ESTABLISHED || strcmp(sa->conn->c.name, conn))
			continue;
		r = child_or_null ? rekey_child(ike, sa, child_or_null, op) : rekey_sa(ike, sa, op);
		if (r) {
			ret = ret ? r : 0;
			continue;
		}
		ret = 0;
		op = 0;
		if (!child_or_null)
			break; /* the list grows by the new one: the rest by another command */
	}
	ike_reap(ike);
	return ret;
}

int ike_rekey_line(struct ike *ike, uint64_t line, uint32_t op, usec_t now)
{
	struct ike_sa *sa = line_owner(ike, line);
	int ret;

	ike->now = now;
	if (!sa)
		return -ENOENT;
	ret = rekey_sa(ike, sa, op);
	ike_reap(ike);
	return ret;
}

void ike_shutdown(struct ike *ike, usec_t now)
{
	ike->now = now;
	list_for_each (it, &ike->sas) {
		struct ike_sa *sa = list_entry(it, struct ike_sa, node);

		if (ike_sa_alive(sa))
			down_sa(ike, sa, 0);
	}
	ike_reap(ike);
}

static struct child_sa *child_anywhere(const struct ike *ike, uint32_t id, struct ike_sa **ret_sa)
{
	struct hash_node *n = hash_find(&ike->children, id);
	struct child_sa *c = n ? hash_entry(n, struct child_sa, by_id) : NULL;

	if (c)
		*ret_sa = c->sa;
	return c;
}

void ike_esp_seen(struct ike *ike, uint32_t child_id, usec_t now)
{
	struct ike_sa *sa;

	ike->now = now;
	if (child_anywhere(ike, child_id, &sa) && now > sa->last_rx)
		sa->last_rx = now;
}

static void limit(struct ike *ike, uint32_t child_id, bool hard, usec_t now)
{
	struct ike_sa *sa;
	struct child_sa *c = child_anywhere(ike, child_id, &sa);

	ike->now = now;
	if (!c || (!hard && c->rekeys_tried))
		return;
	*(hard ? &c->ends_at : &c->rekey_at) = now;
	life_child_changed(sa, c);
	life_tick(ike, sa);
	window_run(ike, sa);
	ike_reap(ike);
}

void ike_child_soft_limit(struct ike *ike, uint32_t child_id, usec_t now)
{
	limit(ike, child_id, false, now);
}

void ike_child_hard_limit(struct ike *ike, uint32_t child_id, usec_t now)
{
	limit(ike, child_id, true, now);
}

bool ike_esp_from(struct ike *ike, uint32_t child_id, const struct ike_path *path, usec_t now)
{
	struct ike_sa *sa;
	const struct child_sa *c = child_anywhere(ike, child_id, &sa);
	bool expected;

	ike->now = now;
	if (!c)
		return false;
	/* endpoints of its own: where the IKE SA's pair is does not follow from it */
	if (sa->mmx && c->binding && c->binding->b.own)
		return mmx_esp_expected(sa, sa->mmx, &c->binding->b, path);
	expected = !sa->mobike || path_same(path, &sa->path) || path_same(path, &sa->mobike->esp);
	if (addr_equal(&sa->path.local.ip, &path->local.ip))
		natd_seen_esp(ike, sa, path);
	ike_reap(ike);
	return expected;
}

void ike_esp_sent(struct ike *ike, uint32_t child_id, usec_t when)
{
	struct ike_sa *sa;

	if (child_anywhere(ike, child_id, &sa) && when > sa->last_tx)
		sa->last_tx = when;
}

void ike_child_install_failed(struct ike *ike, uint32_t child_id, usec_t now)
{
	struct ike_sa *sa;
	struct child_sa *c = child_anywhere(ike, child_id, &sa);

	ike->now = now;
	if (!c || c->state == CHILD_DELETING)
		return;
	out_event(ike, sa, IKE_EV_CHILD_DOWN, c->id, 0,
		  "Child SA %s could not be installed here: deleted", c->name);
	if (child_close(sa, c, 0, "the data plane could not install it"))
		child_remove(ike, sa, c);
	window_run(ike, sa);
	ike_reap(ike);
}
