/* SPDX-License-Identifier: GPL-2.0-only */
/* Paths that were seen: see mmx_paths.h. */
#include "mmx_paths.h"

static struct mmx_path_seen *find(struct mmx_paths *t, uint32_t path)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->p[i].path == path)
			return &t->p[i];
	return NULL;
}

const struct mmx_path_seen *mmx_paths_find(const struct mmx_paths *t, uint32_t path)
{
	return find((struct mmx_paths *)t, path);
}

/* A free place, or that of the one not seen for the longest time. */
static struct mmx_path_seen *place(struct mmx_paths *t)
{
	struct mmx_path_seen *oldest = &t->p[0];

	if (t->n < MMX_PATHS_KEPT)
		return &t->p[t->n++];
	for (unsigned i = 1; i < t->n; i++)
		if (t->p[i].at < oldest->at)
			oldest = &t->p[i];
	return oldest;
}

enum mmx_status mmx_paths_see(struct mmx_paths *t, const struct mmx_lists *l,
			      const struct mmx_path_seen *p, bool *ret_moved)
{
	const struct mmx_iface_ep *i = mmx_list_ep(l->of[MMX_I], (uint16_t)(p->path >> 16), NULL);
	const struct mmx_iface_ep *r = mmx_list_ep(l->of[MMX_R], (uint16_t)p->path, NULL);
	struct mmx_path_seen *old = find(t, p->path);
	bool moved = old && !udp_addr_equal(&old->peer, &p->peer);
	usec_t verified = old && !moved ? old->verified : 0;

	if (!i || !r || i->addr.family != r->addr.family)
		return MMX_UNKNOWN_ADDRESS;
	if (!old)
		old = place(t);
	*old = *p;
	old->verified = verified;
	*ret_moved = moved;
	return MMX_OK;
}

void mmx_paths_verify(struct mmx_paths *t, uint32_t path, const struct udp_addr *peer, usec_t now)
{
	struct mmx_path_seen *p = find(t, path);

	if (p && udp_addr_equal(&p->peer, peer))
		p->verified = now + MMX_RR_LIFE_SEC * USEC_PER_SEC;
}

bool mmx_paths_verified(const struct mmx_paths *t, uint32_t path, usec_t now)
{
	const struct mmx_path_seen *p = mmx_paths_find(t, path);

	for (unsigned i = 0; p && i < t->n; i++)
		if (t->p[i].verified > now && udp_addr_equal(&t->p[i].peer, &p->peer))
			return true;
	return false;
}

void mmx_paths_doubt(struct mmx_paths *t, const struct udp_addr *peer)
{
	for (unsigned i = 0; i < t->n; i++)
		if (udp_addr_equal(&t->p[i].peer, peer))
			t->p[i].verified = 0;
}

void mmx_paths_forget(struct mmx_paths *t, enum mmx_owner owner, uint16_t epid)
{
	unsigned n = 0;

	for (unsigned i = 0; i < t->n; i++)
		if ((uint16_t)(owner == MMX_I ? t->p[i].path >> 16 : t->p[i].path) != epid)
			t->p[n++] = t->p[i];
	t->n = n;
}

usec_t mmx_paths_expire(const struct mmx_paths *t)
{
	usec_t first = USEC_NEVER;

	for (unsigned i = 0; i < t->n; i++)
		if (t->p[i].verified && t->p[i].verified < first)
			first = t->p[i].verified;
	return first;
}
