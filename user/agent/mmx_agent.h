/* SPDX-License-Identifier: GPL-2.0-only */
/* The multi-interface extension in the agent: what its files share. */
#ifndef BRAID_AGENT_MMX_AGENT_H
#define BRAID_AGENT_MMX_AGENT_H

#include "agent.h"
#include "ctl/mmx_args.h"
#include "ike/mmx.h"

/* ---- mmx_view.c ---- */

/* What both sides of a line have announced and what its Child SAs are called; names are borrowed
 * from agent and view. */
struct mmx_view {
	struct ctl_mmx_view v;
	const char *names[MMX_IFACES_MAX]; /* uplinks of our interfaces */
	struct ctl_mmx_child *children;
};
/* 0, -ENOENT: MMX is off; -ENOMEM. */
int mmx_view_init(struct agent *a, uint64_t line, struct mmx_view *ret_view);
void mmx_view_clear(struct mmx_view *view);
/* Relations with what is announced and bound, as data in pieces; of one connection, or all. */
void mmx_list(struct agent *a, struct ctl_req *req, const char *conn_or_null);

/* ---- control_mmx.c ---- */

/* MMX_ANSWERED and MMX_PROBED: what they tell as data; how the operation ends, and why. */
enum ctl_code control_mmx_ended(struct ctl_req *req, const struct ike_output *o,
				char ret_why[CTL_MMX_WHY_MAX]);

/* ---- mmx_steer.c: relations with multipath = mmx ---- */

int mmx_steer_open(struct agent *a); /* 0 or -ENOMEM */
void mmx_steer_close(struct agent *a);
/* Does it choose what the Child SAs of that line use, and where IKE goes? */
bool mmx_steers(const struct agent *a, const struct peer *p);
/* What the core tells, of any relation. Enters the core later. */
void mmx_steer_event(struct agent *a, const struct ike_output *o);
/* Interfaces, addresses or the configuration have changed, or an agent has begun. */
void mmx_steer_changed(struct agent *a);
/* The operator has asked for that, as op: if the peer does it, what it takes away of ours is not
 * used again before he says so. */
void mmx_steer_word(struct agent *a, struct peer *p, const struct mmx_action *action, uint32_t op);
void mmx_steer_path(struct agent *a, const struct peer *p);
void mmx_steer_leave(struct peer *p); /* it goes */

/* ---- mmx_tunnel.c ---- */

/* As ike_up, with the connection's first Child SA bound as its tunnels shall be. */
int mmx_tunnel_first(struct agent *a, const char *conn, const char *child_or_null,
		     const struct ike_path *path, uint32_t op);

#endif
