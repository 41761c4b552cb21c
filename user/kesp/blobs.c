/* SPDX-License-Identifier: GPL-2.0-only */
/* Images of IKE SAs, a sealed file each: "ike-0000000000000042", the order in which they came, and
 * the image. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "kesp_impl.h"

enum { ORDER = 8, BLOBS_MAX = 65536 };

static void name_of(uint64_t key, char name[24])
{
	snprintf(name, 24, "ike-%016llx", (unsigned long long)key);
}

int blobs_put(struct kesp *k, const struct engine_blob *m, size_t len)
{
	int err = blob_parts_add(&k->coming, m, len);
	char name[24];

	if (err)
		return err == -EAGAIN ? 0 : err;
	name_of(m->key, name);
	err = sealed_write(&k->images, name, &k->blob_order, ORDER, k->coming.data, k->coming.len);
	k->blob_order++;
	blob_parts_clear(&k->coming);
	return err;
}

int blobs_del(struct kesp *k, uint64_t key)
{
	char name[24];

	name_of(key, name);
	return sealed_remove(&k->images, name);
}

struct image {
	uint64_t key, order;
	uint8_t *data;
	size_t len;
};

struct images {
	struct kesp *k;
	struct image *all;
	size_t n, cap;
	int err;
};

static bool room(struct images *v)
{
	size_t cap = v->cap ? 2 * v->cap : 64;
	struct image *all;

	if (v->n < v->cap)
		return true;
	all = cap <= BLOBS_MAX ? reallocarray(v->all, cap, sizeof(*all)) : NULL;
	if (!all)
		return false;
	v->all = all;
	v->cap = cap;
	return true;
}

static void take(void *ctx, const char *name)
{
	struct images *v = ctx;
	char *end, again[24];
	struct image i;
	int err;

	if (strncmp(name, "ike-", 4) != 0 || v->err)
		return;
	i.key = strtoull(name + 4, &end, 16);
	name_of(i.key, again);
	err = *end || strcmp(again, name) != 0 ? -EBADMSG
					       : sealed_read(&v->k->images, name, &i.data, &i.len);
	if (!err && i.len < ORDER) {
		blob_free(i.data, i.len);
		err = -EBADMSG;
	}
	if (!err && !room(v)) {
		blob_free(i.data, i.len);
		v->err = -ENOMEM;
		return;
	}
	if (err) {
		log_warning("the image of an IKE SA, %s, cannot be read: %s; it is removed", name,
			    err == -EBADMSG ? "damaged, or of another uptime" : strerror(-err));
		sealed_remove(&v->k->images, name);
		return;
	}
	memcpy(&i.order, i.data, ORDER);
	v->all[v->n++] = i;
}

static int by_order(const void *pa, const void *pb)
{
	const struct image *a = pa, *b = pb;

	return a->order < b->order ? -1 : a->order > b->order;
}

static int answer_part(void *ctx, struct engine_blob *m, size_t len)
{
	kesp_answer(ctx, m, ENGINE_BLOB, len);
	return 0;
}

int blobs_list(struct kesp *k, const struct kesp_reply *to)
{
	struct images v = { .k = k };
	int err = sealed_each(&k->images, take, &v);

	if (!err)
		err = v.err;
	if (v.n)
		qsort(v.all, v.n, sizeof(*v.all), by_order);
	for (size_t i = 0; i < v.n; i++) {
		const struct image *m = &v.all[i];

		if (!err)
			blob_send(m->key, m->data + ORDER, m->len - ORDER, answer_part, (void *)to);
		if (k->blob_order <= m->order)
			k->blob_order = m->order + 1;
		blob_free(m->data, m->len);
	}
	free(v.all);
	return err;
}
