/* SPDX-License-Identifier: GPL-2.0-only */
/* Traffic classes in the agent: the plan of each class for each group, what it is told by engine
 * and counters, and what uplinks have carried of their budgets. Thread: the agent's.
 *
 * A class with a configuration has a group of its own in each block, also where it may go nowhere:
 * that one has no members, and what belongs to the class is dropped there. Lines that carry the
 * same traffic have one plan, that of the first of them (peer.kind); a binding has its own.
 */
#ifndef BRAID_AGENT_STEER_H
#define BRAID_AGENT_STEER_H

#include "agent.h"
#include "steer/plan.h"

struct binding;

enum { STEER_SEEN_MAX = 2 * STEER_MEMBERS_MAX };

/* What came of a path, the members first and in their order. */
struct steer_seen {
	uint32_t path; /* path_find; its info has the measurements */
	uint16_t share;
	uint8_t why;	/* enum plan_why */
	uint8_t broken; /* enum sla_what: of the class's SLA */
	bool member;
};

/* A class in a group. plan.reason, .since, .from and .to tell why the present path was chosen. */
struct steer_class {
	struct plan plan;
	bool limited; /* by what its number meant before */
	uint8_t n;
	struct steer_seen seen[STEER_SEEN_MAX];
};

/* Of a group. */
struct steer {
	struct steer_class *of[STEER_CLASSES]; /* NULL: goes as class 0; [0]: as without classes */
};

/* ---- steer.c ---- */

int steer_open(struct agent *a); /* 0 or -ENOMEM */
void steer_close(struct agent *a);
/* What it wants of a class; NULL: nothing of its own. */
const struct class_cfg *steer_wanted(const struct agent *a, const char *conn, uint8_t klass);
/* The plan of a class for a line, or for one of its bindings. NULL: it has none. */
const struct steer_class *steer_class_of(struct agent *a, const struct peer *p,
					 const struct binding *b_or_null, uint8_t klass);

/* A group, and what could be in it. */
struct steer_group_in {
	struct peer *p;
	struct steer **steer;
	const struct candidate *list; /* borrowed; usable: could be a member */
	size_t n;
	uint32_t group; /* 0: none yet */
	uint32_t like;	/* as in dp_group_want */
};
/* Decide about a class. False: it has no plan, or nothing is known to be usable. members: room for
 * STEER_MEMBERS_MAX. */
bool steer_plan(struct agent *a, const struct steer_group_in *in, uint8_t klass,
		struct dp_member *members, struct dp_group_want *ret_want);
/* All but class 0, which has to be written before. */
void steer_classes(struct agent *a, const struct steer_group_in *in);
/* The share of a path in class 0. */
uint16_t steer_share(const struct steer *s, uint32_t path);
void steer_free(struct steer *s); /* NULL is fine */
/* A line leaves its family: another one that carries the same traffic goes on with its plan. */
void steer_inherit(struct peer *p);

/* Look at all families that are due then, at the latest. */
void steer_at(struct agent *a, usec_t when);
/* A path of that family has another state, or other measurements: soon. */
void steer_soon(struct agent *a, struct family *f);
/* Is it to be measured at the rate of its probes? */
bool steer_measures(const struct agent *a, const struct path *p);
void steer_measured(struct agent *a, const struct engine_path_info *info);
/* Every class of every family, soon. */
void steer_again(struct agent *a);
/* After other settings were read. */
void steer_reload(struct agent *a);

/* ---- classes_change.c ---- */

int classes_change_open(struct agent *a); /* 0 or -ENOMEM */
/* Other rules are read, and not in force; before they are, classes_ready and every group. */
void classes_begin_change(struct agent *a, const struct classes_cfg *before);
/* They are in force. */
void classes_changed(struct agent *a);
/* What else packets with that number may be of. NULL: nothing with an opinion. */
const struct class_cfg *classes_former(const struct agent *a, uint8_t klass);
/* What the path has sent of a class. */
void classes_count(struct agent *a, const struct path *p, uint8_t klass,
		   struct steer_class_stat *ret_stat);

/* ---- traffic.c: what goes over paths and uplinks ---- */

int traffic_open(struct agent *a); /* 0 or -ENOMEM; reads what was used of budgets */
void traffic_close(struct agent *a);
/* Is anything to be counted, how often? Again after other settings were read. */
void traffic_plan(struct agent *a);
/* Before other settings are read: where nothing is counted, what was carried is of no budget. */
void traffic_from_here(struct agent *a);
/* bit/s away from us: of all on its uplink, of one class on that path. */
uint64_t traffic_uplink_bps(const struct agent *a, const struct path *p);
uint64_t traffic_class_bps(const struct path *p, uint8_t klass);
enum plan_budget traffic_budget(const struct agent *a, const struct path *p);
/* What its uplink has carried in this period; 0 and false without a budget. */
bool traffic_used(const struct agent *a, const struct uplink *u, uint64_t *ret_octets);
/* The path ends: what it has carried counts. */
void traffic_path_gone(struct agent *a, struct path *p);
/* An earlier agent has left it. */
void traffic_adopt(struct agent *a, struct path *p);

#endif
