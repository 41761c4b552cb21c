/* SPDX-License-Identifier: GPL-2.0-only */
/* Bounded reader and writer over octets in network order.
 *
 * Both carry a sticky error: read or write freely, check `err` once at the end. After the first
 * error a reader returns zeros and NULL, a writer writes nothing. Neither allocates nor owns its
 * buffer. Thread: the caller's. Not for BPF code.
 */
#ifndef BRAID_BASE_WIRE_H
#define BRAID_BASE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rd {
	const uint8_t *p; /* borrowed */
	const uint8_t *end;
	int err; /* 0, or -EBADMSG after a read past the end (or set by the caller) */
};

struct wr {
	uint8_t *base; /* borrowed */
	size_t len;    /* octets written so far */
	size_t cap;
	int err; /* 0, or -ENOBUFS after a write past the end */
};

struct rd rd_init(const void *buf, size_t len_octets);
static inline size_t rd_left(const struct rd *r)
{
	return r->err ? 0 : (size_t)(r->end - r->p);
}
uint8_t rd_u8(struct rd *r);
uint16_t rd_u16(struct rd *r);
uint32_t rd_u32(struct rd *r);
uint64_t rd_u64(struct rd *r);
/* Borrow n octets and step over them; NULL (and err) if fewer are left. */
const uint8_t *rd_bytes(struct rd *r, size_t n);
/* Copy n octets to dst; dst is zeroed on error. */
void rd_copy(struct rd *r, void *dst, size_t n);
void rd_skip(struct rd *r, size_t n);
/* A reader over the next n octets, which r steps over. If fewer are left, r gets the error and the
 * returned reader is empty with the same error. */
struct rd rd_sub(struct rd *r, size_t n);

struct wr wr_init(void *buf, size_t cap_octets);
void wr_u8(struct wr *w, uint8_t v);
void wr_u16(struct wr *w, uint16_t v);
void wr_u32(struct wr *w, uint32_t v);
void wr_u64(struct wr *w, uint64_t v);
void wr_bytes(struct wr *w, const void *src, size_t n);
void wr_zero(struct wr *w, size_t n);
/* Reserve n octets (uninitialised); returns their start or NULL on error. */
uint8_t *wr_reserve(struct wr *w, size_t n);
/* Overwrite two or four octets at offset off, which must have been written already. */
void wr_put_u8_at(struct wr *w, size_t off, uint8_t v);
void wr_put_u16_at(struct wr *w, size_t off, uint16_t v);
void wr_put_u32_at(struct wr *w, size_t off, uint32_t v);

#endif
