/* SPDX-License-Identifier: GPL-2.0-only */
/* How large packets on each path may be: what the link and the configuration allow, what the engine
 * found by its probes, or, with a peer that knows no such probes, what IKE finds out on its own
 * path by requests of that size (RFC 7383 2.5.2). The search is the one of the engine (esp/pmtu.h).
 *
 * A path is looked at MTU_FIRST after it came into use, and from then on every MTU_LOOK; once it
 * has been measured, again only if it has carried MTU_BUSY octets since, and for more every
 * mtu_raise, and when a router says that a packet was too big. Of all paths together no more than
 * one question in MTU_PAUSE is asked: thousands of peers that come at once are not kept from
 * setting up. So all waits are of two lengths, and two queues do.
 */
#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#include "bindings.h"

#define MTU_FIRST USEC_PER_SEC
#define MTU_LOOK  (60 * USEC_PER_SEC)
#define MTU_PAUSE (20 * USEC_PER_MSEC)
#define MTU_HINTS (2 * USEC_PER_SEC)
enum { MTU_BUSY = 65536, LOOKS_AT_ONCE = 64 };

static uint32_t path_limit(const struct agent *a, const struct path *p)
{
	const struct uplink *u = p->uplink >= 0 ? &a->uplinks[p->uplink] : NULL;
	struct rtnl_link link;

	if (!rtnl_link_by_index(a->rtnl, p->ifindex, &link))
		return 0;
	return u && u->cfg.mtu && u->cfg.mtu < link.mtu ? u->cfg.mtu : link.mtu;
}

uint32_t path_mtu(const struct path *p)
{
	uint32_t found = p->probed ? p->info.mtu : p->searched ? p->search.mtu : 0;

	return found && found < p->limit ? found : p->limit;
}

const char *path_mtu_from(const struct agent *a, const struct path *p)
{
	const struct uplink *u = p->uplink >= 0 ? &a->uplinks[p->uplink] : NULL;

	if (p->probed ? p->info.mtu && p->verified : p->searched && p->measured)
		return p->probed ? "probes" : "ike";
	return u && u->cfg.mtu && u->cfg.mtu == p->limit ? "config" : "interface";
}

void peer_room(struct agent *a, struct peer *p)
{
	struct engine_group_room m = { .group = p->group };
	uint32_t room = UINT32_MAX;

	list_for_each (it, &p->paths) {
		const struct path *path = list_entry(it, struct path, node);
		uint32_t header = path->local.ip.family == 6 ? 40 : 20, mtu = path_mtu(path);

		/* of a probed path the engine itself knows best */
		if (!path->probed && path->in_group && path->state == STEER_PATH_UP &&
		    mtu > header && mtu - header < room)
			room = mtu - header;
	}
	bindings_room(a, p);
	if (room == UINT32_MAX)
		room = 0;
	if (room == p->room)
		return;
	p->room = m.room = room;
	/* the first Child SA brings it along */
	if (!list_empty(&p->children))
		engine_request(a, &m.h, ENGINE_GROUP_ROOM, sizeof(m));
}

void path_mtu_told(struct agent *a, struct path *p)
{
	const char *from = path_mtu_from(a, p);
	char what[64];

	path_publish(a, p, -1);
	bindings_room(a, p->peer);
	snprintf(what, sizeof(what), "carries packets of up to %u octets", path_mtu(p));
	path_said(a, p, CTL_EV_PATH_STATE,
		  !strcmp(from, "probes") ? BY_PROBES
		  : !strcmp(from, "ike")  ? BY_IKE
					  : BY_NETLINK,
		  what);
}

/* ---- the search by IKE ---- */

static bool wanted(const struct agent *a, const struct path *p)
{
	const struct ike_conn_cfg *c = agent_conn(a, p->peer->conn);

	/* The engine's own probes do better: they come by themselves with a peer that knows them.
	 */
	return p->main && !p->probed && !(p->peer->probes && c && c->multipath) && !p->gone &&
	       p->limit && addr_equal(&p->local.ip, &p->peer->ike_path.local.ip) &&
	       addr_equal(&p->remote.ip, &p->peer->ike_path.remote.ip);
}

static void arm(struct agent *a, usec_t now)
{
	usec_t next = USEC_NEVER;
	struct list *const queues[] = { &a->mtu_soon, &a->mtu_rest };

	for (unsigned i = 0; i < 2; i++)
		if (!list_empty(queues[i])) {
			usec_t at = list_entry(queues[i]->next, struct path, mtu_node)->mtu_at;

			next = at < next ? at : next;
		}
	if (next == USEC_NEVER)
		return;
	next = next < a->mtu_next ? a->mtu_next : next;
	agent_timer(a->mtu_timer, next > now ? next - now : 0);
}

/* soon: MTU_FIRST from now, else MTU_LOOK. */
static void queue(struct agent *a, struct path *p, bool soon, usec_t now)
{
	list_remove(&p->mtu_node);
	p->mtu_at = now + (soon ? MTU_FIRST : MTU_LOOK);
	list_append(soon ? &a->mtu_soon : &a->mtu_rest, &p->mtu_node);
}

/* Before all others. */
static void queue_first(struct agent *a, struct path *p, usec_t now)
{
	list_remove(&p->mtu_node);
	p->mtu_at = now;
	list_append(a->mtu_soon.next, &p->mtu_node);
	arm(a, now);
}

void mtu_forget(struct path *p)
{
	list_remove(&p->mtu_node);
	p->searched = p->measured = false;
}

void mtu_sync(struct agent *a, struct path *p)
{
	uint32_t limit = path_limit(a, p);
	bool same = limit == p->limit;
	usec_t now = agent_now();

	p->limit = limit;
	if (!wanted(a, p)) {
		mtu_forget(p);
		return;
	}
	if (p->searched && same && p->mtu_family == p->remote.ip.family)
		return;
	limit = limit < PMTU_CEILING ? limit : PMTU_CEILING;
	if (p->searched && p->mtu_family == p->remote.ip.family)
		pmtu_limit(&p->search, (uint16_t)limit, now);
	else
		pmtu_init(&p->search, (uint16_t)limit, p->remote.ip.family, now);
	p->mtu_family = p->remote.ip.family;
	/* what an earlier agent knew */
	if (!p->searched && p->mtu_before)
		pmtu_assume(&p->search, (uint16_t)p->mtu_before, now);
	p->mtu_before = 0;
	if (!p->searched)
		p->mtu_said = p->search.mtu; /* what is so is no news */
	p->searched = true;
	queue(a, p, true, now);
	arm(a, now);
}

void mtu_recheck(struct agent *a, struct path *p)
{
	usec_t now = agent_now();

	if (!p->searched)
		return;
	pmtu_recheck(&p->search, now);
	queue_first(a, p, now);
}

static bool sends_spi(const struct peer *p, uint32_t spi)
{
	list_for_each (it, &p->children)
		if (list_entry(it, struct child, node)->spi_out == spi)
			return true;
	return false;
}

/* A question, in its turn; a search only if the answer is no. */
static bool ask(struct agent *a, struct path *p, usec_t now)
{
	if (!p->searched || p->search.phase != PMTU_REST ||
	    (p->mtu_hinted && now - p->mtu_hinted < MTU_HINTS))
		return false;
	p->mtu_hinted = now;
	pmtu_confirm(&p->search, now);
	queue(a, p, true, now);
	arm(a, now);
	return true;
}

/* Nobody but a router on the path, or who sees it, knows the SPI; others cost a question in
 * MTU_HINTS, at most. Of peers behind one NAT it may be any, where the SPI was not quoted. */
void mtu_hint(struct agent *a, const struct addr *local, const struct addr *remote, uint32_t spi,
	      uint32_t mtu)
{
	struct list *const queues[] = { &a->mtu_soon, &a->mtu_rest };
	usec_t now = agent_now();

	if (now < a->mtu_hint_next)
		return;
	a->mtu_hint_next = now + MTU_PAUSE;
	for (unsigned i = 0; i < 2; i++)
		list_for_each (it, queues[i]) {
			struct path *p = list_entry(it, struct path, mtu_node);

			if (addr_equal(&p->local.ip, local) && addr_equal(&p->remote.ip, remote) &&
			    (!mtu || mtu < path_mtu(p)) && (!spi || sends_spi(p->peer, spi)) &&
			    ask(a, p, now))
				return;
		}
}

/* Has it carried next to nothing since it was last looked at with a result? */
static bool idle(struct agent *a, struct path *p)
{
	struct steer_path_stat st = { 0 };

	dp_path_stat(a->dp, p->id, &st);
	if (st.tx_octets - p->mtu_octets < MTU_BUSY)
		return true;
	p->mtu_octets = st.tx_octets;
	return false;
}

/* False: there is nothing to ask with. */
static bool view(struct agent *a, const struct path *p, struct pmtu_view *v)
{
	*v = (struct pmtu_view){
		.timeout = USEC_NEVER / 2, /* the core tells */
		.confirm = MTU_LOOK,
		.raise = a->conf->mtu_raise_sec ? a->conf->mtu_raise_sec * USEC_PER_SEC
						: USEC_NEVER / 2,
		/* of the core, each of them several datagrams; what is in use is not given up
		 * because the peer's agent began in between */
		.tries = p->search.phase == PMTU_CONFIRM || p->search.phase == PMTU_FALL ? 2 : 1,
		.usable = true,
	};
	return !ike_size_grid(a->ike, p->peer->line, &v->grid.offset, &v->grid.unit);
}

/* True: it has been asked. */
static bool look(struct agent *a, struct path *p, usec_t now)
{
	static const uint8_t nonce[8]; /* answers come by name */
	struct pmtu *s = &p->search;
	struct pmtu_view v;
	uint16_t octets;
	int err;

	queue(a, p, false, now);
	if (!wanted(a, p)) {
		mtu_forget(p);
		return false;
	}
	pmtu_void(s); /* its IKE SA went away in between, if it was asked */
	if (!view(a, p, &v) || (s->phase == PMTU_REST && now >= s->next_confirm && idle(a, p)))
		return false;
	octets = pmtu_due(s, &v, now);
	if (!octets)
		return false;
	err = ike_size_ask(a->ike, p->peer->line, octets, now);
	if (err) /* other requests are under way, mostly */
		queue(a, p, true, now);
	else
		pmtu_sent(s, &v, nonce, now);
	return true;
}

static struct path *first_due(struct agent *a, usec_t now)
{
	struct list *const queues[] = { &a->mtu_soon, &a->mtu_rest };

	for (unsigned i = 0; i < 2; i++) {
		struct path *p = list_entry(queues[i]->next, struct path, mtu_node);

		if (!list_empty(queues[i]) && p->mtu_at <= now)
			return p;
	}
	return NULL;
}

void mtu_run(struct agent *a)
{
	usec_t now = agent_now();
	struct path *p;
	bool asked = false;

	for (unsigned i = 0; i < LOOKS_AT_ONCE && !asked && (p = first_due(a, now)); i++)
		asked = look(a, p, now);
	if (asked)
		a->mtu_next = now + MTU_PAUSE;
	arm(a, now);
	if (asked)
		agent_drain(a);
}

static struct path *searched_of(struct agent *a, uint64_t line)
{
	struct peer *peer = peer_find(a, line);

	if (!peer)
		return NULL;
	list_for_each (it, &peer->paths) {
		struct path *p = list_entry(it, struct path, node);

		if (p->searched)
			return p;
	}
	return NULL;
}

void mtu_on_size(struct agent *a, const struct ike_output *o)
{
	struct path *p = searched_of(a, o->line);
	usec_t now = agent_now();
	struct pmtu_view v;

	if (!p || !p->search.waiting || p->search.size != o->octets || !view(a, p, &v))
		return;
	switch (o->size) {
	case IKE_SIZE_UNKNOWN:
		pmtu_void(&p->search);
		queue(a, p, true, now);
		arm(a, now);
		return;
	case IKE_SIZE_PASSES:
		pmtu_answered(&p->search, &v, now);
		break;
	case IKE_SIZE_TOO_LARGE:
		pmtu_lost(&p->search, &v, now);
		break;
	}
	peer_room(a, p->peer);
	if (p->search.phase != PMTU_REST) {
		queue_first(a, p, now);
		return;
	}
	/* of the search only its end is news */
	p->measured = true;
	if (pmtu_deadline(&p->search, &v) <= now) {
		queue_first(a, p, now); /* is there more? */
	} else {
		queue(a, p, false, now);
		arm(a, now);
	}
	if (path_mtu(p) != p->mtu_said)
		path_mtu_told(a, p);
	p->mtu_said = path_mtu(p);
}
