/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a flow would go now: by the policies to an SA, by its group to a path. Flows are told apart
 * in the kernel: where they go over several paths nobody knows which of them one takes. */
#include <errno.h>

#include "abi/pick.h"
#include "dp/dp.h"
#include "kesp_impl.h"

enum { ALL = 0xffff };

/* As the kernel chooses: of those with the reqid the youngest. */
static const struct kesp_sa *youngest(const struct kesp *k, uint32_t reqid)
{
	const struct kesp_sa *best = NULL;

	list_for_each (it, &k->sas) {
		const struct kesp_sa *s = list_entry(it, struct kesp_sa, node);

		if (s->r.reqid == reqid && s->has_out && (!best || s->r.order > best->r.order))
			best = s;
	}
	return best;
}

static __u32 word(const void *ctx, __u32 id)
{
	union steer_path_word w = { .word = 0 };
	enum steer_path_state state;
	struct steer_path rec;

	if (!id || dp_path_get((struct dp *)ctx, id, &rec, &state))
		return 0;
	w.cur.slot = 1;
	w.cur.state = (__u8)state;
	return w.word;
}

/* Of all slots; 0: none, or several. */
static uint32_t only_path(struct dp *dp, const struct steer_group *g)
{
	uint32_t path = 0;

	for (uint32_t slot = 0; slot < STEER_FLOW_SLOTS; slot++) {
		__u64 pick = pick_own(g, slot, word, dp);
		uint32_t id = PICK_PATH(pick ? pick : pick_fallback(g, slot, word, dp));

		if (slot && id != path)
			return 0;
		path = id;
	}
	return path;
}

int flow_explain(struct kesp *k, const struct engine_flow *m, struct engine_flow_info *ret_info)
{
	const struct xfrm_sel packet = {
		.src = m->local,
		.dst = m->remote,
		.src_len = (uint8_t)(8 * addr_len(&m->local)),
		.dst_len = (uint8_t)(8 * addr_len(&m->remote)),
		.protocol = m->protocol,
		.sport = m->local_port,
		.sport_mask = ALL,
		.dport = m->remote_port,
		.dport_mask = ALL,
	};
	const struct kesp_sa *s;
	struct steer_group g;
	uint32_t reqid;

	if (!addr_len(&m->local) || m->local.family != m->remote.family ||
	    m->klass >= STEER_CLASSES)
		return -EINVAL;
	reqid = policies_reqid(&k->policies, &packet);
	s = reqid ? youngest(k, reqid) : NULL;
	if (!s)
		return 0;
	ret_info->sa_id = s->r.sa.id;
	if (k->opt.dp && (!dp_group_get(k->opt.dp, s->r.sa.group, m->klass, &g) ||
			  !dp_group_get(k->opt.dp, s->r.sa.group, 0, &g)))
		ret_info->path = only_path(k->opt.dp, &g);
	return 0;
}
