/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a flow would go now: by the policies to an SA, by its group to a path, and by that to the
 * SA of the path's line where there are several with the same selectors. Without the classifier
 * flows are not told apart, and where they go over several paths nobody knows which of them one
 * takes. */
#include <errno.h>
#include <string.h>

#include "abi/lines.h"
#include "base/ipwords.h"
#include "dp/dp.h"
#include "kesp_impl.h"

enum { ALL = 0xffff };

/* As the kernel chooses: of those with the reqid the youngest. */
static const struct kesp_sa *youngest(const struct kesp *k, uint32_t reqid)
{
	const struct kesp_sa *best = NULL;

	list_for_each (it, &k->sas) {
		const struct kesp_sa *s = list_entry(it, struct kesp_sa, node);

		if (s->r.reqid_out == reqid && s->has_out && (!best || s->r.order > best->r.order))
			best = s;
	}
	return best;
}

/* Of these with the selectors of that one; NULL: the line has none. */
static const struct kesp_sa *of_line(const struct kesp *k, const struct kesp_sa *any, uint32_t line)
{
	hash_for_each (it, tmp, &k->by_selectors, record_selectors_key(&any->r.sa)) {
		const struct kesp_sa *s = hash_entry(it, struct kesp_sa, by_selectors);

		if (s->sends && STEER_LINE(s->r.sa.line) == STEER_LINE(line) &&
		    record_same_selectors(&s->r.sa, &any->r.sa))
			return youngest(k, s->r.reqid_out);
	}
	return NULL;
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

static uint32_t path_of(struct dp *dp, const struct steer_group *g, uint32_t slot)
{
	__u64 pick = pick_own(g, slot, word, dp);

	return PICK_PATH(pick ? pick : pick_fallback(g, slot, word, dp));
}

/* Of all slots; 0: none, or several. */
static uint32_t only_path(struct dp *dp, const struct steer_group *g)
{
	uint32_t path = 0;

	for (uint32_t slot = 0; slot < STEER_FLOW_SLOTS; slot++) {
		uint32_t id = path_of(dp, g, slot);

		if (slot && id != path)
			return 0;
		path = id;
	}
	return path;
}

static struct classify_packet packet_of(const struct engine_flow *m)
{
	struct classify_packet p = {
		.family = m->local.family,
		.protocol = m->protocol,
		.has_ports = protocol_has_ports(m->protocol),
		.local_port = m->local_port,
		.remote_port = m->remote_port,
	};

	memcpy(p.local, m->local.b, addr_len(&m->local));
	memcpy(p.remote, m->remote.b, addr_len(&m->remote));
	return p;
}

static void by_path(struct kesp *k, const struct engine_flow *m, const struct kesp_sa *s,
		    struct engine_flow_info *ret_info)
{
	const struct classify_packet p = packet_of(m);
	const struct kesp_sa *own = NULL;
	struct dp *dp = k->opt.dp;
	struct steer_group g;
	uint32_t line, slot;
	uint64_t flow;

	if (dp_group_get(dp, s->r.sa.group, m->klass, &g) && dp_group_get(dp, s->r.sa.group, 0, &g))
		return;
	if (dp_classify_flow(dp, &p, &flow)) {
		ret_info->path = only_path(dp, &g);
		return;
	}
	slot = CLASSIFY_SLOT(flow);
	line = dp_line_replied(dp, &p, flow);
	if (line)
		slot = line_slot(&g, line, slot, word, dp);
	ret_info->slot = slot;
	ret_info->path = path_of(dp, &g, slot);
	line = line_of_path(&g, ret_info->path);
	if (line)
		own = of_line(k, s, line);
	if (own)
		ret_info->sa_id = own->r.sa.id;
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
	uint32_t reqid;

	if (!addr_len(&m->local) || m->local.family != m->remote.family ||
	    m->klass >= STEER_CLASSES)
		return -EINVAL;
	reqid = policies_reqid(&k->direct, &packet);
	if (!reqid)
		reqid = policies_reqid(&k->policies, &packet);
	s = reqid ? youngest(k, reqid) : NULL;
	if (!s)
		return 0;
	ret_info->sa_id = s->r.sa.id;
	if (k->opt.dp)
		by_path(k, m, s, ret_info);
	return 0;
}
