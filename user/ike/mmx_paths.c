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

static uint16_t path_end(uint32_t path, enum mmx_owner owner)
{
	return (uint16_t)(owner == MMX_I ? path >> 16 : path);
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
	struct mmx_path_seen *old = find(t, p->path), was = { .path = 0 };
	bool moved;

	if (!i || !r || i->addr.family != r->addr.family)
		return MMX_UNKNOWN_ADDRESS;
	if (old)
		was = *old;
	else
		old = place(t);
	moved = was.path && !udp_addr_equal(&was.seen, &p->peer);
	*old = *p;
	old->seen = p->peer;
	old->keep |= was.keep;
	old->sent = was.sent > p->sent ? was.sent : p->sent;
	if (was.verified > p->at) {
		old->peer = was.peer;
		old->verified = was.verified;
		old->renewing = was.renewing;
		old->shown = true;
	}
	*ret_moved = moved;
	return MMX_OK;
}

void mmx_paths_verify(struct mmx_paths *t, uint32_t path, const struct udp_addr *peer, usec_t now)
{
	struct mmx_path_seen *p = find(t, path);

	if (!p || (!udp_addr_equal(&p->seen, peer) && !udp_addr_equal(&p->peer, peer)))
		return;
	p->peer = *peer;
	p->verified = now + MMX_RR_LIFE_SEC * USEC_PER_SEC;
	p->renewing = false;
	p->shown = true;
	p->retries = 0;
}

bool mmx_paths_receives(const struct mmx_paths *t, const struct udp_addr *peer, usec_t now)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->p[i].verified > now && udp_addr_equal(&t->p[i].peer, peer))
			return true;
	return false;
}

bool mmx_paths_verified(const struct mmx_paths *t, uint32_t path, usec_t now)
{
	const struct mmx_path_seen *p = mmx_paths_find(t, path);

	return p && !p->dead && mmx_paths_receives(t, &p->peer, now);
}

void mmx_paths_moved(struct mmx_paths *t, enum mmx_owner owner, uint16_t epid)
{
	for (unsigned i = 0; i < t->n; i++) {
		struct mmx_path_seen *p = &t->p[i];

		if (path_end(p->path, owner) != epid || udp_addr_equal(&p->peer, &p->seen))
			continue;
		p->peer = p->seen;
		p->verified = 0;
		p->shown = false;
	}
}

void mmx_paths_lost(struct mmx_paths *t, uint32_t path, usec_t now)
{
	struct mmx_path_seen *p = find(t, path);

	if (!p)
		return;
	p->dead = true;
	p->retry = now + (MMX_RETRY_SEC * USEC_PER_SEC << p->retries);
	p->retries += p->retries < MMX_RETRY_DOUBLED;
}

void mmx_paths_doubt(struct mmx_paths *t, const struct udp_addr *peer, usec_t now)
{
	const usec_t fresh = now + (MMX_RR_LIFE_SEC - MMX_RR_RENEW_SEC) * USEC_PER_SEC;
	const usec_t until = now + MMX_RR_DOUBT_SEC * USEC_PER_SEC;

	for (unsigned i = 0; i < t->n; i++) {
		struct mmx_path_seen *p = &t->p[i];

		if (!udp_addr_equal(&p->peer, peer) || p->verified > fresh || p->verified <= until)
			continue;
		p->verified = until;
		p->renewing = false;
	}
}

void mmx_paths_forget(struct mmx_paths *t, enum mmx_owner owner, uint16_t epid)
{
	unsigned n = 0;

	for (unsigned i = 0; i < t->n; i++)
		if (path_end(t->p[i].path, owner) != epid)
			t->p[n++] = t->p[i];
	t->n = n;
}

static usec_t due_at(const struct mmx_path_seen *p)
{
	usec_t retry = p->dead && p->shown ? p->retry : USEC_NEVER, over = p->verified;

	if (!over)
		return retry;
	if (!p->renewing)
		over -= MMX_RR_RENEW_SEC * USEC_PER_SEC;
	return over < retry ? over : retry;
}

struct mmx_path_seen *mmx_paths_due(struct mmx_paths *t, usec_t now)
{
	for (unsigned i = 0; i < t->n; i++) {
		struct mmx_path_seen *p = &t->p[i];

		if (due_at(p) > now)
			continue;
		if (p->verified <= now)
			p->verified = 0;
		p->renewing = p->verified;
		if (p->dead && p->retry <= now)
			p->retry = USEC_NEVER; /* until it is lost again */
		return p;
	}
	return NULL;
}

usec_t mmx_paths_due_at(const struct mmx_paths *t)
{
	usec_t first = USEC_NEVER;

	for (unsigned i = 0; i < t->n; i++)
		if (due_at(&t->p[i]) < first)
			first = due_at(&t->p[i]);
	return first;
}
