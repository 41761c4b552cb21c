/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared bindings: see mmx_table.h. */
#include <stdlib.h>
#include <string.h>

#include "mmx_table.h"

void mmx_table_init(struct mmx_table *t)
{
	hash_init(&t->h);
	list_init(&t->all);
	list_init(&t->gone);
	t->last_id = 0;
}

static void free_entry(struct hash_node *n)
{
	free(hash_entry(n, struct mmx_shared, node));
}

static void bury(struct mmx_table *t)
{
	list_for_each_safe (it, tmp, &t->gone) {
		list_remove(it);
		free(list_entry(it, struct mmx_shared, in));
	}
}

void mmx_table_clear(struct mmx_table *t)
{
	hash_empty(&t->h, free_entry);
	hash_clear(&t->h);
	list_init(&t->all);
	bury(t);
}

/* Alternates are left out: bindings that differ in them only are few. */
static uint64_t key_of(const struct mmx_binding *b)
{
	uint16_t k[2 + 2 * MMX_SIDE_MAX] = { b->own ? b->ends[MMX_I].n : 0,
					     b->own ? b->ends[MMX_R].n : 0 };

	for (unsigned side = 0; b->own && side < 2; side++)
		memcpy(&k[2 + side * MMX_SIDE_MAX], b->ends[side].epid,
		       b->ends[side].n * sizeof(k[0]));
	return hash_octets(k, sizeof(k));
}

static struct mmx_shared *find(const struct mmx_table *t, const struct mmx_binding *b)
{
	hash_for_each (it, next, &t->h, key_of(b)) {
		struct mmx_shared *s = hash_entry(it, struct mmx_shared, node);

		if (mmx_binding_equal(&s->b, b))
			return s;
	}
	return NULL;
}

struct mmx_shared *mmx_shared_spare(void)
{
	return calloc(1, sizeof(struct mmx_shared));
}

static void put_in(struct mmx_table *t, struct mmx_shared *s, const struct mmx_binding *b)
{
	s->b = *b;
	if (!s->id) {
		s->id = ++t->last_id;
		list_append(&t->all, &s->in);
	}
	hash_add(&t->h, &s->node, key_of(b));
}

struct mmx_shared *mmx_shared_get(struct mmx_table *t, const struct mmx_binding *b)
{
	struct mmx_shared *s = find(t, b);

	if (!s) {
		s = mmx_shared_spare();
		if (!s)
			return NULL;
		put_in(t, s, b);
	}
	s->refs++;
	return s;
}

struct mmx_shared *mmx_shared_restore(struct mmx_table *t, uint32_t id, const struct mmx_binding *b)
{
	struct mmx_shared *s = mmx_shared_spare();

	if (!s)
		return NULL;
	s->id = id;
	list_append(&t->all, &s->in);
	put_in(t, s, b);
	return s;
}

void mmx_shared_put(struct mmx_table *t, struct mmx_shared *s, unsigned n)
{
	if (!s)
		return;
	s->refs -= n;
	if (s->refs)
		return;
	hash_remove(&t->h, &s->node);
	list_remove(&s->in);
	if (s->told)
		list_append(&t->gone, &s->in);
	else
		free(s);
}

struct mmx_shared *mmx_shared_change(struct mmx_table *t, struct mmx_shared *s, unsigned n,
				     const struct mmx_binding *b, struct mmx_shared *spare)
{
	struct mmx_shared *to = find(t, b);

	if (!to && n == s->refs) {
		hash_remove(&t->h, &s->node);
		put_in(t, s, b);
		return s;
	}
	if (!to) {
		to = spare;
		put_in(t, to, b);
	}
	to->refs += n;
	s->refs -= n;
	return to;
}
