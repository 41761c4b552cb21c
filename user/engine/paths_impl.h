/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the files of probed paths: paths.c, path_lost.c, path_ping.c. Control thread. */
#ifndef BRAID_ENGINE_PATHS_IMPL_H
#define BRAID_ENGINE_PATHS_IMPL_H

#include "base/hash.h"
#include "base/heap.h"
#include "base/list.h"
#include "engine/engine.h"
#include "esp/bond.h"
#include "esp/joins.h"
#include "esp/pings.h"
#include "esp/sla.h"

struct path {
	struct list node;	/* paths.all */
	struct list due_node;	/* of paths_run, or of those just lost */
	struct heap_node timer; /* paths.timers: the earlier of both machines' deadlines */
	struct hash_node by_id, by_group, by_line;
	struct engine_path cfg;
	struct probe_path st;
	struct sla sla;
	struct pmtu mtu;
	usec_t mtu_at;	   /* when to look at it next */
	uint32_t mtu_told; /* to the agent */
	usec_t sent;	   /* its group last, at the last confirmation */
	usec_t heard;	   /* the peer's last probe on it, or answer */
	uint16_t count;	   /* requests of the peer on it (probe.h) */
	uint8_t peer_want; /* enum engine_want */
	uint8_t wish;	   /* enum probe_flags we send */
	uint8_t lost;	   /* enum engine_lost */
	bool one_way;	   /* the youngest answer came over another path */
	uint8_t tells;	   /* so often more the peer is told */
	usec_t tell_at;
	struct udp_addr observed;
	struct bond_meter meter;
};

struct paths {
	struct list all;
	struct hash by_id, by_group;
	struct hash by_line; /* path_realm: whose SAs' probes are about it */
	struct heap timers;
	struct joins joins;
	struct pings pings;
	struct bond_path *bond; /* by id of the path: packet threads look */
};

/* ---- paths.c ---- */

struct path *path_find(const struct engine *e, uint32_t id);
/* After its deadlines changed. */
void path_arm(struct engine *e, struct path *p);
/* It has another state: other packets may go there, and the way there may be another one. */
void path_changed(struct engine *e, struct path *p, usec_t now);
/* Write the state where the steering programs read it, unless an operator has disabled the path. */
void path_publish(struct engine *e, const struct path *p);
/* Encapsulate one probe, padded to len octets, as a dummy packet (RFC 4303 2.6) and send it: along
 * a path of the maps, or, with path 0, straight to an address: in UDP if that has a port. */
int path_send_probe(struct engine *e, struct sa *sa, const struct probe *probe, size_t len,
		    uint32_t path, const struct udp_dest *straight, unsigned ifindex);

static inline uint8_t path_ip_header(const struct path *p)
{
	return p->cfg.remote.ip.family == 6 ? 40 : 20;
}

static inline struct pmtu_grid path_grid(const struct engine *e, const struct path *p,
					 const struct sa *sa)
{
	bool encap = sa_encap_path(sa, atomic_load(&e->view), p->cfg.id);

	return (struct pmtu_grid){ .offset = (uint16_t)(path_ip_header(p) + sa->out.hdr +
							sa->out.icv + (encap ? UDP_HEADER : 0)),
				   .unit = sa->out.align };
}

/* A peer has a say in its own paths only: those of the line of the SA that its probe came with. */
static inline uint64_t path_realm(uint32_t line, uint32_t group)
{
	return line ? line : (uint64_t)1 << 32 | group;
}

static inline uint64_t sa_realm(const struct sa *sa)
{
	return path_realm(sa->sibling.line, sa->group);
}

/* Did this probe come on it? ESP without UDP has no port to tell. */
static inline bool path_came(const struct path *p, const struct note_probe *n)
{
	return addr_equal(&p->cfg.remote.ip, &n->remote.ip) &&
	       addr_equal(&p->cfg.local.ip, &n->local.ip) &&
	       (!n->remote.port || n->remote.port == p->cfg.remote.port);
}

/* ---- path_company.c ---- */

/* A walk over the paths of a group and of its record, but for one; which they are must not change
 * meanwhile:
 *	for (struct company c = path_company(e, p->cfg.group, p); c.at; path_company_next(&c))
 * Group 0 has none. */
struct company {
	struct path *at; /* NULL: no more */
	const struct engine *e;
	const struct path *but; /* may be NULL */
	uint32_t group;
	struct hash_node *next; /* of its group */
	const struct steer_group *record;
	int member; /* of the record */
};

struct company path_company(const struct engine *e, uint32_t group, const struct path *but);
void path_company_next(struct company *c);

/* ---- path_lost.c ---- */

/* Once, and arrange for the next time. */
void path_tell_lost(struct engine *e, struct path *p, usec_t now);
/* Its silence has made it down. */
void path_silent(struct path *p, usec_t now);
/* The peer tells it. */
void path_told_lost(struct engine *e, const struct note_probe *n, const struct probe *probe,
		    uint64_t realm);

/* ---- path_rate.c ---- */

/* It is probed from now on, or otherwise than before. */
void path_rate_set(struct engine *e, struct path *p);
/* A probe was answered. */
void path_rate_look(struct engine *e, struct path *p, usec_t now);

/* ---- path_ping.c ---- */

/* True: it was an answer to one of these. */
bool path_answered_ping(struct engine *e, const struct note_probe *n, const struct probe *probe);

#endif
