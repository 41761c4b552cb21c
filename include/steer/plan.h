/* SPDX-License-Identifier: GPL-2.0-only */
/* The plan of a class: of the paths that could carry it, which do, with what share, in how many
 * copies, and why. What is decided less often than per packet is decided here; each answer is one
 * of the modes of the maps (abi/steer.h), which know by themselves what to do when a path goes
 * down: all that the plan adds is their order, and that nobody comes back too early.
 *
 * Order, best first: what the operator prefers by hand; what works well, badly, not; what has some
 * of its budget left; what keeps the SLA, then what breaks it least; the class's own preference;
 * the order that the peer was granted; what is not metered; what the peer has no objection to; the
 * uplink's rank. The first four are
 * reasons to leave the present path at once, the others only when they have lasted for the hold.
 *
 * Pure: no clock, no maps. Thread: one.
 */
#ifndef BRAID_STEER_PLAN_H
#define BRAID_STEER_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/steer.h"
#include "base/usec.h"
#include "esp/sla.h"
#include "steer/class.h"
#include "steer/delay.h"
#include "steer/overflow.h"

/* Why a path carries packets of the class, or does not. */
#define FOREACH_PLAN_WHY(X)                                                                        \
	X(CARRIES, "carries it")                                                                   \
	X(COPIES, "carries a copy of each packet")                                                 \
	X(SPILLED, "carries what those before it have no room for")                                \
	X(STANDS_BY, "another one comes first")                                                    \
	X(NOT_FULL, "those before it have room")                                                   \
	X(HELD, "better, but not for long enough yet")                                             \
	X(SLOWER, "another one has a smaller delay")                                               \
	X(SLA, "breaks the SLA")                                                                   \
	X(DOES_NOT_WORK, "does not work")                                                          \
	X(DEGRADED, "works badly, by its uplink's limits")                                         \
	X(NOT_PREFERRED, "the class prefers others")                                               \
	X(METERED, "metered, and others are not")                                                  \
	X(PEER, "the peer prefers another one")                                                    \
	X(OPERATOR, "the operator prefers another one")                                            \
	X(SPARE, "stands in for others")                                                           \
	X(BUDGET, "its budget is used up")                                                         \
	X(BUDGET_STOP, "its budget is used up, and nothing goes there")                            \
	X(NEVER, "the class must not go there")                                                    \
	X(NEVER_METERED, "metered, where the class must not go")                                   \
	X(NOT_TRUSTED, "not trusted, and the class goes nowhere else")

enum plan_why {
#define X(n, text) PLAN_##n,
	FOREACH_PLAN_WHY(X)
#undef X
		PLAN_WHY_MAX
};

/* Why the present choice was made. */
enum plan_by {
	PLAN_BY_BEGIN,	  /* the first */
	PLAN_BY_ADOPTED,  /* as the maps had it */
	PLAN_BY_CONFIG,	  /* the configuration is another one */
	PLAN_BY_OPERATOR, /* prefers it */
	PLAN_BY_GONE,	  /* the former one is not there any more, or not for this class */
	PLAN_BY_STATE,	  /* works worse */
	PLAN_BY_BUDGET,	  /* is used up */
	PLAN_BY_SLA,	  /* is broken */
	PLAN_BY_BETTER,	  /* this one was better for the hold */
	PLAN_BY_DELAY,	  /* has a smaller delay */
	PLAN_BY_FULL,	  /* flows go to the next */
	PLAN_BY_ROOM,	  /* and back */
	PLAN_BY_COPIES,	  /* the best one is so bad that copies are sent */
	PLAN_BY_CLEAR,	  /* and no more */
	PLAN_BY_CARRIES,  /* paths carry something else than they were taken to */
};

struct plan_reason {
	enum plan_by by;
	uint8_t sla; /* enum sla_what of SLA and COPIES */
	uint32_t value,
		limit;	   /* usec or permille of the first of these; of DELAY: now and before */
	uint64_t rate_bps; /* FULL, ROOM: what was demanded */
	usec_t lasted;	   /* 0: does not apply */
};

enum plan_budget { PLAN_BUDGET_LEFT, PLAN_BUDGET_USED, PLAN_BUDGET_STOPPED };

/* A path that the class could use, by all that is known now. */
struct plan_path {
	uint32_t id;	    /* of the maps; not 0 */
	const char *uplink; /* its name; "": none */
	uint8_t kind;	    /* enum uplink_kind */
	uint8_t state;	    /* enum steer_path_state */
	bool metered, trusted;
	bool spare;	    /* to be used when nothing else works: it is for others' traffic */
	bool peer_standby;  /* the peer has better ones */
	uint8_t peer_place; /* in the order that the peer was granted; 0: best, or there is none */
	bool preferred;	    /* by the operator */
	enum plan_budget budget;
	uint16_t weight;       /* as configured, not 0 */
	uint16_t rank;	       /* of its uplink, best first */
	uint64_t capacity_bps; /* what its uplink carries away from us; 0: not known */
	/* what the path was found to carry (steer/capacity.h), and whether it was ever full */
	uint64_t found_bps;
	bool found_full;
	uint64_t uplink_bps; /* what goes out there now, of all classes and peers */
	uint64_t class_bps;  /* of this class */
	/* round trip and loss; measured: when, 0: never */
	usec_t measured;
	uint32_t rtt_usec, jitter_usec, loss_permille;
	uint32_t rtt_last_usec; /* of the youngest probe */

	/* what came of it */
	uint16_t share; /* of what is sent, in the unit of the others'; 0: stands by */
	enum plan_why why;
	uint8_t broken; /* enum sla_what */
};

/* What a path is taken to carry, in the unit of the others'. */
struct plan_carries {
	uint32_t id;
	uint64_t bps;
};

/* Of a path, from one time to the next. */
struct plan_memory {
	uint32_t id;
	struct sla sla;
	struct delay_track delay;
};

/* Of a class, from one time to the next. Zeroed: nothing was decided yet. */
struct plan {
	/* what is to be written: members in order, n of them */
	enum steer_mode mode;
	uint8_t copies, n;
	uint8_t order[STEER_MEMBERS_MAX]; /* indices of the paths */
	struct plan_reason reason;	  /* of what changed last */
	usec_t since;			  /* when that was */
	uint32_t from, to;		  /* paths; the same: others have changed. 0: none */
	usec_t next; /* when to ask again at the latest, USEC_NEVER: with news only */

	uint64_t changes;
	struct plan_memory memory[STEER_MEMBERS_MAX];
	uint32_t current; /* the path that comes first; 0: none */
	uint32_t challenger;
	usec_t challenged; /* since when that one is better */
	enum delay_told told;
	struct overflow overflow;
	uint32_t filled[STEER_MEMBERS_MAX]; /* the paths that it is about */
	struct sla copying;
	struct plan_carries carries[STEER_MEMBERS_MAX]; /* with measured weights */
	usec_t carries_since; /* since when it should be something else; 0: it is right */
	uint64_t cfg;	      /* hash of what it was */
};

/* May the class go there at all? ret_why: why not. */
bool plan_may(const struct class_cfg *c, const struct plan_path *p, enum plan_why *ret_why);
/* Are there uplinks, perhaps not now, that the class must not use? */
bool plan_restricts(const struct class_cfg *c);
/* Decide anew about n paths, all of which it may use: at most STEER_MEMBERS_MAX. Returns true if
 * the choice is another one, for the reason that is told. */
bool plan_make(struct plan *p, const struct class_cfg *c, struct plan_path *paths, size_t n,
	       usec_t now);

/* Before the first plan_make: what was decided by another process, which left that record. It stays
 * where the class would choose it as well, and is left like any other where not. */
void plan_adopt(struct plan *p, const struct class_cfg *c, const struct steer_group *record,
		usec_t now);

/* What the class needs to know. */
bool plan_needs_measures(const struct class_cfg *c);
bool plan_needs_rates(const struct class_cfg *c);

const char *plan_why_text(enum plan_why why);
enum { PLAN_REASON_MAX = 96 };
/* "loss 4.1 % above 1.0 % for 3.0 s"; returns buf. */
const char *plan_reason_text(const struct plan_reason *r, char buf[PLAN_REASON_MAX]);

#endif
