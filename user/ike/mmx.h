/* SPDX-License-Identifier: GPL-2.0-only */
/* MMX inside the core: what an IKE SA keeps of it, and who does what.
 *
 *   mmx.c          negotiation; state of a line: made, moved to a successor, copied to a clone
 *   mmx_ifaces.c   lists of interfaces, both ways
 *   mmx_ask.c      our actions: what is asked, what the answer changes here
 *   mmx_dead.c     endpoints of ours that are left before the peer has answered
 *   mmx_info.c     the peer's actions, and late results
 *   mmx_probe.c    probes of ours
 *   mmx_seen.c     the peer's probes, their answers, tokens
 *   mmx_reach.c    where paths lead, and whether the peer receives there
 *   mmx_outer.c    endpoints of a new Child SA
 *   mmx_transport.c  selectors of transport mode, which follow the endpoints
 *   mmx_addif.c    Child SAs derived for an added interface; interfaces deleted
 *   mmx_image.c    for the agent that comes after
 *   mmx_compare.c  do both ends have the same?
 *   mmx_publish.c  what the owner of the core is told: bindings, and which SA has which
 *
 * Below them, without exchanges: mmx_list, mmx_binding, mmx_table, mmx_rules, mmx_apply,
 * mmx_message, mmx_derive, mmx_keys, mmx_token, mmx_paths.
 *
 * The state is the line's: of its IKE SAs the one that is in use (line_owner) has it, so always ask
 * mmx_of. Owners of endpoints are I and R of the family, never of an exchange.
 */
#ifndef BRAID_IKE_MMX_INTERNAL_H
#define BRAID_IKE_MMX_INTERNAL_H

#include "child_sa.h"
#include "exchange.h"
#include "ike/mmx.h"
#include "mmx_message.h"
#include "mmx_paths.h"
#include "mmx_token.h"
#include "mobike.h"
#include "parts.h"

enum {
	MMX_WINDOW = 4,
	MMX_ACTIONS_PER_MIN = 60,
	MMX_PROBES_PER_SEC = 5,
	MMX_GIVEN_MAX = 64,
	MMX_HELD_MAX = 16,
	MMX_RRS_MAX = 4,
	MMX_MOVED_KEPT = 4
};

/* A token of ours, and what its answer was first sent to. */
struct mmx_given {
	uint64_t spi; /* own, of the IKE SA; 0: none */
	uint32_t msg_id, serial;
	struct udp_addr to;
};

/* One of the peer's. */
struct mmx_held {
	uint32_t path;
	usec_t until;
	uint8_t len; /* 0: none */
	uint8_t b[MMX_TOKEN_MAX];
};

/* One endpoint in place of another. */
struct mmx_swap {
	uint16_t old, new;
};

struct mmx {
	struct mmx_supported announced; /* by us */
	struct mmx_deal deal;
	struct mmx_list list[2]; /* by enum mmx_owner */
	uint16_t next_own;	 /* numbers for addresses that our owner did not number */
	uint16_t next_action;
	struct mmx_table table;
	struct mmx_shared *ike;	      /* what the IKE SA is bound to; a reference */
	struct mmx_shared *inherited; /* what Child SAs have that follow it; a reference */
	struct mmx_paths paths;
	struct mmx_tokens tokens;
	unsigned n_sent; /* probes, and when the last ones were */
	usec_t sent[MMX_PROBES_PER_SEC];
	unsigned n_given, n_held; /* ever; the last ones are there */
	struct mmx_given given[MMX_GIVEN_MAX];
	struct mmx_held held[MMX_HELD_MAX];
	unsigned n_transport; /* Child SAs in that mode */
	bool rebound;	      /* Child SAs have other bindings than their owner knows */
	bool moving;	      /* the IKE SA's pair is about to be what x->ike says */
	unsigned actions;     /* of the peer in this minute */
	usec_t actions_since;
	/* mmx_dead.c: endpoints of ours that are dead, and what packets leave from instead (0:
	 * nothing) until the peer has answered. */
	uint8_t n_hard;
	struct mmx_swap hard[MMX_SIDE_MAX];
	/* The last updates of ours that the peer takes back if it cannot reach us there. */
	uint8_t n_moved;
	struct mmx_moved {
		uint16_t id;
		struct mmx_swap ends;
	} moved[MMX_MOVED_KEPT];
	/* What is to go back to where it was and could not, for want of memory; when it is tried
	 * again. */
	uint8_t n_back;
	usec_t again_at; /* that, and the telling of results; 0: nothing waits */
	struct mmx_back {
		enum mmx_owner owner;
		struct mmx_swap ends;
	} back[MMX_MOVED_KEPT];
	bool unpublished; /* the peer's lists come too fast to tell of each */
	usec_t listed_at; /* when one was told of */
	/* Results of the peer's that it has not been told yet. */
	uint8_t n_late, late_told; /* the first ones are in a request */
	struct mmx_late {
		uint16_t id, status, detail;
	} late[MMX_ACTIONS_MAX];
};

/* A request with actions of ours: task.mmx. */
struct mmx_ask {
	unsigned n, first;	   /* those before it have their results */
	bool moves_ike;		   /* one of them does */
	bool ike_moved;		   /* it did so at once */
	bool waits;		   /* for probes of where it is to go */
	uint16_t overtaken;	   /* bits: the peer has meanwhile changed what that one is about */
	struct mmx_add_if *add_if; /* mmx_addif.c; owned */
	uint8_t *octets;	   /* owned; what the actions borrow */
	struct ike_mmx_answer answer;
	struct mmx_action a[];
};

/* What to do when the peer does not answer where an action of its own said. */
struct mmx_rr {
	uint16_t action_id;	/* to tell it the result; 0: none */
	uint16_t back_to, from; /* endpoints of the peer: where its SAs return to; 0: nowhere */
};

/* A probe of a path: task.probing. */
struct mmx_probing {
	uint32_t path;
	bool keep;	/* it is to stay open */
	bool token;	/* one is asked for */
	bool lost;	/* not answered there: the request goes over other paths */
	bool stranger;	/* but by somebody there who says that he knows no such IKE SA */
	unsigned tried; /* as often in vain, as other requests */
	usec_t began;
	uint8_t n_rr;
	struct mmx_rr rr[MMX_RRS_MAX]; /* who wants to know */
	uint8_t nonce[MMX_PATH_NONCE_OCTETS];
};

/* ---- mmx.c ---- */

/* Row of parts.c. */
void mmx_build(struct part_ctx *c);
void mmx_process(struct part_ctx *c);
/* Would we announce it to that peer? */
bool mmx_wanted(const struct ike_sa *sa);
/* One that knows nothing yet. NULL: no memory, or no randomness. */
struct mmx *mmx_empty(void);
/* That of the line of sa; NULL: MMX is off, or it has no IKE SA in use. */
struct mmx *mmx_of(const struct ike *ike, const struct ike_sa *sa);
static inline enum mmx_owner mmx_we(const struct ike_sa *sa)
{
	return sa->role_i ? MMX_I : MMX_R;
}
static inline enum mmx_owner mmx_peer(const struct ike_sa *sa)
{
	return sa->role_i ? MMX_R : MMX_I;
}
static inline struct mmx_lists mmx_lists_of(const struct mmx *x)
{
	return (struct mmx_lists){ { &x->list[MMX_I], &x->list[MMX_R] } };
}
static inline uint32_t mmx_path_id(uint16_t epid_i, uint16_t epid_r)
{
	return (uint32_t)epid_i << 16 | epid_r;
}
/* `mmx = require`, and it is not in the peer's IKE_AUTH message: it is refused. */
bool mmx_missing(const struct ike_sa *sa, const struct ike_msg *in);
/* old is replaced by sa: all of it. */
void mmx_move(struct ike_sa *old, struct ike_sa *sa);
/* sa is cloned from old: negotiation and lists, no bindings. Without memory it is off. */
void mmx_copy(const struct ike_sa *old, struct ike_sa *sa);
void mmx_free(struct ike_sa *sa);

/* c is bound to s, whose reference it takes; NULL: it inherits. */
void mmx_child_bind(struct child_sa *c, struct mmx_shared *s_or_null);
void mmx_child_unbind(struct child_sa *c);

/* ---- mmx_ifaces.c ---- */

/* Our list as it is for this IKE SA, with the address it uses; a new generation if it is another
 * one than before. True: it is. */
bool mmx_list_renew(struct ike_sa *sa, struct mmx *x);
/* All entries into m. */
void mmx_list_put(const struct ike_sa *sa, struct mmx *x, struct msg_wr *m);
/* Numbers of the endpoints that the IKE SA uses now; 0: not known. */
uint16_t mmx_current(const struct ike_sa *sa, const struct mmx *x, enum mmx_owner owner);
/* The IKE SA uses another pair: what follows from that. */
void mmx_ike_moved(struct ike *ike, struct ike_sa *sa);
/* A request that is not answered goes over another pair that the IKE SA is bound to, too: each in
 * its turn. */
void mmx_send_elsewhere(struct ike *ike, struct ike_sa *sa, struct task *t);
/* For ike_peer_addrs. */
unsigned mmx_peer_addrs(const struct ike_sa *sa, struct addr ret_addrs[IKE_PEER_ADDRS_MAX]);
/* What the peer's list has changed: events. */
void mmx_list_taken(struct ike *ike, struct ike_sa *sa, uint32_t generation_before);

/* ---- mmx_ask.c ---- */

/* TASK_MMX: lists and actions of ours, one request at a time of them all. */
int mmx_ask_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m);
enum task_end mmx_ask_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			   const struct ike_msg *in, const struct ike_path *path);
/* Copies them, what they borrow too. NULL: no memory. */
struct mmx_ask *mmx_ask_new(const struct ike_sa *sa, const struct mmx_action *actions, unsigned n);
void mmx_ask_free(struct ike *ike, struct mmx_ask *ask);
/* Is a request under way that has a list or actions? Only one may be (7.1). */
bool mmx_in_flight(const struct ike_sa *sa);
/* Would t be another one? */
bool mmx_carried(const struct ike_sa *sa, const struct task *t);
/* A probe has ended, which requests may wait for. */
void mmx_ask_wake(struct ike_sa *sa);
/* The actions that wait for their answer; NULL: none. */
const struct mmx_ask *mmx_outstanding(const struct ike_sa *sa);
/* The peer has done that, which requests of ours may be about that it has not answered. */
void mmx_overtaken(struct ike_sa *sa, const struct mmx *x, const struct mmx_action *theirs);
/* A result that the peer is told later than in the response to its action; without memory still
 * later. */
void mmx_tell_late(struct ike_sa *sa, struct mmx *x, uint16_t id, enum mmx_status status,
		   uint16_t detail);

/* A request tells such results, or waits to do so. */
bool mmx_telling(const struct ike_sa *sa);
/* There was no memory for something: mmx_do_again, in a while. */
void mmx_again_soon(struct ike_sa *sa, struct mmx *x);
/* It asks for the IKE SA to be somewhere else. */
bool mmx_moves_ike(const struct mmx_action *a);

/* ---- mmx_dead.c ---- */

/* Packets leave from other endpoints than those that requests say are dead, until they are
 * answered. */
void mmx_leave_dead(const struct ike_sa *sa, struct mmx *x);
/* The IKE SA goes along, if that request says so; what it has under way is sent again from there
 * (MMX 12, S14). */
void mmx_leave_dead_ike(struct ike *ike, struct ike_sa *sa, struct mmx_ask *ask);
/* What the IKE SA is bound to as far as the peer has heard: what inherits is bound to that when an
 * action is done, here as there. answered_or_null: a request that is being looked at. */
struct mmx_binding mmx_ike_told(const struct ike_sa *sa, const struct mmx *x,
				const struct mmx_ask *answered_or_null);

/* ---- mmx_info.c ---- */

/* Does it have something of MMX that has to be answered? */
bool mmx_in_request(const struct ike_msg *in);
/* The peer's lists, actions, probes and late results; results into m. */
void mmx_request(struct part_ctx *c);
/* All SAs of the line as mmx_apply sees them, the IKE SA among them; for an action that sender
 * sends. Owned by the caller. NULL: no memory. */
struct mmx_sa *mmx_sas_new(struct ike_sa *sa, struct mmx *x, enum mmx_owner sender, size_t *ret_n);
/* What they are bound to after it becomes so, and doomed ones end. */
void mmx_sas_commit(struct ike *ike, struct ike_sa *sa, struct mmx *x, const struct mmx_sa *sas,
		    size_t n);
/* Find out whether the peer receives where the changed SAs go. True: nothing has to be. */
bool mmx_prove(struct ike *ike, struct ike_sa *sa, struct mmx *x, const struct mmx_apply *apply,
	       const struct mmx_rr *after);
/* The IKE SA goes where it is bound to now; before: what it was bound to. here_or_null: the pair
 * that it is instead of the announced one. */
void mmx_ike_follow(struct ike *ike, struct ike_sa *sa, struct mmx *x,
		    const struct mmx_binding *before, const struct ike_path *here_or_null);
/* All that is bound to an endpoint is to another one again: it turned out not to be reachable.
 * Without memory it is tried again. */
void mmx_go_back(struct ike *ike, struct ike_sa *sa, struct mmx *x, enum mmx_owner owner,
		 uint16_t from, uint16_t back_to);
/* What could not be done for want of memory. */
void mmx_do_again(struct ike *ike, struct ike_sa *sa, struct mmx *x);
/* The peer does not receive where an action of its own said: go back, if that is what after says,
 * and tell it. */
void mmx_unreachable(struct ike *ike, struct ike_sa *sa, struct mmx *x, const struct mmx_rr *after);
/* Policies of this host. ctx: struct mmx_policy_ctx. */
struct mmx_policy_ctx {
	struct ike *ike;
	struct ike_sa *sa;
	struct mmx *x;
	const struct ike_msg *in;    /* NULL: an action of ours */
	const struct ike_path *here; /* the request came on */
	bool to_public;		     /* a new endpoint of the peer's is */
	bool renegotiate;	     /* set by it: an SA has more protection than it needs */
};
struct mmx_policy mmx_policy_of(struct mmx_policy_ctx *c);

/* ---- mmx_probe.c ---- */

/* TASK_MMX_PROBE */
int mmx_probe_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m);
enum task_end mmx_probe_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			     const struct ike_msg *in, const struct ike_path *path);
/* Its time is over again, on the path itself. */
void mmx_probe_unanswered(struct ike *ike, struct ike_sa *sa, struct task *t);
/* When the next one may be sent at the earliest; USEC_NEVER: not before something was answered. */
usec_t mmx_probe_at(const struct ike_sa *sa);
/* What is under way of old goes on as requests of sa. */
void mmx_probes_move(struct ike_sa *old, struct ike_sa *sa);
/* One of that path, which may be there already. -EINVAL (no such path), -EBUSY, -ENOMEM. */
int mmx_probe_want(struct ike_sa *sa, struct mmx *x, uint32_t path, struct task **ret_t);

/* ---- mmx_seen.c ---- */

/* The peer's: answer it. */
void mmx_probe_answer(struct part_ctx *c);
/* Such a request was sent again from elsewhere: it came from another endpoint of the peer's. */
bool mmx_here_strayed(const struct ike_sa *sa, const struct mmx *x, uint16_t epid,
		      const struct addr *from);
/* A request that is no probe says itself that it comes from that endpoint of the peer's. */
void mmx_seen_here(struct part_ctx *c, struct ike_sa *sa, struct mmx *x, uint16_t epid);
/* A stored answer goes to another address than the first copy did. */
void mmx_answer_repeated(struct ike *ike, struct ike_sa *sa, uint32_t msg_id,
			 const struct ike_path *path);
/* That of an answer to a probe that was sent then, if there is one. */
void mmx_token_keep(struct mmx *x, const struct mmx_path *answer, usec_t sent);
/* Tokens of an action or MMX_OUTER prove their paths. */
void mmx_tokens_take(struct ike *ike, struct ike_sa *sa, struct mmx *x,
		     const struct mmx_tlvs *tlvs);
/* Those of the peer's that show that its answers came to the new endpoints of ours that stand
 * there. */
void mmx_tokens_add(const struct ike_sa *sa, const struct mmx *x, struct mmx_tlvs *tlvs);
/* A token of the peer's for that path, not too old, or an empty one. */
struct bytes mmx_token_held(const struct mmx *x, uint32_t path, usec_t now);

/* ---- mmx_reach.c ---- */

/* From where to where a path leads, ports included. False: no such endpoints. */
bool mmx_path_addrs(const struct ike_sa *sa, const struct mmx *x, uint32_t path,
		    struct ike_path *ret_path);
/* Does ESP of an SA that is bound to b come by that path? Ports are the NAT's matter: what a new
 * one means the owner of the endpoint says (6). */
bool mmx_esp_expected(const struct ike_sa *sa, const struct mmx *x, const struct mmx_binding *b,
		      const struct ike_path *path);
/* Is the peer known to receive there, by probes, tokens, or because IKE runs there? */
bool mmx_verified(const struct ike_sa *sa, const struct mmx *x, uint32_t path, usec_t now);
/* May packets go there before that is known? Where the connection itself names the address, and
 * lets them, until a check was in vain. */
bool mmx_believed(const struct ike_sa *sa, const struct mmx *x, uint32_t path);
/* Find it out for every path of the binding that ESP would go over and that is not. after: what to
 * do when the peer does not answer. True: nothing has to be found out. */
bool mmx_routability(struct ike *ike, struct ike_sa *sa, struct mmx *x, const struct mmx_binding *b,
		     const struct mmx_rr *after);
/* Does a fail-over go to where a NAT before the peer may have lost its mapping? If so it can be
 * found out. */
bool mmx_unmapped(struct ike_sa *sa, struct mmx *x, const struct mmx_action *a, bool find_out);
void mmx_rr_add(struct mmx_probing *p, const struct mmx_rr *rr);
/* Who waits for p: the peer receives there. */
void mmx_rr_shown(struct ike_sa *sa, struct mmx_probing *p);
/* It does not, and if nothing else is tried for them that is the result. */
void mmx_rr_failed(struct ike *ike, struct ike_sa *sa, struct mmx *x, struct mmx_probing *p);
/* Somebody says that the peer does not receive there: it is to show that it does. */
void mmx_doubt(struct ike_sa *sa, const struct udp_addr *peer);
/* What was verified has to be again, and NATs keep what is used. */
void mmx_reach_tick(struct ike *ike, struct ike_sa *sa);
usec_t mmx_reach_deadline(const struct ike_sa *sa);

/* ---- mmx_outer.c ---- */

/* Of a task that makes a Child SA: task.wish. */
struct mmx_wish {
	struct ike_outer_wish w;
	struct mmx_ends asked; /* endpoints of ours that the request names */
};

/* What is left of what the peer asked for; zero: nothing was asked. */
struct mmx_outer_deal {
	enum mmx_status status;	 /* why it is not applied */
	uint8_t mode, flags;	 /* enum mmx_outer_mode, enum mmx_outer_flag */
	struct mmx_ends ends[2]; /* by enum mmx_owner, best first */
};

/* NULL: no memory. */
struct mmx_wish *mmx_wish_new(const struct ike_outer_wish *w);
/* As requester: what t asks for, if it does. */
void mmx_outer_ask(struct ike_sa *sa, struct task *t, struct msg_wr *m);
/* The answer; *ret is what the new SA is bound to (a reference), NULL: it inherits, from the SA
 * that it replaces, if it does. False: it is not within what was asked for, or refuses what had to
 * be.
 */
bool mmx_outer_answered(struct ike_sa *sa, const struct task *t, const struct ike_msg *in,
			struct mmx_shared **ret);
/* Does the peer ask for endpoints, which we then look at? */
bool mmx_outer_asked(const struct ike_sa *sa, const struct ike_msg *in);
/* As responder: 0 with *ret as above, or the notify type of the refusal; mmx_outer_reply follows in
 * either case. */
uint16_t mmx_outer_request(struct ike_sa *sa, const struct ike_msg *in, struct mmx_outer_deal *d,
			   struct mmx_shared **ret);
void mmx_outer_reply(const struct ike_sa *sa, const struct mmx_outer_deal *d, struct msg_wr *m);
/* No Child SA came of it. s may be NULL. */
void mmx_outer_drop(struct ike_sa *sa, struct mmx_shared *s);
/* The same, as responder, before it is answered. */
void mmx_outer_undo(struct ike_sa *sa, struct mmx_outer_deal *d, struct mmx_shared **s);

/* ---- mmx_transport.c ---- */

/* Selectors of an offer that asks for endpoints, in transport mode. False: they are those of any
 * other Child SA. */
bool mmx_transport_offer(const struct ike_sa *sa, const struct mmx_wish *w,
			 const struct ike_child_cfg *cfg, struct child_deal *d);
/* What an SA that is bound so may have, by that part of our configuration. False, likewise. */
bool mmx_transport_own(const struct ike_sa *sa, const struct mmx_shared *s,
		       const struct ike_child_cfg *cfg, struct child_deal *d);
/* Selectors as they came, for our side and the peer's, with addresses as we have them, and what
 * they were to d, as mode_ts. w: as requester. False: it is not bound to anything of its own. */
bool mmx_transport_ts(const struct ike_sa *sa, const struct mmx_wish *w_or_null,
		      const struct child_sa *rekeyed, struct child_deal *d, struct ts_list *local,
		      struct ts_list *remote);
/* Are the selectors the addresses of what it is bound to? Of any SA but one of transport mode. */
bool mmx_transport_fits(const struct ike_sa *sa, const struct child_deal *d);
/* May c, in transport mode, be bound to b? OK, UNSUPPORTED, TOO_MANY, PAD_DENIED, SPD_MISMATCH,
 * LOCAL_POLICY with *ret_detail; *ret_renegotiate: it has more protection than it needs there. */
enum mmx_status mmx_transport_check(const struct ike_sa *sa, const struct child_sa *c,
				    const struct mmx_binding *b, uint16_t *ret_detail,
				    bool *ret_renegotiate);
/* May those that follow the IKE SA, if it is bound to b? Likewise. */
enum mmx_status mmx_transport_inheriting(const struct ike_sa *sa, const struct mmx_binding *b,
					 uint16_t *ret_detail, bool *ret_renegotiate);
bool mmx_transport_may_ask(struct ike *ike, struct ike_sa *sa, const struct mmx_action *a);
/* The part of the configuration that covers c's selectors, where they follow endpoints; NULL. */
const struct ike_child_cfg *mmx_transport_policy(const struct ike_sa *sa, const struct child_sa *c);
/* Bindings have changed: selectors do. */
void mmx_transport_follow(struct ike *ike, struct ike_sa *sa);

/* ---- mmx_addif.c ---- */

/* ADD_IF of ours: reserves SPIs, puts NONCE, SPIS and DIGEST into a, and into m what asks for inner
 * addresses. It is the only one of its request. 0 or -errno; -EAGAIN: not now. */
int mmx_add_if_build(struct ike *ike, struct ike_sa *sa, struct mmx *x, struct mmx_ask *ask,
		     struct mmx_action *a, struct msg_wr *m);
/* Also of one that was refused: SPIs are free again. */
void mmx_add_if_answered(struct ike *ike, struct ike_sa *sa, struct mmx *x, struct mmx_ask *ask,
			 const struct mmx_action *a, const struct mmx_result *r,
			 const struct ike_msg *in);
/* The peer's; puts its result. */
enum mmx_status mmx_add_if_request(struct ike *ike, struct ike_sa *sa, struct mmx *x,
				   const struct ike_msg *in, const struct mmx_action *a,
				   const struct mmx_policy *policy, struct msg_wr *m);
/* Its SPIs are free again. NULL is fine. */
void mmx_add_if_free(struct ike *ike, struct mmx_add_if *d);

/* ---- mmx_compare.c ---- */

enum mmx_status mmx_compare_answer(const struct ike_sa *sa, const struct mmx_apply *apply,
				   const struct mmx_action *a, struct mmx_answer *ret_answer);
/* What the peer answers to our QUERY is not what is here. */
bool mmx_compare_differs(struct ike_sa *sa, struct mmx *x, const struct mmx_action *a,
			 const struct mmx_result *r);
/* Of those that an action changed, if the answer does not list them; before SAs are gone. */
void mmx_compare_put(const struct ike_sa *sa, const struct mmx_apply *apply, struct mmx_result *r);
/* The same, here: the peer's answer tells of others. */
bool mmx_compare_others(const struct ike_sa *sa, const struct mmx_apply *apply,
			const struct mmx_result *r);
/* The peer has said that something does not fit: tell our list once more, and ask. */
void mmx_compare_soon(struct ike *ike, struct ike_sa *sa, struct mmx *x);

/* ---- mmx_publish.c ---- */

/* Tell of everything that has changed: bindings, and Child SAs that have another one. At the end of
 * whatever changes bindings, lists, verified addresses or the IKE SA's pair. Nothing if sa has no
 * MMX. */
void mmx_publish(struct ike *ike, struct ike_sa *sa);
/* The same after a list of the peer's: not of each one, if many come. */
void mmx_publish_list(struct ike *ike, struct ike_sa *sa);
/* What was put off so. */
void mmx_publish_tick(struct ike *ike, struct ike_sa *sa);
usec_t mmx_publish_at(const struct mmx *x);
/* Tell of a binding before the first SA that has it, and return the number it is told by; of NULL
 * as of one that is inherited. */
uint32_t mmx_tell(struct ike *ike, struct ike_sa *sa, struct mmx_shared *s_or_null);
/* The number that the owner knows the binding of a Child SA by. */
uint32_t mmx_told_id(const struct mmx_shared *s);

#endif
