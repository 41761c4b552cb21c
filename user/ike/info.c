/* SPDX-License-Identifier: GPL-2.0-only */
/* Looking into the core. */
#include <string.h>
#include <stdio.h>

#include "child_sa.h"
#include "exchange.h"
#include "ike_private.h"
#include "mobike.h"
#include "parts.h"

static const char *const shown_states[] = {
#define X(n, shown) [IKE_##n] = shown,
	FOREACH_IKE_STATE(X)
#undef X
};

static const char *const child_states[] = {
#define X(n) [CHILD_##n] = #n,
	FOREACH_CHILD_STATE(X)
#undef X
};

/* Half-open IKE SAs are only counted: strangers make them. */
static bool visible(const struct ike_sa *sa)
{
	return ike_sa_alive(sa) && sa->state != IKE_HALF_OPEN && !sa->redundant;
}

static const struct ike_sa *visible_from(const struct ike *ike, const struct list *it)
{
	for (; it != &ike->sas; it = it->next)
		if (visible(list_entry(it, struct ike_sa, node)))
			return list_entry(it, struct ike_sa, node);
	return NULL;
}

const struct ike_sa *ike_sa_first(const struct ike *ike)
{
	return visible_from(ike, ike->sas.next);
}

const struct ike_sa *ike_sa_next(const struct ike *ike, const struct ike_sa *sa)
{
	return visible_from(ike, sa->node.next);
}

const struct ike_sa *ike_sa_after(const struct ike *ike, uint64_t serial)
{
	const struct list *it = ike->sas.next;

	while (it != &ike->sas && list_entry(it, struct ike_sa, node)->serial <= serial)
		it = it->next;
	return visible_from(ike, it);
}

const struct ike_sa *ike_sa_of(const struct ike *ike, const char *conn, const struct ike_sa *sa)
{
	struct hash_node *n = sa ? hash_next(&sa->by_conn) : hash_find(&ike->named, conn_key(conn));

	for (; n; n = hash_next(n)) {
		const struct ike_sa *o = hash_entry(n, struct ike_sa, by_conn);

		if (visible(o) && !strcmp(o->conn->c.name, conn))
			return o;
	}
	return NULL;
}

uint64_t ike_sa_serial(const struct ike_sa *sa)
{
	return sa->serial;
}

const struct child_sa *ike_child_next(const struct ike_sa *sa, const struct child_sa *c)
{
	const struct list *it = c ? c->node.next : sa->children.next;

	return it == &sa->children ? NULL : list_entry(it, struct child_sa, node);
}

const struct ike_sa *ike_sa_visible(const struct ike *ike, size_t i)
{
	const struct ike_sa *sa = ike_sa_first(ike);

	while (sa && i--)
		sa = ike_sa_next(ike, sa);
	return sa;
}

size_t ike_sa_count(const struct ike *ike)
{
	size_t n = 0;

	for (const struct ike_sa *sa = ike_sa_first(ike); sa; sa = ike_sa_next(ike, sa))
		n++;
	return n;
}

enum ike_progress ike_conn_progress(const struct ike *ike, const char *conn)
{
	enum ike_progress best = IKE_PROGRESS_NONE;

	hash_for_each (it, tmp, &ike->named, conn_key(conn)) {
		const struct ike_sa *sa = hash_entry(it, struct ike_sa, by_conn);

		if (!visible(sa) || strcmp(sa->conn->c.name, conn))
			continue;
		if (sa->state == IKE_ESTABLISHED)
			return IKE_PROGRESS_ESTABLISHED;
		best = IKE_PROGRESS_CONNECTING;
	}
	return best;
}

void ike_sa_look(const struct ike_sa *sa, struct ike_sa_info *ret_info)
{
	const struct task *t = task_find(sa, TASK_IKE_REKEY, 0);
	struct ike_sa_info *o = ret_info;

	memset(o, 0, sizeof(*o));
	o->family = family_told(sa);
	o->auth = sa->family;
	o->carried = sa->carried;
	o->line = sa->line;
	o->clone_of = sa->clone_of;
	o->clone_ok = sa->clone_ok;
	o->session = sa->session;
	o->family_lines = family_lines(sa->ike, sa->family);
	o->family_children = family_children(sa->ike, sa->family);
	o->spi_i = sa->spi_i;
	o->spi_r = sa->spi_r;
	snprintf(o->conn, sizeof(o->conn), "%s", sa->conn->c.name);
	o->state = sa->state == IKE_ESTABLISHED && t && task_in_flight(t) ? "REKEYING"
									  : shown_states[sa->state];
	o->initiator = sa->initiator;
	o->role_i = sa->role_i;
	o->path = sa->path;
	o->mobike = sa->mobike;
	if (sa->mobike) {
		o->n_peer_addrs = sa->mobike->n_peer;
		memcpy(o->peer_addrs, sa->mobike->peer, sizeof(o->peer_addrs));
	}
	o->nat_local = sa->nat_local;
	o->nat_remote = sa->nat_remote;
	id_copy(&o->local_id, sa->local_id);
	id_copy(&o->remote_id, sa->remote_id);
	if (sa->suite.encr)
		suite_format(&sa->suite, PROTO_IKE, o->suite);
	o->since = sa->since;
	o->rekey_at = sa->rekey_at;
	o->reauth_at = sa->reauth_at;
	o->ends_at = sa->ends_at;
	o->n_vips = sa->n_own_vips ? sa->n_own_vips : sa->n_peer_vips;
	memcpy(o->vips, sa->n_own_vips ? sa->own_vips : sa->peer_vips, sizeof(o->vips));
	o->n_children = sa->n_children;
	o->n_vendors = vendors_look(sa, o->vendors);
}

bool ike_sa_at(const struct ike *ike, size_t i, struct ike_sa_info *ret_info)
{
	const struct ike_sa *sa = ike_sa_visible(ike, i);

	if (sa)
		ike_sa_look(sa, ret_info);
	return sa;
}

void ike_child_look(const struct child_sa *c, struct ike_child_info *ret_info)
{
	struct ike_child_info *o = ret_info;

	memset(o, 0, sizeof(*o));
	o->id = c->id;
	o->spi_in = c->spi_in;
	o->spi_out = c->spi_out;
	snprintf(o->name, sizeof(o->name), "%s", c->name);
	o->state = child_states[c->state];
	o->binding = c->told_binding;
	suite_format(&c->suite, PROTO_ESP, o->suite);
	o->mode = c->mode;
	o->esn = c->suite.esn;
	o->encap = c->encap;
	o->additional = c->additional;
	o->cpu = c->cpu;
	o->since = c->since;
	o->rekey_at = c->rekey_at;
	o->ends_at = c->ends_at;
	o->soft_octets = c->soft_octets;
	o->hard_octets = c->hard_octets;
	o->soft_packets = c->soft_packets;
	o->hard_packets = c->hard_packets;
	o->n_ts_local = c->n_ts_local;
	o->n_ts_remote = c->n_ts_remote;
	memcpy(o->ts_local, c->ts_local, c->n_ts_local * sizeof(*c->ts_local));
	memcpy(o->ts_remote, c->ts_remote, c->n_ts_remote * sizeof(*c->ts_remote));
}

bool ike_child_at(const struct ike *ike, size_t i, size_t child, struct ike_child_info *ret_info)
{
	const struct ike_sa *sa = ike_sa_visible(ike, i);
	const struct child_sa *c = sa ? ike_child_next(sa, NULL) : NULL;

	while (c && child--)
		c = ike_child_next(sa, c);
	if (c)
		ike_child_look(c, ret_info);
	return c;
}

bool ike_keys_at(const struct ike *ike, size_t i, struct ike_sa_keys *ret_keys)
{
	const struct ike_sa *sa = ike_sa_visible(ike, i);

	return sa && ike_keys_look(sa, ret_keys);
}

bool ike_keys_look(const struct ike_sa *sa, struct ike_sa_keys *ret_keys)
{
	if (!sa->aead_in)
		return false;
	ret_keys->spi_i = sa->spi_i;
	ret_keys->spi_r = sa->spi_r;
	secret_set(&ret_keys->sk_ei, sa->keys.sk_ei.b, sa->keys.sk_ei.len);
	secret_set(&ret_keys->sk_er, sa->keys.sk_er.b, sa->keys.sk_er.len);
	secret_set(&ret_keys->sk_ai, sa->keys.sk_ai.b, sa->keys.sk_ai.len);
	secret_set(&ret_keys->sk_ar, sa->keys.sk_ar.b, sa->keys.sk_ar.len);
	ret_keys->encr_id = sa->suite.encr;
	ret_keys->encr_key_bits = sa->suite.key_bits;
	ret_keys->integ_id = sa->suite.integ;
	return true;
}
