/* SPDX-License-Identifier: GPL-2.0-only */
/* MOBIKE inside the core (RFC 4555): what an IKE SA keeps of it, and who does what.
 *
 *   mobike.c        negotiation; the pair of addresses changes: UPDATE_SA_ADDRESSES, both roles
 *   routability.c   COOKIE2, and the check that the peer receives where it says it is
 *   addrlist.c      which other addresses the two sides have
 *   nonat.c         NATs are refused where NAT traversal is off
 *   pair_try.c      other pairs are tested, and tried when the one in use is silent
 *
 * I (ike_sa.role_i) decides which pair the SAs use, whoever rekeyed since. There are two pairs: the
 * IKE SA's (ike_sa.path), to which requests go, and the one the Child SAs use, which follows when
 * the other side is known to receive there.
 */
#ifndef BRAID_IKE_MOBIKE_H
#define BRAID_IKE_MOBIKE_H

#include "exchange.h"
#include "parts.h"

/* Of an IKE SA whose two sides both announced MOBIKE. Rekeys copy it. */
struct mobike {
	struct ike_path esp; /* the pair that the Child SAs use */
	/* I: of the last update that R took, what a refusal falls back to. R: where I has answered
	 * last, or need not. */
	struct ike_path agreed;
	uint32_t changes; /* of the IKE SA's pair: an answer to what was built before the last
			   * one says nothing any more */
	/* R: the newest update processed, which goes by the Message ID */
	bool updated, listed;
	uint32_t update_id, list_id;
	bool by_peer;	/* the pair is what the peer made it, not our owner */
	bool nat_guess; /* I: there may be a NAT, R will say */
	bool by_esp;	/* R: the IKE SA's pair is that of an ESP packet, not checked yet */
	bool dest_known;
	uint8_t dest[SHA1_OCTETS]; /* I: as which it saw us last, NAT_DETECTION_DESTINATION_IP */
	uint8_t n_peer;
	struct addr peer[IKE_PEER_ADDRS_MAX]; /* the first is where its list came from */
};

static inline bool path_same(const struct ike_path *a, const struct ike_path *b)
{
	return udp_addr_equal(&a->local, &b->local) && udp_addr_equal(&a->remote, &b->remote);
}

/* ---- mobike.c ---- */

void mobike_build(struct part_ctx *c);
void mobike_process(struct part_ctx *c);
/* Of one IKE SA for its successor: addresses, NATs, and what is known of MOBIKE. 0 or -ENOMEM. */
int mobike_inherit(const struct ike_sa *old, struct ike_sa *sa);
/* old was rekeyed: what it had under way about addresses begins anew on sa. */
void mobike_resume(const struct ike_sa *old, struct ike_sa *sa);
void mobike_free(struct ike_sa *sa);
/* Does its connection want it? */
static inline bool conn_mobike(const struct ike_sa *sa)
{
	return sa->conn->c.mobike;
}
/* Did it come on the IKE SA's pair? What comes on another says nothing about that one (3.12). */
static inline bool mobike_on_pair(const struct ike_sa *sa, const struct ike_path *path)
{
	return !sa->mobike || path_same(path, &sa->path);
}
/* What is not given in p stays as in old. */
void path_complete(struct ike_path *p, const struct ike_path *old);
/* May the peer be there? */
bool mobike_acceptable(const struct ike_sa *sa, const struct ike_path *path);
/* Tell R of the pair, the same one maybe. */
void update_queue(struct ike_sa *sa);
/* The pair that the Child SAs of sa use. */
const struct ike_path *mobike_esp_path(const struct ike_sa *sa);
/* The IKE SAs of that line use another pair, and outstanding requests are sent over it, the same
 * octets. */
void mobike_pair(struct ike *ike, uint64_t line, const struct ike_path *path);
/* The other side receives at the IKE SA's pair: the Child SAs follow. */
void mobike_arrived(struct ike *ike, struct ike_sa *sa);
/* Its line is to be there, and R to know; for the others of the line it already is so. */
void mobike_go(struct ike *ike, struct ike_sa *sa, const struct ike_path *to);
int update_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m);
enum task_end update_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			  const struct ike_msg *in, const struct ike_path *path);

/* clone.c: sa, of I, is at another pair. R may make the clone that it asked for after it heard of
 * that, and then copies this pair, not the one that the clone has here. */
void clones_moved(struct ike *ike, const struct ike_sa *sa);

/* ---- addrlist.c ---- */

/* Our other addresses. Returns how many. */
unsigned addrs_put(const struct ike_sa *sa, struct msg_wr *m);
void addrs_queue(struct ike_sa *sa);
/* The same; of I it waits a little for a move to go with. */
void addrs_queue_along(struct ike_sa *sa);
/* A list that waits goes with the update t. */
void addrs_along(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m);
int addrs_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m);
enum task_end addrs_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			 const struct ike_msg *in, const struct ike_path *path);
bool addrs_present(const struct ike_msg *in);
/* The peer's list, which came on path. True: it is another one. */
bool addrs_take(struct ike_sa *sa, const struct ike_msg *in, const struct ike_path *path);
void addrs_request(struct part_ctx *c, struct ike_sa *sa);

/* ---- nonat.c ---- */

/* If NAT traversal is off; of a message that goes over that path. */
void nonat_put_on(const struct ike_sa *sa, const struct ike_path *path, struct msg_wr *m);
static inline void nonat_put(const struct ike_sa *sa, struct msg_wr *m)
{
	nonat_put_on(sa, &sa->path, m);
}
/* 0, or the notify type of the refusal. */
uint16_t nonat_check(const struct ike_msg *in, const struct ike_path *path);
/* After UNEXPECTED_NAT_DETECTED: is t tried once more? */
bool nonat_again(struct ike *ike, struct ike_sa *sa, struct task *t);

/* ---- pair_try.c ---- */

int path_test_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m);
enum task_end path_test_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			     const struct ike_msg *in, const struct ike_path *path);
/* Is t, of R, not given up yet? */
bool pair_patient(const struct ike *ike, const struct ike_sa *sa, const struct task *t);
/* The time of t is over again; it will be sent once more. */
void pair_unanswered(struct ike *ike, struct ike_sa *sa, struct task *t);
/* An answer to t came on that path. */
void pair_answered(struct ike *ike, struct ike_sa *sa, const struct task *t,
		   const struct ike_path *path);

/* ---- routability.c ---- */

void cookie2_build(struct part_ctx *c);
/* A fresh one into the request of t. 0 or -EIO. */
int cookie2_put(struct task *t, struct msg_wr *m);
/* Is it in the answer? If not, that is the end of the IKE SA. */
bool cookie2_returned(struct ike *ike, struct ike_sa *sa, const struct task *t,
		      const struct ike_msg *in);
/* Was the request answered on the one pair of addresses that it was sent on, and is it still the
 * IKE SA's? */
bool task_proves_pair(const struct ike_sa *sa, const struct task *t);
/* Find out whether the peer receives at the IKE SA's pair; then mobike_arrived. */
void routability_check(struct ike_sa *sa);
/* I moved to the IKE SA's pair: the Child SAs follow, before or after that as the policy wants. */
void routability_moved(struct ike *ike, struct ike_sa *sa, enum ike_return_check when);
/* What the connection says of it, for an address that it names; for others there is no policy but
 * to ask before (MMX 14). */
enum ike_return_check return_check_of(const struct ike_sa *sa, const struct addr *peer);
/* R: did they go ahead? */
static inline bool mobike_unchecked(const struct ike_sa *sa)
{
	return !sa->role_i && !path_same(&sa->mobike->esp, &sa->mobike->agreed);
}
/* Nobody answers there: they go back. */
void routability_failed(struct ike *ike, struct ike_sa *sa);
int routability_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m);
enum task_end routability_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			       const struct ike_msg *in, const struct ike_path *path);

#endif
