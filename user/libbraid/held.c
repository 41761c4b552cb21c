/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory of lists, and members of JSON objects. */
#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>

#include "impl.h"

struct held_block {
	struct held_block *next;
	alignas(max_align_t) unsigned char data[];
};

void *held_alloc(struct held *h, size_t size, bool *failed)
{
	struct held_block *block = calloc(1, sizeof(*block) + size);

	if (!block) {
		*failed = true;
		return NULL;
	}
	block->next = h->blocks;
	h->blocks = block;
	return block->data;
}

void held_keep(struct held *h, json_t *data)
{
	h->keep[h->n_keep++] = data;
}

void held_clear(struct held *h)
{
	while (h->blocks) {
		struct held_block *block = h->blocks;

		h->blocks = block->next;
		free(block);
	}
	for (size_t i = 0; i < h->n_keep; i++)
		json_decref(h->keep[i]);
}

int list_end(struct lib_list *l, int r, bool failed)
{
	if (r == 0 && failed)
		r = -ENOMEM;
	if (r < 0)
		list_free(l);
	return r;
}

void list_free(struct lib_list *l)
{
	if (l)
		held_clear(&l->held);
	free(l);
}

const char *get_str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

uint64_t get_num(const json_t *o, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(o, key));

	return n > 0 ? (uint64_t)n : 0;
}

bool get_flag(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

const struct braid_endpoint *lib_endpoints(struct held *h, const json_t *list, bool *failed)
{
	const struct braid_endpoint *first = NULL, **at = &first;
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		struct braid_endpoint *e = held_alloc(h, sizeof(*e), failed);

		if (!e)
			break;
		e->address = get_str(o, "address");
		e->number = (unsigned)get_num(o, "id");
		e->current = get_flag(o, "current");
		*at = e;
		at = &e->next;
	}
	return first;
}
