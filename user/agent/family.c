/* SPDX-License-Identifier: GPL-2.0-only */
/* Families: lines of IKE SAs that steer together. A flow goes by the Child SA of any of them that
 * is for its traffic, whichever path that line has, so every change to one line's paths or Child
 * SAs is one for the groups of all. Which lines belong together is decided here alone: today those
 * of one authentication.
 *
 * Order: a line's paths join the groups of the others when its Child SAs are in the engine, and
 * leave them before these go. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bindings.h"
#include "steer.h"

/* ---- which lines there are ---- */

static struct family *family_find(struct agent *a, uint64_t key)
{
	struct hash_node *n = hash_find(&a->families, key);

	return n ? hash_entry(n, struct family, by_key) : NULL;
}

static struct family *family_get(struct agent *a, uint64_t key)
{
	struct family *f = family_find(a, key);

	if (f)
		return f;
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	f->key = key;
	f->steer_due = USEC_NEVER;
	list_init(&f->lines);
	hash_add(&a->families, &f->by_key, key);
	return f;
}

bool family_join(struct agent *a, struct peer *p, uint64_t key)
{
	struct family *f = family_get(a, key);
	struct list *before;

	if (!f)
		return false;
	/* oldest first, in whichever order an agent takes them over */
	for (before = f->lines.next; before != &f->lines; before = before->next)
		if (list_entry(before, struct peer, in_family)->line > p->line)
			break;
	list_append(before, &p->in_family);
	p->family = f;
	f->n_lines++;
	return true;
}

void family_leave(struct agent *a, struct peer *p)
{
	struct family *f = p->family;

	if (list_empty(&p->in_family))
		return;
	list_remove(&p->in_family);
	list_init(&p->in_family);
	f->n_lines--;
	steer_inherit(p);
	if (f->n_lines)
		family_sync(a, f);
}

int family_close_line(struct agent *a, uint64_t line, uint32_t op)
{
	struct peer *p = peer_find(a, line);
	int err;

	if (p) {
		p->ending = true;
		family_sync(a, p->family);
	}
	err = ike_down_line(a->ike, line, op, agent_now());
	if (err && err != -EALREADY && p) {
		p->ending = false;
		family_sync(a, p->family);
	}
	return err;
}

void family_unref(struct agent *a, struct family *f)
{
	if (f->n_lines)
		return;
	hash_remove(&a->families, &f->by_key);
	free(f);
}

void family_renumber(struct agent *a, struct peer *p, uint64_t key)
{
	struct family *f = p->family;

	if (f->key == key)
		return;
	if (!family_find(a, key)) {
		hash_remove(&a->families, &f->by_key);
		f->key = key;
		hash_add(&a->families, &f->by_key, key);
		return;
	}
	/* some of its lines came first, when a new agent took them over */
	family_leave(a, p);
	if (!family_join(a, p, key))
		return; /* never: it is there */
	family_unref(a, f);
	family_sync(a, p->family);
}

struct path *family_path(const struct family *f, const char *name)
{
	list_for_each (li, &f->lines) {
		struct peer *p = list_entry(li, struct peer, in_family);

		list_for_each (it, &p->paths) {
			struct path *path = list_entry(it, struct path, node);

			if (!strcmp(path->name, name))
				return path;
		}
	}
	return NULL;
}

bool family_is_first(const struct peer *p)
{
	return p->family->lines.next == &p->in_family;
}

bool family_uses(const struct peer *p, const struct ike_path *pair)
{
	list_for_each (li, &p->family->lines) {
		const struct peer *q = list_entry(li, struct peer, in_family);

		if (q != p && same_pair(&q->ike_path, pair))
			return true;
	}
	return false;
}

bool family_works_besides(const struct family *f, const struct path *path)
{
	list_for_each (li, &f->lines) {
		const struct peer *p = list_entry(li, struct peer, in_family);

		list_for_each (it, &p->paths) {
			const struct path *o = list_entry(it, struct path, node);

			if (o != path && (o->in_group || o->usable) && path_works(o))
				return true;
		}
	}
	return false;
}

/* ---- which of them carry the same traffic ---- */

/* As octets, without what pads a structure. */
static uint64_t ts_hash(const struct ike_ts *ts)
{
	uint8_t b[6 + 2 * sizeof(ts->first.b)] = {
		ts->protocol,
		ts->first.family,
		(uint8_t)(ts->port_first >> 8),
		(uint8_t)ts->port_first,
		(uint8_t)(ts->port_last >> 8),
		(uint8_t)ts->port_last,
	};

	memcpy(b + 6, ts->first.b, sizeof(ts->first.b));
	memcpy(b + 6 + sizeof(ts->first.b), ts->last.b, sizeof(ts->last.b));
	return hash_octets(b, sizeof(b));
}

uint64_t family_selectors(const struct ike_ts *local, size_t n_local, const struct ike_ts *remote,
			  size_t n_remote)
{
	uint64_t sums[2] = { 0, 0 }; /* of sets: in any order */

	for (size_t i = 0; i < n_local; i++)
		sums[0] += ts_hash(&local[i]);
	for (size_t i = 0; i < n_remote; i++)
		sums[1] += ts_hash(&remote[i]);
	return hash_octets(sums, sizeof(sums));
}

static bool has_selectors(const struct peer *p, uint64_t selectors)
{
	list_for_each (it, &p->children)
		if (list_entry(it, struct child, node)->selectors == selectors)
			return true;
	return false;
}

static bool covers(const struct peer *p, const struct peer *all_of)
{
	list_for_each (it, &all_of->children)
		if (!has_selectors(p, list_entry(it, struct child, node)->selectors))
			return false;
	return true;
}

bool family_shares(const struct peer *p, const struct peer *q)
{
	return p->kind == q->kind;
}

/* A kind is numbered as the first line of it. One that is being rekeyed has some selectors twice.
 */
void family_kinds(struct family *f)
{
	list_for_each (li, &f->lines) {
		struct peer *p = list_entry(li, struct peer, in_family);

		p->kind = p->line;
		for (struct list *it = f->lines.next; it != li; it = it->next) {
			const struct peer *q = list_entry(it, struct peer, in_family);

			if (q->kind != q->line || !covers(p, q) || !covers(q, p))
				continue;
			p->kind = q->kind;
			break;
		}
	}
}

void family_sync(struct agent *a, struct family *f)
{
	family_kinds(f);
	list_for_each (li, &f->lines) {
		struct peer *p = list_entry(li, struct peer, in_family);

		group_write(a, p);
		bindings_write(a, p);
	}
}

void family_child_changed(struct agent *a, struct peer *p)
{
	if (p->family->n_lines > 1)
		family_sync(a, p->family);
}
