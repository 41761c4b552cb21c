/* SPDX-License-Identifier: GPL-2.0-only */
/* Transport mode where ESP is the kernel's, the short way: policies of the host's own addresses,
 * and sockets know at once where their packets go. What it leaves out is the interface, and the
 * classifier there: so not where there are rules of classes, or flows have paths of their own. What
 * no policy takes the shield does (shield.c), which is on the uplinks all the same. Of IPv4 only
 * (kesp/sa.c). */
#include "agent.h"

bool direct_wanted(const struct agent *a, const char *conn, enum child_mode mode)
{
	const struct ike_conn_cfg *c = agent_conn(a, conn);

	return a->kernel_esp && mode == CHILD_TRANSPORT && c && c->multipath == IKE_MULTIPATH_NO &&
	       !a->conf->classes.n_rules;
}

static void look(struct agent *a, const struct peer *p)
{
	list_for_each_safe (it, tmp, &p->children) {
		const struct child *c = list_entry(it, struct child, node);

		if (c->mode == CHILD_TRANSPORT && c->ts_local[0].first.family == 4 && !c->until &&
		    c->direct != direct_wanted(a, p->conn, c->mode))
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
