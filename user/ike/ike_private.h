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
#include "base/limits.h"
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

struct mmx_iface;
struct mmx_classes;

/* What all connections that had or have that name share. */
struct tally {
	unsigned refs;
	struct ike_counters c;
	uint8_t n_addrs;
	struct addr addrs[IKE_ADDRS_MAX]; /* ours, for the peer to know: ike_addrs_set */
	uint8_t n_ifaces;
	struct mmx_iface *ifaces;  /* owned; the same for MMX: ike_ifaces_set */
	struct mmx_classes *asked; /* owned; what is asked of the peer there: ike_classes_ask */
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
struct task;	   /* exchange.h */
struct mobike;	   /* mobike.h */
struct mmx;	   /* mmx.h */

struct ike_sa {
	struct list node; /* ike.sas */
	/* in struct ike */
	struct hash_node by_spi, by_family, by_line, by_conn, by_id, by_init, by_source;
	struct list moved_node; /* ike.moved */
	struct heap_node timer; /* ike.timers */
	struct conn *conn;	/* counted */

	uint64_t spi_i, spi_r;
	bool initiator; /* original initiator (2.2): follows the last rekey */
	bool role_i;	/* initiator of the family's first IKE SA: never flips */
	/* family: all IKE SAs of one authentication. line: one of them and those that took its
	 * place by rekeying; they have one pair of addresses and one set of Child SAs. */
	uint64_t family, line, serial;
	uint64_t bundle;     /* of families whose owner is told this number: ike_up_beside; or 0 */
	uint64_t clone_of;   /* the line that its line was cloned from, 0: none */
	bool clone_ok;	     /* both sides announced it */
	bool clones_refused; /* NO_ADDITIONAL_SAS, and none of the peer's was deleted since */
	enum ike_state state;
	bool announced; /* IKE_UP went out */
	bool redundant; /* lost a rekey collision */
	bool lingering; /* counted in ike.lingering */
	usec_t since, expires;
	usec_t rekey_at, ends_at;	/* life.c */
	usec_t reauth_at, auth_ends_at; /* stay over a rekey */
	bool session_told;		/* IKE_EV_SESSION went out */
	usec_t session_before;		/* of the family that it is to replace */
	usec_t session;			/* when the family was authenticated */
	uint8_t rekeys_tried, reauths_tried;
	struct ike_carried carried;
	uint64_t reauth_of;	  /* set up to replace all of that family, 0: none: reauth.c */
	char why[WHY_MAX];	  /* reason of the end, for the event */
	uint32_t down_op;	  /* operation that IKE_DOWN will end */
	enum ike_failure failure; /* kind of that reason, or of the next IKE_EV_FAILED */
	uint16_t failure_notify;

	struct ike_path path;
	bool natt_peer, nat_local, nat_remote;
	bool peer_probes, peer_udp; /* by vendor id */
	bool peer_mmx;		    /* the same, in IKE_SA_INIT */
	bool fragments;		    /* both sides announced them */
	struct mobike *mobike;	    /* owned; NULL: not both sides announced it */
	struct mmx *mmx;	    /* the same; only while it is the one of its line in use */

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
	uint16_t n_no_more;  /* of them, with no_more */
	usec_t children_due; /* no lifetime of theirs is over before */
	uint8_t n_own_vips, n_peer_vips;
	bool vips_of_line; /* they were given to this line, and are not those of the one cloned */
	uint8_t vips_more; /* so many of them, the last ones, came with derived Child SAs */
	bool vips_no_more; /* the peer gives none in CREATE_CHILD_SA */
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
	void *extra;		    /* owned; what only some outputs have */
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
	struct list dirty;	 /* in the order of their changes */
	struct hash spis;	 /* all with an own SPI */
	struct hash families;	 /* the same, by family */
	struct hash lines;	 /* the same, by line */
	struct hash named;	 /* the same, by name of the connection */
	struct hash peers;	 /* established once, by the peer's identity */
	struct hash inits;	 /* responder: by hash of the IKE_SA_INIT request */
	struct hash sources;	 /* half-open, by the peer's address */
	struct hash children;	 /* Child SAs, by id */
	struct hash by_peer_spi; /* the same, by line and the SPI that the peer receives on */
	struct hash offered;	 /* tasks, by the SPI that their request offers */
	struct list moved;	 /* changed in this call: their deadlines are computed at its end */
	struct heap timers;
	size_t n_sas;
	uint32_t half_open;
	uint32_t lingering; /* ended IKE SAs of peers that never authenticated */

	struct list outs;
	struct out *shown; /* last one handed out */

	uint32_t next_child_id;
	uint64_t last_line, next_serial;
	bool clones_refused;	      /* by some peer, some time */
	uint8_t cookie_secret[2][32]; /* current, previous */
	usec_t cookie_rotated;
	uint8_t cookie_version;
	uint8_t qcd_secret[IKE_QCD_SECRET_OCTETS];
	bool qcd_maker;
	uint8_t probe_vid[VID_OCTETS], udp_vid[VID_OCTETS];
	uint8_t stable_vid[VID_OCTETS]; /* in STABLE_TRANSPORT */
	struct log_limit strangers, lost_spis_all;
	struct limits replies, strays, lost_spis, told_spis; /* by source_key */
	struct ike_counters counters;
	uint8_t plain[IKE_MSG_MAX], sealed[IKE_MSG_MAX]; /* messages under construction */
	uint8_t whole[IKE_MSG_MAX];			 /* inner payloads that came in fragments */
	uint8_t *spare; /* IKE_MSG_MAX, to keep an answer in when there is no memory; or NULL */
};

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
/* One that IP must not cut. */
void out_send_whole(struct ike *ike, struct ike_sa *sa, const struct ike_path *path,
		    const uint8_t *buf, size_t len);
void out_size(struct ike *ike, const struct ike_sa *sa, uint16_t octets, enum ike_size size);
/* MMX; copied. False: no memory, and nobody is told. */
bool out_binding(struct ike *ike, const struct ike_sa *sa, const struct ike_binding *b);
bool out_child_bind(struct ike *ike, const struct ike_sa *sa, uint32_t child_id, uint32_t bind_to);
void out_mmx_answered(struct ike *ike, const struct ike_sa *sa, uint32_t op,
		      const struct ike_mmx_answer *a, const char *text);
void out_keepalive(struct ike *ike, struct ike_sa *sa, const struct ike_path *path);
/* Takes nothing; copies c. -ENOMEM. */
int out_child_add(struct ike *ike, const struct ike_sa *sa, const struct child_sa_out *c);
/* 0 or -ENOMEM. */
int out_child_ts(struct ike *ike, const struct ike_sa *sa, uint32_t child_id,
		 const struct ike_child_ts *ts);
void out_child_del(struct ike *ike, const struct ike_sa *sa, const struct child_sa *c);
void out_event(struct ike *ike, const struct ike_sa *sa, enum ike_event_kind kind,
	       uint32_t child_id, uint32_t op, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));
/* IKE_EV_SESSION of that family, which sa is of, or replaces. */
void out_session(struct ike *ike, const struct ike_sa *sa, uint64_t family, usec_t since,
		 const char *why);
/* IKE_EV_MOVE_REFUSED, with the notify type. */
void out_move_refused(struct ike *ike, const struct ike_sa *sa, uint16_t notify, const char *fmt,
		      ...) __attribute__((format(printf, 4, 5)));
/* IKE_EV_PATH_TESTED, _PATH_ANSWERED. rtt: 0 without an answer. */
void out_path_tested(struct ike *ike, const struct ike_sa *sa, const struct task *t, usec_t rtt);
void out_path_answered(struct ike *ike, const struct ike_sa *sa, const struct ike_path *path);
/* IKE_EV_MMX_PROBED */
void out_mmx_probed(struct ike *ike, const struct ike_sa *sa, uint32_t op,
		    const struct ike_mmx_probed *probed);
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

/* Of family and line of kin; NULL: of new ones. NULL: no memory. */
struct ike_sa *ike_sa_new(struct ike *ike, struct conn *conn, bool initiator,
			  const struct ike_sa *kin);
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
/* Put it into the tables; its own SPI, connection, family and line are set. */
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

/* ---- line.c ---- */

/* The IKE SA of a line that is in use, or NULL. */
struct ike_sa *line_owner(const struct ike *ike, uint64_t line);
/* How many lines a family has, and how many Child SAs. */
unsigned family_lines(const struct ike *ike, uint64_t family);
unsigned family_children(const struct ike *ike, uint64_t family);
/* Those that were replaced or deleted stay for a while, for what comes late: are there so many that
 * the peer has to wait before it makes more? */
bool family_crowded(const struct ike *ike, uint64_t family);
/* The number that the owner is told: the same for IKE SAs that were set up beside one another. */
static inline uint64_t family_told(const struct ike_sa *sa)
{
	return sa->bundle ? sa->bundle : sa->family;
}
/* Has it more than the line of sa? */
bool family_others(const struct ike *ike, const struct ike_sa *sa);
/* The one that authenticates anew for all of them, or NULL: it has Child SAs. */
struct ike_sa *family_first(const struct ike *ike, uint64_t family);

/* ---- clone.c ---- */

/* An IKE SA with that peer is deleted: another one may be asked for. */
void clone_room(struct ike *ike, const struct ike_sa *gone);

/* ---- life.c ---- */

/* Deadlines of an SA that comes into use. */
void life_ike_start(struct ike *ike, struct ike_sa *sa);
void life_auth_start(struct ike *ike, struct ike_sa *sa); /* the same, and authenticated */
void life_child_start(struct ike *ike, struct child_sa *c, const struct ike_child_cfg *cfg);
/* The peer's answer to our rekey of the IKE SA cannot be used, though it has a new one by it: tried
 * again whether the rekey was due or somebody's wish. */
void life_rekey_unusable(struct ike *ike, struct ike_sa *sa);
void life_tick(struct ike *ike, struct ike_sa *sa);
usec_t life_deadline(const struct ike_sa *sa);
/* It has other deadlines than before, or is new. */
void life_child_changed(struct ike_sa *sa, const struct child_sa *c);

/* ---- reauth.c ---- */

/* -EALREADY: it is under way. */
int reauth_start(struct ike *ike, struct ike_sa *old);
/* The IKE SA that sa is to replace, and the Child SA that its one of that name is to; NULL, 0. */
const struct ike_sa *reauth_old(const struct ike *ike, const struct ike_sa *sa);
uint32_t reauth_replaces(const struct ike *ike, const struct ike_sa *sa, const char *child);
/* Has it all that was wanted of it? Then the old one goes, and other lines' turn comes. After each
 * answer. */
void reauth_run(struct ike *ike, struct ike_sa *sa);
/* It was cloned to go on with the line that it has. */
void reauth_cloned(struct ike *ike, struct ike_sa *clone);
/* What of that line is sa's old family's goes: there is a new one, or there will be none. */
void reauth_superseded(struct ike *ike, struct ike_sa *sa, uint64_t line);

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
