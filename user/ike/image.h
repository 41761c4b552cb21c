/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files that write and read images of IKE SAs share: export.c, mmx_image.c. */
#ifndef BRAID_IKE_IMAGE_H
#define BRAID_IKE_IMAGE_H

#include <errno.h>

#include "ike_private.h"

struct task;
struct child_sa;

static inline void put_addr(struct wr *w, const struct addr *a)
{
	wr_u8(w, a->family);
	wr_bytes(w, a->b, addr_len(a));
}

static inline void get_addr(struct rd *r, struct addr *a)
{
	*a = (struct addr){ .family = rd_u8(r) };
	rd_copy(r, a->b, addr_len(a));
	if (a->family != 0 && a->family != 4 && a->family != 6)
		r->err = -EBADMSG;
}

static inline void put_udp(struct wr *w, const struct udp_addr *a)
{
	put_addr(w, &a->ip);
	wr_u16(w, a->port);
}

static inline void get_udp(struct rd *r, struct udp_addr *a)
{
	get_addr(r, &a->ip);
	a->port = rd_u16(r);
}

/* ---- mmx_image.c ---- */

/* Lists, bindings, paths; before the Child SAs, which have one each. Tokens are void afterwards. */
void put_mmx(struct wr *w, const struct ike_sa *sa, usec_t now);
void get_mmx(struct rd *r, struct ike_sa *sa, usec_t now);
void put_mmx_child(struct wr *w, const struct child_sa *c);
void get_mmx_child(struct rd *r, struct child_sa *c);
/* What a task wants of it. */
void put_mmx_task(struct wr *w, const struct task *t);
void get_mmx_task(struct rd *r, struct ike_sa *sa, struct task *t);
/* All was read: what was under way about dead endpoints and proofs begins anew. */
void mmx_resume(struct ike *ike, struct ike_sa *sa);

#endif
