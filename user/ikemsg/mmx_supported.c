/* SPDX-License-Identifier: GPL-2.0-only */
/* MMX_SUPPORTED: version, capabilities and limits.
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |     Major     |     Minor     |            RESERVED           |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                         Capabilities                          |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |  Interfaces   |   Endpoints   |  Alternates   |    Actions    |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |       Derived Child SAs       |    Window     |    RESERVED   |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
#include "mmx_impl.h"

static enum mmx_status check(const struct mmx_supported *s)
{
	return s->major ? MMX_OK : MMX_MALFORMED;
}

enum mmx_status mmx_supported_get(const struct notify *n, struct mmx_supported *ret_s)
{
	struct rd r = mmx_open(n);
	struct mmx_supported s = { .major = rd_u8(&r), .minor = rd_u8(&r) };

	rd_skip(&r, 2);
	s.caps = rd_u32(&r);
	s.ifaces_max = rd_u8(&r);
	s.side_max = rd_u8(&r);
	s.alts_max = rd_u8(&r);
	s.actions_max = rd_u8(&r);
	s.derived_max = rd_u16(&r);
	s.window = rd_u8(&r);
	rd_skip(&r, 1);
	if (r.err || check(&s) != MMX_OK)
		return MMX_MALFORMED;
	*ret_s = s;
	return MMX_OK;
}

void mmx_supported_put(struct msg_wr *m, const struct mmx_supported *s)
{
	struct wr *w = &m->w;

	mmx_begin(m, N_MMX_SUPPORTED, check(s));
	wr_u8(w, s->major);
	wr_u8(w, s->minor);
	wr_u16(w, 0);
	wr_u32(w, s->caps);
	wr_u8(w, s->ifaces_max);
	wr_u8(w, s->side_max);
	wr_u8(w, s->alts_max);
	wr_u8(w, s->actions_max);
	wr_u16(w, s->derived_max);
	wr_u8(w, s->window);
	wr_u8(w, 0);
	msg_pld_end(m);
}
