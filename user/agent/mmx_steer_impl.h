/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the steering by MMX share: see mmx_steer.c. */
#ifndef BRAID_AGENT_MMX_STEER_IMPL_H
#define BRAID_AGENT_MMX_STEER_IMPL_H

#include "ike/mmx_plan.h"
#include "mmx_agent.h"

enum {
	MMX_BARS_MAX = 32,
	MMX_TRIED_MAX = 32,
	MMX_ENDS_MAX = CONF_UPLINKS_MAX * AGENT_EPS_MAX,
	MMX_PEER_ENDS_MAX = MMX_IFACES_MAX * MMX_SIDE_MAX,
	MMX_STEPS_MAX = 8, /* of one look */
	MMX_WORDS_MAX = 4,
	MMX_WORD_ENDS_MAX = 2 * MMX_SIDE_MAX
};

struct mmx_asked {
	uint8_t code;
	uint16_t old, new;
	bool peers; /* these are the peer's */
};

struct mmx_bar {
	struct mmx_asked what;
	usec_t until, wait;
};

struct mmx_tried {
	uint32_t path;
	uint32_t op; /* under way; 0: not */
	usec_t at, wait;
	bool works, nat;
	struct udp_addr seen; /* as which the peer saw us; family 0: it did not say */
};

/* What an action of the operator's does to endpoints of ours once the peer has agreed to it. */
struct mmx_word {
	uint32_t op;
	size_t n;
	struct {
		uint16_t epid;
		bool held;
	} ends[MMX_WORD_ENDS_MAX];
};

struct mmx_steer {
	struct list node;
	struct peer *peer;
	usec_t next; /* when it is looked at; USEC_NEVER: when something happens */
	uint32_t op; /* of the request under way; 0: none */
	usec_t asked_at;
	uint16_t remapped; /* endpoint of ours whose NAT has another mapping; 0: none */
	struct mmx_asked asked;
	size_t n_bars, n_tried, n_up;
	struct mmx_bar bars[MMX_BARS_MAX];
	struct mmx_tried tried[MMX_TRIED_MAX];
	/* endpoints of ours that the operator took away: they come back by his word */
	size_t n_held;
	uint16_t held[MMX_ENDS_MAX];
	size_t n_words; /* not answered yet */
	struct mmx_word words[MMX_WORDS_MAX];
	bool noted;
	struct {
		uint16_t epid;
		usec_t since; /* 0: from the beginning */
	} up[MMX_ENDS_MAX];
};

/* One look: the plan, and what it is made from. */
struct mmx_look {
	struct agent *a;
	struct mmx_steer *s;
	struct peer *p;
	usec_t now;
	struct mmx_plan plan;
	unsigned n_own;
	struct mmx_plan_end own[MMX_ENDS_MAX], peer[MMX_PEER_ENDS_MAX];
	const struct uplink *uplinks[MMX_ENDS_MAX]; /* of own */
	struct ike_binding *bindings;
	struct mmx_plan_child *children;
};

/* ---- mmx_look.c ---- */

/* False: nothing is announced as yet, or there is no memory. */
bool mmx_look_new(struct mmx_look *k);
void mmx_look_free(struct mmx_look *k);
/* Do Child SAs use that endpoint of ours? */
bool mmx_look_bound(const struct mmx_look *k, uint16_t epid);
/* For log and events: what is asked for, and why. */
void mmx_steer_say(struct agent *a, struct peer *p, const struct mmx_asked *what, const char *why);
/* The peer has refused it; r: NULL, or its result; text_or_null: what is known without. */
void mmx_steer_say_refused(struct agent *a, struct peer *p, const struct mmx_asked *what,
			   const struct ike_mmx_result *r, const char *text_or_null);

/* ---- mmx_tunnel.c ---- */

/* tunnels = each: Child SAs on that pair of endpoints, with an inner address that the line has for
 * them, or in transport mode with their own, if they were there when the relation began. -ENOENT:
 * neither. */
int mmx_tunnel_new(struct agent *a, const struct mmx_look *k, uint16_t own, uint16_t peer,
		   uint32_t op);

#endif
