/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <string.h>

#include "base/wire.h"

struct rd rd_init(const void *buf, size_t len)
{
	const uint8_t *p = buf;

	return (struct rd){ .p = p, .end = p + len };
}

static const uint8_t *take(struct rd *r, size_t n)
{
	if (r->err)
		return NULL;
	if ((size_t)(r->end - r->p) < n) {
		r->err = -EBADMSG;
		return NULL;
	}
	const uint8_t *p = r->p;
	r->p += n;
	return p;
}

static uint64_t take_be(struct rd *r, size_t n)
{
	const uint8_t *p = take(r, n);
	uint64_t v = 0;

	for (size_t i = 0; p && i < n; i++)
		v = v << 8 | p[i];
	return v;
}

uint8_t rd_u8(struct rd *r)
{
	return (uint8_t)take_be(r, 1);
}

uint16_t rd_u16(struct rd *r)
{
	return (uint16_t)take_be(r, 2);
}

uint32_t rd_u32(struct rd *r)
{
	return (uint32_t)take_be(r, 4);
}

uint64_t rd_u64(struct rd *r)
{
	return take_be(r, 8);
}

const uint8_t *rd_bytes(struct rd *r, size_t n)
{
	return take(r, n);
}

void rd_copy(struct rd *r, void *dst, size_t n)
{
	const uint8_t *p = take(r, n);

	if (!n)
		return;
	if (p)
		memcpy(dst, p, n);
	else
		memset(dst, 0, n);
}

void rd_skip(struct rd *r, size_t n)
{
	take(r, n);
}

struct rd rd_sub(struct rd *r, size_t n)
{
	const uint8_t *p = take(r, n);

	if (!p)
		return (struct rd){ .p = r->end, .end = r->end, .err = r->err };
	return (struct rd){ .p = p, .end = p + n };
}

struct wr wr_init(void *buf, size_t cap)
{
	return (struct wr){ .base = buf, .cap = cap };
}

uint8_t *wr_reserve(struct wr *w, size_t n)
{
	if (w->err)
		return NULL;
	if (w->cap - w->len < n) {
		w->err = -ENOBUFS;
		return NULL;
	}
	uint8_t *p = w->base + w->len;
	w->len += n;
	return p;
}

static void put_be(uint8_t *p, uint64_t v, size_t n)
{
	for (size_t i = 0; p && i < n; i++)
		p[i] = (uint8_t)(v >> 8 * (n - 1 - i));
}

void wr_u8(struct wr *w, uint8_t v)
{
	put_be(wr_reserve(w, 1), v, 1);
}

void wr_u16(struct wr *w, uint16_t v)
{
	put_be(wr_reserve(w, 2), v, 2);
}

void wr_u32(struct wr *w, uint32_t v)
{
	put_be(wr_reserve(w, 4), v, 4);
}

void wr_u64(struct wr *w, uint64_t v)
{
	put_be(wr_reserve(w, 8), v, 8);
}

void wr_bytes(struct wr *w, const void *src, size_t n)
{
	uint8_t *p = wr_reserve(w, n);

	if (p && n)
		memcpy(p, src, n);
}

void wr_zero(struct wr *w, size_t n)
{
	uint8_t *p = wr_reserve(w, n);

	if (p && n)
		memset(p, 0, n);
}

static void put_at(struct wr *w, size_t off, uint64_t v, size_t n)
{
	if (w->err)
		return;
	if (off > w->len || w->len - off < n)
		w->err = -ENOBUFS;
	else
		put_be(w->base + off, v, n);
}

void wr_put_u8_at(struct wr *w, size_t off, uint8_t v)
{
	put_at(w, off, v, 1);
}

void wr_put_u16_at(struct wr *w, size_t off, uint16_t v)
{
	put_at(w, off, v, 2);
}

void wr_put_u32_at(struct wr *w, size_t off, uint32_t v)
{
	put_at(w, off, v, 4);
}
