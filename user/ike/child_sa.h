/* SPDX-License-Identifier: GPL-2.0-only */
/* Child SAs: algorithms, traffic selectors, the agreement, the object (child_sa.c, suite.c, ts.c).
 */
#ifndef BRAID_IKE_CHILD_SA_H
#define BRAID_IKE_CHILD_SA_H

#include "ike_private.h"

struct task;
struct mmx_shared;

#define FOREACH_CHILD_STATE(X)                                                                     \
	X(INSTALLED)                                                                               \
	X(REKEYING)                                                                                \
	X(REKEYED)                                                                                 \
	X(DELETING)

enum child_state {
#define X(n) CHILD_##n,
	FOREACH_CHILD_STATE(X)
#undef X
};

struct child_sa {
	struct list node;
	struct hash_node by_id; /* ike.children */
	struct hash_node by_peer_spi;
	struct ike_sa *sa; /* whose it is */
	uint32_t id, spi_in, spi_out;
	char name[IKE_NAME_MAX];
	enum child_state state;
	enum child_mode mode;
	struct suite suite;
	bool encap;
	bool no_tfc; /* as in child_deal */
	bool resources, additional;
	uint16_t cpu;
	/* of the first one of several: the peer takes no more; so many were asked for since then */
	bool no_more;
	uint16_t asked;
	usec_t asked_since;
	bool installed; /* a CHILD_ADD went out */
	bool replaced;	/* by a rekey of ours */
	bool spent;	/* its CHILD_DEL too, by its lifetime; only the Delete is missing */
	usec_t since;
	usec_t rekey_at, ends_at; /* life.c */
	uint8_t rekeys_tried;
	uint64_t soft_octets, hard_octets, soft_packets, hard_packets;
	uint8_t n_ts_local, n_ts_remote;
	struct ike_ts *ts_local, *ts_remote; /* owned, one block */
	struct mmx_shared *binding;	     /* a reference; NULL: MMX is off */
	uint32_t told_binding;		     /* which its owner knows of */
	uint32_t successor;		     /* id of the one that replaces it; 0: none yet */
	uint32_t replaced_out;		     /* spi_out of the one that it replaced; or 0 */
};

/* All that two peers agreed on about a Child SA, before it exists. */
struct child_deal {
	const struct ike_child_cfg *cfg;
	const char *name; /* of what is rekeyed; NULL: that of cfg */
	struct suite suite;
	uint8_t proposal;
	uint32_t spi_in, spi_out;
	enum child_mode mode;
	bool initiator; /* of the exchange */
	bool deferred;
	bool redundant;	 /* lost a collision: exists only to be deleted */
	bool more_ts;	 /* ADDITIONAL_TS_POSSIBLE */
	bool cp_reply;	 /* the answer tells the peer's virtual addresses */
	bool first_vip;	 /* of the peer's virtual addresses the first only (MMX 5) */
	bool no_tfc;	 /* the peer wants no ESP_TFC_PADDING */
	bool resources;	 /* RFC 9611: there may be others with the same selectors */
	bool additional; /* it is one of the others */
	uint16_t cpu;	 /* for what that CPU sends, + 1; 0: for all without one */
	uint32_t replaces;
	struct addr told_local, told_remote; /* child_sa_out */
	/* a reference, which the SA takes; NULL: that of the SA it replaces, else it inherits */
	struct mmx_shared *binding;
	uint8_t n_ts_local, n_ts_remote;
	struct ike_ts ts_local[IKE_TS_MAX], ts_remote[IKE_TS_MAX];
};

/* ---- child_sa.c ---- */

/* Neither replaced nor about to go. */
static inline bool child_in_use(const struct child_sa *c)
{
	return c->state == CHILD_INSTALLED || c->state == CHILD_REKEYING;
}
struct child_sa *child_find(const struct ike_sa *sa, uint32_t id);
/* How many a family may have. */
unsigned child_sas_max(const struct ike_sa *sa);
/* Make it one of sa's, and take it away again. */
void child_link(struct ike *ike, struct ike_sa *sa, struct child_sa *c);
void child_free(struct child_sa *c);
/* Copied. 0 or -ENOMEM. */
int child_ts_set(struct child_sa *c, const struct ike_ts *local, uint8_t n_local,
		 const struct ike_ts *remote, uint8_t n_remote);
void child_unlink(struct ike *ike, struct child_sa *c);
struct child_sa *child_by_name(const struct ike_sa *sa, const char *name);
/* By the SPI the peer receives on (what its messages name), in the whole line (INF-7). */
struct child_sa *child_by_peer_spi(const struct ike *ike, struct ike_sa *sa, uint32_t spi,
				   struct ike_sa **ret_owner);
void child_state(struct ike_sa *sa, struct child_sa *c, enum child_state to, const char *why);
/* The part of the configuration that it is an instance of: the one that made it, unless its
 * selectors have changed since. NULL: that is gone. */
const struct ike_child_cfg *child_policy(const struct ike_sa *sa, const struct child_sa *c);
/* SA, TSi, TSr and mode of our offer; the SPI is reserved in t. 0 or -errno. */
int child_offer(struct ike *ike, struct ike_sa *sa, struct task *t, const struct child_sa *rekeyed,
		bool with_ke, struct msg_wr *m);
void child_offer_ts(struct ike_sa *sa, struct task *t, const struct child_sa *rekeyed,
		    struct msg_wr *m);
/* After SINGLE_PAIR_REQUIRED: is there less to ask for? */
bool child_single_pair(const struct ike_sa *sa, const struct task *t);
/* The responder's answer to it. false: not within our offer. */
bool child_answered(struct ike_sa *sa, struct task *t, const struct child_sa *rekeyed, bool with_ke,
		    const struct ike_msg *in, struct child_deal *d);
/* Responder: what of the peer's request is acceptable. 0, or the notify type of the refusal. */
uint16_t child_negotiate(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in,
			 const struct child_sa *rekeyed, bool with_ke, struct child_deal *d);
/* SA, TSi, TSr and notifications of the response. */
void child_answer_sa(const struct child_deal *d, struct msg_wr *m);
void child_answer_ts(const struct ike_sa *sa, const struct child_deal *d, struct msg_wr *m);
/* Keys, CHILD_ADD, the object. gir NULL: no PFS. Takes d->spi_in on success. 0 or -errno. */
int child_install(struct ike *ike, struct ike_sa *sa, const struct child_deal *d,
		  const struct secret *gir, const struct nonce *ni, const struct nonce *nr,
		  struct child_sa **ret_child);
/* One of d, which nobody knows of yet: child_free, or child_add. NULL: no memory. */
struct child_sa *child_new(struct ike *ike, const struct ike_sa *sa, const struct child_deal *d);
enum { CHILD_KEYMAT_MAX = 512 };
/* As long as the keys of both directions are; 0: no such suite. */
size_t child_keymat_octets(const struct suite *s);
/* The same with these keys: CHILD_ADD, and it is sa's. Of d only what is no part of c is looked at;
 * the reference d->binding is taken, told is its number. out: room, which has the keys then. 0 or
 * -errno. */
int child_add(struct ike *ike, struct ike_sa *sa, const struct child_deal *d, struct child_sa *c,
	      const uint8_t *keymat, uint32_t told, struct child_sa_out *out);
/* CHILD_DEL (if installed): the data plane uses it no more, the peer is yet to hear of it. */
void child_disuse(struct ike *ike, struct ike_sa *sa, struct child_sa *c);
/* The same, and free. */
void child_remove(struct ike *ike, struct ike_sa *sa, struct child_sa *c);
/* Queue a Delete for it. 0 or -ENOMEM. */
int child_close(struct ike_sa *sa, struct child_sa *c, uint32_t op, const char *why);
const char *refusal_hint(uint16_t type);
/* Does ESP of sa go in UDP? */
bool child_encap(const struct ike_sa *sa);

/* ---- mode.c ---- */

/* Notifications of an offer and of an answer. */
void mode_offer(const struct ike_sa *sa, const struct ike_child_cfg *cfg,
		const struct child_sa *rekeyed, struct msg_wr *m);
void mode_answer(const struct ike_sa *sa, const struct child_deal *d, struct msg_wr *m);
/* d->mode, by the answer to our offer, or for our answer. False: that will not do. */
bool mode_answered(const struct ike_sa *sa, const struct child_sa *rekeyed,
		   const struct ike_msg *in, struct child_deal *d);
bool mode_choose(const struct ike_sa *sa, const struct ike_child_cfg *cfg,
		 const struct child_sa *rekeyed, const struct ike_msg *in, struct child_deal *d);
/* Selectors as they came, for our side and the peer's: in transport mode behind a NAT with other
 * addresses; what they were goes to d. */
void mode_ts(const struct ike_sa *sa, enum child_mode mode, struct ts_list *local,
	     struct ts_list *remote, struct child_deal *d);

/* Has another peer behind the same NAT the traffic already? */
bool mode_taken(const struct ike_sa *sa, const struct child_deal *d);

/* ---- resource.c: several with the same selectors, one for each CPU (RFC 9611) ---- */

/* N(SA_RESOURCE_INFO) of an offer and of an answer. */
void resource_offer(const struct ike_sa *sa, const struct ike_child_cfg *cfg, const struct task *t,
		    const struct child_sa *rekeyed, struct msg_wr *m);
void resource_answer(const struct child_deal *d, struct msg_wr *m);
/* What the peer's answer makes of it. False: an additional one is not as the first is. */
bool resource_answered(const struct ike_sa *sa, const struct task *t,
		       const struct child_sa *rekeyed, const struct ike_msg *in,
		       struct child_deal *d);
/* Our answer: 0, or the notify type of the refusal. */
uint16_t resource_choose(const struct ike_sa *sa, const struct child_sa *rekeyed,
			 const struct ike_msg *in, struct child_deal *d);
/* The refusal of one that there is no room for. */
uint16_t resource_refusal(const struct child_sa *rekeyed, const struct child_deal *d);
/* The one that t's shall be like; NULL: t is for another, or it is gone. */
struct child_sa *resource_like(const struct ike_sa *sa, const struct task *t);
/* The first of those that an additional one is made beside; NULL: it is not such a one. */
struct child_sa *resource_first(const struct ike_sa *sa, const struct child_deal *d);
/* The peer lets us have no more than there are, until one goes: resource_gone. */
void resource_refused(struct ike_sa *sa, const struct task *t, const char *why);
void resource_gone(struct ike_sa *sa);
void resource_no_more(struct child_sa *c, bool no_more);
/* What c knows of the peer, from the one it replaces. */
void resource_inherit(struct child_sa *c, const struct child_sa *old);
/* Does c ask for others, when a CPU has none? */
bool resource_asks(const struct ike_sa *sa, const struct child_sa *c);

/* ---- suite.c ---- */

/* Bits of the cipher's key, and leave out of an offer what has no longer one than that. */
unsigned suite_strength(uint16_t encr, uint16_t key_bits);
void suite_above(struct sa_payload *offer, unsigned bits);
/* Leave out what does not make this one, any key exchange with it, and the first of these. */
void suite_only(struct sa_payload *offer, const struct suite *s);
uint16_t suite_offered_ke(const struct sa_payload *offer);

void suite_offer(struct sa_payload *out, uint8_t protocol, const struct ike_proposal *p, uint8_t n,
		 uint8_t spi_len, uint64_t spi, bool with_ke);
/* Responder: spi_len is 0 in IKE_SA_INIT, 8 in a rekey of the IKE SA, 4 for ESP (3.3.1); ke_hint is
 * the group of the peer's KE payload, preferred to save a round. */
bool suite_select(const struct sa_payload *offer, uint8_t protocol, uint8_t spi_len,
		  const struct ike_proposal *p, uint8_t n, bool with_ke, uint16_t ke_hint,
		  struct suite *ret_suite, uint8_t *ret_number, uint64_t *ret_spi);
void suite_answer(struct sa_payload *out, uint8_t protocol, const struct suite *s, uint8_t number,
		  uint8_t spi_len, uint64_t spi);
/* Initiator: the answer must be one of our proposals with one transform per type (3.3.6). */
bool suite_accept(const struct sa_payload *offered, const struct sa_payload *answer,
		  struct suite *ret_suite, uint64_t *ret_spi);
/* First group we would use, and whether a group is among ours. KE_NONE: none configured. */
uint16_t suite_first_ke(uint8_t protocol, const struct ike_proposal *p, uint8_t n);
/* Is there no Child SA without a key exchange of its own? */
bool suite_needs_ke(const struct ike_proposal *p, uint8_t n);
bool suite_has_ke(uint8_t protocol, const struct ike_proposal *p, uint8_t n, uint16_t group);
void suite_format(const struct suite *s, uint8_t protocol, char buf[IKE_SUITE_STR]);

/* ---- ts.c ---- */

/* Configured selectors with "dynamic" replaced by addresses; returns how many. */
uint8_t ts_resolve(const struct ike_ts *cfg, uint8_t n, const struct addr *dyn, uint8_t n_dyn,
		   struct ike_ts out[IKE_TS_MAX]);
void ts_local(const struct ike_sa *sa, const struct ike_child_cfg *cfg,
	      struct ike_ts out[IKE_TS_MAX], uint8_t *ret_n);
/* While virtual addresses are still being asked for. Returns how many. */
uint8_t ts_local_wanted(const struct ike_conn_cfg *conn, const struct ike_child_cfg *cfg,
			struct ike_ts out[IKE_TS_MAX]);
void ts_remote(const struct ike_sa *sa, const struct ike_child_cfg *cfg,
	       struct ike_ts out[IKE_TS_MAX], uint8_t *ret_n);
void ts_put(struct ts_list *out, const struct ike_ts *in, uint8_t n);
/* Intersection of what the peer proposes with ours (2.9). Returns how many; *ret_more is set if
 * something proposed was left out. */
uint8_t ts_narrow(const struct ts_list *peer, const struct ike_ts *own, uint8_t n,
		  struct ike_ts out[IKE_TS_MAX], bool *ret_more);
/* Is all of the first selector that the peer proposes in what was narrowed? */
bool ts_keeps_first(const struct ts_list *peer, const struct ike_ts *out, uint8_t n);
/* Each of a lies within one of b. */
bool ts_all_within(const struct ike_ts *a, uint8_t n_a, const struct ike_ts *b, uint8_t n_b);
/* Every selector received lies within one of ours; copies them to out. 0 = not so. */
uint8_t ts_accept(const struct ts_list *got, const struct ike_ts *own, uint8_t n,
		  struct ike_ts out[IKE_TS_MAX]);

#endif
