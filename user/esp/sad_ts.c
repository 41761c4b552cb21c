/* SPDX-License-Identifier: GPL-2.0-only */
/* An SA gets other selectors: one pointer. Packet threads check against what it points to, so no
 * packet sees half of each; what leads to the SA (sad.c) is put in before and taken out after.
 *
 * Behind the SA, before all younger ones, a block takes the place of what it had: an SA without
 * keys, whose packets are dropped. What policy protected does not go by a wider SA, nor in clear
 * text. Another SA with just these selectors protects it as well: no block is before that one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sad_impl.h"

static struct sa_sel *sel_new(const struct engine_sa_ts *req, struct sa *sa)
{
	const struct sel_request sel = { req->ts_local,
					 req->ts_remote,
					 req->n_ts_local,
					 req->n_ts_remote,
					 sa->flags & ENGINE_SA_TRANSPORT,
					 &req->told_local,
					 &req->told_remote };
	struct sa_sel *s = calloc(1, sizeof(*s) + sel_room(req->n_ts_local, req->n_ts_remote));

	if (s && sel_fill(s, s + 1, &sel, sa) < 0) {
		free(s);
		return NULL;
	}
	return s;
}

/* ---- blocks ---- */

/* In one piece: the SA that is none, and copies of the selectors. */
static struct sa *block_new(const struct sa *of, usec_t until)
{
	const struct sa_sel *s = of->sel;
	size_t fixed = (sizeof(struct sa) + 63) / 64 * 64,
	       n = fixed + sel_room(s->n_local, s->n_remote);
	struct engine_ts local[ENGINE_TS_MAX], remote[ENGINE_TS_MAX];
	const struct addr none = { 0 };
	const struct sel_request sel = {
		local, remote, s->n_local, s->n_remote, false, &none, &none
	};
	struct sa *b = aligned_alloc(64, (n + 63) / 64 * 64);

	if (!b)
		return NULL;
	memset(b, 0, n);
	sa_ts_wire(s->local, s->n_local, local);
	sa_ts_wire(s->remote, s->n_remote, remote);
	sel_fill(&b->first_sel, (uint8_t *)b + fixed, &sel, b); /* as they were taken once */
	b->sel = &b->first_sel;
	b->id = of->id;
	b->order = of->order + 1;
	b->blocks = true;
	b->until = until;
	return b;
}

static void unblock(struct sad *sad, struct sa **link)
{
	struct sa *b = *link;

	*link = b->next_block;
	sad_sel_hide(sad, b, b->sel, false);
	atomic_fetch_add(&sad->generation, 1);
	sad_sa_retire(sad, b);
}

usec_t sad_unblock(struct sad *sad, usec_t now)
{
	usec_t next = USEC_NEVER;

	for (struct sa **link = &sad->blocks; *link;) {
		if (now >= (*link)->until) {
			unblock(sad, link);
			continue;
		}
		next = (*link)->until < next ? (*link)->until : next;
		link = &(*link)->next_block;
	}
	return next;
}

/* ---- the change ---- */

/* Those before these are not taken in any more. */
static void keep_old(struct sad *sad, struct sa *sa, struct sa_sel *old, usec_t until)
{
	struct sa_sel *before = atomic_exchange(&sa->old_sel, old);

	atomic_store(&sa->old_until, until);
	if (before && before != &sa->first_sel)
		sad_sel_retire(sad, before);
}

/* Its packet threads have left the chain that it is taken out of: it may get into another one. */
static void wait_for_readers(struct sad *sad)
{
	uint64_t mark = epoch_advance(&sad->epoch);

	while (!epoch_passed(&sad->epoch, mark))
		;
}

/* Which SAs have the same selectors as it has now. 0 or -ENOMEM. */
static int regroup(struct sad *sad, struct sa *sa)
{
	int r;

	if (!sa->sibling.of)
		return 0;
	if (sa->present) {
		siblings_hide(&sad->siblings, sa);
		wait_for_readers(sad);
	}
	siblings_leave(&sad->siblings, sa);
	r = siblings_join(&sad->siblings, sa);
	if (r == 0 && sa->present)
		siblings_show(&sad->siblings, sa);
	return r;
}

int sad_ts(struct sad *sad, const struct engine_sa_ts *req, usec_t now)
{
	struct sa *sa = sad_find(sad, req->id), *block = NULL;
	struct sa_sel *old, *s;
	bool ranges, shown = false;
	int r = 0;

	if (!sa)
		return -ENOENT;
	if (req->n_ts_local > ENGINE_TS_MAX || req->n_ts_remote > ENGINE_TS_MAX)
		return -EINVAL;
	s = sel_new(req, sa);
	if (!s)
		return -EINVAL;
	old = sa->sel;
	if (sa->present && req->block_msec) {
		block = block_new(sa, now + req->block_msec * USEC_PER_MSEC);
		r = block ? sad_sel_show(sad, block, block->sel, false) : -ENOMEM;
		shown = r == 0;
	}
	ranges = sel_has_range(old) && sel_has_range(s);
	if (r == 0 && sa->present)
		r = sad_sel_show(sad, sa, s, ranges);
	if (r < 0)
		goto fail;
	if (block) {
		block->next_block = sad->blocks;
		sad->blocks = block;
	}
	atomic_store_explicit(&sa->sel, s, memory_order_release);
	if (sa->present)
		sad_sel_hide(sad, sa, old, ranges);
	atomic_fetch_add(&sad->generation, 1);
	keep_old(sad, sa, old, now + req->grace_msec * USEC_PER_MSEC);
	sad_fit(sa);
	return regroup(sad, sa);
fail:
	if (shown) {
		sad_sel_hide(sad, block, block->sel, false);
		sad_sa_retire(sad, block);
	} else {
		free(block);
	}
	free(s);
	return r;
}
