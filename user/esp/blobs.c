/* SPDX-License-Identifier: GPL-2.0-only */
#include "esp/blobs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

void blob_free(uint8_t *data, size_t len)
{
	if (data)
		secret_wipe(data, len);
	free(data);
}

void blob_parts_clear(struct blob_parts *p)
{
	blob_free(p->data, p->len);
	*p = (struct blob_parts){ 0 };
}

static int begin(struct blob_parts *p, const struct engine_blob *m)
{
	size_t len = (size_t)m->len + m->more;

	if (len > BLOB_OCTETS_MAX)
		return -EINVAL;
	p->data = malloc(len + 1);
	if (!p->data)
		return -ENOMEM;
	p->key = m->key;
	p->len = len;
	p->have = 0;
	return 0;
}

int blob_parts_add(struct blob_parts *p, const struct engine_blob *m, size_t len)
{
	int ret = 0;

	if (m->len > ENGINE_BLOB_MAX || len < sizeof(*m) + m->len || (!m->len && m->more))
		ret = -EINVAL;
	else if (!p->data)
		ret = begin(p, m);
	else if (p->key != m->key || p->len - p->have != (size_t)m->len + m->more)
		ret = -EINVAL;
	if (ret) {
		blob_parts_clear(p);
		return ret;
	}
	memcpy(p->data + p->have, m->data, m->len);
	p->have += m->len;
	return m->more ? -EAGAIN : 0;
}

int blob_send(uint64_t key, const uint8_t *data, size_t len,
	      int (*send)(void *ctx, struct engine_blob *m, size_t len), void *ctx)
{
	static union {
		struct engine_blob b;
		uint8_t room[sizeof(struct engine_blob) + ENGINE_BLOB_MAX];
	} m;
	size_t at = 0, n;
	int ret;

	do {
		n = len - at < ENGINE_BLOB_MAX ? len - at : ENGINE_BLOB_MAX;
		m.b = (struct engine_blob){ .key = key,
					    .len = (uint32_t)n,
					    .more = (uint32_t)(len - at - n) };
		if (n)
			memcpy(m.b.data, data + at, n);
		ret = send(ctx, &m.b, sizeof(m.b) + n);
		secret_wipe(&m, sizeof(m.b) + n);
		at += n;
	} while (!ret && at < len);
	return ret;
}
