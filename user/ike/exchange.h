/* SPDX-License-Identifier: GPL-2.0-only */
/* Exchanges: what we want from the peer (tasks), the window they go through, and both ends of each.
 */
#ifndef BRAID_IKE_EXCHANGE_H
#define BRAID_IKE_EXCHANGE_H

#include "ike_private.h"

/* ---- tasks: what we want from the peer; one request each ---- */

enum { COOKIE2_OCTETS = 16, VIAS_MAX = 4 };

struct mmx_ask; /* mmx.h, as those below */
struct mmx_probing;
struct mmx_wish;

enum task_kind {
	TASK_IKE_INIT,
	TASK_IKE_AUTH,
	TASK_CHILD_NEW,
	TASK_CHILD_REKEY,
	TASK_CHILD_DELETE,
	TASK_IKE_REKEY,
	TASK_IKE_DELETE,
	TASK_LIVENESS,
	TASK_AUTH_FAILED, /* tell the responder that its AUTH did not verify (2.21.2) */
	TASK_SIZE,	  /* does a packet of some size get there? size.c */
	TASK_UPDATE,	  /* tell R the new addresses: mobike.c */
	TASK_ROUTABILITY, /* does the peer receive there? routability.c */
	TASK_ADDRS,	  /* our other addresses: addrlist.c */
	TASK_PATH_TEST,	  /* does that pair work? pair_try.c */
	TASK_IKE_CLONE,	  /* another IKE SA beside it: clone.c */
	TASK_MMX,	  /* lists and actions: mmx_ask.c */
	TASK_MMX_PROBE,	  /* does that path work? mmx_probe.c */
	TASK_KINDS,
};

struct task {
	struct list node;	 /* in ike_sa.pending or ike_sa.inflight */
	struct hash_node by_spi; /* ike.offered, from the first time it is sent */
	struct ike_sa *sa;
	enum task_kind kind;
	uint32_t op;
	uint32_t child_id;	       /* rekey, delete: the SA concerned; with cpu: the first */
	char child_name[IKE_NAME_MAX]; /* new: name in the configuration */
	usec_t not_before;
	uint8_t temporary, rounds;
	uint16_t above;	      /* ciphers with longer keys than that only */
	uint16_t cpu;	      /* new: an additional one for it (child_sa.cpu) */
	bool single_pair;     /* the peer takes no more than that: the first selectors only */
	uint64_t reauth_line; /* TASK_IKE_CLONE: the line that it goes on with; 0: one of its own */
	bool asks_vips;	      /* with CP: its line has no virtual addresses of its own yet */
	bool shares_vips;     /* there are none for it */
	bool announces; /* TASK_LIVENESS: to tell our window and token; everything else first */

	/* the request on the wire */
	uint32_t msg_id;
	uint8_t *packet; /* owned */
	size_t packet_len;
	unsigned tries;
	unsigned quick; /* the first ones: in doubt.c; not counted before the peer is given up */
	usec_t timeout, first_send, next_send, give_up;
	uint16_t unprotected_error;    /* seen, but not believed at once (2.21.1) */
	bool hurried;		       /* sent again early, once: ESP came before the answer */
	struct ike_path via[VIAS_MAX]; /* the pairs of addresses it was sent on, the first ones */
	uint8_t n_via;
	bool has_cookie2;
	bool with_list; /* TASK_UPDATE: our addresses are in it */
	uint8_t cookie2[COOKIE2_OCTETS];
	uint32_t changes; /* mobike.changes when it was built */
	bool testing;	  /* TASK_PATH_TEST: it goes over tested, and nowhere else yet */
	struct ike_path tested;
	unsigned disowned_try,
		n_disowned;   /* last of the tries answered INVALID_IKE_SPI; how many */
	usec_t suspect_until; /* 0: none was; then: time to believe it, or not */

	struct mmx_ask *mmx;	     /* TASK_MMX; owned; NULL: our list only */
	struct mmx_probing *probing; /* TASK_MMX_PROBE; owned */
	struct mmx_wish *wish;	     /* new Child SA: MMX_OUTER; owned; NULL: none */

	/* TASK_SIZE */
	uint16_t octets; /* of the IP packet */
	bool shorter;	 /* packet is the short one */
	uint8_t *large;	 /* owned; the one before */
	size_t large_len;
	uint8_t large_tries;

	/* what we offered; kept until the answer */
	struct nonce ni;
	struct ke *ke;	   /* owned */
	bool had_ke;	   /* an imported request whose private value is lost */
	uint16_t ke_group; /* 0: our first choice */
	uint32_t spi_in;   /* reserved, ours until a Child SA takes it */
	uint64_t spi_ike;
	/* SPIs of the peer that it deleted before we knew them: our answer may be late (INF-4) */
	uint32_t deleted[DELETED_MAX];
	uint8_t n_deleted;

	/* the peer's simultaneous rekey of the same SA (2.8.1, 2.8.2) */
	bool collided;
	struct nonce coll_lowest;
	uint64_t coll_spi;   /* own SPI of the IKE SA the peer's exchange made */
	uint32_t coll_child; /* id of the Child SA it made */
};

enum task_end {
	TASK_FREE,
	TASK_AGAIN,   /* with another request */
	TASK_UNHEARD, /* no memory, nothing was done: as if the answer was lost */
};

/* ---- doubt.c ---- */

/* The peer is asked whether it is there, quickly. It may not be that it is sent at once. 0 or
 * -ENOMEM. */
int doubt_peer(struct ike *ike, struct ike_sa *sa);
/* How long an answer is waited for by somebody in doubt, at first. */
usec_t doubt_late(const struct ike_sa *sa);

/* ---- task.c ---- */

struct task *task_new(struct ike_sa *sa, enum task_kind kind, uint32_t op);
void task_free(struct ike *ike, struct task *t);
/* The first of that kind that was not sent yet, or NULL. */
struct task *task_pending(const struct ike_sa *sa, enum task_kind kind);
struct task *task_find(const struct ike_sa *sa, enum task_kind kind, uint32_t child_id);
static inline bool task_in_flight(const struct task *t)
{
	return t->packet;
}
/* The request that a response of that exchange answers, or NULL. */
struct task *task_in_flight_as(const struct ike_sa *sa, uint32_t msg_id, uint8_t exchange);
/* Before everything that still waits. */
void task_first(struct ike_sa *sa, struct task *t);
/* A new one of that kind, first, unless one is in line already. Without memory nothing. */
void task_want(struct ike_sa *sa, enum task_kind kind);
/* Take t off its list, end its operation with an event, and free it. */
void task_end(struct ike *ike, struct ike_sa *sa, struct task *t, enum ike_event_kind kind,
	      uint32_t child_id, const char *text);
/* Its request offers an SPI: it is found by that from now on. */
void task_offers(struct ike *ike, struct task *t);
/* The request under way that offers that SPI of an IKE SA, or of a Child SA; NULL. */
struct task *task_offering_ike(const struct ike *ike, uint64_t spi);
struct task *task_offering_child(const struct ike *ike, uint32_t spi);
/* Forget the packet of a task that is to be built anew. */
void task_reset_packet(struct ike_sa *sa, struct task *t);
/* Wait after TEMPORARY_FAILURE; false: it lasted too long. */
bool task_back_off(struct ike *ike, struct task *t);

/* ---- window.c ---- */

/* Send what the window allows. */
void window_run(struct ike *ike, struct ike_sa *sa);
void window_tick(struct ike *ike, struct ike_sa *sa);
usec_t window_deadline(const struct ike_sa *sa);
/* A request under way, the same octets, over that path, too. */
void window_send_via(struct ike *ike, struct ike_sa *sa, struct task *t,
		     const struct ike_path *path);
/* How long an answer takes at most, unless it was lost: two round trips and `more`; `unknown` if
 * nobody knows how long these are. */
usec_t window_late(const struct ike_sa *sa, usec_t more, usec_t unknown);
/* All that is in flight, the same octets, over that path. */
void window_resend(struct ike *ike, struct ike_sa *sa, const struct ike_path *path);
/* ESP came for that SPI of ours, which no SA has yet. True: a request that offers it is under way.
 */
bool window_hurry(struct ike *ike, uint32_t spi_in);
/* It is to be deleted: what still waits for an answer does so for three timeouts at most. */
void window_end_soon(struct ike *ike, struct ike_sa *sa);
/* Tell the peer of an IKE SA that we rekeyed how many requests we take, and our token. */
void window_renew(struct ike_sa *sa);
/* The same of a clone, not before `at`, when nothing else has to be sent, and unless it was told
 * meanwhile. */
void window_announce(struct ike_sa *sa, usec_t at);
bool window_announced(const struct ike_sa *sa);
void window_request(struct ike *ike, struct ike_sa *sa, const struct ike_path *path, uint8_t *buf,
		    size_t len, const struct ike_hdr *hdr);
void window_response(struct ike *ike, struct ike_sa *sa, const struct ike_path *path, uint8_t *buf,
		     size_t len, const struct ike_hdr *hdr);

/* ---- exchanges ---- */

enum after { AFTER_ANSWER, AFTER_CLOSE, AFTER_DROP };

/* What each kind of task puts into its request and does with the response. */
struct task_ops {
	const char *name;
	uint8_t exchange;
	int (*build)(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m);
	enum task_end (*done)(struct ike *ike, struct ike_sa *sa, struct task *t,
			      const struct ike_msg *in, const struct ike_path *path);
};
extern const struct task_ops task_ops[TASK_KINDS];

void sa_init_request(struct ike *ike, const struct ike_path *path, const uint8_t *buf, size_t len);
bool sa_init_elsewhere(struct ike *ike, struct ike_sa *sa, struct task *t);
int sa_init_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m);
void sa_init_response(struct ike *ike, struct ike_sa *sa, const struct ike_path *path,
		      const uint8_t *buf, size_t len);
/* For an IKE SA that is not here. */
void sa_init_stray(struct ike *ike, const struct ike_path *path, const struct ike_hdr *h);
void sa_init_bad_version(struct ike *ike, const struct ike_path *path, const struct ike_hdr *h);

int auth_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m);
enum task_end auth_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			const struct ike_msg *in, const struct ike_path *path);
enum after auth_request(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in,
			const struct ike_path *path, struct msg_wr *m);

enum after create_child_request(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in,
				const struct ike_path *path, struct msg_wr *m);
int child_new_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m);
/* The peer has an SA we cannot use: no answer to a response, but a Delete for our SPI (2.21). */
void child_undo(struct ike *ike, struct ike_sa *sa, struct task *t, const struct ike_msg *in);
enum task_end child_new_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			     const struct ike_msg *in, const struct ike_path *path);
/* The new IKE SA of a rekey or clone: successor.c. SA, Ni and KEi of the request; 0 or -EIO. */
int successor_offer(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m);
/* The peer wants another group (err may be NULL), and t asks with that next. */
bool successor_other_group(const struct ike_sa *sa, struct task *t, const struct notify *err);
/* What our exchange made. NULL: the answer does not fit, or no memory. */
struct ike_sa *successor_made(struct ike *ike, struct ike_sa *old, struct task *t,
			      const struct ike_msg *in);
/* Answer the peer's. 0; -EPROTO: refused, the answer says why; -EBADMSG for a nonce or key exchange
 * value that is none; -EIO, -ENOMEM. */
int successor_answer(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in, bool clone,
		     struct msg_wr *m, struct ike_sa **ret_sa);
/* clone.c */
int clone_request_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m);
enum task_end clone_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			 const struct ike_msg *in, const struct ike_path *path);
/* Is a request that rekeys the IKE SA one to clone it? */
bool clone_asked(const struct ike_sa *sa, const struct ike_msg *in);
/* 0, or the notify type that answers it. */
uint16_t clone_refusal(const struct ike *ike, const struct ike_sa *sa);
void clone_answered(struct ike *ike, struct ike_sa *old, struct ike_sa *clone);
/* Rekey of the IKE SA: rekey.c */
enum after ike_rekey_request(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in,
			     struct msg_wr *m);
int ike_rekey_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m);
enum task_end ike_rekey_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			     const struct ike_msg *in, const struct ike_path *path);
/* Our rekey came to nothing, but the peer's simultaneous one made a new IKE SA: go on with that. */
bool ike_rekey_yield(struct ike *ike, struct ike_sa *sa, struct task *t);

enum after informational_request(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in,
				 const struct ike_path *path, struct msg_wr *m);
int child_delete_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m);
enum task_end child_delete_done(struct ike *ike, struct ike_sa *sa, struct task *t,
				const struct ike_msg *in, const struct ike_path *path);
int ike_delete_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m);
enum task_end ike_delete_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			      const struct ike_msg *in, const struct ike_path *path);
int liveness_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m);
enum task_end liveness_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			    const struct ike_msg *in, const struct ike_path *path);
int auth_failed_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m);
enum task_end auth_failed_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			       const struct ike_msg *in, const struct ike_path *path);

/* size.c */
int size_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m);
enum task_end size_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			const struct ike_msg *in, const struct ike_path *path);
/* Its time is over: shall it be sent as it is once more? Else a short one follows. */
bool size_again(const struct ike_sa *sa, const struct task *t);
/* It is the only one that wants to know whether the peer lives: not reason enough to give up. */
bool size_patient(const struct ike_sa *sa, const struct task *t);

#endif
