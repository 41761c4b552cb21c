/* SPDX-License-Identifier: GPL-2.0-only */
/* MMX, the multi-interface extension of MOBIKE, as the owner of the core sees it.
 *
 * The owner says which interfaces this host has; the core announces them, and tells what the Child
 * SAs of each binding may use (IKE_OUT_BINDING) before the first of them is added, whenever that
 * changes, and when the last is gone. Whether to move anything is the owner's choice: it asks the
 * peer by ike_mmx_ask, and what the peer agreed to is in place when IKE_EV_MMX_ANSWERED comes.
 * Thread: that of the core.
 */
#ifndef BRAID_IKE_MMX_H
#define BRAID_IKE_MMX_H

#include "ike/ike.h"
#include "ikemsg/mmx.h"

enum { IKE_BINDING_PATHS_MAX = MMX_SIDE_MAX * MMX_SIDE_MAX };

/* One pair of endpoints of a binding. */
struct ike_binding_path {
	uint32_t id;	      /* EPID of I in the upper half, of R in the lower */
	struct ike_path path; /* ifindex 0; the peer's address as it was seen, behind a NAT */
	bool nat;	      /* one was seen on the way: ESP goes in UDP */
	/* the peer is known to receive there, or believed to by what return_check says of an
	 * address of the connection's own: else no ESP goes there */
	bool verified;
	/* Not of the binding, but carries its traffic: as long as nothing of the binding is
	 * verified (boot path), or while what it was before may still be needed. It may be an
	 * alternate, too. */
	bool boot;
	bool alternate; /* where an endpoint of it may fail over to, best first: after the others */
};

/* What the Child SAs that share it use. id: of its line, never used again. Those that are bound to
 * nothing have 0 and use the IKE SA's pair. */
struct ike_binding {
	uint32_t id;
	bool gone; /* the last of its Child SAs is */
	uint8_t n; /* in order of preference */
	struct ike_binding_path paths[IKE_BINDING_PATHS_MAX];
};

/* What the peer says to one action of ours. */
struct ike_mmx_result {
	uint16_t action_id;
	uint8_t code;	 /* enum mmx_code */
	uint16_t status; /* enum mmx_status; STATE_MISMATCH also: done there, no memory here */
	uint16_t detail; /* of LOCAL_POLICY, UNREACHABLE; 0: none told */
	uint8_t flags;	 /* enum mmx_result_flag */
	uint16_t affected;
	uint32_t valid_sec;	     /* after a check: so long; 0: not told */
	uint16_t limit_which, limit; /* after TOO_MANY */
	/* After a QUERY: the peer has other SAs on other endpoints than we have; after a DEL_IF: it
	 * deleted others. */
	bool differs;
};

struct ike_mmx_answer {
	uint8_t n;
	struct ike_mmx_result r[MMX_ACTIONS_MAX];
};

struct ike_mmx_probed {
	uint32_t path;	      /* as in struct ike_binding_path */
	usec_t rtt;	      /* 0: not answered there */
	bool nat;	      /* on this path */
	struct udp_addr seen; /* as which the peer saw us; family 0: it did not say */
	/* Not answered, but somebody is there who says that he does not know this IKE SA; nobody
	 * proved that. */
	bool stranger;
};

/* What a new Child SA shall be bound to: endpoints by their numbers, in order of preference. */
struct ike_outer_wish {
	uint8_t mode;	/* enum mmx_outer_mode */
	bool strict;	/* no Child SA rather than one that is bound otherwise */
	bool no_boot;	/* while the peer is not known to receive at any of them it is not sent to
			   where IKE runs */
	uint8_t n_own;	/* 0: the one that the IKE SA uses */
	uint8_t n_peer; /* 0: the peer's choice */
	uint16_t own[MMX_SIDE_MAX], peer[MMX_SIDE_MAX];
	uint8_t inner; /* the only virtual address in its selectors, from 1; 0: all of them */
};

/* The interfaces of this host that peers of that connection may know of, best first; at most
 * MMX_IFACES_MAX, generation and the flags LAST, EMPTY and CURRENT are the core's. Numbers of
 * interfaces and endpoints are the caller's, below IKE_MMX_OWN_NUMBERS, and never mean another one
 * later. Peers are told if it is another list than before. 0, -ENOENT. */
enum { IKE_MMX_OWN_NUMBERS = 0xff00 };
int ike_ifaces_set(struct ike *ike, const char *conn, const struct mmx_iface *ifaces, unsigned n,
		   usec_t now);

/* How peers of that connection are asked to send what is of a traffic class: those of *asked that
 * have the state ASKED; the numbers of preferred interfaces are ours. They are told if it is
 * something else than before. 0, -ENOENT, -ENOMEM. */
int ike_classes_ask(struct ike *ike, const char *conn, const struct mmx_classes *asked, usec_t now);
/* What the peer of that line is told of what it asks for: those that are not ASKED. 1: it is
 * something else than before, and is told; 0; -ENOENT: MMX is off. */
int ike_classes_answer(struct ike *ike, uint64_t line, const struct mmx_classes *answers,
		       usec_t now);
/* What that side asks for, and answers to what the other side asks for. NULL: MMX is off. Valid
 * until the next call into the core. */
const struct mmx_classes *ike_classes(const struct ike *ike, uint64_t line, bool of_peer);

/* Is MMX on? *ret_caps (may be NULL): enum mmx_cap, what both can do. */
bool ike_mmx_on(const struct ike *ike, uint64_t line, uint32_t *ret_caps);
/* What that side has announced: of_peer, or we. NULL: nothing, or MMX is off. Valid until the next
 * call into the core. */
const struct mmx_iface *ike_mmx_ifaces(const struct ike *ike, uint64_t line, bool of_peer,
				       unsigned *ret_n, uint32_t *ret_generation);
/* The highest numbers of ours that any IKE SA has announced: for the owner that comes after. */
void ike_mmx_numbers(const struct ike *ike, uint16_t *ret_ifid, uint16_t *ret_epid);

/* As ike_up, for an IKE SA that is not there yet: its first Child SA shall be bound so; of the peer
 * no endpoints are known then, nor is which virtual addresses there will be: it gets the first.
 * Where the peer cannot do that it follows the IKE SA. -EALREADY: there is an IKE SA. */
int ike_up_outer(struct ike *ike, const char *conn, const char *child_or_null,
		 const struct ike_path *path, const struct ike_outer_wish *w, uint32_t op,
		 usec_t now);
/* As ike_up_line; there may be several Child SAs of one name. -EOPNOTSUPP: the peer cannot do it.
 * -EALREADY: that very wish is under way. -EINVAL: there is no such virtual address. */
int ike_up_line_outer(struct ike *ike, uint64_t line, const char *child,
		      const struct ike_outer_wish *w, uint32_t op, usec_t now);
/* As ike_rekey_child, of that Child SA, whose successor gets other endpoints. */
int ike_rekey_outer(struct ike *ike, uint32_t child_id, const struct ike_outer_wish *w, uint32_t op,
		    usec_t now);

/* As ike_rekey_child, of that Child SA, with a cipher that has a longer key than its own: before
 * something that was refused for that (MMX_POLICY_STRONGER) is asked for again. -EOPNOTSUPP: there
 * is none in its configuration. */
int ike_rekey_stronger(struct ike *ike, uint32_t child_id, uint32_t op, usec_t now);

/* Ask the peer for these, in one request, in that order; ids and generations are the core's. One
 * request at a time: others wait. IKE_EV_MMX_ANSWERED with op ends it, or FAILED. With HARD what
 * we bind ourselves changes at once, else when the answer comes. -ENOENT; -EOPNOTSUPP: MMX is off,
 * or an action's capability; -E2BIG: more than the peer takes; -EINVAL: ADD_IF has to be
 * the first; -EACCES: our own policy does not cover what an SA of transport mode would carry then,
 * or not with its algorithms; -ENOMEM. */
int ike_mmx_ask(struct ike *ike, uint64_t line, const struct mmx_action *actions, unsigned n,
		uint32_t op, usec_t now);
/* Does that path work? Moves nothing; IKE_EV_MMX_PROBED tells. The peer is then known to receive
 * there, and we to it if it wants to know. keep: it is to stay open, behind a NAT. -ENOENT,
 * -EOPNOTSUPP, -EINVAL (no such path), -EALREADY, -EBUSY (as many as may be are under way),
 * -ENOMEM. */
int ike_mmx_probe(struct ike *ike, uint64_t line, uint32_t path, bool keep, uint32_t op,
		  usec_t now);
/* Somebody doubts that it does: the same, quickly, and nobody is told but by what becomes of it. */
int ike_mmx_check(struct ike *ike, uint64_t line, uint32_t path, usec_t now);

/* What Child SAs of a line are bound to, for those who show it: from NULL to NULL. */
struct mmx_shared;
const struct mmx_shared *ike_mmx_next(const struct ike *ike, uint64_t line,
				      const struct mmx_shared *s_or_null);
/* NULL: what those have that follow the IKE SA, whose pair it is. ret_sas: so many do. */
void ike_mmx_look(const struct ike *ike, uint64_t line, const struct mmx_shared *s_or_null,
		  struct ike_binding *ret_b, unsigned *ret_sas);

#endif
