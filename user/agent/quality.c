/* SPDX-License-Identifier: GPL-2.0-only */
/* How paths are watched, what is good enough, and what is said of one that is not. */
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "esp/sla.h"

uint32_t uplink_fail_back(const struct agent *a, const struct uplink *u_or_null)
{
	if (u_or_null && u_or_null->cfg.fail_back_usec != CONF_UNSET)
		return u_or_null->cfg.fail_back_usec;
	return a->conf->fail_back_usec;
}

void path_quality(const struct agent *a, const struct path *p, struct engine_path *m)
{
	const struct ike_conn_cfg *c = agent_conn(a, p->peer->conn);
	const struct uplink *uplink = p->uplink >= 0 ? &a->uplinks[p->uplink] : NULL;
	const struct conf_uplink *u = uplink ? &uplink->cfg : NULL;

	m->down_after = a->conf->probe_down_after;
	m->up_after = a->conf->probe_up_after;
	m->interval_usec = a->conf->probe_interval_usec;
	m->back_usec = uplink_fail_back(a, uplink);
	if (c && c->probe_interval)
		m->interval_usec = (uint32_t)c->probe_interval;
	if (!u)
		return;
	if (u->probe_interval_usec)
		m->interval_usec = u->probe_interval_usec;
	m->sla_delay_usec = u->sla_delay_usec;
	m->sla_jitter_usec = u->sla_jitter_usec;
	m->sla_loss_permille = u->sla_loss_permille;
	m->sla_hold_usec = u->sla_hold_usec;
	m->sla_clear_usec = u->sla_clear_usec;
	m->sla_ease = u->sla_hysteresis;
}

void paths_quality_again(struct agent *a)
{
	list_for_each (it, &a->peers) {
		struct peer *p = list_entry(it, struct peer, node);

		list_for_each (pi, &p->paths) {
			struct path *path = list_entry(pi, struct path, node);

			path_weigh(a, path);
			if (path->probed)
				path_probe(a, path);
		}
		family_sync(a, p->family); /* what is metered, and weighs */
	}
}

uint64_t path_heard(const struct agent *a, const struct path *p)
{
	struct steer_path_stat st = { 0 };
	uint64_t packet = dp_path_stat(a->dp, p->id, &st) ? 0 : st.rx_last_nsec / 1000;

	return packet > p->info.heard_usec ? packet : p->info.heard_usec;
}

static double msec(uint32_t usec)
{
	return (double)usec / 1000;
}

/* Each value that is beyond its limit. */
static void why_degraded(const struct path *p, const struct engine_path *m, char *why, size_t len)
{
	const struct engine_path_info *i = &p->info;
	uint32_t loss = i->loss_there_permille != ENGINE_LOSS_UNKNOWN ? i->loss_there_permille
								      : i->loss_permille;
	size_t n = 0;

	*why = '\0';
	if (i->worse & SLA_DELAY)
		n += (size_t)snprintf(why + n, len - n, "round trip %.1f ms, limit %.1f",
				      msec(i->rtt_usec), msec(m->sla_delay_usec));
	if (i->worse & SLA_JITTER && n < len)
		n += (size_t)snprintf(why + n, len - n, "%sjitter %.1f ms, limit %.1f",
				      n ? "; " : "", msec(i->rtt_jitter_usec),
				      msec(m->sla_jitter_usec));
	if (i->worse & SLA_LOSS && n < len)
		n += (size_t)snprintf(why + n, len - n, "%sloss %.1f %%, limit %.1f", n ? "; " : "",
				      (double)loss / 10, (double)m->sla_loss_permille / 10);
	if (n < len)
		snprintf(why + n, len - n, "; for %.1f s", (double)m->sla_hold_usec / USEC_PER_SEC);
}

/* The engine's word on one that is down. */
static enum decided_by why_down(const struct agent *a, const struct path *p,
				const struct engine_path *m, char why[PATH_WHY_MAX])
{
	if (p->info.returning) {
		snprintf(why, PATH_WHY_MAX, "answers again; used when it has for %.1f s",
			 (double)m->back_usec / USEC_PER_SEC);
		return BY_PROBES;
	}
	if (p->info.lost == ENGINE_LOST_PEER) {
		snprintf(why, PATH_WHY_MAX, "the peer lost its link or address");
		return BY_PEER;
	}
	if (p->info.lost == ENGINE_LOST_UNHEARD) {
		snprintf(why, PATH_WHY_MAX, "the peer gets no answers to its probes");
		return BY_PEER;
	}
	if (p->info.lost == ENGINE_LOST_HERE) {
		snprintf(why, PATH_WHY_MAX, "link or address is gone");
		return BY_ENGINE;
	}
	snprintf(why, PATH_WHY_MAX, "%u probes unanswered%s", m->down_after,
		 agent_now() - path_heard(a, p) < 3ull * m->interval_usec / 2
			 ? "; packets of the peer arrive"
			 : "");
	return BY_PROBES;
}

/* What it was before tells what it has shown. */
static void why_up(const struct path *p, const struct engine_path *m, char why[PATH_WHY_MAX])
{
	if (p->info.one_way)
		snprintf(why, PATH_WHY_MAX,
			 "probes are answered over another path: nothing "
			 "comes back on this one");
	else if (p->state == STEER_PATH_DOWN && p->back_since)
		snprintf(why, PATH_WHY_MAX, "probes are answered again, for %.1f s",
			 (double)(agent_now() - p->back_since) / USEC_PER_SEC);
	else if (p->state == STEER_PATH_DEGRADED)
		snprintf(why, PATH_WHY_MAX, "within the limits again, for %.1f s",
			 (double)m->sla_clear_usec / USEC_PER_SEC);
	else
		snprintf(why, PATH_WHY_MAX, "probes are answered");
}

enum decided_by path_why(const struct agent *a, const struct path *p, enum steer_path_state want,
			 char why[PATH_WHY_MAX])
{
	struct engine_path m = { 0 };

	path_quality(a, p, &m);
	if (!p->peer_use) {
		snprintf(why, PATH_WHY_MAX, "the peer took it out of use");
		return BY_PEER;
	}
	if (p->disabled) {
		snprintf(why, PATH_WHY_MAX, "disabled by the operator");
		return BY_OPERATOR;
	}
	if (p->gone) {
		snprintf(why, PATH_WHY_MAX, "link or address is gone");
		return BY_NETLINK;
	}
	if (want == STEER_PATH_DOWN)
		return why_down(a, p, &m, why);
	if (want == STEER_PATH_UP)
		why_up(p, &m, why);
	else if (want == STEER_PATH_DEGRADED)
		why_degraded(p, &m, why, PATH_WHY_MAX);
	else
		snprintf(why, PATH_WHY_MAX, "no answer yet");
	return BY_PROBES;
}
