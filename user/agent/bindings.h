/* SPDX-License-Identifier: GPL-2.0-only */
/* MMX in the agent: what peers are told of this host's interfaces, and what Child SAs are bound to.
 * Thread: the agent's. */
#ifndef BRAID_AGENT_BINDINGS_H
#define BRAID_AGENT_BINDINGS_H

#include <jansson.h>

#include "agent.h"
#include "ike/mmx.h"

/* ---- ifaces.c ---- */

/* A number for an interface; 0: there is none left. */
uint16_t ifaces_number(struct agent *a);
/* Tell the core of those that peers of that connection may know. order: all uplinks, best first. */
void ifaces_tell(struct agent *a, const struct ike_conn_cfg *c,
		 const struct uplink *const order[CONF_UPLINKS_MAX]);
/* Peers know interfaces and endpoints by the numbers that an earlier agent has given them. */
void ifaces_adopt(struct agent *a);
/* The uplink that has that number, or NULL. */
const struct uplink *ifaces_uplink(const struct agent *a, uint16_t ifid);

/* ---- asks.c: modes of traffic classes that one end asks the other for ---- */

/* Tell the core what peers of that connection are asked for; known to ifaces_tell. */
void asks_tell(struct agent *a, const struct ike_conn_cfg *conn);
/* The peer's list may be another one: answer what it asks for, and tell what it has answered. */
void asks_look(struct agent *a, struct peer *p);
/* After other settings were read. */
void asks_reload(struct agent *a);
/* A class as it goes to that peer: steer_wanted, in the mode that the peer was granted, which takes
 * buf. */
const struct class_cfg *asks_in_force(const struct agent *a, const struct peer *p, uint8_t klass,
				      struct class_cfg *buf);
/* Of a path in the order that the peer was granted: 0 is best, and all there are without one. */
uint8_t asks_place(const struct agent *a, const struct path *p, uint8_t klass);
/* Why it is not granted, by enum mmx_class_state; NULL: it is. */
const char *asks_refusal(uint8_t state);
/* By enum mmx_class_mode, as in the configuration. */
const char *asks_mode(uint8_t number);

/* ---- bindings.c ---- */

/* A path of a binding, as the core told of it. */
struct bound {
	struct path *path; /* NULL: it could not be made */
	struct ike_binding_path is;
};

/* What Child SAs of a line are bound to: a group of its own. */
struct binding {
	struct list node;	 /* peer.bindings */
	uint32_t id;		 /* the core's */
	uint32_t group;		 /* id of class 0's */
	enum engine_encap encap; /* as the engine knows it */
	uint32_t room;		 /* the same */
	size_t sas;		 /* Child SAs that have it */
	struct steer *classes;	 /* NULL: none; steer.h */
	uint8_t n;
	struct bound *paths; /* n of them */
};

/* IKE_OUT_BINDING, IKE_OUT_CHILD_BIND */
void binding_told(struct agent *a, const struct ike_output *o);
void binding_of_child(struct agent *a, uint32_t child, uint32_t id);
/* NULL: it is the IKE SA's pair that it uses. */
struct binding *binding_find(const struct peer *p, uint32_t id);
/* A Child SA has it, or has it no more. NULL is fine. */
void binding_enter(struct agent *a, struct binding *b, struct child *c);
void binding_leave(struct child *c);
/* Write down which paths they have, again: weights, uplinks or the operator's choice may be others;
 * what is as before costs no store. */
void bindings_write(struct agent *a, struct peer *p);
/* What the largest packets on their paths are. */
void bindings_room(struct agent *a, struct peer *p);
void bindings_free(struct agent *a, struct peer *p);
/* The group that a path which is probed belongs to. */
uint32_t bindings_group(const struct path *p);
/* Numbers of both endpoints of a pair, as they were announced; false: without MMX. */
bool bindings_epids(struct agent *a, const struct path *p, uint16_t *ret_epid_i,
		    uint16_t *ret_epid_r);
/* Lists have changed: they may have others. */
void bindings_relabel(struct agent *a, struct peer *p);
/* After a restart: first which there are, for the Child SAs to enter, then what they have. */
void bindings_adopt(struct agent *a, struct peer *p);
void bindings_adopted(struct agent *a, struct peer *p);

/* ---- report_asks.c ---- */

/* What is asked for on that line, in both directions, with the answers. */
json_t *report_asks(const struct agent *a, uint64_t line);

/* ---- report_mmx.c ---- */

/* What is known of that line: lists of both sides, bindings. NULL: without MMX. */
json_t *report_mmx(struct agent *a, uint64_t line);

#endif
