/* SPDX-License-Identifier: GPL-2.0-only */
/* All that is ours goes, and nothing else. */
#include <errno.h>
#include <stdlib.h>

#include "xfrm_impl.h"

/* What a dump found: it is removed when the dump is over. */
struct found {
	size_t n, cap, octets;
	void *rows;
	int err;
};

static void keep(struct found *f, const void *row)
{
	if (f->n == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 64;
		void *rows = reallocarray(f->rows, cap, f->octets);

		if (!rows) {
			f->err = -ENOMEM; /* the rest stays; what is known goes */
			return;
		}
		f->rows = rows;
		f->cap = cap;
	}
	memcpy((char *)f->rows + f->n++ * f->octets, row, f->octets);
}

struct sa_id {
	struct addr dst;
	uint32_t spi;
};

static void on_sa(void *ctx, const struct xfrm_sa_info *info)
{
	const struct sa_id id = { info->dst, info->spi };

	keep(ctx, &id);
}

static void on_policy(void *ctx, const struct xfrm_policy *p)
{
	keep(ctx, p);
}

static int flush_states(struct xfrm *x, uint32_t if_id)
{
	struct found f = { .octets = sizeof(struct sa_id) };
	int err = xfrm_sa_dump(x, if_id, on_sa, &f);

	if (!err)
		err = f.err;
	for (size_t i = 0; i < f.n; i++) {
		const struct sa_id *id = (const struct sa_id *)f.rows + i;
		int r = xfrm_sa_del(x, &id->dst, id->spi);

		if (r && r != -ESRCH && !err)
			err = r;
	}
	free(f.rows);
	return err;
}

static int flush_policies(struct xfrm *x, uint32_t if_id)
{
	struct found f = { .octets = sizeof(struct xfrm_policy) };
	int err = xfrm_policy_dump(x, if_id, on_policy, &f);

	if (!err)
		err = f.err;
	for (size_t i = 0; i < f.n; i++) {
		int r = xfrm_policy_del(x, (const struct xfrm_policy *)f.rows + i);

		if (r && r != -ENOENT && !err)
			err = r;
	}
	free(f.rows);
	return err;
}

int xfrm_flush(struct xfrm *x, uint32_t if_id)
{
	int states, policies;

	if (!if_id) /* that is what all others have */
		return -EINVAL;
	xfrm_acquires_end(x);
	/* policies last: without its state a packet is dropped, without a policy it may not be */
	states = flush_states(x, if_id);
	policies = flush_policies(x, if_id);
	return states ? states : policies;
}
