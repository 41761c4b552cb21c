/* SPDX-License-Identifier: GPL-2.0-only */
/* What a relation with MMX should do next about the addresses that its Child SAs are bound to: one
 * step, from what there is now. Nothing is remembered here, so an agent that was restarted plans
 * the same. Changes nothing. Thread: any.
 *
 * shared: every Child SA is bound to all endpoints that are wanted, of both sides, and uses them at
 * the same time. each: one Child SA, or set of them, for each endpoint of ours; while an endpoint
 * is gone its SAs are bound to another one, and go back when it is there again.
 *
 * Each side takes away what it has lost itself (HARD). The initiator adds what it and the peer
 * have, a path that answered a probe first, and asks over what stands by, so that it can be used at
 * once; the responder replaces an endpoint of the peer's that
 * does not answer by an alternate of it.
 */
#ifndef BRAID_IKE_MMX_PLAN_H
#define BRAID_IKE_MMX_PLAN_H

#include "ike/mmx.h"

enum { MMX_PLAN_SPIS_MAX = 64 };

/* What is known of a pair of endpoints. */
enum mmx_path_state {
	MMX_PATH_UNTRIED,
	MMX_PATH_WORKS,
	MMX_PATH_SILENT,  /* was asked and does not answer */
	MMX_PATH_WAITING, /* not to be tried now */
};

/* An endpoint, those that are used first before others. */
struct mmx_plan_end {
	uint16_t epid;
	uint8_t family;
	bool up;     /* address and link are there */
	bool backup; /* for when nothing else is */
	bool nat;    /* ours: a probe has shown one, it is known as it was seen */
};

/* each: a Child SA, and the endpoint of ours that it is for; 0: that is not there. retired: its
 * interface is not to be used any more, and it is not needed. */
struct mmx_plan_child {
	uint32_t spi, binding;
	uint16_t home;
	bool retired;
	unsigned service;  /* which of the connection's it is: any number */
	bool transport;	   /* its selectors are its endpoints */
	struct addr inner; /* tunnel: ours, in its selectors; family 0: none */
};

struct mmx_plan {
	bool we_are_i;
	uint32_t caps; /* enum mmx_cap, of both */
	enum ike_tunnels tunnels;
	const struct mmx_plan_end *own, *peer;
	unsigned n_own, n_peer;
	uint16_t ike_own, ike_peer;	    /* of the IKE SA */
	const struct ike_binding *bindings; /* id 0: what inherits, its path is the IKE SA's */
	unsigned n_bindings;
	const struct mmx_plan_child *children; /* each */
	unsigned n_children;
	enum mmx_path_state (*state)(void *ctx, uint32_t path);
	/* Behind a NAT of ours: does the peer know the mapping of that path, as of now? */
	bool (*opened)(void *ctx, uint32_t path);
	/* Was that path asked of late, so that a token for it is at hand, or it is known to be
	 * silent?
	 */
	bool (*fresh)(void *ctx, uint32_t path);
	/* Was this refused, and is not to be asked for again as yet? */
	bool (*barred)(void *ctx, uint8_t code, uint16_t old, uint16_t new);
	void *ctx;
};

enum mmx_step_kind { MMX_STEP_NONE, MMX_STEP_PROBE, MMX_STEP_ASK };

struct mmx_step {
	enum mmx_step_kind kind;
	uint32_t path;		  /* PROBE */
	bool keep;		  /* the same: a NAT's mapping is to stay */
	struct mmx_action action; /* ASK; borrows spis */
	uint8_t spis[4 * MMX_PLAN_SPIS_MAX];
	uint16_t old, new; /* what it replaces by what; 0: nothing */
	uint16_t to;	   /* ADD_IF: the peer's endpoint */
	bool peers;	   /* these are the peer's */
	const char *why;   /* static; for people */
};

/* The next step; NONE: all is as it should be, or has to wait. */
void mmx_plan_next(const struct mmx_plan *p, struct mmx_step *ret_step);

#endif
