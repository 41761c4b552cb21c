/* SPDX-License-Identifier: GPL-2.0-only */
/* Looking into the core. */
#include <string.h>
#include <stdio.h>

#include "ike_private.h"

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

const struct ike_sa *ike_sa_visible(const struct ike *ike, size_t i)
{
	list_for_each (it, &ike->sas) {
		const struct ike_sa *sa = list_entry(it, struct ike_sa, node);

		if (visible(sa) && i-- == 0)
			return sa;
	}
	return NULL;
}

size_t ike_sa_count(const struct ike *ike)
{
	size_t n = 0;

	list_for_each (it, &ike->sas)
		n += visible(list_entry(it, struct ike_sa, node));
	return n;
}

bool ike_sa_at(const struct ike *ike, size_t i, struct ike_sa_info *ret_info)
{
	const struct ike_sa *sa = ike_sa_visible(ike, i);
	struct ike_sa_info *o = ret_info;
	const struct task *t;

	if (!sa)
		return false;
	memset(o, 0, sizeof(*o));
	t = task_find(sa, TASK_IKE_REKEY, 0);
	o->family = sa->family;
	o->spi_i = sa->spi_i;
	o->spi_r = sa->spi_r;
	snprintf(o->conn, sizeof(o->conn), "%s", sa->conn->c.name);
	o->state = sa->state == IKE_ESTABLISHED && t && task_in_flight(t) ? "REKEYING"
									  : shown_states[sa->state];
	o->initiator = sa->initiator;
	o->role_i = sa->role_i;
	o->path = sa->path;
	o->nat_local = sa->nat_local;
	o->nat_remote = sa->nat_remote;
	o->local_id = sa->local_id;
	o->remote_id = sa->remote_id;
	if (sa->suite.encr)
		suite_format(&sa->suite, PROTO_IKE, o->suite);
	o->since = sa->since;
	o->n_vips = sa->n_own_vips ? sa->n_own_vips : sa->n_peer_vips;
	memcpy(o->vips, sa->n_own_vips ? sa->own_vips : sa->peer_vips, sizeof(o->vips));
	o->n_children = sa->n_children;
	return true;
}

bool ike_child_at(const struct ike *ike, size_t i, size_t child, struct ike_child_info *ret_info)
{
	const struct ike_sa *sa = ike_sa_visible(ike, i);
	struct ike_child_info *o = ret_info;

	if (!sa)
		return false;
	list_for_each (it, &sa->children) {
		const struct child_sa *c = list_entry(it, struct child_sa, node);

		if (child--)
			continue;
		memset(o, 0, sizeof(*o));
		o->id = c->id;
		o->spi_in = c->spi_in;
		o->spi_out = c->spi_out;
		snprintf(o->name, sizeof(o->name), "%s", c->name);
		o->state = child_states[c->state];
		suite_format(&c->suite, PROTO_ESP, o->suite);
		o->mode = c->mode;
		o->esn = c->suite.esn;
		o->encap = c->encap;
		o->since = c->since;
		o->n_ts_local = c->n_ts_local;
		o->n_ts_remote = c->n_ts_remote;
		memcpy(o->ts_local, c->ts_local, sizeof(o->ts_local));
		memcpy(o->ts_remote, c->ts_remote, sizeof(o->ts_remote));
		return true;
	}
	return false;
}

void ike_counters_get(const struct ike *ike, struct ike_counters *ret_counters)
{
	*ret_counters = ike->counters;
	ret_counters->half_open = ike->half_open;
}

bool ike_keys_at(const struct ike *ike, size_t i, struct ike_sa_keys *ret_keys)
{
	const struct ike_sa *sa = ike_sa_visible(ike, i);

	if (!sa || !sa->aead_in)
		return false;
	ret_keys->spi_i = sa->spi_i;
	ret_keys->spi_r = sa->spi_r;
	secret_copy(&ret_keys->sk_ei, &sa->keys.sk_ei);
	secret_copy(&ret_keys->sk_er, &sa->keys.sk_er);
	secret_copy(&ret_keys->sk_ai, &sa->keys.sk_ai);
	secret_copy(&ret_keys->sk_ar, &sa->keys.sk_ar);
	ret_keys->encr_id = sa->suite.encr;
	ret_keys->encr_key_bits = sa->suite.key_bits;
	ret_keys->integ_id = sa->suite.integ;
	return true;
}
