/* SPDX-License-Identifier: GPL-2.0-only */
/* Configuration payload: virtual addresses asked for and served (RFC 7296 2.19, 3.15).
 *
 * Leases belong to the IKE SA family, so that a rekey keeps them; they end with its last IKE SA.
 */
#include <stdlib.h>
#include <string.h>

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

void cp_release(struct ike *ike, uint64_t family)
{
	struct hash_node *n;

	while ((n = hash_find(&ike->leases_of, family)))
		lease_free(ike, hash_entry(n, struct lease, by_family));
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

static struct pool *pool_find(struct ike *ike, const char *name)
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

static bool addr_assign(struct ike *ike, struct ike_sa *sa, const struct addr *wish,
			struct addr *ret)
{
	const struct ike_conn_cfg *conn = &sa->conn->c;
	struct addr zero = { .family = wish->family };

	for (unsigned i = 0; i < conn->n_pools; i++) {
		struct pool *p = pool_find(ike, conn->pools[i]);

		if (p && !addr_equal(wish, &zero) && in_pool(p, wish) &&
		    !leased_to_others(ike, sa, wish) && lease_add(ike, sa->family, wish)) {
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

/* Responder: one distinct address for each one asked for, as far as they last. */
static void process_request(struct part_ctx *c)
{
	struct ike_sa *sa = c->sa;

	for (unsigned i = 0; i < c->in->cp.n; i++) {
		struct addr wish, got;

		if (!attr_addr(&c->in->cp.a[i], &wish))
			continue;
		c->cp_requested++;
		if (sa->n_peer_vips < IKE_VIPS_MAX && addr_assign(c->ike, sa, &wish, &got))
			sa->peer_vips[sa->n_peer_vips++] = got;
	}
	if (c->cp_requested && !sa->n_peer_vips)
		c->cp_error = N_INTERNAL_ADDRESS_FAILURE;
}

static bool wanted(const struct ike_conn_cfg *conn, const struct addr *a)
{
	for (unsigned i = 0; i < conn->n_vips; i++)
		if (conn->vips[i].family == a->family)
			return true;
	return false;
}

static void process_reply(struct part_ctx *c)
{
	struct ike_sa *sa = c->sa;

	for (unsigned i = 0; i < c->in->cp.n; i++) {
		struct addr a;

		if (attr_addr(&c->in->cp.a[i], &a) && addr_usable(&a, false) &&
		    wanted(&sa->conn->c, &a) && sa->n_own_vips < sa->conn->c.n_vips)
			sa->own_vips[sa->n_own_vips++] = a;
	}
}

void cp_process(struct part_ctx *c)
{
	if (!c->in->has_cp)
		return;
	if (c->place == AT_AUTH_REQUEST && c->in->cp.type == CFG_REQUEST)
		process_request(c);
	else if (c->place == AT_AUTH_RESPONSE && c->in->cp.type == CFG_REPLY)
		process_reply(c);
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

/* What we ask for: when we authenticate anew, what we have. */
static const struct addr *held(const struct part_ctx *c, unsigned i)
{
	const struct addr *a = &c->sa->conn->c.vips[i];
	const struct ike_sa *old = reauth_old(c->ike, c->sa);

	if (old && i < old->n_own_vips && old->own_vips[i].family == a->family)
		return &old->own_vips[i];
	return a;
}

static void build_request(struct part_ctx *c, struct cfg_room *r)
{
	const struct ike_conn_cfg *conn = &c->sa->conn->c;
	bool v4 = false, v6 = false;

	r->cp.type = CFG_REQUEST;
	for (unsigned i = 0; i < conn->n_vips; i++) {
		const struct addr *a = held(c, i);
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

static void build_reply(struct part_ctx *c, struct cfg_room *r)
{
	const struct ike_conn_cfg *conn = &c->sa->conn->c;

	r->cp.type = CFG_REPLY;
	for (unsigned i = 0; i < c->sa->n_peer_vips; i++) {
		const struct addr *a = &c->sa->peer_vips[i];

		put_addr(r, a->family == 4 ? INTERNAL_IP4_ADDRESS : INTERNAL_IP6_ADDRESS, a, true);
	}
	for (unsigned i = 0; i < conn->n_pools; i++) {
		const struct pool *p = pool_find(c->ike, conn->pools[i]);

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
		build_request(c, &r);
	else if (c->place == AT_AUTH_RESPONSE && c->sa->n_peer_vips)
		build_reply(c, &r); /* only if asked: there are addresses only then */
	else
		return;
	msg_put_cp(c->m, &r.cp);
}
