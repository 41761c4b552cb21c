/* SPDX-License-Identifier: GPL-2.0-only */
/* MMX_ATTR_CLASS: how a class of traffic is to be sent, in a list of interfaces; behind the
 * attribute's number.
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |     State     |     Mode      |    Copies     |   Preferred   |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                  IFID * Preferred, 16 bits each               ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   ~                 Name of the class, to the end                 ~
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
#include <string.h>

#include "mmx_impl.h"

/* ---- its name ---- */

/* A character of UTF-8 in its shortest form, no surrogate, no control; 0: it is none, else its
 * octets. */
static size_t printable(const uint8_t *p, size_t len)
{
	static const uint32_t least[] = { 0, 0x20, 0xa0, 0x800, 0x10000 };
	size_t n = p[0] < 0x80	     ? 1
		   : p[0] >> 5 == 6  ? 2
		   : p[0] >> 4 == 14 ? 3
		   : p[0] >> 3 == 30 ? 4
				     : 0;
	uint32_t c;

	if (!n || n > len)
		return 0;
	c = n == 1 ? p[0] : p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	return c < least[n] || c == 0x7f || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff ? 0 : n;
}

static bool name_get(struct bytes b, char ret[MMX_CLASS_NAME_MAX])
{
	size_t at = 0, n;

	if (!b.len || b.len >= MMX_CLASS_NAME_MAX)
		return false;
	for (; at < b.len; at += n) {
		n = printable(b.p + at, b.len - at);
		if (!n)
			return false;
	}
	memcpy(ret, b.p, b.len);
	return true;
}

/* ---- one ---- */

bool mmx_class_get(struct bytes b, struct mmx_class *ret_s)
{
	struct rd r = rd_init(b.p, b.len);
	struct mmx_class s = { .state = rd_u8(&r), .mode = rd_u8(&r), .copies = rd_u8(&r) };
	uint8_t n = rd_u8(&r);

	/* of more than can be kept the first are */
	for (unsigned i = 0; i < n; i++) {
		uint16_t ifid = rd_u16(&r);

		if (i < MMX_PREFER_MAX)
			s.prefer[s.n_prefer++] = ifid;
	}
	if (r.err || !name_get(rd_rest(&r), s.name))
		return false;
	*ret_s = s;
	return true;
}

void mmx_class_put(struct wr *w, const struct mmx_class *s)
{
	wr_u8(w, s->state);
	wr_u8(w, s->mode);
	wr_u8(w, s->copies);
	wr_u8(w, s->n_prefer);
	for (unsigned i = 0; i < s->n_prefer && i < MMX_PREFER_MAX; i++)
		wr_u16(w, s->prefer[i]);
	wr_bytes(w, s->name, strnlen(s->name, sizeof(s->name)));
}

/* ---- all of a list ---- */

const struct mmx_class *mmx_classes_find(const struct mmx_classes *s, bool asked, const char *name)
{
	for (unsigned i = 0; i < s->n; i++)
		if ((s->s[i].state == MMX_CLASS_ASKED) == asked && !strcmp(s->s[i].name, name))
			return &s->s[i];
	return NULL;
}

bool mmx_classes_add(struct mmx_classes *s, const struct mmx_class *add)
{
	if (s->n == MMX_CLASSES_MAX ||
	    mmx_classes_find(s, add->state == MMX_CLASS_ASKED, add->name))
		return false;
	s->s[s->n++] = *add;
	return true;
}

static bool same(const struct mmx_class *a, const struct mmx_class *b)
{
	return a->state == b->state && a->mode == b->mode && a->copies == b->copies &&
	       a->n_prefer == b->n_prefer && !strcmp(a->name, b->name) &&
	       !memcmp(a->prefer, b->prefer, a->n_prefer * sizeof(a->prefer[0]));
}

bool mmx_classes_same(const struct mmx_classes *a, const struct mmx_classes *b)
{
	bool all = a->n == b->n;

	for (unsigned i = 0; all && i < a->n; i++)
		all = same(&a->s[i], &b->s[i]);
	return all;
}
