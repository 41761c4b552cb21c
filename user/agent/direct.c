/* SPDX-License-Identifier: GPL-2.0-only */
/* Transport mode where ESP is the kernel's, the short way: policies of the host's own addresses,
 * and sockets know at once where their packets go. What it leaves out is the interface, and the
 * classifier there: so not where there are rules of classes, or flows have paths of their own; nor
 * for what is sent in segments, which sockets would cut by themselves there: that costs TCP half as
 * much again, where the interface has it cut late. What no policy takes the shield does (shield.c),
 * which is on the uplinks all the same. Of IPv4 only (kesp/sa.c). */
#include <netinet/in.h>

#include "agent.h"

static bool datagrams(const struct ike_ts *ts, uint8_t n)
{
	for (uint8_t i = 0; i < n; i++)
		if (!ts[i].protocol || ts[i].protocol == IPPROTO_TCP ||
		    ts[i].protocol == IPPROTO_SCTP)
			return false;
	return n > 0;
}

bool direct_wanted(const struct agent *a, const char *conn, const struct direct_child *child)
{
	const struct ike_conn_cfg *c = agent_conn(a, conn);

	return a->kernel_esp && child->mode == CHILD_TRANSPORT && c &&
	       c->multipath == IKE_MULTIPATH_NO && !a->conf->classes.n_rules &&
	       (datagrams(child->ts_local, child->n_ts_local) ||
		datagrams(child->ts_remote, child->n_ts_remote));
}

static void look(struct agent *a, const struct peer *p)
{
	list_for_each_safe (it, tmp, &p->children) {
		const struct child *c = list_entry(it, struct child, node);
		const struct direct_child d = { c->mode, c->n_ts_local, c->n_ts_remote, c->ts_local,
						c->ts_remote };

		if (c->mode == CHILD_TRANSPORT && c->ts_local[0].first.family == 4 && !c->until &&
		    c->direct != direct_wanted(a, p->conn, &d))
			ike_child_soft_limit(a->ike, c->id, agent_now());
	}
}

void direct_reload(struct agent *a)
{
	if (!a->kernel_esp)
		return;
	list_for_each (it, &a->peers)
		look(a, list_entry(it, struct peer, node));
}
