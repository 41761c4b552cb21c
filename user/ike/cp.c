/* SPDX-License-Identifier: GPL-2.0-only */
/* Configuration payload: virtual addresses asked for and served (RFC 7296 2.19, 3.15).
 *
 * Those of IKE_AUTH are the whole family's: a clone has what it was cloned from has. With the
 * request for its first Child SA ("any request to create a Child SA", 2.19) it may ask for some of
 * its own. A lease belongs to the family and ends with the last IKE SA of it that has the address,
 * so that a rekey keeps it. How many there may be: IKE_VIPS_MAX for each line, of which ike_sas_max
 * are.
 */
#include <stdlib.h>
#include <string.h>

#include "child_sa.h"
#include "exchange.h"
#include "ike_private.h"
#include "parts.h"

static bool leased(const struct ike *ike, const struct addr *a)
{
	hash_for_each (it, tmp, &ike->leases, addr_key(a))
		if (addr_equal(&hash_entry(it, struct lease, by_addr)->addr, a))
			return true;
	return false;
}

/* Nobody has it but who asks for it: the same identity, which authenticates anew (2.8.3). */
static bool leased_to_others(const struct ike *ike, const struct ike_sa *sa, const struct addr *a)
{
	hash_for_each (it, tmp, &ike->leases, addr_key(a)) {
		const struct lease *l = hash_entry(it, struct lease, by_addr);
		bool same = false;

		if (!addr_equal(&l->addr, a))
			continue;
		hash_for_each (fi, ftmp, &ike->families, l->family) {
			const struct ike_sa *o = hash_entry(fi, struct ike_sa, by_family);

			same |= !strcmp(o->conn->c.name, sa->conn->c.name) &&
				id_equal(o->remote_id, sa->remote_id);
		}
		if (!same)
			return true;
	}
	return false;
}

static bool lease_add(struct ike *ike, uint64_t family, const struct addr *a)
{
	struct lease *l = calloc(1, sizeof(*l));

	if (!l)
		return false;
	l->family = family;
	l->addr = *a;
	hash_add(&ike->leases, &l->by_addr, addr_key(a));
	hash_add(&ike->leases_of, &l->by_family, family);
	return true;
}

bool cp_restore(struct ike *ike, uint64_t family, const struct addr *a)
{
	return leased(ike, a) ? false : lease_add(ike, family, a);
}

static void lease_free(struct ike *ike, struct lease *l)
{
	hash_remove(&ike->leases, &l->by_addr);
	hash_remove(&ike->leases_of, &l->by_family);
	free(l);
}

static bool listed(const struct addr *list, uint8_t n, const struct addr *a)
{
	for (uint8_t i = 0; i < n; i++)
		if (addr_equal(&list[i], a))
			return true;
	return false;
}

/* Does one of the family that lives have it? */
static bool in_use(const struct ike *ike, uint64_t family, const struct addr *a)
{
	hash_for_each (it, tmp, &ike->families, family) {
		const struct ike_sa *sa = hash_entry(it, struct ike_sa, by_family);

		if (ike_sa_alive(sa) && listed(sa->peer_vips, sa->n_peer_vips, a))
			return true;
	}
	return false;
}

static void leases_check(struct ike *ike, uint64_t family)
{
	hash_for_each (it, tmp, &ike->leases_of, family) {
		struct lease *l = hash_entry(it, struct lease, by_family);

		if (!in_use(ike, family, &l->addr))
			lease_free(ike, l);
	}
}

void cp_release(struct ike *ike, const struct ike_sa *sa)
{
	if (sa->n_peer_vips)
		leases_check(ike, sa->family);
}

static void lease_drop(struct hash_node *n)
{
	free(hash_entry(n, struct lease, by_addr));
}

void cp_clear(struct ike *ike)
{
	hash_clear(&ike->leases_of);
	hash_empty(&ike->leases, lease_drop);
}

static bool in_pool(const struct pool *p, const struct addr *a)
{
	return a->family == p->c.first.family && addr_cmp(a, &p->c.first) >= 0 &&
	       addr_cmp(a, &p->c.last) <= 0;
}

static struct pool *pool_find(const struct ike *ike, const char *name)
{
	for (unsigned i = 0; i < ike->n_pools; i++)
		if (!strcmp(ike->pools[i].c.name, name))
			return &ike->pools[i];
	return NULL;
}

/* Among as many addresses as there are leases, and one, of the pool one is free, or the pool is
 * exhausted. */
static bool pool_take(struct ike *ike, struct pool *p, uint64_t family, struct addr *ret)
{
	struct addr a = in_pool(p, &p->hint) ? p->hint : p->c.first;

	for (uint32_t i = 0; i <= ike->leases.n; i++) {
		if (!leased(ike, &a)) {
			if (!lease_add(ike, family, &a))
				return false;
			*ret = a;
			p->hint = a;
			if (!addr_next(&p->hint))
				p->hint = p->c.first;
			return true;
		}
		if (addr_equal(&a, &p->c.last) || !addr_next(&a))
			a = p->c.first;
	}
	return false;
}

static bool leased_here(const struct ike *ike, uint64_t family, const struct addr *a)
{
	hash_for_each (it, tmp, &ike->leases_of, family)
		if (addr_equal(&hash_entry(it, struct lease, by_family)->addr, a))
			return true;
	return false;
}

static bool addr_assign(struct ike *ike, struct ike_sa *sa, const struct addr *wish,
			struct addr *ret)
{
	const struct ike_conn_cfg *conn = &sa->conn->c;
	struct addr zero = { .family = wish->family };

	for (unsigned i = 0; i < conn->n_pools; i++) {
		struct pool *p = pool_find(ike, conn->pools[i]);

		if (p && !addr_equal(wish, &zero) && in_pool(p, wish) &&
		    !leased_to_others(ike, sa, wish) && !leased_here(ike, sa->family, wish) &&
		    lease_add(ike, sa->family, wish)) {
			*ret = *wish;
			return true;
		}
	}
	for (unsigned i = 0; i < conn->n_pools; i++) {
		struct pool *p = pool_find(ike, conn->pools[i]);

		if (p && p->c.first.family == wish->family && pool_take(ike, p, sa->family, ret))
			return true;
	}
	return false;
}

/* INTERNAL_IP4_ADDRESS is 0 or 4 octets, INTERNAL_IP6_ADDRESS 0 or 17 (3.15.1). */
static bool attr_addr(const struct cfg_attr *a, struct addr *ret)
{
	if (a->type == INTERNAL_IP4_ADDRESS && (a->value.len == 0 || a->value.len == 4)) {
		*ret = (struct addr){ .family = 4 };
		if (a->value.len)
			*ret = addr_from_bytes(4, a->value.p);
		return true;
	}
	if (a->type == INTERNAL_IP6_ADDRESS && (a->value.len == 0 || a->value.len == 17)) {
		*ret = (struct addr){ .family = 6 };
		if (a->value.len)
			*ret = addr_from_bytes(6, a->value.p);
		return true;
	}
	return false;
}

/* Responder: one distinct address for each one asked for, as far as they last. Returns how many
 * were asked for. */
static unsigned assign(struct ike *ike, struct ike_sa *sa, const struct cfg_payload *cp)
{
	unsigned asked = 0;

	for (unsigned i = 0; i < cp->n; i++) {
		struct addr wish, got;

		if (!attr_addr(&cp->a[i], &wish))
			continue;
		asked++;
		if (sa->n_peer_vips < IKE_VIPS_MAX && addr_assign(ike, sa, &wish, &got))
			sa->peer_vips[sa->n_peer_vips++] = got;
	}
	sa->vips_of_line = sa->n_peer_vips;
	return asked;
}

static void process_request(struct part_ctx *c)
{
	if (assign(c->ike, c->sa, &c->in->cp) && !c->sa->n_peer_vips)
		c->cp_error = N_INTERNAL_ADDRESS_FAILURE;
}

static bool wanted(const struct ike_conn_cfg *conn, const struct addr *a)
{
	for (unsigned i = 0; i < conn->n_vips; i++)
		if (conn->vips[i].family == a->family)
			return true;
	return false;
}

static void take(struct ike_sa *sa, const struct cfg_payload *cp)
{
	for (unsigned i = 0; i < cp->n; i++) {
		struct addr a;

		if (attr_addr(&cp->a[i], &a) && addr_usable(&a, false) &&
		    wanted(&sa->conn->c, &a) && sa->n_own_vips < sa->conn->c.n_vips)
			sa->own_vips[sa->n_own_vips++] = a;
	}
	sa->vips_of_line = sa->n_own_vips;
}

void cp_process(struct part_ctx *c)
{
	if (!c->in->has_cp)
		return;
	if (c->place == AT_AUTH_REQUEST && c->in->cp.type == CFG_REQUEST)
		process_request(c);
	else if (c->place == AT_AUTH_RESPONSE && c->in->cp.type == CFG_REPLY)
		take(c->sa, &c->in->cp);
}

struct cfg_room {
	struct cfg_payload cp;
	uint8_t value[MSG_CFG_ATTRS_MAX][17];
};

static void put_addr(struct cfg_room *r, uint16_t type, const struct addr *a, bool prefix)
{
	uint8_t *v;

	if (r->cp.n >= MSG_CFG_ATTRS_MAX)
		return;
	v = r->value[r->cp.n];
	memcpy(v, a->b, addr_len(a));
	v[16] = 128;
	r->cp.a[r->cp.n++] = (struct cfg_attr){
		.type = type,
		.value = { v, a->family == 4 ? 4
			      : prefix	     ? 17
					     : 16 },
	};
}

static void put_empty(struct cfg_room *r, uint16_t type)
{
	if (r->cp.n < MSG_CFG_ATTRS_MAX)
		r->cp.a[r->cp.n++] = (struct cfg_attr){ .type = type };
}

/* Whose we ask for: when we authenticate anew, or beside another one, what we have. */
static const struct ike_sa *holder(const struct ike *ike, const struct ike_sa *sa)
{
	const struct ike_sa *old = reauth_old(ike, sa);

	if (old || !sa->bundle || sa->conn->c.vips_per_line)
		return old;
	hash_for_each (it, tmp, &ike->named, conn_key(sa->conn->c.name)) {
		const struct ike_sa *o = hash_entry(it, struct ike_sa, by_conn);

		if (o != sa && o->bundle == sa->bundle && o->state == IKE_ESTABLISHED)
			return o;
	}
	return NULL;
}

static const struct addr *held(const struct ike *ike, const struct ike_sa *sa, unsigned i)
{
	const struct addr *a = &sa->conn->c.vips[i];
	const struct ike_sa *old = holder(ike, sa);

	if (old && i < old->n_own_vips && old->own_vips[i].family == a->family)
		return &old->own_vips[i];
	return a;
}

static void build_request(const struct ike *ike, const struct ike_sa *sa, struct cfg_room *r)
{
	const struct ike_conn_cfg *conn = &sa->conn->c;
	bool v4 = false, v6 = false;

	r->cp.type = CFG_REQUEST;
	for (unsigned i = 0; i < conn->n_vips; i++) {
		const struct addr *a = held(ike, sa, i);
		struct addr zero = { .family = a->family };
		uint16_t type = a->family == 4 ? INTERNAL_IP4_ADDRESS : INTERNAL_IP6_ADDRESS;

		if (addr_equal(a, &zero))
			put_empty(r, type);
		else
			put_addr(r, type, a, true);
		v4 = v4 || a->family == 4;
		v6 = v6 || a->family == 6;
	}
	if (v4)
		put_empty(r, INTERNAL_IP4_DNS);
	if (v6)
		put_empty(r, INTERNAL_IP6_DNS);
}

static void build_reply(const struct ike *ike, const struct ike_sa *sa, struct cfg_room *r)
{
	const struct ike_conn_cfg *conn = &sa->conn->c;

	r->cp.type = CFG_REPLY;
	for (unsigned i = 0; i < sa->n_peer_vips; i++) {
		const struct addr *a = &sa->peer_vips[i];

		put_addr(r, a->family == 4 ? INTERNAL_IP4_ADDRESS : INTERNAL_IP6_ADDRESS, a, true);
	}
	for (unsigned i = 0; i < conn->n_pools; i++) {
		const struct pool *p = pool_find(ike, conn->pools[i]);

		for (unsigned j = 0; p && j < p->c.n_dns; j++)
			put_addr(r, p->c.dns[j].family == 4 ? INTERNAL_IP4_DNS : INTERNAL_IP6_DNS,
				 &p->c.dns[j], false);
	}
}

void cp_build(struct part_ctx *c)
{
	struct cfg_room r;

	memset(&r, 0, sizeof(r));
	if (c->place == AT_AUTH_REQUEST && c->sa->conn->c.n_vips)
		build_request(c->ike, c->sa, &r);
	else if (c->place == AT_AUTH_RESPONSE && c->sa->n_peer_vips)
		build_reply(c->ike, c->sa, &r); /* only if asked: there are addresses only then */
	else
		return;
	msg_put_cp(c->m, &r.cp);
}

/* ---- with CREATE_CHILD_SA ---- */

/* Before its first Child SA only: the selectors of those that there are name the ones it has. */
static bool may_have_own(const struct ike_sa *sa)
{
	return sa->clone_of && !sa->vips_of_line && !sa->n_children;
}

bool cp_child_wanted(const struct ike_sa *sa, const struct task *t)
{
	const struct ike_conn_cfg *conn = &sa->conn->c;

	return t->kind == TASK_CHILD_NEW && conn->vips_per_line && conn->n_vips && sa->role_i &&
	       may_have_own(sa) && !t->shares_vips && !sa->vips_no_more;
}

void cp_child_ask(const struct ike *ike, const struct ike_sa *sa, struct msg_wr *m)
{
	struct cfg_room r;

	memset(&r, 0, sizeof(r));
	build_request(ike, sa, &r);
	msg_put_cp(m, &r.cp);
}

static void keep(const struct ike_sa *sa, const struct addr *vips, uint8_t n,
		 struct cp_before *ret_before)
{
	ret_before->n = n;
	ret_before->more = sa->vips_more;
	ret_before->of_line = sa->vips_of_line;
	memcpy(ret_before->vips, vips, sizeof(ret_before->vips));
}

bool cp_child_answered(struct ike_sa *sa, const struct ike_msg *in, struct cp_before *ret_before)
{
	keep(sa, sa->own_vips, sa->n_own_vips, ret_before);
	if (!in->has_cp || in->cp.type != CFG_REPLY)
		return false;
	sa->n_own_vips = 0;
	take(sa, &in->cp);
	if (sa->n_own_vips)
		return true;
	cp_child_forget(sa, ret_before);
	return false;
}

void cp_child_forget(struct ike_sa *sa, const struct cp_before *before)
{
	sa->n_own_vips = before->n;
	sa->vips_more = before->more;
	sa->vips_of_line = before->of_line;
	memcpy(sa->own_vips, before->vips, sizeof(sa->own_vips));
}

uint16_t cp_child_request(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in,
			  struct cp_before *ret_before, bool *ret_reply)
{
	unsigned asked;

	keep(sa, sa->peer_vips, sa->n_peer_vips, ret_before);
	*ret_reply = false;
	if (!in->has_cp || in->cp.type != CFG_REQUEST || sa->role_i || !sa->conn->c.n_pools)
		return 0;
	if (!may_have_own(sa)) {
		*ret_reply = sa->n_peer_vips;
		return 0;
	}
	sa->n_peer_vips = 0;
	asked = assign(ike, sa, &in->cp);
	*ret_reply = sa->n_peer_vips;
	if (*ret_reply)
		return 0;
	cp_child_undo(ike, sa, ret_before);
	return asked ? N_INTERNAL_ADDRESS_FAILURE : 0;
}

void cp_child_reply(const struct ike *ike, const struct ike_sa *sa, struct msg_wr *m)
{
	struct cfg_room r;

	memset(&r, 0, sizeof(r));
	build_reply(ike, sa, &r);
	msg_put_cp(m, &r.cp);
}

void cp_child_undo(struct ike *ike, struct ike_sa *sa, const struct cp_before *before)
{
	sa->n_peer_vips = before->n;
	sa->vips_more = before->more;
	sa->vips_of_line = before->of_line;
	memcpy(sa->peer_vips, before->vips, sizeof(sa->peer_vips));
	leases_check(ike, sa->family);
}

/* ---- with MMX ---- */

void cp_more_ask(const uint8_t *families, unsigned n, struct msg_wr *m)
{
	struct cfg_room r;

	memset(&r, 0, sizeof(r));
	r.cp.type = CFG_REQUEST;
	for (unsigned i = 0; i < n; i++)
		put_empty(&r, families[i] == 4 ? INTERNAL_IP4_ADDRESS : INTERNAL_IP6_ADDRESS);
	msg_put_cp(m, &r.cp);
}

void cp_more_reply(const struct addr *addrs, unsigned n, struct msg_wr *m)
{
	struct cfg_room r;

	memset(&r, 0, sizeof(r));
	r.cp.type = CFG_REPLY;
	for (unsigned i = 0; i < n; i++)
		put_addr(&r, addrs[i].family == 4 ? INTERNAL_IP4_ADDRESS : INTERNAL_IP6_ADDRESS,
			 &addrs[i], true);
	msg_put_cp(m, &r.cp);
}

/* The first address of that family, which may be the one of no host; NULL. */
static const struct cfg_attr *of_family(const struct cfg_payload *cp, uint8_t family,
					struct addr *ret)
{
	for (unsigned i = 0; i < cp->n; i++)
		if (attr_addr(&cp->a[i], ret) && ret->family == family)
			return &cp->a[i];
	return NULL;
}

bool cp_more_answered(struct ike_sa *sa, const struct ike_msg *in, const uint8_t *families,
		      unsigned n, struct addr *ret_addrs)
{
	if (!in->has_cp || in->cp.type != CFG_REPLY || sa->n_own_vips + n > IKE_VIPS_MAX)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (!of_family(&in->cp, families[i], &ret_addrs[i]) ||
		    !addr_usable(&ret_addrs[i], false) ||
		    listed(sa->own_vips, sa->n_own_vips, &ret_addrs[i]))
			return false;
	for (unsigned i = 0; i < n; i++)
		sa->own_vips[sa->n_own_vips++] = ret_addrs[i];
	sa->vips_more += (uint8_t)n;
	return true;
}

bool cp_more_request(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in,
		     const uint8_t *families, unsigned n, struct addr *ret_addrs,
		     struct cp_before *ret_before)
{
	keep(sa, sa->peer_vips, sa->n_peer_vips, ret_before);
	if (!in->has_cp || in->cp.type != CFG_REQUEST || sa->role_i)
		return false;
	for (unsigned i = 0; i < n; i++) {
		struct addr wish;

		if (sa->n_peer_vips == IKE_VIPS_MAX || !of_family(&in->cp, families[i], &wish) ||
		    !addr_assign(ike, sa, &wish, &ret_addrs[i])) {
			cp_child_undo(ike, sa, ret_before);
			return false;
		}
		sa->peer_vips[sa->n_peer_vips++] = ret_addrs[i];
		sa->vips_more++;
	}
	return true;
}

static bool in_selectors(const struct ike_sa *sa, const struct addr *a)
{
	hash_for_each (it, tmp, &sa->ike->lines, sa->line)
		list_for_each (jt, &hash_entry(it, struct ike_sa, by_line)->children) {
			const struct child_sa *c = list_entry(jt, struct child_sa, node);

			/* one block */
			for (unsigned i = 0; i < c->n_ts_local + c->n_ts_remote; i++)
				if (addr_equal(&c->ts_local[i].first, a) ||
				    addr_equal(&c->ts_local[i].last, a))
					return true;
		}
	return false;
}

void cp_more_prune(struct ike *ike, struct ike_sa *sa)
{
	struct addr *vips = sa->role_i ? sa->own_vips : sa->peer_vips;
	uint8_t *n = sa->role_i ? &sa->n_own_vips : &sa->n_peer_vips;
	uint8_t kept = (uint8_t)(*n - sa->vips_more), all = *n;

	for (uint8_t i = kept; i < all; i++)
		if (in_selectors(sa, &vips[i]))
			vips[kept++] = vips[i];
	sa->vips_more -= (uint8_t)(all - kept);
	*n = kept;
	if (kept < all && !sa->role_i)
		leases_check(ike, sa->family);
}
