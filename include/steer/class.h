/* SPDX-License-Identifier: GPL-2.0-only */
/* Traffic classes as they are wanted: which packets belong to one, and how its packets go. Declared
 * here, filled by the configuration, read by the classifier (steer/rules.h) and the plan
 * (steer/plan.h). No state. Addresses in network order, everything else in host order.
 */
#ifndef BRAID_STEER_CLASS_H
#define BRAID_STEER_CLASS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/steer.h"
#include "base/addr.h"

enum {
	CLASS_NAME_MAX = 32,
	CLASS_RULES_MAX = 64, /* of all classes together */
	CLASS_LIST_MAX = 8,
};

/* How packets of a class go over the paths it may use. */
enum class_mode {
	CLASS_BALANCE,	/* flows by weight; with weights = measured by what paths are found to carry
			 */
	CLASS_STANDBY,	/* one path; another one when that one cannot be used */
	CLASS_PRIORITY, /* the same, and flows spill to the next when it is full or breaks the SLA
			 */
	CLASS_DELAY,	/* the path with the smallest round trip */
	CLASS_REDUNDANT, /* every packet on several paths */
	CLASS_BOND,	 /* packet by packet over all, put in order again by the peer's engine */
	CLASS_MODES
};

/* Inner packets that we send: local is their source. All that is given has to fit. */
struct class_rule {
	uint8_t klass;
	uint8_t protocol;			/* 0: any */
	uint8_t local_len, remote_len;		/* of the prefixes, bits */
	struct addr local, remote;		/* family 0: any */
	uint16_t local_port[2], remote_port[2]; /* first, last; 0, 65535: any, also none */
	uint64_t dscp;				/* a bit for each; 0: any */
	uint32_t mark, mark_mask;		/* mask 0: any */
	char cgroup[96];			/* below the cgroup2 mount; "": any */
	unsigned line;				/* of the configuration */
};

/* Uplinks by name or by kind. */
struct class_where {
	char name[CLASS_NAME_MAX]; /* "": by kind */
	uint8_t kind;		   /* enum uplink_kind */
};

/* What is good enough: 0: no limit. */
struct class_sla {
	uint32_t delay_usec, jitter_usec; /* round trip */
	uint32_t loss_permille;
	uint32_t hold_usec, clear_usec; /* broken for that long, kept for that long */
	uint8_t hysteresis;		/* percent */
};

struct class_cfg {
	char name[CLASS_NAME_MAX]; /* "default": class 0 */
	enum class_mode mode;
	uint8_t n_prefer, n_never;
	struct class_where prefer[CLASS_LIST_MAX]; /* in this order, then all others */
	struct class_where never[CLASS_LIST_MAX];
	bool never_metered, only_trusted;
	bool weights_measured; /* BALANCE */
	struct class_sla sla;  /* beyond it a path is taken only where none keeps it */
	uint32_t hold_usec;    /* a better path is not gone to before it was better for that long */
	/* PRIORITY: a path is full at that many permille of its uplink's rate; 0: by SLA alone */
	uint16_t overflow_permille;
	/* DELAY: smaller by that many percent, and by that much, before it is gone to */
	uint8_t delay_percent;
	uint32_t delay_usec;
	/* REDUNDANT: copies in all, 2 .. STEER_MEMBERS_MAX; while the best path is worse than that
	 * in one of these, both 0: always */
	uint8_t copies;
	uint32_t copies_loss_permille, copies_jitter_usec;
	/* BOND: what the peer is to wait at most for one that is late; carried in units of
	 * STEER_PATIENCE_USEC, rounded down */
	uint32_t reorder_usec;
};

/* What the peer is asked to do with what it sends under a class of that name. */
struct class_ask {
	bool wanted;
	enum class_mode mode;
	uint8_t copies; /* REDUNDANT */
	uint8_t n_prefer;
	struct class_where prefer[CLASS_LIST_MAX]; /* of our uplinks, best first */
};

/* What an uplink may carry in a period. */
enum budget_period { BUDGET_NONE, BUDGET_DAY, BUDGET_WEEK, BUDGET_MONTH };
enum budget_action { BUDGET_STANDBY, BUDGET_STOP };
struct budget_cfg {
	uint64_t octets; /* both directions */
	enum budget_period period;
	enum budget_action action; /* when it is used up: for want of another path only, or never */
	uint8_t warn_percent;	   /* 0: no warning */
	uint8_t day;		   /* of month (1 .. 28) or week (1: Monday) that it begins at */
};

struct classes_cfg {
	/* [0] is the default class and always there; after a reload some in between may have no
	 * name: they are none */
	uint8_t n_classes;
	uint8_t n_rules;
	bool default_given; /* something is wanted of the default class */
	struct class_cfg classes[STEER_CLASSES];
	struct class_ask asks[STEER_CLASSES];
	struct class_rule rules[CLASS_RULES_MAX]; /* the first that fits counts */
};

#endif
