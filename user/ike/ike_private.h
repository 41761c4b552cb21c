/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the IKE core share. Nothing outside user/ike/ includes this.
 *
 * Memory: `struct ike` owns everything. An IKE SA that ends is marked CLOSED and freed by ike_reap
 * at the end of the call, so handlers may go on using their pointer. Thread: one.
 */
#ifndef BRAID_IKE_PRIVATE_H
#define BRAID_IKE_PRIVATE_H

#include "base/hash.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/log.h"
#include "crypto/aead.h"
#include "crypto/alg.h"
#include "crypto/ke.h"
#include "crypto/prf.h"
#include "crypto/rng.h"
#include "crypto/x509.h"
#include "ike/ike.h"
#include "ikemsg/ikemsg.h"
#include "ikemsg/sk.h"

enum {
	NONCE_OCTETS = 32, /* half the key of the longest PRF (2.10) */
	NONCE_MIN = 16,
	NONCE_MAX = 256,
	COOKIE_MAX = 64,
	COOKIE_OCTETS = 32,
	INIT_ROUNDS_MAX = 5, /* COOKIE and INVALID_KE_PAYLOAD answers we follow */
	TEMPORARY_MAX = 7,   /* TEMPORARY_FAILUREs in a row before the IKE SA is given up */
	ESP_SPI_MIN = 256,   /* below: reserved (4303 2.1) */
	PORT_IKE = 500,
	PORT_NATT = 4500,
	WHY_MAX = 288,
	DELETED_MAX = 4,
	VID_OCTETS = 16,
};

/* Message IDs of requests: the last is never used, and beyond the other the IKE SA is rekeyed. */
#define MSG_ID_LAST  UINT32_MAX
#define MSG_ID_REKEY (MSG_ID_LAST - 0x10000)

/* How long an ended IKE SA still answers retransmissions of the last request. */
#define LINGER_USEC (30 * USEC_PER_SEC)

struct nonce {
	uint16_t len;
	uint8_t b[NONCE_MAX];
};

/* ---- configuration, counted so that running SAs keep theirs ---- */

/* Counters of all connections that had or have that name. */
struct tally {
	unsigned refs;
	struct ike_counters c;
};

struct conn {
	struct list node;
	unsigned refs;
	struct ike_conn_cfg c;
	struct tally *tally; /* counted */
};

struct pool {
	struct ike_pool_cfg c;
	struct addr hint; /* where the last search ended */
};

struct lease {
	struct hash_node by_addr, by_family;
	uint64_t family;
	struct addr addr;
};

/* ---- negotiated algorithms ---- */

struct suite {
	uint16_t encr, key_bits, integ, prf, ke;
	bool esn;
	bool integ_none, ke_none; /* the offer listed NONE, so the answer does */
};

/* As long as the longest PRF, MAC or cipher key with salt; thousands of IKE SAs have seven each. */
enum { IKE_KEY_MAX = 64 };

struct ike_key {
	uint8_t len; /* octets in use */
	uint8_t b[IKE_KEY_MAX];
};

struct ike_keys {
	struct ike_key sk_d, sk_ai, sk_ar, sk_ei, sk_er, sk_pi, sk_pr;
};

/* ---- Child SA ---- */

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
	struct ike_sa *sa;	/* whose it is */
	uint32_t id, spi_in, spi_out;
	char name[IKE_NAME_MAX];
	enum child_state state;
	enum child_mode mode;
	struct suite suite;
	bool encap;
	bool installed; /* a CHILD_ADD went out */
	bool replaced;	/* by a rekey of ours */
	bool spent;	/* its CHILD_DEL too, by its lifetime; only the Delete is missing */
	usec_t since;
	usec_t rekey_at, ends_at; /* life.c */
	uint8_t rekeys_tried;
	uint64_t soft_octets, hard_octets, soft_packets, hard_packets;
	uint8_t n_ts_local, n_ts_remote;
	struct ike_ts *ts_local, *ts_remote; /* owned, one block */
};

/* All that two peers agreed on about a Child SA, before it exists. */
struct child_deal {
	const struct ike_child_cfg *cfg;
	struct suite suite;
	uint8_t proposal;
	uint32_t spi_in, spi_out;
	enum child_mode mode;
	bool initiator; /* of the exchange */
	bool deferred;
	bool redundant; /* lost a collision: exists only to be deleted */
	bool more_ts;	/* ADDITIONAL_TS_POSSIBLE */
	bool no_tfc;	/* the peer wants no ESP_TFC_PADDING */
	uint32_t replaces;
	uint8_t n_ts_local, n_ts_remote;
	struct ike_ts ts_local[IKE_TS_MAX], ts_remote[IKE_TS_MAX];
};

/* ---- tasks: what we want from the peer; one request each ---- */

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
	TASK_KINDS,
};

struct task {
	struct list node; /* in ike_sa.pending or ike_sa.inflight */
	enum task_kind kind;
	uint32_t op;
	uint32_t child_id;	       /* rekey, delete: the SA concerned */
	char child_name[IKE_NAME_MAX]; /* new: name in the configuration */
	usec_t not_before;
	uint8_t temporary, rounds;
	bool single_pair; /* the peer takes no more than that: the first selectors only */

	/* the request on the wire */
	uint32_t msg_id;
	uint8_t *packet; /* owned */
	size_t packet_len;
	unsigned tries;
	usec_t timeout, first_send, next_send, give_up;
	uint16_t unprotected_error; /* seen, but not believed at once (2.21.1) */
	bool hurried;		    /* sent again early, once: ESP came before the answer */
	unsigned disowned_try,
		n_disowned;   /* last of the tries answered INVALID_IKE_SPI; how many */
	usec_t suspect_until; /* 0: none was; then: time to believe it, or not */

	/* TASK_SIZE */
	uint16_t octets; /* of the IP packet */
	bool whole;	 /* not cut into fragments yet */
	uint8_t whole_tries;

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

enum task_end { TASK_FREE, TASK_AGAIN };

/* ---- IKE SA ---- */

#define FOREACH_IKE_STATE(X)                                                                       \
	X(INIT_SENT, "CONNECTING")                                                                 \
	X(HALF_OPEN, "CONNECTING")                                                                 \
	X(AUTH_SENT, "CONNECTING")                                                                 \
	X(ESTABLISHED, "ESTABLISHED")                                                              \
	X(REKEYED, "DELETING")                                                                     \
	X(DELETING, "DELETING")                                                                    \
	X(CLOSED, "CLOSED")

enum ike_state {
#define X(n, shown) IKE_##n,
	FOREACH_IKE_STATE(X)
#undef X
};

struct response_cache {
	uint32_t msg_id;
	uint8_t hash[SHA256_OCTETS]; /* of the request */
	uint8_t *buf;		     /* owned; NULL: nothing cached */
	size_t len;
};

struct reassembly; /* fragment.c */

struct ike_sa {
	struct list node;							/* ike.sas */
	struct hash_node by_spi, by_family, by_conn, by_id, by_init, by_source; /* in struct ike */
	struct list moved_node;							/* ike.moved */
	struct heap_node timer;							/* ike.timers */
	struct conn *conn;							/* counted */

	uint64_t spi_i, spi_r;
	bool initiator; /* original initiator (2.2): follows the last rekey */
	bool role_i;	/* initiator of the family's first IKE SA: never flips */
	uint64_t family, serial;
	enum ike_state state;
	bool announced; /* IKE_UP went out */
	bool redundant; /* lost a rekey collision */
	bool lingering; /* counted in ike.lingering */
	usec_t since, expires;
	usec_t rekey_at, ends_at;	/* life.c */
	usec_t reauth_at, auth_ends_at; /* stay over a rekey */
	uint8_t rekeys_tried, reauths_tried;
	bool reauth;		  /* set up to replace the others of its family: reauth.c */
	char why[WHY_MAX];	  /* reason of the end, for the event */
	uint32_t down_op;	  /* operation that IKE_DOWN will end */
	enum ike_failure failure; /* kind of that reason, or of the next IKE_EV_FAILED */
	uint16_t failure_notify;

	struct ike_path path;
	bool natt_peer, nat_local, nat_remote;
	bool peer_probes, peer_udp; /* by vendor id */
	bool fragments;		    /* both sides announced them */

	struct suite suite;
	struct ike_keys keys;
	struct aead *aead_in, *aead_out; /* owned */
	struct aead_sizes sizes;
	uint64_t iv_counter;

	struct nonce ni, nr;
	uint8_t *init_req, *init_resp; /* owned; octets AUTH covers, until established */
	size_t init_req_len, init_resp_len;
	uint8_t init_hash[SHA256_OCTETS];
	uint8_t cookie[COOKIE_MAX];
	uint8_t cookie_len;

	const struct ike_id *local_id, *remote_id; /* never NULL; set by id_keep */
	uint32_t peer_hashes; /* it can verify: mask of 1 << enum sig_hash; 0: it did not say */
	uint8_t cred;	      /* index of the credential its CERTREQ asks for; initiator */
	bool wants_ocsp;      /* it asks for an OCSP response; initiator */

	uint32_t next_request, expected_request;
	uint32_t ahead; /* requests after the expected one that came before it: rxwindow.c */
	uint8_t peer_window, n_inflight;
	uint8_t window;		      /* requests we take at a time: entries of cache */
	struct response_cache *cache; /* owned; by Message ID modulo window */
	struct list pending, inflight;
	struct reassembly *reassembly[2]; /* owned; of a request, of a response */

	struct list children;
	uint16_t n_children;
	uint8_t n_own_vips, n_peer_vips;
	struct addr own_vips[IKE_VIPS_MAX], peer_vips[IKE_VIPS_MAX];
	usec_t last_tx;		    /* anything, by IKE or ESP */
	usec_t last_rx;		    /* last fresh protected evidence of the peer (2.4) */
	usec_t rtt;		    /* of requests, smoothed; 0: not known */
	usec_t next_check;	    /* no sooner does a hint cause a liveness check */
	bool heard;		    /* the peer used it: it knows it */
	struct vendor_ids *vendors; /* owned; vendor.c */
	uint8_t *qcd_token;	    /* owned; of the peer */
	uint8_t qcd_token_len;
	bool qcd_due;		/* ours has to be sent */
	struct ike *ike;	/* for ike_sa_touch */
	struct list dirty_node; /* there, when the image handed out is not what it is now */
	bool imaged;		/* one was handed out and not taken back */
};

/* ---- the core ---- */

struct out {
	struct list node;
	struct ike_output o;
	struct child_sa_out *child; /* owned, wiped */
	char text[320];
	uint8_t buf[];
};

struct ike {
	struct ike_env env;
	usec_t now; /* of the running call */
	uint32_t cookie_threshold, half_open_max, block_threshold;
	usec_t half_open_timeout;
	struct list conns;
	struct pool *pools;
	uint16_t n_pools;
	struct hash leases, leases_of; /* by address, by family */

	struct list sas;
	struct list dirty;    /* in the order of their changes */
	struct hash spis;     /* all with an own SPI */
	struct hash families; /* the same, by family */
	struct hash named;    /* the same, by name of the connection */
	struct hash peers;    /* established once, by the peer's identity */
	struct hash inits;    /* responder: by hash of the IKE_SA_INIT request */
	struct hash sources;  /* half-open, by the peer's address */
	struct hash children; /* Child SAs, by id */
	struct list moved;    /* changed in this call: their deadlines are computed at its end */
	struct heap timers;
	size_t n_sas;
	uint32_t half_open;
	uint32_t lingering; /* ended IKE SAs of peers that never authenticated */

	struct list outs;
	struct out *shown; /* last one handed out */

	uint32_t next_child_id;
	uint64_t next_family, next_serial;
	uint8_t cookie_secret[2][32]; /* current, previous */
	usec_t cookie_rotated;
	uint8_t cookie_version;
	uint8_t qcd_secret[IKE_QCD_SECRET_OCTETS];
	bool qcd_maker;
	uint8_t probe_vid[VID_OCTETS], udp_vid[VID_OCTETS];
	struct log_limit strangers, replies, strays, lost_spis, told_spis;
	struct ike_counters counters;
	uint8_t plain[IKE_MSG_MAX], sealed[IKE_MSG_MAX]; /* messages under construction */
	uint8_t whole[IKE_MSG_MAX];			 /* inner payloads that came in fragments */
};

/* ---- parts: concerns that ride on exchanges ---- */

enum place {
	AT_INIT_REQUEST = 1 << 0,
	AT_INIT_RESPONSE = 1 << 1,
	AT_AUTH_REQUEST = 1 << 2,
	AT_AUTH_RESPONSE = 1 << 3,
	AT_INFO_REQUEST = 1 << 4,
	AT_INFO_RESPONSE = 1 << 5,
	AT_REKEY_RESPONSE = 1 << 6, /* of the IKE SA; sa is the new one */
};

struct part_ctx {
	struct ike *ike;
	struct ike_sa *sa;
	enum place place;
	const struct ike_msg *in;    /* request being answered, or message being processed */
	const struct ike_path *path; /* it came on, or goes out on */
	struct msg_wr *m;	     /* build */
	uint16_t cp_error;	     /* notify type, 0 = none */
	uint8_t cp_requested;
};

void parts_build(struct part_ctx *c);
void parts_process(struct part_ctx *c);

/* natd.c */
void natd_build(struct part_ctx *c);
void natd_process(struct part_ctx *c);
/* Go to port 4500 for IKE_AUTH (2.23). */
void natd_float(struct ike_sa *sa);
/* An authenticated new message came on path: dynamic update, if 2.23 allows it. */
void natd_seen(struct ike *ike, struct ike_sa *sa, const struct ike_path *path);
bool path_marker(const struct ike_path *path);
/* When a NAT keepalive is due if nothing else is sent; then it is sent. */
usec_t natd_keepalive_at(const struct ike_sa *sa);
void natd_keepalive(struct ike *ike, struct ike_sa *sa);

/* proof.c: how the two sides prove their identities in IKE_AUTH. */
void hashes_build(struct part_ctx *c);
void hashes_process(struct part_ctx *c);
void certreq_build(struct part_ctx *c);
void certreq_process(struct part_ctx *c);
/* Our ID, certificates and AUTH. certreqs: payloads that ask for certificates may be in it. 0, or
 * -errno with why. */
int proof_put(struct ike_sa *sa, bool initiator, const struct ike_msg *certreqs, struct msg_wr *m,
	      char why[WHY_MAX]);
/* Does the peer prove its ID the way that connection wants it? false with why: a clause. how: what
 * convinced us. */
bool proof_check(struct ike *ike, const struct ike_sa *sa, const struct ike_conn_cfg *c,
		 bool of_initiator, const struct ike_msg *in, char why[WHY_MAX]);

/* cp.c */
void cp_build(struct part_ctx *c);
void cp_process(struct part_ctx *c);
void cp_release(struct ike *ike, uint64_t family);
void cp_clear(struct ike *ike);
bool cp_restore(struct ike *ike, uint64_t family, const struct addr *a);

/* vendor.c */
void vendors_process(struct part_ctx *c);
uint8_t vendors_look(const struct ike_sa *sa, char out[IKE_VENDORS_MAX][IKE_VENDOR_STR]);

/* unique.c */
void initial_contact_build(struct part_ctx *c);
void unique_process(struct part_ctx *c);
/* May this peer, authenticated by that request, have another IKE SA? */
bool unique_admits(const struct ike *ike, const struct ike_sa *sa, const struct ike_msg *in);

/* rxwindow.c */
void rxwin_build(struct part_ctx *c);
void rxwin_process(struct part_ctx *c);
/* Take that many requests at a time from now on. 0 or -ENOMEM. */
int rxwin_open(struct ike_sa *sa, unsigned size);
void rxwin_clear(struct ike_sa *sa);
/* A request that may be executed. Afterwards it is rxwin_taken. */
bool rxwin_new(const struct ike_sa *sa, uint32_t msg_id);
void rxwin_taken(struct ike_sa *sa, uint32_t msg_id);
/* What it was answered with, or NULL. */
struct response_cache *rxwin_answered(struct ike_sa *sa, uint32_t msg_id);
/* Takes buf. */
void rxwin_answer(struct ike_sa *sa, uint32_t msg_id, const uint8_t *hash, uint8_t *buf,
		  size_t len);

/* fragment.c */
void frag_build(struct part_ctx *c);
void frag_process(struct part_ctx *c);
/* WHOLE: as one datagram however long; SMALL: in fragments, two at least. */
enum frag_how { FRAG_USUAL, FRAG_WHOLE, FRAG_SMALL };
/* A message, or all its fragments one after the other, into ike->sealed. Octets, or 0. */
size_t frag_seal(struct ike *ike, struct ike_sa *sa, const struct ike_hdr *hdr, enum frag_how how,
		 uint8_t first, const uint8_t *inner, size_t len);
/* Octets of an IP packet on the IKE SA's path that are not of the IKE message. */
size_t frag_around(const struct ike_sa *sa);
/* Before it is decrypted: may it be of use? Counts what is not. */
bool frag_wanted(struct ike *ike, struct ike_sa *sa, const struct ike_msg *in);
/* An authentic fragment. 0: it was the last one missing; *in becomes the whole message's with
 * nothing decoded yet but the header, hash (of this datagram) that of fragment 1, ret_inner its
 * payloads, good until the next call. -EAGAIN: more are missing; -ENOBUFS: too much. */
int frag_take(struct ike *ike, struct ike_sa *sa, struct ike_msg *in, uint8_t *hash,
	      const uint8_t *text, size_t len, uint8_t **ret_inner, size_t *ret_len);
/* An authentic first fragment, of a request that was answered: the peer may cut it anew for a
 * smaller MTU, and still wants its answer (7383 2.6). buf is decrypted. */
bool frag_repeats(struct ike_sa *sa, uint8_t *buf, size_t len);
/* That message is dealt with, or all are. */
void frag_done(struct ike *ike, struct ike_sa *sa, const struct ike_hdr *h);
void frag_clear(struct ike *ike, struct ike_sa *sa);
void frag_tick(struct ike *ike, struct ike_sa *sa);
usec_t frag_deadline(const struct ike_sa *sa);

/* size.c */
int size_build(struct ike *ike, struct ike_sa *sa, struct task *t, struct msg_wr *m);
enum task_end size_done(struct ike *ike, struct ike_sa *sa, struct task *t,
			const struct ike_msg *in, const struct ike_path *path);
/* Its time is over: shall it be sent as it is once more? Else it is cut. */
bool size_again(const struct ike_sa *sa, const struct task *t);
/* It is the only one that wants to know whether the peer lives: not reason enough to give up. */
bool size_patient(const struct ike_sa *sa, const struct task *t);

/* hints.c: an unprotected message that is no answer to IKE_SA_INIT; sa: that of its header, or
 * NULL. False: nothing that is looked at. */
bool hint_receive(struct ike *ike, struct ike_sa *sa, const uint8_t *buf, size_t len);
bool hint_spi_pending(const struct ike *ike, uint64_t own_spi);
/* The peer said of that request again and again that it does not know the IKE SA, and no more. */
bool hint_disowned_long(const struct ike *ike, const struct task *t);

/* qcd.c */
void qcd_build(struct part_ctx *c);
void qcd_process(struct part_ctx *c);
/* The peer's token. Copied; 0, -EINVAL, -ENOMEM. */
int qcd_keep(struct ike_sa *sa, const uint8_t *p, size_t len);
void qcd_forget(struct ike_sa *sa);
/* What is said besides INVALID_IKE_SPI to a request with that header. */
void qcd_answer(const struct ike *ike, const struct ike_hdr *h, struct msg_wr *m);
/* Does an unprotected message hold the token of the peer? */
bool qcd_proves(const struct ike_sa *sa, const struct ike_msg *in);

/* cookie.c: 0 with COOKIE_OCTETS written, or -EIO */
int cookie_make(struct ike *ike, const struct ike_msg *in, const struct ike_path *path,
		uint8_t out[COOKIE_OCTETS]);
bool cookie_valid(struct ike *ike, const struct ike_msg *in, const struct ike_path *path,
		  const struct notify *n);

/* ---- suite.c ---- */

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
bool suite_has_ke(uint8_t protocol, const struct ike_proposal *p, uint8_t n, uint16_t group);
void suite_format(const struct suite *s, uint8_t protocol, char buf[IKE_SUITE_STR]);

/* ---- ts.c ---- */

/* Configured selectors with "dynamic" replaced by addresses; returns how many. */
uint8_t ts_resolve(const struct ike_ts *cfg, uint8_t n, const struct addr *dyn, uint8_t n_dyn,
		   struct ike_ts out[IKE_TS_MAX]);
void ts_local(const struct ike_sa *sa, const struct ike_child_cfg *cfg,
	      struct ike_ts out[IKE_TS_MAX], uint8_t *ret_n);
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

/* ---- conn.c ---- */

/* old: whose counters go on. */
int conns_copy(const struct ike_cfg *cfg, const struct list *old, struct list *ret_conns);
void conns_free(struct list *conns);
struct conn *conn_ref(struct conn *c);
void conn_unref(struct conn *c);
struct conn *conn_find(const struct ike *ike, const char *name);
bool conn_fits_path(const struct ike_conn_cfg *c, const struct ike_path *path);
const struct ike_child_cfg *conn_child(const struct conn *c, const char *name);
bool id_equal(const struct ike_id *a, const struct ike_id *b);
bool id_matches(const struct ike_id *want, const struct ike_id *got);
const char *id_format(const struct ike_id *id, char buf[128]);
/* An IKE SA's identities have no more octets than their len says: thousands of IKE SAs have two
 * each. They are copied by these only. 0 or -ENOMEM, then *at is what it was. */
int id_keep(const struct ike_id **at, const struct ike_id *id);
void id_drop(const struct ike_id **at); /* nobody's, which it is at first */
void id_copy(struct ike_id *out, const struct ike_id *id);

/* ---- counters.c ---- */

/* For all, and for the connection of sa. */
#define COUNT(ike, sa, what) COUNT_N(ike, sa, what, 1)
#define COUNT_N(ike, sa, what, n)                                                                  \
	do {                                                                                       \
		(ike)->counters.what += (n);                                                       \
		(sa)->conn->tally->c.what += (n);                                                  \
	} while (0)

/* sa may be NULL: a stranger's. tx: of ours. */
void count_message(struct ike *ike, const struct ike_sa *sa, uint8_t exchange, bool response,
		   bool tx);
/* An error notification (others are not counted). */
void count_error(struct ike *ike, const struct ike_sa *sa, uint16_t type, bool tx);
/* Those of a message from the peer. */
void count_errors_in(struct ike *ike, const struct ike_sa *sa, const struct ike_msg *in);

/* ---- output.c ---- */

/* buf: an IKE message, or several (fragments) one after the other, a datagram each. */
void out_send(struct ike *ike, struct ike_sa *sa, const struct ike_path *path, const uint8_t *buf,
	      size_t len);
/* One that IP must not cut, on the path of sa. */
void out_send_whole(struct ike *ike, struct ike_sa *sa, const uint8_t *buf, size_t len);
void out_size(struct ike *ike, const struct ike_sa *sa, uint16_t octets, enum ike_size size);
void out_keepalive(struct ike *ike, struct ike_sa *sa);
/* Takes nothing; copies c. -ENOMEM. */
int out_child_add(struct ike *ike, const struct ike_sa *sa, const struct child_sa_out *c);
void out_child_del(struct ike *ike, const struct ike_sa *sa, const struct child_sa *c);
void out_event(struct ike *ike, const struct ike_sa *sa, enum ike_event_kind kind,
	       uint32_t child_id, uint32_t op, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));
/* How far t is: for those who asked, and of every set-up attempt. */
void out_step(struct ike *ike, const struct ike_sa *sa, const struct task *t, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* What the next IKE_EV_FAILED or the end of sa is due to. notify: 0 if the peer gave no reason. */
void ike_sa_blame(struct ike_sa *sa, enum ike_failure failure, uint16_t notify);
void outs_free(struct ike *ike);
void log_ike(const struct ike_sa *sa, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* May a line about what an unauthenticated sender caused be written now? They are few. */
bool log_strangers(struct ike *ike, enum log_level level);
/* Such a line, or none. */
void log_stranger(struct ike *ike, const struct ike_path *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- ike_sa.c ---- */

struct ike_sa *ike_sa_new(struct ike *ike, struct conn *conn, bool initiator);
void ike_sa_free(struct ike *ike, struct ike_sa *sa);
struct ike_sa *ike_sa_find(const struct ike *ike, uint64_t own_spi);
/* Keys of the tables of that name. */
uint64_t conn_key(const char *name);
uint64_t id_key(const struct ike_id *id);
uint64_t addr_key(const struct addr *a);
/* Whom an address is counted with: an IPv6 /64 is one customer's. */
uint64_t source_key(const struct addr *a);
static inline uint64_t ike_sa_own_spi(const struct ike_sa *sa)
{
	return sa->initiator ? sa->spi_i : sa->spi_r;
}
int ike_spi_new(const struct ike *ike, uint64_t *ret_spi);
/* Put it into the tables; its own SPI, connection and family are set. */
void ike_sa_insert(struct ike *ike, struct ike_sa *sa);
void ike_sa_withdraw(struct ike *ike, struct ike_sa *sa);
/* The one place where the state changes; logs old -> new and why. */
void ike_sa_state(struct ike *ike, struct ike_sa *sa, enum ike_state to, const char *why);
/* End: its tasks, its Child SAs, events. linger: answer retransmissions for a while. */
void ike_sa_close(struct ike *ike, struct ike_sa *sa, bool linger, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static inline bool ike_sa_alive(const struct ike_sa *sa)
{
	return sa->state != IKE_CLOSED;
}
/* Keys from g^ir; sk_d_old and prf_old only for a rekey (2.18). 0 or -errno. */
int ike_sa_derive(struct ike_sa *sa, const struct secret *gir, const struct ike_key *sk_d_old,
		  uint16_t prf_old);
/* 0, or -EMSGSIZE. */
int ike_key_set(struct ike_key *k, const uint8_t *p, size_t n);
/* Build both cipher contexts from the keys. */
int ike_sa_arm(struct ike_sa *sa);
int nonce_new(struct nonce *n);
bool nonce_set(struct nonce *n, struct bytes b);
/* memcmp order, shorter prefix lower (2.8.1) */
int nonce_cmp(const struct nonce *a, const struct nonce *b);
const struct nonce *nonce_lowest(const struct nonce *a, const struct nonce *b);
/* An end that whoever keeps images has not heard of. */
bool ike_sa_owed(const struct ike_sa *sa);
void ike_sa_touch(struct ike_sa *sa);

/* ---- window.c ---- */

struct task *task_new(struct ike_sa *sa, enum task_kind kind, uint32_t op);
void task_free(struct ike *ike, struct task *t);
struct task *task_find(const struct ike_sa *sa, enum task_kind kind, uint32_t child_id);
static inline bool task_in_flight(const struct task *t)
{
	return t->packet;
}
/* The request that a response of that exchange answers, or NULL. */
struct task *task_in_flight_as(const struct ike_sa *sa, uint32_t msg_id, uint8_t exchange);
/* Before everything that still waits. */
void task_first(struct ike_sa *sa, struct task *t);
/* Take t off its list, end its operation with an event, and free it. */
void task_end(struct ike *ike, struct ike_sa *sa, struct task *t, enum ike_event_kind kind,
	      uint32_t child_id, const char *text);
/* Send what the window allows. */
void window_run(struct ike *ike, struct ike_sa *sa);
void window_tick(struct ike *ike, struct ike_sa *sa);
usec_t window_deadline(const struct ike_sa *sa);
/* Forget the packet of a task that is to be built anew. */
void task_reset_packet(struct ike_sa *sa, struct task *t);
/* Wait after TEMPORARY_FAILURE; false: it lasted too long. */
bool task_back_off(struct ike *ike, struct task *t);
void window_resend(struct ike *ike, struct ike_sa *sa);
/* ESP came for that SPI of ours, which no SA has yet. True: a request that offers it is under way.
 */
bool window_hurry(struct ike *ike, uint32_t spi_in);
/* It is to be deleted: what still waits for an answer does so for three timeouts at most. */
void window_end_soon(struct ike *ike, struct ike_sa *sa);
/* Tell the peer of an IKE SA that we rekeyed how many requests we take, and our token. */
void window_renew(struct ike_sa *sa);
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

/* ---- life.c ---- */

/* Deadlines of an SA that comes into use. */
void life_ike_start(struct ike *ike, struct ike_sa *sa);
void life_auth_start(struct ike *ike, struct ike_sa *sa); /* the same, and authenticated */
void life_child_start(struct ike *ike, struct child_sa *c, const struct ike_child_cfg *cfg);
void life_tick(struct ike *ike, struct ike_sa *sa);
usec_t life_deadline(const struct ike_sa *sa);

/* ---- reauth.c ---- */

/* -EALREADY: it is under way. */
int reauth_start(struct ike *ike, struct ike_sa *old);
/* The IKE SA that sa is to replace, and the Child SA that its one of that name is to; NULL, 0. */
const struct ike_sa *reauth_old(const struct ike *ike, const struct ike_sa *sa);
uint32_t reauth_replaces(const struct ike *ike, const struct ike_sa *sa, const char *child);
/* Has it all that was wanted of it? Then the old one goes. After each answer. */
void reauth_run(struct ike *ike, struct ike_sa *sa);

/* ---- child_sa.c ---- */

struct child_sa *child_find(const struct ike_sa *sa, uint32_t id);
/* Make it one of sa's, and take it away again. */
void child_link(struct ike *ike, struct ike_sa *sa, struct child_sa *c);
void child_free(struct child_sa *c);
/* Copied. 0 or -ENOMEM. */
int child_ts_set(struct child_sa *c, const struct ike_ts *local, uint8_t n_local,
		 const struct ike_ts *remote, uint8_t n_remote);
void child_unlink(struct ike *ike, struct child_sa *c);
struct child_sa *child_by_name(const struct ike_sa *sa, const char *name);
/* By the SPI the peer receives on (what its messages name), in the whole family (INF-7). */
struct child_sa *child_by_peer_spi(const struct ike *ike, struct ike_sa *sa, uint32_t spi,
				   struct ike_sa **ret_owner);
void child_state(struct ike_sa *sa, struct child_sa *c, enum child_state to, const char *why);
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
void child_answer_ts(const struct child_deal *d, const struct ike_msg *in, struct msg_wr *m);
/* Keys, CHILD_ADD, the object. gir NULL: no PFS. Takes d->spi_in on success. 0 or -errno. */
int child_install(struct ike *ike, struct ike_sa *sa, const struct child_deal *d,
		  const struct secret *gir, const struct nonce *ni, const struct nonce *nr,
		  struct child_sa **ret_child);
/* CHILD_DEL (if installed): the data plane uses it no more, the peer is yet to hear of it. */
void child_disuse(struct ike *ike, struct ike_sa *sa, struct child_sa *c);
/* The same, and free. */
void child_remove(struct ike *ike, struct ike_sa *sa, struct child_sa *c);
/* Queue a Delete for it. 0 or -ENOMEM. */
int child_close(struct ike *ike, struct ike_sa *sa, struct child_sa *c, uint32_t op,
		const char *why);
const char *refusal_hint(uint16_t type);

/* ---- timers.c ---- */

/* Something about it changed that may bring its deadline forward. */
void timer_touch(struct ike_sa *sa);
/* Room for one more; then, at the end of its life. 0 or -ENOMEM. */
int timer_reserve(struct ike *ike);
void timer_forget(struct ike_sa *sa);
/* The end of each call into the core: free what ended, compute deadlines of what changed. */
void ike_reap(struct ike *ike);

/* info.c: the i-th IKE SA that is shown, or NULL. */
const struct ike_sa *ike_sa_visible(const struct ike *ike, size_t i);

#endif
