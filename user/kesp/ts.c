/* SPDX-License-Identifier: GPL-2.0-only */
/* An SA in transport mode gets other selectors. Its states stay: what is sent is told from other
 * packets by policies, and the addresses that come in are put there by the program behind XFRM
 * (bpf/lib/inner.h), which is asked only where they are not the ones of the state. */
#include <errno.h>
#include <string.h>

#include "base/secret.h"
#include "dp/dp.h"
#include "esp/transport.h"
#include "kesp_impl.h"

/* Transport mode is between two addresses. */
static int ends_of(const struct engine_sa *sa, struct dp_inner *ret_ends)
{
	struct transport t;

	if (transport_init(sa->ts_local, sa->n_ts_local, sa->ts_remote, sa->n_ts_remote,
			   &sa->told_local, &sa->told_remote, &t))
		return -EINVAL;
	if (t.many)
		return -EOPNOTSUPP;
	*ret_ends = (struct dp_inner){ sa->ts_remote[0].first, sa->ts_local[0].first, t.repair };
	return 0;
}

int ts_check(const struct engine_sa *sa)
{
	struct dp_inner ends;

	return sa->flags & ENGINE_SA_TRANSPORT ? ends_of(sa, &ends) : 0;
}

int ts_show(struct kesp *k, const struct engine_sa *sa)
{
	struct dp_inner ends;

	if (!(sa->flags & ENGINE_SA_TRANSPORT) || !k->opt.dp || ends_of(sa, &ends) || !ends.repair)
		return 0;
	return dp_inner_put(k->opt.dp, sa->spi_in, &ends, NULL, 0);
}

void ts_hide(struct kesp *k, const struct engine_sa *sa)
{
	if (sa->flags & ENGINE_SA_TRANSPORT && k->opt.dp)
		dp_inner_del(k->opt.dp, sa->spi_in);
}

static int put_ends(struct kesp *k, const struct engine_sa *was, const struct engine_sa *next,
		    usec_t until)
{
	struct dp_inner now, before;
	int err = ends_of(next, &now);

	if (!err)
		err = ends_of(was, &before);
	if (!err && now.src.family != before.src.family)
		err = -EINVAL; /* a state is of one IP version */
	if (!err && k->opt.dp)
		err = dp_inner_put(k->opt.dp, next->spi_in, &now, &before, until);
	return err;
}

/* What comes in is taken before anything is sent; what was there is blocked as it ends. */
static int change(struct kesp *k, struct kesp_sa *s, const struct engine_sa *next,
		  const struct policy_rest *rest)
{
	struct xfrm_sel was[RECORD_SELECTORS_MAX], sel[RECORD_SELECTORS_MAX];
	int n_was = record_selectors(&s->r.sa, was), n = record_selectors(next, sel), err;
	struct policy_to to = sa_policy_to(k, s);

	if (n < 0 || n_was < 0)
		return -EINVAL;
	err = put_ends(k, &s->r.sa, next, rest->in_until);
	if (!err)
		err = policies_take(sa_policies(k, s), sel, (size_t)n, &to);
	if (err) {
		put_ends(k, next, &s->r.sa, 0);
		return err;
	}
	if (s->sends)
		policies_sender(sa_policies(k, s), sel, (size_t)n, to.reqid_out, true);
	policies_leave(sa_policies(k, s), was, (size_t)n_was, to.reqid_out, rest);
	return 0;
}

int ts_set(struct kesp *k, const struct engine_sa_ts *m)
{
	struct kesp_sa *s = sa_find(k, m->id);
	usec_t now = kesp_now();
	const struct policy_rest rest = { now + m->grace_msec * USEC_PER_MSEC,
					  now + m->block_msec * USEC_PER_MSEC };
	struct engine_sa next;
	int err;

	if (!s)
		return -ENOENT;
	if (m->n_ts_local > ENGINE_TS_MAX || m->n_ts_remote > ENGINE_TS_MAX ||
	    !(s->r.sa.flags & ENGINE_SA_TRANSPORT))
		return -EINVAL;
	next = s->r.sa;
	next.n_ts_local = m->n_ts_local;
	next.n_ts_remote = m->n_ts_remote;
	next.told_local = m->told_local;
	next.told_remote = m->told_remote;
	memcpy(next.ts_local, m->ts_local, sizeof(next.ts_local));
	memcpy(next.ts_remote, m->ts_remote, sizeof(next.ts_remote));
	err = change(k, s, &next, &rest);
	if (!err) {
		lines_leave(k, s); /* of the others with what it had */
		s->r.sa = next;
		hash_add(&k->by_selectors, &s->by_selectors, record_selectors_key(&next));
		lines_follow(k, s);
		err = sa_save(k, s);
		kesp_look(k);
	}
	secret_wipe(&next, sizeof(next));
	return err;
}
