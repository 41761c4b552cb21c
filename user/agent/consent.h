/* SPDX-License-Identifier: GPL-2.0-only */
/* Programs that are asked before an address of ours leaves a relation, and told when one is gone.
 *
 * A program registers by the control socket's command "consent". Before the operator or the agent
 * itself takes an address out of a relation, each of them gets an event with a token and answers
 * "yes", or "wait" and "yes" later. What is to happen waits for them: for the first answer for
 * consent_wait, for the rest for consent_wait_max at most. Who does not answer in time, or goes,
 * has said yes: nobody can keep an address by this, only be ready when it goes. What the kernel
 * took away already cannot be asked about. Thread: the agent's loop.
 */
#ifndef BRAID_AGENT_CONSENT_H
#define BRAID_AGENT_CONSENT_H

#include <stddef.h>
#include <stdint.h>

#include "agent.h"

enum {
	CONSENT_PROGRAMS_MAX = 16, /* registered */
	CONSENT_ASKS_MAX = 32,	   /* under way: more are not asked about */
	CONSENT_ADDRS_MAX = 16,	   /* that are named */
};

struct consent_what {
	const char *conn;	  /* the relation's connection */
	uint64_t line;		  /* of one IKE SA; 0: of all of the connection */
	const struct addr *addrs; /* of ours, that leave; at most CONSENT_ADDRS_MAX are told */
	size_t n_addrs;
	const char *uplink; /* NULL: none, or several */
	enum decided_by by;
	const char *why; /* a word or two: "down" */
};

enum consent_end {
	CONSENT_GIVEN,	   /* all of them said yes, or there is nobody */
	CONSENT_LATE,	   /* the time is over, or some have gone: go on */
	CONSENT_CANCELLED, /* the agent ends: free what is yours, do nothing else */
};

/* May enter the core, which is drained by whoever calls it. */
typedef void consent_done_fn(struct agent *a, void *ctx, enum consent_end end);

int consent_open(struct agent *a); /* 0 or -ENOMEM */
/* Ends what is under way with CONSENT_CANCELLED. Before the control socket goes. */
void consent_close(struct agent *a);
/* Ask about what (borrowed). done is called exactly once: before this returns when nobody has to be
 * waited for, else from the loop. Returns how many programs are asked and waited for. */
unsigned consent_ask(struct agent *a, const struct consent_what *what, consent_done_fn *done,
		     void *ctx);
/* The same after the fact: nobody is waited for. */
void consent_gone(struct agent *a, const struct consent_what *what);
/* The agent wants to take a path out of use: the programs are asked once about its address, for all
 * paths of its line that have it. False: not yet, paths_soon() tells when. */
bool consent_path_may_go(struct agent *a, struct path *p, const char *why);
/* A path's address or link has gone: told once for all paths of a line that have it. */
void consent_path_gone(struct agent *a, const struct path *p, const char *why);

#endif
